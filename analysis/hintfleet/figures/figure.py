# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report is made of: figures that never travel without n, interval and verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from hintfleet.statistics.intervals import Interval
from hintfleet.statistics.replication import Replication


class Verdict(StrEnum):
    """How far to believe a figure; the order is from best to worst."""

    SOUND = "sound"
    UNSETTLED = "unsettled"
    NOT_TO_BE_TRUSTED = "not to be trusted"


_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason and what to do next; both are sentences."""

    verdict: Verdict
    reason: str
    next_step: str = ""


@dataclass(frozen=True)
class Objection:
    """A reason to doubt the figures of an arm or a workload; None means all of them."""

    verdict: Verdict
    reason: str
    next_step: str
    arm: str | None = None
    workload: str | None = None
    about: str = ""
    """Where it was found, for readers, such as "none, memhog (2 of 3 runs)"."""

    def concerns(self, arms: Iterable[str], workload: str) -> bool:
        """Whether a figure of these arms under this workload is in doubt."""
        return (self.arm is None or self.arm in arms) and (self.workload in (None, workload))


@dataclass(frozen=True)
class Thresholds:
    """Every limit that decides about a verdict, in one place; docs/statistics.md explains them."""

    confidence: float = 0.95
    reliable_share: float = 0.95
    fewest_blocks: int = 3
    practical_ratio: float = 0.05
    """The smallest effect that matters, relative to what is without it."""
    unseen_ratio: float = 0.3
    """How far boots in another state of the host may lie that few blocks did not meet."""
    noise_ratio: float = 0.06
    """Boots of one unmodified kernel differ by up to this much (published: 3-6 %)."""
    spread_ratio: float = 0.25
    """A value whose interval reaches further than this share to either side is unsettled."""
    lost_share: float = 0.05
    """If more of the planned runs than this gave no result, the rest may be a selection."""
    swap_unused_mib: float = 1.0
    remote_share: float = 0.01
    quiet_load_per_cpu: float = 2.0
    starved_share: float = 0.1
    """A page_fault run that got so much less CPU time than the median run shared its CPUs."""
    unsampled_share: float = 0.1
    """A longer time without a sample, as a share of the run, hides what memory did meanwhile."""
    late_share: float = 0.1
    """An agent that tells so late of a program's end, as a share of its time, measured little."""
    much_swap_share: float = 0.1
    """Swap of so much of a node's memory shows in the time of what swapped, if the disk is one."""
    priceless_swap_ratio: float = 1.05


DEFAULTS = Thresholds()


@dataclass(frozen=True)
class Scope:
    """What a figure speaks for: hosts like those measured, or these alone."""

    hosts: int
    like_these: bool

    def __str__(self) -> str:
        if self.like_these:
            return "on hosts like these"
        return "on this host" if self.hosts == 1 else f"on these {self.hosts} hosts"


@dataclass(frozen=True)
class Evidence:
    """What was seen of an effect, as a number that is 0 without it."""

    extremes: tuple[float, float]
    mean: Replication
    interval: Interval | None
    p_value: float | None
    guarded_p: float | None
    n: int
    deviation: float
    """Between units, and at least what rounding leaves open."""
    unseen: float
    """What few units guard against, see Replication.guarded_p."""
    practical: float
    """The smallest effect that matters."""
    open_blocks: int = 0
    """Blocks of which only a bound is known."""
    stands_out: int | None = None
    """Code of a block that is broken, as far as the others tell."""
    left_out: bool = False
    """Whether that block is in no number here."""

    @property
    def excludes_none(self) -> bool:
        return self.interval is not None and not self.interval.low <= 0.0 <= self.interval.high

    @property
    def excludes_what_matters(self) -> bool:
        if self.interval is None:
            return False
        return -self.practical <= self.interval.low and self.interval.high <= self.practical


@dataclass(frozen=True)
class Figure:
    """One number of a report with all that is needed to believe it or not.

    low and high are the extremes seen over blocks (the spread); interval is where the value lies
    with stated confidence. censored counts observations that ended before their value was known.
    """

    unit: str
    n: int
    estimate: float | None
    low: float | None
    high: float | None
    interval: Interval | None
    judgement: Judgement
    censored: int = 0
    p_value: float | None = None
    blocks_to_settle: tuple[int, int] | None = None
    """Fewest and most blocks of each host (or hosts, if they are the sample) that would do."""
    claims_effect: bool = False
    """For a comparison: whether it says that there is a difference."""
    scope: Scope | None = None
    base: float | None = None
    """For a comparison: the baseline's mean over the same pairs, of a ratio the geometric one."""
    evidence: Evidence | None = field(default=None, repr=False, compare=False)
    """For a comparison: what it was judged by; of a ratio on logarithms."""

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


Figures = dict[str, Figure]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; sound if there are none."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.SOUND)


def overrule(judgement: Judgement, objections: Iterable[Objection]) -> Judgement:
    """The worst objection if it is worse than the judgement, else the judgement."""
    for objection in objections:
        if _RANK[objection.verdict] > _RANK[judgement.verdict]:
            judgement = Judgement(objection.verdict, objection.reason, objection.next_step)
    return judgement
