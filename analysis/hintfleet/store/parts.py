# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a store: those that can be read, and what is none of its parts.

A store may be damaged, or another program may have written into it. A part without a good footer, a
copy, what is no regular file: each costs itself and is named. Damaged pages show only while they
are read: then the part is left out, and the rest is read again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from hintfleet.records.damage import Damage, UnusableError
from hintfleet.records.files import KINDS
from hintfleet.store.parquet import BUCKETS, PART_NAME, PARTITION_COLUMNS, parquet

NO_NAME = "__HIVE_DEFAULT_PARTITION__"
"""What other programs call the folder of rows that have no value for it."""

Result = TypeVar("Result")


def parts(root: Path, name: str = "runs") -> tuple[list[Path], list[Damage]]:
    """The parts of a dataset that can be read, and those that cannot, by place and footer.

    UnusableError if there is no such dataset. Unfinished parts start with a dot and are neither.
    """
    parquet()
    if not (root / name).is_dir():
        raise UnusableError(
            f"{root} holds no {name}/ as Parquet; write it with hintfleet export --format parquet"
        )
    good: list[Path] = []
    damages: list[Damage] = []
    seen: set[tuple[str, str]] = set()
    for file in sorted((root / name).rglob("*.parquet")):
        if file.name.startswith("."):
            continue
        damage = _misplaced(file, root / name, seen) or _unfit(file, name)
        if damage:
            damages.append(damage)
        else:
            good.append(file)
    return good, damages


def levels_of(name: str) -> tuple[str, ...]:
    """The columns that stand in the folders' names of a dataset."""
    return PARTITION_COLUMNS if name in ("runs", "samples") else PARTITION_COLUMNS[:1]


def folders_of(part: Path, top: Path) -> dict[str, str]:
    """The values of these columns for a part, by name; top is the folder of the dataset."""
    pairs = (folder.partition("=") for folder in part.parent.relative_to(top).parts)
    return {level: unquote(value) for level, _, value in pairs}


def without_damaged_pages(root: Path, work: Callable[[Sequence[Damage]], Result]) -> Result:
    """What work makes of a store, given the parts whose pages are damaged. It is begun anew with
    those that it stumbles over; UnusableError if it fails for another reason."""
    import pyarrow as pa

    parquet()
    unreadable: list[Damage] = []
    while True:
        try:
            return work(unreadable)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            found = _damaged_pages(root, {damage.file for damage in unreadable})
            if not found:
                raise UnusableError(
                    f"{root}: {_cause(error)}; export its studies again, into another folder"
                ) from error
            unreadable += found


def _damaged_pages(root: Path, known: set[Path]) -> list[Damage]:
    read = parquet()
    import pyarrow as pa

    damages = []
    for name in ("runs", "studies"):
        for file in parts(root, name)[0] if (root / name).is_dir() else ():
            try:
                if file not in known:
                    table = read.ParquetFile(file, page_checksum_verification=True).read()
                    table.validate(full=True)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                damages.append(Damage(file, "pages", "a whole Parquet file", _cause(error)))
    return damages


def _misplaced(file: Path, top: Path, seen: set[tuple[str, str]]) -> Damage | None:
    """What is no part by its place, name or kind; adds to the studies' parts seen."""
    folders = file.parent.relative_to(top).parts
    if not _are_levels(folders, top.name):
        expected = " ".join(f"{level}=" for level in levels_of(top.name))
        return Damage(file, "folder", expected, "/".join(folders) or "no folder")
    # A part is named after the runs that it holds: in one study no other has its name.
    key = folders[0], file.name
    if not re.fullmatch(PART_NAME, file.name) or key in seen:
        expected = "a part as export names it, once in a study"
        return Damage(file, "name", expected, "a copy, or a file of another program")
    seen.add(key)
    mode = os.lstat(file).st_mode
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "something else")
        return Damage(file, "file", "a regular file", kind)
    return None


def _are_levels(folders: Sequence[str], name: str) -> bool:
    """Whether folders are called as those of a dataset are."""
    pairs = [folder.partition("=") for folder in folders]
    return [level for level, _, _ in pairs] == list(levels_of(name)) and all(
        _is_bucket(value) if level == "host_bucket" else value not in ("", NO_NAME)
        for level, _, value in pairs
    )


def _is_bucket(text: str) -> bool:
    return re.fullmatch("[0-9]{1,2}", text) is not None and int(text) < BUCKETS


def _unfit(file: Path, name: str) -> Damage | None:
    """What is wrong with a part by its footer."""
    read = parquet()
    import pyarrow as pa

    try:
        columns = read.read_schema(file).names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        return Damage(file, "footer", "a whole Parquet file", _cause(error))
    if "run_id" not in columns:
        return Damage(file, "columns", f"those of {name}/, run_id first", ", ".join(columns[:5]))
    if len(set(columns)) < len(columns):
        twice = ", ".join(sorted({one for one in columns if columns.count(one) > 1}))
        return Damage(file, "columns", "each once", f"{twice} more often")
    return None


def _cause(error: Exception) -> str:
    """What Arrow says, without the file's name and the trail of its own functions."""
    return (str(error).splitlines() or [""])[0].rpartition("': ")[2] or type(error).__name__
