# SPDX-License-Identifier: GPL-2.0-or-later
"""Return times as consolidation itself shows them."""

from __future__ import annotations

import numpy as np
from hintfleet.plan.returns import seen_returns
from hintfleet.records.samples import Samples

RESULT = {
    "active_footprint_mib": 300.0,
    "idle_footprint_mib": 100.0,
    "steps": [{"guest": 1}, {"guest": 2}, {"guest": 3}],
}


def samples(curves: dict[int, list[float]]) -> Samples:
    """Footprints of guests at 10 Hz."""
    rows = [(k / 10, guest, mib) for guest, curve in curves.items() for k, mib in enumerate(curve)]
    seconds, guest, mib = (np.array(column) for column in zip(*rows, strict=True))
    return Samples(seconds.astype(float), guest.astype(np.int64), mib.astype(float), 0.0 * seconds)


def test_times_count_from_the_last_sample_with_everything() -> None:
    falls = [100, 300, 300, 300, 200, 120, 102]
    late = [100, 300, 300, 300, 300, 300, 200, 120, 102]
    found = seen_returns(RESULT, samples({1: falls, 2: late, 3: [300]}))
    assert found == (0.1, 0.2, 0.3)


def test_a_guest_that_keeps_its_memory_never_returned_it() -> None:
    held = [100.0, 300.0, 300.0, 298.0]
    assert seen_returns(RESULT, samples({1: held, 2: held, 3: held})) == (None, None, None)


def test_half_of_the_guests_are_no_median() -> None:
    quick, held = [300.0, 100.0], [300.0, 300.0]
    assert seen_returns(RESULT, samples({1: quick, 2: held, 3: held}))[0] is None


def test_the_end_is_not_before_the_most_of_it() -> None:
    """Of three guests two got to 99 %, and those were the quicker ones."""
    result = {**RESULT, "steps": [{"guest": number} for number in range(1, 5)]}
    slow = [300.0, 300.0, 300.0, 118.0, 118.0]
    quick = [300.0, 101.0]
    found = seen_returns(result, samples({1: slow, 2: slow, 3: quick, 4: quick}))
    assert found[0] is not None and found[1] is not None
    assert found[2] is None or found[2] >= found[1]


def test_nothing_is_seen_without_samples() -> None:
    assert seen_returns(RESULT, samples({9: [1.0]})) == (None, None, None)
