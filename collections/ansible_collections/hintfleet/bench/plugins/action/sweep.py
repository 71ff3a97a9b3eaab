# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.sweep: names of runs are looked for on the controller."""

from __future__ import annotations

from ansible_collections.hintfleet.bench.plugins.plugin_utils.asked import AskedAction


class ActionModule(AskedAction):
    MODULE = "sweep"
