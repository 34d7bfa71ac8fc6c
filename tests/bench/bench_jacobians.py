"""Tall and large Jacobians: what factoring one costs, with everything else that a step needs.

`Dfun` returns a Jacobian made beforehand, and residuals cost O(m), so what remains of a fit, its
callbacks taken off, is copying the Jacobian, factoring it, and the step made from it.
"""

from __future__ import annotations

from compare import Case, Plan, compare, peers
from report import identities, parse, report

# From bound by memory, where all is reading J, over bound by arithmetic to where n³ counts as m n².
TALL = [(100_000, 10), (1_000_000, 10), (100_000, 50)]
LARGE = [(20_000, 200), (5_000, 500)]
LARGEST = (2_000, 1_000)
SMOKE_TALL = [(2_000, 10)]
SMOKE_LARGE = [(1_200, 60)]
SMOKE_LARGEST = (200, 100)
LAYOUTS = ["columns", "rows"]
WHAT = "Tall and large Jacobians: own cost per Jacobian, the time of the callbacks taken off"


def cases(smoke: bool, layouts: list[str]) -> list[Case]:
    """Each size in each layout; the largest also with steps that need the parameter."""
    sizes = (SMOKE_TALL + SMOKE_LARGE) if smoke else (TALL + LARGE)
    largest = SMOKE_LARGEST if smoke else LARGEST
    free = [(size, 0.25) for size in sizes] + [(largest, 0.35)]
    found = [case(*size, layout, goal) for size, goal in free for layout in layouts]
    return [*found, case(*largest, "columns", 0.35, factor=0.3)]


def case(m: int, n: int, layout: str, goal: float, factor: float = 100.0) -> Case:
    title = f"{m} × {n}, Dfun by {layout}" + (", bounded steps" if factor < 1 else "")
    options = {"m": m, "n": n, "derivatives": layout, "factor": factor}
    return Case(title, "precomputed", goal, options)


def main() -> None:
    options = parse(__doc__)
    layouts = LAYOUTS[:1] if options.quick else LAYOUTS
    plan = Plan(1 if options.smoke else 3 if options.quick else 7)
    with peers(options.peer, options.clock) as group:
        rows = [
            compare(group, c, plan, per_jacobian=True)
            for c in cases(options.smoke, layouts)
            if options.only in c.title
        ]
        report("jacobians", WHAT, rows, identities(group), options)


if __name__ == "__main__":
    main()
