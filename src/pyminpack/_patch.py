"""Put our `leastsq` and `curve_fit` in place of SciPy's, for code that calls SciPy's by name.

A module holds them under any name; those that have been imported are searched, and those that come
later get what `scipy.optimize` has by then. What a closure, a class or a `functools.partial` has
taken cannot be found; what it took while SciPy was patched turns into SciPy's own when that ends.
"""

from __future__ import annotations

import importlib
import sys
from _thread import allocate_lock  # threading would be a tenth of our import
from collections.abc import Callable, Mapping
from functools import update_wrapper
from types import TracebackType
from typing import Any

from . import _build_info, _curve_fit, _leastsq
from ._input.scipy_options import left_to_scipy

__all__ = ["Patch", "patch_scipy", "unpatch_scipy"]

Function = Callable[..., Any]

_OURS: dict[str, Function] = {"leastsq": _leastsq.leastsq, "curve_fit": _curve_fit.curve_fit}
_BOUNDS = 7  # position of the argument of curve_fit

_lock = allocate_lock()
_scipys: dict[str, Function] = {}  # since it was patched for the first time
_patches = 0  # that have not been taken back
_era = 0  # counts calls of unpatch_scipy, which ends all patches before it


def leastsq(*args: Any, **kwargs: Any) -> Any:
    function = _OURS["leastsq"] if _patches else _scipys_own("leastsq")
    return function(*args, **kwargs)


def curve_fit(*args: Any, **kwargs: Any) -> Any:
    ours = _patches and not _is_scipys(args, kwargs)
    function = _OURS["curve_fit"] if ours else _scipys_own("curve_fit")
    return function(*args, **kwargs)


# What is put in place, so that it can be told from ours, which a module may hold by itself.
_IN_PLACE = {"leastsq": leastsq, "curve_fit": curve_fit}
for _name, _function in _IN_PLACE.items():
    update_wrapper(_function, _OURS[_name], assigned=("__doc__",), updated=())


def _scipys_own(name: str) -> Function:
    """Return SciPy's function, also where this process has not been patched."""
    return _scipys.get(name) or getattr(importlib.import_module("scipy.optimize"), name)


def _is_scipys(args: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    """Whether a call of `curve_fit` asks for what SciPy alone does, or does in its own way."""
    if _build_info.MINPACK == "system":  # which knows no bounds
        bounds = args[_BOUNDS] if len(args) > _BOUNDS else options.get("bounds")
        if bounds is not None:
            return True
    return bool(options.get("callback") or options.get("verbose") or left_to_scipy(options))


class Patch:
    """What `patch_scipy` returns: a context that takes the patch back when it is left."""

    def __init__(self) -> None:
        self._era: int | None = None  # in which it was put on; None: taken back
        self._put_on()

    def __repr__(self) -> str:
        on = self._era == _era
        return f"<scipy.optimize's leastsq and curve_fit are {'' if on else 'not '}patched by this>"

    def __enter__(self) -> Patch:
        self._put_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _patches
        with _lock:
            if self._era == _era:
                _patches -= 1
                if _patches == 0:
                    _restore()
            self._era = None

    def _put_on(self) -> None:
        global _patches
        optimize = _import_scipy()
        with _lock:
            for name, function in _IN_PLACE.items():
                held = getattr(optimize, name)
                if not _patches and held is not function:
                    _scipys[name] = held
            if self._era != _era:
                self._era = _era
                _patches += 1
            _replace({id(_scipys[name]): function for name, function in _IN_PLACE.items()})


def patch_scipy() -> Patch:
    """Put our `leastsq` and `curve_fit` in place of SciPy's, wherever modules hold them.

    That is in `scipy.optimize` and in every module that has imported them by name; those that are
    imported later get them from there. Calls that ask for what ours does not do go to SciPy's own:
    a ``loss`` other than 'linear', ``workers``, a ``diff_step`` for each parameter, and
    ``callback`` and ``verbose``, which mean something else there.

    Returns
    -------
    Patch
        A context manager: ``with patch_scipy(): ...`` patches for a while, in all threads. Contexts
        may be nested, and overlap in threads: the last one that is left takes the patch back. A
        call without ``with`` holds until `unpatch_scipy`.

    Raises
    ------
    ImportError
        SciPy is not installed.

    See Also
    --------
    unpatch_scipy : take it back.
    pyminpack.patch : the same for a script, from the command line.

    Notes
    -----
    A function or class that took SciPy's before, into a closure or an attribute, is not found.
    Patch early: before such modules are imported.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.optimize
    >>> import pyminpack
    >>> with pyminpack.patch_scipy():
    ...     popt, pcov = scipy.optimize.curve_fit(lambda t, a: a*t, [1.0, 2.0], [2.0, 4.0])
    >>> np.round(popt, 6)
    array([2.])
    """
    return Patch()


def unpatch_scipy() -> None:
    """Give SciPy's `leastsq` and `curve_fit` back to all modules, whatever patched them how often.

    Without a patch it does nothing.

    See Also
    --------
    patch_scipy : put ours in their place.

    Examples
    --------
    >>> import scipy.optimize
    >>> from pyminpack import patch_scipy, unpatch_scipy
    >>> patch_scipy()
    <scipy.optimize's leastsq and curve_fit are patched by this>
    >>> unpatch_scipy()
    >>> scipy.optimize.leastsq.__module__
    'scipy.optimize._minpack_py'
    """
    global _patches, _era
    with _lock:
        _era += 1
        if _patches:
            _patches = 0
            _restore()


def _import_scipy() -> Any:
    try:
        return importlib.import_module("scipy.optimize")
    except ImportError as error:
        raise ImportError(
            "patch_scipy() puts pyminpack's leastsq and curve_fit in place of those of "
            f"scipy.optimize, which cannot be imported: {error}."
        ) from error


def _restore() -> None:
    _replace({id(function): _scipys[name] for name, function in _IN_PLACE.items()})


def _replace(others: Mapping[int, Function]) -> None:
    """Replace functions, given by identity, in the namespaces of all modules but this one."""
    for module in list(sys.modules.values()):
        try:  # past what a module that loads itself lazily does when it is asked for anything
            namespace = object.__getattribute__(module, "__dict__")
        except AttributeError:
            continue
        if type(namespace) is not dict or namespace is globals():
            continue
        for name, value in namespace.copy().items():
            if id(value) in others:
                namespace[name] = others[id(value)]
