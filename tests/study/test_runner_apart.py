# SPDX-License-Identifier: GPL-2.0-or-later
"""A runner that is made to remember too much ends by itself, and no other process of the host."""

from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import (
    RUNNER,
    apart,
    find_hierarchy,
)

pytestmark = pytest.mark.guest

NAME = "hintfleet-test"
MIB = 2**20


def hoard(mib: int) -> None:
    """Remember that much inside a cgroup of 64 MiB."""
    with apart(NAME, find_hierarchy(), 64):
        kept = [bytearray(MIB) for _ in range(mib)]
        for block in kept:
            block[::4096] = b"x" * 256


@pytest.fixture
def cgroup() -> Path:
    if os.geteuid() != 0:
        pytest.fail("A cgroup is made by root: run this test as root.")
    return find_hierarchy().roots["memory"] / "hintfleet" / f"{NAME}{RUNNER}"


@pytest.mark.parametrize(("mib", "ends"), [(16, 0), (256, -signal.SIGKILL)])
def test_a_runner_ends_at_its_limit(cgroup: Path, mib: int, ends: int) -> None:
    process = get_context("fork").Process(target=hoard, args=(mib,))
    process.start()
    process.join(60)
    assert process.exitcode == ends
    hoard(1)  # the next one takes away what a killed one has left
    assert not cgroup.exists()
