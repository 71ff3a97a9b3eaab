# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest reads its files: they stay in its page cache."""

from __future__ import annotations

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import (
    READ_SCRIPT,
    parse_read,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench


def read_files(bench: Bench, guest: Guest) -> tuple[float, float]:
    """MiB read and seconds of the guest's clock; raises GuestError."""
    script = READ_SCRIPT.format(device=guest.machine.files_device)
    done = guest.run(["/bin/sh", "-c", script], bench.seconds_left())
    try:
        if done.failure:
            raise ValueError(f"hf-read failed with {done.failure}")
        read_mib, seconds = parse_read(done.output)
        if read_mib < guest.machine.files_mib:
            raise ValueError(f"hf-read read {read_mib:g} MiB of {guest.machine.files_mib}")
    except ValueError as error:
        raise GuestError(
            "stopped",
            f"Guest {guest.name} cannot read its files ({one_line(str(error))}): lower "
            "guest_files_mib, or build the guest image again (role guest_image).",
        ) from None
    return read_mib, seconds
