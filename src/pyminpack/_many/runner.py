"""Runs many fits of one model: blocks of them through the compiled stream, in threads or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import called, type_error, value_error
from .._errors import add_note
from .._input.arguments import as_diag, as_integer, improper, thread_count
from .._input.compiled import Model
from .._many_result import UNFINISHED, ManyFits
from .._memory import keep_what_is_freed
from .._messages import IMPROPER, terms
from .._minpack import Options, solve_many
from .._watch import progress_bar

__all__ = [
    "Block",
    "Problem",
    "checked_options",
    "chunk_size",
    "completed",
    "keeping",
    "read_only",
    "run",
    "take",
]

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

#: Bytes of a vector of M numbers for each fit at work, and of what a model returns at once. Smaller
#: calls gain less by a core's cache than they cost in Python and in threads that wait for others.
VECTOR, ANSWER = 192 * 1024, 768 * 1024
#: So many times that for each of several threads: one that wants the interpreter's lock while
#: another has it, as after any of NumPy's loops, sleeps; to be woken takes longer than such a loop.
TIMES = 2
#: Bytes, more than all that a model makes in a call.
SPARE = 4 * 2**20
#: Seconds until a thread that waits for others looks whether there was a signal.
PATIENCE = 0.1
#: Fits that a thread works on at a time, at most, which is what it takes of those whose function is
#: compiled; and the least that one of several threads takes: all are to end at about the same time.
MOST, LEAST = 1024, 16


#: What of the options of `leastsq` many fits have.
OPTIONS = ("ftol", "xtol", "gtol", "maxfev", "max_nfev", "epsfcn", "factor", "diag")


def checked_options(options: Mapping[str, Any]) -> Options:
    """Make `Options` of them; raise where one is unknown."""
    if unknown := [name for name in options if name not in OPTIONS]:
        raise TypeError(
            f"{called().function}() got an unexpected keyword argument {unknown[0]!r}; its options "
            f"are {', '.join(OPTIONS)}."
        )
    return Options(**options)


def completed(options: Options, n: int, eps: float, bounds: FloatArray | None) -> Options:
    """Add what the problem tells: its `n` variables, the machine precision of its functions."""
    options = options.replace(
        epsfcn=eps if options.epsfcn is None else options.epsfcn,
        diag=None if options.diag is None else as_diag(options.diag, n),
        bounds=bounds,
    )
    if text := improper(n, options):
        raise type_error(text, IMPROPER)
    return options


@dataclass(frozen=True)
class Block:
    """Some fits: their numbers, starts, data to compare with, weights, counts of data, rows."""

    numbers: IndexArray
    x0: FloatArray
    y: FloatArray | None = None
    w: FloatArray | None = None
    counts: IndexArray | None = None
    rows: tuple[npt.NDArray[Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Problem:
    """What all fits have in common, as `solve_many` takes it, and where the fits come from."""

    func: Callable[..., Any] | Model
    dfun: Any
    args: tuple[Any, ...]
    n: int
    m: int
    is_model: bool
    col_deriv: bool
    options: Options
    absolute_sigma: bool
    make_block: Callable[[IndexArray], Block]
    settled: float = 0.0  # ftol of fits that are taken on from where they end short; 0: none is


def take(array: npt.NDArray[Any], shape: tuple[int, ...], numbers: IndexArray) -> npt.NDArray[Any]:
    """Take the rows of fits out of an array of shape (*shape, ...): a view where it can be one."""
    if numbers.size and array.flags.c_contiguous:
        flat = array.reshape(-1, *array.shape[len(shape) :])
        first, last = int(numbers[0]), int(numbers[-1])
        if last - first + 1 == numbers.size:
            return np.asarray(flat[first : last + 1])
        return np.asarray(flat[numbers])
    return np.ascontiguousarray(array[np.unravel_index(numbers, shape)])


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of it that nobody can write through by mistake."""
    view = array.view()
    view.flags.writeable = False
    return view


def chunk_size(chunk: int | None, m: int, total: int, threads: int, compiled: bool = False) -> int:
    """Return the number of fits that one thread works on at a time."""
    if chunk is None:
        size = MOST if compiled else _times(threads) * max(8, min(MOST, VECTOR // (8 * m)))
    else:
        size = as_integer("chunk", chunk)
        if size < 1:
            raise value_error(f"chunk is {size}; want at least 1.")
    return max(1, min(size, -(-total // threads)))


def _times(threads: int) -> int:
    return TIMES if threads > 1 else 1


@dataclass(eq=False)
class _Supply:
    """Hands out the blocks, to any thread that asks: smaller ones towards the end."""

    make_block: Callable[[IndexArray], Block]
    ier: npt.NDArray[np.int8]
    size: int
    threads: int
    bar: Any = None
    next: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> tuple[Any, ...] | None:
        while True:
            with self.lock:
                first, size = self.next, self.size
                if self.threads > 1:
                    share = (self.ier.size - first) // (2 * self.threads)
                    size = min(size, max(LEAST, share))
                self.next = last = min(first + size, self.ier.size)
                if self.bar is not None:
                    self.bar.update(last - first)
            if first == last:
                return None
            numbers = first + np.flatnonzero(self.ier[first:last] == UNFINISHED)
            if numbers.size:
                block = self.make_block(numbers)
                return block.numbers, block.x0, block.y, block.w, block.counts, block.rows


def run(
    problem: Problem, result: ManyFits, workers: int, chunk: int | None, progress: bool
) -> None:
    """Run all fits that are not finished yet.

    Whatever is raised passes through, as `keeping` lets it.
    """
    ier = result.ier.reshape(-1)
    result._limits = terms(problem.options, problem.n, problem.dfun is not None)
    threads = thread_count(workers)
    size = chunk_size(chunk, problem.m, ier.size, threads, isinstance(problem.func, tuple))
    points = size if chunk is not None else max(size, _times(threads) * ANSWER // (8 * problem.m))
    keep_what_is_freed(SPARE)
    stop, blame = np.zeros(1, dtype=np.bool_), list[IndexArray]()
    counting = {"total": ier.size, "desc": "fits", "unit": " fits", "unit_scale": True}
    drawn = progress_bar("progress=True", **counting) if progress else nullcontext()
    with keeping(result, blame), drawn as bar:
        supply = _Supply(problem.make_block, ier, size, threads, bar)
        work = partial(
            solve_many, problem.func, problem.dfun, problem.args, supply, result._arrays(),
            problem.n, problem.m, size, points, problem.is_model, problem.col_deriv,
            problem.options, problem.absolute_sigma, problem.settled, stop, blame,
        )  # fmt: skip
        if threads == 1:
            _quietly(work)
        else:
            _share(work, stop, min(threads, -(-ier.size // size)))


@contextmanager
def keeping(result: ManyFits, blame: list[IndexArray]) -> Iterator[None]:
    """Let an exception pass through with the attributes ``fits`` and ``result``.

    These are the fits that a failing call was for, `blame` or none, and what is finished so far.
    """
    try:
        yield
    except BaseException as error:
        _attach(error, result, blame)
        raise


def _quietly(work: Callable[[], None]) -> None:
    # A step too far is no news: the fit takes it back.
    with np.errstate(all="ignore"):
        work()


def _share(work: Callable[[], None], stop: npt.NDArray[np.bool_], threads: int) -> None:
    """Work in several threads, of which this is one; the first error ends all of them."""
    errors, name = list[BaseException](), called().function

    def take_part() -> None:
        try:
            _quietly(work)
        except BaseException as error:
            if not stop[0]:
                stop[0] = True
                errors.append(error)

    others = [
        threading.Thread(target=take_part, name=name, daemon=True) for _ in range(threads - 1)
    ]
    try:
        for thread in others:
            thread.start()
        take_part()
        for thread in others:
            while thread.is_alive():
                thread.join(PATIENCE)  # a signal that another thread has got is seen in between
    except BaseException:  # Ctrl-C
        stop[0] = True
        for thread in others:
            if thread.ident is not None:
                thread.join()
        raise
    if errors:
        raise errors[0]


def _attach(error: BaseException, result: ManyFits, blame: list[IndexArray]) -> None:
    shape = result.ier.shape
    numbers = np.sort(blame[0]) if blame else np.empty(0, dtype=np.int64)
    fits = [tuple(map(int, index)) for index in zip(*np.unravel_index(numbers, shape), strict=True)]
    done = int(np.count_nonzero(result.ier != UNFINISHED))
    error.fits, error.result = fits, result  # type: ignore[attr-defined]
    named = [str(index[0] if len(index) == 1 else index) for index in fits]
    text = ", ".join(named if len(named) <= 6 else [*named[:3], "...", *named[-2:]])
    where = f"In a call for {len(fits)} fits: {text}. " if fits else ""
    add_note(
        error,
        f"{where}{done} of {result.ier.size} fits are finished; to go on from there, pass "
        "resume=error.result, where error is this exception.",
    )
