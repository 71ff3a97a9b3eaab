# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.study_tile: the guests of a tile are worked out on the controller."""

from __future__ import annotations

from typing import Any

from ansible_collections.hintfleet.bench.plugins.modules.study_tile import ARGUMENTS, worked_out
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    ARGUMENTS = ARGUMENTS

    def act(self, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        return worked_out(params)
