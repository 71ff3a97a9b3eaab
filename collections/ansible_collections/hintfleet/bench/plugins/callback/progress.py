# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows how far a playbook is, and a study on the whole fleet, in few lines."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: A line for each phase of a playbook and each run of a study
version_added: 0.1.0
description:
  - A play is a phase. On a terminal, a line at the foot of the screen says what it is at, and how
    far; how long the phase took replaces it. Where the output goes elsewhere, a line says that a
    phase begins, and one a minute that it goes on.
  - Says which run of how many has ended on which host, what came of it, and how long the rest
    will still take. What has finished before is counted, and otherwise passed over in silence. On
    a terminal, the foot of the screen has a line for each host that says what it does.
  - Of a failure the sentence comes first, and then what Ansible says of it.
  - Tasks that went well are shown with C(-v), C(--check) or C(--diff), as by the default callback.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as C(stdout_callback)
author:
  - hintfleet contributors (@hintfleet)
"""

import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ansible import context
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import cleaned
from ansible_collections.hintfleet.bench.plugins.module_utils.study.phases import Phases
from ansible_collections.hintfleet.bench.plugins.module_utils.study.progress import Progress

RUN = "hintfleet.bench.run"
PLAN = "hintfleet.bench.study_plan"
SAY = ("debug", "ansible.builtin.debug", "ansible.legacy.debug")
COLOURS = {"finished": "green", "failed": "red", "aborted": "yellow"}
PHASE_COLOUR = "bright blue"
FAILURE_COLOUR = "red"
COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def only_text(show: Callable[..., None]) -> Callable[..., None]:
    """`show` for text of others: nothing in it acts on a terminal, but Ansible's own colours.

    What a module said stands in warnings and messages that Ansible prints by itself, too.
    """

    def show_text(message: str, *args: Any, **kwargs: Any) -> None:
        parts = COLOUR.split(message)
        parts[::2] = map(cleaned, parts[::2])
        show("".join(parts), *args, **kwargs)

    return show_text


class Foot:
    """Lines that stay at the foot of a terminal, whatever is printed above them.

    Everything that this process prints goes through `display.display`, warnings too; what workers
    have to say is printed by this process.
    """

    def __init__(self, display: Any, lines: Callable[[int, int], list[str]]) -> None:
        self._lines = lines
        self._shown = 0
        self._process = os.getpid()
        self._lock = (
            threading.RLock()
        )  # several threads print; a child that is forked never takes it
        self._display, self._print = display, display.display
        display.display = self._above

    def _above(self, *args: Any, **kwargs: Any) -> None:
        if os.getpid() != self._process:
            self._print(*args, **kwargs)
            return
        with self._lock:
            self.erase()
            self._print(*args, **kwargs)
            self.draw()

    def refresh(self) -> None:
        with self._lock:
            self.erase()
            self.draw()

    def end(self) -> None:
        with self._lock:
            self.erase()
            self._display.display = self._print

    def erase(self) -> None:
        if self._shown:
            sys.stdout.write(f"\x1b[{self._shown}F\x1b[J")
            sys.stdout.flush()
            self._shown = 0

    def draw(self) -> None:
        size = shutil.get_terminal_size()
        lines = self._lines(size.columns - 1, size.lines // 2)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        self._shown = len(lines)


class CallbackModule(DefaultCallback):
    """The default callback, which knows phases, runs and plans.

    Of a result, `_host`, `_task` and `_result` are what every ansible-core since 2.17 knows.
    """

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "hintfleet.bench.progress"

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(time.time)
        self._phases = Phases(time.monotonic)
        self._foot: Foot | None = None
        self._ended = threading.Event()
        self._hosts_of_play = 0

    @property
    def _brief(self) -> bool:
        """Whether tasks that went well are passed over."""
        asked = context.CLIARGS
        return not (self._display.verbosity or asked.get("check") or asked.get("diff"))

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        self.set_option("display_skipped_hosts", False)

    # --- phases ---------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Any) -> None:
        super().v2_playbook_on_start(playbook)
        self._display.display = only_text(self._display.display)
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            self._foot = Foot(self._display, self._foot_lines)
        threading.Thread(target=self._tick, daemon=True).start()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._end_phase()
        if not self._brief:
            super().v2_playbook_on_play_start(play)
            return
        self._play = play
        known = play.get_variable_manager().get_vars(play=play)
        self._hosts_of_play = len(known["ansible_play_hosts_all"])
        self._phases.begin(play.get_name().strip())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._phases.task(task.name or "", 1 if task.run_once else self._hosts_of_play)
        if self._brief:
            self._last_task_name = None  # the banner of a failure names it then
        else:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_runner_retry(self, result: Any) -> None:
        """A look at a long task: how far it is, instead of a line for each look."""
        self._work()
        if "progress" in result._result:
            self._phases.count(result._result["progress"])

    def v2_playbook_on_include(self, included_file: Any) -> None:
        self._work()
        if not self._brief:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._end_phase()
        self._ended.set()
        if self._foot is not None:
            self._foot.end()
        super().v2_playbook_on_stats(stats)

    def _end_phase(self) -> None:
        line = self._phases.end()
        if line is not None and self._foot is not None:
            self._say(line, PHASE_COLOUR)

    def _work(self) -> None:
        """Something is done in the phase: a log hears that it begins."""
        if self._phases.work() and self._foot is None:
            self._print(f"{self._phases.name} ...", PHASE_COLOUR)

    def _foot_lines(self, width: int, height: int) -> list[str]:
        study = self._progress.line()
        phase = [self._phases.line(study)[:width]] if self._phases.name else []
        return phase + (self._progress.fleet(width, height) if study else [])

    def _tick(self) -> None:
        """Keeps a terminal's foot moving, and tells a log each minute that the phase goes on."""
        while not self._ended.wait(1):
            if self._foot is not None:
                self._foot.refresh()
            elif self._phases.quiet_for_long():
                self._say(self._phases.line(self._progress.line()))
            if self._phases.is_at_work():
                self._work()

    def _say(self, line: str, colour: str | None = None) -> None:
        self._work()
        self._print(line, colour)

    def _print(self, line: str, colour: str | None) -> None:
        self._phases.spoke()
        self._display.display(cleaned(line), color=colour)
        sys.stdout.flush()

    # --- results --------------------------------------------------------------------

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        super().v2_runner_on_start(host, task)
        if task.action == RUN and not task.check_mode:
            self._announce(host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._work()
        self._phases.host_done()
        if result._task.action == PLAN and "runs" in result._result:
            self._progress.plan(result._result["runs"])
        if result._task.action == RUN:
            self._after_run(result)
        elif not self._brief:
            super().v2_runner_on_ok(result)
        else:
            self._handle_warnings(result._result)
            self._say_message(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._phases.host_done()
        super().v2_runner_on_skipped(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._work()
        if result._task.action == RUN:
            self._after_run(result)
        elif not self._brief:
            super().v2_runner_item_on_ok(result)
        else:
            self._say_message(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if result._task.action == RUN and "run_id" in result._result:
            self._announce(result._host.get_name())
        else:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        host, found = result._host.get_name(), result._result
        if result._task.action == RUN:
            if found.get("unreachable"):
                self._progress.lose(host)
            else:
                item = found.get("item")
                asked = item.get("run_id") if isinstance(item, dict) else None
                self._progress.forget(host, found.get("run_id") or asked)
        self._say_failure(result)
        super().v2_runner_item_on_failed(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._phases.host_done()
        if self._items_were_shown(result):
            return
        if "results" not in result._result:  # else its items have told
            self._say_failure(result)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._phases.host_done()
        if self._items_were_shown(result):
            return
        self._say_failure(result)
        super().v2_runner_on_unreachable(result)

    def _items_were_shown(self, result: Any) -> bool:
        """For a loop over runs, whose results are long; the recap counts the host all the same."""
        return result._task.action == RUN and "results" in result._result

    def _say_message(self, result: Any) -> None:
        """What a task is there to say; a loop has said it item by item."""
        found = result._result
        if result._task.action in SAY and "msg" in found and "results" not in found:
            self._say(f"  {result._host.get_name()}: {found['msg']}".rstrip())

    def _say_failure(self, result: Any) -> None:
        """The sentence, before Ansible's own frame of it."""
        said = str(result._result.get("msg") or "it failed without a reason").strip()
        self._say(f"{result._host.get_name()}: {result._task.name}: {said}", FAILURE_COLOUR)

    # --- runs -----------------------------------------------------------------------

    def _after_run(self, result: Any) -> None:
        found, host = result._result, result._host.get_name()
        if "outcome" in found:
            line = self._progress.ended(host, found)
            self._say(line, COLOURS.get(found["outcome"]["status"]))
            self._announce(host)
        elif "run_id" in found:  # it was started, and others start beside it
            self._announce(host, found["run_id"])

    def _announce(self, host: str, run_id: str | None = None) -> None:
        line = self._progress.started(host, run_id)
        if line:
            self._say(line)
