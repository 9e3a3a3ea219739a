# SPDX-License-Identifier: MIT
"""One page to step through what happened: a slider, the rule of each step, the picture after it, and what changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape

from . import draw
from .heat import draw_heat
from .snapshot import Record, SnapshotError, check

CHANGES_MAX = 200  # rows of one step; a page is for reading


@dataclasses.dataclass(frozen=True)
class Step:
    """What was done, and what there was to see after it: records with different names. ``failed`` if it went wrong."""

    rule: str
    records: Sequence[Record] = ()
    failed: bool = False


def draw_page(title: str, steps: Sequence[Step], failure: str = "") -> str:
    """
    The page, as the text of one HTML file that needs no other. ``failure`` is what went wrong in the end. A record that
    cannot be drawn is said to be so and spoils nothing else.
    """
    if not steps:
        raise SnapshotError("no step to show")
    sections: list[str] = []
    before: dict[str, Record] = {}
    for number, step in enumerate(steps):
        sections.append(_section(number, step, before))
        before = {str(record.get("name")): record for record in step.records}
    rules = "".join(
        f'<li{" class=failed" if step.failed else ""}><button type="button">{_call(step.rule)}</button></li>'
        for step in steps
    )
    return "".join([
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n',
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n",
        f"<header><h1>{escape(title)}</h1>",
        f'<pre class="failure">{escape(failure)}</pre>' if failure else "",
        f'<div class="time"><button type="button" id="back" aria-label="one step back">&#9664;</button>'
        f'<input id="step" type="range" min="0" max="{len(steps) - 1}" value="{len(steps) - 1}" aria-label="step">'
        '<button type="button" id="on" aria-label="one step on">&#9654;</button>'
        f'<output id="count"></output></div></header>\n<main><ol start="0">{rules}</ol><div>\n',
        *sections, _over_time(steps), f"</div></main>\n<script>{_SCRIPT}</script>\n</html>\n",
    ])  # fmt: skip


def _call(rule: str) -> str:
    """A call in two tones: what is called, and with what."""
    name, bracket, arguments = rule.partition("(")
    return f"<b>{escape(name)}</b><span>{escape(bracket + arguments)}</span>"


def _section(number: int, step: Step, before: dict[str, Record]) -> str:
    pictures, rows = [], []
    for record in step.records:
        old = before.get(str(record.get("name")))
        try:
            pictures.append(f"<figure>{draw(record, old if old and _is_one(old) else None)}</figure>")
        except (SnapshotError, KeyError, TypeError) as error:
            pictures.append(f"<p>No picture of {escape(str(record.get('name')))}: {escape(str(error))}</p>")
        rows += changes(old, record) if old else []
    more = f"<tr><td colspan=3>and {len(rows) - CHANGES_MAX} more</td></tr>" if len(rows) > CHANGES_MAX else ""
    table = "".join(
        f"<tr><td>{escape(path)}</td><td>{escape(a)}</td><td>{escape(b)}</td></tr>" for path, a, b in rows[:CHANGES_MAX]
    )
    table = (
        f"<table><thead><tr><th>changed</th><th>from</th><th>to</th></tr></thead>{table}{more}</table>"
        if rows
        else ("<p>Nothing here has changed.</p>" if before and step.records else "")
    )
    return (
        f'<section data-step="{number}"{" class=failed" if step.failed else ""}>{"".join(pictures)}{table}</section>\n'
    )


def _is_one(record: Record) -> bool:
    """Whether it is a snapshot, against which another can be held."""
    try:
        check(record)
    except SnapshotError:
        return False
    return True


def changes(before: Record, after: Record) -> list[tuple[str, str, str]]:
    """What is not the same in two records of one object: (path, then, now), in the order of the record."""
    return list(_differences(str(after.get("name")), before, after))


def _differences(path: str, a: object, b: object) -> list[tuple[str, str, str]]:
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*b, *(key for key in a if key not in b)]
        return [row for key in keys for row in _differences(f"{path}.{key}", a.get(key), b.get(key))]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [row for i, pair in enumerate(zip(a, b, strict=True)) for row in _differences(f"{path}[{i}]", *pair)]
    if isinstance(a, list) and isinstance(b, list):
        gone = [(path, _value(item), "-") for item in a if item not in b]
        return gone + [(path, "-", _value(item)) for item in b if item not in a]
    return [(path, _value(a), _value(b))]


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
    if value is None:
        return "-"
    return f"{value} = {value:#x}" if isinstance(value, int) and value > 9 else str(value)


def _over_time(steps: Sequence[Step]) -> str:
    """Of every pool: its slots over all steps."""
    pools: dict[str, list[Record]] = {}
    for step in steps:
        for record in step.records:
            if "bounce-snapshot" in record:
                pools.setdefault(str(record.get("name")), []).append(record)
    figures = []
    for records in pools.values():
        if len(records) > 1:
            try:
                figures.append(f"<figure>{draw_heat(records)}</figure>")
            except SnapshotError:
                continue
    return "".join(figures)


_STYLE = """
:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--paper:#f6f8fa;--card:#fff;--edge:#d1d9e0;--mark:#d6409f;
--red:#cf222e;--pink:#ffebe9}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--paper:#010409;--card:#0d1117;--edge:#30363d;
--mark:#f778ba;--red:#ff7b72;--pink:#3c1618}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:14px/1.45 system-ui,'Segoe UI','DejaVu Sans',sans-serif}
header{position:sticky;top:0;background:var(--card);border-bottom:1px solid var(--edge);padding:12px 20px;z-index:1}
h1{font-size:17px;margin:0 0 8px}
.failure{margin:0 0 10px;padding:8px 12px;border-radius:6px;
background:var(--pink);color:var(--red);white-space:pre-wrap;
font:12.5px/1.4 ui-monospace,'DejaVu Sans Mono',monospace;max-height:9em;overflow:auto}
.time{display:flex;gap:8px;align-items:center}
.time input{flex:1;accent-color:var(--mark)}
.time output{min-width:9em;text-align:right;color:var(--soft);font-variant-numeric:tabular-nums}
button{font:inherit;color:inherit;background:none;border:1px solid var(--edge);
border-radius:6px;padding:2px 9px;cursor:pointer}
main{display:grid;grid-template-columns:minmax(200px,270px) minmax(0,1fr);gap:18px;padding:16px 20px;max-width:1500px}
ol{margin:0;padding:0 0 0 2.2em;color:var(--soft);font-size:12.5px}
li button{display:block;width:100%;text-align:left;border-color:transparent;padding:3px 8px;overflow-wrap:anywhere}
li span{color:var(--soft)}
li.now button{background:var(--card);border-color:var(--mark)}
li.failed b{color:var(--red)}
section{display:none}
section.now{display:block}
figure{margin:0 0 14px}
figure svg{max-width:100%;height:auto;display:block}
table{border-collapse:collapse;background:var(--card);border:1px solid var(--edge);border-radius:6px;font-size:12.5px;
margin-bottom:14px}
td,th{padding:3px 12px;text-align:left;border-top:1px solid var(--edge);font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:600;border:0}
td:first-child{color:var(--mark);font-family:ui-monospace,'DejaVu Sans Mono',monospace}
@media(max-width:760px){main{grid-template-columns:1fr}ol{max-height:12em;overflow:auto}}
"""

_SCRIPT = """
const slider = document.getElementById("step"), count = document.getElementById("count");
const steps = [...document.querySelectorAll("section")], rules = [...document.querySelectorAll("main li")];
function show(n) {
    n = Math.max(0, Math.min(steps.length - 1, n));
    slider.value = n;
    steps.forEach((step, i) => step.classList.toggle("now", i === n));
    rules.forEach((rule, i) => rule.classList.toggle("now", i === n));
    rules[n].scrollIntoView({block: "nearest"});
    count.value = "step " + n + " of " + (steps.length - 1);
    history.replaceState(null, "", "#" + n);
}
slider.addEventListener("input", () => show(+slider.value));
document.getElementById("back").addEventListener("click", () => show(+slider.value - 1));
document.getElementById("on").addEventListener("click", () => show(+slider.value + 1));
rules.forEach((rule, i) => rule.addEventListener("click", () => show(i)));
document.addEventListener("keydown", event => {
    if (event.target === slider) return;
    if (event.key === "ArrowLeft") show(+slider.value - 1);
    if (event.key === "ArrowRight") show(+slider.value + 1);
});
show(location.hash ? +location.hash.slice(1) || 0 : steps.length - 1);
"""
