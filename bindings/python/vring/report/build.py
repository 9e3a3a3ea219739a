# SPDX-License-Identifier: MIT
"""Compilers found, sources compiled and linked, each object once for all runs that ask for the same."""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .targets import Target

COMMON_FLAGS = (
    "-std=c11",
    "-ffreestanding",
    "-ffunction-sections",
    "-fno-pic",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-ident",
    # An accessor that a header lacks would be a call of nothing.
    "-Werror=implicit-function-declaration",
)
VARIANTS = ("PLAIN", "VOLATILE", "RELAXED", "ACQREL")
WORDS = {"PLAIN": "plain", "VOLATILE": "volatile", "RELAXED": "relaxed", "ACQREL": "acquire/release"}


def in_words(access: str) -> str:
    """A variant as prose has it; a header by its own name."""
    return WORDS.get(access, access)


class ReportError(Exception):
    """Something that the user can mend: a tool that is missing, a header that does not compile."""


def gist(error: str) -> str:
    """The line of a compiler's complaint that says what is wrong: the command before it may have the word, too."""
    lines = error.strip().splitlines() or [""]
    return next((line for line in lines if re.search(r"\berror: ", line)), lines[-1])


@functools.cache
def tool(*names: str) -> str:
    """The first of some commands that exists. Raises ReportError that says what to install."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise ReportError(f"none of {', '.join(names)} is installed")


def llvm(name: str) -> str:
    """One of LLVM's tools: the newest version that is here, since it knows the most targets."""
    return tool(*(f"{name}-{version}" for version in range(25, 15, -1)), name)


def linker() -> str:
    return llvm("ld.lld")


@dataclass(frozen=True)
class Compiler:
    """A compiler for one target: its command with what the target needs, and its version in words."""

    family: str  # "gcc" or "clang"
    version: str  # as it says itself
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.family} {self.version}"

    @property
    def column(self) -> str:
        """Name of the column: the family with its major version."""
        return f"{self.family} {self.version.split('.')[0]}"

    @property
    def file(self) -> str:
        """Changes when the compiler's file does: a script in its place has the version of what it runs."""
        found = Path(shutil.which(self.command[0]) or self.command[0]).resolve()
        status = found.stat()
        return f"{found} {status.st_size} {status.st_mtime_ns}"


@functools.cache
def version_of(command: str) -> str:
    """Version of a gcc or clang, or "" if it does not run."""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    found = re.search(r"(?:clang version|\)) (\d+\.\d+\.\d+)", done.stdout.splitlines()[0] if done.stdout else "")
    return found[1] if found and done.returncode == 0 else ""


def clangs() -> list[str]:
    """The oldest clang that we support, and a recent one: those that are here."""
    old = next((name for name in (f"clang-{v}" for v in (14, 15, 16, 17)) if shutil.which(name)), None)
    recent = next((name for name in (f"clang-{v}" for v in (19, 20, 21, 22, 18)) if shutil.which(name)), None)
    return [name for name in (old, recent) if name]


def compilers(target: Target, columns: Iterable[str] = ()) -> list[Compiler]:
    """
    The compilers that are here and know the target; only those of some columns ("gcc", "clang 19"), if any are named.
    """
    found = []
    if target.gcc and (version := version_of(target.gcc)):
        found.append(Compiler("gcc", version, (target.gcc, *target.gcc_flags)))
    for name in clangs():
        version = version_of(name)
        if version and int(version.split(".")[0]) >= target.clang_since:
            found.append(Compiler("clang", version, (name, f"--target={target.triple}", *target.clang_flags)))
    wanted = set(columns)
    return [c for c in found if not wanted or wanted & {c.family, c.column}]


def user_compiler(command: str, flags: tuple[str, ...]) -> Compiler:
    """What --cc and --cflags say."""
    version = version_of(command)
    if not version:
        raise ReportError(f"'{command}' is no gcc or clang that runs here")
    first = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
    return Compiler("clang" if "clang" in first else "gcc", version, (command, *flags))


@dataclass(frozen=True)
class Access:
    """A way of touching shared memory: the name of a variant, or a header."""

    name: str
    header: Path | None = None

    def flags(self) -> tuple[str, ...]:
        if self.header:
            return (f'-DVRING_ACCESS_HEADER="{self.header}"',)
        return (f"-DVRING_ACCESS_{self.name}",)


@dataclass(frozen=True)
class Sources:
    """
    Where the C lies: include/, lib/vring/ and the report's own, and a folder for what is made.

    Headers of libvring are found by their bare names, as its own sources find them.
    """

    root: Path
    fixtures: Path
    output: Path

    @property
    def seldom(self) -> list[Path]:
        """What is there to save, restore and look at a queue, and the split cells of the other byte order."""
        return [
            path
            for path in (self.root / "lib" / "vring").glob("*.c")
            if path.stem.endswith(("_resume", "_snapshot")) or path.stem.startswith("split_be_")
        ]

    @property
    def cells(self) -> list[Path]:
        """What a buffer passes through: everything of the library but what follows."""
        return sorted(set(self.library) - set(self.support))

    @property
    def private(self) -> list[Path]:
        """Those of the cells that see private memory alone, and are the same for every accessor."""
        return [path for path in self.library if path.stem in ("chain", "heads", "regions")]

    @property
    def support(self) -> list[Path]:
        """What runs once per queue or in case of an error, and the facade."""
        once = ("device", "driver", "error", "features", "inflight", "layout", "peer")
        return [path for path in self.library if path.stem in once or path.stem.endswith(("_resume", "_snapshot"))]

    @property
    def library(self) -> list[Path]:
        """All of libvring, but for the second build of the split cells, for legacy rings of the other byte order."""
        return [
            path for path in sorted((self.root / "lib" / "vring").glob("*.c")) if not path.stem.startswith("split_be_")
        ]

    def includes(self) -> tuple[str, ...]:
        # The library has headers whose names C libraries use, too: they are for quotes alone.
        return (
            f"-I{self.root / 'include'}",
            "-iquote",
            str(self.root / "lib" / "vring"),
            "-iquote",
            str(self.fixtures),
        )

    @functools.cached_property
    def stamp(self) -> str:
        """Changes when a header does."""
        digest = hashlib.sha256()
        for folder in (self.root / "include" / "vring", self.root / "lib" / "vring", self.fixtures):
            for path in sorted(folder.glob("*.h")):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()


def find_sources(output: Path, root: Path | None = None) -> Sources:
    """The tree at root; else the one that this file lies in, or the copy that was installed with it."""
    here = Path(__file__).resolve().parent
    for candidate in [root.resolve()] if root else (here / "source", *here.parents):
        if (candidate / "lib" / "vring" / "access.h").exists() and (
            candidate / "bench" / "codegen" / "places.c"
        ).exists():
            return Sources(candidate, candidate / "bench" / "codegen", output.resolve())
    raise ReportError(f"the C sources of libvring are not {f'in {root}' if root else 'beside this package'}")


def run_tool(command: list[str]) -> str:
    """Output of a command that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, errors="replace")
    if done.returncode != 0:
        raise ReportError(f"{' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def compile_object(
    sources: Sources, compiler: Compiler, optimisation: str, access: Access, *files: Path, extra: tuple[str, ...] = ()
) -> Path:
    """
    The object of one source, or of several as one, since starting a compiler takes longest. Raises ReportError with
    what it said.
    """
    command = [*compiler.command, *COMMON_FLAGS, optimisation, *access.flags(), *extra, *sources.includes()]
    digest = hashlib.sha256("\0".join([compiler.version, compiler.file, *command, sources.stamp]).encode())
    for read in files:
        digest.update(read.read_bytes())
    if access.header:  # which may include others
        digest.update(run_tool([*command, *as_one(files), "-E"]).encode())
    made = sources.output / "objects" / f"{'-'.join(path.stem for path in files)}-{digest.hexdigest()[:24]}.o"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        unfinished = made.with_name(f"{made.stem}-{threading.get_native_id()}.o")
        run_tool([*command, *as_one(files), "-c", "-o", str(unfinished)])
        for beside in (".ci", ".su"):  # what gcc writes about stack and calls
            if unfinished.with_suffix(beside).exists():
                unfinished.with_suffix(beside).rename(made.with_suffix(beside))
        unfinished.rename(made)
    return made


@functools.cache
def libgcc(compiler: Compiler) -> Path:
    """What gcc brings for its own code to call."""
    return Path(run_tool([*compiler.command, "-print-libgcc-file-name"]).strip())


def as_one(files: Iterable[Path]) -> list[str]:
    """What makes a compiler take several sources for one."""
    *before, last = map(str, files)
    return [word for path in before for word in ("-include", path)] + [last]


def link(sources: Sources, objects: list[Path]) -> Path:
    """A program at fixed addresses, for the emulator. What nobody defines is 0."""
    script = sources.fixtures / "rig.ld"
    flags = [
        "-T",
        str(script),
        "--no-relax",
        "-static",
        "-e",
        "rig_start",
        "-z",
        "norelro",
        "-z",
        "max-page-size=65536",
        "--unresolved-symbols=ignore-all",
    ]
    stamp = hashlib.sha256("\0".join([script.read_text(), *flags, *(path.name for path in objects)]).encode())
    made = sources.output / "programs" / f"{stamp.hexdigest()[:24]}.elf"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        unfinished = made.with_suffix(f".{threading.get_native_id()}")
        run_tool([linker(), *flags, "-o", str(unfinished), *map(str, objects)])
        unfinished.rename(made)
    return made
