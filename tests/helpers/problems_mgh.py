"""The 18 nonlinear least-squares problems of MINPACK's own test drivers.

Formulas, data, starts and minima: J. J. Moré, B. S. Garbow, K. E. Hillstrom, "Testing unconstrained
optimization software", ACM TOMS 7 (1981) 17-41; the numbering, the sizes and the number of starts
(factors 1, 10, 100) are those of the drivers that come with MINPACK-1 (ANL-80-74). Arithmetic goes
through `portable`, so that a problem is the same to the last bit on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from portable import arctan, exact_cos, exact_exp, exact_sin, exp, total

__all__ = ["PROBLEMS", "Problem", "starts"]

Vector = NDArray[np.float64]
Function = Callable[[Vector], Vector]

TWO_PI = 6.283185307179586
ROOT_5 = float(np.sqrt(5.0))
ROOT_10 = float(np.sqrt(10.0))


@dataclass(frozen=True)
class Problem:
    """A problem at one size; `minima` are the known minimal sums of squares, also at infinity."""

    number: int
    title: str
    m: int
    start: Vector
    residual: Function
    jacobian: Function
    minima: tuple[float, ...]
    factors: tuple[float, ...] = (1.0,)

    @property
    def n(self) -> int:
        return self.start.size

    @property
    def name(self) -> str:
        return f"{self.title} {self.n}x{self.m}"


def starts(problem: Problem) -> list[tuple[float, Vector]]:
    """Starts of the drivers: `factor` times the standard one; all `factor` where that is zero."""
    if problem.start.any():
        return [(factor, factor * problem.start) for factor in problem.factors]
    zeros = np.zeros(problem.n)
    return [(f, zeros if f == 1.0 else np.full(problem.n, f)) for f in problem.factors]


def linear_full_rank(n: int, m: int) -> Problem:
    matrix = np.full((m, n), -2.0 / m)
    matrix[range(n), range(n)] += 1.0

    def residual(x: Vector) -> Vector:
        f = np.full(m, -2.0 * total(x) / m - 1.0)
        f[:n] += x
        return f

    start = np.ones(n)
    return Problem(1, "linear full rank", m, start, residual, lambda x: matrix, (float(m - n),))


def linear_rank_1(n: int, m: int) -> Problem:
    rows, columns = np.arange(1.0, m + 1), np.arange(1.0, n + 1)
    minimum = m * (m - 1) / (2.0 * (2 * m + 1))
    return Problem(
        2, "linear rank 1", m, np.ones(n),
        lambda x: rows * total(columns * x) - 1.0,
        lambda x: rows[:, None] * columns,
        (minimum,),
    )  # fmt: skip


def linear_rank_1_zeros(n: int, m: int) -> Problem:
    rows, columns = np.arange(0.0, m), np.arange(1.0, n + 1)
    rows[-1] = columns[0] = columns[-1] = 0.0
    minimum = (m * m + 3 * m - 6) / (2.0 * (2 * m - 3))
    return Problem(
        3, "linear rank 1, zero columns and rows", m, np.ones(n),
        lambda x: rows * total(columns * x) - 1.0,
        lambda x: rows[:, None] * columns,
        (minimum,),
    )  # fmt: skip


def rosenbrock() -> Problem:
    return Problem(
        4, "Rosenbrock", 2, np.array([-1.2, 1.0]),
        lambda x: np.array([10.0 * (x[1] - x[0] * x[0]), 1.0 - x[0]]),
        lambda x: np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]]),
        (0.0,), (1.0, 10.0, 100.0),
    )  # fmt: skip


def helical_valley() -> Problem:
    def residual(x: Vector) -> Vector:
        if x[0] == 0.0:
            theta = 0.25 if x[1] >= 0.0 else -0.25
        else:
            theta = arctan(x[1] / x[0]) / TWO_PI + (0.5 if x[0] < 0.0 else 0.0)
        radius = np.sqrt(x[0] * x[0] + x[1] * x[1])
        return np.array([10.0 * (x[2] - 10.0 * theta), 10.0 * (radius - 1.0), x[2]])

    def jacobian(x: Vector) -> Vector:
        square = x[0] * x[0] + x[1] * x[1]
        radius = np.sqrt(square)
        turn = 100.0 / (TWO_PI * square)
        return np.array(
            [
                [turn * x[1], -turn * x[0], 10.0],
                [10.0 * x[0] / radius, 10.0 * x[1] / radius, 0.0],
                [0.0, 0.0, 1.0],
            ]
        )

    start = np.array([-1.0, 0.0, 0.0])
    return Problem(5, "helical valley", 3, start, residual, jacobian, (0.0,), (1.0, 10.0, 100.0))


def powell_singular() -> Problem:
    def residual(x: Vector) -> Vector:
        a, b = x[1] - 2.0 * x[2], x[0] - x[3]
        return np.array([x[0] + 10.0 * x[1], ROOT_5 * (x[2] - x[3]), a * a, ROOT_10 * (b * b)])

    def jacobian(x: Vector) -> Vector:
        a, b = 2.0 * (x[1] - 2.0 * x[2]), 2.0 * ROOT_10 * (x[0] - x[3])
        return np.array(
            [
                [1.0, 10.0, 0.0, 0.0],
                [0.0, 0.0, ROOT_5, -ROOT_5],
                [0.0, a, -2.0 * a, 0.0],
                [b, 0.0, 0.0, -b],
            ]
        )

    start = np.array([3.0, -1.0, 0.0, 1.0])
    return Problem(6, "Powell singular", 4, start, residual, jacobian, (0.0,), (1.0, 10.0, 100.0))


def freudenstein_roth() -> Problem:
    def residual(x: Vector) -> Vector:
        y = x[1]
        return np.array(
            [-13.0 + x[0] + ((5.0 - y) * y - 2.0) * y, -29.0 + x[0] + ((y + 1.0) * y - 14.0) * y]
        )

    def jacobian(x: Vector) -> Vector:
        y = x[1]
        return np.array([[1.0, (10.0 - 3.0 * y) * y - 2.0], [1.0, (3.0 * y + 2.0) * y - 14.0]])

    return Problem(
        7, "Freudenstein-Roth", 2, np.array([0.5, -2.0]), residual, jacobian,
        (0.0, 48.98425), (1.0, 10.0, 100.0),
    )  # fmt: skip


BARD_Y = np.array(
    [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39]
)


def bard() -> Problem:
    u = np.arange(1.0, 16.0)
    v = 16.0 - u
    w = np.minimum(u, v)

    def residual(x: Vector) -> Vector:
        return BARD_Y - (x[0] + u / (v * x[1] + w * x[2]))

    def jacobian(x: Vector) -> Vector:
        denominator = v * x[1] + w * x[2]
        slope = u / (denominator * denominator)
        return np.stack([np.full(15, -1.0), v * slope, w * slope], axis=1)

    return Problem(
        8, "Bard", 15, np.ones(3), residual, jacobian, (8.21487e-3, 17.42869), (1.0, 10.0, 100.0)
    )


KOWALIK_OSBORNE_Y = np.array(
    [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
)
KOWALIK_OSBORNE_U = np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


def kowalik_osborne() -> Problem:
    u = KOWALIK_OSBORNE_U

    def residual(x: Vector) -> Vector:
        return KOWALIK_OSBORNE_Y - x[0] * (u * (u + x[1])) / (u * (u + x[2]) + x[3])

    def jacobian(x: Vector) -> Vector:
        above, below = u * (u + x[1]), u * (u + x[2]) + x[3]
        slope = x[0] * above / (below * below)
        return np.stack([-above / below, -x[0] * u / below, u * slope, slope], axis=1)

    start = np.array([0.25, 0.39, 0.415, 0.39])
    return Problem(
        9, "Kowalik-Osborne", 11, start, residual, jacobian,
        (3.07505e-4, 1.02734e-3), (1.0, 10.0, 100.0),
    )  # fmt: skip


MEYER_Y = np.array(
    [
        34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0,
        8261.0, 7030.0, 6005.0, 5147.0, 4427.0, 3820.0, 3307.0, 2872.0,
    ]
)  # fmt: skip


def meyer() -> Problem:
    t = 45.0 + 5.0 * np.arange(1.0, 17.0)

    def residual(x: Vector) -> Vector:
        return x[0] * exp(x[1] / (t + x[2])) - MEYER_Y

    def jacobian(x: Vector) -> Vector:
        shifted = t + x[2]
        growth = exp(x[1] / shifted)
        slope = x[0] * growth / shifted
        return np.stack([growth, slope, -slope * x[1] / shifted], axis=1)

    start = np.array([0.02, 4000.0, 250.0])
    return Problem(10, "Meyer", 16, start, residual, jacobian, (87.9458,), (1.0, 10.0))


WATSON_MINIMA = {6: 2.28767e-3, 9: 1.39976e-6, 12: 4.72238e-10}


def watson(n: int) -> Problem:
    t = np.arange(1.0, 30.0) / 29.0
    powers = np.ones((29, n))
    powers[:, 1:] = np.multiply.accumulate(np.repeat(t[:, None], n - 1, axis=1), axis=1)
    slopes = np.zeros((29, n))  # derivatives of the powers
    slopes[:, 1:] = np.arange(1.0, n) * powers[:, :-1]

    def residual(x: Vector) -> Vector:
        value = total(powers * x)
        ends = [x[0], x[1] - x[0] * x[0] - 1.0]
        return np.concatenate([total(slopes * x) - value * value - 1.0, ends])

    def jacobian(x: Vector) -> Vector:
        jac = np.zeros((31, n))
        jac[:29] = slopes - 2.0 * total(powers * x)[:, None] * powers
        jac[29, 0] = jac[30, 1] = 1.0
        jac[30, 0] = -2.0 * x[0]
        return jac

    return Problem(
        11, "Watson", 31, np.zeros(n), residual, jacobian, (WATSON_MINIMA[n],), (1.0, 10.0, 100.0)
    )


def box_3d(m: int) -> Problem:
    tenths = [Fraction(i, 10) for i in range(1, m + 1)]
    t = np.array([float(value) for value in tenths])
    spread = np.array([exact_exp(-value) - exact_exp(-10 * value) for value in tenths])

    def residual(x: Vector) -> Vector:
        return exp(-t * x[0]) - exp(-t * x[1]) - x[2] * spread

    def jacobian(x: Vector) -> Vector:
        return np.stack([-t * exp(-t * x[0]), t * exp(-t * x[1]), -spread], axis=1)

    start = np.array([0.0, 10.0, 20.0])
    return Problem(12, "box three-dimensional", m, start, residual, jacobian, (0.0,))


def jennrich_sampson(m: int) -> Problem:
    i = np.arange(1.0, m + 1)

    def residual(x: Vector) -> Vector:
        return 2.0 + 2.0 * i - (exp(i * x[0]) + exp(i * x[1]))

    def jacobian(x: Vector) -> Vector:
        return np.stack([-i * exp(i * x[0]), -i * exp(i * x[1])], axis=1)

    start = np.array([0.3, 0.4])
    return Problem(13, "Jennrich-Sampson", m, start, residual, jacobian, (124.362,))


def brown_dennis(m: int) -> Problem:
    fifths = [Fraction(i, 5) for i in range(1, m + 1)]
    t = np.array([float(value) for value in fifths])
    growth = np.array([exact_exp(value) for value in fifths])
    sine = np.array([exact_sin(value) for value in fifths])
    cosine = np.array([exact_cos(value) for value in fifths])

    def residual(x: Vector) -> Vector:
        a, b = x[0] + t * x[1] - growth, x[2] + x[3] * sine - cosine
        return a * a + b * b

    def jacobian(x: Vector) -> Vector:
        a, b = x[0] + t * x[1] - growth, x[2] + x[3] * sine - cosine
        return 2.0 * np.stack([a, t * a, b, sine * b], axis=1)

    start = np.array([25.0, 5.0, -5.0, -1.0])
    return Problem(14, "Brown-Dennis", m, start, residual, jacobian, (85822.2,), (1.0, 10.0, 100.0))


# The paper has no n = 1: for m = 8 the sum of squares has eight minima, found with mpmath's 30
# digits as roots of its derivative; they lie in pairs around 1/2, and fits that come from outside
# stop at the outermost pair.
CHEBYQUAD_MINIMA = {
    1: (3.066527, 3.239086, 3.491482, 3.550391),
    8: (3.51687e-3,),
    9: (0.0,),
    10: (6.50395e-3,),
}


def chebyquad(n: int, m: int) -> Problem:
    order = np.arange(1.0, m + 1)
    integral = np.where(order % 2 == 0, 1.0 / np.where(order > 1, order * order - 1.0, 1.0), 0.0)

    def polynomials(x: Vector) -> tuple[Vector, Vector]:
        """Shifted Chebyshev polynomials of order 1 ... m at every x_j, and their derivatives."""
        z = 2.0 * x - 1.0
        value, slope = np.zeros((m + 1, n)), np.zeros((m + 1, n))
        value[0], value[1], slope[1] = 1.0, z, 2.0
        for i in range(2, m + 1):
            value[i] = 2.0 * z * value[i - 1] - value[i - 2]
            slope[i] = 4.0 * value[i - 1] + 2.0 * z * slope[i - 1] - slope[i - 2]
        return value[1:], slope[1:]

    start = np.arange(1.0, n + 1) / (n + 1)
    return Problem(
        15, "Chebyquad", m, start,
        lambda x: total(polynomials(x)[0]) / n + integral,
        lambda x: polynomials(x)[1] / n,
        CHEBYQUAD_MINIMA[n], (1.0, 10.0, 100.0) if n == 1 else (1.0,),
    )  # fmt: skip


def brown_almost_linear(n: int) -> Problem:
    def residual(x: Vector) -> Vector:
        f = x + (total(x) - (n + 1))
        f[-1] = np.multiply.accumulate(x)[-1] - 1.0
        return f

    def jacobian(x: Vector) -> Vector:
        jac = np.ones((n, n))
        jac[range(n), range(n)] = 2.0
        before = np.concatenate([[1.0], np.multiply.accumulate(x[:-1])])
        after = np.concatenate([np.multiply.accumulate(x[:0:-1])[::-1], [1.0]])
        jac[-1] = before * after  # the product of the others, also where x_j = 0
        return jac

    return Problem(
        16, "Brown almost-linear", n, np.full(n, 0.5), residual, jacobian,
        (0.0, 1.0), (1.0, 10.0, 100.0) if n == 10 else (1.0,),
    )  # fmt: skip


OSBORNE_1_Y = np.array(
    [
        0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751,
        0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490,
        0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406,
    ]
)  # fmt: skip


def osborne_1() -> Problem:
    t = 10.0 * np.arange(33.0)

    def residual(x: Vector) -> Vector:
        return OSBORNE_1_Y - (x[0] + x[1] * exp(-t * x[3]) + x[2] * exp(-t * x[4]))

    def jacobian(x: Vector) -> Vector:
        first, second = exp(-t * x[3]), exp(-t * x[4])
        return np.stack(
            [np.full(33, -1.0), -first, -second, x[1] * t * first, x[2] * t * second], axis=1
        )

    start = np.array([0.5, 1.5, -1.0, 0.01, 0.02])
    return Problem(17, "Osborne 1", 33, start, residual, jacobian, (5.46489e-5,))


OSBORNE_2_Y = np.array(
    [
        1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608,
        0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661,
        0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428,
        0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559,
        0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054,
    ]
)  # fmt: skip


def osborne_2() -> Problem:
    t = np.arange(65.0) / 10.0

    def terms(x: Vector) -> tuple[Vector, Vector]:
        """The four curves of height one, and the three peaks' distances from their centres."""
        away = t - x[8:11, None]
        return exp(np.concatenate([[-t * x[4]], -x[5:8, None] * (away * away)])), away

    def residual(x: Vector) -> Vector:
        curves, _ = terms(x)
        return OSBORNE_2_Y - total(x[:4, None] * curves, axis=0)

    def jacobian(x: Vector) -> Vector:
        curves, away = terms(x)
        scaled = x[1:4, None] * curves[1:]
        return np.concatenate(
            [
                -curves,
                [x[0] * t * curves[0]],
                scaled * (away * away),
                -2.0 * x[5:8, None] * scaled * away,
            ]
        ).T

    start = np.array([1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5])
    return Problem(18, "Osborne 2", 65, start, residual, jacobian, (4.01377e-2,))


PROBLEMS: list[Problem] = [
    *(linear_full_rank(5, m) for m in (10, 50)),
    *(linear_rank_1(5, m) for m in (10, 50)),
    *(linear_rank_1_zeros(5, m) for m in (10, 50)),
    rosenbrock(),
    helical_valley(),
    powell_singular(),
    freudenstein_roth(),
    bard(),
    kowalik_osborne(),
    meyer(),
    *(watson(n) for n in (6, 9, 12)),
    box_3d(10),
    jennrich_sampson(10),
    brown_dennis(20),
    *(chebyquad(n, m) for n, m in ((1, 8), (8, 8), (9, 9), (10, 10))),
    *(brown_almost_linear(n) for n in (10, 30, 40)),
    osborne_1(),
    osborne_2(),
]  # fmt: skip
