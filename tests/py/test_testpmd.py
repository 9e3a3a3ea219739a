# SPDX-License-Identifier: MIT
"""Our packed ring against DPDK's: packets go into its network device and come back, in any pieces, byte for byte."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limits import ANSWER
from vring.devices import dpdk_testpmd
from vring import Driver, Feature, IndirectTable, PackedAreas, PackedDriver, SplitAreas, SplitDriver
from vring.vhost_user import Frontend, SharedMemory

RX, TX = 0, 1  # the queues of a network device (virtio 5.1.2)
NET_HEADER = 12  # bytes before every packet (5.1.6)
ETHERNET = bytes.fromhex("020000000001 020000000002 88b5")  # two stations, and the type for experiments
PIECE, RX_ROOM = 2048, 2048
SIZES = (4, 16, 64)

# Everything at once, and each alone.
MIXES = {
    "all": Feature.IN_ORDER | Feature.EVENT_IDX | Feature.INDIRECT_DESC,
    "none": Feature(0),
    "in_order": Feature.IN_ORDER,
    "event_idx": Feature.EVENT_IDX,
    "indirect": Feature.INDIRECT_DESC,
}


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("testpmd") / "net.sock"
    with dpdk_testpmd(path):
        yield path


class Loop:
    """A network device's two queues, and a ledger of what must come back."""

    def __init__(self, device: Frontend, features: int, size: int, index: int) -> None:
        self.features = device.negotiate(features)
        assert self.features == features, f"{features:#x} were wanted, and {self.features:#x} are offered"
        self.memory = SharedMemory(1 << 20)
        device.share(self.memory)
        self.rx, self.tx = (device.start_queue(n, self.make(size, index), start=index) for n in (RX, TX))
        for _ in range(size):
            self.offer(self.memory.allocate(RX_ROOM))
        self.rx.publish()
        self.room = [self.memory.allocate(PIECE) for _ in range(size)]
        self.tables = [IndirectTable.allocate(self.memory, 8) for _ in range(size)]
        self.sent: deque[bytes] = deque()

    def make(self, size: int, index: int) -> Driver:
        if self.features & Feature.RING_PACKED:
            return PackedDriver(self.memory, PackedAreas.allocate(self.memory, size), self.features, index=index)
        return SplitDriver(self.memory, SplitAreas.allocate(self.memory, size), self.features, index=index)

    def offer(self, addr: int) -> None:
        assert self.rx.driver.add_avail(writable=[(addr, RX_ROOM)], token=addr)

    def send(self, content: bytes, cuts: Sequence[int], indirect: bool) -> None:
        """Stage one packet, cut into pieces; take back what was sent where there is no room."""
        whole = bytes(NET_HEADER) + content
        borders = sorted({0, len(whole), *(cut for cut in cuts if 0 < cut < len(whole))})
        while not self.room or self.tx.driver.free < len(borders) - 1:
            self.tx.publish()
            self.reclaim()
        addr, table = self.room.pop(), self.tables.pop()
        self.memory.write(addr, whole)
        pieces = [(addr + start, end - start) for start, end in zip(borders, borders[1:])]
        if indirect and self.features & Feature.INDIRECT_DESC:
            assert self.tx.driver.add_indirect(table, pieces, token=(addr, table))
        else:
            assert self.tx.driver.add_avail(pieces, token=(addr, table))
        self.sent.append(content)

    def reclaim(self) -> None:
        used = self.tx.wait_used(timeout=ANSWER)
        assert used, f"DPDK keeps all {self.tx.driver.in_flight} packets"
        assert used.length == 0 and isinstance(used.token, tuple)
        self.room.append(used.token[0])
        self.tables.append(used.token[1])

    def receive_all(self) -> None:
        self.tx.publish()
        while self.sent:
            used = self.rx.wait_used(timeout=ANSWER)
            assert used, f"{len(self.sent)} packets do not come back"
            assert isinstance(used.token, int)
            content = self.sent.popleft()
            got = self.memory.read(used.token, used.length)
            assert got[NET_HEADER:] == content, f"{got[NET_HEADER:]!r} came back instead of {content!r}"
            self.offer(used.token)
            self.rx.publish()


# Of each packet: what its payload starts with, how long that is (at least 46 bytes), cuts, and whether in a table.
packets = st.tuples(
    st.integers(0, 255), st.integers(46, 1400), st.lists(st.integers(1, 1400), max_size=3), st.booleans()
)


def content_of(seed: int, size: int) -> bytes:
    return ETHERNET + bytes((seed + i * 7) % 256 for i in range(size))


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(packets, min_size=1, max_size=8), min_size=1, max_size=12),
    size=st.sampled_from(SIZES),
    entry=st.integers(0, 63),
    wrapped=st.booleans(),
)
def test_packed_packets_come_back(
    socket: Path,
    mix: Feature,
    batches: list[list[tuple[int, int, list[int], bool]]],
    size: int,
    entry: int,
    wrapped: bool,
) -> None:
    index = entry % size | (0x8000 if wrapped else 0)
    with Frontend(socket) as device:
        loop = Loop(device, Feature.VERSION_1 | Feature.RING_PACKED | mix, size, index)
        for batch in batches:
            for seed, length, cuts, indirect in batch[: size // 2]:  # so that all of it finds room to come back into
                # DPDK drops what is in a table of as many entries as the ring has, though 2.7.5.3.1 allows that.
                loop.send(content_of(seed, length), cuts[: size - 2], indirect)
            loop.receive_all()


@pytest.mark.parametrize("packed", [Feature.RING_PACKED, Feature(0)], ids=["packed", "split"])
def test_many_laps_in_order(socket: Path, packed: Feature) -> None:
    """Sixteen entries, two thousand packets: 250 laps and more, with every sort of notification on the way."""
    with Frontend(socket) as device:
        loop = Loop(device, Feature.VERSION_1 | Feature.IN_ORDER | Feature.EVENT_IDX | packed, 16, 0)
        for n in range(250):
            for i in range(8):
                loop.send(ETHERNET + struct.pack("<HH", n, i) * 20, [NET_HEADER] if i % 2 else [], False)
            loop.receive_all()
        assert loop.rx.stop() and loop.rx.driver.in_flight == 0


def test_the_loop_notices_other_bytes(socket: Path) -> None:
    """Negative control: a packet that is overwritten after it was staged comes back, and is not taken for the first."""
    with Frontend(socket) as device:
        loop = Loop(device, Feature.VERSION_1 | Feature.RING_PACKED, 16, 0)
        addr = loop.room[-1]
        loop.send(ETHERNET + bytes(60), [], False)
        loop.memory.write(addr + NET_HEADER + 40, b"x")
        with pytest.raises(AssertionError, match="came back instead of"):
            loop.receive_all()
