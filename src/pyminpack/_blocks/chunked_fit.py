"""`curve_fit` of data in chunks: mapped from a file, Dask's, or cut as the user says."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _result
from .._called import type_error, value_error
from .._fit.call import at_start, check_call, is_like_least_squares
from .._fit.conclusion import conclude
from .._fit.covariance import norm
from .._input import fit_data, parameters, scipy_options
from .._input.arguments import EPS, as_floats, as_integer, residual_eps
from .._jacobian.accuracy import (  # fmt: skip
    EXACT,
    UNSETTLED,
    Accuracy,
    accuracy_of,
    column_norms,
    ended_as_asked,
    is_same,
    one_sided,
)
from .._jacobian.doubt import FullOutput, reason_to_doubt
from .._jacobian.refit import is_no_higher, refit
from .._leastsq import leastsq
from .._messages import not_found
from .._minpack import DOUBT_NONE, DOUBT_TRUNCATION, DOUBT_UNFINISHED, INFO_STOPPED, enorm
from .chunks import Chunk, Chunks, Model
from .crew import Crew
from .driver import join
from .stepped import SteppedDifferences, sought_steps

__all__ = ["fit_chunks"]

FloatArray = npt.NDArray[np.float64]

#: Observations that a model is asked for where it is to be found out what is wrong with a fit.
SAMPLE = 10_000
#: Of a chunk that nobody has chosen: numbers of its Jacobian, so that this and what the model makes
#: on its way fit into a cache; and rows, so that Python's calls are lost among them.
CHUNK_NUMBERS, LEAST_ROWS = 2**16, 2**12
#: Relative difference between what f returns for data in one piece and in two: rounding.
ROUNDING = 1e-9


def fit_chunks(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any,
    sigma: Any,
    absolute_sigma: bool,
    check_finite: bool | None,
    bounds: Any,
    method: Any,
    jac: Any,
    full_output: bool,
    nan_policy: str | None,
    options: dict[str, Any],
) -> _result.CurveFitResult | _result.FullCurveFitResult:
    """Fit, with the arguments of `curve_fit`; `bounds` None for none."""
    chunk = options.pop("chunk", None)
    workers, executor = options.pop("workers", 1) or 1, options.pop("executor", None)
    checkpoint = options.pop("checkpoint", None)
    check_call(f, method, jac, options)
    fit_data.check_policy(nan_policy)
    start_is_ours = p0 is None
    p0, limits = parameters.start(f, p0, bounds)
    n = p0.size
    like_least_squares = is_like_least_squares(method, limits)
    asked = options
    options = scipy_options.translate(options, n, jac, like_least_squares)
    col_deriv = bool(options.pop("col_deriv", False))
    finite = nan_policy is None if check_finite is None else bool(check_finite)
    model = Model(f, jac if callable(jac) else None, col_deriv, nan_policy, finite)
    data, crew = _data(xdata, ydata, sigma, chunk, n, workers, executor)
    with crew:
        total = crew.reduce(model.survey, partial(join, n), data, array("q"))
        fit_data.require_some(total.rows)
        parameters.require_enough(total.rows, n)
        sample = _Sample(model, data, total.rows)
        scale = total.norm or enorm(sample(p0)) or 1.0
        eps = _first_look(f, model, p0, data.first())
        if options.get("epsfcn") is None and eps > EPS:
            options["epsfcn"] = eps
        if limits is not None:
            options["bounds"] = limits
        options.update(blocks=data, executor=crew, Dfun=None if callable(jac) else jac)
        if callable(jac):
            options.update(Dfun=model.jacobian, col_deriv=True)
        elif jac == "adaptive":
            options["Dfun"] = _stepped(model, sample, p0, scale, options)
        by = "given" if callable(jac) else jac or "2-point"
        found: Any = leastsq(model, p0, full_output=True, checkpoint=checkpoint, **options)
        outcome = FullOutput(*found)
        stopped = outcome.ier == INFO_STOPPED
        accuracy = None
        if not stopped:
            calls = scipy_options.calls_left(
                asked, n, by, like_least_squares, outcome.infodict["nfev"]
            )
            outcome, accuracy = _assessed(model, sample, p0, outcome, scale, by, options, calls)
    if not (outcome.converged or stopped):
        raise RuntimeError(not_found(outcome.mesg, outcome.ier, asked, start_is_ours))
    popt, _, infodict, mesg, ier = outcome
    pcov, free, warned = conclude(
        f, jac, sample, p0, limits, absolute_sigma, outcome, accuracy, None, scale
    )
    state = (
        popt, pcov, f, jac if callable(jac) else None, col_deriv, None, None,
        None if sigma is None else 1.0, infodict["fvec"], free, limits, infodict["nfev"], ier, mesg,
        warned,
    )  # fmt: skip
    return _result.make(state, infodict if full_output else None)


def _data(
    xdata: Any, ydata: Any, sigma: Any, rows: Any, n: int, workers: Any, executor: Any
) -> tuple[Any, Crew]:
    """Return the data in chunks, and who works on them."""
    if rows is not None:
        rows = as_integer("chunk", rows)
        if rows < 1:
            raise value_error(f"chunk is {rows}; want a positive number of data.")
    rows = rows or max(LEAST_ROWS, CHUNK_NUMBERS // (n + 1))
    if fit_data.is_dask(xdata) or fit_data.is_dask(ydata):
        if executor is not None or workers != 1:
            raise type_error("workers and executor are not for Dask's data, which have their own.")
        from .distributed import DaskChunks, DaskCrew

        return DaskChunks(xdata, ydata, sigma, rows), DaskCrew()
    data = Chunks(xdata, ydata, sigma, rows)
    if data.size == 0:
        raise value_error("ydata must not be empty.")
    return data, Crew(workers, executor)


def _first_look(f: Callable[..., Any], model: Model, p0: FloatArray, chunk: Chunk) -> float:
    """Call `f` for the first time, which tells most of what may be wrong: the eps of its dtype.

    A model whose values depend on more than their own x is none that can be asked for chunks.
    """
    x, y, _ = model.numbers(chunk)
    if y.size == 0:
        return EPS
    value = at_start(f, x, p0, fit_data.snapshot(x))
    model(p0, chunk)  # which raises where the value does not fit ydata
    eps, whole = residual_eps(value), as_floats(value, "f returned")
    if whole.shape != y.shape or len(chunk.y) != y.size or y.size < 2:
        return eps
    pieces = Chunks(chunk.x, chunk.y, chunk.sigma, -(-y.size // 2))
    joined = np.concatenate([np.ravel(f(model.numbers(piece)[0], *p0)) for piece in pieces])
    with np.errstate(all="ignore"):
        change = np.abs(joined - whole) if joined.shape == whole.shape else np.full(1, np.inf)
        other = np.flatnonzero(change > max(ROUNDING, 100.0 * eps) * np.fmax.reduce(np.abs(whole)))
    if other.size:
        raise value_error(
            f"f returns other values for the first {y.size} data in one piece than in two (at "
            f"{other[0]}): a model of which a value depends on the x of others cannot be fitted in "
            "chunks. Pass arrays, and no chunk, to fit the data whole."
        )
    return eps


def _assessed(
    residuals: Callable[..., Any],
    sample: Callable[[FloatArray], FloatArray],
    p0: FloatArray,
    outcome: FullOutput,
    scale: float,
    by: str,
    options: dict[str, Any],
    calls: int,
) -> tuple[FullOutput, Accuracy | None]:
    """Return the outcome, of a better fit where the standard errors need one, and what J is worth.

    As `accuracy.assess` does it, but that the steps of better differences are sought on a sample.
    """
    limits, epsfcn = options.get("bounds"), options.get("epsfcn")
    eps = max(epsfcn or EPS, EPS)
    reason = reason_to_doubt(outcome, norm(outcome.infodict["fvec"]), scale, by, eps)
    if reason == DOUBT_UNFINISHED and ended_as_asked(outcome, options):
        reason = DOUBT_NONE
    if reason == DOUBT_TRUNCATION and by == "2-point" and outcome.converged:
        if _is_straight(sample, outcome.x, math.sqrt(eps), limits):
            reason = DOUBT_NONE
    if not reason and by != "adaptive":
        return outcome, None
    unsettled = UNSETTLED if outcome.converged else None
    again = dict(options)
    errors, coarse = np.full(p0.size, EXACT), np.zeros(p0.size, dtype=bool)
    if by in ("2-point", "3-point"):
        better = outcome
        for start in [outcome.x] if outcome.converged else [p0, None]:
            x = better.x if start is None else start
            used = better.infodict["nfev"] - outcome.infodict["nfev"]
            trials = (calls - used) // (1 + scipy_options.CALLS["adaptive"] * x.size)
            if trials < 1:
                return outcome, unsettled
            again["max_nfev"] = trials
            again["Dfun"] = _stepped(residuals, sample, x, scale, options)
            better = _added(refit(residuals, x, again, scale), better)
        better.infodict.pop("njev", None)
    elif reason == DOUBT_UNFINISHED:
        better = _added(refit(residuals, outcome.x, again, scale), outcome)
    else:
        better = outcome
    if not (better.converged and is_no_higher(better, outcome, scale)):
        return (outcome if outcome.converged else better), unsettled
    if by not in ("given", "cs"):
        sought = sought_steps(sample, better.x, epsfcn, limits, scale)
        errors, coarse = sought.errors, sought.coarse
    return better, accuracy_of(better, errors, coarse, limits, scale)


def _stepped(
    residuals: Callable[..., Any],
    sample: Callable[[FloatArray], FloatArray],
    x: FloatArray,
    scale: float,
    options: dict[str, Any],
) -> SteppedDifferences:
    """Make better differences, with steps that are good at `x`."""
    epsfcn, limits = options.get("epsfcn"), options.get("bounds")
    sought = sought_steps(sample, x, epsfcn, limits, scale)
    return SteppedDifferences(residuals, sought.steps(x), epsfcn, limits)


def _added(fit: FullOutput, before: FullOutput) -> FullOutput:
    """Add the calls of the fit before it."""
    fit.infodict["nfev"] += before.infodict["nfev"]
    return fit


def _is_straight(
    sample: Callable[[FloatArray], FloatArray], x: FloatArray, step: float, limits: Any
) -> bool:
    """Whether forward and backward differences say the same of how the parameters work together."""
    here, sides = sample(x), []
    for side in (1, -1):
        columns = one_sided(sample, x, here, side * step, limits)
        if columns is None:
            return False
        with np.errstate(all="ignore"):  # a column of zeros is not the same
            sides.append(columns / column_norms(columns))
    return is_same(*sides)


class _Sample:
    """The residuals of some observations from all over the data, of the size of all together."""

    def __init__(self, model: Model, data: Any, rows: int) -> None:
        self._model, self._data, self._rows = model, data, rows
        self._chunk: Chunk | None = None  # not read before it is needed

    def __call__(self, p: FloatArray) -> FloatArray:
        if self._chunk is None:
            self._chunk = self._data.sample(SAMPLE)
        values = self._model(p, self._chunk)
        return values * math.sqrt(self._rows / max(values.size, 1))
