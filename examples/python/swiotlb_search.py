# SPDX-License-Identifier: MIT
"""
An allocator in pure Python under AllocatorMachine. Its search is that of Linux 6.3 to 6.8 (CVE-2024-35814): one mask
made of all that is asked for, looked at only where the buffer has an original address, so that memory without one may
begin at any slot.

    python swiotlb_search.py            finds that
    python swiotlb_search.py --right    keeps the two alignments apart, and finds nothing
"""

import sys

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from vring.testing import AllocatorMachine, Geometry, Request


class PreFixAllocator:
    """First fit, slot by slot."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.areas = geometry.area_bounds()
        self.live: dict[int, range] = {}  # slots, by address
        self.used: set[int] = set()

    def alloc(self, request: Request) -> int | None:
        for area in self.areas:
            for first in area:
                slots = range(first, first + request.slots(self.geometry))
                if self.fits(request, area, slots) and self.is_aligned(request, first):
                    addr = self.address(first) + request.offset(self.geometry)
                    self.live[addr] = slots
                    self.used.update(slots)
                    return addr
        return None

    def free(self, addr: int) -> None:
        self.used.difference_update(self.live.pop(addr))

    def address(self, slot: int) -> int:
        return self.geometry.window_addr + slot * self.geometry.slot_size

    def fits(self, request: Request, area: range, slots: range) -> bool:
        """Free slots of one area and one segment, on one side of every boundary."""
        segment, boundary = self.geometry.segment_slots, request.boundary_mask + 1
        first, last = self.address(slots[0]), self.address(slots[-1] + 1) - 1
        return (
            slots[-1] in area
            and slots[0] // segment == slots[-1] // segment
            and (boundary == 1 or first // boundary == last // boundary)
            and self.used.isdisjoint(slots)
        )

    def is_aligned(self, request: Request, first: int) -> bool:
        page = self.geometry.page_size - 1 if request.size >= self.geometry.page_size else 0
        mask = (request.alloc_align_mask | request.min_align_mask | page) & ~(self.geometry.slot_size - 1)
        return not request.orig_addr or (self.address(first) ^ request.orig_addr) & mask == 0


class FixedAllocator(PreFixAllocator):
    """The same with the two alignments kept apart: one binds the allocation, the other the data."""

    def is_aligned(self, request: Request, first: int) -> bool:
        start = self.address(first)
        if not request.alloc_align_mask and not request.min_align_mask and request.size >= self.geometry.page_size:
            return start % self.geometry.page_size == 0
        data = start + request.offset(self.geometry)
        return start & request.alloc_align_mask == 0 and (data ^ request.orig_addr) & request.min_align_mask == 0


class PreFixMachine(AllocatorMachine):
    """That allocator under the machine."""

    def make_allocator(self, geometry: Geometry) -> PreFixAllocator:
        return PreFixAllocator(geometry)


class FixedMachine(AllocatorMachine):
    """The same without the mistake."""

    def make_allocator(self, geometry: Geometry) -> FixedAllocator:
        return FixedAllocator(geometry)


TestFixedAllocator = FixedMachine.TestCase

# Short runs shrink fast, one counterexample is enough, and what Hypothesis could explain besides takes it longest.
SETTINGS = settings(
    stateful_step_count=6,
    max_examples=500,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    deadline=None,
)

if __name__ == "__main__":
    machine = FixedMachine if "--right" in sys.argv else PreFixMachine
    run_state_machine_as_test(machine, settings=SETTINGS)
