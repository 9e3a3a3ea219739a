# SPDX-License-Identifier: MIT
"""The codegen report finds what was planted, on every target, and counts right."""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen_rig import FIXTURES
from vring.report import asm, build, cycles, emulate, judge, measure, targets, trace
from vring.report.answer import PATCHED
from vring.report.trace import Access

PLANTED = ("double_load", "fence", "tear")


@pytest.fixture(scope="module")
def rows(sources: build.Sources) -> list[measure.Row]:
    """The places on every target by its newest compiler: volatile, and with each of the planted faults."""
    accesses = [build.Access("VOLATILE"), *(build.Access(name, FIXTURES / f"planted_{name}.h") for name in PLANTED)]
    jobs = [
        measure.Job(("places",), where.name, build.compilers(where)[-1], "-O2", access)
        for where in targets.TARGETS
        for access in accesses
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
    twice, fenced, torn = (
        of(rows, target, fault, where) for fault, where in zip(PLANTED, (kick, get, get), strict=True)
    )
    found = {
        "double_load": twice.findings == {"repeated": 1} and twice.shared_loads == 2,
        "tear": torn.findings == {"torn": 2},
        "fence": fenced.findings == {} and fenced.fences == of(rows, target, "VOLATILE", get).fences + 2,
    }
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
    [
        ("measure.findings", sees_an_access_once, "double_load"),
        ("measure.findings", sees_whole_words, "tear"),
        ("asm.kind_of", knows_no_fence, "fence"),
    ],
)
def test_a_finder_that_is_broken_misses_what_was_planted(
    sources: build.Sources,
    rows: list[measure.Row],
    target: str,
    name: str,
    broken: Callable[..., object],
    misses: str,
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
    assert missed(
        [*again, *(row for row in rows if row.target == target and (row.function, row.access) not in seen)], target
    ) == {misses}


@functools.cache
def intents(sources: build.Sources, bits: int) -> dict[str, trace.Run]:
    return measure.intents_of(sources, ("places",), bits)


def test_every_build_computes_the_same(rows: list[measure.Row]) -> None:
    """A fault planted in how memory is read changes no result, on big-endian and little-endian CPUs of either width."""
    for function in {row.function for row in rows}:
        results = {row.result & 0xFFFFFFFF for row in rows if row.function == function}
        assert len(results) == 1, function


def test_clang_makes_the_same_of_a_function_in_whatever_company(
    sources: build.Sources, rows: list[measure.Row]
) -> None:
    """So its sources are compiled as one; gcc's are not, which at -Os counts who calls an accessor."""
    where = targets.target("riscv64")
    gcc, clang = build.compilers(where, ["gcc"])[-1], build.compilers(where, ["clang"])[-1]
    both = [FIXTURES / "places.c", FIXTURES / "gallery.c"]
    assert measure.apart_or_together(gcc, both) == [[path] for path in both] and measure.apart_or_together(
        clang, both
    ) == [both]
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
    return {
        (name, level): measure.Job(("gallery",), name, compiler, level, build.Access("PLAIN"))
        for name, compiler in gcc.items()
        for level in ("-O2", "-Os")
    }


def grey(sources: build.Sources, job: measure.Job) -> set[str]:
    asked = measure.intents_of(sources, job.suites, 32)
    return {row.function for row in measure.measure(sources, [job], asked) if row.error}


def test_no_shape_is_grey_on_a_cortex(sources: build.Sources, of_cortex: dict[tuple[str, str], measure.Job]) -> None:
    for job in of_cortex.values():
        assert grey(sources, job) == set(), job


def test_hooks_everywhere_lead_the_emulator_astray(
    sources: build.Sources, of_cortex: dict[tuple[str, str], measure.Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why accesses are hooked where memory is shared, and nowhere else: a load of a table lies in an IT block."""

    class Everywhere(trace.Layout):
        def __init__(self, program: Path) -> None:
            super().__init__(program)
            self.span = 0, 2**32 - 1

    monkeypatch.setattr("vring.report.emulate.Layout", Everywhere)
    assert "gallery_check_then_use" in grey(sources, of_cortex["cortex-m4", "-O2"])


def test_a_jump_through_a_table_wants_the_library_of_gcc(
    sources: build.Sources, of_cortex: dict[tuple[str, str], measure.Job], monkeypatch: pytest.MonkeyPatch
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
    assert not [name for name in names if not runs[name].steps or runs[name].result >> 63], (
        "each verb does what it is to do"
    )


def test_whole_verbs_by_clang_run_on_s390x(sources: build.Sources) -> None:
    """They were grey cells: an emulator took some instructions for others."""
    compiler = build.compilers(targets.target("s390x"))[-1]
    found = measure.measure_all(sources, [measure.Job(("verbs",), "s390x", compiler, "-O2", build.Access("ACQREL"))])
    assert len(found) == 24 and not [row.error for row in found if row.error]
    assert all(
        row.shared_loads + row.shared_stores > 0 and not row.findings.keys() & set(judge.FORBIDDEN) for row in found
    )


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
    jumps = [
        i.operands
        for name, body in code.items()
        if name.startswith("place_")
        for i in body
        if i.mnemonic.startswith("j")
    ]
    assert jumps and all(re.fullmatch(r"place_\w+(\+0x[0-9a-f]+)?", jump) for jump in jumps), jumps


def test_cycles_are_those_of_the_model(rows: list[measure.Row]) -> None:
    some = [
        dataclasses.replace(row) for row in rows if row.target in ("x86-64", "mips") and row.function.endswith("get")
    ]
    cycles.fill_cycles(some)
    assert all((row.cycles is None) == (row.target == "mips") for row in some)
    assert all(0 < row.cycles < 1000 for row in some if row.cycles is not None)


def test_sizes_are_those_of_nm(sources: build.Sources, rows: list[measure.Row]) -> None:
    where = targets.target("x86-64")
    made = build.compile_object(
        sources, build.compilers(where)[-1], "-O2", build.Access("VOLATILE"), FIXTURES / "places.c"
    )
    lines = subprocess.run(["nm", "-S", made], check=True, capture_output=True, text=True).stdout.splitlines()
    sizes = {line.split()[3]: int(line.split()[1], 16) for line in lines if " T place_" in line}
    assert sizes == {row.function: row.bytes for row in rows if (row.target, row.access) == ("x86-64", "VOLATILE")}
