# SPDX-License-Identifier: MIT
"""
The other side of examples/vhost-user-blk: the daemon as a process that is watched, a vhost-user front-end that says
whatever a test wants it to say, and a virtio-blk driver written from the specification, byte by byte.
"""

from __future__ import annotations

import array
import dataclasses
import mmap
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from limits import ANSWER, PROGRAM

ROOT = Path(__file__).resolve().parents[2]

# ------------------------------------------------------------------------------------------------------- the daemon ---


def build(folder: Path, *flags: str) -> Path:
    """The daemon as its README builds it, with more compiler flags if wanted. Returns the program."""
    subprocess.run(
        [
            "cmake",
            "-S",
            ROOT / "examples" / "vhost-user-blk",
            "-B",
            folder,
            "-G",
            "Ninja",
            "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            f"-DCMAKE_C_FLAGS={' '.join(flags)}",
        ],
        check=True,
        capture_output=True,
        timeout=PROGRAM,
    )
    subprocess.run(["cmake", "--build", folder, "--parallel", "2"], check=True, capture_output=True, timeout=PROGRAM)
    return folder / "vhost-user-blk"


# What the daemon owns without a connection: standard streams, image, listening socket; and no mapping.
IDLE = (5, 0)


class Daemon:
    """The daemon, running. As a context it must end on SIGTERM with exit code 0, whatever was done to it."""

    def __init__(self, program: Path, folder: Path, image: Path, *words: str) -> None:
        self.socket, self.log = folder / "daemon.sock", folder / "daemon.log"
        self.command = [str(program), "--socket", str(self.socket), "--image", str(image), *words]
        self.start()

    def start(self) -> None:
        """Start it, again if need be, and wait until it listens."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait(lambda: self.process.poll() is not None or self._listens(), "the daemon listens")
        wait(lambda: self.owns() == IDLE, "the daemon has nothing to do")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return True

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            code = self.process.wait(ANSWER)
        finally:
            self.process.kill()
        assert code == 0, self.log.read_text()
        assert not self.socket.exists()

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait(ANSWER)

    @property
    def complaints(self) -> str:
        """What it has written to standard error so far."""
        return self.log.read_text()

    def owns(self) -> tuple[int, int]:
        """How many file descriptors it has, and how many mappings of memory that came from elsewhere."""
        assert self.process.poll() is None, self.complaints
        proc = Path(f"/proc/{self.process.pid}")
        return len(list((proc / "fd").iterdir())), (proc / "maps").read_text().count("/memfd:")

    def resident(self) -> int:
        """Bytes of memory it holds."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * mmap.PAGESIZE

    def cpu(self) -> float:
        """Seconds of CPU it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait(condition: Callable[[], bool], what: str, limit: float = ANSWER) -> None:
    """Wait until something is so; an assertion if it does not become so in time."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.001)


# ---------------------------------------------------------------------------------------------------- the front-end ---

GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = 1, 2, 3, 4, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
GET_CONFIG, SET_CONFIG = 24, 25
VERSION, REPLY, NEED_REPLY = 1, 4, 8
NO_FD = 0x100

F_FLUSH, F_RO = 1 << 9, 1 << 5
F_INDIRECT, F_EVENT_IDX, F_PROTOCOL_FEATURES = 1 << 28, 1 << 29, 1 << 30
F_VERSION_1, F_PACKED, F_IN_ORDER = 1 << 32, 1 << 34, 1 << 35
PF_MQ, PF_REPLY_ACK, PF_CONFIG = 1 << 0, 1 << 3, 1 << 9
BASIC = F_VERSION_1 | F_PROTOCOL_FEATURES


@dataclasses.dataclass
class Answer:
    """A message from the daemon."""

    request: int
    flags: int
    payload: bytes
    fds: list[int]

    @property
    def u64(self) -> int:
        """The payload of most answers."""
        return int(struct.unpack("=Q", self.payload)[0])


class Ended(Exception):
    """The daemon ended the connection."""


class FrontEnd:
    """A connection to the daemon. As a context it is closed at the end."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # waits until those before us have been served
        self.socket.settimeout(ANSWER)

    def __enter__(self) -> FrontEnd:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def raw(self, data: bytes, fds: Iterable[int] = ()) -> None:
        """Send bytes, with descriptors along. A connection that the daemon has ended meanwhile is no error here."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.socket.sendmsg([data], rights)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send(
        self, request: int, payload: bytes = b"", fds: Sequence[int] = (), flags: int = VERSION, size: int | None = None
    ) -> None:
        """Send a message. size is what the header says, if that is not the truth."""
        self.raw(struct.pack("=III", request, flags, len(payload) if size is None else size) + payload, fds)

    def receive(self) -> Answer:
        """The next message from the daemon; Ended if there is none any more."""
        try:
            data, rights, _, _ = self.socket.recvmsg(12, socket.CMSG_SPACE(8 * 4))
            if not data:
                raise Ended
            request, flags, size = struct.unpack("=III", data)
            payload = self.socket.recv(size, socket.MSG_WAITALL) if size else b""
        except ConnectionResetError:
            raise Ended from None
        fds = array.array("i", b"".join(data for _, _, data in rights))
        return Answer(request, flags, payload, list(fds))

    def ask(self, request: int, payload: bytes = b"") -> Answer:
        """A request that has an answer of its own, and that."""
        self.send(request, payload)
        answer = self.receive()
        assert (answer.request, answer.flags, len(answer.fds)) == (request, VERSION | REPLY, 0)
        return answer

    def does(self, request: int, payload: bytes = b"", fds: Sequence[int] = ()) -> bool:
        """Whether the daemon does a request that is to be acknowledged, or refuses it. Needs PF_REPLY_ACK."""
        self.send(request, payload, fds, VERSION | NEED_REPLY)
        answer = self.receive()
        assert (answer.request, answer.flags) == (request, VERSION | REPLY)
        return answer.u64 == 0

    def is_over(self) -> bool:
        """Whether the daemon ends the connection without another word, now that it has had the time."""
        try:
            answer = self.receive()
        except Ended:
            return True
        except TimeoutError:
            return False
        raise AssertionError(f"unexpected {answer}")

    def shake_hands(self, features: int) -> None:
        """What every front-end begins with."""
        self.ask(GET_FEATURES)
        self.send(SET_OWNER)
        self.send(SET_PROTOCOL_FEATURES, struct.pack("=Q", self.ask(GET_PROTOCOL_FEATURES).u64))
        self.send(SET_FEATURES, struct.pack("=Q", features))


# ------------------------------------------------------------------------------------------------------- the memory ---

GUEST, USER, SIZE = 0x4000_0000, 0x7000_0000_0000, 1 << 20


class Memory:
    """Memory that is shared with the daemon: a memfd, mapped, in one region unless a test says otherwise."""

    def __init__(self, size: int = SIZE) -> None:
        self.fd = os.memfd_create("guest", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        self.data = mmap.mmap(self.fd, size)
        self.size = size

    def close(self) -> None:
        """Give it back."""
        self.data.close()
        os.close(self.fd)

    def table(self) -> bytes:
        """The payload of SET_MEM_TABLE for one region that is all of it."""
        return regions((GUEST, self.size, USER, 0))

    def put(self, at: int, layout: str, *values: int) -> None:
        """Store little-endian integers."""
        struct.pack_into("<" + layout, self.data, at, *values)

    def get(self, at: int, layout: str) -> int:
        """Load a little-endian integer."""
        return int(struct.unpack_from("<" + layout, self.data, at)[0])


def regions(*entries: tuple[int, int, int, int]) -> bytes:
    """The payload of SET_MEM_TABLE: guest address, size, user address, offset in the file."""
    return struct.pack("=II", len(entries), 0) + b"".join(struct.pack("=QQQQ", *entry) for entry in entries)


SECTOR = 512
SECTORS = 2048  # of the image that most tests serve

SECTOR = 512
IN, OUT, FLUSH, GET_ID = 0, 1, 4, 8
NEXT, WRITE, AVAIL, USED = 1, 2, 1 << 7, 1 << 15
OK, IOERR, UNSUPP = 0, 1, 2
Piece = tuple[int, int, bool]  # guest address, bytes, whether the device writes it


class Ring:
    """A ring in shared memory, as a driver has it that does one thing after the other: areas, and where it stands."""

    def __init__(self, memory: Memory, size: int = 8, at: int = 0, index: int = 0) -> None:
        self.memory, self.size, self.at, self.index = memory, size, at, index
        self.desc, self.driver_area, self.device_area = at, at + 0x4000, at + 0x6000

    def user(self, offset: int) -> int:
        """Where something in memory lies for the front-end."""
        return USER + offset

    def offer(self, pieces: Sequence[Piece]) -> None:
        """Make a buffer of pieces available."""
        raise NotImplementedError

    def used(self) -> int | None:
        """The length of the next used buffer, if there is one."""
        raise NotImplementedError

    @property
    def base(self) -> int:
        """What the daemon ought to say is its position."""
        raise NotImplementedError


class SplitRing(Ring):
    """Virtio 1.2, 2.7."""

    def offer(self, pieces: Sequence[Piece]) -> None:
        for i, (address, length, writable) in enumerate(pieces):
            more = i + 1 < len(pieces)
            self.memory.put(self.desc + 16 * i, "QIHH", address, length, NEXT * more | WRITE * writable, i + 1)
        self.memory.put(self.driver_area + 4 + 2 * (self.index % self.size), "H", 0)
        self.memory.put(self.driver_area + 4 + 2 * self.size, "H", self.index)  # used_event: notify us of this one
        self.index = (self.index + 1) & 0xFFFF
        self.memory.put(self.driver_area + 2, "H", self.index)

    def used(self) -> int | None:
        if self.memory.get(self.device_area + 2, "H") != self.index:
            return None
        return self.memory.get(self.device_area + 4 + 8 * ((self.index - 1) % self.size) + 4, "I")

    @property
    def base(self) -> int:
        return self.index


class PackedRing(Ring):
    """Virtio 1.2, 2.8."""

    wrap = True

    def offer(self, pieces: Sequence[Piece]) -> None:
        self.first, self.first_wrap = self.index, self.wrap
        flags = []
        for i, (address, length, writable) in enumerate(pieces):
            more = i + 1 < len(pieces)
            flags.append((self.index, NEXT * more | WRITE * writable | (AVAIL if self.wrap else USED)))
            self.memory.put(self.desc + 16 * self.index, "QIH", address, length, self.size - 1)
            self.index += 1
            if self.index == self.size:
                self.index, self.wrap = 0, not self.wrap
        for at, word in reversed(flags):
            self.memory.put(self.desc + 16 * at + 14, "H", word)

    def used(self) -> int | None:
        flags = self.memory.get(self.desc + 16 * self.first + 14, "H")
        if (flags & (AVAIL | USED)) != (AVAIL | USED if self.first_wrap else 0):
            return None
        return self.memory.get(self.desc + 16 * self.first + 8, "I")

    @property
    def base(self) -> int:
        position = self.index | self.wrap << 15
        return position | position << 16


RINGS = pytest.mark.parametrize("kind", [SplitRing, PackedRing])


class Disk:
    """A queue of the daemon, in use: the front-end's side and the driver's."""

    def __init__(self, front_end: FrontEnd, ring: Ring, features: int = BASIC, queue: int = 0) -> None:
        if isinstance(ring, PackedRing):
            features |= F_PACKED
        self.front_end, self.ring, self.memory, self.queue = front_end, ring, ring.memory, queue
        self.features = features
        self.kick, self.call, self.err = (os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(3))

    def close(self) -> None:
        """Close what is ours."""
        for fd in (self.kick, self.call, self.err):
            os.close(fd)

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Disk:
        """All messages from the first to the last that a queue needs to run."""
        self.front_end.shake_hands(self.features)
        self.front_end.send(SET_MEM_TABLE, self.memory.table(), [self.memory.fd])
        assert self.runs()
        return self

    def configure(self, base: int | None = None) -> bool:
        """Say all that is to be said of the queue, but for enabling it; whether the daemon takes it."""
        does, queue = self.front_end.does, struct.pack("=Q", self.queue)
        base = self.ring.base if base is None else base
        return all(
            [
                does(SET_VRING_NUM, struct.pack("=II", self.queue, self.ring.size)),
                does(SET_VRING_BASE, struct.pack("=II", self.queue, base)),
                does(SET_VRING_ADDR, self.addresses()),
                does(SET_VRING_CALL, queue, [self.call]),
                does(SET_VRING_ERR, queue, [self.err]),
                does(SET_VRING_KICK, queue, [self.kick]),
            ]
        )

    def runs(self, base: int | None = None) -> bool:
        """Configure and enable the queue; whether it runs then."""
        return self.configure(base) and self.front_end.does(SET_VRING_ENABLE, struct.pack("=II", self.queue, 1))

    def addresses(self) -> bytes:
        """The payload of SET_VRING_ADDR."""
        ring = self.ring
        return struct.pack(
            "=IIQQQQ", self.queue, 0, ring.user(ring.desc), ring.user(ring.device_area), ring.user(ring.driver_area), 0
        )

    def stop(self) -> int:
        """Stop the queue; its position."""
        payload = self.front_end.ask(GET_VRING_BASE, struct.pack("=II", self.queue, 0)).payload
        queue, base = struct.unpack("=II", payload)
        assert queue == self.queue
        return int(base)

    def notify(self) -> None:
        """Kick. One that is full is a kick that has not been taken yet."""
        try:
            os.eventfd_write(self.kick, 1)
        except BlockingIOError:
            pass

    def await_call(self) -> None:
        """Wait until the daemon notifies us."""
        ready, _, _ = select.select([self.call], [], [], ANSWER)
        assert ready, "the daemon does not notify"
        os.eventfd_read(self.call)

    def await_error(self) -> None:
        """Wait until the daemon says, once, that the queue is broken: it complains before it says so."""
        ready, _, _ = select.select([self.err], [], [], ANSWER)
        assert ready and os.eventfd_read(self.err) == 1, "the daemon does not say that the queue is broken"

    def request(self, kind: int, sector: int = 0, data: bytes | int = b"") -> tuple[int, bytes, int]:
        """One request: status, what was read, used length. data are the bytes to write, or how many to read."""
        at = 0x10000
        self.memory.put(at, "IIQ", kind, 0, sector)
        pieces: list[Piece] = [(GUEST + at, 16, False)]
        to = at + 0x100
        length = data if isinstance(data, int) else len(data)
        if isinstance(data, bytes):
            self.memory.data[to : to + length] = data
        if length:
            pieces.append((GUEST + to, length, isinstance(data, int)))
        self.memory.put(at + 0x40, "B", 0xFF)
        used = self.buffer([*pieces, (GUEST + at + 0x40, 1, True)])
        back = self.memory.data[to : to + length] if isinstance(data, int) else b""
        return self.memory.get(at + 0x40, "B"), back, used

    def buffer(self, pieces: Sequence[Piece]) -> int:
        """Any buffer; the length that the daemon says it wrote."""
        self.ring.offer(pieces)
        self.notify()
        wait(lambda: self.ring.used() is not None, "the daemon uses a buffer")
        self.await_call()
        used = self.ring.used()
        assert used is not None
        return used

    def works(self) -> None:
        """A write and a read, compared."""
        data = os.urandom(SECTOR)
        assert self.request(OUT, 3, data) == (OK, b"", 1)
        assert self.request(IN, 3, SECTOR) == (OK, data, SECTOR + 1)


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """The daemon, where it is expected to end by itself."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=ANSWER, check=False)


def still_serves(daemon: Daemon) -> None:
    """The next connection works as if there had been none before."""
    shared = Memory()
    with FrontEnd(daemon.socket) as connection, Disk(connection, SplitRing(shared)) as again:
        again.start().works()
    shared.close()
