"""Redundant parameters: to know, by a few calls of the model, that no derivatives tell them apart.

Where a Jacobian J by central differences is singular within its error, along v say, the model is
differentiated along v itself. That is of the size of J's error, and so tells the part of it that
no other direction has up to the square of this error: as sharply as the model is computed.
Parameters are redundant where this part is nothing but rounding errors and where the rank is as low
at a point in general position: at a single one it may be low because a step has led too far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._input.arguments import EPS
from .._minpack import enorm
from .adaptive import LONG, Adaptive

__all__ = ["Redundancy", "redundancy"]

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Limits = FloatArray | None

#: Power of the machine's precision that, as a relative step h, balances rounding errors with what
#: is left of order h⁴.
POWER = 0.2
#: Singular values of J, its columns of norm 1, that are none: in units of J's error.
SINGULAR = 3.0
#: Error of J, in units of the least singular value that is one, with which its range is steady.
STEADY = 1e-4
#: What is nothing in a derivative along a direction, in rounding errors, and the largest that this
#: may be: what data do not show.
NOTHING, SHARP = 5.0, 1e-9
#: Distance of the point in general position, in units of the parameters, at the most.
AWAY = 0.1
#: Multiples of it have fractions that are in no ratio.
GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Redundancy:
    """A Jacobian J of less than full rank, its columns of norm 1.

    Attributes
    ----------
    parameters : ndarray of int
        Those that it has columns of, but for those of zeros.
    dead : ndarray of int
        Those whose columns are nothing but zeros.
    range : ndarray, shape (M, rank)
        Of J, orthonormal.
    directions : ndarray, shape (K, number of parameters)
        In which the model does not change.
    error : float
        What would not show, as an error of J.
    """

    parameters: Indices
    dead: Indices
    range: FloatArray
    directions: FloatArray
    error: float

    @property
    def nullity(self) -> int:
        """By how many the parameters are too many."""
        return len(self.directions) + self.dead.size


def redundancy(
    func: Callable[[FloatArray], FloatArray],
    x0: FloatArray,
    x: FloatArray,
    norms: FloatArray,
    limits: Limits,
    scale: float,
) -> Redundancy | None:
    """Return what is redundant at `x`, and not only there; None where that is not certain.

    Parameters
    ----------
    func : callable
        ``func(x)``, shape (M,): the residuals, or NaN; in `LONG` where it computes with these.
    x0, x : ndarray, shape (N,)
        Where the fit has started, and where it has ended.
    norms : ndarray, shape (N,)
        Those of the columns of the Jacobian, more or less.
    limits : ndarray, shape (2, N), or None
        Bounds of x.
    scale : float
        Norm of the numbers that the residuals are differences of.
    """
    with np.errstate(all="ignore"):  # numbers of any size: what is not finite is not certain
        return _everywhere(_Look(func, norms, limits, scale), x0, x)


def _everywhere(look: _Look, x0: FloatArray, x: FloatArray) -> Redundancy | None:
    """As `redundancy`."""
    limits = look.limits
    varied = np.arange(x.size)
    if limits is not None:
        varied = np.flatnonzero(limits[0] < limits[1])
    free = varied[look.room(x)[varied] > 0.0]
    here = look.at(x, free)
    if here is None or not here.nullity:
        return None
    steps = Adaptive(look.func, None, limits, look.scale)
    if any(steps.shows(x, int(j)) for j in here.dead):
        return None
    there = look.at(look.away(x0), varied)
    if there is None or not set(here.dead) <= set(there.dead):
        return None
    # What is held at a bound may be redundant as well.
    is_as_low = there.nullity == here.nullity or (
        free.size < varied.size and there.nullity > here.nullity
    )
    return here if is_as_low else None


class _Look:
    """Looks at the model of a fit: as for `redundancy`."""

    def __init__(
        self,
        func: Callable[[FloatArray], FloatArray],
        norms: FloatArray,
        limits: Limits,
        scale: float,
    ) -> None:
        self.func, self.limits, self.scale = func, limits, scale
        self.dtypes: tuple[Any, ...] = (LONG, np.float64)  # that the model may compute in
        self.own = np.full(norms.size, np.inf)  # changes that change the model by its own size
        np.divide(scale, norms, out=self.own, where=norms > 0.0)

    def sizes(self, x: FloatArray) -> FloatArray:
        """Return changes that change a parameter, or the model, by its own size."""
        sizes = np.fmin(self.own, np.where(x == 0.0, np.inf, np.abs(x)))
        return np.where(np.isinf(sizes), 1.0, sizes)

    def room(self, x: FloatArray) -> FloatArray:
        """Return the distances from the bounds."""
        if self.limits is None:
            return np.full(x.size, np.inf)
        lower, upper = self.limits
        return np.asarray(np.fmin(x - lower, upper - x))

    def away(self, x0: FloatArray) -> FloatArray:
        """Return a point in general position, next to the start."""
        shift = AWAY * ((GOLDEN * (1.0 + np.arange(x0.size))) % 1.0) * self.sizes(x0)
        if self.limits is not None:
            shift = np.fmin(shift, (self.limits[1] - self.limits[0]) / 4)
        return np.where(self.room(x0 + shift) > 0.0, x0 + shift, x0 - shift)

    def slope(self, x: FloatArray, way: FloatArray) -> FloatArray:
        """Return the derivative along `way`, times its length; NaN where it is not known."""
        return (self.func(x + way) - self.func(x - way)) / 2

    def at(self, x: FloatArray, parameters: Indices) -> Redundancy | None:
        """Return the redundancy at x, be it none; None where it cannot be told."""
        room = self.room(x)[parameters]
        if not parameters.size or not (room > 0.0).all():
            return None
        steps = np.fmin(EPS**POWER * self.sizes(x)[parameters], room / 2)
        columns, errors = [], []
        for j, step in zip(parameters, steps, strict=True):
            way = np.zeros(x.size)
            way[j] = step
            long, short = self.slope(x, way) / step, self.slope(x, way / 2) / (step / 2)
            columns.append(short + (short - long) / 3)
            errors.append(enorm(short - long) / 3)
        jacobian = np.array(columns).T
        norms = np.array([enorm(column) for column in columns])
        if not np.isfinite(norms).all() or not norms.any():
            return None
        live = norms > 0.0
        norms = norms[live]
        error = enorm(np.array(errors)[live] / norms)
        u, values, v = np.linalg.svd(jacobian[:, live] / norms, full_matrices=False)
        rank = int(np.count_nonzero(values > SINGULAR * error))
        if rank == 0 or not error <= STEADY * values[rank - 1]:
            return None
        range_, directions = u[:, :rank], v[rank:]
        sharp = 0.0
        for direction in directions:
            way = np.zeros(x.size)
            way[parameters[live]] = direction / norms
            size = max(self.scale, np.max(np.abs(x[parameters[live]]) * norms))
            slope, rounding = self.along(x, way, size)
            parts = slope @ range_
            nothing = NOTHING * rounding
            if not enorm(slope - range_ @ parts) <= nothing <= SHARP:
                return None
            direction -= (parts / values[:rank]) @ v[:rank]
            sharp = max(sharp, nothing)
        dead = parameters[~live]
        return Redundancy(parameters[live], dead, range_, directions, sharp)

    def along(self, x: FloatArray, way: FloatArray, size: float) -> tuple[FloatArray, float]:
        """Differentiate along a way that changes the model by 1, but for what cancels.

        In the longest numbers that the model computes with. Returns the rounding errors as well, of
        numbers of norm `size`.
        """
        moves = way != 0.0
        longest = np.min(self.room(x)[moves] / np.abs(way[moves])) / 2
        for dtype in self.dtypes:
            eps = float(np.finfo(dtype).eps)
            step = min((eps * size / self.scale) ** POWER * self.scale, longest)
            slope = self.slope(x.astype(dtype), step * way.astype(dtype)) / step
            if slope.dtype == dtype and np.isfinite(slope).all():
                self.dtypes = (dtype,)
                break
        return slope.astype(np.float64), eps * size / step
