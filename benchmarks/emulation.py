# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects of the kernel, linked by themselves and run in an emulator that counts instructions."""

from __future__ import annotations

import bisect
import re
import struct
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import unicorn
from unicorn import x86_const

PAGE = 4096
IMAGE = 0xFFFFFFFF81000000  # the compiler assumes the last 2 GiB
STACK, STACK_BYTES = 0x7000_0000, 64 << 10
STOP = 0x7100_0000  # where a call returns to
INSTRUCTION = re.compile(r" *([0-9a-f]+):\t", re.MULTILINE)  # as objdump prints it
NOPS = {2: b"\x66\x90", 5: b"\x0f\x1f\x44\x00\x00"}  # by length: a static branch not taken
JUMPS = {0xEB: 2, 0xE9: 5}  # opcode to length: one that is taken


class EmulationError(RuntimeError):
    """An object could not be linked, or what was emulated did not end as it should."""


class Function(NamedTuple):
    """A function or variable of a linked image."""

    address: int
    size: int
    name: str


def _run(*command: object) -> str:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True)
    if done.returncode:
        raise EmulationError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def link(objects: list[Path], image: Path) -> None:
    """Link kernel objects, with a stub for whatever none of them defines.

    A function that is missing returns 0, a variable is 4 KiB of zeros.
    """
    joined, stubs = image.with_suffix(".joined.o"), image.with_suffix(".stubs.o")
    _run("ld", "-r", "-o", joined, *objects)
    _run("objcopy", "--wildcard", "--remove-section=*.discard.*", joined)
    missing = {line.split()[-1] for line in _run("nm", "-u", joined).splitlines()}
    called = {
        line.split()[-1].split("-0x")[0].split("+0x")[0]
        for line in _run("objdump", "-r", joined).splitlines()
        if "R_X86_64_PLT32" in line
    }
    # ld defines these two for the section __jump_table if someone asks for them
    text = ".data\n.weak __start___jump_table\n.weak __stop___jump_table\n"
    text += ".quad __start___jump_table, __stop___jump_table\n"
    for name in sorted(missing):
        if name in called:
            text += f".text\n.globl {name}\n.type {name}, @function\n"
            text += f"{name}: xor %eax, %eax\nret\n.size {name}, . - {name}\n"
        else:
            text += f".comm {name}, {PAGE}, 64\n"
    source = image.with_suffix(".stubs.s")
    source.write_text(text)
    _run("as", "-o", stubs, source)
    _run("ld", "-static", "-N", "-e", "0", f"-Ttext-segment={IMAGE:#x}", "-o", image, joined, stubs)


def segments(image: bytes) -> Iterator[tuple[int, bytes, int]]:
    """What an ELF file wants in memory: address, content, size in bytes (the rest is zero)."""
    (table,) = struct.unpack_from("<Q", image, 0x20)
    entry_bytes, count = struct.unpack_from("<HH", image, 0x36)
    for number in range(count):
        kind, _, offset, address, _, in_file, in_memory, _ = struct.unpack_from(
            "<IIQQQQQQ", image, table + number * entry_bytes
        )
        if kind == 1:  # PT_LOAD
            yield address, image[offset : offset + in_file], in_memory


def functions_of(built: Path) -> set[str]:
    """The functions that an object defines, without what the compiler appends to parts of one."""
    lines = (line.split() for line in _run("nm", "--defined-only", built).splitlines())
    return {name.split(".")[0] for _, kind, name in lines if kind in "tT"}


class Machine:
    """An emulated processor with an image in memory; counts what it executes.

    image: made by link(); on: names of the static keys that are enabled.
    """

    def __init__(self, image: Path, on: Iterable[str] = ()) -> None:
        listed = [line.split() for line in _run("nm", "-n", "-S", image).splitlines()]
        self.symbols = {words[-1]: int(words[0], 16) for words in listed if len(words) > 2}
        self.functions = [
            Function(int(address, 16), int(size, 16), name)
            for address, size, kind, name in (words for words in listed if len(words) == 4)
            if kind in "tT"
        ]
        code = _run("objdump", "-d", "--no-show-raw-insn", image)
        self._instructions = sorted(int(one, 16) for one in INSTRUCTION.findall(code))
        self._executed: Counter[tuple[int, int]] = Counter()  # address and bytes of basic blocks
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        # an address is what the code says: there are no page tables
        self.cpu.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)
        for address, content, size in segments(image.read_bytes()):
            self.map(address, size)
            self.cpu.mem_write(address, content)
        self.map(STACK, STACK_BYTES)
        self.map(STOP, PAGE)
        # `current` is NULL here: its task lies at address 0, without any flag set
        self.map(0, 4 * PAGE)
        for key in on:
            self._enable(key)
        # by basic block: once for each instruction is five times as slow
        self.cpu.hook_add(unicorn.UC_HOOK_BLOCK, self._count)

    def map(self, address: int, size: int) -> None:
        """Give the machine zeroed memory."""
        start = address // PAGE * PAGE
        self.cpu.mem_map(start, -(-(address + size - start) // PAGE) * PAGE)

    def _count(self, _cpu: object, address: int, size: int, _user: object) -> None:
        self._executed[address, size] += 1

    def _enable(self, name: str) -> None:
        """Patch the branches of a static key that is off by default, as the kernel would."""
        key = self.symbols.get(name)
        first, last = (self.symbols.get(f"__{end}___jump_table", 0) for end in ("start", "stop"))
        patched = 0
        for entry in range(first, last, 16):
            code, target, of = struct.unpack("<iiq", self.cpu.mem_read(entry, 16))
            # relative to where they lie; the lowest bit of the key: likely, so on is not to jump
            if (entry + 8 + of) & ~3 != key:
                continue
            self._patch(entry + code, entry + 4 + target, jump=not (entry + 8 + of) & 1)
            patched += 1
        if not patched:
            raise EmulationError(f"the object has no branch for the static key {name}")

    def _patch(self, code: int, target: int, jump: bool) -> None:
        now = bytes(self.cpu.mem_read(code, 5))
        length = JUMPS.get(now[0]) or next((n for n, nop in NOPS.items() if now[:n] == nop), 0)
        if not length:
            raise EmulationError(f"no static branch at {self.name(code)}: {now.hex()}")
        distance = target - code - length
        if not jump:
            new = NOPS[length]
        elif length == 2:
            new = struct.pack("<Bb", 0xEB, distance)
        else:
            new = struct.pack("<Bi", 0xE9, distance)
        self.cpu.mem_write(code, new)

    def name(self, address: int) -> str:
        """The function at an address, without what the compiler appends to parts of one."""
        found = self.functions[bisect.bisect_right(self.functions, (address, 1 << 63, "")) - 1]
        inside = found.address <= address < found.address + max(found.size, 1)
        return found.name.split(".")[0] if inside else f"{address:#x}"

    def counted(self) -> Counter[str]:
        """Instructions by function since the last call of this."""
        found: Counter[str] = Counter()
        for (address, size), times in self._executed.items():
            first, end = (
                bisect.bisect_left(self._instructions, at) for at in (address, address + size)
            )
            found[self.name(address)] += times * (end - first)
        self._executed.clear()
        return found

    def call(self, name: str, *arguments: int) -> int:
        """Call a function with up to two integers; returns its result (unsigned)."""
        self.cpu.mem_write(STACK + STACK_BYTES - 128, struct.pack("<Q", STOP))
        self.cpu.reg_write(x86_const.UC_X86_REG_RSP, STACK + STACK_BYTES - 128)
        registers = (x86_const.UC_X86_REG_RDI, x86_const.UC_X86_REG_RSI)
        for register, value in zip(registers, arguments, strict=False):
            self.cpu.reg_write(register, value)
        try:
            self.cpu.emu_start(self.symbols[name], STOP)
        except unicorn.UcError as error:
            where = self.cpu.reg_read(x86_const.UC_X86_REG_RIP)
            raise EmulationError(f"{name} failed in {self.name(where)}: {error}") from error
        return self.cpu.reg_read(x86_const.UC_X86_REG_RAX)
