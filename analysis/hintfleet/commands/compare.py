# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet compare A B, hintfleet compare A --published SOURCE"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hintfleet.commands.output import add_output_options, exit_code, write, write_terminal
from hintfleet.records.observed import Observed, observe
from hintfleet.records.read import UnusableError, load_study
from hintfleet.render import comparison as terminal
from hintfleet.render import markdown
from hintfleet.render.view import comparison_document
from hintfleet.report.compare import Comparison, Side, compare, side_of, side_of_published
from hintfleet.report.published import load_published, sources
from hintfleet.store.observed import observe_store
from hintfleet.store.parquet import is_store

DESCRIPTION = (
    "Two studies side by side (before and after a kernel, two fleets), or a study and the figures "
    "published in 2019, with what differs in conditions."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("first", type=Path, metavar="A", help="results/<study>, or a store")
    parser.add_argument("second", type=Path, metavar="B", nargs="?", help="the same")
    parser.add_argument(
        "--study",
        action="append",
        metavar="NAME",
        help="of a store, which study; twice for two studies of one store",
    )
    parser.add_argument(
        "--published", metavar="SOURCE", help=f"instead of B: one of {', '.join(sources())}"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ARM=ARM",
        help="an arm of A that has another name in B; arms of the same name are compared anyway",
    )
    add_output_options(parser)


def main(options: argparse.Namespace) -> int:
    """Writes the comparison and returns the exit code of its verdict."""
    found = compare(*_sides(options), pairs=options.map)
    if options.format == "terminal":
        write_terminal(lambda width: terminal.render(found, options.ascii), options, options.output)
    else:
        write(_text(found, options.format), options.output)
    return exit_code(found.verdict)


def _sides(options: argparse.Namespace) -> tuple[Side, Side]:
    """Two folders, stores or studies of one store; or one of these and a published table."""
    named = options.study or []
    both = [options.first, options.second or options.first]
    wanted = 1 if options.published else 2
    if bool(options.published) == (bool(options.second) or len(named) > 1) or len(named) > wanted:
        raise UnusableError(
            "name what to compare with: a second study (B, or --study twice for two of a store) "
            "or --published"
        )
    studies = [*named, None, None]
    sides = [
        side_of(_observed(folder, study))
        for folder, study in list(zip(both, studies, strict=False))[:wanted]
    ]
    if options.published:
        sides.append(side_of_published(load_published(options.published)))
    return sides[0], sides[1]


def _observed(folder: Path, study: str | None) -> Observed:
    return observe_store(folder, study) if is_store(folder) else observe(load_study(folder))


def _text(found: Comparison, form: str) -> str:
    if form == "json":
        return json.dumps(comparison_document(found), indent=2, ensure_ascii=False) + "\n"
    if form == "markdown":
        return markdown.render_comparison(found)
    from hintfleet.render import html  # slow to import, and rarely wanted

    return html.render_comparison(found)
