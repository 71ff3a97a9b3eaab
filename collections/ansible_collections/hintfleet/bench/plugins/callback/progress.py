# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows how far a study is, run by run, within Ansible's usual output."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Ansible's usual output, with one line for each run of a study
version_added: 0.1.0
description:
  - Says which run of how many has ended on which host, what came of it, and how long the rest
    will still take. What has finished before is counted, and otherwise passed over in silence.
  - Everything else looks as with the default callback, without the tasks that are skipped.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as C(stdout_callback)
author:
  - hintfleet contributors (@hintfleet)
"""

import time
from typing import Any

from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible_collections.hintfleet.bench.plugins.module_utils._progress import Progress

RUN = "hintfleet.bench.run"
PLAN = "hintfleet.bench.study_plan"
COLOURS = {"finished": "green", "failed": "red", "aborted": "yellow"}


class CallbackModule(DefaultCallback):
    """The default callback, which knows runs and plans."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "hintfleet.bench.progress"

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(time.monotonic)
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
        if task.action == RUN:
            self._announce(host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        if result.task.action == PLAN and "runs" in result.result:
            self._progress.plan(result.result["runs"])
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
        if result.task.action == RUN:
            self._announce(result.host.get_name())
        else:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if result.task.action == RUN:
            self._progress.forget(result.host.get_name(), result.result.get("run_id"))
        super().v2_runner_item_on_failed(result)

    def _after_run(self, result: Any) -> None:
        found = result.result
        if "outcome" not in found:  # a loop over runs, whose items were shown, or check mode
            return
        host = result.host.get_name()
        line = self._progress.ended(host, found)
        self._display.display(line, color=COLOURS[found["outcome"]["status"]])
        self._announce(host)

    def _announce(self, host: str) -> None:
        line = self._progress.started(host)
        if line:
            self._display.display(line)
