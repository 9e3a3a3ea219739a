# SPDX-License-Identifier: MIT
"""Slots over time: one column for each snapshot of a pool, one row for each slot. A leak is a bar that never ends."""

from __future__ import annotations

from collections.abc import Sequence

from .slots import DIRECTIONS, size_text
from .snapshot import Record, SnapshotError, check_pool
from .svg import Sheet

LEFT, RIGHT, TOP, BOTTOM = 84, 28, 112, 40
WIDTH, TALLEST = 960, 420


def draw_heat(snapshots: Sequence[Record]) -> str:
    """
    The picture of one pool at several moments, as the text of an SVG file. Each mapping is one bar for as long as it
    lives, in the colour of its direction. Raises SnapshotError if there is no snapshot or if they are not of one pool.
    """
    if not snapshots:
        raise SnapshotError("no snapshot of a pool")
    for snapshot in snapshots:
        check_pool(snapshot)
    first = snapshots[0]
    slots = first["slots"]
    if any((s["name"], s["slots"], s["slot_size"]) != (first["name"], slots, first["slot_size"]) for s in snapshots):
        raise SnapshotError("these are snapshots of different pools")
    row = max(min(TALLEST / slots, 22), 0.25)
    height = slots * row
    column = (WIDTH - LEFT - RIGHT) / len(snapshots)
    sheet = Sheet(
        WIDTH,
        TOP + height + BOTTOM,
        f"{first['name']}: {slots} slots over {len(snapshots)} snapshots",
        "Time from left to right, slots from top to bottom, coloured by the direction of the mapping.",
    )
    lives = _lives(snapshots)
    _heading(sheet, snapshots, lives)
    sheet.rect(LEFT, TOP, WIDTH - LEFT - RIGHT, height, kind="cell", round=2)
    for (slot, count, direction, size), born, dead in lives:
        label, colour = DIRECTIONS[direction]
        gap = 0.6 if row > 3 else 0
        sheet.rect(
            LEFT + born * column + 0.4,
            TOP + slot * row + gap,
            (dead - born) * column - 0.8,
            max(count * row - 2 * gap, 0.5),
            colour=colour,
            round=min(2, row / 4),
            tip=f"slots {slot} to {slot + count - 1}, {size} bytes {label}, snapshots {born} to {dead - 1}",
        )
    _axes(sheet, slots, row, column, len(snapshots))
    return str(sheet)


Life = tuple[tuple[int, int, str, int], int, int]


def _lives(snapshots: Sequence[Record]) -> list[Life]:
    """(slot, slots, direction, size) of every mapping, the first snapshot that has it, and the first that has not."""
    alive: dict[tuple[object, ...], tuple[tuple[int, int, str, int], int]] = {}
    lives: list[Life] = []
    for now, snapshot in enumerate(snapshots):
        seen = {
            (m["slot"], m["slots"], m["addr"], m["size"], m["direction"], m.get("owner")): m
            for m in snapshot["mappings"]
        }
        for key in [key for key in alive if key not in seen]:
            what, born = alive.pop(key)
            lives.append((what, born, now))
        for key, m in seen.items():
            alive.setdefault(key, ((m["slot"], m["slots"], m["direction"], m["size"]), now))
    lives += [(what, born, len(snapshots)) for what, born in alive.values()]
    return sorted(lives, key=lambda life: (life[1], life[0]))


def _heading(sheet: Sheet, snapshots: Sequence[Record], lives: Sequence[Life]) -> None:
    first = snapshots[0]
    sheet.text(24, 36, f"{first['name']}, over time", size=18, bold=True)
    sheet.text(
        24,
        55,
        f"{first['slots']} slots of {size_text(first['slot_size'])} in {len(snapshots)} snapshots; at most "
        f"{max(s['used'] for s in snapshots)} slots in use",
        kind="soft",
    )
    x = 24.0
    for name, (label, colour) in DIRECTIONS.items():
        count = sum(life[0][2] == name for life in lives)
        if count:
            sheet.rect(x, 72, 12, 12, colour=colour, round=2.5)
            text = f"{label}: {count}"
            sheet.text(x + 18, 82, text, size=11.5)
            x += 44 + 6.6 * len(text)
    whole = sum(born == 0 and dead == len(snapshots) for _, born, dead in lives)
    if whole and len(snapshots) > 1:
        sheet.text(
            WIDTH - RIGHT,
            82,
            f"{whole} from the first snapshot to the last: leaks look like this",
            size=11,
            kind="soft",
            anchor="end",
        )


def _axes(sheet: Sheet, slots: int, row: float, column: float, moments: int) -> None:
    step = _round_step(slots, max(2, int(slots * row / 28)))
    for slot in range(0, slots, step):
        sheet.text(LEFT - 8, TOP + slot * row + min(row, 12) / 2 + 3.5, str(slot), size=9.5, kind="soft", anchor="end")
    sheet.text(24, TOP - 8, "slot", size=10.5, kind="soft")
    for moment in range(0, moments, _round_step(moments, 24)):
        sheet.text(
            LEFT + (moment + 0.5) * column, TOP + slots * row + 15, str(moment), size=9.5, kind="soft", anchor="middle"
        )
    sheet.text(WIDTH - RIGHT, TOP + slots * row + 30, "snapshot", size=10.5, kind="soft", anchor="end")


def _round_step(count: int, labels: int) -> int:
    """The smallest step of 1, 2, 5, 10 ... with at most so many labels."""
    steps = [digit * scale for scale in (1, 10, 100, 1000, 10000) for digit in (1, 2, 5)]
    return next((step for step in steps if count / step <= labels), count)
