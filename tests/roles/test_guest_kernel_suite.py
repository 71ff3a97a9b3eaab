# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel source of another suite: signed by Debian, fetched once, or refused in a sentence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build import suite as suites
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    file_sha256,
)

BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
TARGETS = """\
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian/ bookworm-updates main
http://secure.example/debian-security/ bookworm-security main
https://other.example/tool/ bookworm main
"""


def test_the_mirror_is_the_one_of_the_builders_own_suite() -> None:
    assert suites.codename(BOOKWORM) == "bookworm"
    assert suites.mirrors(TARGETS, "bookworm", "trixie-backports") == [
        "http://mirror.example/debian/",
        "https://other.example/tool/",
    ]
    assert suites.mirrors(TARGETS, "bookworm", "trixie-security") == [
        "http://secure.example/debian-security/"
    ]
    with pytest.raises(ArtifactError, match="no address of trixie main, from which sid could"):
        suites.mirrors(TARGETS, "trixie", "sid")


def test_a_builder_that_is_no_debian_is_refused() -> None:
    with pytest.raises(ArtifactError, match="runs Fedora Linux 43: build on another one"):
        suites.codename('ID=fedora\nPRETTY_NAME="Fedora Linux 43"\n')


@pytest.fixture
def source(tmp_path: Path) -> suites.SuiteSource:
    return suites.SuiteSource(tmp_path / "kept", "trixie-backports", "linux-source-7.3")


def package(folder: Path) -> Path:
    """A Debian package with a tarball where Debian's have it."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: linux-source-7.3\nVersion: 7.3.4-1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: test\n"
    )
    (tree / "usr/src").mkdir(parents=True)
    (tree / "usr/src/linux-source-7.3.tar.xz").write_text("tarball")
    built = folder / "linux-source-7.3.deb"
    subprocess.run(["dpkg-deb", "--build", tree, built], check=True, capture_output=True)
    return built


def test_what_was_fetched_is_used_again_unless_it_was_damaged(
    source: suites.SuiteSource, tmp_path: Path
) -> None:
    assert not source.is_there()
    source._unpack(package(tmp_path), tmp_path / "scratch")
    assert source.is_there()
    assert source.tarball.read_text() == "tarball"
    assert source.digest.read_text().strip() == file_sha256(source.tarball)
    source.tarball.write_text("damaged")
    assert not source.is_there()


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A builder whose apt-get knows one mirror, a folder, on which nothing is signed."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    real = suites.run

    def run(command: list[str], purpose: str, **options: Path) -> str:
        if command[1] == "indextargets":
            return f"file:{mirror} {suites.codename(BOOKWORM)} main\n"
        return real(command, purpose, **options)

    monkeypatch.setattr(suites, "run", run)
    monkeypatch.setattr(suites, "codename", lambda _: "bookworm")
    return mirror


@pytest.mark.parametrize("signed", [False, True])
def test_a_mirror_that_debian_did_not_sign_is_refused(
    source: suites.SuiteSource, builder: Path, signed: bool
) -> None:
    """Neither no signature at all nor one that is not Debian's is taken."""
    place = builder / "dists/trixie-backports"
    (place / "main/binary-amd64").mkdir(parents=True)
    (place / "main/binary-amd64/Packages").write_text("")
    (place / "Release").write_text("Suite: trixie-backports\nCodename: trixie-backports\n")
    if signed:
        (place / "Release.gpg").write_text("not a signature\n")
    with pytest.raises(ArtifactError, match=r"linux-source-7\.3 of trixie-backports cannot be had"):
        source.fetch(download=False)
    assert not source.is_there()


def test_a_builder_without_debians_keys_is_refused(
    source: suites.SuiteSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(suites, "KEYRING", tmp_path / "absent.gpg")
    with pytest.raises(ArtifactError, match=r"no .*absent\.gpg.*install debian-archive-keyring"):
        source.fetch(download=False)


def test_apt_gets_a_configuration_of_its_own(tmp_path: Path) -> None:
    """Whatever it writes or trusts lies in the folder; only settings such as proxies stay."""
    line = suites.source_line("http://mirror.example/debian/", "sid")
    options = suites.own_configuration(tmp_path, [line])
    shown = subprocess.run(
        ["apt-config", *options, "shell", "STATE", "Dir::State/d", "CACHE", "Dir::Cache/d",
         "LIST", "Dir::Etc::SourceList/f", "PARTS", "Dir::Etc::SourceParts/f"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    values = dict(line.split("=", 1) for line in shown.splitlines())
    for name in ("STATE", "CACHE", "LIST"):
        assert values[name].strip("'").startswith(str(tmp_path)), name
    assert values["PARTS"].strip("'") == "/dev/null"
    assert (tmp_path / "suite.list").read_text() == (
        f"deb [signed-by={suites.KEYRING}] http://mirror.example/debian/ sid main\n"
    )
