# SPDX-License-Identifier: GPL-2.0-or-later
"""The one Console, its styles, and what every terminal view is built from."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from hintfleet.figures import Verdict
from hintfleet.render.tables import INTERVAL, Cell, ReportTable

THEME = Theme(
    {
        "verdict.sound": "green",
        "verdict.unsettled": "yellow",
        "verdict.untrusted": "bold red",
        "report.answer": "bold",
        "report.heading": "bold",
        "report.next": "italic",
        "report.dim": "dim",
        "chart.memory": "cyan",
        "chart.swap": "red",
        "chart.curve": "magenta",
    }
)
WIDEST_INTERVAL = len("-99.9 % to -99.9 %")

VERDICT_STYLE = {
    Verdict.SOUND: "verdict.sound",
    Verdict.UNSETTLED: "verdict.unsettled",
    Verdict.NOT_TO_BE_TRUSTED: "verdict.untrusted",
}
ASCII_FOR = str.maketrans(
    {"·": "|", "…": ".", "µ": "u", "×": "x", "±": "~", "–": "-", "→": ">", "•": "*"}
)


def make_console(
    width: int | None = None, file: io.TextIOBase | None = None, colour: bool | None = None
) -> Console:
    """The one Console; colour None leaves it to the terminal and NO_COLOR."""
    return Console(
        theme=THEME,
        width=width,
        file=file,  # type: ignore[arg-type]  # rich asks for IO[str], which StringIO is
        no_color=None if colour is None else not colour,
        color_system=None if colour is False else "auto",
        highlight=False,
        emoji=False,
        markup=False,
    )


def as_text(renderable: RenderableType, width: int, ascii_only: bool = False) -> str:
    """A renderable as plain text without colour, trailing blanks removed."""
    target = io.StringIO()
    make_console(width, target, colour=False).print(renderable)
    text = "\n".join(line.rstrip() for line in target.getvalue().split("\n"))
    if ascii_only:
        text = text.translate(ASCII_FOR).encode("ascii", "replace").decode("ascii")
    return text


def _cell(cell: Cell) -> Text:
    style = VERDICT_STYLE[cell.verdict] if cell.verdict else ""
    return Text(cell.text, style)


def chart_line(scale: str, row: str, margin: int, style: str) -> Text:
    line = Text(scale.rjust(margin - 1) + " ", style="report.dim")
    line.append(row, style)
    line.no_wrap = True
    return line


def heading_line(text: str) -> Text:
    return Text(f"\n{text}", style="report.heading")


def table(data: ReportTable, ascii_only: bool) -> Table:
    shown = Table(
        box=box.ASCII if ascii_only else box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="",
        show_edge=False,
    )
    shown.add_column("", no_wrap=True)
    for heading in data.columns:
        least = WIDEST_INTERVAL if heading == INTERVAL else min(len(heading), 20)
        shown.add_column(heading, justify="right", overflow="fold", min_width=least)
    for row in data.rows:
        shown.add_row(row.label, *(_cell(cell) for cell in row.cells))
    return shown
