#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
A bare-metal guest copies a disk image through QEMU's virtio-blk, with libvring and libbounce; this is its host.

The guest reads IMAGE (it is opened read-only), writes a second disk, reads that back, and reports the SHA-256 of what
it saw. Here the digests are compared with those of the files, and pictures are drawn of the ring and of the bounce pool
as they were half way. Without IMAGE, a small ext4 image with the files of this repository is made.

Needs Python 3.10 and, on Debian: cmake ninja-build gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf e2fsprogs
qemu-system-misc (Debian 13: qemu-system-riscv). Exit code: 0; the guest's own (see enum outcome in guest/report.h); 1
if QEMU or this program failed; 3 if the digests differ; 4 if the guest did not end in time.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import importlib.util
import json
import pathlib
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile

import machine
from machine import Disk, Problem, raw_file

ROOT = machine.HERE.parent.parent
SECTOR = 512
FAILED, DIGESTS_DIFFER, TOO_SLOW, INTERRUPTED = 1, 3, 4, 130
OURS = "README.md LICENSE CHANGELOG.md CMakeLists.txt include lib bindings tests bench docs examples".split()


def load_inspect():
    """The module vring.inspect from the source tree: it needs neither an installation nor the extension module."""
    folder = ROOT / "bindings" / "python" / "vring" / "inspect"
    spec = importlib.util.spec_from_file_location(
        "vring_inspect", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# ----------------------------------------------------------------------------------------------------------- images ---


def no_file_of_ours(folder: str, names: list[str]) -> list[str]:
    """What was made, and what is neither file nor folder: sockets that a program left behind."""
    made = fnmatch.filter(names, ".*") + fnmatch.filter(names, "*.egg-info") + ["build", "__pycache__"]
    paths = (pathlib.Path(folder) / name for name in names)
    return made + [path.name for path in paths if not path.is_file() and not path.is_dir()]


def default_image(path: pathlib.Path) -> pathlib.Path:
    """An ext4 file system with the sources of this repository, whatever else lies beside them."""
    mke2fs = machine.require("mke2fs", "e2fsprogs")
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        files = pathlib.Path(scratch) / "files"
        files.mkdir()
        for ours in (ROOT / name for name in OURS):  # an archive may lack some
            if ours.is_dir():
                shutil.copytree(ours, files / ours.name, ignore=no_file_of_ours)
            elif ours.is_file():
                shutil.copy(ours, files)
        done = subprocess.run(
            [mke2fs, "-q", "-t", "ext4", "-L", "vring", "-d", files, "-F", path, "24M"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if done.returncode != 0:
        raise Problem(f"mke2fs could not make the default image: {done.stdout.strip()}")
    return path


def image_size(path: pathlib.Path) -> int:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            raise Problem(f"{path} is neither a file nor a block device")
        with open(path, "rb") as image:
            size = image.seek(0, 2)
    except OSError as error:
        raise Problem(f"the image {path} cannot be read: {error.strerror}") from None
    if size == 0:
        raise Problem(f"the image {path} is empty: there is nothing to copy")
    return size


def empty_copy(path: pathlib.Path, image: pathlib.Path, size: int) -> pathlib.Path:
    """The second disk: a new file, all holes, as long as the image in whole sectors."""
    if path.exists() and path.samefile(image):
        raise Problem(f"{path} is where the copy goes: the image must be another file, or choose another --out")
    path.unlink(missing_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise Problem(f"the copy needs {size:,} bytes and {path.parent} has {free:,} left: choose another --out")
    with open(path, "wb") as copy:
        copy.truncate(-(-size // SECTOR) * SECTOR)
    return path


def sha256(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# ----------------------------------------------------------------------------------------------------------- faults ---


def fault_rule(io_type: str, sector: int) -> dict:
    return {"event": "none", "iotype": io_type, "errno": 5, "sector": sector, "immediately": False}


def with_errors(disk: Disk, io_type: str, sector: int) -> Disk:
    """The disk with QEMU's blkdebug in between: one kind of access to one sector fails."""
    block = {
        **disk.block,
        "file": {
            "driver": "blkdebug",
            "image": disk.block["file"],
            "read-only": disk.block["read-only"],
            "inject-error": [fault_rule(io_type, sector)],
        },
    }
    return Disk(block, disk.properties)


def silent(size: int) -> Disk:
    """A disk that takes requests and answers none. Without a geometry QEMU would read the disk to guess one."""
    whole_sectors = -(-size // SECTOR) * SECTOR
    return Disk(
        {"driver": "null-co", "size": whole_sectors, "latency-ns": 10**18, "read-zeroes": True},
        {"cyls": 16, "heads": 2, "secs": 32},
    )


def half(disk: Disk, size: int) -> Disk:
    return Disk({**disk.block, "size": max(size // 2 // SECTOR * SECTOR, 0)}, disk.properties)


FAULTS = {
    "read-error": "an I/O error from reading the image",
    "write-error": "an I/O error from writing the copy",
    "flush-error": "an I/O error from the flush",
    "silent": "a disk that never answers",
    "small-copy": "a second disk that is too small",
    "small-image": "a first disk that is smaller than announced",
    "read-only-copy": "a second disk that cannot be written",
    "one-disk": "no second disk",
    "no-disk": "no disk at all",
    "legacy": "devices that speak the legacy interface only",
    "leak": "a driver that shows the device a private buffer",
}


def disks_with_fault(fault: str | None, image: Disk, copy: Disk, size: int) -> list[Disk]:
    if fault == "read-error":
        image = with_errors(image, "read", size // SECTOR // 2)
    elif fault == "write-error":
        copy = with_errors(copy, "write", size // SECTOR // 2)
    elif fault == "flush-error":
        copy = Disk(
            {
                **copy.block,
                "file": {
                    "driver": "blkdebug",
                    "image": copy.block["file"],
                    "inject-error": [{"event": "none", "iotype": "flush", "errno": 5}],
                },
            }
        )
    elif fault == "silent":
        image = silent(size)
    elif fault == "small-copy":
        copy = half(copy, size)
    elif fault == "small-image":
        image = half(image, size)
    elif fault == "read-only-copy":
        copy = Disk({**copy.block, "read-only": True})
    elif fault == "one-disk":
        return [image]
    elif fault == "no-disk":
        return []
    return [image, copy]


# ----------------------------------------------------------------------------------------------------------- report ---


def amount(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            break
        size /= 1024
    else:
        unit = "GiB"
    return f"{size:,.1f} {unit}" if unit != "bytes" else f"{size} bytes"


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def print_table(result: dict, passes: list[dict], seconds: float) -> None:
    disks = result["disks"]

    def row(label: str, *cells: str) -> None:
        print(f"  {label:<30}" + "".join(f"{cell:>16}" for cell in cells))

    row("", *(disk["name"] for disk in disks), "both")
    for label, value in [
        ("bytes read", lambda d: amount(d["read"])),
        ("bytes written", lambda d: amount(d["written"])),
        ("requests", lambda d: f"{d['requests']:,}"),
        ("  listed in the ring", lambda d: f"{d['direct']:,}"),
        ("  listed in a table", lambda d: f"{d['indirect']:,}"),
        ("  in flight at most", lambda d: f"{d['most_in_flight']:,}"),
        ("notifications sent", lambda d: f"{d['notifications']:,}"),
        ("  suppressed by batching", lambda d: f"{d['requests'] - d['publishes']:,}"),
        ("  suppressed by EVENT_IDX", lambda d: f"{d['publishes'] - d['notifications']:,}"),
        ("notifications received", lambda d: f"{d['interrupts']:,}"),
        ("  suppressed", lambda d: f"{d['requests'] - d['interrupts']:,}"),
    ]:
        both = {key: sum(d[key] for d in disks if "flight" not in key) for key in disks[0] if key != "name"}
        row(label, *(value(d) for d in disks), "" if "flight" in label else value(both))
    print()
    high, slots = result["slots_high_water"], result["slots"]
    left = result["slots_used"]
    print(f"  bounce slots   {high:,} of {slots:,} used at most ({percent(high, slots)}), {left} left over")
    for one in passes:
        seconds_taken = max(one["us"], 1) / 1e6
        rate = amount(round(one["bytes"] / seconds_taken))
        print(f"  {one['name']:<14} {amount(one['bytes'])} in {seconds_taken:.2f} s, {rate}/s, SHA-256 included")
    print(f"  elapsed        {result['us'] / 1e6:.2f} s by the guest's clock, {seconds:.2f} s with QEMU's start")
    print()


def judge_digests(image: pathlib.Path, copy: pathlib.Path, passes: list[dict]) -> bool:
    """Compare what the guest saw with what the files hold."""
    expected = sha256(image)
    digests = [(f"sha256sum {image.name}", expected), (f"sha256sum {copy.name}", sha256(copy))]
    digests += [(f"guest, {one['name']}", one["sha256"]) for one in passes]
    for label, digest in digests:
        print(f"  {digest}  {label}{'' if digest == expected else '   <- differs'}")
    print()
    return all(digest == expected for _, digest in digests) and len(passes) == 2


def private_addresses(run: machine.Run, inspect) -> tuple[int, list[int]]:
    """How many buffers the snapshots show to the device, and the addresses of those outside shared memory."""
    seen, outside = 0, []
    for snapshot in run.records:
        if "vring-snapshot" not in snapshot:
            continue
        for address, length in inspect.visible_buffers(snapshot):
            seen += 1
            if not any(
                part["addr"] <= address and address + length <= part["addr"] + part["size"]
                for part in snapshot["shared"]
            ):
                outside.append(address)
    return seen, outside


def draw(run: machine.Run, out: pathlib.Path, inspect) -> list[pathlib.Path]:
    rings = [record for record in run.records if "vring-snapshot" in record]
    pools = [record for record in run.records if "bounce-snapshot" in record]
    pictures = {"ring.svg": rings[:1], "ring-copy.svg": rings[1:2], "bounce.svg": pools[:1]}
    (out / "snapshots.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rings + pools), "utf-8")
    drawn = []
    for name, snapshots in pictures.items():
        for snapshot in snapshots:
            (out / name).write_text(inspect.draw(snapshot), encoding="utf-8")
            drawn.append(out / name)
    return drawn


def show_progress(record: dict) -> None:
    if "progress" in record and sys.stdout.isatty():
        progress = record["progress"]
        print(f"\r  {progress['name']}: {percent(progress['bytes'], progress['of'])} ", end="\r", flush=True)


# ------------------------------------------------------------------------------------------------------------- main ---


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", type=pathlib.Path, metavar="IMAGE", help="a disk image, or any other file")
    parser.add_argument("--board", choices=machine.BOARDS, default="riscv64")
    parser.add_argument("--packed", action="store_true", help="disks with packed rings; split ones unless told")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "demo", help="folder for what is made")
    parser.add_argument("--depth", type=int, default=32, help="chunks of 64 KiB under way at most: 1 to 32")
    parser.add_argument("--slots", type=int, default=1536, help="slots of the bounce pool: 1 to 4096")
    parser.add_argument("--patience", type=float, default=5, help="seconds after which a silent disk counts as dead")
    parser.add_argument("--timeout", type=float, help="seconds after which QEMU is ended; default: 60, and 1 per MiB")
    parser.add_argument("--fault", choices=FAULTS, help="; ".join(f"{name}: {what}" for name, what in FAULTS.items()))
    parser.add_argument("-v", "--verbose", action="store_true", help="print the command line of QEMU")
    return parser.parse_args()


def explain_failure(run: machine.Run, timeout: float) -> int:
    """Say why a run did not end well. Returns the exit code."""
    if run.timed_out:
        print(f"FAIL: the guest did not end within {timeout:.0f} s, and was ended", file=sys.stderr)
        return TOO_SLOW
    if run.failure:
        print(f"FAIL: {run.failure['text']} (exit code {run.failure['code']})", file=sys.stderr)
        return run.failure["code"]
    what = "ended before the guest did" if run.records else "did not start the guest"
    print(f"FAIL: QEMU {what} (exit code {run.code}): {run.noise or 'it gave no reason'}", file=sys.stderr)
    return run.code if run.code > 0 else FAILED


def demo(options: argparse.Namespace) -> int:
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    inspect = load_inspect()
    guest = machine.build(
        options.board, out / f"guest-{options.board}", "guest-leaky" if options.fault == "leak" else "guest"
    )
    image = options.image or default_image(out / "image.ext4")
    size = image_size(image)
    copy = empty_copy(out / "copy.img", image, size)
    disks = disks_with_fault(options.fault, Disk(raw_file(image, True)), Disk(raw_file(copy, False)), size)
    for disk in disks:
        disk.properties = {**disk.properties, "packed": options.packed}
    line = machine.command(
        options.board,
        guest,
        disks,
        legacy=options.fault == "legacy",
        options={
            "bytes": size,
            "depth": options.depth,
            "slots": options.slots,
            "patience-ms": round(options.patience * 1000),
        },
    )
    timeout = options.timeout or 60 + size / 2**20

    (out / "qemu.sh").write_text(shlex.join(line) + "\n", encoding="utf-8")
    print(f"  {image}: {size:,} bytes" + ("" if options.image else ", made of the files of this repository"))
    if size % SECTOR:
        print(
            f"  not a whole number of sectors: QEMU pads the last one with {-size % SECTOR} zero bytes, "
            "which the digests leave out"
        )
    if options.verbose:
        print(f"  {shlex.join(line)}")
    run = machine.run(line, timeout, show_progress)
    if run.code != 0 or run.timed_out or not run.every("result"):
        return explain_failure(run, timeout)

    with open(copy, "r+b") as file:
        file.truncate(size)
    print()
    print_table(run.every("result")[0], run.every("pass"), run.seconds)
    if not judge_digests(image, copy, run.every("pass")):
        print("FAIL: the digests differ", file=sys.stderr)
        return DIGESTS_DIFFER
    seen, outside = private_addresses(run, inspect)
    if outside or not (seen or options.packed):  # of a packed ring all descriptors may have been written over
        print(f"FAIL: the device was shown {seen} buffers, {len(outside)} of them in private memory", file=sys.stderr)
        return FAILED
    print(f"  {seen} buffers in the snapshots that the device could follow: all in shared memory")
    for picture in draw(run, out, inspect):
        print(f"  picture: {picture}")
    print("PASS: the guest read, wrote and read back exactly what the files hold")
    return 0


def main() -> int:
    try:
        return demo(arguments())
    except (Problem, OSError) as problem:
        print(f"FAIL: {problem}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
