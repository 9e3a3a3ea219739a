# SPDX-License-Identifier: MIT
"""
What became of the accesses that the source asks for: held against those that the machine made.

repeated   a byte was loaded or stored more often than asked for
omitted    a byte was asked for more often than loaded: an earlier value was used again; of stores: one is missing
torn       one access was made in several
narrowed   only a part of it was made
widened    it also touched bytes beside it that nobody asked for
merged     several were made in one
unasked    one that nobody asked for
paired     several were made by one instruction, each still by itself (ldp, ldm)
reordered  all were made, once each, in another order
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from .trace import Access

KINDS = ("repeated", "omitted", "torn", "narrowed", "widened", "merged", "unasked", "paired", "reordered")
#: Those that C11 and the kernel's memory model forbid a marked access; the others change nothing that it promises.
FORBIDDEN = ("repeated", "omitted", "torn", "narrowed", "widened", "merged", "unasked")


def span(access: Access) -> set[tuple[str, int]]:
    return {(access.symbol, access.offset + i) for i in range(access.width)}


def findings(intents: Iterable[Access], accesses: Iterable[Access]) -> dict[str, int]:
    """How often each thing happened, loads and stores taken apart; empty if the machine did what was asked."""
    found: Counter[str] = Counter()
    for kind in ("load", "store"):
        asked = [a for a in intents if a.kind == kind and a.symbol]
        made = [a for a in accesses if a.kind == kind]
        for what in _judge(asked, made):
            found[what if kind == "load" else f"{what} store"] += 1
    return dict(found)


def _judge(asked: list[Access], made: list[Access]) -> Iterator[str]:
    count_asked = Counter(byte for access in asked for byte in span(access))
    count_made = Counter(byte for access in made for byte in span(access))
    wanted = {(a.symbol, a.offset, a.width): a for a in asked}
    pieces: dict[tuple[str, int, int], list[Access]] = {}
    for access in made:
        if (access.symbol, access.offset, access.width) in wanted:
            continue
        covered = [key for key, a in wanted.items() if span(access) & span(a)]
        if not covered:
            yield "unasked"
        elif len(covered) > 1:
            yield "merged"
        elif any(byte not in count_asked for byte in span(access)):
            yield "widened"
        else:
            pieces.setdefault(covered[0], []).append(access)
    for key, parts in pieces.items():
        whole = set().union(*map(span, parts)) >= span(wanted[key])
        yield "torn" if whole and len(parts) > 1 else "narrowed"
    for key, access in wanted.items():
        touched = [(count_made[byte], count_asked[byte]) for byte in span(access)]
        if any(m > a for m, a in touched):
            yield "repeated"
        if max(m for m, _ in touched) < min(a for _, a in touched):
            yield "omitted"
    yield from _order(asked, made)


def _order(asked: list[Access], made: list[Access]) -> Iterator[str]:
    steps = Counter(access.step for access in made)
    if any(count > 1 for count in steps.values()):
        yield "paired"
    order_asked = [(a.symbol, a.offset, a.width) for a in asked]
    order_made = [(a.symbol, a.offset, a.width) for a in made]
    if order_asked != order_made and Counter(order_asked) == Counter(order_made):
        yield "reordered"
