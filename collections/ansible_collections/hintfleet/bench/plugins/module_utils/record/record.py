# SPDX-License-Identifier: GPL-2.0-or-later
"""The run record and its folder: written whole or not at all, and carried to the controller.

The schema is analysis/hintfleet/records/schemas/run_record.schema.json.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import checked_name

SCHEMA = "hintfleet.run/2"
RECORD = "record.json"
MISSING = "missing"  # a study's folder of reasons why there is no record
STATUSES = ("finished", "failed", "aborted")
SPENT = ("boot", "proof", "settling", "measuring", "teardown")  # where the time of a run goes
LOG = "runner.log"  # what the runner said itself; empty if all went as it should


def utc(timestamp: float) -> str:
    """Seconds since the epoch as the schema's time."""
    moment = datetime.fromtimestamp(timestamp, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def write_json(path: Path, content: Any) -> None:
    """Write whole or not at all, and onto the disk: a host may lose power the next moment."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # The new name is in the folder, which reaches the disk by itself only seconds later.
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record in a run's folder; None if there is none, or nothing that says how it ended."""
    try:
        record = json.loads((folder / RECORD).read_text())
        return record if record["outcome"]["status"] in STATUSES else None
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def is_finished(record: dict[str, Any] | None) -> bool:
    return record is not None and record["outcome"]["status"] == "finished"


def note_missing(results_dir: Path, name: str, sentence: str) -> None:
    """Keep why a run, or all that is left of a host, brought no record: missing/<name>.txt."""
    path = _missing(results_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sentence + "\n")


def forget_missing(results_dir: Path, name: str) -> None:
    _missing(results_dir, name).unlink(missing_ok=True)


def _missing(results_dir: Path, name: str) -> Path:
    return results_dir / MISSING / f"{checked_name(name, 'A run or host')}.txt"


def new_record(request: dict[str, Any]) -> dict[str, Any]:
    """A record of a run that has not got anywhere yet: what was asked for."""
    now = utc(time.time())
    kernel, image = request["guest_kernel"]["manifest"], request["guest_image"]["manifest"]
    return {
        "schema": SCHEMA,
        "run_id": request["run_id"],
        "study": request["study"],
        "cell": request["cell"],
        "block": request["block"],
        "order": request["order"],
        "arm": {
            "name": request["arm"]["name"],
            "states": request["arm"]["states"],
            "differs": request["arm"]["differs"],
            "shows": {},
        },
        "baseline": request["baseline"],
        "mechanism": request["arm"]["mechanism"],
        "workload": request["workload"],
        "parameters": request["parameters"],
        "started": now,
        "finished": now,
        "duration_seconds": 0.0,
        "outcome": {"status": "aborted", "reason": "The run has not ended."},
        "proof": None,
        "result": None,
        "guests": [],
        "provenance": {
            "host": {},
            "qemu": {"version": "unknown", "accelerator": request["accelerator"]},
            "guest_kernel": kernel,
            "guest_image": image,
            "hintfleet": request["versions"],
        },
        "parity": {},
        "spent": dict.fromkeys(SPENT, 0.0),
        "host_cpu_seconds": {"user": 0.0, "system": 0.0},
        "files": {"samples": None, "consoles": [], "host_log": None},
    }


def keep_earlier(folder: Path) -> Path | None:
    """Move an earlier attempt aside, as <run_id>.1, .2 and so on; None if there is none."""
    if not folder.exists():
        return None
    return folder.rename(free_name(folder))


def free_name(folder: Path) -> Path:
    """Where to keep an attempt at the run aside."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return aside


def earlier_attempts(folder: Path) -> list[Path]:
    """Folders of earlier attempts at the run, oldest first; of other studies' runs, too."""
    found = [path for path in folder.parent.glob(f"{folder.name}.*") if path.suffix[1:].isdigit()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def record_files(record: dict[str, Any]) -> list[str]:
    """Names of the files that belong to a record."""
    files = record["files"]
    single = [files.get(name) for name in ("samples", "proof_samples", "host_log")]
    return [name for name in [*single, *files.get("consoles", [])] if name]


def pack(folder: Path) -> dict[str, str]:
    """The files of a run by name, compressed, as text; none if it has no record."""
    record = read_record(folder)
    names = [RECORD, LOG, *record_files(record)] if record else []
    paths = [folder / name for name in names]
    return {
        path.name: base64.b64encode(gzip.compress(path.read_bytes(), mtime=0)).decode()
        for path in paths
        if path.exists() and (path.name != LOG or path.stat().st_size)
    }
