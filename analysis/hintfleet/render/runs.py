# SPDX-License-Identifier: GPL-2.0-or-later
"""Single runs as renderers show them: None where a number was not measured or did not end."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from hintfleet.records.observations import Observations

MOST_SHOWN, MOST_LISTED = 2_000, 20_000
"""Of an arm: of more runs nobody looks at each, or has a program read each from JSON (there is
the store)."""


def shown(observations: Observations) -> Observations:
    """The runs, or if there are too many to be looked at, so many of them, evenly chosen."""
    if len(observations) <= MOST_SHOWN:
        return observations
    return observations.where(np.linspace(0, len(observations) - 1, MOST_SHOWN).astype(np.int64))


def listed(observations: Observations) -> Observations:
    """The runs, or none if there are too many."""
    few = len(observations) <= MOST_LISTED
    return observations if few else observations.where(np.zeros(0, dtype=np.int64))


def known(observations: Observations, name: str) -> list[float | None]:
    """A column of numbers, by run."""
    values = observations.numbers[name].tolist()
    return [value if math.isfinite(value) else None for value in values]


def whole(observations: Observations, name: str) -> list[int | None]:
    """A column of counts, by run."""
    return [None if value is None else int(value) for value in known(observations, name)]


def memhog_seconds(observations: Observations) -> list[tuple[float | None, ...]]:
    """By run: seconds of its guests in turn, None for one that was not seen to end."""
    return [
        tuple(value if math.isfinite(value) else None for value in row if not math.isnan(value))
        for row in observations.matrices["memhog_seconds"].values.tolist()
    ]


def places(observations: Observations) -> Iterator[tuple[str, int]]:
    """Cell and block of each run."""
    numbers = observations.numbers["block"].astype(int).tolist()
    return zip(map(str, observations.texts["cell"]), numbers, strict=True)
