# SPDX-License-Identifier: MIT
"""
Queues that do not begin at the beginning, or stand still in between: saved and restored at any step, recovered from an
inflight region, looked at, suspended, with memory that comes later.
"""

import itertools
import pickle
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vring import (
    CallerError,
    ChainError,
    Device,
    Driver,
    Feature,
    GuestMemory,
    MissError,
    PackedDevice,
    PeerError,
    Region,
    RingCode,
    SavedDriver,
    Used,
    UsedLength,
    allocate_areas,
    inflight_size,
    lowlevel,
)

SIZE = 8
FORMATS = [Feature.VERSION_1, Feature.VERSION_1 | Feature.RING_PACKED]
NAMES = ["split", "packed"]
both_formats = pytest.mark.parametrize("features", FORMATS, ids=NAMES)


class Ring:
    """A ring of 8 entries, 4 KiB for buffers, and an inflight region if one is wanted."""

    def __init__(self, features: Feature, *, inflight: bool = False, regions_may_miss: bool = False) -> None:
        self.features = features
        self.memory = GuestMemory(1 << 16)
        self.areas = allocate_areas(self.memory, SIZE, features)
        self.data = self.memory.allocate(4096)
        self.inflight = None
        if inflight:
            self.inflight = memoryview(bytearray(inflight_size(SIZE, bool(features & Feature.RING_PACKED))))
        self.driver = Driver(self.memory, self.areas, features)
        self.device = Device(
            self.memory, self.areas, features, inflight=self.inflight, regions_may_miss=regions_may_miss
        )

    def offer(self, *tokens: object) -> None:
        for i, token in enumerate(tokens):
            assert self.driver.add_avail([(self.data + 16 * i, 4)], [(self.data + 16 * i + 8, 8)], token)
        self.driver.publish()

    def use(self, count: int) -> None:
        for _ in range(count):
            chain = self.device.get_avail()
            assert chain
            self.device.add_used(chain, 3)
        self.device.publish()

    def next_driver(self, saved: SavedDriver | bytes | None = None) -> Driver:
        return Driver.restore(self.driver.save() if saved is None else saved, self.memory, self.areas, self.features)

    def next_device(self, state: bytes | None = None, generation: int = 1) -> Device:
        state = self.device.save() if state is None else state
        options = self.memory, self.areas, self.features
        return Device.restore(state, *options, generation=generation, inflight=self.inflight)


@pytest.fixture(params=FORMATS, ids=NAMES)
def ring(request: pytest.FixtureRequest) -> Ring:
    return Ring(request.param)


# --------------------------------------------------------------------------------------------- at every step: C220 ---


class World:
    """
    A ring under a program of numbers, with requests that are numbered and answered by their number; everything that
    either side is told goes into ``told``.
    """

    def __init__(self, features: Feature, index: int, inflight: bool) -> None:
        self.features = features
        self.memory = GuestMemory(1 << 16)
        self.areas = allocate_areas(self.memory, SIZE, features)
        self.data = self.memory.allocate(64 * SIZE)
        packed = bool(features & Feature.RING_PACKED)
        self.inflight = bytearray(inflight_size(SIZE, packed)) if inflight else None
        self.driver = Driver(self.memory, self.areas, features, index=index)
        self.device = Device(self.memory, self.areas, features, index=index, inflight=self.inflight)
        self.requests = itertools.count()
        self.places = deque(range(SIZE))  # of 64 bytes each, for one request
        self.held: list[tuple[bytes, int]] = []  # what the device has: request, and handle
        self.staged = {"driver": 0, "device": 0}
        self.told: list[object] = []

    def step(self, what: int) -> None:
        """One call, of what there is to do; ``what`` chooses."""
        verbs = self.add, self.publish, self.take, self.use, self.publish_used, self.collect
        verbs[what % len(verbs)](what // len(verbs))

    def add(self, choice: int) -> None:
        if not self.places:
            return
        place, pieces = self.places[0], 1 + choice % 3
        start, request = self.data + 64 * place, next(self.requests)
        self.memory.write(start, request.to_bytes(4, "little"))
        token = request, place
        added = self.driver.add_avail([(start, 4)], [(start + 16 * i, 16) for i in range(1, pieces)], token)
        self.told.append(("added", added, token if added else None))
        if added:
            self.places.popleft()
            self.staged["driver"] += 1

    def publish(self, _: int) -> None:
        self.driver.publish()
        self.staged["driver"] = 0

    def take(self, _: int) -> None:
        chain = self.device.get_avail()
        self.told.append(("taken", chain and chain.read(), chain and chain.room))
        if chain:
            self.held.append((chain.read(), chain.handle))

    def use(self, choice: int) -> None:
        if self.held:
            request, handle = self.held.pop(choice % len(self.held))
            self.device.add_used(handle, 0)
            self.staged["device"] += 1
            self.told.append(("used", request))

    def publish_used(self, _: int) -> None:
        self.device.publish()
        self.staged["device"] = 0

    def collect(self, _: int) -> None:
        used = self.driver.get_used()
        self.told.append(("collected", used))
        if used:
            assert isinstance(used.token, tuple)
            self.places.append(used.token[1])

    def restart_driver(self) -> bool:
        """Save, and go on with a successor. False where that has to wait: something is staged."""
        if self.staged["driver"]:
            with pytest.raises(CallerError, match="STATE"):
                self.driver.save()
            return False
        saved: SavedDriver = pickle.loads(pickle.dumps(self.driver.save()))
        self.driver = Driver.restore(saved, self.memory, self.areas, self.features)
        return True

    def restart_device(self) -> bool:
        """
        As for the driver; a packed device must be drained besides. With an inflight region nobody asks the predecessor.
        """
        options = self.memory, self.areas, self.features
        before = self.held
        if self.staged["device"]:
            with pytest.raises(CallerError, match="STATE"):
                self.device.save()
            return False
        if self.inflight is not None:
            self.device = Device.recover(self.inflight, *options, generation=1)
        elif self.held and self.features & Feature.RING_PACKED:
            with pytest.raises(CallerError, match="STATE"):
                self.device.save()
            return False
        else:
            self.device = Device.restore(self.device.save(), *options, generation=1)
        self.held = []
        for request, _ in before:
            chain = self.device.get_avail()
            assert chain and chain.read() == request, "handed out again, oldest first"
            self.held.append((request, chain.handle))
        return True


@pytest.mark.parametrize("inflight", [False, True], ids=["saved", "recovered"])
@both_formats
@given(data=st.data())
def test_C220_saved_and_restored_at_any_step_is_as_if_uninterrupted(
    features: Feature, inflight: bool, data: st.DataObject
) -> None:
    program = data.draw(st.lists(st.integers(0, 6 * 4 - 1), min_size=20, max_size=60), label="program")
    features |= data.draw(st.sampled_from([Feature(0), Feature.EVENT_IDX]), label="besides")
    # Near the wrap: the last free-running index, the last entry of the packed ring's second lap.
    index = data.draw(st.sampled_from([0, 0x7FFF if features & Feature.RING_PACKED else 0xFFFE]), label="index")
    if features & Feature.RING_PACKED and index:
        index = 0x8000 | SIZE - 1
    plain = World(features, index, inflight)
    for what in program:
        plain.step(what)
    end = plain.driver.free, plain.device.in_flight, plain.driver.reset()
    for side in ("driver", "device", "both"):
        world = World(features, index, inflight)
        for what in program:
            world.step(what)
            if side in ("driver", "both"):
                world.restart_driver()
            if side in ("device", "both"):
                world.restart_device()
        assert world.told == plain.told, side
        assert (world.driver.free, world.device.in_flight, world.driver.reset()) == end, side


# ------------------------------------------------------------------------------------------------- save and restore ---


def test_a_restored_driver_has_its_tokens_and_says_that_work_waits(ring: Ring) -> None:
    token = object()
    ring.offer("first", token, "third")
    assert not ring.next_driver().work_waits
    ring.use(1)
    driver = ring.next_driver()
    assert driver.work_waits and driver.in_flight == 3 and driver.free == SIZE - 6
    assert driver.publish() is True, "nobody knows what the predecessor notified"
    assert driver.get_used() == Used("first", 3)
    ring.use(2)
    second, third = driver.get_used_batch()
    assert second.token is token and third.token == "third" and not driver._tokens
    assert driver.add_avail([(ring.data, 1)], token="fresh") and driver.reset() == ["fresh"]


def test_bytes_that_C_saved_have_numbers_for_tokens(ring: Ring) -> None:
    ring.offer("first", "second")
    driver = ring.next_driver(ring.driver.save().state)
    ring.use(2)
    numbers = [used.token for used in driver.get_used_batch()]
    assert numbers == [1, 2]


@pytest.mark.parametrize("number", [0, 1, 1 << 63, (1 << 64) - 1])
def test_a_restored_driver_goes_on_whatever_numbers_C_gave(ring: Ring, number: int) -> None:
    piece = lowlevel.ffi.new("struct vring_segment[]", [(ring.data, 4)])
    for token in (number, 5):
        assert lowlevel.lib.vring_driver_add_avail(ring.driver._queue, piece, 1, 0, token) == 0
    ring.driver.publish()
    driver = ring.next_driver(ring.driver.save().state)
    assert all(driver.add_avail([(ring.data, 4)], token=name) for name in "abcdef")
    assert driver.reset() == [number, 5, *"abcdef"]


def test_a_restored_device_hands_out_again_what_was_in_flight() -> None:
    for features in (FORMATS[0], FORMATS[1] | Feature.IN_ORDER):
        ring = Ring(features)
        ring.offer("first", "second", "third")
        old = ring.device.get_avail(), ring.device.get_avail()
        device = ring.next_device()
        assert device.work_waits and device.publish() is True
        with pytest.raises(CallerError, match="HANDLE"):
            assert old[0]
            device.add_used(old[0], 0)
        device.add_used_batch([(chain, 2) for chain in device.get_avail_batch()])
        device.publish()
        assert ring.driver.get_used_batch() == [Used(name, 2) for name in ("first", "second", "third")]


def test_a_packed_device_with_buffers_in_flight_has_to_be_drained() -> None:
    ring = Ring(FORMATS[1])
    ring.offer("first")
    chain = ring.device.get_avail()
    assert chain
    with pytest.raises(CallerError, match="save.*STATE"):
        ring.device.save()
    ring.device.add_used(chain)
    ring.device.publish()
    assert isinstance(PackedDevice.restore(ring.device.save(), ring.memory, ring.areas, ring.features), PackedDevice)


def test_a_saved_state_is_not_believed(ring: Ring) -> None:
    ring.offer("first")
    saved, state = ring.driver.save(), ring.device.save()
    for wrong in (b"", state[:-1], bytes([state[0] ^ 1]) + state[1:]):
        with pytest.raises(CallerError, match=r"state.*\[SAVED\]"):
            ring.next_device(wrong)
    for wrong in (b"", saved.state[:-1]):
        with pytest.raises(CallerError, match=r"saved.*\[SAVED\]"):
            ring.next_driver(wrong)
    with pytest.raises(CallerError, match=r"state.*\[UNFIT\]"):
        ring.next_device(saved.state)
    with pytest.raises(CallerError, match=r"saved.*\[UNFIT\]"):
        ring.next_driver(state)
    other = Ring(ring.features | Feature.EVENT_IDX)
    with pytest.raises(CallerError, match=r"\[UNFIT\]"):
        Driver.restore(saved, other.memory, other.areas, other.features)
    with pytest.raises(CallerError, match=r"\[UNFIT\]"):
        Device.restore(state, other.memory, other.areas, other.features)
    ring.use(1)  # the ring has moved since
    if not ring.driver.packed:
        with pytest.raises(CallerError, match=r"state.*\[UNFIT\]"):
            ring.next_device(state)


# --------------------------------------------------------------------------------------------------------- recover ---


@both_formats
def test_a_device_that_died_leaves_nothing_behind(features: Feature) -> None:
    ring = Ring(features, inflight=True)
    ring.offer("first", "second", "third")
    ring.use(1)
    assert ring.device.get_avail() and ring.inflight
    device = Device.recover(ring.inflight, ring.memory, ring.areas, features, generation=1)
    assert device.work_waits and device.publish() is True
    device.add_used_batch([(chain, 5) for chain in device.get_avail_batch()])
    device.publish()
    assert ring.driver.get_used_batch() == [Used("first", 3), Used("second", 5), Used("third", 5)]


@both_formats
def test_what_was_taken_in_runs_is_handed_out_again(features: Feature) -> None:
    """Saved or recovered: also what had no handle, and then each has one, whatever takes it."""
    features |= Feature.IN_ORDER
    for kept in (False, True):
        ring = Ring(features, inflight=kept)
        data = ring.memory.allocate(64)
        assert ring.driver.add_avail_run([(data + i, 1 + i) for i in range(6)], tokens="abcdef") == 6
        ring.driver.publish()
        assert ring.device.get_avail_run(2) and ring.device.get_avail_run(2)
        options = ring.memory, ring.areas, features
        if ring.inflight:
            device = Device.recover(ring.inflight, *options, generation=1)
        else:
            device = Device.restore(ring.device.save(), *options, generation=1)
        first = device.get_avail()
        assert first and [len(piece) for piece in first.readable] == [1]
        taken = [first]
        while run := device.get_avail_run():
            taken += [run.last]
            lengths = [len(piece) for piece in run.pieces]
        assert lengths[-1] == 6 and device.in_flight == 6
        device.add_used_through(taken[-1])
        device.publish()
        back = []
        while used := ring.driver.get_used_run():
            back.append(used)
        assert sum(used.n for used in back) == 6 and back[-1].last.token == "f"


@both_formats
def test_an_inflight_region_is_judged(features: Feature) -> None:
    ring = Ring(features, inflight=True)
    assert ring.inflight
    options = ring.memory, ring.areas, features
    first = Device.recover(memoryview(bytearray(len(ring.inflight))), *options)
    assert first.get_avail() is None, "zeroes are a first start"
    with pytest.raises(CallerError, match=r"inflight.*\[SIZE\]"):
        Device(*options, inflight=ring.inflight[:-1])
    with pytest.raises(CallerError, match=r"inflight.*\[ALIGN\]"):
        Device(*options, inflight=memoryview(bytearray(len(ring.inflight) + 1))[1:])
    with pytest.raises(CallerError, match=r"inflight.*\[SAVED\]"):
        Device.recover(memoryview(bytearray(b"\xff" * len(ring.inflight))), *options)
    with pytest.raises(BufferError):
        Device(*options, inflight=bytes(len(ring.inflight)))
    assert inflight_size(0, False) == 0


# ------------------------------------------------------------------------------ peek, suspend, regions, used length ---


def test_peek_looks_and_leaves(ring: Ring) -> None:
    assert ring.device.peek() is None
    ring.memory.write(ring.data, b"look")
    ring.offer("first")
    seen = ring.device.peek()
    assert seen and seen.read() == b"look" and seen.room == 8 and ring.device.in_flight == 0
    with pytest.raises(CallerError, match="HANDLE"):
        ring.device.add_used(seen)
    ring.use(1)
    assert ring.driver.get_used() == Used("first", 3)


def test_peek_at_an_unusable_buffer_leaves_it_to_get_avail(ring: Ring) -> None:
    ring.driver.add_avail([(1 << 40, 4)], token="outside")
    ring.driver.publish()
    with pytest.raises(ChainError, match="not taken") as error:
        ring.device.peek()
    assert not error.value.taken and ring.device.in_flight == 0
    with pytest.raises(ChainError, match="complete handle") as error:
        ring.device.get_avail()
    ring.device.add_used(error.value.handle, 0)
    ring.device.publish()
    assert ring.driver.get_used() == Used("outside", 0)


def test_peek_leaves_what_a_batch_found_to_the_next_that_takes(ring: Ring) -> None:
    ring.offer("sound")
    ring.driver.add_avail([(1 << 40, 4)], token="outside")
    ring.driver.publish()
    [sound] = ring.device.get_avail_batch()
    assert ring.device.in_flight == 2 and ring.device.peek() is None, "it is taken already"
    ring.offer("behind")
    seen = ring.device.peek()
    assert seen and seen.room == 8
    with pytest.raises(ChainError, match="get_avail_batch.*complete handle") as error:
        ring.device.get_avail()
    assert error.value.taken
    ring.device.add_used_batch([sound, (error.value.handle, 0)])
    ring.use(1)
    assert [used.token for used in ring.driver.get_used_batch()] == ["sound", "outside", "behind"]


@both_formats
def test_suspended_queues_stand_still_and_say_what_came_meanwhile(features: Feature) -> None:
    ring = Ring(features | Feature.SUSPEND)
    ring.offer("first")
    chain = ring.device.get_avail()
    ring.driver.suspend()
    with pytest.raises(CallerError, match="STATE"):
        ring.driver.add_avail([(ring.data, 1)])
    assert ring.device.suspend() > 0 and chain
    ring.device.add_used(chain, 1)
    ring.device.publish()
    assert ring.device.suspend() == 0
    assert ring.driver.resume() is True, "a used buffer came"
    assert ring.driver.get_used() == Used("first", 1)
    ring.offer("second")
    assert ring.device.resume() is True, "a buffer came"
    with pytest.raises(CallerError, match="STATE"):
        ring.device.resume()
    with pytest.raises(CallerError, match="STATE"):
        ring.driver.resume()
    ring.use(1)


def test_suspend_has_to_be_negotiated(ring: Ring) -> None:
    for side in (ring.driver, ring.device):
        with pytest.raises(CallerError, match=r"without SUSPEND.*\[FEATURE\]"):
            side.suspend()


@both_formats
def test_a_buffer_waits_for_its_memory(features: Feature) -> None:
    ring = Ring(features, regions_may_miss=True)
    plugged = GuestMemory(4096, base=1 << 32)
    plugged.write(1 << 32, b"late")
    ring.offer("first")
    ring.driver.add_avail([(1 << 32, 4)], token="late")
    ring.driver.publish()
    assert len(ring.device.get_avail_batch()) == 1, "those before it"
    with pytest.raises(MissError, match=r"0x100000000.*\[MISS\]") as error:
        ring.device.get_avail_batch()
    with pytest.raises(MissError):
        ring.device.peek()
    with pytest.raises(MissError):
        ring.device.get_avail()
    assert error.value.addr == 1 << 32
    ring.device.set_regions([Region(ring.memory), Region(plugged)])
    chain = ring.device.get_avail()
    assert chain and chain.read() == b"late"


def test_a_refused_table_of_regions_changes_nothing(ring: Ring) -> None:
    ring.offer("first")
    chain = ring.device.get_avail()
    for regions, code in (
        ([Region(ring.memory), Region(ring.memory)], RingCode.OVERLAP),
        ([Region(GuestMemory(4096, base=1 << 32))], RingCode.STATE),
    ):
        with pytest.raises(CallerError) as error:
            ring.device.set_regions(regions)
        assert error.value.code == code
    assert chain
    ring.device.rewind(chain)
    ring.use(1)
    assert ring.driver.get_used() == Used("first", 3)


def test_a_used_length_too_long_is_cut_and_reported() -> None:
    ring = Ring(FORMATS[0])
    ring.driver = Driver(ring.memory, ring.areas, ring.features, used_length=UsedLength.REPORT)
    ring.offer("first")
    ring.use(1)
    ring.memory.write(ring.areas.device + 4 + 4, (77).to_bytes(4, "little"))  # the used length
    assert ring.driver.fault is None
    assert ring.driver.get_used() == Used("first", 8)
    fault = ring.driver.fault
    assert isinstance(fault, PeerError) and (fault.code, fault.value) == (RingCode.PEER_LEN, 77)
    ring.offer("and the queue lives")
