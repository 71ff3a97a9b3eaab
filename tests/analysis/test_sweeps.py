# SPDX-License-Identifier: GPL-2.0-or-later
"""Which arms are a sweep, and what is said of which setting to take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hintfleet.records.observations import aligned, from_rows
from hintfleet.records.observed import WORKLOADS, observe
from hintfleet.records.read import load_study
from hintfleet.report.build import Report, build_report
from hintfleet.report.sweeps import Sweep, stated_by, sweeps_of
from synthetic import LAPTOP, Builder, Truth

HINTING = LAPTOP["page_hinting"]


def found(arms: Mapping[str, tuple[str, Mapping[str, object]]]) -> list[Sweep]:
    """The sweeps among arms given by mechanism and what they state."""
    rows = [
        {"arm": name, "mechanism": mechanism, "states": json.dumps(states), "study": "s",
         "cell": "c", "host": "h", "block": 1, "status": "finished", "workload": "consolidation"}
        for name, (mechanism, states) in arms.items()
    ]  # fmt: skip
    workloads = {w: from_rows(rows if w == "consolidation" else []) for w in WORKLOADS}
    return sweeps_of(stated_by(aligned(workloads)))


def test_a_grid_is_one_sweep_with_its_values_in_order() -> None:
    arms: dict[str, tuple[str, Mapping[str, object]]] = {
        f"h/{age}/{batch}": (
            "page_hinting",
            {"kernel_arguments": f"page_hinting.age_ms={age} page_hinting.batch={batch} x=1"},
        )
        for age in (500, 0, 50)
        for batch in (32, 8)
    }
    (sweep,) = found({**arms, "none": ("none", {}), "page_hinting": ("page_hinting", {})})
    assert sweep.parameters == ("page_hinting.age_ms", "page_hinting.batch")
    assert sweep.values(0) == ["0", "50", "500"]
    assert list(sweep.settings)[:2] == ["h/0/8", "h/0/32"]
    assert sweep.default is None, "page_hinting does not state x=1"
    assert sweep.setting("h/0/8") == "age_ms=0, batch=8"


def test_values_one_at_a_time_are_sweeps_of_their_own_with_the_same_default() -> None:
    one = (
        {"kernel_arguments": "page_hinting.age_ms=0"},
        {"kernel_arguments": "page_hinting.age_ms=9"},
    )
    other = (
        {"kernel_arguments": "page_hinting.batch=1"},
        {"kernel_arguments": "page_hinting.batch=2"},
    )
    arms = {str(k): ("page_hinting", states) for k, states in enumerate((*one, *other))}
    sweeps = found({**arms, "page_hinting": ("page_hinting", {})})
    assert [sweep.short_parameters for sweep in sweeps] == [("age_ms",), ("batch",)]
    assert {sweep.default for sweep in sweeps} == {"page_hinting"}


def test_files_and_pieces_are_parameters_too() -> None:
    path = "/sys/module/page_reporting/parameters/page_reporting_order"
    arms: dict[str, tuple[str, Mapping[str, object]]] = {
        f"{order} {thp}": (
            "free_page_reporting", {"guest_settings": {path: order}, "guest_thp": thp}
        )
        for order in ("0", "9")
        for thp in ("always", "never")
    }  # fmt: skip
    (sweep,) = found(arms)
    assert set(sweep.short_parameters) == {"page_reporting_order", "guest_thp"}


def test_arms_that_state_different_things_are_no_sweep() -> None:
    assert not found(
        {
            "now": ("page_hinting", {"kernel_arguments": "page_hinting.age_ms=0"}),
            "other": ("page_hinting", {"kernel": "6.12"}),
            "reporting": ("free_page_reporting", {"kernel": "6.1"}),
            "page_hinting": ("page_hinting", {}),
        }
    )


def swept(builder: Builder, default: Truth | None, **settings: Truth) -> Report:
    """A study with settings of page_hinting.age_ms, and page_hinting as it is if it has a truth."""
    builder.mechanisms = ("none", "page_hinting") if default else ("none",)
    builder.truth["page_hinting"] = default or HINTING
    builder.sweep = {f"page_hinting/age_ms={k[1:]}": truth for k, truth in settings.items()}
    builder.workloads = ("consolidation", "page_fault")
    builder.write()
    return build_report(observe(load_study(builder.folder)))


def test_a_better_setting_is_taken_and_its_price_told(builder: Builder) -> None:
    builder.blocks, builder.noise = 6, 0.003
    slower = replace(HINTING, guests=4)
    faster = replace(HINTING, guests=7, rate=80_000.0)
    report = swept(builder, slower, _0=faster, _50=replace(slower, guests=3))
    (sweep,) = report.sweeps
    assert sweep.taken == "page_hinting/age_ms=0"
    assert "take age_ms=0" in sweep.advice and sweep.advice in report.answer
    assert "Against the default: +3 guests (" in sweep.advice
    assert "-18 % page faults a second (" in sweep.advice, sweep.advice


def test_a_loss_that_is_not_settled_is_not_passed_over(builder: Builder) -> None:
    builder.blocks, builder.noise = 12, 0.003
    slower = replace(HINTING, guests=4)
    report = swept(builder, slower, _0=replace(HINTING, rate=80_000.0), _50=slower)
    (sweep,) = report.sweeps
    assert sweep.taken == "page_hinting/age_ms=0"
    assert "not settled: -18 % page faults a second" in sweep.advice, sweep.advice


def test_the_default_stays_unless_something_is_soundly_better(builder: Builder) -> None:
    builder.blocks, builder.noise = 12, 0.003
    report = swept(builder, HINTING, _0=HINTING, _500=replace(HINTING, guests=4))
    (sweep,) = report.sweeps
    assert sweep.taken == "page_hinting"
    assert "keep the default: of the others 1 is soundly beaten, 1 is as good." in sweep.advice


def test_a_default_that_was_not_measured_is_missed(builder: Builder) -> None:
    builder.blocks, builder.noise = 12, 0.003
    report = swept(builder, None, _0=HINTING, _500=replace(HINTING, guests=4))
    assert "take age_ms=0" in report.answer
    assert "page_hinting as it is was not measured beside them." in report.answer


@pytest.mark.parametrize("blocks", [1, 2])
def test_few_blocks_choose_nothing(builder: Builder, blocks: int) -> None:
    builder.blocks = blocks
    report = swept(builder, HINTING, _0=HINTING, _500=replace(HINTING, guests=4))
    (sweep,) = report.sweeps
    assert sweep.taken is None
    assert (
        sweep.advice == "Which of the 2 settings of page_hinting (age_ms) to take is not settled."
    )


def test_figures_that_nobody_may_trust_choose_nothing(builder: Builder) -> None:
    builder.blocks = 8
    swept(builder, HINTING, _0=HINTING, _500=replace(HINTING, guests=4))
    for file in (builder.folder / "runs").glob("*/record.json"):
        record = json.loads(file.read_text())
        if "age_ms" in record["arm"]["name"] or record["mechanism"] == "page_hinting":
            record["parity"]["thp_enabled"] = "always"
            file.write_text(json.dumps(record))
    (sweep,) = build_report(observe(load_study(builder.folder))).sweeps
    assert sweep.taken is None
    assert sweep.advice.startswith("Do not choose among the 2 settings of page_hinting (age_ms)")
