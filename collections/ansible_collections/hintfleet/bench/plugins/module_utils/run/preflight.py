# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be known to be wrong before a run changes anything."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm, from_plan
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.discard import LIBRARY
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import Offers
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.drivers import DRIVERS
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.mechanisms import MECHANISMS
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import (
    OLDEST,
    Installed,
    ask,
    usable_qemu,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.root import (
    check_root_disk,
    refused_way,
    room_mib,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings
from ansible_collections.hintfleet.bench.plugins.module_utils.host.facts import (
    node_cpus,
    node_ids,
    node_memory_mib,
    swap_mib,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.nodes import closed_folder
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.proof import (
    BALLAST_MIB,
    SPARE_MIB,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.registry import WORKLOADS

MANIFEST_KEYS = {
    "guest_kernel": ("key", "release", "sha256", "debug_options"),
    "guest_image": ("key", "sha256"),
}
ARTIFACT = {
    "path": {"type": "path", "required": True},
    "manifest": {"type": "dict", "required": True},
}
CELL = {
    "name": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "node": {"type": "int", "required": True},
    "memory_mib": {"type": "float", "required": True},
    "swap_mib": {"type": "float", "required": True},
    "cpus": {"type": "list", "elements": "int", "default": []},
    "side_by_side": {"type": "bool", "default": False},
}
ARM = {
    "name": {"type": "str", "required": True},
    "mechanism": {"type": "str", "choices": list(MECHANISMS), "required": True},
    "states": {"type": "dict", "default": {}},
}
PARAMETERS = {
    "guest_memory_mib": {"type": "int", "required": True},
    "guest_vcpus": {"type": "int", "required": True},
    "guest_swap_mib": {"type": "int", "default": 0},
    "guest_files_mib": {"type": "int", "default": 0},
    "kernel_arguments": {"type": "str", "default": ""},
    "proof_mib": {"type": "int", "default": 128},
    "proof_seconds": {"type": "float", "default": 6},
    "sample_hz": {"type": "float", "default": 20},
    "swap_threshold_mib": {"type": "float", "default": 1},
    "boot_deadline_seconds": {"type": "float", "default": 120},
    "deadline_seconds": {"type": "float", "default": 1800},
    "allocation_mib": {"type": "int"},
    "max_guests": {"type": "int"},
    "guests": {"type": "int"},
    "memhog_mib": {"type": "int"},
    "pause_seconds": {"type": "float"},
    "tasks": {"type": "int"},
    "seconds": {"type": "float"},
    "task_mib": {"type": "int"},
    "latency_mib": {"type": "int"},
    "program": {"type": "str", "choices": ["hintfleet", "will-it-scale"], "default": "hintfleet"},
    "tile": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "program": {"type": "str", "required": True},
            "guest_mib": {"type": "int", "required": True},
            "vcpus": {"type": "int", "required": True},
            "mib": {"type": "int", "required": True},
        },
    },
    "programs": {"type": "dict"},
    "tiles_max": {"type": "int"},
    "tile_factor": {"type": "float"},
    "tile_schedule": {"type": "str", "choices": ["staggered", "together"]},
    "tile_pause_seconds": {"type": "float"},
}
SLOWEST_HZ = 10
DISK_MIB = 64  # what a run's samples and logs may take
MIB = 2**20


def relevant_parameters(parameters: dict[str, Any], workload: str) -> dict[str, Any]:
    """Those that the workload looks at; raises BenchError if one that it needs was not given."""
    needs = WORKLOADS[workload].NEEDS
    missing = [name for name in needs if parameters.get(name) is None]
    if missing:
        raise BenchError(
            f"Workload {workload} lacks the parameter {', '.join(missing)}; add it to parameters."
        )
    foreign = {name for other in WORKLOADS.values() for name in other.NEEDS} - set(needs)
    return {name: value for name, value in parameters.items() if name not in foreign}


def asked_parameters(asked: dict[str, Any]) -> dict[str, Any]:
    """Those of a request as it was written (the module's arguments), as a host reads them."""
    read = ArgumentSpecValidator(PARAMETERS).validate(asked["parameters"])
    return relevant_parameters(read.validated_parameters, asked["workload"])


def check_root() -> None:
    """Raises BenchError."""
    if os.geteuid() != 0:
        raise BenchError("A run makes cgroups and starts QEMU as another user; become root.")


def check_request(request: dict[str, Any]) -> None:
    """Raises BenchError with the first thing that stands in the way of a run on this host."""
    arm = from_plan(request["arm"])
    qemu_of(arm)
    for sentence in refused_arms([arm], request["cell"]["side_by_side"]):
        raise BenchError(sentence)
    check_user(request["user"])
    _check_cell(request["cell"])
    _check_sizes(request)
    for name in MANIFEST_KEYS:
        check_artifact(name, request[name])
    check_library(arm, request["guest_image"])
    check_programs(request["parameters"], request["guest_image"]["manifest"])
    state_dir = Path(request["state_dir"])
    if not state_dir.is_dir():
        raise BenchError(f"Host has no {state_dir}; prepare it first (role numa_host).")
    free_mib = shutil.disk_usage(state_dir).free / MIB
    manifest = request["guest_image"]["manifest"]
    check_root_disk(manifest, request["guest_kernel"]["manifest"])
    check_files(arm, manifest)
    need_mib = DISK_MIB + request["parameters"].get("guest_files_mib", 0)
    need_mib += most_guests(request) * room_mib(manifest)
    if free_mib < need_mib:
        raise BenchError(
            f"{state_dir} has {free_mib:.0f} MiB free and a run may need {need_mib:.0f} MiB, "
            f"{need_mib - free_mib:.0f} MiB more; free some, or move it (numa_host_state_dir)."
        )


def check_files(arm: Arm, manifest: dict[str, Any]) -> None:
    """What the arm states of files must be possible; raises BenchError."""
    way = arm.states.get("files")
    if way is not None and (why := refused_way(way, manifest, qemu_of(arm).path)):
        raise BenchError(f"Arm {arm.name} states files {way}, and {why}.")


def most_guests(request: dict[str, Any]) -> int:
    """How many guests a run may have at the same time."""
    parameters = request["parameters"]
    of_tiles = (parameters.get("tiles_max") or 0) * len(parameters.get("tile") or ())
    return max(of_tiles, *(parameters.get(name) or 1 for name in ("max_guests", "guests")))


def refused_arms(arms: list[Arm], side_by_side: bool) -> list[str]:
    """A sentence for all that arms state and this host cannot have."""
    host = Offers(_hierarchy.find(), _settings.read_all(), side_by_side)
    return [
        f"Arm {arm.name} states {piece}, and {why}."
        for arm in arms
        for piece, value in arm.states.items()
        if (why := PIECES[piece].refused(value, host))
    ]


def qemu_of(arm: Arm) -> Installed:
    """The QEMU that the arm states, else the host's; raises BenchError if it is of no use."""
    stated = arm.states.get("qemu")
    if stated is None:
        return usable_qemu()
    found = ask(stated)
    if found is None or found.version < OLDEST:
        said = "does not answer" if found is None else f"is {found.text}"
        raise BenchError(
            f"Arm {arm.name} states the QEMU {stated}, which {said} on this host; install one of "
            f"{'.'.join(map(str, OLDEST))} or later there, with the libraries that it needs."
        )
    if (closed := closed_folder(Path(found.path))) is not None:
        raise BenchError(
            f"Arm {arm.name} states the QEMU {stated}, and guests run as a user who cannot enter "
            f"{closed}, or start it; open it (chmod o+rx), or install that QEMU elsewhere."
        )
    return found


def check_user(user: str) -> None:
    """QEMU must not run as root; raises BenchError."""
    try:
        number = pwd.getpwnam(user).pw_uid
    except KeyError:
        raise BenchError(
            f"Host has no user {user} for QEMU to run as; prepare the host (role numa_host)."
        ) from None
    if number == 0:
        raise BenchError(
            f"User {user} is root, and QEMU must not run as root; give a user of its own "
            "(numa_host_user)."
        )


def _check_cell(cell: dict[str, Any]) -> None:
    name, node = cell["name"], cell["node"]
    if node not in node_ids():
        raise BenchError(
            f"Cell {name} is to be on node {node}, but this host has memory on "
            f"{', '.join(map(str, node_ids()))} only; correct the cell's node."
        )
    strangers = set(cell["cpus"]) - set(node_cpus(node))
    if strangers or not cell["cpus"]:
        raise BenchError(
            f"Cell {name} cannot have CPUs {sorted(strangers) or 'none'}: node {node} has "
            f"{node_cpus(node)}; correct the cell's cpus."
        )
    if cell["memory_mib"] > node_memory_mib(node):
        raise BenchError(
            f"Cell {name} is to have {cell['memory_mib']:g} MiB and node {node} has "
            f"{node_memory_mib(node):.0f} MiB; lower the cell's memory."
        )
    # What is free now says nothing: another run may be under way, for whose end this one waits.
    total, _free_mib = swap_mib()
    if cell["swap_mib"] > total:
        raise BenchError(
            f"Cell {name} is to have {cell['swap_mib']:g} MiB of swap and this host has "
            f"{total:.0f} MiB; give it a larger swap area (role numa_host)."
        )


def check_settings(before: dict[str, str | None], after: dict[str, str | None]) -> None:
    """Refuse a run in whose midst somebody set the host's kernel anew. Raises BenchError."""
    changed = [name for name in before if before[name] != after.get(name)]
    if changed:
        said = ", ".join(f"{n} from {before[n]} to {after.get(n)}" for n in changed)
        raise BenchError(
            f"Something set {said} on this host during the run; stop what does (ksmtuned, tuned, a "
            "configuration management), prepare the host and start the study again."
        )


def check_free_swap(cell: dict[str, Any]) -> None:
    """Called when the cell is empty; raises BenchError if others use the swap that it needs."""
    total, free = swap_mib()
    if cell["swap_mib"] > free:
        raise BenchError(
            f"Cell {cell['name']} is to have {cell['swap_mib']:g} MiB of swap, and of this host's "
            f"{total:.0f} MiB only {free:.0f} MiB are free; end what uses it, or give the host a "
            "larger swap area (role numa_host)."
        )


def _check_sizes(request: dict[str, Any]) -> None:
    parameters, cell = request["parameters"], request["cell"]
    if parameters["guest_memory_mib"] > cell["memory_mib"]:
        raise BenchError(
            f"A guest of {parameters['guest_memory_mib']} MiB is larger than cell {cell['name']} "
            f"with {cell['memory_mib']:g} MiB; lower guest_memory_mib or raise the cell's memory."
        )
    if parameters["proof_mib"] + BALLAST_MIB + SPARE_MIB > parameters["guest_memory_mib"]:
        raise BenchError(
            f"proof_mib is {parameters['proof_mib']}, with {BALLAST_MIB} MiB of ballast and "
            f"{SPARE_MIB} MiB to live, and guest_memory_mib only "
            f"{parameters['guest_memory_mib']}; lower proof_mib."
        )
    arm = from_plan(request["arm"])
    driver = DRIVERS.get(arm.mechanism)
    sizes = [one["guest_mib"] for one in parameters.get("tile") or ()]
    smallest_mib = min([parameters["guest_memory_mib"], *sizes])
    why = driver and driver.refused(arm.policy, smallest_mib)
    if why:
        raise BenchError(f"Arm {arm.name} has the mechanism {arm.mechanism}, and {why}.")
    if "reclaim" in request["arm"]["states"] and not parameters.get("guest_files_mib"):
        raise BenchError(
            f"Arm {request['arm']['name']} states a reclaim policy and guests have no files, so no "
            "page cache that it could act on; give them some (guest_files_mib)."
        )
    if parameters["sample_hz"] < SLOWEST_HZ:
        raise BenchError(
            f"sample_hz is {parameters['sample_hz']:g}: below {SLOWEST_HZ} samples a second swap "
            "and return times are missed; raise it."
        )
    sentence = WORKLOADS[request["workload"]].check(parameters, cell)
    if sentence:
        raise BenchError(sentence)


def check_library(arm: Arm, image: dict[str, Any]) -> None:
    """What the arm has loaded into QEMU must have come with the image; raises BenchError."""
    if "discard" not in arm.states:
        return
    path = Path(image["path"]).with_name(LIBRARY)
    wanted = image["manifest"].get("libraries", {}).get(LIBRARY)
    if wanted is None:
        raise BenchError(
            f"Arm {arm.name} states discard, and the guest image was made before there was a "
            f"{LIBRARY}: begin a study of another name, or leave that arm out."
        )
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
        raise BenchError(
            f"Arm {arm.name} states discard, and {path} is not the library that came with the "
            "guest image; deliver it again (role guest_image)."
        )


def check_programs(parameters: dict[str, Any], image: dict[str, Any]) -> None:
    """The image must hold the programs of a tile; raises BenchError."""
    held = image.get("programs", [])
    for one in parameters.get("tile") or ():
        if one["program"] not in held:
            raise BenchError(
                f"Guest {one['name']} of the tile runs {one['program']}, and the guest image holds "
                f"the programs {', '.join(held) or 'none'} only: those that need packages have "
                "their place in a Debian root (guest_image_root=debian); an image that was made "
                "before there were programs takes a study of another name."
            )


def check_artifact(name: str, artifact: dict[str, Any]) -> None:
    """A kernel or image must be the one its manifest speaks of; raises BenchError."""
    words, path, manifest = name.replace("_", " "), Path(artifact["path"]), artifact["manifest"]
    missing = [key for key in MANIFEST_KEYS[name] if key not in manifest]
    if missing:
        raise BenchError(
            f"The manifest of the {words} lacks {', '.join(missing)}; build it again (role {name})."
        )
    if not path.is_file():
        raise BenchError(f"Host has no {words} at {path}; deliver it (role {name}).")
    if hashlib.sha256(path.read_bytes()).hexdigest() != manifest["sha256"]:
        raise BenchError(
            f"The {words} at {path} is not the one its manifest speaks of (SHA-256 differs); "
            f"deliver it again (role {name})."
        )
