# SPDX-License-Identifier: MIT
"""
The three deliberately wrong programs of examples/python: each is found by the machine that it is under, and shrunk to
a handful of steps; without its mistake it passes. One is C behind ctypes, two are pure Python.
"""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"
INVARIANTS = {"counts_add_up", "nothing_staged_is_visible"}


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def counterexample(machine: type[RuleBasedStateMachine], how: settings) -> tuple[str, list[str], str]:
    """What is wrong, the steps that show it, and the whole story as it is printed."""
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(machine, settings=settings(how, derandomize=True, database=None))
    story = "\n".join(found.value.__notes__)
    steps = re.findall(r"^state\.(\w+)\(", story, re.MULTILINE)
    return str(found.value), [step for step in steps if step not in INVARIANTS | {"teardown"}], story


@pytest.mark.parametrize(
    "name, wrong, reason, most_steps",
    [
        ("modular_events", "ToyDriverMachine", "the driver owes the device a notification", 4),
        ("free_list", "FreeListMachine", "is published as .* but is|is in descriptor", 4),
        ("swiotlb_search", "PreFixMachine", "no multiple of 0x[0-9a-f]+ as its alloc_align_mask demands", 2),
    ],
)
def test_a_wrong_one_is_found_and_shrunk_to_a_handful_of_steps(
    name: str, wrong: str, reason: str, most_steps: int
) -> None:
    module = load(name)
    what, steps, story = counterexample(getattr(module, wrong), module.SETTINGS)
    assert re.search(reason, what), what
    assert steps[0] == "start" and len(steps) <= most_steps, story
    assert len(story.splitlines()) <= 20, "a report is read at a glance"


@pytest.mark.parametrize(
    "name, right",
    [
        ("modular_events", "RightToyDriverMachine"),
        ("free_list", "PrivateListMachine"),
        ("swiotlb_search", "FixedMachine"),
    ],
)
def test_without_its_mistake_it_passes(name: str, right: str) -> None:
    module = load(name)
    run_state_machine_as_test(getattr(module, right), settings=settings(module.SETTINGS, max_examples=50))
