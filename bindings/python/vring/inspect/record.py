# SPDX-License-Identifier: MIT
"""Snapshots of live objects, as records in the format of this package: of a queue, of a ring's memory, of a pool."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable
from typing import Any, Protocol

from .owners import owned
from .snapshot import VERSION, Record, SnapshotError
from .states import DESC_F_INDIRECT

TABLE_MAX = 64  # descriptors of a table that are recorded


class Memory(Protocol):
    """What a :class:`vring.GuestMemory` can do."""

    def read(self, addr: int, size: int) -> bytes:
        """``size`` bytes at device address ``addr``; IndexError outside."""


class SplitRing(Protocol):
    """Where a split ring lies: a :class:`vring.SplitAreas`."""

    @property
    def size(self) -> int:
        """Entries."""

    @property
    def desc(self) -> int:
        """Device address of the descriptor table; so the others, of their areas."""

    @property
    def driver(self) -> int: ...

    @property
    def device(self) -> int: ...


def ring_record(name: str, snapshot: Any, memory: Memory | None = None, big_endian: bool = False) -> Record:
    """
    The record of what ``snapshot()`` of a driver or a device returned; with ``memory``, with the tables of the indirect
    buffers that are not the driver's alone, ``big_endian`` where a legacy ring is.
    """
    fields = dataclasses.asdict(snapshot)
    record: Record = {
        "vring-snapshot": VERSION,
        "name": name,
        "format": "packed" if fields.pop("packed") else "split",
        **fields,
        "error": abs(snapshot.error),
    }
    record["entries"] = [dict(entry) for entry in fields["entries"]]
    if memory:
        for entry in (record["entries"][i] for i in _in_flight(record)):
            if entry["flags"] & DESC_F_INDIRECT and (table := _table(memory, entry["addr"], entry["len"], big_endian)):
                entry["table"] = table
    return record


def _in_flight(record: Record) -> list[int]:
    """The descriptors of all buffers that are not the driver's alone; of a side whose own state is damaged, none."""
    try:
        return [i for buffer in owned(record) for i in buffer.descriptors]
    except SnapshotError:
        return []


def _table(memory: Memory, addr: int, size: int, big_endian: bool) -> list[Record]:
    """The descriptors of a table, or none where it does not lie in memory."""
    try:
        raw = memory.read(addr, 16 * min(size // 16, TABLE_MAX))
    except IndexError:
        return []
    form = ">QIHH" if big_endian else "<QIHH"
    return [
        dict(zip(("addr", "len", "flags", "next"), fields, strict=True)) for fields in struct.iter_unpack(form, raw)
    ]


def split_ring_record(name: str, memory: Memory, areas: SplitRing, big_endian: bool = False) -> Record:
    """
    A split ring as its memory alone shows it, for drivers that cannot be asked; ``big_endian`` as a legacy ring may be.
    What only the driver knows is guessed: that it has taken back all that is used, and that nothing is staged.
    """
    size, order = areas.size, ">" if big_endian else "<"
    avail_flags, avail_idx = struct.unpack(order + "HH", memory.read(areas.driver, 4))
    avail = struct.unpack(f"{order}{size}H", memory.read(areas.driver + 4, 2 * size))
    used_flags, used_idx = struct.unpack(order + "HH", memory.read(areas.device, 4))
    used = list(struct.iter_unpack(order + "II", memory.read(areas.device + 4, 8 * size)))
    (used_event,) = struct.unpack(order + "H", memory.read(areas.driver + 4 + 2 * size, 2))
    (avail_event,) = struct.unpack(order + "H", memory.read(areas.device + 4 + 8 * size, 2))
    desc = list(struct.iter_unpack(order + "QIHH", memory.read(areas.desc, 16 * size)))

    entries = [
        {
            "addr": desc[i][0],
            "len": desc[i][1],
            "flags": desc[i][2],
            "next": desc[i][3],
            "avail": avail[i],
            "used_id": used[i][0],
            "used_len": used[i][1],
            "token": 0,
            "count": 0,
            "link": desc[i][3],
        }
        for i in range(size)
    ]
    for head in _outstanding(avail_idx, used_idx, avail, [number for number, _ in used]):
        count, at = 1, head
        while desc[at][2] & 1 and desc[at][3] < size and count < size:
            count, at = count + 1, desc[at][3]
        entries[head]["count"] = count
        if desc[head][2] & DESC_F_INDIRECT and (table := _table(memory, desc[head][0], desc[head][1], big_endian)):
            entries[head]["table"] = table
    taken = sum(int(entry["count"]) for entry in entries)
    return {
        "vring-snapshot": VERSION,
        "name": name,
        "format": "split",
        "side": "driver",
        "size": size,
        "avail_idx": avail_idx,
        "used_idx": used_idx,
        "used_event": used_event,
        "avail_event": avail_event,
        "avail_flags": avail_flags,
        "used_flags": used_flags,
        "next_avail": avail_idx,
        "next_used": used_idx,
        "published": avail_idx,
        "free": max(size - taken, 0),
        "error": 0,
        "entries": entries,
    }


def _outstanding(avail_idx: int, used_idx: int, avail: tuple[int, ...], used: list[int]) -> list[int]:
    """Heads in what is left of the available ring that the used ring has not named since, as far as it still shows."""
    size = len(avail)
    flying = min((avail_idx - used_idx) & 0xFFFF, size)
    shown = [avail[(avail_idx - 1 - i) % size] for i in range(size)]  # the latest first
    back = {used[(used_idx - 1 - i) % size] for i in range(size - flying)}
    recent = [head for head in dict.fromkeys(shown[:flying]) if head < size]
    older = [head for head in dict.fromkeys(shown[flying:]) if head < size and head not in back]
    return [head for head in (*recent, *older) if head < size][:flying]


def pool_record(
    name: str,
    mappings: Iterable[Any],
    *,
    addr: int,
    slots: int,
    slot_size: int,
    segment_slots: int,
    used: int,
    high_water: int,
    areas: int = 1,
) -> Record:
    """The record of a pool: its ``mappings()``, and what it was made with and counts. Sizes in bytes or slots."""
    return {
        "bounce-snapshot": VERSION, "name": name, "addr": addr, "slots": slots, "slot_size": slot_size,
        "segment_slots": segment_slots, "areas": areas, "used": used, "high_water": high_water,
        "mappings": [{"slot": m.slot, "slots": m.slots, "pad_slots": m.pad_slots, "addr": m.addr, "size": m.size,
                      "direction": "coherent" if m.coherent else m.direction.name.lower().replace("_", "-"),
                      "area": m.area, "owner": m.owner} for m in mappings],
    }  # fmt: skip
