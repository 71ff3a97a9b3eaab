# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for a mailing list or a pull request: Markdown that also reads as plain text.

Whatever is not a mark of this module is escaped, so that it is text wherever the page is shown: no
heading, link, picture, HTML or call of a person's name comes out of a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hintfleet.render.doubts import Doubt, doubts, missing_words, verdict_words
from hintfleet.render.swept import all_tables
from hintfleet.render.tables import Cell, ReportTable, summary_table
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
    parts = [f"# {escaped(title(report))}", escaped(report.answer), _verdict(words, step)]
    parts += [_table(data) for data in [summary_table(report)] if data.rows]
    parts.append(f"{LEGEND}   [extremes over the blocks]")
    for data in all_tables(report):
        parts += [f"## {escaped(data.heading)}", _table(data)]
    parts += ["## What to know before believing this", _list(_remarks(report))]
    facts = [escaped(f"{name}: {'; '.join(values)}") for name, values in report.provenance.items()]
    parts += ["## How it was measured", _list(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_comparison(comparison: Comparison) -> str:
    """A comparison as Markdown."""
    parts = [f"# {escaped(comparison_title(comparison))}", escaped(comparison_answer(comparison))]
    parts.append(_verdict(str(comparison.verdict), comparison_step(comparison)))
    for data in comparison_tables(comparison):
        parts += [f"## {escaped(data.heading)}", _table(data)]
    remarks = [_said(doubt) for doubt in comparison_doubts(comparison)]
    parts += [LEGEND, _list([*remarks, *map(escaped, comparison_damages(comparison))])]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_tables(
    heading: str, answer: str, shown: Sequence[ReportTable], remarks: Iterable[str]
) -> str:
    """A page of an answer, tables and remarks as Markdown."""
    parts = [f"# {escaped(heading)}", escaped(answer)]
    for data in shown:
        parts += [f"## {escaped(data.heading)}", _table(data)] if data.rows else []
    parts += [LEGEND, _list(map(escaped, remarks))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _remarks(report: Report) -> list[str]:
    return [
        *(_said(doubt) for doubt in doubts(report)),
        *map(escaped, missing_words(report)),
        *(escaped(f"unusable: {damage}") for damage in report.damages),
        *map(escaped, report.notes),
    ]


def _said(doubt: Doubt) -> str:
    step = f" Next: {doubt.next_step}." if doubt.next_step else ""
    return f"**{doubt.verdict}**: {escaped(f'{doubt.sentence}.{step}')}"


def _verdict(words: str, step: str) -> str:
    return f"**Verdict: {escaped(words)}.**" + (f" Next: {escaped(step)}." if step else "")


def _table(data: ReportTable) -> str:
    """Columns are padded, so that the source is a table to the eye as well."""
    rows = [[escaped(data.corner), *map(escaped, data.columns)]]
    rows += [[escaped(row.label.strip()), *map(_cell, row.cells)] for row in data.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(rows[0], widths)]
    rest = "|".join("-" * (width + 1) + ":" for width in widths[1:])
    lines.append(f"|{'-' * (widths[0] + 2)}|{rest}|")
    lines += [_line(row, widths) for row in rows[1:]]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = (text.rjust(width) for text, width in zip(cells[1:], widths[1:], strict=True))
    return f"| {' | '.join([first, *rest])} |"


def _cell(cell: Cell) -> str:
    """What has a verdict is a number, written here with its extremes in brackets."""
    return cell.text if cell.verdict else escaped(cell.text)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


MARKUP = re.compile(
    r"""[\\`*\[\]<>#!|~&]  # a mark anywhere
    | (?<![A-Za-z0-9])_ | _(?![A-Za-z0-9])  # within a word an underscore is only that
    | (?<=:)/(?=/) | (?<=www)\.  # an address becomes a link by itself
    """,
    re.VERBOSE,
)


def escaped(text: str) -> str:
    """Text that Markdown (CommonMark and GitHub's) shows as it is, within a line of ours.

    A name after @ would be called on some sites, escaped or not: a blank keeps it text.
    """
    line = MARKUP.sub(r"\\\g<0>", " ".join(text.split("\n")))
    return re.sub(r"@(?=\w)", r"\@ ", line)
