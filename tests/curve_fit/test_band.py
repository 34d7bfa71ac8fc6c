"""`band` and `plot` of what `curve_fit` returns."""

import builtins

import numpy as np
import pytest

from pyminpack import curve_fit

T = np.linspace(0.0, 10.0, 40)
NOISE = 0.05 * np.random.default_rng(7).standard_normal(40)


def decay(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


def derivatives(t, amplitude, rate, offset):
    e = np.exp(-rate * t)
    return np.column_stack([e, -amplitude * t * e, np.ones_like(t)])


Y = decay(T, 3.0, 0.5, 1.0) + NOISE


def by_hand(x, result):
    """Root of the diagonal of G C Gᵀ."""
    g = derivatives(x, *result.popt)
    return np.sqrt(np.einsum("ki,ij,kj->k", g, result.pcov, g))


class TestBand:
    # Steps of 0.1 standard errors: the third derivative adds (0.1 s)²/6, which is some 1e-5 here.
    RTOL = 1e-4

    @pytest.mark.parametrize("options", [{}, {"sigma": 0.05, "absolute_sigma": True}])
    def test_is_the_delta_method(self, options):
        result = curve_fit(decay, T, Y, **options)
        x = np.array([0.0, 3.0, 25.0])
        np.testing.assert_allclose(result.band(x), by_hand(x, result), rtol=self.RTOL)
        np.testing.assert_allclose(result.band([0, 3, 25]), by_hand(x, result), rtol=self.RTOL)
        np.testing.assert_allclose(result.band(), by_hand(T, result), rtol=self.RTOL)

    @pytest.mark.parametrize("col_deriv", [False, True])
    def test_by_the_users_derivatives(self, col_deriv):
        def jac(t, *p):
            return derivatives(t, *p).T if col_deriv else derivatives(t, *p)

        result = curve_fit(decay, T, Y, jac=jac, col_deriv=col_deriv)
        np.testing.assert_allclose(result.band(), by_hand(T, result), rtol=1e-12)

    def test_does_not_depend_on_where_the_origin_is(self):
        """A centre of 0, whose own size says nothing of steps, and one at a date."""

        def peak(t, area, centre, width):
            return area * np.exp(-0.5 * ((t - centre) / width) ** 2)

        t = np.linspace(-5.0, 5.0, 50)
        y = peak(t, 2.0, 0.0, 1.0) + np.resize(NOISE, 50)
        near = curve_fit(peak, t, y, p0=[1.0, 0.1, 1.0])
        date = 2.0**21  # a Julian date, exact in the sums below but for 2**-32
        far = curve_fit(lambda t, *p: peak(t - date, *p), t + date, y, p0=near.popt)
        shifted = far._fitted._replace(
            f=peak, popt=near.popt + np.array([0.0, date, 0.0]), pcov=near.pcov
        )
        far._state = shifted
        np.testing.assert_allclose(far.band(), near.band(), rtol=1e-5)

    def test_a_line_through_parameters_that_cannot_be_told_apart(self):
        result = curve_fit(lambda t, a, b: a + b * (t + 1e4), T, Y)
        plain = curve_fit(lambda t, a, b: a + b * t, T, Y)
        assert abs(result.correlation[0, 1]) > 0.9999
        # Forward differences of 1e-8 stand against a cancellation of 1e4 in pcov, twice.
        np.testing.assert_allclose(result.band(), plain.band(), rtol=1e-2)

    @pytest.mark.bundled  # the original knows no bounds
    def test_held_and_fixed_parameters_count_as_known(self):
        calls = []

        def watched(t, *p):
            calls.append(p)
            return decay(t, *p)

        lower, upper = np.array([0.0, 0.5, 0.0]), np.array([9.0, 0.5, 0.8])
        result = curve_fit(watched, T, Y, p0=[1.0, 0.5, 0.5], bounds=(lower, upper))
        calls.clear()
        band = result.band()
        expected = np.exp(-0.5 * T) * result.stderr[0]
        np.testing.assert_allclose(band, expected, rtol=1e-9)
        assert calls
        assert all((lower <= p).all() and (p <= upper).all() for p in calls)

    @pytest.mark.bundled  # the original knows no bounds
    def test_stays_within_bounds_that_are_near(self):
        free = curve_fit(decay, T, Y)
        calls = []

        def watched(t, *p):
            calls.append(p[2])
            return decay(t, *p)

        ceiling = free.popt[2] + 1e-3 * free.stderr[2]
        result = curve_fit(watched, T, Y, bounds=(-9.0, [9.0, 9.0, ceiling]))
        assert result.active_mask.tolist() == [0, 0, 0]
        calls.clear()
        # One-sided steps: their error is of the first order, 0.05 s f''/f'.
        np.testing.assert_allclose(result.band(), by_hand(T, result), rtol=0.02)
        assert max(calls) <= ceiling

    def test_is_infinite_where_the_covariance_is(self):
        with pytest.warns(UserWarning, match="does not depend"):
            result = curve_fit(lambda t, a, b: a + 0.0 * b + t, T, Y)
        assert np.isposinf(result.band()).all()

    def test_a_constant_stands_for_all(self):
        result = curve_fit(lambda t, a: a, T, Y)
        np.testing.assert_allclose(result.band(), np.full(40, result.stderr[0]), rtol=1e-9)
        np.testing.assert_allclose(result.band([1.0, 2.0]), np.full(2, result.stderr[0]), rtol=1e-9)

    def test_two_predictors(self):
        x = np.vstack([T, T**2])
        result = curve_fit(lambda x, a, b: a * x[0] + b * x[1], x, Y)
        expected = np.sqrt(np.einsum("ik,ij,jk->k", x, result.pcov, x))
        np.testing.assert_allclose(result.band(), expected, rtol=1e-9)
        np.testing.assert_allclose(result.band(x[:, 5:7]), expected[5:7], rtol=1e-9)

    def test_covers_as_often_as_it_says(self):
        rng = np.random.default_rng(3)
        truth, truth_at_4 = decay(T, 3.0, 0.5, 1.0), decay(4.0, 3.0, 0.5, 1.0)
        within = 0
        for _ in range(200):
            result = curve_fit(decay, T, truth + 0.1 * rng.standard_normal(40), sigma=0.1,
                               absolute_sigma=True)  # fmt: skip
            within += np.abs(decay(4.0, *result.popt) - truth_at_4) < result.band(4.0)
        # 68.3 % of 200, within four standard deviations of a count, 6.6.
        assert 110 <= within <= 163


class TestPlot:
    @pytest.fixture
    def figure(self):
        matplotlib = pytest.importorskip("matplotlib.figure", reason="an optional extra")
        return matplotlib.Figure()

    def test_draws_data_fit_band_and_residuals(self, figure, tmp_path):
        result = curve_fit(decay, T, Y, sigma=0.05)
        upper, lower = result.plot(figure)
        data, residuals = (axes.containers[0].lines[0].get_ydata() for axes in (upper, lower))
        np.testing.assert_array_equal(data, Y)
        np.testing.assert_allclose(residuals, Y - decay(T, *result.popt), atol=1e-15)
        fit = next(line for line in upper.lines if line.get_label() == "fit")
        x, y = fit.get_data()
        np.testing.assert_allclose(y, decay(x, *result.popt), rtol=1e-15)
        band = upper.collections[-1].get_paths()[0].vertices
        top = np.interp(5.0, x, y + result.band(x))
        assert np.isclose(band[:, 1], top, rtol=1e-3).any()
        assert upper.get_title() == "decay(t, amplitude, rate, offset)"
        assert lower.get_xlabel() == "t"
        figure.savefig(tmp_path / "fit.png")

    def test_a_model_that_knows_its_own_x_alone(self, figure):
        result = curve_fit(lambda t, a, b: a + b * T, T[::-1], Y)
        upper, _ = result.plot(figure)
        fit = next(line for line in upper.lines if line.get_label() == "fit")
        np.testing.assert_array_equal(fit.get_xdata(), T)

    def test_without_a_covariance_there_is_no_band(self, figure):
        with pytest.warns(UserWarning, match="does not depend"):
            result = curve_fit(lambda t, a, b: a + 0.0 * b + t, T, Y)
        upper, _ = result.plot(figure)
        assert [text.get_text() for text in upper.get_legend().get_texts()] == ["fit", "data"]

    def test_says_what_it_can_draw(self):
        result = curve_fit(lambda x, a, b: a * x[0] + b * x[1], np.vstack([T, T**2]), Y)
        with pytest.raises(ValueError, match=r"xdata are shape \(2, 40\)"):
            result.plot()

    def test_without_matplotlib(self, monkeypatch):
        original = builtins.__import__

        def without(name, *args, **kwargs):
            if name.partition(".")[0] == "matplotlib":
                raise ImportError(name)
            return original(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(ImportError, match="pip install matplotlib"):
            curve_fit(decay, T, Y).plot()
