# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds studies whose truth is known, as the files a real study leaves behind."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from hintfleet.records.text import file_name

BOUNDS_NS = [float(2 ** (6 + step / 4)) for step in range(57)]
MECHANISMS = ("none", "free_page_reporting", "page_hinting")
WORKLOADS = ("consolidation", "memhog", "page_fault")
EVERY_WORKLOAD = (*WORKLOADS, "tile")

TILE = [
    {"name": "cache", "program": "page_cache", "guest_mib": 160, "vcpus": 1, "mib": 64},
    {"name": "busy", "program": "churn", "guest_mib": 128, "vcpus": 1, "mib": 48},
]
PHASES = {"page_cache": ("read", "reread"), "churn": ("churn",)}
"""Of programs, in order."""


@dataclass
class Truth:
    """What a synthetic cell does under one mechanism, before noise."""

    guests: int
    third_memhog_seconds: float
    memhog_swap_mib: float
    rate: float
    fault_ns: float
    seconds_to_90: float | None
    tiles: int = 2
    slowness: float = 1.0
    """What programs of a tile take, times what they take without a mechanism."""
    tile_mib: float = 300.0


LAPTOP = {
    "none": Truth(2, 2.57, 244.0, 100_000.0, 900.0, None),
    "free_page_reporting": Truth(7, 1.25, 0.0, 99_000.0, 910.0, 3.1, 4, 1.02, 220.0),
    "page_hinting": Truth(7, 1.22, 0.0, 98_000.0, 915.0, 0.6, 5, 1.01, 170.0),
}


def planned_run(record: dict[str, Any]) -> dict[str, Any]:
    """A run as its plan has it."""
    keys = ("run_id", "block", "order", "mechanism", "workload")
    of_record = {key: record[key] for key in keys}
    return {"cell": record["cell"]["name"], "arm": record["arm"]["name"], **of_record}


@dataclass
class Builder:
    """Writes results/<study>/ into a folder. noise is relative, normal, one draw a run."""

    root: Path
    study: str = "laptop"
    blocks: int = 3
    cells: tuple[str, ...] = ("local-node0",)
    mechanisms: tuple[str, ...] = MECHANISMS
    workloads: tuple[str, ...] = WORKLOADS
    noise: float = 0.01
    seed: int = 1
    sweep: dict[str, Truth] = field(default_factory=dict)
    """More arms, by name: what each does of the mechanism before the name's "/"."""
    truth: dict[str, Truth] = field(default_factory=lambda: dict(LAPTOP))

    @property
    def folder(self) -> Path:
        return self.root / self.study

    def write(self) -> Path:
        """The whole study: plan, records, samples."""
        random = np.random.default_rng(self.seed)
        planned = []
        for cell in self.cells:
            for block in range(1, self.blocks + 1):
                order = list(random.permutation([*self.mechanisms, *self.sweep]))
                for position, mechanism in enumerate(map(str, order), 1):
                    for workload in self.workloads:
                        record = self.record(cell, block, position, mechanism, workload, random)
                        self.put(record)
                        planned.append(planned_run(record))
        plan = {"schema": "hintfleet.study/2", "study": self.study, "runs": planned}
        (self.folder / "study.json").write_text(json.dumps(plan))
        return self.folder

    def put(self, record: dict[str, Any]) -> Path:
        """One record with its samples."""
        folder = self.folder / "runs" / record["run_id"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").write_text(json.dumps(record))
        (folder / "samples.csv").write_text(samples_csv(record))
        return folder / "record.json"

    def record(
        self,
        cell: str,
        block: int,
        order: int,
        arm: str,
        workload: str,
        random: np.random.Generator,
    ) -> dict[str, Any]:
        """One valid run record."""
        mechanism, _, swept = arm.partition("/")
        module = {"kernel_arguments": " ".join(f"{mechanism}.{w}" for w in swept.split(","))}
        states = module if swept else {}
        truth = self.sweep.get(arm) or self.truth[mechanism]

        def noisy(value: float) -> float:
            return float(value * np.exp(random.normal(0.0, self.noise))) if self.noise else value

        result = {
            "consolidation": lambda: consolidation(truth),
            "memhog": lambda: memhog(truth, noisy),
            "page_fault": lambda: page_fault(truth, noisy, random),
            "tile": lambda: tiles(truth, noisy),
        }[workload]()
        names = guest_names(result)
        returned = mechanism != "none"
        return {
            "schema": "hintfleet.run/2",
            "run_id": f"{cell}.b{block}.{file_name(arm)}.{workload}",
            "study": self.study,
            "cell": {
                "name": cell,
                "host": cell.rpartition("-")[0] or cell,
                "node": 0,
                "memory_mib": 960,
                "swap_mib": 256,
                "cpus": [0, 1],
                "cgroup_version": 1,
                "memory_binding": "cpuset",
            },
            "block": block,
            "order": order,
            "arm": {"name": arm, "states": states, "differs": {}, "shows": states},
            "baseline": "none",
            "mechanism": mechanism,
            "workload": workload,
            "parameters": asked(workload),
            "started": f"2026-11-{block % 28 + 1:02d}T10:{order:02d}:00Z",
            "finished": f"2026-11-{block % 28 + 1:02d}T10:{order:02d}:40Z",
            "duration_seconds": 40.0,
            "outcome": {"status": "finished", "reason": None},
            "proof": {
                "freed_mib": 128,
                "dropped_mib": 125.0 if returned else 0.5,
                "watched_seconds": 10.0,
                "acted": returned,
                "as_expected": True,
                "seconds_to_50": truth.seconds_to_90 and truth.seconds_to_90 / 2,
                "seconds_to_90": truth.seconds_to_90,
                "seconds_to_99": None,
            },
            "result": result,
            "guests": [guest(name, mechanism) for name in names],
            "provenance": {
                "host": {
                    "cpu_model": "Synthetic CPU",
                    "cpus": 2,
                    "memory_mib": 24576,
                    "kernel_release": "6.1.0-synthetic",
                    "load_1min_before": 0.4,
                },
                "qemu": {"version": "7.2.0", "accelerator": "tcg"},
                "guest_kernel": {
                    "key": "0123456789abcdef",
                    "release": "6.1.0-hintfleet-0123456789ab",
                    "sha256": "ab" * 32,
                    "debug_options": [],
                },
                "guest_image": {"key": "fedcba9876543210", "sha256": "cd" * 32},
                "hintfleet": {"version": "0.1.0"},
            },
            "parity": {"guest_kernel_config": "ab" * 8, "thp_enabled": "never", "swappiness": 60},
            "host_cpu_seconds": {"user": noisy(20.0), "system": noisy(4.0)},
            "files": {"samples": "samples.csv", "consoles": [], "host_log": None},
        }


def asked(workload: str) -> dict[str, Any]:
    """The parameters of a run."""
    if workload != "tile":
        return {"guest_memory_mib": 320}
    return {
        "tile": TILE,
        "tiles_max": 8,
        "tile_factor": 1.5,
        "tile_schedule": "staggered",
        "tile_pause_seconds": 3,
    }


def guest_names(result: dict[str, Any]) -> list[str]:
    if "tiles" in result:
        last = result["tiles"][-1]["programs"]
        return list(dict.fromkeys(program["guest"] for program in last))
    count = max(len(result.get("steps", result.get("guests", [None]))), 1)
    return [f"guest{number}" for number in range(1, count + 1)]


def guest(name: str, mechanism: str) -> dict[str, Any]:
    return {
        "name": name,
        "memory_mib": 320,
        "vcpus": 1,
        "boot_seconds": 2.0,
        "command_line": ["qemu-system-x86_64", "-m", "320"],
        "kernel_release": "6.1.0-hintfleet-0123456789ab",
        "kernel_command_line": f"console=ttyS0 engine={mechanism}",
        "features": {"page_reporting": mechanism != "none"},
        "placement_mib": {"0": 100.0},
        "remote_share": 0.0,
        "end": "stopped",
        "warnings": [],
    }


def consolidation(truth: Truth) -> dict[str, Any]:
    started = truth.guests + 1
    idle = (960.0 - 343.0) / max(truth.guests, 1) if truth.guests > 2 else 343.0
    steps = [
        {
            "guest": number,
            "started_seconds": 4.0 * (number - 1),
            "boot_seconds": 2.0,
            "program_seconds": 1.0,
            "touched_mib": 256,
            "cell_memory_mib": min(idle * number + 20.0, 959.0),
            "cell_swap_mib": 65.0 if number == started else 0.0,
            "guest_resident_mib": [idle] * number,
        }
        for number in range(1, started + 1)
    ]
    return {
        "steps": steps,
        "guests_without_swap": truth.guests,
        "guests_at_first_swap": started,
        "stopped_by": "swap",
        "swap_end_mib": 65.0,
        "active_footprint_mib": 343.0,
        "idle_footprint_mib": idle,
        "physical_limit_guests": int((960.0 - 343.0) / idle) + 1,
    }


def memhog(truth: Truth, noisy: Any) -> dict[str, Any]:
    seconds = [1.2, 1.3, truth.third_memhog_seconds]
    guests = [
        {
            "guest": number,
            "seconds": noisy(value),
            "censored": None,
            "swap_after_mib": truth.memhog_swap_mib if number == 3 else 0.0,
        }
        for number, value in enumerate(seconds, 1)
    ]
    return {
        "guests": guests,
        "swap_end_mib": truth.memhog_swap_mib,
        "swap_peak_mib": truth.memhog_swap_mib,
    }


def page_fault(truth: Truth, noisy: Any, random: np.random.Generator) -> dict[str, Any]:
    boot = noisy(truth.rate)
    rows = [
        {
            "tasks": tasks,
            "processes": boot * tasks**0.9,
            "processes_idle": 100.0 - 40.0 * tasks,
            "threads": boot * tasks**0.8,
            "threads_idle": 100.0 - 38.0 * tasks,
            "linear": boot * tasks,
        }
        for tasks in (1, 2)
    ]
    draws = random.lognormal(np.log(truth.fault_ns), 0.3, 4000)
    counts, _ = np.histogram(draws, BOUNDS_NS)
    p50, p95, p99, p999 = np.quantile(draws, [0.5, 0.95, 0.99, 0.999])
    return {
        "program": "hintfleet",
        "rows": rows,
        "latency": {
            "count": int(counts.sum()),
            "p50_ns": p50,
            "p95_ns": p95,
            "p99_ns": p99,
            "p999_ns": p999,
            "histogram": {"bounds_ns": BOUNDS_NS, "counts": counts.tolist()},
        },
        "thp": {"guest": "never", "in_play": False},
    }


def tiles(truth: Truth, noisy: Any) -> dict[str, Any]:
    """Rounds until reading again takes twice as long, or with no tile at all until swap is used."""
    rounds = [tile_round(truth, count, noisy) for count in range(1, max(truth.tiles, 0) + 2)]
    if truth.tiles == 0:
        rounds[0].update(cell_swap_mib=90.0, peak_swap_mib=120.0)
    factors = worst_factors(rounds)
    for one, factor in zip(rounds, factors, strict=True):
        one["worst_factor"] = factor
    broken = {"name": "cache", "program": "page_cache", "phase": "reread", "measure": "seconds"}
    by_quality = truth.tiles > 0
    return {
        "tiles": rounds,
        "tiles_at_quality": truth.tiles,
        "stopped_by": "quality" if by_quality else "swap",
        "stop_reason": None if by_quality else "One tile needs 1,010 MiB of memory.",
        "broken_by": {**broken, "factor": factors[-1]} if by_quality else None,
        "swap_end_mib": 0.0 if by_quality else 90.0,
    }


def tile_round(truth: Truth, count: int, noisy: Any) -> dict[str, Any]:
    programs = []
    boot = noisy(truth.slowness)
    for tile in range(1, count + 1):
        for one in TILE:
            for phase in PHASES[str(one["program"])]:
                slow = 2.4 if count > truth.tiles > 0 and phase == "reread" else 1.0
                seconds = 4.0 * boot * slow * (1.0 + 0.02 * count)
                programs.append({
                    "guest": f"tile{tile}-{one['name']}",
                    "tile": tile,
                    "name": one["name"],
                    "program": one["program"],
                    "phase": phase,
                    "seconds": round(seconds, 4),
                    "late_seconds": 0.0,
                    "work": 64.0,
                    "p50_ms": 0.4 * boot if phase != "churn" else None,
                    "p99_ms": 2.0 * boot if phase != "churn" else None,
                    "p999_ms": None,
                    "censored": None,
                })  # fmt: skip
    held = min(noisy(truth.tile_mib) * count, 940.0)
    return {
        "tiles": count,
        "started_seconds": 60.0 * (count - 1),
        "seconds": 50.0 * boot,
        "programs": programs,
        "mean_memory_mib": held,
        "cell_memory_mib": held,
        "cell_swap_mib": 0.0,
        "peak_swap_mib": 0.0,
        "worst_factor": 1.0,
        "guest_resident_mib": [held / count / len(TILE)] * (count * len(TILE)),
        "guest_peak_mib": [held / count / len(TILE) + 40.0] * (count * len(TILE)),
    }


def worst_factors(rounds: list[dict[str, Any]]) -> list[float]:
    """By round: the largest of times and p99 by those with one tile; here guests are all alike."""

    def costs(one: dict[str, Any]) -> dict[tuple[str, str], float]:
        timed = {(p["name"], p["phase"]): p["seconds"] / p["work"] for p in one["programs"]}
        slowest = {(p["name"], f"{p['phase']} p99"): p["p99_ms"] for p in one["programs"]}
        return {**timed, **{key: value for key, value in slowest.items() if value is not None}}

    first = costs(rounds[0])
    return [max(cost / first[key] for key, cost in costs(one).items()) for one in rounds]


def samples_csv(record: dict[str, Any]) -> str:
    """A curve that ends where the record says it ended; two samples a second."""
    result = record["result"] or {}
    swap_end = result.get("swap_end_mib", 0.0)
    seconds = min(record["duration_seconds"], 10.0 + 4.0 * len(result.get("steps", [])))
    lines = ["seconds,guest,resident_mib,swap_mib"]
    count = int(seconds * 2)
    for index in range(count):
        share = index / max(count - 1, 1)
        swap = max(share - 0.8, 0.0) * 5.0 * swap_end
        lines.append(f"{index / 2:.1f},0,{900.0 * share:.1f},{swap:.1f}")
        lines.append(f"{index / 2:.1f},1,{300.0 * share:.1f},0.0")
    return "\n".join(lines) + "\n"


def twelve(builder: Builder) -> None:
    """Twelve arms: two mechanisms and a sweep, of which some fit fewer guests and some as many."""
    builder.mechanisms = ("none", "free_page_reporting", "page_hinting")
    builder.sweep = {
        f"page_hinting/age_ms={age},batch={batch}": replace(
            builder.truth["page_hinting"],
            guests=guests,
            third_memhog_seconds=seconds,
            memhog_swap_mib=swap,
        )
        for (age, guests, seconds, swap) in (
            (0, 7, 1.2, 0.0),
            (150, 6, 1.4, 0.0),
            (500, 4, 2.1, 90.0),
        )
        for batch in (8, 16, 32)
    }
    builder.blocks = 4
    builder.write()
