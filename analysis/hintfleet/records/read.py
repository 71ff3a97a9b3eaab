# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads results/<study>/: the plan and every run record, whatever their state.

A record that cannot be used costs itself: it becomes a Damage that names file, field, what was
expected and what was found, and the study is read without it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError

from hintfleet.records.consistency import contradictions
from hintfleet.records.types import (
    Consolidation,
    Memhog,
    PageFault,
    PlannedRun,
    RunRecord,
    StudyPlan,
)

SCHEMAS = Path(__file__).parent / "schemas"
LARGEST_RECORD_BYTES = 64 << 20


@dataclass(frozen=True)
class Damage:
    """One file that could not be used, and why."""

    file: Path
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: {self.field}: expected {self.expected}, found {self.found}"


class UnusableError(Exception):
    """What was asked for cannot be read; the message names object, cause and remedy."""


class DamagedError(Exception):
    """A file cannot be used; carries the Damage."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(str(damage))
        self.damage = damage


@dataclass(frozen=True)
class Run:
    """One valid run record and the folder it was found in."""

    record: RunRecord
    folder: Path

    @property
    def run_id(self) -> str:
        return self.record["run_id"]

    @property
    def mechanism(self) -> str:
        return self.record["mechanism"]

    @property
    def workload(self) -> str:
        return self.record["workload"]

    @property
    def block(self) -> int:
        return self.record["block"]

    @property
    def cell(self) -> str:
        return self.record["cell"]["name"]

    @property
    def finished(self) -> bool:
        return self.record["outcome"]["status"] == "finished"

    @property
    def consolidation(self) -> Consolidation | None:
        return cast(Consolidation | None, self._result_of("consolidation"))

    @property
    def memhog(self) -> Memhog | None:
        return cast(Memhog | None, self._result_of("memhog"))

    @property
    def page_fault(self) -> PageFault | None:
        return cast(PageFault | None, self._result_of("page_fault"))

    @property
    def samples_file(self) -> Path | None:
        name = self.record["files"]["samples"]
        return self.folder / name if name else None

    def _result_of(self, workload: str) -> object:
        return self.record["result"] if self.workload == workload and self.finished else None


@dataclass(frozen=True)
class Study:
    """All that was found of one study."""

    name: str
    folder: Path
    runs: tuple[Run, ...]
    damages: tuple[Damage, ...] = ()
    planned: tuple[PlannedRun, ...] | None = None
    earlier_attempts: tuple[Run, ...] = ()
    """Runs that were tried again; each is kept in <run_id>.1, .2 and so on."""

    def finished(self, workload: str | None = None) -> list[Run]:
        """Runs that came to their end, in the order of cells, blocks and run order."""
        return [run for run in self.runs if run.finished and workload in (None, run.workload)]


def load_study(folder: Path) -> Study:
    """Everything readable of results/<study>/; UnusableError if there is nothing."""
    if not folder.is_dir():
        raise UnusableError(
            f"{folder} is not a folder of results; name one that holds runs/, "
            "such as results/<study>"
        )
    runs: dict[str, Run] = {}
    damages: list[Damage] = []
    earlier: list[Run] = []
    plan = _load_plan(folder, damages)
    # A folder that begins with a dot is a run that was on its way when its controller died.
    for file in sorted((folder / "runs").glob("[!.]*/record.json")):
        try:
            run = load_run(file)
            if is_earlier_attempt(run):
                earlier.append(run)
                continue
            if plan and run.record["study"] != plan["study"]:
                raise _damaged(file, "study", repr(plan["study"]), repr(run.record["study"]))
            if run.run_id in runs:
                first = runs[run.run_id]
                kept, copy = (run, first) if run.folder.name == run.run_id else (first, run)
                runs[run.run_id] = kept
                raise _damaged(
                    copy.folder / "record.json",
                    "run_id",
                    "one record a run",
                    f"{run.run_id} a second time, also in {kept.folder}",
                )
        except DamagedError as error:
            damages.append(error.damage)
        else:
            runs[run.run_id] = run
    name = plan["study"] if plan else next((r.record["study"] for r in runs.values()), folder.name)
    if not plan:
        for run in list(runs.values()):
            if run.record["study"] != name:
                file = run.folder / "record.json"
                damages.append(
                    Damage(
                        file, "study", f"{name!r} as in the first record", repr(run.record["study"])
                    )
                )
                del runs[run.run_id]
    if not runs and not damages and not plan:
        studies = sorted(one.parent.name for one in folder.glob("*/runs"))
        remedy = f"the folder of one study: {', '.join(studies)}" if studies else "another folder"
        raise UnusableError(
            f"{folder} holds no run record (runs/<run>/record.json); run the study first, or "
            f"name {remedy}"
        )
    ordered = sorted(runs.values(), key=lambda r: (r.cell, r.block, r.record["order"], r.workload))
    planned = tuple(plan["runs"]) if plan else None
    return Study(name, folder, tuple(ordered), tuple(damages), planned, tuple(earlier))


def is_earlier_attempt(run: Run) -> bool:
    """Whether a run lies in the folder of an attempt that was replaced by a later one."""
    name, _, number = run.folder.name.rpartition(".")
    return name == run.run_id and number.isdigit()


def load_run(file: Path) -> Run:
    """One record.json, checked against the schema and against itself; DamagedError if not."""
    document = read_json(file)
    _check_schema_name(file, document, "hintfleet.run/1")
    for error in _validator("run_record.schema.json").iter_errors(document):
        raise DamagedError(_schema_damage(file, error))
    record = cast(RunRecord, document)
    for field, expected, found in contradictions(record):
        raise _damaged(file, field, expected, found)
    return Run(record, file.parent)


def read_json(file: Path) -> Any:
    """Parsed JSON; DamagedError for a file that is unreadable, too large, truncated or has NaN."""
    try:
        size = file.stat().st_size
        if size > LARGEST_RECORD_BYTES:
            raise _damaged(file, "size", f"at most {LARGEST_RECORD_BYTES} bytes", f"{size} bytes")
        document = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        cause = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
        found = "an empty file" if size == 0 else f"{cause} ({where} of {size} bytes)"
        raise _damaged(file, "JSON", "a complete JSON document", found) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _damaged(file, "JSON", "a JSON document in UTF-8", _short(str(error))) from error
    except OSError as error:
        raise _damaged(file, "file", "a readable file", error.strerror or str(error)) from error
    for field, number in _numbers(document):
        if not math.isfinite(number):
            raise _damaged(file, field, "a finite number", str(number))
    return document


def _load_plan(folder: Path, damages: list[Damage]) -> StudyPlan | None:
    file = folder / "study.json"
    if not file.exists():
        return None
    try:
        document = read_json(file)
        _check_schema_name(file, document, "hintfleet.study/1")
        for error in _validator("study.schema.json").iter_errors(document):
            raise DamagedError(_schema_damage(file, error))
    except DamagedError as error:
        damages.append(error.damage)
        return None
    return cast(StudyPlan, document)


def _check_schema_name(file: Path, document: object, wanted: str) -> None:
    if not isinstance(document, dict):
        raise _damaged(file, "document", "a JSON object", type(document).__name__)
    found = document.get("schema")
    if found == wanted:
        return
    kind, _, version = wanted.partition("/")
    if isinstance(found, str) and found.startswith(kind + "/"):
        newer = found.partition("/")[2]
        if newer.isdigit() and int(newer) > int(version):
            raise _damaged(
                file,
                "schema",
                f"{wanted!r} (a newer hintfleet wrote this; update to read it)",
                repr(found),
            )
    raise _damaged(file, "schema", repr(wanted), repr(found) if "schema" in document else "nothing")


def _schema_damage(file: Path, error: ValidationError) -> Damage:
    """The deepest cause of a schema error, in words."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    field = ".".join(str(part) for part in error.absolute_path) or "document"
    limit = error.validator_value
    wording = {
        "required": f"the key {_missing_key(error)!r}",
        "type": f"{limit}" if isinstance(limit, str) else f"one of {limit}",
        "enum": f"one of {limit}",
        "const": repr(limit),
        "minimum": f"at least {limit}",
        "maximum": f"at most {limit}",
        "exclusiveMinimum": f"more than {limit}",
        "pattern": f"text like {limit}",
    }
    expected = wording.get(str(error.validator), f"{error.validator} {limit}")
    found = "no such key" if error.validator == "required" else _short(repr(error.instance))
    return Damage(file, field, expected, found)


def _missing_key(error: ValidationError) -> str:
    if error.validator != "required" or not isinstance(error.instance, dict):
        return ""
    keys = cast(Iterable[str], error.validator_value)
    return next((key for key in keys if key not in error.instance), "")


def _numbers(document: object, path: str = "") -> Iterator[tuple[str, float]]:
    """Every float of a parsed document with its path; 1e999 is JSON and parses to infinity."""
    stack: list[tuple[str, object]] = [(path, document)]
    while stack:
        where, value = stack.pop()
        if isinstance(value, float):
            yield where, value
        elif isinstance(value, dict):
            stack.extend((f"{where}.{key}".lstrip("."), item) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((f"{where}.{index}".lstrip("."), x) for index, x in enumerate(value))


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / name).read_text(encoding="utf-8")))


def _damaged(file: Path, field: str, expected: str, found: str) -> DamagedError:
    return DamagedError(Damage(file, field, expected, found))


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
