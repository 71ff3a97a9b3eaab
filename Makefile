# SPDX-License-Identifier: GPL-2.0-or-later
# Every target sets up what it needs by itself on a Debian that has git and make.
#
#   make study    prepare, measure, report: results/$(STUDY)
#   make test     what proves it: make check, and a small study with real guests (root)
#   make check    the quick part: linters, types, unit tests
#   make clean    put this host back as it was found; finished results stay
#   make lab      a fleet of emulated NUMA hosts; lab-down ends it
#
# Anything an Ansible user would say on the command line goes into ARGS:
#   make study PRESET=seed INVENTORY=inventory/example ARGS='-e study_blocks=8 --limit host1'

PRESET ?= laptop
INVENTORY ?= inventory/local
ARGS ?=
# Fleets other than this machine, and sets, have studies of their own: results/lab-laptop, results/laptop-tiles.
SET := $(patsubst study_set=%,%,$(filter study_set=%,$(ARGS)))
STUDY ?= $(if $(filter inventory/local,$(INVENTORY:/=)),,$(notdir $(INVENTORY:/=))-)$(PRESET)$(addprefix -,$(SET))
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
TOOLS := $(VENV)/.tools
RESULTS := results/$(STUDY)

# The folders of the system come before those of the user: what stands in them is what is meant here.
export PATH := $(CURDIR)/$(BIN):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Ansible wants UTF-8, and a shell may have another locale, or one that this machine does not know.
export LC_ALL := C.UTF-8
# Of the user's settings, those stay that say how to reach hosts and where packages come from. Others
# would have Python, pip, Ansible, git or tar take other code, put things elsewhere, or mean other things.
KEPT := $(addprefix PIP_,CACHE_DIR CERT CLIENT_CERT CONFIG_FILE EXTRA_INDEX_URL FIND_LINKS INDEX_URL NO_INDEX \
	PROXY RETRIES TIMEOUT TRUSTED_HOST) \
	$(addprefix ANSIBLE_,ASK_PASS ASK_VAULT_PASS BECOME BECOME_ASK_PASS BECOME_EXE BECOME_FLAGS BECOME_METHOD \
	BECOME_PASSWORD_FILE BECOME_USER COLOR_% CONFIG DEBUG EXECUTABLE FORCE_COLOR FORKS HOME HOST_KEY_CHECKING \
	KEEP_REMOTE_FILES LOCAL_TEMP LOG_PATH NOCOLOR PARAMIKO_% PIPELINING PRIVATE_KEY_FILE REMOTE_% SCP_% SFTP_% \
	SSH_% TIMEOUT TRANSPORT VAULT_% VERBOSITY) \
	PYTHON PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED
MEDDLING := $(filter-out $(KEPT),$(filter ANSIBLE_% PIP_% PYTHON%,$(.VARIABLES))) \
	CDPATH GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE TAR_OPTIONS
unexport $(MEDDLING)
# The variable wins over the file of settings, and a venv takes no install of a user's own.
export PIP_USER := 0

GIVEN = -e study_preset=$(PRESET) -e study_name=$(STUDY) $(ARGS)
PLAY = ansible-playbook -i $(INVENTORY)
ROOT = $(if $(filter 0,$(shell id -u)),,sudo)
# A line a minute as long as a command takes, unless the shell that waits for it is gone.
patiently = { (while sleep 50 >/dev/null 2>&1 && kill -0 $$$$ 2>/dev/null; do echo '  still at it ...'; done) & clock=$$!; \
	$(1); failed=$$?; kill $$clock; [ $$failed = 0 ]; }
apt_install = { $(ROOT) apt-get update -qq && $(ROOT) env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends $(1) >/dev/null; }

.DEFAULT_GOAL := help
.PHONY: help setup study report test check clean distclean lab lab-down test-host test-lab test-kernel \
	test-browser test-disk test-own-image test-fresh test-programs test-spark fuzz readmes site pack collection sanity test-collection compare-engines mutate-kernel-tests \
	check-series bench-hot-path bench-report bench-report-way bench-plan bench-error-rates bench-orchestration examples

help:
	@sed -n '3,11s/^# \{0,1\}//p' Makefile

# --- what the other targets stand on ------------------------------------------------

setup: $(RUNTIME)

# The interpreter's own venv and ensurepip are separate packages in Debian.
$(BIN)/pip:
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo 'Installing python3-venv with apt.'; $(call patiently,$(call apt_install,python3 python3-venv)); } || { \
	  echo 'hintfleet: python3 with venv is missing and apt could not install it; install python3-venv and try again.' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt pyproject.toml | $(BIN)/pip
	@echo 'Installing the Python packages of requirements.txt into $(VENV).'
	@$(call patiently,$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt)
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(TOOLS): requirements-dev.txt $(RUNTIME)
	@echo 'Installing the test tools of requirements-dev.txt into $(VENV).'
	@$(call patiently,$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt)
	@{ command -v shellcheck && command -v cc && command -v patch && command -v rsync; } >/dev/null || \
	  $(call apt_install,shellcheck gcc libc6-dev patch rsync)
	@touch $@

# --- the study ----------------------------------------------------------------------

# A play ends where its last host fails: then the report of what there is, is still written. The study is
# read once, for every format and the screen.
study: $(RUNTIME)
	@$(PLAY) playbooks/study.yml $(GIVEN) || { \
	  failed=$$?; \
	  if [ -d $(RESULTS)/runs ]; then \
	    hintfleet report $(RESULTS) --save $(RESULTS) >/dev/null; \
	    echo 'hintfleet: the study is not complete, the reasons stand above; what there is: $(RESULTS)/report.txt.' >&2; \
	    echo 'The same command goes on with what is missing.' >&2; \
	  fi; \
	  exit $$failed; }
	@hintfleet report $(RESULTS) --save $(RESULTS)

report: $(RUNTIME)
	@hintfleet report $(RESULTS)

clean: $(RUNTIME)
	@$(PLAY) playbooks/clean.yml $(ARGS)

# A lab is an inventory like any other: make study INVENTORY=inventory/lab
lab: $(RUNTIME)
	@ansible-playbook -i inventory/lab playbooks/lab.yml -e lab_state=up $(ARGS)

lab-down: $(RUNTIME)
	@ansible-playbook -i inventory/lab playbooks/lab.yml -e lab_state=down $(ARGS)

distclean:
	rm -rf $(VENV) .ansible .pytest_cache .mypy_cache .ruff_cache

# --- a collection and a wheel, for people who take them so ---------------------------

BENCH := collections/ansible_collections/hintfleet/bench
PACKED := build/ansible_collections/hintfleet/bench
# What git knows, whoever owns the checkout; of an unpacked archive, which has no git, all there is.
files_of = { git -C $(1) -c safe.directory='*' ls-files -z --error-unmatch $(2) 2>/dev/null || \
	{ cd $(1) && find $(2) -name __pycache__ -prune -o -type f -print0; }; }
packed_from = $(call files_of,$(1),$(2)) | tar -C $(1) --null -T - -c | tar -C $(PACKED) -x

# The top-level folders are the source: roles and playbooks are packed beside the plugins.
pack: $(RUNTIME)
	@rm -rf build && mkdir -p $(PACKED)
	@$(call packed_from,$(BENCH),CHANGELOG.md README.md changelogs galaxy.yml meta plugins)
	@$(call packed_from,.,LICENSE playbooks pyproject.toml roles)

collection: pack
	@mkdir -p dist
	@ansible-galaxy collection build $(PACKED) --output-path dist --force
	@$(BIN)/pip wheel -q --no-deps --no-build-isolation --wheel-dir dist .

# What Ansible asks of a collection; it installs its own tools, and takes some minutes.
sanity: pack $(TOOLS)
	@tests/collection/sanity.sh $(PACKED)

# A collection and a wheel in an empty folder, and a small study from there (root).
test-collection: $(TOOLS) collection
	pytest -m guest tests/collection

# --- documentation ------------------------------------------------------------------

readmes: $(RUNTIME)
	@python docs/reference.py readmes

# build/site/index.html: the pages of docs/, and roles and plugins from what they say of themselves.
site: $(TOOLS)
	@python docs/reference.py site build/site-source
	@mkdocs build --quiet --strict

# --- what proves it -----------------------------------------------------------------

check: $(TOOLS)
	ruff check .
	ruff format --check .
	mypy
	git ls-files '*.sh' '.ci/run' 'roles/guest_image/files/tree/init' 'roles/guest_image/files/tree/sbin' \
	  'roles/guest_image/files/programs/*/run' | xargs shellcheck
	ansible-lint --offline --profile production
	pytest -q

test: check test-browser
	pytest -m guest tests/study

# Guests with a Debian on a disk, and what of its files stays with them (root; builds a kernel with the fragment disk).
test-disk: $(TOOLS)
	pytest -m disk tests/study

# A disk with our kernel's Debian package in it, which boots by itself: Debian 12 and 13 (root; builds that package).
test-own-image: $(TOOLS)
	pytest -m guest tests/own_image

# What a reader sees of the HTML report; about a minute, and Chromium's 100 MB if it is missing.
test-browser: $(TOOLS)
	@command -v chromium >/dev/null || $(call apt_install,chromium fonts-dejavu-core)
	pytest -m browser tests/analysis tests/site

# The lines of docs/scale.md in Spark: a Java runtime and Spark's 400 MB are fetched if they are missing.
test-spark: $(TOOLS)
	@command -v java >/dev/null || $(call apt_install,default-jre-headless)
	@$(call patiently,$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --require-hashes -r requirements-spark.txt)
	pytest -m spark tests/spark

# Strangers on every side: guests, hosts, records. SECONDS is for each fuzzer; `make test` gives each a few.
SECONDS ?= 3600
fuzz: $(TOOLS)
	for fuzzer in $$(ls tests/fuzz/*.py | grep -v /test_); do python "$$fuzzer" --seconds $(SECONDS) || exit; done

# Not part of `make test` yet. test-host compares a host before it was prepared and after it was cleaned;
# nothing else may run on it meanwhile.
test-host: $(TOOLS)
	pytest -m guest tests/roles/test_host_clean.py

# The README's two commands on an empty Debian (bookworm, trixie), as root; an hour or so. Nothing else of
# hintfleet may be at work on this machine meanwhile.
SUITE ?= trixie
test-fresh:
	@command -v mmdebstrap >/dev/null || $(call apt_install,mmdebstrap debian-archive-keyring)
	@$(PYTHON) tests/fresh/support/fresh_debian.py $(SUITE) $(ARGS)

# Programs of Debian's packages do what they say, without guests, in a Debian made for that (root; minutes).
test-programs: $(TOOLS)
	@command -v mmdebstrap >/dev/null || $(call apt_install,mmdebstrap debian-archive-keyring)
	HINTFLEET_SUITE=$(SUITE) pytest -m programs tests/programs

# Builds the kernels it needs (hours at first; what was built before is used again), then boots them.
# VERSIONS and VARIANTS choose fewer, see tests/kernel/build.yml; ARGS go to pytest: ARGS='-k churn'
VERSIONS ?= 6.1 6.12
GET_KERNEL_INPUTS = $(PLAY) tests/kernel/inputs.yml -e '{"kernel_test_versions": "$(VERSIONS)"}'
BUILD_TEST_KERNELS = $(PLAY) tests/kernel/build.yml -e '{"kernel_test_versions": "$(VERSIONS)"}'

test-kernel: VARIANTS ?= full stock debug kasan
test-kernel: $(TOOLS)
	@$(BUILD_TEST_KERNELS) -e '{"kernel_test_variants": "$(VARIANTS)"}'
	pytest -m kernel tests/kernel $(ARGS)

# Drops each patch and each line of tests/kernel/mutations.yml in turn and asks the tests whether they
# notice: hours. What is known is kept; ARGS='--only watermark' does a part.
mutate-kernel-tests: $(TOOLS)
	@$(GET_KERNEL_INPUTS)
	python tests/kernel/support/mutate.py $(foreach version,$(VERSIONS),--version $(version)) $(ARGS)

# Each series applies to its kernel, patch by patch, without fuzz; a minute.
check-series: VERSIONS = $(patsubst roles/guest_kernel/files/patches/linux-%.series,%,$(wildcard roles/guest_kernel/files/patches/*.series))
check-series: $(TOOLS)
	@$(GET_KERNEL_INPUTS)
	python tests/kernel/support/series.py check

test-lab: $(TOOLS)
	pytest -m lab tests/lab

# --- benchmarks ---------------------------------------------------------------------

compare-engines: VARIANTS ?= full stock
compare-engines: $(TOOLS)
	@$(BUILD_TEST_KERNELS) -e '{"kernel_test_variants": "$(VARIANTS)"}'
	python tests/kernel/support/compare_engines.py $(ARGS)

# Minutes, without a boot: page_alloc.o alone is compiled and emulated.
bench-hot-path: $(TOOLS)
	@$(GET_KERNEL_INPUTS)
	python benchmarks/hot_path.py $(ARGS)

bench-report: $(TOOLS)
	python benchmarks/bench_report.py $(ARGS)

# As root, minutes: guests with the kernel and image that were made last. ARGS='--accelerator kvm'.
bench-report-way: $(TOOLS)
	PYTHONPATH=collections python benchmarks/report_way.py $(ARGS)

# The table of docs/statistics.md: how often figures are wrong. ARGS='--studies 100' is quicker.
bench-error-rates: $(TOOLS)
	PYTHONPATH=collections python benchmarks/error_rates.py $(ARGS)

bench-plan: $(TOOLS)
	python benchmarks/bench_plan.py $(ARGS)

# The reports in docs/examples, made anew; ARGS='results/laptop --pictures' takes another study.
examples: $(TOOLS)
	python docs/examples/render.py $(ARGS)

bench-orchestration: $(TOOLS)
	@{ [ -x /usr/sbin/sshd ] && command -v qemu-system-x86_64; } >/dev/null || \
	  $(call apt_install,openssh-server qemu-system-x86)
	python benchmarks/orchestration.py $(ARGS)
