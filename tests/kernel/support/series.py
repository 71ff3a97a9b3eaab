# SPDX-License-Identifier: GPL-2.0-or-later
"""The patches of the guest kernel as commits, and back: `make check-series`, docs/kernel-tests.md

roles/guest_kernel/files/patches holds a quilt series for each kernel. A patch that is the same for
most kernels but for line numbers lies in common/, others in linux-<version>/.

    check                    each series applies to its kernel, patch by patch, without fuzz
    open VERSION FOLDER      a kernel's source with its series as commits on top of the tag `base`
    save VERSION=FOLDER ...  the series from the commits of such folders, all kernels at once
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.hintfleet.bench.plugins.module_utils.build import kernel  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (  # noqa: E402
    ArtifactError,
)

PATCHES = ROOT / "roles/guest_kernel/files/patches"
COMMON = "common"
# What differs between two kernels although the change is the same.
PLACES = re.compile(
    r"^(?:index \S+.*|Date: .*|@@ -\S+ \+\S+ @@.*| \S+ +\| +\d+ .*| \d+ files? changed.*)$",
    re.MULTILINE,
)
# What patches touch or may touch: tracking all of a kernel would make git slow.
TRACKED = ["mm", "drivers/virtio", "drivers/hv", "include/linux", "include/trace/events"]
TRACKED += ["Documentation/mm", "Documentation/admin-guide", "MAINTAINERS"]

Series = list[tuple[str, str]]
"""Patches in the order they are applied: name and text."""


def by_age(version: str) -> tuple[int, ...]:
    """A key to sort kernels with, the oldest first."""
    return tuple(map(int, version.split(".")))


def shared(series: Mapping[str, Series]) -> dict[str, list[tuple[str, str]]]:
    """Where patches lie, by version: path and text, in order.

    A text that most kernels have (of two equal groups, that with the newest kernel) is common: the
    newest kernel's, whose line numbers the others do not mind.
    """
    versions = sorted(series, key=by_age, reverse=True)
    changes = {v: {name: PLACES.sub("", text) for name, text in series[v]} for v in versions}
    common: dict[str, str] = {}
    for name in {name for found in changes.values() for name in found}:
        change, times = Counter(
            changes[v][name] for v in versions if name in changes[v]
        ).most_common(1)[0]
        if times > 1:
            common[name] = change
    newest = {
        name: dict(series[next(v for v in versions if changes[v].get(name) == change)])[name]
        for name, change in common.items()
    }
    return {
        v: [
            (f"{COMMON}/{name}", newest[name])
            if common.get(name) == changes[v][name]
            else (f"linux-{v}/{name}", text)
            for name, text in series[v]
        ]
        for v in series
    }


def committed(folder: Path) -> Series:
    """The commits on top of `base` as patches that do not depend on who writes them when."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            ["git", "format-patch", "--quiet", "--no-numbered", "--zero-commit", "--no-signature",
             "--abbrev=12", f"--output-directory={scratch}", "base"],
            cwd=folder,
            check=True,
        )  # fmt: skip
        found = sorted(Path(scratch).iterdir())
        return [(path.name.partition("-")[2], path.read_text()) for path in found]


def save(folders: Mapping[str, Path], to: Path = PATCHES) -> None:
    """Write the series of all kernels anew."""
    placed = shared({version: committed(folder) for version, folder in folders.items()})
    for folder in (COMMON, *(f"linux-{version}" for version in placed)):
        shutil.rmtree(to / folder, ignore_errors=True)
    for version, patches in placed.items():
        for path, text in patches:
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            (to / path).write_text(text)
        lines = "".join(f"{path}\n" for path, _ in patches)
        (to / f"linux-{version}.series").write_text(lines)


def git(folder: Path, *arguments: str | Path) -> None:
    subprocess.run(["git", *map(str, arguments)], cwd=folder, check=True)


def open_series(version: str, source: Path, folder: Path) -> None:
    """Unpack a kernel's source and make its series commits."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["tar", "--extract", f"--file={source}", "--strip-components=1"], cwd=folder, check=True
    )
    git(folder, "init", "--quiet")
    (folder / ".git/info/exclude").write_text("*\n")
    git(folder, "add", "--force", *(path for path in TRACKED if (folder / path).exists()))
    git(folder, "commit", "--quiet", f"--message=Linux {version}")
    git(folder, "tag", "base")
    names = (PATCHES / f"linux-{version}.series").read_text().split()
    git(folder, "am", "--quiet", "--no-scissors", *(PATCHES / name for name in names))


def check(version: str, source: Path, patches: Iterable[tuple[str, str]]) -> int:
    """Apply a series to the files it touches; returns how many patches there are.

    Raises ArtifactError naming the patch that does not apply.
    """
    patches = list(patches)
    touched = [
        one
        for _, text in patches
        for one in re.findall(r"^--- (\S+)\n\+\+\+ b/(\S+)", text, re.MULTILINE)
    ]
    paths = {path for _, path in touched} - {path for old, path in touched if old == "/dev/null"}
    with tempfile.TemporaryDirectory() as scratch:
        top = f"linux-source-{version}"
        tree, log = Path(scratch) / top, Path(scratch) / "log"
        Path(scratch).chmod(0o755)
        subprocess.run(
            ["tar", "--extract", f"--file={source}", *sorted(f"{top}/{path}" for path in paths)],
            cwd=scratch,
            check=True,
        )
        shutil.chown(tree, "nobody", "nogroup")
        for path in tree.rglob("*"):
            shutil.chown(path, "nobody", "nogroup")
        kernel.apply_patches(patches, tree, log)
    return len(patches)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wanted", type=Path, default=ROOT / "build/kernel-inputs.json")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    opened = commands.add_parser("open")
    opened.add_argument("version")
    opened.add_argument("folder", type=Path)
    saved = commands.add_parser("save")
    saved.add_argument("folders", nargs="+", metavar="VERSION=FOLDER")
    options = parser.parse_args()
    if options.command == "save":
        save({v: Path(folder) for v, _, folder in (one.partition("=") for one in options.folders)})
        return 0
    wanted: dict[str, Any] = json.loads(options.wanted.read_text())
    if options.command == "open":
        open_series(options.version, Path(wanted[options.version]["source"]), options.folder)
        return 0
    failed = 0
    for version, inputs in wanted.items():
        try:
            count = check(version, Path(inputs["source"]), inputs["patches"])
            print(f"Linux {version}: {count} patches apply")
        except ArtifactError as error:
            print(f"Linux {version}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
