# SPDX-License-Identifier: GPL-2.0-or-later
"""Each default of a role is documented and each documented option has its default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
WITH_DEFAULTS = sorted(path.parents[1].name for path in ROLES.glob("*/defaults/main.yml"))


def load(role: str, file: str) -> dict[str, Any]:
    return yaml.safe_load((ROLES / role / file).read_text()) or {}


def test_there_are_roles_to_compare() -> None:
    assert {"study", "numa_host", "guest_kernel", "guest_image"} <= set(WITH_DEFAULTS)


@pytest.mark.parametrize("role", WITH_DEFAULTS)
def test_argument_specs_name_every_default(role: str) -> None:
    defaults = load(role, "defaults/main.yml")
    entries = load(role, "meta/argument_specs.yml")["argument_specs"]
    options = {
        name: option
        for entry in entries.values()
        for name, option in entry.get("options", {}).items()
    }
    assert set(defaults) <= set(options), "a default without documentation"
    required = {name for name, option in options.items() if option.get("required")}
    assert set(options) - set(defaults) <= required, "an option that is neither default nor needed"
    for name, option in options.items():
        assert option.get("description"), name
        if "default" in option:
            assert option["default"] == defaults[name], f"two defaults for {name}"
