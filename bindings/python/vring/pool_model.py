# SPDX-License-Identifier: MIT
"""
What a bounce pool must answer, slot by slot: obviously right, and slow.

There is no bitmap, no stride and no counter here: a place for a mapping is found by asking of every slot, in cyclic
order from the cursor, whether the mapping may start there. ``PreFixSearch`` is how Linux searched from 6.3 to 6.8
(CVE-2024-35814), kept to show what the difference is and that our tests see it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vring.errors import BounceCode

__all__ = ["Geometry", "Place", "PoolModel", "PreFixSearch", "Request", "Search"]


@dataclass(frozen=True)
class Geometry:
    """A pool; the fields are those of :class:`vring.BouncePool`, and two of its flags."""

    window_addr: int
    slots: int
    slot_size: int = 2048
    segment_slots: int = 128
    page_size: int = 4096
    areas: int = 1
    cursor: int = 0
    first_fit: bool = False
    keep_padding: bool = False

    def options(self) -> dict[str, Any]:
        """What :class:`vring.BouncePool` and :class:`vring.PoolConfig` are told of it by keyword, but for the flags."""
        names = "window_addr", "slots", "slot_size", "segment_slots", "page_size", "areas", "cursor"
        return {name: getattr(self, name) for name in names}

    def area_bounds(self) -> list[range]:
        """
        The slots of each area: whole segments, shared out evenly, the last areas having one more where they do not
        divide.
        """
        segments = -(-self.slots // self.segment_slots)
        bounds, first = [], 0
        for area in range(self.areas):
            longer = area >= self.areas - segments % self.areas
            end = first + (segments // self.areas + longer) * self.segment_slots
            bounds.append(range(first, min(end, self.slots)))
            first = end
        return bounds


@dataclass(frozen=True)
class Request:
    """
    What is asked for; the fields are those of :meth:`vring.BouncePool.map`. Unless ``rounded``, the size is not rounded
    up to a multiple of ``alloc_align_mask`` + 1.
    """

    size: int
    orig_addr: int = 0
    alloc_align_mask: int = 0
    min_align_mask: int = 0
    boundary_mask: int = 0
    area: int = 0
    rounded: bool = True
    limit: int = 0

    @classmethod
    def coherent(cls, geometry: Geometry, size: int, area: int = 0) -> "Request":
        """
        That of ``BouncePool.alloc``: aligned to the size rounded up to a power of two of pages, which it does not
        pad.
        """
        align = geometry.page_size
        while align < size:
            align *= 2
        return cls(size, alloc_align_mask=align - 1, area=area, rounded=False)

    def offset(self, geometry: Geometry) -> int:
        """
        Bytes from the start of the allocation to the data: what min_align asks for and the start's alignment does
        not give.
        """
        return self.orig_addr & self.min_align_mask & (self.alloc_align_mask | (geometry.slot_size - 1))

    def slots(self, geometry: Geometry) -> int:
        """Slots of the allocation, padding included."""
        size = self.size + self.offset(geometry)
        if self.rounded:
            size = -(-size // (self.alloc_align_mask + 1)) * (self.alloc_align_mask + 1)
        return -(-size // geometry.slot_size)


@dataclass(frozen=True)
class Place:
    """Where a mapping went. ``addr`` is that of the data."""

    slot: int
    slots: int
    addr: int
    pad_slots: int
    area: int


class Search:
    """The rule: the first slot, in cyclic order from the cursor, at which the mapping may start."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry

    def find(self, request: Request, bounds: range, cursor: int, used: set[int]) -> int | None:
        """A slot of ``bounds``, or None. ``cursor`` counts from the start of ``bounds``."""
        slots = request.slots(self.geometry)
        for slot in self.cyclic(bounds, cursor):
            # The first one by itself, because that spares most of the questions in a pool that is nearly full.
            if slot not in used and self.may_start(request, slot, bounds):
                if used.isdisjoint(range(slot, slot + slots)):
                    return slot
        return None

    def cyclic(self, bounds: range, cursor: int) -> Iterator[int]:
        """All of ``bounds`` once, from the cursor on."""
        yield from bounds[cursor:]
        yield from bounds[:cursor]

    def may_start(self, request: Request, slot: int, bounds: range) -> bool:
        """
        Whether the masks, the segment and the end of the area let the mapping start at ``slot``, were all slots
        free.
        """
        return (
            self.fits_segment(request, slot, bounds)
            and self.is_aligned(request, slot)
            and self.fits_boundary(request, slot)
            and self.is_reached(request, slot)
        )

    def fits_segment(self, request: Request, slot: int, bounds: range) -> bool:
        """A mapping lies within one segment and one area."""
        last = slot + request.slots(self.geometry) - 1
        return last in bounds and slot // self.geometry.segment_slots == last // self.geometry.segment_slots

    def is_aligned(self, request: Request, slot: int) -> bool:
        """
        The allocation starts aligned, and the data has the low bits of the original; without masks, a page starts
        at a page.
        """
        start = self.address(slot)
        if not request.alloc_align_mask and not request.min_align_mask and request.size >= self.geometry.page_size:
            return start % self.geometry.page_size == 0
        data = start + request.offset(self.geometry)
        return start & request.alloc_align_mask == 0 and (data ^ request.orig_addr) & request.min_align_mask == 0

    def fits_boundary(self, request: Request, slot: int) -> bool:
        """The allocation, in whole slots, crosses no multiple of boundary_mask + 1."""
        if not request.boundary_mask:
            return True
        first, last = self.address(slot), self.address(slot + request.slots(self.geometry)) - 1
        return first // (request.boundary_mask + 1) == last // (request.boundary_mask + 1)

    def is_reached(self, request: Request, slot: int) -> bool:
        """The device reaches the last byte of the data; what pads them may lie above."""
        last = self.address(slot) + request.offset(self.geometry) + request.size - 1
        return not request.limit or last <= request.limit

    def address(self, slot: int) -> int:
        """Device address of a slot."""
        return self.geometry.window_addr + slot * self.geometry.slot_size


class PreFixSearch(Search):
    """
    The search of the mail thread: one mask for everything, tested only where the original has an address, and the
    cursor taken as it stands otherwise, so that coherent memory (which has no original) is aligned to a slot and no
    more (S1).
    """

    def is_aligned(self, request: Request, slot: int) -> bool:
        mask = (
            request.alloc_align_mask
            | request.min_align_mask
            | (self.geometry.page_size - 1 if request.size >= self.geometry.page_size else 0)
        )
        mask &= ~(self.geometry.slot_size - 1)
        return not request.orig_addr or (self.address(slot) ^ request.orig_addr) & mask == 0


class PoolModel:
    """A pool that is nothing but a set of used slots, one cursor per area, and two counts."""

    def __init__(self, geometry: Geometry, search: type[Search] = Search) -> None:
        self.geometry = geometry
        self.search = search(geometry)
        self.bounds = geometry.area_bounds()
        self.cursors = [geometry.cursor] + [0] * (geometry.areas - 1)
        self.used: set[int] = set()
        self.area_used = [0] * geometry.areas
        self.area_high_water = [0] * geometry.areas

    def map(self, request: Request) -> Place | BounceCode:
        """Where the mapping goes, which is now taken; or why it goes nowhere, and nothing has changed."""
        if request.slots(self.geometry) > self.geometry.segment_slots:
            return BounceCode.TOO_LARGE
        for turn in range(self.geometry.areas):
            area = (request.area + turn) % self.geometry.areas
            cursor = 0 if self.geometry.first_fit else self.cursors[area]
            slot = self.search.find(request, self.bounds[area], cursor, self.used)
            if slot is not None:
                return self._take(request, slot, area)
        if not any(self.search.may_start(request, slot, bounds) for bounds in self.bounds for slot in bounds):
            return BounceCode.UNSATISFIABLE
        # A mapping lies in one area, so that room enough in all of them together is no room.
        free = max(len(bounds) - used for bounds, used in zip(self.bounds, self.area_used))
        return BounceCode.FRAGMENTED if free >= request.slots(self.geometry) else BounceCode.FULL

    def unmap(self, place: Place) -> None:
        """The mapping at ``place`` ends."""
        self.used -= set(range(place.slot, place.slot + place.slots))
        self.area_used[place.area] -= place.slots

    @property
    def high_water(self) -> int:
        """Most slots used at any one time: the sum over the areas of theirs."""
        return sum(self.area_high_water)

    @property
    def longest_run(self) -> int:
        """The longest run of free slots that one mapping could have: within a segment and an area."""
        longest = run = 0
        for bounds in self.bounds:
            for slot in bounds:
                starts = slot == bounds.start or slot % self.geometry.segment_slots == 0
                run = 0 if slot in self.used else 1 if starts else run + 1
                longest = max(longest, run)
        return longest

    def _take(self, request: Request, slot: int, area: int) -> Place:
        slots, offset = request.slots(self.geometry), request.offset(self.geometry)
        self.used |= set(range(slot, slot + slots))
        self.area_used[area] += slots
        self.area_high_water[area] = max(self.area_high_water[area], self.area_used[area])
        after = slot + slots - self.bounds[area].start
        self.cursors[area] = 0 if after == len(self.bounds[area]) else after
        return Place(slot, slots, self.search.address(slot) + offset, offset // self.geometry.slot_size, area)
