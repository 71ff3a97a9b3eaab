# SPDX-License-Identifier: GPL-2.0-or-later
"""What else changes with an arm, as clauses: what is weighed against more guests, or more tiles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hintfleet.figures.figure import Figure, Figures, Thresholds, Verdict
from hintfleet.figures.gain import Topics
from hintfleet.figures.tiles import Program, cost_name, program_of
from hintfleet.statistics.units import change, number, plural, quantity

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
"""What is weighed against guests, by its words in a price, and its words in a list."""
IMPORTED_COSTS = {WORK_TIME: "the recorded work's time", WORK_RATE: "the recorded work's rate"}
"""The same of what is known of imported runs only; nothing lacks where it is not."""
TILE_COSTS = {
    "seconds": "programs' time for the same work",
    "p99_ms": "p99 of programs' operations",
    "held": "memory held by as many tiles",
}
"""What is weighed against tiles, by kind: what programs are measured by, and memory."""
MOST_OPEN = 2
"""Of more phases of programs that are open how many there are is told, not which."""


@dataclass(frozen=True)
class Cost:
    """What else changes under an arm: the effect that is judged, and it as a clause."""

    effect: Figure
    clause: str
    worst: float
    """The relative loss at the worse end of its interval; below 0 it is a gain."""
    what: str
    """In a price."""
    listed: str
    """In a list."""
    kind: str
    """Whether a cost of it was measured is told."""
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


def _cost(effect: Figure, clause: str, worst: float, what: str, unended: str = "") -> Cost:
    """One that is the only one of its kind."""
    return Cost(effect, clause, worst, what, (EVERY_COST | IMPORTED_COSTS)[what], what, unended)


def costs_of_guests(figures: Topics, name: str, baseline: str) -> list[Cost]:
    """What an arm changes against none, as far as measured, in the order of EVERY_COST."""
    found = []
    rate = figures.get("page_fault", {}).get(name, {}).get("processes_vs_none")
    if rate is not None and rate.estimate is not None:
        direction = "fewer" if rate.estimate < 1.0 else "more"
        clause = f"{change(rate.estimate).lstrip('+-')} {direction} page faults a second"
        if rate.interval:
            clause += f" ({change(rate.interval.low)} to {change(rate.interval.high)})"
        lowest = rate.interval.low if rate.interval else rate.estimate
        found.append(_cost(rate, clause, 1.0 - lowest, FAULTS))
    found += _memhog_cost(figures.get("memhog", {}), name, baseline)
    work = figures.get("recorded", {}).get(name, {}).get("recorded_rate_vs_none")
    if work is not None and work.estimate is not None:
        lowest = work.interval.low if work.interval else work.estimate
        clause = f"{change(work.estimate)} {WORK_RATE}"
        found.append(_cost(work, clause, 1.0 - lowest, WORK_RATE))
    for topic, key, what in (
        ("page_fault", "fault_p99_ns_vs_none", FAULT_P99),
        ("density", "host_cpu_per_guest_vs_none", HOST_CPU),
        ("recorded", "recorded_seconds_vs_none", WORK_TIME),
    ):
        effect = figures.get(topic, {}).get(name, {}).get(key)
        if effect is not None and effect.estimate is not None:
            clause = f"{change(effect.estimate)} {what}"
            found.append(_cost(effect, clause, _most(effect) - 1.0, what))
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
    return [_cost(effect, clause, _most(effect) - 1.0, MEMHOG_TIME, unended)]


def _most(effect: Figure) -> float:
    """The upper end of what a ratio may be."""
    return effect.interval.high if effect.interval else effect.estimate or 1.0


def costs_of_tiles(figures: Topics, name: str, baseline: str) -> list[Cost]:
    """What a tile's programs cost under an arm against none, with as many tiles as every arm
    holds; of those that are settled the worst of each kind is told."""
    own = figures.get("tile", {}).get(name, {})
    if (equal := own.get("equal_tiles")) is None:
        return []
    tiles = plural(round(equal.estimate or 0.0), "tile")
    base = figures["tile"].get(baseline, {})
    of_programs = dict(_program_costs(own, base))
    found: list[Cost] = []
    for kind in ("seconds", "p99_ms"):
        costs = {program: cost for program, cost in of_programs.items() if program[2] == kind}
        settled = [p for p, cost in costs.items() if not cost.is_open and not cost.unended]
        if settled:
            worst = max(settled, key=lambda program: costs[program].effect.estimate or 0.0)
            clause = _at_most(worst, costs[worst].effect, tiles)
            costs[worst] = replace(costs[worst], clause=clause)
        still_open = [cost for cost in costs.values() if cost.is_open]
        if len(still_open) > MOST_OPEN:
            phases = plural(len(costs), "phase")
            listed = f"{TILE_COSTS[kind]} ({len(still_open)} of {phases})"
            costs = {p: replace(c, listed=listed) if c.is_open else c for p, c in costs.items()}
        found += costs.values()
    return [*found, *_held_cost(own, tiles)]


def _program_costs(own: Figures, base: Figures) -> Iterator[tuple[Program, Cost]]:
    """Each without a clause of its own."""
    for key, effect in own.items():
        program = program_of(key)
        if program is None or not key.endswith("_vs_none") or not effect.n:
            continue
        name, phase, kind = program
        absolute, without = own.get(cost_name(program)), base.get(cost_name(program))
        unended = ""
        if absolute and absolute.censored > (without.censored if without else 0):
            unended = (
                f"{name} ({phase}) not seen to end in "
                f"{absolute.censored} of {plural(absolute.n, 'block')}"
            )
        elif effect.estimate is None:
            continue
        what = f"{'time' if kind == 'seconds' else 'p99'} of {name} ({phase})"
        yield program, Cost(effect, "", _most(effect) - 1.0, what, what, kind, unended)


def _at_most(program: Program, effect: Figure, tiles: str) -> str:
    """The worst of the programs that are settled: no other costs more."""
    name, phase, kind = program
    by, where = change(effect.estimate), f"{name}, {phase}"
    if effect.interval is not None:
        where += f": {change(effect.interval.low)} to {change(effect.interval.high)}"
    if kind == "p99_ms":
        return f"p99 of {tiles} at most {by} ({where})"
    run = "runs" if tiles == "1 tile" else "run"
    if (effect.estimate or 1.0) <= 1.0:
        return f"{tiles} {run} no slower, at most {by} ({where})"
    return f"{tiles} {run} at most {by.removeprefix('+')} slower ({where})"


def _held_cost(own: Figures, tiles: str) -> list[Cost]:
    """Memory over time, which may be less or more."""
    effect = own.get("tile_held_vs_none")
    if effect is None or effect.estimate is None or effect.base is None:
        return []
    less = f"{change(effect.estimate).lstrip('+-')} {'less' if effect.estimate < 1.0 else 'more'}"
    clause = (
        f"{tiles} hold{'s' if tiles == '1 tile' else ''} {less} memory over time "
        f"({number(effect.base * effect.estimate)} GiB·min instead of {number(effect.base)})"
    )
    what = f"memory held by {tiles}"
    return [Cost(effect, clause, _most(effect) - 1.0, what, what, "held")]
