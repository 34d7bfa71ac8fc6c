"""Whose memory is whose: what callbacks may do with x and their results, and callers' arrays."""

import numpy as np
import pytest
from fits import (
    DECAY_START,
    EXACT_DECAY,
    NOISY_DECAY,
    TIMES,
    Recorder,
    decay,
    decay_jacobian,
    decay_jacobian_columns,
)
from forms import assert_same_fit

from pyminpack import leastsq

WAYS = {
    "differences": {},
    "rows": {"Dfun": decay_jacobian},
    "columns": {"Dfun": decay_jacobian_columns, "col_deriv": True},
}
WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


class TestPointGiven:
    @WAY
    def test_may_be_written_to(self, way):
        """Protects the iteration from callbacks that use x as their own work space."""

        def spoil(function):
            def spoiling(x):
                value = function(x)
                x[:] = np.nan
                return value

            return spoiling

        options = {**way, "Dfun": spoil(way["Dfun"])} if "Dfun" in way else {}
        fit = leastsq(spoil(decay), DECAY_START, full_output=True, **options)
        assert_same_fit(fit, leastsq(decay, DECAY_START, full_output=True, **way))

    @WAY
    def test_may_be_kept(self, way):
        """Protects callbacks that keep every x: each stays what it was when it was given."""
        kept, copies = [], []

        def keep(function):
            def keeping(x):
                kept.append(x)
                copies.append(x.copy())
                return function(x)

            return keeping

        options = {**way, "Dfun": keep(way["Dfun"])} if "Dfun" in way else {}
        x = leastsq(keep(decay), DECAY_START, **options)[0]
        assert len(kept) > 6
        np.testing.assert_array_equal(kept, copies)
        kept.append(x)
        assert not any(np.shares_memory(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :])

    @WAY
    def test_may_be_kept_and_written_to_later(self, way):
        """Protects the iteration from arrays that are changed after the callback has returned."""
        kept = []

        def func(x):
            for old in kept:
                old[:] = np.nan
            kept.append(x)
            return decay(x)

        fit = leastsq(func, DECAY_START, full_output=True, **way)
        assert_same_fit(fit, leastsq(decay, DECAY_START, full_output=True, **way))

    def test_survives_the_fit(self):
        """Protects kept arrays when the solver's own memory has gone."""
        kept = []

        def func(x):
            kept.append(x)
            return decay(x)

        leastsq(func, DECAY_START)
        first = np.array(DECAY_START)
        rubbish = [np.full(2, 9e99) for _ in range(1000)]
        np.testing.assert_array_equal(kept[0], first)
        assert len(rubbish) == 1000

    def test_may_be_resized(self):
        """Protects a func that gives the array it got another size, and so another memory."""

        def func(x):
            value = decay(x)
            x.resize(1000, refcheck=False)
            x[:] = np.nan
            return value

        fit = leastsq(func, DECAY_START, full_output=True)
        assert_same_fit(fit, leastsq(decay, DECAY_START, full_output=True))


class TestResultReturned:
    @WAY
    def test_one_buffer_for_all_calls(self, way):
        """Protects models that compute into the same array; SciPy returns the start for them."""
        residuals = np.empty(12)
        buffers = {"rows": np.empty((12, 2)), "columns": np.empty((2, 12))}

        def func(x):
            residuals[:] = decay(x)
            return residuals

        options = dict(way)
        if "Dfun" in way:
            jacobian = buffers["columns" if "col_deriv" in way else "rows"]

            def derivative(x):
                jacobian[...] = way["Dfun"](x)
                return jacobian

            options["Dfun"] = derivative
        fit = leastsq(func, DECAY_START, full_output=True, **options)
        assert_same_fit(fit, leastsq(decay, DECAY_START, full_output=True, **way))
        for value in fit[2].values():
            assert not np.shares_memory(value, residuals)
            assert not any(np.shares_memory(value, buffer) for buffer in buffers.values())

    def test_one_fortran_buffer_for_all_jacobians(self):
        """Protects a Jacobian that is laid out as the solver would have it: it is no work space."""
        buffer = np.empty((12, 2), order="F")

        def derivative(x):
            buffer[...] = decay_jacobian(x)
            before.append(buffer.copy())
            return buffer

        before = []
        fit = leastsq(decay, DECAY_START, Dfun=derivative, full_output=True)
        assert_same_fit(fit, leastsq(decay, DECAY_START, Dfun=decay_jacobian, full_output=True))
        np.testing.assert_array_equal(buffer, before[-1])

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("col_deriv", [False, True])
    @pytest.mark.parametrize("frozen", [False, True])
    def test_constant_jacobian_is_not_factored_in_place(self, order, col_deriv, frozen):
        """Protects the array of a linear model, returned each time, writable or not."""
        matrix = np.stack([np.ones(12), TIMES, TIMES**2], axis=1)
        given = np.array(matrix.T if col_deriv else matrix, order=order)
        given.flags.writeable = not frozen
        before = given.copy()
        x, _, info, _, _ = leastsq(
            lambda x: matrix @ x - NOISY_DECAY,
            np.zeros(3),
            Dfun=lambda x: given,
            col_deriv=col_deriv,
            full_output=True,
        )
        np.testing.assert_array_equal(given, before)
        assert not np.shares_memory(info["fjac"], given)
        # One exact Gauss-Newton step from zero: good to rounding times the condition, 1e2.
        best = np.linalg.lstsq(matrix, NOISY_DECAY, rcond=None)[0]
        np.testing.assert_allclose(x, best, rtol=1e-11)

    @pytest.mark.parametrize(
        "echo",
        [lambda x: x, lambda x: x[::-1], lambda x: x.reshape(1, -1)],
        ids=["x", "turned", "2-D"],
    )
    def test_func_returns_its_argument(self, echo):
        """Protects residuals that are the very array func was given."""
        x, _, info, _, ier = leastsq(echo, [3.0, -4.0], full_output=True)
        assert ier in {1, 2, 3, 4}
        # Linear, and the first step is right but for the rounding of the differences, 2**-26.
        np.testing.assert_allclose(x, [0.0, 0.0], atol=1e-7)
        assert not np.shares_memory(x, info["fvec"])

    def test_func_returns_the_data(self):
        """Protects an array of the caller's that func returns as it is."""
        data = NOISY_DECAY.copy()
        _, _, info, _, ier = leastsq(lambda x: data, DECAY_START, full_output=True)
        assert ier == 4
        assert not np.shares_memory(info["fvec"], data)
        np.testing.assert_array_equal(data, NOISY_DECAY)

    def test_buffer_is_overwritten_after_the_fit(self):
        """Protects fvec: it is a copy of what func returned, not the array."""
        buffer = np.empty(12)

        def func(x):
            buffer[:] = decay(x)
            return buffer

        x, _, info, _, _ = leastsq(func, DECAY_START, full_output=True)
        buffer[:] = np.nan
        np.testing.assert_array_equal(info["fvec"], decay(x))


class TestCallersArrays:
    @WAY
    @pytest.mark.parametrize("frozen", [False, True])
    def test_are_never_written_to(self, way, frozen):
        """Protects x0, args and diag, writable or not; x is a new array."""
        x0, data, diag = np.array([2.0, 0.5]), NOISY_DECAY.copy(), np.array([0.5, 2.0])
        before = [a.copy() for a in (x0, data, diag)]
        for array in (x0, data, diag):
            array.flags.writeable = not frozen
        seen = Recorder(decay)
        x = leastsq(seen, x0, args=(data,), diag=diag, **way)[0]
        for array, copy in zip((x0, data, diag), before, strict=True):
            np.testing.assert_array_equal(array, copy)
        assert not np.shares_memory(x, x0)
        assert x.flags.writeable

    def test_start_that_is_the_solution(self):
        """Protects x0 where the fit ends at once: x is equal to it, and another array."""
        x0 = np.array([3.0, 0.7])
        x, _ = leastsq(decay, x0, args=(EXACT_DECAY,))
        np.testing.assert_array_equal(x, x0)
        assert not np.shares_memory(x, x0)

    def test_start_that_func_writes_to(self):
        """Protects the caller's x0 from a func that writes to its argument."""
        x0 = np.array([2.0, 0.5])

        def func(x):
            value = decay(x)
            x += 1.0
            return value

        leastsq(func, x0)
        np.testing.assert_array_equal(x0, [2.0, 0.5])

    def test_start_that_changes_during_the_fit(self):
        """Protects the fit from a caller's x0 that func changes behind its back."""
        x0 = np.array(DECAY_START)

        def func(x):
            x0[:] = 2.0
            return decay(x)

        np.testing.assert_array_equal(leastsq(func, x0)[0], leastsq(decay, DECAY_START)[0])

    def test_diag_that_changes_during_the_fit(self):
        """Protects the fit from a caller's diag that func changes behind its back."""
        diag = np.array([2.0, 0.5])
        reference = leastsq(decay, DECAY_START, diag=diag.copy())[0]

        def spoiling(x):
            if func.count > 1:
                diag[:] = 1e3
            return decay(x)

        func = Recorder(spoiling)
        np.testing.assert_array_equal(leastsq(func, DECAY_START, diag=diag)[0], reference)
