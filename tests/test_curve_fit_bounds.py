"""What `curve_fit` makes of `bounds` before `leastsq` gets them."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from pyminpack import curve_fit, leastsq

INF = np.inf
T = np.linspace(0.0, 4.0, 9)
Y = 1.0 + 2.0 * T + 0.01 * np.cos(7 * T)


def line(t, a, b):
    return a + b * t


@pytest.fixture
def handed(monkeypatch):
    """Return the start and the options of the last call of `leastsq`."""
    calls = {}

    def stand_in(func, x0, *, full_output, bounds=None):
        calls.update(x0=x0.tolist(), bounds=bounds and [b.tolist() for b in bounds])
        return leastsq(func, x0, full_output=full_output)

    monkeypatch.setattr(importlib.import_module("pyminpack.curve_fit"), "leastsq", stand_in)
    return calls


@pytest.mark.parametrize(
    ("bounds", "lower", "upper", "start"),
    [
        ((0, 3), [0, 0], [3, 3], [1.5, 1.5]),
        ((0, INF), [0, 0], [INF, INF], [1, 1]),
        ((-INF, [5, 7]), [-INF, -INF], [5, 7], [4, 6]),
        (([-INF, 2], [INF, 2]), [-INF, 2], [INF, 2], [1, 2]),
        (([-INF, 4], INF), [-INF, 4], [INF, INF], [1, 5]),
        ([[0, -1], [2, 1]], [0, -1], [2, 1], [1, 0]),
        (([0], [2]), [0, 0], [2, 2], [1, 1]),
        (SimpleNamespace(lb=np.zeros(2), ub=4), [0, 0], [4, 4], [2, 2]),
    ],
)
def test_default_start(handed, bounds, lower, upper, start):
    """Ones, the middle of two bounds, or one unit inside of one: as SciPy chooses it."""
    curve_fit(line, T, Y, bounds=bounds)
    assert handed == {"x0": start, "bounds": [lower, upper]}


@pytest.mark.parametrize(
    "bounds",
    [
        (-INF, INF),
        ([-INF, -INF], [INF, INF]),
        SimpleNamespace(lb=-INF, ub=INF),
    ],
    ids=str,
)
def test_infinite_bounds_are_none(handed, bounds):
    curve_fit(line, T, Y, bounds=bounds)
    assert handed == {"x0": [1, 1], "bounds": None}


@pytest.mark.parametrize("method", [None, "lm"])
def test_start_on_a_bound(handed, method):
    curve_fit(line, T, Y, p0=[0, 3], bounds=([0, 0], 3), method=method)
    assert handed == {"x0": [0, 3], "bounds": [[0, 0], [3, 3]]}


def test_fixed_parameters_take_no_degree_of_freedom(handed):
    """The stand-in does not hold b; what counts here is the divisor, 9 - 1."""
    _, pcov, infodict, *_ = curve_fit(line, T, Y, bounds=([-INF, 2], [INF, 2]), full_output=True)
    _, unit = curve_fit(line, T, Y, absolute_sigma=True)
    assert pcov == pytest.approx(unit * np.sum(infodict["fvec"] ** 2) / 8, rel=1e-5)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0, 1, 2), r"bounds is tuple \(0, 1, 2\); want a pair"),
        (5, "bounds is int 5; want a pair"),
        (([0, 0, 0], 1), r"The lower bound has shape \(3,\); want a scalar or \(2,\)"),
        ((0, [[1, 1]]), r"The upper bound has shape \(1, 2\)"),
        ((1, 0), r"The bounds of p\[0\] are \[1.0, 0.0\]"),
        (([0, np.nan], 1), r"The bounds of p\[1\] are \[nan, 1.0\]"),
        ((INF, INF), r"The bounds of p\[0\] are \[inf, inf\]"),
        ((-INF, -INF), r"The bounds of p\[0\] are \[-inf, -inf\]"),
    ],
)
def test_unusable(bounds, text):
    with pytest.raises(ValueError, match=text):
        curve_fit(line, T, Y, bounds=bounds)


def test_not_numbers():
    with pytest.raises(TypeError, match="The upper bound is str 'one'; want real numbers"):
        curve_fit(line, T, Y, bounds=(0, "one"))


@pytest.mark.parametrize("p0", [[0.5, 2.0], [0.5, -1.0]])
def test_start_outside(p0):
    with pytest.raises(ValueError, match=r"p0\[1\] is .*, outside of its bounds \[0.0, 1.0\]"):
        curve_fit(line, T, Y, p0, bounds=(0, 1))
