"""lmpar: the Levenberg-Marquardt parameter for a step of about a given length."""

import numpy as np
import parts
import pytest
import slow

EPS = 2.0**-52


def generator(*seed):
    return np.random.default_rng(list(seed))


class Problem:
    """A linear model J z ≈ f in the form that `lmpar` gets it, factored by the slow twin."""

    def __init__(self, jac, f, diag=None):
        self.n = jac.shape[1]
        self.r, self.ipvt, qtf, acnorm = slow.qrfac(jac, f)
        self.qtb = qtf[: self.n]
        self.diag = np.where(acnorm > 0.0, acnorm, 1.0) if diag is None else np.array(diag)
        self.jac = slow.jacobian(self.r, self.ipvt)

    def gauss_newton_norm(self):
        """‖D z‖ of the step that is proposed when there is no bound."""
        return self.solve(1e300)[2]

    def solve(self, delta, par=0.0):
        """par, z, ‖D z‖; all that `lmpar` is to write is poisoned, and a row beyond n."""
        r = np.full((self.n + 1, self.n), np.nan, order="F")
        r[:-1] = np.where(np.triu(np.ones((self.n, self.n))) > 0.0, self.r, np.nan)
        z, *work = (np.full(self.n, np.nan) for _ in range(4))
        par, dz_norm = parts.lmpar(r, self.ipvt, self.diag, self.qtb, delta, par, z, *work)
        np.testing.assert_array_equal(np.triu(r[:-1]), self.r)
        assert np.isnan(r[-1]).all()
        return par, z, dz_norm


def random(m, n, seed=0):
    rng = generator(m, n, seed)
    return Problem(rng.standard_normal((m, n)), rng.standard_normal(m))


def ill_conditioned(n):
    rng = generator(n, 1)
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return Problem(u * 10.0 ** -np.linspace(0, 12, n) @ v, rng.standard_normal(n))


def scaled(*exponents):
    rng = generator(len(exponents), 2)
    units = 10.0 ** np.array(exponents, dtype=float)
    return Problem(rng.standard_normal((8, len(exponents))) * units, rng.standard_normal(8))


def user_scaled(n):
    rng = generator(n, 3)
    jac = rng.standard_normal((n + 2, n))
    return Problem(jac, rng.standard_normal(n + 2), 10.0 ** np.linspace(-3, 3, n))


def deficient(n, kind):
    """R with exact zeros on the diagonal."""
    rng = generator(n, 4)
    jac = rng.standard_normal((n + 2, n))
    if kind == "zero column":
        jac[:, 1] = 0.0
    elif kind == "zero":
        jac[:] = 0.0
    else:  # equal columns in so few bits that no rounding hides it
        jac = np.outer(np.eye(n + 2)[0] * 2.0, np.ones(n))
    return Problem(jac, rng.standard_normal(n + 2))


FULL_RANK = {
    "n = 1": random(3, 1),
    "m = n": random(5, 5),
    "m = n + 1": random(6, 5),
    "tall": random(60, 7),
    "larger": random(40, 30),
    "ill-conditioned": ill_conditioned(6),
    "columns from 1e-150 to 1e150": scaled(-150, 0, 150),
    "columns from 1e150 to 1e-150": scaled(150, -10, 10, -150),
    "D from 1e-3 to 1e3": user_scaled(5),
}
RANK_DEFICIENT = {
    "zero column": deficient(4, "zero column"),
    "equal columns": deficient(3, "equal columns"),
}
FRACTIONS = [0.999, 0.5, 0.1, 1e-3, 1e-8, 1e-30, 1e-100]  # delta, of the Gauss-Newton step's length


def cases(problems):
    return pytest.mark.parametrize("problem", problems.values(), ids=problems.keys())


def assert_solves_the_damped_problem(problem, par, z, dz_norm):
    """The gradient of ‖[J; √par D] z - [f; 0]‖² vanishes, in variables that make the columns of
    that matrix one long: there a backward error of n eps moves it by as much times the size of what
    it is the sum of (Higham, Accuracy and Stability (2002), theorem 20.3)."""
    stacked = np.vstack([problem.jac, np.diag(np.sqrt(par) * problem.diag)])
    norms = np.array([slow.enorm(column) for column in stacked.T])
    stacked, scaled_z = stacked / norms, z * norms
    residual = stacked @ scaled_z - np.concatenate([problem.qtb, np.zeros(problem.n)])
    size = slow.enorm(problem.qtb) + problem.n * slow.enorm(scaled_z)
    assert np.abs(stacked.T @ residual).max() <= 10 * problem.n**2 * EPS * size
    assert dz_norm == pytest.approx(slow.enorm(problem.diag * z), rel=problem.n * EPS + 4 * EPS)


def assert_length(delta, dz_norm):
    """|‖Dz‖ - delta| ≤ 0.1 delta, up to the rounding of the comparison."""
    assert abs(dz_norm - delta) <= (0.1 + 4 * EPS) * delta


def assert_is_the_twins(problem, delta, guess):
    """The same par and step. What both are wrong by, n eps and a small constant, grows with the
    condition of the damped problem, [J D⁻¹; √par I]."""
    par, z, dz_norm = problem.solve(delta, guess)
    slow_par, slow_z, slow_norm = slow.lmpar(
        problem.r, problem.ipvt, problem.diag, problem.qtb, delta, guess
    )
    damped = np.vstack([problem.jac / problem.diag, np.sqrt(slow_par) * np.eye(problem.n)])
    rtol = 20 * problem.n * EPS * np.linalg.cond(damped)
    assert (par, dz_norm) == pytest.approx((slow_par, slow_norm), rel=rtol, abs=0.0)
    assert slow.enorm(problem.diag * (z - slow_z)) <= rtol * delta


@cases(FULL_RANK)
class TestFullRank:
    @pytest.mark.parametrize("ratio", [1.0 / 1.0999, 1.0, 1.5, 1e10])
    def test_gauss_newton_step_where_it_is_inside(self, problem, ratio):
        """Protects the full step: par = 0 up to a length of 1.1 delta, whatever the guess."""
        delta = ratio * problem.gauss_newton_norm()
        par, z, dz_norm = problem.solve(delta, par=3.0)
        assert par == 0.0
        assert_solves_the_damped_problem(problem, par, z, dz_norm)

    @pytest.mark.parametrize("fraction", [1.0 / 1.1001, *FRACTIONS[1:]])
    def test_step_to_the_boundary_otherwise(self, problem, fraction):
        """Protects the length of the step and its optimality."""
        delta = fraction * problem.gauss_newton_norm()
        par, z, dz_norm = problem.solve(delta)
        assert par > 0.0
        assert_length(delta, dz_norm)
        assert_solves_the_damped_problem(problem, par, z, dz_norm)

    @pytest.mark.parametrize("guess", [0.0, 1e-300, 1e-10, 1.0, 1e10, 1e300])
    def test_any_guess_leads_there(self, problem, guess):
        """Protects the safeguards: the bounds bring any guess into reach of ten iterations."""
        delta = 0.1 * problem.gauss_newton_norm()
        par, z, dz_norm = problem.solve(delta, par=guess)
        assert_length(delta, dz_norm)
        assert_solves_the_damped_problem(problem, par, z, dz_norm)

    def test_good_guess_is_kept(self, problem):
        """Protects the cost: a parameter that fits is the answer, after one factorisation."""
        delta = 0.1 * problem.gauss_newton_norm()
        par, z, _ = problem.solve(delta)
        again, z_again, _ = problem.solve(delta, par=par)
        assert again == par
        np.testing.assert_array_equal(z_again, z)

    @pytest.mark.parametrize("fraction", [0.9, *FRACTIONS[1:5]])
    @pytest.mark.parametrize("guess", [0.0, 1.0])
    def test_agrees_with_the_slow_twin(self, problem, fraction, guess):
        """Protects the path: the same number of the same iterations, seen through other algebra."""
        delta = fraction * problem.gauss_newton_norm()
        assert_is_the_twins(problem, delta, guess)


@cases(RANK_DEFICIENT)
class TestSingularR:
    def test_gauss_newton_step_is_basic(self, problem):
        """Protects the rule past the first zero on R's diagonal: those components are zero."""
        par, z, dz_norm = problem.solve(1e10, par=1.0)
        rank = int(np.flatnonzero(np.diag(problem.r) == 0.0)[0])
        expected = np.zeros(problem.n)
        expected[problem.ipvt[:rank] - 1] = np.linalg.solve(
            problem.r[:rank, :rank], problem.qtb[:rank]
        )
        assert par == 0.0
        np.testing.assert_allclose(z, expected, rtol=1e3 * EPS)
        assert dz_norm == pytest.approx(slow.enorm(problem.diag * expected), rel=1e3 * EPS)

    @pytest.mark.parametrize("fraction", FRACTIONS[2:])
    @pytest.mark.parametrize("guess", [0.0, 1e-5, 1.0])
    def test_step_to_the_boundary(self, problem, fraction, guess):
        """Protects the search where there is no lower bound to start from."""
        delta = fraction * problem.gauss_newton_norm()
        par, z, dz_norm = problem.solve(delta, guess)
        assert par > 0.0
        assert_length(delta, dz_norm)
        assert_solves_the_damped_problem(problem, par, z, dz_norm)

    @pytest.mark.parametrize("fraction", FRACTIONS[1:5])
    @pytest.mark.parametrize("guess", [0.0, 1e-12, 1.0, 1e12])
    def test_agrees_with_the_slow_twin(self, problem, fraction, guess):
        """Protects the bounds and the restarts from them; the tolerance as for full rank."""
        delta = fraction * problem.gauss_newton_norm()
        assert_is_the_twins(problem, delta, guess)

    def test_components_outside_the_rank(self, problem):
        """Protects a parameter that has no influence: damped, it stays where it is."""
        _, z, _ = problem.solve(0.1 * problem.gauss_newton_norm())
        silent = ~problem.jac.any(axis=0)
        assert not z[silent].any()


@pytest.mark.parametrize("guess", [0.0, 1e-3, 1.0])
def test_shortest_step_is_inside_though_the_basic_one_is_not(guess):
    """Protects the way out where φ(0+) < 0 and no par > 0 has the length wanted.

    Three equal columns: the basic solution is √3 times as long as the shortest one, which is what
    is left when par goes to zero. The search ends, as the twin's, when that is seen.
    """
    problem = RANK_DEFICIENT["equal columns"]
    basic = problem.gauss_newton_norm()
    delta = 0.8 * basic
    par, z, dz_norm = problem.solve(delta, guess)
    slow_par, _, slow_norm = slow.lmpar(
        problem.r, problem.ipvt, problem.diag, problem.qtb, delta, guess
    )
    assert (par, dz_norm) == pytest.approx((slow_par, slow_norm), rel=100 * EPS, abs=0.0)
    assert 0.0 < dz_norm <= basic / np.sqrt(3.0) * (1.0 + 100 * EPS)
    assert_solves_the_damped_problem(problem, par, z, dz_norm)
    np.testing.assert_allclose(z, z[0], rtol=100 * EPS)


def test_zero_jacobian():
    """Protects against 0/0: the step is zero, and inside."""
    par, z, dz_norm = deficient(3, "zero").solve(1.0, par=2.0)
    assert (par, dz_norm) == (0.0, 0.0)
    np.testing.assert_array_equal(z, np.zeros(3))


def test_zero_residual():
    """Protects the same with a Jacobian."""
    rng = generator(5)
    par, z, dz_norm = Problem(rng.standard_normal((4, 2)), np.zeros(4)).solve(1e-300)
    assert (par, dz_norm) == (0.0, 0.0)
    np.testing.assert_array_equal(z, np.zeros(2))


@pytest.mark.parametrize(("m", "n"), [(4, 1), (5, 3), (12, 8)])
@pytest.mark.parametrize("seed", range(40))
def test_many_random_problems(m, n, seed):
    """Protects the claims of `TestFullRank` beyond hand-picked cases: D, delta and guess vary."""
    rng = generator(m, n, seed, 6)
    jac = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-9, 9, n)
    problem = Problem(jac, rng.standard_normal(m))
    problem.diag = problem.diag * 10.0 ** rng.uniform(-2, 2, n)
    delta = problem.gauss_newton_norm() * 10.0 ** rng.uniform(-12, 0.5)
    par, z, dz_norm = problem.solve(delta, 10.0 ** rng.uniform(-9, 9))
    if par == 0.0:
        assert dz_norm <= (1.1 + 4 * EPS) * delta
    else:
        assert_length(delta, dz_norm)
    assert_solves_the_damped_problem(problem, par, z, dz_norm)


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**-600, 2.0**-300, 2.0**300, 2.0**900])
def test_units_of_the_residuals_do_not_matter(factor):
    """Protects the secular function from over- and underflow: f and delta scale z, par is the same.

    A power of two scales all exactly but for the norms that `enorm` rescales: n eps, and no
    decision is so close that it matters.
    """
    rng = generator(7)
    jac, f = rng.standard_normal((6, 4)), rng.standard_normal(6)
    plain = Problem(jac, f)
    other = Problem(jac, f * factor, plain.diag)
    delta = 0.1 * plain.gauss_newton_norm()
    par, z, _ = plain.solve(delta)
    other_par, other_z, _ = other.solve(delta * factor)
    assert other_par == pytest.approx(par, rel=100 * EPS)
    np.testing.assert_allclose(other_z / factor, z, rtol=100 * EPS)


@pytest.mark.parametrize("tiny", [1e-300, 1e-310, 5e-324])
@pytest.mark.parametrize("guess", [0.0, 1e-3])
def test_gauss_newton_step_that_overflows(tiny, guess):
    """Protects the fit from NaN: with a last pivot next to nothing R⁻¹ overflows, z does not."""
    problem = Problem(np.eye(2), np.ones(2), np.ones(2))
    problem.r = np.array([[1.0, 1.0], [0.0, tiny]])
    problem.jac = slow.jacobian(problem.r, problem.ipvt)
    par, z, dz_norm = problem.solve(1.0, guess)
    assert 0.0 < par < np.inf
    assert 0.0 < dz_norm <= 1.1
    assert_solves_the_damped_problem(problem, par, z, dz_norm)
