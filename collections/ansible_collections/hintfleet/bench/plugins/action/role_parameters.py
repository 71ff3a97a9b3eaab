# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.role_parameters: all that is wrong with what a role was given, in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.plugin_utils.given import misspelt, settled


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        role = Path(variables["role_path"])
        options = self._options(role)
        bounds = self._task.args.get("bounds") or {}
        plain = self._task.args.get("plain_paths") or []
        given: dict[str, Any] = {}
        wrong = misspelt(variables, f"{role.name}_", options, self._loaded(role / "vars/main.yml"))
        for name, option in options.items():
            if name not in variables:
                continue
            value = self._templar.template(variables[name])
            limits = tuple(bounds.get(name, ()))
            try:
                given[name] = settled(name, option, value, limits, plain=name in plain)
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            return {"failed": True, "msg": " ".join(wrong)}
        return {"changed": False, "given": given}

    def _options(self, role: Path) -> dict[str, Any]:
        """Those of all entry points of the role."""
        entries = self._loaded(role / "meta/argument_specs.yml")["argument_specs"].values()
        return {
            name: option for entry in entries for name, option in entry.get("options", {}).items()
        }

    def _loaded(self, path: Path) -> dict[str, Any]:
        return dict(self._loader.load_from_file(str(path)) or {})
