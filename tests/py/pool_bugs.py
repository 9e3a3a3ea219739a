# SPDX-License-Identifier: MIT
"""The bugs that bounce pools had, as one switch over libbounce's sources: -DBOUNCE_SEED_BUG=n, and 0 for none.

The sources as they are shipped know nothing of it. ``python3 tests/py/pool_bugs.py FOLDER`` writes a copy in which
every bug stands behind the switch, and lists the numbers; ``test_pool_bugs.py`` builds that copy once for each. What is
broken is text of the sources, so that a bug that can no longer be put in is noticed, too.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "lib" / "bounce"


class Edit(NamedTuple):
    """``old``, which stands once in a file of lib/bounce, and what it becomes."""

    file: str
    old: str
    new: str


class Bug(NamedTuple):
    """What goes wrong, how, and the test program of tests/c/bounce that must notice."""

    what: str
    test: str
    edits: tuple[Edit, ...]
    fuzzed: bool = True  # is it one of placement, bounds or handles, so that the fuzzer must find it by itself?


CLEARS = "    if (start)\n        copy_clear(start, window_bytes(pool, slots));"
FILLS = "        error = fill(pool, (unsigned char *)request->orig, request->size, start, spot->slots, spot->offset);"

# Where most requests go the short way (near.h), and all others the long one (plan.h), a bug is in both.
BUGS = (
    Bug(
        "S1: alignment only where there is an original",
        "placement_test.c",
        (
            Edit(
                "plan.h",
                "    alloc_align_mask |= pool->slot_mask;",
                "    alloc_align_mask = request->orig ? alloc_align_mask | pool->slot_mask : pool->slot_mask;",
            ),
        ),
    ),
    Bug(
        "S2: the stride is umax(stride, PAGE_SHIFT - IO_TLB_SHIFT + 1)",
        "walk_test.c",
        (
            Edit(
                "near.h",
                "        near->stride_mask = pool->page_mask >> pool->slot_shift;",
                "        near->stride_mask = bits_exponent((pool->page_mask >> pool->slot_shift) + 1);",
            ),
            Edit(
                "plan.h",
                "    uint32_t stride_mask = request->size > pool->page_mask ? pool->page_mask >> pool->slot_shift : 0;",
                "    uint32_t stride_mask = request->size > pool->page_mask"
                " ? bits_exponent((pool->page_mask >> pool->slot_shift) + 1) : 0;",
            ),
        ),
    ),
    Bug(
        "S3: steps by the stride from an unaligned index, wherever the cursor stands",
        "walk_test.c",
        (
            Edit(
                "near.h",
                "        spot->slot = near_find(pool, &spot->area, &near, cursor);",
                "        near.first = spot->area.first_slot + cursor;\n"
                "        spot->slot = near_find(pool, &spot->area, &near, cursor);",
            ),
        ),
    ),
    Bug(
        "S4: the two masks mixed into one, with AND",
        "walk_test.c",
        (
            Edit("near.h", "    align = start | min;", "    align = start & (min | pool->slot_mask);"),
            Edit(
                "plan.h",
                "    mask = alloc_align_mask | request->min_align_mask;",
                "    mask = alloc_align_mask & (request->min_align_mask | pool->slot_mask);",
            ),
        ),
    ),
    Bug(
        "S5: the stride by AND, the alignment right",
        "walk_test.c",
        (
            Edit(
                "near.h",
                "    near->stride_mask = align >> pool->slot_shift;",
                "    near->stride_mask = (start & (min | pool->slot_mask)) >> pool->slot_shift;",
            ),
            Edit(
                "plan.h",
                "    stride = period_of(pool_slots(pool, mask) + 1);",
                "    stride = period_of(pool_slots(pool, alloc_align_mask & "
                "(request->min_align_mask | pool->slot_mask)) + 1);",
            ),
        ),
    ),
    Bug(
        "S7: bits of min_align below alloc_align choose the slot",
        "placement_test.c",
        (
            Edit("near.h", "    near->first = (((orig_addr & min & ~start)", "    near->first = (((orig_addr & min)"),
            Edit(
                "plan.h",
                "    first = pool_slots(pool, ((request->orig_addr & request->min_align_mask & ~alloc_align_mask)"
                " - pool->window_addr) &",
                "    first = pool_slots(pool, ((request->orig_addr & request->min_align_mask) - pool->window_addr) &",
            ),
        ),
        False,
    ),
    Bug(
        "S8: whole slots of padding are forgotten",
        "placement_test.c",
        (
            Edit(
                "near.h",
                "    near->offset = orig_addr & min & (start | pool->slot_mask);",
                "    near->offset = orig_addr & min & pool->slot_mask;",
            ),
        ),
        False,
    ),
    Bug(
        "S9: padding is not given back with its mapping",
        "accounting_test.c",
        (
            Edit(
                "records.h",
                "    uint32_t slots = (record_offset(record) + ",
                "    uint32_t slots = ((record_offset(record) & pool->slot_mask) + ",
            ),
        ),
        False,
    ),
    Bug(
        "S12: exactly a page need not begin at one",
        "placement_test.c",
        (
            Edit(
                "near.h", "    if (request->size > pool->page_mask) {", "    if (request->size > pool->page_mask + 1) {"
            ),
        ),
        False,
    ),
    Bug(
        "S13: coherent memory is aligned to a page, whatever its order",
        "placement_test.c",
        (Edit("bounce.c", "    while (request.alloc_align_mask < size - 1)", "    while (0)"),),
        False,
    ),
    Bug(
        "S14: the most that can be mapped forgets the offset",
        "placement_test.c",
        (
            Edit(
                "pool.c",
                "    return longest - (((uint32_t)min_align_mask + pool->slot_mask) & ~pool->slot_mask);",
                "    return longest;",
            ),
        ),
        False,
    ),
    Bug(
        "S15: a partial sync adds its offset twice",
        "copies_test.c",
        (
            Edit(
                "bounce.c",
                "    return copy_out(pool, live.orig, offset, live.start + live.offset + offset, len);",
                "    return copy_out(pool, live.orig, offset, live.start + live.offset + offset + offset, len);",
            ),
        ),
        False,
    ),
    Bug(
        "S16: a partial sync takes the original from its start",
        "copies_test.c",
        (
            Edit(
                "bounce.c",
                "    return copy_in(pool, live.orig, offset, live.start + live.offset + offset, len);",
                "    return copy_in(pool, live.orig, 0, live.start + live.offset + offset, len);",
            ),
        ),
        False,
    ),
    Bug(
        "S18: a sync for the device writes over what is from it",
        "copies_test.c",
        (Edit("bounce.c", "    if (error || direction == BOUNCE_FROM_DEVICE)", "    if (error)"),),
        False,
    ),
    Bug(
        "S19: the padding after the data is not cleared",
        "copies_test.c",
        (Edit("bounce.c", "        copy_clear(data + size, window_bytes(pool, n) - offset - size);", "        ;"),),
        False,
    ),
    Bug(
        "S21: a slot beyond 4 GiB has an address below",
        "accounting_test.c",
        (Edit("area.h", "    return (uint64_t)slots << pool->slot_shift;", "    return slots << pool->slot_shift;"),),
        False,
    ),
    Bug(
        "S23: areas may be less than a segment",
        "refusals_test.c",
        (Edit("pool.c", "    if (areas > 1 && areas > config->slots >> pool->segment_shift)", "    if (0)"),),
        False,
    ),
    Bug(
        "S33: a size is taken as 32 bits",
        "refusals_test.c",
        (
            Edit(
                "near.h",
                "(request->boundary_mask | request->limit) != 0 || request->size > pool->longest)",
                "(request->boundary_mask | request->limit) != 0 || (uint32_t)request->size > pool->longest)",
            ),
        ),
        False,
    ),
    Bug(
        "S34: a size of 0 is mapped",
        "refusals_test.c",
        (Edit("bounce.c", "    if (request->size == 0)", "    if (0)"),),
        False,
    ),
    Bug(
        "S35: a copy function is not told where in the original",
        "reserve_test.c",
        (
            Edit(
                "bounce.c",
                "pool->copy(pool->copy_context, orig, offset, data, len, false) != 0",
                "pool->copy(pool->copy_context, orig, 0, data, len, false) != 0",
            ),
        ),
        False,
    ),
    Bug(
        "S42: what is free again is not one with what is beside it",
        "accounting_test.c",
        (
            Edit(
                "take.h",
                "    if (runs_around(*free, bit, segment_slots(pool)) >",
                "    if (n > *area_longest(pool, area, slot >> pool->segment_shift) && n >",
            ),
        ),
        False,
    ),
    Bug(
        "S43: too much, ever, is no more than too much now",
        "placement_test.c",
        (
            Edit(
                "place.h",
                "    return plan_fits_empty_pool(pool, &plan) ? reason : BOUNCE_E_UNSATISFIABLE;",
                "    return reason;",
            ),
        ),
        False,
    ),
    Bug(
        "S24: the last, partial segment is as long as any",
        "walk_test.c",
        (
            Edit(
                "area.h",
                "    return (left < pool->segment_mask ? left : pool->segment_mask) + 1;",
                "    return pool->segment_mask + 1;",
            ),
        ),
    ),
    Bug(
        "S26: the boundary is counted from slot 0",
        "walk_test.c",
        (Edit("plan.h", "    phase = pool_slots(pool, pool->window_addr & boundary_mask);", "    phase = 0;"),),
    ),
    Bug(
        "S27: the last candidate before the cursor is not tried",
        "walk_test.c",
        (Edit("place.h", "    if (slot == RUNS_NONE && below != 0)", "    if (slot == RUNS_NONE && below > 1)"),),
    ),
    Bug(
        "S28: the base is cut by the boundary",
        "walk_test.c",
        (
            Edit(
                "plan.h",
                "    first = pool_slots(pool, ((request->orig_addr & request->min_align_mask & ~alloc_align_mask)"
                " - pool->window_addr) &",
                "    first = pool_slots(pool, ((request->orig_addr & request->min_align_mask & ~alloc_align_mask)"
                " - (request->boundary_mask ? pool->window_addr & request->boundary_mask : pool->window_addr)) &",
            ),
        ),
    ),
    Bug(
        "S29: a sync may go beyond the mapping",
        "handles_test.c",
        (
            Edit(
                "bounce.c",
                "    return ask->offset > record_size(record) || ask->len > record_size(record) - ask->offset"
                " ? BOUNCE_E_RANGE : 0;",
                "    return 0;",
            ),
        ),
    ),
    Bug(
        "S30: a stale handle is as good as a new one",
        "handles_test.c",
        (
            Edit(
                "bounce.c",
                "    if (!record_is_live(record) || record->number != number)",
                "    (void)number;\n    if (!record_is_live(record))",
            ),
        ),
    ),
    Bug(
        "S32: address 0 is no original",
        "walk_test.c",
        (
            Edit("near.h", "    align = start | min;", "    align = start | (request->orig_addr ? min : 0);"),
            Edit(
                "plan.h",
                "    mask = alloc_align_mask | request->min_align_mask;",
                "    mask = alloc_align_mask | (request->orig_addr ? request->min_align_mask : 0);",
            ),
        ),
    ),
    Bug("C283: what was mapped stays in the window", "copies_test.c", (Edit("bounce.c", CLEARS, "    (void)start;"),)),
    Bug(
        "C283: and whoever looks at the whole pool sees it",
        "scan_test.c",
        (Edit("bounce.c", CLEARS, "    (void)start;"),),
    ),
    Bug(
        "C283: the last slot keeps what was mapped",
        "scan_test.c",
        (Edit("bounce.c", CLEARS, "    if (start)\n        copy_clear(start, window_bytes(pool, slots - 1));"),),
    ),
    Bug(
        "C282: the padding before the data shows what was there",
        "copies_test.c",
        (Edit("bounce.c", "        copy_clear(start, offset);", "        ;"),),
    ),
    Bug(
        "C284: what was written before is not kept",
        "copies_test.c",
        (
            Edit(
                "bounce.c", "    int error = copy_in(pool, orig, 0, data, size);", "    int error = 0;\n    (void)orig;"
            ),
        ),
    ),
    Bug(
        "S18: what is from the device is not copied in",
        "scan_test.c",
        (Edit("bounce.c", FILLS, "    if (request->direction != BOUNCE_FROM_DEVICE)\n    " + FILLS),),
    ),
    Bug(
        "S29: a sync writes a byte behind what was asked for",
        "scan_test.c",
        (
            Edit(
                "bounce.c",
                "    return copy_out(pool, live.orig, offset, live.start + live.offset + offset, len);",
                "    return copy_out(pool, live.orig, offset, live.start + live.offset + offset, len + (len != 0));",
            ),
        ),
    ),
    Bug(
        "C306: what the device wrote beside a partial sync is written over",
        "cache_test.c",
        (Edit("bounce.c", "    copy_begin_write(data, len);", "    ;"),),
    ),
    Bug(
        "C306: what the device wrote is not looked for",
        "cache_test.c",
        (Edit("bounce.c", "    copy_begin_read(data, len);", "    ;"),),
    ),
    Bug(
        "C306: what was written stays in the cache",
        "cache_test.c",
        (Edit("bounce.c", "    copy_end_write(data, len);", "    ;"),),
    ),
    Bug(
        "C295: the device's limit is for the first byte",
        "placement_test.c",
        (
            Edit(
                "plan.h",
                "    uint64_t to_last = pool->window_addr + plan->offset + request->size - 1;",
                "    uint64_t to_last = pool->window_addr + plan->offset;",
            ),
        ),
    ),
    Bug(
        "C300: a window that could not be shared is used",
        "set_test.c",
        (
            Edit(
                "set.c",
                "    error = share(set, &draft, true);\n    if (error) {",
                "    share(set, &draft, true);\n    if (error) {",
            ),
        ),
    ),
    Bug(
        "S36: a pool enters where another is entering",
        "set_test.c",
        (Edit("set.c", "    lock_publish(&entry->state, ENTRY_ENTERING);\n", ""),),
        fuzzed=False,
    ),
    Bug(
        "S37: an entry is taken while somebody may look at who left it",
        "set_test.c",
        (Edit("set.c", "set->config.entries_wait ? ENTRY_LEFT : ENTRY_FREE", "ENTRY_FREE"),),
        fuzzed=False,
    ),
    Bug(
        "S36: a window is shared for what could never be mapped",
        "set_test.c",
        (Edit("set.c", "error = request ? bounce_judge(&draft, request) : 0;", ""),),
        fuzzed=False,
    ),
    Bug(
        "C300: a lost window is not told",
        "set_test.c",
        (Edit("set.c", "return left ? left : error;", "return error ? error : left;"),),
    ),
    Bug(
        "C299: a pool leaves with its mappings",
        "set_test.c",
        (Edit("set.c", "idle = head->used == 0;", "idle = true;"),),
    ),
    Bug(
        "C265: pools may share addresses",
        "set_test.c",
        (Edit("set.c", "pool_overlap(draft->window_addr, size, other->window_addr, window_size(other)) ||", ""),),
    ),
)


def seeded(text: str, edits: list[tuple[int, Edit]]) -> str:
    """A file's text with the edits in it, each in force where BOUNCE_SEED_BUG is its number."""
    places: dict[str, list[tuple[int, str]]] = {}
    for number, edit in edits:
        assert text.count(edit.old) == 1, f"bug {number}: nothing to break, or more than one place: {edit.old}"
        places.setdefault(edit.old, []).append((number, edit.new))
    for old, ways in places.items():
        lines = [f"\n#{'el' if i else ''}if BOUNCE_SEED_BUG == {n}\n{new}" for i, (n, new) in enumerate(ways)]
        text = text.replace(old, "".join(lines) + f"\n#else\n{old}\n#endif\n")
    return text


def write_tree(folder: Path) -> None:
    """Copy the sources to FOLDER/bounce with all bugs in, behind the switch."""
    shutil.copytree(SOURCES, folder / "bounce")
    for name in sorted({edit.file for bug in BUGS for edit in bug.edits}):
        edits = [(n, edit) for n, bug in enumerate(BUGS, 1) for edit in bug.edits if edit.file == name]
        path = folder / "bounce" / name
        path.write_text(seeded(path.read_text(), edits))


if __name__ == "__main__":
    write_tree(Path(sys.argv[1]))
    for n, bug in enumerate(BUGS, 1):
        print(f"-DBOUNCE_SEED_BUG={n:<3} {bug.what}")
