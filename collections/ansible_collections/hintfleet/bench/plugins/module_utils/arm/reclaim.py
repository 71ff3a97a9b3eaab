# SPDX-License-Identifier: GPL-2.0-or-later
"""Reclaim policies: what makes a guest's page cache free, so that a mechanism can hand it back."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import (
    ASK_SECONDS,
    Piece,
    is_whole,
    read_in,
    unlike,
    write_in,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import RECLAIMED, Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.meminfo import (
    CACHE_SCRIPT,
    parse_caches,
)

DROP_CACHES, MEMORY_RECLAIM, DAMON = "drop_caches", "memory_reclaim", "damon"
DROP_FILE = "/proc/sys/vm/drop_caches"
CGROUPS = "/sys/fs/cgroup"
RECLAIM_FILE = f"{CGROUPS}/memory.reclaim"
COMPACT_FILE = "/proc/sys/vm/compact_memory"
DAMON_FOLDER = "/sys/module/damon_reclaim/parameters"
DAMON_ENABLED = f"{DAMON_FOLDER}/enabled"
DAMON_START_SECONDS = 5.0
DAMON_DEFAULTS = {"min_age_seconds": 5, "quota_mib": 128}
MICROSECONDS = 1_000_000
MIB = 2**20

# What a policy does when a guest's work has ended. A cgroup's memory.reclaim says with an error
# that there was less than it was asked for; what became free is read all the same. Blocks are what
# is reported, so small free pieces are put together after it.
ACTS = {
    DROP_CACHES: f"echo 3 >{DROP_FILE}",
    MEMORY_RECLAIM: f"echo ${{cache_kib}}K >{RECLAIM_FILE} || :; echo 1 >{COMPACT_FILE}",
}
NEEDS = {DROP_CACHES: (), MEMORY_RECLAIM: ("MEMCG", "COMPACTION"), DAMON: ("DAMON_RECLAIM",)}


class Reclaim(Piece):
    """drop_caches and memory_reclaim act when a guest's work has ended; damon all the time."""

    def checked(self, value: Any) -> str | dict[str, Any]:
        policy = value.get("policy") if isinstance(value, dict) else value
        if not isinstance(policy, str) or policy not in NEEDS:
            raise ValueError(f"choose from {', '.join(NEEDS)}")
        if policy != DAMON:
            if isinstance(value, dict) and len(value) > 1:
                raise ValueError(f"{policy} has nothing to be set: write reclaim: {policy}")
            return policy
        given = dict(value) if isinstance(value, dict) else {"policy": DAMON}
        unknown = sorted(set(given) - {"policy", *DAMON_DEFAULTS}, key=str)
        if unknown:
            raise ValueError(f"{unknown[0]} is none of {', '.join(DAMON_DEFAULTS)}")
        found = {"policy": DAMON, **DAMON_DEFAULTS, **given}
        for name in DAMON_DEFAULTS:
            if not is_whole(found[name]) or not 1 <= found[name] <= 2**20:
                raise ValueError(f"give {name} as a whole number from 1 to {2**20}")
        return found

    def needs(self, value: Any) -> tuple[str, ...]:
        return NEEDS[_policy(value)]

    def booted(self, value: Any, guest: Guest) -> None:
        if value == MEMORY_RECLAIM:
            done = guest.run(["/bin/mount", "-t", "cgroup2", "none", CGROUPS], ASK_SECONDS)
            if done.failure:
                cause = f"cgroup2 cannot be mounted ({done.failure})"
                raise unlike(guest, "reclaim memory_reclaim", cause)
        elif _policy(value) == DAMON:
            for name, text in _damon(value).items():
                write_in(guest, f"{DAMON_FOLDER}/{name}", text)
            # It begins a moment later, and `enabled` reads whether its thread runs.
            give_up = time.monotonic() + DAMON_START_SECONDS
            while read_in(guest, DAMON_ENABLED) != "Y" and time.monotonic() < give_up:
                time.sleep(0.1)

    def shown(self, value: Any, guest: Guest) -> str:
        if value == DROP_CACHES:
            return f"{DROP_FILE} written when work has ended"
        if value == MEMORY_RECLAIM:
            done = guest.run(["/bin/test", "-w", RECLAIM_FILE], ASK_SECONDS)
            if done.failure:
                raise unlike(guest, "reclaim memory_reclaim", f"there is no {RECLAIM_FILE}")
            return f"{RECLAIM_FILE} and {COMPACT_FILE} written when work has ended"
        for name, text in _damon(value).items():
            found = read_in(guest, f"{DAMON_FOLDER}/{name}")
            if found != text:
                raise unlike(guest, f"reclaim damon with {name} {text}", f"it reads {found!r}")
        freed = int(read_in(guest, f"{DAMON_FOLDER}/bytes_reclaimed_regions")) / MIB
        return f"DAMON_RECLAIM runs and has reclaimed {freed:.0f} MiB so far"

    def rested(self, value: Any, guest: Guest, seconds: float) -> list[Handed]:
        if _policy(value) not in ACTS:
            return []
        script = f"{CACHE_SCRIPT}cache\n{ACTS[value]}\ncache\n"
        done = guest.run(["/bin/sh", "-c", script], seconds)
        try:
            before, after = parse_caches(done.output)
        except ValueError:
            raise GuestError(
                "stopped",
                f"The policy {value} failed in guest {guest.name} ({done.failure or 'it says '}"
                "nothing of the page cache): see the guest's console log.",
            ) from None
        return [Handed(RECLAIMED, value, before, before - after, done.seconds)]


def _policy(value: Any) -> str:
    return str(value["policy"] if isinstance(value, dict) else value)


def _damon(value: dict[str, Any]) -> dict[str, str]:
    """Parameters of DAMON_RECLAIM in the order in which they are written: `enabled` is the last.

    Its watermarks are shares of free memory in 1000; by default it acts only when the guest is
    short of it, which a guest that shall hand memory back is not.
    """
    return {
        "min_age": str(value["min_age_seconds"] * MICROSECONDS),
        "quota_sz": str(value["quota_mib"] * MIB),
        "quota_ms": "100",
        "quota_reset_interval_ms": "1000",
        "wmarks_high": "1000",
        "wmarks_mid": "1000",
        "wmarks_low": "0",
        "enabled": "Y",
    }
