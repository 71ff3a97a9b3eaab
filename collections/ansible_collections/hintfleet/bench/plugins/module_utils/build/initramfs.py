# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the guest's root, an initramfs: parts of Debian packages and our own static programs.

Every file in it is guest memory for good, so only what runs goes in: named programs, the
shared libraries these need, and nothing else of their packages.
"""

from __future__ import annotations

import gzip
import inspect
import re
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    file_sha256,
    run,
    text_sha256,
)

COMPILE = ["musl-gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
LINK = ["-static", "-s", "-lm"]
SHARED = ["-shared", "-fPIC", "-nostdlib", "-s", "-Wl,--build-id=none"]
PROGRAMS = "programs"  # a folder for each that guests of tiles run
LIBRARY_FOLDER = "lib/x86_64-linux-gnu"
FOLDERS = (
    "bin",
    "dev",
    "etc",
    "lib64",
    LIBRARY_FOLDER,
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
)


@dataclass(frozen=True)
class Package:
    """A Debian package as apt would install it now."""

    name: str
    version: str
    section: str
    sha256: str
    depends: tuple[tuple[str, ...], ...]
    """Each dependency with its alternatives, without versions."""


@dataclass
class Entry:
    """What stands at one path of the initramfs."""

    mode: int
    content: bytes = b""
    """A file's bytes or a link's target."""
    device: tuple[int, int] = field(default=(0, 0))


def parse_packages(text: str) -> dict[str, Package]:
    """Read the output of ``apt-cache show --no-all-versions``: name to package."""
    packages: dict[str, Package] = {}
    for stanza in re.split(r"\n\s*\n", text.strip()):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))
        if "Package" not in fields or "SHA256" not in fields:
            continue
        depends = [
            tuple(re.split(r"[\s:(]", alternative.strip())[0] for alternative in group.split("|"))
            for name in ("Pre-Depends", "Depends")
            for group in fields.get(name, "").split(",")
            if group.strip()
        ]
        packages[fields["Package"]] = Package(
            name=fields["Package"],
            version=fields["Version"],
            section=fields.get("Section", ""),
            sha256=fields["SHA256"],
            depends=tuple(depends),
        )
    return packages


def show_packages(names: Iterable[str]) -> dict[str, Package]:
    """Ask apt for packages; names it does not know are left out."""
    wanted = sorted(names)
    if not wanted:
        return {}
    try:
        return parse_packages(
            run(["apt-cache", "show", "--no-all-versions", *wanted], "look packages up")
        )
    except ArtifactError:
        # apt-cache fails as a whole if it knows none of them.
        return {}


def resolve(names: Iterable[str]) -> list[Package]:
    """Return the packages and, step by step, every library package they depend on, by name.

    Raises ArtifactError if apt does not know one of the names.
    """
    wanted = set(names)
    found = show_packages(wanted)
    if missing := sorted(wanted - set(found)):
        raise ArtifactError(
            f"Cannot find {', '.join(missing)} in apt's package lists; run apt-get update on the "
            "builder, or check that its sources name a Debian release."
        )
    news = list(found.values())
    while news:
        asked = {name for package in news for group in package.depends for name in group}
        answers = show_packages(asked - set(found))
        news = [package for package in answers.values() if package.section.endswith("libs")]
        found.update({package.name: package for package in news})
    return sorted(found.values(), key=lambda package: package.name)


def unpack(packages: Iterable[Package], archive: Path, root: Path) -> dict[str, str]:
    """Download packages to the archive unless they are there, unpack them under root.

    Returns each unpacked path (as in the package, without usrmerge) to its package's name.
    """
    archive.mkdir(parents=True, exist_ok=True)
    owners: dict[str, str] = {}
    for package in packages:
        kept = archive / f"{package.name}_{package.sha256[:16]}.deb"
        if not kept.exists() or file_sha256(kept) != package.sha256:
            download(package, kept)
        for line in run(["dpkg-deb", "--contents", str(kept)], f"list {kept}").splitlines():
            path = line.split(None, 5)[5].split(" -> ")[0]
            owners[path.removeprefix("./").rstrip("/")] = package.name
        run(["dpkg-deb", "--extract", str(kept), str(root)], f"unpack {kept}")
    return owners


def download(package: Package, kept: Path) -> None:
    """Fetch one package with apt, which checks its signature chain, and keep it."""
    wanted = f"{package.name}={package.version}"
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        # apt would drop its rights to user _apt, who cannot write to this folder.
        run(
            ["apt-get", "-o", "APT::Sandbox::User=root", "download", "-q", wanted],
            f"download the package {wanted}",
            folder=Path(folder),
        )
        (fetched,) = Path(folder).glob("*.deb")
        if file_sha256(fetched) != package.sha256:
            raise ArtifactError(
                f"The package {wanted} differs from what apt's lists promise; "
                "run apt-get update on the builder."
            )
        fetched.rename(kept)


def parse_dynamic(text: str) -> tuple[str | None, list[str]]:
    """Read ``readelf --program-headers --dynamic``: (interpreter or None, needed libraries)."""
    interpreter = re.search(r"\[Requesting program interpreter: (\S+)\]", text)
    needed = re.findall(r"\(NEEDED\)\s+Shared library: \[(\S+)\]", text)
    return (interpreter[1] if interpreter else None), needed


def find_in(root: Path, place: str) -> Path:
    """Return where a file lies among the unpacked packages; one that is not there lies at place.

    Debian moved files from / to /usr one package at a time, so both are looked at: a place is the
    same for every release.
    """
    below = place.removeprefix("usr/")
    found = (path for path in (root / below, root / "usr" / below) if path.exists())
    return next(found, root / place)


def find_library(root: Path, name: str, program: Path) -> Path:
    """Return the path of a shared library among the unpacked packages."""
    path = find_in(root, f"{LIBRARY_FOLDER}/{name}")
    if path.exists():
        return path
    raise ArtifactError(
        f"{program.name} needs the library {name}, which no unpacked package has; "
        "name its package in guest_image_extra_packages."
    )


def with_libraries(root: Path, programs: Mapping[str, Path]) -> dict[str, Path]:
    """Return what to copy: path in the initramfs to file on this machine.

    programs: the same; the libraries that they need, found under root, come on top.
    """
    files: dict[str, Path] = {}
    todo = list(programs.items())
    while todo:
        target, path = todo.pop()
        if target in files:
            continue
        if not path.is_file():
            raise ArtifactError(
                f"There is no {path} to put at {target}; check the packages and paths of the "
                "guest image's programs."
            )
        files[target] = path
        headers = run(
            ["readelf", "--program-headers", "--dynamic", "--wide", str(path)], f"read {path}"
        )
        interpreter, needed = parse_dynamic(headers)
        for name in needed:
            todo.append((f"{LIBRARY_FOLDER}/{name}", find_library(root, name, path)))
        if interpreter:
            place = interpreter.lstrip("/")
            todo.append((place, find_library(root, Path(place).name, path)))
    # The interpreter is needed by name too (libc), but one copy of it is enough.
    for place in [place for place in files if place.startswith("lib64/")]:
        files.pop(f"{LIBRARY_FOLDER}/{Path(place).name}", None)
    return files


def compile_programs(sources: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Compile each ``*.c`` of sources (name to text, headers included): name to program."""
    for name, text in sources.items():
        (folder / name).write_text(text)
    programs: dict[str, Path] = {}
    for source in sorted(name for name in sources if name.endswith(".c")):
        name = source.removesuffix(".c")
        run([*COMPILE, "-o", name, source, *LINK], f"compile {source}", folder=folder)
        programs[name] = folder / name
    return programs


def compile_libraries(sources: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Compile each source (name.c to text) into a library that needs no other: name.so to file."""
    libraries: dict[str, Path] = {}
    for source, text in sorted(sources.items()):
        (folder / source).write_text(text)
        name = source.removesuffix(".c") + ".so"
        run([*COMPILE, *SHARED, "-o", name, source], f"compile {source}", folder=folder)
        libraries[name] = folder / name
    return libraries


def cpio(entries: Mapping[str, Entry]) -> bytes:
    """Return a cpio archive (newc, the kernel's initramfs format), the same for the same entries.

    Format: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux kernel.
    Paths are sorted, owner is root, every time is 0.
    """
    archive = bytearray()
    for number, (path, entry) in enumerate([*sorted(entries.items()), ("TRAILER!!!", Entry(0))]):
        name = path.encode() + b"\0"
        links = 1 if entry.mode else 0
        numbers = (number + 1, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0)
        archive += b"070701" + b"".join(b"%08X" % value for value in numbers)
        archive += b"".join(b"%08X" % value for value in (*entry.device, len(name), 0))
        archive += name
        archive += bytes(-len(archive) % 4)
        archive += entry.content
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def layout(
    files: Mapping[str, Path], texts: Mapping[str, str], applets: Iterable[str]
) -> dict[str, Entry]:
    """Return the initramfs' entries: folders, devices, programs, our scripts, busybox's links.

    files: path to file on this machine; texts: path to content (executable unless in etc/).
    """
    entries = {path: Entry(stat.S_IFDIR | 0o755) for path in FOLDERS}
    for path in (*FOLDERS, *texts):
        for parent in Path(path).parents:
            if parent.name:
                entries.setdefault(str(parent), Entry(stat.S_IFDIR | 0o755))
    # The kernel opens it for the first program, before anything is mounted on /dev.
    entries["dev/console"] = Entry(stat.S_IFCHR | 0o600, device=(5, 1))
    entries["tmp"].mode = stat.S_IFDIR | 0o1777
    entries.update(
        {path: Entry(stat.S_IFREG | 0o755, file.read_bytes()) for path, file in files.items()}
    )
    for path, text in texts.items():
        mode = 0o644 if path.startswith("etc/") else 0o755
        entries[path] = Entry(stat.S_IFREG | mode, text.encode())
    for applet in applets:
        entries[applet] = Entry(stat.S_IFLNK | 0o777, b"/bin/busybox")
    return entries


def unpacked_mib(entries: Mapping[str, Entry]) -> float:
    """Return the memory (MiB) that the files' contents occupy in whole pages of 4 KiB."""
    pages = sum(-(-len(e.content) // 4096) for e in entries.values() if stat.S_ISREG(e.mode))
    return pages / 256


def compress(archive: bytes, compression: str) -> bytes:
    """Return the archive as it is (none) or compressed with gzip, reproducibly."""
    if compression == "none":
        return archive
    return gzip.compress(archive, compresslevel=9, mtime=0)


def collect(
    packages: list[Package], parts: Mapping[str, Any], archive: Path
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Return the initramfs' entries and the packages in it (name to version).

    packages: as from resolve(); parts: see the options of guest_image_build;
    archive: where downloaded packages are kept. Raises ArtifactError.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root, own = Path(scratch, "root"), Path(scratch, "own")
        root.mkdir()
        own.mkdir()
        owners = unpack(packages, archive, root)
        files = with_libraries(
            root,
            {target: find_in(root, source) for target, source in parts["programs"].items()}
            | {target: Path(source) for target, source in parts["extra_files"].items()},
        )
        used = {
            owners[str(path.relative_to(root))] for path in files.values() if root in path.parents
        }
        for name, program in compile_programs(parts["sources"], own).items():
            files[f"bin/{name}"] = program
        entries = layout(files, parts["scripts"], parts["applets"])
    versions = {package.name: package.version for package in packages if package.name in used}
    return entries, versions


def programs_of(scripts: Iterable[str]) -> list[str]:
    """Names of the programs for guests whose files are among these paths."""
    inside = (Path(path).parts for path in scripts)
    return sorted({parts[1] for parts in inside if parts[0] == PROGRAMS and len(parts) > 2})


def compiler() -> str:
    """Return the compiler and the C library our programs are made of, with their versions."""
    gcc = run(["musl-gcc", "--version"], "ask musl-gcc for its version").splitlines()[0]
    musl = run(
        ["dpkg-query", "--show", "--showformat=${Package} ${Version}", "musl-dev"],
        "ask for the version of musl",
    )
    return f"{gcc}, {musl}"


def inputs(
    packages: Iterable[Package], tools: str, parts: Mapping[str, Any], extra: Mapping[str, str]
) -> dict[str, Any]:
    """Return all that decides the image's bytes, for the key and the manifest.

    parts: see the options of guest_image_build; extra: its extra_files.
    """
    return {
        "packages": {package.name: [package.version, package.sha256] for package in packages},
        "programs": dict(parts["programs"]),
        "applets": sorted(parts["applets"]),
        "sources": {name: text_sha256(text) for name, text in parts["sources"].items()},
        "libraries": {name: text_sha256(text) for name, text in parts["libraries"].items()},
        "scripts": {path: text_sha256(text) for path, text in parts["scripts"].items()},
        "extra_files": {path: file_sha256(Path(file)) for path, file in extra.items()},
        "compression": parts["compression"],
        "compiler": tools,
        "recipe": text_sha256(inspect.getsource(sys.modules[__name__])),
    }
