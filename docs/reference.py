# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that are made from what the code says of itself: roles and plugins.

python docs/reference.py readmes         write roles/*/README.md from their argument specifications
python docs/reference.py readmes --check say which differ; exit code 1 if one does
python docs/reference.py site FOLDER     write the sources of the documentation site into FOLDER
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = {"module": "modules", "callback": "callback", "lookup": "lookup"}
MARKUP = {"B": r"**\1**", "I": r"*\1*"}
"""Ansible's markup that is not code; the rest (C, O, V, RV, M, P, E) becomes code."""


def markdown(text: str | Iterable[str]) -> str:
    """Ansible's documentation markup as Markdown."""
    text = text if isinstance(text, str) else " ".join(text)
    for letter, meaning in MARKUP.items():
        text = re.sub(rf"\b{letter}\(([^)]*)\)", meaning, text)
    return re.sub(r"\b(?:C|O|V|RV|M|P|E)\(([^)]*)\)", r"`\1`", text)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"


def options_table(options: Mapping[str, Mapping[str, Any]], heading: str = "Variable") -> list[str]:
    """A table of options: name, type, default, meaning."""
    lines = [_row([heading, "Type", "Default", "Meaning"]), "|---|---|---|---|"]
    for name, option in options.items():
        kind = option.get("type", "str")
        if "elements" in option:
            kind += f" of {option['elements']}"
        default = "required" if option.get("required") else ""
        if option.get("default") is not None:
            default = f"`{json.dumps(option['default'], ensure_ascii=False)}`"
        meaning = markdown(option.get("description", ""))
        if choices := option.get("choices"):
            meaning += " One of " + ", ".join(f"`{choice}`" for choice in choices) + "."
        lines.append(_row([f"`{name}`", kind, default, meaning]))
    return lines


def paragraphs(about: dict[str, Any]) -> list[str]:
    """A description, which may be written as one text."""
    text = about.get("description", [])
    return [text] if isinstance(text, str) else text


def role_page(role: Path) -> str:
    """The README of a role."""
    specification = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
    lines = [f"# {role.name}", ""]
    for entry, spec in specification["argument_specs"].items():
        if entry != "main":
            lines += [f"## Entry `{entry}`", ""]
        lines += [f"**{markdown(spec.get('short_description', ''))}.**", ""]
        for paragraph in paragraphs(spec):
            lines += [markdown(paragraph), ""]
        if options := spec.get("options"):
            lines += [*options_table(options), ""]
    lines += ["*Made from `meta/argument_specs.yml` by `make readmes`.*", ""]
    return "\n".join(lines)


def plugin_page(kind: str, name: str) -> str:
    """A page for a plugin, from its DOCUMENTATION, EXAMPLES and RETURN."""
    answer = subprocess.run(
        ["ansible-doc", "--json", "-t", kind, name], check=True, capture_output=True, text=True
    )
    about = json.loads(answer.stdout)[name]
    doc = about["doc"]
    lines = [f"# {name}", "", f"**{markdown(doc['short_description'])}** ({kind})", ""]
    for paragraph in paragraphs(doc):
        lines += [markdown(paragraph), ""]
    if doc.get("options"):
        lines += ["## Options", "", *options_table(doc["options"], "Option"), ""]
    if examples := (about.get("examples") or "").strip():
        lines += ["## Examples", "", "```yaml", examples, "```", ""]
    if about.get("return"):
        lines += ["## Returns", "", *options_table(about["return"], "Value"), ""]
    return "\n".join(lines)


def roles() -> list[Path]:
    """Roles that people call: those with an argument specification."""
    return sorted(path.parents[1] for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def readmes(check: bool) -> int:
    """Write or compare the roles' READMEs; the exit code."""
    stale = []
    for role in roles():
        file, page = role / "README.md", role_page(role)
        if not file.exists() or file.read_text() != page:
            stale.append(file.relative_to(ROOT))
            if not check:
                file.write_text(page)
    if check and stale:
        print("Not what the argument specifications say:", *stale, "Run: make readmes", sep="\n  ")
        return 1
    return 0


def site(folder: Path) -> int:
    """Write the site's sources: the pages of docs/, the README, roles and plugins."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py"))
    readme = (ROOT / "README.md").read_text()
    (folder / "index.md").write_text(re.sub(r"\]\(docs/", "](", readme))
    for page in folder.glob("*.md"):
        # Files of the source tree are no pages of the site: their names stay, without a link.
        text = re.sub(r"\[([^]]+)\]\((?:\.\./|roles/|analysis/)[^)]*\)", r"\1", page.read_text())
        page.write_text(text)
    (folder / "roles").mkdir()
    for role in roles():
        (folder / "roles" / f"{role.name}.md").write_text(role_page(role))
    (folder / "plugins").mkdir()
    bench = ROOT / "collections/ansible_collections/hintfleet/bench/plugins"
    for kind, place in PLUGINS.items():
        for file in sorted((bench / place).glob("*.py")):
            page = plugin_page(kind, f"hintfleet.bench.{file.stem}")
            (folder / "plugins" / f"{file.stem}.md").write_text(page)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("readmes").add_argument("--check", action="store_true")
    commands.add_parser("site").add_argument("folder", type=Path)
    given = parser.parse_args()
    return readmes(given.check) if given.command == "readmes" else site(given.folder)


if __name__ == "__main__":
    sys.exit(main())
