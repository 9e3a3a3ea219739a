# SPDX-License-Identifier: MIT
"""The codegen report: it finds what was planted on every target, counts right, and holds code size and stack."""

from __future__ import annotations

import csv
import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vring.report import asm, budget, build, cycles, judge, measure, races, targets
from vring.report.answer import PATCHED
from vring.report.emulate import Access

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
    kick, get = "place_split_driver_kick", "place_split_driver_get"
    assert of(rows, target, "double_load", kick).findings == {"repeated": 1}
    assert of(rows, target, "double_load", kick).shared_loads == 2
    assert of(rows, target, "tear", get).findings == {"torn": 2}
    assert of(rows, target, "fence", get).findings == {}
    assert of(rows, target, "fence", get).fences == of(rows, target, "VOLATILE", get).fences + 2


@pytest.mark.parametrize("target", [where.name for where in targets.TARGETS])
def test_where_nothing_was_planted_nothing_is_found(rows: list[measure.Row], target: str) -> None:
    clean = [row for row in rows if (row.target, row.access) == (target, "VOLATILE")]
    assert len(clean) == 17 and set(PATCHED) <= {row.function for row in clean}
    for row in clean:
        assert row.findings == {}, row
        assert row.bytes > 0 and 0 < row.executed <= row.instructions and row.loads >= row.shared_loads > 0


def test_every_build_computes_the_same(rows: list[measure.Row]) -> None:
    """A fault planted in how memory is read changes no result, on big-endian and little-endian CPUs of either width."""
    for function in {row.function for row in rows}:
        results = {row.result & 0xFFFFFFFF for row in rows if row.function == function and targets.target(row.target).unicorn}
        assert len(results) == 1, function


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
        ("x86", "lea rax, [rdi + 4]", 0), ("x86", "mfence", asm.FENCE), ("x86", "jne f+0x4", asm.BRANCH),
        ("aarch64", "ldp w3, w9, [x8, #4]", asm.LOAD), ("aarch64", "stlrh w0, [x1]", asm.STORE),
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


def test_address_arithmetic_is_what_ends_up_in_an_address() -> None:
    def line(text: str) -> asm.Instruction:
        mnemonic, _, operands = text.partition(" ")
        return asm.Instruction(0, mnemonic, operands, asm.kind_of("aarch64", mnemonic, operands))

    code = [line("add x1, x0, #4"), line("add w2, w2, #1"), line("ldrh w0, [x1]"), line("mov x1, x2"), line("ret")]
    assert [i.kind for i in asm.mark_address_arithmetic("aarch64", code)] == [asm.ADDRESS, 0, asm.LOAD, 0, asm.BRANCH]


# ------------------------------------------------------------------------------------------------------ the report ---


def report(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vring.report", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


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
    assert "repeated=1" in plain["gallery_switch", "-O2"]["findings"], "gcc loads twice for t = *p; switch (t)"
    # Its full fence is a locked add and not an mfence.
    assert int(mine["place_split_driver_kick", "-O2"]["fences"]) == 1


def test_the_page_needs_nothing_else_and_begins_with_the_answer(page: Path) -> None:
    html, said = (page / "build/codegen/codegen.html").read_text(), (page / "stdout").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#)|@import|url\((?!#)""", html)
    [first] = re.findall(r'<div class="answer">\s*<p>(.*?)</p>', html, re.S)
    assert "READ_ONCE" in first and re.search(r"gcc \d+\.\d+\.\d+", first)
    assert first.replace("\N{NON-BREAKING HYPHEN}", "-").replace("&#39;", "'") in said
    assert html.index('class="answer"') < html.index("<figure>") < html.index('id="race"') < html.index('id="look"')
    assert html.count('class="tag') == 5, "five claims, each with a verdict"


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


def test_race_detectors_tell_the_accessors_apart(sources: build.Sources) -> None:
    def ring_and_payload(name: str, rule: str) -> set[tuple[bool, bool]]:
        verdicts = races.judge(sources, build.Access(name), rule, rounds=150)
        assert [v.ring_format for v in verdicts] == ["split", "packed"]
        assert all(v.moved == "150 of 150 buffers" for v in verdicts)
        return {(v.ring > 0, v.payload > 0) for v in verdicts}

    assert {ring for ring, _ in ring_and_payload("PLAIN", "C11")} == {True}
    assert {ring for ring, _ in ring_and_payload("VOLATILE", "C11")} == {True}
    assert {ring for ring, _ in ring_and_payload("VOLATILE", "Linux")} == {False}
    assert ring_and_payload("ACQREL", "C11") == {(False, False)}


# ------------------------------------------------------------------------------------------------- size and stack ---


@pytest.fixture(scope="module")
def sizes(sources: build.Sources) -> list[budget.Entry]:
    return budget.measure(sources)


def test_code_and_stack_keep_within_the_budget(sizes: list[budget.Entry]) -> None:
    recorded = budget.read((FIXTURES / "budget.csv").read_text())
    assert {entry.function for entry in sizes} == {entry.function for entry in recorded}, "python -m vring.report budget --update"
    if not {entry.key for entry in sizes} & {entry.key for entry in recorded}:
        pytest.skip("the budget was recorded with another version of gcc")
    complaints = budget.complaints(recorded, sizes, (ROOT / "CHANGELOG.md").read_text())
    assert not complaints, "\n".join(complaints)


def test_no_verb_needs_more_stack_than_is_promised(sizes: list[budget.Entry]) -> None:
    page = (ROOT / "docs" / "codegen.md").read_text()
    [(promised, on_s390x)] = re.findall(r"No verb needs more than (\d+) bytes of stack, or (\d+) on s390x", page)
    for entry in sizes:
        assert entry.stack <= int(on_s390x if entry.target == "s390x" else promised), entry


def test_growth_wants_a_reason() -> None:
    old = budget.Entry("x86-64", "gcc 12", "-O2", "split_driver", "", 1000, 100)
    verb = dataclasses.replace(old, function="vring_split_driver_publish", bytes=100)
    grown, deep = dataclasses.replace(old, bytes=1051), dataclasses.replace(verb, stack=117)
    silent = "# Changelog\n\n## Unreleased\n\n- `split_driver` is faster.\n"
    assert not budget.complaints([old, verb], [dataclasses.replace(old, bytes=1050), verb], silent)
    assert len(budget.complaints([old, verb], [grown, deep], silent)) == 2
    assert len(budget.complaints([old, verb], [grown, deep], silent + "- Size: legacy rings\n  in `split_driver`.\n")) == 1
    assert not budget.complaints([old], [grown], silent + "- Size: `split_driver` has legacy rings.\n")
    assert budget.complaints([old], [grown], silent + "\n## 0.1\n\n- Size: `split_driver` has legacy rings.\n")


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
