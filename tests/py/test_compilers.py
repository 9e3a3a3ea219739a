# SPDX-License-Identifier: MIT
"""Whatever compiler and whatever optimisation: the same words of shared memory, once each, in the same order.

``tests/c/vring/machine_trace.c`` watches the compiled library through page protection, an instruction at a time.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from limits import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
# The newest clang that there is, up to the one that ./run prefers.
CLANG = next(filter(shutil.which, [f"clang-{version}" for version in (19, 20, 18, 17, 16, 15, 14)]), "clang")
LEVELS = (["-O0"], ["-O1"], ["-O2"], ["-O3"], ["-O2", "-flto"])
BUILDS = [["gcc", *level] for level in LEVELS] + [[CLANG, *level] for level in LEVELS[:4]]

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the trap flag and the fault's code are x86-64's"
)


def trace(build: list[str], access: str, folder: Path) -> str:
    """All accesses of the story, in both formats, with and without EVENT_IDX."""
    program = folder / "-".join([access, *(part.strip("-") for part in build)])
    subprocess.run(
        [
            *build,
            "-std=gnu11",
            "-w",
            f"-DVRING_ACCESS_{access}",
            f"-I{ROOT / 'include'}",
            "-o",
            program,
            *sorted((ROOT / "lib" / "vring").glob("*.c")),
            ROOT / "tests" / "c" / "vring" / "machine_trace.c",
        ],
        check=True,
        timeout=PROGRAM,
    )
    return "".join(
        subprocess.run([program, ring, events], check=True, timeout=PROGRAM, capture_output=True, text=True).stdout
        for ring in ("split", "packed")
        for events in ("plain", "event_idx")
    )


def test_C248_every_compiler_makes_the_same_accesses(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        traces = list(pool.map(lambda build: trace(build, "ACQREL", tmp_path), BUILDS))
    assert traces[0].count("load ") > 50 and traces[0].count("store ") > 50
    assert [build for build, made in zip(BUILDS, traces) if made != traces[0]] == []

    # Volatile accesses are the same. The negative control are plain ones: what a compiler may do with ``*p`` is seen.
    assert trace(["gcc", "-O2"], "VOLATILE", tmp_path) == traces[0]
    assert trace(["gcc", "-O2"], "PLAIN", tmp_path) != traces[0]
