# SPDX-License-Identifier: MIT
"""What the commands of ``python -m vring`` understand on their command lines."""

__all__ = ["size"]


def size(text: str) -> int:
    """``"4k"`` is 4096; M and G likewise; ``0x1000`` and 4096 as Python has them. Raises ValueError."""
    units = {"k": 10, "m": 20, "g": 30}
    shift = units.get(text[-1:].lower(), 0)
    return int(text[:-1] if shift else text, 0) << shift
