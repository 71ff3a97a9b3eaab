# SPDX-License-Identifier: GPL-2.0-or-later
"""Two studies side by side: before and after a kernel, two fleets, or ours and the published.

Studies share no blocks, so what they have in common is compared as independent samples. What
carries best from host to host is not a value but each study's own effect against its baseline;
both are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hintfleet.figures.estimate import absolute, independent_difference, independent_ratio
from hintfleet.figures.family import corrected
from hintfleet.figures.figure import DEFAULTS, Figure, Objection, Thresholds, Verdict, worst
from hintfleet.figures.latency import MODES
from hintfleet.figures.recorded import MEASURES, recorded_numbers
from hintfleet.figures.tiles import Program, cost_name, equal_tiles, program_cost, programs
from hintfleet.records.damage import Damage, UnusableError
from hintfleet.records.observations import Workloads, baseline_first, baseline_of, values_of
from hintfleet.records.observed import Observed
from hintfleet.report.build import Results, provenance_of, results_of
from hintfleet.report.published import SUCCESSORS, Published
from hintfleet.statistics.intervals import Floats
from hintfleet.trust.objections import weigh

HOST = "host cpu model"


@dataclass(frozen=True)
class Side:
    """One of the two things compared."""

    label: str
    workloads: Workloads
    """The finished runs of each."""
    conditions: dict[str, str]
    objections: tuple[Objection, ...]
    results: Results
    damages: tuple[Damage, ...] = ()
    measured: bool = True
    """Whether runs of ours stand behind it; values of a published table are shown beside ours but
    never taken for the same thing measured again."""


@dataclass(frozen=True)
class Entry:
    """One figure of both sides and how the second differs; None where a side has none."""

    name: str
    first: Figure | None
    second: Figure | None
    change: Figure | None = None


@dataclass(frozen=True)
class Comparison:
    """What both sides have, by arm; names of the second side where they differ."""

    first: Side
    second: Side
    entries: dict[str, tuple[Entry, ...]]
    names: dict[str, str]
    conditions: tuple[tuple[str, str, str], ...]
    objections: tuple[Objection, ...]
    verdict: Verdict


def side_of(observed: Observed, limits: Thresholds = DEFAULTS) -> Side:
    """What was measured as one side."""
    weighed = weigh(observed, limits)
    histograms = observed.histograms(weighed.kept["page_fault"])
    conditions = {name: "; ".join(values) for name, values in provenance_of(observed).items()}
    results = results_of(weighed.kept, histograms, weighed.objections, limits)
    return Side(
        observed.name,
        weighed.kept,
        conditions,
        weighed.objections,
        results,
        observed.damages,
    )


def side_of_published(published: Published, limits: Thresholds = DEFAULTS) -> Side:
    """A published table as one side."""
    results = results_of(published.workloads, {}, published.objections, limits)
    return Side(
        published.source,
        published.workloads,
        published.conditions,
        published.objections,
        results,
        measured=False,
    )


def compare(
    first: Side,
    second: Side,
    limits: Thresholds = DEFAULTS,
    pairs: Sequence[str] = (),
) -> Comparison:
    """Every figure both sides have, the changes judged as one family. Sides of one name are told
    apart by a letter.

    pairs: "a=b" for an arm that is called otherwise on the second side; UnusableError if there are
    no such arms.
    """
    if first.label == second.label:
        first, second = (
            replace(side, label=f"{side.label} ({letter})")
            for side, letter in ((first, "A"), (second, "B"))
        )
    named = dict(_pair(text, first, second) for text in pairs)
    shared = {
        name: other
        for name in _arms(first)
        if (other := named.get(name) or _counterpart(name, second)) is not None
    }
    entries = {name: _entries(first, second, name, other, limits) for name, other in shared.items()}
    family = [e.change for group in entries.values() for e in group if e.change is not None]
    judged = iter(corrected(family, limits))
    entries = {
        name: tuple(
            Entry(e.name, e.first, e.second, next(judged) if e.change is not None else None)
            for e in group
        )
        for name, group in entries.items()
    }
    objections = (*first.objections, *second.objections)
    changes = [e.change.verdict for group in entries.values() for e in group if e.change]
    verdict = worst([*changes, *(o.verdict for o in objections)])
    return Comparison(
        first,
        second,
        entries,
        shared,
        tuple(_conditions(first, second)),
        objections,
        verdict if entries else Verdict.NOT_TO_BE_TRUSTED,
    )


def _pair(text: str, first: Side, second: Side) -> tuple[str, str]:
    """The two arms of "a=b". A name may hold a "=" itself, so that of the ways to part the text
    the one counts whose parts are arms."""
    places = [place for place, character in enumerate(text) if character == "="]
    found = [(text[:place], text[place + 1 :]) for place in places]
    here, there = _arms(first), _arms(second)
    fitting = [(one, other) for one, other in found if one in here and other in there]
    if len(fitting) == 1:
        return fitting[0]
    raise UnusableError(
        f"{text} names no arm of {first.label} (it has {', '.join(here) or 'none'}) with one of "
        f"{second.label} ({', '.join(there) or 'none'}): write them as a=b"
    )


def _arms(side: Side) -> list[str]:
    every = side.workloads.values()
    names = {name for runs in every for name in runs.arms}
    return baseline_first(names, baseline_of(side.workloads))


def _counterpart(name: str, side: Side) -> str | None:
    """The same arm on the other side, or the one it was published as or became."""
    there = _arms(side)
    if name in there:
        return name
    predecessors = {after: before for before, after in SUCCESSORS.items()}
    other = predecessors.get(name) or SUCCESSORS.get(name)
    return other if other in there else None


def _entries(
    first: Side, second: Side, name: str, other: str, limits: Thresholds
) -> tuple[Entry, ...]:
    objections = [
        o
        for side, own in ((first, name), (second, other))
        for o in side.objections
        if o.arm in (None, own)
    ]

    same_hosts = _hosts(first) == _hosts(second)

    def change(
        workload: str, numbers: Callable[[Side], Floats], counted: str = ""
    ) -> Figure | None:
        left = values_of(first.workloads[workload], name, numbers(first))
        right = values_of(second.workloads[workload], other, numbers(second))
        if not left.size or not right.size or not (first.measured and second.measured):
            return None
        against = [o for o in objections if o.workload in (None, workload)]
        if counted:
            return independent_difference(left, right, counted, against, limits, 1.0, same_hosts)
        return independent_ratio(left, right, "ratio", against, limits, same_hosts)

    def both(topic: str, key: str, change_of: Figure | None = None) -> Entry:
        return Entry(
            f"{topic}.{key}",
            _figure(first, topic, name, key),
            _figure(second, topic, other, key),
            change_of,
        )

    def rate(side: Side, arm: str, mode: str) -> Figure:
        values = values_of(side.workloads["page_fault"], arm, rates(mode)(side))
        against = [o for o in side.objections if o.concerns([arm], "page_fault")]
        return absolute(values, "touches/s", against, limits)

    def rates(mode: str) -> Callable[[Side], Floats]:
        return lambda side: side.workloads["page_fault"].matrices[mode].at(common)

    def seconds(position: int) -> Callable[[Side], Floats]:
        return lambda side: side.workloads["memhog"].matrices["memhog_seconds"].at(position)

    def recorded(measure: str) -> Callable[[Side], Floats]:
        return lambda side: recorded_numbers(side.workloads["recorded"])[measure]

    def held(side: Side) -> Floats:
        return side.workloads["tile"].matrices["tile_held_gib_min"].at(equal)

    def cost(program: Program) -> Callable[[Side], Floats]:
        return lambda side: program_cost(side.workloads["tile"], program, equal)

    tiled = [equal_tiles(side.workloads["tile"]) for side in (first, second)]
    # what programs cost is of a number of tiles, and comparable where both sides have it of one
    equal = tiled[0] if tiled[0] == tiled[1] else 0
    of_tiles = sorted({p for s in (first, second) for p in programs(s.workloads["tile"], equal)})
    in_turn = sorted(_guests_in_turn(first) & _guests_in_turn(second))
    of_first, of_second = _tasks(first), _tasks(second)
    common = max(of_first & of_second, default=0)
    told = sorted({1, max(of_first, default=1), max(of_second, default=1)})
    entries = [
        both(
            "density",
            "guests_without_swap",
            change(
                "consolidation",
                lambda s: s.workloads["consolidation"].numbers["guests_without_swap"],
                "guests",
            ),
        ),
        both("density", "guests_at_first_swap"),
        both("density", "more_guests_than_none"),
        *(both("memhog", f"guest{k}_seconds", change("memhog", seconds(k))) for k in in_turn),
        both("memhog", "last_guest_vs_none"),
        both("memhog", "swap_end_mib"),
        *(
            Entry(
                f"page_fault.{mode}_at_{common}_tasks",
                rate(first, name, mode),
                rate(second, other, mode),
                change("page_fault", rates(mode)),
            )
            for mode in MODES
            if common
        ),
        *(
            entry
            for mode in MODES
            for entry in (
                both("page_fault", f"{mode}_vs_none"),
                *(
                    Entry(
                        f"page_fault.{mode}_vs_none_at_{tasks}_tasks",
                        _on_curve(first, name, mode, tasks),
                        _on_curve(second, other, mode, tasks),
                    )
                    for tasks in told
                ),
            )
        ),
        both("page_fault", "fault_p99_ns"),
        both(
            "tile",
            "tiles_at_quality",
            change("tile", lambda s: s.workloads["tile"].numbers["tiles_at_quality"], "tiles"),
        ),
        both("tile", "more_tiles_than_none"),
        *(
            both("tile", name, change("tile", numbers))
            for name, numbers in (
                ("tile_held_gib_min", held),
                *((cost_name(program), cost(program)) for program in of_tiles),
            )
            if equal
        ),
        both("tile", "tile_seconds_vs_none"),
        both("tile", "tile_p99_ms_vs_none"),
        *(
            entry
            for measure, (end, _) in MEASURES.items()
            for entry in (
                both("recorded", f"recorded_{end}", change("recorded", recorded(measure))),
                both("recorded", f"recorded_{measure}_vs_none"),
            )
        ),
    ]
    return tuple(e for e in entries if e.first or e.second or e.change)


def _guests_in_turn(side: Side) -> set[int]:
    """Numbers of guests that any run tells memhog's time of."""
    return set(side.workloads["memhog"].matrices["memhog_seconds"].measured)


def _hosts(side: Side) -> set[str]:
    return {name for runs in side.workloads.values() for name in runs.texts["host"].present}


def _tasks(side: Side) -> set[int]:
    return set(side.workloads["page_fault"].matrices["processes"].measured)


def _on_curve(side: Side, arm: str, mode: str, tasks: int) -> Figure | None:
    result = side.results.page_fault.get(arm)
    return result.curves.get(mode, {}).get(tasks) if result else None


def _figure(side: Side, topic: str, arm: str, key: str) -> Figure | None:
    return side.results.topics[topic].get(arm, {}).get(key)


def _conditions(first: Side, second: Side) -> list[tuple[str, str, str]]:
    """Conditions that differ or that only one side tells; no published table tells of its host
    what a record does."""
    told = dict.fromkeys([*first.conditions, *second.conditions])
    names = [name for name in told if not name.endswith("sha256")]
    if not (first.measured and second.measured):
        names = [name for name in names if name == HOST or not name.startswith("host ")]
    rows = [
        (name, first.conditions.get(name, "not told"), second.conditions.get(name, "not told"))
        for name in names
    ]
    return [row for row in rows if row[1] != row[2]]
