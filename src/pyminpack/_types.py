"""Types of what callers hand in and get back."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from ._watch import Iteration

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ._blocks.driver import BlockResiduals

__all__ = [
    "Derivatives",
    "Ier",
    "InfoDict",
    "InfoDictInBlocks",
    "ManyOptions",
    "Method",
    "NanPolicy",
    "No",
    "Options",
    "StrPath",
    "Yes",
]

Derivatives = Callable[..., Any] | Literal["2-point", "3-point", "cs", "adaptive"]
Method = Literal["lm", "trf", "dogbox"]
NanPolicy = Literal["raise", "omit"]
StrPath = str | os.PathLike[str]
Ier = Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
#: As `full_output` is written, the 1 of old programs included; 0 and False are `No`.
Yes = Literal[True, 1]
No = Literal[False, 0]


class _Always(TypedDict):
    nfev: int
    fvec: npt.NDArray[np.float64]
    fjac: npt.NDArray[np.float64]
    ipvt: npt.NDArray[np.int32]
    qtf: npt.NDArray[np.float64]


class InfoDict(_Always, total=False):
    """What `leastsq` and `curve_fit` return with `full_output`, by name; a plain dict.

    ``njev`` is there with derivatives by `Dfun` or `jac`, ``active_mask`` with bounds.

    Examples
    --------
    >>> from pyminpack import InfoDict, leastsq
    >>> def calls(infodict: InfoDict) -> int:
    ...     return infodict["nfev"]
    >>> x, cov_x, infodict, mesg, ier = leastsq(lambda x: x - 3.0, 1.0, full_output=True)
    >>> calls(infodict) < 10
    True
    """

    njev: int
    active_mask: npt.NDArray[np.int_]


class _AlwaysInBlocks(TypedDict):
    nfev: int
    fvec: BlockResiduals
    fjac: npt.NDArray[np.float64]
    ipvt: npt.NDArray[np.int32]
    qtf: npt.NDArray[np.float64]


class InfoDictInBlocks(_AlwaysInBlocks, total=False):
    """What `leastsq` returns of a fit in blocks."""

    njev: int
    active_mask: npt.NDArray[np.int_]


class Options(TypedDict, total=False):
    """Options of `curve_fit` beside its arguments."""

    ftol: float | None
    xtol: float | None
    gtol: float | None
    maxfev: int | None
    max_nfev: int | None
    epsfcn: float | None
    factor: float
    diag: npt.ArrayLike | None
    col_deriv: bool
    callback: Callable[[Iteration], Any] | None
    verbose: int
    warning: bool
    x_scale: npt.ArrayLike | None
    diff_step: npt.ArrayLike | None
    loss: Literal["linear"]
    workers: int | None
    chunk: int | None
    executor: Executor | None
    checkpoint: StrPath | None
    f_scale: float
    tr_solver: Any
    tr_options: Any
    jac_sparsity: Any


class ManyOptions(TypedDict, total=False):
    """Options of `leastsq_many` and `curve_fit_many` beside their arguments."""

    ftol: float
    xtol: float
    gtol: float
    maxfev: int
    max_nfev: int | None
    epsfcn: float | None
    factor: float
    diag: npt.ArrayLike | None
