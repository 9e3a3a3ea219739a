# SPDX-License-Identifier: MIT
"""Reading snapshots, and refusing what is none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

Record = dict[str, Any]  # what one line of JSON holds

KINDS = ("vring-snapshot", "bounce-snapshot")
VERSION = 1

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
_POOL = ("name", "addr", "slots", "slot_size", "segment_slots", "used", "high_water", "mappings")
_MAPPING = ("slot", "slots", "pad_slots", "addr", "size", "direction")


class SnapshotError(ValueError):
    """What was given is not a snapshot, or of a version that this package does not know."""


def read(lines: Iterable[str]) -> Iterator[Record]:
    """The snapshots among lines of text, in order. Lines that hold anything else are passed over."""
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and any(kind in record for kind in KINDS):
            yield record


def check_ring(snapshot: Record) -> None:
    """Raise SnapshotError unless this is a ring as one side sees it, with everything that a picture needs."""
    packed = snapshot.get("format") == "packed"
    _check(
        snapshot,
        "vring-snapshot",
        _RING if packed else _RING + _SPLIT,
        "entries",
        _ENTRY + (_PACKED_ENTRY if packed else _SPLIT_ENTRY),
    )
    if snapshot["format"] not in ("split", "packed") or snapshot["side"] not in ("driver", "device"):
        raise SnapshotError(
            f"a {snapshot['format']} ring as its {snapshot['side']} sees it: there are split and packed ones, as their "
            "driver or their device does"
        )
    if len(snapshot["entries"]) != snapshot["size"]:
        raise SnapshotError(f"a ring of {snapshot['size']} entries, but {len(snapshot['entries'])} are listed")


def check_pool(snapshot: Record) -> None:
    """Raise SnapshotError unless this is a bounce pool with everything that a picture needs."""
    _check(snapshot, "bounce-snapshot", _POOL, "mappings", _MAPPING)
    for mapping in snapshot["mappings"]:
        if mapping["slot"] + mapping["slots"] > snapshot["slots"]:
            raise SnapshotError(
                f"the mapping at slot {mapping['slot']} reaches past the pool's {snapshot['slots']} slots"
            )


def _check(snapshot: Record, kind: str, fields: tuple[str, ...], items: str, item_fields: tuple[str, ...]) -> None:
    if snapshot.get(kind) != VERSION:
        raise SnapshotError(f"not a {kind} of version {VERSION}: {snapshot.get(kind)!r}")
    missing = [field for field in fields if field not in snapshot]
    if not missing:
        missing = [f"{items}[].{field}" for field in item_fields if any(field not in item for item in snapshot[items])]
    if missing:
        raise SnapshotError(f"{kind}: {', '.join(missing)} missing")
