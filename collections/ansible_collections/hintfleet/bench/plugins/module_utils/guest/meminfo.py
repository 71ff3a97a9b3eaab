# SPDX-License-Identifier: GPL-2.0-or-later
"""Page cache in a guest, from its own /proc/meminfo, which its shell reads: that costs little."""

from __future__ import annotations

import re

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import number
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import KIB_PER_MIB

# Sets cache_kib, and prints it. Files that live in memory only (Shmem) are no cache of anything.
CACHE_SCRIPT = """
cache() {
    while read -r name kib unit; do
        case $name in
        Buffers:) cache_kib=$kib ;;
        Cached:) cache_kib=$((cache_kib + kib)) ;;
        Shmem:) cache_kib=$((cache_kib - kib)) ;;
        esac
    done </proc/meminfo
    echo "cache $cache_kib"
}
"""


def parse_caches(output: str) -> list[float]:
    """Page cache in MiB, each time that CACHE_SCRIPT's `cache` told it; raises ValueError."""
    found = re.findall(r"^cache (-?\d{1,15})$", output, re.MULTILINE)
    return [number(max(int(kib), 0) / KIB_PER_MIB) for kib in found]
