"""Writes the tables of the READMEs from the figures of the benchmarks.

Usage: python readme.py FIGURES.json README.md...

A table stands between ``<!-- figures: NAME... -->`` and ``<!-- figures: end -->``, the names being
those of benchmarks in FIGURES.json; ``NAME:TEXT`` has the rows whose first column begins with TEXT.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from report import table

BLOCK = re.compile(r"(<!-- figures: (?!end)(.*?) -->\n).*?(<!-- figures: end -->)", re.DOTALL)


def tables(figures: dict[str, Any], names: list[str]) -> str:
    """The tables of these benchmarks, each under what it shows."""
    parts = []
    for name, _, first in (name.partition(":") for name in names):
        rows = [row for row in figures[name]["rows"] if row["case"].startswith(first)]
        parts.append(f"{figures[name]['what']}:\n\n{table(rows)}\n")
    return "\n".join(parts)


def with_tables(readme: str, figures: dict[str, Any]) -> str:
    """The README with these figures in the place of those that it shows."""
    return BLOCK.sub(
        lambda match: f"{match[1]}\n{tables(figures, match[2].split())}\n{match[3]}", readme
    )


def main() -> None:
    figures, *readmes = map(Path, sys.argv[1:])
    for readme in readmes:
        text = with_tables(readme.read_text(encoding="utf-8"), json.loads(figures.read_text()))
        readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
