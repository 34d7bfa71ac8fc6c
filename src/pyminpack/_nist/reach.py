"""What a run can be asked for: digits, given its tolerances and its Jacobian, and exceptions.

Near a solution b with residuals f, Jacobian J, column norms D and C = inv(J'J), each stopping test
bounds the step p that was taken last:

- ``ftol``: ||Jp|| <= sqrt(ftol)*||f||, and |p_j| <= sqrt(C_jj)*||Jp||. The standard error being
  s_j = sqrt(C_jj)*||f||/sqrt(dof), that is |p_j| <= sqrt(ftol*dof)*s_j: a fit stops when its steps
  are a small part of a standard error, which is many digits of a parameter that is known well and
  few of one that is not.
- ``xtol``: ||Dp|| <= xtol*||Db||, so |p_j| <= xtol*||Db||/D_j.
- ``gtol``: |J_k'f| <= gtol*D_k*||f||, so |p_j| <= gtol*||f||*sum_k |C_jk|*D_k.

A tolerance below the machine precision acts as the machine precision: no smaller reduction can be
told from rounding. Forward differences add a limit that no tolerance removes: instead of J'f = 0
they solve K'f = 0 with a slightly different Jacobian K, and that root lies C(K - J)'f away.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._config import show_config
from .datasets import Dataset
from .models import Array

__all__ = ["JACOBIANS", "TARGET", "Due", "Settings", "due", "why_out_of_reach"]

JACOBIANS = ("difference", "analytic")

#: Digits of the parameters asked for at most: the usual mark for a solver on these data.
TARGET = 6.0

#: Digits of the standard errors asked for: as many as anybody quotes. Lanczos1 has three at most,
#: because its residuals of 1e-13 are differences of numbers rounded at 1e-16.
ERROR_TARGET = 2.0

#: Digits below a bound that still pass: after the last step an error is left that is as large as
#: that step times the rate of convergence, and rounding errors add to it.
ALLOWANCE = 1.0

#: A looser tolerance can end a fit far from the solution, where the bounds do not hold: nothing is
#: due then. (With 1e-5, MGH09 stops short of the first digit.)
LOOSE = 1e-7

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Settings:
    """How to fit: the arguments of ``leastsq`` that matter here.

    ``maxfev`` exceeds what ``leastsq`` allows by default: with differences, MGH09, MGH10 and MGH17
    from start 1 and Bennett5 from both need more calls than that.
    """

    ftol: float = 1e-15
    xtol: float = 1e-15
    gtol: float = 0.0
    maxfev: int = 10_000
    jacobian: str = "difference"


class Due(NamedTuple):
    """Correct digits that a converged run owes.

    Attributes
    ----------
    digits, error_digits : float
        Of the parameters, 0 to 6, and of their standard errors.
    limit : str
        What allows the fewest digits: 'ftol', 'xtol', 'gtol' or 'differences'; 'target' where all
        of them allow six, 'loose' where the tolerances promise nothing.
    """

    digits: float
    error_digits: float
    limit: str


def due(dataset: Dataset, settings: Settings) -> Due:
    """Work out what a converged run owes at these tolerances and with this Jacobian."""
    if max(settings.ftol, settings.xtol, settings.gtol) > LOOSE:
        return Due(0.0, 0.0, "loose")
    size = np.abs(dataset.parameters)
    digits = {
        limit: _digits(np.max(error / size)) - ALLOWANCE
        for limit, error in _error_bounds(dataset, settings).items()
    }
    digits["target"] = TARGET
    limit = min(digits, key=lambda name: digits[name])
    return Due(max(digits[limit], 0.0), ERROR_TARGET, limit)


def _digits(relative_error: float) -> float:
    return float(-np.log10(relative_error)) if relative_error > 0 else np.inf


def _error_bounds(dataset: Dataset, settings: Settings) -> dict[str, Array]:
    """Bound the error of each parameter, (N,), by every limit that applies."""
    b = dataset.parameters
    f = dataset.residuals(b)
    j = dataset.jacobian(b)
    scale = np.linalg.norm(j, axis=1)
    root = np.linalg.pinv(j.T / scale) / scale[:, None]
    covariance = root @ root.T
    ftol, xtol = max(settings.ftol, EPS), max(settings.xtol, EPS)
    bounds = {
        "ftol": np.sqrt(ftol * dataset.dof) * dataset.standard_errors,
        "xtol": xtol * np.linalg.norm(scale * b) / scale,
        "gtol": settings.gtol * np.linalg.norm(f) * (np.abs(covariance) @ scale),
    }
    if settings.jacobian == "difference":
        shifts = [np.abs(covariance @ ((k - j) @ f)) for k in _forward_differences(dataset)]
        bounds["differences"] = np.max(shifts, axis=0)
    return bounds


def _forward_differences(dataset: Dataset) -> Iterator[Array]:
    """Approximate the Jacobian (N, M) as MINPACK's lmdif does, at ten points next to the solution.

    Much of the error is rounding, which is another one at each of them.
    """
    for k in range(10):
        b = dataset.parameters * (1 + k * EPS)
        f = dataset.residuals(b)
        steps = np.sqrt(EPS) * np.abs(b)
        moved = zip(b + np.diag(steps), steps, strict=True)
        yield np.array([(dataset.residuals(x) - f) / h for x, h in moved])


@dataclass(frozen=True)
class _Known:
    """A run that does not reach the certified solution, when, and why."""

    name: str
    start: int
    when: Callable[[Settings], bool]
    why: str


_KNOWN = (
    _Known(
        "BoxBOD",
        1,
        lambda settings: settings.jacobian == "difference" or show_config()["minpack"] == "system",
        "the first step, still within factor = 100, takes b2 from 1 to 111, where exp(-b2*x) is"
        " nearly 0 at every x: no difference by b2 is left, and b1 = 172.5 is the mean of y"
        " (factor = 1 converges)",
    ),
    _Known(
        "MGH17",
        1,
        lambda settings: settings.xtol > 5e-9,
        "exp(-2*x) leaves b5 almost no influence, so the first trial step moves it to -1e9; cut"
        " tenfold at each rejection, the step falls below xtol*|D*b| before it is sensible"
        " (xtol = 5e-9 converges)",
    ),
    _Known(
        "MGH17",
        1,
        lambda settings: settings.jacobian == "difference",
        "a knife's edge: with the start changed in its last digit, one fit in ten ends in another"
        " minimum, at b5 = 2.3, where the second exponential describes the first observation alone",
    ),
)


def why_out_of_reach(dataset: Dataset, start: int, settings: Settings) -> str | None:
    """Say why this run is known to miss the certified solution; None if it is not."""
    for known in _KNOWN:
        if (known.name, known.start) == (dataset.name, start) and known.when(settings):
            return known.why
    return None
