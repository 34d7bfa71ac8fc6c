"""qrsolv: the damped least-squares problem, from R by Givens rotations."""

import numpy as np
import parts
import pytest
import slow

EPS = 2.0**-52


def generator(*seed):
    return np.random.default_rng(list(seed))


def triangle(n, seed=0):
    """A random R with the diagonal that pivoting gives: not increasing."""
    rng = generator(n, seed)
    r = np.triu(rng.standard_normal((n, n)))
    np.fill_diagonal(r, np.sort(rng.uniform(0.5, 3.0, n))[::-1] * rng.choice([-1.0, 1.0], n))
    return r


def singular(n, rank):
    r = triangle(n)
    r[rank:] = 0.0
    return r


def cut(n, where):
    """A single zero on the diagonal, numbers below and beside it."""
    r = triangle(n)
    r[where, where] = 0.0
    return r


SCALES = 10.0 ** np.linspace(150, -150, 5)

REGULAR = {  # R, D
    "n = 1": (triangle(1), np.array([0.7])),
    "n = 2": (triangle(2), np.array([1.0, 3.0])),
    "n = 3, D small": (triangle(3), np.full(3, 1e-9)),
    "n = 4, D large": (triangle(4), np.full(4, 1e9)),
    "n = 17, D graded": (triangle(17), 10.0 ** np.linspace(3, -3, 17)),
    "D = 0": (triangle(5), np.zeros(5)),
    "D partly 0": (triangle(5), np.array([0.0, 1.0, 0.0, 2.0, 0.0])),
    "R = 0": (np.zeros((3, 3)), np.array([1.0, 2.0, 3.0])),
    "R of rank 2": (singular(5, 2), np.ones(5)),
    "R with a zero inside": (cut(5, 2), np.ones(5)),
    "R with a leading zero": (cut(4, 0), np.ones(4)),
    "R diagonal": (np.diag([4.0, -3.0, 2.0]), np.array([3.0, 4.0, 1.0])),
    "columns from 1e150 to 1e-150": (triangle(5) * SCALES, SCALES),
}


def cases(problems):
    return pytest.mark.parametrize(("r", "d"), problems.values(), ids=problems.keys())


class Solved:
    """What `qrsolv` makes of R, D, qtb; all that it is to write is poisoned, and a row below R."""

    def __init__(self, r, d, seed=0):
        n = d.size
        rng = generator(n, seed, 1)
        self.ipvt = rng.permutation(n).astype(np.int32) + 1
        self.d = np.empty(n)
        self.d[self.ipvt - 1] = d  # given in the order of the pivots
        self.qtb = rng.standard_normal(n)
        self.r = np.full((n + 1, n), np.nan, order="F")
        self.r[:n] = np.where(np.triu(np.ones((n, n))) > 0.0, r, np.nan)
        self.z, self.sdiag, rhs = (np.full(n, np.nan) for _ in range(3))
        parts.qrsolv(self.r, self.ipvt, self.d, self.qtb, self.z, self.sdiag, rhs)
        self.jac = slow.jacobian(r, self.ipvt)
        self.s = np.tril(self.r[:n], -1).T + np.diag(self.sdiag)


@cases(REGULAR)
class TestAlgebra:
    def test_upper_triangle_is_kept(self, r, d):
        """Protects R: `lmpar` calls for one value of par after another with the same."""
        solved = Solved(r, d)
        np.testing.assert_array_equal(np.triu(solved.r[:-1]), r)
        assert np.isnan(solved.r[-1]).all()

    def test_s_is_a_root_of_the_damped_normal_matrix(self, r, d):
        """Protects S, which `lmpar` takes the slope from: SᵀS = Pᵀ(JᵀJ + D²)P.

        n² rotations, each wrong by a few eps of the column's norm (Higham, Accuracy and Stability
        (2002), theorem 19.10), so that each entry of the product is by twice that times both norms.
        """
        solved = Solved(r, d)
        norms = np.array([slow.enorm([*column, d_k]) for column, d_k in zip(r.T, d, strict=True)])
        stacked = np.vstack([r, np.diag(d)]) / norms
        s = solved.s / norms
        assert np.abs(s.T @ s - stacked.T @ stacked).max() <= 10 * d.size**2 * EPS

    def test_residual_is_orthogonal_to_the_columns(self, r, d):
        """Protects z: the gradient of the least-squares problem vanishes there.

        In the terms of Dz: with columns of norm one a backward error of eps moves the gradient by
        eps times the size of what it is the sum of (Higham, theorem 20.3).
        """
        solved = Solved(r, d)
        stacked = np.vstack([solved.jac, np.diag(solved.d)])
        norms = np.array([slow.enorm(column) for column in stacked.T])
        stacked, z = stacked / norms, solved.z * norms
        residual = stacked @ z - np.concatenate([solved.qtb, np.zeros(d.size)])
        size = slow.enorm(solved.qtb) + d.size * slow.enorm(z)
        assert np.abs(stacked.T @ residual).max() <= 10 * d.size**2 * EPS * size


@cases({name: problem for name, problem in REGULAR.items() if "1e150" not in name})
def test_agrees_with_lapack(r, d):
    """Protects z as a number; the bound is that for a backward error of n eps (Higham, 20.1)."""
    solved = Solved(r, d)
    z = slow.damped(solved.jac, solved.d, solved.qtb)
    sigma = np.linalg.svd(np.vstack([r, np.diag(d)]), compute_uv=False)
    condition = sigma[0] / sigma[-1]
    assert condition < 1e4
    growth = condition * slow.enorm(z) + condition**2 * slow.enorm(solved.qtb) / sigma[0]
    assert slow.enorm(solved.z - z) <= 10 * d.size * EPS * growth


def test_numbers_worked_out_by_hand():
    """Protects the definition of D: not its square, not its root."""
    z, sdiag, rhs = np.empty((3, 1))
    qtb = np.array([5.0])
    parts.qrsolv(np.array([[3.0]]), np.array([1], np.int32), [4.0], qtb, z, sdiag, rhs)
    assert z[0] == pytest.approx(3.0 * 5.0 / (9.0 + 16.0), rel=4 * EPS)
    assert abs(sdiag[0]) == pytest.approx(5.0, rel=4 * EPS)
    assert qtb[0] == 5.0


@pytest.mark.parametrize("rank", range(4))
def test_singular_without_damping(rank):
    """Protects against Inf and NaN: components from the first zero of S on are zero."""
    r = singular(4, rank)
    solved = Solved(r, np.zeros(4))
    z = np.zeros(4)
    z[solved.ipvt[:rank] - 1] = np.linalg.solve(r[:rank, :rank], solved.qtb[:rank])
    np.testing.assert_allclose(solved.z, z, rtol=1e3 * EPS)
    assert np.count_nonzero(solved.z) == rank


def test_units_of_the_variables_do_not_matter():
    """Protects the rotations from over- and underflow: powers of two scale the answer exactly."""
    r, d = triangle(6), np.linspace(0.5, 3.0, 6)
    units = 2.0 ** np.array([-500, 400, 0, 500, -300, 7])
    plain, scaled = Solved(r, d), Solved(r * units, d * units)
    np.testing.assert_array_equal(scaled.z[scaled.ipvt - 1], plain.z[plain.ipvt - 1] / units)


def test_overflown_damping_holds_its_variable():
    """Protects against NaN where par times D is beyond the largest number."""
    z, sdiag, rhs = np.empty((3, 2))
    r, d = np.array([[3.0, 1.0], [0.0, 2.0]], order="F"), np.array([np.inf, 0.0])
    parts.qrsolv(r, np.array([1, 2], np.int32), d, np.array([5.0, 6.0]), z, sdiag, rhs)
    assert z[0] == 0.0
    assert z[1] == pytest.approx((1.0 * 5.0 + 2.0 * 6.0) / (1.0 + 4.0), rel=8 * EPS)
