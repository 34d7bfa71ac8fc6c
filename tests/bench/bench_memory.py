"""Memory: the most that a fit takes beyond the user's own arrays, in units of the Jacobian's size.

Each fit runs in a fresh process, since what a process has once taken it may keep. Linux alone tells
the peak of a process.
"""

from __future__ import annotations

import sys
from typing import Any

from compare import Case, agree, peers, ratios, summary
from report import identities, parse, report

SIZES = [(1_000_000, 10), (20_000, 200), (2_000, 1_000)]
SMOKE_SIZES = [(40_000, 10)]
# Every array in pages of its own, which go back to the system when it is freed: exact figures.
# One thread: those of a BLAS bring buffers.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "131072", "OPENBLAS_NUM_THREADS": "1"}
WHAT = "Peak memory of a fit beyond the user's own arrays; J is the size of its Jacobian"


def cases(options: Any) -> list[Case]:
    """Each size by each way to the Jacobian; the goal is one m × n array and O(m + n²)."""
    outputs = [True] if options.quick or options.smoke else [False, True]
    return [
        Case(
            f"{m} × {n}, {derivatives}" + (", full output" if full else ""),
            "precomputed",
            goal(m, n),
            {"m": m, "n": n, "derivatives": derivatives},
            full,
        )
        for m, n in (SMOKE_SIZES if options.smoke else SIZES)
        for derivatives in ("columns", "rows", "differences")
        for full in outputs
    ]


def goal(m: int, n: int) -> float:
    """One m × n array, eight vectors of m (func's own among them) and four n × n arrays."""
    return 1 + 8 / n + 4 * n / m


def measure(case: Case, pythons: list[str], rounds: int) -> dict[str, Any]:
    """A row for the report."""
    peaks: dict[str, list[float]] = {}
    for _ in range(rounds):
        with peers(pythons, environment=ENVIRONMENT) as group:
            fits = [peer.ask("peak", *case.load) for peer in group]
            agree(case, group, fits)
            for peer, fit in zip(group, fits, strict=True):
                jacobian = 8 * fit["m"] * fit["n"]
                peaks.setdefault(peer.name, []).append(fit["peak"] / jacobian)
    results = {name: summary(values) for name, values in peaks.items()}
    return {
        "case": case.title,
        "n": case.options["n"],
        "m": case.options["m"],
        "unit": "J",
        "goal": f"{case.goal:.2f} J",
        "rounds": rounds,
        "peers": results,
        "ratios": ratios(results),
    }


def main() -> None:
    if not sys.platform.startswith("linux"):
        print("bench_memory: needs Linux's /proc to tell the peak of a process.")
        return
    options = parse(__doc__)
    rounds = 1 if options.smoke or options.quick else 3
    rows = [measure(c, options.peer, rounds) for c in cases(options) if options.only in c.title]
    with peers(options.peer, environment=ENVIRONMENT) as group:
        report("memory", WHAT, rows, identities(group), options)


if __name__ == "__main__":
    main()
