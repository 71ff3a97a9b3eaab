# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the example reports beside this file, and the README's, from a real study.

    python docs/examples/render.py                   # from the study packed here
    python docs/examples/render.py results/laptop    # packs this study first: it replaces the old
    python docs/examples/render.py --pictures        # also what Chromium shows of the HTML

The packed study holds what a report is made of: the plan, records and samples. It has no consoles,
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
PACKED = FOLDER / "laptop-study.tar.xz"
STUDY = Path("results/laptop")
"""What the reports call the folder of the study."""

PLANS = (
    f"--validate {STUDY}",
    f"--from {STUDY}",
    f"--from {STUDY} --stagger-minutes 10 --active-minutes 9 --idle-minutes 81 --spread 0",
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
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    README.write_text(with_first_screen(README.read_text(encoding="utf-8")), encoding="utf-8")
    if options.pictures:
        pictures()
    for file in sorted(FOLDER.glob("laptop*")):
        print(f"{file.stat().st_size / 1024:7.0f} KiB  {file.relative_to(Path.cwd())}")
    return 0


def pack(results: Path) -> None:
    """Packs a study so that the same study gives the same bytes."""
    with tarfile.open(PACKED, "w:xz", preset=9) as archive:
        for file in (
            results / "study.json",
            *sorted(results.glob("runs/*/record.json")),
            *sorted(results.glob("runs/*/samples.csv")),
        ):
            content = file.read_bytes()
            if file.name == "record.json":
                content = without_the_machine(content)
            entry = tarfile.TarInfo(str(STUDY / file.relative_to(results)))
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
def unpacked() -> Iterator[None]:
    """Within it, the packed study is in the folder STUDY."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(PACKED, folder)
        with chdir(folder):
            yield


@cache
def study_report() -> Report:
    """The report of the packed study."""
    with unpacked():
        return build_report(observe(load_study(STUDY)))


def printed(*arguments: str) -> str:
    """A command about the packed study, as a user types it, and what it prints."""
    with unpacked(), redirect_stdout(io.StringIO()) as out:
        main_of_hintfleet([*arguments, "--width", "80"])
    lines = [f"$ hintfleet {' '.join(arguments)}", *out.getvalue().splitlines()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def texts() -> dict[str, str]:
    """Every report that is text, by the name of its file."""
    report = study_report()
    return {
        "laptop.txt": as_text(terminal.render(report, 80, detail=True), 80),
        "laptop.svg": first_screen_svg(report),
        "laptop.html": html.render(report),
        "laptop.md": markdown.render(report),
        "laptop.json": json_report.render(report),
        "laptop-plan.txt": "\n".join(printed("plan", *options.split()) for options in PLANS),
        "laptop-published.txt": printed("compare", str(STUDY), "--published", "v10-cover"),
    }


def with_first_screen(readme: str) -> str:
    """The README with the first screen between its marks."""
    screen = as_text(terminal.render(study_report(), 80), 80)
    before, _, rest = readme.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}```\n{screen}```\n{MARKS[1]}{after}"


def first_screen_svg(report: Report) -> str:
    """A picture of the terminal that loads no font from elsewhere."""
    console = Console(
        theme=THEME, width=80, file=io.StringIO(), record=True, force_terminal=True,
        color_system="truecolor", highlight=False, emoji=False, markup=False,
    )  # fmt: skip
    console.print(terminal.render(report, 80))
    svg = console.export_svg(title=f"hintfleet report {STUDY}", unique_id="hintfleet")
    return re.sub(r"\s*@font-face {.*?}\n", "\n", svg, flags=re.DOTALL)


def pictures() -> None:
    """What a browser shows: a window on a desk, and a phone in the dark."""
    page = (FOLDER / "laptop.html").as_uri()
    with tempfile.TemporaryDirectory() as folder:
        phone = Path(folder) / "phone.html"
        # Chromium has no window as narrow as a phone, a frame can be
        phone.write_text(
            f'<body style="margin:0"><iframe src="{page}" width="{PHONE[0]}" height="{PHONE[1]}" '
            'style="border:0">'
        )
        _photograph(page, "laptop-html.png", folder, "--window-size=1000,1250")
        _photograph(phone.as_uri(), "laptop-html-phone.png", folder, "--window-size=500,844", *DARK)
    target = FOLDER / "laptop-html-phone.png"
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
