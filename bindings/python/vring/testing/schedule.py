# SPDX-License-Identifier: MIT
"""
Driver against device where the other side acts in the middle of a verb: before any access to shared memory that a verb
makes, Hypothesis lets the peer run one of its own verbs, or overwrite what is about to be read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from vring.device import Chain
from vring.driver import IndirectTable
from vring.errors import ChainError, PeerError
from vring.features import Feature
from vring.testing import strategies
from vring.testing.hostile import evidence
from vring.testing.protocol import OPTIONAL, RingSetup
from vring.testing.under_test import RingUnderTest
from vring.testing.watch import Access, AccessKind, watch

__all__ = ["HostileScheduleMachine", "ScheduleMachine"]

Answer = TypeVar("Answer")
CELLS = 64  # one for each number in flight, and more than any ring drawn here has buffers
WORD = 8  # bytes: the number of a buffer, which the device reads, and the answer, which it writes
MOST_ACCESSES = 20  # of one verb, before which the peer may act

DRIVERS = ("send", "send", "collect", "wait for used", "ignore used")  # verbs of the driver ...
DEVICES = ("serve", "serve", "serve two", "wait for available", "ignore available")  # ... and of the device
OVERWRITES = ("overwrite the word", "overwrite a byte")


@dataclass(frozen=True)
class Act:
    """What the peer does before access ``at`` of a verb, and with which value, if it overwrites something."""

    at: int
    what: str
    where: int = 0
    value: int = 0


def _plans(*acts: str) -> st.SearchStrategy[list[Act]]:
    values = st.one_of(st.integers(0, 17), st.sampled_from([0x80, 0x8000, 0x8080, 0xFFFF]), st.integers(0, 2**64 - 1))
    return st.lists(
        st.builds(
            Act,
            # Many verbs make few accesses.
            at=st.one_of(st.integers(0, 3), st.integers(1, 3), st.integers(0, MOST_ACCESSES)),
            what=st.sampled_from(acts),
            where=st.integers(0, 4095),
            value=values,
        ),
        min_size=1,
        max_size=4,
    )


# Before a verb that is interrupted: without anything in the ring little can go wrong.
FIRST = st.lists(
    st.sampled_from(["send", "send", "serve", "serve two", "collect", "ignore used", "ignore available"]), max_size=4
)

Verb: TypeAlias = Callable[[], None]


class ScheduleMachine(RingUnderTest):
    """
    Both sides do what they should, and one acts in the middle of a verb of the other. No buffer is lost, doubled or
    overtaken, whatever the schedule; every byte arrives; no side sleeps once a verb has ended while something waits
    for it; no side touches anything but the memory that both share. Rings of both formats; set ``setups`` to
    ``strategies.ring_setups()`` or ``strategies.packed_setups()`` for one. What the ring under test is, and knows, is
    said as in :class:`vring.testing.RingUnderTest`; what is written in Python is watched through
    :class:`vring.testing.SplitWords` and :class:`vring.testing.PackedWords`.
    """

    peer_errors: tuple[type[Exception], ...] = (PeerError,)
    sticky = True  # as HostileDeviceMachine has it
    setups: st.SearchStrategy[RingSetup] = st.one_of(
        strategies.ring_setups(OPTIONAL, legacy=True), strategies.packed_setups(OPTIONAL)
    )

    @initialize(setup=st.runner().flatmap(lambda machine: machine.setups))
    def start(self, setup: RingSetup) -> None:
        self.setup = self.known(setup)
        self.in_order = bool(self.setup.features & Feature.IN_ORDER)
        self.cells = [self.setup.memory.allocate(2 * WORD) for _ in range(CELLS)]
        self.tables = [IndirectTable.allocate(self.setup.memory, 2) for _ in range(CELLS)]
        self._start_over()

    def _start_over(self) -> None:
        self.driver: Any = self.make_driver(self.setup)  # Any: it need not have all verbs
        self.device: Any = self.make_device(self.setup)
        self.broken: dict[str, Exception] = {}  # by side
        self.honest = True
        self.sent = 0
        self.in_flight: dict[int, int] = {}  # the descriptors of each buffer, by its number
        self.available: list[int] = []  # published, or about to be; not taken
        self.used: list[int] = []  # likewise; not taken back
        # What a verb in progress is publishing: it may be visible already, and need not be.
        self.announced: dict[str, list[int]] = {"available": [], "used": []}
        self.sleeps = {"driver": False, "device": False}
        self.woken = {"driver": False, "device": False}  # since it has begun to fall asleep

    # ----------------------------------------------------------------------------------------------- the schedule ---

    @rule(first=FIRST, verb=st.sampled_from(DRIVERS), plan=_plans(*DEVICES))
    def driver_is_interrupted(self, first: list[str], verb: str, plan: list[Act]) -> None:
        self.in_turn(first)
        self._interrupted(verb, plan)

    @rule(first=FIRST, verb=st.sampled_from(DEVICES), plan=_plans(*DRIVERS))
    def device_is_interrupted(self, first: list[str], verb: str, plan: list[Act]) -> None:
        self.in_turn(first)
        self._interrupted(verb, plan)

    @rule(verbs=st.lists(st.sampled_from(DRIVERS + DEVICES), min_size=1, max_size=8))
    def in_turn(self, verbs: list[str]) -> None:
        """Without a schedule, so that much has happened before something is interrupted."""
        for verb in verbs:
            self._run(verb)

    def _interrupted(self, verb: str, plan: list[Act]) -> None:
        """The verb, and what the plan says; acts beyond its end are left out."""
        count = 0

        def before(access: Access) -> None:
            nonlocal count
            if access.kind != AccessKind.FENCE:
                place = access.within(self.setup.memory)
                assert place is not None, f"{verb} touches {access}, which is outside of the memory"
            for act in plan:
                if act.at == count:
                    self._act(act, access)
            count += 1

        with watch(before):
            self._run(verb)

    def _act(self, act: Act, access: Access) -> None:
        self._run(act.what)

    def _run(self, verb: str) -> None:
        verbs: dict[str, Verb] = {
            "send": self._send,
            "collect": self._collect,
            "wait for used": lambda: self._fall_asleep("driver"),
            "ignore used": lambda: self._stay_awake("driver"),
            "serve": lambda: self._serve(1),
            "serve two": lambda: self._serve(2),
            "wait for available": lambda: self._fall_asleep("device"),
            "ignore available": lambda: self._stay_awake("device"),
        }
        verbs[verb]()

    def _ask(self, side: str, call: Callable[[], Answer]) -> Answer | None:
        """The answer of a call that looks at shared memory; None if the peer broke the queue, which stays so."""
        broken = self.broken.get(side)
        if broken and not self.sticky:
            return None
        try:
            answer = call()
        except self.peer_errors as error:
            assert not self.honest, f"an honest peer of the {side} is accused: {error}"
            assert broken is None or evidence(error) == evidence(broken), f"{error} instead of {broken}"
            self.broken[side] = error
            return None
        assert broken is None, f"the {side} answered {answer} although {broken}"
        return answer

    # ------------------------------------------------------------------------------------------------- the driver ---

    def _send(self) -> None:
        number = self.sent + 1
        cell, table = self.cells[number % CELLS], self.tables[number % CELLS]
        pieces = [(cell, WORD), (cell + WORD, WORD)][: self.setup.areas.size]
        may = self.setup.features & Feature.INDIRECT_DESC and hasattr(self.driver, "add_indirect")
        if number % CELLS in [held % CELLS for held in self.in_flight]:  # its memory is still in use
            return
        self.setup.memory.write(cell, number.to_bytes(WORD, "little") + bytes(WORD))
        if may and number % 2:
            added = self._ask("driver", lambda: self.driver.add_indirect(table, pieces[:1], pieces[1:], number))
            count = 1
        else:
            added = self._ask("driver", lambda: self.driver.add_avail(pieces[:1], pieces[1:], number))
            count = len(pieces)
        if not self.broken:
            fits = sum(self.in_flight.values()) + count <= self.setup.areas.size
            assert added == fits, f"add answered {added} with {self.in_flight} in flight"
        if not added:
            return
        self.sent = number
        self.in_flight[number] = count
        self.available.append(number)
        self.announced["available"] = [number]
        notify = self._ask("driver", self.driver.publish)
        self.announced["available"] = []
        if notify:
            self._wake("device")

    def _collect(self) -> None:
        due = [number for number in self.used if number not in self.announced["used"]]
        used = self._ask("driver", self.driver.get_used)
        if used is None:
            assert self.broken or not self.honest or not due, f"buffer {due[0]} is lost: it does not come back"
            return
        assert used.token in self.in_flight, f"{used} came back twice, or was never sent"
        writable = WORD if self.setup.areas.size > 1 else 0
        assert used.length <= writable, f"{used} is longer than the {writable} writable bytes"
        del self.in_flight[used.token]
        if self.honest:
            assert self.used and used.token == self.used.pop(0), f"{used} came back out of turn"
            inside = self.setup.memory.read(self.cells[used.token % CELLS] + WORD, used.length)
            answer = (used.token + 1).to_bytes(WORD, "little")[:writable]
            assert inside == answer, f"{used} holds {inside!r} instead of {answer!r}"

    # ------------------------------------------------------------------------------------------------- the device ---

    def _serve(self, most: int) -> None:
        """
        Buffers are taken, the last of them is finished first, and all are published together: in the order of
        finishing, unless the ring has one.
        """
        taken: list[tuple[Chain, int]] = []
        while len(taken) < most and (chain := self._take()):
            taken.append((chain, int.from_bytes(chain.read()[:WORD], "little")))
        if self.honest:
            numbers = [number for _, number in (taken if self.in_order else taken[::-1])]
            self.used += numbers
            self.announced["used"] = numbers
        for chain, number in reversed(taken):
            if self.honest:
                chain.write((number + 1).to_bytes(WORD, "little")[: chain.room])
            self._finish(chain)
        if taken:
            self._publish_used()
        self.announced["used"] = []

    def _take(self) -> Chain | None:
        due = [number for number in self.available if number not in self.announced["available"]]
        try:
            chain: Chain | None = self._ask("device", self.device.get_avail)
        except ChainError as error:
            assert not self.honest, f"an honest driver is accused: {error}"
            self.device.add_used(error.handle, 0)
            self._publish_used()
            return None
        if chain is None:
            assert self.broken or not self.honest or not due, f"buffer {due[0]} is lost: the device does not see it"
        elif self.honest:
            number = int.from_bytes(chain.read()[:WORD], "little")
            assert self.available and number == self.available.pop(0), f"buffer {number} was taken out of turn"
        return chain

    def _finish(self, chain: Chain) -> None:
        """It was taken before the queue broke, perhaps: then it cannot be given back, and nobody is to blame."""
        self._ask("device", lambda: self.device.add_used(chain))

    def _publish_used(self) -> None:
        if self._ask("device", self.device.publish):
            self._wake("driver")

    # ---------------------------------------------------------------------------------------------- notifications ---

    def _wake(self, side: str) -> None:
        self.sleeps[side], self.woken[side] = False, True

    def _fall_asleep(self, side: str) -> None:
        """Ask to be notified, and sleep if nothing waits and no notification has come meanwhile."""
        self.woken[side] = False
        waits = self._ask(side, self.driver.enable_notify if side == "driver" else self.device.enable_notify)
        self.sleeps[side] = not waits and not self.woken[side]

    def _stay_awake(self, side: str) -> None:
        """Ask not to be notified: only who is awake may."""
        if not self.sleeps[side]:
            self._ask(side, self.driver.disable_notify if side == "driver" else self.device.disable_notify)

    @invariant()
    def nobody_sleeps_while_something_waits(self) -> None:
        if self.honest:
            assert not (self.sleeps["driver"] and self.used), f"the driver sleeps while {self.used} are used"
            assert not (self.sleeps["device"] and self.available), f"the device sleeps while {self.available} wait"

    @rule()
    def settle(self) -> None:
        """All that was ever sent comes back."""
        for _ in range(self.setup.areas.size):
            self._run("serve")
            self._run("collect")
        assert not self.honest or not self.in_flight, f"{list(self.in_flight)} never came back"


class HostileScheduleMachine(ScheduleMachine):
    """
    The same where what is about to be read, or anything else that both share, may change just before: the other side
    is not to be trusted. Nothing outside of the memory is touched; no token comes back twice, no length is more than
    there was room for; what breaks a queue is said, and stays what it is.
    """

    @rule(first=FIRST, verb=st.sampled_from(DRIVERS + DEVICES), plan=_plans(*OVERWRITES))
    def what_is_read_changes(self, first: list[str], verb: str, plan: list[Act]) -> None:
        self.in_turn(first)
        self._interrupted(verb, plan)

    def _act(self, act: Act, access: Access) -> None:
        if act.what not in OVERWRITES:
            super()._act(act, access)
            return
        areas, memory = self.setup.areas, self.setup.memory
        sizes = areas.layout
        shared = [(areas.desc, sizes.desc_size), (areas.driver, sizes.driver_size), (areas.device, sizes.device_size)]
        addr, width = access.within(memory), access.width
        if act.what == "overwrite a byte":
            start, size = shared[act.where % 3]
            addr, width = start + act.where // 3 % size, 1
        if addr is None or not width:
            return
        self.honest = False
        memory.write(addr, (act.value % (1 << 8 * width)).to_bytes(width, "little"))

    @precondition(lambda self: self.broken)
    @rule()
    def set_up_anew(self) -> None:
        self._start_over()
