# SPDX-License-Identifier: GPL-2.0-or-later
"""The cell's cgroup, on trees of files that look like those of cgroup v1 and v2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import (
    MIB,
    RUNNER_MIB,
    CellCgroup,
    apart,
    format_cpus,
    leave_session,
    parse_flat_keys,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import Hierarchy

CAPTURES = Path(__file__).parents[1] / "captures"


def files(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("")


@pytest.fixture
def v1(tmp_path: Path) -> CellCgroup:
    cgroup = CellCgroup(
        "c", Hierarchy({"memory": tmp_path / "memory", "cpuset": tmp_path / "cpuset"}, None)
    )
    for root in ("cpuset", "memory"):
        files(tmp_path / root, [])
    for folder in (tmp_path / "cpuset", tmp_path / "cpuset" / "hintfleet"):
        files(folder, [])
        (folder / "cpuset.cpus").write_text("0-1\n")
        (folder / "cpuset.mems").write_text("0\n")
    files(cgroup.memory, ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cgroup.procs"])
    assert cgroup.cpuset is not None
    files(cgroup.cpuset, ["cpuset.mems", "cpuset.cpus", "cgroup.procs"])
    return cgroup


@pytest.fixture
def v2(tmp_path: Path) -> CellCgroup:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    cgroup = CellCgroup("c", Hierarchy({"memory": tmp_path, "cpuset": tmp_path}, tmp_path))
    for folder in (tmp_path, tmp_path / "hintfleet"):
        files(folder, [])
        (folder / "cgroup.subtree_control").write_text("cpuset memory\n")
    names = ["memory.max", "memory.swap.max", "cpuset.mems", "cpuset.cpus", "cgroup.procs"]
    files(cgroup.memory, names)
    return cgroup


def test_v1_limits_memory_and_memory_with_swap(v1: CellCgroup) -> None:
    v1.create(960, 256, [0, 1], 0)
    assert int((v1.memory / "memory.limit_in_bytes").read_text()) == 960 * MIB
    assert int((v1.memory / "memory.memsw.limit_in_bytes").read_text()) == (960 + 256) * MIB
    assert v1.cpuset is not None
    assert (v1.cpuset / "cpuset.cpus").read_text() == "0,1"
    assert (v1.cpuset / "cpuset.mems").read_text() == "0"
    assert [path.parent.parent.parent.name for path in v1.procs_files] == ["memory", "cpuset"]


def test_v2_limits_memory_and_swap_by_itself(v2: CellCgroup) -> None:
    v2.create(960, 256, [3], 1)
    assert int((v2.memory / "memory.max").read_text()) == 960 * MIB
    assert int((v2.memory / "memory.swap.max").read_text()) == 256 * MIB
    assert (v2.memory / "cpuset.cpus").read_text() == "3"
    assert (v2.memory / "cpuset.mems").read_text() == "1"
    assert len(v2.procs_files) == 1


def test_v1_swap_is_that_of_the_whole_tree(v1: CellCgroup) -> None:
    text = (CAPTURES / "memory.stat-v1.txt").read_text()  # Linux 6.18, 2026-11-22
    assert parse_flat_keys(text)["total_swap"] == 0
    (v1.memory / "memory.stat").write_text(text.replace("total_swap 0", f"total_swap {5 * MIB}"))
    (v1.memory / "memory.usage_in_bytes").write_text(f"{7 * MIB}\n")
    assert v1.swap_mib() == 5
    assert v1.memory_mib() == 7


def test_v2_swap_is_counted_by_the_kernel(v2: CellCgroup) -> None:
    (v2.memory / "memory.swap.current").write_text(f"{5 * MIB}\n")
    (v2.memory / "memory.current").write_text(f"{7 * MIB}\n")
    assert (v2.swap_mib(), v2.memory_mib()) == (5, 7)


def test_a_kernel_without_swap_accounting_is_named(v1: CellCgroup) -> None:
    (v1.memory / "memory.memsw.limit_in_bytes").unlink()
    with pytest.raises(BenchError, match="swapaccount=1"):
        v1.create(960, 256, [0], 0)


def test_processes_of_all_hierarchies_are_found_once(v1: CellCgroup) -> None:
    assert v1.cpuset is not None
    (v1.memory / "cgroup.procs").write_text("12\n7\n")
    (v1.cpuset / "cgroup.procs").write_text("7\n9\n")
    assert v1.process_ids() == [7, 9, 12]


def test_a_cell_that_is_not_there_need_not_be_removed(tmp_path: Path) -> None:
    cgroup = CellCgroup("c", Hierarchy({"memory": tmp_path}, None))
    assert cgroup.memory_binding == "none"
    assert not cgroup.remove()


def test_format_cpus() -> None:
    assert format_cpus([0, 1, 4]) == "0,1,4"


@pytest.mark.parametrize("version", [1, 2])
def test_the_runner_lives_apart_and_leaves(
    version: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell: CellCgroup = request.getfixturevalue(f"v{version}")
    runner = cell.memory.with_name("c@runner")
    limits = {
        1: {"memory.limit_in_bytes": RUNNER_MIB, "memory.memsw.limit_in_bytes": RUNNER_MIB},
        2: {"memory.max": RUNNER_MIB, "memory.swap.max": 0},
    }[version]
    files(runner, [*limits, "cgroup.procs"])
    removed: list[str] = []
    monkeypatch.setattr(CellCgroup, "remove", lambda cgroup: removed.append(cgroup.cell))
    with pytest.raises(KeyError), apart("c", cell.hierarchy):
        assert (runner / "cgroup.procs").read_text() == str(os.getpid())
        assert {name: int((runner / name).read_text()) // MIB for name in limits} == limits
        assert removed == ["c@runner"], "what one that was killed has left goes first"
        raise KeyError
    assert (cell.hierarchy.roots["memory"] / "cgroup.procs").read_text() == str(os.getpid())
    assert removed == ["c@runner"] * 2


def test_a_runner_leaves_the_session_that_systemd_may_end(tmp_path: Path) -> None:
    for name in ("memory", "systemd", "unified"):
        (tmp_path / name).mkdir()
    lines = [
        f"30 24 0:26 / {tmp_path}/memory rw - cgroup cgroup rw,memory",
        f"31 24 0:27 / {tmp_path}/systemd rw - cgroup cgroup rw,name=systemd",
        f"32 24 0:28 / {tmp_path}/unified rw - cgroup2 cgroup2 rw",
    ]
    leave_session("\n".join(lines))
    for name in ("systemd", "unified"):
        assert (tmp_path / name / "cgroup.procs").read_text() == str(os.getpid())
    assert not (tmp_path / "memory" / "cgroup.procs").exists()
    leave_session("33 24 0:29 / /proc/1 rw - cgroup2 cgroup2 rw")  # a container lets nobody out


def test_a_large_cell_has_more_time_to_go(v2: CellCgroup, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.monotonic", lambda: waited[-1] if waited else 0.0)
    monkeypatch.setattr("time.sleep", lambda _: waited.append((waited or [0.0])[-1] + 10.0))
    monkeypatch.setattr(CellCgroup, "_try_remove", lambda _: False)
    (v2.memory / "memory.current").write_text(str(100 * 1024 * MIB))
    (v2.memory / "memory.swap.current").write_text("0")
    with pytest.raises(BenchError, match="cannot be removed"):
        v2.remove()
    assert waited[-1] >= 20 + 100
