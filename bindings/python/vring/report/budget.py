# SPDX-License-Identifier: MIT
"""
How large the library is and how deep its stack goes, recorded per function and target, and held.

A cell (a format's driver or device, with all that it needs) may grow by 5 % and a verb's stack by 16 bytes before
someone has to say why: an entry of CHANGELOG.md that begins with "- Size:" or "- Stack:" and names the cell or the
verb. After that ``python -m vring.report budget --update`` records the new numbers, and that this reason is spent for
them: what grows again wants another. Growth is counted from where a reason was last given, so that many small steps
want one, too.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from .asm import symbols
from .build import Access, Compiler, ReportError, Sources, compile_object, compilers, linker, run_tool
from .targets import target

#: What is recorded, and with which features, if not all and restarts: gcc, since it also writes down the frame of every
#: function and who calls whom.
ALL = "ALL"
RECORDED = (
    ("x86-64", "-O2", ALL),
    ("x86-64", "-Os", ALL),
    ("x86-64", "-Os", "VERSION_1 RING_PACKED"),
    ("aarch64", "-O2", ALL),
    ("riscv64", "-O2", ALL),
    ("cortex-m4", "-Os", ALL),
    ("cortex-m4", "-Os", "VERSION_1"),
    ("s390x", "-O2", ALL),
)
GROWTH = 1.05
STACK_SLACK = 16
CELLS = ("split_driver", "split_device", "packed_driver", "packed_device")
#: The verbs that a buffer passes through, which are what other people's sizes are of.
PLAIN_VERBS = {"driver": ("add_avail", "publish", "get_used"), "device": ("get_avail", "add_used", "publish")}
#: Cells that are linked together, by the name under which they are recorded.
PLAIN = {
    "split_driver, plain verbs": ("split_driver",),
    "split_device, plain verbs": ("split_device",),
    "split, plain verbs": ("split_driver", "split_device"),
    "split and packed, plain verbs": CELLS,
}


@dataclass(frozen=True)
class Entry:
    """
    One function; or with function "" a whole cell or the plain verbs of some, and the deepest stack of its functions.
    """

    target: str
    compiler: str  # family and major version
    optimisation: str
    features: str
    cell: str
    function: str
    bytes: int
    stack: int
    since: int = -1  # what growth is counted from: bytes of a cell, or stack of a function; -1: what it has
    reason: str = ""  # the one that was given for that, see digest()

    @property
    def held(self) -> int:
        """What may not grow in silence."""
        return self.stack if self.function else self.bytes

    @property
    def limit(self) -> float:
        since = self.held if self.since < 0 else self.since
        return since + STACK_SLACK if self.function else since * GROWTH

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        return (*self.build, self.cell, self.function)

    @property
    def build(self) -> tuple[str, str, str, str]:
        return (self.target, self.compiler, self.optimisation, self.features)


@dataclass(frozen=True)
class Goal:
    """At most so many bytes, of the first of some features that a build has recorded."""

    target: str
    optimisation: str
    features: str
    cell: str
    bytes: int


GOALS = (
    Goal("cortex-m4", "-Os", "VERSION_1", "split, plain verbs", 1300),
    Goal("cortex-m4", "-Os", "VERSION_1", "split_driver, plain verbs", 700),
    Goal("cortex-m4", "-Os", "VERSION_1", "split_device, plain verbs", 650),
    Goal("x86-64", "-Os", "VERSION_1 RING_PACKED", "split and packed, plain verbs", 3000),
)


def measure(sources: Sources) -> list[Entry]:
    """Every public function of the cells, as the default accessors make it. A target without its gcc has no entries."""
    found: list[Entry] = []
    for name, optimisation, features in RECORDED:
        for compiler in compilers(target(name), ["gcc"]):
            found += measure_one(sources, name, compiler, optimisation, features)
    return found


def measure_one(sources: Sources, name: str, compiler: Compiler, optimisation: str, features: str = ALL) -> list[Entry]:
    flags = ("-fcallgraph-info=su", *features_flags(features))
    objects = {
        path.stem: compile_object(sources, compiler, optimisation, Access("ACQREL"), path, extra=flags)
        for path in sources.library
    }
    depth = stack_depths([path.with_suffix(".ci") for path in objects.values()])
    sizes: dict[str, int] = defaultdict(int)
    for stem in (path.stem for path in sources.cells):
        for symbol in symbols(objects[stem]).values():
            sizes[symbol.name.split(".")[0]] += symbol.size
    found = []
    for cell in CELLS:
        verbs = sorted(function for function in sizes if function.startswith(f"vring_{cell}_"))
        together = {cell: verbs}
        if cell == CELLS[-1]:
            together |= {what: [verb for one in cells for verb in plain_verbs(one)] for what, cells in PLAIN.items()}
        found += [
            Entry(
                name,
                compiler.column,
                optimisation,
                features,
                what,
                "",
                linked_size(sources, objects.values(), some),
                max(depth[verb] for verb in some),
            )
            for what, some in together.items()
        ]
        found += [
            Entry(name, compiler.column, optimisation, features, cell, verb, sizes[verb], depth[verb]) for verb in verbs
        ]
    return found


def features_flags(features: str) -> tuple[str, ...]:
    """
    What tells a compiler to build no other features than those, by the spec's names, nothing for restarts, for one
    region, and for one belief about used lengths.
    """
    if features == ALL:
        return ()
    return (
        f"-DVRING_BUILD_FEATURES=({'|'.join(f'VRING_F_{feature}' for feature in features.split())})",
        "-DVRING_BUILD_RESTART=0",
        "-DVRING_BUILD_REGIONS=0",
        "-DVRING_BUILD_USED_LEN=0",
    )


def plain_verbs(cell: str) -> list[str]:
    return [f"vring_{cell}_{verb}" for verb in PLAIN_VERBS[cell.split("_")[1]]]


def linked_size(sources: Sources, objects: Iterable[Path], functions: Iterable[str]) -> int:
    """
    Bytes of code and constants in a program of these functions and all that they call; memcpy and its like are not
    ours.
    """
    made = sources.output / "programs" / "size.elf"
    made.parent.mkdir(parents=True, exist_ok=True)
    wanted = [word for function in functions for word in ("-u", function)]
    run_tool(
        [
            linker(),
            "--gc-sections",
            "--unresolved-symbols=ignore-all",
            "--no-relax",
            "-e",
            "0",
            *wanted,
            "-o",
            str(made),
            *map(str, objects),
        ]
    )
    with made.open("rb") as file:
        return sum(
            section["sh_size"]
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & 2 and section.name.startswith((".text", ".rodata", ".data", ".bss"))
        )  # SHF_ALLOC


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
            raise ReportError(
                f"{title} calls itself, by way of {', '.join(above[above.index(title) + 1 :]) or 'itself'}"
            )
        if title not in depths:
            below = max((depth(called, (*above, title)) for called in calls[title]), default=0)
            depths[title] = frames.get(title, 0) + below
        return depths[title]

    for title in list(frames):
        depth(title)
    # A static function's title begins with its file; a public one's is its name.
    return {title.rsplit(":", 1)[-1]: value for title, value in depths.items() if title in frames}


def read(text: str) -> list[Entry]:
    numbers = {field.name for field in dataclasses.fields(Entry) if field.type == "int"}

    def entry(row: dict[str, Any]) -> Entry:
        return Entry(**(row | {name: int(row[name]) for name in numbers & row.keys()}))

    return [entry(row) for row in csv.DictReader(io.StringIO(text))]


def write(entries: list[Entry]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(Entry))
    writer.writerows(dataclasses.astuple(entry) for entry in entries)
    return out.getvalue()


def grown(recorded: list[Entry], now: list[Entry]) -> list[tuple[Entry, Entry]]:
    """What has grown more than it may: as recorded, and as it is."""
    before = {entry.key: entry for entry in recorded}
    return [(before[entry.key], entry) for entry in now if entry.key in before and entry.held > before[entry.key].limit]


def record(recorded: list[Entry], now: list[Entry], changelog: str) -> tuple[list[Entry], list[str]]:
    """
    What to write down, and complaints: of everything that has grown more than it may, and no unspent reason says why.
    """
    before = {entry.key: entry for entry in recorded}
    too_large = {entry.key for _, entry in grown(recorded, now)}
    written, said = [], []
    for entry in now:
        old = before.get(entry.key, entry)
        since, reason = old.held if old.since < 0 else old.since, old.reason
        if entry.key in too_large:
            fresh = reason_for(entry, old.reason, changelog)
            if not fresh:
                said.append(complaint(old, entry))
            since, reason = entry.held, fresh
        written.append(dataclasses.replace(entry, since=min(since, entry.held), reason=reason))
    return written, said


def complaint(old: Entry, entry: Entry) -> str:
    what, name, unit = ("Stack", entry.function, "bytes of stack") if entry.function else ("Size", entry.cell, "bytes")
    spent = " other than the one that was spent on it already" if old.reason else ""
    since = "" if old.since in (-1, old.held) else f" (since a reason was last given: {old.since} -> {entry.held})"
    return (
        f"{name}: {old.held} -> {entry.held} {unit}{since} by {entry.compiler}, {title(entry.build)}; "
        f'an entry "- {what}: ... `{name}` ..." of CHANGELOG.md{spent} '
        f'has to say why, then "python -m vring.report budget --update" records it'
    )


def reason_for(entry: Entry, spent: str, changelog: str) -> str:
    """
    The digest of an entry of the unreleased part that begins with "- Size:" or "- Stack:", names this, and is not the
    one spent; "" if there is none.
    """
    unreleased = changelog.split("\n## ", 2)[1] if "\n## " in changelog else changelog
    what, name = ("Stack", entry.function) if entry.function else ("Size", entry.cell)
    given = [text for text in unreleased.split("\n- ") if text.startswith(f"{what}:") and f"`{name}`" in text]
    return next((one for one in map(digest, given) if one != spent), "")


def digest(text: str) -> str:
    """Of a reason by its words, however it is broken into lines: naming one more cell in it renews it for no other."""
    words = re.sub(r"`[^`]*`,?", "", text).split()
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:8]


def table(entries: list[Entry]) -> str:
    """Markdown: the goals, bytes of the cells and of the plain verbs, and the deepest stack of each verb, per build."""
    builds = list(dict.fromkeys(e.build for e in entries))
    head = " | ".join(map(title, builds))
    by = {e.key: e for e in entries}
    lines = ["| goal, bytes | at most | reached | with all features |", "|---|---:|---:|---:|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in goals(entries)]
    lines += ["", f"| bytes | {head} |", "|---|" + "---:|" * len(builds)]
    lines += ["| " + " | ".join(map(str, [cell, *sizes])) + " |" for cell, sizes in cells_table(entries, builds)]
    lines += ["", f"| stack, bytes | {head} |", "|---|" + "---:|" * len(builds)]
    for cell, function in dict.fromkeys((e.cell, e.function) for e in entries if e.function):
        depths = [
            str(by[(*build, cell, function)].stack) if (*build, cell, function) in by else "-" for build in builds
        ]
        lines.append(f"| {function} | " + " | ".join(depths) + " |")
    return "\n".join(lines) + "\n"


def title(build: tuple[str, str, str, str]) -> str:
    """Of a column: "cortex-m4 -Os, VERSION_1 alone"."""
    name, _, optimisation, features = build
    return f"{name} {optimisation}" + ("" if features == ALL else f", {features.replace(' ', ', ')} alone")


def cells_table(entries: list[Entry], builds: list[tuple[str, str, str, str]]) -> list[tuple[str, list[int]]]:
    """(cell, its bytes in each build), for the cells and for what is linked of some."""
    by = {e.key: e.bytes for e in entries}
    return [(cell, [by[(*build, cell, "")] for build in builds]) for cell in (*CELLS, *PLAIN)]


def goals(entries: list[Entry]) -> list[tuple[str, int, int, int]]:
    """(what, goal, reached, the same with all features) in bytes, for every goal whose builds are recorded."""
    by = {(e.target, e.optimisation, e.features, e.cell): e.bytes for e in entries if not e.function}
    found = []
    for goal in GOALS:
        small, whole = ((goal.target, goal.optimisation, features, goal.cell) for features in (goal.features, ALL))
        if small in by and whole in by:
            found.append(
                (
                    f"{goal.cell}: {title((goal.target, '', goal.optimisation, goal.features))}",
                    goal.bytes,
                    by[small],
                    by[whole],
                )
            )
    return found


BEGIN, END = "<!-- sizes: made by python -m vring.report budget --update -->\n", "<!-- end of sizes -->\n"


def replace_table(page: str, entries: list[Entry]) -> str:
    """The page with its tables of sizes made anew. Raises ReportError if it has no place for them."""
    if BEGIN not in page or END not in page:
        raise ReportError("docs/codegen.md has no place for the sizes")
    return page[: page.index(BEGIN) + len(BEGIN)] + "\n" + table(entries) + "\n" + page[page.index(END) :]
