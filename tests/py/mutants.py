# SPDX-License-Identifier: MIT
"""Sources broken on purpose, one place at a time, and the C tests that must then fail."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from limits import MUTANT, PROGRAM

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "c"


@dataclass(frozen=True)
class Mutant:
    """``file`` with ``old`` replaced by ``new``, at its occurrence number ``which``."""

    file: str
    old: str
    new: str
    which: int = 0

    def __str__(self) -> str:
        return f"{self.file}[{self.which}]: {self.old!r} -> {self.new!r}"

    def check(self, sources: Path) -> None:
        """Is there still what this mutant breaks?"""
        assert (sources / self.file).read_text().count(self.old) > self.which, f"nothing to break: {self}"

    def apply(self, sources: Path) -> None:
        path = sources / self.file
        parts = path.read_text().split(self.old)
        head, tail = self.old.join(parts[: self.which + 1]), self.old.join(parts[self.which + 1 :])
        path.write_text(head + self.new + tail)


class Program:
    """
    Some C tests with the library that they test. All objects are made once; for a mutant only those are made again
    whose sources include what is broken.
    """

    def __init__(self, folder: Path, compiler: Sequence[str], sources: Path, tests: Iterable[Path]) -> None:
        self.compiler, self.sources = compiler, sources
        folder.mkdir()
        self.objects: dict[str, Path] = {}  # of the library, by source
        self.needs: dict[str, set[str]] = {}  # by source: it, and what it includes of the library
        for source in sorted(sources.glob("*.c")):
            rule = self._compile(source, folder / f"{source.stem}.o")
            included = {Path(word).resolve() for word in re.findall(r"[^\s\\]+\.[ch]\b", rule.read_text())}
            self.objects[source.name] = folder / f"{source.stem}.o"
            self.needs[source.name] = {path.name for path in included if path.parent == sources}
        # They stop at the first failure: nobody asks for more than one.
        self.tests = []
        for source in (TESTS / "vtest_main.c", *tests):
            self.tests.append(folder / f"test-{source.stem}.o")
            self._compile(source, self.tests[-1], "-DVTEST_FIRST_FAILURE", f"-I{sources.parent}")

    def _compile(self, source: Path, made: Path, *flags: str | Path) -> Path:
        """Returns the make rule that names what the source includes."""
        rule = made.with_suffix(".d")
        subprocess.run(
            [*self.compiler, *flags, "-MD", "-MF", rule, "-c", source, "-o", made], check=True, timeout=PROGRAM
        )
        return rule

    def passes(self, folder: Path, sources: Path | None = None, changed: str = "") -> bool:
        """
        Do all tests pass with the library as it is, or with that of ``sources``, where the file ``changed`` differs?
        What is made is left in ``folder``.
        """
        objects = dict(self.objects)
        for name, needed in self.needs.items():
            if sources and changed in needed:
                objects[name] = folder / f"{name}.o"
                self._compile(sources / name, objects[name])
        program = folder / "tests"
        subprocess.run([*self.compiler, *objects.values(), *self.tests, "-o", program], check=True, timeout=PROGRAM)
        try:
            done = subprocess.run(
                [program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=MUTANT if sources else PROGRAM
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def survivors(mutants: Sequence[Mutant], programs: Sequence[Program], folder: Path) -> list[str]:
    """The mutants that pass every program, of which those that find most stand first."""
    sources = programs[0].sources
    for mutant in mutants:
        mutant.check(sources)

    def survives(numbered: tuple[int, Mutant]) -> bool:
        number, mutant = numbered
        tree = Path(shutil.copytree(sources, folder / str(number)))
        mutant.apply(tree)
        alive = all(program.passes(tree, tree, mutant.file) for program in programs)
        shutil.rmtree(tree)
        return alive

    with ThreadPoolExecutor(2) as pool:
        return [str(mutant) for mutant, alive in zip(mutants, pool.map(survives, enumerate(mutants))) if alive]
