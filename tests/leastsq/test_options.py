"""The numbers that steer `leastsq`: tolerances, maxfev, epsfcn, factor, diag; and `warning`."""

import warnings

import numpy as np
import pytest
from fits import (
    DECAY_START,
    EPS,
    EXACT_DECAY,
    TIMES,
    Recorder,
    decay,
    decay_jacobian,
    runaway,
    runaway_jacobian,
)

from pyminpack import leastsq

IMPROPER = "Improper input parameters."
# The original's machine precision is 2**-52 rounded to twelve digits, and so is its least step.
EXACT_CONSTANT = pytest.mark.bundled


def improper(**options):
    """The text of the error that improper options raise."""
    with pytest.raises(TypeError) as caught:
        leastsq(decay, DECAY_START, **options)
    return str(caught.value)


class TestTolerances:
    @pytest.mark.parametrize("name", ["ftol", "xtol", "gtol"])
    @pytest.mark.parametrize("value", [-1e-8, -1, -np.inf, np.nan])
    @pytest.mark.parametrize("derivative", [None, decay_jacobian], ids=["differences", "Dfun"])
    def test_negative_or_nan_is_improper(self, name, value, derivative):
        """Protects MINPACK's `info` 0, with the tolerance and its value named."""
        text = improper(**{name: value, "Dfun": derivative})
        assert text.startswith(IMPROPER)
        assert name in text
        assert str(value) in text or repr(float(value)) in text

    @pytest.mark.parametrize("name", ["ftol", "xtol", "gtol"])
    @pytest.mark.parametrize("value", ["small", 1j, [1e-8, 1e-8]], ids=repr)
    def test_no_number_is_a_type_error(self, name, value):
        """Protects a clear error that names the tolerance."""
        assert name in improper(**{name: value})

    @pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.asarray])
    def test_any_kind_of_number_will_do(self, kind):
        """Protects tolerances that come out of NumPy."""
        reference = leastsq(decay, DECAY_START, full_output=True, ftol=2.0**-20, xtol=0.0)
        fit = leastsq(decay, DECAY_START, full_output=True, ftol=kind(2.0**-20), xtol=kind(0))
        np.testing.assert_array_equal(fit[0], reference[0])
        assert fit[4] == reference[4] == 1

    @pytest.mark.parametrize(("name", "ier"), [("ftol", 1), ("xtol", 2), ("gtol", 4)])
    def test_each_stops_the_fit_by_itself(self, name, ier):
        """Protects the meaning of each tolerance: a looser one stops earlier, and says so."""
        calls = []
        for value in (0.1, 1e-8):
            tolerances = {"ftol": 0.0, "xtol": 0.0, "gtol": 0.0, name: value}
            fit = leastsq(decay, DECAY_START, full_output=True, **tolerances)
            assert fit[4] == ier
            calls.append(fit[2]["nfev"])
        assert calls[0] < calls[1]

    def test_loosest_tolerances_stop_after_one_step(self):
        """Protects the earliest stop: even with ftol = 1 one trial is made."""
        func = Recorder(decay)
        _, ier = leastsq(func, [2.5, 0.6], Dfun=decay_jacobian, ftol=1.0, xtol=0.0)
        assert ier == 1
        assert func.count == 2


class TestMaxfev:
    @pytest.mark.parametrize("maxfev", [0, -1, -400])
    @pytest.mark.parametrize("n", [1, 2])
    def test_default_with_differences(self, maxfev, n):
        """Protects 200·(N+1), differences counted: 1 + k·(N+1) calls after k iterations."""
        fit = leastsq(runaway, np.zeros(n), full_output=True, maxfev=maxfev)
        assert fit[4] == 5
        assert fit[2]["nfev"] == 1 + 200 * (n + 1)
        assert f"maxfev = {200 * (n + 1)}." in fit[3]

    @pytest.mark.parametrize("maxfev", [0, -1, -400])
    @pytest.mark.parametrize("n", [1, 2])
    def test_default_with_derivatives(self, maxfev, n):
        """Protects 100·(N+1): 1 + k calls after k iterations."""
        fit = leastsq(runaway, np.zeros(n), Dfun=runaway_jacobian, full_output=True, maxfev=maxfev)
        assert fit[4] == 5
        assert fit[2]["nfev"] == 100 * (n + 1)
        assert fit[2]["njev"] == 100 * (n + 1) - 1
        assert f"maxfev = {100 * (n + 1)}." in fit[3]

    @pytest.mark.parametrize("maxfev", [1, 2, 5, 6, 7, 50, 50.0, np.int64(50), np.float32(50)])
    def test_limit_is_kept_to_within_one_iteration(self, maxfev):
        """Protects the limit itself; MINPACK looks at it only after a trial."""
        func = Recorder(runaway)
        fit = leastsq(func, [0.0, 0.0], full_output=True, maxfev=maxfev)
        assert fit[4] == 5
        assert maxfev <= func.count == fit[2]["nfev"] <= maxfev + 3
        assert fit[3] == f"Number of calls to function has reached maxfev = {int(maxfev)}."

    @pytest.mark.parametrize("maxfev", [50.5, "many", np.nan, np.inf, 1j, [50, 60]], ids=repr)
    def test_no_whole_number_is_a_type_error(self, maxfev):
        """Protects a clear error that names maxfev, not a silent rounding."""
        with pytest.raises(TypeError, match="maxfev"):
            leastsq(runaway, [0.0, 0.0], maxfev=maxfev)

    @pytest.mark.parametrize("maxfev", [2**31, 2**40, 10**30, 1e30])
    def test_no_limit_is_too_high(self, maxfev):
        """Protects limits above MINPACK's 32-bit integers: no overflow into an improper one."""
        reference = leastsq(decay, DECAY_START, full_output=True)
        fit = leastsq(decay, DECAY_START, full_output=True, maxfev=maxfev)
        np.testing.assert_array_equal(fit[0], reference[0])
        assert fit[4] == reference[4]


class TestEpsfcn:
    @staticmethod
    def first_differences(kind=np.float64, **options):
        """The points at which the first three differences are taken, from (4, 0, -0.3)."""
        func = Recorder(lambda x: np.concatenate([x, x - 1.0]).astype(kind))
        leastsq(func, [4.0, 0.0, -0.3], **options)
        return np.array(func.points[1:4])

    @staticmethod
    def expected(step):
        """x + h·e_j with h = step·|x_j|, or step itself where x_j is zero."""
        x = np.array([4.0, 0.0, -0.3])
        points = np.tile(x, (3, 1))
        points[0, 0] += step * 4.0
        points[1, 1] += step
        points[2, 2] += step * 0.3
        return points

    @pytest.mark.parametrize("epsfcn", [1e-4, 1e-10, 0.01, 1])
    def test_step_is_the_root_times_the_variable(self, epsfcn):
        """Protects the length, the sign and the order of the differences, to the last bit."""
        points = self.first_differences(epsfcn=epsfcn)
        np.testing.assert_array_equal(points, self.expected(np.sqrt(epsfcn)))

    @EXACT_CONSTANT
    @pytest.mark.parametrize("epsfcn", [None, 0.0, 0, 1e-30, -1.0, EPS / 2, EPS])
    def test_never_below_machine_precision(self, epsfcn):
        """Protects the exact 2**-52, whose root is 2**-26, as the least epsfcn."""
        points = self.first_differences(epsfcn=epsfcn)
        np.testing.assert_array_equal(points, self.expected(2.0**-26))

    @pytest.mark.parametrize(
        ("kind", "eps"),
        [
            (np.float16, 2.0**-10),
            (np.float32, 2.0**-23),
            (">f4", 2.0**-23),
            pytest.param(np.float64, 2.0**-52, marks=EXACT_CONSTANT),
            pytest.param(">f8", 2.0**-52, marks=EXACT_CONSTANT),
            # More precise than the solver itself: the solver's precision counts.
            pytest.param(np.longdouble, 2.0**-52, marks=EXACT_CONSTANT),
            # Whole numbers have no eps of their own.
            pytest.param(np.int64, 2.0**-52, marks=EXACT_CONSTANT),
            pytest.param(np.int8, 2.0**-52, marks=EXACT_CONSTANT),
        ],
    )
    def test_default_follows_the_dtype_of_func(self, kind, eps):
        """Protects the default: the eps of what func returns."""
        np.testing.assert_array_equal(self.first_differences(kind), self.expected(np.sqrt(eps)))

    def test_list_of_floats_counts_as_double(self):
        """Protects the default for a func that returns no array."""
        func = Recorder(lambda x: [x[0] - 1.0, 0.5])
        leastsq(func, [3.0])
        assert func.points[1] == 3.0 + 3.0 * 2.0**-26

    @pytest.mark.parametrize(
        # Accuracy: a few units of the last place of the data, times the condition, near 10.
        ("kind", "tolerance"),
        [(np.float32, 1e-5), (np.float16, 0.05)],
    )
    def test_models_of_short_floats_fit(self, kind, tolerance):
        """Protects float32 and float16 models, whose differences at 2**-26 are all zero."""
        times, data = TIMES.astype(kind), EXACT_DECAY.astype(kind)

        def short(x):
            amplitude, rate = x.astype(kind)
            return amplitude * np.exp(-rate * times) - data

        x, ier = leastsq(short, [2.5, 0.6], ftol=1e-6, xtol=1e-6, maxfev=60)
        assert ier in {1, 2, 3, 4}
        np.testing.assert_allclose(x, [3.0, 0.7], rtol=tolerance)
        blind, _ = leastsq(short, [2.5, 0.6], epsfcn=EPS)
        np.testing.assert_array_equal(blind, [2.5, 0.6])

    @pytest.mark.parametrize("epsfcn", [np.nan, np.inf, -np.inf])
    def test_not_finite_is_improper(self, epsfcn):
        """Protects improper input, with epsfcn and its value named."""
        text = improper(epsfcn=epsfcn)
        assert text.startswith(IMPROPER)
        assert "epsfcn" in text
        assert str(epsfcn) in text

    @pytest.mark.parametrize("epsfcn", ["small", 1j, [1e-8, 1e-8]], ids=repr)
    def test_no_number_is_a_type_error(self, epsfcn):
        """Protects a clear error that names epsfcn."""
        assert "epsfcn" in improper(epsfcn=epsfcn)


def first_step(x0, **options):
    """The step to the first trial point of the decay fit, with derivatives."""
    func = Recorder(decay)
    leastsq(func, x0, Dfun=decay_jacobian, maxfev=2, full_output=True, **options)
    return func.points[1] - func.points[0]


def assert_on_the_bound(step, x0, diag, bound):
    """The step has length `bound` in the norm of `diag` (lmpar's 10 %) and solves its equation.

    It has to minimise ‖J p + f‖² on that ellipsoid: (JᵀJ + par·D²) p = -Jᵀf with one par > 0.
    """
    assert 0.9 * bound <= np.linalg.norm(diag * step) <= 1.1 * bound
    residual, jacobian = decay(x0), decay_jacobian(x0)
    gradient = jacobian.T @ (jacobian @ step + residual)
    scaled = diag**2 * step
    par = -(scaled @ gradient) / (scaled @ scaled)
    assert par > 0.0
    # The step is the difference of two points, with a relative error of eps·‖x‖/‖p‖ < 1e-12, and
    # the gradient a difference of terms as large as Jᵀf.
    terms = np.abs(jacobian).T @ np.abs(residual)
    assert np.all(np.abs(gradient + par * scaled) <= 1e-12 * terms + 1e-9 * np.abs(gradient))


class TestFactor:
    @pytest.mark.parametrize("factor", [1e-3, 0.1, np.float32(0.25)])
    def test_bounds_the_first_step(self, factor):
        """Protects the initial bound factor·‖D x‖, where D holds the Jacobian's column norms."""
        x0 = np.array([1.0, 1.5])
        diag = np.linalg.norm(decay_jacobian(x0), axis=0)
        bound = float(factor) * np.linalg.norm(diag * x0)
        assert_on_the_bound(first_step(x0, factor=factor), x0, diag, bound)

    def test_is_the_bound_itself_at_the_origin(self):
        """Protects the start from zero, where factor·‖D x‖ would forbid any step."""
        diag = np.array([1.0, 2.0])
        x0 = np.zeros(2)
        step = first_step(x0, factor=0.5, diag=diag)
        # At the origin the amplitude is zero and so is the second column of the Jacobian.
        assert step[1] == 0.0
        assert 0.45 <= abs(step[0]) <= 0.55

    @pytest.mark.parametrize("factor", [1e-6, 0.1, 1, 100, 1e6])
    def test_recommended_range_is_no_limit(self, factor):
        """Protects factors outside 0.1 … 100: slower at worst, and right."""
        x, ier = leastsq(lambda x: decay(x, EXACT_DECAY), [2.0, 0.5], factor=factor, maxfev=500)
        assert ier in {1, 2, 3}
        # Zero residual: converges quadratically, so that ftol = 1.5e-8 leaves 1e-7 at most.
        np.testing.assert_allclose(x, [3.0, 0.7], rtol=1e-7)

    @pytest.mark.parametrize("factor", [0.0, 0, -1.0, -np.inf, np.nan])
    def test_not_positive_is_improper(self, factor):
        """Protects MINPACK's `info` 0, with factor and its value named."""
        text = improper(factor=factor)
        assert text.startswith(IMPROPER)
        assert "factor" in text
        assert str(factor) in text or repr(float(factor)) in text

    @pytest.mark.parametrize("factor", ["large", 1j, None, [1.0, 2.0]], ids=repr)
    def test_no_number_is_a_type_error(self, factor):
        """Protects a clear error that names factor."""
        assert "factor" in improper(factor=factor)


class TestDiag:
    @pytest.mark.parametrize("form", [np.asarray, list, tuple, lambda d: np.repeat(d, 3)[::3]])
    @pytest.mark.parametrize("diag", [[1.0, 1.0], [3.0, 0.25], [1e-3, 1e3]], ids=repr)
    def test_scales_the_region_of_the_step(self, diag, form):
        """Protects MINPACK's mode 2: the first step is bounded in the norm that diag gives."""
        x0, diag = np.array([1.0, 1.5]), np.array(diag)
        step = first_step(x0, factor=0.05, diag=form(diag))
        assert_on_the_bound(step, x0, diag, 0.05 * np.linalg.norm(diag * x0))

    def test_whole_numbers_are_converted(self):
        """Protects integer scale factors."""
        np.testing.assert_array_equal(
            first_step([1.0, 1.5], factor=0.05, diag=[3, 2]),
            first_step([1.0, 1.5], factor=0.05, diag=[3.0, 2.0]),
        )

    def test_is_kept_during_the_fit(self):
        """Protects mode 2 to the end: the same fit in other units takes the same path."""
        units = np.array([2.0**10, 2.0**-7])
        plain, scaled = Recorder(decay), Recorder(lambda x: decay(x * units))
        leastsq(plain, DECAY_START, Dfun=decay_jacobian, diag=[1.0, 1.0], factor=0.1)
        leastsq(
            scaled,
            DECAY_START / units,
            Dfun=lambda x: decay_jacobian(x * units) * units,
            diag=units,
            factor=0.1,
        )
        assert scaled.count == plain.count
        # Powers of two scale without rounding, but the order of the pivots may differ.
        np.testing.assert_allclose(np.array(scaled.points) * units, plain.points, rtol=1e-9)

    @pytest.mark.parametrize(
        "diag",
        [
            [1.0],
            [1.0, 1.0, 1.0],
            [],
            1.0,
            [1.0, 0.0],
            [1.0, -1.0],
            [np.nan, 1.0],
            [1.0, np.inf],
            [1.0, -np.inf],
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("full_output", [False, True])
    def test_wrong_length_or_value(self, diag, full_output):
        """Protects the ValueError that names diag; SciPy reads past the end of a short one."""
        with pytest.raises(ValueError, match="diag"):
            leastsq(decay, DECAY_START, diag=diag, full_output=full_output)

    @pytest.mark.parametrize("diag", ["11", [1j, 1.0], [None, 1.0], {"a": 1.0}], ids=repr)
    def test_no_numbers(self, diag):
        """Protects a clear error that names diag."""
        with pytest.raises((TypeError, ValueError), match="diag"):
            leastsq(decay, DECAY_START, diag=diag)


class TestFlags:
    @pytest.mark.parametrize("name", ["full_output", "col_deriv", "warning"])
    def test_flag_without_a_truth_value(self, name):
        """Protects NumPy's own error for an array where a yes or no is wanted."""
        with pytest.raises(ValueError, match="truth value"):
            leastsq(decay, DECAY_START, Dfun=decay_jacobian, **{name: np.array([1, 2])})


class TestWarning:
    @pytest.mark.parametrize("maxfev", [10, 0], ids=["unsuccessful", "successful"])
    def test_false_is_deprecated_and_silences(self, maxfev):
        """Protects the legacy switch: no RuntimeWarning, and a pointer to `warnings`."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            leastsq(decay, DECAY_START, maxfev=maxfev, warning=False)
        assert [w.category for w in caught] == [DeprecationWarning]
        assert "warnings" in str(caught[0].message)
        assert caught[0].filename == __file__

    def test_true_says_nothing_of_a_good_fit(self):
        """Protects the silence of success."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            leastsq(decay, DECAY_START, warning=True)
        assert caught == []
