# SPDX-License-Identifier: MIT
"""
How large the library is and how deep its stack goes, recorded per function and target, and held.

A cell (split_driver.c and its like) may grow by 5 % and a verb's stack by 16 bytes before someone has to say why: a line
of CHANGELOG.md that begins with "- Size:" or "- Stack:" and names the cell or the verb. After that
``python -m vring.report budget --update`` records the new numbers.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from .asm import symbols
from .build import Access, Compiler, ReportError, Sources, compile_object, compilers
from .targets import target

#: What is recorded: gcc, since it also writes down the frame of every function and who calls whom.
RECORDED = (("x86-64", "-O2"), ("x86-64", "-Os"), ("aarch64", "-O2"), ("riscv64", "-O2"), ("cortex-m4", "-Os"), ("s390x", "-O2"))
GROWTH = 1.05
STACK_SLACK = 16
CELLS = ("split_driver", "split_device", "packed_driver", "packed_device")
FIELDS = ("target", "compiler", "optimisation", "cell", "function", "bytes", "stack")


@dataclass(frozen=True)
class Entry:
    """One function; or a whole cell, with function "" and stack the deepest of its functions."""

    target: str
    compiler: str  # family and major version
    optimisation: str
    cell: str
    function: str
    bytes: int
    stack: int

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        return (self.target, self.compiler, self.optimisation, self.cell, self.function)


def measure(sources: Sources) -> list[Entry]:
    """Every public function of the cells, as the default accessors make it. A target without its gcc has no entries."""
    found: list[Entry] = []
    for name, optimisation in RECORDED:
        for compiler in compilers(target(name), ["gcc"]):
            found += measure_one(sources, name, compiler, optimisation)
    return found


def measure_one(sources: Sources, name: str, compiler: Compiler, optimisation: str) -> list[Entry]:
    objects = {path.stem: compile_object(sources, compiler, optimisation, Access("ACQREL"), path, ("-fcallgraph-info=su",))
               for path in sources.library}
    depth = stack_depths([path.with_suffix(".ci") for path in objects.values()])
    found = []
    for cell in CELLS:
        sizes: dict[str, int] = defaultdict(int)
        for symbol in symbols(objects[cell]).values():
            sizes[symbol.name.split(".")[0]] += symbol.size
        verbs = {function: depth[function] for function in sizes if function.startswith("vring_")}
        found.append(Entry(name, compiler.column, optimisation, cell, "", sum(sizes.values()), max(verbs.values())))
        found += [Entry(name, compiler.column, optimisation, cell, function, sizes[function], stack)
                  for function, stack in sorted(verbs.items())]
    return found


def stack_depths(graphs: list[Path]) -> dict[str, int]:
    """
    Bytes of stack below the caller, by function, with the deepest of what it calls.

    graphs: what gcc writes for -fcallgraph-info=su. Raises ReportError for recursion and for a frame without a bound.
    A function that is in none of them (memcpy and its like) counts as nothing.
    """
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = defaultdict(set)
    for graph in graphs:
        text = graph.read_text()
        for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]+)"', text):
            if found := re.search(r"(\d+) bytes \(([\w,]+)", label):
                if found[2] not in ("static", "dynamic,bounded"):
                    raise ReportError(f"{title} has a frame without a bound")
                frames[title] = int(found[1])
        for caller, called in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls[caller].add(called)
    depths: dict[str, int] = {}

    def depth(title: str, above: tuple[str, ...] = ()) -> int:
        if title in above:
            raise ReportError(f"{title} calls itself")
        if title not in depths:
            below = max((depth(called, (*above, title)) for called in calls[title]), default=0)
            depths[title] = frames.get(title, 0) + below
        return depths[title]

    for title in list(frames):
        depth(title)
    # A static function's title begins with its file; a public one's is its name.
    return {title.rsplit(":", 1)[-1]: value for title, value in depths.items() if title in frames}


def read(text: str) -> list[Entry]:
    return [Entry(row["target"], row["compiler"], row["optimisation"], row["cell"], row["function"], int(row["bytes"]),
                  int(row["stack"])) for row in csv.DictReader(io.StringIO(text))]


def write(entries: list[Entry]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows([getattr(entry, name) for name in FIELDS] for entry in entries)
    return out.getvalue()


def complaints(recorded: list[Entry], now: list[Entry], changelog: str) -> list[str]:
    """What has grown more than it may, and no line of the changelog says why. Empty if all is well."""
    before = {entry.key: entry for entry in recorded}
    said: list[str] = []
    for entry in now:
        old = before.get(entry.key)
        if old is None:
            continue
        build = f"{entry.compiler} {entry.optimisation} for {entry.target}"
        if not entry.function and entry.bytes > old.bytes * GROWTH and not explained("Size", entry.cell, changelog):
            said.append(f"{entry.cell}: {old.bytes} -> {entry.bytes} bytes by {build}; a line \"- Size: ... `{entry.cell}` ...\" "
                        "of CHANGELOG.md has to say why")
        if entry.function and entry.stack > old.stack + STACK_SLACK and not explained("Stack", entry.function, changelog):
            said.append(f"{entry.function}: stack {old.stack} -> {entry.stack} bytes by {build}; a line \"- Stack: ... "
                        f"`{entry.function}` ...\" of CHANGELOG.md has to say why")
    return said


def explained(what: str, name: str, changelog: str) -> bool:
    """Does an entry of the unreleased part begin with "- Size:" or "- Stack:" and name it?"""
    unreleased = changelog.split("\n## ", 2)[1] if "\n## " in changelog else changelog
    return any(entry.startswith(f"{what}:") and f"`{name}`" in entry for entry in unreleased.split("\n- "))


def table(entries: list[Entry]) -> str:
    """Markdown: bytes of the cells, and the deepest stack of each verb, per target."""
    builds = list(dict.fromkeys((e.target, e.compiler, e.optimisation) for e in entries))
    head = [f"{t} {o}" for t, _, o in builds]
    lines = ["| bytes | " + " | ".join(head) + " |", "|---|" + "---:|" * len(builds)]
    by = {e.key: e for e in entries}
    for cell in CELLS:
        lines.append(f"| {cell} | " + " | ".join(str(by[(*build, cell, "")].bytes) for build in builds) + " |")
    lines += ["", "| stack, bytes | " + " | ".join(head) + " |", "|---|" + "---:|" * len(builds)]
    for cell, function in dict.fromkeys((e.cell, e.function) for e in entries if e.function):
        depths = [str(by[(*build, cell, function)].stack) if (*build, cell, function) in by else "-" for build in builds]
        lines.append(f"| {function} | " + " | ".join(depths) + " |")
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- sizes: made by python -m vring.report budget --update -->\n", "<!-- end of sizes -->\n"


def replace_table(page: str, entries: list[Entry]) -> str:
    """The page with its tables of sizes made anew. Raises ReportError if it has no place for them."""
    if BEGIN not in page or END not in page:
        raise ReportError("docs/codegen.md has no place for the sizes")
    return page[:page.index(BEGIN) + len(BEGIN)] + "\n" + table(entries) + "\n" + page[page.index(END):]
