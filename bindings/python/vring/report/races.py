# SPDX-License-Identifier: MIT
"""
What race detectors say of each accessor, by ThreadSanitizer of each compiler at each optimisation level: of every
function alone, while another thread writes what it looks at; and of a whole driver and device on two threads.

Two rules of what is marked. ThreadSanitizer's own is that of C11: only an atomic access is. KCSAN's is that of Linux:
a volatile one is, too; gcc and clang tell them apart if asked to, and kcsan_rule.c says what then follows.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .asm import disassemble, symbols
from .build import Access, Compiler, ReportError, Sources, clangs, compile_object, run_tool, version_of
from .measure import NEUTRAL, apart_or_together, functions_in

#: What tells a compiler to apply a rule.
RULES: dict[str, dict[str, tuple[str, ...]]] = {
    "C11": {"gcc": (), "clang": ()},
    "Linux": {"gcc": ("--param=tsan-distinguish-volatile=1",), "clang": ("-mllvm", "-tsan-distinguish-volatile=1")},
}
SUITES = ("places", "gallery")
RACED, QUIET = 66, 0  # how a process ends
EXAMPLE = "place_split_driver_poll"
#: Whose code a compiler makes for itself here, to be read.
HOST = {"x86_64": "x86", "aarch64": "aarch64"}.get(platform.machine(), "")


@dataclass
class FunctionVerdict:
    """The functions that raced, and those that did not, with one accessor by one compiler at one level."""

    access: str
    rule: str
    compiler: str
    column: str
    optimisation: str
    raced: list[str] = field(default_factory=list)
    quiet: list[str] = field(default_factory=list)
    error: str = ""
    grey: str = ""  # what the error comes to, in a word or two
    assembly: list[tuple[int, str]] = field(
        default_factory=list
    )  # of EXAMPLE, by one compiler: what the detector is told

    @property
    def program(self) -> str:
        return "-".join(("functions", self.access, self.rule, self.column.replace(" ", ""), self.optimisation))


def host_compilers(columns: Iterable[str] = ()) -> list[Compiler]:
    """
    The compilers of this machine for itself, which can run what they make; only those of some columns, if any are
    named.
    """
    found = [
        Compiler("clang" if "clang" in name else "gcc", version, (name,))
        for name in ("gcc", *clangs())
        if (version := version_of(name))
    ]
    wanted = set(columns)
    return [c for c in found if not wanted or wanted & {c.family, c.column}]


@functools.cache
def failing(compiler: Compiler) -> str:
    """Why something could not be built: without the detector the compiler builds nothing that has it."""
    command = [*compiler.command, "-fsanitize=thread", "-x", "c", "-", "-o", os.devnull]
    done = subprocess.run(
        command, input="int main(void) { return 0; }", capture_output=True, text=True, timeout=60, check=False
    )
    return "no ThreadSanitizer" if done.returncode else "not built"


def rules_of(access: Access) -> list[str]:
    """Both for what is no atomic; an atomic access is marked by either, so one says it."""
    return [rule for rule in RULES if rule == "C11" or access.name in ("PLAIN", "VOLATILE") or access.header]


def judge_functions(
    sources: Sources, compiler: Compiler, optimisation: str, access: Access, rule: str
) -> FunctionVerdict:
    """
    Each function of the places and the gallery in turn. A compiler without ThreadSanitizer is a verdict with an error.
    """
    verdict = FunctionVerdict(access.name, rule, compiler.name, compiler.column, optimisation)
    functions = [name for suite in SUITES for name in functions_in(sources, suite)]
    arrays = [
        name
        for suite in SUITES
        for name in re.findall(r"^_Alignas.* (shared_\w+)\[", (sources.fixtures / f"{suite}_rig.c").read_text(), re.M)
    ]
    macros = tuple(
        f"-D{macro}(X)={''.join(f'X({name})' for name in names)}"
        for macro, names in (("FUNCTIONS", functions), ("SHARED", arrays))
    )
    shapes = apart_or_together(compiler, [sources.fixtures / f"{suite}.c" for suite in SUITES])
    try:
        objects = [instrumented(sources, compiler, optimisation, access, rule, *files) for files in shapes]
        objects.append(
            instrumented(sources, compiler, "-O1", access, rule, sources.fixtures / "race_rig.c", extra=macros)
        )
        made = program(sources, compiler, rule, objects, verdict.program)
    except ReportError as error:
        verdict.error, verdict.grey = str(error), failing(compiler)
        return verdict
    # One report is enough, and ends the process of a function.
    options = f"exitcode={RACED}:halt_on_error=1:symbolize=0:report_thread_leaks=0"
    done = subprocess.run(
        [made], capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "TSAN_OPTIONS": options}
    )
    ends = dict(line.split() for line in done.stdout.splitlines())
    if done.returncode != 0 or list(ends) != functions or set(ends.values()) - {str(RACED), str(QUIET)}:
        verdict.error = f"{made} did not run to its end: {ends} {done.stderr[:2000]}"
        verdict.grey = "did not end"
        return verdict
    verdict.raced = [name for name, end in ends.items() if end == str(RACED)]
    verdict.quiet = [name for name, end in ends.items() if end == str(QUIET)]
    return verdict


def instrumented(
    sources: Sources,
    compiler: Compiler,
    optimisation: str,
    access: Access,
    rule: str,
    *files: Path,
    extra: tuple[str, ...] = (),
) -> Path:
    """
    An object that tells ThreadSanitizer of its accesses. gcc warns that the detector knows no fences: so it is, and the
    page says it.
    """
    told = (
        () if access.name in ("PLAIN", "RELAXED", "ACQREL") else RULES[rule][compiler.family]
    )  # where nothing is volatile, rules do not differ
    hosted = ("-std=gnu11", "-fhosted", "-fpie", "-Wno-tsan", "-fsanitize=thread", *told)
    return compile_object(sources, compiler, optimisation, access, *files, extra=(*hosted, *extra))


def program(sources: Sources, compiler: Compiler, rule: str, objects: Iterable[Path], name: str, *flags: str) -> Path:
    """Linked with the detector, and with the rule."""
    made = sources.output / "races" / name
    made.parent.mkdir(parents=True, exist_ok=True)
    if rule == "Linux":
        objects = [*objects, instrumented(sources, compiler, "-O1", NEUTRAL, rule, sources.fixtures / "kcsan_rule.c")]
    run_tool([*compiler.command, "-fsanitize=thread", "-pie", *map(str, objects), *flags, "-lpthread", "-o", str(made)])
    return made


def judge_all_functions(
    sources: Sources,
    some: Iterable[Compiler],
    optimisations: Iterable[str],
    accesses: Iterable[Access],
    parallel: int = 2,
) -> list[FunctionVerdict]:
    """Every accessor by every rule that tells something, by each compiler at each level."""
    optimisations, accesses = list(optimisations), list(accesses)
    asked = [
        (compiler, level, access, rule)
        for compiler in some
        for level in optimisations
        for access in accesses
        for rule in rules_of(access)
    ]
    with ThreadPoolExecutor(parallel) as pool:
        verdicts = list(pool.map(lambda one: judge_functions(sources, *one), asked))
    shown = [
        v
        for v in verdicts
        if HOST and not v.error and (v.compiler, v.optimisation) == (verdicts[0].compiler, verdicts[0].optimisation)
    ]
    code = disassemble([sources.output / "races" / v.program for v in shown], HOST, function=EXAMPLE)
    for verdict, functions in zip(shown, code.values(), strict=True):
        own = symbols(sources.output / "races" / verdict.program)[EXAMPLE]
        verdict.assembly = [(i.kind, i.text) for i in functions[EXAMPLE] if i.address < own.address + own.size]
    return verdicts


@dataclass
class Verdict:
    """
    Of two threads: reports by the lines of source that they are about, and by what memory: the ring, or the buffers'
    bytes.
    """

    access: str
    rule: str
    ring_format: str
    compiler: str
    ring: int = 0
    payload: int = 0
    places: list[str] = field(default_factory=list)
    moved: str = ""  # "N of N buffers"
    error: str = ""


def detecting() -> Compiler:
    """The clang that judges two threads. Raises ReportError without one that has ThreadSanitizer."""
    found = host_compilers(["clang"])[-1:]
    if not found or failing(found[0]) == "no ThreadSanitizer":
        raise ReportError(
            "ThreadSanitizer's verdicts of two threads need clang and its runtime (Debian: clang-19, libclang-rt-19-dev)"
        )
    return found[0]


def threads(sources: Sources, access: Access, rule: str) -> Path:
    """The two threads with that accessor, built by clang."""
    compiler = detecting()
    varying = set(sources.cells) - set(sources.private)
    objects = [instrumented(sources, compiler, "-O0", access, rule, path) for path in sorted(varying)]
    others = set(sources.library) - set(sources.seldom) - varying
    objects += [
        instrumented(sources, compiler, "-O0", NEUTRAL, rule, path)
        for path in (sources.fixtures / "threads.c", *sorted(others))
    ]
    # What saves and restores a queue is left out, and is 0.
    return program(
        sources,
        compiler,
        rule,
        objects,
        f"threads.{access.name}.{rule}",
        "-fuse-ld=lld",
        "-Wl,--unresolved-symbols=ignore-all",
    )


def judge(sources: Sources, access: Access, rule: str, rounds: int = 400) -> list[Verdict]:
    """What is reported of either format."""
    binary = threads(sources, access, rule)
    verdicts = []
    for ring_format in ("split", "packed"):
        options = "history_size=2:report_thread_leaks=0:exitcode=0:suppress_equal_stacks=1"
        done = subprocess.run(
            [str(binary), ring_format, str(rounds)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "TSAN_OPTIONS": options},
        )
        verdict = Verdict(access.name, rule, ring_format, detecting().name, moved=done.stdout.strip())
        if verdict.moved != f"{rounds} of {rounds} buffers":
            raise ReportError(f"{binary} {ring_format} did not run to its end: {verdict.moved} {done.stderr[:2000]}")
        seen: Counter[str] = Counter()
        for report in done.stderr.split("WARNING: ThreadSanitizer")[1:]:
            frames = re.findall(r"^    #\d+ (\w+) \S+", report, re.M)
            if "global 'shared_payload'" in report or frames[:1] in (["device_side"], ["driver_side"]):
                verdict.payload += 1
            else:
                verdict.ring += 1
            seen[" in ".join(frames[:3])] += 1
        verdict.places = [place for place, _ in seen.most_common(6)]
        verdicts.append(verdict)
    return verdicts


def judge_all(sources: Sources, accesses: list[Access], parallel: int = 2) -> list[Verdict]:
    """
    Every accessor by every rule that tells something; of one that could not be judged a verdict with an error. Raises
    ReportError without a clang that has ThreadSanitizer.
    """
    compiler = detecting()

    def try_to(access: Access, rule: str) -> list[Verdict]:
        try:
            return judge(sources, access, rule)
        except ReportError as error:
            return [Verdict(access.name, rule, "", compiler.name, error=str(error))]

    asked = [(access, rule) for access in accesses for rule in rules_of(access)]
    with ThreadPoolExecutor(parallel) as pool:
        return [verdict for verdicts in pool.map(lambda some: try_to(*some), asked) for verdict in verdicts]
