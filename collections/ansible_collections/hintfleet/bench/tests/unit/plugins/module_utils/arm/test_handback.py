# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies that make memory free in a guest, and what is stated of mechanisms that are driven."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm import reclaim as _reclaim
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import arm_of
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError, GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Completed

RECLAIM = PIECES["reclaim"]


def completed(output: str, code: int = 0) -> Completed:
    return Completed(code, None, output, "" if code == 0 else "no such file", 0.25)


class FakeGuest:
    """A guest that keeps what is written and answers with `output` to every script."""

    def __init__(self, output: str = "", files: dict[str, str] | None = None) -> None:
        self.name = "guest1"
        self.machine: Any = SimpleNamespace(memory_mib=320)
        self.output = output
        self.files = files or {}
        self.commands: list[str] = []

    def run(self, command: list[str], _seconds: float) -> Completed:
        self.commands.append(" ".join(command))
        if command[0] == "/bin/cat":
            found = self.files.get(command[1].rpartition("/")[2])
            return completed("", 1) if found is None else completed(found)
        return completed(self.output)


def test_what_became_free_is_the_cache_that_fell() -> None:
    guest: Any = FakeGuest("cache 65536\ncache 1024\n")
    (done,) = RECLAIM.rested("drop_caches", guest, 9.0)
    assert done.record() == {
        "step": "reclaimed", "by": "drop_caches", "asked_mib": 64.0, "done_mib": 63.0,
        "seconds": 0.25, "missed": False,
    }  # fmt: skip
    assert "echo 3 >/proc/sys/vm/drop_caches" in guest.commands[0]


def test_a_policy_that_frees_little_has_missed() -> None:
    guest: Any = FakeGuest("cache 65536\ncache 60000\n")
    (done,) = RECLAIM.rested("memory_reclaim", guest, 9.0)
    assert done.missed
    assert "compact_memory" in guest.commands[0]


@pytest.mark.parametrize("output", ["", "cache 5\n", "cache x\ncache y\n", "cache 1\n" * 3])
def test_a_policy_that_tells_nothing_is_a_sentence(output: str) -> None:
    guest: Any = FakeGuest(output)
    with pytest.raises(GuestError, match="policy drop_caches failed in guest guest1"):
        RECLAIM.rested("drop_caches", guest, 9.0)


def test_damon_states_age_and_quota_and_acts_by_itself() -> None:
    arm = arm_of({"name": "a", "mechanism": "free_page_reporting", "reclaim": "damon"})
    value = arm.states["reclaim"]
    assert value == {"policy": "damon", "min_age_seconds": 5, "quota_mib": 128}
    guest: Any = FakeGuest(files={"enabled": "Y"})
    assert RECLAIM.rested(value, guest, 9.0) == []
    RECLAIM.booted(value, guest)
    assert "min_age" in guest.commands[0] and "5000000" in guest.commands[0]
    written = [command for command in guest.commands if "printf" in command]
    assert "enabled" in written[-1]  # its parameters count when it begins


def test_damon_is_waited_for_until_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    guest: Any = FakeGuest(files={"enabled": "N"})
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            guest.files["enabled"] = "Y"

    monkeypatch.setattr(_reclaim.time, "sleep", sleep)
    RECLAIM.booted(RECLAIM.checked("damon"), guest)
    assert len(waited) == 3


def test_what_damon_was_told_is_read_back() -> None:
    value = RECLAIM.checked({"policy": "damon", "min_age_seconds": 2})
    files = {
        "min_age": "2000000", "quota_sz": str(128 * 2**20), "quota_ms": "100",
        "quota_reset_interval_ms": "1000", "wmarks_high": "1000", "wmarks_mid": "1000",
        "wmarks_low": "0", "enabled": "Y", "bytes_reclaimed_regions": str(64 * 2**20),
    }  # fmt: skip
    guest: Any = FakeGuest(files=files)
    assert RECLAIM.shown(value, guest) == "DAMON_RECLAIM runs and has reclaimed 64 MiB so far"
    files["enabled"] = "N"
    with pytest.raises(GuestError, match=r"damon with enabled Y.*reads 'N'"):
        RECLAIM.shown(value, guest)


@pytest.mark.parametrize(
    ("value", "options"),
    [("drop_caches", ()), ("memory_reclaim", ("MEMCG", "COMPACTION"))],
)
def test_each_policy_names_what_its_kernel_needs(value: str, options: tuple[str, ...]) -> None:
    assert RECLAIM.needs(RECLAIM.checked(value)) == options
    assert RECLAIM.needs(RECLAIM.checked("damon")) == ("DAMON_RECLAIM",)


@pytest.mark.parametrize(
    ("piece", "value", "sentence"),
    [
        ("reclaim", "dropcaches", "choose from drop_caches, memory_reclaim, damon"),
        ("reclaim", None, "choose from"),
        ("reclaim", {"policy": "drop_caches", "min_age_seconds": 5}, "nothing to be set"),
        ("reclaim", {"policy": "damon", "age": 5}, "age is none of min_age_seconds, quota_mib"),
        ("reclaim", {"policy": "damon", "quota_mib": 0}, "give quota_mib as a whole number"),
        ("reclaim", {"policy": "damon", "quota_mib": True}, "give quota_mib as a whole number"),
        ("balloon", "64", "give a mapping with margin_mib, pulse"),
        ("balloon", {"margin_mib": 8}, "a whole number from 16 on"),
        ("balloon", {"margin_mib": 64.5}, "a whole number from 16 on"),
        ("balloon", {"pulse": 1}, "give pulse as true or false"),
        ("balloon", {"margin": 64}, "give a mapping with margin_mib, pulse"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(piece: str, value: Any, sentence: str) -> None:
    with pytest.raises(BenchError, match=sentence):
        arm_of({"name": "a", "mechanism": "balloon", piece: value})


@pytest.mark.parametrize("value", [{}, 128, {"plug_mib": 100}, {"plug_mib": 0}, {"plug": 128}])
def test_what_is_plugged_comes_in_whole_blocks(value: Any) -> None:
    with pytest.raises(BenchError, match=r"plug_mib( as a multiple of 128|\.)"):
        arm_of({"name": "a", "mechanism": "virtio_mem", "virtio_mem": value})
    good = arm_of({"name": "a", "mechanism": "virtio_mem", "virtio_mem": {"plug_mib": 256}})
    assert good.policy == {"plug_mib": 256}


def test_a_policy_of_the_balloon_belongs_to_the_balloon() -> None:
    given = {"name": "a", "mechanism": "page_hinting", "balloon": {"margin_mib": 32}}
    with pytest.raises(BenchError, match=r"policy of the mechanism balloon.*leave one of them out"):
        arm_of(given)
    assert arm_of(given | {"mechanism": "balloon"}).states["balloon"]["pulse"] is False
