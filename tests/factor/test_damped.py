"""The damped problem of a large fit by blocks, and lmpar with it."""

from functools import cache

import numpy as np
import parts
import pytest
import slow
from factor_cases import IMPLEMENTATIONS, ill_conditioned, poison
from factor_contract import EPS, column_norms, rounding

pytestmark = pytest.mark.usefixtures("isa")


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
        damped_size = parts.damped_size(n)
        s_padded, qtb = poison(parts.lmpar_size(n) - damped_size), poison(n)
        before = r.copy()
        parts.damped(r, ipvt, par, diag, qtf, s_padded, qtb, poison(damped_size))

        np.testing.assert_array_equal(r, before)
        s = np.triu(s_padded.reshape(-1, parts.leading(n))[:n, :n].T)
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
    def solve(problem, delta, guess, scratch_size):
        """par, z, ‖D z‖ and whether it went by blocks: rotations write below R's diagonal."""
        r, ipvt, diag, qtb = problem
        n = len(ipvt)
        below = np.tril(np.ones((n, n), dtype=bool), -1)
        r = np.asfortranarray(np.where(below, np.nan, r))
        z, *work = (poison(n) for _ in range(4))
        par, dz_norm = parts.lmpar(r, ipvt, diag, qtb, delta, guess, z, *work, scratch_size)
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
        par, z, dz_norm, by_blocks = self.solve(problem, delta, guess, parts.lmpar_size(n))

        assert (par == 0.0) == (fraction > 1.0)
        assert by_blocks == (n >= 48 or par == 0.0)
        rtol = 0.0  # where par is, no damped problem was solved
        if par > 0.0:
            root = np.sqrt(expected)
            rtol = 20 * n * EPS * np.hypot(sigma[0], root) / np.hypot(sigma[-1], root)
        assert (par, dz_norm) == pytest.approx((expected, expected_norm), rel=rtol, abs=0.0)
        assert slow.enorm(diag * (z - expected_z)) <= rtol * delta

    @pytest.mark.parametrize("scratch_size", [0, 100, "one less"])
    def test_too_little_work_space(self, scratch_size):
        """Protects memory: without room for blocks it goes by rotations."""
        n = 50
        problem, _ = self.problem(n, "plain")
        delta = 0.1 * self.solve(problem, 1e300, 0.0, 0)[2]
        scratch_size = parts.lmpar_size(n) - 1 if scratch_size == "one less" else scratch_size
        assert not self.solve(problem, delta, 0.0, scratch_size)[3]
        assert self.solve(problem, delta, 0.0, parts.lmpar_size(n))[3]
