# SPDX-License-Identifier: GPL-2.0-or-later
"""Host-wide kernel settings that decide what a memory benchmark measures, and the way back."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import write_json

SCHEMA = "hintfleet.found/1"

# Relative to the root of the file system, so that a test can offer its own.
KNOBS: dict[str, str] = {
    "thp_enabled": "sys/kernel/mm/transparent_hugepage/enabled",
    "thp_defrag": "sys/kernel/mm/transparent_hugepage/defrag",
    "ksm_run": "sys/kernel/mm/ksm/run",
    "swappiness": "proc/sys/vm/swappiness",
    "numa_balancing": "proc/sys/kernel/numa_balancing",
    "zswap_enabled": "sys/module/zswap/parameters/enabled",
    "zswap_compressor": "sys/module/zswap/parameters/compressor",
    "zswap_max_pool_percent": "sys/module/zswap/parameters/max_pool_percent",
}
# What the kernel takes where the file itself does not list it.
TAKES: dict[str, list[str]] = {
    "ksm_run": ["0", "1", "2"],
    "swappiness": [str(number) for number in range(201)],
    "numa_balancing": ["0", "1", "2", "3"],
    "zswap_enabled": ["N", "Y"],
    "zswap_compressor": ["lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "deflate", "842"],
    "zswap_max_pool_percent": [str(number) for number in range(1, 101)],
}


def selected(text: str) -> str:
    """The value in force: `always [madvise] never` is madvise, anything else is itself."""
    match = re.search(r"\[([^\]]+)\]", text)
    return match.group(1) if match else text.strip()


def read_all(root: Path = Path("/")) -> dict[str, str | None]:
    """Each known setting's value; None where this kernel does not have it."""
    values: dict[str, str | None] = {}
    for name, path in KNOBS.items():
        file = root / path
        values[name] = selected(file.read_text()) if file.exists() else None
    return values


def refusals(wanted: Mapping[str, Any], root: Path = Path("/")) -> list[str]:
    """What is wrong with the values that are wanted, a sentence each without the full stop."""
    return [said for name, value in wanted.items() if (said := _refusal(name, str(value), root))]


def _refusal(name: str, value: str, root: Path) -> str:
    if name not in KNOBS:
        return f"{name} is not known: choose from {', '.join(KNOBS)}"
    file = root / KNOBS[name]
    if not file.exists():
        return ""
    text = file.read_text()
    taken = TAKES.get(name) or re.sub(r"[\[\]]", "", text).split()
    if value not in taken:
        shown = ", ".join(taken) if len(taken) < 10 else f"{taken[0]} to {taken[-1]}"
        return f"{name} cannot be {value}: give one of {shown}"
    if value != selected(text) and os.geteuid() == 0 and not os.access(file, os.W_OK):
        return f"{name} is {selected(text)} and {file} cannot be written, as in a container"
    return ""


def changes(current: Mapping[str, str | None], wanted: Mapping[str, str]) -> dict[str, str]:
    """What to write to get from `current` to `wanted`; a setting this kernel lacks is left out."""
    return {
        name: value
        for name, value in wanted.items()
        if current.get(name) is not None and current[name] != value
    }


def write(values: Mapping[str, str], root: Path = Path("/")) -> None:
    """Write settings and read each back. Raises BenchError."""
    for name, value in values.items():
        file = root / KNOBS[name]
        try:
            file.write_text(value)
        except OSError as error:
            raise BenchError(
                f"Host setting {name} ({file}) does not take {value!r} ({error.strerror}): "
                "give a value this kernel accepts, and run as root."
            ) from error
        if selected(file.read_text()) != value:
            raise BenchError(
                f"Host setting {name} ({file}) was given {value!r} and holds "
                f"{selected(file.read_text())!r}: something else on this host sets it; stop that."
            )


def new_record(
    settings: Mapping[str, str | None], subtree_control: list[str], notes: Mapping[str, Any]
) -> dict[str, Any]:
    """What was found on a host before hintfleet changed it.

    `settings` maps names to values (None: not in this kernel), `changed` will list the settings
    hintfleet has set, `subtree_control` the controllers cgroup v2's root passed on.
    """
    return {
        "schema": SCHEMA,
        "recorded": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "settings": dict(settings),
        "changed": [],
        "subtree_control": list(subtree_control),
        "notes": dict(notes),
    }


def load(path: Path) -> dict[str, Any] | None:
    """The record at `path`, or None if there is none. Raises BenchError."""
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
    except ValueError as error:
        raise BenchError(
            f"Record {path} is damaged ({error}): it says how this host was before hintfleet; "
            "repair it, or set the host's settings by hand and delete it."
        ) from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise BenchError(
            f"Record {path} is not of schema {SCHEMA}: it was written by another version of "
            "hintfleet; clean up with that version first."
        )
    return record


def store(path: Path, record: Mapping[str, Any]) -> None:
    """Write the record so that a crash leaves the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record)


def with_used(record: Mapping[str, Any], used: Mapping[str, str]) -> dict[str, Any]:
    """The record, with names that hintfleet has used on this host beside those of earlier times.

    What was named when the host was prepared is found when it is cleaned, named again or not.
    """
    known: dict[str, list[str]] = record.get("used", {})
    more = {name: sorted({*known.get(name, []), it}) for name, it in used.items()}
    return {**record, "used": {**known, **more}} if more else dict(record)


def used(record: Mapping[str, Any] | None, name: str, also: str) -> list[str]:
    """All that the record has under `name`, and one more."""
    return sorted({*(record or {}).get("used", {}).get(name, []), also})


def to_restore(record: Mapping[str, Any], current: Mapping[str, str | None]) -> dict[str, str]:
    """What to write so that every setting hintfleet changed is again as it was found."""
    found = {name: record["settings"][name] for name in record["changed"]}
    return changes(current, {name: value for name, value in found.items() if value is not None})


@contextlib.contextmanager
def meanwhile(found: Path, wanted: Mapping[str, str], root: Path = Path("/")) -> Iterator[None]:
    """Have settings for a time, and put back at its end what was there. Raises BenchError.

    The record at `found` has it before anything changes: what is killed meanwhile is put back by
    the next who asks (`put_back`), or when the host is cleaned.
    """
    put_back(found, root)
    record = load(found)
    if record is None:
        raise BenchError(f"Host has no {found}; prepare it first (role numa_host).")
    now = read_all(root)
    writes = changes(now, wanted)
    if not writes:
        yield
        return
    was = {name: now[name] for name in writes}
    settings = {**{name: now[name] for name in writes}, **record["settings"]}
    changed = sorted({*record["changed"], *writes})
    store(found, {**record, "settings": settings, "changed": changed, "meanwhile": was})
    try:
        write(writes, root)
        yield
    finally:
        put_back(found, root)


def put_back(found: Path, root: Path = Path("/")) -> None:
    """Put back what somebody has set for a time and did not live to put back."""
    record = load(found)
    was = borrowed(record)
    if record is None or not was:
        return
    write(changes(read_all(root), was), root)
    store(found, {name: value for name, value in record.items() if name != "meanwhile"})


def borrowed(record: Mapping[str, Any] | None) -> dict[str, str]:
    """What a run has set for its time, by name, and what was there before."""
    return dict((record or {}).get("meanwhile", {}))
