# SPDX-License-Identifier: MIT
"""What a pool of bounce-buffer slots gives, or a set of pools: mappings, reservations and coherent memory."""

import enum
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Sized
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

from vring.errors import Arguments, BounceCode, CallerError, CorruptError, RingCode, caller_error, integer
from vring.lowlevel import CData, ffi, host_address, lib
from vring.memory import Buffer, pin

if TYPE_CHECKING:
    from vring.bounce import Pool

__all__ = ["Coherent", "Copy", "Direction", "Mapping", "MappingInfo", "NoRoom", "Reservation", "Source"]


class Direction(enum.IntEnum):
    """Who reads and who writes, as the device sees it."""

    TO_DEVICE = lib.BOUNCE_TO_DEVICE
    FROM_DEVICE = lib.BOUNCE_FROM_DEVICE
    BIDIRECTIONAL = lib.BOUNCE_BIDIRECTIONAL


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


class MappingInfo(NamedTuple):
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

    _noun: ClassVar[str]  # what an error calls it

    def __init__(self, source: "Source", pool: "Pool", info: MappingInfo) -> None:
        self._source = source
        self._ended = False  # the slots may be another's
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
        """
        The data in the window: shared memory, which the device may change at any time. Raises CallerError once this has
        ended: the slots may be another's then, and so may those of a view that was kept.
        """
        if self._ended:
            raise CallerError(BounceCode.HANDLE, f"{type(self).__name__}.data", self._noun, self)
        return self.pool.memory.view(self.info.addr - self.pool.window_addr + self.pool.window, self.info.size)


class Mapping(_Slots):
    """
    A buffer mapped through a pool. As a context manager it is unmapped at the end, unless it has been: with everything
    copied back, or after an exception with nothing.
    """

    _noun = "mapping"

    def __enter__(self) -> "Mapping":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self.unmap(None if kind is None else 0)

    def sync_for_cpu(self, offset: int = 0, length: int | None = None) -> None:
        """
        Bring ``length`` bytes at ``offset`` of the original up to date, all from there on unless told. Does nothing for
        TO_DEVICE. Raises CallerError for a dead mapping or a range that reaches beyond it.
        """
        self._sync("Mapping.sync_for_cpu", lib.bounce_sync_for_cpu, offset, length)

    def sync_for_device(self, offset: int = 0, length: int | None = None) -> None:
        """As :meth:`sync_for_cpu`, from the original to the device. Does nothing for FROM_DEVICE."""
        self._sync("Mapping.sync_for_device", lib.bounce_sync_for_device, offset, length)

    def _sync(self, call: str, sync: CData, offset: int, length: int | None) -> None:
        info = self.info
        offset = integer(call, "offset", offset, 63, BounceCode.RANGE)
        length = max(0, info.size - offset) if length is None else integer(call, "length", length, 63, BounceCode.RANGE)
        self._source._judge(
            sync(self._source._c_pool(call, self), info.handle, info.direction, offset, length),
            call,
            {BounceCode.HANDLE: (self._noun, self), BounceCode.RANGE: ("offset and length", (offset, length))},
        )

    def unmap(self, written: int | None = None) -> None:
        """
        Copy back what the device wrote (not for TO_DEVICE), clear the slots and free them. ``written`` is how many
        bytes, from the start, to copy back: all of them unless told. Raises CallerError for a dead mapping or more
        than it has.
        """
        call = "Mapping.unmap"
        length = lib.BOUNCE_WHOLE if written is None else integer(call, "written", written, 63, BounceCode.RANGE)
        code = self._source._c_unmap(self.info, length)
        if code in ENDED:
            self._ended = True
            self._source._originals.pop(self.info.handle)
        self._source._judge(code, call, {BounceCode.HANDLE: (self._noun, self), BounceCode.RANGE: ("written", written)})


class Reservation(_Slots):
    """
    Slots without an original yet (``bounce_reserve``). As a context manager it is given up at the end, unless it has
    become a mapping, or has been given up.
    """

    _noun = "reservation"

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self.cancel()

    def commit(self, buffer: Buffer | Sized) -> Mapping:
        """
        Make it the mapping of ``buffer``, which has as many bytes as were reserved and is copied in. Raises CallerError
        for another size, for what is no reservation any more, and with a pool that has a copy function for its failure;
        then it is still a reservation.
        """
        call, source = "Reservation.commit", self._source
        original, pointer, size = source._pin(call, buffer, self.info.direction)
        if size != self.size:
            raise CallerError(BounceCode.SIZE, call, "length of buffer", size, f"{self.size} were reserved")
        code = lib.bounce_commit(source._c_pool(call, self), self.info.handle, self.info.direction, pointer)
        source._judge(code, call, {BounceCode.HANDLE: (self._noun, self), BounceCode.OVERLAP: ("buffer", buffer)})
        source._originals[self.info.handle] = original
        self._ended = True
        return Mapping(source, self.pool, self.info)

    def cancel(self) -> None:
        """Give the slots back. Raises CallerError if that has happened already, or they are a mapping's now."""
        call = "Reservation.cancel"
        if self.info.handle in self._source._originals:
            raise CallerError(BounceCode.HANDLE, call, self._noun, self, "a mapping now")
        code = self._source._c_unmap(self.info, 0)
        if code in ENDED:
            self._ended = True
        self._source._judge(code, call, {BounceCode.HANDLE: (self._noun, self)})


class Coherent(_Slots):
    """Memory that both sides see, with no original and no copies. As a context manager it is freed at the end, once."""

    _noun = "memory"

    def __enter__(self) -> "Coherent":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self.free()

    def free(self) -> None:
        """Give the slots back. Raises CallerError if that has happened already."""
        code = self._source._c_free(self.info)
        if code in ENDED:
            self._ended = True
        self._source._judge(code, "Coherent.free", {BounceCode.HANDLE: (self._noun, self)})


# The mapping has ended, although the call has more to tell.
ENDED = (0, BounceCode.COPY, BounceCode.SHARE)


class Source(ABC):
    """What mappings come from and go back to: a :class:`vring.BouncePool`, or a :class:`vring.BounceSet`."""

    _mapping: CData  # struct bounce_mapping *: where C tells of the latest
    _originals: dict[int, object]  # by handle: what unmap writes to must outlive the mapping
    _copy: Copy | None
    _hook_errors: list[BaseException]  # what a function of the caller's raised, under a call of C's

    @abstractmethod
    def _c_pool(self, call: str, slots: _Slots) -> CData:
        """The ``struct bounce_pool *`` for calls on these slots. CallerError where it is known that they are dead."""

    @abstractmethod
    def _c_unmap(self, info: MappingInfo, length: int) -> int:
        """End a mapping or a reservation: C's answer."""

    @abstractmethod
    def _c_free(self, info: MappingInfo) -> int:
        """End coherent memory: C's answer."""

    @abstractmethod
    def _pool_of(self, info: MappingInfo) -> "Pool":
        """Where a new mapping lies."""

    def _map(
        self,
        call: str,
        take: CData,
        buffer: Buffer | Sized,
        direction: Direction,
        orig_addr: int | None,
        *wishes: int,
        blame: Arguments = types.MappingProxyType({}),
    ) -> Mapping | NoRoom:
        """
        Map by ``take(request, mapping)``; ``wishes`` as :func:`c_request` has them, ``blame`` for what it can refuse
        besides the request.
        """
        direction = direction_of(call, direction)
        original, pointer, size = self._pin(call, buffer, direction)
        orig_addr = host_address(pointer) if orig_addr is None else orig_addr
        request = c_request(call, size, direction, orig_addr, *wishes)
        request.orig = pointer
        info = self._took(
            call,
            take(request, self._mapping),
            {BounceCode.OVERLAP: ("buffer", buffer), **blame_request(request, "length of buffer"), **blame},
        )
        if isinstance(info, NoRoom):
            return info
        self._originals[info.handle] = original
        return Mapping(self, self._pool_of(info), info)

    def _reserve(
        self, call: str, take: CData, size: int, direction: Direction, orig_addr: int, *wishes: int
    ) -> Reservation | NoRoom:
        """Reserve by ``take(request, mapping)``."""
        request = c_request(call, size, direction_of(call, direction), orig_addr, *wishes)
        info = self._took(call, take(request, self._mapping), blame_request(request, "size"))
        return info if isinstance(info, NoRoom) else Reservation(self, self._pool_of(info), info)

    def _alloc(self, call: str, take: CData, size: int, area: int, owner: int) -> Coherent | NoRoom:
        """Allocate by ``take(size, area, owner, mapping)``."""
        code = take(
            integer(call, "size", size, 63, BounceCode.SIZE),
            integer(call, "area", area, 32, BounceCode.GEOMETRY),
            integer(call, "owner", owner, 32, BounceCode.GEOMETRY),
            self._mapping,
        )
        refusals = BounceCode.SIZE, BounceCode.TOO_LARGE, BounceCode.UNSATISFIABLE
        info = self._took(call, code, {refusal: ("size", size) for refusal in refusals})
        return info if isinstance(info, NoRoom) else Coherent(self, self._pool_of(info), info)

    def _took(self, call: str, code: int, arguments: Arguments) -> MappingInfo | NoRoom:
        if code in NO_ROOM:
            return NoRoom(BounceCode(code))
        self._judge(code, call, arguments)
        return MappingInfo.of(self._mapping)

    def _pin(self, call: str, buffer: Buffer | Sized, direction: Direction) -> tuple[object, CData, int]:
        """What keeps ``buffer`` alive, the pointer that C is given for it, and how many bytes it has."""
        if self._copy:
            handle = ffi.new_handle(buffer)
            return handle, handle, len(buffer)
        try:
            view, pointer = pin(buffer, writable=direction != Direction.TO_DEVICE)  # type: ignore[arg-type]
            return view, pointer, len(view)
        except BufferError as error:
            raise TypeError(f"{call}: buffer must be writable for {direction.name} ({error})") from None

    def _judge(self, code: int, call: str, arguments: Arguments) -> None:
        errors, self._hook_errors[:] = list(self._hook_errors), []
        try:
            judge(code, call, arguments)
        except CallerError as error:
            # Nothing is called behind a share() that failed, but a copy function may have failed before it.
            raise error from errors[-1 if code == BounceCode.SHARE else 0] if errors else None
        if errors:  # of a function whose failure C does not hear of
            raise errors[0]


def hooked(errors: list[BaseException], *steps: Callable[[], object]) -> int:
    """
    Take all steps, of which one is a function of the caller's, under a call of C's. Returns 0; or 1, and the first that
    was raised is then the last of ``errors``. During the steps that is empty: the calls they make have their own.
    """
    before, errors[:] = list(errors), []
    failed = 0
    for step in steps:
        try:
            step()
        except BaseException as error:
            if not failed:
                before.append(error)
            failed = 1
    errors[:], before[:] = before, []  # an error names this frame, which must not name the error
    return failed


# Defined once for all pools, as C has one function of that name; context says whose copy function it is.
@ffi.def_extern(name="vring_copy_callback", error=1)  # type: ignore[untyped-decorator]
def _copy(context: CData, orig: CData, offset: int, window: CData, length: int, to_window: bool) -> int:
    copy, errors, places = ffi.from_handle(context)
    view = places.view(window, length)
    return hooked(errors, partial(copy, ffi.from_handle(orig), offset, view, to_window), view.release)


def c_request(
    call: str,
    size: int,
    direction: Direction,
    orig_addr: int,
    alloc_align_mask: int,
    min_align_mask: int,
    boundary_mask: int,
    limit: int,
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
    request.limit = integer(call, "limit", limit, 64, BounceCode.UNSATISFIABLE)
    request.area = integer(call, "area", area, 32, BounceCode.GEOMETRY)
    request.owner = integer(call, "owner", owner, 32, BounceCode.GEOMETRY)
    return request


def blame_request(request: CData, size: str) -> dict[RingCode | BounceCode, tuple[str, object]]:
    """For every answer that a request can get, the argument it is about; ``size`` is how the caller gave its size."""
    masks = {name: hex(getattr(request, name)) for name in MASKS}
    length = (size, request.size)
    wishes = ("masks and limit", {**masks, "limit": hex(request.limit)}) if request.limit else ("masks", masks)
    return {
        BounceCode.SIZE: length,
        BounceCode.MASK: _blame_mask(request, masks),
        BounceCode.TOO_LARGE: (f"{size}, and masks", (request.size, masks)) if request.alloc_align_mask else length,
        BounceCode.UNSATISFIABLE: wishes,
        BounceCode.ADDR: ("orig_addr", request.orig_addr),
    }


def direction_of(call: str, direction: Direction) -> Direction:
    """``direction``, if it is one; otherwise CallerError."""
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


def judge(code: int, call: str, arguments: Arguments) -> None:
    """The exception for ``code``, if it is not 0."""
    if code == BounceCode.CORRUPT:
        raise CorruptError(BounceCode.CORRUPT, call)
    if code:
        raise caller_error(BounceCode(code), call, arguments)
