# SPDX-License-Identifier: GPL-2.0-or-later
"""Proof that the mechanism acts: a guest frees a known amount, and the host's drop is watched."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import (
    parse_numbers,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench

ACTED_SHARE = 0.9  # of what was freed
IDLE_SHARE = 0.1  # the most that may go back under `none`
MARKS = (0.50, 0.90, 0.99)
POLL_SECONDS = 0.02
SETTLED_MIB = 0.25
# Upstream's reporting waits 2 s from one round to the next: after this long without anything freed
# it is idle, and nothing more will come of what was freed before.
SETTLED_SECONDS = 2.2

# A booted guest has some MiB of small free pieces that the host holds anyway and that no mechanism
# reports. They are handed out first, so a ballast takes them: what is freed then was whole chunks.
BALLAST_MIB = 32
# More than the program let go of, and what else a guest at rest may free meanwhile, was not given
# back by the mechanism.
MOST_BESIDE_MIB = 32
SPARE_MIB = 64  # for the guest's kernel and its agent
RELEASE = "/tmp/release"  # noqa: S108 - in the guest, whose only user is root
# Ends when all has been touched; the programs hold it in the background.
HOLD_SCRIPT = """
hold() {{
    hf-allocate $1 --hold-file $2 >$3 2>&1 &
    while ! [ -s $3 ] && kill -0 $!; do sleep 0.05; done
}}
hold {ballast_mib} /tmp/never /tmp/ballast
hold {mib} {release} /tmp/touched
cat /tmp/touched
"""


def prove(bench: Bench, mechanism: str, mib: int, seconds: float) -> dict[str, Any]:
    """Entry `proof` of the run record; raises GuestError.

    Times count from letting go. The watch ends at the last mark, when the mechanism has acted and
    nothing more has come for a while, or after `seconds`.

    A guest that dies lets go of its memory too. So the guest must live through the watch, the drop
    must fit what it freed, and it must be able to use as much memory again.
    """
    guest = bench.launch("proof")
    script = HOLD_SCRIPT.format(ballast_mib=BALLAST_MIB, mib=mib, release=RELEASE)
    held = guest.run(["/bin/sh", "-c", script], bench.seconds_left())
    touched_mib = _touched_mib(held.output)
    if touched_mib < mib:
        raise GuestError(
            "stopped",
            f"The proof's program touched {touched_mib:g} MiB of {mib} MiB "
            f"({one_line(held.output.strip())!r}); the guest must have that much memory to spare: "
            "lower proof_mib.",
        )
    # An engine that still has a round to go from the boot would look quicker than it is.
    time.sleep(SETTLED_SECONDS)
    before = guest.memory().footprint_mib
    let_go = time.monotonic()
    guest.start(["/bin/touch", RELEASE])
    reached: dict[float, float] = {}
    most_mib, most_at = 0.0, 0.0
    while True:
        now = time.monotonic() - let_go
        dropped = before - guest.memory().footprint_mib
        for mark in MARKS:
            if dropped >= mark * mib:
                reached.setdefault(mark, now)
        if dropped >= most_mib + SETTLED_MIB:
            most_mib, most_at = dropped, now
        settled = dropped >= ACTED_SHARE * mib and now - most_at >= SETTLED_SECONDS
        if len(reached) == len(MARKS) or settled or now >= seconds:
            break
        time.sleep(POLL_SECONDS)
    _check_drop(most_mib, mib)
    again = guest.run(["/bin/hf-allocate", str(mib)], bench.seconds_left())
    if again.failure or _touched_mib(again.output) < mib:
        raise GuestError(
            "stopped",
            f"The proof's guest let go of {mib} MiB and cannot use as much again "
            f"({again.failure or one_line(again.output.strip())}): what came back was more than it "
            "could spare; see its console log.",
        )
    return verdict(mechanism, mib, dropped, now, reached)


def _check_drop(most_mib: float, mib: int) -> None:
    if most_mib > mib + MOST_BESIDE_MIB:
        raise GuestError(
            "stopped",
            f"The proof's guest let go of {mib} MiB and the host holds {most_mib:.0f} MiB less for "
            "it: something else took its memory, so this shows nothing of the mechanism; look for "
            "what else acts on memory of the cell, such as another balloon or host reclaim.",
        )


def verdict(
    mechanism: str, mib: int, dropped_mib: float, watched: float, reached: dict[float, float]
) -> dict[str, Any]:
    """What the watch has shown; `reached` holds the seconds at which each mark was passed."""
    acted = dropped_mib >= ACTED_SHARE * mib
    idle = dropped_mib < IDLE_SHARE * mib and not reached
    seconds = [round(reached[mark], 3) if mark in reached else None for mark in MARKS]
    return {
        "freed_mib": mib,
        "dropped_mib": round(dropped_mib, 3),
        "watched_seconds": round(watched, 3),
        "acted": acted,
        "as_expected": idle if mechanism == "none" else acted,
        "seconds_to_50": seconds[0],
        "seconds_to_90": seconds[1],
        "seconds_to_99": seconds[2],
    }


def _touched_mib(output: str) -> float:
    try:
        return parse_numbers(output, "touched_mib")[0]
    except ValueError:
        return 0.0
