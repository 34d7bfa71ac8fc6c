"""Central differences of blocks, with steps that have been sought on a sample of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._jacobian.adaptive import Adaptive
from .._jacobian.refit import quiet
from .driver import BlockDifferences

__all__ = ["SteppedDifferences", "sought_steps"]

FloatArray = npt.NDArray[np.float64]


def sought_steps(
    sample: Callable[[FloatArray], Any],
    x: FloatArray,
    epsfcn: float | None,
    limits: Any,
    scale: float,
) -> Adaptive:
    """Seek the steps at `x`.

    Parameters
    ----------
    sample : callable
        ``sample(x)``: residuals of the size of all together.
    x : ndarray, shape (N,)
    epsfcn, limits
        As for `leastsq`.
    scale : float
        Norm of the numbers that all residuals are differences of.
    """
    adaptive = Adaptive(quiet(sample), epsfcn, limits, scale)
    adaptive(x)
    return adaptive


class SteppedDifferences(BlockDifferences):
    """Jacobian of a block by central differences over these steps, extrapolated to 0."""

    def __init__(
        self,
        func: Callable[..., Any],
        steps: FloatArray,
        epsfcn: float | None,
        limits: Any,
    ) -> None:
        super().__init__("adaptive", func, epsfcn, limits)
        self._steps = steps

    def __call__(self, x: FloatArray, *args: Any) -> tuple[FloatArray, int]:
        """Return the rows of a block, shape (N, M), and the number of calls that they took."""
        one = Adaptive.of_steps(self._steps, self.func, self._epsfcn, self.limits)
        return one(x, *args), one.nfev
