"""Agreement with the installed `scipy.optimize.leastsq` over random problems.

Both follow MINPACK's path, so `ier`, `nfev` and `njev` are equal wherever that path does not hang
on the last bits. Whether it does is asked of SciPy: it solves each problem thrice more, the start
and the weights of the residuals moved by a few units of the last place. Where its answers differ
among themselves (as on straight lines: one step solves them, and the next one's reduction is a
rounding error), equality cannot be asked for, and a small share of the others may hang on bits that
this did not change.
Nor can it where a Jacobian on the way is numerically singular, so that the step is made of rounding
errors (SciPy's C and MINPACK's Fortran part there, too), or where a trial is not finite: what SciPy
makes of one is a matter of luck, ours is by intent. In all other fits in which SciPy finds a
minimum each time, we have to find one that is as good.
"""

from typing import NamedTuple

import numpy as np
import pytest
from fits import EPS, Recorder
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pyminpack import leastsq

optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy's leastsq")

# The same problems at every run; a failing one is shrunk and printed.
REPRODUCIBLE = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
SUCCESS = frozenset({1, 2, 3, 4})


class Problem(NamedTuple):
    """Data, a model with its Jacobian, and a start."""

    model: object
    jacobian: object
    data: np.ndarray
    start: np.ndarray

    def residual(self, x):
        """Model less data; far-off parameters may overflow, as they do for any user."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.model(x) - self.data

    def derivative(self, x):
        """Jacobian, (M, N)."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.jacobian(x)

    def regular_at(self, points, limit=1e10):
        """Whether the Jacobian has full numerical rank, at each variable's own scale."""
        jacobians = np.array([self.derivative(x) for x in points])
        with np.errstate(over="ignore", under="ignore"):
            norms = np.linalg.norm(jacobians, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not (norms > 0.0).all():
            return False
        return bool(np.linalg.cond(jacobians / norms).max() < limit)


def exponentials(t, terms):
    """Sum of a_k·exp(-b_k·t); x = a_1, b_1, a_2, b_2 …"""

    def model(x):
        return sum(x[2 * k] * np.exp(-x[2 * k + 1] * t) for k in range(terms))

    def jacobian(x):
        columns = []
        for k in range(terms):
            shape = np.exp(-x[2 * k + 1] * t)
            columns += [shape, -x[2 * k] * t * shape]
        return np.stack(columns, axis=1)

    return model, jacobian


def peak(t, _):
    """a·exp(-((t - b)/c)²) + d."""

    def model(x):
        return x[0] * np.exp(-(((t - x[1]) / x[2]) ** 2)) + x[3]

    def jacobian(x):
        offset = (t - x[1]) / x[2]
        shape = np.exp(-(offset**2))
        toward = 2.0 * x[0] * shape * offset / x[2]
        return np.stack([shape, toward, toward * offset, np.ones_like(t)], axis=1)

    return model, jacobian


def rational(t, _):
    """(a + b·t)/(1 + c²·t)."""

    def model(x):
        return (x[0] + x[1] * t) / (1.0 + x[2] ** 2 * t)

    def jacobian(x):
        below = 1.0 + x[2] ** 2 * t
        return np.stack(
            [1.0 / below, t / below, -2.0 * x[2] * t * (x[0] + x[1] * t) / below**2], axis=1
        )

    return model, jacobian


def polynomial(t, terms):
    """Polynomial of degree `terms`: a linear problem."""
    powers = np.vander(t, terms + 1)
    return (lambda x: powers @ x), (lambda x: powers)


FAMILIES = {exponentials: 2, peak: 4, rational: 3, polynomial: 1}


def number_of_variables(family, terms):
    """N of a family with so many terms."""
    return {exponentials: 2 * terms, polynomial: terms + 1}.get(family, FAMILIES[family])


@st.composite
def problems(draw):
    """A model of one of the families, data near it, and a start near its parameters."""
    family = draw(st.sampled_from(list(FAMILIES)))
    terms = draw(st.integers(1, 2))
    n = number_of_variables(family, terms)
    m = draw(st.integers(n, 25))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    t = np.sort(rng.uniform(0.0, 4.0, size=m))
    model, jacobian = family(t, terms)
    true = rng.uniform(0.3, 3.0, size=n)
    noise = draw(st.sampled_from([0.0, 1e-3, 0.1]))
    data = model(true) + noise * rng.normal(size=m)
    spread = draw(st.sampled_from([0.1, 0.5, 2.0]))
    return Problem(model, jacobian, data, true * np.exp(spread * rng.uniform(-1, 1, size=n)))


@st.composite
def options(draw, n):
    """Settings as a caller may bring them."""
    chosen = {}
    if draw(st.booleans()):
        chosen["ftol"] = draw(st.sampled_from([1e-4, 1e-6, 1e-10]))
        chosen["xtol"] = draw(st.sampled_from([1e-4, 1e-6, 1e-10]))
    if draw(st.booleans()):
        chosen["gtol"] = draw(st.sampled_from([1e-3, 1e-6]))
    if draw(st.booleans()):
        chosen["factor"] = draw(st.sampled_from([0.1, 1.0, 10.0]))
    if draw(st.booleans()):
        chosen["diag"] = draw(
            st.lists(st.sampled_from([0.1, 0.5, 1.0, 3.0]), min_size=n, max_size=n)
        )
    if draw(st.booleans()):
        chosen["maxfev"] = draw(st.integers(1, 60))
    return chosen


def scipy_fits(problem, chosen):
    """SciPy's answers to the problem and to three that are a few last places away."""
    rng = np.random.default_rng(0)
    return [scipy_fit(problem, chosen, rng, places) for places in (0, 1, 3, 5)]


def scipy_fit(problem, chosen, rng, places):
    """SciPy's answer with start and weights so many last places away."""
    start, weights = (
        1.0 + EPS * places * rng.choice([-1, 1], size=vector.size)
        for vector in (problem.start, problem.data)
    )
    moved = dict(chosen)
    if "Dfun" in chosen:
        across = weights if chosen.get("col_deriv") else weights[:, None]
        moved["Dfun"] = lambda x: across * chosen["Dfun"](x)
    with np.errstate(all="ignore"):
        return optimize.leastsq(
            lambda x: weights * problem.residual(x),
            start * problem.start,
            full_output=True,
            **moved,
        )


def sum_of_squares(fit):
    """‖f‖² at the end of a fit."""
    return fit[2]["fvec"] @ fit[2]["fvec"]


class Tally:
    """How many problems there were, with how many robust paths, and how many were the same."""

    def __init__(self):
        self.seen = self.robust = self.same = 0

    def compare(self, problem, chosen):
        """Count one problem, and hold our answer against SciPy's."""
        theirs = scipy_fits(problem, chosen)
        assume(all(np.isfinite(fit[2]["fvec"]).all() for fit in theirs))
        func = Recorder(problem.residual)
        ours = leastsq(func, problem.start, full_output=True, **chosen)
        self.seen += 1
        assert np.isfinite(ours[2]["fvec"]).all()
        if not (np.isfinite(func.values).all() and problem.regular_at(improvements(func))):
            return
        assert_as_good(problem, ours, theirs)
        paths = {path(fit) for fit in theirs}
        if len(paths) > 1:
            return
        self.robust += 1
        if path(ours) in paths:
            self.same += 1
            assert_same_numbers(problem, ours, theirs)


def improvements(func):
    """The points with smaller residuals than any before: those where Jacobians are taken."""
    with np.errstate(over="ignore", under="ignore"):
        sizes = np.linalg.norm(func.values, axis=1)
    best = np.minimum.accumulate(sizes)
    return [x for x, size, least in zip(func.points, sizes, best, strict=True) if size == least]


def path(fit):
    """What has to be equal where two solvers take the same path."""
    return fit[4], fit[2]["nfev"], fit[2].get("njev")


def assert_as_good(problem, ours, theirs):
    """Where SciPy has succeeded from each start, our sum of squares is no worse than its worst."""
    if all(fit[4] in SUCCESS for fit in theirs):
        worst = max(sum_of_squares(fit) for fit in theirs)
        # Fits that stop by ftol = 1e-4 are that far from the minimum, either way.
        assert sum_of_squares(ours) <= 1.001 * worst + 1e-8 * (problem.data @ problem.data)


def assert_same_numbers(problem, ours, theirs):
    """On the same path answers differ by rounding, as SciPy's own do, and not by more."""
    spread = max(np.abs(fit[0] - theirs[0][0]).max() for fit in theirs)
    np.testing.assert_allclose(ours[0], theirs[0][0], rtol=1e-7, atol=1000.0 * spread)
    np.testing.assert_allclose(
        sum_of_squares(ours),
        sum_of_squares(theirs[0]),
        rtol=1e-7,
        atol=1000.0 * np.ptp([sum_of_squares(fit) for fit in theirs])
        # The squares of rounding errors in the model, where nothing else is left.
        + 1e-24 * (problem.data @ problem.data),
    )


@pytest.mark.parametrize("way", ["differences", "rows", "columns"])
def test_same_path_and_answer(way):
    """Protects those who replace one import by the other: x, ier, nfev and njev stay the same."""
    tally = Tally()

    @REPRODUCIBLE
    @given(st.data())
    def compare(data):
        problem = data.draw(problems())
        chosen = data.draw(options(problem.start.size))
        if way == "rows":
            chosen["Dfun"] = problem.derivative
        elif way == "columns":
            chosen |= {"Dfun": lambda x: problem.derivative(x).T, "col_deriv": True}
        tally.compare(problem, chosen)

    compare()
    # Against a test that compares nothing: most of these fits are no knife's edge.
    assert tally.seen >= 100
    assert tally.robust >= 0.6 * tally.seen
    assert tally.same >= 0.97 * tally.robust


@REPRODUCIBLE
@given(problems(), st.sampled_from([0.0, 1e-12, 1e-6]))
def test_same_differences(problem, epsfcn):
    """Protects epsfcn: the points at which differences are taken are SciPy's to the last bit."""
    differences = []
    for solver in (leastsq, optimize.leastsq):
        points = []

        def func(x, points=points):
            points.append(np.array(x))
            return problem.residual(x)

        solver(func, problem.start, epsfcn=epsfcn, maxfev=1, full_output=True)
        # SciPy calls func at the start more than once, to find out M.
        moved = [x for x in points if not np.array_equal(x, problem.start)]
        differences.append(moved[: problem.start.size])
    np.testing.assert_array_equal(*differences)


@REPRODUCIBLE
@given(problems())
def test_same_covariance(problem):
    """Protects error bars: cov_x is SciPy's where the Jacobian has full rank."""
    options = {"Dfun": problem.derivative, "full_output": True}
    with np.errstate(all="ignore"):
        start, *_, ier = optimize.leastsq(problem.residual, problem.start, **options)
    assume(ier in SUCCESS)
    assume(problem.regular_at([start], 1e4))
    # Once more from the solution, with an ftol that ends the fit at its first step: both invert the
    # same Jacobian, and differ by rounding times its condition squared, 1e-16·1e8, times M·N.
    fits = [
        solver(problem.residual, start, ftol=1.0, **options)
        for solver in (leastsq, optimize.leastsq)
    ]
    # A solution on the edge of where the model is finite may have no step to make.
    assume(all(fit[4] in SUCCESS for fit in fits))
    ours, theirs = (fit[1] for fit in fits)
    scale = np.outer(*2 * [np.sqrt(np.diag(theirs))])
    np.testing.assert_allclose(ours / scale, theirs / scale, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("maxfev", [0, -1, 17])
@pytest.mark.parametrize("with_derivative", [False, True])
def test_same_count_at_the_limit(maxfev, with_derivative):
    """Protects the default limit: where SciPy gives up, so do we."""
    chosen = {"Dfun": lambda x: -np.diag(np.exp(-x))} if with_derivative else {}
    fits = [
        solver(lambda x: np.exp(-x), np.zeros(3), maxfev=maxfev, full_output=True, **chosen)
        for solver in (leastsq, optimize.leastsq)
    ]
    assert fits[0][4] == fits[1][4] == 5
    assert fits[0][2]["nfev"] == fits[1][2]["nfev"]
    if maxfev >= 0:
        # SciPy reports a negative limit as it came; ours is the one that was meant.
        assert fits[0][3] == fits[1][3]
