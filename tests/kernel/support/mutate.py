# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the kernel tests can fail: drop a patch or change a line, and see who notices.

Each patch of the series that can be taken out by itself and each mutation of ../mutations.yml is
one kernel, `full`, built and tested until the first test fails; the series itself has to pass all
tests, or a failure says nothing. What is known is kept in --results and not asked again; the table
shows all that the file holds.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.hintfleet.bench.plugins.module_utils.build import kernel  # noqa: E402

KERNEL_TESTS = ROOT / "tests/kernel"
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::(\S+)", re.MULTILINE)
FAILED_CODES = (0, 1)  # of pytest: all passed, some failed
CHANGED_FILE = re.compile(r"^\+\+\+ b/(\S+)", re.MULTILINE)
SURVIVED, NOT_ALONE = "none", "cannot be dropped alone"


class MutationError(RuntimeError):
    """A mutation does not fit the source, or a kernel could not be built or tested."""


class Mutation(NamedTuple):
    """What is changed, and which tests are asked: an expression for pytest's -k, "" for all."""

    name: str
    files: dict[str, tuple[str, str]]  # path to the text before and after
    tests: str

    def patch(self) -> str:
        """The change as a patch."""
        return "".join(
            line if line.endswith("\n") else f"{line}\n"
            for path, (before, after) in self.files.items()
            for line in difflib.unified_diff(
                before.splitlines(keepends=True),
                after.splitlines(keepends=True),
                f"a/{path}",
                f"b/{path}",
            )
        )


def changed_line(tree: Path, wanted: Mapping[str, str]) -> Mutation:
    """A mutation of mutations.yml for a patched source."""
    path, text = wanted["file"], (tree / wanted["file"]).read_text()
    found = text.count(wanted["old"])
    if found != 1:
        raise MutationError(
            f"{wanted['name']}: {path} has {found} times {wanted['old']!r}, not once; "
            "adapt mutations.yml to the series."
        )
    after = text.replace(wanted["old"], wanted["new"])
    return Mutation(wanted["name"], {path: (text, after)}, wanted.get("tests", ""))


def dropped_patch(tree: Path, name: str, text: str) -> Mutation | None:
    """The series without one patch; None if others stand on it."""
    paths = CHANGED_FILE.findall(text)
    if any(not (tree / path).exists() for path in paths):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / path, Path(scratch) / path)
        command = ["patch", "--reverse", "--strip=1", "--fuzz=0", "--batch", "--reject-file=-"]
        done = subprocess.run(
            command, input=text, text=True, cwd=scratch, capture_output=True, check=False
        )
        if done.returncode or any(not (Path(scratch) / path).exists() for path in paths):
            return None
        files = {
            path: ((tree / path).read_text(), (Path(scratch) / path).read_text()) for path in paths
        }
    return Mutation(f"without {name}", files, "")


def patched_tree(version: str, wanted: Mapping[str, Any]) -> Path:
    """The source of a version with our series, unpacked anew."""
    cache = Path(wanted["cache"])
    build = kernel.Build(cache / "build/mutations" / version, cache / "ccache", jobs=1)
    build.unpack(Path(wanted["source"]))
    kernel.apply_patches(wanted["patches"], build.source, build.log)
    return build.source


def who_notices(version: str, mutation: Mutation, folder: Path) -> str:
    """Build the mutated kernel and return the first test that fails, or SURVIVED."""
    folder.mkdir(parents=True, exist_ok=True)
    patch, kernels, log = folder / "mutation.patch", folder / "kernels.json", folder / "log"
    patch.write_text(mutation.patch())
    variables = {
        "kernel_test_versions": version,
        "kernel_test_variants": "full",
        "kernel_test_list": str(kernels),
        "kernel_test_patches": [str(patch)],
    }
    build = ["ansible-playbook", "-i", "inventory/local", "tests/kernel/build.yml", "-e"]
    test = ["pytest", "-m", "kernel", "tests/kernel", "-x", "--tb=short", "-k", mutation.tests]
    with log.open("w") as output:
        done = subprocess.run(
            [*build, json.dumps(variables)], cwd=ROOT, stdout=output, stderr=output, check=False
        )
        if done.returncode:
            raise MutationError(f"{mutation.name}: the kernel was not built, see {log}")
        done = subprocess.run(
            test,
            cwd=ROOT,
            env={**os.environ, "HINTFLEET_TEST_KERNELS": str(kernels)},
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode not in FAILED_CODES:
        raise MutationError(f"{mutation.name}: pytest ended with {done.returncode}, see {log}")
    found = FAILED.search(log.read_text())
    return found[1] if found else SURVIVED


def mutations(version: str, wanted: Mapping[str, Any], only: str) -> Iterator[Mutation | str]:
    """Those whose name holds a text; a patch that cannot be dropped alone as its name."""
    lines = yaml.safe_load((KERNEL_TESTS / "mutations.yml").read_text())
    names = [f"without {name}" for name, _ in wanted["patches"]]
    if not any(only in name for name in [*names, *(line["name"] for line in lines)]):
        raise MutationError(f"no mutation of {version} has {only!r} in its name")
    tree = patched_tree(version, wanted)
    for line in lines:
        if only in line["name"]:
            yield changed_line(tree, line)
    for name, text in wanted["patches"]:
        if only in f"without {name}":
            yield dropped_patch(tree, name, text) or f"without {name}"


def table(results: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Lines of Markdown: by mutation which test noticed, a column for each version."""
    versions = sorted(
        {v for found in results.values() for v in found}, key=lambda v: [*map(int, v.split("."))]
    )
    yield "| mutation | " + " | ".join(f"noticed by, {version}" for version in versions) + " |"
    yield "|---" * (1 + len(versions)) + "|"
    for name, found in results.items():
        yield (
            f"| {name} | "
            + " | ".join(found.get(version, "not run") for version in versions)
            + " |"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wanted", type=Path, default=ROOT / "build/kernel-inputs.json")
    parser.add_argument("--results", type=Path, default=ROOT / "build/mutations.json")
    parser.add_argument("--version", action="append", help="only this kernel version")
    parser.add_argument("--only", default="", help="only mutations with this text in their name")
    parser.add_argument("--again", action="store_true", help="also what is known")
    options = parser.parse_args()
    inputs: dict[str, Any] = json.loads(options.wanted.read_text())
    results: dict[str, dict[str, str]] = {}
    if options.results.exists():
        results = json.loads(options.results.read_text())
    for version in options.version or inputs:
        for one in mutations(version, inputs[version], options.only):
            name = one if isinstance(one, str) else one.name
            if version in results.get(name, {}) and not options.again:
                continue
            begun = time.monotonic()
            if isinstance(one, str):
                found = NOT_ALONE
            else:
                found = who_notices(version, one, ROOT / "build/mutations" / version)
            print(
                f"Linux {version}, {name}: {found}, {time.monotonic() - begun:.0f} s",
                file=sys.stderr,
            )
            results.setdefault(name, {})[version] = found
            options.results.write_text(json.dumps(results, indent=1) + "\n")
    print("\n".join(table(results)))
    return int(any(SURVIVED in found.values() for found in results.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MutationError as error:
        sys.exit(str(error))
