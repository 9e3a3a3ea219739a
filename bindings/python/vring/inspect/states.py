# SPDX-License-Identifier: MIT
"""What the pictures of both formats call things: whose a buffer is, and the flags of a descriptor."""

from __future__ import annotations

import dataclasses

from .snapshot import Record

DESC_F_NEXT, DESC_F_WRITE, DESC_F_INDIRECT = 1, 2, 4

# What each side can tell of a buffer, in the order of its life: the legend, and the colour. A driver does not see what
# the device has taken of what it was offered, nor a device what the driver has taken back of what it used.
STATES = {
    "driver": {
        "staged": ("staged, not yet visible", "amber"),
        "device": ("with the device", "blue"),
        "used": ("used, not yet taken back", "green"),
    },
    "device": {
        "waiting": ("available, not yet taken", "violet"),
        "device": ("taken, not yet used", "blue"),
        "staged": ("used, not yet visible", "amber"),
    },
}

# ... and of a descriptor that belongs to none of those buffers.
NOBODY = {"driver": "free", "device": "the driver's"}


@dataclasses.dataclass(frozen=True)
class Buffer:
    """One buffer that is not the driver's alone."""

    head: int  # split: its first descriptor; packed: its id
    state: str  # a key of STATES[side]
    descriptors: list[int]  # the ring entries that it takes, in the order of the chain
    pieces: list[Record]  # addr, len, flags of its pieces, from the ring or from its table; packed: none once used


def counted(count: int, what: str) -> str:
    """``1 buffer``, ``2 buffers``."""
    return f"{count} {what}{'' if count == 1 else 's'}"
