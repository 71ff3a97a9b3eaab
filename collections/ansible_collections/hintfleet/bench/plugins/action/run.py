# SPDX-License-Identifier: GPL-2.0-or-later
"""Controller side of hintfleet.bench.run: one task is all the orchestration of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.module_utils._record import (
    RECORD,
    is_finished,
    read_record,
    unpack,
    unpack_missing,
)


class ActionModule(ActionBase):
    """Skips a run whose finished record is here; else carries it out and keeps all it brings."""

    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        results_dir = arguments.pop("results_dir", None)
        run_id = arguments.get("run_id", "")
        folder = Path(results_dir).expanduser() / "runs" / run_id if results_dir else None
        if folder is not None and is_finished(read_record(folder)):
            return {
                "changed": False,
                "skipped": True,
                "skip_reason": f"Run {run_id} has finished before",
                "run_id": run_id,
                "folder": str(folder),
            }
        cell = dict(arguments.get("cell") or {})
        cell.setdefault("host", task_vars.get("inventory_hostname", "localhost"))
        arguments["cell"] = cell
        result = self._execute_module(
            module_name="hintfleet.bench.run", module_args=arguments, task_vars=task_vars
        )
        files, earlier = result.pop("files", {}), result.pop("earlier", [])
        if folder is not None and RECORD in files:
            for attempt in earlier:
                unpack_missing(attempt, folder)
            unpack(files, folder)
            result["folder"] = str(folder)
        return result
