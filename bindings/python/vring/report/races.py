# SPDX-License-Identifier: MIT
"""
What a race detector says of each accessor: a driver and a device on two threads, under ThreadSanitizer.

Two rules of what is marked. ThreadSanitizer's own is that of C11: only an atomic access is. KCSAN's is that of Linux:
a volatile one is, too; clang tells them apart if asked to, and kcsan_rule.c says what then follows.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .build import Access, ReportError, Sources, clangs, version_of

RULES = {
    "C11": (),
    "Linux": ("-mllvm", "-tsan-distinguish-volatile=1"),
}


@dataclass
class Verdict:
    """Reports by the lines of source that they are about, and by what memory: the ring, or the buffers' bytes."""

    access: str
    rule: str
    ring_format: str
    compiler: str
    ring: int = 0
    payload: int = 0
    places: list[str] = field(default_factory=list)
    moved: str = ""  # "N of N buffers"


def program(sources: Sources, access: Access, rule: str) -> Path:
    """The two threads with that accessor, built by clang. Raises ReportError without one that has ThreadSanitizer."""
    if not clangs():
        raise ReportError("ThreadSanitizer's verdicts need clang and its runtime (Debian: clang-19, libclang-rt-19-dev)")
    made = sources.output / "races" / f"threads.{access.name}.{rule}"
    made.parent.mkdir(parents=True, exist_ok=True)
    library = sorted(set((sources.root / "lib" / "vring").glob("*.c")) - set(sources.seldom))
    fixtures = [sources.fixtures / name for name in ("threads.c", *(["kcsan_rule.c"] if rule == "Linux" else []))]
    includes = [f"-I{sources.root / 'include'}", "-iquote", str(sources.root / "lib" / "vring")]
    command = [clangs()[-1], "-std=gnu11", "-O0", "-g1", "-fsanitize=thread", *RULES[rule], *access.flags(), *includes,
               *map(str, fixtures), *map(str, library), "-fuse-ld=lld", "-Wl,--unresolved-symbols=ignore-all", "-lpthread", "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise ReportError(f"{' '.join(command)}\n{done.stderr[:2000]}")
    return made


def judge(sources: Sources, access: Access, rule: str, rounds: int = 400) -> list[Verdict]:
    """What is reported of either format."""
    binary = program(sources, access, rule)
    verdicts = []
    for ring_format in ("split", "packed"):
        options = "history_size=2:report_thread_leaks=0:exitcode=0:suppress_equal_stacks=1"
        done = subprocess.run([str(binary), ring_format, str(rounds)], capture_output=True, text=True, timeout=120,
                              check=False, env={**os.environ, "TSAN_OPTIONS": options})
        verdict = Verdict(access.name, rule, ring_format, f"clang {version_of(clangs()[-1])}")
        verdict.moved = next((line for line in done.stdout.splitlines() if "buffers" in line), f"exit {done.returncode}")
        seen: Counter[str] = Counter()
        for report in done.stderr.split("WARNING: ThreadSanitizer")[1:]:
            frames = re.findall(r"^    #\d+ (\w+) \S+", report, re.M)
            if "global 'shared_payload'" in report or frames[:1] in (["device_side"], ["driver_side"]):
                verdict.payload += 1
            else:
                verdict.ring += 1
            seen[" in ".join(frames[:3])] += 1
        verdict.places = [place for place, _ in seen.most_common(6)]
        verdicts.append(verdict)
    return verdicts


def judge_all(sources: Sources, accesses: list[Access], parallel: int = 2) -> list[Verdict]:
    """Every accessor by the rule of C11; by that of Linux those that are no atomics, for which it is the same."""
    both = ("PLAIN", "VOLATILE")
    asked = [(access, rule) for access in accesses for rule in RULES if rule == "C11" or access.name in both or access.header]
    with ThreadPoolExecutor(parallel) as pool:
        return [verdict for verdicts in pool.map(lambda some: judge(sources, *some), asked) for verdict in verdicts]
