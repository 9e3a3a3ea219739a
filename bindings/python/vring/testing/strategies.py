# SPDX-License-Identifier: MIT
"""
What to draw rings and pools from. Indices start near their wrap, sizes are small: that is where queues break.

Strategies are made once and kept: Hypothesis judges each new one, which takes longer than drawing from it.
"""

from functools import cache

from hypothesis import strategies as st

from vring.features import ByteOrder, Feature
from vring.layout import PackedAreas, SplitAreas
from vring.memory import GuestMemory, Region
from vring.pool_model import Geometry, Request
from vring.testing.protocol import RingSetup

__all__ = ["features", "geometries", "masks", "packed_setups", "requests", "ring_setups", "start_indices"]

RING_SIZES = (1, 2, 4, 8, 16)
PACKED_SIZES = (1, 2, 3, 5, 7, 16)
RING_MEMORY = 1 << 16
USUAL = Feature.EVENT_IDX | Feature.INDIRECT_DESC

_BOOLEANS = st.booleans()
_SIZES = st.sampled_from(RING_SIZES)
_ORDERS = st.sampled_from(ByteOrder)
_ALIGNS = st.sampled_from([0, 4096])
_PACKED_SIZES = st.sampled_from(PACKED_SIZES)
_ENTRIES = st.integers(0, max(PACKED_SIZES) - 1)
_WRAPS = st.sampled_from([0, 0x8000])
_SLOT_SIZES = st.sampled_from([256, 512])
_SEGMENT_SLOTS = st.sampled_from([4, 8, 16])
_AREAS = st.sampled_from([1, 1, 2, 4])
_SEGMENTS = st.integers(1, 3)
_TAILS = st.integers(0, 15)
_BASES = st.integers(0, 64)
_FAR = st.sampled_from([0, 0x97FF0000, 1 << 32, (1 << 64) - (1 << 20)])
_PAGE_SIZES = st.sampled_from([512, 1024])
_CURSORS = st.integers(0, 3 * 16 + 14)


@cache
def features(optional: Feature = USUAL) -> st.SearchStrategy[Feature]:
    """Legal mixes of VERSION_1 and the ``optional`` features that change what a ring does; IN_ORDER can be one."""
    mixes = [Feature.VERSION_1]
    for feature in Feature:
        mixes += [mix | feature for mix in mixes if feature & optional]
    return st.sampled_from(mixes)


@cache
def start_indices() -> st.SearchStrategy[int]:
    """
    Where free-running indices start: mostly so that they wrap within a few steps. The nearer the wrap, the simpler: it
    takes the fewest buffers to get there.
    """
    near = [st.integers(0, most).map(lambda n: 65535 - n) for most in (3, 15)]
    return st.one_of(*near, st.sampled_from([0, 32767]), st.integers(0, 65535))


@st.composite
def _ring_setups(draw: st.DrawFn, optional: Feature, legacy: bool) -> RingSetup:
    memory = GuestMemory(RING_MEMORY)
    areas = SplitAreas.allocate(memory, draw(_SIZES), draw(_ALIGNS))
    order = draw(_ORDERS) if legacy else ByteOrder.NATIVE
    chosen = draw(features(optional))
    if order != ByteOrder.NATIVE:
        chosen &= ~(Feature.VERSION_1 | Feature.IN_ORDER)
    return RingSetup(memory, areas, chosen, draw(start_indices()), _regions(memory, draw(_BOOLEANS)), order)


@st.composite
def _packed_setups(draw: st.DrawFn, optional: Feature) -> RingSetup:
    memory = GuestMemory(RING_MEMORY)
    areas = PackedAreas.allocate(memory, draw(_PACKED_SIZES))
    index = draw(_ENTRIES) % areas.size | draw(_WRAPS)
    chosen = draw(features(optional)) | Feature.RING_PACKED
    return RingSetup(memory, areas, chosen, index, _regions(memory, draw(_BOOLEANS)))


def _regions(memory: GuestMemory, in_two: bool) -> tuple[Region, ...]:
    """All of it as one region, or two that meet in the middle, so that a piece may span both."""
    middle = memory.base + memory.size // 2 + 8
    if not in_two:
        return (Region(memory),)
    return Region(memory, size=middle - memory.base), Region(memory, addr=middle)


@cache
def ring_setups(optional: Feature = USUAL, legacy: bool = False) -> st.SearchStrategy[RingSetup]:
    """
    A split ring in fresh memory, with any of the ``optional`` features; with ``legacy`` also without VERSION_1, in
    either byte order, and then without IN_ORDER, which is younger.
    """
    return _ring_setups(optional, legacy)


@cache
def packed_setups(optional: Feature = USUAL) -> st.SearchStrategy[RingSetup]:
    """
    A packed ring in fresh memory, of any size, started at any entry with either wrap counter, with any of the
    ``optional`` features.
    """
    return _packed_setups(optional)


@cache
def masks(low: int, high: int) -> st.SearchStrategy[int]:
    """0, or 2**k - 1 for k from ``low`` to ``high``."""
    return st.one_of(st.just(0), st.integers(low, high).map(lambda bits: (1 << bits) - 1))


@st.composite
def _geometries(draw: st.DrawFn, keep_padding: bool) -> Geometry:
    slot_size = draw(_SLOT_SIZES)
    segment_slots = draw(_SEGMENT_SLOTS)
    areas = draw(_AREAS)
    slots = areas * segment_slots * draw(_SEGMENTS)
    if areas == 1:
        slots += draw(_TAILS) % segment_slots
    return Geometry(
        window_addr=draw(_BASES) * slot_size + draw(_FAR),
        slots=slots,
        slot_size=slot_size,
        segment_slots=segment_slots,
        page_size=draw(_PAGE_SIZES),
        areas=areas,
        cursor=draw(_CURSORS) % (slots // areas),
        first_fit=draw(_BOOLEANS),
        keep_padding=keep_padding and draw(_BOOLEANS),
    )


@cache
def geometries(keep_padding: bool = False) -> st.SearchStrategy[Geometry]:
    """
    Small pools, of which many are full or fragmented after a few requests; some with a tail that is no whole
    segment; with ``keep_padding`` some that do not clear what lies around the data.
    """
    return _geometries(keep_padding)


def requests(geometry: Geometry) -> st.SearchStrategy[Request]:
    """What a driver may ask of such a pool: mostly small, with all four mixes of the alignment masks (legal ones)."""
    most = geometry.slot_size * geometry.segment_slots
    return _requests(geometry.slot_size, most, geometry.page_size, geometry.areas)


@cache
def _requests(slot_size: int, most: int, page_size: int, areas: int) -> st.SearchStrategy[Request]:
    return st.builds(
        Request,
        size=st.one_of(
            st.integers(1, 2 * slot_size),
            st.integers(1, most),
            st.sampled_from([page_size, page_size - 1, most, most + 1]),
        ),
        orig_addr=st.one_of(st.sampled_from([0, 0x7FFF]), st.integers(0, 0xFFFF), st.integers(0, (1 << 64) - 2 * most)),
        alloc_align_mask=masks(7, 12),
        min_align_mask=masks(4, 12),
        boundary_mask=st.one_of(st.just(0), masks(8, 13), st.just((1 << 64) - 1)),
        area=st.integers(0, areas),
    )


# For the pool of the machine that draws.
REQUESTS = st.runner().flatmap(lambda machine: requests(machine.geometry))
