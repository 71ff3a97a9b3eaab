#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: own_folder
short_description: Make a folder of hintfleet's own, and remove what hintfleet put there
version_added: 0.1.0
description:
  - Marks a folder that is new or empty with a file C(.hintfleet), and refuses one that holds
    something. Removes from a marked folder what matches O(made), and the folder if nothing else is
    left in it. A folder without the mark is left as it is.
options:
  path:
    description: The folder.
    type: path
    required: true
  mode:
    description: Its mode, in octal.
    type: str
    default: "0755"
  known_by:
    description: Name of an entry that stands for the mark in a folder of an earlier version.
    type: str
    default: ""
  made:
    description: What hintfleet puts into it, as patterns of the shell, in the order of its removal.
    type: list
    elements: str
    default: []
  keep:
    description: Names that stay all the same.
    type: list
    elements: str
    default: []
  state:
    description: Whether the folder is there, or what was made in it is gone.
    type: str
    choices: [present, absent]
    default: present
author:
  - hintfleet contributors (@hintfleet)
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows no diff.
    support: none
"""

EXAMPLES = r"""
- name: Make the folder of kernels, images and runs
  hintfleet.bench.own_folder:
    path: /var/lib/hintfleet
"""

RETURN = r"""
removed:
  description: What was removed, or would be in check mode.
  returned: always
  type: list
  elements: str
left:
  description: What lies in the folder then, beside the mark.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import folder as _folder


def present(module: AnsibleModule) -> dict[str, Any]:
    """Make and mark it."""
    path, known_by = Path(module.params["path"]), module.params["known_by"]
    mode = int(module.params["mode"], 8)
    _folder.check(path, known_by)
    good = _folder.is_ours(path) and path.stat().st_mode & 0o7777 == mode
    if not good and not module.check_mode:
        _folder.claim(path, mode)
    return {"changed": not good, "removed": [], "left": _names(_folder.entries(path))}


def absent(module: AnsibleModule) -> dict[str, Any]:
    """Remove what we made."""
    path, known_by = Path(module.params["path"]), module.params["known_by"]
    ours = _folder.is_ours(path, known_by)
    going = _folder.ours(path, module.params["made"], known_by)
    going = [entry for entry in going if entry.name not in module.params["keep"]]
    left = [entry for entry in _folder.entries(path) if entry not in going]
    if ours and not module.check_mode:
        _folder.claim(path, path.stat().st_mode & 0o7777)  # what stays is still known as ours
        _folder.remove(going)
        _folder.give_back(path)
    return {
        "changed": bool(going) or (ours and not left),
        "removed": _names(going),
        "left": _names(left),
    }


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "mode": {"type": "str", "default": "0755"},
            "known_by": {"type": "str", "default": ""},
            "made": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        outcome = {"present": present, "absent": absent}[module.params["state"]](module)
    except (BenchError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
