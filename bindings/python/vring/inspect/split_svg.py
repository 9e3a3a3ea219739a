# SPDX-License-Identifier: MIT
"""A split ring as one side sees it: who owns which descriptor, how buffers chain, and where the cursors stand."""

from __future__ import annotations

from .snapshot import Record, check_ring
from .split import buffers, live_avail, offered, used_heads
from .states import DESC_F_INDIRECT, DESC_F_WRITE, NOBODY, STATES, Buffer, counted
from .svg import Sheet

LEFT, RIGHT, CELL_HEIGHT = 118, 28, 24
AVAIL, TABLE, USED = 158, 262, 392  # tops of the three strips
HEIGHT = 478


class _RingSheet:
    """One drawing in the making: the sheet, and where an entry is on it."""

    def __init__(self, snapshot: Record):
        self.snapshot = snapshot
        self.size = int(snapshot["size"])
        self.buffers = buffers(snapshot)
        self.side = str(snapshot["side"])
        self.states = STATES[self.side]
        self.colour = {b.head: self.states[b.state][1] for b in self.buffers}
        self.cell: float = min(max(960 / self.size, 5), 48)
        width = max(LEFT + self.cell * self.size + RIGHT, 860)
        self.sheet = Sheet(
            width,
            HEIGHT,
            f"{snapshot['name']}: split ring of {self.size} entries",
            "Available ring, descriptor table and used ring at one moment, coloured by owner.",
        )

    def x(self, entry: int) -> float:
        return LEFT + entry * self.cell

    def middle(self, entry: int) -> float:
        return self.x(entry) + self.cell / 2

    def strip(self, top: float, label: str, note: str) -> None:
        """A row of empty cells."""
        self.sheet.text(LEFT - 14, top + 11, label, anchor="end", bold=True)
        self.sheet.text(LEFT - 14, top + 24, note, size=10, kind="soft", anchor="end")
        self.sheet.rect(LEFT, top, self.cell * self.size, CELL_HEIGHT, kind="cell", round=2.5)
        self.sheet.path("".join(f"M{self.x(i):.2f} {top}v{CELL_HEIGHT}" for i in range(1, self.size)), kind="gap")

    def fill(self, top: float, entry: int, colour: str, text: str, tip: str, opacity: float = 1) -> None:
        gap = 0.5 if self.cell > 6 else 0.25
        self.sheet.rect(
            self.x(entry) + gap,
            top + gap,
            self.cell - 2 * gap,
            CELL_HEIGHT - 2 * gap,
            colour=colour,
            round=min(2.5, self.cell / 4),
            opacity=opacity,
            tip=tip,
        )
        if self.cell >= 4.4 * len(text) + 2:
            self.sheet.text(
                self.middle(entry),
                top + 15.5,
                text,
                size=min(7.6, 0.55 * self.cell),
                kind="onhue",
                anchor="middle",
                bold=True,
            )

    def cursors(self, tip_y: float, down: bool, marks: list[tuple[str, int, str]]) -> None:
        """Arrows to the left edge of cells. The further left, the further out the label: no arrow crosses it."""
        step = -15 if down else 15
        for n, (label, index, kind) in enumerate(sorted(marks, key=lambda mark: mark[1] % self.size)):
            x = self.x(index % self.size)
            y = tip_y + step * (len(marks) - 1 - n + 0.9)
            back = -5 if down else 5
            self.sheet.path(f"M{x:.2f} {y + back * -0.4:.2f}V{tip_y + back:.2f}", width=1)
            self.sheet.path(f"M{x:.2f} {tip_y:.2f}l-3.5 {back}h7z", kind=kind, filled=True)
            end = x > LEFT + self.cell * self.size - 170
            self.sheet.text(
                x + (-4 if end else 4), y + 3, f"{label} {index}", size=10, kind=kind, anchor="end" if end else "start"
            )


def draw_ring(snapshot: Record, before: Record | None = None) -> str:
    """
    The picture of a split ring, as the text of an SVG file; what is not as it was in ``before`` is framed. Raises
    SnapshotError for all but a split ring.
    """
    check_ring(snapshot)
    drawing = _RingSheet(snapshot)
    _heading(drawing)
    _connections(drawing)
    _avail_ring(drawing)
    _descriptor_table(drawing)
    _used_ring(drawing)
    if before and before.get("size") == snapshot["size"]:
        check_ring(before)
        _changes(drawing, before)
    return str(drawing.sheet)


def _heading(drawing: _RingSheet) -> None:
    sheet, snapshot = drawing.sheet, drawing.snapshot
    sheet.text(24, 36, snapshot["name"], size=18, bold=True)
    sheet.text(24, 55, f"split ring, {drawing.size} entries, as its {drawing.side} sees it", kind="soft")
    x = 24.0
    for state, (label, colour) in drawing.states.items():
        mine = [b for b in drawing.buffers if b.state == state]
        taken = sum(len(b.descriptors) for b in mine)
        x = _legend(sheet, x, 82, label, f"{counted(len(mine), 'buffer')}, {counted(taken, 'descriptor')}", colour)
    nobody = drawing.size - len({i for b in drawing.buffers for i in b.descriptors})
    x = _legend(sheet, x, 82, NOBODY[drawing.side], counted(nobody, "descriptor"), None)
    x = sheet.width - RIGHT - 204
    for label, write in (("device reads", False), ("device writes", True)):
        sheet.rect(x, 27, 12, 12, colour="blue", round=2.5)
        _access_mark(sheet, x, 27, 12, 12, write)
        sheet.text(x + 18, 37, label, size=11, kind="soft")
        x += 108


def _legend(sheet: Sheet, x: float, y: float, label: str, count: str, colour: str | None) -> float:
    sheet.rect(x, y - 10, 12, 12, colour=colour, kind="" if colour else "cell", round=2.5)
    sheet.text(x + 18, y, label, bold=True, size=11.5)
    sheet.text(x + 18, y + 14, count, kind="soft", size=10.5)
    return x + 44 + max(7 * len(label), 6.2 * len(count))


def _changes(drawing: _RingSheet, before: Record) -> None:
    for i, (entry, old) in enumerate(zip(drawing.snapshot["entries"], before["entries"], strict=True)):
        for top, keys in (
            (AVAIL, ("avail",)),
            (TABLE, ("addr", "len", "flags", "next")),
            (USED, ("used_id", "used_len")),
        ):
            if any(entry.get(key) != old.get(key) for key in keys):
                drawing.sheet.changed(drawing.x(i), top - 1, drawing.cell, CELL_HEIGHT + 2)


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    half = (y1 + y2) / 2
    return f"M{x1:.2f} {y1:.2f}C{x1:.2f} {half:.2f} {x2:.2f} {half:.2f} {x2:.2f} {y2:.2f}"


def _connections(drawing: _RingSheet) -> None:
    for head, position in live_avail(drawing.snapshot, drawing.colour).items():
        drawing.sheet.path(
            _curve(drawing.middle(position), AVAIL + CELL_HEIGHT, drawing.middle(head), TABLE),
            colour=drawing.colour[head],
            width=1.1,
            opacity=0.7,
        )
    for position, head in used_heads(drawing.snapshot).items():
        if head in drawing.colour:
            drawing.sheet.path(
                _curve(drawing.middle(head), TABLE + CELL_HEIGHT, drawing.middle(position), USED),
                colour=drawing.colour[head],
                width=1.1,
                opacity=0.7,
            )


def _avail_ring(drawing: _RingSheet) -> None:
    snapshot = drawing.snapshot
    drawing.strip(AVAIL, "available ring", "driver writes")
    for head, position in live_avail(snapshot, drawing.colour).items():
        drawing.fill(AVAIL, position, drawing.colour[head], str(head), f"position {position}: head {head}")
    for position in offered(snapshot, snapshot["next_avail"]):
        if (head := snapshot["entries"][position]["avail"]) >= drawing.size:
            drawing.fill(AVAIL, position, "red", str(head), f"position {position}: there is no descriptor {head}")
    drawing.cursors(
        AVAIL - 2,
        True,
        [
            ("avail.idx", snapshot["avail_idx"], "ink"),
            ("next_avail (private)", snapshot["next_avail"], "ink"),
            ("avail_event", snapshot["avail_event"], "soft"),
        ],
    )


def _used_ring(drawing: _RingSheet) -> None:
    snapshot = drawing.snapshot
    drawing.strip(USED, "used ring", "device writes")
    for position, head in used_heads(snapshot).items():
        entry = snapshot["entries"][position]
        told = head == entry["used_id"]
        written = f"{entry['used_len']} bytes written" if told else "in order: its batch's last one is told alone"
        drawing.fill(
            USED, position, drawing.colour.get(head, "red"), str(head), f"position {position}: head {head}, {written}"
        )
    drawing.cursors(
        USED + CELL_HEIGHT + 2,
        False,
        [
            ("next_used (private)", snapshot["next_used"], "ink"),
            ("used.idx", snapshot["used_idx"], "ink"),
            ("used_event", snapshot["used_event"], "soft"),
        ],
    )


def _descriptor_table(drawing: _RingSheet) -> None:
    drawing.strip(TABLE, "descriptors", "driver writes")
    for i in range(0, drawing.size, max(drawing.size // 16, 1)):
        drawing.sheet.text(drawing.middle(i), TABLE - 4, str(i), size=8, kind="soft halo", anchor="middle")
    for buffer in drawing.buffers:
        _buffer(drawing, buffer)


def _buffer(drawing: _RingSheet, buffer: Buffer) -> None:
    """Its cells; arcs from each to the next; and hanging from an indirect one, its table."""
    colour, bottom = drawing.colour[buffer.head], TABLE + CELL_HEIGHT
    for n, i in enumerate(buffer.descriptors):
        entry = drawing.snapshot["entries"][i]
        tip = f"descriptor {i}: {drawing.states[buffer.state][0]}; 0x{entry['addr']:x}, {entry['len']} bytes"
        drawing.fill(TABLE, i, colour, "", f"{tip}; token {entry['token']}" if drawing.side == "driver" else tip)
        if not entry["flags"] & DESC_F_INDIRECT:
            write = bool(entry["flags"] & DESC_F_WRITE)
            _access_mark(drawing.sheet, drawing.x(i), TABLE, drawing.cell, CELL_HEIGHT, write)
        if n > 0:
            before = buffer.descriptors[n - 1]
            x1, x2 = drawing.middle(before), drawing.middle(i)
            top, low = bottom + 1, bottom + min(6 + abs(x2 - x1) * 0.15, 15)
            drawing.sheet.path(
                f"M{x1:.2f} {top}C{x1:.2f} {low:.2f} {x2:.2f} {low:.2f} {x2:.2f} {top}", colour=colour, width=1.6
            )
    if drawing.snapshot["entries"][buffer.head]["flags"] & DESC_F_INDIRECT:
        _table(drawing, buffer, colour)


def _table(drawing: _RingSheet, buffer: Buffer, colour: str) -> None:
    x, y = drawing.x(buffer.head) + 1, TABLE + CELL_HEIGHT + 15.0
    drawing.sheet.path(f"M{drawing.middle(buffer.head):.2f} {y - 15:.2f}v15", colour=colour, width=1.6)
    height = min(9, 36 / max(len(buffer.pieces), 1))
    for piece in buffer.pieces:
        drawing.sheet.rect(
            x,
            y,
            drawing.cell - 2,
            height - 1,
            colour=colour,
            round=1.5,
            opacity=0.8,
            tip=f"in the table: 0x{piece['addr']:x}, {piece['len']} bytes",
        )
        _access_mark(drawing.sheet, x, y, drawing.cell - 2, height - 1, bool(piece["flags"] & DESC_F_WRITE))
        y += height


def _access_mark(sheet: Sheet, x: float, y: float, width: float, height: float, write: bool) -> None:
    """A dot: hollow where the device reads, full where it writes."""
    r = min(width, height) * 0.22
    cx, cy = x + width / 2, y + height / 2
    circle = f"M{cx - r:.2f} {cy:.2f}a{r:.2f} {r:.2f} 0 1 0 {2 * r:.2f} 0a{r:.2f} {r:.2f} 0 1 0 {-2 * r:.2f} 0z"
    if write:
        sheet.path(circle, kind="onhue", filled=True)
    else:
        sheet.path(circle, kind="hollow", width=max(r * 0.45, 0.8))
