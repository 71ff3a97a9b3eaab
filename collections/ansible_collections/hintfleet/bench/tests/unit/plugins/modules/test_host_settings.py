# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run has set for its time, while somebody prepares or cleans the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import Hierarchy
from ansible_collections.hintfleet.bench.plugins.modules import host_settings as _module

WANTED = {"swappiness": "60", "zswap_enabled": "N"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host on which a run has switched zswap on, and that knows no cgroups."""
    for name, text in {"swappiness": "10", "zswap_enabled": "N"}.items():
        file = tmp_path / _settings.KNOBS[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    read, write, put_back = _settings.read_all, _settings.write, _settings.put_back

    monkeypatch.setattr(_settings, "read_all", lambda root=tmp_path: read(root))
    monkeypatch.setattr(_settings, "refusals", lambda _wanted: [])
    monkeypatch.setattr(_module._hierarchy, "find", lambda: Hierarchy({}, None))
    found = tmp_path / "found.json"
    _settings.store(found, _settings.new_record(read(tmp_path), [], {}))
    run = _settings.meanwhile(found, {"zswap_enabled": "Y"}, tmp_path)
    run.__enter__()
    monkeypatch.setattr(_settings, "write", lambda values, _root=None: write(values, tmp_path))
    monkeypatch.setattr(_settings, "put_back", lambda path, _root=None: put_back(path, tmp_path))
    yield tmp_path
    del run  # it would end here; until then it is under way


def call(host: Path, state: str, **params: Any) -> dict[str, Any]:
    given = {"found": str(host / "found.json"), "settings": WANTED, "notes": {}, "used": {}}
    module: Any = SimpleNamespace(params={**given, **params}, check_mode=False)
    return {"present": _module.present, "restored": _module.restored}[state](module)


def test_preparing_leaves_alone_what_a_run_has_set(host: Path) -> None:
    assert call(host, "present")["changed"]
    now = _settings.read_all(host)
    assert (now["swappiness"], now["zswap_enabled"]) == ("60", "Y")
    assert not call(host, "present")["changed"]


def test_cleaning_puts_it_back_with_all_else(host: Path) -> None:
    call(host, "present")
    call(host, "restored")
    now = _settings.read_all(host)
    assert (now["swappiness"], now["zswap_enabled"]) == ("10", "N")
    assert _settings.borrowed(_settings.load(host / "found.json")) == {}
