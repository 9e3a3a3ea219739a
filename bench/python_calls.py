# SPDX-License-Identifier: MIT
"""
What a buffer costs from Python, one by one and in batches, and what an example of 50 steps costs: ours, and with
Hypothesis. CPU time, the best of several.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

from hypothesis import Phase, settings
from hypothesis.stateful import Rule, RuleBasedStateMachine, rule, run_state_machine_as_test

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

EXAMPLES = 10
STEPS = 50
HOW = settings(stateful_step_count=STEPS, deadline=None, database=None, phases=[Phase.generate])
MACHINES = (
    RingMachine,
    PackedRingMachine,
    HostileDeviceMachine,
    HostileDriverMachine,
    ScheduleMachine,
    PoolMachine,
)


def best(work: Callable[[], object], of: int = 7) -> float:
    """Seconds of CPU time."""
    times = []
    for _ in range(of):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def round_trips(batch: int, packed: bool) -> float:
    """Microseconds for one buffer there and back: both sides, in batches of so many."""
    features = Feature.VERSION_1 | (Feature.RING_PACKED if packed else 0)
    memory = GuestMemory(1 << 20)
    areas = allocate_areas(memory, 256, features)
    driver, device = Driver(memory, areas, features), Device(memory, areas, features)
    data = memory.allocate(64)
    offers = [Offer(writable=[(data, 64)])] * batch
    rounds = 2048 // batch

    def work() -> None:
        for _ in range(rounds):
            if batch == 1:
                driver.add_avail(writable=[(data, 64)])
            else:
                driver.add_avail_batch(offers)
            driver.publish()
            device.add_used_batch(device.get_avail_batch(batch))
            device.publish()
            driver.get_used_batch(batch)

    return best(work) / (rounds * batch) * 1e6


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


def under_hypothesis(machine: type[RuleBasedStateMachine]) -> float:
    """Milliseconds for an example of 50 steps."""
    how = settings(HOW, max_examples=EXAMPLES)
    return best(lambda: run_state_machine_as_test(machine, settings=how), of=3) / EXAMPLES * 1e3


def by_itself(machine: type[RuleBasedStateMachine]) -> float:
    """Milliseconds for what such an example does, without Hypothesis."""
    # Hypothesis begins with the shortest run that there is, and with others that are shorter than asked for.
    runs = [steps for steps in record(machine, 2 * EXAMPLES) if len(steps) == STEPS]
    cost = best(lambda: [repeat(machine, steps) for steps in runs], of=3)
    return cost / len(runs) * 1e3


if __name__ == "__main__":
    for packed in (False, True):
        for batch in (1, 32):
            cost = round_trips(batch, packed)
            print(f"{'packed' if packed else 'split':6}  batches of {batch:2}  {cost:6.2f} us a buffer, both sides")
    print(f"{under_hypothesis(DoesNothing):5.1f} ms for 50 steps that do nothing, all of it Hypothesis")
    for machine in MACHINES:
        cost, whole = by_itself(machine), under_hypothesis(machine)
        print(f"{cost:5.1f} ms for 50 steps of {machine.__name__:20}, {whole:5.1f} with Hypothesis")
