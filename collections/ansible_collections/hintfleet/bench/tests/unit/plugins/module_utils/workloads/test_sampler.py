# SPDX-License-Identifier: GPL-2.0-or-later
"""A cell that is no longer watched is no measurement."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sampler

DEADLINE_SECONDS = 30


class FakeCell:
    """A cell whose memory can be read `reads` times."""

    def __init__(self, reads: int) -> None:
        self._left = reads

    def memory_mib(self) -> float:
        self._left -= 1
        if self._left < 0:
            raise OSError("No space left on device")
        return 100.0

    def swap_mib(self) -> float:
        return 0.0


def sampler(cell: FakeCell, folder: Path) -> Sampler:
    made: Any = Sampler(cell, folder / "samples.csv", time.monotonic(), 1000)  # type: ignore[arg-type]
    return made


def wait_until_it_broke(watching: Sampler) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while watching._thread.is_alive():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_samples_that_break_off_fail_the_run(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match="samples of the cell broke off: No space left"),
        sampler(FakeCell(3), tmp_path) as watching,
    ):
        wait_until_it_broke(watching)
    assert (tmp_path / "samples.csv").read_text().count("\n") == 4  # what was seen, and the header


def test_who_asks_for_samples_hears_that_they_broke_off(tmp_path: Path) -> None:
    with pytest.raises(BenchError), sampler(FakeCell(3), tmp_path) as watching:
        wait_until_it_broke(watching)
        with pytest.raises(BenchError, match="broke off"):
            watching.since(0.0)


def test_another_failure_is_not_hidden_by_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), sampler(FakeCell(3), tmp_path) as watching:
        wait_until_it_broke(watching)
        raise KeyError


def test_a_watched_cell_ends_without_a_word(tmp_path: Path) -> None:
    with sampler(FakeCell(1_000_000), tmp_path) as watching:
        assert watching.since(0.0)


def test_a_number_that_is_another_process_now_holds_nothing_of_a_guest(tmp_path: Path) -> None:
    """A QEMU has ended and been waited for, and its process id was given away again."""
    watching = sampler(FakeCell(1_000_000), tmp_path)
    running: Any = SimpleNamespace(process_id=os.getpid(), exit_status=None)
    replaced: Any = SimpleNamespace(process_id=os.getpid(), exit_status=-9)
    watching.add(1, running)
    watching.add(2, replaced)
    guests = watching.take().guests
    assert guests[1].footprint_mib > 0.0
    assert guests[2].footprint_mib == 0.0
