"""`check_jacobian`: wrong entries are found and named, right Jacobians never accused."""

import numpy as np
import pytest

from pyminpack import check_jacobian
from pyminpack._nist.datasets import datasets

T = np.linspace(0.2, 4.0, 9)


def f(b):
    return b[0] * np.exp(-b[1] * T) + b[2]


def jacobian(b):
    e = np.exp(-b[1] * T)
    return np.stack([e, -b[0] * T * e, np.ones_like(T)], axis=1)


def altered(change):
    def wrong(b):
        j = jacobian(b)
        change(j, b)
        return j

    return wrong


def refusing_complex(function):
    def real(x, *args):
        if np.iscomplexobj(x):
            raise TypeError("complex")
        return function(x, *args)

    return real


X = [2.0, 0.5, 1.0]


class TestRight:
    def test_is_true(self):
        check = check_jacobian(f, jacobian, X)
        assert check
        assert check.ok
        assert check.wrong == ()
        assert np.all(check.relative_error < 1e-9)
        assert np.all(check.chkder > 0.8)
        assert np.all(check.uncertainty < 1e-8)

    @pytest.mark.parametrize("name", list(datasets()))
    @pytest.mark.parametrize("complex_steps", [True, False])
    def test_nist(self, name, complex_steps):
        """Derivatives from 1e-20 to 1e10 in the same row; peaks whose tails drown in rounding."""
        dataset = datasets()[name]
        residuals = dataset.residuals if complex_steps else refusing_complex(dataset.residuals)
        for b in (*dataset.starts, dataset.parameters):
            assert check_jacobian(residuals, dataset.jacobian, b, col_deriv=True).ok

    @pytest.mark.parametrize("seed", range(25))
    def test_bad_scales(self, seed):
        """Parameters and residuals of 1e-60 to 1e60, and derivatives next to zero."""
        rng = np.random.default_rng(seed)
        units, sizes = 10.0 ** rng.uniform(-60, 60, 3), 10.0 ** rng.uniform(-60, 60, T.size)

        def scaled(b):
            return sizes * f(b / units)

        def scaled_jacobian(b):
            return sizes[:, None] * jacobian(b / units) / units

        assert check_jacobian(refusing_complex(scaled), scaled_jacobian, X * units).ok
        signs = np.array([1.0, -1.0, 1.0])
        wrong = check_jacobian(scaled, lambda b: scaled_jacobian(b) * signs, X * units)
        assert {j for _, j in wrong.wrong} == {1}

    @pytest.mark.parametrize("noise", [1e-12, 1e-9, 1e-6, 1e-3])
    @pytest.mark.parametrize("seed", range(5))
    def test_noise(self, noise, seed):
        rng = np.random.default_rng(seed)

        def noisy(b):
            return f(b) + noise * rng.normal(size=T.size)

        assert check_jacobian(noisy, jacobian, X).ok
        wrong = check_jacobian(noisy, altered(lambda j, b: np.negative(j, out=j)), X)
        assert {j for _, j in wrong.wrong} == {0, 1, 2}

    def test_single_precision(self):
        t = T.astype(np.float32)

        def single(b):
            b = b.astype(np.float32)
            return b[0] * np.exp(-b[1] * t) + b[2]

        single = refusing_complex(single)
        assert check_jacobian(single, jacobian, X).ok
        hidden = check_jacobian(lambda b: single(b).astype(float), jacobian, X)
        assert hidden.ok
        assert not check_jacobian(single, altered(lambda j, b: np.negative(j, out=j)), X).ok

    def test_large_offset(self):
        """1e8 + what matters: seven digits of differences are gone."""
        assert check_jacobian(refusing_complex(lambda b: 1e8 + f(b)), jacobian, X).ok

    def test_offset_hides_nothing_from_complex_steps(self):
        wrong = altered(lambda j, b: np.multiply(j[:, 1], 1 + 1e-5, out=j[:, 1]))
        assert {j for _, j in check_jacobian(lambda b: 1e8 + f(b), wrong, X).wrong} == {1}

    def test_not_analytic(self):
        """Complex steps would accuse |x|; steps of a tenth, on the other side of a kink, too."""

        def kinked(b):
            return np.abs(b[0] - 1) * T + b[1]

        def its_jacobian(b):
            return np.stack([np.sign(b[0] - 1) * T, np.ones_like(T)], axis=1)

        for b0 in (0.97, 0.9, 1.0, 1.5):
            assert check_jacobian(kinked, its_jacobian, [b0, 1.0]).ok

    def test_pole_beside_it(self):
        assert check_jacobian(
            lambda b: 1 / (b[0] - 1.001) * T,
            lambda b: (-1 / (b[0] - 1.001) ** 2 * T)[:, None],
            [1.0],
        ).ok

    def test_edge_of_the_domain(self):
        """log x at 1e-8 and sqrt x at 0, where half of the steps end in NaN."""
        assert check_jacobian(
            lambda b: np.log(b) * np.ones(2), lambda b: np.ones((2, 1)) / b[0], [1e-8]
        ).ok
        assert check_jacobian(np.sqrt, lambda b: 0.5 / np.sqrt(b)[:, None], [0.0]).ok

    def test_parameter_without_influence(self):
        assert check_jacobian(lambda b: b[0] * T, lambda b: np.stack([T, 0 * T], axis=1), [1, 1]).ok

    def test_sparse(self):
        check = check_jacobian(lambda b: b**2, lambda b: np.diag(2 * b), np.arange(8.0))
        assert check.ok
        assert not check.uncertainty[~np.eye(8, dtype=bool)].max() > 1e-9


class TestWrong:
    @pytest.mark.parametrize("column", [0, 1, 2])
    @pytest.mark.parametrize("factor", [-1.0, 0.0, 2.0, 0.5, 1.001, 1 + 1e-5])
    @pytest.mark.parametrize("function", [f, refusing_complex(f)])
    def test_column(self, column, factor, function):
        wrong = altered(lambda j, b: np.multiply(j[:, column], factor, out=j[:, column]))
        check = check_jacobian(function, wrong, X)
        assert not check
        assert set(check.wrong) == {(i, column) for i in range(T.size)}
        error = abs(factor - 1) / max(abs(factor), 1)
        assert check.relative_error[:, column] == pytest.approx(error, rel=0.01)

    def test_single_entry(self):
        def change(j, b):
            j[3, 1] += 1e-3

        assert check_jacobian(f, altered(change), X).wrong == ((3, 1),)

    @pytest.mark.parametrize("special", [0.0, 1.0, -1.0, 2.0])
    def test_term_that_vanishes_at_special_values(self, special):
        def forgets_a_term(x):
            return np.array([[1.0], [2 * x[0] - special]])  # of x, (x - s) x

        def residuals(x):
            return np.array([x[0] + (x[0] - special) ** 2, (x[0] - special) * x[0]])

        assert check_jacobian(residuals, forgets_a_term, [special]).wrong == ((0, 0),)

    def test_worst_first(self):
        def change(j, b):
            j[1, 0] *= 1.01
            j[5, 2] *= -1
            j[2, 1] *= 1.5

        assert check_jacobian(f, altered(change), X).wrong == ((5, 2), (2, 1), (1, 0))

    def test_transposed(self):
        matrix = np.arange(9.0).reshape(3, 3) ** 2 + 1
        for columns in (True, False):
            check = check_jacobian(
                lambda b: matrix @ b, lambda b: matrix, [1.0, 2.0, 3.0], col_deriv=columns
            )
            assert check.ok is not columns
            assert check.transposed is columns
            assert ("col_deriv" in str(check)) is columns

    def test_not_finite(self):
        def change(j, b):
            j[2, 2] = np.nan

        check = check_jacobian(f, altered(change), X)
        assert check.wrong == ((2, 2),)
        assert check.relative_error[2, 2] == np.inf

    def test_tiny_parameter(self):
        """x[1] = 1e-12 beside numbers of size 1: steps relative to it drown in rounding."""

        def line(b):
            return b[0] + b[1] * T

        def right(b):
            return np.stack([np.ones_like(T), T], axis=1)

        x = [1.0, 1e-12]
        assert check_jacobian(refusing_complex(line), right, x).ok
        wrong = check_jacobian(refusing_complex(line), lambda b: right(b) * [1, 1.01], x)
        assert {j for _, j in wrong.wrong} == {1}

    @pytest.mark.parametrize("name", list(datasets()))
    def test_nist(self, name):
        dataset = datasets()[name]
        for b in (*dataset.starts, dataset.parameters):
            for column in range(b.size):
                factors = np.ones(b.size)
                factors[column] = 1.001
                check = check_jacobian(
                    refusing_complex(dataset.residuals),
                    lambda b, factors=factors: dataset.jacobian(b) * factors[:, None],
                    b,
                    col_deriv=True,
                )
                assert {j for _, j in check.wrong} == {column}


class TestText:
    def test_right(self):
        assert (
            repr(check_jacobian(f, jacobian, X)) == "The 9 by 3 Jacobian agrees with differences."
        )

    def test_wrong(self):
        text = str(check_jacobian(f, altered(lambda j, b: np.negative(j[:, 1], out=j[:, 1])), X))
        lines = text.splitlines()
        assert lines[0] == "9 of 27 entries of the Jacobian disagree with differences:"
        assert lines[2].split()[:3] == ["residual", "parameter", "Dfun"]
        assert all(line.endswith("sign") for line in lines[3:11])
        assert "All of them are derivatives by parameter 1." in lines
        assert lines[-1].startswith("at x = [2.0")
        assert max(map(len, lines)) <= 100

    def test_undecided_entries_are_counted(self):
        """exp(-800 t) beside 1: no difference sees it, and the text does not say it did."""
        check = check_jacobian(
            refusing_complex(lambda b: 1 + np.exp(-b[0] * T)),
            lambda b: (-T * np.exp(-b[0] * T))[:, None],
            [50.0],
        )
        assert check.ok
        assert "as far as rounding lets them tell" in str(check)


class TestCall:
    def test_arguments(self):
        check = check_jacobian(
            lambda b, t, c: b[0] * t + c, lambda b, t, c: t[:, None], [1.0], args=(T, 2.0)
        )
        assert check.ok
        assert check_jacobian(lambda b, t: b[0] * t, lambda b, t: t[:, None], [1.0], args=T).ok

    def test_layouts(self):
        assert check_jacobian(f, lambda b: jacobian(b).T, X, col_deriv=True).ok
        assert check_jacobian(lambda b: b[0] * T, lambda b: T, [2.0]).ok

    def test_calls_of_a_smooth_function(self):
        calls = []

        def counted(b):
            calls.append(b)
            return f(b)

        check_jacobian(counted, jacobian, X)
        assert len(calls) <= 30 + 5 * 3

    def test_point_is_near_and_not_special(self):
        x = np.array([0.0, 1.0, -2.0, 1e-9, 1e9])
        check = check_jacobian(lambda b: b, lambda b: np.eye(5), x)
        scale = np.where(x == 0, 1, np.abs(x))
        assert np.all(np.abs(check.x - x) <= 0.051 * scale)
        assert np.all(np.abs(check.x - x) >= 0.015 * scale)

    def test_functions_may_write_into_x(self):
        def writes(function):
            def inner(b):
                result = function(b)
                b[:] = 0
                return result

            return inner

        assert check_jacobian(writes(f), writes(jacobian), X).ok

    def test_same_buffer_each_time(self):
        buffer = np.empty_like(T)

        def reuses(b):
            buffer[:] = f(b)
            return buffer

        assert check_jacobian(refusing_complex(reuses), jacobian, X).ok

    def test_no_finite_point(self):
        with pytest.raises(ValueError, match=r"func returned nan as residual 0"):
            check_jacobian(lambda b: b * np.nan, lambda b: np.eye(2), [1.0, 2.0])

    def test_wrong_shape(self):
        with pytest.raises(TypeError, match=r"shape \(3, 9\); want \(9, 3\)"):
            check_jacobian(f, lambda b: jacobian(b).T, X)

    def test_no_function(self):
        with pytest.raises(TypeError, match="Dfun is"):
            check_jacobian(f, "3-point", X)


def test_no_residuals():
    with pytest.raises(TypeError, match="func returned no residuals"):
        check_jacobian(lambda x: np.empty(0), lambda x: np.empty((0, 2)), [1.0, 2.0])


@pytest.mark.parametrize("x", [5e-324, -5e-324, 1e-315, -1e-310, 1e-300])
@pytest.mark.parametrize("wrong", [1.0, 2.0])
def test_next_to_zero(x, wrong):
    """Steps relative to such an x are none."""
    t = np.arange(1.0, 5.0)
    check = check_jacobian(
        lambda p: p[0] * t + p[1] ** 2,
        lambda p: np.array([wrong * t, 0 * t + 2 * p[1]]).T,
        [x, 2.0],
    )
    assert {j for _, j in check.wrong} == (set() if wrong == 1 else {0})
    assert check.uncertainty.max() < 1e-9
