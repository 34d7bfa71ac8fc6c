"""Named causes: what is wrong with a fit that has converged, and silence where nothing is."""

import warnings

import numpy as np
import pytest

from pyminpack import OptimizeWarning, check_jacobian, curve_fit, leastsq
from pyminpack._fit.diagnosis import Fit, causes
from pyminpack._jacobian.accuracy import Accuracy
from pyminpack._messages import UNKNOWN, no_degrees_of_freedom
from pyminpack._nist.datasets import datasets

EPS = 2.0**-52
T = np.linspace(0.2, 4.0, 9)
Y = 3 * np.exp(-0.5 * T) + 0.05 * np.cos(20 * T)
NAMES = list(datasets())


def texts_of(model, *data_and_start, **options):
    """Fit, and return what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        curve_fit(model, *data_and_start, **options)
    assert all(issubclass(warning.category, OptimizeWarning) for warning in caught)
    return [str(warning.message) for warning in caught]


def the_text(model, *data_and_start, **options):
    (text,) = texts_of(model, *data_and_start, **options)
    assert text.endswith(".")
    return text


def exponential(t, a, k):
    return a * np.exp(-k * t)


def hand_made(x, fjac, model=lambda b: b, **others):
    """A fit that has not taken place."""
    n = len(x)
    return Fit(
        model, np.array(x) + 0.1, np.array(x), np.array(fjac), np.arange(1, n + 1, dtype=np.int32),
        np.zeros(n), np.ones(np.shape(fjac)[1]), 1.0, **others,
    )  # fmt: skip


class TestSilence:
    def test_plain_fit(self):
        assert texts_of(exponential, T, Y, [1.0, 1.0]) == []

    @pytest.mark.parametrize("jacobian", ["2-point", "3-point", "cs", "analytic"])
    @pytest.mark.parametrize("start", [1, 2])
    @pytest.mark.parametrize("name", NAMES)
    def test_nist(self, name, start, jacobian):
        """No false alarm; and a word about the two runs that end in the wrong place."""
        dataset = datasets()[name]
        by = {"jac": jacobian}
        if jacobian == "analytic":
            by = {"jac": lambda x, *b: dataset.jacobian(np.array(b)), "col_deriv": True}
        model = lambda x, *b: dataset.fitted(np.array(b), x)  # noqa: E731
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            popt, _ = curve_fit(
                model, dataset.x, dataset.y, dataset.starts[start - 1], maxfev=10_000, **by
            )
        if np.allclose(popt, dataset.parameters, rtol=1e-2):
            assert not caught
        else:
            assert (name, start) in {("BoxBOD", 1), ("MGH17", 1)}
            assert len(caught) == 1

    def test_start_at_the_solution(self):
        solution, _ = curve_fit(exponential, T, Y, xtol=1e-15, ftol=1e-15)
        assert texts_of(exponential, T, Y, solution) == []

    @pytest.mark.parametrize("digits", [1, 2])
    def test_start_at_the_solution_of_exact_data(self, digits):
        """Nothing is left but rounding errors, which no step can make smaller."""
        rng = np.random.default_rng(5)
        for _ in range(20):
            p = np.round(rng.uniform(0.5, 3, 2), digits)
            y = exponential(T, *p) * (1 + EPS * rng.integers(-1, 2, T.size))
            assert texts_of(exponential, T, y, p) == []

    @pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e6, 1e30])
    def test_units_do_not_matter(self, unit):
        assert texts_of(lambda t, a, k: a * np.exp(-k / unit * t), T, Y, [1.0, unit]) == []


class TestNoInfluence:
    """The commonest complaint about curve fitting: a fit that stops at p0."""

    def test_ignored_parameter(self):
        text = the_text(lambda t, a, k, unused: exponential(t, a, k), T, Y, [1.0, 1.0, 7.0])
        assert text.startswith(UNKNOWN)
        assert "the model does not depend on parameter 2 (unused) = 7: the data cannot" in text

    def test_ignored_by_an_integer_cast(self):
        """Rounded to a whole number in the model: no small step shows."""
        text = the_text(lambda t, a, n: a * np.exp(-np.rint(n) * t / 4), T, Y, [1.0, 5.0])
        assert "parameter 1 (n) = 5 next to where the fit ended, though it does further" in text

    def test_led_too_far(self):
        boxbod = datasets()["BoxBOD"]
        model = lambda x, *b: boxbod.fitted(np.array(b), x)  # noqa: E731
        text = the_text(model, boxbod.x, boxbod.y, [1.0, 1.0])
        assert "parameter 1 = 110.949 where the fit ended, though it does at its start 1" in text
        assert "smaller factor" in text
        popt, _ = curve_fit(model, boxbod.x, boxbod.y, [1.0, 1.0], factor=1)
        assert popt == pytest.approx(boxbod.parameters, rel=1e-3)

    @pytest.mark.parametrize("sigma", [2.0**-600, 2.0**600])
    @pytest.mark.parametrize("start", [[1.0, 1.0], [1.0, 200.0]])
    def test_uncertainties_of_any_size(self, start, sigma):
        """Squares of what changes would over- and underflow."""
        boxbod = datasets()["BoxBOD"]
        model = lambda x, *b: boxbod.fitted(np.array(b), x)  # noqa: E731
        text = the_text(model, boxbod.x, boxbod.y, start)
        assert the_text(model, boxbod.x, boxbod.y, start, sigma=sigma) == text

    def test_other_parameters_have_led_too_far(self):
        """The amplitude's end hides the width, which has not moved and is not to blame."""
        x = np.linspace(0, 10, 30)
        fit = hand_made(
            [0.0, 2.0], [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], names=("a", "w"),
            model=lambda b: b[0] * np.exp(-((x / b[1]) ** 2)),
        )  # fmt: skip
        fit.x0[:] = 1.0, 2.0
        (text,) = causes(fit)
        assert "parameter 1 (w) = 2 where the fit ended, though it does where it started" in text

    def test_zero_column_of_a_wrong_jac(self):
        def jac(t, a, k):
            return np.stack([np.exp(-k * t), 0 * t], axis=1)

        text = the_text(exponential, T, Y, [1.0, 1.0], jac=jac)
        assert "derivatives by parameter 1 (k) that jac returns are as good as zero" in text
        assert "check_jacobian" in text

    def test_a_model_that_returns_other_things_off_its_path(self):
        """What is asked to find the cause must not spoil a fit that has ended well."""
        for odd in ("text", None, 1j, object(), np.zeros(3)):

            def model(t, a, b, odd=odd):
                return a * t if b == 1.0 or 0 < b - 1.0 < 1e-7 else odd

            assert "parameter 1 (b)" in the_text(model, T, Y, [1.0, 1.0])


class TestWithoutDerivative:
    @pytest.mark.parametrize("start", [20.0, 33.4, 61.0])
    def test_place_of_a_jump(self, start):
        x = np.arange(100.0)
        y = np.where(x < 40, -9.5, 0.5) + 0.3 * np.sin(7 * x)
        text = the_text(lambda x, p, a, b: np.where(x < p, a, b), x, y, [start, 0.0, 1.0])
        assert text.startswith(UNKNOWN)
        assert "parameter 0 (p)" in text

    def test_rounded_model(self):
        rounded = lambda t, a, k: np.round(exponential(t, a, k), 3)  # noqa: E731
        text = the_text(rounded, T, Y, [2.0, 0.7])
        assert "parameter 0 (a) and parameter 1 (k) in steps, as if it were rounded" in text
        assert texts_of(exponential, T, Y, [2.0, 0.7]) == []  # the remedy, followed


class TestStuck:
    def test_mgh17(self):
        """Known of MGH17: steps of 1e9 are cut tenfold until they are below xtol. It goes on."""
        mgh17 = datasets()["MGH17"]
        popt, pcov = curve_fit(
            lambda x, *b: mgh17.fitted(np.array(b), x), mgh17.x, mgh17.y, mgh17.starts[0],
            jac=lambda x, *b: mgh17.jacobian(np.array(b)), col_deriv=True,
        )  # fmt: skip
        np.testing.assert_allclose(popt, mgh17.parameters, rtol=1e-5)
        np.testing.assert_allclose(np.sqrt(np.diag(pcov)), mgh17.standard_errors, rtol=1e-4)

    @pytest.mark.parametrize("signs", [(-1, -1), (1, -1)])
    def test_wrong_derivatives(self, signs):
        def jac(t, a, k):
            e = np.exp(-k * t)
            return np.stack([signs[0] * e, -signs[1] * a * t * e], axis=1)

        text = the_text(exponential, T, Y, [1.0, 1.0], jac=jac)
        assert "not moved from its start, which is no minimum" in text
        assert "check_jacobian tells which" in text
        check = check_jacobian(lambda p: exponential(T, *p) - Y, lambda p: jac(T, *p), [1.0, 1.0])
        told = {parameter for _, parameter in check.wrong}
        assert told == {j for j in (0, 1) if signs[j] < 0}

    def test_steps_that_are_too_long(self):
        """A wall, which the first step is to lead over: it is cut until xtol ends the fit."""
        fit = hand_made([1.0], [[1.0, 0.0]])
        fit.x0[:] = fit.x
        fit.qtf[:] = 1.0
        (text,) = causes(fit)
        assert "Try another start, or a smaller factor or xtol." in text


class TestUnfinished:
    """The start decides: the remedy is another."""

    X = np.linspace(300, 590, 30)
    GROWTH = staticmethod(lambda x, a, b: a * np.exp(b * x))

    @pytest.mark.parametrize("jac", [None, "3-point", "cs"])
    def test_far_from_the_data(self, jac):
        """exp(590): the residuals end at 1e242, beside data of 0.1."""
        y = self.GROWTH(self.X, 2, -0.01) + 1e-3 * np.cos(self.X)
        text = the_text(self.GROWTH, self.X, y, jac=jac)
        assert "far from the data" in text
        assert "Try a better start" in text
        popt, pcov = curve_fit(self.GROWTH, self.X, y, [1.0, -0.02], jac=jac)
        assert np.all(np.abs(popt - [2, -0.01]) < 3 * np.sqrt(np.diag(pcov)))

    def test_curved_valley(self):
        """a sin + b cos of seconds since 1970: a and b turn 1e5 times with w. Never in silence."""
        seconds, w = np.arange(0, 259200, 1800.0), 2 * np.pi / 86400

        def day(x, a, b, w, c):
            return a * np.sin(w * x) + b * np.cos(w * x) + c

        noise = np.random.default_rng(4).normal(size=seconds.size)
        x = 1.65e9 + seconds
        y = 3 * np.sin(w * x + 0.3) + 10 + 0.3 * noise
        try:
            said = texts_of(day, x, y, [2.9, 0.9, w * (1 + 1e-7), 10])
        except RuntimeError as error:  # maxfev
            said = [str(error)]
        assert said
        assert texts_of(day, seconds, y, [2.9, 0.9, w * (1 + 1e-7), 10]) == []

    def test_its_text_names_whose_derivatives(self):
        accuracy = Accuracy([], [], [], False, [], unfinished=True)
        unit = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        for jac, told in ((None, False), ("cs", False), (np.exp, True)):
            fit = hand_made([1.0, 2.0], unit, accuracy=accuracy, jac=jac)
            (text,) = causes(fit)
            assert ("check_jacobian" in text) == told


class TestDependent:
    @pytest.mark.parametrize("jac", [None, "2-point", "3-point", "cs", "adaptive", "own"])
    def test_parameters_are_named(self, jac):
        def own(t, a, k, c):
            e = np.exp(-k * t)
            return np.stack([e, -(a + c) * t * e, e], axis=1)

        text = the_text(
            lambda t, a, k, c: (a + c) * np.exp(-k * t), T, Y, [1.0, 1.0, 1.0],
            jac=own if jac == "own" else jac,
        )  # fmt: skip
        assert text.startswith(
            f"{UNKNOWN} by curve_fit: the data do not tell apart parameter 0 (a) and parameter 2 "
            "(c), whose derivatives are linearly dependent."
        )

    def test_remedies_where_rounding_errors_hide_the_difference(self):
        """w x + p, x a Julian day, from a model that computes in double precision only."""
        x = 2454294 + np.arange(60) / 24
        y = 2 + 0.05 * np.sin(200 * (x - x[0]) + 0.4) + 0.01 * np.cos(29 * np.arange(60))
        p0 = [2, 0.05, 200, (0.4 - 200 * x[0]) % (2 * np.pi)]

        def model(x, c, a, w, p):
            phase = w * x + p
            return c + a * np.sin(phase.astype(complex if np.iscomplexobj(phase) else float))

        text = the_text(model, x, y, p0)
        assert text.startswith(UNKNOWN)
        assert "parameter 2 (w) and parameter 3 (p)" in text
        assert "Pass jac='cs' or derivatives, or count xdata from a point within the" in text
        assert texts_of(model, x, y, p0, jac="cs") == []
        popt, pcov = curve_fit(model, x, y, p0, jac="cs")
        near, nearby = curve_fit(model, x - x[0], y, [2, 0.05, 200, 0.4])  # silent as well
        errors = np.sqrt(np.diag(nearby))
        assert np.all(np.abs(popt - near)[:3] < 0.01 * errors[:3])
        np.testing.assert_allclose(np.sqrt(np.diag(pcov))[:3], errors[:3], rtol=1e-3)

    @pytest.mark.bundled  # the original knows no bounds
    def test_remedy_of_equal_bounds(self):
        popt, pcov = curve_fit(
            lambda t, a, k, c: (a + c) * np.exp(-k * t), T, Y, [1.0, 1.0, 1.0],
            bounds=([-9, -9, 1], [9, 9, 1]),
        )  # fmt: skip
        expected, covariance = curve_fit(exponential, T, Y, [1.0, 1.0])
        assert popt == pytest.approx([expected[0] - 1, expected[1], 1], rel=1e-6)
        np.testing.assert_allclose(pcov[:2, :2], covariance, rtol=1e-5)

    def test_three_parameters(self):
        text = the_text(lambda t, a, b, c: a * b / c * np.exp(-t), T, Y, [1.0, 2.0, 1.5])
        assert "parameter 0 (a), parameter 1 (b) and parameter 2 (c), whose" in text

    def test_correlated_to_the_last_digit(self):
        """Seconds since 1970, a few of them: pcov is right, and no product with it is."""
        x = 1.66e9 + np.arange(12.0)
        y = 0.5 * np.arange(12.0) + np.cos(5 * np.arange(12.0))
        text = the_text(lambda x, a, b: a + b * x, x, y, [-8e8, 0.45])
        assert "arameter 0 (a) and parameter 1 (b) are so closely correlated" in text
        assert texts_of(lambda x, a, b: a + b * x, x - x.mean(), y, [0.0, 0.45]) == []


class TestBounds:
    @pytest.mark.parametrize(("side", "bound"), [("lower", 0.5), ("upper", 2.0)])
    def test_bound(self, side, bound):
        """Its error of NaN tells enough; where another error is bad, the bound is named too."""
        limits = np.array([[-9.0, 0.5], [9.0, 2.0]])
        fit = hand_made([1.0, bound], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], limits=limits)
        assert causes(fit) == []
        fit.fjac[0, 0] = 0.0
        _, text = causes(fit)
        assert text.startswith(f"Parameter 1 is at its {side} bound {bound:g}: ")

    def test_probes_stay_within_bounds(self):
        points = []

        def model(b):
            points.append(b.copy())
            return b[0] * T

        lower, upper = np.array([-9.0, 0.4999]), np.array([9.0, 0.5001])
        fjac = np.zeros((2, T.size))
        fjac[0, 0] = 1.0
        fit = hand_made([1.0, 0.5], fjac, model, limits=np.stack([lower, upper]))
        fit.x0[:] = fit.x
        (text,) = causes(fit)
        assert "does not depend on parameter 1" in text
        assert all(np.all((p >= lower) & (p <= upper)) for p in points)


class TestTexts:
    def test_rough(self):
        """The remedy hangs on whose the derivatives are."""
        rough = Accuracy([], [], [], True, [])
        unit = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        (text,) = causes(hand_made([1.0, 2.0], unit, accuracy=rough))
        assert "Pass jac='cs'" in text
        (text,) = causes(hand_made([1.0, 2.0], unit, accuracy=rough, jac="cs"))
        assert "jac='cs'" not in text

    def test_no_degrees_of_freedom(self):
        assert no_degrees_of_freedom(3, 3) == (
            "Covariance of the parameters could not be estimated: 3 data for 3 parameters leave no "
            "degrees of freedom, and so nothing to tell the variance of the data from; with a "
            "known sigma, absolute_sigma=True needs none."
        )


class TestProbes:
    """The model's answers to calls that only the diagnosis makes."""

    @pytest.mark.parametrize(
        "answer",
        [
            "text",
            1j,
            np.full(5, 1 + 1j),
            np.array([object()] * 5),
            [[1.0], [1.0, 2.0]],
            None,
            np.ones(3),
            np.ones((3, 5)),
        ],
        ids=["text", "number", "complex", "objects", "ragged", "nothing", "few", "many"],
    )
    def test_what_cannot_be_told_is_silent(self, answer):
        """A fit that has ended well neither raises nor warns of anything else."""
        t, calls = np.arange(5.0), []

        def model(t, a, b):
            calls.append(1)
            return answer if len(calls) > ends else a * t

        ends = 10**6
        with pytest.warns(OptimizeWarning, match="does not depend on parameter 1"):
            popt, _, info, *_ = curve_fit(model, t, 3 * t, [1.0, 1.0], full_output=True)
        ends = info["nfev"]
        assert len(calls) > ends
        calls.clear()
        with pytest.warns(OptimizeWarning) as caught:
            again, _ = curve_fit(model, t, 3 * t, [1.0, 1.0])
        assert all(issubclass(warning.category, OptimizeWarning) for warning in caught)
        np.testing.assert_array_equal(again, popt)


def test_too_few_data_names_both_numbers():
    with pytest.raises(TypeError, match=r"vector length N=3 .* vector length M=2: "):
        leastsq(lambda b: b[:2], [1.0, 2.0, 3.0])


def test_warning_is_a_user_warning():
    assert issubclass(OptimizeWarning, UserWarning)
