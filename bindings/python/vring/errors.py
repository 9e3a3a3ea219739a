# SPDX-License-Identifier: MIT
"""
What can go wrong, by whose move it is.

"Nothing there" and "no room now" are answers, not exceptions: calls return ``None``, ``False`` or a
:class:`vring.NoRoom`.
"""

import enum
from collections.abc import Mapping

from vring.lowlevel import ffi, lib

__all__ = [
    "Blame",
    "BounceCode",
    "CallerError",
    "ChainError",
    "CorruptError",
    "MissError",
    "PeerError",
    "RingCode",
    "VringError",
]


class Blame(enum.Enum):
    """
    Whose move an answer is: nobody's but time's (STATE), the calling code's (CALLER), one buffer's of the driver
    (CHAIN), the other side's, which broke the queue (PEER), or that of whatever wrote over a pool's metadata (POOL).
    """

    STATE = enum.auto()
    CALLER = enum.auto()
    CHAIN = enum.auto()
    PEER = enum.auto()
    POOL = enum.auto()


class RingCode(enum.IntEnum):
    """``enum vring_error`` of ``vring/types.h``: what a queue answers."""

    EMPTY = lib.VRING_E_EMPTY
    FULL = lib.VRING_E_FULL
    ROOM = lib.VRING_E_ROOM
    MISS = lib.VRING_E_MISS
    NULL = lib.VRING_E_NULL
    SIZE = lib.VRING_E_SIZE
    ALIGN = lib.VRING_E_ALIGN
    OVERLAP = lib.VRING_E_OVERLAP
    ADDR = lib.VRING_E_ADDR
    LEN = lib.VRING_E_LEN
    CHAIN = lib.VRING_E_CHAIN
    FEATURE = lib.VRING_E_FEATURE
    HANDLE = lib.VRING_E_HANDLE
    STATE = lib.VRING_E_STATE
    SAVED = lib.VRING_E_SAVED
    UNFIT = lib.VRING_E_UNFIT
    CHAIN_ADDR = lib.VRING_E_CHAIN_ADDR
    CHAIN_ORDER = lib.VRING_E_CHAIN_ORDER
    CHAIN_LEN = lib.VRING_E_CHAIN_LEN
    PEER_INDEX = lib.VRING_E_PEER_INDEX
    PEER_ID = lib.VRING_E_PEER_ID
    PEER_NEXT = lib.VRING_E_PEER_NEXT
    PEER_LOOP = lib.VRING_E_PEER_LOOP
    PEER_INDIRECT = lib.VRING_E_PEER_INDIRECT
    PEER_TABLE = lib.VRING_E_PEER_TABLE
    PEER_LEN = lib.VRING_E_PEER_LEN

    @property
    def text(self) -> str:
        """The library's sentence for it (``vring_error_text``)."""
        return _string(lib.vring_error_text(self))

    @property
    def blame(self) -> Blame:
        """Whose move it is (``vring_error_blame``)."""
        return RING_BLAME[lib.vring_error_blame(self)]


class BounceCode(enum.IntEnum):
    """``enum bounce_error`` of ``bounce/bounce.h``: what a pool answers."""

    FULL = lib.BOUNCE_E_FULL
    FRAGMENTED = lib.BOUNCE_E_FRAGMENTED
    BUSY = lib.BOUNCE_E_BUSY
    MAPPINGS = lib.BOUNCE_E_MAPPINGS
    NULL = lib.BOUNCE_E_NULL
    SIZE = lib.BOUNCE_E_SIZE
    TOO_LARGE = lib.BOUNCE_E_TOO_LARGE
    UNSATISFIABLE = lib.BOUNCE_E_UNSATISFIABLE
    MASK = lib.BOUNCE_E_MASK
    ALIGN = lib.BOUNCE_E_ALIGN
    ADDR = lib.BOUNCE_E_ADDR
    GEOMETRY = lib.BOUNCE_E_GEOMETRY
    OVERLAP = lib.BOUNCE_E_OVERLAP
    META = lib.BOUNCE_E_META
    HANDLE = lib.BOUNCE_E_HANDLE
    DIRECTION = lib.BOUNCE_E_DIRECTION
    RANGE = lib.BOUNCE_E_RANGE
    STATE = lib.BOUNCE_E_STATE
    COPY = lib.BOUNCE_E_COPY
    SHARE = lib.BOUNCE_E_SHARE
    CORRUPT = lib.BOUNCE_E_CORRUPT

    @property
    def text(self) -> str:
        """The library's sentence for it (``bounce_error_text``)."""
        return _string(lib.bounce_error_text(self))

    @property
    def blame(self) -> Blame:
        """Whose move it is (``bounce_error_blame``)."""
        return BOUNCE_BLAME[lib.bounce_error_blame(self)]


RING_BLAME = {
    lib.VRING_BLAME_STATE: Blame.STATE,
    lib.VRING_BLAME_CALLER: Blame.CALLER,
    lib.VRING_BLAME_CHAIN: Blame.CHAIN,
    lib.VRING_BLAME_PEER: Blame.PEER,
}
BOUNCE_BLAME = {
    lib.BOUNCE_BLAME_STATE: Blame.STATE,
    lib.BOUNCE_BLAME_CALLER: Blame.CALLER,
    lib.BOUNCE_BLAME_POOL: Blame.POOL,
}


class VringError(Exception):
    """The common base. ``code`` is the C library's answer, ``text`` its sentence, ``call`` what was called."""

    def __init__(self, code: RingCode | BounceCode, call: str, detail: str = "") -> None:
        self.code = code
        self.call = call
        self.text = code.text
        super().__init__(f"{call}: {self.text}{f' ({detail})' if detail else ''} [{code.name}]")

    def __reduce__(self) -> tuple[object, ...]:
        """For copies, and for other processes."""
        return _again, (type(self), self.args, self.__dict__)


class CallerError(VringError, ValueError):
    """
    A slip of the code that called; nothing has changed. ``argument`` names what was wrong, ``value`` is what it was;
    both are ``None`` where the call came at the wrong time rather than with a wrong argument.
    """

    def __init__(
        self,
        code: RingCode | BounceCode,
        call: str,
        argument: str | None = None,
        value: object = None,
        detail: str = "",
    ) -> None:
        self.argument = argument
        self.value = value
        named = "" if argument is None else argument if value is None else f"{argument} = {_show(value)}"
        super().__init__(code, call, "; ".join(part for part in (named, detail) if part))

    def __reduce__(self) -> tuple[object, ...]:
        """As any error; but of what only this process has, ``value`` is what it looked like."""
        value = self.value if isinstance(self.value, str | bytes | int | float | None) else repr(self.value)
        return _again, (type(self), self.args, {**self.__dict__, "value": value})


class ChainError(VringError):
    """
    One buffer that the driver offered is unusable, and the queue lives. The device holds it: ``handle`` must be
    completed with length 0. Where it was only looked at (``taken`` is false) the handle is dead.
    """

    def __init__(self, code: RingCode, call: str, handle: int, taken: bool = True) -> None:
        self.handle = handle
        self.taken = taken
        super().__init__(code, call, f"complete handle {handle:#x} with length 0" if taken else "not taken")


class MissError(VringError):
    """
    Device address ``addr`` of the next buffer is in no region yet, of a device with ``regions_may_miss``. The buffer
    was not taken: ask again when :meth:`vring.Device.set_regions` has brought the address.
    """

    def __init__(self, call: str, addr: int) -> None:
        self.addr = addr
        super().__init__(RingCode.MISS, call, f"addr = {addr:#x}")


class PeerError(VringError):
    """
    The other side broke the protocol, and the queue is broken until it is set up again: every call raises this again,
    without touching shared memory. ``position`` is the ring index, descriptor or table entry where it was seen,
    ``value`` what stood there (``struct vring_fault``).
    """

    def __init__(self, code: RingCode, call: str, position: int, value: int) -> None:
        self.position = position
        self.value = value
        super().__init__(code, call, f"at {position}: {value:#x}")


class CorruptError(VringError):
    """The private metadata of a pool contradict themselves: something overwrote them."""


Arguments = Mapping[RingCode | BounceCode, tuple[str, object]]
"""For every caller error that a call can give: which argument it is about, and what it was."""


def caller_error(code: RingCode | BounceCode, call: str, arguments: Arguments) -> CallerError:
    """The exception for ``code``, naming the argument it is about."""
    argument, value = arguments.get(code, (None, None))
    return CallerError(code, call, argument, value)


def integer(call: str, argument: str, value: int, bits: int, code: RingCode | BounceCode) -> int:
    """``value``, if it is an int that a C unsigned of so many bits holds; otherwise TypeError or CallerError(code)."""
    if not isinstance(value, int):
        raise TypeError(f"{call}: {argument} must be an int, not {type(value).__name__}")
    if not 0 <= value < 1 << bits:
        raise CallerError(code, call, argument, value, f"must be from 0 to 2**{bits} - 1")
    return int(value)


def _again(kind: type[VringError], args: tuple[object, ...], attributes: dict[str, object]) -> VringError:
    """An error as it was, whatever it takes to make one."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


def _show(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{int(value)} = {int(value):#x}" if abs(value) > 9 else str(int(value))
    return repr(value)


def _string(text: object) -> str:
    decoded: bytes = ffi.string(text)
    return decoded.decode("ascii")
