# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet.bench.controller_wheel: the controller fetches a wheel for its hosts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import ControllerAction

# Of pip's settings in the environment, those that say where packages come from. Others would have
# it look for another platform, or refuse for want of a virtual environment.
SOURCES = (
    "CACHE_DIR", "CERT", "CLIENT_CERT", "CONFIG_FILE", "EXTRA_INDEX_URL", "FIND_LINKS", "INDEX_URL",
    "NO_INDEX", "PROXY", "RETRIES", "TIMEOUT", "TRUSTED_HOST",
)  # fmt: skip


class ActionModule(ControllerAction):
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "requirement": {"type": "str", "required": True},
        "sha256": {"type": "str", "required": True},
        "file": {"type": "str", "required": True},
        "folder": {"type": "path", "required": True},
    }

    def act(self, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        # The controller's cache is no host: --check fills it, too.
        folder = Path(params["folder"])
        wheel = folder / params["file"]
        fetch = not wheel.exists()
        if fetch:
            folder.mkdir(parents=True, exist_ok=True)
            _download(params["requirement"], params["sha256"], folder)
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != params["sha256"]:
            raise BenchError(
                f"Wheel {wheel} is damaged: delete it, the next play fetches it again."
            )
        return {"changed": fetch, "path": str(wheel)}


def _download(requirement: str, sha256: str, folder: Path) -> None:
    listed = folder / "requirements.txt"
    listed.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    kept = {f"PIP_{name}" for name in SOURCES}
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += [f"--requirement={listed}", f"--dest={folder}"]
    done = subprocess.run(
        command,
        env={n: v for n, v in os.environ.items() if not n.startswith("PIP_") or n in kept},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        raise BenchError(
            f"pip on the controller cannot fetch {requirement} ({said[-1]}): "
            f"give it a network or a mirror (PIP_INDEX_URL), or put the wheel into {folder}."
        )
