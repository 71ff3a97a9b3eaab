# SPDX-License-Identifier: GPL-2.0-or-later
"""Controller side of hintfleet.bench.host_info: what a host says of itself becomes cells and names.

So it is looked at before anybody uses it, and a host that talks nonsense costs itself only.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils.answers import (
    check_nodes,
    check_that_facts_stay_facts,
    told,
)


class ActionModule(ActionBase):
    """Asks the host and checks its answer."""

    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        host = (task_vars or {}).get("inventory_hostname", "localhost")
        try:
            check_that_facts_stay_facts()
            answer: dict[str, Any] = told(
                self._execute_module(
                    module_name="hintfleet.bench.host_info",
                    module_args=dict(self._task.args),
                    task_vars=task_vars,
                )
            )
            if not answer.get("failed"):
                check_nodes(answer.get("nodes"))
        except BenchError as error:
            return {"failed": True, "msg": f"Host {host}: {error}"}
        return answer
