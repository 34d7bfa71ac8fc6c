"""Types of what callers hand in and get back."""

from __future__ import annotations

from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt

__all__ = ["Differences", "Ier", "InfoDict", "Method", "NanPolicy"]

Differences = Literal["2-point", "3-point", "cs"]
Method = Literal["lm", "trf", "dogbox"]
NanPolicy = Literal["raise", "omit"]
Ier = Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


class _Always(TypedDict):
    nfev: int
    fvec: npt.NDArray[np.float64]
    fjac: npt.NDArray[np.float64]
    ipvt: npt.NDArray[np.int32]
    qtf: npt.NDArray[np.float64]


class InfoDict(_Always, total=False):
    """What `leastsq` and `curve_fit` return with `full_output`, by name; a plain dict.

    ``njev`` is there with derivatives by `Dfun` or `jac`, ``active_mask`` with bounds.
    """

    njev: int
    active_mask: npt.NDArray[np.int_]
