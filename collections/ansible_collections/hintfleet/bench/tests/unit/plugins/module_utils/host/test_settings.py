# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings are recorded before they are changed, and found again afterwards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host without zswap; plain files take what is written to them, as settings do."""
    for name, text in {
        "thp_enabled": "madvise\n",
        "thp_defrag": "madvise\n",
        "ksm_run": "1\n",
        "swappiness": "60\n",
        "numa_balancing": "1\n",
    }.items():
        file = tmp_path / _settings.KNOBS[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


# Captured 2026-11-22 on Linux 6.18 and 6.1.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("always [madvise] never\n", "madvise"),
        ("always defer [defer+madvise] madvise never\n", "defer+madvise"),
        ("60\n", "60"),
        ("N\n", "N"),
    ],
)
def test_selected_value(text: str, value: str) -> None:
    assert _settings.selected(text) == value


def test_absent_setting_is_none_and_is_not_written(root: Path) -> None:
    current = _settings.read_all(root)
    assert current["zswap_enabled"] is None
    assert _settings.changes(current, {"zswap_enabled": "N", "swappiness": "60"}) == {}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"swapiness": "1"}, "swapiness is not known: choose from thp_enabled, .*swappiness"),
        ({"swappiness": None}, "swappiness cannot be None: give one of 0 to 200"),
        ({"swappiness": 201}, "swappiness cannot be 201"),
        ({"numa_balancing": False}, "numa_balancing cannot be False: give one of 0, 1, 2, 3"),
        ({"thp_defrag": "maybe"}, "thp_defrag cannot be maybe: give one of always, madvise, never"),
        ({"ksm_run": "", "swappiness": -1}, "ksm_run cannot be : give .*swappiness cannot be -1"),
    ],
)
def test_what_the_kernel_would_not_take_is_known_before(
    root: Path, wanted: dict[str, Any], words: str
) -> None:
    (root / _settings.KNOBS["thp_defrag"]).write_text("always [madvise] never\n")
    assert re.fullmatch(f"{words}.*", "; ".join(_settings.refusals(wanted, root)))


def test_what_the_kernel_takes_or_lacks_is_no_fault(root: Path) -> None:
    wanted = {"swappiness": 10, "zswap_enabled": "perhaps", "thp_enabled": "madvise"}
    assert _settings.refusals(wanted, root) == []


def test_what_cannot_be_written_is_known_before(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, whose /proc/sys is for reading only."""
    monkeypatch.setattr(_settings.os, "geteuid", lambda: 0)
    monkeypatch.setattr(_settings.os, "access", lambda *_: False)
    assert _settings.refusals({"swappiness": "60"}, root) == []
    (said,) = _settings.refusals({"swappiness": "10"}, root)
    assert said.startswith("swappiness is 60 and ") and "cannot be written" in said


def test_restoring_leads_back_to_what_was_found(root: Path, tmp_path: Path) -> None:
    before = _settings.read_all(root)
    record = _settings.new_record(before, ["memory"], {"user_existed": False})
    writes = _settings.changes(before, {"ksm_run": "0", "swappiness": "10"})
    record["changed"] = sorted(writes)
    file = tmp_path / "state" / "found.json"
    _settings.store(file, record)
    _settings.write(writes, root)
    assert _settings.read_all(root) != before

    loaded = _settings.load(file)
    assert loaded == record
    _settings.write(_settings.to_restore(loaded, _settings.read_all(root)), root)
    assert _settings.read_all(root) == before
    assert [path.name for path in file.parent.iterdir()] == ["found.json"]


def test_a_setting_hintfleet_never_changed_is_left_alone(root: Path) -> None:
    record = _settings.new_record(_settings.read_all(root), [], {})
    record["changed"] = ["ksm_run"]
    assert _settings.to_restore(record, {"ksm_run": "0", "swappiness": "5"}) == {"ksm_run": "1"}


def test_no_record_is_none(tmp_path: Path) -> None:
    assert _settings.load(tmp_path / "found.json") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"schema": "hint', "is damaged"), ('{"schema": "x/9"}', "another version")],
)
def test_damaged_and_foreign_records_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(text)
    with pytest.raises(BenchError, match=words):
        _settings.load(file)


def test_a_setting_that_does_not_stay_is_a_sentence(root: Path) -> None:
    with pytest.raises(BenchError, match=r"holds 'never': something else on this host sets it"):
        # What stands in brackets is in force: as if somebody had set it to never meanwhile.
        _settings.write({"thp_enabled": "always [never]"}, root)


def test_a_setting_that_is_refused_is_a_sentence(root: Path) -> None:
    with pytest.raises(BenchError, match=r"zswap_enabled .* does not take 'N'"):
        _settings.write({"zswap_enabled": "N"}, root)


def test_names_that_were_used_once_are_found_though_nobody_names_them_again(root: Path) -> None:
    record = _settings.new_record(_settings.read_all(root), [], {})
    record = _settings.with_used(record, {"user": "bench", "swap_path": "/dev/sdb"})
    assert _settings.with_used(record, {"user": "bench", "swap_path": "/dev/sdb"}) == record
    assert _settings.with_used(record, {}) == record
    record = _settings.with_used(record, {"user": "other", "swap_path": "/dev/sdb"})
    assert _settings.used(record, "user", "hintfleet") == ["bench", "hintfleet", "other"]
    assert _settings.used(record, "swap_path", "/dev/sdb") == ["/dev/sdb"]
    assert _settings.used(None, "user", "hintfleet") == ["hintfleet"]


def found_at(root: Path) -> Path:
    path = root / "found.json"
    _settings.store(path, _settings.new_record(_settings.read_all(root), [], {}))
    return path


def test_what_is_set_for_a_time_is_put_back(root: Path) -> None:
    found = found_at(root)
    with _settings.meanwhile(found, {"swappiness": "1", "ksm_run": "1"}, root):
        assert _settings.read_all(root)["swappiness"] == "1"
        # Whoever cleans the host now finds what it was, and that it was changed.
        record = _settings.load(found)
        assert record and record["changed"] == ["swappiness"]
        assert _settings.borrowed(record) == {"swappiness": "60"}
        now = _settings.read_all(root)
        assert _settings.to_restore(record, now) == {"swappiness": "60"}
    assert _settings.read_all(root)["swappiness"] == "60"
    assert _settings.borrowed(_settings.load(found)) == {}


def test_what_a_killed_run_has_set_is_put_back_by_the_next(root: Path) -> None:
    found = found_at(root)
    killed = _settings.meanwhile(found, {"swappiness": "1"}, root)
    killed.__enter__()
    kept = _settings.load(found)
    assert kept is not None
    killed.__exit__(None, None, None)
    _settings.store(found, kept)  # as if it had not come to its end
    _settings.write({"swappiness": "1"}, root)
    with _settings.meanwhile(found, {"swappiness": "2"}, root):
        assert _settings.borrowed(_settings.load(found)) == {"swappiness": "60"}
    assert _settings.read_all(root)["swappiness"] == "60"


def test_a_run_that_fails_leaves_nothing_behind(root: Path) -> None:
    found = found_at(root)
    with (
        pytest.raises(ZeroDivisionError),
        _settings.meanwhile(found, {"swappiness": "1"}, root),
    ):
        raise ZeroDivisionError
    assert _settings.read_all(root)["swappiness"] == "60"


def test_a_host_that_was_not_prepared_is_not_changed(root: Path) -> None:
    with (
        pytest.raises(BenchError, match="prepare it first"),
        _settings.meanwhile(root / "found.json", {"swappiness": "1"}, root),
    ):
        pass
    assert _settings.read_all(root)["swappiness"] == "60"
