"""What SciPy's `curve_fit` takes for its other solvers, and what ours makes of it."""

import inspect

import numpy as np
import pytest

from pyminpack import OptimizeWarning, curve_fit, leastsq
from pyminpack._input.scipy_options import translate

optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy's curve_fit")

EPS = 2.0**-52
INF = np.inf
T = np.linspace(0.0, 4.0, 20)
Y = 3.0 * np.exp(-0.7 * T) + 0.5 + 0.02 * np.cos(17 * T)
START = [1.0, 1.0, 0.0]

# Of -Dminpack=system, which has no bounds and counts all calls together.
bundled = pytest.mark.bundled
by_method = pytest.mark.parametrize("method", ["trf", "dogbox"])


def decay(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


def decay_jacobian(t, amplitude, rate, offset):
    e = np.exp(-rate * t)
    return np.stack([e, -amplitude * t * e, np.ones_like(t)], axis=1)


class Counted:
    """A model that knows how often it was called."""

    def __init__(self, f=decay):
        self.f = f
        self.calls = 0

    def __call__(self, t, *p):
        self.calls += 1
        return self.f(t, *p)


@by_method
@pytest.mark.parametrize("jac", [None, "2-point", "3-point", "cs", decay_jacobian])
def test_other_methods_are_the_same_fit(method, jac):
    popt, pcov = curve_fit(decay, T, Y, START, method=method, jac=jac)
    reference = curve_fit(decay, T, Y, START, jac=jac)
    np.testing.assert_array_equal(popt, reference[0])
    np.testing.assert_array_equal(pcov, reference[1])
    theirs = optimize.curve_fit(decay, T, Y, START, method=method, jac=jac or "2-point")
    errors = np.sqrt(np.diag(pcov))
    assert np.all(np.abs(popt - theirs[0]) < 1e-3 * errors)
    assert np.all(np.abs(pcov - theirs[1]) < 1e-3 * np.outer(errors, errors))


def test_every_keyword_of_scipy_is_known():
    """Those of its two solvers, but what curve_fit itself gives them."""
    own = {"args", "kwargs", "Dfun", "func", "fun", "x0", "full_output", "jac", "method", "bounds"}
    for solver in (optimize.leastsq, optimize.least_squares):
        for name, parameter in inspect.signature(solver).parameters.items():
            if name not in own:
                default = parameter.default
                curve_fit(decay, T, Y, START, method="trf", **{name: default})


class TestTolerances:
    @pytest.mark.parametrize("name", ["ftol", "xtol", "gtol"])
    @pytest.mark.parametrize("options", [{}, {"method": "trf"}])
    def test_none_goes_as_far_as_the_machine(self, name, options):
        tight = dict.fromkeys(("ftol", "xtol", "gtol"), None)
        tight[name] = 1e-9
        popt, _ = curve_fit(decay, T, Y, START, jac=decay_jacobian, **tight, **options)
        best, _ = curve_fit(decay, T, Y, START, jac=decay_jacobian, ftol=1e-15, xtol=1e-15)
        np.testing.assert_allclose(popt, best, rtol=1e-7)

    def test_all_none(self):
        *_, ier = curve_fit(
            decay, T, Y, START, jac=decay_jacobian, ftol=None, xtol=None, gtol=None,
            full_output=True,
        )  # fmt: skip
        assert ier in (1, 2, 3, 4)

    @pytest.mark.parametrize(
        ("value", "by_leastsq", "by_least_squares"),
        [(1e-3, 1e-3, 1e-3), (1e-20, 1e-20, EPS), (0, 0, EPS), (None, EPS, EPS), (-1, -1, -1)],
    )
    def test_values(self, value, by_leastsq, by_least_squares):
        assert translate({"ftol": value}, 3, None, False)["ftol"] == by_leastsq
        assert translate({"ftol": value}, 3, None, True)["ftol"] == by_least_squares

    def test_no_number(self):
        with pytest.raises(TypeError, match="xtol is str 'small'; want a real number"):
            curve_fit(decay, T, Y, START, method="trf", xtol="small")


class TestLimit:
    """`maxfev` of least_squares leaves out the calls for differences."""

    @bundled
    @pytest.mark.parametrize("options", [{"bounds": (-20, 20)}, {"method": "trf"}])
    @pytest.mark.parametrize("name", ["maxfev", "max_nfev"])
    @pytest.mark.parametrize("jac", [None, "3-point", decay_jacobian])
    def test_differences_are_not_counted(self, name, options, jac):
        """The limit is the least that lets the fit end."""
        trials = curve_fit(
            decay, T, Y, START, jac=decay_jacobian, ftol=1e-3, xtol=1e-3, full_output=True
        )[2]["nfev"]
        f = Counted()
        options = {"jac": jac, "ftol": 1e-3, "xtol": 1e-3, **options}
        curve_fit(f, T, Y, START, **{name: trials}, **options)
        assert f.calls > trials or jac is decay_jacobian
        text = f"reached {name} = {trials - 1}, those for .*counted. Pass curve_fit a larger {name}"
        with pytest.raises(RuntimeError, match=text):
            curve_fit(decay, T, Y, START, **{name: trials - 1}, **options)

    @pytest.mark.parametrize("value", [{}, {"maxfev": None}, {"max_nfev": None}, {"maxfev": 0}])
    def test_default(self, value):
        assert translate(value, 3, None, True) == {"max_nfev": 300}
        assert translate(value, 3, None, False) in ({}, {"maxfev": 0})

    def test_counts_all_without_bounds(self):
        with pytest.raises(
            RuntimeError, match=r"has reached maxfev = 4\. Pass curve_fit a larger maxfev,"
        ):
            curve_fit(decay, T, Y, START, maxfev=4)

    @bundled
    def test_of_leastsq(self):
        f = Counted(lambda t, *p: decay(t, *p) - Y)
        *_, info, mesg, ier = leastsq(lambda p: f(T, *p), START, max_nfev=3, full_output=True)
        assert ier == 5
        assert mesg == (
            "Number of calls to function has reached max_nfev = 3, those for differences not "
            "counted."
        )
        assert info["nfev"] == f.calls > 3


class TestScale:
    @staticmethod
    def handed(**options):
        return translate(options, 3, options.pop("jac", None), False)

    @pytest.mark.parametrize("x_scale", [None, "jac"])
    def test_default(self, x_scale):
        assert self.handed(x_scale=x_scale) == {}

    def test_sizes_are_reciprocal_diag(self):
        assert self.handed(x_scale=[1, 2, 4])["diag"].tolist() == [1, 0.5, 0.25]
        assert self.handed(x_scale=4)["diag"].tolist() == [0.25] * 3
        popt, _ = curve_fit(decay, T, Y, START, x_scale=[2.0, 0.5, 0.25])
        reference, _ = curve_fit(decay, T, Y, START, diag=[0.5, 2.0, 4.0])
        np.testing.assert_array_equal(popt, reference)

    @pytest.mark.parametrize("x_scale", [[1, 2], [1, 0, 1], -1, [1, INF, 1]])
    def test_unusable(self, x_scale):
        with pytest.raises(ValueError, match=r"x_scale is .*; want 'jac', or a positive finite"):
            curve_fit(decay, T, Y, START, x_scale=x_scale)

    def test_no_numbers(self):
        with pytest.raises(TypeError, match="x_scale is str 'jacobian'"):
            curve_fit(decay, T, Y, START, x_scale="jacobian")


class TestDifferenceStep:
    @pytest.mark.parametrize("jac", [None, "2-point", "3-point"])
    @pytest.mark.parametrize("step", [1e-3, -1e-3, [1e-3] * 3])
    def test_relative_to_the_parameters(self, jac, step):
        points = []

        def f(t, *p):
            points.append(p)
            return decay(t, *p)

        curve_fit(f, T, Y, [1.5, 2.5, 4.0], jac=jac, diff_step=step)
        steps = np.abs(np.array(points[1:]) / points[0] - 1)
        first = steps[0][steps[0] > 0]
        np.testing.assert_allclose(first, [1e-3], rtol=1e-9)

    def test_one_for_each(self):
        with pytest.raises(TypeError, match=r"^curve_fit: diff_step is list \[0.001, "):
            curve_fit(decay, T, Y, START, diff_step=[1e-3, 1e-4, 1e-3])


class TestRefused:
    @pytest.mark.parametrize("loss", ["soft_l1", "huber", np.arctan, None])
    def test_loss(self, loss):
        text = r"^curve_fit: loss is .*; want 'linear', .* scipy\.optimize"
        with pytest.raises(TypeError, match=text):
            curve_fit(decay, T, Y, START, loss=loss)

    @pytest.mark.parametrize("workers", [2, map])
    def test_workers(self, workers):
        with pytest.raises(TypeError, match=r"^curve_fit: workers is .*; want None"):
            curve_fit(decay, T, Y, START, method="trf", workers=workers)

    def test_unknown(self):
        with pytest.raises(TypeError, match=r"^curve_fit\(\) .* argument 'max_iter'; its options"):
            curve_fit(decay, T, Y, START, max_iter=7)

    @pytest.mark.parametrize(
        ("one", "other"), [("max_nfev", "maxfev"), ("x_scale", "diag"), ("diff_step", "epsfcn")]
    )
    def test_twice(self, one, other):
        with pytest.raises(
            TypeError, match=rf"^curve_fit: {one} and {other} say the same; want one"
        ):
            curve_fit(decay, T, Y, START, **{one: 1, other: 1})

    def test_the_solvers_own_ways_have_no_effect(self):
        popt, _ = curve_fit(
            decay, T, Y, START, loss="linear", f_scale=0.1, tr_solver="lsmr", workers=1,
            tr_options={"regularize": False}, jac_sparsity=np.ones((20, 3)),
        )  # fmt: skip
        np.testing.assert_array_equal(popt, curve_fit(decay, T, Y, START)[0])

    @bundled
    def test_lm_with_bounds(self):
        with pytest.raises(ValueError, match="method='lm' is for fits without bounds"):
            curve_fit(decay, T, Y, START, bounds=(0, 9), method="lm")


class TestFewData:
    """Fewer data than parameters, which the other methods fit."""

    FEW = T[[0, 9]], Y[[0, 9]]

    @by_method
    @pytest.mark.parametrize("jac", [None, "3-point", "cs", decay_jacobian])
    @pytest.mark.parametrize("sigma", [None, 0.1, [0.1, 0.2], [[0.1, 0.01], [0.01, 0.2]]])
    def test_goes_through_the_data(self, method, jac, sigma):
        text = "^Covariance .* could not be estimated by curve_fit: 2 data do not determine 3 p"
        with pytest.warns(OptimizeWarning, match=text):
            popt, pcov, info, _, ier = curve_fit(
                decay, *self.FEW, START, sigma, method=method, jac=jac, full_output=True
            )
        np.testing.assert_allclose(decay(self.FEW[0], *popt), self.FEW[1], atol=1e-6)
        assert np.all(np.isposinf(pcov))
        assert ier in (1, 2, 3, 4)
        assert info["fvec"].shape == (2,)
        assert info["fjac"].shape == (3, 2)
        assert info["fjac"].flags.c_contiguous

    @by_method
    @pytest.mark.parametrize("sigma", [None, 0.1, [0.1, 0.2], [[0.1, 0.01], [0.01, 0.2]]])
    def test_known_uncertainties(self, method, sigma):
        """SciPy's pseudoinverse, and a word: what the data do not tell is not certain."""
        t, y = self.FEW
        line = lambda t, a, b, c: a + b * t + c * t**2  # noqa: E731
        options = {"p0": START, "sigma": sigma, "absolute_sigma": True, "method": method}
        with pytest.warns(OptimizeWarning, match="2 data do not determine 3 .* pseudoinverse"):
            _, pcov = curve_fit(line, t, y, **options)
        np.testing.assert_allclose(pcov, optimize.curve_fit(line, t, y, **options)[1], rtol=1e-6)
        columns = np.stack([np.ones(2), t, t**2], axis=1)
        data = np.eye(2) if sigma is None else np.array(sigma)
        if data.ndim < 2:
            data = np.diag(np.ones(2) * data**2)
        inverse = np.linalg.pinv(columns)
        if sigma is None or np.ndim(sigma) == 0:  # else it minimises another norm
            np.testing.assert_allclose(pcov, inverse @ data @ inverse.T, rtol=1e-6)

    @bundled
    def test_known_uncertainties_within_bounds(self):
        """One parameter at its bound, the others not told apart."""
        line = lambda t, a, b, c: (a + b) * t + c  # noqa: E731
        with pytest.warns(OptimizeWarning, match="1 data do not determine 3 parameters"):
            _, pcov = curve_fit(
                line, [2.0], [1.0], [1, 1, 0.5], bounds=([-9, -9, 0], 9), absolute_sigma=True
            )
        assert np.isfinite(pcov).all()
        np.testing.assert_allclose(pcov, np.outer([2, 2, 1], [2, 2, 1]) / 81, rtol=1e-6)

    @bundled
    def test_a_callback_that_stops(self):
        def stop(_):
            raise StopIteration

        with pytest.warns(OptimizeWarning, match="callback has stopped"):
            _, pcov = curve_fit(
                decay, *self.FEW, START, absolute_sigma=True, method="trf", callback=stop
            )
        assert np.all(np.isposinf(pcov))

    @bundled
    def test_with_bounds(self):
        with pytest.warns(OptimizeWarning, match="2 data do not determine 3 parameters"):
            popt, _ = curve_fit(decay, *self.FEW, START, bounds=([0, 0, 0], [9, 9, 0.9]))
        np.testing.assert_allclose(decay(self.FEW[0], *popt), self.FEW[1], atol=1e-6)

    @bundled
    @by_method
    def test_a_fixed_parameter_does_not_count(self, method):
        bounds = ([0, 0.7, 0.5], [9, 0.7, 0.5])
        popt, pcov = curve_fit(decay, *self.FEW, [1, 0.7, 0.5], bounds=bounds, method=method)
        held = curve_fit(lambda t, a: decay(t, a, 0.7, 0.5), *self.FEW, [1])
        np.testing.assert_allclose(popt, [*held[0], 0.7, 0.5], rtol=1e-7)
        np.testing.assert_allclose(pcov[0, 0], held[1][0, 0], rtol=1e-6)
        assert not pcov[1:].any()

    def test_a_model_that_compares_itself(self):
        """ydata of 0 stands for any number of data."""
        t, y = self.FEW
        with pytest.warns(OptimizeWarning, match="2 data do not determine 3 parameters"):
            popt, _ = curve_fit(lambda t, *p: decay(t, *p) - y, t, 0, START, method="trf")
        np.testing.assert_allclose(decay(t, *popt), y, atol=1e-6)

    def test_not_a_fit_of_lm(self):
        text = "func parameters=3 must not exceed the number of data points=2 of curve_fit; with"
        with pytest.raises(TypeError, match=text):
            curve_fit(decay, *self.FEW, START)
        with pytest.raises(
            TypeError, match="=3 must not exceed the number of data points=1 of curve_fit; with"
        ):
            curve_fit(decay, [1.0], [2.0], START)


@bundled
class TestNumberOfParameters:
    def test_from_vector_bounds(self):
        popt, _ = curve_fit(lambda t, *p: decay(t, *p), T, Y, bounds=(0, [9, 9, None]))
        np.testing.assert_allclose(popt, curve_fit(decay, T, Y, START)[0], rtol=1e-5)
        assert curve_fit(lambda t, *p: p[0] + p[1] * t, T, Y, bounds=([-9, -9], None))[0].size == 2

    @pytest.mark.parametrize("bounds", [(0, 9), None, (None, None), (-INF, INF)])
    def test_scalar_bounds_do_not_tell(self, bounds):
        with pytest.raises(ValueError, match="Unable to determine number of fit parameters"):
            curve_fit(lambda t, *p: decay(t, *p), T, Y, bounds=bounds)
