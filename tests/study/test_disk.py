# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with a Debian on a disk: how they reach its files, and what of them stays with a guest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_study import Playbooks

pytestmark = pytest.mark.disk

READ_MIB = 48  # of the root's own files
STUDY: dict[str, Any] = {
    "study_name": "disk",
    "study_set": "tiles",
    "guest_image_root": "debian",
    "study_arms": [
        {"name": "cached", "mechanism": "free_page_reporting"},
        {"name": "direct", "mechanism": "free_page_reporting", "files": "direct"},
        {"name": "dax", "mechanism": "free_page_reporting", "files": "dax"},
    ],
    "study_baseline": "cached",
    "study_tile": [{"program": "page_cache", "guest_mib": 256, "mib": READ_MIB}],
    "study_tiles_max": 1,
    "study_tile_factor": 1000,
    "study_guest_files_mib": 1,
}


@pytest.fixture(scope="module")
def records(playbooks: Playbooks) -> dict[str, dict[str, Any]]:
    """By arm."""
    ended = playbooks.run("site", **STUDY)
    assert ended.returncode == 0, ended.stdout[-4000:]
    found = (playbooks.results / "disk/runs").glob("*/record.json")
    read = [json.loads(path.read_text()) for path in found]
    return {record["arm"]["name"]: record for record in read}


def test_guests_have_a_debian_of_their_own(records: dict[str, dict[str, Any]]) -> None:
    assert set(records) == {"cached", "direct", "dax"}
    for record in records.values():
        image = record["provenance"]["guest_image"]
        assert record["outcome"]["status"] == "finished", record["outcome"]
        assert (image["root"], image["disk_mib"] <= 350) == ("debian", True)
        assert image["packages"]["qemu-guest-agent"]


def test_each_way_to_the_files_is_seen_in_the_guest(records: dict[str, dict[str, Any]]) -> None:
    shows = {arm: record["arm"]["shows"].get("files", "") for arm, record in records.items()}
    assert shows["dax"] == "its root is /dev/pmem0 with dax=always"
    assert "nocache.so" in shows["direct"]


def test_what_was_read_stays_with_the_guest_unless_it_is_mapped(
    records: dict[str, dict[str, Any]],
) -> None:
    """Its page cache is no free memory: reporting does not see it. Under DAX there is none."""
    held = {
        arm: record["result"]["tiles"][0]["guest_resident_mib"][0]
        for arm, record in records.items()
    }
    assert held["cached"] - held["dax"] > READ_MIB / 2, held


def test_nothing_of_a_guests_disk_is_left(records: dict[str, dict[str, Any]]) -> None:
    left = [path for path in Path("/var/lib/hintfleet").rglob("*") if path.suffix == ".qcow2"]
    sizes = [path.stat().st_size for path in Path("/var/lib/hintfleet/runs").rglob("*")]
    assert (left, max(sizes, default=0) < 2**26) == ([], True)
