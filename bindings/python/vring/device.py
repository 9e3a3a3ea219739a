# SPDX-License-Identifier: MIT
"""The device side of a queue: it takes buffers and gives them back used (``vring/split.h``)."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

from vring.errors import Arguments, ChainError, PeerError, RingCode, caller_error, integer
from vring.layout import Areas, PackedLayout, SplitLayout
from vring.lowlevel import ffi, lib
from vring.memory import Buffer, GuestMemory, HostMap, Region
from vring.snapshot import Snapshot

__all__ = ["Chain", "DeviceQueue", "PackedDevice", "SplitDevice"]

VERBS = (
    "init",
    "reset",
    "get_avail",
    "rewind",
    "add_used",
    "publish",
    "enable_notify",
    "disable_notify",
    "in_flight",
    "fault",
)


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


class DeviceQueue:
    """
    The device side of a virtqueue, of either format: see :class:`SplitDevice` and :class:`PackedDevice`.

    ``get_avail`` takes a buffer, ``add_used`` stages it as used, ``publish`` makes everything staged visible at once
    and answers whether the driver must be notified. Buffers may be used in any order. One thread at a time. Every
    call can raise :class:`PeerError` once the driver has broken the protocol.
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
        regions: Sequence[Region] | None = None,
        max_chain: int = 0,
        index: int = 0,
    ) -> None:
        """
        A live queue over ``areas`` of ``memory``, which the driver has prepared.

        ``regions`` what the driver's addresses mean, sorted, without overlap; all of ``memory`` unless told.
        ``max_chain`` most descriptors in one buffer, direct and in its table together, 0 for the queue's size;
        ``index`` as the driver's.

        Raises CallerError that names the argument (``vring_split_device_init``), IndexError for areas outside
        ``memory``.
        """
        call = type(self).__name__
        layout = self._layout.of(areas.size)
        regions = [Region(memory)] if regions is None else list(regions)
        config = ffi.new("struct vring_device_config *")
        config.features = integer(call, "features", features, 64, RingCode.FEATURE)
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

        self._queue = ffi.new(self._c.struct)
        self._host = HostMap(regions)
        self._chain = ffi.new("struct vring_chain *")
        self._iov = ffi.new("struct vring_iov[]", min(max_chain or areas.size, areas.size) + len(regions))
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
        chain = self._chain
        code = self._c.get_avail(self._queue, self._iov, len(self._iov), chain)
        if code == RingCode.ROOM:
            self._iov = ffi.new("struct vring_iov[]", chain.n_readable + chain.n_writable)
            code = self._c.get_avail(self._queue, self._iov, len(self._iov), chain)
        if code == RingCode.EMPTY:
            return None
        if code and lib.vring_error_blame(code) == lib.VRING_BLAME_CHAIN:
            raise ChainError(RingCode(code), f"{type(self).__name__}.get_avail", chain.handle)
        self._answer(code, "get_avail")
        split = chain.n_readable
        views = self._host.views((self._iov[i].base, self._iov[i].len) for i in range(split + chain.n_writable))
        return Chain(chain.handle, views[:split], views[split:])

    def rewind(self, chain: Chain | int) -> None:
        """
        Give back the buffer taken last, unused; ``get_avail`` returns it again. CallerError if it is not the last.
        """
        handle = chain.handle if isinstance(chain, Chain) else chain
        self._answer(self._c.rewind(self._queue, handle), "rewind", {RingCode.HANDLE: ("chain", chain)})

    def add_used(self, chain: Chain | int, written: int | None = None) -> None:
        """
        Stage one buffer as used (2.7.8.2). ``written`` is the number of bytes written, from the first device-writable
        one, without gaps; unless told, what :meth:`Chain.write` counted.

        Raises CallerError for a chain or handle that is stale, doubled or foreign, or for more bytes than are writable.
        """
        call = f"{type(self).__name__}.add_used"
        if isinstance(chain, Chain):
            handle, written = chain.handle, chain.written if written is None else written
        else:
            handle, written = integer(call, "chain", chain, 32, RingCode.HANDLE), written or 0
        integer(call, "written", written, 32, RingCode.LEN)
        self._answer(
            self._c.add_used(self._queue, handle, written),
            "add_used",
            {RingCode.HANDLE: ("chain", chain), RingCode.LEN: ("written", written)},
        )

    def publish(self) -> bool:
        """Make everything staged visible with one store. Returns whether the driver must be notified (2.7.7.2)."""
        return self._answer(self._c.publish(self._queue), "publish") == 1

    def enable_notify(self) -> bool:
        """
        Ask to be notified of the next available buffer, and look once more. Returns True if buffers wait already:
        take them and ask again; False if it is safe to sleep.
        """
        return self._answer(self._c.enable_notify(self._queue), "enable_notify") == 1

    def disable_notify(self) -> None:
        """Ask not to be notified: a hint."""
        self._answer(self._c.disable_notify(self._queue), "disable_notify")

    @property
    def in_flight(self) -> int:
        """Buffers taken and not yet staged as used."""
        return int(self._c.in_flight(self._queue))

    def reset(self) -> None:
        """Stop using the shared memory. Every handle is dead; every later call raises CallerError."""
        self._c.reset(self._queue)

    @property
    def fault(self) -> PeerError | None:
        """What broke the queue, as the exception that every call raises; ``None`` if nothing did."""
        fault = self._c.fault(self._queue)
        return (
            PeerError(RingCode(fault.error), type(self).__name__, fault.position, fault.value) if fault.error else None
        )

    def _answer(self, code: int, verb: str, arguments: Arguments | None = None) -> int:
        if code >= 0:
            return code
        call = f"{type(self).__name__}.{verb}"
        if lib.vring_error_blame(code) == lib.VRING_BLAME_PEER:
            fault = self._c.fault(self._queue)
            raise PeerError(RingCode(code), call, fault.position, fault.value)
        raise caller_error(RingCode(code), call, arguments or {})


class SplitDevice(DeviceQueue, prefix="vring_split_device", layout=SplitLayout):
    """The device side of a split virtqueue (2.7; ``vring/split.h``)."""

    def snapshot(self) -> Snapshot:
        """The ring as it is now, shared words unjudged; changes nothing."""
        return Snapshot.take(
            self._queue,
            lib.vring_split_device_snapshot,
            lib.vring_split_device_snapshot_entry,
            lambda code: self._answer(code, "snapshot"),
        )


class PackedDevice(DeviceQueue, prefix="vring_packed_device", layout=PackedLayout):
    """The device side of a packed virtqueue (2.8; ``vring/packed.h``); as :class:`vring.PackedDriver`."""
