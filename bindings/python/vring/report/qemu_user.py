# SPDX-License-Identifier: MIT
"""
Runs of a program under qemu-user, which logs all registers before every instruction.

Where a load or store went follows from its text and the registers. LoongArch and POWER have only forms with a register
and a displacement, and with two registers; MIPS has only the first; s390x has both at once, and moves from memory to
memory. What each function comes to, the program tells itself, at its end (rig_tell.h).
"""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .asm import LOAD, S390_RELATIVE, STORE, Code, Instruction, Symbol, all_symbols
from .build import ReportError, tool
from .targets import BIG_ENDIAN, Target
from .trace import Access, Layout, Run

#: What precedes the address of an instruction in the log, line by line.
STATE = {"loongarch": "\n PC=", "ppc": "\nNIP ", "mips": "\npc=0x", "s390": "\nPSW=mask "}
LOONGARCH = [
    "zero",
    "ra",
    "tp",
    "sp",
    *(f"a{i}" for i in range(8)),
    *(f"t{i}" for i in range(9)),
    "r21",
    "fp",
    *(f"s{i}" for i in range(9)),
]
WIDTH = {"b": 1, "h": 2, "w": 4, "s": 4, "d": 8, "q": 16}
TIMEOUT = 60  # seconds; a program takes one or two
#: Of s390x, what one operand in memory is wide; "mvc" and its like say it themselves.
S390_WIDTH = {
    1: "lb lgb llc llgc ic icy stc stcy mvi mviy cli cliy tm tmy ni oi xi niy oiy xiy lbh llch stch",
    2: "lh lhy lgh llh llgh lrvh sth sthy strvh mvhhi ch chy cgh chhsi clhhsi ah ahy agh sh shy mh lhh llhh sthh",
    4: "l ly lgf llgf llgt lt ltgf lrv st sty strv mvhi c cy cl cly cgf clgf chsi clfhsi a ay al aly agf algf "
    "s sy sl sly sgf "
    "slgf n ny o oy x xy ms msy msgf asi alsi lfh stfh chf clhf le ste laa laal lan lao lax cs csy",
    8: "lg ltg lrvg stg strvg mvghi cg clg cghsi clghsi ag alg sg slg ng og xg msg agsi algsi ld std laag laalg lang "
    "laog laxg csg cds cdsy",
    16: "vl vst cdsg",
}
S390_WIDTHS = {mnemonic: width for width, mnemonics in S390_WIDTH.items() for mnemonic in mnemonics.split()}


def start_source(names: Iterable[str]) -> str:
    """C of an entry point that runs them all and then traps: there is no operating system's library to exit with."""
    names = list(names)
    declared = "".join(f"void prepare_{name}(void);\nvoid run_{name}(void);\n" for name in names)
    called = "".join(
        f"    prepare_{name}();\n    run_{name}();\n    results[{i}] = rig_result;\n" for i, name in enumerate(names)
    )
    return (
        f'#include "rig.h"\n#include "rig_tell.h"\n\nstatic uint64_t results[{len(names)}];\n\n'
        f"{declared}void rig_start(void);\n"
        f"void rig_start(void)\n{{\n{called}    rig_tell(results, sizeof results);\n    __builtin_trap();\n}}\n"
    )


def run_under_qemu(program: Path, target: Target, names: Iterable[str], functions: Code) -> dict[str, Run]:
    """As run_all() of emulate.py; intents are not known."""
    names, layout = list(names), Layout(program)
    code = {i.address: i for function in functions.values() for i in function}
    callers = {name: layout.symbols[f"run_{name}"] for name in names}
    rigs = [s for n, s in layout.symbols.items() if n.startswith(("prepare_", "run_")) or n == "rig_start"]

    @functools.cache
    def rig_at(address: int) -> Symbol | None:
        return next((s for s in rigs if s.address <= address < s.address + s.size), None)

    done, log = logged(program, target)
    states = ("\n" + log).split(STATE[target.isa])[1:]
    runs: dict[str, Run] = {}
    current: Run | None = None
    pc = 0
    for state in states:
        pc = int(re.match("(?:[0-9a-f]+ addr )?([0-9a-f]+)", state)[1], 16)  # type: ignore[index]
        if rig := rig_at(pc):
            name = rig.name.removeprefix("run_")
            current = runs.setdefault(name, Run()) if name in callers else None
        elif current is not None:
            current.steps.append(pc)
            current.accesses += _accesses(layout, target.isa, code[pc], state, len(current.steps) - 1)
    start = layout.symbols["rig_start"]
    if callers.keys() != runs.keys() or not start.address <= pc < start.address + start.size:
        raise ReportError(f"{target.name}: the program stopped before its end: {done.stderr.decode().strip()}")
    if len(done.stdout) != 8 * len(names):
        raise ReportError(f"{target.name}: the program told {len(done.stdout)} bytes of {len(names)} results")
    for i, name in enumerate(names):
        runs[name].result = int.from_bytes(
            done.stdout[8 * i : 8 * i + 8], "big" if target.name in BIG_ENDIAN else "little"
        )
    return runs


def logged(program: Path, target: Target) -> tuple[subprocess.CompletedProcess[bytes], str]:
    """What the program told, and qemu's log. Raises ReportError for one that does not end."""
    with tempfile.NamedTemporaryFile() as log:
        command = [tool(f"qemu-{target.name}"), "-singlestep", "-d", "cpu,nochain", "-D", log.name]
        command += ["-dfilter", ",".join(interesting(program)), str(program)]
        try:
            # It ends in a trap, which is one signal or another.
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired as error:
            raise ReportError(f"{target.name}: the program did not end within {TIMEOUT} s") from error
        return done, Path(log.name).read_text()


def interesting(program: Path) -> list[str]:
    """Ranges of addresses to log: not how memory is laid out before each call."""
    return [
        f"{s.address:#x}..{s.address + s.size - 1:#x}"
        for s in all_symbols(program)
        if s.size and not s.name.startswith(("shared_", "lay_out", "fill"))
    ]


def _accesses(layout: Layout, isa: str, instruction: Instruction, state: str, step: int) -> list[Access]:
    """Those of an instruction to shared memory: none for most, two for one that moves from memory to memory."""
    if not instruction.kind & (LOAD | STORE):
        return []
    if isa == "s390":
        operands = _operands_of_s390(instruction, state)
    else:
        where = {"loongarch": _address_of_loongarch, "ppc": _address_of_ppc, "mips": _address_of_mips}[isa]
        operands = [("load" if instruction.kind & LOAD else "store", *where(instruction, state))]
    found = [layout.access(kind, address % 2**64, width, step) for kind, address, width in operands]
    for access in found:
        if access and not access.width:
            raise ReportError(f"{isa}: how wide is what '{instruction.text}' touches?")
    return [access for access in found if access]


def _address_of_loongarch(instruction: Instruction, state: str) -> tuple[int, int]:
    """ld.hu $a0, $a1, 24 and ldx.d $a0, $a1, $a2; vld $vr0, $a0, 16 and xvld are 16 and 32 bytes."""
    values = re.findall(r" r\d+ ([0-9a-f]{16})", state)
    registers = {f"${name}": int(value, 16) for name, value in zip(LOONGARCH, values, strict=True)}
    _, base, offset = re.split(r",\s*", instruction.operands)[:3]
    address = registers[base] + (registers[offset] if offset in registers else int(offset, 0))
    name, _, width = instruction.mnemonic.partition(".")
    return address, WIDTH[width[0]] if width else 32 if name.startswith("x") else 16


def _address_of_ppc(instruction: Instruction, state: str) -> tuple[int, int]:
    """lhz 3, 24(4) and lhbrx 3, 5, 4; register 0 as a base is none."""
    values = re.findall(r"([0-9a-f]{16})", "".join(re.findall(r"^GPR\d\d (.*)$", state, re.M)))
    registers = [int(value, 16) for value in values]
    if found := re.fullmatch(r"[^,]+,\s*(-?\d+)\((\d+)\)", instruction.operands):
        address = int(found[1]) + (registers[int(found[2])] if found[2] != "0" else 0)
    else:
        _, base, index = re.split(r",\s*", instruction.operands)[:3]
        address = registers[int(index)] + (registers[int(base)] if base != "0" else 0)
    width = re.match(r"(?:l|st)(?:fi?)?(xv|v|[bhwsdq])", instruction.mnemonic)
    return address, WIDTH.get(width[1], 16) if width else 8


def _address_of_mips(instruction: Instruction, state: str) -> tuple[int, int]:
    """lhu $2, 0x18($4)."""
    registers = [
        int(value, 16)
        for value in re.findall(r" \w\w ([0-9a-f]{8})", "".join(re.findall(r"^GPR\d\d:(.*)$", state, re.M)))
    ]
    names = {"zero": 0, "gp": 28, "sp": 29, "fp": 30, "ra": 31}
    found = re.fullmatch(r"[^,]+,\s*(-?\w+)\(\$(\w+)\)", instruction.operands)
    assert found, instruction
    address = int(found[1], 0) + registers[names[found[2]] if found[2] in names else int(found[2])]
    if instruction.mnemonic in ("lwl", "swl"):  # big-endian: from there to the end of the word
        return address % 2**32, 4 - address % 4
    if instruction.mnemonic in ("lwr", "swr"):  # and from its beginning to there
        return (address - address % 4) % 2**32, address % 4 + 1
    return address % 2**32, WIDTH.get(instruction.mnemonic[1], 4)


def _operands_of_s390(instruction: Instruction, state: str) -> list[tuple[str, int, int]]:
    """(kind, address, width) of lrvh %r1, 2(%r3,%r4), of oi 2(%r3), 1, and of mvc 0(8,%r1), 16(%r2)."""
    if S390_RELATIVE.fullmatch(instruction.mnemonic):
        return []  # what is shared is reached by pointers alone
    registers = [int(value, 16) for value in re.findall(r"R\d\d=([0-9a-f]{16})", state)]
    places = []
    for displacement, inside in re.findall(r"(-?\d+)\(([^)]*)\)", instruction.operands):
        named = [int(number) for number in re.findall(r"%r(\d+)", inside)]
        length = re.match(r"\d+", inside)
        # Register 0 is none.
        places.append(
            (int(displacement) + sum(registers[number] for number in named if number), int(length[0]) if length else 0)
        )
    if len(places) == 2:
        (to, width), (source, _) = places
        both = [("load", to, width)] if instruction.mnemonic in ("xc", "nc", "oc") else []
        return [("load", source, width), *both, ("store", to, width)]
    [(address, _)] = places
    conditional = re.match(r"(?:st|l)oc(g?)", instruction.mnemonic)  # with the condition behind it: loche, stocgne
    width = (8 if conditional[1] else 4) if conditional else S390_WIDTHS.get(instruction.mnemonic, 0)
    kinds = [kind for bit, kind in ((LOAD, "load"), (STORE, "store")) if instruction.kind & bit]
    return [(kind, address, width) for kind in kinds]
