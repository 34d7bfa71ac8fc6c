"""MINPACK's Levenberg-Marquardt for Python: a scipy-compatible `leastsq` that needs numpy alone."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._build_info import VERSION as __version__
from ._config import choose_isa, show_config
from ._curve_fit import curve_fit
from ._errors import OptimizeWarning
from ._leastsq import leastsq
from ._patch import patch_scipy, unpatch_scipy
from ._result import CurveFitResult, FullCurveFitResult

if _TYPE_CHECKING:
    from ._check_jacobian import JacobianCheck, check_jacobian
    from ._curve_fit_many import curve_fit_many
    from ._leastsq_many import leastsq_many
    from ._many.lazy import LazyFits
    from ._many_result import ManyFits
    from ._types import InfoDict
    from ._watch import Iteration

__all__ = [
    "CurveFitResult",
    "FullCurveFitResult",
    "InfoDict",
    "Iteration",
    "JacobianCheck",
    "LazyFits",
    "ManyFits",
    "OptimizeWarning",
    "__version__",
    "check_jacobian",
    "curve_fit",
    "curve_fit_many",
    "leastsq",
    "leastsq_many",
    "patch_scipy",
    "show_config",
    "unpatch_scipy",
]

choose_isa()
del choose_isa


#: Where to find what is not loaded before someone asks for it.
_LATER = {
    "InfoDict": "_types",
    "Iteration": "_watch",
    "JacobianCheck": "_check_jacobian",
    "LazyFits": "_many.lazy",
    "ManyFits": "_many_result",
    "check_jacobian": "_check_jacobian",
    "curve_fit_many": "_curve_fit_many",
    "leastsq_many": "_leastsq_many",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
