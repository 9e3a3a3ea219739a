# SPDX-License-Identifier: MIT
"""
Models, strategies and state machines for testing rings and pools: ours, and yours::

    class MyDriverMachine(RingMachine):
        def make_driver(self, setup: RingSetup) -> MyDriver:
            return MyDriver(setup)

    TestMyDriver = MyDriverMachine.TestCase

Needs hypothesis: ``pip install vring[testing]``.
"""

try:
    import hypothesis as _  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "vring.testing needs Hypothesis; pip install 'vring[testing]' brings it", name=missing.name
    ) from missing

from vring.pool_model import Geometry, Place, PoolModel, PreFixSearch, Request, Search
from vring.testing import strategies
from vring.testing.allocator_machine import AllocatorMachine
from vring.testing.hostile import (
    HostileDeviceMachine,
    HostileDriverMachine,
    PackedHostileDeviceMachine,
    PackedHostileDriverMachine,
)
from vring.testing.packed_peer import PackedPeerDevice, PackedPeerDriver
from vring.testing.peer import PeerDevice, PeerDriver, Violation
from vring.testing.pool_machine import PoolMachine
from vring.testing.protocol import AllocatorLike, DeviceLike, DriverLike, PoolLike, RingSetup
from vring.testing.ring_machine import PackedRingMachine, RingMachine
from vring.testing.schedule import HostileScheduleMachine, ScheduleMachine
from vring.testing.set_machine import SetMachine, SetModel
from vring.testing.under_test import RingUnderTest
from vring.testing.watch import Access, AccessKind, CacheKind, CacheOperation, watch, watch_caches
from vring.testing.words import Descriptor, PackedDescriptor, PackedWords, SplitWords

__all__ = [
    "Access",
    "AccessKind",
    "AllocatorLike",
    "AllocatorMachine",
    "CacheKind",
    "CacheOperation",
    "Descriptor",
    "DeviceLike",
    "DriverLike",
    "Geometry",
    "HostileDeviceMachine",
    "HostileDriverMachine",
    "HostileScheduleMachine",
    "PackedDescriptor",
    "PackedHostileDeviceMachine",
    "PackedHostileDriverMachine",
    "PackedPeerDevice",
    "PackedPeerDriver",
    "PackedRingMachine",
    "PackedWords",
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
    "RingUnderTest",
    "ScheduleMachine",
    "Search",
    "SetMachine",
    "SetModel",
    "SplitWords",
    "Violation",
    "strategies",
    "watch",
    "watch_caches",
]
