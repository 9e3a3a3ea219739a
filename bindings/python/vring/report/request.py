# SPDX-License-Identifier: MIT
"""What the command line asks of the codegen report."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from .build import Compiler, compilers, user_compiler
from .targets import TARGETS, Target, target


@dataclass
class Request:
    """What the command line asks for."""

    output: Path
    source: Path | None = None
    accessors: Path | None = None
    cc: str = ""
    cflags: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    optimisations: tuple[str, ...] = ()
    full: bool = False
    verbs: bool = True
    races: bool = True
    jobs: int = 2
    kernel: str = ""
    command: str = "./run codegen"
    progress: bool = field(default_factory=sys.stderr.isatty)

    def chosen(self) -> list[Target]:
        """The targets: those named; x86-64, if only ``cc`` is named; else all."""
        if self.targets:
            return [target(name) for name in self.targets]
        return [target("x86-64")] if self.cc else list(TARGETS)

    def asked_of(self, where: Target) -> list[Compiler]:
        """The compilers for a target: the one that ``cc`` names, or those found of the columns asked for."""
        return [user_compiler(self.cc, self.cflags)] if self.cc else compilers(where, self.columns)
