# SPDX-License-Identifier: GPL-2.0-or-later
"""A study as one would publish it: every figure and doubt, but nobody's names, paths or logs.

What may stay is listed, in the schema and here; whatever else a record holds is left out. Hosts
and cells are numbered in the order of the plan, which is fixed before the first run: the names
stay the same however often a study is shared, and nothing about the true ones can be learnt.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from hintfleet.records.damage import Damage
from hintfleet.records.read import SCHEMAS, Run, Study
from hintfleet.records.text import file_name
from hintfleet.records.types import Arm, PlannedRun, RunRecord

LEFT_OUT = "left out"

HOST_FACTS = frozenset({
    "cpu_model", "cpus", "memory_mib", "nodes", "kernel_release", "thp_enabled", "thp_defrag",
    "ksm_run", "swappiness", "proactive_reclaim", "numa_balancing", "load_1min_before", "os",
    "swap_write_mib_per_second", "swap_page_read_microseconds", "swap_direct",
})  # fmt: skip
"""Facts of a host that tell no more than what kind of machine it was."""

PARITY_TEXTS = frozenset({
    "accelerator", "qemu_version", "guest_kernel_key", "guest_kernel_sha256",
    "guest_kernel_config_sha256", "guest_kernel_debug_options", "guest_image_sha256", "cell_cpus",
    "host_cpu_model", "host_kernel_release", "host_thp_enabled", "host_thp_defrag",
    "guest_thp_enabled",
})  # fmt: skip
"""Texts that must agree between mechanisms and may be told; of others only whether they do."""

SHARED_PIECES = frozenset({"kernel", "kernel_arguments", "guest_settings", "guest_thp", "backing"})
"""What arms state that tells nothing of the hosts; of other pieces only that they are stated."""

FILES = ("record.json", "samples.csv", "study.json")
SHARED_CELL = r"host[0-9]+-cell[0-9]+"


def is_shared(run_id: str) -> bool:
    """Whether a run has the name that it is shared under."""
    return re.match(SHARED_CELL + r"\.b[0-9]", run_id) is not None


class Sharing:
    """`study` to be published, and `damage` for what is found damaged later. Samples stay where
    they are; they hold numbers only."""

    def __init__(self, study: Study) -> None:
        names = _Names(study)
        self._folders = names.folders
        self.study = replace(
            study,
            folder=Path("results", study.name),
            runs=tuple(_shared_run(run, names) for run in study.runs),
            damages=tuple(map(self.damage, study.damages)),
            planned=study.planned and tuple(map(names.planned, study.planned)),
            earlier_attempts=tuple(_shared_run(run, names) for run in study.earlier_attempts),
        )

    def damage(self, damage: Damage) -> Damage:
        """Which field of which run's file, but not what was found there."""
        folder = self._folders.get(damage.file.parent.name, LEFT_OUT)
        name = damage.file.name if damage.file.name in FILES else LEFT_OUT
        return Damage(Path(folder, name), damage.field, damage.expected, LEFT_OUT)


class _Names:
    """Pseudonyms of hosts and cells, and a number for each text that is not told."""

    def __init__(self, study: Study) -> None:
        runs = (*study.runs, *study.earlier_attempts)
        measured = sorted((run.record["cell"]["host"], run.cell) for run in runs)
        of_cell = {cell: host for host, cell in measured}
        planned = [
            (run.get("host") or of_cell.get(run["cell"]) or _host_of(run["cell"]), run["cell"])
            for run in study.planned or ()
        ]
        self._hosts: dict[str, str] = {}
        self._cells: dict[str, str] = {}
        self._texts: dict[str, dict[str, str]] = defaultdict(dict)
        counted: dict[str, int] = defaultdict(int)
        for host, cell in (*planned, *measured):
            known = self._hosts.setdefault(host, f"host{len(self._hosts) + 1}")
            if cell not in self._cells:
                counted[host] += 1
                self._cells[cell] = f"{known}-cell{counted[host]}"
        named = [(run.run_id, self.run_id(run.record, run.cell)) for run in runs]
        named += [(run["run_id"], self.run_id(run, run["cell"])) for run in study.planned or ()]
        self.folders = dict(named) | {new: new for _, new in named}
        """By the folder of a run, or the name it has been given: that name."""

    def host(self, name: str) -> str:
        return self._hosts[name]

    def cell(self, name: str) -> str:
        return self._cells[name]

    def run_id(self, run: RunRecord | PlannedRun, cell: str) -> str:
        return f"{self.cell(cell)}.b{run['block']}.{file_name(_arm_of(run))}.{run['workload']}"

    def planned(self, run: PlannedRun) -> PlannedRun:
        keep = ("block", "order", "arm", "mechanism", "workload")
        found = {key: run[key] for key in keep}  # type: ignore[literal-required]
        found["run_id"], found["cell"] = self.run_id(run, run["cell"]), self.cell(run["cell"])
        return cast(PlannedRun, found)

    def text(self, name: str, value: str) -> str:
        """Equal for equal texts of a study, and no more."""
        known = self._texts[name]
        return known.setdefault(value, f"text {len(known) + 1} ({LEFT_OUT})")


def _shared_run(run: Run, names: _Names) -> Run:
    schema, source = _schema(), run.record
    record = _listed(source, schema, schema["$defs"])
    record["result"] = source["result"] and _listed(
        source["result"], schema["$defs"][run.workload], schema["$defs"]
    )
    record["cell"] |= {
        "host": names.host(source["cell"]["host"]),
        "name": names.cell(run.cell),
    }
    record["run_id"] = names.run_id(source, run.cell)
    record["arm"] = _shared_arm(source["arm"])
    record["parameters"] = _without_texts(source["parameters"])
    record["partial"] = None
    if source["outcome"]["reason"]:
        record["outcome"]["reason"] = LEFT_OUT
    for guest in record["guests"]:
        guest |= {
            "command_line": [],
            "kernel_command_line": LEFT_OUT,
            "warnings": [LEFT_OUT for _ in guest["warnings"]],
        }
    host = source["provenance"]["host"]
    record["provenance"]["host"] = {key: host[key] for key in host if key in HOST_FACTS}
    record["parity"] = {
        name: names.text(name, value)
        if isinstance(value, str) and name not in PARITY_TEXTS
        else value
        for name, value in source["parity"].items()
    }
    record["files"] = {"samples": source["files"]["samples"]}
    if "imported" in record:
        record["imported"] = dict.fromkeys(("source", "file"), LEFT_OUT)
    result = record["result"] or {}
    of_tiles = (one for tiles in result.get("tiles", []) for one in tiles["programs"])
    for entry in (*result.get("guests", []), *of_tiles):
        if entry.get("censored"):
            entry["censored"] = LEFT_OUT
    if result.get("stop_reason"):
        result["stop_reason"] = LEFT_OUT
    return Run(cast(RunRecord, record), run.folder)


def _shared_arm(arm: Arm) -> Arm:
    """What it states as far as that is listed, and that it was shown, but not as what."""
    states = {
        piece: value if piece in SHARED_PIECES else LEFT_OUT
        for piece, value in arm["states"].items()
    }
    return {**arm, "states": states, "shows": dict.fromkeys(arm["shows"], LEFT_OUT)}


def _arm_of(run: RunRecord | PlannedRun) -> str:
    arm = run["arm"]
    return arm if isinstance(arm, str) else arm["name"]


def _host_of(cell: str) -> str:
    """A cell that was not measured yet is named after its host and node."""
    return re.sub(r"-node[0-9]+\Z", "", cell)


@cache
def _schema() -> dict[str, Any]:
    text = (SCHEMAS / "run_record.schema.json").read_text(encoding="utf-8")
    return cast(dict[str, Any], json.loads(text))


def _without_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: LEFT_OUT if isinstance(v, str) else v for key, v in values.items()}


def _listed(value: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """A copy with the keys that the schema lists; all keys where it lists none but their kind."""
    schema = _choice(value, schema, definitions)
    if isinstance(value, list):
        return [_listed(item, schema.get("items", {}), definitions) for item in value]
    if not isinstance(value, dict):
        return value
    others = schema.get("additionalProperties")
    listed = schema.get("properties", {})
    return {
        key: _listed(item, listed.get(key, others or {}), definitions)
        for key, item in value.items()
        if key in listed or others
    }


def _choice(
    value: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Mapping[str, Any]:
    if "$ref" in schema:
        return cast(Mapping[str, Any], definitions[schema["$ref"].rpartition("/")[2]])
    objects: Iterable[Mapping[str, Any]] = schema.get("oneOf", ())
    if isinstance(value, dict):
        return next((one for one in objects if one.get("type") == "object"), schema)
    return schema
