# SPDX-License-Identifier: MIT
"""
160 recorded traces of requests with the answers of Linux' swiotlb, replayed against the C pool and against the
slot-by-slot model.

Where the answer of upstream is known to be wrong, the record has the right one beside it, and the replay ends there,
because what follows depends on it: S27 (a candidate is given up too early), S28 (base bits dropped under a narrow
boundary). One case (S32: address 0 taken for "no address") has its own test. Sizes beyond the mapping, which upstream
clamps to the slots (S29), are refused by us.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vring import BounceCode, BouncePool, CallerError, Coherent, Direction, GuestMemory, Mapping, NoRoom
from vring.testing import Geometry, Place, PoolModel, Request

DATA = json.loads((Path(__file__).parent / "data" / "bounce_cases.json").read_text())
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in DATA["cases"]}
ADDRESS_ZERO = "quirk-047"
DIRECTIONS = {"to_device": Direction.TO_DEVICE, "from_device": Direction.FROM_DEVICE, "bidi": Direction.BIDIRECTIONAL}


def test_all_cases_are_there() -> None:
    assert DATA["format"] == "bounce-cases/1"
    assert len(CASES) == 160 and sum(len(case["requests"]) for case in CASES.values()) == 5162


def geometry_of(case: dict[str, Any]) -> Geometry:
    pool = case["pool"]
    return Geometry(
        window_addr=pool["base"],
        slots=pool["nslots"],
        slot_size=case["slot_size"],
        segment_slots=case["segment_slots"],
        page_size=case["page_size"],
        areas=pool["areas"],
        cursor=pool["start_index"],
    )


def request_of(geometry: Geometry, op: dict[str, Any]) -> Request:
    if op["op"] == "alloc":
        return Request.coherent(geometry, op["size"])
    return Request(op["size"], op["orig"], op["alloc_align_mask"], op["min_align_mask"], op["boundary_mask"])


def steps(case: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any], bool]]:
    """Every request with what is expected, up to where upstream goes wrong: that one, marked, is the last."""
    for op in case["requests"]:
        ideal = op["expect"].get("ideal")
        yield op, ideal or op["expect"], bool(ideal)
        if ideal:
            return


def judge(expect: dict[str, Any], place: Place | None, used: int, high_water: int, ideal: bool) -> None:
    assert bool(expect["ok"]) == (place is not None)
    if place:
        assert (place.slot, place.slots, place.addr) == (expect["slot"], expect["nslots"], expect["addr"])
        if not ideal:
            assert place.pad_slots == expect.get("pad_slots", 0)
    if not ideal:
        assert used == expect["used"]
        assert high_water == expect.get("hiwater", high_water)


@pytest.mark.parametrize("name", [name for name in CASES if name != ADDRESS_ZERO])
def test_model(name: str) -> None:
    geometry = geometry_of(CASES[name])
    model = PoolModel(geometry)
    places: dict[int, Place] = {}
    for op, expect, ideal in steps(CASES[name]):
        if op["op"] in ("map", "alloc"):
            answer = model.map(request_of(geometry, op))
            place = answer if isinstance(answer, Place) else None
            judge(expect, place, len(model.used), model.high_water, ideal)
            if place:
                places[op["id"]] = place
        elif op["op"] in ("unmap", "free") and op["id"] in places:
            model.unmap(places.pop(op["id"]))
            assert len(model.used) == expect["used"]


class Replay:
    """One case against the C pool: placement, and every byte that is copied or must not be."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.geometry = geometry = geometry_of(case)
        self.memory = GuestMemory(geometry.slots * geometry.slot_size, geometry.window_addr)
        self.pool = BouncePool(self.memory, **geometry.options())
        self.live: dict[int, tuple[Mapping | Coherent, bytearray, int]] = {}  # by id, with the original and its address
        self.ended: dict[int, Mapping | Coherent] = {}
        self.stamp = 0

    def place(self, op: dict[str, Any], expect: dict[str, Any], ideal: bool) -> None:
        original = bytearray(self.pattern(op["size"]))
        try:
            if op["op"] == "alloc":
                answer: Mapping | Coherent | NoRoom = self.pool.alloc(op["size"])
            else:
                answer = self.pool.map(
                    original,
                    DIRECTIONS[op["dir"]],
                    orig_addr=op["orig"],
                    alloc_align_mask=op["alloc_align_mask"],
                    min_align_mask=op["min_align_mask"],
                    boundary_mask=op["boundary_mask"],
                )
        except CallerError as error:
            assert error.code in (BounceCode.TOO_LARGE, BounceCode.UNSATISFIABLE)
            answer = NoRoom.FULL
        place = None
        if not isinstance(answer, NoRoom):
            info = answer.info
            place = Place(info.slot, info.slots, info.addr, info.pad_slots, info.area)
            assert bytes(answer.data) == (bytes(op["size"]) if op["op"] == "alloc" else original)
            self.live[op["id"]] = answer, original, op.get("orig", 0)
        usage = self.pool.usage()
        judge(expect, place, usage.used, usage.high_water, ideal)

    def copy(self, op: dict[str, Any], expect: dict[str, Any]) -> None:
        """sync_dev, sync_cpu, unmap: give both sides new contents, and see which bytes have crossed."""
        mapping, original, orig_addr = self.live[op["id"]]
        assert isinstance(mapping, Mapping)
        original[:], mapping.data[:] = self.pattern(len(original)), self.pattern(len(original))
        offset, length = op.get("off", 0), op["size"]
        if expect.get("clamped"):
            with pytest.raises(CallerError) as refused:
                self.carry_out(op["op"], mapping, offset, length)
            assert refused.value.code == BounceCode.RANGE
            length = mapping.size - offset
        want_original, want_data = bytearray(original), bytearray(mapping.data)
        for copy in expect["copies"]:
            assert copy["orig"] - orig_addr == copy["addr"] - mapping.addr
            start, end = copy["orig"] - orig_addr, copy["orig"] - orig_addr + copy["bytes"]
            if copy["to"] == "orig":
                want_original[start:end] = want_data[start:end]
            else:
                want_data[start:end] = want_original[start:end]
        data = mapping.data
        self.carry_out(op["op"], mapping, offset, 0 if op.get("skip_sync") else length)
        assert original == want_original
        assert bytes(data) == (bytes(len(data)) if op["op"] == "unmap" else want_data)

    @staticmethod
    def carry_out(op: str, mapping: Mapping, offset: int, length: int) -> None:
        if op == "unmap":
            mapping.unmap(length)
        elif op == "sync_cpu":
            mapping.sync_for_cpu(offset, length)
        else:
            mapping.sync_for_device(offset, length)

    def pattern(self, length: int) -> bytes:
        """Contents that differ from those before and, at every place, from those a slot away."""
        self.stamp += 1
        unit = self.stamp.to_bytes(2, "big") + bytes(range(1, 252))
        return (unit * (length // len(unit) + 1))[:length]


@pytest.mark.parametrize("name", [name for name in CASES if name != ADDRESS_ZERO])
def test_pool(name: str) -> None:
    replay = Replay(CASES[name])
    for op, expect, ideal in steps(CASES[name]):
        kind = op["op"]
        if kind == "max_mapping_size":
            assert replay.pool.max_mapping_size(op["min_align_mask"]) == expect["value"]
        elif kind in ("map", "alloc"):
            replay.place(op, expect, ideal)
        elif op["id"] in replay.live:
            if kind == "free":
                mapping = replay.live[op["id"]][0]
                assert isinstance(mapping, Coherent)
                mapping.free()
            else:
                replay.copy(op, expect)
            if kind in ("unmap", "free"):
                replay.ended[op["id"]] = replay.live.pop(op["id"])[0]
                assert replay.pool.usage().used == expect["used"]
        elif op["id"] in replay.ended:
            mapping = replay.ended[op["id"]]
            assert isinstance(mapping, Mapping) and not expect["copies"]
            with pytest.raises(CallerError) as refused:
                replay.carry_out(kind, mapping, op.get("off", 0), op["size"])
            assert refused.value.code == BounceCode.HANDLE
        else:
            # Its map had failed; upstream answers that this is no address of the pool.
            assert expect.get("nopool") or not expect.get("copies")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda place: Place(place.slot + 1, place.slots, place.addr, place.pad_slots, place.area),
        lambda place: Place(place.slot, place.slots, place.addr + 1, place.pad_slots, place.area),
    ],
)
def test_a_wrong_place_is_noticed(wrong: Any) -> None:
    op = CASES["seed-001"]["requests"][0]
    geometry = geometry_of(CASES["seed-001"])
    right = PoolModel(geometry).map(request_of(geometry, op))
    assert isinstance(right, Place)
    judge(op["expect"], right, 4, 4, False)
    with pytest.raises(AssertionError):
        judge(op["expect"], wrong(right), 4, 4, False)


def test_S32_address_zero_is_an_address() -> None:
    op = CASES[ADDRESS_ZERO]["requests"][0]
    geometry = geometry_of(CASES[ADDRESS_ZERO])
    assert op["orig"] == 0 and op["expect"]["addr"] & op["min_align_mask"], (
        "upstream's answer has low bits that 0 has not"
    )
    place = PoolModel(geometry).map(request_of(geometry, op))
    replay = Replay(CASES[ADDRESS_ZERO])
    mapping = replay.pool.map(
        bytearray(op["size"]), Direction.BIDIRECTIONAL, orig_addr=0, min_align_mask=op["min_align_mask"]
    )
    assert isinstance(place, Place) and isinstance(mapping, Mapping)
    assert mapping.addr == place.addr and mapping.addr & op["min_align_mask"] == 0
