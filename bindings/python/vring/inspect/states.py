# SPDX-License-Identifier: MIT
"""What the pictures of both formats call things: whose a buffer is, and the flags of a descriptor."""

from __future__ import annotations

import dataclasses

from .snapshot import Record

DESC_F_WRITE, DESC_F_INDIRECT = 2, 4

# Each state of a buffer, in the order of its life: what the legend says, and its colour.
STATES = {
    "staged": ("staged, not yet visible", "amber"),
    "device": ("with the device", "blue"),
    "used": ("used, not yet taken back", "green"),
}


@dataclasses.dataclass(frozen=True)
class Buffer:
    """One buffer in flight."""

    head: int  # split: its first descriptor; packed: its id
    state: str  # a key of STATES
    descriptors: list[int]  # the ring entries that it takes, in the order of the chain
    pieces: list[Record]  # addr, len, flags of its pieces, from the ring or from its table; packed: none once used
