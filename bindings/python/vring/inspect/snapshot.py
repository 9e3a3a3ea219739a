# SPDX-License-Identifier: MIT
"""Reading snapshots, and refusing what is none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

Record = dict[str, Any]  # what one line of JSON holds

KINDS = ("vring-snapshot", "bounce-snapshot")
VERSION = 1

# What a field is that is no unsigned integer.
_TYPES = {
    "name": (str, "text"),
    "format": (str, "text"),
    "side": (str, "text"),
    "direction": (str, "text"),
    "in_order": (bool, "true or false"),
    "entries": (list, "a list"),
    "mappings": (list, "a list"),
    "table": (list, "a list"),
    "shared": (list, "a list"),
}

_RING = (
    "name",
    "format",
    "side",
    "size",
    "used_event",
    "avail_event",
    "avail_flags",
    "used_flags",
    "next_avail",
    "next_used",
    "published",
    "free",
    "entries",
)
_SPLIT = ("avail_idx", "used_idx")
_ENTRY = ("addr", "len", "flags", "count", "link", "token")
_SPLIT_ENTRY = ("next", "avail", "used_id", "used_len")
_PACKED_ENTRY = ("id",)
_FORMATS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "split": (_SPLIT, _SPLIT_ENTRY),
    "packed": ((), _PACKED_ENTRY),
}
_TABLE = ("addr", "len", "flags")
_SHARED = ("name", "addr", "size")
_POOL = ("name", "addr", "slots", "slot_size", "segment_slots", "used", "high_water", "mappings")
_MAPPING = ("slot", "slots", "pad_slots", "addr", "size", "direction")
_DIRECTIONS = ("to-device", "from-device", "bidirectional", "coherent")


class SnapshotError(ValueError):
    """What was given is not a snapshot, or of a version that this package does not know."""


def read(lines: Iterable[str]) -> Iterator[Record]:
    """The snapshots among lines of text, in order. Lines that hold anything else are passed over."""
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # no JSON, or nested as no snapshot is
            continue
        if isinstance(record, dict) and any(kind in record for kind in KINDS):
            yield record


def check(snapshot: Record) -> None:
    """Raise SnapshotError unless this is a snapshot of any kind."""
    (check_ring if "vring-snapshot" in snapshot else check_pool)(snapshot)


def check_ring(snapshot: Record) -> None:
    """Raise SnapshotError unless this is a ring as one side sees it, with everything that a picture needs."""
    of_ring, of_entry = _FORMATS.get(str(snapshot.get("format")), ((), ()))
    optional = "in_order", "error", "shared"
    _check(snapshot, "vring-snapshot", _RING + of_ring, optional, "entries", _ENTRY + of_entry, ("table",))
    if snapshot["format"] not in _FORMATS or snapshot["side"] not in ("driver", "device"):
        raise SnapshotError(
            f"a {snapshot['format']} ring as its {snapshot['side']} sees it: there are split and packed ones, as their "
            "driver or their device does"
        )
    if len(snapshot["entries"]) != snapshot["size"]:
        raise SnapshotError(f"a ring of {snapshot['size']} entries, but {len(snapshot['entries'])} are listed")
    for i, entry in enumerate(snapshot["entries"]):
        _check_items("vring-snapshot", f"entries[{i}].table", entry.get("table", []), _TABLE, ("next",))
    _check_items("vring-snapshot", "shared", snapshot.get("shared", []), _SHARED)


def check_pool(snapshot: Record) -> None:
    """Raise SnapshotError unless this is a bounce pool with everything that a picture needs."""
    _check(snapshot, "bounce-snapshot", _POOL, ("areas",), "mappings", _MAPPING, ("area", "owner"))
    for field in ("slots", "slot_size", "segment_slots"):
        if not snapshot[field]:
            raise SnapshotError(f"bounce-snapshot: {field} is 0")
    for i, mapping in enumerate(snapshot["mappings"]):
        if mapping["direction"] not in _DIRECTIONS:
            raise SnapshotError(
                f"bounce-snapshot: mappings[{i}].direction is {mapping['direction']!r}, not one of "
                + ", ".join(_DIRECTIONS)
            )
        if mapping["slot"] + mapping["slots"] > snapshot["slots"]:
            raise SnapshotError(
                f"the mapping at slot {mapping['slot']} reaches past the pool's {snapshot['slots']} slots"
            )


def _check(
    snapshot: Record,
    kind: str,
    fields: tuple[str, ...],
    optional: tuple[str, ...],
    items: str,
    item_fields: tuple[str, ...],
    item_optional: tuple[str, ...],
) -> None:
    """All fields are there and are what they should be, those of every item of ``items``, too."""
    if snapshot.get(kind) != VERSION:
        raise SnapshotError(f"not a {kind} of version {VERSION}: {snapshot.get(kind)!r}")
    missing = [field for field in fields if field not in snapshot]
    if missing:
        raise SnapshotError(f"{kind}: {', '.join(missing)} missing")
    _check_types(kind, "", snapshot, fields + optional)
    _check_items(kind, items, snapshot[items], item_fields, item_optional)


def _check_items(
    kind: str, name: str, items: list[Record], fields: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise SnapshotError(f"{kind}: {name}[{i}] is {_shown(item)}, not an object")
    missing = [f"{name}[].{field}" for field in fields if any(field not in item for item in items)]
    if missing:
        raise SnapshotError(f"{kind}: {', '.join(missing)} missing")
    for i, item in enumerate(items):
        _check_types(kind, f"{name}[{i}].", item, fields + optional)


def _check_types(kind: str, place: str, record: Record, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field not in record:
            continue
        value = record[field]
        wanted, what = _TYPES.get(field, (int, "an unsigned integer"))
        right = isinstance(value, wanted)
        if wanted is int:
            right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not right:
            raise SnapshotError(f"{kind}: {place}{field} is {_shown(value)}, not {what}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."
