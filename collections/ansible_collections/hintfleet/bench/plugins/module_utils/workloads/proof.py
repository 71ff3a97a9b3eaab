# SPDX-License-Identifier: GPL-2.0-or-later
"""Proof that the mechanism acts: a guest frees a known amount, and the host's drop is watched."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import (
    parse_numbers,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.drivers import DRIVERS
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import (
    MOVED,
    TAKEN,
    Handed,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.meminfo import (
    CACHE_SCRIPT,
    parse_caches,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.files import read_files

ACTED_SHARE = 0.9  # of what was freed
IDLE_SHARE = 0.1  # the most that may go back under `none`
MARKS = (0.50, 0.90, 0.99)
POLL_SECONDS = 0.02
LAZY_POLL_SECONDS = 0.1  # what was freed lazily is counted page by page
CACHE_POLL_SECONDS = 0.25  # the guest is asked, which keeps it from resting
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
    {{ hf-allocate $1 --hold-file $2; : >$3.ended; }} >$3 2>&1 &
    while ! [ -s $3 ] && kill -0 $!; do sleep 0.05; done
}}
hold {ballast_mib} /tmp/never /tmp/ballast
hold {mib} {release} /tmp/touched
cat /tmp/touched
"""
# What the host or a policy does to a guest at rest comes after its program has ended.
END_SCRIPT = f"touch {RELEASE}; until [ -e /tmp/touched.ended ]; do sleep 0.05; done"
CACHE_ACTED_SHARE = 0.5  # of the page cache that a policy must make free


def prove(bench: Bench, arm: Arm, mib: int, seconds: float) -> dict[str, Any]:
    """Entry `proof` of the run record; raises GuestError.

    Times count from letting go. The watch ends at the last mark, when the mechanism has acted and
    nothing more has come for a while, or after `seconds`.

    A guest that dies lets go of its memory too. So the guest must live through the watch, the drop
    must fit what it freed, and it must be able to use as much memory again.

    What the host takes by itself (mechanisms that it drives) may be less than was freed, for the
    guest keeps a margin; then that is what must come back. A guest with files reads them at the
    end: what of its page cache comes back is `cache`.
    """
    guest = bench.launch("proof")
    script = HOLD_SCRIPT.format(ballast_mib=BALLAST_MIB, mib=mib, release=RELEASE)
    held = guest.run(["/bin/sh", "-c", script], bench.seconds_left())
    touched_mib, first_seconds = _touched(held.output)
    if touched_mib < mib:
        raise GuestError(
            "stopped",
            f"The proof's program touched {touched_mib:g} MiB of {mib} MiB "
            f"({one_line(held.output.strip())!r}); the guest must have that much memory to spare: "
            "lower proof_mib.",
        )
    # An engine that still has a round to go from the boot would look quicker than it is.
    time.sleep(SETTLED_SECONDS)
    before = _held_mib(guest)
    if before < mib:  # a reader that sees nothing would see nothing go back under `none`
        raise GuestError(
            "stopped",
            f"The proof's guest holds {mib} MiB and the host sees {before:.0f} MiB of it: what "
            "goes back would not be seen; look at /proc/PID/status of its QEMU (RssAnon, VmSwap).",
        )
    resident_mib = guest.memory().resident_mib
    let_go, since = time.monotonic(), bench.sampler.seconds()
    done = _let_go(bench, guest, arm)
    taken = [one for one in done if one.step == TAKEN]
    asked_mib = min([mib, *(one.asked_mib for one in taken)])
    reached = _reached_meanwhile(bench, before, asked_mib, since) if done else {}
    watch = _watch(guest, before, asked_mib, let_go, seconds, reached)
    resident_mib -= guest.memory().resident_mib
    _check_drop(watch.most_mib, max([mib, *(one.done_mib for one in taken)]))
    bench.wake(guest)
    again = guest.run(["/bin/hf-allocate", str(mib)], bench.seconds_left())
    again_mib, again_seconds = _touched(again.output)
    if again.failure or again_mib < mib:
        raise GuestError(
            "stopped",
            f"The proof's guest let go of {mib} MiB and cannot use as much again "
            f"({again.failure or one_line(again.output.strip())}): what came back was more than it "
            "could spare; see its console log.",
        )
    entry = verdict(arm.mechanism, mib, watch.dropped_mib, watch.seconds, reached, asked_mib)
    entry |= {"first_seconds": round(first_seconds, 3), "again_seconds": round(again_seconds, 3)}
    if taken:
        entry["asked_mib"] = round(asked_mib, 3)
    if guest.lazy:
        entry["resident_dropped_mib"] = round(resident_mib, 3)
    if moved := [one for one in done if one.step == MOVED]:
        entry["moved_mib"] = round(sum(one.done_mib for one in moved), 3)
        entry["as_expected"] &= not any(one.missed for one in moved)
    if guest.machine.files_mib:
        has_policy = "reclaim" in arm.states
        patience = seconds if has_policy else min(seconds, 2 * SETTLED_SECONDS)
        entry["cache"] = _prove_cache(bench, guest, patience)
        if has_policy and not entry["cache"]["acted"]:
            entry["as_expected"] = False
    return entry


def _held_mib(guest: Guest) -> float:
    """What the host holds for it and cannot take at once: resident memory and swap, without what
    was freed lazily."""
    return guest.memory().footprint_mib - guest.lazy_mib()


def _let_go(bench: Bench, guest: Guest, arm: Arm) -> list[Handed]:
    """Have the program end, and do what is done with a guest at rest."""
    if arm.mechanism in DRIVERS or any(PIECES[piece].acts_at_rest for piece in arm.states):
        guest.run(["/bin/sh", "-c", END_SCRIPT], bench.seconds_left())
        return bench.rest(guest)
    guest.start(["/bin/touch", RELEASE])
    return []


@dataclass
class _Watch:
    """What came of watching the host's drop."""

    dropped_mib: float
    most_mib: float
    seconds: float


def _watch(
    guest: Guest, before: float, asked_mib: float, let_go: float, seconds: float,
    reached: dict[float, float],
) -> _Watch:  # fmt: skip
    """Fills in when each mark is `reached`, in seconds since letting go."""
    most_mib, most_at = 0.0, 0.0
    while True:
        now = time.monotonic() - let_go
        dropped = before - _held_mib(guest)
        for mark in MARKS:
            if dropped >= mark * asked_mib:
                reached.setdefault(mark, now)
        if dropped >= most_mib + SETTLED_MIB:
            most_mib, most_at = dropped, now
        settled = dropped >= ACTED_SHARE * asked_mib and now - most_at >= SETTLED_SECONDS
        if len(reached) == len(MARKS) or settled or now >= seconds:
            return _Watch(dropped, most_mib, now)
        time.sleep(LAZY_POLL_SECONDS if guest.lazy else POLL_SECONDS)


def _reached_meanwhile(
    bench: Bench, before: float, asked_mib: float, since: float
) -> dict[float, float]:
    """Marks that were passed while something was done to the guest, by the samples of that time."""
    reached: dict[float, float] = {}
    for sample in bench.sampler.since(since):
        dropped = before - sample.guests[1].footprint_mib
        for mark in MARKS:
            if dropped >= mark * asked_mib:
                reached.setdefault(mark, sample.seconds - since)
    return reached


def _prove_cache(bench: Bench, guest: Guest, seconds: float) -> dict[str, Any]:
    """Entry `cache` of the proof: the guest reads its files, and rests."""
    read_mib, cold_seconds = read_files(bench, guest)
    before, cached_mib = _settled_mib(guest, seconds), _cached_mib(bench, guest)
    began = time.monotonic()
    bench.rest(guest)
    most_mib = freed_mib = 0.0
    while True:
        now = time.monotonic() - began
        freed_mib = cached_mib - _cached_mib(bench, guest)
        dropped = before - _held_mib(guest)
        gone = dropped >= ACTED_SHARE * read_mib
        most_mib = max(most_mib, dropped)
        if gone or now >= seconds:
            break
        time.sleep(CACHE_POLL_SECONDS)
    bench.wake(guest)
    _read_mib, again_seconds = read_files(bench, guest)
    return {
        "read_mib": round(read_mib, 3),
        "cached_mib": round(cached_mib, 3),
        "freed_mib": round(freed_mib, 3),
        "dropped_mib": round(dropped, 3),
        "watched_seconds": round(now, 3),
        "acted": freed_mib >= CACHE_ACTED_SHARE * cached_mib,
        "cold_seconds": round(cold_seconds, 3),
        "again_seconds": round(again_seconds, 3),
    }


def _settled_mib(guest: Guest, seconds: float) -> float:
    """Its footprint once nothing comes back any more of what it freed before."""
    began = fell = time.monotonic()
    least = _held_mib(guest)
    while (now := time.monotonic()) - fell < SETTLED_SECONDS and now - began < seconds:
        time.sleep(POLL_SECONDS)
        footprint = _held_mib(guest)
        if footprint <= least - SETTLED_MIB:
            least, fell = footprint, time.monotonic()
    return _held_mib(guest)


def _cached_mib(bench: Bench, guest: Guest) -> float:
    done = guest.run(["/bin/sh", "-c", f"{CACHE_SCRIPT}cache"], bench.seconds_left())
    try:
        (cached_mib,) = parse_caches(done.output)
    except ValueError:
        raise guest.balks("says nothing of its page cache") from None
    return cached_mib


def _check_drop(most_mib: float, mib: int) -> None:
    if most_mib > mib + MOST_BESIDE_MIB:
        raise GuestError(
            "stopped",
            f"The proof's guest let go of {mib} MiB and the host holds {most_mib:.0f} MiB less for "
            "it: something else took its memory, so this shows nothing of the mechanism; look for "
            "what else acts on memory of the cell, such as another balloon or host reclaim.",
        )


def verdict(
    mechanism: str, mib: int, dropped_mib: float, watched: float, reached: dict[float, float],
    asked_mib: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What the watch has shown; `reached` holds the seconds at which each mark was passed."""
    acted = dropped_mib >= ACTED_SHARE * (mib if asked_mib is None else asked_mib)
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


def _touched(output: str) -> tuple[float, float]:
    """MiB and seconds that the program tells; none if it tells nothing."""
    try:
        touched_mib, seconds = parse_numbers(output, "touched_mib", "seconds")
    except ValueError:
        return 0.0, 0.0
    return touched_mib, seconds
