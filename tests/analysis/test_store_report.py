# SPDX-License-Identifier: GPL-2.0-or-later
"""The report on a store of many runs and studies; the SQL of docs/scale.md."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from hintfleet import cli
from hintfleet.figures.figure import Verdict
from hintfleet.records.read import UnusableError
from hintfleet.records.text import are_harmless, harmless
from hintfleet.report.build import Report, build_report
from hintfleet.store.observed import coded_texts, observe_store
from synthetic import LAPTOP, Builder

RUNS = 12
ROOT = Path(__file__).parents[2]

TRUTHS = {
    "none": LAPTOP["none"],
    "page_hinting": dataclasses.replace(LAPTOP["page_hinting"], guests=6),
}


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fleet", ROOT / "benchmarks" / "fleet.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["fleet"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fleet(builder: Builder) -> Builder:
    """Six cells, two blocks, two mechanisms: RUNS of each mechanism and workload."""
    builder.cells = tuple(f"host{k}-node0" for k in range(6))
    builder.blocks = 2
    builder.mechanisms = tuple(TRUTHS)
    builder.truth = dict(TRUTHS)
    builder.noise = 0.03
    return builder


def stored(results: Path) -> Path:
    target = results.parent / "store"
    assert cli.main(["export", str(results), "--output", str(target), "--without-samples"]) == 0
    return target


def report_of(root: Path, study: str | None = None) -> Report:
    return build_report(observe_store(root, study))


Change = Callable[[dict[str, Any]], Any]


def spoil(results: Path, pattern: str, change: Change) -> None:
    for file in results.glob(f"runs/{pattern}/record.json"):
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))


@pytest.fixture
def large(fleet: Builder) -> Builder:
    """So many cells that one run is few: 42 runs of each mechanism."""
    fleet.cells = tuple(f"host{k}-node0" for k in range(21))
    fleet.workloads = ("consolidation",)
    return fleet


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda r: r.update(proof=None), "nobody saw whether freed memory went back"),
        (lambda r: r["guests"][0].update(remote_share=0.2), "memory lay on another node"),
        (lambda r: r["parity"].update(swappiness=1), "arms of a block differ in swappiness"),
    ],
)
def test_few_runs_that_may_not_be_believed_are_left_out_and_named(
    large: Builder, change: Change, cause: str
) -> None:
    results = large.write()
    spoil(results, "host1-node0.b2.page_hinting.consolidation", change)
    report = report_of(stored(results))
    (one,) = report.set_aside
    assert cause in one.reason and one.left_out
    assert any(note.startswith("Left out: ") and cause in note for note in report.notes)
    assert report.density["page_hinting"].figures["guests_without_swap"].n == 41
    assert report.density["page_hinting"].figures["more_guests_than_none"].n == 41
    # A disparity says nothing about which of the two is the odd one.
    base = 41 if "differ" in cause else 42
    assert report.density["none"].figures["guests_without_swap"].n == base
    assert not [o for o in report.objections if o.verdict is Verdict.NOT_TO_BE_TRUSTED]


def test_few_runs_in_doubt_are_counted_and_named(large: Builder) -> None:
    results = large.write()
    pattern = "host1-node0.b2.page_hinting.consolidation"
    spoil(results, pattern, lambda r: r["result"].update(stopped_by="maximum"))
    report = report_of(stored(results))
    (one,) = report.set_aside
    assert "stopped at its maximum" in one.reason and not one.left_out
    assert report.density["page_hinting"].figures["guests_without_swap"].n == 42
    assert not any("maximum" in o.reason for o in report.objections)


def test_more_than_few_fall_on_all(large: Builder) -> None:
    results = large.write()
    pattern = "host1[0-4]-node0.b2.page_hinting.consolidation"
    spoil(results, pattern, lambda r: r["guests"][0].update(remote_share=0.2))
    report = report_of(stored(results))
    (doubt,) = [o for o in report.objections if "another node" in o.reason]
    assert doubt.about == "page_hinting, consolidation (5 of 42 runs)"
    assert report.verdict is Verdict.NOT_TO_BE_TRUSTED
    assert report.density["page_hinting"].figures["guests_without_swap"].n == 42


def test_runs_that_were_planned_and_are_not_there_are_a_doubt(fleet: Builder) -> None:
    results = fleet.write()
    for folder in results.glob("runs/host1-*"):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    (results / "missing").mkdir()
    (results / "missing" / "host1-node0.b1.none.memhog.txt").write_text("the disk is full")
    report = report_of(stored(results))
    assert any(
        o.reason.startswith("12 of 72 planned runs gave no result") for o in report.objections
    )
    found = {one.run_id: (one.status, one.reason) for one in report.missing}
    assert len(found) == 12
    assert found["host1-node0.b1.none.memhog"] == ("not run", "the disk is full")
    assert found["host1-node0.b2.none.memhog"][1] == "start the study again to run it"


def test_an_export_after_more_runs_knows_what_is_no_longer_missing(fleet: Builder) -> None:
    results = fleet.write()
    for file in results.glob("runs/host1-*/record.json"):
        file.rename(file.with_name("away"))
    assert len(report_of(stored(results)).missing) == 12
    for file in results.glob("runs/host1-*/away"):
        file.rename(file.with_name("record.json"))
    assert report_of(stored(results)).missing == ()


def test_an_older_store_says_what_it_lacks(fleet: Builder) -> None:
    import pyarrow.parquet as pq

    target = stored(fleet.write())
    for part in (target / "studies").rglob("*.parquet"):
        part.unlink()
    (target / "studies" / "study=laptop").rmdir()
    (target / "studies").rmdir()
    for part in (target / "runs").rglob("*.parquet"):
        table = pq.read_table(part, partitioning=None)
        pq.write_table(table.drop_columns(["remote_share", "parity", "facts", "timeline"]), part)
    report = report_of(target)
    said = [o.reason for o in report.objections]
    for words in ("memory lay on another node", "which settings differ", "what was planned"):
        assert any(words in reason for reason in said)
    assert report.verdict is Verdict.UNSETTLED
    assert report.density["page_hinting"].figures["more_guests_than_none"].estimate == 4.0


def test_an_older_store_still_knows_whether_settings_differ(fleet: Builder) -> None:
    import pyarrow.parquet as pq

    results = fleet.write()
    spoil(results, "*page_hinting*", lambda r: r["parity"].update(swappiness=1))
    target = stored(results)
    for part in (target / "runs").rglob("*.parquet"):
        pq.write_table(pq.read_table(part, partitioning=None).drop_columns(["parity"]), part)
    report = report_of(target)
    assert any("arms differ in settings: " in o.reason for o in report.objections)
    assert report.verdict is Verdict.NOT_TO_BE_TRUSTED


def test_without_a_baseline_nothing_is_called_a_gain(fleet: Builder) -> None:
    fleet.mechanisms = ("page_hinting",)
    report = report_of(stored(fleet.write()))
    assert "more_guests_than_none" not in report.density["page_hinting"].figures
    assert report.verdict is Verdict.UNSETTLED


@pytest.mark.parametrize("workload", ["consolidation", "memhog", "page_fault", "tile"])
def test_a_store_of_one_workload_has_the_figures_of_that(fleet: Builder, workload: str) -> None:
    fleet.workloads = (workload,)
    report = report_of(stored(fleet.write()))
    found = {
        "consolidation": report.density,
        "memhog": report.memhog,
        "page_fault": report.page_fault,
        "tile": report.tile,
    }
    assert {name for name, groups in found.items() if groups} == {workload}


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="holds no runs"):
        observe_store(tmp_path)


@pytest.mark.parametrize("form", ["terminal", "json", "html", "markdown"])
def test_a_store_is_reported_in_every_format(
    fleet: Builder, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    target = stored(fleet.write())
    capsys.readouterr()
    assert cli.main(["report", str(target), "--width", "100", "--ascii", "--format", form]) == 0
    words = " ".join(capsys.readouterr().out.replace("|", " ").split())
    assert "6 guests fit a node without swapping instead of 2" in words


def test_a_generated_fleet_reports_its_truth(tmp_path: Path) -> None:
    generator = load_generator()
    assert generator.write_fleet(tmp_path, hosts=300) == 300 * 9
    report = report_of(tmp_path)
    assert (len(report.study.hosts), len(report.study.cells)) == (300, 300)
    assert report.study.planned == 2700
    for name in ("page_hinting", "free_page_reporting"):
        truth, none = generator.TRUTHS[name], generator.TRUTHS["none"]
        for figure, expected in (
            (report.page_fault[name].figures["processes_vs_none"], truth.rate / none.rate),
            (
                report.memhog[name].figures["last_guest_vs_none"],
                truth.third_memhog_seconds / none.third_memhog_seconds,
            ),
        ):
            assert figure.interval is not None
            reach = figure.interval.high - figure.interval.low
            assert abs(expected - (figure.estimate or 0.0)) < reach
        more = report.density[name].figures["more_guests_than_none"].estimate
        assert more == pytest.approx(4.0, abs=0.1)


def two_studies(folder: Path, names: tuple[str, str] = ("before", "after")) -> Path:
    """A store of two studies of one cell, with gains of 6 and of 2."""
    for study, guests in zip(names, (8, 4), strict=True):
        builder = Builder(folder, study=study, mechanisms=tuple(TRUTHS), blocks=5)
        builder.truth = {
            "none": dataclasses.replace(LAPTOP["none"], guests=2),
            "page_hinting": dataclasses.replace(LAPTOP["page_hinting"], guests=guests),
        }
        stored(builder.write())
    return folder / "store"


@pytest.mark.parametrize("names", [("before", "after"), ("1", "01"), ("1e3", "1000")])
def test_two_studies_of_a_cell_are_two_studies(tmp_path: Path, names: tuple[str, str]) -> None:
    target = two_studies(tmp_path, names)
    both = report_of(target)
    gain = both.density["page_hinting"].figures["more_guests_than_none"]
    assert (gain.n, gain.low, gain.high) == (10, 2.0, 6.0)
    assert both.verdict is Verdict.UNSETTLED and both.study.studies == tuple(sorted(names))
    assert any("measured the same cells (local-node0)" in o.reason for o in both.objections)
    for name, more in zip(names, (6.0, 2.0), strict=True):
        one = report_of(target, name)
        gain = one.density["page_hinting"].figures["more_guests_than_none"]
        assert (gain.n, gain.low, gain.high, one.study.name) == (5, more, more, name)
        assert not any("same cells" in o.reason for o in one.objections)


def test_two_studies_with_other_kernels_are_each_at_parity(tmp_path: Path) -> None:
    for study in ("before", "after"):
        builder = Builder(tmp_path, study=study, mechanisms=tuple(TRUTHS))
        spoil(builder.write(), "*", lambda r, study=study: r["parity"].update(kernel=study))
        target = stored(builder.folder)
    report = report_of(target)
    assert report.disparities == () and report.set_aside == ()
    assert report.study.finished == 36


def test_two_studies_of_a_store_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = two_studies(tmp_path)
    capsys.readouterr()

    def compared(*words: str) -> Any:
        assert cli.main(["compare", *words, "--format", "json"]) in (0, 2)
        return json.loads(capsys.readouterr().out)

    folders = compared(str(tmp_path / "before"), str(tmp_path / "after"))
    assert folders["first"] == "before" and folders["arms"]
    of_store = compared(str(target), "--study", "before", "--study", "after")
    assert of_store == folders
    of_both = compared(str(target), str(target), "--study", "before", "--study", "after")
    assert of_both == folders
    for words in ([], ["--study", "before"], ["--study", "none-such", "--study", "after"]):
        assert cli.main(["compare", str(target), *words]) == 1
    assert cli.main(["report", str(target), "--study", "none-such"]) == 1
    assert "it has after, before" in capsys.readouterr().err


def test_text_of_a_store_reaches_no_terminal_as_anything_else(
    fleet: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store may be somebody else's, written by another program than export."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = stored(fleet.write())
    bad = "x\x1b]0;owned\x07\u202e password=hunter2\n# y"
    texts = ("host", "cell", "reason", "stopped_by", "other_kernel", "debug_options")
    for part in (target / "runs").rglob("*.parquet"):
        table = pq.read_table(part, partitioning=None)
        for name in texts:
            column = pa.array([bad] * table.num_rows)
            table = table.set_column(table.schema.get_field_index(name), name, column)
        facts = pa.array([json.dumps({f"host {bad}": bad})] * table.num_rows)
        table = table.set_column(table.schema.get_field_index("facts"), "facts", facts)
        load = pa.array([float("inf")] * table.num_rows)
        index = table.schema.get_field_index("load_per_cpu_before")
        pq.write_table(table.set_column(index, "load_per_cpu_before", load), part)
    capsys.readouterr()
    for form in ("terminal", "markdown", "json"):
        assert cli.main(["report", str(target), "--detail", "--format", form]) in (0, 2)
        said = capsys.readouterr()
        assert "\x1b]" not in said.out and "\\u001b" not in said.out
        assert "hunter2" not in said.out + said.err
    assert "load_per_cpu_before" in said.out, "numbers that are none are named"


@pytest.mark.parametrize("text", ["k\x1b", "a\tb", "\u202ek", "\ud800", "key=1", "mode=1"])
def test_texts_are_made_out_at_once_only_if_none_is_changed(text: str) -> None:
    assert are_harmless(["none", "host-1", "\u00e9 \u4e2d"])
    assert not are_harmless(["none", text, "host-1"])
    assert are_harmless([harmless(text)]) == ("=" not in text)


def test_names_that_differ_in_what_is_taken_out_are_one() -> None:
    told = coded_texts(pa.chunked_array([["h\x1b", None, "k"], ["h\x1a", "k"]], pa.string()))
    assert list(told) == ["h\ufffd", None, "k", "h\ufffd", "k"]
    assert told.codes[0] == told.codes[3] and told.codes[2] == told.codes[4]
