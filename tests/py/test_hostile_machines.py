# SPDX-License-Identifier: MIT
"""Each side of a ring, of either format, alone with a peer that writes anything anywhere in what both share."""

from vring.testing import (
    HostileDeviceMachine,
    HostileDriverMachine,
    PackedHostileDeviceMachine,
    PackedHostileDriverMachine,
)

TestDriverWithHostileDevice = HostileDeviceMachine.TestCase
TestDeviceWithHostileDriver = HostileDriverMachine.TestCase
TestPackedDriverWithHostileDevice = PackedHostileDeviceMachine.TestCase
TestPackedDeviceWithHostileDriver = PackedHostileDriverMachine.TestCase
