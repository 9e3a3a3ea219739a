# SPDX-License-Identifier: MIT
"""
examples/vhost-user-blk under real front-ends and drivers: QEMU, the bare-metal guest of examples/blk, SeaBIOS, Linux.
Where the guest is ours, libvring drives libvring, with QEMU's vhost-user in between.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from vhost_user_peer import ROOT, SECTOR, Daemon

sys.path.insert(0, str(ROOT / "examples" / "blk"))
machine: Any = importlib.import_module("machine")

LIMIT = 30  # seconds for a machine
MIB = 1 << 20


def make_image(path: Path, size: int) -> Path:
    """An image in which no two sectors are alike."""
    path.write_bytes(b"".join(hashlib.sha256(i.to_bytes(8, "little")).digest() for i in range(size // 32)))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bare-metal guest, built for each board."""
    folder = tmp_path_factory.mktemp("guests")
    return {board: machine.build(board, folder / board) for board in machine.BOARDS}


def daemon(program: Path, folder: Path, image: Path, *words: str) -> Daemon:
    """A daemon in a folder of its own."""
    folder.mkdir()
    return Daemon(program, folder, image, *words)


@pytest.mark.parametrize("board", sorted(machine.BOARDS))
def test_our_driver_copies_a_disk_between_two_daemons(guests: dict[str, Path], plain_daemon: Path, tmp_path: Path,
                                                      board: str) -> None:
    image = make_image(tmp_path / "image.img", 8 * MIB)
    copy = tmp_path / "copy.img"
    copy.write_bytes(bytes(8 * MIB))
    with daemon(plain_daemon, tmp_path / "0", image, "--read-only") as first, \
            daemon(plain_daemon, tmp_path / "1", copy) as second:
        disks = [machine.Disk(socket=first.socket), machine.Disk(socket=second.socket)]
        line = machine.command(board, guests[board], disks, {"bytes": 8 * MIB}, ram_file=tmp_path / "ram")
        run = machine.run(line, LIMIT)
        assert run.code == 0 and not run.timed_out, (run.failure, run.noise)
        assert first.complaints == second.complaints == ""
    assert {record["sha256"] for record in run.every("pass")} == {digest(image)} == {digest(copy)}
    offered = [record["features"] for record in run.every("disk")]
    assert all(features & 1 << 32 and features & 1 << 29 and features & 1 << 28 for features in offered)
    assert all(disk["direct"] > 30 and disk["indirect"] > 30 for disk in run.every("result")[0]["disks"])


def test_a_read_only_daemon_is_seen_to_be_one(guests: dict[str, Path], plain_daemon: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image.img", MIB)
    with daemon(plain_daemon, tmp_path / "0", image, "--read-only") as first, \
            daemon(plain_daemon, tmp_path / "1", image, "--read-only") as second:
        disks = [machine.Disk(socket=first.socket), machine.Disk(socket=second.socket)]
        run = machine.run(machine.command("riscv64", guests["riscv64"], disks, {}, ram_file=tmp_path / "ram"), LIMIT)
    assert run.code == 15 and "the device offers it read-only" in run.failure["text"], run


def test_C224_a_daemon_is_killed_under_a_guest_that_never_learns_of_it(guests: dict[str, Path], plain_daemon: Path,
                                                                     tmp_path: Path) -> None:
    """QEMU keeps the inflight region, reconnects, and hands it to the next daemon; the guest sees a slow disk."""
    size = 32 * MIB
    image = make_image(tmp_path / "image.img", size)
    copy = tmp_path / "copy.img"
    copy.write_bytes(bytes(size))
    with daemon(plain_daemon, tmp_path / "0", image, "--read-only") as first, \
            daemon(plain_daemon, tmp_path / "1", copy) as second:
        killed = []

        def kill(record: dict[str, Any]) -> None:
            progress = record.get("progress", {"bytes": 0, "of": 1})
            done = progress["bytes"] / progress["of"]
            if len(killed) < 2 and 0.2 < done < 0.8:
                victim = (second, first)[len(killed)]
                victim.kill()
                killed.append(copy.read_bytes().count(bytes(SECTOR)))
                victim.start()

        disks = [machine.Disk(socket=first.socket), machine.Disk(socket=second.socket)]
        line = machine.command("riscv64", guests["riscv64"], disks, {"bytes": size, "patience-ms": 10000},
                               ram_file=tmp_path / "ram")
        run = machine.run(line, LIMIT, kill)
        assert run.code == 0 and not run.timed_out, (run.failure, run.noise, first.complaints, second.complaints)
    assert {record["sha256"] for record in run.every("pass")} == {digest(image)} == {digest(copy)}
    assert len(killed) == 2 and killed[0] > 0  # in the middle: there were sectors still to be written
