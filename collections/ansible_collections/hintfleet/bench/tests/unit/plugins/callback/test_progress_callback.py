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
                 "v2_runner_item_on_skipped", "v2_runner_item_on_failed",
                 "v2_playbook_on_stats"):  # fmt: skip
        monkeypatch.setattr(DefaultCallback, name, lambda *_, name=name: seen.append(name))
    return seen


def happened(action: str, **result: Any) -> Any:
    host = SimpleNamespace(get_name=lambda: "box")
    return SimpleNamespace(
        task=SimpleNamespace(action=action, check_mode=False), host=host, result=result
    )


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


def test_check_mode_announces_nothing(passed_on: list[str]) -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    event = happened(RUN, skipped=True, item=PLANNED)
    event.task.check_mode = True
    callback.v2_runner_on_start(event.host, event.task)
    callback.v2_runner_item_on_skipped(event)
    assert callback.lines == []


def test_a_terminal_has_the_fleet_at_its_foot(
    passed_on: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    callback = Callback()
    callback._display = SimpleNamespace(display=lambda text, **_: print(text))
    plain = callback._display.display
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    event = happened(RUN)
    callback.v2_runner_on_start(event.host, event.task)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "run 1 of 1  box-node0 block 1  none  memhog ..."
    assert shown[1].startswith("box  0 of 1  box-node0 block 1  none  memhog  since ")
    callback._display.display("a warning")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "\x1b[1F\x1b[Ja warning"
    assert shown[1].startswith("box  0 of 1")
    callback.v2_playbook_on_stats(None)
    assert capsys.readouterr().out == "\x1b[1F\x1b[J"
    assert callback._display.display is plain


def test_a_host_that_is_gone_is_not_waited_for(passed_on: list[str]) -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    callback.v2_runner_item_on_failed(happened(RUN, unreachable=True, item=PLANNED, msg="gone"))
    assert "cannot be reached" in callback._progress.fleet(80, 9)[0]


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
