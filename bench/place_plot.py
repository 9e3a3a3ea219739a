# SPDX-License-Identifier: MIT
"""The picture of what a place in a bounce pool costs."""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot

from results import Results

# How each way to find a place is drawn, and called.
WAYS = {
    "pool": ("libbounce", "#2a6f97", "o-"),
    "linux": ("Linux' swiotlb", "#e09f3e", "d-."),
    "counted": ("slot walk with a kernel's bookkeeping", "#c1121f", "s--"),
    "walk": ("plain slot walk, nothing kept", "#a3a3a3", "^:"),
}


def places(results: Results, path: Path) -> None:
    """Nanoseconds over occupancy: a row for each pool, a column for each size; hollow where there is no place."""
    found = results.of("bounce.place")
    if not found:
        return
    pools = list(dict.fromkeys(result.params["slots"] for result in found))
    sizes = list(dict.fromkeys(result.params["size"] for result in found))
    figure, grid = pyplot.subplots(
        len(pools), len(sizes), figsize=(2.6 * len(sizes), 2.4 * len(pools)), sharex=True, sharey=True, squeeze=False
    )
    for row, slots in enumerate(pools):
        for column, size in enumerate(sizes):
            axes = grid[row][column]
            for way, (name, color, style) in WAYS.items():
                line = results.of("bounce.place", slots=slots, size=size, way=way)
                if not line:
                    continue
                occupied = [result.params["occupied_percent"] for result in line]
                axes.plot(occupied, [result.median for result in line], style, color=color, markersize=3, label=name)
                axes.vlines(occupied, [r.low for r in line], [r.high for r in line], color=color, linewidth=1)
                full = [result for result in line if not result.params["fits"]]
                axes.plot(
                    [r.params["occupied_percent"] for r in full],
                    [r.median for r in full],
                    style[0],
                    color=color,
                    markersize=5,
                    markerfacecolor="white",
                )
            axes.set_yscale("log")
            axes.set_title(f"{size} bytes, {slots} slots", fontsize=8)
            axes.grid(axis="y", linewidth=0.3)
    for axes in grid[-1]:
        axes.set_xlabel("occupied, %")
    for axes in grid[:, 0]:
        axes.set_ylabel("ns, map and unmap")
    grid[0][0].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
