#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs bench_instructions under callgrind and prints its results with the counts in them.

instructions.py build/bench/bench/bench_instructions [--commit=TEXT] [FILE...]
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def counts(folder: Path) -> dict[tuple[int, int], int]:
    """The instructions of every dump, by line and batches."""
    found = {}
    for dump in folder.glob("out.*"):
        text = dump.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (\d+)/(\d+)$", text, re.M)
        total = re.search(r"^totals: (\d+)$", text, re.M)
        if name and total:
            found[int(name[1]), int(name[2])] = int(total[1])
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", "-q", *sys.argv[1:]]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        counted = counts(Path(folder))
    for line, text in enumerate(done.stdout.splitlines()):
        result = json.loads(text)
        per_buffer = round((counted[line, 48] - counted[line, 16]) / result["median"], 2)
        result.update(dict.fromkeys(("median", "low", "high", "min", "max"), per_buffer))
        print(json.dumps(result))


if __name__ == "__main__":
    main()
