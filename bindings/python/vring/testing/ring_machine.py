# SPDX-License-Identifier: MIT
"""Driver against device, whichever they are, with a ledger between them that knows what must come out."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from vring.device import Chain
from vring.driver import IndirectTable, Offer, Used
from vring.errors import CallerError, RingCode
from vring.features import Feature
from vring.memory import Segment
from vring.testing import strategies
from vring.testing.protocol import OPTIONAL, RingSetup
from vring.testing.under_test import RingUnderTest
from vring.testing.words import DESC, ENABLE, PackedWords, SplitWords, event_is_due

__all__ = ["PackedRingMachine", "RingMachine"]

CELL = 16  # bytes: the longest piece of a buffer, and the distance between two
CELLS = 128  # more than all buffers of the largest ring need, so that it is the ring that runs out
PUBLISH = st.sampled_from([True, False])  # in this order a run that fails has no step of its own for it
UNTOUCHED = 0xEE  # fills device-writable pieces before the device gets them


@dataclass(eq=False)
class Buffer:
    """One buffer on its way round: what was put in, and what must come out."""

    token: object
    readable: list[Segment]
    writable: list[Segment]
    content: bytes
    table: IndirectTable | None
    written: bytes = b""
    chain: Chain = field(default=Chain(0, (), ()), repr=False)

    @property
    def descriptors(self) -> int:
        return 1 if self.table else len(self.readable) + len(self.writable)


class RingMachine(RingUnderTest):
    """
    A driver and a device do anything they may, in any order, one call at a time. What is checked at every step:
    buffers arrive in the order of publication, with every byte; tokens come back once, with the right length, and
    bytes beyond it untouched; nothing staged is visible; counts add up; no side sleeps while work that it has not
    seen is published; notifications are sent when the spec says so; a reset gives back what never returned, oldest
    first.

    Set ``exact_notifications`` to False if the ring under test may notify more often than it must, ``most_pieces`` to
    how many one of its buffers can have; what else it knows is said as in :class:`vring.testing.RingUnderTest`.
    """

    exact_notifications = True
    most_pieces = 8

    @initialize(setup=strategies.ring_setups(OPTIONAL, legacy=True))
    def start(self, setup: RingSetup) -> None:
        self._start(setup)

    def _start(self, setup: RingSetup) -> None:
        self.setup = setup = self.known(setup)
        self.size = setup.areas.size
        self.event_idx = bool(setup.features & Feature.EVENT_IDX)
        self.needs_order = bool(setup.features & Feature.IN_ORDER)
        # Pieces lie around the middle of the memory, where regions may meet.
        middle = setup.memory.base + setup.memory.size // 2
        self.cells = [middle + CELL * i for i in range(-CELLS // 2, CELLS // 2)]
        self.tables = [IndirectTable.allocate(setup.memory, self.size) for _ in range(self.size)]
        self.made = 0
        self._start_over()

    def _start_over(self) -> None:
        # Any: verbs that they need not have are used if they are there.
        self.driver: Any = self.make_driver(self.setup)
        self.device: Any = self.make_device(self.setup)
        self.may_indirect = bool(self.setup.features & Feature.INDIRECT_DESC) and hasattr(self.driver, "add_indirect")
        self.staged: list[Buffer] = []  # by the driver
        self.available: deque[Buffer] = deque()  # published, not taken by the device
        self.taken: list[Buffer] = []
        self.passed: list[Buffer] = []  # taken in a run before its last: used through a later one alone
        self.last_taken: list[Buffer] = []  # in the order of taking; the last one may be rewound if it is still held
        self.finished: list[Buffer] = []  # held back by the device: with IN_ORDER it is not their turn yet
        self.turns: deque[Buffer] = deque()  # taken and not staged as used, oldest first
        self.completed: list[Buffer] = []  # staged by the device
        self.used: deque[Buffer] = deque()  # published, not taken back by the driver
        self.in_order: list[Buffer] = []  # all of them, oldest first
        self.places = (PackedPlaces if self.setup.features & Feature.RING_PACKED else SplitPlaces)(self.setup)
        self.device_sleeps = False
        self.driver_sleeps = False
        self.awaited: list[Buffer] = []  # once the last of these is used, or any if there is none, it must be woken

    # --------------------------------------------------------------------------------------------------- the driver ---

    @rule(
        n_readable=st.integers(0, 4),
        n_writable=st.integers(0, 4),
        length=st.integers(1, CELL),
        indirect=st.booleans(),
        publish=PUBLISH,
    )
    def add(self, n_readable: int, n_writable: int, length: int, indirect: bool, publish: bool) -> None:
        most = min(self.size, self.most_pieces)
        n_readable = min(n_readable, most)
        n_writable = min(n_writable if n_readable else max(1, n_writable), most - n_readable)
        if n_readable + n_writable <= len(self.cells):
            self._add(n_readable, n_writable, length, indirect)
        if publish:
            self._publish_avail()

    def _add(self, n_readable: int, n_writable: int, length: int, indirect: bool) -> None:
        buffer = self._make(n_readable, n_writable, length, indirect)
        if buffer.table:
            added = self.driver.add_indirect(buffer.table, buffer.readable, buffer.writable, buffer.token)
        else:
            added = self.driver.add_avail(buffer.readable, buffer.writable, buffer.token)
        assert added == (buffer.descriptors <= self._free), f"add answered {added} with {self._free} descriptors free"
        self._staged([buffer], added)

    def _add_batch(self, count: int, length: int, indirect: bool) -> None:
        """So many, of two pieces each where the ring has room for two, some of which may not fit."""
        n_writable = min(1, self.size - 1, self.most_pieces - 1)
        count = min(count, len(self.cells) // 2)
        buffers = [self._make(1, n_writable, length, indirect) for _ in range(count)]
        sizes = accumulate(buffer.descriptors for buffer in buffers)
        fit = sum(size <= self._free for size in sizes)
        added = self.driver.add_avail_batch([Offer(b.readable, b.writable, b.token, b.table) for b in buffers])
        assert added == fit, f"add_avail_batch staged {added} of {count} with {self._free} descriptors free"
        self._staged(buffers, added)

    def _add_run(self, count: int, length: int, writable: bool) -> None:
        """So many of one piece each, some of which may not fit."""
        count = min(count, len(self.cells))
        buffers = [self._make(int(not writable), int(writable), length, False) for _ in range(count)]
        fit = min(count, self._free)
        pieces = [piece for b in buffers for piece in b.readable + b.writable]
        added = self.driver.add_avail_run(pieces, writable, [b.token for b in buffers])
        assert added == fit, f"add_avail_run staged {added} of {count} with {self._free} descriptors free"
        self._staged(buffers, added)

    def _make(self, n_readable: int, n_writable: int, length: int, indirect: bool) -> Buffer:
        """A buffer, with what the device is to read in it."""
        table = self.tables.pop() if indirect and self.may_indirect and self.tables else None
        segments = [(self.cells.pop(), 1 + (length + i) % CELL) for i in range(n_readable + n_writable)]
        readable, writable = segments[:n_readable], segments[n_readable:]
        self.made += 1
        token = f"token {self.made}" if self.made % 4 else None
        buffer = Buffer(token, readable, writable, self._pattern(_bytes(readable)), table)
        self._scatter(readable, buffer.content)
        self._scatter(writable, bytes([UNTOUCHED]) * _bytes(writable))
        return buffer

    def _staged(self, buffers: list[Buffer], added: int) -> None:
        """The driver has taken so many of these; the others' memory is for others."""
        self.staged += buffers[:added]
        self.in_order += buffers
        for buffer in buffers[added:]:
            self._recycle(buffer)

    @precondition(lambda self: self.staged and hasattr(self.driver, "abort"))
    @rule()
    def abort(self) -> None:
        buffer = self.staged.pop()
        token = self.driver.abort()
        assert token is buffer.token, f"abort took back {token} instead of {buffer.token}"
        self._recycle(buffer)

    @rule()
    def publish_avail(self) -> None:
        self._publish_avail()

    def _publish_avail(self) -> None:
        must = self.places.device_is_due([buffer.descriptors for buffer in self.staged])
        notify = self.driver.publish()
        self.available += self.staged
        self.staged = []
        assert notify or not must, "the driver owes the device a notification"
        assert must or not notify or not self.exact_notifications, "the driver notified for nothing"
        self.device_sleeps = self.device_sleeps and not notify
        assert not (self.device_sleeps and self.available), "the device sleeps while buffers are available"

    @precondition(lambda self: not self.driver_sleeps)
    @rule(most=st.integers(1, 4))
    def get_used(self, most: int) -> None:
        """One beyond those that are there, so that the answer "none" is heard as well."""
        for _ in range(min(most, len(self.used) + 1)):
            self._get_used()

    @precondition(lambda self: not self.driver_sleeps and hasattr(self.driver, "get_used_run"))
    @rule(most=st.integers(1, 4))
    def get_used_run(self, most: int) -> None:
        """Of a run the last alone is named: those before it are the oldest, and were used in full (2.7.9)."""
        if not self.needs_order:
            _refused_without_in_order(self.driver.get_used_run)
            return
        run = self.driver.get_used_run(most)
        if not run:
            self._came_back(None)
            return
        assert 1 <= run.n <= min(most, len(self.used)), f"{run} came back, of {len(self.used)} and at most {most}"
        for buffer in list(self.used)[: run.n - 1]:
            self._came_back(Used(buffer.token, _bytes(buffer.writable)))
        self._came_back(run.last)

    def _get_used(self) -> None:
        self._came_back(self.driver.get_used())

    def _came_back(self, used: Used | None) -> None:
        if not self.used:
            assert used is None, f"{used} came back, but nothing was published as used"
            return
        buffer = self.used.popleft()
        assert used is not None, "a used buffer does not come back"
        assert used.token is buffer.token and used.length == len(buffer.written), (
            f"{used} came back instead of {buffer}"
        )
        inside = self._gather(buffer.writable)
        assert inside == buffer.written + bytes([UNTOUCHED]) * (len(inside) - len(buffer.written)), (
            f"the driver finds {inside!r} where the device wrote {buffer.written!r}"
        )
        self._recycle(buffer)

    @precondition(lambda self: not self.driver_sleeps)
    @rule(delayed=st.booleans())
    def driver_enables_notifications(self, delayed: bool) -> None:
        self._driver_enables_notifications(delayed)

    def _driver_enables_notifications(self, delayed: bool) -> None:
        delayed = delayed and hasattr(self.driver, "enable_notify_delayed")
        waiting = self.driver.enable_notify_delayed() if delayed else self.driver.enable_notify()
        if waiting:
            assert self.used, "used buffers are announced that are not there"
            return
        # Delayed, the driver chooses when it wants to wake, but no later than when all that the device has are used:
        # these very ones, for a later one may be used before them, and take fewer entries.
        delayed = delayed and self.event_idx
        assert delayed or not self.used, "the driver is told to sleep while used buffers wait"
        self.awaited = [*self.available, *self.turns, *self.completed] if delayed else []
        self.driver_sleeps = True

    @precondition(lambda self: not self.driver_sleeps)
    @rule()
    def driver_disables_notifications(self) -> None:
        self.driver.disable_notify()

    # --------------------------------------------------------------------------------------------------- the device ---

    @precondition(lambda self: not self.device_sleeps)
    @rule(most=st.integers(1, 4))
    def get_avail(self, most: int) -> None:
        """As get_used."""
        for _ in range(min(most, len(self.available) + 1)):
            self._get_avail()

    def _get_avail(self) -> None:
        self._took(self.device.get_avail())

    @precondition(lambda self: not self.device_sleeps and hasattr(self.device, "get_avail_run"))
    @rule(most=st.integers(1, 4))
    def get_avail_run(self, most: int) -> None:
        if self.needs_order:
            self._get_avail_run(most)
        else:
            _refused_without_in_order(self.device.get_avail_run)

    def _get_avail_run(self, most: int) -> None:
        """Of a run the last alone has a handle: what is before it is given back with a later one."""
        run = self.device.get_avail_run(most)
        if not run:
            self._took(None)
            return
        assert 1 <= run.n <= min(most, len(self.available)), (
            f"{run} was taken, of {len(self.available)} and at most {most}"
        )
        reads = bool(run.last.readable)
        for piece in run.pieces[: run.n - 1]:
            self._took(Chain(run.last.handle, [piece] if reads else [], [] if reads else [piece]))
            self.passed.append(self.taken.pop())
        self._took(run.last)
        last = (*run.last.readable, *run.last.writable)
        assert run.pieces[run.n - 1 :] == last, f"{run} ends with another buffer"

    def _took(self, chain: Chain | None) -> None:
        if not self.available:
            assert chain is None, f"the device took {chain}, but nothing was available"
            return
        buffer = self.available.popleft()
        assert chain is not None, "the device does not see an available buffer"
        assert (chain.read(), chain.room) == (buffer.content, _bytes(buffer.writable)), (
            f"another buffer was taken, or other bytes: {chain} instead of {buffer}"
        )
        buffer.chain = chain
        self.taken.append(buffer)
        self.turns.append(buffer)
        self.last_taken.append(buffer)

    @precondition(
        lambda self: (
            self.last_taken
            and self.last_taken[-1] in self.taken
            and not self.device_sleeps
            and hasattr(self.device, "rewind")
        )
    )
    @rule()
    def rewind(self) -> None:
        buffer = self.last_taken.pop()
        self.device.rewind(buffer.chain)
        self.taken.remove(buffer)
        self.turns.pop()
        self.available.appendleft(buffer)

    @precondition(lambda self: self.taken)
    @rule(which=st.integers(0, 15), quarters=st.integers(0, 4), publish=PUBLISH)
    def add_used(self, which: int, quarters: int, publish: bool) -> None:
        """
        In order, a large ``which`` also says that all before it are used in full (2.7.9), if the device can. The last
        one with a handle always says so where there are some without.
        """
        self._add_used(which, quarters)
        if publish:
            self._publish_used()

    def _add_used(self, which: int, quarters: int) -> None:
        buffer = self.taken[which % len(self.taken)]
        through = which > 7 and self.needs_order and hasattr(self.device, "add_used_through")
        through = through or (bool(self.passed) and buffer is self.taken[-1])
        for earlier in takewhile(lambda other: through and other is not buffer, list(self.turns)):
            if earlier in self.taken or earlier in self.passed:
                self._finish(earlier, 4)
        self._finish(buffer, quarters)
        (self.device.add_used_through if through else self.device.add_used)(buffer.chain)
        self._turn_over()

    def _turn_over(self) -> None:
        """What is finished, and whose turn it is, is staged."""
        turns = takewhile(self.finished.__contains__, self.turns) if self.needs_order else self.finished
        for buffer in list(turns):
            self.finished.remove(buffer)
            self.turns.remove(buffer)
            self.completed.append(buffer)

    def _finish(self, buffer: Buffer, quarters: int) -> None:
        """The device has written so much of it, and is done with it."""
        buffer.written = self._pattern(buffer.chain.room * quarters // 4)
        buffer.chain.write(buffer.written)
        (self.passed if buffer in self.passed else self.taken).remove(buffer)
        self.finished.append(buffer)

    @rule()
    def publish_used(self) -> None:
        self._publish_used()

    def _publish_used(self) -> None:
        must = self.places.driver_is_due([buffer.descriptors for buffer in self.completed])
        notify = self.device.publish()
        assert notify or not must, "the device owes the driver a notification"
        assert must or not notify or not self.exact_notifications, "the device notified for nothing"
        if self.driver_sleeps:
            self.awaited = [buffer for buffer in self.awaited if buffer not in self.completed]
            assert notify or self.awaited or not self.completed, "the driver sleeps while used buffers wait"
            self.driver_sleeps = not notify
        self.used += self.completed
        self.completed = []

    @precondition(lambda self: not self.device_sleeps)
    @rule()
    def device_enables_notifications(self) -> None:
        self._device_enables_notifications()

    def _device_enables_notifications(self) -> None:
        self.device_sleeps = not self.device.enable_notify()
        assert self.device_sleeps == (not self.available), "enable_notify misjudged whether buffers wait"

    @precondition(lambda self: not self.device_sleeps)
    @rule()
    def device_disables_notifications(self) -> None:
        self.device.disable_notify()

    # --------------------------------------------------------------------------------------------------------- both ---

    @rule(count=st.integers(1, 16), quarters=st.integers(0, 4), sleepy=st.booleans())
    def round_trips(self, count: int, quarters: int, sleepy: bool) -> None:
        """
        Buffer after buffer goes round, as far as both sides are awake: so that indices move and wrap in most runs,
        which steps drawn one by one do in few. Sleepy ones ask to be woken after each.
        """
        for _ in range(count):
            if self._free and len(self.cells) >= 2:
                self._add(1, min(1, self._free - 1, self.most_pieces - 1), CELL, False)
            self._publish_avail()
            while self.available and not self.device_sleeps:
                self._get_avail()
                self._add_used(0, quarters)
            self._publish_used()
            while self.used and not self.driver_sleeps:
                self._get_used()
            if sleepy and not self.device_sleeps:
                self._device_enables_notifications()
            if sleepy and not self.driver_sleeps:
                self._driver_enables_notifications(False)

    @rule(
        count=st.integers(1, 4),
        length=st.integers(1, CELL),
        far=st.sampled_from(["available", "taken", "used"]),
        runs=st.booleans(),
    )
    def some_go(self, count: int, length: int, far: str, runs: bool) -> None:
        """
        Some buffers go so far together, if the device is awake, and then it is another rule's turn: what a driver that
        looks, or asks to be notified, finds in most runs. By the verbs of runs or of batches, if there are; ``length``
        even: with tables, or a run that the device writes.
        """
        if runs and hasattr(self.driver, "add_avail_run"):
            self._add_run(count, length, length % 2 == 0)
        elif hasattr(self.driver, "add_avail_batch"):
            self._add_batch(count, length, length % 2 == 0)
        else:
            for _ in range(count):
                if self._free and len(self.cells) >= 2:
                    self._add(1, min(1, self._free - 1, self.most_pieces - 1), length, False)
        self._publish_avail()
        while far != "available" and self.available and not self.device_sleeps:
            if runs and self.needs_order and hasattr(self.device, "get_avail_run"):
                self._get_avail_run(count)
            elif hasattr(self.device, "get_avail_batch"):
                for chain in self.device.get_avail_batch() or [None]:
                    self._took(chain)
            else:
                self._get_avail()
        if far == "used" and hasattr(self.device, "add_used_batch") and not self.passed:
            chains = [buffer.chain for buffer in self.taken]
            for buffer in list(self.taken):
                self._finish(buffer, 4)
            self.device.add_used_batch(chains)
            self._turn_over()
        while far == "used" and self.taken:
            self._add_used(0, 4)
        self._publish_used()

    @precondition(lambda self: self.driver_sleeps or self.device_sleeps)
    @rule()
    def spurious_notification(self) -> None:
        """Wakes whoever sleeps: that must be harmless at any time (2.7.7.1, 2.7.10.2)."""
        self.driver_sleeps = self.device_sleeps = False

    @precondition(lambda self: self.made >= 8 and hasattr(self.driver, "reset"))
    @rule()
    def reset(self) -> None:
        """
        The device is reset (2.6.1.1): every token that never came back does now, and the same memory makes a new
        queue.
        """
        unused, expected = self.driver.reset(), [buffer.token for buffer in self.in_order]
        assert unused == expected, f"reset gave back {unused} instead of {expected}"
        for buffer in list(self.in_order):
            self._recycle(buffer)
        self.made = 0
        self._start_over()

    @invariant()
    def nothing_staged_is_visible(self) -> None:
        self.places.check_nothing_staged()

    @invariant()
    def counts_add_up(self) -> None:
        counts = (
            (self.driver, "in_flight", len(self.in_order), "buffers in flight"),
            (self.driver, "free", self._free, "descriptors free"),
            (self.device, "in_flight", len(self.turns), "buffers taken"),
        )
        for side, name, expected, what in counts:
            count = getattr(side, name, expected)
            assert count == expected, f"{count} instead of {expected} {what}"

    @property
    def _free(self) -> int:
        return self.size - sum(buffer.descriptors for buffer in self.in_order)

    def _pattern(self, length: int) -> bytes:
        return bytes((17 * self.made + i) % 251 for i in range(length))

    def _scatter(self, pieces: Sequence[Segment], content: bytes) -> None:
        for addr, length in pieces:
            self.setup.memory.write(addr, content[:length])
            content = content[length:]

    def _gather(self, pieces: Sequence[Segment]) -> bytes:
        return b"".join(self.setup.memory.read(addr, length) for addr, length in pieces)

    def _recycle(self, buffer: Buffer) -> None:
        self.in_order.remove(buffer)
        self.cells += [addr for addr, _ in buffer.readable + buffer.writable]
        self.tables += [buffer.table] if buffer.table else []


class PackedRingMachine(RingMachine):
    """The same for the packed ring (2.8)."""

    @initialize(setup=strategies.packed_setups(OPTIONAL))
    def start(self, setup: RingSetup) -> None:
        self._start(setup)


# When a notification is due is read from the shared words, by the rule of the format and nothing of either side.


class SplitPlaces:
    """Where a split ring has got to, as published: free-running indices."""

    def __init__(self, setup: RingSetup) -> None:
        self.words = SplitWords(setup.memory, setup.areas, setup.big_endian)
        self.event_idx = bool(setup.features & Feature.EVENT_IDX)
        self.avail = self.used = setup.index

    def device_is_due(self, published: list[int]) -> bool:
        """Whether so many more available buffers, of so many descriptors each, must notify the device (2.7.10)."""
        before, self.avail = self.avail, (self.avail + len(published)) % 65536
        return self._is_due(self.avail, before, self.words.avail_event, self.words.used_flags)

    def driver_is_due(self, published: list[int]) -> bool:
        """Whether so many more used buffers must notify the driver (2.7.7)."""
        before, self.used = self.used, (self.used + len(published)) % 65536
        return self._is_due(self.used, before, self.words.used_event, self.words.avail_flags)

    def _is_due(self, new: int, old: int, event: int, flags: int) -> bool:
        if new == old:
            return False
        return event_is_due(event, new, old) if self.event_idx else not flags & 1

    def check_nothing_staged(self) -> None:
        """The indices are what was published."""
        indices = self.words.avail_idx, self.words.used_idx
        assert indices == (self.avail, self.used), f"nothing staged is visible, but the indices are {indices}"


class PackedPlaces:
    """Where a packed ring has got to: entries counted to twice the size and round again, for the wrap counter."""

    def __init__(self, setup: RingSetup) -> None:
        self.words = PackedWords(setup.memory, setup.areas)
        self.event_idx = bool(setup.features & Feature.EVENT_IDX)
        self.size = setup.areas.size
        self.avail = self.used = (setup.index & 0x7FFF) + (self.size if setup.index & 0x8000 else 0)

    def device_is_due(self, published: list[int]) -> bool:
        before, self.avail = self.avail, (self.avail + sum(published)) % (2 * self.size)
        return bool(published) and self._is_due(self.avail, before, self.words.device_event())

    def driver_is_due(self, published: list[int]) -> bool:
        before, self.used = self.used, (self.used + sum(published)) % (2 * self.size)
        return bool(published) and self._is_due(self.used, before, self.words.driver_event())

    def _is_due(self, new: int, old: int, event: tuple[int, int]) -> bool:
        place, flags = event
        if flags != DESC or not self.event_idx:
            return flags == ENABLE
        return event_is_due((place & 0x7FFF) + (0 if place & 0x8000 else self.size), new, old, 2 * self.size)

    def check_nothing_staged(self) -> None:
        """The entry after the last published one is not available, unless the ring is full of older ones (2.8.1)."""
        entry, wrap = self.avail % self.size, self.avail < self.size
        flags = self.words.flags(entry)
        available = bool(flags & 1 << 7) == wrap and bool(flags & 1 << 15) != wrap
        assert not available, f"nothing staged is visible, but entry {entry} is available"


def _refused_without_in_order(verb: Callable[[], object]) -> None:
    """It must say that this needs IN_ORDER; that nothing has changed is seen by what follows."""
    try:
        answer = verb()
    except CallerError as error:
        assert error.code == RingCode.FEATURE, f"a run without IN_ORDER is refused for another reason: {error}"
    else:
        raise AssertionError(f"a run without IN_ORDER is answered {answer}")


def _bytes(pieces: Sequence[Segment]) -> int:
    return sum(length for _, length in pieces)
