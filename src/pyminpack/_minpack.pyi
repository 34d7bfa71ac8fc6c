"""Types of the compiled extension: _minpack.pyf and solve.c."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]

def solve(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    args: tuple[Any, ...],
    Dfun: Callable[..., Any] | None,
    full_output: bool,
    col_deriv: bool,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    epsfcn: float | None,
    factor: float,
    diag: npt.ArrayLike | None,
    /,
) -> tuple[Any, ...]: ...
def lmdif(
    fcn: Callable[[FloatArray, FloatArray, int], int],
    x: FloatArray,
    fvec: FloatArray,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    epsfcn: float,
    diag: FloatArray,
    mode: int,
    factor: float,
    fjac: FloatArray,
    ipvt: IntArray,
    qtf: FloatArray,
) -> tuple[int, int]: ...
def lmder(
    fcn: Callable[[FloatArray, FloatArray, FloatArray, int], int],
    x: FloatArray,
    fvec: FloatArray,
    fjac: FloatArray,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    diag: FloatArray,
    mode: int,
    factor: float,
    ipvt: IntArray,
    qtf: FloatArray,
) -> tuple[int, int, int]: ...
def covar(r: FloatArray, ipvt: IntArray) -> tuple[FloatArray, int]: ...
