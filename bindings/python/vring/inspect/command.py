# SPDX-License-Identifier: MIT
"""``python -m vring inspect``: the snapshots of a file in the terminal, as pictures, or as a page to step through."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import Record, SnapshotError, draw, draw_heat, draw_text, read
from .page import Step, draw_page


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``inspect`` to the commands of ``python -m vring``."""
    text = "show the snapshots in a file: in the terminal, unless told to draw"
    parser = commands.add_parser("inspect", help=text, description=text)
    parser.add_argument("file", help="lines of JSON among others, such as a console's log; - is standard input")
    parser.add_argument(
        "--svg", type=Path, metavar="FOLDER", help="draw each as a picture; of pools also slots over time"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page to step through all of them")
    parser.set_defaults(run=_inspect, errors=(SnapshotError, OSError))


def _inspect(options: argparse.Namespace) -> None:
    log = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    snapshots = list(read(log.decode("utf-8", "replace").splitlines()))  # a serial line may bring any byte
    if not snapshots:
        raise SnapshotError(f"no snapshot in {options.file}")
    if options.svg:
        for path in write_pictures(snapshots, options.svg):
            print(path)
    if options.html:
        options.html.write_text(draw_page(f"{options.file}: {len(snapshots)} snapshots", _steps(snapshots)), "utf-8")
        print(options.html)
    if not options.svg and not options.html:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        for snapshot in snapshots:
            print(draw_text(snapshot, colour=colour, width=shutil.get_terminal_size().columns))


def write_pictures(snapshots: Sequence[Record], folder: Path) -> list[Path]:
    """A picture of each snapshot, and one over time of each pool that has several. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for n, snapshot in enumerate(snapshots):
        written.append(folder / f"{n}-{_stem(snapshot)}.svg")
        written[-1].write_text(draw(snapshot), "utf-8")
    pools: dict[str, list[Record]] = {}
    for snapshot in snapshots:
        if "bounce-snapshot" in snapshot:
            pools.setdefault(str(snapshot.get("name")), []).append(snapshot)
    for records in pools.values():
        if len(records) > 1:
            written.append(folder / f"{_stem(records[0])}-over-time.svg")
            written[-1].write_text(draw_heat(records), "utf-8")
    return written


def _stem(snapshot: Record) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", str(snapshot.get("name", ""))).strip("-") or "snapshot"


def _steps(snapshots: Sequence[Record]) -> list[Step]:
    """Each snapshot is a step, in which the others are as they were last seen."""
    steps: list[Step] = []
    last: dict[str, Record] = {}
    for n, snapshot in enumerate(snapshots):
        name = str(snapshot.get("name"))
        last[name] = snapshot
        steps.append(Step(f"snapshot {n}: {name}", list(last.values())))
    return steps
