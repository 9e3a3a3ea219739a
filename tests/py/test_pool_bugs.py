# SPDX-License-Identifier: MIT
"""The bugs that bounce pools had, switched on one at a time: the C test that stands for each must fail.

Among them the four of the mail thread about swiotlb's alignment: mixed masks (S4), a stride by AND (S5), a stride from
an unaligned index (S3), and umax(stride, PAGE_SHIFT - IO_TLB_SHIFT + 1) (S2). The bugs are in ``pool_bugs.py``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from limits import MUTANT, PROGRAM
from pool_bugs import BUGS, ROOT, SOURCES
from test_compilers import CLANG

TESTS = ROOT / "tests" / "c"
# The first rounds of the dice are enough: a bug that shows in one state of a thousand is found in a second.
COMPILE = ["gcc", "-std=c11", "-O1", "-w", "-DVTEST_QUICK", f"-I{ROOT / 'include'}", f"-I{TESTS}"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with the switch, as the documents say that one gets them."""
    folder = tmp_path_factory.mktemp("seeded")
    command: list[str | Path] = [sys.executable, ROOT / "tests" / "py" / "pool_bugs.py", folder]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    numbers = [int(number) for line in listed for number in re.findall(r"^-DBOUNCE_SEED_BUG=(\d+) ", line)]
    assert numbers == list(range(1, len(BUGS) + 1))
    return folder


def passes(tree: Path, test: str, number: int) -> bool:
    """Does a test program pass with a bug, or with none? Not building is not passing."""
    program = tree / f"test_{test}_{number}"
    # A test may bring sources of its own build along.
    own = re.findall(r'#include "bounce/(\w+\.c)"', (TESTS / "bounce" / test).read_text())
    sources = sorted(str(path) for path in (tree / "bounce").glob("*.c") if path.name not in own)
    built = subprocess.run(
        [
            *COMPILE,
            f"-DBOUNCE_SEED_BUG={number}",
            f"-I{tree}",
            *sources,
            str(TESTS / "bounce" / test),
            str(TESTS / "vtest_main.c"),
            "-o",
            str(program),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    try:
        limit = MUTANT if number else PROGRAM
        return subprocess.run([program], capture_output=True, timeout=limit, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@pytest.mark.parametrize("test", sorted({bug.test for bug in BUGS}))
def test_the_tests_pass_with_the_switch_at_0(test: str, tree: Path) -> None:
    assert passes(tree, test, 0)


@pytest.mark.parametrize("source", sorted(path.name for path in SOURCES.glob("*.c")))
def test_with_the_switch_at_0_the_compiler_sees_what_is_shipped(source: str, tree: Path) -> None:
    def without_space(folder: Path) -> str:
        command: list[str | Path] = [
            "gcc",
            "-std=c11",
            "-E",
            "-P",
            "-DBOUNCE_SEED_BUG=0",
            f"-I{ROOT / 'include'}",
            folder / source,
        ]
        preprocessed = subprocess.run(command, capture_output=True, text=True, check=True)
        return "".join(preprocessed.stdout.split())

    assert without_space(tree / "bounce") == without_space(SOURCES)


def test_S1_S2_S3_S4_S5_S7_S8_S9_S12_S13_S14_S15_S16_S18_S19_S21_S23_S24_S26_S27_S28_S29_S30_S32_S33_S34_S35_S42_S43_every_bug_of_the_past_is_found_out(
    tree: Path,
) -> None:
    def survives(number: int) -> bool:
        return passes(tree, BUGS[number - 1].test, number)

    numbers = range(1, len(BUGS) + 1)
    with ThreadPoolExecutor(2) as pool:
        survivors = [BUGS[n - 1].what for n, lives in zip(numbers, pool.map(survives, numbers), strict=True) if lives]
    assert not survivors


def test_the_fuzzer_finds_them_too(tree: Path) -> None:
    """A harness that knows no bug and no story, for the bugs of placement, bounds and handles."""
    harness = TESTS / "fuzz" / "pool_fuzz.c"
    sources = sorted((tree / "bounce").glob("*.c"))

    def found(number: int) -> bool:
        program = tree / f"fuzz_{number}"
        command = [
            CLANG,
            "-std=gnu11",
            "-O1",
            "-w",
            "-fsanitize=fuzzer",
            f"-DBOUNCE_SEED_BUG={number}",
            f"-I{ROOT / 'include'}",
            f"-I{tree}",
            str(harness),
            *map(str, sources),
            "-o",
            str(program),
        ]
        subprocess.run(command, capture_output=True, check=True, timeout=PROGRAM)
        runs = 400_000 if number else 20_000  # a bug ends them as soon as it is found
        done = subprocess.run(
            [program, "-seed=1", f"-runs={runs}", "-max_len=400", f"-artifact_prefix={program}-"],
            capture_output=True,
            check=False,
            timeout=PROGRAM,
        )
        return b"not so: " in done.stderr

    numbers = [n for n, bug in enumerate(BUGS, 1) if re.match("S[0-9]+: ", bug.what) and bug.fuzzed]
    assert len(numbers) > 10 and not found(0)
    with ThreadPoolExecutor(2) as pool:
        unseen = [BUGS[n - 1].what for n, seen in zip(numbers, pool.map(found, numbers), strict=True) if not seen]
    assert not unseen
