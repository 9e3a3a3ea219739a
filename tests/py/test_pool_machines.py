# SPDX-License-Identifier: MIT
"""
The bounce pool under PoolMachine: every decision against the model, every byte of the window accounted for; alone, and
as the one of a set that serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

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
    Usage,
)
from vring.memory import Buffer
from vring.pool_model import Request, Search
from vring.testing import Geometry, PoolMachine
from vring.testing.pool_machine import flags_of


GENERATE = settings(max_examples=1000, report_multiple_bugs=False, phases=[Phase.generate])


class PoolAgainstModel(PoolMachine):
    """With all that a pool can be asked for."""

    limits = keep_padding = True


class OfASet:
    """A pool behind the verbs of a set, beside one for another device and one that is being drained."""

    def __init__(self, memory: GuestMemory, geometry: Geometry) -> None:
        self.pools = BounceSet(3)
        far = (geometry.window_addr + (1 << 40)) % (1 << 63) // 2048 * 2048
        self.pools.add(PoolConfig(GuestMemory(2048), window_addr=far), device=7)
        leaving = self.pools.add(PoolConfig(GuestMemory(2048), window_addr=far + 4096))
        self.stopper = self.pools.map(bytes(2048), Direction.TO_DEVICE)
        leaving.drain()
        self.pool = self.pools.add(
            PoolConfig(
                memory,
                window_addr=geometry.window_addr,
                slots=geometry.slots,
                slot_size=geometry.slot_size,
                segment_slots=geometry.segment_slots,
                page_size=geometry.page_size,
                areas=geometry.areas,
                cursor=geometry.cursor,
                flags=flags_of(geometry),
            )
        )
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


TestPoolAgainstModel = PoolAgainstModel.TestCase
TestSetAgainstModel = SetAgainstModel.TestCase


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
            return BouncePool(
                memory,
                window_addr=geometry.window_addr,
                slots=geometry.slots,
                slot_size=geometry.slot_size,
                segment_slots=geometry.segment_slots,
                page_size=geometry.page_size,
                areas=geometry.areas,
                cursor=geometry.cursor,
                flags=flags_of(geometry) | 4,
            )

    with pytest.raises(Exception, match="of the window"):
        run_state_machine_as_test(Machine, settings=GENERATE)
