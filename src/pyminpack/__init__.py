"""MINPACK's Levenberg-Marquardt for Python: a scipy-compatible `leastsq` that needs numpy alone."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._build_info import VERSION as __version__
from ._check_jacobian import JacobianCheck, check_jacobian
from ._config import choose_isa, show_config
from ._curve_fit import curve_fit
from ._errors import OptimizeWarning
from ._leastsq import leastsq
from ._patch import patch_scipy, unpatch_scipy
from ._result import CurveFitResult, FullCurveFitResult
from ._watch import Iteration

if _TYPE_CHECKING:
    from ._types import InfoDict

__all__ = [
    "CurveFitResult",
    "FullCurveFitResult",
    "InfoDict",
    "Iteration",
    "JacobianCheck",
    "OptimizeWarning",
    "__version__",
    "check_jacobian",
    "curve_fit",
    "leastsq",
    "patch_scipy",
    "show_config",
    "unpatch_scipy",
]

choose_isa()
del choose_isa


def __getattr__(name: str) -> object:
    if name == "InfoDict":  # of use to type checkers alone, and not made before someone asks
        from ._types import InfoDict

        return InfoDict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
