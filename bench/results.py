# SPDX-License-Identifier: MIT
"""Results of the benchmarks: read from lines of JSON, the processes put together, and what a difference is worth."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEAST_DIFFERENCE = 0.03
"""No smaller difference is claimed, whatever the twin says."""


@dataclass(frozen=True)
class Result:
    """What one or more processes measured.

    `median` is that of the processes' medians. `low` to `high` holds it: by bootstrap over the rounds where there was
    one process, else from the least of the medians to the greatest. `min` and `max` are those of all rounds.
    """

    bench: str
    params: dict[str, Any]
    unit: str
    median: float
    low: float
    high: float
    min: float
    max: float
    rounds: int
    rejected: int
    processes: int
    compiler: str
    flags: str
    cpu: str
    commit: str


def merged(lines: list[dict[str, Any]]) -> Result:
    """One result of the lines that processes printed for it. Lines that are merged already stay as they are."""
    medians = [line["median"] for line in lines]
    one = len(lines) == 1
    last = lines[-1]
    return Result(
        bench=last["bench"],
        params=last["params"],
        unit=last["unit"],
        median=statistics.median(medians),
        low=last["low"] if one else min(medians),
        high=last["high"] if one else max(medians),
        min=min(line["min"] for line in lines),
        max=max(line["max"] for line in lines),
        rounds=sum(line["rounds"] for line in lines),
        rejected=sum(line["rejected"] for line in lines),
        processes=last.get("processes", 1) if one else len(lines),
        **{key: last[key] for key in ("compiler", "flags", "cpu", "commit")},
    )


class Results:
    """All results of a run, found by the name of the bench and some of its parameters."""

    def __init__(self, lines: Iterable[dict[str, Any]]) -> None:
        groups: dict[str, list[dict[str, Any]]] = {}
        self.absent: dict[str, str] = {}
        """Peers that could not be measured, and why."""
        for line in lines:
            if line["bench"] == "peers.absent":
                self.absent[line["params"]["peer"]] = line["params"]["reason"]
            else:
                groups.setdefault(json.dumps([line["bench"], line["params"]]), []).append(line)
        self.all = [merged(group) for group in groups.values()]
        self._by_bench: dict[str, list[Result]] = {}
        for result in self.all:
            self._by_bench.setdefault(result.bench, []).append(result)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Results:
        """The results in some files, of which each line is one object."""
        return cls(json.loads(line) for path in paths for line in path.read_text().splitlines())

    def lines(self) -> Iterator[str]:
        """The merged results as lines of JSON, which read() takes too."""
        for result in self.all:
            yield json.dumps(vars(result))
        for peer, reason in self.absent.items():
            yield json.dumps({"bench": "peers.absent", "params": {"peer": peer, "reason": reason}})

    def of(self, bench: str, **params: Any) -> list[Result]:
        """The results of a bench with these parameters, in the order in which they came."""
        return [r for r in self._by_bench.get(bench, []) if params.items() <= r.params.items()]

    def one(self, bench: str, **params: Any) -> Result | None:
        """The last of them, or None."""
        found = self.of(bench, **params)
        return found[-1] if found else None


def noise(twin: Result | None) -> float:
    """How far a ratio must be from 1 to mean anything: max(3 %, twice as far as two equal things were apart)."""
    return max(LEAST_DIFFERENCE, 2 * abs(twin.median - 1)) if twin else LEAST_DIFFERENCE


def differs(ratio: Result, twin: Result | None) -> bool:
    """Whether a ratio is one of two things that differ: further from 1 than the noise, and so is all its interval."""
    least = noise(twin)
    return abs(ratio.median - 1) > least and (ratio.low > 1 or ratio.high < 1)


def number(value: float) -> str:
    """Three digits, and no more."""
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(result: Result) -> str:
    """The median, and what all rounds lie between."""
    return f"{number(result.median)} ({number(result.min)}–{number(result.max)})"


def interval(result: Result) -> str:
    """The median, and what it lies between."""
    return f"{number(result.median)} [{number(result.low)}–{number(result.high)}]"


def inverse(ratio: Result) -> Result:
    """One over a ratio."""
    return Result(
        **{
            **vars(ratio),
            "median": 1 / ratio.median,
            "low": 1 / ratio.high,
            "high": 1 / ratio.low,
            "min": 1 / ratio.max,
            "max": 1 / ratio.min,
        }
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown, the first column to the left and the others to the right."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines) + "\n"
