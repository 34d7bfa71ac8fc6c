"""Work on blocks, by one thread, by many, or elsewhere; one tree joins what comes of it."""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from .._called import called, type_error, value_error
from .._errors import add_note
from .._input.arguments import describe, thread_count
from .._memory import keep_what_is_freed

__all__ = ["Crew", "Tree", "as_blocks"]

Part = TypeVar("Part")

#: Blocks read ahead, in units of workers: nobody waits for the next, and few are in memory.
AHEAD = 2
#: Bytes, more than what a model makes for a block.
SPARE = 2**24


class Tree:
    """Joins what comes of blocks, by pairs of neighbours, then pairs of these, and so on.

    The tree depends on the number of blocks alone, not on who was first; and of what has come, no
    more is kept than a join waits for.

    Parameters
    ----------
    join : callable
        ``join(first, second)``, of neighbours in their order.
    """

    def __init__(self, join: Callable[[Part, Part], Part]) -> None:
        self._join: Callable[[Any, Any], Any] = join
        self._waiting: dict[tuple[int, int], Any] = {}
        self._lock = threading.Lock()

    def add(self, index: int, part: Any) -> None:
        """Add what has come of a block; whoever comes second of a pair joins the two."""
        level = 0
        while True:
            with self._lock:
                other = self._waiting.pop((level, index ^ 1), None)
                if other is None:
                    self._waiting[level, index] = part
                    return
            part = self._join(other, part) if index & 1 else self._join(part, other)
            level, index = level + 1, index >> 1

    def root(self) -> Any:
        """Join what has no neighbour: the fewer blocks it is of, the further right it stands."""
        parts = [self._waiting[key] for key in sorted(self._waiting)]
        root = parts[0]
        for part in parts[1:]:
            root = self._join(part, root)
        return root


class Crew:
    """Who works on the blocks; a context that leaves nobody at work.

    Parameters
    ----------
    workers : int
        Threads; 1: the caller's own, -1: one for each processor.
    executor : concurrent.futures.Executor or None
        In place of threads. `workers` then says how many it has, where it does not tell.
    """

    def __init__(self, workers: int = 1, executor: Executor | None = None) -> None:
        if executor is not None and not hasattr(executor, "submit"):
            raise type_error(
                f"executor is {describe(executor)}; want a concurrent.futures.Executor or None."
            )
        count = thread_count(workers)
        if executor is not None and workers == 1:
            count = _told_by(executor)
        self._ahead = AHEAD * count
        keep_what_is_freed(SPARE)
        self._executor = executor
        self._pool = (
            None
            if executor is not None or count == 1
            else ThreadPoolExecutor(count, called().function)
        )

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def reduce(
        self,
        work: Callable[[Any, int, int], Any],
        join: Callable[[Any, Any], Any],
        blocks: Iterable[Any],
        sizes: array[int],
    ) -> Any:
        """Return what is joined of ``work(block, index, size)`` for all blocks.

        Parameters
        ----------
        work : callable
            What it returns has the size of the block as its attribute ``rows``.
        join : callable
            As for `Tree`.
        blocks : iterable
        sizes : array of int
            Those of the blocks; empty at first, and then filled.
        """
        tree = Tree(join)
        known = len(sizes)

        def add(index: int, part: Any) -> None:
            if not known:
                sizes[index] = part.rows
            tree.add(index, part)

        def here(block: Any, index: int, size: int) -> None:
            add(index, work(block, index, size))

        pending: deque[tuple[int, Future[Any]]] = deque()

        def collect() -> None:
            index, future = pending.popleft()
            try:
                part = future.result()
            except Exception as error:
                _name(error, index)
                raise
            if self._executor is not None:
                add(index, part)

        index = -1
        try:
            for index, block in _read(blocks):
                if index >= known > 0:
                    raise _changed(known, "more")
                if not known:
                    sizes.append(-1)
                size = sizes[index]
                if self._executor is not None:
                    future = self._executor.submit(work, block, index, size)
                elif self._pool is not None:
                    future = self._pool.submit(copy_context().run, here, block, index, size)
                else:
                    try:
                        here(block, index, size)
                    except Exception as error:
                        _name(error, index)
                        raise
                    continue
                pending.append((index, future))
                if len(pending) >= self._ahead:
                    collect()
            while pending:
                collect()
        finally:
            for _, future in pending:
                future.cancel()
        if index + 1 < known:
            raise _changed(known, str(index + 1))
        if index < 0:
            raise value_error("blocks is empty; want at least one block of residuals.")
        return tree.root()


def _told_by(executor: Any) -> int:
    """Return how many workers an executor says that it has, or else one for each processor."""
    for name in ("_max_workers", "num_workers"):
        if isinstance(count := getattr(executor, name, None), int) and count > 0:
            return count
    return thread_count(-1)


def _read(blocks: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Yield the blocks and their numbers; an error in reading one names it."""
    iterator, index = iter(blocks), 0
    while True:
        try:
            block = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            _name(error, index)
            raise
        yield index, block
        index += 1


def as_blocks(blocks: Any) -> Iterable[Any]:
    """Return `blocks`, which can be gone through again and again."""
    try:
        iterator = iter(blocks)
    except TypeError:
        raise type_error(
            f"blocks is {describe(blocks)}; want a sequence, or what can be iterated more than "
            "once."
        ) from None
    if iterator is blocks:
        raise type_error(
            f"blocks is {describe(blocks)}, which can be gone through only once; a fit reads its "
            "blocks again and again. Want a sequence, or an object whose __iter__ begins anew."
        )
    checked: Iterable[Any] = blocks
    return checked


def _changed(known: int, found: str) -> ValueError:
    return value_error(
        f"blocks has given {known} blocks at first, and now {found}; they must stay the same."
    )


def _name(error: Exception, index: int) -> None:
    add_note(error, f"This was in block {index} (from 0) of a fit in blocks.")
