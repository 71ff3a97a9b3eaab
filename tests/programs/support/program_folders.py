# SPDX-License-Identifier: GPL-2.0-or-later
"""The program folders, and what each is held to."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
ROLE = CHECKOUT / "roles/guest_image"
FOLDERS = {folder.name: folder for folder in sorted((ROLE / "files/programs").iterdir())}
PROGRAMS: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((folder / "program.yml").read_text()) for name, folder in FOLDERS.items()
}
ALONE = [name for name, program in PROGRAMS.items() if not program["packages"]]
PACKAGED = [name for name, program in PROGRAMS.items() if program["packages"]]

PERCENTILES = ("p50_ms", "p99_ms", "p999_ms")


def smallest_mib(program: dict[str, Any]) -> int:
    """What a program works on in the smallest guest that it has a size for."""
    sizes = program["sizes"]
    return int(sizes[min(sizes)])


def example(folders: Path) -> Path:
    """The folder of the program that docs/extending.md adds, written as it says there."""
    page = (CHECKOUT / "docs/extending.md").read_text()
    folder = folders / "sqlite"
    folder.mkdir()
    for kind, name in (("yaml", "program.yml"), ("sh", "run")):
        heading = f"# {ROLE.relative_to(CHECKOUT)}/files/programs/sqlite/{name}"
        pattern = rf"```{kind}\n((?:#!.*\n)?{heading}.*?)```"
        (text,) = re.findall(pattern, page, re.DOTALL)
        (folder / name).write_text(text)
    (folder / "run").chmod(0o755)
    return folder


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a program that did its phase said, which is one line, as it is held to."""
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1 and done.stdout.endswith("\n"), done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    assert {"work", "seconds"} <= set(found) <= {"work", "seconds", *PERCENTILES}
    assert found["work"] > 0 and found["seconds"] > 0
    times = [found[name] for name in PERCENTILES if found.get(name) is not None]
    assert len(times) in (0, len(PERCENTILES))
    assert times == sorted(times) and all(0 < time <= 1000 * found["seconds"] for time in times)
    return found


def compile_into(folder: Path) -> None:
    """The static programs of the image, into a folder."""
    for source in (ROLE / "files/src").glob("*.c"):
        words = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", folder / source.stem, source]
        subprocess.run([*words, "-static", "-pthread", "-lm"], check=True)
