# SPDX-License-Identifier: GPL-2.0-or-later
"""The one Console, its styles, and what every terminal view is built from."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from hintfleet.figures.figure import Verdict
from hintfleet.render.tables import Cell, ReportTable

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
WIDEST = 1000
BESIDE_TITLE = 6
"""Corners of a frame, a line and a blank beside each."""
BETWEEN_COLUMNS = 3
"""Blank, rule or blank, blank: what rich puts between two columns."""

VERDICT_STYLE = {
    Verdict.SOUND: "verdict.sound",
    Verdict.UNSETTLED: "verdict.unsettled",
    Verdict.NOT_TO_BE_TRUSTED: "verdict.untrusted",
}
ASCII_FOR = str.maketrans(
    {"·": "-", "…": ".", "µ": "u", "×": "x", "±": "~", "–": "-", "→": ">", "•": "*"}
)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the command line decide; rich would end the program with an error."""
        raise BrokenPipeError


def make_console(
    width: int | None = None, file: io.TextIOBase | None = None, colour: bool | None = None
) -> Console:
    """The one Console; colour None leaves it to the terminal and NO_COLOR."""
    # rich would take COLUMNS=0 at its word and print nothing
    size = shutil.get_terminal_size()
    return _Console(
        theme=THEME,
        width=width or min(size.columns, WIDEST),
        height=size.lines,
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


def panel(text: Text, title: str, ascii_only: bool) -> RenderableType:
    """The frame around an answer."""
    return _TitledPanel(text, f"hintfleet · {title}", ascii_only)


@dataclass(frozen=True)
class _TitledPanel:
    """A title that the frame is too narrow for is the first that stands in it: a frame cuts it."""

    text: Text
    title: str
    ascii_only: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        border = box.ASCII if self.ascii_only else box.ROUNDED
        if cell_len(self.title) <= options.max_width - BESIDE_TITLE:
            yield Panel(self.text, title=Text(self.title), box=border)
        else:
            yield Panel(Group(Text(self.title), self.text), box=border)


def heading_line(text: str) -> Text:
    return Text(f"\n{text}", style="report.heading")


def table(data: ReportTable, ascii_only: bool) -> RenderableType:
    """A table that breaks its cells between words where the terminal is too narrow."""
    return _FittedTable(data, ascii_only)


@dataclass(frozen=True)
class _FittedTable:
    data: ReportTable
    ascii_only: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = Table(
            box=box.ASCII if self.ascii_only else box.SIMPLE_HEAD,
            pad_edge=False,
            header_style="",
            show_edge=False,
        )
        widths = fitted_widths(self.data, options.max_width)
        shown.add_column(self.data.corner, width=widths[0], overflow="fold")
        for heading, width in zip(self.data.columns, widths[1:], strict=True):
            shown.add_column(heading, justify="right", width=width, overflow="fold")
        for row in self.data.rows:
            shown.add_row(row.label, *(_cell(cell) for cell in row.cells))
        yield shown


def fitted_widths(data: ReportTable, width: int) -> list[int]:
    """Widths of the label and of each column, so that all fit into `width`.

    The widest column gives way first, headings before cells, down to its longest word, and the
    labels last; if that is
    not enough every column is cut and its words are broken.
    """
    rows = [[data.corner, *data.columns]]
    rows += [[row.label, *(cell.text for cell in row.cells)] for row in data.rows]
    columns = list(zip(*rows, strict=True))
    wanted = [max(max(map(len, column)), 1) for column in columns]
    least = [
        max((len(word) for text in column for word in text.split()), default=1)
        for column in columns
    ]
    room = width - BETWEEN_COLUMNS * (len(columns) - 1)
    labels_whole = [wanted[0], *least[1:]]
    # a heading breaks before a number and its mark do
    cells_whole = [
        max(floor, *(len(cell) for cell in column[1:]), 1)
        for floor, column in zip(labels_whole, columns, strict=True)
    ]
    for floors in (cells_whole, labels_whole, least, [1] * len(columns)):
        while sum(wanted) > room:
            can_give = [index for index in range(len(columns)) if wanted[index] > floors[index]]
            if not can_give:
                break
            wanted[max(can_give, key=lambda index: wanted[index])] -= 1
    return wanted
