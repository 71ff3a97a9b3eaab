# SPDX-License-Identifier: GPL-2.0-or-later
"""A host, or builder, that says what a test wants.

In place of its Python stands an interpreter that runs no module and answers each with the JSON
chosen for it.

So whole playbooks can be played against it: nothing of them acts on this machine but what the
controller does itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

INTERPRETER = """\
#!{python}
import ast, json, re, runpy, sys
from pathlib import Path

folder = Path({folder!r})
module = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else sys.stdin.read()
name = re.search(r"^ansible_module='(?:.*[.])?(.*)',$", module, re.M)[1]
params = re.search(r"^params=(.*),$", module, re.M)[1]
with (folder / "calls").open("a") as calls:
    calls.write(name + " " + ast.literal_eval(params) + chr(10))
answers = json.loads((folder / "answers.json").read_text())
told = dict(answers["*"])
for key, answer in answers.items():
    first, *words = key.split()
    if first == name and all(word in params for word in words):
        told.update(answer)
hook = folder / "hook.py"
if hook.exists():
    asked = json.loads(ast.literal_eval(params))["ANSIBLE_MODULE_ARGS"]
    told = runpy.run_path(str(hook))["answer"](name, asked, told)
print(json.dumps(told))
"""


class LyingHost:
    """Has its folder: the interpreter, and what it was asked."""

    def __init__(self, folder: Path, answers: dict[str, Any]) -> None:
        """`answers`: by module, and words that its parameters must hold; "*" is for all."""
        self._folder = folder
        self.python = folder / "state" / "venv" / "bin" / "python"
        self.python.parent.mkdir(parents=True)
        self.python.write_text(INTERPRETER.format(python=sys.executable, folder=str(folder)))
        self.python.chmod(0o755)
        self.answer(answers)

    def hook(self, source: str) -> None:
        """Python with `answer(module, asked, told)`: it may say something else than was chosen."""
        (self._folder / "hook.py").write_text(source)

    def answer(self, answers: dict[str, Any]) -> None:
        (self._folder / "answers.json").write_text(json.dumps({"*": {}, **answers}))

    @property
    def calls(self) -> list[str]:
        """Each module it was asked to run, with its parameters."""
        path = self._folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def asked(self, module: str) -> list[str]:
        return [call for call in self.calls if call.startswith(f"{module} ")]

    def variables(self) -> dict[str, Any]:
        """As the inventory has it."""
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": str(self.python),
            "ansible_remote_tmp": str(self._folder / "tmp"),
            "numa_host_state_dir": str(self._folder / "state"),
        }
