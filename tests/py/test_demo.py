# SPDX-License-Identifier: MIT
"""
The demo end to end: a bare-metal guest against QEMU's real virtio-blk, on good disks, bad disks, and under a host that
tampers with the shared memory while the guest runs. Each run has a hard time limit; none may be skipped.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import mmap
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import threading
import xml.etree.ElementTree
from collections.abc import Callable
from typing import Any

import pytest

from limits import PROGRAM

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "blk"
sys.path.insert(0, str(DEMO))
machine: Any = importlib.import_module("machine")
demo: Any = importlib.import_module("demo")

RAM_START, WINDOW, WINDOW_SIZE = 0x80000000, 0x82000000, 1536 * 2048
QUEUE = 64


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the demo puts what it makes: one folder for all tests, so that the guest is built once."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def guest(out: pathlib.Path) -> pathlib.Path:
    """The guest, built."""
    path: pathlib.Path = machine.build("riscv64", out / "guest-riscv64")
    return path


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A small image in which no two sectors are alike, without writing anybody's file."""
    return make_image(tmp_path_factory.mktemp("image") / "small.img", 4 << 20)


def make_image(path: pathlib.Path, size: int) -> pathlib.Path:
    blocks = b"".join(hashlib.sha256(i.to_bytes(8, "little")).digest() for i in range(-(-size // 32)))
    path.write_bytes(blocks[:size])
    return path


def run_demo(out: pathlib.Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The demo as a user runs it."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(DEMO / "demo.py"), "--out", str(out), *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PROGRAM,
    )


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_passed(done: subprocess.CompletedProcess[str], image: pathlib.Path, out: pathlib.Path) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert digest(out / "copy.img") == digest(image)
    assert done.stdout.count(f"  {digest(image)}  ") == 4  # two files by the host, twice by the guest
    assert done.stdout.rstrip().splitlines()[-1].startswith("PASS: ")


# ---------------------------------------------------------------------------------------------------- what one sees ---


def test_the_default_image_is_copied_and_the_result_shown(out: pathlib.Path, guest: pathlib.Path) -> None:
    done = run_demo(out)
    image = out / "image.ext4"
    assert_passed(done, image, out)

    fsck = shutil.which("e2fsck", path="/usr/sbin:/sbin:/usr/bin")
    assert fsck
    assert subprocess.run([fsck, "-fn", out / "copy.img"], capture_output=True, timeout=PROGRAM).returncode == 0
    assert b"libvring" in (out / "copy.img").read_bytes()  # real files: this repository's

    rows = {line[2:32].strip(): line[32:].split() for line in done.stdout.splitlines() if line.startswith("  ")}
    assert rows["bytes read"] == ["24.0", "MiB", "24.0", "MiB", "48.0", "MiB"]
    assert rows["bytes written"][2:] == ["24.0", "MiB", "24.0", "MiB"]
    sent, saved = int(rows["notifications sent"][2].replace(",", "")), rows["suppressed by batching"]
    requests = int(rows["requests"][2].replace(",", ""))
    assert requests == 384 + 384 + 384 + 2  # chunks of 64 KiB read, written, read back; two flushes
    assert 0 < sent < requests / 2  # batches: far fewer than one for each request
    assert int(saved[2].replace(",", "")) == requests - sent - int(rows["suppressed by EVENT_IDX"][2])
    assert int(rows["in flight at most"][0]) == 32
    assert int(rows["listed in the ring"][2]) > 100 and int(rows["listed in a table"][2]) > 100
    assert re.search(r"bounce slots +1,\d\d\d of 1,536 used at most \(\d+ %\), 0 left over", done.stdout)
    assert "elapsed" in done.stdout


def test_the_pictures_show_ring_and_slots_in_the_middle_of_the_run(out: pathlib.Path, image: pathlib.Path) -> None:
    assert_passed(run_demo(out, image), image, out)
    words = {name: svg_words(out / name) for name in ("ring.svg", "bounce.svg")}
    for label in ("staged, not yet visible", "with the device", "used, not yet taken back"):
        assert label in words["ring.svg"]
    assert words["ring.svg"].count("8 buffers, 16 descriptors") == 3  # four in the ring, four in tables, of each
    assert "free" in words["ring.svg"] and "16 descriptors" in words["ring.svg"]
    assert "avail.idx" in " ".join(words["ring.svg"]) and "next_avail (private)" in " ".join(words["ring.svg"])
    assert "bounce window" in words["bounce.svg"]
    kept = [json.loads(line) for line in (out / "snapshots.jsonl").read_text("utf-8").splitlines()]
    assert {record["name"] for record in kept if "bounce-snapshot" in record} == {"bounce window"}
    assert sum("vring-snapshot" in record for record in kept) >= 2
    # 32 times 33 + 1 + 1, and one more for each header that lies across the end of a slot.
    assert any(re.fullmatch(r"11[2-5]\d slots used", word) for word in words["bounce.svg"])
    assert words["bounce.svg"].count("64 KiB") == 32
    assert "to the device" in words["bounce.svg"] and "from the device" in words["bounce.svg"]


def test_disks_with_packed_rings_and_their_console(out: pathlib.Path, image: pathlib.Path) -> None:
    done = run_demo(out, image, "--packed")
    assert_passed(done, image, out)
    kept = [json.loads(line) for line in (out / "snapshots.jsonl").read_text("utf-8").splitlines()]
    assert [record["format"] for record in kept if "vring-snapshot" in record] == ["packed", "packed"]
    shown = subprocess.run(
        [sys.executable, "-m", "vring", "inspect", out / "snapshots.jsonl"],
        capture_output=True,
        text=True,
        timeout=PROGRAM,
        check=True,
    ).stdout
    for line in (
        "disk 0: packed ring, 64 entries, as its driver sees it",
        "bounce window: 1536 slots of 2 KiB",
        "s 8 staged, not yet visible; D 8 with the device; u 8 used, not yet taken back; . 16 descriptors free",
    ):
        assert line in shown, (line, shown)
    assert re.search(r"D id \d+ at \d+ \(table\): r16 w65536 w1", shown), "tables are shown, too"
    words = svg_words(out / "ring.svg")
    assert "with the device" in words and "used, not yet taken back" in words
    seen = int(re.search(r"(\d+) buffers in the snapshots", done.stdout)[1])  # type: ignore[index]
    assert seen > 40, "addresses were looked at"


def test_a_leak_into_a_packed_ring_is_caught(out: pathlib.Path, image: pathlib.Path) -> None:
    done = run_demo(out, image, "--packed", "--fault", "leak")
    assert done.returncode == 25 and re.search(FAULTS["leak"][1], done.stderr), done.stdout + done.stderr


def svg_words(path: pathlib.Path) -> list[str]:
    """The texts of a well-formed SVG file."""
    root = xml.etree.ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


# -------------------------------------------------------------------------------------------------- images of users ---


@pytest.mark.parametrize("size", [1, 511, 512, 513, 65536, 65537, 3 * 65536 - 1, 40 * 65536 + 7])
def test_an_image_of_any_size_is_copied_to_the_byte(out: pathlib.Path, tmp_path: pathlib.Path, size: int) -> None:
    image = make_image(tmp_path / "user's image, v=1.img", size)
    done = run_demo(out, image)
    assert_passed(done, image, out)
    assert ("not a whole number of sectors" in done.stdout) == (size % 512 != 0)
    assert (out / "copy.img").stat().st_size == size


def test_the_users_image_is_not_touched(out: pathlib.Path, tmp_path: pathlib.Path) -> None:
    image = make_image(tmp_path / "precious.img", 200_000)
    image.chmod(0o444)
    before = (image.stat().st_mtime_ns, digest(image))
    assert_passed(run_demo(out, image), image, out)
    assert (image.stat().st_mtime_ns, digest(image)) == before


def test_an_image_that_cannot_be_read_is_refused_in_a_sentence(out: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.img").touch()
    for path, what in [
        (tmp_path / "none.img", "No such file"),
        (tmp_path, "neither a file nor a block device"),
        (tmp_path / "empty.img", "is empty"),
    ]:
        done = run_demo(out, path)
        assert done.returncode == 1
        assert re.fullmatch(f"FAIL: .*{re.escape(str(path))}.*{what}.*\n", done.stderr)


def test_the_image_may_not_be_the_file_that_the_copy_goes_to(out: pathlib.Path) -> None:
    precious = make_image(out / "copy.img", 1000)
    before = digest(precious)
    done = run_demo(out, precious)
    assert done.returncode == 1 and "must be another file" in done.stderr
    assert digest(precious) == before


# --------------------------------------------------------------------------------------------- disks that misbehave ---

# The one that is waited for; any other disk has the patience that it has by itself.
SILENT = ["--fault", "silent", "--patience", 0.5]
FAULTS = {
    "read-error": (20, r"disk 0: read of 65536 bytes at sector \d+: the device answered status 1: I/O error"),
    "write-error": (20, r"disk 1: write of 65536 bytes at sector \d+: the device answered status 1: I/O error"),
    "flush-error": (20, r"disk 1: flush .* the device answered status 1: I/O error"),
    "silent": (23, r"disk 0: no answer for 500 ms, with 32 requests in flight"),
    "small-copy": (14, r"disk 1 is too small: 2097152 bytes for a copy of 4194304"),
    "small-image": (14, r"disk 0 has 2097152 bytes; 4194304 were to be copied"),
    "read-only-copy": (15, r"disk 1 cannot be written"),
    "one-disk": (10, r"found 1 of 2 virtio-blk devices"),
    "no-disk": (10, r"found 0 of 2 virtio-blk devices"),
    "legacy": (11, r"legacy virtio device .*: pass -global virtio-mmio.force-legacy=false to QEMU"),
    "leak": (25, r"private memory at 0x80[0-9a-f]+ \(65536 bytes, data\) was about to be shown to the device"),
}


def test_every_fault_that_the_demo_offers_is_tested() -> None:
    assert set(FAULTS) == set(demo.FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_a_message_and_its_own_exit_code(out: pathlib.Path, image: pathlib.Path, fault: str) -> None:
    code, message = FAULTS[fault]
    done = run_demo(out, image, *(SILENT if fault == "silent" else ["--fault", fault]))
    assert (done.returncode, "PASS" in done.stdout) == (code, False), done.stdout + done.stderr
    assert re.fullmatch(f"FAIL: .*{message}.* \\(exit code {code}\\)\n", done.stderr)


@pytest.mark.parametrize("board", sorted(machine.BOARDS))
def test_each_board_copies_times_out_and_catches_a_leak(out: pathlib.Path, image: pathlib.Path, board: str) -> None:
    done = run_demo(out, image, "--board", board)
    assert_passed(done, image, out)
    received = next(line for line in done.stdout.splitlines() if "notifications received" in line).split()
    assert int(received[-1]) > 0  # interrupts arrive: the guest does not live on polling
    for fault, words in (("silent", SILENT), ("leak", ["--fault", "leak"])):
        done = run_demo(out, image, "--board", board, *words)
        assert done.returncode == FAULTS[fault][0], done.stdout + done.stderr


@pytest.mark.parametrize("board", sorted(machine.BOARDS))
def test_a_cpu_exception_ends_the_guest_with_its_address(out: pathlib.Path, image: pathlib.Path, board: str) -> None:
    guest = machine.build(board, out / f"guest-{board}")
    line = machine.command(board, guest, [machine.Disk(machine.raw_file(image, True))], {})
    line[line.index("64M")] = "33M"  # so that there is no memory where most of the window ought to be
    run = machine.run(line, PROGRAM)
    assert not run.timed_out and run.failure, run
    assert (run.code, run.failure["code"]) == (28, 28)
    assert re.match("the guest CPU took .*exception.* at 0x", run.failure["text"])


def test_a_guest_that_does_not_end_is_ended(out: pathlib.Path, image: pathlib.Path) -> None:
    done = run_demo(out, image, "--fault", "silent", "--patience", 600, "--timeout", 2)
    assert (done.returncode, done.stderr) == (4, "FAIL: the guest did not end within 2 s, and was ended\n")


def test_qemu_that_refuses_to_start_is_quoted(out: pathlib.Path, guest: pathlib.Path, image: pathlib.Path) -> None:
    disk = machine.Disk({"driver": "raw", "file": {"driver": "file", "filename": "/nonexistent/disk"}})
    run = machine.run(machine.command("riscv64", guest, [disk], {}), PROGRAM)
    assert run.code == 1 and not run.records
    assert "/nonexistent/disk" in run.noise


def test_a_program_that_is_missing_is_named_with_its_package() -> None:
    with pytest.raises(machine.Problem, match="no-such-program is not installed. On Debian: apt install its-package"):
        machine.require("no-such-program", "its-package")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--slots", 80], 0, ""),  # room for two requests: the others wait for them
        (["--depth", 1], 0, ""),
        (["--depth", 1, "--packed"], 0, ""),  # no descriptor in flight is left to be looked at
        (["--slots", 35], 26, "the bounce pool is too small for a single request"),
        (["--slots", 8], 26, "never fits"),
        (["--slots", 5000], 2, "does not take slots=5000"),
        (["--depth", 33], 2, "does not take depth=33"),
    ],
)
def test_room_is_waited_for_or_its_lack_reported(
    out: pathlib.Path, image: pathlib.Path, words: list[object], code: int, message: str
) -> None:
    done = run_demo(out, image, *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stderr


def test_the_default_image_is_ours_whatever_else_lies_there(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "page.md").write_text("a page")
    (root / "README.md").write_text("read me")
    (root / "large").write_bytes(bytes(30 << 20))
    os.mkfifo(root / "docs" / "fifo")
    (root / "docs" / "nowhere").symlink_to("missing")
    monkeypatch.setattr(demo, "ROOT", root)
    made = demo.default_image(tmp_path / "image").read_bytes()
    assert b"a page" in made and b"read me" in made
    assert b"large" not in made and b"fifo" not in made and b"nowhere" not in made


def test_digests_that_differ_are_noticed(tmp_path: pathlib.Path) -> None:
    one, other = make_image(tmp_path / "one", 1000), make_image(tmp_path / "other", 1001)
    passes = [{"name": "copy", "sha256": digest(one)}, {"name": "read back", "sha256": digest(one)}]
    assert demo.judge_digests(one, one, passes)
    assert not demo.judge_digests(one, other, passes)
    assert not demo.judge_digests(other, other, passes)
    assert not demo.judge_digests(one, one, passes[:1])


# -------------------------------------------------------------------------- what the host sees, and may do about it ---


class Host:
    """A host that has mapped its guest's memory, as every host can, and does something to it until the guest ends."""

    def __init__(self, guest: pathlib.Path, folder: pathlib.Path, image: pathlib.Path):
        self.ram_path = folder / "ram"
        copy = demo.empty_copy(folder / "copy.img", image, image.stat().st_size)
        disks = [machine.Disk(machine.raw_file(image, True)), machine.Disk(machine.raw_file(copy, False))]
        self.line = machine.command("riscv64", guest, disks, {}, ram_file=self.ram_path)
        self.disks: list[dict[str, Any]] = []

    def run(self, act: Callable[[Host], None]) -> Any:
        """Run the guest, and act over and over from the moment at which it has told where its rings are."""
        started, ended = threading.Event(), threading.Event()

        def look(record: dict[str, Any]) -> None:
            if "disk" in record:
                self.disks.append(record["disk"])
            if len(self.disks) == 2:
                started.set()

        def act_until_the_end() -> None:
            started.wait(PROGRAM)
            with open(self.ram_path, "r+b") as file, mmap.mmap(file.fileno(), 0) as self.ram:
                while not ended.is_set():
                    act(self)

        thread = threading.Thread(target=act_until_the_end)
        thread.start()
        try:
            return machine.run(self.line, PROGRAM, look)
        finally:
            started.set()
            ended.set()
            thread.join()

    def peek(self, addr: int, size: int) -> bytes:
        return self.ram[addr - RAM_START : addr - RAM_START + size]

    def poke(self, addr: int, data: bytes) -> None:
        self.ram[addr - RAM_START : addr - RAM_START + len(data)] = data


@pytest.fixture
def host(guest: pathlib.Path, tmp_path: pathlib.Path) -> Host:
    return Host(guest, tmp_path, make_image(tmp_path / "big.img", 16 << 20))


def used_ring(host: Host, disk: int) -> int:
    return int(host.disks[disk]["device_area"])


def move_used_index(host: Host) -> None:
    (index,) = struct.unpack("<H", host.peek(used_ring(host, 0) + 2, 2))
    host.poke(used_ring(host, 0) + 2, struct.pack("<H", (index + 1000) & 0xFFFF))


def rewrite_used(field: int, value: int) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        for position in range(QUEUE):
            host.poke(used_ring(host, 0) + 4 + 8 * position + field, struct.pack("<I", value))

    return act


def rewrite_window(host: Host) -> None:
    host.poke(WINDOW, b"\xee" * WINDOW_SIZE)


def empty_descriptors(host: Host) -> None:
    for i in range(QUEUE):
        host.poke(int(host.disks[0]["desc"]) + 16 * i + 8, bytes(4))


@pytest.mark.parametrize(
    ("act", "outcomes", "message"),
    [
        (move_used_index, {22}, "disk 0: the device broke the ring: .*"),
        (rewrite_used(0, 0xFFFFFFFF), {22}, "disk 0: the device broke the ring: .*value 0xffffffff.*"),
        (rewrite_used(4, 0x7FFFFFFF), {22}, "disk 0: the device broke the ring: .*value 0x7fffffff.*"),
        (rewrite_used(4, 0), {21}, "disk 0: read of 65536 bytes .*: the device says it wrote 0 bytes instead of 65537"),
        (rewrite_window, {20, 24}, "disk . ?.*"),
        (empty_descriptors, {24}, "disk 0: the device has met an error from which only a reset recovers"),
    ],
    ids=["used index", "used id", "used length too long", "used length too short", "bounce window", "descriptors"],
)
def test_a_host_that_tampers_is_caught_and_named(
    host: Host, act: Callable[[Host], None], outcomes: set[int], message: str
) -> None:
    run = host.run(act)
    assert not run.timed_out
    assert run.failure, run
    assert run.code == run.failure["code"] and run.code in outcomes, run.failure
    assert re.fullmatch(message, run.failure["text"])


def test_a_host_that_only_looks_sees_no_private_address_and_in_the_end_nothing(host: Host) -> None:
    seen: set[int] = set()
    data_seen = []

    def look(host: Host) -> None:
        seen.update(descriptor_addresses(host, 0) + descriptor_addresses(host, 1))
        data_seen.append(any(host.peek(WINDOW, WINDOW_SIZE)))

    run = host.run(look)
    assert run.code == 0, run
    assert len(seen) > 100 and any(data_seen)
    shared = [
        (part["addr"], part["addr"] + part["size"])
        for snapshot in run.records
        if "vring-snapshot" in snapshot
        for part in snapshot["shared"]
    ]
    assert [hex(address) for address in seen if not any(low <= address < high for low, high in shared)] == []

    # Slots are cleared as their mapping ends: nothing of the disks is left in the window; in private memory it is.
    with open(host.ram_path, "rb") as ram:
        memory = ram.read()
    last_chunk = (host.ram_path.parent / "big.img").read_bytes()[-65536:]
    assert last_chunk in memory[: WINDOW - RAM_START]
    assert not any(memory[WINDOW - RAM_START : WINDOW - RAM_START + WINDOW_SIZE])


def descriptor_addresses(host: Host, disk: int) -> list[int]:
    """All addresses that a disk's descriptors hold, in the ring and in the indirect tables."""
    found = []
    for i in range(QUEUE):
        found += addresses_from(host, int(host.disks[disk]["desc"]) + 16 * i)
    return found


def addresses_from(host: Host, at: int) -> list[int]:
    address, length, flags, _ = struct.unpack("<QIHH", host.peek(at, 16))
    if address == 0:
        return []
    if not flags & 4:
        return [address]
    return [address] + [struct.unpack("<Q", host.peek(address + 16 * n, 8))[0] for n in range(length // 16)]


def test_a_private_address_in_a_snapshot_is_noticed(
    guest: pathlib.Path, image: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = Host(guest, tmp_path, image).run(lambda host: None)
    inspect = demo.load_inspect()
    seen, outside = demo.private_addresses(run, inspect)
    assert seen > 100 and outside == []
    rings = [record for record in run.records if "vring-snapshot" in record]
    rings[0]["shared"][0]["addr"] += 1 << 20  # as if the window began a MiB later
    assert demo.private_addresses(run, inspect)[1]


def test_snapshots_are_what_the_documentation_says(
    guest: pathlib.Path, image: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = Host(guest, tmp_path, image).run(lambda host: None)
    inspect = demo.load_inspect()
    kept = list(inspect.read(json.dumps(record) for record in run.records))
    assert [("vring-snapshot" in record, record["name"]) for record in kept] == [
        (True, "disk 0"),
        (True, "disk 1"),
        (False, "bounce window"),
    ]
    for name in re.findall(r'"([a-z_]+)"(?=[,:\]}])', inspect.__doc__):
        assert any(name in json.dumps(record) for record in kept) or name in ("bidirectional", "coherent"), name
    assert all("<svg" in inspect.draw(record) for record in kept)
