# SPDX-License-Identifier: GPL-2.0-or-later
"""The key of an artifact, and the store that keeps artifacts under their keys."""

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    begun_with,
    file_sha256,
    input_key,
    locked,
    publish,
    run,
    stored_manifest,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host import folder as _folder
from plays import Fleet

INPUTS: dict[str, Any] = {
    "source_sha256": "5f1c",
    "patches": {"0001-a.patch": "11", "0002-b.patch": "22"},
    "config": {"SMP": "y", "KASAN": "n"},
    "toolchain": "gcc 12.2.0",
    "recipe": {"make": ["make", "-k"]},
}
DIGESTS = {"image": "sha256"}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in items:
            yield from leaves(inner, (*path, name))
    else:
        yield path


@pytest.mark.parametrize("path", list(leaves(INPUTS)), ids=lambda path: "/".join(map(str, path)))
def test_any_value_that_changes_changes_the_key(path: tuple[Any, ...]) -> None:
    changed = copy.deepcopy(INPUTS)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] += "x"
    assert input_key(changed) != input_key(INPUTS)


def test_a_name_that_comes_goes_or_changes_changes_the_key() -> None:
    keys = {input_key(INPUTS)}
    for patches in ({}, {"0001-a.patch": "11"}, {"0001-b.patch": "11", "0002-b.patch": "22"}):
        keys.add(input_key({**INPUTS, "patches": patches}))
    assert len(keys) == 4


def test_order_does_not_change_the_key() -> None:
    def backwards(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: backwards(inner) for name, inner in reversed(value.items())}

    assert list(backwards(INPUTS)) != list(INPUTS)
    assert input_key(backwards(INPUTS)) == input_key(INPUTS)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    image = tmp_path / "built"
    image.write_bytes(b"bytes of an image")
    publish(tmp_path / "store", "k1", {"image": image}, {"key": "k1", "sha256": file_sha256(image)})
    return tmp_path / "store" / "k1"


def test_what_was_published_is_found(artifact: Path) -> None:
    manifest = stored_manifest(artifact.parent, "k1", DIGESTS)
    assert manifest is not None and manifest["key"] == "k1"
    assert [path.name for path in artifact.parent.iterdir()] == ["k1"]
    assert artifact.stat().st_mode & 0o777 == 0o755


def damage(artifact: Path) -> None:
    (artifact / "image").write_bytes(b"bytes of an imagE")


def lose_image(artifact: Path) -> None:
    (artifact / "image").unlink()


def cut_manifest(artifact: Path) -> None:
    (artifact / "manifest.json").write_text('{"key": "k1", "sha')


def foreign_manifest(artifact: Path) -> None:
    (artifact / "manifest.json").write_text("{}")


@pytest.mark.parametrize("harm", [damage, lose_image, cut_manifest, foreign_manifest])
def test_a_damaged_artifact_counts_as_absent_and_is_replaced(artifact: Path, harm: Any) -> None:
    built = artifact.parent.parent / "built"
    harm(artifact)
    assert stored_manifest(artifact.parent, "k1", DIGESTS) is None
    publish(artifact.parent, "k1", {"image": built}, {"key": "k1", "sha256": file_sha256(built)})
    assert stored_manifest(artifact.parent, "k1", DIGESTS) is not None


def test_a_study_goes_on_with_what_it_began_with(artifact: Path) -> None:
    """Packages of the builder move on meanwhile, and the key of today's inputs with them."""

    def found(key: str, now: str) -> dict[str, Any] | None:
        return begun_with(artifact.parent, key, now, DIGESTS, "guest kernel")

    assert found("", "k1") is found("k1", "k1") is None
    manifest = found("k1", "k2")
    assert manifest is not None and manifest["key"] == "k1"
    lose_image(artifact)
    with pytest.raises(ArtifactError, match=r"began with guest kernel k1, which .* no longer has"):
        found("k1", "k2")


def test_an_unknown_key_is_absent(artifact: Path) -> None:
    assert stored_manifest(artifact.parent, "k2", DIGESTS) is None


def test_publishing_is_all_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "store", "k1", {"image": tmp_path / "absent"}, {})
    assert list((tmp_path / "store").iterdir()) == []


def test_one_builder_at_a_time(tmp_path: Path) -> None:
    """A second builder gets in only after the first has left."""
    second = ["flock", "--verbose", str(tmp_path / "lock"), "echo", "inside"]
    with locked(tmp_path):
        refused = subprocess.run([*second[:1], "--nonblock", *second[2:]], check=False)
        assert refused.returncode == 1
        builder = subprocess.Popen(second, stdout=subprocess.PIPE, text=True)
    assert "inside" in builder.communicate(timeout=30)[0]


def test_a_command_that_fails_says_what_it_was_for_and_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "for i in $(seq 100); do echo line $i; done; exit 7"
    with pytest.raises(ArtifactError) as caught:
        run(["sh", "-c", script], "count lines", log=log)
    sentence = str(caught.value)
    assert sentence.startswith(f"Cannot count lines: sh ended with 7; the whole log is {log}")
    assert "line 100" in sentence and "line 81\n" in sentence and "line 80\n" not in sentence
    assert "line 1\n" in log.read_text()


def test_a_command_that_is_not_installed_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"no-such-tool does not start .*; install it"):
        run(["no-such-tool"], "try")


DELIVER = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {{name: guest_artifact, tasks_from: deliver}}
      vars:
        guest_artifact_cache_dir: {cache}
        guest_artifact_kind: kernels
        guest_artifact_key: k1
        guest_artifact_files: {{bzImage: {sha256}}}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="what is delivered belongs to root")
def test_cleaning_knows_a_folder_that_was_made_for_an_artifact(tmp_path: Path) -> None:
    """Whoever delivers without preparing the host, and wherever that is."""
    built = tmp_path / "built"
    built.write_bytes(b"bytes of a kernel")
    publish(tmp_path / "cache" / "kernels", "k1", {"bzImage": built}, {"key": "k1"})
    state = tmp_path / "srv" / "state"
    hosts = Fleet(tmp_path)
    hosts.add("new", {"numa_host_state_dir": str(state)})
    hosts.add("foreign")
    (tmp_path / "hosts" / "foreign" / _folder.MARK).unlink()
    hosts.play(DELIVER.format(cache=tmp_path / "cache", sha256=file_sha256(built)))
    assert hosts.changed("new") == 3
    assert (state / "kernels" / "k1" / "bzImage").read_bytes() == b"bytes of a kernel"
    assert [path.name for path in _folder.ours(state, ["kernels"])] == ["kernels"]
    assert "holds answer.json, which hintfleet did not put there" in hosts.sentences("foreign")
    assert [p.name for p in (tmp_path / "hosts/foreign").iterdir()] == ["answer.json"]
