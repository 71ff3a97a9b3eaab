# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the guest's root as a disk: Debian as mmdebstrap installs it, and our own programs in it.

It is one file system without partitions. Times, identifiers and the order of everything in it are
fixed, so that the same packages give the same bytes.
"""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    file_sha256,
    run,
    text_sha256,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.build.initramfs import (
    Package,
    compile_programs,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.build.release import Release

EPOCH = 1640995200  # of every file in it: 2022-01-01, as the guest's kernel has it
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*")
# /usr is merged from the beginning: else a package does it that needs Perl.
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
# Before anything is installed: a data base that every guest had the same of would be of no use.
BEFORE = {"etc/postgresql-common/createcluster.conf": "create_main_cluster = false"}
# Nothing in them is read again: caches of what is there anyway, logs of the installation.
EMPTIED = ("var/cache", "var/log", "var/lib/apt")
JOURNAL_MIB = 4
# Inode tables, bitmaps and copies of them, beside the content.
METADATA_SHARE, METADATA_MIB = 0.04, 8
INODE_BYTES = 8192  # of the disk for each
MIB = 2**20


def inputs(
    suite: str, packages: Iterable[Package], tools: str, parts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all that decides the root's bytes, for the key and the manifest.

    parts: see the options of guest_root_build.
    """
    return {
        "root": "debian",
        "suite": suite,
        "packages": {package.name: [package.version, package.sha256] for package in packages},
        "sources": {name: text_sha256(text) for name, text in parts["sources"].items()},
        "libraries": {name: text_sha256(text) for name, text in parts["libraries"].items()},
        "scripts": {path: text_sha256(text) for path, text in parts["scripts"].items()},
        "links": dict(parts["links"]),
        "extra_files": {
            path: file_sha256(Path(file)) for path, file in parts["extra_files"].items()
        },
        "spare_mib": parts["spare_mib"],
        "compiler": tools,
        "recipe": text_sha256(inspect.getsource(sys.modules[__name__])),
    }


def mode() -> str:
    """How mmdebstrap works: in a user namespace where the builder has them, so that what packages
    do as they are installed, they do without the builder's root."""
    done = subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False)
    return "root" if done.returncode else "unshare"


def hook(path: str, line: str) -> str:
    """Return what a shell of mmdebstrap does to write a file of one line into its tree ($1)."""
    folder, file = shlex.quote(str(Path(path).parent)), shlex.quote(path)
    return f'mkdir -p "$1"/{folder} && echo {shlex.quote(line)} >"$1"/{file}'


def install(release: Release, packages: Iterable[Package], archive: Path) -> None:
    """Install packages with mmdebstrap and write the tree as a tar archive."""
    command = ["mmdebstrap", "--quiet", f"--mode={mode()}", "--variant=essential", "--format=tar"]
    command += [f"--hook-dir={MERGED_USR}", "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command += [f"--setup-hook={hook(path, line)}" for path, line in BEFORE.items()]
    command += [f"--include={','.join(package.name for package in packages)}"]
    command += [release.suite, str(archive), str(release.sources)]
    environment = {"SOURCE_DATE_EPOCH": str(EPOCH), "TMPDIR": str(archive.parent)}
    run(command, f"install {release.suite} as the guest's root", environment=environment)


def check_installed(tree: Path, packages: Iterable[Package]) -> None:
    """Raise ArtifactError unless a tree holds these packages in these versions and no others."""
    show = ["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "--show"]
    said = run([*show, "--showformat=${Package} ${Version}\n"], "read what was installed")
    got = set(said.splitlines())
    wanted = {f"{package.name} {package.version}" for package in packages}
    if got != wanted:
        differing = sorted(got ^ wanted)
        raise ArtifactError(
            f"The guest's root was to hold other packages than came ({', '.join(differing[:8])}): "
            "the mirror changed meanwhile; run the play again."
        )


def place(tree: Path, path: str) -> Path:
    """Return where a file belongs in a tree, its folder made; raises ArtifactError if a link leads
    out of the tree."""
    target = tree / path
    folder = target.parent.resolve()
    if not folder.is_relative_to(tree.resolve()):
        raise ArtifactError(f"{path} is not in the guest's root: {target.parent} leads elsewhere.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / target.name


def furnish(tree: Path, parts: Mapping[str, Any], programs: Mapping[str, Path]) -> None:
    """Put our own files into a tree: programs and extra files as they are, scripts (executable
    unless below etc/), and links where the packages have nothing."""
    files = {f"bin/{name}": path for name, path in programs.items()}
    files |= {path: Path(file) for path, file in parts["extra_files"].items()}
    for path, file in files.items():
        there = place(tree, path)
        there.unlink(missing_ok=True)
        there.write_bytes(file.read_bytes())
        there.chmod(0o755)
    for path, text in parts["scripts"].items():
        there = place(tree, path)
        there.unlink(missing_ok=True)
        there.write_text(text)
        there.chmod(0o644 if path.startswith("etc/") else 0o755)
    for path, target in parts["links"].items():
        there = place(tree, path)
        if not there.is_symlink() and not there.exists():
            there.symlink_to(target)


def tidy(tree: Path) -> None:
    """Remove what is of no use in a guest, and make all in it of one time."""
    for folder in EMPTIED:
        for path in sorted((tree / folder).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                continue  # programs expect their folders
            path.unlink()
    for path in (*tree.rglob("*"), tree):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def content_mib(tree: Path) -> float:
    """Return what the tree's files take on a disk, in whole blocks of 4 KiB."""
    blocks = 0
    for path in tree.rglob("*"):
        blocks += 1 if path.is_symlink() else max(1, -(-path.lstat().st_size // 4096))
    return blocks / 256


def disk_mib(content: float, spare: int) -> int:
    """Return the size of a disk for that content with that much room (MiB). An even number: as
    memory of a guest it consists of large pages."""
    mib = int(content * (1 + METADATA_SHARE) + METADATA_MIB + JOURNAL_MIB + spare) + 1
    return mib + mib % 2


def identifier(key: str, what: str) -> str:
    """Return a UUID that the key decides."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"hintfleet:{key}:{what}"))


def write_disk(tree: Path, key: str, mib: int, image: Path) -> None:
    """Write a tree as an ext4 file system of that size.

    Tables are written at once: a guest that did it later would write to its disk by itself.
    """
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    options = f"hash_seed={identifier(key, 'hash')},lazy_itable_init=0,lazy_journal_init=0"
    command = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-i", str(INODE_BYTES)]
    command += ["-J", f"size={JOURNAL_MIB}", "-L", "hintfleet", "-U", identifier(key, "disk")]
    command += ["-E", options, "-d", str(tree), str(image)]
    clock = {"E2FSPROGS_FAKE_TIME": str(EPOCH), "SOURCE_DATE_EPOCH": str(EPOCH)}
    run(command, "write the guest's root as a disk", environment=clock)
    # mkfs takes over when the tree was written: ctime cannot be set there.
    paths = sorted(f"/{path.relative_to(tree)}" for path in tree.rglob("*"))
    with tempfile.NamedTemporaryFile("w", suffix=".debugfs") as script:
        for path in ["/", *paths]:
            name = path.replace('"', '""')
            for field in ("atime", "ctime"):
                script.write(f'set_inode_field "{name}" {field} @{EPOCH}\n')
        script.flush()
        run(["debugfs", "-w", "-f", script.name, str(image)],
            "set the times in the guest's root", environment=clock)  # fmt: skip


def free_mib(image: Path) -> float:
    """Return the room that a file system has left."""
    said = run(["dumpe2fs", "-h", str(image)], "read the guest's root")
    facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    return int(facts["Free blocks"]) * int(facts["Block size"]) / MIB


def make(
    release: Release, packages: list[Package], parts: Mapping[str, Any], key: str, image: Path
) -> dict[str, Any]:
    """Make the disk and return what its manifest says of it: disk_mib, content_mib, free_mib.

    image: the file to be written; what lies beside it meanwhile is removed. Raises ArtifactError.
    """
    with tempfile.TemporaryDirectory(dir=image.parent) as scratch:
        folder, tree, own = Path(scratch), Path(scratch, "tree"), Path(scratch, "own")
        for path in (tree, own):
            path.mkdir()
        folder.chmod(0o755)  # mmdebstrap works there as another user
        archive = folder / "tree.tar"
        install(release, packages, archive)
        extract = ["tar", "--extract", "--numeric-owner", "--same-permissions", "--exclude=./dev/*"]
        run([*extract, f"--file={archive}", f"--directory={tree}"], "unpack the guest's root")
        archive.unlink()
        check_installed(tree, packages)
        furnish(tree, parts, compile_programs(parts["sources"], own))
        tidy(tree)
        content = content_mib(tree)
        mib = disk_mib(content, parts["spare_mib"])
        write_disk(tree, key, mib, image)
    return {
        "disk_mib": mib,
        "content_mib": round(content, 3),
        "free_mib": round(free_mib(image), 3),
    }
