# SPDX-License-Identifier: MIT
"""The bugs that bounce pools had, put into libbounce one at a time: the C test that stands for each must fail.

Among them the four of the mail thread about swiotlb's alignment: mixed masks, a stride by AND, a stride counted from an
unaligned index, and umax(stride, PAGE_SHIFT - IO_TLB_SHIFT + 1). What is broken is text of the sources, so that a bug
that can no longer be put in is noticed, too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "lib" / "bounce"
TESTS = ROOT / "tests" / "c"
# The first rounds of the dice are enough: a bug that shows in one state of a thousand is found in a second.
COMPILE = ["gcc", "-std=c11", "-O1", "-w", "-DVTEST_QUICK", f"-I{ROOT / 'include'}", f"-I{TESTS}"]


class Bug(NamedTuple):
    """``old`` in a file of lib/bounce becomes ``new``; the test program that must notice."""

    what: str
    file: str
    old: str
    new: str
    test: str


BUGS = [
    Bug("S1: alignment only where there is an original", "place.h",
        "alloc_align_mask |= pool->slot_mask;",
        "alloc_align_mask = request->orig ? alloc_align_mask | pool->slot_mask : pool->slot_mask;", "placement_test.c"),
    Bug("S2: the stride is umax(stride, PAGE_SHIFT - SLOT_SHIFT + 1)", "place.h",
        "request->size > pool->page_mask ? pool->page_mask >> pool->slot_shift : 0;",
        "request->size > pool->page_mask ? bits_exponent((pool->page_mask >> pool->slot_shift) + 1) : 0;",
        "walk_test.c"),
    Bug("S3: steps by the stride from wherever the cursor stands", "place.h",
        "area->first_slot + cursor - below, below);", "0 - below, below);", "walk_test.c"),
    Bug("S4: the two masks mixed into one, with AND", "place.h",
        "mask = alloc_align_mask | request->min_align_mask;",
        "mask = alloc_align_mask & (request->min_align_mask | pool->slot_mask);", "walk_test.c"),
    Bug("the stride by AND, the alignment right", "place.h",
        "stride = period_of(pool_slots(pool, mask) + 1);",
        "stride = period_of(pool_slots(pool, alloc_align_mask & (request->min_align_mask | pool->slot_mask)) + 1);",
        "walk_test.c"),
    Bug("S24: the last, partial segment is as long as any", "area.h",
        "return (left < pool->segment_mask ? left : pool->segment_mask) + 1;",
        "return pool->segment_mask + 1;", "walk_test.c"),
    Bug("S26: the boundary is counted from slot 0", "place.h",
        "phase = pool_slots(pool, pool->window_addr & boundary_mask);", "phase = 0;", "walk_test.c"),
    Bug("S27: the last candidate before the cursor is not tried", "place.h",
        "if (slot == RUNS_NONE && below != 0)", "if (slot == RUNS_NONE && below > 1)", "walk_test.c"),
    Bug("S28: the base is cut by the boundary", "place.h",
        "~alloc_align_mask) - pool->window_addr) &",
        "~alloc_align_mask) - (request->boundary_mask ? pool->window_addr & request->boundary_mask"
        " : pool->window_addr)) &", "walk_test.c"),
    Bug("S29: a sync may go beyond the mapping", "bounce.c",
        "return ask->offset > record_size(record) || ask->len > record_size(record) - ask->offset ? BOUNCE_E_RANGE : 0;",
        "return 0;", "handles_test.c"),
    Bug("S30: a stale handle is as good as a new one", "bounce.c",
        "|| record->number != number ||", "||", "handles_test.c"),
    Bug("S32: address 0 is no original", "place.h",
        "mask = alloc_align_mask | request->min_align_mask;",
        "mask = alloc_align_mask | (request->orig_addr ? request->min_align_mask : 0);", "walk_test.c"),
    Bug("C283: what was mapped stays in the window", "bounce.c",
        "    if (!keep)\n        copy_clear(", "    if (0)\n        copy_clear(", "copies_test.c"),
    Bug("C282: the padding before the data shows what was there", "bounce.c",
        "        copy_clear(live->start, live->offset);\n", "", "copies_test.c"),
    Bug("C284: what was written before is not kept", "bounce.c",
        "    int error = copy_in(pool, live->orig, 0, data, live->size);\n", "    int error = 0;\n", "copies_test.c"),
    Bug("C306: what the device wrote beside a partial sync is written over", "bounce.c",
        "    copy_begin_write(data, len);\n", "", "cache_test.c"),
    Bug("C306: what the device wrote is not looked for", "bounce.c", "    copy_begin_read(data, len);\n", "", "cache_test.c"),
    Bug("C306: what was written stays in the cache", "bounce.c", "    copy_end_write(data, len);\n", "", "cache_test.c"),
    Bug("C295: the device's limit is for the first byte", "place.h",
        "pool->window_addr + plan->offset + request->size - 1;", "pool->window_addr + plan->offset;", "placement_test.c"),
    Bug("C300: a window that could not be shared is used", "set.c",
        "    error = share(set, &draft, true);\n    if (error)\n        return error;\n", "    share(set, &draft, true);\n",
        "set_test.c"),
    Bug("C299: a pool leaves with its mappings", "set.c",
        "idle = head->used == 0;", "idle = true;", "set_test.c"),
    Bug("C265: pools may share addresses", "set.c",
        "pool_overlap(draft->window_addr, size, other->window_addr, window_size(other)) ||", "", "set_test.c"),
]


def passes(tree: Path, test: str) -> bool:
    """Does a test program pass on the sources in a directory? Not building is not passing."""
    program = tree / "test"
    # A test may bring sources of its own build along.
    own = re.findall(r'#include "bounce/(\w+\.c)"', (TESTS / "bounce" / test).read_text())
    sources = sorted(str(path) for path in (tree / "bounce").glob("*.c") if path.name not in own)
    built = subprocess.run(
        [*COMPILE, f"-I{tree}", *sources, str(TESTS / "bounce" / test), str(TESTS / "vtest_main.c"), "-o", str(program)],
        capture_output=True, text=True, check=False,
    )
    assert built.returncode == 0, built.stderr
    try:
        return subprocess.run([program], capture_output=True, timeout=60, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def plant(tree: Path, bug: Bug | None) -> Path:
    """A copy of the sources, with a bug."""
    shutil.copytree(SOURCES, tree / "bounce")
    if bug:
        path = tree / "bounce" / bug.file
        text = path.read_text()
        assert text.count(bug.old) == 1, f"nothing to break, or more than one place: {bug.what}"
        path.write_text(text.replace(bug.old, bug.new))
    return tree


@pytest.mark.parametrize("test", sorted({bug.test for bug in BUGS}))
def test_the_tests_pass_on_the_library_as_it_is(test: str, tmp_path: Path) -> None:
    assert passes(plant(tmp_path, None), test)


def test_S1_S2_S3_S4_S24_S26_S27_S28_S29_S30_S32_every_bug_of_the_past_is_found_out(tmp_path: Path) -> None:
    def survives(numbered: tuple[int, Bug]) -> bool:
        number, bug = numbered
        return passes(plant(tmp_path / str(number), bug), bug.test)

    with ThreadPoolExecutor(2) as pool:
        survivors = [bug.what for bug, lives in zip(BUGS, pool.map(survives, enumerate(BUGS)), strict=True) if lives]
    assert not survivors
