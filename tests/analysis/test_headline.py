# SPDX-License-Identifier: GPL-2.0-or-later
"""What the headline says in every situation we know of, word by word.

The table stands in docs/statistics.md. To accept what the code now says (and then read the diff):

    HINTFLEET_ACCEPT=1 .venv/bin/pytest tests/analysis/test_headline.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hintfleet.figures.figure import Objection, Verdict
from situations import Arm, Place, said_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"
BEGIN, END = "<!-- headlines -->\n", "<!-- end of headlines -->\n"
NEVER = float("inf")
HINTING, REPORTING = "page_hinting", "free_page_reporting"

Fleet = Mapping[Place, Mapping[str, Arm]]


def about(value: float, blocks: int, seed: int = 1, scatter: float = 0.01) -> list[float]:
    """So many runs around a value."""
    random = np.random.default_rng(seed)
    return [float(v) for v in value * np.exp(random.normal(0.0, scatter, blocks))]


def node(**arms: Arm) -> Fleet:
    """One node; hinting and reporting are the two mechanisms."""
    names = {"hinting": HINTING, "reporting": REPORTING}
    return {Place(): {names.get(name, name): arm for name, arm in arms.items()}}


def hosts(count: int, nodes: int, **arms: Arm) -> Fleet:
    places = [Place(f"h{host}", f"h{host}-node{n}") for host in range(count) for n in range(nodes)]
    return {place: next(iter(node(**arms).values())) for place in places}


def everything(scale: float, guests: list[int], seed: int = 1, **changes: list[float]) -> Arm:
    """All that is measured, with costs as they are without a mechanism times a scale."""
    blocks = len(guests)
    return Arm(
        guests,
        changes.get("seconds", about(2.5 * scale, blocks, seed)),
        changes.get("rate", about(1e5 / scale, blocks, seed + 1)),
        changes.get("p99", about(900.0 * scale, blocks, seed + 2)),
        changes.get("cpu", [6.0 * count * scale for count in guests]),
    )


def tiles(
    counts: list[int], slower: float = 1.0, scatter: float = 0.005, seed: int = 1, **changes: object
) -> Arm:
    """Tiles of a build and a cache, with costs as they are without a mechanism times a factor."""
    blocks = len(counts)
    given: dict[str, Any] = {
        "work": {
            "build make": about(0.3, blocks, seed, scatter),
            "cache reread": about(0.02 * slower, blocks, seed + 1, scatter),
        },
        "slowest": {"cache reread": about(2.0 * slower, blocks, seed + 2, scatter)},
        "held": about(0.5, blocks, seed + 3, scatter),
    }
    return Arm(tiles=counts, **(given | changes))


MOST_TILES = Objection(
    Verdict.UNSETTLED,
    "the run stopped at its maximum of tiles, so more may fit",
    "raise the maximum",
    HINTING,
    "tile",
)
NO_DENSITY = (
    "One tile does not fit, so there is no density: its guests took up to 1010 MiB and the cell "
    "has 960 MiB without swap: it swapped. Make the guests of the tile smaller or fewer "
    "(study_tile), or the node larger (study_node_mib)."
)
KERNEL = Objection(
    Verdict.NOT_TO_BE_TRUSTED, "the guest kernel was built with debug options", "", HINTING
)

SITUATIONS: dict[str, tuple[Fleet, list[Objection]]] = {
    name: (fleet, objections)
    for name, fleet, *objections in (
        (
            "a clear gain at no cost",
            node(none=everything(1.0, [2] * 6), hinting=everything(1.0, [8] * 6, 5)),
        ),
        ("nothing but guests was counted", node(none=Arm([2] * 3), hinting=Arm([8] * 3))),
        (
            "host CPU × 3 and p99 × 10",
            node(
                none=everything(1.0, [2] * 3),
                hinting=everything(1.0, [8] * 3, 5, cpu=[18.0 * 8] * 3, p99=about(9000.0, 3)),
            ),
        ),
        (
            "a cost that is open",
            node(
                none=everything(1.0, [2] * 3),
                hinting=everything(1.0, [8] * 3, 5, p99=about(950.0, 3, 9, 0.2)),
            ),
        ),
        (
            "memhog ends in half of the blocks",
            node(
                none=Arm([2] * 6, [2.5] * 6),
                hinting=Arm([8] * 6, [1.2, NEVER, 1.2, NEVER, NEVER, 1.2]),
            ),
        ),
        (
            "memhog never ends",
            node(none=Arm([2] * 3, [2.5] * 3), hinting=Arm([8] * 3, [NEVER] * 3)),
        ),
        (
            "one damaged memhog run among twelve",
            node(
                none=Arm([2] * 12, about(2.5, 12)),
                hinting=Arm([8] * 12, [1200.0, *about(1.2, 11, 2)]),
            ),
        ),
        (
            "most guests at a price, fewer at none",
            node(
                none=Arm([2] * 6, rate=about(1e5, 6)),
                reporting=Arm([9, 9, 8, 9, 8, 9], rate=about(6e4, 6, 2)),
                hinting=Arm([8] * 6, rate=about(1e5, 6, 3)),
            ),
        ),
        (
            "two that gain alike",
            node(none=Arm([2] * 3), reporting=Arm([8] * 3), hinting=Arm([8] * 3)),
        ),
        (
            "one of two ran in a single block",
            node(none=Arm([2] * 6), reporting=Arm([8, *[None] * 5]), hinting=Arm([8] * 6)),
        ),
        (
            "one of two scatters wildly",
            node(none=Arm([2] * 6), reporting=Arm([8, 0, 8, 16, 8, 0]), hinting=Arm([8] * 6)),
        ),
        (
            "two that fit fewer guests",
            node(none=Arm([8] * 6), reporting=Arm([3] * 6), hinting=Arm([4] * 6)),
        ),
        ("no difference, of many guests", node(none=Arm([40] * 10), hinting=Arm([40] * 10))),
        ("no difference, of two guests", node(none=Arm([2] * 3), hinting=Arm([2] * 3))),
        (
            "no difference, and footprints tell",
            node(
                none=Arm([2] * 3, footprints=(332.0, 331.0)),
                hinting=Arm([2] * 3, footprints=(332.0, 330.0)),
            ),
        ),
        (
            "0.8 guests more on 2",
            node(none=Arm([2] * 10), hinting=Arm([3, 3, 2, 3, 3, 3, 3, 2, 3, 3])),
        ),
        ("one guest more on 8, three blocks", node(none=Arm([8] * 3), hinting=Arm([9] * 3))),
        ("blocks scatter", node(none=Arm([6, 8, 7]), hinting=Arm([7, 6, 9]))),
        (
            "one block in thirty without a gain",
            node(none=Arm([2] * 30), hinting=Arm([*[8] * 17, 2, *[8] * 12])),
        ),
        (
            "no block has both",
            node(none=Arm([2, None, 2, None]), hinting=Arm([None, 8, None, 8])),
        ),
        ("figures nobody should believe", node(none=Arm([2] * 3), hinting=Arm([8] * 3)), KERNEL),
        (
            "figures of one of two nobody should believe",
            node(none=Arm([2] * 3), reporting=Arm([8] * 3), hinting=Arm([9] * 3)),
            KERNEL,
        ),
        ("three hosts", hosts(3, 2, none=Arm([8] * 3), hinting=Arm([14, 15, 14]))),
        ("six hosts", hosts(6, 2, none=Arm([8] * 3), hinting=Arm([14, 15, 14]))),
        (
            "two sizes of node",
            {
                Place("h1", "h1-node0", 8192.0): {"none": Arm([2] * 3), HINTING: Arm([7] * 3)},
                Place("h2", "h2-node0", 65536.0): {"none": Arm([20] * 3), HINTING: Arm([61] * 3)},
                Place("h3", "h3-node0", 65536.0): {"none": Arm([20] * 3), HINTING: Arm([60] * 3)},
            },
        ),
        (
            "two models of CPU",
            {
                Place("h1", "h1-node0", cpu="CPU A"): {"none": Arm([2] * 3), HINTING: Arm([7] * 3)},
                Place("h2", "h2-node0", cpu="CPU B"): {"none": Arm([2] * 3), HINTING: Arm([2] * 3)},
            },
        ),
        ("nothing to compare with", node(reporting=Arm([7] * 3), hinting=Arm([8] * 3))),
        ("the baseline alone", node(none=Arm([2] * 3))),
        (
            "guests were not counted",
            node(none=Arm(seconds=[2.5] * 3), hinting=Arm(seconds=[1.2] * 3)),
        ),
        ("no run has a result", node()),
        (
            "more tiles, hardly slower",
            node(none=tiles([2] * 6), hinting=tiles([3] * 6, 1.03, seed=9, held=about(0.4, 6))),
        ),
        ("more tiles, at a price", node(none=tiles([2] * 6), hinting=tiles([3] * 6, 1.3, seed=9))),
        (
            "more tiles, costs open",
            node(none=tiles([2] * 6), hinting=tiles([3] * 6, 1.0, 0.15, seed=9)),
        ),
        (
            "more tiles, a program that does not end",
            node(
                none=tiles([2] * 6),
                hinting=tiles(
                    [3] * 6,
                    work={"build make": [NEVER, *about(0.3, 5)], "cache reread": about(0.02, 6)},
                ),
            ),
        ),
        (
            "more tiles, nothing but tiles counted",
            node(none=Arm(tiles=[2] * 6), hinting=Arm(tiles=[3] * 6)),
        ),
        ("one tile more, three blocks", node(none=tiles([2] * 3), hinting=tiles([3] * 3, seed=9))),
        (
            "as many tiles, in less memory",
            node(none=tiles([30] * 6), hinting=tiles([30] * 6, seed=9, held=about(0.3, 6))),
        ),
        ("fewer tiles", node(none=tiles([4] * 6), hinting=tiles([2] * 6, seed=9))),
        (
            "the maximum of tiles",
            node(none=tiles([2] * 6), hinting=tiles([8] * 6, seed=9, stopped=("maximum", None))),
            MOST_TILES,
        ),
        ("no tile without a mechanism", node(none=tiles([0] * 6), hinting=tiles([2] * 6, seed=9))),
        (
            "no tile at all",
            node(
                none=tiles([0] * 3, stopped=("swap", NO_DENSITY)),
                hinting=tiles([0] * 3, stopped=("swap", NO_DENSITY)),
            ),
        ),
        (
            "tiles nobody should believe",
            node(none=tiles([2] * 6), hinting=tiles([3] * 6, seed=9)),
            KERNEL,
        ),
        (
            "tiles and guests",
            node(
                none=replace(tiles([2] * 6), guests=[2] * 6),
                hinting=replace(tiles([3] * 6, seed=9), guests=[8] * 6),
            ),
        ),
        (
            "tiles on two sizes of node",
            {
                Place("h1", "h1-node0", 8192.0): {"none": tiles([2] * 6), HINTING: tiles([3] * 6)},
                Place("h2", "h2-node0", 65536.0): {
                    "none": tiles([20] * 6),
                    HINTING: tiles([31] * 6),
                },
            },
        ),
        ("tiles of the baseline alone", node(none=tiles([2] * 3))),
    )
}


def row(name: str) -> str:
    return f"| {name} | {said_of(*SITUATIONS[name])} |\n"


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_reads_as_documented(name: str) -> None:
    if os.environ.get("HINTFLEET_ACCEPT"):
        pytest.skip("the whole table is written by the test below")
    assert row(name) in table()


def table() -> str:
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def test_the_table_has_these_situations_and_no_other() -> None:
    if os.environ.get("HINTFLEET_ACCEPT"):
        head = "| what was seen | what the report says first |\n|---|---|\n"
        text = PAGE.read_text()
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        rows = "".join(row(name) for name in SITUATIONS)
        PAGE.write_text(f"{before}{BEGIN}{head}{rows}{END}{after}")
    assert re.findall(r"^\| (.*?) \|", table(), re.MULTILINE)[1:] == list(SITUATIONS)


@pytest.mark.parametrize("name", SITUATIONS)
def test_only_what_is_sound_is_recommended(name: str) -> None:
    """Whatever is told to be turned on is called sound in the sentence after it, and for whom."""
    said = said_of(*SITUATIONS[name])
    for sentence in re.findall(
        r"(?:Turn|Leave) [^.]*? (?:on|off).*?\. (That .*?)\)?\. ", f"{said} "
    ):
        assert re.match(
            r"That is sound on (this host|these \d+ hosts|hosts like these): ", sentence
        )
