# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.study_plan: the plan lies on the controller."""

from __future__ import annotations

from typing import Any

from ansible_collections.hintfleet.bench.plugins.modules.study_plan import ARGUMENTS, planned
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    ARGUMENTS = ARGUMENTS

    def act(self, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        return planned(params, check_mode)
