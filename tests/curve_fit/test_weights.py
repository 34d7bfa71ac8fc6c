"""What `sigma` and `jac` of `curve_fit` do to residuals, covariance and Jacobian."""

import numpy as np
import pytest

from pyminpack import curve_fit

RNG = np.random.default_rng(20)
T = np.linspace(0.0, 4.0, 12)
DEVIATIONS = RNG.uniform(0.05, 0.3, 12)
Y = 1.0 + 2.0 * T + DEVIATIONS * RNG.standard_normal(12)
DESIGN = np.stack([np.ones(12), T], axis=1)
CORRELATED = 0.7 ** np.abs(np.subtract.outer(np.arange(12), np.arange(12))) * np.outer(
    DEVIATIONS, DEVIATIONS
)

FORMS = {
    "scalar": (0.2, 0.04 * np.eye(12)),
    "array of one": (np.array([0.2]), 0.04 * np.eye(12)),
    "list": (DEVIATIONS.tolist(), np.diag(DEVIATIONS**2)),
    "vector": (DEVIATIONS, np.diag(DEVIATIONS**2)),
    "matrix": (CORRELATED, CORRELATED),
    "Fortran-ordered matrix": (np.asfortranarray(CORRELATED), CORRELATED),
}


def line(t, a, b):
    return a + b * t


def line_jacobian(t, a, b):
    return DESIGN


def generalised_least_squares(covariance):
    """Aitken's estimator, by the formula in the books."""
    information = np.linalg.inv(covariance)
    pcov = np.linalg.inv(DESIGN.T @ information @ DESIGN)
    popt = pcov @ DESIGN.T @ information @ Y
    r = Y - DESIGN @ popt
    return popt, pcov, r @ information @ r


@pytest.mark.parametrize("absolute_sigma", [False, True])
@pytest.mark.parametrize("jac", [None, line_jacobian], ids=["differences", "jac"])
@pytest.mark.parametrize("form", FORMS)
def test_straight_line(form, jac, absolute_sigma):
    sigma, covariance = FORMS[form]
    popt, pcov, infodict, *_ = curve_fit(
        line, T, Y, sigma=sigma, absolute_sigma=absolute_sigma, jac=jac, full_output=True
    )
    expected, expected_pcov, chi2 = generalised_least_squares(covariance)
    # A forward difference of a straight line is right to half of the digits.
    assert popt == pytest.approx(expected, rel=1e-7)
    scale = 1.0 if absolute_sigma else chi2 / 10
    assert pcov == pytest.approx(expected_pcov * scale, rel=1e-6)
    assert infodict["fvec"] @ infodict["fvec"] == pytest.approx(chi2, rel=1e-10)


def test_residuals_of_correlated_data_are_whitened():
    """L⁻¹ times the residuals, L the lower Cholesky factor: which root it is shows in fvec."""
    popt, _, infodict, *_ = curve_fit(line, T, Y, sigma=CORRELATED, full_output=True)
    lower = np.linalg.cholesky(CORRELATED)
    assert lower @ infodict["fvec"] == pytest.approx(line(T, *popt) - Y, rel=1e-9)


@pytest.mark.parametrize("m", [63, 64, 65, 200, 301])
def test_large_covariance(m):
    """Beyond 64 data the Cholesky factor is inverted by halves."""
    t = np.linspace(0, 1, m)
    rng = np.random.default_rng(m)
    root = np.tril(rng.uniform(-1, 1, (m, m)) / np.sqrt(m)) + np.eye(m)
    y = line(t, 1, 2) + root @ rng.standard_normal(m)
    popt, _, infodict, *_ = curve_fit(line, t, y, sigma=root @ root.T, full_output=True)
    # Backward error of a triangular solve: m*eps*|L||x|, with entries of L and x of order 1.
    assert root @ infodict["fvec"] == pytest.approx(line(t, *popt) - y, abs=m * m * 2.0**-52)


def test_infinite_deviation_leaves_an_observation_out():
    wild = Y.copy()
    wild[4] = 1e6
    sigma = DEVIATIONS.copy()
    sigma[4] = np.inf
    keep = np.arange(12) != 4
    without, _ = curve_fit(line, T[keep], Y[keep], sigma=DEVIATIONS[keep])
    assert curve_fit(line, T, wild, sigma=sigma)[0] == pytest.approx(without, rel=1e-7)


def test_covariance_of_a_single_observation():
    """By its shape, (1, 1) is (M, M): a variance."""
    _, pcov = curve_fit(lambda t, a: a, [0.0], [3.0], sigma=[[4.0]], absolute_sigma=True)
    assert pcov == pytest.approx(np.array([[4.0]]), rel=1e-7)
    _, pcov = curve_fit(lambda t, a: a, [0.0], [3.0], sigma=[4.0], absolute_sigma=True)
    assert pcov == pytest.approx(np.array([[16.0]]), rel=1e-7)


def test_arguments_are_not_written_to():
    sigma, y, t = CORRELATED.copy(), Y.copy(), T.copy()
    for array in (sigma, y, t):
        array.flags.writeable = False
    curve_fit(line, t, y, sigma=sigma)
    curve_fit(line, t, y, sigma=sigma[0] + 1)


@pytest.mark.parametrize(
    ("sigma", "text"),
    [
        (np.ones(11), r"sigma has incorrect shape \(11,\)"),
        (np.ones((12, 1)), r"sigma has incorrect shape \(12, 1\)"),
        ([[0.1]], r"sigma has incorrect shape \(1, 1\)"),
        (np.where(T == 0, 0.0, 1.0), r"sigma\[0\] is 0.0"),
        (np.where(T == 0, np.nan, 1.0), r"sigma\[0\] is nan"),
        (0.0, "sigma is 0.0"),
        (-np.eye(12), "sigma must be positive definite"),
        (np.ones((12, 12)), "sigma must be positive definite"),
        (np.full((12, 12), np.nan), r"sigma must not contain infs or NaNs: sigma\[0, 0\]"),
    ],
)
def test_unusable_sigma(sigma, text):
    with pytest.raises(ValueError, match=text):
        curve_fit(line, T, Y, sigma=sigma)


class TestJacobian:
    @pytest.mark.parametrize("form", [None, *FORMS])
    def test_derivatives_down_the_columns(self, form):
        sigma = None if form is None else FORMS[form][0]
        popt, pcov = curve_fit(line, T, Y, sigma=sigma, jac=line_jacobian)
        down = curve_fit(line, T, Y, sigma=sigma, jac=lambda *_: DESIGN.T, col_deriv=True)
        assert down[0].tolist() == popt.tolist()
        assert down[1].tolist() == pcov.tolist()

    @pytest.mark.parametrize("sigma", [None, 0.2, DEVIATIONS, CORRELATED], ids=type)
    @pytest.mark.parametrize("col_deriv", [False, True])
    def test_one_parameter(self, sigma, col_deriv):
        """(M,) derivatives will do."""
        expected = curve_fit(lambda t, a: a * t, T, Y, sigma=sigma)[0]
        popt, _ = curve_fit(
            lambda t, a: a * t, T, Y, sigma=sigma, jac=lambda t, a: t, col_deriv=col_deriv
        )
        assert popt == pytest.approx(expected, rel=1e-7)

    def test_gets_xdata_and_parameters(self):
        seen = []

        def jac(t, *p):
            seen.append((t, p))
            return DESIGN

        curve_fit(line, T.tolist(), Y, [3.0, 4.0], jac=jac)
        assert seen[0][0].tolist() == T.tolist()
        assert seen[0][1] == (3.0, 4.0)

    def test_kept_by_the_caller(self):
        """Weighting must not write into what jac returns, which may be the same each time."""
        design = DESIGN.copy()
        for sigma in (None, 0.2, DEVIATIONS, CORRELATED):
            curve_fit(line, T, Y, sigma=sigma, jac=lambda *_: design)
        assert design.tolist() == DESIGN.tolist()

    @pytest.mark.parametrize("sigma", [None, DEVIATIONS, CORRELATED], ids=type)
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (np.ones((12, 3)), r"jac returned shape \(12, 3\); want \(12, 2\) = \(M, N\)"),
            (DESIGN.T, r"jac returned shape \(2, 12\); want \(12, 2\)"),
            (T, r"jac returned shape \(12,\)"),
            (None, "jac returned NoneType"),
            (1j * DESIGN, "jac returned ndarray of dtype complex128"),
        ],
    )
    def test_unusable_value(self, sigma, value, text):
        with pytest.raises(TypeError, match=text):
            curve_fit(line, T, Y, sigma=sigma, jac=lambda *_: value)
