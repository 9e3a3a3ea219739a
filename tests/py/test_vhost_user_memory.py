# SPDX-License-Identifier: MIT
"""
examples/vhost-user-blk and the memory that it is given: tables that cannot be, memory that changes under it, and
drivers that write nonsense into it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

import pytest

import vhost_user_peer as peer
from vhost_user_peer import (
    BASIC,
    GUEST,
    IN,
    RINGS,
    SECTOR,
    SIZE,
    USER,
    Daemon,
    Disk,
    FrontEnd,
    Memory,
    PackedRing,
    Ring,
    SplitRing,
    regions,
    still_serves,
)

BAD_TABLES: dict[str, tuple[list[tuple[int, int, int, int]], int]] = {
    "empty region": ([(0, 0, 0, 0)], 1),
    "C028 guest addresses wrap": ([(2**64 - 4096, 8192, 0, 0)], 1),
    "user addresses wrap": ([(0, 8192, 2**64 - 4096, 0)], 1),
    "offset and size wrap": ([(0, 4096, 0, 2**64 - 4096)], 1),
    "offset and size overflow": ([(0, 2**63, 0, 2**63)], 1),
    "beyond the file": ([(0, SIZE + 1, 0, 0)], 1),
    "offset beyond the file": ([(0, 4096, 0, SIZE)], 1),
    "a region of nearly 2^63": ([(0, 2**63 - 4096, 0, 0)], 1),
    "C027 overlap": ([(0, 8192, 0, 0), (4096, 8192, 1 << 20, 0)], 2),
    "C027 the same twice": ([(0, 4096, 0, 0), (0, 4096, 1 << 20, 0)], 2),
    "C027 one within another": ([(0, SIZE, 0, 0), (8192, 4096, 1 << 30, 0)], 2),
    "a descriptor too few": ([(0, 4096, 0, 0), (4096, 4096, 4096, 0)], 1),
    "a descriptor too many": ([(0, 4096, 0, 0)], 2),
    "the third of four": ([(0, 4096, 0, 0), (4096, 4096, 4096, 0), (8192, 0, 0, 0), (16384, 4096, 0, 0)], 4),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_C027_C028_C231_a_memory_table_that_cannot_be_is_refused_whole(
    daemon: Daemon, disk: Disk, memory: Memory, name: str
) -> None:
    before = daemon.owns()
    entries, count = BAD_TABLES[name]
    for _ in range(3):
        assert not disk.front_end.does(peer.SET_MEM_TABLE, regions(*entries), [memory.fd] * count)
        assert daemon.owns() == before
        disk.works()  # in the old memory


def test_C231_tables_of_no_sense_in_their_length(daemon: Daemon, disk: Disk, memory: Memory) -> None:
    for count in (2, 9, 255, 2**31, 2**32 - 1):
        payload = struct.pack("=II", count, 0) + memory.table()[8:]
        assert not disk.front_end.does(peer.SET_MEM_TABLE, payload, [memory.fd] * min(count, 8))
    disk.works()
    disk.stop()
    assert disk.front_end.does(peer.SET_MEM_TABLE, regions())  # no memory at all is legal, and no ring starts in it
    assert not disk.runs(disk.ring.base)


def test_C231_a_file_that_cannot_be_mapped_at_the_kth_place_rolls_back(
    daemon: Daemon, disk: Disk, memory: Memory
) -> None:
    before = daemon.owns()
    page = 4096
    for k in range(8):
        entries = [(GUEST + i * page, page, USER + i * page, i * page) for i in range(8)]
        fds = [memory.fd] * 8
        fds[k] = disk.call  # an eventfd is no memory
        assert not disk.front_end.does(peer.SET_MEM_TABLE, regions(*entries), fds)
        assert daemon.owns() == before
        disk.works()


def test_C027_C030_regions_may_come_in_any_order_and_begin_anywhere(front_end: FrontEnd, memory: Memory) -> None:
    half = SIZE // 2
    front_end.shake_hands(BASIC)
    with Disk(front_end, SplitRing(memory)) as disk:
        front_end.send(
            peer.SET_MEM_TABLE,
            regions((GUEST + half, half, USER + half, half), (GUEST, half, USER, 0)),
            [memory.fd, memory.fd],
        )
        assert disk.runs()
        disk.works()
        memory.put(0x8000, "IIQ", IN, 0, 7)  # C055: a piece of data that lies in both regions
        assert (
            disk.buffer([(GUEST + 0x8000, 16, False), (GUEST + half - 256, SECTOR, True), (GUEST + 0x9000, 1, True)])
            == SECTOR + 1
        )
        assert memory.data[half - 256 : half + 256] == struct.pack("<Q", 7) * 64
        base = disk.stop()
        odd = 0x123
        front_end.send(peer.SET_MEM_TABLE, regions((GUEST + odd, SIZE - odd, USER + odd, odd)), [memory.fd])
        disk.ring.desc = 0x1000
        assert disk.runs(base)
        disk.works()


def test_C051_C055_C056_addresses_that_are_no_memory_cost_the_driver_its_request(daemon: Daemon, disk: Disk) -> None:
    for address, length in (
        (0, 16),
        (GUEST - 1, 16),
        (GUEST + SIZE - 8, 16),
        (GUEST + SIZE, 1),
        (2**64 - 8, 16),
        (USER, 16),
        (GUEST, 0xFFFFFFFF),
    ):
        assert disk.buffer([(address, length, False), (GUEST + 0x9000, 1, True)]) == 0
        assert disk.buffer([(GUEST + 0x8000, 16, False), (address, length, True)]) == 0
        disk.works()
    assert "driver: a request was refused: " in daemon.complaints


@RINGS
def test_C015_C060_memory_that_cannot_be_written(front_end: FrontEnd, memory: Memory, kind: type[Ring]) -> None:
    sealed = os.open(f"/proc/self/fd/{memory.fd}", os.O_RDONLY)
    front_end.shake_hands(BASIC | (peer.F_PACKED if kind is PackedRing else 0))
    with Disk(front_end, kind(memory)) as disk:
        front_end.send(peer.SET_MEM_TABLE, memory.table(), [sealed])
        assert not disk.runs()
        half = SIZE // 2  # rings in the half that can be written, buffers in the other
        front_end.send(
            peer.SET_MEM_TABLE,
            regions((GUEST, half, USER, 0), (GUEST + half, half, USER + half, half)),
            [memory.fd, sealed],
        )
        assert disk.runs()
        memory.put(half, "IIQ", IN, 0, 7)
        assert disk.buffer([(GUEST + half, 16, False), (GUEST + 0x9000, 1, True)]) == 1
        assert disk.buffer([(GUEST + half, 16, False), (GUEST + half + 64, 1, True)]) == 0
        disk.works()
    os.close(sealed)


@RINGS
def test_C029_C238_memory_is_replaced_while_the_queue_runs(daemon: Daemon, memory: Memory, kind: type[Ring]) -> None:
    """The same bytes in another file: the queue goes on there, and nothing is written to the old one any more."""
    with FrontEnd(daemon.socket) as front_end, Disk(front_end, kind(memory)) as disk:
        disk.start().works()
        owned = daemon.owns()
        memories = [memory]
        for _ in range(5):
            other = Memory()
            other.data[:] = memories[-1].data[:]
            assert front_end.does(peer.SET_MEM_TABLE, other.table(), [other.fd])
            assert daemon.owns() == owned
            was = memories[-1].data[:]
            memories.append(other)
            disk.memory = disk.ring.memory = other
            disk.works()
            assert memories[-2].data[:] == was
        assert not front_end.does(
            peer.SET_MEM_TABLE, regions((GUEST, 4096, USER, 0)), [other.fd]
        )  # would lose the ring
        disk.works()
        for other in memories[1:]:
            other.close()


@RINGS
@pytest.mark.parametrize("left", [0, 0x1000, 0x5000, 0x8000])
def test_C239_memory_that_is_truncated_under_us_ends_the_connection(
    daemon: Daemon, kind: type[Ring], left: int
) -> None:
    shared = Memory()
    with FrontEnd(daemon.socket) as front_end, Disk(front_end, kind(shared)) as disk:
        disk.start().works()
        disk.ring.offer([(GUEST + 0x8000, 16, False), (GUEST + 0x9000, SECTOR, True), (GUEST + 0x9800, 1, True)])
        os.ftruncate(shared.fd, left)
        disk.notify()
        assert front_end.is_over()
    os.close(shared.fd)
    assert "front-end: it has truncated a file that we have mapped" in daemon.complaints
    still_serves(daemon)


# -------------------------------------------------------------------------------------------------- hostile drivers ---


def break_index(disk: Disk) -> None:
    disk.memory.put(disk.ring.driver_area + 2, "H", disk.ring.index + 9)


def break_head(disk: Disk) -> None:
    disk.memory.put(disk.ring.driver_area + 4 + 2 * (disk.ring.index % 8), "H", 8)
    disk.memory.put(disk.ring.driver_area + 2, "H", disk.ring.index + 1)


def break_chain(disk: Disk) -> None:
    disk.ring.offer([(GUEST + 0x8000, 16, False)])
    disk.memory.put(disk.ring.desc + 12, "HH", peer.NEXT, 0)


@pytest.mark.parametrize("act", [break_index, break_head, break_chain])
def test_a_driver_that_breaks_its_ring_stops_its_queue_alone(
    daemon: Daemon, front_end: FrontEnd, memory: Memory, act: Callable[[Disk], None]
) -> None:
    with Disk(front_end, SplitRing(memory)) as bad, Disk(front_end, SplitRing(memory, at=0x40000), queue=1) as good:
        bad.start()
        assert good.runs()
        act(bad)
        bad.notify()
        peer.wait(lambda: "the queue stands still" in daemon.complaints, "a complaint about the driver")
        bad.await_error()
        before = daemon.cpu()
        for _ in range(50):
            bad.notify()
            good.works()
        assert daemon.complaints.count("stands still") == 1 and daemon.cpu() - before < 1
        bad.stop()
        memory.data[0:0x8000] = bytes(0x8000)
        bad.ring.index = 0
        assert bad.runs()
        bad.works()


def test_C062_C063_a_request_of_more_pieces_than_any_honest_one_has_stops_its_queue(
    daemon: Daemon, front_end: FrontEnd, memory: Memory
) -> None:
    """Two regions side by side, and a hundred descriptors each of which lies in both."""
    half = SIZE // 2
    with Disk(front_end, SplitRing(memory, 128)) as disk:
        front_end.shake_hands(disk.features)
        front_end.send(
            peer.SET_MEM_TABLE,
            regions((GUEST, half, USER, 0), (GUEST + half, half, USER + half, half)),
            [memory.fd, memory.fd],
        )
        assert disk.runs()
        disk.works()
        disk.ring.offer([(GUEST + half - 8, 16, True)] * 100)
        disk.notify()
        peer.wait(lambda: "the queue stands still" in daemon.complaints, "a complaint about the driver")
        disk.await_error()
        assert disk.ring.used() is None
