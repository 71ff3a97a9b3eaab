# SPDX-License-Identifier: GPL-2.0-or-later
"""What figures are called wherever no heading says what they are about."""

from __future__ import annotations

import re

from hintfleet.records.observations import BASELINE

NAMES = {
    "guests_without_swap": "guests without swap",
    "guests_at_first_swap": "guests when swap began",
    "more_guests_than_none": "more guests than none",
    "guests_by_footprint": "guests by footprints",
    "more_room_than_none": "more guests than none by footprints",
    "reliable_guests": "reliable guests",
    "physical_limit_guests": "physical limit of guests",
    "share_of_physical_limit": "share of the physical limit reached",
    "active_footprint_mib": "memory of a guest in use",
    "idle_footprint_mib": "memory of an idle guest",
    "host_cpu_seconds_per_guest": "host CPU a guest",
    "host_cpu_per_guest_vs_none": "host CPU a guest vs none",
    "last_guest_vs_none": "memhog in the last guest vs none",
    "swap_end_less_than_none_mib": "less swap at the end than none",
    "memhog_footprint_gib_min": "memory held by memhog",
    "memhog_footprint_vs_none": "memory held by memhog vs none",
    "memhog_peak_mib": "peak memory of memhog",
    "memhog_swapped_out_mib": "swapped out by memhog",
    "memhog_swapped_in_mib": "swapped in by memhog",
    "returned_mib_per_cpu_second": "memory back a CPU second",
    "more_guests": "more guests",
    "memhog_last_guest": "memhog in the last guest",
    "memhog_footprint": "memory held by memhog",
    "processes": "page fault rate",
    "fault_p99": "single fault p99",
    "seconds_to_return": "time until 90 % is back",
    "host_cpu_per_guest": "host CPU a guest",
    "held_programs_mib": "programs",
    "held_page_cache_clean_mib": "page cache, clean",
    "held_page_cache_dirty_mib": "page cache, dirty",
    "held_kernel_mib": "kernel",
    "held_free_small_mib": "free, in pieces too small",
    "held_free_listed_mib": "free, on lists of CPUs",
    "held_free_reportable_mib": "free, could be reported",
    "held_balloon_mib": "in the balloon",
    "held_qemu_translation_mib": "QEMU, translated code",
    "held_qemu_other_mib": "QEMU, the rest",
    "held_unnamed_mib": "unnamed",
    "held_freed_lazily_mib": "freed, the host's when it needs it",
    "balance_footprint_mib": "held for a guest at rest",
    "guest_free_mib": "free in the guest",
    "reportable_share": "of that in blocks that can be reported",
    "cache_freed_share": "page cache made free",
    "cache_back_share": "files read that went back",
    "reclaimed_mib": "made free by the policy, MiB",
    "moved_mib": "moved to swap on request, MiB",
    "taken_mib": "taken by the host, MiB",
    "taking_seconds": "taking it, s",
    "giving_seconds": "giving it back, s",
    "again_ratio": "touched again vs first",
    "reread_ratio": "files read again vs first",
    "cell_pressure_seconds": "pressure on the cell, s",
    "guest_pressure_some_seconds": "pressure in a guest, s",
    "guest_pressure_full_seconds": "  of all its programs, s",
    "guest_refaulted_file_mib": "read again, MiB",
    "guest_refaulted_anonymous_mib": "swapped in by it, MiB",
    "guest_direct_reclaim_mib": "reclaimed by waiting, MiB",
    "guest_allocation_stalls": "allocations that waited",
    "guest_compaction_stalls": "waits for compaction",
    "tiles_at_quality": "tiles at quality",
    "more_tiles_than_none": "more tiles than none",
    "equal_tiles": "tiles at which arms are compared",
    "factor_at_quality": "worst program at quality, times as with one tile",
    "tile_held_gib_min": "memory held by as many tiles",
    "tile_held_vs_none": "memory held by as many tiles vs none",
    "tile_mean_memory_mib": "memory of as many tiles, mean",
    "tile_mean_memory_vs_none": "memory of as many tiles, mean, vs none",
    "tile_peak_swap_mib": "most swap with as many tiles",
    "tile_pressure_seconds": "pressure on the cell with as many tiles",
    "tile_seconds_vs_none": "time of a tile's programs vs none",
    "tile_p99_ms_vs_none": "p99 of a tile's programs vs none",
    "more_tiles": "more tiles",
    "tile_held": "memory held by as many tiles",
    "tile_seconds": "time of a tile's programs",
    "tile_p99_ms": "p99 of a tile's programs",
    "recorded_footprint_gib_min": "memory held by the recorded work",
    "recorded_peak_gib": "peak memory of the recorded work",
    "recorded_seconds": "time of the recorded work",
    "recorded_rate_per_second": "rate of the recorded work",
    "recorded_footprint_vs_none": "memory held by the recorded work vs none",
    "recorded_peak_vs_none": "peak memory of the recorded work vs none",
    "recorded_seconds_vs_none": "time of the recorded work vs none",
    "recorded_rate_vs_none": "rate of the recorded work vs none",
    "recorded_footprint": "memory held by the recorded work",
    "recorded_peak": "peak memory of the recorded work",
    "recorded_rate": "rate of the recorded work",
}
PATTERNS = (
    (r"([^:]+):([^:]+):seconds", r"time of \1 (\2) for a unit of work"),
    (r"([^:]+):([^:]+):seconds_vs_none", r"time of \1 (\2) vs none"),
    (r"([^:]+):([^:]+):p99_ms", r"p99 of \1 (\2)"),
    (r"([^:]+):([^:]+):p99_ms_vs_none", r"p99 of \1 (\2) vs none"),
    (r"processes_vs_none_at_1_tasks", "page fault rate of 1 process vs none"),
    (r"threads_vs_none_at_1_tasks", "page fault rate of 1 thread vs none"),
    (r"seconds_to_return_(\d+)", r"time until \1 % is back"),
    (r"guest(\d+)_seconds", r"memhog in guest \1"),
    (r"guest(\d+)_vs_none", r"memhog in guest \1 vs none"),
    (r"(processes|threads)_vs_none", r"page fault rate of \1 vs none"),
    (r"(processes|threads)_vs_none_at_(\d+)_tasks", r"page fault rate of \2 \1 vs none"),
    (r"(processes|threads)(?:_per_second)?_at_(\d+)_tasks", r"page fault rate of \2 \1"),
    (r"fault_p(\d\d)_ns(_vs_none)?", r"single fault p\1\2"),
    (r"fault_p999_ns(_vs_none)?", r"single fault p99.9\1"),
    (r"fault_p(\d\d)_ns_merged", r"single fault p\1, all runs"),
    (r"fault_p999_ns_merged", "single fault p99.9, all runs"),
)


def versus(text: str, baseline: str) -> str:
    """Words about a difference to `none`, about one to the arm that a study compares with."""
    return text if baseline == BASELINE else re.sub(r"\bnone\b", lambda _: baseline, text)


def label(topic: str, name: str, baseline: str = BASELINE) -> str:
    """A figure's name for readers who see no heading above it."""
    return versus(_label(topic, name), baseline)


def _label(topic: str, name: str) -> str:
    if name == "swap_end_mib":
        return f"swap at the end of {'consolidation' if topic == 'density' else topic}"
    if name in NAMES:
        return NAMES[name]
    for pattern, words in PATTERNS:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, words, name).replace("_", " ")
    return name.replace("_", " ")
