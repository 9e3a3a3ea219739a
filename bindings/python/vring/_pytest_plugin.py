# SPDX-License-Identifier: MIT
"""
Fixtures for pytest, there as soon as the package is installed (entry point ``pytest11``). Needs no Hypothesis.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from vring import BouncePool, Device, Driver, Feature, GuestMemory, allocate_areas
from vring.devices import GuestRun, qemu_storage_daemon, run_guest

__all__ = ["BlkDevice", "RingPair"]


class RingPair(NamedTuple):
    """Both sides of one ring, and their memory."""

    driver: Driver
    device: Device
    memory: GuestMemory


class BlkDevice(NamedTuple):
    """A disk that is served behind a vhost-user socket, and the file that it is stored in, byte for byte."""

    socket: Path
    image: Path


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


@pytest.fixture
def virtio_blk_device(tmp_path: Path) -> Iterator[BlkDevice]:
    """
    QEMU's virtio-blk over an empty disk of 1 MiB (``qemu-storage-daemon``, which must be installed: otherwise an
    error says so). :class:`vring.vhost_user_blk.Disk` or a front-end of your own connects to it. A device that ended
    before its test did fails here.
    """
    device = BlkDevice(tmp_path / "blk.sock", tmp_path / "blk.img")
    device.image.write_bytes(bytes(1 << 20))
    with qemu_storage_daemon(device.image, device.socket):
        yield device


@pytest.fixture
def qemu_guest() -> Callable[..., GuestRun]:
    """:func:`vring.devices.run_guest`: runs a bare-metal guest of yours, and says how it ended."""
    return run_guest
