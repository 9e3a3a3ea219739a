# SPDX-License-Identifier: MIT
"""The codegen report: what to build, and where the results go."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .answer import claims, sentences
from .build import (
    COMMON_FLAGS,
    VARIANTS,
    Access,
    Compiler,
    ReportError,
    Sources,
    find_sources,
    gist,
    llvm,
    user_compiler,
)
from .cycles import fill_cycles
from .kernel import FLAGS, KERNEL_TARGETS, LTO, kernel_rows, marked_reads
from .measure import Job, Row, measure_all
from .page import columns_of, picture, terminal_table, write_csv, write_json, write_page
from .races import FunctionVerdict, Verdict, host_compilers, judge_all, judge_all_functions
from .request import Request
from .targets import TARGETS, Target

SHAPES = ("places", "gallery")
LEVELS = ("-O2", "-Os")


def run(request: Request) -> list[Row]:
    """Writes codegen.html, .csv and .json, prints the answer and the table, and returns the rows."""
    started = time.monotonic()
    sources = find_sources(request.output, request.source)
    jobs = plan(request)
    accesses = list(dict.fromkeys(job.access for job in jobs))
    if not jobs:
        raise ReportError("no compiler is here for what was asked for")
    # First, for what is wrong with it is told at once, and not after a minute.
    of_linux = kernel_rows(request, sources) if request.kernel else []
    rows = measure_all(sources, jobs, request.jobs, progress_of(request))
    if all(row.error for row in rows):
        raise ReportError(f"nothing could be built; the first error: {rows[0].error}")
    for error in dict.fromkeys(f"{r.column} for {r.target}, {r.access}: {gist(r.error)}" for r in rows if r.error):
        print(f"vring.report: {error}", file=sys.stderr)
    rows += of_linux
    fill_cycles(rows, request.jobs)
    verdicts, by_function, why_not = verdicts_of(request, sources, accesses)
    about = describe(request, sources, rows, why_not)
    request.output.mkdir(parents=True, exist_ok=True)
    write_csv(rows, request.output / "codegen.csv")
    write_json(rows, verdicts, by_function, about, request.output / "codegen.json")
    write_page(rows, verdicts, by_function, about, sources, request.output / "codegen.html")
    (request.output / "codegen.svg").write_text(picture(rows))
    print(terminal_table(rows))
    for sentence in sentences(rows):
        print("\n" + sentence)
    print("\nWhat is said of it, and whether that holds:")
    for claim in claims(rows, by_function):
        print(f"  {claim.verdict:<10} {claim.text}")
    print(f"\nThe page: {request.output / 'codegen.html'} ({time.monotonic() - started:.0f} s)", file=sys.stderr)
    return rows


def plan(request: Request) -> list[Job]:
    """
    The programs to build. By default the places and the gallery for every target by gcc and the recent clang, for
    x86-64 by the old one, too, and there the verbs at -O2, plain and acquire/release; with full, everything. That is
    what fits into a minute.
    """
    accesses = [Access(name) for name in VARIANTS]
    if request.accessors:
        if not request.accessors.is_file():
            raise ReportError(f"there is no header {request.accessors}")
        if request.accessors.stem.upper() in (*VARIANTS, "HOOK"):
            raise ReportError(
                f"{request.accessors.name} has the name of accessors that the report has: give it another"
            )
        accesses.append(Access(request.accessors.stem, request.accessors.resolve()))
    optimisations = request.optimisations or LEVELS
    jobs: list[Job] = []
    for where in request.chosen():
        some = compilers_for(request, where)
        jobs += [Job(SHAPES, where.name, *rest) for rest in itertools.product(some, optimisations, accesses)]
        if request.verbs and (request.full or request.targets or where.name == "x86-64"):
            all_accesses = (
                accesses if request.full else [a for a in accesses if a.name in ("PLAIN", "ACQREL") or a.header]
            )
            levels = optimisations if request.full else optimisations[:1]
            jobs += [
                Job(("verbs",), where.name, *rest)
                for rest in itertools.product(newest(request, some), levels, all_accesses)
            ]
    return jobs


def compilers_for(request: Request, where: Target) -> list[Compiler]:
    found = request.asked_of(where)
    return found if where.name == "x86-64" else newest(request, found)


def newest(request: Request, found: list[Compiler]) -> list[Compiler]:
    """The old clang says little that the recent one does not: only if asked."""
    by_family = {c.family: c for c in found}
    return found if request.full or request.columns else list(by_family.values())


def why_absent(request: Request, suite: str, where: Target, column: str, level: str) -> str:
    """In a word or two, of a column that has nothing of a suite for a target at a level."""
    family, _, version = column.partition(" ")
    if suite == "kernel" and where.name not in KERNEL_TARGETS:
        return "x86-64 and AArch64 only"
    if suite == "kernel" and level.endswith("LTO") and where.name != "aarch64":
        return "AArch64 only"
    if family == "clang" and version and int(version) < where.clang_since:
        return "too old for it"
    if column in (compiler.column for compiler in request.asked_of(where)):
        return "with --full"
    return "not asked for" if request.cc or request.columns else f"no {family}"


def absences(request: Request, rows: list[Row]) -> dict[str, str]:
    """
    Why a suite has nothing for a target by a column at a level, and why nothing of an accessor where it has others: each
    by its names, one after another.
    """
    there = {(r.suite, r.target, r.column, r.optimisation) for r in rows}
    levels = dict.fromkeys((r.suite, r.optimisation) for r in rows)
    return {
        f"{suite} {t.name} {column} {level}": why_absent(request, suite, t, column, level)
        for suite, level in levels
        for t in request.chosen()
        for column in columns_of(rows)
        if (suite, t.name, column, level) not in there
    } | {"verbs": "with --full", "kernel": "READ_ONCE only"}


def progress_of(request: Request) -> Any:
    def show(done: int, total: int) -> None:
        if request.progress:
            print(f"\r{done} of {total} programs", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


def verdicts_of(
    request: Request, sources: Sources, accesses: list[Access]
) -> tuple[list[Verdict], list[FunctionVerdict], str]:
    """The race detectors' verdicts of two threads and of each function, or why there are none."""
    if not request.races:
        return [], [], "left out as asked for."
    if request.cc:
        some = [user_compiler(request.cc, request.cflags)]
    else:
        some = newest(request, host_compilers(request.columns))
    two_threads: list[Verdict] = []
    by_function: list[FunctionVerdict] = []
    why_not = ""
    try:
        by_function = judge_all_functions(sources, some, request.optimisations or LEVELS, accesses, request.jobs)
        two_threads = judge_all(sources, accesses, request.jobs)
    except ReportError as error:
        why_not = str(error)
        print(f"vring.report: {why_not}", file=sys.stderr)
    return two_threads, by_function, why_not


def describe(request: Request, sources: Sources, rows: list[Row], why_not: str) -> dict[str, Any]:
    """What a reader has to know to trust the numbers, and to make them again."""
    good = [row for row in rows if not row.error and row.was_run]
    of_linux = {(r.target, r.compiler, r.optimisation, r.access) for r in rows if not (r.error or r.was_run)}
    absent = [t.name for t in request.chosen() if not any(r.target == t.name for r in good)]
    models = ", ".join(f"{t.name} {t.mca[1]}" for t in TARGETS if t.mca and any(r.target == t.name for r in good))
    return {
        "version": version(sources),
        "commit": commit(sources),
        "compilers": sorted({r.compiler for r in good}),
        "targets": list(dict.fromkeys(r.target for r in good)),
        "optimisations": list(dict.fromkeys(r.optimisation for r in rows if r.was_run)),
        "builds": len({(r.target, r.compiler, r.optimisation, r.access) for r in good}),
        "flags": " ".join(COMMON_FLAGS),
        "commands": commands(request, good),
        "kernel_builds": len(of_linux),
        "kernel_flags": " ".join(FLAGS),
        "kernel_lto": " ".join(LTO),
        "marked": [dataclasses.asdict(read) for read in marked_reads(sources)] if request.kernel else [],
        "notes": {t.name: t.note for t in TARGETS if t.note},
        "races": why_not,
        "command": request.command,
        "absent": absences(request, rows),
        "missing": f"No compiler here for {', '.join(absent)}." if absent else "",
        "mca": f"Models of {Path(llvm('llvm-mca')).name}: {models}; the other targets have none.",
    }


def commands(request: Request, rows: list[Row]) -> dict[str, list[str]]:
    """Of each target how its compilers are called, which is where its own flags are."""
    used = {(row.target, row.compiler) for row in rows}
    return {
        t.name: [shlex.join(c.command) for c in request.asked_of(t) if (t.name, c.name) in used]
        for t in request.chosen()
        if any(target == t.name for target, _ in used)
    }


def version(sources: Sources) -> str:
    text = (sources.root / "include/vring/types.h").read_text()
    return ".".join(re.findall(r"^#define VRING_VERSION_\w+ (\d+)$", text, re.M))


def commit(sources: Sources) -> str:
    """The commit of the sources, marked if they were changed since; "unknown" outside of a checkout."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(sources.root), *words], capture_output=True, text=True, check=False)

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        if head.returncode != 0 or not git("ls-files", "lib/vring/access.h").stdout:
            return "unknown"
        return head.stdout.strip() + (
            "-modified" if git("diff", "--quiet", "HEAD", "--", "lib", "include", "bench").returncode else ""
        )
    except OSError:
        return "unknown"
