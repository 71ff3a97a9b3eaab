# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet export RESULTS"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hintfleet.commands.output import add_share_option
from hintfleet.records.read import Damage, UnusableError, load_study, open_study
from hintfleet.records.share import Sharing, is_shared
from hintfleet.store.csv import write_csv
from hintfleet.store.export import export, export_folder
from hintfleet.store.parquet import is_store
from hintfleet.store.rows import run_ids

DESCRIPTION = (
    "The runs of a study as tables: Parquet for DuckDB, Polars, Dask or Spark and for reports on "
    "whole fleets, CSV for everything else. Parquet is added to: export as often as you like and "
    "as many studies as you like into the same folder."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results/<study>")
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="the store, or a folder of CSVs"
    )
    parser.add_argument(
        "--without-samples", action="store_true", help="runs only, not memory over time"
    )
    add_share_option(parser)


def main(options: argparse.Namespace) -> int:
    """Exports; damaged records and samples are named, the rest is written."""
    damages = _to_parquet(options) if options.format == "parquet" else _to_csv(options)
    for damage in damages:
        print(f"hintfleet: left out: {damage}", file=sys.stderr)
    return 0


def _to_parquet(options: argparse.Namespace) -> list[Damage]:
    keep_samples = not options.without_samples
    folder = open_study(options.results)
    if {is_shared(name) for name in run_ids(options.output, folder.name)} - {options.share}:
        raise UnusableError(
            f"{options.output} holds study {folder.name} {'without' if options.share else 'with'} "
            "--share: every run would count twice; name another folder"
        )
    if options.share:
        sharing = Sharing(load_study(options.results))  # names depend on all runs
        done = export(sharing.study, options.output, keep_samples)
        damages = list(map(sharing.damage, done.damages))
    else:
        done = export_folder(folder, options.output, keep_samples)
        damages = done.damages
    print(f"{len(done.ids)} runs added to {options.output}, {done.already} were there already")
    return damages


def _to_csv(options: argparse.Namespace) -> list[Damage]:
    if is_store(options.output):
        raise UnusableError(f"{options.output} is a Parquet store; name another folder for CSV")
    study = load_study(options.results)
    sharing = Sharing(study) if options.share else None
    if sharing is not None:
        study = sharing.study
    damages = list(study.damages)
    files = write_csv(study, options.output, not options.without_samples, damages)
    print(f"{len(study.runs)} runs written to {', '.join(str(file) for file in files)}")
    return damages if sharing is None else list(map(sharing.damage, damages))
