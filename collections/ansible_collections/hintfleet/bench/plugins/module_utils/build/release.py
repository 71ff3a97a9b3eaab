# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt would install of a release of Debian into an empty root, and from where.

Lists are fetched once and kept, so that the same packages are meant until there is something to
build: then they are fetched anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    run,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.build.initramfs import (
    Package,
    parse_packages,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.build.suite import (
    check_keyring,
    known_targets,
    mirrors,
    own_configuration,
    own_suite,
    source_line,
)

ESSENTIAL = "?and(?essential,?not(?name(^apt$)))"
"""All that every Debian has; apt counts itself among it, and a guest installs nothing."""

BESIDE = ("-updates", "-security")
"""Suites that belong to a release: what was mended since."""


def parse_uris(text: str) -> list[str]:
    """Read the output of ``apt-get --print-uris install``: names of packages."""
    return re.findall(r"^'[^']+' ([a-z0-9][a-z0-9+.-]*)_\S+\.deb ", text, re.MULTILINE)


def sources_of(targets: str, own: str, suite: str) -> list[list[str]]:
    """Return the lines of apt's sources for a release, one list for each mirror to be tried.

    targets: what the builder's apt knows, see known_targets(); own: its release. Raises
    ArtifactError if it knows no mirror.
    """
    known = {line.split()[1] for line in targets.splitlines() if len(line.split()) > 1}
    beside = [name for name in BESIDE if f"{own}{name}" in known]
    found = []
    for mirror in mirrors(targets, own, suite):
        lines = [source_line(mirror, suite)]
        for name in beside:
            where = mirrors(targets, own, f"{suite}{name}")[0] if name == "-security" else mirror
            lines.append(source_line(where, f"{suite}{name}"))
        found.append(lines)
    return found


class Release:
    """A release of Debian as apt sees it, with lists in a folder."""

    def __init__(self, folder: Path, suite: str) -> None:
        self.folder, self.suite = folder, suite

    @property
    def sources(self) -> Path:
        """apt's sources, as mmdebstrap takes them."""
        return self.folder / "suite.list"

    def is_there(self) -> bool:
        """Whether lists were fetched before."""
        return self.sources.exists() and any((self.folder / "state/lists").glob("*_Packages*"))

    def refresh(self) -> None:
        """Fetch the lists; raises ArtifactError saying what each mirror of the builder answered."""
        check_keyring(self.suite)
        answers = []
        self.folder.mkdir(parents=True, exist_ok=True)
        for lines in sources_of(known_targets(), own_suite(), self.suite):
            options = own_configuration(self.folder, lines)
            try:
                run(["apt-get", *options, "update"], f"read the packages of {self.suite}")
            except ArtifactError as error:
                answers.append(str(error))
                continue
            return
        self.sources.unlink(missing_ok=True)
        raise ArtifactError(
            f"Packages of {self.suite} cannot be had: name a release of Debian "
            "(guest_image_root_suite), and see whether the builder reaches its mirror.\n"
            + "\n".join(answers)
        )

    def resolve(self, names: Iterable[str]) -> list[Package]:
        """Return all that is installed with these packages, by name; raises ArtifactError."""
        wanted = sorted(set(names))
        options = own_configuration(self.folder, self.sources.read_text().splitlines())
        asked = ["apt-get", *options, "--yes", "--no-install-recommends", "--print-uris"]
        said = run([*asked, "install", ESSENTIAL, *wanted],
                   f"find {', '.join(wanted)} in {self.suite}")  # fmt: skip
        show = ["apt-cache", *options, "show", "--no-all-versions", *parse_uris(said)]
        found = parse_packages(run(show, f"read about packages of {self.suite}"))
        return sorted(found.values(), key=lambda package: package.name)
