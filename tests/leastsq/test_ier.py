"""How a call of `leastsq` ends: `ier`, its text, the exception or the warning."""

import inspect
import re
import warnings

import numpy as np
import pytest
from fits import DECAY_START, ENDINGS, Recorder, decay, runaway, runaway_jacobian

from pyminpack import leastsq

STEERING = {"ftol", "xtol", "gtol", "factor", "epsfcn"}


def endings(*iers):
    """Parametrize a test with the fits of `ENDINGS` that end with one of `iers`."""
    chosen = {name: ending for name, ending in ENDINGS.items() if ending.ier in iers}
    return pytest.mark.parametrize("ending", chosen.values(), ids=chosen.keys())


def full(ending):
    """The fit, with full output."""
    return leastsq(ending.func, ending.x0, full_output=True, **ending.options)


def plain(ending):
    """The fit, without full output."""
    return leastsq(ending.func, ending.x0, **ending.options)


def numbers(text):
    """Every number in the text."""
    return [float(n) for n in re.findall(r"\d+\.?\d*(?:e[-+]?\d+)?", text)]


class TestFullOutput:
    @endings(*range(10))
    def test_every_ending_comes_back_as_values(self, ending):
        """Protects `ier` 0 … 9, each reached by a real fit: no exception and no warning."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = full(ending)
        assert result[4] == ending.ier
        assert len(result) == 5
        assert caught == []

    def test_every_ending_is_there(self):
        """Protects the table of endings that these tests stand on."""
        assert {ending.ier for ending in ENDINGS.values()} == set(range(10))

    @endings(5, 6, 7, 8)
    def test_unsuccessful_fit_returns_the_last_accepted_point(self, ending):
        """Protects x of a fit that stopped short: the best of the points that were tried."""
        func = Recorder(ending.func)
        x, _, info, _, _ = leastsq(func, ending.x0, full_output=True, **ending.options)
        at_x = np.linalg.norm(info["fvec"])
        assert at_x <= np.linalg.norm(func.values[0])
        assert any(np.array_equal(x, point) for point in func.points)


class TestPlainCall:
    @endings(1, 2, 3, 4)
    def test_success_returns_two_values_in_silence(self, ending):
        """Protects (x, ier) of a good fit, the same numbers as in the full output."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            x, ier = plain(ending)
        assert caught == []
        assert ier == ending.ier
        np.testing.assert_array_equal(x, full(ending)[0])

    @endings(0)
    def test_improper_input_is_a_type_error(self, ending):
        """Protects the TypeError and the words that clients look for, and more after them."""
        with pytest.raises(TypeError, match=r"^Improper input parameters\. *\S"):
            plain(ending)

    @endings(9)
    def test_not_finite_is_a_value_error(self, ending):
        """Protects the ValueError, with the text of the full output after the function's name."""
        with pytest.raises(ValueError, match=r"Dfun|func") as caught:
            plain(ending)
        assert str(caught.value) == f"leastsq: {full(ending)[3]}"

    @endings(5, 6, 7, 8)
    def test_unsuccessful_fit_warns_the_caller(self, ending):
        """Protects the RuntimeWarning: its text, and the caller's own line as its place."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            line = inspect.currentframe().f_lineno + 1
            x, ier = leastsq(ending.func, ending.x0, **ending.options)
        assert ier == ending.ier
        np.testing.assert_array_equal(x, full(ending)[0])
        assert [w.category for w in caught] == [RuntimeWarning]
        text, mesg = str(caught[0].message), full(ending)[3]
        assert text.startswith(f"{mesg} ")
        assert re.search(r"[Pp]ass leastsq a larger (maxfev|ftol|xtol|gtol)", text[len(mesg) :])
        assert (caught[0].filename, caught[0].lineno) == (__file__, line)

    @endings(5, 6, 7, 8)
    def test_warning_can_be_an_error(self, ending):
        """Protects callers who turn warnings into exceptions."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            with pytest.raises(RuntimeWarning):
                plain(ending)


class TestMessages:
    @pytest.mark.parametrize("derivative", [None, runaway_jacobian], ids=["differences", "Dfun"])
    def test_maxfev_to_the_letter(self, derivative):
        """Protects clients that compare this text."""
        mesg = leastsq(runaway, [0.0, 0.0], Dfun=derivative, maxfev=40, full_output=True)[3]
        assert mesg == "Number of calls to function has reached maxfev = 40."

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"ftol": -1.0}, "ftol"),
            ({"xtol": -1.0}, "xtol"),
            ({"gtol": np.nan}, "gtol"),
            ({"factor": 0.0}, "factor"),
            ({"epsfcn": np.inf}, "epsfcn"),
        ],
        ids=["ftol", "xtol", "gtol", "factor", "epsfcn"],
    )
    def test_improper_input_to_the_letter_and_why(self, options, reason):
        """Protects clients that look for these words, and people who want to know which one."""
        start = np.array(DECAY_START)
        x, cov_x, info, mesg, ier = leastsq(decay, start, full_output=True, **options)
        assert ier == 0
        assert cov_x is None
        assert info["nfev"] == 1
        np.testing.assert_array_equal(x, start)
        assert mesg.startswith("Improper input parameters.")
        with pytest.raises(TypeError) as caught:
            leastsq(decay, start, **options)
        text = str(caught.value)
        assert text.startswith("Improper input parameters. ")
        assert reason in text
        assert not any(other in text for other in STEERING - {reason})

    def test_empty_start_is_named(self):
        """Protects lmfit, which calls with an empty x0 and reads the five values."""
        x, cov_x, info, mesg, ier = leastsq(lambda x: np.ones(3), [], full_output=True)
        assert (x.shape, cov_x, ier) == ((0,), None, 0)
        assert info["fjac"].shape == (0, 3)
        assert mesg.startswith("Improper input parameters.")
        with pytest.raises(TypeError, match="x0"):
            leastsq(lambda x: np.ones(3), [])

    @pytest.mark.parametrize(
        ("names", "ier"), [(["ftol"], 1), (["xtol"], 2), (["ftol", "xtol"], 3), (["gtol"], 4)]
    )
    @pytest.mark.parametrize("value", [1.5e-2, 1.5e-3])
    def test_tolerance_that_was_met_is_readable(self, names, ier, value):
        """Protects the value of the tolerance in the text of a success."""
        tolerances = {"ftol": 0.0, "xtol": 0.0, "gtol": 0.0} | dict.fromkeys(names, value)
        mesg = leastsq(decay, DECAY_START, full_output=True, **tolerances)[3:]
        assert mesg[1] == ier
        assert all(name in mesg[0] for name in names)
        assert value in numbers(mesg[0])

    @pytest.mark.parametrize("name", ["ftol", "xtol"])
    def test_small_tolerance_is_not_printed_as_zero(self, name):
        """Protects 1.5e-8 from appearing as 0.000000, as it does in SciPy."""
        tolerances = {"ftol": 0.0, "xtol": 0.0, name: 1.5e-8}
        mesg = leastsq(decay, DECAY_START, full_output=True, **tolerances)[3]
        assert 1.5e-8 in numbers(mesg)
        assert "0.000000" not in mesg

    @pytest.mark.parametrize(("ier", "name"), [(6, "ftol"), (7, "xtol"), (8, "gtol")])
    def test_tolerance_that_is_too_small_is_named(self, ier, name):
        """Protects the text of `ier` 6 … 8: which tolerance to raise."""
        mesg = full(ENDINGS[f"{ier} Dfun"])[3]
        assert name in mesg
        assert not any(other in mesg for other in {"ftol", "xtol", "gtol"} - {name})

    def test_texts_differ(self):
        """Protects the texts as a way to tell the endings apart."""
        texts = {}
        for ending in ENDINGS.values():
            texts.setdefault(full(ending)[3], set()).add(ending.ier)
        assert all(len(iers) == 1 for iers in texts.values())
