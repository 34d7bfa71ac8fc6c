"""What may be wrong with a fit that has ended well: the causes, in the words of `curve_fit`.

`causes` calls the model again, a few times for each parameter in question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._input.arguments import EPS
from .._jacobian.accuracy import Accuracy, column_norms
from .._jacobian.refit import quiet
from .._messages import UNKNOWN
from .._minpack import enorm

__all__ = ["Fit", "causes"]

FloatArray = npt.NDArray[np.float64]

#: What is said of a fit whose start has led astray.
FAR_AWAY = (
    "The fit has ended far from the data, with residuals that are larger than they are, and steps "
    "too short to matter: parameters and standard errors mean nothing. Try a better start."
)
#: Norm of residuals, in units of that of the data, which no better start would end with.
ASTRAY = 1e3
#: Cosine between residuals and a column of the Jacobian that no minimum has.
NO_MINIMUM = 1e-3
#: Move, relative to x, that is none: steps of rounding errors, which have no direction.
STILL = 1e-12
#: Relative error of a column's norm that is let pass.
TOLERABLE = 0.05
#: Relative error of a Jacobian up to which it hides no difference that data could show.
FINE = 1e-9
#: Norm of the residuals, in rounding errors of the data, up to which there is nothing left to fit.
ROUNDING_ERRORS = 1e3


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit that has ended, for `causes`.

    Attributes
    ----------
    model : callable
        ``model(x)``: the fitted values, weighted as the residuals are; or the residuals.
    x0, x : ndarray, shape (N,)
        Where it started and ended.
    fjac : ndarray, shape (N, M)
    ipvt : ndarray, shape (N,)
    qtf : ndarray, shape (N,)
    fvec : ndarray, shape (M,)
        As `leastsq` returns them.
    scale : float
        Norm of the numbers of which the residuals are differences.
    accuracy : Accuracy or None
        Of the Jacobian; None where nobody has doubted it.
    jac : callable or str or None
        Where the Jacobian is from, as given to `curve_fit`.
    names : sequence of str
        Of the parameters; empty where they have none.
    limits : ndarray, shape (2, N), or None
        Bounds of the parameters.
    """

    model: Callable[[FloatArray], Any]
    x0: FloatArray
    x: FloatArray
    fjac: FloatArray
    ipvt: npt.NDArray[np.int32]
    qtf: FloatArray
    fvec: FloatArray
    scale: float
    accuracy: Accuracy | None = None
    jac: Callable[..., Any] | str | None = None
    names: Sequence[str] = ()
    limits: FloatArray | None = None

    def name(self, j: int) -> str:
        """Call parameter j by its name."""
        return f"parameter {j} ({self.names[j]})" if self.names else f"parameter {j}"

    def all_of(self, parameters: Sequence[int]) -> str:
        """List parameters by their names."""
        *others, last = [self.name(j) for j in parameters]
        return f"{', '.join(others)} and {last}" if others else last

    def r(self) -> FloatArray:
        """R of J P = Q R, (N, N)."""
        n = self.x.size
        return np.triu(self.fjac[:, :n].T)

    def cosine(self) -> float:
        """Return the largest cosine between the residuals and a column of the Jacobian."""
        r = self.r()
        norms = column_norms(r)
        norms[norms == 0.0] = 1.0
        return float(np.max(np.abs((r / norms).T @ (self.qtf / (enorm(self.fvec) or 1.0)))))

    def fixed(self, j: int) -> bool:
        """Whether the bounds of parameter j leave it no choice."""
        return self.limits is not None and bool(self.limits[0, j] == self.limits[1, j])

    def bound(self, j: int) -> str:
        """Say at which bound parameter j is; empty where at none, or where it is fixed."""
        if self.limits is None or self.fixed(j):
            return ""
        for kind, bounds in zip(("lower", "upper"), self.limits, strict=True):
            if self.x[j] == bounds[j]:
                return f"{kind} bound {bounds[j]:g}"
        return ""


def causes(fit: Fit) -> list[str]:
    """Say what is wrong, one text for each cause; none, and the suspicion was unfounded."""
    unfinished = fit.accuracy is not None and fit.accuracy.unfinished
    if unfinished and enorm(fit.fvec) > ASTRAY * fit.scale:
        return [FAR_AWAY]
    norms = np.zeros(fit.x.size)
    norms[fit.ipvt - 1] = column_norms(fit.r())
    at_bound = [j for j in range(fit.x.size) if fit.bound(j)]
    free = [j for j in range(fit.x.size) if j not in at_bound and not fit.fixed(j)]
    blames = {
        j: _no_influence(fit, j, float(norms[j]))
        for j in free
        if norms[j] * (abs(fit.x[j]) or 1.0) <= EPS * fit.scale
    }
    dead = [j for j, text in blames.items() if text]
    texts = [blames[j] for j in dead]
    if fit.accuracy is not None:
        texts += _undetermined(fit, fit.accuracy, dead)
    if not texts and len(free) == fit.x.size:
        texts = _stuck(fit)
    if not texts and fit.accuracy is not None:
        texts = (
            [_on_its_way(fit)]
            if unfinished and fit.accuracy.good
            else _imprecise(fit, fit.accuracy)
        )
    if not texts:  # an error of NaN, for a parameter at its bound, tells enough
        return []
    texts += [
        f"{fit.name(j)} is at its {fit.bound(j)}: it has no variance, and the others' are those of "
        "a fit in which it is held there."
        for j in at_bound
    ]
    return [text[0].upper() + text[1:] for text in texts]


def _no_influence(fit: Fit, j: int, norm: float) -> str:
    """Find out why column j of the Jacobian is next to nothing; empty: because x[j] is."""
    here, there = fit.x, fit.x0
    at, size, start = float(here[j]), abs(float(here[j])), float(there[j])
    noise = 10 * EPS * fit.scale
    steps = (1e-3 * size, 1e-3 * max(size, 1.0))
    seen = [
        (step, change) for step in steps if (change := _change(fit, here, j, at + step)) > noise
    ]
    if any(abs(norm * step - change) <= TOLERABLE * change for step, change in seen):
        return ""
    if callable(fit.jac) and seen:
        return (
            f"the derivatives by {fit.name(j)} that jac returns are as good as zero, but f depends "
            "on it: see check_jacobian."
        )
    name = f"{fit.name(j)} = {at:.6g}"
    gone = abs(start - at) > 1e-3 * max(size, abs(start))
    if gone and _change(fit, here, j, start) > noise:
        return (
            f"the model does not depend on {name} where the fit ended, though it does at its start "
            f"{start:.6g}: a step has led too far, or the data are best fitted out there. Try a "
            "better start or a smaller factor, or bounds on it."
        )
    if _change(fit, here, j, at + max(size, 1.0)) > noise:
        return (
            f"the model does not depend on {name} next to where the fit ended, though it does "
            "further away: it jumps, or is flat there. The sum of squares over a range of values "
            "tells what the data allow, and where a better start is."
        )
    if _change(fit, there, j, start + 1e-3 * (abs(start) or 1.0)) > noise:
        return (
            f"the model does not depend on {name} where the fit ended, though it does where it "
            "started: the other parameters have gone too far. Try a better start or a smaller "
            "factor."
        )
    return (
        f"the model does not depend on {name}: the data cannot determine it, and its value is "
        "arbitrary."
    )


def _undetermined(fit: Fit, accuracy: Accuracy, dead: Sequence[int]) -> list[str]:
    """Say why there are no standard errors; of `dead` parameters all has been said."""
    texts = []
    if accuracy.jagged:
        texts.append(
            f"{UNKNOWN}: the model jumps with {fit.all_of(accuracy.jagged)}, or stands still, and "
            "has no derivative. The sum of squares over a range of values tells what the data "
            "allow, and where a better start is."
        )
    dependent = [j for j in accuracy.dependent if j not in dead]
    if len(dependent) > 1:
        texts.append(
            f"{UNKNOWN}: the data do not tell apart {fit.all_of(dependent)}, whose derivatives are "
            "linearly dependent. Hold one of them fast, by equal bounds, or join them into one."
            f"{_hint(fit, accuracy)}"
        )
    elif dependent:
        texts.append(f"{UNKNOWN}: the model does not depend on {fit.name(dependent[0])}.")
    return texts


def _imprecise(fit: Fit, accuracy: Accuracy) -> list[str]:
    """Say what is to be minded with the standard errors."""
    texts = []
    if accuracy.unsettled:
        texts.append(
            "the standard errors may be wrong: they need better derivatives than differences over "
            "the usual steps, and none came of the calls of f that maxfev (or max_nfev) allows. "
            "Pass a larger one, or a better start p0, or derivatives as jac, or jac='cs'."
        )
    if accuracy.coarse:
        texts.append(
            f"the model follows {fit.all_of(accuracy.coarse)} in steps, as if it were rounded: the "
            "standard errors are approximations. Return the values as they are before rounding."
        )
    elif accuracy.rough:
        texts.append(
            "the standard errors have less than two digits, for the rounding errors of the model. "
            f"{_remedy(fit)}"
        )
    if accuracy.cancelling:
        texts.append(
            f"{fit.all_of(accuracy.cancelling)} are so closely correlated that the digits of pcov "
            "cancel in whatever is computed from it; their own standard errors are right. Count "
            "xdata from a point within the data."
        )
    return texts


def _hint(fit: Fit, accuracy: Accuracy) -> str:
    """Say what helps where the parameters are not dependent, but the derivatives rough."""
    if accuracy.error <= FINE:
        return ""
    return f" If they ought to differ, the rounding errors of the model hide it. {_remedy(fit)}"


def _remedy(fit: Fit) -> str:
    if callable(fit.jac) or fit.jac == "cs":
        return "Count xdata from a point within the data, or choose other units."
    return "Pass jac='cs' or derivatives, or count xdata from a point within the data."


def _stuck(fit: Fit) -> list[str]:
    """Explain a fit that has not moved from a start that is no minimum."""
    if np.any(np.abs(fit.x - fit.x0) > STILL * np.abs(fit.x0)):
        return []
    if enorm(fit.fvec) <= ROUNDING_ERRORS * EPS * fit.scale:
        return []
    if fit.cosine() > NO_MINIMUM:
        remedy = "Try another start, or a smaller factor or xtol."
        if callable(fit.jac):
            remedy = "If the derivatives that jac returns are wrong, check_jacobian tells which."
        return [
            "the fit has not moved from its start, which is no minimum: each step tried made the "
            f"residuals larger, until the steps fell below xtol. {remedy}"
        ]
    return []


def _on_its_way(fit: Fit) -> str:
    """Explain a fit that has ended where its derivatives promise a lower sum of squares."""
    remedy = "Count xdata from a point within the data, or try another start."
    if callable(fit.jac):
        remedy += " If the derivatives that jac returns are wrong, check_jacobian tells which."
    return (
        "the fit has ended on its way: its derivatives promise a lower sum of squares, but short "
        "steps do not lead there, as in a curved valley of it. The standard errors are those of "
        f"where it has ended. {remedy}"
    )


def _change(fit: Fit, x: FloatArray, j: int, value: float) -> float:
    """Norm of the change of the model when x[j] becomes `value`; 0 where it cannot be told."""
    for target in (value, 2 * float(x[j]) - value):
        if target == x[j]:
            continue
        if fit.limits is not None and not fit.limits[0, j] <= target <= fit.limits[1, j]:
            continue
        moved = x.copy()
        moved[j] = target
        model = quiet(fit.model)
        before, after = model(x.copy()), model(moved)
        if before.shape == after.shape and math.isfinite(change := enorm(after - before)):
            return change
    return 0.0
