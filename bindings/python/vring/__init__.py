# SPDX-License-Identifier: MIT
"""
Virtqueues and bounce buffers from Python: the C libraries libvring and libbounce, with nothing between that decides
anything.

>>> memory = GuestMemory(1 << 16)
>>> areas = allocate_areas(memory, 8, Feature.VERSION_1)
>>> driver = Driver(memory, areas, Feature.VERSION_1)
>>> device = Device(memory, areas, Feature.VERSION_1)

``vring.testing`` has models, strategies and state machines for testing rings and pools, and needs hypothesis.
"""

from vring.bounce import BouncePool, Pool, PoolConfig, PoolFlag, Usage
from vring.bounce_set import BounceSet, Released, SetPool, Share
from vring.bounced import BouncedDriver
from vring.device import AvailRun, Chain, Device, PackedDevice, SplitDevice, inflight_size
from vring.driver import (
    Driver,
    DriverQueue,
    IndirectTable,
    Offer,
    PackedDriver,
    SavedDriver,
    SplitDriver,
    Used,
    UsedLength,
    UsedRun,
)
from vring.errors import (
    Blame,
    BounceCode,
    CallerError,
    ChainError,
    CorruptError,
    MissError,
    PeerError,
    RingCode,
    VringError,
)
from vring.features import ByteOrder, Feature, accept, supported
from vring.layout import Areas, PackedAreas, PackedLayout, SplitAreas, SplitLayout, allocate_areas
from vring.lowlevel import lib as _lib
from vring.mapping import Coherent, Copy, Direction, Mapping, MappingInfo, NoRoom, Reservation
from vring.memory import Buffer, GuestMemory, Region, Segment
from vring.snapshot import Snapshot, SnapshotEntry

__all__ = [
    "Areas",
    "AvailRun",
    "Blame",
    "BounceCode",
    "BouncePool",
    "BounceSet",
    "BouncedDriver",
    "Buffer",
    "ByteOrder",
    "CallerError",
    "Chain",
    "ChainError",
    "Coherent",
    "Copy",
    "CorruptError",
    "Device",
    "Direction",
    "Driver",
    "DriverQueue",
    "Feature",
    "GuestMemory",
    "IndirectTable",
    "Mapping",
    "MappingInfo",
    "MissError",
    "NoRoom",
    "Offer",
    "PackedAreas",
    "PackedDevice",
    "PackedDriver",
    "PackedLayout",
    "PeerError",
    "Pool",
    "PoolConfig",
    "PoolFlag",
    "Region",
    "Released",
    "Reservation",
    "RingCode",
    "SavedDriver",
    "Segment",
    "SetPool",
    "Share",
    "Snapshot",
    "SnapshotEntry",
    "SplitAreas",
    "SplitDevice",
    "SplitDriver",
    "SplitLayout",
    "Usage",
    "Used",
    "UsedLength",
    "UsedRun",
    "VringError",
    "__version__",
    "accept",
    "allocate_areas",
    "inflight_size",
    "supported",
]

__version__ = f"{_lib.VRING_VERSION_MAJOR}.{_lib.VRING_VERSION_MINOR}.{_lib.VRING_VERSION_PATCH}"
