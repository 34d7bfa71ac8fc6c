"""Compiled models, one fit and many: beside cminpack-numba and the calls of the model alone.

The same functions serve all: numba's, one exp at a time, and for many fits C's too, whose exp takes
several (vector_models.c), as somebody with a million of them would have it. What is left of a fit
when the model is taken off is the solver's own: of a Gaussian fit of 4 × 64 in a batch, more than
half of that the factor step (`qrfac_group`), a quarter the step, the rest differences, norms and
results; of one fit called from Python, some 2 µs more are the call's arguments and arrays.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numba
import numpy as np
from compare import CLOCKS, OURS, ratios, summary
from numba import cfunc, njit, types
from report import parse, report

import pyminpack
from pyminpack import leastsq, leastsq_many

THEIRS = "cminpack-numba"
MODEL = "the model alone"
WHAT = "Compiled models: time of a fit, the model's calls included"
SEED = 20261127

DOUBLES = types.CPointer(types.float64)
COMMON = (DOUBLES, types.int32, types.int32, DOUBLES, DOUBLES)
residuals = cfunc(types.int32(*COMMON, types.int32))
both = cfunc(types.int32(*COMMON, DOUBLES, types.int32, types.int32))


@residuals
def decay(p, m, n, x, fvec, iflag):
    """An exponential with an offset, x0 exp(-x1 t) + x2, t from 0 to 4, beside the data p."""
    for i in range(m):
        fvec[i] = x[0] * math.exp(-x[1] * (4.0 * i / (m - 1))) + x[2] - p[i]
    return 0


@both
def decay_both(p, m, n, x, fvec, fjac, ldfjac, iflag):
    """The same, with derivatives."""
    for i in range(m):
        t = 4.0 * i / (m - 1)
        shape = math.exp(-x[1] * t)
        if iflag == 1:
            fvec[i] = x[0] * shape + x[2] - p[i]
        else:
            fjac[i] = shape
            fjac[i + ldfjac] = -x[0] * t * shape
            fjac[i + 2 * ldfjac] = 1.0
    return 0


@residuals
def gaussian(p, m, n, x, fvec, iflag):
    """A peak on a constant, t from -5 to 5, beside the data p."""
    for i in range(m):
        z = (10.0 * i / (m - 1) - 5.0 - x[1]) / x[2]
        fvec[i] = x[0] * math.exp(-0.5 * z * z) + x[3] - p[i]
    return 0


@both
def gaussian_both(p, m, n, x, fvec, fjac, ldfjac, iflag):
    """The same, with derivatives."""
    for i in range(m):
        z = (10.0 * i / (m - 1) - 5.0 - x[1]) / x[2]
        shape = math.exp(-0.5 * z * z)
        if iflag == 1:
            fvec[i] = x[0] * shape + x[3] - p[i]
        else:
            fjac[i] = shape
            fjac[i + ldfjac] = x[0] * shape * z / x[2]
            fjac[i + 2 * ldfjac] = x[0] * shape * z * z / x[2]
            fjac[i + 3 * ldfjac] = 1.0
    return 0


class Fits(NamedTuple):
    """What is fitted: a model in both forms, starts (B, N), data (B, M)."""

    f: Any
    fj: Any
    x0: Any
    data: Any


def in_vectors() -> tuple[Any, Any]:
    """The Gaussian of vector_models.c, compiled for this machine."""
    integer, doubles = ctypes.c_int, ctypes.POINTER(ctypes.c_double)
    common = (doubles, integer, integer, doubles, doubles)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "models.so")
        flags = ["-O3", "-ffast-math", "-march=native", "-shared", "-fPIC", "-lm"]
        source = Path(__file__).with_name("vector_models.c")
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, str(source), "-o", str(made), *flags], check=True)
        library = ctypes.CDLL(str(made))
    f = ctypes.CFUNCTYPE(integer, *common, integer)
    fj = ctypes.CFUNCTYPE(integer, *common, doubles, integer, integer)
    return f(("gaussian", library)), fj(("gaussian_both", library))


def address(function: Any) -> Any:
    """Of a function of numba's or of ctypes'."""
    return getattr(function, "address", None) or ctypes.cast(function, ctypes.c_void_p).value


def decays() -> Fits:
    rng = np.random.default_rng(SEED)
    data = 2.5 * np.exp(-1.3 * np.linspace(0, 4, 50)) + 0.5 + 0.05 * rng.standard_normal((1, 50))
    return Fits(decay, decay_both, np.array([[1.0, 1.0, 0.0]]), data)


def peaks(number: int, f: Any = gaussian, fj: Any = gaussian_both) -> Fits:
    """Good but not perfect starts, noise of 3 % of the peak."""
    rng = np.random.default_rng(SEED)
    t = np.linspace(-5.0, 5.0, 64)
    true = rng.uniform([2.0, -1.0, 0.7, 0.5], [4.0, 1.0, 1.5, 1.5], size=(number, 4))
    a, b, c, d = true.T[:, :, None]
    data = a * np.exp(-0.5 * ((t - b) / c) ** 2) + d + 0.1 * rng.standard_normal((number, 64))
    x0 = true * rng.uniform(0.85, 1.15, true.shape) + [0.0, 0.2, 0.0, 0.0]
    return Fits(f, fj, x0, data)


def bare_calls(fits: Fits, analytic: bool, nfev: int, njev: int) -> Callable[[], None]:
    """As many calls of the model as the fits take, without a solver."""
    f, fj = (getattr(one, "ctypes", one) for one in (fits.fj if analytic else fits.f, fits.fj))
    m, n = fits.data.shape[1], fits.x0.shape[1]
    fvec, fjac, each = np.empty(m), np.empty((n, m)), len(fits.data)

    @njit
    def call(x0, data, fvec, fjac):
        for k in range(nfev):
            x, p = x0[k % each].ctypes, data[k % each].ctypes
            if analytic:
                f(p, m, n, x, fvec.ctypes, fjac.ctypes, m, 1)
            else:
                f(p, m, n, x, fvec.ctypes, 1)
        for k in range(njev):
            x, p = x0[k % each].ctypes, data[k % each].ctypes
            fj(p, m, n, x, fvec.ctypes, fjac.ctypes, m, 2)

    return lambda: call(fits.x0, fits.data, fvec, fjac)


def cminpack(fits: Fits, analytic: bool, loop: bool) -> Callable[[], Any]:
    """Their fit, called from Python, or a loop of theirs over all fits, compiled."""
    import cminpack_numba

    solver = cminpack_numba.lmder if analytic else cminpack_numba.lmdif
    pointer, m = address(fits.fj if analytic else fits.f), fits.data.shape[1]
    if not loop:
        return lambda: solver(pointer, m, fits.x0[0].copy(), udata=fits.data[0])

    @njit
    def fit_all(x0, data):
        total = 0.0
        for k in range(len(x0)):
            total += solver(pointer, m, x0[k].copy(), udata=data[k])[0][0]
        return total

    return lambda: fit_all(fits.x0, fits.data)


def contenders(fits: Fits, analytic: bool, workers: int) -> dict[str, Callable[[], Any]]:
    """Whom to time; the counts are ours, and theirs differ in a fit of a hundred or so."""
    func, m, many = fits.fj if analytic else fits.f, fits.data.shape[1], len(fits.data) > 1
    if many:
        first = leastsq_many(func, fits.x0, data=[fits.data], m=m)
        nfev = int(first.nfev.sum())
        alone = (
            leastsq(func, *case, m=m, full_output=True)[2]
            for case in zip(fits.x0, fits.data, strict=True)
        )
        njev = sum(info["njev"] for info in alone) if analytic else 0

        def ours() -> Any:
            return leastsq_many(
                func, fits.x0, data=[fits.data], m=m, workers=workers, covariance=False
            )
    else:
        info = leastsq(func, fits.x0[0], fits.data[0], m=m, full_output=True)[2]
        nfev, njev = info["nfev"], info.get("njev", 0)

        def ours() -> Any:
            return leastsq(func, fits.x0[0], fits.data[0], m=m)

    made = {OURS: ours, MODEL: bare_calls(fits, analytic, nfev, njev)}
    if importlib.util.find_spec("cminpack_numba"):
        made[THEIRS] = cminpack(fits, analytic, many)
    return made


def timed(function: Callable[[], Any], clock: Callable[[], float], batch: int) -> float:
    started = clock()
    for _ in range(batch):
        function()
    return (clock() - started) / batch


def row(
    case: str, fits: Fits, analytic: bool, clock: Callable[[], float], rounds: int, workers: int = 1
) -> dict[str, Any]:
    """Time all in turn, again and again: seconds a fit."""
    every, number = contenders(fits, analytic, workers), len(fits.data)
    batch = 1 if number > 1 else 200
    for function in every.values():
        function()  # what is compiled at the first call
    times: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, function in every.items():
            times[name].append(timed(function, clock, batch) / number)
    results = {name: summary(values) for name, values in times.items()}
    own = median(np.subtract(times[OURS], times[MODEL]))
    return {
        "case": case,
        "peers": results,
        "own": own,
        "rounds": rounds,
        "ratios": ratios(results),
    }


def main() -> None:
    options = parse(__doc__)
    rounds = 1 if options.smoke else 15 if options.quick else 60
    clock = getattr(time, CLOCKS[options.clock])
    number, more = (100, 300) if options.smoke else (10_000, 100_000)
    vectors = in_vectors()
    rows = []
    for analytic in (False, True):
        how = "analytic" if analytic else "differences"
        for case, fits, workers in (
            (f"one exponential, 3 × 50, {how}", decays(), 1),
            (f"Gaussians, 4 × 64, {how}", peaks(number), 1),
            (f"Gaussians, 4 × 64, {how}, two workers", peaks(number), 2),
            (f"Gaussians, exp in vectors, {how}", peaks(number, *vectors), 1),
            (f"Gaussians, exp in vectors, {how}, two workers", peaks(number, *vectors), 2),
            (f"{more:,} such, {how}", peaks(more, *vectors), 1),
            (f"{more:,} such, {how}, two workers", peaks(more, *vectors), 2),
        ):
            if options.only in case:
                times = rounds if len(fits.data) <= number else -(-rounds // 6)
                rows.append(row(case, fits, analytic, clock, times, workers))
    group = [
        {"name": OURS, "version": pyminpack.__version__},
        {"name": MODEL, "version": f"numba {numba.__version__}"},
    ]
    if importlib.util.find_spec("cminpack_numba"):
        group.append({"name": THEIRS, "version": version("cminpack-numba")})
    report("compiled", WHAT, rows, group, options)


if __name__ == "__main__":
    main()
