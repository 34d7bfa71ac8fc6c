"""Watching a fit: `callback` and `verbose`."""

import builtins
import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from fits import DECAY_START, Recorder, decay, decay_jacobian, runaway, runaway_jacobian

from pyminpack import OptimizeWarning, curve_fit, leastsq

pytestmark = pytest.mark.bundled  # the original cannot be watched

BY = {"forward": {}, "analytic": {"Dfun": decay_jacobian}, "3-point": {"Dfun": "3-point"}}
BOUNDS = {"unbounded": {}, "bounded": {"bounds": ([0, 0], [2, 3])}}
each_way = pytest.mark.parametrize(
    "options",
    [by | bounds for by in BY.values() for bounds in BOUNDS.values()],
    ids=[f"{by} {bounds}" for by in BY for bounds in BOUNDS],
)


def watched(func=decay, x0=DECAY_START, **options):
    """Fit, and return the fit and all that the callback was told."""
    seen = []
    return leastsq(func, x0, full_output=True, callback=seen.append, **options), seen


class Mark(Exception):
    """An exception of the user's own."""


class TestCallback:
    @each_way
    def test_fields(self, options):
        (x, _, info, _, _), seen = watched(**options)
        assert seen
        for it in seen:
            assert it.x.dtype == it.fun.dtype == np.float64
            np.testing.assert_array_equal(it.fun, decay(it.x))
            assert it.cost == pytest.approx(0.5 * np.sum(it.fun**2), rel=1e-14)
            assert [type(it.nfev), type(it.nit)] == [int, int]
            assert math.isfinite(it.delta)
            assert it.delta > 0
        np.testing.assert_array_equal(seen[-1].x, x)
        np.testing.assert_array_equal(seen[-1].fun, info["fvec"])

    def test_residuals_whose_squares_are_beyond_doubles(self):
        """Protects a fit that has no trouble with them from its own sum of squares."""
        _, seen = watched(lambda x: 1e200 * decay(x), ftol=1e-6)
        assert seen[0].cost == np.inf

    @each_way
    def test_once_an_iteration_each_better_than_the_last(self, options):
        (*_, info, _, _), seen = watched(**options)
        assert [it.nit for it in seen] == list(range(1, len(seen) + 1))
        costs = [0.5 * np.sum(decay(DECAY_START) ** 2), *(it.cost for it in seen)]
        assert all(b < a for a, b in pairwise(costs))
        calls = [it.nfev for it in seen]
        assert calls == sorted(set(calls))
        assert calls[-1] <= info["nfev"]
        if "Dfun" in options:
            landed = "active_mask" in info and any(info["active_mask"])
            # A Jacobian at all but the last, and where a fit has left for its bounds.
            assert len(seen) - landed <= info["njev"] <= len(seen) + 1

    def test_counts_of_a_fit_worked_out_by_hand(self):
        """`runaway`: every trial is accepted, and moves each variable by 1."""
        _, seen = watched(runaway, [0.0, 0.0], Dfun=runaway_jacobian, maxfev=6)
        assert [(it.nit, it.nfev) for it in seen] == [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
        np.testing.assert_allclose([it.x[0] for it in seen], [1, 2, 3, 4, 5], rtol=1e-14)
        _, seen = watched(runaway, [0.0, 0.0], maxfev=10)
        assert [it.nfev for it in seen] == [4, 7, 10]  # two for the differences, one for the trial

    def test_watching_changes_nothing(self):
        fit, _ = watched()
        reference = leastsq(decay, DECAY_START, full_output=True)
        np.testing.assert_array_equal(fit[0], reference[0])
        np.testing.assert_array_equal(fit[1], reference[1])
        assert fit[2]["nfev"] == reference[2]["nfev"]

    def test_copies_are_the_callees_own(self):
        """Protects the fit from a callback that writes, and what it keeps from the fit."""
        kept = []

        def scribble(it):
            kept.append((it.x, it.x.copy(), it.fun, it.fun.copy()))
            it.x[:] = it.fun[:] = np.nan

        x, _ = leastsq(decay, DECAY_START, callback=scribble)
        np.testing.assert_array_equal(x, leastsq(decay, DECAY_START)[0])
        _, seen = watched()
        for (written, was, fun, fun_was), it in zip(kept, seen, strict=True):
            assert np.all(np.isnan(written))
            assert np.all(np.isnan(fun))
            np.testing.assert_array_equal(was, it.x)
            np.testing.assert_array_equal(fun_was, it.fun)

    def test_readonly_fields(self):
        _, seen = watched()
        with pytest.raises(AttributeError):
            seen[0].nit = 0

    def test_no_call_where_there_is_no_new_point(self):
        fit, seen = watched(lambda x: np.array([1.0, 1.0, 1.0]))
        assert (fit[4], seen) == (4, [])

    def test_return_value_is_nobodys(self):
        x, ier = leastsq(decay, DECAY_START, callback=lambda it: True)
        assert ier == 1
        np.testing.assert_array_equal(x, leastsq(decay, DECAY_START)[0])

    @pytest.mark.parametrize("by", ["forward", "analytic"])
    @pytest.mark.parametrize("bounds", [None, (-0.5, 0.2)])
    @pytest.mark.parametrize(("m", "n"), [(3000, 4), (120, 60)])
    def test_large(self, m, n, bounds, by):
        """Jacobians that are reduced by rows, and solved by blocks."""
        rng = np.random.default_rng(n)
        a = rng.standard_normal((m, n))
        y = np.tanh(a @ rng.uniform(-0.3, 0.3, n))
        options = {"bounds": bounds}
        if by == "analytic":
            options["Dfun"] = lambda x: a / np.cosh(a @ x)[:, None] ** 2
        fit, seen = watched(lambda x: np.tanh(a @ x) - y, np.zeros(n), **options)
        np.testing.assert_array_equal(seen[-1].x, fit[0])
        np.testing.assert_array_equal(seen[-1].fun, fit[2]["fvec"])
        assert len({it.fun.ctypes.data for it in seen}) == len(seen)

    def test_nested_fits(self):
        """A callback that fits and is watched itself."""
        inner = []

        def refit(it):
            leastsq(decay, it.x, callback=inner.append)

        x, _ = leastsq(decay, DECAY_START, callback=refit)
        np.testing.assert_array_equal(x, leastsq(decay, DECAY_START)[0])
        assert inner


class TestStop:
    @staticmethod
    def at(nit):
        def callback(it):
            if it.nit == nit:
                raise StopIteration

        return callback

    @each_way
    def test_ier_10(self, options):
        seen = watched(**options)[1]
        x, cov_x, info, mesg, ier = leastsq(
            decay, DECAY_START, full_output=True, callback=self.at(2), **options
        )
        assert (ier, cov_x, mesg) == (10, None, "Stopped by the callback.")
        np.testing.assert_array_equal(x, seen[1].x)
        np.testing.assert_array_equal(info["fvec"], decay(x))

    def test_no_more_calls_of_func(self):
        func = Recorder(decay)
        *_, info, _, _ = leastsq(func, DECAY_START, full_output=True, callback=self.at(1))
        assert func.count == info["nfev"]
        assert func.points[-1].tolist() == watched()[1][0].x.tolist()

    @each_way
    def test_without_full_output(self, options):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            x, ier = leastsq(decay, DECAY_START, callback=self.at(1), **options)
        assert ier == 10
        assert x.shape == (2,)

    def test_where_maxfev_is_reached_as_well(self):
        """The user's word, and no warning."""
        x, ier = leastsq(runaway, [0.0], Dfun=runaway_jacobian, maxfev=4, callback=self.at(3))
        assert (x.tolist(), ier) == ([pytest.approx(3.0)], 10)

    def test_where_the_fit_has_converged(self):
        """The last point is the solution, and its covariance is there to be had."""
        fit, seen = watched()
        x, cov_x, *_, ier = leastsq(
            decay, DECAY_START, full_output=True, callback=self.at(seen[-1].nit)
        )
        assert ier == fit[4] == 1
        np.testing.assert_array_equal(x, fit[0])
        np.testing.assert_array_equal(cov_x, fit[1])

    @pytest.mark.parametrize("bounds", [(-np.inf, np.inf), ([0, 0], [2, 3])])
    def test_of_curve_fit(self, bounds):
        """The best point so far; its covariance would be a guess, and is not given."""
        t = np.linspace(0.0, 2.0, 9)
        seen = []

        def stop(it):
            seen.append(it.x)
            if it.nit == 2:
                raise StopIteration

        def model(t, a, b):
            return a * np.exp(-b * t)

        with pytest.warns(
            OptimizeWarning, match="not be estimated by curve_fit: the callback has stopped"
        ):
            popt, pcov, _, mesg, ier = curve_fit(
                model, t, model(t, 1.5, 2.5), bounds=bounds, callback=stop, full_output=True
            )
        assert (len(seen), mesg, ier) == (2, "Stopped by the callback.", 10)
        np.testing.assert_array_equal(popt, seen[-1])
        assert np.isposinf(pcov).all()

    def test_from_a_generator(self):
        """`next` on what is used up is as good a way to say it."""
        points = iter(range(2))
        assert leastsq(decay, DECAY_START, callback=lambda it: next(points))[1] == 10


class TestErrors:
    @pytest.mark.parametrize("calls", [0, 1, 3, 7])
    @pytest.mark.parametrize("watch", [False, True])
    def test_stop_iteration_of_func_is_an_error(self, calls, watch):
        left = iter(range(calls))

        def func(x):
            next(left)
            return decay(x)

        with pytest.raises(StopIteration):
            leastsq(func, DECAY_START, callback=(lambda it: None) if watch else None)

    def test_stop_iteration_of_dfun_is_an_error(self):
        def jacobian(x):
            raise StopIteration

        with pytest.raises(StopIteration):
            leastsq(decay, DECAY_START, Dfun=jacobian, callback=lambda it: None)

    @each_way
    @pytest.mark.parametrize("kind", [Mark, KeyboardInterrupt, GeneratorExit, MemoryError])
    def test_others_pass_through(self, kind, options):
        error = kind("here")

        def callback(it):
            raise error

        with pytest.raises(kind) as raised:
            leastsq(decay, DECAY_START, callback=callback, **options)
        assert raised.value is error
        assert raised.traceback[-1].name == "callback"

    @pytest.mark.parametrize("callback", [3, "print", []])
    def test_not_callable(self, callback):
        func = Recorder(decay)
        with pytest.raises(TypeError, match=r"callback is .*want a function callback"):
            leastsq(func, DECAY_START, callback=callback)
        assert func.count == 0

    @pytest.mark.parametrize("verbose", [3, -1, "1", None, 0.5])
    def test_no_such_verbose(self, verbose):
        func = Recorder(decay)
        with pytest.raises(ValueError, match=r"verbose is .*want 0, 1"):
            leastsq(func, DECAY_START, verbose=verbose, callback=lambda it: None)
        assert func.count == 0

    def test_verbose_is_no_none(self):
        with pytest.raises(ValueError, match="verbose is str 'no'"):
            leastsq(decay, DECAY_START, verbose="no")


class TestVerbose:
    def test_silence(self, capfd):
        leastsq(decay, DECAY_START, callback=lambda it: None)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("verbose", [1, True, np.int64(1)])
    def test_lines(self, capsys, verbose):
        _, seen = watched(verbose=verbose)
        heading, *lines = capsys.readouterr().out.splitlines()
        assert heading.split() == ["iteration", "calls", "cost", "trust", "region"]
        assert len(lines) == len(seen)
        for line, it in zip(lines, seen, strict=True):
            nit, nfev, cost, delta = line.split()
            assert (int(nit), int(nfev)) == (it.nit, it.nfev)
            assert float(cost) == pytest.approx(it.cost, rel=1e-8)
            assert float(delta) == pytest.approx(it.delta, rel=1e-3)
            assert len(line) == len(heading)

    def test_the_last_line_before_a_stop(self, capsys):
        leastsq(decay, DECAY_START, verbose=1, callback=TestStop.at(2))
        assert len(capsys.readouterr().out.splitlines()) == 3

    @pytest.mark.parametrize("ends", ["well", "by an error"])
    def test_bar(self, capsys, ends):
        pytest.importorskip("tqdm", reason="an optional extra")
        seen = []

        def callback(it):
            seen.append(it)
            if ends == "by an error":
                raise Mark

        try:
            leastsq(decay, DECAY_START, verbose=2, callback=callback)
        except Mark:
            assert ends == "by an error"
        out, err = capsys.readouterr()
        assert out == ""
        last = err.rstrip("\n").split("\r")[-1]
        assert last.startswith(f"fit: {len(seen)} iterations")
        assert f"{seen[-1].nfev} calls, cost {seen[-1].cost:.6g}" in last
        assert err.endswith("\n")  # closed: what comes next has a line of its own

    def test_bar_without_tqdm(self, monkeypatch):
        real = builtins.__import__

        def without(name, *rest, **more):
            if name.partition(".")[0] == "tqdm":
                raise ImportError(name)
            return real(name, *rest, **more)

        monkeypatch.setattr(builtins, "__import__", without)
        func = Recorder(decay)
        with pytest.raises(ImportError, match="pip install tqdm"):
            leastsq(func, DECAY_START, verbose=2)
        assert func.count == 0


class TestUnused:
    def test_nothing_is_made(self, monkeypatch):
        """Neither a watcher nor a call: a fit that nobody watches costs what it did."""
        import pyminpack._watch as module

        def fail(*_):
            raise AssertionError

        monkeypatch.setattr(module.Watch, "__init__", fail)
        monkeypatch.setattr(module.Watch, "__call__", fail)
        assert leastsq(decay, DECAY_START)[1] == 1
        assert leastsq(decay, DECAY_START, callback=None, verbose=0)[1] == 1
        with pytest.raises(AssertionError):
            leastsq(decay, DECAY_START, verbose=1)
