# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a store of a synthetic fleet of any size, so that what a report costs can be measured.

Every host has one cell. In each block a cell runs every mechanism and workload; hosts differ,
boots differ, and what each mechanism does is stated below, so that a report's figures can be
held against it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from hintfleet.store import parquet as store
from numpy.typing import NDArray

WORKLOADS = ("consolidation", "memhog", "page_fault")
TASKS = 8
BOUNDS_NS = 2.0 ** (6.0 + np.arange(449) / 16.0)
MEMORY_MIB = 15360.0
STARTED = datetime(2026, 11, 1, tzinfo=UTC)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What a mechanism does on the average host."""

    idle_mib: float
    third_memhog_seconds: float
    rate: float
    fault_ns: float
    seconds_to_90: float | None


TRUTHS = {
    "none": Truth(4500.0, 215.0, 300_000.0, 900.0, None),
    "page_hinting": Truth(1700.0, 37.0, 294_000.0, 925.0, 2.0),
    "free_page_reporting": Truth(1700.0, 36.0, 297_000.0, 915.0, 10.0),
}
ACTIVE_MIB = 4600.0


def write_fleet(root: Path, hosts: int, blocks: int = 1, seed: int = 1) -> int:
    """A store of hosts x blocks x mechanisms x workloads runs; returns how many."""
    bucket_of = np.array([store.host_bucket(_host(k)) for k in range(hosts)])
    runs, planned = 0, []
    for bucket in range(store.BUCKETS):
        mine = np.flatnonzero(bucket_of == bucket)
        for part, start in enumerate(range(0, mine.size, 5000)):
            chunk = mine[start : start + 5000]
            for mechanism in TRUTHS:
                random = np.random.default_rng([seed, bucket, part, len(mechanism)])
                table = _table(chunk, blocks, mechanism, random)
                folder = store.partition(root, "runs", "synthetic", bucket, mechanism)
                store.write_part(folder, table, f"{seed} {bucket} {part} {mechanism}")
                runs += table.num_rows
                planned.append(_planned(table, mechanism))
    table = pa.concat_tables(planned)
    store.write_part(root / "studies" / "study=synthetic", table, "synthetic")
    return runs


def _planned(table: pa.Table, mechanism: str) -> pa.Table:
    """Those runs as planned."""
    n, schema = table.num_rows, store.studies_schema()
    columns = {name: table.column(name) for name in schema.names if name in table.column_names}
    columns |= {"status": None, "reason": None, "mechanism": pa.repeat(mechanism, n)}
    columns |= {"kind": pa.repeat("planned", n)}
    return pa.table([_array(columns.get(f.name), f.type, n) for f in schema], schema=schema)


def _host(number: int) -> str:
    return f"host{number:06d}"


def _table(
    hosts: NDArray[np.int64], blocks: int, mechanism: str, random: np.random.Generator
) -> pa.Table:
    """All runs of some hosts under one mechanism, as rows of runs/."""
    tables = [_workload_table(hosts, blocks, mechanism, name, random) for name in WORKLOADS]
    return pa.concat_tables(tables).sort_by([("host", "ascending"), ("run_id", "ascending")])


def _parity(thp: str) -> str:
    """What must agree between mechanisms: as much text as a real run has."""
    same = {f"host_setting_{k}": f"value {k} of a setting" for k in range(20)}
    return json.dumps({**same, "thp_enabled": thp}, sort_keys=True)


def _facts(host: int) -> str:
    """How a run was made; every host is a little different from others."""
    same = {f"host fact {k}": f"fact {k} of a host" for k in range(15)}
    return json.dumps({**same, "host memory mib": str(24_000 + host % 500)})


def _workload_table(
    hosts: NDArray[np.int64],
    blocks: int,
    mechanism: str,
    workload: str,
    random: np.random.Generator,
) -> pa.Table:
    number = np.repeat(hosts, blocks)
    block = np.tile(np.arange(1, blocks + 1), hosts.size)
    n, truth = number.size, TRUTHS[mechanism]
    names = [_host(int(k)) for k in number]
    # A host is as fast and as large as its number says, whatever runs on it.
    speed = np.exp(0.05 * np.sin(number * 12.9898))
    boot = random.normal(1.0, 0.02, n)
    columns: dict[str, object] = {
        "run_id": [
            f"{h}-node0.b{b}.{mechanism}.{workload}" for h, b in zip(names, block, strict=True)
        ],
        "host": names,
        "cell": [f"{h}-node0" for h in names],
        "node": np.zeros(n, np.int64),
        "block": block,
        "order": np.full(n, 1 + list(TRUTHS).index(mechanism)),
        "workload": pa.repeat(workload, n),
        "started": [STARTED + timedelta(minutes=int(b)) for b in block],
        "finished": [STARTED + timedelta(minutes=int(b), seconds=90) for b in block],
        "duration_seconds": random.uniform(60.0, 120.0, n),
        "status": np.where(random.random(n) < 0.002, "failed", "finished"),
        "memory_mib": np.full(n, MEMORY_MIB),
        "swap_mib": np.full(n, 4096.0),
        "accelerator": pa.repeat("kvm", n),
        "kernel_key": pa.repeat("0123456789ab", n),
        "kernel_release": pa.repeat("6.12.0-hintfleet-0123456789ab", n),
        "debug_options": pa.repeat("", n),
        "guests_warned": np.where(random.random(n) < 0.0005, 1, 0),
        "guests_died": np.where(random.random(n) < 0.001, 1, 0),
        "remote_share": np.where(random.random(n) < 0.0005, 0.2, 0.0),
        "load_per_cpu_before": random.uniform(0.0, 0.5, n),
        "proactive_reclaim": np.zeros(n, np.bool_),
        "side_by_side": np.zeros(n, np.bool_),
        "parity_digest": np.where(number % 997 == 0, f"{mechanism}", "0011223344556677"),
        "parity": [_parity(mechanism if k % 997 == 0 else "never") for k in number],
        "facts": [_facts(k) for k in number],
        "cpu_user_seconds": 30.0 * boot / speed,
        "cpu_system_seconds": 6.0 * boot / speed,
        "freed_mib": np.full(n, 2048.0),
        "acted": np.full(n, mechanism != "none"),
        "as_expected": random.random(n) > 0.001,
    }
    if truth.seconds_to_90 is not None:
        columns["seconds_to_50"] = truth.seconds_to_90 * 0.5 * boot
        columns["seconds_to_90"] = truth.seconds_to_90 * boot
        columns["seconds_to_99"] = truth.seconds_to_90 * 1.2 * boot
    columns |= {
        "consolidation": _consolidation,
        "memhog": _memhog,
        "page_fault": _page_fault,
    }[workload](truth, speed, boot, random)
    schema = store.runs_schema()
    return pa.table([_array(columns.get(f.name), f.type, n) for f in schema], schema=schema)


def _array(column: object, kind: pa.DataType, n: int) -> pa.Array:
    if column is None:
        return pa.nulls(n, kind)
    return (
        column.cast(kind)
        if isinstance(column, pa.Array | pa.ChunkedArray)
        else pa.array(column, kind)
    )


def _consolidation(
    truth: Truth, speed: Floats, boot: Floats, random: np.random.Generator
) -> dict[str, object]:
    idle = truth.idle_mib * boot
    guests = ((MEMORY_MIB - ACTIVE_MIB) / idle).astype(np.int64) + 1
    return {
        "guests_without_swap": guests,
        "guests_at_first_swap": guests + 1,
        "guests_started": guests + 1,
        "stopped_by": pa.repeat("swap", boot.size),
        "swap_end_mib": random.uniform(10.0, 90.0, boot.size),
        "active_footprint_mib": np.full(boot.size, ACTIVE_MIB),
        "idle_footprint_mib": idle,
        "physical_limit_guests": guests,
        "touched_mib": np.full(boot.size, 4096.0),
        "launch_seconds": 30.0 / speed,
        "boot_seconds": 10.0 / speed,
        "program_seconds": 5.0 / speed,
    }


def _memhog(
    truth: Truth, speed: Floats, boot: Floats, random: np.random.Generator
) -> dict[str, object]:
    n = boot.size
    base = np.array([42.0, 48.0, truth.third_memhog_seconds])
    seconds = (base * (boot / speed)[:, None] * random.normal(1.0, 0.05, (n, 3))).ravel()
    died = random.random(seconds.size) < 0.0005
    entries = pa.StructArray.from_arrays(
        [
            pa.array(np.tile(np.arange(1, 4), n)),
            pa.array(seconds, mask=died),
            pa.array(np.where(died, "deadline", ""), mask=~died).cast(pa.string()),
            pa.array(np.zeros(seconds.size)),
        ],
        names=["guest", "seconds", "censored", "swap_after_mib"],
    )
    swap = 3500.0 if truth.third_memhog_seconds > 100 else 0.0
    return {
        "memhog_guests": pa.ListArray.from_arrays(
            pa.array(np.arange(n + 1) * 3, pa.int32()), entries
        ),
        "swap_end_mib": swap * boot,
        "swap_peak_mib": swap * boot,
        "footprint_gib_min": truth.third_memhog_seconds / 10.0 * boot,
        "peak_mib": np.full(n, MEMORY_MIB),
        "swapped_out_mib": swap * boot,
        "swapped_in_mib": swap * boot / 2.0,
    }


def _page_fault(
    truth: Truth, speed: Floats, boot: Floats, random: np.random.Generator
) -> dict[str, object]:
    n, tasks = boot.size, np.arange(1, TASKS + 1)
    rate = (truth.rate * boot * speed)[:, None] * tasks**0.9
    noise = random.normal(1.0, 0.01, (n, TASKS))
    idle = np.tile(100.0 - 100.0 * tasks / 24.0, n)
    rows = pa.StructArray.from_arrays(
        [
            pa.array(np.tile(tasks, n)),
            pa.array((rate * noise).ravel()),
            pa.array(idle),
            pa.array((0.9 * rate * noise).ravel()),
            pa.array(idle),
            pa.array(np.repeat(truth.rate * boot, TASKS) * np.tile(tasks, n)),
        ],
        names=["tasks", "processes", "processes_idle", "threads", "threads_idle", "linear"],
    )
    median = truth.fault_ns / speed * boot
    first, bins = _histograms(median, random)
    offsets = pa.array(np.arange(n + 1) * bins.shape[1], pa.int32())
    place = (first[:, None] + np.arange(bins.shape[1])).ravel()
    histogram = pa.StructArray.from_arrays(
        [
            pa.array(BOUNDS_NS[place]),
            pa.array(BOUNDS_NS[place + 1]),
            pa.array(bins.ravel()),
        ],
        names=["lower_ns", "upper_ns", "count"],
    )
    return {
        "page_fault_rows": pa.ListArray.from_arrays(
            pa.array(np.arange(n + 1) * TASKS, pa.int32()), rows
        ),
        "fault_histogram": pa.ListArray.from_arrays(offsets, histogram),
        "fault_count": bins.sum(axis=1),
        **{
            f"fault_{name}_ns": median * np.exp(0.3 * z)
            for name, z in (("p50", 0.0), ("p95", 1.645), ("p99", 2.326), ("p999", 3.09))
        },
    }


def _histograms(
    median: Floats, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First bin and counts of log-normal latencies (sigma 0.3), 40 bins of 1/16 octave a run."""
    step = np.log(2.0) / 16.0
    centre = np.searchsorted(BOUNDS_NS, median) - 1
    distance = (np.arange(40) - 20) * step / 0.3
    weight = np.exp(-(distance**2) / 2.0)
    expected = 20_000 * weight / weight.sum()
    return centre - 20, random.poisson(expected, (median.size, 40)) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a store of a synthetic fleet.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    runs = write_fleet(args.store, args.hosts, args.blocks, args.seed)
    print(f"{runs} runs of {args.hosts} hosts in {args.store}")


if __name__ == "__main__":
    main()
