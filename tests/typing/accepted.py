"""What a user's program may say; for the type checkers alone, nothing runs it."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import assert_type

from pyminpack import (
    CurveFitResult,
    FullCurveFitResult,
    InfoDict,
    Iteration,
    JacobianCheck,
    ManyFits,
    check_jacobian,
    curve_fit,
    curve_fit_many,
    leastsq,
    leastsq_many,
)

Floats = npt.NDArray[np.float64]

t = np.linspace(0.0, 1.0, 9)
y = np.exp(-t)
known_at_run_time = bool(t[0])


def decay(t: Floats, amplitude: float, rate: float) -> Floats:
    return amplitude * np.exp(-rate * t)


def derivatives(t: Floats, amplitude: float, rate: float) -> Floats:
    return np.column_stack([decay(t, 1.0, rate), -t * decay(t, amplitude, rate)])


def residuals(p: Floats) -> Floats:
    return decay(t, p[0], p[1]) - y


def watch(iteration: Iteration) -> None:
    assert_type(iteration.cost, float)
    if iteration.nit > 9:
        raise StopIteration


# leastsq: two values, or five with full_output, by name, by position, and by the old 1.
x, ier = leastsq(residuals, [1, 2.0])
assert_type(x, Floats)
if ier == 9 or ier in (1, 2, 3, 4):
    pass
x, cov_x, infodict, mesg, ier = leastsq(residuals, (1.0, 2.0), full_output=True)
x, cov_x, infodict, mesg, ier = leastsq(residuals, t, (), None, True)
x, cov_x, infodict, mesg, ier = leastsq(residuals, t, full_output=1, Dfun="3-point")
assert_type(cov_x, Floats | None)
assert_type(infodict, InfoDict)
assert_type(infodict["nfev"], int)
assert_type(infodict["fjac"], Floats)
assert_type(mesg, str)
if "active_mask" in infodict:
    assert_type(infodict["active_mask"], npt.NDArray[np.int_])
x, ier = leastsq(residuals, 1.0, Dfun=lambda p: np.eye(2), col_deriv=True, callback=watch)


# In blocks, of any kind; what is told of the residuals then is another thing.
def residuals_of(p: Floats, rows: slice) -> Floats:
    return decay(t[rows], p[0], p[1]) - y[rows]


rows = [slice(0, 4), slice(4, 9)]
x, ier = leastsq(residuals_of, [1, 2.0], blocks=rows, workers=-1, checkpoint="fit.npz")
assert_type(x, Floats)
with ThreadPoolExecutor() as executor:
    in_blocks = leastsq(residuals_of, t, blocks=rows, executor=executor, full_output=True)
assert_type(in_blocks[2]["fvec"].norm, float)
for part in in_blocks[2]["fvec"]:
    assert_type(part, Floats)
x, ier = leastsq(residuals, t, bounds=(0, [1.0, 2.0]), max_nfev=50, verbose=1)
either = leastsq(residuals, t, full_output=known_at_run_time)
x = either[0]

# Compiled functions, of types that do not tell.
pointer: Any = ctypes.CFUNCTYPE(ctypes.c_int)(0)
x, status = leastsq(pointer, t, y, m=9)
assert_type(status, int)
x, cov_x, infodict, mesg, status = leastsq(pointer, t, y.ctypes, pointer, m=9, full_output=True)
assert_type(infodict, InfoDict)

# curve_fit: a tuple of two or five with names.
popt, pcov = curve_fit(decay, t, y)
popt, pcov = curve_fit(decay, t, y, chunk=1000, workers=-1, checkpoint="fit.npz")
assert_type(popt, Floats)
assert_type(pcov, Floats)
popt, pcov, infodict, mesg, ier = curve_fit(decay, t, y, full_output=True)
assert_type(infodict, InfoDict)
result = curve_fit(decay, t, y, p0={"amplitude": 1, "rate": 2.0}, jac=derivatives, sigma=0.1)
assert_type(result, CurveFitResult)
assert_type(result.popt, Floats)
assert_type(result.names, tuple[str, ...])
assert_type(result.redchi, float)
assert_type(result.dof, int)
assert_type(result.band([0.0, 2.0]), Floats)
upper, lower = result.plot()
upper.set_xlabel("t")
full = curve_fit(decay, t, y, full_output=True, nan_policy="omit", method="trf", jac="cs")
assert_type(full, FullCurveFitResult)
assert_type(full.infodict, InfoDict)
curve_fit(decay, t, y, ftol=1e-12, xtol=None, x_scale="jac", loss="linear", callback=watch)
curve_fit(decay, list(t), 0, bounds={"rate": (0, None)}, check_finite=False, col_deriv=True)
curve_fit(decay, t, y, full_output=known_at_run_time)
options: dict[str, Any] = {"maxfev": 1000}
popt, pcov = curve_fit(decay, t, y, **options)

# Many fits
fits = curve_fit_many(decay, t, np.ones((5, 6)), p0=[1.0, 2.0], nan_policy="omit", maxfev=100)
assert_type(fits, ManyFits)
assert_type(fits.popt, Floats)
assert_type(fits.message((2,)), str)
popt, pcov = curve_fit_many(decay, t, y, lambda x, y: y[:, :2], bounds={"rate": (0, None)})
assert_type(
    leastsq_many(lambda X, y: X - y, np.ones((5, 2)), data=[t], workers=-1, resume=fits), ManyFits
)

# check_jacobian
check = check_jacobian(residuals, lambda p: np.eye(2), [1.0, 2.0])
assert_type(check, JacobianCheck)
assert_type(check.wrong, tuple[tuple[int, int], ...])
