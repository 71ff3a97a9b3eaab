# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings are recorded before they are changed, and found again afterwards."""

from __future__ import annotations

from pathlib import Path

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


def test_unknown_setting_names_the_known_ones() -> None:
    with pytest.raises(BenchError, match=r"'swapiness' is not known.*swappiness"):
        _settings.changes({}, {"swapiness": "1"})


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
