# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every tracked file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {".py", ".c", ".h", ".sh", ".yml"}


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_every_source_names_its_licence() -> None:
    without = [
        path.relative_to(ROOT)
        for path in tracked()
        if path.suffix in SOURCES
        and path.parent.name != "meta"
        and path.stat().st_size
        and "SPDX-License-Identifier" not in path.read_text()[:400]
    ]
    assert without == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in (path for path in tracked() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_large_files_stay_out() -> None:
    assert [p.name for p in tracked() if p.stat().st_size > 512 * 1024] == []
