# SPDX-License-Identifier: MIT
"""Our driver against QEMU's virtio-blk: whatever is asked, in whatever pieces, a model of the disk says the answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from limits import ANSWER
from vring.devices import qemu_storage_daemon
from images import same_bytes
from vhost_user_peer import Daemon
from vring import Feature
from vring.vhost_user import VhostUserError
from vring.vhost_user_blk import HEADER, SECTOR, Disk, DiskError, Request, RequestKind, Status

SECTORS = 64
RING = Feature.VERSION_1 | Feature.EVENT_IDX | Feature.INDIRECT_DESC | Feature.RING_PACKED | Feature.IN_ORDER
QEMU_NAME = b"vhost_user_blk"  # QEMU's disks are called so


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a small disk's image, and the socket of a device that serves it."""
    folder = tmp_path_factory.mktemp("qsd")
    image = folder / "disk.img"
    image.write_bytes(bytes(SECTORS * SECTOR))
    with qemu_storage_daemon(image, folder / "disk.sock"):
        yield folder


class DiskMachine(RuleBasedStateMachine):
    """
    Requests of every kind, good and bad, in any pieces, direct and in tables, several in flight; against a model of
    the disk, and in the end against the image behind the device.
    """

    place: Path
    disk_type = Disk
    name = QEMU_NAME.ljust(20, b"\0")
    always = Feature.VERSION_1  # besides what is drawn

    @initialize(
        queue_size=st.sampled_from([4, 8, 32, 128]),
        ring=st.sets(st.sampled_from([Feature.EVENT_IDX, Feature.INDIRECT_DESC])),
        index=st.sampled_from([0, 1, 32767, 65534, 65530]),
        depth=st.integers(1, 8),
    )
    def connect(self, queue_size: int, ring: set[Feature], index: int, depth: int) -> None:
        self.model = bytearray((sector * 7 + i) % 256 for sector in range(SECTORS) for i in range(SECTOR))
        (self.place / "disk.img").write_bytes(self.model)
        features = sum(ring, start=self.always)
        if features & Feature.RING_PACKED:
            index = index % queue_size | index & 0x8000
        self.disk = self.disk_type(
            self.place / "disk.sock",
            queue_size=queue_size,
            depth=depth,
            request_size=8 * SECTOR,
            features=features,
            index=index,
        )
        assert self.disk.features & RING == features
        assert self.disk.capacity == len(self.model)
        self.flying: dict[Request, tuple[Status, bytes]] = {}  # what each must answer
        self.made = 0

    @rule(
        kind=st.sampled_from([*RequestKind, RequestKind.READ, RequestKind.WRITE, 77]),
        sector=st.one_of(st.integers(0, SECTORS - 1), st.integers(SECTORS - 9, SECTORS + 2), st.just(2**64 - 1)),
        size=st.one_of(st.integers(0, 8).map(lambda n: n * SECTOR), st.sampled_from([1, 511, 513])),
        cuts=st.one_of(st.none(), st.lists(st.integers(1, 8 * SECTOR + 16), max_size=12)),
        indirect=st.booleans(),
        publish=st.booleans(),
    )
    def submit(self, kind: int, sector: int, size: int, cuts: list[int] | None, indirect: bool, publish: bool) -> None:
        size = {RequestKind.FLUSH: 0, RequestKind.GET_ID: len(self.name), 77: 0}.get(kind, size)
        if kind == RequestKind.WRITE or any(other.kind == RequestKind.WRITE for other in self.flying):
            self.await_all()  # what two requests in flight do to each other is the device's choice
        self.made += 1
        data = bytes((self.made * 31 + i * 11) % 256 for i in range(size if kind == RequestKind.WRITE else 0))
        size = 0 if data else size
        most = self.disk.pieces_max
        cuts = cuts and cuts[: most - 2]
        in_flight = self.disk.queue.driver.in_flight
        if most < 3 and cuts is None:
            cuts = []
        request = self.disk.submit(kind, sector, data=data, size=size, cuts=cuts, indirect=indirect)
        if request is None:
            assert in_flight, "an idle queue has no room"
        else:
            self.flying[request] = self.answer(kind, sector, data, size)
        if publish:
            self.disk.queue.publish()

    def answer(self, kind: int, sector: int, data: bytes, size: int) -> tuple[Status, bytes]:
        """What the device must make of a request, done to the model."""
        start, end = sector * SECTOR, sector * SECTOR + len(data) + size
        if kind == RequestKind.GET_ID:
            return Status.OK, self.name
        if kind == RequestKind.FLUSH:
            return Status.OK, b""
        if kind not in (RequestKind.READ, RequestKind.WRITE):
            return Status.UNSUPP, b""
        if end > len(self.model) or end % SECTOR:
            return Status.IOERR, b""
        self.model[start : start + len(data)] = data
        return Status.OK, bytes(self.model[start : start + size])

    @rule()
    def publish(self) -> None:
        self.disk.queue.publish()

    @rule()
    def look(self) -> None:
        self.judge(self.disk.completed())

    @rule()
    def await_all(self) -> None:
        self.disk.queue.publish()
        while self.flying:
            done = self.disk.completed(timeout=ANSWER)
            assert done, f"nothing comes back, {len(self.flying)} requests are in flight"
            self.judge(done)

    def judge(self, done: list[Request]) -> None:
        for request, (status, data) in [(request, self.flying.pop(request)) for request in done]:
            assert request.status == status, f"{request}: status {request.status}, not {status}"
            if status == Status.OK and request.kind != RequestKind.WRITE:
                same_bytes(request.data or b"", data, f"{request}: other bytes came back")
            written = 1 if request.kind == RequestKind.WRITE else request.size + 1
            assert request.written == written, f"{request}: {request.written} bytes written, not {written}"

    @invariant()
    def counts_add_up(self) -> None:
        if hasattr(self, "disk"):
            assert self.disk.queue.driver.in_flight == len(self.flying)

    def teardown(self) -> None:
        if not hasattr(self, "disk"):
            return
        try:
            self.await_all()
        finally:
            unfinished = self.disk.close()
        assert not unfinished
        same_bytes((self.place / "disk.img").read_bytes(), self.model, "the image is not what was written")


def run(machine: type[DiskMachine], place: Path, examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    machine.place = place
    profile = settings(settings.get_profile("quick"), max_examples=examples, stateful_step_count=30, phases=phases)
    run_state_machine_as_test(machine, settings=profile)


def test_a_real_disk_does_what_the_model_says(place: Path) -> None:
    run(DiskMachine, place, 120)


class LosesTheLastSector(Disk):
    """A driver with a slip: of a write cut into many pieces it loses the last sector."""

    def submit(self, kind: int, sector: int, **how: object) -> Request | None:
        data = how.get("data")
        if kind == RequestKind.WRITE and isinstance(data, bytes) and len(data) > 2 * SECTOR and how.get("cuts"):
            how["data"] = data[:-SECTOR] + bytes(SECTOR)
        return super().submit(kind, sector, **how)  # type: ignore[arg-type]


class MisreadsTheLength(Disk):
    """A driver with a slip: it believes that every read wrote one byte less."""

    def _complete(self, token: object, written: int) -> Request:
        return super()._complete(token, written - 1)


@pytest.mark.parametrize(
    "extra",
    [Feature(0), Feature.RING_PACKED, Feature.RING_PACKED | Feature.IN_ORDER],
    ids=["split", "packed", "packed_in_order"],
)
def test_our_own_device_does_what_the_model_says(checked_daemon: Path, tmp_path: Path, extra: Feature) -> None:
    """Our driver against examples/vhost-user-blk, our device side behind the same protocol, under sanitizers."""
    (tmp_path / "disk.img").write_bytes(bytes(SECTORS * SECTOR))
    with Daemon(checked_daemon, tmp_path, tmp_path / "disk.img") as daemon:
        (tmp_path / "disk.sock").symlink_to(daemon.socket)
        with Disk(daemon.socket) as disk:
            called = disk.identify().encode()

        class Machine(DiskMachine):
            name = called.ljust(20, b"\0")
            always = Feature.VERSION_1 | extra

        run(Machine, tmp_path, 25)


@pytest.mark.parametrize("wrong", [LosesTheLastSector, MisreadsTheLength])
def test_the_machine_notices_a_wrong_driver(place: Path, wrong: type[Disk]) -> None:
    """Negative control."""

    class Machine(DiskMachine):
        disk_type = wrong

    with pytest.raises(AssertionError, match="not what was written|other bytes|bytes written, not"):
        run(Machine, place, 60, (Phase.generate,))


# ---------------------------------------------------------------------------------------------- the plain functions ---


def test_large_reads_and_writes_go_in_parts(place: Path) -> None:
    content = bytes(itertools.islice(itertools.cycle(range(251)), SECTORS * SECTOR))
    with Disk(place / "disk.sock", depth=3, request_size=3 * SECTOR) as disk:
        disk.write(0, content)
        disk.flush()
        same_bytes((place / "disk.img").read_bytes(), content, "the image")
        same_bytes(disk.read(0, len(content)), content, "what was read")
        assert disk.read(5 * SECTOR, SECTOR) == content[5 * SECTOR : 6 * SECTOR]
        assert disk.read(0, 0) == b""
        assert disk.identify() == "vhost_user_blk"
        assert disk.queue.kicks > 0 and disk.queue.calls > 0


def test_a_batch_is_one_notification(place: Path) -> None:
    with Disk(place / "disk.sock") as disk:
        for n in range(16):
            assert disk.submit(RequestKind.READ, n, size=SECTOR)
        assert disk.submit(RequestKind.READ, 0, size=SECTOR) is None, "the depth is 16"
        disk.queue.publish()
        done: list[Request] = []
        while len(done) < 16:
            done += disk.completed(timeout=ANSWER)
        assert disk.queue.kicks == 1
        assert all(request.status == Status.OK and 0 < request.seconds < ANSWER for request in done)


def test_what_cannot_be_is_refused_before_the_device_sees_it(place: Path) -> None:
    with Disk(place / "disk.sock", request_size=4 * SECTOR) as disk:
        with pytest.raises(ValueError, match="offset 100 and size 512 must be multiples of 512"):
            disk.read(100, SECTOR)
        with pytest.raises(ValueError, match=f"is beyond the disk's {SECTORS * SECTOR} bytes"):
            disk.write(SECTORS * SECTOR, bytes(SECTOR))
        with pytest.raises(ValueError, match="more than 2048"):
            disk.submit(RequestKind.READ, 0, size=5 * SECTOR)
        with pytest.raises(ValueError, match="129 pieces are more than the 128 that fit"):
            disk.submit(RequestKind.READ, 0, size=SECTOR, cuts=range(1, HEADER.size + 112 + 1))
        with pytest.raises(ValueError, match="either data or a size"):
            disk.submit(RequestKind.READ, 0, data=b"x", size=1)
        for name, wrong in (("size", -5), ("sector", -1), ("sector", 1 << 64), ("kind", -1), ("kind", 1 << 32)):
            words: dict[str, Any] = {"kind": RequestKind.READ, "sector": 0, "size": SECTOR}
            with pytest.raises(ValueError, match=f"submit: {name} {wrong} must be from 0"):
                disk.submit(**words | {name: wrong})
            with pytest.raises(TypeError, match=f"submit: {name} must be an int, not float"):
                disk.submit(**words | {name: 1.5})
        assert disk.queue.driver.in_flight == 0 and disk.queue.kicks == 0
        assert disk.submit(RequestKind.READ, (1 << 64) - 1, size=SECTOR), "it is the device that knows where it ends"
        assert all(disk.submit(RequestKind.READ, n, size=SECTOR) for n in range(15)), "no frame is lost"
        disk.queue.publish()
        done: list[Request] = []
        while len(done) < 16:
            done += disk.completed(timeout=ANSWER)
        assert [request.status for request in done].count(Status.OK) == 15
    with pytest.raises(ValueError, match="depth of 0"):
        Disk(place / "disk.sock", depth=0)


def test_a_disk_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(bytes(SECTOR))
    with qemu_storage_daemon(tmp_path / "disk.img", tmp_path / "disk.sock", writable=False):
        with Disk(tmp_path / "disk.sock") as disk:
            assert disk.read(0, SECTOR) == bytes(SECTOR)
            with pytest.raises(DiskError, match="WRITE of 512 bytes at sector 0: the device answered IOERR"):
                disk.write(0, bytes(SECTOR))


def test_a_device_that_dies_is_noticed_at_once(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(bytes(SECTOR))
    with qemu_storage_daemon(tmp_path / "disk.img", tmp_path / "disk.sock") as process:
        disk = Disk(tmp_path / "disk.sock", timeout=ANSWER)
        process.kill()
        process.wait()
        with pytest.raises(VhostUserError, match="went away while queue 0 was in use"):
            disk.read(0, SECTOR)
        assert len(disk.close()) == 1, "the request that never completed comes back"
