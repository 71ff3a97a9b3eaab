# SPDX-License-Identifier: GPL-2.0-or-later
"""The documentation site as a browser shows it, read from a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def site() -> Path:
    subprocess.run(["make", "site"], cwd=ROOT, check=True)
    return ROOT / "build" / "site"


def shown(page: Path, profile: Path) -> str:
    """The page's text as the browser laid it out, with its scripts run."""
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    ended = subprocess.run(
        [*command, f"--user-data-dir={profile}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    return ended.stdout


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("index.html", "how many more guests fit, and what does it cost?"),
        ("statistics.html", "Every statistic is a pure function"),
        ("roles/numa_host.html", "numa_host_swap_device"),
        ("plugins/run.html", "hintfleet.bench.run"),
    ],
)
def test_a_page_opens_and_leads_on(site: Path, tmp_path: Path, page: str, says: str) -> None:
    text = shown(site / page, tmp_path)
    assert says in text
    for link in ("security.html", "study.html", "workplace.html"):
        assert link in text, f"no way from {page} to {link}"


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.parent.name == "examples":
            continue  # reports, held by tests of their own
        for tag in ("src=", '<link rel="stylesheet" href='):
            for part in page.read_text().split(tag)[1:]:
                assert not part[1:].startswith(("http", "//")), f"{page.name}: {part[:80]}"
