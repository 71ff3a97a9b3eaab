# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report on a fleet costs: seconds and memory by number of runs.

Each size is reported on by a process of its own, so that the memory is that of one report. CPU
seconds are printed beside wall time: on a machine that does other work too, they are what can be
compared. The last column is what each run costs beyond those of the size before, the first one the
start included: where it stays the same, the cost grows linearly.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fleet import TRUTHS, WORKLOADS, write_fleet

RUNS_A_HOST = len(TRUTHS) * len(WORKLOADS)
MOST_SECONDS, MOST_MIB = 20.0, 2048.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="100000,300000,1000000", help="sizes, joined by commas")
    parser.add_argument("--folder", type=Path, help="where the stores are written (default: temp)")
    args = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before")
    print(
        f"{'runs':>9} {'hosts':>7} {'store MiB':>9} {'wall s':>7} {'CPU s':>7} {'peak MiB':>9}"
        f" {'us CPU a further run':>20}"
    )
    worst = (0.0, 0.0)
    before = (0, 0.0)
    for wanted in (int(text) for text in args.runs.split(",")):
        folder = Path(tempfile.mkdtemp(prefix="hintfleet-bench-", dir=args.folder))
        try:
            hosts = -(-wanted // RUNS_A_HOST)
            runs = write_fleet(folder, hosts)
            size = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 2**20
            wall, cpu, peak = measure([sys.executable, "-m", "hintfleet.cli", "report", folder])
        finally:
            shutil.rmtree(folder)
        worst = (max(worst[0], wall), max(worst[1], peak))
        print(
            f"{runs:>9} {hosts:>7} {size:>9.0f} {wall:>7.1f} {cpu:>7.1f} {peak:>9.0f}"
            f" {1e6 * (cpu - before[1]) / (runs - before[0]):>20.1f}",
            flush=True,
        )
        before = (runs, cpu)
    kept = worst[0] <= MOST_SECONDS and worst[1] <= MOST_MIB
    print(
        f"limits: {MOST_SECONDS:g} s and {MOST_MIB:g} MiB: {'kept' if kept else 'NOT kept'}"
        f" (load {os.getloadavg()[0]:.1f} after)"
    )
    return 0 if kept else 1


def measure(command: list[object]) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak memory (MiB) of a command that must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[-1]}: the report ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0


if __name__ == "__main__":
    sys.exit(main())
