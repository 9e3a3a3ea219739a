# SPDX-License-Identifier: MIT
"""
Negative controls: rings that are wrong in ways that rings have been wrong, each of which the machines must find. A machine that finds
nothing wrong with these proves nothing about ours.
"""
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from vring.testing import PeerDevice, PeerDriver, RingMachine, RingSetup


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

    def _stage(self, *args: object) -> bool:
        staged = super()._stage(*args)  # type: ignore[arg-type]
        self.words.avail_idx = self.next_avail
        return staged


class SleepsWithoutLooking(PeerDriver):
    """V19: used buffers that came before the event word was written are missed."""

    def _enable(self, distance: int) -> bool:
        super()._enable(distance)
        return False


class SleepsWithoutLookingDevice(PeerDevice):
    """V54: as above, on the other side."""

    def enable_notify(self) -> bool:
        super().enable_notify()
        return False


class NotifiesWhenAskedNotTo(PeerDevice):
    """V50, V51: a device that ignores suppression."""

    def must_notify(self, before: int) -> bool:
        return True


class ReturnsLengthOfWholeBuffer(PeerDevice):
    """V47: the used length is what was written, not what could have been."""

    def add_used(self, chain, written=None):  # type: ignore[no-untyped-def]
        super().add_used(chain, chain.written + chain.room)


class TakesLastFirst(PeerDevice):
    """V39: buffers are taken in the order in which they were made available."""

    def get_avail(self):  # type: ignore[no-untyped-def]
        if self.waiting < 2:
            return super().get_avail()
        here, self.next_avail = self.next_avail, (self.next_avail + 1) % 65536
        chain = super().get_avail()
        self.next_avail = here
        return chain


class ForgetsToFreeDescriptors(PeerDriver):
    """V35: descriptors that leak fill the ring."""

    def abort(self) -> object:
        free = list(self.free_descriptors)
        token = super().abort()
        self.free_descriptors = free
        return token


WRONG_DRIVERS = [ComparesEventByMagnitude, ComparesEventWithLatestOnly, PublishesWhatIsStaged, SleepsWithoutLooking,
                 ForgetsToFreeDescriptors]
WRONG_DEVICES = [SleepsWithoutLookingDevice, NotifiesWhenAskedNotTo, ReturnsLengthOfWholeBuffer, TakesLastFirst]


@pytest.mark.parametrize("wrong", WRONG_DRIVERS)
def test_a_wrong_driver_is_found(wrong: type[PeerDriver]) -> None:
    class Machine(RingMachine):
        def make_driver(self, setup: RingSetup) -> PeerDriver:
            return wrong(setup)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=settings(max_examples=500, report_multiple_bugs=False))


@pytest.mark.parametrize("wrong", WRONG_DEVICES)
def test_a_wrong_device_is_found(wrong: type[PeerDevice]) -> None:
    class Machine(RingMachine):
        def make_device(self, setup: RingSetup) -> PeerDevice:
            return wrong(setup)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=settings(max_examples=500, report_multiple_bugs=False))
