# SPDX-License-Identifier: GPL-2.0-or-later
"""What hosts and builders say is looked at before it becomes a name, a path or a cell."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hintfleet.bench.plugins.filter.artifact import artifact
from ansible_collections.hintfleet.bench.plugins.filter.unfetched import unfetched
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils import asked
from ansible_collections.hintfleet.bench.plugins.plugin_utils.answers import (
    check_accelerator,
    check_nodes,
    check_promised,
    checked_artifact,
    told,
)

PLUGINS = Path(asked.__file__).parents[1]
ASKED = [path.stem for path in PLUGINS.glob("action/*.py") if "AskedAction" in path.read_text()]
NODE = {"node": 0, "memory_mib": 4096, "available_mib": 4000, "cpus": [0, 1]}
DIGEST = "a" * 64
KERNEL = {"key": DIGEST, "release": "6.1.0-hintfleet-0123456789ab", "sha256": DIGEST,
          "config_sha256": DIGEST, "debug_options": ["KASAN"], "inputs": {}}  # fmt: skip
IMAGE = {"key": DIGEST, "sha256": DIGEST, "packages": {"busybox": "1"}}


@pytest.mark.parametrize("nodes", [[], [NODE], [NODE, {**NODE, "node": 1024, "cpus": []}]])
def test_nodes_that_can_be_are_taken(nodes: Any) -> None:
    check_nodes(nodes)


@pytest.mark.parametrize(
    "nodes",
    [
        None,
        "evil",
        {"a": 1},
        [7],
        [{}],
        [NODE, NODE],
        [NODE] * 5000,
        *[[{**NODE, "node": node}] for node in ("../../evil", "0", 0.5, -1, True, None, 10**30)],
        *[[{**NODE, "memory_mib": size}] for size in ("1", -1, None, float("inf"))],
        *[[{**NODE, "cpus": cpus}] for cpus in (None, "0-3", [-1], ["0"], [0] * 10_000)],
    ],
)
def test_nodes_that_cannot_be_are_named_with_a_remedy(nodes: Any) -> None:
    with pytest.raises(BenchError, match=r"^nodes.*; see what the host is and runs"):
        check_nodes(nodes)


@pytest.mark.parametrize(
    "lie",
    [{"accelerator": "evil"}, {"accelerator": ["kvm"]}, {"reason": None}, {"reason": ["because"]}],
)
def test_an_accelerator_that_is_none_is_named_with_a_remedy(lie: dict[str, Any]) -> None:
    honest = {"accelerator": "tcg", "reason": "A guest booted."}
    check_accelerator(honest)
    with pytest.raises(BenchError, match=r"^accelerator is .*; see what the host is and runs"):
        check_accelerator({**honest, **lie})


def test_an_answer_is_text_and_nothing_that_ansible_acts_on() -> None:
    evil = {"ansible_facts": {"a": 1}, "skipped": True, "unreachable": True, "invocation": {}}
    assert told({"reason": "\x1b[2J", "n": 1, **evil}) == {"reason": "\ufffd[2J", "n": 1}


@pytest.mark.parametrize("manifest", [KERNEL, IMAGE])
def test_an_artifact_is_its_key_and_manifest(manifest: dict[str, Any]) -> None:
    answer = {"key": DIGEST, "manifest": manifest, "folder": "/evil", "ansible_facts": {}}
    assert checked_artifact(answer) == {"key": DIGEST, "manifest": manifest}


@pytest.mark.parametrize(
    "lie",
    [
        {"key": "../../../../evil"},
        {"key": f"{DIGEST}\n"},
        {"key": "c" * 64},
        {"key": DIGEST.upper()},
        {"key": [DIGEST]},
        {"manifest": {}},
        {"manifest": "evil"},
        {"manifest": {**KERNEL, "sha256": "{{ 1 }}"}},
        {"manifest": {**KERNEL, "config_sha256": None}},
        {"manifest": {**KERNEL, "key": "c" * 64}},
        {"manifest": {**KERNEL, "release": "6.1\nevil"}},
        {"manifest": {**KERNEL, "debug_options": "KASAN"}},
        {"manifest": {**KERNEL, "debug_options": ["\x1b[2J"]}},
        {"manifest": {**KERNEL, "inputs": "x" * 2**23}},
        {"manifest": {**IMAGE, "sha256": "../x"}},
    ],
    ids=lambda lie: str(lie)[:60],
)
def test_a_builders_lie_is_named_with_a_remedy(lie: dict[str, Any]) -> None:
    answer = {"key": DIGEST, "manifest": KERNEL, **lie}
    for allowed in (False, bool(answer["manifest"])):
        with pytest.raises(AnsibleFilterError, match=r"^Builder b answered .*; see what it is"):
            artifact(answer, "b", allowed)


def test_in_check_mode_there_may_be_nothing_yet() -> None:
    assert artifact({"key": "../evil", "manifest": {}}, "b", True) == {"key": "", "manifest": {}}
    with pytest.raises(AnsibleFilterError):
        artifact({"key": "", "manifest": {}}, "b")


def test_runs_without_a_finished_record_are_unfetched(tmp_path: Path) -> None:
    for name, status in (("a", "finished"), ("b", "failed")):
        folder = tmp_path / "s" / "runs" / name
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps({"outcome": {"status": status}}))
    assert unfetched(["s/a", "s/b", "s/c", "t/a"], str(tmp_path)) == ["s/b", "s/c", "t/a"]


@pytest.mark.parametrize(
    "runs", ["s/a", None, ["a"], ["../../etc/x"], ["s/a/b"], ["s/../a"], [7], ["s/a"] * 100_001]
)
def test_names_of_runs_that_are_paths_are_refused(tmp_path: Path, runs: Any) -> None:
    with pytest.raises(AnsibleFilterError):
        unfetched(runs, str(tmp_path))


def honest(promised: dict[str, Any]) -> dict[str, Any]:
    """An answer that has all that a module's documentation promises."""
    of = {"bool": True, "int": 1, "list": [], "str": "x", "dict": {}}
    return {
        name: honest(what["contains"]) if "contains" in what else of[what["type"]]
        for name, what in promised.items()
    }


FITS = [("str", None, "x"), ("list", "dict", [{}])]


def places(value: Any, way: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = value.items() if isinstance(value, dict) else ()
    found = [(*way, name) for name, _ in inner]
    return found + [place for name, each in inner for place in places(each, (*way, name))]


@pytest.mark.parametrize("module", ASKED)
def test_all_that_a_module_promises_is_there_and_of_its_type(module: str) -> None:
    promised = asked.promised_by(module)
    answer = honest(promised)
    check_promised(answer, promised)
    for *way, name in places(answer):
        damaged = copy.deepcopy(answer)
        inner, documented = damaged, promised
        for step in way:
            inner, documented = inner[step], documented[step]["contains"]
        what = documented[name]
        del inner[name]
        if what["returned"] == "always":
            words = rf"^{'[.]'.join([*way, name])} is missing from its answer; see what the host is"
            with pytest.raises(BenchError, match=words):
                check_promised(damaged, promised)
        else:
            check_promised(damaged, promised)
        for lie in (7.5, [{}], "x"):
            if (what["type"], what.get("elements"), lie) in FITS:
                continue
            inner[name] = lie
            with pytest.raises(BenchError, match=rf"^{'[.]'.join([*way, name])}.* is .*; see what"):
                check_promised(damaged, promised)
