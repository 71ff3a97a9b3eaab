# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole studies of several arms, played to their report; hosts make up what no guest has run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lying_fleet import KERNEL, Fleet
from measured_host import HOOK, OTHER_KERNEL, SLOW

ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"
ARMS = [
    "none",
    "free_page_reporting",
    "page_hinting",
    {"name": "order-0", "mechanism": "free_page_reporting", "guest_settings": {ORDER: 0}},
    {"name": "newer", "mechanism": "free_page_reporting", "kernel": "6.12"},
]
STUDY: dict[str, Any] = {
    "study_arms": ARMS,
    "study_sweep": [{"arm": "page_hinting", "over": {"page_hinting.age_ms": [0, 500]}}],
    "guest_kernels": {"6.12": {"version": "6.12"}},
    "study_workloads": ["consolidation", "memhog"],
    "study_blocks": 1,
}
NAMES = ["free_page_reporting", "newer", "none", "order-0", "page_hinting",
         "page_hinting/age_ms=0", "page_hinting/age_ms=500"]  # fmt: skip


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    made = Fleet(tmp_path)
    made.add("honest").hook(HOOK)
    return made


def asked(fleet: Fleet, module: str) -> list[dict[str, Any]]:
    calls = fleet.hosts["honest"].asked(module)
    return [json.loads(call.partition(" ")[2])["ANSIBLE_MODULE_ARGS"] for call in calls]


def test_every_arm_runs_once_a_block_under_what_it_states(fleet: Fleet) -> None:
    played = fleet.play("site", variables=STUDY)
    assert played.returncode == 0, played.stdout[-3000:]
    (tried,) = asked(fleet, "accelerator_info")
    assert {arm["name"]: arm["guest_kernel"]["manifest"]["key"] for arm in tried["arms"]} == {
        "order-0": KERNEL["key"],
        "newer": OTHER_KERNEL["key"],
        "page_hinting/age_ms=0": KERNEL["key"],
        "page_hinting/age_ms=500": KERNEL["key"],
    }
    runs = asked(fleet, "run")
    done = [(run["block"], run["arm"]["name"], run["workload"]) for run in runs]
    workloads = ("consolidation", "memhog")
    assert sorted(done) == [(1, name, w) for name in NAMES for w in workloads]
    for run in runs:
        newer = run["arm"]["name"] == "newer"
        key = OTHER_KERNEL["key"] if newer else KERNEL["key"]
        assert run["guest_kernel"]["manifest"]["key"] == key
        assert key in run["guest_kernel"]["path"]
        assert bool(run["proof_of"]) == (run["workload"] != runs[0]["workload"])
    report = json.loads((fleet.results / "s" / "report.json").read_text())
    assert report["parity"]["agrees"] and report["missing"] == report["unusable"] == []
    assert report["arms"]["order-0"]["states"] == {"guest_settings": {ORDER: "0"}}
    (sweep,) = report["sweeps"]
    assert sweep["default"] == "page_hinting" and len(sweep["arms"]) == 2
    # Nothing is left to do, and nothing is done.
    again = fleet.play("site", variables=STUDY)
    assert again.returncode == 0, again.stdout[-3000:]
    assert len(asked(fleet, "run")) == len(runs)


def test_a_study_that_is_to_be_settled_ends_by_itself(fleet: Fleet) -> None:
    study = {
        **STUDY,
        "study_arms": ["none", "page_hinting"],
        "study_workloads": ["consolidation"],
        "study_blocks": 3,
        "study_until": "settled",
        "study_blocks_max": 12,
    }
    played = fleet.play("site", variables=study)
    assert played.returncode == 0, played.stdout[-3000:]
    ended = re.search(r"Settled after (\d+) blocks", played.stdout)
    assert ended, re.findall(r"Study s: [^\"]*", played.stdout)
    blocks = int(ended[1])
    assert 3 < blocks <= 12
    runs = asked(fleet, "run")
    assert len(runs) == 4 * blocks
    report = json.loads((fleet.results / "s" / "report.json").read_text())
    assert report["looks"] >= 2 and report["still_open"] == []
    assert report["sweeps"][0]["taken"] in ("page_hinting", "page_hinting/age_ms=0")
    assert SLOW.rpartition(".")[2] not in str(report["sweeps"][0]["taken"])
