# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.own_folder: whether it is empty decides what is removed next."""

from __future__ import annotations

from ansible_collections.hintfleet.bench.plugins.plugin_utils.asked import AskedAction


class ActionModule(AskedAction):
    MODULE = "own_folder"
