"""Named causes: what is wrong with a fit that has converged, and silence where nothing is."""

import numpy as np
import pytest

from pyminpack import curve_fit, leastsq
from pyminpack._diagnosis import Fit, causes, no_degrees_of_freedom, suspicious
from pyminpack._errors import OptimizeWarning
from pyminpack._nist.datasets import datasets

EPS = 2.0**-52
T = np.linspace(0.2, 4.0, 9)
Y = 3 * np.exp(-0.5 * T) + 0.05 * np.cos(20 * T)
NAMES = list(datasets())


def diagnose(model, x0, y=Y, *, names=(), lower=None, upper=None, **options):
    """Fit as `curve_fit` does, and return the fit, whether it is suspicious, and the causes."""
    x0 = np.array(x0, dtype=float)
    x, cov_x, info, _, ier = leastsq(
        lambda b: model(b).astype(float) - y, x0, full_output=True, **options
    )
    assert ier in (1, 2, 3, 4)
    epsfcn = None if "Dfun" in options else options.get("epsfcn", EPS)
    scale = float(np.linalg.norm(y))
    doubt = suspicious(x0, x, info["fjac"], info["ipvt"], scale, epsfcn)
    fit = Fit(
        model, x0, x, info["fjac"], info["ipvt"], scale, epsfcn, cov_x is not None, names,
        lower, upper, info["qtf"], info["fvec"],
    )  # fmt: skip
    return fit, doubt, causes(fit)


def the_cause(*arguments, **options):
    _, doubt, texts = diagnose(*arguments, **options)
    assert doubt
    (text,) = texts
    assert text[0].isupper()
    assert text.endswith(".")
    return text


def exponential(b):
    return b[0] * np.exp(-b[1] * T)


class TestSilence:
    def test_plain_fit(self):
        fit, doubt, texts = diagnose(exponential, [1.0, 1.0])
        assert not doubt
        assert texts == []
        assert fit.covariance

    @pytest.mark.parametrize("jacobian", ["2-point", "3-point", "cs", "analytic"])
    @pytest.mark.parametrize("tolerance", [1.49012e-8, 1e-15])
    @pytest.mark.parametrize("start", [1, 2])
    @pytest.mark.parametrize("name", NAMES)
    def test_nist(self, name, start, tolerance, jacobian):
        """No false alarm; and a word about the two runs that end in the wrong place."""
        dataset = datasets()[name]
        by = {"Dfun": jacobian}
        if jacobian == "analytic":
            by = {"Dfun": dataset.jacobian, "col_deriv": True}
        x0 = dataset.starts[start - 1]
        x, cov_x, info, _, _ = leastsq(
            dataset.residuals, x0, full_output=True, ftol=tolerance, xtol=tolerance, maxfev=10_000,
            **by,
        )  # fmt: skip
        scale = float(np.linalg.norm(dataset.y))
        epsfcn = EPS if jacobian == "2-point" else None
        fit = Fit(
            lambda b: dataset.fitted(b, dataset.x), x0, x, info["fjac"], info["ipvt"], scale,
            epsfcn, cov_x is not None, qtf=info["qtf"], fvec=info["fvec"],
        )  # fmt: skip
        texts = causes(fit)
        if np.allclose(x, dataset.parameters, rtol=1e-2):
            assert texts == []
        else:
            assert (name, start) in {("BoxBOD", 1), ("MGH17", 1)}
            assert suspicious(x0, x, info["fjac"], info["ipvt"], scale, epsfcn)
            assert len(texts) == 1

    def test_start_at_the_solution(self):
        """Not moving is suspicious, but no more than that."""
        solution, _ = leastsq(lambda b: exponential(b) - Y, [1.0, 1.0], xtol=1e-15, ftol=1e-15)
        _, _, texts = diagnose(exponential, solution)
        assert texts == []

    @pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e6, 1e30])
    def test_units_do_not_matter(self, unit):
        fit, doubt, texts = diagnose(lambda b: b[0] * np.exp(-b[1] / unit * T), [1.0, unit])
        assert (doubt, texts) == (False, [])
        assert fit.x[1] == pytest.approx(0.5 * unit, rel=0.1)


class TestNoInfluence:
    """The commonest complaint about curve fitting: a fit that stops at p0."""

    def test_ignored_parameter(self):
        text = the_cause(lambda b: b[0] * np.exp(-b[1] * T) + 0 * b[2], [1.0, 1.0, 7.0])
        assert text.startswith("The model does not depend on parameter 2 = 7: the data cannot")

    def test_its_name(self):
        text = the_cause(
            lambda b: b[0] * np.exp(-b[1] * T), [1.0, 1.0, 0.0], names=("a", "rate", "unused")
        )
        assert "parameter 2 (unused) = 0" in text

    def test_ignored_by_an_integer_cast(self):
        """Rounded to a whole number in the model: no small step shows."""
        text = the_cause(lambda b: b[0] * np.exp(-np.rint(b[1]) * T / 4), [1.0, 5.0])
        assert "parameter 1 = 5 next to where the fit ended, though it does further away" in text

    def test_led_too_far(self):
        boxbod = datasets()["BoxBOD"]
        text = the_cause(lambda b: boxbod.fitted(b, boxbod.x), [1.0, 1.0], boxbod.y)
        assert "parameter 1 = 110.949 where the fit ended, though it does at its start 1" in text
        assert "factor" in text

    def test_zero_column_of_a_wrong_dfun(self):
        def jacobian(b):
            e = np.exp(-b[1] * T)
            return np.stack([e, 0 * T])

        text = the_cause(exponential, [1.0, 1.0], Dfun=jacobian, col_deriv=True)
        assert text == (
            "Column 1 of Dfun's Jacobian is as good as zero, but the model depends on parameter 1: "
            "see check_jacobian."
        )

    def test_calls_are_few(self):
        calls = []

        def model(b):
            calls.append(b)
            return b[0] * np.exp(-b[1] * T)

        fit, _, _ = diagnose(model, [1.0, 1.0, 7.0])
        before = len(calls)
        causes(fit)
        assert len(calls) - before <= 5


class TestVanishingStep:
    @pytest.mark.parametrize("tiny", [1e-9, -1e-12, 1e-20, 1e-300])
    def test_starts_near_zero(self, tiny):
        """1 + 1e-12 (1 + 1.5e-8) is 1 + 1e-12: column 1 of the Jacobian is zero."""
        x0 = np.array([1.0, tiny])
        fjac = np.zeros((2, T.size))
        fjac[0, 0] = np.linalg.norm(T)
        ipvt = np.array([1, 2], dtype=np.int32)
        fit = Fit(lambda b: b[0] * T + b[1], x0, x0, fjac, ipvt, 10.0, names=("a", "b"))
        assert suspicious(x0, x0, fjac, ipvt, 10.0)
        (text,) = causes(fit)
        assert f"difference step of parameter 1 (b) = {tiny:g}" in text
        assert "because the parameter is so near to 0" in text
        assert "3-point" in text

    @pytest.mark.parametrize("slope", [0.0, 1e-11])
    def test_ends_near_zero(self, slope):
        """SciPy issue 21995: the parameter is 0, and its standard error is anything."""
        y = 1 + slope * T
        fit, doubt, texts = diagnose(lambda b: b[0] + b[1] * T, [2.0, 0.3], y)
        found = np.linalg.norm(fit.r()[:, fit.ipvt == 2])
        wrong = abs(found / np.linalg.norm(T) - 1) > 0.05
        assert bool(texts) == wrong
        assert doubt or not texts

    def test_below_the_resolution_of_the_model(self):
        """Rounded to six digits: steps of 1.5e-8 show nowhere."""
        _, doubt, texts = diagnose(lambda b: np.round(exponential(b), 6), [1.0, 1.0])
        assert doubt
        assert len(texts) == 2
        assert all("below the resolution of the model, in which larger" in text for text in texts)

    def test_advice_is_good(self):
        rounded = lambda b: np.round(exponential(b), 6)  # noqa: E731
        fit, doubt, texts = diagnose(rounded, [1.0, 1.0], epsfcn=1e-6)
        assert (doubt, texts) == (False, [])
        assert fit.x == pytest.approx([3.0, 0.5], rel=0.1)


class TestStuck:
    def test_mgh17(self):
        """Known of MGH17: steps of 1e9 are cut tenfold until they are below xtol."""
        mgh17 = datasets()["MGH17"]
        text = the_cause(
            lambda b: mgh17.fitted(b, mgh17.x), mgh17.starts[0], mgh17.y,
            Dfun=mgh17.jacobian, col_deriv=True,
        )  # fmt: skip
        assert "not moved from its start, which is no minimum" in text
        assert "xtol" in text


class TestSinglePrecision:
    @staticmethod
    def model(b):
        t, b = T.astype(np.float32), b.astype(np.float32)
        return b[0] * np.exp(-b[1] * t)

    def test_has_not_moved(self):
        _, doubt, texts = diagnose(self.model, [2.0, 0.7], epsfcn=EPS)
        assert doubt
        assert any("single precision" in text for text in texts)
        assert all("Pass epsfcn=1.2e-07" in text for text in texts)

    def test_with_the_advice_taken(self):
        fit, _, texts = diagnose(self.model, [2.0, 0.7], epsfcn=1.2e-7)
        assert texts == []
        assert fit.x == pytest.approx([3.0, 0.5], rel=0.1)

    def test_whole_numbers_are_no_single_precision(self):
        fit, _, texts = diagnose(lambda b: b[0] + 0 * T, [2.0], np.full(T.size, 2.0))
        assert fit.x.tolist() == [2.0]
        assert texts == []


class TestCovariance:
    def test_dependent_parameters_are_named(self):
        fit, _, texts = diagnose(
            lambda b: (b[0] + b[2]) * np.exp(-b[1] * T), [1.0, 1.0, 1.0], names=("a", "k", "c"),
            Dfun=lambda b: np.stack(
                [np.exp(-b[1] * T), -(b[0] + b[2]) * T * np.exp(-b[1] * T), np.exp(-b[1] * T)]
            ), col_deriv=True,
        )  # fmt: skip
        assert not fit.covariance
        assert texts == [
            "Covariance of the parameters could not be estimated: the data do not tell apart "
            "parameter 0 (a) and parameter 2 (c), whose derivatives are linearly dependent."
        ]

    def test_three_dependent_parameters(self):
        rows = np.stack([T, np.cos(T), T - 2 * np.cos(T), T**2])
        fit, _, texts = diagnose(lambda b: b @ rows, [1.0] * 4, Dfun=lambda b: rows, col_deriv=True)
        assert not fit.covariance
        assert "parameter 0, parameter 1 and parameter 2, whose" in texts[0]

    @pytest.mark.parametrize("side", ["lower", "upper"])
    def test_bound(self, side):
        """Its error of NaN tells enough; where another error is bad, the bound is named too."""
        bounds = {"lower": np.array([-9.0, 0.5]), "upper": np.array([9.0, 2.0])}
        x = np.array([1.0, bounds[side][1]])
        fjac = np.zeros((2, 3))
        fjac[0, 0] = fjac[1, 1] = 1.0
        fit = Fit(lambda b: b, x + 0.1, x, fjac, np.array([1, 2]), 1.0, **bounds)
        assert causes(fit) == []
        fit.fjac[0, 0] = 0.0
        _, text = causes(fit)
        assert text.startswith(f"Parameter 1 is at its {side} bound {bounds[side][1]:g}: ")

    def test_probes_stay_within_bounds(self):
        points = []

        def model(b):
            points.append(b.copy())
            return b[0] * T

        x = np.array([1.0, 0.5])
        fjac = np.zeros((2, T.size))
        fjac[0, 0] = 1.0
        lower, upper = np.array([-9.0, 0.4999]), np.array([9.0, 0.5001])
        (text,) = causes(Fit(model, x, x, fjac, np.array([1, 2]), 1.0, lower=lower, upper=upper))
        assert "does not depend on parameter 1" in text
        assert all(np.all((p >= lower) & (p <= upper)) for p in points)

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
