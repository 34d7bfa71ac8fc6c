"""Memory: nothing is lost from call to call, and a large fit keeps few copies of its Jacobian."""

import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from pyminpack import leastsq

STATUS = Path("/proc/self/status")
TARGET = np.array([1.0, 2.0])
IDENTITY = np.eye(2)

needs_proc = pytest.mark.skipif(
    not STATUS.exists(), reason="the resident size of a process is read from Linux's /proc"
)


def line(x):
    """Two residuals of two variables."""
    return x - TARGET


def unit(x):
    """The Jacobian of `line`."""
    return IDENTITY


def raising(x):
    """A callback that fails."""
    raise ArithmeticError


def raising_later(x):
    """Residuals as long as x is what it was at the start."""
    if x[0] != 0.0:
        raise ArithmeticError
    return x - TARGET


def not_a_number(x):
    """Residuals that are not finite."""
    return np.array([np.nan, 1.0])


def too_few(x):
    """Fewer residuals than variables."""
    return [1.0]


def changing(x):
    """As many residuals as the mood suggests."""
    return x - TARGET if x[0] == 0.0 else [1.0, 2.0, 3.0]


START = [0.0, 0.0]
# Eight ways to end a call; each is taken 12 500 times: 100 000 calls.
CALLS = {
    "differences": lambda: leastsq(line, START, full_output=True),
    "columns": lambda: leastsq(line, START, Dfun=unit, col_deriv=True, full_output=True),
    "maxfev": lambda: leastsq(line, START, Dfun=unit, maxfev=1),
    "func raises": lambda: leastsq(raising_later, START),
    "Dfun raises": lambda: leastsq(line, START, Dfun=raising, full_output=True),
    "not finite": lambda: leastsq(not_a_number, START, full_output=True),
    "improper": lambda: leastsq(line, START, factor=-1.0),
    "size changes": lambda: leastsq(changing, START),
}
OTHER_FAILURES = {
    "too few": lambda: leastsq(too_few, START),
    "complex": lambda: leastsq(lambda x: 1j * x, START),
    "wrong shape": lambda: leastsq(line, START, Dfun=lambda x: np.ones((3, 2))),
    "x0": lambda: leastsq(line, [np.nan, 0.0]),
    "diag": lambda: leastsq(line, START, diag=[1.0]),
    "first call raises": lambda: leastsq(raising, START),
    "not finite, raised": lambda: leastsq(not_a_number, START),
}


def resident():
    """Resident size of this process in bytes."""
    fields = dict(row.split(":", 1) for row in STATUS.read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def repeat(call, times):
    """Call it over and over, whatever comes of it."""
    for _ in range(times):
        try:
            call()
        except (ArithmeticError, TypeError, ValueError):
            pass


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@needs_proc
def test_no_growth(call):
    """Protects long-running programs: 100 000 calls in all, and nothing is left of any."""
    assert_no_growth(call)


@pytest.mark.parametrize("call", OTHER_FAILURES.values(), ids=OTHER_FAILURES.keys())
@needs_proc
def test_no_growth_by_bad_input(call):
    """Protects the paths of errors that are found before, or at, the first call of func."""
    assert_no_growth(call)


def assert_no_growth(call, times=12_500):
    """Neither Python objects nor resident memory grow with the number of calls.

    One object left behind by each call would show as `times` blocks; Python's own free lists and
    caches move by some tens of them. The least that malloc hands out is 32 bytes; half of that a
    call is 200 kB, which the resident size does not wander by.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        repeat(call, 1000)
        gc.collect()
        blocks, size = sys.getallocatedblocks(), resident()
        repeat(call, times)
        gc.collect()
    assert sys.getallocatedblocks() - blocks < times // 20
    assert resident() - size < 16 * times


PEAK = """
import sys
import numpy as np
from pathlib import Path
from pyminpack import leastsq

m, n, way = 50_000, 20, sys.argv[1]

def size(entry):
    fields = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return int(fields[entry].split()[0]) * 1024

times = np.arange(m) / m
by_columns = np.empty((n, m))
for j in range(n):
    by_columns[j] = np.cos(j * times)
by_rows = by_columns.T.copy() if way == "rows" else None
data = np.exp(times)

def model(x):
    value = x @ by_columns
    value -= data
    return value

options = {
    "differences": {},
    "columns": {"Dfun": lambda x: by_columns, "col_deriv": True},
    "rows": {"Dfun": lambda x: by_rows},
}[way]
leastsq(lambda x: model(x)[:n], np.ones(n), maxfev=1, full_output=True)
before = size("VmRSS")
*_, ier = leastsq(model, np.ones(n), full_output=sys.argv[2] == "full", **options)
assert ier in {1, 2, 3, 4}, ier
print((size("VmHWM") - before) / (8 * m * n))
"""


@pytest.mark.parametrize("way", ["differences", "columns", "rows"])
@pytest.mark.parametrize("output", ["plain", "full"])
@needs_proc
def test_peak_of_a_large_fit(way, output):
    """Protects large fits: one Jacobian beside the user's, however it comes about.

    The Jacobian has 50 000 × 20 numbers, 8 MB. Eight vectors of residuals, those of func among
    them, are 0.4 of it; the unevenness of the process itself is below 0.1.
    """
    child = subprocess.run(
        [sys.executable, "-c", PEAK, way, output],
        # One thread: those of the BLAS under the model bring buffers of their own.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.stderr == ""
    assert float(child.stdout) < 1.5
