"""A large Jacobian in two halves: the same bits by one thread and by two, and nothing is left."""

import os
from pathlib import Path

import numpy as np
import parts
import pytest
from factor_cases import KINDS, finished, jacobian, poison, residuals, running_factor

from pyminpack import leastsq

# Rows and columns from which a Jacobian is halved: by its size, and by its height.
SWITCHES = [(1725, 50), (47620, 7), (600, 150), (800, 200)]
AT_SWITCHES = pytest.mark.parametrize(("m", "n"), SWITCHES)
TASKS = Path("/proc/self/task")


def reduced(j, f, threads):
    """The running factor of all rows, and whether all was finite."""
    m, n = j.shape
    memory = poison(parts.reduction_size(m, n))
    finite = parts.reduce_rows(n, j.ravel(), n, 1, f, memory, threads)
    return memory[: parts.running_size(n)], finite


@AT_SWITCHES
def test_where_it_begins(m, n):
    """Protects small Jacobians from threads, and memory: only halves need another factor."""
    one = parts.running_size(n) + parts.rows_size(n)
    assert parts.factor_in_halves(m, n)
    assert not parts.factor_in_halves(m - 1, n)
    assert parts.reduction_size(m, n) == 2 * one
    assert parts.reduction_size(m - 1, n) == one
    assert parts.factor_threads(m - 1, n) == 1


@AT_SWITCHES
@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_bit(kind, m, n):
    """Protects results from the load of the machine, which decides on the second thread."""
    j, f = jacobian(kind, m, n), residuals(m)
    running, finite = reduced(j, f, threads=1)
    assert finite == 1
    np.testing.assert_array_equal(reduced(j, f, threads=2)[0], running)


@pytest.mark.parametrize("threads", [1, 2])
@AT_SWITCHES
def test_halves_are_the_whole(m, n, threads):
    """Protects RᵀR = JᵀJ and Rᵀ qtf = Jᵀ f, against the reduction in one piece."""
    j, f = jacobian("random", m, n), residuals(m)
    r, qtf, acnorm = finished(reduced(j, f, threads)[0], n)
    whole, whole_qtf, norms = finished(running_factor(j, f), n)
    signs = np.sign(np.diag(r) * np.diag(whole))
    np.testing.assert_allclose(acnorm, norms, rtol=1e-13)
    np.testing.assert_allclose(signs[:, None] * r / norms, whole / norms, atol=1e-13)
    np.testing.assert_allclose(signs * qtf, whole_qtf, atol=1e-13 * np.linalg.norm(f))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("row", [0, 861, 862, 863, 1724])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(row, bad, threads):
    """Protects the message of `ier` 9 from a half that nobody looks at."""
    j, f = jacobian("random", 1725, 50).copy(), residuals(1725)
    j[row, 3] = bad
    assert reduced(j, f, threads)[1] == 0


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
def test_one_thread_where_the_environment_says_so(name, monkeypatch):
    """Protects whoever runs a fit on each processor."""
    monkeypatch.setenv(name, "1")
    assert parts.factor_threads(100_000, 50) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_one_thread_on_one_processor():
    """Protects a process that taskset or a container keeps on one processor."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(processors)])
    try:
        assert parts.factor_threads(100_000, 50) == 1
    finally:
        os.sched_setaffinity(0, processors)


def test_a_fit_is_the_same(monkeypatch):
    """Protects the way from Python into the halves."""
    j, f = jacobian("random", 3000, 50), residuals(3000)

    def fit():
        return leastsq(lambda x: j @ x + f * np.cos(x[0]), np.ones(50), Dfun=lambda x: j)[0]

    found = fit()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    np.testing.assert_array_equal(fit(), found)


@pytest.mark.skipif(not TASKS.exists(), reason="the system does not list threads")
def test_no_thread_stays():
    """Protects forks, and programs that count their threads."""
    j, f = jacobian("random", 1725, 50), residuals(1725)
    before = sorted(TASKS.iterdir())
    expected = reduced(j, f, threads=2)[0]
    assert sorted(TASKS.iterdir()) == before
    child = os.fork()
    if child == 0:  # the child's own threads
        os._exit(0 if np.array_equal(reduced(j, f, threads=2)[0], expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
