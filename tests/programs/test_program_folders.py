# SPDX-License-Identifier: GPL-2.0-or-later
"""Each program of a guest is what a program has to be, and those without packages do their work.

They run here as in the initramfs: on its commands and our static programs alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from program_folders import (
    ALONE,
    FOLDERS,
    PROGRAMS,
    ROLE,
    compile_into,
    example,
    said,
    smallest_mib,
)

MOST_LINES = 40
APPLETS = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__guest_image_applets"]
NOT_OURS = {"init", "poweroff", "reboot", "swapoff", "swapon"}


def test_the_programs_are_those_of_the_documentation() -> None:
    page = (ROLE.parents[1] / "docs/programs.md").read_text()
    assert re.findall(r"^## `(\w+)`", page, re.MULTILINE) == sorted(FOLDERS)


@pytest.fixture(params=[*FOLDERS, "the one of the documentation"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return FOLDERS.get(request.param) or example(tmp_path)


def test_a_program_says_what_it_is(folder: Path) -> None:
    program = yaml.safe_load((folder / "program.yml").read_text())
    assert set(program) == {
        *("description", "packages", "phases", "measures", "smallest_guest_mib"),
        *("needs_files", "sizes"),
    }
    assert re.fullmatch(r"[A-Z].*\.", program["description"])
    assert re.fullmatch(r"[a-z][a-z0-9_]*", folder.name)
    assert program["phases"] and len(set(program["phases"])) == len(program["phases"])
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", phase) for phase in program["phases"])
    assert type(program["needs_files"]) is bool and program["measures"]
    for guest_mib, mib in program["sizes"].items():
        assert guest_mib >= program["smallest_guest_mib"] and 0 < mib < guest_mib


def test_a_program_is_short_and_a_script_of_any_shell(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    lines = [line.strip() for path in files for line in path.read_text().splitlines()]
    assert len([line for line in lines if line and not line.startswith(("#", "//"))]) <= MOST_LINES
    run = folder / "run"
    assert run.read_text().startswith("#!/bin/sh\n") and os.access(run, os.X_OK)
    assert subprocess.run(["shellcheck", run], check=False).returncode == 0


def test_a_phase_that_a_program_has_not_is_refused(folder: Path) -> None:
    ended = subprocess.run(
        ["sh", folder / "run", "nonsense", "64", "7"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith(f"{folder.name}: ") and "not 'nonsense'" in sentence
    phases = yaml.safe_load((folder / "program.yml").read_text())["phases"]
    assert all(phase in sentence for phase in phases)


# --- those that run in the initramfs -------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its commands are busybox's where there is one, else this machine's of those names."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "bin").mkdir()
    busybox = os.environ.get("HINTFLEET_BUSYBOX") or shutil.which("busybox")
    if busybox:
        shutil.copy(busybox, folder / "bin/busybox")
    for applet in {Path(path).name for path in APPLETS} - NOT_OURS:
        command = "busybox" if busybox else shutil.which(applet)
        assert command, f"this machine has no {applet}"
        (folder / "bin" / applet).symlink_to(command)
    compile_into(folder / "bin")
    yield folder


def started(root: Path, name: str, phase: str, mib: int) -> subprocess.CompletedProcess[str]:
    """As the guest's agent starts it, in a folder that has nothing to do with it."""
    return subprocess.run(
        [root / "bin/sh", FOLDERS[name] / "run", phase, str(mib), "7"],
        env={"PATH": str(root / "bin")}, cwd=root, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_a_program_of_the_initramfs_does_its_phases(root: Path, name: str) -> None:
    for phase in PROGRAMS[name]["phases"]:
        found = said(started(root, name, phase, smallest_mib(PROGRAMS[name])))
        assert (found.get("p999_ms") is not None) == (name in ("churn", "page_cache"))


def test_programs_work_as_much_as_they_say(root: Path) -> None:
    assert said(started(root, "allocate", "allocate", 24))["work"] == 24
    assert said(started(root, "page_cache", "read", 24))["work"] == 24
    idle = said(started(root, "idle", "idle", 24))
    assert idle["work"] <= idle["seconds"] < 2 * idle["work"]
    churn = said(started(root, "churn", "churn", 24))
    assert churn["work"] > 24 and 5 <= churn["seconds"] < 10


@pytest.mark.parametrize(
    ("name", "mib", "sentence"),
    [
        ("allocate", 0, "MIB is '0' but must be a whole number"),
        ("churn", 4, "--mib is '4' but must be a whole number from 8"),
        ("page_cache", 0, "--mib is '0' but must be a whole number from 1"),
    ],
)
def test_a_size_that_cannot_be_is_refused(root: Path, name: str, mib: int, sentence: str) -> None:
    ended = started(root, name, PROGRAMS[name]["phases"][0], mib)
    assert ended.returncode != 0 and ended.stdout == ""
    assert re.search(sentence, ended.stderr.splitlines()[-1])


# Two phases as in one guest: whoever keeps the device open ends with its processes.
READ_TWICE = """
mount -t proc proc "$1/proc" && mount --bind "$1/swaps" "$1/proc/swaps" || exit 99
for phase in read reread; do chroot "$1" /bin/sh /run "$phase" 4 7 || exit; done
chroot "$1" /bin/sh -c 'ls -l /proc/[0-9]*/fd/0' | grep -c /dev/vd >&2
chroot "$1" /bin/sh /run read 64 7
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="making devices is root's to do")
@pytest.mark.parametrize("swap", ["vda", None])
def test_the_disk_of_files_is_the_one_that_is_not_swap(
    root: Path, tmp_path: Path, swap: str | None
) -> None:
    """Told by their sizes: only one of the two holds what is to be read."""
    if not (root / "bin/busybox").exists():
        pytest.skip("a root of its own needs a static busybox: set HINTFLEET_BUSYBOX")
    guest = tmp_path / "guest"
    shutil.copytree(root, guest, symlinks=True)
    for folder in ("dev", "proc", "tmp"):
        (guest / folder).mkdir()
    shutil.copy(FOLDERS["page_cache"] / "run", guest / "run")
    (guest / "swaps").write_text(f"Filename\n/dev/{swap} partition\n" if swap else "Filename\n")
    loops = []
    try:
        os.mknod(guest / "dev/null", 0o666 | stat.S_IFCHR, Path("/dev/null").stat().st_rdev)
        for name, mib in (("vda", 2), ("vdb", 8)) if swap else (("vda", 8), ("vdb", 2)):
            (tmp_path / name).write_bytes(os.urandom(mib * 2**20))
            loops.append(answer("losetup", "--find", "--show", "--read-only", tmp_path / name))
            number = Path(loops[-1]).stat().st_rdev
            os.mknod(guest / "dev" / name, 0o600 | stat.S_IFBLK, number)
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child",
             "sh", "-c", READ_TWICE, "sh", guest],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        for loop in loops:
            answer("losetup", "--detach", loop)
    assert [json.loads(line)["work"] for line in done.stdout.splitlines()] == [4, 4], done.stderr
    files = "/dev/vdb" if swap else "/dev/vda"
    assert done.stderr.splitlines() == [
        "1", f"hf-read: {files} holds 8.0 MiB but 64 are to be read; ask for less, or give more."
    ]  # fmt: skip
    assert done.returncode == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="a root of its own is root's to enter")
@pytest.mark.parametrize("preloaded", [None, "/usr/lib/nocache/nocache.so"])
def test_a_tree_is_dropped_where_programs_read_past_the_cache(
    root: Path, tmp_path: Path, preloaded: str | None
) -> None:
    if not (root / "bin/busybox").exists():
        pytest.skip("a root of its own needs a static busybox: set HINTFLEET_BUSYBOX")
    guest = tmp_path / "guest"
    shutil.copytree(root, guest, symlinks=True)
    for folder in ("etc", "usr"):
        (guest / folder).mkdir()
    if preloaded:
        (guest / "etc/ld.so.preload").write_text(f"{preloaded}\n")
    shutil.copy(FOLDERS["page_cache"] / "run", guest / "run")
    (guest / "bin/hf-read").write_text('#!/bin/sh\necho "$@"\n')
    asked = answer("chroot", guest, "/bin/sh", "/run", "read", "4", "7")
    assert asked == '{"work":/usr --mib 4' + (" --drop" if preloaded else "")


def answer(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
