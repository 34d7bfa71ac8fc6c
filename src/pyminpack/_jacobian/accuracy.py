"""How good the Jacobian of a fit is; and where differences are not good enough, a fit with better.

A standard error needs the part of a column of the Jacobian that the other columns do not have. A
forward difference, wrong in its eighth digit, says nothing of a part that is smaller than that; and
its step, relative to the parameter, may lead over the feature that the parameter describes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._fit.covariance import norm
from .._input.arguments import EPS
from .._minpack import DOUBT_TRUNCATION, DOUBT_UNFINISHED
from .adaptive import LONG_EPS, NO_DERIVATIVE, Adaptive
from .doubt import FullOutput, is_to_end_early, reason_to_doubt
from .redundant import redundancy
from .refit import Meter, OutOfCalls, as_far_as_can_be, go_on, is_no_higher, quiet, refit

if TYPE_CHECKING:
    from .._types import InfoDict

__all__ = ["Accuracy", "accuracy_of", "assess", "column_norms"]

FloatArray = npt.NDArray[np.float64]
Limits = FloatArray | None

#: Relative error of a column that is not made of differences.
EXACT = 8 * EPS
#: Change of the Gram matrix of J, its columns of norm 1, from forward to backward differences, that
#: is let pass.
SAME = 5e-3
#: Least singular value of J, its columns of norm 1, that is one, and that gives standard errors of
#: two digits, in units of J's error.
SINGULAR, ROUGH = 3.0, 10.0
#: The same below which the covariance, of order 1/s², has no digits left when parts of it cancel.
CANCELS = EPS**0.5
#: Least singular value below which forward differences may hide a dependence.
NEARLY = 1e-5
#: Of the largest part of any in a linear dependence: the least to be named.
SHARE = 1e-3
#: Part of the residuals that a minimum does not promise to take away, and what of them is nothing
#: but rounding errors, in units of the data: `far` and `nothing` of doubt.f90.
PROMISE, NOTHING = 1e-3, 1e3 * EPS


@dataclass(frozen=True)
class Accuracy:
    """What is known of the Jacobian of a fit; lists hold numbers of parameters.

    Attributes
    ----------
    jagged : list of int
        By which the model has no derivative.
    coarse : list of int
        Whose small changes the model does not follow.
    dependent : list of int
        Which the data do not tell apart, within the error of the Jacobian.
    rough : bool
        The error of the Jacobian shows in the first two digits of the standard errors, or hides
        what would tell parameters apart.
    cancelling : list of int
        So nearly dependent that products with the covariance have no digits.
    error : float
        Of the Jacobian, its columns of norm 1.
    unfinished : bool
        The derivatives promise a lower sum of squares than the fit has come to.
    unsettled : bool
        Better derivatives were needed, but the calls for them ran out.
    """

    jagged: list[int]
    coarse: list[int]
    dependent: list[int]
    rough: bool
    cancelling: list[int]
    error: float = EXACT
    unfinished: bool = False
    unsettled: bool = False

    @property
    def determined(self) -> bool:
        """Whether there are standard errors."""
        return not self.jagged and not self.dependent

    @property
    def good(self) -> bool:
        """Whether the standard errors have two digits."""
        return self.determined and not (self.coarse or self.rough or self.unsettled)


UNSETTLED = Accuracy([], [], [], False, [], unsettled=True)


def assess(
    residuals: Callable[[FloatArray], Any],
    x0: FloatArray,
    outcome: FullOutput,
    reason: int,
    scale: float,
    method: str,
    options: dict[str, Any],
    calls: int,
) -> tuple[FullOutput, Accuracy | None]:
    """Return the outcome, of a better fit where that is needed, and what its Jacobian is worth.

    Parameters
    ----------
    residuals : callable
        ``residuals(x)``, shape (M,).
    x0 : ndarray, shape (N,)
        Start of the fit.
    outcome, scale, method
        As for `reason_to_doubt`.
    reason : int
        What that has said.
    options : dict
        Of `leastsq`.
    calls : int
        How many of `residuals` are allowed.
    """
    if reason == DOUBT_UNFINISHED and ended_as_asked(outcome, options):
        return outcome, None
    meter, before = Meter(residuals, calls), outcome.infodict["nfev"]
    better, accuracy = outcome, None
    try:
        if method in ("2-point", "3-point", "adaptive"):
            accuracy = _redundant(meter, x0, outcome, scale, options)
        if accuracy is None and method in ("2-point", "3-point"):
            better, accuracy = _by_differences(meter, x0, outcome, reason, scale, method, options)
        elif accuracy is None:
            better, accuracy = _by_derivatives(meter, outcome, reason, scale, options)
    except OutOfCalls:
        better, accuracy = outcome, None
        if outcome.converged:
            accuracy = UNSETTLED
    better.infodict["nfev"] = before + meter.used
    return better, accuracy


def _redundant(
    meter: Meter, x0: FloatArray, outcome: FullOutput, scale: float, options: dict[str, Any]
) -> Accuracy | None:
    """Say which parameters no derivatives tell apart, where that is certain, at a minimum."""
    x, limits, infodict = outcome.x, options.get("bounds"), outcome.infodict
    if not outcome.converged or (options.get("epsfcn") or 0.0) > EPS:
        return None
    columns, free = _columns(infodict), ~_held(x, limits)
    norms = column_norms(columns)
    if norms[free].all():
        values = np.linalg.svd(columns[:, free] / norms[free], compute_uv=False)
        if values.min(initial=np.inf) > NEARLY:
            return None
    found = redundancy(meter.quiet(), x0, x, norms, limits, scale)
    if found is None:
        return None
    fvec = infodict["fvec"]
    if norm(fvec @ found.range) > max(PROMISE * norm(fvec), NOTHING * scale):
        return None
    dependent = sorted([*_involved(found.parameters, found.directions), *found.dead.tolist()])
    return Accuracy([], [], dependent, rough=True, cancelling=[], error=found.error)


def _by_derivatives(
    meter: Meter, outcome: FullOutput, reason: int, scale: float, options: dict[str, Any]
) -> tuple[FullOutput, Accuracy]:
    """As `assess`, where the Jacobian is good, or as good as it can be."""
    limits, adaptive = options.get("bounds"), options.get("Dfun")
    if isinstance(adaptive, Adaptive):
        adaptive.func = meter
    if reason == DOUBT_UNFINISHED or _is_unfinished(outcome, limits, scale):
        outcome = go_on(meter, outcome, options, scale)
    if isinstance(adaptive, Adaptive):
        return _with_more_digits(meter, outcome, adaptive, options, scale)
    errors = np.full(outcome.x.size, EXACT)
    return outcome, accuracy_of(outcome, errors, np.zeros(errors.size, dtype=bool), limits, scale)


def _by_differences(
    meter: Meter,
    x0: FloatArray,
    outcome: FullOutput,
    reason: int,
    scale: float,
    method: str,
    options: dict[str, Any],
) -> tuple[FullOutput, Accuracy | None]:
    """As `assess`, where better differences may be needed."""
    limits, epsfcn = options.get("bounds"), options.get("epsfcn")
    if method == "2-point" and reason == DOUBT_TRUNCATION and outcome.converged:
        step = math.sqrt(max(EPS, 0.0 if epsfcn is None else epsfcn))
        if _same_backwards(meter, outcome, step, limits):
            return outcome, None
    # First as if the derivatives had been good from the start, then from where they have led.
    found: list[tuple[FullOutput, Adaptive]] = []
    for start in (x0, outcome.x):
        adaptive = Adaptive(meter.quiet(), epsfcn, limits, scale)
        again = {**options, "Dfun": adaptive, "col_deriv": True}
        better = refit(meter, start, again, scale)
        found.append((better, adaptive))
        if better.converged and is_no_higher(better, outcome, scale):
            break
    else:
        if outcome.converged:
            # Any gradient will do: it ends where it starts, with the factors of the Jacobian there.
            here = as_far_as_can_be(meter, outcome.x, {**again, "gtol": 2.0})
            better = outcome._replace(cov_x=here.cov_x, infodict=here.infodict)
        else:
            better, adaptive = found[0]
    better.infodict.pop("njev", None)
    if not better.converged:
        return better, None
    return _with_more_digits(meter, better, adaptive, options, scale)


def ended_as_asked(outcome: FullOutput, options: dict[str, Any]) -> bool:
    """Whether a fit short of its minimum is what the options ask for, or has failed and says so."""
    wanted = (float(options.get(name) or 0.0) for name in ("ftol", "xtol", "gtol"))
    return not outcome.converged or is_to_end_early(*wanted)


def _with_more_digits(
    meter: Meter,
    outcome: FullOutput,
    adaptive: Adaptive,
    options: dict[str, Any],
    scale: float,
) -> tuple[FullOutput, Accuracy]:
    """Say what J is worth; where its rounding errors show, try to go on in longer numbers.

    Of sin(w*x + p), with w*x of 1e8, a double knows eight digits: too few to tell w from p.
    """
    limits = options.get("bounds")
    accuracy = accuracy_of(outcome, adaptive.errors, adaptive.coarse, limits, scale)
    if accuracy.good or accuracy.jagged or adaptive.eps > EPS or LONG_EPS == EPS:
        return outcome, accuracy
    longer = Adaptive(meter.quiet(), None, limits, adaptive.size, long=True)
    again = {**options, "Dfun": longer, "col_deriv": True}
    try:
        now, before = longer(outcome.x).T, _columns(outcome.infodict)
        trusted = ~adaptive.coarse
        if not is_same(now[:, trusted], before[:, trusted]):
            return outcome, accuracy
        further = refit(meter, outcome.x, again, scale)
    except OutOfCalls:
        return outcome, accuracy
    if not (further.converged and is_no_higher(further, outcome, scale)):
        return outcome, accuracy
    better = accuracy_of(further, np.maximum(longer.errors, EXACT), longer.coarse, limits, scale)
    if not (better.good or (better.determined and not accuracy.determined)):
        return outcome, accuracy
    if "njev" not in outcome.infodict:
        further.infodict.pop("njev", None)
    return further, better


def _same_backwards(
    residuals: Callable[[FloatArray], Any], outcome: FullOutput, step: float, limits: Any
) -> bool:
    """Whether backward differences say the same as the forward ones did, of which there is R."""
    columns = one_sided(residuals, outcome.x, outcome.infodict["fvec"], -step, limits)
    return columns is not None and is_same(columns, _columns(outcome.infodict))


def one_sided(
    residuals: Callable[[FloatArray], Any],
    x: FloatArray,
    fvec: FloatArray,
    step: float,
    limits: Any,
) -> FloatArray | None:
    """Return differences by steps of `step` times x[j], shape (M, N); None where there is no room.

    Parameters
    ----------
    residuals, x, limits
        As for `assess`.
    fvec : ndarray, shape (M,)
        The residuals at `x`.
    step : float
        Backwards where it is negative.
    """
    probe, columns = quiet(residuals), np.empty((x.size, fvec.size))
    for j in range(x.size):
        moved = x.copy()
        moved[j] += step * (abs(x[j]) or 1.0)
        if limits is not None:
            moved[j] = min(max(moved[j], limits[0][j]), limits[1][j])
        if moved[j] == x[j]:
            return None
        columns[j] = (probe(moved) - fvec) / (moved[j] - x[j])
    return columns.T


def is_same(columns: FloatArray, others: FloatArray) -> bool:
    """Whether two matrices have the same products of columns: J and R where J P = Q R, say."""
    norms = column_norms(others)
    with np.errstate(all="ignore"):  # a column of zeros is not the same
        columns, others = columns / norms, others / norms
        change = columns.T @ columns - others.T @ others
    return bool(np.max(np.abs(change), initial=0.0) <= SAME)


def column_norms(matrix: FloatArray) -> FloatArray:
    """Return the norms of the columns of any units: their squares may over- or underflow."""
    peaks = np.abs(matrix).max(axis=0)
    peaks[peaks == 0.0] = 1.0
    return np.asarray(peaks * np.linalg.norm(matrix / peaks, axis=0))


def _columns(infodict: InfoDict) -> FloatArray:
    """R with its columns in the order of the parameters: as good as J, for products of columns."""
    ipvt = infodict["ipvt"]
    columns = np.empty((ipvt.size, ipvt.size))
    columns[:, ipvt - 1] = np.triu(infodict["fjac"][:, : ipvt.size].T)
    return columns


def accuracy_of(
    outcome: FullOutput,
    errors: FloatArray,
    coarse: npt.NDArray[np.bool_],
    limits: Limits,
    scale: float,
) -> Accuracy:
    """Compare J with its errors, relative to the norm of each column."""
    x, cov_x, infodict = outcome[:3]
    held = _held(x, limits)
    columns = _columns(infodict)
    norms = column_norms(columns)
    jagged = np.flatnonzero(~held & (errors > NO_DERIVATIVE)).tolist()
    coarse_ones = np.flatnonzero(~held & coarse).tolist()
    dead = ~held & ~(norms > 0.0)
    parameters = np.flatnonzero(~held & ~dead & (errors <= NO_DERIVATIVE))
    dependent: list[int] = []
    cancelling: list[int] = []
    rough = False
    error = EXACT
    if parameters.size:
        _, values, directions = np.linalg.svd(columns[:, parameters] / norms[parameters])
        error = float(np.linalg.norm(errors[parameters]))
        lost = values <= SINGULAR * error
        lost[-1] |= cov_x is None and not (dead.any() or jagged)
        dependent = _involved(parameters, directions[lost])
        rough = bool(values[-1] <= ROUGH * error)
        cancelling = _involved(parameters, directions[values <= CANCELS])
    dependent = sorted([*dependent, *np.flatnonzero(dead).tolist()])
    unfinished = _is_unfinished(outcome, limits, scale)
    return Accuracy(jagged, coarse_ones, dependent, rough, cancelling, error, unfinished)


def _held(x: FloatArray, limits: Limits) -> npt.NDArray[np.bool_]:
    """Which parameters are at a bound."""
    return np.zeros(x.size, bool) if limits is None else (x <= limits[0]) | (x >= limits[1])


def _is_unfinished(outcome: FullOutput, limits: Limits, scale: float) -> bool:
    """Whether J promises a lower sum of squares; of a fit at a bound that cannot be told."""
    x, _, infodict = outcome[:3]
    if _held(x, limits).any():
        return False
    fnorm = norm(infodict["fvec"])
    if norm(infodict["qtf"]) > max(PROMISE * fnorm, NOTHING * scale):
        return True
    return reason_to_doubt(outcome, fnorm, scale, "given", EPS) == DOUBT_UNFINISHED


def _involved(parameters: npt.NDArray[np.intp], directions: FloatArray) -> list[int]:
    """Return the parameters that have a part in the directions."""
    if not len(directions):
        return []
    parts = np.abs(directions).max(axis=0)
    return [int(j) for j in parameters[parts > SHARE * parts.max()]]
