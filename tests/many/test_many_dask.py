"""`curve_fit_many` on Dask arrays: the same fits, lazily, on any scheduler, with workers killed."""

import os
import signal
import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest

from pyminpack import LazyFits, ManyFits, curve_fit_many

T = np.linspace(0.0, 4.0, 16)


def decay(t, amplitude, rate):
    return amplitude * np.exp(-rate * t)


def slow_decay(t, amplitude, rate):
    time.sleep(0.01)
    return decay(t, amplitude, rate)


def traces(*shape):
    rng = np.random.default_rng(1)
    truth = rng.uniform([1, 0.3], [4, 2], (*shape, 2))
    clean = decay(T, truth[..., :1], truth[..., 1:])
    return clean + rng.normal(0, 0.02, clean.shape)


def assert_same(fits, expected):
    for name in ("popt", "pcov", "stderr", "cost"):
        found = np.asarray(getattr(fits, name))
        np.testing.assert_allclose(found, getattr(expected, name), rtol=1e-6, err_msg=name)
    np.testing.assert_array_equal(fits.ier, expected.ier)


def test_lazily():
    """Protects the promise: nothing is fitted before someone asks, then all of it once."""
    y, calls = traces(6, 10), []

    def f(t, amplitude, rate):
        calls.append(1)
        return decay(t, amplitude, rate)

    fits = curve_fit_many(f, T, da.from_array(y, chunks=(4, 5, 8)))
    assert isinstance(fits, LazyFits)
    assert not calls
    popt, pcov = fits
    assert isinstance(popt, da.Array)
    assert popt.shape == (6, 10, 2)
    assert pcov.shape == (6, 10, 2, 2)
    assert fits.ier.chunks == ((4, 2), (5, 5))
    assert repr(fits) == "<LazyFits of shape (6, 10) in 4 chunks>"
    expected = curve_fit_many(decay, T, y)
    found = fits.compute(scheduler="synchronous")
    assert isinstance(found, ManyFits)
    assert_same(found, expected)
    assert found.message((0, 0)) == expected.message((0, 0))
    once = len(calls)
    with dask.config.set(scheduler="threads"):
        assert_same(fits, expected)
        dask.compute(fits.popt, fits.ier, fits.stderr)
    assert len(calls) <= 8 * once  # seven computations: together they are one


@pytest.mark.parametrize("lazy", [False, True])
def test_arrays_beside_the_data(lazy):
    """Protects what differs from fit to fit: it is cut as the data are."""
    y = traces(6, 4)
    x = np.tile(T, (6, 4, 1)) * np.linspace(1, 2, 24).reshape(6, 4, 1)
    sigma = np.linspace(0.5, 1.5, y.size).reshape(y.shape)
    p0 = np.linspace(0.8, 1.2, 48).reshape(6, 4, 2)
    made = [da.from_array(array, chunks=2) if lazy else array for array in (x, sigma, p0)]
    fits = curve_fit_many(decay, made[0], da.from_array(y, chunks=(3, 4, 5)), made[2], made[1])
    assert_same(fits.compute(scheduler="synchronous"), curve_fit_many(decay, x, y, p0, sigma))
    one = sigma[..., :1]
    given = da.from_array(one, chunks=3) if lazy else one
    fits = curve_fit_many(decay, x, da.from_array(y, chunks=(3, 4, 20)), [2, 1], given)
    assert_same(fits.compute(scheduler="synchronous"), curve_fit_many(decay, x, y, [2, 1], one))
    planes = curve_fit_many(
        lambda x, a, b: a * x[0] + b * x[1],
        np.stack([x, x**2], axis=-2),
        da.from_array(3 * x - x**2, chunks=(3, 4, 5)),
        lambda x, y: np.ones((len(y), 2)),
        covariance=False,
    )
    np.testing.assert_allclose(planes.popt.compute(), np.tile([3.0, -1.0], (6, 4, 1)), rtol=1e-6)
    assert planes.pcov is None


def test_errors():
    """Protects who asks for what cannot be, before anything is computed."""
    y = da.from_array(traces(6), chunks=3)
    for name, value in (("progress", True), ("out", {"popt": 1}), ("resume", True)):
        with pytest.raises(TypeError, match=f"{name} is not for Dask arrays"):
            curve_fit_many(decay, T, y, **{name: value})
    with pytest.raises(ValueError, match="chunks of unknown size"):
        curve_fit_many(decay, T, y[y[:, 0] > 0])
    with pytest.raises(ValueError, match="Unable to determine number of fit parameters"):
        curve_fit_many(lambda x, *p: p[0] * x, T, y)
    with pytest.raises(ValueError, match=r"p0 has shape \(3, 2\)"):
        curve_fit_many(decay, T, y, np.ones((3, 2)))
    with pytest.raises(TypeError, match="f does not broadcast"):
        curve_fit_many(lambda x, a: x * float(a), T, y).compute(scheduler="synchronous")


@pytest.mark.filterwarnings("ignore")  # distributed's own, of a worker that is killed
def test_a_cluster_whose_worker_is_killed():
    """Protects runs on clusters: the same numbers, nothing lost."""
    from distributed import Client, LocalCluster

    y = traces(160)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Timer(0.5, os.kill, (victim, signal.SIGKILL))
        killer.start()
        fits = curve_fit_many(slow_decay, T, da.from_array(y, chunks=(10, -1))).compute()
        assert not killer.is_alive()  # it was in the middle
        assert victim not in client.run(os.getpid).values()
    assert_same(fits, curve_fit_many(decay, T, y))
