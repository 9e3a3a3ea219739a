# SPDX-License-Identifier: MIT
"""A pool of bounce-buffer slots over memory that a device may reach (``bounce/bounce.h``)."""

import enum
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeAlias

from vring.errors import Arguments, BounceCode, CallerError, CorruptError, RingCode, caller_error, integer
from vring.lowlevel import CData, ffi, host_address, lib
from vring.memory import Buffer, GuestMemory, pin

__all__ = [
    "BouncePool",
    "Coherent",
    "Copy",
    "Direction",
    "Mapping",
    "MappingInfo",
    "NoRoom",
    "PoolFlag",
    "Reservation",
    "Usage",
]


class Direction(enum.IntEnum):
    """Who reads and who writes, as the device sees it."""

    TO_DEVICE = lib.BOUNCE_TO_DEVICE
    FROM_DEVICE = lib.BOUNCE_FROM_DEVICE
    BIDIRECTIONAL = lib.BOUNCE_BIDIRECTIONAL


class PoolFlag(enum.IntFlag):
    """What a pool does otherwise than usual."""

    KEEP_CONTENTS = lib.BOUNCE_KEEP_CONTENTS
    FIRST_FIT = lib.BOUNCE_FIRST_FIT


Copy: TypeAlias = Callable[[Any, int, memoryview, bool], object]
"""
How a pool reaches originals that are no memory of this process: ``copy(original, offset, window, to_window)`` moves
``len(window)`` bytes between ``offset`` of the original and ``window``, which is good during the call alone. If it
raises, the call of the pool raises CallerError (COPY) with that as its cause.
"""


class NoRoom(enum.Enum):
    """
    The answer, which is false, to a request that may succeed once mappings have ended: fewer free slots than it needs
    (FULL), no fitting run among them (FRAGMENTED), as many mappings as the pool has room to write down (MAPPINGS), or a
    lock that was not to be had (BUSY).
    """

    FULL = BounceCode.FULL
    FRAGMENTED = BounceCode.FRAGMENTED
    MAPPINGS = BounceCode.MAPPINGS
    BUSY = BounceCode.BUSY

    def __bool__(self) -> Literal[False]:
        return False


NO_ROOM = frozenset(int(answer.value) for answer in NoRoom)
MASKS = ("alloc_align_mask", "min_align_mask", "boundary_mask")


class Usage(NamedTuple):
    """
    Counts over all areas or one: slots in all, used now, most used at any one time, live mappings (reservations
    included), and the longest run of free slots.
    """

    slots: int
    used: int
    high_water: int
    mappings: int
    longest_run: int


@dataclass(frozen=True)
class MappingInfo:
    """
    One live mapping, as the pool's metadata have it (``struct bounce_mapping``). Sizes in bytes or, as named, in
    slots.
    """

    handle: int
    addr: int
    size: int
    slot: int
    slots: int
    pad_slots: int
    area: int
    owner: int
    direction: Direction
    coherent: bool

    @classmethod
    def of(cls, mapping: CData) -> "MappingInfo":
        """From the C struct."""
        return cls(
            mapping.handle,
            mapping.addr,
            mapping.size,
            mapping.slot,
            mapping.slots,
            mapping.pad_slots,
            mapping.area,
            mapping.owner,
            Direction(mapping.direction),
            bool(mapping.coherent),
        )


class _Slots:
    """What a mapping and coherent memory have in common: slots of a pool, while they last."""

    def __init__(self, pool: "BouncePool", info: MappingInfo) -> None:
        self.pool = pool
        self.info = info

    def __repr__(self) -> str:
        where = f"slot={self.info.slot}, slots={self.info.slots}"
        return f"{type(self).__name__}(addr={self.addr:#x}, size={self.size}, {where})"

    @property
    def addr(self) -> int:
        """Device address of the data."""
        return self.info.addr

    @property
    def size(self) -> int:
        """Bytes of data."""
        return self.info.size

    @property
    def data(self) -> memoryview:
        """The data in the window: shared memory, which the device may change at any time."""
        return self.pool.memory.view(self.info.addr - self.pool.window_addr + self.pool.window, self.info.size)


class Mapping(_Slots):
    """
    A buffer mapped through a pool. As a context manager it is unmapped at the end: with everything copied back, or
    after an exception with nothing.
    """

    def __enter__(self) -> "Mapping":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unmap(None if kind is None else 0)

    def sync_for_cpu(self, offset: int = 0, length: int | None = None) -> None:
        """
        Bring ``length`` bytes at ``offset`` of the original up to date, all from there on unless told. Does nothing for
        TO_DEVICE. Raises CallerError for a dead mapping or a range that reaches beyond it.
        """
        self.pool._sync("Mapping.sync_for_cpu", lib.bounce_sync_for_cpu, self.info, offset, length)

    def sync_for_device(self, offset: int = 0, length: int | None = None) -> None:
        """As :meth:`sync_for_cpu`, from the original to the device. Does nothing for FROM_DEVICE."""
        self.pool._sync("Mapping.sync_for_device", lib.bounce_sync_for_device, self.info, offset, length)

    def unmap(self, written: int | None = None) -> None:
        """
        Copy back what the device wrote (not for TO_DEVICE), clear the slots and free them. ``written`` is how many
        bytes, from the start, to copy back: all of them unless told. Raises CallerError for a dead mapping or more
        than it has.
        """
        call = "Mapping.unmap"
        length = lib.BOUNCE_WHOLE if written is None else integer(call, "written", written, 63, BounceCode.RANGE)
        code = lib.bounce_unmap(self.pool._pool, self.info.handle, self.info.direction, length)
        self.pool._judge(code, call, {BounceCode.HANDLE: ("mapping", self), BounceCode.RANGE: ("written", written)})
        self.pool._originals.pop(self.info.handle)


class Reservation(_Slots):
    """
    Slots without an original yet (``bounce_reserve``). As a context manager it is given up at the end, unless it has
    become a mapping.
    """

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.info.handle not in self.pool._originals:
            self.cancel()

    def commit(self, buffer: Buffer | Sized) -> Mapping:
        """
        Make it the mapping of ``buffer``, which has as many bytes as were reserved and is copied in. Raises CallerError
        for another size, for what is no reservation any more, and with a pool that has a copy function for its failure;
        then it is still a reservation.
        """
        call = "Reservation.commit"
        if len(buffer) != self.size:
            raise CallerError(BounceCode.SIZE, call, "length of buffer", len(buffer), f"{self.size} were reserved")
        original, pointer = self.pool._pin(call, buffer, self.info.direction)
        code = lib.bounce_commit(self.pool._pool, self.info.handle, self.info.direction, pointer)
        self.pool._judge(code, call, {BounceCode.HANDLE: ("reservation", self), BounceCode.OVERLAP: ("buffer", buffer)})
        self.pool._originals[self.info.handle] = original
        return Mapping(self.pool, self.info)

    def cancel(self) -> None:
        """Give the slots back. Raises CallerError if that has happened already."""
        code = lib.bounce_unmap(self.pool._pool, self.info.handle, self.info.direction, 0)
        self.pool._judge(code, "Reservation.cancel", {BounceCode.HANDLE: ("reservation", self)})


class Coherent(_Slots):
    """Memory that both sides see, with no original and no copies. As a context manager it is freed at the end."""

    def __enter__(self) -> "Coherent":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.free()

    def free(self) -> None:
        """Give the slots back. Raises CallerError if that has happened already."""
        code = lib.bounce_free(self.pool._pool, self.info.handle)
        self.pool._judge(code, "Coherent.free", {BounceCode.HANDLE: ("memory", self)})


class BouncePool:
    """
    A pool of slots in a window of ``memory`` (``struct bounce_config``). As a context manager it is closed at the end.

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
        page_size: int = 4096,
        areas: int = 1,
        mappings: int | None = None,
        flags: PoolFlag | int = 0,
        cursor: int = 0,
        seed: int = 0,
        copy: Copy | None = None,
    ) -> None:
        """
        A pool of ``slots`` slots at ``window`` of ``memory``, all of it unless told; the window is cleared.

        ``mappings`` is how many can be live at once: as many as there are slots unless told, 0 for C's default, which
        takes less memory. ``window_addr`` is slot 0 as the device addresses it, where that differs from ``window``;
        ``cursor`` is where the search of area 0 starts, 0 unless a test wants a state; ``seed`` goes into every handle,
        so that those of an earlier pool in the same memory are refused; ``copy`` moves the bytes of originals that are
        no buffers.
        Everything else, and every limit, as in ``struct bounce_config``.

        Raises CallerError that names the argument, IndexError for a window outside ``memory``.
        """
        call = "BouncePool"
        window = memory.base if window is None else window
        config = ffi.new("struct bounce_config *")
        numbers = {
            "slot_size": slot_size,
            "segment_slots": segment_slots,
            "page_size": page_size,
            "areas": areas,
            "flags": flags,
            "cursor": cursor,
        }
        for name, value in numbers.items():
            setattr(config, name, integer(call, name, value, 32, BounceCode.GEOMETRY))
        config.seed = integer(call, "seed", seed, 64, BounceCode.GEOMETRY)
        if slots is None:
            slots = (memory.base + memory.size - window) // (slot_size or 2048)
        config.slots = integer(call, "slots", slots, 32, BounceCode.GEOMETRY)
        config.mappings = integer(call, "mappings", slots if mappings is None else mappings, 32, BounceCode.GEOMETRY)
        config.window = memory.pointer(window, slots * (slot_size or 2048))
        self.window_addr = integer(
            call, "window_addr", window if window_addr is None else window_addr, 64, BounceCode.ADDR
        )
        config.window_addr = self.window_addr
        blame: Arguments = {
            BounceCode.GEOMETRY: ("geometry", {"slots": slots, **numbers}),
            BounceCode.ALIGN: ("window_addr", self.window_addr),
            BounceCode.ADDR: ("window_addr", self.window_addr),
        }

        size = ffi.new("size_t *")
        _judge(lib.bounce_meta_size(config, size), call, blame)
        # As 8-byte items, because that is how the metadata must be aligned.
        self._meta = config.meta = ffi.new("uint64_t[]", (size[0] + 7) // 8)
        config.meta_size = size[0]
        self._pool = ffi.new("struct bounce_pool *")
        self._mapping = ffi.new("struct bounce_mapping *")
        self._originals: dict[int, object] = {}  # by handle: what unmap writes to must outlive the mapping
        self._copy = copy
        self._copy_errors: list[BaseException] = []
        if copy:
            self._context = ffi.new_handle((copy, self._copy_errors))
            config.copy, config.copy_context = lib.vring_copy_callback, self._context
        self.memory = memory
        self.window = window
        self.slots = slots
        self.slot_size = slot_size or 2048
        self._judge(lib.bounce_init(self._pool, config), call, blame)

    def __repr__(self) -> str:
        return f"BouncePool(slots={self.slots}, slot_size={self.slot_size}, window_addr={self.window_addr:#x})"

    def __enter__(self) -> "BouncePool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def close(self) -> None:
        """End the pool. Raises CallerError (BUSY) while mappings are live, and the pool lives on."""
        code = lib.bounce_fini(self._pool)
        live = self.usage().mappings if code == BounceCode.BUSY else 0
        self._judge(code, "BouncePool.close", {BounceCode.BUSY: ("live mappings", live)})

    def map(
        self,
        buffer: Buffer | Sized,
        direction: Direction,
        *,
        orig_addr: int | None = None,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> Mapping | NoRoom:
        """
        Map ``buffer``, whole; it is kept alive until unmap. Unless ``direction`` is TO_DEVICE it must be writable. With
        a pool that has a copy function it is any object that has a length.

        ``orig_addr`` is its address in the numbering that ``min_align_mask`` means, its address in this process
        unless told. Masks are 2**k - 1 or 0: the allocation starts at a multiple of ``alloc_align_mask`` + 1, the
        device's address equals ``orig_addr`` in the bits of ``min_align_mask``, the allocation crosses no multiple of
        ``boundary_mask`` + 1. ``area`` is tried first; ``owner`` is any tag.

        Returns the mapping, or :class:`NoRoom`. Raises CallerError for a request that this pool can never satisfy or
        that is malformed (``bounce_map``), TypeError for a buffer that is read-only where it must not be.
        """
        call = "BouncePool.map"
        direction = _direction(call, direction)
        original, pointer = self._pin(call, buffer, direction)
        orig_addr = host_address(pointer) if orig_addr is None else orig_addr
        masks = alloc_align_mask, min_align_mask, boundary_mask
        request = _request(call, len(buffer), direction, orig_addr, *masks, area, owner)
        request.orig = pointer
        code = lib.bounce_map(self._pool, request, self._mapping)
        if code in NO_ROOM:
            return NoRoom(BounceCode(code))
        self._judge(code, call, {**_blame(request, "length of buffer"), BounceCode.OVERLAP: ("buffer", buffer)})
        info = MappingInfo.of(self._mapping)
        self._originals[info.handle] = original
        return Mapping(self, info)

    def can_map(
        self,
        size: int,
        direction: Direction = Direction.BIDIRECTIONAL,
        *,
        orig_addr: int = 0,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> bool:
        """
        Whether :meth:`map` could ever succeed for such a buffer of ``size`` bytes, were the pool empty
        (``bounce_can_map``). Raises CallerError for what is malformed.
        """
        call = "BouncePool.can_map"
        masks = alloc_align_mask, min_align_mask, boundary_mask
        request = _request(call, size, _direction(call, direction), orig_addr, *masks, area, owner)
        code = lib.bounce_can_map(self._pool, request)
        if code in (BounceCode.TOO_LARGE, BounceCode.UNSATISFIABLE):
            return False
        self._judge(code, call, _blame(request, "size"))
        return True

    def reserve(
        self,
        size: int,
        direction: Direction,
        *,
        orig_addr: int = 0,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> Reservation | NoRoom:
        """
        Take the slots for a buffer of ``size`` bytes now and the buffer later, as :meth:`Reservation.commit` gets it: a
        driver that has reserved all it needs cannot fail halfway. Arguments and answers as those of :meth:`map`.
        """
        call = "BouncePool.reserve"
        masks = alloc_align_mask, min_align_mask, boundary_mask
        request = _request(call, size, _direction(call, direction), orig_addr, *masks, area, owner)
        code = lib.bounce_reserve(self._pool, request, self._mapping)
        if code in NO_ROOM:
            return NoRoom(BounceCode(code))
        self._judge(code, call, _blame(request, "size"))
        return Reservation(self, MappingInfo.of(self._mapping))

    def alloc(self, size: int, *, area: int = 0, owner: int = 0) -> Coherent | NoRoom:
        """
        Memory that both sides see (rings, tables): cleared, and aligned to its size rounded up to a power of two of
        pages. Returns it, or :class:`NoRoom`. Raises CallerError for a size that never fits (``bounce_alloc``).
        """
        call = "BouncePool.alloc"
        code = lib.bounce_alloc(
            self._pool,
            integer(call, "size", size, 63, BounceCode.SIZE),
            integer(call, "area", area, 32, BounceCode.GEOMETRY),
            integer(call, "owner", owner, 32, BounceCode.GEOMETRY),
            self._mapping,
        )
        if code in NO_ROOM:
            return NoRoom(BounceCode(code))
        self._judge(
            code,
            call,
            {blame: ("size", size) for blame in (BounceCode.SIZE, BounceCode.TOO_LARGE, BounceCode.UNSATISFIABLE)},
        )
        return Coherent(self, MappingInfo.of(self._mapping))

    def max_mapping_size(self, min_align_mask: int = 0) -> int:
        """
        A size that fits an empty pool with this mask whatever the low bits of ``orig_addr``; 0 for a mask that leaves
        nothing or is not 2**k - 1.
        """
        mask = integer("BouncePool.max_mapping_size", "min_align_mask", min_align_mask, 64, BounceCode.MASK)
        return int(lib.bounce_max_mapping_size(self._pool, mask))

    def usage(self, area: int | None = None) -> Usage:
        """Counts over all areas, or of one. Raises CallerError for an area that there is not."""
        counts = ffi.new("struct bounce_counts *")
        if area is None:
            self._judge(lib.bounce_usage(self._pool, counts), "BouncePool.usage", {})
        else:
            number = integer("BouncePool.usage", "area", area, 32, BounceCode.RANGE)
            code = lib.bounce_area_usage(self._pool, number, counts)
            self._judge(code, "BouncePool.usage", {BounceCode.RANGE: ("area", area)})
        return Usage(counts.slots, counts.used, counts.high_water, counts.mappings, counts.longest_run)

    def reset_high_water(self) -> None:
        """Let ``high_water`` start again from what is used now, in every area."""
        self._judge(lib.bounce_reset_high_water(self._pool), "BouncePool.reset_high_water", {})

    def find_mapping(self, addr: int) -> MappingInfo | None:
        """The live mapping that device address ``addr`` lies in, padding included; ``None`` if there is none."""
        call = "BouncePool.find_mapping"
        code = lib.bounce_find_mapping(self._pool, integer(call, "addr", addr, 64, BounceCode.ADDR), self._mapping)
        if code == BounceCode.RANGE:
            return None
        self._judge(code, call, {})
        return MappingInfo.of(self._mapping)

    def verify(self) -> None:
        """
        Check everything that must be true of the metadata (``bounce_verify``). Raises CorruptError that says what is
        not.
        """
        flaw = ffi.new("struct bounce_flaw *")
        code = lib.bounce_verify(self._pool, flaw)
        if code == BounceCode.CORRUPT:
            what = ffi.string(flaw.what).decode()
            raise CorruptError(BounceCode.CORRUPT, "BouncePool.verify", f"{what}, slot {flaw.slot}, area {flaw.area}")
        self._judge(code, "BouncePool.verify", {})

    def try_view(self) -> "BouncePool":
        """
        The same pool as an interrupt handler may use it: where a call would wait for a lock, ``map``, ``reserve`` and
        ``alloc`` return :attr:`vring.NoRoom.BUSY`, and others raise CallerError (BUSY).
        """
        view = BouncePool.__new__(BouncePool)
        view.__dict__.update(self.__dict__)
        view._pool = ffi.new("struct bounce_pool *")
        view._mapping = ffi.new("struct bounce_mapping *")
        self._judge(lib.bounce_try_view(self._pool, view._pool), "BouncePool.try_view", {})
        return view

    def mappings(self) -> Iterator[MappingInfo]:
        """The live mappings, in slot order: who holds the slots."""
        slot = ffi.new("uint32_t *")
        while (code := lib.bounce_next_mapping(self._pool, slot, self._mapping)) != BounceCode.RANGE:
            self._judge(code, "BouncePool.mappings", {})
            yield MappingInfo.of(self._mapping)

    def _sync(self, call: str, sync: CData, info: MappingInfo, offset: int, length: int | None) -> None:
        offset = integer(call, "offset", offset, 63, BounceCode.RANGE)
        length = max(0, info.size - offset) if length is None else integer(call, "length", length, 63, BounceCode.RANGE)
        self._judge(
            sync(self._pool, info.handle, info.direction, offset, length),
            call,
            {BounceCode.HANDLE: ("mapping", info), BounceCode.RANGE: ("offset and length", (offset, length))},
        )


    def _pin(self, call: str, buffer: Buffer | Sized, direction: Direction) -> tuple[object, CData]:
        """What keeps ``buffer`` alive, and the pointer that C is given for it."""
        if self._copy:
            handle = ffi.new_handle(buffer)
            return handle, handle
        try:
            return pin(buffer, writable=direction != Direction.TO_DEVICE)  # type: ignore[arg-type]
        except BufferError as error:
            raise TypeError(f"{call}: buffer must be writable for {direction.name} ({error})") from None

    def _judge(self, code: int, call: str, arguments: Arguments) -> None:
        try:
            _judge(code, call, arguments)
        except CallerError as error:
            raise error from self._copy_errors.pop() if self._copy_errors else None


# Defined once for all pools, as C has one function of that name; context says whose copy function it is.
@ffi.def_extern(name="vring_copy_callback", error=1)  # type: ignore[untyped-decorator]
def _copy(context: CData, orig: CData, offset: int, window: CData, length: int, to_window: bool) -> int:
    copy, errors = ffi.from_handle(context)
    view = memoryview(ffi.buffer(window, length))
    try:
        copy(ffi.from_handle(orig), offset, view, to_window)
    except BaseException as error:
        errors[:] = [error]
        return 1
    finally:
        view.release()
    return 0


def _request(
    call: str,
    size: int,
    direction: Direction,
    orig_addr: int,
    alloc_align_mask: int,
    min_align_mask: int,
    boundary_mask: int,
    area: int,
    owner: int,
) -> CData:
    """A ``struct bounce_request`` without an original."""
    request = ffi.new("struct bounce_request *")
    request.size = integer(call, "size", size, 63, BounceCode.SIZE)
    request.direction = direction
    request.orig_addr = integer(call, "orig_addr", orig_addr, 64, BounceCode.ADDR)
    request.alloc_align_mask = integer(call, "alloc_align_mask", alloc_align_mask, 64, BounceCode.MASK)
    request.min_align_mask = integer(call, "min_align_mask", min_align_mask, 64, BounceCode.MASK)
    request.boundary_mask = integer(call, "boundary_mask", boundary_mask, 64, BounceCode.MASK)
    request.area = integer(call, "area", area, 32, BounceCode.GEOMETRY)
    request.owner = integer(call, "owner", owner, 32, BounceCode.GEOMETRY)
    return request


def _blame(request: CData, size: str) -> dict[RingCode | BounceCode, tuple[str, object]]:
    """For every answer that a request can get, the argument it is about; ``size`` is how the caller gave its size."""
    masks = {name: hex(getattr(request, name)) for name in MASKS}
    length = (size, request.size)
    return {
        BounceCode.SIZE: length,
        BounceCode.MASK: _blame_mask(request, masks),
        BounceCode.TOO_LARGE: (f"{size}, and masks", (request.size, masks)) if request.alloc_align_mask else length,
        BounceCode.UNSATISFIABLE: ("masks", masks),
        BounceCode.ADDR: ("orig_addr", request.orig_addr),
    }


def _direction(call: str, direction: Direction) -> Direction:
    try:
        return Direction(direction)
    except ValueError:
        raise CallerError(BounceCode.DIRECTION, call, "direction", direction) from None


def _blame_mask(request: CData, masks: dict[str, str]) -> tuple[str, object]:
    for name, value in masks.items():
        mask = getattr(request, name)
        if mask & (mask + 1):
            return name, value
    return "masks", masks


def _judge(code: int, call: str, arguments: Arguments) -> None:
    if code == BounceCode.CORRUPT:
        raise CorruptError(BounceCode.CORRUPT, call)
    if code:
        raise caller_error(BounceCode(code), call, arguments)
