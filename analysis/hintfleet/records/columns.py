# SPDX-License-Identifier: GPL-2.0-or-later
"""A run record as one flat row and a few lists: what Parquet, CSV and `hintfleet plan` read.

Each column is defined once, here. Names and units are those of run_record.schema.json.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from hintfleet.records.curves import MIB_A_GIB
from hintfleet.records.provenance import facts_of
from hintfleet.records.tiles import MEASURES, costs_of

Record = Mapping[str, Any]
Kind = Literal["text", "integer", "number", "flag", "time"]


@dataclass(frozen=True)
class Column:
    """One value of a run: where it stands in a record, or how it is computed from one."""

    name: str
    kind: Kind
    source: str | Callable[[Record], object]
    """Keys joined by dots, or a function of the record; None where a run does not have it."""

    def value(self, record: Record) -> object:
        return self.source(record) if callable(self.source) else at(record, self.source)


@dataclass(frozen=True)
class ListColumn:
    """Several values of a run with the same fields, in order."""

    name: str
    fields: tuple[tuple[str, Kind], ...]
    source: Callable[[Record], list[dict[str, Any]]]

    def values(self, record: Record) -> list[dict[str, Any]]:
        return [{name: row.get(name) for name, _ in self.fields} for row in self.source(record)]


def at(record: Record, path: str) -> Any:
    """The value at keys joined by dots; None as soon as one is missing or null."""
    value: Any = record
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _workload(name: str, path: str) -> Callable[[Record], Any]:
    """Reads a path of `result` for runs of one workload."""
    return lambda record: at(record, f"result.{path}") if record["workload"] == name else None


def _counted(path: str) -> Callable[[Record], Any]:
    """Reads a path of `result` for runs that count what fits a cell."""
    counts = ("consolidation", "tile")
    return lambda record: at(record, f"result.{path}") if record["workload"] in counts else None


def _rows(name: str, path: str) -> Callable[[Record], list[dict[str, Any]]]:
    read = _workload(name, path)
    return lambda record: list(read(record) or [])


_steps = _rows("consolidation", "steps")


def _step_median(key: str) -> Callable[[Record], float | None]:
    def read(record: Record) -> float | None:
        values = [float(step[key]) for step in _steps(record)]
        return statistics.median(values) if values else None

    return read


def _launch_seconds(record: Record) -> float | None:
    """Median seconds from starting one guest to starting the next; None for fewer than two."""
    starts = [float(step["started_seconds"]) for step in _steps(record)]
    gaps = [after - before for before, after in pairwise(starts)]
    return statistics.median(gaps) if gaps else None


def _debug_options(record: Record) -> str:
    return " ".join(at(record, "provenance.guest_kernel.debug_options") or [])


def _other_kernel(record: Record) -> str | None:
    """The first release that a guest ran instead of the one that was built."""
    wanted = at(record, "provenance.guest_kernel.release")
    ran = (guest["kernel_release"] for guest in record["guests"])
    return next((release for release in ran if release not in (None, wanted)), None)


STALLS = re.compile(r"soft lockup|rcu: INFO|Call Trace")
"""What a kernel prints whose CPUs stood still for a while, and no other warning."""


def _only_stalled(guest: Mapping[str, Any]) -> bool:
    """Whether a guest's kernel warned of nothing but of having stood still."""
    return bool(guest["warnings"]) and all(STALLS.search(line) for line in guest["warnings"])


KILLERS = ("bustd", "earlyoom", "nohang", "oomd", "systemd-oomd")
"""What ends processes before memory is used up."""


def _killers(record: Record) -> str:
    """The daemons on the host that end processes, by name."""
    found = at(record, "provenance.host.daemons")
    return " and ".join(name for name in KILLERS if isinstance(found, list) and name in found)


def _guests(flag: Callable[[Mapping[str, Any]], bool]) -> Callable[[Record], int]:
    """Counts the guests of a run for which something holds."""
    return lambda record: sum(flag(guest) for guest in record["guests"])


HELD = (
    "programs",
    "page_cache_clean",
    "page_cache_dirty",
    "kernel",
    "free_small",
    "free_listed",
    "free_reportable",
    "balloon",
    "qemu_translation",
    "qemu_other",
    "unnamed",
    "freed_lazily",
)
"""Parts of a guest's balance, in the order in which they are told."""


def _balanced(path: str) -> Callable[[Record], float | None]:
    """Mean of a value over the guests that have a balance: means of parts add up as parts do."""

    def read(record: Record) -> float | None:
        values = [float(at(g, f"balance.{path}") or 0) for g in record["guests"] if "balance" in g]
        return statistics.fmean(values) if values else None

    return read


COSTS = (
    "refaulted_file_mib",
    "refaulted_anonymous_mib",
    "direct_reclaim_mib",
    "allocation_stalls",
    "compaction_stalls",
    "pressure_some_seconds",
    "pressure_full_seconds",
)
"""What memory has cost a guest since it booted."""


def _cost(name: str) -> Callable[[Record], float | None]:
    """Mean over the guests of a run that tell it."""

    def read(record: Record) -> float | None:
        values = [float(guest["costs"][name]) for guest in record["guests"]
                  if name in guest.get("costs", {})]  # fmt: skip
        return statistics.fmean(values) if values else None

    return read


def _handed(step: str, value: str) -> Callable[[Record], float | None]:
    """Mean over all steps of that kind that guests of a run went through, the proof's, too."""

    def read(record: Record) -> float | None:
        values = [float(one[value]) for guest in record["guests"]
                  for one in guest.get("handed", []) if one["step"] == step]  # fmt: skip
        return statistics.fmean(values) if values else None

    return read


def _share(part: str, whole: str) -> Callable[[Record], float | None]:
    """One number of a record as a share of another."""

    def read(record: Record) -> float | None:
        found, of = at(record, part), at(record, whole)
        told = isinstance(found, int | float) and isinstance(of, int | float) and of > 0
        return found / of if told else None

    return read


def _remote_share(record: Record) -> float | None:
    """The largest of all guests; None if it was seen of none, on a host that has other nodes."""
    shares = [guest["remote_share"] for guest in record["guests"]]
    known = [share for share in shares if share is not None]
    nodes = at(record, "provenance.host.nodes")
    several = isinstance(nodes, list) and len(nodes) > 1
    return max(known) if known else (None if several and shares else 0.0)


def _late_share(record: Record) -> float | None:
    """By how much of a program's time at most the agent told of its end too late; the most of all
    guests."""
    programs = [*(_workload("memhog", "guests")(record) or []), *_tile_programs(record)]
    shares = [
        one["late_seconds"] / one["seconds"]
        for one in programs
        if one.get("late_seconds") and one["seconds"]
    ]
    return max(shares, default=None)


_rounds = _rows("tile", "tiles")


def _tile_rounds(record: Record) -> list[dict[str, Any]]:
    """Rounds with the memory that they held over time."""
    return [
        {**one, "held_gib_min": one["mean_memory_mib"] / MIB_A_GIB * one["seconds"] / 60.0}
        for one in _rounds(record)
    ]


def _tile_programs(record: Record) -> list[dict[str, Any]]:
    """Each phase of each guest in each round."""
    return [{"tiles": one["tiles"], **p} for one in _rounds(record) for p in one["programs"]]


def _tile_costs(record: Record) -> list[dict[str, Any]]:
    """What each phase of each guest of the tile took in a round, median over the tiles; null
    seconds: it was not seen to end."""
    rows = []
    for one in _rounds(record):
        costs = costs_of(one["programs"])
        programs = {(p["name"], p["phase"]): p["program"] for p in one["programs"]}
        for (name, phase), program in programs.items():
            seconds, p99 = (costs.get((name, phase, measure)) for measure in MEASURES)
            if seconds is not None:
                ended = None if math.isinf(seconds) else seconds
                rows.append({
                    "tiles": one["tiles"], "name": name, "program": program, "phase": phase,
                    "seconds_per_work": ended, "p99_ms": p99,
                })  # fmt: skip
    return rows


def _tile_guests(record: Record) -> list[dict[str, Any]]:
    """What each guest held in each round, at most and at its end; none if the record does not say
    which guest is which."""
    stated = at(record, "parameters.tile")
    tile = [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []
    rows = []
    for one in _rounds(record) if tile else ():
        peaks = one.get("guest_peak_mib") or []
        for place, resident in enumerate(one["guest_resident_mib"]):
            number, guest = divmod(place, len(tile))
            name, program = (str(tile[guest].get(key)) for key in ("name", "program"))
            rows.append({
                "tiles": one["tiles"], "tile": number + 1, "name": name, "program": program,
                "resident_mib": resident, "peak_mib": peaks[place] if place < len(peaks) else None,
            })  # fmt: skip
    return rows


def _factor_at_quality(record: Record) -> float | None:
    """The largest factor of the last round whose quality held."""
    held = _workload("tile", "tiles_at_quality")(record)
    return next((one["worst_factor"] for one in _rounds(record) if one["tiles"] == held), None)


def _held_again(record: Record) -> int | None:
    """Rounds at quality in which a quality had broken before they were done again; None of other
    workloads."""
    held = _workload("tile", "tiles_at_quality")(record)
    if held is None:
        return None
    at_quality = [one for one in _rounds(record) if one["tiles"] <= held]
    return sum("once_broken_by" in one for one in at_quality)


def _phases(flag: Callable[[Mapping[str, Any]], bool]) -> Callable[[Record], int | None]:
    """Counts the phases of guests for which something holds; None of other workloads."""

    def read(record: Record) -> int | None:
        told = _workload("tile", "tiles")(record) is not None
        return sum(flag(one) for one in _tile_programs(record)) if told else None

    return read


STATED_OF_TILES = ("tile", "tile_factor", "tile_pause_seconds", "tile_schedule")


def _stated_tile(record: Record) -> str | None:
    """What a tile is and what is asked of it, as JSON; None of other workloads."""
    if record["workload"] != "tile":
        return None
    return _sorted_json({name: record["parameters"].get(name) for name in STATED_OF_TILES})


def _load_per_cpu(record: Record) -> float | None:
    """Load of the host before the run by its CPUs, if it tells both."""
    load, cpus = (at(record, f"provenance.host.{key}") for key in ("load_1min_before", "cpus"))
    known = isinstance(load, int | float) and isinstance(cpus, int) and cpus >= 1
    return load / cpus if known else None


def _swap_page_read(record: Record) -> float | None:
    """What reading a page from the host's swap took when the area was made, microseconds."""
    found = at(record, "provenance.host.swap_page_read_microseconds")
    known = isinstance(found, int | float) and math.isfinite(found) and found > 0
    return found if known else None


def _histogram(record: Record) -> list[dict[str, Any]]:
    """The bins of the fault histogram that hold anything; most do not."""
    histogram = _workload("page_fault", "latency.histogram")(record)
    if histogram is None:
        return []
    bounds, counts = histogram["bounds_ns"], histogram["counts"]
    return [
        {"lower_ns": low, "upper_ns": high, "count": count}
        for low, high, count in zip(bounds, bounds[1:], counts, strict=False)
        if count
    ]


def _sorted_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _unshown(record: Record) -> str | None:
    """What the arm states and the guests of a finished run did not show; None if nothing."""
    arm = record["arm"]
    return " ".join(sorted(set(arm["states"]) - set(arm["shows"]))) or None


def parity_text(record: Record) -> str:
    """All values that must agree between mechanisms, as JSON: equal texts exactly if they agree."""
    return _sorted_json(record["parity"])


def parity_digest(record: Record) -> str:
    """A short text for parity_text, which is as equal."""
    return hashlib.blake2b(parity_text(record).encode(), digest_size=8).hexdigest()


BROKEN: tuple[tuple[str, Kind], ...] = (
    ("name", "text"),
    ("program", "text"),
    ("phase", "text"),
    ("measure", "text"),
    ("factor", "number"),
)
"""What broke a quality first."""

SPENT = ("boot", "proof", "settling", "measuring", "teardown")
"""What the time of a run goes into."""

RECORD_COLUMNS: tuple[Column, ...] = (
    Column("run_id", "text", "run_id"),
    Column("study", "text", "study"),
    Column("host", "text", "cell.host"),
    Column("cell", "text", "cell.name"),
    Column("node", "integer", "cell.node"),
    Column("block", "integer", "block"),
    Column("order", "integer", "order"),
    Column("arm", "text", "arm.name"),
    Column("baseline", "text", "baseline"),
    Column("mechanism", "text", "mechanism"),
    Column("workload", "text", "workload"),
    Column("started", "time", "started"),
    Column("finished", "time", "finished"),
    Column("duration_seconds", "number", "duration_seconds"),
    Column("status", "text", "outcome.status"),
    Column("reason", "text", "outcome.reason"),
    Column("memory_mib", "number", "cell.memory_mib"),
    Column("swap_mib", "number", "cell.swap_mib"),
    Column("side_by_side", "flag", "cell.side_by_side"),
    Column("accelerator", "text", "provenance.qemu.accelerator"),
    Column("kernel_key", "text", "provenance.guest_kernel.key"),
    Column("kernel_release", "text", "provenance.guest_kernel.release"),
    Column("debug_options", "text", _debug_options),
    Column("other_kernel", "text", _other_kernel),
    Column("guests_warned", "integer", _guests(lambda guest: bool(guest["warnings"]))),
    Column("guests_stalled", "integer", _guests(_only_stalled)),
    Column("guests_died", "integer", _guests(lambda guest: guest["end"] == "died")),
    Column("remote_share", "number", _remote_share),
    Column("load_per_cpu_before", "number", _load_per_cpu),
    Column("late_share", "number", _late_share),
    Column(
        "proactive_reclaim",
        "flag",
        lambda record: bool(at(record, "provenance.host.proactive_reclaim")),
    ),
    Column("swap_page_read_microseconds", "number", _swap_page_read),
    Column("killers", "text", _killers),
    Column("states", "text", lambda record: _sorted_json(record["arm"]["states"])),
    Column("differs", "text", lambda record: _sorted_json(record["arm"]["differs"])),
    Column("unshown", "text", _unshown),
    Column("parity_digest", "text", parity_digest),
    Column("parity", "text", parity_text),
    Column("facts", "text", lambda record: json.dumps(facts_of(record))),
    Column("cpu_user_seconds", "number", "host_cpu_seconds.user"),
    Column("cpu_system_seconds", "number", "host_cpu_seconds.system"),
    *(Column(f"spent_{name}", "number", f"spent.{name}") for name in SPENT),
    Column("proof_of", "text", "proof.of_run"),
    Column("freed_mib", "number", "proof.freed_mib"),
    Column("dropped_mib", "number", "proof.dropped_mib"),
    Column("acted", "flag", "proof.acted"),
    Column("as_expected", "flag", "proof.as_expected"),
    Column("seconds_to_50", "number", "proof.seconds_to_50"),
    Column("seconds_to_90", "number", "proof.seconds_to_90"),
    Column("seconds_to_99", "number", "proof.seconds_to_99"),
    Column("guests_without_swap", "integer", _workload("consolidation", "guests_without_swap")),
    Column("guests_at_first_swap", "integer", _workload("consolidation", "guests_at_first_swap")),
    Column("guests_started", "integer", lambda record: len(_steps(record)) or None),
    Column("stopped_by", "text", _counted("stopped_by")),
    Column("stop_reason", "text", _counted("stop_reason")),
    Column("swap_end_mib", "number", "result.swap_end_mib"),
    Column("swap_peak_mib", "number", _workload("memhog", "swap_peak_mib")),
    Column("active_footprint_mib", "number", _workload("consolidation", "active_footprint_mib")),
    Column("idle_footprint_mib", "number", _workload("consolidation", "idle_footprint_mib")),
    Column("idle_lazy_mib", "number", _workload("consolidation", "idle_lazy_mib")),
    Column("physical_limit_guests", "integer", _workload("consolidation", "physical_limit_guests")),
    Column("touched_mib", "number", _step_median("touched_mib")),
    Column("launch_seconds", "number", _launch_seconds),
    Column("boot_seconds", "number", _step_median("boot_seconds")),
    Column("program_seconds", "number", _step_median("program_seconds")),
    Column("fault_count", "integer", _workload("page_fault", "latency.count")),
    Column("fault_p50_ns", "number", _workload("page_fault", "latency.p50_ns")),
    Column("fault_p95_ns", "number", _workload("page_fault", "latency.p95_ns")),
    Column("fault_p99_ns", "number", _workload("page_fault", "latency.p99_ns")),
    Column("fault_p999_ns", "number", _workload("page_fault", "latency.p999_ns")),
    *(Column(f"held_{part}_mib", "number", _balanced(f"held_mib.{part}")) for part in HELD),
    Column("balance_footprint_mib", "number", _balanced("footprint_mib")),
    Column("guest_free_mib", "number", _balanced("free_mib")),
    Column("guest_reportable_mib", "number", _balanced("reportable_mib")),
    *(Column(f"guest_{name}", "number", _cost(name)) for name in COSTS),
    Column("cell_pressure_seconds", "number", "cell_pressure_seconds.some"),
    Column("reclaimed_mib", "number", _handed("reclaimed", "done_mib")),
    Column("moved_mib", "number", _handed("moved", "done_mib")),
    Column("taken_mib", "number", _handed("taken", "done_mib")),
    Column("taking_seconds", "number", _handed("taken", "seconds")),
    Column("giving_seconds", "number", _handed("given", "seconds")),
    Column(
        "guests_missed",
        "integer",
        _guests(lambda guest: any(one["missed"] for one in guest.get("handed", []))),
    ),
    Column(
        "cache_freed_share", "number", _share("proof.cache.freed_mib", "proof.cache.cached_mib")
    ),
    Column("cache_back_share", "number", _share("proof.cache.dropped_mib", "proof.cache.read_mib")),
    Column("again_ratio", "number", _share("proof.again_seconds", "proof.first_seconds")),
    Column(
        "reread_ratio", "number", _share("proof.cache.again_seconds", "proof.cache.cold_seconds")
    ),
    Column("tiles_at_quality", "integer", _workload("tile", "tiles_at_quality")),
    Column("factor_at_quality", "number", _factor_at_quality),
    *(
        Column(f"broken_{name}", kind, _workload("tile", f"broken_by.{name}"))
        for name, kind in BROKEN
    ),
    Column("phases_censored", "integer", _phases(lambda one: one["censored"] is not None)),
    Column("phases_without_work", "integer", _phases(lambda one: one["work"] == 0)),
    Column("rounds_held_again", "integer", _held_again),
    Column("tile", "text", _stated_tile),
    Column("imported", "flag", lambda record: "imported" in record),
    Column("work_seconds", "number", _workload("recorded", "seconds")),
    Column("work_rate", "number", _workload("recorded", "rate")),
)

RATES = ("processes", "processes_idle", "threads", "threads_idle", "linear")
"""will-it-scale's columns, at each number of tasks."""

CURVE_COLUMNS: tuple[Column, ...] = tuple(
    Column(name, "number", name)
    for name in (
        "footprint_gib_min",
        "peak_mib",
        "swapped_out_mib",
        "swapped_in_mib",
        "unsampled_share",
    )
)
"""What a run's samples come to (curves.py), or what an imported table told of them; else null."""

COLUMNS = (*RECORD_COLUMNS, *CURVE_COLUMNS)

NOT_OBSERVED = frozenset({
    "run_id", "reason", "kernel_key", "parity_digest", "freed_mib", "dropped_mib", "acted",
    "launch_seconds", "boot_seconds", "program_seconds", "fault_count", "broken_program",
})  # fmt: skip
"""What no figure and no doubt looks at: names of single runs, and what only a plan reads."""

OBSERVED = tuple(column for column in COLUMNS if column.name not in NOT_OBSERVED)

SIGNED = frozenset({
    "dropped_mib", "moved_mib", "cache_back_share", "load_per_cpu_before",
    *(f"held_{part}_mib" for part in HELD), *(f"spent_{name}" for name in SPENT),
    *(column.name for column in COLUMNS if column.kind == "time"),
})  # fmt: skip
"""Numbers that run_record.schema.json lets be below 0; all others are amounts."""

LIST_COLUMNS: tuple[ListColumn, ...] = (
    ListColumn(
        "steps",
        (
            ("guest", "integer"),
            ("started_seconds", "number"),
            ("boot_seconds", "number"),
            ("program_seconds", "number"),
            ("touched_mib", "number"),
            ("cell_memory_mib", "number"),
            ("cell_swap_mib", "number"),
        ),
        _steps,
    ),
    ListColumn(
        "memhog_guests",
        (
            ("guest", "integer"),
            ("seconds", "number"),
            ("censored", "text"),
            ("swap_after_mib", "number"),
        ),
        _rows("memhog", "guests"),
    ),
    ListColumn(
        "page_fault_rows",
        (
            ("tasks", "integer"),
            *((name, "number") for name in RATES),
        ),
        _rows("page_fault", "rows"),
    ),
    ListColumn(
        "fault_histogram",
        (("lower_ns", "number"), ("upper_ns", "number"), ("count", "integer")),
        _histogram,
    ),
    ListColumn(
        "tile_rounds",
        (
            ("tiles", "integer"),
            *(
                (name, "number")
                for name in (
                    "started_seconds",
                    "seconds",
                    "mean_memory_mib",
                    "held_gib_min",
                    "cell_memory_mib",
                    "cell_swap_mib",
                    "peak_swap_mib",
                    "pressure_seconds",
                    "worst_factor",
                )
            ),
        ),
        _tile_rounds,
    ),
    ListColumn(
        "tile_costs",
        (
            ("tiles", "integer"),
            *((name, "text") for name in ("name", "program", "phase")),
            ("seconds_per_work", "number"),
            ("p99_ms", "number"),
        ),
        _tile_costs,
    ),
    ListColumn(
        "tile_guests",
        (
            ("tiles", "integer"),
            ("tile", "integer"),
            ("name", "text"),
            ("program", "text"),
            ("resident_mib", "number"),
            ("peak_mib", "number"),
        ),
        _tile_guests,
    ),
    ListColumn(
        "tile_programs",
        (
            ("tiles", "integer"),
            ("guest", "text"),
            ("tile", "integer"),
            *((name, "text") for name in ("name", "program", "phase")),
            *(
                (name, "number")
                for name in ("seconds", "late_seconds", "work", "p50_ms", "p99_ms", "p999_ms")
            ),
            ("censored", "text"),
        ),
        _tile_programs,
    ),
)


@dataclass(frozen=True)
class MatrixSource:
    """Numbers of a run that a list column holds: value at each place, which is what stands in one
    field, or in several. `unknown` stands for an entry that is there without a value."""

    workload: str
    column: str
    place: str | tuple[str, ...]
    value: str
    unknown: float = math.nan

    def place_of(self, entry: Mapping[str, Any]) -> Any:
        """Where the value of an entry belongs: a number, or all fields of a place."""
        if isinstance(self.place, str):
            return entry[self.place]
        return tuple(entry[name] for name in self.place)


PHASE = ("name", "phase", "tiles")
"""Where what a program costs was measured: a guest of the tile, a phase, and how many tiles."""

MATRICES: dict[str, MatrixSource] = {
    # A guest that ran memhog and has no seconds was not seen to end: censored.
    "memhog_seconds": MatrixSource("memhog", "memhog_guests", "guest", "seconds", math.inf),
    **{name: MatrixSource("page_fault", "page_fault_rows", "tasks", name) for name in RATES},
    **{
        f"tile_{name}": MatrixSource("tile", "tile_rounds", "tiles", name)
        for name in ("held_gib_min", "mean_memory_mib", "peak_swap_mib", "pressure_seconds")
    },
    "tile_seconds": MatrixSource("tile", "tile_costs", PHASE, "seconds_per_work", math.inf),
    "tile_p99_ms": MatrixSource("tile", "tile_costs", PHASE, "p99_ms"),
}

SAMPLE_COLUMNS: tuple[tuple[str, Kind], ...] = (
    ("run_id", "text"),
    ("seconds", "number"),
    ("guest", "integer"),
    ("resident_mib", "number"),
    ("swap_mib", "number"),
)


def flat(record: Record, curve: Mapping[str, float] | None = None) -> dict[str, object]:
    """The scalars of a run by column name; curve is what its samples come to."""
    of_record = {column.name: column.value(record) for column in RECORD_COLUMNS}
    told = curve or (record["result"] if record["workload"] == "recorded" else None)
    return of_record | {column.name: column.value(told or {}) for column in CURVE_COLUMNS}


def lists(record: Record) -> dict[str, list[dict[str, Any]]]:
    """The lists of a run by column name."""
    return {column.name: column.values(record) for column in LIST_COLUMNS}
