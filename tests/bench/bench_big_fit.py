"""One real big fit: thirty Gaussians on an offset, 91 parameters, 20000 points."""

from __future__ import annotations

from compare import Case, Plan, compare, peers
from report import identities, parse, report

WHAT = "A real big fit: own cost of a fit, the time of its callbacks taken off"


def cases(smoke: bool) -> list[Case]:
    m, count = (600, 4) if smoke else (20_000, 30)
    return [
        Case(
            f"{count} Gaussians, {3 * count + 1} × {m}, {title}",
            "peaks",
            0.25,
            {"m": m, "count": count, "derivatives": derivatives},
        )
        for title, derivatives in [("Dfun by columns", "columns"), ("differences", "differences")]
    ]


def main() -> None:
    options = parse(__doc__)
    plan = Plan(1 if options.smoke else 3 if options.quick else 9)
    with peers(options.peer, options.clock) as group:
        rows = [compare(group, c, plan) for c in cases(options.smoke) if options.only in c.title]
        report("big_fit", WHAT, rows, identities(group), options)


if __name__ == "__main__":
    main()
