# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of records and a store are two ways to the same report: every figure, doubt and word."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hintfleet.cli import main
from hintfleet.records.columns import COSTS, HELD
from hintfleet.records.damage import Damage
from hintfleet.records.document import checked
from hintfleet.records.observed import observe
from hintfleet.records.read import Run, Study, load_study
from hintfleet.render import json_report
from hintfleet.report.build import build_report
from hintfleet.store.export import export
from hintfleet.store.observed import observe_store
from synthetic import LAPTOP, MECHANISMS, WORKLOADS, Builder, Truth, planned_run

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "laptop-study.tar.xz"
STUDIES = 200
BATCHES = 10

Record = dict[str, Any]


def documents(study: Study, store: Path) -> tuple[Any, Any]:
    """The report for programs, from the records and from the store."""
    found = [
        json_report.document(build_report(one)) for one in (observe(study), observe_store(store))
    ]
    return same(found[0], study.folder), same(found[1], store)


def same(document: Any, source: Path) -> Any:
    """Without what must differ: where it was read, and in which order runs were."""
    text = json.dumps(document).replace(json.dumps(str(source))[1:-1], "SOURCE")
    document = json.loads(text)
    for topic in ("density", "memhog", "page_fault"):
        for result in document[topic].values():
            columns = [name for name, value in result.items() if name in PER_RUN and value]
            runs = sorted(zip(*(result[name] for name in columns), strict=True), key=str)
            for name, column in zip(columns, zip(*runs, strict=True), strict=True):
                result[name] = list(column)
            if "rows" in result:
                result["rows"].sort(key=str)
    for damage in document["unusable"]:
        damage["file"] = "/".join(Path(damage["file"]).parts[-2:])
    for name in ("missing", "unusable"):
        document[name].sort(key=str)
    return document


PER_RUN = (
    "cells",
    "blocks",
    "guests_without_swap",
    "guests_at_first_swap",
    "swap_end_mib",
    "seconds",
)


def assert_alike(one: Any, other: Any, where: str = "") -> None:
    """Equal, numbers up to the order in which they were added."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert list(one) == list(other), where
        for name in one:
            assert_alike(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), f"{where}: {one} {other}"
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_alike(left, right, f"{where}[{index}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12), f"{where}: {one} {other}"
    else:
        assert one == other, f"{where}: {one!r} {other!r}"


def test_the_real_study_is_the_same_both_ways(tmp_path: Path) -> None:
    shutil.unpack_archive(EXAMPLE, tmp_path)
    study = load_study(tmp_path / "results" / "laptop")
    for name, keep in (("with", True), ("without", False)):
        export(study, tmp_path / name, keep)
        assert_alike(*documents(study, tmp_path / name))


SPOILS: dict[str, Callable[[Record], Any]] = {
    "another node": lambda r: r["guests"][0].update(remote_share=0.5),
    "warnings": lambda r: r["guests"][0].update(warnings=["WARNING: CPU: 0"]),
    "another kernel": lambda r: r["guests"][0].update(kernel_release="6.1.0-other"),
    "a guest died": lambda r: r["guests"][0].update(end="died"),
    "a balance": lambda r: r["guests"][-1].update(
        balance={
            "footprint_mib": 99.0,
            "held_mib": dict.fromkeys(HELD, 9.0),
            "free_mib": 7.0,
            "reportable_mib": 5.0,
        }
    ),
    "handed back": lambda r: r["guests"][-1].update(
        handed=[
            {
                "step": "taken",
                "by": "balloon",
                "asked_mib": 90.0,
                "done_mib": 40.0,
                "seconds": 1.5,
                "missed": True,
            },
        ],
        costs=dict.fromkeys(COSTS, 3.0),
    ),
    "page cache": lambda r: (
        r["proof"]
        and r["proof"].update(
            first_seconds=1.0,
            again_seconds=1.5,
            cache={
                "read_mib": 64.0,
                "cached_mib": 60.0,
                "freed_mib": 50.0,
                "dropped_mib": 40.0,
                "watched_seconds": 3.0,
                "acted": True,
                "cold_seconds": 0.5,
                "again_seconds": 0.25,
            },
        )
    ),
    "cell pressure": lambda r: r.update(cell_pressure_seconds={"some": 2.0, "full": 1.0}),
    "another node, unseen": lambda r: [
        r["provenance"]["host"].update(nodes=[{}, {}]),
        *(guest.update(remote_share=None) for guest in r["guests"]),
    ],
    "told late": lambda r: (
        of(r, "memhog") and r["result"]["guests"][0].update(late_seconds=r["duration_seconds"])
    ),
    "footprint missed": lambda r: (
        of(r, "consolidation") and r["result"].update(active_footprint_mib=1.0)
    ),
    "load": lambda r: r["provenance"]["host"].update(load_1min_before=9.0),
    "no load": lambda r: r["provenance"]["host"].update(load_1min_before=None),
    "debug options": lambda r: r["provenance"]["guest_kernel"].update(debug_options=["KASAN"]),
    "no proof": lambda r: r.update(proof=None),
    "unexpected": lambda r: r["proof"] and r["proof"].update(as_expected=False),
    "parity": lambda r: r["parity"].update(swappiness=1),
    "more parity": lambda r: r["parity"].update(another="x" * 70 + " y"),
    "starved": lambda r: r.update(host_cpu_seconds={"user": 3.0, "system": 0.0}),
    "failed": lambda r: end(r, "failed", "it\x1b[1m broke"),
    "aborted": lambda r: end(r, "aborted", None),
    "DAMON": lambda r: r["provenance"]["host"].update(proactive_reclaim=True),
    "side by side": lambda r: r["cell"].update(side_by_side=True),
    "kvm": lambda r: r["provenance"]["qemu"].update(accelerator="kvm"),
    "launch failed": lambda r: stop(r, "launch_failed"),
    "maximum": lambda r: stop(r, "maximum"),
    "cpu bound": lambda r: stop(r, "cpu_bound"),
    "not ended": lambda r: (
        of(r, "memhog") and r["result"]["guests"][2].update(seconds=None, censored="died")
    ),
    "fewer guests": lambda r: of(r, "memhog") and r["result"]["guests"].pop(),
    "other tasks": lambda r: of(r, "page_fault") and r["result"]["rows"].pop(),
    "no samples": lambda r: r["files"].update(samples=None),
}
"""Everything that a doubt looks at, and what a figure must take for what it is."""


def of(record: Record, workload: str) -> bool:
    """Whether it has a result of a workload."""
    return record["workload"] == workload and record["result"] is not None


def end(record: Record, status: str, reason: str | None) -> None:
    record.update(outcome={"status": status, "reason": reason}, result=None)


def stop(record: Record, cause: str) -> None:
    if of(record, "consolidation"):
        record["result"]["stopped_by"] = cause


def random_study(root: Path, seed: int) -> Study:
    """A study of random size in which random runs were spoiled, missed, or tried twice."""
    random = np.random.default_rng([20261127, seed])
    builder = Builder(
        root,
        study=str(random.choice(["laptop", "7", "1e3", "null", "june.2"])),
        blocks=int(random.integers(1, 4)),
        cells=tuple(f"host{k // 2}-node{k % 2}" for k in range(random.choice([1, 1, 2, 3, 6]))),
        mechanisms=tuple(name for name in MECHANISMS if random.random() < 0.85) or ("none",),
        workloads=tuple(name for name in WORKLOADS if random.random() < 0.75) or ("memhog",),
        noise=float(random.choice([0.0, 0.01, 0.3])),
    )
    builder.truth = {
        name: Truth(
            max(truth.guests + int(random.integers(-2, 3)), 0),
            truth.third_memhog_seconds * float(random.uniform(0.5, 2.0)),
            *(
                getattr(truth, key)
                for key in ("memhog_swap_mib", "rate", "fault_ns", "seconds_to_90")
            ),
        )
        for name, truth in LAPTOP.items()
    }
    share = float(random.choice([0.0, 0.02, 0.15]))
    runs: list[Run] = []
    planned, damages, attempts = [], [], []
    for cell in builder.cells:
        for block in range(1, builder.blocks + 1):
            for order, mechanism in enumerate(builder.mechanisms, 1):
                for workload in builder.workloads:
                    record = builder.record(cell, block, order, mechanism, workload, random)
                    planned.append(planned_run(record))
                    for spoil in SPOILS.values():
                        if random.random() < share / 3:
                            spoil(record)
                    folder = builder.folder / "runs" / record["run_id"]
                    fate = random.random()
                    if fate < share / 4:
                        damages.append(
                            Damage(folder / "record.json", "JSON", "a document", "{\x1b")
                        )
                    elif fate > share / 2:
                        if record["files"]["samples"] and random.random() < 0.2:
                            builder.put(record)
                            if random.random() < 0.1:
                                (folder / "samples.csv").write_text("seconds\n")
                        else:
                            record["files"]["samples"] = None
                        runs.append(Run(checked(folder / "record.json", record), folder))
                    if random.random() < share / 4:
                        attempts += runs[-1:]
    return Study(
        builder.study,
        builder.folder,
        tuple(sorted(runs, key=lambda r: (r.cell, r.block, r.record["order"], r.workload))),
        tuple(damages),
        tuple(planned) if random.random() < 0.8 else None,  # type: ignore[arg-type]
        tuple(attempts),
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_studies_are_the_same_both_ways(tmp_path: Path, batch: int) -> None:
    for seed in range(batch, STUDIES, BATCHES):
        study = random_study(tmp_path / f"results{seed}", seed)
        if not study.runs:
            continue
        store = tmp_path / f"store{seed}"
        export(study, store, bool(seed % 2))
        assert_alike(*documents(study, store), f"study {seed}")


@pytest.mark.parametrize("name", SPOILS)
def test_a_doubt_about_any_run_is_the_same_both_ways(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """With the commands, as somebody would: verdicts and exit codes too."""
    builder.mechanisms = ("none", "page_hinting")
    folder = builder.write()
    for file in folder.glob("runs/*.b2.page_hinting.*/record.json"):
        record = json.loads(file.read_text())
        SPOILS[name](record)
        file.write_text(json.dumps(record))
    store = tmp_path / "store"
    assert main(["export", str(folder), "--output", str(store)]) == 0
    capsys.readouterr()
    found = []
    for source in (folder, store):
        code = main(["report", str(source), "--format", "json"])
        found.append((code, same(json.loads(capsys.readouterr().out), source)))
    assert found[0][0] == found[1][0]
    assert_alike(found[0][1], found[1][1])
