# SPDX-License-Identifier: GPL-2.0-or-later
"""Several types of guest on one node: who is placed, what they need, how they are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hintfleet import cli
from hintfleet.plan.answer import make_plan
from hintfleet.plan.demand import Demand, GuestType, NodeKind, Trace, placed
from hintfleet.plan.given import parse_guests
from hintfleet.plan.model import GIVEN_HOST, Footprint, by_arm
from hintfleet.plan.nodes import Question
from hintfleet.records.read import UnusableError
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Builder

WEB, DB = GuestType("web", share=3.0), GuestType("db", share=1.0)
SEQUENTIAL = Demand(7200.0, 60.0, 1e6, spread=0.0, stagger_seconds=90.0)


def footprint(name: str, active: float, idle: float, arm: str = "m") -> Footprint:
    return Footprint(
        arm, GIVEN_HOST, active, idle, active - idle, active - idle, (0.1, 0.2, 0.3), name
    )


def test_any_number_of_guests_has_the_shares_as_well_as_whole_guests_can() -> None:
    order = placed((WEB, DB), 400)
    for guests in range(1, 401):
        web = np.count_nonzero(order[:guests] == 0)
        assert abs(web - 0.75 * guests) <= 1.0
    assert np.bincount(order).tolist() == [300, 100]


def test_types_with_a_count_come_first() -> None:
    order = placed((WEB, GuestType("db", count=2)), 5)
    assert order.tolist() == [1, 1, 0, 0, 0]
    assert placed((GuestType("db", count=2), GuestType("mail", count=1)), 9).tolist() == [0, 0, 1]


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=5), st.integers(1, 60))
def test_every_place_has_a_type(shares: list[float], guests: int) -> None:
    types = [GuestType(f"type{k}", share) for k, share in enumerate(shares)]
    order = placed(types, guests)
    assert order.size == guests and order.min() >= 0 and order.max() < len(types)


def test_guests_of_two_sizes_fill_a_node_by_hand_computed_sums() -> None:
    """Guests in turn: all rest but the one in use. Of each four three are web (100 MiB at rest, 400
    in use), one is db (1000 at rest, 3000 in use)."""
    footprints = by_arm([footprint("web", 400, 100), footprint("db", 3000, 1000)], (WEB, DB))
    question = Question((NodeKind(9000.0, 1),), SEQUENTIAL, nodes=400, types=(WEB, DB))
    answer = make_plan(question, footprints).answers[0]
    assert placed((WEB, DB), 4).tolist() == [0, 0, 1, 0]
    # at rest five groups of four take 6500, two web more 6700, and a db in use 2000 more: 8700; the
    # next would be a db and 9700
    assert (answer.guests, answer.in_turn, answer.of_type) == (22, 22, (17, 5))
    # all at once: 4200 a group; two groups and a web are 8800, one web more 9200
    assert answer.at_once == 9


def test_a_type_that_is_never_at_rest_takes_its_whole_size() -> None:
    busy = GuestType("db", count=1, demand=Demand(7200.0, 1e5, 0.06, spread=0.0))
    footprints = by_arm([footprint("web", 400, 100), footprint("db", 3000, 1000)], (WEB, busy))
    question = Question((NodeKind(4000.0, 1),), SEQUENTIAL, nodes=400, types=(WEB, busy))
    answer = make_plan(question, footprints).answers[0]
    # 3000 for db; 400 for a web in use and 100 for each of six that rest
    assert answer.of_type == (7, 1)


def test_a_trace_of_types_is_repeated_by_guests_of_that_type() -> None:
    used = np.zeros((2, 20))
    used[0, 3] = 300.0
    used[1, :] = 2000.0  # db always uses its memory
    trace = Trace(10.0, used, horizon_seconds=600.0, stagger_seconds=20.0, of_type=("web", "db"))
    types = (GuestType("db", count=1), WEB)
    footprints = by_arm([footprint("web", 400, 100), footprint("db", 3000, 1000)], types)
    answer = make_plan(
        Question((NodeKind(4000.0, 1),), trace, nodes=400, types=types), footprints
    ).answers[0]
    assert answer.of_type == (1, 7)


def test_an_arm_that_lacks_a_type_is_named() -> None:
    with pytest.raises(UnusableError, match="type db have no footprint under n, only under m"):
        by_arm(
            [footprint("web", 4, 1), footprint("db", 9, 3), footprint("web", 4, 1, "n")], (WEB, DB)
        )


def test_what_is_stated_by_hand_holds_on_every_measured_host() -> None:
    seen = [
        Footprint("m", host, 400.0, 100.0, 300.0, 300.0, (1, 2, 3), "web") for host in ("a", "b")
    ]
    arrays = by_arm([*seen, footprint("db", 3000, 1000)], (WEB, DB))["m"]
    assert arrays.hosts == ("a", "b")
    assert arrays.runs.tolist() == [[1, 1], [1, 1]]
    assert arrays.active_mib[arrays.first].tolist() == [[400, 400], [3000, 3000]]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("",), "name the type first"),
        (("share=3",), "name the type first"),
        (("web,colour=red",), "found 'colour=red'"),
        (("web,share=3,share=4",), "at most once"),
        (("web,share=3,count=1",), "either count= guests on every node, or"),
        (("web,count=1.5",), "count must be a whole number from 1 on, found '1.5'"),
        (("web,count=0",), "count must be a whole number from 1 on, found '0'"),
        (("web,share=x",), "share must be a number, found 'x'"),
        (("web", "web"), "--guest web is named twice"),
    ],
)
def test_unclear_types_are_refused(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(UnusableError, match=words):
        parse_guests(texts)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(UnusableError, match="share must be above 0"):
        GuestType("web", share=0.0)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs hintfleet plan; exit code and what it wrote, as one line."""

    def call(*arguments: str) -> tuple[int, str]:
        code = cli.main(["plan", *arguments])
        written = capsys.readouterr()
        return code, " ".join((written.out + written.err).replace("│", " ").split())

    return call


QUICK = ("--nodes", "400", "--hours", "1", "--workers", "1")


def test_types_from_a_study_and_by_hand_on_one_node(builder: Builder, run: Run) -> None:
    options = (
        "--guest", f"web,share=3,from={builder.write()},active-minutes=1,idle-minutes=90",
        "--guest", "db,count=1",
        "--mechanism", "none,active=600,idle=600,guest=db",
        "--mechanism", "page_hinting,active=600,idle=200,s50=1,guest=db",
        "--arm", "none", "--arm", "page_hinting", "--node", "1960x20", *QUICK,
    )  # fmt: skip
    code, text = run(*options)
    assert code == 0
    assert "80 guests (60 web, 20 db) with none" in text
    assert "web uses its memory for 60 s and rests for 90 min on average" in text
    assert "db uses its memory for 10 min and rests for 50 min on average" in text
    code, text = run(*options, "--format", "json")
    plan = json.loads(text)
    assert [one["name"] for one in plan["types"]] == ["web", "db"]
    assert plan["answers"][0]["guests_of_type"] == [3, 1]
    assert "the footprints of db are stated by hand" in plan["answers"][0]["reason"]


def test_a_count_that_is_too_much_for_the_demand_is_said(run: Run) -> None:
    code, text = run(
        "--guest", "db,count=3", "--mechanism", "m,active=400,idle=100,s50=1,guest=db",
        "--node", "1000", *QUICK,
    )  # fmt: skip
    assert code == 0
    assert "The 3 db that every node is to hold are too many for it with m" in text


DB_BY_HAND = ("--mechanism", "none,active=2,idle=1,guest=db", "--node", "90", *QUICK)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--guest", "web", "--guest", "db", *DB_BY_HAND), "--guest web has no footprint: name"),
        (("--guest", "web", *DB_BY_HAND), "has no type of guest db; its types are web"),
        (DB_BY_HAND, "has no type of guest db; it names no type"),
        (("--guest", "db,from=x", *DB_BY_HAND), "footprints from two places"),
        (
            ("--guest", "db", *DB_BY_HAND[:2], *DB_BY_HAND),
            "none was stated before (none,active=2,idle=1,guest=db)",
        ),
        (
            ("--guest", "db,count=100", *DB_BY_HAND),
            "a node of 90 MiB: the 100 guests that every node is to hold (count=) do not fit",
        ),
    ],
)
def test_types_without_clear_footprints_are_refused(
    arguments: tuple[str, ...], words: str, run: Run
) -> None:
    code, text = run(*arguments)
    assert code == 1
    assert words in text and text.startswith("hintfleet: ")


def test_two_studies_of_a_store_are_never_mixed(builder: Builder, run: Run) -> None:
    for name in ("may", "june"):
        builder.study = name
        cli.main(["export", str(builder.write()), "--output", str(builder.root / "store")])
    store = str(builder.root / "store")
    code, text = run("--from", store, *QUICK)
    assert code == 1
    assert "has 2 studies (june, may): name the one to plan with (--study)" in text
    code, text = run("--from", store, "--study", "july", *QUICK)
    assert code == 1 and "no consolidation run of study july; there is june, may" in text
    code, text = run("--from", store, "--study", "june", *QUICK)
    assert code == 0 and "study june" in text


def test_guests_of_two_sizes_in_one_study_are_refused(builder: Builder, run: Run) -> None:
    folder = builder.write()
    for file in Path(folder).glob("runs/*b2*consolidation/record.json"):
        record = json.loads(file.read_text())
        for step in record["result"]["steps"]:
            step["touched_mib"] *= 2
        file.write_text(json.dumps(record))
    code, text = run("--from", str(folder), *QUICK)
    assert code == 1
    assert "has guests of several sizes, whose programs touched from 256 to 512 MiB" in text
