# SPDX-License-Identifier: MIT
"""
What a pool does besides map and unmap: reservations, questions, areas, a look for who holds what, other originals.
"""

import pytest

from vring import (
    Blame,
    BounceCode,
    BouncedDriver,
    BouncePool,
    BounceSet,
    CallerError,
    Coherent,
    CorruptError,
    Direction,
    Feature,
    GuestMemory,
    Mapping,
    NoRoom,
    PoolConfig,
    PoolFlag,
    Reservation,
    RingCode,
    allocate_areas,
)
from vring.testing import CacheKind, CacheOperation, watch_caches


@pytest.fixture
def pool() -> BouncePool:
    return BouncePool(GuestMemory(64 * 2048, base=0x100000), segment_slots=16, areas=4)


def test_a_reservation_becomes_a_mapping(pool: BouncePool) -> None:
    reserved = pool.reserve(3000, Direction.BIDIRECTIONAL, owner=7)
    assert isinstance(reserved, Reservation) and pool.usage().used == 2 and not any(reserved.data)
    original = bytearray(b"x" * 3000)
    mapping = reserved.commit(original)
    assert isinstance(mapping, Mapping) and mapping.data == original and mapping.addr == reserved.addr
    mapping.data[:] = b"y" * 3000
    mapping.unmap()
    assert original == b"y" * 3000 and pool.usage().used == 0


def test_a_reservation_that_is_not_used_is_given_back(pool: BouncePool) -> None:
    with pool.reserve(100, Direction.TO_DEVICE) as reserved:  # type: ignore[union-attr]
        assert pool.usage().mappings == 1
    assert pool.usage().mappings == 0
    with pytest.raises(CallerError, match="HANDLE"):
        reserved.commit(bytes(100))
    with pytest.raises(CallerError, match="HANDLE"):
        reserved.cancel()
    with pool.reserve(100, Direction.TO_DEVICE) as reserved:  # type: ignore[union-attr]
        kept = reserved.commit(bytes(100))
    assert pool.usage().mappings == 1
    kept.unmap()


@pytest.mark.parametrize("fails", [False, True])
def test_a_with_block_ends_only_what_has_not_ended(pool: BouncePool, fails: bool) -> None:
    """What ended within it is not ended once more, and what the block raises comes out."""

    def reserved() -> None:
        with pool.reserve(100, Direction.TO_DEVICE) as reservation:  # type: ignore[union-attr]
            reservation.commit(bytes(100)).unmap()
            assert not fails

    def cancelled() -> None:
        with pool.reserve(100, Direction.TO_DEVICE) as reservation:  # type: ignore[union-attr]
            reservation.cancel()
            assert not fails

    def mapped() -> None:
        with pool.map(bytes(100), Direction.TO_DEVICE) as mapping:  # type: ignore[union-attr]
            mapping.unmap()
            assert not fails

    def allocated() -> None:
        with pool.alloc(100) as memory:  # type: ignore[union-attr]
            memory.free()
            assert not fails

    for block in (reserved, cancelled, mapped, allocated):
        if fails:
            with pytest.raises(AssertionError):
                block()
        else:
            block()
        assert pool.usage().used == 0


@pytest.mark.parametrize("closed", [False, True])
def test_a_with_block_closes_a_pool_that_is_not_closed_yet(closed: bool) -> None:
    with BouncePool(GuestMemory(1 << 18)) as pool:
        if closed:
            pool.close()
    with pytest.raises(CallerError, match="STATE"):
        pool.usage()
    with pytest.raises(CallerError, match="STATE"):
        pool.close()


def test_slots_that_went_back_are_shown_no_longer(pool: BouncePool) -> None:
    """Another's data may lie there now."""
    reservation = pool.reserve(100, Direction.TO_DEVICE)
    given_up = pool.reserve(100, Direction.TO_DEVICE)
    memory = pool.alloc(100)
    assert isinstance(reservation, Reservation) and isinstance(given_up, Reservation) and isinstance(memory, Coherent)
    mapping = reservation.commit(b"x" * 100)
    given_up.cancel()
    for ended, argument in ((reservation, "reservation"), (given_up, "reservation")):
        with pytest.raises(CallerError) as error:
            ended.data
        assert error.value.code == BounceCode.HANDLE and error.value.argument == argument
    assert bytes(mapping.data) == b"x" * 100 and not any(memory.data)
    mapping.unmap()
    memory.free()
    for late, argument in ((mapping, "mapping"), (memory, "memory")):
        with pytest.raises(CallerError) as error:
            late.data
        assert error.value.code == BounceCode.HANDLE and error.value.argument == argument


@pytest.mark.parametrize("slot_size, aligned", [(2048, 4096), (8192, 8192)])
def test_a_page_is_as_large_as_a_slot_unless_told(slot_size: int, aligned: int) -> None:
    memory = GuestMemory(8 * slot_size, base=0x100000)
    pools = BounceSet()
    pools.add(PoolConfig(memory, slot_size=slot_size))
    for source in (BouncePool(memory, slot_size=slot_size), pools):
        assert isinstance(source.map(b"x", Direction.TO_DEVICE), Mapping)
        page = source.alloc(1)
        assert isinstance(page, Coherent) and page.addr == 0x100000 + aligned


def test_a_buffer_of_numbers_is_as_long_as_its_bytes(pool: BouncePool) -> None:
    numbers = memoryview(bytearray(range(64))).cast("I")
    with pool.map(numbers, Direction.BIDIRECTIONAL) as mapping:  # type: ignore[union-attr]
        assert mapping.size == 64 and bytes(mapping.data) == bytes(range(64))
        mapping.data[:] = b"\xff" * 64
    assert bytes(numbers) == b"\xff" * 64
    with pool.reserve(64, Direction.TO_DEVICE) as reservation:  # type: ignore[union-attr]
        assert bytes(reservation.commit(numbers).data) == b"\xff" * 64
    with pool.reserve(16, Direction.TO_DEVICE) as reservation:  # type: ignore[union-attr]
        with pytest.raises(CallerError, match="length of buffer = 64.*16 were reserved"):
            reservation.commit(numbers)
    pools = BounceSet()
    config = PoolConfig(GuestMemory(4 * 2048, base=0x900000))
    with pools.map_transient(config, numbers, Direction.TO_DEVICE) as mapping:  # type: ignore[union-attr]
        assert mapping.size == 64


def test_commit_refuses_another_size(pool: BouncePool) -> None:
    reserved = pool.reserve(100, Direction.TO_DEVICE)
    assert isinstance(reserved, Reservation)
    with pytest.raises(CallerError, match="length of buffer = 99.*100 were reserved"):
        reserved.commit(bytes(99))
    reserved.commit(bytes(100)).unmap()


def test_can_map_says_never_without_trying(pool: BouncePool) -> None:
    assert pool.can_map(1) and pool.can_map(16 * 2048)
    assert not pool.can_map(16 * 2048 + 1)
    assert not pool.can_map(1, alloc_align_mask=(1 << 40) - 1)
    with pytest.raises(CallerError, match="min_align_mask"):
        pool.can_map(1, min_align_mask=2)
    with pytest.raises(CallerError, match="size"):
        pool.can_map(0)
    assert pool.usage().mappings == 0


def test_areas_are_counted_apart(pool: BouncePool) -> None:
    mapping = pool.map(bytes(5000), Direction.TO_DEVICE, area=2)
    assert isinstance(mapping, Mapping)
    assert [pool.usage(area).used for area in range(4)] == [0, 0, 3, 0]
    assert pool.usage(2).slots == 16 and pool.usage().longest_run == 16
    with pytest.raises(CallerError, match="area = 4"):
        pool.usage(4)
    mapping.unmap()
    assert pool.usage().high_water == 3
    pool.reset_high_water()
    assert pool.usage().high_water == 0


def test_an_address_leads_to_its_mapping(pool: BouncePool) -> None:
    mapping = pool.map(bytes(3000), Direction.TO_DEVICE, owner=42)
    assert isinstance(mapping, Mapping)
    found = pool.find_mapping(mapping.addr + 2999)
    assert found == mapping.info and found.owner == 42
    assert pool.find_mapping(mapping.addr + 2 * 2048) is None and pool.find_mapping(0) is None


def test_a_pool_says_when_its_metadata_are_corrupt(pool: BouncePool) -> None:
    mapping = pool.map(bytes(3000), Direction.TO_DEVICE)
    pool.verify()
    found = 0
    for i in range(len(pool._meta)):
        before, pool._meta[i] = pool._meta[i], pool._meta[i] ^ (1 << 40 | 1)
        try:
            pool.try_view().verify()  # the word may be a lock, which now looks held
        except CorruptError as error:
            assert "slot" in str(error)
            found += 1
        except CallerError as error:
            assert error.code == BounceCode.BUSY
        pool._meta[i] = before
    pool.verify()
    assert mapping and found > 16, "flipped bits are found in every kind of metadata"


def test_a_view_that_never_waits_sees_the_same_pool(pool: BouncePool) -> None:
    view = pool.try_view()
    mapping = view.map(b"through the view", Direction.TO_DEVICE)
    assert isinstance(mapping, Mapping) and pool.usage().mappings == 1
    del pool
    mapping.unmap()
    assert view.usage().mappings == 0


def test_a_view_ends_with_its_pool_and_not_before(pool: BouncePool) -> None:
    with pool.try_view() as view:
        inner = view.try_view()
    assert view.usage().used == 0
    with pytest.raises(CallerError, match="STATE"):
        view.close()
    pool.close()
    again = BouncePool(pool.memory)
    with again.map(b"secret", Direction.TO_DEVICE) as mapping:  # type: ignore[union-attr]
        for late in (view, inner):
            with pytest.raises(CallerError, match="STATE"):
                late.map(b"XXXXXX", Direction.TO_DEVICE)
            with pytest.raises(CallerError, match="STATE"):
                late.usage()
        assert bytes(mapping.data) == b"secret"


class Scattered:
    """An original in pages of 1000 bytes: no memory that a pointer could name."""

    def __init__(self, size: int) -> None:
        self.pages = [bytearray(1000) for _ in range(-(-size // 1000))]
        self.size = size

    def __len__(self) -> int:
        return self.size

    def copy(self, offset: int, window: memoryview, to_window: bool) -> None:
        for i in range(len(window)):
            page, at = divmod(offset + i, 1000)
            if to_window:
                window[i] = self.pages[page][at]
            else:
                self.pages[page][at] = window[i]


def test_originals_that_are_no_memory() -> None:
    pool = BouncePool(GuestMemory(64 * 2048), copy=Scattered.copy)
    original = Scattered(2500)
    original.pages[1][:5] = b"hello"
    mapping = pool.map(original, Direction.BIDIRECTIONAL)
    assert isinstance(mapping, Mapping) and bytes(mapping.data[1000:1005]) == b"hello"
    mapping.data[1999:2002] = b"bye"
    mapping.sync_for_cpu(1999, 2)
    assert original.pages[1][999:] == b"b" and original.pages[2][:2] == b"y\0"
    mapping.unmap()
    assert original.pages[2][:2] == b"ye"


def test_a_copy_that_fails_is_the_cause() -> None:
    def fails(original: object, offset: int, window: memoryview, to_window: bool) -> None:
        raise OSError("the page is gone")

    pool = BouncePool(GuestMemory(64 * 2048), copy=fails)
    with pytest.raises(CallerError) as error:
        pool.map(Scattered(10), Direction.TO_DEVICE)
    assert error.value.code == BounceCode.COPY and isinstance(error.value.__cause__, OSError)
    assert pool.usage().used == 0 and not isinstance(pool.alloc(100), NoRoom)


def test_a_queue_does_not_take_a_pool_with_a_copy_function() -> None:
    memory = GuestMemory(1 << 18)
    areas = allocate_areas(memory, 8, Feature.VERSION_1)
    pool = BouncePool(memory, memory.base + (1 << 17), copy=Scattered.copy)
    with pytest.raises(TypeError, match="pool must have no copy function"):
        BouncedDriver(pool, memory, areas, Feature.VERSION_1)


def test_padding_is_cleared_unless_the_pool_keeps_it() -> None:
    for flags, shown in ((PoolFlag(0), 0), (PoolFlag.KEEP_PADDING, 0xDD)):
        memory = GuestMemory(64 * 2048, base=0x100000)
        pool = BouncePool(memory, flags=flags)
        memory.view(memory.base, memory.size)[:] = b"\xdd" * memory.size
        mapping = pool.map(b"x" * 100, Direction.TO_DEVICE, min_align_mask=0xFFF, orig_addr=0x210)
        assert isinstance(mapping, Mapping) and mapping.addr & 0xFFF == 0x210
        around = memory.read(mapping.addr - 0x210, 0x210) + memory.read(mapping.addr + 100, 2048 - 0x210 - 100)
        assert set(around) == {shown}, flags


def test_no_data_lie_above_what_the_device_reaches(pool: BouncePool) -> None:
    last = 0x100000 + 3 * 2048 - 1
    held = [pool.map(bytes(2048), Direction.TO_DEVICE, limit=last) for _ in range(3)]
    assert all(isinstance(mapping, Mapping) and mapping.addr + 2047 <= last for mapping in held)
    assert not pool.map(bytes(1), Direction.TO_DEVICE, limit=last) and pool.usage().used == 3
    assert not pool.can_map(1, limit=0xFFFFF) and pool.can_map(1, limit=0x100000)
    with pytest.raises(CallerError, match="masks and limit.*0xfffff"):
        pool.map(bytes(1), Direction.TO_DEVICE, limit=0xFFFFF)
    with pytest.raises(CallerError, match="limit = -1"):
        pool.reserve(1, Direction.TO_DEVICE, limit=-1)


class FarSide:
    """A device that does not look into caches: it has a memory of its own, which cache operations alone exchange."""

    def __init__(self, memory: GuestMemory) -> None:
        self.memory = memory
        self.sees = bytearray(memory.read(memory.base, memory.size))
        self.told: list[tuple[str, int, int]] = []

    def exchange(self, operation: CacheOperation) -> None:
        addr = operation.within(self.memory)
        assert addr is not None
        part = slice(addr - self.memory.base, addr - self.memory.base + operation.size)
        here = self.memory.view(addr, operation.size)
        if operation.kind == CacheKind.CLEAN:
            self.sees[part] = here
        else:
            here[:] = self.sees[part]
        self.told.append((operation.kind.name, addr, operation.size))


def test_a_device_that_does_not_look_into_caches_is_told_what_it_must_see(pool: BouncePool) -> None:
    device, original = FarSide(pool.memory), bytearray(b"question" + bytes(92))
    with watch_caches(device.exchange):
        mapping = pool.map(original, Direction.BIDIRECTIONAL)
        assert isinstance(mapping, Mapping)
        at = mapping.addr - pool.window_addr
        assert device.sees[at : at + 8] == b"question" and original[:8] == b"question"
        device.sees[at : at + 8] = b"answer!!"
        assert bytes(mapping.data[:8]) == b"question", "not seen yet"
        mapping.sync_for_cpu(0, 8)
        assert original[:8] == b"answer!!" and device.told[-1] == ("INVALIDATE", mapping.addr, 8)
        mapping.unmap()
        assert not any(device.sees)
    before = len(device.told)
    pool.alloc(100)
    assert before > 3 and len(device.told) == before, "watched no longer"


def test_without_cache_operations_such_a_device_would_see_nothing(pool: BouncePool) -> None:
    """Negative control."""
    device = FarSide(pool.memory)
    assert isinstance(pool.map(b"question", Direction.TO_DEVICE), Mapping) and not any(device.sees)


def test_what_a_watcher_of_caches_raises_comes_out_at_the_end(pool: BouncePool) -> None:
    def fails(operation: CacheOperation) -> None:
        raise RuntimeError("the cache is gone")

    with pytest.raises(RuntimeError, match="the cache is gone"):
        with watch_caches(fails):
            mapping = pool.map(b"x", Direction.TO_DEVICE)
    assert isinstance(mapping, Mapping)


def test_every_code_says_whose_move_it_is() -> None:
    assert BounceCode.FULL.blame == RingCode.EMPTY.blame == Blame.STATE
    assert BounceCode.HANDLE.blame == RingCode.HANDLE.blame == Blame.CALLER
    assert RingCode.CHAIN_ADDR.blame == Blame.CHAIN and RingCode.PEER_ID.blame == Blame.PEER
    assert BounceCode.CORRUPT.blame == Blame.POOL
    assert all(code.blame == Blame.PEER for code in RingCode if code.name.startswith("PEER_"))
    assert {code.name for code in BounceCode if code.blame == Blame.STATE} == {"FULL", "FRAGMENTED", "BUSY", "MAPPINGS"}
