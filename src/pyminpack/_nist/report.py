"""Show runs: a table to read, or JSON for a program."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any

from .._config import show_config
from .certify import Run
from .datasets import source
from .models import Array
from .reach import TARGET, Settings

__all__ = ["as_json", "table"]

_HEADINGS = (
    "                                               correct digits of",
    "data set  difficulty  start  ier  nfev  njev  parameters (due)  std errors       time",
    "--------  ----------  -----  ---  ----  ----  ----------------  ----------  ---------",
)

_MEANING = {
    "ftol": "ftol ends a fit whose steps are small against the standard errors",
    "xtol": "xtol ends a fit whose steps are small against the parameters",
    "gtol": "gtol ends a fit whose residuals are nearly orthogonal to the Jacobian",
    "loose": "the tolerances are too loose to promise any",
    "differences": "forward differences move the solution (analytic derivatives do not)",
}


def table(runs: Sequence[Run], settings: Settings) -> str:
    """Format the runs, the reasons of those that fall short, and a summary line."""
    return "\n".join(
        [
            *_title(settings),
            "",
            *_HEADINGS,
            *map(_row, runs),
            *_notes("Failed", _reasons(runs, "failed")),
            *_notes("Out of reach", _reasons(runs, "out of reach")),
            *_notes(f"Fewer than {TARGET:.0f} digits, as is to be expected", _limited(runs)),
            "",
            _summary_line(runs),
        ]
    )


def as_json(runs: Sequence[Run], settings: Settings) -> str:
    """Format the runs as a JSON document; what is not finite or not available is null."""
    document = {
        "source": source(),
        "config": show_config(),
        "settings": asdict(settings),
        "runs": [_record(run) for run in runs],
        "summary": _summary(runs),
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _title(settings: Settings) -> list[str]:
    config = show_config()
    return [
        f"NIST StRD, nonlinear regression, by pyminpack {config['version']}"
        f" ({config['minpack']} MINPACK, {config['fortran']}, numpy {config['numpy']})",
        f"Jacobian: {settings.jacobian}; ftol = {settings.ftol:g}, xtol = {settings.xtol:g},"
        f" gtol = {settings.gtol:g}, maxfev = {settings.maxfev}",
    ]


def _row(run: Run) -> str:
    njev = "-" if run.njev is None else run.njev
    errors = "-" if run.error_digits is None else f"{run.error_digits:.1f}"
    mark = "" if run.verdict == "ok" else f"  {run.verdict}"
    return (
        f"{run.dataset.name:<8}  {run.dataset.difficulty:<10}  {run.start:>5}  {run.ier:>3}"
        f"  {run.nfev:>4}  {njev:>4}  {run.digits:>10.1f} ({run.due.digits:.1f})  {errors:>10}"
        f"  {run.seconds * 1e3:>6.1f} ms{mark}"
    )


def _notes(heading: str, notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    filled = (fill(n, 100, initial_indent="  ", subsequent_indent="    ") for n in notes)
    return ["", f"{heading}:", *filled]


def _reasons(runs: Sequence[Run], verdict: str) -> list[str]:
    return [
        f"{run.dataset.name} ({run.start}): {run.why}" for run in runs if run.verdict == verdict
    ]


def _limited(runs: Sequence[Run]) -> list[str]:
    """Say for each limit which runs it keeps from six digits."""
    short = [run for run in runs if run.verdict == "ok" and run.digits < TARGET]
    notes = []
    for limit, meaning in _MEANING.items():
        starts: dict[str, list[str]] = {}
        for run in short:
            if run.due.limit == limit:
                starts.setdefault(run.dataset.name, []).append(str(run.start))
        if starts:
            labels = (f"{name} ({','.join(numbers)})" for name, numbers in starts.items())
            notes.append(f"{meaning}: {', '.join(labels)}")
    return notes


def _summary(runs: Sequence[Run]) -> dict[str, float]:
    return {
        "runs": len(runs),
        "six_digits": sum(run.digits >= TARGET for run in runs),
        "ok": sum(run.verdict == "ok" for run in runs),
        "out_of_reach": sum(run.verdict == "out of reach" for run in runs),
        "failed": sum(run.verdict == "failed" for run in runs),
        "seconds": sum(run.seconds for run in runs),
    }


def _summary_line(runs: Sequence[Run]) -> str:
    counts = _summary(runs)
    return (
        f"{counts['runs']} runs: {counts['six_digits']} with {TARGET:.0f} digits or more;"
        f" {counts['ok']} ok, {counts['out_of_reach']} out of reach, {counts['failed']} failed;"
        f" {counts['seconds'] * 1e3:.0f} ms"
    )


def _record(run: Run) -> dict[str, Any]:
    return {
        "dataset": run.dataset.name,
        "difficulty": run.dataset.difficulty,
        "start": run.start,
        "ier": run.ier,
        "nfev": run.nfev,
        "njev": run.njev,
        "parameters": _finite(run.parameters),
        "standard_errors": None if run.standard_errors is None else _finite(run.standard_errors),
        "rss": run.rss if math.isfinite(run.rss) else None,
        "digits": run.digits,
        "digits_due": run.due.digits,
        "limit": run.due.limit,
        "error_digits": run.error_digits,
        "seconds": run.seconds,
        "verdict": run.verdict,
        "why": run.why,
    }


def _finite(values: Array) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
