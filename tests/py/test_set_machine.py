# SPDX-License-Identifier: MIT
"""
Sets of pools under SetMachine: pools are added, drained, removed and lost while mappings come and go. And sets that are
wrong in ways that a set can be wrong, each of which the machine must find, for the reason given, in a few steps.
"""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from vring import BounceCode, BounceSet, CallerError, PoolConfig, PoolFlag, SetPool
from vring.bounce_set import Released, Share
from vring.testing import SetMachine

RULES = re.compile(r"state\.(add|add_at_the_same_addresses|drain|remove|map|fill|alloc|map_transient|end)\(")


TestSetAgainstModel = SetMachine.TestCase


class ServesAnyDevice(BounceSet):
    """A pool of a device's own is everybody's."""

    def add(self, config: PoolConfig, *, device: int = 0) -> SetPool:
        return super().add(config)


class StillServes(BounceSet):
    """What is being drained goes on mapping."""

    def add(self, config: PoolConfig, *, device: int = 0) -> SetPool:
        pool = super().add(config, device=device)
        setattr(pool, "drain", lambda: None)
        return pool


class DoesNotClear(BounceSet):
    """What was mapped stays in the window, and leaves with it."""

    def add(self, config: PoolConfig, *, device: int = 0) -> SetPool:
        return super().add(replace(config, flags=config.flags | PoolFlag.KEEP_CONTENTS), device=device)


class StaysTransient(BounceSet):
    """A pool for one mapping becomes one for all."""

    def map_transient(self, config: PoolConfig, *request: Any, **wishes: Any) -> Any:
        self.add(config)
        return self.map(*request, **wishes)


class SharesForNothing(BounceSet):
    """The devices see the window of a pool in which the request could never be mapped."""

    def map_transient(self, config: PoolConfig, *request: Any, **wishes: Any) -> Any:
        try:
            return super().map_transient(config, *request, **wishes)
        except CallerError as error:
            if error.code in (BounceCode.TOO_LARGE, BounceCode.UNSATISFIABLE):
                self.add(config).remove()
            raise


class ForgetsToShare(BounceSet):
    """Nobody is told that a window becomes the devices'."""

    def __init__(self, entries: int, share: Share, released: Released) -> None:
        super().__init__(entries, seed=1, released=released)


@pytest.mark.parametrize(
    ("wrong", "reason", "steps"),
    [
        (ServesAnyDevice, "the set (took|answered)", 3),
        (StillServes, "the set (took|answered)", 4),
        (DoesNotClear, "of the window at", 10),
        (StaysTransient, "the set (took|answered|told)|where .* was due", 4),
        (SharesForNothing, "the set told", 1),
        (ForgetsToShare, "the set told", 2),
    ],
)
def test_a_wrong_set_is_found_in_few_steps(wrong: type[BounceSet], reason: str, steps: int) -> None:
    class Machine(SetMachine):
        def make_set(self, entries: int, share: Share, released: Released) -> BounceSet:
            return wrong(entries, share=share, released=released)

    run: list[str] = []
    for luck in range(5):  # a search may end where nothing smaller is near; what else was imported is part of the luck
        with pytest.raises(Exception, match=reason) as found:
            run_state_machine_as_test(
                seed(luck)(Machine),
                settings=settings(
                    max_examples=3000, report_multiple_bugs=False, phases=[Phase.generate, Phase.shrink], database=None
                ),
            )
        run = [line for line in getattr(found.value, "__notes__", []) if RULES.match(line)]
        if len(run) <= steps:
            break
    assert 1 <= len(run) <= steps, run
