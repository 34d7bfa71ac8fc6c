"""Our `lmdif` and `lmder` take the path of the original MINPACK.

The runs: the 53 of MINPACK's drivers and 350 random fits (`path_runs`), through each of the two
ways that lead from the solver to a Python function. ``tests/reference`` holds the original's
answers, and the runs whose path the last bits of the start decide (`record_reference` finds and
writes both). No run meets a residual that is not finite: there the contract leaves the original's
path on purpose (test_nonfinite).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import oracle
import pytest
import record_reference
from path_runs import SOLVERS, Outcome, Run, Solver, knife_edges, norm, recorded, runs

from pyminpack import _minpack, leastsq, show_config

WAYS = ("leastsq", "classic")
# The share of robust runs that must agree with whatever libminpack is found. With the recorded
# answers all must, for our arithmetic is the same on every machine; exceptions are looked into.
REDUCED_BY_ROWS = 1000  # elements of J: ROWS_WORTH in src/pyminpack/driver/fit.h
EQUAL_AT_LEAST = 0.97
REVIEWED = {
    "lmder": {
        "linear full rank 5x50, start x 1": "info 2 for 3: exact after one step, the second "
        "reduction is a rounding error. The start's last bits do not reach it, but 8 of 24 changes "
        "in the last bits of the residuals' weights give the original info 2, too."
    }
}


@cache
def constants() -> oracle.Constants:
    """The machine constants of our solver: exact, unless it *is* the system's libminpack."""
    seen: list[float] = []

    def residual(x):
        seen.append(float(x[0]))
        return x - 1.0

    leastsq(residual, [0.0], epsfcn=0.0)
    return "exact" if seen[1] == 2.0**-26 else "shipped"


def through_leastsq(run: Run, solver: Solver) -> Outcome:
    x, _, infodict, _, ier = leastsq(
        run.residual,
        run.start,
        Dfun=run.jacobian if solver == "lmder" else None,
        full_output=True,
        maxfev=run.maxfev(solver),
        epsfcn=run.epsfcn,
        **run.settings,
    )
    return Outcome(ier, infodict["nfev"], infodict.get("njev"), norm(infodict["fvec"]), x)


def through_classic(run: Run, solver: Solver) -> Outcome:
    """The classic routine with an f2py callback; arrays it might leave undefined start as NaN."""
    m, n = run.m, run.n
    x, fvec, qtf = run.start.copy(), np.full(m, np.nan), np.full(n, np.nan)
    fjac, ipvt = np.full((m, n), np.nan, order="F"), np.zeros(n, dtype=np.int32)
    given = run.settings["diag"]
    diag = np.full(n, np.nan) if given is None else given.copy()
    tolerances = [run.settings[key] for key in ("ftol", "xtol", "gtol")]
    scaling = (diag, 1 if given is None else 2, run.settings["factor"])
    differences = 0

    def lmdif_fcn(x, fvec, iflag):
        nonlocal differences
        differences += iflag == 2
        fvec[:] = run.residual(x.copy())
        return iflag

    def lmder_fcn(x, fvec, fjac, iflag):
        if iflag == 1:
            fvec[:] = run.residual(x.copy())
        else:
            fjac[:] = run.jacobian(x.copy())
        return iflag

    if solver == "lmdif":
        info, nfev = _minpack.lmdif(
            lmdif_fcn,
            x,
            fvec,
            *tolerances,
            run.maxfev(solver),
            run.epsfcn,
            *scaling,
            fjac,
            ipvt,
            qtf,
        )
        return Outcome(info, nfev, differences // n, norm(fvec), x)
    info, nfev, njev = _minpack.lmder(
        lmder_fcn, x, fvec, fjac, *tolerances, run.maxfev(solver), *scaling, ipvt, qtf
    )
    return Outcome(info, nfev, njev, norm(fvec), x)


@cache
def ours(way: str, solver: Solver) -> dict[str, Outcome]:
    solve = {"leastsq": through_leastsq, "classic": through_classic}[way]
    return {name: solve(run, solver) for name, run in runs().items()}


@cache
def original(source: str, solver: Solver) -> dict[str, Outcome]:
    if source == "recorded":
        return {name: one.outcome for name, one in recorded(solver, constants()).items()}
    return {
        name: record_reference.outcome(record_reference.solve(run, solver, constants()))
        for name, run in runs().items()
    }


def differing(those: dict[str, Outcome], these: dict[str, Outcome]) -> dict[str, str]:
    return {
        name: f"{these[name]} instead of {those[name]}"
        for name in those
        if not those[name].same_path(these[name])
    }


def robust(solver: Solver, outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
    edges = knife_edges(solver)
    return {name: one for name, one in outcomes.items() if name not in edges}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("way", WAYS)
def test_counts_equal_the_recorded_ones_on_every_robust_run(way, solver):
    """Protects the algorithm: another decision anywhere shows in info, nfev or njev."""
    expected = robust(solver, original("recorded", solver))
    different = differing(expected, ours(way, solver))
    assert different.keys() <= REVIEWED.get(solver, {}).keys(), different
    assert len(different) <= (1.0 - EQUAL_AT_LEAST) * len(expected)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("way", WAYS)
def test_final_norm_is_as_good_as_the_originals_on_every_run(way, solver):
    """Protects the answers where the path is chaotic: no run may end worse than the original's.

    The yardstick of a run is the range of norms that the original itself ends with when the last
    bits of the start change. Its 24 drawings do not reach the ends of what chance may do, so the
    range counts three times. The relative 1e-6 is for slow convergence, where ftol and gtol bound
    the last reduction but not the distance that is left; the absolute term is the rounding of the
    residuals themselves where they end at zero.
    """
    worse = []
    for name, reference in recorded(solver, constants()).items():
        best, worst = reference.fnorm_range
        bound = (worst + 2.0 * (worst - best)) * (1.0 + 1e-6) + 1e-14 * reference.start_fnorm
        found = ours(way, solver)[name]
        if not found.fnorm <= bound:
            worse.append(f"{name}: {found}, original {reference.outcome}, bound {bound!r}")
    assert not worse, "\n".join(worse)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_two_ways_to_python_take_the_same_path(solver):
    """Protects the drivers: reverse communication and the classic callback differ in no bit.

    But for Jacobians that the default way reduces by rows: they round in their own way, and what
    is left of that at the solution is below the tolerances of the runs.
    """
    by_leastsq, by_classic = ours("leastsq", solver), ours("classic", solver)
    assert not differing(by_classic, by_leastsq)
    for name, one in by_leastsq.items():
        run = runs()[name]
        if run.residual(run.start).size * run.start.size >= REDUCED_BY_ROWS:
            np.testing.assert_allclose(one.x, by_classic[name].x, rtol=1e-8, err_msg=name)
        else:
            np.testing.assert_array_equal(one.x, by_classic[name].x, err_msg=name)
            assert one.fnorm == by_classic[name].fnorm, name


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_recording_is_of_these_runs(solver):
    """Protects the recording: a run changed in one bit, by us or by NumPy, is another run."""
    found = {name: norm(run.residual(run.start)) for name, run in runs().items()}
    assert found == {name: one.start_fnorm for name, one in recorded(solver).items()}


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_knife_edge_is_a_run_with_a_reason(solver):
    """Protects the comparison: it must rest on most runs, and each exception must say why."""
    edges = knife_edges(solver)
    assert edges.keys() <= runs().keys()
    assert len(edges) < 0.4 * len(runs())
    assert all(": " in reason and len(reason) > 40 for reason in edges.values())


def test_our_own_solver_computes_with_the_exact_machine_precision():
    """Protects the comparison: rounded constants are for the system's library only."""
    assert constants() == {"bundled": "exact", "system": "shipped"}[show_config()["minpack"]]


# The live comparison comes on top where the library is; the recorded one has always run.
if oracle.available():

    def test_the_override_of_the_machine_constants_takes_effect():
        """Protects the oracle: without it lmdif's difference step is not ours, and paths part."""
        assert oracle.difference_step("exact") == 2.0**-26
        assert oracle.difference_step("shipped") == np.sqrt(2.22044604926e-16) != 2.0**-26

    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("way", WAYS)
    def test_counts_equal_the_live_ones_on_robust_runs(way, solver):
        """Protects against a recording that no library confirms."""
        expected = robust(solver, original("live", solver))
        different = differing(expected, ours(way, solver))
        assert len(different) <= (1.0 - EQUAL_AT_LEAST) * len(expected), different

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_the_recording_is_of_this_library(solver):
        """Protects the recording: the library here must take the path that is written down."""
        expected = robust(solver, original("recorded", solver))
        different = differing(expected, original("live", solver))
        assert len(different) <= (1.0 - EQUAL_AT_LEAST) * len(expected), different
