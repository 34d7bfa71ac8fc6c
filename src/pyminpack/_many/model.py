"""The model of `curve_fit_many`, called for many fits at a time; and whether it can be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import type_error, value_error
from .._input import parameters
from .._input.arguments import EPS, as_floats, residual_eps
from .data import Maps, Starts

__all__ = ["BatchModel"]

FloatArray = npt.NDArray[np.float64]

#: Relative difference of two ways of calling a model that rounding does not explain.
SUSPICIOUS = 1e-6
#: Relative distance of two starts of which one is made of the other.
APART = 2.0**-10

ADVICE = (
    "f gets the parameters of many fits at a time, each of shape (b, 1), and returns shape (b, M): "
    "write it with NumPy's functions in place of math's, np.where in place of if, sums over the "
    "last axis with keepdims=True, np.broadcast_arrays around what is stacked. A model that cannot "
    "be written so takes a loop over curve_fit."
)
OWN_X = " xdata has the shape of ydata, and so f got it with shape (b, M): each fit's own row."


class BatchModel:
    """`f` and `jac`, looked at before `solve_many` calls them."""

    def __init__(
        self,
        f: Callable[..., Any],
        jac: Callable[..., Any] | None,
        maps: Maps,
        n: int,
        limits: FloatArray | None,
    ) -> None:
        self._f, self._jac, self._maps, self._n, self._limits = f, jac, maps, n, limits
        self._axes: tuple[int, ...] = (0, 1, 2)
        self.eps = EPS

    def values(self, X: FloatArray, rows: tuple[FloatArray, ...]) -> Any:
        """Return what `f` does for fits with these parameters, shape (b, N), and rows of own x."""
        return self._f(self._x(rows), *_columns(X))

    def derivatives(self, x: Any, *parameters: FloatArray) -> FloatArray:
        """Return what `jac` does, shape (b, M, N)."""
        assert self._jac is not None
        jacobian = as_floats(self._jac(x, *parameters), "jac returned")
        want = len(parameters[0]), self._maps.m, self._n
        turned = jacobian.transpose(self._axes) if jacobian.ndim == 3 else jacobian
        if turned.shape == want:
            return turned
        try:
            return np.broadcast_to(turned, want)
        except ValueError:
            raise self._no_jacobian(jacobian.shape, want[0]) from None

    def _x(self, rows: tuple[FloatArray, ...]) -> Any:
        return self._maps.as_f_gets_it(rows[0]) if rows else self._maps.x

    def probe(self, starts: Starts) -> None:
        """Call `f` for the first fits one by one and together; raise where these differ."""
        count = int(np.prod(self._maps.shape))
        numbers = np.arange(min(2, count)) if count > 1 else np.zeros(2, dtype=np.int64)
        x0 = starts.take(numbers).copy()
        if np.array_equal(x0[0], x0[1]):
            x0[1] = self._nearby(x0[1])
        # As many as tell the axes of many fits apart, and have no shape of one fit.
        b = next(size for size in range(3, 6) if size not in (self._maps.m, self._n))
        x0, numbers = np.resize(x0, (b, self._n)), np.resize(numbers, b)
        rows = self._maps.block(numbers)[3]
        with np.errstate(all="ignore"):
            together = self._together(x0, rows)
            for i in range(2):
                self._compare(together, x0, rows, i)
            if self._jac is not None:
                value = self._called("jac", self._jac, x0, rows)
                self._find_axes(as_floats(value, "jac returned").shape, b)

    def _nearby(self, x: FloatArray) -> FloatArray:
        return self.within(np.where(x == 0, APART, x * (1 + APART)))

    def is_inside(self, x: FloatArray) -> Any:
        """Whether points, shape (b, N), are off all bounds."""
        if self._limits is None:
            return np.ones(len(x), dtype=bool)
        return ((self._limits[0] < x) & (x < self._limits[1])).all(axis=1)

    def within(self, x: FloatArray) -> FloatArray:
        """Move points into the bounds, if there are any."""
        return x if self._limits is None else np.clip(x, *self._limits)

    def _called(
        self, name: str, function: Callable[..., Any], x0: FloatArray, rows: tuple[FloatArray, ...]
    ) -> Any:
        """Call it for these fits together; where that fails, see whether it can be for one."""
        try:
            return function(self._x(rows), *_columns(x0))
        except Exception as error:
            if name == "f" and (text := parameters.wrong_number(function, self._n)):
                raise type_error(text) from error
            if self._alone(name, function, x0, rows, 0) is None:
                raise  # it is not the shapes
            text = f"{error!s:.200}".rstrip(".")
            raise type_error(f"{name} does not broadcast: {text}. {ADVICE}") from error

    def _alone(
        self,
        name: str,
        function: Callable[..., Any],
        x0: FloatArray,
        rows: tuple[FloatArray, ...],
        i: int,
    ) -> FloatArray | None:
        """Return it for one fit, as `curve_fit` calls it; None where it cannot be called so."""
        x = rows[0][i] if rows else self._maps.x
        try:
            return as_floats(function(x, *x0[i]), f"{name} returned")
        except Exception:
            return None

    def _together(self, x0: FloatArray, rows: tuple[FloatArray, ...]) -> FloatArray:
        value = self._called("f", self._f, x0, rows)
        self.eps = residual_eps(value)
        values, m = as_floats(value, "f returned"), self._maps.m
        want = len(x0), m
        try:
            return np.broadcast_to(values, want)
        except ValueError:
            pass
        alone = self._alone("f", self._f, x0, rows, 0)
        if alone is not None and alone.ndim == 1 and alone.size not in (1, m):
            raise value_error(
                f"f returned {alone.size} values for a fit, and ydata, shape {self._maps.y.shape}, "
                f"has {m}: the last axis holds the points of a fit. "
                "np.moveaxis(ydata, axis, -1) brings them there."
            )
        raise type_error(
            f"f does not broadcast: it returned shape {values.shape} for {want[0]} fits; want "
            f"{want}. {ADVICE}"
        )

    def _compare(
        self, together: FloatArray, x0: FloatArray, rows: tuple[FloatArray, ...], i: int
    ) -> None:
        alone = self._alone("f", self._f, x0, rows, i)
        if alone is None or alone.shape not in ((), (1,), (self._maps.m,)):
            return
        alone = np.broadcast_to(alone, (self._maps.m,))
        both = np.isfinite(alone) & np.isfinite(together[i])
        size = np.abs(alone[both]).max(initial=0.0)
        tolerance = max(SUSPICIOUS, self.eps**0.5) * size
        if np.any(np.abs(together[i] - alone)[both] > tolerance):
            j = int(np.argmax(np.where(both, np.abs(together[i] - alone), 0.0)))
            raise type_error(
                f"f mixes fits: called for {len(together)} of them it gives {together[i, j]:.6g} "
                f"where it gives {alone[j]:.6g} for one alone (fit {i}, point {j}). {ADVICE}"
                + (OWN_X if rows else "")
            )

    def _find_axes(self, shape: tuple[int, ...], b: int) -> None:
        """Find out in which order jac returns its axes; where several will do, the natural one."""
        want = b, self._maps.m, self._n
        if shape in (want, want[1:]):
            return
        for axes in itertools.permutations(range(3)):
            if tuple(shape[axis] for axis in axes if len(shape) == 3) == want:
                self._axes = axes
                return
        raise self._no_jacobian(shape, b)

    def _no_jacobian(self, shape: tuple[int, ...], b: int) -> TypeError:
        return type_error(
            f"jac returned shape {shape} for {b} fits; want {(b, self._maps.m, self._n)} = "
            "(b, M, N), or its axes in another order. Derivatives that do not depend on all "
            "parameters need np.broadcast_to or np.broadcast_arrays before they are stacked."
        )


def _columns(X: FloatArray) -> FloatArray:
    """Return the parameters of many fits as a model gets them, each of shape (b, 1)."""
    return X.T[:, :, None]
