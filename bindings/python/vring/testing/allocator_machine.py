# SPDX-License-Identifier: MIT
"""An allocator of bounce buffers against what is promised of every address that it gives, whatever its search is."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from vring.pool_model import Geometry, Request, Search
from vring.testing import strategies
from vring.testing.protocol import AllocatorLike

__all__ = ["AllocatorMachine"]


class AllocatorMachine(RuleBasedStateMachine):
    """
    Ask and give back, in any order, with every kind of mask. What is checked: every address lies in the window with
    all of its allocation, has the alignment that both masks ask for, crosses no boundary and no segment, and shares no
    slot with another; and nothing is refused for which there is room. Which of the right addresses it is does not
    matter: see :class:`vring.testing.PoolMachine` for one that says.

    Override ``make_allocator`` to put your own under it.
    """

    def make_allocator(self, geometry: Geometry) -> AllocatorLike:
        """The allocator under test."""
        raise NotImplementedError

    @initialize(geometry=strategies.geometries())
    def start(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.search = Search(geometry)
        self.bounds = geometry.area_bounds()
        self.allocator = self.make_allocator(geometry)
        self.live: dict[int, range] = {}  # slots, by address

    @rule(request=strategies.REQUESTS)
    def alloc(self, request: Request) -> None:
        self._alloc(request)

    @rule(size=st.integers(1, 8192))
    def alloc_coherent(self, size: int) -> None:
        """Memory for both sides: without an original, and aligned to its size."""
        self._alloc(Request.coherent(self.geometry, size))

    @rule(count=st.integers(1, 16), size=st.integers(1, 600))
    def fill(self, count: int, size: int) -> None:
        """Many small ones, so that most runs come to where room is short."""
        for _ in range(count):
            self._alloc(Request(size))

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 63))
    def free(self, which: int) -> None:
        addr = list(self.live)[which % len(self.live)]
        del self.live[addr]
        self.allocator.free(addr)

    def _alloc(self, request: Request) -> None:
        used = {slot for slots in self.live.values() for slot in slots}
        addr = self.allocator.alloc(request)
        if addr is None:
            there = [self.search.find(request, bounds, 0, used) for bounds in self.bounds]
            room = [hex(self.search.address(slot)) for slot in there if slot is not None]
            assert not room, f"refused, but it fits at {room[0]}"
            return
        slots = self._slots(request, addr)
        taken = used.intersection(slots)
        assert not taken, f"{addr:#x}: slot {min(taken)} is taken already"
        self.live[addr] = slots

    def _slots(self, request: Request, addr: int) -> range:
        """The slots of the allocation whose data begin at ``addr``, after a look at all that was promised of it."""
        geometry = self.geometry
        start = addr - request.offset(geometry)
        assert (addr ^ request.orig_addr) & request.min_align_mask == 0, (
            f"{addr:#x} differs from the original's {request.orig_addr:#x} under min_align_mask "
            f"{request.min_align_mask:#x}"
        )
        assert start & request.alloc_align_mask == 0, (
            f"the allocation starts at {start:#x}, no multiple of {request.alloc_align_mask + 1:#x} as its "
            "alloc_align_mask demands"
        )
        first, rest = divmod(start - geometry.window_addr, geometry.slot_size)
        assert rest == 0, f"the allocation starts at {start:#x}, within a slot"
        slots = range(first, first + request.slots(geometry))
        inside = any(slots[0] in bounds and slots[-1] in bounds for bounds in self.bounds)
        assert inside, f"{addr:#x}: slots {slots[0]} to {slots[-1]} are not all in one area of the window"
        assert self.search.fits_segment(request, first, next(b for b in self.bounds if first in b)), (
            f"slots {slots[0]} to {slots[-1]} are in two segments of {geometry.segment_slots}"
        )
        assert self.search.fits_boundary(request, first), f"{start:#x}: crosses a multiple of the boundary"
        assert self.search.is_aligned(request, first), (
            f"{start:#x}: a mapping of a page or more starts at a multiple of {geometry.page_size:#x}"
        )
        return slots
