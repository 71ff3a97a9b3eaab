# SPDX-License-Identifier: GPL-2.0-or-later
"""Controller side of hintfleet.bench.run: one task is all the orchestration of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    forget_missing,
    is_finished,
    note_missing,
    read_record,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import (
    checked_name,
    cleaned,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.study.attempts import (
    note_kept,
    times_kept,
)
from ansible_collections.hintfleet.bench.plugins.plugin_utils import arrival
from ansible_collections.hintfleet.bench.plugins.plugin_utils.answers import (
    check_that_facts_stay_facts,
)
from ansible_collections.hintfleet.bench.plugins.plugin_utils.controller import with_python

LONGEST_TEXT = 10_000
# What a module that did not come to its own end leaves.
REMAINS = ("module_stdout", "module_stderr", "rc")
# Hosts that one loop over runs has lost. A loop is a process of its own, and the next play asks
# anew: a host that is gone costs the run under way, and no more time for each that is left.
_GONE: set[str] = set()


class ActionModule(ActionBase):
    """Skips a run whose finished record is here; else carries it out and keeps all it brings.

    Why a run brought nothing is kept, too, for the report to tell. Nothing of a host's answer is
    used before it was looked at, and a host can say what came of the run, no more.
    """

    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        task_vars = with_python(arguments.get("python"), task_vars or {})
        host = task_vars.get("inventory_hostname", "localhost")
        cell = dict(arguments.get("cell") or {})
        cell.setdefault("host", host)
        arguments["cell"] = cell
        results_dir = arguments.pop("results_dir", None)
        if results_dir is None:
            return self._told(self._on_host(arguments, task_vars))
        try:
            check_that_facts_stay_facts()
            checked_name(host, "A host")
            run_id = checked_name(arguments.get("run_id"), "A run")
        except BenchError as error:
            return {"failed": True, "msg": str(error)}
        try:
            return self._fetched(Path(results_dir).expanduser(), host, run_id, arguments, task_vars)
        except OSError as error:
            return {
                "failed": True,
                "msg": f"Run {run_id} cannot be kept on the controller: {error}; see to that and "
                "start the study again, the host keeps what it has measured.",
                "run_id": run_id,
            }

    def _fetched(
        self,
        results: Path,
        host: str,
        run_id: str,
        arguments: dict[str, Any],
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        """What came of the run, once it is kept; raises OSError."""
        folder = results / "runs" / run_id
        if is_finished(read_record(folder)):
            return {
                "changed": False,
                "skipped": True,
                "skip_reason": f"Run {run_id} has finished before",
                "run_id": run_id,
                "folder": str(folder),
            }
        arguments["attempt"] = times_kept(results, run_id)
        answer = self._reached(results, host, run_id, arguments, task_vars)
        if self._task.check_mode:
            return self._told(answer)
        forget_missing(results, host)
        if not answer.get("failed") and arguments.get("phase") == "start":
            return {"changed": answer.get("changed") is True, "run_id": run_id}
        try:
            if answer.get("failed"):
                raise BenchError(str(answer.get("msg") or "no reason was given"))
            result = self._kept(answer, arguments, folder)
        except BenchError as error:
            told = {**self._told(answer), "failed": True, "msg": _text(str(error))}
            note_missing(results, run_id, told["msg"])
            return {**told, "run_id": run_id}
        forget_missing(results, run_id)
        note_kept(results, run_id)
        return result

    def _reached(
        self,
        results: Path,
        host: str,
        run_id: str,
        arguments: dict[str, Any],
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        """The host's answer; AnsibleConnectionFailure if there is none, within the time given."""
        if host in _GONE:
            raise AnsibleConnectionFailure(f"Host {host} could not be reached a moment ago.")
        try:
            return self._on_host(arguments, task_vars)
        except BaseException as error:
            # Ansible's end of a task's time is no Exception, and where it lies differs by version.
            late = type(error).__name__ == "TaskTimeoutError"
            if not late and not isinstance(error, AnsibleConnectionFailure):
                raise
            _GONE.add(host)
            # Nobody knows what comes of the run: it may go on, and be fetched the next time.
            note_missing(
                results,
                host,
                f"host {host} could not be reached any more at run {run_id}; see to it and start "
                "the study again",
            )
            if not late:
                raise
            raise AnsibleConnectionFailure(
                f"Host {host} has not answered for {self._task.timeout} s at run {run_id}; see to "
                "it and start the study again."
            ) from error

    def _kept(
        self, answer: dict[str, Any], arguments: dict[str, Any], folder: Path
    ) -> dict[str, Any]:
        """Keep what a host brought and say what came of the run. Raises BenchError."""
        host, run_id = arguments["cell"]["host"], arguments["run_id"]
        try:
            files, earlier = answer.get("files"), answer.get("earlier") or []
            record = arrival.record_of(files, arguments)
            arrival.check_answer(record, arguments)
            if not isinstance(earlier, list):
                raise BenchError("earlier is no list")
            # All are looked at before the first is written, and one record is held at a time.
            attempts = [(attempt, arrival.record_of(attempt, arguments)["started"])
                        for attempt in earlier[-arrival.MOST_EARLIER :]]  # fmt: skip
            for attempt, started in attempts:
                arrival.keep_missing(attempt, started, folder)
            arrival.keep(files, record["started"], folder)
        except BenchError as error:
            raise BenchError(
                f"Host {host} brought something else than run {run_id} ({str(error).rstrip('.')}), "
                "and it was not kept; see what the host is and runs, and start the study again."
            ) from error
        return {
            "changed": answer.get("changed") is True,
            "run_id": run_id,
            "outcome": _outcome(record),
            "duration_seconds": record["duration_seconds"],
            "summary": _text(answer.get("summary", "")),
            "folder": str(folder),
        }

    def _told(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What a host said where nothing is kept of it."""
        told: dict[str, Any] = {"changed": answer.get("changed") is True}
        if answer.get("failed"):
            told |= {"failed": True, "msg": _text(answer.get("msg") or "no reason was given")}
            told |= {name: _text(answer[name]) for name in REMAINS if name in answer}
        seconds = answer.get("duration_seconds")
        if isinstance(answer.get("outcome"), dict) and arrival.is_duration(seconds):
            told |= {name: _text(answer.get(name)) for name in ("run_id", "summary")}
            told |= {"outcome": _outcome(answer), "duration_seconds": seconds}
        elif "run_id" in answer:
            told["run_id"] = _text(answer["run_id"])
        return told

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="hintfleet.bench.run", module_args=arguments, task_vars=task_vars
        )
        return result


def _outcome(of: dict[str, Any]) -> dict[str, str | None]:
    said = {name: of["outcome"].get(name) for name in ("status", "reason")}
    return {name: value if value is None else _text(value) for name, value in said.items()}


def _text(value: object) -> str:
    return str(cleaned(str(value)[:LONGEST_TEXT]))
