# SPDX-License-Identifier: MIT
"""
A driver and a device for the packed virtqueue in pure Python, on raw bytes: an independent peer for the C library.

Written from chapter 2.8 of virtio 1.2, without a look at the C. A place in the ring is counted from 0 to twice the size
and round again: the entry is that modulo the size, and the wrap counter is 1 in the first half. As in ``peer.py``, what
the other side may not do raises :class:`Violation` with the section that forbids it.
"""

from collections.abc import Iterator, Sequence

from vring.device import Chain
from vring.driver import IndirectTable, Used
from vring.features import Feature
from vring.memory import Segment
from vring.testing.peer import Finished, Turns, Violation, flagged
from vring.testing.protocol import RingSetup
from vring.testing.words import (
    AVAIL,
    DESC,
    DISABLE,
    ENABLE,
    INDIRECT,
    NEXT,
    USED,
    WRITE,
    PackedDescriptor,
    PackedWords,
    event_is_due,
)

__all__ = ["PackedPeerDevice", "PackedPeerDriver"]


class _PackedSide:
    """Places, and the one rule about notifications (2.8.10, 2.8.21.3.1)."""

    def __init__(self, setup: RingSetup) -> None:
        self.words = PackedWords(setup.memory, setup.areas)
        self.size = setup.areas.size
        self.event_idx = bool(setup.features & Feature.EVENT_IDX)
        self.in_order = bool(setup.features & Feature.IN_ORDER)
        self.start = (setup.index & 0x7FFF) + (self.size if setup.index & 0x8000 else 0)

    def entry(self, place: int) -> int:
        return place % self.size

    def wrap(self, place: int) -> bool:
        return place % (2 * self.size) < self.size

    def word(self, place: int) -> int:
        """As an event suppression structure has it (2.8.14)."""
        return self.entry(place) | (0x8000 if self.wrap(place) else 0)

    def place(self, word: int) -> int:
        return (word & 0x7FFF) + (0 if word & 0x8000 else self.size)

    def is_available(self, place: int) -> bool:
        """2.8.1: AVAIL is the wrap counter, USED is its inverse."""
        flags = self.words.flags(self.entry(place))
        return bool(flags & AVAIL) == self.wrap(place) and bool(flags & USED) != self.wrap(place)

    def is_used(self, place: int) -> bool:
        """2.8.1: both are the wrap counter."""
        flags = self.words.flags(self.entry(place))
        return bool(flags & AVAIL) == bool(flags & USED) == self.wrap(place)

    def is_due(self, event: tuple[int, int], new: int, old: int) -> bool:
        """Whether the other side, which wrote ``event``, wants to hear that this one went from ``old`` to ``new``."""
        place, flags = event
        if flags == DESC and self.event_idx:
            return event_is_due(self.place(place), new, old, 2 * self.size)
        return flags & 3 != DISABLE  # the fourth value is reserved: rather once too often

    def event(self, place: int) -> tuple[int, int]:
        """What to write to be notified of that place."""
        return (self.word(place), DESC) if self.event_idx else (0, ENABLE)


class PackedPeerDriver(_PackedSide):
    """
    The driver side (2.8.21, 2.8.22), with the verbs of :class:`vring.PackedDriver`. With IN_ORDER a used descriptor
    stands for all buffers up to its own (2.8.8).
    """

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.next_avail = self.next_used = self.start
        self.free = self.size
        self.free_ids = list(range(self.size))  # handed out from the back: an id says nothing about an entry
        # By id, oldest first: token, ring entries, writable bytes.
        self.buffers: dict[int, tuple[object, int, int]] = {}
        self.staged: list[tuple[int, list[tuple[int, int, int]]]] = []  # id and descriptors; written at publish
        self.batch: list[tuple[int, int]] = []  # id and length of what one used descriptor said, and is not taken yet
        for index in range(self.size):
            # As if used on the lap before the one on which it will be reached: neither available nor used then.
            behind = index < self.entry(self.start)
            flags = AVAIL | USED if behind == self.wrap(self.start) else 0
            self.words.set_descriptor(index, PackedDescriptor(0, 0, 0, flags))
        self.words.set_driver_event(0, ENABLE)
        self.words.set_device_event(0, ENABLE)

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool:
        """Stage one buffer as descriptors that follow one another (2.8.6); False if too few are free."""
        return self._stage(flagged(readable, writable), token, writable)

    def add_indirect(
        self,
        table: IndirectTable,
        readable: Sequence[Segment] = (),
        writable: Sequence[Segment] = (),
        token: object = None,
    ) -> bool:
        """Stage one buffer as a table of descriptors, by one of the ring (2.8.7); False if none is free."""
        if not self.free:
            return False
        pieces = flagged(readable, writable)
        for index, (addr, length, flags) in enumerate(pieces):
            self.words.set_descriptor(index, PackedDescriptor(addr, length, 0, flags), table.addr)
        return self._stage([(table.addr, 16 * len(pieces), INDIRECT)], token, writable)

    def _stage(self, descriptors: list[tuple[int, int, int]], token: object, writable: Sequence[Segment]) -> bool:
        if len(descriptors) > self.free:
            return False
        buffer_id = self.free_ids.pop()
        self.free -= len(descriptors)
        self.buffers[buffer_id] = token, len(descriptors), sum(length for _, length in writable)
        self.staged.append((buffer_id, descriptors))
        return True

    def abort(self) -> object:
        """Take back the buffer staged last; returns its token."""
        buffer_id, _ = self.staged.pop()
        return self._forget(buffer_id)[0]

    def _forget(self, buffer_id: int) -> tuple[object, int, int]:
        token, count, writable = self.buffers.pop(buffer_id)
        self.free_ids.append(buffer_id)
        self.free += count
        return token, count, writable

    def publish(self) -> bool:
        """Make all that is staged available, the first flags last (2.8.21); True: notify the device."""
        if not self.staged:
            return False
        before, first_flags = self.next_avail, 0
        for buffer_id, descriptors in self.staged:
            for i, (addr, length, flags) in enumerate(descriptors):
                flags |= NEXT if i + 1 < len(descriptors) else 0
                flags |= AVAIL if self.wrap(self.next_avail) else USED
                entry = self.entry(self.next_avail)
                # The first descriptor of the batch keeps its flags until all others are there (2.8.21.1).
                first = self.next_avail == before
                first_flags = flags if first else first_flags
                kept = self.words.flags(entry) if first else flags
                self.words.set_descriptor(entry, PackedDescriptor(addr, length, buffer_id, kept))
                self.next_avail += 1
        self.staged = []
        self.words.set_flags(self.entry(before), first_flags)
        return self.must_notify(before)

    def must_notify(self, before: int) -> bool:
        """After descriptors from ``before`` to ``next_avail`` became available."""
        return self.is_due(self.words.device_event(), self.next_avail, before)

    def get_used(self) -> Used | None:
        """Take one used buffer, of a batch in order one after the other (2.8.22); None if there is none."""
        if not self.batch:
            if not self.is_used(self.next_used):
                return None
            _, length, buffer_id, flags = self.words.descriptor(self.entry(self.next_used))
            self.batch = self._judge(buffer_id, length if flags & WRITE else 0)  # 2.8.4
        buffer_id, length = self.batch.pop(0)
        token, count, _ = self._forget(buffer_id)
        self.next_used += count
        return Used(token, length)

    def _judge(self, buffer_id: int, length: int) -> list[tuple[int, int]]:
        """The buffers that a used descriptor stands for, oldest first, and the bytes written to each."""
        staged = [staged for staged, _ in self.staged]
        if buffer_id not in self.buffers or buffer_id in staged:
            raise Violation(f"buffer id {buffer_id} is not in flight (2.8.22)")
        writable = self.buffers[buffer_id][2]
        if length > writable:
            raise Violation(f"used length {length} exceeds the {writable} device-writable bytes (2.8.5)")
        order = list(self.buffers)
        skipped = order[: order.index(buffer_id)] if self.in_order else []
        return [*((skip, self.buffers[skip][2]) for skip in skipped), (buffer_id, length)]

    def enable_notify(self) -> bool:
        """Ask to be notified of used buffers, and look once more: True if some wait already (2.8.10)."""
        return self._enable(0)

    def enable_notify_delayed(self) -> bool:
        """As enable_notify, for when three quarters of what the device has are used (2.8.10)."""
        with_device = self.next_avail - self.next_used
        return self._enable(with_device * 3 // 4 if self.event_idx else 0)

    def _enable(self, distance: int) -> bool:
        self.words.set_driver_event(*self.event(self.next_used + distance))
        return bool(self.batch) or self.is_used(self.next_used)

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint (2.8.10)."""
        self.words.set_driver_event(0, DISABLE)

    def reset(self) -> list[object]:
        """Give up the ring; returns the tokens of all buffers that never came back, oldest first."""
        unused = [token for token, _, _ in self.buffers.values()]
        self.buffers.clear()
        self.staged.clear()
        self.batch.clear()
        return unused

    @property
    def in_flight(self) -> int:
        """Buffers added and not taken back."""
        return len(self.buffers)


class PackedPeerDevice(_PackedSide):
    """The device side (2.8.6 to 2.8.9), with the verbs of :class:`vring.PackedDevice`."""

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.indirect = bool(setup.features & Feature.INDIRECT_DESC)
        self.next_avail = self.next_used = self.start
        self.taken: dict[int, tuple[int, int]] = {}  # by handle: buffer id, ring entries
        self.handles = 0
        self.turns = Turns(self.in_order)
        self.staged: list[Finished] = []
        self.words.set_device_event(0, ENABLE)

    def get_avail(self) -> Chain | None:
        """Take the next available buffer and judge its list (2.8.6); None if there is none."""
        if not self.is_available(self.next_avail):
            return None
        pieces, buffer_id, entries = self._walk()
        held = [taken for taken, _ in self.taken.values()] + [done.number for done in self.turns.done.values()]
        if buffer_id in held:
            raise Violation(f"buffer id {buffer_id} is made available while the device holds it (2.8.6)")
        flags = [bool(flags & WRITE) for _, _, flags in pieces]
        if flags != sorted(flags):
            raise Violation("a device-readable descriptor follows a device-writable one (2.8.17)")
        self.handles += 1
        self.taken[self.handles] = buffer_id, entries
        self.turns.take(self.handles)
        self.next_avail += entries
        views = [self.words.memory.view(addr, length) for addr, length, _ in pieces]
        return Chain(self.handles, views[: flags.count(False)], views[flags.count(False) :])

    def _walk(self) -> tuple[list[tuple[int, int, int]], int, int]:
        """Address, length and flags of every piece of the next buffer; its id; the entries of the ring it takes."""
        pieces = []
        for entries in range(1, self.size + 1):
            addr, length, buffer_id, flags = self.words.descriptor(self.entry(self.next_avail + entries - 1))
            if flags & INDIRECT:
                if not self.indirect or flags & NEXT or entries > 1 or not length or length % 16:
                    raise Violation(f"no legal indirect descriptor: {length} bytes, flags {flags:#x} (2.8.19)")
                return list(self._table(addr, length // 16)), buffer_id, 1
            pieces.append((addr, length, flags))
            if not flags & NEXT:
                return pieces, buffer_id, entries
        raise Violation("the chain is longer than the ring (2.8.17)")

    def _table(self, addr: int, entries: int) -> Iterator[tuple[int, int, int]]:
        for index in range(entries):
            descriptor = self.words.descriptor(index, addr)
            yield descriptor.addr, descriptor.len, descriptor.flags

    def rewind(self, chain: Chain) -> None:
        """Give back the buffer taken last, unused: the next get_avail takes it again."""
        _, entries = self.taken.pop(chain.handle)
        self.turns.rewind(chain.handle)
        self.next_avail -= entries

    def add_used(self, chain: Chain, written: int | None = None) -> None:
        """Stage a buffer as used, ``written`` bytes of it (2.8.4); in order when its turn comes (2.8.8)."""
        buffer_id, entries = self.taken.pop(chain.handle)
        written = chain.written if written is None else written
        in_full = written == sum(len(piece) for piece in chain.writable)
        self.staged += self.turns.finish(chain.handle, Finished(buffer_id, entries, written, in_full))

    def publish(self) -> bool:
        """Make all that is staged used, the first flags last (2.8.1); True: notify the driver."""
        if not self.staged:
            return False
        before, first_flags = self.next_used, 0
        for batch in self.turns.batches(self.staged):
            last = batch[-1]
            # Over the first descriptor of the batch (2.8.8).
            flags = (AVAIL | USED if self.wrap(self.next_used) else 0) | (WRITE if last.written else 0)
            self.words.set_used(self.entry(self.next_used), last.number, last.written)
            if self.next_used == before:
                first_flags = flags  # last of all: it makes the batch visible (2.8.9)
            else:
                self.words.set_flags(self.entry(self.next_used), flags)
            self.next_used += sum(finished.entries for finished in batch)
        self.staged = []
        self.words.set_flags(self.entry(before), first_flags)
        return self.must_notify(before)

    def must_notify(self, before: int) -> bool:
        """After the descriptors from ``before`` to ``next_used`` were used."""
        return self.is_due(self.words.driver_event(), self.next_used, before)

    def enable_notify(self) -> bool:
        """Ask to be notified of buffers, and look once more: True if some wait already (2.8.10)."""
        self.words.set_device_event(*self.event(self.next_avail))
        return self.is_available(self.next_avail)

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint (2.8.10)."""
        self.words.set_device_event(0, DISABLE)

    @property
    def in_flight(self) -> int:
        """Buffers taken and not staged as used."""
        return len(self.taken) + len(self.turns.done)
