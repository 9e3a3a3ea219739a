# SPDX-License-Identifier: MIT
"""
Models, strategies and state machines for testing rings and pools: ours, and yours.

    class TestMyDriver(RingMachine):
        def make_driver(self, setup): return MyDriver(setup)

    TestMyDriver = TestMyDriver.TestCase

Needs hypothesis: ``pip install vring[testing]``.
"""

from vring.testing import strategies
from vring.testing.hostile import HostileDeviceMachine, HostileDriverMachine
from vring.testing.peer import PeerDevice, PeerDriver, SplitWords, Violation
from vring.testing.pool_machine import PoolMachine
from vring.testing.pool_model import Geometry, Place, PoolModel, PreFixSearch, Request, Search
from vring.testing.protocol import DeviceLike, DriverLike, PoolLike, RingSetup
from vring.testing.ring_machine import PackedRingMachine, RingMachine

__all__ = [
    "DeviceLike",
    "DriverLike",
    "Geometry",
    "HostileDeviceMachine",
    "HostileDriverMachine",
    "PackedRingMachine",
    "PeerDevice",
    "PeerDriver",
    "Place",
    "PoolLike",
    "PoolMachine",
    "PoolModel",
    "PreFixSearch",
    "Request",
    "RingMachine",
    "RingSetup",
    "Search",
    "SplitWords",
    "Violation",
    "strategies",
]
