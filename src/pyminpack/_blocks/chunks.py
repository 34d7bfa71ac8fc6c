"""Data in chunks, each converted and checked by itself, and a model that is asked for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import type_error, value_error
from .._errors import add_note
from .._fit.compare import compared, jacobian_of
from .._fit.weights import Weights, as_weights
from .._input import fit_data
from .._input.arguments import EPS, as_floats, describe
from .._input.missing import apply_policy, dimension, is_array, is_column
from .._minpack import enorm
from .driver import Compared, Part

__all__ = ["Chunk", "Chunks", "Model", "require_shape"]

FloatArray = npt.NDArray[np.float64]
Numbers = tuple[Any, FloatArray, Weights | None]


class Chunk:
    """Some observations, as they came; and, once somebody has asked, as numbers.

    Parameters
    ----------
    start : int
        The number of the first of them; -1: unknown.
    x, y, sigma : object
        `sigma` is None, a number, or as long as `y`.
    """

    __slots__ = ("numbers", "sigma", "start", "x", "y")

    def __init__(self, start: int, x: Any, y: Any, sigma: Any) -> None:
        self.start, self.x, self.y, self.sigma = start, x, y, sigma
        self.numbers: Numbers | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Chunk, (self.start, self.x, self.y, self.sigma)


class Chunks:
    """Data that are cut along their last axis as they are gone through.

    Parameters
    ----------
    xdata, ydata, sigma : object
        As for `curve_fit`; `ydata` of shape (M,), `sigma` one number or as many.
    rows : int
        Of a chunk.
    start : int
        The number of the first observation, where these are but a part.
    """

    def __init__(self, xdata: Any, ydata: Any, sigma: Any, rows: int, start: int = 0) -> None:
        if isinstance(ydata, list | tuple):
            ydata = fit_data.as_data("ydata", ydata)
        if isinstance(xdata, list | tuple):
            xdata = fit_data.as_data("xdata", xdata)
        if isinstance(sigma, list | tuple):
            sigma = fit_data.as_data("sigma", sigma)
        if np.ndim(ydata) != 1:
            raise value_error(f"ydata have the shape {np.shape(ydata)}; in chunks, want (M,).")
        self.size, self._rows, self._start = len(ydata), rows, start
        if np.ndim(sigma) and np.shape(sigma) != (self.size,):
            raise value_error(
                f"sigma has the shape {np.shape(sigma)}; in chunks, want a number, or one for each "
                f"of the {self.size} data."
            )
        _require_rows("xdata", xdata, self.size)
        self._xdata, self._ydata, self._sigma = xdata, ydata, sigma

    def __len__(self) -> int:
        return max(1, -(-self.size // self._rows))

    def __iter__(self) -> Iterator[Chunk]:
        for start in range(0, max(1, self.size), self._rows):
            yield self.cut(slice(start, start + self._rows))

    def first(self) -> Chunk:
        """Return the first of them."""
        return self.cut(slice(self._rows))

    def sample(self, most: int) -> Chunk:
        """Return observations from all over the data, as many as `most` or few more."""
        return self.cut(slice(0, self.size, max(1, self.size // most)))

    def cut(self, rows: slice) -> Chunk:
        """Return some rows."""
        x, y = _rows_of(self._xdata, rows, self.size), _rows_of(self._ydata, rows, self.size)
        sigma = _rows_of(self._sigma, rows, self.size) if np.ndim(self._sigma) else self._sigma
        return Chunk(self._start + (rows.start or 0), x, y, sigma)


def _require_rows(name: str, data: Any, size: int) -> None:
    """Raise where `data` cannot be cut as the `size` observations are."""
    if is_array(data) or is_column(data) or hasattr(data, "iloc"):
        shape = (len(data),) if hasattr(data, "iloc") else data.shape
    elif hasattr(data, "isel") and dimension(data, size) is not None:
        return
    elif isinstance(data, np.ndarray):  # records
        shape = data.shape
    elif isinstance(data, Mapping):
        for key, column in data.items():
            _require_rows(f"{name}[{key!r}]", column, size)
        return
    else:
        raise type_error(
            f"{name} is {describe(data)}; in chunks, want an array of shape (..., M), a table, or "
            "a dict of arrays."
        )
    require_shape(name, shape, size)


def require_shape(name: str, shape: tuple[int, ...], size: int) -> None:
    """Raise where data of this shape cannot be cut as the `size` observations are."""
    if shape[-1:] != (size,):
        raise value_error(
            f"{name} has the shape {shape}; in chunks, want (..., M), for the M = {size} of ydata."
        )


def _rows_of(data: Any, rows: slice, size: int) -> Any:
    """Cut `rows` out of an array, or out of the rows of a table."""
    if isinstance(data, np.ndarray):
        return np.asarray(data[..., rows])  # no longer a memmap, whose every result is one, too
    if hasattr(data, "isel"):
        return data.isel({dimension(data, size): rows})
    if isinstance(data, Mapping):
        return {key: _rows_of(column, rows, size) for key, column in data.items()}
    return data.iloc[rows] if hasattr(data, "iloc") else data[rows]


class Model(Compared):
    """What is asked for residuals and derivatives of a chunk, wherever that is.

    Parameters
    ----------
    f, jac, col_deriv, nan_policy
        As for `curve_fit`.
    check_finite : bool
        Whether `survey` raises where data are not finite.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        jac: Callable[..., Any] | None,
        col_deriv: bool,
        nan_policy: str | None,
        check_finite: bool,
    ) -> None:
        self._f, self._jac, self._col_deriv = f, jac, col_deriv
        self._nan_policy, self._check_finite = nan_policy, check_finite

    def numbers(self, chunk: Chunk) -> Numbers:
        """Return x, weighted y and the weights of a chunk, less what is left out of it."""
        if chunk.numbers is None:
            chunk.numbers = self._convert(chunk)
        return chunk.numbers

    def _convert(self, chunk: Chunk) -> Numbers:
        x, y, sigma = chunk.x, fit_data.as_data("ydata", chunk.y), chunk.sigma
        if is_array(x) or is_column(x):
            x = fit_data.as_data("xdata", x)
        if self._nan_policy is not None and not self._check_finite:
            x, y, sigma = apply_policy(self._nan_policy, x, y, sigma, fit_data.as_data)
        if sigma is None or y.size == 0:
            return x, y, None
        weights = as_weights(sigma, y)
        return x, weights.residuals(y), weights

    def survey(self, chunk: Chunk, index: int, size: int) -> Part:
        """Check a chunk, and return how many observations it holds, and their weighted norm."""
        try:
            x, y, _ = self.numbers(chunk)
            if self._check_finite:
                fit_data.require_finite(x, fit_data.as_data("ydata", chunk.y))
        except (TypeError, ValueError) as error:
            if chunk.start > 0:
                add_note(error, f"An index in xdata, ydata or sigma counts from {chunk.start}.")
            raise
        return Part(y.size, enorm(y) if y.size else 0.0, EPS)

    def values(self, p: FloatArray, chunk: Chunk) -> FloatArray:
        """Return the weighted values of the model."""
        x, y, weights = self.numbers(chunk)
        if y.size == 0:
            return y
        value = self._f(x, *p)
        if type(value) is not np.ndarray:
            value = as_floats(value, "f returned")
        if value.shape != y.shape:
            compared(y, value)
            value = np.broadcast_to(value, y.shape)
        weighted: FloatArray = value if weights is None else weights.residuals(value)
        return weighted

    def less_data(self, values: FloatArray, chunk: Chunk) -> FloatArray:
        """Return the weighted residuals."""
        return values - self.numbers(chunk)[1]

    def jacobian(self, p: FloatArray, chunk: Chunk) -> FloatArray:
        """Return the derivatives of the residuals by `jac`, shape (N, rows)."""
        x, y, weights = self.numbers(chunk)
        if y.size == 0:
            return np.empty((p.size, 0))
        assert self._jac is not None
        return jacobian_of(self._jac, x, weights, (p.size, y.size), self._col_deriv)(p)
