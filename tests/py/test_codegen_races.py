# SPDX-License-Identifier: MIT
"""What race detectors say of each accessor, in the codegen report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from codegen_rig import ROOT, report
from vring.report import build, codegen, races
from vring.report.request import Request

#: Accessor and rule, and whether every function races or none does.
RACES = {
    ("PLAIN", "C11"): True,
    ("PLAIN", "Linux"): True,
    ("VOLATILE", "C11"): True,
    ("VOLATILE", "Linux"): False,
    ("RELAXED", "C11"): False,
    ("ACQREL", "C11"): False,
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with races, as short as there is one."""
    folder = tmp_path_factory.mktemp("races")
    only = ["--target", "x86-64", "--compiler", "gcc", "--optimisation=-O2", "--no-verbs"]
    done = report("codegen", "--source", ROOT, "--out", folder, *only, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "confirmed  Plain accesses are a data race to a race detector." in done.stdout
    return folder


def test_race_detectors_tell_the_accessors_apart(judged: Path) -> None:
    """Of a driver and a device on two threads, by the newest clang, without being asked to be thorough."""
    verdicts = json.loads((judged / "codegen.json").read_text())["races"]
    assert [(v["access"], v["rule"], v["ring_format"]) for v in verdicts] == [
        (*key, f) for key in RACES for f in ("split", "packed")
    ]
    for verdict in verdicts:
        assert (
            verdict["compiler"] == races.host_compilers(["clang"])[-1].name and verdict["moved"] == "400 of 400 buffers"
        )
        assert (verdict["ring"] > 0) == RACES[verdict["access"], verdict["rule"]], verdict
        assert not (verdict["access"] == "ACQREL" and verdict["payload"]), verdict
    assert f"the whole library by {verdicts[0]['compiler']} at" in (judged / "codegen.html").read_text()


def test_two_threads_that_stop_before_their_end_are_no_verdict(
    sources: build.Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They would report nothing, as correct ones do."""
    (tmp_path / "stops").write_text("#!/bin/sh\necho 3 of 9 buffers\n")
    (tmp_path / "stops").chmod(0o755)
    monkeypatch.setattr("vring.report.races.threads", lambda *_: tmp_path / "stops")
    with pytest.raises(build.ReportError, match="did not run to its end: 3 of 9"):
        races.judge(sources, build.Access("ACQREL"), "C11", rounds=9)


def test_every_function_is_judged_alone(judged: Path) -> None:
    verdicts = {
        (v["access"], v["rule"]): v for v in json.loads((judged / "codegen.json").read_text())["races_by_function"]
    }
    assert verdicts.keys() == RACES.keys()
    for key, verdict in verdicts.items():
        assert len(verdict["raced"]) == (27 if RACES[key] else 0) and len(verdict["quiet"]) == 27 - len(
            verdict["raced"]
        ), key
        assert verdict["compiler"].startswith("gcc ") and verdict["optimisation"] == "-O2" and not verdict["error"]
    shown = {key: " ".join(line for _, line in verdict["assembly"]) for key, verdict in verdicts.items()}
    for key, called in {
        ("PLAIN", "Linux"): "__tsan_read2",
        ("VOLATILE", "Linux"): "__tsan_volatile_read2",
        ("ACQREL", "C11"): "__tsan_atomic16_load",
    }.items():
        assert called in shown[key] and not re.search(r"nop|data16", shown[key])
    text = (judged / "codegen.html").read_text()
    claims = text.split('<div class="claim">')[1:]
    assert len(claims) == 6 and all(claim.count('<div class="side">') >= 2 for claim in claims), (
        "each claim has its code beside it"
    )
    assert text.count("27 of 27 race") == 3 and text.count("none of 27") == 3
    assert text.count('<td class="missing">\N{EN DASH}</td>') == 6, "no clang was asked: a grey column"


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("compiler", races.host_compilers(), ids=lambda compiler: compiler.column)
def test_each_compiler_has_a_verdict_at_each_level(
    sources: build.Sources, compiler: build.Compiler, level: str
) -> None:
    for access, rule in (
        [("PLAIN", "Linux"), ("VOLATILE", "Linux")] if level == "-O2" else [("VOLATILE", "C11"), ("ACQREL", "C11")]
    ):
        verdict = races.judge_functions(sources, compiler, level, build.Access(access), rule)
        assert not verdict.error
        assert not (verdict.quiet if RACES[access, rule] else verdict.raced), verdict


def test_a_compiler_without_the_detector_is_a_grey_cell(sources: build.Sources) -> None:
    cannot = build.Compiler("gcc", "9.9.9", ("gcc", "-fno-such-option"))
    verdict = races.judge_functions(sources, cannot, "-O2", build.Access("PLAIN"), "C11")
    assert "fno-such-option" in verdict.error and not verdict.raced and not verdict.quiet
    assert verdict.grey == "no ThreadSanitizer"


def test_a_header_that_does_not_compile_is_a_grey_cell_of_its_own(
    sources: build.Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a detector at hand; and what is said of the others stands."""
    (tmp_path / "wrong.h").write_text('#error "wrong is not C"\n')
    wrong, ours = build.Access("wrong", tmp_path / "wrong.h"), build.Access("ACQREL")
    verdict = races.judge_functions(sources, races.host_compilers(["gcc"])[0], "-O2", wrong, "C11")
    assert "wrong is not C" in verdict.error and verdict.grey == "not built"

    def judge(_: build.Sources, access: build.Access, rule: str) -> list[races.Verdict]:
        if access == wrong:
            raise build.ReportError("wrong is not C")
        return [races.Verdict(access.name, rule, "split", "clang", ring=3)]

    monkeypatch.setattr("vring.report.races.judge", judge)
    verdicts = races.judge_all(sources, [wrong, ours])
    assert [(v.access, v.rule, v.ring, v.error) for v in verdicts] == [
        ("wrong", "C11", 0, "wrong is not C"),
        ("wrong", "Linux", 0, "wrong is not C"),
        ("ACQREL", "C11", 3, ""),
    ]


def test_functions_that_do_not_end_are_a_grey_cell(
    sources: build.Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They end the report of no other."""
    (tmp_path / "stops").write_text("#!/bin/sh\necho place_split_driver_poll 0\n")
    (tmp_path / "stops").chmod(0o755)
    monkeypatch.setattr("vring.report.races.instrumented", lambda *_, **__: tmp_path)
    monkeypatch.setattr("vring.report.races.program", lambda *_: tmp_path / "stops")
    gcc = races.host_compilers(["gcc"])[0]
    verdict = races.judge_functions(sources, gcc, "-O2", build.Access("ACQREL"), "C11")
    assert "did not run to its end" in verdict.error and verdict.grey == "did not end" and not verdict.quiet


def test_without_clang_gcc_is_still_heard(
    sources: build.Sources, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two threads are clang's alone; each function is not."""
    heard = [races.FunctionVerdict("PLAIN", "C11", "gcc 12.2.0", "gcc 12", "-O2", raced=["f"])]
    monkeypatch.setattr("vring.report.codegen.judge_all_functions", lambda *_: heard)
    monkeypatch.setattr("vring.report.races.clangs", list)
    two_threads, by_function, why_not = codegen.verdicts_of(Request(output=sources.output), sources, [])
    assert (two_threads, by_function) == ([], heard)
    assert "need clang and its runtime" in why_not and why_not in capsys.readouterr().err
