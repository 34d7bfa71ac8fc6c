"""The factor step: whatever implementation makes them, R, ipvt, Qᵀ f and norms are the same."""

from functools import cache

import numpy as np
import pytest
import slow
from factor_cases import (
    BLOCK_ROWS,
    IMPLEMENTATIONS,
    KINDS,
    SIZES,
    Factors,
    ill_conditioned,
    jacobian,
    lapack,
    pivoted_by_blocks,
    pivoted_in_place,
    poison,
    residuals,
    running_factor,
    separated,
)

from pyminpack import _classic, _config, _minpack, leastsq

ISAS = range(_minpack.best_isa() + 1)
EPS = 2.0**-52
WAYS = pytest.mark.parametrize("factorise", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
AT_SIZES = pytest.mark.parametrize(("m", "n"), SIZES)


@pytest.fixture(autouse=True, scope="module", params=ISAS, ids=[_config.ISAS[i] for i in ISAS])
def isa(request):
    """Each instruction set that this processor has: what a weaker one would run."""
    before = _minpack.isa() if _minpack.isa_is_chosen() else -1
    assert _minpack.choose_isa(request.param)
    yield request.param
    _minpack.choose_isa(before)


def rounding(n):
    """What n reflections may change in a column of norm one: a small constant times n eps.

    Higham, Accuracy and Stability (2002), theorem 19.4, has m n eps; sums of m terms that are taken
    in lanes and blocks do not come near their worst case. A build without optimisation sums without
    lanes: it takes half of this on a column of equal numbers.
    """
    return 20 * n * EPS


def column_norms(j):
    return np.array([slow.enorm(column) for column in j.T])


def assert_contract(j, f, factors):
    """All that the step core relies on, in columns that are scaled to a norm of one."""
    n = j.shape[1]
    norms = column_norms(j)
    units = np.where(norms > 0.0, norms, 1.0)
    p = factors.pivots
    assert sorted(p) == list(range(n))
    np.testing.assert_array_equal(factors.r, np.triu(factors.r))
    np.testing.assert_allclose(factors.acnorm, norms, rtol=rounding(n), atol=0.0)

    a = (j / units)[:, p].astype(np.longdouble)
    s = (factors.r / units[p]).astype(np.longdouble)
    assert np.abs(a.T @ a - s.T @ s).max() <= rounding(n)  # RᵀR = PᵀJᵀJP
    assert np.abs(a.T @ f - s.T @ factors.qtf).max() <= rounding(n) * slow.enorm(f)

    zeros = norms[p] == 0.0
    assert not factors.r[:, zeros].any()
    assert zeros[n - zeros.sum() :].all()  # last of all
    assert_pivots_are_the_largest(s.astype(float), units[p], norms[p])


def assert_pivots_are_the_largest(s, units, norms):
    """No column has more left of it than the pivot, up to rounding and the error of downdating.

    A norm is downdated until its square is √eps of what it was when last computed: n steps of an
    error of eps each are then n √eps of it.
    """
    n = len(units)
    left = np.sqrt(np.cumsum(s[::-1] ** 2, axis=0)[::-1]) * units  # [k, i]: norm of R[k:, i]
    pivots = np.abs(np.diag(s)) * units
    allowed = pivots[:, None] * (1.0 + n * 2.0**-26) + rounding(n) * (norms + norms[:, None])
    assert (np.triu(left) <= allowed).all()


@WAYS
@AT_SIZES
@pytest.mark.parametrize("kind", KINDS)
def test_algebra(factorise, kind, m, n):
    """Protects all of the contract where rounding leaves R, or the pivots, undetermined."""
    j, f = jacobian(kind, m, n), residuals(m)
    assert_contract(j, f, factorise(j, f))


def assert_same_factors(factors, expected, allowed, f_norm):
    """The same pivots and, but for the signs of rows, the same numbers."""
    np.testing.assert_array_equal(factors.ipvt, expected.ipvt)
    turned = (factors.signs * expected.signs)[:, None]
    units = expected.acnorm[expected.pivots]
    assert np.abs((factors.r * turned - expected.r) / units).max() <= allowed
    assert np.abs(factors.qtf * turned[:, 0] - expected.qtf).max() <= allowed * f_norm


@WAYS
@AT_SIZES
@pytest.mark.parametrize("units", ["one", "1e-150 to 1e150"])
def test_same_as_lapack(factorise, m, n, units):
    """Protects R, ipvt and Qᵀ f as numbers, where norms are separated and so J determines them.

    With columns of norm one the condition is below 30, which is what a backward error of n eps can
    grow by in R (Higham, theorem 19.14).
    """
    j, f = separated(m, n), residuals(m)
    if units != "one":
        j *= 2.0 ** np.round(np.random.default_rng(n).uniform(-498, 498, n))
    assert np.linalg.cond(j / column_norms(j)) < 30.0
    expected = lapack(j, f)
    assert_same_factors(factorise(j, f), expected, 30.0 * rounding(n), slow.enorm(f))


@WAYS
@pytest.mark.parametrize(("m", "n"), [(60, 8), (111, 9), (249, 12), (130, 47), (130, 49)])
@pytest.mark.parametrize("rank", [1, 2, 5, 7])
def test_rank_shows_on_the_diagonal(factorise, m, n, rank):
    """Protects `lmpar` and `covar`: past the rank R is rounding error, before it it is not."""
    rng = np.random.default_rng([m, n, rank])
    j = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    factors = factorise(j, residuals(m))
    assert np.abs(factors.r[rank:, rank:]).max() <= rounding(n) * np.sqrt(m)
    assert np.abs(np.diag(factors.r))[:rank].min() > 0.01


@WAYS
@pytest.mark.parametrize(("m", "n"), [(5, 3), (249, 12), (60, 49)])
@pytest.mark.parametrize("exponent", [-900, -400, 400, 900])
def test_units_of_the_residuals(factorise, m, n, exponent):
    """Protects Qᵀ f from over- and underflow: it is linear in f, exactly so in powers of two."""
    j, f = separated(m, n), residuals(m)
    plain, scaled = factorise(j, f), factorise(j, np.ldexp(f, exponent))
    np.testing.assert_array_equal(scaled.qtf, np.ldexp(plain.qtf, exponent))
    np.testing.assert_array_equal(scaled.r, plain.r)


@pytest.mark.parametrize(("m", "n"), [(8, 8), (16, 4), (21, 3), (50, 3), (200, 4), (31, 31)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_small_jacobian_has_the_same_bits_by_wider_vectors(kind, m, n):
    """Protects the path of small fits: it is that of every machine."""
    j, f = jacobian(kind, m, n), residuals(m)
    expected = IMPLEMENTATIONS["in place"](j, f)
    numbers, qtf, acnorm = j.ravel(order="F").copy(), poison(n), poison(n)
    ipvt = np.full(n, -1, dtype=np.int32)
    _minpack.factor_in_place(numbers, f, ipvt, qtf, acnorm, poison(n), poison(n), poison(m))
    np.testing.assert_array_equal(np.triu(numbers.reshape(n, m).T[:n]), expected.r)
    np.testing.assert_array_equal(ipvt, expected.ipvt)
    np.testing.assert_array_equal(qtf, expected.qtf)
    np.testing.assert_array_equal(acnorm, expected.acnorm)


def test_remainders_too_small_to_square_are_pivoted():
    """Protects the order of the last pivots of a graded R, which its rank is read from."""
    r = np.array([[2.0, 1.0, 1.0], [0.0, 1e-170, 0.0], [0.0, 0.0, 3e-170]], order="F")
    qtf, ipvt = np.zeros(3), np.full(3, -1, dtype=np.int32)
    _minpack.pivot(r, qtf, ipvt, poison(_minpack.pivot_size(3)))
    assert ipvt.tolist() == [1, 3, 2]
    np.testing.assert_allclose(np.abs(np.diag(r)), [2.0, 3e-170, 1e-170], rtol=rounding(3))


class TestRunningFactor:
    """The reduction by rows: in any pieces, in any order, it is that of the whole."""

    ENDS = pytest.mark.parametrize("end", [pivoted_in_place, pivoted_by_blocks])

    @ENDS
    @pytest.mark.parametrize(("m", "n"), SIZES[4::3])
    @pytest.mark.parametrize("kind", KINDS)
    def test_two_halves_merged(self, end, kind, m, n):
        """Protects the reduction on two threads or machines; a half may have fewer rows than n."""
        j, f = jacobian(kind, m, n), residuals(m)
        half = m // 2
        state, other = running_factor(j[:half], f[:half]), running_factor(j[half:], f[half:])
        _minpack.rows_merge(n, state, other)
        assert_contract(j, f, end(state, n))

    @ENDS
    @pytest.mark.parametrize(("m", "n"), [(9, 8), (497, 12), (60, 49)])
    def test_merged_halves_have_the_numbers_of_the_whole(self, end, m, n):
        """Protects the same as numbers; tolerance as for LAPACK's, twice for two results."""
        j, f = separated(m, n), residuals(m)
        half = m // 2
        state, other = running_factor(j[half:], f[half:]), running_factor(j[:half], f[:half])
        _minpack.rows_merge(n, state, other)
        whole = end(running_factor(j, f), n)
        assert_same_factors(end(state, n), whole, 60.0 * rounding(n), slow.enorm(f))

    @ENDS
    @pytest.mark.parametrize("kind", ["random", "columns from 1e-150 to 1e150", "rank 2"])
    @pytest.mark.parametrize("cuts", [[1, 2], [BLOCK_ROWS], [5, 6, 7, 300], [3, 100, 499]])
    def test_pieces_of_any_size(self, end, kind, cuts):
        """Protects whoever has J in pieces; a state that was merged takes more rows, too."""
        m, n = 500, 10
        j, f = jacobian(kind, m, n), residuals(m)
        (first, *middle, last) = zip(np.split(j, cuts), np.split(f, cuts), strict=True)
        state = running_factor(*first)
        for piece in middle:
            state = running_factor(*piece, state)
        empty = np.zeros_like(state)
        _minpack.rows_merge(n, empty, state)
        assert_contract(j, f, end(running_factor(*last, empty), n))

    @ENDS
    @pytest.mark.parametrize(
        "exponents", [(-150, 150), (150, -150), (-150, 0), (0, 150), (-200, -100)]
    )
    def test_halves_of_different_scales_merged(self, end, exponents):
        """Protects the merging of columns that were scaled against over- and underflow."""
        m, n = 60, 10
        first, second = (10.0**exponent for exponent in exponents)
        j, f = separated(m, n), residuals(m)
        j[: m // 2] *= first
        j[m // 2 :] *= second
        state = running_factor(j[: m // 2], f[: m // 2])
        _minpack.rows_merge(n, state, running_factor(j[m // 2 :], f[m // 2 :]))
        assert_contract(j, f, end(state, n))

    @pytest.mark.parametrize("row", [0, 7, BLOCK_ROWS - 1, BLOCK_ROWS, 299])
    @pytest.mark.parametrize("column", [0, 3, 6, "f"])
    @pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
    def test_not_finite(self, row, column, scale):
        """Protects the end of the fit by `ier` 9, wherever the number stands."""
        for bad in (np.nan, np.inf, -np.inf):
            j, f = jacobian("random", 300, 7) * scale, residuals(300)
            if column == "f":
                f[row] = bad
            else:
                j[row, column] = bad
            state, work = np.zeros(_minpack.state_size(7)), poison(_minpack.block_size(7))
            assert _minpack.rows_add(7, j.ravel(), 7, 1, f, state, work) == 0

    def test_arrays_that_are_too_short_are_refused(self):
        """Protects memory."""
        j, f, work = np.ones(20), np.ones(10), np.zeros(_minpack.block_size(2))
        state = np.zeros(_minpack.state_size(2))
        for arguments in [
            (2, j[:-1], 2, 1, f, state, work),
            (2, j, 1, 11, f, state, work),
            (2, j, -2, 1, f, state, work),
            (2, j, 2, 1, f, state[:-1], work),
            (2, j, 2, 1, f, state, work[:-1]),
        ]:
            with pytest.raises(Exception, match="failed for"):
                _minpack.rows_add(*arguments)
        assert not state.any()


class TestDamped:
    """S and Qᵀ b of [R; √par D P], which `lmpar` solves with where n is large."""

    @pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 49, 65])
    @pytest.mark.parametrize("par", [1e-12, 1.0, 1e12])
    @pytest.mark.parametrize("kind", ["plain", "scaled", "singular", "tiny", "huge", "zero"])
    def test_algebra(self, n, par, kind):
        """Protects SᵀS = Pᵀ(JᵀJ + par D²)P and Sᵀ qtb = Rᵀ qtf, in columns of S of norm one."""
        rng = np.random.default_rng([n, 4])
        units = {"scaled": 10.0 ** rng.uniform(-140, 140, n), "tiny": 1e-150, "huge": 1e150}
        units = np.broadcast_to(units.get(kind, 1.0), n)
        r, qtf = np.triu(rng.standard_normal((n, n))), rng.standard_normal(n)
        if kind == "singular":
            r[n // 2 :, n // 2 :] = 0.0
        elif kind == "zero":
            r[:] = 0.0
        r = np.asfortranarray(r * units)
        ipvt = (rng.permutation(n) + 1).astype(np.int32)
        diag = np.empty(n)
        diag[ipvt - 1] = np.exp(rng.standard_normal(n)) * units
        damped_size = _minpack.damped_size(n)
        dense, qtb = poison(_minpack.dense_size(n) - damped_size), poison(n)
        before = r.copy()
        _minpack.damped(r, ipvt, par, diag, qtf, dense, qtb, poison(damped_size))

        np.testing.assert_array_equal(r, before)
        s = np.triu(dense.reshape(-1, _minpack.leading(n))[:n, :n].T)
        weights = np.sqrt(par) * diag[ipvt - 1]
        norms = column_norms(np.vstack([r, np.diag(weights)]))
        a, b, w = r / norms, s / norms, np.diag(weights / norms)
        a, b, w = (matrix.astype(np.longdouble) for matrix in (a, b, w))
        assert np.abs(a.T @ a + w.T @ w - b.T @ b).max() <= rounding(n)
        assert np.abs(a.T @ qtf - b.T @ qtb).max() <= rounding(n) * slow.enorm(qtf)


PARAMETER_KINDS = [
    "plain", "zero columns", "condition 1e6", "condition 1e9", "scaled", "D from 1e-3 to 1e3",
]  # fmt: skip


class TestLmpar:
    """The parameter by blocks is the one by Givens rotations, on either side of n = 48."""

    @staticmethod
    def solve(problem, delta, guess, dense):
        """par, z, ‖D z‖ and whether it went by blocks: rotations write below R's diagonal."""
        r, ipvt, diag, qtb = problem
        n = len(ipvt)
        below = np.tril(np.ones((n, n), dtype=bool), -1)
        r = np.asfortranarray(np.where(below, np.nan, r))
        z, *work = (poison(n) for _ in range(4))
        par, dz_norm = _minpack.lmpar(r, ipvt, diag, qtb, delta, guess, z, *work, dense)
        return par, z, dz_norm, bool(np.isnan(r[below]).all())

    @staticmethod
    @cache
    def problem(n, kind):
        """R, ipvt, D and Qᵀ f, and the singular values of J D⁻¹."""
        rng = np.random.default_rng([n, 5])
        j, f = rng.standard_normal((n + 20, n)), rng.standard_normal(n + 20)
        if kind == "zero columns":
            j[:, ::7] = 0.0
        elif kind.startswith("condition"):
            j = ill_conditioned(n + 20, n, float(kind.split()[1]))
        elif kind == "scaled":
            j *= 10.0 ** rng.uniform(-150, 150, n)
        factors = IMPLEMENTATIONS["rows and blocks"](j, f)
        diag = np.where(factors.acnorm > 0.0, factors.acnorm, 1.0)
        if kind == "D from 1e-3 to 1e3":
            diag *= 10.0 ** np.linspace(-3, 3, n)
        sigma = np.linalg.svd(factors.r / diag[factors.pivots], compute_uv=False)
        return (factors.r, factors.ipvt, diag, factors.qtf), sigma

    @pytest.mark.parametrize("n", [47, 48, 49, 100, 200])
    @pytest.mark.parametrize("kind", PARAMETER_KINDS)
    @pytest.mark.parametrize("fraction", [2.0, 0.5, 1e-3, 1e-12, 1e-40])
    @pytest.mark.parametrize("guess", [0.0, 1.0])
    def test_same_as_by_rotations(self, n, kind, fraction, guess):
        """Protects the path of large fits: the same iterations to the same par and z.

        What both are wrong by, n eps and a small constant, grows with the condition of the damped
        problem, [J D⁻¹; √par I].
        """
        problem, sigma = self.problem(n, kind)
        diag = problem[2]
        delta = fraction * self.solve(problem, 1e300, 0.0, 0)[2]
        expected, expected_z, expected_norm, _ = self.solve(problem, delta, guess, 0)
        par, z, dz_norm, blocked = self.solve(problem, delta, guess, _minpack.dense_size(n))

        assert (par == 0.0) == (fraction > 1.0)
        assert blocked == (n >= 48 or par == 0.0)
        rtol = 0.0  # where par is, no damped problem was solved
        if par > 0.0:
            root = np.sqrt(expected)
            rtol = 20 * n * EPS * np.hypot(sigma[0], root) / np.hypot(sigma[-1], root)
        assert (par, dz_norm) == pytest.approx((expected, expected_norm), rel=rtol, abs=0.0)
        assert slow.enorm(diag * (z - expected_z)) <= rtol * delta

    @pytest.mark.parametrize("ndense", [0, 100, "one less"])
    def test_too_little_work_space(self, ndense):
        """Protects memory: without room for blocks it goes by rotations."""
        n = 50
        problem, _ = self.problem(n, "plain")
        delta = 0.1 * self.solve(problem, 1e300, 0.0, 0)[2]
        ndense = _minpack.dense_size(n) - 1 if ndense == "one less" else ndense
        assert not self.solve(problem, delta, 0.0, ndense)[3]
        assert self.solve(problem, delta, 0.0, _minpack.dense_size(n))[3]


# Just below and above the switches of the driver: to rows, to blocks in pivoting, to two halves.
SWITCHES = [
    (37, 27),
    (111, 9),
    (40, 25),
    (125, 8),
    (91, 11),
    (249, 5),
    (48, 47),
    (48, 48),
    (300, 49),
    (599, 150),
    (600, 150),
]


def fit(j, f, *, col_deriv=False):
    """The factors that `leastsq` shows of J and f: of its only Jacobian, for it ends after that."""
    _, _, infodict, _, ier = leastsq(
        lambda x: f,
        np.zeros(min(j.shape)),
        Dfun=lambda x: j,
        col_deriv=col_deriv,
        full_output=True,
        maxfev=1,
    )
    assert ier in {4, 5}  # 4: the only column there is is orthogonal to f; or all are zero
    fjac = infodict["fjac"]
    m, n = len(f), min(j.shape)
    assert fjac.shape == (n, m)
    if _minpack.factor_by_rows(m, n):
        np.testing.assert_array_equal(fjac, np.tril(fjac))  # zeros beside R
    r = np.triu(fjac.T[:n])
    # The norms are not shown: those of R's columns.
    acnorm = np.empty(n)
    acnorm[infodict["ipvt"] - 1] = column_norms(r)
    return Factors(r, infodict["ipvt"], infodict["qtf"], acnorm)


def spread(a, down, across):
    """The same numbers `down` rows and `across` columns apart, among others that do not count."""
    m, n = a.shape
    larger = np.full((down * m, across * n), np.nan)
    larger[::down, ::across] = a
    return larger[::down, ::across]


def unaligned(a):
    """The same numbers at an odd address."""
    bytes_ = np.zeros(a.nbytes + 1, dtype=np.uint8)[1:]
    moved = bytes_.view(a.dtype).reshape(a.shape)
    moved[:] = a
    assert not moved.flags.aligned
    return moved


def in_a_record(a):
    """The same numbers at distances that are no multiple of theirs."""
    records = np.zeros(a.shape, dtype=[("value", "f8"), ("flag", "i4")])
    records["value"] = a
    assert records["value"].strides[1] == 12
    return records["value"]


LAYOUTS = {
    "rows": lambda j: (j.copy(order="C"), False),
    "rows by columns": lambda j: (j.copy(order="F"), False),
    "columns": lambda j: (j.T.copy(order="C"), True),
    "columns by rows": lambda j: (j.T.copy(order="F"), True),
    "every third": lambda j: (spread(j, 3, 2), False),
    "every third column": lambda j: (spread(j.T, 3, 2), True),
    "every third by columns": lambda j: (spread(j.T, 2, 3).T, False),
    "rows backwards": lambda j: (j[::-1].copy()[::-1], False),
    "columns backwards": lambda j: (j[:, ::-1].copy()[:, ::-1], False),
    "both backwards": lambda j: (j.T[::-1, ::-1].copy()[::-1, ::-1], True),
    "float32": lambda j: (j.astype(np.float32), False),
    "float32 columns": lambda j: (j.T.astype(np.float32), True),
    "other byte order": lambda j: (j.astype(j.dtype.newbyteorder()), False),
    "unaligned": lambda j: (unaligned(j), False),
    "structured": lambda j: (in_a_record(j), False),
}


@pytest.mark.bundled  # the original's lmder factorises in its own way
class TestThroughLeastsq:
    """The implementation that the driver chooses by size, and what it takes from Dfun."""

    @pytest.mark.parametrize(("m", "n"), SWITCHES)
    @pytest.mark.parametrize("kind", KINDS)
    def test_algebra(self, kind, m, n):
        """Protects `infodict`, whichever implementation the size chooses."""
        j, f = jacobian(kind, m, n), residuals(m)
        assert_contract(j, f, fit(j, f))

    @pytest.mark.parametrize(("m", "n"), SWITCHES)
    def test_same_as_classic(self, m, n):
        """Protects the same as numbers, against lmder's; tolerance as for LAPACK's."""
        j, f = separated(m, n), residuals(m)
        arguments = (lambda x: f, np.zeros(n), (), lambda x: j, True, False)
        *_, fjac, ipvt, qtf, _ = _classic.solve(*arguments, 0.0, 0.0, 0.0, 1, None, 100.0, None)
        expected = Factors(np.triu(fjac.T[:n]), ipvt, qtf, column_norms(j))
        assert_same_factors(fit(j, f), expected, 60.0 * rounding(n), slow.enorm(f))

    @pytest.mark.parametrize(("m", "n"), SWITCHES)
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layouts(self, layout, m, n):
        """Protects arrays of all kinds: the same numbers, to the last bit, and J as it was."""
        j, f = jacobian("random", m, n).astype(np.float32).astype(float), residuals(m)
        expected = fit(j, f)
        laid_out, col_deriv = LAYOUTS[layout](j)
        for writeable in (True, False):
            laid_out.setflags(write=writeable)
            factors = fit(laid_out, f, col_deriv=col_deriv)
            for name in ("r", "ipvt", "qtf"):
                np.testing.assert_array_equal(getattr(factors, name), getattr(expected, name))
            np.testing.assert_array_equal(laid_out.T if col_deriv else laid_out, j)

    @pytest.mark.parametrize(("m", "n"), SWITCHES)
    def test_broadcast(self, m, n):
        """Protects strides of zero: a Jacobian of rows that are all the same one."""
        row, f = residuals(n), residuals(m)
        j = np.broadcast_to(row, (m, n))
        assert_contract(np.array(j), f, fit(j, f))

    @pytest.mark.parametrize(("m", "n"), SWITCHES)
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, m, n, bad):
        """Protects the message of `ier` 9, which names the first such column."""
        j, f = jacobian("random", m, n).copy(), residuals(m)
        j[m - 1, n // 2] = j[0, n - 1] = bad
        arguments = (lambda x: f, np.zeros(n), (), lambda x: j, True, False)
        arguments += (0.0, 0.0, 0.0, 1, None, 100.0, None)
        x, *told = _minpack.solve(*arguments, None, None, False)[:5]
        assert told[:3] == [9, 2, n // 2]  # not finite, the Jacobian, its column
        assert told[:3] == list(_classic.solve(*arguments)[1:4])
        np.testing.assert_array_equal(x, np.zeros(n))
