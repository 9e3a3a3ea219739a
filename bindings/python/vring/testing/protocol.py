# SPDX-License-Identifier: MIT
"""
What the state machines ask of a ring or a pool that is put under them. ``Driver``, ``Device`` and ``BouncePool`` have
this shape; a ring or an allocator of your own, in Python or behind ctypes or cffi, needs a small class that gives it
the same one.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vring.bounce import Usage
from vring.device import Chain
from vring.driver import Used
from vring.features import ByteOrder, Feature
from vring.layout import Areas
from vring.mapping import Coherent, Direction, Mapping, MappingInfo, NoRoom
from vring.memory import Buffer, GuestMemory, Region, Segment
from vring.pool_model import Request

__all__ = ["AllocatorLike", "DeviceLike", "DriverLike", "PoolLike", "RingSetup"]

OPTIONAL = Feature.EVENT_IDX | Feature.INDIRECT_DESC | Feature.IN_ORDER
"""Features that a ring may have or not, and that change what is done with it."""


@dataclass(frozen=True)
class RingSetup:
    """
    Everything that both sides of a ring are told before they start: see :class:`vring.Driver` for the meaning.
    """

    memory: GuestMemory
    areas: Areas
    features: int
    index: int = 0
    regions: tuple[Region, ...] = ()
    legacy_order: ByteOrder = ByteOrder.NATIVE

    @property
    def big_endian(self) -> bool:
        """Whether the words of the ring are: without VERSION_1 they are in the driver's own byte order (2.7.3)."""
        own = ByteOrder.BIG if sys.byteorder == "big" else ByteOrder.LITTLE
        order = own if self.legacy_order == ByteOrder.NATIVE else self.legacy_order
        return not self.features & Feature.VERSION_1 and order == ByteOrder.BIG

    def known(self, features: int, legacy: bool = True) -> "RingSetup":
        """
        The same for sides that know, of the optional features of rings, these alone; without ``legacy`` always with
        VERSION_1.
        """
        needed = 0 if legacy else Feature.VERSION_1
        return replace(self, features=self.features & ~(OPTIONAL & ~features) | needed)


class DriverLike(Protocol):
    """
    The driver side. Semantics and return values are those of :class:`vring.Driver`. What it has besides of that class
    is used as well: ``add_indirect``, ``abort``, ``enable_notify_delayed``, ``reset``, ``free``, ``in_flight``.
    """

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool:
        """
        Stage one buffer: pieces (device address, bytes) that the device reads, then those that it writes (2.7.13.1).
        ``token`` comes back with it. False if too few descriptors are free now; then nothing has changed.
        """

    def publish(self) -> bool:
        """Make all that is staged available, by one store of the index or of the first flags; True: notify (2.7.13)."""

    def get_used(self) -> Used | None:
        """One buffer that the device has used, with its token and the bytes written; None if there is none (2.7.14)."""

    def enable_notify(self) -> bool:
        """Ask to be notified of used buffers, then look once more. True: some wait already, do not sleep (2.7.7)."""

    def disable_notify(self) -> None:
        """Ask not to be notified. The device may notify all the same (2.7.7)."""


class DeviceLike(Protocol):
    """
    The device side. Semantics and return values are those of :class:`vring.Device`. What it has besides of that class
    is used as well: ``rewind``, ``in_flight``.
    """

    def get_avail(self) -> Chain | None:
        """The next buffer that the driver has made available, its pieces looked up; None if there is none (2.7.6)."""

    def add_used(self, chain: Chain, written: int | None = None) -> None:
        """Stage a buffer as used: ``written`` bytes of it, or as many as were written through ``chain`` (2.7.8)."""

    def publish(self) -> bool:
        """Make all that is staged used, by one store of the index or of the first flags; True: notify (2.7.8)."""

    def enable_notify(self) -> bool:
        """Ask to be notified of buffers, then look once more. True: some wait already, do not sleep (2.7.10)."""

    def disable_notify(self) -> None:
        """Ask not to be notified. The driver may notify all the same (2.7.10)."""


class AllocatorLike(Protocol):
    """
    An allocator of bounce buffers, and nothing more: which addresses, no copies. A request that it cannot satisfy now,
    or never, it answers with ``None``.
    """

    def alloc(self, request: Request) -> int | None:
        """The device address of so many bytes, aligned as asked for; None if there is no such place."""

    def free(self, addr: int) -> None:
        """Give back what ``alloc`` answered."""


class PoolLike(Protocol):
    """A bounce pool. Semantics and return values are those of :class:`vring.BouncePool`."""

    def map(
        self,
        buffer: Buffer,
        direction: Direction,
        *,
        orig_addr: int | None = None,
        alloc_align_mask: int = 0,
        min_align_mask: int = 0,
        boundary_mask: int = 0,
        area: int = 0,
        owner: int = 0,
    ) -> Mapping | NoRoom:
        """Slots for ``buffer``, with its bytes in them; or why there are none. Masks are as in the DMA API."""

    def alloc(self, size: int, *, area: int = 0, owner: int = 0) -> Coherent | NoRoom:
        """``size`` bytes that both sides see, cleared; aligned as :meth:`vring.BouncePool.alloc` has it; or why not."""

    def usage(self) -> Usage:
        """How many slots there are and are taken."""

    def mappings(self) -> Iterator[MappingInfo]:
        """What is mapped, of whom and where."""

    def close(self) -> None:
        """End the pool, in which nothing is mapped."""
