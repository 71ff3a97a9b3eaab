# SPDX-License-Identifier: GPL-2.0-or-later
"""What a module says about its options is what it does with them."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import yaml

MODULES = (
    "run",
    "accelerator_info",
    "builder_info",
    "guest_kernel_progress",
    "study_plan",
    "study_tile",
    "own_folder",
)
PACKAGE = "ansible_collections.hintfleet.bench.plugins.modules"


class SpecificationSeen(Exception):  # noqa: N818 - not an error
    pass


def specification(module: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The argument specification that a module hands to Ansible."""
    seen: dict[str, Any] = {}

    def look(*, argument_spec: dict[str, Any], **_: Any) -> None:
        seen.update(argument_spec)
        raise SpecificationSeen

    monkeypatch.setattr(module, "AnsibleModule", look)
    with pytest.raises(SpecificationSeen):
        module.main()
    return seen


def normal(options: dict[str, Any], nested: str) -> dict[str, Any]:
    """Options without their prose, defaults of Ansible filled in."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": sorted(option.get("choices", [])),
            "options": normal(option.get(nested, {}), nested),
        }
        for name, option in options.items()
    }


@pytest.mark.parametrize("name", MODULES)
def test_documented_options_are_the_options(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    specified = specification(module, monkeypatch)
    assert normal(documented, "suboptions") == normal(specified, "options")


@pytest.mark.parametrize("name", MODULES)
def test_examples_and_returned_values_are_yaml(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    (task,) = yaml.safe_load(module.EXAMPLES)
    assert set(task) & {f"hintfleet.bench.{name}"}
    assert all("returned" in value for value in yaml.safe_load(module.RETURN).values())
