# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet import DESCRIPTION --output RESULTS"""

from __future__ import annotations

import argparse
from pathlib import Path

from hintfleet.commands.output import write
from hintfleet.records.imports.description import load_description
from hintfleet.records.imports.study import import_study
from hintfleet.statistics.units import plural

DESCRIPTION = (
    "Measurements of others, or your own from elsewhere, as a study: curves of memory (CSV, or "
    "JSON of Prometheus and Proxmox) and tables of results, with a description of the conditions "
    "(YAML or TOML, docs/import.md). Everything works on them that the conditions allow."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "description", type=Path, metavar="DESCRIPTION", help="a .yml or .toml beside the data"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="RESULTS",
        help="where the study is written (default: results/<study>)",
    )


def main(options: argparse.Namespace) -> int:
    """Writes the study and says where it is."""
    description = load_description(options.description)
    folder = options.output or Path("results", description.study)
    count = import_study(description, folder)
    write(f"{plural(count, 'run')} imported: hintfleet report {folder}\n", None)
    return 0
