# SPDX-License-Identifier: MIT
"""The fixtures that run other people's programs: a real disk for a driver, a machine for a guest; and what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from limits import PROGRAM
from vring._pytest_plugin import BlkDevice
from vring.devices import DeviceError, GuestRun, qemu_storage_daemon
from vring.vhost_user_blk import SECTOR, Disk


def test_the_disk_of_the_fixture_stores_what_is_written(virtio_blk_device: BlkDevice) -> None:
    with Disk(virtio_blk_device.socket) as disk:
        assert disk.capacity == virtio_blk_device.image.stat().st_size == 1 << 20
        disk.write(7 * SECTOR, b"seven".ljust(SECTOR, b"."))
    assert virtio_blk_device.image.read_bytes()[7 * SECTOR :].startswith(b"seven...")


def test_a_program_that_is_missing_is_an_error_and_no_skip(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "def test_disk(virtio_blk_device):\n    pass\n"
        "def test_guest(qemu_guest):\n    qemu_guest('guest.elf')\n"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path)],
        cwd=tmp_path, text=True, capture_output=True, timeout=PROGRAM, env={**os.environ, "PATH": str(tmp_path)},
    )  # fmt: skip
    assert "1 failed, 1 error" in done.stdout and "skip" not in done.stdout, done.stdout
    assert "qemu-storage-daemon is not installed. On Debian: apt install qemu-system-common" in done.stdout
    assert "qemu-system-riscv64 is not installed" in done.stdout


def test_a_device_that_does_not_start_or_does_not_last_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="(?s)qemu-storage-daemon ended with 1:.*No such file"):
        with qemu_storage_daemon(tmp_path / "none.img", tmp_path / "disk.sock"):
            pass
    (tmp_path / "disk.img").write_bytes(bytes(SECTOR))
    with pytest.raises(DeviceError, match="did not survive, it ended with 0"):
        with qemu_storage_daemon(tmp_path / "disk.img", tmp_path / "disk.sock") as process:
            process.terminate()
            process.wait()


# ----------------------------------------------------------------------------------------------------------- guests ---

# Looks for a device in the slots of virtio-mmio, says what it found and was told, and ends as it is told.
GUEST = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    for (int slot = 0; slot < SLOTS; slot++) {
        volatile uint32_t *device = (volatile uint32_t *)(uintptr_t)(FIRST + (uint32_t)slot * STRIDE);
        if (device[0] == 0x74726976 && device[2])
            printf("version %u device %u\n", (unsigned)device[1], (unsigned)device[2]);
    }
    printf("%d words: %s %s\n", argc, argv[argc - 2], argv[argc - 1]);
    fflush(stdout);
    for (int i = atoi(argv[argc - 1]); ; )
        if (i >= 0)
            exit(i);
}
"""
BOARDS = {
    "riscv64": [
        "riscv64-unknown-elf-gcc", "--specs=picolibc.specs", "-march=rv64imac", "-mabi=lp64", "-mcmodel=medany",
        "-Wl,--defsym=__flash=0x80000000,--defsym=__ram=0x80200000", "-Tpicolibc.ld",
        "-DFIRST=0x10001000u", "-DSTRIDE=0x1000u", "-DSLOTS=8",
    ],
    "aarch64": [
        "aarch64-linux-gnu-gcc", "--specs=/usr/lib/picolibc/aarch64-linux-gnu/picolibc.specs", "-static",
        "-Wl,--defsym=__flash=0x40400000,--defsym=__ram=0x40800000",
        "-T/usr/lib/picolibc/aarch64-linux-gnu/lib/picolibc.ld",
        "-DFIRST=0x0a000000u", "-DSTRIDE=0x200u", "-DSLOTS=32",
    ],
}  # fmt: skip


@pytest.fixture(scope="module", params=BOARDS)
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The machine, and the guest that was built for it."""
    folder = tmp_path_factory.mktemp("guest")
    (folder / "guest.c").write_text(GUEST)
    command: list[str | Path] = [
        *BOARDS[request.param], "--crt0=semihost", "--oslib=semihost", "-Os", "-Wl,--defsym=__flash_size=0x100000",
        "-Wl,--defsym=__ram_size=0x100000", folder / "guest.c", "-o", folder / "guest.elf",
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=PROGRAM)
    return request.param, folder / "guest.elf"


def test_a_guest_finds_a_modern_device_and_its_exit_code_is_heard(
    guest: tuple[str, Path], qemu_guest: Callable[..., GuestRun]
) -> None:
    machine, elf = guest
    run = qemu_guest(elf, machine=machine, arguments=["a,b", "37"], options=["-device", "virtio-rng-device"])
    # picolibc puts a name of its own before the command line, which is: guest a,b 37.
    assert run == GuestRun(37, "version 2 device 4\n4 words: a,b 37\n")


def test_a_guest_that_does_not_end_is_ended(guest: tuple[str, Path], qemu_guest: Callable[..., GuestRun]) -> None:
    machine, elf = guest
    with pytest.raises(DeviceError, match="(?s)did not end within 4 s.*words: guest -1.*The command was: .*guest.elf"):
        qemu_guest(elf, machine=machine, arguments=["-1"], timeout=4)
