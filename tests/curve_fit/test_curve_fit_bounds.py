"""`curve_fit` with `bounds`, and what it says of a covariance that cannot be estimated."""

import importlib
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from pyminpack import OptimizeWarning, curve_fit, leastsq

pytestmark = pytest.mark.bundled  # the original knows no bounds

INF = np.inf
T = np.linspace(0.0, 4.0, 9)
Y = 1.0 + 2.0 * T + 0.01 * np.cos(7 * T)


def line(t, a, b):
    return a + b * t


@pytest.fixture
def handed(monkeypatch):
    """Return the start and the options of the last call of `leastsq`."""
    calls = {}

    def note(func, x0, *, bounds=None, **options):
        calls.update(x0=x0.tolist(), bounds=None if bounds is None else bounds.tolist())
        return leastsq(func, x0, bounds=bounds, **options)

    monkeypatch.setattr(importlib.import_module("pyminpack._curve_fit"), "leastsq", note)
    return calls


@pytest.mark.parametrize(
    ("bounds", "lower", "upper", "start"),
    [
        ((0, 3), [0, 0], [3, 3], [1.5, 1.5]),
        ((0, INF), [0, 0], [INF, INF], [1, 1]),
        ((-INF, [5, 7]), [-INF, -INF], [5, 7], [4, 6]),
        (([-INF, 2], [INF, 2]), [-INF, 2], [INF, 2], [1, 2]),
        (([-INF, 4], INF), [-INF, 4], [INF, INF], [1, 5]),
        ([[0, -1], [2, 1]], [0, -1], [2, 1], [1, 0]),
        (([0], [2]), [0, 0], [2, 2], [1, 1]),
        (SimpleNamespace(lb=np.zeros(2), ub=4), [0, 0], [4, 4], [2, 2]),
        ((None, [5, None]), [-INF, -INF], [5, INF], [4, 1]),
        ((np.array([None, 2]), None), [-INF, 2], [INF, INF], [1, 3]),
    ],
)
def test_default_start(handed, bounds, lower, upper, start):
    """Ones, the middle of two bounds, or one unit inside of one: as SciPy chooses it."""
    curve_fit(line, T, Y, bounds=bounds)
    assert handed == {"x0": start, "bounds": [lower, upper]}


@pytest.mark.parametrize(
    "bounds",
    [
        (-INF, INF),
        ([-INF, -INF], [INF, INF]),
        SimpleNamespace(lb=-INF, ub=INF),
        None,
        (None, None),
        ([None, -INF], None),
    ],
    ids=str,
)
def test_infinite_bounds_are_none(handed, bounds):
    curve_fit(line, T, Y, bounds=bounds)
    assert handed == {"x0": [1, 1], "bounds": None}


@pytest.mark.parametrize("method", [None, "trf", "dogbox"])
def test_start_on_a_bound(handed, method):
    """It is moved inside, by a thousandth of the bound or of 1, before the model is called."""
    curve_fit(line, T, Y, p0=[0, 3], bounds=([0, 0], 3), method=method)
    assert handed == {"x0": [0.001, 2.997], "bounds": [[0, 0], [3, 3]]}


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0, 1, 2), r"bounds is tuple \(0, 1, 2\); want a pair"),
        (5, "bounds is int 5; want a pair"),
        (([0, 0, 0], 1), r"the lower bound has shape \(3,\); want a scalar or \(2,\)"),
        ((0, [[1, 1]]), r"the upper bound has shape \(1, 2\)"),
        ((1, 0), r"the bounds of p0\[0\] are \[1.0, 0.0\]"),
        (([0, np.nan], 1), r"the bounds of p0\[1\] are \[nan, 1.0\]"),
        ((INF, INF), r"the bounds of p0\[0\] are \[inf, inf\]"),
        ((-INF, -INF), r"the bounds of p0\[0\] are \[-inf, -inf\]"),
    ],
)
def test_unusable(bounds, text):
    with pytest.raises(ValueError, match=text):
        curve_fit(line, T, Y, bounds=bounds)


def test_not_numbers():
    with pytest.raises(TypeError, match="the upper bound is str 'one'; want real numbers"):
        curve_fit(line, T, Y, bounds=(0, "one"))


@pytest.mark.parametrize("p0", [[0.5, 2.0], [0.5, -1.0]])
def test_start_outside(p0):
    text = (
        r"^Initial guess is outside of provided bounds. curve_fit: p0\[1\] is .*, outside of its "
        r"bounds \[0.0, 1.0\]"
    )
    with pytest.raises(ValueError, match=text):
        curve_fit(line, T, Y, p0, bounds=(0, 1))


def decay(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


DECAYED = 3.0 * np.exp(-0.7 * T) + 0.5 + 0.02 * np.cos(17 * T)
START = [1.0, 1.0, 0.0]
SIGMA = 0.01 * (1 + T)
COVARIANCE = np.diag(SIGMA**2) + 1e-5
JACOBIANS = {
    "none": None,
    "2-point": "2-point",
    "3-point": "3-point",
    "cs": "cs",
    "analytic": lambda t, a, k, c: np.stack(
        [np.exp(-k * t), -a * t * np.exp(-k * t), np.ones_like(t)], axis=1
    ),
}
by_any_jacobian = pytest.mark.parametrize("jac", JACOBIANS.values(), ids=JACOBIANS.keys())
by_any_sigma = pytest.mark.parametrize(
    "sigma", [None, 0.02, SIGMA, COVARIANCE], ids=["none", "scalar", "vector", "matrix"]
)


class TestEndToEnd:
    """Nothing stands in: the fit itself."""

    @by_any_sigma
    @by_any_jacobian
    def test_wide_bounds_change_nothing(self, jac, sigma):
        popt, pcov = curve_fit(decay, T, DECAYED, START, sigma, jac=jac, bounds=(-20, 20))
        reference = curve_fit(decay, T, DECAYED, START, sigma, jac=jac)
        np.testing.assert_array_equal(popt, reference[0])
        np.testing.assert_array_equal(pcov, reference[1])

    @by_any_sigma
    @pytest.mark.parametrize("jac", ["3-point", "cs"])
    def test_jacobians_are_as_good_as_the_analytic_one(self, jac, sigma):
        popt, pcov = curve_fit(decay, T, DECAYED, START, sigma, jac=jac, ftol=1e-14, xtol=1e-14)
        reference = curve_fit(
            decay, T, DECAYED, START, sigma, jac=JACOBIANS["analytic"], ftol=1e-14, xtol=1e-14
        )
        # What is left by ftol are steps of 1e-7 standard errors, one of which lies between the
        # Jacobian and the solution.
        np.testing.assert_allclose(popt, reference[0], rtol=1e-7)
        np.testing.assert_allclose(pcov, reference[1], rtol=1e-7)

    @by_any_sigma
    @by_any_jacobian
    def test_parameter_at_its_bound(self, jac, sigma):
        """Its row is NaN; the rest is the fit in which it is held there, and needs no warning."""
        bounds = ([0, 0, 0.55], [9, 5, 1])
        popt, pcov = curve_fit(
            decay, T, DECAYED, [1, 1, 1], sigma, absolute_sigma=True, bounds=bounds, jac=jac
        )
        assert popt[2] == 0.55
        assert np.all(np.isnan(pcov[2]))
        np.testing.assert_array_equal(pcov, pcov.T)
        held, unit = curve_fit(
            lambda t, a, k: decay(t, a, k, 0.55), T, DECAYED, START[:2], sigma, absolute_sigma=True
        )
        np.testing.assert_allclose(popt[:2], held, rtol=1e-5)
        np.testing.assert_allclose(pcov[:2, :2], unit, rtol=1e-4)

    @by_any_sigma
    @by_any_jacobian
    def test_fixed_parameter(self, jac, sigma):
        """Fixed on purpose: no warning, no variance, no degree of freedom."""
        bounds = ([-INF, -INF, 0.45], [INF, INF, 0.45])
        popt, pcov = curve_fit(decay, T, DECAYED, [1, 1, 0.45], sigma, bounds=bounds, jac=jac)
        held, reference = curve_fit(
            lambda t, a, k: decay(t, a, k, 0.45), T, DECAYED, START[:2], sigma
        )
        assert popt[2] == 0.45
        assert not pcov[2].any()
        assert not pcov[:, 2].any()
        np.testing.assert_allclose(popt[:2], held, rtol=1e-5)
        np.testing.assert_allclose(pcov[:2, :2], reference, rtol=1e-4)

    @by_any_jacobian
    def test_model_never_sees_a_point_outside(self, jac):
        lower, upper = np.array([0.0, 0.0, 0.55]), np.array([2.9, 5.0, 1.0])
        points = []

        def watched(t, *p):
            points.append(np.array(p))
            return decay(t, *p)

        popt, _ = curve_fit(watched, T, DECAYED, [2.9, 0.0, 0.55], bounds=(lower, upper), jac=jac)
        assert popt[0] == 2.9
        assert all(np.all((p.real >= lower) & (p.real <= upper)) for p in points)

    def test_scipys_minimum(self):
        optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy")
        bounds = ([0, 0, 0.55], [9, 5, 1])
        popt, _ = curve_fit(decay, T, DECAYED, [1, 1, 1], bounds=bounds)
        theirs, _ = optimize.curve_fit(decay, T, DECAYED, [1, 1, 1], bounds=bounds)
        # trf stops a little inside of a bound.
        np.testing.assert_allclose(popt, theirs, rtol=1e-4)
        ours, others = (np.sum((decay(T, *p) - DECAYED) ** 2) for p in (popt, theirs))
        assert ours <= others * (1 + 1e-9)

    def test_bounds_object(self):
        optimize = pytest.importorskip("scipy.optimize", reason="the object is SciPy's")
        popt, _ = curve_fit(line, T, Y, bounds=optimize.Bounds(-5, 5))
        np.testing.assert_array_equal(popt, curve_fit(line, T, Y, [0, 0], bounds=(-5, 5))[0])


class TestCauses:
    """Which warning comes, once, with the user's own names, pointing at the user's line."""

    @staticmethod
    def the_warning(*arguments, **options):
        with pytest.warns(OptimizeWarning) as caught:
            popt, pcov = curve_fit(*arguments, **options)
        (warning,) = caught
        assert warning.filename == __file__
        return str(warning.message), popt, pcov

    @pytest.mark.parametrize("sigma", [None, 2.0, 1 + T])
    def test_ignored_parameter(self, sigma):
        text, _, pcov = self.the_warning(
            lambda t, a, b, unused: line(t, a, b), T, Y, [1, 1, 7], sigma
        )
        assert text == (
            "Covariance of the parameters could not be estimated by curve_fit: the model does not "
            "depend on "
            "parameter 2 (unused) = 7: the data cannot determine it, and its value is arbitrary."
        )
        assert np.all(np.isposinf(pcov))

    def test_two_ignored_parameters(self):
        text, *_ = self.the_warning(lambda t, a, b, c: a * t, T, Y)
        assert text.count("Covariance") == 1
        assert "parameter 1 (b) = 1" in text
        assert "parameter 2 (c) = 1" in text

    def test_names_that_cannot_be_told(self):
        text, *_ = self.the_warning(lambda t, *p: p[0] + p[1] * t, T, Y, [1, 1, 7])
        assert "parameter 2 = 7" in text

    def test_ignored_and_fixed(self):
        """What is held need not be known."""
        bounds = ([-9, -9, 7], [9, 9, 7])
        popt, pcov = curve_fit(lambda t, a, b, c: line(t, a, b), T, Y, [1, 1, 7], bounds=bounds)
        np.testing.assert_allclose(popt[:2], curve_fit(line, T, Y)[0], rtol=1e-7)
        assert np.all(np.isfinite(pcov))

    def test_dependence_among_the_free(self):
        """The fixed parameter's column of zeros is not what is wrong."""
        text, *_ = self.the_warning(
            lambda t, a, b, c, d: a + (b + d) * t + c * t**2, T, Y, [1, 1, 0.5, 1],
            bounds=([-9, -9, 0.5, -9], [9, 9, 0.5, 9]),
            jac=lambda t, a, b, c, d: np.stack([t**0, t, t**2, t], axis=1),
        )  # fmt: skip
        assert "do not tell apart parameter 1 (b) and parameter 3 (d), whose" in text
        assert text.count("Covariance") == 1

    def test_dependence_and_a_bound(self):
        text, _, pcov = self.the_warning(
            lambda t, a, b, c: a + (b + c) * t, T, Y, [0.2, 1, 1], bounds=(-9, [0.5, 9, 9]),
            jac=lambda t, a, b, c: np.stack([t**0, t, t], axis=1),
        )  # fmt: skip
        assert "parameter 1 (b) and parameter 2 (c)" in text
        assert "parameter 0 (a) is at its upper bound 0.5" in text.lower()
        assert text.count("Covariance") == 1
        assert np.all(np.isposinf(pcov))

    def test_no_degrees_of_freedom(self):
        text, _, pcov = self.the_warning(line, T[:2], Y[:2])
        assert text.startswith(
            "Covariance of the parameters could not be estimated by curve_fit: 2 data for 2 "
            "parameters leave no "
        )
        assert np.all(np.isposinf(pcov))

    def test_fixed_parameters_take_no_degree_of_freedom(self):
        _, pcov = curve_fit(line, T[:2], Y[:2], [1, 2], bounds=([-9, 2], [9, 2]))
        assert np.all(np.isfinite(pcov))

    def test_all_parameters_at_bounds(self):
        _, pcov = curve_fit(line, T, Y, bounds=(0, 0.5))
        assert np.all(np.isnan(pcov))

    @pytest.mark.parametrize("jac", [None, "3-point", "adaptive"])
    def test_parameter_next_to_zero(self, jac):
        """SciPy issue 21995: forward differences by it are rounding errors."""
        y = 1 + 1e-13 * T
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            popt, pcov = curve_fit(lambda t, a, b: a + b * t, T, y, [1, 1e-13], jac=jac)
        J = np.stack([np.ones_like(T), T], axis=1)
        right = np.linalg.inv(J.T @ J) * np.sum((popt[0] + popt[1] * T - y) ** 2) / (T.size - 2)
        np.testing.assert_allclose(pcov, right, rtol=1e-4)

    def test_zero_data(self):
        """A model that compares by itself, with a parameter that it ignores."""
        text, *_ = self.the_warning(lambda t, a, b: a * t - Y, T, 0.0)
        assert "parameter 1 (b)" in text

    def test_model_that_raises_off_its_path(self):
        """What is asked to find the cause must not spoil a fit that has ended well."""

        def model(t, a, b):
            if b != 1.0 and not 0 < b - 1.0 < 1e-7:
                raise ZeroDivisionError
            return a * t

        text, popt, _ = self.the_warning(model, T, Y)
        assert "parameter 1 (b)" in text
        assert popt[0] == pytest.approx(T @ Y / (T @ T))

    @pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e150, 1e300])
    def test_extreme_units_raise_no_alarm(self, unit):
        """But that a variance is no number, where it is none."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            popt, _ = curve_fit(
                lambda t, a, b: a * t + b * unit, T, Y * unit, [unit, 1], sigma=unit,
                absolute_sigma=True,
            )  # fmt: skip
        assert len(caught) == (not 1e-200 < unit < 1e200)
        assert all("ariance of parameter 0 (a)" in str(warning.message) for warning in caught)
        np.testing.assert_allclose(popt, curve_fit(line, T, Y)[0][::-1] * [unit, 1], rtol=1e-6)


@pytest.mark.parametrize("start", [1.0, 4.0, 8.5])
@pytest.mark.parametrize("most", [2.0, 5.0])
def test_parameter_without_effect(start, most):
    """It stays off its bounds, towards which nothing leads it, whoever else is at one."""
    t = np.linspace(0.2, 4, 30)
    y = 3 * np.exp(-0.5 * t) + 0.02 * np.cos(17 * np.arange(30))
    with pytest.warns(OptimizeWarning, match=r"does not depend on parameter 2 \(c\)"):
        fit = curve_fit(
            lambda t, a, k, c: a * np.exp(-k * t) + 0 * c, t, y, [1, 1, start],
            bounds=([0, 0, 0], [most, 9, 9]),
        )  # fmt: skip
    assert fit.active_mask.tolist() == [most < 3, 0, 0]
