#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs ansible-test's sanity tests on a packed collection: sanity.sh FOLDER [argument of ansible-test ...]
# FOLDER ends in ansible_collections/hintfleet/bench, as ansible-test demands.
set -eu
cd "$1"
shift

# hintfleet is under GPL-2.0-or-later, and one test wants the words of GPLv3 in each module.
release=$(ansible --version | sed -n 's/.*core \([0-9]*\.[0-9]*\).*/\1/p;q')
mkdir -p tests/sanity
for file in plugins/*/*.py; do
  case $file in
    plugins/module_utils/* | plugins/plugin_utils/* | plugins/action/* | plugins/filter/*) ;;
    *) echo "$file validate-modules:missing-gplv3-license" ;;
  esac
done > "tests/sanity/ignore-$release.txt"

# ansible-test looks at files that git knows.
git init -q .
git add --all .

# It downloads a script to bootstrap pip, for which the interpreter's own copy does as well.
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
for folder in .config .cache; do
  if [ -d "$HOME/$folder" ]; then ln -s "$HOME/$folder" "$home/$folder"; fi
done
cache=$home/.ansible/test/cache
mkdir -p "$cache"
python - "$cache" <<'PYTHON'
import re
import sys
from pathlib import Path

import ansible_test

requirements = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
(version,) = set(re.findall(r"\bpip='([0-9.]+)'", requirements.read_text()))
Path(sys.argv[1], f"get_pip_{version.replace('.', '_')}.py").write_text('''\
import runpy, subprocess, sys
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
sys.argv = ["pip", "install", *(word for word in sys.argv[1:] if not word.startswith("--no-"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
''')
PYTHON

HOME=$home LC_ALL=C.UTF-8 ansible-test sanity --color no \
  --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" "$@"
