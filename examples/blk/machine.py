# SPDX-License-Identifier: MIT
"""Building the guest, and running it under QEMU: the only place that knows either command line."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent

# What a guest is built for: toolchain file, compiler, emulator, and the Debian packages that they come in.
BOARDS = {
    "riscv64": {
        "compiler": "riscv64-unknown-elf-gcc",
        "qemu": ["qemu-system-riscv64", "-machine", "virt", "-bios", "none"],
        "packages": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc "
        "(Debian 13: qemu-system-riscv)",
    },
    "aarch64": {
        "compiler": "aarch64-linux-gnu-gcc",
        "qemu": ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a57"],
        "packages": "gcc-aarch64-linux-gnu picolibc-aarch64-linux-gnu qemu-system-arm",
    },
}


class Problem(Exception):
    """Something that the user must know of, in one sentence."""


def require(program: str, packages: str) -> str:
    """The path of a program. Directories that only root has in its PATH count too."""
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    if not path:
        raise Problem(f"{program} is not installed. On Debian: apt install {packages}")
    return path


# ------------------------------------------------------------------------------------------------------------ build ---


def build(board: str, folder: pathlib.Path, target: str = "guest") -> pathlib.Path:
    """Build the guest with CMake and return the ELF file. Does nothing that is done already."""
    require("cmake", "cmake")
    require("ninja", "ninja-build")
    require(BOARDS[board]["compiler"], BOARDS[board]["packages"])
    configure = [
        "cmake",
        "-S",
        HERE,
        "-B",
        folder,
        "-G",
        "Ninja",
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        f"-DCMAKE_TOOLCHAIN_FILE={HERE / board}.cmake",
    ]
    if not (folder / "build.ninja").exists():
        _step(configure)
    _step(["cmake", "--build", folder, "--parallel", "2", "--target", target])
    return folder / f"{target}.elf"


def _step(command: list) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        line = shlex.join(str(word) for word in command)
        raise Problem(f"building the guest failed:\n{done.stdout}\nThe command was: {line}")


# -------------------------------------------------------------------------------------------------------------- run ---


@dataclasses.dataclass
class Disk:
    """
    One virtio-blk device. block is what QEMU calls a -blockdev, as a dictionary; or else socket is a daemon's.
    properties are those of the device: {"packed": True}.
    """

    block: dict | None = None
    properties: dict = dataclasses.field(default_factory=dict)
    socket: pathlib.Path | None = None


def raw_file(path: pathlib.Path, read_only: bool) -> dict:
    """A file as a block device, byte for byte, whatever it holds."""
    return {
        "driver": "raw",
        "read-only": read_only,
        "file": {"driver": "file", "filename": str(path), "read-only": read_only},
    }


def command(
    board: str,
    guest: pathlib.Path,
    disks: list[Disk],
    options: dict,
    *,
    legacy: bool = False,
    ram_file: pathlib.Path | None = None,
) -> list[str]:
    """
    The QEMU command line: no firmware, no network, no display; the guest's console is QEMU's standard output, and its
    exit code QEMU's. ram_file makes the guest's memory a file that others can map: daemons need that.
    """
    program, *machine = BOARDS[board]["qemu"]
    line = [require(program, BOARDS[board]["packages"]), *machine, "-accel", "tcg", "-m", "64M"]
    line += ["-nodefaults", "-display", "none", "-no-reboot"]
    if ram_file:
        line += [
            "-object",
            f"memory-backend-file,id=ram,size=64M,share=on,mem-path={_escape(ram_file)}",
            "-machine",
            "memory-backend=ram",
        ]
    words = ",".join(f"arg={word}" for word in ["guest", *(f"{key}={value}" for key, value in options.items())])
    line += [
        "-chardev",
        "stdio,id=console,signal=off",
        "-semihosting-config",
        f"enable=on,target=native,chardev=console,{words}",
    ]
    line += ["-global", f"virtio-mmio.force-legacy={'on' if legacy else 'off'}"]
    for n, disk in enumerate(disks):
        line += _vhost_user_disk(n, disk) if disk.socket else _qemu_disk(n, disk, legacy)
    return [*line, "-kernel", str(guest)]


def _qemu_disk(n: int, disk: Disk, legacy: bool) -> list[str]:
    device = {
        "driver": "virtio-blk-device",
        "drive": f"disk{n}",
        "bus": f"virtio-mmio-bus.{n}",
        "rerror": "report",
        "werror": "report",
    }
    if not legacy:
        device["iommu_platform"] = True  # the device offers ACCESS_PLATFORM, as it does to a confidential guest
    return [
        "-blockdev",
        json.dumps({"node-name": f"disk{n}", **disk.block}),
        "-device",
        json.dumps({**device, **disk.properties}),
    ]


def _vhost_user_disk(n: int, disk: Disk) -> list[str]:
    device = {"driver": "vhost-user-blk", "chardev": f"daemon{n}", "bus": f"virtio-mmio-bus.{n}"}
    return [
        "-chardev",
        f"socket,id=daemon{n},path={_escape(disk.socket)},reconnect=1",
        "-device",
        json.dumps({**device, **disk.properties}),
    ]


def _escape(path: pathlib.Path) -> str:
    return str(path).replace(",", ",,")


@dataclasses.dataclass
class Run:
    """What a machine said, and how it ended."""

    records: list[dict]  # one per line of JSON, in order
    noise: str  # what else came, from the guest or from QEMU
    code: int  # of QEMU, which is the guest's unless QEMU gave up first
    seconds: float
    timed_out: bool

    def every(self, key: str) -> list:
        """The values of all records of one kind."""
        return [record[key] for record in self.records if key in record]

    @property
    def failure(self) -> dict | None:
        """What the guest says went wrong."""
        return next(iter(self.every("failure")), None)


def run(line: list[str], timeout: float, on_record: Callable[[dict], None] = lambda record: None) -> Run:
    """Run a machine until it ends, or end it after timeout seconds. on_record sees each record as it comes."""
    records: list[dict] = []
    noise: list[str] = []
    started = time.monotonic()
    timed_out = threading.Event()
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):

        def stop() -> None:
            timed_out.set()
            _kill(process)

        alarm = threading.Timer(timeout, stop)
        alarm.start()
        try:
            for text in process.stdout:
                record = _record(text)
                if record is None:
                    noise.append(text)
                else:
                    records.append(record)
                    on_record(record)
            process.wait()
        finally:
            alarm.cancel()
            _kill(process)
        complaints.seek(0)
        noise.append(complaints.read())
    return Run(records, "".join(noise).strip(), process.returncode, time.monotonic() - started, timed_out.is_set())


def _record(text: str) -> dict | None:
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _kill(process: subprocess.Popen) -> None:
    """End a process and all that it started, unless it has ended."""
    if process.returncode is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
