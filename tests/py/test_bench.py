# SPDX-License-Identifier: MIT
"""The benchmarks build, run, print lines of the shape that the report reads, and the report shows what they say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from limits import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
sys.path.insert(0, str(BENCH))

import goals as bench_goals  # noqa: E402
import results as bench_results  # noqa: E402

KEYS = {"bench", "params", "unit", "median", "low", "high", "min", "max", "rounds", "rejected"} | {
    "compiler",
    "flags",
    "cpu",
    "commit",
}

Result = dict[str, Any]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs, built as the preset has it."""
    folder = tmp_path_factory.mktemp("bench")
    for command in (f"cmake --preset bench -B {folder}", f"cmake --build {folder} --parallel 2"):
        done = subprocess.run(command.split(), cwd=ROOT, timeout=PROGRAM, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bench"


def run(program: Path, rounds: int, *arguments: str | Path, slice_seconds: float = 1e-5) -> list[Result]:
    """The results of a program that measures as briefly as it can."""
    command = [program, f"--rounds={rounds}", f"--slice={slice_seconds}", "--commit=test", *arguments]
    done = subprocess.run(command, check=True, timeout=PROGRAM, capture_output=True, text=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for result in results:
        assert result.keys() == KEYS
        assert 0 < result["min"] <= result["low"] <= result["median"] <= result["high"] <= result["max"]
        assert result["rounds"] + result["rejected"] == rounds
        assert (result["commit"], result["flags"].strip()) == ("test", "-O2")
    names = [json.dumps([result["bench"], result["params"]]) for result in results]
    assert len(set(names)) == len(names), "every result has a name of its own"
    return results


def report(results: list[Result], folder: Path) -> str:
    """The page made of results; what stands beside it is in folder/page/performance."""
    lines = folder / "results.jsonl"
    lines.write_text("".join(json.dumps(result) + "\n" for result in results))
    command = [sys.executable, str(BENCH / "report.py"), str(folder / "page"), str(lines)]
    subprocess.run(command, check=True, timeout=PROGRAM)
    return (folder / "page" / "performance.md").read_text()


def test_rings(programs: Path, tmp_path: Path) -> None:
    results = run(programs / "bench_ring", rounds=3)
    pairs = [result["params"] for result in results if result["bench"] == "ring.pair"]
    for build in ("checked", "twin", "honest"):
        of_build = [params for params in pairs if params["build"] == build]
        assert {(params["format"], params["batch"]) for params in of_build} == {
            (ring, batch) for ring in ("split", "packed") for batch in (1, 32, 256)
        }
    rings = sum(params["build"] == "checked" for params in pairs)
    ratios = [result["params"]["build"] for result in results if result["bench"] == "ring.to_checked"]
    assert (ratios.count("twin"), ratios.count("honest")) == (rings, rings)
    page = report(results, tmp_path)
    assert page.count("| split, 1 piece, batch 32 |") == 1 and "## Each side by itself" in page
    for part in ("## Two threads on a bounce pool", "## On two cores", "## Beside other people's rings"):
        assert part not in page, "there is no section of what was not measured"


def test_a_planted_slowdown_is_found_and_a_twin_is_not(programs: Path) -> None:
    results = bench_results.Results(run(programs / "bench_ring", 11, slice_seconds=2e-4))
    for form in ("split", "packed"):
        ring = bench_goals.ring(32, format=form)
        twin, planted = (results.one("ring.to_checked", **ring, build=build) for build in ("twin", "planted"))
        assert twin and planted
        assert bench_results.differs(planted, twin) and planted.median > 1
        assert not bench_results.differs(twin, twin)


def test_instructions_are_counted_and_are_those_of_the_verbs(programs: Path, tmp_path: Path) -> None:
    """What the parts come to is the whole but for the benchmark's loop, and a believing build takes no more for it."""
    command = [sys.executable, str(BENCH / "instructions.py"), str(programs / "bench_instructions"), "--commit=test"]
    done = subprocess.run(command, check=True, timeout=PROGRAM, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    results = bench_results.Results(lines)
    rings = [dict(r.params) for r in results.of("ring.instructions", build="checked")]
    assert len(rings) == len(results.of("ring.instructions", build="honest")) > 30
    for ring in rings:
        whole = results.one("ring.instructions", **ring)
        parts = results.of("ring.verb_instructions", **ring)
        assert whole and {part.params["verb"] for part in parts} == {
            *("driver add_avail", "driver publish", "device get_avail", "device add_used", "device publish"),
            "driver get_used",
        }
        assert 0 < whole.median - sum(part.median for part in parts) < whole.median / 2, ring
        honest = results.one("ring.instructions", **{**ring, "build": "honest"})
        assert honest and honest.median < 1.1 * whole.median
    # A table of three is judged, looked up and translated by the device: what that takes is its get_avail's.
    of_list, of_table = (
        results.one("ring.verb_instructions", **bench_goals.ring(32, 3, indirect=table), verb="device get_avail")
        for table in (False, True)
    )
    assert of_list and of_table and of_list.median < of_table.median
    page = report(lines, tmp_path)
    assert page.count("| split, 1 piece, batch 32 |") == 1 and "## Where the instructions are" in page


def test_two_cores(programs: Path, tmp_path: Path) -> None:
    results = run(programs / "bench_cores", 1, programs / "sides_honest.so")
    pairs = [result["params"] for result in results if result["bench"] == "cores.pair"]
    of_ours = [params for params in pairs if params["driver"] == "checked"]
    assert {(params["format"], params["wait"], params["window"]) for params in of_ours} >= {
        (form, wait, window)
        for form in ("split", "packed")
        for wait in ("poll", "unpaused", "spin", "futex")
        for window in (1, 256)
    }
    assert {params["driver"] for params in pairs} == {"checked", "twin", "floor", "honest"}
    limits = {result["bench"] for result in results if result["bench"].startswith("machine.")}
    assert limits >= {"machine.cache_line_one_way", "machine.stream", "machine.round_trip"}
    lines = [result["params"] for result in results if result["bench"] == "machine.cache_line_one_way"]
    assert {(params["lines"], params["paused"]) for params in lines} == {(n, paused) for n in (1, 2) for paused in (True, False)}
    page = report(results, tmp_path)
    assert "| packed, 1 piece, batch 1, event_idx, window 1, futex |" in page
    assert (tmp_path / "page" / "performance" / "cores.svg").read_text().count("<svg") == 1


def test_one_core_is_not_enough(programs: Path) -> None:
    command = ["taskset", "-c", "0", str(programs / "bench_cores"), "--rounds=1"]
    done = subprocess.run(command, timeout=PROGRAM, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "two cores" in done.stderr


def test_peers(programs: Path, tmp_path: Path) -> None:
    """Our own builds in the place of other people's: what those need is not installed for tests."""
    only_split = tmp_path / "sides_only_split.so"
    only_split.write_bytes((programs / "sides_floor.so").read_bytes().replace(b"ring_sides_packed", b"ring_sides_hidden"))
    results = run(programs / "bench_peers", 2, programs / "sides_honest.so", only_split)
    for bench in ("pair", "driver", "device"):
        ratios = [result["params"] for result in results if result["bench"] == f"peers.{bench}_ratio"]
        assert {"twin", "honest"} <= {params["peer"] for params in ratios}
        packed = [p for p in ratios if p["peer"] == "only_split" and p["format"] == "packed"]
        assert bool(packed) == (bench == "pair"), "a pair is compared with a plain ring, a side only with its like"
        assert not any(p["peer_in_order"] or p["peer_format"] == "packed" for p in packed)
    page = report(results, tmp_path)
    assert "| pair | twin | honest |" in page
    assert "goal" in (tmp_path / "page" / "performance" / "peers.svg").read_text()


def test_a_peer_that_cannot_be_had_is_said_to_be_missing(tmp_path: Path) -> None:
    build = tmp_path / "build"
    configure_peers(build, "-DPKG_CONFIG_EXECUTABLE=/bin/false")
    absent = [json.loads(line) for line in (build / "bench" / "peers" / "absent.jsonl").read_text().splitlines()]
    page = report([*absent, lines_of(1.0)], tmp_path)
    assert "**Not measured: virtio-drivers and virtio-queue**, which needs cargo 1.88" in page
    assert "**Not measured: Linux**, which needs Debian's package linux-source" in page
    assert "**Not measured: DPDK**, which needs Debian's packages libdpdk-dev and pkgconf" in page


def configure_peers(build: Path, *more: str) -> None:
    """As `./run bench peers` does it, but without the peers that want a network or half a minute."""
    command = f"cmake --preset bench -B {build} -DVRING_BENCH_PEERS=ON -DCARGO=/bin/false -DVRING_LINUX_ARCHIVE="
    subprocess.run([*command.split(), *more], cwd=ROOT, timeout=PROGRAM, capture_output=True, check=True)


def test_dpdk_is_a_device_for_every_driver(programs: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    configure_peers(build)
    command = f"cmake --build {build} --parallel 2 --target sides_dpdk"
    subprocess.run(command.split(), cwd=ROOT, timeout=PROGRAM, capture_output=True, check=True)
    dpdk = build / "bench" / "peers" / "sides_dpdk.so"
    results = run(programs / "bench_peers", 2, programs / "sides_honest.so", dpdk)
    ratios = [result["params"] for result in results if result["bench"] == "peers.device_ratio"]
    of_dpdk = {(p["format"], p["batch"], p["in_order"]) for p in ratios if p["peer"] == "dpdk"}
    assert of_dpdk >= {(form, batch, False) for form in ("split", "packed") for batch in (1, 32)}
    pairs = [result["params"] for result in results if result["bench"] == "peers.pair"]
    assert {p["format"] for p in pairs if (p["driver"], p["device"]) == ("honest", "dpdk")} == {"split", "packed"}
    assert not [p for p in pairs if p["driver"] == "dpdk"], "it has no driver that could stand here"
    page = report(results, tmp_path)
    assert "| device side | twin | honest | DPDK vhost |" in page and "copies 52 bytes" in page


def lines_of(median: float, bench: str = "peers.pair_ratio", apart: float = 0.0, **params: Any) -> Result:
    """A line as a program prints it, of a measurement that never was."""
    return {
        "bench": bench, "params": params or {**bench_goals.ring(32), "size": 256, "peer": "twin"}, "unit": "ratio",
        "median": median, "low": median - apart, "high": median + apart, "min": median - apart, "max": median + apart,
        "rounds": 7, "rejected": 1, "compiler": "C", "flags": "-O", "cpu": "the CPU", "commit": "abc",
    }  # fmt: skip


def merged(*lines: Result) -> bench_results.Result:
    return bench_results.merged(list(lines))


def test_rounds_of_another_machine_do_not_count(programs: Path) -> None:
    command = [str(programs / "bench_harness_test"), "--rounds=8"]
    done = subprocess.run(command, check=True, timeout=PROGRAM, capture_output=True, text=True)
    results = {line["bench"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert all((line["rounds"], line["rejected"]) == (6, 2) for line in results.values())
    assert "by 'erratic', which therefore rejects no round" in done.stderr and "'clock'" not in done.stderr
    measured, ratio = results["test.measured"], results["test.ratio"]
    assert [measured[key] for key in ("median", "min", "max")] == [5e9, 4e9, 6e9], "the slow rounds are left out"
    assert 4e9 <= measured["low"] < 5e9 < measured["high"] <= 6e9
    assert {ratio[key] for key in ("median", "low", "high", "min", "max")} == {1.5}, "taken round by round"


def test_what_a_difference_is_worth() -> None:
    quiet, loud = merged(lines_of(1.004)), merged(lines_of(0.95))
    assert bench_results.noise(quiet) == bench_results.noise(None) == 0.03
    assert abs(bench_results.noise(loud) - 0.1) < 1e-9
    assert bench_results.differs(merged(lines_of(1.08)), quiet)
    assert bench_results.differs(merged(lines_of(0.9)), quiet)
    assert not bench_results.differs(merged(lines_of(1.08)), loud), "less than twice what the twin was off"
    assert not bench_results.differs(merged(lines_of(1.02)), quiet), "less than 3 %"
    assert not bench_results.differs(merged(lines_of(1.08, apart=0.1)), quiet), "the interval has 1 in it"


def test_processes_are_put_together() -> None:
    several = merged(lines_of(1.0, apart=0.5), lines_of(2.0), lines_of(4.0))
    assert (several.median, several.low, several.high, several.min, several.max) == (2.0, 1.0, 4.0, 0.5, 4.0)
    assert (several.rounds, several.rejected, several.processes) == (21, 3, 3)
    assert bench_results.merged([vars(several)]) == several, "what is merged stays as it is"


def test_a_goal_is_met_or_not_or_undecided() -> None:
    at_most = bench_goals.Goal("", 0.5, lambda results: None)
    at_least = bench_goals.Goal("", 1.9, lambda results: None, at_least=True)
    verdicts = [at_most.verdict(merged(lines_of(median, apart=0.05))) for median in (0.4, 0.48, 0.6)]
    assert verdicts == ["**met**", "undecided", "not met"]
    assert [at_least.verdict(merged(lines_of(median))) for median in (1.8, 1.9)] == ["not met", "**met**"]


def test_a_goal_that_hand_written_code_misses_is_told_over_that_code() -> None:
    """Unless it is met, or the least code reaches it: then it is ours that does not."""
    goal = bench_goals.Goal("", 0.2, lambda results: None, floor_there=0.16)
    least = merged(lines_of(0.4))
    assert goal.verdict(merged(lines_of(0.3)), least) == "not met; 0.75 of hand-written, and the goal is 1.25 of it"
    assert goal.verdict(merged(lines_of(0.19)), least) == "**met**"
    assert goal.verdict(merged(lines_of(0.3)), merged(lines_of(0.19))) == "not met"
    assert goal.verdict(merged(lines_of(0.3))) == "not met"


def test_every_goal_finds_what_it_measures() -> None:
    """In the results of which the committed page is made: a goal whose measurement has got another name is empty."""
    measured = bench_results.Results.read([ROOT / "docs" / "performance" / "results.jsonl"])
    missing = [goal.what for goal in bench_goals.GOALS if not goal.measure(measured)]
    assert missing == []


def test_a_goal_stands_beside_what_hand_written_code_comes_to() -> None:
    """That code knows no features; of what it does not do there is nothing to say."""
    ring = bench_goals.ring(32)
    lines = [
        lines_of(0.4, bench="peers.pair_ratio", **{**ring, "peer": "linux"}),
        lines_of(0.75, bench="ring.to_checked", **{**ring, "build": "floor"}),
        lines_of(0.3, bench="peers.pair_ratio", **{**ring, "peer": "linux", "in_order": True}),
        lines_of(30.0, bench="ring.pair", **{**bench_goals.ring(1), "build": "checked"}),
        lines_of(0.8, bench="ring.to_checked", **{**bench_goals.ring(1), "build": "floor"}),
        lines_of(5.0, bench="machine.store_and_full_fence", **{"core": 0}),
    ]
    found = {row[0]: row[2:4] for row in bench_goals.rows(bench_results.Results(lines))}
    assert found["split pair, batches of 32, over Linux' driver and vringh"] == ["0.30", "0.40"]
    assert found["IN_ORDER, split, the same"] == ["", "0.30"]
    assert found["split pair, one by one: nanoseconds beyond two full fences"] == ["14.0", "20.0"]


def test_the_page_is_made_of_the_results_beside_it(tmp_path: Path) -> None:
    lines = ROOT / "docs" / "performance" / "results.jsonl"
    page = report([json.loads(line) for line in lines.read_text().splitlines()], tmp_path)
    assert page == (ROOT / "docs" / "performance.md").read_text()
    made = tmp_path / "page" / "performance"
    assert (made / "results.jsonl").read_text() == lines.read_text()
    assert {path.name for path in made.iterdir()} == {path.name for path in lines.parent.iterdir()}


def test_bounce(programs: Path, tmp_path: Path) -> None:
    results = run(programs / "bench_bounce", rounds=1)
    placed = [result["params"] for result in results if result["bench"] == "bounce.place"]
    assert len(placed) == 2 * 5 * 4 * 3, "pools, occupancies, sizes, ways"
    assert len([result for result in results if result["bench"] == "bounce.to_counted"]) == 2 * 5 * 4
    threads = [result["params"] for result in results if result["bench"] == "bounce.threads"]
    assert {(params["layout"], params["threads"]) for params in threads} == {
        (layout, count)
        for layout in ("one area", "two areas", "two pools", "two areas of the counted walk")
        for count in (1, 2)
    }
    assert {params["slots"] for params in threads} == {32768, 524288}
    assert len({params["occupied_percent"] for params in threads}) == len({params["size"] for params in threads}) == 3
    empty = {params["fits"] for params in placed if params["occupied_percent"] == 0}
    crowded = {params["fits"] for params in placed if params["occupied_percent"] == 98 and params["size"] == 65536}
    assert (empty, crowded) == ({True}, {False})
    page = report(results, tmp_path)
    assert page.count("| 98 % |") == 2 and "None: " in page and "## Two threads" in page


POOL_PEER = """
#include "counted_walk.h"
#include "pool_peer.h"

static struct counted_device device = {0, 0, UINT64_MAX};

static int copy(void *context, void *orig, size_t offset, void *window, size_t len, bool to_window)
{
    return 0;
}

static void *create(uint64_t addr, uint32_t slots)
{
    return counted_walk_new(addr, slots, 1, copy);
}

static void destroy(void *pool)
{
    counted_walk_delete(pool);
}

static uint64_t map(void *pool, uint64_t orig_addr, size_t size)
{
    return counted_walk_map(pool, &device, orig_addr, size, START_MASK, 0);
}

static void unmap(void *pool, uint64_t addr, size_t size)
{
    counted_walk_unmap(pool, &device, addr);
}

const struct pool_peer pool_peer = {"linux", create, destroy, map, unmap};
"""


def pool_peer(folder: Path, start_mask: int = 0) -> Path:
    """A file of a pool as the bench loads it. It is our own counted walk: what other people's need is not installed."""
    (folder / "peer.c").write_text(POOL_PEER)
    made = folder / "peer.so"
    sources = f"{folder}/peer.c {BENCH}/counted_walk.c -I {BENCH} -I {ROOT}/lib"
    command = f"cc -O2 -shared -fPIC -DSTART_MASK={start_mask} -o {made} {sources}"
    subprocess.run(command.split(), check=True, timeout=PROGRAM)
    return made


def test_somebody_elses_pool(programs: Path, tmp_path: Path) -> None:
    results = run(programs / "bench_bounce", 1, pool_peer(tmp_path))
    places = [result["params"] for result in results if result["bench"] == "bounce.place"]
    assert len([params for params in places if params["way"] == "linux"]) == 2 * 5 * 4
    assert len([result for result in results if result["bench"] == "bounce.to_linux"]) == 2 * 5 * 4
    page = report(results, tmp_path)
    assert "swiotlb (`kernel/dma/swiotlb.c`, 6.1)" in page
    row = next(line for line in page.splitlines() if line.startswith("| 98 % |"))
    assert all(
        re.search(r" / .* / .* / .* \[[^,]+, [^,]+\]$", cell.strip()) for cell in row.strip("| ").split(" | ")[1:]
    )


def test_a_pool_that_chooses_other_places_is_not_measured(programs: Path, tmp_path: Path) -> None:
    command = [str(programs / "bench_bounce"), "--rounds=1", str(pool_peer(tmp_path, start_mask=8191))]
    done = subprocess.run(command, timeout=PROGRAM, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "the peer fills a pool in another order" in done.stderr


def test_the_report_shows_the_numbers_of_the_lines(tmp_path: Path) -> None:
    result = lines_of(12.34, "bounce.threads") | {"unit": "ns", "low": 10.0, "high": 20.0, "min": 1.5, "max": 678.9}
    where = {"layout": "one area", "slots": 64, "occupied_percent": 50, "size": 512}
    gain = result | {"bench": "bounce.gain_of_second_thread", "params": where}
    times = [result | {"params": where | {"threads": threads}} for threads in (1, 2)]
    page = report([*times, gain], tmp_path)
    assert "| one area | 64 | 50 | 512 | 12.3 (1.50–679) | 12.3 (1.50–679) | 12.3 (1.50–679) |" in page
    assert "the CPU" in page and "`-O`" in page and "Commit: abc" in page


def test_no_results_are_no_report(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    done = subprocess.run(
        [sys.executable, BENCH / "report.py", tmp_path / "page", empty],
        timeout=PROGRAM,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1 and b"no results" in done.stderr


def test_an_option_that_there_is_not_is_refused(programs: Path) -> None:
    for option in ("--rounds=0", "--slice=no", "--nonsense"):
        done = subprocess.run([programs / "bench_ring", option], timeout=PROGRAM, capture_output=True, check=False)
        assert done.returncode == 2 and b"usage" in done.stderr


def test_the_price_of_a_call_from_python_is_measured(tmp_path: Path) -> None:
    """That every figure of docs/python.md is there, where the page has it; what they are is the machine's."""
    page = tmp_path / "page.md"
    page.write_text((ROOT / "docs" / "python.md").read_text())
    command = [sys.executable, str(BENCH / "python_calls.py"), "--rounds", "1", str(page)]
    subprocess.run(command, check=True, timeout=PROGRAM, capture_output=True, text=True, cwd=tmp_path)
    text = page.read_text()
    calls = re.findall(r"^\| (one buffer|the same)[^|]*\| (\d+\.\d) us \| (\d+\.\d) us \|$", text, re.MULTILINE)
    assert len(calls) == 3 and all(float(cost) > 0 for _, *costs in calls for cost in costs)
    alone, in_batches, in_runs = ([float(cost) for cost in costs] for _, *costs in calls)
    for single, batched, run in zip(alone, in_batches, in_runs, strict=True):
        assert run < batched < single, "what a run is for"
    # Of the time for an example most is Hypothesis' own; a ring's 50 steps take about what it needs to run nothing.
    rows = re.findall(r"^\| `(\w+Machine)` \| (\d+\.\d) ms \| (\d+\.\d) ms \|$", text, re.MULTILINE)
    assert len(rows) == 6 and all(0 < float(alone) < float(whole) / 2 for _, alone, whole in rows)
    costs = {name: float(alone) for name, alone, _ in rows}
    nothing = re.search(r"^\| one rule that does nothing \| 0.0 ms \| (\d+\.\d) ms \|$", text, re.MULTILINE)
    assert nothing and max(costs["RingMachine"], costs["PackedRingMachine"]) < 2 * float(nothing[1])
    assert f"Python {sys.version.split()[0]}" in text

    again = page.read_text()
    page.write_text("a page of something else\n")
    done = subprocess.run(command, timeout=PROGRAM, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0 and "for the tables to stand between" in done.stderr and again != page.read_text()
