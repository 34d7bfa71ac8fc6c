"""Whoever fits checks start and bounds in the same words, with its own name of the start."""

import numpy as np
import pytest

from pyminpack import check_jacobian, curve_fit, curve_fit_many, leastsq, leastsq_many

pytestmark = pytest.mark.bundled  # the original knows no bounds

T = np.linspace(0.0, 1.0, 5)
INF = np.inf


def residuals(x, *block):
    return x[..., :1] + x[..., 1:] * T - 1.0


def line(t, a, b):
    return a + b * t


CALLS = {
    "leastsq": lambda start, **bounds: leastsq(residuals, start, **bounds),
    "leastsq in blocks": lambda start, **bounds: leastsq(residuals, start, blocks=[T], **bounds),
    "curve_fit": lambda start, **bounds: curve_fit(line, T, T, start, **bounds),
    "curve_fit in chunks": lambda start, **bounds: curve_fit(line, T, T, start, chunk=3, **bounds),
    "curve_fit_many": lambda start, **bounds: curve_fit_many(line, T, [T, T], start, **bounds),
    "leastsq_many": lambda start, **bounds: leastsq_many(residuals, [start, start], **bounds),
    "check_jacobian": lambda start: check_jacobian(residuals, residuals, start),
}


def names(call):
    """The function that is called, and what it calls the start."""
    function = call.split()[0]
    start = "x" if function == "check_jacobian" else "p0" if function.startswith("c") else "x0"
    return function, start


@pytest.mark.parametrize("call", sorted({*CALLS} - {"leastsq_many"}))  # whose start has its own ier
def test_start(call):
    function, start = names(call)
    with pytest.raises(ValueError, match=rf"^{function}: {start}\[1\] is nan; want finite numbers"):
        CALLS[call]([0.5, np.nan])


@pytest.mark.parametrize("call", sorted({*CALLS} - {"leastsq_many", "check_jacobian"}))
def test_outside(call):
    function, start = names(call)
    text = (
        rf"^Initial guess is outside of provided bounds. {function}: {start}\[1\] is 0.5, outside "
        r"of its bounds \[0.0, 0.25\]; want a start within them\.$"
    )
    with pytest.raises(ValueError, match=text):
        CALLS[call]([0.5, 0.5], bounds=(0, [1, 0.25]))


@pytest.mark.parametrize("call", sorted({*CALLS} - {"check_jacobian"}))
@pytest.mark.parametrize(
    ("bounds", "error", "text"),
    [
        ((0, 1, 2), ValueError, r"bounds is tuple \(0, 1, 2\); want a pair"),
        ((0, [1, 1, 1]), ValueError, r"the upper bound has shape \(3,\); want a scalar or"),
        (
            ([2, 0], 1),
            ValueError,
            r"the bounds of {start}\[0\] are \[2.0, 1.0\]; want lower <= upper",
        ),
        ((INF, INF), ValueError, r"the bounds of {start}\[0\] are \[inf, inf\]; want lower"),
        ((0, "high"), TypeError, r"the upper bound is str 'high'; want real numbers"),
    ],
    ids=["three", "shape", "crossed", "infinite", "text"],
)
def test_bounds(call, bounds, error, text):
    function, start = names(call)
    with pytest.raises(error, match=f"^{function}: " + text.format(start=start)):
        CALLS[call]([0.5, 0.5], bounds=bounds)
