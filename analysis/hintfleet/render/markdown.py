# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for a mailing list or a pull request: Markdown that also reads as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hintfleet.render.doubts import Doubt, doubts, missing_words, verdict_words
from hintfleet.render.tables import ReportTable, summary_table, tables
from hintfleet.render.view import (
    comparison_answer,
    comparison_damages,
    comparison_doubts,
    comparison_step,
    comparison_tables,
    comparison_title,
)
from hintfleet.render.words import LEGEND, title
from hintfleet.report.build import Report
from hintfleet.report.compare import Comparison


def render(report: Report) -> str:
    """A report as Markdown."""
    words, step = verdict_words(report)
    parts = [f"# {_escaped(title(report))}", report.answer, _verdict(words, step)]
    parts += [_table(data) for data in [summary_table(report)] if data.rows]
    parts.append(f"{LEGEND}   [extremes over the blocks]")
    for data in tables(report):
        parts += [f"## {data.heading}", _table(data)]
    parts += ["## What to know before believing this", _list(_remarks(report))]
    facts = [f"{name}: {'; '.join(values)}" for name, values in report.provenance.items()]
    parts += ["## How it was measured", _list(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_comparison(comparison: Comparison) -> str:
    """A comparison as Markdown."""
    parts = [f"# {_escaped(comparison_title(comparison))}", comparison_answer(comparison)]
    parts.append(_verdict(str(comparison.verdict), comparison_step(comparison)))
    for data in comparison_tables(comparison):
        parts += [f"## {data.heading}", _table(data)]
    remarks = [_said(doubt) for doubt in comparison_doubts(comparison)]
    parts += [LEGEND, _list([*remarks, *comparison_damages(comparison)])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _remarks(report: Report) -> list[str]:
    return [
        *(_said(doubt) for doubt in doubts(report)),
        *missing_words(report),
        *(f"unusable: {damage}" for damage in report.damages),
        *report.notes,
    ]


def _said(doubt: Doubt) -> str:
    step = f" Next: {doubt.next_step}." if doubt.next_step else ""
    return f"**{doubt.verdict}**: {doubt.sentence}.{step}"


def _verdict(words: str, step: str) -> str:
    return f"**Verdict: {words}.**" + (f" Next: {step}." if step else "")


def _table(data: ReportTable) -> str:
    """Columns are padded, so that the source is a table to the eye as well."""
    rows: list[Sequence[str]] = [("", *data.columns)]
    rows += [(row.label.strip(), *(cell.text for cell in row.cells)) for row in data.rows]
    escaped = [[_escaped(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*escaped, strict=True)]
    lines = [_line(escaped[0], widths)]
    rest = "|".join("-" * (width + 1) + ":" for width in widths[1:])
    lines.append(f"|{'-' * (widths[0] + 2)}|{rest}|")
    lines += [_line(row, widths) for row in escaped[1:]]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = (text.rjust(width) for text, width in zip(cells[1:], widths[1:], strict=True))
    return f"| {' | '.join([first, *rest])} |"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line.replace('|', chr(92) + '|')}" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
