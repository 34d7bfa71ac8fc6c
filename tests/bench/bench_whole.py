"""Whole times: what a call of `curve_fit` takes, its model included, as a user sees it."""

from __future__ import annotations

from compare import Case, Plan, compare, peers
from report import identities, parse, report

CASES = [
    Case("fit, 3 parameters, 64 points", "decay", 0.5, request="load_whole"),
    Case("the same with bounds", "decay", 0.1, {"bounded": True}, request="load_whole"),
]
WHAT = "A call of `curve_fit`, the model included"


def main() -> None:
    options = parse(__doc__)
    plan = Plan(2 if options.smoke else 30 if options.quick else 150, pairs=4, batch=1e-3)
    with peers(options.peer, options.clock) as group:
        rows = [compare(group, c, plan) for c in CASES if options.only in c.title]
        report("whole", WHAT, rows, identities(group), options)


if __name__ == "__main__":
    main()
