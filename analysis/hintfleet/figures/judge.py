# SPDX-License-Identifier: GPL-2.0-or-later
"""What the evidence allows to say: the verdict of a value and of an effect.

An effect is weighed against the smallest that matters. More blocks narrow its interval, so they
never make it less sound.
"""

from __future__ import annotations

import math

from hintfleet.figures.figure import Evidence, Judgement, Thresholds, Verdict
from hintfleet.statistics.intervals import blocks_needed
from hintfleet.statistics.replication import Replication
from hintfleet.statistics.units import percent, plural

UNENDED = (
    "were not seen to end within their time",
    "raise the deadline, or see with hintfleet show whether a guest died",
)
"""What it means that a value is censored, and what to do about it."""

FEWEST_HOSTS = 2
"""Of which a scatter is seen at all."""

MANY_TIMES = 10
"""If so many times the blocks were needed, a quieter host is the shorter way."""


def judge_effect(
    evidence: Evidence, limits: Thresholds, unit: str
) -> tuple[Judgement, tuple[int, int] | None, bool]:
    """Judgement, the range of blocks that would settle it, and whether a difference is claimed."""
    n, mean, interval = evidence.n, evidence.mean, evidence.interval
    if n < limits.fewest_blocks or interval is None or evidence.p_value is None:
        return too_few(n, mean, limits), None, False
    sure = percent(limits.confidence)
    rest = "; one block that stands out is left out" if evidence.left_out else ""
    if evidence.excludes_what_matters:
        reason = f"no difference of practical size ({sure} interval){rest}"
        return Judgement(Verdict.SOUND, reason), None, False
    if is_shown(evidence, limits):
        reason = f"the {sure} interval leaves no room for no effect{rest}"
        return Judgement(Verdict.SOUND, reason), None, True
    wanted = wanted_units(evidence, limits.confidence)
    units = plural(mean.units, "host" if mean.of_hosts else "block")
    reason = f"{units} scatter too much to tell a gain from a loss"
    if evidence.open_blocks:
        reason = f"{evidence.open_blocks} of {n} {UNENDED[0]}"
        return Judgement(Verdict.UNSETTLED, reason, UNENDED[1]), None, False
    if evidence.excludes_none:
        reason = f"{units} agree, but so few may all have met one of several states of a host"
    elif interval.guard:
        reason = f"{units} agree, but so few counts of whole {unit} leave one {unit[:-1]} open"
    return Judgement(Verdict.UNSETTLED, reason, run_more(mean, wanted)), wanted, False


def is_shown(evidence: Evidence, limits: Thresholds) -> bool:
    """Whether it shows that there is an effect, also if few blocks met one state of a host."""
    chances = evidence.p_value, evidence.guarded_p
    rare = all(p is not None and p <= 1.0 - limits.confidence for p in chances)
    return evidence.excludes_none and rare and evidence.n >= limits.fewest_blocks


def is_settled(evidence: Evidence, limits: Thresholds) -> bool:
    """Whether it shows that there is an effect, or that there is none that matters."""
    enough = evidence.n >= limits.fewest_blocks and evidence.interval is not None
    return enough and (evidence.excludes_what_matters or is_shown(evidence, limits))


def wanted_units(evidence: Evidence, confidence: float) -> tuple[int, int] | None:
    """The range of hosts, or of blocks of each host, that would settle an effect like this one.

    As far as the scatter is known. None where more of them hardly help.
    """
    mean = evidence.mean
    if mean.error is None:
        return None
    centre = abs(mean.centre)
    shows_none = evidence.practical - centre > centre
    found = blocks_needed(
        evidence.deviation * math.sqrt(mean.dependence),
        mean.degrees,
        max(centre, evidence.practical - centre),
        0.0 if shows_none else evidence.unseen,
        confidence,
    )
    if found is None:
        return None
    each, now = _each(mean)
    low, high = (max(math.ceil(units / each), now + 1) for units in found)
    return low, high


def run_more(mean: Replication, wanted: tuple[int, int] | None) -> str:
    """The next step for an effect that is open."""
    if wanted is None:
        return "quieten the host; more blocks alone hardly help"
    low, high = wanted
    now = _each(mean)[1]
    if low > MANY_TIMES * now:
        return f"quieten the host: as it is, {low} blocks or more would be needed"
    many = f"{low}" if low == high else f"{low} to {high}"
    if mean.of_hosts:
        return f"measure {many} hosts in all (now {now})"
    return f"run {many} blocks in all (now {now})"


def _each(mean: Replication) -> tuple[int, int]:
    """Units that one more block (or host) adds, and how many of them there are."""
    each = 1 if mean.of_hosts else mean.hosts
    return each, math.ceil(mean.units / each)


def judge_absolute(
    n: int,
    censored: int,
    mean: Replication | None,
    reach: float | None,
    largest_reach: float,
    limits: Thresholds,
    unseen: tuple[str, str],
) -> Judgement:
    """How far to believe a value. reach: of its interval; both reaches in the same unit."""
    if limits.lost_share * n < censored < n:
        return Judgement(Verdict.UNSETTLED, f"{censored} of {n} {unseen[0]}", unseen[1])
    if n < limits.fewest_blocks:
        return too_few(n, mean, limits)
    if censored:
        some = "all" if censored == n else f"{censored}, so the median holds without them,"
        return Judgement(Verdict.SOUND, f"{some} of {n} {unseen[0]}")
    if reach is None:
        return too_few(n, mean, limits)
    far = percent(limits.spread_ratio)
    if reach > largest_reach:
        return Judgement(
            Verdict.UNSETTLED,
            f"a repetition may lie more than {far} away",
            "quieten the host or run more blocks",
        )
    return Judgement(Verdict.SOUND, f"a repetition lies within {far}")


def too_few(n: int, mean: Replication | None, limits: Thresholds) -> Judgement:
    """Of so few values nothing can be said; of one host for others however many they are."""
    if mean is not None and mean.of_hosts:
        return Judgement(
            Verdict.UNSETTLED,
            f"{plural(mean.hosts, 'host')} cannot show how far others would lie",
            f"measure at least {plural(max(FEWEST_HOSTS - mean.hosts, 1), 'more host')}",
        )
    each = n if mean is None or mean.units > mean.hosts else 1
    more = plural(max(limits.fewest_blocks - each, 1), "more block")
    return Judgement(
        Verdict.UNSETTLED,
        f"{plural(each, 'block')} cannot show how far a repetition would lie",
        f"run at least {more}",
    )


def nothing(what: str = "run gave this value") -> Judgement:
    """Of no value at all."""
    return Judgement(Verdict.UNSETTLED, f"no {what}", "run what is missing")
