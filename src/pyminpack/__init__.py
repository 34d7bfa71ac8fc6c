"""MINPACK's Levenberg-Marquardt for Python: a scipy-compatible `leastsq` that needs numpy alone."""

from ._build_info import VERSION as __version__
from .check_jacobian import check_jacobian
from .config import show_config
from .curve_fit import curve_fit
from .errors import OptimizeWarning
from .leastsq import leastsq

__all__ = [
    "OptimizeWarning",
    "__version__",
    "check_jacobian",
    "curve_fit",
    "leastsq",
    "show_config",
]
