# SPDX-License-Identifier: GPL-2.0-or-later
"""Detail on demand: single blocks, the share of blocks in which a count fits, curves by tasks."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hintfleet.render.charts import lines
from hintfleet.render.words import interval_text, label, short
from hintfleet.report import Report, all_figures
from hintfleet.units import change, number, percent

CURVE_HEIGHT = 6


def sections(report: Report, width: int, ascii_only: bool) -> Iterator[tuple[str, RenderableType]]:
    """Headings with their renderables."""
    if report.density:
        yield "In how many blocks so many guests fit", fits_table(report, ascii_only)
    if report.density or report.memhog:
        yield "Every block", blocks_table(report, ascii_only)
    for mode in ("processes", "threads"):
        if any(result.curves.get(mode) for result in report.page_fault.values()):
            yield (
                f"page_fault, {mode}: rate relative to none by tasks",
                curves(report, mode, width, ascii_only),
            )
    yield "Every figure with its verdict", figures_table(report, ascii_only)


def fits_table(report: Report, ascii_only: bool) -> Table:
    """k of n blocks, with what that says about all blocks."""
    table = _table(ascii_only, "mechanism", "guests", "fit in", "95 % interval", "so at least")
    for name, result in report.density.items():
        for fit in result.fits:
            table.add_row(
                name,
                str(fit.guests),
                f"{fit.blocks} of {fit.of}",
                f"{percent(fit.share.low)}-{percent(fit.share.high)}",
                f"{percent(fit.at_least)}",
            )
    return table


def blocks_table(report: Report, ascii_only: bool) -> Table:
    """The raw results, one row for each run of consolidation and memhog."""
    table = _table(ascii_only, "cell", "block", "mechanism", "guests", "memhog s", "swap end MiB")
    rows: dict[tuple[str, int, str], dict[str, str]] = {}
    for name, density in report.density.items():
        for one in density.observations:
            row = rows.setdefault((one.cell, one.block, name), {})
            row["guests"] = number(one.guests_without_swap)
            row["swap"] = number(one.swap_end_mib)
    for name, memhog in report.memhog.items():
        for run in memhog.observations:
            row = rows.setdefault((run.cell, run.block, name), {})
            row["memhog"] = ", ".join(
                "did not end" if s is None else number(s) for s in run.seconds
            )
            row["swap"] = f"{row.get('swap', '-')}; {number(run.swap_end_mib)}"
    for (cell, block, name), row in sorted(rows.items()):
        table.add_row(
            cell, str(block), name, row.get("guests", "-"), row.get("memhog", "-"), row["swap"]
        )
    return table


def curves(report: Report, mode: str, width: int, ascii_only: bool) -> RenderableType:
    """Each mechanism's ratio to none over the number of tasks, all on one scale."""
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
        axis = f"{tasks[0]} tasks{str(tasks[-1]).rjust(room - len(f'{tasks[0]} tasks'))}"
        parts.append(Text(" " * margin + axis, style="report.dim"))
    return Group(*parts)


def figures_table(report: Report, ascii_only: bool) -> Table:
    """The complete list, as programs get it."""
    table = _table(ascii_only, "figure", "mechanism", "n", "value", "95 % interval", "reason")
    for topic, mechanism, name, figure in all_figures(report):
        table.add_row(
            label(topic, name),
            mechanism,
            str(figure.n),
            short(figure),
            interval_text(figure),
            f"{figure.verdict}: {figure.judgement.reason}",
        )
    return table


def _table(ascii_only: bool, *headings: str) -> Table:
    table = Table(box=box.ASCII if ascii_only else box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
