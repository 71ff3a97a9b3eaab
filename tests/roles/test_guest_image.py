# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest image: reading what apt and readelf say, and the archive's bytes."""

from __future__ import annotations

import gzip
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build import initramfs
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    input_key,
)
from ansible_collections.hintfleet.bench.plugins.modules.guest_program_build import compile_program
from plays import ROOT, Fleet

# apt-cache show --no-all-versions numactl qemu-guest-agent, Debian 12, 2026-11-22, shortened
APT_CACHE_SHOW = """\
Package: numactl
Version: 2.0.16-1
Installed-Size: 149
Architecture: amd64
Depends: libc6 (>= 2.34), libnuma1 (>= 2.0.14)
Description-en: NUMA scheduling and memory placement tool
 numactl runs processes with a specific NUMA scheduling or memory placement
 policy.
Section: admin
Priority: optional
SHA256: 5bd1a6a3d4a8f8a5e5b33b1f6ba9c7fc1d1e2a4a4b0d1a9f3a86e87a5d8a7e10

Package: qemu-guest-agent
Source: qemu (1:7.2+dfsg-7+deb12u18)
Version: 1:7.2+dfsg-7+deb12u18+b3
Pre-Depends: init-system-helpers (>= 1.54~)
Depends: libc6 (>= 2.34), libglib2.0-0 (>= 2.68.0), debconf:any | debconf-2.0
Section: otherosfs
SHA256: 0f5f9d4d0c4ab59e1d4a23b0f53f4de0c8a1e5d0f3aeb4c35b9d8a3a5ad5d0aa
"""

# readelf --program-headers --dynamic --wide, binutils 2.40, of memhog 2.0.16-1, shortened
READELF_MEMHOG = """\
Elf file type is DYN (Position-Independent Executable file)
Program Headers:
  Type           Offset   VirtAddr           PhysAddr           FileSiz  MemSiz   Flg Align
  INTERP         0x000318 0x0000000000000318 0x0000000000000318 0x00001c 0x00001c R   0x1
      [Requesting program interpreter: /lib64/ld-linux-x86-64.so.2]

Dynamic section at offset 0x2d98 contains 28 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libnuma.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000c (INIT)               0x1000
"""


def test_packages_are_read_with_their_dependencies() -> None:
    packages = initramfs.parse_packages(APT_CACHE_SHOW)
    agent = packages["qemu-guest-agent"]
    assert list(packages) == ["numactl", "qemu-guest-agent"]
    assert (agent.version, agent.section) == ("1:7.2+dfsg-7+deb12u18+b3", "otherosfs")
    assert agent.depends == (
        ("init-system-helpers",),
        ("libc6",),
        ("libglib2.0-0",),
        ("debconf", "debconf-2.0"),
    )
    assert packages["numactl"].sha256.startswith("5bd1a6a3")


def test_nothing_is_read_from_nothing() -> None:
    assert initramfs.parse_packages("") == {}


@pytest.mark.parametrize("place", ["bin/busybox", "usr/bin/busybox"])
@pytest.mark.parametrize("asked", ["bin/busybox", "usr/bin/busybox"])
def test_a_file_is_found_before_and_after_its_move_to_usr(
    asked: str, place: str, tmp_path: Path
) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.touch()
    assert initramfs.find_in(tmp_path, asked) == file


def test_a_file_that_is_nowhere_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    assert initramfs.find_in(tmp_path, "bin/gone") == tmp_path / "bin/gone"


def test_needed_libraries_and_interpreter_are_read() -> None:
    assert initramfs.parse_dynamic(READELF_MEMHOG) == (
        "/lib64/ld-linux-x86-64.so.2",
        ["libnuma.so.1", "libc.so.6"],
    )
    said = "\nThere is no dynamic section in this file.\n"
    assert initramfs.parse_dynamic(said) == (None, [])


def test_a_program_brings_its_libraries_once(tmp_path: Path) -> None:
    """This machine's own /bin/true, whose libraries lie where Debian puts them."""
    files = initramfs.with_libraries(Path("/"), {"bin/true": Path("/bin/true")})
    assert files["bin/true"] == Path("/bin/true")
    assert set(files) == {
        "bin/true",
        "lib64/ld-linux-x86-64.so.2",
        "lib/x86_64-linux-gnu/libc.so.6",
    }


def test_a_library_that_no_package_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"true needs the library libc\.so\.6, which no"):
        initramfs.with_libraries(tmp_path, {"bin/true": Path("/bin/true")})


def test_a_program_that_no_package_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"There is no .*/usr/bin/gone to put at bin/gone"):
        initramfs.with_libraries(tmp_path, {"bin/gone": tmp_path / "usr/bin/gone"})


def entries(tmp_path: Path) -> dict[str, initramfs.Entry]:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" + bytes(5000))
    return initramfs.layout(
        {"bin/program": program},
        {
            "init": "#!/bin/sh\n",
            "etc/inittab": "::respawn:x\n",
            "programs/idle/run": "#!/bin/sh\n",
        },
        ["bin/sh", "sbin/init"],
    )


def test_the_layout_has_what_a_kernel_needs_to_start(tmp_path: Path) -> None:
    made = entries(tmp_path)
    assert made["dev/console"] == initramfs.Entry(stat.S_IFCHR | 0o600, device=(5, 1))
    assert made["init"].mode == stat.S_IFREG | 0o755
    assert made["etc/inittab"].mode == stat.S_IFREG | 0o644
    assert made["bin/sh"] == initramfs.Entry(stat.S_IFLNK | 0o777, b"/bin/busybox")
    for path in made:
        assert all(str(parent) in made for parent in Path(path).parents if parent.name), path
    assert made["programs/idle/run"].mode == stat.S_IFREG | 0o755
    # 5004 bytes take two pages, each of the three scripts one.
    assert initramfs.unpacked_mib(made) == 5 / 256


def test_an_image_names_the_programs_that_it_holds() -> None:
    paths = ["init", "etc/inittab", "programs/idle/run", "programs/churn/run", "programs/churn/x"]
    assert initramfs.programs_of(paths) == ["churn", "idle"]
    assert initramfs.programs_of(["init"]) == []


def test_cpio_reads_back_what_was_written(tmp_path: Path) -> None:
    made = entries(tmp_path)
    archive = tmp_path / "archive"
    archive.write_bytes(initramfs.cpio(made))
    assert read_newc(archive.read_bytes()) == {
        path: (entry.mode, entry.content, entry.device) for path, entry in made.items()
    }


def read_newc(archive: bytes) -> dict[str, tuple[int, bytes, tuple[int, int]]]:
    """An independent reader: fixed header of 13 hexadecimal numbers, name, content, padded to 4."""
    found, at, inodes = {}, 0, set()
    while True:
        assert archive[at : at + 6] == b"070701"
        number = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        inode, mode, uid, gid, _, mtime, size = number[:7]
        name = archive[at + 110 : at + 110 + number[11] - 1].decode()
        start = at + 110 + number[11]
        start += -start % 4
        at = start + size
        at += -at % 4
        if name == "TRAILER!!!":
            assert at == len(archive)
            return found
        assert (uid, gid, mtime) == (0, 0, 0)
        assert inode not in inodes
        inodes.add(inode)
        found[name] = (mode, archive[start : start + size], (number[9], number[10]))


def test_the_same_parts_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    made = entries(tmp_path)
    backwards = dict(reversed(made.items()))
    assert initramfs.cpio(made) == initramfs.cpio(backwards)
    packed = initramfs.compress(initramfs.cpio(made), "gzip")
    assert packed == initramfs.compress(initramfs.cpio(made), "gzip")
    assert gzip.decompress(packed) == initramfs.cpio(made)
    assert initramfs.compress(b"as it is", "none") == b"as it is"


PARTS: dict[str, Any] = {
    "programs": {"bin/busybox": "bin/busybox"},
    "applets": ["bin/sh", "bin/ls"],
    "sources": {"a.c": "int a;\n"},
    "libraries": {"b.c": "int b;\n"},
    "scripts": {"init": "#!/bin/sh\n"},
    "compression": "gzip",
}
PACKAGE = initramfs.Package("busybox", "1.35", "utils", "ab", ())


def key(tools: str = "gcc 12", package: Any = PACKAGE, extra: Any = None, **parts: Any) -> str:
    return input_key(initramfs.inputs([package], tools, {**PARTS, **parts}, extra or {}))


def test_every_input_of_an_image_is_in_the_key(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.write_text("one")
    keys = [
        key(),
        key(tools="gcc 13"),
        key(package=initramfs.Package("busybox", "1.36", "utils", "ab", ())),
        key(package=initramfs.Package("busybox", "1.35", "utils", "cd", ())),
        key(programs={"bin/busybox": "usr/bin/busybox"}),
        key(applets=["bin/sh"]),
        key(sources={"a.c": "int b;\n"}),
        key(libraries={"b.c": "int c;\n"}),
        key(scripts={"init": "#!/bin/ash\n"}),
        key(compression="none"),
        key(extra={"bin/extra": str(extra)}),
    ]
    extra.write_text("two")
    keys.append(key(extra={"bin/extra": str(extra)}))
    assert len(set(keys)) == len(keys)
    assert key(applets=["bin/ls", "bin/sh"]) == key()


def test_every_script_of_the_role_is_put_into_the_image() -> None:
    """The role names its scripts one by one; a forgotten one would be missed only in a guest."""
    role = Path(__file__).resolve().parents[2] / "roles/guest_image"
    named = (role / "vars/main.yml").read_text()
    there = [path for path in (role / "files/tree").rglob("*") if path.is_file()]
    assert len(there) >= 4
    for path in there:
        assert f"files/tree/{path.relative_to(role / 'files/tree')}'" in named
        if path.name != "inittab":
            subprocess.run(["sh", "-n", path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to lose")
def test_a_foreign_makefile_compiles_a_program_without_rights(tmp_path: Path) -> None:
    secret, made = tmp_path / "secret", tmp_path / "made"
    secret.write_text("roots own")
    source = tmp_path / "source"
    source.mkdir()
    (source / "Makefile").write_text(
        f"honest:\n\tid -u >honest\n"
        f"link:\n\tln -s {secret} link\n"
        f"evil:\n\ttouch {tmp_path}/evil ../evil {source}/evil\n"
    )
    compile_program(source, "honest", made / "honest")
    assert (made / "honest").read_text() == "65534\n"
    status = (made / "honest").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o755)
    for program in ("link", "evil", "absent"):
        with pytest.raises(ArtifactError, match=r"Permission denied|absent"):
            compile_program(source, program, made / program)
        assert not (made / program).exists()
    assert sorted(path.name for path in source.iterdir()) == ["Makefile"]


def test_will_it_scale_comes_with_what_it_loads_late(tmp_path: Path) -> None:
    """glibc ends threads with libgcc_s, which no program names among its libraries."""
    fleet = Fleet(tmp_path)
    fleet.add("box", {"guest_image_will_it_scale_commit": "0" * 40})
    role = ROOT / "roles/guest_image"
    fleet.play(f"""\
- hosts: all
  gather_facts: false
  vars_files: [{role}/vars/main.yml, {ROOT}/roles/guest_artifact/defaults/main.yml]
  vars: {{guest_image_extra_files: {{bin/mine: /srv/mine}}}}
  tasks:
    - ansible.builtin.assert:
        that: false
        quiet: true
        fail_msg: "{{{{ __guest_image_extra_files | to_json }}}}"
""")
    files = json.loads(fleet.sentences("box"))
    library = "lib/x86_64-linux-gnu/libgcc_s.so.1"
    assert files.pop(library) == f"/{library}"
    assert sorted(files) == ["bin/mine", "bin/page_fault1_processes", "bin/page_fault1_threads"]
