"""The model of `curve_fit_many`, called for many fits at a time; and whether it can be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _parameters
from ._arguments import _as_floats, residual_eps
from ._many_data import Maps, Starts

__all__ = ["BatchModel"]

FloatArray = npt.NDArray[np.float64]

#: Relative difference of two ways of calling a model that rounding does not explain.
SUSPICIOUS = 1e-6
#: Relative distance of two starts of which one is made of the other.
APART = 2.0**-10

ADVICE = (
    "f gets the parameters of many fits at a time, each of shape (b, 1), and returns shape (b, M): "
    "write it with NumPy's functions in place of math's, np.where in place of if, sums over the "
    "last axis with keepdims=True. A model that cannot be written so takes a loop over curve_fit."
)


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
        self.eps = float(np.finfo(np.float64).eps)

    def derivatives(self, x: Any, *parameters: FloatArray) -> Any:
        """Return what `jac` does, shape (b, M, N)."""
        assert self._jac is not None
        b, jacobian = len(parameters[0]), _as_floats(self._jac(x, *parameters), "jac returned")
        if jacobian.ndim == 3:
            return jacobian.transpose(self._axes)
        return np.broadcast_to(jacobian, (b, self._maps.m, self._n))

    def _x(self, rows: tuple[FloatArray, ...]) -> Any:
        return self._maps.as_f_gets_it(rows[0]) if rows else self._maps.x

    def probe(self, starts: Starts) -> None:
        """Call `f` for the first fits one by one and together; raise where these differ."""
        count = int(np.prod(self._maps.shape))
        numbers = np.arange(min(2, count)) if count > 1 else np.zeros(2, dtype=np.int64)
        x0 = starts.take(numbers).copy()
        if np.array_equal(x0[0], x0[1]):
            x0[1] = self._nearby(x0[1])
        x0 = np.concatenate([x0, x0[:1]])  # three: no shape of one fit, and rarely M or N
        numbers = np.append(numbers, numbers[0])
        rows = self._maps.block(numbers)[3]
        with np.errstate(all="ignore"):
            together = self._together(x0, rows)
            for i in range(2):
                self._compare(together, x0, rows, i)
            if self._jac is not None:
                value = self._jac(self._x(rows), *_columns(x0))
                self._find_axes(_as_floats(value, "jac returned").shape, len(x0))

    def _nearby(self, x: FloatArray) -> FloatArray:
        moved = np.where(x == 0, APART, x * (1 + APART))
        return moved if self._limits is None else np.clip(moved, *self._limits)

    def _together(self, x0: FloatArray, rows: tuple[FloatArray, ...]) -> FloatArray:
        try:
            value = self._f(self._x(rows), *_columns(x0))
        except (TypeError, ValueError) as error:
            if text := _parameters.wrong_number(self._f, self._n):
                raise TypeError(text) from error
            if self._alone(x0, rows, 0) is None:
                raise  # it is not the shapes
            raise TypeError(f"f does not broadcast: {error!s:.200} {ADVICE}") from error
        self.eps = residual_eps(value)
        values = _as_floats(value, "f returned")
        want = len(x0), self._maps.m
        try:
            return np.broadcast_to(values, want)
        except ValueError:
            raise TypeError(
                f"f does not broadcast: it returned shape {values.shape} for {want[0]} fits; want "
                f"{want}. {ADVICE}"
            ) from None

    def _alone(self, x0: FloatArray, rows: tuple[FloatArray, ...], i: int) -> FloatArray | None:
        """Return f for one fit, as `curve_fit` calls it; None where it cannot be called so."""
        x = rows[0][i] if rows else self._maps.x
        try:
            return np.broadcast_to(_as_floats(self._f(x, *x0[i]), "f returned"), (self._maps.m,))
        except Exception:
            return None

    def _compare(
        self, together: FloatArray, x0: FloatArray, rows: tuple[FloatArray, ...], i: int
    ) -> None:
        alone = self._alone(x0, rows, i)
        if alone is None:
            return
        both = np.isfinite(alone) & np.isfinite(together[i])
        size = np.abs(alone[both]).max(initial=0.0)
        tolerance = max(SUSPICIOUS, self.eps**0.5) * size
        if np.any(np.abs(together[i] - alone)[both] > tolerance):
            j = int(np.argmax(np.where(both, np.abs(together[i] - alone), 0.0)))
            raise TypeError(
                f"f mixes fits: called for {len(together)} of them it gives {together[i, j]:.6g} "
                f"where it gives {alone[j]:.6g} for one alone (fit {i}, point {j}). {ADVICE}"
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
        raise TypeError(
            f"jac returned shape {shape} for {b} fits; want {want} = (b, M, N), or its axes in "
            "another order. Derivatives that do not depend on all parameters need "
            "np.broadcast_to or np.broadcast_arrays before they are stacked."
        )


def _columns(X: FloatArray) -> FloatArray:
    """Return the parameters of many fits as a model gets them, each of shape (b, 1)."""
    return X.T[:, :, None]
