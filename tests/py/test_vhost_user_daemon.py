# SPDX-License-Identifier: MIT
"""
examples/vhost-user-blk under a hostile front-end: whatever it sends, the daemon lives, says whose fault it is, keeps no
descriptor and no mapping, and serves the next connection. It is built with AddressSanitizer and
UndefinedBehaviorSanitizer, except where memory is measured.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits import ANSWER
import vhost_user_peer as peer
from images import same_bytes
from vhost_user_peer import (GUEST, IN, IOERR, OK, OUT, SECTOR, SIZE, UNSUPP, USER, Daemon, Disk, FrontEnd, Memory,
                             PackedRing, Ring, SplitRing, regions)

BASIC = peer.F_VERSION_1 | peer.F_PROTOCOL_FEATURES
SECTORS = 2048
SETTERS = {
    "SET_FEATURES": (peer.SET_FEATURES, 8), "SET_OWNER": (peer.SET_OWNER, 0), "RESET_OWNER": (peer.RESET_OWNER, 0),
    "SET_MEM_TABLE": (peer.SET_MEM_TABLE, 40), "SET_VRING_NUM": (peer.SET_VRING_NUM, 8),
    "SET_VRING_ADDR": (peer.SET_VRING_ADDR, 40), "SET_VRING_BASE": (peer.SET_VRING_BASE, 8),
    "SET_VRING_KICK": (peer.SET_VRING_KICK, 8), "SET_VRING_CALL": (peer.SET_VRING_CALL, 8),
    "SET_VRING_ERR": (peer.SET_VRING_ERR, 8), "SET_PROTOCOL_FEATURES": (peer.SET_PROTOCOL_FEATURES, 8),
    "SET_VRING_ENABLE": (peer.SET_VRING_ENABLE, 8), "SET_CONFIG": (peer.SET_CONFIG, 12),
}
GETTERS = {
    "GET_FEATURES": (peer.GET_FEATURES, 0), "GET_VRING_BASE": (peer.GET_VRING_BASE, 8),
    "GET_PROTOCOL_FEATURES": (peer.GET_PROTOCOL_FEATURES, 0), "GET_QUEUE_NUM": (peer.GET_QUEUE_NUM, 0),
    "GET_CONFIG": (peer.GET_CONFIG, 12),
}
REQUESTS = SETTERS | GETTERS
RINGS = pytest.mark.parametrize("kind", [SplitRing, PackedRing])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A disk image of which no two sectors are alike."""
    path = tmp_path / "disk.img"
    path.write_bytes(b"".join(struct.pack("<Q", i) * 64 for i in range(SECTORS)))
    return path


@pytest.fixture
def daemon(checked_daemon: Path, tmp_path: Path, image: Path) -> Iterator[Daemon]:
    """A daemon that must be what it was once the test is over."""
    with Daemon(checked_daemon, tmp_path, image) as running:
        yield running
        peer.wait(lambda: running.owns() == peer.IDLE, "descriptors and mappings as they were")
        assert "Sanitizer" not in running.complaints and "runtime error" not in running.complaints


@pytest.fixture
def memory() -> Iterator[Memory]:
    """A megabyte for a guest."""
    shared = Memory()
    yield shared
    shared.close()


@pytest.fixture
def front_end(daemon: Daemon) -> Iterator[FrontEnd]:
    """A connection on which nothing has been said."""
    with FrontEnd(daemon.socket) as connection:
        yield connection


@pytest.fixture
def disk(front_end: FrontEnd, memory: Memory) -> Iterator[Disk]:
    """A split queue that runs."""
    with Disk(front_end, SplitRing(memory)) as running:
        yield running.start()


def still_serves(daemon: Daemon) -> None:
    """The next connection works as if there had been none before."""
    shared = Memory()
    with FrontEnd(daemon.socket) as connection, Disk(connection, SplitRing(shared)) as again:
        again.start().works()
    shared.close()


# ------------------------------------------------------------------------------------------------------ a good front-end ---


@RINGS
@pytest.mark.parametrize("features", [0, peer.F_EVENT_IDX, peer.F_INDIRECT, peer.F_IN_ORDER,
                                      peer.F_EVENT_IDX | peer.F_INDIRECT | peer.F_IN_ORDER | peer.F_FLUSH])
def test_a_disk_is_read_and_written(daemon: Daemon, memory: Memory, image: Path, kind: type[Ring], features: int) -> None:
    with FrontEnd(daemon.socket) as front_end, Disk(front_end, kind(memory), BASIC | features) as disk:
        disk.start()
        for sector in (0, 1, SECTORS - 1):
            assert disk.request(IN, sector, SECTOR) == (OK, struct.pack("<Q", sector) * 64, SECTOR + 1)
        for _ in range(20):  # several laps
            disk.works()
        assert disk.request(peer.FLUSH) == (OK, b"", 1)
        assert disk.request(peer.GET_ID, 0, 20) == (OK, b"disk.img".ljust(20, b"\0"), 21)
        assert disk.stop() == disk.ring.base
    assert image.read_bytes()[3 * SECTOR:4 * SECTOR] != struct.pack("<Q", 3) * 64


@RINGS
@pytest.mark.parametrize("size", [2, 4, 256])
def test_a_queue_stops_and_goes_on_where_it_stopped(daemon: Daemon, kind: type[Ring], size: int) -> None:
    memory = Memory()
    with FrontEnd(daemon.socket) as front_end, Disk(front_end, kind(memory, max(size, 3 if kind is PackedRing else 4))
                                                    ) as disk:
        disk.start()
        for _ in range(7):
            disk.works()
            base = disk.stop()
            assert base == disk.ring.base
            assert disk.runs()
            disk.works()
    memory.close()


@RINGS
def test_C084_what_was_offered_before_the_queue_ran_is_carried_out_without_a_kick(
        front_end: FrontEnd, memory: Memory, kind: type[Ring]) -> None:
    with Disk(front_end, kind(memory)) as disk:
        disk.start()
        base = disk.stop()
        assert front_end.does(peer.SET_VRING_ENABLE, struct.pack("=II", 0, 0))  # so that the last message starts it
        memory.put(0x8000, "IIQ", IN, 0, 5)
        disk.ring.offer([(GUEST + 0x8000, 16, False), (GUEST + 0x9000, SECTOR, True), (GUEST + 0x9800, 1, True)])
        time.sleep(0.02)
        assert disk.ring.used() is None  # nothing is touched while the queue does not run
        assert disk.runs(base)
        disk.await_call()
        assert disk.ring.used() == SECTOR + 1
        assert memory.data[0x9000:0x9000 + SECTOR] == struct.pack("<Q", 5) * 64


@pytest.mark.parametrize(("kind", "sector", "data", "status"), [
    (IN, SECTORS, SECTOR, IOERR), (IN, SECTORS - 1, 2 * SECTOR, IOERR), (IN, 2**64 - 1, SECTOR, IOERR),
    (IN, 2**55, SECTOR, IOERR), (IN, 0, SECTOR - 1, IOERR), (IN, 0, 513, IOERR), (OUT, SECTORS, b"x" * SECTOR, IOERR),
    (OUT, 0, b"x" * 100, IOERR), (OUT, 2**64 - 1, b"x" * SECTOR, IOERR), (13, 0, b"", UNSUPP), (0x10000, 0, 64, UNSUPP),
    (0xFFFFFFFF, 0, b"x" * SECTOR, UNSUPP), (IN, 0, 0, OK), (peer.GET_ID, 0, 5, OK), (peer.GET_ID, 0, 100, OK)])
def test_a_request_that_cannot_be_is_answered_and_leaves_no_old_byte(disk: Disk, image: Path, kind: int, sector: int,
                                                                    data: bytes | int, status: int) -> None:
    before = image.read_bytes()
    disk.memory.data[0x10100:0x11000] = b"\xAA" * 0xF00
    answer, back, used = disk.request(kind, sector, data)
    assert answer == status and used == len(back) + 1
    assert b"\xAA" not in back and (status == OK or not any(back))
    same_bytes(image.read_bytes(), before, "the image")
    disk.works()


def test_a_request_without_room_for_an_answer_is_returned_as_it_is(disk: Disk) -> None:
    for pieces in ([(GUEST + 0x8000, 16, False)], [(GUEST + 0x8000, 4, False)]):
        assert disk.buffer(pieces) == 0
    disk.memory.data[0x8000:0x8010] = b"\xFF" * 16
    assert disk.buffer([(GUEST + 0x8000, 15, False), (GUEST + 0x9000, 4, True)]) == 4
    assert disk.memory.data[0x9000:0x9004] == b"\0\0\0\x01"  # no whole header: an error, and zeros before it
    disk.works()


def test_a_read_only_image_is_offered_and_kept_as_such(checked_daemon: Path, tmp_path: Path, image: Path, memory: Memory) -> None:
    image.chmod(0o444)
    before = image.read_bytes()
    with Daemon(checked_daemon, tmp_path, image, "--read-only") as daemon, FrontEnd(daemon.socket) as front_end:
        assert front_end.ask(peer.GET_FEATURES).u64 & peer.F_RO
        with Disk(front_end, SplitRing(memory), BASIC | peer.F_RO) as disk:
            disk.start()
            assert disk.request(OUT, 0, b"x" * SECTOR)[0] == IOERR
            assert disk.request(IN, 1, SECTOR)[1] == struct.pack("<Q", 1) * 64
            assert disk.request(peer.FLUSH)[0] == OK
    same_bytes(image.read_bytes(), before, "the image")


def test_the_configuration_space(front_end: FrontEnd) -> None:
    def config(offset: int, size: int, room: int) -> tuple[int, bytes]:
        payload = front_end.ask(peer.GET_CONFIG, struct.pack("=III", offset, size, 0) + bytes(room)).payload
        return len(payload) - 12, payload[12:]

    size, space = config(0, 60, 60)
    assert size == 60 and struct.unpack_from("<QII", space) == (SECTORS, 0, 126)
    assert struct.unpack_from("<I", space, 20) == (SECTOR,) and struct.unpack_from("<H", space, 34) == (8,)
    assert config(0, 256, 256)[1][:60] == space and not any(config(0, 256, 256)[1][60:])
    assert config(20, 4, 4)[1] == space[20:24]
    assert config(0xFFFFFFFF, 256, 256) == (256, bytes(256))
    front_end.send(peer.GET_CONFIG, struct.pack("=III", 0, 257, 0) + bytes(256))
    assert front_end.is_over()


@pytest.mark.parametrize(("words", "code", "complaint"), [
    ([], 2, "usage: "), (["--image", "x"], 2, "usage: "), (["--socket", "s", "--image", "i", "more"], 2, "usage: "),
    (["--socket", "s", "--image", "/nonexistent/image"], 1, "image: /nonexistent/image: No such file"),
    (["--socket", "s", "--image", "/dev/null"], 1, "image: /dev/null: not as much as one sector"),
    (["--socket", "/nonexistent/folder/s", "--image", "IMAGE"], 1, "socket: /nonexistent/folder/s: No such file"),
    (["--socket", "s" * 200, "--image", "IMAGE"], 1, "longer than the 107 bytes"),
    (["--socket", "IMAGE", "--image", "IMAGE"], 1, "Address already in use"), (["--help"], 0, "")])
def test_a_slip_on_the_command_line_is_told(checked_daemon: Path, tmp_path: Path, image: Path, words: list[str], code: int,
                                           complaint: str) -> None:
    done = peer.run([checked_daemon, *(str(image) if word == "IMAGE" else word for word in words)], tmp_path)
    assert done.returncode == code and complaint in done.stderr
    assert len(image.read_bytes()) == SECTORS * SECTOR


def test_asked_to_end_as_soon_as_it_can_be_seen_it_tidies_up(plain_daemon: Path, tmp_path: Path, image: Path) -> None:
    """Whoever sees the socket may send SIGTERM; here it comes in the very call that lets the socket be seen."""
    source, library, path = tmp_path / "listen.c", tmp_path / "listen.so", tmp_path / "daemon.sock"
    source.write_text("#include <signal.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
                      "int listen(int fd, int n) { return syscall(SYS_listen, fd, n) + raise(SIGTERM); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, source], check=True)
    done = subprocess.run([plain_daemon, "--socket", path, "--image", image], timeout=ANSWER,
                          env={**os.environ, "LD_PRELOAD": str(library)}, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and not path.exists()


def test_an_image_is_served_by_one_daemon(daemon: Daemon, checked_daemon: Path, tmp_path: Path, image: Path) -> None:
    done = peer.run([checked_daemon, "--socket", "other.sock", "--image", str(image)], tmp_path)
    assert done.returncode == 1 and "in use by another daemon" in done.stderr
    done = peer.run([checked_daemon, "--socket", str(daemon.socket), "--image", str(image), "--read-only"], tmp_path)
    assert done.returncode == 1
    still_serves(daemon)


# ---------------------------------------------------------------------------------------------------------- the messages ---


BAD_HEADERS = {
    "version 0": (1, 0, 0), "version 2": (1, 2, 0), "version 3": (1, 3, 0), "an answer": (1, 5, 0),
    "request 0": (0, 1, 0), "a gap": (6, 1, 0), "unknown": (26, 1, 0), "far": (1000, 1, 0), "last": (0xFFFFFFFF, 1, 0),
    "a payload where there is none": (peer.GET_FEATURES, 1, 1), "4 GiB": (peer.SET_FEATURES, 1, 0xFFFFFFFF),
    "2 GiB": (peer.SET_MEM_TABLE, 1, 0x80000000), "one too much": (peer.SET_MEM_TABLE, 1, 265),
    "one too little": (peer.SET_VRING_ADDR, 1, 39), "far too little": (peer.SET_VRING_NUM, 1, 0),
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


@pytest.mark.parametrize(("what", "change"), [
    ("C008 descriptors", (0, 8, 0)), ("C008 available ring", (2, 1, 0)), ("C008 used ring", (1, 2, 0)),
    ("C011 a hole", (0, SIZE, 0)), ("C010 wraps", (0, 2**64 - USER - 16, 0)), ("C012 overlap", (1, -0x6000, 0)),
    ("C009 one byte past the end", (1, SIZE - 0x6000 - 66 + 2, 0)), ("C009 far past the end", (0, SIZE - 16, 0)),
    ("C007 a size that cannot be", (0, 0, 32769)), ("C002 a size that is no power of two", (0, 0, 7)),
    ("C006 a size of 2^31", (0, 0, 2**31)), ("C006 a size that would be 8", (0, 0, 0x10008))])
def test_C002_C006_C007_C008_C009_C010_C011_C012_a_ring_that_cannot_be_does_not_start(
        front_end: FrontEnd, memory: Memory, what: str, change: tuple[int, int, int]) -> None:
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
        memory.data[ring.driver_area:SIZE] = memory.data[old:old + 22]
        memory.data[0x7000:0x7000 + 70] = memory.data[used:used + 70]
        memory.put(0x7000 + 2, "H", base)
        memory.put(ring.driver_area + 2, "H", base)
        assert disk.runs(base)
        disk.works()


@pytest.mark.parametrize(("kind", "base"), [
    (SplitRing, 0x10000), (SplitRing, 0xFFFFFFFF), (SplitRing, 1), (PackedRing, 8 | 8 << 16), (PackedRing, 0x7FFF7FFF),
    (PackedRing, 0x80018000), (PackedRing, 0x80000001)])
def test_C213_C234_a_position_that_cannot_be(front_end: FrontEnd, memory: Memory, kind: type[Ring], base: int) -> None:
    with Disk(front_end, kind(memory)) as disk:
        disk.start()
        disk.stop()
        assert not disk.runs(base)
        assert disk.runs(disk.ring.base)
        disk.works()


# -------------------------------------------------------------------------------------------------------- descriptors ---


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 253])
@pytest.mark.parametrize("name", REQUESTS)
def test_C230_descriptors_are_closed_once_on_every_message(daemon: Daemon, name: str, count: int) -> None:
    """The fixture holds that none is left; AddressSanitizer's allocator and a second connection, that none went twice."""
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
    fds = {"pipe": reader, "a file": os.open(image, os.O_RDWR), "zeros": os.open("/dev/zero", os.O_RDWR),
           "a socket": one.fileno(), "a closed pipe": writer, "a timer": front_end.socket.fileno(),
           "a memfd": os.memfd_create("x")}
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


# ------------------------------------------------------------------------------------------------------------- memory ---

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
def test_C027_C028_C231_a_memory_table_that_cannot_be_is_refused_whole(daemon: Daemon, disk: Disk, memory: Memory,
                                                                       name: str) -> None:
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


def test_C231_a_file_that_cannot_be_mapped_at_the_kth_place_rolls_back(daemon: Daemon, disk: Disk, memory: Memory) -> None:
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
        front_end.send(peer.SET_MEM_TABLE, regions((GUEST + half, half, USER + half, half), (GUEST, half, USER, 0)),
                       [memory.fd, memory.fd])
        assert disk.runs()
        disk.works()
        memory.put(0x8000, "IIQ", IN, 0, 7)  # C055: a piece of data that lies in both regions
        assert disk.buffer([(GUEST + 0x8000, 16, False), (GUEST + half - 256, SECTOR, True), (GUEST + 0x9000, 1, True)]
                           ) == SECTOR + 1
        assert memory.data[half - 256:half + 256] == struct.pack("<Q", 7) * 64
        base = disk.stop()
        odd = 0x123
        front_end.send(peer.SET_MEM_TABLE, regions((GUEST + odd, SIZE - odd, USER + odd, odd)), [memory.fd])
        disk.ring.desc = 0x1000
        assert disk.runs(base)
        disk.works()


def test_C051_C055_C056_addresses_that_are_no_memory_cost_the_driver_its_request(daemon: Daemon, disk: Disk) -> None:
    for address, length in ((0, 16), (GUEST - 1, 16), (GUEST + SIZE - 8, 16), (GUEST + SIZE, 1), (2**64 - 8, 16),
                            (USER, 16), (GUEST, 0xFFFFFFFF)):
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
        front_end.send(peer.SET_MEM_TABLE, regions((GUEST, half, USER, 0), (GUEST + half, half, USER + half, half)),
                       [memory.fd, sealed])
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
        assert not front_end.does(peer.SET_MEM_TABLE, regions((GUEST, 4096, USER, 0)), [other.fd])  # would lose the ring
        disk.works()
        for other in memories[1:]:
            other.close()


@RINGS
@pytest.mark.parametrize("left", [0, 0x1000, 0x5000, 0x8000])
def test_C239_memory_that_is_truncated_under_us_ends_the_connection(daemon: Daemon, kind: type[Ring], left: int) -> None:
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


# --------------------------------------------------------------------------------------------------- hostile drivers ---


def break_index(disk: Disk) -> None:
    disk.memory.put(disk.ring.driver_area + 2, "H", disk.ring.index + 9)


def break_head(disk: Disk) -> None:
    disk.memory.put(disk.ring.driver_area + 4 + 2 * (disk.ring.index % 8), "H", 8)
    disk.memory.put(disk.ring.driver_area + 2, "H", disk.ring.index + 1)


def break_chain(disk: Disk) -> None:
    disk.ring.offer([(GUEST + 0x8000, 16, False)])
    disk.memory.put(disk.ring.desc + 12, "HH", peer.NEXT, 0)


@pytest.mark.parametrize("act", [break_index, break_head, break_chain])
def test_a_driver_that_breaks_its_ring_stops_its_queue_alone(daemon: Daemon, front_end: FrontEnd, memory: Memory,
                                                            act: Callable[[Disk], None]) -> None:
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


def test_C062_C063_a_request_of_more_pieces_than_any_honest_one_has_stops_its_queue(daemon: Daemon, front_end: FrontEnd,
                                                                                  memory: Memory) -> None:
    """Two regions side by side, and a hundred descriptors each of which lies in both."""
    half = SIZE // 2
    with Disk(front_end, SplitRing(memory, 128)) as disk:
        front_end.shake_hands(disk.features)
        front_end.send(peer.SET_MEM_TABLE, regions((GUEST, half, USER, 0), (GUEST + half, half, USER + half, half)),
                       [memory.fd, memory.fd])
        assert disk.runs()
        disk.works()
        disk.ring.offer([(GUEST + half - 8, 16, True)] * 100)
        disk.notify()
        peer.wait(lambda: "the queue stands still" in daemon.complaints, "a complaint about the driver")
        disk.await_error()
        assert disk.ring.used() is None


# ----------------------------------------------------------------------------------------------------- over and over ---


def test_C237_reconnecting_leaves_the_state_clean_and_memory_flat(plain_daemon: Path, tmp_path: Path, image: Path) -> None:
    """2,000 connections that end in the middle of something, in 20 ways."""
    memory = Memory()
    with Daemon(plain_daemon, tmp_path, image) as daemon:
        def connect(stage: int) -> None:
            with FrontEnd(daemon.socket) as front_end, Disk(front_end, SplitRing(memory)) as disk:
                memory.data[0:0x8000] = bytes(0x8000)
                if stage == 0:
                    disk.start().works()
                elif stage < 5:
                    front_end.shake_hands(BASIC)
                    front_end.send(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
                    front_end.raw(disk.addresses()[:stage * 7], [memory.fd])
                else:
                    disk.start()
                    front_end.raw(struct.pack("=III", peer.SET_MEM_TABLE, 1, 40)[:stage], [memory.fd])

        for i in range(100):
            connect(i % 13)
        connect(0)
        peer.wait(lambda: daemon.owns() == peer.IDLE, "the connection is closed")
        resident = daemon.resident()
        for i in range(2000):
            connect(i % 13)
        peer.wait(lambda: daemon.owns() == peer.IDLE, "descriptors and mappings as they were")
        assert daemon.resident() < resident + (256 << 10)
        still_serves(daemon)
    memory.close()


def test_C229_C231_C233_ten_thousand_messages_leave_memory_flat(plain_daemon: Path, tmp_path: Path, image: Path,
                                                               memory: Memory) -> None:
    began = time.monotonic()
    with Daemon(plain_daemon, tmp_path, image) as daemon, FrontEnd(daemon.socket) as front_end, \
            Disk(front_end, SplitRing(memory)) as disk:
        disk.start().works()

        def round_() -> None:
            assert front_end.does(peer.SET_MEM_TABLE, memory.table(), [memory.fd])
            assert not front_end.does(peer.SET_MEM_TABLE, regions((0, 0, 0, 0)), [memory.fd])
            assert front_end.does(peer.SET_VRING_KICK, struct.pack("=Q", 0), [disk.kick])
            assert not front_end.does(peer.SET_VRING_CALL, struct.pack("=Q", 0), [memory.fd])
            assert not front_end.does(peer.SET_VRING_NUM, struct.pack("=II", 0, 0))

        for _ in range(100):
            round_()
        before, resident = daemon.owns(), daemon.resident()
        for _ in range(2000):
            round_()
        assert daemon.owns() == before and daemon.resident() < resident + (256 << 10)
        disk.works()
        seconds = time.monotonic() - began + 2  # those that have begun
        assert len(daemon.complaints.splitlines()) <= 11 * seconds  # a peer that errs in a loop does not fill the disk
        time.sleep(1.1)  # what was left out of a second is counted by the next complaint after it
        round_()
        assert "more complaints" in daemon.complaints


# ---------------------------------------------------------------------------------------------------------------- lots ---

interesting = st.sampled_from([0, 1, 2, 7, 8, 0xFF, 0x100, 4096, SIZE, GUEST, USER, 2**16, 2**31, 2**32 - 1, 2**63,
                               2**64 - 4096, 2**64 - 1])
words = st.lists(interesting | st.integers(0, 2**64 - 1), max_size=8)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A message of about the right shape, with descriptors, or a few bytes that are none."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(min_size=1, max_size=64)), []
    request, size = REQUESTS[draw(st.sampled_from(sorted(REQUESTS)))]
    payload = b"".join(struct.pack("=Q", word) for word in draw(words))
    if draw(st.booleans()):
        payload = struct.pack("=II", draw(st.integers(0, 9)), draw(st.sampled_from([0, 1, 2, 8, 0x101, 2**32 - 1]))) + payload
    payload = payload.ljust(size, b"\0")[:size if draw(st.integers(0, 9)) else None]
    flags = draw(st.sampled_from([1, 1, 1, 9, 9, 9, 9, 5, 0]))
    fds = draw(st.lists(st.sampled_from(["memory", "eventfd", "pipe", "zeros"]), max_size=draw(st.sampled_from([0, 1, 2, 9]))))
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
        victim: Daemon, talk: list[tuple[bytes, list[str]]], begins_well: bool, kick: bool) -> None:
    memory = Memory()
    reader, writer = os.pipe()
    fds = {"memory": memory.fd, "eventfd": os.eventfd(1, os.EFD_CLOEXEC), "pipe": reader,
           "zeros": os.open("/dev/zero", os.O_RDWR)}
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
