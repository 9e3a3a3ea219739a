# SPDX-License-Identifier: MIT
"""
The same question put to Linux' own split and packed driver: virtio_ring.c of Debian's linux-source package, as it is
and with the reads of what the device writes marked READ_ONCE.

The file is unpacked where the report keeps what it makes, and compiled in user space with the headers of its own
tools/virtio and linux_shim.h, which is ours. They know the barriers of x86-64 and AArch64, so those are the targets.
Sizes and instructions are counted; nothing is run.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .asm import disassemble, foreign, symbols
from .build import Compiler, ReportError, Sources, run_tool
from .measure import Row, body_of, fill_static
from .request import Request
from .targets import target

#: What tools/virtio has barriers for.
KERNEL_TARGETS = ("x86-64", "aarch64")
WHOLE = "virtio_ring.c, all of it"
FUNCTIONS = (
    "virtqueue_kick_prepare",
    "virtqueue_get_buf_ctx",
    "virtqueue_enable_cb_prepare",
    "virtqueue_poll",
    "virtqueue_enable_cb_delayed",
)
NEEDED = (
    "tools/virtio",
    "tools/include",
    "include/linux",
    "include/uapi/linux/virtio*",
    "drivers/virtio/virtio_ring.c",
    "usr/include",
)
FLAGS = (
    "-std=gnu11",
    "-w",
    "-fno-strict-overflow",
    "-fno-strict-aliasing",
    "-fno-common",
    "-fno-pic",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-U_FORTIFY_SOURCE",
    "-DCONFIG_PHYS_ADDR_T_64BIT",
)
#: With CONFIG_LTO, Linux makes READ_ONCE an acquire on AArch64.
LTO = ("-DREPORT_CONFIG_LTO", "-march=armv8.3-a")


def kernel_rows(request: Request, sources: Sources) -> list[Row]:
    """A row per function, build and marking; access PLAIN is the file as it is, VOLATILE the marked one."""
    chosen = [where for where in request.chosen() if where.name in KERNEL_TARGETS]
    if not chosen:
        raise ReportError(f"--kernel is for {' and '.join(KERNEL_TARGETS)}, and neither was asked for")
    tree = find_tree(request, sources)
    folder = sources.output / "kernel"
    folder.mkdir(parents=True, exist_ok=True)
    original = (tree / "drivers/virtio/virtio_ring.c").read_text()
    texts = {"PLAIN": original, "VOLATILE": mark(original)}
    for access, text in texts.items():
        copy_of(folder, access).write_text(text)
    builds = [
        (tree, sources, copy_of(folder, access), where.name, compiler, optimisation, access, extra)
        for access in texts
        for where in chosen
        for compiler in request.asked_of(where)
        for optimisation in request.optimisations or ("-O2", "-Os")
        for extra in ((), LTO)
        if where.name == "aarch64" or not extra
    ]
    with ThreadPoolExecutor(request.jobs) as pool:
        return [row for rows in pool.map(lambda arguments: build(*arguments), builds) for row in rows]


def copy_of(folder: Path, access: str) -> Path:
    return folder / f"virtio_ring.{access}.c"


def find_tree(request: Request, sources: Sources) -> Path:
    """The sources named, or those of the package, unpacked. Raises ReportError that says what to install."""
    if request.kernel != "auto":
        tree = Path(request.kernel)
        if not (tree / "drivers/virtio/virtio_ring.c").is_file():
            raise ReportError(f"{tree} holds no drivers/virtio/virtio_ring.c")
        return tree
    archives = sorted(Path("/usr/src").glob("linux-source-*.tar.xz"))
    if not archives:
        raise ReportError("Linux' sources are not here: apt-get install linux-source, or name a folder that has them")
    tree = sources.output / archives[-1].name.removesuffix(".tar.xz")
    if not (tree / "drivers/virtio/virtio_ring.c").is_file():
        patterns = [f"*/{what}*" if "." in what or "*" in what else f"*/{what}/*" for what in NEEDED]
        sources.output.mkdir(parents=True, exist_ok=True)
        # Elsewhere first: a tree that is there is whole.
        with tempfile.TemporaryDirectory(dir=sources.output) as folder:
            run_tool(["tar", "-xJf", str(archives[-1]), "-C", folder, "--wildcards", *patterns])
            shutil.rmtree(tree, ignore_errors=True)
            (Path(folder) / tree.name).rename(tree)
    return tree


@dataclass(frozen=True)
class Read:
    """An expression of virtio_ring.c that reads what the device writes, and where it stands."""

    line: int
    function: str
    expression: str


def mark(text: str) -> str:
    """
    The text with READ_ONCE round every field that the device writes, where it is read. Raises ReportError where one of
    the ways to read is missing: another version, to be looked at.
    """
    out, end = [], 0
    for start, stop in reads(text):
        out += [text[end:start], f"READ_ONCE({text[start:stop]})"]
        end = stop
    return "".join(out) + text[end:]


def reads(text: str) -> list[tuple[int, int]]:
    """
    Where those expressions begin and end: the argument of a conversion from the wire's byte order, what is tested for a
    flag, and both words of the device's event suppression, which are read as one.
    """
    flags = [m.span(1) for m in re.finditer(r"(\w+->split\.vring\.used->flags)\s*&", text)]
    words = [m.span(1) for m in re.finditer(r"=\s*(\*\(u32 \*\)\s*\w+->packed\.vring\.device)\s*;", text)]
    converted = []
    for start, stop in arguments(text):
        argument = text[start:stop]
        if re.search(r"\bused\b|avail_event|\.vring\.desc\[", argument) and "READ_ONCE" not in argument:
            converted.append((start + len(argument) - len(argument.lstrip()), start + len(argument.rstrip())))
    if len(converted) < 6 or not flags or not words:
        raise ReportError(
            f"this virtio_ring.c reads the device's fields in {len(converted + flags + words)} places that are known: "
            f"{len(converted)} are converted, {len(flags)} tested for a flag and {len(words)} both words of the device's "
            "event suppression, and not at least 6, 1 and 1"
        )
    return sorted(converted + flags + words)


def marked_reads(sources: Sources) -> list[Read]:
    """What was marked in the copy that the last kernel_rows compiled, for its readers."""
    text = copy_of(sources.output / "kernel", "PLAIN").read_text()
    return [
        Read(
            text.count("\n", 0, start) + 1,
            ["", *re.findall(r"^\w[^\n;={]*?\b(\w+)\(", text[:start], re.M)][-1],
            re.sub(r"\s+", " ", text[start:stop]),
        )
        for start, stop in reads(text)
    ]


def arguments(text: str) -> Iterator[tuple[int, int]]:
    """Where the last argument of each conversion from the wire's byte order begins and ends."""
    for found in re.finditer(r"\b(?:virtio|le)(?:16|32)_to_cpu\(", text):
        depth, at, start = 1, found.end(), found.end()
        while depth:
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(text[at], 0)
            if depth == 1 and text[at] == ",":
                start = at + 1
            at += 1
        yield start, at - 1


def build(
    tree: Path,
    sources: Sources,
    copy: Path,
    name: str,
    compiler: Compiler,
    optimisation: str,
    access: str,
    extra: tuple[str, ...],
) -> list[Row]:
    """The rows of one object; one that does not compile is a row with an error."""
    level = optimisation + (" CONFIG_LTO" if extra else "")
    made = copy.with_name(f"{access}.{name}.{compiler.column}.{level}.o".replace(" ", "_"))
    blank = Row("kernel", WHOLE, name, compiler.name, compiler.column, level, access)
    includes = [f"-I{tree / folder}" for folder in ("tools/virtio", "tools/include", "usr/include")]
    shim = ["-include", str(tree / "include/linux/kconfig.h"), "-include", str(sources.fixtures / "linux_shim.h")]
    command = [*compiler.command, *FLAGS, optimisation, *extra, *includes, *shim, "-c", str(copy), "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    blank.error = done.stderr.strip() if done.returncode != 0 else foreign(made, target(name))
    if blank.error:
        return [blank]
    isa = target(name).isa
    code, table = disassemble([made], isa)[made], symbols(made)
    fill_static(blank, isa, [(table[name], function) for name, function in code.items() if name in table])
    blank.bytes, blank.assembly = sum(table[function].size for function in code if function in table), []
    rows = [blank]
    for function in FUNCTIONS:
        if function in code:
            row = Row("kernel", function, name, compiler.name, compiler.column, level, access)
            body = body_of(function, code, table)
            row.bytes = sum(symbol.size for symbol, _ in body)
            fill_static(row, isa, body)
            rows.append(row)
    return rows


def changes_of(rows: Iterable[Row]) -> dict[bool, list[tuple[int, str]]]:
    """By whether it is CONFIG_LTO: how many bytes marking adds to the whole of virtio_ring.c, and by whom of how many."""
    both = {(r.key, r.access): r for r in rows if r.function == WHOLE and not r.error}
    changes: dict[bool, list[tuple[int, str]]] = {False: [], True: []}
    for (key, access), row in both.items():
        marked = both.get((key, "VOLATILE"))
        if access == "PLAIN" and marked:
            said = f"{row.compiler} {row.optimisation} for {row.target}, of {row.bytes}"
            changes[row.optimisation.endswith("LTO")].append((marked.bytes - row.bytes, said))
    return changes


def kernel_sentence(rows: list[Row]) -> str:
    """What marking did to Linux' virtio_ring.c as a whole; "" if it was not built."""
    changes = changes_of(rows)
    if not changes[False]:
        return ""
    compilers = sorted({row.compiler for row in rows if row.function == WHOLE and not row.error})
    said = (
        "Linux' own virtio_ring.c, with every read of what the device writes marked, changes by "
        f"{min(changes[False])[0]:+d} to {max(changes[False])[0]:+d} bytes "
        f"in {len(changes[False])} builds ({', '.join(compilers)}; most: {max(changes[False])[1]})"
    )
    if changes[True]:
        said += (
            f", and with CONFIG_LTO on AArch64, where READ_ONCE is an acquire, by {min(changes[True])[0]:+d} to "
            f"{max(changes[True])[0]:+d} (most: {max(changes[True])[1]})"
        )
    return said + "."
