# SPDX-License-Identifier: GPL-2.0-or-later
"""What handing memory back has cost a guest since it booted, as its own kernel counts it."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import number
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.host.pressure import parse_pressure

PAGES_PER_MIB = 256
PRESSURE = "/proc/pressure/memory"
# A kernel without pressure (CONFIG_PSI) has no such file; the shell says what there is.
SCRIPT = f"""
while read -r name value; do
    case $name in
    workingset_refault_*|pgsteal_direct|allocstall_*|compact_stall) echo "$name $value" ;;
    esac
done </proc/vmstat
[ ! -e {PRESSURE} ] || while read -r line; do echo "$line"; done <{PRESSURE}
"""


def parse_costs(output: str) -> dict[str, float]:
    """Entry `costs` of a guest in the run record: pages as MiB, pressure in seconds that some or
    all programs stood still for want of memory. Raises ValueError for what cannot be.

    Counters: mm/vmstat.c of Linux.
    """
    counted = re.findall(r"^([a-z0-9_]+) (\d{1,19})$", output, re.MULTILINE)
    found = {name: number(int(value)) for name, value in counted}
    costs = {
        "refaulted_file_mib": found.get("workingset_refault_file", 0) / PAGES_PER_MIB,
        "refaulted_anonymous_mib": found.get("workingset_refault_anon", 0) / PAGES_PER_MIB,
        "direct_reclaim_mib": found.get("pgsteal_direct", 0) / PAGES_PER_MIB,
        "allocation_stalls": sum(n for name, n in found.items() if name.startswith("allocstall_")),
        "compaction_stalls": found.get("compact_stall", 0),
    }
    costs |= {f"pressure_{kind}_seconds": total for kind, total in parse_pressure(output).items()}
    return {name: round(value, 6) for name, value in costs.items()}


def take_costs(guest: Guest, seconds: float) -> dict[str, Any]:
    """Raises GuestError."""
    done = guest.run(["/bin/sh", "-c", SCRIPT], seconds)
    try:
        if done.failure:
            raise ValueError(done.failure)
        return parse_costs(done.output)
    except ValueError as error:
        raise guest.balks(f"does not say what its memory has cost ({error})") from None
