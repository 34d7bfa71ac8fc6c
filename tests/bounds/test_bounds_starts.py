"""Bounded fits from far: whether the minimum is found, for how many calls, and where the model is
called on the way."""

import numpy as np
import pytest
from bounded_models import MODELS, compare
from fits import Recorder

from pyminpack import curve_fit, leastsq

pytestmark = pytest.mark.bundled  # the original knows no bounds

INF = np.inf
X = np.linspace(0.1, 10, 60)


def damped(x, a, t, w, p):
    return a * np.exp(-x / t) * np.sin(w * x + p)


def hill(x, v, k, n):
    return v * x**n / (k**n + x**n)


def peak(x, a, m, s, c):
    return a * np.exp(-0.5 * ((x - m) / s) ** 2) + c


def logarithm(x, a, b):
    return a * np.log(b * x)


def potential(x, e, s):
    return 4 * e * ((s / x) ** 12 - (s / x) ** 6)


def well(x, d, a, m, c):
    return d * (1 - np.exp(-a * (x - m))) ** 2 + c


POINTS = {peak: np.linspace(0, 10, 60), potential: np.linspace(0.9, 3, 50)}
POINTS[well] = POINTS[potential]

# Model, truth, digits of the data, start, bounds, most calls. Each has a point on a bound with a
# lower sum of squares than the start's, where columns of the Jacobian vanish.
NAMED = {
    "damped": (damped, [3, 4, 2, 0.5], 2, [3, 8, 2.6, 0.5], (0, [30, 40, 20, 5]), 80),
    "hill": (hill, [10, 3, 2.5], 12, [5.3, 2.7, 0.3], (0, INF), 40),
    "peak": (
        peak, [8.2, 8.8, 1.8, 2.9], 12, [10.3, 3.5, 1.3, 4.1], ([0, 0, 0.1, -1], [20, 10, 3, 5]), 90
    ),
    "from a bound": (logarithm, [2, 3], 12, [1, 0], (0, INF), 80),
    # Flat at the data: it must be given up, and the peak sought in the middle of the box,
    "gone flat": (
        peak, [4, 6, 0.8, 1], 12, [0.6, 10, 0.1, 1.7], (0, [40, 10, 8, 10]), 160
    ),
    # or where there is none, at another size.
    "gone to zero": (potential, [3, 1.1], 6, [0.4, 0.6], (0, INF), 160),
    # A start so bad that next to its sum of squares no other counts for anything.
    "wild start": (
        well, [5, 1.8, 1.3, -5], 12, [1.55, 10, 4, -2.9], ([0, 0, 0.5, -20], [50, 10, 4, 5]), 250
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "truth", "digits", "start", "bounds", "most"), NAMED.values(), ids=NAMED.keys()
)
def test_ends_at_the_truth(model, truth, digits, start, bounds, most):
    x = POINTS.get(model, X)
    y = np.round(model(x, *truth), digits)
    func = Recorder(lambda p: model(x, *p) - y)
    with np.errstate(all="ignore"):
        popt, ier = leastsq(func, start, bounds=bounds)
    assert ier in {1, 2, 3}
    np.testing.assert_allclose(popt, truth, rtol=2 * 10.0**-digits + 1e-6)
    assert func.count <= most


def test_callback_sees_new_starts():
    """Each point with its own sum of squares, the last of them with the least."""
    model, truth, digits, start, bounds, _ = NAMED["gone flat"]
    x = POINTS[model]
    y = np.round(model(x, *truth), digits)
    seen = []
    popt, _ = leastsq(
        lambda p: model(x, *p) - y,
        start,
        bounds=bounds,
        callback=lambda iteration: seen.append((iteration.x.copy(), iteration.cost)),
    )
    costs = [cost for _, cost in seen]
    assert costs == pytest.approx([0.5 * np.sum((model(x, *p) - y) ** 2) for p, _ in seen])
    assert any(p[1] == 5 for p, _ in seen)  # the middle of the peak's bounds
    assert min(costs) == costs[-1]
    np.testing.assert_array_equal(seen[-1][0], popt)


@pytest.mark.parametrize("blocks", [None, [slice(0, 20), slice(20, None)]], ids=["whole", "blocks"])
def test_stopped_in_a_later_attempt(blocks):
    """The best of all points is returned, not the one that was being tried."""
    model, truth, digits, start, bounds, _ = NAMED["gone to zero"]
    x = POINTS[model]
    y = np.round(model(x, *truth), digits)
    seen = []

    def callback(iteration):
        seen.append((iteration.cost, iteration.x.copy()))
        if iteration.cost > seen[0][0]:  # no step leads up, but a new start
            raise StopIteration

    def func(p, rows=slice(None)):
        return model(x[rows], *p) - y[rows]

    end, _, info, _, ier = leastsq(
        func, start, bounds=bounds, callback=callback, full_output=True, blocks=blocks
    )
    best, point = min(seen, key=lambda pair: pair[0])
    assert best < seen[-1][0]
    assert ier == 10
    np.testing.assert_array_equal(end, point)
    residuals = np.concatenate(list(info["fvec"])) if blocks else info["fvec"]
    np.testing.assert_array_equal(residuals, func(end))


@pytest.fixture(scope="module", params=[2.0, 9.0], ids="within a factor of {:g}".format)
def outcomes(request):
    optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy's curve_fit")

    def trf(*arguments, **options):
        return optimize.curve_fit(*arguments, method="trf", **options)

    return {
        name: compare([curve_fit, trf], model, 40, request.param, seed=7)
        for name, model in MODELS.items()
    }


class TestBesideTrf:
    """Counts over families of fits; `bounded_models` has them."""

    def test_finds_no_fewer_minima(self, outcomes):
        found = np.vstack([outcome.found for outcome in outcomes.values()])
        ours, theirs = found.T
        assert np.sum(ours & ~theirs) >= np.sum(theirs & ~ours)
        assert np.mean(ours) > 0.9

    def test_no_model_is_worse(self, outcomes):
        """But for a fit: in either direction that many are decided by the last bits."""
        for name, outcome in outcomes.items():
            ours, theirs = outcome.found.sum(axis=0)
            assert ours >= theirs - 1, name

    def test_raises_only_where_trf_does(self, outcomes):
        raised = np.vstack([outcome.raised for outcome in outcomes.values()])
        assert not np.any(raised[:, 0] & ~raised[:, 1])

    def test_takes_fewer_calls(self, outcomes):
        medians = np.array([outcome.medians() for outcome in outcomes.values()])
        ours, theirs = medians.T
        assert np.sum(ours) < 0.85 * np.sum(theirs)


def problems(number, seed):
    """Residuals, start and bounds of fits, some of which end at bounds."""
    for name, model in MODELS.items():
        rng = np.random.default_rng(seed)
        truth = np.array(model.truth, dtype=float)
        shape = np.ones(truth.size)
        lower, upper = (np.asarray(b, dtype=float) * shape for b in (model.lower, model.upper))
        y = model.curve(model.x, *truth) + 0.02 * rng.normal(size=model.x.size)
        for _ in range(number):
            start = np.clip(truth * 4.0 ** rng.uniform(-1, 1, truth.size), lower, upper)
            yield name, model, y, start, lower, upper


class TestWalls:
    def test_no_call_on_a_bound_but_where_a_fit_ends(self):
        ends_on_one = 0
        for name, model, y, start, lower, upper in problems(20, seed=11):
            func = Recorder(lambda p, model=model, y=y: model.curve(model.x, *p) - y)
            with np.errstate(all="ignore"):
                _, _, info, *_ = leastsq(func, start, bounds=(lower, upper), full_output=True)
            points = np.array(func.points)
            assert np.all((points >= lower) & (points <= upper)), name
            touched = np.any((points == lower) | (points == upper), axis=0)
            np.testing.assert_array_equal(touched, info["active_mask"] != 0, err_msg=name)
            ends_on_one += np.any(touched)
        assert ends_on_one > 20  # of 300

    @pytest.mark.parametrize("by", [None, "3-point", "cs"])
    @pytest.mark.parametrize("width", [1e-6, 1e-4, 1e-2])
    def test_no_call_on_a_bound_of_a_narrow_box(self, width, by):
        """Narrower than a difference would be."""
        truth = np.array([3, 0.7, 0.5])
        y = truth[0] * np.exp(-truth[1] * X) + truth[2]
        func = Recorder(lambda p: p[0] * np.exp(-p[1] * X) + p[2] - y)
        lower, upper = truth - width, truth + width / 3
        x, ier = leastsq(func, truth - width / 2, Dfun=by, bounds=(lower, upper))
        assert ier in {1, 2, 3, 4}
        np.testing.assert_allclose(x, truth, atol=1e-2 * width)
        points = np.array(func.points).real
        assert np.all((points > lower) & (points < upper))

    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    @pytest.mark.parametrize("wall", [0.0, -0.3, 2.0])
    def test_ends_on_the_bound_not_beside_it(self, wall, scale):
        """With the gradient pointing out of the box; wherever the bound is, in any unit."""
        y = 3 * np.exp(-0.5 * X) + (wall - 0.1) + 0.01 * np.cos(9 * X)

        def residuals(p):
            return p[0] / scale * np.exp(-p[1] * X) + p[2] / scale - y

        low = [-INF, 0, wall * scale]
        for start in ([1, 1, wall + 1], [5, 0.2, wall], [2, 2, wall + 1e-9]):
            x0 = np.array([start[0] * scale, start[1], max(start[2] * scale, low[2])])
            x, _, info, *_ = leastsq(residuals, x0, bounds=(low, INF), full_output=True)
            assert x[2] == low[2]
            assert info["active_mask"].tolist() == [0, 0, -1]
            assert np.sum(info["fvec"]) > 0  # the slope along the offset

    def test_the_last_step_lands(self):
        """No call for the bound alone: each has a Jacobian after it but the last."""
        y = 3 * np.exp(-0.5 * X) + 0.01 * np.cos(9 * X)

        def derivatives(p):
            decay = np.exp(-p[1] * X)
            return np.array([decay, -p[0] * X * decay, np.ones(X.size)])

        starts = np.array([3, 0.5, 1]) * 1.5 ** np.random.default_rng(3).uniform(-1, 1, (40, 3))
        landed = 0
        for start in starts:
            x, _, info, *_ = leastsq(
                lambda p: p[0] * np.exp(-p[1] * X) + p[2] - y, start, Dfun=derivatives,
                col_deriv=True, bounds=([0, 0, 0.1], INF), full_output=True,
            )  # fmt: skip
            assert x[2] == 0.1
            landed += info["nfev"] == info["njev"] + 1
        assert landed > 30

    @pytest.mark.parametrize("far", [False, True])
    def test_a_bound_that_the_minimum_lies_on(self, far):
        """The gradient is as good as 0 there: neither pushed against it nor drawn away."""
        y = 3 * np.exp(-0.5 * X)
        start = [9, 0.1, 4] if far else [2.5, 0.6, 0.1]
        x, _ = leastsq(lambda p: p[0] * np.exp(-p[1] * X) + p[2] - y, start, bounds=(0, INF))
        np.testing.assert_allclose(x, [3, 0.5, 0], atol=1e-9)
        assert x[2] == 0

    def test_a_bound_that_the_minimum_lies_on_from_anywhere(self):
        y = 3 * np.exp(-0.5 * X)
        rng = np.random.default_rng(1)
        starts = np.array([3, 0.5, 2]) * 3 ** rng.uniform(-1, 1, (100, 3))
        ends = [
            leastsq(lambda p: p[0] * np.exp(-p[1] * X) + p[2] - y, start, bounds=(0, INF))[0][2]
            for start in starts
        ]
        assert np.count_nonzero(ends) <= 10
        assert np.max(ends) < 1e-8

    @pytest.mark.parametrize("n", [5, 20, 60])
    def test_many_at_once(self, n):
        """They do not share one step's way between them: the count hardly grows with theirs."""
        rng = np.random.default_rng(n)
        a = np.abs(rng.normal(size=(2 * n, n))) + 0.1
        y = a @ np.where(rng.random(n) < 0.5, 0, rng.uniform(0.5, 3, n)) + 0.3 * rng.normal(
            size=2 * n
        )
        x, _, info, _, ier = leastsq(
            lambda x: a @ x - y, np.ones(n), Dfun=lambda x: a, bounds=(0, INF), full_output=True
        )
        assert ier in {1, 2, 3}
        gradient = a.T @ info["fvec"] / np.linalg.norm(a, axis=0) / np.linalg.norm(info["fvec"])
        assert np.count_nonzero(x == 0) >= n / 5
        assert np.all(gradient[x == 0] > -1e-6)
        np.testing.assert_allclose(gradient[x > 0], 0, atol=1e-4)
        assert info["njev"] <= 20

    def test_a_first_step_to_zero(self):
        """A step as long as x leads there; what comes next is not to be measured by that x."""
        x, ier = leastsq(
            lambda x: -7.0 * x - 5.5, [0.4375], Dfun=lambda x: [[-7.0]], bounds=(-0.75, INF)
        )
        assert x.tolist() == [-0.75]
        assert ier in {1, 2, 3}

    @pytest.mark.parametrize("where", ["start", "derivative"])
    def test_no_value(self, where):
        """A fit that ends without one has no factors to look for lost columns in."""

        def func(x):
            wrong = where == "start" or x[1] != 1
            return np.full(4, np.nan) if wrong else x[0] * np.arange(4) + x[1] + [9, 0, 0, 0]

        x, _, _, _, ier = leastsq(func, [2, 1], bounds=(0, [INF, 1.5]), full_output=True)
        assert ier == 9
        np.testing.assert_array_equal(x, [2, 1])
