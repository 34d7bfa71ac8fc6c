"""Fit the data sets and count the correct digits."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np

from .._leastsq import leastsq
from .datasets import Dataset
from .models import Array
from .reach import Due, Settings, due, why_out_of_reach

__all__ = ["CERTIFIED_DIGITS", "Run", "certify", "correct_digits"]

#: NIST certifies this many significant digits; more cannot be counted.
CERTIFIED_DIGITS = 11.0

Verdict = Literal["ok", "out of reach", "failed"]


@dataclass(frozen=True)
class Run:
    """One fit of a data set from one of its starts, held against the certified values.

    Attributes
    ----------
    dataset : Dataset
    start : int
        1 or 2.
    ier, nfev, njev : int
        As from ``leastsq``; njev is None where differences were taken.
    message : str
    parameters : array (N,)
    standard_errors : array (N,), or None where the covariance could not be estimated
    rss : float
        Residual sum of squares.
    seconds : float
    due : Due
        What these tolerances and this Jacobian allow.
    known : str or None
        Why this run cannot reach the certified solution, if that is known.
    """

    dataset: Dataset
    start: int
    ier: int
    nfev: int
    njev: int | None
    message: str
    parameters: Array
    standard_errors: Array | None
    rss: float
    seconds: float
    due: Due
    known: str | None

    @property
    def digits(self) -> float:
        """Correct digits of the worst parameter."""
        return correct_digits(self.parameters, self.dataset.parameters)

    @property
    def error_digits(self) -> float | None:
        """Correct digits of the worst standard error."""
        if self.standard_errors is None:
            return None
        return correct_digits(self.standard_errors, self.dataset.standard_errors)

    @property
    def verdict(self) -> Verdict:
        """Whether the run delivers what is due."""
        if not self._shortfall():
            return "ok"
        return "out of reach" if self.known else "failed"

    @property
    def why(self) -> str:
        """The reason of a verdict that is not 'ok'."""
        shortfall = self._shortfall()
        return shortfall and (self.known or shortfall)

    def _shortfall(self) -> str:
        """Say what is due and not delivered; empty if nothing."""
        if self.ier not in {1, 2, 3, 4, 6, 7, 8}:
            return self.message
        if self.digits < self.due.digits:
            return f"{self.digits:.1f} correct digits where {self.due.digits:.1f} are due"
        # A tolerance too small to be met (ier 6 to 8) is no failure here, but leaves no covariance.
        if self.ier <= 4 and (self.error_digits or 0.0) < self.due.error_digits:
            return f"standard errors without the {self.due.error_digits:.0f} correct digits due"
        return ""


def certify(
    datasets: Iterable[Dataset], starts: Iterable[int] = (1, 2), settings: Settings | None = None
) -> list[Run]:
    """Fit each data set from each start.

    Parameters
    ----------
    datasets : iterable of Dataset
    starts : iterable of int
        1, 2 or both.
    settings : Settings, optional
        Tolerances and Jacobian.

    Returns
    -------
    list of Run

    Examples
    --------
    >>> from pyminpack._nist.datasets import datasets
    >>> run, = certify([datasets()["Misra1a"]], starts=[2])
    >>> run.verdict, run.digits > 6
    ('ok', True)
    """
    settings = settings or Settings()
    starts = tuple(starts)
    runs = []
    for dataset in datasets:
        owed = due(dataset, settings)
        runs += [_run(dataset, start, settings, owed) for start in starts]
    return runs


def correct_digits(estimate: Array, certified: Array) -> float:
    """Correct significant digits of the worst entry: min of -log10 |relative error|, 0 to 11."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        digits = -np.log10(np.abs(estimate - certified) / np.abs(certified))
    worst = float(np.min(np.nan_to_num(digits, nan=0.0, posinf=CERTIFIED_DIGITS)))
    return min(max(worst, 0.0), CERTIFIED_DIGITS)


def _run(dataset: Dataset, start: int, settings: Settings, owed: Due) -> Run:
    began = perf_counter()
    x, cov_x, info, message, ier = leastsq(
        dataset.residuals,
        dataset.starts[start - 1],
        full_output=True,
        ftol=settings.ftol,
        xtol=settings.xtol,
        gtol=settings.gtol,
        maxfev=settings.maxfev,
        **_jacobian_arguments(dataset, settings.jacobian),
    )
    seconds = perf_counter() - began
    with np.errstate(over="ignore"):
        rss = float(np.sum(info["fvec"] ** 2))
    return Run(
        dataset=dataset,
        start=start,
        ier=ier,
        nfev=info["nfev"],
        njev=info.get("njev"),
        message=message,
        parameters=x,
        standard_errors=None if cov_x is None else np.sqrt(np.diag(cov_x) * rss / dataset.dof),
        rss=rss,
        seconds=seconds,
        due=owed,
        known=why_out_of_reach(dataset, start, settings),
    )


def _jacobian_arguments(dataset: Dataset, jacobian: str) -> dict[str, Any]:
    """Make the arguments of ``leastsq`` that choose the Jacobian."""
    if jacobian == "analytic":
        return {"Dfun": dataset.jacobian, "col_deriv": True}
    return {}
