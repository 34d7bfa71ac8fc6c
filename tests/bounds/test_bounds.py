"""Bounds: what they look like, that the model never sees a point outside, and where fits end."""

from types import SimpleNamespace

import numpy as np
import pytest
from fits import (
    DECAY_START,
    TIMES,
    Recorder,
    decay,
    decay_jacobian,
    decay_jacobian_columns,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pyminpack import leastsq
from pyminpack._nist.datasets import datasets

pytestmark = pytest.mark.bundled  # the original knows no bounds

INF = np.inf
TIGHT = {"ftol": 1e-14, "xtol": 1e-14}
JACOBIANS = {
    "forward": {},
    "analytic": {"Dfun": decay_jacobian},
    "columns": {"Dfun": decay_jacobian_columns, "col_deriv": True},
    "3-point": {"Dfun": "3-point"},
    "cs": {"Dfun": "cs"},
}
by_any_jacobian = pytest.mark.parametrize("by", JACOBIANS.values(), ids=JACOBIANS.keys())

# The unbounded solution of `decay` is (3.04, 0.71).
BOXES = {
    "amplitude too low": ([0, 0], [2, 3]),
    "rate too high": ([0, 0.9], [9, 3]),
    "both walled": ([0, 0.5], [2, 3]),
    "lower only": ([0.5, 0.9], INF),
    "upper only": (-INF, [2, 3]),
    "rate fixed": ([-INF, 1], [INF, 1]),
    "rate in one of two numbers": ([0, 1], [9, np.nextafter(1, 2)]),
    "narrower than a difference step": ([1 - 1e-10, 0], [1 + 2e-10, 9]),
    "nothing met": (-50, 50),
}
by_any_box = pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())


def solve(func, x0, bounds, **options):
    """Fit, and see to it that no point outside of the bounds was ever asked for."""
    lower, upper = (np.broadcast_to(side, np.shape(x0)) for side in bounds)
    watched = Recorder(func)
    if callable(options.get("Dfun")):
        options["Dfun"] = jacobian = Recorder(options["Dfun"])
    fit = leastsq(watched, x0, bounds=bounds, full_output=True, **options)
    points = watched.points + (jacobian.points if callable(options.get("Dfun")) else [])
    for point in [*points, fit[0]]:
        assert np.all(point.real >= lower)
        assert np.all(point.real <= upper)
    assert fit[2]["nfev"] == watched.count
    return fit


def slopes(func_value, jacobian):
    """Cosines between the residuals and the Jacobian's columns, (N,)."""
    norms = np.linalg.norm(jacobian, axis=0) * np.linalg.norm(func_value)
    return jacobian.T @ func_value / np.where(norms > 0, norms, 1.0)


def assert_optimal(x, cosines, bounds, tolerance):
    """Karush-Kuhn-Tucker: no descent along a free variable, none away from a bound."""
    lower, upper = (np.broadcast_to(side, x.shape) for side in bounds)
    assert np.all((cosines >= -tolerance) | (x == upper))
    assert np.all((cosines <= tolerance) | (x == lower))


class TestNeverOutside:
    @by_any_jacobian
    @by_any_box
    def test_ends_at_a_minimum(self, box, by):
        x, _, info, _, ier = solve(decay, DECAY_START, box, **by, **TIGHT)
        assert ier in {1, 2, 3, 4}
        # The square of a cosine is the reduction of the sum of squares still to be had: 1e-14, by
        # ftol. Forward differences are wrong by 1e-8 of the model, a tenfold of the residuals.
        tolerance = 1e-7 if "Dfun" in by else 1e-6
        assert_optimal(x, slopes(info["fvec"], decay_jacobian(x)), box, tolerance)
        np.testing.assert_array_equal(info["fvec"], decay(x))

    @by_any_jacobian
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_any_box_and_start(self, by, data):
        """Starts on a bound, boxes of one point, and far ones where the model overflows."""
        lower, upper, start = np.empty((3, 2))
        number = st.floats(-20, 20)
        for j in range(2):
            lower[j], start[j], upper[j] = sorted(data.draw(st.tuples(number, number, number)))
            side = data.draw(st.sampled_from(["free", "lower", "upper", "fixed"]))
            if side == "lower":
                start[j] = lower[j]
            elif side == "upper":
                start[j] = upper[j]
            elif side == "fixed":
                lower[j] = upper[j] = start[j]
        func = Recorder(decay)
        with np.errstate(all="ignore"):
            *_, info, _, ier = solve(func, start, (lower, upper), **by)
        # 5: a valley between bounds, where exp(80) rounds; 6 to 8: the same. The best point stays.
        assert 1 <= ier <= 8
        # What ftol leaves open a landing on a bound may cost.
        first = np.sum(decay(func.points[0]) ** 2)
        assert np.sum(info["fvec"] ** 2) <= (1 + 1.49012e-8) ** 2 * first


class TestForms:
    @pytest.mark.parametrize(
        "bounds",
        [
            ([0, 0], [2, 2]),
            (0, 2),
            [[0], [2]],
            np.array([[0.0, 0.0], [2.0, 2.0]]),
            (np.float32(0), (2, 2)),
            SimpleNamespace(lb=[0, 0], ub=2),
        ],
        ids=repr,
    )
    def test_same_bounds_same_fit(self, bounds):
        reference = leastsq(decay, DECAY_START, bounds=([0.0, 0.0], [2.0, 2.0]))
        x, ier = leastsq(decay, DECAY_START, bounds=bounds)
        assert (x.tolist(), ier) == (reference[0].tolist(), reference[1])
        assert x[0] == 2

    def test_scipys_object(self):
        optimize = pytest.importorskip("scipy.optimize", reason="the object is SciPy's")
        x, _ = leastsq(decay, DECAY_START, bounds=optimize.Bounds([0, 0], [2, INF]))
        assert x[0] == 2

    @pytest.mark.parametrize("bounds", [None, (-INF, INF), ([-INF, -INF], [INF, INF])])
    def test_none_at_all(self, bounds):
        x, cov_x, info, *_ = leastsq(decay, DECAY_START, bounds=bounds, full_output=True)
        reference = leastsq(decay, DECAY_START, full_output=True)
        np.testing.assert_array_equal(x, reference[0])
        np.testing.assert_array_equal(cov_x, reference[1])
        assert info["nfev"] == reference[2]["nfev"]
        assert ("active_mask" in info) == (bounds is not None)

    def test_callers_arrays_are_left_alone(self):
        lower, upper = np.zeros(2), np.full(2, 2.0)
        lower.flags.writeable = upper.flags.writeable = False
        leastsq(decay, DECAY_START, bounds=(lower, upper))
        assert (lower.tolist(), upper.tolist()) == ([0, 0], [2, 2])

    @by_any_jacobian
    def test_fixed_parameter(self, by):
        """The fit of the others with that one held."""
        x, _, info, *_ = solve(decay, [1.0, 1.5], ([-INF, 1.5], [INF, 1.5]), **by)
        shape = np.exp(-1.5 * TIMES)
        amplitude = shape @ (decay(np.zeros(2)) * -1.0) / (shape @ shape)
        assert x[1] == 1.5
        assert x[0] == pytest.approx(amplitude, rel=1e-7)
        assert info["active_mask"].tolist() == [0, 0]

    @pytest.mark.parametrize("unit", [1e-12, 1e-9, 1.0])
    def test_fixed_parameter_of_another_order(self, unit):
        """It is no part of the length that a step is compared with, whatever the data's unit."""
        t = np.linspace(1, 5, 20)

        def residuals(x):
            return unit * (x[0] * np.exp(-x[1] * t) + x[2] / 1000 - (5 * np.exp(-0.7 * t) + 1))

        x, ier = leastsq(residuals, [1, 1, 1000], bounds=([0, 0, 1000], [INF, INF, 1000]))
        assert ier in {1, 2, 3}
        np.testing.assert_allclose(x, [5, 0.7, 1000], rtol=1e-6)

    @by_any_jacobian
    def test_all_fixed(self, by):
        x, cov_x, info, _, ier = solve(decay, DECAY_START, (DECAY_START, DECAY_START), **by)
        assert (x.tolist(), ier) == (list(DECAY_START), 4)
        assert cov_x.tolist() == [[0, 0], [0, 0]]
        np.testing.assert_array_equal(info["fvec"], decay(x))
        if not by:
            assert info["nfev"] == 1  # nothing to differentiate

    @by_any_jacobian
    @pytest.mark.parametrize("start", [[0.0, 3.0], [9.0, 0.0], [9.0, 3.0], [0.0, 0.0]])
    def test_bounds_at_the_start_are_left(self, start, by):
        x, _, info, *_ = solve(decay, start, ([0, 0], [9, 3]), **by)
        reference, _ = leastsq(decay, DECAY_START)
        np.testing.assert_allclose(x, reference, rtol=1e-6)
        assert info["active_mask"].tolist() == [0, 0]

    @pytest.mark.parametrize(
        ("box", "mask"),
        [
            ("amplitude too low", [1, 0]),
            ("rate too high", [0, -1]),
            ("both walled", [1, -1]),
            ("rate fixed", [0, 0]),
            ("nothing met", [0, 0]),
        ],
    )
    def test_active_mask(self, box, mask):
        *_, info, _, _ = solve(decay, DECAY_START, BOXES[box])
        assert info["active_mask"].tolist() == mask


class TestErrors:
    @pytest.mark.parametrize(
        ("bounds", "text"),
        [
            (3, "bounds is int 3; want a pair"),
            ((0, 1, 2), "want a pair"),
            (([0, 0, 0], 9), r"the lower bound has shape \(3,\).* N = 2 parameters"),
            ((0, [[9, 9]]), r"the upper bound has shape \(1, 2\)"),
            (([0, np.nan], 9), r"the bounds of x0\[1\] are \[nan, 9.0\]; want lower"),
            ((0, [np.nan, 9]), r"the bounds of x0\[0\] are \[0.0, nan\]"),
            (([0, 5], [9, 4]), r"the bounds of x0\[1\] are \[5.0, 4.0\].*lower <= upper"),
            (([2, 0], 9), r"x0\[0\] is 1.0, outside of its bounds \[2.0, 9.0\]; want a start"),
            ((0, [9, 0.5]), r"x0\[1\] is 1.0, outside of its bounds \[0.0, 0.5\]"),
            ((INF, INF), r"the bounds of x0\[0\] are \[inf, inf\]"),
        ],
    )
    def test_values(self, bounds, text):
        func = Recorder(decay)
        with pytest.raises(ValueError, match=text):
            leastsq(func, [1.0, 1.0], bounds=bounds)
        assert func.count == 0

    @pytest.mark.parametrize("lower", ["low", [0, "1"], 1j])
    def test_types(self, lower):
        with pytest.raises(TypeError, match=r"the lower bound is .*want real numbers"):
            leastsq(decay, [1.0, 1.0], bounds=(lower, 9))

    def test_keyword_only(self):
        with pytest.raises(TypeError, match="positional"):
            leastsq(decay, [1.0, 1.0], (), None, 0, 0, 0, 0, 0, 0, None, 100, None, True, (0, 9))


class TestUnmet:
    """A step that stays inside is the step of the unbounded fit."""

    @pytest.mark.parametrize("by", ["forward", "analytic"])
    @pytest.mark.parametrize("start", [0, 1])
    @pytest.mark.parametrize("name", datasets())
    def test_same_to_the_last_bit(self, name, start, by):
        """In a box hardly larger than the fit without bounds has ever needed."""
        dataset = datasets()[name]
        options = {"full_output": True, "maxfev": 20_000}
        if by == "analytic":
            options |= {"Dfun": dataset.jacobian, "col_deriv": True}
        func = Recorder(dataset.residuals)
        x, cov_x, info, _, ier = leastsq(func, dataset.starts[start], **options)
        lower, upper = np.min(func.points, axis=0), np.max(func.points, axis=0)
        room = 1e-6 * np.maximum(np.abs(lower), np.abs(upper))

        bounded = leastsq(
            dataset.residuals, dataset.starts[start], bounds=(lower - room, upper + room), **options
        )

        np.testing.assert_array_equal(bounded[0], x)
        assert (bounded[1] is None) == (cov_x is None)
        if cov_x is not None:
            np.testing.assert_array_equal(bounded[1], cov_x)
        for key in info:
            np.testing.assert_array_equal(bounded[2][key], info[key])
        assert bounded[4] == ier


def peaks(x):
    """Two Gaussians on a line, M = 60, N = 8."""
    t = np.linspace(-1.0, 1.0, 60)
    data = 2 + t + 3 * np.exp(-20 * (t - 0.3) ** 2) + np.exp(-50 * (t + 0.4) ** 2)
    model = x[0] + x[1] * t
    for height, width, centre in (x[2:5], x[5:8]):
        model = model + height * np.exp(-width * (t - centre) ** 2)
    return model - data - 0.02 * np.cos(40 * t)


PEAKS_START = np.array([2.0, 1.0, 2.0, 15.0, 0.2, 1.0, 40.0, -0.3])


class TestCovariance:
    @pytest.mark.parametrize("by", [{}, {"Dfun": "3-point"}, {"Dfun": "cs"}], ids=str)
    @pytest.mark.parametrize("walled", [[2], [0, 3], [1, 4, 7], list(range(7)), list(range(8))])
    @pytest.mark.parametrize("fixed", [[], [5], [5, 6]])
    def test_that_of_the_fit_with_the_parameter_held(self, walled, fixed, by):
        walled = [j for j in walled if j not in fixed]
        free, _ = leastsq(peaks, PEAKS_START, **TIGHT)
        lower, upper = np.full(8, -INF), np.full(8, INF)
        for j in walled:  # between the start and the solution of the fit without bounds
            side = upper if free[j] > PEAKS_START[j] else lower
            side[j] = 0.9 * PEAKS_START[j] + 0.1 * free[j]
        lower[fixed] = upper[fixed] = PEAKS_START[fixed]

        x, cov_x, info, _, ier = solve(peaks, PEAKS_START, (lower, upper), **by, **TIGHT)

        assert ier in {1, 2, 3, 4}
        at_bound = np.flatnonzero(info["active_mask"])
        assert set(at_bound) <= set(walled)
        assert at_bound.size > 0 or not walled
        held = np.zeros(8, dtype=bool)
        held[at_bound] = held[fixed] = True
        np.testing.assert_array_equal(cov_x, cov_x.T)
        assert not np.any(cov_x[fixed])
        others = np.setdiff1d(np.arange(8), fixed)
        assert np.all(np.isnan(cov_x[np.ix_(at_bound, others)]))
        if held.all():
            return

        def rest(y):
            full = np.array(x, dtype=y.dtype)
            full[~held] = y
            return peaks(full)

        y, reference, *_ = leastsq(rest, x[~held], full_output=True, **by, **TIGHT)
        # Both from a Jacobian next to the solution; forward differences are good to 1e-8, which
        # the condition of the problem makes more of.
        np.testing.assert_allclose(y, x[~held], rtol=1e-5)
        np.testing.assert_allclose(
            cov_x[np.ix_(~held, ~held)], reference, rtol=1e-4, atol=1e-6 * np.max(reference)
        )

    def test_dependent_free_parameters_have_none(self):
        rows = np.zeros((TIMES.size, 3))  # whose factors no rounding touches
        rows[0, [0, 2]] = rows[1, 1] = 1.0
        data = np.sin(TIMES)
        _, cov_x, *_, ier = leastsq(
            lambda x: rows @ x - data, [0.0, 0.0, 0.0], Dfun=lambda x: rows, full_output=True,
            bounds=(-9, 9),
        )  # fmt: skip
        assert ier in {1, 2, 3, 4}
        assert cov_x is None

    def test_dependence_on_a_held_parameter_does_not_matter(self):
        rows = np.stack([TIMES, np.cos(TIMES), TIMES]).T
        data = np.sin(TIMES)
        _, cov_x, *_ = leastsq(
            lambda x: rows @ x - data, [0.0, 0.0, 0.0], Dfun=lambda x: rows, full_output=True,
            bounds=([-9, -9, 0], [9, 9, 0]),
        )  # fmt: skip
        reference = np.linalg.inv(rows[:, :2].T @ rows[:, :2])
        np.testing.assert_allclose(cov_x[:2, :2], reference, rtol=1e-12)

    def test_none_without_success(self):
        _, cov_x, *_, ier = leastsq(decay, DECAY_START, bounds=(0, 2), maxfev=4, full_output=True)
        assert (ier, cov_x) == (5, None)


@st.composite
def linear_problems(draw):
    """Convex ones of any conditioning by scale, often with most of the bounds active."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 20))
    m = n + draw(st.integers(0, 30))
    a = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-2, 2, n)
    free = rng.standard_normal(n)
    width = draw(st.sampled_from([0.01, 1.0, 10.0]))
    lower = free + width * rng.uniform(-1, 0.8, n)
    upper = lower + width * rng.uniform(0.01, 1, n)
    lower[rng.random(n) < 0.2] = -INF
    upper[rng.random(n) < 0.2] = INF
    start = np.clip(rng.standard_normal(n), lower, upper)
    return a, a @ free + 0.1 * rng.standard_normal(m), (lower, upper), start


class TestLinear:
    @pytest.mark.parametrize("by", ["forward", "analytic"])
    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(problem=linear_problems())
    def test_minimum_is_lsq_linears(self, by, problem):
        optimize = pytest.importorskip("scipy.optimize", reason="compares with lsq_linear")
        a, b, bounds, start = problem
        options = {"Dfun": lambda x: a} if by == "analytic" else {}
        _, _, info, _, ier = solve(lambda x: a @ x - b, start, bounds, **options, **TIGHT)
        reference = optimize.lsq_linear(a, b, bounds, method="bvls", tol=1e-15, max_iter=1000)
        assert ier in {1, 2, 3, 4}
        # A residual r that is wrong by δ is worth δ² beside ‖b‖² in the sum of squares; rounding
        # errors of A x, and forward differences good to 1e-8, leave that much.
        floor = (1e-9 if by == "forward" else 1e-13) * np.linalg.norm(b)
        cost = np.linalg.norm(info["fvec"])
        assert cost <= np.linalg.norm(a @ reference.x - b) * (1 + 1e-9) + floor

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(problem=linear_problems())
    def test_every_step_is_taken(self, problem):
        """The model of a linear problem is the problem: what it promises comes true, walls or not.

        But for the last step, of which rounding errors may be the larger part.
        """
        a, b, bounds, start = problem
        steps = []
        *_, info, _, _ = leastsq(
            lambda x: a @ x - b, start, Dfun=lambda x: a, bounds=bounds, callback=steps.append,
            full_output=True,
        )  # fmt: skip
        assert info["nfev"] - 1 <= len(steps) + 1

    @pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
    @pytest.mark.parametrize("side", [0, 1])
    def test_first_step_by_hand(self, side, share):
        """Much of the way to the wall, and to the minimum beside it, not the free one cut off."""
        a = np.array([[1.0, 0.8], [0.0, 0.6], [0.2, 0.1]])
        start = np.array([1000.0, 1000.0])  # large, so that the region holds the whole box
        free = start + (-1) ** side * np.array([-1.0, 1.0])
        bounds = np.array([start - 5, start + 5])
        wall = bounds[side, 0] = start[0] + share * (free[0] - start[0])
        func = Recorder(lambda x: a @ (x - free))
        leastsq(func, start, Dfun=lambda x: a, bounds=bounds)
        first = func.points[1]
        # A step of 1 for the way `share` goes 1/(1 + share) of it; or all but what a variable still
        # has to give away of |f|, on its way to the wall or to the minimum along it.
        f, norms = a @ (start - free), np.linalg.norm(a, axis=0)
        ways = np.where(f @ a > 0, start - bounds[0], bounds[1] - start) * norms / np.linalg.norm(f)
        given = np.abs(f @ a) / norms / np.linalg.norm(f) * np.minimum(1, ways)
        part = max(1 / (1 + share), 1 - given.max())
        # lmpar's steps are as long as the region, but for a tenth.
        assert 0.9 * part <= (first[0] - start[0]) / (wall - start[0]) <= part * (1 + 1e-9)
        along = free[1] - a[:, 1] @ a[:, 0] * (first[0] - free[0]) / (a[:, 1] @ a[:, 1])
        # The region, as large as x, damps steps of the order of 1 by 1e-6.
        assert first[1] == pytest.approx(along, abs=1e-5)

    def test_many_active(self):
        """The non-negative part of twenty coefficients, half of them negative."""
        rng = np.random.default_rng(5)
        a = np.linalg.qr(rng.standard_normal((40, 20)))[0]
        wanted = np.array([-1.0, 1.0] * 10)
        x, _, info, *_ = solve(lambda x: a @ (x - wanted), np.ones(20), (0, INF))
        np.testing.assert_allclose(x, np.maximum(wanted, 0), atol=1e-7)  # forward differences
        assert info["active_mask"].tolist() == [-1, 0] * 10


class TestLarge:
    """Jacobians that are reduced by rows, from a thousand elements on, and pivoted by blocks."""

    @pytest.mark.parametrize("by", ["forward", "analytic"])
    @pytest.mark.parametrize(("m", "n"), [(2000, 3), (400, 12), (100, 48), (130, 60), (70, 70)])
    def test_saturating_model(self, m, n, by):
        """Residuals arctan(A x) - y: bent, but with one minimum."""
        rng = np.random.default_rng(m)
        a = rng.standard_normal((m, n)) / np.sqrt(n)
        true = rng.standard_normal(n)
        y = np.arctan(a @ true) + 0.01 * rng.standard_normal(m)
        lower, upper = true - 1.0, true + 1.0
        lower[::3] = true[::3] + 0.2
        upper[1::3] = true[1::3] - 0.2

        def jacobian(x):
            return a / (1 + (a @ x) ** 2)[:, None]

        options = {"Dfun": jacobian} if by == "analytic" else {}
        start = 0.5 * (lower + upper)
        x, cov_x, info, _, ier = solve(
            lambda x: np.arctan(a @ x) - y, start, (lower, upper), **options, **TIGHT
        )
        assert ier in {1, 2, 3, 4}
        tolerance = 1e-6 if by == "forward" else 1e-7
        assert_optimal(x, slopes(info["fvec"], jacobian(x)), (lower, upper), tolerance)
        held = info["active_mask"] != 0
        assert np.count_nonzero(held) >= n // 3
        free = jacobian(x)[:, ~held]
        reference = np.linalg.inv(free.T @ free)
        np.testing.assert_allclose(
            cov_x[np.ix_(~held, ~held)], reference, rtol=1e-4, atol=1e-5 * np.max(reference)
        )
        assert np.all(np.isnan(cov_x[held]))
