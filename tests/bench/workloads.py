"""The fits that are measured, each built from a name and a few options, the same in every process.

Everything is seeded. No callback calls the BLAS, whose threads would outlive the call and disturb
what is measured after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["WORKLOADS", "Workload"]

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Workload:
    """The arguments of one call of `leastsq`."""

    func: Callable[..., Any]
    x0: Vector
    args: tuple[Any, ...] = ()
    Dfun: Callable[..., Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    model: Callable[..., Any] | None = None  # model(t, *x), for curve_fit; args are then (t, y)
    bounds: tuple[Any, Any] | None = None  # for curve_fit

    @property
    def keywords(self) -> dict[str, Any]:
        """What `leastsq` gets beside func and x0."""
        return {"args": self.args, "Dfun": self.Dfun, **self.options}


def exponential() -> Workload:
    """Three parameters, 50 points: the usual fit of a decay."""
    t = np.linspace(0.0, 4.0, 50)
    y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.05 * np.random.default_rng(1).standard_normal(t.size)

    def model(t: Vector, height: float, rate: float, offset: float) -> Vector:
        return height * np.exp(-rate * t) + offset

    def residual(x: Vector, t: Vector, y: Vector) -> Vector:
        return x[0] * np.exp(-x[1] * t) + x[2] - y

    return Workload(residual, np.array([1.0, 1.0, 0.0]), (t, y), model=model)


def decay(bounded: bool = False) -> Workload:
    """An exponential decay of 64 points to a background, as a user of `curve_fit` would fit it."""
    t = np.linspace(0.0, 5.0, 64)
    y = 3.0 * np.exp(-0.9 * t) + 0.4 + 0.03 * np.random.default_rng(6).standard_normal(t.size)

    def model(t: Vector, height: float, rate: float, offset: float) -> Vector:
        return height * np.exp(-rate * t) + offset

    def residual(x: Vector, t: Vector, y: Vector) -> Vector:
        return model(t, *x) - y

    bounds = (0.0, np.inf) if bounded else None
    return Workload(residual, np.array([2.0, 0.5, 0.2]), (t, y), model=model, bounds=bounds)


def rosenbrock() -> Workload:
    """The least work that still takes a solver some twenty steps."""

    def residual(x: Vector) -> Vector:
        return np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])

    return Workload(residual, np.array([-1.2, 1.0]))


def identity() -> Workload:
    """n = m = 3 and a callback that does nothing: what a call of `leastsq` costs at the least."""

    def residual(x: Vector) -> Vector:
        return x

    return Workload(residual, np.array([1.0, 2.0, 3.0]))


def gaussian(derivatives: str = "differences") -> Workload:
    """A peak on a constant background, four parameters, 200 points."""
    t = np.linspace(-5.0, 5.0, 200)
    y = 3.0 * np.exp(-0.5 * ((t - 0.4) / 0.8) ** 2) + 1.0
    y += 0.05 * np.random.default_rng(2).standard_normal(t.size)

    def residual(x: Vector, t: Vector, y: Vector) -> Vector:
        height, centre, width, background = x
        return height * np.exp(-0.5 * ((t - centre) / width) ** 2) + background - y

    def fill(columns: Vector, x: Vector, t: Vector) -> Vector:
        height, centre, width, _ = x
        z = (t - centre) / width
        columns[0] = np.exp(-0.5 * z * z)
        columns[1] = height / width * z * columns[0]
        columns[2] = z * columns[1]
        columns[3] = 1.0
        return columns

    def by_columns(x: Vector, t: Vector, y: Vector) -> Vector:
        return fill(np.empty((4, t.size)), x, t)

    def by_rows(x: Vector, t: Vector, y: Vector) -> Vector:
        jacobian = np.empty((t.size, 4))
        fill(jacobian.T, x, t)
        return jacobian

    Dfun, options = _derivatives(derivatives, by_columns, by_rows)
    return Workload(residual, np.array([2.0, 0.0, 1.0, 0.0]), (t, y), Dfun, options)


def precomputed(m: int, n: int, derivatives: str, factor: float = 100.0) -> Workload:
    """A dense m × n Jacobian that costs nothing to evaluate, so that the fit is all factorisation.

    The rows of the Jacobian repeat with a period of 2n, which no solver can know, and which makes
    the residuals a matter of O(m + n²): base @ z(x), repeated, less the data, with
    z_j = x_j + sin(x_j)/100. `Dfun` returns base, repeated: the Jacobian less that small
    sine's share, which keeps the fit going for a few healthy iterations. `factor` below 1 bounds
    the first steps, so that the Levenberg-Marquardt parameter has to be sought.
    """
    rng = np.random.default_rng(3)
    base = rng.standard_normal((2 * n, n))
    data = rng.standard_normal((m // (2 * n), 2 * n)) + 2.0 * base.sum(axis=1)  # x is about 2

    def residual(x: Vector) -> Vector:
        z = x + np.sin(x) / 100.0
        return (np.einsum("ij,j->i", base, z) - data).ravel()

    columns = rows = None
    if derivatives == "columns":
        columns = np.tile(base.T, m // (2 * n))
    elif derivatives == "rows":
        rows = np.tile(base, (m // (2 * n), 1))
    Dfun, options = _derivatives(derivatives, lambda x: columns, lambda x: rows)
    return Workload(residual, np.ones(n), (), Dfun, {**options, "factor": factor})


def peaks(m: int, count: int, derivatives: str) -> Workload:
    """A sum of Gaussians and an offset, as in spectroscopy: n = 3 count + 1, started nearby."""
    rng = np.random.default_rng(4)
    t = np.linspace(0.0, 1.0, m)
    truth = np.empty(3 * count + 1)
    truth[0:-1:3] = rng.uniform(1.0, 3.0, count)
    truth[1:-1:3] = (np.arange(count) + 0.5) / count
    truth[2:-1:3] = rng.uniform(0.2, 0.5, count) / count
    truth[-1] = 0.5

    def residual(x: Vector, y: Vector) -> Vector:
        f = x[-1] - y
        for height, centre, width in x[:-1].reshape(-1, 3):
            z = (t - centre) / width
            z *= z
            z *= -0.5
            np.exp(z, out=z)
            z *= height
            f += z
        return f

    def by_columns(x: Vector, y: Vector) -> Vector:
        columns = np.empty((x.size, m))
        for j, (height, centre, width) in enumerate(x[:-1].reshape(-1, 3)):
            d_height, d_centre, d_width = columns[3 * j : 3 * j + 3]
            z = (t - centre) / width
            np.exp(-0.5 * z * z, out=d_height)
            np.multiply(height / width * z, d_height, out=d_centre)
            np.multiply(z, d_centre, out=d_width)
        columns[-1] = 1.0
        return columns

    y = residual(truth, np.zeros(m)) + 0.05 * rng.standard_normal(m)
    start = truth.copy()
    start[0:-1:3] *= rng.uniform(0.9, 1.1, count)
    start[1:-1:3] += rng.uniform(-0.05, 0.05, count) / count
    start[2:-1:3] *= rng.uniform(0.9, 1.1, count)
    Dfun, options = _derivatives(derivatives, by_columns, None)
    return Workload(residual, start, (y,), Dfun, options)


def _derivatives(
    kind: str, by_columns: Callable[..., Any], by_rows: Callable[..., Any] | None
) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
    """`Dfun` and its options for "differences", "columns" or "rows"."""
    if kind == "differences":
        return None, {}
    return {"columns": (by_columns, {"col_deriv": True}), "rows": (by_rows, {})}[kind]


WORKLOADS: dict[str, Callable[..., Workload]] = {
    build.__name__: build
    for build in (decay, exponential, rosenbrock, identity, gaussian, precomputed, peaks)
}
