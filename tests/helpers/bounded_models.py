"""Fits within bounds as users write them, from random starts: who finds the minimum, and for what?

A model comes with true parameters and a box; data are the true curve with noise, rounded as data
are; starts lie within a factor of the truth, clipped into the box. A fit *finds* the minimum where
its sum of squares is within 1e-4 of the least that anybody has found for the same data.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MODELS", "Model", "Outcome", "compare"]

INF = np.inf
NOISE = 0.02


@dataclass
class Model:
    """A curve, where it was measured, the truth and the box."""

    curve: Callable[..., Any]
    x: Any
    truth: list[float]
    lower: Any
    upper: Any


TIME = np.linspace(0.2, 12.0, 60)
DOSE = np.geomspace(0.02, 200.0, 45)
LINE = np.linspace(-5.0, 5.0, 80)


def gauss(x: Any, height: Any, centre: Any, width: Any) -> Any:
    return height * np.exp(-0.5 * ((x - centre) / width) ** 2)


def lorentz(x: Any, height: Any, centre: Any, width: Any) -> Any:
    return height / (1 + ((x - centre) / width) ** 2)


MODELS = {
    "inhibition": Model(
        lambda x, v, k, i: v * x / (k + x + x**2 / i), DOSE, [9, 2, 30], 0, INF
    ),
    "growth to a limit": Model(
        lambda x, a, b, c: a * np.exp(-b * np.exp(-c * x)), TIME, [7, 5, 0.6], 0, INF
    ),
    "Weibull": Model(
        lambda x, a, s, k: a * (1 - np.exp(-((x / s) ** k))), TIME, [4, 3.5, 1.7], 0, [50, 60, 12]
    ),
    "ringing": Model(
        lambda x, a, g, w, p, c: a * np.exp(-g * x) * np.cos(w * x + p) + c,
        TIME, [3, 0.25, 1.8, 0.6, 1], [0, 0, 0, -np.pi, -9], [40, 9, 15, np.pi, 9],
    ),
    "two decays": Model(
        lambda x, a, b, c, d, e: a * np.exp(-b * x) + c * np.exp(-d * x) + e,
        TIME, [5, 1.5, 3, 0.2, 0.4], 0, INF,
    ),
    "intermediate": Model(
        lambda x, a, k, q: a * k / (q - k) * (np.exp(-k * x) - np.exp(-q * x)),
        TIME, [6, 0.3, 1.1], 0, [90, 9, 12],
    ),
    "isotherm": Model(
        lambda x, q, k, n: q * (k * x) ** n / (1 + (k * x) ** n), DOSE, [8, 0.3, 0.8], 0, INF
    ),
    "cut-off power law": Model(
        lambda x, a, b, c: a * x**-b * np.exp(-x / c), TIME, [3, 0.6, 5], 0, INF
    ),
    "peak on a slope": Model(
        lambda x, a, m, s, c, d: gauss(x, a, m, s) + c + d * x,
        LINE, [4, 1.2, 0.7, 2, 0.3], [0, -5, 0.01, -9, -9], [60, 5, 8, 9, 9],
    ),
    "mixed line shape": Model(
        lambda x, a, m, w, q: q * lorentz(x, a, m, w) + (1 - q) * gauss(x, a, m, w),
        LINE, [5, 0.6, 0.9, 0.4], [0, -5, 0.01, 0], [90, 5, 8, 1],
    ),
    "two lines": Model(
        lambda x, a, m, w, b, n, v: lorentz(x, a, m, w) + lorentz(x, b, n, v),
        LINE, [4, -1.8, 0.6, 2, 1.6, 0.9], [0, -5, 0.01, 0, -5, 0.01], [60, 5, 6, 60, 5, 6],
    ),
    "threshold": Model(
        lambda x, a, m, s, c: a * np.tanh((x - m) / s) + c,
        LINE, [2, 0.5, 1.2, 3], [0, -5, 0.01, -20], [60, 5, 20, 20],
    ),
    "logarithm": Model(lambda x, a, b: a * np.log(b * x), TIME, [2, 3], 0, INF),
    "offset at its bound": Model(
        lambda x, a, b, c: a * np.exp(-b * x) + c, TIME, [5, 0.8, -0.05], 0, INF
    ),
    "too low a ceiling": Model(gauss, LINE, [4, 0.5, 1.3], [0, -5, 0.05], [3.5, 5, 6]),
}  # fmt: skip


@dataclass
class Outcome:
    """Of the fits of one model: who found the minimum, who raised, and what both have called."""

    found: Any  #: shape (fits, 2), ours first
    raised: Any
    calls: Any

    def medians(self) -> tuple[float, float]:
        """The calls of a fit that both find."""
        both = self.calls[self.found.all(axis=1)]
        return tuple(np.median(both, axis=0)) if both.size else (np.nan, np.nan)


def starts(model: Model, number: int, spread: float, seed: int) -> Iterator[Any]:
    rng = np.random.default_rng(seed)
    truth = np.array(model.truth, dtype=float)
    for _ in range(number):
        yield np.clip(truth * spread ** rng.uniform(-1, 1, truth.size), model.lower, model.upper)


def fit(solver: Callable[..., Any], model: Model, y: Any, start: Any) -> tuple[float, int, bool]:
    """Return the sum of squares at the end, the calls of the curve, and whether it raised."""
    calls = 0

    def counted(x: Any, *parameters: float) -> Any:
        nonlocal calls
        calls += 1
        return model.curve(x, *parameters)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            end = solver(counted, model.x, y, p0=start, bounds=(model.lower, model.upper))[0]
            return float(np.sum((model.curve(model.x, *end) - y) ** 2)), calls, False
        except (RuntimeError, ValueError):
            return np.inf, calls, True


def compare(
    solvers: list[Callable[..., Any]], model: Model, number: int, spread: float, seed: int
) -> Outcome:
    """Fit from the same starts with each of the solvers."""
    rng = np.random.default_rng(seed + 1)
    y = np.round(model.curve(model.x, *model.truth) + NOISE * rng.normal(size=model.x.size), 3)
    results = np.array([
        [fit(solver, model, y, start) for solver in solvers]
        for start in starts(model, number, spread, seed)
    ])  # fmt: skip
    truth = np.clip(np.array(model.truth, dtype=float), model.lower, model.upper)
    best = min(results[..., 0].min(), *(fit(solver, model, y, truth)[0] for solver in solvers))
    found = results[..., 0] <= best * (1 + 1e-4)
    return Outcome(found, results[..., 2].astype(bool), results[..., 1])
