# SPDX-License-Identifier: GPL-2.0-or-later
"""Parity: arms are compared only if nothing differs between them but what they state.

What an arm states may differ from the others in the settings that its statement is about
(`differs` in its record), and from no arm that states the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hintfleet.records.observations import COMPARED, Codes, Mask, Observations, baseline_first
from hintfleet.records.types import ParityValue

WHOLE_UP_TO = 60
"""Longer values are told by what differs in them."""

DECIDE = ("parity", "states", "differs", COMPARED)
"""Columns that say whether runs of a block are at parity."""


@dataclass(frozen=True)
class Disparity:
    """One setting that differs between arms within a block.

    values are texts by arm; blocks counts where it happened.
    """

    name: str
    workload: str
    values: dict[str, str]
    blocks: int


@dataclass(frozen=True)
class _Setting:
    """What one run says: its settings, and of which piece of the arm each may be."""

    arm: str
    parity: dict[str, ParityValue]
    states: dict[str, Any]
    differs: dict[str, str]

    def stated(self, name: str) -> str:
        """What the arm states that this setting is about; "" if nothing."""
        piece = self.differs.get(name)
        return "" if piece is None else f"{piece}={json.dumps(self.states.get(piece))}"


def weigh_parity(workload: str, runs: Observations) -> tuple[Mask, list[Disparity]]:
    """Which runs are of a block in which something differs that no arm states, and what.

    Compared within blocks, because a host may change between blocks without touching a paired
    comparison. A setting that only one side recorded differs too. Blocks that say the same are
    looked at once: of many there are few kinds.
    """
    kind, runs_of = _kinds_of_blocks(runs)
    found: dict[str, list[tuple[dict[str, str], int]]] = defaultdict(list)
    differs = np.zeros(len(runs), dtype=np.bool_)
    for number, of_kind in enumerate(runs_of):
        values = _differences([_setting(runs, int(run)) for run in of_kind], runs.baseline)
        if values:
            mine = kind == number
            differs |= mine
            blocks = int(np.unique(runs.block[mine]).size)
            for name, texts in values.items():
                found[name].append((texts, blocks))
    return differs, [
        Disparity(
            name,
            workload,
            merged([texts for texts, _ in seen], runs.baseline),
            sum(blocks for _, blocks in seen),
        )
        for name, seen in sorted(found.items())
    ]


def _kinds_of_blocks(runs: Observations) -> tuple[Codes, list[Codes]]:
    """For each run the kind of its block, or -1 if all runs of it say the same; and of each kind
    the runs of one block."""
    kind = np.full(len(runs), -1)
    if not len(runs):
        return kind, []
    said = np.zeros(len(runs), dtype=np.int64)
    for column in DECIDE:
        codes = runs.texts[column].codes
        said = np.unique(said * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    # Blocks with the same runs have the same sum of numbers drawn for what runs say.
    drawn = np.random.default_rng(0).integers(1, 2**62, int(said.max()) + 1, dtype=np.uint64)
    order = np.argsort(runs.block, kind="stable")
    starts = np.flatnonzero(np.diff(runs.block[order], prepend=runs.block[order[0]] - 1))
    sizes = np.diff(starts, append=order.size)
    parity = runs.texts["parity"].codes[order]
    differs = np.minimum.reduceat(parity, starts) != np.maximum.reduceat(parity, starts)
    sums = np.add.reduceat(drawn[said[order]], starts)
    _, first, number = np.unique(sums[differs], return_index=True, return_inverse=True)
    of_block = np.full(starts.size, -1)
    of_block[differs] = number
    kind[order] = np.repeat(of_block, sizes)
    chosen = np.flatnonzero(differs)[first]
    return kind, [order[starts[one] : starts[one] + sizes[one]] for one in chosen]


def _setting(runs: Observations, run: int) -> _Setting:
    def text(column: str) -> str:
        texts = runs.texts[column]
        return texts.texts[texts.codes[run]] or "{}"

    return _Setting(
        text(COMPARED), *(json.loads(text(column)) for column in ("parity", "states", "differs"))
    )


def _differences(block: Sequence[_Setting], baseline: str) -> dict[str, dict[str, str]]:
    """By setting its values by arm, where arms that state the same about it do not agree."""
    order = baseline_first((one.arm for one in block), baseline)
    block = sorted(block, key=lambda one: order.index(one.arm))
    found = {}
    for name in sorted({name for one in block for name in one.parity}):
        alike: dict[str, dict[str, str]] = defaultdict(dict)
        for one in block:
            alike[one.stated(name)][one.arm] = _text(one.parity, name)
        values = {
            arm: text
            for group in alike.values()
            if len(set(group.values())) > 1
            for arm, text in group.items()
        }
        if values:
            found[name] = only_differences(values)
    return found


def only_differences(values: dict[str, str]) -> dict[str, str]:
    """Of long texts such as command lines only the words that not all of them have."""
    if max(map(len, values.values())) <= WHOLE_UP_TO:
        return values
    words = {name: text.split() for name, text in values.items()}
    common = set.intersection(*(set(text) for text in words.values()))
    return {
        name: " ".join(word for word in text if word not in common) or "nothing more"
        for name, text in words.items()
    }


def merged(seen: Sequence[dict[str, str]], baseline: str) -> dict[str, str]:
    """Values by arm over several blocks, each different value once, in no block's order."""
    texts: dict[str, list[str]] = defaultdict(list)
    for values in seen:
        for arm, text in values.items():
            if text not in texts[arm]:
                texts[arm].append(text)
    return {arm: " or ".join(sorted(texts[arm])) for arm in baseline_first(texts, baseline)}


def _text(settings: dict[str, ParityValue], name: str) -> str:
    missing = object()
    value: ParityValue | object = settings.get(name, missing)
    return "not recorded" if value is missing else str(value)
