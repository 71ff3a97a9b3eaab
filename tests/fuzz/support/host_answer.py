# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of a host for one run, what an honest one answers, and the plugin between them."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible_collections.hintfleet.bench.plugins.action import run as _run
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import new_record

HOST = "box"
RUN_ID = "box-node0.b1.none.memhog"
KERNEL = {"key": "a" * 64, "release": "6.1.0", "sha256": "b" * 64, "debug_options": []}
PARAMETERS = {
    "guest_memory_mib": 384,
    "guest_vcpus": 1,
    "guest_swap_mib": 0,
    "guest_files_mib": 0,
    "kernel_arguments": "",
    "proof_mib": 128,
    "proof_seconds": 6.0,
    "sample_hz": 20.0,
    "swap_threshold_mib": 1.0,
    "boot_deadline_seconds": 120.0,
    "deadline_seconds": 1800.0,
    "guests": 3,
    "memhog_mib": 256,
    "pause_seconds": 1.0,
}
ASKED: dict[str, Any] = {
    "study": "s",
    "study_id": "1",
    "run_id": RUN_ID,
    "cell": {"name": "box-node0", "host": HOST, "node": 0, "memory_mib": 960, "swap_mib": 256},
    "block": 1,
    "order": 2,
    "arm": {"name": "none", "mechanism": "none", "states": {}, "differs": {}},
    "baseline": "none",
    "workload": "memhog",
    "parameters": PARAMETERS,
    "accelerator": "tcg",
    "guest_kernel": {"path": "/k", "manifest": KERNEL},
    "guest_image": {"path": "/i", "manifest": {"key": "c" * 64, "sha256": "d" * 64}},
    "versions": {"version": "0"},
}

Answer = dict[str, Any]


def packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode()


def record(status: str = "finished", second: int = 1, **changes: Any) -> dict[str, Any]:
    """An honest record of the run; `second` tells attempts apart."""
    made = new_record(copy.deepcopy(ASKED))
    made["started"] = f"2026-01-01T00:00:{second:02d}.000Z"
    made["outcome"] = {"status": status, "reason": None if status == "finished" else "It broke."}
    made["files"] = {"samples": "samples.csv", "consoles": ["console-guest1.log"], "host_log": None}
    return {**made, **changes}


def files(of: dict[str, Any] | None = None, **contents: bytes) -> dict[str, str]:
    """What a host sends for one attempt: its record and its samples."""
    sent = {"record.json": json.dumps(of or record()).encode(), "samples.csv": b"seconds,guest\n"}
    return {name: packed(content) for name, content in {**sent, **contents}.items()}


def answer(status: str = "finished", second: int = 1, **changes: Any) -> Answer:
    return {
        "changed": True,
        "run_id": RUN_ID,
        "outcome": record(status)["outcome"],
        "duration_seconds": 0.0,
        "summary": "3 guests",
        "files": files(record(status, second)),
        "earlier": [],
        **changes,
    }


class Controller:
    """Runs the whole action plugin against a host that answers as told."""

    def __init__(self, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.results = results
        self.folder = results / "runs" / RUN_ID
        self.calls: list[dict[str, Any]] = []
        self.begin_again()
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("ANSIBLE_INJECT_FACT_VARS", "false")

    def run(
        self,
        answer: Any = None,
        *,
        check_mode: bool = False,
        host: str = HOST,
        **arguments: Any,
    ) -> dict[str, Any]:
        """The task's result; an answer that is an exception is raised instead of given."""
        task = MagicMock(async_val=0, check_mode=check_mode, diff=False)
        task.args = {**copy.deepcopy(ASKED), "results_dir": str(self.results), **arguments}
        action = _run.ActionModule(
            task=task,
            connection=MagicMock(),
            play_context=MagicMock(),
            loader=MagicMock(),
            templar=MagicMock(),
            shared_loader_obj=MagicMock(),
        )

        def execute(**call: Any) -> dict[str, Any]:
            self.calls.append(call)
            if isinstance(answer, BaseException):
                raise answer
            return dict(answer or {})

        self._monkeypatch.setattr(action, "_execute_module", execute)
        return action.run(task_vars={"inventory_hostname": host})

    def begin_again(self) -> None:
        """As another play does, which is a process of its own."""
        _run._GONE.clear()

    def missing(self) -> dict[str, str]:
        """Reasons why there is no record, by run or host."""
        return {path.stem: path.read_text() for path in self.results.glob("missing/*.txt")}

    def statuses(self) -> dict[str, str]:
        """Status of each attempt that is kept, by folder."""
        paths = self.results.glob("runs/*/record.json")
        return {
            path.parent.name: json.loads(path.read_text())["outcome"]["status"] for path in paths
        }

    def files(self) -> list[str]:
        """Everything below the folder that the results' lies in."""
        top = self.results.parent
        return sorted(str(p.relative_to(top)) for p in top.rglob("*") if not p.is_dir())
