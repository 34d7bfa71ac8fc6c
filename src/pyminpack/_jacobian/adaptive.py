"""Difference Jacobians with a step for each parameter, sought where x itself says nothing of it.

Central differences over steps that shrink by a factor of 8, each compared with the next: while the
truncation error leads, their distance falls by 64, where rounding errors lead it grows by 8. From
the longest step at which the distances fall, steps are halved and extrapolated to 0; the smallest
distance between two extrapolations tells the error: C. J. F. Ridders, *Accurate computation of
F'(x) and F'(x)F''(x)*, Advances in Engineering Software 4 (1982) 75-76. The first step is one that
changes the function by a part of its own size, after P. E. Gill, W. Murray, M. A. Saunders,
M. H. Wright, *Computing forward-difference intervals for numerical optimization*, SIAM J. Sci.
Stat. Comput. 4 (1983) 310-321.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._input.arguments import EPS
from .._minpack import enorm
from .differences import ThreePoint

__all__ = ["LONG", "LONG_EPS", "NO_DERIVATIVE", "Adaptive"]

FloatArray = npt.NDArray[np.float64]

#: Numbers of 64 bits or more after the point on most machines; on others, double again.
LONG = np.longdouble
LONG_EPS = float(np.finfo(LONG).eps)

RATIO = 8.0
LEVELS = 24  # 8^-24 = 2^-72: from any first step to the rounding errors of x
#: Of the function's own size: the change that the first step is to make.
FIRST_CHANGE = 0.25
#: A change of this part of the function's size is to show, with its slope, in a smooth function; it
#: is some thirty rounding errors of single precision.
FINE_CHANGE = 4e-6
#: Relative error of a column above which there is no derivative.
NO_DERIVATIVE = 0.1
#: Rounding errors of two values, half a unit each at the most, in units of the sum of their units.
ROUNDING = 0.3
#: Error at a later point that a step is kept with, in units of that at the first, and at least.
WORSE, GOOD_ENOUGH = 8.0, 1e-7
#: Distance of two columns that is hardly met by chance; and where those of the next steps grow as
#: rounding errors do, those of a model whose noise is smooth over yet shorter ones, say.
ALIKE, ALIKE_IN_NOISE = 1e-3, 5e-2
#: Steps of an extrapolation, and the relative distance below which halving them converges.
HALVINGS, CONVERGES = 5, 0.3


@dataclass(frozen=True)
class _Level:
    """A difference quotient: its step, the column, its norm, and that of the change it is made of.

    `step` is 0 where there is none: no room, or values that are not finite.
    """

    step: float
    column: FloatArray
    norm: float
    change: float


class Adaptive(ThreePoint):
    """Jacobian of `func` by central differences with steps of its own: a ``Dfun`` by rows.

    The first Jacobian seeks the step of each parameter, at some thirty calls of `func`; the others
    take ten calls a parameter, and seek again where the error has grown.

    Parameters
    ----------
    func, epsfcn, limits
        As for `ThreePoint`.
    size : float, optional
        Norm of the numbers that the residuals are differences of. Default: the largest norm of
        residuals so far.
    long : bool, optional
        Call `func` with numbers longer than double (`LONG`), where it computes with them.

    Attributes
    ----------
    errors : ndarray, shape (N,)
        Estimated error of each column of the last Jacobian, relative to its norm; 0 for a column of
        zeros.
    coarse : ndarray of bool, shape (N,)
        Where `func` does not follow small changes of the parameter: it is rounded, or has steps.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        epsfcn: float | None = None,
        limits: FloatArray | None = None,
        size: float = 0.0,
        long: bool = False,
    ) -> None:
        super().__init__(func, epsfcn, limits)
        self.size = size
        self.long = long
        if long:
            self.eps, self.detect = LONG_EPS, False
        self.errors = np.zeros(0)
        self.coarse = np.zeros(0, dtype=bool)
        self._steps = self._best = np.zeros(0)  # of the pair that was best, and its error

    @classmethod
    def of_steps(
        cls,
        steps: FloatArray,
        func: Callable[..., Any],
        epsfcn: float | None,
        limits: FloatArray | None,
    ) -> Adaptive:
        """Make one that has its steps, positive ones of each parameter, and seeks no others."""
        one = cls(func, epsfcn, limits)
        one.errors, one._steps, one._best = np.zeros(steps.size), steps, np.full(steps.size, np.inf)
        one.coarse = np.zeros(steps.size, dtype=bool)
        return one

    def __call__(self, x: FloatArray, *args: Any) -> FloatArray:
        """Return the Jacobian at `x`, shape (N, M)."""
        if self.errors.size != x.size:
            self.errors, self._steps, self._best = np.zeros((3, x.size))
            self.coarse = np.zeros(x.size, dtype=bool)
        with np.errstate(all="ignore"):  # a step that is too long is for us to notice
            if self.m < 0 and self._steps.any():
                self._evaluate(x, 0, x[0], args)
            return super().__call__(x, *args)

    def _call(self, x: FloatArray, j: int, value: float, args: tuple[Any, ...]) -> Any:
        return super()._call(x.astype(LONG) if self.long else x, j, value, args)

    def _evaluate(self, x: FloatArray, j: int, value: float, args: tuple[Any, ...]) -> Any:
        if not self.long:
            return super()._evaluate(x, j, value, args)
        residuals = np.array(self._call(x, j, value, args), dtype=LONG).ravel()
        self.m = residuals.size
        return residuals

    def steps(self, x: FloatArray) -> FloatArray:
        """Return the steps that have been found good at `x`; where none was sought, the usual."""
        usual = self.eps ** (1 / 3) * np.where(x == 0.0, 1.0, np.abs(x))
        return np.where(self._steps > 0.0, self._steps, usual)

    def shows(self, x: FloatArray, j: int) -> bool:
        """Whether any step of x[j] changes `func`, a longer or a shorter one."""
        with np.errstate(all="ignore"):
            probe = self._probe(x, j, ())
        return probe is None or probe.step == 0.0 or probe.change > 0.0

    def _column(self, x: FloatArray, j: int, args: tuple[Any, ...]) -> FloatArray | None:
        step = self._steps[j]
        if step > 0.0:
            column, error = self._extrapolate(x, j, step, args)
            if error <= max(WORSE * self._best[j], GOOD_ENOUGH):
                self.errors[j] = error
                return column
        return self._search(x, j, args)

    def _search(self, x: FloatArray, j: int, args: tuple[Any, ...]) -> FloatArray | None:
        """Seek the step of x[j], and differentiate with it; None where it cannot vary."""
        probe = self._probe(x, j, args)
        if probe is None:
            return None
        if probe.norm == 0.0:
            self.errors[j] = 0.0
            return probe.column
        own = self.size / probe.norm
        first = min(FIRST_CHANGE * own, abs(x[j]) / 2 or np.inf)
        ladder = [self._level(x, j, first, args)]
        distances: list[float] = []
        while len(ladder) < LEVELS and not _past_the_best(distances):
            step = ladder[-1].step / RATIO if ladder[-1].step else first / RATIO ** len(ladder)
            if step < 4 * self.eps * abs(x[j]) and distances:
                break
            ladder.append(self._level(x, j, step, args))
            distances.append(self._distance(x, j, *ladder[-2:]))
            if ladder[-1].change == 0.0 and ladder[-1].step and np.isfinite(min(distances)):
                break
        # Rounding errors led from the first: a longer step is better, as for a linear parameter.
        longest = max(own, abs(x[j]) / 2)
        while int(np.argmin(distances)) == 0 and ladder[0].step and ladder[0].step < longest:
            wider = self._level(x, j, min(RATIO * ladder[0].step, longest), args)
            ladder.insert(0, wider)
            distances.insert(0, self._distance(x, j, *ladder[:2]))
        best = int(np.argmin(distances))
        self.errors[j] = distances[best]
        if not self.errors[j] <= NO_DERIVATIVE:
            if self.errors[j] < CONVERGES or all(level.change > 0.0 for level in ladder):
                return probe.column
            self.errors[j] = 0.0  # what is further away does not show here
            return np.zeros(self.m)
        # The longest step from which on the distances fall.
        top = best
        while top > 0 and distances[top - 1] < CONVERGES and distances[top - 1] > distances[top]:
            top -= 1
        candidates = [
            (*self._extrapolate(x, j, ladder[k].step, args), ladder[k].step) for k in {top, best}
        ]
        column, error, step = min(candidates, key=lambda candidate: candidate[1])
        self.errors[j] = self._best[j] = error
        self._steps[j] = step
        self.coarse[j] = error <= NO_DERIVATIVE and self._is_coarse(x, j, column, args)
        return column

    def _extrapolate(
        self, x: FloatArray, j: int, step: float, args: tuple[Any, ...]
    ) -> tuple[FloatArray, float]:
        """Differentiate with halved steps, extrapolated to 0; and the relative error of that."""
        best, error = np.zeros(self.m), np.inf
        above: list[FloatArray] = []
        for i in range(HALVINGS):
            level = self._level(x, j, step / 2.0**i, args)
            if not level.step or level.norm == 0.0:
                break
            row = [level.column]
            for k, coarser in enumerate(above):
                row.append(row[k] + (row[k] - coarser) / (4.0 ** (k + 1) - 1.0))
                distance = max(enorm(row[k + 1] - row[k]), enorm(row[k + 1] - coarser))
                rounding = ROUNDING * self.eps * (self.size + abs(x[j]) * level.norm) / level.step
                distance = max(distance, rounding) / level.norm
                if distance < error:
                    best, error = row[k + 1], distance
            above = row
        return best, error

    def _probe(self, x: FloatArray, j: int, args: tuple[Any, ...]) -> _Level | None:
        """Find a step of x[j] that shows, or else the shortest that was tried.

        First longer ones, for an x[j] near 0; then shorter ones, for a feature that lies between
        the two ends of all these, which may look the same.
        """
        usual = self.eps ** (1 / 3) * (abs(x[j]) or 1.0)
        shown = None
        for step in (
            *_powers(usual, max(abs(x[j]), 1.0)),
            *_powers(usual, 4 * EPS * abs(x[j]))[1:],
        ):
            found = self._difference(x, j, step, args)
            if found is None:
                return shown
            column, change = found
            if np.isfinite(column).all():
                shown = _Level(step, column, enorm(column), change)
                if change > 8 * self.eps * self.size:
                    return shown
        if shown is None:  # every value is not finite, which is for the solver to report
            return _Level(0.0, column, 0.0, 0.0)
        return shown

    def _level(self, x: FloatArray, j: int, step: float, args: tuple[Any, ...]) -> _Level:
        found = self._difference(x, j, step, args)
        if found is None or not np.isfinite(found[0]).all():
            return _Level(0.0, np.zeros(self.m), 0.0, 0.0)
        column, change = found
        return _Level(step, column, enorm(column), change)

    def _distance(self, x: FloatArray, j: int, coarse: _Level, fine: _Level) -> float:
        """Estimate the relative error of the better of two columns; inf where one says nothing."""
        if not (coarse.step and fine.step) or coarse.change == 0.0 or fine.change == 0.0:
            return np.inf
        rounding = self.eps * (self.size + abs(x[j]) * fine.norm) / fine.step
        return float(max(enorm(fine.column - coarse.column), rounding) / fine.norm)

    def _is_coarse(self, x: FloatArray, j: int, column: FloatArray, args: tuple[Any, ...]) -> bool:
        """Whether small changes of x[j] do not show, or show otherwise than larger ones."""
        step = FINE_CHANGE * self.size / enorm(column)
        if not 4 * self.eps * abs(x[j]) < step < self._steps[j]:
            return False
        small = self._level(x, j, step, args)
        return small.step > 0.0 and enorm(small.column - column) > 0.5 * enorm(column)


def _past_the_best(distances: list[float]) -> bool:
    """Whether the distances have grown twice since the smallest of them, which is no accident.

    By accident, as between the waves of a sine, two columns may be alike; then the next is not.
    """
    finite = [d for d in distances if np.isfinite(d)]
    if len(finite) < 3:
        return False
    least = min(finite)
    following = finite[finite.index(least) + 1 :]
    if len(following) < 2 or min(following[-2:]) <= RATIO / 2 * least:
        return False
    if least < ALIKE:
        return following[0] < RATIO**2 * least
    grown = following[1] > min(RATIO / 2 * following[0], 0.5)
    return least < ALIKE_IN_NOISE and following[0] < 2 * RATIO * least and grown


def _powers(first: float, last: float) -> list[float]:
    """Return steps from `first` to `last`, by a factor of 100 from one to the next."""
    if not last > 0.0:
        return []
    count = int(np.ceil(abs(np.log(last / first)) / np.log(100.0)))
    return [float(step) for step in first * (last / first) ** np.linspace(0.0, 1.0, count + 1)]
