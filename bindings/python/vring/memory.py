# SPDX-License-Identifier: MIT
"""Memory that a driver and a device share, with one owner and device addresses."""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vring.lowlevel import CData, ffi, host_address

__all__ = ["Buffer", "GuestMemory", "Region", "Segment"]

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap.mmap
"""What Python calls an object that supports the buffer protocol; contiguous, and writable where it says so."""

Segment: TypeAlias = tuple[int, int]
"""One piece of a buffer: device address and length in bytes (``struct vring_segment``)."""


def pin(buffer: Buffer, writable: bool) -> tuple[memoryview, CData]:
    """
    A view of all bytes of ``buffer`` that is ours alone, and where they are. The pointer is good while the view
    lives: it holds the buffer in its place, whatever happens to the object that was given.

    Raises TypeError if the bytes are not contiguous, BufferError if they are not writable although they must be.

    cffi lets go of the view at once, because Python's collector crashes (seen with 3.11.7) when it finds a view that
    is still exported in a cycle.
    """
    view = memoryview(buffer).cast("B")
    exported = ffi.from_buffer(view, require_writable=writable)
    pointer = ffi.cast("char *", host_address(exported))
    ffi.release(exported)
    return view, pointer


class GuestMemory:
    """
    One block of memory with device addresses ``base`` to ``base + size - 1``.

    It is the single owner: queues, pools, chains and views made from it keep it alive, and it cannot be closed under
    them. Rings and buffers are named by device address, never by pointer.
    """

    def __init__(self, size: int, base: int = 0x10000, *, fd: int = -1) -> None:
        """
        ``size`` bytes of zeroes; or of the file ``fd`` (a memfd, say), from its start, shared with whoever maps it too.

        Raises ValueError for a size that is not positive, or a range that leaves the 64-bit address space.
        """
        if not isinstance(size, int) or not isinstance(base, int):
            raise TypeError(f"GuestMemory: size and base must be ints, not {size!r} and {base!r}")
        if size <= 0:
            raise ValueError(f"GuestMemory: size must be positive, not {size}")
        self._adopt(mmap.mmap(fd, size), size, base)

    @classmethod
    def over(cls, buffer: bytearray | memoryview | mmap.mmap, base: int = 0x10000) -> "GuestMemory":
        """
        Device addresses for writable memory that exists already. It must be 16-byte aligned, as descriptors are
        (2.7).
        """
        memory = cls.__new__(cls)
        memory._adopt(buffer, memoryview(buffer).nbytes, base)
        return memory

    def _adopt(self, buffer: bytearray | memoryview | mmap.mmap, size: int, base: int) -> None:
        if not isinstance(base, int):
            raise TypeError(f"GuestMemory: base must be an int, not {base!r}")
        if not 0 <= base <= 2**64 - size:
            raise ValueError(f"GuestMemory: base {base:#x} and size {size:#x} leave the 64-bit address space")
        self._view, self._pointer = pin(buffer, writable=True)
        if host_address(self._pointer) % 16:
            raise ValueError("GuestMemory: the memory must be 16-byte aligned")
        self._next = base
        self.base = base
        self.size = size

    def __repr__(self) -> str:
        return f"GuestMemory(size={self.size:#x}, base={self.base:#x})"

    def allocate(self, size: int, align: int = 16) -> int:
        """
        The device address of ``size`` bytes that nobody has asked for yet, a multiple of ``align``. Nothing is ever
        given back: that is what a :class:`vring.BouncePool` is for. Raises MemoryError when the block is used up.
        """
        if not isinstance(size, int) or not isinstance(align, int):
            raise TypeError(f"allocate: size and align must be ints, not {size!r} and {align!r}")
        if size <= 0 or align <= 0 or align & (align - 1):
            raise ValueError(f"allocate: size must be positive and align a power of two, not {size} and {align}")
        addr = (self._next + align - 1) & -align
        if addr + size > self.base + self.size:
            raise MemoryError(f"allocate: {size} bytes do not fit behind {self._next:#x} in {self!r}")
        self._next = addr + size
        return addr

    def view(self, addr: int, size: int) -> memoryview:
        """
        ``size`` writable bytes at device address ``addr``; keeps the memory alive. Raises IndexError outside the
        block.
        """
        start = self._offset(addr, size)
        return self._view[start : start + size]

    def read(self, addr: int, size: int) -> bytes:
        """A copy of ``size`` bytes at device address ``addr``."""
        return bytes(self.view(addr, size))

    def write(self, addr: int, data: Buffer) -> None:
        """Copy ``data`` to device address ``addr``."""
        self.view(addr, memoryview(data).nbytes)[:] = memoryview(data).cast("B")

    def pointer(self, addr: int, size: int) -> CData:
        """
        A ``char *`` for ``size`` bytes at device address ``addr``. It does not keep the memory alive: whoever stores
        it in a C struct keeps a reference to this object beside it.
        """
        return self._pointer + self._offset(addr, size)

    def _offset(self, addr: int, size: int) -> int:
        """Where in the block so many bytes begin."""
        if not isinstance(addr, int) or not isinstance(size, int):
            raise TypeError(f"{self!r}: address and size must be ints, not {addr!r} and {size!r}")
        start = addr - self.base
        if size < 0 or start < 0 or start + size > self.size:
            raise IndexError(f"{size} bytes at {addr:#x} are not all within {self!r}")
        return start

    @property
    def host(self) -> int:
        """The address of the block in this process."""
        return host_address(self._pointer)


@dataclass(frozen=True)
class Region:
    """
    A range of device addresses that a device queue may reach (``struct vring_region``): ``size`` bytes of ``memory``
    from ``addr``, all of it unless told.
    """

    memory: GuestMemory
    addr: int | None = None
    size: int | None = None
    read_only: bool = False

    def bounds(self) -> Segment:
        """First device address and size in bytes."""
        addr = self.memory.base if self.addr is None else self.addr
        return addr, self.memory.base + self.memory.size - addr if self.size is None else self.size


def must_be_memory(call: str, memory: object) -> None:
    """TypeError if it is none."""
    if not isinstance(memory, GuestMemory):
        raise TypeError(f"{call}: memory must be a GuestMemory, not {type(memory).__name__}")


class HostMap:
    """From addresses in this process, as C hands them back, to views that keep the memory alive."""

    def __init__(self, regions: Sequence[Region]) -> None:
        memories = dict.fromkeys(region.memory for region in regions)  # two of them may begin at the same place
        self._blocks = [(each.host, each.host + each.size, each.view(each.base, each.size)) for each in memories]

    def view(self, base: CData, length: int) -> memoryview:
        """A view of a piece (pointer and length), which the C side has placed within one of the regions."""
        host = host_address(base)
        for start, end, view in self._blocks:
            if start <= host and host + length <= end:
                return view[host - start : host - start + length]
        raise AssertionError(f"{length} bytes at host address {host:#x} belong to no region")
