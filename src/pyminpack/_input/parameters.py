"""The parameters of a model: their names, their number, start and bounds by name or in order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import called, value_error
from .._minpack import first_point
from .start import as_limits, as_pair, as_start, require_within

__all__ = [
    "call",
    "limits",
    "names",
    "positional",
    "require_enough",
    "start",
    "wrong_number",
]

FloatArray = npt.NDArray[np.float64]

IN_ORDER = (np.ndarray, list, tuple)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def start(f: Callable[..., Any], p0: Any, bounds: Any) -> tuple[FloatArray, FloatArray | None]:
    """Return the start, of shape (N,), and the bounds, shape (2, N), where there are any."""
    if bounds is not None:
        bounds = _bounds_in_order(f, bounds)
    if p0 is None:
        n = _number(f, bounds)
        first = np.full(n, 1.0)
    else:
        if _is_named(p0):
            p0 = _in_order("p0", p0, positional(f)[1:])
        first = as_start(p0)
        n = first.size
        if n == 0:
            raise value_error("p0 is empty; want at least one parameter.")
    limits = None if bounds is None else as_limits(bounds, n)
    if limits is None:
        return first, None
    if p0 is None:
        return _inside(*limits), limits
    require_within(first, limits, bounds)
    first_point(first, *limits)
    return first, limits


def positional(f: Callable[..., Any]) -> list[str]:
    """Names of the positional arguments of `f`, xdata included."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [parameter.name for parameter in parameters if parameter.kind in POSITIONAL]


def names(f: Any, n: int) -> tuple[str, ...]:
    """Names of the `n` parameters: those in the signature of `f`, then ``p[0]``, ... for *p."""
    named = positional(f)[1 : n + 1]
    rest = _rest(f) or "p"
    return (*named, *(f"{rest}[{k}]" for k in range(n - len(named))))


def call(f: Any, parameters: Sequence[str]) -> str:
    """Write the call of `f` with these parameters."""
    first = (positional(f) or ["x"])[0]
    name = getattr(f, "__name__", type(f).__name__)
    rest = _rest(f)
    written = [p for p in parameters if not (rest and p.startswith(f"{rest}["))]
    if rest and len(written) < len(parameters):
        written.append(f"*{rest}")
    return f"{'f' if name == '<lambda>' else name}({', '.join([first, *written])})"


def _rest(f: Callable[..., Any]) -> str:
    """Name of the argument of `f` that takes all further ones; empty where there is none."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return ""
    return next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")


def require_enough(m: int, n: int, advice: str = "; want more data") -> None:
    """Raise where `m` data are fewer than `n` parameters."""
    if n > m:
        raise TypeError(
            f"The number of func parameters={n} must not exceed the number of data points={m} of "
            f"{called().function}{advice}."
        )


def wrong_number(f: Callable[..., Any], n: int) -> str:
    """Say how many parameters `f` takes, if these are not `n`; else, and where unknown, empty."""
    try:
        signature = inspect.signature(f)
        signature.bind(None, *[0.0] * n)
    except ValueError:
        return ""
    except TypeError:
        names = positional(f)[1:]
        every = signature.parameters.values()
        least = sum(p.kind in POSITIONAL and p.default is p.empty for p in every) - 1
        if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in every) or least < 0:
            return ""
        if any(p.kind is p.VAR_POSITIONAL for p in every):
            number = f"at least {least}"
        else:
            number = f"{least} to {len(names)}" if least < len(names) else f"{least}"
        listed = f" ({', '.join(names)})" if names else ""
        return f"p0 has {n} entries, but f takes {number} parameters after xdata{listed}."
    return ""


def _number(f: Callable[..., Any], bounds: Any) -> int:
    """Count the positional arguments of `f` that follow xdata; if there are none, the bounds."""
    bound = isinstance(f, MethodType)
    function = f.__func__ if isinstance(f, MethodType) else f
    if type(function) is FunctionType and not function.__dict__:
        count = function.__code__.co_argcount - bound  # a tenth of the time of inspect.signature
    else:  # __wrapped__ and __signature__, which live in the __dict__, say otherwise
        count = len(positional(f))
    n = count - 1 if count > 1 else _count(bounds)
    if n == 0:
        raise value_error(
            "the signature of f names none after xdata; p0 would tell.",
            "Unable to determine number of fit parameters.",
        )
    return n


def _is_named(values: Any) -> bool:
    """Whether `values` has them by name: a dict, a pandas Series with names as its index."""
    if isinstance(values, IN_ORDER):
        return False
    keys = getattr(values, "keys", None)
    return callable(keys) and all(isinstance(key, str) for key in keys())


def _in_order(what: str, values: Any, names: Sequence[str], missing: Any = ...) -> list[Any]:
    """Put values by name into the order of `names`; `missing` stands for those not given."""
    given = list(values.keys())
    if not names:
        raise value_error(
            f"{what} is for parameters by name, {_listed(given)}, but the signature of f names "
            "none after xdata; want the values alone, in order."
        )
    if unknown := [name for name in given if name not in names]:
        raise value_error(
            f"{what} has {_listed(unknown)}, no parameter of f; they are {_listed(names)}."
        )
    if missing is ... and (lacking := [name for name in names if name not in given]):
        raise value_error(
            f"{what} has no value for {_listed(lacking)}; want one for each parameter of f: "
            f"{_listed(names)}."
        )
    return [values[name] if name in given else missing for name in names]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _bounds_in_order(f: Callable[..., Any], bounds: Any) -> Any:
    """Return `bounds`, where they are by name, as a pair of lists; others as they are.

    By name may be the pairs, ``{"rate": (0, None)}``, or what each side has,
    ``({"rate": 0}, {"rate": 9})``. Parameters that are not named have none.
    """
    if _is_named(bounds):
        pairs = _in_order("bounds", bounds, positional(f)[1:], None)
        sides = (as_pair((None, None) if pair is None else pair) for pair in pairs)
        return list(zip(*sides, strict=True))
    if not (hasattr(bounds, "lb") and hasattr(bounds, "ub")):
        if not (isinstance(bounds, list | tuple) and any(map(_is_named, bounds))):
            return bounds
    return tuple(
        _in_order(f"the {which} bound", side, positional(f)[1:], None) if _is_named(side) else side
        for side, which in zip(as_pair(bounds), ("lower", "upper"), strict=True)
    )


def limits(f: Callable[..., Any], bounds: Any, n: int) -> FloatArray | None:
    """Return the bounds on `n` parameters of `f`, shape (2, n); None: there are none."""
    return None if bounds is None else as_limits(_bounds_in_order(f, bounds), n)


def _count(bounds: Any) -> int:
    """Tell the number of parameters from bounds of which one is a vector; 0 where none is."""
    sides = () if bounds is None else as_pair(bounds)
    return max((np.size(side) for side in sides if np.ndim(side) == 1), default=0)


def _inside(lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Choose a start: 1, the middle between two bounds, or one unit inside of a single one."""
    low, high = np.isfinite(lower), np.isfinite(upper)
    first = np.ones(lower.size)
    first[low & ~high] = lower[low & ~high] + 1.0
    first[high & ~low] = upper[high & ~low] - 1.0
    both = low & high
    first[both] = 0.5 * lower[both] + 0.5 * upper[both]
    return first
