# SPDX-License-Identifier: GPL-2.0-or-later
"""What planning a fleet costs: a day of demand on up to 100,000 simulated nodes, and ten times the
hours on as many nodes.

The footprints are those of the seed's setting (guests of 5 GiB on nodes of 15 GiB, 4 GiB
touched), stated here by hand; the demand is the default one, ten minutes of use an hour. The plan
is made by the command as a user would call it. Memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from bench_report import measure

MECHANISMS = (
    "none,active=4600,idle=4500,touched=4096",
    "page_hinting,active=4600,idle=600,touched=4096,freed=4096,s50=1,s90=2,s99=3",
    "free_page_reporting,active=4600,idle=600,touched=4096,freed=4096,s50=5,s90=12,s99=20",
)
NODES_OF_HOURS = 4000
MOST_GROWTH = 1.1
"""Of peak memory from the fewest to the most hours."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="1000,10000,100000", help="sizes, joined by commas")
    parser.add_argument("--hours", default="24,240", help=f"on {NODES_OF_HOURS} nodes, by commas")
    parser.add_argument("--memory-mib", type=float, default=15360.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, {args.workers} workers, load {os.getloadavg()[0]:.1f} before")
    print(f"{'nodes':>7} {'hours':>6} {'wall s':>7} {'CPU s':>7} {'peak MiB':>9}  guests a node")
    for nodes in numbers(args.nodes):
        plan_of(nodes, 24, args.memory_mib, args.workers)
    peaks = [
        plan_of(NODES_OF_HOURS, hours, args.memory_mib, args.workers)
        for hours in numbers(args.hours)
    ]
    print(f"load {os.getloadavg()[0]:.1f} after")
    grew = bool(peaks) and max(peaks) > MOST_GROWTH * peaks[0]
    print(f"memory {'GREW' if grew else 'does not grow'} with hours")
    return 1 if grew else 0


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def plan_of(nodes: int, hours: int, memory_mib: float, workers: int) -> float:
    """Plans for so many nodes and prints what that cost; MiB of the largest process."""
    with tempfile.TemporaryDirectory(prefix="hintfleet-bench-") as folder:
        output = Path(folder) / "plan.json"
        wall, cpu, peak = measure(_command(nodes, hours, memory_mib, workers, output))
        plan = json.loads(output.read_text())
    counts = ", ".join(f"{answer['arm']} {answer['guests']}" for answer in plan["answers"])
    print(f"{nodes:>7} {hours:>6} {wall:>7.1f} {cpu:>7.1f} {peak:>9.0f}  {counts}", flush=True)
    return peak


def _command(nodes: int, hours: int, memory_mib: float, workers: int, output: Path) -> list[object]:
    command: list[object] = [sys.executable, "-m", "hintfleet.cli", "plan"]
    for mechanism in MECHANISMS:
        command += ["--mechanism", mechanism]
    command += ["--node", f"{memory_mib:g}x{nodes}", "--nodes", nodes, "--workers", workers]
    return [*command, "--hours", hours, "--format", "json", "--output", output]


if __name__ == "__main__":
    sys.exit(main())
