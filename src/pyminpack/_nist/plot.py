"""Draw data and fitted curves; needs matplotlib, the optional extra ``plot``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .certify import Run
from .datasets import Dataset
from .models import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["save"]

_POINTS_OF_A_CURVE = 400


def save(runs: Sequence[Run], path: Path) -> None:
    """Draw each data set with its best fit, one panel a data set, into a picture file.

    Parameters
    ----------
    runs : sequence of Run
        Of several runs on one data set, the one with the least residual sum of squares is drawn.
    path : Path
        Its suffix chooses the format.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    best = _best(runs)
    columns = math.ceil(math.sqrt(len(best)))
    rows = math.ceil(len(best) / columns)
    size = (6.4, 4.8) if len(best) == 1 else (3.2 * columns, 2.6 * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for run, axes in zip(best, panels, strict=False):
        _panel(axes, run)
    for axes in panels[len(best) :]:
        axes.set_axis_off()
    figure.savefig(path)


def _best(runs: Sequence[Run]) -> list[Run]:
    by_name: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.rss, reverse=True):
        by_name[run.dataset.name] = run
    return [by_name[name] for name in dict.fromkeys(run.dataset.name for run in runs)]


def _panel(axes: Axes, run: Run) -> None:
    """Points and curve of one run; one colour for each value of a second predictor."""
    dataset = run.dataset
    for i, (label, of_group) in enumerate(_groups(dataset)):
        x = np.atleast_2d(dataset.x)[:, of_group]
        axes.plot(x[0], dataset.y[of_group], ".", color=f"C{i}", label=label)
        grid, curve = _curve(run, x)
        axes.plot(grid, curve, "-", color=f"C{i}" if label else "C1")
    axes.set_title(f"{dataset.name}, {run.digits:.1f} digits", fontsize="medium")
    axes.set_xlabel(dataset.predictors[0], fontsize="small")
    axes.set_ylabel(dataset.response, fontsize="small")
    if len(dataset.predictors) > 1:
        axes.legend(title=dataset.predictors[1], fontsize="x-small", title_fontsize="x-small")


def _groups(dataset: Dataset) -> Iterator[tuple[str, Array]]:
    """Split the observations by the second predictor, where there is one: label and mask."""
    if dataset.x.ndim == 1:
        yield "", np.full(len(dataset.y), True)
        return
    for level in np.unique(dataset.x[1]):
        yield f"{level:g}", dataset.x[1] == level


def _curve(run: Run, x: Array) -> tuple[Array, Array]:
    """Evaluate the fit along the first predictor, the others as in the first observation."""
    grid = np.linspace(x[0].min(), x[0].max(), _POINTS_OF_A_CURVE)
    predictors = np.vstack([grid, *(np.full_like(grid, row[0]) for row in x[1:])])
    return grid, run.dataset.fitted(run.parameters, predictors if len(x) > 1 else grid)
