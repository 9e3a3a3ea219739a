# SPDX-License-Identifier: MIT
"""
Pictures and pages as a browser lays them out: no text over other text or outside its sheet, enough contrast on light
and on dark, no sideways scrolling at 1200 pixels, and controls that work.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from limits import PROGRAM
from pictures import FOLDER, PICTURES
from vring import BouncePool, Device, Direction, Driver, Feature, GuestMemory, SplitAreas, SplitDevice, allocate_areas
from vring.inspect import Record, draw, draw_heat, pool_record, ring_record
from vring.inspect.svg import COLOURS
from vring.inspect.page import Step, draw_page

# Runs in the page, and leaves what it found as JSON in the last element.
REPORT = """
<pre id="report"></pre>
<script>
const found = {errors: [], dark: matchMedia("(prefers-color-scheme: dark)").matches};
window.addEventListener("error", event => found.errors.push(event.message));
function visible(element) { return element.getClientRects().length > 0; }
function rgb(colour) { return colour.match(/[\\d.]+/g).map(Number); }
function luminance([r, g, b]) {
    const part = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}
function contrast(a, b) {
    const [low, high] = [luminance(rgb(a)), luminance(rgb(b))].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
}
function look() {
    const seen = {texts: 0, overlaps: [], outside: [], faint: []};
    for (const sheet of [...document.querySelectorAll("svg")].filter(visible)) {
        const paper = getComputedStyle(sheet.querySelector(".paper")).fill, edge = sheet.getBoundingClientRect();
        const texts = [...sheet.querySelectorAll("text")].map(text => ({text: text.textContent, kind: text.getAttribute(
            "class") || "", fill: getComputedStyle(text).fill, box: text.getBoundingClientRect()}));
        seen.texts += texts.length;
        texts.forEach((a, i) => {
            const box = a.box;
            if (box.left < edge.left || box.right > edge.right || box.top < edge.top || box.bottom > edge.bottom)
                seen.outside.push(a.text);
            if (!a.kind.includes("on") && contrast(a.fill, paper) < 4.4) seen.faint.push(a.text);
            for (const b of texts.slice(i + 1)) {
                const across = Math.min(box.right, b.box.right) - Math.max(box.left, b.box.left);
                const down = Math.min(box.bottom, b.box.bottom) - Math.max(box.top, b.box.top);
                if (across > 1 && down > 3) seen.overlaps.push(a.text + " / " + b.text);
            }
        });
    }
    seen.wider = document.documentElement.scrollWidth - innerWidth;
    return seen;
}
addEventListener("load", () => {
    found.first = look();
    found.steps = [];
    const shown = () => [...document.querySelectorAll("section")].filter(visible).map(s => +s.dataset.step);
    const state = () => ({shown: shown(), slider: document.querySelector("#step")?.value,
        count: document.querySelector("#count")?.value, rule: document.querySelector("li.now")?.textContent});
    if (document.querySelector("#step")) {
        found.steps.push(state());
        document.querySelector("#back").click(); found.steps.push(state());
        document.querySelector("#on").click(); found.steps.push(state());
        const slider = document.querySelector("#step");
        slider.value = 0; slider.dispatchEvent(new Event("input")); found.steps.push(state());
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
        found.steps.push(state());
        document.querySelectorAll("main li")[2].click(); found.steps.push(state());
        found.each = [];
        for (let i = 0; i <= slider.max; i++) {
            slider.value = i; slider.dispatchEvent(new Event("input")); found.each.push(look());
        }
    }
    document.getElementById("report").textContent = JSON.stringify(found);
});
</script>
"""


def browse(page: str, place: Path, dark: bool = False) -> dict[str, Any]:
    """What the browser says of a page, on a window of 1200 by 900 pixels."""
    (place / "page.html").write_text(page + REPORT, "utf-8")
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--window-size=1200,900", "--dump-dom",
            f"--user-data-dir={place / 'profile'}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--virtual-time-budget=4000", str(place / "page.html"),
        ],
        capture_output=True, text=True, timeout=PROGRAM,
    )  # fmt: skip
    found = re.search(r'<pre id="report">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found[1], f"the page's script did not end:\n{done.stdout[-500:]}\n{done.stderr[-2000:]}"
    report: dict[str, Any] = json.loads(html.unescape(found[1]))
    assert report["dark"] == dark, "the browser was to prefer the other colours"
    assert report["errors"] == []
    return report


def judge(seen: dict[str, Any]) -> None:
    assert seen["texts"] > 5
    assert (seen["overlaps"], seen["outside"], seen["faint"], max(seen["wider"], 0)) == ([], [], [], 0)


def on_a_page(*pictures: str) -> str:
    return '<!doctype html><meta charset="utf-8"><body style="margin:0">' + "".join(pictures)


def rings(steps: int = 4) -> list[Record]:
    """A split ring of 16 at work."""
    features = Feature.VERSION_1 | Feature.INDIRECT_DESC | Feature.EVENT_IDX
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 16)
    driver, device = Driver(memory, areas, features, index=65530), SplitDevice(memory, areas, features, index=65530)
    records = []
    data = memory.allocate(64)
    for step in range(steps):
        driver.add_avail([(data, 16)], [(data + 16, 16), (data + 32, 1)])
        if step % 2:
            driver.publish()
            if chain := device.get_avail():
                device.add_used(chain)
                device.publish()
        records.append(ring_record("ring", driver.snapshot(), memory))
    return records


def views() -> list[str]:
    """
    Rings of both formats as a device sees them that has taken one, staged one and left one, each of several pieces.
    """
    drawn = []
    for size, packed in ((8, False), (128, False), (7, True), (64, True)):
        features = Feature.VERSION_1 | Feature.INDIRECT_DESC | (Feature.RING_PACKED if packed else Feature(0))
        memory = GuestMemory(1 << 16)
        areas = allocate_areas(memory, size, features)
        driver, device = Driver(memory, areas, features), Device(memory, areas, features)
        data = memory.allocate(64)
        for _ in range(3):
            driver.add_avail([(data, 16)], [(data + 16, 16)])
        driver.publish()
        device.add_used(device.get_avail() or 0)
        before = ring_record("a device", device.snapshot(), memory)
        device.get_avail()
        drawn.append(draw(ring_record("a device", device.snapshot(), memory), before))
    return drawn


def pools() -> list[str]:
    """Pools from small to large, at the end of the address space, with mappings that are padded, tiny and whole."""
    drawn = []
    for slots, segment in ((3, 4), (13, 4), (64, 32), (1024, 128)):
        memory = GuestMemory(slots * 512, (1 << 64) - (1 << 30))
        pool = BouncePool(memory, slot_size=512, segment_slots=segment)
        sizes = [300, 512, 40] + [512 * 7] * (slots // 16) + [(segment - 1) * 512] * (slots // 100)
        directions = list(Direction)
        for n, size in enumerate(sizes):
            pool.map(bytearray(size), directions[n % 3], orig_addr=n * 24, min_align_mask=511 * (n % 2))
        usage, counts = pool.usage(), {"slots": slots, "slot_size": 512, "segment_slots": segment}
        record = pool_record(
            f"{slots} slots", pool.mappings(), addr=memory.base, used=usage.used, high_water=usage.high_water, **counts
        )
        drawn += [draw(record, {**record, "mappings": record["mappings"][:-1]}), draw_heat([record] * 3)]
    return drawn


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_picture_is_legible(dark: bool, tmp_path: Path) -> None:
    pictures = [(FOLDER / name).read_text("utf-8") for name in PICTURES]
    pictures += [draw(rings()[-1], rings()[-2]), *views(), *pools()]
    seen = browse(on_a_page(*pictures), tmp_path, dark)["first"]
    judge(seen)
    assert seen["texts"] > 150


def test_a_page_can_be_stepped_through(tmp_path: Path) -> None:
    records = rings(5)
    steps = [Step(f"rule_{n}(x={n})", [record], n == 4) for n, record in enumerate(records)]
    report = browse(draw_page("RingMachine: 5 steps to a failure", steps, "AssertionError: as it must"), tmp_path)
    for seen in report["each"]:
        judge(seen)
    at = [(state["shown"], int(state["slider"]), state["rule"]) for state in report["steps"]]
    assert at == [([n], n, f"rule_{n}(x={n})") for n in (4, 3, 4, 0, 1, 2)]
    assert report["steps"][0]["count"] == "step 4 of 4"


def test_words_on_a_hue_are_legible_and_hues_on_both_papers() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    for name, hue in COLOURS.items():
        assert contrast(hue, "#ffffff") > 4.5 and contrast(hue, "#0d1117") > 3.9, name
    assert contrast("#e09f3e", "#ffffff") < 3, "the negative control: a lighter amber"


def test_the_browser_notices(tmp_path: Path) -> None:
    """Negative control: words that overlap, that leave the sheet, that are too faint; a page that is too wide."""
    sheet = draw(rings()[0])
    wrong = sheet.replace(
        "</svg>",
        '<text x="30" y="36" class="ink">over the name</text><text x="2000" y="20" class="ink">outside</text>'
        '<text x="400" y="470" fill="#cccccc">faint</text></svg>',
    )
    seen = browse(on_a_page(wrong, '<div style="width:1300px">wide</div>'), tmp_path)["first"]
    assert seen["overlaps"] and seen["outside"] == ["outside"] and "faint" in seen["faint"] and seen["wider"] > 0
