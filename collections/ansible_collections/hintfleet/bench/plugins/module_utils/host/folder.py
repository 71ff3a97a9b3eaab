# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of ours, told from others by a mark: what it held before we came is never removed."""

from __future__ import annotations

import os
import shutil
import stat
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


def exchangeable(folder: Path) -> Path | None:
    """The first folder on the way there that others than root may write to; None if there is none.

    Whoever may change a folder can lead what root does below it elsewhere. In one like /tmp names
    are their owners', who must then be root.
    """
    real = folder.resolve()
    for place in [*reversed(real.parents), real]:
        try:
            status = place.lstat()
        except FileNotFoundError:  # it is still to be made, by root
            return None
        writers = status.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if status.st_gid else 0))
        kept_apart = status.st_mode & stat.S_ISVTX and place != real
        if status.st_uid not in (0, os.geteuid()) or (writers and not kept_apart):
            return place
    return None


def unfit_mount(folder: Path, *, for_programs: bool = False) -> str | None:
    """Why nothing can be put (or, for_programs, started) where a folder lies or would lie: how its
    file system is mounted. None if it can."""
    place = folder
    while not place.exists():
        place = place.parent
    flags = os.statvfs(place).f_flag
    if flags & os.ST_RDONLY:
        return "read-only"
    return "noexec" if for_programs and flags & os.ST_NOEXEC else None


def check_way(folder: Path) -> None:
    """Refuse a folder that others may exchange. Raises BenchError."""
    place = exchangeable(folder)
    if place is not None:
        raise BenchError(
            f"Others than root may write to {place}, and could lead elsewhere what root does in "
            f"{folder}: choose a folder that only root may change, on all of its way."
        )


def check(folder: Path, known_by: str = "") -> None:
    """Refuse a folder of somebody else's. Raises BenchError."""
    check_way(folder)
    foreign = foreign_entry(folder, known_by)
    if foreign is not None:
        raise BenchError(
            f"Folder {folder} holds {foreign}, which hintfleet did not put there: name a "
            "folder of its own, as one below this one; cleaning removes what lies in it."
        )


def claim(folder: Path, mode: int) -> None:
    """Make the folder and mark it as ours; others can enter what lies on the way, if it is new.

    Raises BenchError if somebody was quicker.
    """
    for path in (*reversed(folder.parents), folder):
        try:
            path.mkdir()
        except FileExistsError:
            continue
        path.chmod(0o755)  # whatever the umask is
    check_way(folder)
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
