# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the example reports beside this file, and the README's, from real studies.

    python docs/examples/render.py                   # from the studies packed here
    python docs/examples/render.py results/laptop    # packs this study first: it replaces the old
    python docs/examples/render.py --pictures        # also what Chromium shows of the HTML

A packed study holds what a report is made of: the plan, records and samples. It has no consoles,
and of the host's kernel only the version.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from functools import cache
from pathlib import Path

import matplotlib.image
from hintfleet.cli import main as main_of_hintfleet
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.render import html, json_report, markdown, terminal
from hintfleet.render.console import THEME, as_text
from hintfleet.report.build import Report, build_report
from rich.console import Console

FOLDER = Path(__file__).resolve().parent
README = FOLDER.parents[1] / "README.md"
MARKS = ("<!-- first screen, by make examples -->\n", "<!-- end of the first screen -->\n")
PACKED = "-study.tar.xz"
MAIN = "laptop"
"""The study that the README shows, and of which there is every report."""

PLANS = (
    "--validate {}",
    "--from {}",
    "--from {} --stagger-minutes 10 --active-minutes 9 --idle-minutes 81 --spread 0",
)
CHROMIUM = ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
PHONE = (390, 844)
DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", type=Path, help="results/<study>, to pack first")
    parser.add_argument("--pictures", action="store_true", help="needs Debian's chromium")
    options = parser.parse_args()
    if options.results:
        pack(options.results)
    for study in studies():
        for name, text in texts(study).items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        if options.pictures:
            pictures(study)
    README.write_text(with_first_screen(README.read_text(encoding="utf-8")), encoding="utf-8")
    for file in sorted(set(FOLDER.iterdir()) - {Path(__file__).resolve()}):
        print(f"{file.stat().st_size / 1024:7.0f} KiB  {file.relative_to(Path.cwd())}")
    return 0


def studies() -> list[str]:
    """Names of the packed studies; the reports call their folders results/<name>."""
    return sorted(file.name.removesuffix(PACKED) for file in FOLDER.glob(f"*{PACKED}"))


def pack(results: Path) -> None:
    """Packs a study so that the same study gives the same bytes."""
    with tarfile.open(FOLDER / f"{results.name}{PACKED}", "w:xz", preset=9) as archive:
        for file in (
            results / "study.json",
            *sorted(results.glob("runs/*/record.json")),
            *sorted(results.glob("runs/*/samples.csv")),
        ):
            content = file.read_bytes()
            if file.name == "record.json":
                content = without_the_machine(content)
            name = Path("results", results.name, file.relative_to(results))
            entry = tarfile.TarInfo(str(name))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def without_the_machine(record: bytes) -> bytes:
    """A record without what tells more of a host than a report needs: how its kernel was built
    and started."""
    document = json.loads(record)
    host = document["provenance"]["host"]
    host["kernel_release"] = host["kernel_release"].partition("-")[0]
    host["kernel_command_line"] = "left out"
    return json.dumps(document).encode()


@contextmanager
def unpacked(study: str) -> Iterator[None]:
    """Within it, the packed study is in the folder results/<study>."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(FOLDER / f"{study}{PACKED}", folder)
        with chdir(folder):
            yield


@cache
def report_of(study: str) -> Report:
    """The report of a packed study."""
    with unpacked(study):
        return build_report(observe(load_study(Path("results", study))))


def printed(study: str, *arguments: str) -> str:
    """A command about a packed study, as a user types it, and what it prints."""
    with unpacked(study), redirect_stdout(io.StringIO()) as out:
        main_of_hintfleet([*arguments, "--width", "80"])
    lines = [f"$ hintfleet {' '.join(arguments)}", *out.getvalue().splitlines()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def texts(study: str) -> dict[str, str]:
    """Every report that is text, by the name of its file."""
    report, folder = report_of(study), f"results/{study}"
    found = {
        f"{study}.txt": as_text(terminal.render(report, 80, detail=True), 80),
        f"{study}.svg": first_screen_svg(report, study),
        f"{study}.html": html.render(report),
    }
    if study == MAIN:
        plans = [printed(study, "plan", *options.format(folder).split()) for options in PLANS]
        found |= {
            f"{study}.md": markdown.render(report),
            f"{study}.json": json_report.render(report),
            f"{study}-plan.txt": "\n".join(plans),
            f"{study}-published.txt": printed(study, "compare", folder, "--published", "v10-cover"),
        }
    return found


def with_first_screen(readme: str) -> str:
    """The README with the first screen between its marks."""
    screen = as_text(terminal.render(report_of(MAIN), 80), 80)
    before, _, rest = readme.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}```\n{screen}```\n{MARKS[1]}{after}"


def first_screen_svg(report: Report, study: str) -> str:
    """A picture of the terminal that loads no font from elsewhere."""
    console = Console(
        theme=THEME, width=80, file=io.StringIO(), record=True, force_terminal=True,
        color_system="truecolor", highlight=False, emoji=False, markup=False,
    )  # fmt: skip
    console.print(terminal.render(report, 80))
    svg = console.export_svg(title=f"hintfleet report results/{study}", unique_id="hintfleet")
    return re.sub(r"\s*@font-face {.*?}\n", "\n", svg, flags=re.DOTALL)


def pictures(study: str) -> None:
    """What a browser shows: a window on a desk, and a phone in the dark."""
    page = (FOLDER / f"{study}.html").as_uri()
    with tempfile.TemporaryDirectory() as folder:
        phone = Path(folder) / "phone.html"
        # Chromium has no window as narrow as a phone, a frame can be
        phone.write_text(
            f'<body style="margin:0"><iframe src="{page}" width="{PHONE[0]}" height="{PHONE[1]}" '
            'style="border:0">'
        )
        _photograph(page, f"{study}-html.png", folder, "--window-size=1000,1250")
        _photograph(
            phone.as_uri(), f"{study}-html-phone.png", folder, "--window-size=500,844", *DARK
        )
    target = FOLDER / f"{study}-html-phone.png"
    matplotlib.image.imsave(target, matplotlib.image.imread(target)[:, : PHONE[0]])


def _photograph(address: str, name: str, profile: str, *options: str) -> None:
    command = [*CHROMIUM, f"--user-data-dir={profile}", "--allow-file-access-from-files", *options]
    subprocess.run(
        [*command, f"--screenshot={FOLDER / name}", address],
        check=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


if __name__ == "__main__":
    sys.exit(main())
