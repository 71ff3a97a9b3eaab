# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated host for all tests of this folder: it takes a minute or two to come up."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lab_host import LAB, Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.fail("Building the lab's image needs root: run this test as root.")
    lab = Lab(tmp_path_factory.mktemp("lab"))
    try:
        lab.play(LAB, lab_state="up")
        yield lab
    finally:
        lab.play(LAB, lab_state="down")
    assert not (lab.folder / "lab").exists()
    assert not lab.inventory.exists()
