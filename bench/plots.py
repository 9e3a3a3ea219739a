# SPDX-License-Identifier: MIT
"""The pictures of the performance page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot  # noqa: E402

import goals  # noqa: E402
import place_plot  # noqa: E402
from results import Result, Results, inverse  # noqa: E402

OURS, THEIRS, GOAL = "#2a6f97", "#a3a3a3", "#c1121f"
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "libvring",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
}


def save(figure: matplotlib.figure.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def peers(results: Results, path: Path) -> None:
    """Ratios of ours over theirs with their intervals, batches of 32 of one piece, and the goal of each."""
    ring = goals.ring(32)
    limits = {id(goal.measure(results)): goal.limit for goal in goals.GOALS}
    bars: list[tuple[str, Result]] = []
    for bench, what in (("pair", "pair"), ("driver", "driver"), ("device", "device")):
        for form in ("split", "packed"):
            for ratio in results.of(f"peers.{bench}_ratio", **{**ring, "format": form}):
                peer = ratio.params["peer"]
                if peer == "twin" and form == "split":
                    bars.append((f"{what}: our own, once more", ratio))
                elif peer != "twin":
                    theirs = "" if ratio.params["peer_format"] == form else f", {ratio.params['peer_format']}"
                    bars.append((f"{form} {what}: {peer.replace('_', ' ')}{theirs}", ratio))
    if not bars:
        return
    bars.reverse()
    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.24 * len(bars)))
    for row, (name, ratio) in enumerate(bars):
        axes.barh(row, ratio.median, color=THEIRS if "once more" in name else OURS, height=0.65)
        axes.plot([ratio.low, ratio.high], [row, row], color="black", linewidth=1)
        limit = limits.get(id(ratio))
        if limit is not None:
            axes.plot([limit, limit], [row - 0.4, row + 0.4], color=GOAL, linewidth=2)
    axes.plot([], [], color=GOAL, linewidth=2, label="goal")
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.set_xlim(left=0)
    axes.set_xlabel("our time over theirs, per buffer, one thread, batches of 32 (line: what the medians lie between)")
    axes.legend(loc="lower right")
    save(figure, path)


def prices(results: Results, path: Path) -> None:
    """What the checks cost, and what each feature, for batches of 32: beside each other, each against its own."""
    rows: list[tuple[str, Result | None, Result | None]] = []
    for form in ("split", "packed"):
        for chain, features in (
            (1, {}),
            (3, {}),
            (1, {"event_idx": True}),
            (3, {"indirect": True}),
            (1, {"in_order": True}),
        ):
            ring = goals.ring(32, chain, format=form, **features)
            honest = results.one("ring.to_checked", **ring, build="honest")
            name = ", ".join([form, "1 piece" if chain == 1 else f"{chain} pieces", *features])
            rows.append((name, inverse(honest) if honest else None, results.one("ring.to_plain", **ring)))
    if not any(checks for _, checks, _ in rows):
        return
    rows.reverse()
    figure, (left, right) = pyplot.subplots(1, 2, sharey=True, figsize=(8, 0.9 + 0.28 * len(rows)))
    for axes, column, title in (
        (left, 1, "with all checks, over without"),
        (right, 2, "over split without the feature"),
    ):
        for at, row in enumerate(rows):
            ratio = row[column]
            if isinstance(ratio, Result):
                axes.barh(at, ratio.median, color=OURS, height=0.65)
                axes.plot([ratio.low, ratio.high], [at, at], color="black", linewidth=1)
        axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(title, fontsize=9)
        axes.set_xlim(left=0)
    left.axvline(1.1, color=GOAL, linewidth=1.5, label="goal")
    left.legend(loc="lower left")
    left.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    save(figure, path)


def cores(results: Results, path: Path) -> None:
    """Nanoseconds per buffer on two cores, polling, with a line's trip for scale."""
    cases = [("1 in flight", 1, 1), ("one by one", 1, 256), ("batches of 32", 32, 256), ("batches of 256", 256, 1024)]
    rings = [
        (f"{who} {form}{', in order' if in_order else ''}", {"driver": driver, "format": form, "in_order": in_order})
        for who, driver in (("floor", "floor"), ("ours", "checked"), ("Linux", "linux"))
        for form in ("split", "packed")
        for in_order in (False, True)
    ]
    bars = [
        [
            results.one(
                "cores.pair", **{**goals.ring(batch), **which}, window=window, wait="poll", device=which["driver"]
            )
            for _, batch, window in cases
        ]
        for _, which in rings
    ]
    shown = [(name, found) for (name, _), found in zip(rings, bars) if any(found)]
    if not shown:
        return
    figure, axes = pyplot.subplots(figsize=(8, 4))
    width = 0.8 / len(shown)
    colors = [pyplot.get_cmap("tab20")(i) for i in range(20)]
    for i, (name, found) in enumerate(shown):
        for place, result in enumerate(found):
            if result:
                at = place - 0.4 + (i + 0.5) * width
                axes.bar(at, result.median, width, color=colors[i], label=name)
                axes.plot([at, at], [result.low, result.high], color="black", linewidth=1)
    line = results.one("machine.cache_line_one_way", lines=2, paused=True)
    if line:
        axes.axhline(line.median, color="black", linewidth=0.8, linestyle=":", label="a cache line, one way")
    axes.set_yscale("log")
    axes.set_xticks(range(len(cases)), [name for name, _, _ in cases])
    axes.set_ylabel("ns per buffer")
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles))
    axes.legend(unique.values(), unique.keys(), ncol=2, fontsize=8)
    save(figure, path)


def write(results: Results, folder: Path) -> None:
    """All pictures of which there is something to show."""
    with matplotlib.rc_context(SETTINGS):
        peers(results, folder / "peers.svg")
        cores(results, folder / "cores.svg")
        prices(results, folder / "prices.svg")
        place_plot.places(results, folder / "places.svg")
