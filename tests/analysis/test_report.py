# SPDX-License-Identifier: GPL-2.0-or-later
"""From files to report: the answer, the verdicts, and what programs read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from hintfleet.figures.figure import Verdict
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.render import console, json_report, terminal
from hintfleet.render.console import fitted_widths
from hintfleet.render.doubts import doubts, verdict_words
from hintfleet.render.tables import density_tables, places_table
from hintfleet.report.build import Report, build_report
from synthetic import Builder, Truth


def change_records(builder: Builder, pattern: str, change: Any) -> None:
    for file in sorted(builder.folder.glob(f"runs/{pattern}/record.json")):
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))


def report_of(builder: Builder) -> Report:
    return build_report(observe(load_study(builder.folder)))


def test_the_answer_says_what_to_do_how_sure_it_is_and_what_it_costs(
    laptop_report: Report,
) -> None:
    assert laptop_report.answer.startswith(
        "Turn free_page_reporting or page_hinting on for density: 7 guests fit a node without "
        "swapping instead of 2. That is sound on this host: 5 more in each of 3 blocks (rounding "
    )
    assert "With page_hinting: 2.3 % fewer page faults a second" in laptop_report.answer
    assert "memhog in guest 3 takes 1.21 s instead of 2.56 s" in laptop_report.answer
    assert "-62 % host CPU time a guest" in laptop_report.answer
    assert laptop_report.verdict == Verdict.SOUND


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "a price": (
        {"page_hinting": Truth(7, 1.22, 0.0, 70_000.0, 915.0, 0.6)},
        "Turn page_hinting on if that is worth -29 % page faults a second: 7 guests",
    ),
    "no gain": (
        {"page_hinting": Truth(2, 2.57, 244.0, 100_000.0, 900.0, 0.6)},
        "page_hinting gains no guest: by footprints there is room for 2.8 guests a node instead of "
        "2.8.",
    ),
    "a loss": (
        {"none": Truth(7, 1.2, 0.0, 1e5, 900.0, None)},
        "Leave page_hinting off: 3 guests fit a node without swapping instead of 7.",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_follow_gain_and_price(builder: Builder, name: str) -> None:
    truths, words = ANSWERS[name]
    builder.mechanisms = ("none", "page_hinting")
    builder.blocks = 4
    builder.truth |= {"page_hinting": Truth(3, 1.2, 0.0, 1e5, 900.0, 0.6)} | truths
    builder.write()
    assert report_of(builder).answer.startswith(words)


def test_of_equals_the_one_that_soundly_costs_more_is_not_named_first(builder: Builder) -> None:
    builder.blocks = 6
    builder.truth["page_hinting"] = Truth(7, 1.22, 0.0, 80_000.0, 915.0, 0.6)
    builder.write()
    answer = report_of(builder).answer
    assert answer.startswith("Turn free_page_reporting on: 7 guests")
    assert "As many fit with page_hinting, at a higher cost." in answer


def test_few_blocks_and_grave_doubts_decide_nothing(builder: Builder) -> None:
    builder.blocks = 1
    builder.write()
    assert report_of(builder).answer.startswith("Not settled: so far 7 guests fit a node")
    builder.blocks = 3
    builder.write()
    pattern, change, words = DOUBTS["proof failed"]
    change_records(builder, pattern, change)
    change_records(builder, "*.free_page_reporting.consolidation", change)
    answer = report_of(builder).answer
    assert answer.startswith("Do not decide on these figures: ") and words in answer


def test_the_verdict_tells_what_is_sound_from_what_is_open(builder: Builder) -> None:
    builder.write()

    def scatter(record: dict[str, Any]) -> None:
        factor = {1: 0.6, 2: 1.0, 3: 1.7}[record["block"]]
        for row in record["result"]["rows"]:
            row.update(processes=row["processes"] * factor)

    change_records(builder, "*.page_hinting.page_fault", scatter)
    words, step = verdict_words(report_of(builder))
    assert words == ("unsettled: the gain and memhog are sound, the page fault rate is not settled")
    assert "blocks" in step


def test_mechanisms_are_held_against_each_other(laptop_report: Report) -> None:
    """Of page_hinting against free_page_reporting; the truth is 0.6 s against 3.1 s."""
    (pair,) = laptop_report.against
    assert pair == "page_hinting against free_page_reporting"
    figures = laptop_report.against[pair]
    assert figures["more_guests"].estimate == 0
    assert figures["seconds_to_return"].estimate == pytest.approx(0.6 / 3.1)
    assert figures["seconds_to_return"].claims_effect
    rates = [
        laptop_report.page_fault[name].figures["processes_vs_none"].estimate or 0.0
        for name in ("free_page_reporting", "page_hinting")
    ]
    assert figures["processes"].estimate == pytest.approx(rates[1] / rates[0])


def test_hosts_and_nodes_are_told_apart(builder: Builder) -> None:
    builder.cells = ("a-node0", "a-node1", "b-node0", "b-node1")
    builder.workloads = ("consolidation",)
    builder.write()

    def place(record: dict[str, Any]) -> None:
        record["cell"]["node"] = int(record["cell"]["name"][-1])
        if record["cell"]["node"] and record["mechanism"] == "page_hinting":
            record["result"]["guests_without_swap"] = 4

    change_records(builder, "*", place)
    rows = {row.label: [c.text for c in row.cells] for row in places_table(report_of(builder)).rows}
    assert rows["node 0"] == ["2", "7", "7"] and rows["node 1"] == ["2", "7", "4"]
    assert rows["host a"] == rows["host b"] == ["2", "7", "5.5 [4-7]"]
    assert set(rows) == {
        *(f"cell {cell}" for cell in builder.cells), "host a", "host b", "node 0", "node 1"
    }  # fmt: skip


def test_one_cell_needs_no_table_of_places(laptop_report: Report) -> None:
    assert places_table(laptop_report).rows == ()


def test_runs_that_are_missing_are_a_doubt_and_a_few_are_not(builder: Builder) -> None:
    builder.write()
    (builder.folder / "runs" / "local-node0.b1.none.memhog" / "record.json").unlink()
    assert not any("gave no result" in o.reason for o in report_of(builder).objections)
    (builder.folder / "runs" / "local-node0.b2.none.memhog" / "record.json").write_text("{")
    report = report_of(builder)
    (lost,) = [o for o in report.objections if "gave no result" in o.reason]
    assert lost.reason.startswith("2 of 27 planned runs") and report.verdict == Verdict.UNSETTLED


def test_json_has_what_programs_rely_on(laptop_report: Report) -> None:
    document = json.loads(json_report.render(laptop_report))
    assert document["schema"] == "hintfleet.report/2"
    density = document["density"]["page_hinting"]
    assert density["guests_without_swap"] == [7, 7, 7]
    assert density["swap_end_mib"] == [65.0] * 3
    assert density["blocks"] == [1, 2, 3]
    memhog = document["memhog"]["none"]
    assert [len(block) for block in memhog["seconds"]] == [3, 3, 3]
    assert memhog["swap_end_mib"] == [244.0] * 3
    rows = document["page_fault"]["none"]["rows"]
    assert {row["block"] for row in rows} == {1, 2, 3}
    columns = {"tasks", "processes", "processes_idle", "threads", "threads_idle", "linear"}
    assert columns <= set(rows[0])
    for topic in ("density", "memhog", "page_fault"):
        for result in document[topic].values():
            for figure in result["figures"].values():
                assert {"unit", "n", "verdict", "reason", "next_step", "interval"} <= set(figure)


def test_three_blocks_say_what_they_cannot(laptop_report: Report) -> None:
    figure = laptop_report.density["page_hinting"].figures["reliable_guests"]
    assert figure.verdict == Verdict.UNSETTLED
    assert "37 %" in figure.judgement.reason
    assert "59 blocks" in figure.judgement.next_step


def test_a_gain_within_counting_noise_is_unsettled(builder: Builder) -> None:
    builder.truth["page_hinting"] = Truth(3, 2.5, 200.0, 1e5, 900.0, 1.0)
    builder.blocks = 3
    builder.write()
    counts = iter([2, 3, 2])

    def vary(record: dict[str, Any]) -> None:
        record["result"]["guests_without_swap"] = next(counts)

    change_records(builder, "*.page_hinting.consolidation", vary)
    figure = report_of(builder).density["page_hinting"].figures["more_guests_than_none"]
    assert figure.verdict == Verdict.UNSETTLED
    assert figure.blocks_to_settle is not None and figure.blocks_to_settle[0] > 3


DOUBTS: dict[str, tuple[str, Any, str]] = {
    "proof failed": (
        "*.page_hinting.consolidation",
        lambda record: record["proof"].update(as_expected=False, acted=False),
        "did not give freed memory back",
    ),
    "none gave back": (
        "*.none.memhog",
        lambda record: record["proof"].update(as_expected=False, acted=True),
        "although no mechanism was on",
    ),
    "no proof": (
        "*.page_hinting.page_fault",
        lambda record: record.update(proof=None),
        "nobody saw",
    ),
    "debug options": (
        "*.page_fault",
        lambda record: record["provenance"]["guest_kernel"].update(
            debug_options=["CONFIG_DEBUG_PAGEALLOC"]
        ),
        "CONFIG_DEBUG_PAGEALLOC",
    ),
    "parity": (
        "*.page_hinting.memhog",
        lambda record: record["parity"].update(thp_enabled="always"),
        "differ in thp_enabled",
    ),
    "remote memory": (
        "*.none.memhog",
        lambda record: record["guests"][0].update(remote_share=0.4),
        "another node",
    ),
    "console": (
        "*.none.memhog",
        lambda record: record["guests"][0].update(warnings=["WARNING: at mm/page_alloc.c"]),
        "printed warnings",
    ),
    "another kernel": (
        "*.none.memhog",
        lambda record: record["guests"][0].update(kernel_release="6.1.0-other"),
        "ran 6.1.0-other",
    ),
    "CPU bound": (
        "*.none.consolidation",
        lambda record: record["result"].update(stopped_by="cpu_bound"),
        "CPU ran out before memory",
    ),
    "launch failed": (
        "*.none.consolidation",
        lambda record: record["result"].update(stopped_by="launch_failed"),
        "failed to start",
    ),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_cannot_be_trusted_is_said_and_exits_2(
    builder: Builder, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern, change, words = DOUBTS[name]
    builder.write()
    change_records(builder, pattern, change)
    assert main(["report", str(builder.folder), "--format", "json"]) == 2
    document = json.loads(capsys.readouterr().out)
    grave = [w for w in document["warnings"] if w["verdict"] == "not to be trusted"]
    assert any(words in warning["reason"] for warning in grave)
    assert all(warning["next_step"] for warning in grave)


def test_a_page_fault_run_that_had_to_share_its_cpus_is_found(builder: Builder) -> None:
    """As in the real study in docs/examples: two boots of none looked a third slower."""
    builder.write()
    spent = {"user": 14.0, "system": 3.0}
    change_records(builder, "*.b1.none.*", lambda record: record.update(host_cpu_seconds=spent))
    (doubt,) = [o for o in report_of(builder).objections if "CPU time" in o.reason]
    assert (doubt.verdict, doubt.about) == (Verdict.UNSETTLED, "none, page_fault (1 of 3 runs)")
    figures = report_of(builder).page_fault["page_hinting"].figures
    assert figures["processes_vs_none"].judgement.reason == doubt.reason


def stall(record: dict[str, Any]) -> None:
    """As a guest prints that its host has swapped out."""
    lines = ["watchdog: BUG: soft lockup - CPU#0 stuck for 26s!", "Call Trace:"]
    record["guests"][0].update(warnings=[*lines, "rcu: INFO: rcu_sched self-detected stall on CPU"])
    record["result"].update(swap_end_mib=200.0)


def test_a_guest_that_stood_still_while_its_host_swapped_condemns_nothing(builder: Builder) -> None:
    builder.write()
    change_records(builder, "*.none.memhog", stall)
    (doubt,) = [o for o in report_of(builder).objections if o.workload == "memhog"]
    assert (doubt.verdict, "stood still" in doubt.reason) == (Verdict.UNSETTLED, True)

    def more(record: dict[str, Any]) -> None:
        record["guests"][0]["warnings"].append("WARNING: at mm/page_alloc.c")

    change_records(builder, "*.none.memhog", more)
    (doubt,) = [o for o in report_of(builder).objections if o.workload == "memhog"]
    assert (doubt.verdict, "printed warnings" in doubt.reason) == (Verdict.NOT_TO_BE_TRUSTED, True)


def test_a_stall_without_swap_is_a_warning_like_others(builder: Builder) -> None:
    builder.write()
    change_records(builder, "*.none.memhog", stall)
    change_records(builder, "*.none.memhog", lambda r: r["result"].update(swap_end_mib=0.0))
    (doubt,) = [o for o in report_of(builder).objections if o.workload == "memhog"]
    assert doubt.verdict == Verdict.NOT_TO_BE_TRUSTED


def test_who_ends_guests_by_rules_of_its_own_is_named(builder: Builder) -> None:
    builder.write()

    def watched(record: dict[str, Any]) -> None:
        record["provenance"]["host"]["daemons"] = ["earlyoom", "irqbalance"]
        record["result"].update(swap_end_mib=200.0)

    change_records(builder, "*.none.consolidation", watched)
    (doubt,) = [o for o in report_of(builder).objections if "earlyoom" in o.reason]
    assert doubt.verdict == Verdict.UNSETTLED
    assert "irqbalance" not in doubt.reason


def test_a_doubt_falls_on_its_own_figures_only(builder: Builder) -> None:
    builder.write()
    pattern, change, _ = DOUBTS["proof failed"]
    change_records(builder, pattern, change)
    report = report_of(builder)
    untrusted = Verdict.NOT_TO_BE_TRUSTED
    assert report.density["page_hinting"].figures["guests_without_swap"].verdict == untrusted
    assert report.density["none"].figures["guests_without_swap"].verdict == Verdict.SOUND
    assert report.memhog["page_hinting"].figures["guest3_seconds"].verdict == Verdict.SOUND


def test_an_effect_on_none_taints_what_is_compared_with_it(builder: Builder) -> None:
    builder.write()
    pattern, change, _ = DOUBTS["CPU bound"]
    change_records(builder, pattern, change)
    figures = report_of(builder).density["page_hinting"].figures
    assert figures["more_guests_than_none"].verdict == Verdict.NOT_TO_BE_TRUSTED
    assert figures["guests_without_swap"].verdict == Verdict.SOUND


def test_a_guest_that_did_not_end_is_kept(builder: Builder) -> None:
    builder.write()

    def censor(record: dict[str, Any]) -> None:
        record["result"]["guests"][2].update(seconds=None, censored="deadline of 600 s")

    change_records(builder, "*.b1.none.memhog", censor)
    report = report_of(builder)
    figure = report.memhog["none"].figures["guest3_seconds"]
    assert (figure.n, figure.censored, figure.interval) == (3, 1, None)
    assert figure.estimate is not None, "the median of three stands when one is late"
    document = json_report.document(report)
    assert document["memhog"]["none"]["seconds"][0][2] is None


def test_failed_and_missing_runs_are_named_with_reasons(builder: Builder) -> None:
    builder.write()

    def fail(record: dict[str, Any]) -> None:
        record["result"] = None
        record["outcome"] = {"status": "failed", "reason": "guest 2's agent stayed silent"}

    change_records(builder, "*.b1.none.memhog", fail)
    gone = builder.folder / "runs" / "local-node0.b2.none.memhog"
    (gone / "record.json").unlink()
    damaged = builder.folder / "runs" / "local-node0.b3.none.memhog" / "record.json"
    damaged.write_text("{")
    report = report_of(builder)
    found = {one.run_id.split(".")[1]: one for one in report.missing}
    assert (found["b1"].status, found["b1"].reason) == ("failed", "guest 2's agent stayed silent")
    assert (found["b2"].status, found["b2"].reason) == (
        "not run",
        "start the study again to run it",
    )
    assert found["b3"].status == "damaged"
    assert [damage.file for damage in report.damages] == [damaged]
    assert report.density["none"].figures["guests_without_swap"].n == 3
    notes = builder.folder / "missing"
    notes.mkdir()
    (notes / f"{gone.name}.txt").write_text("the disk is full; free some\n")
    found = {one.run_id.split(".")[1]: one for one in report_of(builder).missing}
    assert found["b2"].reason == "the disk is full; free some"


def test_damaged_samples_cost_the_curve_and_not_the_run(builder: Builder) -> None:
    builder.write()
    file = builder.folder / "runs" / "local-node0.b1.none.consolidation" / "samples.csv"
    file.write_text("seconds,guest,resident_mib,swap_mib\n1,0,-5,0\n")
    report = report_of(builder)
    assert [damage.file for damage in report.damages] == [file]
    assert report.density["none"].figures["guests_without_swap"].n == 3
    assert any(timeline.arm == "none" for timeline in report.timelines)


@pytest.mark.parametrize(
    "mechanisms", [("none",), ("page_hinting",), ("page_hinting", "free_page_reporting")]
)
def test_studies_that_compare_nothing_say_so(builder: Builder, mechanisms: tuple[str, ...]) -> None:
    builder.mechanisms = mechanisms
    builder.write()
    report = report_of(builder)
    text = console.as_text(terminal.render(report, 80, detail=True), 80)
    if mechanisms == ("none",):
        assert "not known: no arm but none was measured; with it 2 guests fit" in " ".join(
            text.split()
        )
        assert report.verdict == Verdict.UNSETTLED
    else:
        assert "nothing can be called a gain" in " ".join(text.split())


@pytest.mark.parametrize("workload", ["consolidation", "memhog", "page_fault"])
def test_one_workload_alone_is_reported(builder: Builder, workload: str) -> None:
    builder.workloads = (workload,)
    builder.write()
    for ascii_only in (False, True):
        assert console.as_text(
            terminal.render(report_of(builder), 80, ascii_only, detail=True), 80, ascii_only
        )


def test_a_study_of_planned_runs_only_is_not_to_be_trusted(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.write()
    for file in builder.folder.glob("runs/*/record.json"):
        file.unlink()
    assert main(["report", str(builder.folder)]) == 2
    assert "27 runs" in capsys.readouterr().out


def test_one_block_is_unsettled_and_still_exits_0(builder: Builder) -> None:
    builder.blocks = 1
    builder.write()
    report = report_of(builder)
    assert report.verdict == Verdict.UNSETTLED
    assert main(["report", str(builder.folder)]) == 0


def test_cells_that_stand_out_are_named(builder: Builder) -> None:
    builder.cells = tuple(f"host{number}-node0" for number in range(6))
    builder.workloads = ("consolidation",)
    builder.write()

    def weaken(record: dict[str, Any]) -> None:
        record["result"]["guests_without_swap"] = 3

    change_records(builder, "host4-node0.*.page_hinting.*", weaken)
    report = report_of(builder)
    assert report.density["page_hinting"].cells_that_stand_out == ("host4-node0",)
    assert report.density["none"].cells_that_stand_out == ()


def test_errors_are_one_sentence_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "absent")]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert "is not a folder of results; name one" in said.err


@pytest.mark.parametrize("form", ["terminal", "json"])
def test_a_full_disk_is_said(laptop: Path, form: str) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ended = run_command("report", str(laptop), "--format", form, stdout=full)
    assert ended.returncode == 1
    assert ended.stderr == (
        "hintfleet: stdout cannot be written: No space left on device; name another file\n"
    )


def test_a_reader_that_has_enough_is_no_error(laptop: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        ended = run_command("report", str(laptop), "--detail", stdout=closed)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_terminal_without_box_characters_gets_ascii(laptop: Path) -> None:
    ended = run_command("report", str(laptop), encoding="ascii", stdout=subprocess.PIPE)
    assert ended.returncode == 0 and ended.stdout.startswith("+--")
    ended = run_command("show", str(next(laptop.glob("runs/*"))), encoding="latin-1")
    assert ended.returncode == 0
    ended = run_command("report", str(laptop), "--format", "json", encoding="ascii")
    assert ended.returncode == 1 and "PYTHONIOENCODING=utf-8" in ended.stderr


def run_command(
    *arguments: str, encoding: str = "utf-8", stdout: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hintfleet.cli", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding=encoding,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )


def test_output_that_cannot_be_written_is_an_error(
    laptop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(laptop / "absent" / "report.json")
    assert main(["report", str(laptop), "--format", "json", "--output", target]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 160])
def test_the_summary_fits_one_screen_and_cuts_no_sentence(builder: Builder, width: int) -> None:
    """Even of a study in which everything is doubtful."""
    builder.blocks = 2
    builder.write()
    for pattern, change, _ in DOUBTS.values():
        change_records(builder, pattern, change)
    report = report_of(builder)
    lines = console.as_text(terminal.render(report, width), width).rstrip("\n").split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).replace("│", " ").split())
    assert report.answer in text and "…" not in text
    whole = {f"{one.sentence}." for one in doubts(report)} | set(report.notes)
    shown = text.partition("? unsettled")[0].split("• ")[1:]
    assert shown and {one.strip() for one in shown} <= whole
    told = [one for one in doubts(report) if one.reason not in report.answer]
    assert f"{len(told) + len(report.notes) - text.count('•')} more remarks" in text


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_line_is_wider_than_asked(laptop_report: Report, width: int) -> None:
    text = console.as_text(terminal.render(laptop_report, width, detail=True), width)
    assert max(map(len, text.split("\n"))) <= width


def test_ascii_is_ascii(laptop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(laptop), "--ascii", "--width", "80", "--detail"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    main(["report", str(laptop), "--width", "80", "--detail"])
    marks = capsys.readouterr().out.count("?")
    assert out.count("?") == marks, "every character has an ASCII stand-in"


def test_long_settings_are_told_by_what_differs(builder: Builder) -> None:
    builder.write()
    command = "qemu-system-x86_64 -m 320M -accel tcg,tb-size={} -display none -nodefaults -smp 1"

    def set_command(record: dict[str, Any]) -> None:
        size = 12 if record["mechanism"] == "page_hinting" else 8
        record["parity"]["qemu_arguments"] = command.format(size)

    change_records(builder, "*.memhog", set_command)
    (one,) = report_of(builder).disparities
    assert one.values == {
        "none": "tcg,tb-size=8",
        "free_page_reporting": "tcg,tb-size=8",
        "page_hinting": "tcg,tb-size=12",
    }
    assert one.blocks == 3


def test_memory_never_seen_to_return_is_no_gap_in_the_data(laptop_report: Report) -> None:
    figure = laptop_report.memory["page_hinting"].figures["seconds_to_return_99"]
    assert (figure.n, figure.censored, figure.estimate) == (9, 9, None)
    assert "seconds_to_return_99" not in laptop_report.memory["none"].figures


@pytest.mark.parametrize("width", [40, 60, 80])
def test_tables_break_between_words_and_lose_nothing(laptop_report: Report, width: int) -> None:
    (data,) = density_tables(laptop_report)
    assert sum(fitted_widths(data, width)) + 3 * len(data.columns) <= width
    text = console.as_text(console.table(data, ascii_only=False), width)
    shown = "".join(text.split())
    for name in data.columns:
        assert name in shown or width == 40
    assert shown.count("?") == sum(cell.text.count("?") for row in data.rows for cell in row.cells)


@pytest.mark.parametrize("unended", [1, 3])
def test_work_that_does_not_end_is_a_price_and_no_sound_ratio(
    builder: Builder, unended: int
) -> None:
    def never_ends(record: dict[str, Any]) -> None:
        if record["block"] <= unended:
            record["result"]["guests"][2]["seconds"] = None

    builder.write()
    change_records(builder, "*page_hinting.memhog", never_ends)
    report = report_of(builder)
    assert f"memhog in guest 3 not seen to end in {unended} of 3 blocks" in report.answer
    assert report.verdict != Verdict.SOUND


def test_every_format_of_one_reading_is_that_of_its_own(
    laptop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    from hintfleet.records import observed

    load, read = observed.load_samples, []
    monkeypatch.setattr(observed, "load_samples", lambda file: read.append(file) or load(file))
    assert main(["report", str(laptop), "--save", str(tmp_path), "--width", "80"]) == 0
    screen = capsys.readouterr().out
    assert len(read) == len(set(read)) == 27, "each samples file is read once"
    for name, form in (("json", "json"), ("html", "html"), ("md", "markdown"), ("txt", "terminal")):
        words = ["--format", form, *(["--detail"] if name == "txt" else [])]
        assert main(["report", str(laptop), *words, "--output", str(tmp_path / "one")]) == 0
        assert (tmp_path / f"report.{name}").read_text() == (tmp_path / "one").read_text()
    assert "7 guests fit a node" in " ".join(screen.replace("│", " ").split())
    assert main(["report", str(laptop), "--save", str(tmp_path / "absent")]) == 1


def test_another_baseline_is_what_figures_are_against(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = builder.write()
    for file in folder.glob("runs/*/record.json"):
        record = json.loads(file.read_text())
        file.write_text(json.dumps({**record, "baseline": "free_page_reporting"}))
    report = build_report(observe(load_study(folder)))
    assert report.study.baseline == report.study.arms[0] == "free_page_reporting"
    gain = report.density["none"].figures["more_guests_than_none"]
    assert gain.estimate == -5.0 and "Leave none off" in report.answer
    main(["report", str(folder), "--width", "80"])
    assert "Page faults vs free_page" in capsys.readouterr().out
