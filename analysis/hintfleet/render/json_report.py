# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for programs: JSON, schema hintfleet.report/2.

Lists have one entry for each run, in the order of cells and blocks; `cells` and `blocks` beside
them say which. Under `figures` every number has its unit, n, interval and verdict.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from hintfleet.figures.figure import Figure, Figures
from hintfleet.records.columns import RATES
from hintfleet.records.observations import Observations
from hintfleet.records.read import Damage
from hintfleet.render.doubts import Doubt, doubts
from hintfleet.render.runs import known, listed, memhog_seconds, whole
from hintfleet.report.build import Report
from hintfleet.report.sweeps import Sweep
from hintfleet.statistics.intervals import Interval

SCHEMA = "hintfleet.report/2"

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
                "runs": len(result.observations),
                **_where(listed(result.observations)),
                "guests_without_swap": whole(listed(result.observations), "guests_without_swap"),
                "guests_at_first_swap": whole(listed(result.observations), "guests_at_first_swap"),
                "swap_end_mib": known(listed(result.observations), "swap_end_mib"),
                "fits": [asdict(fit) for fit in result.fits],
                "reliable_guests": result.reliable,
                "cells_that_stand_out": list(result.cells_that_stand_out),
                "figures": _figures(result.figures),
            }
            for name, result in report.density.items()
        },
        "memhog": {
            name: {
                "runs": len(result.observations),
                **_where(listed(result.observations)),
                "seconds": [
                    list(seconds) for seconds in memhog_seconds(listed(result.observations))
                ],
                "swap_end_mib": known(listed(result.observations), "swap_end_mib"),
                "figures": _figures(result.figures),
            }
            for name, result in report.memhog.items()
        },
        "page_fault": {
            name: {
                "runs": len(result.observations),
                **_where(listed(result.observations)),
                "rows": _rates(listed(result.observations)),
                "relative_to_none": {
                    mode: {str(tasks): figure_document(f) for tasks, f in curve.items()}
                    for mode, curve in result.curves.items()
                },
                "latency_histogram": result.merged
                and {"bounds_ns": result.merged[0].tolist(), "counts": result.merged[1].tolist()},
                "figures": _figures(result.figures),
            }
            for name, result in report.page_fault.items()
        },
        "tile": {
            name: {
                "runs": len(result.observations),
                **_where(listed(result.observations)),
                "tiles_at_quality": whole(listed(result.observations), "tiles_at_quality"),
                "equal_tiles": result.equal_tiles,
                "stopped_by": result.stopped_by,
                "broken_by": [asdict(one) for one in result.broken_by],
                "figures": _figures(result.figures),
            }
            for name, result in report.tile.items()
        },
        "recorded": {
            name: {
                "runs": len(result.observations),
                **_where(listed(result.observations)),
                "footprint_gib_min": known(listed(result.observations), "footprint_gib_min"),
                "peak_mib": known(listed(result.observations), "peak_mib"),
                "seconds": known(listed(result.observations), "work_seconds"),
                "rate_per_second": known(listed(result.observations), "work_rate"),
                "figures": _figures(result.figures),
            }
            for name, result in report.recorded.items()
        },
        "memory": {
            name: {"figures": _figures(result.figures)} for name, result in report.memory.items()
        },
        "where_memory_stays": {
            name: {"figures": _figures(found.figures)} for name, found in report.balance.items()
        },
        "handing_back": {
            name: {"figures": _figures(figures)} for name, figures in report.handback.items()
        },
        "against_each_other": {
            pair: {"figures": _figures(figures)} for pair, figures in report.against.items()
        },
        "kinds_of_node": {
            kind: {name: {"figures": _figures(figures)} for name, figures in group.items()}
            for kind, group in report.kinds.items()
        },
        "looks": report.looks,
        "still_open": list(report.still_open),
        "arms": {name: asdict(arm) for name, arm in report.stated.items()},
        "sweeps": [_sweep(sweep) for sweep in report.sweeps],
        "seconds_spent": report.spent,
        "unbeaten": {name: str(standing) for name, standing in report.front.items()},
        "timelines": [asdict(timeline) for timeline in report.timelines],
        "parity": {
            "agrees": not report.disparities,
            "differences": [asdict(one) for one in report.disparities],
        },
        "warnings": [doubt_document(doubt) for doubt in doubts(report)],
        "set_aside": [asdict(one) for one in report.set_aside],
        "notes": list(report.notes),
        "missing": [asdict(one) for one in report.missing],
        "unusable": [damage_document(damage) for damage in report.damages],
        "provenance": {name: list(values) for name, values in report.provenance.items()},
    }


def _sweep(sweep: Sweep) -> Json:
    """A sweep: the values of each arm by parameter, and which arm to take."""
    return {
        "mechanism": sweep.mechanism,
        "parameters": list(sweep.parameters),
        "arms": {
            name: dict(zip(sweep.parameters, values, strict=True))
            for name, values in sweep.settings.items()
        },
        "default": sweep.default,
        "taken": sweep.taken,
        "advice": sweep.advice,
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
        "interval": None if figure.interval is None else _interval(figure.interval),
        "speaks_for": None if figure.scope is None else str(figure.scope),
        "p_value": figure.p_value,
        "censored": figure.censored,
        "blocks_to_settle": figure.blocks_to_settle,
        "claims_effect": figure.claims_effect,
        "verdict": str(figure.verdict),
        "reason": figure.judgement.reason,
        "next_step": figure.judgement.next_step,
    }


def _interval(interval: Interval) -> Json:
    """An end that is open is null."""
    ends = {"low": interval.low, "high": interval.high}
    return asdict(interval) | {k: v if math.isfinite(v) else None for k, v in ends.items()}


def _figures(figures: Figures) -> Json:
    return {name: figure_document(figure) for name, figure in figures.items()}


def _where(observations: Observations) -> Json:
    return {"cells": list(observations.texts["cell"]), "blocks": whole(observations, "block")}


def _rates(observations: Observations) -> list[Json]:
    """will-it-scale's rows of every run."""
    matrices = {mode: observations.matrices[mode] for mode in RATES}
    where = zip(observations.texts["cell"], whole(observations, "block"), strict=True)
    return [
        {"cell": cell, "block": block, "tasks": tasks}
        | {mode: float(matrix.values[run, column]) for mode, matrix in matrices.items()}
        for run, (cell, block) in enumerate(where)
        for column, tasks in enumerate(matrices["processes"].places)
        if not np.isnan(matrices["processes"].values[run, column])
    ]
