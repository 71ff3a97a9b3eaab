# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for programs: JSON, schema hintfleet.report/1.

Lists have one entry for each run, in the order of cells and blocks; `cells` and `blocks` beside
them say which. Under `figures` every number has its unit, n, interval and verdict.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hintfleet.figures.figure import Figure, Figures
from hintfleet.records.observations import Observation
from hintfleet.records.read import Damage
from hintfleet.render.doubts import Doubt, doubts
from hintfleet.report.build import Report

SCHEMA = "hintfleet.report/1"

Json = dict[str, Any]


def render(report: Report) -> str:
    """The report as indented JSON text with a newline at its end."""
    return json.dumps(document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def document(report: Report) -> Json:
    """The report as plain data."""
    return {
        "schema": SCHEMA,
        "study": asdict(report.study),
        "answer": report.answer,
        "verdict": str(report.verdict),
        "density": {
            name: {
                **_where(result.observations),
                "guests_without_swap": [o.guests_without_swap for o in result.observations],
                "guests_at_first_swap": [o.guests_at_first_swap for o in result.observations],
                "swap_end_mib": [o.swap_end_mib for o in result.observations],
                "fits": [asdict(fit) for fit in result.fits],
                "reliable_guests": result.reliable,
                "cells_that_stand_out": list(result.cells_that_stand_out),
                "figures": _figures(result.figures),
            }
            for name, result in report.density.items()
        },
        "memhog": {
            name: {
                **_where(result.observations),
                "seconds": [list(o.seconds) for o in result.observations],
                "swap_end_mib": [o.swap_end_mib for o in result.observations],
                "figures": _figures(result.figures),
            }
            for name, result in report.memhog.items()
        },
        "page_fault": {
            name: {
                **_where(result.observations),
                "rows": [
                    {"cell": o.cell, "block": o.block, **row}
                    for o in result.observations
                    for row in o.rows
                ],
                "relative_to_none": {
                    mode: {str(tasks): figure_document(f) for tasks, f in curve.items()}
                    for mode, curve in result.curves.items()
                },
                "latency_histogram": result.merged
                and {"bounds_ns": result.merged[0], "counts": result.merged[1]},
                "figures": _figures(result.figures),
            }
            for name, result in report.page_fault.items()
        },
        "memory": {
            name: {"figures": _figures(result.figures)} for name, result in report.memory.items()
        },
        "against_each_other": {
            pair: {"figures": _figures(figures)} for pair, figures in report.against.items()
        },
        "beaten_by": {name: list(others) for name, others in report.beaten_by.items()},
        "timelines": [asdict(timeline) for timeline in report.timelines],
        "parity": {
            "agrees": not report.disparities,
            "differences": [asdict(one) for one in report.disparities],
        },
        "warnings": [doubt_document(doubt) for doubt in doubts(report)],
        "notes": list(report.notes),
        "missing": [asdict(one) for one in report.missing],
        "unusable": [damage_document(damage) for damage in report.damages],
        "provenance": {name: list(values) for name, values in report.provenance.items()},
    }


def doubt_document(doubt: Doubt) -> Json:
    """A doubt with everything it fell on."""
    return {**asdict(doubt), "verdict": str(doubt.verdict), "places": list(doubt.places)}


def damage_document(damage: Damage) -> Json:
    """What could not be used, and why."""
    return {**asdict(damage), "file": damage.place}


def figure_document(figure: Figure) -> Json:
    """One figure as plain data."""
    return {
        "unit": figure.unit,
        "n": figure.n,
        "estimate": figure.estimate,
        "spread": None if figure.low is None else [figure.low, figure.high],
        "interval": None if figure.interval is None else asdict(figure.interval),
        "p_value": figure.p_value,
        "censored": figure.censored,
        "blocks_to_settle": figure.blocks_to_settle,
        "claims_effect": figure.claims_effect,
        "verdict": str(figure.verdict),
        "reason": figure.judgement.reason,
        "next_step": figure.judgement.next_step,
    }


def _figures(figures: Figures) -> Json:
    return {name: figure_document(figure) for name, figure in figures.items()}


def _where(observations: Sequence[Observation]) -> Json:
    return {"cells": [o.cell for o in observations], "blocks": [o.block for o in observations]}
