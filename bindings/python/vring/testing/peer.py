# SPDX-License-Identifier: MIT
"""
A driver and a device for the split virtqueue in pure Python, on raw bytes: an independent peer for the C library.

Written from chapter 2.7 of virtio 1.2, without a look at the C. Slow and plain on purpose: dictionaries and lists
where the C has arrays, no shadow of shared memory where the spec does not ask for one. A peer is also a judge: what
the other side may not do raises :class:`Violation` with the section that forbids it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vring.device import Chain
from vring.driver import IndirectTable, Used
from vring.features import Feature
from vring.memory import Segment
from vring.testing.protocol import RingSetup
from vring.testing.words import INDIRECT, NEXT, NO_NOTIFY, WRITE, Descriptor, SplitWords, event_is_due

__all__ = ["PeerDevice", "PeerDriver", "Violation"]


class Violation(AssertionError):
    """The other side did what the spec does not allow."""


class PeerDriver:
    """
    The driver side (2.7.13, 2.7.14), with the verbs of :class:`vring.SplitDriver`. With IN_ORDER the descriptors of a
    chain follow one another in the table (2.7.5.2), and a used element stands for all buffers up to its own (2.7.9).
    """

    def __init__(self, setup: RingSetup) -> None:
        self.words = SplitWords(setup.memory, setup.areas, setup.big_endian)
        self.event_idx = bool(setup.features & Feature.EVENT_IDX)
        self.in_order = bool(setup.features & Feature.IN_ORDER)
        self.next_avail = self.published = self.next_used = setup.index
        # Handed out from the back: the descriptors of a chain lie scattered and out of order, unless there is an order.
        self.free_descriptors = list(range(setup.areas.size))
        if self.in_order:
            self.free_descriptors.reverse()
        self.buffers: dict[int, tuple[object, list[int], int]] = {}  # by head: token, descriptors, writable bytes
        self.order: list[int] = []  # heads, oldest first
        self.batch: list[tuple[int, int]] = []  # head and length of what one used element said, and is not taken yet
        for index in range(setup.areas.size):
            self.words.set_descriptor(index, Descriptor(0, 0, 0, 0))
        self.words.avail_flags = self.words.used_flags = 0
        self.words.avail_idx = self.words.used_idx = self.words.used_event = self.words.avail_event = setup.index

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool:
        """Stage one buffer as a chain of descriptors (2.7.13.1); False if too few are free."""
        pieces = flagged(readable, writable)
        if len(pieces) > len(self.free_descriptors):
            return False
        chain = [self.free_descriptors.pop() for _ in pieces]
        for index, (addr, length, flags), following in zip(chain, pieces, [*chain[1:], 0]):
            more = NEXT if index != chain[-1] else 0
            self.words.set_descriptor(index, Descriptor(addr, length, flags | more, following))
        return self._stage(chain, token, writable)

    def add_indirect(
        self,
        table: IndirectTable,
        readable: Sequence[Segment] = (),
        writable: Sequence[Segment] = (),
        token: object = None,
    ) -> bool:
        """Stage one buffer as a table of descriptors, by one of the ring (2.7.5.3); False if none is free."""
        if not self.free_descriptors:
            return False
        pieces = flagged(readable, writable)
        for index, (addr, length, flags) in enumerate(pieces):
            more = NEXT if index + 1 < len(pieces) else 0
            self.words.set_descriptor(
                index, Descriptor(addr, length, flags | more, index + 1 if more else 0), table.addr
            )
        head = self.free_descriptors.pop()
        self.words.set_descriptor(head, Descriptor(table.addr, 16 * len(pieces), INDIRECT, 0))
        return self._stage([head], token, writable)

    def _stage(self, chain: list[int], token: object, writable: Sequence[Segment]) -> bool:
        self.buffers[chain[0]] = token, chain, sum(length for _, length in writable)
        self.order.append(chain[0])
        self.words.set_avail(self.next_avail, chain[0])
        self.next_avail = (self.next_avail + 1) % 65536
        return True

    def abort(self) -> object:
        """Take back the buffer staged last; returns its token."""
        self.next_avail = (self.next_avail - 1) % 65536
        token, chain, _ = self.buffers.pop(self.order.pop())
        self.free_descriptors += reversed(chain) if self.in_order else chain
        return token

    def publish(self) -> bool:
        """Make all that is staged available by one store of avail.idx (2.7.13.3); True: notify the device."""
        before, self.published = self.published, self.next_avail
        if before == self.published:
            return False
        self.words.avail_idx = self.published
        return self.must_notify(before)

    def must_notify(self, before: int) -> bool:
        """After avail.idx went from ``before`` to ``published`` (2.7.10.1)."""
        if self.event_idx:
            return event_is_due(self.words.avail_event, self.published, before)
        return not self.words.used_flags & NO_NOTIFY

    @property
    def waiting(self) -> int:
        """Used buffers not taken yet."""
        waiting = (self.words.used_idx - self.next_used) % 65536
        if waiting > (self.published - self.next_used) % 65536:
            raise Violation(f"used.idx {self.words.used_idx} is ahead of avail.idx {self.published} (2.7.8)")
        return int(waiting)

    def get_used(self) -> Used | None:
        """Take one used buffer, of a batch in order one after the other (2.7.14); None if there is none."""
        if not self.batch:
            if not self.waiting:
                return None
            self.batch = self._judge(*self.words.used(self.next_used))
        head, length = self.batch.pop(0)
        token, chain, _ = self.buffers.pop(head)
        self.order.remove(head)
        if self.in_order:
            self.free_descriptors[:0] = reversed(chain)
        else:
            self.free_descriptors += chain
        self.next_used = (self.next_used + 1) % 65536
        return Used(token, length)

    def _judge(self, head: int, length: int) -> list[tuple[int, int]]:
        """The buffers that a used element stands for, oldest first, and the bytes written to each."""
        if head not in self.buffers:
            raise Violation(f"used id {head} is not the head of a buffer in flight (2.7.8.2)")
        writable = self.buffers[head][2]
        if length > writable:
            raise Violation(f"used length {length} exceeds the {writable} device-writable bytes (2.7.8.2)")
        skipped = self.order[: self.order.index(head)] if self.in_order else []
        if len(skipped) >= self.waiting:
            raise Violation(f"used id {head} ends a batch of {len(skipped) + 1}, but used.idx goes no further (2.7.9)")
        return [*((skip, self.buffers[skip][2]) for skip in skipped), (head, length)]

    def enable_notify(self) -> bool:
        """Ask to be notified of used buffers, and look once more: True if some wait already (2.7.7)."""
        return self._enable(0)

    def enable_notify_delayed(self) -> bool:
        """As enable_notify, for when three quarters of what the device has are used (2.7.7)."""
        return self._enable((self.published - self.next_used) % 65536 * 3 // 4 if self.event_idx else 0)

    def _enable(self, distance: int) -> bool:
        if self.event_idx:
            self.words.used_event = self.next_used + distance
        else:
            self.words.avail_flags = 0
        return self.waiting > distance

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint (2.7.7)."""
        if not self.event_idx:
            self.words.avail_flags = NO_NOTIFY

    def reset(self) -> list[object]:
        """Give up the ring; returns the tokens of all buffers that never came back, oldest first."""
        unused = [self.buffers[head][0] for head in self.order]
        self.buffers.clear()
        self.order.clear()
        self.batch.clear()
        return unused

    @property
    def free(self) -> int:
        """Descriptors that no buffer has."""
        return len(self.free_descriptors)

    @property
    def in_flight(self) -> int:
        """Buffers added and not taken back."""
        return len(self.buffers)


class Finished(NamedTuple):
    """
    A buffer that the device is done with: its head or id, entries of the ring, bytes written, whether that is all.
    """

    number: int
    entries: int
    written: int
    in_full: bool


class Turns:
    """
    With IN_ORDER (2.7.9, 2.8.8): what is finished waits for its turn, and one element or descriptor stands for a batch,
    of which all but the last were used in full. Without it everything is its own turn, and its own batch.
    """

    def __init__(self, in_order: bool) -> None:
        self.in_order = in_order
        self.order: list[int] = []  # handles, in the order of taking
        self.done: dict[int, Finished] = {}  # by handle: not their turn yet

    def take(self, handle: int) -> None:
        self.order.append(handle)

    def rewind(self, handle: int) -> None:
        self.order.remove(handle)

    def finish(self, handle: int, finished: Finished) -> list[Finished]:
        """What is to be staged now, oldest first."""
        if not self.in_order:
            self.order.remove(handle)
            return [finished]
        self.done[handle] = finished
        staged = []
        while self.order and self.order[0] in self.done:
            staged.append(self.done.pop(self.order.pop(0)))
        return staged

    def batches(self, staged: list[Finished]) -> list[list[Finished]]:
        """Each to be told by its last."""
        batches: list[list[Finished]] = [[]]
        for finished in staged:
            batches[-1].append(finished)
            if not self.in_order or not finished.in_full:
                batches.append([])
        return [batch for batch in batches if batch]


class PeerDevice:
    """The device side (2.7.7, 2.7.8, 2.7.13), with the verbs of :class:`vring.SplitDevice`."""

    def __init__(self, setup: RingSetup) -> None:
        self.words = SplitWords(setup.memory, setup.areas, setup.big_endian)
        self.in_order = bool(setup.features & Feature.IN_ORDER)
        self.turns = Turns(self.in_order)
        self.staged: list[Finished] = []
        self.event_idx = bool(setup.features & Feature.EVENT_IDX)
        self.indirect = bool(setup.features & Feature.INDIRECT_DESC)
        self.next_avail = self.published = setup.index
        self.taken: dict[int, tuple[int, int]] = {}  # by handle: head, avail position
        self.handles = 0
        self.words.avail_event = setup.index

    @property
    def waiting(self) -> int:
        """Available buffers not taken yet."""
        ahead = (self.words.avail_idx - self.published) % 65536
        if ahead > self.words.size:
            raise Violation(
                f"avail.idx {self.words.avail_idx} is more than a ring ahead of used.idx {self.published} (2.7.6)"
            )
        return int(self.words.avail_idx - self.next_avail) % 65536

    def get_avail(self) -> Chain | None:
        """Take the next available buffer and judge its chain (2.7.5); None if there is none."""
        if not self.waiting:
            return None
        head = self.words.avail(self.next_avail)
        held = [taken for taken, _ in self.taken.values()] + [done.number for done in self.turns.done.values()]
        if head in held:
            raise Violation(f"head {head} is made available while the device holds it (2.7.13)")
        pieces = list(self._walk(head))
        flags = [bool(flags & WRITE) for _, _, flags in pieces]
        if flags != sorted(flags):
            raise Violation("a device-readable descriptor follows a device-writable one (2.7.4.2)")
        self.handles += 1
        self.taken[self.handles] = head, self.next_avail
        self.turns.take(self.handles)
        self.next_avail = (self.next_avail + 1) % 65536
        views = [self.words.memory.view(addr, length) for addr, length, _ in pieces]
        return Chain(self.handles, views[: flags.count(False)], views[flags.count(False) :])

    def _walk(self, index: int) -> Iterator[tuple[int, int, int]]:
        """Address, length and flags of every piece of the buffer whose head is ``index`` (2.7.5)."""
        table, entries, length = None, self.words.size, 0
        while True:
            if index >= entries:
                raise Violation(f"descriptor {index} lies outside its table of {entries} (2.7.5)")
            descriptor = self.words.descriptor(index, table)
            length += 1
            if length > 2 * self.words.size:
                raise Violation("the chain is a loop (2.7.5.2)")
            if descriptor.flags & INDIRECT:
                if (
                    table is not None
                    or not self.indirect
                    or descriptor.flags & NEXT
                    or not descriptor.len
                    or descriptor.len % 16
                ):
                    raise Violation(f"{descriptor} is no legal indirect descriptor (2.7.5.3.1)")
                table, entries, index = descriptor.addr, descriptor.len // 16, 0
                continue
            yield descriptor.addr, descriptor.len, descriptor.flags
            if not descriptor.flags & NEXT:
                return
            if self.in_order and table is None and descriptor.next != (index + 1) % entries:
                raise Violation(f"descriptor {index} leads to {descriptor.next}, not to the one behind it (2.7.5.2)")
            index = descriptor.next

    def rewind(self, chain: Chain) -> None:
        """Give back the buffer taken last, unused: the next get_avail takes it again."""
        _, position = self.taken.pop(chain.handle)
        self.turns.rewind(chain.handle)
        self.next_avail = (self.next_avail - 1) % 65536
        assert position == self.next_avail, "only the buffer taken last can be given back"

    def add_used(self, chain: Chain, written: int | None = None) -> None:
        """Stage a buffer as used, ``written`` bytes of it (2.7.8); in order when its turn comes (2.7.9)."""
        head, _ = self.taken.pop(chain.handle)
        written = chain.written if written is None else written
        in_full = written == sum(len(piece) for piece in chain.writable)
        self.staged += self.turns.finish(chain.handle, Finished(head, 1, written, in_full))

    def publish(self) -> bool:
        """Make all that is staged used by one store of used.idx (2.7.8); True: notify the driver."""
        before = self.published
        if not self.staged:
            return False
        for batch in self.turns.batches(self.staged):
            # Where the element of the first would have been (2.7.9).
            self.words.set_used(self.published, batch[-1].number, batch[-1].written)
            self.published = (self.published + len(batch)) % 65536
        self.staged = []
        self.words.used_idx = self.published
        return self.must_notify(before)

    def must_notify(self, before: int) -> bool:
        """After used.idx went from ``before`` to ``published`` (2.7.7.2)."""
        if self.event_idx:
            return event_is_due(self.words.used_event, self.published, before)
        return not self.words.avail_flags & NO_NOTIFY

    def enable_notify(self) -> bool:
        """Ask to be notified of buffers, and look once more: True if some wait already (2.7.10)."""
        if self.event_idx:
            self.words.avail_event = self.next_avail
        else:
            self.words.used_flags = 0
        return self.waiting > 0

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint (2.7.10)."""
        if not self.event_idx:
            self.words.used_flags = NO_NOTIFY

    @property
    def in_flight(self) -> int:
        """Buffers taken and not staged as used."""
        return len(self.taken) + len(self.turns.done)


def flagged(readable: Sequence[Segment], writable: Sequence[Segment]) -> list[tuple[int, int, int]]:
    """Address, length and flags of every piece, readable ones first (2.7.4.2)."""
    return [(*piece, 0) for piece in readable] + [(*piece, WRITE) for piece in writable]
