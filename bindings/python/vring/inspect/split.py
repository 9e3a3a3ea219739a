# SPDX-License-Identifier: MIT
"""
Who owns what in a split ring, as one of its sides knows it: private state where there is some, the ring otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

from .snapshot import Record, SnapshotError, check_ring
from .states import DESC_F_INDIRECT, DESC_F_NEXT, Buffer


def buffers(snapshot: Record) -> list[Buffer]:
    """
    The buffers of a split ring that are not the driver's alone, by head. Raises SnapshotError if it is none, or if a
    driver's own state is damaged.
    """
    check_ring(snapshot)
    if snapshot["format"] != "split":
        raise SnapshotError(f"not a split ring but a {snapshot['format']} one")
    found = _of_driver(snapshot) if snapshot["side"] == "driver" else _of_device(snapshot)
    return sorted(found, key=lambda buffer: buffer.head)


def _of_driver(snapshot: Record) -> Iterable[Buffer]:
    """A driver knows what is in flight, and how each buffer chains; the ring says how far the device is with it."""
    entries = snapshot["entries"]
    staged = {entries[p]["avail"] for p in offered(snapshot, snapshot["published"])}
    used = set(used_heads(snapshot).values())
    for head, entry in enumerate(entries):
        if entry["count"] > 0:
            state = "staged" if head in staged else "used" if head in used else "device"
            yield _buffer(entries, head, state, _private_chain(entries, head))


def _of_device(snapshot: Record) -> Iterable[Buffer]:
    """
    A device knows the heads that it holds. How they chain it has copied and no longer knows: the table, which is the
    driver's to spoil, says it, and so it does of what is waiting, which nobody has judged yet.
    """
    entries, held = snapshot["entries"], set()
    for state, heads in (
        ("device", [head for head, entry in enumerate(entries) if entry["count"] > 0]),
        ("staged", used_heads(snapshot).values()),
        ("waiting", [entries[p]["avail"] for p in offered(snapshot, snapshot["next_avail"])]),
    ):
        for head in heads:
            if head < len(entries) and head not in held:
                held.add(head)
                yield _buffer(entries, head, state, _shared_chain(entries, head))


def offered(snapshot: Record, start: int) -> list[int]:
    """Positions of the available ring from ``start`` up to the last that the snapshot's side can see filled."""
    end = snapshot["next_avail"] if snapshot["side"] == "driver" else snapshot["avail_idx"]
    return _positions(start, end, snapshot["size"])


def used_heads(snapshot: Record) -> dict[int, int]:
    """
    Positions of the used ring that matter to the snapshot's side, and whom they name: a driver's that it has not taken
    back, a device's that the driver does not see yet. In order, one element stands for many: it is those of the
    available ring's same positions.
    """
    start, end = ("next_used", "used_idx") if snapshot["side"] == "driver" else ("published", "next_used")
    name = "avail" if snapshot.get("in_order") else "used_id"
    positions = _positions(snapshot[start], snapshot[end], snapshot["size"])
    return {p: int(snapshot["entries"][p][name]) for p in positions}


def live_avail(snapshot: Record, heads: Iterable[int]) -> dict[int, int]:
    """For each of these heads, the position of the available ring that named it: the latest that did."""
    size, of = snapshot["size"], set(heads)
    here = offered(snapshot, snapshot["next_avail"])
    where = {}
    for position in _positions(snapshot["next_avail"] - size, snapshot["next_avail"], size) + here:
        head = snapshot["entries"][position]["avail"]
        if head in of:
            where[head] = position
    return where


def _buffer(entries: list[Record], head: int, state: str, chain: list[int]) -> Buffer:
    pieces = [entries[i] for i in chain]
    if entries[head]["flags"] & DESC_F_INDIRECT and "table" in entries[head]:
        pieces = entries[head]["table"]
    return Buffer(head, state, chain, pieces)


def _private_chain(entries: list[Record], head: int) -> list[int]:
    chain = [head]
    while len(chain) < entries[head]["count"]:
        link = entries[chain[-1]]["link"]
        if link >= len(entries) or link in chain:
            raise SnapshotError(f"the buffer at descriptor {head} links to {link}: the driver's own state is damaged")
        chain.append(link)
    return chain


def _shared_chain(entries: list[Record], head: int) -> list[int]:
    """As far as the table goes before it leaves the ring, or comes back to where it was."""
    chain = [head]
    while entries[chain[-1]]["flags"] & DESC_F_NEXT:
        following = entries[chain[-1]]["next"]
        if following >= len(entries) or following in chain:
            break
        chain.append(following)
    return chain


def _positions(start: int, end: int, size: int) -> list[int]:
    """Ring positions from one free-running index to another. A peer's index may be anything: at most once around."""
    return [(start + i) % size for i in range(min((end - start) & 0xFFFF, size))]
