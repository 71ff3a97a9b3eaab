# SPDX-License-Identifier: GPL-2.0-or-later
"""page_fault: first touches a second for 1..n tasks as processes and as threads, and what a
single first touch takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError, GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import (
    number,
    parse_numbers,
    parse_object,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench

NEEDS = ("tasks", "seconds", "task_mib", "latency_mib", "program")
MODES = ("processes", "threads")
LATENCY = ("count", "p50_ns", "p95_ns", "p99_ns", "p999_ns")
BUCKETS = 4096  # more than any histogram of ours has
Parsed = TypeVar("Parsed")
REMEDY = "lower task_mib or latency_mib, or build the guest image again (role guest_image)"
REMEDY_OF_UPSTREAM = (
    "see what it says; an image that lacks what it loads is built again with "
    "guest_image_will_it_scale_commit, and program hintfleet measures the same without it"
)
CLOCK_SHARE = 0.9  # by more a guest's clock does not run ahead of the host's
POLL_SECONDS = 0.25  # questions to the agent are load in a guest whose idle time is measured
FIRST_ROW = {
    "tasks": 0, "processes": 0, "processes_idle": 100,
    "threads": 0, "threads_idle": 100, "linear": 0,
}  # fmt: skip


def check(parameters: dict[str, Any], cell: dict[str, Any]) -> str | None:
    """A sentence if these parameters cannot work, else None."""
    touched = max(parameters["tasks"] * parameters["task_mib"], parameters["latency_mib"])
    if touched >= parameters["guest_memory_mib"]:
        return (
            f"page_fault touches {touched} MiB at once and guest_memory_mib is only "
            f"{parameters['guest_memory_mib']}; lower tasks, task_mib or latency_mib."
        )
    return None


def run(bench: Bench, result: dict[str, Any]) -> None:
    """Fill in `result` (page_fault in the schema) as it becomes known; raises BenchError."""
    parameters = bench.parameters
    rows: list[dict[str, Any]] = [dict(FIRST_ROW)]
    result.update(program=parameters["program"], rows=rows)
    guest = bench.launch()
    thp = guest.facts.thp_enabled if guest.facts else "absent"
    result["thp"] = {"guest": thp, "in_play": thp == "always"}
    measure = PROGRAMS[parameters["program"]]
    for tasks in range(1, parameters["tasks"] + 1):
        row: dict[str, Any] = {"tasks": tasks}
        for mode in MODES:
            row[mode], row[f"{mode}_idle"] = measure(bench, guest, tasks, mode)
        one = rows[1] if tasks > 1 else row
        row["linear"] = round(tasks * max(one[mode] for mode in MODES), 3)
        rows.append(row)
    command = ["/bin/hf-fault-latency", "--mib", str(parameters["latency_mib"])]
    result["latency"] = _measured(bench, guest, command, latency)


def _measured(
    bench: Bench, guest: Guest, command: list[str], parse: Callable[[str], Parsed],
    least_seconds: float = 0.0, program: str = "", remedy: str = REMEDY,
) -> Parsed:  # fmt: skip
    """What a program in the guest has measured that goes on for `least_seconds` of the guest's
    clock; raises GuestError. `program`: the one that a shell was started for."""
    program = program or command[0]
    output = _run(bench, guest, command, least_seconds, program, remedy)
    try:
        return parse(output)
    except ValueError as error:
        raise GuestError(
            "stopped",
            f"{program} in guest {guest.name} printed no measurement ({one_line(str(error))}); "
            "build the guest image again (role guest_image).",
        ) from None


def _run(
    bench: Bench, guest: Guest, command: list[str], least_seconds: float, program: str, remedy: str
) -> str:
    done = guest.run(command, bench.seconds_left(), poll_seconds=POLL_SECONDS)
    if done.failure:
        raise GuestError(
            "stopped",
            f"{program} in guest {guest.name} failed with {done.failure}; {remedy}.",
        )
    if done.seconds < CLOCK_SHARE * least_seconds:
        raise GuestError(
            "stopped",
            f"{program} in guest {guest.name} says it went on for {least_seconds:g} s and the "
            f"host saw {done.seconds:.2f} s: the guest's clock has jumped, so its rates are none; "
            "look at the host's clock source and its kernel log.",
        )
    return done.output


def _own_program(bench: Bench, guest: Guest, tasks: int, mode: str) -> tuple[float, float]:
    parameters = bench.parameters
    seconds, task_mib = f"{parameters['seconds']:g}", str(parameters["task_mib"])
    command = ["/bin/hf-page-fault", "--tasks", str(tasks), "--mode", mode]
    command += ["--seconds", seconds, "--task-mib", task_mib]
    rate, idle = _measured(bench, guest, command, _rate_and_idle, parameters["seconds"])
    return rate, idle


def _rate_and_idle(output: str) -> list[float]:
    return parse_numbers(output, "touches_per_second", "idle_percent")


def _will_it_scale(bench: Bench, guest: Guest, tasks: int, mode: str) -> tuple[float, float]:
    """Upstream's program: it prints a rate; idle time is the guest's own, taken around it."""
    program = f"/bin/page_fault1_{mode}"
    if guest.run(["/bin/test", "-x", program], bench.seconds_left()).exit_code:
        raise BenchError(
            f"The guest image has no {program}; build it with will-it-scale (role guest_image), or "
            "set program to hintfleet."
        )
    seconds = max(1, round(bench.parameters["seconds"]))
    script = f"head -n1 /proc/stat; {program} -t {tasks} -s {seconds} || exit; head -n1 /proc/stat"
    command = ["/bin/sh", "-c", script]
    return _measured(
        bench, guest, command, parse_will_it_scale, seconds, program, REMEDY_OF_UPSTREAM
    )


def parse_will_it_scale(output: str) -> tuple[float, float]:
    """Rate and idle percent from two `cpu` lines of /proc/stat around the program's output.

    Raises BenchError, and ValueError for what is no number. Columns of /proc/stat: proc(5); the
    fourth is idle, the fifth iowait.
    """
    average = re.search(r"^average:([0-9]+(?:\.[0-9]+)?)", output, re.MULTILINE)
    ticks = [
        [number(int(field)) for field in line.split()[1:9]]
        for line in output.splitlines()
        if line.startswith("cpu ")
    ]
    if average is None or len(ticks) != 2:
        raise BenchError(
            f"will-it-scale printed no average ({output.strip()[-200:]!r}); use a commit of it "
            "whose page_fault1 prints one, or set program to hintfleet."
        )
    spent = [number(after - before) for before, after in zip(*ticks, strict=True)]
    if len(spent) < 5:
        raise ValueError("a line of /proc/stat is too short")
    idle = round(100 * (spent[3] + spent[4]) / max(sum(spent), 1), 2)
    return number(float(average.group(1))), idle


PROGRAMS = {"hintfleet": _own_program, "will-it-scale": _will_it_scale}


def latency(output: str) -> dict[str, Any]:
    """Entry `latency` of the result from the output of hf-fault-latency; raises ValueError."""
    answer = parse_object(output)
    entry: dict[str, Any] = {name: number(answer.get(name)) for name in LATENCY}
    lists = {name: answer.get(name) for name in ("bounds_ns", "counts")}
    if not all(isinstance(found, list) and len(found) <= BUCKETS for found in lists.values()):
        raise ValueError("its histogram is no list")
    entry["histogram"] = {name: [number(n) for n in found] for name, found in lists.items()}
    return entry


def summary(result: dict[str, Any]) -> str:
    last, p50 = result["rows"][-1], result["latency"]["p50_ns"]
    return f"{last['processes'] / 1000:.0f}k touches/s at {last['tasks']} tasks, p50 {p50:.0f} ns"
