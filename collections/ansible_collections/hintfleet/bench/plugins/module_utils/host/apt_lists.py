# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt knows of packages: its lists, which a freshly installed system often lacks."""

from __future__ import annotations

import os
import subprocess
import time

# apt does not wait for them by itself, and a system that has just come up is at its own.
LOCKED = "Could not get lock"
PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 5.0
UPDATE = ["apt-get", "update", "--quiet", "--option=Acquire::http::Timeout=20"]


def refresh() -> None:
    """Fetch apt's lists (as root), as far as they are to be had.

    A repository that answers with an error, as one whose subscription ran out, says nothing of the
    others: whatever is not known afterwards is what is lacking.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        done = subprocess.run(
            UPDATE,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        if LOCKED not in done.stderr or time.monotonic() > give_up:
            return
        time.sleep(LOOK_SECONDS)
