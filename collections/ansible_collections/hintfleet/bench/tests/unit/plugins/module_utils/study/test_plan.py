# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan is drawn once, kept, and extended without moving what was there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.study import plan as _plan

MECHANISMS = ["none", "page_hinting", "free_page_reporting"]
SCHEMAS = Path(__file__).parents[9] / "analysis/hintfleet/records/schemas"
SCHEMA = json.loads((SCHEMAS / "study.schema.json").read_text())


def cell(name: str, memory_mib: int = 960) -> dict[str, Any]:
    return {"name": name, "host": f"host-{name}", "node": 0, "memory_mib": memory_mib}


def arms(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "mechanism": name, "states": {}} for name in names]


def asked(**changes: Any) -> dict[str, Any]:
    plan = {
        "schema": _plan.SCHEMA,
        "study": "s",
        "study_id": "1",
        "cells": [cell("a")],
        "blocks": 2,
        "arms": arms(*MECHANISMS),
        "baseline": "none",
        "workloads": ["consolidation", "memhog"],
        "parameters": {"consolidation": {"max_guests": 9}, "memhog": {"guests": 3}},
        "seed": 0,
        "artifacts": {"guest_kernel": {"key": "k1", "asked": {"guest_kernel_version": "6.1"}}},
    }
    return {**plan, **changes}


def test_every_mechanism_runs_once_a_block_and_cell() -> None:
    plan = _plan.merge(None, asked(cells=[cell("a"), cell("b")]))
    jsonschema.validate(plan, SCHEMA)
    runs = plan["runs"]
    assert len({run["run_id"] for run in runs}) == len(runs) == 2 * 2 * 3 * 2
    counts = Counter((r["cell"], r["block"], r["mechanism"], r["workload"]) for r in runs)
    assert set(counts.values()) == {1}
    for name in "ab":
        for block in (1, 2):
            places = {
                run["mechanism"]: run["order"]
                for run in runs
                if (run["cell"], run["block"]) == (name, block)
            }
            assert sorted(places.values()) == [1, 2, 3]


def test_cells_side_by_side_start_their_runs_together() -> None:
    beside = [{**cell(name), "host": "h", "side_by_side": True} for name in "ab"]
    runs = _plan.merge(None, asked(cells=[*beside, cell("c")]))["runs"]
    theirs = [run for run in runs if run["host"] == "h"]
    for first, second in zip(theirs[::2], theirs[1::2], strict=True):
        assert (first["cell"], second["cell"]) == ("a", "b")
        for name in ("block", "order", "workload"):
            assert first[name] == second[name]
    assert [run["cell"] for run in runs if run["block"] == 1][-6:] == ["c"] * 6


def test_the_first_workload_of_an_arm_proves_for_the_others() -> None:
    for run in _plan.merge(None, asked())["runs"]:
        first = run["run_id"].replace(".memhog", ".consolidation")
        assert run["proof_of"] == ("" if run["workload"] == "consolidation" else first)


def orders(plan: dict[str, Any]) -> list[tuple[str, int, int, str]]:
    return [(r["cell"], r["block"], r["order"], r["mechanism"]) for r in plan["runs"]]


def test_a_study_draws_its_own_order_unless_a_seed_is_asked_for() -> None:
    drawn = [orders(_plan.merge(None, asked(blocks=6, study_id=name))) for name in "123"]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]
    seeded = [orders(_plan.merge(None, asked(blocks=6, study_id=n, seed=7))) for n in "12"]
    assert seeded[0] == seeded[1]


def test_an_order_that_a_study_began_with_is_kept_whatever_drew_it() -> None:
    kept = _plan.merge(None, asked())
    turned = [{**run, "order": 4 - run["order"]} for run in kept["runs"]]
    more = _plan.merge({**kept, "runs": turned}, asked(blocks=5))
    assert {row for row in orders(more) if row[1] <= 2} == set(orders({"runs": turned}))


def test_blocks_and_cells_are_added_without_moving_what_was_there() -> None:
    kept = _plan.merge(None, asked())
    more = _plan.merge(kept, asked(blocks=3, cells=[cell("a"), cell("b")]))
    assert more["study_id"] == kept["study_id"]
    runs = {run["run_id"]: run for run in more["runs"]}
    assert all(runs[run["run_id"]] == run for run in kept["runs"])
    assert len(runs) == 3 * 3 * 2 * 2


def test_fewer_blocks_and_cells_leave_the_plan_as_it_is() -> None:
    kept = _plan.merge(None, asked(cells=[cell("a"), cell("b")]))
    assert _plan.merge(kept, asked(blocks=1)) == kept


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": 1}, "seed was 0 and is now 1"),
        ({"arms": arms("none")}, "arms was"),
        (
            {"parameters": {"consolidation": {"max_guests": 9}, "memhog": {"guests": 4}}},
            r"parameters\.memhog\.guests was 3 and is now 4",
        ),
        ({"cells": [cell("a", 512)]}, r"cell a\.memory_mib was 960 and is now 512"),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], sentence: str) -> None:
    kept = _plan.merge(None, asked())
    with pytest.raises(BenchError, match=sentence):
        _plan.merge(kept, asked(**changes))


def test_cells_have_names_of_their_own() -> None:
    with pytest.raises(BenchError, match="Two cells of study s are named a: name each host once"):
        _plan.merge(None, asked(cells=[cell("a"), cell("a")]))
    with pytest.raises(BenchError, match=r"Two cells of study s are named Numa1\.x and numa1\.x:"):
        _plan.merge(None, asked(cells=[cell("Numa1.x"), cell("b"), cell("numa1.x")]))


def test_a_plan_of_something_else_is_refused(tmp_path: Path) -> None:
    assert _plan.read_plan(tmp_path) is None
    for text in ("{", "[]", '{"schema": "hintfleet.study/9"}'):
        (tmp_path / "study.json").write_text(text)
        with pytest.raises(BenchError, match="study_name"):
            _plan.read_plan(tmp_path)


def test_a_run_is_done_when_its_record_says_so(tmp_path: Path) -> None:
    runs = _plan.merge(None, asked())["runs"]
    for run, status in zip(runs, ("finished", "failed"), strict=False):
        folder = tmp_path / "runs" / run["run_id"]
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps({"outcome": {"status": status}}))
    statuses = [run["status"] for run in _plan.with_status(tmp_path, runs)]
    assert statuses[:3] == ["done", "pending", "pending"]


@pytest.mark.parametrize("name", ["../../evil", "a/b", "", ".a", "a\n"])
def test_names_that_would_be_paths_are_refused(name: str) -> None:
    for changes in (
        {"cells": [{**cell("a"), "name": name}]},
        {"cells": [{**cell("a"), "host": name}]},
        {"study": name},
    ):
        with pytest.raises(BenchError, match="cannot name a file"):
            _plan.merge(None, asked(**changes))


@pytest.mark.parametrize("record", ["{", "[]", '{"outcome": {"status": {}}}', '{"outcome": 1}'])
def test_nonsense_in_the_place_of_a_record_is_a_run_to_do(tmp_path: Path, record: str) -> None:
    runs = _plan.merge(None, asked())["runs"]
    folder = tmp_path / "runs" / runs[0]["run_id"]
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(record)
    assert {run["status"] for run in _plan.with_status(tmp_path, runs)} == {"pending"}


def test_a_plan_keeps_the_kernel_it_began_with() -> None:
    begun = _plan.merge(None, asked())
    drifted = {"guest_kernel": {"key": "k2", "asked": {"guest_kernel_version": "6.1"}}}
    assert _plan.merge(begun, asked(artifacts=drifted))["artifacts"] == begun["artifacts"]
    other = {"guest_kernel": {"key": "k2", "asked": {"guest_kernel_version": "6.12"}}}
    with pytest.raises(BenchError, match=r'guest_kernel_version was "6\.1" and is now "6\.12"'):
        _plan.merge(begun, asked(artifacts=other))


def test_a_plan_of_before_takes_what_it_goes_on_with() -> None:
    begun = _plan.merge(None, asked())
    before = {name: value for name, value in begun.items() if name != "artifacts"}
    assert _plan.merge(before, asked())["artifacts"] == begun["artifacts"]
