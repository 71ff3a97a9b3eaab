# SPDX-License-Identifier: GPL-2.0-or-later
"""What another suite of Debian than the builder's own holds: kernel sources, and packages.

apt is asked with lists, caches and sources of its own, so nothing of the builder's changes: not
what it may install, not what it upgrades to. Debian's signature is checked as ever.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    file_sha256,
    run,
)

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def codename(os_release: str) -> str:
    """Return the suite that a builder runs, from the text of its /etc/os-release.

    Raises ArtifactError unless it is a Debian.
    """
    facts = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release, re.MULTILINE))
    if facts.get("ID") != "debian" or not facts.get("VERSION_CODENAME"):
        raise ArtifactError(
            f"What comes from a suite of Debian needs a builder that runs one of its releases, and "
            f"this one runs {facts.get('PRETTY_NAME', 'something else')}: build on another one, or "
            "do without (guest_kernel_source=tarball or tree, guest_image_root=initramfs)."
        )
    return facts["VERSION_CODENAME"]


def mirrors(targets: str, own: str, wanted: str) -> list[str]:
    """Return where the builder gets its own suite from, its security updates if wanted is such.

    targets: lines "ADDRESS SUITE COMPONENT" of what apt knows. Others than Debian may call a suite
    the same; which of these is Debian's mirror, the signature tells.
    """
    beside = f"{own}-security" if wanted.endswith("-security") else own
    rows = [line.split() for line in targets.splitlines()]
    found = dict.fromkeys(row[0] for row in rows if row[1:] == [beside, "main"])
    if not found:
        raise ArtifactError(
            f"apt on the builder knows no address of {beside} main, from which {wanted} could be "
            "had: add it to its sources, or do without (guest_kernel_source=tarball or tree, "
            "guest_image_root=initramfs)."
        )
    return list(found)


class SuiteSource:
    """The source of a kernel series in a suite, kept in a folder as Debian packed it."""

    def __init__(self, folder: Path, suite: str, package: str) -> None:
        self.suite, self.package = suite, package
        self.tarball = folder / f"{package}.tar.xz"
        self.digest = folder / f"{package}.sha256"

    def is_there(self) -> bool:
        """Whether the source was fetched before and is what it was then."""
        if not (self.tarball.exists() and self.digest.exists()):
            return False
        return self.digest.read_text().strip() == file_sha256(self.tarball)

    def fetch(self, download: bool) -> str:
        """Fetch the source and return its version; without download only see that it can be had.

        Raises ArtifactError saying what each mirror of the builder answered.
        """
        check_keyring(self.suite)
        answers = []
        for mirror in mirrors(known_targets(), own_suite(), self.suite):
            try:
                return self._fetch_from(mirror, download)
            except ArtifactError as error:
                answers.append(str(error))
        raise ArtifactError(
            f"{self.package} of {self.suite} cannot be had: check guest_kernel_version and "
            "guest_kernel_suite, and whether the builder reaches its mirror.\n" + "\n".join(answers)
        )

    def _fetch_from(self, mirror: str, download: bool) -> str:
        with tempfile.TemporaryDirectory(prefix="hintfleet-apt-") as name:
            scratch = Path(name)
            options = own_configuration(scratch, [source_line(mirror, self.suite)])
            run(["apt-get", *options, "update"], f"read the packages of {self.suite} at {mirror}")
            show = ["apt-cache", *options, "show", "--no-all-versions", self.package]
            about = run(show, f"find {self.package} in {self.suite} at {mirror}")
            version = re.search(r"^Version: (\S+)$", about, re.MULTILINE)
            if not version:
                raise ArtifactError(f"apt does not tell the version of {self.package}:\n{about}")
            if download:
                get = ["apt-get", *options, "download", self.package]
                run(get, f"download {self.package}", folder=scratch)
                self._unpack(next(scratch.glob("*.deb")), scratch / "content")
            return version[1]

    def _unpack(self, package: Path, scratch: Path) -> None:
        run(["dpkg-deb", "--extract", str(package), str(scratch)], f"unpack {package.name}")
        self.tarball.parent.mkdir(parents=True, exist_ok=True)
        self.digest.unlink(missing_ok=True)
        shutil.move(scratch / "usr/src" / self.tarball.name, self.tarball)
        self.digest.write_text(f"{file_sha256(self.tarball)}\n")


def check_keyring(suite: str) -> None:
    """Raises ArtifactError where nothing tells what is Debian's."""
    if not KEYRING.exists():
        raise ArtifactError(
            f"There is no {KEYRING} on the builder, by which {suite} could be trusted: "
            "install debian-archive-keyring."
        )


def own_suite() -> str:
    """Return the suite that this machine runs; raises ArtifactError."""
    return codename(Path("/etc/os-release").read_text())


def known_targets() -> str:
    """Return what apt knows, lines "ADDRESS SUITE COMPONENT"; raises ArtifactError."""
    format_ = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", format_, "Created-By: Packages"]
    return run(command, "ask apt for its sources")


def source_line(mirror: str, suite: str) -> str:
    """Return a line of apt's sources."""
    return f"deb [signed-by={KEYRING}] {mirror} {suite} main"


def own_configuration(folder: Path, sources: list[str]) -> list[str]:
    """Make files for apt in a folder and name them as options; proxies and the like stay."""
    for place in ("state/lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # apt reads and downloads as a user without rights
    (folder / "status").touch()
    listed = folder / "suite.list"
    listed.write_text("".join(f"{line}\n" for line in sources))
    options = {
        "Dir::Etc::SourceList": listed,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": folder / "state",
        "Dir::State::Status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
        # else a mirror that does not answer is a warning, and the package just not there
        "APT::Update::Error-Mode": "any",
    }
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
