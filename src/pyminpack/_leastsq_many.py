"""`leastsq` for many problems of one kind at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._called import type_error, value_error
from ._errors import add_note
from ._input.arguments import (
    EPS,
    as_floats,
    describe,
    require_callable,
    residual_eps,
    too_few_residuals,
)
from ._input.compiled import Model, as_model
from ._input.start import as_limits
from ._many import runner
from ._many_result import ManyFits, prepare

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._types import ManyOptions

__all__ = ["leastsq_many"]


def leastsq_many(
    func: Any,
    x0: npt.ArrayLike,
    args: Any = (),
    Dfun: Any = None,
    *,
    data: Sequence[npt.ArrayLike] = (),
    m: int | None = None,
    col_deriv: bool = False,
    bounds: Any = None,
    absolute_sigma: bool = False,
    covariance: bool | None = None,
    workers: int = 1,
    chunk: int | None = None,
    progress: bool = False,
    out: Mapping[str, npt.NDArray[Any]] | None = None,
    resume: ManyFits | bool | None = None,
    **options: Unpack[ManyOptions],
) -> ManyFits:
    """Minimise many sums of squares of one kind, each by the steps that `leastsq` takes alone.

    `func` gets the points of many fits at a time, so that the time of calls in Python is shared. A
    fit that has ended makes room for the next; one that fails disturbs no other.

    Parameters
    ----------
    func : callable
        ``func(X, *rows, *args)`` returns the residuals of b fits, shape (b, M), M not less than N.
        `X`, shape (b, N), is the callee's own; `rows` are the b fits' rows of each array in `data`,
        not to be written to. b differs from call to call.
    x0 : array_like, shape (..., N)
        A start for each fit.
    args : tuple, optional
        Extra arguments of `func` and `Dfun`, the same for all.
    Dfun : callable, optional
        ``Dfun(X, *rows, *args)`` returns the Jacobians, shape (b, M, N). Default: forward
        differences, for several variables in one call of `func`.
    data : sequence of array_like, shape (..., *any) each, optional
        What differs from fit to fit, of any dtype but objects; `numpy.memmap` is read as needed.
    m : int, optional
        M. `func` is then compiled, and runs without the interpreter and its lock, as in `leastsq`:
        for one fit at a time, with its row of the one array in `data` as `p`; without `data`, with
        what `args` holds.
    col_deriv : bool, optional
        `Dfun` returns shape (b, N, M).
    bounds : pair of array_like, optional
        Lower and upper bounds, numbers or shape (N,) each, the same for all.
    absolute_sigma : bool, optional
        The residuals have variance 1: ``pcov`` is not multiplied by ``2*cost/(M - N)``.
    covariance, workers, chunk, progress, out, resume : optional
        As in `curve_fit_many`: whether ``pcov`` is kept; threads that share the fits; how many fits
        a thread works on at a time; a progress bar; arrays for results; what a former call left.
    **options
        ``ftol``, ``xtol``, ``gtol``, ``maxfev``, ``max_nfev``, ``epsfcn``, ``factor`` and ``diag``
        of `leastsq`, the same for all.

    Returns
    -------
    ManyFits
        ``popt``, ``pcov``, ``stderr``, ``ier``, ``nfev``, ``cost``, ``message(index)``, ``failed``.

    Raises
    ------
    TypeError
        Improper options; M < N; results of the wrong kind, or Jacobians of the wrong shape.
    ValueError
        Residuals of the wrong shape; arrays that do not fit together.

    See Also
    --------
    curve_fit_many : the same for a model and data.

    Notes
    -----
    ``pcov`` and ``stderr`` come of the last Jacobians as these are: whether differences were good
    enough for standard errors is looked at by `curve_fit_many` alone.

    `func` is called for two fits first, to learn M. Warnings of NumPy's about numbers out of range
    are off while it runs: a step too far is taken back.

    An exception raised in `func` passes through, and Ctrl-C ends the call at once. The exception
    has two attributes: ``fits``, the indices of those that it was called for, and ``result``.

    Examples
    --------
    Where does each of a thousand exponentials meet each of a thousand lines?

    >>> import numpy as np
    >>> from pyminpack import leastsq_many
    >>> slope = np.linspace(1.0, 2.0, 1000)
    >>> def gap(X, slope):
    ...     return np.exp(-X) - slope[:, None]*X
    >>> fits = leastsq_many(gap, np.ones((1000, 1)), data=[slope])
    >>> np.round(fits.popt[[0, -1], 0], 6)
    array([0.567143, 0.351734])
    >>> bool(fits.failed.any())
    False
    """
    if not isinstance(args, tuple):
        args = (args,)
    model = None
    if m is None:
        require_callable(func, Dfun)
    else:
        model = _as_model(func, Dfun, args, m, data)
        func, Dfun, args = model, model[2] or None, ()
    starts = as_floats(x0, "x0 is")
    if starts.ndim < 2 or starts.shape[-1] == 0:
        raise value_error(
            f"x0 has shape {starts.shape}; want (..., N), a start for each fit. For one start for "
            "B fits: np.broadcast_to(x0, (B, N))."
        )
    shape, n = starts.shape[:-1], starts.shape[-1]
    arrays = [_as_rows(f"data[{k}]", array, shape) for k, array in enumerate(_as_list(data))]
    limits = None if bounds is None else as_limits(bounds, n)
    settings = runner.checked_options(options)
    result = prepare(shape, n, covariance, out, resume)

    def make_block(numbers: runner.IndexArray) -> runner.Block:
        rows = tuple(runner.take(array, shape, numbers) for array in arrays)
        return runner.Block(numbers, runner.take(starts, shape, numbers), rows=rows)

    size, eps = n, EPS
    if model is not None:
        size = model[4]
    elif result.ier.size:
        first = make_block(np.arange(min(2, result.ier.size)))
        rows = [runner.read_only(row.copy()) for row in first.rows]
        try:
            with np.errstate(all="ignore"):
                value = func(first.x0.copy(), *rows, *args)
        except Exception as error:
            add_note(
                error,
                f"func was called with X of shape {first.x0.shape}, the points of many fits as "
                "rows, and as many rows of each array in data.",
            )
            raise
        size, eps = _residuals_of(value, first.numbers.size), residual_eps(value)
    if size < n:
        too_few_residuals(n, size)
    problem = runner.Problem(
        func, Dfun, args, n, size, False, bool(col_deriv),
        runner.completed(settings, n, eps, limits), bool(absolute_sigma), make_block,
    )  # fmt: skip
    runner.run(problem, result, workers, chunk, progress)
    return result


def _as_model(func: Any, Dfun: Any, args: tuple[Any, ...], m: Any, data: Any) -> Model:
    """Take a compiled model, whose p is a row of `data` or is in `args`."""
    count = len(_as_list(data))
    if count > 1 or (count and args):
        raise type_error(
            f"data holds {count} arrays and args {len(args)}; a compiled func gets one pointer: "
            "want one array with all that it needs in data, or one entry in args."
        )
    model = as_model(func, Dfun, args, m)
    if count and not (isinstance(model[3], int) and model[3] == 0):
        raise value_error("p is given twice: as data and as user_data; want one of them.")
    return model


def _as_list(data: Any) -> Sequence[Any]:
    if isinstance(data, list | tuple):
        return data
    raise type_error(f"data is {describe(data)}; want a list or tuple of arrays.")


def _as_rows(name: str, value: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.asanyarray(value)
    if array.dtype.hasobject:
        raise type_error(f"{name} is {describe(value)}; want an array of numbers.")
    if array.shape[: len(shape)] != shape:
        raise value_error(f"{name} has shape {array.shape}; want {shape} first, as x0 has.")
    return array


def _residuals_of(value: Any, points: int) -> int:
    """Return M, of what `func` returned for its first fits."""
    array = as_floats(value, "func returned")
    if array.ndim != 2 or len(array) != points:
        raise value_error(
            f"func returned shape {array.shape} for X of {points} fits; want ({points}, M): func "
            "gets the points of many fits, the rows of X, and returns their residuals as rows."
        )
    return int(array.shape[1])
