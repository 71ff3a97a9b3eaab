# SPDX-License-Identifier: GPL-2.0-or-later
"""What a store knows of a study beside its runs: what was planned, what is missing and why, what
was tried before, what is damaged.

    <store>/studies/study=S/part-*.parquet     a row for each of these

One part a study, replaced whole by every export: what was missing once may be there now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, islice
from pathlib import Path
from typing import Any

from hintfleet.records.damage import Damage
from hintfleet.records.observed import not_run
from hintfleet.records.text import clean
from hintfleet.records.types import PlannedRun
from hintfleet.store.parquet import studies_schema, write_part

PLANNED, MISSING, EARLIER, DAMAGED = "planned", "missing", "earlier attempt", "damaged"
LOOKED = "looked"
KINDS = (PLANNED, MISSING, EARLIER, DAMAGED, LOOKED)
"""Kinds of rows."""

ROWS_AT_ONCE = 10_000


def write_study(
    root: Path,
    study: str,
    folder: Path,
    plan: Sequence[PlannedRun] | None,
    known: Set[str],
    earlier_attempts: int,
    damages: Sequence[Damage],
    looks: int = 0,
) -> None:
    """Replaces what the store knows of a study; known: runs that have a record."""
    import pyarrow as pa

    rows: Iterator[Mapping[str, Any]] = chain(
        ({"kind": PLANNED, **one} for one in plan or ()),
        (
            {"kind": MISSING, "run_id": one.run_id, "status": one.status, "reason": one.reason}
            for one in not_run(folder, plan or (), known, damages)
        ),
        ({"kind": EARLIER} for _ in range(earlier_attempts)),
        ({"kind": LOOKED} for _ in range(looks)),
        (
            {
                "kind": DAMAGED,
                "file": _place(one.file, folder, study),
                "field": one.field,
                "expected": one.expected,
                "found": one.found,
            }
            for one in damages
        ),
    )
    tables = [studies_schema().empty_table()]
    while some := list(islice(rows, ROWS_AT_ONCE)):
        tables.append(pa.Table.from_pylist(some, schema=studies_schema()))
    write_part(root / "studies" / f"study={study}", pa.concat_tables(tables), study)


def _place(file: Path, folder: Path, study: str) -> str:
    """A file by its place in the study: a store is given away without folders' names."""
    inside = file.is_relative_to(folder)
    return clean(str(Path(study, file.relative_to(folder) if inside else file.name)))


def damages_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[Damage]:
    """What was damaged when studies were exported."""
    for row in rows:
        texts = (str(row[name] or "") for name in ("field", "expected", "found"))
        yield Damage(Path(row["file"] or ""), *texts)
