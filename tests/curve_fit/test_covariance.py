"""The covariance of `curve_fit` for data, uncertainties and parameters of any size.

The truth is that of the same fit in moderate units: powers of two change no digit of it.
"""

import warnings

import numpy as np
import pytest

from pyminpack import OptimizeWarning, curve_fit

T = np.linspace(0.5, 6.0, 12)
Y = 3.0 * np.exp(-0.4 * T) + 0.02 * np.cos(9 * T)
SIGMA = 0.02 + 0.01 * T
FAR = [2.0**600, 2.0**-600, 2.0**900, 2.0**-900]
BOUNDS = {
    "free": ((-np.inf, np.inf), 2),
    "inside": ((0, np.inf), 2),
    "at a bound": (([-np.inf, -np.inf, 0.0], np.inf), 3),
}


def decay(t, amplitude, rate, offset=0.0):
    return amplitude * np.exp(-rate * t) + np.max(amplitude) * offset


@pytest.fixture(
    params=[
        name if name == "free" else pytest.param(name, marks=pytest.mark.bundled) for name in BOUNDS
    ]
)
def case(request):
    """The start, and the fit from there."""
    bounds, n = BOUNDS[request.param]
    start = [2.5, 0.5, 0.0][:n]

    def reference(y, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            return curve_fit(decay, T, y, start, bounds=bounds, ftol=1e-13, xtol=1e-13, **options)

    return start, reference


@pytest.mark.parametrize("unit", FAR)
class TestUnits:
    def test_of_sigma(self, case, unit):
        """The ratios within sigma are all that counts."""
        start, reference = case
        y = Y - 0.1 * (len(start) == 3)
        popt, pcov = reference(y, sigma=SIGMA)
        scaled, its = reference(y, sigma=SIGMA * unit)
        np.testing.assert_allclose(scaled, popt, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(its, pcov, rtol=1e-6)

    def test_of_data(self, unit):
        """Where the variance of the amplitude is no number, that of the rate still is."""
        popt, pcov = curve_fit(decay, T, Y, [1.0, 1.0])
        with pytest.warns(OptimizeWarning) as caught:
            scaled, its = curve_fit(decay, T, Y * unit, [unit, 1.0])
        np.testing.assert_allclose(scaled, popt * [unit, 1], rtol=1e-7)
        np.testing.assert_allclose(its[1, 1], pcov[1, 1], rtol=1e-6)
        np.testing.assert_allclose(its[0, 1], pcov[0, 1] * unit, rtol=1e-6)
        assert its[0, 0] == (np.inf if unit > 1 else 0)
        (text,) = (str(warning.message) for warning in caught)
        assert f"standard error {np.sqrt(pcov[0, 0]) * unit:.2}"[:-6] in text
        assert "ariance of parameter 0 (amplitude), the square of" in text
        assert "beyond the range of double precision: choose other units" in text

    def test_known_sigma_of_data_in_the_same_unit(self, unit):
        _, pcov = curve_fit(decay, T, Y, [1.0, 1.0], SIGMA, absolute_sigma=True)
        with pytest.warns(OptimizeWarning, match="parameter 0"):
            _, its = curve_fit(decay, T, Y * unit, [unit, 1], SIGMA * unit, absolute_sigma=True)
        np.testing.assert_allclose(its[1, 1], pcov[1, 1], rtol=1e-6)


@pytest.mark.parametrize("unit", [2.0**400, 2.0**-400, 2.0**200])
def test_no_warning_where_the_variance_is_a_number(unit):
    _, pcov = curve_fit(decay, T, Y, [1.0, 1.0])
    _, its = curve_fit(decay, T, Y * unit, [unit, 1.0])
    np.testing.assert_allclose(its, pcov * np.outer([unit, 1], [unit, 1]), rtol=1e-6)


def test_exact_data_have_none():
    _, pcov = curve_fit(lambda t, a: a * t, T, 2 * T, [2.0])
    assert pcov == 0
