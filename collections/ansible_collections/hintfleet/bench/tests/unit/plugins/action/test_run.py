# SPDX-License-Identifier: GPL-2.0-or-later
"""The controller's side of a run: what is skipped, what is kept, what a lying host achieves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from host_answer import ASKED, HOST, PARAMETERS, RUN_ID, Controller, answer, files, packed, record

BOMB = packed(bytes(200 * 2**20))
# Some KiB on the way, and a GiB of lists once it is read.
MANY = packed(b'{"x": [' + b"[]," * 2**22 + b"[]]}")
STRANGER = record()["cell"] | {"host": "other"}


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    return Controller(tmp_path / "results", monkeypatch)


def test_a_run_is_kept(controller: Controller) -> None:
    result = controller.run(answer())
    assert result == {
        "changed": True,
        "run_id": RUN_ID,
        "outcome": {"status": "finished", "reason": None},
        "duration_seconds": 0.0,
        "summary": "3 guests",
        "folder": str(controller.folder),
    }
    assert controller.statuses() == {RUN_ID: "finished"}
    (call,) = controller.calls
    assert call["module_name"] == "hintfleet.bench.run"
    assert call["module_args"] == {**ASKED, "attempt": 0}


def test_a_run_whose_folder_was_deleted_is_asked_for_as_another_attempt(
    controller: Controller,
) -> None:
    controller.run(answer())
    shutil.rmtree(controller.folder)
    controller.run(answer())
    assert [call["module_args"]["attempt"] for call in controller.calls] == [0, 1]


def test_a_cell_without_a_host_is_this_hosts(controller: Controller) -> None:
    cell = {name: value for name, value in ASKED["cell"].items() if name != "host"}
    controller.run(answer(), cell=cell)
    assert controller.calls[0]["module_args"]["cell"]["host"] == HOST


def test_what_may_be_left_out_may_be_left_out(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by who uses the module in a play of their own."""
    honest = answer()
    for name in ("baseline", "study_id"):
        monkeypatch.delitem(ASKED, name)
    monkeypatch.setitem(ASKED, "arm", {"name": "none", "mechanism": "none"})
    result = controller.run(honest)
    assert not result.get("failed"), result
    assert controller.statuses() == {RUN_ID: "finished"}


def test_numbers_that_were_given_as_text_are_numbers(controller: Controller) -> None:
    controller.run(answer(), block="1", order="2", cell=ASKED["cell"] | {"memory_mib": "960"})
    assert controller.statuses() == {RUN_ID: "finished"}


def test_a_finished_run_costs_no_connection(controller: Controller) -> None:
    controller.run(answer())
    result = controller.run()
    assert result["skipped"]
    assert not result["changed"]
    assert len(controller.calls) == 1


@pytest.mark.parametrize("status", ["failed", "aborted"])
def test_what_did_not_finish_is_run_again_and_kept(controller: Controller, status: str) -> None:
    controller.run(answer(status, 1))
    controller.run(answer("finished", 2, earlier=[files(record(status, 1))]))
    assert controller.statuses() == {RUN_ID: "finished", f"{RUN_ID}.1": status}


def test_an_attempt_that_the_controller_never_saw_is_fetched(controller: Controller) -> None:
    controller.run(answer("finished", 2, earlier=[files(record("aborted", 1))]))
    assert controller.statuses() == {RUN_ID: "finished", f"{RUN_ID}.1": "aborted"}


def test_of_many_attempts_the_newest_are_taken(controller: Controller) -> None:
    attempts = [files(record("failed", second)) for second in range(1, 51)]
    controller.run(answer("finished", 59, earlier=attempts))
    assert len(controller.statuses()) == 1 + 32


def test_a_host_that_fails_leaves_its_reason(controller: Controller) -> None:
    result = controller.run({"failed": True, "msg": "no QEMU"})
    assert result == {"changed": False, "failed": True, "msg": "no QEMU", "run_id": RUN_ID}
    assert controller.statuses() == {}
    assert controller.missing() == {RUN_ID: "no QEMU\n"}
    controller.run(answer())
    assert controller.missing() == {}


class TaskTimeoutError(BaseException):
    """As Ansible ends a task whose time is over."""


@pytest.mark.parametrize("end", [AnsibleConnectionFailure("no route"), TaskTimeoutError()])
def test_a_host_that_is_gone_or_silent_leaves_its_reason(
    controller: Controller, end: BaseException
) -> None:
    with pytest.raises(AnsibleConnectionFailure):
        controller.run(end)
    assert controller.statuses() == {}
    (reason,) = controller.missing().values()
    assert reason == (
        f"host box could not be reached any more at run {RUN_ID}; see to it and start the study "
        "again\n"
    )
    with pytest.raises(AnsibleConnectionFailure, match="a moment ago"):
        controller.run(answer(), run_id="box-node0.b2.none.memhog")
    assert len(controller.calls) == 1, "each run that is left costs time"
    controller.begin_again()
    controller.run(answer())
    assert controller.missing() == {}


def test_who_stops_the_play_is_not_taken_for_a_host_that_is_gone(controller: Controller) -> None:
    with pytest.raises(KeyboardInterrupt):
        controller.run(KeyboardInterrupt())
    assert controller.missing() == {}


def test_a_start_brings_no_record_yet(controller: Controller) -> None:
    result = controller.run({"changed": True, "run_id": RUN_ID}, phase="start")
    assert result == {"changed": True, "run_id": RUN_ID}
    assert controller.statuses() == {}
    controller.run(answer(), phase="rest")
    assert controller.statuses() == {RUN_ID: "finished"}
    assert [call["module_args"]["phase"] for call in controller.calls] == ["start", "rest"]


def test_without_results_dir_the_module_does_all(controller: Controller) -> None:
    result = controller.run(answer(), results_dir=None)
    assert "folder" not in result and "files" not in result
    assert result["summary"] == "3 guests"
    assert controller.statuses() == {}


def test_check_mode_keeps_nothing(controller: Controller) -> None:
    assert controller.run({"changed": True, "run_id": RUN_ID}, check_mode=True)["changed"]
    assert controller.files() == []


# --- a host that lies ----------------------------------------------------------------

HONEST = record()
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "no record": ({"files": {}}, "there is no record.json"),
    "files are no files": ({"files": ["record.json"]}, "there is no record.json"),
    "another's run": ({"files": files(record(run_id="o.b1.none.memhog"))}, "run_id is 'o.b1"),
    "another study's": ({"files": files(record(study="t"))}, "study is 't', and 's' was asked"),
    "another host's": ({"files": files(record(cell=STRANGER))}, "cell.host is 'other'"),
    "another block's": ({"files": files(record(block=2))}, "block is 2, and 1 was asked"),
    "a block that is true": ({"files": files(record(block=True))}, "block is True"),
    "another mechanism's": ({"files": files(record(mechanism="page_hinting"))}, "mechanism is"),
    "another arm's": (
        {"files": files(record(arm={"name": "other", "states": {}, "differs": {}, "shows": {}}))},
        "arm.name is",
    ),
    "an arm that states something else": (
        {"files": files(record(arm={"name": "none", "states": {"kernel_arguments": "a"}}))},
        "arm.states is",
    ),
    "another workload's": ({"files": files(record(workload="page_fault"))}, "workload is"),
    "another kernel's": ({"files": files(record(provenance={}))}, "provenance.guest_kernel is"),
    "another accelerator": (
        {
            "files": files(
                record(provenance={**HONEST["provenance"], "qemu": {"accelerator": "kvm"}})
            )
        },
        "provenance.qemu.accelerator is 'kvm', and 'tcg' was asked for",
    ),
    "an arm of its own": (
        {"files": files(record(arm={**HONEST["arm"], "differs": {"host.thp": "qemu"}}))},
        "arm.differs is {'host.thp': 'qemu'}",
    ),
    "another baseline": ({"files": files(record(baseline="page_hinting"))}, "baseline is"),
    "smaller guests": (
        {"files": files(record(parameters={**PARAMETERS, "guest_memory_mib": 64}))},
        "parameters.guest_memory_mib is 64, and 384 was asked for",
    ),
    "a parameter more": (
        {"files": files(record(parameters={**PARAMETERS, "turbo": 1}))},
        "parameters.turbo is 1, and None was asked for",
    ),
    "no parameters": ({"files": files(record(parameters=None))}, "parameters.boot_deadline_s"),
    "no outcome": ({"files": files(record(outcome=None))}, "has no outcome"),
    "no status": ({"files": files(record(outcome={"reason": None}))}, "outcome.status is None"),
    "a reason that is none": (
        {"files": files(record(outcome={"status": "failed", "reason": [1]}))},
        "outcome.reason is",
    ),
    "a time that is none": ({"files": files(record(started="../x"))}, "started is '../x', no time"),
    "a duration that is none": ({"files": files(record(duration_seconds="x"))}, "duration_sec"),
    "no JSON": ({"files": files(**{"record.json": b"{"})}, "record.json is no JSON"),
    "deep JSON": ({"files": files(**{"record.json": b"[" * 10**6})}, "record.json is no JSON"),
    "no number": ({"files": files(**{"record.json": b'{"a": NaN}'})}, "record.json is no JSON"),
    "no text": ({"files": files(**{"record.json": b"\xff"})}, "record.json is no JSON"),
    "a list": ({"files": files(**{"record.json": b"[]"})}, "record.json is no object"),
    "no base64": ({"files": {"record.json": "*"}}, "not packed as it should be"),
    "no gzip": ({"files": {"record.json": "AAAA"}}, "not packed as it should be"),
    "half a gzip": ({"files": {"record.json": packed(b"{}")[:16]}}, "is cut short"),
    "two gzips": (
        {"files": {"record.json": "H4sIAAAAAAACA6uuBQBDv6ajAgAAAB+LCAAAAAAAAgOrrgUAQ7+mowIAAAA="}},
        "has something after its end",
    ),
    "no content": ({"files": {"record.json": 7}}, "is cut short"),
    "a large record": ({"files": {"record.json": BOMB}}, "record.json is too large"),
    "a record of lists": ({"files": {"record.json": MANY}}, "holds more than 1048576 values"),
    "attempts of lists": ({"earlier": [{"record.json": MANY}] * 32}, "holds more than 1048576"),
    "a bomb": ({"files": {**files(), "samples.csv": BOMB}}, "samples.csv is too large"),
    "a way out": ({"files": {**files(), "../evil": packed(b"")}}, "knows nothing of a file '../e"),
    "a stray file": ({"files": {**files(), "evil": packed(b"")}}, "knows nothing of a file 'evil'"),
    "a way out in the record": (
        {"files": files(record(files={"samples": "../../evil"}))},
        "is named '../../evil'",
    ),
    "consoles that are no list": ({"files": files(record(files={"consoles": 3}))}, "no list"),
    "too many files": ({"files": files(record(files={"consoles": ["c"] * 999}))}, "more than 256"),
    "an evil attempt": ({"earlier": [{"record.json": BOMB}]}, "record.json is too large"),
    "attempts that are none": ({"earlier": {"a": 1}}, "earlier is no list"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_costs_the_hosts_run_and_no_more(controller: Controller, lie: str) -> None:
    changes, sentence = LIES[lie]
    result = controller.run(answer(**changes))
    assert result["failed"] and result["run_id"] == RUN_ID
    assert sentence in result["msg"]
    assert result["msg"].startswith(f"Host {HOST} brought something else than run {RUN_ID} (")
    assert controller.files() == [f"results/missing/{RUN_ID}.txt"]
    assert list(controller.results.glob("runs/*")) == list(controller.results.glob("runs/.*")) == []
    # And the study goes on with an honest answer.
    controller.run(answer())
    assert controller.statuses() == {RUN_ID: "finished"}


@pytest.mark.parametrize(
    "name", ["../../evil", "..", ".", "", "a/b", ".hidden", "a\0b", "a\n", None]
)
def test_a_run_or_host_that_is_no_name_is_refused_before_anybody_is_asked(
    controller: Controller, name: Any
) -> None:
    for arguments in ({"run_id": name}, {"host": name}):
        result = controller.run(answer(), **arguments)
        assert result["failed"] and "cannot name a file" in result["msg"]
    assert controller.calls == []
    assert controller.files() == []


def test_a_host_says_nothing_but_what_came_of_the_run(controller: Controller) -> None:
    """No facts, no items of its own, nothing that acts on a terminal."""
    more = {"ansible_facts": {"study_results_dir": "/evil"}, "skipped": True, "invocation": {}}
    result = controller.run(answer(summary="\x1b[2J3 guests\u202e\ud800", **more))
    assert set(result) == {"changed", "run_id", "outcome", "duration_seconds", "summary", "folder"}
    assert result["summary"] == "\ufffd[2J3 guests\ufffd\ufffd"
    failed = controller.run({"failed": True, "msg": "\x1b[2J", **more}, run_id="r")
    assert failed == {"changed": False, "failed": True, "msg": "\ufffd[2J", "run_id": "r"}


def test_what_lies_on_the_controller_as_nonsense_is_run_again(controller: Controller) -> None:
    for text in ("{", "[]", "{}", '{"outcome": 1}', '{"outcome": {"status": ["finished"]}}'):
        controller.folder.mkdir(parents=True)
        (controller.folder / "record.json").write_text(text)
        controller.run(answer())
        assert controller.run()["skipped"]
        (controller.folder / "record.json").unlink()
        (controller.folder / "samples.csv").unlink()
        controller.folder.rmdir()


@pytest.mark.parametrize("in_the_way", ["runs", f"runs/{RUN_ID}", "missing", "kept"])
def test_a_controller_that_cannot_keep_a_run_says_so(
    controller: Controller, in_the_way: str
) -> None:
    """A full disk and the like: here, a file where a folder is to be."""
    file = controller.results / in_the_way
    file.parent.mkdir(parents=True)
    file.touch()
    bad = answer() if in_the_way != "missing" else {"failed": True, "msg": "no QEMU"}
    result = controller.run(bad)
    assert result["failed"] and result["run_id"] == RUN_ID
    assert result["msg"].startswith(f"Run {RUN_ID} cannot be kept on the controller: ")


def test_where_facts_become_variables_no_host_is_asked(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_INJECT_FACT_VARS", "true")
    result = controller.run(answer())
    assert result["failed"] and "inject_facts_as_vars = false" in result["msg"]
    assert controller.calls == []
