"""Fits of residuals that come in blocks: neither they nor their Jacobian are ever whole.

A block is reduced to the factor of its rows, of order N + 1, and two factors to one: so only these
travel, and what a fit needs is of the order of N². The blocks may be worked on anywhere.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._called import value_error
from .._input.arguments import EPS, as_residuals, limit_on_calls, residual_eps, too_few_residuals
from .._jacobian.differences import Differences, jacobian_by
from .._messages import CONVERGED
from .._minpack import (
    INFO_NONFINITE,
    INFO_STOPPED,
    Options,
    Stepper,
    enorm,
    fresh_residuals,
    merge_blocks,
    reduce_block,
    reduce_differences,
)
from .checkpoint import Checkpoint
from .crew import Crew, as_blocks

__all__ = ["BlockDifferences", "BlockResiduals", "Compared", "solve_blocks"]

FloatArray = npt.NDArray[np.float64]


class BlockDifferences(Differences):
    """A named difference Jacobian, of one block at a time.

    Parameters
    ----------
    method : str
        '3-point' or 'cs'.
    func, epsfcn, limits
        As for `jacobian_by`.
    """

    def __init__(
        self,
        method: str,
        func: Callable[..., Any],
        epsfcn: float | None,
        limits: FloatArray | None,
    ) -> None:
        super().__init__(func, limits)
        self.method, self._epsfcn = method, epsfcn

    @classmethod
    def by(
        cls,
        method: str,
        func: Callable[..., Any],
        epsfcn: float | None,
        limits: FloatArray | None,
    ) -> BlockDifferences | None:
        """As `jacobian_by`."""
        if method == "adaptive":
            raise value_error(
                "Dfun is 'adaptive', which seeks its steps with all residuals at once; in blocks, "
                "want a function, None, '2-point', '3-point' or 'cs'."
            )
        if jacobian_by(method, func, epsfcn, limits) is None:
            return None
        return cls(method, func, epsfcn, limits)

    def __call__(self, x: FloatArray, *args: Any) -> tuple[FloatArray, int]:
        """Return the rows of a block, shape (N, M), and the number of calls that they took."""
        one = jacobian_by(self.method, self.func, self._epsfcn, self.limits)
        assert one is not None
        return one(x, *args), one.nfev


class Compared(ABC):
    """A func that returns what a model does, less data: the differences of it need no data."""

    @abstractmethod
    def values(self, x: FloatArray, block: Any) -> FloatArray:
        """Return what the model does, in the units of the residuals."""

    @abstractmethod
    def less_data(self, values: FloatArray, block: Any) -> FloatArray:
        """Return the residuals, a new array."""

    def __call__(self, x: FloatArray, block: Any) -> FloatArray:
        """Return the residuals of a block."""
        return self.less_data(self.values(x, block), block)


class Problem(NamedTuple):
    """What a block is worked on with, wherever that is."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    Dfun: Callable[..., Any] | None
    col_deriv: bool


class Part(NamedTuple):
    """What is known of a run of blocks.

    Attributes
    ----------
    rows : int
        Residuals.
    norm : float
        Of the residuals.
    eps : float
        Of their dtype.
    factor : ndarray or None
        The running factor of J and f; None where there is no J, or what is not finite.
    bad : tuple of int, int, float, or None
        Of the first that is not finite: its block, its residual there or its column, its value.
    calls : int
        Of `func` for named differences; the fewest that a block has taken, since what is all zeros
        is probed further.
    """

    rows: int
    norm: float
    eps: float
    factor: FloatArray | None = None
    bad: tuple[int, int, float] | None = None
    calls: int = 0


def join(n: int, first: Part, second: Part) -> Part:
    """Join two neighbours."""
    factor = None
    if first.factor is not None and second.factor is not None:
        factor = merge_blocks(n, first.factor, second.factor)
    return Part(
        first.rows + second.rows,
        math.hypot(first.norm, second.norm),
        max(first.eps, second.eps),
        factor,
        second.bad if first.bad is None else first.bad,
        min(first.calls, second.calls),
    )


def residual_part(problem: Problem, x: FloatArray, block: Any, index: int, size: int) -> Part:
    """Return the norm of the residuals of a block, of which there are to be `size`; -1: any."""
    value = problem.func(x.copy(), block, *problem.args)
    f = as_residuals(value, size)
    norm = enorm(f) if f.size else 0.0
    bad = None
    if not math.isfinite(norm):
        where = np.flatnonzero(~np.isfinite(f))
        bad = (index, int(where[0]), float(f[where[0]])) if where.size else (index, -1, norm)
    return Part(f.size, norm, residual_eps(value), bad=bad)


def jacobian_part(
    problem: Problem,
    x: FloatArray,
    points: FloatArray,
    steps: FloatArray,
    block: Any,
    index: int,
    size: int,
) -> Part:
    """Return the factor of the rows of a block; by differences where there are no derivatives.

    Parameters
    ----------
    problem, block, index, size
        As for `residual_part`.
    x : ndarray, shape (N,)
    points, steps : ndarray, shape (N,)
        The values that x[j] is to take, one at a time, and the steps that lead there.
    """
    func, args, Dfun, col_deriv = problem
    f, factor, calls = np.zeros(0), None, 0
    if Dfun is None:
        f, factor = _by_differences(problem, x, points, steps, block, size)
    else:
        f = fresh_residuals(func, (x.copy(), block, *args), size)
        if isinstance(Dfun, BlockDifferences):
            (jacobian, calls), col_deriv = Dfun(x, block, *args), True
        else:
            jacobian = Dfun(x.copy(), block, *args)
        factor = reduce_block(jacobian, f, x.size, col_deriv)
    norm = enorm(f) if f.size else 0.0
    if isinstance(factor, int):
        return Part(f.size, norm, EPS, bad=(index, min(factor, x.size - 1), 0.0), calls=calls)
    return Part(f.size, norm, EPS, factor, calls=calls)


def _by_differences(
    problem: Problem, x: FloatArray, points: FloatArray, steps: FloatArray, block: Any, size: int
) -> tuple[FloatArray, FloatArray | int]:
    """Return the residuals of a block, and the factor of J by differences of these and them."""
    func, args = problem.func, problem.args
    if isinstance(func, Compared):
        base = fresh_residuals(func.values, (x.copy(), block), size)
        f, func = func.less_data(base, block), func.values
    else:
        base = f = fresh_residuals(func, (x.copy(), block, *args), size)
    values: list[FloatArray | None] = [None] * x.size
    for j in np.flatnonzero(steps):
        moved = x.copy()
        moved[j] = points[j]
        values[j] = fresh_residuals(func, (moved, block, *args), f.size)
    return f, reduce_differences(values, base, f, steps)


class BlockResiduals:
    """The residuals of a fit in blocks, computed as they are asked for: one array a block.

    Attributes
    ----------
    size : int
        How many there are in all.
    norm : float
        Their Euclidean norm.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import leastsq
    >>> def residuals(x, block):
    ...     return x[0] + x[1]*block - np.sqrt(block)
    >>> blocks = [np.arange(10.0), np.arange(10.0, 25.0)]
    >>> x, cov_x, info, mesg, ier = leastsq(residuals, [1, 1], blocks=blocks, full_output=True)
    >>> [f.size for f in info["fvec"]]
    [10, 15]
    >>> print(f"{info['fvec'].norm:.4f}")
    1.5904
    """

    def __init__(
        self, problem: Problem | None, x: FloatArray, blocks: Iterable[Any], size: int, norm: float
    ) -> None:
        self._problem, self._x, self._blocks = problem, x, blocks
        self.size, self.norm = size, norm

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave func and blocks behind."""
        return BlockResiduals, (None, self._x, (), self.size, self.norm)

    def __iter__(self) -> Iterator[FloatArray]:
        if self._problem is None:
            raise value_error("These residuals come from a pickle, which holds their norm alone.")
        for block in self._blocks:
            yield as_residuals(self._problem.func(self._x.copy(), block, *self._problem.args), -1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return all residuals in one array, for who has the memory."""
        return np.concatenate([*self]).astype(dtype or np.float64, copy=False)

    def __repr__(self) -> str:
        return f"<{self.size} residuals in blocks, of norm {self.norm:.6g}>"


class BlocksOutcome(NamedTuple):
    """How a fit ended, as `_minpack.Outcome`; and the block that was not finite."""

    x: FloatArray
    ier: int
    cause: int
    where: int
    culprit: float
    nfev: int
    njev: int
    fvec: BlockResiduals
    fjac: FloatArray
    ipvt: npt.NDArray[np.int32]
    qtf: FloatArray
    cov_x: FloatArray | None
    block: int


def solve_blocks(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    args: tuple[Any, ...],
    Dfun: Callable[..., Any] | None,
    full_output: bool,
    col_deriv: bool,
    options: Options,
    watch: Callable[..., None] | None,
    *,
    blocks: Any,
    workers: int = 1,
    executor: Executor | None = None,
    checkpoint: Any = None,
) -> tuple[FloatArray, int] | BlocksOutcome:
    """Run a fit, with the arguments of `_minpack.solve`, over blocks."""
    problem = Problem(func, args, Dfun, bool(col_deriv))
    source = as_blocks(blocks)
    fit = Stepper(x0, options)
    fit.maxfev = limit_on_calls(options, fit.x.size, Dfun is not None)
    # A crew that has come is at work for others, too: it is not ours to end.
    with nullcontext(executor) if isinstance(executor, Crew) else Crew(workers, executor) as crew:
        run = _Run(problem, source, crew, fit, options)
        if checkpoint is not None:
            run.store = Checkpoint(checkpoint, fit, _derivatives(Dfun), options)
        ier = run.to_the_end(watch)
    if not full_output and ier in (*CONVERGED, INFO_STOPPED):
        return fit.x, ier
    bad = run.bad if ier == INFO_NONFINITE and run.bad is not None else (-1, 0, 0.0)
    residuals = BlockResiduals(problem, fit.x, source, run.rows, fit.fnorm)
    return BlocksOutcome(
        fit.x, ier, fit.cause, bad[1], bad[2], fit.nfev, fit.njev, residuals, fit.fjac, fit.ipvt,
        fit.qtf, fit.covariance(), bad[0],
    )  # fmt: skip


def _derivatives(Dfun: Callable[..., Any] | None) -> str:
    if isinstance(Dfun, BlockDifferences):
        return Dfun.method
    return "2-point" if Dfun is None else "Dfun"


class _Run:
    """A fit on its way through the blocks."""

    def __init__(
        self,
        problem: Problem,
        blocks: Iterable[Any],
        crew: Crew,
        fit: Stepper,
        options: Options,
    ) -> None:
        self._problem, self._blocks, self._crew, self._fit = problem, blocks, crew, fit
        self._epsfcn, self._trials_only = options.epsfcn, options.trials_only
        self._sizes = array("q")
        self.rows = 0
        self.bad: tuple[int, int, float] | None = None
        self.store: Checkpoint | None = None

    def to_the_end(self, watch: Callable[..., None] | None) -> int:
        """Answer what the fit asks for until it stops: its `ier`."""
        fit = self._fit
        if self.store is not None:
            self._resume(self.store)
        while fit.request != "stop":
            if fit.request == "jacobian":
                self._linearise()
                continue
            self._evaluate()
            if fit.accepted:
                self._save()
                if watch is not None and fit.iteration > 1 and fit.info != INFO_STOPPED:
                    self._show(watch)
        self._save()
        return fit.info

    def _pass(self, work: Callable[[Any, int, int], Part]) -> Part:
        part: Part = self._crew.reduce(
            work, partial(join, self._fit.x.size), self._blocks, self._sizes
        )
        return part

    def _evaluate(self) -> None:
        fit = self._fit
        part = self._pass(partial(residual_part, self._problem, fit.x_trial))
        if self.store is not None:
            self.store.compare(part.rows, len(self._sizes))
        if fit.iteration == 0:
            self.rows = part.rows
            if part.rows < fit.x.size:
                too_few_residuals(fit.x.size, part.rows)
            if self._epsfcn is None:
                self._epsfcn = part.eps
        if part.bad is not None:
            self.bad = part.bad
        fit.residual(part.norm)

    def _linearise(self) -> None:
        fit, Dfun = self._fit, self._problem.Dfun
        points, steps = fit.differences(EPS if self._epsfcn is None else self._epsfcn)
        part = self._pass(partial(jacobian_part, self._problem, fit.x, points, steps))
        if self.store is not None:
            self.store.compare(part.rows, len(self._sizes), part.norm, fit.fnorm)
        if Dfun is None:
            calls = int(np.count_nonzero(steps))
            fit.nfev += calls
            if self._trials_only and fit.maxfev < 2**63 - 1 - calls:  # the limit moves along
                fit.maxfev += calls
        elif isinstance(Dfun, BlockDifferences):
            Dfun.nfev += part.calls
        if part.factor is not None:
            fit.running(part.factor)
        else:
            assert part.bad is not None
            self.bad = part.bad
            fit.nonfinite(part.bad[1])

    def _show(self, watch: Callable[..., None]) -> None:
        """Tell of a new point."""
        fit = self._fit
        x = fit.x
        residuals = BlockResiduals(self._problem, x, self._blocks, self.rows, fit.fnorm)
        try:
            watch(x, residuals, fit.nfev, fit.iteration - 1, fit.delta, 0.5 * fit.fnorm**2)
        except StopIteration:
            if fit.request != "stop" or fit.info not in CONVERGED:
                fit.stop()

    def _resume(self, store: Checkpoint) -> None:
        found = store.load(self._fit)
        if found is not None:
            self.rows, self._epsfcn, calls = found
            if isinstance(Dfun := self._problem.Dfun, BlockDifferences):
                Dfun.nfev = calls

    def _save(self) -> None:
        # Who has stopped a fit may want to go on with it.
        if self.store is not None and self._fit.info != INFO_STOPPED:
            Dfun = self._problem.Dfun
            calls = Dfun.nfev if isinstance(Dfun, BlockDifferences) else 0
            self.store.save(self._fit, self.rows, len(self._sizes), self._epsfcn, calls)
