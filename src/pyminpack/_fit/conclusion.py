"""How a call of `curve_fit` ends: the covariance, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._called import called, named, warn
from .._errors import optimize_warning
from .._input import parameters
from .._jacobian.doubt import FullOutput
from .._messages import UNKNOWN, no_degrees_of_freedom
from .._minpack import INFO_STOPPED
from .covariance import beyond_range, covariance, pseudoinverse

if TYPE_CHECKING:
    from .._jacobian.accuracy import Accuracy

__all__ = ["conclude"]

FloatArray = npt.NDArray[np.float64]


def conclude(
    f: Callable[..., Any],
    jac: Any,
    fitted: Callable[[FloatArray], Any],
    p0: FloatArray,
    limits: FloatArray | None,
    absolute_sigma: bool,
    outcome: FullOutput,
    accuracy: Accuracy | None,
    fnorm: float | None,
    scale: float,
) -> tuple[FloatArray, int, tuple[str, ...]]:
    """Return the covariance of a fit, how many parameters are free, and what it was warned of.

    Parameters
    ----------
    f, jac, absolute_sigma
        As given to `curve_fit`.
    fitted : callable
        As the `model` of `diagnosis.Fit`.
    p0 : ndarray, shape (N,)
    limits : ndarray, shape (2, N), or None
    outcome : FullOutput
    accuracy : Accuracy or None
        Of its Jacobian, where that has been in doubt.
    fnorm : float or None
        Norm of its residuals, where it is known.
    scale : float
        Norm of the numbers that the residuals are differences of.
    """
    popt, cov_x, infodict, _, ier = outcome
    fvec, n = infodict["fvec"], popt.size
    if accuracy is not None and not accuracy.determined:
        cov_x = None
    free = n if limits is None else int(np.count_nonzero(limits[0] < limits[1]))
    pcov, errors = covariance(popt, cov_x, infodict, free, limits, absolute_sigma, fnorm)
    texts = []
    if ier == INFO_STOPPED:
        texts.append(f"{UNKNOWN}: the callback has stopped the fit on its way.")
    elif fvec.size < free:
        if absolute_sigma:
            pcov = pseudoinverse(popt, infodict, limits)
        texts.append(no_degrees_of_freedom(fvec.size, free, absolute_sigma))
    elif cov_x is None or accuracy is not None or popt.tolist() == p0.tolist():
        from .diagnosis import Fit, causes  # seldom needed

        names = parameters.positional(f)[1 : n + 1]
        texts = causes(
            Fit(
                fitted, p0, popt, infodict["fjac"], infodict["ipvt"], infodict["qtf"],
                fvec if isinstance(fvec, np.ndarray) else np.array([fvec.norm]), scale, accuracy,
                jac, names if len(names) == n else (), limits,
            )
        )  # fmt: skip
    if cov_x is not None and fvec.size <= free and not absolute_sigma:
        texts.append(no_degrees_of_freedom(fvec.size, free))
    if errors is not None:
        texts += beyond_range(errors, pcov, parameters.positional(f)[1 : n + 1])
    warned = _warn(texts, not np.isfinite(pcov.diagonal()).all()) if texts else ()
    return pcov, free, warned


def _warn(texts: list[str], unknown: bool) -> tuple[str, ...]:
    """Issue one warning for the covariance with all that is known of it, else one for each text."""
    if unknown:
        first, *others = (text.removeprefix(f"{UNKNOWN}: ") for text in texts)
        texts = [" ".join([f"{UNKNOWN}: {first[0].lower()}{first[1:]}", *others])]
    # Covariance first, in SciPy's words, which filters look for.
    issued = tuple(
        text.replace(UNKNOWN, f"{UNKNOWN} by {called().function}", 1)
        if text.startswith(UNKNOWN)
        else named(f"{text[0].lower()}{text[1:]}")
        for text in texts
    )
    for text in issued:
        warn(text, optimize_warning())
    return issued
