# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.study_report: the report is written on the controller."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import (
    ControllerAction,
    program,
)

# 2 says that a figure is not to be trusted; the report itself is there.
WRITTEN = (0, 2)


class ActionModule(ControllerAction):
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "results_dir": {"type": "path", "required": True},
        "folder": {"type": "path", "required": True},
    }

    def act(self, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        # It is derived from the records, anew each time; nothing of the study changes.
        command = [program("hintfleet"), "report", params["results_dir"]]
        command += ["--save", params["folder"]]
        if not Path(params["results_dir"]).is_dir() and check_mode:
            return {"changed": False}
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise BenchError(
                "The controller has no command hintfleet; install the Python package hintfleet "
                "for the Python that runs Ansible."
            ) from None
        if done.returncode not in WRITTEN:
            raise BenchError(f"No report was written: {done.stderr.strip()}")
        return {"changed": False, "trusted": done.returncode == 0}
