# SPDX-License-Identifier: MIT
"""The device side of a queue: it takes buffers and gives them back used (``vring/device.h``, ``vring/split.h``)."""

from collections.abc import Iterable, Sequence

from vring.errors import ChainError, PeerError, RingCode, caller_error, integer
from vring.features import ByteOrder
from vring.layout import Areas, PackedAreas, SplitAreas
from vring.lowlevel import CData, ffi, lib
from vring.memory import Buffer, GuestMemory, HostMap, Region
from vring.queue import EMPTY, ROOM, Queue
from vring.snapshot import Snapshot

__all__ = ["Chain", "Device", "PackedDevice", "SplitDevice"]


class Chain:
    """
    A buffer that a device has taken: views of the pieces to read and of those to write, in the order of the chain.

    ``handle`` names it to the queue and dies when the buffer is used or rewound; the views keep the memory alive.
    """

    def __init__(self, handle: int, readable: Sequence[memoryview], writable: Sequence[memoryview]) -> None:
        self.handle = handle
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
        max_chain: int = 0,
        index: int = 0,
        generation: int = 0,
        legacy_order: ByteOrder = ByteOrder.NATIVE,
    ) -> None:
        """
        A live queue over ``areas`` of ``memory``, which the driver has prepared.

        ``regions`` what the driver's addresses mean, sorted, without overlap; all of ``memory`` unless told.
        ``max_chain`` most descriptors in one buffer, direct and in its table together, 0 for the queue's size;
        ``index`` as the driver's; ``generation`` of the first handle: with another number, handles from before are
        refused; ``legacy_order`` as the driver's.

        Raises CallerError that names the argument (``vring_device_init``), IndexError for areas outside
        ``memory``.
        """
        call = type(self).__name__
        regions = [Region(memory)] if regions is None else list(regions)
        config = ffi.new("struct vring_device_config *")
        config.features = integer(call, "features", features, 64, RingCode.FEATURE)
        layout = self._layout(call, areas, features)
        config.size = areas.size
        config.max_chain = integer(call, "max_chain", max_chain, 32, RingCode.CHAIN)
        config.desc = memory.pointer(areas.desc, layout.desc_size)
        config.driver_area = memory.pointer(areas.driver, layout.driver_size)
        config.device_area = memory.pointer(areas.device, layout.device_size)
        self._heads = config.heads = ffi.new("struct vring_head[]", areas.size)
        config.head_count = areas.size
        self._regions = config.regions = ffi.new("struct vring_region[]", len(regions))
        config.region_count = len(regions)
        for c_region, region in zip(self._regions, regions):
            addr, size = region.bounds()
            c_region.host = region.memory.pointer(addr, size)
            c_region.addr, c_region.size = addr, size
            c_region.flags = lib.VRING_REGION_READ_ONLY if region.read_only else 0
        config.index = integer(call, "index", index, 16, RingCode.SIZE)
        config.legacy_order = ByteOrder(legacy_order)
        config.generation = integer(call, "generation", generation, 16, RingCode.HANDLE)

        self._queue = ffi.new("struct vring_device *")
        self._waiting: ChainError | None = None  # found behind sound buffers of a batch, for the next call to tell
        self._host = HostMap(regions)
        self._chain = ffi.new("struct vring_chain *")
        self._iov = ffi.new("struct vring_iov[]", min(max_chain or areas.size, areas.size) + len(regions))
        self.memory = memory
        self.areas = areas
        code = lib.vring_device_init(self._queue, config)
        if code:
            raise caller_error(
                RingCode(code),
                call,
                {
                    RingCode.SIZE: ("index", index),
                    RingCode.ALIGN: ("areas", areas),
                    RingCode.OVERLAP: ("areas and regions", (areas, regions)),
                    RingCode.ADDR: ("areas and regions", (areas, regions)),
                    RingCode.NULL: ("regions", regions),
                    RingCode.CHAIN: ("max_chain", max_chain),
                    RingCode.FEATURE: ("features", int(features)),
                },
            )

    def get_avail(self) -> Chain | None:
        """
        Take the next buffer that the driver has made available (2.7.13); ``None`` if there is none now.

        Raises ChainError for a buffer that is taken but unusable: complete its handle with length 0.
        """
        self._tell()
        chain = self._chain
        code = lib.vring_device_get_avail(self._queue, self._iov, len(self._iov), chain)
        if code == EMPTY:
            return None
        if code == ROOM:
            self._iov = ffi.new("struct vring_iov[]", chain.n_readable + chain.n_writable)
            code = lib.vring_device_get_avail(self._queue, self._iov, len(self._iov), chain)
        if code:
            self._refuse(code, "get_avail", chain.handle)
        return self._take(chain, 0)

    def get_avail_batch(self, most: int | None = None) -> list[Chain]:
        """
        Take the buffers that the driver has made available, at most ``most`` of them, crossing into C once.

        Those before an unusable one, or before a breach of the protocol, are returned, and the next call raises for
        it as :meth:`get_avail` does.
        """
        self._tell()
        most = self.areas.size if most is None else min(most, self.areas.size)
        chains = ffi.new("struct vring_chain[]", most)
        answer = ffi.new("int *")
        count = lib.vring_batch_get_avail(self._queue, self._iov, len(self._iov), chains, most, answer)
        code = answer[0]
        if not count and code == ROOM:
            self._iov = ffi.new("struct vring_iov[]", chains[0].n_readable + chains[0].n_writable)
            return self.get_avail_batch(most)
        if code not in (0, EMPTY, ROOM):
            try:
                self._refuse(code, "get_avail_batch", chains[count].handle if count < most else 0)
            except (ChainError, PeerError) as error:
                if not count:
                    raise
                if isinstance(error, ChainError):
                    self._waiting = error
        taken, start = [], 0
        for chain in chains[0:count]:
            taken.append(self._take(chain, start))
            start += chain.n_readable + chain.n_writable
        return taken

    def _take(self, chain: CData, start: int) -> Chain:
        """The pieces of a chain that stand in the array from ``start`` on."""
        split, end = start + chain.n_readable, start + chain.n_readable + chain.n_writable
        view, iov = self._host.view, self._iov
        return Chain(
            chain.handle,
            [view(piece.base, piece.len) for piece in iov[start:split]],
            [view(piece.base, piece.len) for piece in iov[split:end]],
        )

    def _refuse(self, code: int, verb: str, handle: int) -> None:
        if lib.vring_error_blame(code) == lib.VRING_BLAME_CHAIN:
            raise ChainError(RingCode(code), f"{type(self).__name__}.{verb}", handle)
        self._answer(code, verb)

    def _tell(self) -> None:
        if self._waiting:
            error, self._waiting = self._waiting, None
            raise error

    def rewind(self, chain: Chain | int) -> None:
        """
        Give back the buffer taken last, unused; ``get_avail`` returns it again. CallerError if it is not the last.
        """
        handle = chain.handle if isinstance(chain, Chain) else chain
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

        Raises CallerError for the first that is refused; those before it are staged.
        """
        pairs = [(item, item.written) if isinstance(item, Chain) else item for item in chains]
        used = ffi.new("struct vring_batch_used[]", [self._used("add_used_batch", *pair) for pair in pairs])
        answer = ffi.new("int *")
        count = lib.vring_batch_add_used(self._queue, used, len(pairs), answer)
        if answer[0]:
            chain, written = pairs[count]
            place = f"[{count}]"
            self._answer(
                answer[0],
                "add_used_batch",
                {RingCode.HANDLE: (f"chain{place}", chain), RingCode.LEN: (f"written{place}", written)},
            )

    def _used(self, verb: str, chain: Chain | int, written: int | None) -> tuple[int, int]:
        """Handle and length as C takes them."""
        call = f"{type(self).__name__}.{verb}"
        if isinstance(chain, Chain):
            handle = chain.handle
            written = chain.written if written is None else written
        else:
            handle = integer(call, "chain", chain, 32, RingCode.HANDLE)
        return handle, integer(call, "written", written or 0, 32, RingCode.LEN)

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
        return Snapshot.take(self._queue, *functions, lambda code: self._answer(code, "snapshot"))

    def _fault(self) -> CData:
        return lib.vring_device_fault(self._queue)


class SplitDevice(Device):
    """The device side of a split virtqueue (2.7; ``vring/split.h``): a :class:`Device` without RING_PACKED."""

    _formats = (SplitAreas,)


class PackedDevice(Device):
    """The device side of a packed virtqueue (2.8; ``vring/packed.h``): a :class:`Device` with RING_PACKED."""

    _formats = (PackedAreas,)
