# SPDX-License-Identifier: GPL-2.0-or-later
"""Each figure that decides, over studies in the order of time, and where it moved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hintfleet.figures.estimate import ADDED_UP
from hintfleet.figures.figure import DEFAULTS, Figure, Thresholds, Verdict
from hintfleet.report.build import DECIDING, Report
from hintfleet.statistics.changes import FEWEST, change_points

MORE_IS_BETTER = frozenset({
    "guests_without_swap", "more_guests_than_none", "tiles_at_quality", "more_tiles_than_none",
    "processes_vs_none", "recorded_rate_vs_none",
})  # fmt: skip


@dataclass(frozen=True)
class Occasion:
    """One study: when, with what, and how far to believe it."""

    study: str
    started: str
    kernel: str
    tool: str
    verdict: Verdict
    emulated: bool


@dataclass(frozen=True)
class Change:
    """A figure's move to another level: means of the studies before and after it."""

    last_before: Occasion
    first_after: Occasion
    before: float
    after: float
    is_worse: bool

    @property
    def conditions(self) -> list[str]:
        """What else differs between the two studies, as far as a history knows."""
        pairs = (
            ("kernel", self.last_before.kernel, self.first_after.kernel),
            ("hintfleet", self.last_before.tool, self.first_after.tool),
        )
        return [f"{what} {new} after {old}" for what, old, new in pairs if new != old]


@dataclass(frozen=True)
class Series:
    """One figure over studies; None where a study does not have it."""

    topic: str
    arm: str
    name: str
    kind: str
    """Of node, if there are several kinds."""
    unit: str
    figures: tuple[Figure | None, ...]
    changes: tuple[Change, ...]

    @property
    def values(self) -> list[float | None]:
        return [None if figure is None else figure.estimate for figure in self.figures]

    @property
    def latest(self) -> int | None:
        """The place of the last study that has it."""
        found = [place for place, value in enumerate(self.values) if value is not None]
        return found[-1] if found else None


@dataclass(frozen=True)
class History:
    """What decided in each study, oldest first."""

    occasions: tuple[Occasion, ...]
    series: tuple[Series, ...]
    left_out: tuple[str, ...]
    """Studies that could not be read, in sentences."""


def history(
    reports: Iterable[Report], left_out: Sequence[str] = (), limits: Thresholds = DEFAULTS
) -> History:
    """The history that reports tell, a study each. Studies without a run are left out."""
    ordered = sorted(
        (report for report in reports if report.study.started),
        key=lambda report: (report.study.started or "", report.study.name),
    )
    occasions = tuple(map(_occasion, ordered))
    found = [_deciding(report) for report in ordered]
    keys = dict.fromkeys(key for figures in found for key in figures)
    series = [
        _series(key, [figures.get(key) for figures in found], occasions, limits) for key in keys
    ]
    return History(occasions, tuple(series), tuple(left_out))


def _occasion(report: Report) -> Occasion:
    def told(fact: str) -> str:
        return ", ".join(report.provenance.get(fact, ()))

    study = report.study
    return Occasion(
        study.name,
        study.started or "",
        told("guest kernel"),
        told("hintfleet"),
        report.verdict,
        study.emulated,
    )


Key = tuple[str, str, str, str]
"""Topic, arm, figure, kind of node."""


def _deciding(report: Report) -> dict[Key, Figure]:
    groups = [("", topic, group) for topic, group in report.topics.items()]
    groups += [(kind, "density", group) for kind, group in report.kinds.items()]
    return {
        ("tile" if "tiles" in name else topic, arm, name, kind): figures[name]
        for kind, topic, group in groups
        for arm, figures in group.items()
        for name in DECIDING
        if name in figures
    }


def _series(
    key: Key, figures: Sequence[Figure | None], occasions: Sequence[Occasion], limits: Thresholds
) -> Series:
    topic, arm, name, kind = key
    unit = next(figure.unit for figure in figures if figure is not None)
    known = [
        (occasion, figure.estimate)
        for occasion, figure in zip(occasions, figures, strict=True)
        if figure is not None and figure.estimate is not None
    ]
    changes = _changes(name, unit, known, limits)
    return Series(topic, arm, name, kind, unit, tuple(figures), changes)


def _changes(
    name: str, unit: str, known: Sequence[tuple[Occasion, float]], limits: Thresholds
) -> tuple[Change, ...]:
    """Moves by more than what matters, relative to the level before; ratios on logarithms."""
    logarithmic = unit not in ADDED_UP and all(value > 0.0 for _, value in known)
    values = [math.log(value) if logarithmic else value for _, value in known]
    starts = change_points(values)
    ends = [*starts, len(values)]
    found = []
    for first, start, end in zip([0, *starts], starts, ends[1:], strict=False):
        before, after = _mean(values[first:start]), _mean(values[start:end])
        least = math.log1p(limits.practical_ratio)
        if not logarithmic:
            least = limits.practical_ratio * max(abs(before), abs(after))
        if abs(after - before) <= least:
            continue
        old, new = (math.exp(one) if logarithmic else one for one in (before, after))
        is_worse = (after < before) == (name in MORE_IS_BETTER)
        found.append(Change(known[start - 1][0], known[start][0], old, new, is_worse))
    return tuple(found)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def too_few(found: History) -> bool:
    """Whether there are fewer studies than a change can be told from scatter in."""
    return len(found.occasions) < FEWEST
