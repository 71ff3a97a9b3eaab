# SPDX-License-Identifier: GPL-2.0-or-later
"""The run record as types, for the reader and for mypy.

run_record.schema.json is the definition; a test holds the required keys of both against each
other. Units are in the names as there.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Cell(TypedDict):
    name: str
    host: str
    node: int
    memory_mib: float
    swap_mib: float
    cpus: list[int]
    cgroup_version: int | None
    memory_binding: str | None
    side_by_side: NotRequired[bool]


class Outcome(TypedDict):
    status: str
    reason: str | None


class CacheProof(TypedDict):
    read_mib: float
    cached_mib: float
    freed_mib: float
    dropped_mib: float
    watched_seconds: float
    acted: bool
    cold_seconds: float
    again_seconds: float


class Proof(TypedDict):
    of_run: NotRequired[str]
    freed_mib: float
    dropped_mib: float
    watched_seconds: float
    acted: bool
    as_expected: bool
    seconds_to_50: float | None
    seconds_to_90: float | None
    seconds_to_99: float | None
    asked_mib: NotRequired[float]
    moved_mib: NotRequired[float]
    resident_dropped_mib: NotRequired[float]
    first_seconds: NotRequired[float]
    again_seconds: NotRequired[float]
    cache: NotRequired[CacheProof]


class Arm(TypedDict):
    name: str
    states: dict[str, Any]
    differs: dict[str, str]
    shows: dict[str, str]


class Step(TypedDict):
    guest: int
    started_seconds: float
    boot_seconds: float
    program_seconds: float
    touched_mib: float
    files_mib: NotRequired[float]
    read_seconds: NotRequired[float]
    cell_memory_mib: float
    cell_swap_mib: float
    guest_resident_mib: list[float]


class Consolidation(TypedDict):
    steps: list[Step]
    guests_without_swap: int
    guests_at_first_swap: int | None
    stopped_by: str | None
    stop_reason: NotRequired[str]
    swap_end_mib: float | None
    active_footprint_mib: float | None
    idle_footprint_mib: float | None
    idle_lazy_mib: NotRequired[float]
    physical_limit_guests: int | None


class MemhogGuest(TypedDict):
    guest: int
    seconds: float | None
    censored: NotRequired[str | None]
    late_seconds: NotRequired[float]
    swap_after_mib: float


class Memhog(TypedDict):
    guests: list[MemhogGuest]
    swap_end_mib: float
    swap_peak_mib: float


class PageFaultRow(TypedDict):
    tasks: int
    processes: float
    processes_idle: float
    threads: float
    threads_idle: float
    linear: float


class Histogram(TypedDict):
    bounds_ns: list[float]
    counts: list[int]


class Latency(TypedDict):
    count: int
    p50_ns: float
    p95_ns: float
    p99_ns: float
    p999_ns: float
    histogram: Histogram


class Thp(TypedDict):
    guest: str
    in_play: bool


class PageFault(TypedDict):
    program: str
    rows: list[PageFaultRow]
    latency: Latency
    thp: Thp


class TileProgram(TypedDict):
    guest: str
    tile: int
    name: str
    program: str
    phase: str
    seconds: float | None
    late_seconds: float
    work: float | None
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    censored: str | None


class TileRound(TypedDict):
    tiles: int
    started_seconds: float
    seconds: float
    programs: list[TileProgram]
    mean_memory_mib: float
    cell_memory_mib: float
    cell_swap_mib: float
    peak_swap_mib: float
    worst_factor: float | None
    guest_resident_mib: list[float]
    guest_peak_mib: NotRequired[list[float]]
    pressure_seconds: NotRequired[float]
    once_broken_by: NotRequired[dict[str, Any]]


class Broken(TypedDict):
    name: str
    program: str
    phase: str
    measure: str
    factor: float


class Tile(TypedDict):
    tiles: list[TileRound]
    tiles_at_quality: int
    stopped_by: str
    stop_reason: str | None
    broken_by: Broken | None
    swap_end_mib: float


class Recorded(TypedDict):
    seconds: float | None
    rate: float | None
    footprint_gib_min: float | None
    peak_mib: float | None


class Imported(TypedDict):
    source: str
    file: str


class Balance(TypedDict):
    footprint_mib: float
    held_mib: dict[str, float]
    free_mib: float
    reportable_mib: float


class Handed(TypedDict):
    step: str
    by: str
    asked_mib: float
    done_mib: float
    seconds: float
    missed: bool


class Guest(TypedDict):
    name: str
    memory_mib: int
    vcpus: int
    boot_seconds: float | None
    command_line: list[str]
    kernel_release: str | None
    kernel_command_line: str
    features: dict[str, bool]
    placement_mib: dict[str, float]
    remote_share: float | None
    end: str
    balance: NotRequired[Balance]
    costs: NotRequired[dict[str, float]]
    handed: NotRequired[list[Handed]]
    warnings: list[str]


class Qemu(TypedDict):
    version: str | None
    accelerator: str | None


class GuestKernel(TypedDict):
    key: str | None
    release: str | None
    sha256: str | None
    config_sha256: NotRequired[str | None]
    debug_options: list[str]


class GuestImage(TypedDict):
    key: str | None
    sha256: str | None


class Tool(TypedDict):
    version: str | None


class Provenance(TypedDict):
    host: dict[str, Any]
    qemu: Qemu
    guest_kernel: GuestKernel
    guest_image: GuestImage
    hintfleet: Tool


class HostCpuSeconds(TypedDict):
    user: float | None
    system: float | None


class Files(TypedDict):
    samples: str | None
    proof_samples: NotRequired[str | None]
    consoles: NotRequired[list[str]]
    host_log: NotRequired[str | None]


ParityValue = str | int | float | bool | None


class RunRecord(TypedDict):
    schema: str
    run_id: str
    study: str
    cell: Cell
    block: int
    order: int
    arm: Arm
    baseline: str
    mechanism: str
    workload: str
    imported: NotRequired[Imported]
    parameters: dict[str, Any]
    started: str
    finished: str
    duration_seconds: float
    outcome: Outcome
    proof: Proof | None
    result: Consolidation | Memhog | PageFault | Tile | Recorded | None
    partial: NotRequired[dict[str, Any] | None]
    guests: list[Guest]
    provenance: Provenance
    parity: dict[str, ParityValue]
    spent: NotRequired[dict[str, float]]
    cell_pressure_seconds: NotRequired[dict[str, float] | None]
    host_cpu_seconds: HostCpuSeconds
    files: Files


class PlannedRun(TypedDict):
    run_id: str
    cell: str
    host: NotRequired[str]
    block: int
    order: int
    arm: str
    mechanism: str
    workload: str


class StudyPlan(TypedDict):
    schema: str
    study: str
    parameters: NotRequired[dict[str, Any]]
    looks: NotRequired[list[int]]
    runs: list[PlannedRun]
