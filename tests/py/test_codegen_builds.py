# SPDX-License-Identifier: MIT
"""What the codegen report builds: what was asked for and nothing else, and what cannot be built is said."""

from __future__ import annotations

import csv
import json
import re
import shlex
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from codegen_rig import FIXTURES
from vring.report import answer, build, codegen, measure, page, races, targets
from vring.report.__main__ import main
from vring.report.measure import Row
from vring.report.request import Request

HEADER = (FIXTURES / "linux_read_once.h").read_text()
PLACES = FIXTURES / "places.c"


def compiler_for(target: str, family: str = "gcc") -> build.Compiler:
    return build.compilers(targets.target(target), [family])[-1]


@pytest.fixture
def poll(tmp_path: Path) -> Path:
    """As little as an accessor can be asked for."""
    source = tmp_path / "poll.c"
    source.write_text("""
        #include "access.h"
        int poll(const uint16_t *p);
        int poll(const uint16_t *p) { return access_load16(p); }
    """)
    return source


def test_an_object_is_made_anew_when_a_header_includes_something_else(
    sources: build.Sources, tmp_path: Path, poll: Path
) -> None:
    (tmp_path / "mine.h").write_text('#include "impl.h"\n')
    access = build.Access("mine", tmp_path / "mine.h")
    made = []
    for name in ("linux_read_once.h", "planted_double_load.h", "linux_read_once.h"):
        (tmp_path / "impl.h").write_text((FIXTURES / name).read_text())
        made.append(build.compile_object(sources, compiler_for("x86-64"), "-O2", access, poll))
    assert made[0] == made[2] != made[1] and made[0].read_bytes() != made[1].read_bytes()


def test_an_object_is_made_anew_when_the_compiler_is_another_file(
    sources: build.Sources, tmp_path: Path, poll: Path
) -> None:
    """It may be a script, which has the version of what it runs."""
    script, made = tmp_path / "mycc", []
    for level in ("-O0", "-O1"):
        script.write_text(f'#!/bin/sh\nexec gcc "$@" {level}\n')
        script.chmod(0o755)
        made += [
            build.compile_object(
                sources, build.user_compiler(str(script), ()), "-O2", build.Access("VOLATILE"), poll
            ).read_bytes()
            for _ in range(2)
        ]
    assert made[0] == made[1] != made[2] == made[3]


@pytest.mark.parametrize("family", ["gcc", "clang"])
def test_a_header_that_lacks_an_accessor_is_refused(sources: build.Sources, tmp_path: Path, family: str) -> None:
    """Its call would go nowhere, and what is counted of it be nothing; the race detectors' build is no exception."""
    (tmp_path / "short.h").write_text(HEADER.replace("access_fence", "acces_fence"))
    access = build.Access("short", tmp_path / "short.h")
    for compiler in [*build.compilers(targets.target("aarch64"), [family]), *races.host_compilers([family])]:
        with pytest.raises(build.ReportError) as refused:
            build.compile_object(sources, compiler, "-O2", access, PLACES)
        assert re.search(r"error: .*access_fence", build.gist(str(refused.value)))
    for compiler in races.host_compilers([family]):
        with pytest.raises(build.ReportError, match=r"error: .*access_fence"):
            races.instrumented(sources, compiler, "-O2", access, "C11", PLACES)


def test_a_program_that_does_not_end_is_said_to(
    sources: build.Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = measure.Job(("places",), "ppc64le", compiler_for("ppc64le"), "-O2", build.Access("VOLATILE"))
    (tmp_path / "qemu").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "qemu").chmod(0o755)
    monkeypatch.setattr("vring.report.qemu_user.tool", lambda name: str(tmp_path / "qemu"))
    monkeypatch.setattr("vring.report.qemu_user.TIMEOUT", 0.2)
    rows = measure.measure(sources, [job], {})
    assert {row.error for row in rows} == {"ppc64le: the program did not end within 0.2 s"}


@pytest.mark.parametrize(
    ("target", "flags", "made"),
    [
        ("aarch64", (), "EM_X86_64, 64 bits, little-endian"),
        ("x86-64", ("-m32",), "EM_386, 32 bits, little-endian"),
        ("i686", (), "EM_X86_64, 64 bits, little-endian"),
    ],
)
def test_code_for_another_cpu_is_not_run(
    sources: build.Sources, target: str, flags: tuple[str, ...], made: str
) -> None:
    job = measure.Job(
        ("gallery",), target, build.user_compiler("x86_64-linux-gnu-gcc", flags), "-O2", build.Access("VOLATILE")
    )
    for row in measure.measure(sources, [job], {}):
        assert row.error.startswith(f"the compiler makes code for another CPU than {target} ({made})"), row.error


# --------------------------------------------------------------------------------------------- what the reader is told ---

COMPLAINT = """gcc -Werror=implicit-function-declaration -o /home/error/a.o bad.h
In file included from access.h:27,
bad.h:3:2: error: #error "no"
    3 | #error "no"
compilation terminated due to error."""


def row(access: str, error: str = "", level: str = "-O2") -> Row:
    return Row("places", answer.PATCHED[0], "x86-64", "gcc 12.2.0", "gcc 12", level, access, bytes=40, error=error)


def test_of_a_complaint_the_line_is_told_that_says_what_is_wrong(tmp_path: Path) -> None:
    """And not the command before it, which may have that word as well."""
    said = 'bad.h:3:2: error: #error "no"'
    assert build.gist(COMPLAINT) == said and build.gist("crashed\nat once") == "at once" and build.gist("") == ""
    page.write_csv([row("PLAIN"), row("bad", COMPLAINT)], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        assert [line["error"] for line in csv.DictReader(file)] == ["", said]
    data = json.loads(zlib.decompress(b64decode(page.packed([row("PLAIN"), row("bad", COMPLAINT)], {}))))
    assert [some[8] for some in data["rows"]] == ["", said]


def test_a_sentence_says_where_a_header_did_not_build() -> None:
    ours = [row(access, level=level) for access in ("PLAIN", "VOLATILE") for level in ("-O2", "-Os")]
    assert not any("did not build" in said for said in answer.sentences([*ours, row("fine")]))
    for rows in (ours, [row("PLAIN")]):  # with an answer, and without one
        said = answer.sentences([*rows, row("mine"), row("mine", COMPLAINT, level="-Os")])[-1]
        assert said == (
            "mine did not build, or did not run, in 1 of 2 builds of a function; "
            'the first, gcc 12.2.0 -Os for x86-64: bad.h:3:2: error: #error "no"'
        )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What the command line asks of a report that finds nothing."""
    requests: list[Request] = []

    def run(request: Request) -> list[Row]:
        requests.append(request)
        return []

    monkeypatch.setattr("vring.report.__main__.run", run)
    return requests


def test_a_header_that_built_nowhere_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    for errors, failed in (([COMPLAINT, COMPLAINT], 1), ([COMPLAINT, ""], 0), (["", ""], 0)):
        rows = [row("PLAIN"), *(row("mine", error) for error in errors)]
        monkeypatch.setattr("vring.report.__main__.run", lambda request, rows=rows: rows)
        assert main(["codegen", "--accessors", "folder/mine.h"]) == failed, errors


def test_the_command_that_the_page_tells_is_one_that_a_shell_takes(asked: list[Request]) -> None:
    words = ["codegen", "--cc", "gcc", "--cflags=-march=x86-64-v2 -DX='a b'", "--out", "my folder"]
    assert main(words) == 0
    assert shlex.split(asked[0].command) == ["python", "-m", "vring.report", *words]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--jobs", "0"], "--jobs 0: at least one is wanted"),
        (["--jobs", "-3"], "--jobs -3: at least one is wanted"),
        (
            ["--cc", "gcc", "--cflags=-march=native -O3"],
            "-O3 in --cflags would not hold: the level is --optimisation=-O3",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    asked: list[Request], capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert main(["codegen", *arguments]) == 1 and not asked
    assert capsys.readouterr().err == f"vring.report: {complaint}\n"


def test_the_flags_that_the_help_names_are_taken(asked: list[Request], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["codegen", "--help"])
    [flags] = re.findall(r"--cflags='(.+?)'", " ".join(capsys.readouterr().out.split()))
    assert main(["codegen", "--cc", "gcc", f"--cflags={flags}"]) == 0 and asked[0].cflags == tuple(flags.split())


@pytest.mark.parametrize("name", [*build.VARIANTS, "HOOK", "volatile"])
def test_a_header_has_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    """What is found of it would be mixed with what is found of the report's own accessors."""
    (tmp_path / f"{name}.h").write_text(HEADER)
    with pytest.raises(build.ReportError, match=f"{name}.h has the name of accessors that the report has"):
        codegen.plan(Request(output=tmp_path, accessors=tmp_path / f"{name}.h"))
