"""Record the answers of the original MINPACK for `test_path`, and find the runs on a knife's edge.

    python tests/helpers/record_reference.py

rewrites ``tests/reference/``. It needs libminpack and gcc (see `oracle`). A run is on a knife's
edge if the original itself takes another path when its start is changed in the last bits: another
info, nfev or njev, or a final norm that is another by more than 1 %. Each x_j is multiplied by 1 +
k eps with k from -4 to 4, in 24 drawings. A start of zeros has no last bits; there the residuals
are weighted by 1 + k eps instead, row by row.
"""

from __future__ import annotations

import hashlib
import json
import platform
import random
import subprocess
from dataclasses import replace
from typing import Any

import numpy as np
import oracle
from numpy.typing import NDArray
from path_runs import REFERENCE, SOLVERS, Outcome, Run, Solver, norm, runs

DRAWINGS = 24
EPS = 2.0**-52
ZERO = 1e-11  # a norm this far below that at the start counts as zero


def solve(run: Run, solver: Solver, constants: oracle.Constants = "exact") -> oracle.Solution:
    """The original's solution of a run."""
    settings = {"maxfev": run.maxfev(solver), "constants": constants, **run.settings}
    if solver == "lmdif":
        return oracle.lmdif(run.residual, run.start, run.m, epsfcn=run.epsfcn, **settings)
    return oracle.lmder(run.residual, run.jacobian, run.start, run.m, **settings)


def outcome(solution: oracle.Solution) -> Outcome:
    return Outcome(solution.info, solution.nfev, solution.njev, norm(solution.fvec), solution.x)


def changed(run: Run, drawing: int) -> Run:
    """The run with the last bits of its start (or, where that is zero, of its weights) changed."""
    draw = random.Random(f"{run.name} {drawing}")
    size = run.n if run.start.any() else run.m
    weights = np.array([1.0 + (int(9 * draw.random()) - 4) * EPS for _ in range(size)])
    if run.start.any():
        return replace(run, start=run.start * weights)
    return replace(
        run,
        residual=lambda x: weights * run.residual(x),
        jacobian=lambda x: weights[:, None] * run.jacobian(x),
    )


def singular(solution: oracle.Solution, n: int) -> bool:
    """Whether some column of the last Jacobian depends on those before it, to rounding."""
    r = np.triu(solution.fjac[:n])
    return bool((np.abs(np.diag(r)) <= 1e-11 * np.array([norm(column) for column in r.T])).any())


def cause(run: Run, solver: Solver, solution: oracle.Solution, every: list[Outcome]) -> str:
    """Why the last bits decide: the first of these that holds."""
    infos = {one.info for one in every}
    if 5 in infos:
        return "up to the limit of calls every rounding is amplified"
    if norm(solution.fvec) <= ZERO * norm(run.residual(run.start)):
        return "the residuals end at zero, where reductions are rounding errors"
    if singular(solution, run.n):
        return "the Jacobian is singular to rounding, and rounding decides its rank"
    if infos <= {1, 2, 3} and len({one.nfev for one in every}) == 1:
        return "the last reduction is a rounding error, which decides whether the ratio is below 2"
    if min(run.settings["ftol"], run.settings["xtol"]) <= 1e-12:
        return "the tolerances ask for more than the rounding of the residuals allows"
    if solution.njev > 50:
        return f"a path of {solution.njev} Jacobians amplifies every rounding"
    if solver == "lmdif":
        return "rounding errors of the difference Jacobian decide a step or a convergence test"
    return "the last reductions are rounding errors, which decide a convergence test"


def knife_edge(
    run: Run, solver: Solver, solution: oracle.Solution, others: list[Outcome]
) -> str | None:
    """The reason why the run is on a knife's edge, or None."""
    every = [outcome(solution), *others]
    norms = [one.fnorm for one in every]
    floor = ZERO * norm(run.residual(run.start))
    spread = [
        f"{key} {joined({getattr(one, key) for one in every})}"
        for key in ("info", "nfev", "njev")
        if len({getattr(one, key) for one in every}) > 1
    ]
    if max(norms) > 1.01 * min(norms) + floor:
        spread.append(f"norm {min(norms):.3g}..{max(norms):.3g}")
    if not spread:
        return None
    what = "start" if run.start.any() else "weights"
    return (
        f"{', '.join(spread)} when the last bits of the {what} change: "
        f"{cause(run, solver, solution, every)}"
    )


def joined(numbers: set[int]) -> str:
    """Few values one by one, many as a range."""
    ordered = sorted(numbers)
    if len(ordered) > 3:
        return f"{ordered[0]}..{ordered[-1]}"
    return "|".join(map(str, ordered))


def header() -> dict[str, str]:
    path = oracle.library_path()
    assert path is not None
    package = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}", "libminpack1"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        "library": f"{package}, {path.name}, sha256 {digest}",
        "library built by": "Debian in 2018: gfortran, dpkg-buildflags (-O2, no -march, so no "
        "fused multiply-add); stripped, the compiler's version is not in it",
        "exact": "dpmpar_ overridden by 2^-52, DBL_MIN and DBL_MAX, compiled by "
        f"{gcc.splitlines()[0]}, -O1",
        "shipped": "the library's own dpmpar_: 2.22044604926e-16, 2.22507385852e-308, "
        "1.79769313485e+308",
        "machine": f"{platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}",
        "columns": "info, nfev, njev, norm of the residuals; lmdif's njev is counted by its calls",
        "start_fnorm": "norm of the residuals at the start, by which test_path knows the run again",
        "fnorm_range": f"final norms, exact constants, {DRAWINGS} starts changed in the last bits",
    }


def write(path: str, parts: dict[str, dict[str, Any]]) -> None:
    """JSON with one line an entry, for readable differences."""
    blocks = []
    for title, entries in parts.items():
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items()]
        blocks.append(f" {json.dumps(title)}: {{\n" + ",\n".join(lines) + "\n }")
    (REFERENCE / path).write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def record(run: Run, solver: Solver) -> tuple[dict[str, Any], str | None]:
    """The entry of a run, and the reason if it is on a knife's edge."""
    solution = solve(all_finite(run), solver)
    others = [outcome(solve(changed(run, drawing), solver)) for drawing in range(DRAWINGS)]
    norms = [one.fnorm for one in [outcome(solution), *others]]
    answers = {"exact": solution, "shipped": solve(run, solver, "shipped")}
    entry: dict[str, Any] = {
        key: [one.info, one.nfev, one.njev, norm(one.fvec)] for key, one in answers.items()
    }
    entry["start_fnorm"] = norm(run.residual(run.start))
    entry["fnorm_range"] = [min(norms), max(norms)]
    return entry, knife_edge(run, solver, solution, others)


def all_finite(run: Run) -> Run:
    """The run, but an error where it meets a residual that is not finite.

    There the original goes by the luck of comparisons with NaN, and the package does not.
    """

    def residual(x: NDArray[np.float64]) -> NDArray[np.float64]:
        f = run.residual(x)
        if not np.isfinite(f).all():
            raise ValueError(f"{run.name} is no run to compare: its residuals are {f} at {x}")
        return f

    return replace(run, residual=residual)


def main() -> None:
    edges: dict[str, dict[str, Any]] = {solver: {} for solver in SOLVERS}
    REFERENCE.mkdir(exist_ok=True)
    for solver in SOLVERS:
        records: dict[str, dict[str, Any]] = {"mgh": {}, "random": {}}
        for name, run in runs().items():
            records[run.suite][name], reason = record(run, solver)
            if reason is not None:
                edges[solver][name] = reason
        for suite, entries in records.items():
            write(f"{solver}-{suite}.json", {"header": header(), "runs": entries})
    write("knife-edge.json", edges)


if __name__ == "__main__":
    main()
