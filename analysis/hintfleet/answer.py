# SPDX-License-Identifier: GPL-2.0-or-later
"""The question answered in plain sentences: how many more guests fit, and what does it cost."""

from __future__ import annotations

from collections.abc import Mapping

from hintfleet.density import Density
from hintfleet.figures import Figure, Verdict
from hintfleet.latency import MemhogResult, PageFaultResult
from hintfleet.observations import BASELINE
from hintfleet.units import change, number, quantity


def answer(
    density: Mapping[str, Density],
    memhog: Mapping[str, MemhogResult],
    page_fault: Mapping[str, PageFaultResult],
) -> str:
    """Gain and cost of the mechanism that fits most guests; says so if that cannot be told."""
    gain, best = _gain(density)
    if best is None:
        best = next((name for name in [*memhog, *page_fault] if name != BASELINE), None)
    costs = [
        text
        for text in (
            _memhog_cost(memhog.get(best)) if best else None,
            _page_fault_cost(page_fault.get(best)) if best else None,
        )
        if text
    ]
    if not costs:
        return gain
    return f"{gain} The cost with {best}: {'; '.join(costs)}."


def _gain(density: Mapping[str, Density]) -> tuple[str, str | None]:
    counts = {
        name: figure.estimate
        for name, result in density.items()
        if (figure := result.figures.get("guests_without_swap")) and figure.estimate is not None
    }
    others = {name: count for name, count in counts.items() if name != BASELINE}
    if not others:
        only = f" ({BASELINE} holds {number(counts[BASELINE])})" if BASELINE in counts else ""
        return f"How many more guests fit is not known: no mechanism was measured{only}.", None
    most = max(others.values())
    best = [name for name, count in others.items() if count == most]
    chosen = "page_hinting" if "page_hinting" in best else best[0]
    named = " and ".join(best)
    if BASELINE not in counts:
        return f"With {named} a node holds {number(most)} guests without swapping.", chosen
    base = counts[BASELINE]
    more = most - base
    how_many = f"{number(more)} more" if more > 0 else "no more"
    if more < 0:
        how_many = f"{number(-more)} fewer"
    effect = density[chosen].figures.get("more_guests_than_none")
    doubt = f" ({_doubt(effect)})" if effect and effect.verdict != Verdict.SOUND else ""
    return (
        f"{how_many[0].upper()}{how_many[1:]} guests fit with {named}: {number(most)} instead of "
        f"{number(base)} without swapping{doubt}.",
        chosen,
    )


def _memhog_cost(result: MemhogResult | None) -> str | None:
    if result is None:
        return None
    last = max(len(o.seconds) for o in result.observations)
    own = result.figures[f"guest{last}_seconds"]
    effect = result.figures.get("last_guest_vs_none")
    if own.estimate is None:
        return f"memhog in guest {last} did not end"
    text = f"memhog in guest {last} takes {quantity(own.estimate, 's')}"
    if effect and effect.estimate:
        times = 1.0 / effect.estimate
        if times >= 1.5:
            text += f", {number(times)} times faster than without"
        elif effect.estimate >= 1.5:
            text += f", {number(effect.estimate)} times slower than without"
        else:
            text += f" ({change(effect.estimate)})"
        text += _mark(effect)
    return text


def _page_fault_cost(result: PageFaultResult | None) -> str | None:
    if result is None:
        return None
    effect = result.figures.get("processes_vs_none")
    if effect is None or effect.estimate is None:
        return None
    direction = "fewer" if effect.estimate < 1.0 else "more"
    text = f"{change(effect.estimate).lstrip('+-')} {direction} page faults a second"
    if effect.interval:
        text += f" ({change(effect.interval.low)} to {change(effect.interval.high)})"
    return text + _mark(effect)


def _mark(figure: Figure) -> str:
    return "" if figure.verdict == Verdict.SOUND else f", {_doubt(figure)}"


def _doubt(figure: Figure) -> str:
    return str(figure.verdict)
