# SPDX-License-Identifier: MIT
"""The sentences at the top, and the claims of the mail thread: each computed from the rows, none written down."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .build import VARIANTS, gist, in_words
from .judge import FORBIDDEN
from .kernel import changes_of, kernel_sentence
from .measure import Row
from .races import EXAMPLE, FunctionVerdict

#: The places that the mail thread's patch marks: the used ring's index, element and event word, as a driver reads them.
PATCHED = (
    "place_split_driver_poll",
    "place_split_driver_get",
    "place_split_driver_kick",
    "place_split_driver_kick_flags",
    "place_split_driver_delayed",
)
#: Shapes of the gallery in words.
SHAPES = {"gallery_switch": "“t = *p; switch (t)”", "gallery_poll_loop": "a loop that waits for *p"}
#: What can make a program see two values where its source has one, or half of one, or an old one.
HARMFUL = ("repeated", "torn", "omitted")
#: To what a thing happened, as judge.py's names of things end.
LOADS, STORES, EITHER = ("",), (" store",), ("", " store")
#: What changes an access, and no value that a correct peer would notice.
CHANGED = ("narrowed", "widened", "merged", "unasked")


@dataclass(frozen=True)
class Difference:
    """What an accessor costs in some functions, against plain accesses, for one target, compiler and optimisation."""

    target: str
    compiler: str
    column: str
    optimisation: str
    access: str
    base_bytes: int
    bytes: int  # more than the base
    executed: int  # more instructions, all functions called once
    worst_executed: int  # more instructions in the function that pays most

    @property
    def where(self) -> str:
        return f"{self.compiler} {self.optimisation} for {self.target}"


def differences(rows: Iterable[Row], functions: Iterable[str], base: str = "PLAIN") -> list[Difference]:
    """
    One for every target, compiler, optimisation and accessor but the base's own; none where something did not build.
    """
    wanted = set(functions)
    groups: dict[tuple[str, str, str, str], dict[str, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row.function in wanted and not row.error:
            groups[row.target, row.compiler, row.column, row.optimisation][row.access][row.function] = row
    found = []
    for (target, compiler, column, optimisation), by_access in groups.items():
        plain = by_access.get(base, {})
        for access, some in by_access.items():
            if access == base or some.keys() != plain.keys():
                continue
            executed = [some[name].executed - plain[name].executed for name in some]
            size = bytes_together(plain.values())
            found.append(
                Difference(
                    target,
                    compiler,
                    column,
                    optimisation,
                    access,
                    size,
                    bytes_together(some.values()) - size,
                    sum(executed),
                    max(executed),
                )
            )
    return found


def bytes_together(rows: Iterable[Row]) -> int:
    """Of functions of one build: a helper that several of them call is there once."""
    rows = list(rows)
    helpers = {name: size for row in rows for name, size in row.helpers.items()}
    return sum(row.bytes - sum(row.helpers.values()) for row in rows) + sum(helpers.values())


def tally(rows: Iterable[Row], kinds: Iterable[str], of: Iterable[str] = EITHER) -> list[Row]:
    """The rows in which one of these things happened to a load or a store, or to what else is named."""
    wanted = {f"{kind}{what}" for what in of for kind in kinds}
    return [row for row in rows if wanted & row.findings.keys()]


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:+.1f} %" if whole else "-"


def plural(count: int, what: str) -> str:
    return f"{count} {what}" if abs(count) == 1 else f"{count} {what}s"


def kinds_seen(rows: Iterable[Row], kinds: Iterable[str], of: Iterable[str] = EITHER) -> str:
    """ "narrowed in 12, merged in 3", most frequent first."""
    counts = {kind: len(tally(rows, [kind], of)) for kind in kinds}
    parts = [f"{kind} in {count}" for kind, count in sorted(counts.items(), key=lambda item: -item[1]) if count]
    return ", ".join(parts)


def sentences(rows: list[Row]) -> list[str]:
    """
    The answer: what READ_ONCE costs in the places of the patch, and what the compilers did without it. Before it comes
    what was found of Linux itself, behind it what was found of a header of the user's own.
    """
    of_linux = [said for said in [kernel_sentence(rows)] if said]
    changes = differences(rows, PATCHED)
    costs = [d for d in changes if d.access == "VOLATILE"]
    if not costs:
        nothing = "No compiler built both the plain and the volatile accesses: there is no answer."
        return [*of_linux, nothing, *unbuilt(rows)]
    size = statistics.median(d.base_bytes for d in costs)
    first = (
        "Marking the reads of the patch as READ_ONCE (one volatile access each) changes the five functions that make "
        f"them, {size:.0f} bytes together in the median, by {price(costs)} ({built(costs)})."
    )
    return [
        *of_linux,
        first,
        left_plain(rows),
        *(said for name in own_names(rows) for said in of_own(rows, changes, name)),
        *unbuilt(rows),
    ]


def left_plain(rows: list[Row]) -> str:
    """What became of the plain reads, there and elsewhere."""
    plain = [row for row in rows if row.access == "PLAIN" and row.function in PATCHED and not row.error]
    bad = tally(plain, HARMFUL, LOADS)
    changed = kinds_seen(plain, FORBIDDEN, LOADS)
    shapes = tally([row for row in rows if row.suite == "gallery" and row.access == "PLAIN"], HARMFUL, LOADS)
    said = (
        f"Left plain, the reads were {describe(bad, 'repeated, torn or omitted')} on the path that each call took, "
        f"in {len(plain)} builds of a function"
    )
    said += f" (though the compilers did change them: {changed})" if changed and not bad else ""
    if shapes:
        example = next((row for row in shapes if row.function == "gallery_switch"), shapes[0])
        said += (
            ", while the same compilers do such things to plain loads elsewhere: "
            f"{example.compiler} {example.optimisation} for {example.target} {verb(example)} "
            f"in {SHAPES.get(example.function, example.function)}"
        )
    return said + "."


def unbuilt(rows: list[Row]) -> Iterator[str]:
    """Of a header of the user's own: how often it came to nothing, and why the first time."""
    for name in own_names(rows):
        some = [row for row in rows if row.access == name]
        if failed := [row for row in some if row.error]:
            first = failed[0]
            yield (
                f"{name} did not build, or did not run, in {len(failed)} of {plural(len(some), 'build')} of a function; "
                f"the first, {first.compiler} {first.optimisation} for {first.target}: {gist(first.error)}"
            )


def price(costs: list[Difference]) -> str:
    """What an accessor costs in some builds: "-4 to +40 bytes, +2 in the median, and adds at most ..."."""
    low, high = (pick(d.bytes for d in costs) for pick in (min, max))
    median = statistics.median(d.bytes for d in costs)
    span = f"{low:+d} bytes" if low == high else f"{low:+d} to {high:+d} bytes, {median:+.0f} in the median"
    most = max(0, *(d.worst_executed for d in costs))
    return f"{span}, and adds at most {plural(most, 'executed instruction')} to a call"


def built(costs: list[Difference]) -> str:
    """Which builds these are, and in which of several it costs most."""
    compilers = ", ".join(sorted({d.compiler for d in costs}))
    targets = list(dict.fromkeys(d.target for d in costs))
    levels = " and ".join(sorted({d.optimisation for d in costs}))
    said = f"{plural(len(costs), 'build')}: {compilers}, for "
    said += f"{targets[0] if len(targets) == 1 else plural(len(targets), 'target')} at {levels}"
    if len(costs) == 1:
        return said
    largest, slowest = max(costs, key=lambda d: d.bytes), max(costs, key=lambda d: d.worst_executed)
    return f"{said}; most bytes: {largest.where}; most instructions: {slowest.where}"


def describe(bad: list[Row], what: str) -> str:
    if not bad:
        return "never " + what
    return f"{kinds_seen(bad, HARMFUL, LOADS)} ({bad[0].compiler} {bad[0].optimisation} for {bad[0].target}, {bad[0].function})"


def verb(row: Row) -> str:
    """What happened to a load in a row, as a verb."""
    kind = next(k for k in HARMFUL if k in row.findings)
    return {
        "repeated": "loads twice what is asked for once",
        "torn": "makes one access in pieces",
        "omitted": "makes fewer accesses than asked for",
    }[kind]


@dataclass
class Claim:
    """Something that the mails say, whether it holds, why, and the code that shows it: (title, row)."""

    text: str
    verdict: str  # "confirmed", "refuted", "in part"
    why: str
    evidence: list[tuple[str, Row]] = field(default_factory=list)


def claims(rows: list[Row], by_function: Iterable[FunctionVerdict] = ()) -> list[Claim]:
    """
    The two mails' claims. Needs rows of the places and of the gallery, plain and volatile; of races what there is.
    Behind the claim that marking helps comes the same of a header of the user's own.
    """
    plain = [r for r in rows if r.access == "PLAIN" and not r.error]
    marked = {r.key: r for r in rows if r.access == "VOLATILE" and not r.error}
    return [
        may_transform(plain, marked),
        does_not(plain, marked),
        mark_helps(rows),
        *(own_helps(rows, marked, name) for name in own_names(rows)),
        *costs(rows),
        *races(by_function),
    ]


def with_marked(row: Row, marked: dict[tuple[str, str, str, str, str], Row]) -> list[tuple[str, Row]]:
    pair = [(f"{where(row)}: plain", row)]
    return [*pair, (f"{where(row)}: volatile", marked[row.key])] if row.key in marked else pair


def may_transform(plain: list[Row], marked: dict[tuple[str, str, str, str, str], Row]) -> Claim:
    shapes = [r for r in plain if r.suite == "gallery"]
    bad = tally(shapes, HARMFUL, LOADS)
    evidence: list[tuple[str, Row]] = []
    for kind in ("repeated", "omitted", "torn"):
        some = tally(shapes, [kind], LOADS)
        if some:
            best = min(some, key=lambda r: (r.target != "x86-64", len(r.assembly)))
            evidence += with_marked(best, marked)
    by = sorted({r.compiler for r in bad})
    return Claim(
        "A compiler may load a plainly read field more than once, in pieces, or not again.",
        "confirmed" if bad else "refuted",
        f"Of {len(shapes)} builds of the gallery's plain shapes, loads: "
        f"{kinds_seen(shapes, FORBIDDEN, LOADS) or 'none changed'}; "
        f"stores: {kinds_seen(shapes, FORBIDDEN, STORES) or 'none changed'}. Compilers, of loads: {', '.join(by) or 'none'}."
        + by_function(bad),
        evidence,
    )


def by_function(bad: list[Row]) -> str:
    """Which shapes by which compilers."""
    groups: dict[str, set[str]] = defaultdict(set)
    for row in bad:
        groups[row.function.removeprefix("gallery_")].add(row.column)
    return "".join(f" {name}: {', '.join(sorted(columns))}." for name, columns in sorted(groups.items()))


def does_not(plain: list[Row], marked: dict[tuple[str, str, str, str, str], Row]) -> Claim:
    ours = [r for r in plain if r.suite == "places"]
    bad, other = tally(ours, HARMFUL), tally(ours, CHANGED)
    evidence: list[tuple[str, Row]] = []
    for kind in (*HARMFUL, *CHANGED):
        if some := tally(ours, [kind]):
            best = min(
                some,
                key=lambda r: (
                    kind not in r.findings,
                    r.target != "x86-64",
                    r.function not in PATCHED,
                    len(r.assembly),
                ),
            )
            evidence += with_marked(best, marked)
    if not evidence:  # one that is as it was asked for
        evidence = [side for r in ours if r.function == "place_split_driver_get" for side in with_marked(r, marked)][:2]
    verdict = "refuted" if bad else ("in part" if other else "confirmed")
    return Claim(
        "It may, but in the virtqueue's functions it does not.",
        verdict,
        f"Of {len(ours)} builds of the places where driver and device read each other: "
        f"{kinds_seen(bad, HARMFUL) if bad else 'none was repeated, torn or omitted'}; "
        f"{kinds_seen(ours, ('narrowed', 'widened', 'merged')) or 'none was narrowed, widened or merged'}. "
        + (
            "What happened changes no value that a correct peer could notice, but it is not what the source says."
            if other and not bad
            else ""
        ),
        evidence[:6],
    )


def mark_helps(rows: list[Row]) -> Claim:
    others = [r for r in rows if r.access in VARIANTS and r.access != "PLAIN" and r.was_run and not r.error]
    bad = tally(others, FORBIDDEN)
    harm = tally(others, HARMFUL)
    builds = ", ".join(sorted({f"{in_words(r.access)} by {r.compiler} for {r.target}" for r in bad}))
    if bad:
        worst = min((r for r in bad if set(r.findings) == set(bad[0].findings)), key=lambda r: len(r.assembly))
        shown = [(f"{where(worst)}: {in_words(worst.access)}", worst)]
    else:
        shown = counterexample(rows)
    return Claim(
        "One volatile or atomic access each forbids all that.",
        "refuted" if harm else ("in part" if bad else "confirmed"),
        f"Of {len(others)} builds with marked accesses: "
        + (f"{kinds_seen(bad, FORBIDDEN)} ({builds})." if bad else "every access was made once, whole, as asked for."),
        shown,
    )


def own_names(rows: Iterable[Row]) -> list[str]:
    """The headers of the user's own."""
    return list(dict.fromkeys(row.access for row in rows if row.access not in (*VARIANTS, "HOOK")))


def of_own(rows: list[Row], changes: list[Difference], name: str) -> list[str]:
    """What a header of the user's own costs, and whether it does what it is for."""
    price_of = [change for change in changes if change.access == name]
    some = [row for row in rows if row.access == name and not row.error]
    said = [f"{name} changes them by {price(price_of)} ({built(price_of)})."] if price_of else []
    if not some:
        return said
    functions, bad = plural(len({row.function for row in some}), "function"), tally(some, FORBIDDEN)
    kept = f"{name} makes each access once and whole in {functions}"
    if bad:
        counts = {kind: len({row.function for row in tally(bad, [kind])}) for kind in FORBIDDEN}
        seen = ", ".join(f"{kind} in {count}" for kind, count in counts.items() if count)
        kept = f"{name} does not make each access once and whole: of {functions}, {seen} ({where(bad[0])})"
    return [*said, f"{kept}, on the path that each call took{more_fences(rows, some)}."]


def more_fences(rows: Iterable[Row], some: list[Row]) -> str:
    """In how many functions a header needs more of them than volatile accesses do; "" if in none."""
    marked = {row.key: row.fences for row in rows if row.access == "VOLATILE" and not row.error}
    more = [row for row in some if row.fences > marked.get(row.key, row.fences)]
    if not more:
        return ""
    most = max(more, key=lambda row: row.fences - marked[row.key])
    return (
        f"; it has more fences than volatile accesses in {len({row.function for row in more})} "
        f"(most: {most.fences - marked[most.key]:+d}, {where(most)})"
    )


def does_harm(rows: list[Row]) -> bool:
    """Whether a header of the user's own does not do what it is for, or not everywhere that it was asked to."""
    names = own_names(rows)
    own = [row for row in rows if row.access in names]
    return bool(tally(own, FORBIDDEN)) or any(row.error for row in own)


def own_helps(rows: list[Row], marked: dict[tuple[str, str, str, str, str], Row], name: str) -> Claim:
    """What of_own says at the top, with the code."""
    some = [row for row in rows if row.access == name and not row.error]
    bad, harm = tally(some, FORBIDDEN), tally(some, HARMFUL)
    shown = sorted(
        harm or bad or some, key=lambda r: (r.target != "x86-64", r.function not in PATCHED, len(r.assembly))
    )
    return Claim(
        f"{name} makes each access once and whole.",
        "refuted" if harm else ("in part" if bad else "confirmed" if some else "not built"),
        f"Of {len(some)} builds of a function with it: "
        f"{kinds_seen(bad, FORBIDDEN) or 'every access was made once, whole, as asked for'}.",
        [
            (f"{where(row)}: {in_words(row.access)}", row)
            for mine in shown[:1]
            for row in (*([marked[mine.key]] if mine.key in marked else []), mine)
        ],
    )


def counterexample(rows: list[Row]) -> list[tuple[str, Row]]:
    """What was loaded twice when it was plain, as it is with marked accesses."""
    shapes = tally([r for r in rows if r.suite == "gallery" and r.access == "PLAIN"], ["repeated"])
    if not shapes:
        return []
    plain = min(shapes, key=lambda r: ("repeated" not in r.findings, r.target != "x86-64", len(r.assembly)))
    return [
        (f"{where(r)}: {in_words(r.access)}", r)
        for r in rows
        if r.key == plain.key and r.access in ("VOLATILE", "ACQREL")
    ]


def where(row: Row) -> str:
    """ "switch, gcc 12.2.0 -O2 for x86-64"."""
    name = re.sub("^(gallery|place)_", "", row.function)
    return f"{name}, {row.compiler} {row.optimisation} for {row.target}"


def costs(rows: list[Row]) -> list[Claim]:
    made = []
    of: dict[tuple[str, ...], Row] = {(*r.key, r.access): r for r in rows if r.function in PATCHED and not r.error}
    for access, words in (
        ("VOLATILE", "READ_ONCE costs"),
        ("ACQREL", "Atomic loads and stores with acquire and release cost"),
    ):
        some = [d for d in differences(rows, PATCHED) if d.access == access]
        if not some:
            continue
        median, most = statistics.median(d.bytes for d in some), max(some, key=lambda d: d.bytes)
        slow = max(some, key=lambda d: d.worst_executed)
        free = sum(d.bytes <= 0 for d in some)
        relative = max(d.bytes / d.base_bytes for d in some)
        of_linux = (
            [more for changes in changes_of(rows).values() for more, _ in changes] if access == "VOLATILE" else []
        )
        grows = max(most.bytes, *of_linux, 0) > 0
        made.append(
            Claim(
                f"{words} performance, or at least code size.",
                "in part" if free and grows else ("confirmed" if grows else "refuted"),
                f"{median:+.0f} bytes in the median for all five functions together, {most.bytes:+d} at most "
                f"({most.where}, {relative * 100:.0f} % of five functions that are little else), "
                f"none or fewer in {free} of {len(some)} builds; "
                f"{slow.worst_executed:+d} executed instructions per call at most ({slow.where}), "
                f"{statistics.median(d.executed for d in some) / len(PATCHED):+.1f} in the median."
                + (f" Linux' own virtio_ring.c: {min(of_linux):+d} to {max(of_linux):+d} bytes." if of_linux else ""),
                [side for d in dict.fromkeys((most_on("x86-64", some), most)) if d for side in what_grew(d, of)],
            )
        )
    return made


def most_on(target: str, some: list[Difference]) -> Difference | None:
    """The build for a target that pays most; None where none was made."""
    return max((d for d in some if d.target == target), key=lambda d: d.bytes, default=None)


def what_grew(cost: Difference, of: dict[tuple[str, ...], Row]) -> list[tuple[str, Row]]:
    """The function that pays most in a build, plain and with that accessor."""
    pairs = [
        (
            of["places", name, cost.target, cost.column, cost.optimisation, "PLAIN"],
            of["places", name, cost.target, cost.column, cost.optimisation, cost.access],
        )
        for name in PATCHED
    ]
    pair = max(pairs, key=lambda both: both[1].bytes - both[0].bytes)
    return [(f"{where(row)}: {in_words(row.access)}", row) for row in pair]


def races(by_function: Iterable[FunctionVerdict]) -> list[Claim]:
    """What the detectors say of the plain accesses, and of what takes their place; none where none was asked."""
    asked = [v for v in by_function if not v.error]
    plain = [v for v in asked if v.access == "PLAIN"]
    if not plain:
        return []
    some, all_of_them = sum(len(v.raced) for v in plain), sum(len(v.raced) + len(v.quiet) for v in plain)
    others = []
    for access, rule in dict.fromkeys((v.access, v.rule) for v in asked if v.access != "PLAIN"):
        raced = sum(len(v.raced) for v in asked if (v.access, v.rule) == (access, rule))
        others.append(f"{in_words(access)} by the rule of {rule}: {raced or 'none'}")
    builds = ", ".join(dict.fromkeys(f"{v.compiler} {v.optimisation}" for v in plain))
    return [
        Claim(
            "Plain accesses are a data race to a race detector.",
            "confirmed" if some == all_of_them else ("in part" if some else "refuted"),
            f"{some} of {all_of_them} functions race with plain accesses, by either rule ({builds}). "
            f"Of as many by each rule, {'; '.join(others)}. "
            "Below, what a compiler tells the detector of one of them: __tsan_read for an access that may not race; "
            "and for one that may, __tsan_volatile_read or __tsan_atomic_load.",
            [
                side
                for access, rule in (("PLAIN", "Linux"), ("VOLATILE", "Linux"), ("VOLATILE", "C11"), ("ACQREL", "C11"))
                for side in told(asked, access, rule)
            ],
        )
    ]


def told(asked: list[FunctionVerdict], access: str, rule: str) -> list[tuple[str, Row]]:
    """The code of one function as it is under a race detector; nothing where it was not kept."""
    name = EXAMPLE.removeprefix("place_")
    return [
        (
            f"{name} under ThreadSanitizer, {v.compiler} {v.optimisation}: {in_words(access)}, by the rule of {rule}",
            Row("places", EXAMPLE, "", v.compiler, v.column, v.optimisation, access, assembly=v.assembly),
        )
        for v in asked
        if (v.access, v.rule) == (access, rule) and v.assembly
    ]
