# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a study of any size as folders: the runs of the real study in docs/examples, again and
again under names of hosts and nodes that do not exist."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

PACKED = Path(__file__).parents[1] / "docs" / "examples" / "laptop-study.tar.xz"


def write_folders(root: Path, hosts: int, nodes: int = 2, samples: bool = True) -> int:
    """A study of hosts x nodes cells with the blocks, mechanisms and workloads of the real one;
    returns how many runs."""
    with tempfile.TemporaryDirectory() as unpacked:
        shutil.unpack_archive(PACKED, unpacked)
        real = [
            (json.loads(file.read_text()), (file.parent / "samples.csv").read_bytes())
            for file in sorted(Path(unpacked).glob("results/*/runs/*/record.json"))
        ]
    planned = []
    for host in range(hosts):
        for node in range(nodes):
            for record, curve in real:
                run = _moved(record, f"host{host:06d}", node, samples)
                keys = ("run_id", "block", "order", "mechanism", "workload")
                planned.append({"cell": run["cell"]["name"], **{key: run[key] for key in keys}})
                folder = root / "runs" / run["run_id"]
                folder.mkdir(parents=True)
                (folder / "record.json").write_text(json.dumps(run))
                if samples:
                    (folder / "samples.csv").write_bytes(curve)
    plan = {"schema": "hintfleet.study/1", "study": real[0][0]["study"], "runs": planned}
    (root / "study.json").write_text(json.dumps(plan))
    return len(planned)


def _moved(record: dict, host: str, node: int, samples: bool) -> dict:  # type: ignore[type-arg]
    """The record of a run as one of another cell."""
    cell = f"{host}-node{node}"
    return record | {
        "run_id": f"{cell}.b{record['block']}.{record['mechanism']}.{record['workload']}",
        "cell": record["cell"] | {"name": cell, "host": host, "node": node},
        "files": record["files"] | {"samples": "samples.csv" if samples else None},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a study of any size as folders.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--without-samples", action="store_true")
    args = parser.parse_args()
    runs = write_folders(args.folder, args.hosts, samples=not args.without_samples)
    print(f"{runs} runs of {args.hosts} hosts in {args.folder}")


if __name__ == "__main__":
    main()
