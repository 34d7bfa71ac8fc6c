"""Many fits of a compiled model: each is the fit that `leastsq` makes of it, in any thread."""

import ctypes
import threading

import numpy as np
import pytest
from c_models import DATA, START, M, both, residuals
from interrupts import interrupt_after
from scipy import LowLevelCallable

from pyminpack import leastsq, leastsq_many

pytestmark = pytest.mark.bundled

KINDS = pytest.mark.parametrize("analytic", [False, True], ids=["residuals", "both"])
SEED = 20261127
B = 300


def decays():
    """Data for decays of many rates and much noise, (B, M, 2), with one NaN, and starts."""
    rng = np.random.default_rng(SEED)
    data = np.repeat(DATA[None], B, axis=0)
    data[:, :, 1] = 3.0 * np.exp(-rng.uniform(0.1, 2.0, (B, 1)) * DATA[:, 0])
    data[:, :, 1] += 0.3 * rng.standard_normal((B, M))
    data[17, 3, 1] = np.nan
    return data, START + rng.uniform(-0.9, 4.0, (B, 2))


@KINDS
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    "options", [{}, {"bounds": ([0.0, 0.0], [3.2, 1.0])}, {"maxfev": 12}, {"max_nfev": 5}],
    ids=["default", "bounds", "maxfev", "max_nfev"],
)  # fmt: skip
def test_each_fit_is_that_of_leastsq(analytic, workers, options):
    """Protects the path: ier, nfev and the bits of x, whatever runs beside it."""
    func = both("decay_both") if analytic else residuals("decay")
    data, x0 = decays()
    if "bounds" in options:
        x0 = np.clip(x0, *options["bounds"])
    fits = leastsq_many(func, x0, data=[data], m=M, workers=workers, chunk=16, **options)
    for k in range(B):
        x, _, info, _, ier = leastsq(func, x0[k], data[k], m=M, full_output=True, **options)
        assert (fits.ier[k], fits.nfev[k]) == (ier, info["nfev"]), k
        np.testing.assert_array_equal(fits.popt[k], x)
    assert fits.message(17) == "The residuals at its start are not finite."


def test_negative_returns_end_one_fit_each():
    """Protects the others, and what is said: the -1 of `ier` is taken."""
    data, x0 = decays()
    data[[3, 5, 7], 0, 0] = [-1, -4, -1000]
    fits = leastsq_many(residuals("decay_or_end"), x0, data=[data], m=M)
    assert fits.ier[[3, 5, 7]].tolist() == [-2, -4, -128]
    texts = [fits.message(k).partition(", ")[2] for k in (3, 5, 7)]
    ends = ["-1", "-4", "a number below -128"]
    assert texts == [f"which returned {end}." for end in ends]
    assert "which returned -1. The first at 3." in str(fits)
    others = np.delete(np.arange(B), [3, 5, 7])
    same = leastsq_many(residuals("decay"), x0, data=[data], m=M)
    np.testing.assert_array_equal(fits.popt[others], same.popt[others])


def test_one_p_for_all():
    """Protects `args` in place of `data`: starts that differ, the same data."""
    _, x0 = decays()
    fits = leastsq_many(residuals("decay"), x0, DATA, m=M)
    best = leastsq(residuals("decay"), START, DATA, m=M)[0]
    good = fits.ier < 5
    assert good.mean() > 0.9
    assert np.isclose(fits.popt, best, rtol=1e-4).all(axis=1)[good].mean() > 0.9


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((), {"data": [DATA[None], DATA[None]]}, TypeError, "2 arrays and args 0; .*one array"),
        ((DATA,), {"data": [DATA[None]]}, TypeError, "1 arrays and args 1; .*one pointer"),
        ((), {"m": 1, "data": [DATA[None]]}, TypeError, "N=2 must not exceed .* M=1"),
        ((), {"func": len}, TypeError, "want a compiled function"),
        (
            (),
            {
                "func": LowLevelCallable(residuals("decay"), ctypes.c_void_p(8)),
                "data": [DATA[None]],
            },
            ValueError,
            "p is given twice: as data and as user_data",
        ),
    ],
)
def test_misuse(arguments, options, error, text):
    """Protects the clear word."""
    options = {"func": residuals("decay"), "m": M, **options}
    with pytest.raises(error, match=text):
        leastsq_many(options.pop("func"), [START], *arguments, **options)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_thread_runs_meanwhile(workers):
    """Protects fits without the interpreter's lock: func waits for another thread."""
    flag = ctypes.c_int(0)
    thread = threading.Timer(0.05, lambda: setattr(flag, "value", 1))
    thread.start()
    fits = leastsq_many(
        residuals("waits"), np.ones((4, 1)), ctypes.pointer(flag), m=1, maxfev=3, workers=workers,
        chunk=1,
    )  # fmt: skip
    thread.join()
    assert fits.ier.tolist() == [5] * 4


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_all(workers):
    """Protects the user's way out of a long call, and what is finished by then."""
    calls = ctypes.c_int(0)
    with pytest.raises(KeyboardInterrupt) as caught, interrupt_after(0.3):
        leastsq_many(
            residuals("slow"), np.ones((5000, 1)), ctypes.pointer(calls), m=1, maxfev=5,
            workers=workers,
        )  # fmt: skip
    finished = np.count_nonzero(caught.value.result.ier == 5)
    assert 0 < finished < 5000
    assert calls.value < 5 * 5000
