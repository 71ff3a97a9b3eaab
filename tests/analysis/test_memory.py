# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory over time, worked out by hand."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from hintfleet.records.curves import footprint_gib_min, swap_traffic_mib
from hintfleet.records.samples import Samples


def samples(rows: list[tuple[float, int, float, float]]) -> Samples:
    table = np.array(rows)
    return Samples(table[:, 0], table[:, 1].astype(np.int64), table[:, 2], table[:, 3])


def test_swap_traffic_is_the_rises_and_the_falls() -> None:
    assert swap_traffic_mib(np.array([0.0, 30.0, 20.0, 60.0, 0.0])) == (70.0, 70.0)
    assert swap_traffic_mib(np.array([0.0, 30.0])) == (30.0, 0.0)
    assert swap_traffic_mib(np.array([5.0])) == (0.0, 0.0)
    assert swap_traffic_mib(np.array([])) == (0.0, 0.0)


def test_each_guest_is_charged_for_its_own_time_and_for_what_it_has_in_swap() -> None:
    # guest 1: 1024 MiB for a minute; guest 2: 512 resident and 512 in swap for half of one
    found = samples(
        [
            (0.0, 0, 9999.0, 0.0),
            (0.0, 1, 1024.0, 0.0),
            (60.0, 1, 1024.0, 0.0),
            (30.0, 2, 512.0, 512.0),
            (60.0, 2, 512.0, 512.0),
            (120.0, 0, 9999.0, 0.0),
        ]
    )
    assert footprint_gib_min(found) == pytest.approx(1.5)


class Counted(np.ndarray[Any, Any]):
    """An array that counts the elements of it that are computed with."""

    elements: ClassVar[int] = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        Counted.elements += max(np.size(value) for value in inputs)
        plain = [value.view(np.ndarray) if type(value) is Counted else value for value in inputs]
        return getattr(ufunc, method)(*plain, **options)


def test_a_file_with_a_guest_on_every_line_is_work_for_its_lines_only() -> None:
    guests = 1000
    rows = [(float(second), guest, 1024.0, 0.0) for second in (0, 60) for guest in range(guests)]
    found = samples(rows)
    columns = (found.seconds, found.guest, found.resident_mib, found.swap_mib)
    counted = Samples(*(column.view(Counted) for column in columns))
    Counted.elements = 0
    assert footprint_gib_min(counted) == pytest.approx(guests - 1)
    assert 0 < Counted.elements < 30 * len(rows)
