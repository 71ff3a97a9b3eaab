# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows how far a study is on the whole fleet, within Ansible's usual output."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Ansible's usual output, with one line for each run of a study
version_added: 0.1.0
description:
  - Says which run of how many has ended on which host, what came of it, and how long the rest
    will still take. What has finished before is counted, and otherwise passed over in silence.
  - On a terminal, the foot of the screen has a line for each host that says what it does. Where the
    output goes elsewhere there are the plain lines only.
  - Everything else looks as with the default callback, without the tasks that are skipped.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as C(stdout_callback)
author:
  - hintfleet contributors (@hintfleet)
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible_collections.hintfleet.bench.plugins.module_utils.study.progress import Progress

RUN = "hintfleet.bench.run"
PLAN = "hintfleet.bench.study_plan"
COLOURS = {"finished": "green", "failed": "red", "aborted": "yellow"}


class Foot:
    """Lines that stay at the foot of a terminal, whatever is printed above them.

    Everything that this process prints goes through `display.display`, warnings too; what workers
    have to say is printed by this process.
    """

    def __init__(self, display: Any, lines: Callable[[int, int], list[str]]) -> None:
        self._lines = lines
        self._shown = 0
        self._process = os.getpid()
        self._lock = threading.RLock()  # tasks start in one thread and end in another
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

    def end(self) -> None:
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
    """The default callback, which knows runs and plans."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "hintfleet.bench.progress"

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(time.time)
        self._foot: Foot | None = None
        self._since: dict[str, float] = {}  # when a long task was first looked at
        self._minutes: dict[str, int] = {}  # and how many minutes of it were told

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        self.set_option("display_skipped_hosts", False)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        """A line a minute for a long job, not one for every look at it."""
        now, task = time.monotonic(), result.task._uuid
        minutes = int(now - self._since.setdefault(task, now)) // 60
        if minutes > self._minutes.get(task, 0):
            self._minutes[task] = minutes
            self._display.display(f"{result.host.get_name()}: at it for {minutes} min ...")

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        super().v2_runner_on_start(host, task)
        if task.action == RUN and not task.check_mode:
            self._announce(host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        if result.task.action == PLAN and "runs" in result.result:
            self._progress.plan(result.result["runs"])
            if self._foot is None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
                self._foot = Foot(self._display, self._progress.fleet)
        if result.task.action == RUN:
            self._after_run(result)
        else:
            super().v2_runner_on_ok(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if result.task.action == RUN:
            self._after_run(result)
        else:
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if result.task.action == RUN and "run_id" in result.result:
            self._announce(result.host.get_name())
        else:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if result.task.action == RUN:
            host, found = result.host.get_name(), result.result
            if found.get("unreachable"):
                self._progress.lose(host)
            else:
                self._progress.forget(host, found.get("run_id") or found["item"]["run_id"])
        super().v2_runner_item_on_failed(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not self._items_were_shown(result):
            super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if not self._items_were_shown(result):
            super().v2_runner_on_unreachable(result)

    def _items_were_shown(self, result: Any) -> bool:
        """For a loop over runs, whose results are long; the recap counts the host all the same."""
        return result.task.action == RUN and "results" in result.result

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._foot is not None:
            self._foot.end()
        super().v2_playbook_on_stats(stats)

    def _after_run(self, result: Any) -> None:
        found, host = result.result, result.host.get_name()
        if "outcome" in found:
            line = self._progress.ended(host, found)
            self._display.display(line, color=COLOURS[found["outcome"]["status"]])
            self._announce(host)
        elif "run_id" in found:  # it was started, and others start beside it
            self._announce(host, found["run_id"])

    def _announce(self, host: str, run_id: str | None = None) -> None:
        line = self._progress.started(host, run_id)
        if line:
            self._display.display(line)
