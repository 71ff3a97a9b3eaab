# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of ours are told from others, and leave nothing behind."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.host import users as _users


def user(name: str, number: int, comment: str = _users.COMMENT) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", number, number, comment, "/nonexistent", "/bin/false"))


def test_only_users_that_were_made_for_guests_are_ours() -> None:
    everybody = [
        user("hintfleet", 990),
        user("hintfleet-node0", 991),
        user("hintfleet-node12", 992),
        user("hintfleet-nodes", 993),
        user("hintfleet2", 994),
        user("hintfleet-node3", 995, "somebody else"),
        user("libvirt-qemu", 996, "Libvirt Qemu"),
    ]
    assert _users.made("hintfleet", everybody) == {
        "hintfleet": 990,
        "hintfleet-node0": 991,
        "hintfleet-node12": 992,
    }
    assert _users.made("libvirt-qemu", everybody) == {}
    assert _users.made("root", [user("root", 0)]) == {}


def test_the_role_makes_users_with_that_comment() -> None:
    role = Path(__file__).parents[9] / "roles/numa_host/tasks/user.yml"
    assert f"comment: {_users.COMMENT}\n" in role.read_text()


def test_what_a_user_left_is_found_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/shadow")
    found = _users.leavings([os.getuid()], [tmp_path, tmp_path / "none"])
    assert [path.name for path in found] == ["file", "folder", "link"]
    assert _users.leavings([os.getuid() + 1], [tmp_path]) == []
    assert _users.leavings([], [tmp_path]) == []
