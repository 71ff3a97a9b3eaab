# SPDX-License-Identifier: GPL-2.0-or-later
"""The question answered in plain sentences: what to do, how sure it is, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hintfleet.figures.against import AGAINST
from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Thresholds, Verdict
from hintfleet.figures.gain import Topics
from hintfleet.records.observations import BASELINE
from hintfleet.statistics.units import change, number, plural, quantity, spread

COSTS = {"processes": False, "memhog_last_guest": True}
"""Figures of against.py that decide between equals, and whether less of it is better."""


FAULTS = "page faults a second"
MEMHOG_TIME = "of memhog's time"
FAULT_P99 = "of the slowest percent of page faults"
HOST_CPU = "host CPU time a guest"
EVERY_COST = {
    FAULTS: "page faults a second",
    MEMHOG_TIME: "memhog's time",
    FAULT_P99: "the slowest percent of page faults",
    HOST_CPU: "host CPU time a guest",
}
"""What the headline weighs, by its words in a price, and its words in a list."""


@dataclass(frozen=True)
class Cost:
    """What else changes under a mechanism: the effect that is judged, and it as a clause."""

    effect: Figure
    clause: str
    worst: float
    """The relative loss at the worse end of its interval; below 0 it is a gain."""
    what: str
    unended: str = ""
    """In how many blocks the mechanism's work was not seen to end, if in more than without it."""


def answer(
    figures: Topics,
    against: Mapping[str, Figures],
    sample: str = "block",
    limits: Thresholds = DEFAULTS,
) -> str:
    """Decision, certainty and cost of the mechanism that fits most guests, as far as known.

    figures: by topic, mechanism and name; sample: what an effect was seen in n of.
    """
    counts = {
        name: found.estimate
        for name, group in figures.get("density", {}).items()
        if (found := group.get("guests_without_swap")) and found.estimate is not None
    }
    others = {name: count for name, count in counts.items() if name != BASELINE}
    if not others:
        measured = {name for topic in figures.values() for name in topic if name != BASELINE}
        costs = [_costs(figures, name) for name in sorted(measured)]
        return " ".join([_unknown_gain(counts, bool(measured)), *_told(sorted(measured), costs)])
    most = max(others.values())
    best = [name for name, count in others.items() if count == most]
    chosen = _unbeaten(best, against)
    costs = [_costs(figures, name) for name in chosen]
    if BASELINE in counts:
        fit = f"{number(most)} guests fit a node without swapping instead of "
        fit += number(counts[BASELINE])
        effect = figures["density"][chosen[0]].get("more_guests_than_none")
        gain = _decision(effect, " or ".join(chosen), fit, _condition(costs, limits), sample)
    else:
        gain = (
            f"How many more guests fit is not known: {BASELINE} was not measured. With "
            f"{' or '.join(chosen)} {number(most)} fit a node without swapping."
        )
    if len(chosen) < len(best):
        rest = " and ".join(name for name in best if name not in chosen)
        gain += f" As many fit with {rest}, at a higher cost."
    return " ".join([gain, *_told(chosen, costs)])


def _unknown_gain(counts: Mapping[str, float], mechanism_measured: bool) -> str:
    if BASELINE in counts:
        return (
            "How many more guests fit is not known: no mechanism was measured; without one "
            f"{number(counts[BASELINE])} fit a node without swapping."
        )
    if mechanism_measured:
        return "How many more guests fit was not measured."
    return "How many more guests fit is not known: no run has a result."


def _unbeaten(best: Sequence[str], against: Mapping[str, Figures]) -> list[str]:
    """Of mechanisms that fit as many guests those that no other soundly beats on cost."""
    beaten = set()
    for pair, figures in against.items():
        second, _, first = pair.partition(AGAINST)
        for name, less_is_better in COSTS.items():
            effect = figures.get(name)
            if effect is None or effect.verdict != Verdict.SOUND or not effect.claims_effect:
                continue
            worse = second if ((effect.estimate or 1.0) > 1.0) == less_is_better else first
            other = first if worse == second else second
            if other in best:
                beaten.add(worse)
    return [name for name in best if name not in beaten] or list(best)


def _decision(effect: Figure | None, names: str, fit: str, condition: str, sample: str) -> str:
    """What to do, and how sure the gain is. fit: how many guests fit, and without."""
    if effect is None or effect.verdict == Verdict.UNSETTLED:
        why = effect.judgement.reason if effect else f"no {sample} has both"
        return f"Not settled: so far {fit} with {names}; {why}."
    if effect.verdict == Verdict.NOT_TO_BE_TRUSTED:
        return (
            f"Do not decide on these figures: {effect.judgement.reason}. They say that {fit} with "
            f"{names}."
        )
    sure = f"That is sound: {_seen(effect, sample)}"
    if effect.interval:
        low, high = number(effect.interval.low), number(effect.interval.high)
        sure += f" (95 % interval {low} to {high})"
    if not effect.claims_effect:
        return f"{names} gains no guest: {fit}. {sure}."
    if (effect.estimate or 0.0) < 0.0:
        return f"Leave {names} off: {fit}. {sure}."
    return f"Turn {names} on{condition}: {fit}. {sure}."


def _seen(effect: Figure, sample: str) -> str:
    """The gain in guests over what it was seen in."""
    if effect.low == effect.high:
        return f"{number(effect.estimate)} more in each of {plural(effect.n, sample)}"
    return (
        f"{number(effect.estimate)} more on average over {plural(effect.n, sample)}, "
        f"{spread(effect.low, effect.high)} in most"
        if sample != "block"
        else f"{spread(effect.low, effect.high)} more in {plural(effect.n, sample)}"
    )


def _condition(costs: Sequence[Sequence[Cost]], limits: Thresholds) -> str:
    """ " if ..." where a cost is large or open: then density alone does not decide."""
    every = [cost for of_mechanism in costs for cost in of_mechanism]
    prices = [
        cost.unended or f"{change(cost.effect.estimate)} {cost.what}"
        for cost in every
        if cost.unended
        or (
            cost.effect.verdict == Verdict.SOUND
            and cost.effect.claims_effect
            and cost.worst > limits.practical_ratio
        )
    ]
    if prices:
        return f" if that is worth {' and '.join(dict.fromkeys(prices))}"
    return " for density" if any(c.effect.verdict != Verdict.SOUND for c in every) else ""


def _told(names: Sequence[str], costs: Sequence[Sequence[Cost]]) -> list[str]:
    """A sentence for each mechanism on what else soundly changes with it."""
    sound = [
        (
            name,
            [
                c.unended or c.clause
                for c in found
                if c.unended or c.effect.verdict == Verdict.SOUND
            ],
        )
        for name, found in zip(names, costs, strict=True)
    ]
    told = [f"With {name}: {'; '.join(clauses)}." for name, clauses in sound if clauses]
    measured = {cost.what for found in costs for cost in found}
    unmeasured = [words for what, words in EVERY_COST.items() if what not in measured]
    if names and unmeasured:
        told.append(f"Not measured against {BASELINE}: {', '.join(unmeasured)}.")
    return told


def _costs(figures: Topics, name: str) -> list[Cost]:
    """What a mechanism changes against none, as far as measured, in the order of EVERY_COST."""
    found = []
    rate = figures.get("page_fault", {}).get(name, {}).get("processes_vs_none")
    if rate is not None and rate.estimate is not None:
        direction = "fewer" if rate.estimate < 1.0 else "more"
        clause = f"{change(rate.estimate).lstrip('+-')} {direction} page faults a second"
        if rate.interval:
            clause += f" ({change(rate.interval.low)} to {change(rate.interval.high)})"
        lowest = rate.interval.low if rate.interval else rate.estimate
        found.append(Cost(rate, clause, 1.0 - lowest, FAULTS))
    found += _memhog_cost(figures.get("memhog", {}), name)
    for topic, key, what in (
        ("page_fault", "fault_p99_ns_vs_none", FAULT_P99),
        ("density", "host_cpu_per_guest_vs_none", HOST_CPU),
    ):
        effect = figures.get(topic, {}).get(name, {}).get(key)
        if effect is not None and effect.estimate is not None:
            clause = f"{change(effect.estimate)} {what}"
            found.append(Cost(effect, clause, _most(effect) - 1.0, what))
    return found


def _memhog_cost(memhog: Mapping[str, Figures], name: str) -> list[Cost]:
    """The last guest's time; a guest that was not seen to end is worse than any that was."""
    own = memhog.get(name, {})
    last = max((int(k) for key in own for k in re.findall(r"^guest(\d+)_seconds$", key)), default=0)
    seconds = own.get(f"guest{last}_seconds")
    effect = own.get("last_guest_vs_none") or own.get(f"guest{last}_vs_none")
    base = memhog.get(BASELINE, {}).get(f"guest{last}_seconds")
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
    if base is not None and base.estimate is not None:
        clause += f" instead of {quantity(base.estimate, 's')}"
    return [Cost(effect, clause, _most(effect) - 1.0, MEMHOG_TIME, unended)]


def _most(effect: Figure) -> float:
    """The upper end of what a ratio may be."""
    return effect.interval.high if effect.interval else effect.estimate or 1.0
