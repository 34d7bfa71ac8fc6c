"""What `curve_fit` makes of data, their uncertainties, and bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arguments import _describe, as_pair
from ._minpack import enorm

__all__ = [
    "all_finite",
    "correlated",
    "count",
    "inside",
    "limits",
    "nonfinite",
    "prepare",
    "weights",
]

FloatArray = npt.NDArray[np.float64]

SMALL = 64  # order up to which LAPACK inverts a triangle as fast as recursion does


def prepare(
    xdata: Any, ydata: Any, sigma: Any, check_finite: bool | None, nan_policy: str | None
) -> tuple[Any, FloatArray, Any]:
    """Convert the data, check them, and leave out what `nan_policy` wants left out.

    Returns
    -------
    xdata : object
        A float64 array where a list, tuple or array came, else what came.
    ydata : ndarray
    sigma : object
        What came, less what was left out.
    """
    if nan_policy not in (None, "raise", "omit"):
        if isinstance(nan_policy, str) and nan_policy == "propagate":
            raise ValueError("`nan_policy='propagate'` is not supported by this function.")
        raise ValueError(
            f"nan_policy must be one of {{None, 'raise', 'omit'}}, not {_describe(nan_policy)}."
        )
    y = _as_data("ydata", ydata)
    if y.size == 0:
        raise ValueError("ydata must not be empty.")
    if isinstance(xdata, list | tuple | np.ndarray):
        xdata = _as_data("xdata", xdata)
    if nan_policy is None if check_finite is None else check_finite:
        for name, array in (("xdata", xdata), ("ydata", y)):
            if bad := nonfinite(name, array):
                hint = "; nan_policy='omit' leaves out what is NaN" if "nan" in bad else ""
                raise ValueError(f"{name} must not contain infs or NaNs: {bad}{hint}.")
    elif nan_policy is not None:
        return _apply_nan_policy(xdata, y, sigma, nan_policy)
    return xdata, y, sigma


def _as_data(name: str, value: Any) -> FloatArray:
    """Convert to float64 without loss of meaning."""
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(
            f"{name} is a masked array with masked entries; want numbers for all. To leave these "
            "out, pass value.filled(np.nan) with nan_policy='omit'."
        )
    try:
        array = np.asarray(value)
        if value is not None and array.dtype.kind not in "cSU":
            return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):  # ragged; objects that are no numbers
        pass
    raise TypeError(f"{name} is {_describe(value)}; want real numbers.")


def nonfinite(name: str, data: Any) -> str:
    """Say which entry of an array is the first that is not finite, if there is one."""
    if not isinstance(data, np.ndarray) or all_finite(data):
        return ""
    return _first(name, data, ~np.isfinite(data))


def all_finite(data: FloatArray) -> bool:
    """Whether all entries are finite: in one pass, a tenth of numpy's time on few of them."""
    return math.isfinite(enorm(data.ravel())) or bool(np.isfinite(data).all())


def _first(name: str, array: FloatArray, bad: npt.NDArray[np.bool_]) -> str:
    """Say which is the first bad entry, and what it is."""
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    index = f"[{', '.join(map(str, where))}]" if where else ""
    return f"{name}{index} is {array[where]}"


def _apply_nan_policy(
    xdata: Any, y: FloatArray, sigma: Any, nan_policy: str
) -> tuple[Any, FloatArray, Any]:
    missing = np.isnan(y)
    x = np.asarray(xdata) if hasattr(xdata, "__array__") else np.empty(0)  # tables have it too
    missing_x = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, dtype=bool)
    if not (missing.any() or missing_x.any()):
        return xdata, y, sigma
    if nan_policy == "raise":
        name, array, bad = ("ydata", y, missing) if missing.any() else ("xdata", x, missing_x)
        raise ValueError(f"The input contains nan values: {_first(name, array, bad)}.")
    if not isinstance(xdata, np.ndarray):
        raise ValueError(
            f"nan_policy='omit' can leave nothing out of xdata, which is a {type(xdata).__name__}; "
            "want a list, tuple or array, or data without NaN."
        )
    if y.ndim != 1 or x.shape[-1:] != y.shape:
        raise ValueError(
            f"nan_policy='omit' wants ydata of shape (M,) and xdata of shape (..., M); they are "
            f"{y.shape} and {x.shape}."
        )
    keep = ~(missing | missing_x.any(axis=tuple(range(x.ndim - 1))))
    return x[..., keep], y[keep], None if sigma is None else _select(sigma, keep)


def _select(sigma: Any, keep: npt.NDArray[np.bool_]) -> Any:
    """Leave out of `sigma`, (M,) or (M, M), what is left out of the data."""
    deviations = np.asarray(sigma)
    if deviations.shape == keep.shape:
        return deviations[keep]
    if deviations.shape == keep.shape * 2:
        return deviations[np.ix_(keep, keep)]
    return sigma


def weights(sigma: Any, ydata: FloatArray) -> float | FloatArray:
    """Turn uncertainties into what the residuals are to be multiplied with.

    Returns
    -------
    float, or ndarray of shape ydata.shape or (M, M)
        A matrix W, for W @ residuals, where `sigma` is a covariance matrix: its inverse is WᵀW.
    """
    deviations = _as_data("sigma", sigma)
    m = ydata.size
    if deviations.shape == (m, m):
        return _whitening(deviations)
    if deviations.shape in ((), (1,)):
        deviations = deviations.reshape(())
    elif deviations.shape in ((m,), ydata.shape):
        deviations = deviations.reshape(ydata.shape)
    else:
        raise ValueError(
            f"sigma has incorrect shape {deviations.shape}; want a scalar, (M,) or (M, M), "
            f"for M = {m} data points."
        )
    with np.errstate(divide="ignore", over="ignore"):
        weight = 1.0 / deviations
    if not np.isfinite(weight).all():
        bad = _first("sigma", deviations, ~np.isfinite(weight))
        raise ValueError(f"{bad}; want standard deviations other than 0 and NaN.")
    return weight if weight.ndim else float(weight)


def _whitening(covariance: FloatArray) -> FloatArray:
    """Return L⁻¹ for covariance = L Lᵀ."""
    if bad := nonfinite("sigma", covariance):
        raise ValueError(f"sigma must not contain infs or NaNs: {bad}.")
    try:
        return _inverse_triangle(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        raise ValueError(
            "sigma must be positive definite, as the covariance matrix of ydata that it is by its "
            f"shape, {covariance.shape}."
        ) from None


def correlated(weights: object, ydata: FloatArray) -> bool:
    """Whether the weights are a matrix: those of `ydata` with a covariance matrix."""
    return isinstance(weights, np.ndarray) and weights.shape == (ydata.size, ydata.size)


def _inverse_triangle(lower: npt.NDArray[Any]) -> FloatArray:
    """Invert a lower triangular matrix, by halves: order**3/3 multiplications, most in products."""
    n = len(lower)
    if n <= SMALL:
        # The LU decomposition of an upper triangle is itself: what is left is back substitution.
        return np.asarray(np.linalg.inv(lower.T).T, dtype=np.float64)
    k = n // 2
    inverse = np.zeros((n, n))
    inverse[:k, :k] = _inverse_triangle(lower[:k, :k])
    inverse[k:, k:] = _inverse_triangle(lower[k:, k:])
    inverse[k:, :k] = -inverse[k:, k:] @ (lower[k:, :k] @ inverse[:k, :k])
    return inverse


def limits(bounds: Any, n: int) -> tuple[FloatArray, FloatArray] | None:
    """Return lower and upper bounds, each of shape (n,), or None where all are infinite."""
    low, high = as_pair(bounds)
    lower, upper = _as_limit("lower", low, n), _as_limit("upper", high, n)
    empty = np.flatnonzero(~((lower <= upper) & (lower < np.inf) & (upper > -np.inf)))
    if empty.size:
        k = empty[0]
        raise ValueError(
            f"The bounds of p[{k}] are [{lower[k]}, {upper[k]}]; want lower <= upper, "
            "and a finite number between them."
        )
    unbounded = not (np.isfinite(lower).any() or np.isfinite(upper).any())
    return None if unbounded else (lower, upper)


def count(bounds: Any) -> int:
    """Tell the number of parameters from bounds of which one is a vector; 0 where none is."""
    sides = () if bounds is None else as_pair(bounds)
    return max((np.size(side) for side in sides if np.ndim(side) == 1), default=0)


def _as_limit(which: str, value: Any, n: int) -> FloatArray:
    limit = _as_data(f"The {which} bound", value)
    if limit.shape not in ((), (1,), (n,)):
        raise ValueError(
            f"The {which} bound has shape {limit.shape}; want a scalar or ({n},), "
            f"one for each of the N = {n} parameters."
        )
    return np.full(n, limit)


def inside(lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Choose a start: 1, the middle between two bounds, or one unit inside of a single one."""
    low, high = np.isfinite(lower), np.isfinite(upper)
    start = np.ones(lower.size)
    start[low & ~high] = lower[low & ~high] + 1.0
    start[high & ~low] = upper[high & ~low] - 1.0
    both = low & high
    start[both] = 0.5 * lower[both] + 0.5 * upper[both]
    return start
