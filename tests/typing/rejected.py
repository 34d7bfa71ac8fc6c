"""What a user's program must not say: an ignored line without an error is an error itself."""

import numpy as np
import numpy.typing as npt

from pyminpack import (
    Iteration,
    check_jacobian,
    curve_fit,
    curve_fit_many,
    leastsq,
    leastsq_many,
)

Floats = npt.NDArray[np.float64]

t = np.linspace(0.0, 1.0, 9)


def decay(t: Floats, amplitude: float, rate: float) -> Floats:
    return amplitude * np.exp(-rate * t)


def residuals(p: Floats) -> Floats:
    return p - 1.0


def watch(number: int) -> None:
    print(number)


# Options that there are not
leastsq(residuals, t, Dfun="4-point")  # type: ignore[call-overload]
leastsq(residuals, t, ftol="small")  # type: ignore[call-overload]
leastsq(residuals, t, maxfev=1.5)  # type: ignore[call-overload]
leastsq(residuals, t, callback=watch)  # type: ignore[arg-type]
leastsq(residuals, t, tolerance=1e-3)  # type: ignore[call-overload]
leastsq(residuals, t, workers=2)  # type: ignore[call-overload]
leastsq(residuals, t, blocks=3)  # type: ignore[call-overload]
leastsq(residuals, t, m="9")  # type: ignore[call-overload]
leastsq(residuals, t, m=9, blocks=[])  # type: ignore[call-overload]
leastsq(3.0, t)  # type: ignore[call-overload]
curve_fit(decay, t, t, method="newton")  # type: ignore[call-overload]
curve_fit(decay, t, t, jac="4-point")  # type: ignore[call-overload]
curve_fit(decay, t, t, nan_policy="propagate")  # type: ignore[call-overload]
curve_fit(decay, t, t, loss="huber")  # type: ignore[call-overload]
curve_fit(decay, t, t, maxfevs=1000)  # type: ignore[call-overload]
curve_fit(decay, t, t, maxfev="many")  # type: ignore[call-overload]
curve_fit(decay, t)  # type: ignore[call-overload]
curve_fit("decay", t, t)  # type: ignore[call-overload]
curve_fit_many(decay, t, t, nan_policy="drop")  # type: ignore[call-overload]
curve_fit_many(decay, t, t, maxfevs=9)  # type: ignore[call-overload]
leastsq_many(residuals, t, data=3)  # type: ignore[arg-type]
check_jacobian(residuals, None, t)  # type: ignore[arg-type]

# Results that are not like that
x, cov_x, infodict, mesg, ier = leastsq(residuals, t)  # type: ignore[misc]
a, b = leastsq(residuals, t, full_output=True)  # type: ignore[misc]
popt, pcov = curve_fit(decay, t, t, full_output=True)  # type: ignore[misc]
popt, pcov, infodict, mesg, ier = curve_fit(decay, t, t)  # type: ignore[misc]
full = curve_fit(decay, t, t, full_output=True)
calls = full.infodict["nfevs"]  # type: ignore[typeddict-item]
full.infodict["nfev"].upper()  # type: ignore[attr-defined]
cov = full.covariance  # type: ignore[attr-defined]
infodict = curve_fit(decay, t, t).infodict  # type: ignore[attr-defined]
fits = curve_fit_many(decay, t, t).cov  # type: ignore[attr-defined]
curve_fit(decay, t, t).popt = t  # type: ignore[misc]
leastsq(residuals, t, full_output=True)[1].diagonal()  # type: ignore[union-attr]
if leastsq(residuals, t)[1] == 11:  # type: ignore[comparison-overlap]
    pass


def settled(iteration: Iteration) -> None:
    iteration.cost = 0.0  # type: ignore[misc]
    print(iteration.chisqr)  # type: ignore[attr-defined]
