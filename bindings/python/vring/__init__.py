# SPDX-License-Identifier: MIT
"""
Virtqueues and bounce buffers from Python: the C libraries libvring and libbounce, with nothing between that decides
anything.

>>> memory = GuestMemory(1 << 16)
>>> areas = SplitAreas.allocate(memory, size=8)
>>> driver = SplitDriver(memory, areas, Feature.VERSION_1)
>>> device = SplitDevice(memory, areas, Feature.VERSION_1)

``vring.testing`` has models, strategies and state machines for testing rings and pools, and needs hypothesis.
"""

from vring.bounce import BouncePool, Coherent, Direction, Mapping, MappingInfo, NoRoom, PoolFlag, Usage
from vring.device import Chain, DeviceQueue, PackedDevice, SplitDevice
from vring.driver import DriverQueue, IndirectTable, PackedDriver, SplitDriver, Used, UsedLength
from vring.errors import BounceCode, CallerError, ChainError, CorruptError, PeerError, RingCode, VringError
from vring.features import Feature, accept, supported
from vring.layout import Areas, PackedAreas, PackedLayout, SplitAreas, SplitLayout
from vring.lowlevel import lib as _lib
from vring.memory import Buffer, GuestMemory, Region, Segment
from vring.snapshot import Snapshot, SnapshotEntry

__all__ = [
    "Areas",
    "BounceCode",
    "BouncePool",
    "Buffer",
    "CallerError",
    "Chain",
    "ChainError",
    "Coherent",
    "CorruptError",
    "DeviceQueue",
    "Direction",
    "DriverQueue",
    "Feature",
    "GuestMemory",
    "IndirectTable",
    "Mapping",
    "MappingInfo",
    "NoRoom",
    "PackedAreas",
    "PackedDevice",
    "PackedDriver",
    "PackedLayout",
    "PeerError",
    "PoolFlag",
    "Region",
    "RingCode",
    "Segment",
    "Snapshot",
    "SnapshotEntry",
    "SplitAreas",
    "SplitDevice",
    "SplitDriver",
    "SplitLayout",
    "Usage",
    "Used",
    "UsedLength",
    "VringError",
    "__version__",
    "accept",
    "supported",
]

__version__ = f"{_lib.VRING_VERSION_MAJOR}.{_lib.VRING_VERSION_MINOR}.{_lib.VRING_VERSION_PATCH}"
