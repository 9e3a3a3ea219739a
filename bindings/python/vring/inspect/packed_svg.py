# SPDX-License-Identifier: MIT
"""A packed ring as one side sees it: a wheel of descriptors with their two bits, and hands where that side stands."""

from __future__ import annotations

import math

from .packed import Place, bits, wheel
from .snapshot import Record, check_ring
from .states import DESC_F_INDIRECT, DESC_F_WRITE, NOBODY, STATES, Buffer, counted
from .svg import Sheet

EVENTS = ("for every one", "for none", "at")  # what one side asks of the other (2.8.10), by its number
WRITTEN_OVER = (("used", "driver"), ("staged", "device"))  # their descriptors are no longer what the driver wrote

CENTRE_X, CENTRE_Y = 300.0, 350.0
OUTER, INNER, BIT = 216.0, 164.0, 17.0  # radii of the ring of descriptors; the two rings of bits are within it
PANEL, WIDTH, HEIGHT = 600, 940, 640
HANDS = {
    "driver": (
        ("A", "next_avail", "where the driver puts the next descriptor", 108.0),
        ("P", "published", "up to where the device may look", 84.0),
        ("U", "next_used", "where the driver looks for the next used one", 60.0),
    ),
    "device": (
        ("A", "next_avail", "where the device looks for the next available one", 108.0),
        ("P", "published", "up to where the driver may look", 84.0),
        ("U", "next_used", "where the device puts the next used one", 60.0),
    ),
}


class _WheelSheet:
    """One drawing in the making: the sheet, and where an entry is on it."""

    def __init__(self, snapshot: Record) -> None:
        self.snapshot = snapshot
        self.size = int(snapshot["size"])
        self.side = str(snapshot["side"])
        self.states = STATES[self.side]
        self.wheel = wheel(snapshot)
        self.sheet = Sheet(
            WIDTH,
            HEIGHT,
            f"{snapshot['name']}: packed ring of {self.size} entries",
            "Descriptors clockwise from the top, coloured by owner, with their AVAIL and USED bits.",
        )

    def angle(self, entry: float) -> float:
        return 2 * math.pi * entry / self.size - math.pi / 2

    def at(self, entry: float, radius: float) -> tuple[float, float]:
        return CENTRE_X + radius * math.cos(self.angle(entry)), CENTRE_Y + radius * math.sin(self.angle(entry))

    def sector(self, entry: int, outer: float, inner: float) -> str:
        """The outline of an entry between two radii, a little narrower than its share. Of a ring of one: all round."""
        gap = min(0.04, 1.2 / outer / (2 * math.pi / self.size)) if self.size > 1 else 0.002
        start, end = entry + gap, entry + 1 - gap
        (x1, y1), (x2, y2) = self.at(start, outer), self.at(end, outer)
        (x3, y3), (x4, y4) = self.at(end, inner), self.at(start, inner)
        long = int((end - start) / self.size > 0.5)
        return (
            f"M{x1:.2f} {y1:.2f}A{outer:g} {outer:g} 0 {long} 1 {x2:.2f} {y2:.2f}L{x3:.2f} {y3:.2f}"
            f"A{inner:g} {inner:g} 0 {long} 0 {x4:.2f} {y4:.2f}z"
        )

    def room(self, radius: float) -> float:
        """Pixels of an entry along a circle."""
        return 2 * math.pi * radius / self.size


def draw_wheel(snapshot: Record, before: Record | None = None) -> str:
    """
    The picture of a packed ring, as the text of an SVG file; what is not as it was in ``before`` is framed. Raises
    SnapshotError for all but a packed ring.
    """
    check_ring(snapshot)
    drawing = _WheelSheet(snapshot)
    _descriptors(drawing)
    _bit_rings(drawing)
    for buffer in drawing.wheel.buffers:
        _chain_arc(drawing, buffer)
    _hands(drawing)
    _event_marks(drawing)
    _heading(drawing)
    _panel(drawing, before is not None)
    if before and before.get("size") == snapshot["size"]:
        check_ring(before)
        _changes(drawing, before)
    return str(drawing.sheet)


def _descriptors(drawing: _WheelSheet) -> None:
    sheet = drawing.sheet
    named = {i: b.head for b in drawing.wheel.buffers for i in b.descriptors[: None if b.pieces else 1]}
    for i, state in enumerate(drawing.wheel.state):
        entry = drawing.snapshot["entries"][i]
        access = (
            "a table" if entry["flags"] & DESC_F_INDIRECT else "written" if entry["flags"] & DESC_F_WRITE else "read"
        )
        where = f"{entry['addr']:#x}, {entry['len']} bytes"
        tip = f"entry {i}, id {entry['id']}: {where}, {access}, flags {entry['flags']:#x}"
        colour = "red" if state == "bad" else drawing.states[state][1] if state else None
        whose = NOBODY[drawing.side] if state is None else "no id in flight"
        sheet.path(
            drawing.sector(i, OUTER, INNER),
            colour=colour,
            kind="" if colour else "cell",
            filled=True,
            tip=f"{tip}; {drawing.states[state][0] if state in drawing.states else whose}",
        )
        if i in named and drawing.room(INNER) > 17:
            x, y = drawing.at(i + 0.5, (OUTER + INNER) / 2)
            sheet.text(x, y + 1, str(named[i]), size=10.5, kind="onhue", anchor="middle", bold=True)
            if not entry["flags"] & DESC_F_INDIRECT and (state, drawing.side) not in WRITTEN_OVER:
                _access_mark(sheet, x, y + 9, bool(entry["flags"] & DESC_F_WRITE))
    for i in range(0, drawing.size, max(1, -(-drawing.size // 32))):
        x, y = drawing.at(i + 0.5, OUTER + 22)
        sheet.text(x, y + 3, str(i), size=9.5, kind="soft", anchor="middle")


def _bit_rings(drawing: _WheelSheet) -> None:
    for i, entry in enumerate(drawing.snapshot["entries"]):
        for n, (bit, name) in enumerate(zip(bits(entry["flags"]), ("AVAIL", "USED"), strict=True)):
            outer = INNER - 4 - n * (BIT + 2)
            drawing.sheet.path(
                drawing.sector(i, outer, outer - BIT),
                kind="bit" if bit else "nobit",
                filled=True,
                tip=f"entry {i}: {name} {bit}",
            )


def _chain_arc(drawing: _WheelSheet, buffer: Buffer) -> None:
    """Round the outside, from the first to the last descriptor of one buffer."""
    if len(buffer.descriptors) < 2:
        return
    radius, count = OUTER + 6, len(buffer.descriptors) - 1
    start = buffer.descriptors[0] + 0.5
    (x1, y1), (x2, y2) = drawing.at(start, radius), drawing.at(start + count, radius)
    colour = drawing.states[buffer.state][1]
    drawing.sheet.path(
        f"M{x1:.2f} {y1:.2f}A{radius:g} {radius:g} 0 {int(count / drawing.size > 0.5)} 1 {x2:.2f} {y2:.2f}",
        colour=colour,
        width=2.4,
    )
    for i in range(count + 1):
        x, y = drawing.at(start + i, radius)
        drawing.sheet.path(_circle(x, y, 3.2), colour=colour, filled=True)


def _hands(drawing: _WheelSheet) -> None:
    places = (drawing.wheel.next_avail, drawing.wheel.published, drawing.wheel.next_used)
    for place in places:
        x, y = drawing.at(place.entry, INNER - 2 * BIT - 9)
        drawing.sheet.path(f"M{CENTRE_X} {CENTRE_Y}L{x:.2f} {y:.2f}", width=1.4)
    for (letter, _, _, radius), place in zip(HANDS[drawing.side], places, strict=True):
        _bubble(drawing.sheet, *drawing.at(place.entry, radius), letter)
    drawing.sheet.path(_circle(CENTRE_X, CENTRE_Y, 4), kind="ink", filled=True)


def _bubble(sheet: Sheet, x: float, y: float, letter: str) -> None:
    sheet.path(_circle(x, y, 9), kind="ink", filled=True)
    sheet.text(x, y + 3.8, letter, size=10.5, kind="onink", anchor="middle", bold=True)


def _event_marks(drawing: _WheelSheet) -> None:
    """A triangle outside the wheel where one side asks to be notified at a place: hollow of the driver."""
    for key, flags, full in (("used_event", "avail_flags", False), ("avail_event", "used_flags", True)):
        entry = drawing.snapshot[key] & 0x7FFF
        if drawing.snapshot[flags] & 3 == 2 and entry < drawing.size:
            tip, left, right = (
                drawing.at(entry, OUTER + 30),
                drawing.at(entry, OUTER + 40),
                drawing.at(entry, OUTER + 40),
            )
            across = drawing.angle(entry) + math.pi / 2
            dx, dy = 5 * math.cos(across), 5 * math.sin(across)
            shape = (
                f"M{tip[0]:.2f} {tip[1]:.2f}L{left[0] + dx:.2f} {left[1] + dy:.2f}"
                f"L{right[0] - dx:.2f} {right[1] - dy:.2f}z"
            )
            drawing.sheet.path(shape, kind="ink" if full else "line", filled=full)


def _heading(drawing: _WheelSheet) -> None:
    drawing.sheet.text(24, 36, drawing.snapshot["name"], size=18, bold=True)
    drawing.sheet.text(24, 55, f"packed ring, {drawing.size} entries, as its {drawing.side} sees it", kind="soft")


def _panel(drawing: _WheelSheet, changed: bool) -> None:
    """Beside the wheel: what the colours, bits, hands and triangles are, with their values."""
    sheet, state, y = drawing.sheet, drawing.wheel.state, 108.0
    for name, (label, colour) in drawing.states.items():
        taken = counted(state.count(name), "descriptor")
        y = _legend(sheet, y, label, f"{counted(drawing.wheel.counts[name], 'buffer')}, {taken}", colour)
    y = _legend(sheet, y, NOBODY[drawing.side], counted(state.count(None), "descriptor"), None)
    if "bad" in state:
        taken = counted(state.count("bad"), "descriptor")
        y = _legend(sheet, y, "used, but no such buffer is in flight", taken, "red")
    y += 8
    for x, (bit, kind) in zip((PANEL, PANEL + 36), (("1", "bit"), ("0", "nobit")), strict=True):
        sheet.rect(x, y - 10, 12, 12, kind=kind, round=2.5)
        sheet.text(x + 18, y, bit, size=11.5, bold=True)
    sheet.text(PANEL + 76, y, "the AVAIL bit, and within it the USED bit:", size=11)
    sheet.text(PANEL + 76, y + 14, "alike: used; different: available", size=10.5, kind="soft")
    y += 44
    places = (drawing.wheel.next_avail, drawing.wheel.published, drawing.wheel.next_used)
    for (letter, name, what, _), place in zip(HANDS[drawing.side], places, strict=True):
        _bubble(sheet, PANEL + 6, y - 4, letter)
        sheet.text(PANEL + 22, y, f"{name} {place}", size=11.5, bold=True)
        sheet.text(PANEL + 22, y + 14, what, size=10.5, kind="soft")
        y += 36
    y += 6
    for who, key, flags, full in (
        ("driver", "used_event", "avail_flags", False),
        ("device", "avail_event", "used_flags", True),
    ):
        sheet.path(f"M{PANEL + 6} {y}l-5 -10h10z", kind="ink" if full else "line", filled=full)
        wish, word = drawing.snapshot[flags] & 3, drawing.snapshot[key]
        asked = (
            EVENTS[wish]
            if wish < 2
            else f"at {Place(word & 0x7FFF, word >> 15)}"
            if wish == 2
            else "(a reserved value)"
        )
        sheet.text(PANEL + 22, y, f"the {who} asks to be notified {asked}", size=11.5)
        y += 22
    sheet.path(_circle(PANEL + 6, y + 4, 3.4), kind="line", width=1.3)
    sheet.text(PANEL + 22, y + 8, "device reads", size=11, kind="soft")
    sheet.path(_circle(PANEL + 126, y + 4, 3.8), kind="ink", filled=True)
    sheet.text(PANEL + 140, y + 8, "device writes", size=11, kind="soft")
    if changed:
        sheet.changed(PANEL + 1, y + 22, 11, 11)
        sheet.text(PANEL + 22, y + 32, "changed in this step", size=11, kind="soft")


def _legend(sheet: Sheet, y: float, label: str, count: str, colour: str | None) -> float:
    sheet.rect(PANEL, y - 10, 12, 12, colour=colour, kind="" if colour else "cell", round=2.5)
    sheet.text(PANEL + 18, y, label, bold=True, size=11.5)
    sheet.text(PANEL + 18, y + 14, count, kind="soft", size=10.5)
    return y + 36


def _changes(drawing: _WheelSheet, before: Record) -> None:
    for i, (entry, old) in enumerate(zip(drawing.snapshot["entries"], before["entries"], strict=True)):
        if any(entry.get(key) != old.get(key) for key in ("addr", "len", "flags", "id")):
            drawing.sheet.path(drawing.sector(i, OUTER + 1, INNER - 4 - 2 * BIT - 3), kind="changed", width=2.2)


def _circle(x: float, y: float, r: float) -> str:
    return f"M{x - r:.2f} {y:.2f}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0z"


def _access_mark(sheet: Sheet, x: float, y: float, write: bool) -> None:
    """A dot: hollow where the device reads, full where it writes."""
    if write:
        sheet.path(_circle(x, y, 3.2), kind="onhue", filled=True)
    else:
        sheet.path(_circle(x, y, 2.8), kind="hollow", width=1.3)
