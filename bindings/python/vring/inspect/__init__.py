# SPDX-License-Identifier: MIT
"""
Pictures of rings and bounce pools, drawn from snapshots.

A snapshot is one JSON object on one line, whoever wrote it: a driver's firmware over its console, a debugger, a test. A
picture is a function of a snapshot and of nothing else, so a snapshot kept is a picture kept. Numbers are unsigned
integers.

A ring, with the fields of struct vring_snapshot, "error" as its absolute value, and of struct vring_snapshot_entry::

    {"vring-snapshot": 1, "name": "disk 0", "format": "split", "side": "driver", "size": 64,
     "avail_idx", "used_idx", "used_event", "avail_event", "avail_flags", "used_flags",
     "next_avail", "next_used", "published", "free", "error",
     "entries": [{"addr", "len", "flags", "next", "avail", "used_id", "used_len", "token", "count", "link",
                  "table": [{"addr", "len", "flags", "next"}, ...]}, ...],
     "shared": [{"name", "addr", "size"}, ...]}

"table" is there for an indirect buffer in flight whose table was read; "shared", the memory that the device may see,
where that is known.

A pool, with its mappings in slot order; a direction is "to-device", "from-device", "bidirectional" or "coherent"::

    {"bounce-snapshot": 1, "name": "bounce window", "addr", "slots", "slot_size", "segment_slots", "areas",
     "used", "high_water",
     "mappings": [{"slot", "slots", "pad_slots", "addr", "size", "direction", "area", "owner"}, ...]}

The 1 is the version of the format. Fields may be added without a new version; readers pass over what they do not know.

This package uses the standard library alone. ``python -m vring.inspect snapshots.jsonl`` writes the pictures as files.
"""

from .ring import Buffer, buffers, draw_ring, visible_buffers
from .slots import draw_slots
from .snapshot import Record, SnapshotError, read

__all__ = ["Buffer", "Record", "SnapshotError", "buffers", "draw", "draw_ring", "draw_slots", "read", "visible_buffers"]


def draw(snapshot: Record) -> str:
    """The picture of a snapshot of either kind, as the text of an SVG file. Raises SnapshotError if it is none."""
    return draw_ring(snapshot) if "vring-snapshot" in snapshot else draw_slots(snapshot)
