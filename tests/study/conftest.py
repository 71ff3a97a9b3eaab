# SPDX-License-Identifier: GPL-2.0-or-later
"""A real study, smaller than the laptop preset: killed in the middle, then started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

# Half the laptop preset: none holds two guests in 480 MiB, a mechanism that acts holds more.
SMALL: dict[str, Any] = {
    "study_name": "small",
    "study_blocks": 1,
    "study_node_mib": 480,
    "study_swap_mib": 256,
    "study_proof_mib": 96,
    "study_consolidation_guest_mib": 224,
    "study_consolidation_allocation_mib": 144,
    "study_consolidation_max_guests": 6,
    "study_memhog_guest_mib": 224,
    "study_memhog_mib": 144,
    "study_page_fault_guest_mib": 256,
    "study_page_fault_task_mib": 64,
    "study_page_fault_seconds": 1,
    "study_page_fault_latency_mib": 32,
}


@dataclass
class Playbooks:
    """Runs the project's playbooks as a user does, with results in a folder of the test."""

    results: Path

    def command(self, playbook: str, **variables: Any) -> list[str]:
        return [
            str(BIN / "ansible-playbook"),
            f"playbooks/{playbook}.yml",
            "-e",
            json.dumps({**SMALL, "study_results_dir": str(self.results), **variables}),
        ]

    @property
    def environment(self) -> dict[str, str]:
        path = f"{BIN}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}

    def run(self, playbook: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(playbook, **variables),
            cwd=ROOT,
            env=self.environment,
            text=True,
            capture_output=True,
            check=False,
        )

    def start(self, playbook: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as out:
            return subprocess.Popen(
                self.command(playbook),
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def records(self) -> dict[str, Path]:
        """Records that have arrived at the controller, by run."""
        return {
            path.parent.name: path
            for path in sorted((self.results / "small" / "runs").glob("*/record.json"))
        }


@pytest.fixture(scope="session")
def playbooks(tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    if os.geteuid() != 0:
        pytest.fail("Tests that boot guests in cgroups with swap need root: run them as root.")
    return Playbooks(tmp_path_factory.mktemp("results"))


@dataclass
class Study:
    """What the killed and resumed study left behind."""

    folder: Path
    records: dict[str, dict[str, Any]]
    finished_before_the_kill: dict[str, float]
    resumed: subprocess.CompletedProcess[str]
    repeated: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def study(playbooks: Playbooks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    log = tmp_path_factory.mktemp("log") / "killed.log"
    process = playbooks.start("site", log)
    # A kernel may have to be built first.
    deadline = time.monotonic() + 2700
    while len(playbooks.records) < 2:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"The study ended before two runs had finished:\n{log.read_text()[-4000:]}")
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {name: path.stat().st_mtime for name, path in playbooks.records.items()}

    resumed = playbooks.run("site")
    repeated = playbooks.run("site")
    records = {name: json.loads(path.read_text()) for name, path in playbooks.records.items()}
    yield Study(playbooks.results / "small", records, before, resumed, repeated)
    playbooks.run("clean")
