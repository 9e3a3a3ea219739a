# SPDX-License-Identifier: MIT
"""The codegen report: it finds what was planted on every target, counts right, and holds code size and stack."""

from __future__ import annotations

import base64
import csv
import dataclasses
import functools
import html
import json
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits import PROGRAM
from vring.report import asm, budget, build, codegen, cycles, emulate, judge, measure, races, targets
from vring.report.__main__ import main
from vring.report.answer import PATCHED
from vring.report.codegen import Request
from vring.report.emulate import Access
from vring.report.kernel import FUNCTIONS, WHOLE, kernel_rows

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "bench" / "codegen"
PLANTED = ("double_load", "fence", "tear")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> build.Sources:
    return build.find_sources(tmp_path_factory.mktemp("codegen"), ROOT)


@pytest.fixture(scope="module")
def rows(sources: build.Sources) -> list[measure.Row]:
    """The places on every target by its newest compiler: volatile, and with each of the planted faults."""
    accesses = [build.Access("VOLATILE"), *(build.Access(name, FIXTURES / f"planted_{name}.h") for name in PLANTED)]
    jobs = [
        measure.Job(("places",), where.name, build.compilers(where)[-1], "-O2", access)
        for where in targets.TARGETS for access in accesses
    ]
    found = measure.measure_all(sources, jobs)
    assert not [row.error for row in found if row.error]
    return found


def of(rows: list[measure.Row], target: str, access: str, function: str) -> measure.Row:
    (row,) = [r for r in rows if (r.target, r.access, r.function) == (target, access, function)]
    return row


@pytest.mark.parametrize("target", [where.name for where in targets.TARGETS])
def test_what_was_planted_is_found(rows: list[measure.Row], target: str) -> None:
    assert missed(rows, target) == set()


@pytest.mark.parametrize("target", [where.name for where in targets.TARGETS])
def test_where_nothing_was_planted_nothing_is_found(rows: list[measure.Row], target: str) -> None:
    clean = [row for row in rows if (row.target, row.access) == (target, "VOLATILE")]
    assert len(clean) == 17 and set(PATCHED) <= {row.function for row in clean}
    for row in clean:
        assert row.findings == {}, row
        assert row.bytes > 0 and 0 < row.executed <= row.instructions and row.loads >= row.shared_loads > 0


def missed(rows: list[measure.Row], target: str) -> set[str]:
    """The planted faults that these rows do not show."""
    kick, get = "place_split_driver_kick", "place_split_driver_get"
    twice, fenced, torn = (of(rows, target, fault, where) for fault, where in zip(PLANTED, (kick, get, get), strict=True))
    found = {"double_load": twice.findings == {"repeated": 1} and twice.shared_loads == 2, "tear": torn.findings == {"torn": 2},
             "fence": fenced.findings == {} and fenced.fences == of(rows, target, "VOLATILE", get).fences + 2}
    return {fault for fault in PLANTED if not found[fault]}


def sees_an_access_once(asked: list[Access], made: list[Access]) -> dict[str, int]:
    return judge.findings(asked, dict.fromkeys(dataclasses.replace(a, step=0) for a in made))


def sees_whole_words(asked: list[Access], made: list[Access]) -> dict[str, int]:
    return judge.findings(asked, [a for a in made if a.width != 2 or a.offset % 4 == 0])


KIND_OF = asm.kind_of


def knows_no_fence(isa: str, mnemonic: str, operands: str) -> int:
    return KIND_OF(isa, mnemonic, operands) & ~asm.FENCE


@pytest.mark.parametrize("target", [where.name for where in targets.TARGETS])
@pytest.mark.parametrize(
    ("name", "broken", "misses"),
    [("measure.findings", sees_an_access_once, "double_load"), ("measure.findings", sees_whole_words, "tear"),
     ("asm.kind_of", knows_no_fence, "fence")],
)
def test_a_finder_that_is_broken_misses_what_was_planted(
    sources: build.Sources, rows: list[measure.Row], target: str, name: str, broken: Callable[..., object], misses: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"vring.report.{name}", broken)
    fault = build.Access(misses, FIXTURES / f"planted_{misses}.h")
    some = [fault] if name.startswith("measure") else [fault, build.Access("VOLATILE")]
    compiler = build.compilers(targets.target(target))[-1]
    bits = 32 if target in targets.BITS_32 else 64
    jobs = [measure.Job(("places",), target, compiler, "-O2", access) for access in some]
    again = measure.measure(sources, jobs, intents(sources, bits))
    seen = {(row.function, row.access) for row in again}
    assert missed([*again, *(row for row in rows if row.target == target and (row.function, row.access) not in seen)], target) == {misses}


@functools.cache
def intents(sources: build.Sources, bits: int) -> dict[str, emulate.Run]:
    return measure.intents_of(sources, ("places",), bits)


def test_every_build_computes_the_same(rows: list[measure.Row]) -> None:
    """A fault planted in how memory is read changes no result, on big-endian and little-endian CPUs of either width."""
    for function in {row.function for row in rows}:
        results = {row.result & 0xFFFFFFFF for row in rows if row.function == function}
        assert len(results) == 1, function


def test_clang_makes_the_same_of_a_function_in_whatever_company(sources: build.Sources, rows: list[measure.Row]) -> None:
    """So its sources are compiled as one; gcc's are not, which at -Os counts who calls an accessor."""
    where = targets.target("riscv64")
    gcc, clang = build.compilers(where, ["gcc"])[-1], build.compilers(where, ["clang"])[-1]
    both = [FIXTURES / "places.c", FIXTURES / "gallery.c"]
    assert measure.apart_or_together(gcc, both) == [[path] for path in both] and measure.apart_or_together(clang, both) == [both]
    [job] = [measure.Job(("places", "gallery"), "riscv64", clang, "-O2", build.Access("VOLATILE"))]
    together = {row.function: row for row in measure.measure_all(sources, [job])}
    alone = [row for row in rows if (row.target, row.access) == ("riscv64", "VOLATILE")]
    assert len(together) == 27 and len(alone) == 17
    for row in alone:
        assert dataclasses.replace(together[row.function], path=[]) == dataclasses.replace(row, path=[])


@pytest.fixture(scope="module")
def of_cortex(sources: build.Sources) -> dict[tuple[str, str], measure.Job]:
    """The gallery by gcc, where cells were grey once: by target and level."""
    gcc = {name: build.compilers(targets.target(name), ["gcc"])[-1] for name in ("cortex-m0", "cortex-m4")}
    return {(name, level): measure.Job(("gallery",), name, compiler, level, build.Access("PLAIN"))
            for name, compiler in gcc.items() for level in ("-O2", "-Os")}


def grey(sources: build.Sources, job: measure.Job) -> set[str]:
    asked = measure.intents_of(sources, job.suites, 32)
    return {row.function for row in measure.measure(sources, [job], asked) if row.error}


def test_no_shape_is_grey_on_a_cortex(sources: build.Sources, of_cortex: dict[tuple[str, str], measure.Job]) -> None:
    for job in of_cortex.values():
        assert grey(sources, job) == set(), job


def test_hooks_everywhere_lead_the_emulator_astray(
    sources: build.Sources, of_cortex: dict[tuple[str, str], measure.Job], monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Why accesses are hooked where memory is shared, and nowhere else: a load of a table lies in an IT block."""
    class Everywhere(emulate.Layout):
        def __init__(self, program: Path) -> None:
            super().__init__(program)
            self.span = 0, 2**32 - 1

    monkeypatch.setattr("vring.report.emulate.Layout", Everywhere)
    assert "gallery_check_then_use" in grey(sources, of_cortex["cortex-m4", "-O2"])


def test_a_jump_through_a_table_wants_the_library_of_gcc(
    sources: build.Sources, of_cortex: dict[tuple[str, str], measure.Job], monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = dataclasses.replace(targets.target("cortex-m0"), libgcc=False)
    monkeypatch.setattr("vring.report.measure.target", lambda name: without)
    assert grey(sources, of_cortex["cortex-m0", "-Os"]) == {"gallery_switch"}


def test_what_ran_before_a_call_changes_no_count(sources: build.Sources) -> None:
    """Verbs that bring a queue to where another verb is measured, too, were once counted as no instructions."""
    where = targets.target("x86-64")
    job = measure.Job(("verbs",), where.name, build.compilers(where)[-1], "-O2", build.Access("VOLATILE"))
    program = build.link(sources, measure.objects_of(sources, job))
    names = [name for _, name in measure.functions_of(sources, job)]
    runs = emulate.run_all(program, where, names, {})
    for name in ("vring_split_device_add_used", "vring_packed_device_get_avail", "vring_split_driver_get_used_batch"):
        alone = emulate.Machine(program, where).run(name)
        assert runs[name] == alone and len(alone.steps) > 20, name
    assert not [name for name in names if not runs[name].steps or runs[name].result >> 63], "each verb does what it is to do"


def test_whole_verbs_by_clang_run_on_s390x(sources: build.Sources) -> None:
    """They were grey cells: an emulator took some instructions for others."""
    compiler = build.compilers(targets.target("s390x"))[-1]
    found = measure.measure_all(sources, [measure.Job(("verbs",), "s390x", compiler, "-O2", build.Access("ACQREL"))])
    assert len(found) == 24 and not [row.error for row in found if row.error]
    assert all(row.shared_loads + row.shared_stores > 0 and not row.findings.keys() & set(judge.FORBIDDEN) for row in found)


@pytest.mark.parametrize("target", ["x86-64", "ppc64le", "s390x", "mips", "loongarch64"])
def test_an_emulator_that_goes_astray_is_not_believed(sources: build.Sources, target: str) -> None:
    where = targets.target(target)
    job = measure.Job(("places",), where.name, build.compilers(where)[-1], "-O2", build.Access("VOLATILE"))
    asked = dict(intents(sources, 32 if target in targets.BITS_32 else 64))
    asked["place_split_driver_kick"] = dataclasses.replace(asked["place_split_driver_kick"], result=17, intents=[])
    astray = {row.function: row for row in measure.measure(sources, [job], asked) if row.error}
    assert astray.keys() == {"place_split_driver_kick"}
    row = astray["place_split_driver_kick"]
    assert "another result" in row.error and (row.bytes, row.findings) == (0, {})


def test_branches_name_where_they_go(sources: build.Sources) -> None:
    where = targets.target("x86-64")
    job = measure.Job(("places",), where.name, build.compilers(where)[0], "-O2", build.Access("VOLATILE"))
    program = build.link(sources, measure.objects_of(sources, job))
    code = asm.disassemble([program], where.isa)[program]
    jumps = [i.operands for name, body in code.items() if name.startswith("place_") for i in body if i.mnemonic.startswith("j")]
    assert jumps and all(re.fullmatch(r"place_\w+(\+0x[0-9a-f]+)?", jump) for jump in jumps), jumps


def test_cycles_are_those_of_the_model(rows: list[measure.Row]) -> None:
    some = [dataclasses.replace(row) for row in rows if row.target in ("x86-64", "mips") and row.function.endswith("get")]
    cycles.fill_cycles(some)
    assert all((row.cycles is None) == (row.target == "mips") for row in some)
    assert all(0 < row.cycles < 1000 for row in some if row.cycles is not None)


def test_sizes_are_those_of_nm(sources: build.Sources, rows: list[measure.Row]) -> None:
    where = targets.target("x86-64")
    made = build.compile_object(sources, build.compilers(where)[-1], "-O2", build.Access("VOLATILE"), FIXTURES / "places.c")
    lines = subprocess.run(["nm", "-S", made], check=True, capture_output=True, text=True).stdout.splitlines()
    sizes = {line.split()[3]: int(line.split()[1], 16) for line in lines if " T place_" in line}
    assert sizes == {row.function: row.bytes for row in rows if (row.target, row.access) == ("x86-64", "VOLATILE")}


# ------------------------------------------------------------------------------------------------ what is judged ---


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
        ("x86", "mov eax, dword ptr [rdi]", asm.LOAD), ("x86", "mov dword ptr [rdi], eax", asm.STORE),
        ("x86", "add dword ptr [rdi], 1", asm.LOAD | asm.STORE), ("x86", "cmp word ptr [rdi], ax", asm.LOAD),
        ("x86", "lea rax, [rdi + 4]", 0), ("x86", "mfence", asm.FENCE), ("x86", "xchg word ptr [rdi], ax", asm.FENCE | asm.LOAD | asm.STORE), ("x86", "jne f+0x4", asm.BRANCH),
        ("x86", "prefetcht0 byte ptr [rdi + 128]", 0), ("s390", "pfd 1, 128(%r2)", 0), ("arm", "pld [r0, #128]", 0),
        ("aarch64", "prfm pldl1keep, [x0, #128]", 0), ("ppc", "dcbt 0, 4", 0), ("mips", "pref 0, 128($4)", 0),
        ("loongarch", "preld 0, $a0, 128", 0), ("aarch64", "ldp w3, w9, [x8, #4]", asm.LOAD), ("aarch64", "stlrh w0, [x1]", asm.STORE),
        ("aarch64", "dmb ish", asm.FENCE), ("aarch64", "b.ne f", asm.BRANCH), ("aarch64", "add x0, x0, x1", 0),
        ("arm", "ldrh r0, [r1, #2]", asm.LOAD), ("arm", "strd r0, r1, [r2]", asm.STORE), ("arm", "bls f", asm.BRANCH),
        ("arm", "bic r0, r1", 0), ("riscv", "lhu a0, 2(a1)", asm.LOAD), ("riscv", "sd a0, 0(a1)", asm.STORE),
        ("riscv", "lui a0, 16", 0), ("riscv", "fence rw, rw", asm.FENCE), ("riscv", "sub a0, a0, a1", 0),
        ("riscv", "amoswap.w zero, a1, (a0)", asm.LOAD | asm.STORE), ("ppc", "lhbrx 3, 0, 4", asm.LOAD),
        ("ppc", "li 3, 1", 0), ("ppc", "std 3, 8(4)", asm.STORE), ("ppc", "lwsync", asm.FENCE), ("ppc", "bclr 4, 0", asm.BRANCH),
        ("s390", "lrvh %r1, 2(%r2)", asm.LOAD), ("s390", "sth %r1, 2(%r2)", asm.STORE), ("s390", "la %r1, 8(%r2)", 0),
        ("s390", "sllg %r1, %r2, 4", 0), ("s390", "bcr 15, %r0", asm.FENCE), ("s390", "br %r14", asm.BRANCH),
        ("mips", "lhu $2, 2($4)", asm.LOAD), ("mips", "sync", asm.FENCE), ("loongarch", "ldx.hu $a0, $a1, $a2", asm.LOAD),
        ("loongarch", "dbar 20", asm.FENCE), ("loongarch", "st.h $a0, $a1, 2", asm.STORE),
    ],
)
def test_kinds_of_instructions(isa: str, text: str, kind: int) -> None:
    mnemonic, _, operands = text.partition(" ")
    assert asm.kind_of(isa, mnemonic, operands) == kind


def prefetches(source: str, level: str) -> dict[str, int]:
    """How often each function of a source file of libvring has x86-64 fetch a line ahead."""
    done = subprocess.run(
        ["gcc", "-std=c11", level, "-DVRING_ACCESS_ACQREL", f"-I{ROOT / 'include'}", "-S", "-o", "-",
         str(ROOT / "lib" / "vring" / source)],
        check=True, capture_output=True, text=True, timeout=PROGRAM,
    )
    found: dict[str, int] = {}
    function = ""
    for line in done.stdout.splitlines():
        if label := re.match(r"(\w+)[.\w]*:", line):
            function = label[1]
        found[function] = found.get(function, 0) + line.lstrip().startswith("prefetch")
    return found


@pytest.mark.parametrize(
    ("source", "single", "loops"),
    [
        ("split_take.c", "vring_split_device_get_avail", 2), ("split_driver.c", "vring_split_driver_get_used", 1),
        ("packed_take.c", "vring_packed_device_get_avail", 3), ("packed_driver.c", "vring_packed_driver_get_used", 1),
    ],
)
def test_loops_of_a_batch_have_the_lines_fetched_that_they_read_next(source: str, single: str, loops: int) -> None:
    ahead = prefetches(source, "-O2")
    assert sum(count > 0 for count in ahead.values()) >= loops
    assert ahead[single] == 0, "a buffer alone is in no loop"
    assert not any(prefetches(source, "-Os").values()), "a small build leaves it out"


def test_prefixes_and_constants_are_no_instructions(sources: build.Sources, tmp_path: Path) -> None:
    where = targets.target("x86-64")
    (tmp_path / "locked.c").write_text("void locked(int *p) { __atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST); }\n")
    made = build.compile_object(sources, build.compilers(where)[-1], "-O2", build.Access("PLAIN"), tmp_path / "locked.c")
    [locked, _] = asm.disassemble([made], where.isa)[made]["locked"]
    assert locked.mnemonic.startswith("lock ") and locked.kind == asm.FENCE | asm.LOAD | asm.STORE and locked.address == 0
    ppc = targets.target("ppc64le")
    made = build.compile_object(sources, build.compilers(ppc, ["gcc"])[0], "-Os", build.Access("ACQREL"), FIXTURES / "places.c")
    code = asm.disassemble([made], ppc.isa)[made]["place_split_driver_poll"]
    assert code and not [i for i in code if "unknown" in i.text], "a table for tracebacks lies behind a function"


def test_address_arithmetic_is_what_ends_up_in_an_address() -> None:
    def line(text: str) -> asm.Instruction:
        mnemonic, _, operands = text.partition(" ")
        return asm.Instruction(0, mnemonic, operands, asm.kind_of("aarch64", mnemonic, operands))

    code = [line("cmp x1, #6"), line("ldrh w0, [x1]")]
    assert [i.kind for i in asm.mark_address_arithmetic("aarch64", code)] == [0, asm.LOAD], "a comparison computes nothing"
    code = [line("add x1, x0, #4"), line("add w2, w2, #1"), line("ldrh w0, [x1]"), line("mov x1, x2"), line("ret")]
    assert [i.kind for i in asm.mark_address_arithmetic("aarch64", code)] == [asm.ADDRESS, 0, asm.LOAD, 0, asm.BRANCH]


# ------------------------------------------------------------------------------------------------------ the report ---


def report(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vring.report", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PROGRAM, check=False)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The worked example of docs/codegen.md, for one target and compiler, by the installed package alone."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "linux_read_once.h").write_text((FIXTURES / "linux_read_once.h").read_text())
    # Race detectors are asked below, at less length.
    example = ["codegen", "--accessors", "linux_read_once.h", "--target", "x86-64", "--compiler", "gcc"]
    done = report(*example, "--no-races", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "stdout").write_text(done.stdout)
    yield folder


def test_a_header_of_ones_own_is_compared(page: Path) -> None:
    with (page / "build/codegen/codegen.csv").open() as file:
        rows = list(csv.DictReader(file))
    mine = {(r["function"], r["optimisation"]): r for r in rows if r["access"] == "linux_read_once"}
    assert {"place_split_driver_get", "gallery_switch", "vring_split_driver_publish"} <= {name for name, _ in mine}
    for row in mine.values():
        assert int(row["bytes"]) > 0 and not row["error"] and not any(kind in row["findings"] for kind in judge.FORBIDDEN), row
    plain = {(r["function"], r["optimisation"]): r for r in rows if r["access"] == "PLAIN"}
    twice = plain["gallery_switch", "-O2"]
    assert ("repeated=1" in twice["findings"], twice["repeated_loads"]) == (True, "1"), "gcc loads twice for t = *p; switch (t)"
    for key, row in mine.items():
        assert int(row["bytes_more"]) == int(row["bytes"]) - int(plain[key]["bytes"]) and plain[key]["bytes_more"] == "0"
        assert int(row["executed_more"]) == int(row["executed"]) - int(plain[key]["executed"]) and row["repeated_loads"] == "0"
    data = json.loads((page / "build/codegen/codegen.json").read_text())["rows"]
    assert [(r["bytes_more"], r["repeated_loads"]) for r in data] == [(int(r["bytes_more"]), int(r["repeated_loads"])) for r in rows]
    # Its full fence is a locked add and not an mfence.
    assert int(mine["place_split_driver_kick", "-O2"]["fences"]) == 1


def test_a_terminal_has_everything_that_is_counted(page: Path) -> None:
    """Of the patch's five functions, added up; and how much more it is with each accessor."""
    with (page / "build/codegen/codegen.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["function"] in PATCHED]
    lines = {tuple(line[:27].split())[2:]: line[34:].split() for line in (page / "stdout").read_text().splitlines() if re.match(r"gcc 12 +\w+ ", line)}
    counted = ("bytes", "loads", "stores", "fences", "address_arithmetic", "repeated_loads", "cycles", "executed")

    def total(access: str, name: str) -> float:
        return sum(float(row[name]) for row in rows if row["access"] == access)

    assert lines[("plain",)] == [f"{total('PLAIN', name):.0f}" for name in counted]
    for access in ("VOLATILE", "RELAXED", "ACQREL", "linux_read_once"):
        assert lines[(access.lower(),)] == [f"{total(access, name) - total('PLAIN', name):+.0f}" for name in counted]


def test_the_page_needs_nothing_else_and_begins_with_the_answer(page: Path) -> None:
    text, said = (page / "build/codegen/codegen.html").read_text(), (page / "stdout").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#)|@import|url\((?!#)""", text)
    [first] = re.findall(r'<div class="answer">\s*<p>(.*?)</p>', text, re.S)
    assert "READ_ONCE" in first and re.search(r"gcc \d+\.\d+\.\d+", first)
    assert first.replace("\N{NON-BREAKING HYPHEN}", "-").replace("&#39;", "'") in said
    assert text.index('class="answer"') < text.index("<figure>") < text.index('id="race"') < text.index('id="look"')
    assert text.count('class="tag') == 5, "five claims, each with a verdict"
    [packed] = re.findall(r'id="data">([^<]*)<', text)
    assert json.loads(zlib.decompress(base64.b64decode(packed)))["columns"][1:] == ["clang"], "a compiler that is missing is a grey column"


#: What a reader sees once the page's script has run.
LOOK = """
<pre id="report"></pre>
<script>
setTimeout(() => {
    const all = (what) => [...document.querySelectorAll(what)].map(e => e.textContent);
    document.getElementById("report").textContent = JSON.stringify({
        wide: document.documentElement.scrollWidth - innerWidth, rows: document.querySelectorAll("#grid tr").length,
        chosen: all("#grid .chosen"), grey: all("#grid .missing"),
        sides: all("#sides h4"), differ: document.querySelectorAll("#sides .diff").length, counts: all("#metric option"),
    });
}, 3000);
</script>
"""


def test_a_cell_says_why_it_is_grey() -> None:
    default, narrow = Request(output=Path()), Request(output=Path(), columns=("gcc",))
    old, new = ((c.column for c in build.compilers(targets.target("x86-64"), ["clang"])[i:][:1]) for i in (0, -1))
    [old_clang], [new_clang] = list(old), list(new)
    assert old_clang != new_clang, "the tests have two"
    for name, column, request, why in (
        ("loongarch64", "gcc 12", default, "no gcc"), ("loongarch64", old_clang, default, "too old for it"),
        ("aarch64", old_clang, default, "with --full"), ("aarch64", new_clang, narrow, "not asked for"), ("x86-64", "clang", narrow, "not asked for"),
    ):
        assert codegen.why_absent(request, targets.target(name), column) == why
    planned = {(job.target, job.compiler.column) for job in codegen.plan(default)}
    assert {("x86-64", old_clang), ("x86-64", new_clang), ("aarch64", new_clang)} <= planned and ("aarch64", old_clang) not in planned


@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_what_differs_and_why_a_cell_is_grey(page: Path, tmp_path: Path, width: int) -> None:
    (tmp_path / "page.html").write_text((page / "build/codegen/codegen.html").read_text() + LOOK)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}"]
    command = ["chromium", *flags, f"--window-size={width},900", "--virtual-time-budget=6000", "--dump-dom", str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM, check=False)
    found = re.search(r'<pre id="report">(.+?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    seen = json.loads(html.unescape(found[1]))
    assert seen["wide"] <= 0, "wider than the window"
    assert seen["rows"] == 3 and len(seen["chosen"]) == 1 and seen["grey"] == ["not asked for"]
    assert [side.split(": ")[1].split()[0] for side in seen["sides"]] == ["plain", "volatile"] and seen["differ"] > 0
    assert len(seen["counts"]) == 12 and any("repeated loads" in count for count in seen["counts"])


# ------------------------------------------------------------------------------------------------------- the kernel ---

#: A tree of the kernel's shape, with as many reads of what a device writes as `--kernel` wants to find, and one that it
#: is to leave alone. Ours; no line of it is Linux'.
STAND_IN = {
    "include/linux/kconfig.h": "",
    "tools/virtio/linux/kernel.h": """
        #include <stdbool.h>
        #include <stddef.h>
        #include <stdint.h>
        typedef uint16_t u16;
        typedef uint32_t u32;
        #define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
    """,
    "drivers/virtio/virtio_ring.c": """
        struct desc { u16 flags, id; u32 len; };
        struct used_elem { u32 id, len; };
        struct used { u16 flags, idx; struct used_elem ring[256]; };
        struct vring { struct used *used; u16 *avail_event; struct desc *desc; };
        struct virtqueue { struct { struct vring vring; } split, packed; u16 last, shadow; };
        static inline u16 virtio16_to_cpu(const struct virtqueue *vq, u16 v) { (void)vq; return v; }
        static inline u32 virtio32_to_cpu(const struct virtqueue *vq, u32 v) { (void)vq; return v; }
        static inline u16 le16_to_cpu(u16 v) { return v; }
        bool virtqueue_kick_prepare(struct virtqueue *vq)
        {
            if (vq->split.vring.used->flags & 1)
                return false;
            return virtio16_to_cpu(vq, *vq->split.vring.avail_event) == virtio16_to_cpu(vq, vq->shadow);
        }
        u32 virtqueue_get_buf_ctx(struct virtqueue *vq, u32 *len)
        {
            *len = virtio32_to_cpu(vq, vq->split.vring.used->ring[vq->last].len);
            return virtio32_to_cpu(vq, vq->split.vring.used->ring[vq->last].id);
        }
        bool virtqueue_poll(struct virtqueue *vq, u16 old) { return virtio16_to_cpu(vq, vq->split.vring.used->idx) != old; }
        bool virtqueue_enable_cb_delayed(struct virtqueue *vq)
        {
            return virtio16_to_cpu(vq, vq->split.vring.used->idx) == vq->last ||
                (le16_to_cpu(vq->packed.vring.desc[vq->last].flags) & 1);
        }
        u16 virtqueue_enable_cb_prepare(struct virtqueue *vq) { return le16_to_cpu(vq->packed.vring.desc[vq->last].id); }
    """,
}


def kernel(tree: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    only = ["--target", "aarch64", "--no-verbs", "--no-races", "--optimisation=-O2"]
    return report("codegen", "--kernel", tree, "--out", out, *only, *arguments, cwd=out.parent)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernel")
    for name, text in STAND_IN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_kernel_is_compared_marked_and_unmarked(stand_in: Path, tmp_path: Path) -> None:
    done = kernel(stand_in, tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    marked = (tmp_path / "out/kernel/virtio_ring.VOLATILE.c").read_text()
    assert marked.count("READ_ONCE(") == 8 and "READ_ONCE(vq->shadow)" not in marked
    assert "READ_ONCE(vq->split.vring.used->flags) & 1" in marked
    assert (tmp_path / "out/kernel/virtio_ring.PLAIN.c").read_text() == STAND_IN["drivers/virtio/virtio_ring.c"]
    with (tmp_path / "out/codegen.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["suite"] == "kernel"]
    assert not [row["error"] for row in rows if row["error"]]
    columns = {compiler.column for compiler in build.compilers(targets.target("aarch64"))}
    whole = {(r["column"], r["optimisation"], r["access"]): int(r["bytes"]) for r in rows if r["function"].startswith("virtio_ring.c")}
    assert whole.keys() == {(column, "-O2" + lto, access) for column in columns
                            for lto in ("", " CONFIG_LTO") for access in ("PLAIN", "VOLATILE")}
    data = json.loads((tmp_path / "out/codegen.json").read_text())["rows"]
    polls = {(r["column"], r["optimisation"], r["access"]): "\n".join(r["assembly"]) for r in data if r["function"] == "virtqueue_poll"}
    for (_, level, access), code in polls.items():
        assert bool(re.search(r"\blda(p)?rh\b", code)) == (level.endswith("LTO") and access == "VOLATILE"), code
    grown = [whole[column, "-O2", "VOLATILE"] - whole[column, "-O2", "PLAIN"] for column in columns]
    assert f"changes by {min(grown):+d} to" in done.stdout and "CONFIG_LTO on AArch64" in done.stdout
    assert "virtio_ring.c of Debian’s linux-source" in (tmp_path / "out/codegen.html").read_text()


def test_linux_own_driver_is_compared() -> None:
    """The real file, of Debian's package: unpacked once for all runs, since 138 megabytes of xz take 11 s."""
    output = ROOT / "build" / "linux-source"
    columns = tuple(dict.fromkeys(compiler.column for where in ("x86-64", "aarch64")
                                  for compiler in {c.family: c for c in build.compilers(targets.target(where))}.values()))
    assert {column.split()[0] for column in columns} == {"gcc", "clang"}
    request = Request(output=output, columns=columns, optimisations=("-O2",), kernel="auto")
    rows = kernel_rows(request, build.find_sources(output, ROOT))
    assert not [row.error for row in rows if row.error]
    builds = {(r.target, r.column, r.optimisation) for r in rows}
    assert len(builds) == 2 * 3, "two compilers; x86-64, AArch64, and that with CONFIG_LTO"
    bytes_of = {(r.target, r.column, r.optimisation, r.access, r.function): r.bytes for r in rows}
    for where in builds:
        lto = where[2].endswith("CONFIG_LTO")
        more = bytes_of[(*where, "VOLATILE", WHOLE)] - bytes_of[(*where, "PLAIN", WHOLE)]
        assert 7000 < bytes_of[(*where, "PLAIN", WHOLE)] < 13000 and (20 < more < 100 if lto else -10 < more < 30), (where, more)
        for function in FUNCTIONS:
            assert bytes_of[(*where, "VOLATILE", function)] > 80, (where, function)
    # What CONFIG_LTO is about: a marked read is an acquire, where it was a plain load.
    for row in rows:
        if row.function == "virtqueue_poll" and row.target == "aarch64":
            acquires = sum(bool(re.match(r"lda(p?)rh\b", text)) for _, text in row.assembly)
            assert acquires == (2 if row.optimisation.endswith("LTO") and row.access == "VOLATILE" else 0), row.assembly
    marked = (output / "kernel" / "virtio_ring.VOLATILE.c").read_text()
    assert marked.count("READ_ONCE(") >= (output / "kernel" / "virtio_ring.PLAIN.c").read_text().count("READ_ONCE(") + 7


def test_a_kernel_that_is_none_or_another_is_told(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "other/drivers/virtio").mkdir(parents=True)
    (tmp_path / "other/drivers/virtio/virtio_ring.c").write_text("int virtqueue_poll(void) { return 0; }\n")
    for tree, complaint in (("other", "in 0 places that are known"), ("none", "holds no drivers/virtio/virtio_ring.c")):
        done = kernel(tmp_path / tree, tmp_path / "out", "--compiler", "clang 19")
        assert done.returncode == 1 and complaint in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--accessors", "missing.h"], "there is no header missing.h"),
        (["--accessors", "wrong.h", "--target", "x86-64", "--compiler", "gcc", "--no-verbs", "--no-races"], "wrong is not C"),
        (["--target", "pdp11"], "no target 'pdp11'"),
        (["--compiler", "gcc 2"], "no compiler is here"),
        (["--cc", "true"], "'true' is no gcc or clang"),
    ],
)
def test_slips_are_told(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.h").write_text('#error "wrong is not C"\n')
    done = report("codegen", *arguments, cwd=tmp_path)
    assert complaint in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


#: Accessor and rule, and whether every function races or none does.
RACES = {("PLAIN", "C11"): True, ("PLAIN", "Linux"): True, ("VOLATILE", "C11"): True, ("VOLATILE", "Linux"): False,
         ("RELAXED", "C11"): False, ("ACQREL", "C11"): False}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with races, as short as there is one."""
    folder = tmp_path_factory.mktemp("races")
    only = ["--target", "x86-64", "--compiler", "gcc", "--optimisation=-O2", "--no-verbs"]
    done = report("codegen", "--source", ROOT, "--out", folder, *only, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Plain accesses are a data race to a race detector. confirmed" in done.stdout
    return folder


def test_race_detectors_tell_the_accessors_apart(judged: Path) -> None:
    """Of a driver and a device on two threads, by the newest clang, without being asked to be thorough."""
    verdicts = json.loads((judged / "codegen.json").read_text())["races"]
    assert [(v["access"], v["rule"], v["ring_format"]) for v in verdicts] == [(*key, f) for key in RACES for f in ("split", "packed")]
    for verdict in verdicts:
        assert verdict["compiler"] == races.host_compilers(["clang"])[-1].name and verdict["moved"] == "400 of 400 buffers"
        assert (verdict["ring"] > 0) == RACES[verdict["access"], verdict["rule"]], verdict
        assert not (verdict["access"] == "ACQREL" and verdict["payload"]), verdict
    assert f"the whole library by {verdicts[0]['compiler']} at" in (judged / "codegen.html").read_text()


def test_two_threads_that_stop_before_their_end_are_no_verdict(sources: build.Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They would report nothing, as correct ones do."""
    (tmp_path / "stops").write_text("#!/bin/sh\necho 3 of 9 buffers\n")
    (tmp_path / "stops").chmod(0o755)
    monkeypatch.setattr("vring.report.races.threads", lambda *_: tmp_path / "stops")
    with pytest.raises(build.ReportError, match="did not run to its end: 3 of 9"):
        races.judge(sources, build.Access("ACQREL"), "C11", rounds=9)


def test_every_function_is_judged_alone(judged: Path) -> None:
    verdicts = {(v["access"], v["rule"]): v for v in json.loads((judged / "codegen.json").read_text())["races_by_function"]}
    assert verdicts.keys() == RACES.keys()
    for key, verdict in verdicts.items():
        assert len(verdict["raced"]) == (27 if RACES[key] else 0) and len(verdict["quiet"]) == 27 - len(verdict["raced"]), key
        assert verdict["compiler"].startswith("gcc ") and verdict["optimisation"] == "-O2" and not verdict["error"]
    shown = {key: " ".join(line for _, line in verdict["assembly"]) for key, verdict in verdicts.items()}
    for key, called in {("PLAIN", "Linux"): "__tsan_read2", ("VOLATILE", "Linux"): "__tsan_volatile_read2", ("ACQREL", "C11"): "__tsan_atomic16_load"}.items():
        assert called in shown[key] and not re.search(r"nop|data16", shown[key])
    text = (judged / "codegen.html").read_text()
    claims = text.split('<div class="claim">')[1:]
    assert len(claims) == 6 and all(claim.count('<div class="side">') >= 2 for claim in claims), "each claim has its code beside it"
    assert text.count("27 of 27 race") == 3 and text.count("none of 27") == 3
    assert text.count('<td class="missing">\N{EN DASH}</td>') == 6, "no clang was asked: a grey column"


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("compiler", races.host_compilers(), ids=lambda compiler: compiler.column)
def test_each_compiler_has_a_verdict_at_each_level(sources: build.Sources, compiler: build.Compiler, level: str) -> None:
    for access, rule in [("PLAIN", "Linux"), ("VOLATILE", "Linux")] if level == "-O2" else [("VOLATILE", "C11"), ("ACQREL", "C11")]:
        verdict = races.judge_functions(sources, compiler, level, build.Access(access), rule)
        assert not verdict.error
        assert not (verdict.quiet if RACES[access, rule] else verdict.raced), verdict


def test_a_compiler_without_the_detector_is_a_grey_cell(sources: build.Sources) -> None:
    cannot = build.Compiler("gcc", "9.9.9", ("gcc", "-fno-such-option"))
    verdict = races.judge_functions(sources, cannot, "-O2", build.Access("PLAIN"), "C11")
    assert "fno-such-option" in verdict.error and not verdict.raced and not verdict.quiet


# ------------------------------------------------------------------------------------------------- size and stack ---


@pytest.fixture(scope="module")
def sizes(sources: build.Sources) -> list[budget.Entry]:
    return budget.measure(sources)


def test_code_and_stack_keep_within_the_budget(sizes: list[budget.Entry]) -> None:
    recorded = budget.read((FIXTURES / "budget.csv").read_text())
    assert {entry.function for entry in sizes} == {entry.function for entry in recorded}, "python -m vring.report budget --update"
    if not {entry.key for entry in sizes} & {entry.key for entry in recorded}:
        pytest.skip("the budget was recorded with another version of gcc")
    complaints = [budget.complaint(*both) for both in budget.grown(recorded, sizes)]
    assert not complaints, "\n".join(complaints)


def test_no_verb_needs_more_stack_than_is_promised(sizes: list[budget.Entry]) -> None:
    page = (ROOT / "docs" / "codegen.md").read_text()
    [(promised, on_s390x)] = re.findall(r"No verb needs more than (\d+) bytes of stack, or (\d+) on s390x", page)
    for entry in sizes:
        assert entry.stack <= int(on_s390x if entry.target == "s390x" else promised), entry


SILENT = "# Changelog\n\n## Unreleased\n\n- `split_driver` is faster.\n"
CELL = budget.Entry("x86-64", "gcc 12", "-O2", "ALL", "split_driver", "", 1000, 100)
VERB = dataclasses.replace(CELL, function="vring_split_driver_publish", bytes=100)


def sized(entry: budget.Entry, held: int) -> budget.Entry:
    return dataclasses.replace(entry, stack=held) if entry.function else dataclasses.replace(entry, bytes=held)


def test_growth_wants_a_reason() -> None:
    assert not budget.grown([CELL, VERB], [sized(CELL, 1050), sized(VERB, 116)])
    large = [sized(CELL, 1051), sized(VERB, 117)]
    assert len(budget.grown([CELL, VERB], large)) == 2
    said = budget.record([CELL, VERB], large, SILENT)[1]
    assert ["1000 -> 1051 bytes by gcc 12" in said[0], "100 -> 117 bytes of stack" in said[1]] == [True, True]
    assert len(budget.record([CELL, VERB], large, SILENT + "- Size: legacy rings\n  in `split_driver`.\n")[1]) == 1
    assert not budget.record(large[:1], large[:1], SILENT)[1]
    earlier = SILENT + "\n## 0.1\n\n- Size: `split_driver` has legacy rings.\n"
    assert len(budget.record([CELL], large[:1], earlier)[1]) == 1, "a reason of an earlier release"


def test_a_reason_excuses_once() -> None:
    """What grows again wants another one, however the first is rewrapped and whatever it names besides."""
    for entry, first, second, what in ((CELL, 1200, 1300, "Size"), (VERB, 300, 400, "Stack")):
        name = entry.function or entry.cell
        reason = SILENT + f"- {what}: `{name}`: batches have loops of their own.\n"
        [written], said = budget.record([entry], [sized(entry, first)], reason)
        assert not said and (written.held, written.since) == (first, first) and written.reason
        again = budget.read(budget.write([written]))
        assert again == [written] and not budget.grown(again, [sized(entry, first)])
        for unrenewed in (reason, reason.replace("loops of", "loops\n  of"), reason.replace(":", ": `packed_driver`,", 1)):
            [complaint] = budget.record(again, [sized(entry, second)], unrenewed)[1]
            assert "other than the one that was spent" in complaint
        [written], said = budget.record(again, [sized(entry, second)], reason + f"- {what}: `{name}`: tables, too.\n")
        assert not said and written.since == second and written.reason != again[0].reason


def test_a_reason_is_spent_on_what_it_excused_alone() -> None:
    """The same entry may name another cell later."""
    reason = SILENT + "- Size: `split_driver`: batches have loops of their own.\n"
    other = dataclasses.replace(CELL, cell="packed_driver")
    written, said = budget.record([CELL, other], [sized(CELL, 1200), other], reason)
    assert not said and [entry.reason != "" for entry in written] == [True, False]
    assert not budget.record(written, [sized(CELL, 1200), sized(other, 1200)], reason.replace(":", ": `packed_driver`,", 1))[1]


def test_small_steps_want_a_reason_too() -> None:
    """Each is within the tolerance of the one before; and who has shrunk may not grow back in silence."""
    recorded = [CELL]
    for held in (1040, 1050):
        recorded, said = budget.record(recorded, [sized(CELL, held)], SILENT)
        assert not said and (recorded[0].held, recorded[0].since) == (held, 1000)
    assert "(since a reason was last given: 1000 -> 1060)" in budget.record(recorded, [sized(CELL, 1060)], SILENT)[1][0]
    smaller, said = budget.record(recorded, [sized(CELL, 900)], SILENT)
    assert not said and len(budget.grown(smaller, [sized(CELL, 1000)])) == 1


def test_growth_with_a_reason_is_growth_until_it_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    """Without --update the command says what has grown; with it, it wants the reason, writes, and is content."""
    for name in ("lib/vring/access.h", "bench/codegen/places.c", "docs/codegen.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    budget_csv, changelog = tmp_path / "bench/codegen/budget.csv", tmp_path / "CHANGELOG.md"
    before = budget.read((FIXTURES / "budget.csv").read_text())
    [cell] = [entry for entry in before if entry.key == dataclasses.replace(CELL, compiler=entry.compiler).key]
    monkeypatch.setattr("vring.report.budget.measure", lambda _: [sized(e, 2 * e.bytes) if e == cell else e for e in before])
    budget_csv.write_text(budget.write(before))

    def command(*options: str) -> bool:
        return main(["budget", "--source", str(tmp_path), "--out", str(tmp_path), *options]) == 0

    changelog.write_text(SILENT)
    assert not command() and not command("--update")
    assert capsys.readouterr().out.count(f"split_driver: {cell.bytes} -> {2 * cell.bytes} bytes") == 2
    assert budget_csv.read_text() == budget.write(before), "nothing is written without a reason"
    changelog.write_text(SILENT + "- Size: `split_driver`: a test.\n")
    assert not command() and command("--update") and command()
    [written] = [entry for entry in budget.read(budget_csv.read_text()) if entry.key == cell.key]
    assert (written.bytes, written.since, written.reason != "") == (2 * cell.bytes, 2 * cell.bytes, True)
    assert f"| split_driver | {2 * cell.bytes} |" in (tmp_path / "docs/codegen.md").read_text()


def test_stack_is_that_of_the_deepest_call(tmp_path: Path) -> None:
    graph = tmp_path / "graph.ci"
    nodes = [("a", 16), ("b", 32), ("file.c:c", 8)]
    text = "".join(f'node: {{ title: "{n}" label: "{n}\\nx.c:1:1\\n{size} bytes (static)" }}\n' for n, size in nodes)
    edges = [("a", "file.c:c"), ("a", "b"), ("b", "memcpy")]
    graph.write_text(text + "".join(f'edge: {{ sourcename: "{x}" targetname: "{y}" label: "" }}\n' for x, y in edges))
    assert budget.stack_depths([graph]) == {"a": 48, "b": 32, "c": 8}
    graph.write_text(graph.read_text() + 'edge: { sourcename: "b" targetname: "a" label: "" }\n')
    with pytest.raises(build.ReportError, match="calls itself"):
        budget.stack_depths([graph])


def test_the_documented_sizes_are_the_recorded_ones() -> None:
    page = (ROOT / "docs" / "codegen.md").read_text()
    assert page == budget.replace_table(page, budget.read((FIXTURES / "budget.csv").read_text()))

