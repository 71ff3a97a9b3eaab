# SPDX-License-Identifier: GPL-2.0-or-later
"""The users that guests run as: made by us, told from others by their comment."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Iterable
from pathlib import Path

COMMENT = "Guests of hintfleet"
# Where everybody may leave something that outlives him.
SHARED = (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"), Path("/run/lock"))  # noqa: S108


def made(name: str, everybody: Iterable[pwd.struct_passwd] | None = None) -> dict[str, int]:
    """Ids by name of the users of ours: that of this name, and those of cells side by side."""
    pattern = re.compile(rf"{re.escape(name)}(-node\d+)?", re.ASCII)
    return {
        user.pw_name: user.pw_uid
        for user in (pwd.getpwall() if everybody is None else everybody)
        if pattern.fullmatch(user.pw_name) and user.pw_gecos == COMMENT and user.pw_uid
    }


def exists(name: str) -> bool:
    """Whether the user database has this name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def leavings(user_ids: Iterable[int], folders: Iterable[Path] = SHARED) -> list[Path]:
    """What these users have left where everybody may: it would be the next one's of that number."""
    owners, found = set(user_ids), []
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() and owners else ():
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(path).st_uid in owners:
                    found.append(path)
    return found
