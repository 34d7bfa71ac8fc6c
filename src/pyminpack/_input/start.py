"""Where a fit starts, and the bounds that hold it: checked here for every function that fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import as_floats, describe
from .fit_data import all_finite, as_data

__all__ = ["NAMES", "as_bounds", "as_limits", "as_pair", "as_start", "require_within"]

FloatArray = npt.NDArray[np.float64]

#: What each function calls its start.
NAMES = {
    "check_jacobian": "x",
    "curve_fit": "p0",
    "curve_fit_many": "p0",
    "leastsq": "x0",
    "leastsq_many": "x0",
}


def as_start(value: Any, caller: str = "leastsq") -> FloatArray:
    """Return a flat float64 copy of the start that `caller` was given: finite numbers."""
    name = NAMES[caller]
    x = as_floats(value, f"{name} is").flatten()
    if x.size and not all_finite(x):
        k = np.flatnonzero(~np.isfinite(x))[0]
        raise ValueError(f"{name}[{k}] is {x[k]}; {caller} wants finite numbers to start from.")
    return x


def as_bounds(bounds: Any, x: FloatArray, caller: str = "leastsq") -> FloatArray | None:
    """Return the bounds as `as_limits` does, when `x` is within them."""
    limits = as_limits(bounds, x.size, caller)
    if limits is not None:
        require_within(x, limits, bounds, caller)
    return limits


def as_limits(bounds: Any, n: int, caller: str) -> FloatArray | None:
    """Return the bounds on `n` variables, shape (2, n), lower and upper; None if all are infinite.

    `bounds` is a pair of scalars or vectors, or has them as `lb` and `ub`.
    """
    limits = np.empty((2, n))
    for row, side, which in zip(limits, as_pair(bounds, caller), ("lower", "upper"), strict=True):
        limit = as_data(f"The {which} bound", side)
        if limit.shape not in ((), (1,), (n,)):
            raise ValueError(
                f"The {which} bound has shape {limit.shape}; {caller} wants a scalar or ({n},), "
                f"one for each of the N = {n} parameters.{_pairs_advice(bounds)}"
            )
        row[:] = limit
    lower, upper = limits
    empty = np.flatnonzero(~((lower <= upper) & (lower < np.inf) & (upper > -np.inf)))
    if empty.size:
        k = empty[0]
        raise ValueError(
            f"The bounds of {NAMES[caller]}[{k}] are [{lower[k]}, {upper[k]}]; {caller} wants "
            f"lower <= upper, and a finite number between them.{_pairs_advice(bounds)}"
        )
    return limits if np.isfinite(limits).any() else None


def require_within(x: FloatArray, limits: FloatArray, bounds: Any, caller: str) -> None:
    """Raise where the start is not within the `limits` that have been made of `bounds`."""
    lower, upper = limits
    outside = np.flatnonzero((x < lower) | (x > upper))
    if outside.size:
        k, name = outside[0], NAMES[caller]
        raise ValueError(
            f"Initial guess is outside of provided bounds: {name}[{k}] is {x[k]}, outside of its "
            f"bounds [{lower[k]}, {upper[k]}]; {caller} starts within them."
            f"{_pairs_advice(bounds, x)}"
        )


def as_pair(bounds: Any, caller: str) -> tuple[Any, Any]:
    """Return the lower and the upper part of `bounds`: a pair, or what has `lb` and `ub`.

    None, for a part or in it, is infinite.
    """
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        lower, upper = bounds.lb, bounds.ub
    else:
        try:
            lower, upper = bounds
        except (TypeError, ValueError):
            raise ValueError(
                f"bounds is {describe(bounds)}; {caller} wants a pair (lower, upper)."
                f"{_pairs_advice(bounds)}"
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
