"""What an `ier` means, and that there is no covariance, in words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ._called import called, named
from ._input.arguments import limit_on_calls
from ._minpack import (
    CAUSE_JACOBIAN,
    CAUSE_START,
    INFO_BOTH,
    INFO_FTOL,
    INFO_FTOL_SMALL,
    INFO_GTOL,
    INFO_GTOL_SMALL,
    INFO_MAXFEV,
    INFO_NONFINITE,
    INFO_STOPPED,
    INFO_XTOL,
    INFO_XTOL_SMALL,
    Options,
)

__all__ = [
    "CONVERGED",
    "IMPROPER",
    "UNKNOWN",
    "Terms",
    "advice",
    "message",
    "no_degrees_of_freedom",
    "nonfinite",
    "not_found",
    "terms",
]

FloatArray = npt.NDArray[np.float64]

#: Each `ier` of a fit that has come to a minimum.
CONVERGED = range(INFO_FTOL, INFO_GTOL + 1)
IMPROPER = "Improper input parameters."
#: What SciPy says, and filters of warnings look for.
UNKNOWN = "Covariance of the parameters could not be estimated"


_TOO_SMALL = {INFO_FTOL_SMALL: "ftol", INFO_XTOL_SMALL: "xtol", INFO_GTOL_SMALL: "gtol"}

#: ftol, xtol, gtol, the limit on calls, and whether it leaves out those for differences.
Terms = tuple[float, float, float, int, bool]


def terms(options: Options, n: int, analytic: bool) -> Terms:
    """Return what the texts name, for a fit of `n` variables with derivatives or without."""
    limit = limit_on_calls(options, n, analytic)
    return options.ftol, options.xtol, options.gtol, limit, options.trials_only


@lru_cache(maxsize=64)
def message(ier: int, terms: Terms) -> str:
    """Text for `ier` 1 to 8, 10 and negative ones (the meanings: MINPACK-1 User Guide, ANL-80-74).

    Cached: formatting it would cost more than a small fit's bookkeeping.
    """
    ftol, xtol, gtol, maxfev, trials_only = terms
    if ier < 0:
        return f"Stopped by func or Dfun, which returned {ier}."
    by_ftol = f"actual and predicted reductions of the sum of squares are at most ftol = {ftol:g}"
    by_xtol = f"the relative error between two consecutive iterates is at most xtol = {xtol:g}"
    limit, uncounted = "maxfev", ""
    if trials_only:
        limit, uncounted = "max_nfev", ", those for differences not counted"
    texts = {
        INFO_FTOL: f"Converged: both {by_ftol}.",
        INFO_XTOL: f"Converged: {by_xtol}.",
        INFO_BOTH: f"Converged: both {by_ftol}, and {by_xtol}.",
        INFO_GTOL: (
            "Converged: the cosine of the angle between the residuals and any column of the "
            f"Jacobian is at most gtol = {gtol:g} in absolute value."
        ),
        INFO_MAXFEV: f"Number of calls to function has reached {limit} = {maxfev:d}{uncounted}.",
        INFO_FTOL_SMALL: (
            f"ftol = {ftol:g} is too small: no further reduction of the sum of squares is possible."
        ),
        INFO_XTOL_SMALL: (
            f"xtol = {xtol:g} is too small: no further improvement of the solution is possible."
        ),
        INFO_GTOL_SMALL: (
            f"gtol = {gtol:g} is too small: the residuals are orthogonal to the columns of the "
            "Jacobian to machine precision."
        ),
        INFO_STOPPED: "Stopped by the callback.",
    }
    return texts[ier]


def nonfinite(
    cause: int, where: int, culprit: float, x: FloatArray, analytic: bool, block: int = -1
) -> str:
    """Text for `ier` 9.

    Parameters
    ----------
    cause : int
        CAUSE_START: residuals at the start; CAUSE_JACOBIAN: the Jacobian at `x`; CAUSE_TRIAL:
        residuals at every trial around `x`.
    where : int
        Index of the first residual (CAUSE_START) or column (CAUSE_JACOBIAN) at fault; -1 where all
        are finite and only their norm overflows.
    culprit : float
        The residual at fault (CAUSE_START).
    x : ndarray, shape (N,)
        Best point so far.
    analytic : bool
        Whether the Jacobian is the user's `Dfun`.
    block : int
        Of a fit in blocks, the one at fault.
    """
    words, of_block = called(), f" of block {block}" if block >= 0 else ""
    point = ", ".join(f"{value:.8g}" for value in x[:10])
    point = f"[{point}, ...]" if x.size > 10 else f"[{point}]"
    if cause == CAUSE_START:
        what = f"{culprit} as residual {where} (from 0){of_block}"
        if where < 0:
            what = "residuals whose norm overflows"
        return (
            f"{words.func} returned {what}, at {words.x0} = {point}. Start where it is finite: "
            f"pass another {words.x0}."
        )
    if cause == CAUSE_JACOBIAN:
        column = f"column {where} (from 0){of_block}, at {words.x} = {point}"
        if analytic:
            return (
                f"{words.Dfun} returned a Jacobian that is not finite: {column}. Without "
                f"{words.Dfun}, differences take its place."
            )
        return (
            f"The difference Jacobian made with {words.func} is not finite: {column}. Pass bounds "
            f"within which {words.func} is finite: no step leads out of them."
        )
    return (
        f"{words.func} returned non-finite residuals for every step tried from the best point "
        f"found, {words.x} = {point}: the fit has run into the edge of where {words.func} is "
        f"defined{', the last time in block ' + str(block) if block >= 0 else ''}. Pass bounds "
        f"within which it is finite, or another {words.x0}."
    )


def advice(ier: int, limit: str) -> str:
    """Say what helps a fit that has ended with this `ier`, 5 to 8; `limit` is on its calls."""
    words = called()
    if ier == INFO_MAXFEV:
        return f" Pass {words.function} a larger {limit}, or a start {words.x0} that is nearer."
    if ier in _TOO_SMALL:
        return (
            f" The fit is as good as it can be; pass {words.function} a larger {_TOO_SMALL[ier]}."
        )
    return ""


def not_found(
    mesg: str, ier: int, options: Mapping[str, Any], start_is_ours: bool, bad: str = ""
) -> str:
    """Text for a `curve_fit` that fails, and what helps.

    Parameters
    ----------
    mesg, ier
        As `leastsq` returns them.
    options : mapping
        As they were given to `curve_fit`.
    start_is_ours : bool
        There was no `p0`.
    bad : str
        Which of the data are not finite.
    """
    limit = "maxfev" if options.get("max_nfev") is None else "max_nfev"
    helps = advice(ier, limit)
    if "nan" in bad and ier == INFO_NONFINITE:
        return f"Optimal parameters not found: {named(f'the data are not finite: {bad}.')}"
    if mesg.startswith(IMPROPER):
        mesg = named(mesg.removeprefix(f"{IMPROPER} "), IMPROPER)
    elif not helps:
        mesg = named(mesg)
    text = f"Optimal parameters not found: {mesg}"
    if bad and ier == INFO_NONFINITE:
        text += f" In the data, {bad}."
    if ier == INFO_MAXFEV:
        text = text.replace("max_nfev", limit)
    text += helps
    if start_is_ours and ier in (INFO_MAXFEV, INFO_NONFINITE):
        text += " No p0 was given: pass one, of the parameters' sizes."
    return text


def no_degrees_of_freedom(m: int, n: int, absolute_sigma: bool = False) -> str:
    """Text for as many data as parameters, or fewer."""
    if m < n and absolute_sigma:
        return (
            f"{m} data do not determine {n} parameters: pcov is made with the pseudoinverse, as if "
            "what the data do not tell were certain. Hold parameters fast, by equal bounds."
        )
    if m < n:
        return f"{UNKNOWN}: {m} data do not determine {n} parameters."
    return (
        f"{UNKNOWN}: {m} data for {n} parameters leave no degrees of freedom, and so nothing to "
        "tell the variance of the data from; with a known sigma, absolute_sigma=True needs none."
    )
