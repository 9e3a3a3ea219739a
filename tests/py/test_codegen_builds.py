# SPDX-License-Identifier: MIT
"""What the codegen report builds: what was asked for and nothing else, and what cannot be built is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen_rig import FIXTURES
from vring.report import build, targets


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
