# SPDX-License-Identifier: MIT
"""
Fixtures for pytest, there as soon as the package is installed (entry point ``pytest11``). Needs no Hypothesis.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from vring import BouncePool, Device, Driver, Feature, GuestMemory, allocate_areas

__all__ = ["RingPair"]


class RingPair(NamedTuple):
    """Both sides of one ring, and their memory."""

    driver: Driver
    device: Device
    memory: GuestMemory


@pytest.fixture
def guest_memory() -> GuestMemory:
    """1 MiB of fresh guest memory, at device address 0x10000."""
    return GuestMemory(1 << 20)


@pytest.fixture(params=["split", "packed"])
def ring_pair(request: pytest.FixtureRequest, guest_memory: GuestMemory) -> Iterator[RingPair]:
    """A driver and a device on a ring of 16 entries, with EVENT_IDX and INDIRECT_DESC; once for each format."""
    features = Feature.VERSION_1 | Feature.EVENT_IDX | Feature.INDIRECT_DESC
    if request.param == "packed":
        features |= Feature.RING_PACKED
    areas = allocate_areas(guest_memory, 16, features)
    with Driver(guest_memory, areas, features) as driver, Device(guest_memory, areas, features) as device:
        yield RingPair(driver, device, guest_memory)


@pytest.fixture
def bounce_pool() -> Iterator[BouncePool]:
    """A pool of 512 slots of 2 KiB. A test that passes must have unmapped everything: otherwise it fails here."""
    with BouncePool(GuestMemory(1 << 20)) as pool:
        yield pool
