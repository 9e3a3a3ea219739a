# SPDX-License-Identifier: MIT
"""
A look at every access to shared memory, just before it is made, whichever side makes it: the C libraries through their
accessor seam (``access_watched.h``), the Python peers through their words. There a test can let the other side act,
change what is about to be read, or write down what happens.
"""

import enum
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from vring.lowlevel import ffi, lib
from vring.memory import GuestMemory

__all__ = ["Access", "AccessKind", "watch"]


class AccessKind(enum.IntEnum):
    """What is done, in which order: a fence has no address."""

    LOAD = lib.VRING_WATCH_LOAD
    LOAD_ACQUIRE = lib.VRING_WATCH_LOAD_ACQUIRE
    STORE = lib.VRING_WATCH_STORE
    STORE_RELEASE = lib.VRING_WATCH_STORE_RELEASE
    FENCE = lib.VRING_WATCH_FENCE


class Access(NamedTuple):
    """One access that is about to be made: ``address`` in this process, ``width`` in bytes, the ``value`` of a store."""

    kind: AccessKind
    address: int
    width: int
    value: int

    def within(self, memory: GuestMemory) -> int | None:
        """The device address, or ``None`` if the access is not to ``memory``."""
        offset = self.address - memory.host
        return memory.base + offset if 0 <= offset < memory.size else None


class _Watcher(threading.local):
    """Of this thread."""

    callback: Callable[[Access], object] | None = None
    failure: BaseException | None = None


_watcher = _Watcher()


@contextmanager
def watch(callback: Callable[[Access], object]) -> Iterator[None]:
    """
    While this lasts, ``callback`` is called before every access of this thread to shared memory. What it does itself
    is not watched, so it may call any verb of either side. An exception of it does not stop the verb, which must end
    as it would have, but is raised at the end.
    """
    before = _watcher.callback
    watched = lib.vring_watch(True)
    _watcher.callback, _watcher.failure = callback, None
    try:
        yield
    finally:
        _watcher.callback = before
        lib.vring_watch(watched)
        failure, _watcher.failure = _watcher.failure, None
    if failure:
        raise failure


def touch(kind: AccessKind, address: int = 0, width: int = 0, value: int = 0) -> None:
    """What Python code that accesses shared memory calls before it does."""
    callback = _watcher.callback
    if callback is None or _watcher.failure:
        return
    _watcher.callback = None
    watched = lib.vring_watch(False)
    try:
        callback(Access(kind, address, width, value))
    except BaseException as failure:
        _watcher.failure = failure
    finally:
        _watcher.callback = callback
        lib.vring_watch(watched)


# Called by C, which has turned the watch off meanwhile: see watch.c.
@ffi.def_extern(name="vring_watch_callback")  # type: ignore[untyped-decorator]
def _from_c(access: int, address: int, width: int, value: int) -> None:
    touch(AccessKind(access), address, width, value)
