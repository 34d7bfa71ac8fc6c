"""Tiny fits: what `leastsq` itself costs beside the callbacks, and `curve_fit` beside `leastsq`.

Sizes at which a fit takes microseconds, so that marshalling counts as much as mathematics.
"""

from __future__ import annotations

from compare import Case, Plan, compare, peers
from report import identities, parse, report

FITS = [
    ("exponential, 3 × 50", "exponential", {}),
    ("Rosenbrock, 2 × 2", "rosenbrock", {}),
    ("identity, 3 × 3", "identity", {}),
    ("Gaussian, 4 × 200", "gaussian", {}),
    ("Gaussian, Dfun by columns", "gaussian", {"derivatives": "columns"}),
    ("Gaussian, Dfun by rows", "gaussian", {"derivatives": "rows"}),
]
CASES = [
    Case(title + (", full output" if full else ""), workload, 0.5, options, full)
    for title, workload, options in FITS
    for full in (False, True)
]
CASES.append(Case("curve_fit over leastsq, 3 × 50", "exponential", 0.5, request="load_curve_fit"))
WHAT = "Tiny fits: own cost of a fit, the time of its callbacks taken off (of curve_fit, leastsq's)"


def main() -> None:
    options = parse(__doc__)
    plan = Plan(2 if options.smoke else 30 if options.quick else 150, pairs=10, batch=3e-4)
    with peers(options.peer, options.clock) as group:
        rows = [compare(group, c, plan) for c in CASES if options.only in c.title]
        report("small", WHAT, rows, identities(group), options)


if __name__ == "__main__":
    main()
