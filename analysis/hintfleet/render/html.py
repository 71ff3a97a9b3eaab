# SPDX-License-Identifier: GPL-2.0-or-later
"""The report as one self-contained HTML file: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hintfleet import __version__
from hintfleet.figures.figure import Verdict
from hintfleet.render.doubts import doubts, missing_words, verdict_words
from hintfleet.render.plots import plots
from hintfleet.render.swept import all_tables
from hintfleet.render.tables import MOST_COLUMNS, ReportTable, figures_table, summary_table
from hintfleet.render.view import (
    comparison_answer,
    comparison_damages,
    comparison_doubts,
    comparison_step,
    comparison_tables,
    comparison_title,
)
from hintfleet.render.words import MARKS, arms, title
from hintfleet.report.build import Report
from hintfleet.report.compare import Comparison

CSS_CLASS = {
    Verdict.SOUND: "sound",
    Verdict.UNSETTLED: "unsettled",
    Verdict.NOT_TO_BE_TRUSTED: "untrusted",
}


def render(report: Report) -> str:
    """A report as HTML."""
    words, step = verdict_words(report)
    picture, others = plots(report)
    return _page(
        title=f"hintfleet · {title(report)}",
        answer=report.answer,
        verdict=words,
        verdict_class=CSS_CLASS[report.verdict],
        next_step=step,
        summary=summary_table(report),
        # of many arms each has a row, and on a phone its name a line of its own
        by_arm=len(arms(report)) > MOST_COLUMNS,
        doubts=doubts(report),
        missing=missing_words(report),
        unusable=[f"unusable: {damage}" for damage in report.damages],
        notes=report.notes,
        picture=picture,
        plots=others,
        tables=all_tables(report),
        figures=figures_table(report),
        provenance=report.provenance,
    )


def render_comparison(comparison: Comparison) -> str:
    """A comparison as HTML."""
    return _page(
        title=f"hintfleet · {comparison_title(comparison)}",
        answer=comparison_answer(comparison),
        verdict=str(comparison.verdict),
        verdict_class=CSS_CLASS[comparison.verdict],
        next_step=comparison_step(comparison),
        summary=None,
        by_arm=False,
        doubts=comparison_doubts(comparison),
        missing=(),
        unusable=comparison_damages(comparison),
        notes=(),
        picture=(),
        plots=(),
        tables=comparison_tables(comparison),
        figures=None,
        provenance={},
    )


def render_tables(
    heading: str, answer: str, shown: Sequence[ReportTable], remarks: Sequence[str]
) -> str:
    """A page of an answer, tables and remarks as HTML."""
    return _page(
        title=f"hintfleet · {heading}",
        answer=answer,
        verdict="",
        verdict_class="",
        next_step="",
        summary=None,
        by_arm=False,
        doubts=(),
        missing=(),
        unusable=remarks,
        notes=(),
        picture=(),
        plots=(),
        tables=[data for data in shown if data.rows],
        figures=None,
        provenance={},
    )


def _page(**values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("hintfleet"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["bare"] = _bare
    environment.filters["breakable"] = _breakable
    environment.filters["css"] = CSS_CLASS.__getitem__
    return environment.get_template("page.html.j2").render(version=__version__, **values)


def _bare(text: str) -> str:
    """A cell without its mark: the page writes the verdict in words."""
    for mark in filter(None, MARKS.values()):
        text = text.replace(mark, "", 1)
    return text


def _breakable(text: str) -> Markup:
    """A name that may break after its marks: a phone has no room for whole ones."""
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[_/,=])(?=\S)", text))
