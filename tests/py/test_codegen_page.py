# SPDX-License-Identifier: MIT
"""The codegen report as its readers have it: a page that needs nothing else, a table, a terminal; what goes wrong."""

from __future__ import annotations

import base64
import csv
import dataclasses
import html
import json
import re
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen_rig import FIXTURES, ROOT, report
from limits import PROGRAM
from vring.report import answer, build, codegen, judge, measure, targets
from vring.report.request import Request


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The worked example of docs/codegen.md, for one target and compiler, by the installed package alone."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "linux_read_once.h").write_text((FIXTURES / "linux_read_once.h").read_text())
    # Race detectors are asked in test_codegen_races.py, at less length.
    example = ["codegen", "--accessors", "linux_read_once.h", "--target", "x86-64", "--compiler", "gcc"]
    done = report(*example, "--no-races", "--strict", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "stdout").write_text(done.stdout)
    assert re.search(
        r"^linux_read_once changes them by [+-]\d+ .* \(2 builds: gcc [\d.]+, for x86-64 at", done.stdout, re.M
    )
    assert "linux_read_once makes each access once and whole in 51 functions, on the path" in done.stdout
    yield folder


def test_a_header_of_ones_own_is_compared(page: Path) -> None:
    with (page / "build/codegen/codegen.csv").open() as file:
        rows = list(csv.DictReader(file))
    mine = {(r["function"], r["optimisation"]): r for r in rows if r["access"] == "linux_read_once"}
    assert {"place_split_driver_get", "gallery_switch", "vring_split_driver_publish"} <= {name for name, _ in mine}
    for row in mine.values():
        assert (
            int(row["bytes"]) > 0 and not row["error"] and not any(kind in row["findings"] for kind in judge.FORBIDDEN)
        ), row
    plain = {(r["function"], r["optimisation"]): r for r in rows if r["access"] == "PLAIN"}
    twice = plain["gallery_switch", "-O2"]
    assert ("repeated=1" in twice["findings"], twice["repeated_loads"]) == (True, "1"), (
        "gcc loads twice for t = *p; switch (t)"
    )
    for key, row in mine.items():
        assert (
            int(row["bytes_more"]) == int(row["bytes"]) - int(plain[key]["bytes"]) and plain[key]["bytes_more"] == "0"
        )
        assert (
            int(row["executed_more"]) == int(row["executed"]) - int(plain[key]["executed"])
            and row["repeated_loads"] == "0"
        )
    data = json.loads((page / "build/codegen/codegen.json").read_text())["rows"]
    assert [(r["bytes_more"], r["repeated_loads"]) for r in data] == [
        (int(r["bytes_more"]), int(r["repeated_loads"])) for r in rows
    ]
    # Its full fence is a locked add and not an mfence.
    assert int(mine["place_split_driver_kick", "-O2"]["fences"]) == 1


def test_a_terminal_has_everything_that_is_counted(page: Path) -> None:
    """Of the patch's five functions, added up; and how much more it is with each accessor."""
    with (page / "build/codegen/codegen.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["function"] in answer.PATCHED]
    lines = {
        tuple(line[:27].split())[2:]: line[34:].split()
        for line in (page / "stdout").read_text().splitlines()
        if re.match(r"gcc 12 +\w+ ", line)
    }
    counted = ("bytes", "loads", "stores", "fences", "address_arithmetic", "repeated_loads", "cycles", "executed")

    def total(access: str, name: str) -> float:
        return sum(float(row[name]) for row in rows if row["access"] == access)

    assert lines[("plain",)] == [f"{total('PLAIN', name):.0f}" for name in counted]
    for access in ("VOLATILE", "RELAXED", "ACQREL", "linux_read_once"):
        assert lines[(access.lower(),)] == [f"{total(access, name) - total('PLAIN', name):+.0f}" for name in counted]


def test_the_page_needs_nothing_else_and_begins_with_the_answer(page: Path) -> None:
    text, said = (page / "build/codegen/codegen.html").read_text(), (page / "stdout").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#)|@import|url\((?!#)""", text)
    [first] = re.findall(r'<div class="answer">\s*<p>(.*?)</p>', text, re.S)
    assert "READ_ONCE" in first and re.search(r"gcc \d+\.\d+\.\d+", first)
    assert first.replace("\N{NON-BREAKING HYPHEN}", "-").replace("&#39;", "'") in said
    assert text.index('class="answer"') < text.index("<figure>") < text.index('id="race"') < text.index('id="look"')
    assert text.count('class="tag') == 6, "five claims and one on the header, each with a verdict"
    [packed] = re.findall(r'id="data">([^<]*)<', text)
    assert json.loads(zlib.decompress(base64.b64decode(packed)))["columns"][1:] == ["clang"], (
        "a compiler that is missing is a grey column"
    )


#: What a reader sees once the page's script has run.
LOOK = """
<pre id="report"></pre>
<script>
setTimeout(() => {
    const all = (what) => [...document.querySelectorAll(what)].map(e => e.textContent);
    const choose = (name) => { const f = document.getElementById("function"); f.value = name; f.onchange(); };
    const seen = {
        wide: document.documentElement.scrollWidth - innerWidth, rows: document.querySelectorAll("#grid tr").length,
        chosen: all("#grid .chosen"), grey: all("#grid .missing"),
        sides: all("#sides h4"), differ: document.querySelectorAll("#sides .diff").length,
        counts: all("#metric option"), levels: all("#optimisation option"),
    };
    choose("gallery_switch");
    document.querySelector("#grid .cell").click();
    seen.twice = all("#sides h4");
    choose("vring_split_driver_publish");
    Object.assign(seen, {verb: all("#grid .missing"), once: all("#optimisation option")});
    document.getElementById("report").textContent = JSON.stringify(seen);
}, 3000);
</script>
"""


def test_a_cell_says_why_it_is_grey() -> None:
    default, narrow = Request(output=Path()), Request(output=Path(), columns=("gcc",))
    old, new = ((c.column for c in build.compilers(targets.target("x86-64"), ["clang"])[i:][:1]) for i in (0, -1))
    [old_clang], [new_clang] = list(old), list(new)
    assert old_clang != new_clang, "the tests have two"
    for name, column, request, why in (
        ("loongarch64", "gcc 12", default, "no gcc"),
        ("loongarch64", old_clang, default, "too old for it"),
        ("aarch64", old_clang, default, "with --full"),
        ("aarch64", new_clang, narrow, "not asked for"),
        ("x86-64", "clang", narrow, "not asked for"),
    ):
        assert codegen.why_absent(request, "places", targets.target(name), column, "-O2") == why
    planned = {(job.target, job.compiler.column) for job in codegen.plan(default)}
    assert {("x86-64", old_clang), ("x86-64", new_clang), ("aarch64", new_clang)} <= planned and (
        "aarch64",
        old_clang,
    ) not in planned


@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_what_differs_and_why_a_cell_is_grey(page: Path, tmp_path: Path, width: int) -> None:
    (tmp_path / "page.html").write_text((page / "build/codegen/codegen.html").read_text() + LOOK)
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [
        "chromium",
        *flags,
        f"--window-size={width},900",
        "--virtual-time-budget=6000",
        "--dump-dom",
        str(tmp_path / "page.html"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM, check=False)
    found = re.search(r'<pre id="report">(.+?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    seen = json.loads(html.unescape(found[1]))
    assert seen["wide"] <= 0, "wider than the window"
    assert seen["rows"] == 3 and len(seen["chosen"]) == 1 and seen["grey"] == ["not asked for"]
    assert [side.split(": ")[1].split()[0] for side in seen["sides"]] == ["plain", "volatile"] and seen["differ"] > 0
    assert re.search(r": plain \d+ bytes, \d+ executed, (paired, )?repeated$", seen["twice"][0]), seen["twice"]
    assert re.search(r": volatile \d+ bytes, \d+ executed$", seen["twice"][1]), seen["twice"]
    assert seen["levels"] == ["-O2", "-Os"] and seen["once"] == ["-O2"], "those that a function was built at"
    assert seen["verb"] == ["with --full", "with --full", "not asked for"], "volatile and relaxed, and clang"
    assert len(seen["counts"]) == 12 and any("repeated loads" in count for count in seen["counts"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--accessors", "missing.h"], "there is no header missing.h"),
        (
            ["--accessors", "wrong.h", "--target", "x86-64", "--compiler", "gcc", "--no-verbs", "--no-races"],
            "wrong is not C",
        ),
        (["--target", "pdp11"], "no target 'pdp11'"),
        (["--compiler", "gcc 2"], "no compiler is here"),
        (["--cc", "true"], "'true' is no gcc or clang"),
        (["--cc", "gcc", "--compiler", "clang"], "not both"),
        (["--cflags=-O3"], "for the compiler that --cc names"),
    ],
)
def test_slips_are_told(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.h").write_text('#error "wrong is not C"\n')
    done = report("codegen", *arguments, cwd=tmp_path)
    assert complaint in done.stderr and done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_the_answer_that_the_docs_quote_is_the_reports(sources: build.Sources) -> None:
    """Its figures are those of the compilers that it names; where others are, its words are, and no figure is held."""
    text = (ROOT / "docs" / "codegen.md").read_text()
    [quoted] = re.findall(r"^((?:> .+\n)+)>\n", text, re.M)
    quoted = " ".join(line.removeprefix("> ") for line in quoted.splitlines())
    page = " ".join(line.removeprefix("> ") for line in text.splitlines())
    asked = codegen.plan(Request(output=sources.output, verbs=False))
    both = [job for job in asked if job.access.name in ("PLAIN", "VOLATILE")]
    rows = measure.measure_all(sources, [dataclasses.replace(job, suites=("places",)) for job in both])
    assert not [row.error for row in rows if row.error]
    said, left = answer.sentences(rows)

    def words(sentence: str) -> str:
        return re.sub(r"[+-]?\d+|\(\d.*", "", sentence)

    assert words(said) == words(quoted)
    if {row.compiler for row in rows} == set(re.findall(r"(?:gcc|clang) [\d.]+(?=, )", quoted)):
        assert said == quoted
        assert left.removesuffix(".") + ", while the same compilers" in page
