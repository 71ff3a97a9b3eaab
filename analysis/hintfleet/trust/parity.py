# SPDX-License-Identifier: GPL-2.0-or-later
"""Parity: mechanisms are compared only if nothing but the mechanism differs between them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.records.observations import COMPARED, Mask, Observations, baseline_first
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


def differing_blocks(runs: Observations) -> Mask:
    """Which runs are of a block in which not all have the same settings."""
    differs = np.zeros(len(runs), dtype=np.bool_)
    if len(runs):
        order = np.argsort(runs.block, kind="stable")
        block, parity = runs.block[order], runs.texts["parity"].codes[order]
        starts = np.flatnonzero(np.diff(block, prepend=block[0] - 1))
        least, most = np.minimum.reduceat(parity, starts), np.maximum.reduceat(parity, starts)
        sizes = np.diff(starts, append=block.size)
        differs[order] = np.repeat(least != most, sizes)
    return differs


def disparities(workload: str, runs: Observations) -> list[Disparity]:
    """Settings that differ between mechanisms of the same block; runs: of blocks that differ.

    Compared within blocks, because a host may change between blocks without touching a paired
    comparison. A setting that only one side recorded differs too.
    """
    blocks: dict[tuple[str, str, float, int], dict[str, dict[str, ParityValue]]] = {}
    parity = [json.loads(text or "{}") for text in runs.texts["parity"].texts]
    where = zip(
        map(str, runs.texts["study"]),
        map(str, runs.texts["cell"]),
        runs.numbers["block"].tolist(),
        runs.block.tolist(),
        strict=True,
    )
    settings = zip(runs.texts[COMPARED], runs.texts["parity"].codes, strict=True)
    for place, (mechanism, code) in zip(where, settings, strict=True):
        blocks.setdefault(place, {})[mechanism] = parity[code]
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for _, side_by_side in sorted(blocks.items(), key=lambda item: item[0]):
        for name in sorted({name for values in side_by_side.values() for name in values}):
            values = {
                mechanism: _text(side_by_side[mechanism], name)
                for mechanism in baseline_first(side_by_side)
            }
            if len(set(values.values())) > 1:
                found[name].append(only_differences(values))
    return [Disparity(name, workload, merged(seen), len(seen)) for name, seen in found.items()]


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


def _text(settings: dict[str, ParityValue], name: str) -> str:
    missing = object()
    value: ParityValue | object = settings.get(name, missing)
    return "not recorded" if value is missing else str(value)
