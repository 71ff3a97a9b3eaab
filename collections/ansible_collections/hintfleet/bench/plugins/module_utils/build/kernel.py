# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the guest kernel: source, patches without fuzz, configuration, bzImage, packages."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    LOG_BYTES,
    ArtifactError,
    end_of,
    file_sha256,
    give,
    run,
    take,
    text_sha256,
)

# All of it decides the kernel's bytes, so all of it is in the key.
ENVIRONMENT = {
    "KBUILD_BUILD_TIMESTAMP": "Sat Jan  1 00:00:00 UTC 2022",
    "KBUILD_BUILD_USER": "hintfleet",
    "KBUILD_BUILD_HOST": "builder",
    "KBUILD_BUILD_VERSION": "1",
}
# An empty LOCALVERSION keeps scripts/setlocalversion from adding a "+" of its own.
MAKE = ["make", "CC=ccache gcc", "LOCALVERSION="]
CONFIGURE = ["allnoconfig", "olddefconfig"]

COMPILING, PACKING = "compiling the kernel", "making Debian packages"
# What a build is at, by the target of make.
STAGES = {
    **dict.fromkeys(CONFIGURE, "configuring the kernel"),
    "bzImage": COMPILING,
    "bindeb-pkg": PACKING,
}
EXPECTED_OBJECTS = 1110
VERSION_CHARACTERS = 64

SPACE_NEEDED_MIB = 3 * 1024
SPACE_NEEDED_PACKAGES_MIB = 3 * 1024

# Symbols that make the allocator or every fault slower: results got with one are no results
# about a mechanism. Named in the manifest, and in every run record.
COSTLY_DEBUG_SYMBOLS = (
    "DEBUG_ATOMIC_SLEEP",
    "DEBUG_KMEMLEAK",
    "DEBUG_LIST",
    "DEBUG_LOCK_ALLOC",
    "DEBUG_MUTEXES",
    "DEBUG_OBJECTS",
    "DEBUG_PAGEALLOC",
    "DEBUG_PREEMPT",
    "DEBUG_SPINLOCK",
    "DEBUG_VIRTUAL",
    "DEBUG_VM",
    "DEBUG_WX",
    "FAULT_INJECTION",
    "KASAN",
    "KCOV",
    "KCSAN",
    "KFENCE",
    "LOCKDEP",
    "LOCK_STAT",
    "PAGE_OWNER",
    "PAGE_POISONING",
    "PAGE_TABLE_CHECK",
    "PROVE_LOCKING",
    "SLUB_DEBUG_ON",
    "UBSAN",
)


def parse_config(text: str) -> dict[str, str]:
    """Read a kernel configuration: symbol without CONFIG_ to value; "n" if it is not set."""
    symbols: dict[str, str] = {}
    for line in text.splitlines():
        if assigned := re.fullmatch(r"CONFIG_(\w+)=(.*?)\s*", line):
            symbols[assigned[1]] = assigned[2]
        elif cleared := re.fullmatch(r"# CONFIG_(\w+) is not set\s*", line):
            symbols[cleared[1]] = "n"
    return symbols


def merge_configs(base: str, fragments: Mapping[str, str]) -> dict[str, str]:
    """Return the symbols asked for: the base, then each fragment (in order), the last one wins."""
    wanted = parse_config(base)
    for text in fragments.values():
        wanted.update(parse_config(text))
    return wanted


def format_config(symbols: Mapping[str, str]) -> str:
    """Write symbols as a configuration that Kconfig reads."""
    return "".join(
        f"# CONFIG_{name} is not set\n" if value == "n" else f"CONFIG_{name}={value}\n"
        for name, value in sorted(symbols.items())
    )


def check_config(wanted: Mapping[str, str], final: Mapping[str, str]) -> None:
    """Raise ArtifactError naming each symbol that olddefconfig did not leave as asked."""
    wrong = [
        f"CONFIG_{name}={value} (got {final.get(name, 'n')})"
        for name, value in sorted(wanted.items())
        if final.get(name, "n") != value
    ]
    if wrong:
        raise ArtifactError(
            f"The kernel configuration lost {len(wrong)} of {len(wanted)} symbols asked for: "
            f"{', '.join(wrong)}. Add the symbols they depend on, or take them out of the base "
            "or the fragments if this kernel does not have them."
        )


def debug_options(final: Mapping[str, str]) -> list[str]:
    """Return the known costly debug symbols that a configuration has switched on."""
    return [name for name in COSTLY_DEBUG_SYMBOLS if final.get(name) == "y"]


def patch_failure(name: str, output: str) -> str:
    """Return the sentence about a patch that did not apply, from the output of GNU patch."""
    failed: list[str] = []
    current = "a file it does not name"
    for line in output.splitlines():
        if started := re.match(r"(?:patching|checking) file '?(.*?)'?$", line):
            current = started[1]
        elif absent := re.match(r"\|(?:---|\+\+\+) [ab]/(\S+)", line):
            current = absent[1]
        elif present := re.match(r"The next patch would create the file (.*),$", line):
            current = present[1]
        elif hunk := re.match(r"Hunk #(\d+) FAILED at (\d+)", line):
            failed.append(f"{current} (hunk {hunk[1]} at line {hunk[2]})")
        elif "hunk ignored" in line or "hunks ignored" in line:
            failed.append(f"{current} (not in this kernel, or already patched)")
    where = ", ".join(failed) or output.strip() or current
    return (
        f"The patch {name} does not apply to this kernel: {where}. Choose the series made for "
        "the kernel (guest_kernel_patch_series) or port the patch."
    )


def apply_patches(patches: Iterable[Sequence[str]], tree: Path, log: Path) -> None:
    """Apply patches (pairs of name and text) in their order, with no fuzz at all.

    Raises ArtifactError naming the patch and the files.
    """
    for name, text in patches:
        file = log.parent / "current.patch"
        file.write_text(text)
        file.chmod(0o644)
        command = ["patch", "--strip=1", "--fuzz=0", "--batch", "--forward", "--reject-file=-"]
        command.append("--no-backup-if-mismatch")
        before = log.stat().st_size if log.exists() else 0
        try:
            command.append(f"--input={file}")
            run(command, f"apply {name}", folder=tree, log=log, unprivileged=True)
        except ArtifactError as error:
            raise ArtifactError(patch_failure(name, end_of(log, before))) from error


def source_sha256(source: Path) -> str:
    """Return the identity of a source: a tarball's bytes, or every file of a tree but .git."""
    if source.is_file():
        return file_sha256(source)
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        place = path.relative_to(source)
        if place.parts[0] == ".git" or path.is_dir():
            continue
        identity = f"-> {path.readlink()}" if path.is_symlink() else file_sha256(path)
        digest.update(f"{place}\0{identity}\n".encode())
    return digest.hexdigest()


def toolchain() -> str:
    """Return compiler and linker with their versions, one line each."""
    return "\n".join(
        run([tool, "--version"], f"ask {tool} for its version").splitlines()[0]
        for tool in ("gcc", "ld")
    )


def inputs(
    source: Path, patches: Iterable[Sequence[str]], wanted: Mapping[str, str], tools: str
) -> dict[str, Any]:
    """Return all that decides the kernel's bytes, for the key and the manifest."""
    return {
        "source_sha256": source_sha256(source),
        "patches": [[name, text_sha256(text)] for name, text in patches],
        "config": dict(wanted),
        "toolchain": tools,
        "recipe": {"environment": ENVIRONMENT, "make": MAKE, "configure": CONFIGURE},
    }


def check_space(folder: Path, needed_mib: int) -> None:
    """Raise ArtifactError if the file system of a folder (there or not yet) is too full."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free_mib = shutil.disk_usage(there).free >> 20
    if free_mib < needed_mib:
        raise ArtifactError(
            f"Building the guest kernel takes {needed_mib} MiB under {folder} but {free_mib} MiB "
            "are free; free some, or set guest_artifact_cache_dir to a larger disk."
        )


class Build:
    """One build in a fixed folder, so that no path differs between two builds.

    folder: holds source/, output/ and packages/, which belong to an unprivileged user, and what
    comes out of them: bzImage, config, build.log. What a source's Makefiles say is done by that
    user; root touches nothing in its folders but to make or remove them.
    """

    def __init__(self, folder: Path, ccache: Path, jobs: int) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.output = folder / "output"
        self.log = folder / "build.log"
        self.jobs = jobs
        self.ccache = ccache
        self.environment = {**ENVIRONMENT, "CCACHE_DIR": str(ccache)}

    def make(self, *arguments: str, output: Path | None = None) -> None:
        """Run make for an output folder; what it says goes to the log."""
        target = output or self.output
        command = [*MAKE, f"-j{self.jobs}", f"O={target}", *arguments]
        purpose = f"build the guest kernel (make {arguments[-1]})"
        run(
            command,
            purpose,
            folder=self.source,
            log=self.log,
            environment=self.environment,
            unprivileged=True,
        )

    def unpack(self, source: Path) -> None:
        """Start over with a fresh copy of the source, a tarball or a tree."""
        for folder in (self.source, self.output):
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
        self.ccache.mkdir(parents=True, exist_ok=True)
        give(self.ccache)
        give(self.output)
        self.log.unlink(missing_ok=True)
        if source.is_file():
            # Not by root, who would make the devices of an archive.
            give(self.source)
            command = ["tar", "--extract", f"--file={source}", "--strip-components=1"]
            command += ["--no-same-owner", "--no-same-permissions"]
            purpose = f"unpack {source}"
            run(command, purpose, folder=self.source, log=self.log, unprivileged=True)
            return
        command = ["rsync", "--archive", "--no-owner", "--no-group", "--chmod=ug-s,go-w"]
        command += ["--no-devices", "--no-specials", "--exclude=/.git"]
        command += [f"{source}/", f"{self.source}/"]
        run(command, f"copy {source}", log=self.log)
        give(self.source)
        # A tree that was built in is refused as source of a build elsewhere.
        run(
            ["make", "mrproper"],
            f"clean the copy of {source}",
            folder=self.source,
            log=self.log,
            unprivileged=True,
        )

    def version(self) -> str:
        """Return the version that the source says it has, such as 6.1.192."""
        said = self.output / "kernelversion"
        run(
            ["sh", "-c", 'exec make -s kernelversion >"$1"', "sh", str(said)],
            "read the source's version",
            folder=self.source,
            log=self.log,
            unprivileged=True,
        )
        return self._text(said).strip()[:VERSION_CHARACTERS]

    def _text(self, path: Path) -> str:
        """The text of a file that a build has made."""
        copy = self.folder / path.name.removeprefix(".")
        take(path, copy, LOG_BYTES)
        return copy.read_text(errors="replace")

    def configure(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Make .config from the symbols asked for and return it; see check_config()."""
        asked = self.folder / "asked.config"
        asked.write_text(format_config(wanted))
        asked.chmod(0o644)
        for target in CONFIGURE:
            self.make(f"KCONFIG_ALLCONFIG={asked}", target)
        final = parse_config(self._text(self.output / ".config"))
        check_config(wanted, final)
        return final

    @property
    def config(self) -> Path:
        """What configure() made."""
        return self.folder / "config"

    def image(self) -> Path:
        """Compile and return the bzImage."""
        self.make("bzImage")
        image = self.folder / "bzImage"
        take(self.output / "arch/x86/boot/bzImage", image)
        return image

    def release(self) -> str:
        """Return what uname -r of the kernel will say."""
        return self._text(self.output / "include/config/kernel.release").strip()

    def packages(self, to: Path) -> None:
        """Make Debian packages of the same configuration in an output folder of their own."""
        folder = self.folder / "packages"
        if folder.exists():
            shutil.rmtree(folder)
        output = folder / "output"
        output.mkdir(parents=True)
        shutil.copyfile(self.config, output / ".config")
        give(folder)
        self.make("KDEB_PKGVERSION=1", "bindeb-pkg", output=output)
        to.mkdir(parents=True, exist_ok=True)
        for package in folder.glob("*.deb"):
            take(package, to / package.name)


def local_version(key: str) -> dict[str, str]:
    """Return the symbols that make uname -r tell which build is running."""
    return {"LOCALVERSION": f'"-hintfleet-{key[:12]}"', "LOCALVERSION_AUTO": "n"}


def check_version(version: str, series: str) -> None:
    """Raise ArtifactError unless a version such as 6.1.192 belongs to a series such as 6.1."""
    if version != series and not version.startswith(f"{series}."):
        raise ArtifactError(
            f"The source is Linux {version} but guest_kernel_version is {series}; set it to the "
            "series of the source."
        )


def missing_tools(names: Iterable[str]) -> list[str]:
    """Return the commands that are not installed."""
    return [name for name in names if not shutil.which(name)]


def progress(log: str) -> dict[str, Any]:
    """Read the log of a build under way: stage, and the objects that are done in it.

    expected: how many there will be, None where that is not known. It goes by the objects that the
    base configuration took when it was measured; fragments add some.
    """
    last = log.rpartition("\n$ ")[2]
    command = last.partition("\n")[0].split()
    done = len(re.findall(r"^  (?:CC|AS) ", last, re.MULTILINE))
    stage = STAGES.get(command[-1] if "make" in command else "", "preparing the source")
    expected = EXPECTED_OBJECTS if stage in (COMPILING, PACKING) else None
    return {"stage": stage, "done": done, "expected": expected}
