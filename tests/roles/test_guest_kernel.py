# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest kernel's build steps, on a source of a few lines instead of Linux."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build import kernel
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    LOG_BYTES,
    ArtifactError,
    end_of,
    input_key,
)
from series import shared

FILES = Path(__file__).resolve().parents[2] / "roles/guest_kernel/files"

# What Kconfig does, in small: takes over what was asked for, except SWAP, which "depends on"
# BLOCK, and FUTEX, which this "kernel" does not have.
MAKEFILE = """\
kernelversion:
	@echo 6.1.999
allnoconfig:
	@mkdir -p $(O) && grep -v FUTEX $(KCONFIG_ALLCONFIG) > $(O)/.config
olddefconfig:
	@grep -q CONFIG_BLOCK=y $(O)/.config || sed -i '/CONFIG_SWAP=y/d' $(O)/.config
bzImage:
	@mkdir -p $(O)/arch/x86/boot $(O)/include/config
	@cat page_alloc.c > $(O)/arch/x86/boot/bzImage
	@test ! -s broken
	@echo "$$KBUILD_BUILD_USER@$$KBUILD_BUILD_HOST" >> $(O)/arch/x86/boot/bzImage
"""
PAGE_ALLOC = "".join(f"int line_{number};\n" for number in range(1, 31))
HUNK = """\
--- a/{file}
+++ b/{file}
@@ -10,7 +10,7 @@
 int line_10;
 int line_11;
 int line_12;
-int line_13;
+int hinted_13;
 int line_14;
 int line_15;
 int line_16;
"""
NEW_FILE = "--- /dev/null\n+++ b/page_hinting.c\n@@ -0,0 +1 @@\n+int hinting;\n"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """One that an unprivileged build may enter, as it may enter a builder's cache."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def tarball(folder: Path, page_alloc: str = PAGE_ALLOC, makefile: str = MAKEFILE) -> Path:
    source = folder / "linux-6.1.999"
    source.mkdir(parents=True)
    (source / "Makefile").write_text(makefile)
    (source / "page_alloc.c").write_text(page_alloc)
    archive = folder / "linux.tar"
    subprocess.run(["tar", "-cf", archive, "-C", folder, source.name], check=True)
    return archive


@pytest.fixture
def build(tmp_path: Path) -> kernel.Build:
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(tarball(tmp_path))
    return build


# --- patches -------------------------------------------------------------------------


def test_patches_apply_in_the_order_given(build: kernel.Build) -> None:
    second = HUNK.format(file="page_alloc.c").replace("line_13", "hinted_13", 1)
    second = second.replace("+int hinted_13", "+int hinted_twice")
    patches = [("b.patch", HUNK.format(file="page_alloc.c")), ("a.patch", second)]
    kernel.apply_patches([*patches, ("c.patch", NEW_FILE)], build.source, build.log)
    assert "hinted_twice" in (build.source / "page_alloc.c").read_text()
    assert (build.source / "page_hinting.c").exists()
    assert list(build.source.glob("**/*.orig")) == []


def test_a_patch_may_be_off_by_lines(tmp_path: Path) -> None:
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(tarball(tmp_path, page_alloc="int news;\n" + PAGE_ALLOC))
    kernel.apply_patches([("a.patch", HUNK.format(file="page_alloc.c"))], build.source, build.log)
    assert "hinted_13" in (build.source / "page_alloc.c").read_text()


@pytest.mark.parametrize("context", ["line_10", "line_13"])
def test_a_patch_that_needs_fuzz_or_misses_is_named_with_its_file(
    tmp_path: Path, context: str
) -> None:
    """GNU patch would take the first of the two, a changed line of context, with fuzz 1."""
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(tarball(tmp_path, PAGE_ALLOC.replace(f"{context};", f"{context}_moved;")))
    with pytest.raises(ArtifactError) as caught:
        kernel.apply_patches(
            [("hook.patch", HUNK.format(file="page_alloc.c"))], build.source, build.log
        )
    assert str(caught.value).startswith(
        "The patch hook.patch does not apply to this kernel: page_alloc.c (hunk 1 at line 10)."
    )


def test_a_patch_for_an_absent_file_is_named_with_the_file(build: kernel.Build) -> None:
    patches = [("hook.patch", HUNK.format(file="mm/absent.c"))]
    with pytest.raises(ArtifactError, match=r"hook\.patch .*mm/absent\.c"):
        kernel.apply_patches(patches, build.source, build.log)


def test_a_patch_applied_twice_is_named_with_its_file(build: kernel.Build) -> None:
    patches = [("hook.patch", HUNK.format(file="page_alloc.c"))]
    kernel.apply_patches(patches, build.source, build.log)
    with pytest.raises(ArtifactError, match=r"hook\.patch .*page_alloc\.c"):
        kernel.apply_patches(patches, build.source, build.log)


def test_a_new_file_that_is_there_already_is_named(build: kernel.Build) -> None:
    (build.source / "page_hinting.c").write_text("int other;\n")
    with pytest.raises(ArtifactError, match=r"n\.patch .*page_hinting\.c"):
        kernel.apply_patches([("n.patch", NEW_FILE)], build.source, build.log)


# --- configuration -------------------------------------------------------------------


def test_later_fragments_win_and_comments_do_not_count() -> None:
    base = "# a comment\nCONFIG_SMP=y\nCONFIG_NR_CPUS=32\n# CONFIG_KASAN is not set\n"
    fragments = {"many": "CONFIG_NR_CPUS=64\n", "kasan": "CONFIG_KASAN=y\n"}
    assert kernel.merge_configs(base, fragments) == {"SMP": "y", "NR_CPUS": "64", "KASAN": "y"}
    assert kernel.merge_configs(base, {}) == {"SMP": "y", "NR_CPUS": "32", "KASAN": "n"}


def test_a_configuration_survives_being_written_and_read() -> None:
    symbols = {"SMP": "y", "KASAN": "n", "LOCALVERSION": '"-hintfleet-0123"', "NR_CPUS": "32"}
    assert kernel.parse_config(kernel.format_config(symbols)) == symbols


def test_every_symbol_that_is_lost_is_named(build: kernel.Build) -> None:
    wanted = {"SMP": "y", "SWAP": "y", "FUTEX": "y", "KASAN": "n"}
    with pytest.raises(ArtifactError) as caught:
        build.configure(wanted)
    assert str(caught.value).startswith(
        "The kernel configuration lost 2 of 4 symbols asked for: "
        "CONFIG_FUTEX=y (got n), CONFIG_SWAP=y (got n)."
    )
    assert build.configure({"SWAP": "y", "BLOCK": "y"}) == {"SWAP": "y", "BLOCK": "y"}


def test_the_base_names_no_costly_debug_option() -> None:
    base = kernel.parse_config((FILES / "config/base.config").read_text())
    assert base["SMP"] == "y"
    assert kernel.debug_options(base) == []
    assert kernel.debug_options({**base, "KASAN": "y", "DEBUG_VM": "y"}) == ["DEBUG_VM", "KASAN"]


# --- key, version, space, build ------------------------------------------------------


def test_every_input_of_a_build_is_in_the_key(tmp_path: Path) -> None:
    one = tarball(tmp_path / "one")
    other = tarball(tmp_path / "other", PAGE_ALLOC + "int more;\n")
    symbols, tools = {"SMP": "y"}, "gcc 12"
    patches = [("a.patch", "+"), ("b.patch", "+")]
    variants = [
        (one, patches, symbols, tools),
        (other, patches, symbols, tools),
        (one, [("a.patch", "-"), ("b.patch", "+")], symbols, tools),
        (one, patches[::-1], symbols, tools),
        (one, [], symbols, tools),
        (one, patches, {"SMP": "n"}, tools),
        (one, patches, symbols, "gcc 13"),
    ]
    assert len({input_key(kernel.inputs(*variant)) for variant in variants}) == len(variants)
    assert input_key(kernel.inputs(*variants[0])) == input_key(kernel.inputs(*variants[0]))


def test_a_tree_is_known_by_its_files_alone(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm/a.c").write_text("int a;\n")
    (tree / "link").symlink_to("mm/a.c")
    first = kernel.source_sha256(tree)
    (tree / ".git").mkdir()
    (tree / ".git/HEAD").write_text("ref\n")
    assert kernel.source_sha256(tree) == first
    (tree / "mm/a.c").rename(tree / "mm/b.c")
    renamed = kernel.source_sha256(tree)
    (tree / "mm/b.c").write_text("int b;\n")
    assert len({first, renamed, kernel.source_sha256(tree)}) == 3


def test_the_source_must_belong_to_the_series(build: kernel.Build) -> None:
    assert build.version() == "6.1.999"
    kernel.check_version("6.1.999", "6.1")
    kernel.check_version("6.12", "6.12")
    with pytest.raises(ArtifactError, match=r"Linux 6\.12\.3 but guest_kernel_version is 6\.1;"):
        kernel.check_version("6.12.3", "6.1")


def test_too_little_disk_is_said_before_anything_is_unpacked(tmp_path: Path) -> None:
    kernel.check_space(tmp_path / "not" / "there", 1)
    with pytest.raises(ArtifactError, match=r"takes 99999999 MiB .* are free; free some"):
        kernel.check_space(tmp_path / "not" / "there", 99999999)


def test_the_release_names_the_build() -> None:
    symbols = kernel.local_version("0123456789abcdef")
    assert symbols == {"LOCALVERSION": '"-hintfleet-0123456789ab"', "LOCALVERSION_AUTO": "n"}


def test_a_build_knows_nothing_of_who_builds_and_keeps_its_log(build: kernel.Build) -> None:
    assert build.image().read_text() == PAGE_ALLOC + "hintfleet@builder\n"
    (build.source / "broken").write_text("yes\n")
    with pytest.raises(ArtifactError, match=r"make bzImage.*the whole log is .*build\.log"):
        build.image()


def test_unpacking_starts_over(build: kernel.Build, tmp_path: Path) -> None:
    (build.output / "left.o").write_text("")
    (build.source / "page_alloc.c").write_text("")
    build.unpack(tmp_path / "linux.tar")
    assert (build.source / "page_alloc.c").read_text() == PAGE_ALLOC
    assert list(build.output.iterdir()) == []


LOG = """\
$ tar --extract --file=/usr/src/linux-source-6.12.tar.xz --strip-components=1
$ make CC=ccache gcc LOCALVERSION= -j2 O=output KCONFIG_ALLCONFIG=asked.config allnoconfig
  HOSTCC  scripts/basic/fixdep
$ make CC=ccache gcc LOCALVERSION= -j2 O=output bzImage
  SYSHDR  arch/x86/include/generated/uapi/asm/unistd_32.h
  CC      scripts/mod/empty.o
  AS      arch/x86/entry/entry.o
  CC      init/main.o
  AR      init/built-in.a
"""


@pytest.mark.parametrize(
    ("lines", "stage", "done", "expected"),
    [
        (0, "preparing the source", 0, None),
        (1, "preparing the source", 0, None),
        (3, "configuring the kernel", 0, None),
        (4, "compiling the kernel", 0, kernel.EXPECTED_OBJECTS),
        (9, "compiling the kernel", 3, kernel.EXPECTED_OBJECTS),
    ],
)
def test_a_log_says_how_far_a_build_is(
    lines: int, stage: str, done: int, expected: int | None
) -> None:
    log = "\n".join(LOG.splitlines()[:lines])
    assert kernel.progress(log) == {"stage": stage, "done": done, "expected": expected}


PATCHES = FILES / "patches"
SERIES = {path.stem: path.read_text().split() for path in PATCHES.glob("*.series")}


def test_each_patch_belongs_to_a_series_and_lies_in_one_place() -> None:
    listed = {name for names in SERIES.values() for name in names}
    there = {str(path.relative_to(PATCHES)) for path in PATCHES.glob("*/*")}
    assert listed and listed == there
    for series, names in SERIES.items():
        assert {name.partition("/")[0] for name in names} <= {"common", series}
        assert len({Path(name).name for name in names}) == len(names)


def test_what_is_the_same_is_there_once() -> None:
    """A patch of one kernel does something else than the one of that name for others."""
    series = {
        name.removeprefix("linux-"): [
            (Path(path).name, (PATCHES / path).read_text()) for path in paths
        ]
        for name, paths in SERIES.items()
    }
    placed = {f"linux-{v}": [path for path, _ in found] for v, found in shared(series).items()}
    assert placed == SERIES


def test_patches_that_differ_by_places_alone_are_common() -> None:
    text = "From 0\nDate: {day}\nSubject: [PATCH] a\n---\n@@ -{line},3 +{line},4 @@ f\n+{added}\n"
    series = {
        version: [("a.patch", text.format(day=version, line=line, added=added))]
        for version, line, added in (("6.1", 7, "x"), ("6.12", 8, "x"), ("7.3", 9, "y"))
    }
    for own in series.values():
        own.append(("b.patch", "+all\n"))
    series["7.3"].append(("c.patch", "+new\n"))
    found = shared(series)
    assert found["6.1"] == [
        ("common/a.patch", series["6.12"][0][1]),
        ("common/b.patch", "+all\n"),
    ]
    assert found["6.12"] == found["6.1"]
    assert [path for path, _ in found["7.3"]] == [
        "linux-7.3/a.patch",
        "common/b.patch",
        "linux-7.3/c.patch",
    ]


# --- a source that is out for more ---------------------------------------------------

EVIL = """\
bzImage:
	@mkdir -p $(O)/arch/x86/boot
	@id -u > $(O)/who; ls /sys/class/net > $(O)/networks; env > $(O)/environment
	@(cat {secret}; echo > {folder}/written; echo >> {folder}/build.log) 2> /dev/null || true
	@(sleep 2; touch $(O)/later) > /dev/null 2>&1 &
	@ln -sf {secret} $(O)/arch/x86/boot/bzImage
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to lose")
def test_a_makefile_reaches_nothing_but_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_PASSWORD", "hunter2")
    secret = tmp_path / "secret"
    secret.write_text("roots own")
    secret.chmod(0o600)
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(tarball(tmp_path, makefile=EVIL.format(secret=secret, folder=build.folder)))
    with pytest.raises(ArtifactError, match=r"Cannot read .*bzImage: .*Permission denied"):
        build.image()
    assert (build.output / "who").read_text() == "65534\n"
    assert "hunter2" not in (build.output / "environment").read_text()
    assert "roots own" not in build.log.read_text()
    assert not (build.folder / "written").exists()
    assert (build.output / "who").stat().st_uid == 65534 and build.folder.stat().st_uid == 0
    time.sleep(2.5)
    assert not (build.output / "later").exists(), "what it had started went on"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to lose")
def test_a_build_has_no_network(tmp_path: Path) -> None:
    makefile = "bzImage:\n\t@ip -brief address 2>&1; cat /proc/net/dev; exit 1\n"
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(tarball(tmp_path, makefile=makefile))
    with pytest.raises(ArtifactError):
        build.image()
    lines = [line for line in build.log.read_text().splitlines() if ":" in line]
    cards = {
        line.split(":")[0].strip() for line in lines if line.split(":")[1].split()[:1] == ["0"]
    }
    assert cards == {"lo"}


@pytest.mark.skipif(os.geteuid() != 0, reason="without root a build keeps its user")
def test_a_build_ends_with_who_called_it(tmp_path: Path) -> None:
    makefile = "bzImage:\n\twhile sleep 0.01; do echo >> $(O)/alive; done\n"
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(tarball(tmp_path, makefile=makefile))
    caller = get_context("fork").Process(target=build.image)
    caller.start()
    until = time.monotonic() + 60
    while not (found := list(tmp_path.rglob("alive"))) and time.monotonic() < until:
        time.sleep(0.1)
    caller.kill()
    caller.join()
    (alive,) = found
    time.sleep(0.5)
    size = alive.stat().st_size
    time.sleep(1)
    assert alive.stat().st_size == size > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
@pytest.mark.parametrize("kind", ["tarball", "tree"])
def test_no_device_of_a_foreign_source_is_made(tmp_path: Path, kind: str) -> None:
    """A disk of the builder in the folder that a Makefile owns would be its to write."""
    archive = tarball(tmp_path, makefile=MAKEFILE + "mrproper:\n\t@true\n")
    tree = tmp_path / "linux-6.1.999"
    os.mknod(tree / "disk", stat.S_IFBLK | 0o666, os.makedev(8, 0))
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, tree.name], check=True)
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    if kind == "tarball":
        with pytest.raises(ArtifactError, match=r"(?s)Cannot unpack .*disk: Cannot mknod"):
            build.unpack(archive)
    else:
        build.unpack(tree)
    assert (build.source / "page_alloc.c").exists()
    assert not (build.source / "disk").exists()


def test_what_a_makefile_says_is_held_in_part_only(tmp_path: Path) -> None:
    """It may go on for ever, in its log and in what it is asked for."""
    makefile = (
        "kernelversion:\n\t@yes 6.1 | head -c 20000000\n"
        "bzImage:\n\t@yes nonsense | head -c 20000000 | tr -d '\\n'; exit 1\n"
    )
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(tarball(tmp_path, makefile=makefile))
    assert len(build.version()) == 64
    with pytest.raises(ArtifactError) as caught:
        build.image()
    assert build.log.stat().st_size > 2 * LOG_BYTES
    assert len(str(caught.value)) < 9000
    assert len(end_of(build.log)) == LOG_BYTES
    assert kernel.progress(end_of(build.log))["done"] == 0


@pytest.mark.parametrize("kind", ["tarball", "tree"])
def test_owners_and_rights_of_a_foreign_source_do_not_survive(tmp_path: Path, kind: str) -> None:
    archive = tarball(tmp_path)
    tree = tmp_path / "linux-6.1.999"
    (tree / "Makefile").write_text(MAKEFILE + "mrproper:\n\t@true\n")
    (tree / "page_alloc.c").chmod(0o6777)
    if os.geteuid() == 0:
        os.chown(tree / "page_alloc.c", 1234, 1234)
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, tree.name], check=True)
    build = kernel.Build(tmp_path / "build", tmp_path / "ccache", jobs=1)
    build.unpack(archive if kind == "tarball" else tree)
    found = (build.source / "page_alloc.c").stat()
    assert found.st_mode & 0o6022 == 0
    assert found.st_uid == (65534 if os.geteuid() == 0 else os.geteuid())
