"""Runs the same fits on several solvers, in turns, and compares their cost beside the callbacks.

Each solver works in a process of its own, all alike (see worker.py), because SciPy 1.14 needs an
older numpy than the others. In each round every solver in turn does one short batch of fits and
then the same calls of the callbacks alone; its own cost is the difference. What drifts on the
machine while this goes on meets all of them, and medians over many rounds leave out the bursts.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from types import MappingProxyType
from typing import Any

__all__ = ["CLOCKS", "OURS", "Case", "Peer", "Plan", "agree", "compare", "peers", "summary"]

OURS = "pyminpack"
CLOCKS = {"wall": "perf_counter", "cpu": "process_time"}  # in Python's time
WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Case:
    """A workload to be measured, what to call it, and the ratio to SciPy that is wanted."""

    title: str
    workload: str
    goal: float
    options: dict[str, Any] = field(default_factory=dict)
    full_output: bool = False
    request: str = "load"
    """Or "load_curve_fit": its cost beside leastsq; "load_whole": beside nothing."""

    @property
    def load(self) -> list[Any]:
        """Arguments of the worker's requests."""
        return [self.workload, self.options, self.full_output]


@dataclass(frozen=True)
class Plan:
    """How often to measure: so many pairs of batches in each round, of about `batch` seconds.

    `batch` 0 is for long fits, one of them at a time.
    """

    rounds: int
    pairs: int = 1
    batch: float = 0.0


class Peer:
    """A solver in a process of its own."""

    def __init__(
        self, python: str, module: str, clock: str, environment: Mapping[str, str]
    ) -> None:
        self.process = subprocess.Popen(
            [python, str(WORKER), module, CLOCKS[clock]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.identity = self._answer()
        name = OURS if module == OURS else f"SciPy {self.identity['version']}"
        self.name = name

    def ask(self, request: str, *arguments: Any) -> Any:
        """Have the worker do something, and wait for it."""
        print(json.dumps([request, arguments]), file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self.process.communicate()

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}, see above.")
        return json.loads(line)


@contextmanager
def peers(
    pythons: list[str], clock: str = "wall", environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[list[Peer]]:
    """pyminpack and the SciPy of this interpreter, and those of further ones; ours comes first."""
    modules = [(sys.executable, OURS)]
    modules += [(python, "scipy.optimize") for python in [sys.executable, *pythons]]
    started: list[Peer] = []
    try:
        for python, module in modules:
            started.append(Peer(python, module, clock, environment))
        yield started
    finally:
        for peer in started:
            peer.close()


def compare(
    group: list[Peer], case: Case, plan: Plan, per_jacobian: bool = False
) -> dict[str, Any]:
    """Measure own cost: a row for the report, in seconds a fit, or a Jacobian of it."""
    fits = [peer.ask(case.request, *case.load) for peer in group]
    agree(case, group, fits)
    timings: list[list[tuple[float, float]]] = [[] for _ in group]
    for i in range(plan.rounds):
        for k in _in_turn(len(group), i):
            timings[k] += group[k].ask("time", plan.pairs, plan.batch)
    results = {}
    for peer, fit, times in zip(group, fits, timings, strict=True):
        share = 1 / fit["njev"] if per_jacobian else 1.0
        results[peer.name] = {
            **summary([share * (total - callbacks) for total, callbacks in times]),
            "total": share * median(total for total, _ in times),
            "callbacks": share * median(callbacks for _, callbacks in times),
            "nfev": fit["nfev"],
            "njev": fit["njev"],
            "ier": fit["ier"],
        }
    return {
        "case": case.title,
        "n": fits[0]["n"],
        "m": fits[0]["m"],
        "goal": case.goal,
        "rounds": plan.rounds,
        "peers": results,
        "ratios": ratios(results),
    }


def _in_turn(count: int, i: int) -> list[int]:
    """Who comes when in round i: each comes first, and last, as often as the others."""
    return [(i + k) % count for k in range(count)]


def summary(values: list[float]) -> dict[str, Any]:
    """Median and quartiles."""
    quartiles = quantiles(values, n=4) if len(values) > 1 else 3 * values
    return {"value": median(values), "quartiles": [quartiles[0], quartiles[2]]}


def ratios(results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Ratio of our median to that of each other peer."""
    ours = results[OURS]["value"]
    return {
        name: ours / result["value"] if result["value"] > 0 else math.nan
        for name, result in results.items()
        if name != OURS
    }


def agree(case: Case, group: list[Peer], fits: list[dict[str, Any]]) -> None:
    """Raise where a solver does not end where the first one does.

    All stop once a step changes the sum of squares, or x, by less than 1.5e-8 of it, and all of the
    workloads converge so fast that what is left then is no larger. So the sums of squares differ by
    less than 1e-7 of them (where the minimum is 0: 1e-12 of that at the start). At a minimum, that
    would leave x free by the root of it; that it is right to 1e-6 of its largest element (where
    the solution is 0: 1e-6) is the convergence again.
    """
    first = fits[0]
    size = max([1.0, *map(abs, first["x"])])
    for peer, fit in zip(group, fits, strict=True):
        apart = max(abs(a - b) for a, b in zip(first["x"], fit["x"], strict=True))
        gap = abs(fit["sum_of_squares"] - first["sum_of_squares"])
        allowed = 1e-7 * first["sum_of_squares"] + 1e-12 * first["start_sum_of_squares"]
        if fit["ier"] not in (1, 2, 3, 4) or not (apart <= 1e-6 * size and gap <= allowed):
            raise RuntimeError(
                f"{case.title}: {peer.name} ends with ier {fit['ier']}, x {apart} away from that "
                f"of {group[0].name}, sum of squares {fit['sum_of_squares']}, not "
                f"{first['sum_of_squares']}."
            )
