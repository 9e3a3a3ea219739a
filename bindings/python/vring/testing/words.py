# SPDX-License-Identifier: MIT
"""
Every shared word of a ring by its name in the spec, on raw bytes: for peers and hostile tests, which may write
anything anywhere. Nothing here is judged, and nothing is shared with the C.
"""

import struct
from typing import Literal, NamedTuple

from vring.layout import Areas
from vring.memory import GuestMemory
from vring.testing.watch import AccessKind, touch

__all__ = ["Descriptor", "PackedDescriptor", "PackedWords", "SplitWords", "event_is_due"]

NEXT, WRITE, INDIRECT = 1, 2, 4  # descriptor flags (2.7.5)
NO_NOTIFY = 1  # bit 0 of used.flags (2.7.8) and, as NO_INTERRUPT, of avail.flags (2.7.6)
AVAIL, USED = 1 << 7, 1 << 15  # descriptor flags of a packed ring (2.8.1)
ENABLE, DISABLE, DESC = 0, 1, 2  # flags of an event suppression structure (2.8.10)


def event_is_due(event: int, new: int, old: int, modulus: int = 65536) -> bool:
    """Whether moving an index from ``old`` to ``new`` passes ``event``, modulo ``modulus`` (2.7.7.2, 2.7.10.1)."""
    return (new - event - 1) % modulus < (new - old) % modulus


class Descriptor(NamedTuple):
    """One entry of a descriptor table (2.7.5)."""

    addr: int
    len: int
    flags: int
    next: int


class PackedDescriptor(NamedTuple):
    """One entry of a packed ring (2.8.13)."""

    addr: int
    len: int
    id: int
    flags: int


class _Words:
    """Words of the three areas: little-endian, or big-endian as a legacy ring may be (2.7.3)."""

    def __init__(self, memory: GuestMemory, areas: Areas, big_endian: bool = False) -> None:
        self.memory = memory
        self._order: Literal["little", "big"] = "big" if big_endian else "little"
        self._prefix = ">" if big_endian else "<"
        self.areas = areas
        self.size = areas.size
        self._host = memory.host - memory.base

    def load(self, addr: int, width: int) -> int:
        """``width`` bytes at device address ``addr``."""
        touch(AccessKind.LOAD, self._host + addr, width)
        return int.from_bytes(self.memory.view(addr, width), self._order)

    def store(self, addr: int, width: int, value: int) -> None:
        """As many of the low bits of ``value`` as fit."""
        value %= 1 << 8 * width
        touch(AccessKind.STORE, self._host + addr, width, value)
        self.memory.view(addr, width)[:] = value.to_bytes(width, self._order)

    def _load_fields(self, form: str, addr: int) -> tuple[int, ...]:
        form = self._prefix + form
        touch(AccessKind.LOAD, self._host + addr, struct.calcsize(form))
        return struct.unpack(form, self.memory.read(addr, struct.calcsize(form)))

    def _store_fields(self, form: str, addr: int, fields: tuple[int, ...]) -> None:
        form = self._prefix + form
        touch(AccessKind.STORE, self._host + addr, struct.calcsize(form))
        self.memory.write(addr, struct.pack(form, *fields))


class SplitWords(_Words):
    """Those of a split ring (2.7.5, 2.7.6, 2.7.8)."""

    def descriptor(self, index: int, table: int | None = None) -> Descriptor:
        """An entry of the descriptor table, or of an indirect one at ``table`` (2.7.5)."""
        return Descriptor(*self._load_fields("QIHH", (self.areas.desc if table is None else table) + 16 * index))

    def set_descriptor(self, index: int, descriptor: Descriptor, table: int | None = None) -> None:
        """Write such an entry (2.7.5)."""
        self._store_fields("QIHH", (self.areas.desc if table is None else table) + 16 * index, descriptor)

    def avail(self, position: int) -> int:
        """The head at a position of the available ring, a free-running index (2.7.6)."""
        return self.load(self.areas.driver + 4 + 2 * (position % self.size), 2)

    def set_avail(self, position: int, head: int) -> None:
        """Write such a head (2.7.6)."""
        self.store(self.areas.driver + 4 + 2 * (position % self.size), 2, head)

    def used(self, position: int) -> tuple[int, int]:
        """Id and length at a position of the used ring, a free-running index (2.7.8)."""
        used_id, length = self._load_fields("II", self.areas.device + 4 + 8 * (position % self.size))
        return used_id, length

    def set_used(self, position: int, used_id: int, length: int) -> None:
        """Write such an element (2.7.8)."""
        self._store_fields("II", self.areas.device + 4 + 8 * (position % self.size), (used_id, length))

    avail_flags = property(
        lambda self: self.load(self.areas.driver, 2),
        lambda self, value: self.store(self.areas.driver, 2, value),
        doc="Whether the driver asks not to be notified: bit 0 (2.7.6).",
    )
    avail_idx = property(
        lambda self: self.load(self.areas.driver + 2, 2),
        lambda self, value: self.store(self.areas.driver + 2, 2, value),
        doc="Where the driver has got to: a free-running index (2.7.6).",
    )
    used_event = property(
        lambda self: self.load(self.areas.driver + 4 + 2 * self.size, 2),
        lambda self, value: self.store(self.areas.driver + 4 + 2 * self.size, 2, value),
        doc="Which used index the driver wants to be notified of, with EVENT_IDX (2.7.7).",
    )
    used_flags = property(
        lambda self: self.load(self.areas.device, 2),
        lambda self, value: self.store(self.areas.device, 2, value),
        doc="Whether the device asks not to be notified: bit 0 (2.7.8).",
    )
    used_idx = property(
        lambda self: self.load(self.areas.device + 2, 2),
        lambda self, value: self.store(self.areas.device + 2, 2, value),
        doc="Where the device has got to: a free-running index (2.7.8).",
    )
    avail_event = property(
        lambda self: self.load(self.areas.device + 4 + 8 * self.size, 2),
        lambda self, value: self.store(self.areas.device + 4 + 8 * self.size, 2, value),
        doc="Which available index the device wants to be notified of, with EVENT_IDX (2.7.10).",
    )


class PackedWords(_Words):
    """Those of a packed ring (2.8.13, 2.8.14). A place is an entry, with the wrap counter in bit 15."""

    def descriptor(self, index: int, table: int | None = None) -> PackedDescriptor:
        """An entry of the descriptor ring, or of an indirect table at ``table`` (2.8.13)."""
        return PackedDescriptor(*self._load_fields("QIHH", (self.areas.desc if table is None else table) + 16 * index))

    def set_descriptor(self, index: int, descriptor: PackedDescriptor, table: int | None = None) -> None:
        """Write such an entry, its flags with it (2.8.13)."""
        self._store_fields("QIHH", (self.areas.desc if table is None else table) + 16 * index, descriptor)

    def flags(self, index: int) -> int:
        """The flags of an entry of the ring (2.8.13)."""
        return self.load(self.areas.desc + 16 * index + 14, 2)

    def set_flags(self, index: int, flags: int) -> None:
        """Write them alone: that makes an entry available or used (2.8.1)."""
        self.store(self.areas.desc + 16 * index + 14, 2, flags)

    def set_used(self, index: int, used_id: int, length: int) -> None:
        """The two fields of a used descriptor that are not its flags, nor the address, which nobody looks at."""
        self._store_fields("IH", self.areas.desc + 16 * index + 8, (length, used_id))

    def driver_event(self) -> tuple[int, int]:
        """Place and flags that the driver wrote: which used buffers it wants to be notified of."""
        place, flags = self._load_fields("HH", self.areas.driver)
        return place, flags

    def set_driver_event(self, place: int, flags: int) -> None:
        """Write what :meth:`driver_event` reads."""
        self._store_fields("HH", self.areas.driver, (place, flags))

    def device_event(self) -> tuple[int, int]:
        """Place and flags that the device wrote: which available buffers it wants to be notified of."""
        place, flags = self._load_fields("HH", self.areas.device)
        return place, flags

    def set_device_event(self, place: int, flags: int) -> None:
        """Write what :meth:`device_event` reads."""
        self._store_fields("HH", self.areas.device, (place, flags))
