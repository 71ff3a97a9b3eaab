# SPDX-License-Identifier: GPL-2.0-or-later
"""--share: every figure and doubt of the study, and nothing that one would not publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.records.share import Sharing, is_shared
from hintfleet.render import json_report
from hintfleet.report.build import build_report
from hintfleet.store import parquet as store
from hintfleet.store.rows import Store, run_ids
from synthetic import Builder

MARK = "zzprivate"
PRIVATE = {
    "outcome.reason": f"guest1 on {MARK} said 52:54:00:12:34:56",
    "guests.0.command_line": ["qemu-system-x86_64", "-name", MARK],
    "guests.0.kernel_command_line": f"root={MARK}",
    "guests.0.warnings": [f"WARNING: {MARK}"],
    "guests.0.anything": MARK,
    "provenance.host.kernel_command_line": f"ip={MARK}",
    "provenance.host.swap_devices": [{"name": f"/dev/disk/by-id/{MARK}", "size_mib": 5}],
    "provenance.host.serial": MARK,
    "provenance.guest_kernel.inputs": {"KBUILD_BUILD_HOST": MARK},
    "provenance.guest_image.builder": MARK,
    "parity.host_kernel_command_line": f"ip={MARK}",
    "parity.qemu_arguments": f"-kernel /srv/{MARK}",
    "parity.host_swap_devices": f"/dev/{MARK} 5 MiB",
    "parameters.kernel_arguments": MARK,
    "partial": {"reason": MARK},
    "files.host_log": f"{MARK}.log",
    "files.consoles": [f"console-{MARK}.log"],
    "anything": {"else": MARK},
}


def put(record: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split(".")
    node: Any = record
    for key in above:
        node = node[int(key)] if key.isdigit() else node[key]
    node[last] = value


@pytest.fixture
def private(builder: Builder) -> Path:
    """A study of two hosts in which everything that may be private is, a run failed, a record and
    samples are damaged, and a run was tried twice."""
    builder.cells = (f"{MARK}1-node0", f"{MARK}1-node1", f"{MARK}2-node0")
    builder.blocks = 2
    builder.write()
    for file in builder.folder.glob("runs/*/record.json"):
        record = json.loads(file.read_text())
        for path, value in PRIVATE.items():
            if path != "outcome.reason":
                put(record, path, value)
        file.write_text(json.dumps(record))
        (file.parent / f"{MARK}.log").write_text(MARK)
    runs = builder.folder / "runs"
    failed = runs / f"{MARK}2-node0.b1.none.memhog"
    record = json.loads((failed / "record.json").read_text())
    record.update(outcome={"status": "failed", "reason": PRIVATE["outcome.reason"]}, result=None)
    (failed / "record.json").write_text(json.dumps(record))
    failed.with_name(f"{failed.name}.1").mkdir()
    (failed.with_name(f"{failed.name}.1") / "record.json").write_text(json.dumps(record))
    (runs / f"{MARK}1-node1.b1.none.memhog" / "record.json").write_text("{")
    (runs / f"{MARK}1-node1.b2.none.memhog" / "samples.csv").write_text(MARK)
    (runs / MARK).mkdir()
    (runs / MARK / "record.json").write_text(f'{{"schema": "{MARK}"}}')
    return builder.folder


@pytest.mark.parametrize("form", ["terminal", "json", "html", "markdown"])
def test_a_shared_report_tells_nothing_private(
    private: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    detail = ["--detail", "--width", "200"] if form == "terminal" else []
    assert main(["report", str(private), "--share", "--format", form, *detail]) in (0, 2)
    captured = capsys.readouterr()
    assert MARK not in captured.out + captured.err and str(private) not in captured.out
    assert "host1-cell1" in captured.out and "host2-cell1" in captured.out


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_shared_export_tells_nothing_private(
    private: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    target = tmp_path / "tables"
    words = ["export", str(private), "--share", "--format", form, "--output", str(target)]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert MARK not in captured.out.replace(str(target), "") + captured.err
    if form == "csv":
        texts = [file.read_text() for file in target.glob("*.csv")]
    else:
        texts = [json.dumps(record) for record in Store(target).records()]
        texts += [str(row) for row in Store(target).runs.each(store.runs_schema().names)]
        assert all(is_shared(name) for name in run_ids(target, "laptop"))
    assert texts and MARK not in "".join(texts)
    assert MARK not in "".join(str(path) for path in target.rglob("*"))


def test_figures_and_doubts_are_the_same(private: Path) -> None:
    study = load_study(private)
    own = json_report.document(build_report(observe(study)))
    told = json_report.document(build_report(observe(Sharing(study).study)))
    for topic in ("answer", "verdict", "memory", "against_each_other", "unbeaten"):
        assert own[topic] == told[topic]
    for topic in ("density", "memhog", "page_fault"):
        for name, result in own[topic].items():
            assert result["figures"] == told[topic][name]["figures"]
    assert [w["verdict"] for w in own["warnings"]] == [w["verdict"] for w in told["warnings"]]
    assert [m["status"] for m in own["missing"]] == [m["status"] for m in told["missing"]]
    assert own["parity"]["agrees"] == told["parity"]["agrees"]
    assert len(own["unusable"]) == len(told["unusable"])


def test_what_differs_between_mechanisms_is_still_seen(private: Path) -> None:
    file = next(private.glob("runs/*1-node0.b1.page_hinting.memhog/record.json"))
    record = json.loads(file.read_text())
    record["parity"]["qemu_arguments"] = f"another {MARK}"
    file.write_text(json.dumps(record))
    study = load_study(private)
    report = build_report(observe(Sharing(study).study))
    (disparity,) = report.disparities
    assert disparity.name == "qemu_arguments" and MARK not in str(disparity)
    assert len(set(disparity.values.values())) == 2


def test_names_are_stable_when_runs_are_added(private: Path) -> None:
    def names() -> dict[str, str]:
        study = load_study(private)
        return {
            run.folder.name: new.run_id
            for run, new in zip(study.runs, Sharing(study).study.runs, strict=True)
        }

    whole = names()
    for folder in (private / "runs").glob(f"{MARK}1-node0.*"):
        (folder / "record.json").unlink()
    assert names().items() < whole.items()


def test_a_run_never_has_two_names_in_one_store(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.blocks = 1
    folder = builder.write()
    target = tmp_path / "store"
    words = ["export", str(folder), "--output", str(target)]
    assert main([*words, "--share"]) == 0 and main([*words, "--share"]) == 0
    assert main(words) == 1
    assert "every run would count twice" in capsys.readouterr().err
    assert main(["report", str(target), "--share"]) == 1
    assert "hintfleet export --share" in capsys.readouterr().err
