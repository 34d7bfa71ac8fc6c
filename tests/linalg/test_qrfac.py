"""qrfac: J P = Q R by Householder reflections with column pivoting, and Qᵀ f."""

import numpy as np
import parts
import pytest
import slow

EPS = 2.0**-52


def random(m, n, seed=0):
    return np.random.default_rng([m, n, seed]).standard_normal((m, n))


def orthonormal(m, n, seed=0):
    return np.linalg.qr(random(m, n, seed))[0]


def with_singular_values(m, values, seed=0):
    n = len(values)
    return orthonormal(m, n, seed) * np.array(values) @ orthonormal(n, n, seed + 1).T


def kahan(n, angle):
    """W. Kahan's triangle (1966): on the verge of another pivot at every step."""
    sine, cosine = np.sin(angle), np.cos(angle)
    return sine ** np.arange(n)[:, None] * (np.eye(n) - cosine * np.triu(np.ones((n, n)), 1))


def nearly_parallel(m, n, distance, seed=0):
    return random(m, 1, seed) + distance * random(m, n, seed)


def with_zero_columns(m, n, columns):
    a = random(m, n)
    a[:, columns] = 0.0
    return a


WELL_CONDITIONED = {
    "1 by 1": random(1, 1),
    "n = 1": random(7, 1),
    "m = n": random(6, 6),
    "m = n + 1": random(7, 6),
    "tall": random(200, 9),
    "lanes": random(17, 16),
    "triangular": np.triu(random(8, 8)) + 4.0 * np.eye(8),
    "negative head": -np.abs(random(6, 3)),
    "columns from 1e-150 to 1e150": random(12, 7) * 10.0 ** np.linspace(-150, 150, 7),
    "columns from 1e150 to 1e-150": random(12, 7) * 10.0 ** np.linspace(150, -150, 7),
    "near overflow": random(9, 4) * 1e307,
    "near underflow": random(9, 4) * 1e-290,
}
FULL_RANK = WELL_CONDITIONED | {
    "orthogonal columns": 3.0 * orthonormal(8, 5),
    "rows from 1e6 to 1e-6": random(12, 7) * 10.0 ** np.linspace(6, -6, 12)[:, None],
}
NEAR_RANK_LOSS = {
    "graded": with_singular_values(12, 10.0 ** -np.arange(0.0, 16.0, 2.0)),
    "kahan": kahan(12, 0.5),
    "nearly parallel, norms kept": nearly_parallel(12, 6, 1e-6),
    "nearly parallel, norms on the verge": nearly_parallel(12, 6, 1e-7),
    "nearly parallel, norms recomputed": nearly_parallel(12, 6, 1e-8),
    "hilbert": 1.0 / (1.0 + np.add.outer(np.arange(10), np.arange(8))),
}
RANK_DEFICIENT = {
    "zero": np.zeros((5, 3)),
    "zero column first": with_zero_columns(6, 4, [0]),
    "zero column last": with_zero_columns(6, 4, [3]),
    "zero columns": with_zero_columns(6, 5, [0, 2, 4]),
    "one row, then zeros": np.vstack([random(1, 4), np.zeros((6, 4))]),
    "equal columns": np.repeat(random(7, 1), 3, axis=1),
    "opposite columns": random(7, 1) * [1.0, -1.0, 0.5],
    "rank 2": random(9, 2) @ random(2, 5),
    "integers of rank 1": np.outer([1.0, 2.0, 2.0], [2.0, 4.0, 6.0]),
}
ALL = FULL_RANK | NEAR_RANK_LOSS | RANK_DEFICIENT


def cases(matrices):
    return pytest.mark.parametrize("j", matrices.values(), ids=matrices.keys())


class Factors:
    """What `qrfac` makes of J and f; all that it is to write is poisoned, and two rows beyond m."""

    def __init__(self, j, f=None):
        self.m, self.n = j.shape
        self.a = np.full((self.m + 2, self.n), np.nan, order="F")
        self.a[: self.m] = j
        self.f = np.zeros(self.m) if f is None else np.array(f, dtype=float)
        self.ipvt = np.full(self.n, -1, dtype=np.int32)
        self.acnorm, *work = (np.full(self.n, np.nan) for _ in range(4))
        parts.qrfac(self.a, self.f, self.ipvt, self.acnorm, *work)
        self.r = np.triu(self.a[: self.n])
        self.jp = j[:, self.ipvt - 1]
        self.norms = np.array([slow.enorm(column) for column in self.jp.T])


def backward_error(m, n, norm):
    """Higham, Accuracy and Stability (2002), theorem 19.4: n reflections of m entries leave a
    column wrong by a small constant times m n eps times its own norm (its spacing, where that is
    subnormal)."""
    return 5 * m * n * EPS * norm + m * 2.0**-1074


@cases(ALL)
class TestAlgebra:
    def test_columns_in_the_order_of_the_pivots(self, j):
        """Protects ipvt: a permutation, counted from 1."""
        assert sorted(Factors(j).ipvt) == list(range(1, j.shape[1] + 1))

    def test_q_r_is_j_p(self, j):
        """Protects the factorisation, column by column, through the Q that `f` is multiplied by."""
        factors = Factors(j)
        n = factors.n
        q = np.array([Factors(j, unit).f[:n] for unit in np.eye(factors.m)])  # row i: of Qᵀ e_i
        identity = np.abs(q.T @ q - np.eye(n))
        assert identity.max() <= backward_error(factors.m, factors.n, 1.0)
        for k in range(n):
            scale = factors.norms[k] or 1.0
            difference = q @ (factors.r[:, k] / scale) - factors.jp[:, k] / scale
            assert slow.enorm(difference) <= backward_error(factors.m, factors.n, 1.0)

    def test_acnorm(self, j):
        """Protects the column norms, in the order of the variables: they scale the fit."""
        expected = [slow.enorm(column) for column in j.T]
        np.testing.assert_allclose(Factors(j).acnorm, expected, rtol=len(j) * EPS)


def assert_pivots_are_the_largest(j, slack):
    """|R_kk| is at most `slack` and rounding errors below the norm of what is left of a column."""
    factors = Factors(j)
    rounding = backward_error(factors.m, factors.n, factors.norms)
    for k in range(factors.n):
        left = np.array([slow.enorm(factors.r[k : i + 1, i]) for i in range(factors.n)])
        assert ((1.0 + slack) * abs(factors.r[k, k]) + rounding >= left)[k:].all()


@cases(FULL_RANK)
def test_pivot_is_the_largest_column_left(j):
    """Protects the order of R's diagonal."""
    assert_pivots_are_the_largest(j, 0.0)


@cases(NEAR_RANK_LOSS | RANK_DEFICIENT)
def test_pivot_is_about_the_largest_column_left(j):
    """Protects the rank that R shows.

    A norm is downdated until its square is 20 eps of what it was when last computed. So the square
    may be wrong by a twentieth of itself for each eps of accumulated error, here less than ten.
    """
    assert_pivots_are_the_largest(j, 0.5)


@cases(FULL_RANK)
def test_stored_reflectors_make_r_of_j_p(j):
    """Protects what lies below the diagonal: with R it is all of Q.

    The first entry of each v is not stored: it is a + sigma, a known but for rounding errors of
    J's size. Where sigma is no larger than they are (R rank-deficient), it could be anything.
    """
    m, n = j.shape
    f = random(m, 1, 9)[:, 0]
    factors = Factors(j, f)
    a = np.column_stack([factors.jp / factors.norms, f])
    for k in range(n):
        sigma = -factors.r[k, k] / factors.norms[k]
        v = factors.a[k:m, k] / factors.norms[k]
        v[0] = a[k, k] + sigma
        a[k:] -= np.outer(v, v @ a[k:] / (sigma * v[0]))
    r = np.vstack([factors.r / factors.norms, np.zeros((m - n, n))])
    assert np.abs(a[:, :n] - r).max() <= backward_error(m, n, 1.0)
    assert np.abs(a[:n, n] - factors.f[:n]).max() <= backward_error(m, n, slow.enorm(f))


@cases(WELL_CONDITIONED)
def test_agrees_with_the_slow_twin(j):
    """Protects the pivots, R with its signs and Qᵀ f as numbers, where J determines them.

    The columns of these, each divided by its norm, have condition numbers below 100, which is how
    much a backward error can grow (Higham, theorem 19.14, but for a constant).
    """
    m, n = j.shape
    f = random(m, 1, 8)[:, 0]
    factors = Factors(j, f)
    r, ipvt, qtf, _ = slow.qrfac(j, f)
    assert np.linalg.cond(factors.jp / factors.norms) < 100.0
    np.testing.assert_array_equal(factors.ipvt, ipvt)
    allowed = 100.0 * backward_error(m, n, 1.0)
    assert np.abs((factors.r - r) / factors.norms).max() <= allowed
    assert np.abs(factors.f - qtf)[:n].max() <= allowed * slow.enorm(f)


def test_first_of_equal_columns_is_the_pivot():
    """Protects the path: the original takes the first, and every fit with a symmetry has ties."""
    np.testing.assert_array_equal(Factors(np.eye(4)).ipvt, [1, 2, 3, 4])
    np.testing.assert_array_equal(Factors(np.eye(4)[:, ::-1]).ipvt, [1, 2, 3, 4])
    np.testing.assert_array_equal(Factors(np.diag([1.0, 2.0, 2.0, 1.0])).ipvt, [2, 3, 1, 4])


def test_numbers_worked_out_by_hand():
    """Protects the signs: R_kk is of the sign opposite to that of the entry it replaces."""
    factors = Factors(np.array([[3.0], [4.0]]), [1.0, 2.0])
    assert factors.r[0, 0] == -5.0
    np.testing.assert_allclose(factors.f, [-11.0 / 5.0, 2.0 / 5.0], rtol=4 * EPS)
    assert Factors(np.array([[-3.0], [4.0]])).r[0, 0] == 5.0
    assert Factors(np.array([[-0.0], [4.0]])).r[0, 0] == -4.0


@cases(RANK_DEFICIENT)
def test_rank_shows_on_the_diagonal(j):
    """Protects `lmpar` and `covar`: past the rank R is rounding error, and zeros stay zero."""
    factors = Factors(j)
    rank = np.linalg.matrix_rank(j)
    rest = np.abs(factors.r[rank:, :])
    assert rest.max(initial=0.0) <= backward_error(factors.m, factors.n, factors.norms.max())
    assert np.abs(np.diag(factors.r))[:rank].min(initial=1.0) > 0.01
    zeros = factors.norms == 0.0
    assert not factors.r[:, zeros].any()
    assert zeros[factors.n - zeros.sum() :].all()  # the last pivots


@pytest.mark.parametrize("j", [random(9, 4), with_zero_columns(6, 4, [0])])
def test_rows_beyond_m_are_left_alone(j):
    """Protects whoever keeps J in a larger array: the two rows below it are still NaN."""
    assert np.isnan(Factors(j).a[len(j) :]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", range(3))
def test_non_finite_entries_show_in_acnorm(bad, column):
    """Protects the end of the fit by `ier` 9: it names the column."""
    j = random(6, 3)
    j[4, column] = bad
    assert np.flatnonzero(~np.isfinite(Factors(j).acnorm)).tolist() == [column]
