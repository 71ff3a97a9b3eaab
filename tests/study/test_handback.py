# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of handing memory back must show: of real guests that have files and read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_study import Playbooks

pytestmark = pytest.mark.guest

FILES_MIB = 48
DROP = {"reclaim": "drop_caches"}
PULSE = {"margin_mib": 48, "pulse": True}
ZSWAP = Path("/sys/module/zswap/parameters/enabled")
COMPRESSED = {"zswap": True} if ZSWAP.exists() else {}
ARMS: list[Any] = [
    "none",
    "free_page_reporting",
    {"name": "none+drop", "mechanism": "none", **COMPRESSED, **DROP},
    {"name": "reporting+drop", "mechanism": "free_page_reporting", **DROP},
    "balloon",
    {"name": "pulse", "mechanism": "balloon", "balloon": PULSE},
    {"name": "lazy", "mechanism": "free_page_reporting", "discard": "free"},
]
Record = dict[str, Any]


@pytest.fixture(scope="module")
def records(playbooks: Playbooks) -> Iterator[dict[str, Record]]:
    """By arm the record of its one run."""
    zswap = ZSWAP.read_text() if COMPRESSED else ""
    done = playbooks.run(
        "site", study_name="handback", study_workloads=["consolidation"], study_arms=ARMS,
        study_guest_files_mib=FILES_MIB, study_consolidation_max_guests=3,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    paths = (playbooks.results / "handback" / "runs").glob("*/record.json")
    found = {record["arm"]["name"]: record for record in map(_read, paths)}
    assert {record["outcome"]["reason"] for record in found.values()} == {None}
    assert set(found) == {arm if isinstance(arm, str) else arm["name"] for arm in ARMS}
    assert not COMPRESSED or ZSWAP.read_text() == zswap
    yield found
    playbooks.run("clean")


def _read(path: Any) -> Record:
    record: Record = json.loads(path.read_text())
    return record


def cache(records: dict[str, Record], arm: str) -> Record:
    found: Record = records[arm]["proof"]["cache"]
    return found


def held(record: Record, part: str) -> float:
    """MiB of a part of the balance, mean over the guests that have one."""
    sizes = [g["balance"]["held_mib"][part] for g in record["guests"] if "balance" in g]
    return float(sum(sizes) / len(sizes))


def handed(record: Record, step: str) -> list[Record]:
    return [one for g in record["guests"] for one in g.get("handed", []) if one["step"] == step]


def test_every_arm_is_proven(records: dict[str, Record]) -> None:
    assert {
        arm: record["proof"]["as_expected"] for arm, record in records.items()
    } == dict.fromkeys(records, True)


def test_guests_read_all_their_files_into_their_page_cache(records: dict[str, Record]) -> None:
    for arm in records:
        assert cache(records, arm)["read_mib"] == FILES_MIB
        assert cache(records, arm)["cached_mib"] >= 0.9 * FILES_MIB
        assert all(s["files_mib"] == FILES_MIB for s in records[arm]["result"]["steps"])


def test_reporting_alone_returns_next_to_nothing_of_page_cache(records: dict[str, Record]) -> None:
    alone = cache(records, "free_page_reporting")
    assert alone["freed_mib"] < 0.1 * FILES_MIB
    assert alone["dropped_mib"] < 0.1 * FILES_MIB


def test_what_a_policy_makes_free_goes_back_by_a_mechanism_only(records: dict[str, Record]) -> None:
    for arm in ("none+drop", "reporting+drop"):
        assert cache(records, arm)["freed_mib"] > 0.9 * FILES_MIB
    assert cache(records, "reporting+drop")["dropped_mib"] > 0.7 * FILES_MIB
    assert cache(records, "none+drop")["dropped_mib"] < 0.1 * FILES_MIB


def test_page_cache_is_found_where_it_is(records: dict[str, Record]) -> None:
    for arm in ("none", "free_page_reporting"):
        assert held(records[arm], "page_cache_clean") == pytest.approx(FILES_MIB, abs=4)
    for arm in ("none+drop", "reporting+drop"):
        assert held(records[arm], "page_cache_clean") < 4


def test_the_balance_adds_up(records: dict[str, Record]) -> None:
    for record in records.values():
        for guest in record["guests"]:
            if balance := guest.get("balance"):
                parts = sum(balance["held_mib"].values())
                assert parts == pytest.approx(balance["footprint_mib"], rel=0.02)


def test_the_balloon_hands_over_what_it_is_asked_for_or_says_how_much_not(
    records: dict[str, Record],
) -> None:
    for arm in ("balloon", "pulse"):
        taken = handed(records[arm], "taken")
        assert len(taken) >= 2
        for one in taken:
            assert one["asked_mib"] > 0
            short = one["asked_mib"] - one["done_mib"]
            assert one["missed"] == (short > max(4, 0.1 * one["asked_mib"]))
    # What it holds nobody else has, and the host has it all but for a few pages.
    assert held(records["balloon"], "balloon") < 4
    assert len(handed(records["pulse"], "given")) >= len(handed(records["pulse"], "taken"))


def test_what_was_handed_back_is_given_before_work(records: dict[str, Record]) -> None:
    (given, *_) = handed(records["balloon"], "given")
    assert given["done_mib"] == pytest.approx(given["asked_mib"], abs=4)
    assert records["balloon"]["proof"]["again_seconds"] > 0


def test_costs_are_told_of_every_guest_at_rest(records: dict[str, Record]) -> None:
    for record in records.values():
        told = [g["costs"] for g in record["guests"] if "balance" in g]
        assert told and all(costs["direct_reclaim_mib"] >= 0 for costs in told)


def test_memory_that_is_freed_lazily_stays_until_the_host_needs_it(
    records: dict[str, Record],
) -> None:
    lazy, at_once = records["lazy"], records["free_page_reporting"]
    proof = lazy["proof"]
    assert proof["dropped_mib"] > 0.9 * proof["freed_mib"]
    assert proof["resident_dropped_mib"] < 0.1 * proof["freed_mib"]
    # The first guest rests: it keeps what it handed back while there is room for the second.
    stays, went = (one["result"]["steps"][1]["guest_resident_mib"][0] for one in (lazy, at_once))
    assert stays > went + 100
    for one in (lazy, at_once):
        assert one["result"]["guests_without_swap"] == 3
        assert one["result"]["swap_end_mib"] < 1
    assert records["none"]["result"]["guests_without_swap"] < 3
    told = [guest["balance"]["held_mib"] for guest in lazy["guests"] if "balance" in guest]
    assert any(held["freed_lazily"] > 50 for held in told)


@pytest.mark.skipif(not COMPRESSED, reason="the kernel of this host has no zswap")
def test_swap_is_kept_compressed_where_the_arm_says_so(records: dict[str, Record]) -> None:
    shown = records["none+drop"]["arm"]["shows"]["zswap"]
    kept = re.fullmatch(r"zswap is on \(.+\) and keeps (\d+) MiB in (\d+) MiB", shown)
    assert kept, shown
    assert records["none+drop"]["result"]["swap_end_mib"] > 1
    assert int(kept[1]) > int(kept[2])
