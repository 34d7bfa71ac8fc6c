"""The report of a fit: values and errors rounded alike, what is remarkable in words."""

from __future__ import annotations

import html
import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .._result import _Result

__all__ = ["as_html", "as_text", "rounded"]

#: Correlations above this are told: from here on an error is more than twice what it would be if
#: the other parameter were known.
LARGE = 0.9
MOST = 10
WIDTH = 80
#: Relative error below which a value is written with all its digits.
FINEST = 1e-14


def rounded(value: float, error: float) -> str:
    """Write ``value ± error``, to two significant digits of the error.

    Examples
    --------
    >>> from pyminpack._fit.report import rounded
    >>> rounded(3.00973, 0.0202)
    '3.010 ± 0.020'
    >>> rounded(6.62607e-34, 1.2e-38)
    '(6.62607 ± 0.00012)e-34'
    >>> rounded(12345.6, 789.0)
    '12350 ± 790'
    """
    if not (math.isfinite(error) and math.isfinite(value)) or error <= 0.0:
        return f"{value:.6g}"
    if error < FINEST * abs(value):
        return f"{value:.15g} ± {error:.1e}"
    last = _power(error, 1) - 1  # the place of the error's second digit
    power = _power(max(abs(value), error), 0)
    if -4 <= power <= 6:
        texts = [_decimal(f"{number:.17e}", 0, last) for number in (value, error)]
        return " ± ".join(texts)
    texts = [_decimal(f"{number:.17e}", power, last - power) for number in (value, error)]
    return f"({' ± '.join(texts)})e{power:+03d}"


def _power(number: float, digits: int) -> int:
    """Return the power of ten of a number that is rounded to one digit and `digits` further."""
    return int(f"{number:.{digits}e}".partition("e")[2])


def _decimal(number: str, power: int, last: int) -> str:
    """Write number/10**power, rounded at the place `last`, for any power of a number."""
    mantissa, _, exponent = number.partition("e")
    value = float(f"{mantissa}e{int(exponent) - power}")
    return f"{round(value, -last) + 0.0:.{max(-last, 0)}f}"


def _rows(result: _Result) -> list[tuple[str, str, str]]:
    """For each parameter its name, its value ± error, and a remark."""
    errors, limits = result.stderr, result._fitted.limits
    rows = []
    for j, (name, value, side) in enumerate(
        zip(result.names, result.popt.tolist(), result.active_mask.tolist(), strict=True)
    ):
        error = float(errors[j])
        if limits is not None and limits[0][j] == limits[1][j]:
            remark = "fixed"
        elif side:
            remark = f"at its {'upper' if side > 0 else 'lower'} bound"
        elif math.isnan(error) or math.isinf(error):
            remark = "error unknown"
        elif error == 0.0 or error >= abs(value):
            remark = ""
        else:
            remark = _share(error / abs(value))
        rows.append((name, rounded(value, error), remark))
    return rows


def _share(part: float) -> str:
    """Write a relative error."""
    if part < 1e-4:
        return f"{part:.1e}"
    percent = 100.0 * part
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:#.2g} %"


def _correlations(result: _Result) -> list[str]:
    """List the large correlations, the largest first."""
    matrix, names = result.correlation, result.names
    with np.errstate(invalid="ignore"):
        i, j = np.nonzero(np.triu(np.abs(matrix) > LARGE, 1))
    order = np.argsort(-np.abs(matrix[i, j]), kind="stable")
    lines = [f"{names[i[k]]}, {names[j[k]]}: {_correlation(matrix[i[k], j[k]])}" for k in order]
    return [*lines[:MOST], f"{len(lines) - MOST} more"] if len(lines) > MOST else lines


def _correlation(r: float) -> str:
    """Write a correlation with two digits of its distance from 1."""
    return f"{r:+.{2 - math.ceil(math.log10(max(1.0 - abs(r), 1e-9)))}f}"


def _facts(result: _Result) -> list[tuple[str, str]]:
    """List what there is to say of the fit as a whole."""
    fit = result._fitted
    free = f", {fit.free} free" if fit.free < fit.popt.size else ""
    sizes = f"{_number(fit.fvec.size, 'observation')}, {_number(fit.popt.size, 'parameter')}{free}"
    squares = f"{result.chisqr:.5g}"
    if result.dof > 0:
        squares += f"; {result.redchi:.5g} for each of {_number(result.dof, 'degree')} of freedom"
    name = "sum of squares" if fit.weights is None else "chi-square"
    facts = [("data", sizes), (name, squares)]
    if correlations := _correlations(result):
        facts.append(("correlations", "; ".join(correlations)))
    facts.append(("end", f"{result.message} {_number(result.nfev, 'call')} of f."))
    facts += [("warning", text) for text in result.warnings]
    return facts


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def as_text(result: _Result) -> str:
    """Write the report for a terminal: columns, lines of at most 80 characters where it can be."""
    rows = _rows(result)
    name_width = max(len(name) for name, _, _ in rows)
    # The signs ± stand one under the other, and so do the values' ends.
    left = max(len(text.partition(" ± ")[0]) for _, text, _ in rows)
    aligned = [
        f"{text.partition(' ± ')[0]:>{left}}{''.join(text.partition(' ± ')[1:])}"
        for _, text, _ in rows
    ]
    width = max(map(len, aligned))
    lines = [result.title, ""]
    for (name, _, remark), text in zip(rows, aligned, strict=True):
        lines.append(f"  {name:<{name_width}}  {text:<{width}}  {remark}".rstrip())
    lines.append("")
    facts = _facts(result)
    indent = max(len(what) for what, _ in facts) + 4
    for what, text in facts:
        lines += textwrap.wrap(
            f"  {what:<{indent - 4}}  {text}", WIDTH, subsequent_indent=" " * indent,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)


def as_html(result: _Result) -> str:
    """Write the report as a table for a notebook."""
    parts = [f"<p><code>{html.escape(result.title)}</code></p>", "<table>"]
    parts.append("<thead><tr><th>parameter</th><th>value ± error</th><th></th></tr></thead>")
    parts.append("<tbody>")
    for row in _rows(result):
        parts.append(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>")
    parts.append("</tbody></table><table><tbody>")
    left = 'style="text-align: left"'
    for what, text in _facts(result):
        parts.append(f"<tr><th {left}>{what}</th><td {left}>{html.escape(text)}</td></tr>")
    parts.append("</tbody></table>")
    return "\n".join(parts)
