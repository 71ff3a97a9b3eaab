# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet history STORE"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hintfleet.commands.output import add_terminal_options, write, write_terminal
from hintfleet.records.damage import UnusableError
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.render import history as render
from hintfleet.report.build import Report, build_report
from hintfleet.report.history import History, history
from hintfleet.store.observed import observe_store, studies_of
from hintfleet.store.parquet import is_store

DESCRIPTION = (
    "Each figure that decides over studies, oldest first, and where it moved to another level; for "
    "people, and for Prometheus, CI and Apache Otava."
)

TEXTS: dict[str, Callable[[History], str]] = {
    "json": render.json_text,
    "openmetrics": render.openmetrics,
    "junit": render.junit,
    "otava": render.otava,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "results",
        type=Path,
        nargs="+",
        metavar="STORE",
        help="a Parquet store of several studies, or folders results/<study>",
    )
    parser.add_argument(
        "--format",
        choices=("terminal", "html", "markdown", *TEXTS),
        default="terminal",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    add_terminal_options(parser)


def main(options: argparse.Namespace) -> int:
    """Writes the history. A study that cannot be read is named and costs itself."""
    left_out: list[str] = []
    found = history(_reports(options.results, left_out), left_out)
    if not found.occasions:
        why = f" ({'; '.join(found.left_out)})" if found.left_out else ""
        raise UnusableError(f"no study there has a run to tell of{why}; name a store that has")
    if options.format == "terminal":
        write_terminal(lambda width: render.terminal(found, options.ascii), options, options.output)
    else:
        write(_text(found, options.format), options.output)
    return 0


def _reports(places: Sequence[Path], left_out: list[str]) -> Iterator[Report]:
    for place in places:
        names = studies_of(place) if is_store(place) else [None]
        for name in names:
            try:
                observed = (
                    observe(load_study(place)) if name is None else observe_store(place, name)
                )
                yield build_report(observed)
            except UnusableError as error:
                if len(places) == len(names) == 1:
                    raise
                left_out.append(str(error))


def _text(found: History, form: str) -> str:
    if form in TEXTS:
        return TEXTS[form](found)
    if form == "markdown":
        from hintfleet.render import markdown

        return markdown.render_tables(
            render.title(found),
            render.answer(found),
            render.tables(found),
            [f"left out: {one}" for one in found.left_out],
        )
    from hintfleet.render import html  # slow to import, and rarely wanted

    return html.render_tables(
        render.title(found), render.answer(found), render.tables(found), found.left_out
    )
