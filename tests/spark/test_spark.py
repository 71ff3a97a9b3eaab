# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/scale.md tells users of Spark to type gives the numbers of the report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documented import (
    LIKE_NUMBERS,
    Rows,
    hold_against_report,
    python,
    statements,
    write_documented,
)

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A session on this machine, small and without a window in the browser."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    yield session
    session.stop()


def in_spark(statement: str) -> str:
    """A statement as the documentation says to change it."""
    views = re.sub(r"read_parquet\('store/(\w+)/.*?\)", r"\1", statement)
    return views.replace("unnest(", "explode(")


@pytest.mark.parametrize("study", LIKE_NUMBERS)
def test_spark_gives_the_numbers_of_the_report(spark: Any, tmp_path: Path, study: str) -> None:
    documented = write_documented(tmp_path, study)
    exec(python("spark").replace('"store/', f'"{documented.folder}/'), {"spark": spark})  # noqa: S102

    def ask(name: str) -> Rows:
        return list(
            spark.sql(in_spark(statements()[name]).replace("'june'", f"'{study}'")).collect()
        )

    hold_against_report(ask, documented.report)
