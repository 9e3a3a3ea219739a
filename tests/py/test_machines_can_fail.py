# SPDX-License-Identifier: MIT
"""
Negative controls: rings and pools that are wrong in ways that rings and pools have been wrong, each of which the
machines must find, for the reason given. A machine that finds nothing wrong with these proves nothing about ours.
"""

import re

import pytest
from hypothesis import Phase
from hypothesis import find as simplest

from machine_search import find
from vring import (
    BouncePool,
    CallerError,
    Chain,
    Direction,
    GuestMemory,
    Mapping,
    NoRoom,
    PackedDevice,
    PeerError,
    PoolFlag,
    Used,
)
from vring.testing import (
    Geometry,
    HostileDeviceMachine,
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
    Violation,
    strategies,
)

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
    assert [step for step in steps if not step.endswith("_notifications")] == ["start", "add", "abort", "teardown"], (
        story
    )
    assert len(steps) <= 12, story


def test_the_simplest_start_of_a_ring_is_the_nearest_to_the_wrap() -> None:
    """What is wrong with the wrap is shown by one buffer, and not by as many as it takes to get there."""
    assert simplest(strategies.start_indices(), lambda index: True) == 65535
    assert simplest(strategies.start_indices(), lambda index: index < 65535) == 65534


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
