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
from collections.abc import Iterator
from typing import Any

import pytest

from limits import PROGRAM
import vring

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "bindings" / "python" / "vring" / "inspect"
SVG = "{http://www.w3.org/2000/svg}"


def load() -> Any:
    """vring.inspect from the source tree, as the demo loads it: without the package's extension module."""
    spec = importlib.util.spec_from_file_location(
        "inspect_under_test", SOURCE / "__init__.py", submodule_search_locations=[str(SOURCE)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


inspect: Any = load()
RED = importlib.import_module(inspect.__name__ + ".svg").COLOURS["red"]


def entry(**fields: Any) -> dict[str, Any]:
    return {
        "addr": 0,
        "len": 0,
        "flags": 0,
        "next": 0,
        "avail": 0,
        "used_id": 0,
        "used_len": 0,
        "token": 0,
        "count": 0,
        "link": 0,
    } | fields


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
    return {
        "vring-snapshot": 1,
        "name": "q",
        "format": "split",
        "side": "driver",
        "size": 8,
        "avail_idx": 0,
        "used_idx": 65535,
        "used_event": 0,
        "avail_event": 0,
        "avail_flags": 0,
        "used_flags": 0,
        "next_avail": 1,
        "next_used": 65534,
        "published": 0,
        "free": 4,
        "error": 0,
        "entries": entries,
    }


def pool() -> dict[str, Any]:
    """Three segments of four slots, the last one cut short."""
    return {
        "bounce-snapshot": 1,
        "name": "p",
        "addr": 0x10000,
        "slots": 10,
        "slot_size": 256,
        "segment_slots": 4,
        "areas": 1,
        "used": 4,
        "high_water": 6,
        "mappings": [
            {
                "slot": 0,
                "slots": 3,
                "pad_slots": 1,
                "addr": 0x10000 + 256 + 40,
                "size": 300,
                "direction": "from-device",
                "area": 0,
                "owner": 0,
            },
            {
                "slot": 9,
                "slots": 1,
                "pad_slots": 0,
                "addr": 0x10000 + 9 * 256,
                "size": 256,
                "direction": "coherent",
                "area": 0,
                "owner": 0,
            },
        ],
    }


def parts(svg: str, tag: str) -> list[xml.etree.ElementTree.Element]:
    return list(xml.etree.ElementTree.fromstring(svg).iter(SVG + tag))


def words(svg: str) -> list[str]:
    return [element.text or "" for element in parts(svg, "text")]


def test_buffers_are_told_apart_across_the_wrap_of_the_indices() -> None:
    assert [(b.head, b.state, b.descriptors, len(b.pieces)) for b in inspect.buffers(ring())] == [
        (1, "used", [1, 4], 2),
        (2, "device", [2], 2),
        (3, "staged", [3], 1),
    ]


def test_what_the_device_can_follow_includes_tables_and_what_they_list() -> None:
    assert inspect.visible_buffers(ring()) == [
        (0x1000, 16),
        (0x1100, 1),
        (0x2000, 32),
        (0x9000, 16),
        (0x9100, 1),
        (0x3000, 8),
    ]


def test_a_ring_is_drawn_with_its_counts_and_cursors() -> None:
    seen = words(inspect.draw(ring()))
    assert seen.count("1 buffer, 1 descriptor") == 2
    assert "1 buffer, 2 descriptors" in seen and "4 descriptors" in seen
    for cursor in ("avail.idx 0", "next_avail (private) 1", "used.idx 65535", "next_used (private) 65534"):
        assert cursor in seen


@pytest.mark.parametrize("size", [1, 2, 256, 1024])
def test_an_empty_ring_of_any_size_is_drawn(size: int) -> None:
    snapshot = ring() | {"size": size, "entries": [entry() for _ in range(size)], "next_avail": 0, "used_idx": 65534}
    assert f"{size} descriptor{'s' * (size > 1)}" in words(inspect.draw(snapshot))


def test_what_a_hostile_device_wrote_is_shown_and_not_believed() -> None:
    snapshot = ring()
    snapshot["entries"][6]["used_id"] = 0xDEADBEEF
    red = [part for part in parts(inspect.draw(snapshot), "rect") if part.get("fill") == RED]
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
    assert "1 mapping, 300 bytes" in seen and "1 mapping, 256 bytes" in seen
    assert "296 bytes before the data" in seen and "172 bytes after it" in seen  # 3 * 256 = 296 + 300 + 172
    assert [word for word in seen if word.startswith("0x")] == ["0x10000", "0x10400", "0x10800"]


def test_an_empty_pool_is_drawn() -> None:
    assert "10 slots" in words(inspect.draw(pool() | {"used": 0, "mappings": []}))


def test_names_are_text_and_not_markup() -> None:
    for snapshot in (ring(), pool()):
        snapshot["name"] = '<b onload="x">&amp;\''
        assert snapshot["name"] in words(inspect.draw(snapshot))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vring-snapshot": 2}, "version 1: 2"),
        ({"format": "round"}, "a round ring as its driver sees it: there are split"),
        ({"format": "packed"}, "entries\\[\\].id missing"),
        ({"side": "bystander"}, "as its bystander sees it"),
        ({"size": 16}, "16 entries, but 8"),
        ({"published": None}, "published missing"),
        ({"entries": [{}]}, "entries\\[\\].addr, entries\\[\\].len"),
    ],
)
def test_a_snapshot_that_is_none_is_refused(change: dict[str, Any], message: str) -> None:
    snapshot = ring() | change
    for field in [field for field, value in change.items() if value is None]:
        del snapshot[field]
    before = copy.deepcopy(snapshot)
    with pytest.raises(inspect.SnapshotError, match=message):
        inspect.draw(snapshot)
    assert snapshot == before


def fields(record: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every field of a record and of what it lists: what a refusal calls it, and where it is."""
    for field, value in record.items():
        yield place + field, record, field
        for i, item in enumerate(value if isinstance(value, list) else []):
            yield from fields(item, f"{place}{field}[{i}].")


@pytest.mark.parametrize("kind", ["ring", "wheel", "pool"])
def test_a_field_of_another_type_is_named(kind: str) -> None:
    record = {"ring": ring, "wheel": wheel, "pool": pool}[kind]()
    if kind != "pool":
        record |= {"in_order": False, "shared": [{"name": "all", "addr": 0, "size": 4096}]}
        record["entries"][2]["table"] = [{"addr": 0x9100, "len": 1, "flags": 0, "next": 0}]
    for entry in record["entries"] if kind == "wheel" else []:
        entry.update({field: None for field in ("next", "avail", "used_id", "used_len")})  # of split rings alone
    inspect.draw(record)
    for place, holder, field in list(fields(record)):
        was = holder[field]
        values: list[Any] = [None, -1, 1.5, "x", True, {}, [5]]
        for wrong in values:
            if (
                wrong == was
                or (isinstance(was, str) and wrong == "x")
                or was is None
                or (field, wrong) == ("in_order", 1)
            ):
                continue
            holder[field] = wrong
            for draw in (inspect.draw, inspect.draw_text):
                with pytest.raises(inspect.SnapshotError) as error:
                    draw(record)
                assert place in str(error.value), f"{place} is {wrong!r}"
        holder[field] = was


def test_a_direction_that_there_is_not_and_a_pool_of_nothing_are_refused() -> None:
    wrong = pool()
    wrong["mappings"][1]["direction"] = "sideways"
    for change, message in (
        (wrong, r"mappings\[1\].direction is 'sideways'"),
        (pool() | {"segment_slots": 0}, "segment_slots is 0"),
        (pool() | {"slots": 0, "mappings": []}, "slots is 0"),
    ):
        for draw in (inspect.draw, inspect.draw_text, lambda snapshot: inspect.draw_heat([snapshot])):
            with pytest.raises(inspect.SnapshotError, match=message):
                draw(change)


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


# ----------------------------------------------------------------------------------------------------- packed rings ---


def wheel() -> dict[str, Any]:
    """
    Six entries. Buffer 0, of entries 4 and 5 on the first lap, is used; buffer 1, of 0 and 1 on the second, is with the
    device; buffer 2, of entry 2, is staged. Entry 3 is free.
    """
    avail_first, used_first, avail_second = 0x80, 0x8080, 0x8000  # the flags of wrap counter 1, and of 0
    entries = [entry(id=0) for _ in range(6)]
    entries[4] |= {"addr": 0x4000, "len": 7, "flags": used_first, "id": 0, "count": 0}
    entries[5] |= {"addr": 0x5000, "len": 8, "flags": avail_first, "id": 0}
    entries[0] |= {"addr": 0x1000, "len": 16, "flags": avail_second | 1, "id": 1, "count": 2}
    entries[1] |= {"addr": 0x1100, "len": 1, "flags": avail_second | 2, "id": 1, "count": 2}
    entries[2] |= {"addr": 0x2000, "len": 4, "flags": 0, "id": 2, "count": 1}
    return {
        "vring-snapshot": 1,
        "name": "w",
        "format": "packed",
        "side": "driver",
        "size": 6,
        "used_event": 0x8003,
        "avail_event": 2,
        "avail_flags": 2,
        "used_flags": 1,
        "next_avail": 3,
        "next_used": 0x8004,
        "published": 2,
        "free": 1,
        "error": 0,
        "entries": entries,
    }


def test_a_packed_ring_is_told_apart_by_places_and_bits() -> None:
    snapshot = wheel()
    found = inspect.wheel(snapshot)
    assert found.state == ["device", "device", "staged", None, "used", "used"]
    assert [(b.head, b.state, b.descriptors, len(b.pieces)) for b in found.buffers] == [
        (0, "used", [4, 5], 0),
        (1, "device", [0, 1], 2),
        (2, "staged", [2], 1),
    ]
    snapshot["next_used"] = 3  # as if the ring were full: 3 to 3, with the other wrap counter
    snapshot["next_avail"], snapshot["published"] = 0x8003, 0x8003
    assert inspect.wheel(snapshot).state.count(None) == 0
    snapshot["next_avail"] = snapshot["published"] = 3
    assert inspect.wheel(snapshot).state == [None] * 6 and inspect.wheel(snapshot).buffers == []


def test_a_used_descriptor_that_names_nobody_is_shown_and_not_believed() -> None:
    for number in (3, 6, 0xFFFF):
        snapshot = wheel()
        snapshot["entries"][4]["id"] = number
        assert inspect.wheel(snapshot).state[:5] == ["device", "device", "staged", None, "bad"]
        assert len([part for part in parts(inspect.draw(snapshot), "path") if part.get("fill") == RED]) == 1
        assert "used, but no such buffer is in flight" in words(inspect.draw(snapshot))


def test_a_wheel_is_drawn_with_its_bits_hands_and_wishes() -> None:
    svg = inspect.draw(wheel())
    seen = words(svg)
    for line in (
        "next_avail 3, wrap 0",
        "published 2, wrap 0",
        "next_used 4, wrap 1",
        "1 buffer, 1 descriptor",
        "the driver asks to be notified at 3, wrap 1",
        "the device asks to be notified for none",
    ):
        assert line in seen, line
    classes = [part.get("class") for part in parts(svg, "path")]
    assert (classes.count("bit"), classes.count("nobit")) == (5, 7)  # 2 + 1 + 1 + 1 of 12


@pytest.mark.parametrize("size", [1, 2, 255, 1024])
def test_an_empty_wheel_of_any_size_is_drawn(size: int) -> None:
    snapshot = wheel() | {
        "size": size,
        "entries": [entry(id=0) for _ in range(size)],
        "next_avail": 0,
        "published": 0,
        "next_used": 0,
    }
    assert f"{size} descriptor{'s' * (size > 1)}" in words(inspect.draw(snapshot))


def test_a_place_outside_the_ring_is_reported() -> None:
    for field in ("next_avail", "published", "next_used"):
        with pytest.raises(inspect.SnapshotError, match="entry 6 of a ring of 6"):
            inspect.draw(wheel() | {field: 0x8006})


# --------------------------------------------------------------------------------------- changes, time and terminal ---


def test_what_has_changed_is_framed() -> None:
    """One frame for each descriptor, ring entry and mapping that is not as it was; none if all is."""

    def frames(snapshot: Any, before: Any) -> int:
        svg = inspect.draw(snapshot, before)
        return sum(part.get("class") == "changed" for tag in ("path", "rect") for part in parts(svg, tag))

    for make, legend in ((ring, 0), (wheel, 1), (pool, 0)):
        assert frames(make(), make()) == legend
    now = ring()
    now["entries"][5]["len"], now["entries"][2]["avail"], now["entries"][2]["used_len"] = 3, 7, 9
    assert frames(now, ring()) == 3
    now = wheel()
    now["entries"][3]["flags"] = 0x8000
    assert frames(now, wheel()) == 2
    now = pool()
    now["mappings"].pop()
    assert frames(now, pool()) == 1 and frames(pool(), now) == 1


def test_slots_over_time_show_each_mapping_as_long_as_it_lives() -> None:
    later, last = pool(), pool()
    later["mappings"].pop(0)
    last["mappings"] = [pool()["mappings"][0] | {"owner": 9}, pool()["mappings"][1]]
    svg = inspect.draw_heat([pool(), later, last])
    tips = [part.findtext(f"{SVG}title") or "" for part in parts(svg, "rect")]
    assert [tip.rsplit(", ", 1)[1] for tip in tips if tip] == [
        "snapshots 0 to 0",
        "snapshots 0 to 2",
        "snapshots 2 to 2",
    ]
    assert any("1 from the first snapshot to the last" in word for word in words(svg))
    for wrong in ([], [pool(), pool() | {"slots": 12}], [ring()]):
        with pytest.raises(inspect.SnapshotError):
            inspect.draw_heat(wrong)


def test_the_terminal_shows_who_owns_what() -> None:
    text = inspect.draw_text(ring())
    assert "      0  .uDsu..." in text.splitlines()
    assert "  u head 1 at 1, 4: r16 w1" in text.splitlines() and "  D head 2 at 2 (table): r16 w1" in text.splitlines()
    assert "avail.idx 0, next to stage 1" in text and "used.idx 65535, next to take back 65534" in text
    text = inspect.draw_text(wheel())
    assert "      0  DDs.uu" in text.splitlines() and "  u id 0 at 4, 5" in text.splitlines()
    assert "next_avail 3, wrap 0; published 2, wrap 0; next_used 4, wrap 1" in text
    text = inspect.draw_text(pool())
    assert [line.split()[-1] for line in text.splitlines()[2:]] == ["-ff.", "....", ".c"]
    assert "\x1b[1;32mu\x1b[0m" in inspect.draw_text(ring(), colour=True) and "\x1b" not in text
    assert "BROKEN: error 65" in inspect.draw_text(ring() | {"error": 65})


def test_a_page_tells_what_changed_and_survives_what_cannot_be_drawn() -> None:
    page_module = importlib.import_module(inspect.__name__ + ".page")
    later = ring() | {"used_idx": 0}
    steps = [
        page_module.Step("start()", [ring()]),
        page_module.Step("use(<b>)", [later, pool(), {"name": "x"}, {"vring-snapshot": 1, "name": [1]}, {}]),
        page_module.Step("break()", [later | {"entries": 5}]),
        page_module.Step("mend()", [later]),
        page_module.Step("stop()", [later], failed=True),
    ]
    page = page_module.draw_page("a <title>", steps, "it <failed>")
    assert "<td>q.used_idx</td><td>65535 = 0xffff</td><td>0</td>" in page
    assert "No picture of x: not a bounce-snapshot of version 1: None" in page
    assert "<b>use</b><span>(&lt;b&gt;)</span>" in page and "it &lt;failed&gt;" in page and "a &lt;title&gt;" in page
    assert "entries is 5, not a list" in page and page.count("<figure>") == 5, "the others have their pictures"
    assert page.count("<section ") == 5 and page.count("class=failed") == 2
    assert page_module.changes(pool(), pool() | {"used": 5}) == [("p.used", "4", "5")]
    fewer = pool()
    gone = fewer["mappings"].pop()
    assert [row[0] for row in page_module.changes(pool(), fewer)] == ["p.mappings"] and gone
    with pytest.raises(inspect.SnapshotError):
        page_module.draw_page("empty", [])


# ------------------------------------------------------------------------------------------------------ the command ---


def run(place: pathlib.Path, *words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vring", "inspect", *map(str, words)],
        cwd=place,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PROGRAM,
    )


def test_the_command_shows_and_draws(tmp_path: pathlib.Path) -> None:
    lines = "noise\n" + "\n".join(json.dumps(snapshot) for snapshot in (ring(), pool(), wheel(), pool())) + "\n"
    (tmp_path / "log").write_text(lines, "utf-8")
    done = run(tmp_path, "log")
    shown = "\n".join(inspect.draw_text(snapshot) for snapshot in (ring(), pool(), wheel(), pool())) + "\n"
    assert (done.returncode, done.stderr, done.stdout) == (0, "", shown)
    assert run(tmp_path, "-", stdin=lines).stdout == shown

    done = run(tmp_path, "log", "--svg", "pictures", "--html", "page.html")
    names = ["0-q.svg", "1-p.svg", "2-w.svg", "3-p.svg", "p-over-time.svg"]
    assert (done.returncode, done.stdout.split()) == (0, [f"pictures/{name}" for name in names] + ["page.html"])
    assert (tmp_path / "pictures" / "2-w.svg").read_text("utf-8") == inspect.draw(wheel())
    assert (tmp_path / "page.html").read_text("utf-8").count("<section ") == 4

    noise = b"\xff\xfe a serial line\n" + b"[" * 200_000 + b"\n" + b'{"a":' * 200_000 + b"\n\x00\n"
    (tmp_path / "noisy").write_bytes(noise + lines.encode() + noise)
    done = run(tmp_path, "noisy")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", shown)
    assert run(tmp_path, "/dev/stdin", stdin=lines).stdout == shown

    for file, message in (("none", "[Errno 2] No such file or directory: 'none'"), ("empty", "no snapshot in empty")):
        (tmp_path / "empty").touch()
        done = run(tmp_path, file)
        assert (done.returncode, done.stderr) == (1, f"vring inspect: {message}\n")


# ------------------------------------------------------------------------------------------------- whose view it is ---


@pytest.mark.parametrize("packed", [False, True])
def test_a_snapshot_says_whose_view_it_is_and_in_which_order(packed: bool) -> None:
    features = vring.Feature.VERSION_1 | vring.Feature.IN_ORDER | (vring.Feature.RING_PACKED if packed else 0)
    memory = vring.GuestMemory(1 << 16)
    areas = vring.allocate_areas(memory, 8, features)
    driver, device = vring.Driver(memory, areas, features), vring.Device(memory, areas, features)
    for token in range(3):
        driver.add_avail([(memory.allocate(16), 16)], [(memory.allocate(16), 16)], token)
    driver.publish()
    assert device.get_avail() and device.get_avail()
    views = [inspect.ring_record("mine", side.snapshot(), memory) for side in (driver, device)]
    assert [(view["side"], view["in_order"]) for view in views] == [("driver", True), ("device", True)]
    of_driver, of_device = (inspect.draw_text(json.loads(json.dumps(view))) for view in views)
    title = f"mine: {'packed' if packed else 'split'} ring, 8 entries, IN_ORDER, as its"
    assert of_driver.startswith(f"{title} driver sees it\n") and of_device.startswith(f"{title} device sees it\n")
    assert "D 3 with the device" in of_driver and "w 1 available, not yet taken; D 2 taken, not yet used" in of_device
    assert (
        of_device.count("  D ") == 2
        and of_device.count("  w ") == 2
        and "as its device sees it" in " ".join(words(inspect.draw(views[1])))
    )
    with pytest.raises(inspect.SnapshotError, match="known to a driver"):
        inspect.visible_buffers(views[1])
    del views[0]["in_order"]
    assert "IN_ORDER" not in inspect.draw_text(views[0])


def test_tables_of_a_big_endian_ring_are_read_as_such() -> None:
    memory = vring.GuestMemory(1 << 16)
    areas = vring.SplitAreas.allocate(memory, 8)
    driver = vring.Driver(memory, areas, vring.Feature.INDIRECT_DESC, legacy_order=vring.ByteOrder.BIG)
    table = vring.IndirectTable.allocate(memory, 2)
    driver.add_indirect(table, [(0x11111, 16)], [(0x22222, 32)])
    driver.publish()
    seen = inspect.ring_record("mine", driver.snapshot(), memory, big_endian=True)
    bare = inspect.split_ring_record("bare", memory, areas, big_endian=True)
    for record in seen, bare:
        assert [(piece["addr"], piece["len"]) for piece in record["entries"][0]["table"]] == [
            (0x11111, 16),
            (0x22222, 32),
        ]
    assert bare["avail_idx"] == seen["avail_idx"] == 1
    wrong = inspect.ring_record("mine", driver.snapshot(), memory)
    assert wrong["entries"][0]["table"][0]["addr"] != 0x11111, "the negative control"
