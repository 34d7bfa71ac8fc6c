"""MINPACK's `chkder` itself: the neighbour it picks and its measure of each row."""

import ctypes

import numpy as np
import oracle
import pytest

from pyminpack import _minpack, show_config

EPS = 2.0**-52
# With -Dminpack=system it is the original that is tested, whose machine precision is rounded.
STEP = (
    2.0**-26
    if show_config()["minpack"] == "bundled"
    else float(np.sqrt(np.float64(2.22044604926e-16)))
)


def neighbour(x):
    x = np.asarray(x, dtype=float)
    xp = np.full_like(x, np.nan)
    _minpack.chkder(
        x, np.zeros(1), np.zeros((1, x.size), order="F"), xp, np.zeros(1), 1, np.zeros(1)
    )
    return xp


def measure(f, jacobian, x, pad=0):
    x = np.asarray(x, dtype=float)
    xp = neighbour(x)
    fvec, fvecp, fjac = f(x), f(xp), jacobian(x)
    err = np.full(fvec.size, np.nan)
    padded = np.full((fvec.size + pad, x.size), np.nan, order="F")
    padded[: fvec.size] = fjac
    _minpack.chkder(x, fvec, padded, xp, fvecp, 2, err)
    return err


def originals_measure(f, jacobian, x):
    """The same by the original library."""
    chkder = oracle.load().chkder_
    x = np.asarray(x, dtype=float)
    fvec, fjac = f(x), np.asfortranarray(jacobian(x))
    xp, fvecp, err = np.zeros_like(x), np.zeros_like(fvec), np.full_like(fvec, np.nan)
    for mode in (1, 2):
        if mode == 2:
            fvecp = f(xp)
        vectors = [a.ctypes.data_as(ctypes.c_void_p) for a in (x, fvec, fjac, xp, fvecp, err)]
        m, n, mode_ = (ctypes.byref(ctypes.c_int(k)) for k in (fvec.size, x.size, mode))
        a, b, c, d, e, g = vectors
        chkder(m, n, a, b, c, m, d, e, mode_, g)
    return err


def exponentials(t):
    def f(b):
        return 3.0 + b[0] * np.exp(-b[1] * t) + b[2] * t

    def jacobian(b):
        e = np.exp(-b[1] * t)
        return np.stack([e, -b[0] * t * e, t], axis=1)

    return f, jacobian


@pytest.fixture
def model():
    return exponentials(np.linspace(0.1, 3.0, 12))


class TestNeighbour:
    def test_is_half_the_digits_away(self):
        assert neighbour([1.0, -4.0, 1e-300, 0.0]).tolist() == pytest.approx(
            [1 + STEP, -4 + 4 * STEP, 1e-300 * (1 + STEP), STEP], rel=1e-15
        )


class TestMeasure:
    def test_right_jacobian(self, model):
        assert np.all(measure(*model, [2.1, 0.7, -0.3]) > 0.9)

    @pytest.mark.parametrize("column", [0, 1, 2])
    @pytest.mark.parametrize("factor", [-1.0, 0.0, 2.0, 1.1])
    def test_wrong_column(self, model, column, factor):
        f, jacobian = model

        def wrong(b):
            j = jacobian(b)
            j[:, column] *= factor
            return j

        assert np.all(measure(f, wrong, [2.1, 0.7, -0.3]) < 0.5)

    def test_wrong_row_alone_is_accused(self, model):
        f, jacobian = model

        def wrong(b):
            j = jacobian(b)
            j[4] *= -1
            return j

        doubtful = measure(f, wrong, [2.1, 0.7, -0.3]) < 0.5
        assert np.flatnonzero(doubtful).tolist() == [4]

    def test_rows_below_the_jacobian_are_not_read(self, model):
        x = [2.1, 0.7, -0.3]
        assert np.array_equal(measure(*model, x, pad=5), measure(*model, x))

    @pytest.mark.bundled
    def test_half_of_the_logarithmic_scale(self):
        """F stays 1, J promises 2^-12: misses 2^-38 of |F| + |F| = 2, that is eps^(3/4)."""
        err = measure(lambda x: np.ones(1), lambda x: np.array([[2.0**-12]]), [1.0])
        assert err[0] == pytest.approx(0.5, abs=1e-12)

    @pytest.mark.bundled
    def test_constant_residual_has_a_right_derivative_of_zero(self):
        err = measure(lambda x: np.array([7.0, 0.0]), lambda x: np.zeros((2, 2)), [2.0, 3.0])
        assert err.tolist() == [1.0, 1.0]

    @pytest.mark.bundled
    def test_residual_that_is_zero(self):
        """x² - 4 at 2: the derivative is right, though all of F is its change."""
        err = measure(lambda x: x**2 - 4, lambda x: 2 * x[:, None], [2.0])
        assert err[0] > 0.9

    @pytest.mark.bundled
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite_is_wrong(self, bad):
        assert measure(lambda x: x, lambda x: np.array([[bad]]), [2.0]).tolist() == [0.0]
        assert measure(lambda x: np.array([bad]), lambda x: np.ones((1, 1)), [2.0]).tolist() == [0]

    def test_jacobian_of_too_few_rows_is_refused(self):
        two, one = np.ones(2), np.ones(1)
        with pytest.raises(_minpack.__dict__["__minpack_error"], match="fjac"):
            _minpack.chkder(one, two, np.ones((1, 1), order="F"), one.copy(), two, 2, two.copy())

    def test_stays_between_0_and_1(self):
        rng = np.random.default_rng(1)
        for _ in range(200):
            m, n = rng.integers(1, 6, size=2)
            f, fp = 10.0 ** rng.uniform(-20, 20, (2, m)) * rng.choice([-1, 1], (2, m))
            x = 10.0 ** rng.uniform(-20, 20, n)
            values = iter([f, fp])
            fjac = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-20, 20, (m, n))
            err = measure(lambda x, values=values: next(values), lambda x, j=fjac: j, x)
            assert np.all((err >= 0) & (err <= 1))


@pytest.mark.skipif(not oracle.available(), reason="needs libminpack (Debian: libminpack1) and gcc")
class TestAgainstTheOriginal:
    """The same verdict: a row is right above 0.5."""

    @pytest.mark.parametrize("seed", range(20))
    def test_verdicts(self, model, seed):
        f, jacobian = model
        rng = np.random.default_rng(seed)
        x = rng.uniform(0.3, 2.0, 3)
        wrong_rows = rng.random(12) < 0.4

        def partly_wrong(b):
            j = jacobian(b)
            j[wrong_rows] *= 1 + 10 ** rng.uniform(-2, 1)
            return j

        ours = measure(f, partly_wrong, x)
        originals = originals_measure(f, partly_wrong, x)
        assert np.array_equal(ours > 0.5, originals > 0.5)
        assert np.array_equal(ours < 0.5, wrong_rows)
