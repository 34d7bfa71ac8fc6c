"""Agreement with the installed `scipy.optimize.curve_fit` over random fits, in every combination.

SciPy cannot weight a Jacobian by a scalar `sigma` ("expected square matrix"); it gets M equal ones.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyminpack import curve_fit

optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy's curve_fit")

# The same problems at every run; a failing one is shrunk and printed.
REPRODUCIBLE = settings(derandomize=True, deadline=None, database=None, max_examples=20)

# The last step is a 1e-6th of a standard error; forward differences and rounding add less to it.
TOLERANCES = {"ftol": 1e-12, "xtol": 1e-12}
CLOSE = 1e-5


def line(x, a, b):
    return a + b * x


def line_jacobian(x, a, b):
    return np.stack([np.ones_like(x), x], axis=1)


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def decay_jacobian(x, a, b, c):
    e = np.exp(-b * x)
    return np.stack([e, -a * x * e, np.ones_like(x)], axis=1)


def plane(x, a, b, c):
    return a + b * x[0] + c * x[1] ** 2


def plane_jacobian(x, a, b, c):
    return np.stack([np.ones_like(x[0]), x[0], x[1] ** 2], axis=1)


MODELS = {"line": (line, line_jacobian), "decay": (decay, decay_jacobian)}
MODELS["plane"] = (plane, plane_jacobian)


class Problem(NamedTuple):
    """A model and data that it describes, up to noise."""

    f: object
    jac: object
    x: np.ndarray
    y: np.ndarray
    p0: np.ndarray | None
    deviations: np.ndarray  # (M,)
    covariance: np.ndarray  # (M, M)


@st.composite
def problems(draw):
    f, jac = MODELS[draw(st.sampled_from(sorted(MODELS)))]
    m = draw(st.integers(12, 25))  # enough for every fit to have one clear minimum
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = np.linspace(0, 4, m) if f is not plane else np.stack([np.linspace(0, 4, m), rng.random(m)])
    truth = rng.uniform(0.5, 2.0, 2 if f is line else 3)
    y = f(x, *truth) + 0.02 * rng.standard_normal(m)
    p0 = truth * rng.uniform(0.7, 1.4, truth.size) if draw(st.booleans()) else None
    deviations = rng.uniform(0.02, 0.2, m)
    correlation = 0.6 ** np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    return Problem(f, jac, x, y, p0, deviations, correlation * np.outer(deviations, deviations))


def with_gaps(problem, gaps):
    """Set what `gaps` counts from the end to NaN, in y and in x."""
    x, y = problem.x.copy(), problem.y.copy()
    if gaps:
        y[-gaps] = np.nan
        x[..., -1] = np.nan
    return problem._replace(x=x, y=y)


def outcome(fit, problem, **options):
    """Return popt, pcov, infodict, ier; or the type of the exception."""
    try:
        popt, pcov, infodict, _, ier = fit(
            problem.f, problem.x, problem.y, problem.p0, full_output=True, **TOLERANCES, **options
        )
    except (ValueError, TypeError, RuntimeError) as error:
        return type(error)
    return popt, pcov, infodict, ier


@pytest.mark.parametrize("nan_policy", [None, "raise", "omit"])
@pytest.mark.parametrize("analytic", [False, True], ids=["differences", "jac"])
@pytest.mark.parametrize("absolute_sigma", [False, True], ids=["relative", "absolute"])
@pytest.mark.parametrize("form", ["none", "scalar", "vector", "matrix"])
@REPRODUCIBLE
@given(problem=problems(), gaps=st.integers(0, 2))
def test_same_result(form, absolute_sigma, analytic, nan_policy, problem, gaps):
    problem = with_gaps(problem, gaps)
    sigma = {
        "none": None,
        "scalar": float(problem.deviations[0]),
        "vector": problem.deviations,
        "matrix": problem.covariance,
    }[form]
    scipys_sigma = np.full(problem.y.size, sigma) if form == "scalar" else sigma
    options = {
        "absolute_sigma": absolute_sigma,
        "jac": problem.jac if analytic else None,
        "nan_policy": nan_policy,
    }
    theirs = outcome(optimize.curve_fit, problem, sigma=scipys_sigma, **options)
    ours = outcome(curve_fit, problem, sigma=sigma, **options)

    if gaps and nan_policy != "omit":
        assert ours is theirs is ValueError
        return
    assert not isinstance(theirs, type)
    popt, pcov, infodict, ier = theirs
    errors = np.sqrt(np.diag(pcov))
    assert np.all(np.abs(ours[0] - popt) <= CLOSE * errors)
    assert np.all(np.abs(ours[1] - pcov) <= CLOSE * np.outer(errors, errors))
    fvec = infodict["fvec"]
    assert ours[2]["fvec"].shape == fvec.shape
    assert np.linalg.norm(ours[2]["fvec"] - fvec) <= CLOSE * np.linalg.norm(fvec)
    assert set(ours[2]) == set(infodict)
    assert {ours[3], ier} <= {1, 2, 3, 4}


@REPRODUCIBLE
@given(problem=problems(), bad=st.sampled_from([np.nan, np.inf, -np.inf]), in_x=st.booleans())
def test_check_finite(problem, bad, in_x):
    """Both refuse data that are not finite, whatever else was asked for."""
    (problem.x if in_x else problem.y)[..., 2] = bad
    for options in ({}, {"check_finite": True}, {"check_finite": True, "nan_policy": "omit"}):
        theirs = outcome(optimize.curve_fit, problem, **options)
        ours = outcome(curve_fit, problem, **options)
        assert ours is theirs is ValueError


@REPRODUCIBLE
@given(problem=problems(), dtype=st.sampled_from([np.float32, np.float64, list]))
def test_other_types_of_data(problem, dtype):
    """Both fit lists and float32 data in double precision."""
    convert = (lambda a: a.tolist()) if dtype is list else (lambda a: a.astype(dtype))
    problem = problem._replace(x=convert(problem.x), y=convert(problem.y))
    popt, pcov, *_ = outcome(optimize.curve_fit, problem)
    ours = outcome(curve_fit, problem)
    assert np.all(np.abs(ours[0] - popt) <= CLOSE * np.sqrt(np.diag(pcov)))
    assert ours[0].dtype == popt.dtype == np.float64


@REPRODUCIBLE
@given(problem=problems(), size=st.integers(1, 3))
def test_few_data(problem, size):
    """As many data as parameters leave no estimate, unless sigma is known; fewer, no fit."""
    problem = problem._replace(x=problem.x[..., :size], y=problem.y[:size], f=line, jac=None)
    if problem.x.ndim > 1:
        problem = problem._replace(x=problem.x[0])
    problem = problem._replace(p0=None)
    theirs = outcome(optimize.curve_fit, problem, sigma=0.1, absolute_sigma=True)
    ours = outcome(curve_fit, problem, sigma=0.1, absolute_sigma=True)
    if size == 1:
        assert ours is theirs is TypeError
        return
    errors = np.sqrt(np.diag(theirs[1]))
    assert np.all(np.abs(ours[0] - theirs[0]) <= CLOSE * errors)
    assert np.all(np.abs(ours[1] - theirs[1]) <= CLOSE * np.outer(errors, errors))
