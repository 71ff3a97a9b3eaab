# SPDX-License-Identifier: GPL-2.0-or-later
"""What memory has cost a guest, from what its kernel counts."""

from __future__ import annotations

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.costs import parse_costs
from ansible_collections.hintfleet.bench.plugins.module_utils.host.pressure import parse_pressure

VMSTAT = """workingset_refault_anon 0
workingset_refault_file 512
pgsteal_direct 256
allocstall_dma32 2
allocstall_normal 3
compact_stall 7
"""
PRESSURE = """some avg10=0.00 avg60=0.12 avg300=0.05 total=1500000
full avg10=0.00 avg60=0.00 avg300=0.00 total=250000
"""


def test_counters_become_sizes_and_seconds() -> None:
    assert parse_costs(VMSTAT + PRESSURE) == {
        "refaulted_file_mib": 2.0, "refaulted_anonymous_mib": 0.0, "direct_reclaim_mib": 1.0,
        "allocation_stalls": 5, "compaction_stalls": 7, "pressure_some_seconds": 1.5,
        "pressure_full_seconds": 0.25,
    }  # fmt: skip


def test_a_kernel_without_pressure_tells_none() -> None:
    assert not any(name.startswith("pressure") for name in parse_costs(VMSTAT))
    assert parse_pressure("") == {}


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="can be measured"):
        parse_costs("pgsteal_direct 9999999999999999999\n")
