# SPDX-License-Identifier: MIT
"""What both sides of a queue have in common: answers that become exceptions, and an end."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, TypeVar

from vring.errors import Arguments, BounceCode, CallerError, CorruptError, PeerError, RingCode, caller_error, integer
from vring.features import Feature
from vring.layout import Areas, PackedAreas, PackedLayout, SplitAreas, SplitLayout
from vring.lowlevel import CData, lib
from vring.memory import GuestMemory

__all__ = ["Queue"]

Self = TypeVar("Self", bound="Queue")

EMPTY, FULL, ROOM, MISS = lib.VRING_E_EMPTY, lib.VRING_E_FULL, lib.VRING_E_ROOM, lib.VRING_E_MISS
RING_CODES = frozenset(int(code) for code in RingCode)


class Queue(ABC):
    """
    One side of a virtqueue. As a context manager it stops using the shared memory at the end (``reset``), whatever
    happened.
    """

    memory: GuestMemory
    areas: Areas
    features: Feature
    """As negotiated."""
    work_waits: bool = False
    """After a restore: whether there was something to take already. ``publish`` says once that the peer is notified."""
    _formats: ClassVar[tuple[type[Areas], ...]] = (SplitAreas, PackedAreas)
    _queue: CData  # struct vring_driver * or struct vring_device *

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.areas.size}, packed={self.packed}, in_flight={self.in_flight})"

    @abstractmethod
    def reset(self) -> object:
        """Stop using the shared memory. Every later call raises CallerError; set up a new queue to go on."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Buffers that this side answers for."""

    @property
    def packed(self) -> bool:
        """Whether this is a packed ring: RING_PACKED was among the features."""
        return bool(self._queue.packed)

    @property
    def fault(self) -> PeerError | None:
        """
        What broke the queue, as the exception that every call raises; ``None`` if nothing did. With
        ``UsedLength.REPORT`` also the last used length that was cut, and the queue lives.
        """
        fault = self._fault()
        if not fault.error:
            return None
        return PeerError(RingCode(fault.error), type(self).__name__, fault.position, fault.value)

    @abstractmethod
    def _fault(self) -> CData: ...

    def _layout(self, call: str, areas: Areas, features: int) -> SplitLayout | PackedLayout:
        """
        The layout of ``areas``. CallerError where they are not those of the format that the features name, TypeError
        where they are none.
        """
        if not isinstance(areas, SplitAreas | PackedAreas):
            raise TypeError(f"{call}: areas must be SplitAreas or PackedAreas, not {type(areas).__name__}")
        wanted = PackedAreas if features & Feature.RING_PACKED else SplitAreas
        if not isinstance(areas, wanted) or wanted not in self._formats:
            detail = f"{type(areas).__name__} {'with' if wanted is PackedAreas else 'without'} RING_PACKED"
            raise CallerError(RingCode.FEATURE, call, "features", features, detail)
        return areas.layout

    def _most(self, verb: str, most: int | None) -> int:
        """How many buffers a batch can have: ``most`` of them, or all that there can be."""
        size = self.areas.size
        return (
            size
            if most is None
            else min(integer(f"{type(self).__name__}.{verb}", "most", most, 32, RingCode.SIZE), size)
        )

    def _answer(self, code: int, verb: str, arguments: Arguments | None = None) -> int:
        """``code``, if it is an answer; otherwise the exception for it."""
        if code >= 0:
            return code
        call = f"{type(self).__name__}.{verb}"
        if lib.vring_error_blame(code) == lib.VRING_BLAME_PEER:
            fault = self._fault()
            raise PeerError(RingCode(code), call, fault.position, fault.value)
        if code == BounceCode.CORRUPT:
            raise CorruptError(BounceCode.CORRUPT, call)
        raise caller_error(RingCode(code) if code in RING_CODES else BounceCode(code), call, arguments or {})
