"""What the model of `curve_fit` may return, and what it must leave alone."""

import numpy as np
import pytest

from pyminpack import curve_fit

T = np.linspace(0.5, 6.0, 12)
Y = 3.0 * np.exp(-0.4 * T) + 0.02 * np.cos(9 * T)
SIGMA = 0.02 + 0.01 * T
START = [1.0, 1.0]


def decay(t, amplitude, rate):
    return amplitude * np.exp(-rate * t)


def residuals(t, amplitude, rate):
    return decay(t, amplitude, rate) - Y


class TestNumberOfResults:
    @pytest.mark.parametrize("shape", [(10, 12), (1, 10, 12), (12, 12)])
    def test_many_curves_are_not_one(self, shape):
        y = np.broadcast_to(Y, shape)
        with pytest.raises(ValueError, match=r"f returned shape \(12,\); want that of ydata"):
            curve_fit(decay, T, y, START)

    def test_advice_works(self):
        factors = np.array([1.0, 2.0, 0.5])
        y = factors[:, None] * Y
        with pytest.raises(ValueError, match=r"call curve_fit_many\(f, xdata, ydata\)"):
            curve_fit(decay, T, y, START)
        fits = [curve_fit(decay, T, row, START)[0] for row in y]
        np.testing.assert_allclose(fits, curve_fit(decay, T, Y, START)[0] * [[1, 1], [2, 1], [0.5, 1]], rtol=1e-6)  # fmt: skip  # noqa: E501

    @pytest.mark.parametrize("shape", [(12, 1), (3, 4), (11,), (2, 12), (0,)])
    def test_other_shapes(self, shape):
        with pytest.raises(ValueError, match=r"f returned shape .*; want that of ydata, \(12,\)"):
            curve_fit(lambda t, a, b: np.ones(shape), T, Y, START)

    def test_another_number_later(self):
        lengths = iter([12, 12, 12, 9])
        text = r"f returned shape \(9,\); want that of ydata, \(12,\)"
        with pytest.raises(ValueError, match=text):
            curve_fit(lambda t, a, b: decay(t, a, b)[: next(lengths)], T, Y, START)

    def test_one_row(self):
        fit = curve_fit(lambda t, a, b: decay(t, a, b)[None], T, Y, START)
        np.testing.assert_array_equal(fit[0], curve_fit(decay, T, Y, START)[0])

    def test_a_constant(self):
        popt, pcov = curve_fit(lambda t, c: c, T, Y, [1.0])
        np.testing.assert_allclose(popt, Y.mean())
        np.testing.assert_allclose(pcov, Y.var(ddof=1) / 12)


class TestScalarData:
    """A scalar `ydata` stands for all: the model has compared with its data itself."""

    @pytest.mark.parametrize("zero", [0, 0.0, [0.0], np.zeros(1), np.array(0)])
    @pytest.mark.parametrize(
        "sigma", [None, 0.1, SIGMA, np.diag(SIGMA**2)], ids=["none", "scalar", "vector", "matrix"]
    )
    def test_weights(self, zero, sigma):
        fit = curve_fit(residuals, T, zero, START, sigma, absolute_sigma=True)
        due = curve_fit(decay, T, Y, START, sigma, absolute_sigma=True)
        np.testing.assert_allclose(fit[0], due[0], rtol=1e-9)
        np.testing.assert_allclose(fit[1], due[1], rtol=1e-6)

    @pytest.mark.bundled
    def test_jacobian_and_bounds(self):
        def jac(t, a, b):
            return np.array([np.exp(-b * t), -a * t * np.exp(-b * t)]).T

        fit = curve_fit(residuals, T, 0, START, SIGMA, jac=jac, bounds=(0, 9))
        due = curve_fit(decay, T, Y, START, SIGMA, jac=jac, bounds=(0, 9))
        np.testing.assert_allclose(fit[1], due[1], rtol=1e-9)

    def test_not_of_wrong_length(self):
        with pytest.raises(ValueError, match="sigma has incorrect shape"):
            curve_fit(residuals, T, 0, START, SIGMA[1:])


class TestOverwrittenData:
    """`x *= -b` in a model would make another x of each call."""

    @staticmethod
    def at_once(x, a, b):
        x *= -b
        return a * np.exp(x)

    @pytest.mark.parametrize("layout", ["plain", "strided", "columns", "list"])
    def test_is_told_and_undone(self, layout):
        data = np.repeat(T, 2)[::2] if layout == "strided" else T.copy()
        data = [data.tolist(), data][layout != "list"]
        if layout == "columns":
            data = np.asfortranarray(np.stack([T, T]))
        before = np.array(data)

        def model(x, a, b):
            return self.at_once(x, a, b)[(0,) * (x.ndim - 1)]

        with pytest.raises(ValueError, match="f has overwritten its xdata"):
            curve_fit(model, data, Y, START)
        np.testing.assert_array_equal(data, before)

    def test_advice_works(self):
        def model(x, a, b):
            x = x.copy()
            return self.at_once(x, a, b)

        np.testing.assert_allclose(
            curve_fit(model, T, Y, START)[0], curve_fit(decay, T, Y, START)[0]
        )

    def test_on_the_way(self):
        data, calls = T.copy(), []

        def model(x, a, b):
            calls.append(1)
            if len(calls) == 5:
                x[3] = 0.0
            return decay(x, a, b)

        with pytest.raises(ValueError, match="f has overwritten its xdata"):
            curve_fit(model, data, Y, START)
        np.testing.assert_array_equal(data, T)

    def test_by_the_jacobian(self):
        data = T.copy()

        def jac(x, a, b):
            x += 1
            return np.array([np.exp(-b * x), -a * x * np.exp(-b * x)]).T

        with pytest.raises(ValueError, match="has overwritten its xdata"):
            curve_fit(decay, data, Y, START, jac=jac)
        np.testing.assert_array_equal(data, T)

    @pytest.mark.parametrize("call", [1, 4])
    def test_undone_where_the_model_fails(self, call):
        data, calls = T.copy(), []

        def model(x, a, b):
            calls.append(1)
            if len(calls) == call:
                x *= 2
                raise KeyError("own")
            return decay(x, a, b)

        with pytest.raises(ValueError, match="f has overwritten") as caught:
            curve_fit(model, data, Y, START)
        assert isinstance(caught.value.__context__, KeyError)
        np.testing.assert_array_equal(data, T)

    def test_data_that_cannot_be_overwritten(self):
        data = T.copy()
        data.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            curve_fit(self.at_once, data, Y, START)
