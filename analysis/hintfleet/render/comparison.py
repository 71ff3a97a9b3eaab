# SPDX-License-Identifier: GPL-2.0-or-later
"""A comparison in a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from hintfleet.render.console import VERDICT_STYLE, heading_line, panel, table
from hintfleet.render.view import (
    comparison_answer,
    comparison_damages,
    comparison_doubts,
    comparison_step,
    comparison_tables,
    comparison_title,
)
from hintfleet.render.words import LEGEND
from hintfleet.report.compare import Comparison


def render(comparison: Comparison, ascii_only: bool = False) -> RenderableType:
    """The answer first, then a table for each arm, conditions and doubts."""
    head = Text(comparison_answer(comparison), style="report.answer")
    head.append("\nVerdict: ")
    head.append(str(comparison.verdict), VERDICT_STYLE[comparison.verdict])
    step = comparison_step(comparison)
    head.append(f". Next: {step}." if step else ".", "report.next")
    parts: list[RenderableType] = [panel(head, comparison_title(comparison), ascii_only)]
    for data in comparison_tables(comparison):
        parts += [heading_line(data.heading), table(data, ascii_only)]
    parts.append(Text(f"\n{LEGEND}", style="report.dim"))
    for doubt in comparison_doubts(comparison):
        line = Text("• ")
        line.append(f"{doubt.verdict}: ", VERDICT_STYLE[doubt.verdict])
        line.append(f"{doubt.sentence}.")
        if doubt.next_step:
            line.append(f" Next: {doubt.next_step}.", "report.next")
        parts.append(line)
    parts += [Text(f"• {line}") for line in comparison_damages(comparison)]
    return Group(*parts)
