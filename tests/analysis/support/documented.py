# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of docs/scale.md for DuckDB, Dask and Spark, and the numbers that all must give: those
of the report of the same store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hintfleet import cli
from hintfleet.report.build import Report, build_report
from hintfleet.store.observed import observe_store
from synthetic import LAPTOP, Builder, Truth

SCALE = Path(__file__).parents[3] / "docs" / "scale.md"
LIKE_NUMBERS = {"0012": "12", "1e3": "1000", "null": "true"}
"""Names of studies that a reader of folders' names may take for something else than text, and of
another study beside each, which as a number is the same."""

Rows = Sequence[Sequence[Any]]
Ask = Callable[[str], Rows]
"""What an engine answers to a statement of the documentation, by its name."""


def statements() -> dict[str, str]:
    """The SQL of docs/scale.md by the name in its first line."""
    return dict(re.findall(r"```sql\n-- (\w+)\n(.*?)```", SCALE.read_text(), re.DOTALL))


def python(name: str) -> str:
    """The Python of docs/scale.md with this name in its first line."""
    return dict(re.findall(r"```python\n# (\w+)\n(.*?)```", SCALE.read_text(), re.DOTALL))[name]


@dataclass(frozen=True)
class Documented:
    """A store of several studies, and the report of the one that is asked about."""

    folder: Path
    study: str
    report: Report


def write_documented(root: Path, study: str) -> Documented:
    """Two mechanisms on eleven hosts, two blocks of each; one run, without proof, fits fewer. A
    small study lies beside it."""
    folder = root / "store"
    small = Builder(root, study=LIKE_NUMBERS[study], mechanisms=("none", "page_hinting"), blocks=1)
    cli.main(["export", str(small.write()), "--output", str(folder)])
    builder = Builder(root, study=study, mechanisms=("none", "page_hinting"), blocks=2, noise=0.03)
    builder.cells = tuple(f"host{k}-node0" for k in range(11))
    builder.truth = {
        "none": LAPTOP["none"],
        "page_hinting": Truth(6, 1.2, 0.0, 98_000.0, 990.0, 0.6),
    }
    results = builder.write()
    [spoilt] = results.glob("runs/host2-node0.b1.page_hinting.consolidation/record.json")
    record = json.loads(spoilt.read_text())
    record["proof"]["as_expected"] = False
    record["result"]["guests_without_swap"] = 3
    spoilt.write_text(json.dumps(record))
    cli.main(["export", str(results), "--output", str(folder)])
    return Documented(folder, study, build_report(observe_store(folder, study)))


def hold_against_report(ask: Ask, report: Report) -> None:
    """Every statement gives the numbers of the report."""
    density = ask("density")
    assert [row[0] for row in density] == ["none", "page_hinting"]
    for mechanism, runs, guests, idle, seconds in density:
        figures = report.density[mechanism].figures
        assert runs == figures["guests_without_swap"].n
        assert guests == figures["guests_without_swap"].estimate
        assert idle == pytest.approx(figures["idle_footprint_mib"].estimate, rel=0.01)
        if seconds is not None:
            assert seconds == report.memory[mechanism].figures["seconds_to_return_90"].estimate
    [(mechanism, hosts, more, error)] = ask("gain")
    effect = report.density["page_hinting"].figures["more_guests_than_none"]
    assert (mechanism, hosts) == ("page_hinting", 11)
    assert more == pytest.approx(effect.estimate)
    assert error >= 0.0
    memhog = {(name, guest): (seconds, died) for name, guest, seconds, died in ask("memhog")}
    assert len(memhog) == 6
    for (name, guest), (seconds, died) in memhog.items():
        figure = report.memhog[name].figures[f"guest{guest}_seconds"]
        assert seconds == pytest.approx(figure.estimate, rel=0.02)
        assert died == figure.censored == 0
    faults = ask("faults")
    assert [row[0] for row in faults] == ["none", "page_hinting"]
    for name, low, high in faults:
        estimate = report.page_fault[name].figures["fault_p99_ns"].estimate
        merged = report.page_fault[name].merged
        assert merged is not None and low <= (estimate or 0.0) <= high
        assert {low, high} <= set(merged[0].tolist())
    assert [tuple(row) for row in ask("swap")] == [("none", 66, 244.0), ("page_hinting", 66, 65.0)]
