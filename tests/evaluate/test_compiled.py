"""Compiled models: the fit is that of the same model in Python, without the interpreter."""

import ctypes
import threading
import time
import warnings

import numpy as np
import pytest
from c_models import (
    DATA,
    START,
    M,
    both,
    python_decay,
    python_decay_columns,
    residuals,
    stopping,
)
from fits import runaway
from interrupts import interrupt_after

from pyminpack import leastsq

pytestmark = pytest.mark.bundled

KINDS = pytest.mark.parametrize("analytic", [False, True], ids=["residuals", "both"])
SEED = 20261127


def compiled(analytic):
    return both("decay_both") if analytic else residuals("decay")


def pair(analytic, data=DATA, x0=START, **options):
    """The fit of the decay, compiled and in Python, with full output."""
    Dfun = {"Dfun": lambda x: python_decay_columns(x, data), "col_deriv": True} if analytic else {}
    return (
        leastsq(compiled(analytic), x0, data, m=len(data), full_output=True, **options),
        leastsq(lambda x: python_decay(x, data), x0, full_output=True, **Dfun, **options),
    )


def assert_same(one, other):
    """Compare two full outputs, to the last bit."""
    assert one[3:] == other[3:]
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert one[2].keys() == other[2].keys()
    for name, value in other[2].items():
        np.testing.assert_array_equal(one[2][name], value, err_msg=name)


def many_points(m):
    t = np.linspace(0.0, 4.0, m)
    noise = np.random.default_rng(SEED).standard_normal(m)
    return np.stack([t, 3.0 * np.exp(-0.7 * t) + 0.05 * noise], axis=1)


class TestSamePath:
    @KINDS
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"ftol": 1e-15, "xtol": 1e-15},
            {"maxfev": 5},
            {"max_nfev": 4},
            {"epsfcn": 1e-6, "factor": 0.1},
            {"diag": [1.0, 10.0]},
            {"bounds": ([0.0, 0.0], [2.5, 5.0])},
            {"bounds": ([0.0, 0.9], [np.inf, 0.9]), "x0": (1.0, 0.9)},
        ],
        ids=["default", "tight", "maxfev", "max_nfev", "steps", "diag", "bound", "fixed"],
    )
    def test_is_that_of_the_model_in_python(self, analytic, options):
        """Protects the promise: ier, counts and all numbers, to the last bit."""
        assert_same(*pair(analytic, **options))

    @KINDS
    @pytest.mark.parametrize("m", [499, 500, 40_000])
    def test_large_jacobians(self, analytic, m):
        """Protects the ways of the factor step: in place up to 1000 elements, then by rows."""
        assert_same(*pair(analytic, many_points(m)))

    @KINDS
    def test_where_residuals_are_not_finite(self, analytic):
        """Protects ier 9 and its text: NaN at the start, and an overflow beyond."""
        bad = DATA.copy()
        bad[3, 1] = np.nan
        assert_same(*pair(analytic, bad))
        with pytest.raises(ValueError, match=r"func returned nan as residual 3 \(from 0\)"):
            leastsq(compiled(analytic), START, bad, m=M)
        assert_same(*pair(analytic, x0=(1.0, -30.0)))

    @KINDS
    def test_a_callback_sees_the_same(self, analytic):
        """Protects `callback`, which stops the fit, too, and lets errors through."""
        seen = [], []
        Dfun = {"Dfun": python_decay_columns, "col_deriv": True} if analytic else {}
        leastsq(compiled(analytic), START, DATA, m=M, callback=seen[0].append)
        leastsq(python_decay, START, callback=seen[1].append, **Dfun)
        assert len(seen[0]) == len(seen[1]) > 3
        for ours, theirs in zip(*seen, strict=True):
            np.testing.assert_array_equal(ours.x, theirs.x)
            np.testing.assert_array_equal(ours.fun, theirs.fun)
            assert (ours.nfev, ours.nit, ours.delta) == (theirs.nfev, theirs.nit, theirs.delta)

        def stop(iteration):
            raise StopIteration

        assert leastsq(compiled(analytic), START, DATA, m=M, callback=stop)[1] == 10
        with pytest.raises(ZeroDivisionError):
            leastsq(compiled(analytic), START, DATA, m=M, callback=lambda iteration: 1 / 0)

    def test_differences_with_a_function_that_has_derivatives(self):
        """Protects Dfun='2-point' beside the second signature."""
        one = leastsq(both("decay_both"), START, DATA, "2-point", m=M, full_output=True)
        assert_same(one, leastsq(residuals("decay"), START, DATA, m=M, full_output=True))

    def test_two_functions(self):
        """Protects a func of the first signature beside a Dfun of the second."""
        one = leastsq(residuals("decay"), START, DATA, both("decay_both"), m=M, full_output=True)
        assert_same(one, leastsq(both("decay_both"), START, DATA, m=M, full_output=True))

    def test_improper_input(self):
        """Protects ier 0, before any call of func."""
        p = stopping(0)
        x, _, info, mesg, ier = leastsq(both("stops"), [1.0], p, m=2, factor=0.0, full_output=True)
        assert (ier, info["nfev"], list(p.calls), x) == (0, 0, [0, 0, 0], [1.0])
        assert mesg == "Improper input parameters. factor is 0.0; want a number > 0."
        with pytest.raises(TypeError, match="N=3 must not exceed func output vector length M=2"):
            leastsq(both("stops"), [1.0, 1.0, 1.0], p, m=2)


class TestNegativeReturns:
    @pytest.mark.parametrize(
        ("function", "p", "accepted", "nfev", "njev"),
        [
            (residuals("stops_residuals"), stopping(-7, f=1), 0, 1, None),
            (residuals("stops_residuals"), stopping(-7, f=3), 1, 7, None),
            (residuals("stops_residuals"), stopping(-7, other=4), 1, 6, None),
            (both("stops"), stopping(-7, f=1), 0, 1, 0),
            (both("stops"), stopping(-7, f=3), 1, 3, 2),
            (both("stops"), stopping(-7, other=3), 2, 3, 3),
        ],
        ids=["start", "trial", "difference", "start, both", "trial, both", "Jacobian"],
    )
    def test_end_the_fit(self, function, p, accepted, nfev, njev):
        """Protects ier, the message, the counts, and the last accepted point."""
        p = type(p).from_buffer_copy(p)
        x, cov_x, info, mesg, ier = leastsq(function, [1.0, 2.0], p, m=2, full_output=True)
        assert (ier, mesg) == (-7, "Stopped by func or Dfun, which returned -7.")
        assert (info["nfev"], info.get("njev"), cov_x) == (nfev, njev, None)
        # Each step of the Gauss-Newton method adds 1; that of differences nearly.
        np.testing.assert_allclose(x, np.array([1.0, 2.0]) + accepted, rtol=1e-6)
        if nfev == 1:
            assert np.isnan(info["fvec"]).all()
        else:
            np.testing.assert_allclose(info["fvec"], runaway(x), rtol=1e-15)

    def test_warn_without_full_output(self):
        """Protects against an end that looks like a success."""
        with pytest.warns(RuntimeWarning, match="which returned -2147483648"):
            x, ier = leastsq(both("stops"), [1.0], stopping(-(2**31), f=2), m=1)
        assert (ier, x) == (-(2**31), [1.0])

    def test_others_are_ignored(self):
        """Protects models that return their iflag, or a positive number."""
        answers = [
            leastsq(both("stops"), [1.0], stopping(k, f=2), m=1, maxfev=9, full_output=True)[4]
            for k in (0, 1, 2**31 - 1)
        ]
        assert answers == [5, 5, 5]

    def test_a_forgotten_residual_is_found(self):
        """Protects against uninitialised memory taken for residuals."""
        with pytest.raises(ValueError, match="func returned nan as residual 2"):
            leastsq(residuals("forgets"), [1.0, 1.0], m=3)


class TestWithoutTheLock:
    def test_a_thread_runs_meanwhile(self):
        """Protects the fit without the interpreter's lock: func waits for another thread."""
        flag = ctypes.c_int(0)
        started = time.monotonic()
        thread = threading.Timer(0.05, lambda: setattr(flag, "value", 1))
        thread.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of maxfev
            ier = leastsq(residuals("waits"), [1.0], ctypes.pointer(flag), m=1, maxfev=3)[1]
        thread.join()
        assert ier == 5
        assert time.monotonic() - started < 10

    def test_ctrl_c_ends_a_fit(self):
        """Protects the user's way out: within a second and a call, where no Python runs."""
        calls = ctypes.c_int(0)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt), interrupt_after(0.1):
            leastsq(residuals("slow"), [1.0], ctypes.pointer(calls), m=1, maxfev=20_000, xtol=0.0)
        assert time.monotonic() - started < 10
        assert calls.value < 20_000

    @KINDS
    def test_threads(self, analytic):
        """Protects fits that run at once, each with its own data, from one another."""
        rng = np.random.default_rng(SEED)
        datas = [DATA + rng.normal(scale=[0.0, 0.1], size=DATA.shape) for _ in range(16)]
        function = compiled(analytic)

        def fit(data):
            return leastsq(function, START, data, m=M, full_output=True)

        alone = [fit(data) for data in datas]
        together = [None] * len(datas)

        def run(k):
            for _ in range(50):
                together[k] = fit(datas[k])

        threads = [threading.Thread(target=run, args=(k,)) for k in range(len(datas))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one, other in zip(together, alone, strict=True):
            assert_same(one, other)

    def test_a_buffer_is_held(self):
        """Protects p: what it points to can neither go nor move while the fit runs."""
        buffer = bytearray(DATA.tobytes())

        def resize(iteration):
            with pytest.raises(BufferError):
                buffer.extend(bytes(10_000))

        one = leastsq(residuals("decay"), START, buffer, m=M, callback=resize, full_output=True)
        assert_same(one, pair(False)[0])
        buffer.extend(b"0")
