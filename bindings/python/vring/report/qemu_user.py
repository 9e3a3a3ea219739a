# SPDX-License-Identifier: MIT
"""
Runs of a program under qemu-user, which logs all registers before every instruction.

Where a load or store went follows from its text and the registers. LoongArch and POWER have only forms with a register
and a displacement, and with two registers; MIPS has only the first.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .asm import LOAD, STORE, Instruction, all_symbols, disassemble
from .build import ReportError, tool
from .emulate import Access, Layout, Run
from .targets import Target

LOONGARCH = ["zero", "ra", "tp", "sp", *(f"a{i}" for i in range(8)), *(f"t{i}" for i in range(9)), "r21", "fp",
             *(f"s{i}" for i in range(9))]
WIDTH = {"b": 1, "h": 2, "w": 4, "d": 8}


def start_source(names: Iterable[str]) -> str:
    """C of an entry point that runs them all and then traps: there is no operating system's library to exit with."""
    names = list(names)
    declared = "".join(f"void prepare_{name}(void);\nvoid run_{name}(void);\n" for name in names)
    called = "".join(f"    prepare_{name}();\n    run_{name}();\n" for name in names)
    return f"{declared}void rig_start(void);\nvoid rig_start(void)\n{{\n{called}    __builtin_trap();\n}}\n"


def run_under_qemu(program: Path, target: Target, names: Iterable[str]) -> dict[str, Run]:
    """As run_all() of emulate.py; results and intents are not known."""
    names, layout = list(names), Layout(program)
    code = {i.address: i for function in disassemble(program, target.isa).values() for i in function}
    callers = {name: layout.symbols[f"run_{name}"] for name in names}
    rigs = [s for n, s in layout.symbols.items() if n.startswith(("prepare_", "run_")) or n == "rig_start"]
    with tempfile.NamedTemporaryFile() as log:
        command = [tool(f"qemu-{target.name}"), "-singlestep", "-d", "cpu,nochain", "-D", log.name]
        command += ["-dfilter", ",".join(interesting(program)), str(program)]
        # It ends in a trap, which is one signal or another.
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        states = re.split(r"^(?: PC=|NIP |pc=0x)", Path(log.name).read_text(), flags=re.M)[1:]

    runs: dict[str, Run] = {}
    current: Run | None = None
    pc = 0
    for state in states:
        pc = int(re.match("[0-9a-f]+", state)[0], 16)  # type: ignore[index]
        rig = next((s for s in rigs if s.address <= pc < s.address + s.size), None)
        if rig:
            name = rig.name.removeprefix("run_")
            current = runs.setdefault(name, Run()) if name in callers else None
        elif current is not None:
            current.steps.append(pc)
            if access := _access(layout, target.isa, code[pc], state, len(current.steps) - 1):
                current.accesses.append(access)
    start = layout.symbols["rig_start"]
    if callers.keys() != runs.keys() or not start.address <= pc < start.address + start.size:
        raise ReportError(f"{target.name}: the program stopped before its end: {done.stderr.decode().strip()}")
    return runs


def interesting(program: Path) -> list[str]:
    """Ranges of addresses to log: not how memory is laid out before each call."""
    return [f"{s.address:#x}..{s.address + s.size - 1:#x}" for s in all_symbols(program)
            if s.size and not s.name.startswith(("shared_", "lay_out", "fill"))]


def _access(layout: Layout, isa: str, instruction: Instruction, state: str, step: int) -> Access | None:
    if not instruction.kind & (LOAD | STORE):
        return None
    where = {"loongarch": _address_of_loongarch, "ppc": _address_of_ppc, "mips": _address_of_mips}[isa]
    address, width = where(instruction, state)
    return layout.access("load" if instruction.kind & LOAD else "store", address % 2**64, width, step)


def _address_of_loongarch(instruction: Instruction, state: str) -> tuple[int, int]:
    """ld.hu $a0, $a1, 24 and ldx.d $a0, $a1, $a2."""
    values = re.findall(r" r\d+ ([0-9a-f]{16})", state)
    registers = {f"${name}": int(value, 16) for name, value in zip(LOONGARCH, values, strict=True)}
    _, base, offset = re.split(r",\s*", instruction.operands)
    address = registers[base] + (registers[offset] if offset in registers else int(offset, 0))
    return address, WIDTH[instruction.mnemonic.split(".")[1][0]]


def _address_of_ppc(instruction: Instruction, state: str) -> tuple[int, int]:
    """lhz 3, 24(4) and lhbrx 3, 5, 4; register 0 as a base is none."""
    values = re.findall(r"([0-9a-f]{16})", "".join(re.findall(r"^GPR\d\d (.*)$", state, re.M)))
    registers = [int(value, 16) for value in values]
    if found := re.fullmatch(r"[^,]+,\s*(-?\d+)\((\d+)\)", instruction.operands):
        address = int(found[1]) + (registers[int(found[2])] if found[2] != "0" else 0)
    else:
        _, base, index = re.split(r",\s*", instruction.operands)[:3]
        address = registers[int(index)] + (registers[int(base)] if base != "0" else 0)
    width = re.match(r"(?:l|st)(xv|v|[bhwd])", instruction.mnemonic)
    return address, WIDTH.get(width[1], 16) if width else 8


def _address_of_mips(instruction: Instruction, state: str) -> tuple[int, int]:
    """lhu $2, 0x18($4)."""
    registers = [int(value, 16) for value in re.findall(r" \w\w ([0-9a-f]{8})", "".join(re.findall(r"^GPR\d\d:(.*)$", state, re.M)))]
    names = {"zero": 0, "gp": 28, "sp": 29, "fp": 30, "ra": 31}
    found = re.fullmatch(r"[^,]+,\s*(-?\w+)\(\$(\w+)\)", instruction.operands)
    assert found, instruction
    address = int(found[1], 0) + registers[names[found[2]] if found[2] in names else int(found[2])]
    if instruction.mnemonic in ("lwl", "swl"):  # big-endian: from there to the end of the word
        return address % 2**32, 4 - address % 4
    if instruction.mnemonic in ("lwr", "swr"):  # and from its beginning to there
        return (address - address % 4) % 2**32, address % 4 + 1
    return address % 2**32, WIDTH.get(instruction.mnemonic[1], 4)
