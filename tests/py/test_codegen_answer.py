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


def test_what_was_not_run_has_no_count_of_a_run(tmp_path: Path) -> None:
    page.write_csv([*FIVE, *LINUX], tmp_path / "codegen.csv")
    page.write_json([*FIVE, *LINUX], [], [], {}, tmp_path / "codegen.json")
    with (tmp_path / "codegen.csv").open() as file:
        lines = list(csv.DictReader(file))
    data = json.loads((tmp_path / "codegen.json").read_text())["rows"]
    of_a_run = ("executed", "executed_more", "shared_loads", "shared_stores", "result", "repeated_loads")
    for line, told in zip(lines, data, strict=True):
        ran = line["suite"] != "kernel"
        assert [line[name] != "" for name in of_a_run] == [told[name] is not None for name in of_a_run] == [ran] * 6
        assert (told["findings"] is not None) == ran and line["bytes"] != "" and line["bytes_more"] != ""
    assert [line["bytes_more"] for line in lines[-2:]] == ["0", "9"]


def test_a_terminal_says_where_the_order_of_a_load_is_counted() -> None:
    assert "(ldar, ldapr, stlr) is among the loads or stores" in page.terminal_table(FIVE)


# ------------------------------------------------------------------------------------------------ what is not there ---


@pytest.mark.parametrize("more", [{}, {"columns": ("gcc",)}, {"targets": ("x86-64", "aarch64")}, {"races": False}])
def test_what_full_would_add_says_so(more: dict[str, Any], tmp_path: Path) -> None:
    """And nothing else does: of each suite, target, compiler and level, as they are planned."""

    def planned(full: bool) -> list[Row]:
        jobs = codegen.plan(Request(output=tmp_path, full=full, **more))
        return [
            Row(suite, "", job.target, job.compiler.name, job.compiler.column, job.optimisation, job.access.name)
            for job in jobs
            for suite in job.suites
        ]

    rows, all_of_them = planned(full=False), planned(full=True)
    absent = codegen.absences(Request(output=tmp_path, **more), rows)
    full = {f"{r.suite} {r.target} {r.column} {r.optimisation}" for r in all_of_them}
    there = {f"{r.suite} {r.target} {r.column} {r.optimisation}" for r in rows}
    reasons = {key: why for key, why in absent.items() if len(key.split()) > 1}
    assert not there & reasons.keys()
    assert {key for key, why in reasons.items() if why == "with --full"} == (full - there) & reasons.keys()


def test_linux_is_where_it_can_be() -> None:
    request = Request(output=Path())
    linux = [
        row(WHOLE, target=target, optimisation=level)
        for target, level in (("x86-64", "-O2"), ("aarch64", "-O2"), ("aarch64", "-O2 CONFIG_LTO"))
    ]
    absent = codegen.absences(request, [*linux, row("gallery_switch", column="clang 14")])
    assert absent["kernel i686 clang 14 -O2"] == absent["kernel s390x gcc 12 -O2"] == "x86-64 and AArch64 only"
    assert absent["kernel x86-64 gcc 12 -O2 CONFIG_LTO"] == "AArch64 only"
    assert "gallery x86-64 gcc 12 -O2 CONFIG_LTO" not in absent, "no such level is offered there"
    assert absent["kernel"] == "READ_ONCE only"


# -------------------------------------------------------------------------------------------------------- the page ---


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of those rows, with Linux' driver, and with a header that a race detector could not be asked of."""
    folder = tmp_path_factory.mktemp("page")
    sources, request = build.find_sources(folder, ROOT), Request(output=folder, kernel="somewhere")
    (folder / "kernel").mkdir()
    (folder / "kernel/virtio_ring.PLAIN.c").write_text(RING)
    rows = [dataclasses.replace(r) for r in (*own(findings={"repeated": 1}), *LINUX, *LTO)]
    for one in rows:  # the compilers that are here
        one.compiler, one.column = (compiler := request.asked_of(targets.TARGETS[0])[0]).name, compiler.column
    by_function = [
        races.FunctionVerdict("PLAIN", "C11", "gcc 12.2.0", "gcc 12", "-O2", raced=["f"]),
        races.FunctionVerdict("mine", "C11", "gcc 12.2.0", "gcc 12", "-O2", error="mine.h", grey="not built"),
    ]
    about = codegen.describe(request, sources, rows, "no clang is here.")
    page.write_page(rows, [], by_function, about, sources, folder / "page.html")
    return (folder / "page.html").read_text()


#: Every way to read what the device writes; ours, no line of it is Linux'.
RING = """
static bool kick(struct virtqueue *vq)
{
    use(virtio16_to_cpu(vq, vq->used->a), virtio16_to_cpu(vq, vq->used->b), virtio16_to_cpu(vq, vq->used->c));
    return vq->split.vring.used->flags & 1;
}

static bool get(struct virtqueue *vq)
{
    use(virtio16_to_cpu(vq, vq->used->d), virtio16_to_cpu(vq, vq->used->e), virtio16_to_cpu(vq,
        vq->used->ring[
            vq->last]));
    snapshot.u32 = *(u32 *)vq->packed.vring.device;
}
"""


def test_what_was_marked_is_listed(text: str) -> None:
    assert "“Volatile” has READ_ONCE round 8 expressions" in text
    for line, function, expression in (
        (5, "kick", "vq-&gt;split.vring.used-&gt;flags"),
        (11, "get", "vq-&gt;used-&gt;ring[ vq-&gt;last]"),
        (13, "get", "*(u32 *)vq-&gt;packed.vring.device"),
    ):
        assert (
            f'<td>{line}</td><td class="left mono">{function}</td><td class="left mono">READ_ONCE({expression})' in text
        )


def test_each_way_to_read_is_marked_or_it_is_another_version() -> None:
    marked = kernel.mark(RING)
    assert marked.count("READ_ONCE(") == 8 and "= READ_ONCE(*(u32 *)vq->packed.vring.device);" in marked
    assert marked.count("\n") == RING.count("\n"), "a line keeps its number"
    for other in (
        RING.replace("*(u32 *)vq->packed", "*vq->packed"),
        RING.replace("used->flags", "flags"),
        RING.replace("vq->used->d", "vq->last"),
    ):
        with pytest.raises(build.ReportError, match="in 7 places that are known"):
            kernel.mark(other)


def test_the_page_says_how_each_was_compiled(text: str) -> None:
    """Linux' driver has flags of its own, and a target those that its compilers want."""
    [builds] = re.findall(r"<p><b>Builds.</b> (.*?)</p>", text, re.S)
    assert builds.startswith("-std=c11 ") and ", and -O2. Versions" in builds, "and no CONFIG_LTO"
    [linux] = re.findall(r"<p><b>Linux.</b> (.*?)</p>", text, re.S)
    assert "-fno-strict-aliasing" in linux and "CONFIG_LTO adds -DREPORT_CONFIG_LTO -march=armv8.3-a" in linux
    assert re.search(r"\b5 builds for 2 targets, and 4 of Linux’ virtio_ring.c\.", text)
    [command] = re.findall(r'<tr><td>x86-64</td><td class="left mono">(.*?)</td>', text)
    assert command == "x86_64-linux-gnu-gcc"


def test_the_page_says_what_is_in_no_count_of_fences(text: str) -> None:
    assert "A load or a store that has its order by itself (ldar,\nldapr, stlr) is counted as what it is" in text


def test_the_answer_of_a_page_is_that_of_a_terminal(text: str) -> None:
    [said] = re.findall(r'<div class="answer">(.*?)</div>', text, re.S)
    first, *others = re.findall(r"<p>(.*?)</p>", said)
    assert first.startswith("Linux&#39; own virtio_ring.c") and len(others) == 3
    assert others[2].startswith("mine does not make each access once and whole")


def test_a_race_that_was_not_asked_says_why(text: str) -> None:
    [cell] = re.findall(r'<td class="missing" title="mine.h">([^<]*)</td>', text)
    assert cell == "not built"
    assert "1 of 1 race" in text and "<p>No driver and device on two threads: no clang is here.</p>" in text
