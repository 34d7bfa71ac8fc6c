"""Whether the standard errors of a fit may be wrong: a look at what it has left, no call of f."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from .._messages import CONVERGED
from .._minpack import (
    DOUBT_NOISE,
    DOUBT_NONE,
    INFO_MAXFEV,
    covar,
    doubt,
)

if TYPE_CHECKING:
    from .._types import Ier, InfoDict

__all__ = [
    "SETTLED",
    "FullOutput",
    "covariance_of",
    "is_to_end_early",
    "reason_to_doubt",
]

FloatArray = npt.NDArray[np.float64]

#: Tolerance from which on a user has a fit end early.
FAR = 1e-6
#: ftol of a fit that is taken on until it is not short of its minimum: that of `settled` in
#: doubt.f90.
SETTLED = 1e-14


def is_to_end_early(ftol: float, xtol: float, gtol: float) -> bool:
    """Whether a fit short of its minimum is what the tolerances ask for."""
    return max(ftol, xtol, gtol) > FAR


class FullOutput(NamedTuple):
    """What `leastsq` returns with ``full_output=True``."""

    x: FloatArray
    cov_x: FloatArray | None
    infodict: InfoDict
    mesg: str
    ier: Ier

    @property
    def converged(self) -> bool:
        """Whether the fit is at a minimum."""
        return self.ier in CONVERGED


def reason_to_doubt(
    outcome: FullOutput, fnorm: float, scale: float, method: str, error: float
) -> int:
    """Say why the standard errors may be wrong, from what the fit has left; 0 for no reason.

    Parameters
    ----------
    outcome : FullOutput
    fnorm : float
        Norm of its residuals.
    scale : float
        Norm of the numbers that the residuals are differences of.
    method : str
        '2-point', '3-point', or another, which is exact to rounding.
    error : float
        Relative error of the model.
    """
    x, cov_x, infodict = outcome[:3]
    fjac, ipvt, fvec = infodict["fjac"], infodict["ipvt"], infodict["fvec"]
    if outcome.ier == INFO_MAXFEV:  # is it for its differences that the fit went astray?
        cov_x = covariance_of(fjac, ipvt)
        if cov_x is None:
            return DOUBT_NONE
    elif cov_x is None:
        return DOUBT_NOISE if outcome.converged else DOUBT_NONE
    step = math.sqrt(error) if method == "2-point" else error ** (1 / 3)
    return doubt(
        fvec.size, fjac, ipvt, x, infodict["qtf"], cov_x, fnorm, scale,
        step if method in ("2-point", "3-point") else 0.0, error,
    )  # fmt: skip


def covariance_of(fjac: FloatArray, ipvt: npt.NDArray[np.int32]) -> FloatArray | None:
    """Return the covariance by R, unscaled, as `leastsq` does of a fit that has converged."""
    cov_x, full_rank = covar(fjac.T, ipvt)
    return cov_x.T if full_rank else None  # symmetric, and so in the order that C has
