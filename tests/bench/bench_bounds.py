"""Fits within bounds from random starts: how many find the minimum, and for how many calls.

The models, the starts and what counts as found: `bounded_models`. No timings: counts.
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
from bounded_models import MODELS, compare

OURS = "pyminpack"
THEIRS = f"trf of SciPy {scipy.__version__}"
SPREADS = (9.0, 2.0)
WHAT = (
    "Bounded fits from starts within a factor of 9, and of 2, of the truth: minima found, and "
    "calls of the model (median) where both find it"
)


def trf(*arguments: Any, **options: Any) -> Any:
    from scipy.optimize import curve_fit

    return curve_fit(*arguments, method="trf", **options)


def row(case: str, unit: str, ours: float, theirs: float) -> dict[str, Any]:
    return {
        "case": case,
        "unit": unit,
        "peers": {OURS: {"value": float(ours)}, THEIRS: {"value": float(theirs)}},
        "ratios": {THEIRS: float(ours / theirs) if theirs else float("nan")},
    }


def rows(names: list[str], spread: float, number: int, seed: int) -> list[dict[str, Any]]:
    """Two rows for each model and two for all, the calls of all being the sum of the medians."""
    made, found, medians = [], [], []
    for name in names:
        outcome = compare([pyminpack.curve_fit, trf], MODELS[name], number, spread, seed)
        shares, calls = 100 * outcome.found.mean(axis=0), outcome.medians()
        made += [
            row(f"{name}, {spread:g}: found", "%", *shares),
            row(f"{name}, {spread:g}: calls", "", *calls),
        ]
        found.append(shares)
        medians.append(calls)
    made += [
        row(f"all, {spread:g}: found", "%", *np.mean(found, axis=0)),
        row(f"all, {spread:g}: calls", "", *np.nansum(medians, axis=0)),
    ]
    return made


def main() -> None:
    options = parse(__doc__)
    number = 2 if options.smoke else 20 if options.quick else 100
    names = [name for name in MODELS if options.only in name]
    table = [made for spread in SPREADS for made in rows(names, spread, number, seed=1)]
    group = [
        {"name": OURS, "version": pyminpack.__version__},
        {"name": THEIRS, "version": scipy.__version__},
    ]
    report("bounds", WHAT, table, group, options)


if __name__ == "__main__":
    main()
