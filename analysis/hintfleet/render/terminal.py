# SPDX-License-Identifier: GPL-2.0-or-later
"""The report in a terminal: functions from a Report to rich renderables; nothing is printed."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hintfleet.render import terminal_detail
from hintfleet.render.charts import columns, stretch
from hintfleet.render.console import VERDICT_STYLE, chart_line, heading_line, table
from hintfleet.render.tables import summary_table, tables
from hintfleet.render.words import LEGEND, doubts, mechanisms, title, verdict_words
from hintfleet.report import Report
from hintfleet.units import number, quantity

DOUBTS_ON_SUMMARY = 2


def render(
    report: Report, width: int = 80, ascii_only: bool = False, detail: bool = False
) -> RenderableType:
    """The whole report: the summary first, on one screen; then tables, curves and doubts."""
    parts: list[RenderableType] = [summary(report, ascii_only)]
    for data in tables(report):
        parts += [heading_line(data.heading), table(data, ascii_only)]
    if report.timelines:
        parts.append(heading_line("Memory and swap of the cell over time"))
        parts.append(timelines(report, width, ascii_only))
    if detail:
        for heading, body in terminal_detail.sections(report, width, ascii_only):
            parts += [heading_line(heading), body]
    parts += [heading_line("What to know before believing this"), remarks(report)]
    parts += [heading_line("How it was measured"), provenance(report, detail)]
    parts += [Text(), Text(report.answer, style="report.answer"), verdict_line(report)]
    return Group(*parts)


def summary(report: Report, ascii_only: bool = False) -> RenderableType:
    """One screen of 80 x 24: the answer, gain and cost by mechanism, the gravest doubts."""
    answer = Panel(
        Text(report.answer, style="report.answer"),
        title=Text(f"hintfleet · {title(report)}"),
        box=box.ASCII if ascii_only else box.ROUNDED,
    )
    parts: list[RenderableType] = [answer]
    data = summary_table(report)
    if data.rows:
        parts += [table(data, ascii_only), Text(LEGEND, style="report.dim")]
    found = doubts(report)
    for doubt in found[:DOUBTS_ON_SUMMARY]:
        style = VERDICT_STYLE[doubt.verdict]
        parts.append(Text(f"• {doubt.reason}", style, overflow="ellipsis", no_wrap=True))
    if len(found) > DOUBTS_ON_SUMMARY:
        parts.append(Text(f"• {len(found) - DOUBTS_ON_SUMMARY} more below", style="report.dim"))
    parts.append(verdict_line(report))
    return Group(*parts)


def verdict_line(report: Report) -> Text:
    """How far to believe the study, and the first thing to do about it."""
    words, step = verdict_words(report)
    line = Text("Verdict: ")
    line.append(words, VERDICT_STYLE[report.verdict])
    line.append("." if not step else f". Next: {step}.", "report.next")
    return line


def timelines(report: Report, width: int, ascii_only: bool = False) -> RenderableType:
    """Memory (filled) and swap (the line below) of one run of each mechanism, on one scale."""
    workload = "consolidation"
    shown = [t for t in report.timelines if t.workload == workload] or list(report.timelines)
    end = max(t.end_seconds for t in shown)
    top = max(t.cell_memory_mib for t in shown)
    margin = 9
    room = max(min(width, 160) - margin - 1, 20)
    parts: list[RenderableType] = []
    for one in sorted(shown, key=lambda t: mechanisms(report).index(t.mechanism)):
        used = max(round(one.end_seconds / end * room), 1)
        peak = max((value for value in one.swap_mib if value is not None), default=0.0)
        parts.append(Text(f"{one.mechanism} · {one.workload} · swap at most {number(peak)} MiB"))
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
        line.append(doubt.reason)
        line.append(f". Next: {doubt.next_step}." if doubt.next_step else ".", "report.next")
        parts.append(line)
    parts += [
        Text(f"• no result: {one.run_id} ({one.status}): {one.reason}") for one in report.missing
    ]
    parts += [Text(f"• unusable: {damage}", style="verdict.unsettled") for damage in report.damages]
    parts += [Text(f"• {note}") for note in report.notes]
    if not report.disparities and report.study.finished:
        parts.append(Text("• Parity: nothing recorded differs between mechanisms but themselves."))
    return Group(*parts)


def provenance(report: Report, detail: bool = False) -> RenderableType:
    """What was run on what; in short, or everything that was recorded."""
    brief = ("cell", "guest kernel", "QEMU", "host cpu model", "host kernel release", "hintfleet")
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="report.dim", no_wrap=True)
    facts.add_column(overflow="fold")
    if report.study.started:
        facts.add_row("measured", f"{report.study.started} to {report.study.ended}")
    for name, values in report.provenance.items():
        if detail or name in brief:
            facts.add_row(name, "; ".join(values[:4]) + ("; …" if len(values) > 4 else ""))
    return facts
