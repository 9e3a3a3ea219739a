# SPDX-License-Identifier: MIT
"""
The rings under RingMachine. The split ring: the C driver and the C device against each other, and each against the
peer that was written from the spec in Python, so that two wrongs of ours cannot agree. The packed ring: the two C
sides against each other.
"""

from vring.testing import PackedRingMachine, PeerDevice, PeerDriver, RingMachine, RingSetup


class DriverAgainstDevice(RingMachine):
    """Both sides in C."""


class DriverAgainstPeer(RingMachine):
    """Our driver, and a device written from the spec."""

    def make_device(self, setup: RingSetup) -> PeerDevice:
        return PeerDevice(setup)


class PeerAgainstDevice(RingMachine):
    """A driver written from the spec, and our device."""

    def make_driver(self, setup: RingSetup) -> PeerDriver:
        return PeerDriver(setup)


class PeerAgainstPeer(RingMachine):
    """No C at all: what the machine finds here is wrong in the machine or in the peers."""

    make_driver = PeerAgainstDevice.make_driver
    make_device = DriverAgainstPeer.make_device


TestDriverAgainstDevice = DriverAgainstDevice.TestCase
TestDriverAgainstPeer = DriverAgainstPeer.TestCase
TestPeerAgainstDevice = PeerAgainstDevice.TestCase
TestPeerAgainstPeer = PeerAgainstPeer.TestCase
TestPackedDriverAgainstDevice = PackedRingMachine.TestCase
