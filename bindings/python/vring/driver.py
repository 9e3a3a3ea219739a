# SPDX-License-Identifier: MIT
"""The driver side of a queue: it offers buffers and takes them back (``vring/split.h``)."""

import enum
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

from vring.errors import Arguments, CallerError, PeerError, RingCode, caller_error, integer
from vring.layout import Areas, PackedLayout, SplitLayout
from vring.lowlevel import CData, ffi, lib
from vring.memory import GuestMemory, Segment
from vring.snapshot import Snapshot

__all__ = ["DriverQueue", "IndirectTable", "PackedDriver", "SplitDriver", "Used", "UsedLength"]

VERBS = (
    "init",
    "reset",
    "add_avail",
    "add_indirect",
    "abort",
    "publish",
    "notification",
    "get_used",
    "enable_notify",
    "enable_notify_delayed",
    "disable_notify",
    "free",
    "in_flight",
    "take_unused",
    "fault",
)


class UsedLength(enum.IntEnum):
    """What a driver believes about used lengths that exceed the device-writable part of a buffer (2.7.8.2)."""

    BREAK = lib.VRING_USED_LEN_BREAK
    CLAMP = lib.VRING_USED_LEN_CLAMP
    TRUST = lib.VRING_USED_LEN_TRUST


class Used(NamedTuple):
    """A buffer that has come back: the object given to ``add_avail``, and the bytes that the device says it wrote."""

    token: object
    length: int


@dataclass(frozen=True)
class IndirectTable:
    """Memory for one indirect table (2.7.5.3): ``entries`` descriptors of 16 bytes at device address ``addr``."""

    memory: GuestMemory
    addr: int
    entries: int

    @classmethod
    def allocate(cls, memory: GuestMemory, entries: int) -> "IndirectTable":
        """A fresh table in ``memory``. Raises MemoryError."""
        return cls(memory, memory.allocate(16 * entries), entries)


class DriverQueue:
    """
    The driver side of a virtqueue, of either format: see :class:`SplitDriver` and :class:`PackedDriver`.

    ``add_avail`` stages a buffer, ``publish`` makes everything staged visible at once and answers whether the device
    must be notified, ``get_used`` takes a buffer back. Tokens are any Python objects; the queue keeps them alive
    until they return. One thread at a time. Every call can raise :class:`PeerError` once the device has broken the
    protocol.
    """

    _c: ClassVar[Any]
    _layout: ClassVar[type[SplitLayout] | type[PackedLayout]]

    def __init_subclass__(
        cls, prefix: str | None = None, layout: type[SplitLayout] | type[PackedLayout] | None = None
    ) -> None:
        if prefix and layout:
            cls._c = SimpleNamespace(
                struct=f"struct {prefix} *", **{verb: getattr(lib, f"{prefix}_{verb}") for verb in VERBS}
            )
            cls._layout = layout

    def __init__(
        self,
        memory: GuestMemory,
        areas: Areas,
        features: int,
        *,
        max_chain: int = 0,
        index: int = 0,
        notify_id: int = 0,
        used_length: UsedLength = UsedLength.BREAK,
        len_without_write: bool = False,
    ) -> None:
        """
        A live queue over ``areas`` of ``memory``, which it clears and which the device does not touch yet.

        ``features`` as negotiated, with VERSION_1; ``max_chain`` most descriptors in one buffer, 0 for the queue's
        size; ``index`` where both sides start, 0 unless a test wants the wrap to be near; ``notify_id`` what names
        the queue in the notification word; ``used_length`` and ``len_without_write`` what to believe of used lengths:
        see ``struct vring_driver_config``.

        Raises CallerError that names the argument (``vring_split_driver_init``), IndexError for areas outside
        ``memory``.
        """
        call = type(self).__name__
        layout = self._layout.of(areas.size)
        config = ffi.new("struct vring_driver_config *")
        config.features = integer(call, "features", features, 64, RingCode.FEATURE)
        config.size = areas.size
        config.max_chain = integer(call, "max_chain", max_chain, 32, RingCode.CHAIN)
        config.desc = memory.pointer(areas.desc, layout.desc_size)
        config.driver_area = memory.pointer(areas.driver, layout.driver_size)
        config.device_area = memory.pointer(areas.device, layout.device_size)
        self._slots = config.slots = ffi.new("struct vring_slot[]", areas.size)
        config.slot_count = areas.size
        config.index = integer(call, "index", index, 16, RingCode.SIZE)
        config.notify_id = integer(call, "notify_id", notify_id, 16, RingCode.SIZE)
        config.used_len = UsedLength(used_length)
        config.len_without_write = len_without_write

        self._queue = ffi.new(self._c.struct)
        self._used = ffi.new("struct vring_used_buffer *")
        self._numbers = itertools.count(1)
        self._tokens: dict[int, tuple[object, IndirectTable | None]] = {}
        self._staged: list[int] = []
        self.memory = memory
        self.areas = areas
        code = self._c.init(self._queue, config)
        if code:
            raise caller_error(
                RingCode(code),
                call,
                {
                    RingCode.SIZE: ("areas.size", areas.size),
                    RingCode.ALIGN: ("areas", areas),
                    RingCode.OVERLAP: ("areas", areas),
                    RingCode.ADDR: ("areas", areas),
                    RingCode.CHAIN: ("max_chain", max_chain),
                    RingCode.FEATURE: ("features", int(features)),
                },
            )

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool:
        """
        Stage one buffer: pieces (device address, bytes) that the device reads, then pieces that it writes.

        Returns False if too few descriptors are free now. Raises CallerError for a buffer that never fits or is
        malformed.
        """
        call = f"{type(self).__name__}.add_avail"
        segments, counts = _segments(call, readable, writable)
        number = next(self._numbers)
        code = self._c.add_avail(self._queue, segments, *counts, number)
        return self._stage(code, "add_avail", number, token, None, readable, writable)

    def add_indirect(
        self,
        table: IndirectTable,
        readable: Sequence[Segment] = (),
        writable: Sequence[Segment] = (),
        token: object = None,
    ) -> bool:
        """
        Stage one buffer whose pieces are listed in ``table``, so that it takes one descriptor of the ring (2.7.5.3).
        The table is the caller's again when the token returns. Otherwise as :meth:`add_avail`.
        """
        call = f"{type(self).__name__}.add_indirect"
        segments, counts = _segments(call, readable, writable)
        number = next(self._numbers)
        c_table = ffi.new("struct vring_table *")
        c_table.entries = integer(call, "table.entries", table.entries, 28, RingCode.CHAIN)
        c_table.memory = table.memory.pointer(table.addr, 16 * table.entries)
        c_table.addr = table.addr
        code = self._c.add_indirect(self._queue, c_table, segments, *counts, number)
        return self._stage(code, "add_indirect", number, token, table, readable, writable)

    def abort(self) -> object:
        """
        Take back the buffer staged last, as if it had never been added; returns its token. CallerError if none is
        staged.
        """
        self._answer(self._c.abort(self._queue, ffi.NULL), "abort")
        return self._tokens.pop(self._staged.pop())[0]

    def publish(self) -> bool:
        """
        Make everything staged visible with one store. Returns whether the device must be notified (2.7.10,
        2.7.13.4).
        """
        notify = self._answer(self._c.publish(self._queue), "publish")
        self._staged.clear()
        return notify == 1

    @property
    def notification(self) -> int:
        """
        The word for the doorbell: ``notify_id``, and with NOTIFICATION_DATA the index last published in the upper
        half.
        """
        return int(self._c.notification(self._queue))

    def get_used(self) -> Used | None:
        """Take one buffer that the device has used; ``None`` if there is none now (2.7.14)."""
        code = self._c.get_used(self._queue, self._used)
        if code == RingCode.EMPTY:
            return None
        self._answer(code, "get_used")
        token, _ = self._tokens.pop(self._used.token)
        return Used(token, self._used.len)

    def enable_notify(self) -> bool:
        """
        Ask to be notified of the next used buffer, and look once more. Returns True if used buffers wait already:
        take them and ask again; False if it is safe to sleep.
        """
        return self._answer(self._c.enable_notify(self._queue), "enable_notify") == 1

    def enable_notify_delayed(self) -> bool:
        """As :meth:`enable_notify`, for the time when about three quarters of the buffers in flight have been used."""
        code = self._c.enable_notify_delayed(self._queue)
        return self._answer(code, "enable_notify_delayed") == 1

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint, spurious notifications stay possible (2.7.7)."""
        self._answer(self._c.disable_notify(self._queue), "disable_notify")

    @property
    def free(self) -> int:
        """Descriptors free for ``add_avail``; a buffer of n pieces fits if n <= free, an indirect one if free > 0."""
        return int(self._c.free(self._queue))

    @property
    def in_flight(self) -> int:
        """Buffers added and not yet taken back: staged ones, and those with the device."""
        return int(self._c.in_flight(self._queue))

    def reset(self) -> list[object]:
        """
        Stop using the shared memory, after the device was reset or because it broke the protocol. Returns the tokens
        of all buffers that never came back, oldest first. Every later call raises CallerError; set up a new queue to
        go on.
        """
        self._c.reset(self._queue)
        number = ffi.new("uint64_t *")
        unused = []
        while (code := self._c.take_unused(self._queue, number)) != RingCode.EMPTY:
            self._answer(code, "reset")
            unused.append(self._tokens.pop(number[0])[0])
        self._staged.clear()
        return unused

    @property
    def fault(self) -> PeerError | None:
        """What broke the queue, as the exception that every call raises; ``None`` if nothing did."""
        fault = self._c.fault(self._queue)
        return (
            PeerError(RingCode(fault.error), type(self).__name__, fault.position, fault.value) if fault.error else None
        )

    def _stage(
        self,
        code: int,
        verb: str,
        number: int,
        token: object,
        table: IndirectTable | None,
        readable: Sequence[Segment],
        writable: Sequence[Segment],
    ) -> bool:
        if code == RingCode.FULL:
            return False
        if code:
            self._answer(
                code,
                verb,
                {
                    RingCode.CHAIN: ("number of pieces", len(readable) + len(writable)),
                    RingCode.LEN: _blame_length(readable, writable),
                    RingCode.ADDR: _blame_address(readable, writable, table),
                    RingCode.ALIGN: ("table", table),
                    RingCode.FEATURE: ("table", table),
                },
            )
        self._tokens[number] = (token, table)
        self._staged.append(number)
        return True

    def _answer(self, code: int, verb: str, arguments: Arguments | None = None) -> int:
        if code >= 0:
            return code
        call = f"{type(self).__name__}.{verb}"
        if lib.vring_error_blame(code) == lib.VRING_BLAME_PEER:
            fault = self._c.fault(self._queue)
            raise PeerError(RingCode(code), call, fault.position, fault.value)
        raise caller_error(RingCode(code), call, arguments or {})


class SplitDriver(DriverQueue, prefix="vring_split_driver", layout=SplitLayout):
    """The driver side of a split virtqueue (2.7; ``vring/split.h``)."""

    def snapshot(self) -> Snapshot:
        """The ring as it is now, shared words unjudged; changes nothing."""
        return Snapshot.take(
            self._queue,
            lib.vring_split_driver_snapshot,
            lib.vring_split_driver_snapshot_entry,
            lambda code: self._answer(code, "snapshot"),
        )


class PackedDriver(DriverQueue, prefix="vring_packed_driver", layout=PackedLayout):
    """
    The driver side of a packed virtqueue (2.8; ``vring/packed.h``): RING_PACKED is among its features, its size may
    be any, and ``index`` is the entry to start at, with bit 15 set for wrap counters of 0.
    """


def _segments(call: str, readable: Sequence[Segment], writable: Sequence[Segment]) -> tuple[CData, tuple[int, int]]:
    """Both lists as one C array, with their counts; or an exception that names the piece that C cannot hold."""
    counts = len(readable), len(writable)
    if max(counts) > 0xFFFF:
        raise CallerError(RingCode.CHAIN, call, "number of pieces", sum(counts))
    try:
        return ffi.new("struct vring_segment[]", [*readable, *writable]), counts
    except (OverflowError, TypeError, ValueError):
        for name, (addr, length) in _named(readable, writable):
            integer(call, f"address of {name}", addr, 64, RingCode.ADDR)
            integer(call, f"length of {name}", length, 32, RingCode.LEN)
        raise


def _named(readable: Sequence[Segment], writable: Sequence[Segment]) -> list[tuple[str, Segment]]:
    return [
        (f"{name}[{i}]", piece)
        for name, pieces in (("readable", readable), ("writable", writable))
        for i, piece in enumerate(pieces)
    ]


def _blame_length(readable: Sequence[Segment], writable: Sequence[Segment]) -> tuple[str, object]:
    for name, (_, length) in _named(readable, writable):
        if length == 0:
            return f"length of {name}", length
    return "total length", sum(length for _, length in [*readable, *writable])


def _blame_address(
    readable: Sequence[Segment], writable: Sequence[Segment], table: IndirectTable | None
) -> tuple[str, object]:
    for name, (addr, length) in _named(readable, writable):
        if addr + length > 1 << 64:
            return f"address of {name}", addr
    return "table", table
