# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet compare A B, hintfleet compare A --published SOURCE"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hintfleet.commands.output import add_output_options, exit_code, write, write_terminal
from hintfleet.records.observed import observe
from hintfleet.records.read import UnusableError, load_study
from hintfleet.render import comparison as terminal
from hintfleet.render import markdown
from hintfleet.render.view import comparison_document
from hintfleet.report.compare import Comparison, Side, compare, side_of, side_of_published
from hintfleet.report.published import load_published, sources

DESCRIPTION = (
    "Two studies side by side (before and after a kernel, two fleets), or a study and the figures "
    "published in 2019, with what differs in conditions."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("first", type=Path, metavar="A", help="results/<study>")
    parser.add_argument("second", type=Path, metavar="B", nargs="?", help="results/<study>")
    parser.add_argument(
        "--published", metavar="SOURCE", help=f"instead of B: one of {', '.join(sources())}"
    )
    add_output_options(parser)


def main(options: argparse.Namespace) -> int:
    """Writes the comparison and returns the exit code of its verdict."""
    found = compare(side_of(observe(load_study(options.first))), _second(options))
    if options.format == "terminal":
        write_terminal(lambda width: terminal.render(found, options.ascii), options, options.output)
    else:
        write(_text(found, options.format), options.output)
    return exit_code(found.verdict)


def _second(options: argparse.Namespace) -> Side:
    if bool(options.second) == bool(options.published):
        raise UnusableError("name what to compare with: either a second study or --published")
    if options.published:
        return side_of_published(load_published(options.published))
    return side_of(observe(load_study(options.second)))


def _text(found: Comparison, form: str) -> str:
    if form == "json":
        return json.dumps(comparison_document(found), indent=2, ensure_ascii=False) + "\n"
    if form == "markdown":
        return markdown.render_comparison(found)
    from hintfleet.render import html  # slow to import, and rarely wanted

    return html.render_comparison(found)
