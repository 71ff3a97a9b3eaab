# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.study_settled: looks on the controller whether a study can end."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.study.looks import (
    earlier_looks,
    note_look,
    what_next,
)
from ansible_collections.hintfleet.bench.plugins.modules.study_settled import ARGUMENTS
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import (
    ControllerAction,
    program,
)

# 2 says that a figure is not to be trusted: another block would not mend that.
WRITTEN = (0, 2)


class ActionModule(ControllerAction):
    ARGUMENTS = ARGUMENTS

    def act(self, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        folder, blocks = Path(params["results_dir"]), params["blocks"]
        if check_mode:
            reason = "in check mode nothing is looked at"
            return {"changed": False, "ended": True, "blocks": blocks, "reason": reason}
        before = earlier_looks(folder)
        if blocks < max(before, default=0):
            reason = f"It had come to {max(before)} blocks before; what is missing of them is run."
            return {"changed": False, "ended": False, "blocks": max(before), "reason": reason}
        # The look is noted before anything is seen of it: what was looked at is spent.
        changed = note_look(folder, blocks)
        command = [program("hintfleet"), "report", str(folder), "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in WRITTEN:
            raise BenchError(f"No report was made to look at: {done.stderr.strip()}")
        hours = (time.time() - params["began"]) / 3600 if params["began"] else 0.0
        found = what_next(json.loads(done.stdout), blocks, hours, params)
        return {"changed": changed, **found}
