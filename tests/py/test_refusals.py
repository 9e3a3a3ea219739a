# SPDX-License-Identifier: MIT
"""Bad input from Python: an exception that says whose fault it is and names the argument, and nothing has changed."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from vring import (
    BounceCode,
    BouncePool,
    BounceSet,
    CallerError,
    Chain,
    ChainError,
    Coherent,
    CorruptError,
    Direction,
    Feature,
    GuestMemory,
    IndirectTable,
    Mapping,
    MissError,
    NoRoom,
    PeerError,
    Region,
    RingCode,
    SplitAreas,
    SplitDevice,
    SplitDriver,
    SplitLayout,
    Usage,
    VringError,
    accept,
    allocate_areas,
    supported,
)
from vring.lowlevel import ffi, lib
from vring.testing import SplitWords

V1 = Feature.VERSION_1


class Ring:
    """A ring of 8 entries, all features, and 4 KiB for buffers."""

    def __init__(self, features: int = V1 | Feature.INDIRECT_DESC | Feature.EVENT_IDX) -> None:
        self.memory = GuestMemory(1 << 16)
        self.areas = SplitAreas.allocate(self.memory, 8)
        self.data = self.memory.allocate(4096)
        self.driver = SplitDriver(self.memory, self.areas, features)
        self.device = SplitDevice(self.memory, self.areas, features)
        self.words = SplitWords(self.memory, self.areas)

    def everything(self) -> tuple[object, ...]:
        return (self.memory.read(self.memory.base, self.memory.size), self.driver.snapshot(), self.device.snapshot())


@pytest.fixture
def ring() -> Ring:
    return Ring()


def refused(
    code: RingCode | BounceCode, argument: str | None, call: Callable[..., object], *args: Any, **named: Any
) -> None:
    with pytest.raises(CallerError) as error:
        call(*args, **named)
    assert isinstance(error.value, ValueError) and isinstance(error.value, VringError)
    assert error.value.code == code, error.value
    assert error.value.argument == argument, error.value
    assert (
        (argument or "") in str(error.value) and code.name in str(error.value) and error.value.text in str(error.value)
    )


# ------------------------------------------------------------------------------------------------------- setting up ---


@pytest.mark.parametrize("size", [0, 3, 6, 32769, 65536, 1 << 31, 1 << 32, -1])
def test_V1_a_queue_size_that_is_none_is_refused(size: int) -> None:
    memory = GuestMemory(1 << 16)
    refused(RingCode.SIZE, "size", SplitLayout.of, size)
    for side in (SplitDriver, SplitDevice):
        refused(RingCode.SIZE, "size", side, memory, SplitAreas(size, memory.base, memory.base, memory.base), V1)


@pytest.mark.parametrize("queue_align", [3, 2, 131072, -4])
def test_V6_a_queue_align_that_is_none_is_refused(queue_align: int) -> None:
    refused(RingCode.ALIGN, "queue_align", SplitLayout.of, 8, queue_align)


@pytest.mark.parametrize("side", [SplitDriver, SplitDevice])
def test_areas_are_checked(side: Callable[..., object]) -> None:
    memory = GuestMemory(1 << 16)
    base = memory.base
    refused(RingCode.ALIGN, "areas", side, memory, SplitAreas(8, base + 8, base + 0x1000, base + 0x2000), V1)
    refused(RingCode.ALIGN, "areas", side, memory, SplitAreas(8, base, base + 0x1001, base + 0x2000), V1)
    refused(RingCode.ALIGN, "areas", side, memory, SplitAreas(8, base, base + 0x1000, base + 0x2002), V1)
    with pytest.raises(IndexError, match="not all within"):
        side(memory, SplitAreas(8, base, base + 0x1000, base + (1 << 16) - 8), V1)
    with pytest.raises(CallerError, match="areas") as error:
        side(memory, SplitAreas(8, base, base + 112, base + 0x2000), V1)
    assert error.value.code == RingCode.OVERLAP


@pytest.mark.parametrize("side", [SplitDriver, SplitDevice])
def test_features_are_checked(side: Callable[..., object]) -> None:
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 8)
    for features in (Feature.IN_ORDER, V1 | Feature.RING_PACKED, V1 | Feature.ADMIN_VQ, -1, 1 << 64):
        refused(RingCode.FEATURE, "features", side, memory, areas, features)
    refused(RingCode.CHAIN, "max_chain", side, memory, areas, V1, max_chain=-1)
    refused(RingCode.SIZE, "index", side, memory, areas, V1, index=65536)
    with pytest.raises(TypeError, match="max_chain must be an int, not str"):
        side(memory, areas, V1, max_chain="8")


def test_the_driver_refuses_a_chain_longer_than_next_can_say() -> None:
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 8)
    refused(RingCode.CHAIN, "max_chain", SplitDriver, memory, areas, V1, max_chain=65536)


def test_regions_are_checked() -> None:
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 8)
    base, half = memory.base, 1 << 15
    low, high = Region(memory, base, half), Region(memory, base + half, half)
    SplitDevice(memory, areas, V1, regions=[low, high])
    for bad in ([high, low], [low, low], [low, Region(memory, base + half - 1, half)]):
        refused(RingCode.OVERLAP, "areas and regions", SplitDevice, memory, areas, V1, regions=bad)
    refused(RingCode.ADDR, "areas and regions", SplitDevice, memory, areas, V1, regions=[Region(memory, base, 0)])
    with pytest.raises(IndexError, match="not all within"):
        SplitDevice(memory, areas, V1, regions=[Region(memory, base, 1 << 17)])


def test_features_that_this_build_lacks_are_taken_out() -> None:
    assert V1 | Feature.EVENT_IDX | Feature.INDIRECT_DESC in supported()
    assert Feature.ADMIN_VQ not in supported() and supported(1) == 0
    everything, legacy = (1 << 64) - 1, Feature.NOTIFY_ON_EMPTY | Feature.ANY_LAYOUT
    assert accept(everything) & supported() == supported() & ~legacy
    assert Feature.ADMIN_VQ not in accept(everything) and accept(everything) & 0xFFFFFF == 0xFFFFFF


# ------------------------------------------------------------------------------------------------------- the driver ---


@pytest.mark.parametrize(
    "code, argument, pieces",
    [
        (RingCode.CHAIN, "number of pieces", ([], [])),
        (RingCode.CHAIN, "number of pieces", ([(0x1000, 1)] * 5, [(0x1000, 1)] * 4)),
        (RingCode.CHAIN, "number of pieces", ([(0x1000, 1)] * 70000, [])),
        (RingCode.LEN, "length of writable[1]", ([], [(0x1000, 1), (0x1000, 0)])),
        (RingCode.LEN, "length of readable[0]", ([(0x1000, 1 << 32)], [])),
        (RingCode.LEN, "length of readable[0]", ([(0x1000, -1)], [])),
        (RingCode.LEN, "total length", ([(0, 0xFFFFFFFF), (0, 2)], [])),
        (RingCode.ADDR, "address of readable[1]", ([(0, 1), ((1 << 64) - 1, 2)], [])),
        (RingCode.ADDR, "address of writable[0]", ([(0, 1)], [(1 << 64, 2)])),
        (RingCode.ADDR, "address of writable[0]", ([(0, 1)], [(-1, 2)])),
    ],
)
@pytest.mark.parametrize("indirect", [False, True])
def test_add_refuses(
    ring: Ring, code: RingCode, argument: str, pieces: tuple[list[Any], list[Any]], indirect: bool
) -> None:
    before = ring.everything()
    lists = [(addr, ring.memory.read(addr, 16 * 8)) for addr in (ring.areas.desc, ring.data)]
    if indirect:
        refused(code, argument, ring.driver.add_indirect, IndirectTable(ring.memory, ring.data, 8), *pieces, "token")
    else:
        refused(code, argument, ring.driver.add_avail, *pieces, "token")
    for addr, content in lists:  # free descriptors, and a table whose buffer is refused: nobody reads either
        ring.memory.write(addr, content)
    assert ring.everything() == before and ring.driver.in_flight == 0


def test_add_names_a_piece_of_the_wrong_type(ring: Ring) -> None:
    with pytest.raises(TypeError, match=r"address of readable\[1\] must be an int, not str"):
        ring.driver.add_avail([(1, 2), ("here", 2)])  # type: ignore[list-item]


def test_indirect_tables_are_checked(ring: Ring) -> None:
    piece = [(ring.data, 1)]
    refused(RingCode.ALIGN, "table", ring.driver.add_indirect, IndirectTable(ring.memory, ring.data + 8, 4), piece)
    refused(
        RingCode.CHAIN,
        "number of pieces",
        ring.driver.add_indirect,
        IndirectTable(ring.memory, ring.data, 1),
        piece * 2,
    )
    with pytest.raises(IndexError):
        ring.driver.add_indirect(IndirectTable(ring.memory, ring.memory.base + ring.memory.size - 16, 2), piece)
    refused(RingCode.FEATURE, "table", Ring(V1).driver.add_indirect, IndirectTable(ring.memory, ring.data, 4), piece)


def test_V36_never_fits_and_no_room_now_are_told_apart(ring: Ring) -> None:
    piece = [(ring.data, 1)]
    assert ring.driver.add_avail(piece * 8)
    assert ring.driver.add_avail(piece) is False
    refused(RingCode.CHAIN, "number of pieces", ring.driver.add_avail, piece * 9)


def test_abort_without_anything_staged(ring: Ring) -> None:
    refused(RingCode.STATE, None, ring.driver.abort)
    ring.driver.add_avail([(ring.data, 1)])
    ring.driver.publish()
    refused(RingCode.STATE, None, ring.driver.abort)


def test_after_reset_every_call_says_so(ring: Ring) -> None:
    assert ring.driver.reset() == []
    ring.device.reset()
    for call in (
        ring.driver.publish,
        ring.driver.get_used,
        ring.driver.enable_notify,
        ring.driver.snapshot,
        ring.driver.disable_notify,
        ring.device.publish,
        ring.device.get_avail,
        ring.device.enable_notify,
    ):
        refused(RingCode.STATE, None, call)


# ------------------------------------------------------------------------------------------------------- the device ---


def test_V59_stale_doubled_and_foreign_handles_are_refused(ring: Ring) -> None:
    for _ in range(2):
        ring.driver.add_avail([], [(ring.data, 4)])
    ring.driver.publish()
    first, second = ring.device.get_avail(), ring.device.get_avail()
    assert first and second
    before = ring.everything()
    refused(RingCode.HANDLE, "chain", ring.device.rewind, first)  # not the last
    refused(RingCode.HANDLE, "chain", ring.device.add_used, 0xDEADBEEF, 0)
    refused(RingCode.HANDLE, "chain", ring.device.add_used, -1, 0)
    refused(RingCode.LEN, "written", ring.device.add_used, first, 5)
    refused(RingCode.LEN, "written", ring.device.add_used, first, 1 << 32)
    assert ring.everything() == before
    ring.device.add_used(first, 4)
    refused(RingCode.HANDLE, "chain", ring.device.add_used, first, 4)
    refused(RingCode.HANDLE, "chain", ring.device.rewind, first)


def test_a_chain_takes_no_more_than_it_has_room_for() -> None:
    parts = bytearray(4), bytearray(0), bytearray(3)
    chain = Chain(1, (), [memoryview(part) for part in parts])
    chain.write(b"ab")
    chain.write(b"cde")
    assert [bytes(part) for part in parts] == [b"abcd", b"", b"e\0\0"] and chain.room == 2
    with pytest.raises(ValueError, match="3 bytes do not fit into the 2 that are left"):
        chain.write(b"xyz")
    assert [bytes(part) for part in parts] == [b"abcd", b"", b"e\0\0"] and chain.written == 5
    chain.write(b"fg")
    assert [bytes(part) for part in parts] == [b"abcd", b"", b"efg"] and chain.room == 0


# ------------------------------------------------------------------------------------------- what the peer has done ---


def test_a_peer_error_says_what_stood_where_and_sticks(ring: Ring) -> None:
    ring.driver.add_avail([(ring.data, 1)], token="mine")
    ring.driver.publish()
    ring.words.set_used(0, 5, 0)
    ring.words.used_idx = 1
    assert ring.driver.fault is None
    for call in (ring.driver.get_used, ring.driver.publish, ring.driver.get_used):
        with pytest.raises(PeerError, match="PEER_ID") as error:
            call()
        assert (error.value.code, error.value.position, error.value.value) == (RingCode.PEER_ID, 0, 5)
    assert ring.driver.fault and ring.driver.fault.code == RingCode.PEER_ID
    assert ring.driver.reset() == ["mine"]


def test_a_chain_error_leaves_the_queue_alive(ring: Ring) -> None:
    ring.driver.add_avail([(1 << 40, 1)], token="outside")
    ring.driver.add_avail([(ring.data, 1)], token="inside")
    ring.driver.publish()
    with pytest.raises(ChainError, match="CHAIN_ADDR") as error:
        ring.device.get_avail()
    ring.device.add_used(error.value.handle, 0)
    chain = ring.device.get_avail()
    assert chain
    ring.device.add_used(chain, 0)
    ring.device.publish()
    assert ring.driver.get_used() == ("outside", 0) and ring.driver.get_used() == ("inside", 0)


@pytest.mark.parametrize(
    "error",
    [
        CallerError(RingCode.SIZE, "SplitLayout.of", "size", 3),
        CallerError(BounceCode.COPY, "BouncePool.map"),
        CallerError(RingCode.FEATURE, "Driver", "features", V1, "no such"),
        ChainError(RingCode.CHAIN_ADDR, "Device.get_avail", 3),
        ChainError(RingCode.CHAIN_ADDR, "Device.peek", 3, taken=False),
        MissError("Device.get_avail", 1 << 40),
        PeerError(RingCode.PEER_ID, "Driver.get_used", 1, 2),
        CorruptError(BounceCode.CORRUPT, "BouncePool.verify", "a flaw, slot 1, area 0"),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.code.name}",
)
def test_an_error_is_the_same_in_another_process(error: VringError) -> None:
    error.add_note("seen by a worker") if hasattr(error, "add_note") else None
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error) and str(again) == str(error) and again.__dict__ == error.__dict__
        assert again.args == error.args


def test_an_error_about_what_cannot_leave_the_process_says_what_it_was(ring: Ring) -> None:
    with pytest.raises(CallerError) as error:
        ring.driver.add_indirect(IndirectTable(ring.memory, ring.data + 8, 4), [(ring.data, 1)])
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value) and again.argument == "table" and again.value == repr(error.value.value)


# --------------------------------------------------------------------------------------------------------- the pool ---


@pytest.fixture
def pool() -> BouncePool:
    return BouncePool(GuestMemory(64 * 2048, base=0x100000))


@pytest.mark.parametrize(
    "code, argument, wrong",
    [
        (BounceCode.GEOMETRY, "geometry", {"slot_size": 1000}),
        (BounceCode.GEOMETRY, "geometry", {"slot_size": 128}),
        (BounceCode.GEOMETRY, "geometry", {"segment_slots": 3}),
        (BounceCode.GEOMETRY, "geometry", {"segment_slots": 8192}),
        (BounceCode.GEOMETRY, "geometry", {"page_size": 1024}),
        (BounceCode.GEOMETRY, "geometry", {"page_size": 5000}),
        (BounceCode.GEOMETRY, "geometry", {"areas": 3}),
        (BounceCode.GEOMETRY, "geometry", {"areas": 2}),
        (BounceCode.GEOMETRY, "geometry", {"slots": 0}),
        (BounceCode.GEOMETRY, "geometry", {"cursor": 64}),
        (BounceCode.GEOMETRY, "geometry", {"flags": 64}),
        (BounceCode.GEOMETRY, "cursor", {"cursor": -1}),
        (BounceCode.GEOMETRY, "areas", {"areas": 1 << 32}),
        (BounceCode.ALIGN, "window_addr", {"window_addr": 0x100400}),
        (BounceCode.ADDR, "window_addr", {"window_addr": (1 << 64) - 2048}),
        (BounceCode.ADDR, "window_addr", {"window_addr": 1 << 64}),
    ],
)
def test_a_pool_that_cannot_be_is_refused(code: BounceCode, argument: str, wrong: dict[str, int]) -> None:
    memory = GuestMemory(64 * 2048, base=0x100000)
    memory.write(memory.base, b"as it was")
    refused(code, argument, BouncePool, memory, **wrong)
    assert memory.read(memory.base, 9) == b"as it was"


def test_a_window_outside_its_memory_is_refused() -> None:
    with pytest.raises(IndexError):
        BouncePool(GuestMemory(64 * 2048), slots=65)


def test_map_refuses(pool: BouncePool) -> None:
    to_device = Direction.TO_DEVICE
    refused(BounceCode.SIZE, "length of buffer", pool.map, b"", to_device)
    refused(BounceCode.DIRECTION, "direction", pool.map, b"x", 0)
    refused(BounceCode.DIRECTION, "direction", pool.map, b"x", 4)
    for mask in ("alloc_align_mask", "min_align_mask", "boundary_mask"):
        refused(BounceCode.MASK, mask, pool.map, b"x", to_device, **{mask: 0x1800})
        refused(BounceCode.MASK, mask, pool.map, b"x", to_device, **{mask: -1})
        refused(BounceCode.MASK, mask, pool.map, b"x", to_device, **{mask: 1 << 64})
    refused(BounceCode.ADDR, "orig_addr", pool.map, b"xy", to_device, orig_addr=(1 << 64) - 1)
    refused(BounceCode.ADDR, "orig_addr", pool.map, b"xy", to_device, orig_addr=1 << 64)
    refused(BounceCode.TOO_LARGE, "length of buffer", pool.map, bytes(262145), to_device)
    refused(
        BounceCode.TOO_LARGE, "length of buffer, and masks", pool.map, b"x", to_device, alloc_align_mask=(1 << 20) - 1
    )
    refused(BounceCode.UNSATISFIABLE, "masks", pool.map, b"x", to_device, alloc_align_mask=0x3FFF, boundary_mask=0xFFF)
    refused(BounceCode.OVERLAP, "buffer", pool.map, pool.memory.view(0x100000, 64), Direction.BIDIRECTIONAL)
    with pytest.raises(TypeError, match="buffer must be writable for FROM_DEVICE"):
        pool.map(b"read-only", Direction.FROM_DEVICE)
    with pytest.raises(TypeError, match="owner must be an int, not str"):
        pool.map(b"x", to_device, owner="me")  # type: ignore[arg-type]
    assert pool.usage() == Usage(64, 0, 0, 0, 64)


def test_alloc_refuses(pool: BouncePool) -> None:
    refused(BounceCode.SIZE, "size", pool.alloc, 0)
    refused(BounceCode.SIZE, "size", pool.alloc, -1)
    refused(BounceCode.TOO_LARGE, "size", pool.alloc, 262145)
    refused(BounceCode.TOO_LARGE, "size", pool.alloc, (1 << 63) - 1)
    assert pool.usage().used == 0


@pytest.mark.parametrize("size", [2**64 - 1, 2**64 - 0xFFF, 2**43 + 2048, 2**32, 2**31 + 1])
@pytest.mark.parametrize("masks", [(0, 0), (0xFFF, 0), (0, 0xFFF), (2**32 - 1, 0xFFF), (2**64 - 1, 2**64 - 1)])
def test_S33_sizes_that_overflow_are_refused(pool: BouncePool, size: int, masks: tuple[int, int]) -> None:
    """No Python buffer is that long, so the C is asked directly."""
    request = ffi.new("struct bounce_request *")
    original = ffi.new("char[]", 16)
    request.orig, request.size, request.direction = original, size, Direction.TO_DEVICE
    request.alloc_align_mask, request.min_align_mask, request.orig_addr = *masks, 0xFFF
    answer = lib.bounce_map(pool._pool, request, ffi.new("struct bounce_mapping *"))
    assert answer in (
        BounceCode.SIZE,
        BounceCode.ADDR,
        BounceCode.TOO_LARGE,
        BounceCode.OVERLAP,
        BounceCode.UNSATISFIABLE,
    )
    assert pool.usage() == Usage(64, 0, 0, 0, 64)


def test_S30_a_mapping_ends_once(pool: BouncePool) -> None:
    mapping, memory = pool.map(bytearray(100), Direction.BIDIRECTIONAL), pool.alloc(4096)
    assert isinstance(mapping, Mapping) and isinstance(memory, Coherent)
    refused(BounceCode.RANGE, "written", mapping.unmap, 101)
    refused(BounceCode.RANGE, "written", mapping.unmap, -1)
    refused(BounceCode.RANGE, "offset and length", mapping.sync_for_cpu, 50, 51)
    refused(BounceCode.RANGE, "offset and length", mapping.sync_for_device, 101, 0)
    assert pool.usage() == Usage(64, 3, 3, 2, 60)
    mapping.unmap()
    memory.free()
    refused(BounceCode.HANDLE, "mapping", mapping.unmap)
    refused(BounceCode.HANDLE, "mapping", mapping.sync_for_cpu)
    refused(BounceCode.HANDLE, "memory", memory.free)
    assert pool.usage() == Usage(64, 0, 3, 0, 64)


def test_the_wrong_kind_of_end_is_refused(pool: BouncePool) -> None:
    """unmap for coherent memory, free for a mapping, another direction: only the C call can be misused so."""
    mapping, memory = pool.map(bytearray(100), Direction.BIDIRECTIONAL), pool.alloc(4096)
    assert isinstance(mapping, Mapping) and isinstance(memory, Coherent)
    assert lib.bounce_unmap(pool._pool, mapping.info.handle, Direction.TO_DEVICE, 0) == BounceCode.DIRECTION
    assert lib.bounce_free(pool._pool, mapping.info.handle) == BounceCode.HANDLE
    assert lib.bounce_unmap(pool._pool, memory.info.handle, Direction.BIDIRECTIONAL, 0) == BounceCode.HANDLE
    assert lib.bounce_unmap(pool._pool, mapping.info.handle ^ 1 << 40, Direction.BIDIRECTIONAL, 0) == BounceCode.HANDLE
    assert pool.usage().mappings == 2


def test_S43_full_fragmented_and_too_large_are_told_apart(pool: BouncePool) -> None:
    held = [pool.map(bytes(2048), Direction.TO_DEVICE) for _ in range(64)]
    answer = pool.map(b"x", Direction.TO_DEVICE)
    assert answer is NoRoom.FULL and not answer
    for mapping in held[::2]:
        assert isinstance(mapping, Mapping)
        mapping.unmap()
    assert pool.map(bytes(2049), Direction.TO_DEVICE) is NoRoom.FRAGMENTED
    refused(BounceCode.TOO_LARGE, "length of buffer", pool.map, bytes(262145), Direction.TO_DEVICE)


def test_S38_a_mapping_that_ends_with_an_exception_copies_nothing_back(pool: BouncePool) -> None:
    original = bytearray(b"before")
    with pytest.raises(RuntimeError):
        with pool.map(original, Direction.BIDIRECTIONAL) as mapping:  # type: ignore[union-attr]
            mapping.data[:] = b"device"
            raise RuntimeError
    assert original == b"before" and pool.usage().used == 0
    with pool.map(original, Direction.BIDIRECTIONAL) as mapping:  # type: ignore[union-attr]
        mapping.data[:] = b"device"
    assert original == b"device" and pool.usage().used == 0


def test_a_pool_with_live_mappings_cannot_be_closed() -> None:
    with pytest.raises(CallerError, match="live mappings") as error, BouncePool(GuestMemory(1 << 18)) as pool:
        mapping = pool.map(b"held", Direction.TO_DEVICE)
    assert error.value.code == BounceCode.BUSY and isinstance(mapping, Mapping)
    mapping.unmap()
    pool.close()
    refused(BounceCode.STATE, None, pool.usage)


# ----------------------------------------------------------------------------------------------------------- memory ---


def test_memory_refuses_what_it_cannot_be() -> None:
    for size in (0, -1):
        with pytest.raises(ValueError, match="size must be positive"):
            GuestMemory(size)
    for base in (-1, (1 << 64) - 4095):
        with pytest.raises(ValueError, match="64-bit address space"):
            GuestMemory(4096, base=base)
    with pytest.raises(ValueError, match="16-byte aligned"):
        GuestMemory.over(memoryview(bytearray(64))[1:])
    with pytest.raises(BufferError):
        GuestMemory.over(memoryview(bytes(64)))


def test_memory_refuses_what_lies_outside() -> None:
    memory = GuestMemory(4096, base=0x1000)
    for addr, size in ((0xFFF, 1), (0x1FFF, 2), (0x2000, 1), (0x1000, -1), (-1, 1)):
        for call in (memory.read, memory.view, memory.pointer):
            with pytest.raises(IndexError, match="not all within"):
                call(addr, size)
    with pytest.raises(IndexError):
        memory.write(0x1FFF, b"ab")
    for size, align in ((0, 16), (16, 3), (16, 0), (-1, 16)):
        with pytest.raises(ValueError):
            memory.allocate(size, align)
    wrong: Any = 32.0
    for words in ((wrong,), (16, wrong)):
        with pytest.raises(TypeError, match="size and align must be ints"):
            memory.allocate(*words)
    with pytest.raises(TypeError, match="entries must be an int, not float"):
        IndirectTable.allocate(memory, wrong)
    assert memory.allocate(1) == 0x1000 and memory.allocate(4080, 16) == 0x1010
    with pytest.raises(MemoryError):
        memory.allocate(1)


def test_a_number_that_is_none_is_named_and_so_is_what_is_no_number(ring: Ring) -> None:
    refused(RingCode.HANDLE, "chain", ring.device.rewind, -1)
    refused(RingCode.HANDLE, "chain", ring.device.rewind, 1 << 32)
    refused(RingCode.FEATURE, "offered", accept, -1)
    refused(RingCode.FEATURE, "word", accept, 0, 1 << 32)
    refused(RingCode.FEATURE, "word", supported, -1)
    refused(RingCode.FEATURE, "features", allocate_areas, ring.memory, 8, -1)
    ring.driver.add_avail(writable=[(ring.data, 4)])
    ring.driver.publish()
    chain: Any = ring.device.get_avail()
    memory, areas = ring.memory, ring.areas
    driver: Any = SplitDriver
    device: Any = SplitDevice
    anything: Any = None
    taking: Any = ring.device
    adding: Any = ring.driver
    pools: Any = BounceSet()
    over: Any = GuestMemory.over
    lengths: list[Any] = ["", [], {}, 0.0]
    slips: list[tuple[str, Callable[[], object]]] = [
        *[(r"add_used: written must be an int", lambda w=w: taking.add_used(chain, w)) for w in lengths],
        (r"rewind: chain must be an int, not NoneType", lambda: taking.rewind(anything)),
        (r"readable\[0\] must be \(address, bytes\), not \(1,\)", lambda: adding.add_avail([(1,)])),
        (r"readable\[1\] must be", lambda: adding.add_avail_run([(1, 2), (1,)])),
        (r"writable\[0\] must be", lambda: adding.add_avail_batch([([], [()], 1)])),
        (r"offers\[0\] must be \(readable, writable, token\)", lambda: adding.add_avail_batch([(5, 5)])),
        (r"SplitDevice.recover: inflight must be", lambda: device.recover(None, memory, areas, V1)),
        (r"SplitDriver: areas must be SplitAreas or PackedAreas, not NoneType", lambda: driver(memory, None, V1)),
        (r"SplitDevice: areas must be SplitAreas or PackedAreas, not tuple", lambda: device(memory, (8, 0, 0, 0), V1)),
        (r"SplitDriver: memory must be a GuestMemory, not NoneType", lambda: driver(None, areas, V1)),
        (r"SplitDevice: memory must be a GuestMemory, not bytearray", lambda: device(bytearray(9), areas, V1)),
        (r"BouncePool: memory must be a GuestMemory", lambda: BouncePool(anything)),
        (r"BounceSet.add: config must be a PoolConfig, not GuestMemory", lambda: pools.add(memory)),
        (r"regions\[0\]: memory must be a GuestMemory", lambda: taking.set_regions([Region(anything)])),
        (
            r"add_indirect: table: memory must be a GuestMemory",
            lambda: adding.add_indirect(IndirectTable(anything, 0, 1), [(ring.data, 1)]),
        ),
        (r"base must be an int, not 1.5", lambda: over(bytearray(64), base=1.5)),
        *[
            (r"address and size must be ints, not 1.5", lambda call=call: call(1.5, 1))
            for call in (memory.view, memory.read, memory.pointer)
        ],
        (r"address and size must be ints", lambda: driver(memory, SplitAreas(8, anything, 0, 0), V1)),
    ]
    for message, call in slips:
        with pytest.raises(TypeError, match=message):
            call()
    assert ring.device.in_flight == 1 and ring.driver.in_flight == 1
    device(memory, SplitAreas.allocate(memory, 8), V1, regions_may_miss=2)
    driver(memory, SplitAreas.allocate(memory, 8), V1, len_without_write=2)
    assert adding.add_avail_run([(ring.data, 4)], writable=2) == 1


def test_a_piece_that_is_none_is_named_and_so_is_an_offer() -> None:
    """The slip of everybody's first hour: a pair where a list of pairs is wanted."""
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 8)
    driver: Any = SplitDriver(memory, areas, V1)
    device: Any = SplitDevice(memory, areas, V1)
    anything: Any = GuestMemory
    slips: list[tuple[str, Callable[[], object]]] = [
        (
            r"SplitDriver.add_avail: readable\[0\] must be \(address, bytes\), not 65536",
            lambda: driver.add_avail((65536, 16)),
        ),
        (r"readable\[0\] must be \(address, bytes\), not \(1, 2, 3\)", lambda: driver.add_avail([(1, 2, 3)])),
        (
            r"add_avail_batch: offers\[1\] must be \(readable, writable, token\), not 3",
            lambda: driver.add_avail_batch([([(65536, 1)], [], None), 3]),
        ),
        (r"add_indirect: table must be an IndirectTable, not None", lambda: driver.add_indirect(None, [(65536, 1)])),
        (
            r"add_used_batch: chains\[0\] must be a Chain or \(chain, written\), not 3",
            lambda: device.add_used_batch([3]),
        ),
        (r"get_avail_batch: most must be an int, not str", lambda: device.get_avail_batch("all")),
        (r"regions\[0\] must be a Region, not 3", lambda: device.set_regions([3])),
        (r"GuestMemory: size and base must be ints, not '64k' and 65536", lambda: anything("64k")),
    ]
    for message, call in slips:
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(CallerError, match="get_used_batch.*most = -1; must be from 0"):
        driver.get_used_batch(-1)
    assert driver.in_flight == 0
