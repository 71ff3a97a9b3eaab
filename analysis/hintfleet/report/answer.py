# SPDX-License-Identifier: GPL-2.0-or-later
"""The question answered in plain sentences: what to do, where that holds, how sure it is, and what
it costs.

Each arm is told by its own figures only. What every situation must say stands in
docs/statistics.md, and in tests/analysis/test_headline.py by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hintfleet.figures.against import AGAINST
from hintfleet.figures.density import BY_FOOTPRINT
from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Thresholds, Verdict
from hintfleet.figures.gain import Topics
from hintfleet.records.observations import BASELINE
from hintfleet.report.costs import EVERY_COST, TILE_COSTS, Cost, costs_of_guests, costs_of_tiles
from hintfleet.statistics.units import change, number, percent, plural, spread


@dataclass(frozen=True)
class Counted:
    """What is counted on a node, and the words for it."""

    topic: str
    count: str
    more: str
    against: str
    """The figure of two arms (against.py)."""
    one: str
    fit: str
    """What so many do."""
    costs: Callable[[Topics, str, str], list[Cost]]
    kinds: Mapping[str, str]
    """Kinds of cost that are weighed, in the words of a list."""
    between: Mapping[str, bool]
    """Figures of two arms that decide between equals, and whether less of it is better."""


GUESTS = Counted(
    "density",
    "guests_without_swap",
    "more_guests_than_none",
    "more_guests",
    "guest",
    "a node without swapping",
    costs_of_guests,
    EVERY_COST,
    {"processes": False, "memhog_last_guest": True, "fault_p99": True, "host_cpu_per_guest": True},
)
TILES = Counted(
    "tile",
    "tiles_at_quality",
    "more_tiles_than_none",
    "more_tiles",
    "tile",
    "a node at quality",
    costs_of_tiles,
    TILE_COSTS,
    {"tile_seconds": True, "tile_p99_ms": True, "tile_held": True},
)

ALL_TOLD, BEST_TOLD = 4, 2
"""Arms beside the baseline that are all told each by itself; of more only the best so many."""

MOST_COSTS = 6
"""Of more that are open, or a price, nobody reads each."""

WHOLE = 1e-9
"""A count this close to a whole one is one."""


@dataclass(frozen=True)
class Arm:
    """One arm against none."""

    name: str
    effect: Figure | None
    costs: tuple[Cost, ...]
    of: Counted = GUESTS

    @property
    def verdict(self) -> Verdict:
        return self.effect.verdict if self.effect else Verdict.UNSETTLED

    @property
    def gain(self) -> float:
        return (self.effect.estimate if self.effect else None) or 0.0

    @property
    def gains(self) -> bool:
        return self.is_different and self.gain > 0.0

    @property
    def is_different(self) -> bool:
        sure = self.effect is not None and self.effect.claims_effect
        return sure and self.verdict == Verdict.SOUND

    def prices(self, limits: Thresholds) -> list[str]:
        worst = sorted(self.costs, key=lambda cost: -cost.worst) if self.of is TILES else self.costs
        return _few([price for cost in worst if (price := cost.price(limits))], "cost")


def answer(
    figures: Topics,
    against: Mapping[str, Figures],
    limits: Thresholds = DEFAULTS,
    baseline: str = BASELINE,
    counted: Counted = GUESTS,
    why_none: str = "",
) -> str:
    """What to do about every arm, best first.

    figures: by topic, arm and name; against: as against.py names them; why_none: why not even one
    fits, if none does under any arm.
    """
    others: list[Arm] = []
    counts = {
        name: found.estimate
        for name, group in figures.get(counted.topic, {}).items()
        if (found := group.get(counted.count)) and found.estimate is not None
    }
    groups = figures.get(counted.topic, {})
    measured = {name for topic in figures.values() for name in topic if name != baseline}
    arms = [
        Arm(
            name,
            groups.get(name, {}).get(counted.more),
            tuple(counted.costs(figures, name, baseline)),
            counted,
        )
        for name in sorted(measured)
    ]
    if not any(name in counts for name in measured):
        unknown = _unknown_gain(counts, bool(measured), baseline, counted)
        said = [unknown, *_held(figures.get("recorded", {}))]
    elif baseline not in counts:
        said = [_without_baseline(counts, baseline, counted)]
    elif counts and not any(counts.values()) and why_none:
        arms, said = [], [_no_density(counted, why_none)]
    else:
        arms, others = _best([arm for arm in arms if arm.name in counts], limits)
        said = _decisions(arms, counts, against, limits, baseline)
        said += [_others(others)] if others else []
    return " ".join([*said, *_told(arms, baseline, counted, brief=bool(others))])


def _best(arms: Sequence[Arm], limits: Thresholds) -> tuple[list[Arm], list[Arm]]:
    """All arms; of more than ALL_TOLD the best ones, and the others."""
    if len(arms) <= ALL_TOLD:
        return list(arms), []
    ranked = sorted(arms, key=lambda a: (not a.gains, -a.gain, len(a.prices(limits)), a.name))
    chosen = {arm.name for arm in ranked[:BEST_TOLD]}
    return (
        [arm for arm in arms if arm.name in chosen],
        [arm for arm in arms if arm.name not in chosen],
    )


def _others(arms: Sequence[Arm]) -> str:
    """How many arms there are beside the best ones, and what came of them."""
    gains = [arm.gain for arm in arms if arm.gains]
    trusted = [arm for arm in arms if arm.verdict != Verdict.NOT_TO_BE_TRUSTED]
    still_open = [arm for arm in trusted if arm.verdict == Verdict.UNSETTLED]
    rest = len(trusted) - len(gains) - len(still_open)
    by = f" by {spread(min(gains), max(gains))} {arms[0].of.one}s" if gains else ""
    said = [
        f"{len(gains)} gain{'' if len(gains) != 1 else 's'}, too,{by}" if gains else "",
        f"{len(still_open)} {'is' if len(still_open) == 1 else 'are'} not settled"
        if still_open
        else "",
        f"{rest} gain{'' if rest != 1 else 's'} nothing" if rest else "",
        f"{len(arms) - len(trusted)} not to be trusted" if len(trusted) < len(arms) else "",
    ]
    return f"Of {plural(len(arms), 'other arm')} {', '.join(filter(None, said))}."


def _unknown_gain(
    counts: Mapping[str, float], arm_measured: bool, baseline: str, counted: Counted
) -> str:
    if baseline in counts:
        return (
            f"How many more {counted.one}s fit is not known: no arm but {baseline} was measured; "
            f"with it {_so_many(counts[baseline], counted)}."
        )
    if arm_measured:
        return f"How many more {counted.one}s fit was not measured."
    return f"How many more {counted.one}s fit is not known: no run has a result."


def _no_density(counted: Counted, why: str) -> str:
    none = f"Not even one {counted.one} fits {counted.fit}, with any arm"
    return f"{none}. {why}" if why.endswith(".") else f"{none}: there is no density."


def _held(recorded: Mapping[str, Figures]) -> list[str]:
    """What memory recorded work held over time, best first, where no guests were counted."""
    found = [
        (effect.estimate, name, effect, group.get("recorded_peak_vs_none"))
        for name, group in recorded.items()
        if (effect := group.get("recorded_footprint_vs_none")) and effect.estimate is not None
    ]
    said = []
    for ratio, name, effect, peak in sorted(found, key=lambda one: one[:2]):
        base = effect.base or 0.0
        less = f"{change(ratio).lstrip('+-')} {'less' if ratio < 1.0 else 'more'}"
        text = (
            f"With {name} the recorded work held {less} memory over time "
            f"({number(base * ratio)} GiB·min instead of {number(base)})"
        )
        if peak is not None and peak.estimate is not None and peak.base is not None:
            text += f", {number(peak.base * peak.estimate)} GiB at its peak instead of "
            text += number(peak.base)
        settled = effect.verdict == Verdict.SOUND
        where = f" {effect.scope}" if effect.scope else ""
        said.append(
            f"{text}. That is sound{where}."
            if settled
            else f"{text}. Not settled: {effect.judgement.reason}."
        )
    return said


def _without_baseline(counts: Mapping[str, float], baseline: str, counted: Counted) -> str:
    most = max(counts.values())
    names = " or ".join(name for name, count in counts.items() if count == most)
    return (
        f"How many more {counted.one}s fit is not known: {baseline} was not measured. With {names} "
        f"{_so_many(most, counted)}."
    )


def _decisions(
    arms: Sequence[Arm],
    counts: Mapping[str, float],
    against: Mapping[str, Figures],
    limits: Thresholds,
    baseline: str,
) -> list[str]:
    """A sentence or two for every arm, those to turn on first."""
    gainers = [arm for arm in arms if arm.gains]
    # free of a price first; among those, the ones that no other soundly beats
    free = [arm for arm in gainers if not arm.prices(limits)]
    candidates = _most_guests(free or gainers, against)
    chosen = _unbeaten(candidates, against)
    groups = _alike(chosen, limits)
    said = [_turn_on(group, limits) for group in groups[:1]]
    said += [_or_turn_on(group, limits) for group in groups[1:]]
    others = [arm for arm in gainers if arm not in candidates]
    alike = [arm for arm in others if arm.gain == chosen[0].gain]
    dearer = [arm.name for arm in [*candidates, *alike] if arm not in chosen]
    if dearer:
        said.append(f"As many fit with {_and(dearer)}, at a higher cost.")
    for arm in sorted(others, key=lambda arm: -arm.gain):
        if arm not in alike:
            prices = arm.prices(limits)
            price = f", if that is worth {_and(prices)}" if prices else ""
            said.append(f"{arm.name} gains, too: {_fit(arm)}{price}.")
    rest = [arm for arm in arms if not arm.gains]
    open_arms = [a for a in rest if a.verdict == Verdict.UNSETTLED]
    for reason, group in _by_reason(a for a in rest if a.verdict == Verdict.NOT_TO_BE_TRUSTED):
        names = _and([arm.name for arm in group])
        of = f" of {names}" if said else ""
        said.append(
            f"Do not decide on these figures{of}: {reason}. They say that "
            f"{_fit(group[0])} with {names}."
        )
    for reason, group in _by_reason(open_arms):
        fits = "; ".join(
            f"{_fit(arm) or _alone(arm, counts, baseline)} with {arm.name}" for arm in group
        )
        said.append(f"Not settled: so far {fits}; {reason}.")
    for arm in rest:
        if arm.verdict == Verdict.SOUND and arm.effect is not None:
            nothing = f"{arm.name} gains no {arm.of.one}"
            does = f"Leave {arm.name} off" if arm.is_different else nothing
            said.append(f"{does}: {_fit(arm)}. {_sure(arm.effect)}.")
    return said


def _most_guests(arms: Sequence[Arm], against: Mapping[str, Figures]) -> list[Arm]:
    """Those that no other of them soundly exceeds in guests."""
    names = {arm.name for arm in arms}
    fewer = {
        worse
        for worse, other, _ in _sound_pairs(against, {arms[0].of.against: False} if arms else {})
        if {worse, other} <= names
    }
    return [arm for arm in arms if arm.name not in fewer]


def _unbeaten(arms: Sequence[Arm], against: Mapping[str, Figures]) -> list[Arm]:
    """Those that no other of them soundly beats on a cost, or that soundly beat it on another."""
    names = {arm.name for arm in arms}
    beaten = {
        (worse, other)
        for worse, other, _ in _sound_pairs(against, arms[0].of.between if arms else {})
        if {worse, other} <= names
    }
    worse = {one for one, other in beaten if (other, one) not in beaten}
    return [arm for arm in arms if arm.name not in worse] or list(arms)


def _sound_pairs(
    against: Mapping[str, Figures], less_is_better: Mapping[str, bool]
) -> Iterable[tuple[str, str, str]]:
    """(worse, better, figure) wherever two arms soundly differ."""
    for pair, figures in against.items():
        second, _, first = pair.partition(AGAINST)
        for name, less in less_is_better.items():
            effect = figures.get(name)
            if effect is None or effect.verdict != Verdict.SOUND or not effect.claims_effect:
                continue
            nothing = 1.0 if effect.unit == "ratio" else 0.0
            is_more = (effect.estimate or nothing) > nothing
            yield (second, first, name) if is_more == less else (first, second, name)


def _alike(arms: Sequence[Arm], limits: Thresholds) -> list[list[Arm]]:
    """Arms of which the same sentence can be said, those with most guests first."""
    groups: dict[tuple[str, str, str], list[Arm]] = {}
    for arm in sorted(arms, key=lambda arm: -arm.gain):
        said = _fit(arm), _sure(arm.effect), _condition(arm, limits)
        groups.setdefault(said, []).append(arm)
    return list(groups.values())


def _by_reason(arms: Iterable[Arm]) -> list[tuple[str, list[Arm]]]:
    groups: dict[str, list[Arm]] = {}
    for arm in arms:
        reason = arm.effect.judgement.reason if arm.effect else "no block has both"
        groups.setdefault(reason, []).append(arm)
    return list(groups.items())


def _turn_on(group: Sequence[Arm], limits: Thresholds) -> str:
    names, first = " or ".join(arm.name for arm in group), group[0]
    effect = first.effect
    low = effect.interval.low if effect and effect.interval else 0.0
    least = limits.practical_ratio * ((effect.base if effect else None) or 0.0)
    does = f"Turn {names} on{_condition(first, limits)}"
    if low < least:
        does += f", if less than {percent(limits.practical_ratio)} more {first.of.one}s matter"
    return f"{does}: {_fit(first)}. {_sure(effect)}."


def _or_turn_on(group: Sequence[Arm], limits: Thresholds) -> str:
    """The same of arms that no other soundly beats, after the first."""
    names, first = " or ".join(arm.name for arm in group), group[0]
    does = f"Or {names}{_condition(first, limits)}"
    return f"{does}: {_fit(first)}; {_seen_within(first.effect)}."


def _condition(arm: Arm, limits: Thresholds) -> str:
    """ " if ..." where a cost is large; " for density" where one is open: then density alone does
    not decide."""
    prices = arm.prices(limits)
    if prices:
        return f" if that is worth {_and(prices)}"
    return " for density" if any(cost.is_open for cost in arm.costs) else ""


def _fit(arm: Arm) -> str:
    """How many fit, and without, from the same pairs; "" if there are none."""
    effect = arm.effect
    if effect is None or effect.base is None or effect.estimate is None:
        return ""
    if effect.unit == BY_FOOTPRINT:
        room, before = number(effect.base + effect.estimate), number(effect.base)
        return f"by footprints there is room for {room} guests a node instead of {before}"
    return f"{_so_many(effect.base + effect.estimate, arm.of)} instead of {number(effect.base)}"


def _alone(arm: Arm, counts: Mapping[str, float], baseline: str) -> str:
    return f"{_so_many(counts[arm.name], arm.of)} instead of {number(counts[baseline])}"


def _so_many(count: float, counted: Counted) -> str:
    """How many fit a node; no node holds 8.33 guests."""
    whole = abs(count - round(count)) < WHOLE
    many = plural(round(count), counted.one) if whole else f"{number(count)} {counted.one}s"
    fit = "fits" if whole and round(count) == 1 else "fit"
    return f"{'' if whole else 'on average '}{many} {fit} {counted.fit}"


def _sure(effect: Figure | None) -> str:
    """How sure it is, for which hosts, and what was seen."""
    if effect is None:
        return ""
    where = f" {effect.scope}" if effect.scope else ""
    return f"That is sound{where}: {_seen_within(effect)}"


def _seen_within(effect: Figure | None) -> str:
    """What was seen, and its interval."""
    if effect is None:
        return ""
    said = _seen(effect)
    if effect.interval is not None:
        ends = f"{number(effect.interval.low)} to {number(effect.interval.high)}"
        guard = effect.interval.guard
        said += (
            f" ({'rounding leaves' if guard else '95 % interval'} {ends}{' open' if guard else ''})"
        )
    if effect.evidence is not None and effect.evidence.left_out:
        said += "; one block that stands out is left out"
    return said


def _seen(effect: Figure) -> str:
    """The gain over the blocks it was seen in; a loss is fewer."""
    estimate = effect.estimate or 0.0
    more = "more" if estimate >= 0.0 else "fewer"
    ends = sorted((abs(effect.low or 0.0), abs(effect.high or 0.0)))
    if effect.low == effect.high:
        return f"{number(abs(estimate))} {more} in each of {plural(effect.n, 'block')}"
    same_side = (effect.low or 0.0) * (effect.high or 0.0) >= 0.0
    seen = spread(*ends) if same_side else f"{number(effect.low)} to {number(effect.high)}"
    return f"{number(abs(estimate))} {more} on average, {seen} in {plural(effect.n, 'block')}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(words))


def _few(words: Sequence[str], what: str) -> list[str]:
    """So many of them, and how many more there are."""
    told = list(dict.fromkeys(words))
    if len(told) <= MOST_COSTS:
        return told
    return [*told[: MOST_COSTS - 1], plural(len(told) - MOST_COSTS + 1, f"more {what}")]


def _told(arms: Sequence[Arm], baseline: str, counted: Counted, brief: bool) -> list[str]:
    """What else changes with each arm, what of it is open, and what was not measured. In brief
    without what changes: of many arms the table says it."""
    told = []
    for arm in arms:
        told_of = (cost.unended or cost.clause for cost in arm.costs if not cost.is_open)
        sure = list(filter(None, told_of))
        if sure and not brief:
            told.append(f"With {arm.name}: {'; '.join(sure)}.")
    believed = [arm for arm in arms if arm.verdict != Verdict.NOT_TO_BE_TRUSTED]
    still_open: dict[tuple[str, ...], list[str]] = {}
    for arm in believed:
        costs = tuple(_few([cost.listed for cost in arm.costs if cost.is_open], "cost"))
        still_open.setdefault(costs, []).append(arm.name)
    for costs, names in still_open.items():
        of = "" if len(names) == len(believed) else f" with {_and(names)}"
        told += [f"Still open{of}: {', '.join(costs)}."] if costs else []
    measured = {cost.kind for arm in arms for cost in arm.costs}
    unmeasured = [words for kind, words in counted.kinds.items() if kind not in measured]
    if arms and unmeasured:
        told.append(f"Not measured against {baseline}: {', '.join(unmeasured)}.")
    return told
