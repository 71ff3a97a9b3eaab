# SPDX-License-Identifier: GPL-2.0-or-later
"""How often a figure is wrong: studies of equal mechanisms, with every kind of noise we know of.

    make bench-error-rates                        the table of docs/statistics.md
    python benchmarks/error_rates.py --studies 100

A study has a family of FAMILY comparisons, judged together as a report does. Two rates of each
layout of hosts, nodes and blocks: in how many of the intervals the truth lies of what the figure
says it speaks for (these hosts, or hosts like these), and in how many studies any comparison is
called a sound difference though mechanisms are equal on average.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from ansible_collections.hintfleet.bench.plugins.module_utils.study.order import order_of_block
from hintfleet.figures.estimate import difference, ratio
from hintfleet.figures.family import corrected
from hintfleet.figures.figure import DEFAULTS, Figure, Thresholds, Verdict
from hintfleet.records.observations import Values
from hintfleet.statistics.intervals import share_interval
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Random = np.random.Generator

FAMILY = 4
"""Comparisons of one study that are judged together."""

MECHANISMS = ("none", "first", "second")
DRAWS = 64
"""Studies that draw an order of their own; drawing more takes longer than judging them."""

BOOTS = 0.02
"""Relative standard deviation of a boot where a model names no other."""


@dataclass(frozen=True)
class Layout:
    """How much of everything a study has."""

    hosts: int
    nodes: int
    blocks: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.hosts, self.nodes, self.blocks

    def __str__(self) -> str:
        return f"{self.hosts} × {self.nodes} × {self.blocks}"


LAYOUTS = tuple(
    Layout(*counts)
    for counts in (
        (1, 1, 3), (1, 1, 6), (1, 1, 12), (1, 1, 20), (1, 1, 60), (1, 8, 3), (2, 4, 10), (3, 4, 5),
        (5, 2, 5), (10, 1, 3), (20, 8, 3),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Sides:
    """Values of two equal mechanisms, and by how much the second truly differs on these hosts."""

    first: Floats
    second: Floats
    on_these: float = 0.0
    unit: str = "ratio"


Model = Callable[[Random, Layout], Sides]


def runs(noise: Callable[[Random, tuple[int, ...]], Floats]) -> Model:
    """Every run draws its noise, on logarithms, for itself."""
    return lambda random, layout: Sides(
        np.exp(noise(random, layout.shape)), np.exp(noise(random, layout.shape))
    )


def two_states(share: float) -> Model:
    """Half of all boots run faster by a share than what is between, half of them slower."""
    return runs(
        lambda random, shape: np.log(np.where(random.random(shape) < 0.5, 1 - share, 1 + share))
    )


def unlike_hosts(random: Random, layout: Layout) -> Sides:
    """What a mechanism does differs between hosts by 6 %, between nodes by 1 %; boots by 2 %."""
    hosts = random.normal(0.0, 0.06, (layout.hosts, 1, 1))
    nodes = random.normal(0.0, 0.01, (layout.hosts, layout.nodes, 1))
    noise = [np.exp(random.normal(0.0, BOOTS, layout.shape)) for _ in range(2)]
    return Sides(noise[0], noise[1] * np.exp(hosts + nodes), float((hosts + nodes).mean()))


def dependent(correlation: float, deviation: float) -> Model:
    """What a mechanism does drifts from block to block, on all nodes of a host together."""

    def model(random: Random, layout: Layout) -> Sides:
        steps = random.normal(0.0, 1.0, (layout.hosts, 1, layout.blocks))
        steps[..., 1:] *= np.sqrt(1.0 - correlation**2)
        for block in range(1, layout.blocks):
            steps[..., block] += correlation * steps[..., block - 1]
        return Sides(np.ones(layout.shape), np.exp(deviation * steps) * np.ones(layout.shape))

    return model


def by_order(slower: Callable[[Floats, Floats], Floats]) -> Model:
    """What a run's place in its block and the block's number do to it, with the planned order."""

    def model(random: Random, layout: Layout) -> Sides:
        draw = int(random.integers(DRAWS))
        places = np.zeros((2, *layout.shape))
        for host, node, block in np.ndindex(layout.shape):
            places[:, host, node, block] = _places(draw, host, node, block)
        noise = [random.normal(0.0, BOOTS, layout.shape) for _ in range(2)]
        blocks = np.arange(layout.blocks, dtype=np.float64)
        sides = [np.exp(n + slower(place, blocks)) for n, place in zip(noise, places, strict=True)]
        return Sides(*sides)

    return model


@lru_cache(maxsize=1 << 16)
def _places(draw: int, host: int, node: int, block: int) -> tuple[int, ...]:
    order = order_of_block(str(draw), f"{host}-{node}", block + 1, MECHANISMS)
    return tuple(order.index(name) for name in MECHANISMS[:2])


def counts(random: Random, layout: Layout) -> Sides:
    """Whole guests, rounded down from a fill level that scatters: most of them tie."""
    sides = (np.floor(6.4 + random.normal(0.0, 0.3, layout.shape)) for _ in range(2))
    return Sides(*sides, unit="guests")


def censored(random: Random, layout: Layout) -> Sides:
    """One run in ten is not seen to end."""
    sides = []
    for _ in range(2):
        seconds = np.exp(random.normal(0.0, BOOTS, layout.shape))
        sides.append(np.where(random.random(layout.shape) < 0.1, np.inf, seconds))
    return Sides(*sides)


def one_damaged(random: Random, layout: Layout) -> Sides:
    """One run of the study takes a thousand times as long."""
    sides = [np.exp(random.normal(0.0, BOOTS, layout.shape)) for _ in range(2)]
    sides[random.integers(2)].flat[random.integers(np.prod(layout.shape))] *= 1000.0
    return Sides(*sides)


MODELS: dict[str, Model] = {
    "normal 2 %": runs(lambda random, shape: random.normal(0.0, BOOTS, shape)),
    "normal 15 %": runs(lambda random, shape: random.normal(0.0, 0.15, shape)),
    "log-normal": runs(lambda random, shape: 0.1 * random.lognormal(0.0, 0.5, shape)),
    "heavy tails (t, 2 degrees)": runs(lambda random, shape: 0.05 * random.standard_t(2, shape)),
    "two states ± 10 %": two_states(0.1),
    "two states ± 20 %": two_states(0.2),
    "hosts 6 %, nodes 1 %, boots 2 %": unlike_hosts,
    "blocks resemble (AR 0.7, 3 %)": dependent(0.7, 0.03),
    "blocks resemble (AR 0.7, 6 %)": dependent(0.7, 0.06),
    "first of a block 15 % slower": by_order(lambda place, _: 0.15 * (place == 0)),
    "a host that slows by 1 % a run": by_order(lambda place, block: 0.01 * (3 * block + place)),
    "counts that tie": counts,
    "one run in ten does not end": censored,
    "one damaged run": one_damaged,
}
UNSTATED = ("one run in ten does not end", "one damaged run")
"""Models whose mean is not finite: there is no truth that an interval could cover."""


@dataclass(frozen=True)
class Rates:
    """What was counted of studies of one layout under one model."""

    studies: int
    covered: int
    intervals: int
    false: int
    """Studies with any comparison that is called a sound difference."""

    @property
    def highest_false(self) -> float:
        """Upper end of the 95 % interval of the share of false studies."""
        return share_interval(self.false, self.studies).high


def rates(model: Model, layout: Layout, studies: int, seed: int) -> Rates:
    """Counts of so many studies."""
    random = np.random.default_rng(seed)
    covered = intervals = false = 0
    for _ in range(studies):
        figures = []
        for _ in range(FAMILY):
            sides = model(random, layout)
            figure = figure_of(sides, layout)
            figures.append(figure)
            if figure.interval is not None and figure.scope is not None:
                truth = 0.0 if figure.scope.like_these else sides.on_these
                truth = truth if sides.unit == "guests" else float(np.exp(truth))
                covered += figure.interval.low - 1e-9 <= truth <= figure.interval.high + 1e-9
                intervals += 1
        # where hosts differ, what is said of these hosts is true of them
        equal = model is not unlike_hosts or figures[0].scope is None or figures[0].scope.like_these
        called = [f for f in corrected(figures) if f.claims_effect and f.verdict == Verdict.SOUND]
        false += bool(called) and equal
    return Rates(studies, covered, intervals, false)


def figure_of(sides: Sides, layout: Layout, limits: Thresholds = DEFAULTS) -> Figure:
    """What a report says of these two."""
    host, node, block = (axis.ravel() for axis in np.indices(layout.shape))
    cell = host * layout.nodes + node
    left, right = (
        Values(side.ravel(), np.zeros_like(host), host, cell, np.arange(side.size), block)
        for side in (sides.first, sides.second)
    )
    if sides.unit == "guests":
        return difference(left, right, "guests", limits=limits, resolution=1.0)
    return ratio(left, right, "ratio", limits=limits)


def table(studies: int, only: str = "", layouts: tuple[Layout, ...] = LAYOUTS) -> Iterator[str]:
    """Lines of Markdown: a row for each model, a column for each layout."""
    yield f"| {' | '.join(['noise', *map(str, layouts)])} |"
    yield "|---" * (len(layouts) + 1) + "|"
    for row, (name, model) in enumerate(MODELS.items()):
        if only not in name:
            continue
        cells = []
        for column, layout in enumerate(layouts):
            found = rates(model, layout, studies, 1000 * row + column)
            share = f"{found.covered / max(found.intervals, 1):.0%}".replace("%", "")
            covered = "-" if name in UNSTATED or not found.intervals else share
            cells.append(f"{covered} / {100 * found.false / studies:.1f}")
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000, help="of each layout and model")
    parser.add_argument("--noise", default="", help="only models whose name has this")
    options = parser.parse_args()
    for line in table(options.studies, options.noise):
        print(line, flush=True)


if __name__ == "__main__":
    main()
