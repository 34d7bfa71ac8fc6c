"""Many fits in one call, beside a loop over SciPy's `leastsq`; a million of them in little memory.

All in one process, in turn: a Gaussian of 4 parameters on 64 points, from starts within a fifth of
the truth. Times are those of a fit, its model included. Where jaxopt is installed, so are its fits
by `vmap`, with the derivatives that JAX makes.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from report import parse, report
from scipy.optimize import leastsq

import pyminpack

OURS = "pyminpack"
JAXOPT = "jaxopt's vmap"
THEIRS = f"loop over SciPy {scipy.__version__}"
WHAT = "A fit of many, the model included (a Gaussian, 4 parameters, 64 points)"
X = np.linspace(-5.0, 5.0, 64)
LOOP = 2000  # fits of a batch that the loop is timed on

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def gaussian(x: FloatArray, height: Any, centre: Any, width: Any, base: Any) -> FloatArray:
    return height * np.exp(-((x - centre) ** 2) / (2 * width**2)) + base


def derivatives(x: FloatArray, height: Any, centre: Any, width: Any, base: Any) -> FloatArray:
    """Shape (N, b, M), or (N, M) for one fit."""
    z = (x - centre) / width
    shape = np.exp(-0.5 * z * z)
    slope = height * shape * z / width
    made = np.empty((4, *shape.shape))
    made[0], made[1], made[2], made[3] = shape, slope, slope * z, 1.0
    return made


def problems(count: int) -> tuple[FloatArray, FloatArray]:
    """Starts and data."""
    rng = np.random.default_rng(0)
    truth = rng.uniform([2, -1, 0.8, 0], [5, 1, 1.5, 1], (count, 4))
    y = gaussian(X, *truth.T[:, :, None]) + rng.normal(0, 0.1, (count, X.size))
    return truth * rng.uniform(0.8, 1.2, truth.shape), y


def loop(x0: FloatArray, y: FloatArray, analytic: bool) -> None:
    for start, data in zip(x0, y, strict=True):

        def residuals(p: FloatArray, data: FloatArray = data) -> FloatArray:
            return gaussian(X, *p) - data

        dfun = (lambda p: derivatives(X, *p)) if analytic else None
        leastsq(residuals, start, Dfun=dfun, col_deriv=True)


def jaxopt_fits(x0: FloatArray, y: FloatArray) -> Callable[[], FloatArray] | None:
    """Their Levenberg-Marquardt for many, in the way that is fastest here: by chunks, LU of J'J."""
    if not importlib.util.find_spec("jaxopt"):
        return None
    # One thread, as all others here have: to be said before JAX is loaded.
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax
    import jaxopt

    jax.config.update("jax_enable_x64", True)
    t, at_once = jax.numpy.asarray(X), min(256, len(x0))

    def residuals(p: Any, data: Any) -> Any:
        height, centre, width, base = p
        return height * jax.numpy.exp(-((t - centre) ** 2) / (2 * width**2)) + base - data

    solver = jaxopt.LevenbergMarquardt(
        residuals, materialize_jac=True, solver="lu", xtol=1.49e-8, gtol=1e-8, maxiter=100
    )
    fit = jax.jit(jax.vmap(lambda p, data: solver.run(p, data).params))
    fit(x0[:at_once], y[:at_once])  # compiled here

    def run() -> FloatArray:
        whole = len(x0) // at_once * at_once
        parts = [slice(k, k + at_once) for k in range(0, whole, at_once)]
        if whole < len(x0):  # no other shape, which would be compiled anew
            parts.append(slice(len(x0) - at_once, None))
        made = np.empty_like(x0)
        for part in parts:
            made[part] = fit(x0[part], y[part])
        return made

    return run


class Replay:
    """A model that remembers what it was called with, to be called so again."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        return self.function(*arguments)

    def again(self) -> None:
        with np.errstate(all="ignore"):
            for arguments in self.calls:
                self.function(*arguments)


def timed(clock: Callable[[], float], rounds: int, actions: dict[str, tuple[Any, int]]) -> Any:
    """Seconds of a fit for each action, of so many fits: the least of the rounds, taken in turn."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, (action, fits) in actions.items():
            start = clock()
            action()
            best[name] = min(best[name], (clock() - start) / fits)
    return best


def row(case: str, ours: float, theirs: dict[str, float], unit: str = "s") -> dict[str, Any]:
    values = {OURS: ours, **theirs}
    return {
        "case": case,
        "unit": unit,
        "peers": {name: {"value": value} for name, value in values.items()},
        "ratios": {name: ours / value for name, value in theirs.items()},
    }


def rows(count: int, rounds: int, clock: Callable[[], float]) -> list[dict[str, Any]]:
    x0, y = problems(count)
    few = min(count, LOOP)
    made = []
    for analytic in (False, True):
        jac = derivatives if analytic else None

        def many(workers: int = 1, f: Any = gaussian, jac: Any = jac) -> Any:
            return pyminpack.curve_fit_many(f, X, y, x0, jac=jac, workers=workers)

        models = [Replay(gaussian), Replay(derivatives)]
        found = many(f=models[0], jac=models[1] if analytic else None)
        actions: dict[str, tuple[Any, int]] = {
            "many": (many, count),
            "threads": (lambda many=many: many(workers=2), count),
            "model": (lambda models=models: [model.again() for model in models], count),
            THEIRS: (lambda analytic=analytic: loop(x0[:few], y[:few], analytic), few),
        }
        others = [THEIRS]
        if analytic and (jaxopt := jaxopt_fits(x0, y)):
            assert np.median(np.abs(jaxopt() - found.popt)) < 1e-4
            actions[JAXOPT] = (jaxopt, count)
            others.append(JAXOPT)
        best = timed(clock, rounds, actions)
        theirs = {name: best[name] for name in others}
        title = f"{count:,}, {'analytic' if analytic else 'differences'}"
        made += [
            row(title, best["many"], theirs),
            row(f"{title}: outside the model", best["many"] - best["model"], theirs),
            row(f"{title}: two threads", best["threads"], theirs),
        ]
    return made


def anonymous() -> float:
    """MB of this process that are in no file."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def memory(count: int) -> float:
    """MB that so many fits take at most, data and results being files."""
    peak = [0.0]

    def start(x: Any, y: FloatArray) -> FloatArray:
        peak[0] = max(peak[0], anonymous())
        base, high = y.min(axis=1), y.max(axis=1)
        return np.stack([high - base, X[y.argmax(axis=1)], np.ones(len(y)), base], axis=1)

    def file(folder: str, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        path = Path(folder, f"{name}.npy")
        return np.lib.format.open_memmap(path, "w+", dtype, (count, *shape))

    kinds = {"popt": float, "stderr": float, "cost": float, "nfev": np.int32, "ier": np.int8}
    with tempfile.TemporaryDirectory() as folder:
        y = file(folder, "y", (X.size,), np.float32)
        _, some = problems(min(count, 10_000))
        for first in range(0, count, len(some)):
            y[first : first + len(some)] = some[: count - first]
        out = {
            name: file(folder, name, (4,) if name in ("popt", "stderr") else (), kind)
            for name, kind in kinds.items()
        }
        before = anonymous()
        pyminpack.curve_fit_many(gaussian, X, y, start, out=out, covariance=False)
    return peak[0] - before


def main() -> None:
    options = parse(__doc__)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    counts = [300] if options.smoke else [10_000] if options.quick else [10_000, 100_000]
    rounds = 1 if options.smoke else 3 if options.quick else 5
    most = 1000 if options.smoke else 100_000 if options.quick else 1_000_000
    data = most * X.size * 4 / 2**20
    taken = memory(most)  # first, while the process has no memory to use again
    table = [made for count in counts for made in rows(count, rounds, clock)]
    table.append(row(f"{most:,}, from a file to files: memory; data", taken, {THEIRS: data}, "MB"))
    table = [made for made in table if options.only in made["case"]]
    group = [
        {"name": OURS, "version": pyminpack.__version__},
        {"name": THEIRS, "version": scipy.__version__},
    ]
    if importlib.util.find_spec("jaxopt"):
        group.append({"name": JAXOPT, "version": version("jaxopt"), "jax": version("jax")})
    else:
        print("jaxopt is not installed: left out.\n")
    report("many", WHAT, table, group, options)


if __name__ == "__main__":
    main()
