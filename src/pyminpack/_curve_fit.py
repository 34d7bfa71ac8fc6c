"""Fit a model function to data: scipy-compatible, on top of `leastsq`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from . import _result
from ._fit.call import at_start, check_call, is_like_least_squares
from ._fit.compare import as_arrays, compared, fitted_of, jacobian_of, residuals_of, scale_of
from ._fit.conclusion import conclude
from ._fit.weights import as_weights
from ._input import fit_data, parameters, scipy_options
from ._input.arguments import EPS, as_floats, residual_eps
from ._jacobian.doubt import FullOutput, reason_to_doubt
from ._leastsq import leastsq
from ._messages import not_found
from ._minpack import INFO_STOPPED, enorm

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._types import Derivatives, Method, NanPolicy, No, Options, Yes

    Named = npt.ArrayLike | Mapping[str, Any]

__all__ = ["curve_fit"]

FloatArray = npt.NDArray[np.float64]

UNBOUNDED = (-np.inf, np.inf)
#: Where there may be fewer data than parameters.
FEWER = "; with bounds or method='trf' it may"


@overload
def curve_fit(
    f: Callable[..., Any], xdata: Any, ydata: npt.ArrayLike, p0: Named | None = ...,
    sigma: npt.ArrayLike | None = ..., absolute_sigma: bool = ...,
    check_finite: bool | None = ..., bounds: Any = ..., method: Method | None = ...,
    jac: Derivatives | None = ..., *, full_output: No = ..., nan_policy: NanPolicy | None = ...,
    **kwargs: Unpack[Options],
) -> _result.CurveFitResult: ...  # fmt: skip
@overload
def curve_fit(
    f: Callable[..., Any], xdata: Any, ydata: npt.ArrayLike, p0: Named | None = ...,
    sigma: npt.ArrayLike | None = ..., absolute_sigma: bool = ...,
    check_finite: bool | None = ..., bounds: Any = ..., method: Method | None = ...,
    jac: Derivatives | None = ..., *, full_output: Yes, nan_policy: NanPolicy | None = ...,
    **kwargs: Unpack[Options],
) -> _result.FullCurveFitResult: ...  # fmt: skip
@overload
def curve_fit(
    f: Callable[..., Any], xdata: Any, ydata: npt.ArrayLike, p0: Named | None = ...,
    sigma: npt.ArrayLike | None = ..., absolute_sigma: bool = ...,
    check_finite: bool | None = ..., bounds: Any = ..., method: Method | None = ...,
    jac: Derivatives | None = ..., *, full_output: bool = ..., nan_policy: NanPolicy | None = ...,
    **kwargs: Unpack[Options],
) -> _result.CurveFitResult | _result.FullCurveFitResult: ...  # fmt: skip
def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: npt.ArrayLike,
    p0: Named | None = None,
    sigma: npt.ArrayLike | None = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = UNBOUNDED,
    method: Method | None = None,
    jac: Derivatives | None = None,
    *,
    full_output: bool | Literal[0, 1] = False,
    nan_policy: NanPolicy | None = None,
    **kwargs: Any,
) -> _result.CurveFitResult | _result.FullCurveFitResult:
    """Fit the parameters of a model to data, by least squares.

    Finds the `p` that minimises ``sum(((f(xdata, *p) - ydata)/sigma)**2)``. A drop-in replacement
    of `scipy.optimize.curve_fit`.

    Parameters
    ----------
    f : callable
        ``f(xdata, *p)`` returns what the model predicts for `ydata`, in its shape and units; one
        number stands for all. The parameters arrive one by one, as numbers. `xdata` are not to be
        written into.
    xdata : object
        Where the data were taken; usually shape (M,), or (k, M) for k predictors. A list, tuple,
        array or column of a table (pandas' Series) is converted to float64, once, dates in their
        unit; anything else (a dict, a table, None) is handed to `f` as it is.
    ydata : array_like, shape (M,)
        What was measured. A model that compares with its data itself can take 0 here.
    p0 : array_like, shape (N,), or dict, optional
        Start, N finite real numbers, in order or by the names in the signature of `f`. Default:
        ones or, with finite `bounds`, a point inside them: the middle of two, one unit inside of
        one. N is then the number of positional parameters of `f`, less one.
    sigma : scalar or array_like, shape (M,) or (M, M), optional
        Standard deviations of `ydata`, in its units, one for all or one each; infinite ones leave
        an observation without weight. Or the covariance matrix, positive definite, in units of
        `ydata` squared. Default: 1.
    absolute_sigma : bool, optional
        True: `sigma` is known, and `pcov` follows from it alone. False: only the ratios within
        `sigma` are, and `pcov` is multiplied by ``chi2/(M - N)``.
    check_finite : bool, optional
        Raise where `xdata` or `ydata` are not finite. Default: True without a `nan_policy`, else
        False.
    bounds : 2-tuple of array_like, object with ``lb`` and ``ub``, or dict, optional
        Lower and upper bounds, each a scalar or of shape (N,), in units of the parameters;
        infinite ones and None are none, equal ones fix a parameter. Vectors also tell the N of a
        model ``f(xdata, *p)`` without `p0`. By name: ``{"rate": (0, 9)}``, or a dict for a side.
    method : {None, 'lm', 'trf', 'dogbox'}, optional
        SciPy's names. The solver is one and the same; 'trf', 'dogbox' and `bounds` stand for the
        rules of SciPy's `least_squares`: fewer data than parameters are a fit, ``maxfev`` leaves
        out the calls for differences, and a tolerance below the machine's precision is none. 'lm'
        takes no `bounds`.
    jac : callable or {'2-point', '3-point', 'cs', 'adaptive'}, optional
        ``jac(xdata, *p)`` returns the derivatives of `f`, shape (M, N), or (M,) for N = 1; they
        are weighted by `sigma` here. Or differences: forward (the default), central, by a complex
        step, or 'adaptive': central, whose steps are sought. Where '2-point' or '3-point' are not
        good enough for the standard errors, the fit is made again with 'adaptive': within the
        ``maxfev`` or ``max_nfev`` that is given, else with 1000*(N + 1) further calls at the most.
    full_output : bool, optional
        Return `infodict`, `mesg` and `ier` as well.
    nan_policy : {None, 'raise', 'omit'}, optional
        What to do with NaN (and NaT, NA) in `xdata`, its columns if it is a table or dict, `ydata`
        or `sigma`: nothing, raise, or leave these observations out of all. Infinite values are the
        business of `check_finite`, which also comes first.
    **kwargs
        Options of `leastsq`: ``ftol``, ``xtol``, ``gtol``, ``maxfev``, ``max_nfev``, ``epsfcn``,
        ``factor``, ``diag``, ``callback``, ``verbose``, ``col_deriv`` (then `jac` returns (N, M)).
        Or of SciPy's `least_squares`: ``x_scale``, sizes of the parameters (1/``diag``) or 'jac';
        ``diff_step``, one relative step of the differences; None for a tolerance, to go on as far
        as the machine's precision; ``loss='linear'``; those that cannot matter here. With the rules
        of `least_squares`, ``maxfev`` is 100*N by default. Or ``chunk``, with ``workers``,
        ``executor`` and ``checkpoint`` as for `leastsq`: see Notes.

    Returns
    -------
    A `CurveFitResult`, or with `full_output` a `FullCurveFitResult`: a tuple that prints as a
    report, with standard errors, correlations and the like by name, the curve's ``band(x)`` and a
    ``plot()``. It holds

    popt : ndarray, shape (N,)
        The parameters that fit best.
    pcov : ndarray, shape (N, N)
        Their estimated covariance: ``np.sqrt(np.diag(pcov))`` are standard errors. Filled with inf
        where it cannot be estimated. With `bounds` it is that of the parameters off their bounds,
        given the others: the rows and columns of one at a bound are NaN, of a fixed one 0.
    infodict : dict
        With `full_output`. As from `leastsq`: ``nfev``, ``fvec`` (the weighted residuals at `popt`,
        shape (M,)), ``fjac``, ``ipvt``, ``qtf``, and with a callable `jac` ``njev``.
    mesg : str
        With `full_output`. What `ier` means.
    ier : int
        With `full_output`. 1, 2, 3, 4: converged by `ftol`, `xtol`, both, `gtol`; 10: stopped by
        `callback`.

    Raises
    ------
    RuntimeError
        The fit does not converge: "Optimal parameters not found: " and why.
    TypeError
        Fewer data than parameters, without `bounds`; data or results that are not real numbers; no
        function; an option that is not known, or left to SciPy (``loss`` other than 'linear').
    ValueError
        Data that are not finite, empty, or of shapes that do not fit together; an unusable `sigma`;
        `p0` not finite or out of `bounds`; a number of parameters that `f` does not tell; an
        unknown `method`, `jac` or `nan_policy`.

    Warns
    -----
    OptimizeWarning
        `pcov` cannot be estimated: the data do not tell parameters apart, there are as many
        parameters as data, the model jumps, or the callback has stopped the fit. Or it is not to be
        trusted: the model is rounded, or its rounding errors show in the standard errors. The
        warning names the parameters and the cause. Where `scipy.optimize` is loaded, it is one of
        SciPy's `OptimizeWarning` as well.

    See Also
    --------
    leastsq : the same method for residuals of any kind.

    Notes
    -----
    A correlated `sigma` is taken apart as L Lᵀ (Cholesky), and the sum of squares is that of L⁻¹
    times the residuals.

    `f` is called once at `p0`. Its floating-point dtype sets the difference step where ``epsfcn``
    does not, so that models in float32 can be fitted too; `ydata` of whatever precision becomes
    float64.

    Data that are larger than memory are fitted in chunks: `ydata` of more than 65536 numbers in a
    `numpy.memmap`, or of Dask, whose workers then do the work; or any, with ``chunk=rows``. `f` is
    called with the `xdata` of a chunk, and each of its values must depend on its own `xdata` alone.
    `xdata` are arrays of shape (..., M), or tables or dicts of such columns; `sigma` is no matrix.
    The result keeps no data.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import curve_fit
    >>> def decay(t, amplitude, rate):
    ...     return amplitude*np.exp(-rate*t)
    >>> t = np.arange(6.0)
    >>> y = decay(t, 3.0, 0.5) + [0.02, -0.03, 0.01, 0.02, -0.01, 0.0]
    >>> popt, pcov = curve_fit(decay, t, y)
    >>> np.round(popt, 2)
    array([3.01, 0.5 ])
    >>> np.round(np.sqrt(np.diag(pcov)), 3)
    array([0.02 , 0.006])

    With known standard deviations of the data, in their units:

    >>> popt, pcov = curve_fit(decay, t, y, sigma=0.05, absolute_sigma=True)
    >>> np.round(np.sqrt(np.diag(pcov)), 3)
    array([0.047, 0.015])
    """
    if fit_data.is_cut(xdata, ydata, kwargs):
        from ._blocks.chunked_fit import fit_chunks

        return fit_chunks(
            f, xdata, ydata, p0, sigma, absolute_sigma, check_finite,
            None if bounds is UNBOUNDED else bounds, method, jac, bool(full_output), nan_policy,
            kwargs,
        )  # fmt: skip
    check_call(f, method, jac, kwargs)
    xdata, ydata, sigma = fit_data.prepare(xdata, ydata, sigma, check_finite, nan_policy)
    start_is_ours = p0 is None
    p0, limits = parameters.start(f, p0, None if bounds is UNBOUNDED else bounds)
    n, m = p0.size, ydata.size
    like_least_squares = is_like_least_squares(method, limits)
    if m != 1 and not like_least_squares:  # one may stand for any number
        parameters.require_enough(m, n, FEWER)
    asked = kwargs
    if kwargs or like_least_squares:
        kwargs = scipy_options.translate(kwargs, n, jac, like_least_squares)
    given, col_deriv = f, bool(kwargs.get("col_deriv", False))
    before = fit_data.snapshot(xdata)
    first = at_start(f, xdata, p0, before)
    ydata = compared(ydata, first)
    weights = None if sigma is None else as_weights(sigma, ydata)
    if kwargs.get("epsfcn") is None and (eps := residual_eps(first)) > EPS:
        kwargs["epsfcn"] = eps
    if type(first) is not np.ndarray and hasattr(first, "to_numpy"):
        f, first = as_arrays(f), as_floats(first, "f returned")
    residuals = residuals_of(f, xdata, ydata, weights, first)
    m = ydata.size
    if not like_least_squares:
        parameters.require_enough(m, n, FEWER)
    missing = max(0, n - m)
    if callable(jac):
        kwargs["Dfun"] = jacobian_of(jac, xdata, weights, (n, m), col_deriv)
        kwargs["col_deriv"] = True
    elif jac not in (None, "2-point", "adaptive"):
        kwargs["Dfun"] = jac
    if limits is not None:
        kwargs["bounds"] = limits
    if missing:
        residuals, kwargs = _with_zeros(residuals, kwargs, missing)

    if jac == "adaptive":
        from ._jacobian.adaptive import Adaptive

        size = scale_of(ydata, weights, first)
        kwargs["Dfun"] = Adaptive(residuals, kwargs.get("epsfcn"), limits, size)

    accuracy = fnorm = None
    try:
        outcome = FullOutput(*leastsq(residuals, p0, full_output=True, **kwargs))
        stopped = outcome.ier == INFO_STOPPED
        scale = scale_of(ydata, weights, outcome.infodict["fvec"])
        if not (stopped or missing):
            by = "given" if callable(jac) else jac or "2-point"
            error = max(kwargs.get("epsfcn") or EPS, EPS)
            fnorm = enorm(outcome.infodict["fvec"])
            reason = reason_to_doubt(outcome, fnorm, scale, by, error)
            if reason or by == "adaptive":
                # Seldom needed, and as long to load as all else.
                from ._jacobian.accuracy import assess

                calls = scipy_options.calls_left(
                    asked, n, by, like_least_squares, outcome.infodict["nfev"]
                )
                outcome, accuracy = assess(residuals, p0, outcome, reason, scale, by, kwargs, calls)
                fnorm = None
    finally:
        fit_data.check_kept(xdata, before)
    popt, _, infodict, mesg, ier = outcome
    if not (outcome.converged or stopped):
        bad = fit_data.nonfinite("xdata", xdata) or fit_data.nonfinite("ydata", ydata)
        raise RuntimeError(not_found(mesg, ier, asked, start_is_ours, bad))
    if missing:
        infodict["fvec"] = infodict["fvec"][:m]
        infodict["fjac"] = np.ascontiguousarray(infodict["fjac"][:, :m])
    pcov, free, warned = conclude(
        f, jac, fitted_of(f, xdata, ydata, weights), p0, limits, absolute_sigma, outcome, accuracy,
        fnorm, scale,
    )  # fmt: skip
    state = (
        popt, pcov, given, jac if callable(jac) else None, col_deriv, xdata, ydata,
        None if weights is None else weights.factor, infodict["fvec"], free, limits,
        infodict["nfev"], ier, mesg, warned,
    )  # fmt: skip
    return _result.make(state, infodict if full_output else None)


def _with_zeros(
    residuals: Callable[[FloatArray], Any], options: dict[str, Any], missing: int
) -> tuple[Callable[[FloatArray], Any], dict[str, Any]]:
    """Add residuals of 0 where there are fewer than parameters: the solver wants as many."""
    zeros, jacobian = np.zeros(missing), options.get("Dfun")

    def padded(p: FloatArray) -> Any:
        return np.append(residuals(p), zeros)

    if callable(jacobian):

        def padded_jacobian(p: FloatArray) -> FloatArray:
            return np.hstack([jacobian(p), np.zeros((p.size, missing))])

        options = {**options, "Dfun": padded_jacobian}
    return padded, options
