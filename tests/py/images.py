# SPDX-License-Identifier: MIT
"""What disks hold."""

from __future__ import annotations

from itertools import count


def same_bytes(found: bytes | bytearray, wanted: bytes | bytearray, what: str) -> None:
    """Fails with the first byte that differs. (For ``assert found == wanted``, pytest looks for the smallest difference
    between the two, which takes minutes for a disk.)"""
    if found == wanted:
        return
    if len(found) != len(wanted):
        raise AssertionError(f"{what}: {len(found)} bytes, not {len(wanted)}")
    place = next(place for place in count() if found[place] != wanted[place])
    raise AssertionError(f"{what}: from byte {place} {found[place:][:16].hex(' ')}, not {wanted[place:][:16].hex(' ')}")
