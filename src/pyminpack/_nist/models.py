"""The models of the data sets and their Jacobians, derived by hand.

A model maps parameters ``b`` and predictors ``x`` to M fitted values. Its Jacobian is (N, M), one
row of derivatives per parameter: what ``leastsq`` takes with ``col_deriv=True``. The models are
written as NIST writes them, b1 being the first parameter. They take complex ``b`` too, so that they
can be differentiated by complex steps.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["MODELS", "Array", "Model"]

Array = npt.NDArray[np.float64]
Numbers = Iterable[float]


class Model(NamedTuple):
    """A model function, its Jacobian and the transformation of the response it is fitted to."""

    function: Callable[[Array, Array], Array]
    jacobian: Callable[[Array, Array], Array]
    log_response: bool = False


def _saturation(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    return -b1 * np.expm1(-b2 * x)  # b1*(1 - exp(-b2*x)) without cancellation


def _saturation_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    return np.array([-np.expm1(-b2 * x), b1 * x * np.exp(-b2 * x)])


def _misra1b(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    return b1 * (1 - (1 + b2 * x / 2) ** -2)


def _misra1b_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    w = 1 + b2 * x / 2
    return np.array([1 - w**-2, b1 * x * w**-3])


def _misra1c(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    return b1 * (1 - (1 + 2 * b2 * x) ** -0.5)


def _misra1c_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    w = 1 + 2 * b2 * x
    return np.array([1 - w**-0.5, b1 * x * w**-1.5])


def _misra1d(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    return b1 * b2 * x / (1 + b2 * x)


def _misra1d_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    w = 1 + b2 * x
    return np.array([b2 * x / w, b1 * x / w**2])


def _chwirut(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    return np.exp(-b1 * x) / (b2 + b3 * x)


def _chwirut_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    q = b2 + b3 * x
    f = np.exp(-b1 * x) / q
    return np.array([-x * f, -f / q, -x * f / q])


def _lanczos(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4, b5, b6 = b
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-b4 * x) + b5 * np.exp(-b6 * x)


def _lanczos_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4, b5, b6 = b
    e1, e2, e3 = np.exp(-b2 * x), np.exp(-b4 * x), np.exp(-b6 * x)
    return np.array([e1, -b1 * x * e1, e2, -b3 * x * e2, e3, -b5 * x * e3])


def _gauss(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4, b5, b6, b7, b8 = b
    peaks = b3 * np.exp(-(((x - b4) / b5) ** 2)) + b6 * np.exp(-(((x - b7) / b8) ** 2))
    return b1 * np.exp(-b2 * x) + peaks


def _gauss_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, *peaks = b
    decay = np.exp(-b2 * x)
    return np.array([decay, -b1 * x * decay, *_peak_rows(peaks[:3], x), *_peak_rows(peaks[3:], x)])


def _peak_rows(b: Numbers, x: Array) -> tuple[Array, Array, Array]:
    """Differentiate height*exp(-u**2), u = (x - centre)/width, by the three."""
    height, centre, width = b
    u = (x - centre) / width
    peak = np.exp(-(u**2))
    by_centre = 2 * height / width * u * peak
    return peak, by_centre, u * by_centre


def _danwood(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    return b1 * x**b2


def _danwood_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2 = b
    power = x**b2
    return np.array([power, b1 * power * np.log(x)])


def _rational(b: Array, x: Array) -> Array:
    """Evaluate (b1 + b2*x + ... + bk*x**(k-1))/(1 + b(k+1)*x + ... + b(2k-1)*x**(k-1))."""
    k = len(b) // 2 + 1
    return _polynomial(b[:k], x) / (1 + x * _polynomial(b[k:], x))


def _rational_jacobian(b: Array, x: Array) -> Array:
    k = len(b) // 2 + 1
    numerator_rows = x ** np.arange(k)[:, None] / (1 + x * _polynomial(b[k:], x))
    return np.concatenate([numerator_rows, -numerator_rows[1:] * _rational(b, x)])


def _polynomial(coefficients: Numbers, x: Array) -> Array:
    """Evaluate by Horner's rule, the coefficients from the constant up."""
    value = np.zeros_like(x)
    for c in reversed(list(coefficients)):
        value = c + x * value
    return value


def _nelson(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    x1, x2 = x
    return np.asarray(b1 - b2 * x1 * np.exp(-b3 * x2))


def _nelson_jacobian(b: Numbers, x: Array) -> Array:
    _, b2, b3 = b
    x1, x2 = x
    by_b2 = -x1 * np.exp(-b3 * x2)
    return np.array([np.ones_like(x1), by_b2, -b2 * x2 * by_b2])


def _mgh17(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4, b5 = b
    return b1 + b2 * np.exp(-x * b4) + b3 * np.exp(-x * b5)


def _mgh17_jacobian(b: Numbers, x: Array) -> Array:
    _, b2, b3, b4, b5 = b
    e1, e2 = np.exp(-x * b4), np.exp(-x * b5)
    return np.array([np.ones_like(x), e1, e2, -b2 * x * e1, -b3 * x * e2])


def _roszman1(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4 = b
    return b1 - b2 * x - np.arctan(b3 / (x - b4)) / np.pi


def _roszman1_jacobian(b: Numbers, x: Array) -> Array:
    _, _, b3, b4 = b
    u = x - b4
    circle = np.pi * (u**2 + b3**2)
    return np.array([np.ones_like(x), -x, -u / circle, -b3 / circle])


def _enso(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4, b5, b6, b7, b8, b9 = b
    annual, second, third = 2 * np.pi * x / 12, 2 * np.pi * x / b4, 2 * np.pi * x / b7
    return (
        b1
        + b2 * np.cos(annual)
        + b3 * np.sin(annual)
        + b5 * np.cos(second)
        + b6 * np.sin(second)
        + b8 * np.cos(third)
        + b9 * np.sin(third)
    )


def _enso_jacobian(b: Numbers, x: Array) -> Array:
    _, _, _, b4, b5, b6, b7, b8, b9 = b
    annual = 2 * np.pi * x / 12
    second, third = _cycle_rows((b4, b5, b6), x), _cycle_rows((b7, b8, b9), x)
    return np.array([np.ones_like(x), np.cos(annual), np.sin(annual), *second, *third])


def _cycle_rows(b: Numbers, x: Array) -> tuple[Array, Array, Array]:
    """Differentiate p*cos(angle) + q*sin(angle), angle = 2*pi*x/period, by period, p and q."""
    period, p, q = b
    angle = 2 * np.pi * x / period
    cos, sin = np.cos(angle), np.sin(angle)
    return (p * sin - q * cos) * angle / period, cos, sin


def _mgh09(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4 = b
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


def _mgh09_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4 = b
    q = x**2 + x * b3 + b4
    shape = (x**2 + x * b2) / q
    by_b4 = -b1 * shape / q
    return np.array([shape, b1 * x / q, x * by_b4, by_b4])


def _rat42(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    return b1 / (1 + np.exp(b2 - b3 * x))


def _rat42_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    shape = 1 / (1 + np.exp(b2 - b3 * x))
    slope = b1 * shape * (1 - shape)
    return np.array([shape, -slope, x * slope])


def _mgh10(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    return b1 * np.exp(b2 / (x + b3))


def _mgh10_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    w = x + b3
    e = np.exp(b2 / w)
    by_b2 = b1 * e / w
    return np.array([e, by_b2, -b2 / w * by_b2])


def _eckerle4(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    return b1 / b2 * np.exp(-0.5 * ((x - b3) / b2) ** 2)


def _eckerle4_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    u = (x - b3) / b2
    by_b1 = np.exp(-0.5 * u**2) / b2
    slope = b1 / b2 * by_b1
    return np.array([by_b1, (u**2 - 1) * slope, u * slope])


def _rat43(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4 = b
    return b1 / (1 + np.exp(b2 - b3 * x)) ** (1 / b4)


def _rat43_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3, b4 = b
    t = b2 - b3 * x
    log_w = np.logaddexp(0, t)  # log(1 + exp(t)) that does not overflow
    shape = np.exp(-log_w / b4)
    slope = b1 / b4 * shape * np.exp(t - log_w)
    return np.array([shape, -slope, x * slope, b1 / b4**2 * shape * log_w])


def _bennett5(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    return b1 * (b2 + x) ** (-1 / b3)


def _bennett5_jacobian(b: Numbers, x: Array) -> Array:
    b1, b2, b3 = b
    w = b2 + x
    power = w ** (-1 / b3)
    return np.array([power, -b1 * power / (b3 * w), b1 * power * np.log(w) / b3**2])


_saturating = Model(_saturation, _saturation_jacobian)
_three_exponentials = Model(_lanczos, _lanczos_jacobian)
_two_peaks = Model(_gauss, _gauss_jacobian)
_ratio = Model(_rational, _rational_jacobian)

MODELS = {
    "Misra1a": _saturating,
    "Chwirut2": Model(_chwirut, _chwirut_jacobian),
    "Chwirut1": Model(_chwirut, _chwirut_jacobian),
    "Lanczos3": _three_exponentials,
    "Gauss1": _two_peaks,
    "Gauss2": _two_peaks,
    "DanWood": Model(_danwood, _danwood_jacobian),
    "Misra1b": Model(_misra1b, _misra1b_jacobian),
    "Kirby2": _ratio,
    "Hahn1": _ratio,
    "Nelson": Model(_nelson, _nelson_jacobian, log_response=True),
    "MGH17": Model(_mgh17, _mgh17_jacobian),
    "Lanczos1": _three_exponentials,
    "Lanczos2": _three_exponentials,
    "Gauss3": _two_peaks,
    "Misra1c": Model(_misra1c, _misra1c_jacobian),
    "Misra1d": Model(_misra1d, _misra1d_jacobian),
    "Roszman1": Model(_roszman1, _roszman1_jacobian),
    "ENSO": Model(_enso, _enso_jacobian),
    "MGH09": Model(_mgh09, _mgh09_jacobian),
    "Thurber": _ratio,
    "BoxBOD": _saturating,
    "Rat42": Model(_rat42, _rat42_jacobian),
    "MGH10": Model(_mgh10, _mgh10_jacobian),
    "Eckerle4": Model(_eckerle4, _eckerle4_jacobian),
    "Rat43": Model(_rat43, _rat43_jacobian),
    "Bennett5": Model(_bennett5, _bennett5_jacobian),
}
