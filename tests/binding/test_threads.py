"""Fits in many threads at once: each is the fit that it is alone, whatever they share.

On a build of CPython without the GIL (3.13t and later) they truly run at once.
"""

import os
import subprocess
import sys
import sysconfig
import threading
import time
import warnings

import numpy as np
import pytest
from fits import (
    DECAY_START,
    EXACT_DECAY,
    TIMES,
    Recorder,
    decay,
    decay_jacobian,
    decay_jacobian_columns,
)

from pyminpack import check_jacobian, curve_fit, leastsq

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
THREADS = 8
DERIVATIVE = pytest.mark.parametrize(
    "derivative", [None, decay_jacobian], ids=["differences", "Dfun"]
)


def in_threads(work):
    """Run work(k) for k = 0, 1, … in as many threads at once; return the results, or errors."""
    results, barrier = [None] * THREADS, threading.Barrier(THREADS)

    def run(k):
        barrier.wait()
        try:
            results[k] = work(k)
        except Exception as error:
            results[k] = error

    threads = [threading.Thread(target=run, args=(k,)) for k in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def assert_same(one, other):
    """Compare two full outputs of leastsq, to the last bit."""
    assert isinstance(one, tuple), one
    x, cov_x, info, message, ier = one
    np.testing.assert_array_equal(x, other[0])
    np.testing.assert_array_equal(cov_x, other[1])
    assert set(info) == set(other[2])
    for name, value in info.items():
        np.testing.assert_array_equal(value, other[2][name])
    assert (message, ier) == other[3:]


@DERIVATIVE
def test_eight_at_once(derivative):
    """Protects the state of each fit: eight different ones, changing places in every call."""

    def fit(k, pause):
        def func(x, data):
            time.sleep(pause)
            return decay(x, data)

        data = EXACT_DECAY + 0.01 * (k + 1) * np.cos((k + 2.0) * np.arange(12))
        start = np.array(DECAY_START) + 0.1 * k
        return [leastsq(func, start, data, Dfun=derivative, full_output=True) for _ in range(5)]

    together = in_threads(lambda k: fit(k, 1e-6))
    for k, fits in enumerate(together):
        for one, alone in zip(fits, fit(k, 0.0), strict=True):
            assert_same(one, alone)


@pytest.mark.bundled
def test_everything_shared():
    """Protects fits from one another where functions, start, bounds and data are the same."""
    start, diag = np.array(DECAY_START), np.array([1.0, 2.0])
    lower, upper = np.array([0.0, 0.0]), np.array([2.5, 5.0])
    data = (EXACT_DECAY.copy(),)

    def fit(_):
        return [
            leastsq(decay, start, data, diag=diag, full_output=True, bounds=bounds, **options)
            for options in (
                {},
                {"Dfun": decay_jacobian},
                {"Dfun": decay_jacobian_columns, "col_deriv": True},
            )
            for bounds in (None, (lower, upper))
            for _ in range(20)
        ]

    alone = fit(0)
    for fits in in_threads(fit):
        for one, other in zip(fits, alone, strict=True):
            assert_same(one, other)


def test_each_call_has_an_x_of_its_own():
    """Protects func's x from the neighbours: it writes to it, keeps it, and finds it unchanged."""

    def fit(k):
        kept = []

        def func(x):
            value = decay(x)
            x[:] = k, len(kept)
            kept.append(x)
            return value

        result = leastsq(func, DECAY_START, full_output=True)
        return result, [tuple(x) for x in kept]

    alone, _ = fit(0)
    for k, (result, kept) in enumerate(in_threads(fit)):
        assert_same(result, alone)
        assert kept == [(k, call) for call in range(len(kept))]


def test_each_gets_its_own_exception():
    """Protects exceptions from reaching the wrong thread."""
    errors = [ValueError(k) for k in range(THREADS)]

    def work(k):
        def func(x):
            time.sleep(1e-6)
            if calls.count == 3 + k:
                raise errors[k]
            return decay(x)

        calls = Recorder(func)
        return leastsq(calls, DECAY_START)

    assert in_threads(work) == errors


@pytest.mark.parametrize("derivative", [False, True], ids=["differences", "Dfun"])
def test_large_fits(derivative):
    """Protects work that the solver does without the interpreter's lock, and on another thread."""
    matrix = np.random.default_rng(0).normal(size=(4000, 30))

    def fit(k):
        target = matrix @ np.arange(k, k + 30.0) + np.sin(np.arange(4000))
        Dfun = (lambda x: matrix) if derivative else None
        return leastsq(lambda x: matrix @ x - target, np.zeros(30), Dfun=Dfun, full_output=True)

    together = in_threads(fit)
    for k in range(THREADS):
        assert_same(together[k], fit(k))


@pytest.mark.bundled
def test_the_other_functions():
    """Protects what is written in Python above the core: tables, diagnosis, derivatives."""

    def model(t, amplitude, rate):
        return amplitude * np.exp(-rate * t)

    def work(k):
        data = (1 + 0.1 * k) * EXACT_DECAY + 0.01 * np.cos(TIMES)
        fits = [
            curve_fit(model, TIMES, data, p0=DECAY_START, jac=jac, **options)
            for jac in (None, "3-point", "cs")
            for options in ({}, {"bounds": (0, 10)})
            for _ in range(5)
        ]
        check = check_jacobian(decay, decay_jacobian, DECAY_START)
        return [np.hstack([popt, pcov.ravel()]) for popt, pcov in fits], str(check)

    together = in_threads(work)
    for k in range(THREADS):
        fits, check = work(k)
        np.testing.assert_array_equal(together[k][0], fits)
        assert together[k][1] == check


def test_filters_of_warnings_stay():
    """Protects the filters of the process: a complex step may not swap them under others."""

    def model(t, amplitude, rate):
        time.sleep(1e-4)
        return amplitude * np.exp(-rate * t)

    before = list(warnings.filters)
    in_threads(lambda k: curve_fit(model, TIMES, EXACT_DECAY + k, p0=DECAY_START, jac="cs"))
    assert list(warnings.filters) == before


def test_first_use():
    """Protects what is imported late: the first calls in a process come from eight threads."""
    script = """
import threading, sys
import numpy as np
import pyminpack

if hasattr(sys, "_is_gil_enabled"):
    print(sys._is_gil_enabled())
t, barrier, found = np.linspace(0, 4, 12), threading.Barrier(8), []
def run():
    barrier.wait()
    popt, _ = pyminpack.curve_fit(
        lambda t, a, b: a*np.exp(-b*t), t, 3*np.exp(-0.7*t), p0=[1, 1], jac="3-point")
    found.append(abs(popt - [3, 0.7]).max() < 1e-6)
threads = [threading.Thread(target=run) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert found == [True] * 8, found
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert result.stderr == ""
    # The module would switch the GIL on if it did not declare that it needs none.
    expected = "" if sys.version_info < (3, 13) else f"{not FREE_THREADED}\n"
    assert result.stdout == expected
