"""How a call of `curve_fit` begins, whether its data are fitted whole or in chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import type_error, value_error
from .._input import fit_data, parameters, scipy_options
from .._input.arguments import describe
from .._jacobian.differences import METHODS

__all__ = ["at_start", "check_call", "is_like_least_squares"]

FloatArray = npt.NDArray[np.float64]

#: SciPy's names of solvers.
SOLVERS = ("lm", *scipy_options.METHODS)


def check_call(f: Any, method: Any, jac: Any, options: dict[str, Any]) -> None:
    """Raise where an argument is not one of those that are possible."""
    if not callable(f):
        raise type_error(f"f is {describe(f)}; want a function f(xdata, *parameters).")
    if not (method is None or (isinstance(method, str) and method in SOLVERS)):
        raise value_error(
            f"method is {describe(method)}; want None, 'lm', 'trf' or 'dogbox': "
            "Levenberg-Marquardt, under any of these names."
        )
    if not (jac is None or callable(jac) or (isinstance(jac, str) and jac in METHODS)):
        raise value_error(
            f"jac is {describe(jac)}; want a function jac(xdata, *parameters), None, or one of "
            f"{', '.join(map(repr, METHODS))}."
        )
    if options:
        scipy_options.check(options)


def is_like_least_squares(method: str | None, limits: FloatArray | None) -> bool:
    """Whether the rules are those of SciPy's `least_squares`; raise where they cannot be."""
    if limits is None:
        return method in scipy_options.METHODS
    if method == "lm":
        raise value_error(
            "method='lm' is for fits without bounds, as in SciPy; leave it out, or say 'trf': the "
            "solver is the same."
        )
    return True


def at_start(f: Callable[..., Any], xdata: Any, p0: FloatArray, before: bytes | None) -> Any:
    """Call `f` for the first time, which tells most of what may be wrong with it.

    `before` is the snapshot of `xdata` that they are to be like after it.
    """
    try:
        return f(xdata, *p0)
    except TypeError as error:
        if text := parameters.wrong_number(f, p0.size):
            raise type_error(text) from error
        raise
    finally:
        fit_data.check_kept(xdata, before)
