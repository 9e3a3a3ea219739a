# SPDX-License-Identifier: MIT
"""``python -m vring explain``: the mail thread as a picture; and the pictures of the documents are those we draw."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from limits import PROGRAM
from pictures import FOLDER, PICTURES
from vring.explain import Question, answer_before_the_fix, answer_of_the_library, draw_stride
from vring.inspect.svg import COLOURS

SVG = "{http://www.w3.org/2000/svg}"


def explain(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vring", "explain", *words]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=PROGRAM)


def test_S1_the_mail_thread_is_what_it_explains_unless_told(tmp_path: Path) -> None:
    done = explain(tmp_path, "stride", "--output", "stride.svg")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "3 requests of 8 KiB, stride 2 slots",
        "  before the fix  slots 1645 to 1648  0x98326800  0x800 past a multiple of 0x1000",
        "  before the fix  slots 1649 to 1652  0x98328800  0x800 past a multiple of 0x1000",
        "  before the fix  slots 1653 to 1656  0x9832a800  0x800 past a multiple of 0x1000",
        "  libbounce       slots 1646 to 1649  0x98327000  aligned",
        "  libbounce       slots 1650 to 1653  0x98329000  aligned",
        "  libbounce       slots 1654 to 1657  0x9832b000  aligned",
        "stride.svg",
    ]
    assert (tmp_path / "stride.svg").read_text("utf-8") == (FOLDER / "stride.svg").read_text("utf-8")


def fills(svg: str) -> list[str | None]:
    tree = xml.etree.ElementTree.fromstring(svg)
    return [part.get("fill") for part in tree.iter(f"{SVG}rect") if part.find(f"{SVG}title") is not None]


def test_misaligned_results_are_red_and_only_they() -> None:
    question = Question()
    before, after = answer_before_the_fix(question), answer_of_the_library(question)
    assert (
        fills(draw_stride(question, before, after))
        == [COLOURS["red"]] * 3 + [COLOURS["amber"]] + [COLOURS["green"]] * 3
    )
    # Where the original has an address the rule before the fix was right, too, and the pictures agree.
    question = Question(orig=0x7C0, min_align=4096, alloc_align=1)
    before, after = answer_before_the_fix(question), answer_of_the_library(question)
    assert before == after and COLOURS["red"] not in fills(draw_stride(question, before, after))
    assert [answer.addr & 0xFFF for answer in after] == [0x7C0] * 3 and question.stride == 2


def test_a_pool_that_runs_out_is_said_to(tmp_path: Path) -> None:
    done = explain(tmp_path, "stride", "--slots", "10", "--cursor", "3", "--base", "0", "--count", "5", "--size", "8k")
    assert done.stdout.splitlines()[2:] == [
        "  before the fix  no room for 4 more",
        "  libbounce       slots 4 to 7  0x2000  aligned",
        "  libbounce       slots 0 to 3  0x0  aligned",
        "  libbounce       no room for 3 more",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--alloc-align", "3000"], "alloc_align must be a power of two, not 3000"),
        (["--count", "0"], "count must be positive, not 0"),
        (["--count", "65"], "at most 64 requests fit into a picture, not 65"),
        (["--output", "/none/x.svg"], "[Errno 2] No such file or directory: '/none/x.svg'"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, words: list[str], message: str) -> None:
    done = explain(tmp_path, "stride", *words)
    assert (done.returncode, done.stderr) == (1, f"vring explain: {message}\n")
    done = explain(tmp_path, "stride", "--cursor", "7168")
    assert done.returncode == 1 and done.stderr.startswith("vring explain: BouncePool: ") and "cursor" in done.stderr


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_of_the_documents_are_those_we_draw(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PICTURES[name](), "python tests/py/pictures.py draws them anew"
