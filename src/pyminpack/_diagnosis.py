"""What may be wrong with a fit that has ended well: the causes, in words.

`suspicious` costs nothing to speak of and is for every fit; `causes` calls the model again, a few
times for each parameter in question, and is for those fits that are suspicious or have no
covariance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arguments import _as_floats

__all__ = ["UNKNOWN", "Fit", "causes", "no_degrees_of_freedom", "suspicious"]

FloatArray = npt.NDArray[np.float64]

EPS = 2.0**-52
#: What SciPy says, and filters of warnings look for.
UNKNOWN = "Covariance of the parameters could not be estimated"
SINGLE_EPS = float(np.finfo(np.float32).eps)
#: Rounding error of a difference, relative to it, from which on a standard error made of it is
#: wrong in its first digits.
TOO_NOISY = 0.1
#: Relative error of a column's norm that is let pass.
TOLERABLE = 0.05
#: Cosine between residuals and a column of the Jacobian that no minimum has.
NO_MINIMUM = 1e-3
#: A parameter belongs to a linear dependence if its part in it is above this share of the largest.
SHARE = 1e-3

SINGLE_ADVICE = f"Pass epsfcn={SINGLE_EPS:.2g}, the precision of float32, or compute in float64."


def suspicious(
    x0: FloatArray,
    x: FloatArray,
    fjac: FloatArray,
    ipvt: npt.NDArray[np.int32],
    scale: float,
    epsfcn: float | None = EPS,
) -> bool:
    """Whether something may be wrong that only `causes` can tell.

    A difference step moves the model by ‖J e_j‖ h_j, which is to be well above its rounding errors;
    without differences, x[j] itself is to be. |R_kk| is no larger than ‖J P e_k‖.

    Parameters
    ----------
    x0, x : ndarray, shape (N,)
        Where the fit started and ended.
    fjac : ndarray, shape (N, M)
        As `leastsq` returns it: the transpose of a matrix with R in its upper triangle.
    ipvt : ndarray, shape (N,)
        As `leastsq` returns it, counted from 1.
    scale : float
        Norm of the numbers of which the residuals are differences, that is of the weighted data;
        where they are not known, of the residuals.
    epsfcn : float or None
        What made the forward differences' steps, at least 2**-52; None: a Jacobian of other origin.
    """
    diagonal, end = fjac.diagonal().tolist(), x.tolist()
    limit = _limit(scale, epsfcn)
    for r, j in zip(diagonal, ipvt.tolist()):  # noqa: B905 (this is what time is for)
        if -limit <= r * (end[j - 1] or 1.0) <= limit:
            return True
    return bool(end == x0.tolist())


def _limit(scale: float, epsfcn: float | None) -> float:
    """Value of ‖J e_j‖ |x_j| up to which a difference is noise, or x_j without influence."""
    if epsfcn is None:
        return EPS * scale
    return math.sqrt(epsfcn if epsfcn > EPS else EPS) * scale / TOO_NOISY


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit that has ended, for `causes`.

    Attributes
    ----------
    model : callable
        ``model(x)``: the fitted values, weighted as the residuals are; or the residuals.
    x0, x : ndarray, shape (N,)
    fjac : ndarray, shape (N, M)
    ipvt : ndarray, shape (N,)
    scale : float
    epsfcn : float or None
        As for `suspicious`.
    covariance : bool
        There is a cov_x.
    names : sequence of str
        Of the parameters; empty where they have none.
    lower, upper : ndarray, shape (N,), or None
    qtf, fvec : ndarray, or None
        As `leastsq` returns them; without them, a fit that is stuck goes unnoticed.
    """

    model: Callable[[FloatArray], Any]
    x0: FloatArray
    x: FloatArray
    fjac: FloatArray
    ipvt: npt.NDArray[np.int32]
    scale: float
    epsfcn: float | None = EPS
    covariance: bool = True
    names: Sequence[str] = ()
    lower: FloatArray | None = None
    upper: FloatArray | None = None
    qtf: FloatArray | None = None
    fvec: FloatArray | None = None

    def name(self, j: int) -> str:
        """Call parameter j by its name."""
        return f"parameter {j} ({self.names[j]})" if self.names else f"parameter {j}"

    def r(self) -> FloatArray:
        """R of J P = Q R, (N, N)."""
        n = self.x.size
        return np.triu(self.fjac[:, :n].T)

    def cosine(self) -> float:
        """Return the largest cosine between the residuals and a column of the Jacobian."""
        if self.qtf is None or self.fvec is None:
            return 0.0
        r = self.r()
        norms = np.linalg.norm(r, axis=0) * np.linalg.norm(self.fvec)
        gradient = np.abs(r.T @ self.qtf)
        return float(np.max(np.divide(gradient, norms, where=norms > 0, out=np.zeros_like(norms))))

    def step(self, j: int) -> float:
        """Forward difference step of parameter j; 0 where there was none."""
        if self.epsfcn is None:
            return 0.0
        return float(max(self.epsfcn, EPS) ** 0.5 * (abs(self.x[j]) or 1.0))

    def fixed(self, j: int) -> bool:
        """Whether the bounds of parameter j leave it no choice."""
        return self.lower is not None and self.upper is not None and self.lower[j] == self.upper[j]

    def bound(self, j: int) -> str:
        """Say at which bound parameter j is; empty where at none, or where it is fixed."""
        if self.fixed(j):
            return ""
        for kind, bounds in (("lower", self.lower), ("upper", self.upper)):
            if bounds is not None and self.x[j] == bounds[j]:
                return f"{kind} bound {bounds[j]:g}"
        return ""


def causes(fit: Fit) -> list[str]:
    """Say what is wrong, one text for each cause; none, and the suspicion was unfounded."""
    r = fit.r()
    norms = np.zeros(fit.x.size)
    norms[fit.ipvt - 1] = np.linalg.norm(r, axis=0)
    at_bound = [j for j in range(fit.x.size) if fit.bound(j)]
    free = [j for j in range(fit.x.size) if j not in at_bound and not fit.fixed(j)]
    texts = [
        _blame_column(fit, j, float(norms[j]))
        for j in free
        if norms[j] * (abs(fit.x[j]) or 1.0) <= _limit(fit.scale, fit.epsfcn)
    ]
    texts = [text for text in texts if text]
    if not texts and len(free) == fit.x.size:
        texts = _stuck(fit)
    if not texts and not fit.covariance:
        texts = [_dependence(fit, r, free)]
    if not texts:  # an error of NaN, for a parameter at its bound, tells enough
        return []
    texts += [
        f"{fit.name(j)} is at its {fit.bound(j)}: it has no variance, and the others' are those of "
        "a fit in which it is held there."
        for j in at_bound
    ]
    return [text[0].upper() + text[1:] for text in texts]


def no_degrees_of_freedom(m: int, n: int) -> str:
    """Text for as many data as parameters, or fewer."""
    if m < n:
        return f"{UNKNOWN}: {m} data do not determine {n} parameters."
    return (
        f"{UNKNOWN}: {m} data for {n} parameters leave no degrees of freedom, and so nothing to "
        "tell the variance of the data from; with a known sigma, absolute_sigma=True needs none."
    )


def _blame_column(fit: Fit, j: int, norm: float) -> str:
    """Find out why column j of the Jacobian is zero, or rounding errors; empty: it is neither."""
    here = _values(fit, fit.x)
    noise = _resolution(here, fit.epsfcn) * fit.scale / TOO_NOISY
    at, size = float(fit.x[j]), abs(float(fit.x[j]))
    local, near = 1e-3 * size, 1e-3 * max(size, 1.0)
    by_local, by_near = (_change(fit, here, j, at + step) for step in (local, near))
    seen = [c / h for h, c in ((local, by_local), (near, by_near)) if c > noise]
    if any(abs(norm - slope) <= TOLERABLE * slope for slope in seen):
        return ""  # at the last Jacobian, before the last step, all was well
    if seen:
        if fit.epsfcn is None:
            return (
                f"column {j} of Dfun's Jacobian is as good as zero, but the model depends on "
                f"{fit.name(j)}: see check_jacobian."
            )
        return _vanishing(fit, j, seen[0], here)
    name = f"{fit.name(j)} = {at:.6g}"
    if _change(fit, here, j, float(fit.x0[j])) > noise:
        return (
            f"the model does not depend on {name} where the fit ended, though it does at its start "
            f"{fit.x0[j]:.6g}: a step has led too far. Try a better start or a smaller factor."
        )
    if _change(fit, here, j, at + max(size, 1.0)) > noise:
        return (
            f"the model does not depend on {name} next to where the fit ended, though it does "
            "further away: a better start may help."
        )
    return (
        f"the model does not depend on {name}: the data cannot determine it, and its value is "
        "arbitrary."
    )


def _vanishing(fit: Fit, j: int, slope: float, here: npt.NDArray[Any]) -> str:
    """Say why the difference step is too small, and what to do; `slope` is the column's norm."""
    step = f"the difference step of {fit.name(j)} = {fit.x[j]:.6g}, {fit.step(j):.2g},"
    consequence = "Its value and all standard errors are not to be trusted."
    if _is_single(here) and (fit.epsfcn or 0) < SINGLE_EPS:
        return (
            f"{step} is below the resolution of the model, which is computed in single precision. "
            f"{consequence} {SINGLE_ADVICE}"
        )
    if slope * fit.step(j) > EPS * fit.scale / TOO_NOISY:  # it would show in double precision
        return (
            f"{step} is below the resolution of the model, in which larger steps do show. "
            f"{consequence} Pass epsfcn, the relative error of the model."
        )
    return (
        f"{step} drowns in rounding errors, because the parameter is so near to 0. {consequence} "
        "Pass Dfun='3-point' or a Jacobian, or start further away from 0."
    )


def _stuck(fit: Fit) -> list[str]:
    """Explain a fit that has not moved from a start that is no minimum."""
    if not np.array_equal(fit.x0, fit.x):
        return []
    if fit.epsfcn is not None and fit.epsfcn < SINGLE_EPS and _is_single(_values(fit, fit.x)):
        return [
            "the fit has not moved from its start: the model is computed in single precision, and "
            f"the difference steps are below its resolution. {SINGLE_ADVICE}"
        ]
    if fit.cosine() > NO_MINIMUM:
        return [
            "the fit has not moved from its start, which is no minimum: each step tried made the "
            "residuals larger, until the steps fell below xtol. Try another start, or a smaller "
            "factor or xtol."
        ]
    return []


def _dependence(fit: Fit, r: FloatArray, free: Sequence[int]) -> str:
    """Name the parameters that cannot be told from each other, where R is singular."""
    columns = [k for k, j in enumerate(fit.ipvt - 1) if j in free]
    variables = fit.ipvt[columns] - 1
    if len(columns) < fit.x.size:  # the covariance is that of the free ones
        r = np.asarray(np.linalg.qr(r[:, columns], mode="r"), dtype=np.float64)
    norms = np.linalg.norm(r, axis=0)
    ratios = np.abs(r.diagonal()) / np.where(norms > 0, norms, 1.0)
    below = np.flatnonzero(ratios <= len(columns) * EPS)
    k = int(below[0] if below.size else np.argmin(ratios))
    # Column k is a combination of those before it.
    with np.errstate(all="ignore"):
        parts = np.linalg.lstsq(r[:k, :k], r[:k, k], rcond=None)[0]
        parts = np.abs(parts) * norms[:k]
    involved = [k, *np.flatnonzero(parts > SHARE * np.max(parts, initial=0.0)).tolist()]
    names = [fit.name(int(j)) for j in sorted(variables[involved])]
    if len(names) == 1:
        return f"{UNKNOWN}: the model does not depend on {names[0]}."
    return (
        f"{UNKNOWN}: the data do not tell apart {', '.join(names[:-1])} and {names[-1]}, whose "
        "derivatives are linearly dependent."
    )


def _values(fit: Fit, x: FloatArray) -> npt.NDArray[Any]:
    with np.errstate(all="ignore"):
        try:
            return _as_floats(fit.model(x.copy()), "f returned").copy()
        except Exception:  # off the fit's own path the model owes nothing; the fit has ended well
            return np.full(1, np.nan)


def _change(fit: Fit, here: npt.NDArray[Any], j: int, value: float) -> float:
    """Norm of the change of the model when x[j] becomes `value`; 0 where it cannot be told."""
    for target in (value, 2 * float(fit.x[j]) - value):
        if fit.lower is not None and target < fit.lower[j]:
            continue
        if fit.upper is not None and target > fit.upper[j]:
            continue
        if target == fit.x[j]:
            continue
        moved = fit.x.copy()
        moved[j] = target
        with np.errstate(all="ignore"):
            there = _values(fit, moved)
            change = float(np.linalg.norm(there - here)) if there.shape == here.shape else np.nan
        if np.isfinite(change):
            return change
    return 0.0


def _resolution(values: npt.NDArray[Any], epsfcn: float | None) -> float:
    """Relative error of the model: that of its precision, or what the user says."""
    return max(epsfcn or 0.0, SINGLE_EPS if _is_single(values) else EPS)


def _is_single(values: npt.NDArray[Any]) -> bool:
    """Whether all values are float32 numbers, though of float64 dtype, and not just integers."""
    with np.errstate(all="ignore"):
        single = values.astype(np.float32)
        return bool(np.all(single == values)) and bool(np.any(values != np.rint(values)))
