# SPDX-License-Identifier: MIT
"""
Runs a function of a linked program and writes down every instruction and every access to shared memory.

Unicorn does it, but for LoongArch and little-endian POWER, which it cannot, MIPS, where its hooks lose count of delay
slots, and s390x, of which it has instructions that clang uses wrong; there qemu-user's log of all registers tells the
same.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from elftools.elf.elffile import ELFFile

from .asm import Code
from .build import ReportError
from .qemu_user import run_under_qemu
from .targets import BIG_ENDIAN, Target
from .trace import Access, Layout, Run

unicorn: Any = importlib.import_module("unicorn")  # it has types for some of what it does

BASE, SIZE = 0x100000, 0x100000
STACK, STACK_SIZE = 0x10000, 0x10000
RETURN = STACK + 0x8000  # in the middle of the stack, which nobody reaches
LIMIT = 20000


def run_all(program: Path, target: Target, names: Iterable[str], code: Code) -> dict[str, Run]:
    """
    Each function of the program in turn, by its rig: prepare_NAME(), then run_NAME(). What code is, qemu-user alone
    asks.
    """
    if target.unicorn is None:
        return run_under_qemu(program, target, names, code)
    machine = Machine(program, target)
    return {name: machine.run(name) for name in names}


class Machine:
    """A program in Unicorn."""

    def __init__(self, program: Path, target: Target) -> None:
        assert target.unicorn
        self.target = target
        self.layout = Layout(program)
        architecture, mode = target.unicorn
        flags = getattr(unicorn, f"UC_MODE_{mode}")
        if target.name.startswith("cortex-m"):
            flags |= unicorn.UC_MODE_MCLASS
        if target.name in BIG_ENDIAN:
            flags |= unicorn.UC_MODE_BIG_ENDIAN
        self.names: Any = importlib.import_module(f"unicorn.{architecture.lower()}_const")
        self.uc: Any = unicorn.Uc(getattr(unicorn, f"UC_ARCH_{architecture}"), flags)
        self.uc.mem_map(STACK, STACK_SIZE)
        self.uc.mem_map(BASE, SIZE)
        with program.open("rb") as file:
            elf = ELFFile(file)
            measured: Any = elf.get_section_by_name(".text")  # and not the rigs: see rig.ld
            for segment in elf.iter_segments():
                if segment["p_type"] == "PT_LOAD":
                    self.uc.mem_write(segment["p_vaddr"], segment.data())
        self.order: Literal["big", "little"] = "big" if target.name in BIG_ENDIAN else "little"
        self.running: Run | None = None  # what is written down, while it is
        # Once for all calls, since code that was translated without a hook is kept so. Accesses only where memory is
        # shared, since behind a hooked one Unicorn forgets the condition of a Thumb IT block that it lies in.
        self.uc.hook_add(
            unicorn.UC_HOOK_CODE, self.stepped, None, measured["sh_addr"], measured["sh_addr"] + measured["sh_size"] - 1
        )
        self.uc.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, self.touched, None, *self.layout.span)

    def set(self, register: str, value: int) -> None:
        assert self.target.unicorn
        self.uc.reg_write(getattr(self.names, f"UC_{self.target.unicorn[0]}_REG_{register}"), value)

    def call(self, name: str) -> None:
        """Until it returns. Raises ReportError if it does not within LIMIT instructions."""
        entry = self.layout.symbols[name].address
        top = STACK + STACK_SIZE - 0x400
        match self.target.isa:
            case "x86":
                width = 8 if self.target.name == "x86-64" else 4
                top -= width
                self.uc.mem_write(top, RETURN.to_bytes(width, "little"))
                self.set("RSP" if width == 8 else "ESP", top)
            case "aarch64":
                self.set("SP", top)
                self.set("X30", RETURN)
            case "arm":
                self.set("SP", top)
                self.set("LR", RETURN | self.thumb)
            case "riscv":
                self.set("X2", top)
                self.set("X1", RETURN)
        try:
            self.uc.emu_start(entry | self.thumb, RETURN, 0, LIMIT)
        except unicorn.UcError as error:
            raise ReportError(f"{self.target.name}: {name} did not run to its end: {error}") from error

    @property
    def thumb(self) -> int:
        return int(self.target.name.startswith("cortex-m"))

    def number(self, symbol: str, offset: int, width: int) -> int:
        return int.from_bytes(self.uc.mem_read(self.layout.symbols[symbol].address + offset, width), self.order)

    def stepped(self, _uc: object, address: int, _size: int, _data: object) -> None:
        if self.running:
            self.running.steps.append(address)

    def touched(self, _uc: object, kind: int, address: int, size: int, _value: int, _data: object) -> None:
        what = "load" if kind == unicorn.UC_MEM_READ else "store"
        if self.running and (access := self.layout.access(what, address, size, len(self.running.steps) - 1)):
            self.running.accesses.append(access)

    def run(self, name: str) -> Run:
        self.call(f"prepare_{name}")
        self.uc.mem_write(self.layout.symbols["intent_count"].address, bytes(4))
        self.running = run = Run()
        self.call(f"run_{name}")
        self.running = None
        run.result = self.number("rig_result", 0, 8)
        run.intents = read_intents(self.layout, self.number)
        return run


def read_intents(layout: Layout, number: Callable[[str, int, int], int]) -> list[Access]:
    """The notebook of the build with hooks; empty in the others."""
    found = []
    for i in range(number("intent_count", 0, 4)):
        kind, width = (number("intents", 16 * i + at, 4) for at in (0, 4))
        access = layout.access({1: "load", 2: "store"}.get(kind, "fence"), number("intents", 16 * i + 8, 8), width)
        found.append(access or Access("fence", "", 0, 0))
    return found
