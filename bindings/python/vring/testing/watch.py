# SPDX-License-Identifier: MIT
"""
A look at every access to shared memory, just before it is made, whichever side makes it: the C libraries through their
accessor seam (``access_watched.h``), the Python peers through their words. There a test can let the other side act,
change what is about to be read, or write down what happens. A pool's operations on caches can be watched, too.
"""

import enum
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from vring.lowlevel import ffi, lib
from vring.memory import GuestMemory

__all__ = ["Access", "AccessKind", "CacheKind", "CacheOperation", "watch", "watch_caches"]


class AccessKind(enum.IntEnum):
    """What is done, in which order: a fence has no address."""

    LOAD = lib.VRING_WATCH_LOAD
    LOAD_ACQUIRE = lib.VRING_WATCH_LOAD_ACQUIRE
    STORE = lib.VRING_WATCH_STORE
    STORE_RELEASE = lib.VRING_WATCH_STORE_RELEASE
    FENCE = lib.VRING_WATCH_FENCE


class Access(NamedTuple):
    """
    One access that is about to be made: ``address`` in this process, ``width`` in bytes, the ``value`` of a store.
    """

    kind: AccessKind
    address: int
    width: int
    value: int

    def within(self, memory: GuestMemory) -> int | None:
        """The device address, or ``None`` if the access is not to ``memory``."""
        offset = self.address - memory.host
        return memory.base + offset if 0 <= offset < memory.size else None


class CacheKind(enum.IntEnum):
    """
    CLEAN: what was written there is to be seen by the device. INVALIDATE: what the device wrote there is to be seen.
    """

    CLEAN = lib.VRING_WATCH_CLEAN
    INVALIDATE = lib.VRING_WATCH_INVALIDATE


class CacheOperation(NamedTuple):
    """
    One operation that a pool asks of the caches (``lib/bounce/copy.h``): on ``size`` bytes at ``address`` in this
    process.
    """

    kind: CacheKind
    address: int
    size: int

    def within(self, memory: GuestMemory) -> int | None:
        """The device address, or ``None`` if it is not about ``memory``."""
        offset = self.address - memory.host
        return memory.base + offset if 0 <= offset < memory.size else None


class _Watcher(threading.local):
    """Of this thread."""

    callback: Callable[[Access], object] | None = None
    cache_callback: Callable[[CacheOperation], object] | None = None
    failure: BaseException | None = None
    cache_failure: BaseException | None = None


_watcher = _Watcher()


@contextmanager
def watch(callback: Callable[[Access], object]) -> Iterator[None]:
    """
    While this lasts, ``callback`` is called before every access of this thread to shared memory. What it does itself
    is not watched, so it may call any verb of either side. An exception of it does not stop the verb, which must end
    as it would have, but is raised at the end.
    """
    before = _watcher.callback, _watcher.failure
    watched = lib.vring_watch(True)
    _watcher.callback, _watcher.failure = callback, None
    try:
        yield
    finally:
        failure = _watcher.failure
        _watcher.callback, _watcher.failure = before  # one around it has its own failure to tell
        lib.vring_watch(watched)
    if failure:
        raise failure


@contextmanager
def watch_caches(callback: Callable[[CacheOperation], object]) -> Iterator[None]:
    """
    While this lasts, ``callback`` is called for every operation on caches that a pool asks for in this thread: the
    window is memory that a device which does not look into caches sees as of the last CLEAN, and writes for the next
    INVALIDATE. An exception of it is raised at the end, as :func:`watch` does.
    """
    before = _watcher.cache_callback, _watcher.cache_failure
    watched = lib.vring_watch_caches(True)
    _watcher.cache_callback, _watcher.cache_failure = callback, None
    try:
        yield
    finally:
        failure = _watcher.cache_failure
        _watcher.cache_callback, _watcher.cache_failure = before
        lib.vring_watch_caches(watched)
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


@ffi.def_extern(name="vring_cache_callback")  # type: ignore[untyped-decorator]
def _cache_from_c(operation: int, address: int, size: int) -> None:
    if _watcher.cache_callback is None or _watcher.cache_failure:
        return
    try:
        _watcher.cache_callback(CacheOperation(CacheKind(operation), address, size))
    except BaseException as failure:
        _watcher.cache_failure = failure
