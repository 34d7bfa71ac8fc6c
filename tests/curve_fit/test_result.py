"""What `curve_fit` returns: the tuple, the attributes, copies, the report."""

import copy
import functools
import pickle
import warnings

import numpy as np
import pytest

from pyminpack import CurveFitResult, FullCurveFitResult, OptimizeWarning, curve_fit
from pyminpack._fit.report import rounded

T = np.linspace(0.0, 10.0, 40)
NOISE = 0.05 * np.random.default_rng(7).standard_normal(40)


def decay(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


Y = decay(T, 3.0, 0.5, 1.0) + NOISE


@pytest.fixture(scope="module")
def result():
    return curve_fit(decay, T, Y)


class TestTuple:
    def test_two(self, result):
        popt, pcov = result
        assert isinstance(result, tuple)
        assert len(result) == 2
        assert result[0] is popt is result.popt
        assert result[-1] is pcov is result.pcov
        assert type(result[:1]) is tuple

    def test_five_in_the_order_of_scipy(self):
        result = curve_fit(decay, T, Y, full_output=True)
        popt, pcov, infodict, mesg, ier = result
        assert isinstance(result, FullCurveFitResult)
        assert (popt.shape, pcov.shape) == ((3,), (3, 3))
        assert infodict is result.infodict
        assert infodict["nfev"] == result.nfev
        assert mesg == result.mesg == result.message
        assert ier == result.ier

    def test_equality_is_that_of_tuples(self, result):
        assert result == tuple(result)
        assert result != 1
        assert result == copy.copy(result)

    @pytest.mark.parametrize("full_output", [False, True])
    def test_repr_names_what_the_tuple_holds(self, full_output):
        result = curve_fit(decay, T, Y, full_output=full_output)
        names = {"CurveFitResult": type(result), "array": np.array, "float64": np.float64}
        names |= {"FullCurveFitResult": lambda **items: list(items), "int32": np.int32}
        if full_output:
            with np.printoptions(threshold=10_000):
                text = repr(result)
            assert eval(text, names) == ["popt", "pcov", "infodict", "mesg", "ier"]
        else:
            assert repr(result).startswith("CurveFitResult(popt=array([")


class TestAttributes:
    def test_squares_beyond_doubles(self):
        """Protects the report from numpy's overflow, an error in tests."""
        result = curve_fit(lambda t, a: a * t, T, 1e200 * Y, 1e200, 1e20, True)
        assert result.chisqr == np.inf
        assert "inf" in str(result)

    def test_of_a_line_are_those_of_linear_algebra(self):
        result = curve_fit(lambda t, a, b: a + b * t, T, Y)
        design = np.column_stack([np.ones_like(T), T])
        residuals = Y - design @ np.linalg.solve(design.T @ design, design.T @ Y)
        variance = residuals @ residuals / 38
        cov = variance * np.linalg.inv(design.T @ design)
        errors = np.sqrt(np.diag(cov))
        assert result.dof == 38
        # Forward differences of a line of size 1: relative errors of 1e-8 and less.
        np.testing.assert_allclose(result.chisqr, residuals @ residuals, rtol=1e-12)
        np.testing.assert_allclose(result.redchi, variance, rtol=1e-12)
        np.testing.assert_allclose(result.stderr, errors, rtol=1e-6)
        np.testing.assert_allclose(result.correlation, cov / np.outer(errors, errors), rtol=1e-6)
        assert result.names == ("a", "b")
        assert result.active_mask.tolist() == [0, 0]
        assert result.warnings == ()
        assert result.ier in (1, 2, 3)
        assert result.message.startswith("Converged")
        assert result.nfev > 3

    def test_chisqr_is_weighted(self):
        sigma = np.linspace(0.1, 0.2, 40)
        result = curve_fit(decay, T, Y, sigma=sigma)
        weighted = (Y - decay(T, *result.popt)) / sigma
        np.testing.assert_allclose(result.chisqr, weighted @ weighted, rtol=1e-12)

    @pytest.mark.bundled  # the original knows no bounds
    def test_bounds(self):
        bounds = ([0.0, 0.5, 0.0], [9.0, 0.5, 0.8])
        result = curve_fit(decay, T, Y, p0=[1.0, 0.5, 0.5], bounds=bounds)
        assert result.active_mask[2] == 1
        assert result.dof == 38
        assert result.stderr[0] > 0.0
        assert result.stderr[1] == 0.0
        assert np.isnan(result.stderr[2])
        assert np.isnan(result.correlation[0]).tolist() == [False, True, True]
        lines = str(result).splitlines()
        assert any("rate" in line and line.endswith("fixed") for line in lines)
        assert any("offset" in line and line.endswith("at its upper bound") for line in lines)
        assert "3 parameters, 2 free" in str(result)

    def test_warnings_are_the_texts_that_were_warned(self):
        with pytest.warns(OptimizeWarning) as record:
            result = curve_fit(lambda t, a, b: a + 0.0 * b + t, T, Y)
        assert result.warnings == tuple(str(warning.message) for warning in record)
        assert np.isinf(result.stderr).all()
        assert np.isnan(result.correlation).all()
        assert str(result).count("error unknown") == 2
        assert "does not depend on parameter 1 (b)" in " ".join(str(result).split())

    def test_no_degrees_of_freedom(self):
        with pytest.warns(OptimizeWarning):
            result = curve_fit(lambda t, a, b: a + b * t, [0.0, 1.0], [1.0, 3.0])
        assert result.dof == 0
        assert np.isnan(result.redchi)
        assert "freedom" not in str(result).partition("warning")[0]

    @pytest.mark.parametrize(
        ("f", "names"),
        [
            (lambda t, *p: decay(t, *p), ("p[0]", "p[1]", "p[2]")),
            (lambda t, a, *rest: decay(t, a, *rest), ("a", "rest[0]", "rest[1]")),
            (functools.wraps(decay)(lambda *args: decay(*args)), ("amplitude", "rate", "offset")),
        ],
    )
    def test_names(self, f, names):
        assert curve_fit(f, T, Y, p0=[1.0, 1.0, 1.0]).names == names

    def test_names_of_a_model_that_returns_a_series(self):
        pandas = pytest.importorskip("pandas")
        result = curve_fit(lambda t, a, b: pandas.Series(a + b * t), T, Y)
        assert result.names == ("a", "b")
        assert result.band().shape == (40,)


class TestCopies:
    def test_pickle_with_a_function_that_can_be_imported(self):
        result = curve_fit(decay, T, Y)
        again = pickle.loads(pickle.dumps(result))
        np.testing.assert_array_equal(again.band(), result.band())
        assert str(again) == str(result)

    def test_pickle_without_its_function(self):
        result = curve_fit(lambda t, a, b: a + b * t, T, Y)
        again = pickle.loads(pickle.dumps(result))
        assert type(again) is CurveFitResult
        np.testing.assert_array_equal(again.popt, result.popt)
        assert again[0] is again.popt
        assert again.names == ("a", "b")
        assert str(again) == str(result)
        with pytest.raises(ValueError, match="comes from a pickle"):
            again.band()

    @pytest.mark.parametrize("full_output", [False, True])
    def test_copies_keep_all(self, full_output):
        result = curve_fit(lambda t, a, b: a + b * t, T, Y, full_output=full_output)
        for again in (copy.copy(result), copy.deepcopy(result)):
            assert type(again) is type(result)
            assert len(again) == len(result)
            assert again[0] is again.popt
            np.testing.assert_array_equal(again.band(), result.band())
        assert copy.copy(result).popt is result.popt
        assert copy.deepcopy(result).popt is not result.popt


class TestReport:
    def test_text(self, result):
        text = str(result)
        lines = text.splitlines()
        assert lines[0] == "decay(t, amplitude, rate, offset)"
        values = [line for line in lines if "±" in line]
        assert [line.split()[0] for line in values] == list(result.names)
        assert len({line.index("±") for line in values}) == 1
        assert max(map(len, lines)) <= 80
        assert " ".join(text.split()).endswith(f"{result.message} {result.nfev} calls of f.")

    def test_large_correlations_alone(self):
        result = curve_fit(lambda t, a, b, c: a + b * (t + 100.0) + c * np.sin(t), T, Y)
        line = next(line for line in str(result).splitlines() if "correlations" in line)
        assert line.split(None, 1)[1].startswith("a, b: -0.99")
        assert "c" not in line.split(None, 1)[1]

    def test_html_has_the_same_and_escapes(self, result):
        html = result._repr_html_()
        for row in ("amplitude", "rate", "offset", "sum of squares", "±"):
            assert row in html
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stuck = curve_fit(lambda t, a, b: a + 0.0 * b + t, T, Y)
        stuck._state = stuck._fitted._replace(warnings=("a < b & c",))
        assert "a &lt; b &amp; c" in stuck._repr_html_()

    @pytest.mark.parametrize(
        ("value", "error", "text"),
        [
            (3.00973, 0.0202, "3.010 ± 0.020"),
            (-0.116, 0.0359, "-0.116 ± 0.036"),
            (9.996, 0.0996, "10.00 ± 0.10"),
            (12345.6, 789.0, "12350 ± 790"),
            (-1e-20, 0.5, "0.00 ± 0.50"),
            (1e7, 3.0, "(1.00000000 ± 0.00000030)e+07"),
            (-1e-310, 1e-312, "(-1.000 ± 0.010)e-310"),
            (1e308, 1e307, "(1.00 ± 0.10)e+308"),
            (1.0, 1e-300, "1 ± 1.0e-300"),
            (2.5, 0.0, "2.5"),
            (2.5, np.inf, "2.5"),
            (2.5, np.nan, "2.5"),
        ],
    )
    def test_value_and_error_are_rounded_alike(self, value, error, text):
        assert rounded(value, error) == text
