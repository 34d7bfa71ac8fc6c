"""One array in every form that a callback may return, and what is no array of real numbers."""

import functools
from fractions import Fraction

import numpy as np
import pytest


class Tagged(np.ndarray):
    """A sub-class of ndarray, such as libraries of physical units define."""


class Column:
    """A data column that is an array only through the array protocol."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


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
