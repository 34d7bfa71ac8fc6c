"""A closer look at those fits of `curve_fit_many` whose standard errors may be wrong.

Central differences whose steps change the model by a part of its noise, with some Gauss-Newton
steps, for many fits at a time: what `curve_fit` does for one, but that no steps are sought. A fit
that was only short of its minimum has been taken on by `solve_many`; it comes here where that did
not help.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._called import named, warn
from .._errors import optimize_warning
from .._input.arguments import EPS
from .._jacobian.accuracy import NOTHING, ROUGH
from .._jacobian.doubt import is_to_end_early
from .._many_result import ManyFits
from .._minpack import DOUBT_UNFINISHED, Options
from .data import Maps
from .model import BatchModel
from .runner import IndexArray, keeping

__all__ = ["look_closer"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Numbers of all Jacobians that are made at a time: with both points of a difference, about what
#: stays in a core's cache.
SIZE = 2**16
#: Gauss-Newton steps at the most: a fit is as good as at its minimum, or has not left its start.
ROUNDS = 8
#: Change by a step, in units of the standard deviation of the residuals: `long_step` of doubt.f90.
CHANGE = 0.1
#: The same of a long step, in units of the data.
LONG_CHANGE = 0.25
#: Distance from the minimum that is let pass: in standard errors, and as a part of the parameter.
NEAR, MOVES = 0.1, 1e-3


def look_closer(
    model: BatchModel, maps: Maps, options: Options, absolute_sigma: bool, result: ManyFits
) -> None:
    """Make the doubtful fits better, many at a time, and warn once of those where that fails."""
    why = result._why.reshape(-1)
    if is_to_end_early(options.ftol, options.xtol, options.gtol):
        why[result.doubtful.reshape(-1) & (why == DOUBT_UNFINISHED)] = 0
    numbers = np.flatnonzero(result.doubtful)
    numbers = numbers[model.is_inside(result.popt.reshape(-1, result.popt.shape[-1])[numbers])]
    size = max(1, SIZE // (maps.m * result.popt.shape[-1]))
    for first in range(0, numbers.size, size):
        some = numbers[first : first + size]
        with keeping(result, [some]), np.errstate(all="ignore"):
            _Fits(model, maps, some, result).settle(absolute_sigma)
    if result.doubtful.any():
        with keeping(result, []):  # a warning may be an error
            _warn(result)


class _Fits:
    """Some fits: arrays whose first axis they are."""

    def __init__(
        self, model: BatchModel, maps: Maps, numbers: IndexArray, result: ManyFits
    ) -> None:
        y, weights, counts, rows = maps.block(numbers)
        self.model, self.numbers, self.result, self.rows = model, numbers, result, rows
        self.m = np.full(numbers.size, maps.m) if counts is None else counts
        self.weights = None if weights is None else np.where(np.isnan(weights), 0.0, weights)
        self.y = np.where(np.isnan(y), 0.0, y)
        self.x = result.popt.reshape(-1, result.popt.shape[-1])[numbers]
        self.n = self.x.shape[1]
        self.size = np.linalg.norm(self.weighted(self.y), axis=1)
        self.calls = 0

    def weighted(self, values: FloatArray) -> FloatArray:
        return values if self.weights is None else self.weights * values

    def residuals(self, x: FloatArray) -> FloatArray:
        """Return them at points, shape (b, N), or at k points of each fit, (k, b, N)."""
        k = len(x) if x.ndim > 2 else 1
        self.calls += k
        rows = tuple(np.concatenate([row] * k) for row in self.rows)
        values = np.broadcast_to(
            self.model.values(x.reshape(-1, self.n), rows), (k * len(self.y), self.y.shape[1])
        )
        return self.weighted(values.reshape(*x.shape[:-1], -1) - self.y)

    def jacobian(self, h: FloatArray) -> FloatArray:
        """Return central differences over these steps, shape (b, M, N)."""
        each = np.arange(self.n)
        above, below = (np.repeat(self.x[None], self.n, axis=0) for _ in range(2))
        above[each, :, each] += h.T
        below[each, :, each] -= h.T
        x = self.model.within(np.concatenate([above, below]))
        above, below = np.split(self.residuals(x), 2)
        width = x[each, :, each] - x[self.n + each, :, each]
        return np.moveaxis((above - below) / width[:, :, None], 0, 2)

    def derivatives(
        self, norms: FloatArray, deviation: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the Jacobian and the errors of its columns, relative to their norms.

        A step that shows no more than the data can tell is for what is narrow; a long one, for what
        is as good as linear, has the smaller rounding errors. The difference to what comes of a
        quarter of it tells which is better. `norms` are those of the columns, more or less.
        """
        found = None
        root = EPS ** (1 / 3)
        for change in (
            np.clip(CHANGE * deviation, root**2 * self.size, root * self.size),
            LONG_CHANGE * self.size,
        ):
            h = np.maximum(change[:, None] / norms, 32 * EPS * np.abs(self.x))
            jacobian, finer = self.jacobian(h), self.jacobian(h / 4)
            wrong = np.linalg.norm(jacobian - finer, axis=1) / np.linalg.norm(jacobian, axis=1)
            jacobian = finer + (finer - jacobian) / 15  # without its error of order h²
            wrong[np.isnan(wrong)] = np.inf
            if found is not None:
                better = found[1] <= wrong
                jacobian = np.where(better[:, None, :], found[0], jacobian)
                wrong = np.where(better, found[1], wrong)
            found = jacobian, wrong
        return jacobian, wrong

    def settle(self, absolute_sigma: bool) -> None:
        """Put better results of those that have them in place of the others, free of doubt."""
        f = self.residuals(self.x)
        self.size[self.size == 0.0] = 1.0  # data of nothing but zeros
        # By the longest step that does not lead over what is narrow, more or less.
        norms = np.fmax.reduce(
            [
                np.linalg.norm(self.jacobian(EPS**power * _sizes(self.x)), axis=1)
                for power in (1 / 3, 1 / 2, 2 / 3)
            ]
        )
        freedom = np.maximum(self.m - self.n, 1)
        for _ in range(ROUNDS):
            fnorm = np.linalg.norm(f, axis=1)
            deviation = fnorm / np.sqrt(freedom)
            jacobian, wrong = self.derivatives(norms, deviation)
            norms = np.linalg.norm(jacobian, axis=1)
            sound = np.isfinite(jacobian).all(axis=(1, 2)) & (norms > 0.0).all(axis=1)
            scaled = np.where(sound[:, None, None], jacobian / norms[:, None, :], 0.0)
            u, values, directions = np.linalg.svd(scaled, full_matrices=False)
            inverse = directions.transpose(0, 2, 1) / values[:, None, :]  # of R, turned
            step = np.einsum("bji,bki,bk->bj", inverse, u, f) / norms
            errors = np.linalg.norm(inverse, axis=2) / norms
            sound &= values[:, -1] > ROUGH * np.linalg.norm(wrong, axis=1)
            allowed = np.minimum(NEAR * deviation[:, None] * errors, MOVES * np.abs(self.x))
            allowed += NOTHING * self.size[:, None] * errors
            near = (np.abs(step) <= allowed).all(axis=1)
            if (near | ~sound).all():
                break
            further = self.x - np.where((sound & ~near)[:, None], step, 0.0)
            further = np.where(self.model.is_inside(further)[:, None], further, self.x)
            f_further = self.residuals(further)
            lower = np.linalg.norm(f_further, axis=1) < fnorm
            self.x = np.where(lower[:, None], further, self.x)
            f = np.where(lower[:, None], f_further, f)
        spread = np.ones(fnorm.size) if absolute_sigma else fnorm / np.sqrt(freedom)
        covariance = np.einsum("bji,bki->bjk", inverse, inverse) / (
            norms[:, :, None] * norms[:, None, :]
        )
        self.record(sound & near, errors, covariance, spread, fnorm)

    def record(
        self,
        settled: BoolArray,
        errors: FloatArray,
        covariance: FloatArray,
        spread: FloatArray,
        fnorm: FloatArray,
    ) -> None:
        result, n, numbers = self.result, self.n, self.numbers[settled]
        result.nfev.reshape(-1)[self.numbers] += self.calls
        result.popt.reshape(-1, n)[numbers] = self.x[settled]
        result.stderr.reshape(-1, n)[numbers] = (errors * spread[:, None])[settled]
        if result.pcov is not None:
            pcov = covariance * (spread**2)[:, None, None]
            result.pcov.reshape(-1, n, n)[numbers] = pcov[settled]
        result.cost.reshape(-1)[numbers] = 0.5 * fnorm[settled] ** 2
        result._why.reshape(-1)[numbers] = 0


def _sizes(x: FloatArray) -> FloatArray:
    return np.where(x == 0.0, 1.0, np.abs(x))


def _warn(result: ManyFits) -> None:
    doubtful = result.doubtful
    index = tuple(map(int, np.unravel_index(int(np.argmax(doubtful)), doubtful.shape)))
    text = named(
        f"the standard errors of {np.count_nonzero(doubtful):,} of {doubtful.size:,} fits may be "
        "wrong, or there are none; of the first at "
        f"{index[0] if len(index) == 1 else index}. The result's doubtful tells which, its "
        "message(index) why. Count xdata from a point within the data, or pass "
        "derivatives as jac; curve_fit, on one of them, seeks better ones, or says what is wrong."
    )
    warn(text, optimize_warning())
