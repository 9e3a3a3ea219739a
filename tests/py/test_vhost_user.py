# SPDX-License-Identifier: MIT
"""The front-end against back-ends that refuse, garble, keep silent and leave: the error says who did what."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits import ANSWER, PROGRAM
from vring import Feature, GuestMemory, PackedAreas, PackedDriver, PeerError, RingCode, SplitAreas, SplitDriver
from vring.vhost_user import HEADER, Frontend, Message, Queue, SharedMemory, VhostUserError
from vring.vhost_user_blk import BlkFeature, Disk

U64 = struct.Struct("=Q")
Replies = dict[int, bytes | None]

# What a back-end with one queue answers; None is to hang up.
GOOD: Replies = {
    Message.GET_FEATURES: U64.pack(Feature.VERSION_1 | Feature.RING_PACKED | 1 << 30),
    Message.GET_PROTOCOL_FEATURES: U64.pack(0xFFFF),
    Message.GET_QUEUE_NUM: U64.pack(1),
    Message.GET_VRING_BASE: struct.pack("=II", 0, 0),
    Message.GET_CONFIG: struct.pack("=III", 0, 4, 0) + b"conf",
}


class Backend(threading.Thread):
    """
    Answers by rote, and keeps what it was told. ``change`` may replace a whole reply, header included; if it returns
    None, nothing is sent.
    """

    def __init__(
        self, path: Path, replies: Replies, change: Callable[[int, bytes], bytes | None] | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.replies, self.change = replies, change
        self.told: list[tuple[int, bytes, int]] = []  # request, payload, how many files came with it
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.start()

    def run(self) -> None:
        with self.listener, self.listener.accept()[0] as peer:
            with contextlib.suppress(ConnectionError):  # a front-end that gives up hangs up in the middle
                while self.answer(peer):
                    pass

    def given(self, request: int, payload: bytes, fds: list[int]) -> None:
        """Look at what came with a request, before it is answered."""

    def answer(self, peer: socket.socket) -> bool:
        head, fds, _, _ = socket.recv_fds(peer, HEADER.size, 8)
        if not head:
            return False
        request, flags, size = HEADER.unpack(head)
        payload = peer.recv(size) if size else b""
        self.given(request, payload, fds)
        for fd in fds:
            os.close(fd)
        self.told.append((request, payload, len(fds)))
        reply = self.replies.get(request, U64.pack(0) if flags & 8 else b"")
        if reply is None:
            return False
        whole: bytes | None = HEADER.pack(request, 5, len(reply)) + reply if reply else None
        if whole and self.change:
            whole = self.change(request, whole)
        if whole:
            peer.sendall(whole)
        return True


class Scribbler(Backend):
    """A device that says, as soon as its queue is enabled, that it has used five buffers of which it was given none."""

    def given(self, request: int, payload: bytes, fds: list[int]) -> None:
        if request == Message.SET_MEM_TABLE:
            _, _, self.base, size, _, _ = struct.unpack("=IIQQQQ", payload)
            self.memory = mmap.mmap(fds[0], size)
        elif request == Message.SET_VRING_ADDR:
            self.used = struct.unpack("=IIQQQQ", payload)[3]
        elif request == Message.SET_VRING_ENABLE:
            at = self.used - self.base + 2
            self.memory[at : at + 2] = struct.pack("<H", 5)


class Starter(Backend):
    """As DPDK: it starts its queue, which takes a while, when it has said already that the queue is enabled."""

    started = False

    def answer(self, peer: socket.socket) -> bool:
        more = super().answer(peer)
        if self.told and self.told[-1][0] == Message.SET_VRING_ENABLE:
            time.sleep(0.1)
            self.started = True
        return more


@pytest.fixture()
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "backend.sock"


def set_up(path: Path) -> None:
    """Everything up to a running queue of each kind of message."""
    with Frontend(path, timeout=ANSWER) as device:
        features = device.negotiate(Feature.VERSION_1)
        memory = SharedMemory(1 << 16)
        device.share(memory)
        device.config(0, 4)
        queue = device.start_queue(0, SplitDriver(memory, SplitAreas.allocate(memory, 8), features, index=5), start=5)
        queue.driver.add_avail([(memory.base, 1)], token="lost")
        queue.publish()
        assert queue.stop() == ["lost"]


def running(device: Frontend) -> Queue:
    """A queue of eight entries."""
    features = device.negotiate(Feature.VERSION_1)
    memory = SharedMemory(1 << 16)
    device.share(memory)
    return device.start_queue(0, SplitDriver(memory, SplitAreas.allocate(memory, 8), features))


def test_the_backend_is_told_everything_in_order(path: Path) -> None:
    backend = Backend(path, GOOD)
    set_up(path)
    backend.join(ANSWER)
    assert [(Message(request).name, fds) for request, _, fds in backend.told] == [
        ("GET_FEATURES", 0),
        ("GET_PROTOCOL_FEATURES", 0),
        ("SET_PROTOCOL_FEATURES", 0),
        ("GET_QUEUE_NUM", 0),
        ("SET_OWNER", 0),
        ("SET_FEATURES", 0),
        ("SET_MEM_TABLE", 1),
        ("GET_CONFIG", 0),
        ("SET_VRING_NUM", 0),
        ("SET_VRING_BASE", 0),
        ("SET_VRING_ADDR", 0),
        ("SET_VRING_ERR", 1),
        ("SET_VRING_CALL", 1),
        ("SET_VRING_KICK", 1),
        ("SET_VRING_ENABLE", 0),
        ("GET_FEATURES", 0),
        ("GET_VRING_BASE", 0),
    ]
    told = {request: payload for request, payload, _ in backend.told}
    assert told[Message.SET_FEATURES] == U64.pack(Feature.VERSION_1 | 1 << 30)
    assert told[Message.SET_MEM_TABLE] == struct.pack("=IIQQQQ", 1, 0, 0x10000, 1 << 16, 0x10000, 0)
    assert told[Message.SET_VRING_NUM] == struct.pack("=II", 0, 8)
    assert told[Message.SET_VRING_BASE] == struct.pack("=II", 0, 5)
    areas = SplitAreas.allocate(GuestMemory(1 << 16), 8)
    assert told[Message.SET_VRING_ADDR] == struct.pack("=IIQQQQ", 0, 0, areas.desc, areas.device, areas.driver, 0)


@pytest.mark.parametrize(("start", "base"), [(0, 0x80008000), (3, 0x80038003), (0x8003, 0x00030003)])
def test_a_packed_queue_starts_where_its_driver_does(path: Path, start: int, base: int) -> None:
    """Both places with their wrap counters, 1 at first; ours are bit 15 for a wrap counter of 0."""
    backend = Backend(path, GOOD)
    with Frontend(path) as device:
        features = device.negotiate(Feature.VERSION_1 | Feature.RING_PACKED)
        memory = SharedMemory(1 << 16)
        device.share(memory)
        device.start_queue(0, PackedDriver(memory, PackedAreas.allocate(memory, 8), features, index=start), start=start)
    backend.join(ANSWER)
    assert (Message.SET_VRING_BASE, struct.pack("=II", 0, base), 0) in backend.told


def test_a_queue_that_was_started_runs(path: Path) -> None:
    """A packet that DPDK takes from one queue before it has started the other is lost."""
    backend = Starter(path, GOOD)
    with Frontend(path, timeout=ANSWER) as device:
        running(device)
        assert backend.started
    backend.join(ANSWER)


def test_a_backend_without_acknowledgements_is_not_waited_for(path: Path) -> None:
    backend = Backend(path, GOOD | {Message.GET_FEATURES: U64.pack(Feature.VERSION_1)})
    with Frontend(path, timeout=ANSWER) as device:
        assert device.queues == 1
        device.share(SharedMemory(4096))
        device.negotiate(Feature.VERSION_1)
        with pytest.raises(VhostUserError, match="does not give out its configuration space"):
            device.config(0, 4)
    backend.join(ANSWER)
    assert Message.SET_PROTOCOL_FEATURES not in {request for request, _, _ in backend.told}


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ({Message.GET_FEATURES: U64.pack(1 << 30)}, r"offers no VERSION_1 device \(it offers 0x40000000\)"),
        ({Message.GET_FEATURES: b"1234"}, "GET_FEATURES has 4 bytes instead of 8"),
        ({Message.GET_FEATURES: None}, "hung up during GET_FEATURES; its log may say why"),
        ({Message.SET_MEM_TABLE: U64.pack(1)}, "the back-end refused SET_MEM_TABLE"),
        ({Message.SET_VRING_ADDR: U64.pack(2**64 - 1)}, "the back-end refused SET_VRING_ADDR"),
        ({Message.SET_VRING_NUM: None}, "hung up during SET_VRING_NUM"),
        ({Message.GET_CONFIG: b"\0"}, "no configuration space at 0 to 4"),
        ({Message.GET_VRING_BASE: struct.pack("=II", 1, 0)}, "GET_VRING_BASE is not about queue 0"),
    ],
)
def test_a_backend_that_refuses_is_quoted(path: Path, replies: Replies, message: str) -> None:
    Backend(path, GOOD | replies)
    with pytest.raises(VhostUserError, match=message) as caught:
        set_up(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "garble",
    [
        lambda whole: HEADER.pack(99, 5, 8) + whole[HEADER.size :],  # an answer to something else
        lambda whole: HEADER.pack(1, 1, 8) + whole[HEADER.size :],  # no answer
        lambda whole: HEADER.pack(1, 4, 8) + whole[HEADER.size :],  # of another version
        lambda whole: HEADER.pack(1, 5, 1 << 31) + whole[HEADER.size :],  # endless
    ],
)
def test_what_is_no_answer_is_not_believed(path: Path, garble: Callable[[bytes], bytes]) -> None:
    Backend(path, GOOD, lambda request, whole: garble(whole) if request == Message.GET_FEATURES else whole)
    with pytest.raises(VhostUserError, match="what came back is no answer to GET_FEATURES"):
        Frontend(path)


def test_silence_ends(path: Path) -> None:
    Backend(path, GOOD, lambda request, whole: None)
    with pytest.raises(VhostUserError, match=r"no answer to GET_FEATURES within 0.1 s; is another front-end"):
        Frontend(path, timeout=0.1)


def test_an_answer_that_drips_in_is_not_waited_for_longer(path: Path) -> None:
    class Dripping(Backend):
        """Sends a byte of each reply every 200 ms."""

        def drip(self, peer: socket.socket, whole: bytes) -> None:
            for byte in whole:
                time.sleep(0.2)
                peer.sendall(bytes([byte]))

        def answer(self, peer: socket.socket) -> bool:
            HEADER.unpack(peer.recv(HEADER.size))
            self.drip(peer, HEADER.pack(Message.GET_FEATURES, 5, 8) + U64.pack(0))
            return True

    Dripping(path, GOOD)
    start = time.monotonic()
    with pytest.raises(VhostUserError, match=r"no answer to GET_FEATURES within 0.2 s"):
        Frontend(path, timeout=0.2)
    assert time.monotonic() - start < 3  # all of it takes four seconds


def test_a_reply_in_pieces_is_put_together(path: Path) -> None:
    backend = Backend(path, GOOD, lambda request, whole: whole[:3])
    with pytest.raises(VhostUserError, match="no answer"):
        Frontend(path, timeout=0.2)
    backend.join(ANSWER)


def test_a_socket_that_is_not_there_or_that_nobody_serves(tmp_path: Path) -> None:
    with pytest.raises(VhostUserError, match="none.sock: there is no such socket; start the device first"):
        Frontend(tmp_path / "none.sock")
    (tmp_path / "file").touch()
    with pytest.raises(VhostUserError, match="nobody listens on this socket, or it is none"):
        Frontend(tmp_path / "file")


def test_slips_of_the_caller(path: Path) -> None:
    Backend(path, GOOD)
    with Frontend(path) as device:
        with pytest.raises(VhostUserError, match="was not asked for VERSION_1"):
            device.negotiate(Feature.RING_PACKED)
        features = device.negotiate(Feature.VERSION_1)
        memory = SharedMemory(1 << 16)
        driver = SplitDriver(memory, SplitAreas.allocate(memory, 8), features)
        with pytest.raises(ValueError, match="not in the memory that was shared"):
            device.start_queue(0, driver)
        device.share(memory)
        for index in (1, -1):
            with pytest.raises(ValueError, match=f"no queue {index}, the back-end has 1"):
                device.start_queue(index, driver)
        with pytest.raises(ValueError, match="not within 256"):
            device.config(250, 10)
        queue = device.start_queue(0, driver)
        queue.stop()
        with pytest.raises(ValueError, match="queue 0 does not run"):
            queue.stop()
    with pytest.raises(ValueError, match="multiples of"):
        SharedMemory(100)
    with pytest.raises(ValueError, match="positive"):
        SharedMemory(0)


def test_what_the_device_says_about_a_queue_is_heard(path: Path) -> None:
    Backend(path, GOOD)
    with Frontend(path) as device:
        queue = running(device)
        assert not queue.wait(0.01)
        assert queue.wait_used(0.01) is None
        os.eventfd_write(queue.call_fd, 3)
        assert queue.wait(0) and queue.calls == 1 and not queue.wait(0)
        os.eventfd_write(queue.error_fd, 1)
        with pytest.raises(VhostUserError, match="the back-end says that queue 0 is broken"):
            queue.wait(1)


def test_a_device_that_fills_the_kick_or_empties_the_call_holds_nobody_up(path: Path) -> None:
    Backend(path, GOOD)
    with Frontend(path) as device:
        queue = running(device)
        os.set_blocking(queue.kick_fd, True)
        os.eventfd_write(queue.kick_fd, 2**64 - 2)
        queue.kick()
        assert queue.kicks == 1 and os.eventfd_read(queue.kick_fd) == 2**64 - 2
        queue.kick()
        assert os.eventfd_read(queue.kick_fd) == 1

        class Emptied:
            """What poll has seen is gone when it is read."""

            def poll(self, _timeout: float) -> list[tuple[int, int]]:
                return [(queue.call_fd, 1)]

        queue._poll = Emptied()  # type: ignore[assignment]
        assert queue.wait(0)


def test_memory_that_is_shared_keeps_its_size() -> None:
    memory = SharedMemory(1 << 16)
    for size in (0, 1 << 12, 1 << 17):
        with pytest.raises(PermissionError):
            os.ftruncate(memory.fd, size)
    memory.write(memory.base, b"still there")


def test_a_device_that_breaks_the_ring_is_blamed(path: Path) -> None:
    """By the library, through the front-end, and by the command in one line."""
    replies = GOOD | {Message.GET_CONFIG: struct.pack("=III", 0, 16, 0) + struct.pack("<QII", 64, 0, 0)}
    Scribbler(path, replies)
    with Disk(path) as disk:
        with pytest.raises(PeerError) as caught:
            disk.read(0, 512)
        assert caught.value.code == RingCode.PEER_INDEX and caught.value.value == 5
        with pytest.raises(PeerError):
            disk.flush() if disk.features & BlkFeature.FLUSH else disk.read(0, 512)
    path.unlink()
    Scribbler(path, replies)
    command = [sys.executable, "-m", "vring", "blk", "read", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM)
    assert done.returncode == 1 and done.stderr.startswith("vring blk: ") and done.stderr.count("\n") == 1
    assert "[PEER_INDEX]" in done.stderr and "0x5" in done.stderr


def test_nothing_stays_open(path: Path) -> None:
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    backend = Backend(path, GOOD)
    assert sorted(os.listdir("/proc/self/fd")) != before
    set_up(path)
    backend.join(ANSWER)
    gc.collect()
    assert sorted(os.listdir("/proc/self/fd")) == before
