# SPDX-License-Identifier: GPL-2.0-or-later
"""The report in a terminal: functions from a Report to rich renderables; nothing is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from hintfleet.figures.figure import Verdict
from hintfleet.render import terminal_detail
from hintfleet.render.balance_bars import bars
from hintfleet.render.charts import columns, stretch
from hintfleet.render.console import VERDICT_STYLE, chart_line, heading_line, panel, table
from hintfleet.render.doubts import Doubt, doubts, missing_words, verdict_words
from hintfleet.render.swept import all_tables
from hintfleet.render.tables import MOST_ROWS, in_columns_that_fit, summary_table
from hintfleet.render.words import LEGEND, arms, title
from hintfleet.report.build import Report
from hintfleet.statistics.units import number, quantity

SCREEN_LINES = 23
"""Of 24, one is the prompt's."""

FEWEST_ROWS = 4
"""Of many arms the best so many are shown, even if they do not fit a screen."""


def render(
    report: Report, width: int = 80, ascii_only: bool = False, detail: bool = False
) -> RenderableType:
    """The summary on one screen; in detail also tables, curves, doubts and every figure."""
    if not detail:
        return summary(report, ascii_only)
    parts: list[RenderableType] = [summary(report, ascii_only)]
    shown = [
        part for data in all_tables(report) for part in in_columns_that_fit(data, arms(report))
    ]
    for data in shown:
        parts += [heading_line(data.heading), table(data, ascii_only)]
    parts.append(Text(f"\n{LEGEND}   [extremes over the blocks]", style="report.dim"))
    if report.balance:
        parts.append(heading_line("Where memory stays: held for a guest at rest"))
        parts.append(bars(report.balance, width))
    if report.timelines:
        parts.append(heading_line("Memory and swap of the cell over time"))
        parts.append(timelines(report, width, ascii_only))
    for heading, body in terminal_detail.sections(report, width, ascii_only):
        parts += [heading_line(heading), body]
    parts += [heading_line("What to know before believing this"), remarks(report)]
    parts += [heading_line("How it was measured"), provenance(report)]
    parts += [Text(), Text(report.answer, style="report.answer"), verdict_line(report)]
    return Group(*parts)


def summary(report: Report, ascii_only: bool = False) -> RenderableType:
    """One screen: the answer with its verdict, gain and cost by arm, the gravest doubts."""
    head = Text(report.answer, style="report.answer")
    head.append("\n")
    head.append_text(verdict_line(report))
    framed = panel(head, title(report), ascii_only)

    def fixed(most_rows: int) -> RenderableType:
        data = summary_table(report, most_rows)
        return Group(framed, table(data, ascii_only)) if data.rows else framed

    found = [doubt for doubt in doubts(report) if doubt.reason not in report.answer]
    # what is merely unsettled the verdict has told; what went wrong, and what limits the answer
    # even if nothing did, has not been said yet
    wrong = {objection.reason for objection in report.objections}
    first: list[Doubt] = []
    rest: list[Doubt] = []
    for doubt in found:
        grave = doubt.reason in wrong or doubt.verdict == Verdict.NOT_TO_BE_TRUSTED
        (first if grave else rest).append(doubt)
    notes = [Text(f"• {note}") for note in report.notes]
    return _OneScreen(fixed, (*_bullets(first), *notes, *_bullets(rest)))


def _bullets(found: Sequence[Doubt]) -> list[Text]:
    return [Text(f"• {doubt.sentence}.", VERDICT_STYLE[doubt.verdict]) for doubt in found]


@dataclass(frozen=True)
class _OneScreen:
    """What must be seen, and of the rest whole lines only, as many as fit the screen."""

    fixed: Callable[[int], RenderableType]
    """With so many rows of many arms at most."""
    remarks: tuple[Text, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for most_rows in range(MOST_ROWS, FEWEST_ROWS - 1, -1):
            fixed = self.fixed(most_rows)
            room = SCREEN_LINES - 1 - len(console.render_lines(fixed, options))
            if room >= 0:
                break
        yield fixed
        shown = 0
        for one in self.remarks:
            room -= len(one.wrap(console, options.max_width))
            if room < 0:
                break
            yield one
            shown += 1
        more = f"{len(self.remarks) - shown} more remarks, all tables: --detail"
        yield Text(f"{LEGEND}   {more}", style="report.dim")


def verdict_line(report: Report) -> Text:
    """How far to believe the study, and the first thing to do about it."""
    words, step = verdict_words(report)
    line = Text("Verdict: ")
    line.append(words, VERDICT_STYLE[report.verdict])
    line.append("." if not step else f". Next: {step}.", "report.next")
    return line


def timelines(report: Report, width: int, ascii_only: bool = False) -> RenderableType:
    """Memory (filled) and swap (the line below) of one run of each arm, on one scale."""
    workload = "consolidation"
    shown = [t for t in report.timelines if t.workload == workload] or list(report.timelines)
    end = max(t.end_seconds for t in shown)
    top = max(t.cell_memory_mib for t in shown)
    margin = 9
    room = max(min(width, 160) - margin - 1, 20)
    parts: list[RenderableType] = []
    for one in sorted(shown, key=lambda t: arms(report).index(t.arm)):
        used = max(round(one.end_seconds / end * room), 1)
        peak = max((value for value in one.swap_mib if value is not None), default=0.0)
        parts.append(Text(f"{one.arm} · {one.workload} · swap at most {number(peak)} MiB"))
        rows = columns(stretch(one.memory_mib, used), 4, top, ascii_only)
        for index, row in enumerate(rows):
            scale = f"{number(top)} MiB" if index == 0 else ("0" if index == 3 else "")
            parts.append(chart_line(scale, row, margin, "chart.memory"))
        limit = max(one.cell_swap_mib, 1.0)
        swap = columns(stretch(one.swap_mib, used), 1, limit, ascii_only)[0]
        parts.append(chart_line("swap", swap, margin, "chart.swap"))
    axis = f"0 s{quantity(end, 's').rjust(room - 3)}"
    parts.append(Text(" " * margin + axis, style="report.dim"))
    return Group(*parts)


def remarks(report: Report) -> RenderableType:
    """Doubts with their next step, runs without result, unusable files, and notes."""
    parts: list[RenderableType] = []
    for doubt in doubts(report):
        line = Text("• ")
        line.append(f"{doubt.verdict}: ", VERDICT_STYLE[doubt.verdict])
        line.append(doubt.sentence)
        line.append(f". Next: {doubt.next_step}." if doubt.next_step else ".", "report.next")
        parts.append(line)
    parts += [Text(f"• {line}") for line in missing_words(report)]
    parts += [Text(f"• unusable: {damage}", style="verdict.unsettled") for damage in report.damages]
    parts += [Text(f"• {note}") for note in report.notes]
    if not report.disparities and report.study.finished:
        parts.append(Text("• Parity: nothing recorded differs between arms but themselves."))
    return Group(*parts)


def provenance(report: Report) -> RenderableType:
    """What was run on what."""
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="report.dim", no_wrap=True)
    facts.add_column(overflow="fold")
    if report.study.started:
        facts.add_row("measured", f"{report.study.started} to {report.study.ended}")
    for name, values in report.provenance.items():
        facts.add_row(name, "; ".join(values[:4]) + ("; …" if len(values) > 4 else ""))
    return facts
