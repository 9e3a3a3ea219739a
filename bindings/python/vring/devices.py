# SPDX-License-Identifier: MIT
"""
Somebody else's programs, for tests: devices behind vhost-user sockets, and QEMU's machine around a guest of yours. A
program that is not installed is an error that says what to install; no test is skipped for it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["DeviceError", "GuestRun", "dpdk_testpmd", "qemu_storage_daemon", "run_guest"]

# The machine that each architecture has for guests without firmware, and Debian's packages.
MACHINES = {
    "riscv64": (("qemu-system-riscv64", "-M", "virt", "-bios", "none"), "qemu-system-misc or qemu-system-riscv"),
    "aarch64": (("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"), "qemu-system-arm"),
    "arm": (("qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15"), "qemu-system-arm"),
}


class DeviceError(RuntimeError):
    """A program is not there, did not start or ended too early: with its name and what it said."""


class GuestRun(NamedTuple):
    """How a guest ended: QEMU's exit code, which is the guest's, and all that it wrote to its console."""

    code: int
    console: str


@contextlib.contextmanager
def qemu_storage_daemon(image: Path, socket: Path, *, writable: bool = True) -> Iterator["subprocess.Popen[bytes]"]:
    """
    QEMU's virtio-blk behind the vhost-user socket ``socket``, over the raw disk ``image``, until the block ends. Gives
    the process. Raises DeviceError.
    """
    export = f"type=vhost-user-blk,id=export,node-name=disk,writable={'on' if writable else 'off'}"
    command = [
        _program("qemu-storage-daemon", "qemu-system-common"),
        *("--blockdev", f"driver=file,node-name=file,filename={image}"),
        *("--blockdev", "driver=raw,node-name=disk,file=file"),
        *("--export", f"{export},addr.type=unix,addr.path={socket}"),
    ]
    with _running(command, socket) as process:
        yield process


@contextlib.contextmanager
def dpdk_testpmd(socket: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """
    DPDK's vhost network device behind ``socket``: every packet sent comes back as it was. No NIC, no huge pages. As
    :func:`qemu_storage_daemon`.
    """
    command = [
        _program("dpdk-testpmd", "dpdk-dev"),
        *("--no-huge", "-m", "512", "--no-pci", "--no-shconf", "-l", "0-1"),  # nor a file that another run has open
        *("--vdev", f"net_vhost0,iface={socket},queues=1"),
        *("--", "--total-num-mbufs=4096", "--auto-start", "--stats-period=5"),  # statistics, or it would read commands
        *("--forward-mode=io", "--port-topology=loop"),
    ]
    with _running(command, socket) as process:
        yield process


def run_guest(
    elf: str | os.PathLike[str],
    *,
    machine: str = "riscv64",
    arguments: Sequence[str] = (),
    options: Sequence[str] = (),
    timeout: float = 30.0,
) -> GuestRun:
    """
    Run a bare-metal guest until it ends. ``machine`` is one of riscv64, aarch64 and arm: QEMU's "virt", with modern
    virtio-mmio and no firmware. Console, command line and exit code go through semihosting, as picolibc's
    ``--oslib=semihost`` has it; the command line is ``guest`` and ``arguments``. ``options`` are further words for
    QEMU: the devices that the guest is to drive, say.

    Raises DeviceError if QEMU is not installed, and after ``timeout`` seconds, with the console so far and the command
    to try it by hand.
    """
    words, package = MACHINES[machine]
    told = [f"arg={word.replace(',', ',,')}" for word in ["guest", *arguments]]
    command = [
        _program(words[0], package),
        *words[1:],
        *("-accel", "tcg", "-nodefaults", "-display", "none", "-no-reboot"),
        *(
            "-chardev",
            "stdio,id=console,signal=off",
            "-semihosting-config",
            ",".join(["enable=on", "target=native", "chardev=console", *told]),
        ),
        *("-global", "virtio-mmio.force-legacy=off", *options, "-kernel", os.fspath(elf)),
    ]
    with tempfile.TemporaryFile() as console:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise DeviceError(
                    f"the guest did not end within {timeout:g} s. Its console:\n{_said(console.fileno())}\n"
                    f"The command was: {' '.join(command)}"
                ) from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return GuestRun(process.returncode, _said(console.fileno()))


def _said(console: int) -> str:
    return os.pread(console, os.fstat(console).st_size, 0).decode(errors="replace")


def _program(name: str, package: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if not path:
        raise DeviceError(f"{name} is not installed. On Debian: apt install {package}")
    return path


def _listens(socket: Path) -> bool:
    """
    Does somebody? Between bind(), which makes the file, and listen() nobody can connect; and to try would be a
    connection that a device of one connection takes for its driver's. Num, RefCount, Protocol, Flags, ..., Path.
    """
    accepts = 1 << 16  # __SO_ACCEPTCON
    lines = [line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return any(line[7:] == [str(socket)] and int(line[3], 16) & accepts for line in lines)


@contextlib.contextmanager
def _running(command: Sequence[str], socket: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The program while the block runs; it listens on its socket by then, and is still there at the end."""
    name, log = Path(command[0]).name, socket.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while not _listens(socket):
            if process.poll() is not None:
                raise DeviceError(f"{name} ended with {process.returncode}:\n{log.read_text()}")
            if time.monotonic() > end:
                raise DeviceError(f"{name} did not listen on its socket within 60 s:\n{log.read_text()}")
            time.sleep(0.02)
        yield process
        if process.poll() not in (None, -signal.SIGKILL):
            raise DeviceError(f"{name} did not survive, it ended with {process.returncode}:\n{log.read_text()}")
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
