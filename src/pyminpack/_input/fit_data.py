"""What `curve_fit` makes of data and their uncertainties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import type_error, value_error
from .._minpack import enorm
from .arguments import FLOAT64, as_array, describe
from .missing import apply_policy, as_numbers, columns, first_bad, is_array, is_column

__all__ = [
    "all_finite",
    "as_data",
    "check_kept",
    "check_policy",
    "is_cut",
    "is_dask",
    "nonfinite",
    "prepare",
    "require_finite",
    "require_some",
    "snapshot",
]

FloatArray = npt.NDArray[np.float64]

RECTANGULAR = "real numbers, in arrays of one shape; others go to f in a dict, as they are"
CUT = 2**16  # data in a file from which on they are cut


def is_cut(xdata: Any, ydata: Any, options: dict[str, Any]) -> bool:
    """Whether to fit the data in chunks: mapped from a file, Dask's, or because `chunk` says so.

    Removes what `options` hold of it where they are not.
    """
    plain = type(ydata) is np.ndarray and type(xdata) is np.ndarray
    if plain and not options:
        return False
    if options.get("chunk") is not None:
        return True
    if not plain:
        mapped = isinstance(ydata, np.memmap) or isinstance(xdata, np.memmap)
        if mapped and _can_be_cut(xdata, np.shape(ydata)):
            return True
        if is_dask(ydata) or is_dask(xdata):
            return True
    if options:
        options.pop("chunk", None)
        for name in ("executor", "checkpoint"):
            if options.pop(name, None) is not None:
                raise type_error(
                    f"{name} is for data in chunks; want chunk, too: how many are in each."
                )
    return False


def _can_be_cut(xdata: Any, shape: tuple[int, ...]) -> bool:
    """Whether there are many data, one to each last index of an array or row of a table."""
    if len(shape) != 1 or shape[0] <= CUT:
        return False
    if is_array(xdata):
        return bool(xdata.shape[-1:] == shape)
    return hasattr(xdata, "keys") or is_column(xdata)


def is_dask(data: Any) -> bool:
    """Whether it is one of Dask's arrays or tables, or one of xarray's that holds such."""
    if not hasattr(type(data), "__dask_graph__"):
        return False
    return type(data).__module__.startswith("dask") or data.__dask_graph__() is not None


def prepare(
    xdata: Any, ydata: Any, sigma: Any, check_finite: bool | None, nan_policy: str | None
) -> tuple[Any, FloatArray, Any]:
    """Convert the data, check them, and leave out what `nan_policy` wants left out.

    Returns
    -------
    xdata : object
        A float64 array where a list, tuple, array or one column of a table came, else what came.
    ydata : ndarray
    sigma : object
        What came, less what was left out.
    """
    check_policy(nan_policy)
    y = as_data("ydata", ydata)
    if y.size == 0:
        raise value_error("ydata must not be empty.")
    if is_array(xdata) or isinstance(xdata, list | tuple) or is_column(xdata):
        xdata = as_data("xdata", xdata)
    if nan_policy is None if check_finite is None else check_finite:
        require_finite(xdata, y)
    elif nan_policy is not None:
        xdata, y, sigma = apply_policy(nan_policy, xdata, y, sigma, as_data)
        require_some(y.size)
    return xdata, y, sigma


def check_policy(nan_policy: Any) -> None:
    """Raise where it is none."""
    if nan_policy not in (None, "raise", "omit"):
        if isinstance(nan_policy, str) and nan_policy == "propagate":
            raise value_error(
                "want None, 'raise' or 'omit'.",
                "`nan_policy='propagate'` is not supported by this function.",
            )
        raise value_error(
            f"nan_policy must be one of {{None, 'raise', 'omit'}}, not {describe(nan_policy)}."
        )


def require_finite(xdata: Any, ydata: FloatArray) -> None:
    """Raise where an array holds what is not finite."""
    for name, array in (("xdata", xdata), ("ydata", ydata)):
        if is_array(array) and not all_finite(array):
            bad = nonfinite(name, array)
            raise value_error(f"{name} must not contain infs or NaNs: {bad}.")


def require_some(left: int) -> None:
    """Raise where nothing is left of the data."""
    if left == 0:
        raise type_error("nan_policy='omit' leaves a number of data points=0: each has a NaN.")


def as_data(name: str, value: Any) -> FloatArray:
    """Convert to float64 without loss of meaning."""
    if type(value) is np.ndarray and value.dtype == FLOAT64:
        return value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise type_error(
            f"{name} is a masked array with masked entries; want numbers for all. To leave these "
            "out, pass value.filled(np.nan) with nan_policy='omit'."
        )
    array = as_array(value, f"{name} is", RECTANGULAR if name == "xdata" else "real numbers")
    try:
        numbers = as_numbers(value, array)
    except (TypeError, ValueError) as error:  # objects that are no numbers
        raise type_error(f"{name} is {describe(value)}; want real numbers.") from error
    if numbers is None:
        raise type_error(f"{name} is {describe(value)}; want real numbers.")
    return numbers


def nonfinite(name: str, data: Any) -> str:
    """Say which entry of an array or a table is the first that is not finite, if there is one."""
    for key, array in columns(data):
        if not all_finite(array):
            text = first_bad(f"{name}{key}", array, ~np.isfinite(array))
            return f"{text}; nan_policy='omit' leaves out what is NaN" if "nan" in text else text
    return ""


def all_finite(data: FloatArray) -> bool:
    """Whether all entries are finite: in one pass, a tenth of numpy's time on few of them."""
    return math.isfinite(enorm(data)) or bool(np.isfinite(data).all())


def snapshot(xdata: Any) -> bytes | None:
    """Remember an array, for `check_kept`."""
    return xdata.tobytes() if type(xdata) is np.ndarray else None


def check_kept(xdata: Any, before: bytes | None) -> None:
    """Raise where `f` has written into `xdata`, and give the caller's array back as it was."""
    if before is not None and xdata.tobytes() != before:
        xdata[...] = np.frombuffer(before, dtype=xdata.dtype).reshape(xdata.shape)
        raise value_error(
            "f has overwritten its xdata, so that each call would see other data; they are as they "
            "were again. Let f make a new array, as by `x = x*b` in place of `x *= b`, or begin "
            "with `x = x.copy()`."
        )
