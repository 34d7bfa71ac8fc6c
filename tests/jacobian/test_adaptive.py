"""Jacobians with steps of their own: right to the error that they tell, whatever x is."""

import mpmath
import numpy as np
import pytest

from pyminpack import leastsq
from pyminpack._jacobian.accuracy import column_norms
from pyminpack._jacobian.adaptive import LONG_EPS, NO_DERIVATIVE, Adaptive

T = np.linspace(0.1, 4.0, 40)
X = np.linspace(0.0, 10.0, 50)


def complex_jacobian(f, x):
    """Exact to rounding; the right value, by another way than differences."""
    rows = []
    for j in range(len(x)):
        z = np.array(x, dtype=complex)
        z[j] += 1e-30j * max(1.0, abs(x[j]))
        rows.append(f(z).imag / z[j].imag)
    return np.array(rows)


# name: function, point
SMOOTH = {
    "exponential": (lambda x: x[0] * np.exp(-x[1] * T) + x[2], [3.0, 0.7, 1.0]),
    "a large offset": (lambda x: 1e6 + x[0] * np.exp(-x[1] * T), [3.0, 0.7]),
    "days since an epoch": (lambda x: x[0] * np.sin(x[1] * (59000 + T) + x[2]), [0.05, 20.0, 0.3]),
    "a line in seconds since 1970": (lambda x: x[0] + x[1] * (1.66e9 + 60 * T), [-8e8, 0.5]),
    "a sharp line": (lambda x: x[0] / (1 + ((4.1e9 + 1e3 * (X - 5) - x[1]) / x[2]) ** 2),
                     [1.0, 4.1e9, 900.0]),
    "a peak that the usual step jumps over": (
        lambda x: x[0] * np.exp(-0.5 * ((2454289 + X - x[1]) / 0.8) ** 2), [5.0, 2454294.1]),
    "a high quality": (lambda x: 1 / (1 + (2 * x[0] * (1e3 * (X - 5) / 4.1e9)) ** 2), [1.3e6]),
    "parameters of 0": (lambda x: np.sin(T + x[0]) + x[1] * T**2, [0.0, 0.0]),
    "next to 0": (lambda x: x[0] + x[1] * T, [1.0, 1e-300]),
    "small units": (lambda x: 1e200 * x[0] * np.exp(-x[1] * 1e-12 * T), [3e-200, 1e12]),
    "powers": (lambda x: x[0] * T ** x[1], [2.0, 1.5]),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth(name):
    f, x = SMOOTH[name]
    x = np.array(x)
    jacobian = Adaptive(f, size=float(np.linalg.norm(f(x))))
    found, right = jacobian(x), complex_jacobian(f, x)
    norms = column_norms(right.T)
    errors = column_norms((found - right).T) / norms
    # What complex steps and differences both suffer from: x itself is rounded, by eps/2, and with
    # it whatever x is multiplied with.
    size = np.abs(x) * norms / np.linalg.norm(f(x))
    assert np.all(errors <= 3 * jacobian.errors + 1e-10 + 1e-11 * size.max())
    assert np.all(jacobian.errors < 1e-6)
    assert not jacobian.coarse.any()


@pytest.mark.parametrize("x", [[3.0, 1.0, 0.5], [2.5, 1.2, 0.4]])
@pytest.mark.parametrize("noise", [1e-8, 8e-6, 5e-5])
def test_noise_that_is_smooth(noise, x):
    """Over steps of 1e-10, where its slope is a thousand times that of the model."""

    def model(x):
        return x[0] * np.exp(-x[1] * T) + x[2]

    def f(x):
        values = model(x)
        return values * (1 + noise * np.sin(1e9 * values * (1 + np.arange(T.size))))

    jacobian = Adaptive(f, size=float(np.linalg.norm(model(x))))
    found, right = jacobian(np.array(x)), complex_jacobian(model, x)
    assert np.all(column_norms((found - right).T) <= 0.05 * column_norms(right.T))


@pytest.mark.parametrize("name", SMOOTH)
def test_again_nearby(name):
    """Later Jacobians keep the steps, at ten calls a parameter, and are no worse."""
    f, x = SMOOTH[name]
    x = np.array(x)
    jacobian = Adaptive(f, size=float(np.linalg.norm(f(x))))
    jacobian(x)
    first, calls = jacobian.errors.copy(), jacobian.nfev
    jacobian(x + 1e-9 * np.abs(x))
    assert np.all(jacobian.errors <= np.maximum(8 * first, 1e-7))
    assert jacobian.nfev - calls == 10 * x.size


def test_in_longer_numbers():
    """No rounding errors of w x, 5e7, but those of the longest numbers of the machine."""
    f = lambda x: x[0] * np.sin(x[1] * (2454294 + T) + x[2])  # noqa: E731
    x = np.array([0.05, 20.0, 0.3])
    jacobian = Adaptive(f, size=float(np.linalg.norm(f(x))), long=True)
    found, right = jacobian(x), complex_jacobian(f, x)
    assert found.dtype == np.float64
    errors = column_norms((found - right).T) / column_norms(right.T)
    assert np.all(jacobian.errors <= 1e3 * 5e7 * LONG_EPS + 1e-12)
    # Complex steps have the phase in double precision.
    assert np.all(errors <= 3 * jacobian.errors + 5e7 * 2.0**-52)


def test_waves_that_agree_by_chance():
    """A step that leads over whole waves, and a shorter one that does: they say the same."""
    x = np.array([24.5288258])
    for offset in np.linspace(0, 1, 200):
        jacobian = Adaptive(lambda x, t=2454294 + T + offset: np.sin(x * t), size=100.0)
        right = (2454294 + T + offset) * np.cos(x * (2454294 + T + offset))
        assert np.linalg.norm(jacobian(x)[0] - right) < 1e-4 * np.linalg.norm(right)


def test_against_many_digits():
    """A root of a small difference: what double precision leaves of it is known from 50 digits."""
    with mpmath.workdps(50):
        right = [float(1 / (2 * mpmath.sqrt(mpmath.mpf(t) ** 2 + 1e-9))) for t in T.tolist()]
    jacobian = Adaptive(lambda x: np.sqrt(T**2 + x[0]))
    np.testing.assert_allclose(jacobian(np.array([1e-9]))[0], right, rtol=1e-8)


class TestRoughFunctions:
    def test_unused_parameter(self):
        jacobian = Adaptive(lambda x: x[0] * T + 0 * x[1])
        assert not jacobian(np.array([2.0, 3.0]))[1].any()
        assert jacobian.errors[1] == 0.0

    def test_single_precision(self):
        def f(x):
            a, b = np.float32(x[0]), np.float32(x[1])
            return (a * np.exp(-b * T.astype(np.float32))).astype(float)

        x = np.array([3.0, 0.7])
        jacobian = Adaptive(f)
        right = complex_jacobian(lambda x: x[0] * np.exp(-x[1] * T), x)
        errors = np.linalg.norm(jacobian(x) - right, axis=1) / np.linalg.norm(right, axis=1)
        assert np.all(errors < 1e-4)
        assert not jacobian.coarse.any()

    @pytest.mark.parametrize("digits", [2, 3, 4])
    def test_rounded(self, digits):
        jacobian = Adaptive(lambda x: np.round(x[0] * np.exp(-x[1] * T), digits))
        jacobian(np.array([3.0, 0.7]))
        assert np.all(jacobian.coarse | (jacobian.errors > NO_DERIVATIVE))

    @pytest.mark.parametrize("noise", [1e-10, 1e-8, 1e-6])
    def test_noise(self, noise):
        """As of a model that iterates up to a tolerance."""
        x = np.array([3.0, 0.7])
        jacobian = Adaptive(
            lambda x: x[0] * np.exp(-x[1] * T) * (1 + noise * np.sin(1e12 * x[0] + 1e13 * x[1] * T))
        )
        right = complex_jacobian(lambda x: x[0] * np.exp(-x[1] * T), x)
        errors = np.linalg.norm(jacobian(x) - right, axis=1) / np.linalg.norm(right, axis=1)
        assert np.all(errors <= 100 * noise)
        assert np.linalg.norm(errors) <= 10 * np.linalg.norm(jacobian.errors)

    def test_place_of_a_jump(self):
        """On a data point it jumps with any step; between two nothing moves."""
        points = np.arange(100.0)
        jacobian = Adaptive(lambda x: np.where(points < x[0], 1.0, -1.0))
        jacobian(np.array([40.0]))
        assert jacobian.errors[0] > NO_DERIVATIVE
        between = Adaptive(lambda x: np.where(points < x[0], 1.0, -1.0))
        assert not between(np.array([40.5])).any()


class TestBounds:
    @pytest.mark.parametrize("x", [0.0, 1e-12, 0.5, 1.0])
    def test_no_call_outside(self, x):
        seen = []

        def f(x):
            seen.append(x[0])
            return np.exp(x[0] * T)

        jacobian = Adaptive(f, limits=np.array([[0.0], [1.0]]))
        found = jacobian(np.array([x]))
        assert 0.0 <= min(seen) <= max(seen) <= 1.0
        np.testing.assert_allclose(found[0], T * np.exp(x * T), rtol=1e-6)

    def test_fixed(self):
        both = np.array([2.0, 3.0])
        jacobian = Adaptive(lambda x: x[0] * T + x[1], limits=np.array([both, [3.0, 3.0]]))
        assert not jacobian(both)[1].any()


class TestLeastsq:
    def test_by_name(self):
        def residuals(x):
            return x[0] * np.sin(x[1] * (59000 + T) + x[2]) - data

        truth = np.array([0.05, 20.0, 0.3])
        data = 0.0
        data = residuals(truth)
        x, _, info, _, ier = leastsq(
            residuals,
            truth + np.array([0.01, 3e-6, 0.02]),
            Dfun="adaptive",
            full_output=True,
            xtol=1e-15,
        )
        assert ier in (1, 2, 3)
        assert np.linalg.norm(residuals(x)) < 1e-9
        assert info["nfev"] > 10 * info["njev"]

    def test_exceptions_pass_through(self):
        def f(x):
            if x[0] > 1.0:
                raise ZeroDivisionError("mine")
            return x[0] * T - 1

        with pytest.raises(ZeroDivisionError, match="mine"):
            leastsq(f, [1.0], Dfun="adaptive")
