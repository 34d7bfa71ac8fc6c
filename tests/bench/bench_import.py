"""Import time of pyminpack and of scipy.optimize, beyond that of numpy."""

from __future__ import annotations

import subprocess
import sys

from compare import CLOCKS, OURS, peers, ratios, summary
from report import identities, parse, report

WHAT = "Import, beyond `import numpy`"
CHILD = """
import importlib, sys, time
import numpy
clock = getattr(time, sys.argv[2])
start = clock()
importlib.import_module(sys.argv[1])
print(clock() - start)
"""


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
    results = {name: summary(values) for name, values in times.items()}
    row = {
        "case": "import",
        "goal": "10 ms",
        "rounds": rounds,
        "peers": results,
        "ratios": ratios(results),
    }
    report("import", WHAT, [row], who, options)


if __name__ == "__main__":
    main()
