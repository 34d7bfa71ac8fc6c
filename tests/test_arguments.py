"""The callbacks and the start of `leastsq`: what func, x0, args and Dfun may be, and what not."""

import functools
import inspect
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from fits import (
    DECAY_START,
    NOISY_DECAY,
    Recorder,
    decay,
    decay_jacobian,
    decay_jacobian_columns,
)

from pyminpack import curve_fit, leastsq


class Tagged(np.ndarray):
    """A sub-class of ndarray, such as libraries of physical units define."""


class Column:
    """A data column that is an array only through the array protocol."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


class Arctan:
    """A callable object that is no function."""

    def __call__(self, x):
        return np.arctan(x)


def every_other(values):
    """The same values, but not next to each other in memory."""
    values = np.asarray(values)
    spaced = np.zeros([2 * size for size in values.shape], dtype=values.dtype)
    view = spaced[tuple(slice(None, None, 2) for _ in values.shape)]
    view[...] = values
    return view


def window(values, order="C"):
    """The same values as a part of a larger array: adjacent along one axis only."""
    values = np.asarray(values)
    larger = np.full([size + 3 for size in values.shape], 7, dtype=values.dtype, order=order)
    view = larger[tuple(slice(1, -2) for _ in values.shape)]
    view[...] = values
    return view


def backwards(values):
    """The same values, with negative strides."""
    turned = tuple(slice(None, None, -1) for _ in np.shape(values))
    return np.array(np.asarray(values)[turned])[turned]


def read_only(values):
    """The same values in memory that may not be written to."""
    frozen = np.array(values)
    frozen.flags.writeable = False
    return frozen


LAYOUTS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "strided": every_other,
    "window": window,
    "window in Fortran order": functools.partial(window, order="F"),
    "negative strides": backwards,
    "read-only": read_only,
    "sub-class": lambda values: np.array(values).view(Tagged),
    "masked array without masked entries": np.ma.masked_array,
    "mask all false": lambda values: np.ma.masked_array(values, np.zeros(np.shape(values), bool)),
    "other byte order": lambda values: np.asarray(values).astype(">f8"),
    "list": lambda values: np.asarray(values).tolist(),
    "array protocol": Column,
}
RESIDUAL_SHAPES = {
    "tuple": lambda values: tuple(values.tolist()),
    "list of arrays": lambda values: [values[:6], values[6:]],
    "2-D": lambda values: values.reshape(3, 4),
    "2-D in Fortran order": lambda values: np.asfortranarray(values.reshape(3, 4)),
    "column": lambda values: values[:, np.newaxis],
}
TIMES_3 = np.array([0.5, 1.0, 2.0])
# What a callback must not return, and how the message has to say what came.
NOT_REAL_NUMBERS = {
    "nothing": (None, "None"),
    "complex": (np.ones(12, complex), "complex"),
    "list with one complex": ([1j] + [1.0] * 11, "complex"),
    "text": ("residuals", "str"),
    "list of text": (["1.0"] * 12, "str|<U"),
    "bytes": (b"residuals", "bytes|S9"),
    "ragged": ([[1.0, 2.0], [3.0]], "ragged|inhomogeneous|list"),
    "dictionary": ({"residuals": 1.0}, "dict"),
    "objects": (np.array([object()] * 12), "object"),
    "fractions": ([Fraction(1, 3)] * 12, "list|object|Fraction"),
    "dates": (np.array(["2000-01-01"] * 12, dtype="datetime64[D]"), "datetime64"),
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


def not_real_numbers():
    """Parameters of the tests on callbacks that return no real numbers."""
    return pytest.mark.parametrize(
        ("value", "what_came"), NOT_REAL_NUMBERS.values(), ids=NOT_REAL_NUMBERS.keys()
    )


def assert_same_fit(fit, reference):
    """Every number of two full outputs agrees to the last bit."""
    for key in reference[2]:
        np.testing.assert_array_equal(fit[2][key], reference[2][key], err_msg=key)
    np.testing.assert_array_equal(fit[0], reference[0])
    np.testing.assert_array_equal(fit[1], reference[1])
    assert fit[3:] == reference[3:]


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


class TestDfun:
    @pytest.mark.parametrize("form", LAYOUTS.values(), ids=LAYOUTS.keys())
    @pytest.mark.parametrize("col_deriv", [False, True, 0, 1])
    def test_layout_of_the_jacobian_does_not_matter(self, form, col_deriv):
        """Protects Jacobians of any memory order, strides and container, by rows and columns."""
        derivative = decay_jacobian_columns if col_deriv else decay_jacobian
        reference = leastsq(decay, DECAY_START, Dfun=decay_jacobian, full_output=True)
        fit = leastsq(
            decay,
            DECAY_START,
            Dfun=lambda x: form(derivative(x)),
            col_deriv=col_deriv,
            full_output=True,
        )
        assert_same_fit(fit, reference)

    @pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i8", "i1", "longdouble"])
    @pytest.mark.parametrize("col_deriv", [False, True])
    def test_other_real_dtypes_are_converted(self, kind, col_deriv):
        """Protects Jacobians of real numbers that are not float64."""
        matrix = np.array([[3, 1], [1, 4], [2, -1], [0, 5]])
        target = np.array([1.0, 2.0, 3.0, 4.0])
        given = (matrix.T if col_deriv else matrix).astype(kind)
        x, ier = leastsq(
            lambda x: matrix @ x - target, [0, 0], Dfun=lambda x: given, col_deriv=col_deriv
        )
        assert ier in {1, 2, 3, 4}
        # A linear problem with an exact Jacobian: one Gauss-Newton step, good to rounding.
        np.testing.assert_allclose(x, np.linalg.lstsq(matrix, target, rcond=None)[0], rtol=1e-13)

    @pytest.mark.parametrize("col_deriv", [False, True])
    def test_square_jacobian_is_read_the_right_way(self, col_deriv):
        """Protects col_deriv where M = N and the shape cannot give a mistake away."""
        matrix = np.array([[4.0, 1.0, 0.0], [-2.0, 3.0, 1.0], [5.0, 0.0, 2.0]])
        x, _, info, _, _ = leastsq(
            lambda x: matrix @ x - [5.0, 2.0, 7.0],
            np.zeros(3),
            Dfun=lambda x: matrix.T if col_deriv else matrix,
            col_deriv=col_deriv,
            full_output=True,
        )
        np.testing.assert_allclose(x, [1.0, 1.0, 1.0], rtol=1e-13)
        assert info["njev"] <= 2

    @pytest.mark.parametrize(
        ("col_deriv", "form"),
        [(False, np.ravel), (True, np.ravel), (False, lambda j: j), (True, np.transpose)],
        ids=["rows, (M,)", "columns, (M,)", "rows, (M, 1)", "columns, (1, M)"],
    )
    def test_plain_vector_for_one_variable(self, col_deriv, form):
        """Protects the (M,) Jacobian of a model with one parameter."""
        jacobian = Recorder(lambda x: form((-TIMES_3 * np.exp(-x[0] * TIMES_3))[:, np.newaxis]))
        x, _, info, _, _ = leastsq(
            lambda x: np.exp(-x[0] * TIMES_3) - np.exp(-0.5 * TIMES_3),
            1.0,
            Dfun=jacobian,
            col_deriv=col_deriv,
            full_output=True,
        )
        # Zero residual: converges quadratically, so that ftol = 1.5e-8 leaves 1e-7 at most.
        np.testing.assert_allclose(x, [0.5], rtol=1e-7)
        assert info["njev"] == jacobian.count

    @pytest.mark.parametrize("shape", [(2, 12), (11, 2), (12, 3), (24,), (12,), (), (12, 2, 1)])
    @pytest.mark.parametrize("col_deriv", [False, True])
    @pytest.mark.parametrize("call", [1, 3])
    @pytest.mark.parametrize("full_output", [False, True])
    def test_wrong_shape(self, shape, col_deriv, call, full_output):
        """Protects the TypeError that names Dfun and both shapes, at the first call and later."""
        right = decay_jacobian_columns if col_deriv else decay_jacobian
        wrong = np.ones(shape[::-1] if col_deriv else shape)
        derivative = Recorder(lambda x: wrong if derivative.count == call else right(x))
        with pytest.raises(TypeError, match="Dfun") as caught:
            leastsq(
                decay,
                DECAY_START,
                Dfun=derivative,
                col_deriv=col_deriv,
                full_output=full_output,
            )
        assert str(wrong.shape) in str(caught.value)
        assert str((2, 12) if col_deriv else (12, 2)) in str(caught.value)
        assert derivative.count == call

    @pytest.mark.parametrize("size", [2, 4])
    def test_wrong_length_for_one_variable(self, size):
        """Protects against reading past the end of a plain vector, or leaving some of it out."""
        with pytest.raises(TypeError, match="Dfun") as caught:
            leastsq(lambda x: x[0] - TIMES_3, 1.0, Dfun=lambda x: np.ones(size))
        assert f"({size},)" in str(caught.value)

    @not_real_numbers()
    @pytest.mark.parametrize("call", [1, 3])
    def test_jacobian_is_no_matrix_of_numbers(self, value, what_came, call):
        """Protects one clear TypeError that names Dfun, at the first call and later."""
        derivative = Recorder(lambda x: value if derivative.count == call else decay_jacobian(x))
        with pytest.raises(TypeError, match="Dfun"):
            leastsq(decay, DECAY_START, Dfun=derivative)
        assert derivative.count == call

    def test_not_callable(self):
        """Protects a clear error where a matrix stands in the place of Dfun."""
        with pytest.raises(TypeError, match="Dfun"):
            leastsq(decay, DECAY_START, Dfun=np.ones((12, 2)))


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
