# SPDX-License-Identifier: GPL-2.0-or-later
"""A study becomes a report: plain data, computed once, which every renderer only shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hintfleet.figures.against import against_each_other
from hintfleet.figures.balance import RECLAIMED_BY, Balance, balances
from hintfleet.figures.density import Density, densities
from hintfleet.figures.estimate import ADDED_UP
from hintfleet.figures.family import judge_as_one_family, judge_side_figures
from hintfleet.figures.figure import (
    DEFAULTS,
    Figure,
    Figures,
    Objection,
    Thresholds,
    Verdict,
    worst,
)
from hintfleet.figures.gain import Pairs, Standing, front
from hintfleet.figures.handback import handed_back
from hintfleet.figures.latency import (
    MemhogResult,
    PageFaultResult,
    memhog_results,
    page_fault_results,
)
from hintfleet.figures.memory import Memory, memories
from hintfleet.figures.order import order_remarks
from hintfleet.figures.recorded import RecordedResult, recorded_results
from hintfleet.figures.tiles import TileResult, tile_results
from hintfleet.records.columns import SPENT
from hintfleet.records.curves import Timeline
from hintfleet.records.damage import Damage
from hintfleet.records.observations import (
    Observations,
    Workloads,
    baseline_first,
    baseline_of,
    every_text,
    values_of,
)
from hintfleet.records.observed import Missing, Observed
from hintfleet.records.text import clean
from hintfleet.report.headline import headline
from hintfleet.report.kinds import kinds_of
from hintfleet.report.sweeps import Stated, Sweep, advised, stated_by, sweeps_of
from hintfleet.statistics.looks import confidence_of_look
from hintfleet.statistics.series import Histogram
from hintfleet.statistics.units import number, percent, plural
from hintfleet.trust.objections import SetAside, objections_to_the_whole, weigh
from hintfleet.trust.parity import Disparity

MOST_PLACES = 200
"""Of more cells nobody reads a table of each."""

NAMED_CELLS = 10
NAMED_FIGURES = 3

FREE_ENOUGH = 0.1
"""A node with so much of its memory free all the time did not lack it."""

NamedFigure = tuple[str, str, str, Figure]
"""Topic, arm, name, figure."""

FAMILY = (
    "more_guests_than_none",
    "more_tiles_than_none",
    "last_guest_vs_none",
    "processes_vs_none",
    "recorded_footprint_vs_none",
    "recorded_seconds_vs_none",
    "recorded_rate_vs_none",
)
"""Comparisons judged together, so that many chances to be wrong do not add up."""

DECIDING = ("guests_without_swap", "tiles_at_quality", *FAMILY)
"""The figures whose verdict is the study's; all others are read for themselves."""


@dataclass(frozen=True)
class Overview:
    """What the study was, in counts and names."""

    name: str
    studies: tuple[str, ...]
    baseline: str
    """The arm that the others are compared with."""
    arms: tuple[str, ...]
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
class Results:
    """The figures of a study or of a published table."""

    density: dict[str, Density]
    memhog: dict[str, MemhogResult]
    page_fault: dict[str, PageFaultResult]
    tile: dict[str, TileResult]
    recorded: dict[str, RecordedResult]

    @property
    def topics(self) -> dict[str, dict[str, Figures]]:
        """Figures by topic and arm."""
        by_topic: dict[str, Mapping[str, Any]] = {
            "density": self.density,
            "memhog": self.memhog,
            "page_fault": self.page_fault,
            "tile": self.tile,
            "recorded": self.recorded,
        }
        return {
            topic: {name: result.figures for name, result in found.items()}
            for topic, found in by_topic.items()
        }


@dataclass(frozen=True)
class Report:
    """All a renderer needs. provenance: what was the same in every run, and what varied."""

    study: Overview
    answer: str
    verdict: Verdict
    density: dict[str, Density]
    memhog: dict[str, MemhogResult]
    page_fault: dict[str, PageFaultResult]
    tile: dict[str, TileResult]
    recorded: dict[str, RecordedResult]
    memory: dict[str, Memory]
    balance: dict[str, Balance]
    handback: dict[str, Figures]
    against: dict[str, Figures]
    """By "<arm> against <arm>": the first relative to the second (against.py)."""
    timelines: tuple[Timeline, ...]
    disparities: tuple[Disparity, ...]
    objections: tuple[Objection, ...]
    set_aside: tuple[SetAside, ...]
    notes: tuple[str, ...]
    missing: tuple[Missing, ...]
    damages: tuple[Damage, ...]
    provenance: dict[str, tuple[str, ...]]
    places: dict[str, tuple[str, ...]]
    """By cell: the places it counts for (cell, host, node) that not all cells share."""
    front: dict[str, Standing]
    """By arm: whether others beat it on everything (gain.py)."""
    kinds: dict[str, dict[str, Figures]]
    """Density by kind of node and arm, if there are several: then counts over all nodes are
    in no figure."""
    spent: dict[str, dict[str, float]]
    """By workload: mean seconds of a run by what they went into, and `whole`."""
    looks: int
    """How often it was looked whether the study is settled; figures are judged for that."""
    still_open: tuple[str, ...]
    """Figures that decide and are not settled."""
    sweeps: tuple[Sweep, ...]
    """Arms that differ in values of the same parameters, and which to take."""
    stated: dict[str, Stated]
    """By arm: what it is, whatever came of its runs."""

    @property
    def topics(self) -> dict[str, dict[str, Figures]]:
        """Figures by topic and arm, memory among them."""
        results = Results(self.density, self.memhog, self.page_fault, self.tile, self.recorded)
        return _topics(results, self.memory)


def results_of(
    workloads: Workloads,
    histograms: Mapping[str, Histogram],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> Results:
    """Figures from finished runs, measured or published; what decides is judged as one family."""
    results = _measured(workloads, histograms, objections, limits)
    judge_as_one_family(_groups(results), FAMILY, limits)
    judge_side_figures([*_groups(results), *_curves(results)], FAMILY, limits)
    return results


def _measured(
    workloads: Workloads,
    histograms: Mapping[str, Histogram],
    objections: Sequence[Objection],
    limits: Thresholds,
) -> Results:
    """The same, each figure judged for itself."""
    return Results(
        densities(workloads["consolidation"], objections, limits),
        memhog_results(workloads["memhog"], objections, limits),
        page_fault_results(workloads["page_fault"], histograms, objections, limits),
        tile_results(workloads["tile"], objections, limits),
        recorded_results(workloads["recorded"], objections, limits),
    )


def _groups(results: Results) -> list[Figures]:
    return [figures for group in results.topics.values() for figures in group.values()]


def _curves(results: Results) -> list[dict[int, Figure]]:
    return [curve for found in results.page_fault.values() for curve in found.curves.values()]


def build_report(observed: Observed, limits: Thresholds = DEFAULTS) -> Report:
    """The report of what was observed, however incomplete it is."""
    if observed.looks:
        sure = confidence_of_look(observed.looks, limits.confidence)
        limits = replace(limits, confidence=sure)
    weighed = weigh(observed, limits)
    workloads, objections = weighed.kept, weighed.objections
    histograms = observed.histograms(workloads["page_fault"])
    results = _measured(workloads, histograms, objections, limits)
    memory = memories(workloads, objections, limits)
    against = against_each_other(workloads, objections, limits)
    balance = balances(workloads["consolidation"], objections, limits)
    handback = handed_back(workloads, objections, limits)
    kinds = kinds_of(workloads)
    of_kinds = {
        kind.name: _measured(kind.workloads, {}, objections, limits)
        for kind in (kinds if len(kinds) > 1 else ())
    }
    if of_kinds:
        results = _without_counts(results)
    groups = [group for found in (results, *of_kinds.values()) for group in _groups(found)]
    judge_as_one_family(groups, FAMILY, limits)
    beside = [
        *(found.figures for found in memory.values()),
        *(found.figures for found in balance.values()),
        *handback.values(),
        *against.values(),
    ]
    judge_side_figures([*groups, *beside, *_curves(results)], FAMILY, limits)
    overview = _overview(observed)
    doubts = [*objections_to_the_whole(observed, limits), *objections]
    topics = _topics(results, memory)
    deciding = [*_flat(topics), *(f for one in of_kinds.values() for f in _flat(_topics(one, {})))]
    stays = {name: found.figures for name, found in balance.items()}
    shown = [*deciding, *_flat({"balance": stays, "handback": handback, "against": against})]
    pairs = Pairs(topics, against, overview.baseline)
    stated = stated_by(observed.workloads)
    sweeps = tuple(advised(sweep, pairs) for sweep in sweeps_of(stated))
    answer = headline(
        [(kind, _topics(of_kinds.get(kind.name, results), memory)) for kind in kinds],
        against,
        workloads,
        limits,
    )
    notes = [
        *_blocks_that_stand_out(shown, workloads),
        *order_remarks(workloads, limits),
        *_where_memory_stays(balance),
        *_guests_that_missed(workloads["consolidation"]),
        *_what_is_counted(workloads["consolidation"]),
        *_what_a_tile_is(workloads, results.tile),
        *_notes(observed, overview, results.density, weighed.set_aside, limits),
    ]
    return Report(
        overview,
        " ".join([answer, *(sweep.advice for sweep in sweeps)]),
        _verdict(deciding, doubts),
        results.density,
        results.memhog,
        results.page_fault,
        results.tile,
        results.recorded,
        memory,
        balance,
        handback,
        against,
        observed.timelines,
        weighed.disparities,
        tuple(doubts),
        weighed.set_aside,
        tuple(notes),
        observed.missing,
        observed.damages,
        provenance_of(observed),
        _places(observed),
        front(topics, against, list(overview.arms), overview.baseline),
        {name: _counts(found) for name, found in of_kinds.items()},
        spent_of(observed),
        observed.looks,
        tuple(
            f"{name} ({arm})"
            for _, arm, name, figure in deciding
            if name in DECIDING and figure.verdict == Verdict.UNSETTLED
        ),
        sweeps,
        stated,
    )


def spent_of(observed: Observed) -> dict[str, dict[str, float]]:
    """By workload: mean seconds of a finished run, by what they went into; of those that tell."""
    found: dict[str, dict[str, float]] = {}
    for workload, runs in observed.workloads.items():
        finished = runs.finished
        told = ~np.isnan(finished.numbers["spent_measuring"])
        if told.any():
            whole = float(finished.numbers["duration_seconds"][told].mean())
            parts = {
                name: float(np.nan_to_num(finished.numbers[f"spent_{name}"][told]).mean())
                for name in SPENT
            }
            rest = max(whole - sum(parts.values()), 0.0)
            found[workload] = {**parts, "preparation": rest, "whole": whole}
    return found


def all_figures(report: Report) -> list[NamedFigure]:
    """Every figure of a report."""
    balance = {name: found.figures for name, found in report.balance.items()}
    beside = {"balance": balance, "handback": report.handback, "against": report.against}
    return _flat({**report.topics, **beside})


def _flat(topics: dict[str, dict[str, Figures]]) -> list[NamedFigure]:
    return [
        (topic, arm, name, figure)
        for topic, group in topics.items()
        for arm, figures in group.items()
        for name, figure in figures.items()
    ]


def _topics(results: Results, memory: dict[str, Memory]) -> dict[str, dict[str, Figures]]:
    return {**results.topics, "memory": {name: found.figures for name, found in memory.items()}}


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


def _where_memory_stays(balance: Mapping[str, Balance]) -> list[str]:
    """For each arm what would bring most if it were taken back, arms that agree together."""
    agreed: dict[str, list[str]] = {}
    for name, found in balance.items():
        if (part := found.most_to_gain) is not None:
            held = f"{number(found.parts_mib[part])} MiB"
            agreed.setdefault(part, []).append(f"{name} ({held})")
    return [
        f"Of what the host holds for a guest at rest, {RECLAIMED_BY[part]} would bring most under "
        f"{', '.join(names)}."
        for part, names in agreed.items()
    ]


def _guests_that_missed(runs: Observations) -> list[str]:
    """Arms under which guests did not hand over, or free, what they were asked for."""
    found = {}
    for name in runs.arms:
        missed = values_of(runs, name, runs.numbers["guests_missed"]).numbers
        if count := int(np.nansum(missed)):
            found[name] = plural(count, "guest")
    if not found:
        return []
    said = ", ".join(f"{name} ({count})" for name, count in found.items())
    return [f"Guests freed or handed over less than they were asked for under {said}."]


def _what_is_counted(runs: Observations) -> list[str]:
    """What counts as back, or as without swap, under arms where that is not plain."""
    said = {
        "idle_lazy_mib": "what guests hand back stays resident until the host needs it, so times "
        "until it is back are those until the host can take it",
        "moved_mib": "the host moved memory to swap on request, and guests without swap are those "
        "for which it needed no more than that",
    }
    found = []
    for column, words in said.items():
        told = [n for n in runs.arms if values_of(runs, n, runs.numbers[column]).numbers.size]
        if told:
            found.append(f"Under {', '.join(told)} {words}.")
    return found


def _what_a_tile_is(workloads: Workloads, tile: Mapping[str, TileResult]) -> list[str]:
    """What was counted, what quality is, what broke it, and where memory was not what did."""
    runs = workloads["tile"]
    found = [_stated_words(json.loads(text)) for text in runs.texts["tile"].present]
    if again := int(np.nansum(runs.numbers["rounds_held_again"])):
        found.append(
            f"A quality broke in {plural(again, 'round')} of tiles and held when the round was "
            "done again: something beside the guests slows this host down at times."
        )
    for name, result in tile.items():
        if not result.equal_tiles:
            break
        mine = runs.of(name)
        free = 1.0 - mine.numbers["peak_mib"] / mine.numbers["memory_mib"]
        free = free[mine.texts["stopped_by"].equal("quality") & ~np.isnan(free)]
        if free.size and free.min() > FREE_ENOUGH:
            found.append(
                f"With {name} quality broke while {percent(float(free.min()))} of the node's "
                "memory was free: not memory but processors or disks were the limit."
            )
    if tile and not any(result.equal_tiles for result in tile.values()):
        found.append(
            "There is no number of tiles that every arm holds, so what programs cost is not "
            "compared."
        )
    return found


def _stated_words(stated: Mapping[str, Any]) -> str:
    """A tile as its study states it."""
    guests = [one for one in stated.get("tile") or () if isinstance(one, dict)]
    if not guests:
        return "What a tile was is not told."
    told = ", ".join(
        f"{one.get('name')} ({one.get('program')} of {one.get('mib')} MiB in a guest of "
        f"{one.get('guest_mib')} MiB)"
        for one in guests
    )
    factor, staggered = stated.get("tile_factor"), stated.get("tile_schedule") == "staggered"
    how = "one guest works at a time" if staggered else "all guests work at once"
    return (
        f"A tile is {told}; {how}. At quality: no program takes more than {factor} times as long "
        "for the same work, or at its p99, as with one tile, and nothing is swapped."
    )


def _without_counts(results: Results) -> Results:
    """Without what differs between kinds of node because they are of other size."""

    def rest(figures: Figures) -> Figures:
        return {
            key: figure
            for key, figure in figures.items()
            if figure.unit not in ADDED_UP and not figure.unit.startswith("guests")
        }

    density = {name: replace(r, figures=rest(r.figures)) for name, r in results.density.items()}
    tile = {name: replace(r, figures=rest(r.figures)) for name, r in results.tile.items()}
    return replace(results, density=density, tile=tile)


def _counts(of_kind: Results) -> dict[str, Figures]:
    """What is told of a kind of node, by arm: figures of guests, and of tiles."""
    found: dict[str, Figures] = {}
    for group in (of_kind.topics["density"], of_kind.topics["tile"]):
        for name, figures in group.items():
            found.setdefault(name, {}).update(figures)
    return found


def _blocks_that_stand_out(figures: Sequence[NamedFigure], workloads: Workloads) -> list[str]:
    """The block that each figure found broken, by name; a few, for one run spoils many figures."""
    named: dict[str, list[str]] = {}
    for _, arm, name, figure in figures:
        if figure.evidence is None or figure.evidence.stands_out is None:
            continue
        for runs in workloads.values():
            found = np.flatnonzero(runs.block == figure.evidence.stands_out)
            if found.size:
                cell = runs.texts["cell"].texts[int(runs.texts["cell"].codes[found[0]])]
                place = f"Block {runs.numbers['block'][found[0]]:g} of {cell}"
                left_out = ", which is told without it" if figure.evidence.left_out else ""
                told = f"{name.replace('_', ' ')} ({arm}{left_out})"
                named.setdefault(place, []).append(told)
                break
    return [
        f"{place} stands out: {'; '.join(list(dict.fromkeys(told))[:NAMED_FIGURES])}. Look at its "
        "runs with hintfleet show."
        for place, told in named.items()
    ]


def _overview(observed: Observed) -> Overview:
    every = list(observed.workloads.values())
    asked, baseline = observed.asked, baseline_of(observed.workloads)
    started, ended = (
        np.concatenate([runs.numbers[name] for runs in every]) for name in ("started", "finished")
    )
    return Overview(
        observed.name,
        observed.studies,
        baseline,
        tuple(baseline_first(asked.arms, baseline)),
        tuple(sorted(asked.workloads)),
        tuple(sorted(asked.cells)),
        tuple(every_text(observed.workloads, "host").present),
        len(asked.blocks),
        asked.runs,
        sum(len(runs.finished) for runs in every),
        any("tcg" in runs.finished.texts["accelerator"].present for runs in every),
        _time(np.nanmin(started)) if started.size else None,
        _time(np.nanmax(ended)) if ended.size else None,
    )


def _time(seconds: float) -> str:
    """Seconds since 1970 as records tell times."""
    time = datetime.fromtimestamp(seconds, UTC)
    precision = "milliseconds" if time.microsecond else "seconds"
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def _places(observed: Observed) -> dict[str, tuple[str, ...]]:
    if len(observed.asked.cells) > MOST_PLACES:
        return {}
    told: dict[str, tuple[str, ...]] = {}
    for runs in observed.workloads.values():
        cells, index = np.unique(runs.texts["cell"].codes, return_index=True)
        hosts = runs.texts["host"].where(index)
        nodes = runs.numbers["node"][index]
        for code, host, node in zip(cells, hosts, nodes, strict=True):
            cell = str(runs.texts["cell"].texts[code])
            told[cell] = (f"cell {cell}", f"host {host}", f"node {node:g}")
    if not told:
        return {}
    counts, *wider = (len(set(kind)) for kind in zip(*told.values(), strict=True))
    tells = [counts > 1, *(1 < count < counts for count in wider)]
    return {
        cell: tuple(place for place, told in zip(places, tells, strict=True) if told)
        for cell, places in told.items()
    }


def _notes(
    observed: Observed,
    overview: Overview,
    density: dict[str, Density],
    set_aside: Sequence[SetAside],
    limits: Thresholds,
) -> list[str]:
    """What a reader must know that makes no figure wrong."""
    notes = [_told_of(one) for one in set_aside]
    finished = [runs.finished for runs in observed.workloads.values()]
    if any(name != overview.baseline for name in density):
        notes.append(
            "Guests used memory in turn. Where they peak together, returned memory helps less: "
            f"hintfleet plan --from {clean(str(observed.source))}"
        )
    for name, result in density.items():
        if result.cells_that_stand_out:
            cells = ", ".join(result.cells_that_stand_out[:NAMED_CELLS])
            more = len(result.cells_that_stand_out) - NAMED_CELLS
            cells += f" and {more} more" if more > 0 else ""
            notes.append(f"With {name} these cells fit another number of guests: {cells}.")
    if overview.emulated:
        notes.append(
            "Guests were emulated (TCG), not on KVM: counts and swap carry over to other hosts, "
            "seconds and rates only as ratios, and roughly."
        )
    if observed.looks:
        notes.append(
            f"It was looked {plural(observed.looks, 'time')} whether the study is settled; every "
            "interval and verdict is one that holds at all looks together."
        )
    if not observed.asked.planned and overview.finished:
        notes.append("There is no usable study.json: runs that are missing cannot be named.")
    if observed.earlier_attempts:
        count = plural(observed.earlier_attempts, "earlier attempt")
        notes.append(f"Kept and not counted: {count} at runs done again later.")
    if any((runs.numbers["proactive_reclaim"] > 0).any() for runs in finished):
        notes.append(
            "A host pages out idle memory by itself (DAMON): in long runs some swap is its work."
        )
    if any((runs.numbers["side_by_side"] > 0).any() for runs in finished):
        notes.append("Cells of one host ran at the same time: they share its caches and disks.")
    return notes


def _told_of(one: SetAside) -> str:
    """Few runs, and why they are in doubt or in no figure."""
    what = f"{one.arm}, {one.workload}" if one.arm else one.workload
    start = "Left out" if one.left_out else "Counted although in doubt, for they are few"
    return f"{start}: {one.runs} of {plural(one.of, 'run')} ({what}): {one.reason}."


def provenance_of(observed: Observed) -> dict[str, tuple[str, ...]]:
    """Facts about how the finished runs were made, each with every value it had, the most frequent
    first."""
    counted: Counter[str] = Counter()
    for runs in observed.workloads.values():
        facts = runs.finished.texts["facts"]
        counts = np.bincount(facts.codes, minlength=len(facts.texts)).tolist()
        for text, count in zip(facts.texts, counts, strict=True):
            counted[text or "{}"] += count
    told: dict[str, Counter[str]] = {}
    for text, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        for name, value in json.loads(text).items() if count else ():
            told.setdefault(name, Counter())[clean(str(value))] += count
    return {
        name: tuple(sorted(values, key=lambda value: (-values[value], value)))
        for name, values in told.items()
    }
