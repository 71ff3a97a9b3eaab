# SPDX-License-Identifier: GPL-2.0-or-later
"""Controller side of hintfleet.bench.accelerator_info: which Python runs it, what it may say."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils.answers import check_accelerator, told
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import with_python


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments, variables = dict(self._task.args), task_vars or {}
        try:
            answer: dict[str, Any] = told(
                self._execute_module(
                    module_name="hintfleet.bench.accelerator_info",
                    module_args=arguments,
                    task_vars=with_python(arguments.get("python"), variables),
                )
            )
            if not answer.get("failed"):
                check_accelerator(answer)
        except BenchError as error:
            host = variables.get("inventory_hostname", "localhost")
            return {"failed": True, "msg": f"Host {host}: {error}"}
        return answer
