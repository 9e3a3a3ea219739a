# SPDX-License-Identifier: MIT
"""What the rings and pools are meant to cost, each goal beside what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from results import Result, Results, interval, inverse, number

Measure = Callable[[Results], "Result | None"]


@dataclass(frozen=True)
class Goal:
    """
    At most `limit`, or at least it, of what `measure` finds. `floor`, if given, is what the least code comes to, and
    `floor_there` what it came to on the machine of which the goal was set.
    """

    what: str
    limit: float
    measure: Measure
    floor: Measure | None = None
    at_least: bool = False
    stretch: float | None = None
    floor_there: float | None = None

    def verdict(self, result: Result, floor: Result | None = None) -> str:
        """
        "met" and "not met" are said of all the interval; else it is undecided. Where the least code misses the goal,
        too, what is not met is also told over that code, here and as the goal was set.
        """
        good, bad = (result.low, result.high) if self.at_least else (-result.high, -result.low)
        limit = self.limit if self.at_least else -self.limit
        if good >= limit:
            return "**met**"
        verdict = "not met" if bad < limit else "undecided"
        if floor and self.floor_there and floor.median > self.limit:
            here, there = result.median / floor.median, self.limit / self.floor_there
            verdict += f"; {number(here)} of hand-written, and the goal is {number(there)} of it"
        return verdict


def ring(batch: int, chain: int = 1, **features: Any) -> dict[str, Any]:
    """The parameters of a ring without any feature but those named."""
    plain = {"format": "split", "event_idx": False, "indirect": False, "in_order": False}
    return {**plain, "chain": chain, "batch": batch, **features}


def one(bench: str, **params: Any) -> Measure:
    return lambda results: results.one(bench, **params)


def cores(batch: int, window: int, **features: Any) -> tuple[Measure, Measure]:
    """Our pair over Linux', on two cores, and the floor over that."""
    params = {**ring(batch, **features), "window": window, "wait": "poll"}
    peer = {"peer_format": params["format"], "peer_in_order": params["in_order"]}
    ours = one("cores.pair_ratio", **params, driver="linux", device="linux")
    over_floor = one("cores.pair_ratio", **params, driver="floor", **peer)

    def floor_to_ours(results: Results) -> Result | None:
        ratio = over_floor(results)
        return inverse(ratio) if ratio else None

    return ours, scaled(ours, floor_to_ours)


def scaled(measure: Measure, by: Measure) -> Measure:
    """What `measure` finds, times a ratio: only the median means something."""

    def scale(results: Results) -> Result | None:
        result, ratio = measure(results), by(results)
        return replace(result, median=result.median * ratio.median) if result and ratio else None

    return scale


def floor_to_ours(**params: Any) -> Measure:
    return one("ring.to_checked", **params, build="floor")


def over_linux(**params: Any) -> tuple[Measure, Measure]:
    """Our pair over Linux' driver and vringh, and the floor over them."""
    ours = one("peers.pair_ratio", **params, peer="linux")
    return ours, scaled(ours, floor_to_ours(**params))


def instructions(**params: Any) -> tuple[Measure, Measure]:
    """Ours, and the floor's."""
    return one("ring.instructions", **params, build="checked"), one("ring.instructions", **params, build="floor")


def price_of_checks(**params: Any) -> Measure:
    def measure(results: Results) -> Result | None:
        honest = results.one("ring.to_checked", **params, build="honest")
        return inverse(honest) if honest else None

    return measure


def beyond_two_fences(pair: Measure) -> Measure:
    """A batch of one, less two full fences."""

    def beyond(results: Results) -> Result | None:
        whole, fence = pair(results), results.one("machine.store_and_full_fence")
        if not whole or not fence:
            return None
        less = 2 * fence.median
        return replace(whole, median=whole.median - less, low=whole.low - less, high=whole.high - less)

    return beyond


ONE_BY_ONE = one("ring.pair", **ring(1), build="checked")


def slowest_place(slots: int) -> Measure:
    def measure(results: Results) -> Result | None:
        found = results.of("bounce.place", slots=slots, way="pool")
        return max(found, key=lambda result: result.median) if found else None

    return measure


def worst_place_over(way: str) -> Measure:
    """Our time over that of another way, where that is the most."""
    return lambda results: max(results.of(f"bounce.to_{way}"), key=lambda result: result.median, default=None)


def gain_over_two_pools(results: Results) -> Result | None:
    """
    What the second thread gains on two areas, over what it gains on two pools, which share nothing: the median of all
    loads, and but for two loads at either end all lie in the interval.
    """

    def gains(layout: str) -> list[Result]:
        return results.of("bounce.gain_of_second_thread", layout=layout)

    pairs = list(zip(gains("two areas"), gains("two pools")))
    ratios = sorted(areas.median / pools.median for areas, pools in pairs)
    if len(ratios) < 5:
        return None
    return replace(pairs[0][0], median=ratios[len(ratios) // 2], low=ratios[2], high=ratios[-3])


GOALS = [
    Goal("split pair, batches of 32, over Linux' driver and vringh", 0.45, *over_linux(**ring(32)), stretch=0.40),
    Goal("packed pair, the same", 0.50, *over_linux(**ring(32, format="packed")), stretch=0.45),
    Goal("IN_ORDER, split, the same", 0.15, *over_linux(**ring(32, in_order=True)), stretch=0.11),
    Goal("IN_ORDER, packed, the same", 0.15, *over_linux(**ring(32, format="packed", in_order=True)), stretch=0.11),
    Goal("3 pieces, split pair, the same", 0.40, *over_linux(**ring(32, 3))),
    Goal("3 pieces in a table, split pair, the same", 0.40, *over_linux(**ring(32, 3, indirect=True))),
    Goal("split pair, one by one, the same", 0.60, *over_linux(**ring(1))),
    Goal(
        "split pair, one by one: nanoseconds beyond two full fences",
        12,
        beyond_two_fences(ONE_BY_ONE),
        beyond_two_fences(scaled(ONE_BY_ONE, floor_to_ours(**ring(1)))),
    ),
    Goal(
        "device side, batches of 32, over virtio-queue's iter()",
        0.22,
        one("peers.device_ratio", **ring(32), peer="virtio_queue_iter"),
    ),
    Goal("device side, the same, over vringh", 0.55, one("peers.device_ratio", **ring(32), peer="linux")),
    Goal(
        "driver side, the same, over virtio-drivers", 0.27, one("peers.driver_ratio", **ring(32), peer="virtio_drivers")
    ),
    Goal("driver side, the same, over Linux' split", 0.65, one("peers.driver_ratio", **ring(32), peer="linux")),
    Goal(
        "driver side, packed, over Linux' packed",
        0.60,
        one("peers.driver_ratio", **ring(32, format="packed"), peer="linux"),
    ),
    Goal("instructions per buffer, split", 175, *instructions(**ring(32))),
    Goal("instructions per buffer, packed", 200, *instructions(**ring(32, format="packed"))),
    Goal("instructions per buffer, split, IN_ORDER", 85, *instructions(**ring(32, in_order=True))),
    Goal("instructions per buffer, packed, IN_ORDER", 85, *instructions(**ring(32, format="packed", in_order=True))),
    Goal("two cores, batches of 32, window 256, split, over Linux' pair", 0.20, *cores(32, 256), floor_there=0.16),
    Goal("two cores, the same, split, IN_ORDER", 0.10, *cores(32, 256, in_order=True), floor_there=0.07),
    Goal("two cores, the same, packed, IN_ORDER", 0.10, *cores(32, 256, format="packed", in_order=True)),
    Goal(
        "two cores, one by one, window 1: packed over Linux' split pair",
        0.36,
        *cores(1, 1, format="packed"),
        floor_there=0.31,
    ),
    Goal("price of all checks, split, batches of 32", 1.10, price_of_checks(**ring(32)), stretch=1.05),
    Goal(
        "price of all checks, packed, batches of 32", 1.10, price_of_checks(**ring(32, format="packed")), stretch=1.05
    ),
    Goal("price of all checks, split, batches of 32, 3 pieces", 1.10, price_of_checks(**ring(32, 3)), stretch=1.05),
    Goal(
        "price of all checks, packed, batches of 32, 3 pieces",
        1.10,
        price_of_checks(**ring(32, 3, format="packed")),
        stretch=1.05,
    ),
    Goal(
        "bounce_map() and bounce_unmap(), 32768 slots, ns, the slowest of all sizes and occupancies",
        150,
        slowest_place(32768),
        stretch=80,
    ),
    Goal("the same, 524288 slots", 300, slowest_place(524288), stretch=150),
    Goal("the same over Linux' own pool, the worst of all", 1.0, worst_place_over("linux")),
    Goal(
        "the same over a slot walk that does what a kernel's pool does, the worst of all",
        1.0,
        worst_place_over("counted"),
    ),
    Goal(
        "two threads on two areas: the second thread's gain over that on two pools, which share nothing",
        0.95,
        gain_over_two_pools,
        at_least=True,
    ),
    Goal(
        "two threads on two areas: mappings per second over those of one",
        1.9,
        one("bounce.gain_of_second_thread", layout="two areas", slots=32768, occupied_percent=50, size=4096),
        at_least=True,
    ),
]


def rows(results: Results) -> list[list[str]]:
    """A row for every goal: what, the goal, what hand-written code does, measured, and whether it is met."""
    found = []
    for goal in GOALS:
        result = goal.measure(results)
        limit = ("≥ " if goal.at_least else "≤ ") + f"{goal.limit:g}"
        if goal.stretch is not None:
            limit += f" (better: {goal.stretch:g})"
        measured = "" if result is None else number(result.median) if result.low == result.high else interval(result)
        floor = goal.floor(results) if goal.floor else None
        least = number(floor.median) if floor else ""
        found.append([goal.what, limit, least, measured, goal.verdict(result, floor) if result else "not measured"])
    return found
