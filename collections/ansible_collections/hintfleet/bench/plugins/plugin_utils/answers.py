# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds on the controller for whatever a host answers."""

from __future__ import annotations

from ansible import constants
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError


def check_that_facts_stay_facts() -> None:
    """A host must not set the play's variables, paths on the controller among them.

    Raises BenchError where any module's `ansible_facts` would become plain variables, which win
    over defaults and inventory.
    """
    if constants.config.get_config_value("INJECT_FACTS_AS_VARS"):
        raise BenchError(
            "Ansible is set to make variables of hosts' facts, and so a host could choose where "
            "the controller reads and writes; set inject_facts_as_vars = false in ansible.cfg, or "
            "ANSIBLE_INJECT_FACT_VARS=false."
        )
