# SPDX-License-Identifier: MIT
"""
Negative controls: rings and pools that are wrong in ways that rings and pools have been wrong, each of which the
machines must find, for the reason given. A machine that finds nothing wrong with these proves nothing about ours.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from vring import (
    AvailRun,
    BouncePool,
    ByteOrder,
    CallerError,
    Chain,
    Device,
    Direction,
    Driver,
    Feature,
    GuestMemory,
    Mapping,
    NoRoom,
    Offer,
    PackedDevice,
    PeerError,
    PoolFlag,
    Segment,
    Used,
    UsedRun,
)
from vring.testing import (
    Geometry,
    HostileDeviceMachine,
    HostileDriverMachine,
    PackedHostileDeviceMachine,
    PackedHostileDriverMachine,
    PackedPeerDevice,
    PackedPeerDriver,
    PackedRingMachine,
    PeerDevice,
    PeerDriver,
    PoolMachine,
    PreFixSearch,
    RingMachine,
    RingSetup,
    SplitWords,
    Violation,
)
from vring.testing.peer import Finished, Turns


def find(machine: type[RuleBasedStateMachine], reason: str, *phases: Phase) -> pytest.ExceptionInfo[Exception]:
    with pytest.raises(Exception, match=reason) as found:
        run_state_machine_as_test(
            machine, settings=settings(max_examples=3000, report_multiple_bugs=False, phases=[Phase.generate, *phases])
        )
    return found


# ---------------------------------------------------------------------------------------------------------- drivers ---


class ComparesEventByMagnitude(PeerDriver):
    """V20: without modular arithmetic the notification is lost when the index wraps past the event."""

    def must_notify(self, before: int) -> bool:
        return bool(self.published >= self.words.avail_event + 1) if self.event_idx else super().must_notify(before)


class ComparesEventWithLatestOnly(PeerDriver):
    """V21: an event in the middle of a batch counts as well as one at its end."""

    def must_notify(self, before: int) -> bool:
        return super().must_notify((self.published - 1) % 65536)


class PublishesWhatIsStaged(PeerDriver):
    """V17: the index moves before the caller has said so."""

    def abort(self) -> object:
        self.words.avail_idx = self.next_avail
        return super().abort()


class SleepsWithoutLooking(PeerDriver):
    """V19: used buffers that came before the event word was written are missed."""

    def enable_notify(self) -> bool:
        super().enable_notify()
        return False


class LeaksDescriptors(PeerDriver):
    """V35: descriptors that are not given back fill the ring."""

    def abort(self) -> object:
        free = list(self.free_descriptors)
        token = super().abort()
        self.free_descriptors = free
        return token


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (ComparesEventByMagnitude, "the driver owes the device a notification"),
        (ComparesEventWithLatestOnly, "the driver owes the device a notification"),
        (PublishesWhatIsStaged, "nothing staged is visible"),
        (SleepsWithoutLooking, "the driver is told to sleep while used buffers wait"),
        (LeaksDescriptors, "descriptors free"),
    ],
)
def test_a_wrong_driver_is_found(wrong: type[PeerDriver], reason: str) -> None:
    class Machine(RingMachine):
        exact_notifications = False

        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return wrong(setup)

    find(Machine, reason)


def test_a_wrong_driver_is_shrunk_to_a_few_steps() -> None:
    class Machine(RingMachine):
        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return LeaksDescriptors(setup)

    story = "\n".join(find(Machine, "descriptors free", Phase.shrink).value.__notes__)
    steps = re.findall(r"^state\.(\w+)", story, re.MULTILINE)
    steps = [step for step in steps if step not in ("counts_add_up", "nothing_staged_is_visible")]
    # Where the search begins depends on which modules are loaded; now and then a few idle steps survive the shrinking.
    assert [step for step in steps if not step.endswith("_notifications")] == ["start", "add", "abort", "teardown"], story
    assert len(steps) <= 12, story


class KeepsFreeListInSharedMemory(PeerDriver):
    """V34: which descriptors a buffer has is read back from the table, which the device can write."""

    def get_used(self) -> Used | None:
        head = self.words.used(self.next_used)[0]
        if self.waiting and head in self.buffers:
            token, chain, writable = self.buffers[head]
            walked, index = [head], head
            while self.words.descriptor(index).flags & 1 and len(walked) < self.words.size:
                index = self.words.descriptor(index).next
                walked.append(index)
            self.buffers[head] = token, walked, writable
        return super().get_used()


def test_a_driver_that_believes_its_device_is_found() -> None:
    class Machine(HostileDeviceMachine):
        peer_errors = (Violation,)
        sticky = False

        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return KeepsFreeListInSharedMemory(setup)

    find(Machine, "counts|descriptors")


# ---------------------------------------------------------------------------------------------------------- devices ---


class SleepsWithoutLookingDevice(PeerDevice):
    """V54: available buffers that came before the event word was written are missed."""

    def enable_notify(self) -> bool:
        super().enable_notify()
        return False


class NotifiesWhenAskedNotTo(PeerDevice):
    """V50, V51: suppression is ignored."""

    def must_notify(self, before: int) -> bool:
        return True


class ReturnsLengthOfWholeBuffer(PeerDevice):
    """V47: the used length is what was written, not what could have been."""

    def add_used(self, chain: Chain, written: int | None = None) -> None:
        super().add_used(chain, chain.written + chain.room)


class TakesLastFirst(PeerDevice):
    """V39: buffers are taken in the order in which they were made available."""

    def get_avail(self) -> Chain | None:
        if self.waiting < 2:
            return super().get_avail()
        here, self.next_avail = self.next_avail, (self.next_avail + 1) % 65536
        chain = super().get_avail()
        self.next_avail = here
        return chain


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (SleepsWithoutLookingDevice, "misjudged whether buffers wait"),
        (NotifiesWhenAskedNotTo, "the device notified for nothing"),
        (ReturnsLengthOfWholeBuffer, "came back instead of"),
        (TakesLastFirst, "another buffer was taken"),
    ],
)
def test_a_wrong_device_is_found(wrong: type[PeerDevice], reason: str) -> None:
    class Machine(RingMachine):
        def make_device(self, setup: RingSetup) -> PeerDevice:
            return wrong(setup)

    find(Machine, reason)


# ------------------------------------------------------------------------------------------------- the packed ring ---


class ForgetsTheWrapOfAnEvent(PackedPeerDriver):
    """V77: an event place is compared without its wrap counter."""

    def must_notify(self, before: int) -> bool:
        place, flags = self.words.device_event()
        return self.is_due((place | 0x8000, flags), self.next_avail, before)


class FlipsTooLate(PackedPeerDevice):
    """V62: the wrap counter of what is used does not flip where a chain ends at the end of the ring."""

    def wrap(self, place: int) -> bool:
        return super().wrap(place - 1 if place % self.size == 0 and place == self.next_used else place)


class SkipsOneEntryForEveryBuffer(PackedPeerDriver):
    """V67: after a used descriptor come as many entries as the buffer had, not one."""

    def get_used(self) -> Used | None:
        before = self.next_used
        used = super().get_used()
        self.next_used = before + 1 if used else before
        return used


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (ForgetsTheWrapOfAnEvent, "the driver owes the device a notification|notified for nothing"),
        (SkipsOneEntryForEveryBuffer, "does not come back|came back|nothing was published"),
    ],
)
def test_a_wrong_packed_driver_is_found(wrong: type[PackedPeerDriver], reason: str) -> None:
    class Machine(PackedRingMachine):
        def make_driver(self, setup: RingSetup) -> PackedPeerDriver:
            return wrong(setup)

    find(Machine, reason)


def test_a_wrong_packed_device_is_found() -> None:
    class Machine(PackedRingMachine):
        def make_device(self, setup: RingSetup) -> PackedPeerDevice:
            return FlipsTooLate(setup)

    find(Machine, "does not come back|came back|does not see|nothing was")


class BelievesEveryLength(PackedPeerDriver):
    """2.8.5: what the device says it wrote is handed on, however little room there was."""

    def get_used(self) -> Used | None:
        if not self.is_used(self.next_used):
            return None
        _, length, buffer_id, flags = self.words.descriptor(self.entry(self.next_used))
        if buffer_id not in self.buffers:
            raise Violation("not in flight")
        token, count, _ = self._forget(buffer_id)
        self.next_used += count
        return Used(token, length if flags & 2 else 0)


class TakesBackWhatIsStaged(PackedPeerDriver):
    """V32: an id that the device cannot know yet is taken for one that is in flight."""

    def get_used(self) -> Used | None:
        staged, self.staged = self.staged, []
        try:
            return super().get_used()
        finally:
            self.staged = staged


class CountsEntriesInSharedMemory(PackedPeerDriver):
    """V34: how many entries a buffer had is read back from the ring, which the device can write."""

    def _forget(self, buffer_id: int) -> tuple[object, int, int]:
        token, count, writable = self.buffers[buffer_id]
        behind = range(self.next_used + 1, self.next_used + self.size)
        here = [self.words.descriptor(self.entry(place)).id == buffer_id for place in behind[: count - 1]]
        self.buffers[buffer_id] = token, 1 + sum(here), writable
        return super()._forget(buffer_id)


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (BelievesEveryLength, "is longer than the"),
        (TakesBackWhatIsStaged, "returned twice, or before it was published"),
        (CountsEntriesInSharedMemory, "descriptors free"),
    ],
)
def test_a_packed_driver_that_believes_its_device_is_found(wrong: type[PackedPeerDriver], reason: str) -> None:
    class Machine(PackedHostileDeviceMachine):
        peer_errors = (Violation,)
        sticky = False

        def make_driver(self, setup: RingSetup) -> PackedPeerDriver:
            return wrong(setup)

    find(Machine, reason)


class LetsDriversWriteAnywhere(PackedDevice):
    """V58: a region that is only to be read is written as well."""

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup.memory, setup.areas, setup.features, index=setup.index)


class _RightDevice(PackedDevice):
    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup.memory, setup.areas, setup.features, regions=setup.regions, index=setup.index)


class UsesTheDead(_RightDevice):
    """A handle that was used already is let pass."""

    def add_used(self, chain: Chain | int, written: int | None = None) -> None:
        try:
            super().add_used(chain, written)
        except CallerError:
            pass


class GoesOnWhenBroken(_RightDevice):
    """A broken ring looks like one that is empty."""

    def get_avail(self) -> Chain | None:
        try:
            return super().get_avail()
        except PeerError:
            return None


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (LetsDriversWriteAnywhere, "was taken, but the buffer is"),
        (UsesTheDead, "should have been refused"),
        (GoesOnWhenBroken, "although|the device counts|PEER_"),
    ],
)
def test_a_packed_device_that_believes_its_driver_is_found(
    wrong: type[LetsDriversWriteAnywhere] | type[_RightDevice], reason: str
) -> None:
    class Machine(PackedHostileDriverMachine):
        def make_device(self, setup: RingSetup) -> PackedDevice:
            return wrong(setup)

    find(Machine, reason)


# ------------------------------------------------------------------------------------------------------------ pools ---


class DoesNotScrub(BouncePool):
    """S18, P7: what a mapping held can be seen after it has ended."""

    def __init__(self, memory: GuestMemory, geometry: Geometry) -> None:
        flags = PoolFlag.KEEP_CONTENTS | (PoolFlag.FIRST_FIT if geometry.first_fit else 0)
        super().__init__(memory, **geometry.options(), flags=flags)


def test_a_pool_that_does_not_scrub_is_found() -> None:
    class Machine(PoolMachine):
        def make_pool(self, memory: GuestMemory, geometry: Geometry) -> BouncePool:
            return DoesNotScrub(memory, geometry)

    find(Machine, "of the window")


def test_a_pool_without_copy_in_is_found() -> None:
    """S18, CVE-2022-0854: a device that writes less than all shows what the slot held before."""

    class Machine(PoolMachine):
        def make_pool(self, memory: GuestMemory, geometry: Geometry) -> BouncePool:
            pool = super().make_pool(memory, geometry)
            assert isinstance(pool, BouncePool)
            right = pool.map

            def wrong(buffer, direction, **request):  # type: ignore[no-untyped-def]
                mapping = right(buffer, direction, **request)
                if direction == Direction.FROM_DEVICE and isinstance(mapping, Mapping):
                    mapping.data[:] = bytes(mapping.size)
                return mapping

            pool.map = wrong  # type: ignore[method-assign]
            return pool

    find(Machine, "of the window")


def test_a_pool_that_hands_out_what_is_taken_is_found() -> None:
    """S40: two mappings in one slot."""

    class Machine(PoolMachine):
        def make_pool(self, memory: GuestMemory, geometry: Geometry) -> BouncePool:
            pool = super().make_pool(memory, geometry)
            assert isinstance(pool, BouncePool)
            right, last = pool.map, []

            def wrong(buffer, direction, **request):  # type: ignore[no-untyped-def]
                mapping = right(buffer, direction, **request)
                last.append(mapping)
                full = isinstance(mapping, NoRoom) and isinstance(last[0], Mapping)
                return last[0] if full else mapping

            pool.map = wrong  # type: ignore[method-assign]
            return pool

    find(Machine, "the pool|the model|slots")


def test_the_search_of_the_mail_thread_is_found() -> None:
    """S1: our pool and the search before the fix cannot both be right, and the machine says where they part."""

    class Machine(PoolMachine):
        search = PreFixSearch

    find(Machine, "the pool took .*, the model|the pool answered")


# -------------------------------------------------------------------------------------- in order, and legacy rings ---


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
    [(NamesTheFirst, False), (NamesTheFirst, True), (TellsNoLength, False), (TellsNoLength, True), (DoesNotWait, False)],
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

    find(PackedMachine if packed else Machine, "came back|does not come back|buffers taken|nothing was published|notified for nothing|PEER_")


class Scatters(PeerDriver):
    """2.7.5.2: with IN_ORDER each descriptor leads to the one behind it."""

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.free_descriptors.reverse()


class KnowsNoBatches(PeerDriver):
    """2.7.9: buffers before the one that is named are back as well."""

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


class ReturnsTheNamedAlone(PeerDriver):
    """2.7.9: what was made available before the buffer that is named comes back before it, whatever the device says."""

    def _judge(self, head: int, length: int) -> list[tuple[int, int]]:
        return super()._judge(head, length)[-1:]


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


@pytest.mark.parametrize("knows", [Feature.IN_ORDER, Feature(0)], ids=["in order", "without: all is well"])
def test_a_hostile_machine_finds_what_is_wrong_in_order_alone(knows: Feature) -> None:
    class OfDriver(HostileDeviceMachine):
        features = knows
        peer_errors = (Violation,)
        sticky = False

        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return ReturnsTheNamedAlone(setup)

    class OfDevice(HostileDriverMachine):
        features = knows

        def make_device(self, setup: RingSetup) -> Device:
            return LetsGoBeforeItsTurn(setup.memory, setup.areas, setup.features, regions=setup.regions, index=setup.index)

    for machine, reason in ((OfDriver, "before it was its turn"), (OfDevice, "the device counts")):
        if knows:
            find(machine, reason)
        else:
            run_state_machine_as_test(machine)


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


class WritesModernWordsAsDriver(PeerDriver):
    """2.7.3: a legacy ring is in the driver's own byte order."""

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.words = SplitWords(setup.memory, setup.areas)


class ReadsModernWords(Device):
    """2.7.3, on the other side."""

    def __init__(self, setup: RingSetup) -> None:
        options = {"regions": setup.regions, "index": setup.index, "legacy_order": ByteOrder.LITTLE}
        super().__init__(setup.memory, setup.areas, setup.features, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("knows", [True, False], ids=["legacy", "modern: all is well"])
def test_a_hostile_machine_finds_a_wrong_byte_order(knows: bool) -> None:
    class OfDriver(HostileDeviceMachine):
        legacy = knows
        peer_errors = (Violation,)
        sticky = False

        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return WritesModernWordsAsDriver(setup)

    class OfDevice(HostileDriverMachine):
        legacy = knows

        def make_device(self, setup: RingSetup) -> ReadsModernWords:
            return ReadsModernWords(setup)

    for machine, reason in ((OfDriver, "is published as|an honest peer"), (OfDevice, "was taken, but|is accused|but the buffer is")):
        if knows:
            find(machine, reason)
        else:
            run_state_machine_as_test(machine)


class WritesModernWords(PeerDevice):
    """2.7.3: a legacy ring is in the driver's byte order."""

    def __init__(self, setup: RingSetup) -> None:
        super().__init__(setup)
        self.words = SplitWords(setup.memory, setup.areas)


def test_a_device_with_the_wrong_byte_order_is_found() -> None:
    class Machine(RingMachine):
        legacy = True

        def make_device(self, setup: RingSetup) -> PeerDevice:
            return WritesModernWords(setup)

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
