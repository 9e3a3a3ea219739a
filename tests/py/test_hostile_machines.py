# SPDX-License-Identifier: MIT
"""Each side of the split ring alone with a peer that writes anything anywhere in what both share."""

from vring.testing import HostileDeviceMachine, HostileDriverMachine

TestDriverWithHostileDevice = HostileDeviceMachine.TestCase
TestDeviceWithHostileDriver = HostileDriverMachine.TestCase
