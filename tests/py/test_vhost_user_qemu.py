# SPDX-License-Identifier: MIT
"""
examples/vhost-user-blk under real front-ends and drivers: QEMU, the bare-metal guest of examples/blk, SeaBIOS, Linux.
Where the guest is ours, libvring drives libvring, with QEMU's vhost-user in between.
"""

from __future__ import annotations

import hashlib
import importlib
import lzma
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from limits import PROGRAM
from vhost_user_peer import ROOT, SECTOR, Daemon, wait

sys.path.insert(0, str(ROOT / "examples" / "blk"))
machine: Any = importlib.import_module("machine")

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
def test_our_driver_copies_a_disk_between_two_daemons(
    guests: dict[str, Path], plain_daemon: Path, tmp_path: Path, board: str
) -> None:
    image = make_image(tmp_path / "image.img", 8 * MIB)
    copy = tmp_path / "copy.img"
    copy.write_bytes(bytes(8 * MIB))
    with (
        daemon(plain_daemon, tmp_path / "0", image, "--read-only") as first,
        daemon(plain_daemon, tmp_path / "1", copy) as second,
    ):
        disks = [machine.Disk(socket=first.socket), machine.Disk(socket=second.socket)]
        line = machine.command(board, guests[board], disks, {"bytes": 8 * MIB}, ram_file=tmp_path / "ram")
        run = machine.run(line, PROGRAM)
        assert run.code == 0 and not run.timed_out, (run.failure, run.noise)
        assert first.complaints == second.complaints == ""
    assert {record["sha256"] for record in run.every("pass")} == {digest(image)} == {digest(copy)}
    offered = [record["features"] for record in run.every("disk")]
    assert all(features & 1 << 32 and features & 1 << 29 and features & 1 << 28 for features in offered)
    assert all(disk["direct"] > 30 and disk["indirect"] > 30 for disk in run.every("result")[0]["disks"])


def test_a_read_only_daemon_is_seen_to_be_one(guests: dict[str, Path], plain_daemon: Path, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image.img", MIB)
    with (
        daemon(plain_daemon, tmp_path / "0", image, "--read-only") as first,
        daemon(plain_daemon, tmp_path / "1", image, "--read-only") as second,
    ):
        disks = [machine.Disk(socket=first.socket), machine.Disk(socket=second.socket)]
        run = machine.run(machine.command("riscv64", guests["riscv64"], disks, {}, ram_file=tmp_path / "ram"), PROGRAM)
    assert run.code == 15 and "the device offers it read-only" in run.failure["text"], run


def test_C224_a_daemon_is_killed_under_a_guest_that_never_learns_of_it(
    guests: dict[str, Path], plain_daemon: Path, tmp_path: Path
) -> None:
    """QEMU keeps the inflight region, reconnects, and hands it to the next daemon; the guest sees a slow disk."""
    size = 32 * MIB
    image = make_image(tmp_path / "image.img", size)
    copy = tmp_path / "copy.img"
    with copy.open("wb") as file:
        file.truncate(size)  # with holes: what has been written can be seen from outside
    with (
        daemon(plain_daemon, tmp_path / "0", image, "--read-only") as first,
        daemon(plain_daemon, tmp_path / "1", copy) as second,
    ):
        killed: list[int] = []
        over = threading.Event()

        def kill() -> None:
            for share, victim in ((0.2, second), (0.5, first)):
                while copy.stat().st_blocks * 512 < share * size:
                    if over.wait(0.002):
                        return
                victim.kill()
                killed.append(copy.read_bytes().count(bytes(SECTOR)))
                victim.start()

        disks = [machine.Disk(socket=first.socket), machine.Disk(socket=second.socket)]
        line = machine.command(
            "riscv64", guests["riscv64"], disks, {"bytes": size, "patience-ms": 100000}, ram_file=tmp_path / "ram"
        )
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            run = machine.run(line, PROGRAM)
        finally:
            over.set()
            killer.join()
        assert run.code == 0 and not run.timed_out, (run.failure, run.noise, first.complaints, second.complaints)
    assert {record["sha256"] for record in run.every("pass")} == {digest(image)} == {digest(copy)}
    assert len(killed) == 2 and killed[0] > 0  # in the middle: there were sectors still to be written


# ------------------------------------------------------------------------------------------------------------ Linux ---

LINUX = ROOT / "build" / "linux"
INIT = """#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
$busybox mount -t sysfs sys /sys
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
    $busybox insmod /$module.ko
done
for disk in vda vdb; do
    echo "features $($busybox cat /sys/block/$disk/device/features)"
done
echo "sum $($busybox sha256sum /dev/vda)"
$busybox dd if=/dev/vda of=/dev/vdb bs=64k oflag=direct 2>/dev/null
$busybox sync
echo "sum $($busybox sha256sum /dev/vdb)"
$busybox poweroff -f
"""


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Files, with their modes, as the kernel unpacks them: cpio's "newc"."""
    out = b""
    for inode, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out


@pytest.fixture(scope="session")
def linux(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Debian's kernel, and a root of busybox and the modules that a virtio disk needs."""
    assert LINUX.exists(), "there is no kernel: ./run setup fetches it"
    files = {
        "bin": (0o40755, b""),
        "dev": (0o40755, b""),
        "sys": (0o40755, b""),
        "init": (0o100755, INIT.encode()),
        "bin/busybox": (0o100755, Path("/bin/busybox").read_bytes()),
    }
    for path in sorted(LINUX.rglob("virtio*.ko*")):
        data = path.read_bytes()
        files[path.name.removesuffix(".xz")] = (0o100644, lzma.decompress(data) if path.suffix == ".xz" else data)
    root = tmp_path_factory.mktemp("linux") / "root.cpio"
    root.write_bytes(archive(files))
    (kernel,) = (LINUX / "boot").glob("vmlinuz-*")
    return kernel, root


@pytest.mark.parametrize("packed", [False, True], ids=["split", "packed"])
def test_C224_linux_copies_a_disk_to_a_daemon_that_is_killed_meanwhile(
    linux: tuple[Path, Path], plain_daemon: Path, tmp_path: Path, packed: bool
) -> None:
    image = make_image(tmp_path / "image.img", 8 * MIB)
    copy = tmp_path / "copy.img"
    copy.write_bytes(bytes(8 * MIB))
    with (
        daemon(plain_daemon, tmp_path / "0", image, "--read-only") as first,
        daemon(plain_daemon, tmp_path / "1", copy) as second,
    ):
        line = [
            "qemu-system-x86_64",
            "-M",
            "pc,memory-backend=ram",
            "-accel",
            "tcg",
            "-m",
            "256M",
            "-nodefaults",
            "-object",
            "memory-backend-memfd,id=ram,size=256M,share=on",
            "-display",
            "none",
            "-no-reboot",
            "-serial",
            "stdio",
            "-kernel",
            str(linux[0]),
            "-initrd",
            str(linux[1]),
            "-append",
            "console=ttyS0 quiet",
        ]
        for n, one in enumerate((first, second)):
            line += [
                "-chardev",
                f"socket,id=d{n},path={one.socket},reconnect=1",
                "-device",
                f"vhost-user-blk-pci,chardev=d{n},num-queues=1,packed={'on' if packed else 'off'}",
            ]
        with (
            open(tmp_path / "console", "w+") as console,
            subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=console, stderr=console) as process,
        ):
            try:

                def begun() -> bool:
                    with open(copy, "rb") as file:
                        return process.poll() is not None or any(file.read(MIB))

                wait(begun, "Linux begins to write", PROGRAM)
                second.kill()
                missing = copy.read_bytes().count(bytes(SECTOR))
                second.start()
                process.wait(PROGRAM)
            finally:
                process.kill()
            console.seek(0)
            said = console.read()
        assert first.complaints == second.complaints == "", said
    assert missing > 0, "it was not killed in the middle"
    sums = re.findall(r"^sum (\w{64}) ", said, re.M)
    assert sums == [digest(image)] * 2 and digest(copy) == digest(image), said
    features = re.findall(r"^features ([01]+)", said, re.M)
    assert len(features) == 2
    for bits in features:
        assert (bits[28], bits[29], bits[32], bits[34]) == ("1", "1", "1", "1" if packed else "0")


# ----------------------------------------------------------------------------------------------------- the document ---


def documented(language: str = "sh") -> list[list[str]]:
    """The commands of docs/vhost-user-blk.md, block by block, line by line."""
    text = (ROOT / "docs" / "vhost-user-blk.md").read_text()
    return [block.splitlines() for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)]


# A boot sector: reads sector 1 to 0x8000 by INT 13h, and ends the machine with the byte that it finds there. Assembly:
#   xor ax,ax; mov ds,ax; mov si,0x7C20; mov ah,0x42; int 0x13; jc bad; mov al,[0x8000]; out 0xF4,al; hlt;
#   bad: mov al,0x7F; out 0xF4,al; hlt. At 0x20 what to read: 16 bytes long, 1 sector, to 0000:8000, from sector 1.
BOOT = bytes.fromhex("31C08ED8BE207CB442CD137206A00080E6F4F4B07FE6F4F4").ljust(0x20, b"\0") + bytes.fromhex(
    "1000010000800000 0100000000000000"
)


def test_seabios_boots_from_the_disk_as_the_document_says(tmp_path: Path) -> None:
    """
    The commands of the document, run as they stand; SeaBIOS is the driver, and says what it read by its exit code.
    """
    (*build, serve), (qemu,) = documented()
    for command in build:
        subprocess.run(shlex.split(command), cwd=ROOT, check=True, capture_output=True, timeout=PROGRAM)
    image = ROOT / "build" / "disk.img"
    assert image.stat().st_size == 64 * MIB
    with open(image, "r+b") as disk:
        disk.write(BOOT.ljust(510, b"\0") + b"\x55\xaa" + b"\x2a" + bytes(511))
    words = shlex.split(serve)
    assert words[1::2] == ["--socket", "--image"]
    program, socket = ROOT / words[0], ROOT / words[2]
    running = Daemon(program, tmp_path, image)
    with running:
        line = shlex.split(qemu.replace(words[2], str(running.socket)))
        assert socket.name in qemu and f"path={running.socket}" in " ".join(line)
        done = subprocess.run(
            [
                *line,
                "-display",
                "none",
                "-nodefaults",
                "-accel",
                "tcg",
                "-no-reboot",
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=1",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROGRAM,
        )
        assert done.returncode == 0x2A * 2 + 1, done
        assert running.complaints == ""
    image.unlink()
