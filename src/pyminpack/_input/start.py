"""Where a fit starts, and the bounds that hold it: checked here for every function that fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import called, value_error
from .arguments import as_floats, describe
from .fit_data import all_finite, as_data

__all__ = ["as_bounds", "as_limits", "as_pair", "as_start", "require_within"]

FloatArray = npt.NDArray[np.float64]


def as_start(value: Any) -> FloatArray:
    """Return a flat float64 copy of a start: finite numbers."""
    x = as_floats(value, "x0 is").flatten()
    if x.size and not all_finite(x):
        k = np.flatnonzero(~np.isfinite(x))[0]
        raise value_error(f"{called().x0}[{k}] is {x[k]}; want finite numbers to start from.")
    return x


def as_bounds(bounds: Any, x: FloatArray) -> FloatArray | None:
    """Return the bounds as `as_limits` does, when `x` is within them."""
    limits = as_limits(bounds, x.size)
    if limits is not None:
        require_within(x, limits, bounds)
    return limits


def as_limits(bounds: Any, n: int) -> FloatArray | None:
    """Return the bounds on `n` variables, shape (2, n), lower and upper; None if all are infinite.

    `bounds` is a pair of scalars or vectors, or has them as `lb` and `ub`.
    """
    limits = np.empty((2, n))
    for row, side, which in zip(limits, as_pair(bounds), ("lower", "upper"), strict=True):
        limit = as_data(f"the {which} bound", side)
        if limit.shape not in ((), (1,), (n,)):
            raise value_error(
                f"the {which} bound has shape {limit.shape}; want a scalar or ({n},), "
                f"one for each of the N = {n} parameters.{_pairs_advice(bounds)}"
            )
        row[:] = limit
    lower, upper = limits
    empty = np.flatnonzero(~((lower <= upper) & (lower < np.inf) & (upper > -np.inf)))
    if empty.size:
        k = empty[0]
        raise value_error(
            f"the bounds of {called().x0}[{k}] are [{lower[k]}, {upper[k]}]; want lower <= upper, "
            f"and a finite number between them.{_pairs_advice(bounds)}"
        )
    return limits if np.isfinite(limits).any() else None


def require_within(x: FloatArray, limits: FloatArray, bounds: Any) -> None:
    """Raise where the start is not within the `limits` that have been made of `bounds`."""
    lower, upper = limits
    outside = np.flatnonzero((x < lower) | (x > upper))
    if outside.size:
        k, name = outside[0], called().x0
        raise value_error(
            f"{name}[{k}] is {x[k]}, outside of its bounds [{lower[k]}, {upper[k]}]; want a start "
            f"within them.{_pairs_advice(bounds, x)}",
            "Initial guess is outside of provided bounds.",
        )


def as_pair(bounds: Any) -> tuple[Any, Any]:
    """Return the lower and the upper part of `bounds`: a pair, or what has `lb` and `ub`.

    None, for a part or in it, is infinite.
    """
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        lower, upper = bounds.lb, bounds.ub
    else:
        try:
            lower, upper = bounds
        except (TypeError, ValueError):
            raise value_error(
                f"bounds is {describe(bounds)}; want a pair (lower, upper).{_pairs_advice(bounds)}"
            ) from None
    return _without_none(lower, -np.inf), _without_none(upper, np.inf)


def _without_none(side: Any, infinite: float) -> Any:
    if side is None:
        return infinite
    if isinstance(side, np.ndarray) and side.dtype == object:
        side = side.tolist()
    if isinstance(side, list | tuple):
        return [infinite if value is None else value for value in side]
    return side


def _pairs_advice(bounds: Any, start: FloatArray | None = None) -> str:
    """Say what to do with bounds that look like minimize's, ``[(low, high), ...]``; else nothing.

    Two such pairs are a pair of vectors as well, and taken for that. The advice is for where that
    has failed, and the other reading would not.
    """
    if not isinstance(bounds, list | tuple | np.ndarray) or len(bounds) == 0:
        return ""
    try:
        if not all(np.shape(pair) == (2,) for pair in bounds):
            return ""
        if len(bounds) == 2:
            low, high = np.asarray(bounds, dtype=np.float64).T
            if not np.all(low <= high):
                return ""
            if start is not None and not np.all((low <= start) & (start <= high)):
                return ""
    except (TypeError, ValueError):  # ragged, or no numbers
        return ""
    return (
        " To give each parameter its own (low, high), as to SciPy's minimize, pass "
        "bounds=tuple(zip(*pairs)): lower bounds first, then upper ones."
    )
