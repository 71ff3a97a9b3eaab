# SPDX-License-Identifier: GPL-2.0-or-later
"""What n, spread and interval allow to say: the verdict of a value and of an effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hintfleet.figures.figure import Judgement, Thresholds, Verdict
from hintfleet.statistics.intervals import Floats, Interval, blocks_needed, relative_spread
from hintfleet.statistics.units import percent, plural

UNENDED = (
    "were not seen to end within their time",
    "raise the deadline, or see with hintfleet show whether a guest died",
)
"""What it means that a value is censored, and what to do about it."""

MANY_TIMES = 10
"""If so many times the blocks were needed, a quieter host is the shorter way."""


@dataclass(frozen=True)
class Evidence:
    """What was seen of an effect, as a number that is 0 without it."""

    steps: Floats
    centre: float
    deviation: float
    interval: Interval | None
    p_value: float | None
    n: int
    agree: bool = False
    """Whether every block showed the same."""


def judge_effect(
    evidence: Evidence, limits: Thresholds, practical: float
) -> tuple[Judgement, int | None, bool]:
    """Judgement, blocks that would settle it, and whether a difference is claimed."""
    n, interval, p_value = evidence.n, evidence.interval, evidence.p_value
    if n < limits.fewest_blocks or interval is None or p_value is None:
        return too_few(n, limits), limits.fewest_blocks, False
    sure = percent(limits.confidence)
    if -practical <= interval.low and interval.high <= practical:
        reason = f"no difference of practical size ({sure} interval)"
        return Judgement(Verdict.SOUND, reason), None, False
    excludes_none = interval.low > 0 or interval.high < 0
    if excludes_none and p_value <= 1.0 - limits.confidence:
        reason = f"the {sure} interval leaves no room for no effect"
        return Judgement(Verdict.SOUND, reason), None, True
    centre = abs(evidence.centre)
    margin = max(centre, practical - centre)
    needed = blocks_needed(evidence.deviation, margin, limits.confidence)
    wanted = None if needed is None else max(needed, n + 1)
    reason = f"{n} blocks scatter too much to tell a gain from a loss"
    if excludes_none:
        reason = "the interval rules out no effect but a permutation test does not"
    elif evidence.agree:
        reason = f"{n} blocks agree, but so few counts of whole guests leave one guest open"
    return Judgement(Verdict.UNSETTLED, reason, run_blocks(n, wanted)), wanted, False


def run_blocks(n: int, wanted: int | None) -> str:
    """The next step for an effect that n blocks leave open."""
    if wanted is None:
        return "quieten the host; more blocks alone hardly help"
    if wanted > MANY_TIMES * n:
        return f"quieten the host: as it is, about {wanted} blocks would be needed"
    return f"run about {wanted} blocks in all ({wanted - n} more)"


def judge_absolute(
    known: np.ndarray[tuple[int], np.dtype[np.float64]],
    censored: int,
    limits: Thresholds,
    largest_spread: float | None,
    unit: str,
    unseen: tuple[str, str],
) -> Judgement:
    """How far to believe a value: known are those seen to their end, censored the others."""
    n = int(known.size) + censored
    if 0 < censored < n:
        return Judgement(Verdict.UNSETTLED, f"{censored} of {n} {unseen[0]}", unseen[1])
    if n < limits.fewest_blocks:
        return too_few(n, limits)
    if not known.size:
        return Judgement(Verdict.SOUND, f"all of {n} {unseen[0]}")
    width = float(known.max() - known.min())
    if largest_spread is not None:
        if width > largest_spread:
            return Judgement(
                Verdict.UNSETTLED,
                f"blocks differ by more than {largest_spread:g} {unit}",
                "run more blocks and look at what differs between them",
            )
    elif relative_spread(known) > limits.spread_ratio:
        return Judgement(
            Verdict.UNSETTLED,
            f"blocks differ by more than {percent(limits.spread_ratio)} of their median",
            "quieten the host or run more blocks",
        )
    return Judgement(Verdict.SOUND, f"{n} runs agree within the stated limits")


def too_few(n: int, limits: Thresholds) -> Judgement:
    """Of so few values nothing can be said."""
    more = plural(max(limits.fewest_blocks - n, 1), "more block")
    return Judgement(
        Verdict.UNSETTLED,
        f"{plural(n, 'block')} cannot show how far a repetition would lie",
        f"run at least {more}",
    )


def nothing(what: str = "run gave this value") -> Judgement:
    """Of no value at all."""
    return Judgement(Verdict.UNSETTLED, f"no {what}", "run what is missing")
