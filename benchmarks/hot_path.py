# SPDX-License-Identifier: GPL-2.0-or-later
"""What freeing and allocating a page costs, in instructions: `make bench-hot-path`

The kernel's own mm/page_alloc.o, compiled from the unpatched and from the patched source, is linked
with a world of one zone (hot_path_world.c) and emulated. 16 blocks of 2 MiB are freed page by page
and then allocated again. Only instructions of page_alloc.o count: what it calls is a stub that
returns 0, so telling an engine of a block counts as a call alone. The figures are exact: two runs
print the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emulation import EmulationError, Machine, functions_of, link

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.hintfleet.bench.plugins.module_utils.build import kernel  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import give  # noqa: E402

WORLD = Path(__file__).with_name("hot_path_world.c")
FIRST_PAGE, BLOCKS, PAGES_IN_BLOCK = 8 * 512, 16, 512
PAGES = BLOCKS * PAGES_IN_BLOCK

# column: source, and the static key of the engine that is on
COLUMNS = {
    "unpatched": ("stock", ""),
    "unpatched, list": ("stock", "page_reporting_enabled"),
    "series, off": ("series", ""),
    "series, list": ("series", "page_reporting_enabled"),
    "series, bitmap": ("series", "page_hinting_enabled"),
}
BASELINE, OURS = "unpatched", ("series, off", "series, bitmap")
ORDERS: dict[str, Callable[[list[int]], object]] = {
    "ascending": lambda pages: None,
    "descending": list.reverse,
    "random": lambda pages: random.Random(1).shuffle(pages),
}
FREE_ONE_PAGE = "__free_one_page"

Images = dict[tuple[str, str], tuple[Path, set[str]]]
"""By configuration and source: an image, and the functions that count in it."""
Figures = dict[str, float]
"""Instructions a page."""


def run(image: Path, mine: set[str], key: str, order: str) -> Figures:
    """Free and allocate all pages in an order; returns instructions a page by figure.

    mine: the functions that count; key: the static key that is on, if any.
    """
    machine = Machine(image, [key] if key else [])
    size = machine.call("world_page_structs_bytes")
    machine.map(machine.call("world_page_structs"), size)
    machine.call("world_setup")
    pages = list(range(FIRST_PAGE, FIRST_PAGE + PAGES))
    ORDERS[order](pages)

    def per_page(counts: Counter[str]) -> float:
        return sum(counts[name] for name in mine) / PAGES

    machine.counted()
    for page in pages:
        machine.call("world_free", page)
    machine.call("world_drain")
    freed = machine.counted()
    merged = sum(machine.call("world_free_blocks", n) << n for n in range(9, 11))
    if merged != PAGES:
        raise EmulationError(f"{merged} of {PAGES} pages merged to blocks: the world is wrong")
    machine.counted()
    got = {machine.call("world_allocate") for _ in pages}
    if got != set(pages):
        raise EmulationError("allocating did not return what was freed: the world is wrong")
    figures = {"free side": per_page(freed), "fault side": per_page(machine.counted())}
    if FREE_ONE_PAGE in freed:
        figures[f"{FREE_ONE_PAGE}()"] = freed[FREE_ONE_PAGE] / PAGES
    return figures


def compile_all(version: str, wanted: Mapping[str, Any], folder: Path) -> Images:
    """Compile and link each source with each configuration; the images lie in a folder.

    wanted: source (tarball), patches (pairs of name and text), base_config (text), fragments
    (name to text; only `full` has them) and cache (folder).
    """
    cache = Path(wanted["cache"])
    build = kernel.Build(
        cache / "build/hot_path" / version, cache / "ccache", jobs=os.cpu_count() or 1
    )
    # what a run that was stopped has left
    shutil.rmtree(build.folder, ignore_errors=True)
    build.unpack(Path(wanted["source"]))
    shutil.copy(WORLD, build.source / "mm")
    images = {}
    for source in ("stock", "series"):
        if source == "series":
            kernel.apply_patches(wanted["patches"], build.source, build.log)
        for name, fragments in (("base", {}), ("full", wanted["fragments"])):
            build.output = build.folder / f"{source}-{name}"
            build.output.mkdir()
            give(build.output)
            build.configure(kernel.merge_configs(wanted["base_config"], fragments))
            build.make("mm/page_alloc.o", f"mm/{WORLD.stem}.o")
            counted, world = (build.output / f"mm/{one}.o" for one in ("page_alloc", WORLD.stem))
            image = folder / f"{version}-{name}-{source}"
            link([world, counted], image)
            images[name, source] = image, functions_of(counted)
    shutil.rmtree(build.folder)
    return images


def goal(version: str, figure: str) -> float | None:
    """What our series may cost at most, off and on, in instructions a page."""
    if figure == "fault side":
        return 0.5
    if figure == f"{FREE_ONE_PAGE}()":
        return -5 if version in ("6.1", "6.12") else 0
    return None


def table(version: str, configuration: str, found: Mapping[str, Figures]) -> list[str]:
    """A table in Markdown, then a line for each goal missed; found is column to figures."""
    lines = [f"| Linux {version}, {configuration} | goal | " + " | ".join(found) + " |"]
    lines.append("|---" * 2 + "|---:" * len(found) + "|")
    missed = []
    for row, baseline in sorted(found[BASELINE].items()):
        limit = goal(version, row.rpartition(", ")[0])
        cells = [f"{baseline:.2f}"]
        for column, figures in list(found.items())[1:]:
            # a compiler that puts __free_one_page() into its callers leaves nothing to count
            more = figures.get(row, math.nan) - baseline
            cells.append("-" if math.isnan(more) else f"{more:+.2f}")
            if column in OURS and limit is not None and more > limit:
                missed.append(f"Goal missed by {column}: {row}, {more:+.2f}")
        wanted = "" if limit is None else f"at most {limit:+g}"
        lines.append(f"| {row} | {wanted} | " + " | ".join(cells) + " |")
    return [*lines, "", *missed, *([""] if missed else [])]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wanted", type=Path, default=ROOT / "build/kernel-inputs.json")
    parser.add_argument("--version", action="append", help="only this kernel version")
    options = parser.parse_args()
    wanted: dict[str, Any] = json.loads(options.wanted.read_text())
    print("Instructions a page; other columns than the first: more than it.\n")
    with tempfile.TemporaryDirectory() as scratch:
        for version in options.version or wanted:
            print(f"compiling Linux {version}", file=sys.stderr, flush=True)
            images = compile_all(version, wanted[version], Path(scratch))
            for configuration in ("base", "full"):
                found: dict[str, Figures] = {}
                for column, (source, key) in COLUMNS.items():
                    print(f"emulating {configuration}, {column}", file=sys.stderr, flush=True)
                    image, mine = images[configuration, source]
                    found[column] = {
                        f"{figure}, {order}": value
                        for order in ORDERS
                        for figure, value in run(image, mine, key, order).items()
                    }
                print("\n".join(table(version, configuration, found)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
