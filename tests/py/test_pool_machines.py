# SPDX-License-Identifier: MIT
"""
The bounce pool under PoolMachine: every decision against the model, every byte of the window accounted for; alone, and
as the one of a set that serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from vring import (
    BouncePool,
    BounceSet,
    Coherent,
    Direction,
    GuestMemory,
    Mapping,
    MappingInfo,
    NoRoom,
    PoolConfig,
    Reservation,
    Usage,
)
from vring.errors import BounceCode, CallerError
from vring.memory import Buffer
from vring.pool_model import Request, Search
from vring.testing import Geometry, PoolMachine, strategies
from vring.testing.pool_machine import DIRECTIONS, Held, flags_of


GENERATE = settings(max_examples=1000, report_multiple_bugs=False, phases=[Phase.generate])


class PoolAgainstModel(PoolMachine):
    """With all that a pool can be asked for."""

    limits = keep_padding = True


class WholePool(PoolAgainstModel):
    """With the verbs, too, that other people's pools need not have: reservations, questions, and the reset."""

    pool: BouncePool

    @initialize()
    def start_reserving(self) -> None:
        self.reserved: list[Held] = []

    @rule(request=strategies.REQUESTS, direction=DIRECTIONS)
    def reserve(self, request: Request, direction: Direction) -> None:
        self.made += 1
        expected = self.model.map(request)
        answer: Reservation | NoRoom | BounceCode
        try:
            answer = self.pool.reserve(
                request.size,
                direction,
                orig_addr=request.orig_addr,
                alloc_align_mask=request.alloc_align_mask,
                min_align_mask=request.min_align_mask,
                boundary_mask=request.boundary_mask,
                area=request.area,
                owner=self.made,
            )
        except CallerError as error:
            answer = BounceCode(error.code)
        held = self._compare(cast("Mapping | NoRoom | BounceCode", answer), expected)
        if held:
            self.reserved.append(self.held.pop())
            self._clear(held.place)

    @precondition(lambda self: self.reserved)
    @rule(which=st.integers(0, 63))
    def commit(self, which: int) -> None:
        held = self.reserved.pop(which % len(self.reserved))
        reservation = cast(Reservation, held.mapping)
        held.original = bytearray([1 + held.owner % 255]) * reservation.size
        held.expected = bytearray(held.original)
        held.mapping = reservation.commit(held.original)
        self._show(held.place, held.original)
        self.held.append(held)
        self._refused(BounceCode.HANDLE, reservation.cancel)

    @precondition(lambda self: self.reserved)
    @rule(which=st.integers(0, 63))
    def cancel(self, which: int) -> None:
        held = self.reserved.pop(which % len(self.reserved))
        reservation = cast(Reservation, held.mapping)
        reservation.cancel()
        self.model.unmap(held.place)
        self._clear(held.place)
        self._refused(BounceCode.HANDLE, lambda: reservation.commit(bytearray(reservation.size)))

    @rule(request=strategies.REQUESTS)
    def can_map(self, request: Request) -> None:
        answer = self.pool.can_map(
            request.size,
            orig_addr=request.orig_addr,
            alloc_align_mask=request.alloc_align_mask,
            min_align_mask=request.min_align_mask,
            boundary_mask=request.boundary_mask,
        )
        assert answer == self._could(request), f"can_map says {answer}"

    def _could(self, request: Request) -> bool:
        return request.slots(self.geometry) <= self.geometry.segment_slots and any(
            self.model.search.may_start(request, slot, bounds) for bounds in self.model.bounds for slot in bounds
        )

    @rule(offset=st.integers(0, 1 << 16))
    def find_mapping(self, offset: int) -> None:
        offset %= len(self.window) + 1
        slot = offset // self.geometry.slot_size
        expected = [
            held.mapping.info
            for held in self.held + self.reserved
            if held.place.slot <= slot < held.place.slot + held.place.slots
        ]
        found = self.pool.find_mapping(self.geometry.window_addr + offset)
        assert [info.handle for info in (found and [found] or [])] == [info.handle for info in expected]

    @rule()
    def reset_high_water(self) -> None:
        self.pool.reset_high_water()
        self.model.area_high_water = list(self.model.area_used)

    @invariant()
    def counts_add_up(self) -> None:
        self._with_reservations(super().counts_add_up)

    @invariant()
    def the_list_of_mappings_is_right(self) -> None:
        self._with_reservations(super().the_list_of_mappings_is_right)

    @invariant()
    def areas_add_up_and_metadata_are_sound(self) -> None:
        for area, bounds in enumerate(self.model.bounds):
            usage = self.pool.usage(area)
            expected = len(bounds), self.model.area_used[area], self.model.area_high_water[area]
            assert (usage.slots, usage.used, usage.high_water) == expected, f"{usage} of area {area}"
        self.pool.verify()

    def _with_reservations(self, check: Callable[[], None]) -> None:
        held, self.held = self.held, self.held + self.reserved
        try:
            check()
        finally:
            self.held = held


class OfASet:
    """A pool behind the verbs of a set, beside one for another device and one that is being drained."""

    def __init__(self, memory: GuestMemory, geometry: Geometry) -> None:
        self.pools = BounceSet(3)
        far = (geometry.window_addr + (1 << 40)) % (1 << 63) // 2048 * 2048
        self.pools.add(PoolConfig(GuestMemory(2048), window_addr=far), device=7)
        leaving = self.pools.add(PoolConfig(GuestMemory(2048), window_addr=far + 4096))
        self.stopper = self.pools.map(bytes(2048), Direction.TO_DEVICE)
        leaving.drain()
        self.pool = self.pools.add(PoolConfig(memory, **geometry.options(), flags=flags_of(geometry)))
        assert isinstance(self.stopper, Mapping)

    def map(self, buffer: Buffer, direction: Direction, **request: Any) -> Any:
        return self.pools.map(buffer, direction, device=8, **request)

    def alloc(self, size: int, *, area: int = 0, owner: int = 0) -> Coherent | NoRoom:
        return self.pools.alloc(size, area=area, owner=owner)

    def usage(self) -> Usage:
        assert self.pools.usage().used == self.pool.usage().used + 1
        return self.pool.usage()

    def mappings(self) -> Iterator[MappingInfo]:
        return self.pool.mappings()

    def close(self) -> None:
        self.pool.remove()


class SetAgainstModel(PoolAgainstModel):
    """Through a set every request is answered as by its one pool that serves it."""

    def make_pool(self, memory: GuestMemory, geometry: Geometry) -> OfASet:
        return OfASet(memory, geometry)


TestPoolAgainstModel = WholePool.TestCase
TestSetAgainstModel = SetAgainstModel.TestCase


@pytest.mark.parametrize(
    ("verb", "wrong", "reason"),
    [
        ("reset_high_water", lambda pool: None, "instead of|of area"),
        ("find_mapping", lambda pool, addr: None, r"assert \[\] == \["),
        ("can_map", lambda pool, size, **request: True, "can_map says True"),
    ],
)
def test_a_verb_that_does_not_do_its_work_is_noticed(
    monkeypatch: pytest.MonkeyPatch, verb: str, wrong: Callable[..., object], reason: str
) -> None:
    monkeypatch.setattr(BouncePool, verb, wrong)
    with pytest.raises(Exception, match=reason):
        run_state_machine_as_test(WholePool, settings=GENERATE)


class ReachesEverything(Search):
    """A model that knows no limit."""

    def is_reached(self, request: Request, slot: int) -> bool:
        return True


def test_a_limit_that_is_not_kept_is_noticed() -> None:
    class Machine(PoolAgainstModel):
        search = ReachesEverything

    with pytest.raises(Exception, match="the pool answered|the pool took"):
        run_state_machine_as_test(Machine, settings=GENERATE)


def test_padding_that_is_kept_where_it_must_be_cleared_is_noticed() -> None:
    class Machine(PoolMachine):
        def make_pool(self, memory: GuestMemory, geometry: Geometry) -> BouncePool:
            made = super().make_pool(memory, geometry)
            assert isinstance(made, BouncePool)
            return BouncePool(memory, **geometry.options(), flags=flags_of(geometry) | 4)

    with pytest.raises(Exception, match="of the window"):
        run_state_machine_as_test(Machine, settings=GENERATE)
