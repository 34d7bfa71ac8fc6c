"""_minpack.Stepper: a fit that is answered from Python, call by call."""

import numpy as np
import pytest
from fits import DECAY_START, decay, decay_jacobian

from pyminpack import _minpack, leastsq

pytestmark = pytest.mark.bundled  # compares with our own loop


def factors(j, f):
    """J P = Q R in place, as `leastsq` does it for a small J."""
    r, qtf = np.array(j, order="F"), f.copy()
    n = r.shape[1]
    ipvt, acnorm = np.empty(n, np.int32), np.empty(n)
    _minpack.qrfac(r, qtf, ipvt, acnorm, np.empty(n), np.empty(n))
    return r, ipvt, qtf[:n], acnorm


def answer(fit, func, jacobian):
    """Answer until it stops: the points that became x, with their norms and regions."""
    points = []
    trial = None
    while fit.request != "stop":
        if fit.request == "residual":
            trial = func(fit.x_trial)
            fit.residual(_minpack.enorm(trial))
            if fit.accepted:
                f = trial
                points.append((*fit.x, fit.fnorm, fit.delta, fit.par))
        else:
            fit.jacobian(*factors(jacobian(fit.x), f))
    return points


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"factor": 0.1, "ftol": 1e-3},
        {"diag": [3.0, 0.5]},
        {"maxfev": 4},
        {"bounds": ([0.0, 0.0], [1.9, 9.0])},
        {"gtol": 0.9},
        {"ftol": -1.0},
    ],
    ids=repr,
)
def test_same_fit(options):
    """Protects the path, to the bit: the loop and its caller are not to differ."""
    start = np.array(DECAY_START)
    told = []
    expected = leastsq(
        decay, start, Dfun=decay_jacobian, full_output=True, callback=told.append, **options
    )
    fit = _minpack.Stepper(start, **options)
    points = answer(fit, decay, decay_jacobian)
    np.testing.assert_array_equal(fit.x, expected[0])
    nfev = expected[2]["nfev"] if expected[4] else 0  # improper input is seen before any call
    assert (fit.info, fit.nfev, fit.njev) == (expected[4], nfev, expected[2]["njev"])
    assert [p[-2] for p in points[1:]] == [it.delta for it in told]


def test_without_a_value():
    """Protects the region that shrinks where there are no residuals, and the end of it."""
    fit = _minpack.Stepper([1.0, 2.0])
    fit.residual(5.0)
    fit.jacobian(np.eye(2), [1, 2], [3.0, 4.0], [1.0, 1.0])
    first = fit.delta
    fit.residual(np.nan)
    assert fit.request == "residual"
    assert not fit.accepted
    assert fit.delta == first / 4
    while fit.request == "residual":
        fit.residual(np.inf)
    assert fit.info == 9
    np.testing.assert_array_equal(fit.x, [1.0, 2.0])


def test_arrays_are_copies():
    start = np.array([1.0, 2.0])
    fit = _minpack.Stepper(start)
    for array in (start, fit.x, fit.x_trial, fit.diag):
        array[:] = 7.0
    np.testing.assert_array_equal(fit.x, [1.0, 2.0])
    np.testing.assert_array_equal(fit.x_trial, [1.0, 2.0])


class TestMisuse:
    def test_out_of_turn(self):
        fit = _minpack.Stepper([1.0])
        with pytest.raises(ValueError, match="waits for 'residual', not for 'jacobian'"):
            fit.jacobian([[1.0]], [1], [1.0], [1.0])
        fit.residual(1.0)
        with pytest.raises(ValueError, match="waits for 'jacobian', not for 'residual'"):
            fit.residual(1.0)
        assert (fit.nfev, fit.njev) == (1, 0)

    @pytest.mark.parametrize(
        ("position", "value", "match"),
        [
            (0, np.eye(3), "r is not of order 2"),
            (0, np.ones((1, 2)), "r is not of order 2"),
            (1, [1, 2, 3], "ipvt is not of order 2"),
            (1, [1, 1], "ipvt is no permutation"),
            (1, [0, 1], "ipvt is no permutation"),
            (2, [1.0], "qtf is not of order 2"),
            (3, np.ones(3), "acnorm is not of order 2"),
        ],
    )
    def test_factors(self, position, value, match):
        """Protects memory: a pivot out of range would lead out of it."""
        fit = _minpack.Stepper([1.0, 2.0])
        fit.residual(1.0)
        given = [np.eye(2), [1, 2], [1.0, 1.0], [1.0, 1.0]]
        given[position] = value
        with pytest.raises(ValueError, match=match):
            fit.jacobian(*given)
        assert fit.request == "jacobian"

    @pytest.mark.parametrize(
        ("options", "error", "match"),
        [
            ({"x0": [np.nan]}, ValueError, "x0"),
            ({"x0": ["one"]}, TypeError, "x0"),
            ({"x0": [1.0], "diag": [0.0]}, ValueError, "diag"),
            ({"x0": [1.0], "bounds": (2.0, 3.0)}, ValueError, "infeasible"),
            ({"x0": [1.0], "ftol": "small"}, TypeError, "real number"),
        ],
    )
    def test_arguments(self, options, error, match):
        with pytest.raises(error, match=match):
            _minpack.Stepper(**options)
