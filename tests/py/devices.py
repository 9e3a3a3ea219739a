# SPDX-License-Identifier: MIT
"""Real devices for the tests: somebody else's programs, which know nothing of ours."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def qemu_storage_daemon(image: Path, socket: Path, *, writable: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU's virtio-blk behind ``socket``, over the raw disk ``image``."""
    command: list[str | Path] = [
        "qemu-storage-daemon",
        *("--blockdev", f"driver=file,node-name=file,filename={image}"),
        *("--blockdev", "driver=raw,node-name=disk,file=file"),
        *(
            "--export",
            f"type=vhost-user-blk,id=export,node-name=disk,writable={'on' if writable else 'off'},"
            f"addr.type=unix,addr.path={socket}",
        ),
    ]
    with _running(command, socket) as process:
        yield process


@contextlib.contextmanager
def dpdk_testpmd(socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """DPDK's vhost network device behind ``socket``: every packet sent comes back as it was. No NIC, no huge pages."""
    command: list[str | Path] = [
        "dpdk-testpmd",
        *("--no-huge", "-m", "512", "--no-pci", f"--file-prefix=vring-{socket.parent.name}", "-l", "0-1"),
        *("--vdev", f"net_vhost0,iface={socket},queues=1"),
        *("--", "--total-num-mbufs=4096", "--auto-start", "--stats-period=5"),  # statistics, or it would read commands
        *("--forward-mode=io", "--port-topology=loop"),
    ]
    with _running(command, socket) as process:
        yield process


@contextlib.contextmanager
def _running(command: list[str | Path], socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = socket.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 30
        while not socket.exists():
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}:\n{log.read_text()}"
            assert time.monotonic() < end, f"{command[0]} made no socket within 30 s:\n{log.read_text()}"
            time.sleep(0.02)
        yield process
        assert process.poll() in (None, -signal.SIGKILL), f"{command[0]} did not survive the test:\n{log.read_text()}"
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
