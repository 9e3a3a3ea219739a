# SPDX-License-Identifier: MIT
"""
Negative controls, as in test_machines_can_fail.py, of what few rings have: IN_ORDER, verbs of many buffers and of runs,
and the words of legacy rings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from machine_search import find
from vring import AvailRun, ByteOrder, Chain, Device, Driver, Feature, Offer, Segment, UsedRun
from vring.testing import (
    DeviceLike,
    HostileDeviceMachine,
    HostileDriverMachine,
    PackedPeerDevice,
    PackedRingMachine,
    PeerDevice,
    PeerDriver,
    RingMachine,
    RingSetup,
    Violation,
)
from vring.testing.peer import Finished, Turns


class InOrder(RingMachine):
    """Always with IN_ORDER: what is looked for is wrong with it alone."""

    features = Feature.EVENT_IDX | Feature.IN_ORDER

    def _start(self, setup: RingSetup) -> None:
        super()._start(replace(setup, features=setup.features | Feature.VERSION_1 | Feature.IN_ORDER))


class PackedInOrder(InOrder, PackedRingMachine):
    """The same for the packed ring."""


class NamesTheFirst(Turns):
    """2.7.9, 2.8.8: the element of a batch names its last buffer, not its first."""

    def batches(self, staged: list[Finished]) -> list[list[Finished]]:
        return [batch[::-1] for batch in super().batches(staged)]


class TellsNoLength(Turns):
    """2.7.9, 2.8.8: a buffer that was not used in full ends its batch, for nobody tells its length otherwise."""

    def batches(self, staged: list[Finished]) -> list[list[Finished]]:
        return [staged] if self.in_order else super().batches(staged)


class DoesNotWait(Turns):
    """Buffers are used in the order in which they were finished, although an order was promised."""

    def finish(self, handle: int, finished: Finished) -> list[Finished]:
        self.order.remove(handle)
        return [finished]


@pytest.mark.parametrize(
    "turns, packed",
    [
        (NamesTheFirst, False),
        (NamesTheFirst, True),
        (TellsNoLength, False),
        (TellsNoLength, True),
        (DoesNotWait, False),
    ],
)
def test_a_device_that_breaks_the_order_is_found(turns: type[Turns], packed: bool) -> None:
    class Device(PeerDevice):
        def __init__(self, setup: RingSetup) -> None:
            super().__init__(setup)
            self.turns = turns(self.in_order)

    class Packed(PackedPeerDevice):
        def __init__(self, setup: RingSetup) -> None:
            super().__init__(setup)
            self.turns = turns(self.in_order)

    class Machine(InOrder):
        def make_device(self, setup: RingSetup) -> PeerDevice:
            return Device(setup)

    class PackedMachine(PackedInOrder):
        def make_device(self, setup: RingSetup) -> PackedPeerDevice:
            return Packed(setup)

    find(
        PackedMachine if packed else Machine,
        "came back|does not come back|buffers taken|nothing was published|notified for nothing|PEER_",
    )


class Scatters(PeerDriver):
    """2.7.5.2: with IN_ORDER each descriptor leads to the one behind it."""

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.free_descriptors.reverse()


class KnowsNoBatches(PeerDriver):
    """2.7.9: what was made available before the buffer that is named comes back before it, whatever the device says."""

    def _judge(self, head: int, length: int) -> list[tuple[int, int]]:
        return super()._judge(head, length)[-1:]


@pytest.mark.parametrize("wrong, reason", [(Scatters, "2.7.5.2"), (KnowsNoBatches, "came back instead")])
def test_a_driver_that_breaks_the_order_is_found(wrong: type[PeerDriver], reason: str) -> None:
    class Machine(InOrder):
        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return wrong(setup)

        def make_device(self, setup: RingSetup) -> PeerDevice:
            return PeerDevice(setup)

    find(Machine, reason)


class LetsGoBeforeItsTurn(Device):
    """2.7.9: a buffer that was used before its turn is the device's until then."""

    early = 0

    def add_used(self, chain: Chain | int, written: int | None = None) -> None:
        before = super().in_flight
        super().add_used(chain, written)
        self.early += 1 - (before - super().in_flight)

    @property
    def in_flight(self) -> int:
        return super().in_flight - self.early


def find_if(knows: object, machine: type[RuleBasedStateMachine], reason: str) -> None:
    """What is wrong is found by a machine that knows what it is about, and by no other."""
    if knows:
        find(machine, reason)
    else:
        run_state_machine_as_test(machine)


@pytest.mark.parametrize("knows", [Feature.IN_ORDER, Feature(0)], ids=["in order", "without: all is well"])
def test_a_hostile_machine_finds_what_is_wrong_in_order_alone(knows: Feature) -> None:
    class OfDriver(HostileDeviceMachine):
        features = knows
        peer_errors = (Violation,)
        sticky = False

        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return KnowsNoBatches(setup)

    class OfDevice(HostileDriverMachine):
        features = knows

        def make_device(self, setup: RingSetup) -> Device:
            return LetsGoBeforeItsTurn(
                setup.memory, setup.areas, setup.features, regions=setup.regions, index=setup.index
            )

    for machine, reason in ((OfDriver, "before it was its turn"), (OfDevice, "the device counts")):
        find_if(knows, machine, reason)


def in_order_with(wrong: type[Driver] | type[Device], base: type[InOrder]) -> type[InOrder]:
    """The machine of that format, one side of which is this one."""

    class Machine(base):  # type: ignore[misc, valid-type]
        def make_driver(self, setup: RingSetup) -> Driver:
            make = wrong if issubclass(wrong, Driver) else Driver
            return make(setup.memory, setup.areas, setup.features, index=setup.index)

        def make_device(self, setup: RingSetup) -> Device:
            make = wrong if issubclass(wrong, Device) else Device
            return make(setup.memory, setup.areas, setup.features, regions=setup.regions, index=setup.index)

    return Machine


class LosesTheLastOfABatch(Driver):
    """A batch is staged but for its last buffer, and counted as if it were."""

    def add_avail_batch(self, offers: Iterable[Offer | tuple[Sequence[Segment], Sequence[Segment], object]]) -> int:
        offered = list(offers)
        staged = super().add_avail_batch(offered[:-1])
        return staged + 1 if self.free > 2 else staged + super().add_avail_batch(offered[staged:])


class UsesTheNamedAlone(Device):
    """2.7.9: all that were taken before the one that is named are used with it."""

    def add_used_through(self, chain: Chain | int, written: int | None = None) -> None:
        self.add_used(chain, written)


@pytest.mark.parametrize("wrong", [LosesTheLastOfABatch, UsesTheNamedAlone])
def test_verbs_of_many_buffers_are_held_against_the_ledger(wrong: type[Driver] | type[Device]) -> None:
    find(in_order_with(wrong, InOrder), "buffers in flight|does not see|descriptors free|buffers taken|owes the device")


class GivesOneTokenToAll(Driver):
    """A run is named by its first buffer, and so is each of it."""

    def add_avail_run(
        self, segments: Sequence[Segment], writable: bool = False, tokens: Sequence[object] | None = None
    ) -> int:
        return super().add_avail_run(segments, writable, tokens and [tokens[0]] * len(tokens))


class TakesTheNamedAlone(Driver):
    """2.7.9: with the buffer that is named all before it are back."""

    def get_used_run(self, most: int | None = None) -> UsedRun | None:
        run = super().get_used_run(most)
        return run and UsedRun(1, run.last)


class TurnsARunRound(Device):
    """V39: buffers are taken in the order in which they were made available."""

    def get_avail_run(self, most: int | None = None) -> AvailRun | None:
        run = super().get_avail_run(most)
        return run and AvailRun(run.n, run.pieces[::-1], run.last)


class TakesMoreThanItWasAskedFor(Device):
    """A run has no more buffers than there is room for."""

    def get_avail_run(self, most: int | None = None) -> AvailRun | None:
        return super().get_avail_run()


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (GivesOneTokenToAll, "came back instead|gave back|took back"),
        (TakesTheNamedAlone, "came back instead|gave back|buffers in flight|descriptors free"),
        (TurnsARunRound, "another buffer was taken|ends with another buffer"),
        (TakesMoreThanItWasAskedFor, "and at most"),
    ],
)
@pytest.mark.parametrize("format", [InOrder, PackedInOrder])
def test_a_wrong_run_is_found(wrong: type[Driver] | type[Device], reason: str, format: type[InOrder]) -> None:
    find(in_order_with(wrong, format), reason)


class NeedsNoOrder(Driver):
    """2.7.9: without IN_ORDER no used element stands for several buffers."""

    def get_used_run(self, most: int | None = None) -> UsedRun | None:
        used = self.get_used()
        return used and UsedRun(1, used)


def test_a_run_without_an_order_is_found() -> None:
    class Machine(RingMachine):
        def make_driver(self, setup: RingSetup) -> Driver:
            return NeedsNoOrder(setup.memory, setup.areas, setup.features, index=setup.index)

    find(Machine, "a run without IN_ORDER is answered")


def modern(setup: RingSetup) -> RingSetup:
    """2.7.3: a legacy ring is in the driver's own byte order; whoever is set up so knows only the modern one."""
    return replace(setup, legacy_order=ByteOrder.LITTLE)


@pytest.mark.parametrize("knows", [True, False], ids=["legacy", "modern: all is well"])
def test_a_hostile_machine_finds_a_wrong_byte_order(knows: bool) -> None:
    class OfDriver(HostileDeviceMachine):
        legacy = knows
        peer_errors = (Violation,)
        sticky = False

        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return PeerDriver(modern(setup))

    class OfDevice(HostileDriverMachine):
        legacy = knows

        def make_device(self, setup: RingSetup) -> DeviceLike:
            return super().make_device(modern(setup))

    for machine, reason in (
        (OfDriver, "is published as|an honest peer"),
        (OfDevice, "was taken, but|is accused|but the buffer is"),
    ):
        find_if(knows, machine, reason)


def test_a_device_with_the_wrong_byte_order_is_found() -> None:
    class Machine(RingMachine):
        legacy = True

        def make_device(self, setup: RingSetup) -> PeerDevice:
            return PeerDevice(modern(setup))

    find(Machine, "2.7|outside|not all within|nothing was|does not see|PEER_")


def test_what_a_machine_does_not_know_it_is_not_given() -> None:
    """Rings that know neither are found right by a machine that was not told that they do."""

    class Neither(PeerDevice):
        def __init__(self, setup: RingSetup) -> None:
            assert setup.features & Feature.VERSION_1 and not setup.features & Feature.IN_ORDER
            super().__init__(setup)

    class Machine(RingMachine):
        def make_device(self, setup: RingSetup) -> PeerDevice:
            return Neither(setup)

    run_state_machine_as_test(Machine)
