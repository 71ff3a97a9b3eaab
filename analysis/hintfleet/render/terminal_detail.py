# SPDX-License-Identifier: GPL-2.0-or-later
"""Detail on demand: single blocks, the share of blocks in which a count fits, curves by tasks."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from hintfleet.render.charts import lines
from hintfleet.render.console import table
from hintfleet.render.sweep_charts import gain_chart, sweep_charts
from hintfleet.render.swept import gain_and_cost, sweep_heading
from hintfleet.render.tables import detail_tables, figures_table
from hintfleet.report.build import Report
from hintfleet.statistics.units import change, plural

CURVE_HEIGHT = 6
WIDE = 120
"""From this width on the table of all figures has room for reasons."""


def sections(report: Report, width: int, ascii_only: bool) -> Iterator[tuple[str, RenderableType]]:
    """Headings with their renderables."""
    for sweep in report.sweeps:
        yield sweep_heading(sweep), sweep_charts(report, sweep, width, ascii_only)
    shown = gain_and_cost(report)
    if shown is not None:
        yield "Gain against cost", gain_chart(shown, width, ascii_only)
    for data in detail_tables(report):
        yield data.heading, table(data, ascii_only)
    for mode in ("processes", "threads"):
        if any(result.curves.get(mode) for result in report.page_fault.values()):
            yield (
                f"page_fault, {mode}: rate relative to {report.study.baseline} by tasks",
                curves(report, mode, width, ascii_only),
            )
    data = figures_table(report, reasons=width >= WIDE)
    yield data.heading, table(data, ascii_only)


def curves(report: Report, mode: str, width: int, ascii_only: bool) -> RenderableType:
    """Each arm's ratio to none over the number of tasks, all on one scale."""
    points = {
        name: [(float(t), f.estimate) for t, f in result.curves[mode].items() if f.estimate]
        for name, result in report.page_fault.items()
        if result.curves.get(mode)
    }
    ratios = [y for curve in points.values() for _, y in curve]
    low, high = min([*ratios, 0.95]), max([*ratios, 1.05])
    margin = 9
    room = max(min(width, 160) - margin - 1, 20)
    drawn = lines(points, room, CURVE_HEIGHT, low, high, ascii_only)
    parts: list[RenderableType] = []
    for name, rows in drawn.items():
        parts.append(Text(name))
        for index, row in enumerate(rows):
            scale = {0: change(high), CURVE_HEIGHT - 1: change(low)}.get(index, "")
            line = Text(scale.rjust(margin - 1) + " ", style="report.dim")
            line.append(row, "chart.curve")
            line.no_wrap = True
            parts.append(line)
    tasks = sorted({int(x) for curve in points.values() for x, _ in curve})
    if tasks:
        first = plural(tasks[0], "task")
        axis = f"{first}{str(tasks[-1]).rjust(room - len(first))}"
        parts.append(Text(" " * margin + axis, style="report.dim"))
    return Group(*parts)
