# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing on the controller takes over how hosts are reached, or who and what works there."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.action import controller_wheel
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import with_python
from plays import ROOT, Fleet

WHEEL = b"a wheel"
# What an inventory or a command line may say of hosts; a task that went to one would fail.
OF_HOSTS = {
    "ansible_become": True,
    "ansible_become_exe": "/no/such/sudo",
    "ansible_connection": "ssh",
    "ansible_host": "192.0.2.1",
    "ansible_timeout": 1,
    "ansible_python_interpreter": "/no/such/python3",
}


def test_what_the_controller_does_is_done_as_who_runs_ansible(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.add("box")
    wheels, results = tmp_path / "wheels", tmp_path / "results"
    wheels.mkdir()
    (wheels / "a.whl").write_bytes(WHEEL)
    cell = {"name": "box-node0", "host": "box", "node": 0, "memory_mib": 960, "swap_mib": 256}
    variables = {
        **OF_HOSTS,
        "cell": cell,
        "results": str(results),
        "wheels": str(wheels),
        "sum": hashlib.sha256(WHEEL).hexdigest(),
    }
    code = fleet.play(
        """\
- hosts: all
  gather_facts: false
  tasks:
    - hintfleet.bench.controller_wheel:
        {requirement: a, sha256: "{{ sum }}", file: a.whl, folder: "{{ wheels }}"}
      run_once: true
    - hintfleet.bench.study_plan:
        results_dir: "{{ results }}/s"
        study: s
        cells: ["{{ cell }}"]
        blocks: 1
        arms: [{name: none, mechanism: none}]
        workloads: [memhog]
        parameters: {memhog: {guests: 1}}
      run_once: true
    - hintfleet.bench.study_report:
        {results_dir: "{{ results }}/s", folder: "{{ results }}/s"}
      run_once: true
""",
        "-e",
        json.dumps(variables),
    )
    assert code == 0, fleet.output
    assert (results / "s" / "study.json").stat().st_uid == tmp_path.stat().st_uid
    json.loads((results / "s" / "report.json").read_text())
    assert all((results / "s" / f"report.{name}").stat().st_size for name in ("html", "md", "txt"))


def test_no_task_is_delegated_to_localhost() -> None:
    tasks = [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/*.yml")]
    assert len(tasks) > 20
    assert [str(path) for path in tasks if "delegate_to: localhost" in path.read_text()] == []


def test_the_python_that_drives_guests_wins_over_one_for_hosts() -> None:
    given = {"ansible_python_interpreter": "/usr/bin/python3", "other": 1}
    assert with_python("/state/venv/bin/python", given) == {
        "ansible_python_interpreter": "/state/venv/bin/python",
        "other": 1,
    }
    assert with_python(None, given) == given


def test_a_wheel_is_fetched_from_where_pip_is_told_and_nothing_else_of_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nenv >"$0.env"\necho "ERROR: no matching distribution" >&2\nexit 1\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example.org/simple")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    with pytest.raises(BenchError, match=r"cannot fetch a==1 \(ERROR: no matching .*PIP_INDEX_URL"):
        controller_wheel._download("a==1", "0" * 64, tmp_path)
    seen = (tmp_path / "python.env").read_text()
    assert "PIP_INDEX_URL=https://mirror.example.org/simple" in seen
    assert "PIP_TARGET" not in seen
    assert "PIP_REQUIRE_VIRTUALENV" not in seen


@pytest.mark.parametrize("cache", ["", "/srv/cache"])
def test_what_the_controller_keeps_is_its_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    """A service may run without HOME, and an empty XDG_CACHE_HOME is none (its specification)."""
    monkeypatch.delenv("HOME")
    fleet = Fleet(tmp_path)
    fleet.add("box")
    fleet.play(
        f"""\
- hosts: all
  gather_facts: false
  vars_files:
    - {ROOT}/roles/numa_host/defaults/main.yml
    - {ROOT}/roles/guest_artifact/defaults/main.yml
  tasks:
    - ansible.builtin.assert:
        that: false
        quiet: true
        fail_msg: "{{{{ numa_host_wheels_dir }}}} {{{{ guest_artifact_controller_dir }}}}"
""",
        environment={"XDG_CACHE_HOME": cache},
    )
    wheels, artifacts = fleet.sentences("box").split()
    assert wheels == f"{cache or Path.home() / '.cache'}/hintfleet/wheels"
    assert artifacts == f"{cache or Path.home() / '.cache'}/hintfleet/artifacts"
