# SPDX-License-Identifier: GPL-2.0-or-later
"""A study on disk for each test that wants one."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import Builder


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """An unwritten study of three blocks; change its fields, then write()."""
    return Builder(tmp_path)
