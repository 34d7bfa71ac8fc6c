"""Warnings of our own, and what is told beside an error of somebody else's."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import lru_cache

__all__ = ["OptimizeWarning", "add_note", "optimize_warning"]


class OptimizeWarning(UserWarning):
    """A fit that came to an end, with a result that needs a second look.

    Where `scipy.optimize` is loaded, what is issued is one of SciPy's class of this name, too.

    Examples
    --------
    >>> import warnings
    >>> from pyminpack import OptimizeWarning, curve_fit
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", OptimizeWarning)
    ...     try:
    ...         curve_fit(lambda t, a, b: a + b*t, [0.0, 1.0], [1.0, 3.0])
    ...     except OptimizeWarning as warning:
    ...         print(str(warning).partition(":")[0])
    Covariance of the parameters could not be estimated by curve_fit
    """


def optimize_warning() -> type[OptimizeWarning]:
    """Return the class to issue: SciPy's too where SciPy is loaded, which is not loaded for it.

    `except` and the filters of `warnings` look at the bases alone, and so it must have both.
    """
    scipys = getattr(sys.modules.get("scipy.optimize"), "OptimizeWarning", None)
    return OptimizeWarning if scipys is None else _also(scipys)


@lru_cache(maxsize=1)
def _also(scipys: type[Warning]) -> type[OptimizeWarning]:
    """Make the class that is both; once, so that a filter for it goes on to hold."""
    both = type("OptimizeWarning", (OptimizeWarning, scipys), {"__doc__": OptimizeWarning.__doc__})
    both.__module__ = __name__
    both.__qualname__ = "ScipysOptimizeWarning"  # where pickle finds it, by __getattr__
    return both


def __getattr__(name: str) -> type[OptimizeWarning]:
    if name == "ScipysOptimizeWarning":  # unpickled, maybe in a process that has no SciPy
        try:
            import scipy.optimize  # noqa: F401
        except ImportError:
            return OptimizeWarning
        return optimize_warning()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def add_note(error: BaseException, note: str) -> None:
    """Add to what is shown with an exception; before Python 3.11 to its ``__notes__`` alone."""
    if hasattr(error, "add_note"):
        error.add_note(note)
        return
    with suppress(TypeError):  # an exception with slots
        vars(error).setdefault("__notes__", []).append(note)
