"""Types of the compiled extension: _minpack.pyf and binding/solve.c."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]

INFO_IMPROPER: int
INFO_FTOL: int
INFO_XTOL: int
INFO_BOTH: int
INFO_GTOL: int
INFO_MAXFEV: int
INFO_FTOL_SMALL: int
INFO_XTOL_SMALL: int
INFO_GTOL_SMALL: int
INFO_NONFINITE: int
INFO_STOPPED: int
CAUSE_NONE: int
CAUSE_START: int
CAUSE_JACOBIAN: int
CAUSE_TRIAL: int
DOUBT_NONE: int
DOUBT_NOISE: int
DOUBT_TRUNCATION: int
DOUBT_UNFINISHED: int
UNFIT_FEW: int
UNFIT_START: int
UNFIT_OUTSIDE: int

class Outcome(tuple[Any, ...]):
    """How a fit ended; from `fvec` on None without full output."""

    x: FloatArray
    ier: int
    cause: int
    where: int
    culprit: float
    nfev: int
    njev: int
    fvec: Any
    fjac: Any
    ipvt: Any
    qtf: Any
    cov_x: Any
    def __new__(cls, entries: tuple[Any, ...], /) -> Outcome: ...

class Options:
    """Options of a fit, checked, as every solver takes them."""

    ftol: float
    xtol: float
    gtol: float
    maxfev: int
    epsfcn: float | None
    factor: float
    diag: npt.ArrayLike | None
    bounds: Any
    trials_only: bool
    def __new__(
        cls,
        *,
        ftol: float = ...,
        xtol: float = ...,
        gtol: float = ...,
        maxfev: int = ...,
        epsfcn: float | None = ...,
        factor: float = ...,
        diag: npt.ArrayLike | None = ...,
        bounds: Any = ...,
        max_nfev: int | None = ...,
    ) -> Options: ...
    def replace(self, **changes: Any) -> Options: ...

class Stepper:
    """One fit, that says what it waits for (`request`) and is told (`residual`, `jacobian`)."""

    request: str
    x: FloatArray
    x_trial: FloatArray
    diag: FloatArray
    fjac: FloatArray
    ipvt: IntArray
    qtf: FloatArray
    accepted: int
    info: int
    cause: int
    maxfev: int
    nfev: int
    njev: int
    iteration: int
    fnorm: float
    xnorm: float
    pnorm: float
    gnorm: float
    delta: float
    par: float
    prered: float
    def __new__(cls, x0: npt.ArrayLike, options: Options) -> Stepper: ...
    def residual(self, norm: float, /) -> None: ...
    def jacobian(
        self,
        r: npt.ArrayLike,
        ipvt: npt.ArrayLike,
        qtf: npt.ArrayLike,
        acnorm: npt.ArrayLike,
        /,
    ) -> None: ...
    def running(self, factor: FloatArray, /) -> None: ...
    def nonfinite(self, column: int, /) -> None: ...
    def differences(self, epsfcn: float, /) -> tuple[FloatArray, FloatArray]: ...
    def stop(self) -> None: ...
    def covariance(self) -> FloatArray | None: ...
    def numbers(self) -> tuple[FloatArray, npt.NDArray[np.int64]]: ...
    def restore(self, reals: FloatArray, integers: npt.NDArray[np.int64], /) -> None: ...

def solve_many(
    func: Any,
    Dfun: Any,
    args: tuple[Any, ...],
    supply: Callable[[], tuple[Any, ...] | None],
    results: tuple[Any, ...],
    n: int,
    m: int,
    slots: int,
    points: int,
    is_model: bool,
    col_deriv: bool,
    options: Options,
    absolute_sigma: bool,
    settled: float,
    stop: npt.NDArray[np.bool_],
    blame: list[npt.NDArray[np.int64]],
    /,
) -> None: ...
def solve(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    args: tuple[Any, ...],
    Dfun: Callable[..., Any] | None,
    full_output: bool,
    col_deriv: bool,
    options: Options,
    watch: Callable[..., None] | None,
    /,
) -> tuple[FloatArray, int] | Outcome: ...
def parts() -> dict[str, int]: ...
def reduce_block(jacobian: Any, f: FloatArray, n: int, col_deriv: bool, /) -> FloatArray | int: ...
def reduce_differences(
    values: list[FloatArray | None], base: FloatArray, f: FloatArray, steps: FloatArray, /
) -> FloatArray | int: ...
def fresh_residuals(func: Callable[..., Any], args: tuple[Any, ...], m: int, /) -> FloatArray: ...
def merge_blocks(n: int, first: FloatArray, second: FloatArray, /) -> FloatArray: ...
def solve_compiled(
    model: tuple[Any, ...],
    x0: npt.ArrayLike,
    args: tuple[()],
    Dfun: Any,
    full_output: bool,
    col_deriv: bool,
    options: Options,
    watch: Callable[..., None] | None,
    /,
) -> tuple[FloatArray, int] | Outcome: ...
def capsule_address(capsule: Any, /) -> tuple[int, bytes | None]: ...
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
def chkder(
    x: FloatArray,
    fvec: FloatArray,
    fjac: FloatArray,
    xp: FloatArray,
    fvecp: FloatArray,
    mode: int,
    err: FloatArray,
) -> None: ...
def enorm(x: npt.ArrayLike, /) -> float: ...
def first_point(x: FloatArray, lower: npt.ArrayLike, upper: npt.ArrayLike) -> None: ...
def covar(r: FloatArray, ipvt: IntArray) -> tuple[FloatArray, int]: ...
def scaled(cov_x: FloatArray, deviation: float, /) -> FloatArray | None: ...
def doubt(
    m: int,
    fjac: FloatArray,
    ipvt: IntArray,
    x: FloatArray,
    qtf: FloatArray,
    cov_x: FloatArray,
    fnorm: float,
    data_norm: float,
    step: float,
    error: float,
    /,
) -> int: ...
def isa() -> int: ...
def best_isa() -> int: ...
def isa_is_chosen() -> int: ...
def choose_isa(isa: int) -> int: ...
