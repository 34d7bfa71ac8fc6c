"""What an error or a warning advises, done: it works, and no other word is said."""

import warnings

import numpy as np
import pandas as pd
import pytest

from pyminpack import OptimizeWarning, curve_fit

T = np.linspace(0.2, 4.0, 30)
NOISE = 0.02 * np.cos(17 * np.arange(30))


def decay(t, a, k):
    return a * np.exp(-k * t)


Y = decay(T, 3.0, 0.5) + NOISE
POPT, PCOV = curve_fit(decay, T, Y)


def same(fit):
    popt, pcov = fit
    np.testing.assert_allclose(popt, POPT, rtol=1e-6)
    np.testing.assert_allclose(pcov, PCOV, rtol=1e-4)


@pytest.mark.parametrize("size", [np.abs, np.hypot], ids=["drops", "refuses"])
def test_complex_steps(size):
    """Of a model that is no analytic function: in the words of curve_fit."""

    def f(t, a, k):
        return size(decay(t, a, k), *([0.0] if size is np.hypot else []))

    with pytest.raises(TypeError, match=r"^curve_fit: jac='cs' .*, but f.* take jac='3-point'\.$"):
        curve_fit(f, T, Y, jac="cs")
    same(curve_fit(f, T, Y, jac="3-point"))


def test_start_of_ones_that_overflows():
    x = 100 * T
    text = (
        r"f returned inf as residual .*, at p0 = \[1, 1, 1\]\. Start .* No p0 was given: pass one"
    )

    def f(x, a, k, power):
        return a * np.exp(k * x * power) ** 2

    with np.errstate(over="ignore"), pytest.raises(RuntimeError, match=text):
        curve_fit(f, x, Y)
    p0 = [1.0, -1e-3, 1.0]
    with pytest.raises(RuntimeError) as raised, np.errstate(over="ignore"):
        curve_fit(f, x, Y, [1.0, 1.0, 1.0])
    assert "No p0" not in str(raised.value)
    popt, _ = curve_fit(lambda x, a, k: f(x, a, k, 1.0), x, Y, p0[:2])
    np.testing.assert_allclose(popt, [POPT[0], -POPT[1] / 200], rtol=1e-5)


def test_derivatives_that_are_not_finite():
    """Those of the differences, which nobody calls Dfun, at parameters that nobody calls x."""

    def f(t, a, k, b):
        return decay(t, a, k) + np.sqrt(1.0 - b) * 0.1 * t

    with np.errstate(invalid="ignore"):
        text = r"The difference Jacobian made with f is not finite: column 2 .*, at p = \["
        with pytest.raises(RuntimeError, match=text):
            curve_fit(f, T, Y, [1.0, 1.0, 1.0])


def with_edge(t, a, k, b):
    """Of which b has its best value, and its last, at 1."""
    return decay(t, a, k) + 0.1 * t * np.sqrt(1.0 - b)


def too_fast(t, a, k):
    return np.where(k < 0.9, np.nan, decay(t, a, k))


def shifted(t, a, k, c):
    return a * np.exp(-k * t + c)


def rows(t, a, k):
    return np.stack([np.exp(-k * t), -t * decay(t, a, k)])


def infinite(t, a, k):
    return np.full((t.size, 2), np.inf)


INF = np.inf
# What is called, options, what is said, other options.
FOLLOWED = {
    "calls": (decay, [1, 1], {"maxfev": 3}, "a larger maxfev", {"maxfev": 300}),
    "start": (decay, [1, 1], {"maxfev": 5}, "p0 that is nearer", {"maxfev": 5, "p0": POPT}),
    "tolerance": (decay, [1, 1], {"ftol": 0, "xtol": 0}, "a larger xtol", {"ftol": 0}),
    "edge": (with_edge, [1, 1, 1], {}, "Pass bounds", {"bounds": (-INF, [INF, INF, 1])}),
    "edge on the way": (too_fast, [1, 1], {}, "Pass bounds", {"bounds": ([-INF, 0.9], INF)}),
    "derivatives": (decay, [1, 1], {"jac": infinite}, "Without jac", {}),
    "transpose": (decay, [1, 1], {"jac": rows}, "col_deriv=True", {"jac": rows, "col_deriv": True}),
    "redundant": (shifted, [1, 1, 1], {}, "equal bounds",
                  {"bounds": ([-INF, -INF, 1], [INF, INF, 1])}),
}  # fmt: skip


@pytest.mark.bundled  # bounds
@pytest.mark.parametrize("name", FOLLOWED)
def test_followed(name):
    f, p0, options, text, others = FOLLOWED[name]
    said = []
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            curve_fit(f, T, Y, **{"p0": p0, **options})
        except (RuntimeError, TypeError) as error:
            said.append(str(error))
    said += [str(warning.message) for warning in caught]
    assert len(said) == 1
    assert text in said[0]
    assert "curve_fit" in said[0]
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("error")
        popt, pcov = curve_fit(f, T, Y, **{"p0": p0, **others})
    assert np.isfinite(popt).all()
    assert not np.isinf(pcov).any()


@pytest.mark.bundled  # bounds
def test_parameter_that_has_gone_too_far():
    """NIST's BoxBOD, from where a step leads to a rate of a hundred."""
    t, demand = np.array([1.0, 2, 3, 5, 7, 10]), np.array([109.0, 149, 149, 191, 213, 224])

    def f(t, final, rate):
        return final * (1 - np.exp(-rate * t))

    with pytest.warns(OptimizeWarning, match="a step has led too far.* or bounds on it"):
        curve_fit(f, t, demand)
    popt, pcov = curve_fit(f, t, demand, bounds=([0, 0], [INF, 5]))
    np.testing.assert_allclose(popt, [213.80940889, 0.54723748542], rtol=1e-5)
    np.testing.assert_allclose(np.diag(pcov) ** 0.5, [12.354515176, 0.10455993237], rtol=1e-4)


def test_ragged_predictors():
    """As text says: in a dict, they go to f as they are."""
    early, late = T[:12], T[12:]
    with pytest.raises(TypeError, match=r"ragged: its arrays have shapes .* go to f in a dict, as"):
        curve_fit(lambda x, a, k: decay(np.concatenate(x), a, k), (early, late), Y)
    parts = {"early": early, "late": late}
    same(curve_fit(lambda x, a, k: decay(np.concatenate(list(x.values())), a, k), parts, Y))


def test_missing_numbers_in_a_table():
    table = pd.DataFrame({"t": np.append(T, np.nan)})
    with pytest.raises(RuntimeError, match=r"xdata\['t'\]\[30\] is nan; nan_policy='omit' leaves"):
        curve_fit(lambda d, a, k: decay(d["t"], a, k), table, np.append(Y, 1.0))
    same(
        curve_fit(lambda d, a, k: decay(d["t"], a, k), table, np.append(Y, 1.0), nan_policy="omit")
    )


@pytest.mark.parametrize("mended", [lambda x, k: x * -k, lambda x, k: x.copy().__imul__(-k)])
def test_model_that_overwrites_x(mended):
    x = T.copy()

    def f(x, a, k):
        x *= -k
        return a * np.exp(x)

    with pytest.raises(
        ValueError, match=r"`x = x\*b` in place of `x \*= b`, or .* `x = x.copy\(\)`"
    ):
        curve_fit(f, x, Y)
    np.testing.assert_array_equal(x, T)
    same(curve_fit(lambda x, a, k: a * np.exp(mended(x, k)), x, Y))


def test_as_many_data_as_parameters():
    with pytest.warns(OptimizeWarning, match="with a known sigma, absolute_sigma=True needs none"):
        curve_fit(decay, T[:2], Y[:2])
    popt, pcov = curve_fit(decay, T[:2], Y[:2], sigma=0.02, absolute_sigma=True)
    J = np.stack([np.exp(-popt[1] * T[:2]), -T[:2] * decay(T[:2], *popt)], axis=1)
    np.testing.assert_allclose(pcov, np.linalg.inv(J.T @ J) * 0.02**2, rtol=1e-5)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_other_units(unit):
    with pytest.warns(OptimizeWarning, match="parameter 0 .* choose other units"):
        fit = curve_fit(decay, T, unit * Y, [unit, 1.0])
    np.testing.assert_allclose(fit.popt, POPT * [unit, 1.0], rtol=1e-6)
    same(curve_fit(decay, T, unit * Y / unit))


def test_place_of_a_jump():
    """The sum of squares over a range of values: one and the same between two data, and no less."""
    x = np.arange(60.0)
    y = np.where(x < 40, -9.5, 0.5) + 0.3 * np.sin(7 * x)

    def f(x, p, low, high):
        return np.where(x < p, low, high)

    with pytest.warns(OptimizeWarning, match="sum of squares over a range of values"):
        curve_fit(f, x, y, [33.0, 0.0, 1.0])
    squares = []
    for place in np.arange(30.0, 50.0, 0.25):
        popt, pcov = curve_fit(lambda x, low, high, p=place: f(x, p, low, high), x, y, [0, 0])
        assert np.all(np.isfinite(pcov))
        squares.append(np.sum((f(x, place, *popt) - y) ** 2))
    best = np.arange(30.0, 50.0, 0.25)[np.isclose(squares, min(squares))]
    assert best.tolist() == [39.25, 39.5, 39.75, 40.0]


def test_redundant_parameters_joined():
    """Into one: what the data tell is what they told of the two together."""
    with pytest.warns(
        OptimizeWarning, match=r"\(a\) and parameter 2 \(c\).* or join them into one"
    ):
        popt, _ = curve_fit(lambda t, a, k, c: a * np.exp(-k * t + c), T, Y, [1.0, 1.0, 0.5])
    np.testing.assert_allclose(popt[0] * np.exp(popt[2]), POPT[0], rtol=1e-6)
    same(curve_fit(decay, T, Y, [1.0, 1.0]))


def test_whole_numbers():
    """A parameter that the model rounds: to try its values is what is left."""

    def f(t, a, n):
        return a * t ** int(n) * np.exp(-t)

    y = f(T, 2.0, 3) + 0.1 * NOISE
    with pytest.warns(OptimizeWarning, match=r"parameter 1 \(n\)"):
        curve_fit(f, T, y, [1.0, 2.5])
    squares = []
    for n in range(6):
        (a,), _ = curve_fit(lambda t, a, n=n: f(t, a, n), T, y, [1.0])
        squares.append(np.sum((f(T, a, n) - y) ** 2))
    assert int(np.argmin(squares)) == 3


def test_texts_speak_of_curve_fit():
    """No text names an argument of leastsq."""
    said = []
    for f, options in (
        (lambda t, a, k: a * t + 0 * k, {}),
        (lambda t, a, k: a * k * t, {}),
        (lambda t, a, k: np.round(decay(t, a, k), 2), {}),
        (decay, {"maxfev": 3}),
        (lambda t, a, k: np.where(a == 1.0, decay(t, a, k), np.nan), {}),
        (decay, {"jac": lambda t, a, k: np.full((30, 2), np.nan)}),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                curve_fit(f, T, Y, [1.0, 1.0], **options)
            except RuntimeError as error:
                said.append(str(error))
        said += [str(warning.message) for warning in caught]
    assert len(said) == 6
    for text in said:
        assert not {"Dfun", "func", "x0", "x_scale"} & set(text.replace(".", " ").split())
