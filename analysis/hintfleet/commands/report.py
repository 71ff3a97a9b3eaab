# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet report RESULTS"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from hintfleet.commands.output import (
    WIDTH_OF_FILES,
    add_output_options,
    add_share_option,
    exit_code,
    write,
    write_terminal,
)
from hintfleet.records.observed import observe
from hintfleet.records.read import UnusableError, load_study
from hintfleet.records.share import Sharing
from hintfleet.render import json_report, markdown, terminal
from hintfleet.render.console import as_text
from hintfleet.report.build import Report, build_report
from hintfleet.store.observed import observe_store
from hintfleet.store.parquet import is_store

DESCRIPTION = (
    "What a study found: how many more guests fit under each arm, what it costs, and how "
    "far each figure is to be believed."
)

FILES = {
    "report.json": "json",
    "report.html": "html",
    "report.md": "markdown",
    "report.txt": "terminal",
}
"""What --save writes, by format."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="results/<study>, or a Parquet store"
    )
    add_output_options(parser)
    parser.add_argument("--detail", action="store_true", help="every block, curve and figure")
    parser.add_argument("--study", metavar="NAME", help="the only study of a store to report on")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help=f"also write it there in every format: {', '.join(FILES)}",
    )
    add_share_option(parser)


def main(options: argparse.Namespace) -> int:
    """Writes the report and returns the exit code of its verdict."""
    report = _report(options)
    if options.save:
        _save(report, options.save)
    if options.format == "terminal":
        write_terminal(
            lambda width: terminal.render(report, width, options.ascii, options.detail),
            options,
            options.output,
        )
    else:
        write(_text(report, options.format), options.output)
    return exit_code(report.verdict)


def _save(report: Report, folder: Path) -> None:
    """The report in every format, of one reading."""
    for name, form in FILES.items():
        if form == "terminal":
            text = as_text(terminal.render(report, WIDTH_OF_FILES, detail=True), WIDTH_OF_FILES)
        else:
            text = _text(report, form)
        write(text, folder / name)


def _report(options: argparse.Namespace) -> Report:
    if is_store(options.results):
        if options.share:
            raise UnusableError(
                "a store has the names that it was written with: write one with hintfleet export "
                "--share, and report on that"
            )
        return build_report(observe_store(options.results, options.study))
    study = load_study(options.results)
    if options.study not in (None, study.name):
        raise UnusableError(f"{options.results} is of study {study.name}, not {options.study}")
    if not options.share:
        return build_report(observe(study))
    sharing = Sharing(study)
    report = build_report(observe(sharing.study))
    return replace(report, damages=tuple(map(sharing.damage, report.damages)))


def _text(report: Report, form: str) -> str:
    if form == "json":
        return json_report.render(report)
    if form == "markdown":
        return markdown.render(report)
    from hintfleet.render import html  # draws plots: slow to import, and rarely wanted

    return html.render(report)
