# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot work is told in a sentence before anything is changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import Hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.run import preflight as _preflight


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A request that can be carried out on a host with one node of 2 GiB and two CPUs."""
    monkeypatch.setattr(_preflight, "usable_qemu", lambda: None)
    monkeypatch.setattr(_preflight, "node_ids", lambda: [0])
    monkeypatch.setattr(_preflight, "node_cpus", lambda _: [0, 1])
    monkeypatch.setattr(_preflight, "node_memory_mib", lambda _: 2048.0)
    monkeypatch.setattr(_preflight, "swap_mib", lambda: (256.0, 100.0))
    artifacts = {}
    for name, keys in _preflight.MANIFEST_KEYS.items():
        path = tmp_path / name
        path.write_text(name)
        manifest = {**dict.fromkeys(keys, ""), "sha256": hashlib.sha256(name.encode()).hexdigest()}
        artifacts[name] = {"path": str(path), "manifest": manifest}
    return {
        "user": "nobody",
        "state_dir": str(tmp_path),
        "cell": {"name": "c", "node": 0, "memory_mib": 960.0, "swap_mib": 256.0, "cpus": [0, 1],
                 "side_by_side": False},
        "workload": "consolidation",
        "arm": {"name": "none", "mechanism": "none", "states": {}},
        "parameters": {
            "guest_memory_mib": 320, "proof_mib": 128, "sample_hz": 20.0,
            "allocation_mib": 256, "max_guests": 9,
        },
        **artifacts,
    }  # fmt: skip


def test_a_request_that_can_be_carried_out(request_: dict[str, Any]) -> None:
    _preflight.check_request(request_)


@pytest.mark.parametrize(
    ("part", "changes", "sentence"),
    [
        ("cell", {"node": 3}, "on node 3, but this host has memory on 0 only"),
        ("cell", {"cpus": [1, 7]}, r"cannot have CPUs \[7\]"),
        ("cell", {"cpus": []}, "cannot have CPUs none"),
        ("cell", {"memory_mib": 4096.0}, "node 0 has 2048 MiB; lower"),
        ("cell", {"swap_mib": 512.0}, "512 MiB of swap and this host has 256 MiB; give"),
        ("parameters", {"guest_memory_mib": 1024}, "larger than cell c with 960 MiB"),
        ("parameters", {"proof_mib": 300}, "lower proof_mib"),
        ("parameters", {"sample_hz": 5.0}, "sample_hz is 5"),
        ("parameters", {"allocation_mib": 320}, "allocation_mib is 320"),
        ("guest_kernel", {"path": "/nowhere"}, "no guest kernel at /nowhere; deliver it"),
        ("guest_image", {"manifest": {"key": ""}}, "manifest of the guest image lacks sha256"),
    ],
)
def test_what_cannot_be(
    request_: dict[str, Any], part: str, changes: dict[str, Any], sentence: str
) -> None:
    request_[part] = {**request_[part], **changes}
    with pytest.raises(BenchError, match=sentence):
        _preflight.check_request(request_)


def test_what_an_arm_states_and_the_host_cannot_have(
    request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    v1 = Hierarchy({"memory": Path("/sys/fs/cgroup/memory")}, None)
    monkeypatch.setattr(_preflight._hierarchy, "find", lambda: v1)
    request_["arm"] = {"name": "moved", "mechanism": "none", "states": {"host_reclaim": 50}}
    with pytest.raises(BenchError, match=r"^Arm moved states host_reclaim, and memory.reclaim is"):
        _preflight.check_request(request_)


def test_a_library_that_did_not_come_with_the_image_is_refused(
    request_: dict[str, Any], tmp_path: Path
) -> None:
    states = {"discard": "free"}
    request_["arm"] = {"name": "lazy", "mechanism": "free_page_reporting", "states": states}
    with pytest.raises(BenchError, match=r"Arm lazy states discard.*image was made before there"):
        _preflight.check_request(request_)
    library = tmp_path / "hf-discard.so"
    library.write_text("ours")
    sha256 = hashlib.sha256(b"ours").hexdigest()
    request_["guest_image"]["manifest"]["libraries"] = {library.name: sha256}
    _preflight.check_request(request_)
    library.write_text("another's")
    with pytest.raises(BenchError, match="is not the library that came with the guest image"):
        _preflight.check_request(request_)


def test_swap_that_others_use_counts_only_when_the_cell_is_empty(request_: dict[str, Any]) -> None:
    _preflight.check_request(request_)
    with pytest.raises(BenchError, match="this host's 256 MiB only 100 MiB are free; end what"):
        _preflight.check_free_swap(request_["cell"])
    _preflight.check_free_swap({**request_["cell"], "swap_mib": 100.0})


def test_a_kernel_that_changed_on_the_way_is_refused(request_: dict[str, Any]) -> None:
    Path(request_["guest_kernel"]["path"]).write_text("another")
    with pytest.raises(BenchError, match="not the one its manifest speaks of"):
        _preflight.check_request(request_)


def test_an_unknown_user_is_named(request_: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="no user nobody-of-that-name"):
        _preflight.check_request({**request_, "user": "nobody-of-that-name"})


def test_qemu_never_runs_as_root(request_: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="root is root, and QEMU must not run as root"):
        _preflight.check_request({**request_, "user": "root"})


def test_a_host_that_is_not_prepared_is_named(request_: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="prepare it first"):
        _preflight.check_request({**request_, "state_dir": "/nowhere"})


def test_only_root_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_preflight.os, "geteuid", lambda: 1000)
    with pytest.raises(BenchError, match="become root"):
        _preflight.check_root()


def test_a_workload_gets_its_own_parameters_only() -> None:
    given = {"guest_memory_mib": 320, "allocation_mib": 256, "max_guests": 9, "tasks": 2}
    relevant = _preflight.relevant_parameters(given, "consolidation")
    assert set(relevant) == {"guest_memory_mib", "allocation_mib", "max_guests"}
    with pytest.raises(BenchError, match="lacks the parameter max_guests"):
        _preflight.relevant_parameters({**given, "max_guests": None}, "consolidation")


def test_a_setting_that_changed_during_a_run_is_named() -> None:
    before: dict[str, str | None] = {"ksm_run": "0", "thp_enabled": "madvise", "zswap": None}
    _preflight.check_settings(before, dict(before))
    with pytest.raises(BenchError, match=r"Something set ksm_run from 0 to 1 on .*ksmtuned"):
        _preflight.check_settings(before, {**before, "ksm_run": "1"})


def test_a_qemu_that_guests_could_not_start_is_named(tmp_path: Path) -> None:
    """Built with a umask of 077: root starts it, and nobody else does."""
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\necho QEMU emulator version 10.0.2\n")
    program.chmod(0o700)
    arm = Arm("other", "none", {"qemu": str(program)})
    with pytest.raises(BenchError, match=r"Arm other states the QEMU .*, or start it; open it"):
        _preflight.qemu_of(arm)
