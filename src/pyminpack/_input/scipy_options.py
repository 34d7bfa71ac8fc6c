"""The options of `curve_fit`, SciPy's included, in the terms of `leastsq`.

SciPy's `curve_fit` hands its options to `leastsq` or, with bounds or the methods 'trf' and
'dogbox', to `least_squares`, which has other names and other defaults. Here they all come to one
solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._called import called, type_error, value_error
from .arguments import EPS, as_floats, as_integer, as_real, describe

__all__ = ["METHODS", "calls_left", "left_to_scipy", "translate"]

#: Of SciPy's solvers, those that are `least_squares` there.
METHODS = ("trf", "dogbox")

_LEASTSQ = (
    "ftol", "xtol", "gtol", "maxfev", "max_nfev", "epsfcn", "factor", "diag", "col_deriv",
    "callback", "verbose", "warning",
)  # fmt: skip
#: How SciPy's solvers go about their steps and what they save, and the scale of a loss that is not
#: linear: without meaning here, where the minimum is the same.
_WITHOUT_EFFECT = ("f_scale", "tr_solver", "tr_options", "jac_sparsity")
_LEAST_SQUARES = ("x_scale", "diff_step", "loss", "workers", *_WITHOUT_EFFECT)
_SAME = {"max_nfev": "maxfev", "x_scale": "diag", "diff_step": "epsfcn"}
#: Exponent of the difference step, relative to x, in the relative error that is balanced by it.
_ORDER = {"3-point": 3}
#: Calls of f for each parameter that a Jacobian by differences takes; those that seek steps more.
CALLS = {"2-point": 1, "3-point": 2, "cs": 1, "adaptive": 10}
#: Of what a fit is allowed by default, what those are together that make it better.
ATTEMPTS = 5


def left_to_scipy(options: Mapping[str, Any]) -> str:
    """Say which of SciPy's options asks for what is not done here; empty where none does."""
    loss, workers = options.get("loss", "linear"), options.get("workers")
    if not (isinstance(loss, str) and loss == "linear"):
        return f"loss is {describe(loss)}; want 'linear', the sum of squares"
    if workers is not None and workers != 1:
        return f"workers is {describe(workers)}; want None: f is called in one thread"
    step = options.get("diff_step")
    if step is not None and not _is_one_number(step):
        return f"diff_step is {describe(step)}; want one number for all parameters"
    return ""


def _is_one_number(value: Any) -> bool:
    values = np.ravel(as_floats(value, "diff_step is"))
    return bool(values.size) and bool(np.all(values == values[0]))


def check(options: dict[str, Any]) -> None:
    """Raise where `curve_fit` does not take an option, or takes it under another name."""
    if "args" in options:
        raise value_error(
            "give f its constants by a closure, functools.partial or xdata.",
            "'args' is not a supported keyword argument.",
        )
    if "Dfun" in options:
        raise type_error("Dfun is an argument of leastsq; here the Jacobian is jac.")
    for name in options:
        if name not in _LEASTSQ and name not in _LEAST_SQUARES:
            raise TypeError(
                f"{called().function}() got an unexpected keyword argument {name!r}; its options "
                f"are {', '.join(_LEASTSQ + _LEAST_SQUARES)}."
            )
        if options.get(name) is not None and options.get(other := _SAME.get(name, "")) is not None:
            raise type_error(f"{name} and {other} say the same; want one of them.")
    if reason := left_to_scipy(options):
        raise type_error(f"{reason}. scipy.optimize.curve_fit does that.")


def translate(
    options: dict[str, Any], n: int, jac: object, like_least_squares: bool
) -> dict[str, Any]:
    """Return the options for `leastsq`.

    Parameters
    ----------
    options : dict
        Those of `curve_fit`, which `check` has passed.
    n : int
        Number of parameters.
    jac : object
        As given to `curve_fit`: tells the order of the differences.
    like_least_squares : bool
        With bounds, or one of `METHODS`: `maxfev` leaves out the calls for differences and is
        100*n without a value, and a tolerance below the machine's precision is none.
    """
    if not options:
        return {"max_nfev": 100 * n} if like_least_squares else {}
    without = "loss", "workers", *_WITHOUT_EFFECT
    options = {name: value for name, value in options.items() if name not in without}
    for name in ("ftol", "xtol", "gtol"):
        if name in options:
            options[name] = _tolerance(name, options[name], like_least_squares)
    step = options.pop("diff_step", None)
    if step is not None:
        relative = abs(float(np.ravel(step)[0]))
        options["epsfcn"] = relative ** (_ORDER.get(jac, 2) if isinstance(jac, str) else 2)
    scale = options.pop("x_scale", None)
    if not (scale is None or (isinstance(scale, str) and scale == "jac")):
        options["diag"] = _diag(scale, n)
    if options.get("max_nfev", 0) is None:
        del options["max_nfev"]
    if options.get("maxfev", 0) is None:
        del options["maxfev"]
    if like_least_squares and "max_nfev" not in options:
        limit = as_integer("maxfev", options.pop("maxfev", 0))
        options["max_nfev"] = limit if limit > 0 else 100 * n
    return options


def calls_left(
    options: Mapping[str, Any], n: int, by: str, like_least_squares: bool, used: int
) -> int:
    """Say how many more calls of f a fit may take that has to be made better.

    Parameters
    ----------
    options, n, like_least_squares
        As for `translate`.
    by : str
        Where the Jacobian is from.
    used : int
        Calls so far, for differences too.
    """
    trials = options.get("max_nfev") or 0
    limit = as_integer("maxfev", options.get("maxfev") or 0)
    if trials <= 0 < limit and by == "2-point" and not like_least_squares:
        return limit - used
    trials = as_integer("max_nfev", trials if trials > 0 else limit)
    if trials > 0:
        return trials * (1 + CALLS.get(by, 0) * n) - used
    return ATTEMPTS * 200 * (n + 1)


def _tolerance(name: str, value: Any, like_least_squares: bool) -> float:
    """Return the machine's precision, to which a fit can go, where `value` disables the test."""
    if value is None:
        return EPS
    tolerance = as_real(name, value)
    return EPS if like_least_squares and 0 <= tolerance < EPS else tolerance


def _diag(scale: Any, n: int) -> Any:
    """Turn the typical sizes of the parameters into their scale factors."""
    sizes = as_floats(scale, "x_scale is").ravel()
    if sizes.size not in (1, n) or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise value_error(
            f"x_scale is {describe(scale)}; want 'jac', or a positive finite number for each of "
            f"the {n} parameters."
        )
    return 1.0 / np.full(n, sizes)
