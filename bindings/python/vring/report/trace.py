# SPDX-License-Identifier: MIT
"""What a call did: its instructions, and its accesses to the memory that the peer sees. How it ran is not known here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .asm import Symbol, symbols


@dataclass(frozen=True)
class Access:
    """One access to shared memory. step is the index of its instruction in the run."""

    kind: str  # "load", "store" or "fence"
    symbol: str
    offset: int
    width: int
    step: int = -1


@dataclass
class Run:
    """What one call did, without what its caller did."""

    steps: list[int] = field(default_factory=list)  # addresses of the instructions, as executed
    accesses: list[Access] = field(default_factory=list)  # to shared memory
    intents: list[Access] = field(default_factory=list)  # in the build with hooks: what the source asks for
    result: int = 0


class Layout:
    """Where a program's symbols are."""

    def __init__(self, program: Path) -> None:
        self.symbols = symbols(program)
        self.shared = [s for name, s in self.symbols.items() if name.startswith("shared_")]
        #: First and last byte of all of it.
        self.span = min(s.address for s in self.shared), max(s.address + s.size for s in self.shared) - 1

    def shared_at(self, address: int) -> Symbol | None:
        return next((s for s in self.shared if s.address <= address < s.address + s.size), None)

    def access(self, kind: str, address: int, width: int, step: int = -1) -> Access | None:
        symbol = self.shared_at(address)
        return Access(kind, symbol.name, address - symbol.address, width, step) if symbol else None
