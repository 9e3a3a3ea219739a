# SPDX-License-Identifier: MIT
"""The driver side of a queue: it offers buffers and takes them back (``vring/driver.h``, ``vring/split.h``)."""

import enum
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from vring.errors import BounceCode, CallerError, RingCode, caller_error, integer
from vring.features import ByteOrder, Feature
from vring.layout import Areas, PackedAreas, SplitAreas
from vring.lowlevel import CData, ffi, lib
from vring.memory import Buffer, GuestMemory, Segment, must_be_memory, pin
from vring.queue import EMPTY, FULL, ROOM, Queue
from vring.snapshot import Snapshot

__all__ = [
    "Driver",
    "DriverQueue",
    "IndirectTable",
    "Offer",
    "PackedDriver",
    "SavedDriver",
    "SplitDriver",
    "Used",
    "UsedLength",
    "UsedRun",
]

AnyDriver = TypeVar("AnyDriver", bound="Driver")


class UsedLength(enum.IntEnum):
    """
    What a driver believes about used lengths that exceed the device-writable part of a buffer (2.7.8.2): such a length
    breaks the queue (BREAK), is cut to that part (CLAMP), is cut and told by :attr:`Driver.fault` while the queue lives
    (REPORT), or is handed on, not to be used as a length (TRUST).
    """

    BREAK = lib.VRING_USED_LEN_BREAK
    CLAMP = lib.VRING_USED_LEN_CLAMP
    REPORT = lib.VRING_USED_LEN_REPORT
    TRUST = lib.VRING_USED_LEN_TRUST


class Used(NamedTuple):
    """A buffer that has come back: the object given to ``add_avail``, and the bytes that the device says it wrote."""

    token: object
    length: int


class UsedRun(NamedTuple):
    """
    Buffers that have come back, the oldest that there were: how many, and the last of them. Those before it were used
    in full: of what was device-writable all bytes count as written (2.7.9).
    """

    n: int
    last: Used


@dataclass(frozen=True)
class IndirectTable:
    """Memory for one indirect table (2.7.5.3): ``entries`` descriptors of 16 bytes at device address ``addr``."""

    memory: GuestMemory
    addr: int
    entries: int

    @classmethod
    def allocate(cls, memory: GuestMemory, entries: int) -> "IndirectTable":
        """A fresh table in ``memory``. Raises MemoryError."""
        if not isinstance(entries, int):
            raise TypeError(f"IndirectTable.allocate: entries must be an int, not {type(entries).__name__}")
        return cls(memory, memory.allocate(16 * entries), entries)


class Offer(NamedTuple):
    """
    One buffer of a batch: pieces (device address, bytes) to read, pieces to write, the token; or listed in a table.
    """

    readable: Sequence[Segment] = ()
    writable: Sequence[Segment] = ()
    token: object = None
    table: IndirectTable | None = None


class SavedDriver(NamedTuple):
    """
    What a driver's successor needs: the private state as bytes, of no byte order and with a checksum, and the tokens in
    flight by the number that the state has for each. Can be pickled if the tokens can.
    """

    state: bytes
    tokens: Mapping[int, object]


class DriverQueue(Queue):
    """
    What every driver side does: see :class:`Driver` for buffers in shared memory, :class:`vring.BouncedDriver` for
    private ones. Buffers are staged, ``publish`` makes everything staged visible at once and answers whether the device
    must be notified, ``get_used`` takes a buffer back.

    Tokens are any Python objects; the queue keeps them alive until they return. One thread at a time. Every call can
    raise :class:`PeerError` once the device has broken the protocol.
    """

    _outer: CData  # what add, get_used, abort, reset and take_unused are given: struct vring_driver *, or one around it
    _c_abort = lib.vring_driver_abort
    _c_get_used = lib.vring_driver_get_used
    _c_reset = lib.vring_driver_reset
    _c_take_unused = lib.vring_driver_take_unused

    def _prepare(self, outer: CData, queue: CData, memory: GuestMemory, areas: Areas) -> None:
        self._outer = outer
        self._queue = queue
        self._used = ffi.new("struct vring_used_buffer *")
        self._number = ffi.new("uint64_t *")
        self._numbers = itertools.count(1)
        self._tokens: dict[int, tuple[object, object]] = {}  # by number: token, and what must live as long
        self.memory = memory
        self.areas = areas

    def abort(self) -> object:
        """
        Take back the buffer staged last, as if it had never been added; returns its token. CallerError if none is
        staged.
        """
        self._answer(self._c_abort(self._outer, self._number), "abort")
        return self._tokens.pop(self._number[0])[0]

    def publish(self) -> bool:
        """
        Make everything staged visible with one store. Returns whether the device must be notified (2.7.10,
        2.7.13.4).
        """
        code = lib.vring_driver_publish(self._queue)
        return code == 1 if code >= 0 else self._answer(code, "publish") == 1

    @property
    def notification(self) -> int:
        """
        The word for the doorbell: ``notify_id``, and with NOTIFICATION_DATA the index last published in the upper
        half; of a packed ring place and wrap counter (2.9).
        """
        return int(lib.vring_driver_notification(self._queue))

    def get_used(self) -> Used | None:
        """Take one buffer that the device has used; ``None`` if there is none now (2.7.14)."""
        code = self._c_get_used(self._outer, self._used)
        if code == EMPTY:
            return None
        if code:
            self._answer(code, "get_used")
        return Used(self._tokens.pop(self._used.token)[0], self._used.len)

    def enable_notify(self) -> bool:
        """
        Ask to be notified of the next used buffer, and look once more. Returns True if used buffers wait already:
        take them and ask again; False if it is safe to sleep.
        """
        return self._answer(lib.vring_driver_enable_notify(self._queue), "enable_notify") == 1

    def enable_notify_delayed(self) -> bool:
        """As :meth:`enable_notify`, for the time when about three quarters of the buffers in flight have been used."""
        return self._answer(lib.vring_driver_enable_notify_delayed(self._queue), "enable_notify_delayed") == 1

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint, spurious notifications stay possible (2.7.7)."""
        self._answer(lib.vring_driver_disable_notify(self._queue), "disable_notify")

    def suspend(self) -> None:
        """
        Add nothing until :meth:`resume` (SUSPEND, virtio 1.4); telling the device is the transport's. What the device
        uses until it has stopped is got as always. CallerError if SUSPEND was not negotiated, and while buffers are
        staged.
        """
        code = lib.vring_driver_suspend(self._queue)
        self._answer(code, "suspend", {RingCode.FEATURE: ("features", "without SUSPEND")})

    def resume(self) -> bool:
        """Go on. Returns as :meth:`enable_notify`, which it calls. CallerError if the queue was not suspended."""
        return self._answer(lib.vring_driver_resume(self._queue), "resume") == 1

    @property
    def free(self) -> int:
        """Ring entries free for a buffer: one of n pieces fits if n <= free, an indirect one if free > 0."""
        return int(lib.vring_driver_free(self._queue))

    @property
    def in_flight(self) -> int:
        """Buffers added and not yet taken back: staged ones, and those with the device."""
        return int(lib.vring_driver_in_flight(self._queue))

    def reset(self) -> list[object]:
        """
        Stop using the shared memory, after the device was reset or because it broke the protocol. Returns the tokens
        of all buffers that never came back, oldest first. Every later call raises CallerError; set up a new queue to
        go on.
        """
        self._c_reset(self._outer)
        unused = []
        while (code := self._c_take_unused(self._outer, self._number)) != EMPTY:
            self._answer(code, "reset")
            unused.append(self._tokens.pop(self._number[0])[0])
        return unused

    def snapshot(self) -> Snapshot:
        """The ring as it is now, shared words unjudged; changes nothing."""
        functions = lib.vring_driver_snapshot, lib.vring_driver_snapshot_entry
        return Snapshot.take("driver", self._queue, *functions, lambda code: self._answer(code, "snapshot"))

    def _fault(self) -> CData:
        return lib.vring_driver_fault(self._queue)

    def _configure(
        self,
        config: CData,
        memory: GuestMemory,
        areas: Areas,
        features: int,
        max_chain: int,
        index: int,
        notify_id: int,
        used_length: UsedLength,
        len_without_write: bool,
        legacy_order: ByteOrder,
    ) -> None:
        """Fill a ``struct vring_driver_config``; every number that C could not hold is refused by its name."""
        call = type(self).__name__
        config.features = integer(call, "features", features, 64, RingCode.FEATURE)
        self.features = Feature(config.features)
        layout = self._layout(call, areas, features)
        config.size = areas.size
        must_be_memory(call, memory)
        config.max_chain = integer(call, "max_chain", max_chain, 32, RingCode.CHAIN)
        config.desc = memory.pointer(areas.desc, layout.desc_size)
        config.driver_area = memory.pointer(areas.driver, layout.driver_size)
        config.device_area = memory.pointer(areas.device, layout.device_size)
        self._slots = config.slots = ffi.new("struct vring_slot[]", areas.size)
        config.slot_count = areas.size
        config.index = integer(call, "index", index, 16, RingCode.SIZE)
        config.notify_id = integer(call, "notify_id", notify_id, 16, RingCode.SIZE)
        config.used_len = UsedLength(used_length)
        config.len_without_write = bool(len_without_write)
        config.legacy_order = ByteOrder(legacy_order)

    def _live(self, code: int, areas: Areas, features: int, max_chain: int, index: int) -> None:
        """Raise for what init answered."""
        # A ring of a size that the layout allows can only have a start that it does not.
        blame: dict[RingCode | BounceCode, tuple[str, object]] = {
            RingCode.SIZE: ("index", index),
            RingCode.ALIGN: ("areas", areas),
            RingCode.OVERLAP: ("areas", areas),
            RingCode.ADDR: ("areas", areas),
            RingCode.CHAIN: ("max_chain", max_chain),
            RingCode.FEATURE: ("features", int(features)),
            RingCode.SAVED: ("saved", None),
            RingCode.UNFIT: ("saved", None),
        }
        if code in blame:
            raise caller_error(RingCode(code), type(self).__name__, blame)
        self._answer(code, "init")


class Driver(DriverQueue):
    """
    The driver side of a virtqueue whose format the features name: packed with RING_PACKED, otherwise split
    (``vring/driver.h``).

    >>> memory = GuestMemory(1 << 16)
    >>> features = Feature.VERSION_1 | Feature.RING_PACKED
    >>> with Driver(memory, allocate_areas(memory, 8, features), features) as driver:
    ...     driver.add_avail(writable=[(memory.allocate(16), 16)], token="mine"), driver.free, driver.reset()
    (True, 7, ['mine'])
    """

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
        legacy_order: ByteOrder = ByteOrder.NATIVE,
    ) -> None:
        """
        A live queue over ``areas`` of ``memory``, which it clears and which the device does not touch yet.

        ``features`` as negotiated; ``legacy_order`` the byte order if VERSION_1 is not among them; ``max_chain`` most
        descriptors in one buffer, 0 for the queue's size; ``index`` where both sides start, 0 unless a test wants the
        wrap to be near (of a packed ring the entry, with bit 15 set for wrap counters of 0); ``notify_id`` what names
        the queue in the notification word; ``used_length`` and ``len_without_write`` what to believe of used lengths:
        see ``struct vring_driver_config``.

        Raises CallerError that names the argument (``vring_driver_init``), IndexError for areas outside ``memory``.
        """
        options = max_chain, index, notify_id, used_length, len_without_write, legacy_order
        self._start(lib.vring_driver_init, memory, areas, features, *options)

    def _start(
        self,
        start: Callable[[CData, CData], int],
        memory: GuestMemory,
        areas: Areas,
        features: int,
        max_chain: int,
        index: int,
        notify_id: int,
        used_length: UsedLength,
        len_without_write: bool,
        legacy_order: ByteOrder,
    ) -> None:
        """Bring the queue to life by ``start``, which is given the queue and its configuration."""
        config = ffi.new("struct vring_driver_config *")
        options = max_chain, index, notify_id, used_length, len_without_write, legacy_order
        self._configure(config, memory, areas, features, *options)
        queue = ffi.new("struct vring_driver *")
        self._prepare(queue, queue, memory, areas)
        code = start(queue, config)
        self._live(code, areas, features, max_chain, index)
        self.work_waits = code == 1

    def save(self) -> SavedDriver:
        """
        What a successor in this process or another needs to go on where this queue is (``vring_driver_save``). Shared
        memory is not part of it; the queue lives, but what it does next is not in the state.

        Raises CallerError while buffers are staged: publish or abort them first.
        """
        room = self._answer(lib.vring_driver_save(self._queue, ffi.NULL, 0), "save")
        state = ffi.new("unsigned char[]", room)
        size = self._answer(lib.vring_driver_save(self._queue, state, room), "save")
        tokens = {number: token for number, (token, _) in self._tokens.items()}
        return SavedDriver(bytes(ffi.buffer(state, size)), tokens)

    @classmethod
    def restore(
        cls: type[AnyDriver],
        saved: SavedDriver | Buffer,
        memory: GuestMemory,
        areas: Areas,
        features: int,
        *,
        max_chain: int = 0,
        notify_id: int = 0,
        used_length: UsedLength = UsedLength.BREAK,
        len_without_write: bool = False,
        legacy_order: ByteOrder = ByteOrder.NATIVE,
    ) -> AnyDriver:
        """
        A live queue that goes on where the saved one was, over the same areas; the device may run meanwhile
        (``vring_driver_restore``). Notifications are enabled, :attr:`work_waits` says whether used buffers wait
        already, and the next ``publish`` answers True, for nobody knows what the predecessor notified.

        ``saved`` from :meth:`save`, or the bytes that C saved: the tokens are then C's numbers. Everything else as for
        the constructor, with the features that were saved.

        Raises CallerError as the constructor, and for ``saved``: SAVED if it is no state, whatever it is, UNFIT if it
        is another queue's, or the ring has moved since.
        """
        state, tokens = saved if isinstance(saved, SavedDriver) else (saved, {})
        view, pointer = pin(state, writable=False)
        queue = cls.__new__(cls)
        options = max_chain, 0, notify_id, used_length, len_without_write, legacy_order

        def start(c_queue: CData, config: CData) -> int:
            return int(lib.vring_driver_restore(c_queue, config, pointer, len(view)))

        queue._start(start, memory, areas, features, *options)
        numbers = [entry.token for entry in queue.snapshot().entries if entry.count]
        if len(set(numbers)) != len(numbers):
            raise CallerError(RingCode.SAVED, cls.__name__, "saved", detail="a token twice")
        queue._tokens = {number: (tokens.get(number, number), None) for number in queue._oldest_first()}
        queue._numbers = itertools.count(_unused_number(numbers))
        return queue

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool:
        """
        Stage one buffer: pieces (device address, bytes) that the device reads, then pieces that it writes.

        Returns False if too few descriptors are free now. Raises CallerError for a buffer that never fits or is
        malformed.
        """
        pieces = [*readable]
        n_readable = len(pieces)
        pieces += writable
        n_writable = len(pieces) - n_readable
        segments = self._segments("add_avail", pieces, (n_readable, n_writable))
        number = next(self._numbers)
        code = lib.vring_driver_add_avail(self._queue, segments, n_readable, n_writable, number)
        return self._stage(code, "add_avail", number, token, None, pieces, n_readable)

    def add_indirect(
        self,
        table: IndirectTable,
        readable: Sequence[Segment] = (),
        writable: Sequence[Segment] = (),
        token: object = None,
    ) -> bool:
        """
        Stage one buffer whose pieces are listed in ``table``, so that it takes one descriptor of the ring (2.7.5.3).
        The table is the caller's again when the token returns; it may be written also for a buffer that is refused.
        Otherwise as :meth:`add_avail`.
        """
        pieces = [*readable]
        n_readable = len(pieces)
        pieces += writable
        n_writable = len(pieces) - n_readable
        segments = self._segments("add_indirect", pieces, (n_readable, n_writable))
        number = next(self._numbers)
        c_table = self._c_table("add_indirect", table)
        code = lib.vring_driver_add_indirect(self._queue, c_table, segments, n_readable, n_writable, number)
        return self._stage(code, "add_indirect", number, token, table, pieces, n_readable)

    def add_avail_batch(self, offers: Iterable[Offer | tuple[Sequence[Segment], Sequence[Segment], object]]) -> int:
        """
        Stage buffers, one after the other, crossing into C once: ``(readable, writable, token)`` each, as
        :meth:`add_avail` takes them, or with a table, as :meth:`add_indirect` does.

        Returns how many were staged: all of them, or those before the first for which too few descriptors were free.
        Raises CallerError for a buffer that never fits or is malformed; then none is staged.
        """
        pieces: list[Segment] = []
        counts: list[int] = []  # of each: pieces to read, pieces to write
        own: list[tuple[object, IndirectTable | None]] = []
        for place, offer in enumerate(offers):
            try:
                readable, writable, token, table = Offer(*offer)
                before = len(pieces)
                pieces += readable
                middle = len(pieces)
                pieces += writable
            except TypeError as error:
                what = f"{type(self).__name__}.add_avail_batch: offers[{place}] must be (readable, writable, token)"
                raise TypeError(f"{what}, not {offer!r}") from error
            counts += middle - before, len(pieces) - middle
            own.append((token, table))
        segments = self._segments("add_avail_batch", pieces, counts)
        tables = [table and self._c_table("add_avail_batch", table) for _, table in own]
        first = next(self._numbers)
        self._numbers = itertools.count(first + len(own))
        buffers, start = [], 0
        for number, table, n_readable, n_writable in zip(itertools.count(first), tables, counts[::2], counts[1::2]):
            buffers.append((segments + start, number, n_readable, n_writable, table or ffi.NULL))
            start += n_readable + n_writable
        c_buffers = ffi.new("struct vring_avail_buffer[]", buffers)
        n = ffi.new("uint32_t *")
        code = lib.vring_driver_add_avail_batch(self._queue, c_buffers, len(own), n)
        count = int(n[0])
        if code not in (0, FULL):
            for _ in range(count):
                lib.vring_driver_abort(self._queue, ffi.NULL)
            start = sum(counts[: 2 * count])
            n_readable, n_writable = counts[2 * count : 2 * count + 2]
            refused = pieces[start : start + n_readable + n_writable]
            self._stage(code, "add_avail_batch", 0, *own[count], refused, n_readable)
        self._tokens.update(zip(itertools.count(first), own[:count]))
        return count

    def add_avail_run(
        self, segments: Sequence[Segment], writable: bool = False, tokens: Sequence[object] | None = None
    ) -> int:
        """
        Stage buffers of one piece each, one after the other, crossing into C once, where it takes less than any other
        way (``vring_driver_add_avail_run``): ``segments`` are the buffers, (device address, bytes) each, which the
        device reads, or where ``writable`` is set writes; ``tokens`` are theirs, one for each, or ``None`` for all.

        Returns how many were staged: all of them, or those before the first for which no descriptor was free. Raises
        CallerError for a buffer that is malformed; then none is staged. ValueError for more or fewer tokens than
        segments.
        """
        call = f"{type(self).__name__}.add_avail_run"
        segments = list(segments)
        own = [None] * len(segments) if tokens is None else list(tokens)
        if len(own) != len(segments):
            raise ValueError(f"{call}: {len(own)} tokens for {len(segments)} segments")
        segments = segments[: self.areas.size]  # there is no ring with room for more
        counts = (0, len(segments)) if writable else (len(segments), 0)
        c_segments = self._segments("add_avail_run", segments, counts)
        number = next(self._numbers)
        self._numbers = itertools.count(number + len(segments))
        n = ffi.new("uint32_t *")
        code = lib.vring_driver_add_avail_run(self._queue, c_segments, len(segments), bool(writable), number, n)
        count = int(n[0])
        if code not in (0, FULL):
            for _ in range(count):
                lib.vring_driver_abort(self._queue, ffi.NULL)
            self._judge_pieces("add_avail_run", segments, counts)
            name, (addr, length) = _named(segments, counts[0])[count]
            self._answer(
                code,
                "add_avail_run",
                {RingCode.LEN: (f"length of {name}", length), RingCode.ADDR: (f"address of {name}", addr)},
            )
        self._tokens.update((number + i, (token, None)) for i, token in enumerate(own[:count]))
        return count

    def get_used_run(self, most: int | None = None) -> UsedRun | None:
        """
        With IN_ORDER: take buffers that one used element stands for (2.7.9), at most ``most`` of them, for a few steps
        of C however many they are (``vring_driver_get_used_run``); ``None`` if there is none now. There may be more:
        ask again.

        Raises CallerError FEATURE without IN_ORDER.
        """
        most = self._most("get_used_run", most)
        n = ffi.new("uint32_t *")
        code = lib.vring_driver_get_used_run(self._queue, self._used, most, n)
        if code == EMPTY or (code == ROOM and not most):
            return None
        self._answer(code, "get_used_run", {RingCode.FEATURE: ("features", int(self.features))})
        count = int(n[0])
        for number in list(itertools.islice(self._tokens, count - 1)):  # in the order of adding
            del self._tokens[number]
        return UsedRun(count, Used(self._tokens.pop(self._used.token)[0], self._used.len))

    def _oldest_first(self) -> list[int]:
        """The numbers of all buffers in flight: what a copy of the queue gives back when it is reset."""
        copy = ffi.new("struct vring_driver *", self._queue[0])
        slots = bytes(ffi.buffer(self._slots))
        lib.vring_driver_reset(copy)
        numbers = []
        while lib.vring_driver_take_unused(copy, self._number) == 0:
            numbers.append(int(self._number[0]))
        ffi.memmove(self._slots, slots, len(slots))
        return numbers

    def get_used_batch(self, most: int | None = None) -> list[Used]:
        """
        Take the buffers that the device has used, at most ``most`` of them, crossing into C once. If the device has
        broken the protocol behind some that are sound, those are returned, and the next call raises.
        """
        most = self._most("get_used_batch", most)
        used = ffi.new("struct vring_used_buffer[]", most)
        n = ffi.new("uint32_t *")
        code = lib.vring_driver_get_used_batch(self._queue, used, most, n)
        count = int(n[0])
        if not count and most and code not in (0, EMPTY):
            self._answer(code, "get_used_batch")
        pop = self._tokens.pop
        return [Used(pop(item.token)[0], item.len) for item in used[0:count]]

    def _c_table(self, verb: str, table: IndirectTable) -> CData:
        """Where C finds the table's memory."""
        if not isinstance(table, IndirectTable):
            raise TypeError(f"{type(self).__name__}.{verb}: table must be an IndirectTable, not {table!r}")
        c_table = ffi.new("struct vring_table *")
        must_be_memory(f"{type(self).__name__}.{verb}: table", table.memory)
        c_table.entries = integer(f"{type(self).__name__}.{verb}", "table.entries", table.entries, 28, RingCode.CHAIN)
        c_table.memory = table.memory.pointer(table.addr, 16 * table.entries)
        c_table.addr = table.addr
        return c_table

    def _segments(self, verb: str, pieces: list[Segment], counts: Sequence[int]) -> CData:
        """
        ``pieces`` as one C array; or an exception that names the one that C cannot hold. ``counts`` are how many of
        them are to be read and to be written, in turn.
        """
        if len(pieces) > 0xFFFF and max(counts) > 0xFFFF:
            raise CallerError(RingCode.CHAIN, f"{type(self).__name__}.{verb}", "number of pieces", max(counts))
        try:
            return ffi.new("struct vring_segment[]", pieces)
        except (OverflowError, TypeError, ValueError):
            self._judge_pieces(verb, pieces, counts)
            raise

    def _judge_pieces(self, verb: str, pieces: list[Segment], counts: Sequence[int]) -> None:
        """The exception for the first piece that C cannot hold, or takes for what it is not."""
        call, start = f"{type(self).__name__}.{verb}", 0
        for n_readable, n_writable in zip(counts[::2], counts[1::2]):
            end = start + n_readable + n_writable
            for name, piece in _named(pieces[start:end], n_readable):
                try:
                    addr, length = piece
                except (TypeError, ValueError):
                    raise TypeError(f"{call}: {name} must be (address, bytes), not {piece!r}") from None
                integer(call, f"address of {name}", addr, 64, RingCode.ADDR)
                integer(call, f"length of {name}", length, 32, RingCode.LEN)
            start = end

    def _stage(
        self,
        code: int,
        verb: str,
        number: int,
        token: object,
        table: IndirectTable | None,
        pieces: list[Segment],
        n_readable: int,
    ) -> bool:
        if code == 0:
            self._tokens[number] = (token, table)
            return True
        if code == FULL:
            return False
        self._judge_pieces(verb, pieces, (n_readable, len(pieces) - n_readable))
        self._answer(
            code,
            verb,
            {
                RingCode.CHAIN: ("number of pieces", len(pieces)),
                RingCode.LEN: _blame_length(pieces, n_readable),
                RingCode.ADDR: _blame_address(pieces, n_readable, table),
                RingCode.ALIGN: ("table", table),
                RingCode.FEATURE: ("table", table),
            },
        )
        raise AssertionError(f"{verb} answered {code}")


class SplitDriver(Driver):
    """The driver side of a split virtqueue (2.7; ``vring/split.h``): a :class:`Driver` without RING_PACKED."""

    _formats = (SplitAreas,)


class PackedDriver(Driver):
    """
    The driver side of a packed virtqueue (2.8; ``vring/packed.h``): a :class:`Driver` with RING_PACKED. Its size may be
    any, not only a power of two.
    """

    _formats = (PackedAreas,)


def _unused_number(numbers: Sequence[int]) -> int:
    """Where the most numbers follow, below 2**64, that are none of these."""
    starts = sorted({1, *(number + 1 for number in numbers)})
    return max(zip(starts, [*starts[1:], 1 << 64]), key=lambda gap: gap[1] - gap[0])[0]


def _named(pieces: Sequence[Segment], n_readable: int) -> list[tuple[str, Segment]]:
    """Each piece of one buffer by its name: the first are to be read."""
    return [
        (f"readable[{i}]" if i < n_readable else f"writable[{i - n_readable}]", piece) for i, piece in enumerate(pieces)
    ]


def _blame_length(pieces: Sequence[Segment], n_readable: int) -> tuple[str, object]:
    for name, (_, length) in _named(pieces, n_readable):
        if length == 0:
            return f"length of {name}", length
    return "total length", sum(length for _, length in pieces)


def _blame_address(pieces: Sequence[Segment], n_readable: int, table: IndirectTable | None) -> tuple[str, object]:
    for name, (addr, length) in _named(pieces, n_readable):
        if addr + length > 1 << 64:
            return f"address of {name}", addr
    return "table", table
