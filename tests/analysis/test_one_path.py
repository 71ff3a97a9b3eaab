# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of records and a store are two ways to the same report: every figure, doubt and word."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from hintfleet.records.observed import observe
from hintfleet.records.read import Study, load_study
from hintfleet.render import json_report
from hintfleet.report.build import build_report
from hintfleet.store.export import export
from hintfleet.store.observed import observe_store
from random_studies import SPOILS, random_study
from synthetic import EVERY_WORKLOAD, Builder

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "docs" / "examples").glob("*.tar.xz"))
STUDIES = 200
BATCHES = 10


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
    for topic in ("density", "memhog", "page_fault", "tile", "recorded"):
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
    "tiles_at_quality",
    "swap_end_mib",
    "seconds",
    "rate_per_second",
    "footprint_gib_min",
    "peak_mib",
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


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_a_real_study_is_the_same_both_ways(tmp_path: Path, example: Path) -> None:
    shutil.unpack_archive(example, tmp_path)
    (folder,) = (tmp_path / "results").iterdir()
    study = load_study(folder)
    for name, keep in (("with", True), ("without", False)):
        export(study, tmp_path / name, keep)
        assert_alike(*documents(study, tmp_path / name))


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
    builder.mechanisms, builder.workloads = ("none", "page_hinting"), EVERY_WORKLOAD
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
