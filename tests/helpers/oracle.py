"""The original MINPACK (the system's ``libminpack``) called through ctypes, as a test oracle.

Debian's build carries machine constants rounded to twelve digits (2.22044604926e-16 and so on). The
root of the first is the difference step, so its difference Jacobians differ from anyone else's in
the last digits. `load` therefore offers the library twice: ``"shipped"`` as it is, and ``"exact"``
with its ``dpmpar_`` overridden by one that returns 2^-52, the smallest normal and the largest
finite double. The override is a shared library of a few lines, compiled with gcc into a temporary
directory and loaded with RTLD_GLOBAL ahead of a copy of the original, whose own reference to
``dpmpar_`` the dynamic linker then binds to it. (A copy: the same file would not be bound anew if
it were in the process already.)
"""

from __future__ import annotations

import atexit
import ctypes
import ctypes.util
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

__all__ = ["Solution", "available", "difference_step", "library_path", "lmder", "lmdif", "load"]

Constants = Literal["exact", "shipped"]

_DPMPAR = """\
#include <float.h>
double dpmpar_(const int *i) { return *i == 1 ? DBL_EPSILON : *i == 2 ? DBL_MIN : DBL_MAX; }
"""
_INT = ctypes.POINTER(ctypes.c_int)
_DOUBLE = ctypes.POINTER(ctypes.c_double)
_LMDIF_FCN = ctypes.CFUNCTYPE(None, _INT, _INT, ctypes.c_void_p, ctypes.c_void_p, _INT)
_LMDER_FCN = ctypes.CFUNCTYPE(
    None, _INT, _INT, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, _INT, _INT
)


@dataclass(frozen=True)
class Solution:
    """What a call returns; the ``njev`` of ``lmdif`` is counted by its calls."""

    x: Vector
    fvec: Vector
    fjac: Vector
    ipvt: NDArray[np.int32]
    qtf: Vector
    info: int
    nfev: int
    njev: int


@cache
def library_path() -> Path | None:
    """Where the dynamic linker finds ``libminpack``, or None."""
    name = ctypes.util.find_library("minpack")
    if name is None or not sys.platform.startswith("linux"):
        return None
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if ldconfig is None:
        return None
    listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout
    paths = [line.split("=> ")[1] for line in listing.splitlines() if line.split()[:1] == [name]]
    return Path(paths[0]).resolve() if paths else None


def available(constants: Constants = "exact") -> bool:
    """Whether the original can be loaded here (for exact constants that takes gcc, too)."""
    return library_path() is not None and (
        constants == "shipped" or shutil.which("gcc") is not None
    )


@cache
def load(constants: Constants = "exact") -> ctypes.CDLL:
    """Load the original with the given machine constants."""
    path = library_path()
    if path is None:
        raise OSError("libminpack is not installed (Debian: libminpack1)")
    if constants == "shipped":
        return ctypes.CDLL(str(path))
    # Bind the shipped instance first: once the override is global, nothing can be loaded without
    # it.
    load("shipped")
    directory = Path(tempfile.mkdtemp(prefix="oracle-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    source, override = directory / "dpmpar.c", directory / "dpmpar.so"
    source.write_text(_DPMPAR)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(override), str(source)], check=True)
    ctypes.CDLL(str(override), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(shutil.copy(path, directory))


def difference_step(constants: Constants = "exact") -> float:
    """Forward-difference step at x = 0, which is the root of the machine precision in use."""
    seen: list[float] = []

    def residual(x: Vector) -> Vector:
        seen.append(float(x[0]))
        return x - 1.0

    lmdif(residual, [0.0], 1, constants=constants)
    return seen[1]


def _vector(address: int, size: int) -> Vector:
    return np.frombuffer((ctypes.c_double * size).from_address(address))


class _Call:
    """Memory of one call; the work arrays start as NaN so that a use before definition shows."""

    def __init__(self, x0: ArrayLike, m: int, diag: ArrayLike | None) -> None:
        self.x = np.array(x0, dtype=np.float64).reshape(-1)
        self.m, self.n = m, self.x.size
        self.mode = 1 if diag is None else 2
        self.diag = np.full(self.n, np.nan)
        if diag is not None:
            self.diag[:] = diag
        self.fvec = np.full(m, np.nan)
        self.fjac = np.full((m, self.n), np.nan, order="F")
        self.ipvt = np.zeros(self.n, dtype=np.int32)
        self.qtf = np.full(self.n, np.nan)
        self.work = [np.full(size, np.nan) for size in (self.n, self.n, self.n, m)]
        self.counts = [ctypes.c_int(-1) for _ in range(3)]  # info, nfev, njev
        self.difference_calls = 0
        self.error: BaseException | None = None

    def arguments(self, *values: object) -> list[object]:
        """Arguments as Fortran wants them: everything by address."""
        out: list[object] = []
        for value in values:
            if isinstance(value, np.ndarray):
                out.append(ctypes.c_void_p(value.ctypes.data))
            elif isinstance(value, float):
                out.append(ctypes.byref(ctypes.c_double(value)))
            elif isinstance(value, int):
                out.append(ctypes.byref(ctypes.c_int(value)))
            elif isinstance(value, ctypes.c_int):
                out.append(ctypes.byref(value))
            else:
                out.append(value)
        return out

    def solution(self, njev: int) -> Solution:
        if self.error is not None:
            raise self.error
        info, nfev = self.counts[0].value, self.counts[1].value
        return Solution(self.x, self.fvec, self.fjac, self.ipvt, self.qtf, info, nfev, njev)


def lmdif(
    residual: Callable[[Vector], ArrayLike],
    x0: ArrayLike,
    m: int,
    *,
    ftol: float = 1.49012e-8,
    xtol: float = 1.49012e-8,
    gtol: float = 0.0,
    maxfev: int | None = None,
    epsfcn: float = 0.0,
    diag: ArrayLike | None = None,
    factor: float = 100.0,
    constants: Constants = "exact",
) -> Solution:
    """Call the original ``lmdif``; ``maxfev``: 200 (n + 1)."""
    call = _Call(x0, m, diag)
    n = call.n

    def fcn(_m, _n, x, fvec, iflag):  # type: ignore[no-untyped-def]
        try:
            call.difference_calls += iflag[0] == 2
            _vector(fvec, m)[:] = residual(_vector(x, n).copy())
        except BaseException as error:
            call.error = error
            iflag[0] = -1

    info, nfev, _ = call.counts
    load(constants).lmdif_(
        *call.arguments(
            _LMDIF_FCN(fcn), m, n, call.x, call.fvec, ftol, xtol, gtol,
            200 * (n + 1) if maxfev is None else maxfev, epsfcn, call.diag, call.mode, factor, 0,
            info, nfev, call.fjac, m, call.ipvt, call.qtf, *call.work,
        )
    )  # fmt: skip
    return call.solution(call.difference_calls // max(n, 1))


def lmder(
    residual: Callable[[Vector], ArrayLike],
    jacobian: Callable[[Vector], ArrayLike],
    x0: ArrayLike,
    m: int,
    *,
    ftol: float = 1.49012e-8,
    xtol: float = 1.49012e-8,
    gtol: float = 0.0,
    maxfev: int | None = None,
    diag: ArrayLike | None = None,
    factor: float = 100.0,
    constants: Constants = "exact",
) -> Solution:
    """Call the original ``lmder``; ``jacobian`` returns (m, n), ``maxfev``: 100 (n + 1)."""
    call = _Call(x0, m, diag)
    n = call.n

    def fcn(_m, _n, x, fvec, fjac, _ldfjac, iflag):  # type: ignore[no-untyped-def]
        try:
            if iflag[0] == 1:
                _vector(fvec, m)[:] = residual(_vector(x, n).copy())
            else:
                _vector(fjac, m * n).reshape(n, m)[:] = np.asarray(jacobian(_vector(x, n).copy())).T
        except BaseException as error:
            call.error = error
            iflag[0] = -1

    info, nfev, njev = call.counts
    load(constants).lmder_(
        *call.arguments(
            _LMDER_FCN(fcn), m, n, call.x, call.fvec, call.fjac, m, ftol, xtol, gtol,
            100 * (n + 1) if maxfev is None else maxfev, call.diag, call.mode, factor, 0,
            info, nfev, njev, call.ipvt, call.qtf, *call.work,
        )
    )  # fmt: skip
    return call.solution(njev.value)
