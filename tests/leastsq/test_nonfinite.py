"""NaN and infinity: at the start, in a trial, in the Jacobian, and for good on the way."""

import re

import numpy as np
import pytest
from fits import DECAY_START, EXACT_DECAY, Recorder, decay, decay_jacobian

from pyminpack import leastsq

BAD = pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
DERIVATIVE = pytest.mark.parametrize(
    "derivative", [None, decay_jacobian], ids=["differences", "Dfun"]
)


def spoiled(values, where, bad):
    """A copy with one or more bad entries."""
    values = np.array(values)
    values[where] = bad
    return values


class TestAtTheStart:
    @BAD
    @DERIVATIVE
    def test_raises_and_names_the_first_bad_residual(self, bad, derivative):
        """Protects against SciPy's silent return of the start as a success."""
        func = Recorder(lambda x: spoiled(decay(x), [7, 9], bad))
        with pytest.raises(ValueError, match=r"\b7\b") as caught:
            leastsq(func, DECAY_START, Dfun=derivative)
        assert "func" in str(caught.value)
        assert func.count == 1

    @BAD
    @DERIVATIVE
    def test_full_output_returns_the_start(self, bad, derivative):
        """Protects what lmfit relies on: all of it comes back as values."""
        func = Recorder(lambda x: spoiled(decay(x), [7, 9], bad))
        start = np.array(DECAY_START)
        x, cov_x, info, mesg, ier = leastsq(func, start, Dfun=derivative, full_output=True)
        np.testing.assert_array_equal(x, start)
        assert x is not start
        assert (cov_x, ier) == (None, 9)
        assert info["nfev"] == func.count == 1
        np.testing.assert_array_equal(info["fvec"], func.values[0])
        assert "func" in mesg
        assert "7" in mesg

    @BAD
    def test_single_residual(self, bad):
        """Protects the smallest fit of all, and the scalar path into it."""
        with pytest.raises(ValueError, match="func"):
            leastsq(lambda x: bad, 1.0)


class TestInATrial:
    @BAD
    @pytest.mark.parametrize("with_derivative", [False, True])
    def test_domain_error_is_a_bad_step(self, bad, with_derivative):
        """Protects models with a domain: the step is rejected, the region shrinks, the fit goes on.

        From x = 10 the Gauss-Newton step for log(x) = 0 leads to 10 - 10·log(10) < 0.
        """

        def log(x):
            return np.array([np.log(x[0]) if x[0] > 0.0 else bad, 0.0])

        func = Recorder(log)
        x, _, info, _, ier = leastsq(
            func,
            [10.0],
            Dfun=(lambda x: np.array([[1.0 / x[0]], [0.0]])) if with_derivative else None,
            full_output=True,
        )
        assert ier in {1, 2, 3, 4}
        # Zero residual: converges quadratically, so that xtol = 1.5e-8 leaves 1e-7 at most.
        np.testing.assert_allclose(x, [1.0], rtol=1e-7)
        assert np.isfinite(info["fvec"]).all()
        trials = [k for k, value in enumerate(func.values) if not np.isfinite(value).all()]
        assert trials
        # The first step fixes the bound; the next try is shorter by more than lmpar's 10 % slack.
        failed, following = (abs(func.points[trials[0] + k][0] - 10.0) for k in (0, 1))
        assert 0.0 < following < 0.75 * failed

    @pytest.mark.parametrize("where", [0, 5, 11])
    @BAD
    def test_one_bad_residual_is_enough(self, where, bad):
        """Protects against a single bad residual among good ones, at any place."""
        reference, _ = leastsq(decay, DECAY_START, Dfun=decay_jacobian)
        func = Recorder(lambda x: spoiled(decay(x), where, bad) if func.count == 2 else decay(x))
        x, ier = leastsq(func, DECAY_START, Dfun=decay_jacobian)
        assert ier in {1, 2, 3, 4}
        # Another path to the same minimum: ftol = 1.5e-8 leaves its root in the parameters.
        np.testing.assert_allclose(x, reference, rtol=1e-4)

    @BAD
    @pytest.mark.parametrize("where", [0, 11, [3, 4], slice(None)], ids=repr)
    def test_path_does_not_depend_on_what_is_bad(self, bad, where):
        """Protects the intent: no kind, place or number of bad values makes a step less bad."""

        def fit(worst, place):
            func = Recorder(
                lambda x: spoiled(decay(x), place, worst) if func.count in {2, 3, 6} else decay(x)
            )
            leastsq(func, DECAY_START, Dfun=decay_jacobian)
            return np.array(func.points)

        np.testing.assert_array_equal(fit(bad, where), fit(np.nan, 5))

    @BAD
    def test_overflow_of_the_norm_is_no_success(self, bad):
        """Protects finite residuals whose squares overflow: their norm is still a number."""
        func = Recorder(lambda x: np.full(12, 1e300) if func.count == 2 else decay(x))
        x, ier = leastsq(func, DECAY_START, Dfun=decay_jacobian)
        assert ier in {1, 2, 3, 4}
        np.testing.assert_allclose(decay(x) @ decay_jacobian(x), 0.0, atol=1e-3)


class TestForGood:
    @BAD
    @pytest.mark.parametrize("last", [1, 2, 3, 4, 5, 6, 7])
    @pytest.mark.parametrize("xtol", [0.0, 1e-8])
    def test_best_point_and_no_success(self, bad, last, xtol):
        """Protects a fit that can go no further: the best point so far, and `ier` 9."""
        func = Recorder(
            lambda x: decay(x) if func.count <= last else spoiled(decay(x), slice(None), bad)
        )
        x, cov_x, info, mesg, ier = leastsq(
            func, DECAY_START, Dfun=decay_jacobian, full_output=True, ftol=0.0, xtol=xtol
        )
        norms = [np.linalg.norm(value) for value in func.values[:last]]
        best = int(np.argmin(norms))
        np.testing.assert_array_equal(x, func.points[best])
        np.testing.assert_array_equal(info["fvec"], func.values[best])
        assert ier == 9
        assert cov_x is None
        assert "func" in mesg
        assert info["nfev"] == func.count

    @BAD
    @pytest.mark.parametrize("last", [4, 5, 7, 10])
    def test_with_differences(self, bad, last):
        """Protects the same with differences, where a column may be the first to go bad."""
        func = Recorder(
            lambda x: decay(x) if func.count <= last else spoiled(decay(x), slice(None), bad)
        )
        x, cov_x, info, _, ier = leastsq(func, DECAY_START, full_output=True)
        assert ier == 9
        assert cov_x is None
        assert np.isfinite(info["fvec"]).all()
        assert np.linalg.norm(info["fvec"]) <= np.linalg.norm(func.values[0])
        np.testing.assert_array_equal(info["fvec"], decay(x))

    def test_plain_call_raises(self):
        """Protects callers who do not look at ier."""
        func = Recorder(lambda x: decay(x) * (1.0 if func.count <= 4 else np.nan))
        with pytest.raises(ValueError, match="func"):
            leastsq(func, DECAY_START, Dfun=decay_jacobian)

    @pytest.mark.parametrize("maxfev", [0, 100_000])
    def test_from_the_origin(self, maxfev):
        """Protects against an endless fit where x is zero, and no step is small beside it."""
        func = Recorder(lambda x: np.array([1.0 if x[0] == 0.0 else np.nan, 2.0]))
        x, cov_x, info, _, ier = leastsq(
            func, [0.0], Dfun=lambda x: np.ones((2, 1)), maxfev=maxfev, full_output=True
        )
        np.testing.assert_array_equal(x, [0.0])
        np.testing.assert_array_equal(info["fvec"], [1.0, 2.0])
        assert cov_x is None
        assert ier in ({5, 9} if maxfev == 0 else {9})
        # Each trial is at most half as far as the one before: 1 / 2**1100 is zero.
        assert func.count < 1200


class TestJacobian:
    @BAD
    @pytest.mark.parametrize("column", [0, 1])
    @pytest.mark.parametrize("call", [1, 2, 4])
    @pytest.mark.parametrize("col_deriv", [False, True])
    def test_dfun(self, bad, column, call, col_deriv):
        """Protects against a Jacobian that is not finite, with its column, x and Dfun named."""

        def derivative(x):
            jacobian = decay_jacobian(x)
            if dfun.count == call:
                jacobian[8, column] = bad
            return jacobian.T if col_deriv else jacobian

        func, dfun = Recorder(decay), Recorder(derivative)
        x, cov_x, info, mesg, ier = leastsq(
            func, DECAY_START, Dfun=dfun, col_deriv=col_deriv, full_output=True
        )
        assert (cov_x, ier) == (None, 9)
        assert "Dfun" in mesg
        assert_names_column_and_point(mesg, column, dfun.points[-1])
        assert info["njev"] == dfun.count == call
        np.testing.assert_array_equal(x, dfun.points[-1])
        np.testing.assert_array_equal(info["fvec"], decay(x))

    def test_dfun_raises(self):
        """Protects the ValueError of the plain call."""
        with pytest.raises(ValueError, match="Dfun"):
            leastsq(decay, DECAY_START, Dfun=lambda x: np.full((12, 2), np.nan))

    @BAD
    @pytest.mark.parametrize("column", [0, 1, 2])
    def test_differences(self, bad, column):
        """Protects a start on the edge of func's domain, which a difference oversteps."""
        start = np.array([0.5, 0.25, 0.125])

        def edge(x):
            values = np.concatenate([x - 0.1, x * x])
            return spoiled(values, 4, bad) if x[column] > start[column] else values

        func = Recorder(edge)
        x, cov_x, info, mesg, ier = leastsq(func, start, full_output=True)
        assert (cov_x, ier) == (None, 9)
        assert "func" in mesg
        assert_names_column_and_point(mesg, column, start)
        np.testing.assert_array_equal(x, start)
        np.testing.assert_array_equal(info["fvec"], edge(start))
        assert info["nfev"] == func.count
        with pytest.raises(ValueError, match="func"):
            leastsq(edge, start)

    @DERIVATIVE
    @pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e160, 1e200])
    def test_squares_may_overflow(self, derivative, scale):
        """Protects finite numbers whose squares are not: they are no error, and no success."""
        x, ier = leastsq(
            lambda x: scale * decay(x, EXACT_DECAY),
            DECAY_START,
            Dfun=derivative and (lambda x: scale * derivative(x)),
        )
        assert ier in {1, 2, 3}
        # Zero residual: converges quadratically, so that ftol = 1.5e-8 leaves 1e-7 at most.
        np.testing.assert_allclose(x, [3.0, 0.7], rtol=1e-7)


def assert_names_column_and_point(mesg, column, x):
    """The text names the column, counted from 0, and the point to six digits or more."""
    assert re.search(rf"\bcolumn {column}\b", mesg)
    point = re.split(r"[,\s]+", mesg[mesg.index("[") + 1 : mesg.index("]")].strip())
    np.testing.assert_allclose(np.array(point, dtype=float), x, rtol=1e-6)
