"""Data sets of `curve_fit_many`: what is the same for all fits, and what of each block of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import value_error
from .._fit.weights import USABLE, inverse
from .._input import parameters
from .._input.arguments import as_floats, describe
from .._input.fit_data import as_data
from .._input.missing import columns, first_bad, is_array, is_column
from .runner import IndexArray, read_only, take

__all__ = ["Maps", "Starts"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Maps:
    """The data, checked as a whole; converted, weighted and searched for NaN block by block."""

    def __init__(self, xdata: Any, ydata: Any, sigma: Any, nan_policy: str | None) -> None:
        if nan_policy not in (None, "raise", "omit"):
            raise value_error(
                f"nan_policy must be one of {{None, 'raise', 'omit'}}, not {describe(nan_policy)}."
            )
        self.nan_policy = nan_policy
        self.y = _as_map("ydata", ydata)
        if self.y.ndim == 0 or self.y.shape[-1] == 0:
            raise value_error(
                f"ydata has shape {self.y.shape}; want (..., M), the points of a fit "
                "on the last axis."
            )
        self.shape, self.m = self.y.shape[:-1], self.y.shape[-1]
        if isinstance(xdata, list | tuple) or is_array(xdata) or is_column(xdata):
            xdata = _as_map("xdata", xdata)
        self.own_x = self.shape != () and is_array(xdata) and self._is_own(xdata.shape)
        self.predictors = self.own_x and xdata.ndim == self.y.ndim + 1
        if is_array(xdata) and not self.own_x:
            xdata = read_only(xdata.astype(np.float64, copy=False))
        self.x = xdata
        self.missing_x = self._missing_for_all()
        self.sigma = None if sigma is None else _as_map("sigma", sigma)
        if self.shape != () and self.sigma is not None and self.sigma.shape == (*self.shape, 1):
            self.sigma = np.broadcast_to(self.sigma, self.y.shape)
        self.own_sigma = self.sigma is not None and self.sigma.shape == self.y.shape
        if self.sigma is not None and not self.own_sigma:
            if self.sigma.shape not in ((), (1,), (self.m,)):
                raise value_error(
                    f"sigma has shape {self.sigma.shape}; want a scalar, ({self.m},), "
                    f"{(*self.shape, 1)}, or that of ydata, {self.y.shape}."
                )
            self.sigma = np.broadcast_to(self.sigma.astype(np.float64), (self.m,))

    def _is_own(self, shape: tuple[int, ...]) -> bool:
        leading = len(self.shape)
        return shape == self.y.shape or (
            len(shape) == leading + 2 and shape[:leading] == self.shape and shape[-1] == self.m
        )

    def _missing_for_all(self) -> BoolArray | None:
        """Shape (M,): which points have NaN in an xdata for all; None: none has."""
        if self.own_x or self.nan_policy is None:
            return None
        missing = np.zeros(self.m, dtype=np.bool_)
        for key, column in columns(self.x):
            bad = np.isnan(column)
            if bad.any() and self.nan_policy == "raise":
                raise value_error(_nan(first_bad(f"xdata{key}", column, bad)))
            if bad.shape[-1:] == (self.m,):
                missing |= bad.reshape(-1, self.m).any(axis=0)
        return missing if missing.any() else None

    def x_of(self, numbers: IndexArray) -> Any:
        """Return the x of these fits, as `f` gets it."""
        if not self.own_x:
            return self.x
        rows = np.asarray(take(self.x, self.shape, numbers), dtype=np.float64)
        return self.as_f_gets_it(read_only(rows))

    def as_f_gets_it(self, rows: Any) -> Any:
        """Return rows of fits with their own x, shape (b, M) or (k, b, M)."""
        return np.swapaxes(rows, 0, 1) if self.predictors else rows

    def y_of(self, numbers: IndexArray) -> FloatArray:
        """Return the data of these fits, shape (b, M)."""
        return np.asarray(take(self.y, self.shape, numbers), dtype=np.float64, order="C")

    def block(
        self, numbers: IndexArray
    ) -> tuple[FloatArray, FloatArray | None, IndexArray | None, tuple[FloatArray, ...]]:
        """Return y, weights (NaN: left out), counts of what is not, and rows of the own x."""
        y = self.y_of(numbers)
        rows: tuple[FloatArray, ...] = ()
        if self.own_x:
            rows = (np.asarray(take(self.x, self.shape, numbers), dtype=np.float64, order="C"),)
        sigma = self._sigma_of(numbers)
        missing = self._missing(numbers, y, sigma, rows)
        weights = None if sigma is None else _weights(sigma, missing)
        if weights is not None and weights.shape != y.shape:
            weights = np.broadcast_to(weights, y.shape)
        if missing is None:
            return y, weights, None, rows
        weights = np.where(missing, np.nan, 1.0 if weights is None else weights)
        return y, weights, self.m - np.count_nonzero(missing, axis=1), rows

    def _sigma_of(self, numbers: IndexArray) -> FloatArray | None:
        if self.sigma is not None and self.own_sigma:
            return np.asarray(take(self.sigma, self.shape, numbers), dtype=np.float64)
        return self.sigma

    def _missing(
        self,
        numbers: IndexArray,
        y: FloatArray,
        sigma: FloatArray | None,
        rows: tuple[FloatArray, ...],
    ) -> BoolArray | None:
        """Which points are left out, shape (b, M); None where NaN is no business of ours."""
        if self.nan_policy is None:
            return None
        found = [("ydata", y), *(("xdata", row) for row in rows)]
        if sigma is not None:
            found.append(("sigma", sigma))
        missing = np.zeros(y.shape, dtype=np.bool_)
        if self.missing_x is not None:
            missing |= self.missing_x
        for name, array in found:
            bad = np.isnan(array)
            if not bad.any():
                continue
            if self.nan_policy == "raise":
                raise value_error(_nan(self._place(name, array, bad, numbers)))
            missing |= bad.any(axis=1) if bad.ndim > 2 else bad
        return missing

    def _place(self, name: str, array: FloatArray, bad: BoolArray, numbers: IndexArray) -> str:
        if array.ndim == 1:
            return first_bad(name, array, bad)
        fit, *within = np.argwhere(bad)[0].tolist()
        place = [int(i) for i in np.unravel_index(numbers[fit], self.shape)] + within
        return f"{name}[{', '.join(map(str, place))}] is nan"

    def starts(self, f: Callable[..., Any], p0: Any, bounds: Any) -> Starts:
        """Take `p0` for what it is."""
        if callable(p0) and not hasattr(p0, "keys"):
            return Starts(self, f, None, p0, bounds)
        if p0 is not None and np.ndim(p0) > 1:
            array = _as_map("p0", p0)
            if array.shape[:-1] != self.shape or array.shape[-1] == 0:
                raise value_error(
                    f"p0 has shape {array.shape}; want (N,), or {self.shape} and N: a start for "
                    "each fit."
                )
            return Starts(self, f, array, None, bounds)
        first, limits = parameters.start(f, p0, bounds)
        return Starts(self, f, np.broadcast_to(first, (*self.shape, first.size)), None, limits)


class Starts:
    """Where the fits start, and the bounds on all."""

    def __init__(
        self,
        maps: Maps,
        f: Callable[..., Any],
        array: npt.NDArray[Any] | None,
        function: Callable[..., Any] | None,
        bounds: Any,
    ) -> None:
        self._maps, self._array, self._function = maps, array, function
        if array is not None:
            self.n = array.shape[-1]
        else:
            first = self._called(np.arange(min(1, int(np.prod(maps.shape)))))
            self.n = first.shape[-1]
        self.limits = parameters.limits(f, bounds, self.n)

    def take(self, numbers: IndexArray) -> FloatArray:
        """Return the starts of these fits, shape (b, N)."""
        if self._array is None:
            starts = self._called(numbers)
            if starts.shape != (numbers.size, self.n):
                raise value_error(
                    f"p0 returned shape {starts.shape} for {numbers.size} fits; want "
                    f"{(numbers.size, self.n)}."
                )
            return starts
        return np.asarray(take(self._array, self._maps.shape, numbers), dtype=np.float64, order="C")

    def _called(self, numbers: IndexArray) -> FloatArray:
        assert self._function is not None
        value = self._function(self._maps.x_of(numbers), read_only(self._maps.y_of(numbers)))
        starts = as_floats(value, "p0 returned")
        if starts.ndim != 2 or len(starts) != numbers.size or starts.shape[1] == 0:
            raise value_error(
                f"p0 returned shape {starts.shape} for {numbers.size} fits; want "
                f"({numbers.size}, N): the starts of the fits whose data y are, as rows."
            )
        return np.ascontiguousarray(starts)


def _as_map(name: str, value: Any) -> npt.NDArray[Any]:
    """Take an array of real numbers as it is, to be converted in pieces; anything else at once."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        if not isinstance(value, np.ma.MaskedArray):
            return value
    return as_data(name, value)


def _weights(sigma: FloatArray, missing: BoolArray | None) -> FloatArray:
    """Return the inverse of `sigma`, 0 where a point is left out that has none."""
    weights, bad = inverse(sigma)
    if not bad.any():
        return weights
    kept = bad if missing is None else bad & ~missing
    if kept.any():
        where = tuple(np.argwhere(kept)[0])
        value = np.broadcast_to(sigma, kept.shape)[where]
        raise value_error(f"sigma has {value}; {USABLE}, but for nan_policy='omit'.")
    return np.where(bad, 0.0, weights)


def _nan(where: str) -> str:
    return f"The input contains nan values: {where}."
