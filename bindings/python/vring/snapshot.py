# SPDX-License-Identifier: MIT
"""A ring at one moment, as data for pictures (``struct vring_snapshot``)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vring.lowlevel import CData, ffi

__all__ = ["Snapshot", "SnapshotEntry"]


@dataclass(frozen=True)
class SnapshotEntry:
    """
    One entry. ``addr`` to ``next`` are the descriptor, ``avail``, ``used_id`` and ``used_len`` the rings at this
    position: as they were found in shared memory, unjudged. ``token``, ``count`` and ``link`` are private: see
    ``struct vring_snapshot_entry``.
    """

    addr: int
    len: int
    flags: int
    next: int
    id: int
    avail: int
    used_id: int
    used_len: int
    token: int
    count: int
    link: int


@dataclass(frozen=True)
class Snapshot:
    """
    Indices, flags and entries as one ``side`` sees them. ``avail_idx`` to ``used_flags`` are shared words, the others
    this side's own.
    """

    side: Literal["driver", "device"]
    packed: bool
    in_order: bool
    size: int
    avail_idx: int
    used_idx: int
    used_event: int
    avail_event: int
    avail_flags: int
    used_flags: int
    next_avail: int
    next_used: int
    published: int
    free: int
    error: int
    entries: tuple[SnapshotEntry, ...]

    @classmethod
    def take(
        cls,
        side: Literal["driver", "device"],
        queue: CData,
        ring: Callable[[CData, CData], int],
        entry: Callable[[CData, int, CData], int],
        judge: Callable[[int], int],
    ) -> "Snapshot":
        """Through the C functions ``ring`` and ``entry``; ``judge`` raises for what they answer."""
        head = ffi.new("struct vring_snapshot *")
        judge(ring(queue, head))
        item = ffi.new("struct vring_snapshot_entry *")
        entries = []
        for position in range(head.size):
            judge(entry(queue, position, item))
            entries.append(SnapshotEntry(**{name: getattr(item, name) for name in SnapshotEntry.__dataclass_fields__}))
        ours = ("side", "entries")
        own = {name: getattr(head, name) for name in cls.__dataclass_fields__ if name not in ours}
        return cls(side=side, **own, entries=tuple(entries))
