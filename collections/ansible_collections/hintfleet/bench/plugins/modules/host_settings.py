#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_settings
short_description: Set kernel settings for a study and put back what was found
version_added: 0.1.0
description:
  - Sets transparent huge pages, KSM, swappiness, NUMA balancing and zswap, and prepares the cgroup
    below which the cells of a study lie.
  - Before its first change it records what it found in a file. A later call never overwrites that
    record, so that O(state=restored) leads back to the host as it was before hintfleet.
options:
  found:
    description: File that keeps what was found.
    type: path
    default: /var/lib/hintfleet/found.json
  settings:
    description:
      - Wanted values by name. Names are V(thp_enabled), V(thp_defrag), V(ksm_run), V(swappiness),
        V(numa_balancing), V(zswap_enabled), V(zswap_compressor) and V(zswap_max_pool_percent);
        values are what the kernel's files take.
      - A setting this kernel does not have is listed in RV(absent) and is no error.
    type: dict
    default: {}
  notes:
    description: Further facts about the host as found, kept in the record when it is first written.
    type: dict
    default: {}
  used:
    description: Names that hintfleet uses on this host, C(user) and C(swap_path), for cleaning to
      find them though nobody names them again. Those of earlier calls stay in the record.
    type: dict
    default: {}
  state:
    description:
      - V(present) sets what is wanted.
      - V(restored) puts back each setting that hintfleet changed and keeps the record. The cgroup
        itself must be gone by then, see M(hintfleet.bench.sweep).
    type: str
    choices: [present, restored]
    default: present
author:
  - hintfleet contributors (@hintfleet)
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows the settings before and after.
    support: full
"""

EXAMPLES = r"""
- name: Prepare a host for a study
  hintfleet.bench.host_settings:
    settings:
      thp_enabled: madvise
      ksm_run: "0"

- name: Put back what was found
  hintfleet.bench.host_settings:
    state: restored
"""

RETURN = r"""
found:
  description: The record of what was found; empty if there is none.
  returned: always
  type: dict
  contains:
    notes:
      description: Further facts, as they were given.
      returned: where there is a record
      type: dict
      contains:
        packages_missing:
          description: Packages that were not there.
          returned: if it was given
          type: list
          elements: str
settings:
  description: Values now in force by name; null where this kernel lacks the setting.
  returned: always
  type: dict
absent:
  description: Wanted settings this kernel does not have.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings


def present(module: AnsibleModule) -> dict[str, Any]:
    """Set what is wanted; the record comes before the first change."""
    path = Path(module.params["found"])
    wanted = {name: str(value) for name, value in module.params["settings"].items()}
    hierarchy = _hierarchy.find()
    before = _settings.read_all()
    wrong = _settings.refusals(wanted)
    if wrong:
        raise BenchError(f"Host setting {'; '.join(wrong)}.")
    steps = _hierarchy.plan(hierarchy)

    record = _settings.load(path)
    before_us = record
    # What a run has set for its time is not touched while it may be under way: it puts that back.
    asked = {n: value for n, value in wanted.items() if n not in _settings.borrowed(record)}
    writes = _settings.changes(before, asked)
    if record is None:
        record = _settings.new_record(
            before, _hierarchy.subtree_control(hierarchy), module.params["notes"]
        )
    record = _settings.with_used(record, module.params["used"])
    changed = record != before_us or bool(writes) or bool(steps)
    record["changed"] = sorted(set(record["changed"]) | set(writes))
    if changed and not module.check_mode:
        _settings.store(path, record)
        _settings.write(writes)
        _hierarchy.apply(steps)
    return result(changed, before, {**before, **writes}, record, wanted)


def restored(module: AnsibleModule) -> dict[str, Any]:
    """Put back what the record says."""
    record = _settings.load(Path(module.params["found"]))
    before = _settings.read_all()
    if record is None:
        return result(False, before, before, {}, {})
    writes = _settings.to_restore(record, before)
    steps = _hierarchy.withdrawal(_hierarchy.find(), record["subtree_control"])
    if not module.check_mode:
        _settings.put_back(Path(module.params["found"]))  # runs have been ended by now
        _settings.write(writes)
        _hierarchy.apply(steps)
    return result(bool(writes or steps), before, {**before, **writes}, record, {})


def result(
    changed: bool,
    before: dict[str, Any],
    after: dict[str, Any],
    record: dict[str, Any],
    wanted: dict[str, str],
) -> dict[str, Any]:
    """What both states return."""
    return {
        "changed": changed,
        "settings": after,
        "found": record,
        "absent": sorted(name for name in wanted if before[name] is None),
        "diff": {"before": before, "after": after},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "found": {"type": "path", "default": "/var/lib/hintfleet/found.json"},
            "settings": {"type": "dict", "default": {}},
            "notes": {"type": "dict", "default": {}},
            "used": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        outcome = {"present": present, "restored": restored}[module.params["state"]](module)
    except BenchError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
