# SPDX-License-Identifier: GPL-2.0-or-later
"""memhog: guests are started together, then memhog runs in one after the other.

Between two of them the guests rest for `pause_seconds`: an engine that looks for free memory every
two seconds has its chance, however short a memhog is on this machine. How long freed memory takes
to come back is measured by the proof.
"""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench

NEEDS = ("guests", "memhog_mib", "pause_seconds")


def check(parameters: dict[str, Any], cell: dict[str, Any]) -> str | None:
    """A sentence if these parameters cannot work, else None."""
    room = parameters["guest_memory_mib"] + parameters["guest_swap_mib"]
    if parameters["memhog_mib"] >= room:
        return (
            f"memhog_mib is {parameters['memhog_mib']} and the guest has {room} MiB with its swap; "
            "lower memhog_mib, or raise guest_memory_mib or guest_swap_mib."
        )
    return None


def run(bench: Bench, result: dict[str, Any]) -> None:
    """Fill in `result` (memhog in the schema) as it becomes known; raises GuestError."""
    rows: list[dict[str, Any]] = []
    result.update(guests=rows)
    guests = bench.launch_together(bench.parameters["guests"])
    begun = bench.sampler.seconds()
    for number, guest in enumerate(guests, start=1):
        if number > 1:
            with bench.spending("settling"):
                time.sleep(bench.parameters["pause_seconds"])
        took = _memhog(bench, guest)
        swap_mib = round(bench.cgroup.swap_mib(), 3)
        rows.append({"guest": number, **took, "swap_after_mib": swap_mib})
    result.update(
        swap_end_mib=round(bench.cgroup.swap_mib(), 3),
        swap_peak_mib=round(bench.sampler.peak_swap_mib(begun), 3),
    )


def _memhog(bench: Bench, guest: Guest) -> dict[str, Any]:
    """Seconds of memhog and how late its end was told, or why there are none: a slow or dead guest
    is a finding here."""
    command = ["/bin/memhog", f"{bench.parameters['memhog_mib']}M"]
    try:
        done = guest.run(command, bench.seconds_left())
    except GuestError as error:
        return {"seconds": None, "censored": str(error)}
    if done.failure:
        cause = f"memhog in guest {guest.name} ended with {done.failure}; lower memhog_mib."
        return {"seconds": None, "censored": cause}
    bench.rest(guest)
    late = round(done.late_seconds, 3)
    return {"seconds": round(done.seconds, 3), "censored": None, "late_seconds": late}


def summary(result: dict[str, Any]) -> str:
    times = ["-" if row["seconds"] is None else f"{row['seconds']:.1f}" for row in result["guests"]]
    swap = result["swap_end_mib"]
    return f"{' / '.join(times)} s, {f'{swap:.0f} MiB of' if swap >= 1 else 'no'} swap"
