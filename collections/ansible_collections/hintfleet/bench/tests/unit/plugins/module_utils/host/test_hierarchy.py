# SPDX-License-Identifier: GPL-2.0-or-later
"""The cells' cgroup on v1, v2 and hosts that mount both."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import Hierarchy

# Captured 2026-11-22: Linux 6.18 with v1 controllers and an empty v2 tree.
LEGACY = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def v1(tmp_path: Path) -> Hierarchy:
    roots = {name: tmp_path / name for name in ("cpuset", "memory")}
    for root in roots.values():
        root.mkdir()
    (roots["cpuset"] / "cpuset.cpus").write_text("0-3\n")
    (roots["cpuset"] / "cpuset.mems").write_text("0-1\n")
    return Hierarchy(roots, None)


def v2(tmp_path: Path, passed_on: str) -> Hierarchy:
    (tmp_path / "cgroup.subtree_control").write_text(passed_on + "\n")
    return Hierarchy({"cpuset": tmp_path, "memory": tmp_path}, tmp_path)


def test_mounts_of_both_versions() -> None:
    legacy, unified = _hierarchy.parse_mounts(LEGACY)
    assert legacy["memory"] == Path("/sys/fs/cgroup/memory")
    assert legacy["cpuset"] == Path("/sys/fs/cgroup/cpuset")
    assert unified == Path("/sys/fs/cgroup/unified")


def test_v2_controllers_are_found_where_they_are_offered(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    found = _hierarchy.find(f"30 23 0:26 / {tmp_path} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n")
    assert found.version == 2
    assert found.folders() == [tmp_path / "hintfleet"]


def test_v1_wins_where_v2_is_mounted_without_controllers(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("\n")
    mounts = LEGACY.replace("/sys/fs/cgroup/unified", str(tmp_path))
    found = _hierarchy.find(mounts)
    assert found.version == 1
    assert len(found.folders()) == 2


def test_a_host_without_the_memory_controller(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")
    found = _hierarchy.find(f"30 23 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    assert found.roots == {}
    assert _hierarchy.plan(found) == []


def test_v1_child_takes_over_cpus_and_nodes(tmp_path: Path) -> None:
    hierarchy = v1(tmp_path)
    _hierarchy.apply(_hierarchy.plan(hierarchy))
    assert (tmp_path / "cpuset/hintfleet/cpuset.mems").read_text() == "0-1"
    assert (tmp_path / "memory/hintfleet").is_dir()
    assert _hierarchy.plan(hierarchy) == []


def test_v2_passes_on_only_what_is_missing_root_first(tmp_path: Path) -> None:
    steps = _hierarchy.plan(v2(tmp_path, "cpu memory pids"))
    assert steps == [
        (tmp_path / "hintfleet", ""),
        (tmp_path / "cgroup.subtree_control", "+cpuset"),
        (tmp_path / "hintfleet/cgroup.subtree_control", "+cpuset +memory"),
    ]


def test_v2_takes_back_only_what_was_not_found(tmp_path: Path) -> None:
    hierarchy = v2(tmp_path, "cpuset cpu memory")
    assert _hierarchy.withdrawal(hierarchy, ["cpu", "memory"]) == [
        (tmp_path / "cgroup.subtree_control", "-cpuset")
    ]
    assert _hierarchy.withdrawal(hierarchy, ["cpuset", "memory"]) == []


def test_nothing_is_taken_back_on_v1(tmp_path: Path) -> None:
    assert _hierarchy.withdrawal(v1(tmp_path), []) == []


def test_a_refused_step_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(_hierarchy.HierarchyError, match="run hintfleet as root"):
        _hierarchy.apply([(tmp_path / "no" / "cgroup.subtree_control", "+memory")])


def test_a_cpu_that_was_off_comes_back_to_the_v1_cgroup(tmp_path: Path) -> None:
    hierarchy = v1(tmp_path)
    _hierarchy.apply(_hierarchy.plan(hierarchy))
    file = tmp_path / "cpuset/hintfleet/cpuset.cpus"
    file.write_text("0,2-3\n")  # what is left after CPU 1 went off and on again
    assert _hierarchy.plan(hierarchy) == [(file, "0-3")]
    file.write_text("0,1,2,3\n")
    assert _hierarchy.plan(hierarchy) == []


def test_files_say_whether_v2_counts_swap_not_words(tmp_path: Path) -> None:
    hierarchy = v2(tmp_path, "cpuset memory")
    child = tmp_path / "system.slice"
    child.mkdir()
    (child / "memory.max").write_text("max\n")
    assert not hierarchy.counts_swap()
    (child / "memory.swap.max").write_text("max\n")
    assert hierarchy.counts_swap()


def test_a_mount_whose_name_is_no_text_hides_no_hierarchy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "mountinfo"
    listed.write_bytes(b"50 1 8:1 / /media/B\xfccher rw - vfat /dev/sdb1 rw\n" + LEGACY.encode())
    monkeypatch.setattr(
        _hierarchy, "Path", lambda path: listed if "mountinfo" in str(path) else Path(path)
    )
    found = _hierarchy.find()
    assert found.roots == {name: Path("/sys/fs/cgroup") / name for name in ("cpuset", "memory")}


def test_memory_that_cells_hold(tmp_path: Path) -> None:
    hierarchy = v2(tmp_path, "cpuset memory")
    assert hierarchy.held_mib() == 0
    (tmp_path / "hintfleet").mkdir()
    (tmp_path / "hintfleet" / "memory.current").write_text(f"{300 * 2**20}\n")
    assert hierarchy.held_mib() == 300
