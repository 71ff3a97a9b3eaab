# SPDX-License-Identifier: GPL-2.0-or-later
"""Controller side of hintfleet.bench.accelerator_info: which Python of the host runs it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import with_python


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        result: dict[str, Any] = self._execute_module(
            module_name="hintfleet.bench.accelerator_info",
            module_args=arguments,
            task_vars=with_python(arguments.get("python"), task_vars or {}),
        )
        return result
