"""Compiled models: function pointers of whatever make, in the forms that cminpack has for them."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from .. import _build_info, _minpack
from .._called import type_error, value_error
from .arguments import as_integer, describe

__all__ = ["Model", "as_model"]

INT_MAX = 2**31 - 1  # of the C int that counts residuals in both forms

RESIDUALS = "int fcn(void *p, int m, int n, const double *x, double *fvec, int iflag)"
BOTH = (
    "int fcn(void *p, int m, int n, const double *x, double *fvec, double *fjac, int ldfjac, "
    "int iflag)"
)
KINDS = "a numba cfunc, a ctypes or cffi function pointer, a PyCapsule or a scipy.LowLevelCallable"

# Types, as far as they matter: C int, pointers to double, to void and to something else, integers
# wide enough for an address; any other is its own name.
INT, DOUBLES, VOID, POINTER, ADDRESS = "int", "double *", "void *", "pointer", "address"
Types = tuple[str, ...]


# What the extension takes: addresses of F in one of the two forms and of J, 0 where there is none;
# p, an address or an array; m; and what must live as long as they do.
Model = tuple[int, int, int, "int | np.ndarray[Any, Any]", int, tuple[Any, ...]]


class Function(NamedTuple):
    """A function pointer, in the form `RESIDUALS` or `BOTH`, or None where it does not tell."""

    address: int
    form: str | None
    user_data: Any = None


def as_model(func: Any, Dfun: Any, args: tuple[Any, ...], m: Any) -> Model:
    """Take what the user says of a compiled model for one thing, or raise."""
    if _build_info.MINPACK == "system":
        raise value_error(
            "Compiled models need pyminpack's own core: this copy was built with -Dminpack=system."
        )
    if type(m) is not int:
        m = as_integer("m", m)
    if not 1 <= m <= INT_MAX:
        raise value_error(f"m is {m}; want a number of residuals from 1 to {INT_MAX}, a C int.")
    f = _as_function("func", func)
    user_data = f.user_data
    by_both, derivatives = f.form is BOTH, 0
    if isinstance(Dfun, str):
        if Dfun != "2-point":
            raise value_error(
                f"Dfun is {describe(Dfun)}; with a compiled func want '2-point', None or a "
                "compiled function."
            )
    elif Dfun is not None:
        d = _as_function("Dfun", Dfun)
        same = d.address == f.address
        if RESIDUALS in (d.form, f.form if same else None):
            raise type_error(f"Dfun gives residuals alone; want {BOTH}.")
        by_both, derivatives = by_both or same, d.address
        if d.user_data is not None:
            if user_data is not None and user_data is not d.user_data:
                raise value_error(
                    "func and Dfun have user_data of their own; want the same in both."
                )
            user_data = d.user_data
    elif by_both:
        derivatives = f.address
    if user_data is not None:
        if args:
            raise value_error("p is given twice: as args and as user_data; want one of them.")
        args = (user_data,)
    p, owner = _as_pointer(args)
    residuals, both = (0, f.address) if by_both else (f.address, 0)
    return residuals, both, derivatives, p, m, (func, Dfun, owner)


_known: WeakKeyDictionary[Any, Function] = WeakKeyDictionary()  # numba's: reading types takes long


def _as_function(name: str, value: Any) -> Function:
    """Take a function pointer for the argument `name`."""
    sig = getattr(value, "_sig", None)
    if sig is not None and hasattr(value, "address"):
        found = _known.get(value)
        if found is None:
            types = _numba_types(sig)
            found = _known[value] = Function(value.address, _form(name, types, str(sig)))
        return found
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None and isinstance(value, ctypes._CFuncPtr):
        address = ctypes.c_void_p.from_buffer(value).value
        if not address:
            raise value_error(f"{name} is a null pointer.")
        argtypes, restype = value.argtypes, value.restype
        if argtypes is None:
            return Function(address, None)
        return Function(address, _ctypes_form(name, tuple(argtypes), restype))
    if _is_capsule(value):
        address, capsule_name = _minpack.capsule_address(value)
        return Function(
            address, _written_form(name, (capsule_name or b"").decode(errors="replace"))
        )
    if _is_cffi(value):
        cffi = sys.modules["_cffi_backend"].FFI()
        type_ = cffi.typeof(value)
        if type_.kind == "function":
            address = int(cffi.cast("uintptr_t", value))
            if not address:
                raise value_error(f"{name} is a null pointer.")
            return Function(address, _written_form(name, type_.cname))
    if isinstance(value, tuple) and hasattr(value, "function") and hasattr(value, "user_data"):
        f = _as_function(name, value.function)
        form = f.form or _written_form(name, getattr(value, "signature", None) or "")
        return Function(f.address, form, value.user_data)
    raise type_error(
        f"{name} is {describe(value)}; where m is given, want a compiled function: {KINDS}."
    )


def _form(name: str, types: Types, shown: str) -> str:
    """Return which of the two forms is that of these types: of the result and the arguments."""
    for form in (RESIDUALS, BOTH):
        wanted = _types_written(form)
        if len(types) == len(wanted) and all(map(_fits, types, wanted, range(len(wanted)))):
            return form
    raise type_error(f"{name} has the signature {shown}; want {RESIDUALS}, or {BOTH}.")


def _fits(type_: str, wanted: str, place: int) -> bool:
    if place == 1:  # p, the user's own
        return type_ in (DOUBLES, VOID, POINTER, ADDRESS)
    return type_ == wanted or (wanted == DOUBLES and type_ == VOID)


def _numba_types(sig: Any) -> Types:
    names = {"int32": INT, "float64*": DOUBLES, "void*": VOID, "none*": VOID}
    names |= {"int64": ADDRESS, "uint64": ADDRESS}
    found = []
    for text in map(str, (sig.return_type, *sig.args)):
        found.append(names.get(text) or (POINTER if text.endswith("*") else text))
    return tuple(found)


@lru_cache(maxsize=64)
def _ctypes_form(name: str, argtypes: tuple[Any, ...], restype: Any) -> str:
    import ctypes

    def type_of(t: Any) -> str:
        if t is ctypes.c_int:
            return INT
        if isinstance(t, type) and issubclass(t, ctypes._Pointer):
            return DOUBLES if t._type_ is ctypes.c_double else POINTER
        if isinstance(t, type) and issubclass(t, ctypes.c_void_p):  # np.ctypeslib's are such, too
            return VOID
        if t is ctypes.c_char_p:
            return POINTER
        return getattr(t, "__name__", str(t))

    types = tuple(map(type_of, (restype, *argtypes)))
    shown = ", ".join(getattr(t, "__name__", str(t)) for t in argtypes)
    return _form(name, types, f"({shown}) -> {getattr(restype, '__name__', restype)}")


@lru_cache(maxsize=64)
def _written_form(name: str, signature: str) -> str | None:
    """Return the form that a signature in C has; None where it is none."""
    types = _types_written(signature)
    return _form(name, types, signature) if types else None


@lru_cache(maxsize=64)
def _types_written(signature: str) -> Types:
    """Read ``int (void *, int)``, ``int(*)(void *, int)`` or ``int fcn(void *p, int m)``."""
    found = re.fullmatch(r"\s*(\w[\w\s*]*?)\s*(?:\(\*\w*\)|\b\w+)?\s*\(([^()]*)\)\s*", signature)
    if found is None:
        return ()
    result = found[1] if found[1] else ""
    return tuple(map(_type_written, (result, *found[2].split(","))))


def _type_written(text: str) -> str:
    words = [w for w in re.findall(r"\w+", text) if w not in ("const", "restrict", "volatile")]
    stars = text.count("*") + text.count("[")
    if stars:
        kinds = {"double": DOUBLES, "void": VOID}
        return kinds.get(words[0], POINTER) if stars == 1 and words else POINTER
    if words[:1] == ["signed"] and len(words) > 1 and words[1] == "int":
        words = words[1:]
    if words and words[0] in ("int", "int32_t") and len(words) <= 2:
        return INT
    return text.strip()


def _is_capsule(value: Any) -> bool:
    return type(value).__name__ == "PyCapsule"  # whose type has a name from Python 3.13 on


def _is_cffi(value: Any) -> bool:
    cffi = sys.modules.get("_cffi_backend")
    return cffi is not None and isinstance(value, cffi._CDataBase)


def _as_pointer(args: tuple[Any, ...]) -> tuple[int | np.ndarray[Any, Any], Any]:
    """Return the address that `args` holds, 0 for none, or an array; and what keeps that alive."""
    if not args:
        return 0, None
    if len(args) != 1:
        raise type_error(
            f"args has {len(args)} entries; a compiled func gets one, its p: "
            "put what it needs into one array."
        )
    value = args[0]
    if isinstance(value, np.ndarray):
        _require_plain(value)
        return value, None
    if value is None:
        return 0, None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if not 0 <= value < 2 ** (8 * np.dtype(np.uintp).itemsize):
            raise value_error(f"args holds {describe(value)}; want an address.")
        return int(value), None
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        pointers = (ctypes.c_void_p, ctypes.c_char_p, ctypes._Pointer, ctypes._CFuncPtr)
        if isinstance(value, (*pointers, type(ctypes.byref(ctypes.c_int())))):
            return ctypes.cast(value, ctypes.c_void_p).value or 0, value
    if _is_capsule(value):
        return _minpack.capsule_address(value)[0], value
    if _is_cffi(value):
        cffi = sys.modules["_cffi_backend"].FFI()
        if cffi.typeof(value).kind in ("pointer", "array", "function"):
            return int(cffi.cast("uintptr_t", value)), value
    try:
        view = memoryview(value)
    except TypeError:
        raise type_error(
            f"args holds {describe(value)}; a compiled func gets a pointer or a buffer as its p: "
            "an array, an address, a ctypes or cffi pointer, a PyCapsule."
        ) from None
    array = np.asarray(view)  # which holds the buffer
    _require_plain(array)
    return array, None


def _require_plain(array: np.ndarray[Any, Any]) -> None:
    flags = array.flags
    if not flags.forc or array.dtype.hasobject:
        what = "holds Python objects" if array.dtype.hasobject else "has gaps between its elements"
        raise value_error(
            f"args holds {describe(array)}, which {what}; a compiled func gets its address: "
            "want a contiguous array of numbers or records."
        )
