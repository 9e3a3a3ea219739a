# SPDX-License-Identifier: MIT
"""A set of bounce pools that come and go, against the model of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from vring.bounce import PoolConfig
from vring.bounce_set import BounceSet, Released, SetPool, Share
from vring.errors import BounceCode, CallerError
from vring.inspect import Record, pool_record
from vring.mapping import Coherent, Direction, Mapping, NoRoom
from vring.memory import GuestMemory
from vring.pool_model import Geometry, Place, PoolModel, Request
from vring.testing import strategies
from vring.testing.film import Filmed
from vring.testing.pool_machine import flags_of

__all__ = ["SetMachine", "SetModel"]

Answer = TypeVar("Answer")
ENTRIES = 4
DIRECTIONS = st.sampled_from(Direction)
DEVICES = st.integers(0, 2)
WHICH = st.integers(0, 63)
FAILS = st.integers(0, 7).map(lambda number: number == 7)  # now and then, and not in a minimal run
REQUESTS = strategies.requests(Geometry(0, 64, slot_size=256, segment_slots=8, page_size=512, areas=2))

# Of what several pools say, what is answered: the first of these that one of them said.
SAYS_MOST = (BounceCode.FRAGMENTED, BounceCode.FULL, BounceCode.UNSATISFIABLE, BounceCode.TOO_LARGE)


class State(Enum):
    """What a pool of a set may do."""

    OPEN = "maps and unmaps"
    DRAINING = "unmaps"
    TRANSIENT = "has its one mapping"


@dataclass(eq=False)
class Entry:
    """A pool of the set."""

    pool: PoolModel
    device: int = 0
    state: State = State.OPEN
    live: int = 0


@dataclass
class SetModel:
    """A set that is nothing but a list of entries: a pool, nothing (``None``), or lost for good (``"lost"``)."""

    entries: list[Entry | None | str] = field(default_factory=lambda: [None] * ENTRIES)

    def free(self) -> int | None:
        """The entry that the next pool gets, if there is one."""
        return self.entries.index(None) if None in self.entries else None

    def pools(self) -> list[tuple[int, Entry]]:
        """Those that there are, in the order in which they are asked."""
        return [(index, entry) for index, entry in enumerate(self.entries) if isinstance(entry, Entry)]

    def serving(self, device: int) -> list[tuple[int, Entry]]:
        """The open pools of a device; or, if it has none, those of everybody."""
        opened = [(index, entry) for index, entry in self.pools() if entry.state is State.OPEN]
        own = [(index, entry) for index, entry in opened if entry.device == device]
        return own or [(index, entry) for index, entry in opened if entry.device == 0]

    def map(self, device: int, ask: Callable[[Geometry], Request]) -> tuple[int, Place] | BounceCode:
        """Where a mapping goes, which is now taken; or why it goes nowhere, and nothing has changed."""
        answers = []
        for index, entry in self.serving(device):
            answer = entry.pool.map(ask(entry.pool.geometry))
            if isinstance(answer, Place):
                entry.live += 1
                return index, answer
            answers.append(answer)
        return min(answers, key=SAYS_MOST.index, default=BounceCode.FULL)


@dataclass(eq=False)
class Window:
    """A window that is or was shared, and what it must show."""

    addr: int
    memory: GuestMemory
    shown: bytearray
    slot_size: int


@dataclass(eq=False)
class Held:
    """One live mapping: where it lies, its original, and what that must hold."""

    mapping: Mapping | Coherent
    pool: SetPool
    entry: Entry
    window: Window
    place: Place
    original: bytearray | None = None


class SetMachine(Filmed):
    """
    Add pools and take them away again, for everybody or for one device, while mappings come and go; now and then a
    window cannot be shared, or not be made private again. What is checked: every mapping lies in the pool and at the
    slot that the model says, or is refused for the model's reason; a window is shared once, and for one mapping only if
    that could be there; a pool leaves when it may, and not before, with its window told private once, cleared and never
    touched again; what lost its window is never used again; windows show what was mapped, byte for byte, and originals
    what the device wrote; dead mappings are refused, whoever has their entry now; counts add up.

    Override ``make_set`` to put your own under it.
    """

    def make_set(self, entries: int, share: Share, released: Released) -> BounceSet:
        """The set under test."""
        return BounceSet(entries, seed=1, share=share, released=released)

    def look(self) -> Sequence[Record]:
        return [
            pool_record(
                f"entry {pool.index}",
                pool.mappings(),
                addr=entry.pool.geometry.window_addr,
                slots=entry.pool.geometry.slots,
                slot_size=entry.pool.geometry.slot_size,
                segment_slots=entry.pool.geometry.segment_slots,
                areas=entry.pool.geometry.areas,
                used=pool.usage().used,
                high_water=pool.usage().high_water,
            )
            for pool, (_, entry) in zip(self.pools.pools, self.model.pools())
        ]

    @initialize()
    def start(self) -> None:
        self.model = SetModel()
        self.windows: dict[int, Window] = {}  # by device address: all that there ever were
        self.shared: set[int] = set()  # those of pools
        self.told: list[tuple[str, int]] = []  # during one call
        self.fails = False
        self.held: list[Held] = []
        self.dead: list[Mapping | Coherent] = []
        self.pools = self.make_set(ENTRIES, self._share, self._released)

    # -------------------------------------------------------------------------------------------- pools come and go ---

    @rule(geometry=strategies.geometries(keep_padding=True), device=DEVICES, fails=FAILS)
    def add(self, geometry: Geometry, device: int, fails: bool) -> None:
        window, made = self._window(geometry)
        index = self.model.free()
        call = self._during(fails and index is not None, lambda: self.pools.add(made, device=device))
        if index is None:
            self._refused(BounceCode.FULL, call)
        elif fails:
            self._refused(BounceCode.SHARE, call)
            self._told(("shared", window.addr))
        else:
            assert call().index == index, "the pool is not in the first free entry"
            self._told(("shared", window.addr))
            self.shared.add(window.addr)
            self.model.entries[index] = Entry(PoolModel(self._geometry(geometry, window)), device)

    @precondition(lambda self: self.shared and self.model.free() is not None)
    @rule(which=WHICH, device=DEVICES)
    def add_at_the_same_addresses(self, which: int, device: int) -> None:
        window = self.windows[sorted(self.shared)[which % len(self.shared)]]
        made = PoolConfig(GuestMemory(window.slot_size), window_addr=window.addr, slot_size=window.slot_size)
        self._refused(BounceCode.OVERLAP, self._during(False, lambda: self.pools.add(made, device=device)))
        self._told()

    @precondition(lambda self: self.model.pools())
    @rule(which=WHICH)
    def drain(self, which: int) -> None:
        pool, entry = self._pool(which)
        if entry.state is State.TRANSIENT:
            self._refused(BounceCode.RANGE, pool.drain)
        else:
            pool.drain()
            entry.state = State.DRAINING

    @precondition(lambda self: self.model.pools())
    @rule(which=WHICH, fails=FAILS)
    def remove(self, which: int, fails: bool) -> None:
        pool, entry = self._pool(which)
        if entry.state is State.TRANSIENT:
            self._refused(BounceCode.RANGE, pool.remove)
        elif entry.live:
            self._refused(BounceCode.BUSY, self._during(False, pool.remove))
            self._told()
        else:
            self._leaves(pool, entry, fails, self._during(fails, pool.remove))
            self._refused(BounceCode.STATE, pool.remove)

    # ----------------------------------------------------------------------------------------------------- mappings ---

    @rule(request=REQUESTS, direction=DIRECTIONS, device=DEVICES)
    def map(self, request: Request, direction: Direction, device: int) -> None:
        self._map(request, direction, device)

    @rule(count=st.integers(1, 16), size=st.integers(1, 600), direction=DIRECTIONS, device=DEVICES)
    def fill(self, count: int, size: int, direction: Direction, device: int) -> None:
        """Many small mappings, so that most runs come to where the next pool is asked."""
        for _ in range(count):
            self._map(Request(size), direction, device)

    def _map(self, request: Request, direction: Direction, device: int) -> None:
        original = self._original(request.size)
        expected = self.model.map(device, lambda geometry: request)
        answer = self._ask(lambda: self.pools.map(original, direction, device=device, **_wishes(request)))
        self._compare(answer, expected, original)

    @rule(size=st.integers(1, 4096), device=DEVICES)
    def alloc(self, size: int, device: int) -> None:
        expected = self.model.map(device, lambda geometry: Request.coherent(geometry, size))
        self._compare(self._ask(lambda: self.pools.alloc(size, device=device)), expected, None)

    @rule(geometry=strategies.geometries(keep_padding=True), request=REQUESTS, direction=DIRECTIONS, fails=FAILS)
    def map_transient(self, geometry: Geometry, request: Request, direction: Direction, fails: bool) -> None:
        window, made = self._window(geometry)
        index, original = self.model.free(), self._original(request.size)
        entry = Entry(PoolModel(self._geometry(geometry, window)), state=State.TRANSIENT, live=1)
        call = self._during(
            fails and index is not None, lambda: self.pools.map_transient(made, original, direction, **_wishes(request))
        )
        place = BounceCode.FULL if index is None else entry.pool.map(request)
        if index is None or isinstance(place, BounceCode):
            assert self._ask(call) is place
            self._told()  # a window is shared only for what could be mapped there
            return
        if fails:
            self._refused(BounceCode.SHARE, call)
            self._told(("shared", window.addr))
            return
        answer = self._ask(call)
        self._told(("shared", window.addr))
        self.shared.add(window.addr)
        self.model.entries[index] = entry
        self._compare(answer, (index, place), original)

    @precondition(lambda self: self.held)
    @rule(which=WHICH, part=st.sampled_from([None, 0, 1, 2, 4]), fails=FAILS)
    def end(self, which: int, part: int | None, fails: bool) -> None:
        held = self.held.pop(which % len(self.held))
        mapping, leaves = held.mapping, held.entry.state is State.TRANSIENT
        expected = held.original and bytearray(held.original)
        call: Callable[[], None] = mapping.free if isinstance(mapping, Coherent) else lambda: mapping.unmap(written)
        written = None if part is None or isinstance(mapping, Coherent) else mapping.size * part // 4
        if expected is not None and mapping.info.direction != Direction.TO_DEVICE:
            length = mapping.size if written is None else written
            start = held.place.addr - held.window.addr
            expected[:length] = held.window.shown[start : start + length]
        held.entry.pool.unmap(held.place)
        held.entry.live -= 1
        self._clear(held.window, held.place)
        self.dead.append(mapping)
        call = self._during(fails and leaves, call)
        if leaves:
            self._leaves(held.pool, held.entry, fails, call)
        else:
            call()
            self._told()
        assert held.original == expected, "unmap left the original wrong"

    @precondition(lambda self: self.held)
    @rule(which=WHICH, value=st.integers(0, 255), length=st.integers(1, 8192))
    def device_writes_mapping(self, which: int, value: int, length: int) -> None:
        held = self.held[which % len(self.held)]
        start, length = held.place.addr - held.window.addr, min(length, held.mapping.size)
        held.window.shown[start : start + length] = bytes([value]) * length
        held.mapping.data[:length] = bytes([value]) * length

    @precondition(lambda self: self.dead)
    @rule(which=WHICH)
    def use_a_dead_mapping(self, which: int) -> None:
        mapping = self.dead[which % len(self.dead)]
        self._refused(BounceCode.HANDLE, mapping.free if isinstance(mapping, Coherent) else mapping.unmap)

    @precondition(lambda self: self.model.pools())
    @rule()
    def close_too_early(self) -> None:
        self._refused(BounceCode.BUSY, self.pools.close)

    def teardown(self) -> None:
        """Whatever was done, all can end: then nothing is shared but what was lost."""
        try:
            if "held" in self.__dict__ and not self.__dict__.get("_film"):
                while self.held:
                    self.end(0, None, False)
                while self.model.pools():
                    self.remove(0, False)
                self.pools.close()
        finally:
            super().teardown()

    # ----------------------------------------------------------------------------------------------- what must hold ---

    @invariant()
    def windows_show_what_is_mapped(self) -> None:
        """Also those of pools that have left: nobody touches them any more."""
        for window in self.windows.values():
            view = window.memory.view(window.memory.base, window.memory.size)
            if window.shown != view:
                first = next(i for i in range(len(window.shown)) if view[i] != window.shown[i])
                raise AssertionError(
                    f"byte {first:#x} of the window at {window.addr:#x} shows {view[first]:#x}, "
                    f"not {window.shown[first]:#x}"
                )

    @invariant()
    def pools_and_counts_are_right(self) -> None:
        pools, expected = self.pools.pools, self.model.pools()
        assert [pool.index for pool in pools] == [index for index, _ in expected], "the pools are not those added"
        for pool, (_, entry) in zip(pools, expected):
            pool.verify()
            usage = pool.usage()
            assert (usage.used, usage.mappings) == (len(entry.pool.used), entry.live), f"{usage} of a pool"
        usage = self.pools.usage()
        assert usage.mappings == len(self.held)
        assert usage.used == sum(len(entry.pool.used) for _, entry in expected)
        assert usage.slots == sum(entry.pool.geometry.slots for _, entry in expected)

    # ------------------------------------------------------------------------------------------------------ helpers ---

    def _share(self, view: memoryview, addr: int, shared: bool) -> None:
        self.told.append(("shared" if shared else "private", addr))
        assert len(view) == len(self.windows[addr].shown), "not all of the window"
        if shared:  # what conversion leaves in it; a pool begins with a window that is clear
            view[:] = b"\xaa" * len(view)
            self.windows[addr].shown[:] = (b"\xaa" if self.fails else b"\0") * len(view)
        if self.fails:
            raise OSError("the hypervisor said no")

    def _released(self, pool: SetPool) -> None:
        self.told.append(("released", pool.window_addr))

    def _told(self, *what: tuple[str, int]) -> None:
        assert self.told == [*what], f"the set told its hooks {self.told}, not {[*what]}"

    def _during(self, fails: bool, call: Callable[[], Answer]) -> Callable[[], Answer]:
        """The call, during which sharing fails, and of which ``told`` says what the set was told."""

        def wrapped() -> Answer:
            self.told, self.fails = [], fails
            try:
                return call()
            finally:
                self.fails = False

        return wrapped

    def _leaves(self, pool: SetPool, entry: Entry, fails: bool, call: Callable[[], object]) -> None:
        """A pool without mappings goes, or its window is lost."""
        assert pool.index is not None
        index, addr = pool.index, entry.pool.geometry.window_addr
        if fails:
            self._refused(BounceCode.SHARE, call)
            self._told(("private", addr))
            self.model.entries[index] = "lost"
        else:
            call()
            self._told(("private", addr), ("released", addr))
            self.model.entries[index] = None
            self.shared.remove(addr)
        assert pool.index is None, "the pool has not left"

    def _pool(self, which: int) -> tuple[SetPool, Entry]:
        pools, model = self.pools.pools, self.model.pools()
        which %= len(model)
        return pools[which], model[which][1]

    def _window(self, geometry: Geometry) -> tuple[Window, PoolConfig]:
        """Fresh memory, at addresses of its own."""
        addr = (len(self.windows) + 1 << 48) + geometry.window_addr % (1 << 40)
        memory = GuestMemory(geometry.slots * geometry.slot_size)
        self.windows[addr] = Window(addr, memory, bytearray(memory.size), geometry.slot_size)
        options = replace(geometry, window_addr=addr).options()
        made = PoolConfig(memory, **options, flags=flags_of(geometry))
        return self.windows[addr], made

    def _geometry(self, geometry: Geometry, window: Window) -> Geometry:
        return replace(geometry, window_addr=window.addr)

    def _original(self, size: int) -> bytearray:
        return bytearray([1 + len(self.held) % 200]) * size

    def _ask(self, call: Callable[[], object]) -> object:
        try:
            answer = call()
        except CallerError as error:
            return BounceCode(error.code)
        return BounceCode(answer.value) if isinstance(answer, NoRoom) else answer

    def _compare(self, answer: object, expected: tuple[int, Place] | BounceCode, original: bytearray | None) -> None:
        if isinstance(expected, BounceCode) or isinstance(answer, BounceCode):
            assert answer == expected, f"the set answered {answer!r}, the model {expected!r}"
            return
        assert isinstance(answer, Mapping | Coherent)
        info, pool, (index, place) = answer.info, answer.pool, expected
        assert isinstance(pool, SetPool)
        taken = pool.index, Place(info.slot, info.slots, info.addr, info.pad_slots, info.area)
        assert taken == expected, f"the set took {taken}, the model {expected}"
        entry = self.model.entries[index]
        assert isinstance(entry, Entry)
        window = self.windows[entry.pool.geometry.window_addr]
        if original is None or not entry.pool.geometry.keep_padding:
            self._clear(window, place)
        start = place.addr - window.addr
        window.shown[start : start + len(original or b"")] = original or b""
        self.held.append(Held(answer, pool, entry, window, place, original))

    def _clear(self, window: Window, place: Place) -> None:
        start, size = place.slot * window.slot_size, place.slots * window.slot_size
        window.shown[start : start + size] = bytes(size)

    def _refused(self, code: BounceCode, call: Callable[[], object]) -> None:
        answer = self._ask(call)
        assert answer is code, f"answered with {answer!r}, where {code!r} was due"


def _wishes(request: Request) -> dict[str, int]:
    """What a request asks for, as keyword arguments."""
    return {
        "orig_addr": request.orig_addr,
        "alloc_align_mask": request.alloc_align_mask,
        "min_align_mask": request.min_align_mask,
        "boundary_mask": request.boundary_mask,
        "area": request.area,
    }
