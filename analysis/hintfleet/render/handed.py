# SPDX-License-Identifier: GPL-2.0-or-later
"""What one run's guests handed back, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hintfleet.records.read import Run
from hintfleet.records.types import Handed
from hintfleet.statistics.units import number, plural, quantity

STEPS = {
    "reclaimed": "made free",
    "taken": "taken",
    "given": "given back",
    "moved": "moved to swap",
}


def cache_words(run: Run) -> str | None:
    """What of the page cache of the proof's guest came back; None if it had no files."""
    proof = run.record["proof"]
    if proof is None or "cache" not in proof:
        return None
    cache = proof["cache"]
    again, cold = (quantity(cache[name], "s") for name in ("again_seconds", "cold_seconds"))
    return (
        f"Page cache: of {number(cache['read_mib'])} MiB that the guest had read, "
        f"{number(cache['freed_mib'])} MiB became free and {number(cache['dropped_mib'])} MiB went "
        f"back; reading took {cold}, and {again} once more."
    )


def handed_words(run: Run) -> Iterator[str]:
    """A sentence for each kind of step that guests went through, the proof's, too."""
    found: dict[tuple[str, str], list[Handed]] = defaultdict(list)
    for guest in run.record["guests"]:
        for one in guest.get("handed", []):
            found[one["step"], one["by"]].append(one)
    for (step, by), steps in found.items():
        asked, done, seconds = (
            sum(one[name] for one in steps) / len(steps)
            for name in ("asked_mib", "done_mib", "seconds")
        )
        missed = sum(one["missed"] for one in steps)
        yield (
            f"{STEPS[step].capitalize()} by {by}: {number(done)} of {number(asked)} MiB in "
            f"{quantity(seconds, 's')}, mean of {plural(len(steps), 'time')}"
            + (f"; {missed} missed what was asked for" if missed else "")
            + "."
        )
