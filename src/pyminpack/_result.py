"""What `curve_fit` returns: a tuple, as SciPy's, that can tell more where it is asked.

Nothing is computed before someone looks; a fit that nobody looks at pays for two small objects.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ._input import parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from ._fit.fitted import Fitted
    from ._types import Ier, InfoDict

__all__ = ["CurveFitResult", "FullCurveFitResult", "make"]

FloatArray = npt.NDArray[np.float64]


class _Result:
    """What the tuples of two and of five share."""

    _state: tuple[Any, ...]  # a `Fitted`, as the plain tuple that takes half the time to make

    @property
    def _fitted(self) -> Fitted:
        from ._fit.fitted import Fitted

        return Fitted(*self._state)

    @property
    def popt(self) -> FloatArray:
        """The parameters that fit best, shape (N,)."""
        return self._fitted.popt

    @property
    def pcov(self) -> FloatArray:
        """Their estimated covariance, shape (N, N)."""
        return self._fitted.pcov

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, from the signature of `f`; ``p[0]``, ... where it has none."""
        fit = self._fitted
        return fit.names or parameters.names(fit.f, fit.popt.size)

    @property
    def title(self) -> str:
        """The call of `f`, as in ``decay(t, amplitude, rate)``."""
        fit = self._fitted
        return fit.title or parameters.call(fit.f, self.names)

    @property
    def stderr(self) -> FloatArray:
        """Standard errors, shape (N,): inf where unknown, NaN at a bound, 0 where fixed."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self._fitted.pcov.diagonal())

    @property
    def correlation(self) -> FloatArray:
        """Correlations of the parameters, shape (N, N), NaN where a variance is 0 or unknown."""
        errors = self.stderr
        with np.errstate(invalid="ignore", divide="ignore"):
            matrix = self._fitted.pcov / errors[:, None] / errors
        return np.asarray(np.clip(matrix, -1.0, 1.0), dtype=np.float64)

    @property
    def chisqr(self) -> float:
        """Sum of the squared residuals, each divided by its `sigma` where there is one."""
        fvec = self._fitted.fvec
        with np.errstate(over="ignore"):
            return float(fvec @ fvec if isinstance(fvec, np.ndarray) else np.square(fvec.norm))

    @property
    def redchi(self) -> float:
        """`chisqr` for each degree of freedom; NaN where there is none."""
        return self.chisqr / self.dof if self.dof > 0 else float("nan")

    @property
    def dof(self) -> int:
        """Degrees of freedom: observations less the parameters that are not fixed."""
        return self._fitted.fvec.size - self._fitted.free

    @property
    def nfev(self) -> int:
        """Number of calls of `f`, as MINPACK counts them."""
        return self._fitted.nfev

    @property
    def ier(self) -> Ier:
        """Why the fit has ended: 1 to 4 converged, 10 stopped by the callback."""
        return self._fitted.ier

    @property
    def message(self) -> str:
        """What `ier` means."""
        return self._fitted.message

    @property
    def active_mask(self) -> npt.NDArray[np.int_]:
        """Shape (N,): -1 where a parameter is at its lower bound, 1 at its upper one, else 0."""
        popt, limits = self._fitted.popt, self._fitted.limits
        if limits is None:
            return np.zeros(popt.size, dtype=int)
        return np.asarray((popt >= limits[1]).astype(int) - (popt <= limits[0]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Texts of the warnings that the fit has given."""
        return self._fitted.warnings

    def band(self, x: Any = None) -> FloatArray:
        """Return the standard error of the fitted curve.

        By propagation of `pcov` (the delta method): the root of the diagonal of G C Gᵀ, with the
        derivatives G of the curve at `popt`. Parameters at a bound and fixed ones count as known.

        Parameters
        ----------
        x : object, optional
            Where, as `f` takes it. Default: the `xdata` of the fit.

        Returns
        -------
        ndarray
            In the shape and units of what `f` returns; inf where `pcov` is.
        """
        from ._fit import band

        return band.band(self._fitted, self._fitted.xdata if x is None else x)

    def plot(self, figure: Figure | SubFigure | None = None) -> tuple[Axes, Axes]:
        """Draw data, fit and its band of one standard error, and below them the residuals.

        Needs matplotlib, and one predictor: `xdata` of shape (M,).

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, optional
            Where to draw. Default: a new one, of `matplotlib.pyplot`.

        Returns
        -------
        tuple of two matplotlib.axes.Axes
            Of the data and of the residuals; the ``figure`` of either can be saved.
        """
        from ._fit import plot

        return plot.plot(self, figure)

    def __copy__(self) -> Any:
        return _remake(type(self), cast(tuple[Any, ...], self), self._state)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        items, state = copy.deepcopy((tuple(cast(Iterable[Any], self)), self._state), memo)
        return _remake(type(self), items, state)

    def __reduce__(self) -> tuple[Any, ...]:
        fit = self._fitted
        kept = _can_be_pickled(fit.f) and _can_be_pickled(fit.xdata)
        fit = fit._replace(
            f=fit.f if kept else None,
            xdata=fit.xdata if kept else None,
            jac=fit.jac if _can_be_pickled(fit.jac) else None,
            names=self.names,
            title=self.title,
        )
        return _remake, (type(self), tuple(cast(Iterable[Any], self)), tuple(fit))

    def __str__(self) -> str:
        """Report: the parameters and their errors, their correlations, why the fit has ended."""
        from ._fit import report

        return report.as_text(self)

    def _repr_html_(self) -> str:
        from ._fit import report

        return report.as_html(self)


class CurveFitResult(_Result, tuple[FloatArray, FloatArray]):
    """Result of `curve_fit`: the tuple ``(popt, pcov)``, and more by name.

    ``print(result)`` writes a report; a notebook shows it as a table.

    Attributes
    ----------
    names : tuple of str
    popt, stderr : ndarray, shape (N,)
    pcov, correlation : ndarray, shape (N, N)
    chisqr, redchi : float
    dof, nfev, ier : int
    message : str
    active_mask : ndarray of int, shape (N,)
    warnings : tuple of str

    Notes
    -----
    It holds the data and `f`, by reference, for `band` and `plot`. A pickle holds a copy of the
    data, and `f` where it can be imported from where it is read; else `band` and `plot` are lost.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import curve_fit
    >>> def decay(t, amplitude, rate):
    ...     return amplitude*np.exp(-rate*t)
    >>> t = np.arange(6.0)
    >>> y = decay(t, 3.0, 0.5) + [0.02, -0.03, 0.01, 0.02, -0.01, 0.0]
    >>> result = curve_fit(decay, t, y)
    >>> result.names
    ('amplitude', 'rate')
    >>> np.round(result.band([0.0, 10.0]), 4)
    array([0.0199, 0.0012])
    >>> print(result)
    decay(t, amplitude, rate)
    <BLANKLINE>
      amplitude   3.009 ± 0.020   0.66 %
      rate       0.5020 ± 0.0062  1.2 %
    <BLANKLINE>
      data            6 observations, 2 parameters
      sum of squares  0.0018073; 0.00045181 for each of 4 degrees of freedom
      end             Converged: both actual and predicted reductions of the sum of
                      squares are at most ftol = 1.49012e-08. 23 calls of f.
    """

    def __repr__(self) -> str:
        return f"CurveFitResult(popt={self[0]!r}, pcov={self[1]!r})"


class FullCurveFitResult(_Result, tuple[FloatArray, FloatArray, "InfoDict", str, "Ier"]):
    """Result of `curve_fit` with `full_output`: ``(popt, pcov, infodict, mesg, ier)``.

    And all that `CurveFitResult` has by name.

    Examples
    --------
    >>> from pyminpack import curve_fit
    >>> result = curve_fit(lambda t, a, b: a + b*t, [0, 1, 2], [1.0, 3.1, 4.9], full_output=True)
    >>> popt, pcov, infodict, mesg, ier = result
    >>> infodict["nfev"] == result.nfev
    True
    """

    @property
    def infodict(self) -> InfoDict:
        """As from `leastsq`."""
        return self[2]

    @property
    def mesg(self) -> str:
        """What `ier` means."""
        return self[3]

    def __repr__(self) -> str:
        return (
            f"FullCurveFitResult(popt={self[0]!r}, pcov={self[1]!r}, infodict={self[2]!r}, "
            f"mesg={self[3]!r}, ier={self[4]!r})"
        )


def make(state: tuple[Any, ...], infodict: InfoDict | None) -> CurveFitResult | FullCurveFitResult:
    """Make the tuple of two or, with an `infodict`, of five, of what `Fitted` lists."""
    result: CurveFitResult | FullCurveFitResult
    if infodict is None:
        result = CurveFitResult((state[0], state[1]))
    else:
        from ._fit.fitted import Fitted

        fit = Fitted(*state)
        result = FullCurveFitResult((fit.popt, fit.pcov, infodict, fit.message, fit.ier))
    result._state = state
    return result


def _remake(kind: type[Any], items: tuple[Any, ...], state: tuple[Any, ...]) -> Any:
    result = kind(items)
    result._state = state
    return result


def _can_be_pickled(value: Any) -> bool:
    if value is None or type(value) is np.ndarray:
        return True
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True
