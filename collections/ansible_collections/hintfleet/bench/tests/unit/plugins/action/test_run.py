# SPDX-License-Identifier: GPL-2.0-or-later
"""The controller's side of a run: what is skipped, what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.hintfleet.bench.plugins.action.run import ActionModule
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import pack, write_json

RUN_ID = "c.b1.none.memhog"
Answer = dict[str, Any]


def record(started: str, status: str) -> dict[str, Any]:
    return {
        "started": started,
        "outcome": {"status": status, "reason": None},
        "files": {"samples": None, "consoles": [], "host_log": None},
    }


def files(tmp_path: Path, started: str, status: str) -> dict[str, str]:
    """What a host brings for one attempt."""
    folder = tmp_path / f"host-{started}"
    folder.mkdir()
    write_json(folder / "record.json", record(started, status))
    return pack(folder)


class Controller:
    """Runs the plugin against a host that answers as told."""

    def __init__(self, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.results = results
        self.folder = results / "runs" / RUN_ID
        self.calls: list[dict[str, Any]] = []
        self._monkeypatch = monkeypatch

    def run(
        self, answer: Answer | AnsibleConnectionFailure | None = None, **arguments: Any
    ) -> dict[str, Any]:
        task = MagicMock(async_val=0, check_mode=False, diff=False)
        task.args = {"run_id": RUN_ID, "results_dir": str(self.results), **arguments}
        action = ActionModule(
            task=task,
            connection=MagicMock(),
            play_context=MagicMock(),
            loader=MagicMock(),
            templar=MagicMock(),
            shared_loader_obj=MagicMock(),
        )

        def execute(**call: Any) -> dict[str, Any]:
            self.calls.append(call)
            if isinstance(answer, AnsibleConnectionFailure):
                raise answer
            return dict(answer or {})

        self._monkeypatch.setattr(action, "_execute_module", execute)
        return action.run(task_vars={"inventory_hostname": "box"})

    def missing(self) -> dict[str, str]:
        """Reasons why there is no record, by run or host."""
        return {path.stem: path.read_text() for path in self.results.glob("missing/*.txt")}

    def statuses(self) -> dict[str, str]:
        """Status of each attempt that is kept, by folder."""
        paths = self.results.glob("runs/*/record.json")
        return {
            path.parent.name: json.loads(path.read_text())["outcome"]["status"] for path in paths
        }


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    return Controller(tmp_path / "results", monkeypatch)


def test_a_run_is_kept(controller: Controller, tmp_path: Path) -> None:
    answer = {"changed": True, "files": files(tmp_path, "1", "finished"), "earlier": []}
    result = controller.run(answer, cell={"name": "c"})
    assert result == {"changed": True, "folder": str(controller.folder)}
    assert controller.statuses() == {RUN_ID: "finished"}
    (call,) = controller.calls
    assert call["module_name"] == "hintfleet.bench.run"
    cell = {"name": "c", "host": "box"}
    assert call["module_args"] == {"run_id": RUN_ID, "cell": cell, "attempt": 0}


def test_a_run_whose_folder_was_deleted_is_asked_for_as_another_attempt(
    controller: Controller, tmp_path: Path
) -> None:
    controller.run({"files": files(tmp_path, "1", "finished")})
    shutil.rmtree(controller.folder)
    controller.run({"files": files(tmp_path, "2", "failed")})
    controller.run({"files": files(tmp_path, "3", "finished")})
    assert [call["module_args"]["attempt"] for call in controller.calls] == [0, 1, 1]


def test_a_finished_run_costs_no_connection(controller: Controller, tmp_path: Path) -> None:
    controller.run({"files": files(tmp_path, "1", "finished")})
    result = controller.run()
    assert result["skipped"]
    assert not result["changed"]
    assert len(controller.calls) == 1


@pytest.mark.parametrize("status", ["failed", "aborted"])
def test_what_did_not_finish_is_run_again_and_kept(
    controller: Controller, tmp_path: Path, status: str
) -> None:
    first = files(tmp_path, "1", status)
    controller.run({"files": first})
    controller.run({"files": files(tmp_path, "2", "finished"), "earlier": [first]})
    assert controller.statuses() == {RUN_ID: "finished", f"{RUN_ID}.1": status}


def test_an_attempt_that_the_controller_never_saw_is_fetched(
    controller: Controller, tmp_path: Path
) -> None:
    lost = files(tmp_path, "1", "aborted")
    controller.run({"files": files(tmp_path, "2", "finished"), "earlier": [lost]})
    assert controller.statuses() == {RUN_ID: "finished", f"{RUN_ID}.1": "aborted"}


def test_a_host_that_fails_leaves_its_reason(controller: Controller, tmp_path: Path) -> None:
    result = controller.run({"failed": True, "msg": "no QEMU"})
    assert result == {"failed": True, "msg": "no QEMU"}
    assert controller.statuses() == {}
    assert controller.missing() == {RUN_ID: "no QEMU\n"}
    controller.run({"files": files(tmp_path, "1", "finished")})
    assert controller.missing() == {}


def test_a_host_that_is_gone_leaves_its_reason(controller: Controller, tmp_path: Path) -> None:
    with pytest.raises(AnsibleConnectionFailure):
        controller.run(AnsibleConnectionFailure("no route"))
    assert controller.statuses() == {}
    (reason,) = controller.missing().values()
    assert reason == (
        f"host box could not be reached any more at run {RUN_ID}; see to it and start the study "
        "again\n"
    )
    controller.run({"files": files(tmp_path, "1", "finished")})
    assert controller.missing() == {}


def test_a_start_brings_no_record_yet(controller: Controller, tmp_path: Path) -> None:
    controller.run({"changed": True, "run_id": RUN_ID}, phase="start")
    assert controller.statuses() == {}
    controller.run({"files": files(tmp_path, "1", "finished")}, phase="rest")
    assert controller.statuses() == {RUN_ID: "finished"}
    assert [call["module_args"]["phase"] for call in controller.calls] == ["start", "rest"]


def test_without_results_dir_the_module_does_all(controller: Controller, tmp_path: Path) -> None:
    result = controller.run({"files": files(tmp_path, "1", "finished")}, results_dir=None)
    assert "folder" not in result
    assert controller.statuses() == {}
