"""Memory for the arrays that models make and let go, again and again."""

from __future__ import annotations

import numpy as np

__all__ = ["keep_what_is_freed"]


def keep_what_is_freed(size: int) -> None:
    """Make a C library (glibc) keep what is freed of memory, up to twice so many bytes.

    Once it has seen an array of that size go, it no longer gives smaller ones back to the system,
    to have each page of the next brought in anew. Half of the time of a fast model was that.
    """
    np.empty(size, dtype=np.uint8)
