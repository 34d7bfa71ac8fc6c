"""Bounds on NIST's problems: as good a minimum as SciPy's trust-region reflective, for less."""

import statistics
from functools import lru_cache

import numpy as np
import pytest

from pyminpack import leastsq
from pyminpack._nist.datasets import datasets

pytestmark = pytest.mark.bundled  # the original knows no bounds

TOLERANCES = {"ftol": 1e-10, "xtol": 1e-10}
RUNS = [(name, start) for name in datasets() for start in (0, 1)]


def box(dataset, start, kind):
    """Far around start and solution; active: parameter 0 is kept from its certified value.

    At 0.3 of the way from there to the start, which always lies inside.
    """
    solution, x0 = dataset.parameters, dataset.starts[start]
    width = 2 * np.abs(solution) + 2 * np.abs(x0) + 1
    lower, upper = np.minimum(solution, x0) - width, np.maximum(solution, x0) + width
    if kind == "active":
        side = lower if x0[0] > solution[0] else upper
        side[0] = solution[0] + 0.3 * (x0[0] - solution[0])
    return lower, upper


@lru_cache
def ours(name, start, kind, by="forward"):
    """Sum of squares, calls of the model, and at which bounds the fit has ended."""
    dataset = datasets()[name]
    bounds = box(dataset, start, kind)
    options = {} if by == "forward" else {"Dfun": dataset.jacobian, "col_deriv": True}
    x, _, info, _, ier = leastsq(
        dataset.residuals, dataset.starts[start], bounds=bounds, maxfev=20_000, full_output=True,
        **TOLERANCES, **options,
    )  # fmt: skip
    assert np.all((x >= bounds[0]) & (x <= bounds[1]))
    # MGH10 from start 1 meets its far bounds on the way and comes home along a valley of thousands
    # of steps, in which trf gives up at a sum of squares that is 800 times as large.
    assert ier in {1, 2, 3, 4} or (name, start, kind) == ("MGH10", 0, "inactive")
    return float(np.sum(info["fvec"] ** 2)), info["nfev"], info["active_mask"].tolist()


@lru_cache
def trf(name, start, kind):
    """Sum of squares and calls of the model, those for differences (n a Jacobian) included."""
    optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy's least_squares")
    dataset = datasets()[name]
    with np.errstate(all="ignore"):
        fit = optimize.least_squares(
            dataset.residuals, dataset.starts[start], bounds=box(dataset, start, kind),
            method="trf", x_scale="jac", max_nfev=1000, **TOLERANCES,
        )  # fmt: skip
    return 2 * fit.cost, fit.nfev + fit.x.size * fit.njev


@pytest.mark.parametrize("by", ["forward", "analytic"])
@pytest.mark.parametrize("kind", ["inactive", "active"])
@pytest.mark.parametrize(("name", "start"), RUNS)
def test_same_minimum_or_lower(name, start, kind, by):
    # Flat valleys end early (MGH09, Bennett5): 1e-4 is what the last steps leave of ftol. 1e-15:
    # Lanczos1, whose sum of squares is 1e-25.
    assert ours(name, start, kind, by)[0] <= trf(name, start, kind)[0] * (1 + 1e-4) + 1e-15


@pytest.mark.parametrize("kind", ["inactive", "active"])
def test_fewer_calls(kind):
    ratios = [ours(*run, kind)[1] / trf(*run, kind)[1] for run in RUNS]
    assert statistics.median(ratios) < 1


def test_bounds_are_active():
    """Protects the family above from becoming a second one of unbounded fits."""
    walled = sum(ours(*run, "active")[2][0] != 0 for run in RUNS)
    assert walled == len(RUNS)
