"""_minpack.Stepper: a fit that is answered from Python, call by call."""

import numpy as np
import parts
import pytest
from fits import DECAY_START, decay, decay_jacobian

from pyminpack import _minpack, leastsq

pytestmark = pytest.mark.bundled  # compares with our own loop


def stepper(x0, **options):
    return _minpack.Stepper(x0, _minpack.Options(**options))


def factors(j, f):
    """J P = Q R in place, as `leastsq` does it for a small J."""
    r, qtf = np.array(j, order="F"), f.copy()
    n = r.shape[1]
    ipvt, acnorm = np.empty(n, np.int32), np.empty(n)
    parts.qrfac(r, qtf, ipvt, acnorm, np.empty(n), np.empty(n), np.empty(n))
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
    fit = stepper(start, **options)
    points = answer(fit, decay, decay_jacobian)
    np.testing.assert_array_equal(fit.x, expected[0])
    nfev = expected[2]["nfev"] if expected[4] else 0  # improper input is seen before any call
    assert (fit.info, fit.nfev, fit.njev) == (expected[4], nfev, expected[2]["njev"])
    assert [p[-2] for p in points[1:]] == [it.delta for it in told]


def test_without_a_value():
    """Protects the region that shrinks where there are no residuals, and the end of it."""
    fit = stepper([1.0, 2.0])
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
    fit = stepper(start)
    for array in (start, fit.x, fit.x_trial, fit.diag):
        array[:] = 7.0
    np.testing.assert_array_equal(fit.x, [1.0, 2.0])
    np.testing.assert_array_equal(fit.x_trial, [1.0, 2.0])


class TestMisuse:
    def test_out_of_turn(self):
        fit = stepper([1.0])
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
        fit = stepper([1.0, 2.0])
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
            ({"x0": [1.0], "bounds": (2.0, 3.0)}, ValueError, r"x0\[0\] is 1.0, outside"),
            ({"x0": [1.0], "ftol": "small"}, TypeError, "real number"),
        ],
    )
    def test_arguments(self, options, error, match):
        with pytest.raises(error, match=match):
            stepper(**options)


class TestRunning:
    """Factors of J by blocks, and what a driver in blocks needs to know of the fit."""

    rng = np.random.default_rng(4)
    j, f = rng.normal(size=(40, 3)), rng.normal(size=40)

    def waiting(self):
        fit = stepper([1.0, 2.0, 3.0], bounds=([0, 2, 0], [2, 2, 9]))
        fit.residual(np.linalg.norm(self.f))
        return fit

    @pytest.mark.parametrize("cut", [0, 1, 2, 17, 40])
    def test_merged(self, cut):
        """Protects the factors: those of the whole, whatever the blocks."""
        first = _minpack.reduce_block(self.j[:cut], self.f[:cut], 3, False)
        second = _minpack.reduce_block(np.asfortranarray(self.j[cut:]).T, self.f[cut:], 3, True)
        kept = first.copy(), second.copy()
        fit = self.waiting()
        fit.running(_minpack.merge_blocks(3, first, second))
        np.testing.assert_array_equal([first, second], kept)
        r, pivots = fit.fjac.T, fit.ipvt - 1
        np.testing.assert_allclose(r.T @ r, (self.j.T @ self.j)[np.ix_(pivots, pivots)], atol=1e-12)
        np.testing.assert_allclose(r.T @ fit.qtf, (self.j.T @ self.f)[pivots], atol=1e-12)
        assert fit.request == "residual"
        assert fit.covariance() is None

    def test_covariance(self):
        fit = stepper([1.0, 2.0, 3.0], gtol=1.0)
        fit.residual(np.linalg.norm(self.f))
        fit.running(_minpack.reduce_block(self.j, self.f, 3, False))
        assert fit.info == 4
        np.testing.assert_allclose(fit.covariance(), np.linalg.inv(self.j.T @ self.j), rtol=1e-12)

    @pytest.mark.parametrize(("row", "column"), [(0, 0), (39, 2), (5, 1)])
    def test_not_finite(self, row, column):
        j, f = self.j.copy(), self.f.copy()
        j[row, column] = np.nan
        assert _minpack.reduce_block(j, f, 3, False) == column
        f[row] = np.inf
        assert _minpack.reduce_block(self.j, f, 3, False) == 3
        fit = stepper([1.0, 2.0, 3.0])
        fit.residual(1.0)
        fit.nonfinite(column)
        assert (fit.info, fit.cause) == (9, 2)
        np.testing.assert_array_equal(fit.fjac, np.zeros((3, 3)))
        np.testing.assert_array_equal(fit.ipvt, [1, 2, 3])

    @pytest.mark.parametrize("rows", [0, 1, 3, 247, 248, 249, 1000])
    def test_of_differences(self, rows):
        """Protects the columns of differences, which are made slice by slice: the twin makes J."""
        values = list(self.rng.normal(size=(3, rows)))
        base, f = self.rng.normal(size=(2, rows))
        steps = np.array([1e-3, 0.0, 1e-310])
        jacobian = np.array([(values[0] - base) / 1e-3, np.zeros(rows), np.zeros(rows)])
        values[1] = None
        values[2] = base.copy()
        factor = _minpack.reduce_differences(values, base, f, steps)
        twin = _minpack.reduce_block(jacobian, f, 3, True)
        np.testing.assert_allclose(np.abs(factor), np.abs(twin), rtol=1e-10, atol=1e-9)
        if rows > 2:
            values[0][rows // 2] = np.nan
            assert _minpack.reduce_differences(values, base, f, steps) == 0
            values[0][rows // 2] = 0.0
            values[2][-1] = np.inf
            assert _minpack.reduce_differences(values, base, f, steps) == 2
            values[2][-1] = 0.0
            assert _minpack.reduce_differences([None] * 3, base, f * np.nan, steps) == 3

    def test_fresh_residuals(self):
        """Protects values that are kept while func is called again: copies of what others hold."""
        held = np.arange(4.0)
        for func, is_copied in (
            (lambda x: held, True),
            (lambda x: held[:4], True),
            (lambda x: [0, 1, 2, 3], False),
            (lambda x: np.arange(4), False),
            (lambda x: np.arange(4.0), False),
        ):
            value = _minpack.fresh_residuals(func, (1.0,), 4)
            np.testing.assert_array_equal(value, held)
            assert not is_copied or not np.may_share_memory(value, held)
        with pytest.raises(ValueError, match="returned 4 residuals, but 3"):
            _minpack.fresh_residuals(lambda: held, (), 3)
        with pytest.raises(ZeroDivisionError):
            _minpack.fresh_residuals(lambda: 1 / 0, (), 3)

    def test_differences(self):
        """Protects the points of difference Jacobians: MINPACK's steps, within the bounds."""
        fit = self.waiting()
        points, steps = fit.differences(1e-8)
        np.testing.assert_allclose(steps, [1e-4, 0.0, 3e-4], rtol=1e-12)
        np.testing.assert_array_equal(points, fit.x + steps)
        assert fit.request == "jacobian"

    def test_numbers(self):
        """Protects a fit that goes on elsewhere: what follows is the same."""
        fit, other = self.waiting(), stepper([1, 2, 1], bounds=([0, 2, 0], [2, 2, 9]))
        running = _minpack.reduce_block(self.j, self.f, 3, False)
        other.restore(*fit.numbers())
        for one in (fit, other):
            one.running(running)
            one.residual(1.0)
        for one, two in zip(fit.numbers(), other.numbers(), strict=True):
            np.testing.assert_array_equal(one, two)
        other.restore(*stepper(np.ones(3), bounds=(0, 9)).numbers())
        assert (other.request, other.nfev) == ("residual", 0)

    def test_misuse(self):
        fit, running = self.waiting(), _minpack.reduce_block(self.j, self.f, 3, False)
        reals, integers = fit.numbers()
        unbounded = stepper([1.0, 2.0, 3.0])
        for call, error, match in (
            (lambda: fit.running(running[:-1]), ValueError, "not the running factor"),
            (lambda: fit.running(running.astype(np.float32)), ValueError, "not the running factor"),
            (lambda: unbounded.running(running), ValueError, "waits for 'residual'"),
            (lambda: unbounded.differences(0.0), ValueError, "waits for 'residual'"),
            (lambda: fit.differences("small"), TypeError, "real number"),
            (lambda: fit.nonfinite(3), IndexError, "no column 3"),
            (lambda: fit.nonfinite(-1), IndexError, "no column -1"),
            (lambda: unbounded.restore(reals, integers), ValueError, "not the numbers of a fit"),
            (lambda: fit.restore(reals, integers[::-1]), ValueError, "not the numbers of a fit"),
            (lambda: fit.restore(reals, integers * 0 - 1), ValueError, "not the numbers of a fit"),
            (lambda: _minpack.merge_blocks(9, running, running), ValueError, "of 9 columns"),
            (lambda: _minpack.merge_blocks(0, running, running), ValueError, "of 0 columns"),
            (lambda: _minpack.reduce_block(self.j, self.f, 4, False), TypeError, "want .40, 4."),
            (lambda: _minpack.reduce_block(self.j, 3.0, 3, False), ValueError, "takes f"),
            (lambda: _minpack.fresh_residuals(abs, [1], 3), TypeError, "must be tuple"),
            (lambda: _minpack.reduce_differences([], *[self.f] * 3), ValueError, "takes vectors"),
            (
                lambda: _minpack.reduce_differences([self.f, self.j], *[self.f] * 2, self.f[:2]),
                ValueError,
                "takes vectors",
            ),
        ):
            with pytest.raises(error, match=match):
                call()
        assert fit.request == "jacobian"
