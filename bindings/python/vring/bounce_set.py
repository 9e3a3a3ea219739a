# SPDX-License-Identifier: MIT
"""Pools that come and go while others map (``bounce/set.h``)."""

from collections.abc import Callable, Sized
from functools import partial
from types import TracebackType
from typing import TypeAlias

from vring.bounce import Pool, PoolConfig, Usage
from vring.errors import Arguments, BounceCode, CallerError, integer
from vring.lowlevel import CData, ffi, host_address, lib
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
    hooked,
    judge,
)
from vring.memory import Buffer, HostMap, Region

__all__ = ["BounceSet", "Released", "SetPool", "Share"]

Share: TypeAlias = Callable[[memoryview, int, bool], object]
"""
How a window is shared with the devices, and made private again: ``share(window, window_addr, shared)`` with all bytes
of the window, which are good during the call alone, and its first device address. If it raises, the call of the set
raises CallerError (SHARE) with that as its cause: the state of that window is unknown, and it is never used again.
"""

Released: TypeAlias = Callable[["SetPool"], object]
"""
What is told that a pool has left its set: the window, private again, is the caller's. What it raises comes out of the
call that it was told by, which has done everything else, unless that has an error of its own to tell (COPY).
"""

ENTRY_SIZE = ffi.sizeof("struct bounce_set_entry")
ENTRY_POOL = ffi.offsetof("struct bounce_set_entry", "pool")


class SetPool(Pool):
    """
    One pool of a :class:`BounceSet`, which alone maps through it. It answers questions until it has left
    (:attr:`index` is then ``None``); from then on they raise CallerError (STATE).
    """

    index: int | None
    """Its entry in the set."""

    def __init__(self, owner: "BounceSet", device: int) -> None:
        self._set = owner
        self.device = device
        """The one device that it serves; 0 if it serves all that have no pool of their own."""
        self.index = None

    def drain(self) -> None:
        """
        Let the pool run empty: it gets no more requests, until it is removed (``bounce_set_drain``). A device whose
        only pool it was gets those of everybody from now on. CallerError for a pool that has left, or of one mapping.
        """
        call = "SetPool.drain"
        self._judge(lib.bounce_set_drain(self._set._set, self._entry(call)), call)

    def remove(self) -> None:
        """
        Take the pool, which nobody maps through any more, out of the set: its window is made private, and the set's
        ``released`` is told (``bounce_set_remove``).

        Raises CallerError: BUSY while mappings are live, RANGE for a pool of one mapping, and nothing has changed;
        SHARE if the window could not be made private: the pool has left, and its window is lost.
        """
        call = "SetPool.remove"
        index = self._entry(call)
        code = lib.bounce_set_remove(self._set._set, index)
        if code == BounceCode.SHARE:
            self._set._lose(index)
        self._judge(code, call)

    def _judge(self, code: int, call: str) -> None:
        live = self.usage().mappings if code == BounceCode.BUSY else 0
        arguments: Arguments = {BounceCode.RANGE: ("pool", self), BounceCode.BUSY: ("live mappings", live)}
        self._set._judge(code, call, arguments)

    def _entry(self, call: str) -> int:
        if self.index is None:
            raise CallerError(BounceCode.STATE, call, "pool", self, "it has left its set")
        return self.index

    def _c(self, call: str) -> CData:
        return ffi.addressof(self._set._entries[self._entry(call)], "pool")


class BounceSet(Source):
    """
    Pools that are asked in the order of their entries, for memory that is added when the first runs full, for devices
    with a pool of their own, and for one mapping that fits nowhere else. As a context manager it is closed at the end,
    unless it has been. One thread at a time.

    >>> pools = BounceSet()
    >>> first = pools.add(PoolConfig(GuestMemory(1 << 18, base=0x100000)))
    >>> with pools.map(b"secret", Direction.TO_DEVICE) as mapping:
    ...     mapping.pool is first, bytes(mapping.data)
    (True, b'secret')
    >>> first.remove()
    >>> pools.map(b"secret", Direction.TO_DEVICE)
    <NoRoom.FULL: <BounceCode.FULL: -129>>
    """

    def __init__(
        self,
        entries: int = 16,
        *,
        seed: int = 0,
        share: Share | None = None,
        released: Released | None = None,
        copy: Copy | None = None,
    ) -> None:
        """
        A set with room for so many pools at once, 1 to 256, and none yet.

        ``seed`` goes into every handle of its pools; ``share`` and ``released`` see :data:`Share` and
        :data:`Released`, windows are shared already unless told; ``copy`` as for :class:`vring.BouncePool`, for all.

        Raises CallerError that names the argument (``bounce_set_init``).
        """
        call = "BounceSet"
        config = ffi.new("struct bounce_set_config *")
        config.entry_count = integer(call, "entries", entries, 32, BounceCode.GEOMETRY)
        if not 1 <= entries <= lib.BOUNCE_SET_POOLS:
            raise CallerError(BounceCode.GEOMETRY, call, "entries", entries)
        self._entries = config.entries = ffi.new("struct bounce_set_entry[]", entries)
        config.seed = integer(call, "seed", seed, 64, BounceCode.GEOMETRY)
        self._pools: dict[int, SetPool] = {}  # by entry: their metadata and windows are C's
        self._lost: list[SetPool] = []  # ... and these, whose windows C will never give back
        self._coming: list[SetPool] = []  # those that C is being told of
        self._hook_errors = []
        self._share, self._released, self._copy = share, released, copy
        self._hooks = ffi.new_handle((share, self._lend, self._gone, self._hook_errors))
        config.context = self._hooks
        config.share = lib.vring_share_callback if share else ffi.NULL
        config.released = lib.vring_released_callback
        self._originals = {}
        self._mapping = ffi.new("struct bounce_mapping *")
        self._index = ffi.new("uint32_t *")
        self._set = ffi.new("struct bounce_set *")
        judge(lib.bounce_set_init(self._set, config), call, {})

    def __repr__(self) -> str:
        return f"BounceSet(pools={[pool.index for pool in self.pools]})"

    def __enter__(self) -> "BounceSet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._set.state:
            self.close()

    def close(self) -> None:
        """End the set. Raises CallerError (BUSY) while it has a pool, and it lives on (``bounce_set_fini``)."""
        call = "BounceSet.close"
        self._judge(lib.bounce_set_fini(self._set), call, {BounceCode.BUSY: ("pools", len(self._pools))})

    # --------------------------------------------------------------------------------------------- coming and going ---

    @property
    def pools(self) -> tuple[SetPool, ...]:
        """Its pools, those of one mapping included, in the order in which they are asked."""
        return tuple(self._pools[index] for index in sorted(self._pools))

    def add(self, config: PoolConfig, *, device: int = 0) -> SetPool:
        """
        Add a pool, in the first free entry: its window is shared, cleared, and only then used (``bounce_set_add``).

        ``device``, any number that is not 0, is one that it serves alone, and that no other pool serves from now on.

        Raises CallerError as :class:`vring.BouncePool`, and: FULL if no entry is free, OVERLAP if the window shares
        memory or device addresses with that of another pool, SHARE if sharing failed, and the window is lost.
        """
        call = "BounceSet.add"
        pool, c_config, blame = self._draft(call, config, integer(call, "device", device, 32, BounceCode.RANGE))
        code = self._bring(pool, partial(lib.bounce_set_add, self._set, c_config, device, self._index))
        self._judge(code, call, blame)
        self._enter(pool, self._index[0])
        return pool

    def map_transient(
        self,
        config: PoolConfig,
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
        Add a pool, map one buffer through it as :meth:`map` would, and have it leave when that is unmapped
        (``bounce_set_map_transient``): no other request sees it.

        Returns and raises as :meth:`map`, FULL also if no entry is free, and as :meth:`add`; nothing has changed then,
        and the window was not shared, except for COPY, where it was cleared and is private again, and for SHARE, where
        it is lost. Unmap can raise SHARE, too, whatever became of the copy: the mapping has ended, and the window is
        lost.
        """
        call = "BounceSet.map_transient"
        pool, c_config, blame = self._draft(call, config, 0)

        def take(request: CData, mapping: CData) -> int:
            code = self._bring(pool, partial(lib.bounce_set_map_transient, self._set, c_config, request, mapping))
            if code == 0:
                self._enter(pool, self._entry_of(mapping.handle))
            elif code == BounceCode.SHARE:
                self._lost.append(pool)  # C may have it in its books
            return code

        wishes = alloc_align_mask, min_align_mask, boundary_mask, limit, area, owner
        return self._map(call, take, buffer, direction, orig_addr, *wishes, blame=blame)

    def _draft(self, call: str, config: PoolConfig, device: int) -> tuple[SetPool, CData, Arguments]:
        """A pool that has not entered yet, what C is to be told of it, and what is to blame if it is refused."""
        if not isinstance(config, PoolConfig):
            raise TypeError(f"{call}: config must be a PoolConfig, not {type(config).__name__}")
        pool = SetPool(self, device)
        c_config, blame = pool._configure(call, config)
        pool._reach_originals(c_config, self)
        return pool, c_config, {**blame, BounceCode.FULL: ("entries", len(self._entries))}

    def _bring(self, pool: SetPool, call: Callable[[], int]) -> int:
        """Tell C of a pool: its answer."""
        self._coming.append(pool)
        try:
            return int(call())
        finally:
            self._coming.remove(pool)

    def _lend(self, window: CData, window_addr: int, size: int) -> memoryview:
        """A view of a window that C names, which keeps the memory alive; called under a call of C's."""
        pools = (*self._coming, *self._pools.values())
        memory = next(pool.memory for pool in pools if pool.window_addr == window_addr)
        return HostMap([Region(memory)]).view(window, size)

    def _enter(self, pool: SetPool, index: int) -> None:
        pool.index = index
        self._pools[index] = pool

    def _gone(self, index: int) -> None:
        """The pool in an entry has left; called under a call of C's."""
        pool = self._pools.pop(index)
        pool.index = None
        if self._released:
            self._released(pool)

    def _lose(self, index: int) -> None:
        """The pool in an entry has left, and its window is lost."""
        pool = self._pools.pop(index)
        pool.index = None
        self._lost.append(pool)

    # -------------------------------------------------------------------------------------------- from pool to pool ---

    def map(
        self,
        buffer: Buffer | Sized,
        direction: Direction,
        *,
        device: int = 0,
        orig_addr: int | None = None,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        limit: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> Mapping | NoRoom:
        """
        As :meth:`vring.BouncePool.map`, in the first pool that can: of the pools of ``device``, or if it has none, of
        those that serve everybody; 0 is no device in particular (``bounce_set_map``). ``mapping.pool`` says which it
        was.

        Returns :class:`NoRoom` if no pool has room now, FULL without a pool; raises CallerError if none ever could.
        """
        call = "BounceSet.map"
        take = partial(lib.bounce_set_map, self._set, integer(call, "device", device, 32, BounceCode.RANGE))
        wishes = alloc_align_mask, min_align_mask, boundary_mask, limit, area, owner
        return self._map(call, take, buffer, direction, orig_addr, *wishes)

    def reserve(
        self,
        size: int,
        direction: Direction,
        *,
        device: int = 0,
        orig_addr: int = 0,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        limit: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> Reservation | NoRoom:
        """As :meth:`vring.BouncePool.reserve`, in the first pool that can (``bounce_set_reserve``)."""
        call = "BounceSet.reserve"
        take = partial(lib.bounce_set_reserve, self._set, integer(call, "device", device, 32, BounceCode.RANGE))
        wishes = alloc_align_mask, min_align_mask, boundary_mask, limit, area, owner
        return self._reserve(call, take, size, direction, orig_addr, *wishes)

    def alloc(self, size: int, *, device: int = 0, area: int = 0, owner: int = 0) -> Coherent | NoRoom:
        """As :meth:`vring.BouncePool.alloc`, in the first pool that can (``bounce_set_alloc``)."""
        call = "BounceSet.alloc"
        take = partial(lib.bounce_set_alloc, self._set, integer(call, "device", device, 32, BounceCode.RANGE))
        return self._alloc(call, take, size, area, owner)

    def find(self, addr: int) -> SetPool | None:
        """The pool whose window device address ``addr`` lies in; ``None`` if there is none (``bounce_set_find``)."""
        pointer = lib.bounce_set_find(self._set, integer("BounceSet.find", "addr", addr, 64, BounceCode.ADDR))
        return self._pools[self._index_of(pointer)] if pointer else None

    def max_mapping_size(self, device: int = 0, min_align_mask: int = 0) -> int:
        """
        The most, in bytes, that :meth:`vring.BouncePool.max_mapping_size` says of the pools that serve ``device``; 0
        without one.
        """
        call = "BounceSet.max_mapping_size"
        device = integer(call, "device", device, 32, BounceCode.RANGE)
        mask = integer(call, "min_align_mask", min_align_mask, 64, BounceCode.MASK)
        return int(lib.bounce_set_max_mapping_size(self._set, device, mask))

    def usage(self) -> Usage:
        """Counts over all pools (``bounce_set_usage``)."""
        counts = ffi.new("struct bounce_counts *")
        self._judge(lib.bounce_set_usage(self._set, counts), "BounceSet.usage", {})
        return Usage.of(counts)

    def _index_of(self, pointer: CData) -> int:
        """The entry whose pool that is."""
        return int((host_address(pointer) - host_address(self._entries) - ENTRY_POOL) // ENTRY_SIZE)

    def _entry_of(self, handle: int) -> int:
        return self._index_of(lib.bounce_set_pool(self._set, handle))

    def _pool_of(self, info: MappingInfo) -> Pool:
        return self._pools[self._entry_of(info.handle)]

    def _c_pool(self, call: str, slots: _Slots) -> CData:
        pointer = lib.bounce_set_pool(self._set, slots.info.handle)
        if not pointer:
            raise CallerError(BounceCode.HANDLE, call, slots._noun, slots)
        return pointer

    def _c_unmap(self, info: MappingInfo, length: int) -> int:
        pointer = lib.bounce_set_pool(self._set, info.handle)
        code = int(lib.bounce_set_unmap(self._set, info.handle, info.direction, length))
        if code == BounceCode.SHARE:
            self._lose(self._index_of(pointer))
        return code

    def _c_free(self, info: MappingInfo) -> int:
        return int(lib.bounce_set_free(self._set, info.handle))


# Defined once for all sets, as C has one function of each name; context says whose they are.
@ffi.def_extern(name="vring_share_callback", error=1)  # type: ignore[untyped-decorator]
def _share(context: CData, window: CData, window_addr: int, size: int, shared: bool) -> int:
    share, lend, _, errors = ffi.from_handle(context)
    view = lend(window, window_addr, size)
    return hooked(errors, partial(share, view, window_addr, shared), view.release)


@ffi.def_extern(name="vring_released_callback")  # type: ignore[untyped-decorator]
def _released(context: CData, index: int, window: CData, meta: CData) -> None:
    _, _, gone, errors = ffi.from_handle(context)
    hooked(errors, partial(gone, index))
