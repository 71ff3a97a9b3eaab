# SPDX-License-Identifier: GPL-2.0-or-later
"""Single runs as renderers show them: None where a number was not measured or did not end."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hintfleet.records.observations import Observations


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
