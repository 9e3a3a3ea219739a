# SPDX-License-Identifier: MIT
"""
Pictures of rings and bounce pools, drawn from snapshots.

A snapshot is one JSON object on one line, whoever wrote it: a driver's firmware over its console, a debugger, a test. A
picture is a function of snapshots and of nothing else, so a snapshot kept is a picture kept. ``docs/inspect.md`` has
the format.

This package uses the standard library alone, and neither the rest of ``vring`` nor its extension module.
``python -m vring inspect FILE`` shows what a file holds.
"""

from .heat import draw_heat
from .owners import visible_buffers
from .packed import wheel
from .packed_svg import draw_wheel
from .record import pool_record, ring_record, split_ring_record
from .slots import draw_slots
from .snapshot import Record, SnapshotError, read
from .split import buffers
from .split_svg import draw_ring
from .states import Buffer
from .text import draw_text

__all__ = [
    "Buffer",
    "Record",
    "SnapshotError",
    "buffers",
    "draw",
    "draw_heat",
    "draw_ring",
    "draw_slots",
    "draw_text",
    "draw_wheel",
    "pool_record",
    "read",
    "ring_record",
    "split_ring_record",
    "visible_buffers",
    "wheel",
]


def draw(snapshot: Record, before: Record | None = None) -> str:
    """
    The picture of a snapshot of any kind, as the text of an SVG file; with ``before``, the same object a moment
    earlier, what has changed is framed. Raises SnapshotError if it is none.
    """
    if "vring-snapshot" not in snapshot:
        return draw_slots(snapshot, before)
    return draw_wheel(snapshot, before) if snapshot.get("format") == "packed" else draw_ring(snapshot, before)
