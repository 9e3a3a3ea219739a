# SPDX-License-Identifier: MIT
"""Where the areas of a ring lie (virtio 2.7, 2.8.10.1; ``vring_split_layout``, ``vring_packed_layout``)."""

from dataclasses import dataclass
from typing import TypeAlias

from vring.errors import RingCode, caller_error, integer
from vring.features import Feature
from vring.lowlevel import ffi, lib
from vring.memory import GuestMemory

__all__ = ["Areas", "PackedAreas", "PackedLayout", "SplitAreas", "SplitLayout", "allocate_areas"]


@dataclass(frozen=True)
class SplitLayout:
    """
    Sizes of the three areas of a split ring, and where they lie in one block that starts with the descriptor table.
    In bytes. The event words (``used_event``, ``avail_event``) count, negotiated or not.
    """

    desc_size: int
    driver_size: int
    device_size: int
    driver_offset: int
    device_offset: int
    total: int

    @classmethod
    def of(cls, size: int, queue_align: int = 0) -> "SplitLayout":
        """
        The layout for ``size`` entries: the tightest legal one, or with the legacy interface's Queue Align (2.7.2), a
        power of two from 4 to 65536. Raises CallerError for a size or an alignment that the spec does not allow.
        """
        call = "SplitLayout.of"
        layout = ffi.new("struct vring_split_areas *")
        code = lib.vring_split_layout(
            integer(call, "size", size, 32, RingCode.SIZE),
            integer(call, "queue_align", queue_align, 32, RingCode.ALIGN),
            layout,
        )
        if code:
            raise caller_error(
                RingCode(code), call, {RingCode.SIZE: ("size", size), RingCode.ALIGN: ("queue_align", queue_align)}
            )
        return cls(
            layout.desc_size,
            layout.driver_size,
            layout.device_size,
            layout.driver_offset,
            layout.device_offset,
            layout.total,
        )


@dataclass(frozen=True)
class SplitAreas:
    """The device addresses of the three areas of a split ring with ``size`` entries. Each may lie anywhere."""

    size: int
    desc: int
    driver: int
    device: int

    @classmethod
    def allocate(cls, memory: GuestMemory, size: int, queue_align: int = 0) -> "SplitAreas":
        """Fresh areas in ``memory``, in one block. Raises CallerError as :meth:`SplitLayout.of`, and MemoryError."""
        layout = SplitLayout.of(size, queue_align)
        desc = memory.allocate(layout.total, max(16, queue_align))
        return cls(size, desc, desc + layout.driver_offset, desc + layout.device_offset)

    @property
    def layout(self) -> SplitLayout:
        """The sizes of these areas. Raises CallerError for a size that no ring has."""
        return SplitLayout.of(self.size)


@dataclass(frozen=True)
class PackedLayout:
    """
    As :class:`SplitLayout`, for a packed ring: the descriptor ring and the two event suppression structures. In
    bytes.
    """

    desc_size: int
    driver_size: int
    device_size: int
    driver_offset: int
    device_offset: int
    total: int

    @classmethod
    def of(cls, size: int) -> "PackedLayout":
        """The layout for ``size`` entries, any number from 1 to 32768. Raises CallerError for another."""
        call = "PackedLayout.of"
        layout = ffi.new("struct vring_packed_areas *")
        code = lib.vring_packed_layout(integer(call, "size", size, 32, RingCode.SIZE), layout)
        if code:
            raise caller_error(RingCode(code), call, {RingCode.SIZE: ("size", size)})
        return cls(
            layout.desc_size,
            layout.driver_size,
            layout.device_size,
            layout.driver_offset,
            layout.device_offset,
            layout.total,
        )


@dataclass(frozen=True)
class PackedAreas:
    """The device addresses of the three areas of a packed ring with ``size`` entries. Each may lie anywhere."""

    size: int
    desc: int
    driver: int
    device: int

    @classmethod
    def allocate(cls, memory: GuestMemory, size: int) -> "PackedAreas":
        """Fresh areas in ``memory``, in one block. Raises CallerError as :meth:`PackedLayout.of`, and MemoryError."""
        layout = PackedLayout.of(size)
        desc = memory.allocate(layout.total)
        return cls(size, desc, desc + layout.driver_offset, desc + layout.device_offset)

    @property
    def layout(self) -> PackedLayout:
        """The sizes of these areas. Raises CallerError for a size that no ring has."""
        return PackedLayout.of(self.size)


Areas: TypeAlias = SplitAreas | PackedAreas
"""Those of either format."""


def allocate_areas(memory: GuestMemory, size: int, features: int) -> Areas:
    """
    Fresh areas in ``memory`` for a ring with ``size`` entries, of the format that ``features`` name: packed with
    RING_PACKED among them, otherwise split. Raises CallerError for a size that the format does not allow, and
    MemoryError.
    """
    features = integer("allocate_areas", "features", features, 64, RingCode.FEATURE)
    return (PackedAreas if features & Feature.RING_PACKED else SplitAreas).allocate(memory, size)
