"""What `curve_fit_many` and `leastsq_many` return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ._called import type_error, value_error
from ._input.arguments import describe
from ._messages import CONVERGED, Terms, message
from ._minpack import (
    CAUSE_JACOBIAN,
    CAUSE_START,
    CAUSE_TRIAL,
    DOUBT_NOISE,
    DOUBT_TRUNCATION,
    DOUBT_UNFINISHED,
    INFO_IMPROPER,
    INFO_NONFINITE,
    UNFIT_FEW,
    UNFIT_OUTSIDE,
    UNFIT_START,
)

__all__ = ["UNFINISHED", "ManyFits", "prepare"]

FloatArray = npt.NDArray[np.float64]

#: `ier` of a fit that has not ended yet.
UNFINISHED = -1
#: Bytes of `pcov` from which on it is kept only where asked for.
LARGE = 2**30
#: Fits that are counted at a time.
PIECE = 2**20

#: Why a fit has `ier` 0 or 9.
NOT_BEGUN = {
    UNFIT_FEW: "fewer data than parameters do not determine them.",
    UNFIT_START: "its start is not finite.",
    UNFIT_OUTSIDE: "its start is out of bounds.",
}
#: Why standard errors of a fit with `ier` 1 to 4 may be wrong: minpack/step/doubt.f90.
DOUBTS = {
    DOUBT_NOISE: "the rounding errors of the Jacobian show in them, or hide that parameters differ",
    DOUBT_TRUNCATION: "the steps of the differences lead over what a parameter describes",
    DOUBT_UNFINISHED: "the fit has ended short of its minimum",
}
NOT_FINITE = {
    CAUSE_START: "The residuals at its start are not finite.",
    CAUSE_JACOBIAN: "The Jacobian is not finite where it ended.",
    CAUSE_TRIAL: (
        "The residuals were not finite for any step tried from the best point found: the fit has "
        "run into the edge of where the model is defined."
    ),
}


class ManyFits:
    """The fits of `curve_fit_many` or `leastsq_many`; unpacks as ``popt, pcov``.

    The leading axes, ``...``, are those of the data. ``print`` shows a summary.

    Attributes
    ----------
    popt : ndarray, shape (..., N)
        The parameters; of a fit that has failed, the last point accepted.
    pcov : ndarray, shape (..., N, N), or None
        Their estimated covariance, filled with inf where there is none; None where it is not kept.
    stderr : ndarray, shape (..., N)
        Standard errors: inf where unknown, NaN at a bound, 0 where fixed.
    ier : ndarray of int8, shape (...)
        Why each has ended, as from `leastsq`; -1: it has not. A compiled function that ends a fit
        with -1 shows as -2, and with less than -128 as that.
    nfev : ndarray of int32, shape (...)
        Calls of the function for each, as MINPACK counts them.
    cost : ndarray, shape (...)
        Half the sum of squares.
    doubtful : ndarray of bool, shape (...)
        Where `stderr` of a fit of `curve_fit_many` may be wrong, or inf; `message` says why.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import curve_fit_many
    >>> t = np.arange(5.0)
    >>> fits = curve_fit_many(lambda t, a, b: a + b*t, t, [2 + t, 3 - t, t*np.nan])
    >>> fits
    <ManyFits of shape (3,): 3 fits of 2 parameters: 2 converged, 1 not>
    >>> fits.message(2)
    'The residuals at its start are not finite.'
    >>> fits.failed
    array([False, False,  True])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        n: int,
        covariance: bool | None,
        out: Mapping[str, Any] | None,
        *,
        clear: bool = True,
    ) -> None:
        count = int(np.prod(shape, dtype=np.int64))
        given = dict(out or {})
        if covariance is None:
            covariance = "pcov" in given or 8 * count * n * n <= LARGE

        def array(name: str, tail: tuple[int, ...], dtype: type, empty: float) -> Any:
            if name not in given:
                return np.full((*shape, *tail), empty, dtype=dtype)
            made = _checked_out(name, given.pop(name), (*shape, *tail), np.dtype(dtype))
            if clear:
                made[...] = empty
            return made

        self.popt: FloatArray = array("popt", (n,), np.float64, np.nan)
        self.stderr: FloatArray = array("stderr", (n,), np.float64, np.inf)
        self.pcov: FloatArray | None = None
        if covariance:
            self.pcov = array("pcov", (n, n), np.float64, np.inf)
        self.cost: FloatArray = array("cost", (), np.float64, np.nan)
        self.nfev: npt.NDArray[np.int32] = array("nfev", (), np.int32, 0)
        self.ier: npt.NDArray[np.int8] = array("ier", (), np.int8, UNFINISHED)
        self._why = np.zeros(shape, dtype=np.int8)
        self._limits: Terms = (0.0, 0.0, 0.0, 0, False)
        if given:
            raise value_error(
                f"out has {', '.join(map(repr, given))}; it can have popt, stderr, pcov, "
                "cost, nfev and ier."
            )

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Shape (...): whether a fit has not converged, `ier` not being 1 to 4."""
        return np.asarray((self.ier < CONVERGED.start) | (self.ier >= CONVERGED.stop))

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """Shape (...): whether the standard errors of a fit that has converged may be wrong."""
        return np.asarray(~self.failed & (self._why > 0))

    def message(self, index: int | tuple[int, ...] = ()) -> str:
        """Say why the fit at that place has ended."""
        if np.ndim(self.ier[index]):
            raise IndexError(
                f"{index!r} is not one fit of shape {self.ier.shape}; want an index for each axis."
            )
        return self._text(int(self.ier[index]), int(self._why[index]))

    def _text(self, ier: int, why: int) -> str:
        if ier == UNFINISHED:
            return "Not finished."
        if ier < 0:
            return f"Ended by the function, which returned {_returned(ier, why)}."
        if ier == INFO_IMPROPER:
            return f"Not begun: {NOT_BEGUN.get(why, 'improper input.')}"
        if ier == INFO_NONFINITE:
            return NOT_FINITE.get(why, "The residuals or the Jacobian are not finite.")
        text = message(ier, self._limits)
        if ier in CONVERGED and why:
            text += f" Its standard errors may be wrong, where there are any: {DOUBTS[why]}."
        return text

    def _arrays(self) -> tuple[Any, ...]:
        """Return what `solve_many` writes to, in its order."""
        return self.popt, self.stderr, self.pcov, self.cost, self.nfev, self.ier, self._why

    def __iter__(self) -> Iterator[Any]:
        return iter((self.popt, self.pcov))

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        return f"<ManyFits of shape {self.ier.shape}: {self._headline()}>"

    def __str__(self) -> str:
        """Summarise: how many have ended in which way, those that failed with the first of them."""
        lines = [self._headline()]
        ends = self._ends()
        width = len(f"{max(ends.values(), default=(0, 0))[0]:,}")
        order = sorted(ends.items(), key=lambda end: (end[0][0] not in CONVERGED, -end[1][0]))
        for (ier, why), (count, first) in order:
            line = f"  {count:{width},}  {self._text(ier, why)}"
            if why or ier not in CONVERGED:
                place = tuple(map(int, np.unravel_index(first, self.ier.shape)))
                line += f" The first at {place[0] if len(place) == 1 else place}."
            lines.append(line)
        done = self.nfev[self.ier != UNFINISHED]
        if done.size:
            lines.append(
                f"  calls for a fit: {np.median(done):.0f} in the median, {done.max()} at most"
            )
        return "\n".join(lines)

    def _ends(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Count the fits of each ier and why, and find the first; in pieces, for there are many."""
        ier, why = self.ier.reshape(-1), self._why.reshape(-1)
        ends: dict[tuple[int, int], tuple[int, int]] = {}
        for start in range(0, ier.size, PIECE):
            piece = slice(start, start + PIECE)
            codes = 16 * ier[piece].astype(np.int16) + why[piece]
            found = np.unique(codes, return_index=True, return_counts=True)
            for code, index, count in zip(*(part.tolist() for part in found), strict=True):
                end = code // 16, code % 16
                before, first = ends.get(end, (0, start + index))
                ends[end] = before + count, first
        return ends

    def _headline(self) -> str:
        failed, n = int(np.count_nonzero(self.failed)), self.popt.shape[-1]
        total = self.ier.size
        what = f"{total:,} {'fit' if total == 1 else 'fits'} of {n}"
        what += " parameter" if n == 1 else " parameters"
        return f"{what}: {total - failed:,} converged, {failed:,} not"


def _returned(ier: int, why: int) -> str:
    """Tell the negative number that a compiled function returned, of those that `ier` cannot be."""
    return str(ier) if not why else "-1" if ier == -2 else f"a number below {ier}"


def _checked_out(name: str, value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Take the caller's array for a result, or say what is wrong with it."""
    if not isinstance(value, np.ndarray):
        raise type_error(f"out[{name!r}] is {describe(value)}; want an array.")
    if value.shape != shape or value.dtype != dtype:
        raise value_error(
            f"out[{name!r}] has shape {value.shape} and dtype {value.dtype}; want {shape}, {dtype}."
        )
    if not (value.flags.c_contiguous and value.flags.writeable):
        raise value_error(f"out[{name!r}] is not C-contiguous and writeable, as it has to be.")
    return value


def prepare(
    shape: tuple[int, ...],
    n: int,
    covariance: bool | None,
    out: Mapping[str, Any] | None,
    resume: ManyFits | bool | None,
) -> ManyFits:
    """Make room for the results, or take up where a former call has ended."""
    if isinstance(resume, ManyFits):
        if resume.popt.shape != (*shape, n):
            raise value_error(
                f"resume holds fits of shape {resume.ier.shape} with {resume.popt.shape[-1]} "
                f"parameters; the data are for shape {shape} with {n}."
            )
        return resume
    if not (resume is None or isinstance(resume, bool | np.bool_)):
        raise type_error(
            f"resume is {describe(resume)}; want the result of a former call, or True to go on in "
            "the arrays of out."
        )
    if resume and not {"popt", "ier"} <= set(out or {}):
        raise value_error(
            "resume=True goes on in the arrays of out, which has to hold popt and ier."
        )
    return ManyFits(shape, n, covariance, out, clear=not resume)
