# SPDX-License-Identifier: MIT
"""
Cycles of the executed instructions by llvm-mca's model of one CPU of each target.

The model sees the instructions in the order in which they ran, thirty times over, with every load a hit in the first
cache. It does not know what a fence waits for, what a branch costs that was foreseen wrongly, what a line costs that
another CPU has, and that a load may not pass an atomic one. So it says what the added instructions cost, and nothing
of the price of order.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from .build import ReportError, llvm
from .measure import Row
from .targets import Target, target

ITERATIONS = 30
CALLS = {"call", "bl", "blx", "brasl", "basr", "jal", "jalr"}  # what is called follows in the path
COMMENT = {"arm": "@", "aarch64": "//"}


def fill_cycles(rows: Iterable[Row], parallel: int = 2) -> None:
    """Sets cycles per call in every row whose target has a model; the others keep None."""
    by_target: dict[str, list[Row]] = {}
    for row in rows:
        if row.path and target(row.target).mca:
            by_target.setdefault(row.target, []).append(row)
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(_fill, by_target.items()))


def _fill(of_target: tuple[str, list[Row]]) -> None:
    name, rows = of_target
    paths = {path: f"p{i}" for i, path in enumerate(dict.fromkeys(tuple(row.path) for row in rows))}
    try:
        cycles = run_mca(target(name), {region: path for path, region in paths.items()})
    except ReportError as error:  # it has been seen to crash
        print(f"vring.report: no cycles for {name}: {str(error).splitlines()[0]}", file=sys.stderr)
        return
    for row in rows:
        row.cycles = cycles.get(paths[tuple(row.path)])


def run_mca(where: Target, regions: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """Cycles per pass of each named piece of straight code. A piece that the model cannot take is left out."""
    assert where.mca
    triple, cpu = where.mca
    comment = COMMENT.get(where.isa, "#")
    lines = [".intel_syntax noprefix"] if where.isa == "x86" else []
    if where.name.startswith("cortex-m"):
        lines.append(".thumb")
    for name, path in regions.items():
        straight = [line for line in path if line.split(" ")[0] not in CALLS]
        lines += [f"{comment} LLVM-MCA-BEGIN {name}", *straight, f"{comment} LLVM-MCA-END {name}"]
    command = [
        llvm("llvm-mca"),
        f"-mtriple={triple}",
        f"-mcpu={cpu}",
        "-json",
        f"-iterations={ITERATIONS}",
        "-resource-pressure=false",
        "-instruction-info=false",
        "-skip-unsupported-instructions=any",
    ]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=300, check=False
    )
    if not done.stdout.lstrip().startswith("{"):
        raise ReportError(f"{' '.join(command)}\n{done.stderr[:2000]}")
    return {
        region["Name"]: region["SummaryView"]["TotalCycles"] / ITERATIONS
        for region in json.loads(done.stdout)["CodeRegions"]
        if "SummaryView" in region
    }
