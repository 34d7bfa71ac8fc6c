"""`curve_fit`: what it hands to the model and to `leastsq`, what it makes of data, what it says."""

import functools
import importlib
import inspect
import re

import numpy as np
import pytest

from pyminpack import OptimizeWarning, curve_fit, leastsq

T = np.linspace(0.0, 4.0, 9)
NOISE = 0.01 * np.array([1.0, -2.0, 0.5, 1.5, -1.0, 0.0, 2.0, -1.5, -0.5])


def line(t, a, b):
    return a + b * t


def line_jacobian(t, a, b):
    return np.stack([np.ones_like(t), t], axis=1)


Y = line(T, 1.0, 2.0) + NOISE


def solution(x, y, weights=None):
    """The straight line and its covariance for known errors, by the normal equations."""
    design = line_jacobian(x, 0.0, 0.0)
    information = np.eye(x.size) if weights is None else weights
    pcov = np.linalg.inv(design.T @ information @ design)
    return pcov @ design.T @ information @ y, pcov


# The last digits of a forward difference are what limits a straight line.
close = functools.partial(pytest.approx, rel=1e-6)


class TestNumberOfParameters:
    """Without p0, it is that of the positional arguments after xdata."""

    class Model:
        def __call__(self, t, a, b):
            return a + b * t

        def method(self, t, a, b):
            return a + b * t

        @classmethod
        def of_class(cls, t, a, b):
            return a + b * t

        @staticmethod
        def static(t, a, b):
            return a + b * t

    @functools.wraps(line)
    def wrapped(*args):
        return line(*args)

    def keyword_only(t, a, b, *, scale=1.0):
        return scale * (a + b * t)

    def with_default(t, a, b=7.0):
        return a + b * t

    def positional_only(t, a, b, /):
        return a + b * t

    def with_attribute(t, a, b):
        return a + b * t

    with_attribute.unit = "mm"

    @pytest.mark.parametrize(
        "f",
        [
            line,
            wrapped,
            keyword_only,
            with_default,
            positional_only,
            with_attribute,
            Model(),
            Model().method,
            Model.of_class,
            Model.static,
            functools.partial(lambda k, t, a, b: k * a + b * t, 1.0),
            functools.partial(lambda t, a, b, c: a + b * t + c, c=0.0),
        ],
    )
    def test_two(self, f):
        popt, _ = curve_fit(f, T, Y)
        assert popt == close(solution(T, Y)[0])

    def test_varargs_do_not_count(self):
        popt, _ = curve_fit(lambda t, a, *more: a * t, T, Y)
        assert popt.shape == (1,)

    @pytest.mark.parametrize(
        "f",
        [lambda *p: p[1] * T, lambda t, *p: p[0] * t, lambda t: t, max],
        ids=["only varargs", "varargs", "no parameter", "builtin"],
    )
    def test_none_to_count(self, f):
        with pytest.raises(ValueError, match="Unable to determine number of fit parameters"):
            curve_fit(f, T, Y)

    def test_method_that_takes_anything(self):
        class Any:
            def method(*args):
                return args[1] * args[2]

        with pytest.raises(ValueError, match="Unable to determine number of fit parameters"):
            curve_fit(Any().method, T, Y)

    def test_varargs_with_p0(self):
        popt, _ = curve_fit(lambda t, *p: p[0] + p[1] * t, T, Y, [0, 0])
        assert popt == close(solution(T, Y)[0])


class TestStart:
    def test_called_once_at_p0(self):
        seen = []

        def f(t, a, b):
            seen.append((a, b))
            return line(t, a, b)

        *_, infodict, _, _ = curve_fit(f, T, Y, [0.5, 3.0], full_output=True)
        assert seen[0] == (0.5, 3.0)
        assert seen.count((0.5, 3.0)) == 1
        assert len(seen) == infodict["nfev"]

    @pytest.mark.parametrize("p0", [[1, 2], (1.0, 2.0), np.float32([1, 2]), [[1], [2]]], ids=str)
    def test_parameters_are_float64(self, p0):
        types = set()

        def f(t, a, b):
            types.update((type(a), type(b)))
            return line(t, a, b)

        curve_fit(f, T, Y, p0)
        assert types == {np.float64}

    def test_p0_is_not_written_to(self):
        p0 = np.array([0.0, 1.0])
        curve_fit(line, T, Y, p0)
        assert p0.tolist() == [0.0, 1.0]

    def test_scalar(self):
        popt, pcov = curve_fit(lambda t, a: a * t, T, 3 * T + NOISE, 1)
        assert popt == close([T @ (3 * T + NOISE) / (T @ T)])
        assert pcov.shape == (1, 1)

    @pytest.mark.parametrize(
        ("p0", "error", "text"),
        [
            ([1.0, np.nan], ValueError, r"p0\[1\] is nan"),
            ([], ValueError, "p0 is empty"),
            ([1.0, 2j], TypeError, "p0 is list .*complex"),
            ("ab", TypeError, "p0 is str 'ab'"),
        ],
    )
    def test_unusable(self, p0, error, text):
        with pytest.raises(error, match=text):
            curve_fit(line, T, Y, p0)


class TestData:
    @pytest.mark.parametrize("convert", [list, tuple, np.float32, np.asfortranarray])
    def test_float64_is_made_of_xdata(self, convert):
        def f(t, a, b):
            assert isinstance(t, np.ndarray)
            assert t.dtype == np.float64
            return line(t, a, b)

        popt, _ = curve_fit(f, convert(T), convert(Y))
        assert popt == close(solution(T, Y)[0], rel=1e-5)

    @pytest.mark.parametrize("xdata", [None, {"t": T}, "run 7", object()], ids=type)
    @pytest.mark.parametrize("nan_policy", [None, "raise", "omit"])
    def test_anything_else_is_handed_on(self, xdata, nan_policy):
        def f(x, a, b):
            assert x is xdata
            return line(T, a, b)

        popt, _ = curve_fit(f, xdata, Y, nan_policy=nan_policy)
        assert popt == close(solution(T, Y)[0])

    def test_integer_ydata(self):
        counts = np.round(10 * Y).astype(int)
        popt, _ = curve_fit(line, T, counts)
        assert popt == close(solution(T, counts)[0])

    def test_any_shape_of_xdata(self):
        x = np.stack([T, T**2, np.cos(T)])
        popt, _ = curve_fit(lambda x, *p: p @ x, x, [1.0, 2.0, 3.0] @ x + NOISE, [1, 1, 1])
        assert popt == close(np.linalg.lstsq(x.T, [1.0, 2.0, 3.0] @ x + NOISE, rcond=None)[0])

    @pytest.mark.parametrize("form", ["none", "scalar", "vector", "same", "matrix"])
    @pytest.mark.parametrize("jac", [None, line_jacobian])
    def test_image(self, form, jac):
        """Residuals of any shape are flattened, and sigma with them."""
        deviations = np.linspace(1, 2, 9)
        sigma = {
            "none": None,
            "scalar": 2.0,
            "vector": deviations,
            "same": deviations.reshape(3, 3),
            "matrix": np.diag(deviations**2),
        }[form]
        popt, _ = curve_fit(
            lambda t, a, b: line(t, a, b).reshape(3, 3), T, Y.reshape(3, 3), sigma=sigma, jac=jac
        )
        weights = None if form in ("none", "scalar") else np.diag(deviations**-2)
        assert popt == close(solution(T, Y, weights)[0])

    def test_model_that_compares_by_itself(self):
        popt, pcov = curve_fit(
            lambda t, a, b: line(t, a, b) - Y, T, 0, sigma=0.1, jac=line_jacobian
        )
        expected, covariance = solution(T, Y)
        assert popt == close(expected)
        scatter = np.sum((line(T, *expected) - Y) ** 2) / 7
        assert pcov == close(covariance * scatter)

    def test_constant_model(self):
        assert curve_fit(lambda t, a: a, T, Y)[0] == close([Y.mean()])

    def test_float32_model(self):
        """The difference step suits what f returns; float64's would be lost in its rounding."""

        def f(t, a, b):
            return (a * np.exp(-b * t)).astype(np.float32)

        y = 2.5 * np.exp(-1.3 * T) + NOISE
        popt, pcov = curve_fit(f, T, y)
        exact, covariance = curve_fit(lambda t, a, b: a * np.exp(-b * t), T, y)
        errors = np.sqrt(np.diag(covariance))
        assert np.all(np.abs(popt - exact) < 0.1 * errors)
        assert np.sqrt(np.diag(pcov)) == pytest.approx(errors, rel=0.01)

    def test_float32_model_with_a_step_of_ones_own(self):
        steps = set()

        def f(t, a):
            steps.add(float(a) - 1.0)
            return np.float32(a) * t

        curve_fit(f, T, 2 * T, 1.0, epsfcn=1e-4)
        assert 0.01 in {round(step, 12) for step in steps}

    @pytest.mark.parametrize(
        ("xdata", "ydata", "error", "text"),
        [
            (T, [], ValueError, "ydata must not be empty"),
            (T, Y + 1j, TypeError, "ydata is ndarray of dtype complex128"),
            (T + 1j, Y, TypeError, "xdata is ndarray of dtype complex128"),
            (["a"] * 9, Y, TypeError, "xdata is list"),
            ([[1], [1, 2]], Y, TypeError, "xdata is list"),
            (T, None, TypeError, "ydata is NoneType"),
            (T, np.ma.array(Y, mask=T > 3), TypeError, "ydata is a masked array"),
            (T, Y[:-1], ValueError, r"f returned shape \(9,\); want that of ydata, \(8,\)"),
            (T[:1], Y[:1], TypeError, "parameters=2 must not exceed the number of data points=1"),
        ],
    )
    def test_unusable(self, xdata, ydata, error, text):
        with pytest.raises(error, match=text):
            curve_fit(line, xdata, ydata)

    def test_column_for_row(self):
        """(M, 1) less (M,) would be (M, M) residuals."""
        with pytest.raises(ValueError, match=r"f returned shape \(9, 1\)"):
            curve_fit(lambda t, a, b: line(t, a, b)[:, None], T, Y)

    def test_fewer_data_than_parameters(self):
        with pytest.raises(TypeError, match=r"func parameters=3 .* data points=2 of curve_fit; "):
            curve_fit(lambda t, a, b, c: a + b * t + c * t * t, T[:2], Y[:2])

    @pytest.mark.parametrize("value", [None, "text", 1j * T, [[1], [1, 2]]])
    def test_unusable_result(self, value):
        with pytest.raises(TypeError, match="f returned"):
            curve_fit(lambda t, a: value, T, Y)


class TestMissingData:
    BAD = Y.copy()
    BAD[3] = np.nan

    def test_refused(self):
        with pytest.raises(ValueError, match=r"ydata must not contain .*ydata\[3\] is nan.*omit"):
            curve_fit(line, T, self.BAD)
        with pytest.raises(ValueError, match=r"xdata must not contain infs or NaNs: xdata\[0, 3\]"):
            curve_fit(lambda x, a: a * x[0], [self.BAD], T)
        with pytest.raises(ValueError, match=r"contains nan values: ydata\[3\] is nan"):
            curve_fit(line, T, self.BAD, nan_policy="raise")
        with pytest.raises(ValueError, match=r"contains nan values: xdata\[3\] is nan"):
            curve_fit(line, self.BAD, T, nan_policy="raise")

    def test_check_finite_comes_first(self):
        with pytest.raises(ValueError, match="ydata must not contain infs or NaNs"):
            curve_fit(line, T, self.BAD, check_finite=True, nan_policy="omit")

    @pytest.mark.parametrize("options", [{"check_finite": False}, {"nan_policy": "omit"}])
    def test_unchecked_infinity_ends_the_fit(self, options):
        y = np.where(T == T[2], np.inf, Y)
        with pytest.raises(RuntimeError, match=r"not found.* ydata\[2\] is inf"):
            curve_fit(line, T, y, **options)

    @pytest.mark.parametrize("form", ["none", "scalar", "one", "vector", "matrix"])
    @pytest.mark.parametrize("jac", [None, line_jacobian])
    def test_left_out(self, form, jac):
        keep = np.isfinite(self.BAD) & (T > 0)
        x = np.where(T > 0, T, np.nan)
        deviations = np.where(keep, np.linspace(1, 2, 9), np.nan)
        sigma = {
            "none": None,
            "scalar": 2.0,
            "one": [2.0],
            "vector": deviations,
            "matrix": np.diag(deviations**2),
        }[form]
        popt, _ = curve_fit(line, x, self.BAD, sigma=sigma, jac=jac, nan_policy="omit")
        weights = np.diag(deviations[keep] ** -2) if form in ("vector", "matrix") else None
        assert popt == close(solution(T[keep], Y[keep], weights)[0])

    def test_columns_are_dropped(self):
        x = np.stack([T, np.where(T == T[5], np.nan, T**2)])
        sizes = set()

        def f(x, a, b):
            sizes.add(x.shape)
            return a * x[0] + b * x[1]

        curve_fit(f, x, self.BAD, nan_policy="omit")
        assert sizes == {(2, 7)}

    def test_nothing_to_leave_out_of(self):
        with pytest.raises(ValueError, match="leave nothing out of xdata, which is a dict"):
            curve_fit(lambda x, a, b: line(T, a, b), {}, self.BAD, nan_policy="omit")
        with pytest.raises(ValueError, match=r"ydata of shape \(M,\) and xdata of shape"):
            curve_fit(line, T[:-1], self.BAD, nan_policy="omit")

    def test_all_left_out(self):
        with pytest.raises(TypeError, match="number of data points=0"):
            curve_fit(line, T, T * np.nan, nan_policy="omit")

    @pytest.mark.parametrize(
        ("nan_policy", "text"),
        [
            (
                "propagate",
                "`nan_policy='propagate'` is not supported by this function. curve_fit: ",
            ),
            ("ommit", "curve_fit: nan_policy must be one of {None, 'raise', 'omit'}, not str 'omm"),
        ],
    )
    def test_unknown_policy(self, nan_policy, text):
        """The words are SciPy's, which callers look for."""
        with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
            curve_fit(line, T, Y, nan_policy=nan_policy)


class TestResult:
    def test_full_output(self):
        popt, pcov, infodict, mesg, ier = curve_fit(line, T, Y, sigma=0.1, full_output=True)
        x, cov_x, theirs, text, code = leastsq(
            lambda p: (line(T, *p) - Y) / 0.1, [1.0, 1.0], full_output=True
        )
        assert popt == pytest.approx(x, rel=1e-12)
        assert set(infodict) == set(theirs)
        assert infodict["fvec"] == pytest.approx((line(T, *popt) - Y) / 0.1, rel=1e-9)
        assert pcov == close(cov_x * (infodict["fvec"] @ infodict["fvec"]) / 7)
        assert (mesg, ier) == (text, code)

    def test_njev_with_a_jacobian(self):
        assert curve_fit(line, T, Y, jac=line_jacobian, full_output=True)[2]["njev"] > 0

    def test_options_reach_leastsq(self):
        with pytest.raises(RuntimeError, match=r"not found: Number of calls .* maxfev = 1"):
            curve_fit(lambda t, a, b: a * np.exp(b * t), T, Y, maxfev=1)
        with pytest.raises(
            RuntimeError, match=r"not found: Improper input parameters. curve_fit: ftol is -1"
        ):
            curve_fit(line, T, Y, ftol=-1.0)

    def test_exception_of_the_model_passes(self):
        error = ZeroDivisionError("of the model")

        def f(t, a, b):
            if a != 1.0:
                raise error
            return line(t, a, b)

        with pytest.raises(ZeroDivisionError) as raised:
            curve_fit(f, T, Y)
        assert raised.value is error

    def test_no_degree_of_freedom(self):
        with pytest.warns(
            OptimizeWarning,
            match="not be estimated by curve_fit: 2 data for 2 parameters leave no degr",
        ) as caught:
            _, pcov = curve_fit(line, T[:2], Y[:2])
        assert np.all(np.isposinf(pcov))
        assert caught[0].filename == __file__
        assert issubclass(OptimizeWarning, UserWarning)

    def test_no_degree_of_freedom_needed(self):
        _, pcov = curve_fit(line, T[:2], Y[:2], sigma=0.1, absolute_sigma=True)
        assert pcov == close(0.01 * solution(T[:2], Y[:2])[1])

    @pytest.mark.parametrize("absolute_sigma", [False, True])
    def test_parameter_without_effect(self, absolute_sigma):
        with pytest.warns(
            OptimizeWarning, match=r"not be estimated by curve_fit: the model .* parameter 1 \(b\)"
        ):
            popt, pcov = curve_fit(lambda t, a, b: a * t, T, Y, absolute_sigma=absolute_sigma)
        assert popt[0] == close(T @ Y / (T @ T))
        assert pcov.shape == (2, 2)
        assert np.all(np.isposinf(pcov))

    def test_parameters_with_the_same_effect(self):
        with pytest.warns(OptimizeWarning, match=r"parameter 0 \(a\) and parameter 1 \(b\), whose"):
            curve_fit(lambda t, a, b: (a + b) * t, T, Y, jac=lambda t, a, b: np.stack([t, t], 1))


class TestArguments:
    def test_signature_is_scipys(self):
        optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy's signature")
        ours, theirs = map(inspect.signature, (curve_fit, optimize.curve_fit))
        assert list(ours.parameters) == list(theirs.parameters)
        for name, parameter in theirs.parameters.items():
            assert ours.parameters[name].kind == parameter.kind
            assert ours.parameters[name].default == parameter.default

    @pytest.mark.parametrize("method", ["LM", 7, ["lm"]])
    def test_other_methods(self, method):
        with pytest.raises(ValueError, match=r"method is .*want None, 'lm', 'trf' or 'dogbox'"):
            curve_fit(line, T, Y, method=method)

    def test_not_callable(self):
        with pytest.raises(TypeError, match="f is int 3"):
            curve_fit(3, T, Y)

    @pytest.mark.parametrize("jac", ["4-point", 7, True])
    def test_no_such_jacobian(self, jac):
        with pytest.raises(ValueError, match=r"jac is .*want a function.*'2-point'"):
            curve_fit(line, T, Y, jac=jac)

    def test_names_of_leastsq(self):
        with pytest.raises(ValueError, match="'args' is not a supported keyword argument"):
            curve_fit(line, T, Y, args=(1,))
        with pytest.raises(TypeError, match="Dfun is an argument of leastsq"):
            curve_fit(line, T, Y, Dfun=line_jacobian)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"jac": "2-point"}, {}),
            ({"jac": "3-point"}, {"Dfun": "3-point"}),
            ({"jac": "cs"}, {"Dfun": "cs"}),
            ({"ftol": 1e-3, "diag": [1, 2]}, {"ftol": 1e-3, "diag": [1, 2]}),
        ],
    )
    def test_what_leastsq_is_called_with(self, monkeypatch, options, expected):
        assert calls_of_leastsq(monkeypatch, line, T, Y, **options) == expected


def calls_of_leastsq(monkeypatch, *args, **kwargs):
    """Return the options that `curve_fit` hands to `leastsq`."""
    handed = {}

    def stand_in(func, x0, *, full_output, **options):
        handed.update(options)
        return leastsq(func, x0, full_output=full_output)

    monkeypatch.setattr(importlib.import_module("pyminpack._curve_fit"), "leastsq", stand_in)
    curve_fit(*args, **kwargs)
    return handed
