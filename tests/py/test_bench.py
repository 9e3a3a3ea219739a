# SPDX-License-Identifier: MIT
"""The benchmarks build, run, print lines of the shape that the report reads, and the report shows what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
KEYS = {"bench", "params", "unit", "median", "low", "high", "min", "max", "rounds", "rejected"} | {
    "compiler", "flags", "cpu", "commit"
}

Result = dict[str, Any]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs, built as the preset has it."""
    folder = tmp_path_factory.mktemp("bench")
    for command in (f"cmake --preset bench -B {folder}", f"cmake --build {folder} --parallel 2"):
        done = subprocess.run(command.split(), cwd=ROOT, timeout=300, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bench"


def run(program: Path, rounds: int) -> list[Result]:
    """The results of a program that measures as briefly as it can."""
    command = [str(program), f"--rounds={rounds}", "--slice=0.00001", "--commit=test"]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
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
    lines = folder / "results.jsonl"
    lines.write_text("".join(json.dumps(result) + "\n" for result in results))
    command = [sys.executable, str(BENCH / "report.py"), str(lines)]
    done = subprocess.run(command, check=True, timeout=30, capture_output=True, text=True)
    return done.stdout


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
    assert "bounce pool" not in page, "there is no table of what was not measured"


def test_bounce(programs: Path, tmp_path: Path) -> None:
    results = run(programs / "bench_bounce", rounds=1)
    placed = [result["params"] for result in results if result["bench"] == "bounce.place"]
    assert len(placed) == 2 * 5 * 4 * 2, "pools, occupancies, sizes, ways"
    empty = {params["fits"] for params in placed if params["occupied_percent"] == 0}
    crowded = {params["fits"] for params in placed if params["occupied_percent"] == 98 and params["size"] == 65536}
    assert (empty, crowded) == ({True}, {False})
    page = report(results, tmp_path)
    assert page.count("| 98 % |") == 2 and "None: " in page and "## Two threads" in page


def test_the_report_shows_the_numbers_of_the_lines(tmp_path: Path) -> None:
    result = {"bench": "bounce.threads", "unit": "ns", "median": 12.34, "min": 1.5, "max": 678.9, "rounds": 1}
    result |= {"compiler": "C", "flags": "-O", "cpu": "the CPU", "commit": "abc"}
    gain = result | {"bench": "bounce.gain_of_second_thread", "params": {"areas": 1}}
    times = [result | {"params": {"areas": 1, "threads": threads}} for threads in (1, 2)]
    page = report([*times, gain], tmp_path)
    assert "| 1 | 12.3 (1.50–679) | 12.3 (1.50–679) | 12.3 (1.50–679) |" in page
    assert "the CPU" in page and "`-O`" in page and "Commit: abc" in page


def test_no_results_are_no_report(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    done = subprocess.run([sys.executable, BENCH / "report.py", empty], timeout=30, capture_output=True, check=False)
    assert done.returncode == 1 and b"no results" in done.stderr


def test_an_option_that_there_is_not_is_refused(programs: Path) -> None:
    for option in ("--rounds=0", "--slice=no", "--nonsense"):
        done = subprocess.run([programs / "bench_ring", option], timeout=30, capture_output=True, check=False)
        assert done.returncode == 2 and b"usage" in done.stderr
