# SPDX-License-Identifier: MIT
"""Sets of pools from Python: falling through, pools of a device's own, pools that come and go, sharing that fails."""

import gc
from collections.abc import Callable

import pytest

from vring import (
    BouncedDriver,
    BounceCode,
    BounceSet,
    CallerError,
    Coherent,
    Device,
    Direction,
    Driver,
    Feature,
    GuestMemory,
    Mapping,
    NoRoom,
    PoolConfig,
    Region,
    Reservation,
    SetPool,
    allocate_areas,
)

SLOT = 2048


def config(base: int = 0x100000, slots: int = 4, **more: int) -> PoolConfig:
    return PoolConfig(GuestMemory(slots * SLOT, base=base), **more)


def mapped(answer: Mapping | NoRoom) -> Mapping:
    assert isinstance(answer, Mapping), answer
    return answer


def refusal(call: Callable[[], object]) -> CallerError:
    with pytest.raises(CallerError) as error:
        call()
    return error.value


class World:
    """What the functions of a set were told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, bool | int]] = []
        self.fails = False
        self.pools = BounceSet(4, share=self.share, released=self.released)

    def share(self, window: memoryview, window_addr: int, shared: bool) -> None:
        self.told.append(("share", window_addr, shared))
        assert window.nbytes % SLOT == 0
        if shared:
            window[:] = b"\xaa" * window.nbytes  # what was there before must never be seen
        if self.fails:
            raise OSError("the hypervisor said no")

    def released(self, pool: SetPool) -> None:
        self.told.append(("released", pool.window_addr, pool.memory.read(pool.window, 1)[0]))


def test_a_set_falls_through_in_order_and_finds_its_mappings_again() -> None:
    pools = BounceSet()
    first, second = pools.add(config()), pools.add(config(0x200000, 8))
    assert (first.index, second.index, pools.pools) == (0, 1, (first, second))
    kept = [mapped(pools.map(bytearray([i] * 3000), Direction.BIDIRECTIONAL)) for i in range(2)]
    original = bytearray(3000)
    third = mapped(pools.map(original, Direction.BIDIRECTIONAL))
    assert [mapping.pool for mapping in (*kept, third)] == [first, first, second]
    assert pools.find(third.addr) is second and pools.find(kept[0].addr) is first and pools.find(0) is None
    assert second.find_mapping(third.addr) == third.info and [*second.mappings()] == [third.info]
    assert pools.usage().used == 6 and pools.usage().slots == 12 and pools.usage().mappings == 3
    assert (first.usage().used, second.usage().longest_run) == (4, 6)
    third.data[:5] = b"reply"
    third.sync_for_cpu(0, 5)
    original[5:10] = b"to it"
    third.sync_for_device(5, 5)
    assert bytes(original[:5]) == b"reply" and bytes(third.data[5:10]) == b"to it"
    third.unmap()
    for mapping in kept:
        mapping.unmap()
    for pool in pools.pools:
        pool.verify()
        pool.remove()
    pools.close()
    assert refusal(pools.usage).code == BounceCode.STATE


def test_reservations_and_memory_come_from_the_first_pool_that_can() -> None:
    with BounceSet() as pools:
        small, large = pools.add(config()), pools.add(config(0x200000, 64))
        reserved = pools.reserve(100, Direction.TO_DEVICE, owner=7)
        memory = pools.alloc(5 * SLOT)  # never fits the first
        assert isinstance(reserved, Reservation) and reserved.pool is small and reserved.info.owner == 7
        assert isinstance(memory, Coherent) and memory.pool is large and not any(memory.data)
        mapping = reserved.commit(b"x" * 100)
        assert bytes(mapping.data) == b"x" * 100
        assert refusal(reserved.cancel).argument == "reservation"
        mapping.unmap()
        memory.free()
        for dead in (mapping.unmap, mapping.sync_for_cpu, mapping.sync_for_device, memory.free, reserved.cancel):
            assert refusal(dead).code == BounceCode.HANDLE
        assert refusal(lambda: reserved.commit(b"x" * 100)).code == BounceCode.HANDLE
        for pool in (small, large):
            pool.remove()


def test_a_device_with_a_pool_of_its_own_uses_no_other_and_nobody_else_uses_it() -> None:
    pools = BounceSet()
    everybody, own = pools.add(config()), pools.add(config(0x200000, 2), device=9)
    assert own.device == 9 and pools.max_mapping_size(9) == 2 * SLOT and pools.max_mapping_size() == 4 * SLOT
    mine = mapped(pools.map(bytes(2 * SLOT), Direction.TO_DEVICE, device=9))
    assert mine.pool is own and pools.map(b"x", Direction.TO_DEVICE, device=9) is NoRoom.FULL
    assert mapped(pools.map(b"x", Direction.TO_DEVICE, device=8)).pool is everybody
    own.drain()
    assert mapped(pools.map(b"x", Direction.TO_DEVICE, device=9)).pool is everybody
    assert pools.max_mapping_size(9, 0xFFF) == 2 * SLOT
    mine.unmap()
    own.remove()
    assert pools.pools == (everybody,)


def test_a_pool_that_leaves_is_private_again_and_then_yours() -> None:
    world = World()
    made = config()
    pool = world.pools.add(made)
    mapping = mapped(world.pools.map(b"secret", Direction.TO_DEVICE))
    assert bytes(mapping.data) == b"secret" and made.memory.read(pool.window + SLOT, 1) == b"\0", "shared, then cleared"
    busy = refusal(pool.remove)
    assert (busy.code, busy.argument, busy.value) == (BounceCode.BUSY, "live mappings", 1)
    assert refusal(world.pools.close).code == BounceCode.BUSY
    mapping.unmap()
    pool.remove()
    assert world.told == [("share", 0x100000, True), ("share", 0x100000, False), ("released", 0x100000, 0)]
    assert pool.index is None and world.pools.pools == ()
    late: list[Callable[[], object]] = [pool.usage, pool.verify, pool.remove, pool.drain, pool.reset_high_water]
    late += [lambda: pool.can_map(1), lambda: [*pool.mappings()], lambda: pool.find_mapping(0x100000)]
    assert {refusal(call).code for call in late} == {BounceCode.STATE}
    assert world.pools.add(made).index == 0, "the same window again, in the same entry"
    assert refusal(mapping.unmap).code == BounceCode.HANDLE


def test_a_transient_pool_comes_with_its_mapping_and_leaves_with_it() -> None:
    world = World()
    original = bytearray(b"there and back")
    mapping = mapped(world.pools.map_transient(config(0x300000), original, Direction.BIDIRECTIONAL))
    [pool] = world.pools.pools
    assert mapping.pool is pool and world.pools.map(b"x", Direction.TO_DEVICE) is NoRoom.FULL
    assert refusal(pool.remove).code == BounceCode.RANGE and refusal(pool.drain).code == BounceCode.RANGE
    mapping.data[:5] = b"here!"
    mapping.unmap()
    assert bytes(original) == b"here! and back" and world.pools.pools == () and pool.index is None
    assert world.told == [("share", 0x300000, True), ("share", 0x300000, False), ("released", 0x300000, 0)]
    world.pools.close()


def test_a_transient_pool_that_cannot_is_not_kept() -> None:
    world = World()
    error = refusal(lambda: world.pools.map_transient(config(), bytes(5 * SLOT), Direction.TO_DEVICE))
    assert error.code == BounceCode.TOO_LARGE and error.argument == "length of buffer"
    assert world.pools.pools == () and world.told == [], "nobody is shown a window for what could never be mapped there"
    for i in range(4):
        world.pools.add(config(0x100000 * (i + 1)))
    assert world.pools.map_transient(config(0x900000), b"x", Direction.TO_DEVICE) is NoRoom.FULL
    full = refusal(lambda: world.pools.add(config(0x900000)))
    assert (full.code, full.argument, full.value) == (BounceCode.FULL, "entries", 4)


def test_a_window_that_could_not_be_shared_is_never_used() -> None:
    world = World()
    world.fails = True
    error = refusal(lambda: world.pools.add(config()))
    assert error.code == BounceCode.SHARE and isinstance(error.__cause__, OSError) and world.pools.pools == ()
    error = refusal(lambda: world.pools.map_transient(config(), b"x", Direction.TO_DEVICE))
    assert error.code == BounceCode.SHARE and isinstance(error.__cause__, OSError)


@pytest.mark.parametrize("transient", [False, True])
def test_a_window_that_could_not_be_made_private_is_lost_and_not_given_back(transient: bool) -> None:
    world = World()
    made = config()
    leave: Callable[[], None]
    if transient:
        mapping = mapped(world.pools.map_transient(made, b"x", Direction.TO_DEVICE))
        [pool], leave = world.pools.pools, mapping.unmap
    else:
        pool = world.pools.add(made)
        leave = pool.remove
    world.fails = True
    error = refusal(leave)
    assert error.code == BounceCode.SHARE and isinstance(error.__cause__, OSError)
    world.fails = False
    assert pool.index is None and world.pools.pools == ()
    assert "released" not in [what for what, _, _ in world.told]
    again = refusal(lambda: world.pools.add(made))
    assert again.code == BounceCode.OVERLAP and again.argument == "window"
    assert world.pools.add(config(0x200000)).index == 1, "the entry is lost with it"
    assert refusal(leave).code in (BounceCode.HANDLE, BounceCode.STATE)


class Elsewhere:
    """Originals of ten bytes that no pointer could name, and a copy function that fails one way or none."""

    def __init__(self) -> None:
        self.fails: bool | None = None

    def __len__(self) -> int:
        return 10

    def copy(self, original: object, offset: int, window: memoryview, to_window: bool) -> None:
        if to_window is self.fails:
            raise OSError("the page is gone")


@pytest.mark.parametrize("asks", ["share", "released"])
def test_a_function_that_asks_the_set_hears_nothing_of_what_another_raised(asks: str) -> None:
    """The copy function fails first, and what is called behind it has errors of its own."""
    original, told = Elsewhere(), []

    def share(window: memoryview, window_addr: int, shared: bool) -> None:
        told.append("shared" if shared else "private")
        assert asks != "share" or pools.usage().used == 0

    def released(pool: SetPool) -> None:
        assert asks != "released" or pools.usage().used == 0
        told.append("released")

    pools = BounceSet(1, share=share, released=released, copy=original.copy)
    mapping = mapped(pools.map_transient(config(), original, Direction.FROM_DEVICE))
    original.fails = False
    error = refusal(mapping.unmap)
    assert error.code == BounceCode.COPY and isinstance(error.__cause__, OSError)
    assert told == ["shared", "private", "released"] and pools.pools == ()
    original.fails = True
    error = refusal(lambda: pools.map_transient(config(), original, Direction.TO_DEVICE))
    assert error.code == BounceCode.COPY and isinstance(error.__cause__, OSError)
    assert told[3:] == ["shared", "private"], "the window is not lost"
    pools.add(config())  # nor is the one entry


def test_a_window_is_lost_also_where_copying_failed_before() -> None:
    original, fails = Elsewhere(), False

    def share(window: memoryview, window_addr: int, shared: bool) -> None:
        if fails:
            raise PermissionError("the hypervisor said no")

    pools = BounceSet(
        share=share, released=lambda pool: pytest.fail("a lost window is not given back"), copy=original.copy
    )
    made = config()
    mapping = mapped(pools.map_transient(made, original, Direction.FROM_DEVICE))
    [pool] = pools.pools
    original.fails, fails = False, True
    error = refusal(mapping.unmap)
    assert error.code == BounceCode.SHARE and isinstance(error.__cause__, PermissionError)
    assert pools.pools == () and pool.index is None and refusal(pool.usage).code == BounceCode.STATE
    assert refusal(mapping.unmap).code == BounceCode.HANDLE
    assert refusal(lambda: pools.add(made)).code == BounceCode.OVERLAP
    pools.close()


def test_share_and_copy_functions_may_bring_pools_and_see_their_own_windows() -> None:
    made = {addr: config(addr) for addr in (0x100000, 0x200000, 0x300000, 0x400000)}

    def share(window: memoryview, window_addr: int, shared: bool) -> None:
        window[:] = bytes([window_addr >> 20]) * len(window)
        if shared and window_addr == 0x100000:
            pools.add(made[0x200000])
        assert made[window_addr].memory.read(window_addr, 1)[0] == window_addr >> 20

    def copy(original: bytes, offset: int, window: memoryview, to_window: bool) -> None:
        window[:] = original[offset : offset + len(window)]
        if original == b"brings":
            pools.add(made[0x400000])

    pools = BounceSet(share=share, copy=copy)
    pools.add(made[0x100000])
    mapping = mapped(pools.map_transient(made[0x300000], b"brings", Direction.TO_DEVICE))
    assert [pool.window_addr for pool in pools.pools] == [0x100000, 0x200000, 0x300000, 0x400000]
    assert bytes(mapping.data) == made[0x300000].memory.read(mapping.addr, 6) == b"brings"
    mapping.unmap()
    assert [pool.window_addr for pool in pools.pools] == [0x100000, 0x200000, 0x400000]


@pytest.mark.parametrize("closed", [False, True])
def test_a_with_block_closes_a_set_that_is_not_closed_yet(closed: bool) -> None:
    with BounceSet() as pools:
        if closed:
            pools.close()
    assert refusal(pools.usage).code == BounceCode.STATE


def test_what_released_raises_comes_out_of_the_call_that_told_it() -> None:
    def released(pool: SetPool) -> None:
        raise RuntimeError("no use for it")

    pools = BounceSet(released=released)
    pool = pools.add(config())
    with pytest.raises(RuntimeError, match="no use for it"):
        pool.remove()
    assert pools.pools == () and pool.index is None
    mapping = mapped(pools.map_transient(config(), b"x", Direction.TO_DEVICE))
    with pytest.raises(RuntimeError, match="no use for it"):
        mapping.unmap()
    pools.close()


def test_originals_that_are_no_memory_in_a_set() -> None:
    def copy(original: list[int], offset: int, window: memoryview, to_window: bool) -> None:
        if to_window:
            window[:] = bytes(original[offset : offset + len(window)])
        else:
            original[offset : offset + len(window)] = list(window)

    pools = BounceSet(copy=copy)
    pools.add(config())
    original = [1, 2, 3]
    mapping = mapped(pools.map(original, Direction.BIDIRECTIONAL))
    assert bytes(mapping.data) == b"\1\2\3"
    mapping.data[:] = b"\4\5\6"
    mapping.unmap()
    assert original == [4, 5, 6]


@pytest.mark.parametrize(
    "argument, code, call",
    [
        ("entries", "GEOMETRY", lambda: BounceSet(0)),
        ("entries", "GEOMETRY", lambda: BounceSet(257)),
        ("seed", "GEOMETRY", lambda: BounceSet(seed=-1)),
        ("device", "RANGE", lambda: BounceSet().add(config(), device=1 << 32)),
        ("device", "RANGE", lambda: BounceSet().map(b"x", Direction.TO_DEVICE, device=-1)),
        ("geometry", "GEOMETRY", lambda: BounceSet().add(config(slot_size=100))),
        ("window_addr", "ALIGN", lambda: BounceSet().add(config(window_addr=0x100001))),
        ("length of buffer", "SIZE", lambda: one().map(b"", Direction.TO_DEVICE)),
        ("length of buffer", "TOO_LARGE", lambda: one().map(bytes(5 * SLOT), Direction.TO_DEVICE)),
        ("min_align_mask", "MASK", lambda: one().map(b"x", Direction.TO_DEVICE, min_align_mask=2)),
        ("masks and limit", "UNSATISFIABLE", lambda: one().map(b"x", Direction.TO_DEVICE, limit=0xFFFFF)),
        ("size", "TOO_LARGE", lambda: one().alloc(5 * SLOT)),
        ("size", "TOO_LARGE", lambda: one().reserve(5 * SLOT, Direction.TO_DEVICE)),
        ("addr", "ADDR", lambda: one().find(-1)),
    ],
)
def test_a_slip_is_told_by_its_name(argument: str, code: str, call: Callable[[], object]) -> None:
    error = refusal(call)
    assert (error.argument, error.code.name) == (argument, code)


def one() -> BounceSet:
    pools = BounceSet()
    pools.add(config())
    return pools


def test_a_read_only_buffer_and_no_direction_are_refused() -> None:
    pools = one()
    with pytest.raises(TypeError, match="must be writable"):
        pools.map(b"x", Direction.FROM_DEVICE)
    assert refusal(lambda: pools.map(b"x", 7)).argument == "direction"  # type: ignore[arg-type]
    assert pools.usage().used == 0


def test_windows_of_one_set_do_not_meet() -> None:
    pools, memory = BounceSet(), GuestMemory(8 * SLOT, base=0x100000)
    pools.add(PoolConfig(memory, slots=4))
    error = refusal(lambda: pools.add(PoolConfig(memory, 0x100000 + 3 * SLOT, 4)))
    assert (error.code, error.argument) == (BounceCode.OVERLAP, "window")
    pools.add(PoolConfig(memory, 0x100000 + 4 * SLOT, 4))


def test_a_mapping_keeps_its_set_and_its_window_alive() -> None:
    def make() -> Mapping:
        pools = BounceSet(share=lambda window, addr, shared: None)
        pools.add(config())
        return mapped(pools.map(bytearray(b"held"), Direction.BIDIRECTIONAL))

    mapping = make()
    gc.collect()
    assert bytes(mapping.data) == b"held"
    mapping.unmap()
    del mapping
    gc.collect()


def test_a_queue_whose_buffers_go_through_a_set() -> None:
    """As BouncedDriver says of sets, which it does not take: the mappings are the token of a plain driver's buffer."""
    features = Feature.VERSION_1
    memory = GuestMemory(1 << 16)
    windows = [GuestMemory(1 << 14, base=base) for base in (0x100000, 0x200000)]
    areas = allocate_areas(memory, 8, features)
    pools = BounceSet()
    for window in windows:
        pools.add(PoolConfig(window))
    driver = Driver(memory, areas, features)
    device = Device(memory, areas, features, regions=[Region(window) for window in windows])

    question, answer = bytearray(b"question" * 1600), bytearray(8000)
    asks = mapped(pools.map(question, Direction.TO_DEVICE))
    answers = mapped(pools.map(answer, Direction.FROM_DEVICE))
    token = [asks, answers]
    assert driver.add_avail([(asks.addr, asks.size)], [(answers.addr, answers.size)], token) and driver.publish()
    chain = device.get_avail()
    assert chain and chain.read() == bytes(question)
    chain.write(b"reply")
    device.add_used(chain)
    device.publish()
    used = driver.get_used()
    assert used and used.token is token
    asks.unmap()
    answers.unmap()
    assert answer[: used.length] == b"reply" and pools.usage().used == 0

    with pytest.raises(TypeError, match="pool must be a BouncePool, not BounceSet"):
        BouncedDriver(pools, memory, areas, features)  # type: ignore[arg-type]
