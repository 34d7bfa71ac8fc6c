"""func, x0 and args of `leastsq`: what they may be, and what not."""

import functools
import inspect

import numpy as np
import pytest
from fits import DECAY_START, NOISY_DECAY, Recorder, decay, decay_jacobian
from forms import LAYOUTS, assert_same_fit, not_real_numbers

from pyminpack import leastsq


class Arctan:
    """A callable object that is no function."""

    def __call__(self, x):
        return np.arctan(x)


RESIDUAL_SHAPES = {
    "tuple": lambda values: tuple(values.tolist()),
    "list of arrays": lambda values: [values[:6], values[6:]],
    "2-D": lambda values: values.reshape(3, 4),
    "2-D in Fortran order": lambda values: np.asfortranarray(values.reshape(3, 4)),
    "column": lambda values: values[:, np.newaxis],
}
NO_START = {
    "complex": 1j,
    "complex array": np.ones(2, complex),
    "list with one complex": [1.0, 2.0 + 0.0j],
    "text": "1.0",
    "list of text": ["1.0", "2.0"],
    "nothing": None,
    "list with nothing": [1.0, None],
    "objects": np.array([object(), object()]),
    "dictionary": {"rate": 1.0},
    "ragged": [[1.0, 2.0], [3.0]],
}


class TestSignature:
    def test_names_order_and_defaults(self):
        """Protects calls by position and by name that were written for SciPy."""
        every = inspect.signature(leastsq).parameters.values()
        parameters = [p for p in every if p.kind == inspect.Parameter.POSITIONAL_OR_KEYWORD]
        assert [(p.name, p.kind, p.default) for p in list(every)[len(parameters) :]] == [
            ("bounds", inspect.Parameter.KEYWORD_ONLY, None),
            ("max_nfev", inspect.Parameter.KEYWORD_ONLY, None),
            ("callback", inspect.Parameter.KEYWORD_ONLY, None),
            ("verbose", inspect.Parameter.KEYWORD_ONLY, 0),
            ("blocks", inspect.Parameter.KEYWORD_ONLY, None),
            ("workers", inspect.Parameter.KEYWORD_ONLY, 1),
            ("executor", inspect.Parameter.KEYWORD_ONLY, None),
            ("checkpoint", inspect.Parameter.KEYWORD_ONLY, None),
            ("m", inspect.Parameter.KEYWORD_ONLY, None),
        ]
        empty = inspect.Parameter.empty
        assert [(p.name, p.default) for p in parameters] == [
            ("func", empty),
            ("x0", empty),
            ("args", ()),
            ("Dfun", None),
            ("full_output", False),
            ("col_deriv", False),
            ("ftol", 1.49012e-08),
            ("xtol", 1.49012e-08),
            ("gtol", 0.0),
            ("maxfev", 0),
            ("epsfcn", None),
            ("factor", 100),
            ("diag", None),
            ("warning", True),
        ]


class TestFunc:
    @pytest.mark.parametrize(
        "form", (LAYOUTS | RESIDUAL_SHAPES).values(), ids=(LAYOUTS | RESIDUAL_SHAPES).keys()
    )
    def test_form_of_the_residuals_does_not_matter(self, form):
        """Protects residuals in any container, shape or memory layout: M is their number."""
        reference = leastsq(decay, DECAY_START, full_output=True)
        fit = leastsq(lambda x: form(decay(x)), DECAY_START, full_output=True)
        assert_same_fit(fit, reference)

    @pytest.mark.parametrize(
        "form", [float, np.float64, np.asarray, lambda value: [value]], ids=lambda f: f.__name__
    )
    def test_scalar_residual(self, form):
        """Protects a scalar result: it is one residual, whether Python's or NumPy's."""
        x, _, info, _, ier = leastsq(lambda x: form(x[0] - 2.0), 1.0, full_output=True)
        assert ier in {1, 2, 3, 4}
        assert info["fvec"].shape == (1,)
        # Linear: the first step is right but for the rounding of the difference quotient, 2**-26.
        np.testing.assert_allclose(x, [2.0], rtol=1e-7)

    @pytest.mark.parametrize("kind", ["i1", "i8", "u4", "f2", "f4", "longdouble", "bool"])
    def test_other_real_dtypes_are_converted(self, kind):
        """Protects residuals that are real numbers, but not float64."""
        values = np.array([1, 0, 1, 1]).astype(kind)
        x, _, info, _, ier = leastsq(lambda x: values, [5.0, 6.0], full_output=True)
        np.testing.assert_array_equal(x, [5.0, 6.0])
        assert ier == 4
        assert info["fvec"].dtype == np.float64
        np.testing.assert_array_equal(info["fvec"], [1.0, 0.0, 1.0, 1.0])

    @pytest.mark.parametrize(
        "func",
        [np.arctan, functools.partial(np.multiply, 2.0), Recorder(np.arctan).__call__, Arctan()],
        ids=["ufunc", "partial", "method", "instance"],
    )
    def test_any_callable(self, func):
        """Protects callables that are no Python functions."""
        x, ier = leastsq(func, [0.5, -0.25])
        assert ier in {1, 2, 3, 4}
        # Zero residual: converges quadratically, so that ftol = 1.5e-8 leaves 1e-7 at most.
        np.testing.assert_allclose(x, [0.0, 0.0], atol=1e-7)

    def test_list_of_python_integers(self):
        """Protects the plainest result of all."""
        x, ier = leastsq(lambda x: [1, 2, 3], [0])
        assert ier == 4
        np.testing.assert_array_equal(x, [0.0])

    @not_real_numbers()
    @pytest.mark.parametrize("full_output", [False, True])
    def test_first_result_is_no_vector_of_numbers(self, value, what_came, full_output):
        """Protects one clear TypeError that names func and what it returned."""
        with pytest.raises(TypeError, match=what_came) as caught:
            leastsq(lambda x: value, DECAY_START, full_output=full_output)
        assert "func" in str(caught.value)

    @not_real_numbers()
    def test_later_result_is_no_vector_of_numbers(self, value, what_came):
        """Protects the same error for a func that goes wrong in the middle of a fit."""
        func = Recorder(lambda x: decay(x) if func.count < 6 else value)
        with pytest.raises(TypeError, match=what_came) as caught:
            leastsq(func, DECAY_START)
        assert "func" in str(caught.value)
        assert func.count == 6

    def test_masked_residuals_are_not_taken_for_numbers(self):
        """Protects against fitting the meaningless values that lie under a mask."""
        masked = np.ma.masked_greater(NOISY_DECAY, 2.0)
        with pytest.raises((TypeError, ValueError), match="func") as caught:
            leastsq(lambda x: decay(x) + masked * 0.0, DECAY_START)
        assert "mask" in str(caught.value)

    @pytest.mark.parametrize("full_output", [False, True])
    def test_fewer_residuals_than_variables(self, full_output):
        """Protects the TypeError that names N and M."""
        with pytest.raises(TypeError, match=r"\bN\s*=\s*3\b") as caught:
            leastsq(lambda x: x[:2], [1.0, 2.0, 3.0], full_output=full_output)
        assert "func" in str(caught.value)
        assert "M=2" in str(caught.value).replace(" ", "")

    def test_no_residuals(self):
        """Protects the same error where M is zero."""
        with pytest.raises(TypeError, match=r"\bM\s*=\s*0\b"):
            leastsq(lambda x: [], [1.0])

    @pytest.mark.parametrize("size", [11, 13, 1, 0])
    @pytest.mark.parametrize("call", [2, 3, 4, 6])
    def test_number_of_residuals_changes(self, size, call):
        """Protects M: func may not change it, in a difference or in a trial."""
        func = Recorder(lambda x: np.resize(decay(x), 12 if func.count < call else size))
        with pytest.raises(ValueError, match="func") as caught:
            leastsq(func, DECAY_START)
        assert f"{size}" in str(caught.value).replace("12", "")
        assert "12" in str(caught.value)
        assert func.count == call

    def test_same_number_in_another_shape_is_no_change(self):
        """Protects a func whose result changes shape but not size."""
        func = Recorder(lambda x: decay(x).reshape([(12,), (3, 4)][func.count % 2]))
        assert_same_fit(
            leastsq(func, DECAY_START, full_output=True),
            leastsq(decay, DECAY_START, full_output=True),
        )

    def test_not_callable(self):
        """Protects a clear error where data stand in the place of func."""
        with pytest.raises(TypeError, match="func"):
            leastsq(NOISY_DECAY, DECAY_START)


class TestStart:
    @pytest.mark.parametrize(
        "form",
        [*LAYOUTS.values(), tuple, lambda x: x.reshape(2, 2), lambda x: x[:, np.newaxis]],
        ids=[*LAYOUTS, "tuple", "2-D", "column"],
    )
    def test_form_of_the_start_does_not_matter(self, form):
        """Protects x0 in any container, shape or layout: func sees a plain float64 vector."""
        kinds = []

        def quartet(x):
            kinds.append((type(x), x.dtype, x.shape, x.flags.c_contiguous, x.flags.writeable))
            return np.concatenate([x - [1.0, 2.0, 3.0, 4.0], x * x])

        start = np.array([4.0, 3.0, 2.0, 1.0])
        reference = leastsq(quartet, start, full_output=True)
        kinds.clear()
        assert_same_fit(leastsq(quartet, form(start), full_output=True), reference)
        assert set(kinds) == {(np.ndarray, np.dtype(np.float64), (4,), True, True)}

    def test_two_dimensional_start_is_read_by_rows(self):
        """Protects the order of the variables, whatever the order in memory."""
        func = Recorder(lambda x: x)
        leastsq(func, np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]))
        np.testing.assert_array_equal(func.points[0], [1.0, 2.0, 3.0, 4.0])

    @pytest.mark.parametrize("start", [3, 3.0, np.float32(3.0), np.int8(3), np.array(3.0), [3]])
    def test_scalar_start(self, start):
        """Protects a scalar x0: func gets a vector of one, and the result is one."""
        func = Recorder(lambda x: [x[0] - 1.0, x[0] + 1.0])
        x, ier = leastsq(func, start)
        assert func.points[0].shape == (1,)
        assert func.points[0].dtype == np.float64
        assert x.shape == (1,)
        assert ier in {1, 2, 3, 4}

    @pytest.mark.parametrize("kind", [int, "i1", "u8", "f4", "f2"])
    def test_integer_start_does_not_round_the_steps(self, kind):
        """Protects integers and short floats as x0: they are float64 before the first call."""
        reference = leastsq(decay, DECAY_START, full_output=True)
        func = Recorder(decay)
        fit = leastsq(func, np.array(DECAY_START).astype(kind), full_output=True)
        assert func.points[0].dtype == np.float64
        assert_same_fit(fit, reference)

    @pytest.mark.parametrize("start", NO_START.values(), ids=NO_START.keys())
    def test_start_that_is_no_real_number(self, start):
        """Protects the TypeError that names x0, before func is called at all."""
        func = Recorder(decay)
        with pytest.raises(TypeError, match="x0"):
            leastsq(func, start)
        assert func.count == 0

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("full_output", [False, True])
    def test_start_that_is_not_finite(self, value, full_output):
        """Protects the ValueError that names x0, before func is called at all."""
        func = Recorder(decay)
        with pytest.raises(ValueError, match="x0"):
            leastsq(func, [1.0, value], full_output=full_output)
        assert func.count == 0


class TestArgs:
    @pytest.mark.parametrize("data", [NOISY_DECAY, 3.5, "name", [1, 2], None, {"a": 1}], ids=repr)
    def test_single_value_is_wrapped_in_a_tuple(self, data):
        """Protects `args=data`: both callbacks get the very object as one argument."""
        seen = []

        def func(x, *args):
            seen.append(args)
            return decay(x)

        def derivative(x, *args):
            seen.append(args)
            return decay_jacobian(x)

        leastsq(func, DECAY_START, args=data, Dfun=derivative)
        assert all(len(args) == 1 and args[0] is data for args in seen)

    @pytest.mark.parametrize("number", [0, 1, 5, 6, 7, 8, 40])
    def test_any_number_of_extra_arguments(self, number):
        """Protects the order and the identity of few and of many extra arguments."""
        extra = tuple(object() for _ in range(number))
        seen = []

        def func(x, *args):
            seen.append(args)
            return decay(x)

        leastsq(func, DECAY_START, extra)
        assert all(len(args) == number for args in seen)
        assert all(a is b for args in seen for a, b in zip(args, extra, strict=True))

    def test_tuple_is_spread(self):
        """Protects several extra arguments, for func and Dfun alike."""
        first, second = object(), np.ones(3)
        seen = []

        def func(x, one, two):
            seen.append((one, two))
            return decay(x)

        def derivative(x, one, two):
            seen.append((one, two))
            return decay_jacobian(x)

        leastsq(func, DECAY_START, (first, second), derivative)
        assert len(seen) > 4
        assert all(one is first and two is second for one, two in seen)
