# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens on the controller: the one way to say so.

An action plugin is part of ansible-playbook. It works as whoever started that, with its Python,
whatever `ansible_become`, `ansible_python_interpreter` or `ansible_connection` an inventory or a
command line sets for hosts; a task delegated to localhost takes all of these over.
"""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError


class ControllerAction(ActionBase):
    """An action that touches no host. ARGUMENTS is its argument specification."""

    _supports_check_mode = True
    _requires_connection = False
    ARGUMENTS: dict[str, Any]

    @abstractmethod
    def act(self, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        """The task's result; raises BenchError."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, params = self.validate_argument_spec(self.ARGUMENTS)
        try:
            return self.act(params, self._task.check_mode)
        except (BenchError, OSError) as error:
            return {"failed": True, "msg": str(error)}


def program(name: str) -> str:
    """A program that belongs to the Python that runs Ansible, or else one of that name in PATH."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if os.access(beside, os.X_OK) else name


def with_python(python: str | None, variables: dict[str, Any]) -> dict[str, Any]:
    """Variables of a task whose module runs under this Python of the host.

    An interpreter that was given for hosts, even as extra variable, is for all other modules.
    """
    return {**variables, "ansible_python_interpreter": python} if python else variables
