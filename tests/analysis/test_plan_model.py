# SPDX-License-Identifier: GPL-2.0-or-later
"""What a plan is computed from."""

from __future__ import annotations

import dataclasses

import pytest
from hintfleet.plan.demand import OPTIONS, Demand, NodeKind
from hintfleet.plan.model import NEVER_SECONDS, Footprint, by_arm
from hintfleet.records.read import UnusableError

REPORTING = Footprint("free_page_reporting", "a", 366.0, 100.0, 256.0, 256.0, (2.0, 3.0, 4.0))


def test_base_is_what_a_guest_holds_that_uses_nothing() -> None:
    assert REPORTING.base_mib == 100.0
    assert REPORTING.kept_share == 0.0
    partly = dataclasses.replace(REPORTING, idle_mib=174.0)
    assert partly.base_mib == 110.0
    assert partly.kept_share == pytest.approx((174 - 110) / 256)


def test_nothing_is_returned_without_a_return_time() -> None:
    none = dataclasses.replace(REPORTING, arm="none", seconds_to=(None, None, None))
    assert none.kept_share == 1.0
    assert min(none.return_curve()) >= NEVER_SECONDS


@pytest.mark.parametrize(
    ("seconds_to", "delay", "curve"),
    [
        # 0.4 of it in 1 s: 2.5 s for all, so 50 % after 1.25 s, which leaves 0.75 s of waiting
        ((2.0, 3.0, 4.0), 0.75, (1.25, 2.25, 3.25, 3.25 + 1.0 / 9.0)),
        ((2.0, 3.0, None), 0.75, (1.25, 2.25, 2.475, 2.5)),
        ((2.0, None, None), 0.0, (2.0, 3.6, 3.96, 4.0)),
        # slows down as an exponential does: no delay
        ((0.7, 2.3, 4.6), 0.0, (0.7, 2.3, 4.6, 4.6 + 2.3 / 9.0)),
    ],
)
def test_a_return_is_a_delay_and_a_curve(
    seconds_to: tuple[float | None, float | None, float | None],
    delay: float,
    curve: tuple[float, ...],
) -> None:
    """A missing point continues the line through the two before it."""
    footprint = dataclasses.replace(REPORTING, seconds_to=seconds_to)
    assert footprint.delay_seconds == pytest.approx(delay)
    assert footprint.return_curve() == pytest.approx(curve)


def test_return_curve_rises_even_if_all_came_back_at_once() -> None:
    curve = dataclasses.replace(REPORTING, seconds_to=(0.0, 0.0, 0.0)).return_curve()
    assert sorted(set(curve)) == list(curve)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"active_mib": 0.0}, "active_mib must be above 0"),
        ({"idle_mib": 400.0}, r"idle_mib must lie in 0\.\.active_mib"),
        ({"seconds_to": (3.0, 2.0, None)}, "must rise from 50 to 99"),
        ({"touched_mib": float("nan")}, "touched_mib must be above 0"),
    ],
)
def test_impossible_footprints_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(UnusableError, match=words):
        dataclasses.replace(REPORTING, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"together": 1.5}, {"spread": -1.0}, {"stagger_seconds": -1.0}])
def test_impossible_demand_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(UnusableError, match=OPTIONS[next(iter(change))][0]):
        dataclasses.replace(Demand(), **change)  # type: ignore[arg-type]


def test_nodes_without_memory_are_refused() -> None:
    with pytest.raises(UnusableError, match="memory above 0 MiB"):
        NodeKind(0.0, 3)


def test_mechanisms_are_planned_on_the_hosts_they_share() -> None:
    other = dataclasses.replace(REPORTING, arm="none", seconds_to=(None, None, None))
    arrays = by_arm(
        [
            dataclasses.replace(REPORTING, host="b", active_mib=400.0),
            REPORTING,
            dataclasses.replace(REPORTING, idle_mib=90.0),
            other,
        ]
    )
    assert list(arrays) == ["none", "free_page_reporting"]
    assert arrays["free_page_reporting"].hosts == ("a",)
    assert arrays["free_page_reporting"].runs.tolist() == [[2]]
    assert sorted(arrays["free_page_reporting"].base_mib.tolist()) == [90.0, 100.0]


def test_mechanisms_without_a_common_host_are_refused() -> None:
    other = dataclasses.replace(REPORTING, arm="none", host="b")
    with pytest.raises(UnusableError, match="no host has consolidation results of all"):
        by_arm([REPORTING, other])
