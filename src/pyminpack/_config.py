"""What this copy of pyminpack is made of."""

from __future__ import annotations

import os
import sys

import numpy as np

from . import _build_info, _minpack

__all__ = ["choose_isa", "show_config"]

ISAS = ("baseline", "avx2", "avx512")  # minpack/blocked/dispatch.h


def choose_isa() -> None:
    """Choose the instruction set that `PYMINPACK_ISA` names: once, when pyminpack is imported.

    Here and not at the first fit that has use for it: who sets it wants to know at once.
    """
    name = os.environ.get("PYMINPACK_ISA", "")
    available = ISAS[: _minpack.best_isa() + 1]
    if name and name not in available:
        why = "this processor, or this build, has none such" if name in ISAS else "unknown"
        raise ValueError(f"PYMINPACK_ISA={name}: {why}; here it can be {' or '.join(available)}")
    _minpack.choose_isa(ISAS.index(name) if name else -1)


def show_config() -> dict[str, str]:
    """Return how this copy was built and what it runs on.

    Returns
    -------
    dict of str
        ``version``; ``minpack``: 'bundled' (our `lmdif` and `lmder`) or 'system' (the original,
        from the system's libminpack); ``fortran`` and ``c``: the compilers; ``cpu``: what it was
        compiled for; ``isa``: 'baseline', 'avx2' or 'avx512', by which large Jacobians are factored
        here; ``isa_reason``: why that one, which the environment variable PYMINPACK_ISA can choose
        before pyminpack is imported; ``numpy_build`` and ``numpy``: numpy's version
        then and now; ``python``.

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
        "isa": ISAS[_minpack.isa()],
        "isa_reason": _isa_reason(),
        "numpy_build": _build_info.NUMPY_AT_BUILD,
        "numpy": np.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def _isa_reason() -> str:
    best = ISAS[_minpack.best_isa()]
    if _minpack.isa_is_chosen():
        return f"chosen by PYMINPACK_ISA; the best here is {best}"
    return "the best that this processor and this build have"
