"""The runs on which our path is held against the original's, each in one form for every solver."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from portable import total
from problems_mgh import PROBLEMS, starts
from random_fits import random_fits

__all__ = [
    "REFERENCE",
    "SOLVERS",
    "Outcome",
    "Run",
    "Solver",
    "knife_edges",
    "norm",
    "recorded",
    "runs",
]

Vector = NDArray[np.float64]
Solver = Literal["lmdif", "lmder"]

SOLVERS: tuple[Solver, ...] = ("lmdif", "lmder")
REFERENCE = Path(__file__).parents[1] / "reference"


@dataclass(frozen=True)
class Run:
    """A problem, its start and the solver's settings."""

    name: str
    suite: str
    m: int
    start: Vector
    residual: Callable[[Vector], Vector]
    jacobian: Callable[[Vector], Vector]
    epsfcn: float = 0.0
    max_steps: int | None = None  # limit on calls, in units of what one step takes
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return self.start.size

    def maxfev(self, solver: Solver) -> int:
        """Limit on calls of the residuals; a step by differences takes n + 1."""
        if solver == "lmdif":
            return (200 if self.max_steps is None else self.max_steps) * (self.n + 1)
        return 100 * (self.n + 1) if self.max_steps is None else self.max_steps


@dataclass(frozen=True)
class Outcome:
    """What is compared; `njev` is None where it is not told (leastsq without a Jacobian)."""

    info: int
    nfev: int
    njev: int | None
    fnorm: float
    x: Vector | None = None

    def same_path(self, other: Outcome) -> bool:
        counts = (self.info, self.nfev) == (other.info, other.nfev)
        return counts and (None in (self.njev, other.njev) or self.njev == other.njev)

    def __str__(self) -> str:
        return f"info {self.info}, nfev {self.nfev}, njev {self.njev}, norm {self.fnorm!r}"


def norm(f: Vector) -> float:
    """Euclidean norm, scaled (some of these residuals end below 1e-160)."""
    largest = float(np.abs(f).max())
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    scaled = f / largest
    return largest * float(np.sqrt(total(scaled * scaled)))


@cache
def runs() -> dict[str, Run]:
    """All runs by name: the drivers' 53 of Moré, Garbow and Hillstrom, then the random fits."""
    # The drivers' tolerance, and the defaults of lmdif1 and lmder1 for the rest.
    settings = {"ftol": 2.0**-26, "xtol": 2.0**-26, "gtol": 0.0, "factor": 100.0, "diag": None}
    found = [
        Run(
            f"{p.name}, start x {factor:g}",
            "mgh",
            p.m,
            start,
            p.residual,
            p.jacobian,
            settings=settings,
        )
        for p in PROBLEMS
        for factor, start in starts(p)
    ]
    for fit in random_fits():
        settings = {key: getattr(fit, key) for key in ("ftol", "xtol", "gtol", "factor", "diag")}
        found.append(
            Run(
                fit.name, "random", fit.m, fit.start, fit.residual, fit.jacobian,
                fit.epsfcn, fit.max_steps, settings,
            )
        )  # fmt: skip
    return {run.name: run for run in found}


@cache
def _recording(solver: Solver, suite: str) -> dict[str, Any]:
    return json.loads((REFERENCE / f"{solver}-{suite}.json").read_text())["runs"]


@dataclass(frozen=True)
class Recorded:
    """The original's answer, and the norms it ends with when the last bits of the start change."""

    outcome: Outcome
    fnorm_range: tuple[float, float]
    start_fnorm: float


def recorded(solver: Solver, constants: str = "exact") -> dict[str, Recorded]:
    """The original's answers by run, made with exact or with its own rounded machine constants."""
    return {
        name: Recorded(
            Outcome(*entry[constants]), tuple(entry["fnorm_range"]), entry["start_fnorm"]
        )
        for suite in ("mgh", "random")
        for name, entry in _recording(solver, suite).items()
    }


def knife_edges(solver: Solver) -> dict[str, str]:
    """Runs whose counts the last bits of the start decide, each with its reason."""
    return json.loads((REFERENCE / "knife-edge.json").read_text())[solver]
