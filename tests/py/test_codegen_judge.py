# SPDX-License-Identifier: MIT
"""How the codegen report judges accesses, and what it takes an instruction for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from codegen_rig import FIXTURES, ROOT
from limits import PROGRAM
from vring.report import asm, build, judge, qemu_user, targets, trace
from vring.report.trace import Access


def access(offset: int, width: int, step: int = 0, kind: str = "load") -> Access:
    return Access(kind, "shared_word", offset, width, step)


@pytest.mark.parametrize(
    ("asked", "made", "found"),
    [
        ([(0, 4)], [(0, 4)], {}),
        ([(0, 4)], [(0, 4), (0, 4)], {"repeated": 1}),
        ([(0, 4), (0, 4)], [(0, 4)], {"omitted": 1}),
        ([(0, 4)], [], {"omitted": 1}),
        ([(0, 4)], [(0, 2), (2, 2)], {"torn": 1}),
        ([(0, 4)], [(0, 1)], {"narrowed": 1}),
        ([(0, 2)], [(0, 4)], {"widened": 1}),
        ([(0, 4), (4, 4)], [(0, 8)], {"merged": 1}),
        ([(0, 4)], [(0, 4), (8, 4)], {"unasked": 1}),
        ([(0, 4), (4, 4)], [(4, 4), (0, 4)], {"reordered": 1}),
    ],
)
def test_judgement(asked: list[tuple[int, int]], made: list[tuple[int, int]], found: dict[str, int]) -> None:
    for kind, suffix in (("load", ""), ("store", " store")):
        intents = [access(*where, kind=kind) for where in asked]
        accesses = [access(*where, step=step, kind=kind) for step, where in enumerate(made)]
        assert judge.findings(intents, accesses) == {name + suffix: count for name, count in found.items()}


def test_one_instruction_may_make_two_accesses() -> None:
    assert judge.findings([access(0, 4), access(4, 4)], [access(0, 4, step=1), access(4, 4, step=1)]) == {"paired": 1}


@pytest.mark.parametrize(
    ("isa", "text", "kind"),
    [
        ("x86", "mov eax, dword ptr [rdi]", asm.LOAD),
        ("x86", "mov dword ptr [rdi], eax", asm.STORE),
        ("x86", "add dword ptr [rdi], 1", asm.LOAD | asm.STORE),
        ("x86", "cmp word ptr [rdi], ax", asm.LOAD),
        ("x86", "lea rax, [rdi + 4]", 0),
        ("x86", "mfence", asm.FENCE),
        ("x86", "xchg word ptr [rdi], ax", asm.FENCE | asm.LOAD | asm.STORE),
        ("x86", "jne f+0x4", asm.BRANCH),
        ("x86", "prefetcht0 byte ptr [rdi + 128]", 0),
        ("s390", "pfd 1, 128(%r2)", 0),
        ("arm", "pld [r0, #128]", 0),
        ("aarch64", "prfm pldl1keep, [x0, #128]", 0),
        ("ppc", "dcbt 0, 4", 0),
        ("mips", "pref 0, 128($4)", 0),
        ("loongarch", "preld 0, $a0, 128", 0),
        ("aarch64", "ldp w3, w9, [x8, #4]", asm.LOAD),
        ("aarch64", "stlrh w0, [x1]", asm.STORE),
        ("aarch64", "dmb ish", asm.FENCE),
        ("aarch64", "b.ne f", asm.BRANCH),
        ("aarch64", "add x0, x0, x1", 0),
        ("arm", "ldrh r0, [r1, #2]", asm.LOAD),
        ("arm", "strd r0, r1, [r2]", asm.STORE),
        ("arm", "bls f", asm.BRANCH),
        ("arm", "bic r0, r1", 0),
        ("riscv", "lhu a0, 2(a1)", asm.LOAD),
        ("riscv", "sd a0, 0(a1)", asm.STORE),
        ("riscv", "lui a0, 16", 0),
        ("riscv", "fence rw, rw", asm.FENCE),
        ("riscv", "sub a0, a0, a1", 0),
        ("riscv", "amoswap.w zero, a1, (a0)", asm.LOAD | asm.STORE),
        ("ppc", "lhbrx 3, 0, 4", asm.LOAD),
        ("ppc", "li 3, 1", 0),
        ("ppc", "std 3, 8(4)", asm.STORE),
        ("ppc", "lwsync", asm.FENCE),
        ("ppc", "bclr 4, 0", asm.BRANCH),
        ("s390", "lrvh %r1, 2(%r2)", asm.LOAD),
        ("s390", "sth %r1, 2(%r2)", asm.STORE),
        ("s390", "la %r1, 8(%r2)", 0),
        ("s390", "sllg %r1, %r2, 4", 0),
        ("s390", "bcr 15, %r0", asm.FENCE),
        ("s390", "br %r14", asm.BRANCH),
        ("mips", "lhu $2, 2($4)", asm.LOAD),
        ("mips", "sync", asm.FENCE),
        ("loongarch", "ldx.hu $a0, $a1, $a2", asm.LOAD),
        ("loongarch", "dbar 20", asm.FENCE),
        ("loongarch", "st.h $a0, $a1, 2", asm.STORE),
        ("x86", "vmovdqu ymmword ptr [rdi], ymm0", asm.STORE),
        ("x86", "vpextrw word ptr [rdi], xmm0, 1", asm.STORE),
        ("x86", "fistp qword ptr [rdi]", asm.STORE),
        ("x86", "fnstcw word ptr [rdi]", asm.STORE),
        ("x86", "fld qword ptr [rdi]", asm.LOAD),
        ("x86", "movsd xmm0, qword ptr [rdi]", asm.LOAD),
        ("x86", "movsq qword ptr es:[rdi], qword ptr [rsi]", asm.LOAD | asm.STORE),
        ("x86", "stosb byte ptr es:[rdi], al", asm.STORE),
        ("x86", "push qword ptr [rdi]", asm.LOAD | asm.STORE),
        ("x86", "push rbx", asm.STORE),
        ("x86", "pop qword ptr [rdi]", asm.LOAD | asm.STORE),
        ("x86", "pop rbx", asm.LOAD),
        ("x86", "popcnt eax, ecx", 0),
        ("x86", "cmpxchg dword ptr [rdi], eax", asm.LOAD | asm.STORE),
        ("x86", "leave", asm.LOAD),
        ("s390", "lgrl %r1, 0x100638", asm.LOAD),
        ("s390", "clrl %r1, 0x100638", asm.LOAD),
        ("s390", "strl %r1, 0x100638", asm.STORE),
        ("s390", "larl %r1, 0x100638", 0),
        ("s390", "locgrl %r1, %r2", 0),
        ("s390", "srdl %r0, 0(%r1)", 0),
        ("s390", "csg %r1, %r2, 8(%r3)", asm.LOAD | asm.STORE),
        ("s390", "laal %r1, %r2, 8(%r3)", asm.LOAD | asm.STORE),
        ("s390", "vst %v0, 0(%r2)", asm.STORE),
        ("riscv", "fld fa0, 8(a0)", asm.LOAD),
        ("riscv", "c.fldsp fa0, 8(sp)", asm.LOAD),
        ("riscv", "fsw fa0, 8(a0)", asm.STORE),
        ("riscv", "bseti a0, a0, 3", 0),
        ("riscv", "bext a0, a0, a1", 0),
        ("riscv", "bltu a0, a1, f", asm.BRANCH),
        ("riscv", "c.bnez a0, f", asm.BRANCH),
        ("ppc", "lharx 3, 0, 4", asm.LOAD),
        ("ppc", "lq 4, 16(3)", asm.LOAD),
        ("ppc", "lfd 1, 8(3)", asm.LOAD),
        ("ppc", "ptesync", asm.FENCE),
        ("ppc", "brh 3, 4", 0),
        ("ppc", "bdnz f", asm.BRANCH),
        ("arm", "vld1.32 {d16, d17}, [r0]", asm.LOAD),
        ("arm", "vst1.32 {d16[0]}, [r0]", asm.STORE),
        ("arm", "vpush {d8}", asm.STORE),
        ("arm", "mcr p15, #0x0, r0, c7, c10, #0x5", asm.FENCE),
        ("arm", "mcr p15, #0x0, r0, c7, c5, #0x0", 0),
        ("mips", "ldc1 $f0, 8($4)", asm.LOAD),
        ("mips", "swc1 $f0, 8($4)", asm.STORE),
        ("loongarch", "vld $vr0, $a0, 16", asm.LOAD),
        ("loongarch", "xvstx $xr0, $a0, $a1", asm.STORE),
        ("loongarch", "fld.d $fa0, $a0, 8", asm.LOAD),
        ("loongarch", "fstx.s $fa0, $a0, $a1", asm.STORE),
        ("loongarch", "amcas_db.w $a0, $a1, $a2", asm.LOAD | asm.STORE),
    ],
)
def test_kinds_of_instructions(isa: str, text: str, kind: int) -> None:
    mnemonic, _, operands = text.partition(" ")
    assert asm.kind_of(isa, mnemonic, operands) == kind


@pytest.mark.parametrize(
    ("isa", "text", "accesses"),
    [
        ("loongarch", "ld.hu $a0, $a1, 24", [("load", 0x118, 2)]),
        ("loongarch", "vld $vr0, $a1, 16", [("load", 0x110, 16)]),
        ("loongarch", "xvst $xr0, $a1, 16", [("store", 0x110, 32)]),
        ("loongarch", "fst.s $fa0, $a1, 16", [("store", 0x110, 4)]),
        ("loongarch", "vstelm.d $vr0, $a1, 16, 1", [("store", 0x110, 8)]),
        ("ppc", "lhz 3, 24(5)", [("load", 0x118, 2)]),
        ("ppc", "lfd 1, 8(5)", [("load", 0x108, 8)]),
        ("ppc", "stfs 1, 8(5)", [("store", 0x108, 4)]),
        ("ppc", "lfiwzx 1, 0, 5", [("load", 0x100, 4)]),
        ("ppc", "lq 6, 16(5)", [("load", 0x110, 16)]),
        ("ppc", "lharx 3, 0, 5", [("load", 0x100, 2)]),
        ("s390", "cs %r1, %r2, 8(%r5)", [("load", 0x108, 4), ("store", 0x108, 4)]),
        ("s390", "cdsg %r0, %r2, 8(%r5)", [("load", 0x108, 16), ("store", 0x108, 16)]),
        ("s390", "lgrl %r1,", []),
    ],
)
def test_where_an_instruction_goes_and_how_wide(isa: str, text: str, accesses: list[tuple[str, int, int]]) -> None:
    """By qemu's log, in which all registers are 0 but the fifth; all memory is shared."""

    class Everywhere(trace.Layout):
        def __init__(self) -> None:
            self.shared = [asm.Symbol("shared", 0, 2**64)]

    values = [0x100 if i == 5 else 0 for i in range(32)]
    state = {
        "loongarch": "".join(f" r{i} {value:016x}" for i, value in enumerate(values)),
        "ppc": "\n".join(f"GPR{i:02} {value:016x}" for i, value in enumerate(values)),
        "s390": " ".join(f"R{i:02}={value:016x}" for i, value in enumerate(values[:16])),
    }[isa]
    mnemonic, _, operands = text.partition(" ")
    instruction = asm.Instruction(0, mnemonic, operands, asm.kind_of(isa, mnemonic, operands))
    found = qemu_user._accesses(Everywhere(), isa, instruction, state, 0)
    assert [(a.kind, a.offset, a.width) for a in found] == accesses


def prefetches(source: str, level: str, instruction: str = "prefetch") -> dict[str, int]:
    """How often each function of a source file of libvring has x86-64 fetch a line ahead, by an instruction of this kind."""
    done = subprocess.run(
        [
            "gcc",
            "-std=c11",
            level,
            "-DVRING_ACCESS_ACQREL",
            f"-I{ROOT / 'include'}",
            "-S",
            "-o",
            "-",
            str(ROOT / "lib" / "vring" / source),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=PROGRAM,
    )
    found: dict[str, int] = {}
    function = ""
    for line in done.stdout.splitlines():
        if label := re.match(r"(\w+)[.\w]*:", line):
            function = label[1]
        found[function] = found.get(function, 0) + line.lstrip().startswith(instruction)
    return found


@pytest.mark.parametrize(
    ("source", "single", "loops"),
    [
        ("split_take.c", "vring_split_device_get_avail", 2),
        ("split_driver.c", "vring_split_driver_get_used", 1),
        ("packed_take.c", "vring_packed_device_get_avail", 3),
        ("packed_driver.c", "vring_packed_driver_get_used", 1),
    ],
)
def test_loops_of_a_batch_have_the_lines_fetched_that_they_read_next(source: str, single: str, loops: int) -> None:
    ahead = prefetches(source, "-O2")
    assert sum(count > 0 for count in ahead.values()) >= loops
    assert ahead[single] == 0, "a buffer alone is in no loop"
    assert not any(prefetches(source, "-Os").values()), "a small build leaves it out"


@pytest.mark.parametrize(
    ("source", "single", "verbs"),
    [
        ("split_give.c", "vring_split_driver_add_avail", 4),  # to read and to write, of a batch and of a run
        ("packed_give.c", "vring_packed_driver_add_avail", 4),
        ("split_take.c", "vring_split_device_get_avail", 1),  # what is taken is used soon, in elements beside each other
    ],
)
def test_batches_own_the_lines_that_they_write_next(source: str, single: str, verbs: int) -> None:
    owned = prefetches(source, "-O2", "prefetchw")
    assert sum(count > 0 for count in owned.values()) >= verbs
    assert owned[single] == 0, "a buffer alone is in no batch"
    assert not any(prefetches(source, "-Os", "prefetchw").values()), "a small build leaves it out"


def test_prefixes_and_constants_are_no_instructions(sources: build.Sources, tmp_path: Path) -> None:
    where = targets.target("x86-64")
    (tmp_path / "locked.c").write_text("void locked(int *p) { __atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST); }\n")
    made = build.compile_object(
        sources, build.compilers(where)[-1], "-O2", build.Access("PLAIN"), tmp_path / "locked.c"
    )
    [locked, _] = asm.disassemble([made], where.isa)[made]["locked"]
    assert (
        locked.mnemonic.startswith("lock ") and locked.kind == asm.FENCE | asm.LOAD | asm.STORE and locked.address == 0
    )
    (tmp_path / "repeated.c").write_text("""
        void repeated(void *to, unsigned long n);
        void repeated(void *to, unsigned long n) { __asm__("rep stosq" : "+D"(to), "+c"(n) : "a"(0L) : "memory"); }
    """)
    made = build.compile_object(
        sources, build.compilers(where)[-1], "-O2", build.Access("PLAIN"), tmp_path / "repeated.c"
    )
    [stores] = [i for i in asm.disassemble([made], where.isa)[made]["repeated"] if i.kind & (asm.LOAD | asm.STORE)]
    assert (stores.text, stores.kind) == ("rep stosq qword ptr es:[rdi], rax", asm.STORE)
    ppc = targets.target("ppc64le")
    made = build.compile_object(
        sources, build.compilers(ppc, ["gcc"])[0], "-Os", build.Access("ACQREL"), FIXTURES / "places.c"
    )
    code = asm.disassemble([made], ppc.isa)[made]["place_split_driver_poll"]
    assert code and not [i for i in code if "unknown" in i.text], "a table for tracebacks lies behind a function"


@pytest.mark.parametrize("target", ["armv7", "cortex-m0", "cortex-m4"])
def test_literals_of_arm_are_no_instructions(sources: build.Sources, tmp_path: Path, target: str) -> None:
    """Their bytes stand before what says that they are data."""
    (tmp_path / "literal.c").write_text("""
        extern unsigned word;
        unsigned literal(unsigned x);
        unsigned literal(unsigned x) { return (x ^ word) * 123456789; }
    """)
    where = targets.target(target)
    for compiler in build.compilers(where):
        made = build.compile_object(sources, compiler, "-Os", build.Access("PLAIN"), tmp_path / "literal.c")
        code = asm.disassemble([made], where.isa)[made]["literal"]
        assert "bx" in {i.mnemonic for i in code} and all(re.match("[a-z]{2}", i.mnemonic) for i in code), code


def test_address_arithmetic_is_what_ends_up_in_an_address() -> None:
    def line(text: str) -> asm.Instruction:
        mnemonic, _, operands = text.partition(" ")
        return asm.Instruction(0, mnemonic, operands, asm.kind_of("aarch64", mnemonic, operands))

    code = [line("cmp x1, #6"), line("ldrh w0, [x1]")]
    assert [i.kind for i in asm.mark_address_arithmetic("aarch64", code)] == [0, asm.LOAD], (
        "a comparison computes nothing"
    )
    code = [line("add x1, x0, #4"), line("add w2, w2, #1"), line("ldrh w0, [x1]"), line("mov x1, x2"), line("ret")]
    assert [i.kind for i in asm.mark_address_arithmetic("aarch64", code)] == [asm.ADDRESS, 0, asm.LOAD, 0, asm.BRANCH]
