# SPDX-License-Identifier: MIT
"""
A driver in C, by ctypes, under RingMachine: what it takes to put your own ring there.

    python modular_events.py            finds the mistake of toy_driver.c
    python modular_events.py --right    builds it without, and finds nothing
"""

import ctypes
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from vring import Feature, Segment, Used
from vring.testing import RingMachine, RingSetup

SOURCE = Path(__file__).with_name("toy_driver.c")


@cache
def build(right: bool) -> ctypes.CDLL:
    """The library, with or without its mistake."""
    library = Path(tempfile.mkdtemp()) / "toy_driver.so"
    defines = ["-DMODULAR_EVENTS"] if right else []
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", *defines, SOURCE, "-o", library], check=True)
    toy = ctypes.CDLL(str(library))
    toy.toy_publish.restype = toy.toy_sleep.restype = ctypes.c_bool
    return toy


class ToyDriver:
    """The same with the verbs that the machine asks for: the five of ``vring.testing.DriverLike``."""

    right = False

    def __init__(self, setup: RingSetup) -> None:
        self.c = build(self.right)
        self.toy = ctypes.create_string_buffer(64)
        self.tokens: dict[int, object] = {}
        to_host = setup.memory.host - setup.memory.base
        areas = (ctypes.c_void_p(to_host + addr) for addr in (setup.areas.desc, setup.areas.driver, setup.areas.device))
        event_idx = bool(setup.features & Feature.EVENT_IDX)
        self.c.toy_init(self.toy, *areas, setup.areas.size, setup.index, ctypes.c_bool(event_idx))

    def add_avail(
        self, readable: Sequence[Segment] = (), writable: Sequence[Segment] = (), token: object = None
    ) -> bool:
        [(addr, length)] = [*readable, *writable]
        number = self.c.toy_add(self.toy, ctypes.c_uint64(addr), length, ctypes.c_bool(bool(writable)))
        if number >= 0:
            self.tokens[number] = token
        return bool(number >= 0)

    def publish(self) -> bool:
        return bool(self.c.toy_publish(self.toy))

    def get_used(self) -> Used | None:
        length = ctypes.c_uint32()
        number = self.c.toy_get_used(self.toy, ctypes.byref(length))
        return None if number < 0 else Used(self.tokens.pop(number), length.value)

    def enable_notify(self) -> bool:
        return bool(self.c.toy_sleep(self.toy))

    def disable_notify(self) -> None:
        self.c.toy_stay_awake(self.toy)


class ToyDriverMachine(RingMachine):
    """That driver with our device. It has no tables, and its buffers have one piece."""

    features = Feature.EVENT_IDX
    most_pieces = 1

    def make_driver(self, setup: RingSetup) -> ToyDriver:
        return ToyDriver(setup)


class RightToyDriverMachine(ToyDriverMachine):
    """The same without the mistake."""

    def make_driver(self, setup: RingSetup) -> ToyDriver:
        driver = type("RightToyDriver", (ToyDriver,), {"right": True})
        return driver(setup)  # type: ignore[no-any-return]


TestToyDriver = RightToyDriverMachine.TestCase

# Short runs shrink fast, one counterexample is enough, and what Hypothesis could explain besides takes it longest.
SETTINGS = settings(
    stateful_step_count=6,
    max_examples=500,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    deadline=None,
)

if __name__ == "__main__":
    machine = RightToyDriverMachine if "--right" in sys.argv else ToyDriverMachine
    run_state_machine_as_test(machine, settings=SETTINGS)
