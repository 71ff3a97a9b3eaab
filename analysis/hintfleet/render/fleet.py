# SPDX-License-Identifier: GPL-2.0-or-later
"""The report on a store, for the terminal and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hintfleet.figures.figure import Figure
from hintfleet.render.console import VERDICT_STYLE, heading_line, panel, table
from hintfleet.render.json_report import damage_document, figure_document
from hintfleet.render.names import label
from hintfleet.render.tables import Cell, ReportTable, Row
from hintfleet.render.words import LEGEND as MARKS_EXPLAINED
from hintfleet.render.words import interval_text, short, with_spread
from hintfleet.report.answer import answer
from hintfleet.statistics.units import UNKNOWN, plural
from hintfleet.store.report import FleetReport

SCHEMA = "hintfleet.fleet_report/1"

LEGEND = f"{MARKS_EXPLAINED}   [where 90 % of the runs lie]"
HEADINGS = {
    "density": "Density: guests that fit",
    "memhog": "memhog: one guest after the other",
    "page_fault": "page_fault: rate and latency",
}

NAMED_CELLS = 10


def render(report: FleetReport, ascii_only: bool = False, detail: bool = False) -> RenderableType:
    """The answer with its verdict, a table for each topic, the doubts."""
    head = Text(_answer(report), "report.answer")
    head.append("\nVerdict: ")
    head.append(f"{report.verdict}.", VERDICT_STYLE[report.verdict])
    parts: list[RenderableType] = [panel(head, _title(report), ascii_only)]
    for data in tables(report, detail):
        parts += [heading_line(data.heading), table(data, ascii_only)]
    parts += [Text(f"\n{LEGEND}", "report.dim"), heading_line("What to know before believing this")]
    for doubt in report.doubts:
        step = f". Next: {doubt.next_step}." if doubt.next_step else "."
        parts.append(Text(f"• {doubt.verdict}: {doubt.reason}{step}", VERDICT_STYLE[doubt.verdict]))
    parts += [Text(f"• {line}") for line in _remarks(report)]
    return Group(*parts)


def _answer(report: FleetReport) -> str:
    return answer(report.figures, {}, "pair")


def _title(report: FleetReport) -> str:
    counted = (
        (report.hosts, "host"), (report.cells, "cell"), (report.runs, "run"),
    )  # fmt: skip
    studies = ", ".join(report.studies[:3]) + (", …" if len(report.studies) > 3 else "")
    return " · ".join([f"studies {studies}", *(plural(count, noun) for count, noun in counted)])


def tables(report: FleetReport, detail: bool = False) -> list[ReportTable]:
    """One table a topic; columns are mechanisms, rows figures with their 90 % range."""
    found = [_topic_table(report, topic) for topic in report.figures if report.figures[topic]]
    if detail:
        found += [_fits_table(report), *_curve_tables(report)]
    return [data for data in found if data.rows]


def _topic_table(report: FleetReport, topic: str) -> ReportTable:
    groups = report.figures[topic]
    names = list(dict.fromkeys(name for figures in groups.values() for name in figures))
    rows = []
    for name in names:
        figures = [groups.get(m, {}).get(name) for m in report.mechanisms]
        rows.append(Row(label(topic, name), tuple(_cell(figure) for figure in figures)))
        if name.endswith(("_vs_none", "than_none")):
            intervals = tuple(Cell(interval_text(figure)) for figure in figures)
            rows.append(Row("  95 % interval", intervals))
    return ReportTable(HEADINGS[topic], report.mechanisms, tuple(rows))


def _cell(figure: Figure | None) -> Cell:
    if figure is None:
        return Cell(UNKNOWN)
    text = short(figure) if figure.unit == "ratio" else with_spread(figure)
    return Cell(text, figure.verdict)


def _fits_table(report: FleetReport) -> ReportTable:
    counts = sorted({fit.guests for fits in report.fits.values() for fit in fits})
    rows = []
    for count in counts:
        cells = []
        for name in report.mechanisms:
            fit = next((f for f in report.fits.get(name, ()) if f.guests == count), None)
            cells.append(Cell(f"{fit.blocks} of {fit.of}" if fit else UNKNOWN))
        rows.append(Row(f"at least {count} guests", tuple(cells)))
    return ReportTable("Runs in which so many guests fitted", report.mechanisms, tuple(rows))


def _curve_tables(report: FleetReport) -> list[ReportTable]:
    result = []
    names = tuple(report.curves)
    modes = dict.fromkeys(mode for curves in report.curves.values() for mode in curves)
    for mode in modes:
        tasks = sorted({t for curves in report.curves.values() for t in curves.get(mode, {})})
        rows = tuple(
            Row(
                f"{count} tasks",
                tuple(_cell(report.curves[name].get(mode, {}).get(count)) for name in names),
            )
            for count in tasks
        )
        result.append(ReportTable(f"Page fault rate vs none, {mode}", names, rows))
    return result


def _remarks(report: FleetReport) -> list[str]:
    causes: dict[str, dict[str, int]] = {}
    for one in report.left_out:
        counts = causes.setdefault(one.cause, {})
        counts[one.mechanism] = counts.get(one.mechanism, 0) + one.runs
    lines = [
        f"left out: {sum(counts.values())} runs: {cause} "
        f"({', '.join(f'{name} {count}' for name, count in counts.items())})"
        for cause, counts in causes.items()
    ]
    for name, cells in report.cells_that_stand_out.items():
        if cells:
            named = ", ".join(cells[:NAMED_CELLS])
            more = f" and {len(cells) - NAMED_CELLS} more" if len(cells) > NAMED_CELLS else ""
            lines.append(f"cells whose density with {name} stands out: {named}{more}")
    lines += [f"unusable: {damage}" for damage in report.damages]
    return lines or ["no run was left out"]


def document(report: FleetReport) -> str:
    """The same for programs; every number with its unit, n, interval and verdict."""
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "answer": _answer(report),
        "verdict": str(report.verdict),
        "studies": list(report.studies),
        "mechanisms": list(report.mechanisms),
        "hosts": report.hosts,
        "cells": report.cells,
        "runs": report.runs,
        "figures": {
            topic: {
                name: {key: figure_document(figure) for key, figure in figures.items()}
                for name, figures in groups.items()
            }
            for topic, groups in report.figures.items()
        },
        "fits": {name: [asdict(fit) for fit in fits] for name, fits in report.fits.items()},
        "page_fault_relative_to_none": {
            name: {
                mode: {str(tasks): figure_document(f) for tasks, f in curve.items()}
                for mode, curve in curves.items()
            }
            for name, curves in report.curves.items()
        },
        "cells_that_stand_out": {
            name: list(cells) for name, cells in report.cells_that_stand_out.items()
        },
        "left_out": [asdict(one) for one in report.left_out],
        "unusable": [damage_document(damage) for damage in report.damages],
        "warnings": [
            {"verdict": str(d.verdict), "reason": d.reason, "next_step": d.next_step}
            for d in report.doubts
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
