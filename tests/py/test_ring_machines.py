# SPDX-License-Identifier: MIT
"""
The rings of both formats under RingMachine: the C driver and the C device against each other, and each against the
peer that was written from the spec in Python, so that two wrongs of ours cannot agree. With every feature that changes
what a ring does, and legacy rings in either byte order.
"""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from vring import Device, Driver, Feature, GuestMemory, PackedAreas, Region
from vring.testing import (
    HostileDeviceMachine,
    HostileDriverMachine,
    HostileScheduleMachine,
    PackedHostileDeviceMachine,
    PackedHostileDriverMachine,
    PackedPeerDevice,
    PackedPeerDriver,
    PackedRingMachine,
    PeerDevice,
    PeerDriver,
    RingMachine,
    RingSetup,
    ScheduleMachine,
)
from vring.testing.under_test import RingUnderTest


EVERY = Feature.EVENT_IDX | Feature.INDIRECT_DESC | Feature.IN_ORDER


class DriverAgainstDevice(RingMachine):
    """Both sides in C."""

    features, legacy = EVERY, True


class DriverAgainstPeer(DriverAgainstDevice):
    """Our driver, and a device written from the spec."""

    def make_device(self, setup: RingSetup) -> PeerDevice:
        return PeerDevice(setup)


class PeerAgainstDevice(DriverAgainstDevice):
    """A driver written from the spec, and our device."""

    def make_driver(self, setup: RingSetup) -> PeerDriver:
        return PeerDriver(setup)


class PeerAgainstPeer(DriverAgainstDevice):
    """No C at all: what the machine finds here is wrong in the machine or in the peers."""

    make_driver = PeerAgainstDevice.make_driver
    make_device = DriverAgainstPeer.make_device


class PackedDriverAgainstDevice(PackedRingMachine):
    """Both sides in C."""

    features = EVERY


class PackedDriverAgainstPeer(PackedDriverAgainstDevice):
    """Our driver, and a device written from the spec."""

    def make_device(self, setup: RingSetup) -> PackedPeerDevice:
        return PackedPeerDevice(setup)


class PackedPeerAgainstDevice(PackedDriverAgainstDevice):
    """A driver written from the spec, and our device."""

    def make_driver(self, setup: RingSetup) -> PackedPeerDriver:
        return PackedPeerDriver(setup)


class PackedPeerAgainstPeer(PackedDriverAgainstDevice):
    """No C at all."""

    make_driver = PackedPeerAgainstDevice.make_driver
    make_device = PackedDriverAgainstPeer.make_device


TestDriverAgainstDevice = DriverAgainstDevice.TestCase
TestDriverAgainstPeer = DriverAgainstPeer.TestCase
TestPeerAgainstDevice = PeerAgainstDevice.TestCase
TestPeerAgainstPeer = PeerAgainstPeer.TestCase
TestPackedDriverAgainstDevice = PackedDriverAgainstDevice.TestCase
TestPackedDriverAgainstPeer = PackedDriverAgainstPeer.TestCase
TestPackedPeerAgainstDevice = PackedPeerAgainstDevice.TestCase
TestPackedPeerAgainstPeer = PackedPeerAgainstPeer.TestCase


class DriverOfFiveVerbs:
    """What :class:`vring.testing.DriverLike` names, and nothing else that our driver has."""

    def __init__(self, setup: RingSetup) -> None:
        order = setup.legacy_order
        driver = Driver(setup.memory, setup.areas, setup.features, index=setup.index, legacy_order=order)
        self.add_avail, self.publish, self.get_used = driver.add_avail, driver.publish, driver.get_used
        self.enable_notify, self.disable_notify = driver.enable_notify, driver.disable_notify


class DeviceOfFiveVerbs:
    """What :class:`vring.testing.DeviceLike` names, and nothing else that our device has."""

    def __init__(self, setup: RingSetup) -> None:
        order, regions = setup.legacy_order, setup.regions or None
        ring = setup.memory, setup.areas, setup.features
        device = Device(*ring, regions=regions, index=setup.index, legacy_order=order)
        self.get_avail, self.add_used, self.publish = device.get_avail, device.add_used, device.publish
        self.enable_notify, self.disable_notify = device.enable_notify, device.disable_notify


@pytest.mark.parametrize(
    "machine",
    [
        RingMachine,
        PackedRingMachine,
        ScheduleMachine,
        HostileDeviceMachine,
        PackedHostileDeviceMachine,
        HostileDriverMachine,
        PackedHostileDriverMachine,
        HostileScheduleMachine,
    ],
)
@pytest.mark.parametrize("features", [Feature.EVENT_IDX | Feature.INDIRECT_DESC, EVERY], ids=["usual", "every"])
def test_a_ring_of_five_verbs_goes_under_every_machine(machine: type[RingUnderTest], features: Feature) -> None:
    """All that is asked for is what the protocols name, whatever the features say."""

    class OfFiveVerbs(machine):  # type: ignore[misc, valid-type]
        make_driver = staticmethod(DriverOfFiveVerbs)
        make_device = staticmethod(DeviceOfFiveVerbs)

    OfFiveVerbs.features = features
    run_state_machine_as_test(OfFiveVerbs, settings=settings(max_examples=20, stateful_step_count=30))


def test_a_driver_that_waits_for_two_need_not_be_woken_by_two_others() -> None:
    """2.8.7: a packed ring's event is a place, and what came later may be used earlier and take fewer entries."""
    memory = GuestMemory(1 << 16)
    machine = PackedRingMachine()
    features = Feature.VERSION_1 | Feature.RING_PACKED | Feature.EVENT_IDX
    machine._start(RingSetup(memory, PackedAreas.allocate(memory, 7), features, regions=(Region(memory),)))
    for _ in range(2):
        machine._add(1, 1, 16, False)
    machine._publish_avail()
    machine._get_avail()
    machine._get_avail()
    machine._driver_enables_notifications(True)
    machine._add(1, 0, 16, False)
    machine._publish_avail()
    machine._get_avail()
    machine._add_used(2, 0)
    machine._add_used(0, 0)
    machine._publish_used()
    assert machine.driver_sleeps and len(machine.awaited) == 1, "three of the four entries that it waits for are used"
    machine._add_used(0, 0)
    machine._publish_used()
    assert not machine.driver_sleeps
