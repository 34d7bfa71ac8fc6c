"""What a model returns, compared with the data, as residuals and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._called import type_error, value_error
from .._input.arguments import as_floats, layout_advice
from .._minpack import enorm

if TYPE_CHECKING:
    from .weights import Weights

__all__ = ["as_arrays", "compared", "fitted_of", "jacobian_of", "residuals_of", "scale_of"]

FloatArray = npt.NDArray[np.float64]


def compared(ydata: FloatArray, value: Any) -> FloatArray:
    """Return `ydata`, a scalar in the shape of what `f` returned; raise where the two do not fit.

    A model that returns one number is a constant, and stands for all data.
    """
    if type(value) is not np.ndarray or value.dtype != np.float64:
        value = as_floats(value, "f returned")
    shape = value.shape
    if shape == ydata.shape:
        return ydata
    size = math.prod(shape)
    if ydata.size == 1:
        return np.full(shape, ydata) if size > 1 else ydata
    if size == 1 or (size == ydata.size and _is_row(shape) and _is_row(ydata.shape)):
        return ydata
    advice = ""
    if shape == ydata.shape[1:]:
        advice = (
            " A fit has one set of parameters: for one to each row of ydata, call "
            "curve_fit_many(f, xdata, ydata)."
        )
    raise value_error(f"f returned shape {shape}; want that of ydata, {ydata.shape}.{advice}")


def _is_row(shape: tuple[int, ...]) -> bool:
    return math.prod(shape[:-1]) == 1


def as_arrays(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make `f` return arrays in place of pandas' Series."""

    def arrays(*args: Any) -> FloatArray:
        return as_floats(f(*args), "f returned")

    return arrays


def residuals_of(
    f: Callable[..., Any], xdata: Any, ydata: FloatArray, weights: Weights | None, first: Any
) -> Callable[[FloatArray], Any]:
    """Make the function to minimise; `first` is what `f` returned at the start."""
    weigh = None if weights is None else weights.residuals

    def residuals(p: FloatArray) -> Any:
        nonlocal first
        if first is None:
            value = f(xdata, *p)
            try:
                difference = value - ydata
            except (TypeError, ValueError):
                compared(ydata, value)  # says which of the two is not what it was before
                raise
        else:
            difference, first = first - ydata, None
        return difference if weigh is None else weigh(difference)

    return residuals


def jacobian_of(
    jac: Callable[..., Any],
    xdata: Any,
    weights: Weights | None,
    want: tuple[int, int],
    col_deriv: bool,
) -> Callable[[FloatArray], FloatArray]:
    """Make the weighted Jacobian, of shape (N, M)."""
    n, m = want

    def jacobian(p: FloatArray) -> FloatArray:
        value = as_floats(jac(xdata, *p), "jac returned")
        rows = value if col_deriv else value.T
        if n == 1 and rows.shape == (m,):
            rows = rows.reshape(want)
        if rows.shape != want:
            layout = f"{want} = (N, M), as col_deriv is true" if col_deriv else f"{(m, n)} = (M, N)"
            raise type_error(
                f"jac returned shape {value.shape}; want {layout}, for M = {m} data points and "
                f"N = {n} parameters.{layout_advice(value.shape, want, col_deriv)}"
            )
        return rows if weights is None else weights.jacobian(rows)

    return jacobian


def fitted_of(
    f: Callable[..., Any], xdata: Any, ydata: FloatArray, weights: Weights | None
) -> Callable[[FloatArray], Any]:
    """Make the function that returns the fitted values, weighted as the residuals are."""

    def fitted(p: FloatArray) -> Any:
        values, _ = np.broadcast_arrays(f(xdata, *p), ydata)
        return np.ravel(values if weights is None else weights.residuals(values))

    return fitted


def scale_of(ydata: FloatArray, weights: Weights | None, fvec: Any) -> float:
    """Norm of the numbers that the residuals are differences of.

    Those of the residuals themselves where the data are zeros, and the model compares.
    """
    return enorm(ydata if weights is None else weights.residuals(ydata)) or enorm(fvec) or 1.0
