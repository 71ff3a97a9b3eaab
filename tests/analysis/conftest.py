# SPDX-License-Identifier: GPL-2.0-or-later
"""A study on disk for each test that wants one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.report.build import Report, build_report
from synthetic import Builder


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of three blocks, for tests that only read it."""
    return Builder(tmp_path_factory.mktemp("results")).write()


@pytest.fixture(scope="session")
def laptop_report(laptop: Path) -> Report:
    """Its report."""
    return build_report(observe(load_study(laptop)))


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """An unwritten study of three blocks; change its fields, then write()."""
    return Builder(tmp_path)
