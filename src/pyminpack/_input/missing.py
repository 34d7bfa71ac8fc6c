"""Numbers that are missing: NaN, NaT and NA, in arrays and in tables, found and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import value_error
from .arguments import shown

__all__ = [
    "apply_policy",
    "as_numbers",
    "columns",
    "dimension",
    "first_bad",
    "is_array",
    "is_column",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def as_numbers(value: Any, array: npt.NDArray[Any]) -> FloatArray | None:
    """Convert `value`, of which numpy makes `array`, to float64; None where it is no real numbers.

    What is missing becomes NaN; dates and times count in the unit of their dtype.
    """
    if array.dtype.kind in "mM":
        return np.where(np.isnat(array), np.nan, array.astype(np.float64))
    if array.dtype.kind == "O" and hasattr(value, "isna"):  # pandas, with NA
        array = np.asarray(value.to_numpy(dtype=np.float64, na_value=np.nan))
    if value is None or array.dtype.kind in "cSUV":
        return None
    return np.asarray(array, dtype=np.float64)


def is_array(value: Any) -> bool:
    """Whether `value` is an array of numbers; one of records is a table."""
    return isinstance(value, np.ndarray) and value.dtype.names is None


def is_column(value: Any) -> bool:
    """Whether `value` is one column of a table, of pandas, polars, xarray or pyarrow."""
    # pyarrow's have no shape; nor have its tables a to_numpy.
    return hasattr(value, "to_numpy") and len(getattr(value, "shape", (0,))) == 1


def columns(data: Any) -> Iterator[tuple[str, FloatArray]]:
    """Yield what is named and float64 in an array, or in the columns of a table or dict."""
    if is_array(data):
        if data.dtype == np.float64:
            yield "", data
        return
    if hasattr(data, "isel") and not hasattr(data, "keys"):  # an array of xarray's
        numbers = as_numbers(data, np.asarray(data))
        if numbers is not None:
            yield "", numbers
        return
    for key in _names(data):
        try:
            numbers = as_numbers(data[key], np.asarray(data[key]))
        except Exception:  # text, objects: whatever a model makes of it
            continue
        if numbers is not None:
            yield f"[{shown(key)}]", numbers


def _names(data: Any) -> Any:
    """Return the names of the columns of a table, or the keys of a dict; none of what is neither.

    Tables of pandas and xarray are dicts, too; those of polars and pyarrow are not.
    """
    if isinstance(data, np.ndarray):
        return data.dtype.names
    if hasattr(data, "keys"):
        return data.keys()
    return getattr(data, "column_names", data.columns if hasattr(data, "height") else ())


def dimension(data: Any, size: int) -> Any:
    """Name of the dimension of xarray's data that observations of this number lie on, or None."""
    along = [name for name, extent in dict(data.sizes).items() if extent == size]
    return along[0] if len(along) == 1 else None


def first_bad(name: str, array: FloatArray, bad: BoolArray) -> str:
    """Say which is the first bad entry, and what it is."""
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    index = f"[{', '.join(map(str, where))}]" if where else ""
    return f"{name}{index} is {array[where]}"


def apply_policy(
    nan_policy: str, xdata: Any, y: FloatArray, sigma: Any, convert: Callable[[str, Any], Any]
) -> tuple[Any, FloatArray, Any]:
    """Raise where a number is missing, or leave the observations out of which one is.

    Parameters
    ----------
    nan_policy : {'raise', 'omit'}
    xdata : object
        An array of shape (..., M), or a table or dict with columns of that shape.
    y : ndarray, shape (M,)
    sigma : object
        None, a scalar, or of shape (M,) or (M, M).
    convert : callable
        Makes a float64 array of `sigma`.
    """
    if sigma is not None:
        sigma = convert("sigma", sigma)
    found = [("ydata", y, np.isnan(y))]
    found += [(f"xdata{key}", column, np.isnan(column)) for key, column in columns(xdata)]
    if sigma is not None:
        found.append(("sigma", sigma, np.isnan(sigma)))
    if not any(bad.any() for *_, bad in found):
        return xdata, y, sigma
    if nan_policy == "raise":
        text = next(first_bad(name, array, bad) for name, array, bad in found if bad.any())
        raise value_error(f"The input contains nan values: {text}.")

    if y.ndim != 1 or (isinstance(xdata, np.ndarray) and xdata.shape[-1:] != y.shape):
        raise value_error(
            f"nan_policy='omit' wants ydata of shape (M,) and xdata of shape (..., M); they are "
            f"{y.shape} and {np.shape(xdata)}."
        )
    missing = np.zeros(y.size, dtype=bool)
    for name, _, bad in found:
        if name == "sigma" and bad.shape == y.shape * 2:
            missing |= bad.diagonal()
        elif bad.shape[-1:] == y.shape:
            missing |= bad.any(axis=tuple(range(bad.ndim - 1)))
        elif bad.shape.count(y.size) == 1:  # of xarray's, whose dimensions are in any order
            missing |= np.moveaxis(bad, bad.shape.index(y.size), 0).reshape(y.size, -1).any(axis=1)
    keep = ~missing
    if sigma is not None:
        sigma = _of_observations(sigma, keep)
    return _rows(xdata, keep), y[keep], sigma


def _of_observations(sigma: FloatArray, keep: BoolArray) -> FloatArray:
    """Leave out of `sigma`, (M,) or (M, M), what is left out of the data."""
    if sigma.shape == keep.shape:
        return sigma[keep]
    return sigma[np.ix_(keep, keep)] if sigma.shape == keep.shape * 2 else sigma


def _rows(data: Any, keep: BoolArray) -> Any:
    """Leave out of the last axis of an array, and of the rows of a table."""
    if isinstance(data, np.ndarray):
        return data[..., keep]
    if hasattr(data, "isel"):  # xarray
        along = dimension(data, keep.size)
        if along is not None:
            return data.isel({along: keep})
    elif hasattr(data, "loc"):  # pandas
        return data.loc[keep]
    elif hasattr(data, "column_names") or hasattr(data, "height"):  # pyarrow, polars
        return data.filter(keep)
    elif isinstance(data, Mapping):
        rows = [key for key, value in data.items() if np.shape(value)[-1:] == keep.shape]
        if rows:
            arrays = {key: _rows(_as_table(data[key]), keep) for key in rows}
            return {**data, **arrays}
    elif hasattr(data, "keys"):
        return data[keep]
    raise value_error(
        f"nan_policy='omit' can leave nothing out of xdata, which is a {type(data).__name__}; "
        f"want a list, tuple or array, a dict or table of columns of {keep.size} numbers, or data "
        "without NaN."
    )


def _as_table(value: Any) -> Any:
    return value if hasattr(value, "loc") else np.asarray(value)
