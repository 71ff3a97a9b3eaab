# SPDX-License-Identifier: GPL-2.0-or-later
"""A history as tables and sentences for people, and as files for the tools that they have.

For other programs: OpenMetrics (the textfile collector of Prometheus' node exporter), JUnit (any
CI), and CSV as Apache Otava reads it.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from rich.console import Group, RenderableType
from rich.text import Text

from hintfleet.figures.figure import Figure, Verdict
from hintfleet.render.charts import ASCII_PARTS, EIGHTHS
from hintfleet.render.console import VERDICT_STYLE, heading_line, panel, table
from hintfleet.render.json_report import figure_document
from hintfleet.render.names import label
from hintfleet.render.tables import Cell, ReportTable, Row
from hintfleet.render.words import short
from hintfleet.report.history import Change, History, Series, too_few
from hintfleet.statistics.changes import FEWEST
from hintfleet.statistics.units import UNKNOWN, change, number, quantity

SCHEMA = "hintfleet.history/1"
SPARK_COLUMNS = 20
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def title(found: History) -> str:
    """How much of it there is."""
    return f"history of {_studies(len(found.occasions))}"


def _studies(count: int) -> str:
    return "1 study" if count == 1 else f"{count} studies"


def answer(found: History) -> str:
    """What moved, the worse first."""
    if not found.occasions:
        return "No study has a run: there is no history."
    if too_few(found):
        return (
            f"Changes are told from {FEWEST} studies on; here are {len(found.occasions)}. So far "
            "their figures stand side by side."
        )
    moved = [(series, one) for series in found.series for one in series.changes]
    if not moved:
        return "No figure that decides has moved by more than scatter and than what matters."
    ordered = sorted(moved, key=lambda one: not one[1].is_worse)
    return " ".join(sentence(series, one) for series, one in ordered)


def sentence(series: Series, one: Change) -> str:
    """A move in words."""
    worse = "worse" if one.is_worse else "better"
    levels = [_level(series, value) for value in (one.before, one.after)]
    said = (
        f"{_name(series)} became {worse} with {one.first_after.study}: {levels[1]}, after "
        f"{levels[0]} up to {one.last_before.study}"
    )
    told = f" ({'; '.join(one.conditions)})" if one.conditions else ""
    return f"{said[0].upper()}{said[1:]}{told}."


def tables(found: History, ascii_only: bool = False) -> list[ReportTable]:
    """Every figure over studies, and the studies."""
    rows = tuple(
        Row(
            _name(series),
            (
                Cell(sparkline(series.values, ascii_only)),
                _cell(_first(series)),
                _cell(None if series.latest is None else series.figures[series.latest]),
                Cell(str(len(series.changes)) if series.changes else UNKNOWN),
            ),
        )
        for series in found.series
    )
    studies = tuple(
        Row(
            one.study,
            (
                Cell(one.started[:10]),
                Cell(one.kernel or UNKNOWN),
                Cell(one.tool or UNKNOWN),
                Cell("emulated" if one.emulated else UNKNOWN),
                Cell(str(one.verdict), one.verdict),
            ),
        )
        for one in found.occasions
    )
    return [
        ReportTable("What decides, over studies", ("so far", "first", "latest", "moves"), rows),
        ReportTable("Studies", ("date", "kernel", "hintfleet", "guests", "verdict"), studies),
    ]


def sparkline(values: Sequence[float | None], ascii_only: bool = False) -> str:
    """A column for each value, from the smallest to the largest; of many the last ones."""
    parts = ASCII_PARTS[1:] if ascii_only else EIGHTHS[1:]
    values = values[-SPARK_COLUMNS:]
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    scale = (len(parts) - 1) / (high - low) if high > low else 0.0
    return "".join(
        " " if value is None else parts[round((value - low) * scale)] for value in values
    )


def terminal(found: History, ascii_only: bool = False) -> RenderableType:
    """The answer first, then the tables."""
    parts: list[RenderableType] = [
        panel(Text(answer(found), style="report.answer"), title(found), ascii_only)
    ]
    for data in tables(found, ascii_only):
        if data.rows:
            parts += [heading_line(data.heading), table(data, ascii_only)]
    style = VERDICT_STYLE[Verdict.UNSETTLED]
    parts += [Text(f"• left out: {one}", style) for one in found.left_out]
    return Group(*parts)


def document(found: History) -> dict[str, Any]:
    """The history for programs."""
    return {
        "schema": SCHEMA,
        "answer": answer(found),
        "studies": [
            {
                "study": one.study,
                "started": one.started,
                "kernel": one.kernel,
                "hintfleet": one.tool,
                "emulated": one.emulated,
                "verdict": str(one.verdict),
            }
            for one in found.occasions
        ],
        "series": [
            {
                "topic": series.topic,
                "arm": series.arm,
                "figure": series.name,
                "kind_of_node": series.kind or None,
                "figures": [figure and figure_document(figure) for figure in series.figures],
                "changes": [
                    {
                        "last_before": one.last_before.study,
                        "first_after": one.first_after.study,
                        "before": one.before,
                        "after": one.after,
                        "is_worse": one.is_worse,
                    }
                    for one in series.changes
                ],
            }
            for series in found.series
        ],
        "left_out": list(found.left_out),
    }


def json_text(found: History) -> str:
    """The history as JSON."""
    return json.dumps(document(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def otava(found: History) -> str:
    """CSV with a row for each study: time, study, kernel, hintfleet, then each figure; empty
    where a study does not have it. docs/history.md has the configuration."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["time", "study", "kernel", "hintfleet", *map(_column, found.series)])
    for place, one in enumerate(found.occasions):
        values = [series.values[place] for series in found.series]
        texts = ["" if value is None else repr(float(value)) for value in values]
        writer.writerow([one.started, *map(_no_formula, (one.study, one.kernel, one.tool)), *texts])
    return target.getvalue()


def openmetrics(found: History) -> str:
    """The latest of each figure, without times: the textfile collector takes none."""
    families = (
        ("hintfleet_figure", "A figure that decides, of the latest study that has it.", _estimate),
        ("hintfleet_figure_low", "Lower end of its 95 % interval.", _low),
        ("hintfleet_figure_high", "Upper end of its 95 % interval.", _high),
        ("hintfleet_figure_verdict", "0 sound, 1 unsettled, 2 not to be trusted.", _verdict),
    )
    lines: list[str] = []
    for family, meaning, value_of in families:
        lines += [f"# TYPE {family} gauge", f"# HELP {family} {meaning}"]
        for series in found.series:
            if series.latest is None or (figure := series.figures[series.latest]) is None:
                continue
            value = value_of(figure)
            if value is not None:
                labels = _labels(series, study=found.occasions[series.latest].study)
                lines.append(f"{family}{labels} {_metric(value)}")
    lines += [
        "# TYPE hintfleet_figure_moves gauge",
        "# HELP hintfleet_figure_moves How often it moved to another level so far.",
        *(f"hintfleet_figure_moves{_labels(one)} {len(one.changes)}" for one in found.series),
        "# TYPE hintfleet_study_started_seconds gauge",
        "# HELP hintfleet_study_started_seconds When the first run of a study began.",
        *(
            f"hintfleet_study_started_seconds{_braces({'study': one.study})} "
            f"{datetime.fromisoformat(one.started.replace('Z', '+00:00')).timestamp()!r}"
            for one in found.occasions
        ),
    ]
    return "\n".join([*lines, "# EOF"]) + "\n"


def junit(found: History) -> str:
    """A test for each figure: it fails where its latest move was for the worse; it is skipped while
    there are too few studies to tell."""
    cases = list(found.series)
    failed = [one for one in cases if one.changes and one.changes[-1].is_worse]
    suite = ElementTree.Element(
        "testsuite",
        name="hintfleet history",
        tests=str(len(cases)),
        failures=str(len(failed)),
        errors="0",
        skipped=str(len(cases) if too_few(found) else 0),
    )
    for series in cases:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=".".join(filter(None, (series.topic, series.kind, series.arm))),
            name=series.name,
        )
        if too_few(found):
            ElementTree.SubElement(case, "skipped", message=answer(found))
        elif series in failed:
            text = sentence(series, series.changes[-1])
            ElementTree.SubElement(case, "failure", type="worse", message=text).text = text
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _name(series: Series) -> str:
    what = label(series.topic, series.name)
    where = f", {series.kind}" if series.kind else ""
    return f"{what} ({series.arm}{where})"


def _column(series: Series) -> str:
    """A name that Otava takes for a metric."""
    parts = (series.arm, series.kind.replace(" ", "_"), series.name)
    return ".".join(filter(None, parts))


def _level(series: Series, value: float) -> str:
    if series.unit == "ratio":
        return change(value)
    return quantity(value, series.unit) if series.unit else number(value)


def _first(series: Series) -> Figure | None:
    return next((one for one in series.figures if one is not None and one.n), None)


def _cell(figure: Figure | None) -> Cell:
    return Cell(UNKNOWN) if figure is None else Cell(short(figure), figure.verdict)


def _estimate(figure: Figure) -> float | None:
    return None if figure.estimate is None else float(figure.estimate)


def _low(figure: Figure) -> float | None:
    return None if figure.interval is None else float(figure.interval.low)


def _high(figure: Figure) -> float | None:
    return None if figure.interval is None else float(figure.interval.high)


def _verdict(figure: Figure) -> float:
    return float(list(Verdict).index(figure.verdict))


def _metric(value: float) -> str:
    return repr(value) if math.isfinite(value) else ("+Inf" if value > 0 else "-Inf")


def _labels(series: Series, **more: str) -> str:
    named = {
        "figure": series.name,
        "arm": series.arm,
        "topic": series.topic,
        "unit": series.unit,
        **({"kind": series.kind} if series.kind else {}),
        **more,
    }
    return _braces(named)


def _braces(labels: dict[str, str]) -> str:
    return "{" + ",".join(_escaped(labels)) + "}"


def _escaped(labels: dict[str, str]) -> Iterator[str]:
    for name, value in labels.items():
        text = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        yield f'{name}="{text}"'


def _no_formula(text: str) -> str:
    """A spreadsheet takes text that begins so for a formula, and runs it."""
    return f"'{text}" if text.startswith(FORMULA) else text
