# SPDX-License-Identifier: MIT
"""The pictures of one request are what the library does now, and their generator can tell."""

from __future__ import annotations

import importlib.util
import shutil
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"


def generator(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("sequence", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pictures_show_what_the_library_does() -> None:
    for name, text in generator(PICTURES / "sequence.py").pictures().items():
        assert (PICTURES / name).read_text("utf-8") == text, f"python docs/pictures/sequence.py draws {name} anew"
        assert f"pictures/{name}" in (ROOT / "docs" / "design.md").read_text()


@pytest.mark.parametrize("ring", ["split", "packed"])
def test_a_picture_has_every_barrier_at_both_ends(ring: str, tmp_path: Path) -> None:
    module = generator(PICTURES / "sequence.py")
    events = module.trace(tmp_path, ring)
    ends = {(module.letter(event), event["side"]) for event in events} - {("", "driver"), ("", "device")}
    assert ends == {(letter, side) for letter in "ABCD" for side in ("driver", "device")}


def test_another_library_makes_another_picture(tmp_path: Path) -> None:
    """The negative control: without the driver's fence the picture of a split ring is not the one that is committed."""
    for folder in ("include", "lib", "docs/pictures"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    cell = tmp_path / "lib" / "vring" / "split_driver.c"
    text = cell.read_text()
    assert "split_fence(&vq->ring); /* C */" in text
    cell.write_text(text.replace("split_fence(&vq->ring); /* C */", ""))
    drawn = generator(tmp_path / "docs" / "pictures" / "sequence.py").pictures()
    assert drawn["sequence-split.svg"] != (PICTURES / "sequence-split.svg").read_text("utf-8")
    assert drawn["sequence-packed.svg"] == (PICTURES / "sequence-packed.svg").read_text("utf-8")
