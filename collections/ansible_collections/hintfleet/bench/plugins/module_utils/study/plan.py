# SPDX-License-Identifier: GPL-2.0-or-later
"""The plan of a study: which runs, in which order. Kept in study.json, never shuffled again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import (
    USUAL_BASELINE,
    Arm,
    from_plan,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    is_finished,
    read_record,
    write_json,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import checked_name
from ansible_collections.hintfleet.bench.plugins.module_utils.study.order import (
    arms_of_block,
    order_of_block,
)

SCHEMA = "hintfleet.study/2"
FIRST_SCHEMA = "hintfleet.study/1"  # whose arms were mechanisms
PLAN = "study.json"
# What must not change once a study has begun: its runs would not be comparable.
FIXED = ("seed", "arms", "baseline", "workloads", "parameters")


def planned_runs(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Every run of a plan, block by block, so that a study that is cut short is still balanced.

    Runs that start together, of cells that are side by side, follow each other. A place that the
    plan has given already stays: no version of this code moves a study that has begun.
    """
    runs = []
    given: dict[tuple[str, int], dict[int, str]] = {}
    for run in plan.get("runs", ()):
        given.setdefault((run["cell"], run["block"]), {})[run["order"]] = run["arm"]
    arms = {arm["name"]: from_plan(arm) for arm in plan["arms"]}
    for block in range(1, plan["blocks"] + 1):
        for cells in _together(plan["cells"]):
            orders = {cell["name"]: _order(plan, cell["name"], block, given) for cell in cells}
            for place in range(max(map(len, orders.values()))):
                for workload in plan["workloads"]:
                    for cell in cells:
                        arm = arms[orders[cell["name"]][place]]
                        first = plan["workloads"][0]
                        runs.append(_run(cell, block, place + 1, arm, workload, first))
    return runs


def _together(cells: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Cells that work at the same time: those of one host that are side by side."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        alone = "" if cell.get("side_by_side") else cell["name"]
        groups.setdefault((cell["host"], alone), []).append(cell)
    return list(groups.values())


def _order(
    plan: dict[str, Any], cell: str, block: int, given: dict[tuple[str, int], dict[int, str]]
) -> list[str]:
    """The arms of a block by name, in the order in which they run."""
    kept = given.get((cell, block))
    if kept is not None:
        return [kept[place] for place in sorted(kept)]
    # A seed that was asked for draws the same again; without one, each study draws its own.
    draw = str(plan["seed"] or plan["study_id"])
    names = [arm["name"] for arm in plan["arms"]]
    return order_of_block(
        draw, cell, block, arms_of_block(draw, cell, block, names, plan["baseline"])
    )


def _run(
    cell: dict[str, Any], block: int, place: int, arm: Arm, workload: str, first: str
) -> dict[str, Any]:
    named = f"{cell['name']}.b{block}.{arm.file_name}"
    return {
        "run_id": f"{named}.{workload}",
        "cell": cell["name"],
        "host": cell["host"],
        "block": block,
        "order": place,
        "arm": arm.name,
        "mechanism": arm.mechanism,
        "workload": workload,
        # Runs that share an arm share a proof, that of the first of them.
        "proof_of": "" if workload == first else f"{named}.{first}",
    }


def merge(kept: dict[str, Any] | None, asked: dict[str, Any]) -> dict[str, Any]:
    """The plan to go on with: the one that is kept, with the cells and blocks that are new.

    Cells that are not asked for stay: this play may be limited to a part of the fleet.
    Raises BenchError if something else differs, or if a name cannot be one of files.
    """
    checked_name(asked["study"], "The study")
    for cell in asked["cells"]:
        checked_name(cell["name"], "A cell")
        checked_name(cell["host"], "A host")
    _check_told_apart([cell["name"] for cell in asked["cells"]], asked["study"])
    if kept is None:
        return {**asked, "runs": planned_runs(asked)}
    differences = [_difference(name, kept[name], asked[name]) for name in FIXED]
    begun = {**asked.get("artifacts", {}), **kept.get("artifacts", {})}
    for name, artifact in asked.get("artifacts", {}).items():
        differences.append(_difference(name, begun[name]["asked"], artifact["asked"]))
    cells = {cell["name"]: cell for cell in kept["cells"]}
    for cell in asked["cells"]:
        if cell["name"] in cells:
            differences.append(_difference(f"cell {cell['name']}", cells[cell["name"]], cell))
        cells.setdefault(cell["name"], cell)
    found = "; ".join(filter(None, differences))
    if found:
        raise BenchError(
            f"Study {asked['study']} was begun with other values ({found}); give this one another "
            "study_name, or remove the results of the earlier one."
        )
    blocks = max(kept["blocks"], asked["blocks"])
    merged = {**kept, "blocks": blocks, "cells": list(cells.values()), "artifacts": begun}
    return {**merged, "runs": planned_runs(merged)}


def _check_told_apart(names: list[str], study: str) -> None:
    """Names of cells name folders, and those of hosts are one name in any capitals. Raises
    BenchError."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(name.lower())
        if other is not None:
            both = name if name == other else f"{other} and {name}"
            raise BenchError(
                f"Two cells of study {study} are named {both}: name each host once, and by names "
                "that differ in more than capitals."
            )
        seen[name.lower()] = name


def _difference(name: str, was: Any, now: Any) -> str:
    """What differs, by the innermost name; empty if nothing does."""
    if was == now:
        return ""
    if isinstance(was, dict) and isinstance(now, dict):
        inner = [_difference(f"{name}.{k}", was.get(k), now.get(k)) for k in {**was, **now}]
        return "; ".join(filter(None, inner))
    return f"{name} was {json.dumps(was)} and is now {json.dumps(now)}"


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan kept in a study's folder, None if there is none; raises BenchError."""
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        plan: dict[str, Any] = json.loads(path.read_text())
        schema = plan["schema"]
    except (ValueError, KeyError, TypeError):
        schema = "damaged"
    if schema == FIRST_SCHEMA:
        return _of_today(plan)
    if schema != SCHEMA:
        raise BenchError(
            f"{path} is no plan of this version of hintfleet ({schema}); give the study another "
            "study_name, or remove that folder."
        )
    return plan


def _of_today(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan of the first version, in which an arm was a mechanism."""
    names = plan.pop("mechanisms")
    runs = [{**run, "arm": run["mechanism"]} for run in plan["runs"]]
    arms = [Arm(name, name).as_dict() for name in names]
    baseline = USUAL_BASELINE if USUAL_BASELINE in names else names[0]
    return {**plan, "schema": SCHEMA, "arms": arms, "baseline": baseline, "runs": runs}


def write_plan(folder: Path, plan: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / PLAN, plan)


def with_status(folder: Path, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs, each with status done or pending."""
    return [
        {
            **run,
            "status": "done"
            if is_finished(read_record(folder / "runs" / run["run_id"]))
            else "pending",
        }
        for run in runs
    ]
