"""`curve_fit_many` on Dask arrays: the same fits, lazily, one task a chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .._called import value_error
from .._input import parameters
from .._input.fit_data import is_dask
from .._many_result import UNFINISHED, ManyFits
from .._messages import Terms

__all__ = ["LazyFits", "curve_fit_lazily", "is_lazy"]


def is_lazy(value: Any) -> bool:
    """Whether it is an array of Dask's."""
    return is_dask(value) and hasattr(value, "compute_chunk_sizes")


class LazyFits:
    """The fits of `curve_fit_many` on a Dask array, still to be made; unpacks as ``popt, pcov``.

    The attributes of `ManyFits` ``popt``, ``pcov``, ``stderr``, ``ier``, ``nfev`` and ``cost`` are
    Dask arrays here, chunked as the data are. Computed together (``dask.compute(a, b)``, or
    ``compute``), the fits are made once.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from pyminpack import curve_fit_many
    >>> t = np.arange(5.0)
    >>> lines = da.from_array(np.outer(np.arange(6.0), t), chunks=(2, -1))
    >>> fits = curve_fit_many(lambda t, a, b: a + b*t, t, lines)
    >>> fits
    <LazyFits of shape (6,) in 3 chunks>
    >>> np.round(fits.popt[:, 1].compute(), 6)
    array([0., 1., 2., 3., 4., 5.])
    """

    def __init__(self, packed: Any, limits: Terms) -> None:
        self._packed, self._limits = packed, limits
        self.popt, self.stderr = packed["popt"], packed["stderr"]
        self.pcov = packed["pcov"] if "pcov" in packed.dtype.names else None
        self.cost, self.nfev, self.ier = packed["cost"], packed["nfev"], packed["ier"]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.popt, self.pcov))

    def __len__(self) -> int:
        return 2

    def compute(self, **options: Any) -> ManyFits:
        """Make the fits, as `dask.compute` does with these options."""
        return unpack(self._packed.compute(**options), self._limits)

    def __repr__(self) -> str:
        return f"<LazyFits of shape {self._packed.shape} in {self._packed.npartitions} chunks>"


def record(n: int, covariance: bool) -> np.dtype[Any]:
    """Return the dtype of a fit's results."""
    fields: list[Any] = [("popt", np.float64, (n,)), ("stderr", np.float64, (n,))]
    fields += [("pcov", np.float64, (n, n))] if covariance else []
    fields += [("cost", np.float64), ("nfev", np.int32), ("ier", np.int8), ("why", np.int8)]
    return np.dtype(fields)


def pack(fits: ManyFits, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Put the results of each fit into a record."""
    packed = np.empty(fits.ier.shape, dtype=kind)
    for name in kind.names or ():
        packed[name] = fits._why if name == "why" else getattr(fits, name)
    return packed


def unpack(packed: npt.NDArray[Any], limits: Terms) -> ManyFits:
    """Make the result of records."""
    packed = np.asarray(packed)
    names = packed.dtype.names or ()
    fits = ManyFits(packed.shape, packed["popt"].shape[-1], "pcov" in names, None)
    for name in names:
        target = fits._why if name == "why" else getattr(fits, name)
        target[...] = packed[name]
    fits._limits = limits
    return fits


def curve_fit_lazily(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any,
    sigma: Any,
    bounds: Any,
    covariance: bool | None,
    settings: dict[str, Any],
    limits: Callable[[int], Terms],
) -> LazyFits:
    """Make the graph; `settings` are the other arguments of `curve_fit_many`."""
    import dask.array

    da: Any = dask.array  # it has types, but for half of its functions

    if any(np.isnan(size) for size in ydata.shape):
        raise value_error("ydata has chunks of unknown size; call compute_chunk_sizes() first.")
    if ydata.ndim == 0:
        raise value_error(
            "ydata has shape (); want (..., M), the points of a fit on the last axis."
        )
    ydata = ydata.rechunk({-1: -1})
    shape = ydata.shape[:-1]
    axes = tuple(range(len(shape)))
    m_axis, n_axis, k_axis, one_axis = range(len(axes), len(axes) + 4)

    def along(value: Any, *tail: int) -> tuple[Any, tuple[int, ...]]:
        """Cut an array along the map as the data are."""
        whole = tuple((size,) for size in value.shape[len(shape) :])
        if not is_lazy(value):
            value = da.from_array(np.asanyarray(value), chunks=(*ydata.chunks[:-1], *whole))
        return value.rechunk((*ydata.chunks[:-1], *whole)), (*axes, *tail)

    arrays: list[Any] = [ydata, (*axes, m_axis)]
    names = []
    if shape and np.shape(xdata) == ydata.shape and not isinstance(xdata, dict):
        arrays += along(xdata, m_axis)
        names.append("xdata")
    elif shape and np.ndim(xdata) == len(shape) + 2 and np.shape(xdata)[:-2] == shape:
        arrays += along(xdata, k_axis, m_axis)
        names.append("xdata")
    if shape and sigma is not None and np.shape(sigma) in (ydata.shape, (*shape, 1)):
        arrays += along(sigma, m_axis if np.shape(sigma) == ydata.shape else one_axis)
        names.append("sigma")
    if not callable(p0) and np.ndim(p0) > 1:
        if np.shape(p0)[:-1] != shape:
            raise value_error(
                f"p0 has shape {np.shape(p0)}; want (N,), or {shape} and N: a start for each fit."
            )
        n = np.shape(p0)[-1]
        arrays += along(p0, n_axis)
        names.append("p0")
    else:
        n = parameters.start(f, None if callable(p0) else p0, bounds)[0].size
    given = {"xdata": xdata, "sigma": sigma, "p0": p0}
    shared = {name: value for name, value in given.items() if name not in names}
    for name, value in shared.items():
        if is_lazy(value):
            shared[name] = value.compute()
    kind = record(n, covariance is not False)
    packed = da.blockwise(
        _fit_chunk, axes, *arrays, dtype=kind, meta=np.empty((0,) * len(axes), dtype=kind),
        concatenate=True, f=f, names=tuple(names), shared=shared, bounds=bounds, settings=settings,
        kind=kind,
    )  # fmt: skip
    return LazyFits(packed, limits(n))


def _fit_chunk(
    ydata: npt.NDArray[Any],
    *own: npt.NDArray[Any],
    f: Callable[..., Any],
    names: tuple[str, ...],
    shared: dict[str, Any],
    bounds: Any,
    settings: dict[str, Any],
    kind: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Fit a chunk, wherever it is."""
    from .._curve_fit_many import curve_fit_many

    data = {**shared, **dict(zip(names, own, strict=True))}
    fits = curve_fit_many(
        f, data["xdata"], ydata, data["p0"], data["sigma"], bounds=bounds,
        covariance="pcov" in (kind.names or ()), **settings,
    )  # fmt: skip
    if fits.popt.shape[-1:] != kind["popt"].shape:
        raise value_error(
            f"p0 returned {fits.popt.shape[-1]} parameters; the signature of f names "
            f"{kind['popt'].shape[0]}."
        )
    assert not np.any(fits.ier == UNFINISHED)
    return pack(fits, kind)
