# SPDX-License-Identifier: MIT
"""Draws pictures of docs/pictures. ``python tests/py/pictures.py`` writes them anew."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from vring import BouncePool, Direction, Driver, Feature, GuestMemory, IndirectTable, Mapping, PackedAreas, PackedDevice
from vring.explain import Question, answer_before_the_fix, answer_of_the_library, draw_stride
from vring.inspect import Record, draw, draw_heat, pool_record, read, ring_record

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def packed(side: str) -> str:
    """A packed ring in the middle of its work, just after its index has wrapped, buffers used out of order."""
    features = Feature.VERSION_1 | Feature.RING_PACKED | Feature.INDIRECT_DESC | Feature.EVENT_IDX
    memory = GuestMemory(1 << 20)
    areas = PackedAreas.allocate(memory, 24)
    driver, device = Driver(memory, areas, features, index=19), PackedDevice(memory, areas, features, index=19)

    def add(readable: int, writable: int, table: bool = False) -> None:
        pieces = [(memory.allocate(512), 512) for _ in range(readable + writable)]
        if table:
            driver.add_indirect(IndirectTable.allocate(memory, 8), pieces[:readable], pieces[readable:])
        else:
            driver.add_avail(pieces[:readable], pieces[readable:])

    for _ in range(3):
        add(1, 2)
    add(2, 1, table=True)
    add(1, 1)
    add(3, 1)
    driver.publish()
    taken = [device.get_avail() for _ in range(4)]
    for chain in (taken[1], taken[0], taken[3]):
        assert chain
        device.add_used(chain)
    device.publish()
    driver.enable_notify()
    device.enable_notify()
    driver.get_used()
    add(1, 1)
    add(1, 3)
    if side == "driver":
        return draw(ring_record("a disk", driver.snapshot(), memory))
    device.add_used(taken[2] or 0)
    driver.publish()
    assert device.get_avail() and device.get_avail()
    return draw(ring_record("a disk", device.snapshot(), memory))


def heat() -> str:
    """Sixty moments of a pool, with a mapping that somebody forgot."""
    memory = GuestMemory(64 * 2048, 0x100000)
    pool = BouncePool(memory, slot_size=2048, segment_slots=16)
    lot = random.Random(3)
    held: list[Mapping] = []
    moments: list[Record] = []
    pool.map(bytearray(5000), Direction.FROM_DEVICE, orig_addr=0x300, min_align_mask=0xFFF)
    for moment in range(60):
        if lot.random() < 0.6:
            size, direction = lot.choice([100, 2048, 4096, 9000]), lot.choice(list(Direction))
            if mapping := pool.map(bytearray(size), direction, orig_addr=0, owner=moment):
                held.append(mapping)
        if held and lot.random() < 0.5:
            held.pop(lot.randrange(len(held))).unmap()
        usage = pool.usage()
        moments.append(
            pool_record(
                "bounce window",
                pool.mappings(),
                addr=memory.base,
                slots=64,
                slot_size=2048,
                segment_slots=16,
                used=usage.used,
                high_water=usage.high_water,
            )
        )
    return draw_heat(moments)


def demo(kind: str) -> str:
    """
    What the demo's guest saw half way: its first ring, its pool. ``./run demo`` leaves build/demo/snapshots.jsonl.
    """
    lines = (FOLDER / "demo.jsonl").read_text("utf-8").splitlines()
    return draw(next(snapshot for snapshot in read(lines) if kind in snapshot))


def stride() -> str:
    """The mail thread: three allocations of 0x2000 bytes from slot 1645."""
    question = Question()
    return draw_stride(question, answer_before_the_fix(question), answer_of_the_library(question))


PICTURES: dict[str, Callable[[], str]] = {
    "packed.svg": lambda: packed("driver"),
    "device.svg": lambda: packed("device"),
    "heat.svg": heat,
    "stride.svg": stride,
    "ring.svg": lambda: demo("vring-snapshot"),
    "bounce.svg": lambda: demo("bounce-snapshot"),
}

if __name__ == "__main__":
    for name, make in PICTURES.items():
        (FOLDER / name).write_text(make(), "utf-8")
        print(FOLDER / name)
