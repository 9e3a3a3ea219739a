# SPDX-License-Identifier: MIT
"""
examples/vhost-user-blk under a front-end that talks nonsense: whatever it sends, the daemon lives, says whose fault it
is, keeps no descriptor and no mapping, and serves the next connection.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vhost_user_peer as peer
from vhost_user_peer import (
    BASIC,
    GUEST,
    SECTOR,
    SECTORS,
    SIZE,
    USER,
    Daemon,
    Disk,
    FrontEnd,
    Memory,
    PackedRing,
    Ring,
    SplitRing,
    still_serves,
)

SETTERS = {
    "SET_FEATURES": (peer.SET_FEATURES, 8),
    "SET_OWNER": (peer.SET_OWNER, 0),
    "RESET_OWNER": (peer.RESET_OWNER, 0),
    "SET_MEM_TABLE": (peer.SET_MEM_TABLE, 40),
    "SET_VRING_NUM": (peer.SET_VRING_NUM, 8),
    "SET_VRING_ADDR": (peer.SET_VRING_ADDR, 40),
    "SET_VRING_BASE": (peer.SET_VRING_BASE, 8),
    "SET_VRING_KICK": (peer.SET_VRING_KICK, 8),
    "SET_VRING_CALL": (peer.SET_VRING_CALL, 8),
    "SET_VRING_ERR": (peer.SET_VRING_ERR, 8),
    "SET_PROTOCOL_FEATURES": (peer.SET_PROTOCOL_FEATURES, 8),
    "SET_VRING_ENABLE": (peer.SET_VRING_ENABLE, 8),
    "SET_CONFIG": (peer.SET_CONFIG, 12),
}
GETTERS = {
    "GET_FEATURES": (peer.GET_FEATURES, 0),
    "GET_VRING_BASE": (peer.GET_VRING_BASE, 8),
    "GET_PROTOCOL_FEATURES": (peer.GET_PROTOCOL_FEATURES, 0),
    "GET_QUEUE_NUM": (peer.GET_QUEUE_NUM, 0),
    "GET_CONFIG": (peer.GET_CONFIG, 12),
}
REQUESTS = SETTERS | GETTERS

BAD_HEADERS = {
    "version 0": (1, 0, 0),
    "version 2": (1, 2, 0),
    "version 3": (1, 3, 0),
    "an answer": (1, 5, 0),
    "request 0": (0, 1, 0),
    "a gap": (6, 1, 0),
    "unknown": (26, 1, 0),
    "far": (1000, 1, 0),
    "last": (0xFFFFFFFF, 1, 0),
    "a payload where there is none": (peer.GET_FEATURES, 1, 1),
    "4 GiB": (peer.SET_FEATURES, 1, 0xFFFFFFFF),
    "2 GiB": (peer.SET_MEM_TABLE, 1, 0x80000000),
    "one too much": (peer.SET_MEM_TABLE, 1, 265),
    "one too little": (peer.SET_VRING_ADDR, 1, 39),
    "far too little": (peer.SET_VRING_NUM, 1, 0),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_C232_a_header_that_cannot_be_ends_the_connection(daemon: Daemon, front_end: FrontEnd, name: str) -> None:
    front_end.raw(struct.pack("=III", *BAD_HEADERS[name]) + bytes(64))
    assert front_end.is_over()
    assert "vhost-user-blk: front-end: " in daemon.complaints
    still_serves(daemon)


@pytest.mark.parametrize("name", REQUESTS)
def test_C232_C237_a_message_that_ends_early_takes_nothing_along(daemon: Daemon, name: str) -> None:
    request, size = REQUESTS[name]
    message = struct.pack("=III", request, 1, size) + bytes(size)
    for length in range(1, len(message)):
        with FrontEnd(daemon.socket) as front_end:
            front_end.raw(message[:length], [0])
    still_serves(daemon)


def test_C232_a_message_that_comes_byte_by_byte_is_a_message(front_end: FrontEnd) -> None:
    for byte in struct.pack("=III", peer.GET_QUEUE_NUM, 1, 0):
        front_end.raw(bytes([byte]))
        time.sleep(0.001)
    assert front_end.receive().u64 == 8


def test_a_refusal_is_answered_if_it_is_asked_for_and_changes_nothing(daemon: Daemon, front_end: FrontEnd) -> None:
    front_end.shake_hands(BASIC)
    for _ in range(3):
        assert not front_end.does(peer.SET_FEATURES, struct.pack("=Q", BASIC | 1 << 33))
        assert front_end.does(peer.SET_FEATURES, struct.pack("=Q", BASIC))
    assert "front-end: SET_FEATURES: features 0x200000000 were not offered" in daemon.complaints
    front_end.send(peer.SET_FEATURES, struct.pack("=Q", 1 << 63))  # without the flag: it would believe it was heard
    assert front_end.is_over()


def test_C019_C020_features_that_cannot_be(front_end: FrontEnd, memory: Memory) -> None:
    front_end.shake_hands(BASIC)
    assert not front_end.does(peer.SET_FEATURES, struct.pack("=Q", BASIC | peer.F_RO))
    assert not front_end.does(peer.SET_PROTOCOL_FEATURES, struct.pack("=Q", 1 << 20 | peer.PF_REPLY_ACK))
    front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
    with Disk(front_end, PackedRing(memory)) as disk:
        front_end.send(peer.SET_FEATURES, struct.pack("=Q", peer.F_PROTOCOL_FEATURES | peer.F_PACKED))
        assert not disk.runs()  # PACKED without VERSION_1


@pytest.mark.parametrize("index", [8, 0x80, 0xFFFF, 0x10000, 0x10001, 0xFFFFFFFF])
def test_C228_a_queue_number_is_judged_by_its_whole_width(daemon: Daemon, front_end: FrontEnd, index: int) -> None:
    front_end.shake_hands(BASIC)
    for request in (peer.SET_VRING_NUM, peer.SET_VRING_BASE, peer.SET_VRING_ENABLE):
        assert not front_end.does(request, struct.pack("=II", index, 1))
    assert not front_end.does(peer.SET_VRING_ADDR, struct.pack("=II", index, 0) + bytes(32))
    for request in (peer.SET_VRING_KICK, peer.SET_VRING_CALL, peer.SET_VRING_ERR):
        for word in (index, index << 16, index << 32 | peer.NO_FD, 0x200):
            assert not front_end.does(request, struct.pack("=Q", word), [0] if not word & peer.NO_FD else [])
    assert f"there is no queue {index}: there are 8" in daemon.complaints
    front_end.send(peer.GET_VRING_BASE, struct.pack("=II", index, 0))
    assert front_end.is_over()


def test_C229_a_queue_may_be_told_again_and_again(daemon: Daemon, disk: Disk) -> None:
    base, before = disk.stop(), daemon.owns()
    assert disk.front_end.does(peer.SET_VRING_ENABLE, struct.pack("=II", 0, 0))
    for _ in range(500):
        assert disk.configure(base)
    assert disk.runs()
    disk.works()
    assert daemon.owns() == (before[0] + 1, before[1])  # the kick, which was closed


def test_C229_C016_C017_while_a_queue_runs_nothing_of_it_changes(disk: Disk) -> None:
    does = disk.front_end.does
    for _ in range(3):
        assert not does(peer.SET_VRING_NUM, struct.pack("=II", 0, 4))
        assert not does(peer.SET_VRING_BASE, struct.pack("=II", 0, 0))
        assert not does(peer.SET_VRING_ADDR, disk.addresses())
        assert not does(peer.SET_FEATURES, struct.pack("=Q", BASIC | peer.F_PACKED))
        assert does(peer.SET_FEATURES, struct.pack("=Q", disk.features))  # the same ones
        assert does(peer.SET_VRING_ENABLE, struct.pack("=II", 0, 1))
        assert does(peer.SET_VRING_KICK, struct.pack("=Q", 0), [disk.kick])
        assert does(peer.SET_VRING_CALL, struct.pack("=Q", 0), [disk.call])
        disk.works()


def test_C021_a_disabled_queue_waits(disk: Disk) -> None:
    assert disk.front_end.does(peer.SET_VRING_ENABLE, struct.pack("=II", 0, 0))
    disk.ring.offer([(GUEST + 0x8000, 16, False), (GUEST + 0x9000, 1, True)])
    disk.notify()
    time.sleep(0.02)
    assert disk.ring.used() is None
    assert disk.front_end.does(peer.SET_VRING_ENABLE, struct.pack("=II", 0, 1))
    disk.await_call()
    assert disk.ring.used() == 1


def test_what_was_not_offered_cannot_be_asked_for(front_end: FrontEnd, memory: Memory) -> None:
    with Disk(front_end, SplitRing(memory)) as disk:
        disk.start()
        disk.stop()
        logged = bytearray(disk.addresses())
        logged[4] = 1  # VHOST_VRING_F_LOG
        assert not front_end.does(peer.SET_VRING_ADDR, bytes(logged))
        for value in (2, 0xFFFFFFFF):
            assert not front_end.does(peer.SET_VRING_ENABLE, struct.pack("=II", 0, value))
        assert not front_end.does(peer.SET_CONFIG, struct.pack("=III", 0, 1, 0) + b"x")
        assert disk.runs()
        disk.works()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("C008 descriptors", (0, 8, 0)),
        ("C008 available ring", (2, 1, 0)),
        ("C008 used ring", (1, 2, 0)),
        ("C011 a hole", (0, SIZE, 0)),
        ("C010 wraps", (0, 2**64 - USER - 16, 0)),
        ("C012 overlap", (1, -0x6000, 0)),
        ("C009 one byte past the end", (1, SIZE - 0x6000 - 66 + 2, 0)),
        ("C009 far past the end", (0, SIZE - 16, 0)),
        ("C007 a size that cannot be", (0, 0, 32769)),
        ("C002 a size that is no power of two", (0, 0, 7)),
        ("C006 a size of 2^31", (0, 0, 2**31)),
        ("C006 a size that would be 8", (0, 0, 0x10008)),
    ],
)
def test_C002_C006_C007_C008_C009_C010_C011_C012_a_ring_that_cannot_be_does_not_start(
    front_end: FrontEnd, memory: Memory, what: str, change: tuple[int, int, int]
) -> None:
    area, by, size = change
    front_end.shake_hands(BASIC)
    front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
    with Disk(front_end, SplitRing(memory)) as disk:
        addresses = list(struct.unpack("=IIQQQQ", disk.addresses()))
        addresses[2 + area] = (addresses[2 + area] + by) % 2**64
        told = front_end.does(peer.SET_VRING_NUM, struct.pack("=II", 0, size or 8))
        assert told == (size < 32769)
        assert front_end.does(peer.SET_VRING_ADDR, struct.pack("=IIQQQQ", *addresses))
        assert front_end.does(peer.SET_VRING_KICK, struct.pack("=Q", 0), [disk.kick])
        if told:
            assert not disk.front_end.does(peer.SET_VRING_ENABLE, struct.pack("=II", 0, 1)), what
        assert disk.runs()  # and after a correction it does
        disk.works()


def test_C009_a_ring_may_end_where_memory_ends(front_end: FrontEnd, memory: Memory) -> None:
    ring = SplitRing(memory)
    ring.device_area = SIZE - 4 - 64 - 2 - 2  # aligned to 4: the last two bytes are beyond it
    with Disk(front_end, ring) as disk:
        disk.start().works()
        base = disk.stop()
        ring.driver_area, old = SIZE - 4 - 16 - 2, ring.driver_area
        ring.device_area, used = 0x7000, ring.device_area
        memory.data[ring.driver_area : SIZE] = memory.data[old : old + 22]
        memory.data[0x7000 : 0x7000 + 70] = memory.data[used : used + 70]
        memory.put(0x7000 + 2, "H", base)
        memory.put(ring.driver_area + 2, "H", base)
        assert disk.runs(base)
        disk.works()


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (SplitRing, 0x10000),
        (SplitRing, 0xFFFFFFFF),
        (SplitRing, 1),
        (PackedRing, 8 | 8 << 16),
        (PackedRing, 0x7FFF7FFF),
        (PackedRing, 0x80018000),
        (PackedRing, 0x80000001),
    ],
)
def test_C213_C234_a_position_that_cannot_be(front_end: FrontEnd, memory: Memory, kind: type[Ring], base: int) -> None:
    with Disk(front_end, kind(memory)) as disk:
        disk.start()
        disk.stop()
        assert not disk.runs(base)
        assert disk.runs(disk.ring.base)
        disk.works()


# ------------------------------------------------------------------------------------------------------ descriptors ---


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 253])
@pytest.mark.parametrize("name", REQUESTS)
def test_C230_descriptors_are_closed_once_on_every_message(daemon: Daemon, name: str, count: int) -> None:
    """
    The fixture holds that none is left; AddressSanitizer's allocator and a second connection, that none went twice.
    """
    request, size = REQUESTS[name]
    with FrontEnd(daemon.socket) as witness:
        witness.shake_hands(BASIC)
        witness.send(request, bytes(size), [0] * count, peer.VERSION | peer.NEED_REPLY)
        try:
            witness.receive()
        except peer.Ended:
            pass
    still_serves(daemon)


@pytest.mark.parametrize("kind", ["pipe", "a file", "zeros", "a socket", "a closed pipe", "a timer", "a memfd"])
@pytest.mark.parametrize("request_", [peer.SET_VRING_KICK, peer.SET_VRING_CALL, peer.SET_VRING_ERR])
def test_C236_only_an_eventfd_is_taken_for_one(front_end: FrontEnd, image: Path, kind: str, request_: int) -> None:
    front_end.shake_hands(BASIC)
    reader, writer = os.pipe()
    one, other = socket.socketpair()
    fds = {
        "pipe": reader,
        "a file": os.open(image, os.O_RDWR),
        "zeros": os.open("/dev/zero", os.O_RDWR),
        "a socket": one.fileno(),
        "a closed pipe": writer,
        "a timer": front_end.socket.fileno(),
        "a memfd": os.memfd_create("x"),
    }
    assert not front_end.does(request_, struct.pack("=Q", 0), [fds[kind]])
    assert not front_end.does(request_, struct.pack("=Q", 0))  # a descriptor is announced, and none comes
    assert not front_end.does(request_, struct.pack("=Q", peer.NO_FD), [fds[kind]])  # and the reverse
    for fd in (reader, writer, fds["a file"], fds["zeros"], fds["a memfd"]):
        os.close(fd)
    one.close()
    other.close()
    assert front_end.does(peer.SET_VRING_CALL, struct.pack("=Q", peer.NO_FD))
    assert not front_end.does(peer.SET_VRING_KICK, struct.pack("=Q", peer.NO_FD))  # it does not poll


def test_C236_C079_a_kick_that_is_readable_for_ever_is_not_listened_to_for_ever(daemon: Daemon, disk: Disk) -> None:
    semaphore = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_CLOEXEC)
    os.eventfd_write(semaphore, 2**64 - 2)
    assert disk.front_end.does(peer.SET_VRING_KICK, struct.pack("=Q", 0), [semaphore])
    time.sleep(0.05)
    before = daemon.cpu()
    time.sleep(1)
    assert daemon.cpu() - before < 0.3  # an eager loop would take all of it
    disk.works()  # and what is offered is still seen
    os.close(semaphore)


@pytest.mark.parametrize("count", [1, 2, 0x10001, 2**32, 2**64 - 2])
def test_C093_what_a_kick_says_is_a_hint(disk: Disk, count: int) -> None:
    for _ in range(3):
        os.eventfd_write(disk.kick, count)
        disk.works()


def test_a_call_that_is_full_does_not_hold_the_daemon_up(disk: Disk) -> None:
    os.set_blocking(disk.call, True)
    os.eventfd_write(disk.call, 2**64 - 2)
    for _ in range(3):  # nobody reads it meanwhile
        disk.ring.offer([(GUEST + 0x8000, 16, False), (GUEST + 0x9000, 1, True)])
        disk.notify()
        peer.wait(lambda: disk.ring.used() is not None, "the daemon uses a buffer")
    assert disk.stop() == 3
    assert os.eventfd_read(disk.call) == 2**64 - 2


def test_a_kick_that_somebody_else_takes_does_not_hold_the_daemon_up(front_end: FrontEnd, memory: Memory) -> None:
    """Two queues have one eventfd, and it is a blocking one: the second finds nothing in it, and must not wait."""
    with Disk(front_end, SplitRing(memory)) as one, Disk(front_end, SplitRing(memory, at=0x40000), queue=1) as other:
        os.close(other.kick)
        other.kick = os.dup(one.kick)
        one.start()
        assert other.runs()
        os.set_blocking(one.kick, True)
        for _ in range(10):
            one.works()
            other.works()


# ------------------------------------------------------------------------------------------------------------- lots ---

interesting = st.sampled_from(
    [0, 1, 2, 7, 8, 0xFF, 0x100, 4096, SIZE, GUEST, USER, 2**16, 2**31, 2**32 - 1, 2**63, 2**64 - 4096, 2**64 - 1]
)
words = st.lists(interesting | st.integers(0, 2**64 - 1), max_size=8)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A message of about the right shape, with descriptors, or a few bytes that are none."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(min_size=1, max_size=64)), []
    request, size = REQUESTS[draw(st.sampled_from(sorted(REQUESTS)))]
    payload = b"".join(struct.pack("=Q", word) for word in draw(words))
    if draw(st.booleans()):
        payload = (
            struct.pack("=II", draw(st.integers(0, 9)), draw(st.sampled_from([0, 1, 2, 8, 0x101, 2**32 - 1]))) + payload
        )
    payload = payload.ljust(size, b"\0")[: size if draw(st.integers(0, 9)) else None]
    flags = draw(st.sampled_from([1, 1, 1, 9, 9, 9, 9, 5, 0]))
    fds = draw(
        st.lists(st.sampled_from(["memory", "eventfd", "pipe", "zeros"]), max_size=draw(st.sampled_from([0, 1, 2, 9])))
    )
    return struct.pack("=III", request, flags, len(payload)) + payload, fds


@pytest.fixture(scope="module")
def victim(checked_daemon: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for many examples."""
    folder = tmp_path_factory.mktemp("victim")
    image = folder / "disk.img"
    image.write_bytes(bytes(SECTORS * SECTOR))
    with Daemon(checked_daemon, folder, image) as daemon:
        yield daemon


@given(talk=st.lists(messages(), max_size=30), begins_well=st.booleans(), kick=st.booleans())
def test_C228_C230_C231_C232_any_talk_leaves_the_daemon_as_it_was(
    victim: Daemon, talk: list[tuple[bytes, list[str]]], begins_well: bool, kick: bool
) -> None:
    memory = Memory()
    reader, writer = os.pipe()
    fds = {
        "memory": memory.fd,
        "eventfd": os.eventfd(1, os.EFD_CLOEXEC),
        "pipe": reader,
        "zeros": os.open("/dev/zero", os.O_RDWR),
    }
    with FrontEnd(victim.socket) as front_end, Disk(front_end, SplitRing(memory)) as disk:
        if begins_well:
            disk.start()
        for data, names in talk:
            front_end.raw(data, [fds[name] for name in names])
            if kick:
                disk.notify()
    for fd in (*fds.values(), writer):
        if fd != memory.fd:
            os.close(fd)
    memory.close()
    peer.wait(lambda: victim.owns() == peer.IDLE, "descriptors and mappings as they were")
    assert "Sanitizer" not in victim.complaints and "runtime error" not in victim.complaints
