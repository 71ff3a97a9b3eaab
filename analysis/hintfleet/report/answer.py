# SPDX-License-Identifier: GPL-2.0-or-later
"""The question answered in plain sentences: what to do, where that holds, how sure it is, and what
it costs.

Each arm is told by its own figures only. What every situation must say stands in
docs/statistics.md, and in tests/analysis/test_headline.py by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hintfleet.figures.against import AGAINST
from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Thresholds, Verdict
from hintfleet.figures.gain import Topics
from hintfleet.records.observations import BASELINE
from hintfleet.statistics.units import change, number, percent, plural, quantity, spread

MORE_GUESTS = "more_guests"
COSTS = {
    "processes": False,
    "memhog_last_guest": True,
    "fault_p99": True,
    "host_cpu_per_guest": True,
}
"""Figures of against.py that decide between equals, and whether less of it is better."""

ALL_TOLD, BEST_TOLD = 4, 2
"""Arms beside the baseline that are all told each by itself; of more only the best so many."""

WHOLE = 1e-9
"""A count this close to a whole one is one."""

FAULTS = "page faults a second"
MEMHOG_TIME = "of memhog's time"
FAULT_P99 = "of the slowest percent of page faults"
HOST_CPU = "host CPU time a guest"
WORK_TIME = "of the recorded work's time"
WORK_RATE = "of the recorded work's rate"
EVERY_COST = {
    FAULTS: "page faults a second",
    MEMHOG_TIME: "memhog's time",
    FAULT_P99: "the slowest percent of page faults",
    HOST_CPU: "host CPU time a guest",
}
"""What the headline weighs, by its words in a price, and its words in a list."""
IMPORTED_COSTS = {WORK_TIME: "the recorded work's time", WORK_RATE: "the recorded work's rate"}
"""The same of what is known of imported runs only; nothing lacks where it is not."""


@dataclass(frozen=True)
class Cost:
    """What else changes under an arm: the effect that is judged, and it as a clause."""

    effect: Figure
    clause: str
    worst: float
    """The relative loss at the worse end of its interval; below 0 it is a gain."""
    what: str
    unended: str = ""
    """In how many blocks the arm's work was not seen to end, if in more than without it."""

    @property
    def is_open(self) -> bool:
        return not self.unended and self.effect.verdict != Verdict.SOUND

    def price(self, limits: Thresholds) -> str:
        """What is lost for sure, "" if that is nothing that matters."""
        if self.unended:
            return self.unended
        sure = self.effect.verdict == Verdict.SOUND and self.effect.claims_effect
        if sure and self.worst > limits.practical_ratio:
            return f"{change(self.effect.estimate)} {self.what}"
        return ""


@dataclass(frozen=True)
class Arm:
    """One arm against none."""

    name: str
    effect: Figure | None
    costs: tuple[Cost, ...]

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
        return [price for cost in self.costs if (price := cost.price(limits))]


def answer(
    figures: Topics,
    against: Mapping[str, Figures],
    limits: Thresholds = DEFAULTS,
    baseline: str = BASELINE,
) -> str:
    """What to do about every arm, best first.

    figures: by topic, arm and name; against: as against.py names them.
    """
    others: list[Arm] = []
    counts = {
        name: found.estimate
        for name, group in figures.get("density", {}).items()
        if (found := group.get("guests_without_swap")) and found.estimate is not None
    }
    density = figures.get("density", {})
    measured = {name for topic in figures.values() for name in topic if name != baseline}
    arms = [
        Arm(
            name,
            density.get(name, {}).get("more_guests_than_none"),
            tuple(_costs(figures, name, baseline)),
        )
        for name in sorted(measured)
    ]
    if not any(name in counts for name in measured):
        unknown = _unknown_gain(counts, bool(measured), baseline)
        said = [unknown, *_held(figures.get("recorded", {}))]
    elif baseline not in counts:
        said = [_without_baseline(counts, baseline)]
    else:
        arms, others = _best([arm for arm in arms if arm.name in counts], limits)
        said = _decisions(arms, counts, against, limits, baseline)
        said += [_others(others)] if others else []
    return " ".join([*said, *_told(arms, baseline, brief=bool(others))])


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
    by = f" by {spread(min(gains), max(gains))} guests" if gains else ""
    said = [
        f"{len(gains)} gain{'' if len(gains) != 1 else 's'}, too,{by}" if gains else "",
        f"{len(still_open)} {'is' if len(still_open) == 1 else 'are'} not settled"
        if still_open
        else "",
        f"{rest} gain{'' if rest != 1 else 's'} nothing" if rest else "",
        f"{len(arms) - len(trusted)} not to be trusted" if len(trusted) < len(arms) else "",
    ]
    return f"Of {plural(len(arms), 'other arm')} {', '.join(filter(None, said))}."


def _unknown_gain(counts: Mapping[str, float], arm_measured: bool, baseline: str) -> str:
    if baseline in counts:
        return (
            f"How many more guests fit is not known: no arm but {baseline} was measured; with it "
            f"{_guests(counts[baseline])}."
        )
    if arm_measured:
        return "How many more guests fit was not measured."
    return "How many more guests fit is not known: no run has a result."


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


def _without_baseline(counts: Mapping[str, float], baseline: str) -> str:
    most = max(counts.values())
    names = " or ".join(name for name, count in counts.items() if count == most)
    return (
        f"How many more guests fit is not known: {baseline} was not measured. With {names} "
        f"{_guests(most)}."
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
            said.append(f"{arm.name} gains, too: {_fit(arm.effect)}{price}.")
    rest = [arm for arm in arms if not arm.gains]
    open_arms = [a for a in rest if a.verdict == Verdict.UNSETTLED]
    for reason, group in _by_reason(a for a in rest if a.verdict == Verdict.NOT_TO_BE_TRUSTED):
        names = _and([arm.name for arm in group])
        of = f" of {names}" if said else ""
        said.append(
            f"Do not decide on these figures{of}: {reason}. They say that "
            f"{_fit(group[0].effect)} with {names}."
        )
    for reason, group in _by_reason(open_arms):
        fits = "; ".join(
            f"{_fit(arm.effect) or _alone(arm, counts, baseline)} with {arm.name}" for arm in group
        )
        said.append(f"Not settled: so far {fits}; {reason}.")
    for arm in rest:
        if arm.verdict == Verdict.SOUND and arm.effect is not None:
            does = f"Leave {arm.name} off" if arm.is_different else f"{arm.name} gains no guest"
            said.append(f"{does}: {_fit(arm.effect)}. {_sure(arm.effect)}.")
    return said


def _most_guests(arms: Sequence[Arm], against: Mapping[str, Figures]) -> list[Arm]:
    """Those that no other of them soundly exceeds in guests."""
    names = {arm.name for arm in arms}
    fewer = {
        worse
        for worse, other, figure in _sound_pairs(against, {MORE_GUESTS: False})
        if {worse, other} <= names and figure == MORE_GUESTS
    }
    return [arm for arm in arms if arm.name not in fewer]


def _unbeaten(arms: Sequence[Arm], against: Mapping[str, Figures]) -> list[Arm]:
    """Those that no other of them soundly beats on a cost, or that soundly beat it on another."""
    names = {arm.name for arm in arms}
    beaten = {
        (worse, other)
        for worse, other, _ in _sound_pairs(against, COSTS)
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
        said = _fit(arm.effect), _sure(arm.effect), _condition(arm, limits)
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
        does += f", if less than {percent(limits.practical_ratio)} more guests matter"
    return f"{does}: {_fit(effect)}. {_sure(effect)}."


def _or_turn_on(group: Sequence[Arm], limits: Thresholds) -> str:
    """The same of arms that no other soundly beats, after the first."""
    names, first = " or ".join(arm.name for arm in group), group[0]
    does = f"Or {names}{_condition(first, limits)}"
    return f"{does}: {_fit(first.effect)}; {_seen_within(first.effect)}."


def _condition(arm: Arm, limits: Thresholds) -> str:
    """ " if ..." where a cost is large; " for density" where one is open: then density alone does
    not decide."""
    prices = arm.prices(limits)
    if prices:
        return f" if that is worth {_and(prices)}"
    return " for density" if any(cost.is_open for cost in arm.costs) else ""


def _fit(effect: Figure | None) -> str:
    """How many guests fit, and without, from the same pairs; "" if there are none."""
    if effect is None or effect.base is None or effect.estimate is None:
        return ""
    if effect.unit != "guests":
        room, before = number(effect.base + effect.estimate), number(effect.base)
        return f"by footprints there is room for {room} guests a node instead of {before}"
    return f"{_guests(effect.base + effect.estimate)} instead of {number(effect.base)}"


def _alone(arm: Arm, counts: Mapping[str, float], baseline: str) -> str:
    return f"{_guests(counts[arm.name])} instead of {number(counts[baseline])}"


def _guests(count: float) -> str:
    """How many fit a node; no node holds 8.33 guests."""
    whole = abs(count - round(count)) < WHOLE
    guests = plural(round(count), "guest") if whole else f"{number(count)} guests"
    fit = "fits" if guests == "1 guest" else "fit"
    return f"{'' if whole else 'on average '}{guests} {fit} a node without swapping"


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


def _told(arms: Sequence[Arm], baseline: str, brief: bool) -> list[str]:
    """What else changes with each arm, what of it is open, and what was not measured. In brief
    without what changes: of many arms the table says it."""
    told = []
    for arm in arms:
        sure = [c.unended or c.clause for c in arm.costs if not c.is_open]
        if sure and not brief:
            told.append(f"With {arm.name}: {'; '.join(sure)}.")
    believed = [arm for arm in arms if arm.verdict != Verdict.NOT_TO_BE_TRUSTED]
    still_open: dict[tuple[str, ...], list[str]] = {}
    for arm in believed:
        costs = tuple(
            (EVERY_COST | IMPORTED_COSTS)[cost.what] for cost in arm.costs if cost.is_open
        )
        still_open.setdefault(costs, []).append(arm.name)
    for costs, names in still_open.items():
        of = "" if len(names) == len(believed) else f" with {_and(names)}"
        told += [f"Still open{of}: {', '.join(costs)}."] if costs else []
    measured = {cost.what for arm in arms for cost in arm.costs}
    unmeasured = [words for what, words in EVERY_COST.items() if what not in measured]
    if arms and unmeasured:
        told.append(f"Not measured against {baseline}: {', '.join(unmeasured)}.")
    return told


def _costs(figures: Topics, name: str, baseline: str) -> list[Cost]:
    """What an arm changes against none, as far as measured, in the order of EVERY_COST."""
    found = []
    rate = figures.get("page_fault", {}).get(name, {}).get("processes_vs_none")
    if rate is not None and rate.estimate is not None:
        direction = "fewer" if rate.estimate < 1.0 else "more"
        clause = f"{change(rate.estimate).lstrip('+-')} {direction} page faults a second"
        if rate.interval:
            clause += f" ({change(rate.interval.low)} to {change(rate.interval.high)})"
        lowest = rate.interval.low if rate.interval else rate.estimate
        found.append(Cost(rate, clause, 1.0 - lowest, FAULTS))
    found += _memhog_cost(figures.get("memhog", {}), name, baseline)
    work = figures.get("recorded", {}).get(name, {}).get("recorded_rate_vs_none")
    if work is not None and work.estimate is not None:
        lowest = work.interval.low if work.interval else work.estimate
        found.append(Cost(work, f"{change(work.estimate)} {WORK_RATE}", 1.0 - lowest, WORK_RATE))
    for topic, key, what in (
        ("page_fault", "fault_p99_ns_vs_none", FAULT_P99),
        ("density", "host_cpu_per_guest_vs_none", HOST_CPU),
        ("recorded", "recorded_seconds_vs_none", WORK_TIME),
    ):
        effect = figures.get(topic, {}).get(name, {}).get(key)
        if effect is not None and effect.estimate is not None:
            clause = f"{change(effect.estimate)} {what}"
            found.append(Cost(effect, clause, _most(effect) - 1.0, what))
    return found


def _memhog_cost(memhog: Mapping[str, Figures], name: str, baseline: str) -> list[Cost]:
    """The last guest's time; a guest that was not seen to end is worse than any that was."""
    own = memhog.get(name, {})
    last = max((int(k) for key in own for k in re.findall(r"^guest(\d+)_seconds$", key)), default=0)
    seconds = own.get(f"guest{last}_seconds")
    effect = own.get("last_guest_vs_none") or own.get(f"guest{last}_vs_none")
    base = memhog.get(baseline, {}).get(f"guest{last}_seconds")
    if seconds is None or effect is None:
        return []
    unended = ""
    if seconds.censored > (base.censored if base else 0):
        unended = (
            f"memhog in guest {last} not seen to end in "
            f"{seconds.censored} of {plural(seconds.n, 'block')}"
        )
    elif effect.estimate is None:
        return []
    clause = f"memhog in guest {last} takes {quantity(seconds.estimate, 's')}"
    if effect.base is not None and effect.estimate is not None:
        # of the same pairs, so that the two numbers make the ratio that is judged
        with_it, without = effect.base * effect.estimate, effect.base
        clause = f"memhog in guest {last} takes {quantity(with_it, 's')}"
        clause += f" instead of {quantity(without, 's')}"
    return [Cost(effect, clause, _most(effect) - 1.0, MEMHOG_TIME, unended)]


def _most(effect: Figure) -> float:
    """The upper end of what a ratio may be."""
    return effect.interval.high if effect.interval else effect.estimate or 1.0
