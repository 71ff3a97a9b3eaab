# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/scale.md tells users of DuckDB and Dask to type gives the numbers of the report, for
studies whose names look like numbers, too. Spark: tests/spark."""

from __future__ import annotations

from typing import Any

import pytest
from documented import (
    LIKE_NUMBERS,
    Documented,
    Rows,
    hold_against_report,
    python,
    statements,
    write_documented,
)


@pytest.fixture(scope="module", params=LIKE_NUMBERS)
def documented(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Documented:
    """A store, and the study in it that is asked about."""
    return write_documented(tmp_path_factory.mktemp("scale"), request.param)


def test_every_statement_is_run() -> None:
    assert set(statements()) == {"density", "gain", "memhog", "faults", "swap"}


def test_sql_gives_the_numbers_of_the_report(documented: Documented) -> None:
    import duckdb

    def ask(name: str) -> Rows:
        query = statements()[name].replace("'june'", f"'{documented.study}'")
        return duckdb.sql(query.replace("'store/", f"'{documented.folder}/")).fetchall()

    hold_against_report(ask, documented.report)


def test_dask_gives_the_numbers_of_the_report(documented: Documented) -> None:
    found: dict[str, Any] = {}
    code = python("dask").replace('"store/', f'"{documented.folder}/')
    exec(code.replace('"june"', repr(documented.study)), found)  # noqa: S102
    swap, gain = found["swap"], found["gain"]
    assert swap.loc["none"].tolist() == [66, 244.0]
    assert swap.loc["page_hinting"].tolist() == [66, 65.0]
    effect = documented.report.density["page_hinting"].figures["more_guests_than_none"]
    assert gain.to_dict() == {"page_hinting": pytest.approx(effect.estimate)}
