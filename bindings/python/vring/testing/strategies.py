# SPDX-License-Identifier: MIT
"""What to draw rings and pools from. Indices start near their wrap, sizes are small: that is where queues break."""

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


def features(optional: Feature = USUAL) -> st.SearchStrategy[Feature]:
    """Legal mixes of VERSION_1 and the ``optional`` features that change what a ring does; IN_ORDER can be one."""
    chosen = st.sets(st.sampled_from([feature for feature in Feature if feature & optional]))
    return chosen.map(lambda chosen: sum(chosen, start=Feature.VERSION_1))


def start_indices() -> st.SearchStrategy[int]:
    """Where free-running indices start: mostly so that they wrap within a few steps."""
    return st.one_of(st.integers(65520, 65535), st.just(0), st.just(32767), st.integers(0, 65535))


@st.composite
def ring_setups(draw: st.DrawFn, optional: Feature = USUAL, legacy: bool = False) -> RingSetup:
    """
    A split ring in fresh memory, with any of the ``optional`` features; with ``legacy`` also without VERSION_1, in
    either byte order, and then without IN_ORDER, which is younger.
    """
    memory = GuestMemory(RING_MEMORY)
    areas = SplitAreas.allocate(memory, draw(st.sampled_from(RING_SIZES)), draw(st.sampled_from([0, 4096])))
    order = draw(st.sampled_from(ByteOrder)) if legacy else ByteOrder.NATIVE
    chosen = draw(features(optional))
    if order != ByteOrder.NATIVE:
        chosen &= ~(Feature.VERSION_1 | Feature.IN_ORDER)
    return RingSetup(memory, areas, chosen, draw(start_indices()), draw(_regions(memory)), order)


@st.composite
def packed_setups(draw: st.DrawFn, optional: Feature = USUAL) -> RingSetup:
    """
    A packed ring in fresh memory, of any size, started at any entry with either wrap counter, with any of the
    ``optional`` features.
    """
    memory = GuestMemory(RING_MEMORY)
    areas = PackedAreas.allocate(memory, draw(st.sampled_from(PACKED_SIZES)))
    index = draw(st.integers(0, areas.size - 1)) | draw(st.sampled_from([0, 0x8000]))
    return RingSetup(memory, areas, draw(features(optional)) | Feature.RING_PACKED, index, draw(_regions(memory)))


def _regions(memory: GuestMemory) -> st.SearchStrategy[tuple[Region, ...]]:
    """All of it as one region, or two that meet in the middle, so that a piece may span both."""
    middle = memory.base + memory.size // 2 + 8
    return st.sampled_from(
        [(Region(memory),), (Region(memory, size=middle - memory.base), Region(memory, addr=middle))]
    )


def masks(low: int, high: int) -> st.SearchStrategy[int]:
    """0, or 2**k - 1 for k from ``low`` to ``high``."""
    return st.one_of(st.just(0), st.integers(low, high).map(lambda bits: (1 << bits) - 1))


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """
    Small pools, of which many are full or fragmented after a few requests; some with a tail that is no whole
    segment.
    """
    slot_size = draw(st.sampled_from([256, 512]))
    segment_slots = draw(st.sampled_from([4, 8, 16]))
    areas = draw(st.sampled_from([1, 1, 2, 4]))
    slots = areas * segment_slots * draw(st.integers(1, 3))
    if areas == 1:
        slots += draw(st.integers(0, segment_slots - 1))
    base = draw(st.integers(0, 64)) * slot_size + draw(st.sampled_from([0, 0x97FF0000, 1 << 32, (1 << 64) - (1 << 20)]))
    return Geometry(
        window_addr=base,
        slots=slots,
        slot_size=slot_size,
        segment_slots=segment_slots,
        page_size=draw(st.sampled_from([512, 1024])),
        areas=areas,
        cursor=draw(st.integers(0, slots // areas - 1)),
        first_fit=draw(st.booleans()),
    )


@st.composite
def requests(draw: st.DrawFn, geometry: Geometry) -> Request:
    """What a driver may ask of such a pool: mostly small, with all four mixes of the alignment masks (legal ones)."""
    most = geometry.slot_size * geometry.segment_slots
    size = draw(
        st.one_of(
            st.integers(1, 2 * geometry.slot_size),
            st.integers(1, most),
            st.sampled_from([geometry.page_size, geometry.page_size - 1, most, most + 1]),
        )
    )
    return Request(
        size=size,
        orig_addr=draw(
            st.one_of(st.sampled_from([0, 0x7FFF]), st.integers(0, 0xFFFF), st.integers(0, (1 << 64) - 2 * most))
        ),
        alloc_align_mask=draw(masks(7, 12)),
        min_align_mask=draw(masks(4, 12)),
        boundary_mask=draw(st.one_of(st.just(0), masks(8, 13), st.just((1 << 64) - 1))),
        area=draw(st.integers(0, geometry.areas)),
    )
