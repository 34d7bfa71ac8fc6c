"""The public function that was called: errors and warnings name it, and speak of its arguments."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import NamedTuple

__all__ = ["Called", "called", "named", "stacklevel", "type_error", "value_error", "warn"]


class Called(NamedTuple):
    """A function, and its words for what `leastsq` calls `func`, `Dfun`, `x0` and `x`."""

    function: str
    func: str = "f"
    Dfun: str = "jac"
    x0: str = "p0"
    x: str = "p"

    def own(self, text: str) -> str:
        """Put the first word of a text in the place of that of `leastsq`."""
        word, space, rest = text.partition(" ")
        return f"{self._asdict().get(word, word)}{space}{rest}"


_FUNCTIONS = {
    words.function: words
    for words in (
        Called("leastsq", "func", "Dfun", "x0", "x"),
        Called("leastsq_many", "func", "Dfun", "x0", "X"),
        Called("check_jacobian", "func", "Dfun", "x", "x"),
        Called("curve_fit"),
        Called("curve_fit_many"),
        Called("band"),
        Called("plot"),
    )
}
_FUNCTIONS["_leaf"] = _FUNCTIONS["curve_fit"]  # on Dask's workers, whom it sends its chunks


def called() -> Called:
    """Return the words of the public function that is at work; nobody pays who has no error.

    It is the outermost one on the stack of those of this package that lie on one another; in a
    thread of ours, the one that the thread has its name of. Where SciPy is patched, it is SciPy's.
    """
    found = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(module := frame.f_globals.get("__name__")):
        if words := _FUNCTIONS.get(frame.f_code.co_name):
            found = words
            if module == f"{__package__}._patch":
                found = words._replace(function=f"scipy.optimize.{words.function}")
        frame = frame.f_back
    if found is None and (threading := sys.modules.get("threading")):
        name = threading.current_thread().name.rstrip("0123456789").rstrip("_")
        if words := _FUNCTIONS.get(name.rpartition(".")[2]):
            found = words._replace(function=name)
    return found or Called("pyminpack", "func", "Dfun", "x0", "x")


def stacklevel() -> int:
    """Return what makes a warning of the caller's point at the line that called this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and _is_ours(frame.f_globals.get("__name__")):
        level, frame = level + 1, frame.f_back
    return level


def _is_ours(module: object) -> bool:
    return f"{module}.".startswith(f"{__package__}.")


def named(text: str, first: str = "") -> str:
    """Name the function that was called before a text; after what is `first`, in SciPy's words."""
    return f"{first}{' ' if first else ''}{called().function}: {text}"


def type_error(text: str, first: str = "") -> TypeError:
    """Make a `TypeError` that names the function that was called."""
    return TypeError(named(text, first))


def value_error(text: str, first: str = "") -> ValueError:
    """Make a `ValueError` that names the function that was called."""
    return ValueError(named(text, first))


def warn(text: str, category: type[Warning]) -> None:
    """Issue a warning at the line that called this package."""
    warnings.warn(text, category, stacklevel=stacklevel())
