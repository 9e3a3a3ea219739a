# SPDX-License-Identifier: MIT
"""Snapshots in a terminal: a letter for every descriptor or slot, and who owns it in its colour."""

from __future__ import annotations

from collections.abc import Sequence

from .packed import wheel
from .slots import DIRECTIONS, size_text
from .snapshot import Record, check_pool, check_ring
from .split import buffers
from .states import DESC_F_INDIRECT, NOBODY, STATES, Buffer, counted

ANSI = {"amber": 33, "blue": 34, "green": 32, "violet": 35, "red": 31}
LETTERS = {"waiting": "w", "staged": "s", "device": "D", "used": "u", "bad": "!"}
COLOURS = {**{name: colour for of in STATES.values() for name, (_, colour) in of.items()}, "bad": "red"}
POOL_LETTERS = {"to-device": "t", "from-device": "f", "bidirectional": "b", "coherent": "c"}


class _Pen:
    """Puts text in colour, or does not."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, name: str | None) -> str:
        return f"\x1b[1;{ANSI[name]}m{text}\x1b[0m" if self.colour and name else text


def draw_text(snapshot: Record, *, colour: bool = False, width: int = 80) -> str:
    """A snapshot of any kind as lines of text, with ANSI colours if told. Raises SnapshotError if it is none."""
    pen = _Pen(colour)
    if "vring-snapshot" not in snapshot:
        return "\n".join(_pool(snapshot, pen, width)) + "\n"
    check_ring(snapshot)
    return "\n".join((_packed if snapshot["format"] == "packed" else _split)(snapshot, pen, width)) + "\n"


def _split(snapshot: Record, pen: _Pen, width: int) -> list[str]:
    size, found, side = snapshot["size"], buffers(snapshot), snapshot["side"]
    state: list[str | None] = [None] * size
    for buffer in found:
        for i in buffer.descriptors:
            state[i] = buffer.state
    avail, used = ("stage", "take back") if side == "driver" else ("take", "stage")
    lines = _heading(snapshot, pen, state, {name: sum(b.state == name for b in found) for name in STATES[side]})
    lines += _strip(state, pen, width)
    lines += [
        f"  avail.idx {snapshot['avail_idx']}, next to {avail} {snapshot['next_avail']}; "
        f"the device asks for {snapshot['avail_event']}",
        f"  used.idx {snapshot['used_idx']}, next to {used} {snapshot['next_used']}; "
        f"the driver asks for {snapshot['used_event']}",
    ]
    return lines + [_chain(snapshot, buffer, pen) for buffer in found]


def _packed(snapshot: Record, pen: _Pen, width: int) -> list[str]:
    of = wheel(snapshot)
    lines = _heading(snapshot, pen, of.state, of.counts)
    lines += _strip(of.state, pen, width)
    lines.append(f"  next_avail {of.next_avail}; published {of.published}; next_used {of.next_used}")
    return lines + [_chain(snapshot, buffer, pen) for buffer in of.buffers]


def _title(snapshot: Record) -> str:
    """What it is, and whose view of it."""
    order = ", IN_ORDER" if snapshot.get("in_order") else ""
    broken = f"  BROKEN: error {snapshot['error']}" if snapshot.get("error") else ""
    ring = f"{snapshot['format']} ring, {snapshot['size']} entries{order}"
    return f"{snapshot['name']}: {ring}, as its {snapshot['side']} sees it{broken}"


def _heading(snapshot: Record, pen: _Pen, state: Sequence[str | None], counts: dict[str, int]) -> list[str]:
    side = snapshot["side"]
    parts = [f"{pen(LETTERS[name], COLOURS[name])} {counts[name]} {label}" for name, (label, _) in STATES[side].items()]
    nobody = f"{counted(state.count(None), 'descriptor')} {NOBODY[side]}"
    return [_title(snapshot), f"  {'; '.join(parts)}; . {nobody}"]


def _strip(state: Sequence[str | None], pen: _Pen, width: int) -> list[str]:
    """A letter for each entry, in rows of a round number of them."""
    per_row = max(8, (width - 10) // 9 * 8)
    lines = []
    for start in range(0, len(state), per_row):
        groups = []
        for group in range(start, min(start + per_row, len(state)), 8):
            part = state[group : min(group + 8, start + per_row, len(state))]
            groups.append("".join(pen(LETTERS[s], COLOURS[s]) if s else "." for s in part))
        lines.append(f"  {start:>5}  {' '.join(groups)}")
    return lines


def _chain(snapshot: Record, buffer: Buffer, pen: _Pen) -> str:
    kind = "id" if snapshot["format"] == "packed" else "head"
    where = ", ".join(map(str, buffer.descriptors))
    indirect = snapshot["entries"][buffer.descriptors[-1]]["flags"] & DESC_F_INDIRECT and buffer.pieces
    pieces = " ".join(f"{'w' if piece['flags'] & 2 else 'r'}{piece['len']}" for piece in buffer.pieces)
    table = " (table)" if indirect else ""
    mark = pen(LETTERS[buffer.state], COLOURS[buffer.state])
    return f"  {mark} {kind} {buffer.head} at {where}{table}: {pieces}".rstrip(": ")


def _pool(snapshot: Record, pen: _Pen, width: int) -> list[str]:
    check_pool(snapshot)
    cells = ["."] * snapshot["slots"]
    for mapping in snapshot["mappings"]:
        letter, colour = POOL_LETTERS[mapping["direction"]], DIRECTIONS[mapping["direction"]][1]
        for i in range(mapping["slots"]):
            padding = i < mapping["pad_slots"]
            cells[mapping["slot"] + i] = pen("-" if padding else letter, colour)
    per_row = snapshot["segment_slots"]
    legend = "; ".join(f"{pen(POOL_LETTERS[name], colour)} {label}" for name, (label, colour) in DIRECTIONS.items())
    lines = [
        f"{snapshot['name']}: {snapshot['slots']} slots of {size_text(snapshot['slot_size'])}, "
        f"{snapshot['used']} used, at most {snapshot['high_water']}; {counted(len(snapshot['mappings']), 'mapping')}",
        f"  {legend}; - padding; . free",
    ]
    for start in range(0, snapshot["slots"], per_row):
        row = cells[start : start + per_row]
        chunk = max(8, width - 22)
        for at in range(0, len(row), chunk):
            label = f"0x{snapshot['addr'] + start * snapshot['slot_size']:x}" if at == 0 else ""
            lines.append(f"  {label:>18}  {''.join(row[at : at + chunk])}")
    return lines
