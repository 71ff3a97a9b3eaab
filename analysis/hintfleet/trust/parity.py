# SPDX-License-Identifier: GPL-2.0-or-later
"""Parity: mechanisms are compared only if nothing but the mechanism differs between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hintfleet.records.read import Run
from hintfleet.records.types import ParityValue

WHOLE_UP_TO = 60
"""Longer values are told by what differs in them."""


@dataclass(frozen=True)
class Disparity:
    """One setting that differs between mechanisms within a block.

    values are texts by mechanism; blocks counts where it happened.
    """

    name: str
    workload: str
    values: dict[str, str]
    blocks: int


def disparities(runs: Sequence[Run]) -> list[Disparity]:
    """Settings that differ between mechanisms of the same cell, block and workload.

    Compared within blocks, because a host may change between blocks without touching a paired
    comparison. A setting that only one side recorded differs too.
    """
    blocks: dict[tuple[str, str, int], list[Run]] = defaultdict(list)
    for run in runs:
        blocks[run.workload, run.cell, run.block].append(run)
    found: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for (workload, _, _), side_by_side in sorted(blocks.items()):
        names = sorted({name for run in side_by_side for name in run.record["parity"]})
        for name in names:
            values = {run.mechanism: _text(run, name) for run in side_by_side}
            if len(set(values.values())) > 1:
                found[workload, name].append(only_differences(values))
    return [
        Disparity(name, workload, merged(seen), len(seen))
        for (workload, name), seen in found.items()
    ]


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


def merged(seen: Sequence[dict[str, str]]) -> dict[str, str]:
    """Values by mechanism over several blocks, each different value once."""
    texts: dict[str, list[str]] = defaultdict(list)
    for values in seen:
        for mechanism, text in values.items():
            if text not in texts[mechanism]:
                texts[mechanism].append(text)
    return {mechanism: " or ".join(found) for mechanism, found in texts.items()}


def _text(run: Run, name: str) -> str:
    missing = object()
    value: ParityValue | object = run.record["parity"].get(name, missing)
    return "not recorded" if value is missing else str(value)
