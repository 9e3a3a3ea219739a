# SPDX-License-Identifier: MIT
"""A pool of bounce-buffer slots over memory that a device may reach (``bounce/bounce.h``)."""

import enum
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sized
from dataclasses import KW_ONLY, dataclass
from functools import partial
from types import TracebackType
from typing import NamedTuple

from vring.errors import Arguments, BounceCode, CorruptError, integer
from vring.lowlevel import CData, ffi, lib
from vring.mapping import (
    Coherent,
    Copy,
    Direction,
    Mapping,
    MappingInfo,
    NoRoom,
    Reservation,
    Source,
    _Slots,
    blame_request,
    c_request,
    direction_of,
    judge,
)
from vring.memory import Buffer, GuestMemory, HostMap, Region, must_be_memory

__all__ = ["BouncePool", "Pool", "PoolConfig", "PoolFlag", "Usage"]


class PoolFlag(enum.IntFlag):
    """
    What a pool does otherwise than usual: it does not clear slots when their mapping ends (KEEP_CONTENTS), searches
    every area from its first slot rather than from its cursor (FIRST_FIT), does not clear what a mapping has before and
    after its data (KEEP_PADDING): for a device that can read the whole window anyway.
    """

    KEEP_CONTENTS = lib.BOUNCE_KEEP_CONTENTS
    FIRST_FIT = lib.BOUNCE_FIRST_FIT
    KEEP_PADDING = lib.BOUNCE_KEEP_PADDING


class Usage(NamedTuple):
    """
    Counts over all areas or one, or over all pools of a set: slots in all, used now, most used at any one time, live
    mappings (reservations included), and the longest run of free slots.
    """

    slots: int
    used: int
    high_water: int
    mappings: int
    longest_run: int

    @classmethod
    def of(cls, counts: CData) -> "Usage":
        """From the C struct."""
        return cls(counts.slots, counts.used, counts.high_water, counts.mappings, counts.longest_run)


@dataclass(frozen=True)
class PoolConfig:
    """
    A pool to be (``struct bounce_config``): ``slots`` slots of ``slot_size`` bytes at ``window`` of ``memory``, all of
    it unless told.

    ``mappings`` is how many can be live at once: as many as there are slots unless told, 0 for C's default, which
    takes less memory. ``window_addr`` is slot 0 as the device addresses it, where that differs from ``window``;
    ``page_size`` 0 is 4096 bytes, or ``slot_size`` if that is more; ``cursor`` is where the search of area 0 starts, 0
    unless a test wants a state. Everything else, and every limit, as in C.
    """

    memory: GuestMemory
    window: int | None = None
    slots: int | None = None
    _: KW_ONLY
    window_addr: int | None = None
    slot_size: int = 2048
    segment_slots: int = 128
    page_size: int = 0
    areas: int = 1
    mappings: int | None = None
    flags: PoolFlag | int = 0
    cursor: int = 0


class Pool(ABC):
    """One pool, whoever asks it for room: a :class:`BouncePool`, or the pool of a set."""

    def _configure(self, call: str, made: PoolConfig) -> tuple[CData, Arguments]:
        """
        A ``struct bounce_config`` with memory for its metadata, which this object keeps alive; and what is to blame if
        it is refused.
        """
        memory = made.memory
        must_be_memory(call, memory)
        window = memory.base if made.window is None else made.window
        slot_size = made.slot_size or 2048
        slots = (memory.base + memory.size - window) // slot_size if made.slots is None else made.slots
        config = ffi.new("struct bounce_config *")
        numbers = {
            "slot_size": made.slot_size,
            "segment_slots": made.segment_slots,
            "page_size": made.page_size,
            "areas": made.areas,
            "flags": made.flags,
            "cursor": made.cursor,
        }
        for name, value in numbers.items():
            setattr(config, name, integer(call, name, value, 32, BounceCode.GEOMETRY))
        config.slots = integer(call, "slots", slots, 32, BounceCode.GEOMETRY)
        mappings = slots if made.mappings is None else made.mappings
        config.mappings = integer(call, "mappings", mappings, 32, BounceCode.GEOMETRY)
        config.window = memory.pointer(window, slots * slot_size)
        window_addr = window if made.window_addr is None else made.window_addr
        config.window_addr = integer(call, "window_addr", window_addr, 64, BounceCode.ADDR)
        blame: Arguments = {
            BounceCode.GEOMETRY: ("geometry", {"slots": slots, **numbers}),
            BounceCode.ALIGN: ("window_addr", window_addr),
            BounceCode.ADDR: ("window_addr", window_addr),
            BounceCode.OVERLAP: ("window", window),
        }
        size = ffi.new("size_t *")
        judge(lib.bounce_meta_size(config, size), call, blame)
        # As 8-byte items, because that is how the metadata must be aligned.
        self._meta = config.meta = ffi.new("uint64_t[]", (size[0] + 7) // 8)
        config.meta_size = size[0]
        self.memory = memory
        self.window, self.window_addr = window, window_addr
        self.slots, self.slot_size = slots, slot_size
        self._info = ffi.new("struct bounce_mapping *")
        return config, blame

    def _reach_originals(self, config: CData, source: Source) -> None:
        """Have C reach them by the source's copy function, if it has one."""
        if source._copy:
            self._context = ffi.new_handle((source._copy, source._hook_errors, HostMap([Region(self.memory)])))
            config.copy, config.copy_context = lib.vring_copy_callback, self._context

    def __repr__(self) -> str:
        where = f"slot_size={self.slot_size}, window_addr={self.window_addr:#x}"
        return f"{type(self).__name__}(slots={self.slots}, {where})"

    @abstractmethod
    def _c(self, call: str) -> CData:
        """The ``struct bounce_pool *``. CallerError if there is none any more."""

    def can_map(
        self,
        size: int,
        direction: Direction = Direction.BIDIRECTIONAL,
        *,
        orig_addr: int = 0,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        limit: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> bool:
        """
        Whether :meth:`BouncePool.map` could ever succeed for such a buffer of ``size`` bytes, were the pool empty
        (``bounce_can_map``). Raises CallerError for what is malformed.
        """
        call = f"{type(self).__name__}.can_map"
        wishes = alloc_align_mask, min_align_mask, boundary_mask, limit, area, owner
        request = c_request(call, size, direction_of(call, direction), orig_addr, *wishes)
        code = lib.bounce_can_map(self._c(call), request)
        if code in (BounceCode.TOO_LARGE, BounceCode.UNSATISFIABLE):
            return False
        judge(code, call, blame_request(request, "size"))
        return True

    def max_mapping_size(self, min_align_mask: int = 0) -> int:
        """
        A size, in bytes, that fits an empty pool with this mask whatever the low bits of ``orig_addr``; 0 for a mask
        that leaves nothing or is not 2**k - 1.
        """
        call = f"{type(self).__name__}.max_mapping_size"
        mask = integer(call, "min_align_mask", min_align_mask, 64, BounceCode.MASK)
        return int(lib.bounce_max_mapping_size(self._c(call), mask))

    def usage(self, area: int | None = None) -> Usage:
        """Counts over all areas, or of one. Raises CallerError for an area that there is not."""
        call = f"{type(self).__name__}.usage"
        counts = ffi.new("struct bounce_counts *")
        if area is None:
            judge(lib.bounce_usage(self._c(call), counts), call, {})
        else:
            number = integer(call, "area", area, 32, BounceCode.RANGE)
            code = lib.bounce_area_usage(self._c(call), number, counts)
            judge(code, call, {BounceCode.RANGE: ("area", area)})
        return Usage.of(counts)

    def reset_high_water(self) -> None:
        """Let ``high_water`` start again from what is used now, in every area."""
        call = f"{type(self).__name__}.reset_high_water"
        judge(lib.bounce_reset_high_water(self._c(call)), call, {})

    def find_mapping(self, addr: int) -> MappingInfo | None:
        """The live mapping that device address ``addr`` lies in, padding included; ``None`` if there is none."""
        call = f"{type(self).__name__}.find_mapping"
        code = lib.bounce_find_mapping(self._c(call), integer(call, "addr", addr, 64, BounceCode.ADDR), self._info)
        if code == BounceCode.RANGE:
            return None
        judge(code, call, {})
        return MappingInfo.of(self._info)

    def mappings(self) -> Iterator[MappingInfo]:
        """The live mappings, in slot order: who holds the slots."""
        call = f"{type(self).__name__}.mappings"
        slot = ffi.new("uint32_t *")
        while (code := lib.bounce_next_mapping(self._c(call), slot, self._info)) != BounceCode.RANGE:
            judge(code, call, {})
            yield MappingInfo.of(self._info)

    def verify(self) -> None:
        """
        Check everything that must be true of the metadata (``bounce_verify``). Raises CorruptError that says what is
        not.
        """
        call = f"{type(self).__name__}.verify"
        flaw = ffi.new("struct bounce_flaw *")
        code = lib.bounce_verify(self._c(call), flaw)
        if code == BounceCode.CORRUPT:
            what = ffi.string(flaw.what).decode()
            raise CorruptError(BounceCode.CORRUPT, call, f"{what}, slot {flaw.slot}, area {flaw.area}")
        judge(code, call, {})


class BouncePool(Pool, Source):
    """
    A pool of slots in a window of ``memory``. As a context manager it is closed at the end, unless it has been. One
    thread at a time.

    >>> pool = BouncePool(GuestMemory(1 << 20, base=0x97ff0000))
    >>> with pool.map(b"secret", Direction.TO_DEVICE) as mapping:
    ...     bytes(mapping.data)
    b'secret'
    """

    def __init__(
        self,
        memory: GuestMemory,
        window: int | None = None,
        slots: int | None = None,
        *,
        window_addr: int | None = None,
        slot_size: int = 2048,
        segment_slots: int = 128,
        page_size: int = 0,
        areas: int = 1,
        mappings: int | None = None,
        flags: PoolFlag | int = 0,
        cursor: int = 0,
        seed: int = 0,
        copy: Copy | None = None,
    ) -> None:
        """
        A pool of ``slots`` slots at ``window`` of ``memory``, all of it unless told; the window is cleared.

        ``seed`` goes into every handle, so that those of an earlier pool in the same memory are refused; ``copy`` moves
        the bytes of originals that are no buffers. Everything else as in :class:`PoolConfig`.

        Raises CallerError that names the argument, IndexError for a window outside ``memory``.
        """
        call = "BouncePool"
        made = PoolConfig(
            memory,
            window,
            slots,
            window_addr=window_addr,
            slot_size=slot_size,
            segment_slots=segment_slots,
            page_size=page_size,
            areas=areas,
            mappings=mappings,
            flags=flags,
            cursor=cursor,
        )
        config, blame = self._configure(call, made)
        config.seed = integer(call, "seed", seed, 64, BounceCode.GEOMETRY)
        self._pool = ffi.new("struct bounce_pool *")
        self._mapping = ffi.new("struct bounce_mapping *")
        self._originals = {}
        self._copy = copy
        self._hook_errors = []
        self._views: weakref.WeakSet[BouncePool] = weakref.WeakSet()
        self._reach_originals(config, self)
        judge(lib.bounce_init(self._pool, config), call, blame)

    def __enter__(self) -> "BouncePool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._pool.state and not self._pool.flags & lib.BOUNCE_TRY:
            self.close()

    def close(self) -> None:
        """
        End the pool, and with it what :meth:`try_view` gave. Raises CallerError: BUSY while mappings are live, and the
        pool lives on; STATE if it has ended, and for a view, which only its pool ends.
        """
        code = lib.bounce_fini(self._pool)
        live = self.usage().mappings if code == BounceCode.BUSY else 0
        judge(code, "BouncePool.close", {BounceCode.BUSY: ("live mappings", live)})
        for view in self._views:
            view._pool.state = 0

    def map(
        self,
        buffer: Buffer | Sized,
        direction: Direction,
        *,
        orig_addr: int | None = None,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        limit: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> Mapping | NoRoom:
        """
        Map ``buffer``, whole; it is kept alive until unmap. Unless ``direction`` is TO_DEVICE it must be writable. With
        a pool that has a copy function it is any object that has a length, which counts bytes.

        ``orig_addr`` is its address in the numbering that ``min_align_mask`` means, its address in this process
        unless told. Masks are 2**k - 1 or 0: the allocation starts at a multiple of ``alloc_align_mask`` + 1, the
        device's address equals ``orig_addr`` in the bits of ``min_align_mask``, the allocation crosses no multiple of
        ``boundary_mask`` + 1. ``limit`` is the last address that the device reaches: no data lie above; 0 if it reaches
        all. ``area`` is tried first; ``owner`` is any tag.

        Returns the mapping, or :class:`NoRoom`. Raises CallerError for a request that this pool can never satisfy or
        that is malformed (``bounce_map``), TypeError for a buffer that is read-only where it must not be.
        """
        wishes = alloc_align_mask, min_align_mask, boundary_mask, limit, area, owner
        return self._map("BouncePool.map", partial(lib.bounce_map, self._pool), buffer, direction, orig_addr, *wishes)

    def reserve(
        self,
        size: int,
        direction: Direction,
        *,
        orig_addr: int = 0,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        limit: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> Reservation | NoRoom:
        """
        Take the slots for a buffer of ``size`` bytes now and the buffer later, as :meth:`Reservation.commit` gets it: a
        driver that has reserved all it needs cannot fail halfway. Arguments and answers as those of :meth:`map`.
        """
        wishes = alloc_align_mask, min_align_mask, boundary_mask, limit, area, owner
        take = partial(lib.bounce_reserve, self._pool)
        return self._reserve("BouncePool.reserve", take, size, direction, orig_addr, *wishes)

    def alloc(self, size: int, *, area: int = 0, owner: int = 0) -> Coherent | NoRoom:
        """
        Memory that both sides see (rings, tables): cleared, and aligned to its size rounded up to a power of two of
        pages. Returns it, or :class:`NoRoom`. Raises CallerError for a size that never fits (``bounce_alloc``).
        """
        return self._alloc("BouncePool.alloc", partial(lib.bounce_alloc, self._pool), size, area, owner)

    def try_view(self) -> "BouncePool":
        """
        The same pool as an interrupt handler may use it: where a call would wait for a lock, ``map``, ``reserve`` and
        ``alloc`` return :attr:`vring.NoRoom.BUSY`, and others raise CallerError (BUSY). It ends with the pool, and not
        at the end of a with block: then its calls raise CallerError (STATE).
        """
        view = BouncePool.__new__(BouncePool)
        view.__dict__.update(self.__dict__)
        view._pool = ffi.new("struct bounce_pool *")
        view._mapping = ffi.new("struct bounce_mapping *")
        view._info = ffi.new("struct bounce_mapping *")
        judge(lib.bounce_try_view(self._pool, view._pool), "BouncePool.try_view", {})
        self._views.add(view)
        return view

    def _c(self, call: str) -> CData:
        return self._pool

    def _c_pool(self, call: str, slots: _Slots) -> CData:
        return self._pool

    def _c_unmap(self, info: MappingInfo, length: int) -> int:
        return int(lib.bounce_unmap(self._pool, info.handle, info.direction, length))

    def _c_free(self, info: MappingInfo) -> int:
        return int(lib.bounce_free(self._pool, info.handle))

    def _pool_of(self, info: MappingInfo) -> Pool:
        return self
