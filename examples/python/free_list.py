# SPDX-License-Identifier: MIT
"""
A driver in pure Python under HostileDeviceMachine: it keeps its list of free descriptors where many drivers have kept
it, in the ``next`` fields of the descriptor table, which the device can write.

    python free_list.py            finds that
    python free_list.py --right    keeps the list in private memory, and finds nothing
"""

import sys
from collections.abc import Sequence

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from vring import Segment, Used
from vring.testing import Descriptor, HostileDeviceMachine, RingSetup, SplitWords


class Broken(Exception):
    """The device broke the protocol; said once and for all."""


class FreeListDriver:
    """Buffers of one piece or several, no tables, and no sleep. What the device says of used buffers is judged."""

    def __init__(self, setup: RingSetup) -> None:
        self.words = SplitWords(setup.memory, setup.areas)
        self.size = setup.areas.size
        self.staged = self.published = self.next_used = setup.index
        self.words.avail_idx = self.words.used_idx = setup.index
        self.buffers: dict[int, tuple[object, list[int], int]] = {}  # by head: token, descriptors, writable bytes
        self.order: list[int] = []  # heads, as they were added
        self.first_free, self.free, self.broken = 0, self.size, ""
        for index in range(self.size):
            self.set_next(index, index + 1)

    def next(self, index: int) -> int:
        return self.words.descriptor(index).next % self.size

    def set_next(self, index: int, following: int) -> None:
        self.words.set_descriptor(index, Descriptor(0, 0, 0, following))

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool:
        self.check()
        pieces = [(*piece, 0) for piece in readable] + [(*piece, 2) for piece in writable]
        if len(pieces) > self.free:
            return False
        chain = []
        for _ in pieces:
            chain.append(self.first_free)
            self.first_free = self.next(self.first_free)
        for index, (addr, length, flags), following in zip(chain, pieces, [*chain[1:], None]):
            more = 0 if following is None else 1
            self.words.set_descriptor(index, Descriptor(addr, length, flags | more, following or 0))
        self.free -= len(pieces)
        self.buffers[chain[0]] = token, chain, sum(length for _, length in writable)
        self.order.append(chain[0])
        self.words.set_avail(self.staged, chain[0])
        self.staged = (self.staged + 1) % 65536
        return True

    def publish(self) -> bool:
        self.check()
        self.published = self.words.avail_idx = self.staged
        return True

    def get_used(self) -> Used | None:
        self.check()
        waiting = (self.words.used_idx - self.next_used) % 65536
        if waiting > (self.published - self.next_used) % 65536:
            self.fail("used.idx is ahead of avail.idx")
        if not waiting:
            return None
        head, length = self.words.used(self.next_used)
        if head not in self.order[: (self.published - self.next_used) % 65536]:
            self.fail("a used id is not in flight")
        token, chain, writable = self.buffers.pop(head)
        if length > writable:
            self.fail("a used length is more than was writable")
        self.order.remove(head)
        self.next_used = (self.next_used + 1) % 65536
        for index in chain:
            self.set_next(index, self.first_free)
            self.first_free = index
        self.free += len(chain)
        return Used(token, length)

    def enable_notify(self) -> bool:
        self.check()
        return True

    def disable_notify(self) -> None:
        self.check()

    def fail(self, why: str) -> None:
        self.broken = why
        self.check()

    def check(self) -> None:
        if self.broken:
            raise Broken(self.broken)


class PrivateListDriver(FreeListDriver):
    """The same with the list where the device cannot write."""

    def __init__(self, setup: RingSetup) -> None:
        self.following: dict[int, int] = {}
        super().__init__(setup)

    def next(self, index: int) -> int:
        return self.following[index]

    def set_next(self, index: int, following: int) -> None:
        self.following[index] = following


class FreeListMachine(HostileDeviceMachine):
    """That driver, with a device that scribbles."""

    peer_errors = (Broken,)
    driver_class: type[FreeListDriver] = FreeListDriver

    def make_driver(self, setup: RingSetup) -> FreeListDriver:
        return self.driver_class(setup)


class PrivateListMachine(FreeListMachine):
    """The same without the mistake."""

    driver_class = PrivateListDriver


TestPrivateList = PrivateListMachine.TestCase

# Short runs shrink fast, one counterexample is enough, and what Hypothesis could explain besides takes it longest.
SETTINGS = settings(
    stateful_step_count=12,
    max_examples=1000,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    deadline=None,
)

if __name__ == "__main__":
    machine = PrivateListMachine if "--right" in sys.argv else FreeListMachine
    run_state_machine_as_test(machine, settings=SETTINGS)
