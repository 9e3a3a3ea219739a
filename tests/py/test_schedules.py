# SPDX-License-Identifier: MIT
"""
Every access to shared memory can be watched, and the other side may act before any of them: nothing is lost, and
nobody is believed. The wrong drivers here are right as long as verbs do not overlap.
"""

from collections.abc import Callable

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from vring import BouncePool, Device, Direction, Driver, Feature, GuestMemory, Used
from vring.layout import allocate_areas
from vring.testing import (
    Access,
    AccessKind,
    HostileScheduleMachine,
    PackedPeerDriver,
    PeerDevice,
    PeerDriver,
    RingMachine,
    RingSetup,
    ScheduleMachine,
    SplitWords,
    Violation,
    strategies,
    watch,
    watch_caches,
)
from vring.testing.peer import Finished, Turns
from vring.testing.protocol import OPTIONAL

EVERY = Feature.EVENT_IDX | Feature.INDIRECT_DESC | Feature.IN_ORDER


class Schedules(ScheduleMachine):
    features, legacy = EVERY, True


class HostileSchedules(HostileScheduleMachine):
    features, legacy = EVERY, True


TestSchedules = Schedules.TestCase
TestHostileSchedules = HostileSchedules.TestCase

FORMATS = [Feature.VERSION_1, Feature.VERSION_1 | Feature.RING_PACKED]


def queue(features: int) -> tuple[GuestMemory, RingSetup, Driver, Device]:
    memory = GuestMemory(1 << 16)
    setup = RingSetup(memory, allocate_areas(memory, 4, features), features)
    return memory, setup, Driver(memory, setup.areas, features), Device(memory, setup.areas, features)


# ------------------------------------------------------------------------------------------------------- the watch ---


@pytest.mark.parametrize("features", FORMATS)
def test_every_byte_that_changes_was_announced(features: int) -> None:
    """Before each access all earlier stores stand in memory and this one does not yet; none is missed."""
    memory, setup, driver, _ = queue(features)
    start, size = setup.areas.desc, memory.size - (setup.areas.desc - memory.base)
    model = bytearray(memory.read(start, size))
    kinds = []

    def check(access: Access) -> None:
        kinds.append(access.kind)
        assert memory.read(start, size) == bytes(model), f"something was stored before {access} without a word"
        addr = access.within(memory)
        if access.kind in (AccessKind.STORE, AccessKind.STORE_RELEASE):
            assert addr is not None
            model[addr - start : addr - start + access.width] = access.value.to_bytes(access.width, "little")

    with watch(check):
        assert driver.add_avail([(start, 8)], [], "a")
        driver.publish()
    assert memory.read(start, size) == bytes(model)
    assert AccessKind.FENCE in kinds and AccessKind.STORE_RELEASE in kinds
    heard = len(kinds)
    driver.get_used()
    assert len(kinds) == heard, "the watch is over"


@pytest.mark.parametrize("features", FORMATS)
def test_a_verb_inside_a_verb_is_not_watched_and_a_failure_is_raised_at_the_end(features: int) -> None:
    _, setup, driver, device = queue(features)
    depth = 0

    def act(access: Access) -> None:
        nonlocal depth
        depth += 1
        assert depth == 1
        device.enable_notify()
        depth -= 1

    with watch(act):
        driver.add_avail([(setup.areas.desc, 8)], [], "a")
        driver.publish()

    def fail(access: Access) -> None:
        raise RuntimeError("of the watcher")

    with pytest.raises(RuntimeError, match="of the watcher"):
        with watch(fail):
            driver.add_avail([(setup.areas.desc, 8)], [], "b")
            driver.publish()
    assert driver.in_flight == 2, "the verbs ended as they would have"
    assert device.get_avail() and device.get_avail()


def test_a_watcher_around_another_tells_its_own_failure() -> None:
    """What is watched within has failures of its own, and its end is nobody else's."""
    _, _, driver, _ = queue(FORMATS[0])
    pool = BouncePool(GuestMemory(4 * 2048))

    def fails(name: str) -> Callable[[object], object]:
        def fail(seen: object) -> None:
            raise RuntimeError(name)

        return fail

    for within in (watch, watch_caches):
        with pytest.raises(RuntimeError, match="the outer one"):
            with watch(fails("the outer one")):
                driver.enable_notify()
                with within(lambda seen: None):
                    pass
    with pytest.raises(RuntimeError, match="the outer one"):
        with watch_caches(fails("the outer one")):
            pool.map(b"x", Direction.TO_DEVICE)
            with watch(lambda access: None):
                driver.enable_notify()
    heard: list[object] = []
    with watch(heard.append):
        with pytest.raises(RuntimeError, match="the inner one"):
            with watch(fails("the inner one")):
                driver.enable_notify()
        assert not heard
        driver.enable_notify()
    assert heard, "the outer one goes on"


# ------------------------------------------------------------------------------------------------ negative controls ---


def find(machine: type[RuleBasedStateMachine], reason: str, error: type[Exception] = AssertionError) -> None:
    with pytest.raises(error, match=reason):
        run_state_machine_as_test(
            machine, settings=settings(max_examples=500, report_multiple_bugs=False, phases=[Phase.generate])
        )


class ReadsTheIndexTwice(PeerDriver):
    """What was alone when the index was read first need not be when it is read again: what came between is lost."""

    def get_used(self) -> Used | None:
        alone = (self.words.used_idx - self.next_used) % 65536 == 1
        used = super().get_used()
        if alone:
            self.next_used = self.words.used_idx
        return used


class LooksBeforeItAsks(PeerDriver):
    """V19: what is used between the look and the wish wakes nobody."""

    def enable_notify(self) -> bool:
        waits = bool(self.waiting)
        super().enable_notify()
        return waits


class LooksBeforeItAsksPacked(PackedPeerDriver):
    """V19, in a packed ring."""

    def enable_notify(self) -> bool:
        waits = self.is_used(self.next_used)
        super().enable_notify()
        return waits


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (ReadsTheIndexTwice, "is lost|out of turn|never came back|the driver sleeps while"),
        (LooksBeforeItAsks, "the driver sleeps while"),
        (LooksBeforeItAsksPacked, "the driver sleeps while"),
    ],
)
def test_a_driver_that_is_wrong_only_between_two_accesses_is_found(
    wrong: type[PeerDriver] | type[PackedPeerDriver], reason: str
) -> None:
    class Machine(ScheduleMachine):
        setups = strategies.packed_setups() if issubclass(wrong, PackedPeerDriver) else strategies.ring_setups()

        def make_driver(self, setup: RingSetup) -> PeerDriver | PackedPeerDriver:
            return wrong(setup)

    find(Machine, reason)


@pytest.mark.parametrize("wrong", [ReadsTheIndexTwice, LooksBeforeItAsks])
def test_one_verb_at_a_time_does_not_find_it(wrong: type[PeerDriver]) -> None:
    """Which is what the schedules are for."""

    class Machine(RingMachine):
        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return wrong(setup)

    run_state_machine_as_test(Machine, settings=settings(max_examples=20))


class NamesTheFirst(Turns):
    """2.7.9: the element of a batch names its last buffer, not its first."""

    def batches(self, staged: list[Finished]) -> list[list[Finished]]:
        return [batch[::-1] for batch in super().batches(staged)]


class BatchesByTheirFirst(PeerDevice):
    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.turns = NamesTheFirst(self.in_order)


class WritesModernWords(PeerDevice):
    """2.7.3: a legacy ring is in the driver's own byte order."""

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.words = SplitWords(setup.memory, setup.areas)


@pytest.mark.parametrize(
    "wrong, knows, old", [(BatchesByTheirFirst, Feature.IN_ORDER, False), (WritesModernWords, Feature.EVENT_IDX, True)]
)
def test_a_device_that_is_wrong_in_order_or_in_an_old_ring_alone_is_found(
    wrong: type[PeerDevice], knows: Feature, old: bool
) -> None:
    class Machine(ScheduleMachine):
        setups = strategies.ring_setups(OPTIONAL, legacy=True)
        features, legacy = knows, old

        def make_device(self, setup: RingSetup) -> PeerDevice:
            return wrong(setup)

    class KnowsNeither(Machine):
        features, legacy = Feature.EVENT_IDX | Feature.INDIRECT_DESC, False

    find(Machine, "is lost|out of turn|never came back|accused|2.7|outside|not all within", Exception)
    run_state_machine_as_test(KnowsNeither)


class ReadsTheIdTwice(PeerDriver):
    """V33: the id that is checked need not be the one that is used."""

    def get_used(self) -> Used | None:
        if not self.waiting:
            return None
        if self.words.used(self.next_used)[0] not in self.buffers:
            raise Violation("not in flight")
        index, length = self.words.used(self.next_used)
        token, chain, writable = self.buffers.pop(index)
        self.free_descriptors += chain
        self.next_used = (self.next_used + 1) % 65536
        return Used(token, min(length, writable))


def test_a_driver_that_checks_one_id_and_takes_another_is_found() -> None:
    class Machine(HostileScheduleMachine):
        setups = strategies.ring_setups()
        peer_errors = (*HostileScheduleMachine.peer_errors, Violation)
        sticky = False  # the driver's errors, in pure Python, do not stick

        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return ReadsTheIdTwice(setup)

    find(Machine, r"^\d+", KeyError)
