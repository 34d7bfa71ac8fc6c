"""The picture of a fit: data, curve, band, and the residuals below; needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._called import named, value_error
from .band import band as band_of
from .band import curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from .._result import _Result

__all__ = ["plot"]

FloatArray = npt.NDArray[np.float64]

POINTS = 400
DATA, CURVE = "0.25", "C0"


def plot(result: _Result, figure: Figure | SubFigure | None) -> tuple[Axes, Axes]:
    """Draw into `figure`, or into a new one of pyplot's."""
    fit = result._fitted
    x = fit.xdata
    if fit.ydata is None:
        raise value_error("This fit in chunks keeps no data: there is nothing to plot.")
    if not (type(x) is np.ndarray and x.shape == fit.ydata.shape and x.ndim == 1):
        came = f"shape {x.shape}" if type(x) is np.ndarray else f"a {type(x).__name__}"
        raise value_error(
            f"plot draws a curve over one predictor: xdata of shape (M,), and as many ydata; here "
            f"xdata are {came}, ydata of shape {fit.ydata.shape}. For others, draw what f returns "
            "for result.popt, with result.band(x) as its error."
        )
    predicted = curve(fit, x)
    try:
        if figure is None:
            from matplotlib import pyplot

            figure = pyplot.figure(layout="constrained")
    except ImportError as error:
        raise ImportError(
            named("want matplotlib, which is not installed: pip install matplotlib.")
        ) from error

    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    errors = _errors(fit.weights, x.size)
    style = {"fmt": ".", "color": DATA, "ecolor": "0.6", "elinewidth": 1.0, "zorder": 1}
    upper.errorbar(x, fit.ydata, errors, label="data", **style)
    lower.errorbar(x, fit.ydata - predicted, errors, **style)

    grid = np.linspace(x.min(), x.max(), POINTS)
    try:
        values, band = curve(fit, grid), band_of(fit, grid)
        drawn = values.shape == grid.shape
    except Exception:  # a model that knows its own x alone
        drawn = False
    if not drawn:
        order = np.argsort(x, kind="stable")
        grid, values, band = x[order], predicted[order], band_of(fit, x)[order]
    upper.plot(grid, values, color=CURVE, label="fit", zorder=3)
    if np.isfinite(band).all():
        shade = {"color": CURVE, "alpha": 0.25, "linewidth": 0, "zorder": 2}
        upper.fill_between(grid, values - band, values + band, label="± 1 standard error", **shade)
        lower.fill_between(grid, -band, band, **shade)
    lower.axhline(0.0, color=CURVE, linewidth=1.0, zorder=3)
    upper.set_title(result.title, fontsize="medium")
    upper.set_ylabel("data and fit")
    lower.set_ylabel("data - fit")
    lower.set_xlabel(result.title.partition("(")[2].partition(",")[0].rstrip(")") or "x")
    upper.legend(frameon=False)
    figure.align_ylabels()
    return upper, lower


def _errors(weights: float | FloatArray | None, m: int) -> FloatArray | None:
    """Return the standard deviations of the data, where known; 0 for those without weight."""
    if weights is None:
        return None
    if isinstance(weights, np.ndarray) and weights.ndim == 2:  # L⁻¹ of a covariance L Lᵀ
        return np.asarray(np.linalg.norm(np.linalg.inv(weights), axis=1))
    weight = np.broadcast_to(np.abs(weights), (m,))
    return np.asarray(np.divide(1.0, weight, out=np.zeros(m), where=weight > 0.0))
