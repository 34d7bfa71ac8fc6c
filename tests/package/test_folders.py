"""The folders of the Fortran library stand one on the other: no circle of `use` and `#include`."""

from __future__ import annotations

import re
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "minpack"
SOURCES = [path for path in LIBRARY.rglob("*") if path.suffix in {".f90", ".c", ".h"}]


def homes() -> dict[str, str]:
    """The folder of each module and each header."""
    found = {path.name: path.parent.name for path in SOURCES if path.suffix == ".h"}
    for path in SOURCES:
        for module in re.findall(r"^module (\w+)", path.read_text("utf-8"), re.MULTILINE):
            found[module] = path.parent.name
    return found


def needs() -> dict[str, set[str]]:
    """For each folder, those whose modules or headers it takes."""
    home, found = homes(), defaultdict(set)
    for path in SOURCES:
        for match in re.finditer(
            r'^\s*use (\w+)|^#include "([\w.]+)"', path.read_text("utf-8"), re.MULTILINE
        ):
            folder = home.get(match[1] or match[2], "")
            if folder not in {"", path.parent.name}:
                found[path.parent.name].add(folder)
    return found


def test_no_circle():
    order = list(TopologicalSorter(needs()).static_order())
    assert order.index("linalg") < order.index("step") < order.index("loop")
    assert order.index("factor") < order.index("loop") < order.index("classic")


def test_step_knows_of_no_jacobian():
    assert needs()["step"] == {"minpack", "linalg", "blocked"}
