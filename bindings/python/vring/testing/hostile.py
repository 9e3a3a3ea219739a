# SPDX-License-Identifier: MIT
"""
One side against a peer that writes anything anywhere in what both share. Nothing here may crash, hang or be believed:
every answer is an error that sticks, or consistent with what was in the ring.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from vring.device import Chain
from vring.driver import IndirectTable
from vring.errors import CallerError, ChainError, PeerError, RingCode
from vring.features import Feature
from vring.layout import allocate_areas
from vring.memory import GuestMemory, Region, Segment
from vring.testing import strategies
from vring.testing.hostile_ends import (
    DeviceEnd,
    DriverEnd,
    Found,
    PackedDeviceEnd,
    PackedDriverEnd,
    SplitDeviceEnd,
    SplitDriverEnd,
)
from vring.testing.protocol import OPTIONAL, RingSetup
from vring.testing.under_test import RingUnderTest
from vring.testing.words import INDIRECT, NEXT, WRITE, Descriptor

__all__ = [
    "HostileDeviceMachine",
    "HostileDriverMachine",
    "PackedHostileDeviceMachine",
    "PackedHostileDriverMachine",
    "evidence",
]

Answer = TypeVar("Answer")
MEMORY = 1 << 16
PUBLISH = st.sampled_from([True, False])  # in this order a run that fails has no step of its own for it
BYTE = st.integers(0, 255)

# Addresses count from the start of the memory, whose halves and end are what the regions of the device are cut at.
DESCRIPTORS = st.builds(
    Descriptor,
    addr=st.sampled_from(
        [
            0x2000,
            0x4000,
            0x4001,
            0x7FF8,
            0x7FFF,
            0x8000,
            0xBFF8,
            0xBFFF,
            0xC000,
            0xFFF8,
            1 << 40,
            (1 << 64) - 0x10008,
            (1 << 64) - 0x10010,
        ]
    ),
    len=st.sampled_from([0, 1, 8, 15, 16, 17, 32, 48, 64, 256, 4096, 0x8000, (1 << 32) - 16, (1 << 32) - 1]),
    flags=st.one_of(st.integers(0, 3), st.integers(0, 7), st.just(0xFFFF)),
    next=st.integers(0, 40),
)


class _HostileMachine(RingUnderTest):
    """
    What both have in common: a ring in shared memory, a peer that scribbles, an error that must stick.

    ``peer_errors`` are the exceptions by which the side under test says that its peer broke the protocol. Where they
    do not stick, set ``sticky`` to False: then a new queue is set up after each. Otherwise the broken one is asked a
    few times more, which is all that can come of it.
    """

    PATIENCE = 3  # steps for which a broken queue is asked, and must say the same

    peer_errors: tuple[type[Exception], ...] = (PeerError,)
    sticky = True
    steps_broken = 0

    def _start_over(self) -> None:
        raise NotImplementedError

    def _replace_what_is_broken(self) -> None:
        """After each step."""
        self.steps_broken = self.steps_broken + 1 if self.broken else 0
        if self.steps_broken > (self.PATIENCE if self.sticky else 0):
            self._replace()

    def _replace(self) -> None:
        """A broken queue lives again after it has been set up anew."""
        self._start_over()

    def _prepare(self, setup: RingSetup) -> None:
        areas, layout = setup.areas, setup.areas.layout
        self.setup = setup
        self.in_order = bool(setup.features & Feature.IN_ORDER)
        self.size = areas.size
        self.packed = bool(setup.features & Feature.RING_PACKED)
        self.desc = setup.memory.view(areas.desc, layout.desc_size)
        self.driver_area = setup.memory.view(areas.driver, layout.driver_size)
        self.device_area = setup.memory.view(areas.device, layout.device_size)
        self.broken: Exception | None = None
        self.honest = True  # the peer has done nothing wrong yet

    def _ask(self, call: Callable[[], Answer]) -> Answer | None:
        """
        The answer of a call that looks at shared memory; None if the peer broke the queue, which must then stay so.
        """
        if self.broken and not self.sticky:
            return None
        try:
            answer = call()
        except self.peer_errors as error:
            assert not self.honest, f"an honest peer is accused: {error}"
            if self.broken:
                assert evidence(error) == evidence(self.broken), f"{error} instead of {self.broken}"
            self.broken = error
            return None
        assert not self.broken, f"answered {answer} although {self.broken}"
        return answer

    @contextmanager
    def _untouched(self, *areas: memoryview) -> Iterator[None]:
        """
        Shared memory that only the peer may write, or that nobody looks at once the queue is broken, stays as it
        is.
        """
        before = [bytes(area) for area in areas]
        yield
        assert [bytes(area) for area in areas] == before, "memory of the peer has been written"


def evidence(error: Exception) -> tuple[object, ...]:
    """What must be the same each time that a broken queue is asked."""
    if isinstance(error, PeerError):
        return error.code, error.position, error.value
    return type(error), str(error)


@dataclass(eq=False)
class Offered:
    """One buffer that a driver was given."""

    token: str
    pieces: list[Segment]
    n_readable: int
    table: IndirectTable | None
    scribbles: int  # that had been made when it was added
    numbers: list[int] = field(default_factory=list)  # its descriptors, or its id, as they were published

    @property
    def descriptors(self) -> int:
        return 1 if self.table else len(self.pieces)

    @property
    def room(self) -> int:
        return sum(length for _, length in self.pieces[self.n_readable :])


class HostileDeviceMachine(_HostileMachine):
    """
    A driver whose device scribbles. What is published is what the driver was given, in descriptors that no other
    buffer has; every token returns once at most, and only after its buffer was published, and in that order if there is
    one; lengths stay within the buffer; counts stay right whatever stands in the ring; what broke the queue stays what
    it is; reset gives back exactly what never returned, oldest first. Override ``make_driver`` to put your own driver
    under it; what that knows is said as in :class:`vring.testing.RingUnderTest`.
    """

    @initialize(setup=strategies.ring_setups(OPTIONAL, legacy=True))
    def start(self, setup: RingSetup) -> None:
        self._start(setup)

    def _start(self, setup: RingSetup) -> None:
        self._prepare(self.known(setup))
        self.data = setup.memory.allocate(4096)
        self.tables = [IndirectTable.allocate(setup.memory, self.size) for _ in range(self.size)]
        self._start_over()

    def _start_over(self) -> None:
        self.driver: Any = self.make_driver(self.setup)  # Any: it need not have all verbs
        self.broken = None
        self.honest = True
        self.made = self.taken = 0
        self.staged: list[Offered] = []
        self.published: list[Offered] = []
        self.scribbles = 0
        self.avail_scribbled = False
        self.end: DeviceEnd = (PackedDeviceEnd if self.packed else SplitDeviceEnd)(self.setup)

    @rule(
        n_readable=st.integers(0, 3),
        n_writable=st.integers(0, 3),
        length=st.integers(1, 64),
        indirect=st.booleans(),
        publish=PUBLISH,
    )
    def add(self, n_readable: int, n_writable: int, length: int, indirect: bool, publish: bool) -> None:
        n_readable = min(n_readable, self.size)
        n_writable = min(n_writable if n_readable else max(1, n_writable), self.size - n_readable)
        self._add(n_readable, n_writable, length, indirect)
        if publish:
            self._publish()

    def _add(self, n_readable: int, n_writable: int, length: int, indirect: bool) -> None:
        readable, writable = [(self.data, length)] * n_readable, [(self.data + 64, length)] * n_writable
        self.made += 1
        token = f"token {self.made}"
        may = self.setup.features & Feature.INDIRECT_DESC and hasattr(self.driver, "add_indirect")
        table = self.tables[-1] if indirect and self.tables and may else None
        with self._untouched(self.device_area):
            if table:
                added = self._ask(lambda: self.driver.add_indirect(table, readable, writable, token))
            else:
                added = self._ask(lambda: self.driver.add_avail(readable, writable, token))
        offered = Offered(token, [*readable, *writable], n_readable, table, self.scribbles)
        if not self.broken:
            fits = offered.descriptors <= self._free
            assert added == fits, f"add answered {added} with {self._free} descriptors free"
        if added:
            self.staged.append(offered)
            self.tables = self.tables[:-1] if table else self.tables

    @precondition(lambda self: self.staged and not self.broken and hasattr(self.driver, "abort"))
    @rule()
    def abort(self) -> None:
        offered = self.staged.pop()
        self.tables += [offered.table] if offered.table else []
        assert self.driver.abort() == offered.token, f"abort took back something else than {offered.token}"

    @rule()
    def publish(self) -> None:
        self._publish()

    def _publish(self) -> None:
        with self._untouched(self.device_area):
            self._ask(self.driver.publish)
        if not self.broken:
            for offered in self.staged:
                if offered.scribbles == self.scribbles and (self.end.rewrites_all or not self.avail_scribbled):
                    self._check_published(offered)
                self.published.append(offered)
                self.end.published(offered.descriptors)
            self.staged = []

    def _check_published(self, offered: Offered) -> None:
        """
        What the ring says of a buffer that was added and published since the device scribbled last: whatever it had
        scribbled, that must be what the driver was given.
        """
        found, offered.numbers = self.end.read(len(offered.pieces))
        given = [(*piece, i >= offered.n_readable) for i, piece in enumerate(offered.pieces)]
        assert found == given, f"{offered.token} is published as {found}, but is {given}"
        taken = {number: other.token for other in self.published for number in other.numbers}
        doubled = [number for number in offered.numbers if number in taken]
        assert not doubled, f"{offered.token} {self.end.name} {doubled[0]}, which {taken[doubled[0]]} has"

    @rule(most=st.integers(1, 4))
    def get_used(self, most: int) -> None:
        for _ in range(most):
            self._get_used()

    def _get_used(self) -> None:
        with self._untouched(self.device_area):
            used = self._ask(self.driver.get_used)
        if used is None:
            return
        buffer = next((buffer for buffer in self.published if buffer.token == used.token), None)
        assert buffer, f"{used} returned twice, or before it was published"
        assert not self.in_order or buffer is self.published[0], f"{used} returned before it was its turn"
        assert used.length <= buffer.room, f"{used} is longer than the {buffer.room} writable bytes"
        self.published.remove(buffer)
        self.end.taken_back(buffer.descriptors)
        self.tables += [buffer.table] if buffer.table else []
        self.taken += 1

    @rule(which=st.sampled_from(["enable_notify", "enable_notify_delayed", "disable_notify"]))
    def ask_for_notifications(self, which: str) -> None:
        with self._untouched(self.device_area):
            self._ask(getattr(self.driver, which, self.driver.enable_notify))

    @precondition(lambda self: (self.sticky if self.broken else self.made > 8) and hasattr(self.driver, "reset"))
    @rule()
    def reset(self) -> None:
        self._reset()

    def _replace(self) -> None:
        if self.sticky and hasattr(self.driver, "reset"):
            self._reset()
        else:
            self._start_over()

    def _reset(self) -> None:
        """What never returned is given back, oldest first."""
        unused, expected = self.driver.reset(), [buffer.token for buffer in self.published + self.staged]
        assert unused == expected, f"reset gave back {unused} instead of {expected}"
        self.tables += [buffer.table for buffer in self.published + self.staged if buffer.table]
        self._start_over()

    # --------------------------------------------------------------------------------------------------- the device ---

    @rule(
        most=st.integers(1, 4),
        length=st.sampled_from([0, 0, 0, 1, 64, 65, 1 << 31, (1 << 32) - 1]),
        early=st.sampled_from([False, False, False, True]),
        at_once=st.booleans(),
    )
    def device_uses(self, most: int, length: int, early: bool, at_once: bool) -> None:
        """
        As it should, but for the length; ``early``: also what is not available: what the driver has staged, or what was
        there a lap ago. In order, an even number of them as one batch. The driver may look at once.
        """
        if early:
            self.honest = False
            self.end.use(length, early=True)
            self._has_used()
        else:
            self._use(most, length)
        if at_once:
            self._get_used()

    @rule(count=st.integers(1, 16))
    def round_trips(self, count: int) -> None:
        """Buffer after buffer goes round as it should, so that much has happened before anything is wrong."""
        for _ in range(count):
            self._add(0, 1, 64, True)
            self._publish()
            self._use(1, 0)
            self._get_used()

    def _use(self, most: int, length: int) -> None:
        batch = most if self.in_order and most % 2 == 0 else 1
        for _ in range(0, most, batch):
            if not self.end.use(length, batch=batch):
                break
            self.honest = self.honest and length == 0
            self._has_used()

    def _has_used(self) -> None:
        """Where a wrong device says what is used, a driver of a packed ring may have staged something."""
        self.scribbles += self.end.one_area and not self.honest

    @rule(
        back=st.sampled_from([0, 0, 0, -1, 1, 2, 3]),
        used_id=st.one_of(st.integers(0, 17), st.sampled_from([0x10000, 0x10001, 0xFFFFFFFF])),
        length=st.sampled_from([0, 1, 64, (1 << 32) - 1]),
        step=st.integers(0, 2),
        at_once=st.booleans(),
    )
    def device_writes_used_element(self, back: int, used_id: int, length: int, step: int, at_once: bool) -> None:
        """The driver may look at once."""
        self.honest = False
        # Mostly one that there could be: what is wrong with those is harder to see.
        self.end.write_used(back, used_id % self.size if used_id < 16 else used_id, length, step)
        self._has_used()
        if at_once:
            self._get_used()

    @rule(value=BYTE)
    def device_scribbles_over_descriptors(self, value: int) -> None:
        """Over what a driver never reads of them, so that nothing may come of it."""
        self.scribbles += 1
        self.end.scribble_unread(value)

    @rule(
        where=st.integers(0, MEMORY),
        value=BYTE,
        index=st.one_of(st.integers(-2, 18), st.sampled_from([0x8000, 0xFFFF])),
        what=st.sampled_from(["a byte", "a byte", "an area", "what is used"]),
    )
    def device_scribbles(self, where: int, value: int, index: int, what: str) -> None:
        """Over anything shared, also what the driver has written: it must read none of that."""
        self.honest = False
        self.avail_scribbled = True
        self.scribbles += 1
        view = (self.desc, self.driver_area, self.device_area)[where % 3]
        if what == "what is used":
            self.end.jump(index)
        elif what == "an area":
            view[:] = bytes([value]) * len(view)
        else:
            view[where // 3 % len(view)] = value

    @invariant()
    def counts_add_up(self) -> None:
        self._replace_what_is_broken()
        if not self.broken:
            in_flight = len(self.staged) + len(self.published)
            count = getattr(self.driver, "in_flight", in_flight)
            assert count == in_flight, f"{count} instead of {in_flight} buffers in flight"
            count = getattr(self.driver, "free", self._free)
            assert count == self._free, f"{count} instead of {self._free} descriptors free"

    @property
    def _free(self) -> int:
        return self.size - sum(buffer.descriptors for buffer in self.staged + self.published)


class PackedHostileDeviceMachine(HostileDeviceMachine):
    """The same for the packed ring (2.8)."""

    @initialize(setup=strategies.packed_setups(OPTIONAL))
    def start(self, setup: RingSetup) -> None:
        self._start(setup)


class HostileDriverMachine(_HostileMachine):
    """
    A device whose driver scribbles. A buffer is taken only if an independent reading of the same descriptors finds it
    sound, and then with exactly its pieces; none is taken twice at a time; the device writes nothing but its own
    area; handles that are dead are refused; what broke the queue stays what it is. Override ``make_device`` to put
    your own device under it; what that knows is said as in :class:`vring.testing.RingUnderTest`.
    """

    TABLE, DATA, READ_ONLY, NOWHERE = 0x2000, 0x4000, 0x8000, 0xC000  # from the start of the memory

    @initialize(setup=strategies.ring_setups(OPTIONAL, legacy=True))
    def start(self, setup: RingSetup) -> None:
        self._start(setup)

    def _start(self, setup: RingSetup) -> None:
        """Such a ring, in memory of its own whose places are known."""
        memory = GuestMemory(MEMORY)
        base = memory.base
        regions = (
            Region(memory, base, self.READ_ONLY),
            Region(memory, base + self.READ_ONLY, self.NOWHERE - self.READ_ONLY, read_only=True),
        )
        areas = allocate_areas(memory, setup.areas.size, Feature(setup.features))
        self._prepare(replace(self.known(setup), memory=memory, areas=areas, regions=regions))
        self.table = memory.base + self.TABLE
        self._start_over()

    def _start_over(self) -> None:
        self.end: DriverEnd = (PackedDriverEnd if self.packed else SplitDriverEnd)(self.setup)
        self.device: Any = self.make_device(self.setup)
        self.broken = None
        self.honest = True
        self.live: dict[int, tuple[Chain, Found]] = {}  # by handle
        self.refused: dict[int, Found] = {}  # unusable buffers that must be completed
        self.turns: list[int] = []  # handles of all that the device has not staged as used, oldest first
        self.waiting: dict[int, Found] = {}  # used before their turn
        self.staged = 0  # used, and the driver does not know it yet
        self.dead: list[int] = []

    # --------------------------------------------------------------------------------------------------- the driver ---

    @rule(
        descriptors=st.lists(st.tuples(st.integers(0, 16), st.booleans(), DESCRIPTORS), min_size=1, max_size=4),
        head=st.integers(0, 40),
        at_once=st.booleans(),
    )
    def driver_offers_anything(self, descriptors: list[tuple[int, bool, Descriptor]], head: int, at_once: bool) -> None:
        """A head, and some descriptors in the ring and in a table."""
        self.honest = False
        for index, in_table, descriptor in descriptors:
            descriptor = descriptor._replace(
                addr=(descriptor.addr + self.setup.memory.base) % (1 << 64), next=self._mostly_in_range(descriptor.next)
            )
            self.end.set_descriptor(index % self.size, descriptor, self.table if in_table else None)
        self._make_available(self._mostly_in_range(head), at_once)

    def _mostly_in_range(self, index: int) -> int:
        """Of a ring entry. Most loops, nested tables and misplaced buffers lie behind indices that are fine."""
        return index % self.size if index < 36 else (self.size, self.size + 1, 0x7FFF, 0x8000, 0xFFFF)[index - 36]

    @rule(
        pieces=st.lists(
            st.tuples(st.sampled_from([0x4000, 0x7FF8, 0x8100]), st.integers(1, 16)), min_size=1, max_size=5
        ),
        readable=st.integers(0, 5),
        indirect=st.booleans(),
        first=st.integers(0, 15),
        at_once=st.booleans(),
    )
    def driver_offers_buffer(
        self, pieces: list[Segment], readable: int, indirect: bool, first: int, at_once: bool
    ) -> None:
        """
        A sound buffer, unless its descriptors are in use: then it is what it is. The device may take and use it at
        once.
        """
        self.honest = self.honest and self._is_quiet
        self._offer(pieces[: self.size], readable, indirect, first % self.size)
        self._make_available(first % self.size, at_once)

    @rule(count=st.integers(2, 4), backwards=st.booleans())
    def driver_offers_some(self, count: int, backwards: bool) -> None:
        """
        Sound buffers of one piece each, which the device takes together; then it uses one, the first or the last: what
        in most runs no other rule leads to.
        """
        self.honest = self.honest and self._is_quiet
        for head in range(min(count, self.size)):
            self._offer([(self.DATA, 16)], 0, False, head)
            self._make_available(head, False)
        for _ in range(count):
            self._get_avail()
        if self.live and not self.broken:
            self._add_used(len(self.live) - 1 if backwards else 0, False)

    @property
    def _is_quiet(self) -> bool:
        """Whether the driver may write any descriptor: the device has, or owes it, nothing."""
        return not self.turns and not self.staged and self.end.is_quiet

    def _offer(self, pieces: list[Segment], readable: int, indirect: bool, head: int) -> None:
        """What a driver writes of a buffer before it is available."""
        indirect = indirect and bool(self.setup.features & Feature.INDIRECT_DESC)
        descriptors = []
        for i, (addr, length) in enumerate(pieces):
            if i >= readable and addr + length > self.READ_ONLY:
                addr = self.DATA
            flags = (WRITE if i >= readable else 0) | (NEXT if i + 1 < len(pieces) else 0)
            descriptors.append(Descriptor(self.setup.memory.base + addr, length, flags, i + 1))
        if indirect:
            for i, descriptor in enumerate(descriptors):
                self.end.set_descriptor(i, descriptor, self.table)
            descriptors = [Descriptor(self.table, 16 * len(pieces), INDIRECT, 0)]
        self.end.offer_list(head, descriptors)

    def _make_available(self, head: int, at_once: bool) -> None:
        self.end.make_available(head)
        if at_once:
            self._get_avail()
            while (self.live or self.refused) and not self.broken:
                self._add_used(0, False)
            self._publish()

    @rule(
        where=st.integers(0, MEMORY),
        value=BYTE,
        index=st.one_of(st.integers(-2, 18), st.sampled_from([0x8000, 0xFFFF])),
        what=st.sampled_from(["a byte", "a byte", "a byte", "what is available"]),
    )
    def driver_scribbles(self, where: int, value: int, index: int, what: str) -> None:
        """Over anything shared, also what the device has written: it must read none of that."""
        self.honest = False
        view = (self.desc, self.driver_area, self.device_area)[where % 3]
        if what == "what is available":
            self.end.jump(index)
        else:
            view[where // 3 % len(view)] = value

    # --------------------------------------------------------------------------------------------------- the device ---

    @rule(most=st.integers(1, 4))
    def get_avail(self, most: int) -> None:
        for _ in range(most):
            self._get_avail()

    def _get_avail(self) -> None:
        broken = self.broken
        found = self.end.find(self.NOWHERE)
        expected = self._judge(found)
        with self._untouched(self.desc, self.driver_area, self.device_area):
            try:
                chain = self._ask(self.device.get_avail)
            except ChainError as error:
                assert not self.broken and not self.honest, f"an honest driver is accused: {error}"
                assert expected == "refused", f"{error}, but the buffer is {expected}"
                self.refused[error.handle] = found
                self.turns.append(error.handle)
                self.end.taken(found)
                return
        if chain is None:
            if self.broken and not broken and getattr(self.broken, "code", None) != RingCode.PEER_INDEX:
                full = self.end.may_jump and len(self.turns) >= self.size
                assert expected == "broken" or full, f"{self.broken}, but the buffer is {expected}"
            return
        pieces = [(len(piece), False) for piece in chain.readable] + [(len(piece), True) for piece in chain.writable]
        assert pieces == expected, f"{chain} was taken, but the buffer is {expected}"
        assert chain.handle not in self.live and chain.handle not in self.refused, f"handle {chain.handle:#x} is in use"
        self.live[chain.handle] = chain, found
        self.turns.append(chain.handle)
        self.end.taken(found)

    @precondition(lambda self: (self.live or self.refused) and not self.broken)
    @rule(which=st.integers(0, 15), beyond=st.booleans())
    def add_used(self, which: int, beyond: bool) -> None:
        self._add_used(which, beyond)

    def _add_used(self, which: int, beyond: bool) -> None:
        handles = [*self.live, *self.refused]
        handle = handles[which % len(handles)]
        chain, found = self.live.get(handle) or (Chain(handle, (), ()), self.refused[handle])
        if beyond and chain.room < (1 << 32) - 1:
            self._refuse(RingCode.LEN, lambda: self.device.add_used(chain, chain.room + 1))
        with self._untouched(*self.end.not_the_devices):
            self.device.add_used(chain, chain.room)
        self.live.pop(handle, None)
        self.refused.pop(handle, None)
        self.dead.append(handle)
        self.waiting[handle] = found
        for turn in list(takewhile(self.waiting.__contains__, self.turns)) if self.in_order else [handle]:
            self.turns.remove(turn)
            self.end.staged(self.waiting.pop(turn))
            self.staged += 1

    @precondition(lambda self: self.dead and not self.broken)
    @rule(which=st.integers(0, 63), rewind=st.booleans())
    def use_a_dead_handle(self, which: int, rewind: bool) -> None:
        chain = Chain(self.dead[which % len(self.dead)], (), ())
        rewind = rewind and hasattr(self.device, "rewind")
        self._refuse(RingCode.HANDLE, lambda: self.device.rewind(chain) if rewind else self.device.add_used(chain, 0))

    @rule(which=st.sampled_from(["publish", "enable_notify", "disable_notify"]))
    def publish_or_ask_for_notifications(self, which: str) -> None:
        if which == "publish":
            self._publish()
            return
        with self._untouched(self.desc, self.driver_area):
            self._ask(getattr(self.device, which))

    def _publish(self) -> None:
        with self._untouched(*self.end.not_the_devices):
            self._ask(self.device.publish)
        if not self.broken:
            self.end.published()
            self.staged = 0

    @invariant()
    def counts_add_up(self) -> None:
        self._replace_what_is_broken()
        if not self.broken:
            count = getattr(self.device, "in_flight", len(self.turns))
            assert count == len(self.turns), f"the device counts {count} instead of {len(self.turns)} taken"

    def _refuse(self, code: RingCode, call: Callable[[], None]) -> None:
        with self._untouched(self.desc, self.driver_area, self.device_area):
            try:
                call()
            except CallerError as error:
                assert error.code == code, f"{error} instead of {code!r}"
            else:
                raise AssertionError(f"should have been refused with {code!r}")

    def _judge(self, found: Found) -> list[tuple[int, bool]] | str:
        """
        What stands where the device takes next: the length and direction of every piece of a sound buffer, one more
        where it spans both regions; "refused" for an unusable buffer in a sound ring; "broken" for a ring that is not
        one.
        """
        held = [found for _, found in self.live.values()]
        names = {found.name for found in [*held, *self.refused.values(), *self.waiting.values()]}
        descriptors = found.descriptors
        if descriptors is None or found.name in names:
            return "broken"
        flags = [bool(descriptor.flags & WRITE) for descriptor in descriptors]
        pieces = [self._translate(descriptor) for descriptor in descriptors]
        if flags != sorted(flags) or None in pieces or sum(descriptor.len for descriptor in descriptors) > 1 << 32:
            return "refused"
        return [(length, writable) for lengths, writable in zip(pieces, flags) for length in lengths or ()]

    def _translate(self, descriptor: Descriptor) -> list[int] | None:
        """The lengths of the pieces of one descriptor's buffer, or None if the device may not use it so."""
        start = descriptor.addr - self.setup.memory.base
        end = start + descriptor.len
        if not descriptor.len:
            return []
        if start < 0 or end > (self.READ_ONLY if descriptor.flags & WRITE else self.NOWHERE):
            return None
        if start < self.READ_ONLY < end:
            return [self.READ_ONLY - start, end - self.READ_ONLY]
        return [descriptor.len]


class PackedHostileDriverMachine(HostileDriverMachine):
    """The same for the packed ring (2.8)."""

    @initialize(setup=strategies.packed_setups(OPTIONAL))
    def start(self, setup: RingSetup) -> None:
        self._start(setup)
