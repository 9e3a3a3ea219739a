# SPDX-License-Identifier: MIT
"""
A ring as its device sees it: what the pictures claim is what the device did, and what a driver spoils is not believed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from vring import Chain, Device, Driver, Feature, GuestMemory, IndirectTable, allocate_areas
from vring.inspect import Buffer, Record, buffers, draw, draw_text, ring_record, wheel
from vring.inspect.svg import COLOURS

SIZE = 8
FORMATS = pytest.mark.parametrize("packed", [False, True], ids=["split", "packed"])
ORDERS = pytest.mark.parametrize("in_order", [False, True], ids=["any order", "in order"])


class Ring:
    """Both sides of a ring at work, and a note of what the device did."""

    def __init__(self, packed: bool, in_order: bool, index: int = 0) -> None:
        features = Feature.VERSION_1 | Feature.INDIRECT_DESC
        features |= (Feature.RING_PACKED if packed else Feature(0)) | (Feature.IN_ORDER if in_order else Feature(0))
        self.memory = GuestMemory(1 << 16)
        areas = allocate_areas(self.memory, SIZE, features)
        self.driver = Driver(self.memory, areas, features, index=index)
        self.device = Device(self.memory, areas, features, index=index)
        self.data, self.table = self.memory.allocate(64), IndirectTable.allocate(self.memory, 3)
        self.taken: list[Chain] = []
        self.staged = 0

    def offer(self, pieces: int) -> bool:
        readable, writable = [(self.data, 16)] * (pieces - 1), [(self.data + 32, 16)]
        return self.driver.add_avail(readable, writable) is not False and self.driver.publish() is not None

    def use(self, chain: Chain) -> None:
        self.taken.remove(chain)
        self.device.add_used(chain, 1)
        self.staged += 1

    def view(self) -> Record:
        return ring_record("mine", self.device.snapshot(), self.memory)


def owned(view: Record) -> list[Buffer]:
    return wheel(view).buffers if view["format"] == "packed" else buffers(view)


def counts(view: Record) -> dict[str, int]:
    if view["format"] == "packed":
        return wheel(view).counts
    return {state: sum(b.state == state for b in buffers(view)) for state in ("waiting", "device", "staged")}


def walk(packed: bool, in_order: bool, seed: int) -> Iterator[tuple[Ring, Record]]:
    """Two hundred things that a driver and a device do, and what there is to see after each."""
    lot, ring = random.Random(seed), Ring(packed, in_order, index=65530 if not packed else 5)
    for _ in range(200):
        match lot.randrange(4):
            case 0:
                free = ring.driver.snapshot().free
                if free:
                    ring.offer(lot.randint(1, min(free, 3)))
            case 1:
                if chain := ring.device.get_avail():
                    ring.taken.append(chain)
            case 2:
                if ring.taken:
                    ring.use(ring.taken[0] if in_order else lot.choice(ring.taken))
            case 3:
                ring.device.publish()
                ring.staged = 0
                while ring.driver.get_used():
                    pass
        yield ring, ring.view()


@FORMATS
@ORDERS
@pytest.mark.parametrize("seed", range(3))
def test_a_view_counts_what_the_device_holds(packed: bool, in_order: bool, seed: int) -> None:
    seen = set()
    for ring, view in walk(packed, in_order, seed):
        found = counts(view)
        assert found["device"] == len(ring.taken)
        in_flight = sum(entry["count"] > 0 for entry in ring_record("d", ring.driver.snapshot())["entries"])
        if not (packed and in_order):  # there, one used descriptor stands for many, and is not written yet
            assert found["staged"] == ring.staged
            assert found["waiting"] == in_flight - len(ring.taken) - ring.staged
        seen |= {(state, count > 1) for state, count in found.items()}
        assert f"{found['device']} taken, not yet used" in draw_text(view)
    assert {(state, True) for state in ("waiting", "device")} <= seen, "the walk has been through them all"


@FORMATS
@ORDERS
def test_a_view_owns_as_many_entries_as_the_driver_lacks(packed: bool, in_order: bool) -> None:
    """Which entries those are is told by the driver's own view, drawn from the other side's private state."""
    for ring, view in walk(packed, in_order, 7):
        mine = ring_record("d", ring.driver.snapshot(), ring.memory)
        if packed:
            assert [state is None for state in wheel(view).state] == [state is None for state in wheel(mine).state]
        else:
            everybody = [{i for b in buffers(record) for i in b.descriptors} for record in (view, mine)]
            assert everybody[0] == everybody[1]
        draw(view), draw(mine)


@FORMATS
def test_chains_and_tables_are_shown(packed: bool) -> None:
    ring = Ring(packed, in_order=False)
    ring.offer(3)
    ring.driver.add_indirect(ring.table, [(ring.data, 16)], [(ring.data + 16, 1)])
    ring.driver.publish()
    for state in ("waiting", "device"):
        view = ring.view()
        assert [(b.state, b.descriptors, len(b.pieces)) for b in owned(view)] == [
            (state, [0, 1, 2], 3),
            (state, [3], 2),
        ]
        words = [
            element.text for element in ElementTree.fromstring(draw(view)).iter("{http://www.w3.org/2000/svg}text")
        ]
        assert "2 buffers, 4 descriptors" in words and "the driver's" in words and "4 descriptors" in words
        assert f"mine: {'packed' if packed else 'split'} ring, 8 entries, as its device sees it" in draw_text(view)
        while chain := ring.device.get_avail():
            ring.taken.append(chain)
    ring.use(ring.taken[1])  # out of order: the packed ring's used descriptor writes over the other buffer's first
    staged = [b for b in owned(ring.view()) if b.state == "staged"]
    assert len(staged) == 1 and staged[0].head == (owned(view)[1].head)
    assert "s 1 used, not yet visible" in draw_text(ring.view())


def test_a_batch_in_order_is_used_as_a_whole() -> None:
    """One element names the last of them; the driver's view has them all, and so has the device's before it is told."""
    for packed in (False, True):
        ring = Ring(packed, in_order=True)
        for pieces in (1, 2, 1):
            ring.offer(pieces)
        while chain := ring.device.get_avail():
            ring.taken.append(chain)
        for chain in ring.taken[:2]:
            ring.device.add_used(chain, 16)
        view = ring.view()
        state = wheel(view).state if packed else None
        assert state is None or state == ["staged"] * 3 + ["device"] + [None] * 4
        assert packed or [b.state for b in buffers(view)] == ["staged", "staged", "device"]
        ring.device.publish()
        mine = ring_record("d", ring.driver.snapshot(), ring.memory)
        mine["entries"][1]["used_id"] = 7  # nobody wrote an element there
        if packed:
            assert wheel(mine).state == ["used"] * 3 + ["device"] + [None] * 4
            assert wheel(mine).counts == {"staged": 0, "device": 1, "used": 2}
        else:
            assert [b.state for b in buffers(mine)] == ["used", "used", "device"]
        del mine["in_order"]  # the negative control: as if each had an element of its own
        assert (wheel(mine).state[2] if packed else buffers(mine)[0].state) == "device"


@FORMATS
def test_what_a_driver_wrote_is_shown_and_not_believed(packed: bool) -> None:
    """Any word of the ring, as a hostile driver may write it: there is a picture, and the device's own buffers stay."""
    ring, lot = Ring(packed, in_order=False), random.Random(11)
    for _ in range(3):
        ring.offer(2)
    ring.taken += [chain for _ in range(2) if (chain := ring.device.get_avail())]
    fields = ["flags", "id"] if packed else ["flags", "next", "avail", "used_id"]
    for _ in range(300):
        view = ring.view()
        for _ in range(lot.randint(1, 6)):
            lot.choice(view["entries"])[lot.choice(fields)] = lot.choice([0, 1, 7, 8, 0x80, 0x8001, 0xFFFF])
        if not packed:
            view["avail_idx"] = lot.choice([0, 3, 9, 40000])
        assert counts(view)["device"] == 2
        draw(view), draw_text(view)


def test_a_head_that_there_is_not_is_red() -> None:
    ring = Ring(packed=False, in_order=False)
    ring.offer(1)
    view = ring.view()
    assert _red(view) == 0
    view["entries"][0]["avail"] = SIZE
    assert _red(view) == 1 and buffers(view) == []


def _red(view: Record) -> int:
    rects: list[Any] = list(ElementTree.fromstring(draw(view)).iter("{http://www.w3.org/2000/svg}rect"))
    return sum(rect.get("fill") == COLOURS["red"] for rect in rects)
