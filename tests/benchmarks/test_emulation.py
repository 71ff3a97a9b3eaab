# SPDX-License-Identifier: GPL-2.0-or-later
"""The counter of instructions, on a few lines of assembly whose count is known."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from emulation import EmulationError, Machine, functions_of, link

# the comments say how many instructions a call of each function executes
SOURCE = """
.text
.globl add_up, ask, read_missing, crash
.type add_up, @function
add_up:                         # 2 + 3 n
        xor %eax, %eax
again:  add %rdi, %rax
        dec %rdi
        jnz again
        ret
.size add_up, . - add_up

.type ask, @function
ask:                            # 6, and 2 in what is missing; 7 where the key is on
        sub $8, %rsp
1:      .byte 0x0f, 0x1f, 0x44, 0x00, 0x00
        call not_here@PLT
        jmp 3f
2:      mov $7, %eax
        nop
        jmp 3f
3:      add $8, %rsp
        ret
.size ask, . - ask

.pushsection __jump_table, "aw"
        .long 1b - ., 2b - .
        .quad engine_enabled - .
.popsection

.type read_missing, @function
read_missing:                   # 2
        mov counter(%rip), %rax
        ret
.size read_missing, . - read_missing

.type crash, @function
crash:
        mov (%rdi), %rax
        ret
.size crash, . - crash
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("object")
    (folder / "tiny.s").write_text(SOURCE)
    subprocess.run(["as", "-o", folder / "tiny.o", folder / "tiny.s"], check=True)
    return folder / "tiny.o"


@pytest.fixture(scope="module")
def image(built: Path) -> Path:
    link([built], built.with_name("image"))
    return built.with_name("image")


@pytest.mark.parametrize("n", [1, 2, 100, 5000])
def test_each_instruction_of_a_loop_counts(image: Path, n: int) -> None:
    machine = Machine(image)
    assert machine.call("add_up", n) == n * (n + 1) // 2
    assert machine.counted() == {"add_up": 2 + 3 * n}
    machine.call("add_up", 1)
    assert machine.counted() == {"add_up": 5}, "what was read once must not count again"


def test_what_is_missing_is_a_stub_that_counts_for_itself(image: Path) -> None:
    machine = Machine(image)
    assert machine.call("ask") == 0
    assert machine.call("read_missing") == 0
    assert machine.counted() == {"ask": 6, "not_here": 2, "read_missing": 2}


def test_a_key_that_is_on_takes_its_branch(image: Path) -> None:
    machine = Machine(image, on=["engine_enabled"])
    assert machine.call("ask") == 7
    assert machine.counted() == {"ask": 7}


def test_only_what_the_object_defines_is_its_own(built: Path) -> None:
    assert functions_of(built) >= {"add_up", "ask", "read_missing"}
    assert "not_here" not in functions_of(built)


def test_what_cannot_be_run_is_named(image: Path) -> None:
    with pytest.raises(EmulationError, match="no branch for the static key other_enabled"):
        Machine(image, on=["other_enabled"])
    with pytest.raises(EmulationError, match="crash failed in crash"):
        Machine(image).call("crash", 0x1234_5678_0000)
