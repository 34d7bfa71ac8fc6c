"""A few hundred seeded random fits: models, data, starts and settings of many kinds.

Everything comes from ``random.Random.random``, whose sequence for a seed Python guarantees, through
arithmetic of `portable`: a fit is the same to the last bit under every Python, NumPy and processor.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from portable import exp, total

__all__ = ["FAMILIES", "Fit", "random_fits"]

Vector = NDArray[np.float64]
Function = Callable[[Vector], Vector]
# A model gives the curve and its (m, n) Jacobian at parameters x.
Model = tuple[Function, Function]

LN_10 = 2.302585092994046


@dataclass(frozen=True)
class Fit:
    """Residuals with their Jacobian, a start, and the settings of the solver."""

    name: str
    m: int
    start: Vector
    residual: Function
    jacobian: Function
    ftol: float = 1.49012e-8
    xtol: float = 1.49012e-8
    gtol: float = 0.0
    max_steps: int | None = None
    epsfcn: float = 0.0
    factor: float = 100.0
    diag: Vector | None = None


class Draw(random.Random):
    """Random numbers that need no libm."""

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def decade(self, low: float, high: float) -> float:
        """Log-uniform between 10^low and 10^high."""
        return float(exp(LN_10 * self.between(low, high)))

    def whole(self, low: int, high: int) -> int:
        return low + int(self.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def vector(self, size: int, low: float, high: float) -> Vector:
        return np.array([self.between(low, high) for _ in range(size)])

    def noise(self, size: int) -> Vector:
        """Nearly normal, of variance one: twelve uniform numbers less six."""
        return total(self.vector(12 * size, 0.0, 1.0).reshape(size, 12)) - 6.0


def exponentials(t: Vector, terms: int) -> Model:
    """sum of a_k exp(-b_k t), plus a constant; x = a_1 b_1 a_2 b_2 ... c."""

    def decays(x: Vector) -> Vector:
        return exp(-t[:, None] * x[1:-1:2])

    def jacobian(x: Vector) -> Vector:
        jac = np.ones((t.size, x.size))
        jac[:, 0:-1:2] = decays(x)
        jac[:, 1:-1:2] = -t[:, None] * x[0:-1:2] * jac[:, 0:-1:2]
        return jac

    return lambda x: total(x[0:-1:2] * decays(x)) + x[-1], jacobian


def gaussians(t: Vector, peaks: int) -> Model:
    """sum of h_k exp(-((t - c_k) / w_k)^2), plus a constant; x = h_1 c_1 w_1 h_2 ... c."""

    def shapes(x: Vector) -> tuple[Vector, Vector]:
        away = (t[:, None] - x[1:-1:3]) / x[2:-1:3]
        return exp(-away * away), away

    def jacobian(x: Vector) -> Vector:
        shape, away = shapes(x)
        jac = np.ones((t.size, x.size))
        jac[:, 0:-1:3] = shape
        jac[:, 1:-1:3] = 2.0 * x[0:-1:3] * shape * away / x[2:-1:3]
        jac[:, 2:-1:3] = jac[:, 1:-1:3] * away
        return jac

    return lambda x: total(x[0:-1:3] * shapes(x)[0]) + x[-1], jacobian


def rational(t: Vector, degree: int) -> Model:
    """(p_0 + p_1 t + ...) / (1 + q_1 t + ...), both of the same degree; x = p_0 ... q_1 ...."""
    powers = np.multiply.accumulate(
        np.concatenate([np.ones((t.size, 1)), np.repeat(t[:, None], degree, axis=1)], axis=1),
        axis=1,
    )

    def parts(x: Vector) -> tuple[Vector, Vector]:
        above = total(powers * x[: degree + 1])
        return above, 1.0 + total(powers[:, 1:] * x[degree + 1 :])

    def jacobian(x: Vector) -> Vector:
        above, below = parts(x)
        slope = -above / (below * below)
        return np.concatenate([powers / below[:, None], slope[:, None] * powers[:, 1:]], axis=1)

    def curve(x: Vector) -> Vector:
        above, below = parts(x)
        return above / below

    return curve, jacobian


def with_idle(model: Model, idle: int) -> Model:
    """Append parameters on which nothing depends: zero columns."""
    curve, jacobian = model

    def widened(x: Vector) -> Vector:
        jac = jacobian(x[:-idle])
        return np.concatenate([jac, np.zeros((jac.shape[0], idle))], axis=1)

    return lambda x: curve(x[:-idle]), widened


def with_product(model: Model) -> Model:
    """Split the first parameter into a product of two: their columns are parallel."""
    curve, jacobian = model

    def merge(x: Vector) -> Vector:
        return np.concatenate([[x[0] * x[1]], x[2:]])

    def split(x: Vector) -> Vector:
        jac = jacobian(merge(x))
        return np.concatenate([x[1] * jac[:, :1], x[0] * jac[:, :1], jac[:, 1:]], axis=1)

    return lambda x: curve(merge(x)), split


def with_units(model: Model, units: Vector) -> Model:
    """Measure the parameters in units of their own."""
    curve, jacobian = model
    return lambda x: curve(x * units), lambda x: jacobian(x * units) * units


def exponential_case(draw: Draw) -> tuple[Model, Vector, Vector]:
    terms = draw.whole(1, 3)
    t = np.arange(draw.whole(2 * terms + 3, 60)) * draw.between(0.02, 0.2)
    truth = np.ones(2 * terms + 1)
    truth[0:-1:2] = draw.vector(terms, 0.5, 5.0)
    truth[1:-1:2] = draw.vector(terms, 0.2, 3.0)
    return exponentials(t, terms), t, truth


def gaussian_case(draw: Draw) -> tuple[Model, Vector, Vector]:
    peaks = draw.whole(1, 2)
    t = np.arange(draw.whole(3 * peaks + 3, 60)) * draw.between(0.1, 0.3)
    truth = np.full(3 * peaks + 1, draw.between(-0.5, 0.5))
    truth[0:-1:3] = draw.vector(peaks, 1.0, 10.0)
    truth[1:-1:3] = draw.vector(peaks, 0.1, 0.9) * t[-1]
    truth[2:-1:3] = draw.vector(peaks, 0.3, 2.0)
    return gaussians(t, peaks), t, truth


def rational_case(draw: Draw) -> tuple[Model, Vector, Vector]:
    degree = draw.whole(1, 2)
    t = np.arange(draw.whole(2 * degree + 3, 60)) * draw.between(0.05, 0.3)
    truth = np.concatenate([draw.vector(degree + 1, -3.0, 3.0), draw.vector(degree, 0.2, 2.0)])
    return rational(t, degree), t, truth


def any_case(draw: Draw) -> tuple[Model, Vector, Vector]:
    choice = draw.whole(0, 2)
    return (exponential_case, gaussian_case, rational_case)[choice](draw)


def deficient_case(draw: Draw) -> tuple[Model, Vector, Vector]:
    model, t, truth = any_case(draw)
    if draw.chance(0.5):
        idle = draw.whole(1, 2)
        return with_idle(model, idle), t, np.concatenate([truth, draw.vector(idle, -1.0, 1.0)])
    share = draw.between(0.5, 2.0)
    return with_product(model), t, np.concatenate([[share, truth[0] / share], truth[1:]])


def scaled_case(draw: Draw) -> tuple[Model, Vector, Vector]:
    model, t, truth = any_case(draw)
    units = np.array([draw.decade(-8.0, 8.0) for _ in truth])
    return with_units(model, units), t, truth / units


FAMILIES: dict[str, Callable[[Draw], tuple[Model, Vector, Vector]]] = {
    "exponentials": exponential_case,
    "gaussians": gaussian_case,
    "rational": rational_case,
    "deficient": deficient_case,
    "scaled": scaled_case,
}


def settings(draw: Draw, fit: Fit) -> Fit:
    """Half of the fits keep the defaults; each setting is drawn for some of the others."""
    if draw.chance(0.5):
        return fit
    if draw.chance(0.6):
        fit = replace(fit, ftol=draw.decade(-15.0, -2.0), xtol=draw.decade(-15.0, -2.0))
    if draw.chance(0.1):
        fit = replace(fit, **{("ftol", "xtol")[draw.whole(0, 1)]: 0.0})
    if draw.chance(0.3):
        fit = replace(fit, gtol=draw.decade(-12.0, -1.0))
    if draw.chance(0.3):
        fit = replace(fit, max_steps=draw.whole(1, 15))
    if draw.chance(0.3):
        fit = replace(fit, epsfcn=draw.decade(-17.0, -8.0))
    if draw.chance(0.5):
        fit = replace(fit, factor=draw.decade(-2.0, 3.0))
    if draw.chance(0.4):
        diag = np.array([draw.decade(-3.0, 3.0) for _ in range(fit.start.size)])
        fit = replace(fit, diag=diag)
    return fit


def random_fit(family: str, number: int) -> Fit:
    """The fit of this number in its family; the seed is its name."""
    name = f"{family}-{number:02d}"
    draw = Draw(name)
    (curve, jacobian), t, truth = FAMILIES[family](draw)
    data = curve(truth)
    if draw.chance(0.8):
        data = data + draw.decade(-6.0, -0.5) * draw.noise(t.size)
    spread = draw.decade(-2.0, 0.0)
    start = truth * (1.0 + draw.vector(truth.size, -spread, spread))
    if draw.chance(0.1):  # the first and the last are no widths, so zero is allowed
        start[(0, -1)[draw.whole(0, 1)]] = 0.0
    fit = Fit(name, t.size, start, lambda x: curve(x) - data, jacobian)
    return settings(draw, fit)


def random_fits(each: int = 70) -> list[Fit]:
    """Fits numbered 0 ... each - 1 of every family."""
    return [random_fit(family, number) for family in FAMILIES for number in range(each)]
