# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads results/<study>/: the plan and every run record, whatever their state.

A record that cannot be used costs itself: it becomes a Damage that names file, field, what was
expected and what was found, and the study is read without it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError, validators

from hintfleet.records.conforms import Check, compiled
from hintfleet.records.consistency import contradictions
from hintfleet.records.damage import Damage, DamagedError, UnusableError
from hintfleet.records.document import checked
from hintfleet.records.files import names_in, read_regular
from hintfleet.records.types import (
    Consolidation,
    Memhog,
    PageFault,
    PlannedRun,
    Recorded,
    RunRecord,
    StudyPlan,
    Tile,
)
from hintfleet.records.versions import RUN, STUDY, as_today

__all__ = [
    "SCHEMAS", "Damage", "DamagedError", "Run", "Study", "StudyFolder", "UnusableError", "copied",
    "is_earlier_attempt", "load_run", "load_study", "nothing_in", "open_study", "place_of",
    "read_json", "read_runs",
]  # fmt: skip

SCHEMAS = Path(__file__).parent / "schemas"
MOST_VALUES = 1 << 22
"""Of a record: each takes some hundred bytes once it is parsed."""
MOST_PLANNED_VALUES = 1 << 24
"""Of a plan: eight for each run, so two million runs."""
BYTES_A_VALUE = 16
"""A file may have so many for each value that it may have."""
NAMED_STUDIES = 20


@dataclass(frozen=True)
class Run:
    """One valid run record and the folder it was found in."""

    record: RunRecord
    folder: Path

    @property
    def run_id(self) -> str:
        return self.record["run_id"]

    @property
    def arm(self) -> str:
        return self.record["arm"]["name"]

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
    def tile(self) -> Tile | None:
        return cast(Tile | None, self._result_of("tile"))

    @property
    def recorded(self) -> Recorded | None:
        return cast(Recorded | None, self._result_of("recorded"))

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
    looks: int = 0
    """How often it was looked whether the study is settled."""

    def finished(self, workload: str | None = None) -> list[Run]:
        """Runs that came to their end, in the order of cells, blocks and run order."""
        return [run for run in self.runs if run.finished and workload in (None, run.workload)]


@dataclass(frozen=True)
class StudyFolder:
    """A study whose records are still to be read."""

    folder: Path
    name: str
    planned: tuple[PlannedRun, ...] | None
    runs: tuple[str, ...]
    """Names of the folders that may hold a record, in order."""
    damages: tuple[Damage, ...]
    looks: int = 0


def open_study(folder: Path) -> StudyFolder:
    """What is known of results/<study>/ before its records are read; UnusableError if it is none.

    A study without a plan has the name that its first good record tells.
    """
    names = _listed(folder / "runs") if "runs" in _listed(folder) else []
    # Names that begin with a dot are of runs that are being written.
    runs = tuple(name for name in names if not name.startswith("."))
    damages: list[Damage] = []
    plan = _load_plan(folder, damages)
    found = StudyFolder(folder, "", tuple(plan["runs"]) if plan else None, runs, tuple(damages))
    if plan:
        return replace(found, name=plan["study"], looks=len(plan.get("looks", ())))
    first = next(read_runs(found, runs, [], []), None)
    return replace(found, name=first.record["study"] if first else folder.name)


def read_runs(
    study: StudyFolder, names: Iterable[str], damages: list[Damage], earlier: list[Run]
) -> Iterator[Run]:
    """The runs in these folders, one after the other; what cannot be used is added to damages,
    attempts that a later one replaced to earlier."""
    for file in _record_files(study.folder, names, damages):
        try:
            run = load_run(file)
        except DamagedError as error:
            damages.append(error.damage)
            continue
        if is_earlier_attempt(run):
            earlier.append(run)
        elif study.name and run.record["study"] != study.name:
            expected = repr(study.name) + (
                " as in the first record" if study.planned is None else ""
            )
            damages.append(Damage(file, "study", expected, repr(run.record["study"])))
        else:
            yield run


def copied(run: Run, kept: Path) -> Damage:
    """What is wrong with a run that another folder holds, too."""
    found = f"{run.run_id} a second time, also in {kept}"
    return Damage(run.folder / "record.json", "run_id", "one record a run", found)


def nothing_in(folder: Path) -> UnusableError:
    """Why a folder without plan, records and damage is no study."""
    studies = sorted(one.parent.name for one in folder.glob("*/runs"))[:NAMED_STUDIES]
    remedy = f"the folder of one study: {', '.join(studies)}" if studies else "another folder"
    return UnusableError(
        f"{folder} holds no run record (runs/<run>/record.json); run the study first, or name "
        f"{remedy}"
    )


def load_study(folder: Path) -> Study:
    """Everything readable of results/<study>/; UnusableError if there is nothing."""
    found = open_study(folder)
    runs: dict[str, Run] = {}
    damages = list(found.damages)
    earlier: list[Run] = []
    for run in read_runs(found, found.runs, damages, earlier):
        first = runs.setdefault(run.run_id, run)
        if first is not run:
            kept, copy = (run, first) if run.folder.name == run.run_id else (first, run)
            runs[run.run_id] = kept
            damages.append(copied(copy, kept.folder))
    if not runs and not damages and found.planned is None:
        raise nothing_in(folder)
    ordered = sorted(runs.values(), key=place_of)
    return Study(
        found.name,
        folder,
        tuple(ordered),
        tuple(damages),
        found.planned,
        tuple(earlier),
        found.looks,
    )


def place_of(run: Run) -> tuple[str, int, int, str]:
    """Where a run stands when those of a study are told in order."""
    return run.cell, run.block, run.record["order"], run.workload


def _record_files(folder: Path, names: Iterable[str], damages: list[Damage]) -> Iterator[Path]:
    """The record.json of each of these runs; what is no folder of a run is a damage.

    A run without a record is missing, not damaged.
    """
    for run in (folder / "runs" / name for name in names):
        try:
            if run.is_symlink():
                raise _damaged(run, "folder", "a folder of this study", "a symbolic link")
            if run.is_dir() and "record.json" in names_in(run):
                yield run / "record.json"
        except DamagedError as error:
            damages.append(error.damage)
        except OSError as error:
            damages.append(Damage(run, "folder", "a readable folder", error.strerror or str(error)))


def _listed(folder: Path) -> list[str]:
    try:
        return names_in(folder)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise _no_results(folder, "is not a folder of results") from error
    except OSError as error:
        raise _no_results(folder, f"cannot be read: {error.strerror}") from error


def _no_results(folder: Path, cause: str) -> UnusableError:
    return UnusableError(f"{folder} {cause}; name one that holds runs/, such as results/<study>")


def is_earlier_attempt(run: Run) -> bool:
    """Whether a run lies in the folder of an attempt that was replaced by a later one."""
    return re.fullmatch(re.escape(run.run_id) + r"\.[0-9]+", run.folder.name) is not None


def load_run(file: Path) -> Run:
    """One record.json, checked against the schema and against itself; DamagedError if not."""
    document = as_today(read_json(file))
    _check_schema_name(file, document, RUN)
    _check_schema(file, document, "run_record.schema.json")
    record = cast(RunRecord, document)
    for field, expected, found in contradictions(record):
        raise _damaged(file, field, expected, found)
    return Run(record, file.parent)


def read_json(file: Path, most_values: int = MOST_VALUES) -> Any:
    """Parsed JSON, its text clean (text.py) and its numbers such as one can compute with
    (document.py); DamagedError for a file that is unreadable, no regular one, too large, or no
    such JSON."""
    content = read_regular(file, BYTES_A_VALUE * most_values)
    large = len(content) > most_values
    if large and sum(map(content.count, (b"[", b"{", b","))) > most_values:
        raise _damaged(file, "JSON", f"at most {most_values} values", "more")
    try:
        document = json.loads(content.decode("utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        cause = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
        found = f"{cause} ({where} of {len(content)} bytes)" if content else "an empty file"
        raise _damaged(file, "JSON", "a complete JSON document", found) from error
    except (RecursionError, ValueError) as error:
        raise _damaged(file, "JSON", "a JSON document in UTF-8", str(error)) from error
    return checked(file, document)


def _load_plan(folder: Path, damages: list[Damage]) -> StudyPlan | None:
    file = folder / "study.json"
    if not os.path.lexists(file):
        return None
    try:
        document = as_today(read_json(file, MOST_PLANNED_VALUES))
        _check_schema_name(file, document, STUDY)
        _check_schema(file, document, "study.schema.json")
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
        newer = re.fullmatch(r"[0-9]{1,9}", found.partition("/")[2])
        if newer and int(newer[0]) > int(version):
            raise _damaged(
                file,
                "schema",
                f"{wanted!r} (a newer hintfleet wrote this; update to read it)",
                repr(found),
            )
    raise _damaged(file, "schema", repr(wanted), repr(found) if "schema" in document else "nothing")


def _check_schema(file: Path, document: object, name: str) -> None:
    if not _plainly_meets(name)(document):
        for error in _validator(name).iter_errors(document):
            raise DamagedError(_schema_damage(file, error))


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
    found = "no such key" if error.validator == "required" else repr(error.instance)
    return Damage(file, field, expected, found)


def _missing_key(error: ValidationError) -> str:
    if error.validator != "required" or not isinstance(error.instance, dict):
        return ""
    keys = cast(Iterable[str], error.validator_value)
    return next((key for key in keys if key not in error.instance), "")


@cache
def _plainly_meets(name: str) -> Check:
    schema = cast(dict[str, Any], _validator(name).schema)
    return compiled(schema, schema.get("$defs", {}))


@cache
def _validator(name: str) -> Draft202012Validator:
    """JSON Schema takes 3.0 for an integer; what is counted here is written without a point."""
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    strict = validators.extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return cast(Draft202012Validator, strict(schema))


def _damaged(file: Path, field: str, expected: str, found: str) -> DamagedError:
    return DamagedError(Damage(file, field, expected, found))
