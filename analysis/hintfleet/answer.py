# SPDX-License-Identifier: GPL-2.0-or-later
"""The question answered in plain sentences: what to do, how sure it is, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hintfleet.against import AGAINST
from hintfleet.density import Density
from hintfleet.estimate import DEFAULTS
from hintfleet.figures import Figure, Figures, Thresholds, Verdict
from hintfleet.latency import MemhogResult, PageFaultResult
from hintfleet.observations import BASELINE
from hintfleet.units import change, number, quantity, spread

Memhog = Mapping[str, MemhogResult]
PageFault = Mapping[str, PageFaultResult]
Against = Mapping[str, Figures]

COSTS = {"processes": False, "memhog_last_guest": True}
"""Figures of against.py that decide between equals, and whether less of it is better."""


def answer(
    density: Mapping[str, Density],
    memhog: Memhog,
    page_fault: PageFault,
    against: Against,
    limits: Thresholds = DEFAULTS,
) -> str:
    """Decision, certainty and cost of the mechanism that fits most guests, as far as known."""
    counts = {
        name: figure.estimate
        for name, result in density.items()
        if (figure := result.figures.get("guests_without_swap")) and figure.estimate is not None
    }
    others = {name: count for name, count in counts.items() if name != BASELINE}
    if not others:
        measured = [name for name in [*memhog, *page_fault] if name != BASELINE]
        gain = _unknown_gain(counts, bool(measured))
        return " ".join([gain, *_costs(list(dict.fromkeys(measured)), memhog, page_fault)])
    most = max(others.values())
    best = [name for name, count in others.items() if count == most]
    chosen = _unbeaten(best, against)
    if BASELINE in counts:
        effect = density[chosen[0]].figures.get("more_guests_than_none")
        fit = f"{number(most)} guests fit a node without swapping instead of "
        gain = _decision(effect, chosen, fit + number(counts[BASELINE]), memhog, page_fault, limits)
    else:
        gain = (
            f"How many more guests fit is not known: {BASELINE} was not measured. With "
            f"{' or '.join(chosen)} {number(most)} fit a node without swapping."
        )
    if len(chosen) < len(best):
        rest = " and ".join(name for name in best if name not in chosen)
        gain += f" As many fit with {rest}, at a higher cost."
    return " ".join([gain, *_costs(chosen, memhog, page_fault)])


def _unknown_gain(counts: Mapping[str, float], mechanism_measured: bool) -> str:
    if BASELINE in counts:
        return (
            "How many more guests fit is not known: no mechanism was measured; without one "
            f"{number(counts[BASELINE])} fit a node without swapping."
        )
    if mechanism_measured:
        return "How many more guests fit was not measured."
    return "How many more guests fit is not known: no run has a result."


def _unbeaten(best: Sequence[str], against: Against) -> list[str]:
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


def _decision(
    effect: Figure | None,
    chosen: Sequence[str],
    fit: str,
    memhog: Memhog,
    page_fault: PageFault,
    limits: Thresholds,
) -> str:
    """What to do, and how sure the gain is. fit: how many guests fit, and without."""
    names = " or ".join(chosen)
    if effect is None or effect.verdict == Verdict.UNSETTLED:
        why = effect.judgement.reason if effect else "no block has both"
        return f"Not settled: so far {fit} with {names}; {why}."
    if effect.verdict == Verdict.NOT_TO_BE_TRUSTED:
        return (
            f"Do not decide on these figures: {effect.judgement.reason}. They say that {fit} with "
            f"{names}."
        )
    sure = f"That is sound: {_seen(effect)}"
    if effect.interval:
        low, high = number(effect.interval.low), number(effect.interval.high)
        sure += f" (95 % interval {low} to {high})"
    if not effect.claims_effect:
        return f"{names} gains no guest: {fit}. {sure}."
    if (effect.estimate or 0.0) < 0.0:
        return f"Leave {names} off: {fit}. {sure}."
    return f"Turn {names} on{_condition(chosen, memhog, page_fault, limits)}: {fit}. {sure}."


def _seen(effect: Figure) -> str:
    """The gain in guests over the blocks."""
    if effect.low == effect.high:
        return f"{number(effect.estimate)} more in each of {effect.n} blocks"
    return f"{spread(effect.low, effect.high)} more in {effect.n} blocks"


def _condition(
    chosen: Sequence[str], memhog: Memhog, page_fault: PageFault, limits: Thresholds
) -> str:
    """ " if ..." where a cost is large or open: then density alone does not decide."""
    open_costs, prices = False, []
    for name in chosen:
        rate = _page_fault_effect(page_fault, name)
        last = _last_memhog(memhog, name)[1]
        for effect, loss, what in (
            (rate, 1.0 - (rate.estimate or 1.0) if rate else 0.0, "page faults a second"),
            (last, (last.estimate or 1.0) - 1.0 if last else 0.0, "of memhog's time"),
        ):
            if effect is None or effect.n == 0:
                continue
            if effect.verdict != Verdict.SOUND:
                open_costs = True
            elif effect.claims_effect and loss > limits.practical_ratio:
                prices.append(f"{change(effect.estimate)} {what}")
    if prices:
        return f" if that is worth {' and '.join(dict.fromkeys(prices))}"
    return " for density" if open_costs else ""


def _costs(names: Sequence[str], memhog: Memhog, page_fault: PageFault) -> list[str]:
    """A sentence for each mechanism on what else soundly changes with it."""
    sentences = []
    for name in names:
        found = (_page_fault_cost(page_fault, name), _memhog_cost(memhog, name))
        told = [text for text, verdict in found if text and verdict == Verdict.SOUND]
        if told:
            sentences.append(f"With {name}: {'; '.join(told)}.")
    return sentences


Told = tuple[str | None, Verdict]
"""A clause of a sentence, None if there is nothing to tell, and how far to believe it."""


def _memhog_cost(memhog: Memhog, name: str) -> Told:
    own, effect, last = _last_memhog(memhog, name)
    if own is None:
        return None, Verdict.SOUND
    if own.estimate is None:
        return f"memhog in guest {last} did not end", own.verdict
    text = f"memhog in guest {last} takes {quantity(own.estimate, 's')}"
    base = memhog[BASELINE].figures.get(f"guest{last}_seconds") if BASELINE in memhog else None
    if effect is None or not effect.n or base is None or base.estimate is None:
        return text, own.verdict
    return f"{text} instead of {quantity(base.estimate, 's')}", effect.verdict


def _last_memhog(memhog: Memhog, name: str) -> tuple[Figure | None, Figure | None, int]:
    """Seconds of the last guest, its ratio to none, and its position."""
    if name not in memhog:
        return None, None, 0
    result = memhog[name]
    last = max(len(o.seconds) for o in result.observations)
    return (
        result.figures.get(f"guest{last}_seconds"),
        result.figures.get("last_guest_vs_none"),
        last,
    )


def _page_fault_effect(page_fault: PageFault, name: str) -> Figure | None:
    effect = page_fault[name].figures.get("processes_vs_none") if name in page_fault else None
    return effect if effect is not None and effect.estimate is not None else None


def _page_fault_cost(page_fault: PageFault, name: str) -> Told:
    effect = _page_fault_effect(page_fault, name)
    if effect is None:
        return None, Verdict.SOUND
    direction = "fewer" if (effect.estimate or 1.0) < 1.0 else "more"
    text = f"{change(effect.estimate).lstrip('+-')} {direction} page faults a second"
    if effect.interval:
        text += f" ({change(effect.interval.low)} to {change(effect.interval.high)})"
    return text, effect.verdict
