# SPDX-License-Identifier: MIT
"""How the codegen report judges accesses, and what it takes an instruction for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from codegen_rig import FIXTURES, ROOT
from limits import PROGRAM
from vring.report import asm, build, judge, targets
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
    ],
)
def test_kinds_of_instructions(isa: str, text: str, kind: int) -> None:
    mnemonic, _, operands = text.partition(" ")
    assert asm.kind_of(isa, mnemonic, operands) == kind


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


@pytest.mark.parametrize("form", ["split", "packed"])
def test_loops_of_a_batch_own_the_lines_that_they_write_next(form: str) -> None:
    owned = prefetches(f"{form}_give.c", "-O2", "prefetchw")
    assert sum(count > 0 for count in owned.values()) >= 4, "to read and to write, of a batch and of a run"
    assert owned[f"vring_{form}_driver_add_avail"] == 0, "a buffer alone is in no loop"
    assert not any(prefetches(f"{form}_give.c", "-Os", "prefetchw").values()), "a small build leaves it out"


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
    ppc = targets.target("ppc64le")
    made = build.compile_object(
        sources, build.compilers(ppc, ["gcc"])[0], "-Os", build.Access("ACQREL"), FIXTURES / "places.c"
    )
    code = asm.disassemble([made], ppc.isa)[made]["place_split_driver_poll"]
    assert code and not [i for i in code if "unknown" in i.text], "a table for tracebacks lies behind a function"


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
