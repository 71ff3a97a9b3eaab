# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host sends of a run: looked at on the controller, then kept whole or not at all.

Every function raises BenchError if what was sent is not what was asked for.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import (
    USUAL_BASELINE,
    from_plan,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    LOG,
    RECORD,
    SCHEMA,
    STATUSES,
    earlier_attempts,
    free_name,
    keep_earlier,
    read_record,
    record_files,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import (
    SHOWN,
    checked_name,
    cleaned,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.run.preflight import asked_parameters

RECORD_MIB = 16
MOST_VALUES = 1 << 20  # in a record; each takes some hundred bytes once it is read
RUN_MIB = 128  # all files of a run together, unpacked
MOST_FILES = 256
MOST_EARLIER = 32  # attempts at a run, the newest, taken at a time
LONGEST_SECONDS = 1 << 32
MIB = 2**20
PIECE_BYTES = 8 * MIB
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)
# What every attempt at a run must have in common with what is asked for.
IDENTITY = {"study": str, "run_id": str, "block": int, "order": int, "workload": str}  # fmt: skip
CELL = {"name": str, "host": str, "node": int, "memory_mib": float, "swap_mib": float}
# And the one that answers, besides.
ARTIFACTS = ("guest_kernel", "guest_image")

Files = dict[str, str]
"""Content by name: compressed with gzip, as base64."""


def record_of(files: Files, asked: dict[str, Any]) -> dict[str, Any]:
    """The record of an attempt at the run that is asked for (the module's arguments)."""
    if not isinstance(files, dict) or RECORD not in files:
        raise BenchError(f"there is no {RECORD}")
    content = b"".join(_unpacked(RECORD, files[RECORD], RECORD_MIB * MIB))
    if sum(map(content.count, (b"[", b"{", b","))) > MOST_VALUES:
        raise BenchError(f"{RECORD} holds more than {MOST_VALUES} values")
    try:
        record = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BenchError(f"{RECORD} is no JSON") from None
    if not isinstance(record, dict):
        raise BenchError(f"{RECORD} is no object")
    _check_form(record)
    for name, kind in IDENTITY.items():
        _check_same(name, record.get(name), kind(asked[name]))
    arm, told = asked["arm"], record["arm"]
    _check_same("mechanism", record.get("mechanism"), arm["mechanism"])
    _check_same("arm.name", told.get("name"), arm["name"])
    _check_same("arm.states", told.get("states"), arm.get("states") or {})
    for name, kind in CELL.items():
        _check_same(f"cell.{name}", record["cell"].get(name), kind(asked["cell"][name]))
    _check_files(files, record)
    return record


def check_answer(record: dict[str, Any], asked: dict[str, Any]) -> None:
    """The record that answers what is asked now, not one of an earlier attempt."""
    told, seen = record["provenance"], record.get("parameters")
    for name in ARTIFACTS:
        _check_same(f"provenance.{name}", told.get(name), asked[name]["manifest"])
    qemu = told.get("qemu")
    accelerator = qemu.get("accelerator") if isinstance(qemu, dict) else None
    _check_same("provenance.qemu.accelerator", accelerator, asked["accelerator"])
    # Else a host would choose in what its runs may differ from others', unnoticed.
    _check_same("arm.differs", record["arm"].get("differs"), from_plan(asked["arm"]).differs)
    _check_same("baseline", record.get("baseline"), asked.get("baseline", USUAL_BASELINE))
    parameters = asked_parameters(asked)
    for name in sorted(parameters.keys() | (seen.keys() if isinstance(seen, dict) else set())):
        found = seen.get(name) if isinstance(seen, dict) else None
        _check_same(f"parameters.{_shown(name)[1:-1]}", found, parameters.get(name))


def keep(files: Files, started: str, folder: Path) -> None:
    """Make `folder` of an attempt; another one that is there is kept aside.

    If this very attempt is there, somebody else who had waited for it was quicker.
    """
    there = read_record(folder)
    if there is not None and there.get("started") == started:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        left = RUN_MIB * MIB
        for name, content in files.items():
            with (temporary / name).open("wb") as file:
                for piece in _unpacked(name, content, left):
                    left -= file.write(piece)
        keep_earlier(folder)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def keep_missing(files: Files, started: str, folder: Path) -> None:
    """Keep an earlier attempt beside `folder`, unless it is there: in `folder` or beside it."""
    here = [read_record(path) for path in (folder, *earlier_attempts(folder))]
    if started not in [attempt.get("started") for attempt in here if attempt]:
        keep(files, started, free_name(folder))


def _unpacked(name: str, content: object, limit: int) -> Iterator[bytes]:
    """A file's bytes, a piece at a time, so that a small one cannot become a large one unseen."""
    try:
        packed = base64.b64decode(content, validate=True) if isinstance(content, str) else b""
        gzip = zlib.decompressobj(wbits=31)
        size = 0
        while not gzip.eof:
            piece = gzip.decompress(packed, PIECE_BYTES)
            packed = gzip.unconsumed_tail
            if not piece and not gzip.eof:
                raise BenchError(f"{name} is cut short")
            size += len(piece)
            if size > limit:
                raise BenchError(
                    f"{name} is too large: a record has at most {RECORD_MIB} MiB, and all files of "
                    f"a run {RUN_MIB} MiB"
                )
            yield piece
    except (ValueError, zlib.error):
        raise BenchError(f"{name} is not packed as it should be") from None
    if gzip.unused_data:
        raise BenchError(f"{name} has something after its end")


def _check_form(record: dict[str, Any]) -> None:
    """As far as the controller reads a record; a report checks all of it, by the schema."""
    for name in ("cell", "arm", "outcome", "provenance", "files"):
        if not isinstance(record.get(name), dict):
            raise BenchError(f"{RECORD} has no {name}")
    outcome = record["outcome"]
    _check_same("schema", record.get("schema"), SCHEMA)
    if outcome.get("status") not in STATUSES:
        raise BenchError(f"outcome.status is {_shown(outcome.get('status'))}")
    if not isinstance(outcome.get("reason"), str | None):
        raise BenchError(f"outcome.reason is {_shown(outcome.get('reason'))}")
    if not is_duration(record.get("duration_seconds")):
        raise BenchError(f"duration_seconds is {_shown(record.get('duration_seconds'))}")
    if not isinstance(record.get("started"), str) or not TIME.fullmatch(record["started"]):
        raise BenchError(f"started is {_shown(record.get('started'))}, no time")


def is_duration(value: object) -> bool:
    """Whether a value can be seconds that something took."""
    return isinstance(value, int | float) and 0 <= value < LONGEST_SECONDS


def _check_files(files: Files, record: dict[str, Any]) -> None:
    consoles = record["files"].get("consoles", [])
    if not isinstance(consoles, list) or len(files) > MOST_FILES or len(consoles) > MOST_FILES:
        raise BenchError(f"there are more than {MOST_FILES} files, or files.consoles is no list")
    names = [checked_name(name, "a file of the record") for name in record_files(record)]
    strangers = set(files) - {RECORD, LOG, *names}
    if strangers:
        raise BenchError(f"the record knows nothing of a file {_shown(min(strangers, key=str))}")


def _check_same(name: str, found: object, asked: object) -> None:
    # True is 1 and 1.0 is 1 to Python, and only the latter is meant.
    if found != asked or isinstance(found, bool) != isinstance(asked, bool):
        raise BenchError(f"{name} is {_shown(found)}, and {_shown(asked)} was asked for")


def _shown(value: object) -> str:
    return str(cleaned(repr(value)))[:SHOWN]


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
