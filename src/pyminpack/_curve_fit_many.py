"""`curve_fit` for many data sets of one model at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np
import numpy.typing as npt

from ._called import type_error
from ._input import parameters
from ._input.arguments import describe
from ._jacobian.doubt import SETTLED, is_to_end_early
from ._many import runner
from ._many.data import Maps
from ._many.lazy import LazyFits, curve_fit_lazily, is_lazy
from ._many.model import BatchModel
from ._many_result import ManyFits, prepare
from ._messages import terms

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._types import ManyOptions, NanPolicy

    Floats = npt.NDArray[np.float64]
    Start = npt.ArrayLike | Mapping[str, Any] | Callable[[Any, Floats], Any] | None

__all__ = ["curve_fit_many"]


class Lazy(Protocol):
    """An array of Dask's."""

    def __dask_graph__(self) -> Any: ...
    def compute_chunk_sizes(self) -> Any: ...


@overload
def curve_fit_many(
    f: Callable[..., Any], xdata: Any, ydata: Lazy, p0: Start = ..., sigma: Any = ...,
    absolute_sigma: bool = ..., *, bounds: Any = ..., jac: Callable[..., Any] | None = ...,
    nan_policy: NanPolicy | None = ..., workers: int = ..., chunk: int | None = ...,
    covariance: bool | None = ..., **options: Unpack[ManyOptions],
) -> LazyFits: ...  # fmt: skip
@overload
def curve_fit_many(
    f: Callable[..., Any], xdata: Any, ydata: npt.ArrayLike, p0: Start = ...,
    sigma: npt.ArrayLike | None = ..., absolute_sigma: bool = ..., *, bounds: Any = ...,
    jac: Callable[..., Any] | None = ..., nan_policy: NanPolicy | None = ..., workers: int = ...,
    chunk: int | None = ..., progress: bool = ..., covariance: bool | None = ...,
    out: Mapping[str, npt.NDArray[Any]] | None = ..., resume: ManyFits | bool | None = ...,
    **options: Unpack[ManyOptions],
) -> ManyFits: ...  # fmt: skip
def curve_fit_many(
    f: Callable[..., Any],
    xdata: Any,
    ydata: npt.ArrayLike | Lazy,
    p0: Start = None,
    sigma: npt.ArrayLike | None = None,
    absolute_sigma: bool = False,
    *,
    bounds: Any = None,
    jac: Callable[..., Any] | None = None,
    nan_policy: NanPolicy | None = None,
    workers: int = 1,
    chunk: int | None = None,
    progress: bool = False,
    covariance: bool | None = None,
    out: Mapping[str, npt.NDArray[Any]] | None = None,
    resume: ManyFits | bool | None = None,
    **options: Unpack[ManyOptions],
) -> ManyFits | LazyFits:
    """Fit one model to many data sets: to every pixel of an image, every spectrum, every trace.

    Each fit takes the steps that `leastsq` takes on it alone. The model is called for many of them
    at a time, so that the time of calls in Python is shared. A fit that has ended makes room for
    the next; one that fails disturbs no other.

    Parameters
    ----------
    f : callable
        ``f(xdata, *p)``, as for `curve_fit`, but for b fits at a time: the parameters arrive one by
        one with shape (b, 1), and what it returns has shape (b, M). A model made of NumPy's
        arithmetic and functions does that unchanged: ``a*np.exp(-b*x) + c``. Sums and the like go
        over the last axis. b differs from call to call.
    xdata : object
        Where the data were taken. Shape (M,), or (k, M) for k predictors, for all; or for each fit
        its own: the shape of `ydata`, or (..., k, M), which `f` gets with shape (b, M), (k, b, M).
        Anything else goes to `f` as it is. Not to be written into.
    ydata : array_like, shape (..., M)
        What was measured: the last axis holds the points of a fit, the others are the map. A
        `numpy.memmap` is read as needed. With a Dask array the fits are made when their results are
        asked for, one task for each of its chunks along the map.
    p0 : array_like, shape (N,) or (..., N), dict, or callable, optional
        Start for all, or for each fit; or by the names in the signature of `f`; or
        ``p0(x, y)``, which gets x as `f` does and y of some fits, shape (b, M), and returns their
        starts, shape (b, N). Default: as in `curve_fit`.
    sigma : array_like, shape () or (M,) or (..., 1) or (..., M), optional
        Standard deviations of `ydata`, in its units: one for all, for each point, for each fit, or
        for each point of each fit. Infinite ones leave a point without weight.
    absolute_sigma : bool, optional
        True: `sigma` is known, and `pcov` follows from it alone. False: only the ratios within
        `sigma` are, and `pcov` is multiplied by ``2*cost/(M - N)``.
    bounds : 2-tuple of array_like, object with ``lb`` and ``ub``, or dict, optional
        As in `curve_fit`, the same for all.
    jac : callable, optional
        ``jac(xdata, *p)`` returns the derivatives of `f`, parameters arriving as for `f`: shape
        (b, M, N), or any order of these three axes by which their lengths tell them apart.
    nan_policy : {None, 'raise', 'omit'}, optional
        NaN in `xdata`, `ydata` or `sigma`: ends its fit with ``ier`` 9; raise; or leave the points
        out of their fits, for each by itself.
    workers : int, optional
        Threads that share the fits; -1: one for each processor. NumPy and the solver let several
        run at a time; pure Python code does not.
    chunk : int, optional
        Fits that a thread works on at a time, and the most that `f` is called for. Default: some
        hundreds, fewer where M is large.
    progress : bool, optional
        Draw a progress bar, with tqdm.
    covariance : bool, optional
        Keep ``pcov``. Default: where it takes less than 1 GiB, or `out` has it. ``stderr`` is
        always there.
    out : mapping of str to ndarray, optional
        Arrays for results, by their names in `ManyFits`, C-contiguous, of their shape and dtype;
        also `numpy.memmap`.
    resume : ManyFits or bool, optional
        What a former call has left, the attribute ``result`` of the exception that ended it: the
        fits with ``ier`` -1 are run, the others kept. True: the same with what is in `out`; what
        that does not have of the others is not known.
    **options
        ``ftol``, ``xtol``, ``gtol``, ``maxfev``, ``max_nfev``, ``epsfcn``, ``factor`` and ``diag``
        of `leastsq`, the same for all.

    Returns
    -------
    ManyFits, or LazyFits of Dask arrays
        ``popt``, ``pcov``, ``stderr``, ``ier``, ``nfev``, ``cost``, ``message(index)``, ``failed``,
        ``doubtful``; unpacks as ``popt, pcov``, and prints as a summary. A fit that has not
        converged has an `ier` that says so; nothing is raised for it.

    Raises
    ------
    TypeError
        A model that does not broadcast, or mixes fits; fewer data than parameters for all fits;
        improper options; data or results that are not real numbers.
    ValueError
        Arrays that do not fit together; an unusable `sigma`, `p0` or `bounds`; NaN, with
        ``nan_policy='raise'``.

    Warns
    -----
    OptimizeWarning
        Standard errors of some fits may be wrong, or there are none: once for all, with their
        number and the first of them.

    See Also
    --------
    curve_fit : for one data set, with the causes of what is wrong with it.
    leastsq_many : for residuals of any kind.

    Notes
    -----
    `f` is called for the first fits one by one and together, to see that it does the same. Warnings
    of NumPy's about numbers out of range are off while it runs: a step too far is taken back.

    Standard errors are looked at as those of `curve_fit` are. A fit that has ended short of its
    minimum is taken on from there; where another doubt is left, better derivatives are made for
    these fits together, and some steps with them. The calls of `f` for that count in ``nfev``.

    An exception raised in `f` passes through, and Ctrl-C ends the call at once. The exception has
    two attributes: ``fits``, the indices of those that it was called for, and ``result``.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import curve_fit_many
    >>> def decay(t, amplitude, rate):
    ...     return amplitude*np.exp(-rate*t)
    >>> t = np.linspace(0.0, 4.0, 20)
    >>> rates = np.linspace(0.5, 1.5, 12).reshape(3, 4)
    >>> images = decay(t, 2.0, rates[..., None]) + 0.01*np.cos(9*t)
    >>> fits = curve_fit_many(decay, t, images, p0=[1.0, 1.0])
    >>> fits.popt.shape, bool(fits.failed.any())
    ((3, 4, 2), False)
    >>> bool(np.abs(fits.popt[..., 1] - rates).max() < 0.02)
    True
    """
    if not callable(f):
        raise type_error(f"f is {describe(f)}; want a function f(xdata, *parameters).")
    if not (jac is None or callable(jac)):
        raise type_error(f"jac is {describe(jac)}; want None or a function jac(xdata, *params).")
    settings = runner.checked_options(options)
    if is_lazy(ydata):
        for name, value in (("progress", progress), ("out", out), ("resume", resume)):
            if value:
                raise type_error(f"{name} is not for Dask arrays, which have their own ways.")
        return curve_fit_lazily(
            f, xdata, ydata, p0, sigma, bounds, covariance,
            {
                "absolute_sigma": absolute_sigma, "jac": jac, "nan_policy": nan_policy,
                "workers": workers, "chunk": chunk, **options,
            },
            lambda n: terms(settings, n, jac is not None),
        )  # fmt: skip
    maps = Maps(xdata, ydata, sigma, nan_policy)
    starts = maps.starts(f, p0, bounds)
    n, limits = starts.n, starts.limits
    if limits is None:
        parameters.require_enough(maps.m, n, "; with bounds it may")
    result = prepare(maps.shape, n, covariance, out, resume)
    if result.ier.size == 0:
        return result
    model = BatchModel(f, jac, maps, n, limits)
    model.probe(starts)

    def make_block(numbers: runner.IndexArray) -> runner.Block:
        y, w, counts, rows = maps.block(numbers)
        return runner.Block(numbers, starts.take(numbers), y, w, counts, rows)

    derivatives = None if jac is None else model.derivatives
    parts = f, derivatives, make_block
    if maps.m < n:
        from ._many.few import filled_up

        parts = filled_up(n, maps.m, *parts)
    early = is_to_end_early(settings.ftol, settings.xtol, settings.gtol)
    problem = runner.Problem(
        *parts[:2], () if maps.own_x else (maps.x,), n, max(n, maps.m), True, False,
        runner.completed(settings, n, model.eps, limits), bool(absolute_sigma), parts[2],
        0.0 if early else SETTLED,
    )  # fmt: skip
    runner.run(problem, result, workers, chunk, progress)
    if result.doubtful.any():
        from ._many.doubt import look_closer

        look_closer(model, maps, settings, bool(absolute_sigma), result)
    return result
