# SPDX-License-Identifier: GPL-2.0-or-later
"""Does what the README says on an empty Debian, as a person would: `make study` and `make test`.

The Debian is a tree of its own with processes and mounts of its own, and the kernel, cgroups and
swap of this machine: nothing else of hintfleet may be at work here meanwhile. Needs root and
mmdebstrap.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
FOLDERS = Path("/var/cache")  # open to root alone, and on a disk
PREFIX = "hintfleet-fresh-"
CLEANED_BY = "root/hintfleet/.venv/.runtime"
README_COMMANDS = ("make study", "make test")
# What the README asks for, and what a network with a certificate authority of its own takes.
PACKAGES = "ca-certificates,git,make"

SILENT_SECONDS = 60.0
FIRST_LINES = 25
SCREEN_LINES = 24

# What goes with whoever started it: these mounts, and of a machine all processes, too.
OWN_MOUNTS = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private")
# Its first process: mounts, and takes leave of orphans as an init does. The root is a mount.
# The kernel lists swap areas by their path in a mount: with one below /var, the tree's area has not
# the path of this machine's.
INIT = """
mount --bind "$1" "$1"
mount --bind "$1/var/lib" "$1/var/lib"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
echo up
while :; do sleep 3600; done
"""
ENVIRONMENT = ("HOME=/root", "TERM=linux", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
VERSIONS = r"""
echo "Debian $(cat /etc/debian_version), $(python3 --version)"
.venv/bin/ansible --version | head -1
gcc --version | head -1
qemu-system-x86_64 --version | head -1
sed -n 's/^ *"release": *//p' /var/cache/hintfleet/kernels/*/manifest.json
git log -1 --format='hintfleet %h %s'
"""


@dataclass(frozen=True)
class Done:
    """A command that came to its end."""

    command: str
    status: int
    seconds: float
    lines: tuple[str, ...]
    longest_silence_seconds: float


def fail(sentence: str) -> None:
    """End with a sentence for the user."""
    sys.exit(f"fresh_debian: {sentence}")


def sources(suite: str, backports: bool) -> list[str]:
    """Lines for apt, with the archives that this machine's own apt uses."""
    lines = []
    for label, suites in (
        ("Debian", [suite, f"{suite}-updates", *([f"{suite}-backports"] if backports else [])]),
        ("Debian-Security", [f"{suite}-security"]),
    ):
        what = ["Identifier: Packages", "Origin: Debian", f"Label: {label}"]
        told = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE)", *what],
            check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        if not told:
            fail(f"apt on this machine has no lists of the archive {label}: run apt-get update.")
        lines += [f"deb {told[0]} {name} main" for name in suites]
    return lines


def make_tree(tree: Path, suite: str, from_backports: list[str]) -> None:
    """An empty Debian with a clone of what is committed here; networks as from here."""
    settings = subprocess.run(
        ["apt-config", "dump"], check=True, capture_output=True, text=True
    ).stdout
    acquire = [line for line in settings.splitlines() if line.startswith("Acquire::")]
    (tree.parent / "acquire.conf").write_text("\n".join(acquire) + "\n")
    copied = [f"copy-in {tree.parent}/acquire.conf /etc/apt/apt.conf.d"]
    if Path("/etc/pip.conf").exists():
        copied.append("copy-in /etc/pip.conf /etc")
    authorities = [str(path) for path in Path("/usr/local/share/ca-certificates").glob("*.crt")]
    if authorities:
        copied.append(f"copy-in {shlex.join(authorities)} /usr/local/share/ca-certificates")
        copied.append('chroot "$1" update-ca-certificates')
    if from_backports:
        wanted = shlex.join(from_backports)
        copied.append('chroot "$1" apt-get update')
        copied.append(
            f'chroot "$1" apt-get install -y --no-install-recommends -t {suite}-backports {wanted}'
        )
    subprocess.run(
        [*OWN_MOUNTS, "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
         f"--include={PACKAGES}", *(f"--customize-hook={line}" for line in copied),
         suite, str(tree), *sources(suite, bool(from_backports))],
        check=True,
    )  # fmt: skip
    subprocess.run(
        ["git", "clone", "--quiet", f"file://{CHECKOUT}", str(tree / "root/hintfleet")], check=True
    )


@contextlib.contextmanager
def running(tree: Path) -> Iterator[int]:
    """The tree as a machine, by the number of its first process.

    One for all commands: the kernel shows a swap area's path only to the mounts it was opened in.
    """
    with subprocess.Popen(
        [*OWN_MOUNTS, "--pid", "--fork", "--kill-child", "sh", "-ec", INIT, "sh", str(tree)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    ) as unshare:  # fmt: skip
        try:
            assert unshare.stdout is not None
            if unshare.stdout.readline() != "up\n":
                fail(f"{tree} cannot be run as a machine, see above.")
            children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text()
            yield int(children)
        finally:
            unshare.kill()


def do(init: int, tree: Path, command: str) -> Done:
    """Run a command in the machine's checkout, and show its lines as they come."""
    lines: list[str] = []
    began = last = time.monotonic()
    silence = 0.0
    process = subprocess.Popen(
        ["nsenter", f"--target={init}", "--mount", "--pid", "chroot", str(tree),
         "env", "-i", *ENVIRONMENT, "sh", "-c", f"cd /root/hintfleet && {command}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        now = time.monotonic()
        silence, last = max(silence, now - last), now
        lines.append(line.rstrip())
        print(f"{now - began:6.0f} s | {lines[-1]}", flush=True)
    status = process.wait()
    now = time.monotonic()
    return Done(command, status, now - began, tuple(lines), max(silence, now - last))


def objections(done: Done) -> list[str]:
    """What a person would complain of, in sentences."""
    wrong = []
    if done.status != 0:
        wrong.append(f"`{done.command}` ended with {done.status}.")
    if done.command == README_COMMANDS[0]:
        if done.longest_silence_seconds > SILENT_SECONDS:
            wrong.append(
                f"`{done.command}` said nothing for {done.longest_silence_seconds:.0f} seconds."
            )
        first = next((n for n, line in enumerate(done.lines) if "compiling" in line), None)
        if first is not None and first > FIRST_LINES:
            wrong.append(f"`{done.command}` had {first} lines before its first long phase.")
    return wrong


def remove(folder: Path) -> None:
    """Put this machine back as the tree found it, and remove the tree."""
    tree = folder / "tree"
    swap = tree / "var/lib/hintfleet/swap"
    if swap.exists():
        # Of a machine that was killed; it fails where the area is not in use.
        subprocess.run(["swapoff", str(swap)], check=False, capture_output=True)
    if (tree / CLEANED_BY).exists():
        with running(tree) as init:
            do(init, tree, "make clean")
    going = folder / "going"  # what is half removed is no machine any more
    if tree.exists():
        tree.rename(going)
    for path in (going, folder):  # the lock lies in the folder, and is held to the end
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that goes in the end; one that a killed run left, goes now."""
    for left in FOLDERS.glob(f"{PREFIX}*"):
        with (left / "lock").open("w") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(left)
    here = Path(tempfile.mkdtemp(prefix=PREFIX, dir=FOLDERS))
    here.chmod(0o755)  # apt reads below it as a user of its own
    with (here / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield here
        finally:
            remove(here)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fresh_debian", description=__doc__)
    parser.add_argument("suite", help="release of Debian, such as bookworm or trixie")
    parser.add_argument("--run", action="append", metavar="COMMAND", help="instead of the README's")
    parser.add_argument("--backports", action="append", default=[], metavar="PACKAGE",
                        help="install this package of the release's backports first")  # fmt: skip
    return parser.parse_args(arguments)


def main() -> None:
    """Entry point."""
    asked = parse()
    if os.geteuid() != 0:
        fail("making an empty Debian takes root: run it as root.")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    wrong: list[str] = []
    with folder() as here:
        tree = here / "tree"
        print(f"Making an empty Debian {asked.suite}.", flush=True)
        try:
            make_tree(tree, asked.suite, asked.backports)
        except subprocess.CalledProcessError as error:
            fail(f"{' '.join(error.cmd[:9])} ... ended with {error.returncode}, see above.")
        done = []
        with running(tree) as init:
            for command in asked.run or README_COMMANDS:
                print(f"$ {command}", flush=True)
                done.append(do(init, tree, command))
                wrong += objections(done[-1])
                if done[-1].status != 0:
                    break
            print("\nVersions:")
            do(init, tree, VERSIONS)
            if (tree / CLEANED_BY).exists():
                do(init, tree, "make clean")
    for one in done:
        print(
            f"\n`{one.command}` ended with {one.status} after {one.seconds / 60:.1f} min, longest "
            f"silence {one.longest_silence_seconds:.0f} s. Its last screen:"
        )
        print("\n".join(one.lines[-SCREEN_LINES:]))
    if wrong:
        fail(" ".join(wrong))
    print(f"\nDebian {asked.suite}: nothing else was needed.")


if __name__ == "__main__":
    main()
