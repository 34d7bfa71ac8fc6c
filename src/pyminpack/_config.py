"""What this copy of pyminpack is made of."""

from __future__ import annotations

import sys

import numpy as np

from . import _build_info, _minpack

__all__ = ["show_config"]

VARIANTS = ("baseline", "avx2", "avx512")  # minpack/factor/variants.c


def show_config() -> dict[str, str]:
    """Return how this copy was built and what it runs on.

    Returns
    -------
    dict of str
        ``version``; ``minpack``: 'bundled' (our `lmdif` and `lmder`) or 'system' (the original,
        from the system's libminpack); ``fortran`` and ``c``: the compilers; ``cpu``: what it was
        compiled for; ``isa``: 'baseline', 'avx2' or 'avx512', by which large Jacobians are factored
        here; ``numpy_build`` and ``numpy``: numpy's version then and now; ``python``.

    Examples
    --------
    >>> from pyminpack import show_config
    >>> show_config()["minpack"] in ("bundled", "system")
    True
    """
    return {
        "version": _build_info.VERSION,
        "minpack": _build_info.MINPACK,
        "fortran": _build_info.FORTRAN_COMPILER,
        "c": _build_info.C_COMPILER,
        "cpu": _build_info.CPU,
        "isa": VARIANTS[_minpack.variant()],
        "numpy_build": _build_info.NUMPY_AT_BUILD,
        "numpy": np.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
    }
