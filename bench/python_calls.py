# SPDX-License-Identifier: MIT
"""
What a buffer costs from Python, one by one, in batches and in runs, and what an example of 50 steps costs: ours, and
with Hypothesis. CPU time, the best of several. ``python bench/python_calls.py docs/python.md`` measures that page anew.
"""

import argparse
import dataclasses
import functools
import os
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import Phase, settings
from hypothesis.stateful import Rule, RuleBasedStateMachine, rule, run_state_machine_as_test

import vring
from vring import Device, Driver, Feature, GuestMemory, Offer, allocate_areas
from vring.testing import (
    HostileDeviceMachine,
    HostileDriverMachine,
    PackedRingMachine,
    PoolMachine,
    RingMachine,
    RingSetup,
    ScheduleMachine,
)

BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
BATCH, SIZE = 32, 64  # buffers at once, bytes of each
EXAMPLES = 10
STEPS = 50
HOW = settings(stateful_step_count=STEPS, deadline=None, database=None, phases=[Phase.generate])
MACHINES = (RingMachine, PackedRingMachine, HostileDeviceMachine, HostileDriverMachine, ScheduleMachine, PoolMachine)


def best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of CPU time."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


Trip = Callable[[], object]


def one_by_one(driver: Driver, device: Device, addr: int) -> Trip:
    def trip() -> None:
        driver.add_avail(writable=[(addr, SIZE)])
        driver.publish()
        device.add_used_batch(device.get_avail_batch(1))
        device.publish()
        driver.get_used_batch(1)

    return trip


def in_batches(driver: Driver, device: Device, addr: int) -> Trip:
    offers = [Offer(writable=[(addr, SIZE)])] * BATCH

    def trip() -> None:
        driver.add_avail_batch(offers)
        driver.publish()
        device.add_used_batch(device.get_avail_batch(BATCH))
        device.publish()
        driver.get_used_batch(BATCH)

    return trip


def in_runs(driver: Driver, device: Device, addr: int) -> Trip:
    segments = [(addr, SIZE)] * BATCH

    def trip() -> None:
        driver.add_avail_run(segments, writable=True)
        driver.publish()
        run = device.get_avail_run(BATCH)
        assert run and run.n == BATCH, "a batch that divides the ring is one run"
        device.add_used_through(run.last)
        device.publish()
        driver.get_used_run(BATCH)

    return trip


#: What the rows of the first table are, with the features that each needs, and how many buffers a trip has.
WAYS = (
    ("one buffer there and back, both sides, added one by one", Feature(0), one_by_one, 1),
    (f"the same in batches of {BATCH}", Feature(0), in_batches, BATCH),
    (f"the same in runs of {BATCH}, with IN_ORDER", Feature.IN_ORDER, in_runs, BATCH),
)


def round_trip(way: Callable[[Driver, Device, int], Trip], features: Feature, buffers: int, rounds: int) -> float:
    """Microseconds for one buffer there and back: both sides, as many at once as a trip has."""
    memory = GuestMemory(1 << 20)
    areas = allocate_areas(memory, 256, features)
    driver, device = Driver(memory, areas, features), Device(memory, areas, features)
    trip = way(driver, device, memory.allocate(SIZE))
    trips = 2048 // buffers
    cost = best(lambda: [trip() for _ in range(trips)], rounds)
    assert driver.in_flight == 0, "not all came back: what was measured is not what it is called"
    return cost / (trips * buffers) * 1e6


class DoesNothing(RuleBasedStateMachine):
    """What Hypothesis itself takes for 50 steps is measured with this."""

    @rule()
    def nothing(self) -> None:
        pass


Steps = list[tuple[Rule, dict[str, Any]]]


def record(machine: type[RuleBasedStateMachine], examples: int) -> list[Steps]:
    """The steps that Hypothesis chooses for so many examples: each rule with its arguments."""
    runs: list[Steps] = []
    recorded = type(f"Recorded{machine.__name__}", (machine,), {})

    def noted(of: Rule, starts: bool) -> Rule:
        @functools.wraps(of.function)
        def step(state: RuleBasedStateMachine, **arguments: Any) -> None:
            if starts:
                runs.append([])
            runs[-1].append((of, arguments))
            of.function(state, **arguments)

        return dataclasses.replace(of, function=step)

    state = recorded.setup_state()
    state.rules[:] = [noted(of, False) for of in state.rules]
    state.initializers[:] = [noted(of, True) for of in state.initializers]
    run_state_machine_as_test(recorded, settings=settings(HOW, max_examples=examples, derandomize=True))
    return runs


def repeat(machine: type[RuleBasedStateMachine], steps: Steps) -> None:
    """The same steps, and what must hold after each, without Hypothesis."""
    state = machine()
    for step, arguments in steps:
        step.function(state, **{name: anew(value) for name, value in arguments.items()})
        for invariant in state.invariants:
            invariant.function(state)
    state.teardown()


def anew(value: Any) -> Any:
    """A ring in memory that nobody has used; any other argument as it is."""
    if not isinstance(value, RingSetup):
        return value
    memory = GuestMemory(value.memory.size, value.memory.base)
    last = value.areas.device + value.areas.layout.device_size
    memory.allocate(last - memory.base)
    return dataclasses.replace(
        value, memory=memory, regions=tuple(dataclasses.replace(region, memory=memory) for region in value.regions)
    )


def under_hypothesis(machine: type[RuleBasedStateMachine], rounds: int) -> float:
    """Milliseconds for an example of 50 steps."""
    how = settings(HOW, max_examples=EXAMPLES)
    return best(lambda: run_state_machine_as_test(machine, settings=how), rounds) / EXAMPLES * 1e3


def by_itself(machine: type[RuleBasedStateMachine], rounds: int) -> float:
    """Milliseconds for what such an example does, without Hypothesis."""
    # Hypothesis begins with the shortest run that there is, and with others that are shorter than asked for.
    runs = [steps for steps in record(machine, 2 * EXAMPLES) if len(steps) == STEPS]
    cost = best(lambda: [repeat(machine, steps) for steps in runs], rounds)
    return cost / len(runs) * 1e3


def tables(rounds: int) -> str:
    """What was measured, on which machine, as the part of docs/python.md that lies between its two marks."""
    load = os.getloadavg()[0]
    modern, packed = Feature.VERSION_1, Feature.VERSION_1 | Feature.RING_PACKED
    rows = [
        [what, *(f"{round_trip(way, ring | more, buffers, rounds):.1f} us" for ring in (modern, packed))]
        for what, more, way, buffers in WAYS
    ]
    nothing = under_hypothesis(DoesNothing, rounds)
    examples = [(of.__name__, by_itself(of, rounds), under_hypothesis(of, rounds)) for of in MACHINES]
    lines = [
        "| what | split | packed |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        "| machine | 50 steps by themselves | as an example under Hypothesis |",
        "|---|---|---|",
        f"| one rule that does nothing | 0.0 ms | {nothing:.1f} ms |",
        *(f"| `{name}` | {alone:.1f} ms | {whole:.1f} ms |" for name, alone, whole in examples),
        "",
        f"{cpu()}, Python {platform.python_version()}, Hypothesis {hypothesis.__version__}, vring {vring.__version__}, "
        f"the best of {rounds} rounds, load {load:.1f} before the first.",
    ]
    return "\n".join(lines) + "\n"


def cpu() -> str:
    """What this machine calls its CPU, and how many there are."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{names[0].strip() if names else platform.machine()}, {os.cpu_count()} of them"


def put(text: str, page: Path) -> None:
    """Between the marks of a page. Raises ValueError if it has none."""
    before, mark, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page} has no lines {BEGIN.strip()} and {END.strip()} for the tables to stand between")
    page.write_text(before + mark + text + end + after, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, nargs="?", help="put the tables there, between its marks, and not out here")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured, of which the best counts")
    options = parser.parse_args()
    text = tables(options.rounds)
    if options.page:
        put(text, options.page)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
