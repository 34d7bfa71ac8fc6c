"""MINPACK's Levenberg-Marquardt for Python: a scipy-compatible `leastsq` that needs numpy alone."""

from ._build_info import VERSION as __version__
from ._check_jacobian import JacobianCheck, check_jacobian
from ._config import show_config
from ._curve_fit import curve_fit
from ._errors import OptimizeWarning
from ._leastsq import leastsq
from ._patch import patch_scipy, unpatch_scipy
from ._result import CurveFitResult, FullCurveFitResult
from ._types import InfoDict
from ._watch import Iteration

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
