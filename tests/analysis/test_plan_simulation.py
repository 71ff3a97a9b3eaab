# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory of simulated nodes, against hand-computed values and a node followed in steps."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hintfleet.plan.demand import Demand, Trace
from hintfleet.plan.model import Footprint, Footprints, collect
from hintfleet.plan.schedule import Schedule, draw_schedules, in_order
from hintfleet.plan.simulation import Residency, peaks, trace_peaks
from hypothesis import given, settings
from hypothesis import strategies as st

ZERO = np.zeros((1, 1), dtype=np.int64)
FIRST = np.array([0])


def footprints(
    idle: float = 100.0, seconds_to: tuple[float | None, ...] = (1.0, 1.8, 1.98)
) -> Footprints:
    """A guest of 100 MiB plus 200 MiB of program; by default it returns 100 MiB a second."""
    return collect([Footprint("m", "a", 300.0, idle, 200.0, 200.0, seconds_to)])  # type: ignore[arg-type]


def resident(guest: Residency, seconds: float) -> float:
    return float(guest.resident_mib(FIRST, np.array([seconds]))[0, 0])


def change(guest: Residency, seconds: float, level: float) -> None:
    guest.change(FIRST, np.array([seconds]), np.array([level]))


def test_freed_memory_goes_back_as_it_was_measured() -> None:
    guest = Residency(footprints(), ZERO)
    change(guest, 0.0, 1.0)
    assert resident(guest, 5.0) == 300.0
    change(guest, 10.0, 0.0)
    for after, left in ((0.0, 200.0), (0.5, 150.0), (1.0, 100.0), (1.8, 20.0), (2.0, 0.0)):
        assert resident(guest, 10.0 + after) == pytest.approx(100.0 + left, abs=1e-6)


def test_half_as_much_takes_as_long_as_what_was_measured_and_twice_as_much_twice() -> None:
    for level, seconds in ((0.5, 1.0), (1.0, 1.0), (2.0, 2.0)):
        guest = Residency(footprints(), ZERO)
        change(guest, 0.0, level)
        change(guest, 10.0, 0.0)
        assert resident(guest, 10.0 + seconds) == pytest.approx(100.0 + level * 100.0)


def test_the_delay_does_not_grow_with_what_is_freed() -> None:
    waits_three_seconds = footprints(seconds_to=(4.0, 4.8, 4.98))
    for level, seconds in ((0.5, 1.0), (1.0, 1.0), (2.0, 2.0)):
        guest = Residency(waits_three_seconds, ZERO)
        change(guest, 0.0, level)
        change(guest, 10.0, 0.0)
        assert resident(guest, 13.0) == pytest.approx(100.0 + level * 200.0)
        assert resident(guest, 13.0 + seconds) == pytest.approx(100.0 + level * 100.0)


def test_memory_on_its_way_back_is_used_again_first() -> None:
    guest = Residency(footprints(), ZERO)
    change(guest, 0.0, 1.0)
    change(guest, 10.0, 0.0)
    change(guest, 11.0, 0.25)  # 100 of 200 MiB are still there, 50 of them are taken back
    assert resident(guest, 11.0) == pytest.approx(200.0)
    assert resident(guest, 20.0) == pytest.approx(150.0)


def test_nothing_goes_back_without_a_mechanism() -> None:
    guest = Residency(footprints(idle=290.0, seconds_to=(None, None, None)), ZERO)
    change(guest, 0.0, 0.5)
    change(guest, 10.0, 0.0)
    assert resident(guest, 1e6) == 200.0
    change(guest, 1e6, 1.0)
    change(guest, 1e6 + 1, 0.0)
    assert resident(guest, 2e6) == 300.0


def test_what_a_mechanism_keeps_stays() -> None:
    guest = Residency(footprints(idle=150.0), ZERO)
    change(guest, 0.0, 1.0)
    change(guest, 1.0, 0.0)
    assert resident(guest, 100.0) == pytest.approx(150.0)


def test_repeating_a_level_changes_nothing() -> None:
    """Rounding must not be taken for newly freed memory, or a trace would never return any."""
    guest = Residency(footprints(), ZERO)
    change(guest, 0.0, 1.0)
    for k in range(100):
        change(guest, 10.0 + k * 0.1, 0.0)
    assert resident(guest, 20.0) == pytest.approx(100.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.0, 1.5)), min_size=1, max_size=12),
    st.sampled_from([100.0, 150.0]),
)
def test_a_guest_holds_at_least_its_need_and_at_most_its_high_water(
    changes: list[tuple[float, float]], idle: float
) -> None:
    guest = Residency(footprints(idle=idle), ZERO)
    now, high = 0.0, 0.0
    for gap, level in changes:
        now += gap
        change(guest, now, level)
        need = 100.0 + 200.0 * level
        high = max(high, need)
        before = resident(guest, now)
        after = resident(guest, now + gap)
        assert need - 1e-6 <= after <= before + 1e-6 <= high + 2e-6


def drawn(
    demand: Demand, seed: int, nodes: int, guests: int, *of_type: Demand, kind: tuple[int, ...] = ()
) -> Schedule:
    """All windows of the schedules of nodes as one, each of which begins where the last ended."""
    windows = list(
        draw_schedules(
            demand,
            of_type or (demand,),
            np.array(kind or (0,) * guests),
            np.random.default_rng(seed),
            nodes,
        )
    )
    ends = [window.seconds[np.isfinite(window.seconds)].max(initial=-np.inf) for window in windows]
    starts = [window.seconds.min(initial=np.inf) for window in windows]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    seconds, guest, level = (
        np.concatenate([getattr(window, name) for window in windows], axis=1)
        for name in ("seconds", "guest", "level")
    )
    order = np.argsort(seconds, axis=1, kind="stable")  # what never comes moves to the end
    return Schedule(*(np.take_along_axis(one, order, axis=1) for one in (seconds, guest, level)))


def followed_in_steps(
    demand: Demand, guests: int, nodes: int, seed: int, returned: bool
) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Peaks of the same schedule by looking at every node every 50 ms."""
    schedule = drawn(demand, seed, nodes, guests)
    f = footprints() if returned else footprints(seconds_to=(None, None, None))
    exact = peaks(f, np.zeros((nodes, guests), np.int64), [schedule], demand.horizon_seconds)
    step, largest = 0.05, np.zeros((nodes, guests))
    for node in range(nodes):
        level, left = np.zeros(guests), np.zeros(guests)
        high = np.zeros(guests)
        rate = np.zeros(guests)
        pending = list(
            zip(schedule.seconds[node], schedule.guest[node], schedule.level[node], strict=True)
        )
        for now in np.arange(pending[0][0], demand.horizon_seconds, step):
            left = np.maximum(left - rate * step, 0.0)
            while pending and pending[0][0] <= now:
                _, g, wanted = pending.pop(0)
                held = level[g] * 200.0 + left[g]
                level[g] = wanted
                newly = max(held - wanted * 200.0, 0.0)
                if newly > left[g]:
                    rate[g] = min(newly, 200.0) / 2.0
                elif left[g]:
                    rate[g] *= newly / left[g]
                left[g] = newly
                high[g] = max(high[g], wanted * 200.0)
            if now >= 0.0:
                used = level * 200.0 + left if returned else high
                largest[node] = np.maximum(largest[node], np.cumsum(100.0 + used))
    return exact, largest


@pytest.mark.parametrize("returned", [True, False])
def test_peaks_are_those_of_a_node_followed_in_small_steps(returned: bool) -> None:
    demand = Demand(120.0, active_seconds=6.0, idle_seconds=9.0, least_level=0.3)
    exact, stepped = followed_in_steps(demand, guests=4, nodes=3, seed=4, returned=returned)
    assert exact == pytest.approx(stepped, abs=12.0)  # 50 ms at 100 MiB/s for up to 4 guests


def test_simultaneous_guests_peak_together_and_staggered_ones_do_not() -> None:
    shape = (50, 5)
    runs = np.zeros(shape, np.int64)
    together = Demand(3600.0, 60.0, 300.0, spread=0.0, together=1.0)
    staggered = Demand(3600.0, 60.0, 3600.0, spread=0.0, stagger_seconds=120.0)
    for demand, expected in ((together, 5 * 300.0), (staggered, 300.0 + 4 * 100.0)):
        schedule = drawn(demand, 1, *shape)
        largest = peaks(footprints(), runs, [schedule], demand.horizon_seconds)
        assert largest[:, -1] == pytest.approx(np.full(50, expected))


def test_two_guests_share_a_schedule_as_often_as_asked() -> None:
    demand = Demand(1000.0, 10.0, 1000.0, spread=0.0, together=0.5)
    schedule = drawn(demand, 2, 4000, 2)
    rises = np.where(schedule.level > 0.0, schedule.seconds, np.inf)
    first, second = np.sort(rises, axis=1)[:, :2].T
    assert np.mean(first == second) == pytest.approx(0.25, abs=0.03)


def test_phases_last_as_long_as_asked() -> None:
    demand = Demand(200_000.0, active_seconds=20.0, idle_seconds=60.0, spread=0.8)
    assert share_in_use(drawn(demand, 3, 20, 1), demand)[0] == pytest.approx(0.25, rel=0.03)


def share_in_use(schedule: Schedule, demand: Demand) -> np.ndarray:  # type: ignore[type-arg]
    """Share of the horizon in which each guest uses memory, over all nodes."""
    nodes, guests = schedule.seconds.shape[0], int(schedule.guest.max()) + 1
    used = np.zeros(guests)
    for node in range(nodes):
        for guest in range(guests):
            own = (schedule.guest[node] == guest) & (schedule.seconds[node] < np.inf)
            seconds = np.append(schedule.seconds[node][own], demand.horizon_seconds).clip(0.0)
            used[guest] += schedule.level[node][own] @ np.diff(seconds)
    return used / (nodes * demand.horizon_seconds)


def test_each_type_of_guest_has_its_own_phases() -> None:
    often = Demand(100_000.0, active_seconds=60.0, idle_seconds=60.0)
    seldom = Demand(100_000.0, active_seconds=10.0, idle_seconds=390.0)
    schedule = drawn(often, 4, 30, 3, often, seldom, kind=(0, 1, 1))
    assert share_in_use(schedule, often) == pytest.approx([0.5, 0.025, 0.025], rel=0.1)


def test_guests_that_peak_together_do_so_whatever_their_type() -> None:
    common = Demand(10_000.0, 10.0, 1000.0, together=1.0)
    other = Demand(10_000.0, 500.0, 500.0, together=1.0)
    schedule = drawn(common, 5, 10, 2, common, other, kind=(0, 1))
    for node in range(10):
        first, second = (schedule.seconds[node][schedule.guest[node] == k] for k in (0, 1))
        assert first[first < np.inf] == pytest.approx(second[second < np.inf])


def test_memory_does_not_grow_with_the_hours_simulated() -> None:
    """Ten times the hours take as much memory, of everything that Python and numpy hold."""
    held = []
    for hours in (4.0, 40.0):
        demand = Demand(hours * 3600.0, active_seconds=60.0, idle_seconds=300.0)
        tracemalloc.start()
        random, runs = np.random.default_rng(1), np.zeros((300, 8), np.int64)
        windows = draw_schedules(demand, [demand], np.zeros(8, np.int64), random, 300)
        peaks(footprints(), runs, windows, demand.horizon_seconds)
        held.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert held[1] < 1.1 * held[0]


def test_only_what_lies_within_the_horizon_counts() -> None:
    seconds = np.array([[[-10.0, -5.0, 50.0]]])
    schedule = in_order(seconds, np.array([[[1.0, 0.0, 1.0]]]))
    runs = np.zeros((1, 1), np.int64)
    assert peaks(footprints(), runs, [schedule], 40.0)[0, 0] == 100.0
    assert peaks(footprints(), runs, [schedule], 60.0)[0, 0] == 300.0


def test_a_trace_that_rises_and_falls_peaks_where_it_rises() -> None:
    used = np.zeros((1, 100))
    used[0, 10:20] = 200.0
    runs = np.zeros((30, 3), np.int64)
    simultaneous = Trace(10.0, used, together=1.0, horizon_seconds=1000.0)
    staggered = Trace(10.0, used, stagger_seconds=200.0, horizon_seconds=1000.0)
    random = np.random.default_rng(5)
    assert trace_peaks(footprints(), runs, simultaneous, random, [""] * 3)[:, -1] == pytest.approx(
        np.full(30, 900.0)
    )
    assert trace_peaks(footprints(), runs, staggered, random, [""] * 3)[:, -1] == pytest.approx(
        np.full(30, 500.0)
    )
