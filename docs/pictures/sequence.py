# SPDX-License-Identifier: MIT
"""Draws one request on a split and on a packed ring, access by access, from what the library does.

``python docs/pictures/sequence.py [FOLDER]`` builds ``sequence.c`` on the HOOK accessors, runs it and writes
``sequence-split.svg`` and ``sequence-packed.svg``, beside this file if no folder is named. It needs gcc and the Python
package.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from vring.inspect.svg import COLOURS, Sheet

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

WIDTH = 980
LIFELINE = {"driver": 150, "device": WIDTH - 150}
AREAS = {"driver area": 320, "descriptors": WIDTH / 2, "device area": WIDTH - 320}
HUE = {"driver": "blue", "device": "amber"}
ROW, TOP = 22, 122

# Which barrier an ordered access or a fence is, by who makes it in which verb: the letters of docs/design.md.
LETTERS = {
    ("driver", "publish", "store"): "A",
    ("device", "get_avail", "load"): "A",
    ("device", "enable_notify", "load"): "A",
    ("device", "publish", "store"): "B",
    ("driver", "get_used", "load"): "B",
    ("driver", "enable_notify", "load"): "B",
    ("driver", "publish", "fence"): "C",
    ("device", "enable_notify", "fence"): "C",
    ("device", "publish", "fence"): "D",
    ("driver", "enable_notify", "fence"): "D",
}

Event = dict[str, str]


def trace(folder: Path, ring: str) -> list[Event]:
    """What the library does for one request on this kind of ring: one event for each access, fence and notification."""
    program = folder / "sequence"
    subprocess.run(
        [
            "gcc",
            "-std=c11",
            "-DVRING_ACCESS_HOOK",
            f"-I{ROOT / 'include'}",
            f"-I{ROOT / 'lib'}",
            HERE / "sequence.c",
            *sorted((ROOT / "lib" / "vring").glob("*.c")),
            "-o",
            program,
        ],
        check=True,
        timeout=120,
    )
    done = subprocess.run([program, ring], check=True, timeout=30, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def letter(event: Event) -> str:
    """The barrier that this event is; empty for an access without order."""
    if event["action"] != "fence" and not event.get("order"):
        return ""
    return LETTERS[event["side"], event["verb"], event["action"]]


def badge(sheet: Sheet, x: float, y: float, text: str) -> None:
    """A letter in a disc."""
    sheet.rect(x - 8, y - 8, 16, 16, colour="green", round=8)
    sheet.text(x, y + 4, text, size=11, kind="onhue", anchor="middle", bold=True)


def arrow(sheet: Sheet, start: float, end: float, y: float, colour: str) -> None:
    """A horizontal arrow."""
    tip = 7 if end > start else -7
    sheet.path(f"M{start:g} {y:g}H{end - tip:g}", colour=colour, width=1.5)
    sheet.path(f"M{end:g} {y:g}l{-tip:g} -4v8z", colour=colour, filled=True)


def draw_access(sheet: Sheet, event: Event, y: float) -> None:
    """A store points at the memory it changes, a load at the side that learns."""
    side, line, memory = event["side"], LIFELINE[event["side"]], AREAS[event["area"]]
    near = memory - 5 if side == "driver" else memory + 5
    if event["action"] == "store":
        arrow(sheet, line, near, y, HUE[side])
    else:
        arrow(sheet, near, line, y, HUE[side])
    middle = line + (14 if side == "driver" else -14)
    words = f"{event['field']} {'=' if event['action'] == 'store' else '→'} {event['value']}"
    sheet.text(
        middle + (18 if letter(event) and side == "driver" else -18 if letter(event) else 0),
        y - 4,
        words,
        size=11,
        kind="ink halo",
        anchor="start" if side == "driver" else "end",
    )
    if letter(event):
        badge(sheet, line + (16 if side == "driver" else -16), y - 3, letter(event))


def draw_event(sheet: Sheet, event: Event, y: float) -> None:
    """What is no access: a fence, a notification, sleep, work."""
    side, line = event["side"], LIFELINE[event["side"]]
    inwards = 1 if side == "driver" else -1
    anchor = "start" if side == "driver" else "end"
    if event["action"] == "fence":
        sheet.path(f"M{line - 34:g} {y:g}H{line + 34:g}", colour="green", width=4)
        badge(sheet, line + inwards * 16, y, letter(event))
        sheet.text(line + inwards * 42, y + 4, "full fence", size=11, kind="soft halo", anchor=anchor)
    elif event["action"] == "notify":
        other = LIFELINE["device" if side == "driver" else "driver"]
        arrow(sheet, line, other, y, "violet")
        sheet.text(
            WIDTH / 2,
            y - 5,
            "doorbell" if side == "driver" else "interrupt",
            size=11,
            kind="ink halo",
            anchor="middle",
            bold=True,
        )
    else:
        sheet.text(
            line + inwards * 14,
            y + 4,
            "sleeps" if event["action"] == "sleep" else "reads 16 bytes, writes 32",
            size=11,
            kind="soft halo",
            anchor=anchor,
        )


def draw(ring: str, events: list[Event]) -> str:
    """The picture, as the text of an SVG file."""
    height = TOP + ROW * len(events) + 24
    sheet = Sheet(
        WIDTH,
        height,
        f"One request on a {ring} ring, access by access",
        "Every load and store of shared memory that driver and device make for one request, with the barriers A to D.",
    )
    sheet.text(24, 36, f"One request on a {ring} ring", size=18, bold=True)
    sheet.text(
        24,
        56,
        "Two entries, EVENT_IDX; 16 bytes out, 32 back. Every access to shared memory, from the library's own trace; "
        "a letter is a barrier.",
        kind="soft",
    )
    for side, x in LIFELINE.items():
        sheet.rect(x - 46, 76, 92, 24, colour=HUE[side], round=5)
        sheet.text(x, 92, side, size=13, kind="onhue", anchor="middle", bold=True)
        sheet.path(f"M{x:g} 100V{height - 16:g}", colour=HUE[side], width=2)
    for area, x in AREAS.items():
        sheet.text(x, 92, area, size=12, anchor="middle", bold=True)
        sheet.rect(x - 4, 100, 8, height - 116, kind="cell", round=4)
    previous = ("", "")
    for row, event in enumerate(events):
        y = TOP + ROW * row + 8
        if (event["side"], event["verb"]) != previous:
            previous = event["side"], event["verb"]
            x, anchor = (
                (LIFELINE["driver"] - 14, "end") if event["side"] == "driver" else (LIFELINE["device"] + 14, "start")
            )
            sheet.text(x, y, event["verb"], size=12, anchor=anchor, bold=True)
        (draw_access if "area" in event else draw_event)(sheet, event, y)
    return str(sheet)


def pictures() -> dict[str, str]:
    """Name of each file, and its text."""
    with tempfile.TemporaryDirectory() as folder:
        return {f"sequence-{ring}.svg": draw(ring, trace(Path(folder), ring)) for ring in ("split", "packed")}


if __name__ == "__main__":
    assert set(HUE.values()) <= set(COLOURS)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, text in pictures().items():
        (target / name).write_text(text, "utf-8")
