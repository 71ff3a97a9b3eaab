# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest kernel and the guest image have in common: built once, kept under a key.

An artifact is a folder ``<store>/<key>/`` with some files and a ``manifest.json``. The key is
computed from everything the files depend on, so that the same key means the same bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host.folder import check_way

LOG_LINES_SHOWN = 20
LOG_CHARACTERS_SHOWN = 8000
LOG_BYTES = 2**22  # of a log that are looked at: what a foreign source makes it say has no end
# Who runs what a foreign source says, where root builds: without rights, network and root's
# environment, and with all that it starts ending when it ends, or when who called it is killed: of
# unshare's own --kill-child nothing is left once the child has changed its user.
NOBODY = "nobody"
UNPRIVILEGED = (
    "setpriv --pdeathsig KILL unshare --net --pid --fork --mount-proc "
    f"setpriv --pdeathsig KILL --reuid={NOBODY} --regid=nogroup --clear-groups --no-new-privs "
    "--inh-caps=-all --bounding-set=-all"
).split()
LARGEST_FILE_BYTES = 2**30


class ArtifactError(Exception):
    """One or more sentences for the user: object, cause, remedy."""


def input_key(inputs: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of inputs; every name and value counts, their order does not.

    Values are what JSON can hold. The order within a list counts: use a mapping for a set.
    """
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def text_sha256(text: str) -> str:
    """Return the SHA-256 (hex) of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def stored_manifest(store: Path, key: str, digests: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the manifest of the artifact with this key; None if it is not there as it should be.

    digests: name of each file to the manifest's field with its SHA-256. An artifact that was
    damaged or only half written counts as absent.
    """
    folder = store / key
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        for name, field in digests.items():
            if manifest[field] != file_sha256(folder / name):
                return None
    except (OSError, ValueError, KeyError):
        return None
    return manifest


def begun_with(
    store: Path, key: str, now: str, digests: Mapping[str, str], what: str
) -> dict[str, Any] | None:
    """Return the manifest of what a study began with; None if that is what is wanted now.

    key: of what it began with, empty for nothing; now: the key that today's inputs give. Raises
    ArtifactError if it is gone and what is here now makes another one.
    """
    if key in ("", now):
        return None
    manifest = stored_manifest(store, key, digests)
    if manifest is None:
        raise ArtifactError(
            f"The study began with {what} {key[:12]}, which {store} on the builder no longer has, "
            f"and sources and tools have changed since (they give {now[:12]}): bring that folder "
            "back, or give the study another study_name."
        )
    return manifest


def publish(store: Path, key: str, files: Mapping[str, Path], manifest: Mapping[str, Any]) -> None:
    """Put files (by their names in the artifact) and the manifest in the store, all or nothing."""
    store.mkdir(parents=True, exist_ok=True)
    for folder in (store.parent, store):
        folder.chmod(folder.stat().st_mode | 0o555)
    new = Path(tempfile.mkdtemp(prefix=f".{key[:12]}-", dir=store))
    try:
        for name, path in files.items():
            shutil.copyfile(path, new / name)
        (new / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        # Whoever runs Ansible reads them here, whatever umask the builder has.
        for name in (*files, "manifest.json"):
            (new / name).chmod(0o644)
        new.chmod(0o755)
        shutil.rmtree(store / key, ignore_errors=True)  # a damaged one, see stored_manifest
        new.rename(store / key)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one builder at a time; another one waits here. Raises ArtifactError."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        check_way(folder)
    except BenchError as error:
        raise ArtifactError(f"{error} Set guest_artifact_cache_dir.") from error
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Not left to close(): a child process may have the file open still.
            fcntl.flock(lock, fcntl.LOCK_UN)


def run(
    command: Sequence[str],
    purpose: str,
    *,
    folder: Path | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    unprivileged: bool = False,
) -> str:
    """Run a command and return its standard output (empty if it goes to a log).

    purpose: what the command is for, completes "Cannot ...". log: file that both outputs are
    appended to. environment: added to the present one. unprivileged: see UNPRIVILEGED; needs a log,
    as what such a command says may have no end. Raises ArtifactError with the last lines of what
    the command said.
    """
    kept = {"PATH": os.environ.get("PATH", os.defpath)} if unprivileged else os.environ
    surroundings = {**kept, "LC_ALL": "C", **(environment or {})}
    program = command[0]
    if unprivileged and os.geteuid() == 0:
        command = [*UNPRIVILEGED, *command]
    said = ""
    try:
        if log is None:
            done = subprocess.run(
                command,
                cwd=folder,
                env=surroundings,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            said = done.stdout + done.stderr
        else:
            with log.open("a") as output:
                output.write(f"$ {' '.join(command)}\n")
                output.flush()
                done = subprocess.run(
                    command,
                    cwd=folder,
                    env=surroundings,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
    except OSError as error:
        raise ArtifactError(
            f"Cannot {purpose}: {program} does not start ({error.strerror}); install it."
        ) from error
    if done.returncode == 0:
        return "" if log else done.stdout
    if log:
        said = end_of(log)
    last = "\n".join(said.rstrip().splitlines()[-LOG_LINES_SHOWN:])[-LOG_CHARACTERS_SHOWN:]
    where = f"; the whole log is {log}" if log else ""
    raise ArtifactError(
        f"Cannot {purpose}: {program} ended with {done.returncode}{where}. It said:\n{last}"
    )


def end_of(log: Path, since: int = 0) -> str:
    """The last of what a log says, of what came after its first `since` bytes."""
    with log.open("rb") as file:
        file.seek(max(since, file.seek(0, os.SEEK_END) - LOG_BYTES))
        return file.read(LOG_BYTES).decode(errors="replace")


def give(folder: Path) -> None:
    """Hand a folder with all in it to whom `run` runs unprivileged."""
    if os.geteuid() == 0:
        run(["chown", "--recursive", "--no-dereference", f"{NOBODY}:nogroup", str(folder)],
            f"give {folder} to {NOBODY}")  # fmt: skip


def take(path: Path, to: Path, most_bytes: int = LARGEST_FILE_BYTES) -> None:
    """Copy the first bytes of a file out of a folder that was given away.

    Read with no more rights than its owner has, who may have put a link in its place.
    """
    command = [*(UNPRIVILEGED if os.geteuid() == 0 else []), "head", f"--bytes={most_bytes}"]
    with to.open("wb") as file:
        done = subprocess.run(
            [*command, str(path)], stdout=file, stderr=subprocess.PIPE, check=False
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ArtifactError(f"Cannot read {path}: {said}; see the build's log.")
