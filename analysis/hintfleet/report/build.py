# SPDX-License-Identifier: GPL-2.0-or-later
"""A study becomes a report: plain data, computed once, which every renderer only shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hintfleet.figures.against import against_each_other
from hintfleet.figures.density import Density, densities
from hintfleet.figures.family import judge_as_one_family
from hintfleet.figures.figure import (
    DEFAULTS,
    Figure,
    Figures,
    Objection,
    Thresholds,
    Verdict,
    worst,
)
from hintfleet.figures.gain import beaten_by
from hintfleet.figures.latency import (
    MemhogResult,
    PageFaultResult,
    memhog_results,
    page_fault_results,
)
from hintfleet.figures.memory import Memory, memories
from hintfleet.records.curves import Timeline
from hintfleet.records.observations import BASELINE, Workloads
from hintfleet.records.observed import observe
from hintfleet.records.read import Damage, Run, Study
from hintfleet.records.types import PlannedRun
from hintfleet.report.answer import answer
from hintfleet.statistics.series import Histogram
from hintfleet.statistics.units import number, percent, plural
from hintfleet.trust.objections import objections_to, objections_to_the_whole
from hintfleet.trust.parity import Disparity, disparities

NamedFigure = tuple[str, str, str, Figure]
"""Topic, mechanism, name, figure."""

FAMILY = ("more_guests_than_none", "last_guest_vs_none", "processes_vs_none")
"""Comparisons judged together, so that many chances to be wrong do not add up."""

DECIDING = ("guests_without_swap", *FAMILY)
"""The figures whose verdict is the study's; all others are read for themselves."""


@dataclass(frozen=True)
class Missing:
    """A planned run that gave no result, and why."""

    run_id: str
    status: str
    reason: str


@dataclass(frozen=True)
class Overview:
    """What the study was, in counts and names."""

    name: str
    mechanisms: tuple[str, ...]
    workloads: tuple[str, ...]
    cells: tuple[str, ...]
    hosts: tuple[str, ...]
    blocks: int
    planned: int
    finished: int
    emulated: bool
    """Whether guests ran under QEMU's TCG instead of KVM."""
    started: str | None
    ended: str | None


@dataclass(frozen=True)
class Report:
    """All a renderer needs. provenance: what was the same in every run, and what varied."""

    study: Overview
    answer: str
    verdict: Verdict
    density: dict[str, Density]
    memhog: dict[str, MemhogResult]
    page_fault: dict[str, PageFaultResult]
    memory: dict[str, Memory]
    against: dict[str, Figures]
    """By "<mechanism> against <mechanism>": the first relative to the second (against.py)."""
    timelines: tuple[Timeline, ...]
    disparities: tuple[Disparity, ...]
    objections: tuple[Objection, ...]
    notes: tuple[str, ...]
    missing: tuple[Missing, ...]
    damages: tuple[Damage, ...]
    provenance: dict[str, tuple[str, ...]]
    places: dict[str, tuple[str, ...]]
    """By cell: the places it counts for (cell, host, node) that not all cells share."""
    beaten_by: dict[str, tuple[str, ...]]
    """By mechanism: those better on every criterion (gain.py); none of them: on the front."""


@dataclass(frozen=True)
class Results:
    """The figures of a study or of a published table."""

    density: dict[str, Density]
    memhog: dict[str, MemhogResult]
    page_fault: dict[str, PageFaultResult]


def results_of(
    workloads: Workloads,
    histograms: Mapping[str, Histogram],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> Results:
    """Figures from finished runs, measured or published; what decides is judged as one family."""
    results = Results(
        densities(workloads["consolidation"], objections, limits),
        memhog_results(workloads["memhog"], objections, limits),
        page_fault_results(workloads["page_fault"], histograms, objections, limits),
    )
    by_mechanism = (results.density, results.memhog, results.page_fault)
    groups = [result.figures for found in by_mechanism for result in found.values()]
    judge_as_one_family(groups, FAMILY, limits)
    return results


def build_report(study: Study, limits: Thresholds = DEFAULTS) -> Report:
    """The report of a study, however incomplete it is."""
    differing = disparities(study.finished())
    objections = objections_to(study, differing, limits)
    observed = observe(study)
    workloads = {name: runs.finished for name, runs in observed.workloads.items()}
    results = results_of(workloads, observed.histograms, objections, limits)
    memory = memories(workloads, objections, limits)
    against = against_each_other(workloads, objections, limits)
    overview = _overview(study)
    damages = (*study.damages, *observed.damages)
    doubts = [*objections_to_the_whole(study, limits), *objections]
    return Report(
        overview,
        answer(_topics(results, memory), against, limits=limits),
        _verdict(_flat(_topics(results, memory)), doubts),
        results.density,
        results.memhog,
        results.page_fault,
        memory,
        against,
        observed.timelines,
        tuple(differing),
        tuple(doubts),
        tuple(_notes(study, overview, results.density, limits)),
        tuple(_missing(study)),
        damages,
        provenance_of(study.finished()),
        _places(study),
        beaten_by(_topics(results, memory), list(overview.mechanisms), limits),
    )


def all_figures(report: Report) -> list[NamedFigure]:
    """Every figure of a report."""
    results = Results(report.density, report.memhog, report.page_fault)
    return _flat({**_topics(results, report.memory), "against": report.against})


def _flat(topics: dict[str, dict[str, Figures]]) -> list[NamedFigure]:
    return [
        (topic, mechanism, name, figure)
        for topic, group in topics.items()
        for mechanism, figures in group.items()
        for name, figure in figures.items()
    ]


def _topics(results: Results, memory: dict[str, Memory]) -> dict[str, dict[str, Figures]]:
    return {
        "density": {name: result.figures for name, result in results.density.items()},
        "memhog": {name: result.figures for name, result in results.memhog.items()},
        "page_fault": {name: result.figures for name, result in results.page_fault.items()},
        "memory": {name: result.figures for name, result in memory.items()},
    }


def _verdict(figures: Sequence[NamedFigure], objections: Sequence[Objection]) -> Verdict:
    """The worst of the figures that decide, of every doubt, and of what nobody may believe.

    A side figure that is merely unsettled does not unsettle the study.
    """
    if not figures:
        return Verdict.NOT_TO_BE_TRUSTED
    deciding = [
        figure.verdict
        for _, _, name, figure in figures
        if name in DECIDING or figure.verdict == Verdict.NOT_TO_BE_TRUSTED
    ]
    return worst([*deciding, *(objection.verdict for objection in objections)])


def _overview(study: Study) -> Overview:
    plan = study.planned or ()
    mechanisms = {run.mechanism for run in study.runs} | {run["mechanism"] for run in plan}
    workloads = {run.workload for run in study.runs} | {run["workload"] for run in plan}
    blocks = {run.block for run in study.runs} | {run["block"] for run in plan}
    ids = {run.run_id for run in study.runs} | {run["run_id"] for run in plan}
    return Overview(
        study.name,
        tuple(sorted(mechanisms, key=lambda name: (name != BASELINE, name))),
        tuple(sorted(workloads)),
        tuple(sorted({run.cell for run in study.runs} | {run["cell"] for run in plan})),
        tuple(sorted({run.record["cell"]["host"] for run in study.runs})),
        len(blocks),
        len(ids),
        len(study.finished()),
        any(run.record["provenance"]["qemu"]["accelerator"] == "tcg" for run in study.finished()),
        min((run.record["started"] for run in study.runs), default=None),
        max((run.record["finished"] for run in study.runs), default=None),
    )


def _places(study: Study) -> dict[str, tuple[str, ...]]:
    if not study.runs:
        return {}
    told = {
        run.cell: (
            f"cell {run.cell}",
            f"host {run.record['cell']['host']}",
            f"node {run.record['cell']['node']}",
        )
        for run in study.runs
    }
    cells, *wider = (len(set(kind)) for kind in zip(*told.values(), strict=True))
    tells = [cells > 1, *(1 < count < cells for count in wider)]
    return {
        cell: tuple(place for place, told in zip(places, tells, strict=True) if told)
        for cell, places in told.items()
    }


def _missing(study: Study) -> list[Missing]:
    missing = [
        Missing(
            run.run_id,
            run.record["outcome"]["status"],
            run.record["outcome"]["reason"] or "no reason was recorded",
        )
        for run in study.runs
        if not run.finished
    ]
    known = {run.run_id for run in study.runs}
    damaged = {damage.file.parent.name for damage in study.damages}
    for planned in study.planned or ():
        name = planned["run_id"]
        if name in damaged:
            missing.append(Missing(name, "damaged", "its record is named under unusable"))
        elif name not in known:
            missing.append(Missing(name, "not run", _why_not_run(study.folder, planned)))
    return missing


def _why_not_run(folder: Path, planned: PlannedRun) -> str:
    """What the controller noted of the run, or of its host, when it asked for it."""
    for name in filter(None, (planned["run_id"], planned.get("host"))):
        note = folder / "missing" / f"{name}.txt"
        if note.is_file():
            return note.read_text(encoding="utf-8", errors="replace").strip()
    return "start the study again to run it"


def _notes(
    study: Study, overview: Overview, density: dict[str, Density], limits: Thresholds
) -> list[str]:
    """What a reader must know that makes no figure wrong."""
    notes = []
    finished = study.finished()
    if any(name != BASELINE for name in density):
        notes.append(
            "Guests used memory in turn. Where they peak together, returned memory helps less: "
            f"hintfleet plan --from {study.folder}"
        )
    for name, result in density.items():
        if result.cells_that_stand_out:
            cells = ", ".join(result.cells_that_stand_out)
            notes.append(f"With {name} these cells fit another number of guests: {cells}.")
    if overview.emulated:
        notes.append(
            "Guests were emulated (TCG), not on KVM: counts and swap carry over to other hosts, "
            "seconds and rates only as ratios, and roughly."
        )
    if not study.planned and finished:
        notes.append("There is no usable study.json: runs that are missing cannot be named.")
    if 0 < overview.blocks < 10:
        notes.append(
            "Fewer than 10 blocks: p values are Student's t, for a permutation test of so few "
            f"cannot reach {percent(1 - limits.confidence)} among several comparisons."
        )
    if study.earlier_attempts:
        count = plural(len(study.earlier_attempts), "earlier attempt")
        notes.append(f"Kept and not counted: {count} at runs done again later.")
    if any(run.record["provenance"]["host"].get("proactive_reclaim") for run in finished):
        notes.append(
            "A host pages out idle memory by itself (DAMON): in long runs some swap is its work."
        )
    if any(run.record["cell"].get("side_by_side") for run in finished):
        notes.append("Cells of one host ran at the same time: they share its caches and disks.")
    return notes


def provenance_of(runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    """Facts about how the runs were made, each with every value it had, most frequent first."""
    facts: dict[str, Counter[str]] = {}
    for run in runs:
        record, source = run.record, run.record["provenance"]
        cell, kernel, host = record["cell"], source["guest_kernel"], source["host"]
        values: dict[str, object] = {
            "cell": f"{cell['memory_mib']:g} MiB memory, {cell['swap_mib']:g} MiB swap, "
            f"{len(cell['cpus'])} CPUs, node {cell['node']}, cgroup v{cell['cgroup_version']}",
            "guest kernel": kernel["release"],
            "guest kernel sha256": kernel["sha256"],
            "guest image sha256": source["guest_image"]["sha256"],
            "QEMU": f"{source['qemu']['version']}, {source['qemu']['accelerator']}",
            "hintfleet": source["hintfleet"]["version"],
        }
        values |= {
            f"host {key.replace('_', ' ')}": host[key]
            for key in sorted(host)
            if key not in ("load_1min_before",)
        }
        for name, value in values.items():
            facts.setdefault(name, Counter())[fact_text(value)] += 1
    return {
        name: tuple(value for value, _ in counter.most_common()) for name, counter in facts.items()
    }


def fact_text(value: object) -> str:
    """A fact of a record in words; what changes during a study is left out of it."""
    if isinstance(value, list):
        return ", ".join(fact_text(item) for item in value) or "none"
    if isinstance(value, dict):
        told = (f"{k}={fact_text(item)}" for k, item in value.items() if k != "used_mib")
        return " ".join(told) or "none"
    return number(value) if isinstance(value, float) else str(value)
