"""The scipy-compatible call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from . import _build_info, _minpack
from ._called import type_error, value_error, warn
from ._input.arguments import improper, require_callable
from ._input.start import as_bounds, as_start
from ._jacobian.differences import Differences, jacobian_by
from ._messages import IMPROPER, advice, message, nonfinite, terms

solve: Callable[..., Any] = _minpack.solve
if _build_info.MINPACK == "system":  # only then: it costs a third of the import
    from . import _classic

    solve = _classic.solve

__all__ = ["leastsq"]

FloatArray = npt.NDArray[np.float64]


if TYPE_CHECKING:  # making them takes as long as a fifth of the import
    from concurrent.futures import Executor

    from ._types import Derivatives, Ier, InfoDict, InfoDictInBlocks, No, StrPath, Yes
    from ._watch import Iteration

    Short = tuple[FloatArray, Ier]
    Full = tuple[FloatArray, FloatArray | None, InfoDict, str, Ier]
    FullInBlocks = tuple[FloatArray, FloatArray | None, InfoDictInBlocks, str, Ier]


@overload
def leastsq(
    func: Callable[..., Any], x0: npt.ArrayLike, args: Any = ..., Dfun: Derivatives | None = ...,
    full_output: No = ..., col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., *, bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> Short: ...  # fmt: skip
@overload
def leastsq(
    func: Callable[..., Any], x0: npt.ArrayLike, args: Any, Dfun: Derivatives | None,
    full_output: Yes, col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., *, bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> Full: ...  # fmt: skip
@overload
def leastsq(
    func: Callable[..., Any], x0: npt.ArrayLike, args: Any = ..., Dfun: Derivatives | None = ...,
    *, full_output: Yes, col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> Full: ...  # fmt: skip
@overload
def leastsq(
    func: Callable[..., Any], x0: npt.ArrayLike, args: Any = ..., Dfun: Derivatives | None = ...,
    full_output: No = ..., col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., *,
    blocks: Iterable[Any], workers: int = ..., executor: Executor | None = ...,
    checkpoint: StrPath | None = ..., bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> Short: ...  # fmt: skip
@overload
def leastsq(
    func: Callable[..., Any], x0: npt.ArrayLike, args: Any = ..., Dfun: Derivatives | None = ...,
    *, full_output: Yes, blocks: Iterable[Any],
    workers: int = ..., executor: Executor | None = ..., checkpoint: StrPath | None = ...,
    col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> FullInBlocks: ...  # fmt: skip
@overload
def leastsq(
    func: Any, x0: npt.ArrayLike, args: Any = ..., Dfun: Any = ...,
    full_output: No = ..., col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., *, m: int, bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> tuple[FloatArray, int]: ...  # fmt: skip
@overload
def leastsq(
    func: Any, x0: npt.ArrayLike, args: Any = ..., Dfun: Any = ...,
    *, m: int, full_output: Yes, col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> tuple[FloatArray, FloatArray | None, InfoDict, str, int]: ...  # fmt: skip
@overload
def leastsq(
    func: Callable[..., Any], x0: npt.ArrayLike, args: Any = ..., Dfun: Derivatives | None = ...,
    full_output: bool = ..., col_deriv: bool = ..., ftol: float = ..., xtol: float = ...,
    gtol: float = ..., maxfev: int = ..., epsfcn: float | None = ..., factor: float = ...,
    diag: npt.ArrayLike | None = ..., warning: bool = ..., *, bounds: Any = ...,
    max_nfev: int | None = ..., callback: Callable[[Iteration], Any] | None = ...,
    verbose: int = ...,
) -> Short | Full: ...  # fmt: skip
def leastsq(
    func: Any,
    x0: npt.ArrayLike,
    args: Any = (),
    Dfun: Any = None,
    full_output: bool | Literal[0, 1] = False,
    col_deriv: bool = False,
    ftol: float = 1.49012e-08,
    xtol: float = 1.49012e-08,
    gtol: float = 0.0,
    maxfev: int = 0,
    epsfcn: float | None = None,
    factor: float = 100,
    diag: npt.ArrayLike | None = None,
    warning: bool = True,
    *,
    bounds: Any = None,
    max_nfev: int | None = None,
    callback: Callable[[Iteration], Any] | None = None,
    verbose: int = 0,
    blocks: Iterable[Any] | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    checkpoint: StrPath | None = None,
    m: int | None = None,
) -> tuple[Any, ...]:
    """Minimise the sum of squares of `func` by MINPACK's Levenberg-Marquardt.

    Finds ``argmin_x sum(func(x, *args)**2)``. A drop-in replacement of `scipy.optimize.leastsq`.

    Parameters
    ----------
    func : callable
        ``func(x, *args)`` returns M residuals: float64 or what converts to it without loss of
        meaning (integers, float32, lists, scalars, 2-D). `x` is a fresh float64 array of shape
        (N,), the callee's own. M must not be less than N and is fixed by the first call.
    x0 : array_like
        Start, N finite real numbers of any shape; flattened, never written to.
    args : tuple, optional
        Extra arguments of `func` and `Dfun`. A value that is no tuple is wrapped in one.
    Dfun : callable or str, optional
        ``Dfun(x, *args)`` returns the Jacobian, shape (M, N), of any memory layout; for N = 1 also
        (M,). Without it, or with '2-point', forward differences, at N calls of `func`. '3-point':
        central differences, at 2*N calls. 'cs': complex steps, at N calls, exact to rounding;
        `func` must be analytic and compute with complex numbers where x is complex. 'adaptive':
        central differences whose steps are sought for each parameter, at some thirty calls a
        parameter first and ten later, for parameters that are large beside what they describe.
    full_output : bool, optional
        Return `cov_x`, `infodict` and `mesg` as well.
    col_deriv : bool, optional
        `Dfun` returns the transpose, shape (N, M), derivatives down the columns: in C order the
        fastest layout, which is copied as it is.
    ftol : float, optional
        Relative error desired in the sum of squares, dimensionless.
    xtol : float, optional
        Relative error desired in the (scaled) solution, dimensionless.
    gtol : float, optional
        Cosine desired between the residuals and every column of the Jacobian.
    maxfev : int, optional
        Limit on calls of `func`, those for forward differences included; not positive:
        200*(N + 1). With `Dfun` 100*(N + 1), and named differences do not count their calls here.
    epsfcn : float, optional
        Relative error of `func`: the difference step is ``sqrt(max(epsfcn, eps))*abs(x[j])``, the
        root alone where ``x[j] == 0``, with eps = 2**-52; with '3-point' a cube root. Default: the
        eps of the floating-point dtype that `func` returns.
    factor : float, optional
        Bound of the first step, in units of ``norm(diag*x0)`` (of 1 where that is 0); > 0, usually
        0.1 to 100.
    diag : array_like, shape (N,), optional
        Positive scale factors of the variables, in reciprocal units of each. Default: the norms of
        the Jacobian's columns, never shrinking.
    warning : bool, optional
        Legacy of SciPy 0.8: False silences the RuntimeWarning. Deprecated, use `warnings`.
    bounds : pair of array_like, optional
        Lower and upper bounds of the parameters, numbers or shape (N,) each, infinite where there
        is none; equal ones fix a parameter. `x0` must lie within, and `func` is never called
        outside, for differences either.
    max_nfev : int, optional
        In place of `maxfev`: limit on calls of `func` other than for differences.
    callback : callable, optional
        ``callback(iteration)`` is called at each new point with an `Iteration`: x, fun, cost, nfev,
        nit, delta. Raising StopIteration ends the fit with `ier` 10, unless it has just converged.
        Where bounds have led a fit astray (see Notes), the points at which it starts again too.
    verbose : int, optional
        1: print a line at each new point; 2: draw a progress bar, with tqdm.
    blocks : sequence or iterable, optional
        What the residuals are of, in pieces of any kind: slices, arrays, names of files. `func` is
        then called as ``func(x, block, *args)`` and returns the residuals of one block, and `Dfun`
        likewise the rows of the Jacobian of one: neither is ever whole in memory. The blocks are
        gone through once for each trial point and each Jacobian; without `Dfun` `func` is called
        N + 1 times then for each. In `maxfev` and ``nfev`` a call is one for all blocks.
    workers : int, optional
        With `blocks`: threads that call `func` and `Dfun`, -1 for one on each processor. The bits
        of the result do not depend on how many there are.
    executor : concurrent.futures.Executor, optional
        With `blocks`: what calls `func` and `Dfun`, in place of threads; `workers` is how many
        workers it has, where it does not tell. The bits are the same again.
    checkpoint : path-like, optional
        With `blocks`: a file into which the state of the fit is written at each new point. If it is
        there at the start the fit goes on from it, to the same bits.
    m : int, optional
        M. `func` is then compiled, and runs without the interpreter and its lock: a numba cfunc, a
        ctypes or cffi function pointer, a PyCapsule or a `scipy.LowLevelCallable`, with one of the
        two signatures that cminpack has for it; see Notes. `args` is its `p`: an address, a ctypes
        or cffi pointer or a PyCapsule, or a contiguous array or other buffer, for its address.

    Returns
    -------
    x : ndarray, shape (N,)
        The solution, or the last accepted point of an unsuccessful call.
    cov_x : ndarray, shape (N, N), or None
        With `full_output`. Inverse of JᵀJ at the solution; times the variance of the residuals it
        is the covariance of `x`. None where `ier` is not 1 to 4, or where the Jacobian is
        numerically singular: an element R_kk of its R is not above N*eps times the norm of the
        Jacobian's column k. With `bounds` it is that of the parameters off their bounds, given the
        others: the rows and columns of one at a bound are NaN, of a fixed one 0.
    infodict : dict
        With `full_output`: ``nfev`` and, with `Dfun`, ``njev``: numbers of calls as MINPACK counts
        them, plus, in ``nfev``, those for named differences; ``fvec``, shape
        (M,): residuals at `x`; ``fjac``, shape (N, M): transpose of the Fortran array with R of
        J P = Q R in its upper triangle, J the last Jacobian; ``ipvt``, shape (N,), int32: column j
        of P is column ``ipvt[j] - 1`` of the identity; ``qtf``, shape (N,): the first N of
        transpose(Q) @ fvec, at the last Jacobian; with `bounds` also ``active_mask``, shape (N,):
        -1 where `x` is at its lower bound, 1 at its upper one, else 0. With `blocks`, ``fvec`` is
        an object that computes the residuals again, an array for each block that it is iterated
        over, with the attributes ``size`` and ``norm``; and ``fjac`` has the shape (N, N).
    mesg : str
        With `full_output`. What `ier` means.
    ier : int
        1, 2, 3, 4: converged by `ftol`, `xtol`, both, `gtol`. 0: improper input; 5: `maxfev`
        reached; 6, 7, 8: `ftol`, `xtol`, `gtol` too small; 9: residuals or Jacobian not finite;
        10: stopped by `callback`; negative: stopped by a compiled `func`, which returned that.

    Raises
    ------
    TypeError
        Improper input (`ier` 0, without `full_output`); M < N; a Jacobian of the wrong shape;
        arguments or results that are not real numbers.
    ValueError
        Residuals or Jacobian not finite (`ier` 9, without `full_output`); a number of residuals
        that changes; a non-finite `x0`; an unusable `diag`; `bounds` that `x0` is not within.

    Warns
    -----
    RuntimeWarning
        `ier` 5 to 8 or negative, without `full_output`.

    Notes
    -----
    The method is that of J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and
    theory", Lecture Notes in Mathematics 630 (1978) 105-116, in the form of MINPACK-1
    (J. J. Moré, B. S. Garbow, K. E. Hillstrom, ANL-80-74, 1980).

    Where a step would leave the bounds, the trust region is scaled to fit between them, after
    T. F. Coleman and Y. Li, "An interior trust region approach for nonlinear minimization subject
    to bounds", SIAM J. Optim. 6 (1996) 418-445. A fit whose steps stay inside is the same as
    without bounds. A start on a bound is moved inside, and only the end is put on one. A fit
    that bounds have led to where a column of its Jacobian is next to nothing is tried again, with
    what it has lost in the middle of the box, and from the start by small steps.

    An exception raised in `func` or `Dfun` ends the fit and passes through unchanged.

    A compiled `func` has one of these two signatures, the second for `Dfun` as well::

        int fcn(void *p, int m, int n, const double *x, double *fvec, int iflag)
        int fcn(void *p, int m, int n, const double *x, double *fvec, double *fjac,
                int ldfjac, int iflag)

    With `iflag` 1, and in the first with any, it puts the M residuals into `fvec` and leaves `fjac`
    as it is; in the second, with `iflag` 2, it puts the derivative of residual i by x[j] into
    ``fjac[i + j*ldfjac]`` and leaves `fvec` as it is. A `func` of the second kind needs no `Dfun`,
    unless that is '2-point'; where it does not tell its signature, it is given as `Dfun`, too. A
    negative number returned ends the fit, any other is ignored. `callback` and `verbose` take the
    lock for their own time alone, and Ctrl-C is looked for once a second.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import leastsq
    >>> t = np.arange(6.0)
    >>> y = 3.0*np.exp(-0.5*t)
    >>> x, ier = leastsq(lambda x: x[0]*np.exp(-x[1]*t) - y, [1.0, 1.0])
    >>> np.round(x, 6)
    array([3. , 0.5])
    """
    if not isinstance(args, tuple):
        args = (args,)
    limits = None
    if bounds is not None:
        x0 = as_start(x0)
        limits = as_bounds(bounds, x0)
    run = solve
    make_differences: Callable[..., Any] = jacobian_by
    if m is not None:
        if blocks is not None:
            raise type_error("m is for a compiled func, which does not go by blocks.")
        from ._input import compiled

        run = _minpack.solve_compiled
        func = compiled.as_model(func, Dfun, args, m)
        args, Dfun = (), func[2] or None
    elif blocks is not None:
        from ._blocks.driver import BlockDifferences, solve_blocks

        run = partial(
            solve_blocks, blocks=blocks, workers=workers, executor=executor, checkpoint=checkpoint
        )
        make_differences = BlockDifferences.by
    if blocks is None and (workers != 1 or executor is not None or checkpoint is not None):
        raise type_error(
            "workers, executor and checkpoint are for fits in blocks; want blocks, too."
        )
    differences = Dfun if isinstance(Dfun, Differences) else None
    if isinstance(Dfun, str):
        Dfun = differences = make_differences(Dfun, func, epsfcn, limits)
    before = 0
    if differences is not None:
        col_deriv, before = True, differences.nfev
    if m is None:
        require_callable(func, Dfun)
    options = _minpack.Options(
        ftol=ftol, xtol=xtol, gtol=gtol, maxfev=maxfev, epsfcn=epsfcn, factor=factor, diag=diag,
        bounds=limits, max_nfev=max_nfev,
    )  # fmt: skip
    watch = None
    if callback is not None or verbose:
        from ._watch import Watch

        watch = Watch(callback, verbose)
    try:
        fit = run(func, x0, args, Dfun, full_output, col_deriv, options, watch)
    finally:
        if watch is not None:
            watch.close()
    if not warning:
        _deprecate_warning()
    if len(fit) == 2:
        short: tuple[Any, ...] = fit
        return short

    x, ier = fit.x, fit.ier
    if ier == _minpack.INFO_NONFINITE:
        analytic = Dfun is not None and differences is None
        block = -1 if blocks is None else fit.block
        mesg = nonfinite(fit.cause, fit.where, fit.culprit, x, analytic, block)
    elif ier == _minpack.INFO_IMPROPER:
        mesg = f"{IMPROPER} {improper(x.size, options)}"
    else:
        mesg = message(ier, terms(options, x.size, Dfun is not None))
    if full_output:
        infodict: Any = {
            "nfev": fit.nfev if differences is None else fit.nfev + differences.nfev - before,
            "fvec": fit.fvec,
            "fjac": fit.fjac,
            "ipvt": fit.ipvt,
            "qtf": fit.qtf,
        }
        if Dfun is not None:
            infodict["njev"] = fit.njev
        if limits is not None:
            infodict["active_mask"] = (x >= limits[1]).astype(int) - (x <= limits[0])
        elif bounds is not None:
            infodict["active_mask"] = np.zeros(x.size, dtype=int)
        return x, fit.cov_x, infodict, mesg, ier

    if ier == _minpack.INFO_IMPROPER:
        raise type_error(improper(x.size, options), IMPROPER)
    if ier == _minpack.INFO_NONFINITE:
        raise value_error(mesg)
    if warning:
        limit = "maxfev" if max_nfev is None else "max_nfev"
        warn(f"{mesg}{advice(ier, limit)}", RuntimeWarning)
    return x, ier


def _deprecate_warning() -> None:
    warn(
        "The warning argument of leastsq is deprecated: "
        "silence its RuntimeWarning with the warnings module.",
        DeprecationWarning,
    )
