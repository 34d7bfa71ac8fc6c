"""propose: the step, its length, and what the linear model promises of it."""

import numpy as np
import parts
import pytest
import slow

EPS = 2.0**-52


class Model:
    """f + J p, as it is and in the form that `propose` gets it."""

    def __init__(self, jac, f, diag=None):
        self.jac, self.f = np.array(jac, dtype=float), np.array(f, dtype=float)
        self.n = self.jac.shape[1]
        self.r, self.ipvt, qtf, acnorm = slow.qrfac(self.jac, self.f)
        self.qtf = qtf[: self.n]
        self.diag = np.where(acnorm > 0.0, acnorm, 1.0) if diag is None else np.array(diag)
        self.fnorm = slow.enorm(self.f)

    def propose(self, delta, par=0.0):
        """par, p, pnorm, prered, dirder; all that `propose` is to write is poisoned."""
        r = np.where(np.triu(np.ones((self.n, self.n))) > 0.0, self.r, np.nan)
        p, *work = (np.full(self.n, np.nan) for _ in range(4))
        par, pnorm, prered, dirder = parts.propose(
            np.asfortranarray(r), self.ipvt, self.diag, self.qtf, self.fnorm, delta, par, p, *work
        )
        return par, p, pnorm, prered, dirder


def random(m, n, seed=0, units=1.0, residual_unit=1.0):
    rng = np.random.default_rng([m, n, seed])
    return Model(rng.standard_normal((m, n)) * units, rng.standard_normal(m) * residual_unit)


def without_influence():
    rng = np.random.default_rng(5)
    jac = rng.standard_normal((6, 3))
    jac[:, 1] = 0.0
    return Model(jac, rng.standard_normal(6))


MODELS = {
    "n = 1": random(4, 1),
    "m = n": random(4, 4),
    "tall": random(30, 5),
    "columns from 1e-150 to 1e150": random(9, 3, units=10.0 ** np.array([-150.0, 0.0, 150.0])),
    "residuals of 1e-200": random(9, 3, residual_unit=1e-200),
    "residuals of 1e200": random(9, 3, residual_unit=1e200),
    "zero column": without_influence(),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
each_length = pytest.mark.parametrize("fraction", [2.0, 0.9, 0.5, 1e-2, 1e-6])


@each_model
@each_length
class TestPromises:
    """Each is held against its definition, with m residuals, which `propose` never sees.

    Tolerances: promises and their parts are sums of 2m terms no larger than one, or than ‖J p‖/‖f‖,
    and the residuals of the model are made in another order: m n eps each way.
    """

    def propose(self, model, fraction):
        return model.propose(fraction * model.propose(1e300)[2])

    def test_step_is_the_solution_turned_round(self, model, fraction):
        """Protects the sign: x + p, with p from lmpar's z."""
        delta = fraction * model.propose(1e300)[2]
        par, p, pnorm, _, _ = model.propose(delta)
        z, *work = (np.full(model.n, np.nan) for _ in range(4))
        same_par, dz_norm = parts.lmpar(
            np.asfortranarray(model.r), model.ipvt, model.diag, model.qtf, delta, 0.0, z, *work
        )
        assert (par, pnorm) == (same_par, dz_norm)
        np.testing.assert_array_equal(p, -z)

    def test_prered_is_the_model_s_reduction(self, model, fraction):
        """Protects the ratio that every decision rests on: 1 - (‖f + J p‖/‖f‖)²."""
        _, p, _, prered, _ = self.propose(model, fraction)
        after = slow.enorm((model.f + model.jac @ p) / model.fnorm)
        assert prered == pytest.approx(1.0 - after**2, abs=10 * model.jac.size * EPS)

    def test_dirder_is_the_slope(self, model, fraction):
        """Protects the parabola that a refused step is shortened by: pᵀ Jᵀ f/‖f‖²."""
        _, p, _, _, dirder = self.propose(model, fraction)
        slope = (model.jac @ p / model.fnorm) @ (model.f / model.fnorm)
        assert dirder == pytest.approx(slope, abs=10 * model.jac.size * EPS)

    def test_promise_is_one_of_descent(self, model, fraction):
        """Protects against a step that the model itself does not believe in."""
        _, _, _, prered, dirder = self.propose(model, fraction)
        assert dirder < 0.0 < prered
        assert -dirder <= prered <= -2.0 * dirder

    def test_pnorm_is_the_scaled_length(self, model, fraction):
        """Protects the radius of the next trial."""
        _, p, pnorm, _, _ = self.propose(model, fraction)
        assert pnorm == pytest.approx(slow.enorm(model.diag * p), rel=(model.n + 4) * EPS)

    def test_agrees_with_the_slow_twin(self, model, fraction):
        """Protects all of it as numbers. The models are well-conditioned."""
        delta = fraction * model.propose(1e300)[2]
        par, p, pnorm, prered, dirder = model.propose(delta, 0.1)
        twin = slow.propose(model.r, model.ipvt, model.diag, model.qtf, model.fnorm, delta, 0.1)
        rtol = 200 * model.n * EPS
        assert [par, pnorm, prered, dirder] == pytest.approx(
            [twin[0], twin[2], twin[3], twin[4]], rel=rtol, abs=0.0
        )
        assert slow.enorm(model.diag * (p - twin[1])) <= rtol * pnorm


def test_numbers_worked_out_by_hand():
    """Protects the two promises: J = 2, f = (6, 8), D = 2; qtf = 6 up to the sign of R.

    Inside: z = 3, D z = 6, t₁ = 6/10. Bounded by 3: (4 + 4 par) z = 12 with par = 1, z = 1.5,
    D z = 3, t₁ = t₂ = 3/10.
    """
    model = Model([[2.0], [0.0]], [6.0, 8.0])
    par, p, pnorm, prered, dirder = model.propose(100.0)
    assert (par, p[0], pnorm) == (0.0, -3.0, 6.0)
    assert prered == pytest.approx(0.36, rel=4 * EPS)
    assert dirder == pytest.approx(-0.36, rel=4 * EPS)
    par, p, pnorm, prered, dirder = model.propose(3.0, 1.0)
    assert par == 1.0
    assert p[0] == pytest.approx(-1.5, rel=4 * EPS)
    assert pnorm == pytest.approx(3.0, rel=4 * EPS)
    assert prered == pytest.approx(0.27, rel=8 * EPS)
    assert dirder == pytest.approx(-0.18, rel=8 * EPS)


def test_parameter_without_influence_does_not_move():
    """Protects x where J has a column of zeros."""
    model = without_influence()
    for delta in (1e300, 0.1):
        assert model.propose(delta)[1][1] == 0.0
