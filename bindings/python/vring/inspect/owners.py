# SPDX-License-Identifier: MIT
"""The buffers of a ring of either format that are not its driver's alone."""

from __future__ import annotations

from .packed import wheel
from .snapshot import Record, SnapshotError
from .split import buffers
from .states import Buffer


def owned(snapshot: Record) -> list[Buffer]:
    """Those that can be made out. Raises SnapshotError if it is no ring, or if its side's own state is damaged."""
    return wheel(snapshot).buffers if snapshot.get("format") == "packed" else buffers(snapshot)


def visible_buffers(snapshot: Record) -> list[tuple[int, int]]:
    """
    Address and length of all that the descriptors in flight name to the device: tables, and pieces of buffers. What a
    packed ring's used descriptors have written over is not among them. Raises SnapshotError for a device's view, which
    does not know what is in flight.
    """
    in_flight, entries, found = owned(snapshot), snapshot["entries"], []
    if snapshot["side"] != "driver":
        raise SnapshotError("what is in flight is known to a driver, and this is a ring as its device sees it")
    for buffer in (buffer for buffer in in_flight if buffer.pieces):
        found += [(entries[i]["addr"], entries[i]["len"]) for i in buffer.descriptors]
        found += [(piece["addr"], piece["len"]) for piece in entries[buffer.descriptors[0]].get("table", [])]
    return found
