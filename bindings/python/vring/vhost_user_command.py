# SPDX-License-Identifier: MIT
"""``python -m vring blk``: read, write and time a disk behind a vhost-user socket."""

import argparse
import math
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vring.arguments import size
from vring.errors import VringError
from vring.features import Feature
from vring.vhost_user import VhostUserError
from vring.vhost_user_blk import SECTOR, Disk, DiskError, RequestKind

__all__ = ["add_parser"]

STEP = 1 << 20  # bytes read or written at a time


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``blk`` to the commands of ``python -m vring``."""
    parser = commands.add_parser("blk", help="read, write or time a disk behind a vhost-user socket")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="read|write|bench")

    read = _verb(verbs, "read", "copy from the disk to a file", _read)
    read.add_argument("--offset", type=size, default=0, help="first byte; sizes may end in k, M or G")
    read.add_argument("--size", type=size, help="bytes; all that there are unless told")
    read.add_argument("--output", default="-", metavar="FILE", help="standard output unless told")

    write = _verb(verbs, "write", "copy a file to the disk, and flush", _write)
    write.add_argument("file", help="- is standard input")
    write.add_argument("--offset", type=size, default=0, help="first byte; sizes may end in k, M or G")

    bench = _verb(verbs, "bench", "read at random places as fast as it goes; writes nothing", _bench)
    bench.add_argument("--seconds", type=float, default=2.0)
    bench.add_argument("--depth", type=int, default=16, help="requests in flight")
    bench.add_argument("--size", type=size, default=4096, help="bytes of each request")
    bench.add_argument("--packed", action="store_true", help="over a packed ring, if the device knows them")
    bench.add_argument("--no-event-idx", action="store_true", help="do without event indices")
    bench.add_argument("--no-indirect", action="store_true", help="do without indirect descriptors")


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: object
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("socket", help="where the device listens")
    parser.set_defaults(run=run, errors=(VhostUserError, DiskError, VringError, ValueError, OSError))
    return parser


@contextmanager
def _opened(name: str, mode: str, standard: BinaryIO) -> Iterator[BinaryIO]:
    if name == "-":
        yield standard
        return
    with Path(name).open(mode) as file:
        yield file  # type: ignore[misc]  # opened in a binary mode


@contextmanager
def _written(name: str) -> Iterator[BinaryIO]:
    """What takes the place of a file once all of it is written. Until then, and if that fails, the file stays."""
    path = Path(name)
    if name == "-" or (path.exists() and not path.is_file()):  # a pipe or a device: what is written there is gone
        with _opened(name, "wb", sys.stdout.buffer) as stream:
            yield stream
            stream.flush()
        return
    place = path.resolve()
    part = place.with_name(f".vring-{os.getpid()}")
    if path.exists():
        path.open("r+b").close()  # may it be written?
    try:
        file = part.open("xb")
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None
    try:
        with file:
            yield file
        if path.exists():
            shutil.copymode(place, part)
        part.replace(place)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _read(options: argparse.Namespace) -> None:
    for option, value in (("--offset", options.offset), ("--size", options.size or 0)):
        if value < 0 or value % SECTOR:
            raise ValueError(f"{option} must be a multiple of {SECTOR} from 0 on, not {value}")
    with Disk(options.socket) as disk:
        end = max(disk.capacity, options.offset) if options.size is None else options.offset + options.size
        if end > disk.capacity:
            raise ValueError(f"{options.offset} to {end} is beyond the disk's {disk.capacity} bytes")
        if options.output == "-" and sys.stdout.isatty():
            raise ValueError("this is a terminal: name a file with --output, or pipe the bytes on")
        with _written(options.output) as file:
            for at in range(options.offset, end, STEP):
                file.write(disk.read(at, min(STEP, end - at)))


def _write(options: argparse.Namespace) -> None:
    with _opened(options.file, "rb", sys.stdin.buffer) as file, Disk(options.socket) as disk:
        at = options.offset
        while data := file.read(STEP):
            if len(data) % SECTOR:
                raise ValueError(f"{options.file} has {at - options.offset + len(data)} bytes; a disk takes {SECTOR}s")
            disk.write(at, data)
            at += len(data)
        disk.flush()


def _bench(options: argparse.Namespace) -> None:
    features = Feature.VERSION_1
    features |= Feature(0) if options.no_event_idx else Feature.EVENT_IDX
    features |= Feature(0) if options.no_indirect else Feature.INDIRECT_DESC
    features |= Feature.RING_PACKED if options.packed else Feature(0)
    if options.seconds <= 0:
        raise ValueError(f"--seconds must be positive, not {options.seconds:g}")
    with Disk(options.socket, depth=options.depth, request_size=options.size, features=features) as disk:
        if options.packed and not disk.features & Feature.RING_PACKED:
            raise ValueError("the device has no packed rings")
        places = disk.capacity // options.size
        if places == 0:
            raise ValueError(f"the disk has {disk.capacity} bytes, less than one request of {options.size}")
        seconds, elapsed = _read_at_random(disk, places, options)
        print(_table(disk, seconds, elapsed, options.size))


def _read_at_random(disk: Disk, places: int, options: argparse.Namespace) -> tuple[list[float], float]:
    """How long each request took, and all of them together."""
    lot, sectors = random.Random(1), options.size // SECTOR
    seconds: list[float] = []
    start = time.perf_counter()
    end = start + options.seconds
    while True:
        while time.perf_counter() < end and disk.submit(
            RequestKind.READ, lot.randrange(places) * sectors, size=options.size
        ):
            pass
        disk.queue.publish()
        if not disk.queue.driver.in_flight:
            return seconds, time.perf_counter() - start
        done = disk.completed(timeout=disk.timeout)
        if not done:
            raise VhostUserError(f"{options.socket}: no request has completed within {disk.timeout:g} s")
        for request in done:
            if request.status:
                raise DiskError(f"{request}: the device answered with status {request.status}")
            seconds.append(request.seconds)


def _table(disk: Disk, seconds: list[float], elapsed: float, size: int) -> str:
    seconds.sort()
    count = len(seconds)
    at = [seconds[min(count - 1, math.ceil(count * part) - 1)] * 1e6 for part in (0.5, 0.99)]
    ring = " ".join(name for name in ("EVENT_IDX", "INDIRECT_DESC") if disk.features & Feature[name])
    form = "packed" if disk.queue.driver.packed else "split"
    rows = [
        ("disk", f"{disk.capacity / (1 << 20):,.1f} MiB, {disk.identify()}"),
        (
            "ring",
            f"{form}, {disk.queue.driver.areas.size} descriptors, {ring or 'neither EVENT_IDX nor INDIRECT_DESC'}",
        ),
        ("requests", f"{count:,} reads of {size:,} bytes in {elapsed:.2f} s, {disk.depth} in flight"),
        ("rate", f"{count / elapsed:,.0f} per second, {count * size / elapsed / (1 << 20):,.1f} MiB/s"),
        ("latency", f"{at[0]:,.0f} us median, {at[1]:,.0f} us for 99 of 100, {seconds[-1] * 1e6:,.0f} us at most"),
        ("notified", f"{disk.queue.kicks:,} times the device, {disk.queue.calls:,} times the driver"),
    ]
    return "\n".join(f"{name:<9} {text}" for name, text in rows)
