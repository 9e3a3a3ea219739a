# SPDX-License-Identifier: MIT
"""The reference of the Python package builds without a warning, and has everything that the package offers."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from limits import PROGRAM
import vring
import vring._pytest_plugin
import vring.devices
import vring.inspect
import vring.testing
import vring.vhost_user
import vring.vhost_user_blk

SOURCES = Path(__file__).resolve().parents[2] / "docs" / "api"


def build(sources: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """As the README has it; and a warning or a reference that leads nowhere is an error."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", str(sources), str(output)]
    return subprocess.run(command, check=False, timeout=PROGRAM, capture_output=True, text=True)


def test_the_reference_has_every_name_that_is_offered(tmp_path: Path) -> None:
    done = build(SOURCES, tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "index.html").read_text()
    modules = vring, vring.devices, vring.inspect, vring.testing, vring._pytest_plugin
    offered = {f"{module.__name__}.{name}" for module in modules for name in module.__all__}
    offered -= {"vring.__version__", "vring.testing.strategies"}
    # Names for types: autodoc writes out what they stand for, wherever they are used.
    offered -= {
        "vring.Areas",
        "vring.Buffer",
        "vring.Copy",
        "vring.Segment",
        "vring.inspect.Record",
        "vring.Released",
        "vring.Share",
    }
    offered |= {"vring.Driver.restore", "vring.Device.recover", "vring.Driver.get_used", "vring.NoRoom.BUSY"}
    offered |= {"vring.vhost_user.Frontend"}
    assert sorted(name for name in offered if f'id="{name}"' not in page) == []


def test_everything_that_is_offered_says_what_it_is() -> None:
    """But for the rules of state machines, which their names and checks tell."""
    silent = []
    for module in (vring, vring.devices, vring.inspect, vring.testing, vring.vhost_user, vring.vhost_user_blk):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isroutine(thing) and not inspect.getdoc(thing):
                silent.append(f"{module.__name__}.{name}")
            if inspect.isclass(thing) and not issubclass(thing, RuleBasedStateMachine):
                members = [member for member, value in vars(thing).items()
                           if inspect.isroutine(value) or isinstance(value, property)]  # fmt: skip
                silent += [
                    f"{module.__name__}.{name}.{member}"
                    for member in members
                    if not member.startswith("_") and not inspect.getdoc(getattr(thing, member))
                ]
    assert silent == []


@pytest.mark.parametrize("wrong", [":meth:`vring.Driver.nonsense`", ".. automodule:: vring.nonsense"])
def test_a_reference_that_leads_nowhere_is_an_error(wrong: str, tmp_path: Path) -> None:
    sources = tmp_path / "api"
    sources.mkdir()
    shutil.copy(SOURCES / "conf.py", sources)
    (sources / "index.rst").write_text(f"vring\n=====\n\n{wrong}\n")
    done = build(sources, tmp_path / "html")
    assert done.returncode != 0 and "nonsense" in done.stderr
