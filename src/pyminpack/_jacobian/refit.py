"""A fit made again, as far as it can go and within so many calls of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._fit.covariance import norm
from .._input.arguments import EPS, as_floats, as_real
from .._leastsq import leastsq
from .._messages import message
from .._minpack import (
    DOUBT_UNFINISHED,
    INFO_FTOL,
    INFO_FTOL_SMALL,
    INFO_GTOL,
    INFO_GTOL_SMALL,
    INFO_XTOL,
    INFO_XTOL_SMALL,
)
from .adaptive import LONG
from .doubt import FullOutput, covariance_of, reason_to_doubt

__all__ = ["Meter", "OutOfCalls", "as_far_as_can_be", "go_on", "is_no_higher", "quiet", "refit"]

FloatArray = npt.NDArray[np.float64]

#: What `leastsq` calls too small a tolerance is as far as a fit can go.
FAR_ENOUGH: dict[int, Any] = {
    INFO_FTOL_SMALL: INFO_FTOL,
    INFO_XTOL_SMALL: INFO_XTOL,
    INFO_GTOL_SMALL: INFO_GTOL,
}


class OutOfCalls(Exception):
    """No more calls of the model are allowed."""


class Meter:
    """A function that counts how often it is called, and allows no more than so many.

    Attributes
    ----------
    function : callable
    calls : int
        How many are allowed.
    used : int
        How many there have been, of this and what `quiet` makes.
    """

    def __init__(self, function: Callable[[FloatArray], Any], calls: int) -> None:
        self.function, self.calls, self.used = function, calls, 0

    def __call__(self, x: FloatArray) -> Any:
        """Call the function."""
        self._spend()
        return self.function(x)

    def quiet(self) -> Callable[[FloatArray], FloatArray]:
        """Make the function `quiet`, but for the calls that are not allowed."""
        function = quiet(self.function)

        def counted(x: FloatArray) -> FloatArray:
            self._spend()
            return function(x)

        return counted

    def _spend(self) -> None:
        if self.used >= self.calls:
            raise OutOfCalls
        self.used += 1


def go_on(
    residuals: Callable[[FloatArray], Any],
    outcome: FullOutput,
    options: dict[str, Any],
    scale: float,
) -> FullOutput:
    """Take the fit on from where xtol has ended it: x is large beside its standard errors."""
    try:
        further = refit(residuals, outcome.x, options, scale)
    except OutOfCalls:
        return outcome
    if "njev" in further.infodict:
        further.infodict["njev"] += outcome.infodict["njev"]
    return further if further.converged else outcome


def refit(
    residuals: Callable[[FloatArray], Any],
    start: FloatArray,
    options: dict[str, Any],
    scale: float,
) -> FullOutput:
    """Fit until xtol does not end it, nor ftol where a parameter still moves by much of itself."""
    options = {**options, "xtol": EPS}
    outcome = as_far_as_can_be(residuals, start, options)
    fnorm = norm(outcome.infodict["fvec"])
    if not outcome.converged or (
        reason_to_doubt(outcome, fnorm, scale, "given", EPS) != DOUBT_UNFINISHED
    ):
        return outcome
    if options.get("max_nfev"):
        options["max_nfev"] -= outcome.infodict["nfev"]
        if options["max_nfev"] < 1:
            return outcome
    try:
        further = as_far_as_can_be(residuals, outcome.x, {**options, "ftol": EPS})
    except OutOfCalls:
        return outcome
    further.infodict["nfev"] += outcome.infodict["nfev"]
    if "njev" in further.infodict:
        further.infodict["njev"] += outcome.infodict["njev"]
    return further if further.converged else outcome


def as_far_as_can_be(
    residuals: Callable[[FloatArray], Any], start: FloatArray, options: dict[str, Any]
) -> FullOutput:
    """Call `leastsq`; what it calls too small a tolerance is none."""
    outcome = FullOutput(*leastsq(residuals, start, full_output=True, **options))
    if outcome.ier not in FAR_ENOUGH:
        return outcome
    ier = FAR_ENOUGH[outcome.ier]
    ftol, xtol, gtol = (as_real(k, options.get(k, 0.0)) for k in ("ftol", "xtol", "gtol"))
    infodict = outcome.infodict
    cov_x = covariance_of(infodict["fjac"], infodict["ipvt"])
    return outcome._replace(cov_x=cov_x, mesg=message(ier, (ftol, xtol, gtol, 0, False)), ier=ier)


def is_no_higher(better: FullOutput, outcome: FullOutput, scale: float) -> bool:
    """Whether the sum of squares is as low, but for rounding errors; or that of a failed fit."""
    if not outcome.converged:
        return True
    ours, others = (norm(fit.infodict["fvec"]) for fit in (better, outcome))
    return bool(ours <= others * (1 + 1e-6) + 100 * EPS * scale)


def quiet(function: Callable[[FloatArray], Any]) -> Callable[[FloatArray], FloatArray]:
    """Make a function for probes, NaN for what is no value: there the model owes nothing."""
    size = 1

    def probe(x: FloatArray) -> FloatArray:
        nonlocal size
        with np.errstate(all="ignore"):
            try:
                values = function(x)
                if type(values) is not np.ndarray or values.dtype != LONG:
                    values = as_floats(values, "f returned")
                flat: FloatArray = values.flatten()
            except Exception:  # whatever the model raises where the fit has not been
                return np.full(size, np.nan)
        size = flat.size
        return flat

    return probe
