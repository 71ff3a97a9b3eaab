# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the playbooks as a user does, on a study smaller than the laptop preset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent

# Smaller than the laptop preset, with the same proportions: none holds two guests, a mechanism that
# acts holds more.
SMALL: dict[str, Any] = {
    "study_name": "small",
    "study_blocks": 1,
    "study_node_mib": 640,
    "study_swap_mib": 256,
    "study_proof_mib": 160,
    "study_consolidation_guest_mib": 256,
    "study_consolidation_allocation_mib": 176,
    "study_consolidation_max_guests": 6,
    "study_memhog_guest_mib": 256,
    "study_memhog_mib": 176,
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


@dataclass
class Study:
    """What the killed and resumed study left behind."""

    folder: Path
    records: dict[str, dict[str, Any]]
    finished_before_the_kill: dict[str, float]
    resumed: subprocess.CompletedProcess[str]
    repeated: subprocess.CompletedProcess[str]
