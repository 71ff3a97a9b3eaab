# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of a report of free memory, split: the guest, QEMU beside the discard, the discard.

Boots a guest for each engine and each kind of backing, has it use and free memory, and reads times
from QEMU's own trace events. A report is on its way from the guest's last being told to its next
kick being seen (the guest makes the report, leaves to the host, QEMU's loop wakes), then in QEMU
from there to telling the guest, of which the discards are a part. What is not the discard is the
most that a balloon in the host's kernel (vhost) could save.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (
    end_loop,
    new_loop,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import BINARY, Machine

CACHE = Path("/var/cache/hintfleet")
ENGINES = ("free_page_reporting", "page_hinting")
BACKINGS = {"anonymous": "memory-backend-ram", "memfd": "memory-backend-memfd,share=on"}
EVENTS = (
    "virtio_queue_notify", "virtqueue_pop", "virtqueue_flush", "virtio_notify",
    "ram_block_discard_range",
)  # fmt: skip
WRAPPER = """#!/bin/sh
for word; do
    case $word in memory-backend-ram,*) word={backing},${{word#*,}} ;; esac
    set -- "$@" "$word"
    shift
done
exec {binary} "$@" -msg timestamp=on {events} -D {trace}
"""
BOOT_SECONDS = 120.0
REST_SECONDS = 4.0  # upstream's reporting waits for two from round to round
REPORTED_SECONDS = 12.0
BURST_SECONDS = 0.5  # the guest rests between reports that are further apart
MIB = 2**20
LINE = re.compile(r"^\d+@(\d+\.\d+):(\w+) (.*)$")
QUEUE = re.compile(r"\bvq (0x[0-9a-f]+)")
LENGTH = re.compile(r" \+ 0x([0-9a-f]+):")


@dataclass
class Report:
    """Times on QEMU's clock in seconds: when its loop saw the kick, took the report, had discarded
    the last of it, told the guest."""

    seen: float
    taken: float
    discarded: float = 0.0
    told: float = 0.0
    discards: int = 0
    mib: float = 0.0


def reports(lines: Iterable[str], since: float = 0.0) -> Iterator[Report]:
    """Reports of a trace in order. Events of other queues and devices lie between."""
    seen: dict[str, float] = {}
    report, queue = None, ""
    for line in lines:
        if (found := LINE.match(line)) is None or (now := float(found[1])) < since:
            continue
        event, text = found[2], found[3]
        said = QUEUE.search(text)
        if event == "ram_block_discard_range":
            if report is not None and (length := LENGTH.search(text)):
                report.discarded = now
                report.discards += 1
                report.mib += int(length[1], 16) / MIB
        elif said is None:
            continue
        elif event == "virtio_queue_notify":
            seen[said[1]] = now
        elif event == "virtqueue_pop":
            queue, report = said[1], Report(seen.get(said[1], now), now)
        elif event == "virtio_notify" and said[1] == queue and report is not None:
            if report.discards:
                report.told = now
                yield report
            report = None


@dataclass(frozen=True)
class Split:
    """Seconds a GiB of what a report's way consists of, and how many reports and discards."""

    reports: float
    discards: float
    guest: float
    qemu: float
    discard: float

    @property
    def beside(self) -> float:
        """The share that is not the discard."""
        return 1 - self.discard / (self.guest + self.qemu + self.discard)


def split(found: list[Report]) -> Split:
    """Raises ValueError if there is no report, or none that follows another at once."""
    gaps = [after.seen - before.told for before, after in pairwise(found)]
    guest = statistics.median([gap for gap in gaps if 0 <= gap < BURST_SECONDS])
    gib = sum(one.mib for one in found) / 1024
    discard = sum(one.discarded - one.taken for one in found)
    qemu = sum(one.told - one.seen for one in found) - discard
    count = len(found) / gib
    discards = sum(one.discards for one in found) / gib
    return Split(count, discards, guest * count, qemu / gib, discard / gib)


def measure(engine: str, backing: str, arguments: argparse.Namespace, folder: Path) -> Split:
    """Boot a guest, have it use and free memory, and split the way of what it reports."""
    trace, wrapper = folder / "trace", folder / "qemu"
    events = " ".join(f"-trace {event}" for event in EVENTS)
    wrapper.write_text(
        WRAPPER.format(backing=BACKINGS[backing], binary=BINARY, events=events, trace=trace)
    )
    wrapper.chmod(0o755)
    memory_mib = arguments.mib + 512
    # A guest's QEMU may make files as large as its disks: a trace is one, and so is a memfd.
    machine = Machine(
        name="way", logs=folder, memory_mib=memory_mib, swap_mib=memory_mib, vcpus=1,
        mechanism=engine, accelerator=arguments.accelerator, kernel=arguments.kernel,
        image=arguments.image, binary=str(wrapper),
    )  # fmt: skip
    loop = new_loop()
    guest = Guest(machine, "root", [], 0, loop)
    try:
        guest.boot(BOOT_SECONDS)
        time.sleep(REST_SECONDS)
        since = time.time()
        done = guest.run(["/bin/hf-allocate", str(arguments.mib)], BOOT_SECONDS)
        if done.failure:
            raise SystemExit(f"hf-allocate ended with {done.failure}: see {folder}.")
        time.sleep(REPORTED_SECONDS)
    finally:
        guest.kill()
        end_loop(loop)
    return split(list(reports(trace.read_text().splitlines(), since)))


def newest(folder: Path, name: str) -> Path:
    """The file of that name that was made last below a folder of the builder's cache."""
    made = sorted(folder.glob(f"*/{name}"), key=lambda path: path.stat().st_mtime)
    if not made:
        raise SystemExit(f"There is no {folder}/*/{name}: run a study first, or name one.")
    return made[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", type=Path, help="of a guest; the one that was built last")
    parser.add_argument("--image", type=Path, help="of a guest; the one that was made last")
    parser.add_argument("--accelerator", choices=["tcg", "kvm"], default="tcg")
    parser.add_argument("--mib", type=int, default=1024, help="used and freed in the guest")
    arguments = parser.parse_args()
    arguments.kernel = arguments.kernel or newest(CACHE / "kernels", "bzImage")
    arguments.image = arguments.image or newest(CACHE / "images", "initramfs.img")
    print("Milliseconds a GiB of reported memory; QEMU is without the discard.")
    heads = ("engine", "backing", "reports", "discards", "guest", "QEMU", "discard", "not discard")
    print("  ".join(f"{head:>{width}}" for head, width in zip(heads, WIDTHS, strict=True)))
    for engine in ENGINES:
        for backing in BACKINGS:
            with tempfile.TemporaryDirectory(prefix="hintfleet-way-") as name:
                try:
                    found = measure(engine, backing, arguments, Path(name))
                except ValueError:
                    raise SystemExit(
                        f"{engine} with {backing} memory made no report right after another; have "
                        "the guest free more (--mib)."
                    ) from None
            times_ms = [1000 * one for one in (found.guest, found.qemu, found.discard)]
            numbers = [f"{one:.1f}" for one in (found.reports, found.discards, *times_ms)]
            cells = [engine, backing, *numbers, f"{found.beside:.0%}"]
            print("  ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)))
            sys.stdout.flush()


WIDTHS = (19, 9, 8, 8, 8, 8, 8, 11)

if __name__ == "__main__":
    main()
