"""The covariance of the parameters, over the whole range of what numbers can be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .._input.arguments import EPS
from .._minpack import enorm, scaled

__all__ = ["beyond_range", "covariance", "norm", "pseudoinverse"]

FloatArray = npt.NDArray[np.float64]

TINY = float(np.finfo(np.float64).tiny)


def norm(fvec: Any) -> float:
    """Return the Euclidean norm of residuals; those of a fit in blocks know theirs."""
    return enorm(fvec) if isinstance(fvec, np.ndarray) else float(fvec.norm)


def covariance(
    popt: FloatArray,
    cov_x: FloatArray | None,
    infodict: Mapping[str, Any],
    free: int,
    limits: FloatArray | None,
    absolute_sigma: bool,
    fnorm: float | None = None,
) -> tuple[FloatArray, FloatArray | None]:
    """Scale `cov_x` to what the residuals tell of the variance of the data.

    Parameters
    ----------
    popt, cov_x, infodict
        As `leastsq` returns them.
    free : int
        Number of parameters that are not fixed.
    limits : ndarray, shape (2, N), or None
        Bounds.
    absolute_sigma : bool
        The variance of the residuals is 1.
    fnorm : float, optional
        Norm of the residuals, where it is at hand.

    Returns
    -------
    pcov : ndarray, shape (N, N)
        Filled with inf where there is no estimate.
    errors : ndarray, shape (N,), or None
        Standard errors, where `cov_x` or its factor are so large or small that their product might
        not be a number: there `pcov` has been made of these, and may over- or underflow itself.
    """
    fvec = infodict["fvec"]
    if cov_x is None or (fvec.size <= free and not absolute_sigma):
        return np.full((popt.size, popt.size), np.inf), None
    deviation = 1.0
    if not absolute_sigma:
        deviation = (norm(fvec) if fnorm is None else fnorm) / math.sqrt(fvec.size - free)
    pcov = scaled(cov_x, deviation)
    if pcov is not None:
        return pcov, None
    errors, correlation = _standard_errors(popt, infodict, limits, deviation)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        pcov = np.multiply.outer(errors, errors) * correlation
    pcov[correlation == 0] = 0.0
    return pcov, errors


def _standard_errors(
    popt: FloatArray,
    infodict: Mapping[str, Any],
    limits: FloatArray | None,
    deviation: float,
) -> tuple[FloatArray, FloatArray]:
    """Return standard errors, (N,), and correlations, (N, N), from R with columns of norm 1.

    With R = U C, C the norms of its columns, the covariance is (C⁻¹ U⁻¹)(C⁻¹ U⁻¹)ᵀ: the rows of
    U⁻¹ are of moderate size, whatever the units of parameters and data. Parameters at a bound get
    NaN, fixed ones 0.
    """
    n = popt.size
    r, variables, fixed = _free_columns(popt, infodict, limits)
    norms = np.array([enorm(np.ascontiguousarray(column)) for column in r.T])
    inverse = np.linalg.inv(np.linalg.qr(r / norms, mode="r"))
    rows = np.linalg.norm(inverse, axis=1)
    inverse /= rows[:, None]
    errors, correlation = np.full(n, np.nan), np.full((n, n), np.nan)
    with np.errstate(over="ignore", under="ignore"):
        errors[variables] = deviation / norms * rows
    correlation[np.ix_(variables, variables)] = inverse @ inverse.T
    np.fill_diagonal(correlation, np.where(np.isnan(errors), np.nan, 1.0))
    errors[fixed] = correlation[fixed] = correlation[:, fixed] = 0.0
    return errors, correlation


def pseudoinverse(
    popt: FloatArray,
    infodict: Mapping[str, Any],
    limits: FloatArray | None,
) -> FloatArray:
    """Return the covariance that too few data tell, as SciPy does: by the pseudoinverse of JᵀJ.

    What the data do not tell counts as certain. Parameters at a bound get NaN, fixed ones 0.
    """
    r, variables, fixed = _free_columns(popt, infodict, limits)
    _, values, directions = np.linalg.svd(r, full_matrices=False)
    told = values > EPS * max(r.shape) * values.max(initial=0.0)
    axes = directions[told].T / values[told]
    pcov = np.full((popt.size, popt.size), np.nan)
    pcov[np.ix_(variables, variables)] = axes @ axes.T
    pcov[fixed] = pcov[:, fixed] = 0.0
    return pcov


def _free_columns(
    popt: FloatArray,
    infodict: Mapping[str, Any],
    limits: FloatArray | None,
) -> tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return R without the columns of parameters at a bound, whose the others are, who is fixed."""
    variables, n = infodict["ipvt"] - 1, popt.size
    r = np.triu(infodict["fjac"][:, :n].T)
    fixed = np.zeros(n, dtype=bool)
    if limits is not None:
        fixed = limits[0] == limits[1]
        kept = ((limits[0] < popt) & (popt < limits[1]))[variables]
        r, variables = r[:, kept], variables[kept]
    return r, variables, fixed


def beyond_range(errors: FloatArray, pcov: FloatArray, names: Sequence[str]) -> list[str]:
    """Say which variances are no numbers, though the standard errors are."""
    variances = pcov.diagonal()
    beyond = (errors > 0) & np.isfinite(errors) & ((variances < TINY) | np.isinf(variances))
    named = [f" ({name})" for name in names] if len(names) == errors.size else [""] * errors.size
    return [
        f"The variance of parameter {j}{named[j]}, the square of its standard error "
        f"{errors[j]:.3g}, is beyond the range of double precision: choose other units."
        for j in np.flatnonzero(beyond).tolist()
    ]
