# SPDX-License-Identifier: MIT
"""
The queues of the package beyond one buffer at a time: a facade for both formats, batches that cross into C once, a
driver with a pool behind it, snapshots, and what happens at the end.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import pytest

from vring import (
    allocate_areas,
    BouncedDriver,
    BouncePool,
    ByteOrder,
    Buffer,
    CallerError,
    Chain,
    ChainError,
    Device,
    Direction,
    Driver,
    Feature,
    GuestMemory,
    IndirectTable,
    lowlevel,
    NoRoom,
    Offer,
    PackedAreas,
    PackedDevice,
    PackedDriver,
    PeerError,
    Region,
    RingCode,
    SplitAreas,
    SplitDevice,
    SplitDriver,
    Used,
    UsedLength,
    UsedRun,
)

FORMATS = [Feature.VERSION_1, Feature.VERSION_1 | Feature.RING_PACKED]


class Ring:
    """A ring of 8 entries of either format, and 4 KiB for buffers."""

    def __init__(self, features: Feature) -> None:
        self.features = features | Feature.INDIRECT_DESC
        self.memory = GuestMemory(1 << 16)
        self.areas = allocate_areas(self.memory, 8, features)
        self.data = self.memory.allocate(4096)
        self.driver = Driver(self.memory, self.areas, self.features)
        self.device = Device(self.memory, self.areas, self.features)

    def offers(self, count: int, pieces: int = 1) -> list[Offer]:
        return [Offer(writable=[(self.data, 4)] * pieces, token=f"token {i}") for i in range(count)]


@pytest.fixture(params=FORMATS, ids=["split", "packed"])
def ring(request: pytest.FixtureRequest) -> Ring:
    return Ring(request.param)


# ------------------------------------------------------------------------------------------------- the two formats ---


def test_the_features_choose_the_format() -> None:
    split, packed = (Ring(features) for features in FORMATS)
    assert isinstance(split.areas, SplitAreas) and not split.driver.packed and not split.device.packed
    assert isinstance(packed.areas, PackedAreas) and packed.driver.packed and packed.device.packed
    assert repr(packed.driver) == "Driver(size=8, packed=True, in_flight=0)"


@pytest.mark.parametrize(
    "side, wanted",
    [(SplitDriver, False), (SplitDevice, False), (PackedDriver, True), (PackedDevice, True)],
    ids=["SplitDriver", "SplitDevice", "PackedDriver", "PackedDevice"],
)
def test_a_queue_of_one_format_refuses_the_other(side: Callable[..., object], wanted: bool) -> None:
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 8), PackedAreas.allocate(memory, 8)
    for features, packed in zip(FORMATS, (False, True)):
        for given in areas:
            if packed == wanted and isinstance(given, PackedAreas) == packed:
                side(memory, given, features)
                continue
            with pytest.raises(CallerError, match="RING_PACKED") as error:
                side(memory, given, features)
            assert (error.value.code, error.value.argument) == (RingCode.FEATURE, "features")


def test_a_start_outside_a_packed_ring_is_refused_by_its_name() -> None:
    memory = GuestMemory(1 << 16)
    areas = PackedAreas.allocate(memory, 5)
    for side in (Driver, Device):
        side(memory, areas, FORMATS[1], index=4 | 0x8000)
        with pytest.raises(CallerError, match="index = 5"):
            side(memory, areas, FORMATS[1], index=5)


@pytest.mark.parametrize("order", ByteOrder)
def test_legacy_rings_are_in_the_byte_order_that_is_asked_for(order: ByteOrder) -> None:
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 8, queue_align=4096)
    driver = Driver(memory, areas, 0, legacy_order=order)
    device = Device(memory, areas, 0, legacy_order=order)
    assert driver.add_avail([(memory.base + 0x8000, 3)], token="legacy") and driver.publish()
    name: Literal["little", "big"] = "big" if order == ByteOrder.BIG else "little"
    assert int.from_bytes(memory.read(areas.desc, 8), name) == memory.base + 0x8000
    assert device.get_avail()


def test_snapshots_show_what_is_in_flight(ring: Ring) -> None:
    ring.driver.add_avail([(ring.data, 3)], [(ring.data + 16, 4)], token="mine")
    ring.driver.publish()
    driver, device = ring.driver.snapshot(), ring.device.snapshot()
    assert driver.packed == device.packed == ring.driver.packed and driver.size == len(driver.entries) == 8
    assert driver.free == 6 and [entry.count for entry in driver.entries if entry.count] == [2]
    assert {(entry.addr, entry.len) for entry in driver.entries} >= {(ring.data, 3), (ring.data + 16, 4)}
    assert [entry.addr for entry in device.entries] == [entry.addr for entry in driver.entries]


def test_the_end_of_a_with_block_is_a_reset(ring: Ring) -> None:
    with ring.driver as driver, ring.device as device:
        driver.add_avail([(ring.data, 1)])
        driver.publish()
        assert device.get_avail()
    with pytest.raises(CallerError, match="STATE"):
        driver.publish()
    with pytest.raises(CallerError, match="STATE"):
        device.get_avail()


# ---------------------------------------------------------------------------------------------------------- batches ---


class Counting:
    """``lib``, counting calls: how often a batch crosses into C."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> object:
        what = getattr(lowlevel.lib, name)
        if not callable(what):
            return what

        def counted(*arguments: object) -> object:
            self.calls.append(name)
            return what(*arguments)

        return counted


def test_a_batch_crosses_into_C_once(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    monkeypatch.setattr("vring.driver.lib", counting)
    monkeypatch.setattr("vring.device.lib", counting)
    assert ring.driver.add_avail_batch(ring.offers(5)) == 5
    assert counting.calls == ["vring_driver_add_avail_batch"]
    ring.driver.publish()
    chains = ring.device.get_avail_batch()
    assert [chain.room for chain in chains] == [4] * 5
    chains[0].write(b"abcd")
    ring.device.add_used_batch([chains[0], *((chain, 2) for chain in chains[1:])])
    ring.device.publish()
    assert ring.driver.get_used_batch() == [Used("token 0", 4), *(Used(f"token {i}", 2) for i in range(1, 5))]
    crossed = [call for call in counting.calls if "publish" not in call]
    assert crossed == [
        f"vring_{verb}_batch" for verb in ("driver_add_avail", "device_get_avail", "device_add_used", "driver_get_used")
    ]
    assert ring.driver.free == 8 and not ring.driver._tokens


def test_a_batch_ends_where_the_ring_is_full(ring: Ring) -> None:
    assert ring.driver.add_avail_batch(ring.offers(5, pieces=3)) == 2
    assert ring.driver.in_flight == 2 and ring.driver.free == 2
    assert ring.driver.reset() == ["token 0", "token 1"]


def test_a_batch_with_a_malformed_buffer_stages_none(ring: Ring) -> None:
    before = ring.driver.snapshot()
    with pytest.raises(CallerError, match=r"length of writable\[1\]"):
        ring.driver.add_avail_batch([*ring.offers(2), ((), [(ring.data, 1), (ring.data, 0)], None)])
    with pytest.raises(CallerError, match=r"address of readable\[0\]"):
        ring.driver.add_avail_batch([*ring.offers(2), ([(1 << 64, 1)], (), None)])
    assert ring.driver.in_flight == 0 and ring.driver.free == before.free and not ring.driver._tokens
    assert ring.device.get_avail() is None


def test_at_most_so_many_of_a_batch(ring: Ring) -> None:
    ring.driver.add_avail_batch(ring.offers(4))
    ring.driver.publish()
    chains = ring.device.get_avail_batch(3)
    ring.device.add_used_batch(chains)
    ring.device.publish()
    assert len(ring.driver.get_used_batch(2)) == 2 and len(ring.driver.get_used_batch(0)) == 0
    assert len(ring.driver.get_used_batch(2)) == 1 and ring.driver.get_used_batch() == []
    assert len(ring.device.get_avail_batch()) == 1 and ring.device.get_avail_batch() == []


def test_a_batch_grows_its_room_for_pieces(ring: Ring) -> None:
    """Indirect tables hold more pieces than a batch has room for: what does not fit is the next batch's."""
    for i in range(3):
        table = IndirectTable.allocate(ring.memory, 8)
        assert ring.driver.add_indirect(table, [(ring.data + 16 * j, 1 + j) for j in range(8)], token=i)
    ring.driver.publish()
    taken: list[Chain] = []
    while more := ring.device.get_avail_batch():
        taken += more
    assert [[len(piece) for piece in chain.readable] for chain in taken] == [list(range(1, 9))] * 3


def test_a_batch_lists_pieces_in_tables(ring: Ring) -> None:
    """Each takes one descriptor of the ring, and the table stays alive until its token returns."""
    tables = [IndirectTable.allocate(ring.memory, 8) for _ in range(2)]
    pieces = [(ring.data + 16 * j, 1 + j) for j in range(8)]
    listed = [Offer(pieces, token=i, table=table) for i, table in enumerate(tables)]
    assert ring.driver.add_avail_batch([*listed, *ring.offers(1)]) == 3
    assert ring.driver.free == ring.areas.size - 3
    assert [table for _, table in ring.driver._tokens.values()] == [*tables, None]
    ring.driver.publish()
    taken: list[Chain] = []
    while more := ring.device.get_avail_batch():
        taken += more
    assert [[len(piece) for piece in chain.readable] for chain in taken] == [list(range(1, 9))] * 2 + [[]]

    small = IndirectTable(ring.memory, tables[0].addr, 7)
    with pytest.raises(CallerError, match="add_avail_batch.*number of pieces = 8"):
        ring.driver.add_avail_batch([*ring.offers(1), Offer(pieces, table=small)])
    assert ring.driver.in_flight == 3


def test_all_through_one_are_used_with_in_order() -> None:
    ring = Ring(FORMATS[0] | Feature.IN_ORDER)
    ring.driver.add_avail_batch(ring.offers(4))
    ring.driver.publish()
    chains = ring.device.get_avail_batch()
    ring.device.add_used(chains[1], 1)
    with pytest.raises(CallerError, match="written = 5"):
        ring.device.add_used_through(chains[2], 5)
    chains[2].write(b"ab")
    ring.device.add_used_through(chains[2])
    with pytest.raises(CallerError, match="chain"):
        ring.device.add_used_through(chains[2])
    ring.device.publish()
    assert [used.length for used in ring.driver.get_used_batch()] == [4, 1, 2]
    assert ring.device.in_flight == 1


def test_without_in_order_none_is_used_through_another(ring: Ring) -> None:
    ring.driver.add_avail_batch(ring.offers(2))
    ring.driver.publish()
    chains = ring.device.get_avail_batch()
    with pytest.raises(CallerError, match="features") as error:
        ring.device.add_used_through(chains[1])
    assert error.value.code == RingCode.FEATURE and ring.device.in_flight == 2


def test_an_unusable_buffer_in_a_batch_is_told_after_the_sound_ones(ring: Ring) -> None:
    ring.driver.add_avail_batch(
        [*ring.offers(2), Offer(readable=[(1 << 40, 1)], token="outside"), Offer([(ring.data, 1)], token="behind")]
    )
    ring.driver.publish()
    sound = ring.device.get_avail_batch()
    assert len(sound) == 2
    with pytest.raises(ChainError, match="CHAIN_ADDR") as error:
        ring.device.get_avail()
    [behind] = ring.device.get_avail_batch()
    ring.device.add_used_batch([*sound, (error.value.handle, 0), (behind, 0)])
    ring.device.publish()
    assert [used.token for used in ring.driver.get_used_batch()] == ["token 0", "token 1", "outside", "behind"]


def test_a_refused_member_of_a_batch_is_named(ring: Ring) -> None:
    ring.driver.add_avail_batch(ring.offers(2))
    ring.driver.publish()
    first, second = ring.device.get_avail_batch()
    with pytest.raises(CallerError, match=r"written\[1\] = 5") as error:
        ring.device.add_used_batch([first, (second, 5)])
    assert error.value.code == RingCode.LEN and ring.device.in_flight == 1
    with pytest.raises(CallerError, match=r"chain\[0\]"):
        ring.device.add_used_batch([first])


@pytest.mark.parametrize("wrong", [5, -1, 1 << 32])
def test_those_before_a_refused_member_are_staged_whoever_refused_it(ring: Ring, wrong: int) -> None:
    ring.driver.add_avail_batch(ring.offers(3))
    ring.driver.publish()
    first, second, third = ring.device.get_avail_batch()
    with pytest.raises(CallerError, match=rf"written\[1\] = {wrong}") as error:
        ring.device.add_used_batch([(first, 4), (second, wrong), (third, -1)])
    assert error.value.code == RingCode.LEN and ring.device.in_flight == 2
    nothing: Any = None
    with pytest.raises(TypeError, match=r"chain\[1\] must be an int"):
        ring.device.add_used_batch([(second, 0), (nothing, 0)])
    assert ring.device.in_flight == 2, "where one is no chain, none is staged"
    ring.device.publish()
    assert ring.driver.get_used_batch() == [Used("token 0", 4)]


def test_a_chain_of_another_device_is_refused(ordered: Ring) -> None:
    """Both give the same handle to their first."""
    other = Ring(ordered.features)
    for each in (ordered, other):
        each.driver.add_avail_batch(each.offers(1))
        each.driver.publish()
    mine, foreign = ordered.device.get_avail(), other.device.get_avail()
    assert mine and foreign and mine.handle == foreign.handle
    device = ordered.device
    verbs: list[tuple[str, Callable[[], object]]] = [
        ("chain", lambda: device.add_used(foreign)),
        ("chain", lambda: device.add_used_through(foreign)),
        ("chain", lambda: device.rewind(foreign)),
        ("chain[0]", lambda: device.add_used_batch([foreign])),
        ("chain[1]", lambda: device.add_used_batch([(foreign.handle, 0), (foreign, 0)])),
    ]
    for argument, verb in verbs:
        assert device.in_flight == 1
        with pytest.raises(CallerError, match="taken from another device") as error:
            verb()
        assert (error.value.code, error.value.argument, error.value.value) == (RingCode.HANDLE, argument, foreign)
    assert device.in_flight == 0 and other.device.in_flight == 1, "a handle alone is whoever's it is given to"
    other.device.add_used(foreign)


def test_regions_may_begin_at_the_same_place(ring: Ring) -> None:
    """The first page of a memory has a second name for the device."""
    start = ring.memory.base
    alias = GuestMemory.over(ring.memory.view(start, 4096), base=0x100000)
    for regions in ([Region(ring.memory), Region(alias)], [Region(alias, size=16), Region(ring.memory)]):
        regions.sort(key=lambda region: region.memory.base)
        ring.device.set_regions(regions)
        ring.driver.add_avail([(ring.data, 4)], [(ring.data + 4096, 4)])
        ring.driver.add_avail([(alias.base, 16)])
        ring.driver.publish()
        first, second = ring.device.get_avail(), ring.device.get_avail()
        assert first and second and second.read() == ring.memory.read(start, 16)
        first.write(b"here")
        assert ring.memory.read(ring.data + 4096, 4) == b"here"
        ring.device.add_used_batch([first, second])
        ring.device.publish()
        assert len(ring.driver.get_used_batch()) == 2


class Says:
    """A sequence that is not as long as it says."""

    def __init__(self, said: int, *pieces: tuple[int, int]) -> None:
        self.said, self.pieces = said, pieces

    def __len__(self) -> int:
        return self.said

    def __getitem__(self, index: int) -> tuple[int, int]:
        return self.pieces[index]


@pytest.mark.parametrize("said", [0, 5])
def test_pieces_are_as_many_as_there_are(ring: Ring, said: int) -> None:
    """C is told how many it was given, not what somebody says."""
    pieces: Any = Says(said, (ring.data, 4))
    assert ring.driver.add_avail(pieces) and ring.driver.free == 7
    assert ring.driver.add_avail([], pieces) and ring.driver.free == 6
    assert ring.driver.add_avail_batch([Offer(pieces, pieces)]) == 1 and ring.driver.free == 4
    assert ring.driver.add_avail_run(pieces) == 1 and ring.driver.free == 3
    ring.driver.publish()
    lengths = [([4], []), ([], [4]), ([4], [4]), ([4], [])]
    for chain, (readable, writable) in zip(ring.device.get_avail_batch(), lengths, strict=True):
        assert [len(piece) for piece in chain.readable] == readable
        assert [len(piece) for piece in chain.writable] == writable


def test_pieces_may_come_one_by_one(ring: Ring) -> None:
    def each() -> Any:
        return iter([(ring.data, 4), (ring.data + 8, 4)])

    table = IndirectTable.allocate(ring.memory, 4)
    assert ring.driver.add_avail(each(), each()) and ring.driver.add_indirect(table, each())
    assert ring.driver.add_avail_batch([Offer(writable=each())]) == 1 and ring.driver.free == 1
    ring.driver.publish()
    assert [(len(c.readable), len(c.writable)) for c in ring.device.get_avail_batch()] == [(2, 2), (2, 0), (0, 2)]


def test_a_breach_behind_sound_buffers_is_told_by_the_next_call() -> None:
    ring = Ring(FORMATS[0])
    ring.driver.add_avail_batch(ring.offers(2))
    ring.driver.publish()
    ring.device.add_used_batch(ring.device.get_avail_batch())
    ring.device.publish()
    ring.memory.write(ring.areas.device + 4 + 8, b"\x77\0\0\0")  # the second used id
    assert ring.driver.get_used_batch() == [Used("token 0", 0)]
    with pytest.raises(PeerError, match="PEER_ID"):
        ring.driver.get_used_batch()


# ------------------------------------------------------------------------------------------------------------- runs ---


@pytest.fixture(params=FORMATS, ids=["split", "packed"])
def ordered(request: pytest.FixtureRequest) -> Ring:
    return Ring(request.param | Feature.IN_ORDER)


def test_a_run_crosses_into_C_once(ordered: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, device = ordered.driver, ordered.device
    counting = Counting()
    monkeypatch.setattr("vring.driver.lib", counting)
    monkeypatch.setattr("vring.device.lib", counting)
    pieces = [(ordered.data + 16 * i, 4 + i) for i in range(5)]
    assert driver.add_avail_run(pieces, writable=True, tokens=list("abcde")) == 5
    driver.publish()
    run = device.get_avail_run()
    assert run and run.n == 5 and [len(piece) for piece in run.pieces] == [4, 5, 6, 7, 8]
    for number, piece in enumerate(run.pieces[:4]):
        piece[:] = bytes([number]) * len(piece)
    run.last.write(b"last")
    device.add_used_through(run.last)
    device.publish()
    assert driver.get_used_run() == UsedRun(5, Used("e", 4))
    verbs = "driver_add_avail_run", "device_get_avail_run", "device_add_used_through", "driver_get_used_run"
    assert [call for call in counting.calls if "publish" not in call] == [f"vring_{verb}" for verb in verbs]
    written = [ordered.memory.read(*piece) for piece in pieces]
    assert written == [b"\0" * 4, b"\1" * 5, b"\2" * 6, b"\3" * 7, b"last\0\0\0\0"]
    assert driver.free == 8 and driver.in_flight == device.in_flight == 0 and not driver._tokens


def test_a_run_comes_back_in_parts_and_by_any_verb(ordered: Ring) -> None:
    assert ordered.driver.add_avail_run([(ordered.data, 4)] * 6, True, list("abcdef")) == 6
    ordered.driver.publish()
    first, second = ordered.device.get_avail_run(4), ordered.device.get_avail()
    assert first and second and (first.n, second.room) == (4, 4)
    ordered.device.add_used_through(second, 1)
    ordered.device.publish()
    assert ordered.driver.get_used_run(2) == UsedRun(2, Used("b", 4))
    assert ordered.driver.get_used() == Used("c", 4) and ordered.driver.get_used_batch(1) == [Used("d", 4)]
    assert ordered.driver.get_used_run(8) == UsedRun(1, Used("e", 1))
    assert ordered.driver.get_used_run() is None and ordered.device.get_avail_run(0) is None
    assert ordered.driver.reset() == ["f"]


def test_a_buffer_of_several_pieces_is_a_run_by_itself(ordered: Ring) -> None:
    ordered.driver.add_avail_run([(ordered.data, 1), (ordered.data, 2)])
    ordered.driver.add_avail([(ordered.data, 3)], [(ordered.data + 16, 4), (ordered.data + 32, 5)])
    ordered.driver.publish()
    runs = [ordered.device.get_avail_run(2), ordered.device.get_avail_run(1), ordered.device.get_avail_run()]
    lengths = [run and [len(piece) for piece in run.pieces] for run in runs]
    assert lengths == [[1, 2], [3, 4, 5], None] and [run and run.n for run in runs] == [2, 1, None]
    assert runs[0] and runs[0].last.read() == b"\0\0" and runs[1] and runs[1].last.room == 9


def test_of_a_run_the_last_alone_has_a_handle(ordered: Ring) -> None:
    """What lies before it is used with it, and the handle is dead then."""
    ordered.driver.add_avail_run([(ordered.data, 4)] * 3)
    ordered.driver.publish()
    run = ordered.device.get_avail_run()
    assert run and run.n == 3
    ordered.device.add_used_through(run.last)
    with pytest.raises(CallerError, match="chain") as error:
        ordered.device.add_used_through(run.last)
    assert error.value.code == RingCode.HANDLE and ordered.device.in_flight == 0


def test_a_view_of_a_run_keeps_the_memory_alive(ordered: Ring) -> None:
    ordered.driver.add_avail_run([(ordered.data, 4)] * 3, writable=True)
    ordered.driver.publish()
    run = ordered.device.get_avail_run()
    assert run
    view = run.pieces[0]
    del run, ordered.driver, ordered.device, ordered.memory
    view[:] = b"live"
    assert view.tobytes() == b"live"


def test_runs_without_in_order(ring: Ring) -> None:
    """They can be added, and that is all."""
    assert ring.driver.add_avail_run([(ring.data, 4)] * 9, True, [f"token {i}" for i in range(9)]) == 8
    ring.driver.publish()
    for verb in (ring.driver.get_used_run, ring.device.get_avail_run):
        with pytest.raises(CallerError, match="features") as error:
            verb()
        assert error.value.code == RingCode.FEATURE
    chains = ring.device.get_avail_batch()
    ring.device.add_used_batch(reversed(chains))
    ring.device.publish()
    assert [used.token for used in ring.driver.get_used_batch()] == [f"token {i}" for i in reversed(range(8))]
    assert ring.driver.add_avail_run([(ring.data, 4)] * 3) == 3 and ring.driver.reset() == [None] * 3


def test_a_run_has_tokens_of_any_kind(ordered: Ring) -> None:
    kinds: list[Any] = [deque("ab"), iter("ab"), {"a": 1, "b": 2}, "ab"]
    for tokens in kinds:
        assert ordered.driver.add_avail_run(deque([(ordered.data, 4)] * 2), tokens=tokens) == 2
        ordered.driver.publish()
        run = ordered.device.get_avail_run()
        assert run
        ordered.device.add_used_through(run.last)
        ordered.device.publish()
        assert ordered.driver.get_used_run() == UsedRun(2, Used("b", 0))
    nothing: Any = 5
    with pytest.raises(TypeError):
        ordered.driver.add_avail_run([(ordered.data, 4)], tokens=nothing)
    assert ordered.driver.in_flight == 0


def test_a_run_with_a_malformed_buffer_stages_none(ordered: Ring) -> None:
    good = [(ordered.data, 4)] * 2
    wrong: list[tuple[list[tuple[int, int]], bool, str]] = [
        ([*good, (ordered.data, 0)], True, r"length of writable\[2\] = 0"),
        ([*good, (ordered.data, 1 << 32)], False, r"length of readable\[2\]"),
        ([*good, ((1 << 64) - 1, 2)], False, r"address of readable\[2\]"),
    ]
    for segments, writable, what in wrong:
        with pytest.raises(CallerError, match=f"add_avail_run.*{what}"):
            ordered.driver.add_avail_run(segments, writable)
        assert ordered.driver.in_flight == 0 and ordered.driver.free == 8 and not ordered.driver._tokens
    with pytest.raises(TypeError, match=r"readable\[2\] must be \(address, bytes\)"):
        ordered.driver.add_avail_run([*good, 3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="3 tokens for 2 segments"):
        ordered.driver.add_avail_run(good, tokens=list("abc"))
    assert ordered.driver.add_avail_run([]) == 0 and ordered.driver.in_flight == 0


def test_an_unusable_buffer_ends_a_run_and_is_told_alone(ordered: Ring) -> None:
    ordered.driver.add_avail_run([(ordered.data, 1), (ordered.data, 2), (1 << 40, 1), (ordered.data, 3)])
    ordered.driver.publish()
    sound = ordered.device.get_avail_run()
    assert sound and sound.n == 2
    with pytest.raises(ChainError, match="get_avail_run.*CHAIN_ADDR"):
        ordered.device.get_avail_run()
    behind = ordered.device.get_avail_run()
    assert behind and behind.n == 1
    ordered.device.add_used_through(behind.last)
    ordered.device.publish()
    assert ordered.driver.get_used_run() and ordered.device.in_flight == 0


def test_a_breach_behind_a_run_is_told_by_the_next_call() -> None:
    ring = Ring(FORMATS[0] | Feature.IN_ORDER)
    ring.driver.add_avail_run([(ring.data, 1)] * 3)
    ring.driver.publish()
    ring.memory.write(ring.areas.driver + 4 + 2 * 2, b"\x77\0")  # the third head
    run = ring.device.get_avail_run()
    assert run and run.n == 2
    with pytest.raises(PeerError):
        ring.device.get_avail_run()


def test_a_restored_driver_knows_the_order_of_its_tokens(ordered: Ring) -> None:
    """The newest lie before the oldest in the ring: which came first the state alone says."""
    driver, device = ordered.driver, ordered.device
    for tokens in ("abcde", "fghijk"):
        assert driver.add_avail_run([(ordered.data, 4)] * len(tokens), tokens=tokens) == len(tokens)
        driver.publish()
        while taken := device.get_avail_run():
            device.add_used_through(taken.last)
        if tokens == "abcde":
            device.publish()
            assert driver.get_used_run() == UsedRun(5, Used("e", 0))
    in_order = list(driver._tokens)
    saved = driver.save()
    assert [entry.token for entry in driver.snapshot().entries if entry.count] != in_order
    for state in (saved.state, saved):
        restored = Driver.restore(state, ordered.memory, ordered.areas, ordered.features)
        assert list(restored._tokens) == in_order
    device.publish()
    assert restored.get_used_run(4) == UsedRun(4, Used("i", 0)) and restored.reset() == ["j", "k"]


# ----------------------------------------------------------------------------------------------- a pool behind it ---


class Bounced:
    """A queue whose buffers go through a pool of 64 slots, and the device that sees nothing else."""

    def __init__(self, features: Feature, **config: object) -> None:
        self.memory = GuestMemory(1 << 18)
        self.areas = allocate_areas(self.memory, 8, features)
        self.pool = BouncePool(self.memory, window=self.memory.base + (1 << 17))
        tables = IndirectTable.allocate(self.memory, 64) if features & Feature.INDIRECT_DESC else None
        self.driver = BouncedDriver(
            self.pool,
            self.memory,
            self.areas,
            features,
            tables=tables,
            **config,  # type: ignore[arg-type]
        )
        self.device = Device(self.memory, self.areas, features)

    def answer(self, data: bytes) -> bytes:
        chain = self.device.get_avail()
        assert chain
        chain.write(data)
        self.device.add_used(chain)
        self.device.publish()
        return chain.read()


@pytest.fixture(
    params=[*FORMATS, *(each | Feature.INDIRECT_DESC for each in FORMATS)],
    ids=["split", "packed", "split-indirect", "packed-indirect"],
)
def bounced(request: pytest.FixtureRequest) -> Bounced:
    return Bounced(request.param)


def test_private_buffers_go_round_through_the_pool(bounced: Bounced) -> None:
    answer = bytearray(b"........")
    assert bounced.driver.add([b"two ", b"pieces"], [memoryview(answer)[:5], memoryview(answer)[5:]], token="mine")
    assert bounced.driver.publish() and bounced.pool.usage().mappings == 4
    assert bounced.answer(b"written") == b"two pieces"
    assert bounced.driver.get_used() == Used("mine", 7) and answer == b"written."
    assert bounced.pool.usage().used == 0 and not any(bounced.pool.memory.view(bounced.pool.window, 1 << 17))


def test_pieces_live_while_they_are_in_flight(bounced: Bounced) -> None:
    answer = bytearray(8)
    bounced.driver.add([], [answer])
    bounced.driver.publish()
    with pytest.raises(BufferError):
        answer.clear()
    bounced.answer(b"x")
    bounced.driver.get_used()
    answer.clear()


def test_abort_and_reset_give_everything_back(bounced: Bounced) -> None:
    for token in ("first", "second", "third"):
        bounced.driver.add([b"x"], [], token)
    assert bounced.driver.abort() == "third"
    bounced.driver.publish()
    assert bounced.driver.reset() == ["first", "second"]
    assert bounced.pool.usage().used == 0


def test_no_room_is_told_by_whom() -> None:
    bounced = Bounced(FORMATS[0])
    assert bounced.driver.add([b"x" * 4096] * 8) is True
    assert bounced.driver.add([b"x"]) is False, "the ring is full"
    hogged = [bounced.pool.map(bytes(2048), Direction.TO_DEVICE) for _ in range(48)]
    assert all(hogged)
    bounced.driver.abort()
    assert bounced.driver.add([b"x" * 4096] * 8) is True
    bounced.driver.abort()
    hogged.append(bounced.pool.map(bytes(2048), Direction.TO_DEVICE))
    assert bounced.driver.add([b"x" * 4096] * 8) in (NoRoom.FULL, NoRoom.FRAGMENTED)
    assert bounced.pool.usage().used == 49, "and nothing has changed"


def test_bounced_refusals_name_what_is_wrong() -> None:
    bounced = Bounced(FORMATS[0])
    wrong: list[tuple[str, str, tuple[list[Buffer], list[Buffer]]]] = [
        ("CHAIN", "number of pieces", ([], [])),
        ("CHAIN", "number of pieces", ([b"x"] * 9, [])),
        ("LEN", "lengths of pieces", ([b"x", b""], [])),
        ("TOO_LARGE", "lengths of pieces", ([bytes(1 << 19)], [])),
        ("OVERLAP", "pieces", ([bounced.memory.view(bounced.pool.window, 4)], [])),
    ]
    for code, what, pieces in wrong:
        with pytest.raises(CallerError, match=f"{what}.*{code}") as error:
            bounced.driver.add(*pieces)
        assert error.value.code.name == code
    with pytest.raises(TypeError, match=r"writable\[0\] must be writable"):
        bounced.driver.add([], [b"read-only"])
    assert bounced.pool.usage().used == 0 and bounced.driver.in_flight == 0
    with pytest.raises(CallerError, match="used_length"):
        Bounced(FORMATS[0], used_length=UsedLength.TRUST)
    with pytest.raises(CallerError, match="pieces"):
        Bounced(FORMATS[0], pieces=-1)


def test_private_pieces_are_as_many_as_there_are() -> None:
    class Three:
        """Three, it says."""

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> bytes:
            return [b"only one"][index]

    bounced = Bounced(FORMATS[0])
    pieces: Any = Three()
    assert bounced.driver.add(pieces) and bounced.driver.free == 7
    bounced.driver.publish()
    assert bounced.answer(b"") == b"only one"


def test_direct_pieces_take_ring_entries_although_there_are_tables() -> None:
    bounced = Bounced(FORMATS[0] | Feature.INDIRECT_DESC)
    bounced.driver.add([b"x"] * 3)
    assert bounced.driver.free == 7
    bounced.driver.add([b"x"] * 3, direct=True)
    assert bounced.driver.free == 4
