# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare no engine, upstream's and ours on every kernel: a table each. `make compare-engines`

All figures are the median of --rounds fresh guests with 1 vCPU, their range in brackets.
Instructions and the holds of the zone lock (one guest) come from `-icount shift=0,sleep=off`, where
a nanosecond of the guest is one instruction; all else from plain emulation.
Without KVM no figure holds the cost of EPT faults, exits or contention; docs/page-hinting.md says
how to get those.

Every figure is added to --results as soon as it is known, so a comparison can be made in parts:
`--only instructions --version 6.1`. The table shows all that the file holds.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from kernel_guest import Discard, Guest, build_initramfs

ROOT = Path(__file__).resolve().parents[3]
EVENTS = "/sys/kernel/tracing/events/page_reporting"
PAGES_ON_LISTS = "/proc/sys/vm/percpu_pagelist_high_fraction"
PARTS = ("instructions", "return", "lock", "churn")
FAULTED_MIB, FAULT_ROUNDS = 128, 10
PAGES = FAULTED_MIB * 256
FREED_MIB = (256, 1024)
AWAY = 32 << 20
# longer than the pause between two passes of upstream's engine
QUIET_SECONDS = 2.6

Boot = Callable[..., Guest]
Boots = dict[str, Boot]  # by variant of the kernel
Figures = dict[str, float]


class Mode(NamedTuple):
    """What a column measures: the variant of the kernel, the engine, kernel parameters."""

    variant: str
    engine: str
    command_line: str = ""


# What upstream's engine costs, it costs on upstream's kernel: on ours it pays for our hook too.
MODES = {
    "none": Mode("full", "off"),
    "free_page_reporting, unpatched kernel": Mode("stock", "list"),
    "free_page_reporting": Mode("full", "list"),
    "free_page_reporting, 250 ms": Mode("full", "list", "page_reporting.delay_ms=250"),
    "page_hinting": Mode("full", "bitmap"),
    "page_hinting, age 0": Mode("full", "bitmap", "page_hinting.age_ms=0"),
}
# in the order of the table, with what is wanted of page_hinting
GOALS = {
    "more instructions per page than unpatched, fault side": "at most +0.5",
    "more instructions per page than unpatched, free side": "at most +1; off at most 0",
    "256 MiB: seconds until 50 % is back": "",
    "256 MiB: seconds until 99 % is back": "0.33; 0.05 at age 0",
    "1024 MiB: seconds until 50 % is back": "",
    "1024 MiB: seconds until 99 % is back": "0.33; 0.05 at age 0",
    "1024 MiB: madvise calls per GiB": "at most 1.03 x the fewest",
    "1024 MiB: fewest calls per GiB with 32 MiB away": "",
    "1024 MiB: kicks per GiB": "32 expected",
    "1024 MiB: MiB off the free lists at once": "at most 32",
    "1024 MiB: MiB sent": "",
    "1024 MiB: MiB sent twice": "0",
    "1024 MiB: MiB resident more than before": "not above upstream's",
    "1024 MiB: blocks pending after idle": "0",
    "instructions in the longest hold of the zone lock": "at most 6,700",
    "churn: cycles per second": "at least 95 % of upstream's",
    "churn: ms to allocate 128 MiB": "",
    "churn: MiB sent per second": "",
}


def settle(guest: Guest) -> None:
    """Wait until the memory that was free at boot has been reported."""
    if guest.engine != "off":
        guest.settle(QUIET_SECONDS)


def time_of_share(discards: list[tuple[float, int]], share: float) -> float:
    """Seconds until that share of all that was discarded, from (seconds, bytes) in order."""
    wanted, seen = share * sum(length for _, length in discards), 0
    for seconds, length in discards:
        seen += length
        if seen >= wanted:
            return seconds
    return float("nan")


def bytes_sent_twice(discards: list[Discard]) -> int:
    """Bytes that were discarded more than once: nothing is allocated meanwhile, so in vain."""
    repeated, end = 0, 0
    for start, length in sorted((one.address, one.length) for one in discards):
        repeated += max(0, min(end, start + length) - start)
        end = max(end, start + length)
    return repeated


def fewest_calls(discards: list[Discard]) -> int:
    """How many calls would do for that memory if at most 32 MiB may be away at once."""
    calls, start, end = 0, 0, 0
    for one in sorted(discards, key=lambda one: one.address):
        if one.address > end:
            calls += -(-(end - start) // AWAY)
            start = one.address
        end = max(end, one.address + one.length)
    return calls + -(-(end - start) // AWAY)


def return_of_memory(boots: Boots, mode: str, mib: int) -> Figures:
    """Free memory once and see when, in how many pieces and how often it reaches the host."""
    variant, engine, command_line = MODES[mode]
    with boots[variant](
        engine=engine, command_line=command_line, memory_mib=mib + 512, cpus=1
    ) as guest:
        settle(guest)
        floor_mib = guest.resident_mib()
        guest.hold("a", mib)
        start = time.time()
        guest.drop("a")
        if engine == "off":
            time.sleep(QUIET_SECONDS)
            return {f"{mib} MiB: MiB resident more than before": guest.resident_mib() - floor_mib}
        settle(guest)
        discards = guest.discards(since=start)
        times = [(one.seconds - start, one.length) for one in discards]
        sent_mib = sum(one.length for one in discards) / 2**20
        found = {
            "seconds until 50 % is back": time_of_share(times, 0.50),
            "seconds until 99 % is back": time_of_share(times, 0.99),
            "madvise calls per GiB": len(discards) * 1024 / sent_mib,
            "fewest calls per GiB with 32 MiB away": fewest_calls(discards) * 1024 / sent_mib,
            "kicks per GiB": guest.kicks(since=start) * 1024 / sent_mib,
            "MiB off the free lists at once": max(guest.reports(since=start)) / 2**20,
            "MiB sent": sent_mib,
            "MiB sent twice": bytes_sent_twice(discards) / 2**20,
            "MiB resident more than before": guest.resident_mib() - floor_mib,
            "blocks pending after idle": guest.pending_blocks() if engine == "bitmap" else 0,
        }
        return {f"{mib} MiB: {name}": value for name, value in found.items()}


def lock_holds(boots: Boots, mode: str) -> Figures:
    """The longest hold of the zone lock while 256 MiB are reported; instructions."""
    variant, engine, command_line = MODES[mode]
    if engine == "off" or variant == "stock":  # no worker, and none that says how long it holds
        return {}
    with boots[variant](engine=engine, command_line=command_line, cpus=1, icount=True) as guest:
        guest.tell(f"set {EVENTS}/page_reporting_isolate/enable 1")
        guest.hold("a", 256)
        guest.drop("a")
        guest.tell("sleep 8000", seconds=120)
        trace = "\n".join(guest.tell("get /sys/kernel/tracing/trace"))
        holds = [int(n) for n in re.findall(r"hold_ns=(\d+)", trace)]
        return {"instructions in the longest hold of the zone lock": max(holds)}


def instructions(boots: Boots, mode: Mode) -> tuple[float, float]:
    """Instructions for each of FAULTED_MIB's pages: to fault it in, to unmap it.

    The lists of CPUs are kept short. On 6.12 they grow until they hold all that is freed, and
    shrink once a second: then it is chance how many pages reach the buddy allocator at all.
    """
    reporting = "on" if mode.engine != "off" else "off"
    with boots[mode.variant](
        engine=mode.engine,
        command_line=mode.command_line,
        cpus=1,
        icount=True,
        balloon=f"free-page-reporting={reporting}",
    ) as guest:
        guest.tell(f"set {PAGES_ON_LISTS} 1000")
        # what was free at boot is reported by then: the guest's time passes quickly while it sleeps
        guest.tell("sleep 10000", seconds=120)
        found = guest.figures(f"faults {FAULT_ROUNDS} {FAULTED_MIB}", seconds=600)
        return found["fault_ns"] / PAGES, found["unmap_ns"] / PAGES


def churn(boots: Boots, mode: str, seconds: int) -> Figures:
    """A program that allocates and frees 128 MiB again and again, with pauses."""
    variant, engine, command_line = MODES[mode]
    with boots[variant](engine=engine, command_line=command_line, cpus=1) as guest:
        settle(guest)
        start = time.time()
        found = guest.figures(f"cycles {seconds} 128", seconds=seconds + 60)
        sent = sum(one.length for one in guest.discards(since=start))
        return {
            "churn: cycles per second": found["cycles"] * 1e9 / found["elapsed_ns"],
            "churn: ms to allocate 128 MiB": found["alloc_ns"] / 1e6,
            "churn: MiB sent per second": sent / 2**20 / seconds,
        }


class Comparison:
    """What was measured: version, column, figure to its values; kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, dict[str, dict[str, list[float]]]] = {}
        if path.exists():
            self.values = json.loads(path.read_text())

    def begin(self, version: str, names: tuple[str, ...]) -> None:
        """Forget what an earlier call measured of these figures."""
        for figures in self.values.get(version, {}).values():
            for name in [name for name in figures if name.startswith(names)]:
                del figures[name]

    def add(self, version: str, mode: str, figures: Figures) -> None:
        for name, value in figures.items():
            column = self.values.setdefault(version, {}).setdefault(mode, {})
            column.setdefault(name, []).append(value)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.values, indent=1) + "\n")

    def tables(self) -> Iterator[str]:
        """Lines of Markdown: for each kernel a row for each figure, a column for each mode."""
        for version in sorted(self.values, key=lambda text: [int(n) for n in text.split(".")]):
            measured = self.values[version]
            modes = [mode for mode in MODES if mode in measured]
            yield f"| Linux {version} | goal | " + " | ".join(modes) + " |"
            yield "|---" * 2 + "|---:" * len(modes) + "|"
            for name, goal in GOALS.items():
                cells = [shown(measured[mode].get(name, []), name) for mode in modes]
                if any(cells):
                    yield f"| {name} | {goal} | " + " | ".join(cell or "-" for cell in cells) + " |"
            yield ""


def shown(values: list[float], name: str) -> str:
    """Median and, where there is more than one value, the range; differences with their sign."""
    if not values:
        return ""

    def text(value: float) -> str:
        if name.startswith("more "):
            return f"{value:+.1f}"
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    low, middle, high = text(min(values)), text(statistics.median(values)), text(max(values))
    return middle if low == high else f"{middle} ({low}..{high})"


def measure(
    comparison: Comparison, version: str, boots: Boots, options: argparse.Namespace
) -> None:
    """Measure what is asked for on one kernel version."""

    def progress(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} Linux {version}: {text}", file=sys.stderr, flush=True)

    if "instructions" in options.only:
        comparison.begin(version, ("more instructions",))
        for number in range(options.rounds):
            turn = f"round {number + 1} of {options.rounds}"
            progress(f"instructions, unpatched kernel, {turn}")
            fault, free = instructions(boots, Mode("stock", "off"))
            for mode in MODES:
                progress(f"instructions, {mode}, {turn}")
                sides = instructions(boots, MODES[mode])
                label = "more instructions per page than unpatched"
                figures = {
                    f"{label}, fault side": sides[0] - fault,
                    f"{label}, free side": sides[1] - free,
                }
                comparison.add(version, mode, figures)
    if "lock" in options.only:
        comparison.begin(version, ("instructions in the longest",))
        for mode in MODES:
            progress(f"zone lock, {mode}")
            comparison.add(version, mode, lock_holds(boots, mode))
    # the modes take turns in each round, so that a change of the host meets all of them
    for part, prefix in (
        ("return", tuple(f"{mib} MiB" for mib in FREED_MIB)),
        ("churn", ("churn",)),
    ):
        if part not in options.only:
            continue
        comparison.begin(version, prefix)
        for number in range(options.rounds):
            for mode in MODES:
                progress(f"{part}, {mode}, round {number + 1} of {options.rounds}")
                if part == "churn":
                    comparison.add(version, mode, churn(boots, mode, options.churn_seconds))
                    continue
                for mib in FREED_MIB:
                    comparison.add(version, mode, return_of_memory(boots, mode, mib))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernels", type=Path, default=ROOT / "build/test-kernels.json")
    parser.add_argument("--results", type=Path, default=ROOT / "build/compare-engines.json")
    parser.add_argument("--version", action="append", help="only this kernel version")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--churn-seconds", type=int, default=20)
    options = parser.parse_args()

    if not options.kernels.exists():
        sys.exit(f"{options.kernels} does not exist: build the kernels with make compare-engines")
    kernels: dict[str, dict[str, str]] = json.loads(options.kernels.read_text())
    comparison = Comparison(options.results)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        initramfs = build_initramfs(folder)
        number = iter(range(10**6))

        def booting(kernel: str) -> Boot:
            def boot(**settings: object) -> Guest:
                return Guest(Path(kernel), initramfs, folder / str(next(number)), **settings)  # type: ignore[arg-type]

            return boot

        for version in options.version or kernels:
            boots = {variant: booting(path) for variant, path in kernels[version].items()}
            measure(comparison, version, boots, options)
    print("\n".join(comparison.tables()))


if __name__ == "__main__":
    main()
