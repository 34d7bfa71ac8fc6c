"""Draws the README's picture, an SVG, from the figures that the benchmarks wrote as JSON.

    python picture.py FIGURES.json PICTURE.svg

Every measure as a ratio to the current SciPy, on a logarithmic axis: left of the line at 1 is less.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from report import number

# Name in the figures, heading, and which of its cases are shown: one of each kind is enough.
SECTIONS: list[tuple[str, str, Callable[[str], bool]]] = [
    ("small", "Tiny fits, callbacks taken off", lambda case: "full output" not in case),
    ("jacobians", "Time per Jacobian, m × n", lambda case: "rows" not in case),
    ("big_fit", "A big fit, callbacks taken off", lambda case: True),
    ("memory", "Peak memory, m × n", lambda case: case.endswith("columns, full output")),
    ("import", "Import, beyond numpy's", lambda case: True),
]
COLOURS = {"ours": "#0b6e99", "other": "#8c8c8c", "text": "#222222", "faint": "#dddddd"}
WIDTH, ROW, LEFT, RIGHT = 900, 21, 345, 660  # LEFT to RIGHT: the axis
TOP = 66
CLOCKS = {"wall": "Wall-clock time", "cpu": "CPU time"}
TICKS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]


def picture(figures: dict[str, Any]) -> str:
    """The whole SVG."""
    lines = _lines(figures)
    names = list(next(iter(figures.values()))["rows"][0]["peers"])
    shown = [ratio for _, row in lines if row for ratio in _relative(row).values()]
    low = max(t for t in TICKS if t <= max(min(shown), TICKS[0]))
    high = min(t for t in TICKS if t >= min(max(*shown, 1.0), TICKS[-1]))

    def place(ratio: float) -> float:
        part = math.log(min(max(ratio, low), high) / low) / math.log(high / low)
        return LEFT + (RIGHT - LEFT) * part

    bottom = TOP + ROW * len(lines)
    body = [_text(16, 24, f"pyminpack's leastsq beside that of {names[1]}", size=16, weight=600)]
    body += _legend(names, 46)
    for tick in TICKS:
        if low <= tick <= high:
            x = place(tick)
            colour = COLOURS["text"] if tick == 1.0 else COLOURS["faint"]
            body.append(f'<path d="M{x:.1f} {TOP - 6}V{bottom}" stroke="{colour}"/>')
            body.append(_text(x, bottom + 15, f"{tick:g}", anchor="middle"))
    for i, (heading, row) in enumerate(lines):
        y = TOP + ROW * i + 14
        if row is None:
            body.append(_text(16, y, heading, weight=600))
        else:
            body += _row(row, names, y, place)
    for i, line in enumerate(_caption(figures)):
        body.append(_text(16, bottom + 40 + 16 * i, line, size=11))
    height = bottom + 64
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="sans-serif">',
            f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _lines(figures: dict[str, Any]) -> list[tuple[str, dict[str, Any] | None]]:
    """Headings, without a row, and rows below them."""
    lines: list[tuple[str, dict[str, Any] | None]] = []
    for name, heading, wanted in SECTIONS:
        rows = [row for row in figures.get(name, {"rows": []})["rows"] if wanted(row["case"])]
        if rows:
            lines += [(heading, None), *((row["case"], row) for row in rows)]
    return lines


def _relative(row: dict[str, Any]) -> dict[str, float]:
    """Each peer's value in units of the current SciPy's, the second of them."""
    values = {name: peer["value"] for name, peer in row["peers"].items()}
    unit = list(values.values())[1]
    return {name: value / unit for name, value in values.items()}


def _row(
    row: dict[str, Any], names: list[str], y: float, place: Callable[[float], float]
) -> list[str]:
    relative = _relative(row)
    values = [number(row["peers"][name]["value"], row.get("unit", "s")) for name in names[:2]]
    ours, one, middle = place(relative[names[0]]), place(1.0), y - 4
    marks = [
        f'<path d="M{one:.1f} {middle}H{ours:.1f}" stroke="{COLOURS["ours"]}" stroke-width="3"/>',
        f'<circle cx="{ours:.1f}" cy="{middle}" r="5" fill="{COLOURS["ours"]}"/>',
    ]
    marks += [
        f'<circle cx="{place(relative[name]):.1f}" cy="{middle}" r="3.5" fill="#ffffff" '
        f'stroke="{COLOURS["other"]}" stroke-width="1.5"/>'
        for name in names[2:]
    ]
    return [
        _text(28, y, row["case"]),
        *marks,
        _text(RIGHT + 16, y, f"{values[0]} instead of {values[1]}"),
    ]


def _legend(names: list[str], y: float) -> list[str]:
    marks = [
        f'<circle cx="22" cy="{y - 4}" r="5" fill="{COLOURS["ours"]}"/>',
        _text(32, y, f"{names[0]}, as a ratio to {names[1]}"),
    ]
    for i, name in enumerate(names[2:]):
        x = LEFT + 12 + 140 * i
        marks.append(
            f'<circle cx="{x}" cy="{y - 4}" r="3.5" fill="#ffffff" '
            f'stroke="{COLOURS["other"]}" stroke-width="1.5"/>'
        )
        marks.append(_text(x + 10, y, name))
    return [*marks, _text(RIGHT, y, "left of 1: less", anchor="end")]


def _caption(figures: dict[str, Any]) -> list[str]:
    """Where and when."""
    made = next(iter(figures.values()))
    flags = next(iter(made["flags"]), "unknown flags").split()
    level = " ".join(flag for flag in flags if flag.startswith("-O"))
    versions = ", ".join(f"{peer['name']} (numpy {peer['numpy']})" for peer in made["peers"])
    return [
        f"{made['machine']['cpu']}, {made['machine']['system']}; {made['built']['fortran']} "
        f"{level}",
        f"{CLOCKS[made['clock']]}, {made['date']}, commit {made['commit']}; {versions}",
    ]


def _text(
    x: float, y: float, words: str, *, size: int = 13, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{COLOURS["text"]}">{escape(words)}</text>'
    )


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture(json.loads(source.read_text())))
