# SPDX-License-Identifier: MIT
"""The command line: ``python -m vring.report codegen [--accessors HEADER]`` and ``python -m vring.report budget``."""

from __future__ import annotations

import argparse
import os
import pathlib
import shlex
import sys

try:
    from . import budget
    from .answer import does_harm
    from .build import ReportError, find_sources
    from .codegen import run
    from .request import Request
except ModuleNotFoundError as missing:
    sys.exit(f"vring.report: {missing.name} is not installed; pip install 'vring[report]' brings it")


def main(arguments: list[str] | None = None) -> int:
    """
    Runs a command. Returns 1 if it could not be done, a budget is exceeded, or a header built nowhere or is not what
    --strict wants, with the reason printed.
    """
    parser = argparse.ArgumentParser(prog="python -m vring.report", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_codegen(commands.add_parser("codegen", help="what each accessor costs, and what compilers do to plain loads"))
    budget = commands.add_parser(
        "budget", help="code size and stack against what is recorded in bench/codegen/budget.csv"
    )
    budget.add_argument(
        "--update", action="store_true", help="record what is; CHANGELOG.md has to give reasons for growth"
    )
    for command in commands.choices.values():
        command.add_argument("--source", type=pathlib.Path, help="the tree to look at; else what is installed")
        command.add_argument(
            "--out", type=pathlib.Path, default=pathlib.Path("build/codegen"), help="folder for what is made"
        )
    options = parser.parse_args(arguments)
    words = arguments if arguments is not None else sys.argv[1:]
    try:
        return run_budget(options) if options.command == "budget" else run_codegen(options, words)
    except (ReportError, OSError, KeyError) as error:
        print(f"vring.report: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 1


def add_codegen(codegen: argparse.ArgumentParser) -> None:
    """What ``codegen`` can be told."""
    codegen.add_argument(
        "--accessors", type=pathlib.Path, help="a header of yours, as VRING_ACCESS_HEADER: compared with ours"
    )
    codegen.add_argument(
        "--strict", action="store_true", help="fail unless that header builds everywhere and keeps each access whole"
    )
    codegen.add_argument(
        "--cc", default="", help="only this compiler, for the target that --target names (x86-64 if none)"
    )
    codegen.add_argument(
        "--cflags",
        default="",
        help="with --cc: what it needs besides, as --cflags='-march=x86-64-v2 -fno-tree-vectorize'",
    )
    codegen.add_argument("--target", action="append", default=[], help="only this target; may be repeated")
    codegen.add_argument(
        "--compiler", action="append", default=[], help='only "gcc", "clang", or a column like "clang 19"'
    )
    codegen.add_argument(
        "--optimisation", action="append", default=[], help="in place of -O2 and -Os: --optimisation=-O3"
    )
    codegen.add_argument(
        "--full", action="store_true", help="all compilers, and all verbs for all targets: several minutes"
    )
    codegen.add_argument("--no-verbs", action="store_true", help="only the places and the gallery")
    codegen.add_argument("--no-races", action="store_true", help="without ThreadSanitizer's verdicts")
    codegen.add_argument(
        "--kernel",
        nargs="?",
        const="auto",
        default="",
        metavar="DIR",
        help="also Linux' own driver: its sources, or Debian's linux-source package if no folder is named",
    )
    codegen.add_argument(
        "--jobs",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="programs built at the same time; else as many as CPUs",
    )


def run_codegen(options: argparse.Namespace, words: list[str]) -> int:
    """
    Makes the page of what was asked for. Returns 1 if the user's header built nowhere. Raises ReportError where two
    options do not go together.
    """
    if options.cc and options.compiler:
        raise ReportError("--cc is the compiler, --compiler chooses among those found: not both")
    if options.cflags and not options.cc:
        raise ReportError("--cflags are for the compiler that --cc names")
    if levels := [flag for flag in options.cflags.split() if flag.startswith("-O")]:
        raise ReportError(f"{levels[0]} in --cflags would not hold: the level is --optimisation={levels[0]}")
    if options.jobs < 1:
        raise ReportError(f"--jobs {options.jobs}: at least one is wanted")
    if options.strict and not options.accessors:
        raise ReportError("--strict is about the header that --accessors names")
    rows = run(
        Request(
            output=options.out,
            source=options.source,
            accessors=options.accessors,
            cc=options.cc,
            cflags=tuple(options.cflags.split()),
            targets=tuple(options.target),
            columns=tuple(options.compiler),
            optimisations=tuple(options.optimisation),
            full=options.full,
            verbs=not options.no_verbs,
            races=not options.no_races,
            jobs=options.jobs,
            kernel=options.kernel,
            command=shlex.join(["python", "-m", "vring.report", *words]),
        )
    )
    mine = [row for row in rows if options.accessors and row.access == options.accessors.stem]
    built_nowhere = bool(mine) and all(row.error for row in mine)
    return int(built_nowhere or (options.strict and does_harm(rows)))


def run_budget(options: argparse.Namespace) -> int:
    """Says what has grown, and with --update writes budget.csv and the tables of docs/codegen.md."""
    sources = find_sources(options.out, options.source)
    recorded = sources.fixtures / "budget.csv"
    before = budget.read(recorded.read_text()) if recorded.exists() else []
    now = budget.measure(sources)
    written, said = budget.record(before, now, (sources.root / "CHANGELOG.md").read_text())
    # Until it is recorded, growth that has its reason is growth.
    said = said if options.update else [budget.complaint(old, entry) for old, entry in budget.grown(before, now)]
    for line in said:
        print(line)
    if said:
        return 1
    if options.update:
        # What cannot be built here stays as it was.
        built = {entry.build for entry in now}
        kept = [entry for entry in before if entry.build not in built]
        recorded.write_text(budget.write(written + kept))
        page = sources.root / "docs" / "codegen.md"
        page.write_text(budget.replace_table(page.read_text(), written + kept))
    print(f"{len(now)} entries, none grown beyond what is recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
