# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report costs: from folders, on the way into a store, and from a store.

Each command is a process of its own, so that the memory is that of one report. CPU seconds are
printed beside wall time: on a machine that does other work too, they are what can be compared. The
last column is what each run costs beyond those of the size before, the first one the start
included: where it stays the same, the cost grows linearly.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet import TRUTHS, WORKLOADS, write_fleet
from folders import write_folders

RUNS_A_HOST = len(TRUTHS) * len(WORKLOADS)
FOLDER_RUNS_A_HOST = 2 * 27
HEADING = f"{'runs':>9} {'wall s':>7} {'CPU s':>7} {'peak MiB':>9} {'us CPU a further run':>20}"


@dataclass(frozen=True)
class Limits:
    """What the largest size may cost."""

    seconds: float
    mib: float = 2048.0
    seconds_a_run: float = math.inf


REPORT = [sys.executable, "-m", "hintfleet.cli", "report"]
EXPORT = [sys.executable, "-m", "hintfleet.cli", "export"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="100000,300000,1000000", help="of stores, by commas")
    parser.add_argument("--folder-runs", default="1080,5400", help="reported on from folders")
    parser.add_argument("--export-runs", default="2700,5400", help="exported without samples")
    parser.add_argument("--folder", type=Path, help="where they are written (default: temp)")
    args = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before")
    kept = [
        series("report from folders, all formats", sizes(args.folder_runs), args.folder,
               report_folders, Limits(60.0)),
        series("export without samples", sizes(args.export_runs), args.folder,
               export_folders, Limits(math.inf, seconds_a_run=1200.0 / 1e6)),
        series("report on a store", sizes(args.runs), args.folder,
               report_store, Limits(20.0)),
    ]  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f} after")
    return 0 if all(kept) else 1


def sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",") if size]


def report_folders(folder: Path, wanted: int) -> tuple[int, list[object]]:
    runs = write_folders(folder / "study", -(-wanted // FOLDER_RUNS_A_HOST))
    return runs, [*REPORT, folder / "study", "--save", folder]


def export_folders(folder: Path, wanted: int) -> tuple[int, list[object]]:
    hosts = -(-wanted // FOLDER_RUNS_A_HOST)
    runs = write_folders(folder / "study", hosts, samples=False)
    return runs, [*EXPORT, folder / "study", "--output", folder / "store"]


def report_store(folder: Path, wanted: int) -> tuple[int, list[object]]:
    return write_fleet(folder, -(-wanted // RUNS_A_HOST)), [*REPORT, folder]


def series(
    name: str,
    runs_wanted: list[int],
    where: Path | None,
    prepare: Callable[[Path, int], tuple[int, list[object]]],
    limits: Limits,
) -> bool:
    """One command at several sizes; whether the limits were kept at each."""
    print(f"{name}\n{HEADING}", flush=True)
    kept = True
    before = (0, 0.0)
    for wanted in runs_wanted:
        folder = Path(tempfile.mkdtemp(prefix="hintfleet-bench-", dir=where))
        try:
            runs, command = prepare(folder, wanted)
            wall, cpu, peak = measure(command)
        finally:
            shutil.rmtree(folder)
        kept &= wall <= min(limits.seconds, limits.seconds_a_run * runs) and peak <= limits.mib
        print(
            f"{runs:>9} {wall:>7.1f} {cpu:>7.1f} {peak:>9.0f}"
            f" {1e6 * (cpu - before[1]) / (runs - before[0]):>20.1f}",
            flush=True,
        )
        before = (runs, cpu)
    print(f"limits {'kept' if kept else 'NOT kept'}")
    return kept


def measure(command: list[object]) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak memory (MiB) of a command that must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 2):
        raise SystemExit(f"{command[-1]}: the report ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0


if __name__ == "__main__":
    sys.exit(main())
