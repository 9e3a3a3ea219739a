# SPDX-License-Identifier: MIT
"""The report as one HTML file that needs nothing else, as CSV and JSON, and as a table for a terminal."""

from __future__ import annotations

import base64
import csv
import dataclasses
import difflib
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import pygments
import pygments.formatters
import pygments.lexers

from . import budget
from .answer import PATCHED, claims, differences, plural, sentences
from .asm import ADDRESS, BRANCH, FENCE, LOAD, STORE
from .build import VARIANTS, Sources, gist, in_words
from .measure import Row
from .races import FunctionVerdict, Verdict
from .targets import TARGETS

COLUMNS = [
    f.name for f in dataclasses.fields(Row) if f.name not in ("assembly", "path", "helpers", "findings", "error")
]
METRICS = {
    "bytes": "bytes of code",
    "executed": "instructions executed by one call",
    "cycles": "cycles of those, by llvm-mca's model",
    "instructions": "instructions",
    "loads": "instructions that load",
    "stores": "instructions that store",
    "fences": "fences",
    "address_arithmetic": "instructions that compute an address",
    "repeated_loads": "repeated loads: words loaded more often than asked for",
    "shared_loads": "loads of shared memory, executed",
    "shared_stores": "stores to shared memory, executed",
    "findings": "what became of the accesses",
}


def against_plain(rows: list[Row]) -> list[dict[str, int | None]]:
    """
    Of each row: how much more it is than with plain accesses, and its repeated loads; None where one of the two did not
    build or was not run.
    """
    plain = {row.key: row for row in rows if row.access == "PLAIN" and not row.error}
    found: list[dict[str, int | None]] = []
    for row in rows:
        base = plain.get(row.key) if not row.error else None
        found.append(
            {
                "bytes_more": row.bytes - base.bytes if base else None,
                "executed_more": row.executed - base.executed if base and row.was_run else None,
                "repeated_loads": None if row.error else row.told("repeated_loads"),
            }
        )
    return found


def write_csv(rows: list[Row], path: Path) -> None:
    """One line per row; what was found of the accesses as "narrowed=1 merged=1"."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "bytes_more", "executed_more", "repeated_loads", "findings", "error"])
        for row, more in zip(rows, against_plain(rows), strict=True):
            found = " ".join(f"{kind.replace(' ', '-')}={count}" for kind, count in sorted(row.findings.items()))
            writer.writerow([*(row.told(name) for name in COLUMNS), *more.values(), found, gist(row.error)])


def write_json(
    rows: list[Row], verdicts: list[Verdict], by_function: list[FunctionVerdict], about: dict[str, Any], path: Path
) -> None:
    """{"about", "rows", "races", "races_by_function"}: a row with its assembly, as lines."""

    def plain(row: Row) -> dict[str, Any]:
        return {name: row.told(name) for name in (*COLUMNS, "findings", "error")} | {
            "assembly": [t for _, t in row.assembly]
        }

    data = {
        "about": about,
        "rows": [plain(row) | more for row, more in zip(rows, against_plain(rows), strict=True)],
        "races": [dataclasses.asdict(v) for v in verdicts],
        "races_by_function": [dataclasses.asdict(v) for v in by_function],
    }
    path.write_text(json.dumps(data, indent=1))


def terminal_table(rows: list[Row]) -> str:
    """Bytes and executed instructions of the patch's places, against plain, by target and compiler."""
    accesses = [a for a in dict.fromkeys(r.access for r in rows) if a != "PLAIN"]
    costs = differences(rows, PATCHED)
    out = [
        "Five functions of the patch together: bytes plain; then bytes and executed instructions more, each called"
        " once.",
        "",
    ]
    out.append(f"{'target':<12} {'compiler':<14} {'plain':>6}  " + "  ".join(f"{a.lower():>14}" for a in accesses))
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for cost in costs:
        groups.setdefault((cost.target, cost.column, cost.optimisation), {})[cost.access] = cost
    for (target, column, optimisation), by_access in groups.items():
        cells = [
            f"{by_access[a].bytes:+5d} B {by_access[a].executed:+4d} i" if a in by_access else "-" for a in accesses
        ]
        base = next(iter(by_access.values())).base_bytes
        out.append(
            f"{target:<12} {column + ' ' + optimisation:<14} {base:>6}  " + "  ".join(f"{cell:>14}" for cell in cells)
        )
    return "\n".join([*out, "", *totals(rows, accesses)])


#: What is added up for a terminal, and its heading there.
TOTALS = {
    "bytes": "bytes",
    "loads": "loads",
    "stores": "stores",
    "fences": "fences",
    "address_arithmetic": "address",
    "repeated_loads": "repeated",
    "cycles": "cycles",
    "executed": "executed",
}


def totals(rows: list[Row], accesses: list[str]) -> list[str]:
    """Everything that is counted of those five functions, added up by compiler; what all accessors have built alone."""
    built: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        if row.function in PATCHED and not row.error:
            built.setdefault(row.key, {})[row.access] = row
    whole = [some for some in built.values() if len(some) == len(accesses) + 1]
    out = [
        "The same, all targets and levels added up; fences: instructions that are nothing else, so that an acquire load or",
        "a release store (ldar, ldapr, stlr) is among the loads or stores; address: instructions that compute one;",
        "repeated: loads of a word more often than asked for; cycles: llvm-mca's, where it has a model, and nothing of what",
        "fences wait for; executed: by one call of each.",
        "",
    ]
    out.append(f"{'compiler':<10} {'accesses':<16} {'':>6}" + "".join(f"{heading:>10}" for heading in TOTALS.values()))
    for column in dict.fromkeys(some["PLAIN"].column for some in whole):
        of_column = [some for some in whole if some["PLAIN"].column == column]
        for access in ("PLAIN", *accesses):
            sums = [
                sum(
                    (getattr(some[access], name) or 0) - (getattr(some["PLAIN"], name) or 0) * (access != "PLAIN")
                    for some in of_column
                )
                for name in TOTALS
            ]
            sign = "" if access == "PLAIN" else "+"
            out.append(
                f"{column:<10} {access.lower():<16} {'' if access == 'PLAIN' else 'more':>6}"
                + "".join(f"{round(total):>{sign}10d}" for total in sums)
            )
    return out


def picture(rows: list[Row]) -> str:
    """Extra bytes of the patch's places per target: a dot per compiler and optimisation, a colour per accessor. SVG."""
    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update(
        {"font.family": "sans-serif", "font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "vring"}
    )
    costs = differences(rows, PATCHED)
    names = [t.name for t in TARGETS if any(c.target == t.name for c in costs)]
    accesses = [a for a in dict.fromkeys(r.access for r in rows) if a != "PLAIN"]
    colours = ["#2f6fab", "#d08a1e", "#3d8b5f", "#a04a7f"]
    figure, axes = pyplot.subplots(figsize=(9.2, 3.6), layout="constrained")
    for i, access in enumerate(accesses):
        offset = (i - (len(accesses) - 1) / 2) * 0.22
        points = [(names.index(c.target) + offset, c.bytes) for c in costs if c.access == access]
        axes.scatter(
            [x for x, _ in points],
            [y for _, y in points],
            s=26,
            alpha=0.75,
            linewidths=0,
            color=colours[i % 4],
            label={
                "VOLATILE": "volatile (READ_ONCE)",
                "RELAXED": "C11 relaxed + fences",
                "ACQREL": "C11 acquire/release",
            }.get(access, access),
        )
    axes.axhline(0, color="#444", linewidth=0.8)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("bytes more than plain\nin five functions")
    axes.grid(axis="y", color="#ddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", length=0)
    figure.legend(loc="outside upper left", ncols=len(accesses), frameon=False)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return out.getvalue()


def c_of(sources: Sources, suite: str, function: str) -> str:
    """The C of a function of places.c or gallery.c, coloured; "" for others."""
    path = sources.fixtures / f"{suite}.c"
    if not path.exists():
        return ""
    found = re.search(
        rf"^(?:/\*[^\n]*\*/\n)?[a-z][^\n]*\b{function}\([^{{]*\n{{\n.*?^}}$", path.read_text(), re.M | re.S
    )
    if not found:
        return ""
    formatter = pygments.formatters.HtmlFormatter(nowrap=True)
    return str(pygments.highlight(found[0], pygments.lexers.CLexer(), formatter))


def columns_of(rows: list[Row]) -> list[str]:
    """Compilers by family and age, and a family that is missing by its name alone."""
    columns = sorted({row.column for row in rows}, key=lambda column: (column[0] != "g", int(column.split()[-1])))
    return columns + [family for family in ("gcc", "clang") if not any(column.startswith(family) for column in columns)]


def packed(rows: list[Row], absent: dict[str, str]) -> str:
    """What the page's script reads: columns of numbers, and every distinct piece of assembly once; deflated."""
    texts: dict[str, int] = {}

    def number(row: Row) -> int:
        text = "\n".join(f"{kind}|{line}" for kind, line in row.assembly)
        return texts.setdefault(text, len(texts))

    def found(row: Row) -> str | None:
        return ", ".join(sorted(row.findings)) if row.was_run else None

    data = {
        "columns": columns_of(rows),
        "absent": absent,
        "rows": [
            [
                r.suite,
                r.function,
                r.target,
                r.column,
                r.optimisation,
                r.access,
                [found(r) if m == "findings" else r.told(m) for m in METRICS],
                number(r),
                gist(r.error),
            ]
            for r in rows
        ],
        "metrics": list(METRICS),
        "labels": list(METRICS.values()),
        "assembly": list(texts),
        "targets": [t.name for t in TARGETS],
        "notes": {t.name: t.note for t in TARGETS if t.note},
        "kinds": {"load": LOAD, "store": STORE, "fence": FENCE, "branch": BRANCH, "address": ADDRESS},
    }
    return base64.b64encode(zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)).decode()


def side_by_side(pair: list[tuple[str, Row]]) -> list[list[tuple[str, int, str]]]:
    """
    For each of two rows, or for one alone, its lines as (class, kind, text), with gaps where only the other has some.
    """
    if len(pair) == 1:
        return [[("", kind, text) for kind, text in pair[0][1].assembly]]
    left, right = (row.assembly for _, row in pair)
    out: list[list[tuple[str, int, str]]] = [[], []]
    for what, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for side, lines in enumerate((left[a:b], right[c:d])):
            out[side] += [("" if what == "equal" else "diff", kind, text) for kind, text in lines]
            out[side] += [("gap", 0, "")] * (max(b - a, d - c) - len(lines))
    return out


def findings_table(rows: list[Row], suite: str) -> dict[str, Any]:
    """Per function and compiler column: what happened to plain accesses, and for how many targets."""
    plain = [r for r in rows if r.suite == suite and r.access == "PLAIN" and not r.error]
    columns = list(dict.fromkeys((r.column, r.optimisation) for r in plain))
    table: dict[str, dict[tuple[str, str], dict[str, list[str]]]] = {}
    for row in plain:
        cell = table.setdefault(row.function, {}).setdefault((row.column, row.optimisation), {})
        for kind in row.findings:
            cell.setdefault(kind, []).append(row.target)
    counts = {
        column: plural(len({r.target for r in plain if (r.column, r.optimisation) == column}), "target")
        for column in columns
    }
    return {"columns": columns, "counts": counts, "table": table}


def sizes_table(sources: Sources) -> dict[str, Any]:
    """What is recorded of the library's size, with its goals; empty where nothing is."""
    recorded = sources.fixtures / "budget.csv"
    entries = budget.read(recorded.read_text()) if recorded.exists() else []
    builds = list(dict.fromkeys(e.build for e in entries))
    return (
        {
            "titles": list(map(budget.title, builds)),
            "compilers": sorted({compiler for _, compiler, _, _ in builds}),
            "features": [
                "all" if features == budget.ALL else features.replace(" ", ", ") for _, _, _, features in builds
            ],
            "cells": budget.cells_table(entries, builds),
            "goals": budget.goals(entries),
        }
        if entries
        else {}
    )


def races_table(by_function: list[FunctionVerdict]) -> dict[str, Any]:
    """Per accessor and rule, the verdict of each compiler and level."""
    columns = list(dict.fromkeys((v.compiler, v.optimisation) for v in by_function))
    rows: dict[tuple[str, str], dict[tuple[str, str], FunctionVerdict]] = {}
    for verdict in by_function:
        rows.setdefault((verdict.access, verdict.rule), {})[verdict.compiler, verdict.optimisation] = verdict
    missing = [family for family in ("gcc", "clang") if not any(compiler.startswith(family) for compiler, _ in columns)]
    return {"columns": columns, "rows": rows, "missing": missing}


def write_page(
    rows: list[Row],
    verdicts: list[Verdict],
    by_function: list[FunctionVerdict],
    about: dict[str, Any],
    sources: Sources,
    path: Path,
) -> None:
    """The HTML file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    shown = [r for r in rows if r.access != "HOOK"]
    suites = list(dict.fromkeys(r.suite for r in shown))
    environment.filters["in_words"] = in_words
    environment.filters["unbroken"] = lambda text: text.replace("-O", "\N{NON-BREAKING HYPHEN}O")
    text = environment.get_template("codegen.html").render(
        about=about,
        sentences=sentences(shown),
        claims=claims(shown, by_function),
        verdicts=verdicts,
        races=races_table(by_function),
        data=packed(shown, about["absent"]),
        picture=picture(shown),
        side_by_side=side_by_side,
        metrics=METRICS,
        suites=suites,
        variants=VARIANTS,
        patched=PATCHED,
        functions=list(dict.fromkeys((r.suite, r.function) for r in shown)),
        code={name: c_of(sources, suite, name) for suite, name in dict.fromkeys((r.suite, r.function) for r in shown)},
        findings={suite: findings_table(shown, suite) for suite in suites if suite in ("places", "gallery")},
        sizes=sizes_table(sources),
        kinds={"load": LOAD, "store": STORE, "fence": FENCE, "branch": BRANCH, "address": ADDRESS},
        styles=pygments.formatters.HtmlFormatter(style="default").get_style_defs(".c"),
    )
    path.write_text(text)
