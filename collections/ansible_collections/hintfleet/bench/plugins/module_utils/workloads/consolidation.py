# SPDX-License-Identifier: GPL-2.0-or-later
"""Consolidation: how many guests fit before the cell swaps.

A guest is started; when its agent answers, a program in it allocates, touches and frees memory, and
reads its files if it has any; when that has ended, and what the arm states for that was done, the
next guest is started at once. It goes on until the cell uses swap.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    GuestError,
    WrongGuestError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import (
    parse_numbers,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.files import read_files
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sample

NEEDS = ("allocation_mib", "max_guests")

# Guests have settled when all of them together gave back less than this in this time, which is
# longer than any mechanism waits before it reports.
SETTLED_MIB = 1.0
SETTLED_SECONDS = 2.5
SETTLE_DEADLINE_SECONDS = 10.0
BUSY_SHARE = 0.9


def check(parameters: dict[str, Any], cell: dict[str, Any]) -> str | None:
    """A sentence if these parameters cannot work, else None."""
    if parameters["allocation_mib"] >= parameters["guest_memory_mib"]:
        return (
            f"allocation_mib is {parameters['allocation_mib']} and guest_memory_mib only "
            f"{parameters['guest_memory_mib']}; the guest needs some memory for itself."
        )
    return None


def run(bench: Bench, result: dict[str, Any]) -> None:
    """Fill in `result` (consolidation in the schema) as it becomes known; raises GuestError."""
    threshold = bench.parameters["swap_threshold_mib"]
    steps: list[dict[str, Any]] = []
    actives: list[float] = []
    result.update(steps=steps, guests_without_swap=0, guests_at_first_swap=None)
    stopped_by = "maximum"
    for number in range(1, bench.parameters["max_guests"] + 1):
        started, used_before = bench.sampler.seconds(), _cpu_seconds(bench)
        try:
            step = _step(bench, number, started, actives)
        except GuestError as error:
            # Nothing has been measured, or not what was asked for: no density but a broken setup.
            if number == 1 or isinstance(error, WrongGuestError):
                raise
            result["stop_reason"] = str(error)
            stopped_by = _why_no_more(bench, started, used_before, threshold + bench.moved_mib)
            if stopped_by == "swap":
                result["guests_at_first_swap"] = number
            break
        steps.append(step)
        # What the arm itself had the host move to swap was not for want of memory.
        if bench.sampler.peak_swap_mib(started) > threshold + bench.moved_mib:
            stopped_by = "swap"
            result["guests_at_first_swap"] = number
            break
        result["guests_without_swap"] = number
    result["swap_end_mib"] = round(bench.cgroup.swap_mib(), 3)
    with bench.spending("settling"):
        active, idle = statistics.median(actives), _idle_footprint_mib(bench, steps)
        if lazies := [guest.lazy_mib() for guest in bench.guests if guest.lazy]:
            result["idle_lazy_mib"] = round(lazy := statistics.median(lazies), 3)
            idle -= lazy  # the host has it as soon as it needs it
    bench.take_balances()
    result.update(
        stopped_by=stopped_by,
        active_footprint_mib=round(active, 3),
        idle_footprint_mib=round(idle, 3),
        physical_limit_guests=physical_limit(bench.cell["memory_mib"], active, idle),
    )


def _step(bench: Bench, number: int, started: float, actives: list[float]) -> dict[str, Any]:
    guest = bench.launch()
    begun = bench.sampler.seconds()
    done = guest.run(
        ["/bin/hf-allocate", str(bench.parameters["allocation_mib"])],
        bench.seconds_left(),
    )
    if done.failure:
        raise GuestError(
            "stopped",
            f"The allocation program in guest {guest.name} failed with {done.failure}; lower "
            "allocation_mib or raise guest_memory_mib.",
        )
    try:
        (touched_mib,) = parse_numbers(done.output, "touched_mib")
    except ValueError as error:
        raise GuestError(
            "stopped",
            f"The allocation program in guest {guest.name} does not say what it touched "
            f"({one_line(str(error))}); build the guest image again (role guest_image).",
        ) from None
    if touched_mib < bench.parameters["allocation_mib"]:
        raise GuestError(
            "stopped",
            f"The allocation program in guest {guest.name} touched {touched_mib:g} MiB of "
            f"{bench.parameters['allocation_mib']} MiB: a guest that used less fits more easily; "
            "build the guest image again (role guest_image).",
        )
    files = {}
    if guest.machine.files_mib:
        read_mib, read_seconds = read_files(bench, guest)
        files = {"files_mib": round(read_mib, 3), "read_seconds": round(read_seconds, 3)}
    bench.rest(guest)
    for other in bench.guests:
        if not other.qemu.is_alive():  # the kernel's choice when memory and swap are used up
            raise GuestError("died", f"Guest {other.name} died while {guest.name} ran its program.")
    now = bench.sampler.take()
    guest.note_placement()  # the kernel may choose it when the next guest needs more than there is
    actives.append(largest_footprint_mib(bench.sampler.since(begun), number))
    return {
        "guest": number,
        "started_seconds": round(started, 3),
        "boot_seconds": round(guest.boot_seconds or 0.0, 3),
        "program_seconds": round(done.seconds, 3),
        "touched_mib": float(touched_mib),
        **files,
        "cell_memory_mib": round(now.cell_memory_mib, 3),
        "cell_swap_mib": round(now.cell_swap_mib, 3),
        "guest_resident_mib": [
            round(memory.resident_mib, 3) for _number, memory in sorted(now.guests.items())
        ],
    }


def _why_no_more(bench: Bench, started: float, used_before: float, threshold: float) -> str:
    """Why a guest after the first did not make it, from the time since it was started."""
    if bench.sampler.peak_swap_mib(started) > threshold:
        return "swap"
    used = _cpu_seconds(bench) - used_before
    available = (bench.sampler.seconds() - started) * len(bench.cell["cpus"])
    return "cpu_bound" if used > BUSY_SHARE * available else "launch_failed"


def _cpu_seconds(bench: Bench) -> float:
    return sum(guest.qemu.cpu_seconds() for guest in bench.guests)


def largest_footprint_mib(samples: list[Sample], number: int) -> float:
    return max(s.guests[number].footprint_mib for s in samples if number in s.guests)


def _idle_footprint_mib(bench: Bench, steps: list[dict[str, Any]]) -> float:
    """Median footprint of the guests that ended their program, once they no longer fall.

    Those that died for want of memory have none any more; if all did, it is what they had before.
    """
    begun = bench.sampler.seconds()
    while True:
        now = bench.sampler.seconds()
        recent = bench.sampler.since(max(begun, now - SETTLED_SECONDS))
        totals = [_footprints(sample, len(steps)) for sample in recent]
        waited = now - begun
        settled = waited >= SETTLED_SECONDS and sum(totals[0]) - sum(totals[-1]) < SETTLED_MIB
        if settled or waited > SETTLE_DEADLINE_SECONDS:
            return statistics.median(totals[-1] or steps[-1]["guest_resident_mib"])
        time.sleep(0.1)


def _footprints(sample: Sample, guests: int) -> list[float]:
    every = [sample.guests[number].footprint_mib for number in range(1, guests + 1)]
    return [footprint for footprint in every if footprint > 0]


def physical_limit(cell_memory_mib: float, active_mib: float, idle_mib: float) -> int:
    """Largest n with (n - 1) * idle + active <= memory of the cell; 0 if not even one fits."""
    if active_mib > cell_memory_mib:
        return 0
    return int((cell_memory_mib - active_mib) // idle_mib) + 1


def summary(result: dict[str, Any]) -> str:
    count = result["guests_without_swap"]
    return f"{count} guest{'' if count == 1 else 's'} without swap"
