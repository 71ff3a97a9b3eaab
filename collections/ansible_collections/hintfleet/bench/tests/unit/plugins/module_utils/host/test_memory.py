# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a process's memory is, from captures of a guest's QEMU (7.2, Linux 6.18, 2026-11-22)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host import memory as _memory

CAPTURES = Path(__file__).parents[1] / "captures"


def test_status_gives_anonymous_and_swapped_memory() -> None:
    memory = _memory.parse_status((CAPTURES / "qemu-status.txt").read_text())
    assert memory.resident_mib == pytest.approx(78872 / 1024)
    assert memory.swap_mib == 0
    assert memory.footprint_mib == memory.resident_mib


def test_swapped_memory_counts_towards_the_footprint() -> None:
    memory = _memory.parse_status("Name:\tqemu\nRssAnon:\t  2048 kB\nVmSwap:\t   512 kB\n")
    assert memory.footprint_mib == 2.5


def test_a_process_that_ends_has_no_memory() -> None:
    assert _memory.parse_status("Name:\tqemu\nState:\tZ (zombie)\n").footprint_mib == 0
    assert _memory.read_process_memory(2**22 + 1).footprint_mib == 0


def test_own_memory_can_be_read() -> None:
    assert _memory.read_process_memory(os.getpid()).footprint_mib > 1


def test_placement_counts_anonymous_mappings_only() -> None:
    placement = _memory.parse_numa_maps((CAPTURES / "numa_maps.txt").read_text())
    assert placement == {0: pytest.approx(18496 / 256)}


def test_placement_over_two_nodes_and_huge_pages() -> None:
    text = (
        "7f0000000000 bind:1 anon=300 dirty=300 N0=100 N1=200 kernelpagesize_kB=4\n"
        "7f1000000000 bind:1 anon=2 dirty=2 N1=2 kernelpagesize_kB=2048\n"
        "7f2000000000 default file=/bin/true mapped=900 N0=900 kernelpagesize_kB=4\n"
    )
    placement = _memory.parse_numa_maps(text)
    assert placement == {0: pytest.approx(100 / 256), 1: pytest.approx(200 / 256 + 4)}
    assert _memory.remote_share(placement, 1) == pytest.approx(
        (100 / 256) / (100 / 256 + 200 / 256 + 4)
    )


def test_no_memory_has_no_remote_share() -> None:
    assert _memory.remote_share({}, 0) is None
    assert _memory.read_placement(2**22 + 1) == {}


def test_what_was_freed_lazily_is_added_up_over_mappings() -> None:
    text = "Rss: 9000 kB\nLazyFree:           2048 kB\nKSM: 0 kB\nLazyFree:            512 kB\n"
    assert _memory.parse_lazy_mib(text) == 2.5
    assert _memory.parse_lazy_mib("Rss: 9000 kB\n") == 0.0
    assert _memory.read_lazy_mib(2**22 + 1) == 0.0
