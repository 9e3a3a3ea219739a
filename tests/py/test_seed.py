# SPDX-License-Identifier: MIT
"""
The scenario that libbounce was made for: a mail thread about Linux' swiotlb (CVE-2024-35814). A pool of 7168 slots at
0x97ff0000, its cursor at slot 1645, and three pieces of coherent memory of 0x2000 bytes, which must start at a page
and were not.
"""

import pytest

from vring import BouncePool, Coherent, Direction, GuestMemory, Mapping, NoRoom
from vring.testing import Geometry, Place, PoolModel, PreFixSearch, Request

WINDOW, SLOTS, CURSOR, SIZE = 0x97FF0000, 7168, 1645, 0x2000
BROKEN = {1645: 0x98326800, 1649: 0x98328800, 1653: 0x9832A800}
RIGHT = {1648: 0x98328000, 1652: 0x9832A000, 1656: 0x9832C000}
GEOMETRY = Geometry(WINDOW, SLOTS, cursor=CURSOR)


@pytest.fixture
def pool() -> BouncePool:
    return BouncePool(GuestMemory(SLOTS * 2048, WINDOW), cursor=CURSOR)


def test_S1_mail_thread_coherent_memory_is_page_aligned(pool: BouncePool) -> None:
    memory = [pool.alloc(SIZE) for _ in range(3)]
    assert {piece.info.slot: piece.addr for piece in memory if not isinstance(piece, NoRoom)} == RIGHT
    assert not set(RIGHT) & set(BROKEN) and not set(RIGHT.values()) & set(BROKEN.values())


def test_S1_mail_thread_page_aligned_mappings_are_page_aligned(pool: BouncePool) -> None:
    """As the IOMMU layer asks for it: with an alloc_align_mask of a page."""
    mappings = [
        pool.map(bytearray(SIZE), Direction.BIDIRECTIONAL, orig_addr=0, alloc_align_mask=0xFFF) for _ in range(3)
    ]
    places = {mapping.info.slot: mapping.addr for mapping in mappings if isinstance(mapping, Mapping)}
    assert list(places) == [1646, 1650, 1654]
    assert all(addr % 0x1000 == 0 for addr in places.values())


def test_S1_mail_thread_plain_mappings_keep_the_historic_promise(pool: BouncePool) -> None:
    """Without any mask, a mapping of a page or more starts at a page (S12)."""
    mappings = [pool.map(bytearray(SIZE), Direction.BIDIRECTIONAL) for _ in range(3)]
    assert [mapping.info.slot for mapping in mappings if isinstance(mapping, Mapping)] == [1646, 1650, 1654]


def test_S1_mail_thread_memory_does_not_overlap(pool: BouncePool) -> None:
    """What hurt: the "page" that such an address was rounded down to lay in the buffer before it."""
    first, second = pool.alloc(SIZE), pool.alloc(SIZE)
    assert isinstance(first, Coherent) and isinstance(second, Coherent)
    page_of_second = second.addr & ~0xFFF
    assert page_of_second >= first.addr + SIZE
    assert list(BROKEN.values())[1] & ~0xFFF < list(BROKEN.values())[0] + SIZE, "the broken answer did overlap"


def test_S1_mail_thread_model_agrees() -> None:
    model = PoolModel(GEOMETRY)
    places = [model.map(Request.coherent(GEOMETRY, SIZE)) for _ in range(3)]
    assert {place.slot: place.addr for place in places if isinstance(place, Place)} == RIGHT


def test_S1_mail_thread_model_of_the_search_before_the_fix_gives_the_broken_answer() -> None:
    """Negative control: the difference that these tests look for is there to be seen."""
    model = PoolModel(GEOMETRY, PreFixSearch)
    places = [model.map(Request.coherent(GEOMETRY, SIZE)) for _ in range(3)]
    assert {place.slot: place.addr for place in places if isinstance(place, Place)} == BROKEN
