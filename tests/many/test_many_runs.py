"""Long runs of many fits: threads, errors and Ctrl-C on the way, going on, results in files."""

import pickle
import threading
import time

import numpy as np
import pytest
from interrupts import interrupt_after

from pyminpack import ManyFits, curve_fit_many, leastsq_many

T = np.linspace(0.0, 4.0, 16)


def decay(t, amplitude, rate):
    return amplitude * np.exp(-rate * t)


def traces(count, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.uniform([1, 0.3], [4, 2], (count, 2))
    return decay(T, *truth.T[:, :, None]) + rng.normal(0, 0.02, (count, T.size))


def assert_equal(fits, expected):
    for name in ("popt", "pcov", "stderr", "ier", "nfev", "cost"):
        np.testing.assert_array_equal(getattr(fits, name), getattr(expected, name), err_msg=name)


@pytest.fixture(scope="module")
def plain():
    return curve_fit_many(decay, T, traces(500))


@pytest.mark.parametrize("workers", [2, 5, -1])
def test_threads(plain, workers):
    """Protects from fits that are lost, made twice, or mixed between threads."""
    threads = set()

    def f(t, amplitude, rate):
        threads.add(threading.get_ident())
        time.sleep(1e-4)  # lets the others run
        return decay(t, amplitude, rate)

    fits = curve_fit_many(f, T, traces(500), workers=workers, chunk=16)
    np.testing.assert_allclose(fits.popt, plain.popt, rtol=1e-7)
    np.testing.assert_array_equal(fits.ier, plain.ier)
    assert len(threads) > 1


def test_the_lock_is_let_go():
    """Protects other threads: they run while the solver does, and in it are no Python objects."""
    count, stop = [0], threading.Event()

    def run():
        while not stop.is_set():
            count[0] += 1

    other = threading.Thread(target=run)
    other.start()
    try:
        before = count[0]
        leastsq_many(lambda X, y: X - y, np.zeros((4000, 30)), data=[np.ones((4000, 30))])
        assert count[0] > before
    finally:
        stop.set()
        other.join()


def fails_at(call, error):
    calls = []

    def f(t, amplitude, rate):
        calls.append(1)
        if len(calls) == call:
            raise error
        return decay(t, amplitude, rate)

    return f


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("call", [20, 60])
def test_an_error_keeps_what_is_finished(plain, workers, call):
    """Protects hours of work from one exception: nothing is lost, and the call can go on."""
    given = ZeroDivisionError("here")
    y = traces(500).reshape(20, 25, -1)
    with pytest.raises(ZeroDivisionError, match="here") as caught:
        curve_fit_many(fails_at(call, given), T, y, chunk=16, workers=workers)
    error = caught.value
    assert error is given
    assert 0 < len(error.fits) <= 16
    assert all(len(index) == 2 and error.result.ier[index] == -1 for index in error.fits)
    done = error.result.ier != -1
    assert done.any()
    assert not done.all()
    assert f"{done.sum()} of 500 fits are finished" in "".join(getattr(error, "__notes__", [""]))
    assert "Not finished." in str(error.result)
    kept = pickle.loads(pickle.dumps(error.result))
    seen = []

    def f(t, amplitude, rate):
        seen.append(len(rate))
        return decay(t, amplitude, rate)

    fits = curve_fit_many(f, T, y, resume=kept)
    assert fits is kept
    np.testing.assert_array_equal(fits.ier.ravel(), plain.ier)
    np.testing.assert_allclose(fits.popt.reshape(500, 2), plain.popt, rtol=1e-7)
    before = len(seen)
    curve_fit_many(f, T, y, resume=fits)
    assert len(seen) - before <= 3  # all were finished: no more than a look at f


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c(workers):
    """Protects who has lost patience: a second is enough, and what is finished is kept."""

    def f(t, amplitude, rate):
        time.sleep(0.02)
        return decay(t, amplitude, rate)

    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt) as caught, interrupt_after(0.3):
        curve_fit_many(f, T, traces(5000), chunk=50, workers=workers)
    assert time.perf_counter() - begin < 5.0
    assert isinstance(caught.value.result, ManyFits)


def test_results_in_files(tmp_path):
    """Protects results larger than memory, and going on with them in another process."""
    y = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.float32, (500, T.size))
    y[:] = traces(500)
    plain = curve_fit_many(decay, T, np.array(y, dtype=np.float64))
    shapes = {"popt": (2,), "stderr": (2,), "pcov": (2, 2), "cost": (), "nfev": (), "ier": ()}
    kinds = {"nfev": np.int32, "ier": np.int8}
    out = {
        name: np.lib.format.open_memmap(
            tmp_path / f"{name}.npy", "w+", kinds.get(name, np.float64), (500, *tail)
        )
        for name, tail in shapes.items()
    }
    with pytest.raises(ZeroDivisionError):
        curve_fit_many(fails_at(40, ZeroDivisionError()), T, y, out=out, chunk=16)
    for array in out.values():
        array.flush()
    again = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r+") for name in shapes}
    assert np.any(again["ier"] == -1)
    fits = curve_fit_many(decay, T, y, out=again, resume=True)
    assert fits.popt is again["popt"]
    np.testing.assert_array_equal(np.load(tmp_path / "ier.npy"), plain.ier)
    np.testing.assert_allclose(np.load(tmp_path / "popt.npy"), plain.popt, rtol=1e-7)
    with pytest.raises(ValueError, match="resume=True goes on in the arrays of out"):
        curve_fit_many(decay, T, y, resume=True)
    with pytest.raises(ValueError, match="resume holds fits of shape"):
        curve_fit_many(decay, T, y[:30], resume=fits)


def test_pcov_where_it_would_dominate(monkeypatch):
    """Protects memory: pcov is kept by itself only where it is small; stderr always is."""
    monkeypatch.setattr("pyminpack._many_result.LARGE", 100)
    y = traces(10)
    fits = curve_fit_many(decay, T, y)
    popt, pcov = fits
    assert pcov is None
    assert popt is fits.popt
    kept = curve_fit_many(decay, T, y, covariance=True)
    np.testing.assert_allclose(
        np.sqrt(np.diagonal(kept.pcov, axis1=1, axis2=2)), fits.stderr, rtol=1e-14
    )
    assert curve_fit_many(decay, T, y[:1], covariance=False).pcov is None
    assert curve_fit_many(decay, T, y, out={"pcov": np.empty((10, 2, 2))}).pcov is not None


def test_progress(capsys):
    """Protects the bar: it counts fits to the end."""
    curve_fit_many(decay, T, traces(50), progress=True, chunk=10)
    assert "50.0/50.0" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_number(tmp_path):
    """Protects runs of millions: beside results, memory is that of the chunks."""
    import tracemalloc

    def peak(count):
        tracemalloc.start()
        leastsq_many(lambda X, y: X - y, np.zeros((count, 1)), data=[np.ones((count, 1))])
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most / count

    assert peak(200_000) < 100  # bytes a fit: data, start and results take 70
