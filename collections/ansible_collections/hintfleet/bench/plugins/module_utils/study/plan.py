# SPDX-License-Identifier: GPL-2.0-or-later
"""The plan of a study: which runs, in which order. Kept in study.json, never shuffled again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    is_finished,
    read_record,
    write_json,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import checked_name
from ansible_collections.hintfleet.bench.plugins.module_utils.study.order import order_of_block

SCHEMA = "hintfleet.study/1"
PLAN = "study.json"
# What must not change once a study has begun: its runs would not be comparable.
FIXED = ("seed", "mechanisms", "workloads", "parameters")


def planned_runs(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Every run of a plan, block by block, so that a study that is cut short is still balanced.

    Runs that start together, of cells that are side by side, follow each other. A place that the
    plan has given already stays: no version of this code moves a study that has begun.
    """
    runs = []
    given = {(r["cell"], r["block"], r["order"]): r["mechanism"] for r in plan.get("runs", ())}
    for block in range(1, plan["blocks"] + 1):
        for cells in _together(plan["cells"]):
            for place in range(1, len(plan["mechanisms"]) + 1):
                for workload in plan["workloads"]:
                    runs += [_run(plan, cell, block, place, workload, given) for cell in cells]
    return runs


def _together(cells: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Cells that work at the same time: those of one host that are side by side."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        alone = "" if cell.get("side_by_side") else cell["name"]
        groups.setdefault((cell["host"], alone), []).append(cell)
    return list(groups.values())


def _run(
    plan: dict[str, Any],
    cell: dict[str, Any],
    block: int,
    place: int,
    workload: str,
    given: dict[tuple[str, int, int], str],
) -> dict[str, Any]:
    mechanism = given.get((cell["name"], block, place))
    if mechanism is None:
        # A seed that was asked for draws the same again; without one, each study draws its own.
        draw = str(plan["seed"] or plan["study_id"])
        mechanism = order_of_block(draw, cell["name"], block, plan["mechanisms"])[place - 1]
    return {
        "run_id": f"{cell['name']}.b{block}.{mechanism}.{workload}",
        "cell": cell["name"],
        "host": cell["host"],
        "block": block,
        "order": place,
        "mechanism": mechanism,
        "workload": workload,
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
    names = [cell["name"] for cell in asked["cells"]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BenchError(f"Two cells of study {asked['study']} are named {twice}; rename one.")
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
    if schema != SCHEMA:
        raise BenchError(
            f"{path} is no plan of this version of hintfleet ({schema}); give the study another "
            "study_name, or remove that folder."
        )
    return plan


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
