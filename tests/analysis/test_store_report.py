# SPDX-License-Identifier: GPL-2.0-or-later
"""The report on a store: the figures of a study's report, on columns; the SQL of docs/scale.md."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hintfleet import cli
from hintfleet.figures.figure import Verdict
from hintfleet.records.observed import observe
from hintfleet.records.read import UnusableError, load_study
from hintfleet.report.build import Results, results_of
from hintfleet.store.arrays import absolute
from hintfleet.store.report import FleetReport, fleet_report, merged_latency
from synthetic import LAPTOP, Builder, Truth

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


def both(results: Path) -> tuple[Results, FleetReport]:
    observed = observe(load_study(results))
    figures = results_of(observed.workloads, observed.histograms)
    return figures, fleet_report(stored(results))


def test_figures_are_those_of_the_report_on_the_study(fleet: Builder) -> None:
    study, columns = both(fleet.write())
    density = study.density["page_hinting"].figures
    memhog = study.memhog["page_hinting"].figures
    fault = study.page_fault["page_hinting"].figures
    for topic, figures, names in (
        (
            "density",
            density,
            ("guests_without_swap", "more_guests_than_none", "idle_footprint_mib",
             "reliable_guests", "host_cpu_seconds_per_guest"),
        ),
        ("memhog", memhog, ("guest1_seconds", "guest3_seconds", "swap_end_mib")),
        ("page_fault", fault, ("processes_vs_none", "threads_vs_none", "fault_p99_ns_vs_none")),
    ):  # fmt: skip
        for name in names:
            mine, theirs = columns.figures[topic]["page_hinting"][name], figures[name]
            assert mine.n == theirs.n, name
            # A study's report takes a run's percentile from its histogram, to within a bin.
            close = 0.01 if name.startswith("fault") else 0.002
            if theirs.estimate is None:
                assert mine.estimate is None, name
            elif theirs.unit in ("ratio", "guests"):
                assert mine.estimate == pytest.approx(theirs.estimate, rel=close), name
            assert (mine.interval is None) == (theirs.interval is None), name
            if mine.interval and theirs.interval:
                assert mine.interval.low == pytest.approx(theirs.interval.low, rel=close), name
                assert mine.interval.high == pytest.approx(theirs.interval.high, rel=close), name
    for mode in ("processes", "threads"):
        curve = study.page_fault["page_hinting"].curves[mode]
        assert columns.curves["page_hinting"][mode].keys() == curve.keys()
        for tasks, figure in curve.items():
            mine = columns.curves["page_hinting"][mode][tasks]
            assert mine.estimate == pytest.approx(figure.estimate)


def test_fits_are_counted_alike(fleet: Builder) -> None:
    study, columns = both(fleet.write())
    for name, density in study.density.items():
        assert columns.fits[name] == density.fits


def test_faults_of_all_runs_are_merged_into_one_histogram(fleet: Builder) -> None:
    study, columns = both(fleet.write())
    for name, result in study.page_fault.items():
        for quantile in ("fault_p50_ns", "fault_p99_ns", "fault_p999_ns"):
            merged = columns.figures["page_fault"][name][f"{quantile}_merged"]
            assert merged.estimate == pytest.approx(result.figures[quantile].estimate)


Change = Callable[[dict[str, Any]], None]


def spoil(results: Path, pattern: str, change: Change) -> None:
    for file in results.glob(f"runs/{pattern}/record.json"):
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("change", "cause", "runs"),
    [
        (
            lambda r: r.update(outcome={"status": "failed", "reason": "x"}, result=None),
            "the run did not finish",
            1,
        ),
        (lambda r: r.update(proof=None), "no proof that the mechanism acted", 1),
        (lambda r: r["proof"].update(as_expected=False), "did not act as its name says", 1),
        (
            lambda r: r["provenance"]["guest_kernel"].update(debug_options=["KASAN"]),
            "the guest kernel has debug options",
            1,
        ),
        (lambda r: r["result"].update(stopped_by="cpu_bound"), "the processors were the limit", 1),
        (lambda r: r["parity"].update(swappiness=1), "not at parity", 1),
    ],
)
def test_runs_that_may_not_be_believed_are_left_out_and_counted(
    fleet: Builder, change: Change, cause: str, runs: int
) -> None:
    results = fleet.write()
    spoil(results, "host1-node0.b2.page_hinting.consolidation", change)
    report = fleet_report(stored(results))
    mine = [one for one in report.left_out if one.mechanism == "page_hinting"]
    assert [one.runs for one in mine] == [runs] and cause in mine[0].cause
    assert report.figures["density"]["page_hinting"]["guests_without_swap"].n == RUNS - 1
    assert report.figures["density"]["page_hinting"]["more_guests_than_none"].n == RUNS - 1
    # A disparity says nothing about which of the two is the odd one.
    base = RUNS - 1 if cause == "not at parity" else RUNS
    assert report.figures["density"]["none"]["guests_without_swap"].n == base


def test_few_guests_that_did_not_end_leave_the_median_and_many_do_not(fleet: Builder) -> None:
    results = fleet.write()

    def die(record: dict[str, Any]) -> None:
        record["result"]["guests"][2].update(seconds=None, censored="died")

    spoil(results, "host1-node0.b2.none.memhog", die)
    some = fleet_report(stored(results)).figures["memhog"]["none"]["guest3_seconds"]
    assert (some.n, some.censored, some.verdict) == (RUNS, 1, Verdict.UNSETTLED)
    seconds, cell = np.append(np.full(38, 9.0), [np.inf, np.inf]), np.arange(40)
    few = absolute(seconds, cell, "s")
    assert few is not None
    assert (few.n, few.censored, few.estimate, few.verdict) == (40, 2, 9.0, Verdict.SOUND)


def test_when_most_runs_are_left_out_the_rest_is_not_to_be_trusted(fleet: Builder) -> None:
    results = fleet.write()
    spoil(results, "*", lambda r: r["proof"].update(as_expected=False))
    report = fleet_report(stored(results))
    assert report.verdict is Verdict.NOT_TO_BE_TRUSTED
    assert "72 of 72 runs are left out" in report.doubts[0].reason


def test_a_cell_that_differs_is_named(fleet: Builder) -> None:
    results = fleet.write()
    spoil(
        results,
        "host5-node0.b*.page_hinting.consolidation",
        lambda r: r["result"].update(guests_without_swap=3),
    )
    report = fleet_report(stored(results))
    assert report.cells_that_stand_out == {"none": (), "page_hinting": ("host5-node0",)}


def test_without_a_baseline_nothing_is_called_a_gain(fleet: Builder) -> None:
    fleet.mechanisms = ("page_hinting",)
    report = fleet_report(stored(fleet.write()))
    assert "more_guests_than_none" not in report.figures["density"]["page_hinting"]
    assert report.verdict is Verdict.UNSETTLED


@pytest.mark.parametrize("workload", ["consolidation", "memhog", "page_fault"])
def test_a_store_of_one_workload_has_the_figures_of_that(fleet: Builder, workload: str) -> None:
    fleet.workloads = (workload,)
    report = fleet_report(stored(fleet.write()))
    topic = {"consolidation": "density"}.get(workload, workload)
    assert {name for name, groups in report.figures.items() if groups} == {topic}


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="holds no runs as Parquet"):
        fleet_report(tmp_path)


def test_the_command_reports_on_a_store(fleet: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    target = stored(fleet.write())
    capsys.readouterr()
    assert cli.main(["report", str(target), "--width", "100", "--detail", "--ascii"]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    words = " ".join(text.replace("|", " ").split())
    assert "Turn page_hinting on: 6 guests fit a node without swapping instead of 2." in words
    assert "4 more in each of 12 pairs" in words
    assert cli.main(["report", str(target), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hintfleet.fleet_report/1"
    assert document["figures"]["density"]["page_hinting"]["more_guests_than_none"]["estimate"] == 4
    assert cli.main(["report", str(target), "--format", "html"]) == 1


def test_a_generated_fleet_reports_its_truth(tmp_path: Path) -> None:
    generator = load_generator()
    assert generator.write_fleet(tmp_path, hosts=1200) == 1200 * 9
    report = fleet_report(tmp_path)
    assert (report.hosts, report.cells, report.runs) == (1200, 1200, 10_800)
    for name in ("page_hinting", "free_page_reporting"):
        truth, none = generator.TRUTHS[name], generator.TRUTHS["none"]
        rate = report.figures["page_fault"][name]["processes_vs_none"]
        last = report.figures["memhog"][name]["last_guest_vs_none"]
        for figure, expected in (
            (rate, truth.rate / none.rate),
            (last, truth.third_memhog_seconds / none.third_memhog_seconds),
        ):
            assert figure.interval is not None
            reach = figure.interval.high - figure.interval.low
            assert figure.interval.method.startswith("Student t over")
            assert abs(expected - (figure.estimate or 0.0)) < reach
        more = report.figures["density"][name]["more_guests_than_none"].estimate
        assert more == pytest.approx(4.0, abs=0.05)
    assert sum(one.runs for one in report.left_out) < 10_800 * 0.02


def statements() -> dict[str, str]:
    """The SQL of docs/scale.md by the name in its first line."""
    text = (ROOT / "docs" / "scale.md").read_text()
    found = re.findall(r"```sql\n-- (\w+)\n(.*?)```", text, re.DOTALL)
    return dict(found)


def test_the_sql_of_the_documentation_gives_the_numbers_of_the_report(fleet: Builder) -> None:
    import duckdb

    fleet.truth = {**TRUTHS, "page_hinting": Truth(6, 1.2, 0.0, 98_000.0, 990.0, 0.6)}
    results = fleet.write()
    spoil(
        results,
        "host2-node0.b1.page_hinting.consolidation",
        lambda r: r["proof"].update(as_expected=False),
    )
    target = results.parent / "full"
    cli.main(["export", str(results), "--output", str(target)])
    report = fleet_report(target)
    sql = statements()
    assert set(sql) == {"density", "gain", "memhog", "faults", "swap"}

    def run(name: str) -> list[tuple[Any, ...]]:
        query = sql[name].replace("'store/", f"'{target}/")
        return list(duckdb.sql(query).fetchall())

    for mechanism, runs, guests, idle, seconds in run("density"):
        figures = report.figures["density"][mechanism]
        assert runs == figures["guests_without_swap"].n
        assert guests == figures["guests_without_swap"].estimate
        assert idle == pytest.approx(figures["idle_footprint_mib"].estimate, rel=0.01)
        if seconds is not None:
            assert seconds == figures["seconds_to_return_90"].estimate
    [(mechanism, cells, more, error)] = run("gain")
    effect = report.figures["density"]["page_hinting"]["more_guests_than_none"]
    assert (mechanism, cells) == ("page_hinting", 6)
    assert more == pytest.approx(effect.estimate)
    assert error >= 0.0
    memhog = {(name, guest): (seconds, died) for name, guest, seconds, died in run("memhog")}
    assert len(memhog) == 6
    for (name, guest), (seconds, died) in memhog.items():
        figure = report.figures["memhog"][name][f"guest{guest}_seconds"]
        assert seconds == pytest.approx(figure.estimate, rel=0.02)
        assert died == figure.censored == 0
    histograms = merged_latency(target)
    for name, low, high in run("faults"):
        estimate = report.figures["page_fault"][name]["fault_p99_ns_merged"].estimate
        assert low <= (estimate or 0.0) <= high
        assert {low, high} <= set(histograms[name][0].tolist())
    swap = {name: (runs, peak) for name, runs, peak in run("swap")}
    assert swap["none"] == (36, 244.0)


def test_two_studies_of_a_cell_are_paired_apart_and_named(tmp_path: Path) -> None:
    for study, guests, without in (("before", 8, 2), ("after", 4, 2)):
        builder = Builder(tmp_path, study=study, mechanisms=tuple(TRUTHS), seed=len(study))
        builder.truth = {
            "none": dataclasses.replace(LAPTOP["none"], guests=without),
            "page_hinting": dataclasses.replace(LAPTOP["page_hinting"], guests=guests),
        }
        stored(builder.write())
    report = fleet_report(tmp_path / "store")
    gain = report.figures["density"]["page_hinting"]["more_guests_than_none"]
    assert (gain.n, gain.low, gain.high) == (6, 2.0, 6.0)
    assert report.verdict is Verdict.UNSETTLED
    assert "1 cell (local-node0 first) measured by several studies" in report.doubts[0].reason
