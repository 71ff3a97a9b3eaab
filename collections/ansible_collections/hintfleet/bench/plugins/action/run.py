# SPDX-License-Identifier: GPL-2.0-or-later
"""Controller side of hintfleet.bench.run: one task is all the orchestration of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    RECORD,
    forget_missing,
    is_finished,
    note_missing,
    read_record,
    unpack,
    unpack_missing,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.study.attempts import (
    note_kept,
    times_kept,
)
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import with_python


class ActionModule(ActionBase):
    """Skips a run whose finished record is here; else carries it out and keeps all it brings.

    Why a run brought nothing is kept, too, for the report to tell.
    """

    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        task_vars = with_python(arguments.get("python"), task_vars or {})
        host = task_vars.get("inventory_hostname", "localhost")
        cell = dict(arguments.get("cell") or {})
        cell.setdefault("host", host)
        arguments["cell"] = cell
        results_dir = arguments.pop("results_dir", None)
        if results_dir is None:
            result = self._on_host(arguments, task_vars)
            result.pop("files", None)
            result.pop("earlier", None)
            return result
        results, run_id = Path(results_dir).expanduser(), arguments.get("run_id", "")
        folder = results / "runs" / run_id
        if is_finished(read_record(folder)):
            return {
                "changed": False,
                "skipped": True,
                "skip_reason": f"Run {run_id} has finished before",
                "run_id": run_id,
                "folder": str(folder),
            }
        arguments["attempt"] = times_kept(results, run_id)
        try:
            result = self._on_host(arguments, task_vars)
        except AnsibleConnectionFailure:
            # Nobody knows what comes of the run: it may go on, and be fetched the next time.
            note_missing(
                results,
                host,
                f"host {host} could not be reached any more at run {run_id}; see to it and start "
                "the study again",
            )
            raise
        if self._task.check_mode:
            return result
        forget_missing(results, host)
        if result.get("failed"):
            note_missing(results, run_id, str(result.get("msg", "no reason was given")))
        files, earlier = result.pop("files", {}), result.pop("earlier", [])
        if RECORD in files:
            for attempt in earlier:
                unpack_missing(attempt, folder)
            unpack(files, folder)
            forget_missing(results, run_id)
            note_kept(results, run_id)
            result["folder"] = str(folder)
        return result

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="hintfleet.bench.run", module_args=arguments, task_vars=task_vars
        )
        # Manifests are long, and a loop carries the results of all its runs along.
        result.pop("invocation", None)
        return result
