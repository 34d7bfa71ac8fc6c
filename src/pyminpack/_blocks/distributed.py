"""Chunks of Dask's arrays and tables: worked on where they lie, and joined on the way."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from itertools import accumulate, pairwise
from typing import Any

import dask
import dask.array
import numpy as np

from .._called import value_error
from .._errors import add_note
from .._input.missing import dimension
from .chunks import Chunk, Chunks, require_shape
from .crew import Crew

__all__ = ["DaskChunks", "DaskCrew"]

#: Neighbours that one task joins: a power of 2, so that it makes a part of the tree of them.
FAN_IN = 8
#: Partitions that a sample is taken from.
SAMPLED = 64


class DaskChunks:
    """Data in Dask's partitions, each of which is cut further where it is worked on.

    Parameters
    ----------
    xdata, ydata, sigma : object
        As for `curve_fit`; those that are not Dask's are brought into the partitions of `ydata`.
    rows : int
        Of a chunk.
    """

    def __init__(self, xdata: Any, ydata: Any, sigma: Any, rows: int) -> None:
        self.rows = rows
        given = {"xdata": xdata, "ydata": ydata}
        if np.ndim(sigma):
            given["sigma"] = sigma
        tables = all(_is_table(data) for data in given.values())
        if tables and len({data.npartitions for data in given.values()}) == 1:
            starts = [-1] * ydata.npartitions
            parts = {name: data.to_delayed() for name, data in given.items()}
        else:
            y = _as_array(ydata)
            if y.ndim != 1:
                raise value_error(f"ydata have the shape {y.shape}; in chunks, want (M,).")
            starts = _starts(y.chunks[0])
            parts = {name: _parts(name, data, y) for name, data in given.items()}
        sigmas = parts.get("sigma", [sigma] * len(starts))
        self.parts = list(zip(starts, parts["xdata"], parts["ydata"], sigmas, strict=True))

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Chunk]:
        """Fetch one partition after another."""
        for part in self.parts:
            yield _compute(dask.delayed(_slice, pure=False)(*part, slice(None)))

    def first(self) -> Chunk:
        """Fetch the first rows."""
        chunk: Chunk = _compute(dask.delayed(_slice, pure=False)(*self.parts[0], slice(self.rows)))
        return chunk

    def sample(self, most: int) -> Chunk:
        """Fetch rows from all over the data."""
        some = self.parts[:: -(-len(self.parts) // SAMPLED)]
        take = dask.delayed(_spread, pure=False)
        chunks = _compute(dask.delayed(list)([take(*part, most // len(some)) for part in some]))
        x, y, sigma = (
            _joined([getattr(chunk, name) for chunk in chunks], len(chunks[0].y))
            for name in ("x", "y", "sigma")
        )
        return Chunk(-1, x, y, sigma)


class DaskCrew(Crew):
    """Dask's workers, or the threads of its scheduler where there is no cluster."""

    def reduce(
        self,
        work: Callable[[Any, int, int], Any],
        join: Callable[[Any, Any], Any],
        blocks: Iterable[Any],
        sizes: array[int],
    ) -> Any:
        """Return what is joined of ``work(chunk, index, size)``, all of it on the workers."""
        assert isinstance(blocks, DaskChunks)
        both = dask.delayed((work, join), traverse=False)  # sent once to each worker
        leaf, joined = dask.delayed(_leaf, pure=False), dask.delayed(_join, pure=False)
        nodes = [leaf(both, k, blocks.rows, *part) for k, part in enumerate(blocks.parts)]
        while len(nodes) > 1:
            groups = [nodes[k : k + FAN_IN] for k in range(0, len(nodes), FAN_IN)]
            nodes = [joined(both, group) if len(group) > 1 else group[0] for group in groups]
        root = _compute(nodes[0])
        if not len(sizes):
            sizes.extend([-1] * len(blocks))
        return root


def _compute(delayed: Any) -> Any:
    (value,) = dask.compute(delayed)
    return value


def _leaf(
    both: tuple[Callable[..., Any], Callable[..., Any]],
    index: int,
    rows: int,
    start: int,
    x: Any,
    y: Any,
    sigma: Any,
) -> Any:
    """Reduce a partition, chunk by chunk."""
    work, join = both
    try:
        return Crew().reduce(work, join, Chunks(x, y, sigma, rows, max(start, 0)), array("q"))
    except Exception as error:
        add_note(error, f"This was in partition {index} (from 0) of Dask's.")
        raise


def _join(both: tuple[Callable[..., Any], Callable[..., Any]], nodes: list[Any]) -> Any:
    """Join neighbours by pairs; who has none goes up as it is."""
    _, join = both
    while len(nodes) > 1:
        pairs = [nodes[k : k + 2] for k in range(0, len(nodes), 2)]
        nodes = [join(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return nodes[0]


def _slice(start: int, x: Any, y: Any, sigma: Any, rows: slice) -> Chunk:
    """Return some rows of a partition."""
    return Chunks(x, y, sigma, max(1, len(y)), max(start, 0)).cut(rows)


def _spread(start: int, x: Any, y: Any, sigma: Any, most: int) -> Chunk:
    """Return rows from all over a partition."""
    return _slice(start, x, y, sigma, slice(0, len(y), max(1, len(y) // max(most, 1))))


def _joined(pieces: list[Any], size: int) -> Any:
    """Put pieces of an array, or of a table, together, the first of which has `size` rows."""
    first = pieces[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(pieces, axis=-1)
    if isinstance(first, dict):
        return {key: _joined([piece[key] for piece in pieces], size) for key in first}
    if hasattr(first, "isel"):  # a Dataset of xarray's
        concat = import_module("xarray").concat
        return concat(pieces, dimension(first, size), data_vars="minimal")
    if hasattr(first, "iloc"):
        return import_module(type(first).__module__.partition(".")[0]).concat(pieces)
    return first


def _parts(name: str, data: Any, y: Any) -> list[Any]:
    """Return what lies in each chunk of `y`, an array of Dask's."""
    stops = list(accumulate(y.chunks[0]))
    if hasattr(data, "isel") and hasattr(data, "keys"):  # a Dataset of xarray's
        along = dimension(data, y.size)
        if along is None:
            require_shape(name, tuple(dict(data.sizes).values()), y.size)
        return [data.isel({along: slice(*ends)}) for ends in pairwise([0, *stops])]
    if isinstance(data, Mapping):
        columns = {key: _parts(f"{name}[{key!r}]", column, y) for key, column in data.items()}
        return [{key: column[k] for key, column in columns.items()} for k in range(len(stops))]
    parts: list[Any] = _like(name, _as_array(data), y).to_delayed().ravel().tolist()
    return parts


def _is_table(data: Any) -> bool:
    return hasattr(data, "npartitions") and hasattr(data, "divisions")


def _as_array(data: Any) -> Any:
    """Return one of Dask's arrays, of as many chunks as a table has partitions."""
    if _is_table(data):
        return data.to_dask_array(lengths=True)
    return data if isinstance(data, dask.array.Array) else dask.array.asarray(data)


def _starts(sizes: tuple[float, ...]) -> list[int]:
    """Return the numbers of the first rows; -1 where the sizes are not known."""
    if np.isnan(sizes).any():
        return [-1] * len(sizes)
    return [0, *map(int, accumulate(sizes))][:-1]


def _like(name: str, data: Any, y: Any) -> Any:
    """Bring an array into the partitions of `y`, its other axes whole."""
    if np.isnan(y.shape).any() or np.isnan(data.shape).any():
        if data.numblocks[:-1] != (1,) * (data.ndim - 1) or data.numblocks[-1:] != y.numblocks:
            raise value_error(
                f"{name} and ydata are of unknown sizes, in {data.numblocks} and {y.numblocks} "
                "partitions; want the same, or known sizes: see dask's compute_chunk_sizes."
            )
        return data
    require_shape(name, data.shape, y.size)
    return data.rechunk({**dict.fromkeys(range(data.ndim - 1), -1), data.ndim - 1: y.chunks[0]})
