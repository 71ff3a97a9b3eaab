# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.host_info: what a host says of itself becomes cells and names."""

from __future__ import annotations

from typing import Any

from ansible_collections.hintfleet.bench.plugins.plugin_utils.answers import check_nodes
from ansible_collections.hintfleet.bench.plugins.plugin_utils.asked import AskedAction


class ActionModule(AskedAction):
    MODULE = "host_info"

    def check(self, answer: dict[str, Any]) -> None:
        check_nodes(answer["nodes"])
