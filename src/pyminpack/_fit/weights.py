"""Weights of data: what residuals and their derivatives are multiplied with, for variances of 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import value_error
from .._input.fit_data import as_data, nonfinite
from .._input.missing import first_bad

__all__ = ["USABLE", "Weights", "as_weights", "inverse"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

USABLE = "want standard deviations other than 0 and NaN"
SMALL = 64  # order up to which LAPACK inverts a triangle as fast as recursion does


class Weights:
    """Of data that are not correlated: the inverse of their standard deviations.

    Attributes
    ----------
    factor : float, or ndarray in the shape of the data
    """

    __slots__ = ("factor",)

    def __init__(self, factor: float | FloatArray) -> None:
        self.factor = factor

    def residuals(self, values: Any) -> Any:
        """Return residuals, or other values in the shape of the data, weighted."""
        return self.factor * values

    def jacobian(self, rows: FloatArray) -> FloatArray:
        """Return derivatives, shape (N, M), weighted."""
        weighted: FloatArray = rows * np.ravel(self.factor)
        return weighted


class Whitening(Weights):
    """Of correlated data, with the covariance L Lᵀ: the matrix L⁻¹ is their `factor`."""

    __slots__ = ()
    factor: FloatArray

    def residuals(self, values: Any) -> Any:
        """Return values as a vector of numbers that are not correlated."""
        return self.factor @ np.ravel(values)

    def jacobian(self, rows: FloatArray) -> FloatArray:
        """Return the derivatives of these."""
        whitened: FloatArray = rows @ self.factor.T
        return whitened


def as_weights(sigma: Any, ydata: FloatArray) -> Weights:
    """Take `sigma`: a deviation for all of `ydata` or for each, shape (M,), or their covariance."""
    deviations = as_data("sigma", sigma)
    m = ydata.size
    if deviations.shape == (m, m):
        return Whitening(_inverse_root(deviations))
    if deviations.shape in ((), (1,)):
        deviations = deviations.reshape(())
    elif deviations.shape in ((m,), ydata.shape):
        deviations = deviations.reshape(ydata.shape)
    else:
        raise value_error(
            f"sigma has incorrect shape {deviations.shape}; want a scalar, (M,) or (M, M), "
            f"for M = {m} data points."
        )
    factor, bad = inverse(deviations)
    if bad.any():
        raise value_error(f"{first_bad('sigma', deviations, bad)}; {USABLE}.")
    return Weights(factor if factor.ndim else float(factor))


def inverse(deviations: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the inverse of standard deviations, and where it is none to weigh with."""
    with np.errstate(divide="ignore", over="ignore"):
        factor = np.asarray(1.0 / deviations)
    return factor, ~np.isfinite(factor)


def _inverse_root(covariance: FloatArray) -> FloatArray:
    """Return L⁻¹ for covariance = L Lᵀ."""
    if bad := nonfinite("sigma", covariance):
        raise value_error(f"sigma must not contain infs or NaNs: {bad}.")
    try:
        return _inverse_triangle(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        raise value_error(
            "sigma must be positive definite, as the covariance matrix of ydata that it is by its "
            f"shape, {covariance.shape}."
        ) from None


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
