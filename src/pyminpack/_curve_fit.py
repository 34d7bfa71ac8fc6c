"""Fit a model function to data: scipy-compatible, on top of `leastsq`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _fit_data, _scipy_options
from ._arguments import _as_floats, _describe, residual_eps
from ._diagnosis import UNKNOWN, Fit, causes, no_degrees_of_freedom, suspicious
from ._differences import METHODS
from ._errors import optimize_warning, stacklevel
from ._leastsq import leastsq
from ._minpack import enorm

__all__ = ["curve_fit"]

FloatArray = npt.NDArray[np.float64]
Weights = float | FloatArray | None

UNBOUNDED = (-np.inf, np.inf)
EPS = float(np.finfo(np.float64).eps)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: npt.ArrayLike,
    p0: npt.ArrayLike | None = None,
    sigma: npt.ArrayLike | None = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = UNBOUNDED,
    method: str | None = None,
    jac: Callable[..., Any] | str | None = None,
    *,
    full_output: bool = False,
    nan_policy: str | None = None,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Fit the parameters of a model to data, by least squares.

    Finds the `p` that minimises ``sum(((f(xdata, *p) - ydata)/sigma)**2)``. A drop-in replacement
    of `scipy.optimize.curve_fit`.

    Parameters
    ----------
    f : callable
        ``f(xdata, *p)`` returns what the model predicts for `ydata`, in its shape and units. The
        parameters arrive one by one, as numbers.
    xdata : object
        Where the data were taken; usually shape (M,), or (k, M) for k predictors. A list, tuple or
        array is converted to float64; anything else (a dict, a table, None) is handed to `f` as it
        is.
    ydata : array_like, shape (M,)
        What was measured. A model that compares with its data itself can take 0 here.
    p0 : array_like, shape (N,), optional
        Start, N finite real numbers. Default: ones or, with finite `bounds`, a point inside them:
        the middle of two, one unit inside of one. N is then the number of positional parameters
        of `f`, less one.
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
    bounds : 2-tuple of array_like, or object with ``lb`` and ``ub``, optional
        Lower and upper bounds, each a scalar or of shape (N,), in units of the parameters;
        infinite ones and None are none, equal ones fix a parameter. Vectors also tell the N of a
        model ``f(xdata, *p)`` without `p0`.
    method : {None, 'lm', 'trf', 'dogbox'}, optional
        SciPy's names. The solver is one and the same; 'trf', 'dogbox' and `bounds` stand for the
        rules of SciPy's `least_squares`: fewer data than parameters are a fit, ``maxfev`` leaves
        out the calls for differences, and a tolerance below the machine's precision is none. 'lm'
        takes no `bounds`.
    jac : callable or {'2-point', '3-point', 'cs'}, optional
        ``jac(xdata, *p)`` returns the derivatives of `f`, shape (M, N), or (M,) for N = 1; they
        are weighted by `sigma` here. Or differences: forward (the default), central, or by a
        complex step.
    full_output : bool, optional
        Return `infodict`, `mesg` and `ier` as well.
    nan_policy : {None, 'raise', 'omit'}, optional
        What to do with NaN in `xdata` or `ydata`: nothing, raise, or leave these observations out,
        of `sigma` too. Infinite values are the business of `check_finite`, which also comes first.
    **kwargs
        Options of `leastsq`: ``ftol``, ``xtol``, ``gtol``, ``maxfev``, ``max_nfev``, ``epsfcn``,
        ``factor``, ``diag``, ``callback``, ``verbose``, ``col_deriv`` (then `jac` returns (N, M)).
        Or of SciPy's `least_squares`: ``x_scale``, sizes of the parameters (1/``diag``) or 'jac';
        ``diff_step``, one relative step of the differences; None for a tolerance, to go on as far
        as the machine's precision; ``loss='linear'``; those that cannot matter here. With the rules
        of `least_squares`, ``maxfev`` is 100*N by default.

    Returns
    -------
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
        parameters as data, or the callback has stopped the fit. Or it is not to be trusted: the
        model does not depend on a parameter, or a difference step is too small for it to show. The
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
    _check_call(f, method, jac, kwargs)
    xdata, ydata, sigma = _fit_data.prepare(xdata, ydata, sigma, check_finite, nan_policy)
    p0, limits = _start(f, p0, bounds)
    if limits is not None and method == "lm":
        raise ValueError(
            "method='lm' is for fits without bounds, as in SciPy; leave it out, or say 'trf': the "
            "solver is the same."
        )
    n, m = p0.size, ydata.size
    like_least_squares = limits is not None or method in _scipy_options.METHODS
    if n > m != 1 and not like_least_squares:
        raise TypeError(
            f"The number of func parameters={n} must not exceed the number of data points={m}; "
            "with bounds or method='trf' it may."
        )
    if kwargs or like_least_squares:
        kwargs = _scipy_options.translate(kwargs, n, jac, like_least_squares)
    weights = None if sigma is None else _fit_data.weights(sigma, ydata)

    first = f(xdata, *p0)
    _check_prediction(first, ydata)
    if kwargs.get("epsfcn") is None and (eps := residual_eps(first)) > EPS:
        kwargs["epsfcn"] = eps
    correlated = _fit_data.correlated(weights, ydata)
    residuals = _residuals(f, xdata, ydata, weights, correlated, first)
    m = max(m, np.size(first))
    missing = max(0, n - m) if like_least_squares else 0
    if callable(jac):
        want = n, m
        col_deriv = kwargs.get("col_deriv", False)
        kwargs["Dfun"] = _jacobian(jac, xdata, weights, correlated, want, col_deriv)
        kwargs["col_deriv"] = True
    elif jac is not None and jac != "2-point":
        kwargs["Dfun"] = jac
    if limits is not None:
        kwargs["bounds"] = limits
    if missing:
        residuals, kwargs = _with_zeros(residuals, kwargs, missing)

    popt, cov_x, infodict, mesg, ier = leastsq(residuals, p0, full_output=True, **kwargs)
    stopped = ier == 10
    if ier not in (1, 2, 3, 4) and not stopped:
        bad = _fit_data.nonfinite("xdata", xdata) or _fit_data.nonfinite("ydata", ydata)
        raise RuntimeError(f"Optimal parameters not found: {mesg}{bad and f' In the data, {bad}.'}")
    free = n if limits is None else int(np.count_nonzero(limits[0] < limits[1]))
    fvec, fjac = infodict["fvec"][:m], infodict["fjac"]
    if missing:
        infodict.update(fvec=fvec, fjac=fjac[:, :m])
    pcov = _covariance(cov_x, fvec, n, free, absolute_sigma)

    scale = _scale(ydata, weights, correlated, fvec)
    epsfcn = None if "Dfun" in kwargs else kwargs.get("epsfcn") or EPS
    ended = p0, popt, fjac, infodict["ipvt"], scale, epsfcn
    texts = []
    if stopped:
        texts.append(f"{UNKNOWN}: the callback has stopped the fit on its way.")
    elif m < free:
        texts.append(no_degrees_of_freedom(m, free))
    elif cov_x is None or suspicious(*ended):
        names = _positional(f)[1 : n + 1]
        lower, upper = (None, None) if limits is None else limits
        texts = causes(
            Fit(
                _model(f, xdata, ydata, weights, correlated), *ended, cov_x is not None,
                names if len(names) == n else (), lower, upper, infodict["qtf"], fvec,
            )
        )  # fmt: skip
    if cov_x is not None and fvec.size <= free and not absolute_sigma:
        texts.append(no_degrees_of_freedom(fvec.size, free))
    if texts:
        _warn(texts, not np.isfinite(pcov.diagonal()).all())
    return (popt, pcov, infodict, mesg, ier) if full_output else (popt, pcov)


def _check_call(f: Any, method: Any, jac: Any, options: dict[str, Any]) -> None:
    """Raise where an argument is not one of those that are possible."""
    if not callable(f):
        raise TypeError(f"f is {_describe(f)}; want a function f(xdata, *parameters).")
    if not (method is None or method == "lm" or method in _scipy_options.METHODS):
        raise ValueError(
            f"method is {method!r}; want None, 'lm', 'trf' or 'dogbox': Levenberg-Marquardt, under "
            "any of these names."
        )
    if not (jac is None or callable(jac) or (isinstance(jac, str) and jac in METHODS)):
        raise ValueError(
            f"jac is {_describe(jac)}; want a function jac(xdata, *parameters), None, or one of "
            f"{', '.join(map(repr, METHODS))}."
        )
    if options:
        _scipy_options.check(options)


def _start(
    f: Callable[..., Any], p0: Any, bounds: Any
) -> tuple[FloatArray, tuple[FloatArray, FloatArray] | None]:
    """Return the start, of shape (N,), and the bounds, each of shape (N,), where there are any."""
    if p0 is None:
        n = _number_of_parameters(f, bounds)
        start = np.full(n, 1.0)
    else:
        start = _as_floats(p0, "p0 is").flatten()
        n = start.size
        if n == 0:
            raise ValueError("p0 is empty; want at least one parameter.")
        if not _fit_data.all_finite(start):
            where = np.flatnonzero(~np.isfinite(start))[0]
            raise ValueError(f"p0[{where}] is {start[where]}; want finite numbers to start from.")
    if bounds is UNBOUNDED or bounds is None:
        return start, None
    limits = _fit_data.limits(bounds, n)
    if limits is None:
        return start, None
    if p0 is None:
        return _fit_data.inside(*limits), limits
    outside = np.flatnonzero((start < limits[0]) | (start > limits[1]))
    if outside.size:
        k = outside[0]
        raise ValueError(
            f"Initial guess is outside of provided bounds: p0[{k}] is {start[k]}, outside of its "
            f"bounds [{limits[0][k]}, {limits[1][k]}]."
        )
    return start, limits


def _number_of_parameters(f: Callable[..., Any], bounds: Any) -> int:
    """Count the positional arguments of `f` that follow xdata; if there are none, the bounds."""
    bound = isinstance(f, MethodType)
    function = f.__func__ if isinstance(f, MethodType) else f
    if type(function) is FunctionType and not function.__dict__:
        count = function.__code__.co_argcount - bound  # a tenth of the time of inspect.signature
    else:  # __wrapped__ and __signature__, which live in the __dict__, say otherwise
        count = len(_positional(f))
    n = count - 1 if count > 1 else _fit_data.count(bounds)
    if n == 0:
        raise ValueError(
            "Unable to determine number of fit parameters. "
            "The signature of f names none after xdata; p0 would tell."
        )
    return n


def _positional(f: Callable[..., Any]) -> list[str]:
    """Names of the positional arguments of `f`, xdata included."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [parameter.name for parameter in parameters if parameter.kind in POSITIONAL]


def _check_prediction(value: Any, ydata: FloatArray) -> None:
    """Raise where what `f` returned cannot be compared with `ydata`, element by element."""
    shape = _as_floats(value, "f returned").shape
    if shape == ydata.shape:
        return
    try:
        size = np.prod(np.broadcast_shapes(shape, ydata.shape), dtype=int)
    except ValueError:
        size = -1
    if size != ydata.size and ydata.size != 1:
        raise ValueError(f"f returned shape {shape}; want that of ydata, {ydata.shape}.")


def _residuals(
    f: Callable[..., Any],
    xdata: Any,
    ydata: FloatArray,
    weights: Weights,
    correlated: bool,
    first: Any,
) -> Callable[[FloatArray], Any]:
    """Make the function to minimise; `first` is what `f` returned at the start."""

    def residuals(p: FloatArray) -> Any:
        nonlocal first
        if first is None:
            difference = f(xdata, *p) - ydata
        else:
            difference, first = first - ydata, None
        return difference if weights is None else _weighted(difference, weights, correlated)

    return residuals


def _weighted(values: Any, weights: Weights, correlated: bool) -> Any:
    if weights is None:
        return values
    return weights @ np.ravel(values) if correlated else weights * values


def _jacobian(
    jac: Callable[..., Any],
    xdata: Any,
    weights: Weights,
    correlated: bool,
    want: tuple[int, int],
    col_deriv: bool,
) -> Callable[[FloatArray], FloatArray]:
    """Make the weighted Jacobian, of shape (N, M)."""
    n, m = want
    if isinstance(weights, np.ndarray) and not correlated:
        weights = weights.ravel()

    def jacobian(p: FloatArray) -> FloatArray:
        value = _as_floats(jac(xdata, *p), "jac returned")
        rows = value if col_deriv else value.T
        if n == 1 and rows.shape == (m,):
            rows = rows.reshape(want)
        if rows.shape != want:
            layout = f"{want} = (N, M), as col_deriv is true" if col_deriv else f"{(m, n)} = (M, N)"
            raise TypeError(
                f"jac returned shape {value.shape}; want {layout}, for M = {m} data points and "
                f"N = {n} parameters."
            )
        if weights is None:
            return rows
        return rows @ weights.T if correlated else rows * weights  # type: ignore[union-attr]

    return jacobian


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


def _covariance(
    cov_x: FloatArray | None, fvec: FloatArray, n: int, free: int, absolute_sigma: bool
) -> FloatArray:
    """Scale `cov_x`; inf where that is no estimate."""
    if cov_x is not None:
        if absolute_sigma:
            return cov_x
        if fvec.size > free:
            norm = enorm(fvec)
            return cov_x * (norm * norm / (fvec.size - free))
    return np.full((n, n), np.inf)


def _scale(ydata: FloatArray, weights: Weights, correlated: bool, fvec: FloatArray) -> float:
    """Norm of the numbers that the residuals are differences of.

    Those of the residuals themselves where the data are zeros, and the model compares.
    """
    data = _weighted(ydata, weights, correlated).ravel()
    return enorm(data) or enorm(fvec)


def _model(
    f: Callable[..., Any], xdata: Any, ydata: FloatArray, weights: Weights, correlated: bool
) -> Callable[[FloatArray], Any]:
    """Make the function that returns the fitted values, weighted as the residuals are."""

    def model(p: FloatArray) -> Any:
        values, _ = np.broadcast_arrays(f(xdata, *p), ydata)
        return np.ravel(_weighted(values, weights, correlated))

    return model


def _warn(texts: list[str], unknown: bool) -> None:
    """Issue one warning for the covariance with all that is known of it, else one for each text."""
    if unknown:
        first, *others = (text.removeprefix(f"{UNKNOWN}: ") for text in texts)
        texts = [" ".join([f"{UNKNOWN}: {first[0].lower()}{first[1:]}", *others])]
    for text in texts:
        warnings.warn(text, optimize_warning(), stacklevel=stacklevel())
