# SPDX-License-Identifier: MIT
"""What the codegen report says of rows whose contents are known: its sentences, its claims, its page."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from codegen_rig import ROOT
from vring.report import answer, build, codegen, kernel, page, races, targets
from vring.report.__main__ import main
from vring.report.kernel import WHOLE
from vring.report.measure import Row
from vring.report.request import Request


def row(function: str, access: str = "PLAIN", size: int = 40, target: str = "x86-64", **more: Any) -> Row:
    """By the cross compiler that is here: what it found is in ``more``."""
    suite = "kernel" if function == WHOLE or function.startswith("virtqueue") else function.split("_")[0]
    suite = {"place": "places", "vring": "verbs"}.get(suite, suite)
    column = {"compiler": "gcc 12.2.0", "column": "gcc 12", "optimisation": "-O2"}
    counts = {} if suite == "kernel" else {"executed": 10, "shared_loads": 1}
    return Row(**{**column, **counts, **more}, suite=suite, function=function, target=target, access=access, bytes=size)


#: The five functions of the patch at two sizes, for a target each; marking costs nothing.
FIVE = [
    row(name, access, size, target)
    for name in answer.PATCHED
    for access in ("PLAIN", "VOLATILE")
    for target, size in (("x86-64", 40), ("i686", 60))
]
LINUX = [row(WHOLE, "PLAIN", 7000), row(WHOLE, "VOLATILE", 7009)]
LTO = [row(WHOLE, r.access, r.bytes, "aarch64", optimisation="-O2 CONFIG_LTO") for r in LINUX]


def claim(rows: list[Row], words: str) -> answer.Claim:
    [found] = [claim for claim in answer.claims(rows) if words in claim.text]
    return found


def test_the_answer_is_two_sentences_of_what_was_measured() -> None:
    first, second = answer.sentences(FIVE)
    assert "the five functions that make them, 250 bytes together in the median, by +0 bytes" in first
    assert "gcc 12.2.0, for 2 targets" in first
    assert second == (
        "Left plain, the reads were never repeated, torn or omitted on the path that each call took, "
        "in 10 builds of a function."
    )


def test_where_linux_was_asked_for_it_comes_first() -> None:
    """It is what the question was about; its compiler is named like the others."""
    of_linux, *others = answer.sentences(FIVE + LINUX)
    assert re.match(r"Linux' own virtio_ring.c, .* by \+9 to \+9 bytes in 1 builds \(gcc 12.2.0; most: ", of_linux)
    assert others == answer.sentences(FIVE)


def test_marking_is_not_free_where_linux_grows() -> None:
    words = "READ_ONCE costs performance"
    assert claim(FIVE, words).verdict == "refuted"
    with_linux = claim(FIVE + LINUX, words)
    assert with_linux.verdict == "in part" and with_linux.why.endswith("Linux' own virtio_ring.c: +9 to +9 bytes.")
    assert claim(FIVE + [*LINUX[:1], row(WHOLE, "VOLATILE", 6990)], words).verdict == "refuted"


def test_a_claim_about_loads_counts_loads() -> None:
    words = "may load a plainly read field more than once"
    stores = [row("gallery_store_twice", findings={"omitted store": 1}), row("gallery_store_twice", target="i686")]
    assert claim(FIVE + stores, words).verdict == "refuted"
    both = claim([*FIVE, *stores, row("gallery_switch", findings={"repeated": 1, "merged store": 1})], words)
    assert both.verdict == "confirmed"
    assert (
        "shapes, loads: repeated in 1; stores: omitted in 1, merged in 1. Compilers, of loads: gcc 12.2.0" in both.why
    )
    assert [where for where, _ in both.evidence] == ["switch, gcc 12.2.0 -O2 for x86-64: plain"]
    assert "elsewhere" not in answer.sentences(FIVE + stores)[1]


def own(**found: Any) -> list[Row]:
    """A header of the user's own: fine in one function, and as is told in another."""
    return [
        *FIVE,
        row("place_split_driver_get", "mine"),
        row("place_split_driver_kick", "mine", **found),
        row("gallery_switch", "VOLATILE"),
    ]


def test_a_header_of_ones_own_says_nothing_of_ours() -> None:
    """What is planted there refutes no claim about volatile accesses, and has one of its own; so at the top."""
    fine, twice = own(), own(findings={"repeated": 1})
    for rows, verdict in ((fine, "confirmed"), (twice, "refuted"), (own(findings={"narrowed": 1}), "in part")):
        assert claim(rows, "One volatile or atomic access each").verdict == "confirmed"
        mine = claim(rows, "mine makes each access once and whole")
        assert mine.verdict == verdict and [r.access for _, r in mine.evidence] == ["VOLATILE", "mine"]
    assert answer.sentences(fine)[2:] == [
        "mine makes each access once and whole in 2 functions, on the path that each call took."
    ]
    assert answer.sentences(twice)[2:] == [
        "mine does not make each access once and whole: of 2 functions, repeated in 1 "
        "(split_driver_kick, gcc 12.2.0 -O2 for x86-64), on the path that each call took."
    ]
    [fenced] = answer.sentences(own(fences=2))[2:]
    assert "it has more fences than volatile accesses in 1 (most: +2, split_driver_kick, gcc" in fenced


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ({}, 0),
        ({"fences": 2}, 0),
        ({"findings": {"paired": 1}}, 0),
        ({"findings": {"torn store": 1}}, 1),
        ({"error": "mine.h is not C"}, 1),
    ],
)
def test_strict_fails_for_what_a_header_does_not_keep(
    found: dict[str, Any], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for nothing else: a report of the same is no failure without it, nor is what plain accesses do."""
    rows = [*own(**found), row("gallery_switch", findings={"repeated": 1})]
    monkeypatch.setattr("vring.report.__main__.run", lambda request: rows)
    asked = ["codegen", "--accessors", "mine.h"]
    assert (main([*asked, "--strict"]), main(asked)) == (status, 0)


def test_strict_wants_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codegen", "--strict"]) == 1 and "the header that --accessors names" in capsys.readouterr().err



