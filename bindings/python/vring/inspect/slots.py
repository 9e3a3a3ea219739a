# SPDX-License-Identifier: MIT
"""A bounce pool: which slots are taken, in which direction, and how much of them the data fill."""

from __future__ import annotations

from .snapshot import Record, check_pool
from .states import counted
from .svg import Sheet

# What the legend says of each direction, and its colour.
DIRECTIONS = {
    "to-device": ("to the device", "amber"),
    "from-device": ("from the device", "blue"),
    "bidirectional": ("both ways", "green"),
    "coherent": ("coherent", "violet"),
}

LEFT, RIGHT, TOP = 118, 28, 130
ROW, BAR = 26, 18  # pixels from one segment to the next, and of a mapping's height
MAGNIFIED_HEIGHT = 138
FAINT = 0.3  # opacity of what a mapping takes and its data do not fill


class _Pool:
    """One drawing in the making: the sheet, and where a slot and a byte are on it."""

    def __init__(self, snapshot: Record):
        self.snapshot = snapshot
        self.mappings = snapshot["mappings"]
        self.slot_size = snapshot["slot_size"]
        self.per_row = snapshot["segment_slots"]
        self.rows = -(-snapshot["slots"] // self.per_row)
        self.cell = min(max(920 / self.per_row, 2), 40)
        self.right = LEFT + self.cell * self.per_row
        self.magnified = max(self.mappings, key=lambda m: _worth_showing(snapshot, m), default=None)
        self.below = TOP + self.rows * ROW + 16
        height = self.below + (MAGNIFIED_HEIGHT if self.magnified else 0)
        self.sheet = Sheet(
            max(self.right + RIGHT, 860),
            height,
            f"{snapshot['name']}: {snapshot['slots']} bounce slots",
            "Slots at one moment, a row for each segment, coloured by the direction of the mapping.",
        )

    def place(self, slot: float) -> tuple[float, float]:
        """Where a slot, or a point within one, is drawn."""
        row = int(slot // self.per_row)
        return LEFT + (slot - row * self.per_row) * self.cell, TOP + row * ROW


def _lead(snapshot: Record, mapping: Record) -> int:
    """Bytes from the start of the allocation to the data."""
    return int(mapping["addr"] - (snapshot["addr"] + mapping["slot"] * snapshot["slot_size"]))


def _tail(snapshot: Record, mapping: Record) -> int:
    """Bytes from the end of the data to the end of the allocation."""
    return int(mapping["slots"] * snapshot["slot_size"] - _lead(snapshot, mapping) - mapping["size"])


def _worth_showing(snapshot: Record, mapping: Record) -> tuple[int, int]:
    """Of the largest mappings, one that shows best what lies before and after the data."""
    return mapping["size"], min(_lead(snapshot, mapping), _tail(snapshot, mapping))


def draw_slots(snapshot: Record, before: Record | None = None) -> str:
    """
    The picture of a pool, as the text of an SVG file; slots mapped or unmapped since ``before`` are framed. Raises
    SnapshotError if the snapshot is none of a pool.
    """
    check_pool(snapshot)
    pool = _Pool(snapshot)
    _heading(pool)
    _segments(pool)
    for mapping in pool.mappings:
        _mapping(pool, mapping)
    if pool.magnified:
        _magnified(pool, pool.magnified)
    if before and before.get("slots") == snapshot["slots"]:
        check_pool(before)
        _changes(pool, before)
    return str(pool.sheet)


def _changes(pool: _Pool, before: Record) -> None:
    for mapping in pool.mappings + before["mappings"]:
        if (mapping in pool.mappings) != (mapping in before["mappings"]):
            x, y = pool.place(mapping["slot"])
            pool.sheet.changed(x, y - 1, mapping["slots"] * pool.cell, BAR + 2)


def _heading(pool: _Pool) -> None:
    sheet, snapshot = pool.sheet, pool.snapshot
    sheet.text(24, 36, snapshot["name"], size=18, bold=True)
    sheet.text(
        24,
        55,
        f"{snapshot['slots']} slots of {size_text(pool.slot_size)}, in segments of {pool.per_row}; "
        f"{counted(len(pool.mappings), 'mapping')}",
        kind="soft",
    )
    x = 24.0
    for name, (label, colour) in DIRECTIONS.items():
        mine = [m for m in pool.mappings if m["direction"] == name]
        if not mine:
            continue
        count = f"{counted(len(mine), 'mapping')}, {size_text(sum(m['size'] for m in mine))}"
        sheet.rect(x, 78, 12, 12, colour=colour, round=2.5)
        sheet.text(x + 18, 88, label, bold=True, size=11.5)
        sheet.text(x + 18, 102, count, kind="soft", size=10.5)
        x += 40 + 6.4 * max(len(label), len(count))
    free = snapshot["slots"] - snapshot["used"]
    sheet.rect(x, 78, 12, 12, kind="cell", round=2.5)
    sheet.text(x + 18, 88, "free", bold=True, size=11.5)
    sheet.text(x + 18, 102, f"{free} slots", kind="soft", size=10.5)
    x += 110
    sheet.rect(x, 78, 12, 12, colour="blue", opacity=FAINT, round=2.5)
    sheet.text(x + 18, 88, "pale", bold=True, size=11.5)
    sheet.text(x + 18, 102, "taken, but not filled by the data", kind="soft", size=10.5)
    _gauge(pool, sheet.width - RIGHT - 250, 30)


def _gauge(pool: _Pool, x: float, y: float) -> None:
    """A bar of slots used now, with a mark at the most there ever were."""
    sheet, snapshot = pool.sheet, pool.snapshot
    width, slots = 250, max(snapshot["slots"], 1)
    sheet.rect(x, y, width, 9, kind="cell", round=4)
    sheet.rect(x, y, width * min(snapshot["used"] / slots, 1), 9, colour="blue", round=4)
    high = x + width * min(snapshot["high_water"] / slots, 1)
    sheet.path(f"M{high:.2f} {y - 3:.2f}v15", width=2)
    sheet.text(x, y + 25, f"{snapshot['used']} slots used", size=11)
    sheet.text(x + width, y + 25, f"most so far: {snapshot['high_water']}", size=11, kind="soft", anchor="end")


def _segments(pool: _Pool) -> None:
    for row in range(pool.rows):
        first = row * pool.per_row
        x, y = pool.place(first)
        address = pool.snapshot["addr"] + first * pool.slot_size
        pool.sheet.text(LEFT - 12, y + 12.5, f"0x{address:x}", size=9.5, kind="soft", anchor="end")
        slots = min(pool.per_row, pool.snapshot["slots"] - first)
        pool.sheet.rect(x, y, slots * pool.cell, BAR, kind="cell")
        pool.sheet.path("".join(f"M{x + n * pool.cell:.2f} {y}v{BAR}" for n in range(1, slots)), kind="gap")


def _mapping(pool: _Pool, mapping: Record) -> None:
    """What it takes, faint, and what its data fill of that."""
    label, colour = DIRECTIONS[mapping["direction"]]
    x, y = pool.place(mapping["slot"])
    width = mapping["slots"] * pool.cell
    lead, tail = _lead(pool.snapshot, mapping), _tail(pool.snapshot, mapping)
    scale = pool.cell / pool.slot_size
    tip = (
        f"slots {mapping['slot']} to {mapping['slot'] + mapping['slots'] - 1}: {mapping['size']} bytes {label} at "
        f"0x{mapping['addr']:x}, after {lead} bytes, {tail} unused"
    )
    pool.sheet.rect(x + 0.4, y, width - 0.8, BAR, kind="paperless")
    pool.sheet.rect(x + 0.4, y, width - 0.8, BAR, colour=colour, opacity=FAINT, round=1.5, tip=tip)
    filled = max(mapping["size"] * scale, 1.6)
    pool.sheet.rect(min(x + lead * scale + 0.4, x + width - filled), y, filled - 0.4, BAR, colour=colour, round=1)
    text = size_text(mapping["size"])
    if width > 9 * len(text):
        pool.sheet.text(x + width / 2, y + 12.5, text, size=9.5, kind="onhue", anchor="middle", bold=True)


def _magnified(pool: _Pool, mapping: Record) -> None:
    """The first and the last slots of one mapping, to scale, with what lies before and after the data."""
    sheet, y = pool.sheet, pool.below + 44
    colour = DIRECTIONS[mapping["direction"]][1]
    lead, tail = _lead(pool.snapshot, mapping), _tail(pool.snapshot, mapping)
    shown = min(mapping["slots"], 6)
    gap = 24 if mapping["slots"] > shown else 0  # for the slots left out, in the middle
    cell = (sheet.width - RIGHT - LEFT - gap) / max(shown, 1)
    sheet.path(f"M24 {pool.below + 4:.2f}H{sheet.width - 24:.2f}", opacity=0.5)
    sheet.text(24, pool.below + 28, "One of them, magnified", bold=True, size=12)
    sheet.text(LEFT - 12, y + 16, f"slot {mapping['slot']}", size=10, kind="soft", anchor="end")
    for n in range(shown):
        late = gap and n >= shown // 2
        start = (mapping["slots"] - shown + n if late else n) * pool.slot_size
        x, scale = LEFT + n * cell + (gap if late else 0) + 1, (cell - 2) / pool.slot_size
        sheet.rect(x, y, cell - 2, 26, colour=colour, opacity=FAINT, round=2)
        data_from, data_to = (min(max(at - start, 0), pool.slot_size) for at in (lead, lead + mapping["size"]))
        if data_to > data_from:
            sheet.rect(x + data_from * scale, y, max((data_to - data_from) * scale, 2), 26, colour=colour, round=2)
    if gap:
        sheet.text(LEFT + shown // 2 * cell + gap / 2, y + 17, "...", anchor="middle", bold=True)
    end = LEFT + shown * cell + gap
    most = shown // 2 if gap else shown
    _note(
        sheet,
        LEFT,
        LEFT + max(min(lead / pool.slot_size, most) * cell, 8),
        y + 34,
        f"{lead} bytes before the data",
        f"so that the low bits of its address, 0x{mapping['addr']:x}, are those of the driver's own buffer"
        if lead
        else "",
    )
    _note(
        sheet, end - max(min(tail / pool.slot_size, most) * cell, 8), end, y + 34, f"{tail} bytes after it", right=True
    )


def _note(sheet: Sheet, x1: float, x2: float, y: float, text: str, more: str = "", right: bool = False) -> None:
    sheet.path(f"M{x1:.2f} {y - 4:.2f}v5H{x2:.2f}v-5")
    x, anchor = (x2, "end") if right else (x1, "start")
    sheet.text(x, y + 16, text, size=11, anchor=anchor)
    if more:
        sheet.text(x, y + 31, more, size=10.5, kind="soft", anchor=anchor)


def size_text(size: int) -> str:
    """A number of bytes in the largest unit that leaves it above one."""
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
