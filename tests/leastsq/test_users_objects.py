"""Arguments with methods of their own: errors of theirs pass through, and none spoils a message."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from fits import DECAY_START, decay
from forms import assert_same_fit

from pyminpack import curve_fit, leastsq


class Unprintable:
    """An object whose text cannot be had."""

    def __init__(self, error=RuntimeError):
        self.error = error

    def __repr__(self):
        raise self.error("no text")

    __str__ = __repr__


class TestMessagesOfAnything:
    @pytest.mark.parametrize("value", [Unprintable(), [Unprintable()], Unprintable(SystemExit)])
    @pytest.mark.parametrize("name", ["ftol", "maxfev", "epsfcn", "factor", "diag"])
    def test_repr_that_raises(self, name, value):
        with pytest.raises(TypeError, match=f"{name} is (list|Unprintable)"):
            leastsq(decay, DECAY_START, **{name: value})

    @pytest.mark.parametrize("value", [[Unprintable()], Unprintable(SystemExit)])
    @pytest.mark.parametrize("name", ["callback", "verbose", "method", "jac", "loss"])
    def test_of_those_that_watch_and_choose(self, name, value):
        fit, data = leastsq, (decay, DECAY_START)
        if name in ("method", "jac", "loss"):
            fit, data = curve_fit, (lambda x, a: a * x, [1.0, 2.0], [1.0, 2.0])
        with pytest.raises((TypeError, ValueError), match=f"{name} is (list|Unprintable)"):
            fit(*data, **{name: value})

    def test_result_whose_repr_raises(self):
        with pytest.raises(TypeError, match="func returned Unprintable, of dtype object"):
            leastsq(lambda x: Unprintable(), DECAY_START)

    def test_too_many_digits(self):
        with pytest.raises(TypeError, match="gtol is str"):
            leastsq(decay, DECAY_START, gtol="1" * 10**5)
        with pytest.raises(TypeError, match="factor is -inf"):
            leastsq(decay, DECAY_START, factor=-(10**5000))


class TestErrorsOfTheUsers:
    class Own:
        def __array__(self, dtype=None, copy=None):
            raise ValueError("own words")

    class Number:
        def __float__(self):
            raise ValueError("own words")

    @pytest.mark.parametrize("argument", ["x0", "func", "diag"])
    def test_of_array_pass_through(self, argument):
        x0, func, diag = DECAY_START, decay, None
        if argument == "x0":
            x0 = self.Own()
        elif argument == "func":
            func = lambda x: self.Own()  # noqa: E731
        else:
            diag = self.Own()
        with pytest.raises(ValueError, match=r"^own words$"):
            leastsq(func, x0, diag=diag)

    @pytest.mark.parametrize("name", ["ftol", "xtol", "gtol", "epsfcn", "factor"])
    def test_of_float_pass_through(self, name):
        with pytest.raises(ValueError, match=r"^own words$"):
            leastsq(decay, DECAY_START, **{name: self.Number()})

    def test_ragged_arrays_are_told_by_their_shapes(self):
        with pytest.raises(TypeError, match=r"ragged: its arrays have shapes \(3,\), \(4,\)"):
            leastsq(lambda x: (np.ones(3), np.ones(4)), [1.0, 1.0])


class TestOptionsConvertedOnce:
    """Numbers of every kind steer the fit and stand in its message."""

    @pytest.mark.parametrize("kind", [Decimal, Fraction, np.float32, np.array])
    def test_tolerances(self, kind):
        options = {name: kind(2.0**-20) for name in ("ftol", "xtol", "gtol", "epsfcn")}
        fit = leastsq(decay, DECAY_START, full_output=True, factor=kind(50), **options)
        options = dict.fromkeys(options, 2.0**-20)
        assert_same_fit(fit, leastsq(decay, DECAY_START, full_output=True, factor=50, **options))

    def test_maxfev(self):
        class Index:
            def __index__(self):
                return 5

        assert (
            leastsq(decay, DECAY_START, full_output=True, maxfev=Index())[3:]
            == (leastsq(decay, DECAY_START, full_output=True, maxfev=5)[3:])
        )

    def test_huge(self):
        """More than the core counts with, and more digits than Python prints."""
        fit = leastsq(decay, DECAY_START, full_output=True, maxfev=10**5000, xtol=10**5000)
        assert fit[4] == 2
        assert "xtol = inf" in fit[3]
