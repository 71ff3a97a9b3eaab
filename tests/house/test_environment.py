# SPDX-License-Identifier: GPL-2.0-or-later
"""`make` gives its commands an environment that works, whatever shell it is called in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRINT = "include Makefile\nprint-environment:\n\t@env\n"
HOSTILE = {
    "LC_ALL": "C",
    "LANG": "de_DE.UTF-8",
    "PIP_TARGET": "/elsewhere",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_USER": "1",
    "PYTHONPATH": "/elsewhere",
    "PYTHONHOME": "/elsewhere",
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii",
    "ANSIBLE_CONFIG": "/elsewhere/ansible.cfg",
    "ANSIBLE_ROLES_PATH": "/elsewhere",
    "ANSIBLE_COLLECTIONS_PATH": "/elsewhere",
    "ANSIBLE_CALLBACK_PLUGINS": "/elsewhere",
    "ANSIBLE_STRATEGY": "free",
    "ANSIBLE_STDOUT_CALLBACK": "community.general.yaml",
    "ANSIBLE_HASH_BEHAVIOUR": "merge",
    "ANSIBLE_PRIVATE_ROLE_VARS": "true",
    "ANSIBLE_TASK_TIMEOUT": "5",
    "ANSIBLE_BECOME_PLUGINS": "/elsewhere",
    "ANSIBLE_INJECT_FACT_VARS": "true",
    "ANSIBLE_PYTHON_INTERPRETER": "/elsewhere/python",
    "GIT_DIR": "/elsewhere/.git",
    "CDPATH": "/elsewhere",
}
WANTED = {
    "PIP_INDEX_URL": "https://mirror.example.org/simple",
    "PIP_CERT": "/etc/ssl/own.pem",
    "ANSIBLE_PRIVATE_KEY_FILE": "/keys/op",
    "ANSIBLE_REMOTE_USER": "op",
    "ANSIBLE_BECOME_ASK_PASS": "true",
    "ANSIBLE_SSH_ARGS": "-J gate.example.org",
    "ANSIBLE_VAULT_PASSWORD_FILE": "/keys/vault",
}


def seen(environment: dict[str, str], path: str) -> dict[str, str]:
    """The environment of a recipe, by name."""
    done = subprocess.run(
        ["/usr/bin/make", "-s", "-f", "-", "print-environment"],
        cwd=ROOT,
        input=PRINT,
        env={"HOME": "/", "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_what_would_do_harm_does_not_reach_the_commands() -> None:
    found = seen({**HOSTILE, **WANTED}, os.defpath)
    assert found["LC_ALL"] == "C.UTF-8"
    assert found["ANSIBLE_CONFIG"] == str(ROOT / "ansible.cfg")
    assert found["PIP_USER"] == "0"  # a file of settings may ask for it, too
    assert set(HOSTILE) & set(found) == {"LC_ALL", "LANG", "ANSIBLE_CONFIG", "PIP_USER"}


def test_how_hosts_and_packages_are_reached_stays() -> None:
    found = seen(WANTED, os.defpath)
    assert {name: found[name] for name in WANTED} == WANTED


def test_folders_of_the_system_come_before_those_of_the_user() -> None:
    folders = seen({}, "/home/op/bin").get("PATH", "").split(":")
    assert folders[0] == str(ROOT / ".venv/bin")
    assert folders.index("/usr/sbin") < folders.index("/home/op/bin")


def files(folder: Path) -> set[str]:
    """What `make collection` would pack of a checkout's roles and playbooks."""
    recipe = f"include Makefile\nfiles:\n\t@$(call files_of,'{folder}',roles playbooks)\n"
    done = subprocess.run(
        ["/usr/bin/make", "-s", "-f", "-", "files"],
        cwd=ROOT,
        input=recipe,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split("\0")) - {""}


@pytest.mark.parametrize("kind", ["clone", "clone of another user", "archive"])
def test_what_is_packed_is_found_however_the_checkout_came(tmp_path: Path, kind: str) -> None:
    checkout = tmp_path / "hint fleet ä"
    known = {"roles/a/tasks/main.yml", "playbooks/b.yml"}
    for name in (*known, "roles/a/__pycache__/c.pyc"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("")
    if kind != "archive":
        git = ["git", "-C", str(checkout)]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", *known], check=True)
        (checkout / "roles" / "notes.orig").write_text("")
    if kind == "clone of another user":
        if os.geteuid() != 0:
            pytest.skip("only root can give a checkout away")
        for path in (checkout, checkout / ".git"):
            os.chown(path, 65534, 65534)
    assert files(checkout) == known


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "laptop"),
        (["PRESET=seed"], "seed"),
        (["ARGS=-e study_set=tiles -e study_blocks=1"], "laptop-tiles"),
        (["ARGS=-e study_set=tiles", "INVENTORY=inventory/lab/"], "lab-laptop-tiles"),
        (["ARGS=-e study_set=tiles", "STUDY=mine"], "mine"),
    ],
)
def test_a_set_and_a_fleet_have_studies_of_their_own(words: list[str], name: str) -> None:
    said = subprocess.run(
        ["/usr/bin/make", "-n", "study", *words],
        cwd=ROOT, text=True, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert f"-e study_name={name} " in said
