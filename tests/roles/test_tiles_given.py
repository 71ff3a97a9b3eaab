# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiles as people write them are what runs are asked with, or refused before anything changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plays import Fleet

PREFLIGHT = """\
- hosts: all
  gather_facts: true
  tasks:
    - ansible.builtin.include_role: {name: study, tasks_from: preflight, public: true}
    - ansible.builtin.include_role: {name: guest_kernel, tasks_from: preflight, public: true}
    - ansible.builtin.assert:
        that: false
        quiet: true
        fail_msg: "{{ {'workloads': __study_workloads, 'tile': study_parameters.tile} | to_json }}"
"""
IDLE = {"program": "idle", "guest_mib": 128, "mib": 1}
LARGE = {"program": "allocate", "guest_mib": 320, "mib": 160}


def said_of(tmp_path: Path, variables: dict[str, Any]) -> str:
    hosts = Fleet(tmp_path)
    hosts.add("box")
    hosts.play(PREFLIGHT, "-e", json.dumps(variables))
    assert hosts.changed("box") == 0
    return hosts.sentences("box")


def test_the_set_of_tiles_has_all_that_it_takes(tmp_path: Path) -> None:
    asked = json.loads(said_of(tmp_path, {"study_set": "tiles"}))
    assert asked["workloads"] == ["tile"]
    tile = asked["tile"]
    assert {one["program"] for one in tile["tile"]} == set(tile["programs"])
    assert tile["guest_memory_mib"] == max(one["guest_mib"] for one in tile["tile"])
    assert tile["programs"]["allocate"]["phases"] == ["allocate", "again"]


def test_a_tile_on_a_command_line_is_json(tmp_path: Path) -> None:
    given = json.dumps([{**IDLE, "guest_mib": "128"}, LARGE])
    asked = json.loads(said_of(tmp_path, {"study_set": "tiles", "study_tile": given}))
    assert asked["tile"]["tile"][0] == {**IDLE, "name": "idle", "vcpus": 1}
    assert set(asked["tile"]["programs"]) == {"idle", "allocate"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"study_tile": [LARGE, LARGE]}, "Two guests of the tile are named allocate"),
        ({"study_tile": [IDLE]}, "the largest guest of the tile, of 128 MiB"),
        ({"study_tile": [LARGE, {**IDLE, "guest_mib": 2048}]}, "2048 MiB is larger than the node"),
        ({"study_tile": [LARGE, IDLE], "study_arms": ["none", "virtio_mem"],
          "guest_kernel_fragments": ["handback"]}, "guests of 128 MiB cannot have"),
        ({"study_tile_schedule": "both", "study_tile_factor": 1, "study_tiles": [LARGE]},
         "choose from staggered, together"),
    ],
)  # fmt: skip
def test_a_sentence_before_anything_changes(
    tmp_path: Path, variables: dict[str, Any], words: str
) -> None:
    said = said_of(tmp_path, {"study_set": "tiles", **variables})
    assert words in said
