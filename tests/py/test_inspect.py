# SPDX-License-Identifier: MIT
"""Pictures from snapshots written by hand: what they claim, and what they refuse."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree
from typing import Any

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "bindings" / "python" / "vring" / "inspect"
SVG = "{http://www.w3.org/2000/svg}"


def load() -> Any:
    """vring.inspect from the source tree, as the demo loads it: without the package's extension module."""
    spec = importlib.util.spec_from_file_location("inspect_under_test", SOURCE / "__init__.py",
                                                  submodule_search_locations=[str(SOURCE)])
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


inspect: Any = load()


def entry(**fields: Any) -> dict[str, Any]:
    return {"addr": 0, "len": 0, "flags": 0, "next": 0, "avail": 0, "used_id": 0, "used_len": 0, "token": 0, "count": 0,
            "link": 0} | fields


def ring() -> dict[str, Any]:
    """
    Eight entries. A chain 1-4 is used and not taken back, an indirect buffer 2 is with the device, 3 is staged; 0, 5, 6
    and 7 are free. The indices stand just before the 16-bit wrap.
    """
    table = [{"addr": 0x9000, "len": 16, "flags": 1, "next": 1}, {"addr": 0x9100, "len": 1, "flags": 2, "next": 0}]
    entries = [entry() for _ in range(8)]
    entries[1] = entry(addr=0x1000, len=16, flags=1, next=4, count=2, link=4)
    entries[4] = entry(addr=0x1100, len=1, flags=2)
    entries[2] = entry(addr=0x2000, len=32, flags=4, count=1, table=table)
    entries[3] = entry(addr=0x3000, len=8, count=1)
    for position, head in zip((6, 7, 0), (1, 2, 3), strict=True):
        entries[position]["avail"] = head
    entries[6]["used_id"] = 1
    return {"vring-snapshot": 1, "name": "q", "format": "split", "side": "driver", "size": 8, "avail_idx": 0,
            "used_idx": 65535, "used_event": 0, "avail_event": 0, "avail_flags": 0, "used_flags": 0, "next_avail": 1,
            "next_used": 65534, "published": 0, "free": 4, "error": 0, "entries": entries}


def pool() -> dict[str, Any]:
    """Three segments of four slots, the last one cut short."""
    return {"bounce-snapshot": 1, "name": "p", "addr": 0x10000, "slots": 10, "slot_size": 256, "segment_slots": 4,
            "areas": 1, "used": 4, "high_water": 6, "mappings": [
                {"slot": 0, "slots": 3, "pad_slots": 1, "addr": 0x10000 + 256 + 40, "size": 300,
                 "direction": "from-device", "area": 0, "owner": 0},
                {"slot": 9, "slots": 1, "pad_slots": 0, "addr": 0x10000 + 9 * 256, "size": 256, "direction": "coherent",
                 "area": 0, "owner": 0}]}


def parts(svg: str, tag: str) -> list[xml.etree.ElementTree.Element]:
    return list(xml.etree.ElementTree.fromstring(svg).iter(SVG + tag))


def words(svg: str) -> list[str]:
    return [element.text or "" for element in parts(svg, "text")]


def test_buffers_are_told_apart_across_the_wrap_of_the_indices() -> None:
    assert [(b.head, b.state, b.descriptors, len(b.pieces)) for b in inspect.buffers(ring())] == [
        (1, "used", [1, 4], 2), (2, "device", [2], 2), (3, "staged", [3], 1)]


def test_what_the_device_can_follow_includes_tables_and_what_they_list() -> None:
    assert inspect.visible_buffers(ring()) == [
        (0x1000, 16), (0x1100, 1), (0x2000, 32), (0x9000, 16), (0x9100, 1), (0x3000, 8)]


def test_a_ring_is_drawn_with_its_counts_and_cursors() -> None:
    seen = words(inspect.draw(ring()))
    assert seen.count("1 buffers, 1 descriptors") == 2
    assert "1 buffers, 2 descriptors" in seen and "4 descriptors" in seen
    for cursor in ("avail.idx 0", "next_avail (private) 1", "used.idx 65535", "next_used (private) 65534"):
        assert cursor in seen


@pytest.mark.parametrize("size", [1, 2, 256, 1024])
def test_an_empty_ring_of_any_size_is_drawn(size: int) -> None:
    snapshot = ring() | {"size": size, "entries": [entry() for _ in range(size)], "next_avail": 0, "used_idx": 65534}
    assert f"{size} descriptors" in words(inspect.draw(snapshot))


def test_what_a_hostile_device_wrote_is_shown_and_not_believed() -> None:
    snapshot = ring()
    snapshot["entries"][6]["used_id"] = 0xdeadbeef
    red = [part for part in parts(inspect.draw(snapshot), "rect") if part.get("fill") == "#d64545"]
    assert len(red) == 1
    assert [b.state for b in inspect.buffers(snapshot)] == ["device", "device", "staged"]
    snapshot["used_idx"] = 30000
    assert inspect.draw(snapshot)


def test_a_driver_whose_private_links_are_damaged_is_reported() -> None:
    for link in (1, 8, 65535):
        snapshot = ring()
        snapshot["entries"][1]["link"] = link
        with pytest.raises(inspect.SnapshotError, match="damaged"):
            inspect.draw(snapshot)


def test_a_pool_is_drawn_with_what_its_data_do_not_fill() -> None:
    svg = inspect.draw(pool())
    seen = words(svg)
    assert "4 slots used" in seen and "most so far: 6" in seen and "6 slots" in seen
    assert "1 mappings, 300 bytes" in seen and "1 mappings, 256 bytes" in seen
    assert "296 bytes before the data" in seen and "172 bytes after it" in seen  # 3 * 256 = 296 + 300 + 172
    assert [word for word in seen if word.startswith("0x")] == ["0x10000", "0x10400", "0x10800"]


def test_an_empty_pool_is_drawn() -> None:
    assert "10 slots" in words(inspect.draw(pool() | {"used": 0, "mappings": []}))


def test_names_are_text_and_not_markup() -> None:
    for snapshot in (ring(), pool()):
        snapshot["name"] = "<b onload=\"x\">&amp;'"
        assert snapshot["name"] in words(inspect.draw(snapshot))


@pytest.mark.parametrize(("change", "message"), [
    ({"vring-snapshot": 2}, "version 1: 2"),
    ({"format": "packed"}, "packed ring"),
    ({"side": "device"}, "device sees it"),
    ({"size": 16}, "16 entries, but 8"),
    ({"published": None}, "published missing"),
    ({"entries": [{}]}, "entries\\[\\].addr, entries\\[\\].len"),
])
def test_a_snapshot_that_is_none_is_refused(change: dict[str, Any], message: str) -> None:
    snapshot = ring() | change
    for field in [field for field, value in change.items() if value is None]:
        del snapshot[field]
    before = copy.deepcopy(snapshot)
    with pytest.raises(inspect.SnapshotError, match=message):
        inspect.draw(snapshot)
    assert snapshot == before


def test_a_mapping_outside_its_pool_is_refused() -> None:
    snapshot = pool()
    snapshot["mappings"][1]["slots"] = 2
    with pytest.raises(inspect.SnapshotError, match="slot 9 reaches past the pool's 10 slots"):
        inspect.draw(snapshot)
    with pytest.raises(inspect.SnapshotError):
        inspect.draw({})


def test_snapshots_are_found_among_other_lines() -> None:
    lines = ["boot\n", "[1]\n", '{"progress": 1}\n', json.dumps(ring()), "{broken", json.dumps(pool())]
    assert [record["name"] for record in inspect.read(lines)] == ["q", "p"]


def test_the_command_line_writes_a_file_for_each_snapshot(tmp_path: pathlib.Path) -> None:
    (tmp_path / "log").write_text("noise\n" + json.dumps(ring()) + "\n" + json.dumps(pool()) + "\n", "utf-8")

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        # The directory above stands in for the package, whose own __init__ needs the extension module.
        return subprocess.run([sys.executable, "-m", "inspect_copy", *map(str, args)], cwd=tmp_path,
                              capture_output=True, text=True, timeout=30)

    (tmp_path / "inspect_copy").symlink_to(SOURCE)
    done = run("log", "--out", "pictures")
    assert (done.returncode, done.stdout.split()) == (0, ["pictures/0-q.svg", "pictures/1-p.svg"])
    assert (tmp_path / "pictures" / "1-p.svg").read_text("utf-8") == inspect.draw(pool())
    for file in ("none", "inspect_copy/svg.py"):
        done = run(file)
        assert done.returncode == 1 and done.stderr.startswith("vring.inspect: ") and done.stderr.count("\n") == 1
