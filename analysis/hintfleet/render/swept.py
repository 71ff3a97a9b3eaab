# SPDX-License-Identifier: GPL-2.0-or-later
"""Sweeps, and gain and cost of all arms, as data: what tables, characters and pictures show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hintfleet.figures.figure import Figure
from hintfleet.figures.gain import CRITERIA, Criterion, Standing
from hintfleet.render.names import label
from hintfleet.render.tables import Cell, ReportTable, Row, ranked_arms, tables
from hintfleet.render.words import short
from hintfleet.report.build import FAMILY, Report
from hintfleet.report.sweeps import Sweep, single
from hintfleet.statistics.units import UNKNOWN

FEWEST_ARMS = 3
"""Of fewer there is nothing to weigh that a table does not show."""


def members(sweep: Sweep) -> list[str]:
    """The default, if it was measured, and every setting."""
    return [*([sweep.default] if sweep.default else []), *sweep.settings]


def sweep_heading(sweep: Sweep) -> str:
    return f"Sweep of {sweep.mechanism}: {', '.join(sweep.short_parameters)}"


def compared_by(report: Report, names: list[str]) -> list[tuple[Criterion, Mapping[str, Figure]]]:
    """What arms are compared by, as far as it is known of any of these: figures against the
    baseline, by arm."""
    found: list[tuple[Criterion, Mapping[str, Figure]]] = []
    for criterion in CRITERIA:
        group = report.topics[criterion.topic]
        known = {
            name: figure
            for name in names
            if (figure := group.get(name, {}).get(criterion.vs_none))
            and figure.estimate is not None
        }
        if known:
            found.append((criterion, known))
    return found


def deciding(report: Report, sweep: Sweep) -> list[tuple[str, Mapping[str, Figure]]]:
    """Of those the ones that decide (build.py), by their words."""
    baseline = report.study.baseline
    return [
        (label(criterion.topic, criterion.vs_none, baseline), figures)
        for criterion, figures in compared_by(report, members(sweep))
        if criterion.vs_none in FAMILY
    ]


def all_tables(report: Report) -> list[ReportTable]:
    """What arms are, sweeps, then every other table of the report."""
    first = [_arms_table(report), *_sweep_tables(report)]
    return [*(data for data in first if data.rows), *tables(report)]


def _arms_table(report: Report) -> ReportTable:
    """What each arm states, if any states more than its mechanism."""
    rows = tuple(
        Row(
            name,
            (
                Cell(arm.mechanism),
                Cell(", ".join(f"{key}={value}" for key, value in single(arm.states).items())),
            ),
        )
        for name, arm in report.stated.items()
    )
    differs = any(arm.states for arm in report.stated.values())
    return ReportTable("Arms: what differs", ("mechanism", "and"), rows if differs else ())


def _sweep_tables(report: Report) -> Iterator[ReportTable]:
    """Every setting against the baseline; the one to take says so."""
    for sweep in report.sweeps:
        shown = compared_by(report, members(sweep))
        rows = tuple(
            Row(
                sweep.setting(name) + (" (take)" if name == sweep.taken else ""),
                tuple(_cell(figures.get(name)) for _, figures in shown),
            )
            for name in members(sweep)
        )
        columns = tuple(
            label(criterion.topic, criterion.vs_none, report.study.baseline)
            for criterion, _ in shown
        )
        yield ReportTable(sweep_heading(sweep), columns, rows if columns else ())


def _cell(figure: Figure | None) -> Cell:
    return (
        Cell(UNKNOWN)
        if figure is None
        else Cell(short(figure, None if figure.unit == "ratio" else ""), figure.verdict)
    )


GAINS = ("more_guests_than_none", "recorded_footprint_vs_none")
COSTS = (
    "host_cpu_per_guest_vs_none",
    "processes_vs_none",
    "fault_p99_ns_vs_none",
    "recorded_seconds_vs_none",
    "recorded_rate_vs_none",
)


@dataclass(frozen=True)
class GainAndCost:
    """By arm but the baseline, best first: what is gained, and each of what it costs, by words."""

    words: str
    gain: Mapping[str, Figure]
    costs: tuple[tuple[str, Mapping[str, Figure]], ...]
    beaten: frozenset[str]
    """Arms that another soundly beats."""


def gain_and_cost(report: Report) -> GainAndCost | None:
    """None unless there are several arms with a gain and with a cost."""
    baseline = report.study.baseline
    found = {
        criterion.vs_none: (label(criterion.topic, criterion.vs_none, baseline), figures)
        for criterion, figures in compared_by(
            report, [name for name in ranked_arms(report) if name != baseline]
        )
    }
    gains = [found[name] for name in GAINS if name in found]
    costs = tuple(found[name] for name in COSTS if name in found)
    if not gains or not costs or len(gains[0][1]) < FEWEST_ARMS:
        return None
    beaten = frozenset(n for n, one in report.front.items() if one == Standing.BEATEN)
    return GainAndCost(*gains[0], costs, beaten)
