# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with a builder, or with what is said of it, is a sentence before all changes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.modules import builder_info
from plays import FIT_BUILDER, Fleet

PREFLIGHT = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: guest_artifact, tasks_from: preflight}
      vars: {guest_artifact_packages: [gcc]}
"""
# What the builder answers, what is asked for, and what the refusal says; None if it is taken.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "fit": ({}, {}, None),
    "no-packages": ({"packages_unknown": ["gcc"]}, {}, "apt on localhost has no gcc, which build"),
    "others-folder": ({"exchangeable_folder": "/home/op"}, {}, "may write to /home/op on localh"),
    "noexec": (
        {"unfit_mount": "noexec"},
        {},
        "mounted noexec, and a kernel's build makes programs",
    ),
    "no-room": ({"room_lacking_mib": 512}, {}, "takes 512 MiB more than are free: free some"),
    "all-of-it": (
        {"packages_unknown": ["gcc"], "exchangeable_folder": "/o", "room_lacking_mib": 5},
        {},
        "has no gcc.*may write to /o on.*5 MiB more",
    ),
    "nobody": ({}, {"guest_artifact_builder": "numa9"}, "'numa9', which is no host of the inv"),
    "space-in-path": ({}, {"guest_artifact_cache_dir": "/srv/my cache"}, "give a path from the"),
    "misspelt": ({}, {"guest_artifact_cachedir": "/c"}, "is no variable of hintfleet: write gues"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_builder_is_taken_or_refused_with_all_reasons(tmp_path: Path, name: str) -> None:
    answer, variables, words = CASES[name]
    fleet = Fleet(tmp_path / "fleet", builder={**FIT_BUILDER, **answer})
    fleet.add("box", {"guest_artifact_cache_dir": str(tmp_path), **variables})
    root = {"PATH": f"{a_root(tmp_path)}:{os.environ['PATH']}"}
    code = fleet.play(PREFLIGHT, environment=root)
    said = fleet.sentences("box")
    assert fleet.changed("box") == 0
    assert (code == 0) == (words is None), said
    assert re.search(words or "^$", said), said


def test_a_builder_that_is_not_there_is_never_asked(tmp_path: Path) -> None:
    """The kernel's role asks it first of all, which series it should build."""
    fleet = Fleet(tmp_path / "fleet")
    fleet.add("box", {"guest_artifact_builder": "numa9"})
    play = "- hosts: all\n  gather_facts: false\n  tasks:\n"
    fleet.play(
        f"{play}    - ansible.builtin.include_role: {{name: guest_kernel, tasks_from: preflight}}\n"
    )
    assert "guest_artifact_builder is 'numa9', which is no host of the in" in fleet.sentences("box")


def a_root(folder: Path) -> Path:
    """Programs that say what they say to root on a builder's processor."""
    for name, said in {"id": "0", "uname": "x86_64"}.items():
        (folder / "bin").mkdir(exist_ok=True)
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
    return folder / "bin"


def test_a_builder_of_another_kind_is_told_where_to_build(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet", builder=FIT_BUILDER)
    fleet.add("box", {"guest_artifact_cache_dir": str(tmp_path)})
    programs = a_root(tmp_path)
    (programs / "uname").write_text("#!/bin/sh\necho aarch64\n")
    (programs / "uname").chmod(0o755)
    fleet.play(PREFLIGHT, environment={"PATH": f"{programs}:{os.environ['PATH']}"})
    said = fleet.sentences("box")
    assert "Builder localhost is aarch64, and the guests' kernel and programs are made on" in said
    assert fleet.changed("box") == 0


def test_hosts_cannot_have_builders_of_their_own(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet", builder=FIT_BUILDER)
    for name in ("first", "second"):
        fleet.add(name, {"guest_artifact_builder": name, "guest_artifact_cache_dir": f"/{name}"})
    fleet.play(PREFLIGHT)
    assert (
        "Host second is given another guest_artifact_builder, guest_artifact_cache_dir than host "
        "first" in fleet.sentences("second")
    )


def test_cleaning_asked_for_the_builder_cleans_that_builder(tmp_path: Path) -> None:
    """Whether it was named in a group or by the variable, for hosts or on the command line."""
    kept = tmp_path / "cache"
    for name in (".hintfleet", "build/x", "kernels/k/bzImage", "mine"):
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        (kept / name).touch()
    fleet = Fleet(tmp_path / "fleet")
    fleet.add("box", {"guest_artifact_builder": "box", "guest_artifact_cache_dir": str(kept)})
    play = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: guest_artifact, tasks_from: clean}
"""
    assert fleet.play(play) == 0, fleet.output
    assert sorted(path.name for path in kept.iterdir()) == [".hintfleet", "mine"]
    assert json.dumps("box -> localhost") not in fleet.output


def test_room_for_a_kernel_is_asked_for_until_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder_info, "disk_free_mib", lambda _: 100)
    lacking = builder_info.SPACE_NEEDED_MIB - 100
    assert builder_info.room_lacking_mib(tmp_path / "not" / "there") == lacking
    (tmp_path / "kernels" / ".half-made").mkdir(parents=True)
    assert builder_info.room_lacking_mib(tmp_path) == lacking
    (tmp_path / "kernels" / "key").mkdir()
    assert builder_info.room_lacking_mib(tmp_path) == 0
