"""Difference Jacobians that are better than MINPACK's forward ones: central, and by complex steps.

The balance of truncation and rounding errors that sets the central step is in P. E. Gill,
W. Murray, M. H. Wright, *Practical Optimization* (1981); complex steps are those of
W. Squire, G. Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM
Review 40 (1998) 110-112.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import called, named, value_error
from .._input.arguments import EPS, as_real, as_residuals, residual_eps
from .._minpack import enorm

__all__ = ["METHODS", "ComplexStep", "Differences", "ThreePoint", "UnfitError", "jacobian_by"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

METHODS = ("2-point", "3-point", "cs", "adaptive")

#: A complex step has no rounding error that grows as it shrinks: its truncation error, of the order
#: of its square, is to vanish; products with derivatives are not to.
COMPLEX_STEP = 1e-20


class Differences:
    """A function to be differentiated, its bounds, and how often it has been called for it.

    Parameters
    ----------
    func : callable
        ``func(x, *args)`` returns M residuals.
    limits : ndarray, shape (2, N), optional
        Bounds of x.

    Attributes
    ----------
    nfev, njev : int
        Calls of `func` so far, and Jacobians made of them.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        limits: FloatArray | None = None,
    ) -> None:
        self.func = func
        self.limits = limits
        self.nfev = self.njev = 0

    def _within(self, point: float, j: int) -> float:
        """Return the point within the bounds of x[j] that is next to `point`."""
        if self.limits is None:
            return point
        lower, upper = self.limits[:, j]
        return float(min(max(point, lower), upper))

    def _call(self, x: FloatArray, j: int, value: float, args: tuple[Any, ...]) -> Any:
        """Call `func` where x[j] is `value`."""
        moved = x.copy()
        moved[j] = value
        self.nfev += 1
        return self.func(moved, *args)


class ThreePoint(Differences):
    """Jacobian of `func` by differences of second order: a ``Dfun`` with ``col_deriv=True``.

    Central where `limits` leave room, else one-sided of three points: `func` is never
    called outside of them. A column whose bounds are equal is zero.

    The step is ``cbrt(max(epsfcn, eps))*abs(x[j])``, the root alone where ``x[j] == 0``, and also
    where x[j] is so close to 0 that the step does not show in the residuals.

    Parameters
    ----------
    epsfcn : float, optional
        Relative error of `func`. Default: the eps of the floating-point dtype that it returns.
    func, limits
        As for all `Differences`.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        epsfcn: float | None = None,
        limits: FloatArray | None = None,
    ) -> None:
        super().__init__(func, limits)
        self.eps = EPS if epsfcn is None else max(as_real("epsfcn", epsfcn), EPS)
        self.detect = epsfcn is None  # that the dtype has another eps
        self.m = -1
        self.size = 0.0  # largest norm of residuals so far, which tells of their rounding errors

    def __call__(self, x: FloatArray, *args: Any) -> FloatArray:
        """Return the Jacobian at `x`, shape (N, M)."""
        self.njev += 1
        rows = [self._column(x, j, args) for j in range(x.size)]
        if self.m < 0:  # all parameters are fixed
            self._evaluate(x, 0, x[0], args)
        jacobian = np.zeros((x.size, self.m))
        for j, row in enumerate(rows):
            if row is not None:
                jacobian[j] = row
        return jacobian

    def _column(self, x: FloatArray, j: int, args: tuple[Any, ...]) -> FloatArray | None:
        """Differentiate by x[j]; None where it cannot vary."""
        root = self.eps ** (1 / 3)
        step = root * abs(x[j]) or root
        difference = self._difference(x, j, step, args)
        if difference is None:
            return None
        if self.eps ** (1 / 3) != root:  # the first call has told of another dtype
            return self._column(x, j, args)
        column, change = difference
        # A step that suits moves the residuals by some ε^(1/3) of their size; at ε^(2/3) the
        # rounding errors are ε^(1/3) of the column.
        if step < root and change <= self.eps ** (2 / 3) * self.size:
            wider = self._difference(x, j, root, args)
            if wider is not None and wider[1] > change and np.isfinite(wider[0]).all():
                return wider[0]
        return column

    def _difference(
        self, x: FloatArray, j: int, step: float, args: tuple[Any, ...]
    ) -> tuple[FloatArray, float] | None:
        """Return column j, and the norm of the change that it is made of."""
        below, above = self._room(x, j)
        if below <= 0 >= above:
            return None
        if min(below, above) > step:
            offsets: tuple[float, ...] = (-step, step)
        else:
            offsets = _one_sided(step, below, above)
        points = [self._within(x[j] + offset, j) for offset in offsets]  # rounding may lead out
        if points[0] == points[-1]:
            return None  # no other number between the bounds
        values = [self._evaluate(x, j, point, args) for point in points]
        with np.errstate(all="ignore"):  # a non-finite column is for the solver to report
            column = _slope(points, values)
            change = enorm(_as_double(values[-1] - values[0]))
            size = enorm(_as_double(values[0]))
        if self.size < size < np.inf:
            self.size = size
        return column, change

    def _room(self, x: FloatArray, j: int) -> tuple[float, float]:
        if self.limits is None:
            return np.inf, np.inf
        lower, upper = self.limits[:, j]
        return float(x[j] - lower), float(upper - x[j])

    def _evaluate(self, x: FloatArray, j: int, value: float, args: tuple[Any, ...]) -> FloatArray:
        returned = self._call(x, j, value, args)
        if self.detect:
            self.eps = max(residual_eps(returned), EPS)
            self.detect = False
        # A copy: func may return the same buffer each time.
        residuals = as_residuals(returned, self.m).copy()
        self.m = residuals.size
        return residuals


def _one_sided(step: float, below: float, above: float) -> tuple[float, float, float]:
    """Offsets of three points, from x to the side with more room, half of which is left."""
    if above >= below:
        h = min(step, above / 4)
        return 0.0, h, 2 * h
    h = min(step, below / 4)
    return 0.0, -h, -2 * h


def _slope(points: list[float], values: list[npt.NDArray[Any]]) -> FloatArray:
    """Slope of the chord, or of the parabola through three points at the first of them.

    The points are those at which `func` was called: rounding has moved them.
    """
    b = points[-1] - points[0]
    chord = (values[-1] - values[0]) / b
    if len(points) == 2 or points[1] in (points[0], points[2]):
        return _as_double(chord)
    a = points[1] - points[0]
    return _as_double((b * ((values[1] - values[0]) / a) - a * chord) / (b - a))


def _as_double(values: npt.NDArray[Any]) -> FloatArray:
    return values.astype(np.float64, copy=False)


class ComplexStep(Differences):
    """Jacobian of `func` by complex steps: a ``Dfun`` with ``col_deriv=True``.

    Exact to rounding, at one call a column, for a `func` that is analytic and computes with complex
    numbers all the way: no ``abs``, ``real``, ``conj``, comparisons, or arrays of real dtype. The
    real part of what it is called with is x; only where a column or a row of the first Jacobian is
    zero, x is moved, within its bounds, to see whether that is true.
    """

    def __call__(self, x: FloatArray, *args: Any) -> FloatArray:
        """Return the Jacobian at `x`, shape (N, M)."""
        self.njev += 1
        if self.njev > 1:
            return np.array([self._column(x, j, args) for j in range(x.size)])
        jacobian = self._first(x, args)
        used = jacobian != 0.0
        everything = np.ones(jacobian.shape[1], dtype=bool)
        for j in np.flatnonzero(~used.any(axis=1)):
            self._require_no_influence(x, [int(j)], everything, args)
        if not used.any(axis=0).all():
            self._require_no_influence(x, range(x.size), ~used.any(axis=0), args)
        return jacobian

    def _first(self, x: FloatArray, args: tuple[Any, ...]) -> FloatArray:
        """Like every later Jacobian, but say what is wrong where func does not take complex x."""
        try:
            return np.array([self._column(x, j, args) for j in range(x.size)])
        except np.exceptions.ComplexWarning as warning:  # where the user's filters raise it
            raise _unfit(f"{called().func} drops imaginary parts: {warning}") from warning
        except UnfitError:
            raise
        except TypeError as error:
            raise _unfit(f"{called().func} does not take complex numbers: {error}") from error

    def _column(self, x: FloatArray, j: int, args: tuple[Any, ...]) -> FloatArray:
        # Next to nothing as good as 0: no underflow.
        step = COMPLEX_STEP * (abs(x[j]) if abs(x[j]) > 1e-200 else 1.0)
        moved = x.astype(np.complex128)
        moved[j] += 1j * step
        self.nfev += 1
        value = np.asarray(self.func(moved, *args))
        if value.dtype.kind != "c":
            raise _unfit(f"{called().func} returned {value.dtype} for a complex {called().x}")
        return np.asarray(value.imag.ravel() / step, dtype=np.float64)

    def _require_no_influence(
        self, x: FloatArray, columns: Sequence[int], residuals: BoolArray, args: tuple[Any, ...]
    ) -> None:
        """Raise where real steps in `columns` show that zeros of `residuals` there are wrong."""
        ends = []
        for sign in (1.0, -1.0):
            moved = x.copy()
            for j in columns:
                moved[j] = self._within(x[j] + sign * math.sqrt(EPS) * (abs(x[j]) or 1.0), j)
            self.nfev += 1
            ends.append(
                np.array(self.func(moved, *args)).ravel()[residuals]
            )  # a copy: func may reuse its buffer
        there, back = ends
        if np.any((there != back) & np.isfinite(there) & np.isfinite(back)):
            words = called()
            where = f"{words.x}[{columns[0]}]" if len(columns) == 1 else words.x
            raise _unfit(
                f"{words.func}'s result has no imaginary part where {where} has one, but depends "
                "on it"
            )


class UnfitError(TypeError):
    """`func` cannot be differentiated by complex steps."""


def _unfit(why: str) -> UnfitError:
    words = called()
    return UnfitError(
        named(
            f"{words.Dfun}='cs' differentiates by complex steps, but {why}. Let {words.func} "
            f"compute with complex numbers throughout, or take {words.Dfun}='3-point'."
        )
    )


def jacobian_by(
    method: str,
    func: Callable[..., Any],
    epsfcn: float | None = None,
    limits: FloatArray | None = None,
) -> ThreePoint | ComplexStep | None:
    """Make a ``Dfun`` for ``col_deriv=True`` from `func`.

    Parameters
    ----------
    method : str
        '3-point': central differences; 'cs': complex steps; 'adaptive': central differences whose
        steps are sought; '2-point': the solver's own forward differences.
    func : callable
        ``func(x, *args)`` returns M residuals.
    epsfcn : float, optional
        Relative error of `func`, for the steps of '3-point' and 'adaptive'.
    limits : ndarray, shape (2, N), optional
        Bounds, outside of which `func` must not be called.

    Returns
    -------
    ThreePoint or ComplexStep or None
        What ``Dfun(x, *args)`` is to be, shape (N, M); None for '2-point'. Its `nfev` counts the
        calls of `func`.

    Raises
    ------
    ValueError
        Another method.
    """
    if method == "2-point":
        return None
    if method == "3-point":
        return ThreePoint(func, epsfcn, limits)
    if method == "cs":
        return ComplexStep(func, limits)
    if method == "adaptive":
        from .adaptive import Adaptive  # which is built on this module

        return Adaptive(func, epsfcn, limits)
    raise value_error(f"Dfun is {method!r}; want a function, None, or one of {', '.join(METHODS)}.")
