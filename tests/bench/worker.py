"""One peer of a comparison: does the fits it is told to, in an interpreter of its own.

    python worker.py MODULE CLOCK    where MODULE.leastsq is the solver, and time.CLOCK the clock

First writes a JSON line that says what it is; then, for each JSON line [request, arguments] that it
reads, writes one with the answer. See `REQUESTS`.
"""

from __future__ import annotations

import collections
import gc
import importlib
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from workloads import WORKLOADS, Workload

STATUS = Path("/proc/self/status")
drain = collections.deque(maxlen=0).extend  # calls a whole `map` from C


class Recorder:
    """A callback that keeps copies of the points it was called at."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.points: list[Any] = []

    def __call__(self, x: Any, *args: Any) -> Any:
        self.points.append(x.copy())
        return self.function(x, *args)


class Worker:
    """The solver of one module, and the workload that it has at hand."""

    def __init__(self, module: str, clock: str) -> None:
        package = importlib.import_module(module.partition(".")[0])
        self.identity = {
            "package": package.__name__,
            "version": package.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        }
        self.clock: Callable[[], float] = getattr(time, clock)
        self.leastsq = importlib.import_module(module).leastsq
        self.curve_fit = importlib.import_module(module).curve_fit
        self.fit: Callable[[], Any]
        self.replay: Callable[[], None]

    def load(self, name: str, options: dict[str, Any], full_output: bool) -> dict[str, Any]:
        """Builds a workload and fits it once; says what came out."""
        self.fit = self.replay = lambda: None  # lets go of the workload before
        gc.collect()
        workload = WORKLOADS[name](**options)
        func = Recorder(workload.func)
        Dfun = Recorder(workload.Dfun) if workload.Dfun else None
        keywords = {**workload.keywords, "Dfun": Dfun, "full_output": True}
        x, _, info, _, ier = self.leastsq(func, workload.x0, **keywords)
        keywords = {**workload.keywords, "full_output": full_output}
        self.fit = partial(self.leastsq, workload.func, workload.x0, **keywords)
        self.replay = partial(replay, workload, func.points, Dfun.points if Dfun else [])
        counts = {"nfev": info["nfev"], "njev": info.get("njev", 0)}
        return {**outcome(workload, x, ier), **counts}

    def load_curve_fit(
        self, name: str, options: dict[str, Any], full_output: bool
    ) -> dict[str, Any]:
        """Builds the same fit by `curve_fit`, and has that by `leastsq` taken off it."""
        workload = WORKLOADS[name](**options)
        fit = partial(self.curve_fit, workload.model, *workload.args, p0=workload.x0)
        x, _, info, _, ier = fit(full_output=True)
        self.fit = partial(fit, full_output=full_output)
        self.replay = partial(
            self.leastsq, workload.func, workload.x0, full_output=True, **workload.keywords
        )
        counts = {"nfev": info["nfev"], "njev": info.get("njev", 0)}
        return {**outcome(workload, x, ier), **counts}

    def load_whole(self, name: str, options: dict[str, Any], full_output: bool) -> dict[str, Any]:
        """Builds a fit by `curve_fit`, to be timed with the calls of its model."""
        workload = WORKLOADS[name](**options)
        fit = partial(self.curve_fit, p0=workload.x0)
        if workload.bounds is not None:
            fit = partial(fit, bounds=workload.bounds)
        self.fit = partial(fit, workload.model, *workload.args, full_output=full_output)
        self.replay = lambda: None
        model = Recorder(workload.model)
        x, _, _, _, ier = fit(model, *workload.args, full_output=True)
        return {**outcome(workload, x, ier), "nfev": len(model.points), "njev": 0}

    def time(self, pairs: int, batch: float) -> list[tuple[float, float]]:
        """Mean seconds of a fit, and of its callbacks alone, in pairs of batches of each.

        A batch takes about `batch` seconds. One that is much shorter than the scheduler's slices,
        some milliseconds, is seldom interrupted, and then alone: its fellows are as good as on a
        machine that does nothing else. With `batch` 0 it is one fit, long enough to warm the caches
        by itself.
        """
        repeats = 1
        if batch > 0:
            self.fit()
            self.replay()
            repeats = max(1, round(batch / self.mean(self.fit, 1)))
        return [
            (self.mean(self.fit, repeats), self.mean(self.replay, repeats)) for _ in range(pairs)
        ]

    def mean(self, action: Callable[[], Any], repeats: int) -> float:
        """Mean seconds of an action."""
        rounds = itertools.repeat(None, repeats)
        start = self.clock()
        for _ in rounds:
            action()
        return (self.clock() - start) / repeats

    def peak(self, name: str, options: dict[str, Any], full_output: bool) -> dict[str, Any]:
        """What came out of a fit, and the most bytes of memory it took beyond the workload."""
        warm = WORKLOADS["gaussian"]()
        self.leastsq(warm.func, warm.x0, **{**warm.keywords, "full_output": True})
        workload = WORKLOADS[name](**options)
        workload.func(workload.x0, *workload.args)
        if workload.Dfun:
            workload.Dfun(workload.x0, *workload.args)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from what is there now
        before = resident("VmRSS")
        keywords = {**workload.keywords, "full_output": full_output}
        x, *_, ier = self.leastsq(workload.func, workload.x0, **keywords)
        return {"peak": resident("VmHWM") - before, **outcome(workload, x, ier)}


REQUESTS = {
    "load": Worker.load,
    "load_curve_fit": Worker.load_curve_fit,
    "load_whole": Worker.load_whole,
    "time": Worker.time,
    "peak": Worker.peak,
}


def outcome(workload: Workload, x: Any, ier: int) -> dict[str, Any]:
    """What the peers must agree on."""
    start = np.square(workload.func(workload.x0, *workload.args))
    end = np.square(workload.func(x, *workload.args))
    return {
        "n": x.size,
        "m": end.size,
        "ier": ier,
        "x": x.tolist(),
        "start_sum_of_squares": float(np.sum(start)),
        "sum_of_squares": float(np.sum(end)),
    }


def replay(workload: Workload, points: list[Any], jacobian_points: list[Any]) -> None:
    """Calls the callbacks as a fit called them, at copies of its points."""
    args = [itertools.repeat(argument) for argument in workload.args]
    drain(map(workload.func, points, *args))
    if workload.Dfun:
        drain(map(workload.Dfun, jacobian_points, *args))


def resident(entry: str) -> int:
    """Bytes of an entry of Linux's account of this process."""
    fields = dict(row.split(":", 1) for row in STATUS.read_text().splitlines())
    return int(fields[entry].split()[0]) * 1024


def serve(worker: Worker, requests: TextIO, answers: TextIO) -> None:
    print(json.dumps(worker.identity), file=answers, flush=True)
    for line in requests:
        request, arguments = json.loads(line)
        print(json.dumps(REQUESTS[request](worker, *arguments)), file=answers, flush=True)


if __name__ == "__main__":
    gc.disable()  # never in the middle of a measurement
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # whatever else prints must not end up among the answers
        serve(Worker(*sys.argv[1:]), sys.stdin, answers)
