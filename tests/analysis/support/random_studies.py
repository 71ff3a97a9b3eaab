# SPDX-License-Identifier: GPL-2.0-or-later
"""Studies of any size and shape whose runs were spoiled, missed, censored, broken or imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hintfleet.records.columns import COSTS, HELD
from hintfleet.records.damage import Damage
from hintfleet.records.document import checked
from hintfleet.records.read import Run, Study
from synthetic import EVERY_WORKLOAD, LAPTOP, MECHANISMS, Builder, Truth, planned_run

Record = dict[str, Any]

SPOILS: dict[str, Callable[[Record], Any]] = {
    "another node": lambda r: r["guests"][0].update(remote_share=0.5),
    "warnings": lambda r: r["guests"][0].update(warnings=["WARNING: CPU: 0"]),
    "another kernel": lambda r: r["guests"][0].update(kernel_release="6.1.0-other"),
    "a guest died": lambda r: r["guests"][0].update(end="died"),
    "a balance": lambda r: r["guests"][-1].update(
        balance={
            "footprint_mib": 99.0,
            "held_mib": dict.fromkeys(HELD, 9.0),
            "free_mib": 7.0,
            "reportable_mib": 5.0,
        }
    ),
    "handed back": lambda r: r["guests"][-1].update(
        handed=[
            {
                "step": "taken",
                "by": "balloon",
                "asked_mib": 90.0,
                "done_mib": 40.0,
                "seconds": 1.5,
                "missed": True,
            },
        ],
        costs=dict.fromkeys(COSTS, 3.0),
    ),
    "page cache": lambda r: (
        r["proof"]
        and r["proof"].update(
            first_seconds=1.0,
            again_seconds=1.5,
            cache={
                "read_mib": 64.0,
                "cached_mib": 60.0,
                "freed_mib": 50.0,
                "dropped_mib": 40.0,
                "watched_seconds": 3.0,
                "acted": True,
                "cold_seconds": 0.5,
                "again_seconds": 0.25,
            },
        )
    ),
    "cell pressure": lambda r: r.update(cell_pressure_seconds={"some": 2.0, "full": 1.0}),
    "another node, unseen": lambda r: [
        r["provenance"]["host"].update(nodes=[{}, {}]),
        *(guest.update(remote_share=None) for guest in r["guests"]),
    ],
    "told late": lambda r: (
        of(r, "memhog") and r["result"]["guests"][0].update(late_seconds=r["duration_seconds"])
    ),
    "a phase told late": lambda r: of(r, "tile") and first_phase(r).update(late_seconds=3.0),
    "a phase not ended": lambda r: of(r, "tile") and not_ended(r),
    "a phase without work": lambda r: of(r, "tile") and first_phase(r).update(work=0),
    "a guest lost": lambda r: (
        of(r, "tile")
        and r["result"].update(stopped_by="lost", stop_reason="It died.", broken_by=None)
    ),
    "another tile": lambda r: of(r, "tile") and r["parameters"].update(tile_factor=2.0),
    "p99 broke": lambda r: (
        of(r, "tile")
        and r["result"].update(
            broken_by={
                "name": "cache",
                "program": "page_cache",
                "phase": "read",
                "measure": "p99_ms",
                "factor": 1.8,
            }
        )
    ),
    "no tile": lambda r: (
        of(r, "tile") and r["result"].update(tiles_at_quality=0, tiles=r["result"]["tiles"][:1])
    ),
    "footprint missed": lambda r: (
        of(r, "consolidation") and r["result"].update(active_footprint_mib=1.0)
    ),
    "load": lambda r: r["provenance"]["host"].update(load_1min_before=9.0),
    "no load": lambda r: r["provenance"]["host"].update(load_1min_before=None),
    "debug options": lambda r: r["provenance"]["guest_kernel"].update(debug_options=["KASAN"]),
    "no proof": lambda r: r.update(proof=None),
    "unexpected": lambda r: r["proof"] and r["proof"].update(as_expected=False),
    "parity": lambda r: r["parity"].update(swappiness=1),
    "more parity": lambda r: r["parity"].update(another="x" * 70 + " y"),
    "starved": lambda r: r.update(host_cpu_seconds={"user": 3.0, "system": 0.0}),
    "failed": lambda r: end(r, "failed", "it\x1b[1m broke"),
    "aborted": lambda r: end(r, "aborted", None),
    "DAMON": lambda r: r["provenance"]["host"].update(proactive_reclaim=True),
    "side by side": lambda r: r["cell"].update(side_by_side=True),
    "kvm": lambda r: r["provenance"]["qemu"].update(accelerator="kvm"),
    "launch failed": lambda r: stop(r, "launch_failed"),
    "maximum": lambda r: stop(r, "maximum"),
    "cpu bound": lambda r: stop(r, "cpu_bound"),
    "not ended": lambda r: (
        of(r, "memhog") and r["result"]["guests"][-1].update(seconds=None, censored="died")
    ),
    "fewer guests": lambda r: of(r, "memhog") and r["result"]["guests"].pop(),
    "other tasks": lambda r: of(r, "page_fault") and r["result"]["rows"].pop(),
    "no samples": lambda r: r["files"].update(samples=None),
}
"""Everything that a doubt looks at, and what a figure must take for what it is."""


def of(record: Record, workload: str) -> bool:
    """Whether it has a result of a workload."""
    return record["workload"] == workload and record["result"] is not None


def end(record: Record, status: str, reason: str | None) -> None:
    record.update(outcome={"status": status, "reason": reason}, result=None)


def stop(record: Record, cause: str) -> None:
    if of(record, "consolidation") or (of(record, "tile") and cause == "maximum"):
        record["result"]["stopped_by"] = cause


def first_phase(record: Record) -> Record:
    """Of a round of tiles that any arm runs."""
    found: Record = record["result"]["tiles"][0]["programs"][0]
    return found


def not_ended(record: Record) -> None:
    first_phase(record).update(seconds=None, work=None, p99_ms=None, censored="It\x1b[1m died.")


MOST_RUNS = 140
"""Of one study: a report of it takes part of a second."""

KINDS = ((960.0, "CPU A"), (960.0, "CPU B"), (1000.0, "CPU A"), (8192.0, "CPU A"))
"""Memory of a node and model of its host's CPU; nodes that are alike in both are of one kind."""

Random = np.random.Generator


def random_study(root: Path, seed: int) -> Study:
    """A study of random hosts and arms, of which random runs were spoiled, missed, tried twice."""
    random = np.random.default_rng([20261127, seed])
    builder = _builder(root, random)
    share = float(random.choice([0.0, 0.02, 0.15]))
    changes = _changes(builder, random)
    runs: list[Run] = []
    planned, damages, attempts = [], [], []
    for cell, block, order, arm, workload in _places(builder):
        record = builder.record(cell, block, order, arm, workload, random)
        for spoil in SPOILS.values():
            if random.random() < share / 3:
                spoil(record)
        for change in changes:
            change(record)
        planned.append(planned_run(record))
        folder = builder.folder / "runs" / record["run_id"]
        fate = random.random()
        if fate < share / 4:
            damages.append(Damage(folder / "record.json", "JSON", "a document", "{\x1b"))
        elif fate > share / 2:
            if record["files"]["samples"] and random.random() < 0.2:
                builder.put(record)
                if random.random() < 0.1:
                    (folder / "samples.csv").write_text("seconds\n")
            else:
                record["files"]["samples"] = None
            runs.append(Run(checked(folder / "record.json", record), folder))
        if random.random() < share / 4:
            attempts += runs[-1:]
    return Study(
        builder.study,
        builder.folder,
        tuple(sorted(runs, key=lambda r: (r.cell, r.block, r.record["order"], r.workload))),
        tuple(damages),
        tuple(planned) if random.random() < 0.8 else None,  # type: ignore[arg-type]
        tuple(attempts),
    )


def _places(builder: Builder) -> list[tuple[str, int, int, str, str]]:
    """Cell, block, order, arm and workload of each run."""
    arms = [*builder.mechanisms, *builder.sweep]
    return [
        (cell, block, order, arm, workload)
        for cell in builder.cells
        for block in range(1, builder.blocks + 1)
        for order, arm in enumerate(arms, 1)
        for workload in builder.workloads
    ]


def _builder(root: Path, random: Random) -> Builder:
    """Few blocks of several nodes and arms, or so many blocks of one that a broken one shows."""
    nodes = [f"host{k // 2}-node{k % 2}" for k in range(random.choice([1, 1, 2, 3, 6, 11]))]
    builder = Builder(
        root,
        study=str(random.choice(["laptop", "7", "1e3", "null", "june.2"])),
        blocks=int(random.integers(1, 4)),
        cells=tuple(nodes),
        mechanisms=tuple(name for name in MECHANISMS if random.random() < 0.85) or ("none",),
        workloads=tuple(name for name in EVERY_WORKLOAD if random.random() < 0.75) or ("memhog",),
        noise=float(random.choice([0.0, 0.01, 0.3])),
    )
    builder.truth = {
        name: replace(
            truth,
            guests=max(truth.guests + int(random.integers(-2, 3)), 0),
            third_memhog_seconds=truth.third_memhog_seconds * float(random.uniform(0.5, 2.0)),
            tiles=max(truth.tiles + int(random.integers(-2, 2)), 0),
        )
        for name, truth in LAPTOP.items()
    }
    if random.random() < 0.3:
        builder.sweep = _sweep(builder, random)
    if random.random() < 0.2:
        builder.blocks, builder.cells = int(random.integers(8, 13)), tuple(nodes[:1])
    while len(_places(builder)) > MOST_RUNS:
        if len(builder.cells) > 1:
            builder.cells = builder.cells[:-1]
        elif len(builder.workloads) > 1:
            builder.workloads = builder.workloads[:-1]
        else:
            builder.sweep = dict(list(builder.sweep.items())[:-1])
    return builder


def _sweep(builder: Builder, random: Random) -> dict[str, Truth]:
    """Arms of one mechanism with one or two parameters, up to nine."""
    mechanism = str(random.choice(builder.mechanisms))
    ages = [0, 5, 100][: int(random.integers(2, 4))]
    batches = [8, 64, 512][: int(random.choice([0, 0, 2, 3]))]
    names = [f"age={age},batch={batch}" for age in ages for batch in batches] or [
        f"age={age}" for age in ages
    ]
    truth = builder.truth[mechanism]
    return {
        f"{mechanism}/{name}": replace(truth, rate=truth.rate * float(random.uniform(0.7, 1.1)))
        for name in names
    }


def _changes(builder: Builder, random: Random) -> list[Callable[[Record], Any]]:
    """What is so in this study, whatever run: kinds of hosts, a broken block, work that does not
    end, another baseline, or that it was imported."""
    found: list[Callable[[Record], Any]] = []
    arms = [*builder.mechanisms, *builder.sweep]
    if random.random() < 0.4:
        kinds = {
            cell.partition("-")[0]: KINDS[int(random.integers(len(KINDS)))]
            for cell in builder.cells
        }
        found.append(lambda record: _of_kind(record, *kinds[record["cell"]["host"]]))
    if random.random() < 0.3:
        block, arm = int(random.integers(1, builder.blocks + 1)), str(random.choice(arms))
        factor = float(random.choice([1e-4, 0.1, 300.0]))
        found.append(lambda record: is_at(record, block, arm) and _broken(record, factor))
    if random.random() < 0.25:
        arm = str(random.choice(arms))
        share = float(random.choice([0.3, 1.0]))
        found.append(
            lambda record: (
                record["arm"]["name"] == arm
                and random.random() < share
                and SPOILS["not ended"](record)
            )
        )
    if random.random() < 0.15:
        baseline = str(random.choice(arms))
        found.append(lambda record: record.update(baseline=baseline))
    if random.random() < 0.2:
        found.append(_imported)
    return found


def is_at(record: Record, block: int, arm: str) -> bool:
    return record["block"] == block and record["arm"]["name"] == arm


def _of_kind(record: Record, memory_mib: float, cpu: str) -> None:
    record["cell"]["memory_mib"] = memory_mib
    record["provenance"]["host"]["cpu_model"] = cpu


def _broken(record: Record, factor: float) -> None:
    """A run in which something slowed or stopped everything."""
    result = record["result"]
    if of(record, "memhog"):
        for guest in result["guests"]:
            if guest["seconds"] is not None:
                guest["seconds"] *= factor
    elif of(record, "page_fault"):
        for row in result["rows"]:
            row.update(processes=row["processes"] / factor, threads=row["threads"] / factor)
    elif of(record, "consolidation"):
        result["guests_without_swap"] = 0
    elif of(record, "tile"):
        result["tiles_at_quality"] = 0
        for one in result["tiles"]:
            one["mean_memory_mib"] *= factor


def _imported(record: Record) -> None:
    """The same as if somebody else had measured it: work that took seconds, or a count."""
    record.update(imported={"source": "a test", "file": "x.csv"}, proof=None, guests=[])
    record["cell"].update(cgroup_version=None, memory_binding=None)
    record["host_cpu_seconds"] = {"user": None, "system": None}
    if of(record, "memhog"):
        seconds = record["result"]["guests"][-1]["seconds"]
        told = {"seconds": seconds, "rate": None, "footprint_gib_min": 2.5, "peak_mib": 700.0}
        record.update(workload="recorded", result=told)
    elif of(record, "page_fault"):
        record["outcome"] = {"status": "failed", "reason": "nobody measured it"}
        record["result"] = None
    elif of(record, "tile"):
        record.update(workload="recorded", result={
            "seconds": 9.0, "rate": None, "footprint_gib_min": None, "peak_mib": None,
        })  # fmt: skip
    elif of(record, "consolidation"):
        record["result"].update(
            steps=[], stopped_by=None, active_footprint_mib=None, idle_footprint_mib=None
        )
