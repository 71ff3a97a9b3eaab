# SPDX-License-Identifier: GPL-2.0-or-later
"""A study on an emulated host that loses its power, and then its controller.

One block, one workload, two mechanisms, guests smaller than the laptop preset's, a cell on each of
two nodes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lab_host import BIN, CLEAN, LAB, ROOT, Lab

pytestmark = pytest.mark.lab

SITE = ROOT / "playbooks" / "site.yml"
SIZES: dict[str, Any] = {
    "study_name": "lab",
    "study_mechanisms": ["none", "page_hinting"],
    "study_workloads": ["consolidation"],
    "study_node_mib": 640,
    "study_proof_mib": 128,
    "study_consolidation_guest_mib": 256,
    "study_consolidation_allocation_mib": 176,
    "study_consolidation_max_guests": 4,
    "study_memhog_guest_mib": 256,
    "study_memhog_mib": 176,
    "study_page_fault_guest_mib": 256,
    "study_page_fault_task_mib": 64,
}
# A kernel may have to be built first.
LONG_SECONDS = 2700


@dataclass
class Study:
    """The study on the lab, as it lies on the controller and on the host."""

    lab: Lab
    results: Path

    def start(self) -> subprocess.Popen[str]:
        return self.lab.start(SITE, study_results_dir=str(self.results), **SIZES)

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """By folder: earlier attempts of a run have folders of their own."""
        paths = (self.results / "lab" / "runs").glob("*/record.json")
        return {path.parent.name: json.loads(path.read_text()) for path in paths}

    def under_way(self) -> str:
        """The run that the host works at; empty if none."""
        runs = "/var/lib/hintfleet/runs/lab"
        look = f"find {runs} -name '*.runner' -size +0 -printf '%f'"
        found = self.lab.ssh(f"if [ -d {runs} ]; then {look}; fi")
        return found.removesuffix(".runner")

    def report(self) -> str:
        command = [str(BIN / "hintfleet"), "report", str(self.results / "lab"), "--detail"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 2), done.stderr
        return " ".join(done.stdout.split())


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    give_up = time.monotonic() + LONG_SECONDS
    while not (found := condition()):
        assert time.monotonic() < give_up
        assert process is None or process.poll() is None, process.communicate()[0][-5000:]
        time.sleep(1)
    return found


def test_a_pulled_plug_and_a_killed_controller_cost_one_run(lab: Lab, tmp_path: Path) -> None:
    study = Study(lab, tmp_path)

    first = study.start()
    wait_for(lambda: study.records, first)
    lost = wait_for(study.under_way, first)
    os.kill(lab.process_id, signal.SIGKILL)
    said, _ = first.communicate(timeout=600)
    assert first.returncode != 0, said[-3000:]
    kept = study.records
    assert lost not in kept
    assert f"host lab1 could not be reached any more at run {lost}" in study.report()

    lab.play(LAB, lab_state="up")
    second = study.start()
    orphan = wait_for(study.under_way, second)
    os.killpg(second.pid, signal.SIGKILL)
    second.wait()
    on_host = f"/var/lib/hintfleet/runs/lab/{orphan}/record.json"
    alone = json.loads(wait_for(lambda: lab.ssh(f"if [ -e {on_host} ]; then cat {on_host}; fi")))

    third = study.start()
    said, _ = third.communicate(timeout=LONG_SECONDS)
    assert third.returncode == 0, said[-5000:]
    records = study.records
    assert records.pop(f"{lost}.1")["outcome"]["status"] == "aborted"
    assert sorted(records) == [
        f"lab1-node{node}.b1.{mechanism}.consolidation"
        for node in (0, 1)
        for mechanism in ("none", "page_hinting")
    ]
    assert {record["outcome"]["status"] for record in records.values()} == {"finished"}
    assert {name: records[name] for name in kept} == kept
    assert records[orphan] == alone
    assert not list((tmp_path / "lab" / "missing").glob("*"))

    check_cells(records)
    report = study.report()
    for cell in ("lab1-node0", "lab1-node1"):
        assert cell in report
    lab.play(CLEAN, study_results_dir=str(tmp_path))


def check_cells(records: dict[str, dict[str, Any]]) -> None:
    """On each cell hinting fits more guests, and guests' memory lies on the cell's node."""
    for node in (0, 1):
        fit = {
            record["mechanism"]: record["result"]["guests_without_swap"]
            for record in records.values()
            if record["cell"]["node"] == node
        }
        assert 0 < fit["none"] < fit["page_hinting"]
    for name, record in records.items():
        assert record["provenance"]["qemu"]["accelerator"] == "kvm"
        assert record["guests"], name
        for guest in record["guests"]:
            assert guest["placement_mib"], f"{name}: {guest['name']} says nothing of its pages"
            assert guest["remote_share"] <= 0.01, f"{name}: {guest}"
