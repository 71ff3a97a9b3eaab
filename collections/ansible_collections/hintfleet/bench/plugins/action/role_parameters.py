# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.role_parameters: all that is wrong with what a role was given, in one go."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.plugin_utils.given import settled


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        given: dict[str, Any] = {}
        wrong: list[str] = []
        bounds = self._task.args.get("bounds") or {}
        for name, option in self._task.args["specification"].items():
            if name not in variables:
                continue
            value = self._templar.template(variables[name])
            try:
                given[name] = settled(name, option, value, tuple(bounds.get(name, ())))
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            return {"failed": True, "msg": " ".join(wrong)}
        return {"changed": False, "given": given}
