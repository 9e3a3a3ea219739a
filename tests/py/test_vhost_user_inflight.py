# SPDX-License-Identifier: MIT
"""
Requests that are under way when examples/vhost-user-blk is killed: the front-end keeps a region in which they are
noted, and the next daemon carries them out: none is lost, none comes back twice.
"""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vhost_user_peer as peer
from vhost_user_peer import (
    AVAIL,
    BASIC,
    GUEST,
    NEXT,
    OK,
    OUT,
    RINGS,
    SECTOR,
    USED,
    WRITE,
    Daemon,
    Disk,
    FrontEnd,
    Memory,
    PackedRing,
    Ring,
    SplitRing,
)

GET_INFLIGHT_FD, SET_INFLIGHT_FD = 31, 32
FEATURES = pytest.mark.parametrize(
    "features", [0, peer.F_IN_ORDER, peer.F_EVENT_IDX], ids=["plain", "in order", "event index"]
)

# One after the other in a block of memory: what each of the requests in flight has.
SLOTS, DATA = 32, 16 << 10
HEADERS, PAYLOAD = 0x10000, 0x20000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A disk of zeros with room for the data of each slot."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(SLOTS * DATA))
    return path


@pytest.fixture
def memory() -> Iterator[Memory]:
    """Enough for all slots."""
    shared = Memory(PAYLOAD + SLOTS * DATA)
    yield shared
    shared.close()


def region(size: int, offset: int, queues: int, queue_size: int) -> bytes:
    """The payload of both messages."""
    return struct.pack("=QQHHI", size, offset, queues, queue_size, 0)


def get_region(front_end: FrontEnd, queues: int = 1, queue_size: int = 128) -> tuple[bytes, int]:
    """Ask for a region: what to say when it is given back, and the file."""
    front_end.send(GET_INFLIGHT_FD, region(0, 0, queues, queue_size))
    answer = front_end.receive()
    assert answer.request == GET_INFLIGHT_FD and len(answer.fds) == 1
    return answer.payload, answer.fds[0]


# --------------------------------------------------------------------------------------------------------- messages ---


def test_C223_C233_regions_are_made_and_given_back_over_and_over(
    plain_daemon: Path, tmp_path: Path, image: Path
) -> None:
    with Daemon(plain_daemon, tmp_path, image) as daemon, FrontEnd(daemon.socket) as front_end:
        front_end.shake_hands(BASIC)

        def round_() -> None:
            payload, fd = get_region(front_end)
            assert os.fstat(fd).st_size == struct.unpack_from("=Q", payload)[0]
            assert not any(os.pread(fd, 1 << 20, 0))
            assert front_end.does(SET_INFLIGHT_FD, payload, [fd])
            os.close(fd)

        for _ in range(50):
            round_()
        before, resident = daemon.owns(), daemon.resident()
        for _ in range(3000):
            round_()
        assert daemon.owns() == before == (peer.IDLE[0] + 1, 1) and daemon.resident() < resident + (256 << 10)
        front_end.close()
        peer.wait(lambda: daemon.owns() == peer.IDLE, "the region is unmapped")


@pytest.mark.parametrize(
    ("size", "offset", "queues", "queue_size"),
    [
        (None, 0, 0, 128),
        (None, 0, 1025, 128),
        (None, 0, 0xFFFF, 128),
        (None, 0, 1, 0),
        (None, 0, 1, 32769),
        (None, 0, 1, 0xFFFF),
        (0, 0, 1, 128),
        (100, 0, 1, 128),
        (2**63, 0, 1, 128),
        (2**64 - 1, 0, 1, 128),
        (None, 2**63, 1, 128),
        (None, 2**64 - 64, 1, 128),
        (None, 4096, 1, 128),
        (None, 8, 1, 128),
        (None, 0, 2, 128),
        (None, 0, 1, 32768),
    ],
)
def test_C235_a_region_that_cannot_be_is_refused(
    checked_daemon: Path, tmp_path: Path, image: Path, size: int | None, offset: int, queues: int, queue_size: int
) -> None:
    with Daemon(checked_daemon, tmp_path, image) as daemon, FrontEnd(daemon.socket) as front_end:
        front_end.shake_hands(BASIC)
        payload, fd = get_region(front_end)
        whole = struct.unpack_from("=Q", payload)[0]
        before = (peer.IDLE[0] + 1, 0)
        for _ in range(3):
            asked = region(whole if size is None else size, offset, queues, queue_size)
            assert not front_end.does(SET_INFLIGHT_FD, asked, [fd])
            assert not front_end.does(SET_INFLIGHT_FD, payload)  # without the file
            assert daemon.owns() == before
        assert front_end.does(SET_INFLIGHT_FD, payload, [fd])
        if not 0 < queues <= 1024 or not 0 < queue_size <= 32768:
            front_end.send(GET_INFLIGHT_FD, region(0, 0, queues, queue_size))
            assert front_end.is_over()
        os.close(fd)


@RINGS
@pytest.mark.parametrize(
    ("what", "at", "layout", "value"),
    [
        ("version", 8, "H", 2),
        ("features", 0, "Q", 1),
        ("another size", 10, "H", 64),
        ("size 0", 10, "H", 0),
        ("another size", 10, "H", 0xFFFF),
    ],
)
def test_C222_a_region_of_something_else_starts_nothing(
    checked_daemon: Path,
    tmp_path: Path,
    image: Path,
    memory: Memory,
    kind: type[Ring],
    what: str,
    at: int,
    layout: str,
    value: int,
) -> None:
    with (
        Daemon(checked_daemon, tmp_path, image) as daemon,
        FrontEnd(daemon.socket) as front_end,
        Disk(front_end, kind(memory, 128)) as disk,
    ):
        front_end.shake_hands(disk.features)
        front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
        payload, fd = get_region(front_end)
        assert front_end.does(SET_INFLIGHT_FD, payload, [fd])
        assert disk.runs()
        disk.works()
        disk.stop()
        good = os.pread(fd, 8, at)
        os.pwrite(fd, struct.pack("<" + layout, value), at)
        assert not disk.runs(), what
        os.pwrite(fd, good[: struct.calcsize(layout)], at)
        assert disk.runs()
        disk.works()
        assert not front_end.does(SET_INFLIGHT_FD, payload, [fd])  # while it runs
        os.close(fd)


def test_C230_a_queue_that_the_region_does_not_have_does_not_run(
    checked_daemon: Path, tmp_path: Path, image: Path, memory: Memory
) -> None:
    with (
        Daemon(checked_daemon, tmp_path, image) as daemon,
        FrontEnd(daemon.socket) as front_end,
        Disk(front_end, SplitRing(memory, 128), queue=1) as disk,
    ):
        front_end.shake_hands(disk.features)
        front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
        for queues in (1, 2):
            payload, fd = get_region(front_end, queues)
            assert front_end.does(SET_INFLIGHT_FD, payload, [fd])
            assert disk.runs() == (queues == 2)
            os.close(fd)
        disk.works()


def test_C230_a_region_that_was_given_for_a_split_ring_is_too_small_for_a_packed_one(
    checked_daemon: Path, tmp_path: Path, image: Path, memory: Memory
) -> None:
    """A packed ring's notes are twice as long: behind the region lies what is not ours."""
    with (
        Daemon(checked_daemon, tmp_path, image) as daemon,
        FrontEnd(daemon.socket) as front_end,
        Disk(front_end, PackedRing(memory, 128)) as disk,
    ):
        front_end.shake_hands(BASIC)
        payload, fd = get_region(front_end)
        assert front_end.does(SET_INFLIGHT_FD, payload, [fd])
        os.close(fd)
        front_end.send(peer.SET_FEATURES, struct.pack("=Q", disk.features))
        front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
        assert not disk.runs()
        payload, fd = get_region(front_end)
        assert front_end.does(SET_INFLIGHT_FD, payload, [fd])
        os.close(fd)
        assert disk.runs()
        disk.works()


# ------------------------------------------------------------------------------------------------ killed under load ---


class Load:
    """A driver that keeps up to SLOTS requests in flight, each of which writes other data to a place of its own."""

    size = 128  # entries of the ring: more than three for each slot

    def __init__(self, memory: Memory, features: int) -> None:
        self.memory, self.features = memory, features | BASIC
        self.in_flight: dict[int, int] = {}  # slot: what it writes
        self.written = dict.fromkeys(range(SLOTS), 0)
        self.completed = self.turn = 0

    def ring(self) -> Ring:
        """Where the ring lies, for the messages that say so."""
        raise NotImplementedError

    def offer(self, slot: int) -> None:
        """Make the slot's pieces available."""
        raise NotImplementedError

    def used(self) -> list[int]:
        """The slots of all buffers that have come back since this was asked last."""
        raise NotImplementedError

    def noted(self, fd: int) -> int:
        """How many requests the region says are under way."""
        first, each = (32, 32) if isinstance(self, PackedLoad) else (16, 16)
        return sum(os.pread(fd, 1, first + each * i) == b"\1" for i in range(self.size))

    def pieces(self, slot: int) -> list[tuple[int, int, int]]:
        """Address, length and flags."""
        header = GUEST + HEADERS + 64 * slot
        return [(header, 16, NEXT), (GUEST + PAYLOAD + DATA * slot, DATA, NEXT), (header + 32, 1, WRITE)]

    def fill(self) -> None:
        """Offer a request in each slot that is free."""
        for slot in range(SLOTS):
            if slot not in self.in_flight:
                self.turn += 1
                self.in_flight[slot] = self.turn
                self.memory.put(HEADERS + 64 * slot, "IIQ", OUT, 0, slot * DATA // SECTOR)
                self.memory.put(HEADERS + 64 * slot + 32, "B", 0xFF)
                self.memory.data[PAYLOAD + DATA * slot : PAYLOAD + DATA * (slot + 1)] = self.pattern(self.turn)
                self.offer(slot)

    @staticmethod
    def pattern(turn: int) -> bytes:
        """What the request of that number writes."""
        return struct.pack("<Q", turn) * (DATA // 8)

    def collect(self) -> None:
        """Take what has come back: each once, done, and one that was in flight."""
        for slot in self.used():
            assert slot in self.in_flight, f"slot {slot} came back twice"
            assert self.memory.get(HEADERS + 64 * slot + 32, "B") == OK
            self.written[slot] = self.in_flight.pop(slot)
            self.completed += 1


class SplitLoad(Load):
    """Over a split ring. With IN_ORDER one used element may stand for several (2.7.9)."""

    avail = seen = 0

    def ring(self) -> Ring:
        return SplitRing(self.memory, self.size, index=self.memory.get(0x6002, "H"))

    def offer(self, slot: int) -> None:
        for i, (address, length, flags) in enumerate(self.pieces(slot)):
            self.memory.put(16 * (4 * slot + i), "QIHH", address, length, flags, 4 * slot + i + 1)
        self.memory.put(0x4004 + 2 * (self.avail % self.size), "H", 4 * slot)
        self.order = getattr(self, "order", []) + [slot]
        self.avail = (self.avail + 1) & 0xFFFF
        self.memory.put(0x4002, "H", self.avail)

    def used(self) -> list[int]:
        found: list[int] = []
        end = self.memory.get(0x6002, "H")
        while self.seen != end:
            head = self.memory.get(0x6004 + 8 * (self.seen % self.size), "I")
            assert head % 4 == 0
            until = self.order.index(head // 4) if self.features & peer.F_IN_ORDER else 0
            batch = self.order[: until + 1] if self.features & peer.F_IN_ORDER else [head // 4]
            found += batch
            for slot in batch:
                self.order.remove(slot)
            self.seen = (self.seen + len(batch)) & 0xFFFF
        return found


class PackedLoad(Load):
    """Over a packed ring."""

    def __init__(self, memory: Memory, features: int) -> None:
        super().__init__(memory, features | peer.F_PACKED)
        self.order: list[int] = []
        self.at, self.wrap, self.next, self.next_wrap = 0, True, 0, True

    def ring(self) -> Ring:
        return PackedRing(self.memory, self.size)  # a front-end knows no better: it says the start, always

    def offer(self, slot: int) -> None:
        words = []
        for address, length, flags in self.pieces(slot):
            self.memory.put(16 * self.at, "QIH", address, length, slot)
            words.append((self.at, flags | (AVAIL if self.wrap else USED)))
            self.at, self.wrap = self.forward(self.at, self.wrap, 1)
        for at, word in reversed(words):
            self.memory.put(16 * at + 14, "H", word)
        self.order.append(slot)

    def forward(self, at: int, wrap: bool, by: int) -> tuple[int, bool]:
        return (at + by, wrap) if at + by < self.size else (at + by - self.size, not wrap)

    def used(self) -> list[int]:
        found: list[int] = []
        while True:
            flags = self.memory.get(16 * self.next + 14, "H")
            if (flags & (AVAIL | USED)) != (AVAIL | USED if self.next_wrap else 0):
                return found
            slot = self.memory.get(16 * self.next + 12, "H")
            assert slot in self.order, f"slot {slot} came back twice"
            until = self.order.index(slot)
            batch = self.order[: until + 1] if self.features & peer.F_IN_ORDER else [slot]
            found += batch
            for one in batch:
                self.order.remove(one)
            self.next, self.next_wrap = self.forward(self.next, self.next_wrap, 3 * len(batch))


@pytest.mark.parametrize("kind", [SplitLoad, PackedLoad])
@FEATURES
def test_C224_C226_C227_killed_at_any_moment_nothing_is_lost_and_nothing_doubled(
    plain_daemon: Path, tmp_path: Path, image: Path, memory: Memory, kind: type[Load], features: int
) -> None:
    chance = random.Random(f"{kind.__name__} {features}")
    load = kind(memory, features)
    kept: tuple[bytes, int] | None = None
    interrupted = 0
    with Daemon(plain_daemon, tmp_path, image) as daemon:
        for turn in range(25):
            with FrontEnd(daemon.socket) as front_end, Disk(front_end, load.ring(), load.features) as disk:
                front_end.shake_hands(load.features)
                kept = kept or get_region(front_end, queue_size=load.size)
                assert front_end.does(SET_INFLIGHT_FD, kept[0], [kept[1]])
                front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
                assert disk.runs()
                if turn < 24:
                    load.collect()
                    load.fill()
                    disk.notify()
                    deadline = time.monotonic() + chance.random() ** 2 * 0.004
                    while time.monotonic() < deadline:  # and some go on while it works
                        load.collect()
                        load.fill()
                        disk.notify()
                    daemon.kill()
                    load.collect()
                    interrupted += load.noted(kept[1]) > 0
                    daemon.start()
                else:  # nobody kicks: what was left is carried out all the same

                    def all_back() -> bool:
                        load.collect()
                        return not load.in_flight

                    peer.wait(all_back, "all requests come back")
        assert kept
        os.close(kept[1])
    disk_bytes = image.read_bytes()
    for slot, number in load.written.items():
        assert disk_bytes[DATA * slot : DATA * (slot + 1)] == load.pattern(number), f"slot {slot}"
    assert load.completed == load.turn
    assert interrupted > 3, "the daemon was never killed in the middle of its work"


@RINGS
def test_C225_C226_what_was_noted_by_hand_is_carried_out_in_the_order_of_the_notes(
    checked_daemon: Path, tmp_path: Path, image: Path, memory: Memory, kind: type[Ring]
) -> None:
    """A region as another daemon would have left it, which had taken three requests and answered none."""
    load = SplitLoad(memory, 0) if kind is SplitRing else PackedLoad(memory, 0)
    order = [2, 0, 1]
    with (
        Daemon(checked_daemon, tmp_path, image) as daemon,
        FrontEnd(daemon.socket) as front_end,
        Disk(front_end, load.ring(), load.features) as disk,
    ):
        front_end.shake_hands(load.features)
        front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
        payload, fd = get_region(front_end, queue_size=load.size)
        for slot in range(3):
            load.in_flight[slot] = slot + 1
            load.memory.put(HEADERS + 64 * slot, "IIQ", OUT, 0, 0)  # all to the same place: the last one is seen
            load.memory.data[PAYLOAD + DATA * slot : PAYLOAD + DATA * (slot + 1)] = load.pattern(slot + 1)
            load.offer(slot)
        note = note_split if kind is SplitRing else note_packed
        note(fd, load, order)
        assert front_end.does(SET_INFLIGHT_FD, payload, [fd])
        assert disk.runs()

        def all_back() -> bool:
            load.collect()
            return not load.in_flight

        peer.wait(all_back, "all requests come back")
        assert load.completed == 3
        os.close(fd)
    assert image.read_bytes()[:DATA] == load.pattern(order[-1] + 1)


def note_split(fd: int, load: Load, order: list[int]) -> None:
    """
    vhost-user, "Inflight I/O tracking": features, version, desc_num, last_batch_head, used_idx; then 16 bytes each.
    """
    os.pwrite(fd, struct.pack("<QHHHH", 0, 1, load.size, 0, 0), 0)
    for counter, slot in enumerate(order):
        os.pwrite(fd, struct.pack("<B5xHQ", 1, 0, counter + 1), 16 + 16 * (4 * slot))


def note_packed(fd: int, load: Load, order: list[int]) -> None:
    """
    features, version, desc_num, free_head, old_free_head, used_idx, old_used_idx, the two wrap counters, 7 bytes; then
    32 bytes each: inflight, padding, next, last, num, counter, id, flags, len, addr.
    """
    taken = 9  # three requests of three descriptors: entries 0 to 8, in the order of the ring
    os.pwrite(fd, struct.pack("<QHHHHHHBB7x", 0, 1, load.size, taken, taken, 0, 0, 1, 1), 0)
    for i in range(load.size):
        os.pwrite(fd, struct.pack("<BxHHHQHHIQ", 0, i + 1, 0, 0, 0, 0, 0, 0, 0), 32 + 32 * i)
    for slot in range(3):
        for i, (address, length, flags) in enumerate(load.pieces(slot)):
            at = 3 * slot + i
            os.pwrite(
                fd,
                struct.pack(
                    "<BxHHHQHHIQ",
                    i == 0,
                    at + 1,
                    3 * slot + 2,
                    3 if i == 0 else 0,
                    order.index(slot) + 1 if i == 0 else 0,
                    slot,
                    flags | AVAIL,
                    length,
                    address,
                ),
                32 + 32 * at,
            )


@RINGS
def test_C239_a_region_that_is_truncated_ends_the_connection(
    checked_daemon: Path, tmp_path: Path, image: Path, memory: Memory, kind: type[Ring]
) -> None:
    with Daemon(checked_daemon, tmp_path, image) as daemon:
        with FrontEnd(daemon.socket) as front_end, Disk(front_end, kind(memory, 128)) as disk:
            front_end.shake_hands(disk.features)
            front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
            payload, fd = get_region(front_end)
            with pytest.raises(PermissionError):
                os.ftruncate(fd, 0)  # ours is sealed
            os.close(fd)
            other = os.memfd_create("mine")
            os.ftruncate(other, struct.unpack_from("=Q", payload)[0])
            assert front_end.does(SET_INFLIGHT_FD, payload, [other])
            assert disk.runs()
            disk.works()
            os.ftruncate(other, 0)
            disk.ring.offer([(GUEST + 0x8000, 16, False), (GUEST + 0x9000, 1, True)])
            disk.notify()
            assert front_end.is_over()
            os.close(other)
        assert "truncated" in daemon.complaints
        peer.wait(lambda: daemon.owns() == peer.IDLE, "nothing is left")


def test_C239_what_is_truncated_while_a_connection_ends_is_not_the_next_ones_fault(
    checked_daemon: Path, tmp_path: Path, image: Path
) -> None:
    with Daemon(checked_daemon, tmp_path, image) as daemon:
        for _ in range(3):
            shared = Memory(1 << 20)
            with FrontEnd(daemon.socket) as front_end, Disk(front_end, SplitRing(shared, 128)) as disk:
                disk.start().works()
                os.ftruncate(shared.fd, 0)  # found when the queue is stopped
            shared.close()
        assert "truncated" not in daemon.complaints


def test_C224_without_a_region_what_was_under_way_is_lost(
    plain_daemon: Path, tmp_path: Path, image: Path, memory: Memory
) -> None:
    """The control of the tests above: the same kills, and no region to note anything in."""
    chance, lost = random.Random(0), 0
    for _ in range(40):
        memory.data[0:0x8000] = bytes(0x8000)
        load = SplitLoad(memory, 0)
        with (
            Daemon(plain_daemon, tmp_path, image) as daemon,
            FrontEnd(daemon.socket) as front_end,
            Disk(front_end, load.ring(), load.features).start() as disk,
        ):
            load.fill()
            disk.notify()
            time.sleep(chance.random() * 0.002)
            daemon.kill()
            load.collect()
            lost += bool(load.in_flight)
            daemon.start()
    assert lost
