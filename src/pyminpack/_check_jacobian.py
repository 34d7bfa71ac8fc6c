"""Is this Jacobian the derivative of that function? MINPACK's `chkder`, down to single entries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _minpack
from ._called import type_error, value_error
from ._input.arguments import EPS, as_jacobian, as_residuals, require_callable, residual_eps
from ._input.start import as_start

__all__ = ["JacobianCheck", "check_jacobian"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Where the check is made, relative to the point that was given: near, and nothing special.
OFFSETS = (0.05, -0.02, 0.001, 1e-6, 0.0)
GOLDEN = (math.sqrt(5) - 1) / 2
#: Relative disagreement that is let pass: nobody's slip of the pen is as small.
TOLERANCE = 1e-6
#: Steps of a central difference, relative to x[j], each followed by its half: the first suits most
#: functions. The absolute ones are for an x[j] that is next to 0 by accident.
RELATIVE_STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-2, 1e-1)
ABSOLUTE_STEPS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
#: A complex step that is no smaller than this leaves products with derivatives their digits.
LEAST_STEP = 1e-290
#: Steps of a table of differences, relative to x.
NOISE_STEPS = (1.3e-10, 1e-7, 1e-5)
#: Bound of the rounding error of a function value, in standard deviations or in units of eps.
NOISE_SAFETY = 8.0
LISTED = 8  # entries in a printed result


@dataclass(frozen=True, eq=False, repr=False)
class JacobianCheck:
    """How a Jacobian compares with differences of its function.

    Attributes
    ----------
    ok : bool
        No entry disagrees.
    wrong : tuple of (i, j)
        The entries that do, the worst first: residual i by parameter j.
    relative_error : ndarray, shape (M, N)
        |jacobian - differences| / max(|jacobian|, |differences|); 2 is a wrong sign, 0 where the
        two do not disagree by more than the uncertainty.
    jacobian, differences, uncertainty : ndarray, shape (M, N)
        What `Dfun` says, what differences say, and a bound of the error of the differences,
        infinite where there were none.
    x : ndarray, shape (N,)
        Where: next to the given point, but not at it.
    chkder : ndarray, shape (M,)
        MINPACK's measure of each row, from 0 (wrong) to 1 (right); it knows of no uncertainty.
    transposed : bool
        The transposed Jacobian would have been right: the other `col_deriv`.

    Examples
    --------
    >>> from pyminpack import JacobianCheck, check_jacobian
    >>> check: JacobianCheck = check_jacobian(lambda x: x**2, lambda x: 3.0*x, 2.0)
    >>> check.wrong
    ((0, 0),)
    """

    ok: bool
    wrong: tuple[tuple[int, int], ...]
    relative_error: FloatArray
    jacobian: FloatArray
    differences: FloatArray
    uncertainty: FloatArray
    x: FloatArray
    chkder: FloatArray
    transposed: bool

    def __bool__(self) -> bool:
        """Whether it is `ok`."""
        return self.ok

    def __repr__(self) -> str:
        """Say what disagrees, in a table."""
        m, n = self.jacobian.shape
        if self.ok:
            decided = self.uncertainty <= 1e-2 * np.abs(self.differences)
            decided |= (self.differences == 0) & (self.jacobian == 0)
            undecided = int(np.count_nonzero(~decided))
            text = f"The {m} by {n} Jacobian agrees with differences"
            if undecided:
                text += f", as far as rounding lets them tell ({undecided} entries it does not)"
            return text + "."
        lines = [f"{len(self.wrong)} of {m * n} entries of the Jacobian disagree with differences:"]
        if self.transposed:
            lines.append("It looks transposed: see col_deriv.")
        lines += [
            "",
            f"{'residual':>8} {'parameter':>9} {'Dfun':>15} {'differences':>15} {'+-':>8}"
            f" {'rel. error':>10}",
        ]
        for i, j in self.wrong[:LISTED]:
            lines.append(
                f"{i:8d} {j:9d} {self.jacobian[i, j]:15.8g} {self.differences[i, j]:15.8g}"
                f" {self.uncertainty[i, j]:8.1e} {self.relative_error[i, j]:10.2g}"
                f"{_hint(self.jacobian[i, j], self.differences[i, j])}"
            )
        if len(self.wrong) > LISTED:
            lines.append(f"{'...':>8}")
        columns = sorted({j for _, j in self.wrong})
        if len(columns) < n:
            lines += ["", f"All of them are derivatives by parameter {_enumerate(columns)}."]
        point = ", ".join(f"{value:.6g}" for value in self.x[:10])
        lines += ["", f"at x = [{point}{', ...' if n > 10 else ''}]"]
        return "\n".join(lines)


def _hint(claimed: float, measured: float) -> str:
    """Name the slip where it is a common one."""
    ratio = claimed / measured if measured else math.inf
    for factor, slip in ((-1, "sign"), (2, "twice"), (0.5, "half"), (0, "zero")):
        if abs(ratio - factor) <= 1e-5:
            return f"  {slip}"
    return ""


def _enumerate(numbers: list[int]) -> str:
    """Write 1, 2 and 3."""
    *most, last = (str(number) for number in numbers)
    return f"{', '.join(most)} and {last}" if most else last


def check_jacobian(
    func: Callable[..., Any],
    Dfun: Callable[..., Any],
    x: npt.ArrayLike,
    args: Any = (),
    col_deriv: bool = False,
) -> JacobianCheck:
    """Compare `Dfun` with differences of `func`, entry by entry.

    Parameters
    ----------
    func : callable
        ``func(x, *args)`` returns M residuals.
    Dfun : callable
        ``Dfun(x, *args)`` returns the Jacobian, shape (M, N), or (N, M) with `col_deriv`.
    x : array_like, shape (N,)
        A point next to which to compare. Not at it, because wrong terms may vanish at zeros, ones
        and other special values: each x[j] is changed by 2 to 5 %, or by that much of 1 where it is
        0; by less where `func` is not finite there.
    args : tuple, optional
        Extra arguments of both. A value that is no tuple is wrapped in one.
    col_deriv : bool, optional
        As in `leastsq`.

    Returns
    -------
    JacobianCheck
        True if the two agree, and otherwise telling which entries do not, and by how much.

    Raises
    ------
    TypeError
        A Jacobian of the wrong shape, or anything that is not real numbers.
    ValueError
        `func` is not finite at `x`.

    Notes
    -----
    Each row is measured as by MINPACK's `chkder` (J. J. Moré, B. S. Garbow, K. E. Hillstrom,
    ANL-80-74, 1980), at one more call of `func`. Single entries are then compared with central
    differences and their extrapolation, which tells how far to trust them; where an entry seems
    wrong or stays in doubt, with those of smaller and larger steps, too; and with complex steps if
    `func` takes complex numbers and is analytic. The most trustworthy decides, and an entry counts
    as wrong only if it is off by more than that one's uncertainty and by more than 1e-6 of itself.
    The rounding errors of `func` are measured first, in difference tables (J. J. Moré, S. M. Wild,
    *Estimating computational noise*, SIAM J. Sci. Comput. 33 (2011) 1292-1314).

    Most Jacobians take 10 to 30 calls of `func`, and 5 more a parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import check_jacobian
    >>> t = np.arange(4.0)
    >>> def f(b):
    ...     return b[0] * np.exp(-b[1] * t)
    >>> def jacobian(b):
    ...     return np.array([np.exp(-b[1] * t), -b[0] * t * np.exp(-b[1] * t)]).T
    >>> check_jacobian(f, jacobian, [2.0, 0.5])
    The 4 by 2 Jacobian agrees with differences.
    >>> check = check_jacobian(f, lambda b: np.abs(jacobian(b)), [2.0, 0.5])
    >>> check.ok, sorted(check.wrong)
    (False, [(1, 1), (2, 1), (3, 1)])
    """
    if not isinstance(args, tuple):
        args = (args,)
    require_callable(func, Dfun)
    function = _Function(func, args)
    x, fvec = _off_special_values(function, as_start(x))
    m, n = fvec.size, x.size
    if m == 0:
        raise type_error("func returned no residuals; want at least one, or there is no Jacobian.")
    value = Dfun(x.copy(), *args)
    jacobian = as_jacobian(value, m, n, bool(col_deriv)).T.copy()
    tolerance = max(TOLERANCE, 100 * residual_eps(value))

    noise = _noise(function, x, fvec, jacobian)
    columns = [_column(function, x, j, jacobian[:, j], noise, tolerance) for j in range(n)]
    differences = np.array([column.best for column in columns]).T.reshape(m, n)
    uncertainty = np.array([column.error for column in columns]).T.reshape(m, n)

    relative_error, wrong = _compare(jacobian, differences, uncertainty, tolerance)
    worst_first = np.argsort(-relative_error[wrong], kind="stable")
    entries = np.argwhere(wrong)[worst_first]
    return JacobianCheck(
        ok=not wrong.any(),
        wrong=tuple((int(i), int(j)) for i, j in entries),
        relative_error=relative_error,
        jacobian=jacobian,
        differences=differences,
        uncertainty=uncertainty,
        x=x,
        chkder=_chkder(function, x, fvec, jacobian),
        transposed=_is_transposed(jacobian, wrong, differences, uncertainty, tolerance),
    )


class _Function:
    """`func`, whose values are float64 vectors of one size, finite or not, and without warnings."""

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.func = func
        self.args = args
        self.m = -1
        self.eps = EPS

    def __call__(self, x: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            value = self.func(x.copy(), *self.args)
        residuals = as_residuals(value, self.m).copy()
        if self.m < 0:
            self.m = residuals.size
            self.eps = residual_eps(value)
        return residuals

    def complex_column(self, x: FloatArray, j: int) -> FloatArray | None:
        """Differentiate by a complex step; None if `func` refuses one."""
        step = max(1e-20 * abs(x[j]), LEAST_STEP) if x[j] else 1e-20
        moved = x.astype(np.complex128)
        moved[j] += 1j * step
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(self.func(moved, *self.args))
        except Exception:  # whatever func does with what it is not made for
            return None
        if value.dtype.kind != "c" or value.size != self.m:
            return None
        return np.asarray(value.imag.ravel() / step, dtype=np.float64)


def _off_special_values(function: _Function, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a point next to `x` where `function` is finite, and its value."""
    # Multiples of the golden ratio, modulo 1, are never in a simple relation to each other.
    spread = 0.4 + 0.6 * np.mod(GOLDEN * np.arange(1, x.size + 1), 1)
    scale = np.where(x == 0, 1.0, x)
    fvec = x
    for offset in OFFSETS:
        nearby = x + offset * spread * scale
        fvec = function(nearby)
        if np.isfinite(fvec).all():
            return nearby, fvec
    bad = int(np.flatnonzero(~np.isfinite(fvec))[0])
    raise value_error(f"func returned {fvec[bad]} as residual {bad} at x; want a finite point.")


def _noise(
    function: _Function, x: FloatArray, fvec: FloatArray, jacobian: FloatArray
) -> FloatArray:
    """Bound the rounding error of each residual, (M,), from differences of the fourth order.

    They take away all that is smooth along a line: the variance of what is left is 8!/(4!)² = 70
    times that of the errors. A residual that stays the same for half of the steps is constant, or
    rounded to less than they resolve: longer ones follow, up to where smoothness is in doubt.
    """
    # Rounding is at least that of the terms of which the residual is the difference.
    with np.errstate(all="ignore"):
        terms = np.nan_to_num(np.max(np.abs(jacobian * x), axis=1), nan=0.0, posinf=0.0)
    noise = function.eps * np.maximum(np.abs(fvec), terms)
    coarse = np.ones(fvec.size, dtype=bool)
    for step in NOISE_STEPS:
        points = [x * (1 + step * k) for k in range(-3, 4)]
        table = np.array([fvec if k == 3 else function(p) for k, p in enumerate(points)])
        with np.errstate(all="ignore"):
            spread = np.sqrt(np.mean(np.diff(table, 4, axis=0) ** 2, axis=0) / 70)
            steps = np.count_nonzero(np.diff(table, axis=0), axis=0)
        if step <= NOISE_STEPS[1]:  # two samples: one may be zero by chance
            noise = np.fmax(noise, spread)
        else:
            noise[coarse] = np.fmax(noise, spread)[coarse]
        coarse &= steps <= 3
        if step >= NOISE_STEPS[1] and not coarse.any():
            break
    noise[~np.isfinite(noise)] = 0.0
    return np.asarray(NOISE_SAFETY * noise)


class _Column:
    """Estimates of a column by different steps; the best of each entry and a bound of its error."""

    def __init__(self, m: int) -> None:
        self.estimates: list[tuple[float, FloatArray, FloatArray]] = []
        self.best = np.zeros(m)
        self.error = np.full(m, np.inf)

    def add(self, step: float, estimate: FloatArray, error: FloatArray) -> None:
        """Choose again, from the smallest step to the largest.

        Of a small step, rounding makes most of the error, which is known; of a large one,
        truncation, which is inferred, and wrongly so where the function has changed its nature. So
        a larger step is believed only as long as it does not contradict a smaller one.
        """
        self.estimates.append((step, estimate, error))
        self.estimates.sort(key=lambda entry: entry[0])
        self.best = np.zeros_like(self.best)
        self.error = np.full_like(self.error, np.inf)
        for _, value, bound in self.estimates:
            better = (bound < self.error) & ~(np.abs(value - self.best) > bound + self.error)
            self.best[better] = value[better]
            self.error[better] = bound[better]

    def settles(self, claimed: FloatArray, tolerance: float) -> bool:
        """Whether no entry looks wrong, and none that counts in this column is in doubt."""
        size = np.maximum(np.abs(claimed), np.abs(self.best))
        known = self.error <= tolerance * np.maximum(size, 1e-3 * np.max(size))
        agrees = np.abs(claimed - self.best) <= np.maximum(self.error, tolerance * size)
        return bool(np.all(known & agrees))


def _column(
    function: _Function,
    x: FloatArray,
    j: int,
    claimed: FloatArray,
    noise: FloatArray,
    tolerance: float,
) -> _Column:
    """Differentiate by x[j], with as many steps as it takes to be sure of `claimed`."""
    column = _Column(claimed.size)
    steps = [abs(x[j]) * step for step in RELATIVE_STEPS if x[j]]
    steps += [step for step in ABSOLUTE_STEPS if step > max(steps, default=0)]
    with np.errstate(all="ignore"):
        for k, step in enumerate(steps):
            column.add(step, *_extrapolated(function, x, j, step, noise))
            if k == 0:
                _add_complex(column, function, x, j)
            if column.settles(claimed, tolerance):
                break
    return column


def _extrapolated(
    function: _Function, x: FloatArray, j: int, step: float, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Differentiate by steps h and h/2; extrapolate to h = 0; bound the error.

    The extrapolated value is better than that at h/2 by a factor of h², if h is small enough for
    anything: so the distance between the two is a bound with much to spare.
    """
    wide, narrow = (_central(function, x, j, h) for h in (step, step / 2))
    estimate = narrow + (narrow - wide) / 3
    error = np.abs(estimate - narrow) + 6 * noise / step
    error[~np.isfinite(error)] = np.inf
    return estimate, error


def _central(function: _Function, x: FloatArray, j: int, step: float) -> FloatArray:
    above, below = x.copy(), x.copy()
    above[j] += step
    below[j] -= step
    return np.asarray((function(above) - function(below)) / (above[j] - below[j]))


def _add_complex(column: _Column, function: _Function, x: FloatArray, j: int) -> None:
    """Add complex steps, unless differences show that `function` is not analytic."""
    estimate = function.complex_column(x, j)
    if estimate is None or not np.isfinite(estimate).all():
        return
    if np.all(np.abs(estimate - column.best) <= column.error):
        size = np.maximum(np.abs(estimate), 1e-6 * np.max(np.abs(estimate), initial=0.0))
        column.add(0.0, estimate, 1e-12 * size)


def _compare(
    jacobian: FloatArray, differences: FloatArray, uncertainty: FloatArray, tolerance: float
) -> tuple[FloatArray, BoolArray]:
    """Return the relative errors and which of them count."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(jacobian), np.abs(differences))
        off = np.abs(jacobian - differences)
        wrong = (off > uncertainty) & (off > tolerance * size)
        wrong |= ~np.isfinite(jacobian)
        relative = np.where((off > uncertainty) & (size > 0), off / size, 0.0)
    relative[~np.isfinite(jacobian)] = np.inf
    return relative, wrong


def _is_transposed(
    jacobian: FloatArray,
    wrong: BoolArray,
    differences: FloatArray,
    uncertainty: FloatArray,
    tolerance: float,
) -> bool:
    """Whether a wrong Jacobian is right transposed, where M = N hides it from a look at shapes."""
    if not wrong.any() or jacobian.shape[0] != jacobian.shape[1]:
        return False
    return not _compare(jacobian.T, differences, uncertainty, tolerance)[1].any()


def _chkder(
    function: _Function, x: FloatArray, fvec: FloatArray, jacobian: FloatArray
) -> FloatArray:
    neighbour, measure = np.zeros_like(x), np.zeros_like(fvec)
    fjac = np.asfortranarray(jacobian)
    _minpack.chkder(x, fvec, fjac, neighbour, fvec, 1, measure)
    _minpack.chkder(x, fvec, fjac, neighbour, function(neighbour), 2, measure)
    return measure
