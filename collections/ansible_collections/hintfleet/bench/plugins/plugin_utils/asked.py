# SPDX-License-Identifier: GPL-2.0-or-later
"""Controller side of a module that a host answers: what it says is looked at before it is used."""

from __future__ import annotations

import importlib
from typing import Any

import yaml
from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils.answers import (
    check_promised,
    check_that_facts_stay_facts,
    told,
)

MODULES = "ansible_collections.hintfleet.bench.plugins.modules"


class AskedAction(ActionBase):
    """Asks the host, and takes an answer that has what the documentation of MODULE promises.

    A host that answers otherwise fails, with a sentence, and costs itself only.
    """

    MODULE: str
    _supports_check_mode = True
    _supports_async = False

    def check(self, answer: dict[str, Any]) -> None:
        """What must hold beside; raises BenchError."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        host = self._task.delegate_to or variables.get("inventory_hostname", "localhost")
        try:
            check_that_facts_stay_facts()
            answer: dict[str, Any] = told(
                self._execute_module(
                    module_name=f"hintfleet.bench.{self.MODULE}",
                    module_args=dict(self._task.args),
                    task_vars=task_vars,
                )
            )
            if not answer.get("failed"):
                check_promised(answer, promised_by(self.MODULE))
                self.check(answer)
        except BenchError as error:
            return {"failed": True, "msg": f"Host {host}: {error}"}
        return answer


def promised_by(module: str) -> dict[str, Any]:
    """What a module's documentation says that it returns."""
    return dict(yaml.safe_load(importlib.import_module(f"{MODULES}.{module}").RETURN))
