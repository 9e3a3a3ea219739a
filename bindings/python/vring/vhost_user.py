# SPDX-License-Identifier: MIT
"""
The front-end of vhost-user: a driver queue in this process, a real device in another, and memory that both see.

The protocol is that of "Vhost-user Protocol" in QEMU's documentation. Only the standard library is used: a memfd is the
memory, eventfds are the notifications, and a Unix socket passes both to the back-end::

    memory = SharedMemory(1 << 20)
    with Frontend("/tmp/device.sock") as device:
        features = device.negotiate(Feature.VERSION_1 | Feature.EVENT_IDX)
        device.share(memory)
        queue = device.start_queue(0, SplitDriver(memory, SplitAreas.allocate(memory, 128), features))
        queue.driver.add_avail(...)
        queue.publish()
        used = queue.wait_used(timeout=1)
"""

import contextlib
import enum
import fcntl
import os
import select
import socket
import struct
import time
import weakref
from collections.abc import Sequence
from types import TracebackType

from vring.driver import Driver, Used
from vring.features import Feature
from vring.layout import PackedAreas
from vring.memory import GuestMemory

__all__ = ["Frontend", "ProtocolFeature", "Queue", "SharedMemory", "VhostUserError"]

F_PROTOCOL_FEATURES = 1 << 30
HEADER = struct.Struct("=III")  # request, flags, size of the payload: in the byte order of the host, as all of it
VERSION, REPLY, NEED_REPLY = 1, 4, 8  # of the flags
PAYLOAD_MAX = 4096  # far more than any reply that is asked for here
CONFIG_MAX = 256


class Message(enum.IntEnum):
    """What the front-end asks for."""

    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    SET_MEM_TABLE = 5
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    GET_CONFIG = 24


class ProtocolFeature(enum.IntFlag):
    """What both ends of the socket may agree on beyond the device's own features."""

    MQ = 1 << 0
    REPLY_ACK = 1 << 3
    CONFIG = 1 << 9


class VhostUserError(Exception):
    """The back-end, or the way to it, failed: it is not there, went away, is silent, or answered what is no answer."""


class SharedMemory(GuestMemory):
    """
    Memory that can be passed to another process: ``fd`` is a memfd that holds all of it, from its start. It keeps its
    size, whatever the other process tries: bytes that are gone would end this one.
    """

    def __init__(self, size: int, base: int = 0x10000) -> None:
        """
        ``size`` bytes of zeroes at device address ``base``; whole pages, because the back-end maps them. Raises
        ValueError.
        """
        page = os.sysconf("SC_PAGESIZE")
        if size % page or base % page:
            raise ValueError(f"SharedMemory: size {size:#x} and base {base:#x} must be multiples of {page:#x}")
        self.fd = os.memfd_create("vring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        weakref.finalize(self, os.close, self.fd)
        if size > 0:
            os.ftruncate(self.fd, size)
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        super().__init__(size, base, fd=self.fd)


class Queue:
    """A driver queue whose other side is a back-end's: see :meth:`Frontend.start_queue`."""

    def __init__(self, frontend: "Frontend", index: int, driver: Driver) -> None:
        self.driver = driver
        self.index = index
        self.kicks = 0  # notifications sent
        self.calls = 0  # notifications received; those that met before they were seen count as one
        self._frontend = frontend
        self.kick_fd, self.call_fd, self.error_fd = (os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(3))
        weakref.finalize(self, _close_all, (self.kick_fd, self.call_fd, self.error_fd))
        self._kickable = select.poll()
        self._kickable.register(self.kick_fd, select.POLLOUT)
        self._poll = select.poll()
        for fd in (self.call_fd, self.error_fd, frontend.fileno()):
            self._poll.register(fd, select.POLLIN)

    def publish(self) -> bool:
        """As :meth:`vring.Driver.publish`, and notify the device if it must be. Returns whether it was."""
        notify = self.driver.publish()
        if notify:
            self.kick()
        return notify

    def kick(self) -> None:
        """Notify the device, whether it asked or not. A counter that is full tells it, too, and is not waited for."""
        self.kicks += 1
        if self._kickable.poll(0):
            with contextlib.suppress(BlockingIOError):
                os.eventfd_write(self.kick_fd, 1)

    def wait(self, timeout: float) -> bool:
        """
        Sleep until the device notifies, at most ``timeout`` seconds. Returns whether it did. Raises VhostUserError if
        the back-end went away or says that the ring is broken.
        """
        ready = {fd for fd, _ in self._poll.poll(max(0, timeout) * 1000)}
        if self.call_fd in ready:
            with contextlib.suppress(BlockingIOError):  # somebody else has read it
                os.eventfd_read(self.call_fd)
            self.calls += 1
            return True
        if self.error_fd in ready:
            raise VhostUserError(f"the back-end says that queue {self.index} is broken")
        if ready:
            raise VhostUserError(f"the back-end went away while queue {self.index} was in use")
        return False

    def wait_used(self, timeout: float) -> Used | None:
        """
        Take one buffer that the device has used; sleep until there is one, at most ``timeout`` seconds. ``None`` if
        there was none. Raises as :meth:`wait` and :meth:`vring.Driver.get_used`.
        """
        end = time.monotonic() + timeout
        while True:
            if used := self.driver.get_used():
                return used
            if self.driver.enable_notify():
                continue
            if not self.wait(end - time.monotonic()):
                return self.driver.get_used()
            self.driver.disable_notify()

    def stop(self) -> list[object]:
        """
        Stop the queue, first at the back-end, then here. Returns the tokens of all buffers that never came back,
        oldest first: the device does not touch them any more.
        """
        self._frontend._stop(self.index)
        return self.driver.reset()


class Frontend:
    """
    A connection to one back-end. ``offered`` and ``protocol`` are what it offers and what was agreed on; ``queues`` is
    how many queues it has, 1 where it cannot say.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 10.0) -> None:
        """Connect to the socket ``path``. ``timeout`` is how long to wait for an answer. Raises VhostUserError."""
        self.path = os.fspath(path)
        self.timeout = timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(self.path)
        except OSError as error:
            self._socket.close()
            raise VhostUserError(f"{self.path}: {_connect_error(error)}") from error
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def _greet(self) -> None:
        self.protocol = ProtocolFeature(0)
        self.queues = 1
        self.features = 0
        self._running: dict[int, Queue] = {}
        self._memory: SharedMemory | None = None
        self.offered = self._get_u64(Message.GET_FEATURES)
        if self.offered & F_PROTOCOL_FEATURES:
            known = ProtocolFeature.MQ | ProtocolFeature.REPLY_ACK | ProtocolFeature.CONFIG
            wanted = self._get_u64(Message.GET_PROTOCOL_FEATURES) & known
            self._send(Message.SET_PROTOCOL_FEATURES, struct.pack("=Q", wanted))
            self.protocol = ProtocolFeature(wanted)
            if self.protocol & ProtocolFeature.MQ:
                self.queues = self._get_u64(Message.GET_QUEUE_NUM)
        self._set(Message.SET_OWNER)

    def __enter__(self) -> "Frontend":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. The back-end lets go of the memory and stops all queues; buffers in flight never come back."""
        self._socket.close()

    def fileno(self) -> int:
        """Of the socket: readable when the back-end has hung up."""
        return self._socket.fileno()

    # ------------------------------------------------------------------------------------------------------- setup ---

    def negotiate(self, wanted: int) -> int:
        """
        Accept those of the features ``wanted`` that the back-end offers, of the ring and of the device, and return
        them. Raises VhostUserError if VERSION_1 is not among them.
        """
        features = self.offered & wanted
        if not features & Feature.VERSION_1:
            missing = "offers no VERSION_1 device" if wanted & Feature.VERSION_1 else "was not asked for VERSION_1"
            raise VhostUserError(f"{self.path}: the back-end {missing} (it offers {self.offered:#x})")
        self._set(Message.SET_FEATURES, struct.pack("=Q", features | self.offered & F_PROTOCOL_FEATURES))
        self.features = features
        return features

    def share(self, memory: SharedMemory) -> None:
        """Let the back-end reach all of ``memory``. Addresses of rings and buffers mean the same to both."""
        region = struct.pack("=IIQQQQ", 1, 0, memory.base, memory.size, memory.base, 0)
        self._set(Message.SET_MEM_TABLE, region, [memory.fd])
        self._memory = memory

    def config(self, offset: int, size: int) -> bytes:
        """``size`` bytes of the device's configuration space from ``offset``. Raises VhostUserError if it has none."""
        if not self.protocol & ProtocolFeature.CONFIG:
            raise VhostUserError(f"{self.path}: the back-end does not give out its configuration space")
        if not 0 <= offset <= offset + size <= CONFIG_MAX:
            raise ValueError(f"config: bytes {offset} to {offset + size} are not within {CONFIG_MAX}")
        head = struct.pack("=III", offset, size, 0)
        answer = self._ask(Message.GET_CONFIG, head + bytes(size))
        if len(answer) != len(head) + size:
            raise VhostUserError(f"{self.path}: the back-end has no configuration space at {offset} to {offset + size}")
        return answer[len(head) :]

    def start_queue(self, index: int, driver: Driver, *, start: int = 0) -> Queue:
        """
        Hand queue number ``index`` to the back-end. ``driver`` is a fresh queue over memory that was shared, with the
        features that were negotiated, and ``start`` is the ``index`` it was made with. The back-end has started it, and
        not merely agreed to, when this returns: DPDK loses what a network device is sent in between. Raises
        VhostUserError, and ValueError for a queue that the back-end does not have or for memory that it was not given.
        """
        if not 0 <= index < self.queues:
            raise ValueError(f"start_queue: there is no queue {index}, the back-end has {self.queues}")
        if driver.memory is not self._memory:
            raise ValueError("start_queue: the ring is not in the memory that was shared with the back-end")
        queue = Queue(self, index, driver)
        areas = driver.areas
        base = start
        if isinstance(areas, PackedAreas):  # both places, each with its wrap counter in bit 15: 1 at first
            base = (start ^ 0x8000) << 16 | (start ^ 0x8000)
        self._set(Message.SET_VRING_NUM, struct.pack("=II", index, areas.size))
        self._set(Message.SET_VRING_BASE, struct.pack("=II", index, base))
        self._set(Message.SET_VRING_ADDR, struct.pack("=IIQQQQ", index, 0, areas.desc, areas.device, areas.driver, 0))
        self._set(Message.SET_VRING_ERR, struct.pack("=Q", index), [queue.error_fd])
        self._set(Message.SET_VRING_CALL, struct.pack("=Q", index), [queue.call_fd])
        self._set(Message.SET_VRING_KICK, struct.pack("=Q", index), [queue.kick_fd])
        if self.offered & F_PROTOCOL_FEATURES:
            self._set(Message.SET_VRING_ENABLE, struct.pack("=II", index, 1))
        self._get_u64(Message.GET_FEATURES)  # only to hear that the back-end has done with what it acknowledged
        self._running[index] = queue
        return queue

    def _stop(self, index: int) -> None:
        if self._running.pop(index, None) is None:
            raise ValueError(f"stop: queue {index} does not run")
        answer = self._ask(Message.GET_VRING_BASE, struct.pack("=II", index, 0))
        if len(answer) != 8 or struct.unpack("=II", answer)[0] != index:
            raise VhostUserError(f"{self.path}: the answer to GET_VRING_BASE is not about queue {index}")

    # ---------------------------------------------------------------------------------------------------- messages ---

    def _get_u64(self, message: Message) -> int:
        answer = self._ask(message)
        if len(answer) != 8:
            raise VhostUserError(f"{self.path}: the answer to {message.name} has {len(answer)} bytes instead of 8")
        return int(struct.unpack("=Q", answer)[0])

    def _set(self, message: Message, payload: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Send what has no answer of its own; with REPLY_ACK the back-end says at once whether it took it."""
        if not self.protocol & ProtocolFeature.REPLY_ACK:
            self._send(message, payload, fds)
            return
        self._send(message, payload, fds, NEED_REPLY)
        answer = self._receive(message)
        if len(answer) != 8 or struct.unpack("=Q", answer)[0] != 0:
            raise VhostUserError(f"{self.path}: the back-end refused {message.name}")

    def _ask(self, message: Message, payload: bytes = b"") -> bytes:
        self._send(message, payload)
        return self._receive(message)

    def _send(self, message: Message, payload: bytes = b"", fds: Sequence[int] = (), flags: int = 0) -> None:
        data = HEADER.pack(message, VERSION | flags, len(payload)) + payload
        try:
            sent = socket.send_fds(self._socket, [data], list(fds)) if fds else 0
            self._socket.sendall(data[sent:])
        except OSError as error:
            raise VhostUserError(f"{self.path}: the back-end went away before {message.name}") from error

    def _receive(self, message: Message) -> bytes:
        deadline = time.monotonic() + self.timeout
        request, flags, size = HEADER.unpack(self._receive_exactly(HEADER.size, message, deadline))
        if request != message or flags & 3 != VERSION or not flags & REPLY or size > PAYLOAD_MAX:
            raise VhostUserError(
                f"{self.path}: what came back is no answer to {message.name} "
                f"(request {request}, flags {flags:#x}, {size} bytes)"
            )
        return self._receive_exactly(size, message, deadline)

    def _receive_exactly(self, size: int, message: Message, deadline: float) -> bytes:
        received = b""
        while len(received) < size:
            try:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                part = self._socket.recv(size - len(received))
            except TimeoutError as error:
                raise VhostUserError(
                    f"{self.path}: no answer to {message.name} within {self.timeout:g} s; is another front-end "
                    "connected, or is this no vhost-user socket?"
                ) from error
            except OSError as error:
                raise VhostUserError(f"{self.path}: {error.strerror} during {message.name}") from error
            finally:
                self._socket.settimeout(self.timeout)
            if not part:
                raise VhostUserError(f"{self.path}: the back-end hung up during {message.name}; its log may say why")
            received += part
        return received


def _connect_error(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such socket; start the device first"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens on this socket, or it is none; the device may have ended"
    return error.strerror or str(error)


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
