# SPDX-License-Identifier: GPL-2.0-or-later
"""The description of an import: YAML or TOML, read into dataclasses or refused in a sentence.

docs/import.md shows every key. Whatever is wrong is told with the file and the place in it.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from hintfleet.records.damage import UnusableError
from hintfleet.records.document import LARGEST, countable
from hintfleet.records.files import read_given

LARGEST_BYTES = 1 << 20
MOST_FILES = 10_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,127}")
LARGEST_BLOCK = 1_000_000

UNITS_MIB = {
    "B": 2.0**-20,
    "KiB": 2.0**-10,
    "MiB": 1.0,
    "GiB": 2.0**10,
    "kB": 1e3 / 2**20,
    "MB": 1e6 / 2**20,
    "GB": 1e9 / 2**20,
}
"""Units of memory, in MiB."""

TIME_UNITS = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}

RESULTS = (
    "guests_without_swap",
    "guests_at_first_swap",
    "swap_end_mib",
    "seconds",
    "rate",
    "footprint_gib_min",
    "peak_mib",
)
"""What a table may tell of a run, and an entry of `curves` beside its curve."""
COUNTS = frozenset(RESULTS[:2])
PLACES = ("mechanism", "host", "node", "block")
"""What tells one run from another."""

Conditions = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Curve:
    """Memory of the guests of one run over time."""

    where: str
    files: tuple[Path, ...]
    columns: Mapping[str, str]
    guest_columns: tuple[str, ...]
    """Columns of memory with a guest each; none if a column names the guest."""
    unit: float
    time_unit: float
    held_at_end: bool
    places: Mapping[str, Any]
    results: Mapping[str, float]
    conditions: Conditions


@dataclass(frozen=True)
class Table:
    """A row for each run."""

    where: str
    file: Path
    columns: Mapping[str, str]
    places: Mapping[str, Any]
    mechanisms: Mapping[str, str]
    conditions: Conditions


@dataclass(frozen=True)
class Description:
    """What is to be imported, and under which conditions it was measured."""

    file: Path
    study: str
    source: str
    measured: datetime
    host: str
    node: int
    memory_mib: float
    swap_mib: float
    accelerator: str | None
    kernel: str | None
    qemu: str | None
    conditions: Conditions
    curves: tuple[Curve, ...]
    tables: tuple[Table, ...]


def load_description(file: Path) -> Description:
    """The description in a file; UnusableError names the place of what is wrong."""
    top = _Keys(file, "", _parsed(file))
    conditions = _conditions(top.take("conditions", {}), top)
    description = Description(
        file,
        top.name("study"),
        top.text("source"),
        _time(top),
        top.name("host", "imported"),
        int(top.number("node", 0, whole=True)),
        top.number("memory_gib", above=0.0) * 1024.0,
        top.number("swap_gib", 0.0) * 1024.0,
        top.choice("accelerator", ("kvm", "tcg"), None),
        top.version("kernel"),
        top.version("qemu"),
        conditions,
        tuple(_curve(entry) for entry in top.entries("curves")),
        tuple(_table(entry) for entry in top.entries("tables")),
    )
    top.done()
    if not description.curves and not description.tables:
        raise top.wrong("curves", "an entry under curves or tables", "none")
    return description


def _curve(entry: _Keys) -> Curve:
    columns = entry.take("columns", {})
    resident: Any = columns.get("resident") if isinstance(columns, dict) else None
    several = resident if isinstance(resident, list) else []
    if isinstance(columns, dict):
        columns = {key: value for key, value in columns.items() if value is not several}
    found = Curve(
        entry.where,
        entry.files("file"),
        entry.mapping("columns", columns, ("seconds", "guest", "resident", "swap")),
        tuple(entry.texts("columns.resident", several)),
        UNITS_MIB[entry.choice("unit", UNITS_MIB)],
        TIME_UNITS[entry.choice("time_unit", TIME_UNITS, "s")],
        entry.choice("at_end", ("gone", "held"), "gone") == "held",
        _places(entry),
        {name: entry.number(name, whole=name in COUNTS) for name in RESULTS if name in entry.keys},
        _conditions(entry.take("conditions", {}), entry),
    )
    if "mechanism" not in found.places:
        raise entry.wrong("mechanism", "the mechanism of this curve (none without one)", "nothing")
    entry.done()
    return found


def _table(entry: _Keys) -> Table:
    found = Table(
        entry.where,
        entry.files("file", most=1)[0],
        entry.mapping("columns", entry.take("columns", {}), (*PLACES, *RESULTS)),
        _places(entry),
        entry.mapping("mechanisms", entry.take("mechanisms", {}), None),
        _conditions(entry.take("conditions", {}), entry),
    )
    for name in found.mechanisms.values():
        entry.check_name("mechanisms", name)
    entry.done()
    return found


def _places(entry: _Keys) -> dict[str, Any]:
    """The mechanism, host, node and block that an entry states."""
    found: dict[str, Any] = {
        name: entry.name(name) for name in ("mechanism", "host") if name in entry.keys
    }
    if "node" in entry.keys:
        found["node"] = int(entry.number("node", whole=True))
    if "block" in entry.keys:
        found["block"] = int(entry.number("block", whole=True, above=0.0, most=LARGEST_BLOCK))
    return found


def _time(top: _Keys) -> datetime:
    """A date or a time of the description; a time without a zone is UTC."""
    value = top.take("measured")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise top.wrong("measured", "a date such as 2025-01-21", _shown(value)) from None
    if isinstance(value, datetime):
        try:
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        except OverflowError:
            raise top.wrong("measured", "a date such as 2025-01-21", _shown(value)) from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise top.wrong("measured", "a date such as 2025-01-21", _shown(value))


def _conditions(value: Any, keys: _Keys) -> Conditions:
    """Names with one value each: what was the same for all, unless entries say other values."""
    if not isinstance(value, dict):
        raise keys.wrong("conditions", "names with a value each", _shown(value))
    for name, one in value.items():
        if not isinstance(name, str) or len(name) > 80:
            raise keys.wrong("conditions", "a name of at most 80 characters", _shown(name))
        plain = isinstance(one, str | int | float | bool)
        if not plain or (isinstance(one, str) and len(one) > 1000):
            raise keys.wrong(f"conditions.{name}", "a text, number, true or false", _shown(one))
        if isinstance(one, int | float) and not countable(one):
            raise keys.wrong(f"conditions.{name}", f"a number within {LARGEST}", _shown(one))
    return dict(value)


MISSING = object()


class _Keys:
    """A mapping of the description; each key is taken once, and what is left over is unknown."""

    def __init__(self, file: Path, where: str, keys: Any) -> None:
        self.file, self.where, self._known = file, where, set[str]()
        if not isinstance(keys, dict):
            raise self.wrong("", "keys with values", _shown(keys))
        self.keys: dict[Any, Any] = keys

    def wrong(self, key: str, expected: str, found: str) -> UnusableError:
        place = ".".join(filter(None, (self.where, key)))
        text = f"{place}: expected {expected}, found {found}" if place else f"expected {expected}"
        return UnusableError(f"{self.file}: {text}")

    def take(self, key: str, default: Any = MISSING) -> Any:
        self._known.add(key)
        if key in self.keys:
            return self.keys[key]
        if default is MISSING:
            raise self.wrong(key, f"the key {key} (docs/import.md)", "no such key")
        return default

    def done(self) -> None:
        """Whether every key was known."""
        for key in self.keys:
            if key not in self._known:
                near = difflib.get_close_matches(str(key), self._known, 1)
                known = f"{near[0]}?" if near else f"one of {', '.join(sorted(self._known))}"
                raise self.wrong(_shown(key), known, "an unknown key")

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not value.strip() or len(value) > 1000:
            raise self.wrong(key, "a text of at most 1000 characters", _shown(value))
        return value

    def name(self, key: str, default: Any = MISSING) -> str:
        return self.check_name(key, self.take(key, default))

    def check_name(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise self.wrong(
                key, "a name of letters, digits, . _ and - (at most 64)", _shown(value)
            )
        return value

    def version(self, key: str) -> str | None:
        value = self.take(key, None)
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        text = _shown(value).strip("'") if plain else ""
        if value is not None and not VERSION.fullmatch(text):
            raise self.wrong(key, "a version such as 6.1.119", _shown(value))
        return None if value is None else text

    def choice(self, key: str, choices: Iterable[str], default: Any = MISSING) -> Any:
        value = self.take(key, default)
        if value != default and (not isinstance(value, str) or value not in choices):
            raise self.wrong(key, f"one of {', '.join(choices)}", _shown(value))
        return value

    def number(
        self,
        key: str,
        default: Any = MISSING,
        whole: bool = False,
        above: float | None = None,
        most: float = 1e9,
    ) -> float:
        """A number of at least 0, or above a bound."""
        value = self.take(key, default)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        good = good and countable(value) and value <= most
        good = good and (value >= 0 if above is None else value > above)
        if not good or (whole and value != int(value)):
            what = "a whole number" if whole else "a number"
            least = "of at least 0" if above is None else f"above {above:g}"
            raise self.wrong(key, f"{what} {least}, at most {most:g}", _shown(value))
        return float(value)

    def texts(self, key: str, values: Sequence[Any]) -> list[str]:
        for value in values:
            if not isinstance(value, str):
                raise self.wrong(key, "names of columns", _shown(value))
        return list(values)

    def mapping(self, key: str, value: Any, known: Sequence[str] | None) -> dict[str, str]:
        """Texts by name; by these names only, if some are known."""
        if not isinstance(value, dict):
            raise self.wrong(key, "names with a text each", _shown(value))
        for name, text in value.items():
            if known is not None and name not in known:
                raise self.wrong(key, f"one of {', '.join(known)}", _shown(name))
            if not isinstance(text, str):
                raise self.wrong(f"{key}.{_shown(name)}", "a text", _shown(text))
        return {str(name): text for name, text in value.items()}

    def files(self, key: str, most: int = MOST_FILES) -> tuple[Path, ...]:
        """Names beside the description, * standing for any; in the order of their names."""
        value = self.take(key)
        found: list[Path] = []
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str) or not text or "\0" in text:
                raise self.wrong(key, "the name of a file", _shown(text))
            folder, pattern = self.file.parent, Path(text)
            if "*" in text and not pattern.is_absolute() and ".." not in pattern.parts:
                matching = sorted(folder.glob(text))
                if not matching:
                    raise self.wrong(key, "a file of that name", f"none like {_shown(text)}")
                found += matching
            else:
                found.append(folder / text)
        if not 1 <= len(found) <= most:
            many = "one file" if most == 1 else f"1 to {most} files"
            raise self.wrong(key, many, str(len(found)))
        return tuple(found)

    def entries(self, key: str) -> list[_Keys]:
        value = self.take(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "a list", _shown(value))
        return [_Keys(self.file, f"{key}[{k}]", entry) for k, entry in enumerate(value)]


class _NoDuplicates(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """YAML's last of two equal keys would win without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value.__class__ is str and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} a second time", key.start_mark
                )
            seen.add(key.value if key.value.__class__ is str else id(key))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _parsed(file: Path) -> Any:
    text = read_given(file, LARGEST_BYTES)
    try:
        if file.suffix.lower() == ".toml":
            return tomllib.loads(text)
        return yaml.load(text, _NoDuplicates)  # noqa: S506  # a SafeLoader
    except tomllib.TOMLDecodeError as error:
        raise UnusableError(f"{file}: expected TOML: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise UnusableError(f"{file}: {line}expected YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise UnusableError(f"{file}: expected YAML: {str(error)[:200]}") from error


def _shown(value: Any) -> str:
    """A value as it may stand in a sentence."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a number of many digits"
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'}"
    text = str(value)
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
