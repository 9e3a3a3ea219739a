# SPDX-License-Identifier: MIT
"""
C structs hold pointers that Python's collector does not see. Whatever the C side can still reach must live, whatever
names were dropped; and go when it cannot.
"""

import gc
import mmap
import os
import subprocess
import sys
import weakref

import pytest

from vring import (
    BouncePool,
    BounceSet,
    Chain,
    Direction,
    Feature,
    GuestMemory,
    IndirectTable,
    Mapping,
    PoolConfig,
    Region,
    SplitAreas,
    SplitDevice,
    SplitDriver,
)

FEATURES = Feature.VERSION_1 | Feature.INDIRECT_DESC


class Token:
    """An object that can be watched."""


def collect_and_disturb() -> None:
    """Run the collector, and put something else where freed memory was."""
    gc.collect()
    for size in (16, 64, 192, 512, 1024, 4096):
        _ = [bytearray(b"\xff" * size) for _ in range(50)]


def make_ring() -> tuple[SplitDriver, SplitDevice, int]:
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 8)
    driver = SplitDriver(memory, areas, FEATURES)
    return driver, SplitDevice(memory, areas, FEATURES, regions=[Region(memory)]), memory.allocate(64)


def test_a_ring_outlives_the_names_of_its_parts() -> None:
    driver, device, data = make_ring()
    for round_trip in range(100):
        collect_and_disturb() if round_trip % 25 == 0 else None
        assert driver.add_indirect(IndirectTable.allocate(driver.memory, 2), [(data, 5)], [(data + 32, 5)], round_trip)
        driver.publish()
        chain = device.get_avail()
        assert chain
        chain.write(chain.read())
        device.add_used(chain)
        device.publish()
        used = driver.get_used()
        assert used == (round_trip, 5)


def test_tokens_live_while_their_buffers_are_in_flight_and_no_longer() -> None:
    driver, device, data = make_ring()
    watched = []
    for _ in range(3):
        token = Token()
        watched.append(weakref.ref(token))
        driver.add_avail([(data, 1)], token=token)
        del token
    collect_and_disturb()
    assert all(ref() for ref in watched)

    driver.abort()
    driver.publish()
    chain = device.get_avail()
    assert chain
    device.add_used(chain, 0)
    device.publish()
    driver.get_used()
    collect_and_disturb()
    assert [ref() is not None for ref in watched] == [False, True, False], "in use: the one that is with the device"
    assert driver.reset() == [watched[1]()]
    collect_and_disturb()
    assert not watched[1]()


def test_a_refused_buffer_leaves_no_token_behind() -> None:
    driver, _, data = make_ring()
    token = Token()
    watched = weakref.ref(token)
    with pytest.raises(ValueError):
        driver.add_avail([(data, 0)], token=token)
    assert driver.add_avail([(data, 1)] * 8)
    assert not driver.add_avail([(data, 1)], token=token)
    del token
    collect_and_disturb()
    assert not watched()


def test_a_chain_keeps_memory_that_nobody_else_names() -> None:
    def only_the_chain() -> Chain:
        driver, device, data = make_ring()
        driver.memory.write(data, b"still here")
        driver.add_avail([(data, 10)])
        driver.publish()
        chain = device.get_avail()
        assert chain
        return chain

    chain = only_the_chain()
    collect_and_disturb()
    assert chain.read() == b"still here"


def test_memory_goes_with_its_ring() -> None:
    driver, device, _ = make_ring()
    watched = weakref.ref(driver.memory)
    del driver, device
    gc.collect()
    assert not watched()


def test_memory_cannot_be_closed_under_a_ring() -> None:
    block = mmap.mmap(-1, 1 << 16)
    memory = GuestMemory.over(block)
    SplitDriver(memory, SplitAreas.allocate(memory, 8), FEATURES)
    with pytest.raises(BufferError):
        block.close()


def test_memory_of_a_file_is_shared() -> None:
    fd = os.memfd_create("guest")
    try:
        os.ftruncate(fd, 8192)
        one, other = GuestMemory(8192, fd=fd), GuestMemory(8192, base=0x80000000, fd=fd)
    finally:
        os.close(fd)
    one.write(one.base + 100, b"seen from both")
    assert other.read(0x80000000 + 100, 14) == b"seen from both"


def test_an_original_lives_while_it_is_mapped_and_no_longer() -> None:
    """The pool copies back into the original at unmap, by a pointer that only C holds."""

    class Original(bytearray):
        """Can be watched."""

    pool = BouncePool(GuestMemory(1 << 18))
    original = Original(3000)
    watched = weakref.ref(original)
    mapping = pool.map(original, Direction.FROM_DEVICE)
    assert isinstance(mapping, Mapping)
    del original
    collect_and_disturb()
    assert watched() is not None
    mapping.data[:] = b"\x77" * 3000
    kept = watched()
    mapping.unmap()
    assert kept is not None and bytes(kept) == b"\x77" * 3000
    del kept
    gc.collect()
    assert not watched()


def test_a_mapping_outlives_the_name_of_its_pool() -> None:
    mapping = BouncePool(GuestMemory(1 << 18)).map(bytearray(b"secret"), Direction.BIDIRECTIONAL)
    assert isinstance(mapping, Mapping)
    collect_and_disturb()
    assert bytes(mapping.data) == b"secret"
    mapping.unmap()
    assert mapping.pool.usage().used == 0


@pytest.mark.parametrize("keeper", ["copy", "copy of a set", "share"])
def test_what_a_function_keeps_of_a_window_keeps_the_memory(keeper: str) -> None:
    """It is given a view for the time of a call, which ends then; but not what was cut out of it."""
    kept = []

    def share(window: memoryview, window_addr: int, shared: bool) -> None:
        kept.extend([window, window[:4]])

    def copy(original: bytes, offset: int, window: memoryview, to_window: bool) -> None:
        window[:] = original
        kept.extend([window, window[:4]])

    block = mmap.mmap(-1, 1 << 18)
    if keeper == "copy":
        BouncePool(GuestMemory.over(block), copy=copy).map(b"secret", Direction.TO_DEVICE)
    else:
        pools = BounceSet(copy=copy) if keeper == "copy of a set" else BounceSet(share=share)
        pools.add(PoolConfig(GuestMemory.over(block)))
        pools.map(b"secret", Direction.TO_DEVICE)
        del pools
    collect_and_disturb()
    with pytest.raises(BufferError):
        block.close()
    window, part = kept
    with pytest.raises(ValueError, match="released"):
        window[0]
    assert bytes(part) == b"secr"
    part.release()
    block.close()


def test_a_bytearray_cannot_be_resized_while_it_is_mapped() -> None:
    pool = BouncePool(GuestMemory(1 << 18))
    original = bytearray(100)
    with pool.map(original, Direction.BIDIRECTIONAL) as mapping:  # type: ignore[union-attr]
        with pytest.raises(BufferError):
            original.extend(b"more")
        assert mapping.size == 100
    del mapping
    gc.collect()
    original.extend(b"more")


def test_a_released_view_stays_mapped() -> None:
    """Its owner may let go of a view; what unmap writes to is held by the pool."""
    pool = BouncePool(GuestMemory(1 << 18))
    block = bytearray(100)
    view = memoryview(block)[10:20]
    mapping = pool.map(view, Direction.FROM_DEVICE)
    assert isinstance(mapping, Mapping)
    view.release()
    with pytest.raises(BufferError):
        block.clear()
    mapping.data[:] = b"0123456789"
    mapping.unmap()
    assert block[10:20] == b"0123456789"
    del mapping
    block.clear()


def test_views_in_cycles_can_be_collected() -> None:
    """
    Up to Python 3.11.8 the collector crashes on a view that is exported: in a process of its own, lest it take this
    one along.
    """
    program = """
import gc
from vring import BouncePool, Direction, GuestMemory

for _ in range(20):
    view = memoryview(bytearray(4096))
    pool = BouncePool(GuestMemory(1 << 18))
    cycle = [pool, view, pool.map(view, Direction.FROM_DEVICE), GuestMemory.over(view)]
    cycle.append(cycle)
    del cycle, pool, view
    gc.collect()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
