# SPDX-License-Identifier: MIT
"""A bounce pool against the model of it, with a look at every byte of the window after every step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from vring.bounce import BouncePool, PoolFlag, Usage
from vring.errors import BounceCode, CallerError
from vring.inspect import Record, pool_record
from vring.mapping import Coherent, Direction, Mapping, NoRoom
from vring.memory import GuestMemory
from vring.pool_model import Geometry, Place, PoolModel, Request, Search
from vring.testing import strategies
from vring.testing.film import Filmed
from vring.testing.protocol import PoolLike

__all__ = ["PoolMachine"]

DIRECTIONS = st.sampled_from(Direction)
CYCLE = bytes(range(1, 252))


@dataclass(eq=False)
class Held:
    """One live mapping: its original and what that must hold."""

    mapping: Mapping | Coherent
    place: Place
    owner: int
    original: bytearray | None = None
    expected: bytearray | None = None


def flags_of(geometry: Geometry) -> PoolFlag:
    """Those that a pool of this geometry is made with."""
    wanted = {PoolFlag.FIRST_FIT: geometry.first_fit, PoolFlag.KEEP_PADDING: geometry.keep_padding}
    return PoolFlag(sum(flag for flag, is_wanted in wanted.items() if is_wanted))


class PoolMachine(Filmed):
    """
    Map, sync and unmap anything, in any order, with every kind of mask, until the pool is full, and misuse it now and
    then. What is checked: every mapping lies exactly where the model puts it, or is refused for the model's reason;
    the original and the window hold what the directions say, byte for byte; outside live mappings the window shows
    nothing (of mappings that ended, of the padding); dead mappings and ranges that reach too far are refused with
    nothing changed; counts add up; the device's scribbling over the whole window changes no decision.

    Override ``make_pool`` to put your own allocator under it, ``search`` if it looks for room by another rule. Set
    ``limits`` to True if its ``map`` knows devices that do not reach everything, ``keep_padding`` if it knows pools
    that do not clear what lies around the data.
    """

    search = Search
    limits = False
    keep_padding = False

    def make_pool(self, memory: GuestMemory, geometry: Geometry) -> PoolLike:
        """The pool under test, over all of ``memory``."""
        return BouncePool(memory, **geometry.options(), flags=flags_of(geometry))

    def look(self) -> Sequence[Record]:
        usage, made = self.pool.usage(), self.geometry
        return [
            pool_record(
                "pool",
                self.pool.mappings(),
                addr=made.window_addr,
                slots=made.slots,
                slot_size=made.slot_size,
                segment_slots=made.segment_slots,
                areas=made.areas,
                used=usage.used,
                high_water=usage.high_water,
            )
        ]

    @initialize(geometry=strategies.geometries(keep_padding=True))
    def start(self, geometry: Geometry) -> None:
        self.geometry = geometry = replace(geometry, keep_padding=geometry.keep_padding and self.keep_padding)
        self.memory = GuestMemory(geometry.slots * geometry.slot_size)
        self.memory.view(self.memory.base, self.memory.size)[:] = b"\xdd" * self.memory.size
        self.pool = self.make_pool(self.memory, geometry)
        self.model = PoolModel(geometry, self.search)
        self.window = bytearray(self.memory.size)  # what it must show
        self.held: list[Held] = []
        self.dead: list[Mapping | Coherent] = []
        self.made = 0

    # ------------------------------------------------------------------------------------------ mappings and memory ---

    @rule(request=strategies.REQUESTS, direction=DIRECTIONS)
    def map(self, request: Request, direction: Direction) -> None:
        self._map(request, direction)

    @precondition(lambda self: self.limits)
    @rule(request=strategies.REQUESTS, direction=DIRECTIONS, reach=st.integers(0, 128))
    def map_for_a_device_that_does_not_reach_all(self, request: Request, direction: Direction, reach: int) -> None:
        last = self.geometry.window_addr + len(self.window) * reach // 128
        self._map(replace(request, limit=last), direction)

    def _map(self, request: Request, direction: Direction) -> None:
        self.made += 1
        original = _original(self.made, request.size)
        expected = self.model.map(request)
        answer: Mapping | NoRoom | BounceCode
        besides = {"limit": request.limit} if request.limit else {}
        try:
            answer = self.pool.map(
                original,
                direction,
                **besides,
                orig_addr=request.orig_addr,
                alloc_align_mask=request.alloc_align_mask,
                min_align_mask=request.min_align_mask,
                boundary_mask=request.boundary_mask,
                area=request.area,
                owner=self.made,
            )
        except CallerError as error:
            answer = BounceCode(error.code)
        held = self._compare(answer, expected)
        if held:
            held.original, held.expected = original, bytearray(original)
            self._show(held.place, original)

    @rule(count=st.integers(1, 16), size=st.integers(1, 600), direction=DIRECTIONS, area=st.integers(0, 4))
    def fill(self, count: int, size: int, direction: Direction, area: int) -> None:
        """Many small mappings, so that most runs come to where room is short."""
        for _ in range(count):
            self._map(Request(size, area=area), direction)

    @rule(size=st.integers(1, 8192), area=st.integers(0, 4))
    def alloc(self, size: int, area: int) -> None:
        self.made += 1
        request = Request.coherent(self.geometry, size, area)
        expected = self.model.map(request)
        answer: Coherent | NoRoom | BounceCode
        try:
            answer = self.pool.alloc(size, area=area, owner=self.made)
        except CallerError as error:
            answer = BounceCode(error.code)
        held = self._compare(answer, expected)
        if held:
            self._clear(held.place)  # all of it, whatever becomes of padding

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 63), part=st.sampled_from([None, 0, 1, 2, 4]))
    def end(self, which: int, part: int | None) -> None:
        held = self.held.pop(which % len(self.held))
        mapping = held.mapping
        if isinstance(mapping, Coherent):
            mapping.free()
        else:
            written = None if part is None else mapping.size * part // 4
            self._expect_copy_out(held, 0, mapping.size if written is None else written)
            mapping.unmap(written)
        self.model.unmap(held.place)
        self._clear(held.place)
        self.dead.append(mapping)
        assert held.original == held.expected, "unmap left the original wrong"

    # --------------------------------------------------------------------------------------------- both sides write ---

    @precondition(lambda self: any(held.original is not None for held in self.held))
    @rule(which=st.integers(0, 63), offset=st.integers(0, 8191), length=st.integers(0, 8192), for_cpu=st.booleans())
    def sync(self, which: int, offset: int, length: int, for_cpu: bool) -> None:
        originals = [held for held in self.held if held.original is not None]
        held = originals[which % len(originals)]
        mapping = held.mapping
        assert isinstance(mapping, Mapping) and held.original is not None
        if length % 2:
            offset, length = offset % mapping.size, length % (mapping.size - offset % mapping.size + 1)
        sync = mapping.sync_for_cpu if for_cpu else mapping.sync_for_device
        if offset + length > mapping.size:
            self._refused(BounceCode.RANGE, lambda: sync(offset, length))
            return
        if for_cpu:
            self._expect_copy_out(held, offset, length)
        elif mapping.info.direction != Direction.FROM_DEVICE:
            start = self._data(held.place) + offset
            self.window[start : start + length] = held.original[offset : offset + length]
        sync(offset, length)
        assert held.original == held.expected, "sync left the original wrong"

    @precondition(lambda self: any(held.original for held in self.held))
    @rule(which=st.integers(0, 63), value=st.integers(0, 255))
    def cpu_writes_original(self, which: int, value: int) -> None:
        originals = [held for held in self.held if held.original is not None]
        held = originals[which % len(originals)]
        assert held.original is not None and held.expected is not None
        index = which * 7 % len(held.original)
        held.original[index] = held.expected[index] = value

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 63), value=st.integers(0, 255), length=st.integers(1, 8192))
    def device_writes_mapping(self, which: int, value: int, length: int) -> None:
        held = self.held[which % len(self.held)]
        start = self._data(held.place)
        length = min(length, held.mapping.size)
        self.window[start : start + length] = bytes([value]) * length
        held.mapping.data[:length] = bytes([value]) * length

    @rule(value=st.integers(0, 255))
    def device_scribbles_over_everything(self, value: int) -> None:
        """Also over free slots and padding: nothing of that may come back, and what is mapped next covers it."""
        self.window[:] = bytes([value]) * len(self.window)
        self.memory.view(self.memory.base, self.memory.size)[:] = self.window

    # ------------------------------------------------------------------------------------------------------- misuse ---

    @precondition(lambda self: self.dead)
    @rule(which=st.integers(0, 63), sync=st.booleans())
    def use_a_dead_mapping(self, which: int, sync: bool) -> None:
        mapping = self.dead[which % len(self.dead)]
        if isinstance(mapping, Coherent):
            self._refused(BounceCode.HANDLE, mapping.free)
        else:
            self._refused(BounceCode.HANDLE, mapping.sync_for_cpu if sync else mapping.unmap)

    @precondition(lambda self: self.held)
    @rule(
        which=st.integers(0, 63),
        beyond=st.integers(1, 4096),
        bits=st.integers(1, 63),
        mask=st.sampled_from(["alloc_align_mask", "min_align_mask", "boundary_mask"]),
    )
    def slip(self, which: int, beyond: int, bits: int, mask: str) -> None:
        """Close too early, ask with a mask that is none, unmap more than there is."""
        self._refused(BounceCode.BUSY, self.pool.close)
        self._refused(BounceCode.MASK, lambda: self.pool.map(b"x", Direction.TO_DEVICE, **{mask: 1 << bits}))
        mapping = self.held[which % len(self.held)].mapping
        if isinstance(mapping, Mapping):
            self._refused(BounceCode.RANGE, lambda: mapping.unmap(mapping.size + beyond))

    # ----------------------------------------------------------------------------------------------- what must hold ---

    @invariant()
    def the_window_shows_nothing_else(self) -> None:
        shown = self.memory.view(self.memory.base, self.memory.size)
        if self.window != shown:  # in this order it is a memcmp; the other way round each byte becomes an object
            first = next(i for i in range(len(self.window)) if shown[i] != self.window[i])
            raise AssertionError(
                f"byte {first:#x} of the window (slot {first // self.geometry.slot_size}) shows "
                f"{shown[first]:#x}, not {self.window[first]:#x}"
            )

    @invariant()
    def counts_add_up(self) -> None:
        usage, expected = (
            self.pool.usage(),
            Usage(
                self.geometry.slots, len(self.model.used), self.model.high_water, len(self.held), self.model.longest_run
            ),
        )
        assert usage == expected, f"{usage} instead of {expected}"

    @invariant()
    def the_list_of_mappings_is_right(self) -> None:
        listed = [(info.slot, info.slots, info.addr, info.size, info.owner) for info in self.pool.mappings()]
        expected = sorted(
            (held.place.slot, held.place.slots, held.place.addr, held.mapping.size, held.owner) for held in self.held
        )
        assert listed == expected, f"the list of mappings is {listed}, not {expected}"

    def _compare(self, answer: Mapping | Coherent | NoRoom | BounceCode, expected: Place | BounceCode) -> Held | None:
        if isinstance(answer, NoRoom):
            answer = BounceCode(answer.value)
        if isinstance(expected, BounceCode) or isinstance(answer, BounceCode):
            assert answer == expected, f"the pool answered {answer!r}, the model {expected!r}"
            return None
        info = answer.info
        place = Place(info.slot, info.slots, info.addr, info.pad_slots, info.area)
        assert place == expected, f"the pool took {place}, the model {expected}"
        held = Held(answer, place, self.made)
        self.held.append(held)
        return held

    def _data(self, place: Place) -> int:
        return place.addr - self.geometry.window_addr

    def _show(self, place: Place, data: bytes | bytearray) -> None:
        if not self.geometry.keep_padding:
            self._clear(place)
        self.window[self._data(place) : self._data(place) + len(data)] = data

    def _clear(self, place: Place) -> None:
        start, size = place.slot * self.geometry.slot_size, place.slots * self.geometry.slot_size
        self.window[start : start + size] = bytes(size)

    def _expect_copy_out(self, held: Held, offset: int, length: int) -> None:
        assert held.expected is not None
        if held.mapping.info.direction != Direction.TO_DEVICE:
            start = self._data(held.place) + offset
            held.expected[offset : offset + length] = self.window[start : start + length]

    def _refused(self, code: BounceCode, call: Callable[[], object]) -> None:
        try:
            answer = call()
        except CallerError as error:
            assert error.code == code, f"refused with {error.code!r}, not {code!r}"
        else:
            raise AssertionError(f"{call} should have been refused with {code!r}, not answered with {answer}")


def _original(number: int, size: int) -> bytearray:
    """What the buffer of that number holds: no zeroes, and nothing that its neighbours hold at the same place."""
    first = 31 * number % len(CYCLE)
    return bytearray((CYCLE * (size // len(CYCLE) + 2))[first : first + size])
