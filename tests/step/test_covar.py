"""covar: the inverse of JᵀJ from R, and the test of its rank."""

import mpmath
import numpy as np
import pytest
import slow

from pyminpack import _minpack

EPS = 2.0**-52


def generator(*seed):
    return np.random.default_rng(list(seed))


def covar(r, ipvt=None, extra_rows=2):
    """What `covar` returns for R in a larger array, with poison all around the triangle."""
    n = r.shape[1]
    padded = np.full((n + extra_rows, n), np.nan, order="F")
    padded[:n] = np.where(np.triu(np.ones((n, n))) > 0.0, r, np.nan)
    pivots = np.arange(1, n + 1) if ipvt is None else ipvt
    c, full_rank = _minpack.covar(padded, np.array(pivots, dtype=np.int32))
    return c, bool(full_rank)


def exact(r, ipvt):
    """P R⁻¹ R⁻ᵀ Pᵀ in 700 digits: more than columns from 1e-150 to 1e150 are apart, squared."""
    n = r.shape[1]
    with mpmath.workdps(700):
        inverse = mpmath.matrix(slow.jacobian(r, ipvt).tolist()) ** -1
        product = inverse * inverse.T
        return np.array([[float(product[i, j]) for j in range(n)] for i in range(n)])


def factors(jac):
    r, ipvt, *_ = slow.qrfac(jac, np.zeros(len(jac)))
    return r, ipvt


def random(m, n, units=1.0):
    return factors(generator(m, n).standard_normal((m, n)) * units)


def graded(n, smallest):
    rng = generator(n)
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return factors(u * np.geomspace(1.0, smallest, n) @ v)


REGULAR = {
    "n = 1": random(3, 1),
    "m = n": random(4, 4),
    "tall": random(50, 8),
    "larger": random(60, 25),
    "graded to 1e-6": graded(5, 1e-6),
    "graded to 1e-11": graded(5, 1e-11),
    "columns from 1e-150 to 1e150": random(9, 4, 10.0 ** np.array([-150.0, 150.0, 0.0, -100.0])),
    "all of 1e-150": random(9, 3, 1e-150),
    "all of 1e150": random(9, 3, 1e150),
}
regular = pytest.mark.parametrize(("r", "ipvt"), REGULAR.values(), ids=REGULAR.keys())


@regular
class TestRegular:
    def test_inverse_of_the_normal_matrix(self, r, ipvt):
        """Protects cov_x: order of the variables, every entry.

        Each row of R⁻¹ is found by substitution, wrong by n eps relative to |R⁻¹||R||R⁻¹| (Higham,
        Accuracy and Stability (2002), section 14.2.1), which with columns scaled to one is at most
        n κ times the row's norm; the product of two rows, twice that.
        """
        n = ipvt.size
        c, full_rank = covar(r, ipvt)
        truth = exact(r, ipvt)
        spread = np.sqrt(np.diag(truth))
        condition = np.linalg.cond(r / [slow.enorm(column) for column in r.T])
        assert full_rank
        error = (c - truth) / spread[:, None] / spread
        assert np.abs(error).max() <= 4 * n**2 * EPS * condition

    def test_exactly_symmetric(self, r, ipvt):
        """Protects those who test for symmetry before a Cholesky factorisation."""
        c, _ = covar(r, ipvt)
        np.testing.assert_array_equal(c, c.T)

    def test_padding_does_not_matter(self, r, ipvt):
        """Protects the reading of R out of fjac, whose rows go on to m."""
        np.testing.assert_array_equal(covar(r, ipvt)[0], covar(r, ipvt, extra_rows=0)[0])


def test_agrees_with_the_slow_twin():
    """Protects it by other means, where those are accurate: JᵀJ of condition below 1e4."""
    r, ipvt = REGULAR["tall"]
    twin = slow.covar(r, ipvt)
    assert np.linalg.cond(r) < 100.0
    np.testing.assert_allclose(covar(r, ipvt)[0], twin, rtol=0, atol=1e4 * EPS * np.abs(twin).max())


def test_numbers_worked_out_by_hand():
    """Protects the permutation: column 1 of R is variable 2."""
    c, full_rank = covar(np.array([[2.0, 2.0], [0.0, 1.0]]), [2, 1])
    assert full_rank
    np.testing.assert_array_equal(c, [[1.0, -1.0], [-1.0, 1.25]])


class TestRank:
    """The contract: rank is lost where some |R_kk| is not above n eps times its column's norm."""

    @pytest.mark.parametrize("n", [1, 2, 5])
    @pytest.mark.parametrize("k", [0, -1])
    def test_zero_on_the_diagonal(self, n, k):
        """Protects against a covariance of infinities."""
        r = np.triu(np.ones((n, n))) + np.eye(n)
        r[k, k] = 0.0
        assert not covar(r)[1]

    @pytest.mark.parametrize("unit", [2.0**-900, 2.0**-500, 1.0, 2.0**500, 2.0**900])
    def test_on_the_threshold(self, unit):
        """Protects `not above`: a column of norm 4 and n = 2 make it 8 eps exactly."""
        threshold = 8.0 * EPS
        assert not covar(np.array([[4.0, 4.0], [0.0, threshold]]) * unit)[1]
        assert not covar(np.array([[4.0, 4.0], [0.0, -threshold]]) * unit)[1]
        assert covar(np.array([[4.0, 4.0], [0.0, threshold * (1.0 + EPS)]]) * unit)[1]

    @pytest.mark.parametrize("exponents", [(0, 0, 0), (-150, 0, 150), (150, 0, -150), (0, -300, 0)])
    def test_units_of_the_variables_do_not_matter(self, exponents):
        """Protects small parameters: a column is measured against itself, not against R_11."""
        r = np.array([[3.0, 1.0, -2.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]])
        r *= 10.0 ** np.array(exponents, dtype=float)
        assert covar(r)[1]
        r[2, 2] *= EPS
        assert not covar(r)[1]

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("where", [(0, 0), (0, 1), (1, 1)])
    def test_non_finite_entries(self, bad, where):
        """Protects against a covariance of NaN: an infinite column has no direction."""
        r = np.array([[2.0, 1.0], [0.0, 1.0]])
        r[where] = bad
        assert not covar(r)[1]

    def test_pivots_past_the_rank(self):
        """Protects the real case: equal columns, with the rounding errors that `qrfac` leaves."""
        column = generator(3).standard_normal((40, 1))
        assert not covar(*factors(column * [1.0, -3.0, 0.1]))[1]


def test_leading_dimension_below_n():
    """Protects memory: an R that does not fit is refused."""
    with pytest.raises(Exception, match=r"shape\(r, 0\) >= n"):
        _minpack.covar(np.zeros((2, 3)), np.arange(1, 4, dtype=np.int32))
