"""curve_fit returns right numbers, or says why not: fits whose right answer is known otherwise."""

import inspect
import re
import warnings

import numpy as np
import pytest
from scipy.optimize import least_squares

from pyminpack import OptimizeWarning, curve_fit, leastsq
from pyminpack._input.arguments import EPS
from pyminpack._jacobian.accuracy import column_norms
from pyminpack._jacobian.adaptive import LONG_EPS
from pyminpack._jacobian.redundant import redundancy
from pyminpack._jacobian.refit import quiet


def right_answer(f, x, y, p0):
    """Minimum and standard errors by complex steps, in columns of norm 1."""

    def jacobian(p):
        steps = 1e-30 * np.maximum(1.0, np.abs(p))
        points = p + 1j * np.diag(steps)
        return np.array([f(x, *z).imag / h for z, h in zip(points, steps, strict=True)]).T

    p = np.array(p0, dtype=float)
    for _ in range(3):
        p = least_squares(
            lambda p: f(x, *p) - y, p, jacobian, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15
        ).x
    J = jacobian(p)
    norms = np.linalg.norm(J, axis=0)
    r_inverse = np.linalg.inv(np.linalg.qr(J / norms, mode="r"))
    sigma = np.sqrt(np.sum((f(x, *p) - y) ** 2) / (y.size - p.size))
    return p, np.linalg.norm(r_inverse, axis=1) / norms * sigma


def same(found, right):
    (popt, pcov), (p, errors) = found, right
    assert np.all(np.abs(popt - p) <= 0.2 * errors + 1e-7 * np.abs(p))
    np.testing.assert_allclose(np.sqrt(np.diag(pcov)), errors, rtol=0.05)


RNG = np.random.default_rng(11)
DAYS, GAUSS = np.arange(60) / 24, RNG.normal(size=201)
LINE = np.linspace(-8, 8, 201)


class Counted:
    """A model whose signature is kept, and how often it is called."""

    def __init__(self, f):
        self.f, self.calls = f, 0
        self.__signature__ = inspect.signature(f)

    def __call__(self, x, *p):
        self.calls += 1
        return self.f(x, *p)


def sine(x, c, a, w, p):
    return c + a * np.sin(w * x + p)


def straight(x, a, b):
    return a + b * x


def lorentz(x, m, s, a):
    return a / (1 + ((x - m) / s) ** 2)


def peak(x, m, s, a, c):
    return a * np.exp(-0.5 * ((x - m) / s) ** 2) + c


def resonance(x, a, q, f0):
    return a / (1 + (2 * q * (x - f0) / f0) ** 2)


def resonance_on_a_slope(x, a, q, f0, c, d):
    return resonance(x, a, q, f0) + c + d * (x - 4.1e9) / 1e4


def made(f, x, truth, noise, p0):
    """A fit: model, x, data, start."""
    return f, x, f(x, *truth) + noise * GAUSS[: x.size], p0


CASES = {
    "a sine against days": made(
        sine, 59000 + DAYS, [2, 0.05, 20, 0.3], 0.01, [2, 0.05, 20, (0.3 + 1e-3) % 6]
    ),
    "a line against seconds": made(
        straight, 1.66e9 + 60 * np.arange(12.0), [-8.3e8, 0.5], 1.0, [-8e8, 0.45]
    ),
    "a line against seconds, from 0": made(
        straight, 1.66e9 + 3600 * np.arange(12.0), [-8.3e8, 0.5], 1.0, [0.0, 0.0]
    ),
    "a line at a high frequency": made(
        lorentz, 4.1e9 + 4100 * LINE, [4.1e9, 4100, 1], 0.01, [4.1e9 - 1230, 5330, 1.1]
    ),
    "a peak against Julian days": made(
        peak, 2454294 + LINE / 2, [2454294.1, 0.8, 5, 1], 0.1, [2454294.6, 1, 4, 0.8]
    ),
    "a high quality": made(
        resonance, 4.1e9 * (1 + LINE / 2 / 1.3e6), [1, 1.3e6, 4.1e9], 0.02,
        [1.1, 1.5e6, 4.1e9 + 300],
    ),
    "a high quality on a slope": made(
        resonance_on_a_slope, 4.1e9 * (1 + LINE / 2 / 1.3e6), [1, 1.3e6, 4.1e9, 0.2, 0.1], 0.02,
        [1.1, 1.5e6, 4.1e9 + 300, 0, 0],
    ),
    "two terms that are nearly the same": made(
        lambda x, a, b, c: (a + b * (1 + 1e-6 * x**2)) * np.exp(-c * x), np.linspace(0.1, 4, 50),
        [2, 1, 0.7], 0.01, [1.5, 1.2, 0.6],
    ),
    "small units": made(straight, LINE, [0, 1e-12], 1e-14, [0.0, 0.0]),
}  # fmt: skip


@pytest.mark.parametrize("jac", [None, "2-point", "3-point", "adaptive"])
@pytest.mark.parametrize("case", CASES)
def test_right_without_a_word(case, jac):
    f, x, y, p0 = CASES[case]
    same(curve_fit(f, x, y, p0, jac=jac), right_answer(f, x, y, p0))


class TestLongerNumbers:
    """A sine against Julian days: of w x, 5e7, doubles have too few digits to tell w from p."""

    X = 2454294 + DAYS
    Y = sine(X, 2, 0.05, 20, 0.3) + 0.01 * GAUSS[:60]
    START = (2, 0.05, 20, 0.31)

    @pytest.mark.parametrize("jac", [None, "3-point", "adaptive"])
    def test_right_where_the_machine_has_them(self, jac):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            fit = curve_fit(sine, self.X, self.Y, self.START, jac=jac)
        assert bool(said) == (LONG_EPS == EPS)
        if LONG_EPS < EPS:
            same(fit, right_answer(sine, self.X, self.Y, self.START))

    @pytest.mark.parametrize("refuse", ["raise", "convert"])
    def test_model_that_does_not_take_them(self, refuse):
        def f(x, *p):
            if refuse == "raise" and isinstance(p[0], np.longdouble):
                raise TypeError("not mine")
            return sine(x, *map(float, p))

        with pytest.warns(OptimizeWarning, match="rounding errors of the model") as said:
            popt, _ = curve_fit(f, self.X, self.Y, self.START)
        assert len(said) == 1
        p, errors = right_answer(sine, self.X, self.Y, self.START)
        assert np.all(np.abs(popt - p) <= 0.5 * errors)


def test_seconds_by_linear_algebra():
    """The normal equations in whole numbers: the right answer is rational."""
    f, x, y, p0 = CASES["a line against seconds"]
    u = x - x.mean()
    slope = u @ y / (u @ u)
    sigma = np.sqrt(np.sum((y - y.mean() - slope * u) ** 2) / (x.size - 2))
    popt, pcov = curve_fit(f, x, y, p0)
    assert popt[1] == pytest.approx(slope, abs=1e-3 * sigma / np.linalg.norm(u))
    assert np.sqrt(pcov[1, 1]) == pytest.approx(sigma / np.linalg.norm(u), rel=1e-3)


def test_own_derivatives_that_xtol_stops_early():
    """x is 1e6 of its standard error: the step of 1e-8 of it that ends a fit is no end."""
    x, y = 59000 + DAYS, sine(59000 + DAYS, 2, 0.05, 20, 0.3) + 0.01 * GAUSS[:60]

    def jac(x, c, a, w, p):
        s, k = np.sin(w * x + p), a * np.cos(w * x + p)
        return np.stack([np.ones_like(x), s, k * x, k], axis=1)

    p0 = [2, 0.05, 20, 0.3 + 0.02]
    same(curve_fit(sine, x, y, p0, jac=jac), right_answer(sine, x, y, p0))


@pytest.mark.parametrize("jac", [None, "adaptive", "cs"])
@pytest.mark.parametrize("seed", range(4))
def test_peak_on_a_high_pedestal(jac, seed):
    """The pedestal is at rest, to xtol of it, long before the peak is."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-5, 5, 80)
    y = peak(x, 0.3, 1.1, 2.0, 0.0) + 0.03 * rng.normal(size=80)
    level = 10.0 ** rng.uniform(6, 8)
    popt, pcov = curve_fit(peak, x, level + y, [0.1, 1.4, 1.6, level * (1 + 1e-8)], jac=jac)
    same((popt - [0, 0, 0, level], pcov), right_answer(peak, x, y, [0.3, 1.1, 2.0, 0.0]))


@pytest.mark.parametrize("noise", [1e-10, 1e-8, 1e-6])
def test_model_with_a_tolerance(noise):
    """Noise of the model, as of one that iterates: forward differences are nothing but noise."""
    x = np.linspace(0, 5, 60)
    smooth = lambda x, a, b: a * np.exp(-b * x)  # noqa: E731
    y = smooth(x, 3, 0.7) + 0.03 * GAUSS[:60]

    def f(x, a, b):
        return smooth(x, a, b) * (1 + noise * np.sin(1e12 * a + 1e13 * b * x))

    same(curve_fit(f, x, y, [2, 0.5]), right_answer(smooth, x, y, [2, 0.5]))


def test_single_precision():
    x = np.linspace(0, 4, 50)
    smooth = lambda x, a, b: a * np.exp(-b * x)  # noqa: E731
    y = smooth(x, 3, 1) + 0.03 * GAUSS[:50]
    single = lambda x, a, b: smooth(x.astype("f"), np.float32(a), np.float32(b)).astype(float)  # noqa: E731
    same(curve_fit(single, x, y, [2, 0.7]), right_answer(smooth, x, y, [2, 0.7]))


@pytest.mark.parametrize("epsfcn", [1e-10, 1e-4])
def test_long_steps_of_the_users(epsfcn):
    x = np.linspace(0, 4, 50)
    y = 1 + 2 * x + 0.03 * GAUSS[:50]
    same(curve_fit(straight, x, y, [1, 1], epsfcn=epsfcn), right_answer(straight, x, y, [1, 1]))


@pytest.mark.parametrize("truth", [[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
def test_exact_data_with_a_true_zero(truth):
    x = np.linspace(0, 5, 30)
    popt, _ = curve_fit(straight, x, straight(x, *truth), [1.0, 1.0])
    assert popt == pytest.approx(truth, abs=1e-7)


REDUNDANT = {
    "k x^u / d": lambda x, k, u, d: k * x**u / d,
    "a exp(-b x + c)": lambda x, a, b, c: a * np.exp(-b * x + c),
    "a exp(-(b + c) x)": lambda x, a, b, c: a * np.exp(-(b + c) * x),
    "a b x + c": lambda x, a, b, c: a * b * x + c,
    "a log(b² x) + c": lambda x, a, b, c: a * np.log(b**2 * x) + c,
}


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param((-np.inf, np.inf), id="free"),
        pytest.param((-20.0, 20.0), id="bounded", marks=pytest.mark.bundled),
    ],
)
@pytest.mark.parametrize("jac", [None, "3-point", "cs", "adaptive"])
@pytest.mark.parametrize("start", [[1.0, 1.5, 0.7], [3.5, 1.2, 0.3]])
@pytest.mark.parametrize("name", REDUNDANT)
def test_redundant_parameters(name, start, jac, bounds):
    """They are told with a few calls for each: no derivatives would help, and no other fit."""
    x = np.linspace(0.1, 4, 50)
    y = 3 * np.exp(-x) + 0.03 * GAUSS[:50]
    f = Counted(REDUNDANT[name])
    leastsq(lambda p: f(x, *p) - y, start, Dfun=jac or "2-point", bounds=bounds)
    of_the_fit = f.calls
    with pytest.warns(OptimizeWarning, match="do not tell apart") as caught:
        _, pcov = curve_fit(f, x, y, start, jac=jac, bounds=bounds)
    assert len(caught) == 1
    assert np.all(np.isinf(pcov))
    assert f.calls - of_the_fit <= 2 * of_the_fit + 30


def test_parameter_without_effect():
    x = np.linspace(0.1, 4, 50)
    f = Counted(lambda x, a, b, c: a * np.exp(-b * x) + 0 * c)
    with pytest.warns(OptimizeWarning, match=r"does not depend on parameter 2 \(c\)"):
        curve_fit(f, x, 3 * np.exp(-x), [2, 1.5, 1])
    assert f.calls <= 120


class TestRedundancy:
    """What is redundant at a point, and not only there."""

    X = np.linspace(0.1, 4, 50)
    TWO = staticmethod(lambda x, a, k, b, q: a * np.exp(-k * x) + b * np.exp(-q * x))

    def at(self, model, x0, x, limits=None):
        func = quiet(lambda p: model(self.X, *p))
        x = np.array(x, dtype=float)
        return redundancy(func, np.array(x0, dtype=float), x, np.ones(x.size), limits, 3.0)

    def test_product(self):
        found = self.at(lambda x, a, b, c: a * b * np.exp(-c * x), [1, 2, 1], [3, 0.5, 2])
        assert found.range.shape == (50, 2)
        assert found.directions == pytest.approx(
            found.directions[0, 0] * np.array([[1, -1, 0]]), abs=1e-9
        )

    def test_product_beside_a_fixed_parameter(self):
        limits = np.array([[-9.0, -9.0, 2.0], [9.0, 9.0, 2.0]])
        model = lambda x, a, b, c: a * b * np.exp(-c * x)  # noqa: E731
        assert self.at(model, [1, 2, 2], [3, 0.5, 2], limits).nullity == 1

    def test_two_terms_that_have_become_one(self):
        assert self.at(self.TWO, [1, 2, 1, 0.5], [1, 0.7, 2, 0.7]) is None

    def test_two_terms_that_start_as_one(self):
        assert self.at(self.TWO, [1, 1, 1, 1], [1, 0.7, 2, 0.7]) is None

    @pytest.mark.parametrize("part", [1e-6, 1e-8, 1e-10])
    def test_what_the_data_tell_apart(self, part):
        model = lambda x, a, b: a * x + b * (x + part * x**2)  # noqa: E731
        assert self.at(model, [1, 2], [3, 0.5]) is None

    def test_model_that_is_not_smooth(self):
        model = lambda x, a, b: a * b * x + 1e-8 * np.sin(1e9 * a * x)  # noqa: E731
        assert self.at(model, [1, 2], [3, 0.5]) is None

    def test_nothing_is_redundant(self):
        assert self.at(self.TWO, [1, 2, 1, 0.5], [1, 2, 2, 0.7]) is None


def test_ordinary_fits_are_silent_and_cheap():
    """A thousand of them: no word, and not one call beyond those of the fit itself."""
    rng = np.random.default_rng(2026)
    x = np.linspace(0, 10, 50)
    models = [
        (lambda x, a, b, c: a * np.exp(-b * x) + c, [4, 0.5, 1]),
        (lambda x, a, m, s, c: a * np.exp(-0.5 * ((x - m) / s) ** 2) + c, [4, 5, 1.2, 1]),
        (lambda x, a, b: a * x / (b + x), [4, 2]),
        (lambda x, a, b, c: a / (1 + np.exp(-b * (x - c))), [4, 1, 5]),
        (lambda x, a, b: a + b * x, [1, 2]),
        (lambda x, a, w, p: a * np.sin(w * x + p), [3, 1.3, 0.5]),
        (lambda x, a, b, c, d: a * np.exp(-b * x) + c * np.exp(-d * x), [3, 1.5, 2, 0.2]),
        (lambda x, a, b: a * x**b, [2, 0.5]),
    ]
    longer = 0
    for k in range(1000):
        f, truth = models[k % len(models)]
        spread = 1.03 if len(truth) == 3 and f is models[5][0] else 1.25
        y = f(x, *truth) + rng.choice([0.01, 0.05]) * rng.normal(size=50)
        start = np.array(truth) * rng.uniform(1 / spread, spread, len(truth))
        calls = 0

        def counted(x, *p, f=f):
            nonlocal calls
            calls += 1
            return f(x, *p)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _, _, info, _, _ = curve_fit(counted, x, y, start, full_output=True)
        assert calls == info["nfev"]
        longer += info["nfev"] > 20 * (len(truth) + 1)
    assert longer == 0


class TestCalls:
    """What is allowed of them bounds a fit with all that is to make it better."""

    @staticmethod
    def fit(case, **options):
        f, x, y, p0 = case
        calls = 0

        def counted(x, *p):
            nonlocal calls
            calls += 1
            return f(x, *p)

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                info = curve_fit(counted, x, y, p0, full_output=True, **options)[2]
            except RuntimeError as error:
                return calls, str(error)
        assert calls == info["nfev"]
        return calls, " ".join(str(warning.message) for warning in said)

    @pytest.mark.parametrize(
        ("options", "limit"),
        [
            ({"maxfev": 60}, 60),
            ({"max_nfev": 20}, 20 * 4),
            ({"maxfev": 20, "method": "trf"}, 20 * 4),
            ({"maxfev": 20, "jac": "3-point"}, 20 * 7),
        ],
    )
    def test_of_the_user(self, options, limit):
        case = CASES["a line at a high frequency"]
        free, said = self.fit(case, **{k: v for k, v in options.items() if "max" not in k})
        assert not said
        calls, said = self.fit(case, **options)
        assert limit / 2 < calls <= limit < free
        assert re.search("standard errors may be wrong.*maxfev.*larger", said)
        name = next(name for name in options if "max" in name)
        assert self.fit(case, **{**options, name: 50 * options[name]}) == (free, "")

    def test_by_default(self):
        """A minimum so far away, and so narrow, that nothing finds it."""
        x = 1.65e9 + np.arange(0, 3 * 86400, 1800.0)
        f = lambda x, a, b, w, c: a * np.sin(w * x) + b * np.cos(w * x) + c  # noqa: E731
        w = 2 * np.pi / 86400
        y = f(x, 3, 1, w, 10) + 0.3 * np.resize(GAUSS, x.size)
        calls, said = self.fit((f, x, y, [2.9, 0.9, w * (1 + 1e-7), 10]))
        assert calls <= 6 * 200 * 5 + 4  # the last Jacobian is finished
        assert "maxfev = 1000" in said

    def test_in_chunks(self):
        f, x, y, p0 = CASES["a line at a high frequency"]
        with pytest.warns(OptimizeWarning, match=r"may be wrong.*maxfev.*larger"):
            fit = curve_fit(f, x, y, p0, chunk=50, maxfev=60)
        assert fit.nfev <= 60
        same(curve_fit(f, x, y, p0, chunk=50, maxfev=1000), right_answer(f, x, y, p0))


class TestProbes:
    def test_whatever_comes_back(self):
        for odd in ("text", None, 1j, object(), [[1.0], [1.0, 2.0]]):
            assert np.isnan(quiet(lambda x, odd=odd: odd)(np.zeros(1))).all()

    def test_interrupts_pass(self):
        def f(x):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            quiet(f)(np.zeros(1))


def test_norms_of_any_units():
    matrix = np.array([[3e-300, 0.0, 3e300], [4e-300, 0.0, 4e300]])
    assert column_norms(matrix).tolist() == pytest.approx([5e-300, 0.0, 5e300])
