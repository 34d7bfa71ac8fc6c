"""Starts and bounds by the names of the parameters, and their number."""

import functools

import numpy as np
import pandas as pd
import pytest

from pyminpack import curve_fit, leastsq

T = np.linspace(0.5, 6.0, 12)
Y = 3.0 * np.exp(-0.4 * T) + 0.1
START = {"rate": 0.5, "amplitude": 2.0, "offset": 0.0}
VALUES = [2.0, 0.5, 0.0]
LOW, HIGH = [0.0, 0.0, -1.0], [9.0, 2.0, 0.05]


def decay(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


class Decay:
    def __call__(self, t, amplitude, rate, offset):
        return decay(t, amplitude, rate, offset)

    def method(self, t, amplitude, rate, offset):
        return decay(t, amplitude, rate, offset)


def assert_same(fit, reference):
    for ours, due in zip(fit, reference, strict=True):
        np.testing.assert_array_equal(ours, due)


@pytest.mark.parametrize("by_name", [dict, pd.Series])
class TestByName:
    @pytest.mark.parametrize("model", [decay, Decay(), Decay().method, functools.partial(decay)])
    def test_start(self, by_name, model):
        assert_same(curve_fit(model, T, Y, by_name(START)), curve_fit(decay, T, Y, VALUES))

    @pytest.mark.bundled
    def test_bounds_of_each_side(self, by_name):
        low = by_name({"offset": -1.0, "rate": 0.0, "amplitude": 0.0})
        high = by_name({"offset": 0.05, "rate": 2.0, "amplitude": 9.0})
        assert_same(
            curve_fit(decay, T, Y, by_name(START), bounds=(low, high)),
            curve_fit(decay, T, Y, VALUES, bounds=(LOW, HIGH)),
        )

    @pytest.mark.bundled
    def test_side_by_name_and_scalar(self, by_name):
        assert_same(
            curve_fit(decay, T, Y, VALUES, bounds=(-1, by_name({"offset": 0.05}))),
            curve_fit(decay, T, Y, VALUES, bounds=(-1, [np.inf, np.inf, 0.05])),
        )

    def test_unknown_name(self, by_name):
        start = by_name({**START, "amplitud": 1.0})
        text = "p0 has 'amplitud', no parameter of f; they are 'amplitude', 'rate', 'offset'"
        with pytest.raises(ValueError, match=text):
            curve_fit(decay, T, Y, start)
        with pytest.raises(ValueError, match="the upper bound has 'x', no parameter of f"):
            curve_fit(decay, T, Y, bounds=(0, by_name({"x": 1.0})))

    def test_missing_name(self, by_name):
        start = by_name({"rate": 0.5})
        with pytest.raises(ValueError, match="p0 has no value for 'amplitude', 'offset'; want one"):
            curve_fit(decay, T, Y, start)

    def test_function_without_names(self, by_name):
        with pytest.raises(ValueError, match=r"p0 is .* by name, .* the signature of f names none"):
            curve_fit(lambda t, *p: decay(t, *p), T, Y, by_name(START))


class TestPairsByName:
    @pytest.mark.bundled
    def test_pairs(self):
        bounds = {"offset": (-1, 0.05), "rate": (0, 2), "amplitude": (0, 9)}
        assert_same(
            curve_fit(decay, T, Y, START, bounds=bounds),
            curve_fit(decay, T, Y, VALUES, bounds=(LOW, HIGH)),
        )

    @pytest.mark.bundled
    @pytest.mark.parametrize("free", [{}, {"amplitude": None}, {"amplitude": (None, None)}])
    def test_not_named_is_unbounded(self, free):
        bounds = {"offset": (None, 0.05), **free}
        assert_same(
            curve_fit(decay, T, Y, START, bounds=bounds),
            curve_fit(decay, T, Y, VALUES, bounds=(-np.inf, [np.inf, np.inf, 0.05])),
        )

    @pytest.mark.bundled
    def test_without_start(self):
        low, high = [-np.inf, 0.0, -np.inf], [np.inf, 2.0, 0.05]
        assert_same(
            curve_fit(decay, T, Y, bounds={"offset": (None, 0.05), "rate": (0, 2)}),
            curve_fit(decay, T, Y, bounds=(low, high)),
        )

    def test_wrong_ones(self):
        with pytest.raises(ValueError, match="bounds has 'decay', no parameter of f"):
            curve_fit(decay, T, Y, bounds={"decay": (0, 1)})
        with pytest.raises(ValueError, match=r"bounds is int 1; want a pair \(lower, upper\)"):
            curve_fit(decay, T, Y, bounds={"rate": 1})


class TestSeriesOfValues:
    def test_its_index_of_numbers_is_no_names(self):
        assert_same(curve_fit(decay, T, Y, pd.Series(VALUES)), curve_fit(decay, T, Y, VALUES))


class TestBoundsOfMinimize:
    """`[(low, high), ...]`: refused with what to pass, which works."""

    PAIRS = ((0, 9), (0, 2), (-1, 0.05))

    @pytest.mark.bundled
    @pytest.mark.parametrize("pairs", [PAIRS, list(PAIRS), np.array(PAIRS)])
    def test_of_curve_fit(self, pairs):
        with pytest.raises(ValueError, match=r"as to SciPy's minimize, pass bounds=tuple\(zip"):
            curve_fit(decay, T, Y, VALUES, bounds=pairs)
        assert_same(
            curve_fit(decay, T, Y, VALUES, bounds=tuple(zip(*pairs, strict=True))),
            curve_fit(decay, T, Y, VALUES, bounds=(LOW, HIGH)),
        )

    def test_of_leastsq(self):
        with pytest.raises(ValueError, match=r"as to SciPy's minimize, pass bounds=tuple\(zip"):
            leastsq(lambda p: decay(T, *p) - Y, VALUES, bounds=self.PAIRS)

    @pytest.mark.parametrize("pairs", [[(0, None)], [(None, None)] * 4])
    def test_with_none(self, pairs):
        with pytest.raises(ValueError, match="as to SciPy's minimize"):
            curve_fit(decay, T, Y, VALUES, bounds=pairs)

    @pytest.mark.bundled
    @pytest.mark.parametrize(
        ("pairs", "start"),
        [([(0, 9), (1, 2)], [3.0, 1.5]), ([(0, 9), (1, 20)], [3.0, 10.0])],
        ids=["upper below lower", "start outside"],
    )
    def test_two_parameters(self, pairs, start):
        """Two pairs are two vectors as well: SciPy's reading, and where it fails, the other."""

        def line(t, a, b):
            return a + b * t

        with pytest.raises(ValueError, match="as to SciPy's minimize"):
            curve_fit(line, T, 2 + 3 * T, start, bounds=pairs)
        curve_fit(line, T, 2 + 3 * T, start, bounds=tuple(zip(*pairs, strict=True)))

    @pytest.mark.bundled
    def test_two_parameters_as_scipy_reads_them(self):
        popt, _ = curve_fit(lambda t, a, b: a + b * t, T, 2 + 3 * T, bounds=[(0, 0), (9, 9)])
        np.testing.assert_allclose(popt, [2, 3])

    @pytest.mark.parametrize("bounds", [((5, 5), (9, 9)), ([0, 9], [2, 1])])
    def test_no_advice_that_would_not_help(self, bounds):
        """Neither reading holds the start, or is in order."""
        with pytest.raises(ValueError, match="bounds") as caught:
            curve_fit(lambda t, a, b: a + b * t, T, Y, [4.0, 4.0], bounds=bounds)
        assert "minimize" not in str(caught.value)

    @pytest.mark.parametrize("bounds", [3, [1, 2, 3], [[1, 2], [3]], "ab c"])
    def test_no_advice_for_others(self, bounds):
        with pytest.raises((ValueError, TypeError)) as caught:
            curve_fit(decay, T, Y, VALUES, bounds=bounds)
        assert "minimize" not in str(caught.value)


class TestNumber:
    """A `p0` of another length than `f` takes parameters: both numbers."""

    @pytest.mark.parametrize("model", [decay, Decay(), Decay().method, functools.partial(decay)])
    @pytest.mark.parametrize("n", [1, 2, 4])
    def test_of_names(self, model, n):
        text = rf"p0 has {n} entries, but f takes 3 parameters .*\(amplitude, rate, offset\)"
        with pytest.raises(TypeError, match=text):
            curve_fit(model, T, Y, np.ones(n))

    def test_of_defaults(self):
        def model(t, amplitude, rate, offset=0.1):
            return decay(t, amplitude, rate, offset)

        with pytest.raises(TypeError, match="p0 has 1 entries, but f takes 2 to 3 parameters"):
            curve_fit(model, T, Y, [1.0])
        popt, _ = curve_fit(model, T, Y, [2.0, 0.5])
        np.testing.assert_allclose(popt, [3.0, 0.4])

    def test_of_any_number(self):
        def model(t, amplitude, rate, *more):
            return decay(t, amplitude, rate, sum(more))

        with pytest.raises(TypeError, match="p0 has 1 entries, but f takes at least 2 parameters"):
            curve_fit(model, T, Y, [1.0])

    def test_errors_of_the_models_own_pass_through(self):
        def model(t, a):
            return a * len(3)

        with pytest.raises(TypeError, match=r"^object of type 'int' has no len\(\)$"):
            curve_fit(model, T, Y, [1.0])
