# SPDX-License-Identifier: MIT
"""The device side of a queue: it takes buffers and gives them back used (``vring/device.h``, ``vring/split.h``)."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from vring.errors import CallerError, ChainError, MissError, PeerError, RingCode, caller_error, integer
from vring.features import ByteOrder, Feature
from vring.layout import Areas, PackedAreas, SplitAreas
from vring.lowlevel import CData, ffi, host_address, lib
from vring.memory import Buffer, GuestMemory, HostMap, Region, must_be_memory, pin
from vring.queue import EMPTY, MISS, ROOM, Queue
from vring.snapshot import Snapshot

__all__ = ["AvailRun", "Chain", "Device", "PackedDevice", "SplitDevice", "inflight_size"]

AnyDevice = TypeVar("AnyDevice", bound="Device")


def inflight_size(size: int, packed: bool) -> int:
    """Bytes of the inflight region for ``size`` entries (``vring_inflight_size``); 0 for a size that is none."""
    return int(lib.vring_inflight_size(integer("inflight_size", "size", size, 32, RingCode.SIZE), bool(packed)))


class Chain:
    """
    A buffer that a device has taken: views of the pieces to read and of those to write, in the order of the chain.

    ``handle`` names it to the queue and dies when the buffer is used or rewound; the views keep the memory alive.
    """

    def __init__(
        self,
        handle: int,
        readable: Sequence[memoryview],
        writable: Sequence[memoryview],
        taken_from: object | None = None,
    ) -> None:
        """
        ``taken_from`` is for :class:`Device` alone: its own chains are refused by any other, although two devices give
        the same handles. A chain that a test makes of a handle belongs to whatever takes it.
        """
        self.handle = handle
        self._taken_from = taken_from
        self.readable = tuple(readable)
        self.writable = tuple(writable)
        self.written = 0

    def __repr__(self) -> str:
        return (
            f"Chain(handle={self.handle:#x}, readable={[len(piece) for piece in self.readable]}, "
            f"writable={[len(piece) for piece in self.writable]}, written={self.written})"
        )

    def read(self) -> bytes:
        """A copy of all that the driver gave to read."""
        return b"".join(self.readable)

    @property
    def room(self) -> int:
        """Device-writable bytes, from the first on, that :meth:`write` has not filled yet."""
        return sum(len(piece) for piece in self.writable) - self.written

    def write(self, data: Buffer) -> None:
        """
        Append ``data`` to what has been written, without gaps, as used lengths demand (2.7.8.2). Raises ValueError if
        it is more than :attr:`room`; then nothing is written.
        """
        rest = memoryview(data).cast("B")
        if len(rest) > self.room:
            raise ValueError(f"Chain.write: {len(rest)} bytes do not fit into the {self.room} that are left to write")
        skip = self.written
        self.written += len(rest)
        for piece in self.writable:
            part = rest[: max(0, len(piece) - skip)]
            piece[skip : skip + len(part)] = part
            rest = rest[len(part) :]
            skip = max(0, skip - len(piece))


class AvailRun(NamedTuple):
    """
    Buffers that a device has taken together: how many, a view of each one's piece in the order of taking, and the last
    of them with its handle. All are for the device to read, or all for it to write, as the last is; what lies before
    the last has no handle, it is used through that of a later one (:meth:`Device.add_used_through`): who gives the last
    back alone, by :meth:`Device.add_used`, has to take a later one for that. The views keep the memory alive.

    A buffer of several pieces is a run by itself: ``pieces`` are then its own, readable ones first.
    """

    n: int
    pieces: tuple[memoryview, ...]
    last: Chain


class Device(Queue):
    """
    The device side of a virtqueue whose format the features name: packed with RING_PACKED, otherwise split
    (``vring/device.h``).

    ``get_avail`` takes a buffer, ``add_used`` stages it as used, ``publish`` makes everything staged visible at once
    and answers whether the driver must be notified. Buffers may be used in any order. One thread at a time. Every
    call can raise :class:`PeerError` once the driver has broken the protocol.
    """

    def __init__(
        self,
        memory: GuestMemory,
        areas: Areas,
        features: int,
        *,
        regions: Sequence[Region] | None = None,
        regions_may_miss: bool = False,
        max_chain: int = 0,
        index: int = 0,
        generation: int = 0,
        legacy_order: ByteOrder = ByteOrder.NATIVE,
        inflight: Buffer | None = None,
    ) -> None:
        """
        A live queue over ``areas`` of ``memory``, which the driver has prepared.

        ``regions`` what the driver's addresses mean, sorted, without overlap; all of ``memory`` unless told.
        ``regions_may_miss`` whether an address in none of them may come to be in one (MissError, :meth:`set_regions`)
        instead of being refused; ``max_chain`` most descriptors in one buffer, direct and in its table together, 0 for
        the queue's size; ``index`` as the driver's; ``generation`` of the first handle: handles from before are refused
        if it is beyond theirs, ``(handle >> 16) + 1`` of the last one; ``legacy_order`` as the driver's; ``inflight``
        writable memory that outlives this device, 8-byte aligned and of :func:`inflight_size` bytes, zeroed once, in
        which what is in flight is noted for :meth:`recover`: a view of a GuestMemory or a shared mapping.

        Raises CallerError that names the argument (``vring_device_init``), IndexError for areas outside
        ``memory``.
        """
        options = regions, regions_may_miss, max_chain, index, generation, legacy_order, inflight
        self._start(lib.vring_device_init, memory, areas, features, *options)

    @classmethod
    def restore(
        cls: type[AnyDevice],
        state: Buffer,
        memory: GuestMemory,
        areas: Areas,
        features: int,
        *,
        regions: Sequence[Region] | None = None,
        regions_may_miss: bool = False,
        max_chain: int = 0,
        generation: int = 0,
        legacy_order: ByteOrder = ByteOrder.NATIVE,
        inflight: Buffer | None = None,
    ) -> AnyDevice:
        """
        A live queue that goes on where the one was whose :meth:`save` gave ``state``, over the same areas
        (``vring_device_restore``). ``get_avail`` hands out again what was in flight, oldest first, before anything new:
        under new handles, and judged anew. Notifications are enabled, :attr:`work_waits` says whether buffers wait
        already, and the next ``publish`` answers True, for nobody knows what the predecessor notified.

        Everything but ``state`` as for the constructor, with the features that were saved.

        Raises CallerError as the constructor, and for ``state``: SAVED if it is none, whatever it is, UNFIT if it is
        another queue's, or the ring has moved since.
        """
        view, pointer = pin(state, writable=False)

        def start(c_queue: CData, config: CData) -> int:
            return int(lib.vring_device_restore(c_queue, config, pointer, len(view)))

        device = cls.__new__(cls)
        options = regions, regions_may_miss, max_chain, 0, generation, legacy_order, inflight
        device._start(start, memory, areas, features, *options)
        return device

    @classmethod
    def recover(
        cls: type[AnyDevice],
        inflight: Buffer,
        memory: GuestMemory,
        areas: Areas,
        features: int,
        *,
        regions: Sequence[Region] | None = None,
        regions_may_miss: bool = False,
        max_chain: int = 0,
        index: int = 0,
        generation: int = 0,
        legacy_order: ByteOrder = ByteOrder.NATIVE,
    ) -> AnyDevice:
        """
        A live queue whose predecessor was stopped at any moment, from the inflight region that it kept: as
        :meth:`restore`, with nothing lost and nothing used twice (``vring_device_recover``). A region of zeroes is a
        first start at ``index``, which counts for nothing else.

        Raises CallerError as the constructor, and for ``inflight``: SAVED if it is no such region, UNFIT if it is
        another queue's, or the ring cannot be its.
        """
        if inflight is None:
            raise TypeError(f"{cls.__name__}.recover: inflight must be the region that the predecessor kept, not None")
        device = cls.__new__(cls)
        options = regions, regions_may_miss, max_chain, index, generation, legacy_order, inflight
        device._start(lib.vring_device_recover, memory, areas, features, *options, saved="inflight")
        return device

    def _start(
        self,
        start: Callable[[CData, CData], int],
        memory: GuestMemory,
        areas: Areas,
        features: int,
        regions: Sequence[Region] | None,
        regions_may_miss: bool,
        max_chain: int,
        index: int,
        generation: int,
        legacy_order: ByteOrder,
        inflight: Buffer | None,
        saved: str = "state",
    ) -> None:
        """Bring the queue to life by ``start``, given queue and configuration; ``saved`` names what it goes on from."""
        call = type(self).__name__
        regions = [Region(memory)] if regions is None else list(regions)
        config = ffi.new("struct vring_device_config *")
        config.features = integer(call, "features", features, 64, RingCode.FEATURE)
        self.features = Feature(config.features)
        layout = self._layout(call, areas, features)
        must_be_memory(call, memory)
        config.size = areas.size
        config.max_chain = integer(call, "max_chain", max_chain, 32, RingCode.CHAIN)
        config.desc = memory.pointer(areas.desc, layout.desc_size)
        config.driver_area = memory.pointer(areas.driver, layout.driver_size)
        config.device_area = memory.pointer(areas.device, layout.device_size)
        self._heads = config.heads = ffi.new("struct vring_head[]", areas.size)
        config.head_count = areas.size
        self._regions = config.regions = _c_regions(regions)
        config.region_count = len(regions)
        config.regions_may_miss = bool(regions_may_miss)
        config.index = integer(call, "index", index, 16, RingCode.SIZE)
        config.legacy_order = ByteOrder(legacy_order)
        config.generation = integer(call, "generation", generation, 16, RingCode.HANDLE)
        if inflight is not None:
            self._inflight, config.inflight = pin(inflight, writable=True)
            config.inflight_size = len(self._inflight)

        self._queue = ffi.new("struct vring_device *")
        self._waiting: ChainError | None = None  # found behind sound buffers of a batch, for the next call to tell
        self._host = HostMap(regions)
        self._chain = ffi.new("struct vring_chain *")
        self._iov = ffi.new("struct vring_iov[]", min(max_chain or areas.size, areas.size) + len(regions))
        self.memory = memory
        self.areas = areas
        code = start(self._queue, config)
        if code < 0:
            needed = inflight_size(areas.size, bool(features & Feature.RING_PACKED))
            small = inflight is not None and config.inflight_size < needed
            crooked = inflight is not None and host_address(config.inflight) % 8 != 0
            raise caller_error(
                RingCode(code),
                call,
                {
                    RingCode.SIZE: ("inflight", None) if small else ("index", index),
                    RingCode.ALIGN: ("inflight", None) if crooked else ("areas", areas),
                    RingCode.OVERLAP: ("areas and regions", (areas, regions)),
                    RingCode.ADDR: ("areas and regions", (areas, regions)),
                    RingCode.NULL: ("regions", regions),
                    RingCode.CHAIN: ("max_chain", max_chain),
                    RingCode.FEATURE: ("features", int(features)),
                    RingCode.SAVED: (saved, None),
                    RingCode.UNFIT: (saved, None),
                },
            )
        self.work_waits = code == 1

    def save(self) -> bytes:
        """
        The private state, for :meth:`restore` in this process or another (``vring_device_save``): of no byte order, and
        with a checksum. What was taken and not used is part of it, shared memory is not. The queue lives, but what it
        does next is not in the state.

        Raises CallerError while buffers are staged; and of a packed queue without IN_ORDER while any are in flight, for
        their descriptors may have been written over: drain it, or keep an inflight region and :meth:`recover`.
        """
        room = self._answer(lib.vring_device_save(self._queue, ffi.NULL, 0), "save")
        state = ffi.new("unsigned char[]", room)
        size = self._answer(lib.vring_device_save(self._queue, state, room), "save")
        return bytes(ffi.buffer(state, size))

    def set_regions(self, regions: Sequence[Region]) -> None:
        """
        Go over to another table of regions: memory was added or taken away, or an address that was missing (MissError)
        has been translated. Chains already taken keep their memory alive.

        Raises CallerError, and nothing has changed, as the constructor; STATE if buffers are in flight and a region
        that they may lie in would go or change.
        """
        regions = list(regions)
        table = _c_regions(regions)
        self._answer(
            lib.vring_device_set_regions(self._queue, table, len(regions)),
            "set_regions",
            {code: ("regions", regions) for code in (RingCode.NULL, RingCode.ADDR, RingCode.OVERLAP)},
        )
        self._regions, self._host = table, HostMap(regions)

    def get_avail(self) -> Chain | None:
        """
        Take the next buffer that the driver has made available (2.7.13); ``None`` if there is none now.

        Raises ChainError for a buffer that is taken but unusable: complete its handle with length 0; MissError, with
        ``regions_may_miss``, for one that is not taken because an address is in no region yet.
        """
        self._tell()
        return self._next(lib.vring_device_get_avail, "get_avail")

    def peek(self) -> Chain | None:
        """
        Look at the next buffer and leave it: as :meth:`get_avail`, but it is not taken, and the handle is dead. What
        stands there may be something else when get_avail reads it: the driver can write over it.

        Raises as get_avail; after a ChainError there is nothing to complete. What a batch has found and not told is
        still for the next call that takes.
        """
        return self._next(lib.vring_device_peek, "peek")

    def _next(self, verb: Callable[[CData, CData, int, CData], int], name: str) -> Chain | None:
        """The next buffer, by get_avail or peek."""
        chain = self._chain
        code = verb(self._queue, self._iov, len(self._iov), chain)
        if code == EMPTY:
            return None
        if code == ROOM:
            self._iov = ffi.new("struct vring_iov[]", chain.n_readable + chain.n_writable)
            code = verb(self._queue, self._iov, len(self._iov), chain)
        if code:
            self._refuse(code, name, chain)
        return self._take(chain, 0)

    def get_avail_batch(self, most: int | None = None) -> list[Chain]:
        """
        Take the buffers that the driver has made available, at most ``most`` of them, crossing into C once.

        Those before an unusable one, or before a breach of the protocol, are returned, and the next call that takes
        raises for it as :meth:`get_avail` does.
        """
        self._tell()
        most = self._most("get_avail_batch", most)
        chains = ffi.new("struct vring_chain[]", most)
        n = ffi.new("uint32_t *")
        code = lib.vring_device_get_avail_batch(self._queue, self._iov, len(self._iov), chains, most, n)
        refused = code != 0 and lib.vring_error_blame(code) == lib.VRING_BLAME_CHAIN
        count = int(n[0]) - refused  # sound ones; the refused one is the last
        if not count and most and code == ROOM:
            self._iov = ffi.new("struct vring_iov[]", chains[0].n_readable + chains[0].n_writable)
            return self.get_avail_batch(most)
        if code not in (0, EMPTY, ROOM):
            try:
                self._refuse(code, "get_avail_batch", chains[count])
            except (ChainError, MissError, PeerError) as error:
                if not count:
                    raise
                if isinstance(error, ChainError):
                    self._waiting = error
        taken, start = [], 0
        for chain in chains[0:count]:
            taken.append(self._take(chain, start))
            start += chain.n_readable + chain.n_writable
        return taken

    def get_avail_run(self, most: int | None = None) -> AvailRun | None:
        """
        With IN_ORDER: take the next buffers, at most ``most`` of them, as long as each is of one piece that lies whole
        in the region in which the first does, and all are to read or all to write, for less than any other way
        (``vring_device_get_avail_run``); ``None`` if there is none now. There may be more: ask again. For a device that
        finishes in order, and tells :meth:`add_used_through` the last.

        Raises as get_avail, about the next buffer; CallerError FEATURE without IN_ORDER. A breach of the protocol
        behind some that are sound is raised by the next call.
        """
        self._tell()
        most = self._most("get_avail_run", most)
        if most > len(self._iov):
            self._iov = ffi.new("struct vring_iov[]", most)
        chain, n = self._chain, ffi.new("uint32_t *")
        code = lib.vring_device_get_avail_run(self._queue, self._iov, most, chain, n)
        count = int(n[0])
        if code == EMPTY or (code == ROOM and not most):
            return None
        if code == ROOM:  # a buffer of more pieces than that, and so a run by itself
            alone = self._next(lib.vring_device_get_avail, "get_avail_run")
            return AvailRun(1, (*alone.readable, *alone.writable), alone) if alone else None
        if code and (not count or lib.vring_error_blame(code) == lib.VRING_BLAME_CHAIN):
            self._refuse(code, "get_avail_run", chain)
        last = self._take(chain, count - 1)
        before = [self._host.view(piece.base, piece.len) for piece in self._iov[0 : count - 1]]
        return AvailRun(count, (*before, *last.readable, *last.writable), last)

    def _take(self, chain: CData, start: int) -> Chain:
        """The pieces of a chain that stand in the array from ``start`` on."""
        split, end = start + chain.n_readable, start + chain.n_readable + chain.n_writable
        view, iov = self._host.view, self._iov
        return Chain(
            chain.handle,
            [view(piece.base, piece.len) for piece in iov[start:split]],
            [view(piece.base, piece.len) for piece in iov[split:end]],
            self._queue,
        )

    def _refuse(self, code: int, verb: str, chain: CData) -> None:
        call = f"{type(self).__name__}.{verb}"
        if code == MISS:
            raise MissError(call, chain.missing)
        if lib.vring_error_blame(code) == lib.VRING_BLAME_CHAIN:
            raise ChainError(RingCode(code), call, chain.handle, taken=verb != "peek")
        self._answer(code, verb, {RingCode.FEATURE: ("features", int(self.features))})

    def _tell(self) -> None:
        if self._waiting:
            error, self._waiting = self._waiting, None
            raise error

    def rewind(self, chain: Chain | int) -> None:
        """
        Give back the buffer taken last, unused; ``get_avail`` returns it again. CallerError if it is not the last.
        """
        handle = self._handle("rewind", chain)
        self._answer(lib.vring_device_rewind(self._queue, handle), "rewind", {RingCode.HANDLE: ("chain", chain)})

    def add_used(self, chain: Chain | int, written: int | None = None) -> None:
        """
        Stage one buffer as used (2.7.8.2). ``written`` is the number of bytes written, from the first device-writable
        one, without gaps; unless told, what :meth:`Chain.write` counted.

        Raises CallerError for a chain or handle that is stale, doubled or foreign, or for more bytes than are writable.
        """
        handle, written = self._used("add_used", chain, written)
        code = lib.vring_device_add_used(self._queue, handle, written)
        if code:
            self._answer(code, "add_used", {RingCode.HANDLE: ("chain", chain), RingCode.LEN: ("written", written)})

    def add_used_batch(self, chains: Iterable[Chain | tuple[Chain | int, int]]) -> None:
        """
        Stage buffers as used, one after the other, crossing into C once: chains as they are, or with the number of
        bytes written, as :meth:`add_used` takes them.

        Raises CallerError for the first that is refused, whatever the reason; those before it are staged. TypeError,
        with none staged, where one is neither.
        """
        pairs = [(item, item.written) if isinstance(item, Chain) else item for item in chains]
        for number, pair in enumerate(pairs):
            if not isinstance(pair, tuple) or len(pair) != 2:
                what = f"{type(self).__name__}.add_used_batch: chains[{number}] must be a Chain or (chain, written)"
                raise TypeError(f"{what}, not {pair!r}")
        sound: list[tuple[int, int]] = []
        refused = None
        for number, (chain, written) in enumerate(pairs):
            try:
                used = self._used("add_used_batch", chain, written, number)
            except CallerError as error:
                refused = refused or error
            if refused is None:
                sound.append(used)
        n = ffi.new("uint32_t *")
        c_chains = ffi.new("struct vring_used_chain[]", sound)
        code = lib.vring_device_add_used_batch(self._queue, c_chains, len(sound), n)
        if code:
            count = n[0]
            chain, written = pairs[count]
            place = f"[{count}]"
            self._answer(
                code,
                "add_used_batch",
                {RingCode.HANDLE: (f"chain{place}", chain), RingCode.LEN: (f"written{place}", written)},
            )
        if refused:
            raise refused

    def add_used_through(self, chain: Chain | int, written: int | None = None) -> None:
        """
        With IN_ORDER: stage all buffers up to and including this one as used, in the order of taking
        (``vring_device_add_used_through``). ``written`` as for :meth:`add_used`, of this one alone: the driver takes it
        for granted that those before it were written in full (2.7.9), but for those that were refused, or used already
        before their turn.

        Raises CallerError as :meth:`add_used`, and FEATURE without IN_ORDER; then none is staged.
        """
        handle, written = self._used("add_used_through", chain, written)
        code = lib.vring_device_add_used_through(self._queue, handle, written)
        if code:
            self._answer(
                code,
                "add_used_through",
                {
                    RingCode.HANDLE: ("chain", chain),
                    RingCode.LEN: ("written", written),
                    RingCode.FEATURE: ("features", int(self.features)),
                },
            )

    def _used(self, verb: str, chain: Chain | int, written: int | None, number: int | None = None) -> tuple[int, int]:
        """Handle and length as C takes them, of the one of a batch with that ``number``."""
        handle = self._handle(verb, chain, number)
        if written is None:
            written = chain.written if isinstance(chain, Chain) else 0
        if type(written) is int and 0 <= written < 1 << 32:
            return handle, written
        return handle, integer(f"{type(self).__name__}.{verb}", _member("written", number), written, 32, RingCode.LEN)

    def _handle(self, verb: str, chain: Chain | int, number: int | None = None) -> int:
        """The handle of a chain of this device, or one that was given as a number."""
        if isinstance(chain, Chain) and chain._taken_from is self._queue:
            return chain.handle
        call, argument = f"{type(self).__name__}.{verb}", _member("chain", number)
        if isinstance(chain, Chain) and chain._taken_from is not None:
            raise CallerError(RingCode.HANDLE, call, argument, chain, "taken from another device")
        handle = chain.handle if isinstance(chain, Chain) else chain
        return integer(call, argument, handle, 32, RingCode.HANDLE)

    def publish(self) -> bool:
        """Make everything staged visible with one store. Returns whether the driver must be notified (2.7.7.2)."""
        return self._answer(lib.vring_device_publish(self._queue), "publish") == 1

    def enable_notify(self) -> bool:
        """
        Ask to be notified of the next available buffer, and look once more. Returns True if buffers wait already:
        take them and ask again; False if it is safe to sleep.
        """
        return self._answer(lib.vring_device_enable_notify(self._queue), "enable_notify") == 1

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint."""
        self._answer(lib.vring_device_disable_notify(self._queue), "disable_notify")

    def suspend(self) -> int:
        """
        Take nothing more until :meth:`resume` (SUSPEND, virtio 1.4): ``get_avail`` raises CallerError, but for what was
        in flight before a restart, which it still hands out again. What is in flight is finished as always.

        Returns how many buffers are still to be finished: at 0 the device may report that it is suspended; ask again
        after each publish. CallerError if SUSPEND was not negotiated.
        """
        code = lib.vring_device_suspend(self._queue)
        return self._answer(code, "suspend", {RingCode.FEATURE: ("features", "without SUSPEND")})

    def resume(self) -> bool:
        """Go on. Returns as :meth:`enable_notify`, which it calls. CallerError if the queue was not suspended."""
        return self._answer(lib.vring_device_resume(self._queue), "resume") == 1

    @property
    def in_flight(self) -> int:
        """Buffers taken and not yet staged as used."""
        return int(lib.vring_device_in_flight(self._queue))

    def reset(self) -> None:
        """Stop using the shared memory. Every handle is dead; every later call raises CallerError."""
        lib.vring_device_reset(self._queue)
        self._waiting = None

    def snapshot(self) -> Snapshot:
        """The ring as it is now, shared words unjudged; changes nothing."""
        functions = lib.vring_device_snapshot, lib.vring_device_snapshot_entry
        return Snapshot.take("device", self._queue, *functions, lambda code: self._answer(code, "snapshot"))

    def _fault(self) -> CData:
        return lib.vring_device_fault(self._queue)


class SplitDevice(Device):
    """The device side of a split virtqueue (2.7; ``vring/split.h``): a :class:`Device` without RING_PACKED."""

    _formats = (SplitAreas,)


class PackedDevice(Device):
    """The device side of a packed virtqueue (2.8; ``vring/packed.h``): a :class:`Device` with RING_PACKED."""

    _formats = (PackedAreas,)


def _member(argument: str, number: int | None) -> str:
    """What the argument is called, of a batch that of the one with this number."""
    return argument if number is None else f"{argument}[{number}]"


def _c_regions(regions: Sequence[Region]) -> CData:
    """A table of ``struct vring_region``."""
    table = ffi.new("struct vring_region[]", len(regions))
    for number, (c_region, region) in enumerate(zip(table, regions)):
        if not isinstance(region, Region):
            raise TypeError(f"regions[{number}] must be a Region, not {region!r}")
        must_be_memory(f"regions[{number}]", region.memory)
        addr, size = region.bounds()
        c_region.host = region.memory.pointer(addr, size)
        c_region.addr, c_region.size = addr, size
        c_region.flags = lib.VRING_REGION_READ_ONLY if region.read_only else 0
    return table
