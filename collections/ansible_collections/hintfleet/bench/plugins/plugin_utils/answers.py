# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds on the controller for whatever a host answers."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible import constants
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import (
    SHOWN,
    cleaned,
    one_line,
)

# More than Linux can have.
MOST_NODES = 1025
MOST_CPUS = 8193
MOST_MIB = 1 << 32
ACCELERATORS = ("kvm", "tcg")
MOST_OPTIONS = 256
MANIFEST_MIB = 4
SHA256 = re.compile(r"[0-9a-f]{64}")
RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,63}")
OPTION = re.compile(r"[A-Z0-9_]{1,64}")
# What Ansible would act on instead of keeping it as an answer.
NOT_AN_ANSWER = ("ansible_facts", "invocation", "skipped", "unreachable")
KINDS: dict[str, type] = {"bool": bool, "dict": dict, "list": list, "str": str}
WORDS = {
    "bool": "neither true nor false",
    "dict": "no mapping",
    "list": "no list",
    "str": "no text",
}
REMEDY = "see what the host is and runs, or take it out of the inventory"
BUILDERS_REMEDY = "see what it is and runs, or build elsewhere (guest_artifact_builder)"


def check_that_facts_stay_facts() -> None:
    """A host must not set the play's variables, paths on the controller among them.

    Raises BenchError where any module's `ansible_facts` would become plain variables, which win
    over defaults and inventory.
    """
    if constants.config.get_config_value("INJECT_FACTS_AS_VARS"):
        raise BenchError(
            "Ansible is set to make variables of hosts' facts, and so a host could choose where "
            "the controller reads and writes; set inject_facts_as_vars = false in ansible.cfg, or "
            "ANSIBLE_INJECT_FACT_VARS=false."
        )


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What a host's module answered, as text that acts on nothing. Raises BenchError."""
    return {name: cleaned(it) for name, it in answer.items() if name not in NOT_AN_ANSWER}


def check_promised(answer: dict[str, Any], promised: dict[str, Any], place: str = "") -> None:
    """What a module returns always is there, and all that it names is of the type it says.

    promised: as in a module's RETURN. Where that says text, there may be null. Raises BenchError.
    """
    for name, what in promised.items():
        if name in answer:
            _check_kind(answer[name], what, f"{place}{name}")
        elif what.get("returned") == "always":
            raise BenchError(f"{place}{name} is missing from its answer; {REMEDY}")


def _check_kind(value: Any, what: dict[str, Any], name: str) -> None:
    kind = what["type"]
    if kind == "int":
        _check_whole(value, MOST_MIB, name)
    elif not isinstance(value, KINDS[kind]) and not (kind == "str" and value is None):
        raise BenchError(f"{name} is {_shown(value)}, which is {WORDS[kind]}; {REMEDY}")
    elif kind == "list":
        for place, each in enumerate(value):
            _check_kind(each, {"type": what["elements"]}, f"{name}[{place}]")
    elif kind == "dict":
        check_promised(value, what.get("contains", {}), f"{name}.")


def check_nodes(nodes: Any) -> None:
    """The NUMA nodes that a host says it has: they name cells. Raises BenchError."""
    if not isinstance(nodes, list) or len(nodes) > MOST_NODES:
        raise BenchError(f"nodes is no list of at most {MOST_NODES}; {REMEDY}")
    for place, node in enumerate(nodes):
        if not isinstance(node, dict):
            raise BenchError(f"nodes[{place}] is no node; {REMEDY}")
        for name in ("memory_mib", "available_mib"):
            _check_whole(node.get(name), MOST_MIB, f"nodes[{place}].{name}")
        _check_whole(node.get("node"), MOST_NODES, f"nodes[{place}].node")
        cpus = node.get("cpus")
        if not isinstance(cpus, list) or len(cpus) > MOST_CPUS:
            raise BenchError(f"nodes[{place}].cpus is no list of at most {MOST_CPUS}; {REMEDY}")
        for cpu in cpus:
            _check_whole(cpu, MOST_CPUS, f"nodes[{place}].cpus")
    if len({node["node"] for node in nodes}) < len(nodes):
        raise BenchError(f"nodes names one twice; {REMEDY}")


def check_accelerator(answer: dict[str, Any]) -> None:
    """How a host says that it runs guests, and why. Raises BenchError."""
    if answer.get("accelerator") not in ACCELERATORS or not isinstance(answer.get("reason"), str):
        raise BenchError(
            f"accelerator is {_shown(answer.get('accelerator'))} and reason "
            f"{_shown(answer.get('reason'))}, which says not how guests run; {REMEDY}"
        )


def _check_whole(value: Any, below: int, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < below:
        raise BenchError(
            f"{name} is {_shown(value)} and not a whole number below {below}; {REMEDY}"
        )


def checked_artifact(answer: Any) -> dict[str, Any]:
    """Key and manifest of what a builder made. Raises BenchError, to follow the builder's name."""
    manifest = answer.get("manifest") if isinstance(answer, dict) else None
    if not isinstance(manifest, dict) or not manifest:
        raise BenchError(f"answered without a manifest; {BUILDERS_REMEDY}")
    try:
        manifest = cleaned(manifest)
    except BenchError as error:
        raise BenchError(f"answered no manifest: {error}; {BUILDERS_REMEDY}") from error
    if len(json.dumps(manifest, default=str)) > MANIFEST_MIB << 20:
        raise BenchError(f"answered a manifest of more than {MANIFEST_MIB} MiB; {BUILDERS_REMEDY}")
    _check_matches("key", answer.get("key"), SHA256)
    if manifest.get("key") != answer["key"]:
        raise BenchError(f"answered a key that is not its manifest's; {BUILDERS_REMEDY}")
    _check_matches("manifest.sha256", manifest.get("sha256"), SHA256)
    if "release" in manifest:  # it is a kernel
        _check_matches("manifest.config_sha256", manifest.get("config_sha256"), SHA256)
        _check_matches("manifest.release", manifest["release"], RELEASE)
        options = manifest.get("debug_options")
        if not isinstance(options, list) or len(options) > MOST_OPTIONS:
            raise BenchError(f"answered manifest.debug_options that are no list; {BUILDERS_REMEDY}")
        for option in options:
            _check_matches("manifest.debug_options", option, OPTION)
    return {"key": answer["key"], "manifest": manifest}


def _check_matches(name: str, value: Any, pattern: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BenchError(f"answered {name} {_shown(value)}; {BUILDERS_REMEDY}")


def _shown(value: object) -> str:
    return one_line(repr(value), SHOWN)
