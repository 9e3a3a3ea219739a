# SPDX-License-Identifier: MIT
"""A driver whose buffers never leave private memory: queue and pool together (``bounced/bounced.h``)."""

from collections.abc import Sequence

from vring.bounce import BouncePool
from vring.driver import DriverQueue, IndirectTable, UsedLength
from vring.errors import BounceCode, CallerError, RingCode, integer
from vring.features import ByteOrder
from vring.layout import Areas
from vring.lowlevel import CData, ffi, lib
from vring.mapping import NO_ROOM, NoRoom
from vring.memory import Buffer, GuestMemory, pin
from vring.queue import FULL

__all__ = ["BouncedDriver"]


class BouncedDriver(DriverQueue):
    """
    The driver side of a virtqueue of either format whose buffers go through ``pool``: ``add`` maps every piece and
    offers the bounce addresses, ``get_used`` copies back what the device says it wrote, no more than it could have,
    and unmaps. The device sees copies alone.

    >>> memory = GuestMemory(1 << 18)
    >>> areas = allocate_areas(memory, 8, Feature.VERSION_1)
    >>> pool = BouncePool(memory, window=memory.base + (1 << 17))
    >>> driver = BouncedDriver(pool, memory, areas, Feature.VERSION_1)
    >>> device = Device(memory, areas, Feature.VERSION_1)
    >>> answer = bytearray(5)
    >>> driver.add([b"question"], [answer], token="mine"), driver.publish()
    (True, True)
    >>> chain = device.get_avail()
    >>> chain.read(), chain.write(b"reply"), device.add_used(chain), device.publish()
    (b'question', None, None, True)
    >>> driver.get_used(), answer, pool.usage().used
    (Used(token='mine', length=5), bytearray(b'reply'), 0)
    """

    _c_abort = lib.bounced_driver_abort
    _c_get_used = lib.bounced_driver_get_used
    _c_reset = lib.bounced_driver_reset
    _c_take_unused = lib.bounced_driver_take_unused

    def __init__(
        self,
        pool: BouncePool,
        memory: GuestMemory,
        areas: Areas,
        features: int,
        *,
        max_chain: int = 0,
        index: int = 0,
        notify_id: int = 0,
        used_length: UsedLength = UsedLength.BREAK,
        len_without_write: bool = False,
        legacy_order: ByteOrder = ByteOrder.NATIVE,
        pieces: int = 0,
        tables: IndirectTable | None = None,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> None:
        """
        A live queue over ``areas`` of ``memory``, which it clears and which the device does not touch yet.

        ``pieces`` how many can be in flight at once, unless told the queue's size; ``tables`` memory for indirect
        tables, shared out evenly, one for each ring entry: with it and INDIRECT_DESC every buffer of two pieces or
        more that fits uses one; the masks, ``area`` and ``owner`` are those of :meth:`vring.BouncePool.map`, for every
        piece; everything else as for :class:`vring.Driver`, and ``used_length`` must not be TRUST: a length bounds what
        is copied.

        A :class:`vring.BounceSet` cannot stand in the pool's place (TypeError): C's queue remembers one pool. Whoever
        has a set maps the pieces through it, gives the addresses of the mappings to a :class:`vring.Driver`, with them
        as the token, and unmaps those that come back; or gives each queue a pool of its own. Nor can a pool with a copy
        function (TypeError): pieces are memory of this process.

        Raises CallerError that names the argument (``bounced_driver_init``), IndexError for areas outside ``memory``.
        """
        call = type(self).__name__
        if not isinstance(pool, BouncePool):
            raise TypeError(f"{call}: pool must be a BouncePool, not {type(pool).__name__}: a queue remembers one pool")
        if pool._copy:
            raise TypeError(f"{call}: pool must have no copy function: pieces are memory of this process")
        config = ffi.new("struct bounced_driver_config *")
        options = max_chain, index, notify_id, used_length, len_without_write, legacy_order
        self._configure(config.ring, memory, areas, features, *options)
        count = integer(call, "pieces", pieces or areas.size, 24, RingCode.SIZE)
        config.pool = pool._pool
        self._buffers = config.buffers = ffi.new("struct bounced_buffer[]", areas.size)
        config.buffer_count = areas.size
        self._pieces = config.pieces = ffi.new("struct bounced_piece[]", count)
        config.piece_count = count
        self._work = config.segments = ffi.new("struct vring_segment[]", count)
        config.segment_count = count
        masks = {"alloc_align_mask": alloc_align_mask, "min_align_mask": min_align_mask, "boundary_mask": boundary_mask}
        for name, mask in masks.items():
            setattr(config, name, integer(call, name, mask, 64, BounceCode.MASK))
        config.area = integer(call, "area", area, 32, BounceCode.GEOMETRY)
        config.owner = integer(call, "owner", owner, 32, BounceCode.GEOMETRY)
        if tables:
            if tables.entries < areas.size:
                raise CallerError(
                    RingCode.CHAIN, call, "tables.entries", tables.entries, "less than one per ring entry"
                )
            config.tables = tables.memory.pointer(tables.addr, 16 * tables.entries)
            config.tables_addr = tables.addr
            config.table_entries = tables.entries // areas.size

        self._bounced = ffi.new("struct bounced_driver *")
        self._prepare(self._bounced, ffi.addressof(self._bounced, "queue"), memory, areas)
        self._tables = tables
        self._masks = {name: hex(mask) for name, mask in masks.items()}
        self.pool = pool
        if used_length == UsedLength.TRUST:
            raise CallerError(RingCode.FEATURE, call, "used_length", UsedLength.TRUST)
        self._live(lib.bounced_driver_init(self._bounced, config), areas, features, max_chain, index)

    def add(
        self,
        readable: Sequence[Buffer] = (),
        writable: Sequence[Buffer] = (),
        token: object = None,
        *,
        direct: bool = False,
    ) -> bool | NoRoom:
        """
        Map and stage one buffer: private pieces that the device reads, then private pieces that it writes. They are
        kept alive, and stay as they are, until the token returns. ``direct`` takes a descriptor of the ring for every
        piece even if there are tables.

        Returns True; False if too few descriptors or pieces are free; or the pool's :class:`vring.NoRoom`: then ring,
        pool and window are as they were. Raises CallerError for a buffer that never fits or is malformed, TypeError
        for a writable piece that is read-only.
        """
        verb = "add"
        call = f"{type(self).__name__}.{verb}"
        pinned = [self._pin(call, "readable", i, piece, False) for i, piece in enumerate(readable)]
        n_readable = len(pinned)
        pinned += [self._pin(call, "writable", i, piece, True) for i, piece in enumerate(writable)]
        n_writable = len(pinned) - n_readable
        if max(n_readable, n_writable) > 0xFFFF:
            raise CallerError(RingCode.CHAIN, call, "number of pieces", len(pinned))
        segments = ffi.new("struct bounced_segment[]", [(pointer, len(view)) for view, pointer in pinned])
        number = next(self._numbers)
        function = lib.bounced_driver_add_direct if direct else lib.bounced_driver_add
        code = function(self._outer, segments, n_readable, n_writable, number)
        if code == FULL:
            return False
        if code in NO_ROOM:
            return NoRoom(BounceCode(code))
        lengths = [len(view) for view, _ in pinned]
        self._answer(
            code,
            verb,
            {
                RingCode.CHAIN: ("number of pieces", len(pinned)),
                RingCode.LEN: ("lengths of pieces", lengths),
                BounceCode.TOO_LARGE: ("lengths of pieces", lengths),
                BounceCode.UNSATISFIABLE: ("masks", self._masks),
                BounceCode.MASK: ("masks", self._masks),
                BounceCode.OVERLAP: ("pieces", "in the window of the pool"),
            },
        )
        self._tokens[number] = (token, [view for view, _ in pinned])
        return True

    @staticmethod
    def _pin(call: str, kind: str, index: int, piece: Buffer, writable: bool) -> tuple[memoryview, CData]:
        try:
            view, pointer = pin(piece, writable)
        except BufferError as error:
            raise TypeError(f"{call}: {kind}[{index}] must be writable ({error})") from None
        if len(view) >= 1 << 32:
            raise CallerError(RingCode.LEN, call, f"length of {kind}[{index}]", len(view))
        return view, pointer
