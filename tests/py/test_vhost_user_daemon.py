# SPDX-License-Identifier: MIT
"""
examples/vhost-user-blk and a front-end that knows the protocol: disks of any features, requests that cannot be, slips
on the command line; and thousands of connections and messages, which leave memory flat.
"""

from __future__ import annotations

import os
import struct
import subprocess
import time
from pathlib import Path

import pytest

import vhost_user_peer as peer
from images import same_bytes
from limits import ANSWER
from vhost_user_peer import (
    BASIC,
    GUEST,
    IN,
    IOERR,
    OK,
    OUT,
    RINGS,
    SECTOR,
    SECTORS,
    UNSUPP,
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


@RINGS
@pytest.mark.parametrize(
    "features",
    [
        0,
        peer.F_EVENT_IDX,
        peer.F_INDIRECT,
        peer.F_IN_ORDER,
        peer.F_EVENT_IDX | peer.F_INDIRECT | peer.F_IN_ORDER | peer.F_FLUSH,
    ],
)
def test_a_disk_is_read_and_written(
    daemon: Daemon, memory: Memory, image: Path, kind: type[Ring], features: int
) -> None:
    with FrontEnd(daemon.socket) as front_end, Disk(front_end, kind(memory), BASIC | features) as disk:
        disk.start()
        for sector in (0, 1, SECTORS - 1):
            assert disk.request(IN, sector, SECTOR) == (OK, struct.pack("<Q", sector) * 64, SECTOR + 1)
        for _ in range(20):  # several laps
            disk.works()
        assert disk.request(peer.FLUSH) == (OK, b"", 1)
        assert disk.request(peer.GET_ID, 0, 20) == (OK, b"disk.img".ljust(20, b"\0"), 21)
        assert disk.stop() == disk.ring.base
    assert image.read_bytes()[3 * SECTOR : 4 * SECTOR] != struct.pack("<Q", 3) * 64


@RINGS
@pytest.mark.parametrize("size", [2, 4, 256])
def test_a_queue_stops_and_goes_on_where_it_stopped(daemon: Daemon, kind: type[Ring], size: int) -> None:
    memory = Memory()
    with (
        FrontEnd(daemon.socket) as front_end,
        Disk(front_end, kind(memory, max(size, 3 if kind is PackedRing else 4))) as disk,
    ):
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
    front_end: FrontEnd, memory: Memory, kind: type[Ring]
) -> None:
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
        assert memory.data[0x9000 : 0x9000 + SECTOR] == struct.pack("<Q", 5) * 64


@pytest.mark.parametrize(
    ("kind", "sector", "data", "status"),
    [
        (IN, SECTORS, SECTOR, IOERR),
        (IN, SECTORS - 1, 2 * SECTOR, IOERR),
        (IN, 2**64 - 1, SECTOR, IOERR),
        (IN, 2**55, SECTOR, IOERR),
        (IN, 0, SECTOR - 1, IOERR),
        (IN, 0, 513, IOERR),
        (OUT, SECTORS, b"x" * SECTOR, IOERR),
        (OUT, 0, b"x" * 100, IOERR),
        (OUT, 2**64 - 1, b"x" * SECTOR, IOERR),
        (13, 0, b"", UNSUPP),
        (0x10000, 0, 64, UNSUPP),
        (0xFFFFFFFF, 0, b"x" * SECTOR, UNSUPP),
        (IN, 0, 0, OK),
        (peer.GET_ID, 0, 5, OK),
        (peer.GET_ID, 0, 100, OK),
    ],
)
def test_a_request_that_cannot_be_is_answered_and_leaves_no_old_byte(
    disk: Disk, image: Path, kind: int, sector: int, data: bytes | int, status: int
) -> None:
    before = image.read_bytes()
    disk.memory.data[0x10100:0x11000] = b"\xaa" * 0xF00
    answer, back, used = disk.request(kind, sector, data)
    assert answer == status and used == len(back) + 1
    assert b"\xaa" not in back and (status == OK or not any(back))
    same_bytes(image.read_bytes(), before, "the image")
    disk.works()


def test_a_request_without_room_for_an_answer_is_returned_as_it_is(disk: Disk) -> None:
    for pieces in ([(GUEST + 0x8000, 16, False)], [(GUEST + 0x8000, 4, False)]):
        assert disk.buffer(pieces) == 0
    disk.memory.data[0x8000:0x8010] = b"\xff" * 16
    assert disk.buffer([(GUEST + 0x8000, 15, False), (GUEST + 0x9000, 4, True)]) == 4
    assert disk.memory.data[0x9000:0x9004] == b"\0\0\0\x01"  # no whole header: an error, and zeros before it
    disk.works()


def test_a_read_only_image_is_offered_and_kept_as_such(
    checked_daemon: Path, tmp_path: Path, image: Path, memory: Memory
) -> None:
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


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ([], 2, "usage: "),
        (["--image", "x"], 2, "usage: "),
        (["--socket", "s", "--image", "i", "more"], 2, "usage: "),
        (["--socket", "s", "--image", "/nonexistent/image"], 1, "image: /nonexistent/image: No such file"),
        (["--socket", "s", "--image", "/dev/null"], 1, "image: /dev/null: not as much as one sector"),
        (["--socket", "/nonexistent/folder/s", "--image", "IMAGE"], 1, "socket: /nonexistent/folder/s: No such file"),
        (["--socket", "s" * 200, "--image", "IMAGE"], 1, "longer than the 107 bytes"),
        (["--socket", "IMAGE", "--image", "IMAGE"], 1, "Address already in use"),
        (["--help"], 0, ""),
    ],
)
def test_a_slip_on_the_command_line_is_told(
    checked_daemon: Path, tmp_path: Path, image: Path, words: list[str], code: int, complaint: str
) -> None:
    done = peer.run([checked_daemon, *(str(image) if word == "IMAGE" else word for word in words)], tmp_path)
    assert done.returncode == code and complaint in done.stderr
    assert len(image.read_bytes()) == SECTORS * SECTOR


def test_asked_to_end_as_soon_as_it_can_be_seen_it_tidies_up(plain_daemon: Path, tmp_path: Path, image: Path) -> None:
    """Whoever sees the socket may send SIGTERM; here it comes in the very call that lets the socket be seen."""
    source, library, path = tmp_path / "listen.c", tmp_path / "listen.so", tmp_path / "daemon.sock"
    source.write_text(
        "#include <signal.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
        "int listen(int fd, int n) { return syscall(SYS_listen, fd, n) + raise(SIGTERM); }\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, source], check=True)
    done = subprocess.run(
        [plain_daemon, "--socket", path, "--image", image],
        timeout=ANSWER,
        env={**os.environ, "LD_PRELOAD": str(library)},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0 and not path.exists()


def test_an_image_is_served_by_one_daemon(daemon: Daemon, checked_daemon: Path, tmp_path: Path, image: Path) -> None:
    done = peer.run([checked_daemon, "--socket", "other.sock", "--image", str(image)], tmp_path)
    assert done.returncode == 1 and "in use by another daemon" in done.stderr
    done = peer.run([checked_daemon, "--socket", str(daemon.socket), "--image", str(image), "--read-only"], tmp_path)
    assert done.returncode == 1
    still_serves(daemon)


# ---------------------------------------------------------------------------------------------------- over and over ---


def test_C237_reconnecting_leaves_the_state_clean_and_memory_flat(
    plain_daemon: Path, tmp_path: Path, image: Path
) -> None:
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
                    front_end.raw(disk.addresses()[: stage * 7], [memory.fd])
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


def test_C229_C231_C233_ten_thousand_messages_leave_memory_flat(
    plain_daemon: Path, tmp_path: Path, image: Path, memory: Memory
) -> None:
    began = time.monotonic()
    with (
        Daemon(plain_daemon, tmp_path, image) as daemon,
        FrontEnd(daemon.socket) as front_end,
        Disk(front_end, SplitRing(memory)) as disk,
    ):
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
