"""Function pointers of every make, and what is said of those that are not what they should be."""

import array
import ctypes
import re

import cffi
import numpy as np
import pytest
from c_models import BOTH, DATA, DOUBLES, INT, START, M, both, library, python_decay, residuals
from scipy import LowLevelCallable

from pyminpack import leastsq

pytestmark = pytest.mark.bundled

EXPECTED = leastsq(python_decay, START)[0]
ffi = cffi.FFI()
ffi.cdef("""
    int decay(const double *p, int m, int n, const double *x, double *fvec, int iflag);
    typedef int both(const void *p, int m, int n, const double *x, double *fvec, double *fjac,
                     int32_t ldfjac, int iflag);
""")
DECAY, DECAY_BOTH = residuals("decay"), both("decay_both")


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


names = []  # a capsule does not own its name


def capsule(pointer, name=None):
    names.append(name)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(pointer, name, None)


NAME = b"int (double *, int, int, double const *, double *, int)"  # as Cython writes it
FUNCTIONS = {
    "ctypes": DECAY,
    "ctypes, no signature": library.decay,
    "ctypes, numpy's pointers": ctypes.CFUNCTYPE(
        INT, ctypes.c_void_p, INT, INT, *2 * [np.ctypeslib.ndpointer(np.float64)], INT
    )(("decay", library)),
    "ctypes, another p": ctypes.CFUNCTYPE(INT, ctypes.c_char_p, INT, INT, DOUBLES, DOUBLES, INT)(
        ("decay", library)
    ),
    "cffi": ffi.cast("int(*)(void *, int, int, const double *, double[], int)", address(DECAY)),
    "capsule": capsule(address(DECAY)),
    "capsule with a signature": capsule(address(DECAY), NAME),
    "capsule with a name": capsule(address(DECAY), b"my_models.decay"),
    "LowLevelCallable": LowLevelCallable(DECAY),
    "LowLevelCallable of a capsule": LowLevelCallable(capsule(address(DECAY), NAME)),
    "LowLevelCallable of cffi": LowLevelCallable(
        ffi.cast("int(*)(void *, int, int, double *, double *, int)", address(DECAY))
    ),
    "derivatives, ctypes": DECAY_BOTH,
    "derivatives, cffi": ffi.cast("both *", address(DECAY_BOTH)),
    "derivatives, LowLevelCallable": LowLevelCallable(DECAY_BOTH),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_pointer(name):
    """Protects each kind of pointer; `both` is told by its signature, and has derivatives."""
    x, _, info, _, ier = leastsq(FUNCTIONS[name], START, DATA, m=M, full_output=True)
    np.testing.assert_allclose(x, EXPECTED, rtol=1e-7)
    assert ier in (1, 2, 3)
    assert ("njev" in info) == name.startswith("derivatives")


def test_derivatives_by_a_pointer_without_a_signature():
    """Protects Dfun=func, which says that func has them."""
    for function in (library.decay_both, capsule(address(DECAY_BOTH)), DECAY_BOTH):
        info = leastsq(function, START, DATA, function, m=M, full_output=True)[2]
        assert info["njev"] > 1
    one, other = library["decay_both"], library["decay_both"]
    assert one is not other
    assert leastsq(one, START, DATA, other, m=M, full_output=True)[2]["njev"] > 1


def test_a_callback_into_python():
    """Protects closures that ctypes and cffi make of Python functions: they take the lock."""

    def decay(p, m, n, x, fvec, iflag):
        for i, value in enumerate(python_decay([x[0], x[1]])):
            fvec[i] = value
        return 0

    signature = "int(void *, int, int, const double *, double *, int)"
    for function in (type(DECAY)(decay), ffi.callback(signature, decay)):
        np.testing.assert_array_equal(leastsq(function, START, m=M)[0], EXPECTED)


def pointers():
    """Everything that p can be; a buffer lives as long as what points to it here."""
    data = np.ascontiguousarray(DATA)
    numbers = (ctypes.c_double * data.size)(*data.ravel())
    yield "array", data
    yield "tuple", (data,)
    yield "records", data.copy().view([("t", float), ("y", float)])
    yield "read-only array", np.frombuffer(data.tobytes())
    yield "address", data.ctypes.data
    yield "numpy's address", np.uintp(data.ctypes.data)
    yield "bytes", data.tobytes()
    yield "memoryview", memoryview(data)
    yield "array.array", array.array("d", data.ravel())
    yield "ctypes array", numbers
    yield "ctypes pointer", ctypes.cast(numbers, DOUBLES)
    yield "ctypes void pointer", ctypes.cast(numbers, ctypes.c_void_p)
    yield "ctypes byref", ctypes.byref(numbers)
    yield "numpy's ctypes pointer", data.ctypes.data_as(ctypes.c_void_p)
    yield "cffi array", ffi.new("double[]", data.ravel().tolist())
    yield "cffi pointer", ffi.cast("void *", data.ctypes.data)
    yield "cffi buffer", ffi.from_buffer(data)
    yield "capsule", capsule(data.ctypes.data, b"data")


@pytest.mark.parametrize("name", [name for name, _ in pointers()])
def test_every_p(name):
    """Protects each kind of pointer and buffer as args."""
    for each, p in pointers():
        if each == name:
            np.testing.assert_array_equal(leastsq(DECAY, START, p, m=M)[0], EXPECTED)


def test_user_data_of_a_LowLevelCallable():
    """Protects scipy's own way of handing p over."""
    data = np.ascontiguousarray(DATA)
    pointer = data.ctypes.data_as(ctypes.c_void_p)
    function = LowLevelCallable(DECAY, pointer)
    np.testing.assert_array_equal(leastsq(function, START, m=M)[0], EXPECTED)
    both_ = LowLevelCallable(DECAY_BOTH, pointer)
    assert leastsq(DECAY, START, (), both_, m=M, full_output=True)[2]["njev"] > 1
    with pytest.raises(ValueError, match="p is given twice"):
        leastsq(function, START, data, m=M)
    other = LowLevelCallable(DECAY_BOTH, ctypes.c_void_p(data.ctypes.data))
    with pytest.raises(ValueError, match="user_data of their own"):
        leastsq(function, START, (), other, m=M)


def prototype(result, *arguments):
    return ctypes.CFUNCTYPE(result, *arguments)(("decay", library))


SIX = (ctypes.c_void_p, INT, INT, DOUBLES, DOUBLES, INT)


@pytest.mark.parametrize(
    ("func", "what"),
    [
        (prototype(INT, *SIX[:5]), "(c_void_p, c_int, c_int, LP_c_double, LP_c_double) -> c_int"),
        (prototype(None, *SIX), "-> None"),
        (prototype(INT, *SIX[:2], ctypes.c_int64, *SIX[3:]), "c_long"),
        (prototype(INT, *SIX[:4], ctypes.POINTER(ctypes.c_float), INT), "LP_c_float"),
        (prototype(INT, INT, *SIX[1:]), "(c_int, c_int, c_int,"),
        (ffi.cast("int(*)(void *, int, int, float *, double *, int)", 1), "float *"),
        (ffi.cast("long(*)(void *, int, int, double *, double *, int)", 1), "long(*)(void *"),
        (ffi.cast("int(*)(void *, int, int, double **, double *, int)", 1), "double * *"),
        (capsule(1, b"double (double, void *)"), "double (double, void *)"),
        (LowLevelCallable(capsule(1, b"int (intptr_t *, double *)")), "int (intptr_t *, double *)"),
    ],
    ids=["five", "void", "int64", "float", "p", "cffi", "long", "pointers", "capsule", "SciPy's"],
)
def test_wrong_signatures(func, what):
    """Protects against a call that would crash: the error shows what came and what is wanted."""
    with pytest.raises(TypeError, match="func has the signature .*" + re.escape(what)) as caught:
        leastsq(func, START, DATA, m=M)
    assert "want int fcn(void *p, int m, int n, const double *x, double *fvec, int iflag), or" in (
        str(caught.value)
    )


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((python_decay, START), {}, TypeError, "func is function.* want a compiled function"),
        ((12345, START), {}, TypeError, "func is int 12345; .*a numba cfunc, a ctypes or cffi"),
        ((ctypes.cast(None, BOTH), START), {}, ValueError, "func is a null pointer"),
        ((ffi.cast("both *", 0), START), {}, ValueError, "func is a null pointer"),
        ((ffi.new("int *"), START), {}, TypeError, "want a compiled function"),
        ((DECAY, START, DATA, python_decay), {}, TypeError, "Dfun is function.* a compiled"),
        ((DECAY, START, DATA, DECAY), {}, TypeError, "Dfun gives residuals alone; want int fcn"),
        ((DECAY, START, DATA, library["decay"]), {}, TypeError, "Dfun gives residuals alone"),
        ((DECAY, START, DATA, residuals("slow")), {}, TypeError, "Dfun gives residuals alone"),
        ((DECAY, START, DATA, "cs"), {}, ValueError, "Dfun is str 'cs'; .*'2-point', None or"),
        ((DECAY, START, DATA), {"blocks": [1]}, TypeError, "does not go by blocks"),
        ((DECAY, START, DATA), {"m": 0}, ValueError, "m is 0; .* from 1 to 2147483647"),
        ((DECAY, START, DATA), {"m": 2**31}, ValueError, "m is 2147483648; "),
        ((DECAY, START, DATA), {"m": 2.5}, TypeError, "m is float 2.5; want an integer"),
        ((DECAY, START, (DATA, 1)), {}, TypeError, "args has 2 entries; .*one, its p"),
        ((DECAY, START, 3.0), {}, TypeError, "args holds float 3.0; .*pointer or a buffer"),
        ((DECAY, START, -1), {}, ValueError, "args holds int -1; want an address"),
        ((DECAY, START, DATA[:, 1]), {}, ValueError, r"shape \(12,\), which has gaps"),
        ((DECAY, START, DATA.astype(object)), {}, ValueError, "which holds Python objects"),
        ((DECAY, START, ffi.new("struct { int i; } *")[0]), {}, TypeError, "pointer or a buffer"),
    ],
)
def test_what_is_no_model(arguments, options, error, text):
    """Protects the clear word for each thing that is not what it should be."""
    with pytest.raises(error, match=text):
        leastsq(*arguments, **{"m": M, **options})


@pytest.mark.parametrize("func", [capsule(1), LowLevelCallable(DECAY)], ids=["capsule", "SciPy's"])
def test_m_is_asked_for(func):
    """Protects who hands in a compiled model as it is handed to SciPy: the error says m."""
    with pytest.raises(
        TypeError, match=r"want a function func\(x, \*args\), or with m= a compiled"
    ):
        leastsq(func, START)
