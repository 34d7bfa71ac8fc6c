"""Fits whose right answer is known: how many are right, how many warned of, how many neither.

The families, and what counts as right: `trust_models`. No timings: counts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from report import parse, report

import pyminpack

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from trust_models import FAMILIES, VERDICTS, count

OURS = "pyminpack"
THEIRS = f"SciPy {scipy.__version__}"
KINDS = ("fine", "hard", "undetermined")


def solvers() -> dict[str, Any]:
    from scipy.optimize import curve_fit

    return {OURS: pyminpack.curve_fit, THEIRS: curve_fit}


def rows(names: list[str], seeds: range, number: int) -> list[dict[str, Any]]:
    """One row for each kind of fit and solver, and one for all fits."""
    table = []
    for kind in KINDS:
        families = [name for name in names if FAMILIES[name](np.random.default_rng(0)).kind == kind]
        for solver, fit in solvers().items():
            counts = [count(fit, name, seed, number) for name in families for seed in seeds]
            total = np.sum(counts, axis=0, dtype=int) if counts else np.zeros(len(VERDICTS), int)
            table.append(row(f"{kind}, {solver}", total.tolist()))
    for solver in solvers():
        parts = [r["counts"].values() for r in table if r["case"].endswith(f", {solver}")]
        table.append(row(f"all, {solver}", np.sum([list(p) for p in parts], axis=0).tolist()))
    return table


def row(case: str, counts: list[int]) -> dict[str, Any]:
    return {"case": case, "counts": dict(zip(VERDICTS, counts, strict=True))}


def main() -> None:
    options = parse(__doc__)
    seeds, number = (range(1, 2), 1) if options.smoke else (range(1, 3 if options.quick else 11), 2)
    names = [name for name in FAMILIES if options.only in name]
    fits = len(names) * len(seeds) * number
    what = f"{fits} fits of {len(names)} families whose right answer is known"
    group = [
        {"name": OURS, "version": pyminpack.__version__},
        {"name": THEIRS, "version": scipy.__version__},
    ]
    report("trust", what, rows(names, seeds, number), group, options)


if __name__ == "__main__":
    main()
