"""A fit as `curve_fit` leaves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .._types import Ier

__all__ = ["Fitted"]

FloatArray = npt.NDArray[np.float64]


class Fitted(NamedTuple):
    """A fit as `curve_fit` leaves it: what all else is computed from.

    `f` and `jac` are None where a pickle could not hold them.
    """

    popt: FloatArray
    pcov: FloatArray
    f: Callable[..., Any] | None
    jac: Callable[..., Any] | None
    col_deriv: bool
    xdata: Any
    ydata: FloatArray
    weights: float | FloatArray | None
    fvec: FloatArray
    free: int
    limits: FloatArray | None
    nfev: int
    ier: Ier
    message: str
    warnings: tuple[str, ...]
    names: tuple[str, ...] = ()
    title: str = ""
