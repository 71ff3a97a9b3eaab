# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiles of real guests: what must hold on any machine, never how many there are."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from small_study import BIN, ROOT, Playbooks

pytestmark = pytest.mark.guest

ARMS = ("none", "free_page_reporting")
# Two kinds of guest.
TILES: dict[str, Any] = {
    "study_name": "tiles",
    "study_set": "tiles",
    "study_mechanisms": list(ARMS),
    "study_tile": [
        {"program": "allocate", "guest_mib": 256, "mib": 160},
        {"name": "quiet", "program": "idle", "guest_mib": 128, "mib": 1},
    ],
    "study_tiles_max": 3,
    # Two tiles that keep what they allocated take 626 MiB, three that give it back 620 with one at
    # work.
    "study_node_mib": 720,
    # Times are another test's matter: here emulated guests share CPUs with other tests.
    "study_tile_factor": 1000,
}


@pytest.fixture(scope="module")
def records(playbooks: Playbooks) -> Iterator[dict[str, dict[str, Any]]]:
    """By arm."""
    ended = playbooks.run("site", **TILES)
    assert ended.returncode == 0, ended.stdout[-4000:]
    found = (playbooks.results / "tiles/runs").glob("*/record.json")
    read = [json.loads(path.read_text()) for path in found]
    yield {record["arm"]["name"]: record for record in read}
    playbooks.run("clean")


def test_more_tiles_fit_when_memory_comes_back(records: dict[str, dict[str, Any]]) -> None:
    assert set(records) == set(ARMS)
    results = {arm: record["result"] for arm, record in records.items()}
    assert {arm: record["outcome"]["reason"] for arm, record in records.items()} == dict.fromkeys(
        ARMS
    )
    assert results["none"]["stopped_by"] == "swap"
    at_quality = {arm: result["tiles_at_quality"] for arm, result in results.items()}
    assert 0 < at_quality["none"] < at_quality["free_page_reporting"]


def test_every_guest_does_every_phase_in_every_round(records: dict[str, dict[str, Any]]) -> None:
    for record in records.values():
        for one in record["result"]["tiles"]:
            done = Counter((row["name"], row["phase"]) for row in one["programs"])
            assert set(done) == {("allocate", "allocate"), ("allocate", "again"), ("quiet", "idle")}
            assert set(done.values()) == {one["tiles"]}
            assert len(one["guest_resident_mib"]) == 2 * one["tiles"]
            assert all(row["seconds"] > 0 for row in one["programs"])
            assert {row["work"] for row in one["programs"] if row["name"] == "allocate"} == {160}
            # What was allocated was there.
            assert max(one["guest_peak_mib"]) > 160


def test_guests_have_the_sizes_of_the_tile(records: dict[str, dict[str, Any]]) -> None:
    for record in records.values():
        sizes = {guest["name"]: guest["memory_mib"] for guest in record["guests"]}
        assert sizes["proof"] == sizes["tile1-allocate"] == 256
        assert sizes["tile1-quiet"] == 128


def test_memory_at_rest_tells_the_arms_apart(records: dict[str, dict[str, Any]]) -> None:
    first = {arm: record["result"]["tiles"][0] for arm, record in records.items()}
    held = {arm: one["guest_resident_mib"][0] for arm, one in first.items()}
    assert held["none"] - held["free_page_reporting"] > 100


def test_the_report_can_be_written(playbooks: Playbooks, records: dict[str, Any]) -> None:
    shown = subprocess.run(
        [str(BIN / "hintfleet"), "report", str(playbooks.results / "tiles"), "--format", "json"],
        cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert shown.returncode in (0, 2), shown.stderr
    assert json.loads(shown.stdout)
