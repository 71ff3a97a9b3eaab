# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the engines none, list (upstream) and bitmap (page hinting): one table per kernel.

    compare_engines.py --kernel traced/bzImage --lean lean/bzImage --stock stock/bzImage

Times, counts and churn come from plain emulation with 1 vCPU and are the median of --rounds
fresh guests. Instructions and lock holds come from `-icount shift=0,sleep=off`, in which a
nanosecond of the guest is one instruction and runs repeat exactly. Without KVM there is no cost
of EPT faults, exits or contention in any figure; docs/page-hinting.md says how to get those.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kernel_guest import Guest, build_initramfs

EVENTS = "/sys/kernel/tracing/events/page_reporting"
IMMEDIATE = "page_hinting.age_ms=0"
NEVER = "page_hinting.age_ms=60000 page_hinting.flush_ms=60000"
MODES = {
    "none": ("off", ""),
    "list": ("list", ""),
    "bitmap, age 0": ("bitmap", IMMEDIATE),
    "bitmap": ("bitmap", ""),
}
FAULTED_MIB, FAULT_ROUNDS = 128, 10
PAGES = FAULTED_MIB * 256
WATCH_SECONDS = {256: 6.0, 1024: 16.0}
SETTLE_SECONDS = 14.0

Figures = dict[str, float]


def settle(guest: Guest) -> None:
    """Wait until the memory that was free at boot has been reported."""
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        last = max((one.seconds for one in guest.discards()), default=0.0)
        if last and time.time() - last > 5:
            return
        time.sleep(0.25)


def time_of_share(discards: list[tuple[float, int]], share: float) -> float:
    """Seconds until that share of all that was discarded, from (seconds, bytes) in order."""
    wanted, seen = share * sum(length for _, length in discards), 0
    for seconds, length in discards:
        seen += length
        if seen >= wanted:
            return seconds
    return float("nan")


def return_of_memory(boot: Callable[..., Guest], mode: str, mib: int) -> Figures:
    """Free memory once and see when, in how many pieces and how often it reaches the host."""
    engine, command_line = MODES[mode]
    with boot(engine=engine, command_line=command_line, memory_mib=mib + 512, cpus=1) as guest:
        settle(guest)
        guest.hold("a", mib)
        before_mib = guest.resident_mib()
        guest.tell(f"set {EVENTS}/page_reporting_report/enable 1")
        counted = guest.counters()
        start = time.time()
        guest.drop("a")
        time.sleep(WATCH_SECONDS[mib])
        discards = [(one.seconds - start, one.length) for one in guest.discards(since=start)]
        gib = sum(length for _, length in discards) / 2**30
        trace = "\n".join(guest.tell("get /sys/kernel/tracing/trace"))
        reported = [int(n) for n in re.findall(r"page_reporting_report: .*nr_pages=(\d+)", trace)]
        now = guest.counters()
        marked = now.get("page_hinting_marked", 0) - counted.get("page_hinting_marked", 0)
        if not gib:
            return {"seconds until 99 % is back": float("nan"), "MiB back": 0.0}
        return {
            "seconds until 50 % is back": time_of_share(discards, 0.50),
            "seconds until 99 % is back": time_of_share(discards, 0.99),
            "MiB back": before_mib - guest.resident_mib(),
            "MiB sent": gib * 1024,
            "MiB sent more than freed": gib * 1024 - 2 * marked if marked else float("nan"),
            "madvise per GiB": len(discards) / gib,
            "kicks per GiB": guest.kicks(since=start) / gib,
            "MiB off the free lists at once": max(reported) / 256,
        }


def lock_holds(boot: Callable[..., Guest], mode: str) -> Figures:
    """The longest hold of the zone lock while 256 MiB are reported; instructions."""
    engine, command_line = MODES[mode]
    if engine == "off":
        return {}
    with boot(engine=engine, command_line=command_line, cpus=1, icount=True) as guest:
        guest.tell(f"set {EVENTS}/page_reporting_isolate/enable 1")
        guest.hold("a", 256)
        guest.drop("a")
        guest.tell("sleep 8000", seconds=120)
        trace = "\n".join(guest.tell("get /sys/kernel/tracing/trace"))
        holds = [int(n) for n in re.findall(r"hold_ns=(\d+)", trace)]
        return {"longest hold of the zone lock, instructions": max(holds)}


def instructions(boot: Callable[..., Guest], engine: str, command_line: str) -> tuple[int, int]:
    """Instructions for FAULTED_MIB: to fault it in, to unmap it."""
    reporting = "on" if engine != "off" else "off"
    with boot(
        engine=engine,
        command_line=command_line,
        cpus=1,
        icount=True,
        balloon=f"free-page-reporting={reporting}",
    ) as guest:
        found = guest.figures(f"faults {FAULT_ROUNDS} {FAULTED_MIB}", seconds=300)
        return found["fault_ns"], found["unmap_ns"]


def instruction_table(lean: Callable[..., Guest], stock: Callable[..., Guest]) -> list[list[str]]:
    """Instructions per page on top of the unpatched kernel that reports nothing."""
    base = instructions(stock, "off", "")
    rows = [["kernel, engine", "fault side", "free side"]]
    for name, boot, engine, command_line in (
        ("unpatched, list", stock, "list", ""),
        ("patched, off", lean, "off", ""),
        ("patched, list", lean, "list", ""),
        ("patched, bitmap, hook only", lean, "bitmap", NEVER),
        ("patched, bitmap", lean, "bitmap", ""),
        ("patched, bitmap, age 0", lean, "bitmap", IMMEDIATE),
    ):
        print(f"measuring instructions: {name}", file=sys.stderr)
        found = instructions(boot, engine, command_line)
        rows.append([name, *(f"{(a - b) / PAGES:+.2f}" for a, b in zip(found, base, strict=True))])
    return rows


def churn(boot: Callable[..., Guest], mode: str, seconds: int, mib: int) -> Figures:
    """A program that allocates and frees again and again, with pauses."""
    engine, command_line = MODES[mode]
    with boot(engine=engine, command_line=command_line, cpus=1, memory_mib=768) as guest:
        settle(guest)
        start = time.time()
        found = guest.figures(f"cycles {seconds} {mib}", seconds=seconds + 60)
        sent = sum(one.length for one in guest.discards(since=start))
        return {
            "cycles per second": found["cycles"] * 1e9 / found["elapsed_ns"],
            "ms to allocate": found["alloc_ns"] / 1e6,
            "MiB sent per second": sent / 2**20 / seconds,
        }


def median_of(rounds: list[Figures]) -> dict[str, str]:
    """Median and, where it is more than one value, the range."""
    shown = {}
    for name in rounds[0]:
        values = [one[name] for one in rounds if name in one]
        text = f"{statistics.median(values):.4g}"
        if max(values) != min(values):
            text += f" ({min(values):.4g}..{max(values):.4g})"
        shown[name] = text
    return shown


def show(title: str, rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows[1:]:
        print("| " + " | ".join(row) + " |", flush=True)


def by_mode(measure: Callable[[str], Figures], rounds: int) -> list[list[str]]:
    """A row for each figure, a column for each mode. The modes take turns in each round."""
    found: dict[str, list[Figures]] = {mode: [] for mode in MODES}
    for _ in range(rounds):
        for mode in MODES:
            found[mode].append(measure(mode))
    shown = {mode: median_of(results) for mode, results in found.items()}
    names = list(dict.fromkeys(name for column in shown.values() for name in column))
    return [
        ["figure", *MODES],
        *([name, *(shown[mode].get(name, "-") for mode in MODES)] for name in names),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", type=Path, help="patched, with the fragment trace")
    parser.add_argument("--lean", type=Path, help="patched, without fragments")
    parser.add_argument("--stock", type=Path, help="unpatched, without fragments")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--churn-seconds", type=int, default=20)
    parser.add_argument("--churn-mib", type=int, default=128)
    parser.add_argument("--only", nargs="*", default=["instructions", "return", "lock", "churn"])
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        initramfs = build_initramfs(folder)
        number = iter(range(10**6))

        def boots(kernel: Path) -> Callable[..., Guest]:
            def boot(**settings: object) -> Guest:
                name = folder / str(next(number))
                return Guest(kernel, initramfs, name, **settings)  # type: ignore[arg-type]

            return boot

        print(json.dumps({"command": {k: str(v) for k, v in vars(options).items()}}))
        if "instructions" in options.only:
            rows = instruction_table(boots(options.lean), boots(options.stock))
            show("Instructions per page, against the unpatched kernel without reporting", rows)
        if "return" in options.only:
            for mib in WATCH_SECONDS:
                rows = by_mode(
                    lambda mode, mib=mib: return_of_memory(boots(options.kernel), mode, mib),
                    options.rounds,
                )
                show(f"{mib} MiB freed at once", rows)
        if "lock" in options.only:
            rows = by_mode(lambda mode: lock_holds(boots(options.kernel), mode), 1)
            show("Zone lock, 256 MiB freed", rows)
        if "churn" in options.only:
            rows = by_mode(
                lambda mode: churn(
                    boots(options.kernel), mode, options.churn_seconds, options.churn_mib
                ),
                options.rounds,
            )
            show(f"{options.churn_mib} MiB allocated and freed again and again", rows)


if __name__ == "__main__":
    main()
