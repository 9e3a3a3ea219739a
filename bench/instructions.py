#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs bench_instructions under callgrind and prints its results with the counts in them, and what of them is whose.

instructions.py build/bench/bench/bench_instructions [--commit=TEXT] [FILE...]
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

#: A verb of the library as its callers know it. Batches, runs and tables are ways of the same.
VERB = re.compile(
    r"vring_(?:split|packed)_(driver|device)_(add_avail|get_avail|add_used|get_used|publish|add_indirect)"
)
#: What calls it: in the benchmark, for one verb may call another.
CALLER = "(anonymous namespace)::"


def counts(folder: Path) -> dict[tuple[int, int], Counter[str]]:
    """The instructions of every dump, by line and batches: of all, as "", and of each verb with what it calls."""
    found = {}
    for dump in folder.glob("out.*"):
        text = dump.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (\d+)/(\d+)$", text, re.M)
        total = re.search(r"^totals: (\d+)$", text, re.M)
        if name and total:
            found[int(name[1]), int(name[2])] = Counter({"": int(total[1])}) + of_verbs(text)
    return found


def of_verbs(dump: str) -> Counter[str]:
    """The instructions of the verbs that the benchmark calls, in callgrind's format: "driver publish" and so on."""
    names: dict[str, str] = {}
    found: Counter[str] = Counter()
    caller = called = ""
    lines = iter(dump.splitlines())
    for line in lines:
        if named := re.match(r"(c?)fn=(\(\d+\))(?: (.*))?$", line):
            name = names.setdefault(named[2], named[3] or "")
            caller, called = (caller, name) if named[1] else (name, "")
        elif line.startswith("calls=") and (verb := VERB.match(called)) and caller.startswith(CALLER):
            found[f"{verb[1]} {verb[2].replace('add_indirect', 'add_avail')}"] += int(next(lines).split()[-1])
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", "-q", *sys.argv[1:]]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        counted = counts(Path(folder))
    for line, text in enumerate(done.stdout.splitlines()):
        result = json.loads(text)
        buffers, params = result["median"], result["params"]
        for verb, more in (counted[line, 48] - counted[line, 16]).items():
            if verb:
                result["bench"], result["params"] = "ring.verb_instructions", {**params, "verb": verb}
            result.update(dict.fromkeys(("median", "low", "high", "min", "max"), round(more / buffers, 2)))
            print(json.dumps(result))


if __name__ == "__main__":
    main()
