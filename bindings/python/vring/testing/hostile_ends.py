# SPDX-License-Identifier: MIT
"""
The peer's end of a ring whose peer does as it likes, for each format: what it can write, as it should and otherwise,
and what an independent reading of the shared memory finds there. The rules of :mod:`vring.testing.hostile` choose.
"""

from typing import NamedTuple, TypeAlias

from vring.features import Feature
from vring.testing.protocol import RingSetup
from vring.testing.words import (
    AVAIL,
    INDIRECT,
    NEXT,
    USED,
    WRITE,
    Descriptor,
    PackedDescriptor,
    PackedWords,
    SplitWords,
)

__all__ = ["DeviceEnd", "DriverEnd", "Found", "PackedDeviceEnd", "PackedDriverEnd", "SplitDeviceEnd", "SplitDriverEnd"]

Piece: TypeAlias = tuple[int, int, bool]  # address, length, whether device-writable


class Found(NamedTuple):
    """
    What stands where a device takes next: the descriptors but the one that names a table, or None if they are no
    buffer; the number by which both sides call it, a head or a buffer id; the ring entries that it takes up.
    """

    descriptors: list[Descriptor] | None
    name: int
    entries: int


def _is_table(descriptor: Descriptor, setup: RingSetup, most: int, end: int) -> bool:
    """Whether a descriptor may name a table of at most so many entries (2.7.5.3, 2.8.19), in memory up to ``end``."""
    start = descriptor.addr - setup.memory.base
    return (
        bool(setup.features & Feature.INDIRECT_DESC)
        and not descriptor.flags & NEXT
        and descriptor.len > 0
        and descriptor.len % 16 == 0
        and descriptor.len // 16 <= most
        and 0 <= start
        and start + descriptor.len <= end
    )


# ------------------------------------------------------------------------------------- the end of a hostile device ---


class SplitDeviceEnd:
    """Of a split ring."""

    one_area = False  # nothing that the device writes lies where the driver's descriptors lie
    rewrites_all = False  # a driver need not store again what it knows to stand in avail.ring
    name = "is in descriptor"

    def __init__(self, setup: RingSetup) -> None:
        self.words = SplitWords(setup.memory, setup.areas, setup.big_endian)
        self.size = setup.areas.size
        self.avail = setup.index  # where the driver publishes next
        self.next = setup.index  # where an honest device takes next

    def published(self, descriptors: int) -> None:
        """One buffer more is available, of so many descriptors."""
        self.avail = (self.avail + 1) % 65536

    def taken_back(self, descriptors: int) -> None:
        """The driver has taken a buffer back that has so many."""

    def read(self, most: int) -> tuple[list[Piece], list[int]]:
        """
        The pieces of the buffer that is published next, one more than ``most`` at most; its numbers, none of which
        another buffer may have: the descriptors.
        """
        table, entries, index = None, self.size, self.words.avail(self.avail)
        found: list[Piece] = []
        chain = []
        while index < entries and len(found) <= most:
            descriptor = self.words.descriptor(index, table)
            if table is None:
                chain.append(index)
            if descriptor.flags & INDIRECT and table is None:
                table, entries, index = descriptor.addr, descriptor.len // 16, 0
                continue
            found.append((descriptor.addr, descriptor.len, bool(descriptor.flags & WRITE)))
            if not descriptor.flags & NEXT:
                break
            index = descriptor.next
        return found, chain

    def use(self, length: int, early: bool = False, batch: int = 1) -> bool:
        """
        Use the next buffer as a device should, but for the length; ``early``: also what is not available. In order, up
        to ``batch`` of them by one element (2.7.9). False if there is none.
        """
        count = batch if early else min(batch, (self.words.avail_idx - self.next) % 65536)
        if not count:
            return False
        self.words.set_used(self.words.used_idx, self.words.avail(self.next + count - 1), length)
        self.words.used_idx = self.words.used_idx + count
        self.next = (self.next + count) % 65536
        return True

    def write_used(self, back: int, used_id: int, length: int, step: int) -> None:
        """Any used element, so far behind where the next is due, and the index moves by ``step``."""
        self.words.set_used(self.words.used_idx - back, used_id, length)
        self.words.used_idx = self.words.used_idx + step

    def jump(self, distance: int) -> None:
        """Buffers come back that were never used."""
        self.words.used_idx = self.words.used_idx + distance

    def scribble_unread(self, value: int) -> None:
        """Over all that a driver never reads."""
        area = self.words.memory.view(self.words.areas.desc, 16 * self.size)
        area[:] = bytes([value]) * len(area)


class _PackedEnd:
    """Places are counted from 0 to twice the size and round again: the wrap counter is 1 in the first half (2.8.1)."""

    def __init__(self, setup: RingSetup) -> None:
        self.setup = setup
        self.words = PackedWords(setup.memory, setup.areas)
        self.size = setup.areas.size
        self.start = (setup.index & 0x7FFF) + (self.size if setup.index & 0x8000 else 0)

    def entry(self, place: int) -> int:
        return place % self.size

    def wrap(self, place: int) -> bool:
        return place % (2 * self.size) < self.size

    def avail_flags(self, place: int) -> int:
        return AVAIL if self.wrap(place) else USED

    def used_flags(self, place: int) -> int:
        return AVAIL | USED if self.wrap(place) else 0

    def is_available(self, place: int) -> bool:
        return self.words.flags(self.entry(place)) & (AVAIL | USED) == self.avail_flags(place)


class PackedDeviceEnd(_PackedEnd):
    """Of a packed ring, where what is used overwrites what was available."""

    one_area = True
    rewrites_all = True
    name = "has buffer id"

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.avail = self.next = self.used = self.looks = self.start

    def taken_back(self, descriptors: int) -> None:
        self.looks += descriptors

    def published(self, descriptors: int) -> None:
        self.avail += descriptors

    def read(self, most: int) -> tuple[list[Piece], list[int]]:
        """As that of a split ring. The number is the buffer id, which the last descriptor has (2.8.6)."""
        found: list[Piece] = []
        for place in range(self.avail, self.avail + self.size):
            addr, length, buffer_id, flags = self.words.descriptor(self.entry(place))
            if not self.is_available(place):
                break
            if flags & INDIRECT:
                table = [self.words.descriptor(i, addr) for i in range(min(length // 16, most + 1))]
                return [(piece.addr, piece.len, bool(piece.flags & WRITE)) for piece in table], [buffer_id]
            found.append((addr, length, bool(flags & WRITE)))
            if not flags & NEXT:
                return found, [buffer_id]
        return found, []

    def use(self, length: int, early: bool = False, batch: int = 1) -> bool:
        """As that of a split ring: in order, one descriptor at the place of the first names the last (2.8.8)."""
        start = self.used
        while batch and (early or self.is_available(self.next)):
            count = 1
            while self.words.flags(self.entry(self.next + count - 1)) & NEXT and count < self.size:
                count += 1
            last = self.words.descriptor(self.entry(self.next + count - 1)).id
            self.next += count
            self.used += count
            batch -= 1
        if self.used == start:
            return False
        self._write(start, last, length)
        return True

    def _write(self, place: int, used_id: int, length: int) -> None:
        self.words.set_used(self.entry(place), used_id & 0xFFFF, length)
        self.words.set_flags(self.entry(place), self.used_flags(place) | (WRITE if length else 0))

    def write_used(self, back: int, used_id: int, length: int, step: int) -> None:
        """Behind where the driver looks: elsewhere it would not be seen, nor would anything after it."""
        self._write(self.looks - back, used_id, length)
        self.used = self.looks + step

    def jump(self, distance: int) -> None:
        place = self.used + distance
        self.words.set_flags(self.entry(place), self.used_flags(place) | WRITE)

    def scribble_unread(self, value: int) -> None:
        """Over the addresses: all else of a descriptor is what the device answers with."""
        for index in range(self.size):
            self.words.store(self.words.areas.desc + 16 * index, 8, int.from_bytes(bytes([value]) * 8, "little"))


DeviceEnd: TypeAlias = SplitDeviceEnd | PackedDeviceEnd


# ------------------------------------------------------------------------------------- the end of a hostile driver ---


class SplitDriverEnd:
    """Of a split ring."""

    may_jump = True  # there is an index, which can say that more is available than the ring is long

    def __init__(self, setup: RingSetup) -> None:
        self.setup = setup
        self.words = SplitWords(setup.memory, setup.areas, setup.big_endian)
        self.size = setup.areas.size
        self.words.avail_idx = self.words.used_idx = self.next = setup.index  # next: the position to take from

    @property
    def is_quiet(self) -> bool:
        """Whether the device has taken all that was ever offered, so that a driver may write any descriptor."""
        return bool(self.words.avail_idx == self.next)

    def set_descriptor(self, index: int, descriptor: Descriptor, table: int | None) -> None:
        """Of the ring or of a table."""
        self.words.set_descriptor(index, descriptor, table)

    def offer_list(self, first: int, descriptors: list[Descriptor]) -> None:
        """One buffer in the ring, its descriptors from ``first`` on, to be made available then."""
        for i, descriptor in enumerate(descriptors):
            following = (first + i + 1) % self.size if descriptor.flags & NEXT else 0
            self.words.set_descriptor((first + i) % self.size, descriptor._replace(next=following))

    def make_available(self, head: int) -> None:
        self.words.set_avail(self.words.avail_idx, head)
        self.words.avail_idx = self.words.avail_idx + 1

    def jump(self, distance: int) -> None:
        """Buffers are available that were never offered."""
        self.words.avail_idx = self.words.avail_idx + distance

    def find(self, end: int) -> Found:
        """What the device takes next, if it takes anything. Memory ends at ``end``."""
        head = self.words.avail(self.next)
        return Found(self._walk(head, end) if head < self.size else None, head, 1)

    def _walk(self, index: int, end: int) -> list[Descriptor] | None:
        found: list[Descriptor] = []
        table, entries = None, self.size
        while index < entries and len(found) < self.size:
            descriptor = self.words.descriptor(index, table)
            if descriptor.flags & INDIRECT:
                if table is not None or not _is_table(descriptor, self.setup, self.size - len(found), end):
                    return None
                table, entries, index = descriptor.addr, descriptor.len // 16, 0
                continue
            found.append(descriptor)
            if not descriptor.flags & NEXT:
                return found
            index = descriptor.next
        return None

    def taken(self, found: Found) -> None:
        """The device holds it now."""
        self.next = (self.next + 1) % 65536

    def staged(self, found: Found) -> None:
        """The device has used it, but not said so yet."""

    def published(self) -> None:
        """The device has made all that is used visible."""

    @property
    def not_the_devices(self) -> list[memoryview]:
        """All that a device never writes."""
        areas = self.words.areas
        return [
            self.words.memory.view(areas.desc, areas.layout.desc_size),
            self.words.memory.view(areas.driver, areas.layout.driver_size),
        ]


class PackedDriverEnd(_PackedEnd):
    """Of a packed ring. Indices count from where a driver offers next: only there does a device look."""

    may_jump = False

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.offer = self.next = self.start
        self.held = 0  # entries that the device has not given back visibly
        self.used = 0  # ... of which it has used so many
        for index in range(self.size):
            # As if used on the lap before the one on which it will be reached: neither available nor used then.
            behind = index < self.entry(self.start)
            flags = AVAIL | USED if behind == self.wrap(self.start) else 0
            self.words.set_descriptor(index, PackedDescriptor(0, 0, 0, flags))

    @property
    def is_quiet(self) -> bool:
        return self.offer == self.next and not self.held

    def set_descriptor(self, index: int, descriptor: Descriptor, table: int | None) -> None:
        """``next`` is the buffer id. In the ring all are available at once: those ahead wait for their turn."""
        addr, length, flags, buffer_id = descriptor
        if table is None:
            place = self.offer + index
            flags = flags & ~(AVAIL | USED) | self.avail_flags(place)
            index = self.entry(place)
        self.words.set_descriptor(index, PackedDescriptor(addr, length, buffer_id, flags), table)

    def offer_list(self, first: int, descriptors: list[Descriptor]) -> None:
        """``first`` is the buffer id."""
        for i, descriptor in enumerate(descriptors):
            self.set_descriptor(i, descriptor._replace(next=first), None)

    def make_available(self, head: int) -> None:
        """What stands there, and the driver goes on behind it."""
        count = 1
        while self.words.flags(self.entry(self.offer + count - 1)) & NEXT and count < self.size:
            count += 1
        entry = self.entry(self.offer)
        self.words.set_flags(entry, self.words.flags(entry) & ~(AVAIL | USED) | self.avail_flags(self.offer))
        self.offer += count

    def jump(self, distance: int) -> None:
        place = self.next + distance
        self.words.set_flags(self.entry(place), self.avail_flags(place) | distance & 7)

    def find(self, end: int) -> Found:
        if self.held >= self.size or not self.is_available(self.next):
            return Found(None, self.size, 0)
        found: list[Descriptor] = []
        for place in range(self.next, self.next + self.size - self.held):
            addr, length, buffer_id, flags = self.words.descriptor(self.entry(place))
            descriptor = Descriptor(addr, length, flags, buffer_id)
            if flags & INDIRECT:
                if found or not _is_table(descriptor, self.setup, self.size, end):
                    break
                table = [self.words.descriptor(i, addr) for i in range(length // 16)]
                found = [Descriptor(*piece[:2], piece.flags & WRITE, 0) for piece in table]
                return Found(found if buffer_id < self.size else None, buffer_id, 1)
            found.append(descriptor)
            if not flags & NEXT:
                return Found(found if buffer_id < self.size else None, buffer_id, len(found))
        return Found(None, self.size, 0)

    def taken(self, found: Found) -> None:
        self.next += found.entries
        self.held += found.entries

    def staged(self, found: Found) -> None:
        self.used += found.entries

    def published(self) -> None:
        self.held -= self.used
        self.used = 0

    @property
    def not_the_devices(self) -> list[memoryview]:
        """All entries that the device does not hold, and the driver's wish to be notified."""
        areas = self.words.areas
        held = {self.entry(place) for place in range(self.next - self.held, self.next)}
        entries = [index for index in range(self.size) if index not in held]
        return [
            *(self.words.memory.view(areas.desc + 16 * index, 16) for index in entries),
            self.words.memory.view(areas.driver, areas.layout.driver_size),
        ]


DriverEnd: TypeAlias = SplitDriverEnd | PackedDriverEnd
