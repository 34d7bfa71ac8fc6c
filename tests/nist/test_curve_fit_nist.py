"""NIST's certified fits through `curve_fit`: parameters, and standard errors from `pcov`."""

import warnings

import numpy as np
import pytest

from pyminpack import OptimizeWarning, curve_fit
from pyminpack._nist.certify import correct_digits
from pyminpack._nist.datasets import datasets
from pyminpack._nist.reach import Settings, due, why_out_of_reach

RUNS = [(name, start) for name in datasets() for start in (1, 2)]

# A step of at most sqrt(ftol*dof) standard errors is left at the end (reach.py): 1e-4 of one with
# the most data. The standard errors change by a part of themselves that is as small.
TIGHT = {"ftol": 1e-10, "xtol": 1e-10, "maxfev": 10_000}
TIGHT_ERRORS = 1e-4
DEFAULT_ERRORS = 1e-3

# Lanczos1: residuals of 1e-13, differences of numbers rounded at 1e-16, have three digits.
# Lanczos2: the nearly dependent columns of its difference Jacobian leave 1.3e-4 with NumPy 1.26.
ERRORS = {"Lanczos1": 2e-3, "Lanczos2": 5e-4}


def fit(dataset, start, jacobian, **options):
    def f(x, *b):
        return dataset.fitted(np.array(b), x)

    def jac(x, *b):
        return dataset.jacobian(np.array(b)).T

    options["jac"] = {"analytic": jac, "difference": None}.get(jacobian, jacobian)
    return curve_fit(f, dataset.x, dataset.y, dataset.starts[start - 1], **options)


def errors_within(dataset, tolerance):
    return max(tolerance, ERRORS.get(dataset.name, 0.0))


@pytest.mark.bundled  # the original's rounded machine precision moves Lanczos3's difference steps
@pytest.mark.parametrize("jacobian", ["difference", "analytic"])
@pytest.mark.parametrize(("name", "start"), RUNS)
def test_certified_values(name, start, jacobian):
    dataset = datasets()[name]
    settings = Settings(jacobian=jacobian, **TIGHT)
    # A first step that is too long misses the certified minimum: what is done about it is factor.
    factor = 1 if why_out_of_reach(dataset, start, settings) else 100

    popt, pcov = fit(dataset, start, jacobian, factor=factor, **TIGHT)

    assert correct_digits(popt, dataset.parameters) >= due(dataset, settings).digits
    tolerance = errors_within(dataset, TIGHT_ERRORS)
    assert np.sqrt(np.diag(pcov)) == pytest.approx(dataset.standard_errors, rel=tolerance)


@pytest.mark.parametrize("jacobian", ["difference", "analytic"])
def test_two_at_most_need_a_shorter_first_step(jacobian):
    """Protects against help above that nobody notices."""
    settings = Settings(jacobian=jacobian, **TIGHT)
    helped = {run for run in RUNS if why_out_of_reach(datasets()[run[0]], run[1], settings)}
    assert helped <= {("BoxBOD", 1), ("MGH17", 1)}


@pytest.mark.parametrize("name", datasets())
def test_nearer_start_with_no_options(name):
    """What a user gets who sets nothing but the start."""
    dataset = datasets()[name]
    limit = {"maxfev": 2000} if name == "Bennett5" else {}  # a long way in a flat valley

    popt, pcov, infodict, _, ier = fit(dataset, 2, "difference", full_output=True, **limit)

    assert ier in {1, 2, 3}
    errors = np.sqrt(np.diag(pcov))
    tolerance = errors_within(dataset, DEFAULT_ERRORS)
    assert errors == pytest.approx(dataset.standard_errors, rel=tolerance)
    if name != "Lanczos1":  # whose parameters are certified to half a standard error
        assert np.all(np.abs(popt - dataset.parameters) < 0.01 * dataset.standard_errors)
        assert np.sum(infodict["fvec"] ** 2) == pytest.approx(dataset.rss, rel=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("jacobian", ["difference", "3-point", "cs", "analytic"])
@pytest.mark.parametrize(("name", "start"), RUNS)
def test_no_false_alarm(name, start, jacobian, weighted):
    """A warning where the fit has gone wrong, and nowhere else."""
    dataset = datasets()[name]
    sigma = 1 + np.arange(dataset.y.size) / dataset.y.size if weighted else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        popt, pcov = fit(dataset, start, jacobian, sigma=sigma, maxfev=10_000)
    if caught:
        assert (name, start) in {("BoxBOD", 1), ("MGH17", 1)}
        assert all(issubclass(warning.category, OptimizeWarning) for warning in caught)
        assert not np.allclose(popt, dataset.parameters, rtol=1e-1)
    else:
        assert np.all(np.isfinite(pcov))


def test_known_uncertainties_give_the_same_fit():
    """With sigma the certified scatter of the data, absolute or not makes no difference."""
    dataset = datasets()["Eckerle4"]
    sigma = np.sqrt(dataset.rss / dataset.dof)
    popt, pcov = fit(dataset, 2, "difference", sigma=sigma, absolute_sigma=True, **TIGHT)
    assert popt == pytest.approx(dataset.parameters, rel=1e-6)
    assert np.sqrt(np.diag(pcov)) == pytest.approx(dataset.standard_errors, rel=TIGHT_ERRORS)


def test_a_parameter_without_effect_is_named():
    """BoxBOD from start 1: the first step goes where the exponential is 0 in double precision."""
    with pytest.warns(OptimizeWarning, match="does not depend on parameter 1 = 110.949 where"):
        popt, pcov = fit(datasets()["BoxBOD"], 1, "difference")
    assert np.all(np.isinf(pcov))
    assert popt[0] == pytest.approx(np.mean(datasets()["BoxBOD"].y))
