#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a page of Markdown, with pictures, of the results that the benchmarks print as lines of JSON.

    report.py FOLDER build/bench/*.jsonl

FOLDER gets performance.md, and in performance/ the pictures and results.jsonl, of which alone the page can be made
again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import goals
import plots
from results import Result, Results, differs, interval, inverse, number, spread, table

INTRODUCTION = """\
# Performance

Made by `bench/report.py` from what these printed; no number was typed:

```sh
./run bench
./run bench peers
```

{machine} Compiler: {compiler}, flags `{flags}`. Commit: {commit}.

**What to trust.** The machine was virtual, with two cores, and shared with other work while this ran. Times swing by
half and more with the neighbours. So every measurement is a slice of a millisecond, all slices take turns in random
order, a ratio is taken of two slices of the same round, and {processes} processes did it all again. In each slice a
ring's sides lie somewhere else in memory: where two lines are in each other's way a buffer takes up to twice as long,
and that is luck. *a [b–c]*: the median of the processes' medians, the least and the greatest of them. *a (b–c)*: that median, the least and the most of
all rounds. Rounds count in which independent additions took within 15 % of their usual time; {rejected} did not.
A *twin* is the same build in another file: no ratio is said to differ from 1 by less than 3 %, or twice as much as the
twin's does. Counted instructions do not swing at all.
"""

GOALS = """\
## Goals

What a ring is meant to cost, and what it does. All checks are on. Ratios are ours over theirs: less is better. *Met*
and *not met* are said where all of the interval agrees. *Hand-written*: what code comes to that does the least on the
same ring and is no library (`bench/floor_sides.c`, and `bench/floor_in_order.c`), reckoned from its time over ours. Where
that misses a goal, too, it is the machine that is not the one of which the goal was set: such a goal is also told as a
multiple of hand-written code, ours here and the one it was set at. Sizes of code stand beside their goals in
[codegen.md](codegen.md#size-and-stack-of-the-library).

"""

RINGS = """\
## A buffer through a ring

Driver add and publish, device get, add_used and publish, driver get, in one thread; per buffer, and publish once per
batch. No byte of the buffers is touched, both sides have said that they want no notifications, all checks are on.

*Floor*: the time over that of hand-written code that does the least on the same ring (`bench/floor_sides.c`).
*Checks*: over a build which believes whatever the peer wrote (`VRING_ASSUME_HONEST_PEER`). *Features*: over a split
ring with the same buffers and no feature. Instructions are callgrind's, those of that build and of the floor in
parentheses; a few of each buffer's are the benchmark's own loop. A build with 64 multiplications too many per buffer
was measured at {planted} times the time: a difference is found where there is one.

![What checks and features cost](performance/prices.svg)

"""

SIDES = """\
## Each side by itself

As above with batches of 256, in nanoseconds per buffer; the clock is read between the sides, once per batch.

"""

VERBS = """\
## Where the instructions are

Of the instructions of a buffer, with all checks on, those of each verb with all that it calls, by callgrind. The
buffers of a batch share one *publish* of each side. The *rest* is the benchmark's own loop, which prepares what the
verbs are given.

"""

CORES = """\
## On two cores

A thread for the driver and one for the device, pinned to cores {cpus}. Commit: {commit}. Window 1: the time from add
to get of one buffer. Window 256 or 1024: the time per buffer with as many in flight. *Poll*: both sides look into the
ring, without notifications, and pause between two looks. *Unpaused*: they do not. *Spin*: EVENT_IDX, and a side without
work watches a doorbell, a counter in a line of its own. *Futex*: it sleeps there, in the kernel; the time is mostly the
kernel's.

What no ring can beat, measured in the same rounds:

"""

CORES_TABLE = """\
*Lines*: the time in one-way trips of a cache line ({lines} ns, a line each way). The floor is as above.

"""

PEERS = """\
## Beside other people's rings

In one thread, one process, the same memory, the same rounds. Ratios are **ours over theirs: less than 1 is less time**.
Linux {linux}: `virtio_ring.c` and `vringh.c` (memory of the kernel's own) as user-space code. virtio-queue 0.18 with
vm-memory 0.18, in three ways: pop, iter, and iter with every piece looked up in guest memory (slices). virtio-drivers
0.13. Both are built by `cargo` as they build themselves, -O3 and link-time optimisation.

Every device finds out how many bytes or pieces each buffer has, and every driver in which order they come back; the
program ends if either is wrong. Beyond that, what each does is not the same. *Ours*: judges every word of the peer,
translates every piece through a region table and hands out an array of pieces, publishes once per batch. *Linux'
driver*: checks id and state of a used buffer; publishes avail.idx per buffer. *vringh*: bounds and loops are checked,
nothing is translated; publishes used.idx per buffer. *virtio-queue*: bounds and loops are checked, every access looks
up its region; publishes used.idx per buffer; but for slices no piece is looked up. *virtio-drivers*: knows which buffer
comes back, and compares; a full fence and avail.idx per buffer. *DPDK*: its vhost library, for which every buffer is a
packet: besides the ring's work it takes a packet buffer from a pool, copies 52 bytes into it, and the buffer goes back;
so its column says how DPDK's users fare, and not what its ring costs. Its driver, virtio-user, has no call that takes
used buffers back and cannot stand here.

![Ours over theirs](performance/peers.svg)

### Whole pairs

A driver and a device; where the peer has no ring of that kind, with its plain split ring.

"""

PEER_SIDES = """\
### One side, with the floor at the other end

"""

PLACES = """\
## A place in a bounce pool

`bounce_map()` and `bounce_unmap()` of one buffer, no data copied and nothing cleared, in nanoseconds; after the slash
two others that choose the same slots. First, a slot walk that does what a kernel's pool does (`bench/counted_walk.c`):
masks and boundary of the device, areas with libbounce's lock, a count of the free slots that follow each slot, an
original, a size and padding per slot, the look-up that a copy begins with, totals by atomic operations; but it has no
handles, no owners, no checks of a request or of what is unmapped. In brackets, our time over that one's, round by
round. Then the plain slot walk of the tests, a statement of the rule and not a competitor: one byte per slot and
nothing else. Occupied slots are a random choice of single ones. *None*: no place for so much, and the time is that of
finding out.

![What a place costs, over how much is occupied](performance/places.svg)

"""

PLACES_OF_LINUX = """\
Before these two, and first in the brackets: Linux' own pool, swiotlb (`kernel/dma/swiotlb.c`, {linux}), built for user
space and set up as for a device that has a pool of its own: one area. Its lock is inline here, one compare-and-swap and
one store, and interrupts stay as they are; its copy function is called and copies nothing, as ours. It has no handles,
no owners and no checks of what is unmapped, and counts no totals, which later versions do.

"""

THREADS = """\
## Two threads on a bounce pool

Map and unmap, wall-clock time over the mappings of all threads, in nanoseconds: of one thread, and of two; then the
second thread's gain, which is the time of one over that of two, taken round by round: 2 would be linear. Each thread is
pinned to a CPU and begins at an area of its own, where there are two. Two pools share nothing whatever: what they gain
is what the machine gives, and areas of one pool can gain no more. Two threads need both cores, so other work on them
takes from the gain; the least times are those of the quietest rounds.

"""


def introduction(results: Results) -> str:
    """Says where the results come from, each way that occurs."""

    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(str(getattr(r, key)).strip() for r in results.all))

    machine = f"CPU: {values('cpu')}."
    fence = results.one("machine.store_and_full_fence")
    multiply = results.one("machine.dependent_multiplication")
    if fence and multiply:
        machine += f" A store and a full fence: {spread(fence)} ns; a multiplication that waits for another: "
        machine += f"{spread(multiply)} ns."
    timed = [r for r in results.all if r.unit != "instructions"] or results.all
    rejected = sum(r.rejected for r in timed) / sum(r.rejected + r.rounds for r in timed)
    return INTRODUCTION.format(
        machine=machine,
        processes=max((r.processes for r in timed if not r.bench.startswith("machine.")), default=1),
        rejected=f"{100 * rejected:.0f} %",
        **{key: values(key) for key in ("compiler", "flags", "commit")},
    )


def goals_table(results: Results) -> str:
    if not results.of("ring.pair") and not results.of("peers.pair_ratio"):
        return ""
    return GOALS + table(["what", "goal", "hand-written", "measured", ""], goals.rows(results))


def ring_name(params: dict[str, Any]) -> str:
    pieces = "piece" if params["chain"] == 1 else "pieces"
    features = [name for name in ("event_idx", "indirect", "in_order") if params[name]]
    return ", ".join([f"{params['format']}, {params['chain']} {pieces}, batch {params['batch']}", *features])


def ratio_cell(ratio: Result | None, twin: Result | None) -> str:
    """A ratio with its interval; in parentheses where it says no more than that the two are alike."""
    if not ratio:
        return ""
    return interval(ratio) if differs(ratio, twin) else f"({interval(ratio)})"


def rings(results: Results) -> str:
    rows = []
    for pair in results.of("ring.pair", build="checked"):
        params = {key: value for key, value in pair.params.items() if key != "build"}
        twin, honest, floor = (
            results.one("ring.to_checked", **params, build=build) for build in ("twin", "honest", "floor")
        )
        plain = results.one("ring.to_plain", **params)
        counted = [results.one("ring.instructions", **params, build=build) for build in ("checked", "honest", "floor")]
        instructions = [f"{c.median:.0f}" for c in counted if c]
        is_plain = params["format"] == "split" and not any(params[f] for f in ("event_idx", "indirect", "in_order"))
        rows.append(
            [
                ring_name(params),
                spread(pair),
                f"{twin.median:.3f}" if twin else "",
                ratio_cell(inverse(floor), twin) if floor else "",
                ratio_cell(inverse(honest), twin) if honest else "",
                "" if is_plain else ratio_cell(plain, twin),
                instructions[0] + (f" ({', '.join(instructions[1:])})" if instructions[1:] else "")
                if instructions
                else "",
            ]
        )
    if not rows:
        return ""
    planted = results.of("ring.to_checked", build="planted")
    head = ["ring", "ns per buffer", "twin", "floor", "checks", "features", "instructions"]
    found = number(min(p.median for p in planted)) if planted else "(not measured)"
    return RINGS.format(planted=found) + table(head, rows)


def sides(results: Results) -> str:
    benches = ("ring.sides.driver_gives", "ring.sides.device", "ring.sides.driver_takes")
    rows = []
    for first in results.of(benches[0]):
        others = [results.one(bench, **first.params) for bench in benches]
        rows.append([ring_name(first.params), *(spread(other) for other in others if other)])
    return SIDES + table(["ring", "driver gives", "device", "driver takes"], rows) if rows else ""


#: In the order in which a buffer comes through them.
ROUND = (
    "driver add_avail",
    "driver publish",
    "device get_avail",
    "device add_used",
    "device publish",
    "driver get_used",
)


def verbs(results: Results) -> str:
    rows = []
    for whole in results.of("ring.instructions", build="checked"):
        counted = [results.one("ring.verb_instructions", **whole.params, verb=verb) for verb in ROUND]
        parts = [c.median for c in counted if c]
        if len(parts) == len(ROUND):
            shown = [*parts, whole.median - sum(parts), whole.median]
            rows.append([ring_name(whole.params), *(f"{value:.1f}" for value in shown)])
    return VERBS + table(["ring", *ROUND, "rest", "together"], rows) if rows else ""


LIMITS = ("machine.cache_line_one_way", "machine.stream", "machine.round_trip")


def limit_name(result: Result) -> str:
    params = result.params
    if result.bench == "machine.cache_line_one_way":
        back = "back" if params["lines"] == 1 else "another back"
        unpaused = "" if params["paused"] else ", unpaused"
        return f"a cache line to the other core, and {back}: one way{unpaused}"
    way = "one way" if result.bench == "machine.stream" else f"there and back, {params['window']} under way"
    return f"16 bytes in an array, {way}, published per {params['batch']}"


def cores(results: Results) -> str:
    rows = []
    for pair in results.of("cores.pair", driver="checked"):
        params = {key: value for key, value in pair.params.items() if key not in ("driver", "device")}
        both = {"driver": "checked", "device": "checked"}
        lines = results.one("cores.lines", **params, **both)
        twin = results.one("cores.pair_ratio", **params, driver="twin")
        floor = results.one("cores.pair_ratio", **params, driver="floor", peer_format=params["format"])
        linux = results.one("cores.pair_ratio", **params, driver="linux", device="linux")
        rows.append(
            [
                f"{ring_name(params)}, window {params['window']}, {params['wait']}",
                spread(pair),
                interval(lines) if lines else "",
                f"{twin.median:.3f}" if twin else "",
                ratio_cell(floor, twin),
                ratio_cell(linux, twin),
            ]
        )
    if not rows:
        return ""
    found = [r for bench in LIMITS for r in results.of(bench)]
    line = results.one("machine.cache_line_one_way", lines=2, paused=True)
    cpus = sorted({r.params["cpus"] for r in results.of("machine.cache_line_one_way")})
    commits = dict.fromkeys(r.commit for r in results.of("cores.pair"))
    text = CORES.format(commit=", ".join(commits), cpus=", ".join(cpus) or "of their own")
    text += table(["limit", "ns"], [[limit_name(r), spread(r)] for r in found])
    text += CORES_TABLE.format(lines=spread(line) if line else "")
    text += table(["ring", "ns per buffer", "lines", "twin", "over the floor", "over Linux' pair"], rows)
    return text + "![Nanoseconds per buffer on two cores](performance/cores.svg)\n"


def peer_name(name: str) -> str:
    return (
        name.replace("virtio_queue_", "virtio-queue ")
        .replace("virtio_drivers", "virtio-drivers")
        .replace("linux", "Linux")
        .replace("dpdk", "DPDK vhost")
    )


def peer_table(results: Results, bench: str, first: str) -> str:
    """A row for each ring, a column for each peer; what could not be measured says so."""
    found = results.of(bench)
    names = list(dict.fromkeys(r.params["peer"] for r in found if r.params["peer"] != "twin"))
    rows = []
    for twin in [r for r in found if r.params["peer"] == "twin"]:
        ring = {key: value for key, value in twin.params.items() if not key.startswith("peer")}
        cells = [results.one(bench, **ring, peer=name) for name in names]
        if any(cells):
            rows.append([ring_name(ring), f"{twin.median:.3f}", *(ratio_cell(cell, twin) for cell in cells)])
    return table([first, "twin", *(peer_name(name) for name in names)], rows) if rows else ""


def peers(results: Results, linux: str = "6.1") -> str:
    pairs = peer_table(results, "peers.pair_ratio", "pair")
    if not pairs and not results.absent:
        return ""
    text = PEERS.format(linux=linux)
    for peer, reason in results.absent.items():
        text += f"**Not measured: {peer}**, which {reason}.\n\n"
    text += pairs + PEER_SIDES
    text += peer_table(results, "peers.driver_ratio", "driver side")
    text += peer_table(results, "peers.device_ratio", "device side")
    builds = list(dict.fromkeys(r.params["build"] for r in results.of("ring.instructions")))
    counted = results.of("ring.instructions", build="linux")
    rows = [
        [
            ring_name({k: v for k, v in theirs.params.items() if k != "build"}),
            *(
                f"{c.median:.0f}" if (c := results.one("ring.instructions", **{**theirs.params, "build": b})) else ""
                for b in builds
            ),
        ]
        for theirs in counted
    ]
    if rows:
        text += "### Instructions per buffer, whole pairs\n\n" + table(["ring", *map(peer_name, builds)], rows)
    return text


def places(results: Results, linux: str = "6.1") -> str:
    found = results.of("bounce.place")
    text = PLACES_OF_LINUX.format(linux=linux) if results.of("bounce.to_linux") else ""
    for slots in dict.fromkeys(r.params["slots"] for r in found):
        sizes = list(dict.fromkeys(r.params["size"] for r in found))
        rows = []
        for occupied in dict.fromkeys(r.params["occupied_percent"] for r in found):
            row = [f"{occupied} %"]
            for size in sizes:
                where = {"slots": slots, "occupied_percent": occupied, "size": size}
                ours = results.one("bounce.place", **where, way="pool")
                others = [results.one("bounce.place", **where, way=way) for way in ("linux", "counted", "walk")]
                ratios = [results.one(f"bounce.to_{way}", **where) for way in ("linux", "counted")]
                if ours:
                    none = "" if ours.params["fits"] else "None: "
                    over = ", ".join(number(r.median) for r in ratios if r)
                    cell = " / ".join([f"{none}{spread(ours)}", *(number(r.median) for r in others if r)])
                    row.append(f"{cell} [{over}]" if over else cell)
            rows.append(row)
        text += f"### {slots} slots\n\n" + table([f"occupied of {slots}", *(f"{size} bytes" for size in sizes)], rows)
    return PLACES + text if found else ""


def threads(results: Results) -> str:
    rows = []
    for gain in results.of("bounce.gain_of_second_thread"):
        times = [results.one("bounce.threads", **gain.params, threads=count) for count in (1, 2)]
        where = [str(gain.params[key]) for key in ("layout", "slots", "occupied_percent", "size")]
        rows.append([*where, *(spread(time) for time in times if time), spread(gain)])
    head = ["on", "slots", "occupied, %", "bytes", "1 thread, ns", "2 threads, ns", "gain"]
    return THREADS + table(head, rows) if rows else ""


SECTIONS = (introduction, goals_table, rings, sides, verbs, cores, peers, places, threads)


def page(results: Results) -> str:
    """The whole page. It has no section of what was not measured."""
    parts = [section(results) for section in SECTIONS]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} FOLDER FILE...")
    folder, *files = map(Path, sys.argv[1:])
    results = Results.read(files)
    if not results.all:
        sys.exit("report.py: no results")
    beside = folder / "performance"
    beside.mkdir(parents=True, exist_ok=True)
    (folder / "performance.md").write_text(page(results))
    (beside / "results.jsonl").write_text("".join(line + "\n" for line in results.lines()))
    plots.write(results, beside)


if __name__ == "__main__":
    main()
