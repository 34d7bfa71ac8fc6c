"""The standard error of a fitted curve, by propagation of the parameters' covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._called import value_error
from .._input.arguments import as_floats
from .._input.fit_data import as_data
from .._input.missing import is_array, is_column

if TYPE_CHECKING:
    from .fitted import Fitted

__all__ = ["band", "curve"]

FloatArray = npt.NDArray[np.float64]

#: Length of a difference step, in standard deviations: long enough to stand out of the rounding
#: errors of f, and short beside the region for which propagation takes the curve to be linear.
STEP = 0.1


def curve(fit: Fitted, x: Any, popt: FloatArray | None = None) -> FloatArray:
    """Return f at `x`, as floats; one number stands for all of a vector `x`."""
    if fit.f is None:
        raise value_error(
            "This result comes from a pickle, which could not hold its f or xdata; want an f that "
            "can be imported by name, or evaluate it where the fit was made."
        )
    values = as_floats(fit.f(x, *(fit.popt if popt is None else popt)), "f returned")
    if values.size == 1 and type(x) is np.ndarray:
        return np.full(x.shape[-1:], values.reshape(()))
    return values


def band(fit: Fitted, x: Any) -> FloatArray:
    """Return the standard error of f at `x`, in the shape of what f returns there."""
    if x is None and fit.ydata is None:
        raise value_error("This fit in chunks keeps no data; want x, where the band is wanted.")
    if isinstance(x, list | tuple | float | int) or is_array(x) or is_column(x):
        x = as_data("x", x)
    values = curve(fit, x)
    if np.isinf(fit.pcov).any():
        return np.full(values.shape, np.inf)
    axes = _axes(fit.pcov)
    if callable(fit.jac):
        derivatives = as_floats(fit.jac(x, *fit.popt), "jac returned")
        if fit.col_deriv:
            derivatives = derivatives.T
        changes = derivatives.reshape(values.size, fit.popt.size) @ axes
    else:
        columns = [_derivative(fit, x, values, axis) for axis in axes.T]
        changes = np.stack(columns, axis=-1).reshape(values.size, len(columns))
    return np.asarray(np.linalg.norm(changes, axis=-1).reshape(values.shape))


def _axes(pcov: FloatArray) -> FloatArray:
    """Return A with A Aᵀ = pcov, its columns the principal axes of one standard deviation.

    Those of the correlation matrix, which do not depend on the parameters' units. Parameters
    without an error (at a bound, fixed) stay where they are.
    """
    errors = np.sqrt(np.nan_to_num(pcov.diagonal()))
    scale = np.where(errors > 0.0, errors, 1.0)
    correlation = np.nan_to_num(pcov) / scale[:, None] / scale
    lengths, directions = np.linalg.eigh(correlation)
    return np.asarray(errors[:, None] * directions * np.sqrt(np.maximum(lengths, 0.0)))


def _derivative(fit: Fitted, x: Any, values: FloatArray, axis: FloatArray) -> FloatArray:
    """Change of the curve for a step along `axis`; differences of f, called within the bounds."""
    if not axis.any():
        return np.zeros_like(values)
    ahead, behind = _room(fit, axis), _room(fit, -axis)
    h = min(STEP, max(ahead, behind))
    if min(ahead, behind) >= h:
        return (curve(fit, x, fit.popt + h * axis) - curve(fit, x, fit.popt - h * axis)) / (2 * h)
    if ahead < behind:
        h = -h
    return (curve(fit, x, _within(fit, fit.popt + h * axis)) - values) / h


def _room(fit: Fitted, axis: FloatArray) -> float:
    """How many times `axis` goes into the way from popt to the first bound."""
    if fit.limits is None:
        return np.inf
    lower, upper = fit.limits
    moves = axis != 0.0
    way = np.where(axis > 0.0, upper - fit.popt, fit.popt - lower)[moves]
    return float(np.min(way / np.abs(axis[moves])))


def _within(fit: Fitted, p: FloatArray) -> FloatArray:
    """Take back what rounding has put beyond a bound."""
    return p if fit.limits is None else np.clip(p, *fit.limits)
