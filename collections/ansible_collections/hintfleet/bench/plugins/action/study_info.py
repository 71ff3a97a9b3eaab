# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.study_info: what a plan on the controller began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.hintfleet.bench.plugins.module_utils.study.plan import read_plan
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    ARGUMENTS: ClassVar[dict[str, Any]] = {"results_dir": {"type": "path", "required": True}}

    def act(self, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        plan = read_plan(Path(params["results_dir"])) or {}
        return {"changed": False, "artifacts": plan.get("artifacts", {})}
