# SPDX-License-Identifier: MIT
"""examples/snapshot: what firmware writes to its console of rings and pools is what `python -m vring inspect` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from limits import PROGRAM
from vring.inspect import Record, buffers, draw, read, visible_buffers, wheel

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "examples" / "snapshot"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
INCLUDE = [f"-I{ROOT / 'include'}", f"-I{SNAPSHOT}"]

# A firmware's story on this system: a ring of each kind with a table and a plain buffer, then a pool, on one console.
FIRMWARE = r"""
#include <stdio.h>
#include <stdlib.h>
#include "snapshot.h"

static void put(void *context, char c)
{
    fputc(c, context);
}

static _Alignas(4096) unsigned char shared[65536];
static struct vring_slot slots[8];
static struct json console = {.put = put};

/* The other side of that ring, which has taken the buffer with a table and left nothing. */
static int device(const char *name, uint64_t features, enum vring_byte_order order,
                  const struct snapshot_memory *memory)
{
    static struct vring_head heads[8];
    struct vring_region region = {.host = shared, .addr = 0x10000, .size = sizeof shared};
    struct vring_device vq;
    struct vring_device_config config = {.features = features, .size = 8, .desc = shared, .driver_area = shared + 4096,
        .device_area = shared + 8192, .heads = heads, .head_count = 8, .regions = &region, .region_count = 1,
        .legacy_order = order};
    struct vring_chain chain;
    struct vring_iov iov[8];
    char title[32];

    snprintf(title, sizeof title, "%s device", name);
    if (snapshot_device_ring(&console, "dead", &(struct vring_device){0}, memory, 1) != VRING_E_STATE)
        return 1;
    if (vring_device_init(&vq, &config) != 0 || vring_device_get_avail(&vq, iov, 8, &chain) != 0 ||
        vring_device_add_used(&vq, chain.handle, 1) != 0 || vring_device_get_avail(&vq, iov, 8, &chain) != 0)
        return 1;
    return snapshot_device_ring(&console, title, &vq, memory, 1);
}

static int ring(const char *name, uint64_t features, enum vring_byte_order order)
{
    struct vring_driver vq;
    struct vring_driver_config config = {.features = features, .size = 8, .desc = shared, .driver_area = shared + 4096,
        .device_area = shared + 8192, .slots = slots, .slot_count = 8, .legacy_order = order};
    struct vring_segment segments[] = {{0x10000 + 0x4000, 16}, {0x10000 + 0x5000, 512}, {0x10000 + 0x6000, 1}};
    struct vring_table table = {.memory = shared + 0x3000, .addr = 0x10000 + 0x3000, .entries = 3};
    struct snapshot_memory memory = {"shared \"part\"\n", 0x10000, sizeof shared, shared};

    if (snapshot_ring(&console, "dead", &(struct vring_driver){0}, &memory, 1) != VRING_E_STATE)
        return 1;
    if (vring_driver_init(&vq, &config) != 0 || vring_driver_add_avail(&vq, segments, 1, 2, 0) != 0 ||
        vring_driver_add_indirect(&vq, &table, segments, 1, 2, 1) != 0 || vring_driver_publish(&vq) < 0)
        return 1;
    printf("booting %s...\n", name);
    return snapshot_ring(&console, name, &vq, &memory, 1) || snapshot_ring(&console, "bare", &vq, NULL, 0) ||
           device(name, features, order, &memory);
}

int main(void)
{
    static uint64_t meta[4096];
    static _Alignas(4096) unsigned char window[64 * 2048];
    struct bounce_config config = {.window = window, .window_addr = 0x97ff0000, .slots = 64, .meta = meta,
                                   .meta_size = sizeof meta};
    struct bounce_request request = {.orig = shared, .orig_addr = 0x210, .size = 3000, .min_align_mask = 0xfff,
                                     .direction = BOUNCE_BIDIRECTIONAL, .owner = 7};
    struct bounce_mapping mapping;
    struct bounce_pool pool = {0};

    console.context = stdout;
    if (snapshot_pool(&console, "dead", &pool, &config) != BOUNCE_E_STATE)
        return 1;
    if (ring("split", VRING_F_VERSION_1 | VRING_F_INDIRECT_DESC, VRING_ORDER_NATIVE) ||
        ring("packed", VRING_F_VERSION_1 | VRING_F_INDIRECT_DESC | VRING_F_RING_PACKED | VRING_F_IN_ORDER,
             VRING_ORDER_NATIVE) ||
        ring("big-endian", VRING_F_INDIRECT_DESC, VRING_ORDER_BIG))
        return 1;
    if (bounce_init(&pool, &config) != 0 || bounce_map(&pool, &request, &mapping) != 0 ||
        bounce_alloc(&pool, 100, 0, 9, &mapping) != 0)
        return 1;
    json_object(&console, NULL); /* a line that was being written when something failed */
    json_abandon(&console);
    return snapshot_pool(&console, "pool", &pool, &config);
}
"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What that firmware wrote."""
    place = tmp_path_factory.mktemp("console")
    (place / "main.c").write_text(FIRMWARE)
    libraries = [path for name in ("vring", "bounce") for path in (ROOT / "lib" / name).glob("*.c")]
    sources = [place / "main.c", *SNAPSHOT.glob("*.c"), *libraries]
    flags = ["-std=c11", "-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *INCLUDE]
    subprocess.run(["gcc", *flags, *sources, "-o", place / "firmware"], check=True, timeout=PROGRAM)
    return subprocess.run([place / "firmware"], check=True, capture_output=True, text=True, timeout=PROGRAM).stdout


@pytest.fixture(scope="module")
def records(console: str) -> dict[str, Record]:
    return {record["name"]: record for record in read(console.splitlines())}


def test_a_console_is_shown_with_all_that_is_on_it(console: str, tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(console)
    command = [sys.executable, "-m", "vring", "inspect", "console.log", "--svg", "pictures", "--html", "page.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PROGRAM)
    assert (done.returncode, done.stderr) == (0, "")
    assert "split: split ring, 8 entries" in done.stdout or (tmp_path / "pictures").is_dir()
    done = subprocess.run(command[:5], cwd=tmp_path, capture_output=True, text=True, timeout=PROGRAM)
    for line in (
        "split: split ring, 8 entries",
        "packed: packed ring, 8 entries",
        "big-endian: split ring, 8 entries",
        "D head 3 at 3 (table): r16 w512 w1",
        "(table): r16 w512 w1",
        "pool: 64 slots of 2 KiB, 3 used, at most 3; 2 mappings",
    ):
        assert line in done.stdout, (line, done.stdout)
    assert done.stdout.count("(table): r16 w512 w1") == 6, "each format's table was read in its own layout and order"
    assert "dead" not in done.stdout, "of what is not alive nothing is written"


@pytest.mark.parametrize("name", ["split", "packed", "big-endian"])
def test_a_ring_says_what_the_device_may_see(records: dict[str, Record], name: str) -> None:
    ring = records[name]
    assert ring["format"] == ("packed" if name == "packed" else "split") and ring["side"] == "driver"
    assert ring["shared"] == [{"name": 'shared "part" ', "addr": 0x10000, "size": 65536}]
    pieces = [(0x14000, 16), (0x15000, 512), (0x16000, 1)]
    assert sorted(visible_buffers(ring)) == sorted([*pieces, *pieces, (0x13000, 48)])
    assert sum("table" in entry for entry in ring["entries"]) == 1


@pytest.mark.parametrize("name", ["split", "packed", "big-endian"])
def test_a_device_says_what_it_holds_and_what_it_has_staged(records: dict[str, Record], name: str) -> None:
    view = records[f"{name} device"]
    assert view["side"] == "device" and view["in_order"] is (name == "packed")
    found = wheel(view) if name == "packed" else None
    states = found.state if found else [b.state for b in buffers(view)]
    assert states[:4] == (["staged"] * 3 + ["device"] if found else ["staged", "device"])
    assert draw(view).startswith("<svg") and sum("table" in entry for entry in view["entries"]) == 1


def test_without_memory_no_table_is_read(records: dict[str, Record]) -> None:
    assert "shared" not in records["bare"] and not any("table" in entry for entry in records["bare"]["entries"])


def test_a_pool_has_the_defaults_that_it_was_made_with(records: dict[str, Record]) -> None:
    pool = records["pool"]
    assert [pool[name] for name in ("slots", "slot_size", "segment_slots", "areas", "used")] == [64, 2048, 128, 1, 3]
    mapping, coherent = sorted(pool["mappings"], key=lambda mapping: str(mapping["direction"]))
    assert (mapping["size"], mapping["owner"], mapping["addr"] & 0xFFF) == (3000, 7, 0x210)
    assert (coherent["direction"], coherent["owner"]) == ("coherent", 9)


def test_every_line_of_json_is_one(console: str) -> None:
    lines = [line for line in console.splitlines() if line.startswith("{")]
    assert len(lines) == 9 + 1 + 1, "rings thrice each, the line that was given up, and the pool"
    assert sum(bool(json.loads(line)) for line in lines if line != "{") == 10


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_needs_no_more_than_the_two_libraries(compiler: str, tmp_path: Path) -> None:
    names = ["clang-19", "clang-20", "clang-18", "clang-14", "clang"] if compiler == "clang" else ["gcc"]
    program = next(name for name in names if subprocess.run(["which", name], capture_output=True).returncode == 0)
    needs: set[str] = set()
    has: set[str] = set()
    for source in SNAPSHOT.glob("*.c"):
        out = tmp_path / f"{source.stem}.o"
        subprocess.run([program, *STRICT, "-ffreestanding", "-O2", *INCLUDE, "-c", source, "-o", out], check=True)
        for line in subprocess.run(["nm", out], check=True, capture_output=True, text=True).stdout.splitlines():
            kind, name = line.split()[-2:]
            (needs if kind == "U" else has).add(name)
            assert kind not in "bBdDC", f"{name} is a variable"
    foreign = {name for name in needs - has if not name.startswith(("vring_driver_", "vring_device_", "bounce_"))}
    assert foreign <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
