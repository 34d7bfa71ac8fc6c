"""What the extension asks for by name, where a value is not a plain float64 array: conversions.

And errors, for every text stands in Python.
"""

from .arguments import (
    as_batch,
    as_batch_jacobian,
    as_diag,
    as_integer,
    as_jacobian,
    as_real,
    as_residuals,
    residual_eps,
    too_few_residuals,
)
from .start import as_bounds, as_start

__all__ = [
    "as_batch",
    "as_batch_jacobian",
    "as_bounds",
    "as_diag",
    "as_integer",
    "as_jacobian",
    "as_real",
    "as_residuals",
    "as_start",
    "residual_eps",
    "too_few_residuals",
]
