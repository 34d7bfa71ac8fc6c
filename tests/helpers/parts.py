"""The routines that the solver is made of, called one by one in the extension itself.

In place, as in Fortran: what a routine writes, outputs and work alike, is the caller's array, of
float64 and in Fortran order (the strict lower triangle of r included). What it only reads may be
anything like an array. Sizes are not checked.
"""

from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, Structure, c_double, c_int, c_int64, c_void_p
from typing import Any

import numpy as np

from pyminpack import _minpack

ADDRESSES = _minpack.parts()
WRITTEN = np.ctypeslib.ndpointer(np.float64, flags=["F_CONTIGUOUS", "WRITEABLE"])


class Read:
    """Numbers that a routine only reads."""

    @staticmethod
    def from_param(numbers: Any) -> Any:
        return np.asarray(numbers, dtype=np.float64, order="F").ctypes


class Pivots:
    """ipvt: read, and written where it is an array of its own."""

    @staticmethod
    def from_param(ipvt: Any) -> Any:
        return np.asarray(ipvt, dtype=np.int32).ctypes


class Factors(Structure):
    """lm_factors of minpack/factor/factor.h."""

    _fields_ = (
        ("r", c_void_p),
        ("ldr", c_int64),
        ("ipvt", c_void_p),
        ("qtf", c_void_p),
        ("acnorm", c_void_p),
    )


class Group(Structure):
    """lm_group of minpack/factor/group.h; who waits, in it, is its own affair."""

    _fields_ = (
        ("m", c_int64),
        ("n", c_int64),
        ("memory", c_void_p),
        ("waiting", c_int64),
        ("fits", c_int64 * 88),
    )


class Quotients(Structure):
    """lm_quotients of minpack/linalg/quotients.h."""

    _fields_ = (
        ("values", POINTER(c_void_p)),
        ("offset", c_int64),
        ("h", c_void_p),
        ("h_stride", c_int64),
        ("y", c_void_p),
        ("w", c_void_p),
    )


SIZE, NUMBER, FLAG = POINTER(c_int64), POINTER(c_double), POINTER(c_int)


def routine(name: str, *arguments: Any, returns: Any = None) -> Any:
    """A routine of the extension. POINTER: a scalar by reference, as in Fortran."""
    return CFUNCTYPE(returns, *arguments)(ADDRESSES[name])


_qrfac = routine("lm_qrfac", c_int64, c_int64, WRITTEN, c_int64, WRITTEN, Pivots, *[WRITTEN] * 4)
_qrsolv = routine("lm_qrsolv", SIZE, WRITTEN, SIZE, Pivots, Read, Read, WRITTEN, WRITTEN, WRITTEN)
_lmpar = routine(
    "lm_lmpar", SIZE, WRITTEN, SIZE, Pivots, Read, Read, NUMBER, NUMBER, WRITTEN, NUMBER,
    WRITTEN, WRITTEN, WRITTEN, SIZE, WRITTEN,
)  # fmt: skip
_propose = routine(
    "lm_propose", SIZE, WRITTEN, SIZE, Pivots, Read, Read, NUMBER, NUMBER, NUMBER, WRITTEN,
    NUMBER, NUMBER, NUMBER, WRITTEN, WRITTEN, WRITTEN, SIZE, WRITTEN,
)  # fmt: skip
_judge = routine("lm_judge", *[NUMBER] * 9, FLAG)
_damped = routine(
    "lm_damped", c_int64, Read, Pivots, c_double, Read, Read, WRITTEN, WRITTEN, WRITTEN
)
_rows_add = routine(
    "lm_rows_add", c_int64, c_int64, Read, c_int64, c_int64, Read, WRITTEN, WRITTEN, SIZE
)
_rows_finish = routine("lm_rows_finish", c_int64, Read, WRITTEN, WRITTEN, WRITTEN)
_pivot = routine("lm_pivot", c_int64, WRITTEN, WRITTEN, Pivots, WRITTEN)
_in_place = routine(
    "lm_factor_in_place", POINTER(Factors), c_int64, c_int64, WRITTEN, Read, *[WRITTEN] * 3
)
_reduce = routine(
    "lm_factor_reduce", c_int64, c_int64, Read, c_int64, c_int64, Read, WRITTEN, c_int,
    returns=c_int,
)  # fmt: skip

_group_add = routine("lm_group_add", POINTER(Group), POINTER(Factors), c_int64, Read, c_int64, Read)
_group_add_quotients = routine(
    "lm_group_add_quotients", POINTER(Group), POINTER(Factors), c_int64, POINTER(Quotients), Read
)
_group_end = routine("lm_group_end", POINTER(Group))

group_size = routine("lm_group_size", c_int64, c_int64, returns=c_int64)
lmpar_size = routine("lm_lmpar_size", c_int64, returns=c_int64)
damped_size = routine("lm_damped_size", c_int64, returns=c_int64)
leading = routine("lm_leading", c_int64, returns=c_int64)
running_size = routine("lm_running_size", c_int64, returns=c_int64)
rows_size = routine("lm_rows_size", c_int64, returns=c_int64)
pivot_size = routine("lm_pivot_size", c_int64, returns=c_int64)
rows_merge = routine("lm_rows_merge", c_int64, WRITTEN, WRITTEN)
factor_by_rows = routine("lm_factor_by_rows", c_int64, c_int64, returns=c_int)
factor_in_halves = routine("lm_factor_in_halves", c_int64, c_int64, returns=c_int)
factor_threads = routine("lm_factor_threads", c_int64, c_int64, returns=c_int)
reduction_size = routine("lm_reduction_size", c_int64, c_int64, returns=c_int64)


def qrfac(a, f, ipvt, acnorm, squares, reference, sums):
    _qrfac(len(f), len(ipvt), a, len(a), f, ipvt, acnorm, squares, reference, sums)


def qrsolv(r, ipvt, d, qtb, z, sdiag, rhs):
    _qrsolv(c_int64(len(ipvt)), r, c_int64(len(r)), ipvt, d, qtb, z, sdiag, rhs)


def lmpar(r, ipvt, diag, qtb, delta, par, z, sdiag, work1, work2, scratch_size=0):
    """par, and the norm of D z."""
    par, dz_norm = c_double(par), c_double()
    _lmpar(
        c_int64(len(ipvt)), r, c_int64(len(r)), ipvt, diag, qtb, c_double(delta), par, z, dz_norm,
        sdiag, work1, work2, c_int64(scratch_size), np.empty(scratch_size),
    )  # fmt: skip
    return par.value, dz_norm.value


def propose(r, ipvt, diag, qtf, fnorm, delta, par, p, work1, work2, work3):
    """par, pnorm, prered and dirder."""
    par, pnorm, prered, dirder = c_double(par), c_double(), c_double(), c_double()
    _propose(
        c_int64(len(ipvt)), r, c_int64(len(r)), ipvt, diag, qtf, c_double(fnorm), c_double(delta),
        par, p, pnorm, prered, dirder, work1, work2, work3, c_int64(0), np.empty(0),
    )  # fmt: skip
    return par.value, pnorm.value, prered.value, dirder.value


def judge(fnorm, fnorm_trial, pnorm, prered, dirder, delta, par):
    """delta, par, actred, ratio, and whether the trial is accepted."""
    given = [c_double(value) for value in (fnorm, fnorm_trial, pnorm, prered, dirder)]
    told = [c_double(delta), c_double(par), c_double(), c_double(), c_int()]
    _judge(*given, *told)
    return tuple(value.value for value in told)


def damped(r, ipvt, par, diag, qtf, s, qtb, work):
    _damped(len(ipvt), r, ipvt, par, diag, qtf, s, qtb, work)


def rows_add(n, a, row_stride, column_stride, f, running, work):
    """Whether the rows are finite."""
    finite = c_int64()
    _rows_add(len(f), n, a, row_stride, column_stride, f, running, work, finite)
    return finite.value


def rows_finish(running, r, qtf, acnorm):
    _rows_finish(len(qtf), running, r, qtf, acnorm)


def pivot(r, qtf, ipvt, work):
    _pivot(len(ipvt), r, qtf, ipvt, work)


def factor_in_place(fjac, fvec, ipvt, qtf, acnorm, work1, work2, work3):
    m, n = len(fvec), len(ipvt)
    factors = Factors(fjac.ctypes.data, m, *(a.ctypes.data for a in (ipvt, qtf, acnorm)))
    _in_place(factors, m, n, fjac, fvec, work1, work2, work3)


def factor_group(jacobians, residuals, r, ipvt, qtf, acnorm):
    """Each, none of more rows than the first; r and those behind it have an entry for each.

    A Jacobian is an array by columns, or values by columns, steps, data and weights, or None.
    """
    m, n = (jacobians[0][0] if isinstance(jacobians[0], tuple) else jacobians[0]).shape
    memory = np.full(group_size(m, n), np.nan)
    group = Group(m=m, n=n, memory=memory.ctypes.data)
    factors = [
        Factors(a.ctypes.data, n, *(vector.ctypes.data for vector in vectors))
        for a, *vectors in zip(r, ipvt, qtf, acnorm, strict=True)
    ]
    quotients = []  # which are to live until the end
    for own, j, f in zip(factors, jacobians, residuals, strict=True):
        if isinstance(j, tuple):
            values, h, *data = j
            columns = (c_void_p * n)(*(column.ctypes.data for column in values.T))
            y, w = (None if each is None else each.ctypes.data for each in data)
            quotients.append(Quotients(columns, 0, h.ctypes.data, 1, y, w))
            _group_add_quotients(group, own, len(f), quotients[-1], f)
        else:
            _group_add(group, own, len(f), j, j.strides[1] // 8, f)
    _group_end(group)


def reduce_rows(n, a, row_stride, column_stride, f, memory, threads):
    """Whether the rows are finite."""
    return _reduce(len(f), n, a, row_stride, column_stride, f, memory, threads)
