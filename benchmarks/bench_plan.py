# SPDX-License-Identifier: GPL-2.0-or-later
"""What planning a fleet costs: a day of demand on up to 100,000 simulated hosts.

The footprints are those of the seed's setting (guests of 5 GiB on nodes of 15 GiB, 4 GiB
touched), stated here by hand; the demand is the default one, ten minutes of use an hour. The plan
is made by the command as a user would call it.
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="1000,10000,100000", help="sizes, joined by commas")
    parser.add_argument("--memory-mib", type=float, default=15360.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, {args.workers} workers, load {os.getloadavg()[0]:.1f} before")
    print(f"{'hosts':>7} {'wall s':>7} {'CPU s':>7} {'peak MiB':>9}  guests a node")
    for hosts in (int(text) for text in args.hosts.split(",")):
        with tempfile.TemporaryDirectory(prefix="hintfleet-bench-") as folder:
            output = Path(folder) / "plan.json"
            wall, cpu, peak = measure(_command(hosts, args.memory_mib, args.workers, output))
            plan = json.loads(output.read_text())
        counts = ", ".join(f"{a['mechanism']} {a['guests']}" for a in plan["answers"])
        print(f"{hosts:>7} {wall:>7.1f} {cpu:>7.1f} {peak:>9.0f}  {counts}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f} after")
    return 0


def _command(hosts: int, memory_mib: float, workers: int, output: Path) -> list[object]:
    command: list[object] = [sys.executable, "-m", "hintfleet.cli", "plan"]
    for mechanism in MECHANISMS:
        command += ["--mechanism", mechanism]
    command += ["--node", f"{memory_mib:g}x{hosts}", "--nodes", hosts, "--workers", workers]
    return [*command, "--format", "json", "--output", output]


if __name__ == "__main__":
    sys.exit(main())
