# SPDX-License-Identifier: GPL-2.0-or-later
"""Footprints from studies and the command line, demand from traces; bad input gets a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hintfleet.plan.demand import NodeKind
from hintfleet.plan.given import load_trace, parse_guest, parse_mechanism, parse_node
from hintfleet.plan.input import measured
from hintfleet.records.read import UnusableError
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Builder


def test_a_study_gives_a_footprint_for_each_run(builder: Builder) -> None:
    found = measured(builder.write())
    assert len(found.footprints) == 9
    footprint = next(f for f in found.footprints if f.arm == "page_hinting")
    assert (footprint.active_mib, footprint.touched_mib, footprint.freed_mib) == (343, 256, 128)
    assert footprint.seconds_to == (0.3, 0.6, None)
    assert found.basis.cells == (NodeKind(960.0, 1),)
    assert found.notes == ()


def test_a_run_without_proof_of_its_mechanism_is_left_out_and_named(builder: Builder) -> None:
    random = np.random.default_rng(1)
    builder.write()
    record = builder.record("local-node0", 2, 1, "page_hinting", "consolidation", random)
    record["proof"]["as_expected"] = False
    builder.put(record)
    found = measured(builder.folder)
    assert len(found.footprints) == 8
    assert found.notes == (
        "left out 1 run(s), page_hinting: the proof shows the mechanism did not act as its name "
        "says",
    )


def test_a_study_without_consolidation_is_refused(builder: Builder) -> None:
    builder.workloads = ("memhog",)
    with pytest.raises(UnusableError, match="no consolidation run to plan with"):
        measured(builder.write())


def test_a_mechanism_by_hand() -> None:
    footprint = parse_mechanism("page_hinting,active=4600,idle=600,s50=1,s90=2")
    assert footprint.touched_mib == footprint.freed_mib == 4000.0
    assert footprint.seconds_to == (1.0, 2.0, None)


@pytest.mark.parametrize(
    "text",
    ["", "none", "none,active=1", "none,active=4,idle=x", "none,active=4,idle=nan", "none,a=4"],
)
def test_an_unclear_mechanism_is_refused(text: str) -> None:
    with pytest.raises(UnusableError, match=r"--mechanism"):
        parse_mechanism(text)


def test_nodes_by_hand() -> None:
    assert parse_node("15360") == NodeKind(15360.0, 1)
    assert parse_node("7680.5x200") == NodeKind(7680.5, 200)
    for text in ("x", "12xfew", "GiB", "-5x1", "nan"):
        with pytest.raises(UnusableError):
            parse_node(text)


def test_a_trace_is_put_on_the_smallest_common_step(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(
        "seconds,guest,used_mib\n100,a,10\n105,a,30\n110,a,20\n120,a,5\n110,b,7\n130,b,9\n"
    )
    trace = load_trace(file)
    assert trace.step_seconds == 5.0
    assert trace.used_mib.tolist() == [[10, 30, 20, 20, 5, 5, 5], [0, 0, 7, 7, 7, 7, 9]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: expected seconds,guest,used_mib"),
        ("time,vm,mem\n", "line 1: expected seconds,guest,used_mib"),
        ("seconds,guest,used_mib\n", "at least two lines for a guest"),
        ("seconds,guest,used_mib\n1,a,2\n", "at least two lines for a guest"),
        ("seconds,guest,used_mib\n1,a,2\n1,a,3\n", "line 3: seconds of guest a must rise"),
        ("seconds,guest,used_mib\n1,a,-2\n", "line 2: expected seconds, a guest and MiB"),
        ("seconds,guest,used_mib\n1,a,nan\n", "line 2: expected seconds, a guest and MiB"),
        ("seconds,guest,used_mib\n1,a\n", "line 2: expected seconds, a guest and MiB"),
        (
            "seconds,guest,used_mib\n0,a,1\n1e-9,a,1\n1e9,a,1\n2e9,a,1\n3e9,a,1\n0,b,1\n1e-6,b,1\n",
            "are more than 100,000 steps",
        ),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(text)
    with pytest.raises(UnusableError, match=words):
        load_trace(file)


def test_a_trace_of_types_gives_each_its_own_curves(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("seconds,guest,used_mib,type\n0,a,1,web\n5,a,2,web\n0,b,7,db\n5,b,8,db\n")
    trace = load_trace(file)
    assert trace.of_type == ("web", "db")
    assert trace.curves_of("db").tolist() == [1]
    with pytest.raises(
        UnusableError, match="no curve of guests of type mail; its column type names web, db"
    ):
        trace.curves_of("mail")


def test_a_trace_without_demand_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("seconds,guest,used_mib\n0,a,0\n5,a,0\n")
    with pytest.raises(UnusableError, match="no demand: no guest in it ever uses memory"):
        load_trace(file)


def test_a_trace_that_never_ends_is_refused() -> None:
    with pytest.raises(UnusableError, match="a device"):
        load_trace(Path("/dev/zero"))


def test_a_missing_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="expected a readable file"):
        load_trace(tmp_path / "none.csv")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_no_text_makes_the_parsers_fail_in_another_way(text: str) -> None:
    for parse in (parse_mechanism, parse_node, parse_guest):
        try:
            parse(text)
        except UnusableError as error:
            assert str(error)
