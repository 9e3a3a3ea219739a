# SPDX-License-Identifier: MIT
"""What ./run says before it installs anything, on a machine that lacks something: nothing is installed here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from mutants import ROOT

PROGRAM = 60


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that come first: the user is not root, cmake does not work, and no package is known."""
    programs = {"id": "echo 1000", "sudo": "exit 1", "cmake": "exit 1", "apt-cache": "exit 0", "apt-get": "exit 1"}
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = f"{machine}:{os.environ['PATH']}"
    command = [str(ROOT / "run"), *words]
    return subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=PROGRAM)


def test_packages_are_named_once_it_is_known_which_there_are(machine: Path) -> None:
    done = run(machine, "demo")
    assert done.returncode == 1
    assert done.stdout.endswith("Run this, then try again:\n    sudo apt-get update\n")
    (machine / "apt-cache").write_text("#!/bin/sh\necho '  Candidate: 1.0'\n")
    done = run(machine, "demo")
    assert done.returncode == 1
    assert done.stdout.endswith("\n    sudo apt-get update && sudo apt-get install --no-install-recommends cmake\n")


@pytest.mark.parametrize("words", [["test", "bogus"], ["test", "dev", "--bogus"], ["bogus"]])
def test_what_there_is_not_is_refused_at_once(machine: Path, words: list[str]) -> None:
    done = run(machine, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("There is no ") and words[-1] in done.stderr.splitlines()[0]


def test_help_needs_no_packages(machine: Path) -> None:
    for words in ["--help"], ["demo", "--help"], ["demo", "-h"]:
        done = run(machine, *words)
        assert done.returncode == 0 and "demo" in done.stdout and "Missing" not in done.stdout
