"""Fewer data than parameters, as bounds allow: fits with points added that are left out of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._input.arguments import as_floats
from .runner import Block

__all__ = ["filled_up"]

FloatArray = npt.NDArray[np.float64]


def filled_up(
    n: int,
    m: int,
    f: Callable[..., Any],
    derivatives: Callable[..., FloatArray] | None,
    make_block: Callable[[npt.NDArray[np.int64]], Block],
) -> tuple[Callable[..., Any], Callable[..., FloatArray] | None, Callable[..., Block]]:
    """Return a model, its derivatives and blocks of n points out of those of m."""
    missing = 0, n - m

    def longer(x: Any, *p: FloatArray) -> FloatArray:
        values = np.broadcast_to(as_floats(f(x, *p), "f returned"), (len(p[0]), m))
        return np.pad(values, ((0, 0), missing))

    def longer_derivatives(x: Any, *p: FloatArray) -> FloatArray:
        assert derivatives is not None
        return np.pad(derivatives(x, *p), ((0, 0), missing, (0, 0)))

    def longer_block(numbers: npt.NDArray[np.int64]) -> Block:
        block = make_block(numbers)
        assert block.y is not None
        weights = np.ones_like(block.y) if block.w is None else block.w
        counts = np.full(numbers.size, m) if block.counts is None else block.counts
        return Block(
            numbers, block.x0, np.pad(block.y, ((0, 0), missing)),
            np.pad(weights, ((0, 0), missing), constant_values=np.nan), counts, block.rows,
        )  # fmt: skip

    return longer, None if derivatives is None else longer_derivatives, longer_block
