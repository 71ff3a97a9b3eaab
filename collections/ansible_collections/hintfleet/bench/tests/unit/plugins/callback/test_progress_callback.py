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
    "run_id": RUN_ID, "host": "box", "cell": "box-node0", "block": 1, "arm": "none",
    "mechanism": "none", "workload": "memhog", "status": "pending",
}  # fmt: skip


class Callback(CallbackModule):
    def __init__(self, verbosity: int = 0) -> None:
        super().__init__()
        self._display = MagicMock(verbosity=verbosity)

    @property
    def lines(self) -> list[str]:
        return [call.args[0] for call in self._display.display.call_args_list]


@pytest.fixture(autouse=True)
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Events that went on to the default callback."""
    seen: list[str] = []
    for name in ("v2_playbook_on_start", "v2_playbook_on_play_start", "v2_playbook_on_task_start",
                 "v2_playbook_on_include", "v2_runner_on_start", "v2_runner_on_ok",
                 "v2_runner_on_skipped", "v2_runner_on_failed", "v2_runner_on_unreachable",
                 "v2_runner_item_on_ok", "v2_runner_item_on_skipped", "v2_runner_item_on_failed",
                 "v2_playbook_on_stats"):  # fmt: skip
        monkeypatch.setattr(DefaultCallback, name, lambda *_, name=name: seen.append(name))
    return seen


@pytest.fixture(autouse=True)
def command_line(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    asked = {"check": False, "diff": False}
    monkeypatch.setattr("ansible.context.CLIARGS", asked)
    return asked


def happened(action: str, **result: Any) -> Any:
    host = SimpleNamespace(get_name=lambda: "box")
    task = SimpleNamespace(
        action=action, check_mode=False, name="Do it", run_once=False, get_name=lambda: "Do it"
    )
    return SimpleNamespace(_task=task, _host=host, _result=result)


def play(name: str, hosts: int = 1) -> Any:
    known = {"ansible_play_hosts_all": ["box"] * hosts}
    manager = SimpleNamespace(get_vars=lambda **_: known)
    return SimpleNamespace(get_name=lambda: name, get_variable_manager=lambda: manager)


def test_a_phase_is_a_line_and_tasks_that_went_well_are_none(passed_on: list[str]) -> None:
    callback, event = Callback(), happened("ansible.builtin.copy", changed=True)
    callback.v2_playbook_on_play_start(play("Prepare the hosts"))
    callback.v2_playbook_on_task_start(event._task, False)
    callback.v2_runner_item_on_ok(event)
    callback.v2_runner_on_ok(event)
    callback.v2_playbook_on_include(None)
    callback.v2_playbook_on_play_start(play("Report"))
    callback.v2_playbook_on_include(None)
    assert callback.lines == ["Prepare the hosts ...", "Report ..."]
    assert passed_on == []


@pytest.mark.parametrize("terminal", [False, True])
def test_a_phase_that_nobody_asked_for_is_passed_over(
    terminal: bool, passed_on: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its tasks is skipped, and on a large fleet that may take a while."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    callback, event = Callback(), happened("ansible.builtin.include_role", skipped=True)
    if terminal:
        callback._foot = MagicMock()
    callback.v2_playbook_on_play_start(play("Measure until it is settled", 40))
    callback.v2_playbook_on_task_start(event._task, False)
    waits = iter([False] * 40 + [True])

    def wait(_: float) -> bool:
        now[0] += 1
        callback.v2_runner_on_skipped(event)
        return next(waits)

    monkeypatch.setattr(callback._ended, "wait", wait)
    callback._tick()
    callback.v2_playbook_on_stats(None)
    assert callback.lines == []
    assert set(passed_on) == {"v2_runner_on_skipped", "v2_playbook_on_stats"}


def test_a_phase_whose_first_task_takes_its_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    callback, event = Callback(), happened("ansible.builtin.setup")
    callback.v2_playbook_on_play_start(play("Check hosts and builder"))
    callback.v2_playbook_on_task_start(event._task, False)

    def wait(_: float) -> bool:
        now[0] += 1
        return now[0] > 1005

    monkeypatch.setattr(callback._ended, "wait", wait)
    callback._tick()
    assert callback.lines == ["Check hosts and builder ..."]


@pytest.mark.parametrize("asked", ["-v", "--check", "--diff"])
def test_who_asks_for_more_gets_all_of_it(
    asked: str, passed_on: list[str], command_line: dict[str, bool]
) -> None:
    command_line[asked.removeprefix("--")] = True
    callback = Callback(verbosity=int(asked == "-v"))
    event = happened("ansible.builtin.copy")
    callback.v2_playbook_on_play_start(play("Prepare the hosts"))
    callback.v2_playbook_on_task_start(event._task, False)
    callback.v2_runner_on_ok(event)
    assert callback.lines == []
    assert passed_on == [
        "v2_playbook_on_play_start",
        "v2_playbook_on_task_start",
        "v2_runner_on_ok",
    ]


def test_what_a_task_says_is_said() -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened("ansible.builtin.debug", msg="A guest answered."))
    assert callback.lines == ["  box: A guest answered."]


def test_what_a_loop_says_is_said_item_by_item() -> None:
    callback = Callback()
    for host in ("lab1: up", "lab2: down"):
        callback.v2_runner_item_on_ok(happened("ansible.builtin.debug", msg=host))
    callback.v2_runner_on_ok(
        happened("ansible.builtin.debug", msg="All items completed", results=[{}, {}])
    )
    assert callback.lines == ["  box: lab1: up", "  box: lab2: down"]


def test_of_a_failure_the_sentence_comes_first(passed_on: list[str]) -> None:
    callback = Callback()
    callback._display.display.side_effect = lambda line, **_: passed_on.append(line)
    callback.v2_runner_on_failed(happened("ansible.builtin.assert", msg="Use less."))
    assert passed_on == ["box: Do it: Use less.", "v2_runner_on_failed"]
    passed_on.clear()
    callback.v2_runner_item_on_failed(happened("ansible.builtin.assert", msg="Use less."))
    callback.v2_runner_on_failed(happened("ansible.builtin.assert", msg="An item.", results=[]))
    assert passed_on == [
        "box: Do it: Use less.",
        "v2_runner_item_on_failed",
        "v2_runner_on_failed",
    ]
    passed_on.clear()
    callback.v2_runner_on_unreachable(happened("ansible.builtin.copy", msg="No route."))
    assert passed_on == ["box: Do it: No route.", "v2_runner_on_unreachable"]


def test_a_log_hears_of_a_long_task_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes and a bit of a kernel's build, at the pace of the thread that ticks."""
    seconds = iter(range(1000, 1135))
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    now = [1000.0]
    callback = Callback()
    callback.v2_playbook_on_play_start(play("Build the guest kernel"))

    def wait(_: float) -> bool:
        now[0] = next(seconds, None) or now[0]
        done = int(now[0] - 1000) * 4
        progress = {"stage": "compiling", "done": done, "expected": 1060}
        callback.v2_runner_retry(
            happened("hintfleet.bench.guest_kernel_progress", progress=progress)
        )
        return now[0] == 1134

    monkeypatch.setattr(callback._ended, "wait", wait)
    callback._tick()
    assert callback.lines == [
        "Build the guest kernel ...",
        "Build the guest kernel (50 s): compiling, 200 of about 1060 objects, about 4 min left",
        "Build the guest kernel (2 min): compiling, 400 of about 1060 objects, about 3 min left",
    ]


def test_a_study_is_shown_run_by_run(passed_on: list[str]) -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    event = happened(RUN)
    callback.v2_runner_on_start(event._host, event._task)
    outcome = {"status": "finished", "reason": None}
    callback.v2_runner_item_on_ok(
        happened(RUN, run_id=RUN_ID, outcome=outcome, summary="no swap", duration_seconds=9.0)
    )
    callback.v2_runner_on_ok(happened(RUN, results=[]))
    assert callback.lines == [
        "run 1 of 1  box-node0 block 1  none  memhog ...",
        "run 1 of 1  box-node0 block 1  none  memhog: no swap, 9 s",
    ]
    assert passed_on == ["v2_runner_on_start"]


def test_runs_that_finished_before_are_passed_over(passed_on: list[str]) -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[{**PLANNED, "status": "done"}]))
    callback.v2_runner_item_on_skipped(happened(RUN, run_id=RUN_ID, skipped=True))
    assert callback.lines == []
    assert passed_on == []


def test_check_mode_announces_nothing() -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    event = happened(RUN, skipped=True, item=PLANNED)
    event._task.check_mode = True
    callback.v2_runner_on_start(event._host, event._task)
    callback.v2_runner_item_on_skipped(event)
    assert callback.lines == []


def test_a_terminal_has_the_phase_at_its_foot_and_then_the_fleet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(Callback, "_tick", lambda _: None)
    callback = Callback()
    callback._display = SimpleNamespace(display=lambda text, **_: print(text), verbosity=0)
    callback.v2_playbook_on_start(None)
    callback.v2_playbook_on_play_start(play("Measure"))
    assert capsys.readouterr().out == ""
    callback._foot.refresh()
    assert capsys.readouterr().out == "Measure (0 s): it begins\n"
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    event = happened(RUN)
    callback.v2_runner_on_start(event._host, event._task)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "\x1b[1F\x1b[Jrun 1 of 1  box-node0 block 1  none  memhog ..."
    assert shown[1] == "Measure (0 s): 0 of 1 runs"
    assert shown[2].startswith("box  0 of 1  box-node0 block 1  none  memhog  since ")
    callback._display.display("a warning")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "\x1b[2F\x1b[Ja warning"
    callback.v2_playbook_on_stats(None)
    assert "Measure: 0 s\n" in capsys.readouterr().out
    callback._display.display("the recap")
    assert capsys.readouterr().out == "the recap\n"


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202e"


def test_whatever_a_host_says_acts_on_no_terminal() -> None:
    """Sentences, failures, counts of a build, and what Ansible prints of it by itself."""
    callback = Callback()
    plain = callback._display
    callback.v2_playbook_on_start(None)
    callback.v2_playbook_on_play_start(play("Build the guest kernel"))
    callback.v2_runner_on_ok(happened("ansible.builtin.debug", msg=ESCAPES))
    callback.v2_runner_on_failed(happened("ansible.builtin.command", msg=ESCAPES))
    callback._display.display(f"\x1b[1;35m[WARNING]: {ESCAPES}\x1b[0m", stderr=True)
    said = [call.args[0] for call in plain.method_calls if call.args and "owned" in call.args[0]]
    clean = "\ufffd]0;owned\ufffd\ufffd[2J\ufffd2J\ufffd"
    assert said == [
        f"  box: {clean}",
        f"box: Do it: {clean}",
        f"\x1b[1;35m[WARNING]: {clean}\x1b[0m",
    ]
    progress = {"stage": ESCAPES + "\n" * 99, "done": 1, "expected": None}
    callback.v2_runner_retry(happened("hintfleet.bench.guest_kernel_progress", progress=progress))
    assert callback._foot_lines(200, 9) == [
        f"Build the guest kernel (0 s): {clean}{' ' * 42}, 1 objects"
    ]


def test_a_check_of_a_run_that_says_nonsense_is_shown() -> None:
    callback = Callback()
    found = {"outcome": {"status": "\x1b", "reason": None}, "duration_seconds": 1.0}
    callback.v2_runner_on_ok(happened(RUN, run_id="r", summary="s", **found))
    assert callback.lines == ["r: s, 1 s"]


def test_a_host_that_is_gone_is_not_waited_for() -> None:
    callback = Callback()
    callback.v2_runner_on_ok(happened(PLAN, runs=[PLANNED]))
    callback.v2_runner_item_on_failed(happened(RUN, unreachable=True, item=PLANNED, msg="gone"))
    assert "cannot be reached" in callback._progress.fleet(80, 9)[0]


@pytest.mark.parametrize("found", [{"run_id": RUN_ID}, {"item": PLANNED}, {"item": 7}, {}])
def test_a_run_that_failed_is_told_once(passed_on: list[str], found: dict[str, Any]) -> None:
    """Whatever a play of somebody else's loops over."""
    callback = Callback()
    callback.v2_runner_item_on_failed(happened(RUN, msg="no QEMU", **found))
    callback.v2_runner_on_failed(happened(RUN, results=[]))
    assert callback.lines == ["box: Do it: no QEMU"]
    assert passed_on == ["v2_runner_item_on_failed"]
