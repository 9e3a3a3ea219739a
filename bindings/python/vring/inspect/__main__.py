# SPDX-License-Identifier: MIT
"""Writes the pictures of all snapshots in a file: ``python -m vring.inspect FILE [--out FOLDER]``."""

from __future__ import annotations

import argparse
import pathlib
import re
import sys

from . import SnapshotError, draw, read


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m vring.inspect", description=__doc__)
    parser.add_argument("file", help="lines of JSON; - reads standard input")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="folder for the pictures")
    options = parser.parse_args()
    try:
        text = sys.stdin.read() if options.file == "-" else pathlib.Path(options.file).read_text("utf-8")
        snapshots = list(read(text.splitlines()))
        if not snapshots:
            raise SnapshotError(f"no snapshot in {options.file}")
        options.out.mkdir(parents=True, exist_ok=True)
        for n, snapshot in enumerate(snapshots):
            stem = re.sub(r"[^A-Za-z0-9]+", "-", str(snapshot.get("name", "snapshot"))).strip("-") or "snapshot"
            path = options.out / f"{n}-{stem}.svg"
            path.write_text(draw(snapshot), "utf-8")
            print(path)
    except (OSError, SnapshotError) as error:
        print(f"vring.inspect: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
