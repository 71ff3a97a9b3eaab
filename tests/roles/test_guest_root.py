# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's disk: what apt is asked, what decides its key, the same bytes of the same tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build import release, root
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    input_key,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.build.initramfs import Package

# apt-get --print-uris install, Debian 12, 2026-11-28, shortened
PRINT_URIS = """\
Reading package lists...
The following NEW packages will be installed:
  gcc-12-base libcap2
'http://m/gcc-12-base_12.2.0-14%2bdeb12u1_amd64.deb' gcc-12-base_12.2.0-14+deb12u1_amd64.deb 37596
'http://m/libcap2_2.66-4%2bb1_amd64.deb' libcap2_1%3a2.66-4+b1_amd64.deb 27708 MD5Sum:f3075bfe
"""
TARGETS = """\
http://deb.debian.org/debian/ bookworm main
http://deb.debian.org/debian/ bookworm-updates main
http://security.example/ bookworm-security main
https://packages.example/ stable main
"""


def test_what_apt_would_fetch_is_read() -> None:
    assert release.parse_uris(PRINT_URIS) == ["gcc-12-base", "libcap2"]


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_release_comes_with_what_was_mended_since(suite: str) -> None:
    ((main, updates, security),) = release.sources_of(TARGETS, "bookworm", suite)
    assert main.endswith(f"http://deb.debian.org/debian/ {suite} main")
    assert updates.endswith(f"http://deb.debian.org/debian/ {suite}-updates main")
    assert security.endswith(f"http://security.example/ {suite}-security main")


def test_a_builder_without_security_updates_asks_for_none() -> None:
    ((only,),) = release.sources_of(TARGETS.splitlines()[0], "bookworm", "trixie")
    assert only.endswith("/debian/ trixie main")


def test_a_builder_without_a_mirror_is_told() -> None:
    with pytest.raises(ArtifactError, match=r"no address of bookworm main.*guest_image_root"):
        release.sources_of("https://packages.example/ stable main\n", "bookworm", "trixie")


PARTS: dict[str, Any] = {
    "sources": {"a.c": "int a;\n"},
    "libraries": {"b.c": "int b;\n"},
    "scripts": {"sbin/init": "#!/bin/sh\n"},
    "links": {"bin/ps": "/bin/busybox"},
    "extra_files": {},
    "spare_mib": 64,
}
PACKAGE = Package("busybox", "1.35", "utils", "ab", ())


def key(
    suite: str = "bookworm", tools: str = "gcc", package: Package = PACKAGE, **parts: Any
) -> str:
    return input_key(root.inputs(suite, [package], tools, {**PARTS, **parts}))


def test_every_input_of_a_disk_is_in_the_key(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.write_text("one")
    keys = [
        key(),
        key(suite="trixie"),
        key(tools="gcc 13"),
        key(package=Package("busybox", "1.36", "utils", "ab", ())),
        key(package=Package("busybox", "1.35", "utils", "cd", ())),
        key(sources={"a.c": "int b;\n"}),
        key(libraries={"b.c": "int c;\n"}),
        key(scripts={"sbin/init": "#!/bin/dash\n"}),
        key(links={"bin/ps": "/bin/true"}),
        key(spare_mib=65),
        key(extra_files={"bin/extra": str(extra)}),
    ]
    extra.write_text("two")
    keys.append(key(extra_files={"bin/extra": str(extra)}))
    assert len(set(keys)) == len(keys)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As mmdebstrap leaves one: programs below /usr, logs and caches."""
    made = tmp_path / "tree"
    for folder in ("usr/bin", "usr/sbin", "etc", "var/log/apt", "var/cache", "var/lib/apt"):
        (made / folder).mkdir(parents=True)
    (made / "bin").symlink_to("usr/bin")
    (made / "sbin").symlink_to("usr/sbin")
    (made / "usr/bin/ps").write_text("Debian's")
    (made / "var/log/apt/history.log").write_text(str(time.time()))
    return made


def test_our_files_lie_where_the_guest_looks_for_them(tree: Path, tmp_path: Path) -> None:
    program = tmp_path / "hf-pages"
    program.write_bytes(b"\x7fELF")
    scripts = {"sbin/init": "#!/bin/sh\n", "etc/inittab": "x\n", "programs/idle/run": "#!/bin/sh\n"}
    links = {"bin/ps": "/bin/busybox", "bin/free": "/bin/busybox"}
    parts = {**PARTS, "scripts": scripts, "links": links, "extra_files": {"bin/more": str(program)}}
    root.furnish(tree, parts, {"hf-pages": program})
    paths = ("usr/bin/hf-pages", "usr/bin/more", "usr/sbin/init", "etc/inittab")
    modes = {path: (tree / path).stat().st_mode & 0o777 for path in paths}
    assert os.access(tree / "programs/idle/run", os.X_OK)
    assert modes == {path: 0o644 if path.startswith("etc") else 0o755 for path in modes}
    assert (tree / "usr/bin/ps").read_text() == "Debian's"
    assert (tree / "usr/bin/free").readlink() == Path("/bin/busybox")


def test_nothing_is_written_through_a_link_out_of_the_tree(tree: Path, tmp_path: Path) -> None:
    (tree / "opt").symlink_to(tmp_path)
    with pytest.raises(ArtifactError, match=r"opt/x is not in the guest's root"):
        root.place(tree, "opt/x")


def test_what_the_installation_said_is_not_in_the_root(tree: Path) -> None:
    root.tidy(tree)
    assert not (tree / "var/log/apt/history.log").exists()
    assert (tree / "var/log/apt").is_dir()
    assert {path.lstat().st_mtime for path in tree.rglob("*")} == {float(root.EPOCH)}


def test_what_is_written_before_the_installation_is_there(tmp_path: Path) -> None:
    script = root.hook("etc/some folder/x.conf", "it's = false")
    subprocess.run(["sh", "-c", script, "sh", str(tmp_path)], check=True)
    assert (tmp_path / "etc/some folder/x.conf").read_text() == "it's = false\n"


needs_e2fsprogs = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("mkfs.ext4", "debugfs", "dumpe2fs")),
    reason="there is no e2fsprogs",
)


@needs_e2fsprogs
def test_the_same_tree_is_the_same_disk_whenever_it_is_written(tree: Path, tmp_path: Path) -> None:
    (tree / 'etc/a "quoted" name').write_text("x")
    images = [tmp_path / name for name in ("one.img", "two.img")]
    other = tmp_path / "other" / "tree"
    shutil.copytree(tree, other, symlinks=True)
    for place, image in zip((tree, other), images, strict=True):
        root.tidy(place)
        root.write_disk(place, "ab", 24, image)
        time.sleep(1.1)  # inodes keep seconds
    assert images[0].read_bytes() == images[1].read_bytes()
    assert subprocess.run(["e2fsck", "-fn", str(images[0])], capture_output=True).returncode == 0


@needs_e2fsprogs
def test_a_disk_has_the_room_that_was_asked_for(tree: Path, tmp_path: Path) -> None:
    for number in range(40):
        (tree / f"usr/bin/{number}").write_bytes(os.urandom(2**20))
    content, spare = root.content_mib(tree), 32
    assert 40 < content < 41
    image = tmp_path / "disk.img"
    root.write_disk(tree, "ab", root.disk_mib(content, spare), image)
    assert spare <= root.free_mib(image) <= spare + 12


def test_a_root_of_other_packages_than_were_asked_for_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root, "run", lambda *_a, **_k: "busybox 1.36\n")
    with pytest.raises(ArtifactError, match=r"busybox 1\.35, busybox 1\.36.*run the play again"):
        root.check_installed(tree, [PACKAGE])
