# SPDX-License-Identifier: MIT
"""``python -m vring blk``, as people type it, against QEMU's disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from limits import PROGRAM
from vring.__main__ import main
from vring.devices import qemu_storage_daemon
from vring.vhost_user_blk import Disk, DiskError
from images import same_bytes

ROOT = Path(__file__).resolve().parents[2]
SIZE = 3 << 20


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("blk")
    (folder / "disk.img").write_bytes(bytes(i // 512 % 256 for i in range(SIZE)))
    with qemu_storage_daemon(folder / "disk.img", folder / "disk.sock"):
        yield folder


def blk(place: Path, *words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "vring", "blk", *map(str, words)]
    return subprocess.run(command, cwd=place, input=stdin, capture_output=True, timeout=PROGRAM)


def test_read_copies_the_disk_or_a_part_of_it(place: Path) -> None:
    image = (place / "disk.img").read_bytes()
    done = blk(place, "read", "disk.sock")
    assert (done.returncode, done.stderr) == (0, b"")
    same_bytes(done.stdout, image, "what was read")
    done = blk(place, "read", "disk.sock", "--offset", "1M", "--size", "1536", "--output", "part")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (place / "part").read_bytes() == image[1 << 20 :][:1536]


def test_write_copies_a_file_to_the_disk(place: Path) -> None:
    new = bytes(i * 3 % 256 for i in range(5 * 512))
    (place / "new").write_bytes(new)
    before = (place / "disk.img").read_bytes()
    done = blk(place, "write", "disk.sock", "new", "--offset", "4k")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    after = before[:4096] + new + before[4096 + len(new) :]
    same_bytes((place / "disk.img").read_bytes(), after, "the disk")
    assert blk(place, "write", "disk.sock", "-", "--offset", "4k", stdin=before[4096:][: len(new)]).returncode == 0
    same_bytes((place / "disk.img").read_bytes(), before, "the disk")


@pytest.mark.parametrize(
    ("options", "ring"),
    [((), "EVENT_IDX INDIRECT_DESC"), (("--no-event-idx", "--no-indirect"), "neither EVENT_IDX nor INDIRECT_DESC")],
)
def test_bench_says_what_it_measured(place: Path, options: tuple[str, ...], ring: str) -> None:
    before = (place / "disk.img").read_bytes()
    done = blk(place, "bench", "disk.sock", "--seconds", "0.5", "--depth", "4", *options)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    rows = dict(line.split(None, 1) for line in done.stdout.decode().splitlines())
    assert rows["disk"] == "3.0 MiB, vhost_user_blk" and rows["ring"] == f"split, 128 descriptors, {ring}"
    counted = re.fullmatch(r"([\d,]+) reads of 4,096 bytes in (\d+\.\d+) s, 4 in flight", rows["requests"])
    assert counted, rows
    requests = int(counted[1].replace(",", ""))
    rate = int(re.match(r"[\d,]+", rows["rate"])[0].replace(",", ""))  # type: ignore[index]
    assert requests > 4 and abs(rate - requests / float(counted[2])) < 0.1 * rate
    notified = [int(n.replace(",", "")) for n in re.findall(r"[\d,]+(?= times)", rows["notified"])]
    assert all(0 < n <= requests + 1 for n in notified), rows
    same_bytes((place / "disk.img").read_bytes(), before, "the disk")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("read", "none.sock"), "none.sock: there is no such socket; start the device first"),
        (("read", "disk.img"), "disk.img: nobody listens on this socket, or it is none; the device may have ended"),
        (("read", "disk.sock", "--offset", "7"), "--offset must be a multiple of 512 from 0 on, not 7"),
        (("read", "disk.sock", "--offset=-512"), "--offset must be a multiple of 512 from 0 on, not -512"),
        (("read", "disk.sock", "--offset", "4M"), "4194304 to 4194304 is beyond the disk's 3145728 bytes"),
        (("read", "disk.sock", "--size", "4M"), "0 to 4194304 is beyond the disk's 3145728 bytes"),
        (("read", "disk.sock", "--output", "/none/file"), "[Errno 2] No such file or directory: '/none/file'"),
        (("write", "disk.sock", "none"), "[Errno 2] No such file or directory: 'none'"),
        (("write", "disk.sock", "odd"), "odd has 1000 bytes; a disk takes 512s"),
        (("write", "disk.sock", "-", "--offset", "3M"), "write: 3145728 to 3146240 is beyond the disk's 3145728 bytes"),
        (("bench", "disk.sock", "--size", "8M"), "the disk has 3145728 bytes, less than one request of 8388608"),
        (("bench", "disk.sock", "--depth", "0"), "Disk: a depth of 0, or requests of 4096 bytes, cannot be"),
        (("bench", "disk.sock", "--packed"), "the device has no packed rings"),
        (("bench", "disk.sock", "--seconds", "0"), "--seconds must be positive, not 0"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(place: Path, words: tuple[str, ...], message: str) -> None:
    (place / "odd").write_bytes(bytes(1000))
    before = (place / "disk.img").read_bytes()
    done = blk(place, *words, stdin=bytes(512))
    assert (done.returncode, done.stderr.decode()) == (1, f"vring blk: {message}\n")
    same_bytes((place / "disk.img").read_bytes(), before, "the disk")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--size", "10"), "--size must be a multiple of 512 from 0 on, not 10"),
        (("--size=-512",), "--size must be a multiple of 512 from 0 on, not -512"),
        (("--offset", "512", "--size", "1048586"), "--size must be a multiple of 512 from 0 on, not 1048586"),
        (("--offset", "1M", "--size", "3M"), "1048576 to 4194304 is beyond the disk's 3145728 bytes"),
    ],
)
def test_a_refused_read_leaves_the_output_as_it_was(place: Path, words: tuple[str, ...], message: str) -> None:
    (place / "precious").write_bytes(b"precious")
    for name in ("precious", "none yet"):
        done = blk(place, "read", "disk.sock", *words, "--output", name)
        assert (done.returncode, done.stderr.decode()) == (1, f"vring blk: {message}\n")
    assert (place / "precious").read_bytes() == b"precious" and not (place / "none yet").exists()


@pytest.mark.parametrize("name", ["precious", "link", "new"])
def test_a_read_that_fails_in_the_middle_leaves_the_output_as_it_was(
    place: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Disk.read

    def fails_once_some_is_written(disk: Disk, offset: int, size: int) -> bytes:
        if offset:
            raise DiskError("the device answered IOERR")
        return right(disk, offset, size)

    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "precious").chmod(0o640)
    (tmp_path / "link").symlink_to("precious")
    before = sorted(tmp_path.iterdir())
    words = "read", str(place / "disk.sock"), "--output", str(tmp_path / name)
    monkeypatch.setattr(sys, "argv", ["vring", "blk", *words])
    with monkeypatch.context() as patched:
        patched.setattr(Disk, "read", fails_once_some_is_written)
        assert main() == 1
    assert capsys.readouterr().err == "vring blk: the device answered IOERR\n"
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "precious").read_bytes() == b"precious"

    assert main() == 0
    same_bytes((tmp_path / name).read_bytes(), (place / "disk.img").read_bytes(), "what was read")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "precious").stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.iterdir())) == len(before) + (name == "new")


def test_what_is_no_file_is_written_as_it_is(place: Path) -> None:
    done = blk(place, "read", "disk.sock", "--size", "1k", "--output", "/dev/stdout")
    assert (done.returncode, done.stdout) == (0, (place / "disk.img").read_bytes()[:1024])


def test_the_commands_of_the_document_work(tmp_path: Path) -> None:
    [block] = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "vhost-user.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "notes.padded").write_bytes(b"read me ".ljust(4096, b"."))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=PROGRAM,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "notes.padded").read_bytes()
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "disk", "ring", "requests", "rate", "latency", "notified"]  # fmt: skip


def test_a_size_that_is_none_is_a_usage_error(place: Path) -> None:
    done = blk(place, "read", "disk.sock", "--size", "4x")
    assert done.returncode == 2 and b"invalid size value: '4x'" in done.stderr
    assert blk(place).returncode == 2
