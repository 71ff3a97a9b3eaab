# SPDX-License-Identifier: GPL-2.0-or-later
"""The callback shows runs, and leaves everything else to Ansible's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible_collections.hintfleet.bench.plugins.callback.progress import (
    PLAN,
    RUN,
    CallbackModule,
    DefaultCallback,
)

RUN_ID = "box-node0.b1.none.memhog"
PLANNED = {
    "run_id": RUN_ID, "host": "box", "cell": "box-node0", "block": 1, "mechanism": "none",
    "workload": "memhog", "status": "pending",
}  # fmt: skip


class Callback(CallbackModule):
    def __init__(self) -> None:
        super().__init__()
        self._display = MagicMock()

    @property
    def lines(self) -> list[str]:
        return [call.args[0] for call in self._display.display.call_args_list]


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Events that went on to the default callback."""
    seen: list[str] = []
    for name in ("v2_runner_on_start", "v2_runner_on_ok", "v2_runner_item_on_ok",
                 "v2_runner_item_on_skipped", "v2_runner_item_on_failed"):  # fmt: skip
        monkeypatch.setattr(DefaultCallback, name, lambda *_, name=name: seen.append(name))
    return seen


def happened(action: str, **result: Any) -> Any:
    host = SimpleNamespace(get_name=lambda: "box")
    return SimpleNamespace(task=SimpleNamespace(action=action), host=host, result=result)


def test_a_study_is_shown_run_by_run(passed_on: list[str]) -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    event = happened(RUN)
    callback.v2_runner_on_start(event.host, event.task)
    outcome = {"status": "finished", "reason": None}
    callback.v2_runner_item_on_ok(
        happened(RUN, run_id=RUN_ID, outcome=outcome, summary="no swap", duration_seconds=9.0)
    )
    callback.v2_runner_on_ok(happened(RUN, results=[]))
    assert callback.lines == [
        "run 1 of 1  box-node0 block 1  none  memhog ...",
        "run 1 of 1  box-node0 block 1  none  memhog: no swap, 9 s",
    ]
    assert passed_on == ["v2_runner_on_ok", "v2_runner_on_start"]


def test_runs_that_finished_before_are_passed_over(passed_on: list[str]) -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[{**PLANNED, "status": "done"}]))
    callback.v2_runner_item_on_skipped(happened(RUN, run_id=RUN_ID, skipped=True))
    assert callback.lines == []
    assert passed_on == ["v2_runner_on_ok"]


def test_other_tasks_and_failures_look_as_always(passed_on: list[str]) -> None:
    callback = Callback()
    callback.v2_runner_item_on_ok(happened("ansible.builtin.copy"))
    callback.v2_runner_item_on_skipped(happened("ansible.builtin.copy"))
    callback.v2_runner_item_on_failed(happened(RUN, run_id=RUN_ID, msg="no QEMU"))
    assert callback.lines == []
    assert passed_on == [
        "v2_runner_item_on_ok",
        "v2_runner_item_on_skipped",
        "v2_runner_item_on_failed",
    ]


def test_a_long_job_says_so_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    callback, event = Callback(), happened("guest_kernel_build")
    event.task._uuid = "build"
    for seconds in range(0, 130, 10):
        monkeypatch.setattr("time.monotonic", lambda seconds=seconds: 1000.0 + seconds)
        callback.v2_runner_on_async_poll(event)
    assert callback.lines == ["box: at it for 1 min ...", "box: at it for 2 min ..."]
