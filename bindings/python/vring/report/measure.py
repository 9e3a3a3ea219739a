# SPDX-License-Identifier: MIT
"""
One row per function, target, compiler, optimisation and accessor: size, instructions, accesses, what became of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import emulate
from .asm import (
    ADDRESS,
    BRANCH,
    FENCE,
    LOAD,
    STORE,
    Code,
    Instruction,
    Symbol,
    disassemble,
    foreign,
    mark_address_arithmetic,
    symbols,
)
from .build import Access, Compiler, ReportError, Sources, compile_object, compilers, libgcc, link
from .judge import findings
from .qemu_user import start_source
from .targets import BIG_ENDIAN, BITS_32, TARGETS, target
from .trace import Run


#: Of what does not touch shared memory, or touches it only before the measured call: one build is all.
NEUTRAL = Access("ACQREL")


#: What a row has from the run of its function.
OF_A_RUN = ("executed", "shared_loads", "shared_stores", "result", "cycles", "repeated_loads", "findings")


@dataclass(frozen=True)
class Job:
    """One program to build and run: some suites for one target by one compiler."""

    suites: tuple[str, ...]
    target: str
    compiler: Compiler
    optimisation: str
    access: Access


@dataclass
class Row:
    """What was found of one function."""

    suite: str
    function: str
    target: str
    compiler: str  # with version
    column: str  # family and major version
    optimisation: str
    access: str
    bytes: int = 0
    instructions: int = 0
    loads: int = 0
    stores: int = 0
    fences: int = 0
    address_arithmetic: int = 0
    executed: int = 0
    shared_loads: int = 0
    shared_stores: int = 0
    result: int = 0
    cycles: float | None = None
    helpers: dict[str, int] = field(
        default_factory=dict
    )  # what it calls, in bytes, which other functions may call, too
    findings: dict[str, int] = field(default_factory=dict)
    assembly: list[tuple[int, str]] = field(default_factory=list)  # kind and text of each instruction
    path: list[str] = field(default_factory=list)  # texts of the executed ones, for llvm-mca
    error: str = ""

    @property
    def was_run(self) -> bool:
        """Whether an emulator ran it: Linux' driver is compiled, and no more."""
        return self.suite != "kernel"

    def told(self, name: str) -> Any:
        """A value by its name; None if only a run could tell it, and there was none."""
        return getattr(self, name) if self.was_run or name not in OF_A_RUN else None

    @property
    def repeated_loads(self) -> int:
        """Words of shared memory that were loaded more often than asked for."""
        return self.findings.get("repeated", 0)

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Everything but the accessor."""
        return (self.suite, self.function, self.target, self.column, self.optimisation)


def functions_of(sources: Sources, job: Job) -> list[tuple[str, str]]:
    """(suite, name) of the functions that a job's rigs call, in their order."""
    return [(suite, name) for suite in job.suites for name in functions_in(sources, suite)]


def functions_in(sources: Sources, suite: str) -> list[str]:
    """The functions that a suite's rig calls."""
    prefix = {"PLACE": "place_", "PREPARE": "", "SPLIT": "vring_split_", "PACKED": "vring_packed_"}
    text = (sources.fixtures / f"{suite}_rig.c").read_text()
    return [prefix[macro] + name for macro, name in re.findall(r"^(PLACE|PREPARE|SPLIT|PACKED)\((\w+)", text, re.M)]


def objects_of(sources: Sources, job: Job) -> list[Path]:
    """The objects of a job's program; what does not touch shared memory is built once for all accessors."""

    def build(optimisation: str, access: Access, *files: Path) -> Path:
        return compile_object(sources, job.compiler, optimisation, access, *files)

    rig_access = job.access if job.access.name == "HOOK" else NEUTRAL
    rigs = [sources.fixtures / "rig.c", *(sources.fixtures / f"{suite}_rig.c" for suite in job.suites)]
    if target(job.target).unicorn is None:
        rigs.append(sources.output / f"start_{'_'.join(job.suites)}.c")
        write_once(rigs[-1], start_source(name for _, name in functions_of(sources, job)))
    made = [build("-O1", rig_access, *rigs)]
    shapes = [sources.fixtures / f"{suite}.c" for suite in job.suites if suite != "verbs"]
    made += [build(job.optimisation, job.access, *files) for files in apart_or_together(job.compiler, shapes)]
    if "verbs" in job.suites:
        made += [
            build(job.optimisation, NEUTRAL if source in sources.private else job.access, source)
            for source in sources.cells
        ]
        made += [build("-O1", NEUTRAL, source) for source in sources.support if source not in sources.seldom]
    if target(job.target).libgcc and job.compiler.family == "gcc":
        made.append(libgcc(job.compiler))
    return made


def apart_or_together(compiler: Compiler, files: list[Path]) -> list[list[Path]]:
    """
    Clang makes the same of every function in one run; gcc at -Os inlines an accessor or not by how many functions of a
    source call it, so that its sources stay apart.
    """
    return [[path] for path in files] if compiler.family == "gcc" or not files else [files]


def write_once(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def intents_of(sources: Sources, suites: tuple[str, ...], bits: int) -> dict[str, Run]:
    """
    What the source of each function asks of shared memory, and what it comes to: from the build with hooks.

    It depends on no compiler, and of the CPU only on the widest word that is one access: any target of that width
    tells.
    """
    for candidate in TARGETS:
        if candidate.unicorn and bits == (32 if candidate.name in BITS_32 else 64):
            for compiler in compilers(candidate):
                job = Job(suites, candidate.name, compiler, "-O0", Access("HOOK"))
                program = link(sources, objects_of(sources, job))
                return emulate.run_all(program, candidate, [name for _, name in functions_of(sources, job)], {})
    raise ReportError(f"no compiler for any target of {bits} bits")


def measure(sources: Sources, jobs: Iterable[Job], asked: dict[str, Run]) -> list[Row]:
    """
    The rows of some jobs of the same suites and target. What the compiler refuses is rows with an error, not an
    exception.
    """
    programs: dict[Job, Path] = {}
    rows: dict[Job, list[Row]] = {}
    for job in jobs:
        rows[job] = [
            Row(suite, name, job.target, job.compiler.name, job.compiler.column, job.optimisation, job.access.name)
            for suite, name in functions_of(sources, job)
        ]
        try:
            program = link(sources, objects_of(sources, job))
            if wrong := foreign(program, target(job.target)):
                raise ReportError(wrong)
            programs[job] = program
        except ReportError as error:
            rows[job] = [dataclasses.replace(row, error=str(error)) for row in rows[job]]
    code = disassemble(programs.values(), target(next(iter(rows)).target).isa, ".text")
    for job, program in programs.items():
        rows[job] = measure_program(program, code[program], rows[job], asked)
    return [row for found in rows.values() for row in found]


def measure_program(program: Path, code: Code, blank: list[Row], asked: dict[str, Run]) -> list[Row]:
    """The rows of one program, filled."""
    where = target(blank[0].target)
    table = symbols(program)
    try:
        runs = emulate.run_all(program, where, [row.function for row in blank], code)
    except ReportError as error:
        return [dataclasses.replace(row, error=str(error)) for row in blank]
    text = {i.address: i.text for function in code.values() for i in function}
    for row in blank:
        run, body = runs[row.function], body_of(row.function, code, table)
        row.bytes = sum(symbol.size for symbol, _ in body)
        row.helpers = {symbol.name: symbol.size for symbol, _ in body if not symbol.name.startswith(row.function)}
        fill_static(row, where.isa, body)
        row.executed = len(run.steps)
        row.shared_loads = sum(a.kind == "load" for a in run.accesses)
        row.shared_stores = sum(a.kind == "store" for a in run.accesses)
        row.result = run.result
        row.findings = findings(asked[row.function].intents, run.accesses)
        row.path = [text[address] for address in run.steps if address in text]
    astray = [row for row in blank if another_result(row, asked[row.function])]
    # A verb is brought to its place by the others.
    doubtful = {
        row.function
        for row in blank
        if row in astray or (row.suite == "verbs" and any(a.suite == "verbs" for a in astray))
    }
    return [
        dataclasses.replace(
            fresh(row),
            error=f"{row.target}: in the emulator {astray[0].function} comes to another result, "
            "so nothing is said of this one",
        )
        if row.function in doubtful
        else row
        for row in blank
    ]


def another_result(row: Row, asked: Run) -> bool:
    """
    Whether the emulator went astray. What is asked was asked of a little-endian CPU, and some of the gallery depends on
    that.
    """
    comparable = row.suite != "gallery" or row.target not in BIG_ENDIAN
    return comparable and bool((row.result ^ asked.result) & 0xFFFFFFFF)


def fresh(row: Row) -> Row:
    """A row of the same name with nothing in it."""
    return Row(row.suite, row.function, row.target, row.compiler, row.column, row.optimisation, row.access)


def fill_static(row: Row, isa: str, body: list[tuple[Symbol, list[Instruction]]]) -> None:
    """
    Counts of a function with what belongs to it; its assembly has a line with the name of each piece but the first.
    """
    pieces = [(symbol.name, mark_address_arithmetic(isa, piece)) for symbol, piece in body]
    code = [i for _, piece in pieces for i in piece]
    row.instructions = len(code)
    row.loads = sum(bool(i.kind & LOAD) for i in code)
    row.stores = sum(bool(i.kind & STORE) for i in code)
    row.fences = sum(bool(i.kind & FENCE) for i in code)
    row.address_arithmetic = sum(bool(i.kind & ADDRESS) for i in code)
    named = [[(0, f"{name}:"), *((i.kind, i.text) for i in piece)] for name, piece in pieces if piece]
    row.assembly = [line for lines in named for line in lines][1:]


#: Functions in their own right, and what has the name of a C library's.
NO_HELPER = re.compile(
    r"vring_|place_|gallery_|virtqueue_\w+\Z(?<!_split)(?<!_packed)|run_|prepare_|rig_"
    r"|mem|__aeabi_mem|__gnu_thumb1_case"
)


def body_of(
    name: str, code: dict[str, list[Instruction]], table: dict[str, Symbol]
) -> list[tuple[Symbol, list[Instruction]]]:
    """
    A function with the pieces that the compiler split off it, and with the helpers that it calls: accessors that were
    not inlined, what several verbs share. Not with other verbs, nor with what a C library would have.
    """
    wanted, seen = [name], set()
    while wanted:
        current = wanted.pop()
        if current in seen or current not in table:
            continue
        seen.add(current)
        end = table[current].address + table[current].size
        named = {
            word
            for i in code[current]
            if i.kind & BRANCH and i.address < end
            for word in re.split(r"[\s,+]+", i.operands)
        }
        for other in code:
            if (other in named and not NO_HELPER.match(other)) or other.startswith(f"{current}."):
                wanted.append(other)
    parts = [table[part] for part in sorted(seen, key=lambda part: (part != name, part))]
    # What fills the gap to the next function is nobody's.
    return [(part, [i for i in code[part.name] if i.address < part.address + part.size]) for part in parts]


def measure_all(
    sources: Sources,
    jobs: Iterable[Job],
    parallel: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Row]:
    """The rows of all jobs; those of one compiler for one target are made together."""
    groups: dict[tuple[tuple[str, ...], str, Compiler], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.suites, job.target, job.compiler), []).append(job)
    keys = {group: (group[0], 32 if group[1] in BITS_32 else 64) for group in groups}
    done, total = 0, sum(map(len, groups.values()))
    with ProcessPoolExecutor(parallel) as pool:
        # What verbs ask for takes longest to find out: it is begun first, and waited for last.
        asked = {
            key: pool.submit(intents_of, sources, *key)
            for key in sorted(set(keys.values()), key=lambda key: ("verbs" not in key[0], key))
        }
        order = sorted(groups, key=lambda group: "verbs" in group[0])
        found = {group: pool.submit(measure, sources, groups[group], asked[keys[group]].result()) for group in order}
        for group in order:
            found[group].result()
            done += len(groups[group])
            progress(done, total)
    return [row for group in groups for row in found[group].result()]
