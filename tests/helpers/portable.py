"""Elementary functions that give the same last bit on every machine.

libm and NumPy's SIMD loops round ``exp`` and ``atan`` differently from one processor to the next,
and one last bit is enough to send a chaotic fit another way. These use nothing but IEEE 754's
correctly rounded operations in a fixed order, so that answers recorded on one machine can be
compared on another. For the same reason sums are taken by `total`, whose order is its definition,
never by ``np.sum`` (pairwise, in blocks of the vector length), ``@`` (BLAS) or built-in ``sum``
(compensated since Python 3.12).
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["arctan", "exact_cos", "exact_exp", "exact_sin", "exp", "total"]

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: the first ends in 21 zero bits, so that its product with any |k| < 2^21 is
# exact.
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
# 1/k!, highest first: |r| <= ln(2)/2 makes the first neglected term less than 1e-17.
_EXP_SERIES = [1.0 / math.factorial(k) for k in range(13, -1, -1)]
# (-1)^k / (2k + 1), highest first.
_ARCTAN_SERIES = [(-1.0) ** k / (2 * k + 1) for k in range(8, -1, -1)]


def exp(x: ArrayLike) -> NDArray[np.float64]:
    """Exponential of each element, within 2 ulp; inf where it overflows, 0 where it underflows."""
    # Beyond these bounds the result is inf or 0 anyway, and within them the exponent is an int.
    x = np.clip(np.asarray(x, dtype=np.float64), -800.0, 800.0)
    k = np.rint(x * _LOG2_E)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    series = np.full_like(r, _EXP_SERIES[0])
    for coefficient in _EXP_SERIES[1:]:
        series = series * r + coefficient
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.asarray(np.ldexp(series, k.astype(np.int32)))


def arctan(x: float) -> float:
    """Arc tangent of one number, within a few ulp."""
    if abs(x) > 1.0:
        return math.copysign(math.pi / 2.0, x) - arctan(1.0 / x)
    for _ in range(3):  # arctan x = 2 arctan(x / (1 + sqrt(1 + x^2)))
        x = x / (1.0 + math.sqrt(1.0 + x * x))
    series = 0.0  # |x| < tan(pi/32) = 0.0985: the first neglected term is below 1e-19
    for coefficient in _ARCTAN_SERIES:
        series = series * (x * x) + coefficient
    return 8.0 * x * series


@cache
def exact_exp(x: Fraction) -> float:
    """Correctly rounded exponential of a rational of moderate size (a problem's constant)."""
    return float(sum(x**k / math.factorial(k) for k in range(80)))


@cache
def exact_sin(x: Fraction) -> float:
    """Correctly rounded sine of a rational of moderate size."""
    return float(sum((-1) ** k * x ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(40)))


@cache
def exact_cos(x: Fraction) -> float:
    """Correctly rounded cosine of a rational of moderate size."""
    return float(sum((-1) ** k * x ** (2 * k) / math.factorial(2 * k) for k in range(40)))


def total(a: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Sum along `axis`, from the first element to the last."""
    return np.add.accumulate(a, axis=axis).take(-1, axis=axis)
