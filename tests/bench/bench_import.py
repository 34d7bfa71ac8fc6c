"""Import time and size of pyminpack and of SciPy, beyond those of numpy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from compare import CLOCKS, OURS, peers, ratios, summary
from report import identities, parse, report

WHAT = "Import beyond `import numpy`, and installed files"
CHILD = """
import importlib, sys, time
import numpy
clock = getattr(time, sys.argv[2])
start = clock()
importlib.import_module(sys.argv[1])
print(clock() - start)
"""


SIZE = """
import importlib.metadata, os, sys
files = importlib.metadata.files(sys.argv[1])
print(sum(os.path.getsize(file.locate()) for file in files if file.locate().exists()))
"""


def megabytes(python: str, package: str) -> float:
    """Size of the files that pip has installed for it."""
    child = [python, "-c", SIZE, package]
    return float(subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout) / 1e6


def seconds(python: str, module: str, clock: str) -> float:
    """Import it in a fresh process."""
    child = [python, "-c", CHILD, module, CLOCKS[clock]]
    return float(subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    options = parse(__doc__)
    rounds = 2 if options.smoke else 7 if options.quick else 31
    with peers(options.peer) as group:
        who = identities(group)
    pythons = [sys.executable, sys.executable, *options.peer]
    modules = [OURS if peer["name"] == OURS else "scipy.optimize" for peer in who]
    times: dict[str, list[float]] = {peer["name"]: [] for peer in who}
    for i in range(rounds + 1):
        for peer, python, module in zip(who, pythons, modules, strict=True):
            taken = seconds(python, module, options.clock)
            if i > 0:  # the first reads the files from disk
                times[peer["name"]].append(taken)
    sizes = {
        peer["name"]: [megabytes(python, peer["package"])]
        for peer, python in zip(who, pythons, strict=True)
    }
    rows = [
        row("import", "10 ms", rounds, times),
        {"unit": "MB", **row("installed files", "1 MB", 1, sizes)},
    ]
    report("import", WHAT, rows, who, options)


def row(case: str, goal: str, rounds: int, values: dict[str, list[float]]) -> dict[str, Any]:
    """A row for the report."""
    results = {name: summary(measured) for name, measured in values.items()}
    return {
        "case": case,
        "goal": goal,
        "rounds": rounds,
        "peers": results,
        "ratios": ratios(results),
    }


if __name__ == "__main__":
    main()
