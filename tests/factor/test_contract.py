"""The factor step: whatever implementation makes them, R, ipvt, Qᵀ f and norms are the same."""

import numpy as np
import parts
import pytest
import slow
from factor_cases import (
    BLOCK_ROWS,
    IMPLEMENTATIONS,
    KINDS,
    SIZES,
    jacobian,
    lapack,
    pivoted_by_blocks,
    pivoted_in_place,
    poison,
    residuals,
    running_factor,
    separated,
)
from factor_contract import assert_contract, assert_same_factors, column_norms, rounding

pytestmark = pytest.mark.usefixtures("isa")

WAYS = pytest.mark.parametrize("factorise", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
AT_SIZES = pytest.mark.parametrize(("m", "n"), SIZES)


@WAYS
@AT_SIZES
@pytest.mark.parametrize("kind", KINDS)
def test_algebra(factorise, kind, m, n):
    """Protects all of the contract where rounding leaves R, or the pivots, undetermined."""
    j, f = jacobian(kind, m, n), residuals(m)
    assert_contract(j, f, factorise(j, f))


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
    parts.factor_in_place(numbers, f, ipvt, qtf, acnorm, poison(n), poison(n), poison(m))
    np.testing.assert_array_equal(np.triu(numbers.reshape(n, m).T[:n]), expected.r)
    np.testing.assert_array_equal(ipvt, expected.ipvt)
    np.testing.assert_array_equal(qtf, expected.qtf)
    np.testing.assert_array_equal(acnorm, expected.acnorm)


def test_remainders_too_small_to_square_are_pivoted():
    """Protects the order of the last pivots of a graded R, which its rank is read from."""
    r = np.array([[2.0, 1.0, 1.0], [0.0, 1e-170, 0.0], [0.0, 0.0, 3e-170]], order="F")
    qtf, ipvt = np.zeros(3), np.full(3, -1, dtype=np.int32)
    parts.pivot(r, qtf, ipvt, poison(parts.pivot_size(3)))
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
        running, other = running_factor(j[:half], f[:half]), running_factor(j[half:], f[half:])
        parts.rows_merge(n, running, other)
        assert_contract(j, f, end(running, n))

    @ENDS
    @pytest.mark.parametrize(("m", "n"), [(9, 8), (497, 12), (60, 49)])
    def test_merged_halves_have_the_numbers_of_the_whole(self, end, m, n):
        """Protects the same as numbers; tolerance as for LAPACK's, twice for two results."""
        j, f = separated(m, n), residuals(m)
        half = m // 2
        running, other = running_factor(j[half:], f[half:]), running_factor(j[:half], f[:half])
        parts.rows_merge(n, running, other)
        whole = end(running_factor(j, f), n)
        assert_same_factors(end(running, n), whole, 60.0 * rounding(n), slow.enorm(f))

    @ENDS
    @pytest.mark.parametrize("kind", ["random", "columns from 1e-150 to 1e150", "rank 2"])
    @pytest.mark.parametrize("cuts", [[1, 2], [BLOCK_ROWS], [5, 6, 7, 300], [3, 100, 499]])
    def test_pieces_of_any_size(self, end, kind, cuts):
        """Protects whoever has J in pieces; one that was merged takes more rows, too."""
        m, n = 500, 10
        j, f = jacobian(kind, m, n), residuals(m)
        (first, *middle, last) = zip(np.split(j, cuts), np.split(f, cuts), strict=True)
        running = running_factor(*first)
        for piece in middle:
            running = running_factor(*piece, running)
        empty = np.zeros_like(running)
        parts.rows_merge(n, empty, running)
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
        running = running_factor(j[: m // 2], f[: m // 2])
        parts.rows_merge(n, running, running_factor(j[m // 2 :], f[m // 2 :]))
        assert_contract(j, f, end(running, n))

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
            running, work = np.zeros(parts.running_size(7)), poison(parts.rows_size(7))
            assert parts.rows_add(7, j.ravel(), 7, 1, f, running, work) == 0
