# SPDX-License-Identifier: MIT
"""
Disassembly, and what kind each instruction is: load, store, fence, branch, address arithmetic.

llvm-objdump prints every target in one shape; x86 in Intel's syntax, so that the destination comes first everywhere.
"""

from __future__ import annotations

import bisect
import functools
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from .build import llvm, run_tool
from .targets import BIG_ENDIAN, BITS_32, MACHINES, Target

LOAD, STORE, FENCE, BRANCH, ADDRESS = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Instruction:
    address: int
    mnemonic: str
    operands: str
    kind: int  # LOAD | STORE for one that does both

    @property
    def text(self) -> str:
        return f"{self.mnemonic} {self.operands}".strip()


@dataclass(frozen=True)
class Symbol:
    name: str
    address: int
    size: int


# Per family: loads, stores, fences and branches by mnemonic. x86 and s390 say by their operands what touches memory.
MNEMONICS = {
    "aarch64": (r"ld(?!n?t?g$).*", r"st(?!g).*", r"dmb|dsb|isb", r"b|b\..*|bl|blr|br|ret|cbn?z|tbn?z"),
    "arm": (
        r"v?ldr.*|ldm.*|v?pop.*|lda.*|vld[1-4m].*",
        r"v?str.*|stm.*|v?push.*|stl.*|vst[1-4m].*",
        r"dmb|dsb|isb",
        r"b(l|x|lx)?(eq|ne|[hl][si]|cc|cs|mi|pl|vs|vc|g[te]|l[te]|al)?(\.[nw])?|cbn?z|tb[bh]",
    ),
    "riscv": (
        r"(c\.)?(l[bhwd]u?|fl[hwdq])(sp)?|lr\..*",
        r"(c\.)?(s[bhwd]|fs[hwdq])(sp)?|sc\..*",
        r"fence.*",
        r"(c\.)?(b(eq|ne|lt|ge|gt|le)u?z?|j|jr|jal|jalr|ret|call|tail)",
    ),
    "ppc": (
        r"l(bz|h[az]|w[az]|d|h?wbr|dbr|hbr)u?x?|lmw|l[bhwdq]arx|lq|lf.*|lxv.*|lv.*",
        r"st.*",
        r"sync|lwsync|hwsync|ptesync|isync|eieio",
        r"b(?!r[hwd]$).*",
    ),
    "mips": (r"l[bhw]u?|lw[lr]|l[wd]c1|ll", r"s[bhw]|sw[lr]|s[wd]c1|sc", r"sync", r"b.*|j.*"),
    "loongarch": (
        r"f?ldx?\..*|ldptr\..*|x?vldx?|x?vldrepl\..*|ll\..*",
        r"f?stx?\..*|stptr\..*|x?vstx?|x?vstelm\..*|sc\..*",
        r"dbar|ibar",
        r"b|b[a-z]+|bl|jr|jirl|ret",
    ),
}
REGISTER = {
    "x86": r"\b(?:[re]?(?:ax|bx|cx|dx|si|di|bp|sp)|[abcd][lh]|(?:si|di|bp|sp)l|r\d+[dwb]?)\b",
    "aarch64": r"\b(?:[xw]\d+|sp|[xw]zr)\b",
    "arm": r"\b(?:r\d+|sp|lr|pc|fp)\b",
    "riscv": r"\b(?:zero|ra|sp|gp|tp|[ast]\d+)\b",
    "ppc": r"(?<![\w.-])\d+(?![\w.])",
    "s390": r"%[rf]\d+",
    "mips": r"\$\w+",
    "loongarch": r"\$\w+",
}
X86_STORES = re.compile(r"v?p?mov\w*|set\w+|v?st\w*|v?p?extr\w*|v?p?maskmov\w*|fn?st\w*|fist\w*|(fn?|fx|x)save\w*")
X86_ONLY_READS = re.compile(r"cmp(?!xchg)\w*|test\w*|bt|call\w*|jmp\w*|mul|imul|div|idiv|v?ldmxcsr|xrstor\w*|f\w+")
S390_NO_MEMORY = re.compile(r"la|lay|larl|pfd|s[lr]d?[la]\w?k?|b\w*|j\w*|rll\w*|ex\w*")
S390_STORES = re.compile(r"v?st.*|mvh.*|mvg.*|mvi.*")
S390_BOTH = re.compile(r"mvc\w*|xc|nc|oc|ni\w?|oi\w?|xi\w?|a[gl]?g?si|la(al?|[nox])g?|cd?s[gy]?")
#: Their operand in memory is an address by itself, without a register.
S390_RELATIVE = re.compile(r"l(l?g?h|l?gf|g)?rl|cl?(g?h|gf|g)?rl|st[gh]?rl")
#: What ARM has in place of dmb, dsb and isb before its seventh version.
CP15_BARRIER = re.compile(r"p15, #(0x)?0, \w+, c7, (c10, #(0x)?[45]|c5, #(0x)?4)")


#: What writes no register, though it begins with one: comparisons, and what leaves the function.
NO_RESULT = {
    "x86": r"cmp\w*|test\w*|bt|push\w*|nop\w*",
    "aarch64": r"cc?mp|cc?mn|tst",
    "arm": r"(cmp|cmn|tst|teq)\w*(\.\w)?",
    "riscv": r"",
    "ppc": r"f?cmp\w*",
    "s390": r"c(?!s|ds)\w*|tm\w*",
    "mips": r"",
    "loongarch": r"",
}


@functools.cache
def kind_of(isa: str, mnemonic: str, operands: str) -> int:
    """LOAD, STORE, both, FENCE, BRANCH or 0. Accesses to the stack count like others."""
    if isa == "x86":
        return _kind_of_x86(mnemonic, operands)
    if isa == "s390":
        return _kind_of_s390(mnemonic, operands)
    if re.fullmatch(r"amo\w+\..*|am(swap|add|x?or|and|max|min|cas)\w*\..*|swp\w*|ldadd\w*|cas\w*", mnemonic):
        return LOAD | STORE
    if mnemonic == "mcr" and CP15_BARRIER.fullmatch(operands):
        return FENCE
    load, store, fence, branch = MNEMONICS[isa]
    for pattern, kind in ((fence, FENCE), (branch, BRANCH), (load, LOAD), (store, STORE)):
        if re.fullmatch(pattern, mnemonic):
            return kind
    return 0


def _kind_of_x86(mnemonic: str, operands: str) -> int:
    if re.fullmatch(r"[mls]fence", mnemonic):
        return FENCE
    if mnemonic.startswith("lock ") or (mnemonic == "xchg" and "[" in operands):
        return FENCE | LOAD | STORE
    name = mnemonic.split()[-1]  # without rep
    branch = BRANCH if re.fullmatch(r"j\w+|call\w*|ret\w*", name) else 0
    if re.fullmatch(r"push\w*|pop(?!cnt)\w*|leave", name):
        return LOAD | STORE if "[" in operands else STORE if name.startswith("push") else LOAD
    if "[" not in operands or name.startswith(("lea", "nop", "prefetch")):
        return branch
    first, _, others = operands.partition(",")
    if "[" in first and X86_STORES.fullmatch(name):
        return STORE | LOAD if "[" in others else STORE
    return LOAD | branch if "[" not in first or X86_ONLY_READS.fullmatch(name) else LOAD | STORE


def _kind_of_s390(mnemonic: str, operands: str) -> int:
    if mnemonic in ("bnor", "br", "bcr") and re.fullmatch(
        r"(1[45], *)?(%r)?0", operands
    ):  # a branch to nowhere serializes
        return FENCE
    if re.fullmatch(r"[bj]\w*|c[gl]?[ir]?j\w*|cl?g?[ir]j\w*", mnemonic) and not re.search(r"\(", operands):
        return BRANCH
    if S390_RELATIVE.fullmatch(mnemonic):
        return STORE if mnemonic.startswith("st") else LOAD
    if S390_NO_MEMORY.fullmatch(mnemonic) or not re.search(r"\d+(\(|$)", operands) or "(" not in operands:
        return BRANCH if mnemonic in ("br", "basr", "brasl") else 0
    if S390_BOTH.fullmatch(mnemonic):
        return LOAD | STORE
    return STORE if S390_STORES.fullmatch(mnemonic) else LOAD


def canonical(isa: str, register: str) -> str:
    """One name for a register of several widths."""
    if isa == "x86":
        if found := re.fullmatch(r"[re]?([abcd])x|([abcd])[lh]|[re]?(si|di|bp|sp)l?", register):
            return next(name for name in found.groups() if name)
        return register.rstrip("dwb")
    return "x" + register[1:] if isa == "aarch64" and register[0] == "w" else register


def memory_operand(isa: str, operands: str) -> str:
    """The part of the operands that says where in memory, as well as text tells."""
    if isa in ("x86", "aarch64", "arm"):
        return " ".join(re.findall(r"\[[^\]]*\]", operands))
    parts = operands.split(",", 1)
    return parts[1] if len(parts) > 1 else operands


@functools.cache
def registers(isa: str, mnemonic: str, operands: str) -> tuple[str, frozenset[str]]:
    """The register that is written, as well as text tells, or ""; and those that say where in memory."""
    first = None if re.fullmatch(NO_RESULT[isa], mnemonic) else re.match(REGISTER[isa], operands)
    inside = re.findall(REGISTER[isa], memory_operand(isa, operands))
    return canonical(isa, first[0]) if first else "", frozenset(canonical(isa, register) for register in inside)


def mark_address_arithmetic(isa: str, code: list[Instruction]) -> list[Instruction]:
    """Marks what computes a register that a later load or store has in its address, before it is written again."""
    marked = list(code)
    for i, instruction in enumerate(code):
        written = "" if instruction.kind else registers(isa, instruction.mnemonic, instruction.operands)[0]
        if not written:
            continue
        for j in range(i + 1, len(code)):
            destination, inside = registers(isa, code[j].mnemonic, code[j].operands)
            if code[j].kind & (LOAD | STORE) and written in inside:
                marked[i] = replace(instruction, kind=ADDRESS)
                break
            if destination == written and not code[j].kind & STORE:
                break
    return marked


@functools.lru_cache(16)
def symbols(program: Path) -> dict[str, Symbol]:
    """Functions and objects of an ELF file by name: of those that several sources have for themselves, the first."""
    found: dict[str, Symbol] = {}
    for symbol in all_symbols(program):
        found.setdefault(symbol.name, symbol)
    return found


OBJECT, FUNCTION = 1, 2  # kinds of symbols in ELF


@functools.lru_cache(16)
def all_symbols(program: Path) -> list[Symbol]:
    """Functions and objects of an ELF file; the lowest bit of a Thumb function's address is cleared."""
    with program.open("rb") as file:
        elf = ELFFile(file)
        table: Any = elf.get_section_by_name(".symtab")
        entries, names = table.data(), table.stringtable.data()
        # Entry by entry, pyelftools takes a fifth of the report's time.
        layout = ("<" if elf.little_endian else ">") + ("IBBHQQ" if elf.elfclass == 64 else "IIIBBH")
    found = []
    for entry in struct.iter_unpack(layout, entries):
        name, info, _, section, address, size = entry if elf.elfclass == 64 else (entry[0], *entry[3:], *entry[1:3])
        if info & 15 in (OBJECT, FUNCTION) and section:
            thumb = int(elf["e_machine"] == "EM_ARM" and info & 15 == FUNCTION)
            found.append(Symbol(names[name : names.index(b"\0", name)].decode(), address & ~thumb, size))
    return found


def foreign(file: Path, where: Target) -> str:
    """What is wrong with an ELF file that is for another CPU than the target, or ""."""
    with file.open("rb") as opened:
        elf = ELFFile(opened)
        machine, bits, order = elf["e_machine"], elf.elfclass, "little" if elf.little_endian else "big"
    wanted = (32 if where.name in BITS_32 else 64, "big" if where.name in BIG_ENDIAN else "little")
    if machine in MACHINES[where.isa] and (bits, order) == wanted:
        return ""
    made = f"{machine}, {bits} bits, {order}-endian"
    return f"the compiler makes code for another CPU than {where.name} ({made}): --target names what --cc is for"


#: The functions of one program, each instruction by instruction.
Code = dict[str, list[Instruction]]

FILE = re.compile(r"^(.+):\s+file format ")
HEADER = re.compile(r"^([0-9a-f]+) <(.+)>:$")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)(?:\s+(.*))?$")
#: A literal or a table among the instructions, or behind them; on ARM its bytes stand before it.
CONSTANT = re.compile(r"\t(\.[a-z]+\b|<unknown>)")
COMMENT = re.compile(r"\s(?:#|//|@)\s")
SYMBOL = re.compile(r"(?:-?(?:0x)?[0-9a-f]+ )?<([^>]*)>")


def disassemble(programs: Iterable[Path], isa: str, section: str = "", function: str = "") -> dict[Path, Code]:
    """
    Every function of some programs, or of one section of each, or one function; all in one run, since starting takes
    longest. Comments of the disassembler are dropped, names of targets are kept.
    """
    by_name = {str(program): program for program in programs}
    command = [llvm("llvm-objdump"), "-d", "--no-show-raw-insn", *([f"--section={section}"] if section else [])]
    command += [f"--disassemble-symbols={function}"] if function else []
    command += ["--x86-asm-syntax=intel"] if isa == "x86" else []
    command += ["--mcpu=z14"] if isa == "s390" else []  # else it knows the oldest CPU alone
    found: dict[Path, Code] = {program: {} for program in by_name.values()}
    starts: list[tuple[int, str]] = []
    functions: Code = {}
    current: list[Instruction] = []
    prefix: tuple[str, str] | None = None  # address and name of one that stands on a line of its own

    def named(address: int) -> str:
        """An address as the symbol before it and the distance."""
        start, name = starts[max(0, bisect.bisect_right(starts, (address, "\x7f")) - 1)]
        return name if start == address else f"{name}+{address - start:#x}"

    for text in run_tool([*command, *by_name]).splitlines() if by_name else []:
        if CONSTANT.search(text):
            continue
        if line := LINE.match(text):
            mnemonic, operands = line[2], COMMENT.split(line[3] or "", maxsplit=1)[0].strip()
            if mnemonic in ("lock", "rep", "repz", "repne"):
                prefix = line[1], mnemonic
                mnemonic, operands = (*operands.split(maxsplit=1), "", "")[:2]
                if not mnemonic:
                    continue
            address, before = prefix or (line[1], "")
            mnemonic, prefix = f"{before} {mnemonic}".strip(), None
            kind = kind_of(isa, mnemonic, operands)
            # Of a branch the name of its target; elsewhere the disassembler guesses.
            operands = SYMBOL.sub(r"\1" if kind & BRANCH else "", operands).strip() if "<" in operands else operands
            if kind & BRANCH:
                operands = re.sub(r"(?<!\+)\b0x[0-9a-f]+$", lambda m: named(int(m[0], 16)), operands)
            current.append(Instruction(int(address, 16), mnemonic, operands, kind))
        elif header := HEADER.match(text):
            current = functions.setdefault(header[2], [])
        elif file := FILE.match(text):
            functions = found[by_name[file[1]]]
            starts = sorted((symbol.address, symbol.name) for symbol in all_symbols(by_name[file[1]]))
    return found
