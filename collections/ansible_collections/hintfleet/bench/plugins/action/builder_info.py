# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.builder_info: it chooses the kernel, and what is refused."""

from __future__ import annotations

from ansible_collections.hintfleet.bench.plugins.plugin_utils.asked import AskedAction


class ActionModule(AskedAction):
    MODULE = "builder_info"
