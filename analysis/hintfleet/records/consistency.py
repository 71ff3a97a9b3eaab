# SPDX-License-Identifier: GPL-2.0-or-later
"""Contradictions within a record that its schema cannot see: clocks, units, kinds of result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, cast

from hintfleet.records.tiles import tile_contradictions
from hintfleet.records.types import Consolidation, PageFault, RunRecord, Tile
from hintfleet.statistics.units import number

RESULT_TYPE = {
    "consolidation": "steps",
    "memhog": "guests",
    "page_fault": "rows",
    "tile": "tiles",
    "recorded": "rate",
}
"""The key that tells one workload's result from another's."""

MECHANISMS = ("none", "page_hinting", "free_page_reporting", "balloon", "virtio_mem")
"""What hintfleet measures; imported runs may have others."""

TOLD_BY_RUNS = (
    "cell.cgroup_version",
    "cell.memory_binding",
    "provenance.qemu.version",
    "provenance.qemu.accelerator",
    "provenance.guest_kernel.key",
    "provenance.guest_kernel.release",
    "provenance.guest_kernel.sha256",
    "provenance.guest_image.key",
    "provenance.guest_image.sha256",
    "provenance.hintfleet.version",
    "host_cpu_seconds.user",
    "host_cpu_seconds.system",
    "result.stopped_by",
    "result.swap_end_mib",
    "result.active_footprint_mib",
    "result.idle_footprint_mib",
    "result.physical_limit_guests",
)
"""What may be null in an imported record only."""


def contradictions(record: RunRecord) -> Iterator[tuple[str, str, str]]:
    """What the schema cannot say, as (field, expected, found): clocks, units, kinds."""
    started, finished = _time(record["started"]), _time(record["finished"])
    if started is None or finished is None:
        name, text = (
            ("started", record["started"]) if started is None else ("finished", record["finished"])
        )
        yield name, "a time that exists", repr(text)
        return
    if finished < started:
        yield "finished", f"a time after started ({record['started']})", record["finished"]
    yield from _untold(record)
    if record["outcome"]["status"] != "finished":
        return
    result, workload = record["result"], record["workload"]
    key = RESULT_TYPE[workload]
    if result is None or key not in result or (workload == "memhog") != ("swap_peak_mib" in result):
        yield (
            "result",
            f"a result of {workload}",
            "null" if result is None else "another workload's",
        )
        return
    cell = record["cell"]
    swap = cast(dict[str, Any], result).get("swap_end_mib") or 0.0
    if swap > cell["swap_mib"] * 1.05 + 1.0:
        yield (
            "result.swap_end_mib",
            f"at most the cell's {cell['swap_mib']:g} MiB of swap (another unit?)",
            number(swap),
        )
    # pages that guests share are charged once, and held by each
    shares_pages = record["provenance"]["host"].get("ksm_run") not in (0, "0", None)
    if workload == "consolidation" and "imported" not in record:
        yield from _consolidation_contradictions(
            cast(Consolidation, result), cell["memory_mib"], shares_pages
        )
    if workload == "tile":
        yield from tile_contradictions(
            cast(Tile, result), record["parameters"], cell["memory_mib"], shares_pages
        )
    if workload == "page_fault":
        yield from _page_fault_contradictions(cast(PageFault, result))


def _untold(record: RunRecord) -> Iterator[tuple[str, str, str]]:
    """What a run tells of itself; nobody may have told it of an imported one."""
    if "imported" in record:
        return
    if record["mechanism"] not in MECHANISMS:
        yield "mechanism", f"one of {', '.join(MECHANISMS)}", repr(record["mechanism"])
    if record["workload"] == "recorded":
        yield "workload", "a workload of hintfleet, as nothing was imported", "'recorded'"
    for path in TOLD_BY_RUNS:
        if _is_null(record, path.split(".")):
            yield path, "a value, as nothing was imported", "null"


def _is_null(value: Any, keys: Sequence[str]) -> bool:
    """Whether null stands at these keys; not if one of them is missing."""
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return value is None


def _consolidation_contradictions(
    result: Consolidation, memory_mib: float, shares_pages: bool
) -> Iterator[tuple[str, str, str]]:
    clock = 0.0
    for index, step in enumerate(result["steps"]):
        if step["started_seconds"] < clock:
            yield (
                f"result.steps[{index}].started_seconds",
                f"at least {clock:g}, the start of the step before (a clock that went back?)",
                f"{step['started_seconds']:g}",
            )
        clock = step["started_seconds"]
        if step["cell_memory_mib"] > memory_mib * 1.05 + 1.0:
            yield (
                f"result.steps[{index}].cell_memory_mib",
                f"at most the cell's {memory_mib:g} MiB (another unit?)",
                number(step["cell_memory_mib"]),
            )
        held = sum(step["guest_resident_mib"])
        if not shares_pages and held > step["cell_memory_mib"] * 1.05 + 32.0:
            yield (
                f"result.steps[{index}].cell_memory_mib",
                f"at least the {number(held)} MiB that its guests hold (were they moved out of the "
                "cell?)",
                number(step["cell_memory_mib"]),
            )
    if result["guests_without_swap"] > len(result["steps"]):
        yield (
            "result.guests_without_swap",
            f"at most the {len(result['steps'])} guests of result.steps",
            str(result["guests_without_swap"]),
        )


def _page_fault_contradictions(result: PageFault) -> Iterator[tuple[str, str, str]]:
    tasks = [row["tasks"] for row in result["rows"]]
    if len(set(tasks)) != len(tasks):
        yield "result.rows", "each number of tasks once", f"tasks {tasks}"
    histogram = result["latency"]["histogram"]
    bounds, counts = histogram["bounds_ns"], histogram["counts"]
    if len(bounds) != len(counts) + 1:
        yield (
            "result.latency.histogram",
            "one bound more than counts",
            f"{len(bounds)} bounds and {len(counts)} counts",
        )
    if sum(counts) != result["latency"]["count"]:
        yield (
            "result.latency.histogram.counts",
            f"counts that add up to the {result['latency']['count']} of result.latency.count",
            str(sum(counts)),
        )
    shares = [result["latency"][name] for name in ("p50_ns", "p95_ns", "p99_ns", "p999_ns")]
    if any(after < before for before, after in pairwise(shares)):
        yield "result.latency", "percentiles that rise", ", ".join(map(number, shares)) + " ns"
    if result["latency"]["count"] == 0:
        yield "result.latency.count", "some faults, as it was measured", "0"
    if any(high <= low for low, high in pairwise(bounds)):
        yield "result.latency.histogram.bounds_ns", "rising bounds", "a bound below the one before"


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
