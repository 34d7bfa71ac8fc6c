"""lm_step: the iteration as a whole, against the slow twin, call by call."""

import numpy as np
import pytest
import slow
from fits import (
    DECAY_START,
    Recorder,
    decay,
    decay_jacobian,
    runaway,
    runaway_jacobian,
)

from pyminpack import leastsq

pytestmark = pytest.mark.bundled  # the system's has an iteration of its own


def rosenbrock(x):
    """H. H. Rosenbrock (1960)."""
    return np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])


def rosenbrock_jacobian(x):
    return np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]])


def helix(x):
    """R. Fletcher, M. J. D. Powell (1963), where x[0] > 0; with a residual that cannot vanish, and
    so that no variable does: there the last digits would decide when it ends."""
    turn = np.arctan(x[1] / x[0]) / (2.0 * np.pi)
    norm = np.hypot(x[0], x[1])
    return np.array([10.0 * (x[2] - 10.0 * turn), 10.0 * (norm - 1.0), x[2] - 1.0, 0.1 * x[0]])


def helix_jacobian(x):
    norm = np.hypot(x[0], x[1])
    turn = 50.0 / (np.pi * norm**2)
    return np.array(
        [
            [turn * x[1], -turn * x[0], 10.0],
            [10.0 * x[0] / norm, 10.0 * x[1] / norm, 0.0],
            [0.0, 0.0, 1.0],
            [0.1, 0.0, 0.0],
        ]
    )


def domain(x):
    """Not defined below zero, where the first full step leads: a logarithm."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.append(np.log(x) + 2.0, 0.1 * x)


def domain_jacobian(x):
    return np.vstack([np.diag(1.0 / x), 0.1 * np.eye(x.size)])


def with_an_idle_parameter(x):
    return np.append(rosenbrock(x[[0, 2]]), 0.5)


def idle_jacobian(x):
    return np.insert(np.vstack([rosenbrock_jacobian(x[[0, 2]]), np.zeros(2)]), 1, 0.0, axis=1)


PROBLEMS = {  # residuals, Jacobian, start
    "rosenbrock": (rosenbrock, rosenbrock_jacobian, [-1.2, 1.0]),
    "helix": (helix, helix_jacobian, [0.5, 1.0, 0.3]),
    "decay": (decay, decay_jacobian, DECAY_START),
    "decay, far": (decay, decay_jacobian, [20.0, 4.0]),
    "runaway": (runaway, runaway_jacobian, [0.0, 1.0]),
    "trials without a value": (domain, domain_jacobian, [1.5, 0.5]),
    "from zero": (lambda x: decay(x + 1.0), lambda x: decay_jacobian(x + 1.0), [0.0, 0.0]),
    "an idle parameter": (with_an_idle_parameter, idle_jacobian, [-1.2, 7.0, 1.0]),
}
OPTIONS = {
    "defaults": {},
    "factor 0.1": {"factor": 0.1},
    "factor 1": {"factor": 1.0},
    "diag": {"diag": "given"},
    "ftol": {"ftol": 1e-3, "xtol": 0.0},
    "xtol": {"ftol": 0.0, "xtol": 1e-3},
    "gtol": {"ftol": 0.0, "xtol": 0.0, "gtol": 1e-3},
    "maxfev 7": {"maxfev": 7},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("analytic", [False, True], ids=["differences", "Dfun"])
@pytest.mark.parametrize(("residual", "jacobian", "start"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_takes_the_path_of_the_slow_twin(residual, jacobian, start, analytic, options):
    """Protects every decision and all that is remembered between two calls of `lm_step`.

    The ends are robust: changes of the last bits of residuals and Jacobians leave them as they are.
    The points agree to what a Jacobian is good for, eps or for differences its root, and to what
    dozens of steps through narrow valleys (condition numbers up to 1e3) then make of it.
    """
    if "diag" in options:
        options = options | {"diag": np.linspace(1.0, 3.0, len(start))}
    dfun = jacobian if analytic else None
    twin = slow.Fit(residual, start, dfun, **options).run()
    func = Recorder(residual)
    x, _, info, _, ier = leastsq(func, start, Dfun=dfun, full_output=True, **options)
    assert (ier, info["nfev"], info.get("njev", 0)) == (twin.info, len(twin.points), twin.njev)
    assert func.count == len(twin.points)
    size = np.abs(twin.points).max(axis=1, keepdims=True)
    rtol = 1e-10 if analytic else 1e-5
    assert (np.abs(np.array(func.points) - twin.points) <= rtol * size).all()
    assert np.abs(x - twin.x).max() <= rtol * np.abs(twin.x).max()
