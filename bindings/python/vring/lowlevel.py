# SPDX-License-Identifier: MIT
"""
The C libraries as they are: ``lib`` has every function and constant of ``include/vring`` and ``include/bounce``,
``ffi`` makes and reads their structs. Everything else in this package is built on these two names.

Memory that ``ffi.new`` gives lives as long as the object that names it, and no pointer stored in a C struct keeps it
alive.
"""

from typing import Any, TypeAlias

from vring._vring import ffi, lib

__all__ = ["CData", "ffi", "lib", "host_address"]

CData: TypeAlias = Any
"""A C value that cffi owns or points to; the C compiler has checked its type."""


def host_address(pointer: CData) -> int:
    """The address, in this process, that ``pointer`` holds."""
    return int(ffi.cast("uintptr_t", pointer))
