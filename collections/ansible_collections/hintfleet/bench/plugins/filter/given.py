# SPDX-License-Identifier: GPL-2.0-or-later
"""Values as roles use them, however they were given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.hintfleet.bench.plugins.plugin_utils.given import as_dict, as_list


class FilterModule:
    def filters(self) -> dict[str, Callable[[Any], Any]]:
        return {"as_dict": as_dict, "as_list": as_list}
