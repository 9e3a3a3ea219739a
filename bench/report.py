#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a page of Markdown of the results that the benchmarks print as lines of JSON.

    report.py build/bench/*.jsonl > docs/performance.md
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Result = dict[str, Any]

INTRODUCTION = """\
# Performance

Made by `bench/report.py` from what this printed; no number was typed:

```sh
./run bench
```

{machine} Compiler: {compiler}, flags `{flags}`. Commit: {commit}.

**What to trust.** The machine was virtual, with two cores, and shared with other work while this ran. Times swing by
half and more with the neighbours; so every table has the median of the rounds with the least and the most, and a claim
rests on ratios of two things taken in the same round, or on counted instructions, which do not swing at all. No other
implementation is measured here, so nothing here says how these libraries compare with one.
"""

RINGS = """\
## A buffer through a ring

Driver add and publish, device get, add_used and publish, driver get, in one thread; per buffer, and publish once per
batch. No byte of the buffers is touched, both sides have said that they want no notifications, all checks are on.

*Twin* is the time of the same build from another file over that of the first: 1 but for noise, and no difference
smaller than its distance from 1 means anything. *Price of checks* is the time over that of a build which believes
whatever the peer wrote (`VRING_ASSUME_HONEST_PEER`). Instructions are callgrind's, with that build's in parentheses; a
few of each buffer's are the benchmark's own loop.
"""

SIDES = """\
## Each side by itself

As above with batches of 256, in nanoseconds per buffer; the clock is read between the sides, once per batch.
"""

PLACES = """\
## A place in a bounce pool

`bounce_map()` and `bounce_unmap()` of one buffer, no data copied and slots not cleared on unmap, in nanoseconds; beside
it, after the slash, the plain slot walk of the tests, which chooses the same slots. The walk is a statement of the rule
and not a competitor: it keeps one byte per slot, and no handles, counts or locks. Occupied slots are a random choice of
single ones. 512 bytes include clearing the 1536 that share the slot. *None*: no place for so much, and the time is that
of finding out.
"""

THREADS = """\
## Two threads on a bounce pool

Map and unmap of 4096 bytes in a half full pool of 32768 slots, wall-clock time over the mappings of all threads. The
second thread's gain is the time of one thread over that of two, taken round by round: 2 would be linear. Two threads
need both cores, so other work on them takes from the gain; the least times are those of the quietest rounds.
"""


def number(value: float) -> str:
    """Three digits, and no more."""
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(result: Result) -> str:
    return f"{number(result['median'])} ({number(result['min'])}–{number(result['max'])})"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines) + "\n"


class Results:
    def __init__(self, results: list[Result]) -> None:
        self.all = results

    def of(self, bench: str, **params: Any) -> list[Result]:
        """The results of a bench with these parameters, in the order in which they came."""
        return [r for r in self.all if r["bench"] == bench and params.items() <= r["params"].items()]

    def one(self, bench: str, **params: Any) -> Result | None:
        found = self.of(bench, **params)
        return found[-1] if found else None


def introduction(results: Results) -> str:
    """Says where the results come from, each way that occurs."""

    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(str(r[key]).strip() for r in results.all))

    machine = f"CPU: {values('cpu')}."
    fence = results.one("machine.store_and_full_fence")
    multiply = results.one("machine.dependent_multiplication")
    if fence and multiply:
        machine += f" A store and a full fence: {spread(fence)} ns; a multiplication that waits for another: "
        machine += f"{spread(multiply)} ns."
    return INTRODUCTION.format(machine=machine, **{key: values(key) for key in ("compiler", "flags", "commit")})


def ring_name(params: dict[str, Any]) -> str:
    pieces = "piece" if params["chain"] == 1 else "pieces"
    features = [name for name in ("event_idx", "indirect", "in_order") if params[name]]
    return ", ".join([f"{params['format']}, {params['chain']} {pieces}, batch {params['batch']}", *features])


def rings(results: Results) -> str:
    pairs = results.of("ring.pair", build="checked")
    if not pairs:
        return ""
    rows = []
    for pair in pairs:
        params = {key: value for key, value in pair["params"].items() if key != "build"}
        row = [ring_name(params), spread(pair)]
        twin, honest = (results.one("ring.to_checked", **params, build=build) for build in ("twin", "honest"))
        row.append(f"{twin['median']:.3f}" if twin else "")
        row.append(f"{1 / honest['median']:.3f}" if honest else "")
        counted = [results.one("ring.instructions", **params, build=build) for build in ("checked", "honest")]
        row.append(" ".join(f"({c['median']:.0f})" if i else f"{c['median']:.0f}" for i, c in enumerate(counted) if c))
        rows.append(row)
    head = ["ring", f"ns per buffer, {pairs[0]['rounds']} rounds", "twin", "price of checks", "instructions"]
    return RINGS + "\n" + table(head, rows)


def sides(results: Results) -> str:
    benches = ("ring.sides.driver_gives", "ring.sides.device", "ring.sides.driver_takes")
    rows = []
    for first in results.of(benches[0]):
        others = [results.one(bench, **first["params"]) for bench in benches]
        rows.append([ring_name(first["params"]), *(spread(other) for other in others if other)])
    if not rows:
        return ""
    return SIDES + "\n" + table(["ring", "driver gives", "device", "driver takes"], rows)


def places(results: Results) -> str:
    text = ""
    found = results.of("bounce.place")
    for slots in dict.fromkeys(r["params"]["slots"] for r in found):
        sizes = list(dict.fromkeys(r["params"]["size"] for r in found))
        rows = []
        for occupied in dict.fromkeys(r["params"]["occupied_percent"] for r in found):
            row = [f"{occupied} %"]
            for size in sizes:
                where = {"slots": slots, "occupied_percent": occupied, "size": size}
                ours, walk = (results.one("bounce.place", **where, way=way) for way in ("pool", "walk"))
                if ours and walk:
                    none = "" if ours["params"]["fits"] else "None: "
                    row.append(f"{none}{spread(ours)} / {number(walk['median'])}")
            rows.append(row)
        text += f"### {slots} slots, {found[0]['rounds']} rounds\n\n"
        text += table([f"occupied of {slots}", *(f"{size} bytes" for size in sizes)], rows)
    return PLACES + "\n" + text if text else ""


def threads(results: Results) -> str:
    rows = []
    for gain in results.of("bounce.gain_of_second_thread"):
        areas = gain["params"]["areas"]
        times = [results.one("bounce.threads", areas=areas, threads=count) for count in (1, 2)]
        rows.append([str(areas), *(spread(time) for time in times if time), spread(gain)])
    if not rows:
        return ""
    return THREADS + "\n" + table(["areas", "1 thread, ns", "2 threads, ns", "gain"], rows)


def main() -> None:
    lines = [line for path in sys.argv[1:] for line in Path(path).read_text().splitlines()]
    results = Results([json.loads(line) for line in lines])
    if not results.all:
        sys.exit("report.py: no results")
    parts = [introduction(results), rings(results), sides(results), places(results), threads(results)]
    print("\n".join(part.rstrip("\n") + "\n" for part in parts if part), end="")


if __name__ == "__main__":
    main()
