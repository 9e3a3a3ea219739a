# SPDX-License-Identifier: MIT
"""Who owns what in a packed ring, as one of its sides knows it: its places, and the bits of the descriptors."""

from __future__ import annotations

import dataclasses

from .snapshot import Record, SnapshotError, check_ring
from .states import DESC_F_NEXT, Buffer

AVAIL_BIT, USED_BIT = 1 << 7, 1 << 15


@dataclasses.dataclass(frozen=True)
class Place:
    """An entry, and the wrap counter with which it is reached."""

    entry: int
    wrap: int

    @classmethod
    def of(cls, word: int, size: int, side: str) -> Place:
        place = cls(word & 0x7FFF, word >> 15)
        if place.entry >= size:
            raise SnapshotError(f"entry {place.entry} of a ring of {size}: the {side}'s own state is damaged")
        return place

    def distance(self, other: Place, size: int) -> int:
        """How many entries from this one to another, further on: none to all of them."""
        if self.entry == other.entry:
            return 0 if self.wrap == other.wrap else size
        return (other.entry - self.entry) % size

    def after(self, entries: int, size: int) -> Place:
        """The place so many entries further on."""
        laps, entry = divmod(self.entry + entries, size)
        return Place(entry, self.wrap ^ (laps & 1))

    def __str__(self) -> str:
        return f"{self.entry}, wrap {self.wrap}"


@dataclasses.dataclass(frozen=True)
class Wheel:
    """Who owns which entry: what the places of a snapshot and the bits of its descriptors say together."""

    next_avail: Place
    published: Place
    next_used: Place
    # Of each entry: a key of STATES, "bad" for what the device should not have written, or None if it is nobody's.
    state: list[str | None]
    buffers: list[Buffer]  # those that can be made out
    counts: dict[str, int]  # buffers in each state, made out or not


def wheel(snapshot: Record) -> Wheel:
    """
    Who owns what in a packed ring. Where buffers are used out of order, descriptors of others are overwritten: their
    entries belong to the device, and which is whose cannot be seen any more. Raises SnapshotError if it is none, or if
    its side's own state is damaged.
    """
    check_ring(snapshot)
    size, side = snapshot["size"], snapshot["side"]
    next_avail, published, next_used = (
        Place.of(snapshot[key], size, side) for key in ("next_avail", "published", "next_used")
    )
    found = Wheel(next_avail, published, next_used, [None] * size, [], {})
    if side == "driver":
        _of_driver(snapshot, found)
    else:
        _of_device(snapshot, found)
    return found


def bits(flags: int) -> tuple[int, int]:
    """The AVAIL and the USED bit."""
    return (flags & AVAIL_BIT) // AVAIL_BIT, (flags & USED_BIT) // USED_BIT


# ------------------------------------------------------------------------------------------------ the driver's view ---


def _of_driver(snapshot: Record, found: Wheel) -> None:
    """
    The entries from the next to be taken back up to the next to be filled are the buffers in flight. Those at the
    front that bear the bits of used ones are used; a used descriptor stands for as many entries as its buffer took.
    """
    size, entries = snapshot["size"], snapshot["entries"]
    in_flight = found.next_used.distance(found.next_avail, size)
    waiting = max(in_flight - found.published.distance(found.next_avail, size), 0)
    passed = 0

    while passed < waiting:
        at = found.next_used.after(passed, size)
        entry = entries[at.entry]
        if bits(entry["flags"]) != (at.wrap, at.wrap):
            break
        count = entries[entry["id"]]["count"] if entry["id"] < size else 0
        if count and snapshot.get("in_order"):
            count = _batch(snapshot, at, count, waiting - passed)
        covered = [at.after(i, size).entry for i in range(min(max(count, 1), waiting - passed))]
        _own(found, "used" if count else "bad", covered, Buffer(entry["id"], "used", covered, []) if count else None)
        passed += len(covered)
    while passed < in_flight:
        at = found.next_used.after(passed, size)
        state = "device" if passed < waiting else "staged"
        chain = _chain_of_id(snapshot, at, in_flight - passed)
        head = entries[at.entry]["id"]
        if chain and head not in [b.head for b in found.buffers]:
            pieces = entries[at.entry].get("table") or [entries[i] for i in chain]
            _own(found, state, chain, Buffer(head, state, chain, pieces))
        else:
            chain = [at.entry]
            _own(found, state, chain)
        passed += len(chain)
    _count_of_driver(snapshot, found)


def _batch(snapshot: Record, at: Place, count: int, most: int) -> int:
    """
    The entries that a used descriptor stands for in order: up to the end of the buffer that it names, which is the last
    of its batch. That one's descriptors bear its id, and only the batch's first is written over.
    """
    size, entries = snapshot["size"], snapshot["entries"]
    named = entries[at.entry]["id"]
    own = [i for i in range(1, most) if entries[at.after(i, size).entry]["id"] == named]
    return own[-1] + 1 if own else count


def _chain_of_id(snapshot: Record, at: Place, most: int) -> list[int]:
    """
    The entries of the buffer that starts at a place, or none if that cannot be said. They all bear its id. Their flags
    are not asked whether another one follows: those of a batch's first are kept back until it is published.
    """
    size, entries = snapshot["size"], snapshot["entries"]
    head = entries[at.entry]["id"]
    count = entries[head]["count"] if head < size else 0
    chain = [at.after(i, size).entry for i in range(min(count, most))]
    return chain if all(entries[i]["id"] == head for i in chain) and len(chain) == count else []


def _count_of_driver(snapshot: Record, found: Wheel) -> None:
    """Where used descriptors stand for one buffer each, the others are the device's; in order, it is seen which are."""
    in_flight = sum(entry["count"] > 0 for entry in snapshot["entries"])
    seen = {state: sum(b.state == state for b in found.buffers) for state in ("staged", "device", "used")}
    unseen = "used" if snapshot.get("in_order") and seen["used"] else "device"
    seen[unseen] = max(in_flight - sum(seen.values()) + seen[unseen], 0)
    found.counts.update(seen)


# ------------------------------------------------------------------------------------------------ the device's view ---


def _of_device(snapshot: Record, found: Wheel) -> None:
    """
    From the place up to which the driver sees what was used, to the next to be filled: staged. From there to the next
    to be taken: as many entries as the device holds. After those, what bears the bits of available ones, unjudged.
    """
    size = snapshot["size"]
    staged = found.published.distance(found.next_used, size)
    held = found.next_used.distance(found.next_avail, size)

    _used_by_device(snapshot, found, staged)
    passed = 0
    while passed < held:
        at = found.next_used.after(passed, size)
        chain, number = _shared_chain(snapshot, at, held - passed)
        if number < size and snapshot["entries"][number]["count"] == len(chain):
            _own(found, "device", chain, _offered(snapshot, "device", chain, number))
        else:
            chain = [at.entry]
            _own(found, "device", chain)
        passed += len(chain)
    passed = 0
    while passed < size - staged - held:
        at = found.next_avail.after(passed, size)
        if bits(snapshot["entries"][at.entry]["flags"]) != (at.wrap, 1 - at.wrap):
            break
        chain, number = _shared_chain(snapshot, at, size - staged - held - passed)
        _own(found, "waiting", chain, _offered(snapshot, "waiting", chain, number))
        passed += len(chain)
    staged_ids = {b.head for b in found.buffers if b.state == "staged"}
    held_ids = {number for number, entry in enumerate(snapshot["entries"]) if entry["count"] > 0}
    waiting = sum(b.state == "waiting" for b in found.buffers)
    found.counts.update(waiting=waiting, device=len(held_ids - staged_ids), staged=len(staged_ids))


def _used_by_device(snapshot: Record, found: Wheel, staged: int) -> None:
    """
    Used descriptors that wait to be published. Each covers what its buffer took: up to the next. In order one stands
    for a batch, and is written at its end alone: whose entries they were cannot be said.
    """
    size, entries = snapshot["size"], snapshot["entries"]
    places = [found.published.after(i, size) for i in range(staged)]
    starts = [i for i, at in enumerate(places) if i == 0 or bits(entries[at.entry]["flags"]) == (at.wrap, at.wrap)]
    for start, end in zip(starts, [*starts, staged][1:], strict=True):
        covered = [at.entry for at in places[start:end]]
        number = entries[covered[0]]["id"]
        _own(found, "staged", covered, None if snapshot.get("in_order") else Buffer(number, "staged", covered, []))


def _shared_chain(snapshot: Record, at: Place, most: int) -> tuple[list[int], int]:
    """The entries from a place to the first that says that none follows, and the id which that one bears."""
    size, entries = snapshot["size"], snapshot["entries"]
    chain = [at.entry]
    while entries[chain[-1]]["flags"] & DESC_F_NEXT and len(chain) < most:
        chain.append(at.after(len(chain), size).entry)
    return chain, entries[chain[-1]]["id"]


def _offered(snapshot: Record, state: str, chain: list[int], number: int) -> Buffer:
    entries = snapshot["entries"]
    return Buffer(number, state, chain, entries[chain[0]].get("table") or [entries[i] for i in chain])


def _own(found: Wheel, state: str, entries: list[int], buffer: Buffer | None = None) -> None:
    for i in entries:
        found.state[i] = state
    if buffer:
        found.buffers.append(buffer)
