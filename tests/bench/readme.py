"""Writes the tables of the README's section on speed from the figures of the benchmarks.

Usage: python readme.py FIGURES.json README.md
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from report import table

BLOCK = re.compile(r"(<!-- speed: begin .*?-->\n).*?(<!-- speed: end -->)", re.DOTALL)


def tables(figures: dict[str, Any]) -> str:
    """All tables, each under what it shows."""
    return "\n".join(f"{part['what']}:\n\n{table(part['rows'])}\n" for part in figures.values())


def with_tables(readme: str, figures: dict[str, Any]) -> str:
    """The README with these figures in the place of those that it shows."""
    text, count = BLOCK.subn(lambda match: f"{match[1]}\n{tables(figures)}\n{match[2]}", readme)
    if count != 1:
        raise ValueError("The README has no place for the tables, or several.")
    return text


def main() -> None:
    figures, readme = map(Path, sys.argv[1:])
    text = with_tables(readme.read_text(encoding="utf-8"), json.loads(figures.read_text()))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
