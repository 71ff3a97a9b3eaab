# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.host_settings: what was found is told."""

from __future__ import annotations

from ansible_collections.hintfleet.bench.plugins.plugin_utils.asked import AskedAction


class ActionModule(AskedAction):
    MODULE = "host_settings"
