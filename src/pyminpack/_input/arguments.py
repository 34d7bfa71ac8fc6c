"""Checks and conversions of what the user hands in, and the texts of what is wrong with it."""

from __future__ import annotations

import math
import numbers
import operator
import os
import reprlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from .._called import called, type_error, value_error

if TYPE_CHECKING:
    from .._minpack import Options

__all__ = [
    "EPS",
    "as_array",
    "as_batch",
    "as_batch_jacobian",
    "as_diag",
    "as_floats",
    "as_integer",
    "as_jacobian",
    "as_real",
    "as_residuals",
    "describe",
    "improper",
    "layout_advice",
    "limit_on_calls",
    "require_callable",
    "residual_eps",
    "shown",
    "thread_count",
    "too_few_residuals",
]

FloatArray = npt.NDArray[np.float64]

EPS = 2.0**-52
FLOAT64 = np.dtype(np.float64)  # compared with a dtype in a third of the time of its type
_REAL_KINDS = "fiub"


class _Repr(reprlib.Repr):
    """Shows numbers, text and containers of them; of other objects no more than the type.

    A `__repr__` of the user's could raise or never end, and no error text is to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 20
        self.maxstring = self.maxother = self.maxlong = 100

    def repr_instance(self, x: Any, level: int) -> str:
        if x is None or isinstance(x, numbers.Number | np.generic | bytes):
            return super().repr_instance(x, level)
        return f"<{type(x).__name__}>"


shown = _Repr().repr


def describe(value: object) -> str:
    """Say what came: a type, with dtype and shape where it has them."""
    name = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"{name} of dtype {value.dtype} and shape {value.shape}"
    try:
        text = shown(value)
    except Exception:  # an integer of too many digits, a number with a __repr__ of its own
        return name
    return name if text == f"<{name}>" or len(text) > 60 else f"{name} {text}"


def _no_numbers(value: object, array: npt.NDArray[Any]) -> str:
    """Say what came instead of real numbers."""
    if isinstance(value, np.ndarray):
        return describe(value)
    return f"{describe(value)}, of dtype {array.dtype}"


def as_array(value: Any, what: str, want: str = "real numbers") -> npt.NDArray[Any]:
    """Make an array of `value`, `what` as for `as_floats`.

    What its own `__array__` or `__float__` raises passes through.
    """
    try:
        return np.asarray(value)
    except ValueError as error:
        if not isinstance(value, list | tuple):
            raise
        shapes = [getattr(item, "shape", None) for item in value]
        ragged = f"{describe(value)}, which is ragged"
        if len(set(shapes)) > 1 and None not in shapes:
            ragged += f": its arrays have shapes {', '.join(map(str, shapes))}"
        raise type_error(f"{called().own(what)} {ragged}; want {want}.") from error


def as_floats(value: Any, what: str) -> FloatArray:
    """Convert real numbers, however they are packed, to float64.

    `what` begins the error text, in the words of `leastsq`.
    """
    if type(value) is np.ndarray and value.dtype == FLOAT64:
        return value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        what = called().own(what)
        raise type_error(f"{what} a masked array with masked entries; want real numbers for all.")
    array = as_array(value, what)
    if array.dtype.kind not in _REAL_KINDS:
        what = called().own(what)
        raise type_error(f"{what} {_no_numbers(value, array)}; want real numbers.")
    return np.asarray(array, dtype=np.float64)


def as_residuals(value: Any, m: int) -> FloatArray:
    """Take what `func` returned as a flat float64 vector of `m` numbers; m < 0: any number."""
    residuals = np.ascontiguousarray(as_floats(value, "func returned")).ravel()
    if m not in (-1, residuals.size):
        raise value_error(
            f"{called().func} returned {residuals.size} residuals, but {m} at its first call; "
            "their number must not change."
        )
    return residuals


def residual_eps(value: Any) -> float:
    """Return the eps of the floating-point dtype in which `func` works."""
    dtype = np.asarray(value).dtype
    if dtype == FLOAT64:
        return EPS
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def as_jacobian(value: Any, m: int, n: int, col_deriv: bool) -> FloatArray:
    """Take what `Dfun` returned as an (n, m) float64 view, derivatives down the columns."""
    jacobian = as_floats(value, "Dfun returned")
    want = (n, m) if col_deriv else (m, n)
    if n == 1 and jacobian.shape == (m,):
        jacobian = jacobian.reshape(want)
    if jacobian.shape != want:
        layout = "(N, M), as col_deriv is true" if col_deriv else "(M, N)"
        raise type_error(
            f"{called().Dfun} returned a Jacobian of shape {jacobian.shape}; want {want} = "
            f"{layout}, for M = {m} residuals and N = {n} parameters."
            f"{layout_advice(jacobian.shape, (n, m), col_deriv)}"
        )
    return jacobian if col_deriv else jacobian.T


def layout_advice(shape: tuple[int, ...], by_columns: tuple[int, int], col_deriv: bool) -> str:
    """Say which `col_deriv` is right where a Jacobian came in the other layout; else empty."""
    if shape != (by_columns[::-1] if col_deriv else by_columns):
        return ""
    return f" It is the transpose: say col_deriv={not col_deriv}."


def as_diag(diag: Any, n: int) -> FloatArray:
    """Return a float64 copy of `diag`: `n` positive finite numbers."""
    scale = as_floats(diag, "diag is").flatten()
    if scale.size != n:
        raise value_error(
            f"diag has {scale.size} entries; want one for each of the {n} parameters."
        )
    bad = np.flatnonzero(~((scale > 0) & np.isfinite(scale)))
    if bad.size:
        raise value_error(f"diag[{bad[0]}] is {scale[bad[0]]}; want positive finite numbers.")
    return scale


def as_real(name: str, value: Any) -> float:
    """Take a real number for the argument `name`."""
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except TypeError:
            pass
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    raise type_error(f"{name} is {describe(value)}; want a real number.")


def as_integer(name: str, value: Any) -> int:
    """Take a whole number, of whatever type, for the argument `name`."""
    try:
        return operator.index(value)
    except TypeError:
        if isinstance(value, float | np.floating) and value.is_integer():
            return int(value)
    raise type_error(f"{name} is {describe(value)}; want an integer.")


def thread_count(workers: Any) -> int:
    """Take a number of threads; -1 is one for each processor that this process may use."""
    number = as_integer("workers", workers)
    if number == -1:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if number < 1:
        raise value_error(f"workers is {number}; want a positive number, or -1 for all processors.")
    return number


def require_callable(func: object, Dfun: object) -> None:
    """Raise where `func` or `Dfun` cannot be called."""
    if not callable(func):
        raise type_error(
            f"func is {describe(func)}; want a function func(x, *args), or with m= a compiled one."
        )
    if Dfun is not None and not callable(Dfun):
        raise type_error(f"Dfun is {describe(Dfun)}; want a function Dfun(x, *args) or None.")


def too_few_residuals(n: int, m: int) -> NoReturn:
    """Raise: the problem has no unique solution."""
    raise TypeError(
        f"Improper input: func input vector length N={n} must not exceed func output vector length "
        f"M={m}: to {called().function}, fewer residuals than parameters do not determine them. "
        "Hold parameters fast, in func, or return more residuals."
    )


def improper(n: int, options: Options) -> str:
    """Say which argument made the input improper, and why; empty where none is."""
    checks: list[tuple[str, Callable[[float], bool], str]] = [
        ("ftol", lambda v: v >= 0, "a number ≥ 0"),
        ("xtol", lambda v: v >= 0, "a number ≥ 0"),
        ("gtol", lambda v: v >= 0, "a number ≥ 0"),
        ("epsfcn", math.isfinite, "a finite number or None"),
        ("factor", lambda v: v > 0, "a number > 0"),
    ]
    for name, valid, want in checks:
        value = getattr(options, name)
        if value is not None and not valid(value):
            return f"{name} is {value}; want {want}."
    return f"{called().x0} is empty; want at least one parameter." if n == 0 else ""


def limit_on_calls(options: Options, n: int, analytic: bool) -> int:
    """Return ``maxfev``, MINPACK's own where that is not positive."""
    return options.maxfev if options.maxfev > 0 else (100 if analytic else 200) * (n + 1)


def as_batch(value: Any, points: int, m: int, is_model: bool) -> FloatArray:
    """Take what `func` returned for many fits as a contiguous (points, m) array.

    What a model returns may broadcast to it: one that does not depend on some of its parameters
    returns less.
    """
    name = "f" if is_model else "func"
    batch = as_floats(value, f"{name} returned")
    if is_model and batch.shape != (points, m):
        try:
            batch = np.broadcast_to(batch, (points, m))
        except ValueError:
            pass
    if batch.shape != (points, m):
        raise value_error(
            f"{name} returned shape {batch.shape} for {points} fits with M = {m}; want "
            f"{(points, m)}."
        )
    return np.ascontiguousarray(batch)


def as_batch_jacobian(value: Any, points: int, m: int, n: int, col_deriv: bool) -> FloatArray:
    """Take what `Dfun` returned for many fits, (points, m, n); with `col_deriv` (points, n, m)."""
    jacobians = as_floats(value, "Dfun returned")
    want = (points, n, m) if col_deriv else (points, m, n)
    if jacobians.shape != want:
        layout = "(b, N, M), as col_deriv is true" if col_deriv else "(b, M, N)"
        raise type_error(
            f"Dfun returned Jacobians of shape {jacobians.shape}; want {want} = {layout}, for b = "
            f"{points} fits of M = {m} residuals and N = {n} parameters."
        )
    return jacobians
