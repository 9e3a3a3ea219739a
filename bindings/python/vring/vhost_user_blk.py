# SPDX-License-Identifier: MIT
"""
A disk behind a vhost-user socket (virtio 5.2): ``qemu-storage-daemon``'s, SPDK's, or one that you are writing.

    with Disk("/tmp/disk.sock") as disk:
        disk.write(4096, b"x" * 512)
        assert disk.read(4096, 512) == b"x" * 512

Above that, :meth:`Disk.submit` and :meth:`Disk.completed` keep many requests in flight, cut into pieces anywhere.
"""

import enum
import os
import struct
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

from vring.driver import Driver, IndirectTable
from vring.features import Feature, supported
from vring.layout import allocate_areas
from vring.memory import Buffer, Segment
from vring.vhost_user import Frontend, SharedMemory, VhostUserError

__all__ = ["SECTOR", "BlkFeature", "Disk", "DiskError", "Request", "RequestKind", "Status"]

SECTOR = 512  # bytes: the unit of addresses and of lengths, whatever the disk's own blocks are
HEADER = struct.Struct("<IIQ")  # of a request: type, reserved, sector
CONFIG = struct.Struct("<QII")  # of the configuration space: capacity in sectors, size_max, seg_max
ID_SIZE = 20


class BlkFeature(enum.IntFlag):
    """Features of a block device that are made use of here."""

    SEG_MAX = 1 << 2
    RO = 1 << 5
    FLUSH = 1 << 9


class RequestKind(enum.IntEnum):
    """What a disk can be asked for (5.2.6)."""

    READ = 0
    WRITE = 1
    FLUSH = 4
    GET_ID = 8


class Status(enum.IntEnum):
    """The last byte of every request, which the device writes."""

    OK = 0
    IOERR = 1
    UNSUPP = 2


class DiskError(Exception):
    """The device answered a request with a status that is not OK."""


class _Frame(NamedTuple):
    """Memory for one request: its bytes from ``addr`` on, and an indirect table for its pieces."""

    addr: int
    table: IndirectTable


class Request:
    """
    One request. ``status`` and ``data`` are ``None`` until it has completed: the byte the device left (255 if it wrote
    none), and the bytes read. ``written`` is how many bytes the device says it wrote, the status included; ``seconds``
    how long it took.
    """

    def __init__(self, kind: int, sector: int, size: int, frame: _Frame) -> None:
        self.kind = kind
        self.sector = sector
        self.size = size
        self.status: int | None = None
        self.data: bytes | None = None
        self.written = 0
        self.seconds = -time.perf_counter()
        self.frame = frame

    def __repr__(self) -> str:
        kind = RequestKind(self.kind).name if self.kind in list(RequestKind) else f"type {self.kind}"
        return f"{kind} of {self.size} bytes at sector {self.sector}"


class Disk:
    """
    The driver of one disk, over one queue. ``capacity`` in bytes; ``features`` as negotiated; ``queue`` is the
    queue, for those who count notifications or take snapshots.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        queue_size: int = 128,
        depth: int = 16,
        request_size: int = 64 * 1024,
        features: int = Feature.VERSION_1 | Feature.EVENT_IDX | Feature.INDIRECT_DESC,
        index: int = 0,
        timeout: float = 10.0,
    ) -> None:
        """
        Connect. ``queue_size`` descriptors; ``depth`` most requests in flight; ``request_size`` most bytes of data in
        one, whole sectors; ``features`` of the ring, a packed one with RING_PACKED, of which those that the device
        lacks are left out; ``index`` where the ring starts, as for :class:`vring.Driver`; ``timeout`` seconds that any
        answer may take.

        Raises VhostUserError for a socket behind which there is no disk, ValueError for sizes that cannot be.
        """
        if depth < 1 or request_size < SECTOR or request_size % SECTOR:
            raise ValueError(f"Disk: a depth of {depth}, or requests of {request_size} bytes, cannot be")
        self.timeout = timeout
        self.depth = depth
        self.request_size = request_size
        self._frontend = Frontend(path, timeout=timeout)
        try:
            self.features = self._frontend.negotiate(features | BlkFeature.SEG_MAX | BlkFeature.RO | BlkFeature.FLUSH)
            sectors, _, seg_max = CONFIG.unpack(self._frontend.config(0, CONFIG.size))
            self.capacity: int = sectors * SECTOR
            self.pieces_max: int = queue_size  # header and status are none of the segments that the device counts
            if self.features & BlkFeature.SEG_MAX:
                self.pieces_max = min(queue_size, seg_max + 2)
            self._set_up(queue_size, index)
        except BaseException:
            self._frontend.close()
            raise

    def _set_up(self, queue_size: int, index: int) -> None:
        whole = HEADER.size + self.request_size + 1
        need = 64 * queue_size + 16384 + self.depth * (whole + 64 + 16 * self.pieces_max)
        self.memory = SharedMemory((need + 4095) & -4096)
        ring = self.features & _RING_FEATURES
        areas = allocate_areas(self.memory, queue_size, ring)
        self._frames = [
            _Frame(self.memory.allocate(whole), IndirectTable.allocate(self.memory, self.pieces_max))
            for _ in range(self.depth)
        ]
        self._frontend.share(self.memory)
        driver = Driver(self.memory, areas, ring, index=index)
        self.queue = self._frontend.start_queue(0, driver, start=index)

    def __enter__(self) -> "Disk":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> list[Request]:
        """Stop the queue if the device still answers, and hang up. Returns the requests that never completed."""
        try:
            unused = self.queue.stop()
        except (ValueError, VhostUserError):
            unused = self.queue.driver.reset()
        self._frontend.close()
        return [request for request in unused if isinstance(request, Request)]

    # -------------------------------------------------------------------------------------------------- one by one ---

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset``, both whole sectors. Raises ValueError, DiskError, VhostUserError."""
        requests: list[Request] = []
        for at, length in self._parts("read", offset, size):
            requests.append(self._submit_and_wait_for_room(RequestKind.READ, at, size=length))
        self._finish(requests)
        return b"".join(request.data or b"" for request in requests)

    def write(self, offset: int, data: Buffer) -> None:
        """Write ``data``, whole sectors, from ``offset`` on. Not on stable storage before :meth:`flush`."""
        view = memoryview(data).cast("B")
        requests = []
        for at, length in self._parts("write", offset, len(view)):
            part = view[at * SECTOR - offset :][:length]
            requests.append(self._submit_and_wait_for_room(RequestKind.WRITE, at, data=part))
        self._finish(requests)

    def flush(self) -> None:
        """All that was written is on stable storage when this returns (5.2.6.2); at once if the disk has no cache."""
        if self.features & BlkFeature.FLUSH:
            self._finish([self._submit_and_wait_for_room(RequestKind.FLUSH, 0)])

    def identify(self) -> str:
        """The disk's name for itself, at most 20 bytes."""
        request = self._submit_and_wait_for_room(RequestKind.GET_ID, 0, size=ID_SIZE)
        self._finish([request])
        return (request.data or b"").split(b"\0")[0].decode("ascii", "replace")

    def _parts(self, call: str, offset: int, size: int) -> list[tuple[int, int]]:
        """First sector and bytes of each request that this takes."""
        if offset % SECTOR or size % SECTOR or offset < 0 or size < 0:
            raise ValueError(f"{call}: offset {offset} and size {size} must be multiples of {SECTOR} bytes")
        if offset + size > self.capacity:
            raise ValueError(f"{call}: {offset} to {offset + size} is beyond the disk's {self.capacity} bytes")
        end = offset + size
        return [(at // SECTOR, min(self.request_size, end - at)) for at in range(offset, end, self.request_size)]

    def _submit_and_wait_for_room(self, kind: int, sector: int, *, data: Buffer = b"", size: int = 0) -> Request:
        while (request := self.submit(kind, sector, data=data, size=size)) is None:
            self.queue.publish()
            self._wait_for_one()
        return request

    def _finish(self, requests: Sequence[Request]) -> None:
        """Wait for all of them; raise for the first that went wrong."""
        self.queue.publish()
        while any(request.status is None for request in requests):
            self._wait_for_one()
        for request in requests:
            if request.status != Status.OK:
                names = {status.value: status.name for status in Status}
                raise DiskError(f"{request}: the device answered {names.get(request.status or 0, request.status)}")

    def _wait_for_one(self) -> Request:
        used = self.queue.wait_used(self.timeout)
        if used is None:
            raise VhostUserError(f"{self._frontend.path}: no request has completed within {self.timeout:g} s")
        return self._complete(used.token, used.length)

    # ----------------------------------------------------------------------------------------------- many at a time ---

    def submit(
        self,
        kind: int,
        sector: int,
        *,
        data: Buffer = b"",
        size: int = 0,
        cuts: Sequence[int] | None = None,
        indirect: bool = True,
    ) -> Request | None:
        """
        Stage one request: ``data`` to be written, or ``size`` bytes to be read, at ``sector``. Publish with
        ``queue.publish()``.

        A request is one run of bytes: 16 of header, the data, one of status. ``cuts`` are the places at which it is
        cut into pieces, besides the one where what the device reads ends; by default header and status are on their
        own. ``indirect`` lists them in a table, if the device knows tables.

        Returns ``None`` if there is no room now. Raises ValueError for a request that this queue can never take, or
        that has no header: the kind is a number of 32 bits, the sector one of 64 (5.2.6).
        """
        for name, value, most in (("kind", kind, 1 << 32), ("sector", sector, 1 << 64), ("size", size, 1 << 64)):
            if not isinstance(value, int):
                raise TypeError(f"submit: {name} must be an int, not {type(value).__name__}")
            if not 0 <= value < most:
                raise ValueError(f"submit: {name} {value} must be from 0 to {most - 1}")
        to_device = memoryview(data).cast("B")
        if len(to_device) and size:
            raise ValueError("submit: a request has either data or a size")
        if max(len(to_device), size) > self.request_size:
            raise ValueError(f"submit: {max(len(to_device), size)} bytes are more than {self.request_size}")
        readable_size = HEADER.size + len(to_device)
        whole = readable_size + size + 1
        if cuts is None:
            cuts = (HEADER.size, whole - 1)
        borders = sorted({0, readable_size, whole, *(cut for cut in cuts if 0 < cut < whole)})
        if len(borders) - 1 > self.pieces_max:
            raise ValueError(f"submit: {len(borders) - 1} pieces are more than the {self.pieces_max} that fit")
        if not self._frames:
            return None

        frame = self._frames[-1]
        pieces: list[Segment] = [(frame.addr + start, end - start) for start, end in zip(borders, borders[1:])]
        split = borders.index(readable_size)
        request = Request(kind, sector, max(len(to_device), size), frame)
        self.memory.write(frame.addr, HEADER.pack(kind, 0, sector))
        self.memory.write(frame.addr + HEADER.size, to_device)
        if kind != RequestKind.READ:  # QEMU's GET_ID leaves what is behind the name, and counts it as written
            self.memory.write(frame.addr + HEADER.size + len(to_device), bytes(size))
        self.memory.write(frame.addr + whole - 1, b"\xff")
        if indirect and self.features & Feature.INDIRECT_DESC:
            added = self.queue.driver.add_indirect(frame.table, pieces[:split], pieces[split:], request)
        else:
            added = self.queue.driver.add_avail(pieces[:split], pieces[split:], request)
        if not added:
            return None
        self._frames.pop()
        return request

    def completed(self, timeout: float = 0.0) -> list[Request]:
        """All requests that have completed; waits at most ``timeout`` seconds for the first."""
        done = []
        used = self.queue.driver.get_used() or (self.queue.wait_used(timeout) if timeout else None)
        while used:
            done.append(self._complete(used.token, used.length))
            used = self.queue.driver.get_used()
        return done

    def _complete(self, token: object, written: int) -> Request:
        assert isinstance(token, Request)
        request, data_at = token, token.frame.addr + HEADER.size
        request.seconds += time.perf_counter()
        request.written = written
        request.status = self.memory.read(data_at + request.size, 1)[0]
        request.data = b"" if request.kind == RequestKind.WRITE else self.memory.read(data_at, request.size)
        self._frames.append(request.frame)
        return request


_RING_FEATURES = supported()
