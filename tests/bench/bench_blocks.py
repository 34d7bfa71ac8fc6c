"""Fits larger than memory: data in files, in chunks, beside what the model alone takes for them.

Each fit has a process of its own. Memory is that of its anonymous pages at their peak, above what
there was before: the pages of the files are the system's cache. The model alone: the same calls, of
the same chunks, without a fit. SciPy fits the same files, where it has the memory.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Process, get_context
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from report import parse, report

import pyminpack

WHAT = "Data in files, 5 parameters, forward differences, one processor where no other is named"
TRUTH, START = (3.0, 0.3, 2.0, 0.5, 0.1), (2.5, 0.2, 1.95, 0.3, 0.0)
#: SciPy holds the data, their Jacobian, and copies.
SCIPY_MOST = 10**7
#: Rows of a fit that takes long enough for a process to be killed in its middle, and not longer.
LONG, KILLED_MOST = 10**6, 10**7
PIECE = 2**20
CHUNK = 10_000


def wave(t: Any, height: float, decay: float, frequency: float, phase: float, ground: float) -> Any:
    return height * np.exp(-decay * t) * np.sin(frequency * t + phase) + ground


def write(folder: Path, rows: int) -> tuple[str, str]:
    """Make two files of data, if they are not there."""
    x, y = folder / f"x{rows}", folder / f"y{rows}"
    if not y.exists():
        rng = np.random.default_rng(1)
        with x.open("wb") as to_x, y.open("wb") as to_y:
            for first in range(0, rows, PIECE):
                t = rng.uniform(0.0, 10.0, min(PIECE, rows - first))
                t.tofile(to_x)
                (wave(t, *TRUTH) + rng.normal(scale=0.2, size=t.size)).tofile(to_y)
    return str(x), str(y)


def anonymous() -> int:
    """Bytes of memory that no file is behind."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


class Watched:
    """A block of code: its time, its processor's time, and its peak of memory."""

    def __enter__(self) -> Watched:
        self._done = threading.Event()
        self._before = self.memory = anonymous()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self._began = time.perf_counter(), time.process_time()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.memory = max(self.memory, anonymous())

    def __exit__(self, *exception: object) -> None:
        self.seconds = time.perf_counter() - self._began[0]
        self.processor = time.process_time() - self._began[1]
        self._done.set()
        self._thread.join()
        self.memory -= self._before


def fit_files(x: str, y: str, scipys: bool) -> dict[str, Any]:
    """Fit, and then call the model as often."""
    xdata, ydata = (np.memmap(name, float, "r") for name in (x, y))
    called = 0

    def model(t: Any, *p: float) -> Any:
        nonlocal called
        called += t.size
        return wave(t, *p)

    solver: Callable[..., Any] = pyminpack.curve_fit
    if scipys:
        from scipy.optimize import curve_fit as solver
    with Watched() as fit:
        popt, _ = solver(model, xdata, ydata, START)
    passes, alone = called / xdata.size, 0.0
    rows = xdata.size if scipys else CHUNK
    for _ in range(2):
        began = time.process_time()
        for first in range(0, xdata.size, rows):
            wave(np.asarray(xdata[first : first + rows]), *popt)
        alone = passes * min(alone / passes or np.inf, time.process_time() - began)
    return {
        "seconds": fit.seconds, "memory": fit.memory, "speed": alone / fit.processor,
        "each": fit.processor / called, "bits": popt.tobytes(),
    }  # fmt: skip


def read(name: str, first: int, rows: int) -> Any:
    return np.fromfile(name, float, rows, offset=8 * first)


def fit_cluster(x: str, y: str, rows: int, kill: bool) -> dict[str, Any]:
    """Fit on a cluster of two processes, one of which may be killed in the middle."""
    import dask
    import dask.array
    from dask.distributed import Client, LocalCluster

    part = -(-rows // 40)
    data = [
        dask.array.concatenate([
            dask.array.from_delayed(
                dask.delayed(read)(name, first, min(part, rows - first)),
                (min(part, rows - first),), float,
            )
            for first in range(0, rows, part)
        ])
        for name in (x, y)
    ]  # fmt: skip
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))

        def strike(iteration: pyminpack.Iteration) -> None:
            if kill and iteration.nit == 2:
                os.kill(victim, signal.SIGKILL)

        with Watched() as fit:
            popt, _ = pyminpack.curve_fit(wave, *data, START, chunk=CHUNK, callback=strike)
    return {"seconds": fit.seconds, "bits": popt.tobytes()}


def fit_stored(x: str, y: str, checkpoint: str) -> bytes:
    """Fit, with the state of the fit in a file."""
    data = (np.memmap(name, float, "r") for name in (x, y))
    popt, _ = pyminpack.curve_fit(wave, *data, START, chunk=CHUNK, checkpoint=checkpoint)
    return bytes(popt.tobytes())


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def resumed(x: str, y: str, folder: Path) -> bytes:
    """Kill a fit when it has come to its third point, and go on."""
    path = folder / "fit.npz"
    process: Process = get_context("spawn").Process(target=fit_stored, args=(x, y, str(path)))
    process.start()
    seen: set[int] = set()
    while process.is_alive() and len(seen) < 3:
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
        time.sleep(0.001)
    process.kill()
    process.join()
    bits: bytes = apart(fit_stored, x, y, str(path))
    path.unlink()
    return bits


def row(case: str, rows: int, found: dict[str, Any], same: str) -> dict[str, Any]:
    counts = {
        "time": f"{found['seconds']:.3g} s",
        "each row and pass": f"{1e9 * found['each']:.3g} ns" if "each" in found else "",
        "of the model's speed": f"{found['speed']:.2f}" if "speed" in found else "",
        "memory": f"{found['memory'] / 1e6:.0f} MB" if "memory" in found else "",
        "same bits": same,
    }
    return {"case": f"10^{np.log10(rows):.0f} rows, {case}", "counts": counts}


def cases(sizes: list[int], folder: Path, only: str) -> list[dict[str, Any]]:
    made = []
    for rows in sizes:
        x, y = write(folder, rows)
        found = apart(fit_files, x, y, False)
        made.append(row("pyminpack", rows, found, ""))
        if rows <= SCIPY_MOST:
            made.append(row("SciPy", rows, apart(fit_files, x, y, True), ""))
    made.append(row("Dask, two processes", rows, apart(fit_cluster, x, y, rows, False), ""))
    rows = min(rows, KILLED_MOST)
    x, y = write(folder, rows)
    same = {True: "yes", False: "no"}
    local = apart(fit_stored, x, y, str(folder / "none.npz"))
    began = time.perf_counter()
    bits = resumed(x, y, folder)
    found = {"seconds": time.perf_counter() - began}
    made.append(row("killed and resumed", rows, found, same[bits == local]))
    if rows >= LONG:
        whole, killed = (apart(fit_cluster, x, y, rows, kill) for kill in (False, True))
        found = same[killed["bits"] == whole["bits"]]
        made.append(row("Dask, one process killed", rows, killed, found))
    return [one for one in made if only in one["case"]]


def main() -> None:
    options = parse(__doc__)
    sizes = [10**5] if options.smoke else [10**5, 10**6, 10**7]
    if not (options.smoke or options.quick):
        sizes.append(10**8)
    # A child has the modules of its parent's script, and of its path.
    sys.path.insert(0, str(Path(__file__).parent))
    with tempfile.TemporaryDirectory() as folder:
        rows = cases(sizes, Path(folder), options.only)
    group = [
        {"name": "pyminpack", "version": pyminpack.__version__},
        {"name": f"SciPy {scipy.__version__}", "version": scipy.__version__},
    ]
    report("blocks", WHAT, rows, group, options)


if __name__ == "__main__":
    main()
