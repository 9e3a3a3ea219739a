# SPDX-License-Identifier: MIT
"""Each side of a ring, of either format, alone with a peer that writes anything anywhere in what both share."""

from vring import Feature
from vring.testing import (
    HostileDeviceMachine,
    HostileDriverMachine,
    PackedHostileDeviceMachine,
    PackedHostileDriverMachine,
)

EVERY = Feature.EVENT_IDX | Feature.INDIRECT_DESC | Feature.IN_ORDER


class DriverWithHostileDevice(HostileDeviceMachine):
    features, legacy = EVERY, True


class DeviceWithHostileDriver(HostileDriverMachine):
    features, legacy = EVERY, True


class PackedDriverWithHostileDevice(PackedHostileDeviceMachine):
    features = EVERY


class PackedDeviceWithHostileDriver(PackedHostileDriverMachine):
    features = EVERY


TestDriverWithHostileDevice = DriverWithHostileDevice.TestCase
TestDeviceWithHostileDriver = DeviceWithHostileDriver.TestCase
TestPackedDriverWithHostileDevice = PackedDriverWithHostileDevice.TestCase
TestPackedDeviceWithHostileDriver = PackedDeviceWithHostileDriver.TestCase
