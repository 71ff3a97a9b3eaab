# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of ours, told from others by a mark: what it held before we came is never removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError

MARK = ".hintfleet"
TEXT = "hintfleet made this folder, and removes what it put here when the host is cleaned.\n"


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, which may not exist, beside the mark."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.name != MARK)


def is_ours(folder: Path, known_by: str = "") -> bool:
    """Whether the folder carries the mark, or what only we put there."""
    return any((folder / name).exists() for name in (MARK, known_by) if name)


def foreign_entry(folder: Path, known_by: str = "") -> str | None:
    """Something that lies in a folder that is not ours; None if it is, or is empty or not there."""
    found = entries(folder)
    return found[0].name if found and not is_ours(folder, known_by) else None


def check(folder: Path, known_by: str = "") -> None:
    """Refuse a folder of somebody else's. Raises BenchError."""
    foreign = foreign_entry(folder, known_by)
    if foreign is not None:
        raise BenchError(
            f"Folder {folder} holds {foreign}, which hintfleet did not put there: name a "
            "folder of its own, as one below this one; cleaning removes what lies in it."
        )


def claim(folder: Path, mode: int) -> None:
    """Make the folder and mark it as ours; others can enter what lies on the way, if it is new."""
    for path in (*reversed(folder.parents), folder):
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)  # whatever the umask is
    folder.chmod(mode)
    (folder / MARK).write_text(TEXT)


def ours(folder: Path, made: Iterable[str], known_by: str = "") -> list[Path]:
    """What may be removed, in the order of the patterns in `made`; nothing of a foreign folder."""
    found = entries(folder) if is_ours(folder, known_by) else []
    return [path for pattern in made for path in found if fnmatchcase(path.name, pattern)]


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def give_back(folder: Path) -> bool:
    """Remove the mark and the folder, once it holds nothing else. True if it is gone."""
    if entries(folder):
        return False
    (folder / MARK).unlink(missing_ok=True)
    folder.rmdir()
    return True
