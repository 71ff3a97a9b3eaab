# SPDX-License-Identifier: GPL-2.0-or-later
"""Arms that cannot be measured are refused by every host before anything changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plays import Fleet

PREFLIGHT = """\
- hosts: all
  gather_facts: true
  tasks:
    - ansible.builtin.include_role: {name: study, tasks_from: preflight, public: true}
    - ansible.builtin.include_role: {name: guest_kernel, tasks_from: preflight, public: true}
    - ansible.builtin.include_role: {name: guest_kernel, tasks_from: others}
      vars: {guest_kernel_check: true}
      when: guest_kernels | length > 0
    - ansible.builtin.assert: {that: false, quiet: true, fail_msg: all is well}
"""
NOW = {"name": "now", "mechanism": "page_hinting", "kernel_arguments": "page_hinting.age_ms=0"}
QEMU = {"name": "other", "mechanism": "none", "qemu": "/opt/nowhere/qemu-system-x86_64"}
SWEEP = {"arm": "page_hinting", "over": {}}
KERNELS = {"6.12": {"version": "6.12"}}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"study_arms": ["none", QEMU]}, ["Host here has no program", "Host there has no program",
                                          QEMU["qemu"], "install it"]),
        ({"study_arms": ["none", NOW, NOW]}, ["Two arms are named now"]),
        ({"study_arms": ["none", {**NOW, "kernel_argument": "x"}]},
         ["did you mean kernel_arguments?"]),
        ({"study_arms": ["none", {**NOW, "kernel": "6.21"}], "guest_kernels": KERNELS},
         ["states the kernel 6.21", "it names 6.12"]),
        ({"study_sweep": [SWEEP]}, ["sweep of page_hinting is over nothing"]),
        ({"study_sweep": [{**SWEEP, "over": {"a.b": list(range(98))}}]},
         ["101 arms, more than 100", "study_many_arms=true"]),
        ({"study_arms": ["none", NOW, {**NOW, "name": "later"}]}, ["differ in their names only"]),
        ({"study_baseline": "nome"}, ["study_baseline is 'nome'", "did you mean none?"]),
        ({"guest_kernels": {"6.12": {"versoin": "6.12"}}},
         ["guest_kernels names '6.12'", "version"]),
        ({"guest_kernels": KERNELS, "guest_kernel_version": "6.1"},
         ["guest_kernel_version is given as an extra variable (-e)", "names 6.12 with another",
          "group_vars/all.yml"]),
        ({"guest_kernels": {"stock": {"version": "6.1", "patch_series": ""}},
          "guest_kernel_version": "6.1"}, ["all is well"]),
    ],
)  # fmt: skip
def test_a_sentence_before_anything_changes(
    tmp_path: Path, variables: dict[str, Any], words: list[str]
) -> None:
    hosts = Fleet(tmp_path)
    for name in ("here", "there"):
        hosts.add(name)
    hosts.play(PREFLIGHT, "-e", json.dumps(variables))
    said = " ".join(hosts.sentences(name) for name in ("here", "there"))
    assert [word for word in words if word not in said] == [], said
    assert hosts.changed("here") == hosts.changed("there") == 0
