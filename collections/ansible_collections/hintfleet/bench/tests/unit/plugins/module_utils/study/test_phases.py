# SPDX-License-Identifier: GPL-2.0-or-later
"""Phases are told in lines that move."""

from __future__ import annotations

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.study.phases import Phases


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def phases(clock: Clock) -> Phases:
    begun = Phases(clock)
    begun.begin("Prepare the hosts")
    begun.work()
    return begun


def compiling(done: int, expected: int | None = 1000) -> dict[str, object]:
    return {"stage": "compiling", "done": done, "expected": expected}


def test_a_phase_from_its_beginning_to_its_end(phases: Phases, clock: Clock) -> None:
    assert phases.line() == "Prepare the hosts (0 s): it begins"
    phases.task("Install QEMU", 3)
    clock.now = 41
    phases.host_done()
    assert phases.line() == "Prepare the hosts (41 s): Install QEMU, 1 of 3 hosts"
    phases.task("Make the user", 1)
    assert phases.line() == "Prepare the hosts (41 s): Make the user"
    assert phases.line("2 of 27 runs") == "Prepare the hosts (41 s): 2 of 27 runs"
    clock.now = 200
    assert phases.end() == "Prepare the hosts: 3 min"
    assert phases.end() is None


def test_time_left_goes_by_the_pace_since_the_first_look(phases: Phases, clock: Clock) -> None:
    phases.task("Wait for the kernel", 1)
    phases.count(compiling(400))  # by another play that was stopped
    assert phases.line().endswith("compiling, 400 of about 1000 objects")
    clock.now = 60
    phases.count(compiling(500))
    assert phases.line().endswith("compiling, 500 of about 1000 objects, about 5 min left")


def test_a_new_stage_is_paced_anew(phases: Phases, clock: Clock) -> None:
    phases.count({"stage": "configuring", "done": 0, "expected": None})
    assert phases.line().endswith(": configuring")
    clock.now = 100
    phases.count(compiling(10))
    clock.now = 110
    phases.count(compiling(20))
    assert phases.line().endswith("20 of about 1000 objects, about 16 min left")


@pytest.mark.parametrize("expected", [None, 1000])
def test_nothing_is_promised_that_is_not_known(
    phases: Phases, clock: Clock, expected: int | None
) -> None:
    phases.count(compiling(900, expected))
    clock.now = 10
    phases.count(compiling(1100, expected))
    assert phases.line().endswith(": compiling, 1100 objects")


def test_silence_is_noticed_before_a_minute_is_over(phases: Phases, clock: Clock) -> None:
    clock.now = 49
    assert not phases.quiet_for_long()
    clock.now = 50
    assert phases.quiet_for_long()
    phases.spoke()
    clock.now = 99
    assert not phases.quiet_for_long()
    clock.now = 100
    assert phases.quiet_for_long()
    phases.end()
    assert not phases.quiet_for_long()


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        7,
        "compiling",
        {},
        {"stage": "compiling"},
        *({"stage": stage, "done": 1, "expected": 2} for stage in (None, 7, [], {})),
        *({"stage": "compiling", "done": n, "expected": None} for n in ("1", -1, True, 10**400)),
        *({"stage": "compiling", "done": 1, "expected": n} for n in ("1", -1, 0.5, 10**400)),
    ],
)
def test_a_builder_that_counts_nonsense_is_not_listened_to(
    phases: Phases, clock: Clock, nonsense: object
) -> None:
    phases.count(compiling(1))
    phases.count(nonsense)
    clock.now = 10
    phases.count(compiling(11))
    assert phases.line().endswith("compiling, 11 of about 1000 objects, about 16 min left")


def test_what_a_builder_is_at_is_one_short_line(phases: Phases) -> None:
    phases.count({"stage": "\x1b[2J\n" + "x" * 10**6, "done": 0, "expected": None})
    assert phases.line() == "Prepare the hosts (0 s): \ufffd[2J " + "x" * 55
