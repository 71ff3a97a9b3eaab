# SPDX-License-Identifier: GPL-2.0-or-later
"""Values as people give them: on a command line and in INI files, everything is a word."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_dict, check_type_list

# How one writes a value of a type: on a command line, and in YAML.
WRITTEN = {
    "list": ("-e {name}=one,two", "{name}: [one, two]"),
    "list of int": ("-e {name}=0,1", "{name}: [0, 1]"),
    "dict": ('-e \'{{"{name}": {{"key": "value"}}}}\'', "{name}: {{key: value}}"),
    "bool": ("-e {name}=true", "{name}: true"),
    "int": ("-e {name}=3", "{name}: 3"),
    "float": ("-e {name}=1.5", "{name}: 1.5"),
    "str": ("-e {name}=words", '{name}: "words"'),
    "path": ("-e {name}=/one/path", '{name}: "/one/path"'),
}
NAMES = {"list of int": "list of whole numbers", "int": "whole number", "float": "number",
         "bool": "true or false", "dict": "mapping", "str": "text"}  # fmt: skip
UNSEEN = re.compile(r"[\x00-\x1f\x7f]")
# A folder whose name programs are called with: no word of another, no option, no way back.
PLAIN_PATH = re.compile(r"(?!.*/[.][.]?(/|$))(/[A-Za-z0-9@+_.-]+)+")
LONGEST_PATH = 1000
# How alike a name must be to one that is known: `block` is to `blocks`, `arms` is not to `name`.
ALIKE = 0.85


def as_list(value: Any) -> list[Any]:
    """A list, from a list, from words with commas between them, from JSON, or from one word.

    Raises TypeError.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            return list(json.loads(text))
        return [word.strip() for word in text.split(",") if word.strip()]
    if isinstance(value, int | float):
        return [value]
    return check_type_list(value)


def as_dict(value: Any) -> dict[str, Any]:
    """A mapping, from a mapping, from JSON, or from `key=value` words. Raises TypeError."""
    if isinstance(value, str) and not value.strip():
        return {}
    return dict(check_type_dict(value))


def misspelt(
    given: Iterable[str], prefix: str, known: Iterable[str], own: Iterable[str] = ()
) -> list[str]:
    """A sentence for each name that must be meant for a known one: it would do nothing.

    given: names of variables. prefix: of the role's. known: those that may be given. own: names
    that the role sets for itself.
    """
    rest = {name.removeprefix(prefix): name for name in known}
    wrong = []
    for name in sorted(set(given) - set(rest.values()) - set(own)):
        plain = name.lower().replace("-", "_")
        if plain.startswith(prefix):
            meant = get_close_matches(plain.removeprefix(prefix), rest, n=1, cutoff=ALIKE)
            wrong += [
                f"{name} is no variable of hintfleet: write {rest[like]}, or give what is yours a "
                f"name that does not begin with {prefix}."
                for like in meant
            ]
    return wrong


def settled(
    name: str,
    option: dict[str, Any],
    value: Any,
    bounds: tuple[float | None, ...] = (),
    *,
    plain: bool = False,
) -> Any:
    """`value` as the option's type.

    name, option: of a role's argument specification. bounds: the least and, if given, the most that
    a number may be. plain: it is a folder that programs are called with. Raises ValueError with a
    sentence that shows how to write it.
    """
    kind = option.get("type", "str")
    asked = {key: option[key] for key in ("type", "elements", "choices") if key in option}
    try:
        whole = {"list": as_list, "dict": as_dict}.get(kind, lambda it: it)(value)
        _refuse_what_only_converts(option, value, whole)
        result = ArgumentSpecValidator({name: asked}).validate({name: whole})
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(_sentence(name, option, value)) from error
    if result.errors.errors:
        raise ValueError(_sentence(name, option, value))
    found = result.validated_parameters[name]
    if any(UNSEEN.search(word) for word in _texts(option, found)):
        raise ValueError(
            f"{name} is {json.dumps(found)}, which has a line's end or another character that "
            "cannot be seen: take it out; files of Windows have one at the end of each line."
        )
    if plain and not (PLAIN_PATH.fullmatch(found) and len(found) <= LONGEST_PATH):
        raise ValueError(
            f"{name} is {json.dumps(found, ensure_ascii=False)}: give a path from the root, such "
            f"as /srv/hintfleet, without a / at its end, with at most {LONGEST_PATH} letters, "
            "digits, '.', '_', '-', '+' and '@'; programs are called with it."
        )
    if bounds and not _is_within(found, bounds):
        least, most = (*bounds, None)[:2]
        what = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} is {found}: give {what}.")
    return found


def _refuse_what_only_converts(option: dict[str, Any], value: Any, whole: Any) -> None:
    """Nothing is not a value, nor an empty word a path; `yes` in YAML is no number.

    Nor is what YAML makes of some texts without quotes: 6.10 is the number 6.1, 2026-11-28 a date.
    """
    kind = option.get("type", "str")
    number = option.get("elements", kind) in ("int", "float")
    if value is None or (kind == "path" and value == "" and option.get("default") != ""):
        raise TypeError("no value")
    if number and any(isinstance(one, bool) for one in (whole if kind == "list" else [whole])):
        raise TypeError("no number")
    plain = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    if kind in ("str", "path") and not plain:
        raise TypeError("no text")


def _texts(option: dict[str, Any], found: Any) -> list[str]:
    """The words of a value that are taken as they stand."""
    if option.get("type", "str") in ("str", "path"):
        return [found]
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []


def _is_within(found: float, bounds: tuple[float | None, ...]) -> bool:
    least, most = (*bounds, None)[:2]
    return (
        math.isfinite(found)
        and (least is None or found >= least)
        and (most is None or found <= most)
    )


def _sentence(name: str, option: dict[str, Any], value: Any) -> str:
    said = f"{name} is {json.dumps(value, default=str)}"
    kind = option.get("type", "str")
    if "choices" in option and kind != "list":
        choices = [str(one) or '""' for one in option["choices"]]
        return f"{said}: choose from {', '.join(choices)}."
    if kind == "list" and option.get("elements") == "int":
        kind = "list of int"
    command, yaml = (text.format(name=name) for text in WRITTEN[kind])
    word = NAMES.get(kind, kind)
    what = f"neither {word.replace(' or ', ' nor ')}" if kind == "bool" else f"no {word}"
    return f"{said}, which is {what}: write {command} on a command line, {yaml} in YAML."
