"""Fits and recorders that the tests of the contract share: small, with known endings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EPS = float(np.finfo(float).eps)


class Recorder:
    """A callback that remembers, as copies, each point it was called at and what it returned."""

    def __init__(self, function):
        self.function = function
        self.points = []
        self.values = []

    def __call__(self, x, *args):
        self.points.append(np.array(x, copy=True))
        value = self.function(x, *args)
        self.values.append(np.copy(value) if isinstance(value, np.ndarray) else value)
        return value

    @property
    def count(self):
        return len(self.points)


# A decay with a disturbance that no parameter can follow: the sum of squares at the solution is
# not zero, so that the tests on ftol and xtol end different fits differently.
TIMES = np.linspace(0.0, 4.0, 12)
EXACT_DECAY = 3.0 * np.exp(-0.7 * TIMES)
NOISY_DECAY = EXACT_DECAY + 0.1 * np.cos(9.0 * TIMES)
DECAY_START = (1.0, 1.0)
DECAY_TRUE = (3.0, 0.7)


def decay(x, data=NOISY_DECAY):
    """Residuals of amplitude·exp(-rate·t): M = 12, N = 2."""
    return x[0] * np.exp(-x[1] * TIMES) - data


def decay_jacobian(x, data=NOISY_DECAY):
    """Jacobian of `decay`, (12, 2)."""
    shape = np.exp(-x[1] * TIMES)
    return np.stack([shape, -x[0] * TIMES * shape], axis=1)


def decay_jacobian_columns(x, data=NOISY_DECAY):
    """Jacobian of `decay` with derivatives down the columns, (2, 12)."""
    return np.ascontiguousarray(decay_jacobian(x).T)


def runaway(x):
    """Residuals exp(-x): every Gauss-Newton step is 1 in each variable, and none is the last.

    One trial per Jacobian, each accepted with the residuals divided by e, so that neither ftol,
    xtol nor gtol is met and the counts at a given `maxfev` can be worked out by hand.
    """
    return np.exp(-x)


def runaway_jacobian(x):
    """Jacobian of `runaway`."""
    return -np.diag(np.exp(-x))


class Ending(NamedTuple):
    """A fit that ends with a known `ier`."""

    ier: int
    func: object
    x0: list
    options: dict


def _uphill(x):
    """One residual that is small beside its variable, so that its relative changes are large."""
    return x - (1.0 - 1e-6)


def _tiny_slope(x):
    """Residuals whose cosine with their only Jacobian column is x itself when x is tiny.

    The norm is 1 to the last bit, before and after the step to zero, which promises x². So with
    all tolerances zero x = 1e-9 ends with `ier` 6 and x = 1e-17, below machine precision, with 8.
    """
    return np.array([x[0], 1.0])


def _nan_from_the_start(x):
    """Residuals of which the second is not a number."""
    return np.array([1.0, np.nan, x[0], x[1]])


def _nan_above(x):
    """Fine at the start, not a number as soon as the first variable grows."""
    return np.array([np.nan if x[0] > 1.0 else x[0], x[1], 1.0])


def _nan_jacobian(x):
    """Jacobian of `decay` with one entry that is not a number, in column 1."""
    jacobian = decay_jacobian(x)
    jacobian[5, 1] = np.nan
    return jacobian


ANALYTIC = {"Dfun": decay_jacobian}
ALL_ZERO = {"ftol": 0.0, "xtol": 0.0, "gtol": 0.0}
# `ier` 7: a Jacobian of the wrong sign, the commonest mistake in a hand-written one: no step helps.
WRONG_SIGN = {"Dfun": lambda x: np.array([[-1.0]])}
TINY_SLOPE = {"Dfun": lambda x: np.array([[1.0], [0.0]])}

# Every way in which a fit can end, by real fits.
ENDINGS = {
    "0 ftol": Ending(0, decay, [1.0, 1.0], {"ftol": -1.0}),
    "0 factor, Dfun": Ending(0, decay, [1.0, 1.0], {"factor": 0.0, **ANALYTIC}),
    "0 empty x0": Ending(0, lambda x: np.ones(3), [], {}),
    "1": Ending(1, decay, [1.0, 1.0], {"ftol": 1e-6, "xtol": 0.0}),
    "1 Dfun": Ending(1, decay, [1.0, 1.0], {"ftol": 1e-6, "xtol": 0.0, **ANALYTIC}),
    "2": Ending(2, decay, [1.0, 1.0], {"ftol": 0.0, "xtol": 1e-6}),
    "2 Dfun": Ending(2, decay, [1.0, 1.0], {"ftol": 0.0, "xtol": 1e-6, **ANALYTIC}),
    "3": Ending(3, decay, [1.0, 1.0], {"ftol": 1e-3, "xtol": 1e-3}),
    "3 Dfun": Ending(3, decay, [1.0, 1.0], {"ftol": 1e-3, "xtol": 1e-3, **ANALYTIC}),
    "4": Ending(4, decay, [1.0, 1.0], {"ftol": 0.0, "xtol": 0.0, "gtol": 1e-5}),
    "4 Dfun": Ending(4, decay, [1.0, 1.0], {"ftol": 0.0, "xtol": 0.0, "gtol": 1e-5, **ANALYTIC}),
    "4 at once": Ending(4, lambda x: decay(x, EXACT_DECAY), [3.0, 0.7], {}),
    "5": Ending(5, runaway, [0.0, 0.0], {"maxfev": 40}),
    "5 Dfun": Ending(5, runaway, [0.0, 0.0], {"maxfev": 40, "Dfun": runaway_jacobian}),
    "6": Ending(6, _tiny_slope, [1e-9], ALL_ZERO),
    "6 Dfun": Ending(6, _tiny_slope, [1e-9], ALL_ZERO | TINY_SLOPE),
    "7 Dfun": Ending(7, _uphill, [1.0], ALL_ZERO | WRONG_SIGN),
    "8": Ending(8, _tiny_slope, [1e-17], ALL_ZERO),
    "8 Dfun": Ending(8, _tiny_slope, [1e-17], ALL_ZERO | TINY_SLOPE),
    "9 at the start": Ending(9, _nan_from_the_start, [1.0, 1.0], {}),
    "9 differences": Ending(9, _nan_above, [1.0, 1.0], {}),
    "9 Dfun": Ending(9, decay, [1.0, 1.0], {"Dfun": _nan_jacobian}),
}
