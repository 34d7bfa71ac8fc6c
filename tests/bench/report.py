"""The edges of all benchmarks: command line, table, and JSON."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from circumstances import circumstances
from compare import CLOCKS, Peer

__all__ = ["identities", "number", "parse", "report"]


def parse(description: str | None, arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line that all benchmarks have."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="put the figures into FILE, beside what it holds"
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="PYTHON",
        help="interpreter of an environment with another SciPy; may be given again",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with TEXT in their title")
    parser.add_argument(
        "--build", type=Path, metavar="FOLDER", help="of meson; names the flags in the figures"
    )
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="cpu: the time of all threads on their processors, for a machine that others use too",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="fewer rounds and cases")
    length.add_argument(
        "--smoke", action="store_true", help="small sizes: sees that all runs and agrees"
    )
    return parser.parse_args(arguments)


def report(
    name: str,
    what: str,
    rows: list[dict[str, Any]],
    group: list[dict[str, str]],
    options: argparse.Namespace,
) -> None:
    """Print the table; with --json, put it all into the file under `name`."""
    if options.smoke:  # too short to mean anything
        print(f"{name}: {len(rows)} cases run, on {', '.join(peer['name'] for peer in group)}")
    else:
        print(f"{what}\n\n{table(rows)}\n", flush=True)
        timed = name not in ("memory", "bounds", "trust", "blocks")
        if timed and options.clock == "wall" and os.getloadavg()[0] > os.cpu_count():
            print("The machine was busy with other things: long fits had to wait. See --clock.\n")
    if options.json is None:
        return
    figures = json.loads(options.json.read_text()) if options.json.exists() else {}
    length = "quick" if options.quick else "smoke" if options.smoke else "full"
    made = {
        "length": length,
        "clock": options.clock,
        **circumstances(options.build),
        "peers": group,
    }
    figures[name] = {"what": what, **made, "rows": rows}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    short = json.loads(
        json.dumps(figures), parse_float=lambda digits: float(f"{float(digits):.4g}")
    )
    options.json.write_text(json.dumps(short, indent=1, ensure_ascii=False) + "\n")


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown: value of each peer, ours as a ratio to each, and who took another path.

    Rows that hold counts of verdicts have a column for each of these instead.
    Goals are for those who work on pyminpack, not for readers of the table: the figures hold them.
    """
    if not rows:
        return "(no cases)"
    if "counts" in rows[0]:
        head = ["", *rows[0]["counts"]]
        return layout(head, [[row["case"], *map(str, row["counts"].values())] for row in rows])
    names = list(dict.fromkeys(name for row in rows for name in row["peers"]))
    others = names[1:]
    head = ["", *names, *(f"ratio to {name}" for name in others)]

    def value(row: dict[str, Any], name: str) -> str:
        return (
            number(row["peers"][name]["value"], row.get("unit", "s"))
            if name in row["peers"]
            else ""
        )

    def ratio(row: dict[str, Any], name: str) -> str:
        return f"{row['ratios'][name]:.2f}" if name in row["ratios"] else ""

    body = [
        [
            row["case"],
            *(value(row, name) for name in names),
            *(ratio(row, name) for name in others),
        ]
        for row in rows
    ]
    notes = [note for row in rows for note in other_paths(row)]
    return "\n".join([layout(head, body), *(["", *notes] if notes else [])])


def layout(head: list[str], body: list[list[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for first, *rest in [head, rule, *body]:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def other_paths(row: dict[str, Any]) -> list[str]:
    """Tell peers that called func another number of times than we did: not the same work."""
    first, *others = row["peers"].items()
    return [
        f"{row['case']}: {name} called func {peer['nfev']} times, {first[0]} {first[1]['nfev']}."
        for name, peer in others
        if peer.get("nfev") != first[1].get("nfev")
    ]


def number(value: float, unit: str) -> str:
    """A value with three digits and a unit of a handy size."""
    if unit != "s":
        return f"{value:.2f} {unit}"
    if abs(value) < 1e-3:
        return f"{value * 1e6:.3g} µs"
    return f"{value * 1e3:.3g} ms" if abs(value) < 0.9995 else f"{value:.3g} s"


def identities(group: list[Peer]) -> list[dict[str, str]]:
    """What the peers are."""
    return [{"name": peer.name, **peer.identity} for peer in group]
