# SPDX-License-Identifier: GPL-2.0-or-later
"""What a builder answered of a kernel or image, once it was looked at."""

from __future__ import annotations

DOCUMENTATION = r"""
name: artifact
short_description: Key and manifest of what a builder made, or a sentence why they are none
version_added: 0.1.0
description:
  - A builder's answer names folders on the controller and on every host, and stands in every
    record. Nothing of it is used before it has passed here.
options:
  _input:
    description: What C(guest_kernel_build) or C(guest_image_build) returned.
    type: dict
    required: true
  builder:
    description: Who answered.
    type: str
    required: true
  may_be_absent:
    description: Whether nothing may be built yet, as in check mode.
    type: bool
    default: false
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
kernel: "{{ built | hintfleet.bench.artifact('localhost') }}"
"""

RETURN = r"""
_value:
  description: The answer's C(key) and C(manifest), no more.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils.answers import checked_artifact


def artifact(answer: Any, builder: str, may_be_absent: bool = False) -> dict[str, Any]:
    """Key and manifest, checked."""
    if may_be_absent and isinstance(answer, dict) and not answer.get("manifest"):
        return {"key": "", "manifest": {}}
    try:
        return checked_artifact(answer)
    except BenchError as error:
        raise AnsibleFilterError(f"Builder {builder} {error}") from error


class FilterModule:
    """What the collection adds to Jinja."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"artifact": artifact}
