"""Fits whose right answer is known: does a solver find it, or say that it has not?

A family makes fits of one kind from random numbers. A fit is *fine* (nothing is wrong with it, and
a warning is a false alarm), *hard* (the data determine the parameters; a solver that cannot tell
them is to warn) or *undetermined* (parameters, or their standard errors, that no data tell). The
right answer is that of complex steps, which have no rounding errors of differences, with a QR
decomposition whose columns are scaled; models that are no analytic functions come with one.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAMILIES", "VERDICTS", "Fit", "count", "judge", "right_answer"]

VERDICTS = ("right", "warned", "silent wrong", "false alarm", "raised")
EPS = 2.0**-52


@dataclass
class Fit:
    """A model, data and a start; `exact` is the model for complex parameters, where f is not."""

    kind: str
    f: Callable[..., Any]
    x: Any
    y: Any
    p0: Any
    exact: Callable[..., Any] | None = None


FAMILIES: dict[str, Callable[[np.random.Generator], Fit]] = {}


def family(make: Callable[..., Fit]) -> Callable[..., Fit]:
    FAMILIES[make.__name__.replace("_", " ")] = make
    return make


def noisy(rng: Any, f: Any, x: Any, truth: Any, noise: float) -> Any:
    return f(x, *truth) + noise * rng.normal(size=np.shape(x)[-1])


def around(rng: Any, truth: Any, spread: float = 1.2) -> Any:
    return np.array(truth) * rng.uniform(1 / spread, spread, len(truth))


# Hard: a parameter is large beside the width of what it describes, or the model is not smooth.


@family
def two_lines_of_a_spectrum(rng):
    f0, w = rng.choice([1.42e9, 2.3e14, 5.1e5]), rng.choice([1e-6, 1e-5])
    x = f0 * (1 + w * np.linspace(-12, 12, 241))

    def f(x, a, m, b, n, s):
        return a / (1 + ((x - m) / s) ** 2) + b / (1 + ((x - n) / s) ** 2)

    y = noisy(rng, f, x, [1, f0 * (1 - 3 * w), 0.6, f0 * (1 + 4 * w), f0 * w], 0.01)
    return Fit("hard", f, x, y, [0.8, f0 * (1 - 3.4 * w), 0.7, f0 * (1 + 4.3 * w), 1.3 * f0 * w])


@family
def growth_at_dates(rng):
    day = rng.choice([2454294.5, 59000.0, 738000.0])
    x = day + np.arange(45.0)
    f = lambda x, a, k, m, c: c + a / (1 + np.exp(-k * (x - m)))  # noqa: E731
    truth = [8, rng.uniform(0.3, 0.6), day + rng.uniform(15, 30), 1]
    return Fit("hard", f, x, noisy(rng, f, x, truth, 0.05), [7, 0.4, truth[2] + 2, 0.8])


@family
def ringing_since_1970(rng):
    start = 1.7e9 + rng.integers(10**6)
    x = start + np.linspace(0, 40, 160)
    w = rng.uniform(1, 2)

    def f(x, a, g, w, p, c):
        return c + a * np.exp(-g * (x - start)) * np.sin(w * x + p)

    p = (0.5 - w * start) % (2 * np.pi)
    y = noisy(rng, f, x, [3, 0.05, w, p, 1], 0.05)
    return Fit("hard", f, x, y, [2.6, 0.06, w, p + 0.2, 0.8])


@family
def drift_against_nanoseconds(rng):
    x = 1.7e18 + np.arange(30.0) * 3.6e12
    f = lambda x, a, b: a + b * x  # noqa: E731
    slope = rng.uniform(1, 3) * 1e-12
    return Fit("hard", f, x, noisy(rng, f, x, [-slope * 1.7e18, slope], 0.5), [0.0, 0.0])


@family
def eclipse_of_a_star(rng):
    day = 2460000.5 + rng.integers(1000)
    x = day + np.linspace(-0.15, 0.15, 61)
    f = lambda x, t, d, c: c + d * (x - t) ** 2  # noqa: E731
    t = day + rng.uniform(-0.03, 0.03)
    return Fit("hard", f, x, noisy(rng, f, x, [t, 60, 11], 0.01), [t + 0.01, 45, 11.3])


@family
def resonator_of_high_quality(rng):
    f0, q = rng.choice([4.1e9, 6.7e9, 1.2e6]), 10 ** rng.uniform(4, 6)
    x = f0 * (1 + np.linspace(-5, 5, 201) / q)

    def f(x, a, q, f0, depth, slope):
        u = 2 * q * (x - f0) / f0
        return a * (1 - depth / (1 + u**2)) + slope * (x / x[0] - 1) * 1e4

    y = noisy(rng, f, x, [1, q, f0, 0.7, 0.1], 0.01)
    return Fit("hard", f, x, y, [0.9, 1.2 * q, f0 * (1 + 0.2 / q), 0.6, 0.0])


@family
def trend_and_season(rng):
    x = 59000 + np.arange(0, 1500, 10.0)
    w = 2 * np.pi / 365.25

    def f(x, a, b, c, d):
        return a + b * x + c * np.sin(w * x) + d * np.cos(w * x)

    y = noisy(rng, f, x, [-50 + 10, 50 / 59000, 2, 1], 0.3)
    return Fit("hard", f, x, y, [0.0, 0.0, 0.0, 0.0])


@family
def single_precision_peak(rng):
    x = np.linspace(-5, 5, 80, dtype=np.float32)

    def f(x, a, m, s):
        return np.float32(a) * np.exp(-(((x - np.float32(m)) / np.float32(s)) ** 2))

    exact = lambda x, a, m, s: a * np.exp(-(((x.astype(float) - m) / s) ** 2))  # noqa: E731
    truth = [3, rng.uniform(-1, 1), 1.5]
    return Fit("hard", f, x, noisy(rng, exact, x, truth, 0.03), [2.5, truth[1] + 0.4, 1.2], exact)


@family
def table_of_values(rng):
    grid = np.linspace(-30, 30, 4001)
    table = 1 / np.cosh(grid)
    x = np.linspace(-6, 6, 90)
    f = lambda x, a, m, s: a * np.interp((x - m) / s, grid, table)  # noqa: E731
    exact = lambda x, a, m, s: a / np.cosh((x - m) / s)  # noqa: E731
    truth = [2, rng.uniform(-1, 1), 1.3]
    return Fit("hard", f, x, noisy(rng, exact, x, truth, 0.03), [1.7, truth[1] + 0.3, 1], exact)


@family
def solved_up_to_a_tolerance(rng):
    x = np.linspace(0.1, 4, 50)
    tolerance = 10 ** rng.uniform(-10, -6)

    def f(x, a, b):  # y = a exp(-b x y), by iteration
        y = np.full(x.shape, a)
        for _ in range(500):
            y, before = 0.5 * (y + a * np.exp(-b * x * y)), y
            if np.max(np.abs(y - before)) < tolerance * abs(a):
                break
        return y

    def exact(x, a, b):
        y = np.full(x.shape, a)
        for _ in range(200):
            y = y - (y - a * np.exp(-b * x * y)) / (1 + a * b * x * np.exp(-b * x * y))
        return y

    return Fit("hard", f, x, noisy(rng, exact, x, [2.0, 0.7], 0.02), [1.5, 0.5], exact)


@family
def kink(rng):
    x = np.linspace(0, 10, 101)
    f = lambda x, k, a, b: a * np.minimum(x, k) + b * np.maximum(x - k, 0)  # noqa: E731

    def exact(x, k, a, b):
        return np.where(x < np.real(k), a * x, a * k + b * (x - k))

    y = noisy(rng, f, x, [rng.uniform(4.01, 4.09), 1, -0.5], 0.05)
    return Fit("hard", f, x, y, [rng.uniform(3, 5.5), 0.8, -0.3], exact)


@family
def rate_that_is_all_but_over(rng):
    """One that is small beside its standard error, which changes tenfold with it."""
    x = np.linspace(3, 50, 80)
    f = lambda x, a, k: a * (1 - np.exp(-k * x))  # noqa: E731
    a, k = 2, rng.uniform(3, 4.5)
    slopes = np.stack([1 - np.exp(-k * x), a * x * np.exp(-k * x)], axis=1)
    noise = 0.02 * rng.normal(size=80)
    noise -= slopes @ np.linalg.lstsq(slopes, noise, rcond=None)[0]  # so that a, k are best
    noise *= np.sign(noise @ (x**2 * np.exp(-k * x)))  # and no saddle
    return Fit("hard", f, x, f(x, a, k) + noise, [1.8, rng.uniform(0.5, 3)])


# Undetermined: parameters that stand for one another, or have no derivative.


@family
def constants_in_a_power_law(rng):
    x = np.linspace(0.2, 5, 60)
    y = 2 * x**-0.7 * (1 + 0.02 * rng.normal(size=60))
    return Fit(
        "undetermined", lambda x, k, c, r, u: k * c / r**2 * x**u, x, y, around(rng, [1] * 4)
    )


@family
def rate_with_an_inhibitor(rng):  # of one concentration: k and i stand for one another
    x = np.geomspace(0.1, 50, 40)
    y = 5 * x / (3 + x) + 0.05 * rng.normal(size=40)
    f = lambda x, v, k, i: v * x / (k * (1 + 2 / i) + x)  # noqa: E731
    return Fit("undetermined", f, x, y, around(rng, [4, 1.5, 2]))


@family
def two_phases(rng):
    x = np.linspace(0, 12, 90)
    f = lambda x, a, w, p, q: a * np.sin(w * x + p - q)  # noqa: E731
    y = 2 * np.sin(1.3 * x + 0.4) + 0.1 * rng.normal(size=90)
    return Fit("undetermined", f, x, y, [1.8, 1.28, rng.uniform(0.3, 0.7), rng.uniform(0, 0.2)])


@family
def logarithm_of_a_product(rng):
    x = np.geomspace(1, 1e3, 40)
    f = lambda x, a, b, c: a * np.log(b * c * x)  # noqa: E731
    y = 3 * np.log(2 * x) + 0.05 * rng.normal(size=40)
    return Fit("undetermined", f, x, y, around(rng, [2.5, 1.5, 1.5]))


@family
def length_of_a_vector(rng):
    x = np.linspace(0, 3, 50)
    f = lambda x, a, b, c: np.hypot(a, b) * x + c  # noqa: E731
    return Fit("undetermined", f, x, 2 * x + 1 + 0.1 * rng.normal(size=50), around(rng, [1, 1, 1]))


@family
def time_of_a_decays_start(rng):  # on dates: amplitude and start stand for one another
    x = 59000 + np.linspace(0, 30, 70)
    f = lambda x, a, k, t, c: a * np.exp(-k * (x - t)) + c  # noqa: E731
    y = 5 * np.exp(-0.15 * (x - 59000)) + 1 + 0.05 * rng.normal(size=70)
    return Fit("undetermined", f, x, y, [4, 0.12, 59000 + rng.uniform(-1, 1), 0.8])


@family
def staircase(rng):
    x = np.linspace(0, 20, 100)
    f = lambda x, a, w: a * np.floor(x / w)  # noqa: E731
    y = noisy(rng, f, x, [1.0, 2.3], 0.1)
    return Fit("undetermined", f, x, y, [0.9, rng.uniform(2.1, 2.5)])


@family
def number_of_stages(rng):
    x = np.linspace(0.1, 8, 60)
    f = lambda x, a, t, n: a * (x / t) ** int(n) * np.exp(-x / t)  # noqa: E731
    y = noisy(rng, f, x, [2, 1.1, 3], 0.03)
    return Fit("undetermined", f, x, y, [1.5, 1.0, rng.uniform(3.1, 3.9)])


@family
def counts_of_a_detector(rng):
    x = np.linspace(-4, 4, 60)
    f = lambda x, a, m, s: np.rint(a * np.exp(-0.5 * ((x - m) / s) ** 2))  # noqa: E731
    y = rng.poisson(9 * np.exp(-0.5 * (x / 1.2) ** 2)).astype(float)
    return Fit("undetermined", f, x, y, [8.3, rng.uniform(-0.3, 0.3), 1.1])


@family
def switch(rng):
    x = np.linspace(0, 10, 80)
    f = lambda x, t, a, b: np.where(x > t, a, b)  # noqa: E731
    y = noisy(rng, f, x, [6.2, 2, 1], 0.1)
    return Fit("undetermined", f, x, y, [rng.uniform(4, 8), 1.5, 0.5])


# Fine: what everybody fits, in every unit.


@family
def rate_of_an_enzyme(rng):
    x = np.geomspace(0.1, 30, 25)
    f = lambda x, v, k: v * x / (k + x)  # noqa: E731
    return Fit("fine", f, x, noisy(rng, f, x, [4, 2], 0.05), around(rng, [4, 2]))


@family
def decay_in_any_unit(rng):
    u, v = 10 ** rng.uniform([-140, -140], [140, 140])
    x = np.linspace(0, 5, 50)
    f = lambda x, a, b: a * np.exp(-b * v * x)  # noqa: E731
    y = u * (2 * np.exp(-0.7 * x) + 0.02 * rng.normal(size=50))
    return Fit("fine", f, x, y, around(rng, [2 * u, 0.7 / v]))


@family
def weights_of_any_size(rng):
    u = 10 ** rng.uniform(-200, 200)
    x = np.linspace(0, 5, 50)
    f = lambda x, a, b: u * a / (1 + b * x)  # noqa: E731
    return Fit("fine", f, x, noisy(rng, f, x, [2, 0.7], 0.02 * u), around(rng, [2, 0.7]))


@family
def one_more_than_parameters(rng):
    x = np.linspace(0, 3, 4)
    f = lambda x, a, b, c: a + b * x + c * x**2  # noqa: E731
    return Fit("fine", f, x, noisy(rng, f, x, [1, -2, 0.5], 0.1), around(rng, [1, -2, 0.5]))


@family
def pulse(rng):
    x = np.linspace(0, 20, 120)
    f = lambda x, a, r, d, t: a * (np.exp(-x / d) - np.exp(-x / r)) + t  # noqa: E731
    return Fit("fine", f, x, noisy(rng, f, x, [5, 1, 6, 0.2], 0.05), around(rng, [5, 1, 6, 0.2]))


@family
def tides(rng):
    x = np.linspace(0, 30, 150)

    def f(x, m, a, p, b, q):
        return m + a * np.cos(0.506 * x - p) + b * np.cos(0.262 * x - q)

    y = noisy(rng, f, x, [3, 1.5, 0.6, 0.4, 1.2], 0.1)
    return Fit("fine", f, x, y, [2, 1, 0.3, 0.3, 1])


@family
def exact_data(rng):
    x = np.linspace(0, 6, 40)
    f = lambda x, a, b, c: a * np.exp(-b * x) + c  # noqa: E731
    truth = np.round(rng.uniform(0.5, 3, 3), 1)
    return Fit("fine", f, x, f(x, *truth), around(rng, truth))


@family
def from_the_solution(rng):
    x = np.linspace(0.1, 5, 30)
    f = lambda x, a, b, c: a * x**b + c  # noqa: E731
    truth = np.round(rng.uniform(0.5, 3, 3), 1)
    return Fit("fine", f, x, f(x, *truth) * (1 + EPS * rng.integers(-1, 2, 30)), truth)


@family
def true_zeros(rng):
    x = np.linspace(-2, 3, 40)
    f = lambda x, a, b, c, d: a + b * x + c * x**2 + d * x**3  # noqa: E731
    truth = rng.permutation([1.5, -0.7, 0.0, 0.0])
    return Fit("fine", f, x, f(x, *truth), [1.0, 1.0, 1.0, 1.0])


def jacobian(f: Callable[..., Any], x: Any, p: Any) -> Any:
    """By complex steps."""
    steps = 1e-30 * np.where(p == 0.0, 1.0, np.abs(p))
    points = p + 1j * np.diag(steps)
    return np.stack([f(x, *z).imag / h for z, h in zip(points, steps, strict=True)], axis=1)


def right_answer(fit: Fit) -> tuple[Any, Any]:
    """Minimum and standard errors."""
    from scipy.optimize import least_squares

    f, unit = fit.exact or fit.f, np.max(np.abs(fit.y)) or 1.0
    p = np.array(fit.p0, dtype=float)
    for _ in range(4):
        p = least_squares(
            lambda p: (np.real(f(fit.x, *p)) - fit.y) / unit, p,
            lambda p: jacobian(f, fit.x, p) / unit,
            method="lm", x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=5000,
        ).x  # fmt: skip
    rest = (np.real(f(fit.x, *p)) - fit.y) / unit
    columns = jacobian(f, fit.x, p) / unit
    peaks = np.abs(columns).max(axis=0)
    norms = np.linalg.norm(columns / peaks, axis=0)
    r_inverse = np.linalg.inv(np.linalg.qr(columns / peaks / norms, mode="r"))
    sigma = np.sqrt(rest @ rest / (rest.size - p.size))
    return p, np.linalg.norm(r_inverse, axis=1) / norms * sigma / peaks


def judge(solver: Callable[..., Any], fit: Fit) -> str:
    """Say which of the `VERDICTS` applies.

    Right are parameters within a standard error and standard errors within 5 %; of exact data,
    whose standard errors are rounding errors, parameters to 1e-6.
    """
    with warnings.catch_warnings(record=True) as said, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            popt, pcov = solver(fit.f, fit.x, fit.y, p0=fit.p0)
        except (RuntimeError, ValueError, TypeError):
            return "raised"
        errors = np.sqrt(np.diag(pcov))
        unknown = bool(said) or not np.isfinite(errors).all()
        if fit.kind == "undetermined":
            return "warned" if unknown else "silent wrong"
        if said:
            return "false alarm" if fit.kind == "fine" else "warned"
        p, wanted = right_answer(fit)
        peak = np.max(np.abs(fit.y))
        exact = np.max(np.abs((fit.exact or fit.f)(fit.x, *p) - fit.y)) <= 1e-10 * peak
        if exact:
            right = np.abs(popt - p) <= 1e-6 * np.maximum(np.abs(p), 1.0)
        else:
            right = (np.abs(popt - p) <= wanted) & (np.abs(errors - wanted) <= 0.05 * wanted)
    return "right" if right.all() else "silent wrong"


def count(solver: Callable[..., Any], name: str, seed: int, number: int) -> list[int]:
    """Judge fits of a family: how many there are of each verdict."""
    rng = np.random.default_rng([seed, *name.encode()])
    verdicts = [judge(solver, FAMILIES[name](rng)) for _ in range(number)]
    return [verdicts.count(verdict) for verdict in VERDICTS]
