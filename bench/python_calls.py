# SPDX-License-Identifier: MIT
"""What a buffer costs from Python, one by one and in batches, and an example of 50 steps: CPU time, best of seven."""

import time
from collections.abc import Callable

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from vring import Device, Driver, Feature, GuestMemory, Offer, allocate_areas
from vring.testing import RingMachine


def best(work: Callable[[], object]) -> float:
    """Seconds of CPU time."""
    times = []
    for _ in range(7):
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


def fifty_steps() -> float:
    """Milliseconds for one example of RingMachine, 50 steps at most, what Hypothesis itself does included."""
    how = settings(max_examples=20, stateful_step_count=50, deadline=None, database=None, phases=[Phase.generate])
    return best(lambda: run_state_machine_as_test(RingMachine, settings=how)) / 20 * 1e3


if __name__ == "__main__":
    for packed in (False, True):
        for batch in (1, 32):
            cost = round_trips(batch, packed)
            print(f"{'packed' if packed else 'split':6}  batches of {batch:2}  {cost:6.2f} us a buffer, both sides")
    print(f"RingMachine, 50 steps: {fifty_steps():.1f} ms an example")
