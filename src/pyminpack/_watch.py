"""Watching a fit: what the user's callback is told, and what `verbose` shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._called import named, type_error, value_error
from ._input.arguments import describe

__all__ = ["Iteration", "Watch", "progress_bar"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Iteration:
    """The state of a fit at a new point, as `callback` gets it.

    Attributes
    ----------
    x : ndarray, shape (N,)
        The point, a copy.
    fun : ndarray, shape (M,)
        Residuals there, a copy; of a fit in blocks, an object that computes them block by block.
    cost : float
        Half the sum of their squares.
    nfev : int
        Calls of `func` so far.
    nit : int
        Points accepted so far, the start not counted.
    delta : float
        Radius of the next trust region, in units of ``norm(diag*x)``.

    Examples
    --------
    >>> from pyminpack import Iteration, leastsq
    >>> def watch(iteration: Iteration) -> None:
    ...     if iteration.cost < 1e-3:
    ...         raise StopIteration
    >>> x, ier = leastsq(lambda x: x**2 - 2.0, 9.0, callback=watch)
    >>> ier
    10
    """

    x: FloatArray
    fun: FloatArray
    cost: float
    nfev: int
    nit: int
    delta: float


class Watch:
    """Passes each new point on: to `callback`, and as a line (1) or a bar (2) to the screen."""

    def __init__(self, callback: Callable[[Iteration], Any] | None, verbose: int) -> None:
        if callback is not None and not callable(callback):
            raise type_error(
                f"callback is {describe(callback)}; want a function callback(iteration)."
            )
        if verbose not in (0, 1, 2):
            raise value_error(f"verbose is {describe(verbose)}; want 0, 1 (lines) or 2 (a bar).")
        self._callback = callback
        self._lines = verbose == 1
        self._bar = None
        if verbose == 2:
            self._bar = progress_bar("verbose=2", desc="fit", unit=" iterations")

    def __call__(
        self,
        x: FloatArray,
        fun: Any,
        nfev: int,
        nit: int,
        delta: float,
        cost: float | None = None,
    ) -> None:
        """Tell of a new point; StopIteration ends the fit. `cost` is known of `fun` in blocks."""
        if cost is None:
            with np.errstate(over="ignore"):
                cost = 0.5 * float(np.dot(fun, fun))
        iteration = Iteration(x, fun, cost, nfev, nit, delta)
        if self._lines:
            if nit == 1:
                print("iteration  calls            cost  trust region")
            print(f"{nit:9d}{nfev:7d}{iteration.cost:16.8e}{delta:14.3e}")
        if self._bar is not None:
            self._bar.set_postfix_str(f"{nfev} calls, cost {iteration.cost:.6g}", refresh=False)
            self._bar.update()
        if self._callback is not None:
            self._callback(iteration)

    def close(self) -> None:
        """Leave the screen in order."""
        if self._bar is not None:
            self._bar.close()


def progress_bar(asked: str, **options: Any) -> Any:
    """Make a bar of tqdm's, for who has `asked` for it."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(
            named(f"{asked} draws its bar with tqdm, which is not installed: pip install tqdm.")
        ) from error
    return tqdm(**options)
