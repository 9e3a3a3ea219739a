# SPDX-License-Identifier: MIT
"""
What the state machines ask of a ring or a pool that is put under them. ``SplitDriver``, ``SplitDevice`` and
``BouncePool`` have this shape; a ring or an allocator of your own needs a small class that gives it the same one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vring.bounce import Coherent, Direction, Mapping, MappingInfo, NoRoom, Usage
from vring.device import Chain
from vring.driver import IndirectTable, Used
from vring.layout import Areas
from vring.memory import Buffer, GuestMemory, Region, Segment

__all__ = ["DeviceLike", "DriverLike", "PoolLike", "RingSetup"]


@dataclass(frozen=True)
class RingSetup:
    """
    Everything that both sides of a ring are told before they start: see :class:`vring.SplitDriver` for the meaning.
    """

    memory: GuestMemory
    areas: Areas
    features: int
    index: int = 0
    regions: tuple[Region, ...] = ()


class DriverLike(Protocol):
    """The driver side. Semantics and return values are those of :class:`vring.SplitDriver`."""

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool: ...
    def add_indirect(
        self,
        table: IndirectTable,
        readable: Sequence[Segment] = (),
        writable: Sequence[Segment] = (),
        token: object = None,
    ) -> bool: ...
    def abort(self) -> object: ...
    def publish(self) -> bool: ...
    def get_used(self) -> Used | None: ...
    def enable_notify(self) -> bool: ...
    def enable_notify_delayed(self) -> bool: ...
    def disable_notify(self) -> None: ...
    def reset(self) -> list[object]: ...
    @property
    def free(self) -> int: ...
    @property
    def in_flight(self) -> int: ...


class DeviceLike(Protocol):
    """The device side. Semantics and return values are those of :class:`vring.SplitDevice`."""

    def get_avail(self) -> Chain | None: ...
    def rewind(self, chain: Chain) -> None: ...
    def add_used(self, chain: Chain, written: int | None = None) -> None: ...
    def publish(self) -> bool: ...
    def enable_notify(self) -> bool: ...
    def disable_notify(self) -> None: ...
    @property
    def in_flight(self) -> int: ...


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
    ) -> Mapping | NoRoom: ...
    def alloc(self, size: int, *, area: int = 0, owner: int = 0) -> Coherent | NoRoom: ...
    def usage(self) -> Usage: ...
    def mappings(self) -> Iterator[MappingInfo]: ...
    def close(self) -> None: ...
